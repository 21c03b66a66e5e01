"""A back-end and two front-ends, each a process of its own: what is passed on, drained, killed and sent elsewhere.

The clients are those of the Python package, which count: no accepted message may be lost, none shown twice.
"""

import asyncio
import random
import re
import signal
import urllib.request

from interop import process, servers
from interop.phones import Phones, Wire, wire
from interop.programs import eventually
from interop.stage import Stage, Tally, expect, expect_equal, perform

from crosspoint import Connected, Verb
from crosspoint.errors import Code
from crosspoint.routes import SETTLED_SECONDS, Url

from .icpp_python_crash import Pair

stage = Stage()
play = stage.play

SHARDS = 2
TRUNK_PORT = 5298
DRAIN_SECONDS = 8
PAIRS = 4
LOAD_SECONDS = (0.3, 1.0)
KILLS = 3
EVERY_SLOT = "0-4095 %s"


class Node(servers.Crosspoint):
    """One process of the cluster."""

    def __init__(self, name, folder, key, **settings):
        super().__init__(folder / name)
        self.node = name
        pairs = {"icpp.node": name, "icpp.cluster_key": key, "drain.deadline_s": DRAIN_SECONDS, **settings}
        arguments = []
        for setting, value in pairs.items():
            arguments += ["--set", "%s=%s" % (setting, value)]
        self.settings = {"shards": SHARDS, "arguments": arguments}

    def figure(self, name, labels=""):
        """A figure of /metrics; of all shards."""
        url = "http://%s:%d/metrics" % (self.address, servers.ADMIN_PORT)
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        found = re.findall(r"^%s(?:\{[^}]*%s[^}]*\})? (\S+)$" % (name, labels), text, re.M)
        return sum(float(value) for value in found)

    def signal_drain(self):
        """Asks it to end; returns at once."""
        self.child._signal(signal.SIGTERM)

    async def drained(self):
        """Waits for its end and returns its exit status."""
        await eventually(lambda: not self.child.running(), "%s to end" % self.node, DRAIN_SECONDS + 10)
        self.child.forget()
        return self.child.popen.returncode


class FrontEnd(Node):
    """Has a trunk from each of its shards to each of the back-end's when it is ready."""

    def ready(self):
        try:
            return super().ready() and self.figure("crosspoint_icpp_trunks") == SHARDS * SHARDS
        except OSError:
            return False


class Cluster:
    """The whole, as the clients know it."""

    def __init__(self, folder, **front_ends):
        key = folder / "cluster.key"
        key.write_bytes(random.randbytes(32))
        self.domain = servers.DOMAIN
        self.back_end = Node("be", folder, key, role="backend")
        trunks = "%s:%d" % (self.back_end.address, TRUNK_PORT)
        self.back_end.settings["arguments"] += ["--set", "icpp.trunk_listen=" + trunks]
        self.front_ends = []
        for name in ("fe1", "fe2"):
            one = FrontEnd(name, folder, key, role="frontend", **{"edge.back_end": trunks})
            one.settings["arguments"] += ["--set", "edge.urls=" + one.icpp_url("icpp")]
            for setting, value in front_ends.get(name, {}).items():
                one.settings["arguments"] += ["--set", "%s=%s" % (setting, value)]
            self.front_ends.append(one)
        self.folder, self.lacks = folder, {}
        self.address = self.front_ends[0].address

    def nodes(self):
        return [self.back_end, *self.front_ends]

    def start(self):
        for node in self.nodes():
            node.start()
        return self

    def stop(self):
        for node in reversed(self.nodes()):
            if node.child and node.child.running():
                node.kill()

    def jid(self, user):
        return self.back_end.jid(user)

    def add_accounts(self, accounts):
        self.back_end.add_accounts(accounts)

    def icpp_url(self, scheme):
        return self.front_ends[0].icpp_url(scheme)

    def trust(self):
        return self.front_ends[0].trust()

    async def aware(self):
        """Each front-end has heard of the other: that takes as long as they say how they are."""
        await asyncio.sleep(2.5)


