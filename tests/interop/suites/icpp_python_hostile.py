"""Frames that no client may send, by raw connections: each ends in its defined error, and another session never notices."""

import asyncio
import contextlib
import os
import random
import struct

from interop.phones import Ended, Phones, Wire, wire
from interop.stage import expect, expect_equal
from interop.people import account

from crosspoint.rooms import Word
from crosspoint import Verb
from crosspoint.errors import Code
from crosspoint.wire import Flag, Frame, Message

from .hostile_stage import fresh_source
from .icpp_python_people import play

ID = bytes(range(16))


@contextlib.asynccontextmanager
async def bystander(server):
    """An innocent session that must live through it, and answer after it."""
    raw = await Wire.session(server, "bystander", "secret-bystander")
    await raw.ping()
    yield raw
    await raw.ping()
    raw.abort()


async def before_login(server, data, code, preface=wire.PREFACE, hello=True):
    """These bytes after the HELLO (or in its place) end the connection with this code."""
    raw = await Wire.connect(server, fresh_source())
    raw.raw(preface)
    if hello:
        raw.say(Verb.HELLO, wire.Hello(server.jid("mallory")).encode())
    raw.raw(data)
    return named(await raw.ended(), code, data)


async def after_login(server, data, code):
    """These bytes in a session end it with this code."""
    raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
    raw.raw(data)
    try:
        return named(await raw.ended(3), code, data)
    except asyncio.TimeoutError:
        raise AssertionError("%s did not end a session" % data.hex()) from None


def named(fault, code, data):
    expect(fault is not None, "ended without a word by %s" % data[:64].hex())
    expect_equal(fault.code, code, "the fault for %s" % data[:64].hex())
    expect(fault.fatal, "a fault that ends the connection is fatal")
    return fault


def frame(verb, body=b"", flags=0, identity=0, ack=0, slot=0):
    return Frame(verb, body, flags, identity, ack, slot).encode()


def header(length, verb=Verb.PING, flags=0):
    return struct.pack("<IBBHII", length, verb, flags, 0, 0, 0)


@play(seconds=60)
async def hostile_lengths(server):
    async with bystander(server):
        for length in (0, 1, 15):
            await before_login(server, header(length), Code.MALFORMED)
            await before_login(server, struct.pack("<I", length), Code.MALFORMED)
            await after_login(server, header(length), Code.MALFORMED)
        for length in (4097, 65536, 0xFFFFFFFF):
            await before_login(server, header(length), Code.FRAME_TOO_LARGE)
        for length in (65537, 0x7FFFFFFF, 0xFFFFFFFF):
            await after_login(server, header(length), Code.FRAME_TOO_LARGE)


@play(seconds=60)
async def hostile_prefaces(server):
    async with bystander(server):
        for preface, code in ((b"ICPP\x02\x09\0\0", Code.UNSUPPORTED_VERSION), (b"ICPP\0\0\0\0", Code.UNSUPPORTED_VERSION),
                              (b"ICPP\x01\x01\x01\0", Code.RESERVED), (b"ICPP\x02\x01\0\0", None)):
            raw = await Wire.connect(server, fresh_source())
            raw.raw(preface)
            raw.say(Verb.HELLO, wire.Hello(server.jid("mallory")).encode())
            fault = await raw.ended()
            expect(fault is not None and (code is None or fault.code == code), "%s: %s" % (preface, fault))
        for preface in (b"GET / HTTP/1.1\r\n\r\n", b"<?xml version='1.0'?>", b"ICPQ\x01\x01\0\0", b"\0" * 64, os.urandom(256)):
            raw = await Wire.connect(server, fresh_source())
            raw.raw(preface)
            await raw.ended()
        raw = await Wire.connect(server, fresh_source())
        raw.raw(b"ICPP\x01\x09\0\0")
        raw.say(Verb.HELLO, wire.Hello(server.jid("mallory")).encode())
        expect_equal(wire.Welcome.decode((await raw.wait(Verb.WELCOME)).body).version, 1, "the version spoken")
        raw.abort()


@play(seconds=60)
async def hostile_flags_and_slots(server):
    async with bystander(server):
        for flags in (0x80, 0x10, 0xFF):
            await before_login(server, frame(Verb.PING, b"", flags, 1), Code.RESERVED)
            await after_login(server, frame(Verb.PING, b"", flags, 1), Code.RESERVED)
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
        raw.say(Verb.PING, b"", Flag.REQ, 1, slot=7)
        fault = await raw.ended()
        expect(fault is not None and fault.code in (Code.RESERVED, Code.MALFORMED, Code.UNEXPECTED_VERB), "another slot: %s" % fault)


