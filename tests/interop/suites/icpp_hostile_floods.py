"""Much of what is allowed, or nothing at all: slow clients, silent ones, floods, answers that are larger than their questions, and
connections that come and go. Two people chat all the while, and the server keeps its memory."""

import asyncio
import hashlib
import hmac
import os
import socket
import statistics
import struct
import subprocess
import time

from interop import lines, process, servers
from interop.lines import Line, ext, frame, message
from interop.stage import expect, expect_equal

from .icpp_hostile_stage import NUMBERS, Health, ends, figures, fresh_source, heard, play, refused

# More than an address may have at every one of two shards.
CROWD = 5000
SLOW = 150
FLOOD = 100_000
FRIENDS = 150


@play(seconds=120)
async def one_byte_at_a_time_before_the_login(server, pair, mallory, **_):
    """Slow clients are no fault until their time is over, and then they are told so."""
    health, source = Health(server), fresh_source()
    opening = lines.PREFACE + lines.hello(server.jid("king"))
    slow = [Line.connect(server, source) for _ in range(SLOW)]
    began, at = time.monotonic(), 0
    while time.monotonic() < began + 33:
        for line in slow:
            line.raw(opening[at:at + 1])
        at += at < len(opening) - 2
        await asyncio.sleep(0.8)
    for line in slow:
        ends(line, "idle-timeout", "a login that takes for ever")
    pair.check()
    return "%d slow clients, the two waited %.2f s at most, %s" % (SLOW, pair.longest, health.check())


@play(seconds=60)
async def half_a_frame_and_then_nothing(server, pair, mallory, odd):
    """In a session: its bytes wait in bounds, and its silence ends it; it can be resumed."""
    line = Line.session(odd, "king", "secret", fresh_source())
    token = line.authed[3]
    line.raw(frame(lines.SEND, bytes(9000))[:4000])
    ends(line, "idle-timeout", "half a frame")
    again = Line.connect(odd, fresh_source()).greet(odd.jid("king"), resume=token)
    expect_equal(again.scram("king", "secret")[0], lines.RESUMED, "the answer to who fell silent")
    again.say(lines.BYE)
    pair.check()


@play(seconds=120)
async def thousands_that_say_nothing(server, pair, mallory, **_):
    """Beyond its share an address gets no connection; from elsewhere everybody comes in."""
    health, source, crowd = Health(server), fresh_source(), []
    refused_before = sum(figures(server, "crosspoint_connections_refused_total"))
    for _ in range(CROWD):
        one = socket.socket()
        one.bind((source, 0))
        one.setblocking(False)
        one.connect_ex((server.address, servers.ICPP_PORT))
        crowd.append(one)
    await asyncio.sleep(2)
    mallory.session().close()
    pair.check()
    turned_away = sum(figures(server, "crosspoint_connections_refused_total")) - refused_before
    expect(turned_away > 0, "%d connections of one address, and none was too many" % CROWD)
    for one in crowd:
        one.close()
    return "%d of %d turned away, %s" % (turned_away, CROWD, health.check())


