"""Who connects to the port for trunks, with the cluster's key and without, and what the rest of the cluster notices."""

import asyncio
import hashlib
import hmac
import random

from interop.phones import Ended, Phones, Wire, wire
from interop.programs import eventually
from interop.stage import Stage, expect, expect_equal

from crosspoint import Connected, Verb, scram
from crosspoint.errors import Code

from .icpp_cluster_stage import SHARDS, TRUNK_PORT, Load, Pair, person, slot_of

stage = Stage()
play = stage.play

# Extensions of WELCOME that clients have no use for.
NONCE, SHARD_COUNT = 0x000A, 0x000B


class Trunk:
    """A stranger at the port for trunks, frame by frame."""

    @classmethod
    async def connect(cls, server):
        reader, writer = await asyncio.open_connection(server.back_end.address, TRUNK_PORT)
        return Wire(server.back_end, reader, writer)


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




class Forger:
    """An end of a trunk that holds the cluster's key, and is not the software that it says it is."""

    def __init__(self, raw):
        self.raw = raw

    @classmethod
    async def prove(cls, server, node="forger", shard=0):
        raw = await Trunk.connect(server)
        raw.raw(wire.PREFACE)
        raw.say(Verb.HELLO, trunk_hello(node, shard))
        nonce, shards = trunk_welcome((await raw.wait(Verb.WELCOME)).body)
        expect_equal(shards, SHARDS, "shards of the back-end")
        raw.say(Verb.AUTH, wire.Auth(proof(server, nonce, node), "TRUNK").encode(), wire.Flag.REQ, 1)
        await raw.wait(Verb.AUTHED)
        return cls(raw)

    def open(self, slot, account, peer=b"127.0.0.1"):
        body = b"\x01\x00" + len(peer).to_bytes(2, "little") + peer + b"\x02\x00\x01\x00\x01"
        self.raw.say(Verb.OPEN, body, slot=slot)
        self.raw.say(Verb.HELLO, wire.Hello(account).encode(), slot=slot)

    async def about(self, slot, *verbs):
        """The next frame of one of these verbs at a slot."""
        while True:
            frame = await self.raw.next()
            if frame.slot == slot and frame.verb in verbs:
                return frame


def trunk_welcome(body):
    """NONCE and SHARDS of a WELCOME."""
    found = wire.decode_extensions(body, (NONCE, SHARD_COUNT))
    return found[NONCE], int.from_bytes(found[SHARD_COUNT], "little")


def proof(server, nonce, node):
    key = hashlib.sha256(b"icpp trunk key 1" + server.key.read_bytes()).digest()
    return hmac.new(key, b"icpp trunk 1" + nonce + node.encode(), hashlib.sha256).digest()


async def unimpressed(phones, bystander):
    """Nobody else has noticed."""
    await bystander.settled()
    expect_equal(len([one for one in bystander.happened if isinstance(one, Connected)]), 1, "connections of a bystander")


@play(seconds=60)
async def a_proof_is_for_one_nonce_and_one_name(server):
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        raw = await Trunk.connect(server)
        raw.raw(wire.PREFACE)
        raw.say(Verb.HELLO, trunk_hello("fe1", 0))
        old, _ = trunk_welcome((await raw.wait(Verb.WELCOME)).body)
        seen = proof(server, old, "fe1")
        raw.abort()
        for name, data in (("fe1", seen), ("fe1", None), ("fe1", b""), ("fe1", bytes(32)), ("fe1", bytes(4000))):
            raw = await Trunk.connect(server)
            raw.raw(wire.PREFACE)
            raw.say(Verb.HELLO, trunk_hello(name, 0))
            nonce, _ = trunk_welcome((await raw.wait(Verb.WELCOME)).body)
            expect(nonce != old, "a nonce is not used twice")
            data = proof(server, nonce, "another") if data is None else data
            raw.say(Verb.AUTH, wire.Auth(data, "TRUNK").encode(), wire.Flag.REQ, 1)
            expect_equal((await raw.ended()).code, Code.NOT_AUTHORIZED, "the answer to a proof that is none")
        await unimpressed(phones, bystander)


