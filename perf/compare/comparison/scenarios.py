"""What is measured: one small table. Each entry says who takes part, what the load generator is told, and what is read.

A scenario is carried out on one server at a time and returns one row of figures, a dictionary by column; `COLUMNS`
says how each column is written. Adding a scenario is adding an entry here.
"""

import dataclasses
from typing import Callable

from . import loadgen, memory

# Crosspoint once more, by its binary protocol: directly, and through a front-end.
ICPP = ("crosspoint-icpp", "crosspoint-icpp-front")
SWITCHES = ("crosspoint", *ICPP, "ejabberd", "prosody")
# And where it makes a difference, for messages that nobody keeps.
VOLATILE = ("crosspoint-icpp-volatile", "crosspoint-icpp-front-volatile")
CHATS = SWITCHES + VOLATILE
# As it comes, which is with an archive.
ARCHIVES = ("crosspoint", "crosspoint-archive", "crosspoint-icpp", "crosspoint-icpp-archive")
RELAYS = ("relay-epoll", "relay-monoio", "relay-ring", "relay-epoll-icpp", "relay-monoio-icpp", "relay-ring-icpp")
MODES = {"plain": "plain TCP", "tls": "TLS"}
PAIRS, CONTACTS, LOGINS = 100, 20, 2000
USERS = 2 * PAIRS
COMMON_RATES = (1000, 5000)
CHANGES_PER_S = (60, 250, 1000, 4000, 16_000, 64_000)
RECEIVERS, MESSAGES, SENDERS = 200, 100, 4
OCCUPANTS = 1000
COPIES_PER_S = (1250, 5000, 20_000, 80_000, 320_000, 640_000, 1_280_000, 2_560_000)
STEADY_COPIES_PER_S = 160_000
CROSSING_SHARDS, CROSSING = 2, 0.5
# Items from shard to shard for each message: at most where none should cross, and at least for each that should.
CROSSED_MOST, CROSSED_LEAST = 0.05, 0.4
SUSTAINED = 0.95
# What is promised of a message, where nothing else is asked for.
NOTHING, SAFE = "nothing is acknowledged", "acknowledged when safe (XEP-0198)"

