"""Processes that the comparison starts: each in a group of its own, and every group ended by its id, come what may."""

import os
import signal
import subprocess
import time


class Child:
    """A started program; its output goes to a file. Ends with its whole process group."""

    running = {}

    def __init__(self, command, log, env=None, cwd=None):
        self.command = [str(part) for part in command]
        self.log = log
        with open(log, "ab") as sink:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                          env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)
        Child.running[self.pid] = self

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL for whatever is left of the group."""
        signalled(self.pid, signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        signalled(self.pid, signal.SIGKILL)
        self.popen.wait()
        Child.running.pop(self.pid, None)

    def tail(self, lines=10):
        with open(self.log, "rb") as text:
            return b"\n".join(text.read().splitlines()[-lines:]).decode("utf-8", "replace")


def signalled(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def stop_all():
    """Ends every process that was started and not ended. Interrupts wait until it is done."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for child in list(Child.running.values()):
            child.stop(seconds=3)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def family(pid):
    """A process id and those of its children, their children, and so on."""
    found = [pid]
    for member in found:
        try:
            with open("/proc/%d/task/%d/children" % (member, member)) as children:
                found.extend(int(child) for child in children.read().split())
        except FileNotFoundError:
            continue
    return found


def wait_for(condition, seconds, what, every=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited %g s for %s" % (seconds, what))
        time.sleep(every)
