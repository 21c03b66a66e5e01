"""What this machine lets us trace, and why not if it does not."""

import os
import pathlib
import shutil
import subprocess

TRACEFS = pathlib.Path("/sys/kernel/tracing")
PROBE_SECONDS = 20


def why_no_bpftrace():
    """None when bpftrace can attach tracepoints and probes of programs here; else the reason."""
    if not shutil.which("bpftrace"):
        return "bpftrace is not installed"
    if os.geteuid():
        return "bpftrace needs root"
    mount_tracefs()
    # BEGIN is itself a probe of bpftrace's own program, so this tries both kinds.
    done = run(["bpftrace", "-e", "BEGIN { printf(\"well\"); exit(); } tracepoint:raw_syscalls:sys_enter { }"])
    if "well" in done.stdout:
        return None
    return "bpftrace cannot attach here: " + (done.stderr.strip().splitlines() or ["it said nothing"])[-1]


def why_no_perf():
    """None when perf can sample here; else the reason."""
    if not shutil.which("perf"):
        return "perf is not installed (Debian: linux-perf)"
    done = run(["perf", "record", "-q", "-e", "cpu-clock", "-g", "-o", "/dev/null", "true"])
    return None if done.returncode == 0 else "perf cannot sample here: " + done.stderr.strip().splitlines()[-1]


def mount_tracefs():
    """bpftrace of Debian looks for it in one place only; it may be mounted at another, or nowhere."""
    if not (TRACEFS / "events").exists() and not pathlib.Path("/sys/kernel/debug/tracing/events").exists():
        run(["mount", "-t", "tracefs", "tracefs", str(TRACEFS)])


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def threads(pid):
    """Names and numbers of a process's threads."""
    found = {}
    for task in sorted(pathlib.Path("/proc/%d/task" % pid).iterdir(), key=lambda path: int(path.name)):
        found.setdefault((task / "comm").read_text().strip(), []).append(int(task.name))
    return found