@play(seconds=60)
async def hostile_verbs(server):
    async with bystander(server):
        for verb in (0x00, 0x0A, 0x27, 0x43, 0x64, 0x7F):
            await before_login(server, frame(verb), Code.UNSUPPORTED_VERB)
            await after_login(server, frame(verb), Code.UNSUPPORTED_VERB)
        for verb in (Verb.WELCOME, Verb.AUTHED, Verb.RESUMED, Verb.SEND, Verb.SYNC, Verb.ROSTER, Verb.ACCEPTED, Verb.PRESENCE,
                     Verb.DELIVER, Verb.HELLO, Verb.OPEN, Verb.TOPOLOGY):
            await before_login(server, frame(verb), Code.UNEXPECTED_VERB)
        for verb in (Verb.HELLO, Verb.WELCOME, Verb.AUTHED, Verb.RESUMED, Verb.DELIVER, Verb.PRESENCES, Verb.SYNCED, Verb.ITEMS,
                     Verb.REDIRECT, Verb.DRAIN, Verb.CREDIT, Verb.OPEN, Verb.CLOSE, Verb.TOPOLOGY, Verb.OCCUPANT, Verb.REFUSED):
            await after_login(server, frame(verb), Code.UNEXPECTED_VERB)
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
        raw.say(0x80, b"later")
        raw.say(0xFF, b"later")
        raw.say(0x90, b"later", Flag.REQ, 77)
        answer = await raw.wait(Verb.ERROR)
        expect_equal((answer.id, wire.Fault.decode(answer.body).code), (77, Code.UNSUPPORTED_VERB), "the answer")
        await raw.ping()
        raw.abort()


@play(seconds=60)
async def hostile_hellos(server):
    async with bystander(server):
        good = wire.Hello(server.jid("mallory")).encode()
        for body, code in ((b"", Code.MALFORMED), (good + good, Code.MALFORMED), (good[:-1], Code.MALFORMED),
                           (good + b"\x99\x80\0\0", Code.UNSUPPORTED_EXTENSION), (wire.Hello("").encode(), None),
                           (wire.encode_extensions([(0x8001, b"\xff\xfe@x")]), Code.MALFORMED),
                           (wire.Hello("no domain at all").encode(), None), (wire.Hello("a@b@c/d").encode(), None),
                           (good + wire.encode_extensions([(5, b"\0\0")]), Code.MALFORMED)):
            raw = await Wire.connect(server, fresh_source())
            raw.raw(wire.PREFACE + frame(Verb.HELLO, body))
            if code is None:
                with contextlib.suppress(Ended):
                    if (await raw.next()).verb == Verb.WELCOME:
                        await raw.password("mallory", "secret-mallory")
                expect(raw.authed is None, "logged in as %s" % body)
                raw.abort()
                continue
            named(await raw.ended(), code, body)
        raw = await Wire.connect(server, fresh_source())
        raw.raw(wire.PREFACE + frame(Verb.HELLO, good + b"\x99\0\x03\0abc"))
        await raw.wait(Verb.WELCOME)
        raw.abort()
        raw = await Wire.connect(server, fresh_source())
        raw.hello(server.jid("mallory"), hops=4)
        named(await raw.ended(), Code.REDIRECT_LOOP, b"HOPS 4")


