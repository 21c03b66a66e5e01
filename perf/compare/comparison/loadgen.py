"""One run of the load generator: a scenario file in, its JSON document out, or the reason why there is none.

Invariant: a run that lost, duplicated, reordered or damaged anything is a failure and never a figure.
"""

import json
import signal
import subprocess

from . import plan

LOGIN_ALLOWANCE_S = 180
LAST_LINES = 3


class Failed(Exception):
    """A run that gave no figure; the text says why, in one line."""


class Loadgen:
    """The built load generator, kept to one core. `folder` gets a scenario file for each run, and raw documents."""

    def __init__(self, binary, folder, core):
        self.binary = binary
        self.folder = folder
        self.core = core
        self.runs = 0

    def run(self, name, document, seconds):
        """Carries the plan out; `seconds` is what it should take after the logins. Returns the document of the run."""
        self.runs += 1
        stem = self.folder / ("%03d-%s" % (self.runs, name))
        scenario = stem.with_suffix(".toml")
        scenario.write_text(plan.to_toml(plan.merged({"name": name, "load": {"cores": [self.core]}}, document)))
        command = [str(self.binary), "run", str(scenario), "--json", "--quiet"]
        status, output, errors = capture(command, seconds + LOGIN_ALLOWANCE_S)
        stem.with_suffix(".json").write_text(output)
        return judged(status, output, errors)


def capture(command, seconds):
    """Runs a command to its end. Whatever interrupts us ends it too."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, start_new_session=True)
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failed("not done after %d s" % seconds) from None
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.communicate()
    return child.returncode, output, errors


def judged(status, output, errors):
    """The document of a run that went well; raises Failed with the first reason otherwise."""
    try:
        run = json.loads(output)
    except ValueError:
        run = None
    if status == 0 and run:
        return run
    reasons = (run or {}).get("verdict", {}).get("reasons") or errors.strip().splitlines()[-LAST_LINES:]
    raise Failed("exit code %d: %s" % (status, " ".join(reasons) or "it said nothing"))


def figures(run, unit):
    """What was measured for a unit: the measured part as a whole, or a phase that counts it."""
    parts = [run["measured"], *(phase["figures"] for phase in run["phases"] if phase.get("figures"))]
    for part in parts:
        if part["unit"] == unit and part["count"]:
            return part
    raise Failed("the run has no figures for %s, only for %s" % (unit, ", ".join(part["unit"] for part in parts)))
