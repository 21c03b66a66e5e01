"""The load generator over ICPP against the real server: every preset, plain, with TLS, by several processes, and through a
front-end; and through a way that drops, doubles, swaps or changes a DELIVER, which it must find out.
"""

import asyncio
import json
import os
import pathlib
import random
import re
import urllib.request

from interop import process, servers
from interop.stage import Stage, Tally, expect, expect_equal, perform

stage = Stage()
play = stage.play

PASSWORD = "secret"
ACCOUNTS = 60
RUN_SECONDS = 120
SHORT = ["warmup_s=0.2", "duration_s=1", "drain_s=30", "logins_per_s=0"]
# Each preset, cut down to a second or two; None: it is not for a server, and why.
PEOPLE = ["users.count=24", "users.roster.size=4", "scenario.mixed.speed=400"]
PRESETS = {
    "connect": ["users.count=40", "scenario.connect.hold_s=0.5"],
    "chat": ["users.count=20"],
    "presence": ["users.count=20", "users.roster.size=4", "scenario.presence.rate_per_s=50"],
    "fanout": ["users.count=40", "scenario.fanout.rooms=4", "scenario.fanout.occupants=10"],
    "offline": ["users.count=14", "scenario.offline.messages=20"],
    "mixed": [*PEOPLE, "load.duration_s=3"],
    "flood": ["users.count=20"],
    "slow": ["users.count=20", "scenario.slow.stall_s=0.3", "scenario.slow.rate_per_s=300"],
    "floor": None,
    "rtb": [*PEOPLE, "load.duration_s=3"],
    "amoc-pm": ["users.count=40", "scenario.mixed.speed=60", "load.processes=1"],
    "tsung-jabber": ["users.count=30", "scenario.mixed.speed=200"],
    "p1-2m": ["users.count=40", "users.roster.size=4", "load.processes=1", "scenario.connect.hold_s=0.5"],
    "tigase-1m": [*PEOPLE, "load.processes=1"],
    "game-muc": ["users.count=40", "scenario.fanout.rooms=5", "scenario.fanout.occupants=20", "scenario.fanout.rate_per_s=20"],
    "restart-storm": ["users.count=40", "scenario.storm.rounds=2", "scenario.storm.away_s=0.3"],
    "mass-resume": ["users.count=40", "scenario.storm.rounds=2", "scenario.storm.away_s=0.3"],
    "room-10k": ["users.count=40", "scenario.fanout.occupants=40", "scenario.fanout.rate_per_s=20"],
}
# What each must have counted, so that a run that does nothing is not taken for one that went well.
COUNTED = {
    "connect": "logins_ok", "presence": "presence_received", "fanout": "room_received", "offline": "drained",
    "p1-2m": "logins_ok", "game-muc": "room_received", "restart-storm": "logins_ok", "mass-resume": "resumed",
    "room-10k": "room_received", "rtb": "resumed", "mixed": "resumed",
}
TRUNK_PORT = 5298
WRONG = ("lost", "duplicated", "reordered", "damaged")


def binary():
    """INTEROP_LOADGEN, or the load generator beside the server's binary."""
    named = os.environ.get("INTEROP_LOADGEN")
    path = pathlib.Path(named) if named else servers.binary().with_name("crosspoint-loadgen")
    if not path.exists():
        raise SystemExit("%s is not built: cargo build -p crosspoint-loadgen, or set INTEROP_LOADGEN" % path)
    return path


