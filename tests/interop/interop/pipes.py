"""The Rust client of ICPP as a process that can be killed: its example `pipe`, lines in and lines out, and its other examples.

`cargo build -p crosspoint-client --features websocket --examples` makes them; INTEROP_EXAMPLES names their folder, else it is the newest
under `target`.
"""

import os
import pathlib
import subprocess

from . import process, servers
from .people import WAIT_SECONDS
from .programs import eventually


def example(name):
    """The path of a built example."""
    named = os.environ.get("INTEROP_EXAMPLES")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", servers.REPOSITORY / "target"))
    folders = [pathlib.Path(named)] if named else [target / profile / "examples" for profile in ("release", "ci", "debug")]
    built = [path for folder in folders if (path := folder / name).exists()]
    if not built:
        raise AssertionError("no example %s: cargo build -p crosspoint-client --features websocket --examples" % name)
    return max(built, key=lambda path: path.stat().st_mtime)


class Talker:
    """A program with lines in and lines out. `lines()` is what it has said, also in its earlier runs."""

    def __init__(self, folder, name, command):
        self.command, self.log, self.child = command, folder / (name + ".lines"), None

    def start(self):
        self.child = process.Child(self.command, self.log, stdin=subprocess.PIPE, env={"RUST_BACKTRACE": "1"})
        return self

    def type(self, line):
        self.child.popen.stdin.write(line.encode() + b"\n")
        self.child.popen.stdin.flush()

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self):
        """Whole lines only: the last may be half written."""
        return self.text().split("\n")[:-1]

    async def saw(self, start, seconds=WAIT_SECONDS, count=1):
        """Waits until so many lines begin like this; the last of them."""
        def found():
            lines = [line for line in self.lines() if line.startswith(start)]
            return lines[-1] if len(lines) >= count else None
        return await eventually(found, lambda: "%d of %r in %s" % (count, start, self.lines()[-12:]), seconds)

    def kill(self):
        """kill -9."""
        if self.child and self.child.running():
            self.child.kill()
        if self.child:
            self.child.popen.stdin.close()

    async def ended(self, seconds=WAIT_SECONDS):
        """Waits for the end; its exit status."""
        await eventually(lambda: not self.child.running(), lambda: "the end of %s" % self.command, seconds)
        self.child.forget()
        return self.child.popen.returncode


class Pipe(Talker):
    """One account. `state`: whether it keeps one, over its runs."""

    def __init__(self, server, folder, user, password, urls, state=True, trust=None):
        self.address, self.sent = server.jid(user), 0
        command = [example("pipe"), self.address, password, *urls]
        if state:
            command += ["--state", folder / (user + ".state")]
        if trust:
            command += ["--trust", trust]
        super().__init__(folder, user, command)

    def say(self, to, text):
        """Sends; the number by which the acceptance is told."""
        self.sent += 1
        self.type("%s %s" % (to, text))
        return self.sent

    def accepted(self):
        """Numbers of those that were accepted, in the order in which that was told, in all runs."""
        return [int(line.split()[1]) for line in self.lines() if line.startswith("accepted ")]

    def heard(self):
        """Texts that arrived, in order."""
        return [line.split(" ", 2)[2] for line in self.lines() if line.startswith("from ")]

    def online(self):
        """Its sessions, and their resumptions."""
        return [line for line in self.lines() if line.startswith(("connected ", "resumed "))]

    def node(self):
        """Where it was last."""
        return self.online()[-1].split()[2] if self.online() else None