async def person(phones, stem, first=0):
    """Somebody online who knows both front-ends and begins with one of them."""
    phone = phones.someone(stem)
    ends = phones.server.front_ends
    phone.client.routes.own = [Url.parse(end.icpp_url("icpp")) for end in ends[first:] + ends[:first]]
    return await phone.arrive()


def where(phone):
    """The front-end that somebody is connected to."""
    return phone.client.session.welcome.node


class Load:
    """Pairs of people who write until they are told to stop: as fast as they can, or a message every so many seconds."""

    def __init__(self, pairs, every=None):
        self.pairs, self.until = pairs, asyncio.Event()
        self.tasks = [asyncio.ensure_future(self.steadily(pair, every) if every else pair.load(self.until)) for pair in pairs]

    async def steadily(self, pair, every):
        while not self.until.is_set():
            pair.post()
            await asyncio.sleep(every)

    async def end(self):
        self.until.set()
        await asyncio.gather(*self.tasks)

    @staticmethod
    async def settle(pairs):
        """Everything is accepted and shown in the end. Else a reader that stays away longer than the others would have more
        waiting than the offline quota allows."""
        for pair in pairs:
            await asyncio.wait_for(pair.sender.client.drain(), 40)
        for pair in pairs:
            def shown(pair=pair):
                return {one.text for one in pair.reader.inbox}
            await eventually(lambda: len(shown()) >= pair.next,
                             lambda: "all of %d messages, but %d: %s" % (pair.next, len(shown()), pair.reader.happened[-3:]), 40)

    @staticmethod
    async def judge(pairs):
        """And it was shown once, in order."""
        await Load.settle(pairs)
        for pair in pairs:
            expect_equal(len(pair.promised), pair.next, "what was accepted in the end")
        return sum(pair.judge() for pair in pairs)


async def pairs_at(phones, first):
    return [Pair(await person(phones, "s%d" % number, first), await person(phones, "r%d" % number, first))
            for number in range(PAIRS)]


@play(seconds=60)
async def people_of_two_front_ends_chat(server):
    async with Phones(server) as phones:
        romeo, juliet = await person(phones, "romeo", 0), await person(phones, "juliet", 1)
        expect_equal((where(romeo), where(juliet)), ("fe1", "fe2"), "where they are")
        await romeo.client.send(juliet.address, "But, soft!")
        expect_equal((await juliet.heard("But, soft!")).sender, romeo.client.session.address, "the sender")
        await juliet.client.send(romeo.address, "x" * 40000)
        await romeo.heard("x" * 40000)
        for number in range(300):
            romeo.client.post(juliet.address, str(number))
        await asyncio.wait_for(romeo.client.drain(), 20)
        await eventually(lambda: len(juliet.inbox) >= 300, "all of the messages", 20)
        expect_equal([one.text for one in juliet.inbox], [str(number) for number in range(300)], "what was shown")
        juliet.vanish()
        await juliet.saw(Connected)
        expect((await juliet.saw(Connected)).resumed, "the session was resumed")
        await romeo.client.send(juliet.address, "Again")
        await juliet.heard("Again")


@play(seconds=60)
async def a_password_that_is_shown_in_tls_reaches_the_back_end(server):
    """It is told how a client came."""
    async with Phones(server) as phones:
        juliet = await phones.online("juliet", "icpps", mechanism="PLAIN")
        romeo = await phones.online("romeo")
        await romeo.client.send(juliet.address, "x" * 30000)
        await juliet.heard("x" * 30000)