@play(seconds=180)
async def floods_of_pings_greetings_and_logins(server, pair, mallory, **_):
    health = Health(server)
    who = mallory.session()
    ping, answered = frame(lines.PING, b"", lines.REQ, 1), 0
    for _ in range(FLOOD // 1000):
        who.raw(ping * 1000)
        while answered < 1000:
            answered += who.next()[0] == lines.PONG
        answered = 0
    who.close()
    who = mallory.session()
    who.raw(frame(lines.STATE, b"\1") * 20_000 + frame(lines.STATE, b"\0") * 20_000 + lines.PREFACE)
    expect(who.ended() is not None, "a preface within a session is no frame")
    for data, code in ((frame(lines.PING, b"", lines.REQ, 1) * 500, "throttled"), (frame(0x90) * 500, "throttled"),
                       (lines.hello(server.jid("king")) * 50, "unexpected-verb")):
        who = mallory.welcomed()
        who.raw(data)
        ends(who, code, "a flood before the login")
    who = mallory.welcomed()
    first = frame(lines.AUTH, ext(1, "SCRAM-SHA-256") + ext(2, b"n,,n=king,r=abc"), lines.REQ, 1)
    who.raw(first * 500)
    expect(who.ended() in (NUMBERS["throttled"], NUMBERS["not-authorized"]), "five hundred logins that are never finished")
    pair.check()
    return "the two waited %.2f s at most, %s" % (pair.longest, health.check())


@play(seconds=60)
async def who_says_too_much_is_told_so_by_credit(server, pair, mallory, **_):
    """With a small window, and with the whole one when it has kept to its pace for a second. It is no fault."""
    who, windows = mallory.session(), []
    who.raw(frame(lines.STATE, b"\0") * FLOOD)
    while len(windows) < 2:
        verb, _, _, _, body = who.next(30)
        if verb == lines.CREDIT:
            windows += struct.unpack("<I", body)
    expect_equal(windows, [64, 1024], "the windows")
    who.close()
    pair.check()


@play(seconds=120)
async def guessing_is_throttled_and_says_nothing(server, pair, mallory, **_):
    """Unknown and known accounts are answered alike, byte for byte but for what is random, at every point."""
    health = Health(server)
    server.add_accounts([("guessed", "secret")])
    answers = {}
    for name in ("guessed", "nobody-at-all"):
        line = Line.connect(server, fresh_source())
        line.raw(lines.PREFACE + lines.hello(server.jid(name)))
        found = [line.wait(lines.WELCOME)[4]]
        for mechanism, data in (("PLAIN", b"\0%s\0wrong" % name.encode()), ("TICKET", bytes(100))):
            found.append(line.auth(mechanism, data))
        line.close()
        challenges = []
        for _ in range(2):
            line = Line.connect(server, fresh_source()).greet(server.jid(name))
            line.auth("SCRAM-SHA-256", b"n,,n=%s,r=abcdefgh" % name.encode())
            challenges.append(dict(part.split(b"=", 1) for part in line.challenge.split(b",")))
            line.close()
        expect_equal(challenges[0][b"s"], challenges[1][b"s"], "%s's salt is the same each time" % name)
        found += [challenges[0][b"i"], len(challenges[0][b"s"]), len(challenges[0][b"r"])]
        answers[name] = found
    expect_equal(answers["guessed"], answers["nobody-at-all"], "what is answered to the known and the unknown")
    line = Line.connect(server, fresh_source())
    line.raw(lines.PREFACE + lines.hello("king@elsewhere.test"))
    ends(line, "not-authorized", "another domain")
    source, code = fresh_source(), None
    for attempt in range(30):
        line = Line.connect(server, source).greet(server.jid("guessed"))
        _, code = line.login("guessed", "wrong%d" % attempt)
        line.close()
        if code == NUMBERS["throttled"]:
            break
    expect_equal(code, NUMBERS["throttled"], "the answer after thirty guesses")
    heard.add(code)
    pair.check()
    return "throttled after %d, %s" % (attempt, health.check())


@play(seconds=120)
async def known_and_unknown_accounts_are_as_much_work(server, pair, mallory, **_):
    """Measured and told, not judged: how long a wrong password takes where there is an account and where there is none."""
    names = [("timed%d" % number, "secret") for number in range(20)]
    server.add_accounts(names)
    took = {"known": [], "unknown": []}
    for number in range(20):
        for kind, name in (("known", "timed%d" % number), ("unknown", "untimed%d" % number)):
            line = Line.connect(server, fresh_source()).greet(server.jid(name))
            began = time.perf_counter()
            refused(line.login(name, "wrong"), "not-authorized", "a wrong password")
            took[kind].append(time.perf_counter() - began)
            line.close()
    pair.check()
    return ", ".join("%s %.2f ms" % (kind, 1e3 * statistics.median(times)) for kind, times in took.items())


@play(seconds=240)
async def small_questions_with_large_answers(server, pair, mallory, **_):
    """Histories, rosters and lists asked for without end, by who reads and by who does not."""
    health = Health(server)
    name, king = mallory.names[5], server.jid("king")
    who = mallory.session(name)
    for start in range(0, 400, 100):
        for _ in range(100):
            who.say(lines.SEND, message(king, b"x" * 8000))
        while who.next()[3] < start + 100:
            pass
    entry = struct.pack("<BBHHH", 0, 0, 0, 40, 0)
    for number in range(300):
        address = ("contact%d@%s" % (number, server.domain)).encode()
        body = struct.pack("<BBHIQ", 1, 0, 1, 0, 0) + entry[:2] + struct.pack("<HHH", len(address), 40, 0) + address + b"n" * 40
        asked = who.ask(lines.ROSTER, body)
        while who.next()[2] != asked:
            pass
        if number % 50 == 0:
            who.say(lines.ACCEPTED)
    questions = {"history": frame(lines.HISTORY, struct.pack("<QHBBHH", 0, 0xFFFF, 0, 0, 0, 0), lines.REQ, 9),
                 "roster": frame(lines.ROSTER, bytes(16), lines.REQ, 9), "black list": frame(lines.BLOCK, bytes(4), lines.REQ, 9),
                 "rooms": frame(lines.ROOMS, b"", lines.REQ, 9)}
    who.close()
    peak = 0
    for what, question in questions.items():
        deaf = mallory.session(name)
        deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        deaf.sock.settimeout(0.2)
        with_room = True
        for _ in range(200):
            try:
                deaf.sock.sendall(question * 100)
            except OSError:
                with_room = False
                break
        await asyncio.sleep(0.5)
        peak = max(peak, process.resident_bytes(server.pid) - health.before)
        pair.check()
        code = deaf.ended(60) if not with_room else None
        expect(code in (None, NUMBERS["slow-consumer"]), "%s, unread: ended with %s" % (what, code))
        deaf.close()
        reader, answered = mallory.session(name), 0
        reader.raw(question * 50)
        while answered < 50:
            verb, flags, _, _, _ = reader.next()
            answered += bool(flags & lines.RESP and not flags & lines.MORE)
        reader.ping()
        reader.close()
    pair.check()
    return "at most %+d MiB meanwhile, the two waited %.2f s at most, %s" % (peak >> 20, pair.longest, health.check())


@play(seconds=120)
async def who_does_not_read_waits_alone_and_loses_nothing(server, pair, mallory, **_):
    health = Health(server)
    sleeper, writer = mallory.session(mallory.names[6]), mallory.session(mallory.names[7])
    sleeper.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sleeper.say(lines.PRESENCE, lines.presence())
    sleeper.ping()
    ping = frame(lines.PING, b"", lines.REQ, 1)
    sleeper.sock.settimeout(1)
    try:
        while True:
            sleeper.sock.sendall(ping * 4000)
    except OSError:
        pass
    to = server.jid(mallory.names[6])
    for number in range(300):
        writer.say(lines.SEND, message(to, b"y" * 4000))
    while writer.next()[3] < 300:
        pass
    pair.check()
    sleeper.close()
    again = Line.connect(server, fresh_source()).greet(server.jid(mallory.names[6]), resume=sleeper.authed[3], ack=sleeper.taken)
    again.taken = sleeper.taken
    expect_equal(again.scram(mallory.names[6], "secret")[0], lines.RESUMED, "the answer to who comes back")
    count = 0
    while count < 300:
        count += again.next()[0] == lines.DELIVER
        if count % 8 == 0:
            again.say(lines.ACCEPTED)
    for line in (sleeper, writer, again):
        line.close()
    pair.check()
    return health.check()


@play(seconds=240)
async def presence_that_is_told_to_many(server, pair, mallory, **_):
    """Somebody whom a hundred and fifty see shows himself ten thousand times in one breath: the others wait no longer for it than for anything."""
    health, names = Health(server), [("friend%d" % number, "secret") for number in range(FRIENDS)]
    server.add_accounts([("star", "secret"), *names])
    star = mallory.session("star")
    for name, _ in names:
        one, to = mallory.session(name), server.jid("star").encode()
        one.say(lines.SUBSCRIBE, struct.pack("<HH", len(to), 0) + to)
        one.wait(lines.ACCEPTED)
        one.say(lines.BYE)
        one.close()
        to = server.jid(name).encode()
        star.say(lines.APPROVE, struct.pack("<HH", len(to), 0) + to)
        star.say(lines.ACCEPTED)
    star.ping()
    watching = [mallory.session(name) for name, _ in names[:20]]
    for one in watching:
        one.say(lines.PRESENCE, lines.presence())
    pair.check()
    pair.longest, before = 0.0, sum(figures(server, "crosspoint_presences_total"))
    star.raw(b"".join(frame(lines.PRESENCE, lines.presence(1 + number % 5)) for number in range(10_000)))
    began = time.monotonic()
    pair.check()
    star.ping()
    took, told = time.monotonic() - began, sum(figures(server, "crosspoint_presences_total")) - before
    longest = pair.longest
    for one in (star, *watching):
        one.close()
    pair.check()
    return "%d told in %.1f s, the two waited %.2f s at most, %s" % (told, took, longest, health.check())


@play(seconds=180)
async def connections_that_come_and_go(server, pair, mallory, **_):
    """The rapid reset of this protocol: openings that are given up at once, at every point, and sessions that are left."""
    health = Health(server)
    for number in range(1500):
        one = Line.connect(server, fresh_source() if number % 100 == 0 else None)
        one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.raw((lines.PREFACE + lines.hello(server.jid("king")))[:number % 60])
        one.close()
    # More than an account may have: those that were left make room for the next.
    name = "flapping"
    server.add_accounts([(name, "secret")])
    for number in range(200):
        one = mallory.session(name)
        if number % 2:
            one.say(lines.BYE)
        one.close()
    line = mallory.session(name)
    line.ping()
    line.close()
    pair.check()
    return "the two waited %.2f s at most, %s" % (pair.longest, health.check())


@play(seconds=120)
async def passengers_that_come_and_go(server, pair, mallory, odd):
    """A trunk opens and closes its slots as fast as it can, and asks for what it has no right to. Its own server's people do not notice."""
    health = Health(odd)
    line = trunk(odd)
    for start in range(1, 60_001, 2000):
        burst = b"".join(frame(lines.OPEN, ext(1, "192.0.2.1") + ext(2, b"\1"), slot=slot) + lines.hello(odd.jid("king"))[:6]
                         + struct.pack("<H", slot) + lines.hello(odd.jid("king"))[8:] + frame(lines.CLOSE, slot=slot)
                         for slot in range(start, start + 2000))
        line.raw(burst)
        closed = 0
        while closed < 2000:
            closed += line.next()[0] == lines.CLOSE
    line.close()
    for data, code in ((frame(lines.OPEN, ext(1, "no address") + ext(2, b"\1"), slot=1), "malformed"),
                       (frame(lines.OPEN, ext(1, "192.0.2.1") + ext(2, b"\1"), slot=1) * 2, "unexpected-verb"),
                       (frame(lines.HOLD, b"\2", slot=1), None), (frame(lines.SEND, b"x" * 40, slot=9), None),
                       (frame(lines.TOPOLOGY, b"\xff" * 40), "reserved"), (frame(lines.TOPOLOGY, b"\xff" * 17 + bytes(3)), "malformed"), (frame(lines.SEND), "unexpected-verb"),
                       (struct.pack("<I", (1 << 20) + 1), "frame-too-large")):
        line = trunk(odd)
        line.raw(data)
        if code:
            ends(line, code, "a trunk's %s" % data[:20].hex())
        else:
            line.ping()
            line.close()
    line = Line.connect(odd, fresh_source(), TRUNK_PORT)
    line.raw(lines.PREFACE + frame(lines.HELLO, ext(0x8010, "fe1") + ext(0x8011, b"\0\0")))
    line.wait(lines.WELCOME)
    line.raw(frame(lines.AUTH, ext(1, "TRUNK") + ext(2, bytes(32)), lines.REQ, 1))
    ends(line, "not-authorized", "a trunk without the key")
    line = Line.connect(odd, fresh_source())
    line.raw(lines.PREFACE + frame(lines.HELLO, ext(0x8010, "fe1") + ext(0x8011, b"\0\0")))
    ends(line, "unexpected-verb", "a trunk where clients connect")
    person = Line.session(odd, "king", "secret", fresh_source())
    person.ping()
    person.close()
    return "30 bursts of 2,000, %s" % health.check()


TRUNK_PORT = 5298


def trunk(server):
    """A trunk that has proved itself."""
    line = Line.connect(server, fresh_source(), TRUNK_PORT)
    line.raw(lines.PREFACE + frame(lines.HELLO, ext(0x8010, "fe1") + ext(0x8011, b"\0\0")))
    nonce = lines.extensions(line.wait(lines.WELCOME)[4])[10]
    key = hashlib.sha256(b"icpp trunk key 1" + server.key_file.read_bytes()).digest()
    proof = hmac.new(key, b"icpp trunk 1" + nonce + b"fe1", "sha256").digest()
    line.raw(frame(lines.AUTH, ext(1, "TRUNK") + ext(2, proof), lines.REQ, 1))
    line.wait(lines.AUTHED)
    return line


@play(seconds=60)
async def tls_is_not_negotiated_again(server, pair, mallory, **_):
    health = Health(server)
    command = ["openssl", "s_client", "-connect", "%s:%d" % (server.address, servers.ICPPS_PORT), "-tls1_2", "-alpn", "icpp/1"]
    for _ in range(5):
        child = subprocess.run(command, input=b"R\nR\nR\n", capture_output=True, timeout=20, env={**os.environ, "LANG": "C"})
        said = (child.stdout + child.stderr).decode(errors="replace")
        expect("RENEGOTIATING" in said, "openssl did not ask: %s" % said[-300:])
        expect("no renegotiation" in said.lower() or "alert" in said.lower() or child.returncode != 0 or "DONE" in said, said[-300:])
    pair.check()
    return health.check()
