"""The stage: plays are async functions that say what should happen; the stage runs them one by one and counts.

A play that raises has failed, one that raises Skip was not applicable. Each has a deadline. The lines printed are what
`run` counts, so their first word is the contract: `pass`, `FAIL` or `skip`.
"""

import asyncio
import sys
import time
import traceback

PLAY_SECONDS = 30


class Skip(Exception):
    """The play does not apply to this server; the text says why."""


class Tally:
    """Passes, failures and skips of one suite, printed as they happen."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = self.failed = self.skipped = 0

    def note(self, verdict, name, detail=""):
        counter = {"pass": "passed", "FAIL": "failed", "skip": "skipped"}[verdict]
        setattr(self, counter, getattr(self, counter) + 1)
        print("  %s %s%s" % (verdict, name, detail and ": " + detail), flush=True)

    def close(self):
        """Prints the suite's own line; returns the exit status."""
        print("%s: %d passed, %d failed, %d skipped" % (self.suite, self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not (self.passed or self.skipped) else 0


class Stage:
    """Holds the plays of a suite and what they share. `play` registers one; `run` performs them all."""

    def __init__(self):
        self.plays = []

    def play(self, *needs, seconds=PLAY_SECONDS):
        """Registers a play. `needs` are features; a server that lacks one has the play skipped with its reason."""
        def register(function):
            self.plays.append((function, needs, seconds))
            return function
        return register

    def run(self, suite, server, only=(), **shared):
        """Performs every play whose name contains one of `only` (all, if empty). Returns the exit status."""
        tally = Tally(suite)
        for function, needs, seconds in self.plays:
            name = function.__name__
            if only and not any(word in name for word in only):
                continue
            missing = [server.lacks[need] for need in (*needs, name) if need in server.lacks]
            if missing:
                tally.note("skip", name, missing[0])
                continue
            perform(tally, function, seconds, server, shared)
        return tally.close()


def perform(tally, function, seconds, server, shared):
    """Runs one play in its own event loop under its deadline and notes how it ended, and what it returned to tell."""
    started = time.monotonic()
    try:
        told = asyncio.run(asyncio.wait_for(function(server=server, **shared), seconds))
    except Skip as reason:
        tally.note("skip", function.__name__, str(reason))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        text = "%s %s" % (type(error).__name__, error)
        tally.note("FAIL", function.__name__, " ".join(text.split())[:300])
    else:
        tally.note("pass", function.__name__, "%.2f s%s" % (time.monotonic() - started, told and "; " + told or ""))


def expect(condition, what):
    """An assertion that survives -O and says what was expected."""
    if not condition:
        raise AssertionError(what)


def expect_equal(got, wanted, what):
    """Like `expect`, showing both values."""
    if got != wanted:
        raise AssertionError("%s: got %r, wanted %r" % (what, got, wanted))


async def quiet(seconds=0.4):
    """A pause in which something that must not happen would have happened."""
    await asyncio.sleep(seconds)