@play(seconds=90)
async def faults_of_a_front_end_end_its_trunk_and_nobody_elses(server):
    async with Phones(server) as phones:
        bystander, (user, _) = await person(phones, "juliet"), phones.credentials("romeo")
        account = server.jid(user)
        open_body = b"\x01\x00\x09\x00127.0.0.1\x02\x00\x01\x00\x01"
        big = b"\0" * (1 << 20)
        for words, code in (
                ([(Verb.OPEN, open_body, 0)], Code.UNEXPECTED_VERB),
                ([(Verb.CLOSE, b"", 0)], Code.UNEXPECTED_VERB),
                ([(Verb.SEND, b"", 0)], Code.UNEXPECTED_VERB),
                ([(Verb.OPEN, open_body, 7), (Verb.OPEN, open_body, 7)], Code.UNEXPECTED_VERB),
                ([(Verb.OPEN, b"\x01\x00\x02\x00no", 7)], Code.MALFORMED),
                ([(Verb.OPEN, open_body, 7), (Verb.HOLD, b"\x02", 7)], Code.MALFORMED),
                ([(Verb.TOPOLOGY, open_body, 9)], Code.UNEXPECTED_VERB),
                ([(Verb.TOPOLOGY, b"\xff" * 40, 0)], Code.RESERVED),
                ([(Verb.TOPOLOGY, b"\xff" * 7, 0)], Code.MALFORMED),
                ([(Verb.SEND, big, 9)], Code.FRAME_TOO_LARGE)):
            forger = await Forger.prove(server)
            for verb, body, slot in words:
                forger.raw.say(verb, body, slot=slot)
            fault = await forger.raw.ended()
            expect_equal(fault and fault.code, code, "the answer to %s" % [(verb.name, slot) for verb, _, slot in words])
        for data, code in ((b"\0" * 16, Code.MALFORMED), (b"\x0f\0\0\0" + b"\0" * 12, Code.MALFORMED), (b"\xff" * 16, Code.FRAME_TOO_LARGE)):
            forger = await Forger.prove(server)
            forger.raw.raw(data)
            expect_equal((await forger.raw.ended()).code, code, "the answer to the header %r" % data[:4])
        # What is late, or of no session, is nothing to anybody.
        forger = await Forger.prove(server)
        for verb in (Verb.SEND, Verb.CLOSE, Verb.HOLD, Verb.REDIRECT, Verb.AUTH):
            forger.raw.say(verb, b"\x01", slot=65535)
        forger.open(7, account)
        await forger.about(7, Verb.WELCOME)
        forger.raw.say(Verb.CLOSE, slot=7)
        await forger.about(7, Verb.CLOSE)
        forger.raw.say(Verb.SEND, b"late", slot=7)
        # A session that makes a mistake ends alone, and its slot may be used again.
        forger.open(7, account)
        await forger.about(7, Verb.WELCOME)
        forger.raw.say(Verb.SEND, b"too early", slot=7)
        fault = wire.Fault.decode((await forger.about(7, Verb.ERROR)).body)
        expect_equal(fault.code, Code.UNEXPECTED_VERB, "the answer to a session")
        await forger.about(7, Verb.CLOSE)
        forger.open(7, "nobody@elsewhere.example")
        expect_equal(wire.Fault.decode((await forger.about(7, Verb.ERROR)).body).code, Code.NOT_AUTHORIZED, "a foreign account")
        await forger.about(7, Verb.CLOSE)
        forger.open(7, account)
        await forger.about(7, Verb.WELCOME)
        forger.raw.abort()
        await unimpressed(phones, bystander)


@play(seconds=60)
async def there_are_so_many_front_ends_and_no_more(server):
    """Each with a name of its own; those that are gone are forgotten after a while."""
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        forgers = []
        try:
            for number in range(300):
                forgers.append(await Forger.prove(server, "forger%d" % number))
            raise AssertionError("300 front-ends are let in")
        except Ended as end:
            expect_equal(end.fault.code, Code.TOO_MANY, "the answer to one too many")
        expect(250 <= len(forgers) <= 256, "front-ends that were let in: %d" % len(forgers))
        await unimpressed(phones, bystander)
        for forger in forgers:
            forger.raw.abort()
        await asyncio.sleep(11)
        again = await Forger.prove(server, "another")
        again.raw.abort()
        await unimpressed(phones, bystander)


@play(seconds=90)
async def a_trunk_that_says_nothing_is_given_up(server):
    """Before its proof after ten seconds, after it after fifteen. Its sessions have lost a connection, and no more."""
    async with Phones(server) as phones:
        bystander, (user, password) = await person(phones, "juliet"), phones.credentials("romeo")
        idle = await Trunk.connect(server)
        half = await Trunk.connect(server)
        half.raw(wire.PREFACE)
        half.say(Verb.HELLO, trunk_hello("forger", 0))
        silent = await Forger.prove(server, shard=slot_of(server.jid(user)) % SHARDS)
        silent.open(3, server.jid(user))
        await silent.about(3, Verb.WELCOME)
        exchange = scram.mechanism("SCRAM-SHA-256", user, password)
        silent.raw.say(Verb.AUTH, wire.Auth(exchange.first(), "SCRAM-SHA-256").encode(), wire.Flag.REQ, 1, slot=3)
        challenge = wire.Auth.decode((await silent.about(3, Verb.AUTH)).body).data
        silent.raw.say(Verb.AUTH, wire.Auth(exchange.answer(challenge)).encode(), wire.Flag.REQ, 2, slot=3)
        token = wire.Authed.decode((await silent.about(3, Verb.AUTHED)).body).token
        for raw in (idle, half):
            fault = await raw.ended(14)
            expect_equal(fault and fault.code, Code.IDLE_TIMEOUT, "the end of one that proves nothing")
        fault = await silent.raw.ended(20)
        expect_equal(fault and fault.code, Code.IDLE_TIMEOUT, "the end of one that is silent")
        raw = await Wire.connect(server.front_ends[0])
        await raw.greet(server.jid(user), resume=token)
        expect_equal((await raw.password(user, password)).verb, Verb.RESUMED, "the session goes on elsewhere")
        raw.abort()
        await unimpressed(phones, bystander)


