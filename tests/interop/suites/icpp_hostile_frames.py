"""Frames that are none, at every point of a session: lengths, bits, verbs, bodies, acknowledgements, tickets, hops."""

import os
import struct

from interop import lines
from interop.lines import Line, ext, frame, message
from interop.stage import expect, expect_equal

from .icpp_hostile_stage import CODES, NUMBERS, Health, ends, fresh_source, heard, play, refused

# What a client may say before its login and in its session (SPEC.md section 12), and the body that each of them has.
BEFORE = {lines.AUTH, lines.PING, lines.BYE}
WITHIN = {lines.PING, lines.STATE, lines.BYE, *range(0x20, 0x22), *range(0x23, 0x27), 0x30, *range(0x32, 0x36), *range(0x40, 0x43),
          *range(0x50, 0x57), *range(0x5B, 0x60), lines.SYNC, lines.HISTORY}
KNOWN = {*range(1, 10), *range(0x10, 0x16), 0x18, 0x19, *range(0x20, 0x27), *range(0x30, 0x36), *range(0x40, 0x43), *range(0x50, 0x64)}


def alive(line):
    """Whether the session is still there."""
    try:
        line.ping()
    except (lines.Ended, OSError):
        return False
    return True


@play(seconds=120)
async def lengths_that_lie(server, pair, mallory, **_):
    health = Health(server)
    for length in (0, 1, 15):
        for data in (struct.pack("<I", length), frame(lines.PING, length=length)):
            for who in (mallory.welcomed(), mallory.session()):
                who.raw(data)
                ends(who, "malformed", "a length of %d" % length)
    for length in (4097, 65536, 0x7FFFFFFF, 0xFFFFFFFF):
        who = mallory.welcomed()
        who.raw(struct.pack("<I", length))
        ends(who, "frame-too-large", "a length of %d before the login" % length)
    for length in (65537, 0x80000000, 0xFFFFFFFF):
        who = mallory.session()
        who.raw(struct.pack("<I", length))
        ends(who, "frame-too-large", "a length of %d" % length)
    before, within = mallory.welcomed(), mallory.session()
    before.raw(frame(0x90, bytes(4096 - 16)))
    within.raw(frame(0x90, bytes(65536 - 16)))
    expect(alive(before) and alive(within), "the longest frames may come")
    within.raw(frame(lines.SEND, message(server.jid("king"), b"x" * (65536 - 8192))))
    ends(within, "frame-too-large", "a message without room for what the server adds")
    pair.check()
    expect(health.counted(NUMBERS["malformed"]) >= 12, "faults are counted")
    return health.check()


@play(seconds=240)
async def every_verb_as_push_and_as_request_in_every_state(server, pair, mallory, **_):
    """256 verbs, before the login and in a session. What is not said there ends it; what is, with no body, is malformed or right."""
    health, ended = Health(server), 0
    for allowed, begin in ((BEFORE, mallory.welcomed), (WITHIN, mallory.session)):
        who = begin()
        for verb in range(256):
            for flags, identity in ((0, 0), (lines.REQ, 7)):
                if verb in allowed:
                    continue
                who.raw(frame(verb, b"", flags, identity))
                if verb not in KNOWN and verb >= 0x80:
                    if flags:
                        answer = who.wait(lines.ERROR)
                        refused((answer[0], struct.unpack_from("<H", answer[4])[0]), "unsupported-verb", "verb %#x" % verb)
                        expect(not who.fatal, "a later verb ends nothing")
                    if allowed is BEFORE and verb % 16 == 0:
                        # A login is a hundred frames at most.
                        who.close()
                        who = begin()
                    continue
                ends(who, "unexpected-verb" if verb in KNOWN else "unsupported-verb", "verb %#x, flags %d" % (verb, flags))
                ended += 1
                who = begin()
        who.close()
    pair.check()
    return "%d sessions ended, %s" % (ended, health.check())


