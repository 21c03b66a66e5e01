"""What the hostile plays share: the stage, the bystander, and how a stream must end."""

import asyncio
import random
import threading
import time

from interop.raw import Raw
from interop.stage import Stage, expect

GAP_SECONDS = 3.0

stage = Stage()
play = stage.play


def fresh_source():
    """A loopback address to connect from that no earlier play used, so that one play's sins are not another's."""
    return "127.%d.%d.%d" % (random.randint(16, 250), random.randint(1, 250), random.randint(1, 250))


async def ends(server, raw, conditions, seconds=15):
    """The stream ends with one of the conditions, and properly closed. A server that is not ours only has to end it."""
    end = await raw.ended(seconds)
    if server.strict:
        expect(end.condition in conditions, "ended with %s instead of one of %s" % (end.condition, conditions))
        expect(end.opened, "the error came without a stream header")
        expect(end.closed, "the stream was not closed")
    return end


class Bystander(threading.Thread):
    """An innocent session in a thread of its own that pings without pause. `check` raises if it ever noticed."""

    def __init__(self, server, user, password):
        super().__init__(daemon=True)
        self.server, self.user, self.password = server, user, password
        self.pings, self.longest, self.fault = 0, 0.0, None
        self.arrived, self.leaving = threading.Event(), threading.Event()

    def run(self):
        try:
            asyncio.run(self.watch())
        except Exception as fault:
            self.fault = fault
        self.arrived.set()

    async def watch(self):
        raw = await Raw.session(self.server, self.user, self.password, encrypted=self.server.tls != "off")
        self.arrived.set()
        while not self.leaving.is_set():
            asked = time.monotonic()
            await raw.ping("b%d" % self.pings)
            self.longest = max(self.longest, time.monotonic() - asked)
            self.pings += 1
            await asyncio.sleep(0.02)
        raw.abort()

    @staticmethod
    async def turn():
        """Long enough for what was written to arrive on its own."""
        await asyncio.sleep(0.005)

    def check(self):
        if self.fault:
            raise AssertionError("the bystander noticed: %r" % self.fault)
        expect(self.longest < GAP_SECONDS, "the bystander waited %.1f s for a ping" % self.longest)