@play(seconds=120)
async def clients_that_come_and_go_never_meet_at_a_slot(server):
    """Many, who end at any moment; each that gets in gets in as itself, and hears nobody else's words."""
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        accounts = [phones.credentials("c%d" % number) for number in range(20)]
        dice, entered = random.Random(7), []

        async def one(number, patience):
            user, password = accounts[number % len(accounts)]
            raw = await Wire.connect(server.front_ends[number % 2])
            try:
                await asyncio.wait_for(visit(raw, user, password), patience)
            except asyncio.TimeoutError:
                pass
            finally:
                raw.abort()

        async def visit(raw, user, password):
            await raw.greet(server.jid(user))
            frame = await raw.password(user, password, "PLAIN")
            if frame.verb == Verb.ERROR:
                # Logins that are never finished look like guessing, and sessions that wait to be resumed count as sessions.
                return expect(wire.Fault.decode(frame.body).code in (Code.THROTTLED, Code.TOO_MANY), "the answer to %s" % user)
            expect_equal(frame.verb, Verb.AUTHED, "the answer to %s" % user)
            entered.append(user)
            expect_equal(raw.authed.address.partition("/")[0], server.jid(user), "who somebody is")
            raw.send(server.jid(user), "to myself, %s" % user)
            while True:
                frame = await raw.next()
                expect_equal(frame.slot, 0, "a slot that a client sees")
                if frame.verb == Verb.DELIVER:
                    message = wire.Message.decode(frame.verb, frame.body)
                    expect_equal(message.payload.decode(), "to myself, %s" % user, "what %s hears" % user)
        for _ in range(8):
            await asyncio.gather(*(one(number, dice.uniform(0.001, 0.6)) for number in range(60)))
        await eventually(lambda: sum(end.figure("crosspoint_icpp_edge_sessions") for end in server.front_ends)
                         == server.back_end.figure("crosspoint_icpp_passengers") == 1, "all of them to be gone", 20)
        await unimpressed(phones, bystander)
        expect(len(entered) > 100, "only %d of 480 got in" % len(entered))
        return "%d of 480 got in" % len(entered)


@play(seconds=120)
async def who_writes_while_the_back_end_stands_still_waits(server):
    """Front-ends keep no more than their bounds of what cannot go on."""
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        first, raws = server.front_ends[0], []
        for number in range(12):
            raws.append(await Wire.session(first, *phones.credentials("w%d" % number)))
        before = first.resident_bytes()
        server.back_end.stand_still(True)
        try:
            body = b"\0" * 50_000
            for raw in raws:
                # More than every buffer on the way; what is not taken stays here.
                for _ in range(600):
                    raw.say(Verb.SEND, body)
            await asyncio.sleep(4)
            grown = first.resident_bytes() - before
            held = sum(raw.writer.transport.get_write_buffer_size() for raw in raws)
        finally:
            for raw in raws:
                raw.abort()
            server.back_end.stand_still(False)
        expect(held > 100_000_000, "of 360 MB only %d MB were held up: nothing was shown" % (held // 1_000_000))
        expect(grown < 64_000_000, "a front-end has grown by %d MB" % (grown // 1_000_000))
        await eventually(lambda: bystander.client._online.is_set(), "the bystander", 20)
        await unimpressed(phones, bystander)
        return "%d MB held up, grown by %.1f MB" % (held // 1_000_000, grown / 1e6)


@play(seconds=120)
async def messages_for_clients_of_a_front_end_that_stands_still_wait_at_home(server):
    """The back-end keeps no more than its bounds for them; when the front-end goes on, each comes once."""
    async with Phones(server) as phones:
        readers = [await person(phones, "r%d" % number, 0) for number in range(6)]
        senders = [await person(phones, "s%d" % number, 1) for number in range(6)]
        pairs = [Pair(*pair) for pair in zip(senders, readers)]
        first, back_end = server.front_ends[0], server.back_end
        before = back_end.resident_bytes()
        first.stand_still(True)
        try:
            for pair in pairs:
                for _ in range(900):
                    pair.post()
            for pair in pairs:
                await asyncio.wait_for(pair.sender.client.drain(), 40)
            grown = back_end.resident_bytes() - before
        finally:
            first.stand_still(False)
        expect(grown < 96_000_000, "the back-end has grown by %d MB" % (grown // 1_000_000))
        return "%d messages, grown by %.1f MB" % (await Load.judge(pairs), grown / 1e6)
