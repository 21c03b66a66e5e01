"""Dino, a client with windows, on a screen of its own (Xvfb): its window is typed into, its database says what it has shown.

It finds the server by name and trusts its certificate: a mount namespace of its own gives it a file of hosts and one of
certificate authorities, so that nothing of the machine is changed. It needs root, as the rest of a CI run does.
"""

import asyncio
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time

from . import process

WAIT_SECONDS = 25
# Rows of Dino's own tables.
CHAT, ROOM = 0, 1
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
START = """
mount --make-rprivate / && mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/authorities" %s &&
mount --bind "$1/resolv.conf" /etc/resolv.conf && shift && exec "$@"
""" % AUTHORITIES


class Dino:
    """One account used by Dino. `conversations` are opened when it starts: [(address, CHAT or ROOM, nickname or None)]."""

    def __init__(self, server, user, password, conversations):
        self.server, self.jid, self.password, self.conversations = server, server.jid(user), password, conversations
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="dino-"))
        self.database = self.home / ".local/share/dino/dino.db"
        self.display = ":%d" % (100 + os.getpid() % 400)
        self.children = []

    async def __aenter__(self):
        (self.home / "hosts").write_text("127.0.0.1 localhost\n%s %s conference.%s\n" % (
            self.server.address, self.server.domain, self.server.domain))
        (self.home / "authorities").write_text(self.server.certificate.read_text())
        (self.home / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.begin(["Xvfb", self.display, "-screen", "0", "1200x900x24", "-nolisten", "tcp"])
        self.bus = "unix:path=%s/bus" % self.home
        self.begin(["dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + self.bus])
        await self.until(lambda: (self.home / "bus").exists(), "to have a bus")
        await self.make_database()
        self.start()
        await self.until(lambda: self.window(), "to show a window")
        return self

    async def __aexit__(self, *failure):
        for child in reversed(self.children):
            child.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def begin(self, command):
        child = process.Child(command, self.home / "log", {
            "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home), "DISPLAY": self.display, "GDK_BACKEND": "x11",
            "DBUS_SESSION_BUS_ADDRESS": getattr(self, "bus", ""), "NO_AT_BRIDGE": "1", "GTK_A11Y": "none",
            "LANG": "C.UTF-8", "GSETTINGS_BACKEND": "memory"})
        self.children.append(child)
        return child

    def start(self):
        self.dino = self.begin(["unshare", "--mount", "sh", "-c", START, "sh", self.home, "dino-im"])

    async def make_database(self):
        """Dino makes its tables at its first start; the account and its conversations are added before the second."""
        self.start()
        await self.until(lambda: self.rows("select name from sqlite_master where name = 'conversation'"), "to have a database")
        await asyncio.sleep(1)
        self.dino.kill()
        self.children.remove(self.dino)
        with contextlib.closing(sqlite3.connect(self.database)) as database, database:
            database.execute("insert into account (id, bare_jid, resourcepart, password, alias, enabled) values (1, ?, ?, ?, '', 1)",
                             (self.jid, "dino", self.password))
            for number, (address, kind, nick) in enumerate(self.conversations, 1):
                database.execute("insert into jid (id, bare_jid) values (?, ?)", (number, address))
                database.execute(
                    "insert into conversation (account_id, jid_id, resource, active, last_active, type, encryption, read_up_to_item,"
                    " notification, send_typing, send_marker) values (1, ?, ?, 1, ?, ?, 0, -1, 0, 1, 1)",
                    (number, nick, int(time.time()) - number, kind))

    def rows(self, query, *values):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(
                sqlite3.connect("file:%s?mode=ro" % self.database, uri=True)) as database:
            return database.execute(query, values).fetchall()
        return []

    def messages(self, address):
        """The texts of a conversation, in the order in which Dino shows them."""
        return [body for body, in self.rows(
            "select body from message join jid on jid.id = counterpart_id where bare_jid = ? and body is not null"
            " order by message.time, message.id", address)]

    async def hear(self, address, texts):
        await self.until(lambda: self.messages(address) == texts, "to have %r, but %%r" % (texts,), lambda: self.messages(address))

    def do(self, *command):
        return subprocess.run(["xdotool", *command], env={**os.environ, "DISPLAY": self.display}, capture_output=True, text=True,
                              check=False).stdout.split()

    def window(self):
        return self.do("search", "--onlyvisible", "--class", "dino")

    async def say(self, text):
        """Opens the first conversation of the list by its key, types, and presses Enter."""
        self.do("windowfocus", "--sync", self.window()[-1])
        await asyncio.sleep(0.5)
        self.do("key", "alt+1")
        await asyncio.sleep(1)
        self.do("type", "--delay", "20", text)
        self.do("key", "Return")

    async def until(self, ready, what, found=None):
        end = time.monotonic() + WAIT_SECONDS
        while not ready():
            if time.monotonic() > end:
                log = (self.home / "log").read_text(errors="replace")[-600:]
                what = what % (found(),) if found else what
                raise TimeoutError("Dino did not come %s; its log: %s" % (what, log))
            await asyncio.sleep(0.1)