@play(seconds=120)
async def reserved_bits_and_fields(server, pair, mallory, **_):
    health = Health(server)
    for flags in (0x80, 0x10, 0x90, 0xFF):
        for who in (mallory.welcomed(), mallory.session()):
            who.raw(frame(lines.PING, b"", flags, 1))
            ends(who, "reserved", "flags %#x" % flags)
    for bit in range(16):
        who = mallory.session()
        who.raw(frame(lines.PING, b"", lines.REQ, 1, slot=1 << bit))
        ends(who, "reserved", "slot %d" % (1 << bit))
    fields = [(lines.SYNC, 16, 24), (lines.SYNC, 23, 24), (lines.HISTORY, 14, 16), (lines.HISTORY, 15, 16), (lines.ROSTER, 1, 16),
              (lines.ROSTER, 4, 16), (lines.ROSTER, 7, 16), (lines.BLOCK, 1, 4), (lines.ALLOW, 1, 4)]
    for verb, at, size in fields:
        body = bytearray(size)
        body[at] = 1
        who = mallory.session()
        who.raw(frame(verb, bytes(body), lines.REQ, 1))
        ends(who, "reserved", "byte %d of verb %#x" % (at, verb))
    for at in (6, 7):
        body = bytearray(lines.presence())
        body[at] = 1
        who = mallory.session()
        who.raw(frame(lines.PRESENCE, bytes(body)))
        ends(who, "reserved", "byte %d of PRESENCE" % at)
    for preface, code in ((b"ICPP\x01\x01\x01\0", "reserved"), (b"ICPP\x01\x01\0\x80", "reserved"), (b"ICPP\x02\x09\0\0", "unsupported-version"),
                          (b"ICPP\0\0\0\0", "unsupported-version"), (b"ICPP\x02\x01\0\0", "malformed"), (b"ICPQ", "malformed"),
                          (b"GET / HTTP/1.1\r\n\r\n", "malformed"), (b"\x16\x03\x01\x02\0", "malformed"), (b"<?xml version='1.0'?>", "malformed")):
        who = Line.connect(server, fresh_source())
        who.raw(preface)
        ends(who, code, "the preface %r" % preface)
    pair.check()
    return health.check()


@play(seconds=240)
async def bodies_whose_lengths_lie(server, pair, mallory, **_):
    """Each length within a body in turn says one more than there is, and as much as it can, also so that sums wrap at 16 bits."""
    health, count = Health(server), 0
    king = server.jid("king")
    good = [(lines.SEND, 0, message(king, "x", extensions=ext(1, "s")), (24, 26, 28)),
            (lines.PRESENCE, 0, lines.presence(status=b"here"), (2, 4)),
            (lines.SUBSCRIBE, 0, struct.pack("<HH", len(king), 2) + king.encode() + b"hi", (0, 2)),
            (lines.ROSTER, lines.REQ, struct.pack("<BBHIQBBHHH", 1, 0, 1, 0, 0, 0, 0, len(king), 1, 3) + king.encode() + b"K\x01\0g", (2, 18, 20, 22)),
            (lines.BLOCK, lines.REQ, struct.pack("<BBHH", 1, 0, 1, 3) + b"x@y", (2, 4)),
            (lines.HISTORY, lines.REQ, struct.pack("<QHBBHH", 0, 1, 0, 0, len(king), 0) + king.encode(), (12,)),
            (lines.LEAVE, 0, ext(0x8001, "a@conference." + server.domain), (2,))]
    for verb, flags, body, places in good:
        for place in places:
            there = struct.unpack_from("<H", body, place)[0]
            for lie in (there + 1, 0x7FFF, 0x8000, 0xFFFF, (0x10000 - sum(struct.unpack_from("<H", body, other)[0] for other in places if other != place)) & 0xFFFF):
                bad = bytearray(body)
                struct.pack_into("<H", bad, place, lie)
                who = mallory.session()
                who.raw(frame(verb, bytes(bad), flags, 1 if flags else 0))
                if bytes(bad) == body or (verb, place) in ((lines.SEND, 28), (lines.SEND, 24), (lines.SEND, 26)) and lie == there + 1:
                    # One byte more of a neighbour may be another message, which is as good or as bad as any.
                    alive(who)
                    who.close()
                    continue
                ends(who, "malformed", "verb %#x says %d at %d" % (verb, lie, place))
                count += 1
        for cut in range(0, len(body), 3):
            who = mallory.session()
            who.raw(frame(verb, body[:cut], flags, 1 if flags else 0))
            if not alive(who):
                expect(CODES[who.code] in ("malformed", "reserved"), "verb %#x cut at %d: %s" % (verb, cut, who.code))
                count += 1
            who.close()
    pair.check()
    return "%d bodies, %s" % (count, health.check())


