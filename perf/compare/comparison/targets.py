"""What ICPP must show, against what was measured: arithmetic on medians, and nothing else.

The floor is the relay on epoll at window 1, and the better of those on epoll and on the ring at window 32 (perf/floor/README.md);
ratios to the others are given beside it.
"""

import statistics

MESSAGES_PER_CPU_SECOND = 1_000_000
FLOOR_MOST = {"chat-1": 1.15, "chat-32": 1.5}
FLOOR = {"chat-1": ("relay-epoll-icpp",), "chat-32": ("relay-epoll-icpp", "relay-ring-icpp")}
RELAYS = ("relay-epoll-icpp", "relay-monoio-icpp", "relay-ring-icpp")
CROSSING_LEAST = 75
DURABLE, VOLATILE = "crosspoint-icpp", "crosspoint-icpp-volatile"
FRONTS = {DURABLE: "crosspoint-icpp-front", VOLATILE: "crosspoint-icpp-front-volatile"}
KINDS = {DURABLE: "durable", VOLATILE: "volatile (NOSTORE)"}
MICROSECONDS = 1e6


class Medians:
    """Medians by scenario, server and column; None for what was not measured, or failed."""

    def __init__(self, rows):
        self.rows = rows

    def of(self, scenario, server, column, mode="plain"):
        values = [row[column] for row in self.rows.get((scenario, mode, server), []) if row.get(column) is not None]
        return statistics.median(values) if values else None

    def ratio(self, scenario, server, other, column="cpu_us"):
        """One server's median by another's."""
        own, base = self.of(scenario, server, column), self.of(scenario, other, column)
        return own / base if own is not None and base else None


def icpp(rows):
    """The report's lines about ICPP: what is asked with its verdict, then what is only told."""
    medians = Medians(rows)
    asked = [line for kind in KINDS for line in (window_32(medians, kind), crossing(medians, kind), window_1(medians, kind))]
    told = [line for kind in KINDS for line in (relays(medians, kind), front(medians, kind))]
    return ["### What ICPP must show", "", "| target | messages | measured | |", "|---|---|---|---|", *asked, "",
            *told, *rooms(medians), *memory(medians)]


def window_32(medians, server):
    """A million messages for a second of CPU, or at most so many times the floor: one of them is enough."""
    cpu_us, floor = medians.of("chat-32", server, "cpu_us"), to_floor(medians, "chat-32", server)
    held = None
    if cpu_us is not None:
        held = MICROSECONDS / cpu_us >= MESSAGES_PER_CPU_SECOND or (floor is not None and floor <= FLOOR_MOST["chat-32"])
    measured = "%s a second of CPU (%s a second), %s the floor" % (
        number(cpu_us and MICROSECONDS / cpu_us), number(medians.of("chat-32", server, "per_second")), times(floor))
    return row("window 32: 1,000,000 a second and core, or at most 1.5 times the floor's CPU", server, measured, held)


def crossing(medians, server):
    left = medians.of("cross-32", server, "efficiency")
    measured = "%s (%s us with none, %s with half of the pairs across: %s items a message from shard to shard)" % (
        percent(left), *(micros(medians.of("cross-32", server, column)) for column in ("uncrossed_cpu_us", "cpu_us", "crossed")))
    held = None if left is None else left >= CROSSING_LEAST
    return row("half of the messages across cores: at least 75 % of the efficiency", server, measured, held)


def window_1(medians, server):
    floor = to_floor(medians, "chat-1", server)
    measured = "%s the floor (%s us)" % (times(floor), micros(medians.of("chat-1", server, "cpu_us")))
    held = None if floor is None else floor <= FLOOR_MOST["chat-1"]
    return row("window 1: at most 1.15 times the floor's CPU", server, measured, held)


def to_floor(medians, scenario, server):
    """How many times the floor's CPU: that of the cheapest relay that counts as the floor."""
    ratios = [medians.ratio(scenario, server, relay) for relay in FLOOR[scenario]]
    ratios = [ratio for ratio in ratios if ratio is not None]
    return max(ratios) if ratios else None


def relays(medians, server):
    parts = ["%s at window %s" % (", ".join("%s %s" % (times(medians.ratio(scenario, server, relay)), relay)
                                           for relay in RELAYS), scenario.rpartition("-")[2]) for scenario in FLOOR]
    return "- %s, CPU by relay: %s" % (KINDS[server], "; ".join(parts))


def front(medians, server):
    """Both processes of the way through a front-end against the one without."""
    parts = ["%s at window %s" % (times(medians.ratio(scenario, FRONTS[server], server)), scenario.rpartition("-")[2])
             for scenario in FLOOR]
    return "- %s, through a front-end (its CPU and the back-end's) against direct: %s" % (KINDS[server], ", ".join(parts))


def rooms(medians):
    """Copies for a second of CPU, and against XMPP under the same load."""
    lines = []
    for scenario in ("rooms-1-steady", "rooms-1000-steady"):
        own, ratio = medians.of(scenario, DURABLE, "per_cpu_second"), medians.ratio(scenario, DURABLE, "crosspoint", "per_cpu_second")
        lines.append("- `%s`: %s copies a second of CPU, %s XMPP's" % (scenario, number(own), times(ratio)))
    return lines


def memory(medians):
    found = ["%s %s bytes" % (mode, number(medians.of("memory", DURABLE, "session_bytes", mode))) for mode in ("plain", "tls")]
    return ["- an idle session: %s" % ", ".join(found)]


def row(target, server, measured, held):
    verdict = {None: "not measured", True: "met", False: "**missed**"}[held]
    return "| %s | %s | %s | %s |" % (target, KINDS[server], measured, verdict)


def number(value):
    return "–" if value is None else "{:,.0f}".format(value)


def times(value):
    return "–" if value is None else "%.3f times" % value


def micros(value):
    return "–" if value is None else "%.2f" % value


def percent(value):
    return "–" if value is None else "%.0f %%" % value