async def output(*arguments):
    """Exit code, standard output and error of the load generator."""
    child = await asyncio.create_subprocess_exec(binary(), *arguments, stdin=asyncio.subprocess.DEVNULL,
                                                 stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        said, errors = await asyncio.wait_for(child.communicate(), RUN_SECONDS)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode, said.decode(), errors.decode()


async def load(server, name, settings=(), at=None, flags=()):
    """Runs a preset over ICPP; returns the exit code and the document, or what was said in its place."""
    sets = ["load." + entry for entry in SHORT] + ["target.sources=[]", *settings]
    words = [word for entry in sets for word in ("--set", entry)]
    address = at or "%s" % server.address
    xmpp = "%s:%d" % (getattr(server, "back_end", server).address, servers.XMPP_PORT)
    code, said, errors = await output(
        "run", name, "--protocol", "icpp", "--addr", address, "--xmpp", xmpp, "--domain", server.domain, "--password", PASSWORD,
        "--json", "--quiet", *flags, *words)
    return code, json.loads(said) if said else errors


async def every_preset(server, *flags):
    """Runs all that are for a server; returns how many."""
    code, said, _ = await output("presets")
    expect_equal(code, 0, "exit code of presets")
    expect_equal(sorted(line.split()[0] for line in said.splitlines()), sorted(PRESETS), "presets with an entry here")
    ran = {name: settings for name, settings in PRESETS.items() if settings is not None}
    for name, settings in ran.items():
        code, run = await load(server, name, settings, flags=flags)
        expect(code == 0, "%s: exit code %d, %s" % (name, code, run["verdict"] if isinstance(run, dict) else run))
        expect_equal(run["target"]["protocol"], "icpp", name)
        counted = COUNTED.get(name, "messages_received")
        expect(run["whole"].get(counted, 0) > 0, "%s: no %s" % (name, counted))
    return "%d presets" % len(ran)


@play(seconds=300)
async def every_preset_in_the_clear(server):
    return await every_preset(server)


@play(seconds=300)
async def every_preset_with_tls_by_two_processes(server):
    return await every_preset(server, "--tls", "--processes", "2")


@play()
async def a_relay_is_no_server_and_tls_is_none_of_its_own(server):
    code, said = await load(server, "floor", flags=["--tls"])
    expect_equal(code, 2, "exit code")
    expect("a relay knows no TLS" in said, said)
    code, run = await load(server, "floor", ["users.count=2", "load.drain_s=0.5"])
    expect_equal(code, 1, "exit code")
    expect("malformed" in " ".join(run["verdict"]["reasons"]), run["verdict"])


@play()
async def a_chat_at_a_rate_searched_for_volatile_and_across_shards(server):
    for settings, flags in (
            (["scenario.chat.mode.open.rate_per_s=500"], []), (["scenario.chat.store=false"], ["--tls"]),
            (["scenario.chat.crossing.shards=2", "scenario.chat.crossing.share=0.5"], []),
            (["scenario.chat.mode.open.rate_per_s=200", "search.max_ms=1000", "search.from_per_s=200",
              "search.most_per_s=400", "search.steps_max=2", "search.step_s=0.3"], [])):
        code, run = await load(server, "chat", ["users.count=20", *settings], flags=flags)
        expect(code == 0, "%s: %s" % (settings, run["verdict"] if isinstance(run, dict) else run))
        expect(run["measured"]["latencies"]["ack"]["count"] > 0, "acknowledgements are timed")


@play()
async def a_wrong_port_a_wrong_password_and_a_wrong_place_are_called_so(server):
    """Exit code 3, and what to do about it."""
    for port, flags, said in (
            (servers.ICPPS_PORT, [], "looks like TLS"), (servers.XMPP_PORT, [], "looks like XMPP"),
            (servers.ICPP_PORT, ["--tls"], "a port without TLS"), (1, [], "Connection refused"),
            (servers.ICPP_PORT, ["--set", "users.password=wrong"], "not-authorized")):
        code, run = await load(server, "connect", ["users.count=2"], "%s:%d" % (server.address, port), flags)
        expect_equal(code, 3, "exit code at port %d" % port)
        expect(said in " ".join(run["verdict"]["reasons"]), run["verdict"])
    code, errors = await load(server, "presence", ["users.count=4", "users.roster.size=2", "target.xmpp=127.0.0.1:1"])
    expect_equal(code, 3, "exit code")
    expect("ICPP makes no accounts and rosters" in errors and "127.0.0.1:1" in errors, errors)


class FrontEnd(servers.Crosspoint):
    """A front-end, and its back-end, where the accounts are."""

    def __init__(self, folder):
        super().__init__(folder / "front")
        self.back_end = servers.Crosspoint(folder / "back")
        trunks, key = "%s:%d" % (self.back_end.address, TRUNK_PORT), folder / "cluster.key"
        key.write_bytes(random.randbytes(32))
        for node, role, settings in ((self.back_end, "backend", {"icpp.trunk_listen": trunks}),
                                     (self, "frontend", {"edge.back_ends": trunks, "edge.urls": self.icpp_url("icpp")})):
            settings = {"role": role, "icpp.node": role, "icpp.cluster_key": key, **settings}
            node.settings = {"arguments": [word for pair in settings.items() for word in ("--set", "%s=%s" % pair)]}

    def start(self):
        self.back_end.start()
        super().start()
        process.wait_for(self.joined, servers.START_SECONDS, "trunks")

    def joined(self):
        """A trunk from a shard to each shard of the back-end says that clients can be let in."""
        with urllib.request.urlopen("http://%s:%d/metrics" % (self.address, servers.ADMIN_PORT), timeout=5) as page:
            found = re.findall(r"^crosspoint_icpp_trunks(?:\{[^}]*\})? (\S+)$", page.read().decode(), re.M)
        return sum(map(float, found)) >= int(os.environ.get("INTEROP_SHARDS", 2)) ** 2

    def stop(self):
        super().stop()
        self.back_end.stop()

    def add_accounts(self, accounts):
        self.back_end.add_accounts(accounts)


class Way:
    """A relay that passes frames on, whole, and does something to one DELIVER in so many that go to a client."""

    def __init__(self, server, fault, every=40):
        self.server, self.fault, self.every = server, fault, every
        self.held, self.touched = {}, 0

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        host, port = self.listener.sockets[0].getsockname()
        self.address = "%s:%d" % (host, port)
        return self

    async def __aexit__(self, *_):
        self.listener.close()

    async def accept(self, reader, writer):
        back = await asyncio.open_connection(self.server.address, servers.ICPP_PORT)
        try:
            await asyncio.gather(self.up(reader, back[1]), self.down(back[0], writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, back[1]):
                end.close()

    async def up(self, reader, writer):
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
        writer.write_eof()

    async def down(self, reader, writer):
        delivered, held = 0, b""
        while True:
            head = await reader.readexactly(4)
            frame = head + await reader.readexactly(int.from_bytes(head, "little") - 4)
            if frame[4] == DELIVER:
                delivered += 1
                if delivered % self.every == 0:
                    self.touched += 1
                    frame, held = self.fault(frame)
                elif held:
                    frame, held = frame + held, b""
            writer.write(frame)
            await writer.drain()


DELIVER = 0x22
FAULTS = {
    "lost": lambda frame: (b"", b""),
    "duplicated": lambda frame: (frame + frame, b""),
    "reordered": lambda frame: (b"", frame),
    "damaged": lambda frame: (frame[:-1] + bytes((frame[-1] ^ 1,)), b""),
}


@play(seconds=90)
async def what_happens_to_a_deliver_on_the_way_is_found_out(server):
    """By its name, and by exit code 1; a way that does nothing is not blamed."""
    told = []
    for name, fault in (*FAULTS.items(), (None, lambda frame: (frame, b""))):
        async with Way(server, fault) as way:
            code, run = await load(server, "chat", ["users.count=4", "scenario.chat.mode.closed.window=16", "load.drain_s=1"],
                                   way.address)
        expect(way.touched > 0, "nothing was delivered")
        found = {wrong for wrong in WRONG if run["whole"].get(wrong, 0) > 0}
        expect_equal(code, 1 if name else 0, "%s: exit code, %s" % (name, run["verdict"]))
        # What never comes as it was written is lost as well; so is what comes behind a frame too many, for the client
        # acknowledges that, and the server ends a session that does.
        expect({name} - {None} <= found <= ({name, "lost"} if name else set()), "%s: found %s" % (name, found))
        told.append("%s %d" % (name, run["whole"].get(name, 0)) if name else "%d unharmed" % way.touched)
    return ", ".join(told)


async def every_preset_through_a_front_end(server):
    return await every_preset(server)


def run(server, only=()):
    tally = Tally("icpp-load")
    if server.name != "crosspoint":
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()
    accounts = [("u%d" % number, PASSWORD) for number in range(ACCOUNTS)]
    for there, plays in ((lambda: server, stage.plays),
                         (lambda: FrontEnd(server.folder), [(every_preset_through_a_front_end, (), 300)])):
        wanted = [one for one in plays if not only or any(word in one[0].__name__ for word in only)]
        if not wanted:
            continue
        target = there()
        try:
            target.start()
            target.add_accounts(accounts)
            for function, _, seconds in wanted:
                perform(tally, function, seconds, target, {})
        finally:
            target.stop()
    return tally.close()
