"""The same within WebSocket: what is no upgrade, what is no frame, and messages that never end."""

import base64
import os
import time

from interop import lines
from interop.lines import WebLine, web_frame
from interop.stage import expect, expect_equal

from .icpp_hostile_stage import Health, ends, fresh_source, play

KEY = base64.b64encode(bytes(16)).decode()
GOOD = ["Host: icpp.test", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + KEY, "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: icpp.v1"]


def request(fields, line="GET / HTTP/1.1", end="\r\n"):
    return (end.join([line, *fields]) + end * 2).encode()


def without(name):
    return [field for field in GOOD if not field.startswith(name)]


def closed(line, code, what):
    """The connection ends by a close frame of this code."""
    try:
        line.ended(20)
    except TimeoutError:
        raise AssertionError("%s did not end the connection" % what) from None
    expect_equal(line.close_code, code, what)


@play(seconds=120)
async def requests_that_are_no_upgrade(server, pair, mallory, **_):
    """What two readers could take for different things is refused, so that no proxy in front lets something through unseen."""
    health = Health(server)
    cases = [(request(GOOD), 101), (request(without("Host")), 400), (request([*GOOD, "Host: other.test"]), 400),
             (request(without("Upgrade")), 426), (request(without("Connection")), 400), (request(without("Sec-WebSocket-Key")), 400),
             (request([*GOOD, "Sec-WebSocket-Key: " + KEY]), 400), (request([*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: short"]), 400),
             (request(without("Sec-WebSocket-Version")), 426), (request([*GOOD, "Sec-WebSocket-Version: 8"]), 426),
             (request(without("Sec-WebSocket-Protocol")), 400), (request([*without("Sec-WebSocket-Protocol"), "Sec-WebSocket-Protocol: xmpp"]), 400),
             (request([*GOOD, "Content-Length: 5"]), 400), (request([*GOOD, "Transfer-Encoding: chunked"]), 400),
             (request([*GOOD, "Content-Length: 0", "Content-Length: 9"]), 400), (request(GOOD, "POST / HTTP/1.1"), 405),
             (request(GOOD, "GET /other HTTP/1.1"), 404), (request(GOOD, "GET / HTTP/1.0"), 400), (request(GOOD, "GET http://other.test/ HTTP/1.1"), 400),
             (request([*GOOD, "X-Folded: a\r\n b"]), 400), (request([*GOOD, "X-Space : a"]), 400), (request(GOOD, end="\n"), None),
             (request([*GOOD, "X-Bare: a\rb"]), 400), (request([*GOOD, "X-Nul: a\0b"]), 400), (request([*GOOD, *["X-%d: a" % n for n in range(70)]]), 431),
             (request([*GOOD, "X-Long: " + "a" * 9000]), 431), (b"\x82\x85\0\0\0\0ICPP\x01", 400), (b"\x16\x03\x01\x02\0\x01", 400)]
    for data, status in cases:
        line = WebLine.connect(server, fresh_source(), upgrade=False)
        line.bytes(data)
        if status is None:
            # No line ends in a bare LF, so this is no end of a head; it is never upgraded.
            line.sock.settimeout(1)
            try:
                answer = line.sock.recv(100)
            except TimeoutError:
                answer = b""
            expect(b" 101 " not in answer, "lines that end in LF were upgraded")
        else:
            expect_equal(line.upgrade(b" "), status, "the answer to %r" % data[:200])
        line.close()
    # What follows a refused request is not looked at; what follows a good one are frames and nothing else.
    line = WebLine.connect(server, fresh_source(), upgrade=False)
    expect_equal(line.upgrade(request([*GOOD, "Content-Length: 60"]) + request(GOOD)), 400, "a request in a request's body")
    expect(b"HTTP" not in line.received, "two answers to one request")
    line = WebLine.connect(server, fresh_source(), upgrade=False)
    line.upgrade(request(GOOD) + lines.PREFACE + lines.hello(server.jid("king")))
    closed(line, 1002, "plain frames behind the upgrade")
    pair.check()
    return health.check()


@play(seconds=120)
async def frames_of_websocket_that_are_none(server, pair, mallory, **_):
    health = Health(server)
    good = lines.PREFACE + lines.hello(server.jid("king"))
    for what, data, code in (
            ("text", web_frame(1, b"ICPP"), 1003), ("no mask", web_frame(2, good, mask=b""), 1002), ("a reserved bit", web_frame(2, good, reserved=4), 1002),
            ("another", web_frame(2, good, reserved=1), 1002), ("opcode 3", web_frame(3, good), 1002), ("opcode 11", web_frame(11, b""), 1002),
            ("a continuation of nothing", web_frame(0, good), 1002), ("a message in a message", web_frame(2, b"IC", fin=False) + web_frame(2, b"PP"), 1002),
            ("a ping in fragments", web_frame(9, b"x", fin=False), 1002), ("a long ping", web_frame(9, b"x" * 126), 1002),
            ("a length that is too long for itself", b"\x82\xfe\0\5\0\0\0\0ICPP\1", 1002), ("a length beyond 63 bits", b"\x82\xff" + b"\xff" * 8 + bytes(4), 1002),
            ("more than a message may have", web_frame(2, b"", length=(16 << 20) + 1), 1009), ("the most that can be said", b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4), 1009),
            ("a close of one byte", web_frame(8, b"\3"), 1002), ("a close that is none", web_frame(8, b"\3\xed"), 1002),
            ("a close with bytes that are no text", web_frame(8, b"\3\xe8\xff\xfe"), 1007)):
        for inside in (False, True):
            line = mallory.session(line=WebLine) if inside else WebLine.connect(server, fresh_source())
            line.bytes(data)
            closed(line, code, what + (" in a session" if inside else ""))
    pair.check()
    return health.check()


@play(seconds=240)
async def messages_that_never_end(server, pair, mallory, **_):
    """Fragments upon fragments, empty ones, and control frames between them: nothing is kept of them, and in the end it is too much."""
    health = Health(server)
    line = mallory.session(line=WebLine)
    ping = lines.frame(lines.PING, b"", lines.REQ, 1)
    line.bytes(web_frame(2, ping[:5], fin=False) + web_frame(9, b"are you there") + web_frame(10, b"") + web_frame(0, ping[5:], fin=False)
               + web_frame(0, b"", fin=False) * 10_000 + web_frame(0, b""))
    line.wait(lines.PONG)
    expect_equal(line.pongs, 1, "a ping between fragments is answered")
    fragment = web_frame(0, lines.frame(0x90, bytes(60_000)), fin=False)
    line.bytes(web_frame(2, b"", fin=False))
    for _ in range(17 * 1024 * 1024 // 60_000):
        line.bytes(fragment)
    closed(line, 1009, "a message of seventeen MiB")
    flood = mallory.session(line=WebLine)
    for _ in range(200):
        flood.bytes(web_frame(9, b"x" * 100) * 100)
        until = time.monotonic() + 20
        wanted = flood.pongs + 100
        while flood.pongs < wanted and time.monotonic() < until:
            flood.received += flood.sock.recv(65536)
            flood.web_frames()
        expect_equal(flood.pongs, wanted, "pongs")
    flood.ping()
    deaf = mallory.session(line=WebLine)
    deaf.sock.settimeout(1)
    try:
        for _ in range(4000):
            deaf.sock.sendall(web_frame(9, b"x" * 125) * 100)
    except OSError:
        pass
    pair.check()
    deaf.close()
    flood.close()
    pair.check()
    return health.check()


@play(seconds=120)
async def icpp_that_is_none_within_websocket(server, pair, mallory, **_):
    health = Health(server)
    for data, code in ((lines.frame(lines.PING, flags=0x80), "reserved"), (lines.frame(lines.DELIVER), "unexpected-verb"), (bytes(16), "malformed"),
                       ((65537).to_bytes(4, "little"), "frame-too-large"), (lines.frame(0x7F), "unsupported-verb")):
        line = mallory.session(line=WebLine)
        for octet in data:
            line.raw(bytes((octet,)))
        ends(line, code, "%s in messages of a byte each" % data[:16].hex())
        expect_equal(line.close_code, 1000, "the close frame behind it")
    crowd = []
    for _ in range(300):
        line = WebLine.connect(server, fresh_source(), upgrade=False)
        line.bytes(request(GOOD)[:os.urandom(1)[0] % 150])
        crowd.append(line)
    pair.check()
    for line in crowd:
        line.close()
    pair.check()
    return health.check()