# Column: what it says, how a value is written, and whether Crosspoint's advantage is a value that is "less" or "more".
COLUMNS = {
    "per_second": ("a second", "%.0f", None),
    "cpu_us": ("server CPU, us each", "%.2f", "less"),
    "per_cpu_second": ("for a second of server CPU", "%.0f", "more"),
    "again_per_cpu_second": ("the same users again, for a second of server CPU", "%.0f", "more"),
    "p50_us": ("p50, us", "%.0f", None),
    "p99_us": ("p99, us", "%.0f", "less"),
    "p999_us": ("p99.9, us", "%.0f", None),
    "max_us": ("most, us", "%.0f", None),
    "store_cpu_us": ("store: CPU, us each", "%.1f", "less"),
    "drain_cpu_us": ("drain: CPU, us each", "%.1f", "less"),
    "store_per_s": ("store: a second", "%.0f", None),
    "drain_per_s": ("drain: a second", "%.0f", None),
    "uncrossed_cpu_us": ("with none crossing: server CPU, us each", "%.2f", None),
    "crossed": ("from shard to shard, items a message", "%.2f", None),
    "efficiency": ("efficiency that is left, %", "%.0f", None),
    "session_bytes": ("memory of a session, bytes", "%.0f", "less"),
    "start_mib": ("memory without sessions, MiB", "%.0f", None),
    "million_gib": ("a million sessions, GiB", "%.1f", None),
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One entry: `carry_out(bench, server, mode)` returns a row; `runs` and `overhead_s` are for the estimate. `promise` is
    what a message's acknowledgement means for those who have no promise of their own.
    """

    name: str
    title: str
    columns: tuple
    carry_out: Callable
    modes: tuple = ("plain", "tls")
    contenders: tuple = SWITCHES
    stored: str = "scram"
    accounts: int = USERS
    runs: int = 1
    overhead_s: float = 3
    once: bool = False
    fresh: bool = False
    quick_accounts: bool = False
    shards: int = 1
    promise: str = None

    def takes(self, server, mode):
        """The relays know no TLS."""
        return server in self.contenders and not (server in RELAYS and mode == "tls")


@dataclasses.dataclass
class Bench:
    """What a scenario needs of the whole: the generator, times, and what was found before."""

    generator: object
    seconds: float
    warmup: float
    found: dict = dataclasses.field(default_factory=dict)
    open_server: Callable = None

    def run(self, name, server, mode, document, allow=0):
        """One run against a server. Returns the document of it."""
        times = {"load": {"duration_s": float(self.seconds), "warmup_s": float(self.warmup)}}
        whole = loadgen.plan.merged(times, server.target(mode), document)
        return self.generator.run("%s-%s-%s" % (name, mode, server.name), whole, self.seconds + self.warmup + allow + 30)


def costs(figures):
    return {"per_second": figures["per_second"], "cpu_us": figures["server_cpu_us_each"]}


def latencies(figures, name):
    timed = figures["latencies"][name]
    return {column: timed[column] for column in ("p50_us", "p99_us", "p999_us", "max_us")}


def chat(window, **session):
    """Pairs in a closed loop; the relays get the same messages with no protocol around them."""
    def carry_out(bench, server, mode):
        closed = {"mode": {"closed": {"window": window}}, **server.chat}
        kind = {"chat": closed} if server.is_switch else {"floor": {"window": window}}
        # A relay joins connections as they come, so they come one after another there.
        load = {} if server.is_switch else {"load": {"concurrency": 1}}
        run = bench.run("chat-%d" % window, server, mode, {"users": {"count": USERS}, "session": session, "scenario": kind,
                                                                     **load})
        row = costs(loadgen.figures(run, "messages_received"))
        if window > 1:
            bench.found.setdefault((server.name, mode), []).append(row["per_second"])
        return row
    return carry_out


def crossing(window):
    """Pairs in a closed loop on two shards, which share their cores with the load: first none of the pairs have their users
    on different shards, then half of them. Who crosses is slower, and a closed loop then sends less of it: the server counts
    what crosses, the row says it, and far less than was asked for is no figure.
    """
    def carry_out(bench, server, mode):
        found = []
        for share in (0.0, CROSSING):
            kind = {"mode": {"closed": {"window": window}}, "crossing": {"shards": CROSSING_SHARDS, "share": share},
                    **server.chat}
            before = server.figure("crosspoint_mailbox_items_total")
            run = bench.run("cross-%d-%.0f" % (window, 100 * share), server, mode, {
                "users": {"count": USERS}, "load": {"cores": list(range(CROSSING_SHARDS))}, "scenario": {"chat": kind}})
            crossed = (server.figure("crosspoint_mailbox_items_total") - before) / run["whole"]["messages_sent"]
            if not (crossed <= CROSSED_MOST if share == 0 else crossed >= CROSSED_LEAST * share):
                raise loadgen.Failed("%.0f %% of the pairs were to cross, %.2f items a message did" % (100 * share, crossed))
            found.append({**costs(loadgen.figures(run, "messages_received")), "crossed": crossed})
        none, half = found
        return {**half, "uncrossed_cpu_us": none["cpu_us"], "efficiency": 100 * none["cpu_us"] / half["cpu_us"]}
    return carry_out


def open_loop(rate=None):
    """Messages are due at a rate, or at half of what the closed loop reached at window 32."""
    def carry_out(bench, server, mode):
        if rate is None and (server.name, mode) not in bench.found:
            chat(32)(bench, server, mode)
        due = rate or bench.found[server.name, mode][0] / 2
        kind = {"chat": {"mode": {"open": {"rate_per_s": float(due), "arrivals": "poisson"}}, **server.chat}}
        run = bench.run("open", server, mode, {"users": {"count": USERS}, "scenario": kind})
        figures = loadgen.figures(run, "messages_received")
        if figures["per_second"] < SUSTAINED * due:
            raise loadgen.Failed("%.0f a second were due, %.0f arrived" % (due, figures["per_second"]))
        return {"per_second": figures["per_second"], "cpu_us": figures["server_cpu_us_each"],
                **latencies(figures, "message")}
    return carry_out


def connect(mechanism):
    """Logins as fast as 64 at a time allow: on a server that knows nobody yet, and the same users once more."""
    def carry_out(bench, server, mode):
        document = {"users": {"count": LOGINS}, "target": {"mechanism": mechanism},
                    "scenario": {"connect": {"hold_s": 1.0}}}
        first, again = (loadgen.figures(bench.run("connect", server, mode, document), "logins_ok") for _ in range(2))
        return {"per_second": first["per_second"], "per_cpu_second": 1e6 / first["server_cpu_us_each"],
                "again_per_cpu_second": 1e6 / again["server_cpu_us_each"]}
    return carry_out


def presence(bench, server, mode):
    """Changes of presence at rising rates, to 20 mutual contacts each; the highest rate that was kept up counts.

    The gaps are even: with few changes in a run, chance alone would make a random number of them fall short.
    """
    best, last = None, None
    for changes in CHANGES_PER_S:
        document = {"users": {"count": USERS, "roster": {"size": CONTACTS}}, "session": {"roster": True},
                    "scenario": {"presence": {"rate_per_s": float(changes), "arrivals": "even"}}}
        try:
            figures = loadgen.figures(bench.run("presence-%d" % changes, server, mode, document, allow=60),
                                      "presence_received")
        except loadgen.Failed as failure:
            last = failure
            break
        if figures["per_second"] < SUSTAINED * changes * CONTACTS:
            break
        best = {"per_second": figures["per_second"], "per_cpu_second": 1e6 / figures["server_cpu_us_each"],
                "p99_us": figures["latencies"]["presence"]["p99_us"]}
    if best:
        return best
    raise last or loadgen.Failed("%d changes a second were not kept up" % CHANGES_PER_S[0])


def rooms(count, occupants, rates=COPIES_PER_S):
    """Messages to rooms at rising rates, a copy to each occupant; the highest rate that was kept up counts.

    Every user is in `count * occupants / OCCUPANTS` rooms.
    """
    def carry_out(bench, server, mode):
        best, last = None, None
        for copies in rates:
            kind = {"rooms": count, "occupants": occupants, "rate_per_s": copies / occupants, "arrivals": "even"}
            document = {"users": {"count": OCCUPANTS}, "scenario": {"fanout": kind}}
            try:
                run = bench.run("rooms-%d-%d" % (count, copies), server, mode, document, allow=120)
                figures = loadgen.figures(run, "room_received")
            except loadgen.Failed as failure:
                last = failure
                break
            if figures["per_second"] < SUSTAINED * copies:
                break
            best = {"per_second": figures["per_second"], "per_cpu_second": 1e6 / figures["server_cpu_us_each"],
                    "p99_us": figures["latencies"]["room"]["p99_us"]}
        if best:
            return best
        raise last or loadgen.Failed("%d copies a second were not kept up" % rates[0])
    return carry_out


def offline(bench, server, mode):
    """Messages for absent users, who then come for them."""
    document = {"users": {"count": RECEIVERS + SENDERS},
                "scenario": {"offline": {"senders": SENDERS, "messages": MESSAGES, "window": 128}}}
    run = bench.run("offline", server, mode, document, allow=60)
    stored, drained = loadgen.figures(run, "stored"), loadgen.figures(run, "drained")
    return {"store_per_s": stored["per_second"], "store_cpu_us": stored["server_cpu_us_each"],
            "drain_per_s": drained["per_second"], "drain_cpu_us": drained["server_cpu_us_each"]}


COST = ("per_second", "cpu_us")
LATENCY = ("per_second", "p50_us", "p99_us", "p999_us", "max_us", "cpu_us")
FANOUT = ("per_second", "per_cpu_second", "p99_us")
LOGIN = ("per_second", "per_cpu_second", "again_per_cpu_second")

CROSS = ("per_second", "crossed", "cpu_us", "uncrossed_cpu_us", "efficiency")

TABLE = (
    Scenario("chat-1", "Chat, %d pairs, one message in flight each way" % PAIRS, COST, chat(1),
             contenders=CHATS + RELAYS, promise=NOTHING),
    Scenario("chat-32", "Chat, %d pairs, 32 messages in flight each way" % PAIRS, COST, chat(32),
             contenders=CHATS + RELAYS, promise=NOTHING),
    Scenario("cross-32", "Chat on two shards, 32 messages in flight each way, half of the pairs across", CROSS, crossing(32), runs=2,
             contenders=("crosspoint", "crosspoint-icpp", "crosspoint-icpp-volatile"), shards=CROSSING_SHARDS,
             promise=NOTHING),
    Scenario("kept-32", "Chat, 32 messages in flight each way, with and without an archive", COST, chat(32),
             contenders=ARCHIVES, promise=NOTHING),
    Scenario("safe-1", "Acknowledged when safe, one message in flight, with and without an archive", COST,
             chat(1, acks=True), contenders=ARCHIVES, promise=SAFE),
    Scenario("safe-32", "Acknowledged when safe, 32 messages in flight, with and without an archive", COST,
             chat(32, acks=True), contenders=ARCHIVES, promise=SAFE),
    Scenario("open-half", "Open loop at half of each one's own rate of chat-32", LATENCY, open_loop(), contenders=CHATS,
             promise=NOTHING),
    *(Scenario("open-%d" % rate, "Open loop at %d messages a second" % rate, LATENCY, open_loop(rate), contenders=CHATS,
               promise=NOTHING) for rate in COMMON_RATES),
    Scenario("connect-scram", "Login storm, %d logins, 64 at a time, SCRAM" % LOGINS, LOGIN, connect("best"),
             contenders=SWITCHES, accounts=LOGINS, runs=2, overhead_s=8, fresh=True),
    Scenario("connect-plain", "Login storm, %d logins, 64 at a time, PLAIN" % LOGINS, LOGIN, connect("plain"),
             contenders=SWITCHES, modes=("tls",), stored="plain", accounts=LOGINS, runs=2, overhead_s=10, fresh=True),
    Scenario("presence", "Presence to %d mutual contacts, %d users" % (CONTACTS, USERS), FANOUT, presence,
             contenders=SWITCHES, runs=3),
    Scenario("offline", "Offline: %d messages for each of %d absent users" % (MESSAGES, RECEIVERS),
             ("store_per_s", "store_cpu_us", "drain_per_s", "drain_cpu_us"), offline, contenders=SWITCHES,
             accounts=RECEIVERS + SENDERS, overhead_s=5),
    Scenario("rooms-1", "One room of %d occupants" % OCCUPANTS, FANOUT, rooms(1, OCCUPANTS), accounts=OCCUPANTS, runs=5,
             contenders=(*SWITCHES, "crosspoint-archive"), overhead_s=15),
    Scenario("rooms-1000", "1,000 rooms of 10 occupants, %d users" % OCCUPANTS, FANOUT, rooms(1000, 10),
             contenders=(*SWITCHES, "crosspoint-archive"), accounts=OCCUPANTS, runs=5, overhead_s=30),
    Scenario("rooms-1-steady", "One room of %d occupants, %d copies a second" % (OCCUPANTS, STEADY_COPIES_PER_S), FANOUT,
             rooms(1, OCCUPANTS, (STEADY_COPIES_PER_S,)), accounts=OCCUPANTS, contenders=("crosspoint", *ICPP),
             overhead_s=6),
    Scenario("rooms-1000-steady", "1,000 rooms of 10 occupants, %d copies a second" % STEADY_COPIES_PER_S, FANOUT,
             rooms(1000, 10, (STEADY_COPIES_PER_S,)), accounts=OCCUPANTS, contenders=("crosspoint", *ICPP), overhead_s=10),
    Scenario("memory", "Idle sessions, from 1,000 to 18,000 on one process",
             ("session_bytes", "start_mib", "million_gib"), memory.slope, contenders=SWITCHES, accounts=memory.MOST,
             runs=len(memory.POINTS), overhead_s=25, once=True, fresh=True, quick_accounts=True),
    Scenario("memory-many", "Idle sessions over %d server processes" % memory.PROCESSES, ("session_bytes",),
             memory.several, modes=("plain",), contenders=("crosspoint", "crosspoint-icpp"),
             accounts=memory.ACCOUNTS_FOR_SEVERAL, overhead_s=180, once=True, fresh=True, quick_accounts=True),
)


def chosen(names):
    """The entries of the table with these names, in the table's order; all of them without names."""
    known = {scenario.name for scenario in TABLE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError("no scenario is called %s; there are %s" % (", ".join(unknown), ", ".join(sorted(known))))
    return [scenario for scenario in TABLE if not names or scenario.name in names]
