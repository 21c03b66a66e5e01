"""The order of runs, how long they will take, and the loop that carries them out.

Rounds go A B C A B C, so that what disturbs the machine disturbs all. A run that fails is noted where its figure
would stand, and the rest goes on.
"""

import dataclasses
import sys
import time

from . import loadgen


@dataclasses.dataclass(frozen=True)
class Step:
    """One scenario on one server in one mode, once."""

    scenario: object
    mode: str
    server: str
    round: int


def steps(scenarios, servers, modes, rounds):
    """All steps in order: scenario by scenario, mode by mode, and within these the rounds interleaved."""
    return [Step(scenario, mode, server, number)
            for scenario in scenarios
            for mode in scenario.modes if mode in modes
            for number in range(1 if scenario.once else rounds)
            for server in servers if scenario.takes(server, mode)]


def estimate_s(step, seconds, warmup):
    """About how long a step takes: runs, logins and the start of a server where it needs its own."""
    return step.scenario.runs * (seconds + warmup + step.scenario.overhead_s)


class Results:
    """Rows and failures by scenario, mode and server."""

    def __init__(self):
        self.rows = {}
        self.failures = {}

    def note(self, step, row=None, failure=None):
        place = (step.scenario.name, step.mode, step.server)
        kept, entry = (self.rows, row) if failure is None else (self.failures, failure)
        kept.setdefault(place, []).append(entry)


def carry_out(all_steps, stage, bench, say=print):
    """Runs every step on the server that the stage gives for it. Returns the results; a failure is one of them."""
    results = Results()
    whole = sum(estimate_s(step, bench.seconds, bench.warmup) for step in all_steps)
    say("%d steps, about %s" % (len(all_steps), minutes(whole)))
    started = time.monotonic()
    for number, step in enumerate(all_steps, 1):
        try:
            row = step.scenario.carry_out(bench, stage.server(step, all_steps[number - 1:]), step.mode)
            results.note(step, row=row)
            outcome = ", ".join("%s %.4g" % item for item in row.items())
        except (loadgen.Failed, RuntimeError, OSError, KeyError, TimeoutError) as failure:
            reason = str(failure) if not isinstance(failure, KeyError) else "the run's document lacks %s" % failure
            results.note(step, failure=reason)
            outcome = "FAILED: " + reason
        say("[%d/%d, %s of about %s] %s, %s, %s, round %d: %s" % (
            number, len(all_steps), minutes(time.monotonic() - started), minutes(whole), step.scenario.name, step.mode,
            step.server, step.round + 1, outcome))
    return results


def minutes(seconds):
    return "%d:%02d" % divmod(round(seconds), 60)


def to_stderr(line):
    print(line, file=sys.stderr, flush=True)