@play(seconds=60)
async def hostile_bodies(server):
    async with bystander(server):
        good = Message(ID, server.jid("king"), payload=b"x")
        bad_lengths = good.encode()[:24] + b"\xff\xff" + good.encode()[26:]
        for data in (frame(Verb.SEND), frame(Verb.SEND, good.encode()[:31]), frame(Verb.SEND, bad_lengths),
                     frame(Verb.SEND, Message(ID, server.jid("king"), server.jid("mallory")).encode()),
                     frame(Verb.SEND, Message(ID, server.jid("king"), kind=4).encode()),
                     frame(Verb.SEND, Message(ID, server.jid("king"), kind=9).encode()),
                     frame(Verb.RECEIPT, Message(ID, server.jid("king"), kind=1).encode()),
                     frame(Verb.RECEIPT, Message(ID, server.jid("king"), kind=3, ref=ID).encode()),
                     frame(Verb.EDIT, good.encode()), frame(Verb.RECALL, good.encode()),
                     frame(Verb.NOTE, Message(ID, server.jid("king"), kind=5).encode()),
                     frame(Verb.STATE), frame(Verb.STATE, b"\0\0"), frame(Verb.PING, b"x", Flag.REQ, 1),
                     frame(Verb.PRESENCE), frame(Verb.PRESENCE, b"\x09\0\0\0\0\0\0\0"), frame(Verb.PRESENCE, wire.Presence().encode() + b"x"),
                     frame(Verb.SUBSCRIBE, b"\xff\xff\0\0"), frame(Verb.SYNC, bytes(23), Flag.REQ, 1),
                     frame(Verb.ROSTER, bytes(15), Flag.REQ, 1), frame(Verb.ROSTER, b"\x01\0\xff\xff" + bytes(12), Flag.REQ, 1),
                     frame(Verb.BLOCK, b"\x01\0\x02\0\x01\0a", Flag.REQ, 1), frame(Verb.HISTORY, bytes(8), Flag.REQ, 1),
                     frame(Verb.HISTORY, bytes(11) + b"\x01" + bytes(4), Flag.REQ, 1), frame(Verb.JOIN), frame(Verb.LEAVE, b"\x01\x80\xff\xff"),
                     frame(Verb.JOIN, Word(Verb.JOIN, room="a@b").encode()), frame(Verb.CONFIGURE, Word(Verb.CONFIGURE, room="a@b").encode(), Flag.REQ, 1),
                     frame(Verb.MEMBERS, Word(Verb.MEMBERS, room="a@b").encode()), frame(Verb.LEAVE, Word(Verb.LEAVE, room="@").encode()),
                     frame(Verb.ACCEPTED, b"x"), frame(Verb.BYE, b"x"),
                     frame(Verb.SEND, Message(ID, server.jid("king"), ref=b"short").encode())):
            await after_login(server, data, Code.MALFORMED)
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
        extension = wire.encode_extensions([(0x80FF, b"")])
        body = Message.FIXED.pack(ID, 0, 5, 0, len(extension), 0) + b"a@b.c" + extension
        raw.say(Verb.SEND, body)
        named(await raw.ended(), Code.UNSUPPORTED_EXTENSION, body)


@play(seconds=60)
async def hostile_reserved_fields(server):
    async with bystander(server):
        for data in (frame(Verb.SYNC, wire.Sync(0, 0).encode()[:-4] + b"\x01\0\0\0", Flag.REQ, 1),
                     frame(Verb.PRESENCE, b"\x01\0\0\0\0\0\x01\0"),
                     frame(Verb.ROSTER, b"\0\x01" + bytes(14), Flag.REQ, 1),
                     frame(Verb.BLOCK, b"\0\x01\0\0", Flag.REQ, 1),
                     frame(Verb.HISTORY, bytes(14) + b"\x01\0", Flag.REQ, 1)):
            await after_login(server, data, Code.RESERVED)


@play(seconds=60)
async def hostile_text_that_is_not_utf_8(server):
    async with bystander(server):
        body = Message.FIXED.pack(ID, 0, 4, 0, 0, 0) + b"\xff\xfe@b"
        await after_login(server, frame(Verb.SEND, body), Code.MALFORMED)
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
        raw.say(Verb.SEND, Message(ID, server.jid("king"), payload=b"\xff\xfe\0").encode())
        with contextlib.suppress(Ended):
            await raw.ping()
        raw.abort()


@play(seconds=60)
async def hostile_credit(server):
    """One frame more than the window in one write ends the session, and it cannot be resumed. Never once in the window does not."""
    async with bystander(server):
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
        window, to, token = raw.welcome.window, server.jid("king"), raw.authed.token
        burst = b"".join(frame(Verb.SEND, Message(wire.new_id(1), to, payload=b"x").encode()) for _ in range(window * 40))
        raw.raw(burst)
        named(await raw.ended(), Code.CREDIT_OVERRUN, b"credit")
        raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source(), resume=token)
        expect_equal(raw.authed.token != token, True, "the overrun session was resumed")
        for _ in range(window):
            raw.send(to, "within the window")
        await raw.ping()
        raw.abort()
        return "window %d" % window


@play(seconds=60)
async def hostile_acks(server):
    async with bystander(server):
        for ack in (1, 1000, 0xFFFFFFFF):
            await after_login(server, frame(Verb.ACCEPTED, ack=ack), Code.ACK_INVALID)
            await after_login(server, frame(Verb.PING, b"", Flag.REQ, 1, ack), Code.ACK_INVALID)
        user, password = account(server, "reader")
        raw = await Wire.session(server, user, password)
        raw.ask(Verb.SYNC, wire.Sync(0, 0).encode())
        raw.say(Verb.PRESENCE, wire.Presence().encode())
        async with Phones(server) as phones:
            romeo = await phones.online("romeo")
            for number in range(2):
                await romeo.client.send(server.jid(user), str(number))
                await raw.wait(Verb.DELIVER)
        raw.say(Verb.ACCEPTED, ack=2)
        raw.say(Verb.ACCEPTED, ack=1)
        named(await raw.ended(), Code.ACK_INVALID, b"an ack that goes back")