@play(seconds=60)
async def a_ticket_opens_once_and_only_where_it_is_for(server):
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        first = server.front_ends[0]
        raw = await Wire.session(first, user, password)
        ticket = raw.authed.ticket
        raw.abort()
        raw = await Wire.connect(server.front_ends[1])
        await raw.greet(server.jid(user))
        frame = await raw.auth(ticket, "TICKET")
        expect_equal(wire.Fault.decode(frame.body).code, Code.TICKET_INVALID, "the answer elsewhere")
        raw.abort()
        for wanted in (Verb.AUTHED, Verb.ERROR):
            raw = await Wire.connect(first)
            await raw.greet(server.jid(user))
            frame = await raw.auth(ticket, "TICKET")
            expect_equal(frame.verb, wanted, "the answer to the ticket")
            raw.abort()


@play(seconds=60)
async def a_client_cannot_speak_for_others(server):
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        user, password = phones.credentials("romeo")
        for verb, slot, code in ((Verb.CLOSE, 0, Code.UNEXPECTED_VERB), (Verb.OPEN, 0, Code.UNEXPECTED_VERB),
                                 (Verb.REDIRECT, 0, Code.UNEXPECTED_VERB), (Verb.TOPOLOGY, 0, Code.UNEXPECTED_VERB),
                                 (Verb.PING, 1, Code.RESERVED), (Verb.CLOSE, 1, Code.RESERVED)):
            raw = await Wire.session(server.front_ends[0], user, password)
            raw.say(verb, slot=slot)
            fault = await raw.ended()
            expect_equal(fault and fault.code, code, "the answer to %s at slot %d" % (verb.name, slot))
        await bystander.settled()
        expect_equal(len([one for one in bystander.happened if isinstance(one, Connected)]), 1, "connections of a bystander")


@play(seconds=120)
async def a_drained_front_end_hands_its_clients_to_the_other(server):
    """There and back again: both are drained, one after the other, under load."""
    async with Phones(server) as phones:
        await server.aware()
        pairs = await pairs_at(phones, 0)
        for leaving, staying in (server.front_ends, server.front_ends[::-1]):
            load = Load(pairs, every=0.01)
            await asyncio.sleep(0.5)
            sent = 0
            leaving.signal_drain()
            while leaving.child.running():
                try:
                    sent = max(sent, leaving.figure("crosspoint_icpp_redirects_total", 'reason="drain"'))
                except OSError:
                    pass
                await asyncio.sleep(0.05)
            expect_equal(await leaving.drained(), 0, "the exit status of " + leaving.node)
            await load.end()
            for phone in phones.people:
                await eventually(lambda: phone.client._online.is_set() and where(phone) == staying.node,
                                 "%s at %s" % (phone.address, staying.node), 20)
            expect(sent > 0, "nobody was sent elsewhere")
            for phone in phones.people:
                came = [one for one in phone.happened if isinstance(one, Connected)][-1]
                expect(came.resumed, "%s was not resumed" % phone.address)
            let_in = sum(phone.client.session.exchange is None for phone in phones.people)
            expect(let_in >= sent, "%d were sent with a ticket, and %d let in by one" % (sent, let_in))
            await asyncio.to_thread(leaving.start)
            # Within ten seconds of a redirect a client does not go back to where it came from.
            await asyncio.sleep(SETTLED_SECONDS + 0.5)
        shown = await Load.judge(pairs)
        return "%d messages" % shown


