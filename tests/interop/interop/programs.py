"""Real client programs from Debian: go-sendxmpp by its standard input and output, profanity through a terminal."""

import asyncio
import os
import re
import subprocess
import time

from . import process, servers

PATIENCE_SECONDS = 12
LINE = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (\S+): (.*)$")


class GoSendxmpp:
    """One account used by go-sendxmpp: `say` sends one message and leaves, `listen` stays online and collects."""

    def __init__(self, server, user, password):
        self.server, self.user, self.password = server, user, password
        self.listener = None
        self.count = 0

    @property
    def jid(self):
        return self.server.jid(self.user)

    def command(self, *arguments, direct=False):
        port = servers.XMPPS_PORT if direct else servers.XMPP_PORT
        return ["go-sendxmpp", *(["-t"] if direct else []), "-u", self.jid, "-p", self.password,
                "-j", "%s:%d" % (self.server.address, port), *arguments]

    def environment(self):
        return {"SSL_CERT_FILE": str(self.server.certificate), "HOME": str(self.server.folder)}

    async def say(self, to, body, direct=False):
        """Sends one message; raises RuntimeError with what the program printed if it failed."""
        child = await asyncio.create_subprocess_exec(
            *self.command(to, direct=direct), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment()})
        try:
            output, _ = await asyncio.wait_for(child.communicate(body.encode()), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            child.kill()
            raise RuntimeError("go-sendxmpp did not end") from None
        if child.returncode:
            raise RuntimeError("go-sendxmpp failed: " + output.decode())

    def listen(self, direct=False):
        """Comes online and collects messages; `heard` reads them."""
        self.count += 1
        self.output = self.server.folder / ("go-sendxmpp-%s-%d.log" % (self.user, self.count))
        self.listener = process.Child(self.command("-l", direct=direct), self.output, self.environment())

    def heard(self):
        """[(from, body)] in order, as the listener printed them so far."""
        messages = []
        for line in self.output.read_text().splitlines():
            if found := LINE.match(line):
                messages.append([found[1], found[2]])
            elif messages:
                messages[-1][1] += "\n" + line
        return [tuple(message) for message in messages]

    async def hear(self, count):
        """Waits until `count` messages were heard; returns them."""
        return await eventually(lambda: len(self.heard()) >= count and self.heard(), "%d messages; heard so far: %s" % (
            count, self.heard()))

    def leave(self):
        if self.listener:
            self.listener.stop(2)


class Profanity:
    """One account used by profanity in a tmux of its own: `type` a line, `see` something on the screen."""

    def __init__(self, server, user, password):
        self.server, self.user = server, user
        self.home = server.folder / ("profanity-" + user)
        self.socket = str(self.home / "tmux")
        self.note = None
        accounts = self.home / ".local/share/profanity/accounts"
        settings = self.home / ".config/profanity/profrc"
        for file, text in ((accounts, ACCOUNT), (settings, SETTINGS)):
            file.parent.mkdir(parents=True)
            file.write_text(text.format(jid=self.jid, password=password, address=server.address,
                                        port=servers.XMPP_PORT))

    @property
    def jid(self):
        return self.server.jid(self.user)

    def tmux(self, *arguments):
        environment = {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"),
                       "XDG_DATA_HOME": str(self.home / ".local/share"), "TERM": "screen-256color", "LC_ALL": "C.UTF-8"}
        return subprocess.run(["tmux", "-S", self.socket, *arguments], check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=environment, timeout=PATIENCE_SECONDS).stdout

    async def start(self):
        """Starts the program; returns when its screen says that it is online."""
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "120", "profanity -l DEBUG -a " + self.jid)
        pid = self.tmux("display-message", "-p", "#{pid}").strip()
        if process.NOTES:
            self.note = process.NOTES / (pid + ".group")
            self.note.touch()
        await self.see(r"logged in successfully, online")
        self.type("/win 1")

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    async def see(self, pattern, count=1):
        """Waits until the pattern stands on the screen `count` times; returns the screen."""
        def seen():
            text = self.screen()
            return text if len(re.findall(pattern, text)) >= count else None
        return await eventually(seen, lambda: "%r on the screen:\n%s" % (pattern, "\n".join(
            line for line in self.screen().splitlines() if line.strip())))

    def leave(self):
        """Ends the program and its terminal at once."""
        try:
            self.tmux("kill-server")
        except subprocess.SubprocessError:
            pass
        if self.note:
            self.note.unlink(missing_ok=True)


async def eventually(condition, what, seconds=PATIENCE_SECONDS):
    """Waits until the condition gives something true, and returns that; AssertionError saying what was awaited."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("never saw %s" % (what() if callable(what) else what))
        await asyncio.sleep(0.1)
    return result


ACCOUNT = """[{jid}]
enabled=true
jid={jid}
password={password}
resource=profanity
server={address}
port={port}
tls.policy=trust
"""

SETTINGS = """[ui]
splash=false
roster=false
[chatstates]
enabled=false
[connection]
reconnect=0
autoping=0
"""
