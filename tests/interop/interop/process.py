"""Processes that a run starts: each is known by its id, logs to a file, and is ended by that id alone."""

import os
import random
import signal
import socket
import subprocess
import time


# Where the id of each running process group is noted, so that `run` can end what a suite cut off left behind.
NOTES = None


class Child:
    """One started program. `log` gets its standard output and error. Ends with its own process group."""

    def __init__(self, command, log, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.command = [str(part) for part in command]
        self.log = log
        with open(log, "ab") as sink:
            self.popen = subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        self.note = NOTES / ("%d.group" % self.popen.pid) if NOTES else None
        if self.note:
            self.note.touch()

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def _signal(self, number):
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        """kill -9, at once, the whole group; returns when the process is gone."""
        self._signal(signal.SIGKILL)
        self.popen.wait()
        self.forget()

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL after `seconds`. Returns the exit status."""
        if self.running():
            self._signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self.forget()
        return self.popen.returncode

    def forget(self):
        if self.note:
            self.note.unlink(missing_ok=True)

    def tail(self, lines=15):
        with open(self.log, "rb") as text:
            return b"\n".join(text.read().splitlines()[-lines:]).decode("utf-8", "replace")


def loopback_address():
    """An address of 127.0.0.0/8 that nobody listens on, so that a server can have the standard ports to itself."""
    while True:
        address = "127.%d.%d.%d" % (random.randint(16, 250), random.randint(1, 250), random.randint(1, 250))
        if not accepts(address, 5222) and not accepts(address, 5223):
            return address


def accepts(address, port):
    """Whether something accepts TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def wait_for(condition, seconds, what, every=0.05):
    """Polls `condition` until it is true; raises TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited %g s for %s" % (seconds, what))
        time.sleep(every)


def resident_bytes(pid):
    """RSS of a process and all its descendants, in bytes (VmRSS of /proc/PID/status)."""
    total = 0
    for member in descendants(pid):
        try:
            with open("/proc/%d/status" % member) as status:
                for line in status:
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) * 1024
        except FileNotFoundError:
            continue
    return total


def cpu_seconds(pid):
    """User and system time of a process and all its descendants so far, in seconds."""
    total = 0
    for member in descendants(pid):
        try:
            with open("/proc/%d/stat" % member) as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def descendants(pid):
    """A process id and those of its children, their children, and so on."""
    found = [pid]
    for member in found:
        try:
            with open("/proc/%d/task/%d/children" % (member, member)) as children:
                found.extend(int(child) for child in children.read().split())
        except FileNotFoundError:
            continue
    return found