@play(seconds=60)
async def hostile_tickets(server):
    """Forged, changed, another's: each is refused without ending the connection, and the password still opens it."""
    async with bystander(server):
        user, password = account(server, "mercutio")
        raw = await Wire.session(server, user, password, fresh_source())
        ticket = raw.authed.ticket
        expect(ticket, "no ticket was given")
        raw.abort()
        changed = [ticket[:at] + bytes((ticket[at] ^ 1,)) + ticket[at + 1:] for at in range(0, len(ticket), 5)]
        bad = (b"", b"x", bytes(len(ticket)), ticket[:-1], ticket + b"\0", os.urandom(len(ticket)), *changed, ticket)
        victims = [("victim%d" % index, "secret-victim") for index in range(len(bad))]
        server.add_accounts(victims)
        for (victim, secret), forged in zip(victims, bad):
            raw = await Wire.connect(server, fresh_source())
            await raw.greet(server.jid(victim))
            answer = await raw.auth(forged, "TICKET")
            expect_equal(answer.verb, Verb.ERROR, "the answer to %s" % forged.hex())
            expect_equal(wire.Fault.decode(answer.body).code, Code.TICKET_INVALID, "the refusal of %s" % forged.hex())
            expect_equal((await raw.password(victim, secret)).verb, Verb.AUTHED, "the password afterwards")
            raw.abort()
        for forged in changed[:3]:
            raw = await Wire.connect(server, fresh_source())
            await raw.greet(server.jid(user))
            answer = await raw.auth(forged, "TICKET")
            expect_equal(wire.Fault.decode(answer.body).code, Code.TICKET_INVALID, "a changed ticket of his own")
            raw.abort()
        raw = await Wire.connect(server, fresh_source())
        await raw.greet(server.jid(user))
        expect_equal((await raw.auth(ticket, "TICKET")).verb, Verb.AUTHED, "the ticket itself")
        raw.abort()