@play(seconds=150)
async def kill_9_of_a_front_end_under_load(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for _ in range(KILLS):
            for victim in server.front_ends:
                load = Load(pairs)
                await asyncio.sleep(random.uniform(*LOAD_SECONDS))
                await asyncio.to_thread(victim.kill)
                await asyncio.sleep(0.3)
                await load.end()
                await Load.settle(pairs)
                await asyncio.to_thread(victim.start)
        shown = await Load.judge(pairs)
        return "%d kills, %d messages" % (2 * KILLS, shown)


@play(seconds=150)
async def kill_9_of_the_back_end_under_load(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for _ in range(KILLS):
            load = Load(pairs)
            await asyncio.sleep(random.uniform(*LOAD_SECONDS))
            await asyncio.to_thread(server.back_end.kill)
            await load.end()
            await asyncio.to_thread(server.back_end.start)
            await Load.settle(pairs)
        shown = await Load.judge(pairs)
        return "%d kills, %d messages" % (KILLS, shown)


class Trunk:
    """A stranger at the port for trunks, frame by frame."""

    @classmethod
    async def connect(cls, server):
        reader, writer = await asyncio.open_connection(server.back_end.address, TRUNK_PORT)
        return Wire(server.back_end, reader, writer)


@play(seconds=90)
async def a_drained_back_end_comes_back_and_nothing_is_lost(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        load = Load(pairs, every=0.005)
        await asyncio.sleep(0.5)
        expect_equal(await asyncio.to_thread(server.back_end.stop), 0, "the exit status")
        await asyncio.to_thread(server.back_end.start)
        await asyncio.sleep(0.5)
        await load.end()
        return "%d messages" % await Load.judge(pairs)


@play(seconds=60)
async def strangers_at_the_port_for_trunks_are_told_to_go(server):
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        hello = trunk_hello("fe1", 0)
        proof = wire.Auth(bytes(32), "TRUNK").encode()
        open_one = (Verb.OPEN, b"\x01\x00\x09\x00127.0.0.1\x02\x00\x01\x00\x01", 0, 0, 9)
        for frames, code in (
                ([(Verb.HELLO, hello), (Verb.AUTH, proof, wire.Flag.REQ, 1)], Code.NOT_AUTHORIZED),
                ([(Verb.HELLO, hello), open_one], Code.UNEXPECTED_VERB),
                ([(Verb.HELLO, trunk_hello("fe1", 999))], Code.MALFORMED),
                ([(Verb.HELLO, wire.Hello(server.jid("romeo")).encode())], Code.UNEXPECTED_VERB),
                ([open_one], Code.UNEXPECTED_VERB)):
            raw = await Trunk.connect(server)
            raw.raw(wire.PREFACE)
            for verb, body, *rest in frames:
                flags, identity, slot = (*rest, 0, 0, 0)[:3]
                raw.say(verb, body, flags, identity, slot=slot)
            fault = await raw.ended()
            expect_equal(fault and fault.code, code, "the answer to %s" % [frame[0].name for frame in frames])
        raw = await Trunk.connect(server)
        raw.raw(b"GET / HTTP/1.1\r\n\r\n")
        expect_equal((await raw.ended()).code, Code.MALFORMED, "the answer to a browser")
        await bystander.settled()
        expect_equal(len([one for one in bystander.happened if isinstance(one, Connected)]), 1, "connections of a bystander")


def trunk_hello(node, shard):
    name = node.encode()
    return b"\x10\x80" + len(name).to_bytes(2, "little") + name + b"\x11\x80\x02\x00" + shard.to_bytes(2, "little")


@play(seconds=90)
async def parts_that_stand_still_for_a_while_lose_nothing(server):
    """A front-end and the back-end are stopped (not killed) under load, for less than it takes to be given up."""
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for victim in (server.front_ends[0], server.back_end):
            load = Load(pairs)
            await asyncio.sleep(0.3)
            victim.child._signal(signal.SIGSTOP)
            await asyncio.sleep(2)
            victim.child._signal(signal.SIGCONT)
            await asyncio.sleep(0.3)
            await load.end()
            await Load.settle(pairs)
        for phone in phones.people:
            expect_equal(len([one for one in phone.happened if isinstance(one, Connected)]), 1, "connections")
        return "%d messages" % await Load.judge(pairs)


async def everybody_is_sent_home(server):
    async with Phones(server) as phones:
        await server.aware()
        romeo, juliet = await person(phones, "romeo", 0), await person(phones, "juliet", 1)
        expect_equal((where(romeo), where(juliet)), ("fe2", "fe2"), "where they are")
        expect_equal(server.front_ends[0].figure("crosspoint_icpp_redirects_total", 'reason="home"'), 1, "sent home")
        await romeo.client.send(juliet.address, "But, soft!")
        await juliet.heard("But, soft!")
        await asyncio.to_thread(server.front_ends[1].kill)
        await eventually(lambda: romeo.client._online.is_set() and where(romeo) == "fe1", "romeo elsewhere", 25)
        await asyncio.to_thread(server.front_ends[1].start)


async def new_clients_go_where_there_is_less_to_do(server):
    async with Phones(server) as phones:
        await server.aware()
        first = [await person(phones, "p%d" % number) for number in range(6)]
        expect_equal({where(phone) for phone in first}, {"fe1"}, "where the first are")
        await server.aware()
        late = [await person(phones, "q%d" % number) for number in range(2)]
        expect_equal({where(phone) for phone in late}, {"fe2"}, "where the later ones are")
        expect_equal(server.front_ends[0].figure("crosspoint_icpp_redirects_total", 'reason="load"'), 2, "sent away")


async def follow(server, user, forget):
    """Follows redirects from the first front-end on; `forget`: without saying who sent it. Returns the nodes, and the end."""
    ends = {end.icpp_url("icpp"): end for end in server.front_ends}
    end, hops, came_from, seen = server.front_ends[0], 0, None, []
    while True:
        seen.append(end.node)
        raw = await Wire.connect(end)
        raw.hello(server.jid(user), hops=hops, came_from=None if forget else came_from)
        frame = await raw.next()
        raw.abort()
        if frame.verb != Verb.REDIRECT:
            return seen, frame
        redirect = wire.Redirect.decode(frame.body)
        end, hops, came_from = ends[redirect.urls[0]], hops + 1, end.node


async def misconfigured_front_ends_send_nobody_in_circles(server):
    async with Phones(server) as phones:
        await server.aware()
        user, _ = phones.credentials("romeo")
        seen, frame = await follow(server, user, False)
        expect_equal((seen, frame.verb), (["fe1", "fe2"], Verb.WELCOME), "who says who sent it is not sent back")
        seen, frame = await follow(server, user, True)
        expect_equal(frame.verb, Verb.ERROR, "the end of a client that says nothing")
        expect_equal(wire.Fault.decode(frame.body).code, Code.REDIRECT_LOOP, "why")
        expect_equal(len(seen), 5, "front-ends visited")
        romeo = await person(phones, "juliet")
        expect_equal(where(romeo), "fe2", "where a client of the package ends")


# Each says that everybody belongs to the other.
CROSSED = {"fe1": {"edge.homes": EVERY_SLOT % "fe2"}, "fe2": {"edge.homes": EVERY_SLOT % "fe1"}}
# Both say that everybody belongs to the second.
HOMES = {name: {"edge.homes": EVERY_SLOT % "fe2"} for name in ("fe1", "fe2")}
# Six clients are three fifths of a full load: the sixth is there before anything is shed.
BALANCED = {"fe1": {"balance.enabled": "true", "balance.sessions_full": 10, "balance.cpu_weight": 0, "balance.outbox_weight": 0,
                    "balance.dwell_s": 1, "balance.enter_permille": 500}}
CLUSTERS = (("plain", {}, stage.plays), ("crossed", CROSSED, [(misconfigured_front_ends_send_nobody_in_circles, (), 60)]),
            ("homes", HOMES, [(everybody_is_sent_home, (), 60)]),
            ("balanced", BALANCED, [(new_clients_go_where_there_is_less_to_do, (), 60)]))


def run(server, only=()):
    """Each cluster for its plays; those without a play that is wanted are not started."""
    tally = Tally("icpp-cluster")
    if server.name != "crosspoint":
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()
    for name, options, plays in CLUSTERS:
        wanted = [one for one in plays if not only or any(word in one[0].__name__ for word in only)]
        if not wanted:
            continue
        folder = server.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        cluster = Cluster(folder, **options)
        try:
            cluster.start()
            for function, _, seconds in wanted:
                perform(tally, function, seconds, cluster, {})
        finally:
            cluster.stop()
    return tally.close()
