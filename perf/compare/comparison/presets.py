"""Whole runs by name: which scenarios, on whom, how often, and what is read from all of them together."""

import dataclasses

from . import schedule, targets
from .scenarios import chosen

DIRECT = ("crosspoint-icpp", "crosspoint-icpp-volatile")
FRONT = ("crosspoint-icpp-front", "crosspoint-icpp-front-volatile")
FLOOR = ("relay-epoll-icpp", "relay-monoio-icpp", "relay-ring-icpp")


@dataclasses.dataclass(frozen=True)
class Part:
    """Scenarios by name; `once`: one round, however many the others have."""

    scenarios: tuple
    servers: tuple
    modes: tuple = ("plain",)
    once: bool = False


@dataclasses.dataclass(frozen=True)
class Preset:
    """`conclude(rows)` gives the lines that stand below the tables."""

    about: str
    parts: tuple
    rounds: int
    seconds: float
    warmup: float
    conclude: object

    def steps(self, rounds):
        """All steps in order, the rounds of each scenario interleaved."""
        return [step for part in self.parts
                for step in schedule.steps(chosen(part.scenarios), part.servers, part.modes, 1 if part.once else rounds)]

    def servers(self):
        return list(dict.fromkeys(server for part in self.parts for server in part.servers))


PRESETS = {
    "icpp": Preset(
        "what ICPP costs against the raw relays, across cores, through a front-end, in rooms and idle; about 11 minutes",
        (Part(("chat-1", "chat-32"), (*DIRECT, *FRONT, *FLOOR)),
         Part(("cross-32",), DIRECT),
         Part(("rooms-1-steady", "rooms-1000-steady"), ("crosspoint", "crosspoint-icpp"), once=True),
         Part(("memory",), ("crosspoint-icpp",), ("plain", "tls"))),
        rounds=4, seconds=3, warmup=1, conclude=targets.icpp),
}
