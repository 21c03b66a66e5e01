"""The bpftrace scripts: where they look, for which binary, and what they show.

A script names the probes of `target/release/crosspoint`; for a process that runs, that is replaced by its own binary.
"""

import pathlib
import re
import signal
import subprocess

HOME = pathlib.Path(__file__).resolve().parents[1]
REPOSITORY = HOME.parents[1]
NAMED = "target/release/crosspoint"
PROBE = re.compile(r"usdt:%s:crosspoint:(\w+)" % re.escape(NAMED))
SYSCALL_COUNT = re.compile(r"^@syscall\[(\d+)\]: (\d+)$")
# Numbers of x86-64 for what a server does; others keep their number.
SYSCALLS = {0: "read", 1: "write", 3: "close", 18: "pwrite64", 20: "writev", 24: "sched_yield", 44: "sendto", 45: "recvfrom",
            46: "sendmsg", 47: "recvmsg", 72: "fcntl", 74: "fsync", 75: "fdatasync", 202: "futex", 228: "clock_gettime",
            230: "clock_nanosleep", 232: "epoll_wait", 288: "accept4", 318: "getrandom", 426: "io_uring_enter"}


def names():
    return sorted(path.stem for path in HOME.glob("*.bt"))


def text(name, binary=None):
    """A script; for a binary if one is named."""
    whole = (HOME / (name + ".bt")).read_text()
    return whole.replace(NAMED, str(binary)) if binary else whole


def probes(script):
    """The probes of the server that a script uses, each with the highest argument it looks at (-1: none)."""
    used = {}
    blocks = re.split(r"\n(?=\S)", script)
    for place, block in enumerate(blocks):
        for name in PROBE.findall(block):
            body = "\n".join(blocks[place:place + 3]).split("\n}", 1)[0]
            highest = max((int(number) for number in re.findall(r"\barg(\d)\b", body)), default=-1)
            used[name] = max(used.get(name, -1), highest)
    return used


def listed():
    """The probes that the server has, with their number of arguments, as `engine/probes` lists them."""
    source = (REPOSITORY / "engine" / "probes" / "src" / "lib.rs").read_text()
    table = source.split("pub const ALL", 1)[1].split("];", 1)[0]
    return {name: int(arguments) for name, arguments in re.findall(r'\("(\w+)", (\d+)\)', table)}


def command(name, pid):
    """The command that runs a script on a process."""
    binary = pathlib.Path("/proc/%d/exe" % pid).readlink()
    return ["bpftrace", "-p", str(pid), "-e", text(name, binary), str(pid)]


def trace(name, pid, seconds):
    """Runs a script for some seconds; returns what it shows. Raises RuntimeError with bpftrace's own words."""
    child = subprocess.Popen(command(name, pid), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        # The scripts show their maps, and what END says, when they are interrupted.
        child.send_signal(signal.SIGINT)
    try:
        shown, errors = child.communicate(timeout=30)
    finally:
        if child.poll() is None:
            child.kill()
    if child.returncode not in (0, -signal.SIGINT):
        raise RuntimeError("bpftrace ended with %d: %s" % (child.returncode, errors.strip()))
    return readable(shown)


def readable(shown):
    """Writes the names of system calls beside their numbers."""
    def named(line):
        found = SYSCALL_COUNT.match(line)
        return "@syscall[%s]: %s" % (SYSCALLS.get(int(found[1]), found[1]), found[2]) if found else line
    return "\n".join(named(line) for line in shown.splitlines() if not line.startswith("Attaching ")).strip() + "\n"