@play(seconds=120)
async def acknowledgements_of_what_was_not_sent_or_was_before(server, pair, mallory, **_):
    health = Health(server)
    for ack in (1, 2, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        for verb, flags, identity in ((lines.ACCEPTED, 0, 0), (lines.PING, lines.REQ, 1), (0x90, 0, 0)):
            who = mallory.session()
            who.raw(frame(verb, b"", flags, identity, ack))
            ends(who, "ack-invalid", "an ack of %d" % ack)
    name = mallory.names[0]
    reader, writer = mallory.session(name), mallory.session(mallory.names[1])
    reader.ask(lines.SYNC, bytes(24))
    reader.say(lines.PRESENCE, lines.presence())
    reader.ping()
    for number in range(3):
        writer.say(lines.SEND, message(server.jid(name), str(number)))
        reader.wait(lines.DELIVER)
    reader.say(lines.ACCEPTED, ack=2)
    reader.ping()
    reader.say(lines.ACCEPTED, ack=1)
    ends(reader, "ack-invalid", "an ack that goes back")
    writer.close()
    pair.check()
    return health.check()


@play(seconds=120)
async def more_than_the_window(server, pair, mallory, **_):
    """Many more at once: the session ends, cannot be resumed, and what it overran with is at nobody's."""
    health = Health(server)
    name = mallory.names[2]
    who = mallory.session(name)
    window = struct.unpack("<I", who.welcome[7])[0]
    token = who.authed[3]
    who.raw(b"".join(frame(lines.SEND, message(server.jid("king"), "x")) for _ in range(window * 40)))
    ends(who, "credit-overrun", "%d frames" % (window * 40))
    again = Line.connect(server, fresh_source()).greet(server.jid(name), resume=token)
    expect_equal(again.scram(name, "secret")[0], lines.AUTHED, "the answer to a session that overran")
    again.close()
    pair.check()
    return "window %d, %s" % (window, health.check())


@play(seconds=180)
async def tickets_of_every_wrong_kind(server, pair, mallory, odd):
    health = Health(server)
    one, two = mallory.names[3], mallory.names[4]
    fresh = [("ticket%d" % number, "secret") for number in range(40)]
    server.add_accounts(fresh)
    odd.add_accounts([(one, "secret"), fresh[0]])
    good = mallory.session(one).authed[6]
    other = mallory.session(two).authed[6]
    foreign = Line.session(odd, one, "secret", fresh_source()).authed[6]
    forged = [b"", b"\0", bytes(len(good)), good[:-1], good + b"\0", os.urandom(len(good)), os.urandom(4000 - 100)]
    forged += [good[:at] + bytes((good[at] ^ 0x40,)) + good[at + 1:] for at in range(0, len(good), 4)]
    for (name, password), ticket in zip(fresh, (*forged, good, other)):
        who = Line.connect(server, fresh_source()).greet(server.jid(name))
        refused(who.auth("TICKET", ticket), "ticket-invalid", "a ticket that is not %s's" % name)
        expect_equal(who.scram(name, password)[0], lines.AUTHED, "the password on the same connection")
        who.close()
    who = Line.connect(server, fresh_source()).greet(server.jid(one))
    refused(who.auth("TICKET", foreign), "ticket-invalid", "another server's")
    refused(who.auth("TICKET", other), "ticket-invalid", "another account's")
    expect_equal(who.auth("TICKET", good)[0], lines.AUTHED, "the ticket itself")
    again = Line.connect(server, fresh_source()).greet(server.jid(one))
    again.raw(frame(lines.AUTH, ext(1, "TICKET") + ext(2, good), lines.REQ, 1))
    ends(again, "ticket-invalid", "a ticket that was used")
    late = Line.session(odd, fresh[0][0], "secret", fresh_source()).authed[6]
    odd.wait_for_tickets_to_expire()
    who = Line.connect(odd, fresh_source()).greet(odd.jid(fresh[0][0]))
    refused(who.auth("TICKET", late), "ticket-invalid", "an expired one")
    who.close()
    pair.check()
    return health.check()


@play(seconds=60)
async def circles(server, pair, mallory, **_):
    health = Health(server)
    for hops in (4, 5, 127, 128, 255):
        who = Line.connect(server, fresh_source())
        who.raw(lines.PREFACE + lines.hello(server.jid("king"), hops=hops, came_from="somewhere"))
        ends(who, "redirect-loop", "%d hops" % hops)
    who = mallory.welcomed(hops=3)
    expect(alive(who), "three are not too many")
    expect(health.counted(NUMBERS["redirect-loop"]) >= 5, "circles are counted")
    pair.check()
    heard.add(NUMBERS["redirect-loop"])
    return health.check()