@play(seconds=60)
async def hostile_authentication(server):
    async with bystander(server):
        for mechanism, data, codes in (
                ("SCRAM-SHA-256", b"", (Code.NOT_AUTHORIZED, Code.MALFORMED)), ("NONE", b"x", (Code.MECHANISM,)), ("", b"x", (Code.MECHANISM, Code.MALFORMED, Code.NOT_AUTHORIZED)),
                ("SCRAM-SHA-256", b"n,,n=king,r=abc", (Code.NOT_AUTHORIZED,)),
                ("SCRAM-SHA-256", b"n,a=king@x,n=mallory,r=abc", (Code.NOT_AUTHORIZED,)),
                ("SCRAM-SHA-256", b"y,,n=mallory", (Code.NOT_AUTHORIZED,)),
                ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,n=mallory,r=abc", (Code.MECHANISM, Code.NOT_AUTHORIZED))):
            raw = await Wire.connect(server, fresh_source())
            await raw.greet(server.jid(account(server, "mallory")[0]))
            try:
                answer = await raw.auth(data, mechanism)
                if answer.verb == Verb.AUTH:
                    answer = await raw.auth(b"c=biws,r=abc,p=AAAA")
                code = wire.Fault.decode(answer.body).code
            except Ended as end:
                code = end.fault and end.fault.code
            expect(code in codes, "%s %s: %s" % (mechanism, data, code))
            raw.abort()
        raw = await Wire.connect(server, fresh_source())
        await raw.greet(server.jid("mallory"))
        raw.say(Verb.AUTH, wire.Auth(b"x", "SCRAM-SHA-256").encode())
        fault = await raw.ended()
        expect(fault is not None and fault.code in (Code.MALFORMED, Code.UNEXPECTED_VERB), "AUTH without REQ: %s" % fault)


@play(seconds=60)
async def hostile_requests_without_an_id(server):
    async with bystander(server):
        for data in (frame(Verb.SYNC, wire.Sync(0, 0).encode()), frame(Verb.SYNC, wire.Sync(0, 0).encode(), Flag.REQ, 0),
                     frame(Verb.ROSTER, wire.Roster(0).encode()), frame(Verb.BLOCK, wire.AddressList(0).encode())):
            raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
            raw.raw(data)
            fault = await raw.ended()
            expect(fault is not None and fault.code in (Code.MALFORMED, Code.UNEXPECTED_VERB), "%s: %s" % (data.hex(), fault))


@play(seconds=60)
async def hostile_silence_is_ended(server):
    """A connection that never logs in is ended in time, and says why."""
    async with bystander(server):
        raw = await Wire.connect(server, fresh_source())
        raw.raw(b"ICP")
        fault = await raw.ended(50)
        expect(fault is None or fault.code == Code.IDLE_TIMEOUT, str(fault))


@play(seconds=60)
async def hostile_one_byte_at_a_time(server):
    """Slow, but not wrong: a whole login and a message in single bytes."""
    async with bystander(server):
        raw = await Wire.connect(server, fresh_source())

        def drip(data):
            for octet in data:
                raw.writer.write(bytes((octet,)))
        raw.raw = drip
        await raw.greet(server.jid("mallory"))
        expect_equal((await raw.password("mallory", "secret-mallory")).verb, Verb.AUTHED, "the login")
        raw.send(server.jid("king"), "slowly")
        while (await raw.wait(Verb.ACCEPTED)).ack < 1:
            pass
        raw.abort()


@play(seconds=60)
async def hostile_noise(server):
    """Random changes of good frames: the connection ends with a defined code or goes on, and the server stays."""
    async with bystander(server) as other:
        chance = random.Random(5299)
        good = [frame(Verb.SEND, Message(ID, server.jid("king"), payload=b"x", subject="s").encode()),
                frame(Verb.PRESENCE, wire.Presence(status="x").encode()), frame(Verb.SYNC, wire.Sync(1, 2).encode(), Flag.REQ, 3),
                frame(Verb.ROSTER, wire.Roster(1, (wire.Contact(server.jid("king"), "K", ("g",)),)).encode(), Flag.REQ, 4),
                frame(Verb.BLOCK, wire.AddressList(1, ("x@y",)).encode(), Flag.REQ, 5),
                frame(Verb.SUBSCRIBE, wire.Subscription(server.jid("king")).encode())]
        for _ in range(60):
            raw = await Wire.session(server, "mallory", "secret-mallory", fresh_source())
            for _ in range(8):
                data = bytearray(chance.choice(good))
                for _ in range(chance.randint(1, 3)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                raw.raw(bytes(data))
            raw.raw(frame(Verb.BYE))
            raw.writer.write_eof()
            fault = await raw.ended()
            expect(fault is None or 1 <= fault.code <= 63, str(fault))
            await other.ping()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def impatient(server):
    """A server whose tickets and heartbeats last two seconds."""
    environment = {"CROSSPOINT_ICPP_TICKET_S": "2", "CROSSPOINT_ICPP_HEARTBEAT_S": "2", "CROSSPOINT_ICPP_HEARTBEAT_BACKGROUND_S": "8"}
    other = type(server)(server.folder.with_name(server.folder.name + "-impatient"), settings={"environment": environment})
    try:
        await asyncio.to_thread(other.start)
        yield other
    finally:
        await asyncio.to_thread(other.stop)


@play(seconds=60)
async def hostile_silence_and_late_tickets(server):
    """An expired ticket is refused; who says nothing is ended and may resume; who pings, or is in the background, is not."""
    async with impatient(server) as other, Phones(other) as phones:
        user, password = account(other, "mallory")
        silent, pinging, hidden = [await Wire.session(other, user, password, fresh_source(), resource=name)
                                   for name in ("silent", "pinging", "hidden")]
        expect_equal((silent.welcome.heartbeat, silent.welcome.heartbeat_background, silent.authed.ticket_s), (2, 8, 2), "what was said")
        hidden.say(Verb.STATE, wire.encode_state(True))
        phone = await phones.online("romeo")

        async def ping():
            while True:
                await asyncio.sleep(1)
                await pinging.ping()
        keeping = asyncio.ensure_future(ping())
        named(await silent.ended(8), Code.IDLE_TIMEOUT, b"silence")
        await asyncio.sleep(1)
        keeping.cancel()
        await hidden.ping()
        await pinging.ping()
        expect(phone.client._online.is_set() and len([one for one in phone.happened if hasattr(one, "resumed")]) == 1,
               "the client was taken for dead: %s" % phone.happened)
        late = await Wire.connect(other, fresh_source())
        await late.greet(other.jid(user), resume=silent.authed.token)
        answer = await late.auth(silent.authed.ticket, "TICKET")
        expect_equal(wire.Fault.decode(answer.body).code, Code.TICKET_INVALID, "an expired ticket")
        expect_equal((await late.password(user, password)).verb, Verb.RESUMED, "the password, and the session that fell silent")
        for raw in (late, pinging, hidden):
            raw.abort()
