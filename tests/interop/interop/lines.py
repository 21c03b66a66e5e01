"""ICPP by bytes: frames made by hand from SPEC.md, over sockets that block. Nothing of a client library is in it.

A `Line` says exactly what it is told to, and reads frames until the connection ends. Over WebSocket it makes the messages
itself, too.
"""

import base64
import os
import socket
import struct
import time

from . import servers
from .raw import scram_final

PREFACE = b"ICPP\x01\x01\0\0"
WAIT_SECONDS = 20
HEADER = struct.Struct("<IBBHII")

REQ, RESP, ERR, MORE, ZSTD, NOSTORE, DUP = 1, 2, 4, 8, 16, 32, 64

HELLO, WELCOME, AUTH, AUTHED, RESUMED, PING, PONG, STATE, BYE = 1, 2, 3, 4, 5, 6, 7, 8, 9
REDIRECT, DRAIN, TOPOLOGY, OPEN, CLOSE, HOLD, CREDIT, ERROR = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19
SEND, ACCEPTED, DELIVER, RECEIPT, NOTE, EDIT, RECALL = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26
PRESENCE, PRESENCES, SUBSCRIBE, UNSUBSCRIBE, APPROVE, DENY = 0x30, 0x31, 0x32, 0x33, 0x34, 0x35
ROSTER, BLOCK, ALLOW = 0x40, 0x41, 0x42
CREATE, JOIN, LEAVE, MEMBERS, CONFIGURE, ROOMS = 0x50, 0x51, 0x52, 0x5B, 0x5D, 0x5F
SYNC, SYNCED, HISTORY, ITEMS = 0x60, 0x61, 0x62, 0x63

# Counted from the server (section 6), unless they are answers.
RELIABLE = {DELIVER, RECEIPT, EDIT, RECALL, SUBSCRIBE, UNSUBSCRIBE, APPROVE, DENY, ROSTER, BLOCK, ALLOW, *range(0x54, 0x5B)}


class Ended(Exception):
    """The connection ended. `code` is that of the last ERROR or BYE that was fatal, None without one."""

    def __init__(self, code):
        super().__init__("ended with %s" % code)
        self.code = code


def frame(verb, body=b"", flags=0, identity=0, ack=0, slot=0, length=None):
    """A frame; `length` is what it says of its length, if not the truth."""
    return HEADER.pack(16 + len(body) if length is None else length, verb, flags, slot, identity, ack) + body


def ext(tag, value):
    return struct.pack("<HH", tag, len(value)) + (value.encode() if isinstance(value, str) else value)


def hello(account, **fields):
    body = ext(0x8001, account)
    for name, tag in (("agent", 2), ("resource", 3), ("resume", 0x8004), ("came_from", 6), ("trunk", 0x8010)):
        if name in fields:
            body += ext(tag, fields[name])
    if "hops" in fields:
        body += ext(5, bytes((fields["hops"],)))
    return frame(HELLO, body, ack=fields.get("ack", 0))


def message(to, text, kind=0, identity=None, sender=b"", extensions=b""):
    """The body of SEND and its like."""
    to, text = to.encode(), text.encode() if isinstance(text, str) else text
    return struct.pack("<16sQHHHH", identity or os.urandom(16), 0, len(to), len(sender), len(extensions), kind) + to + sender + extensions + text


def payload(body):
    """The payload of a message's body."""
    to, sender, extensions = struct.unpack_from("<HHH", body, 24)
    return body[32 + to + sender + extensions:]


def presence(show=1, priority=0, address=b"", status=b""):
    return struct.pack("<BbHHH", show, priority, len(address), len(status), 0) + address + status


def extensions(body):
    """The extensions of a body, by tag; the last one of each."""
    found, at = {}, 0
    while at < len(body):
        tag, length = struct.unpack_from("<HH", body, at)
        found[tag] = body[at + 4:at + 4 + length]
        at += 4 + length
    return found


class Line:
    """One connection. `taken` is how many reliable frames it has got, which it acknowledges if it is told to."""

    def __init__(self, sock):
        self.sock, self.unread = sock, b""
        self.code, self.fatal = None, False
        self.taken, self.identity = 0, 0
        self.welcome, self.authed, self.challenge = {}, {}, b""
        self.sock.settimeout(WAIT_SECONDS)

    @classmethod
    def connect(cls, server, source=None, port=servers.ICPP_PORT, tls=None):
        sock = socket.socket()
        sock.settimeout(WAIT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            sock.bind((source, 0))
        sock.connect((server.address, port))
        return cls(tls.wrap_socket(sock, server_hostname=server.domain) if tls else sock)

    def raw(self, data):
        """Everything, or as much as the other side takes before it ends the connection."""
        try:
            self.sock.sendall(data)
        except (OSError, ValueError):
            pass

    def say(self, verb, body=b"", flags=0, identity=0, **fields):
        fields.setdefault("ack", self.taken)
        self.raw(frame(verb, body, flags, identity, **fields))

    def ask(self, verb, body=b""):
        self.identity += 1
        self.say(verb, body, REQ, self.identity)
        return self.identity

    def more(self):
        """Reads some bytes; Ended at the end."""
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            raise Ended(self.code)
        self.unread += data

    def next(self, seconds=WAIT_SECONDS):
        """(verb, flags, id, ack, body) of the next frame."""
        self.sock.settimeout(seconds)
        while len(self.unread) < 4 or len(self.unread) < HEADER.unpack_from(self.unread.ljust(16, b"\0"))[0]:
            self.more()
        length, verb, flags, _, identity, ack = HEADER.unpack_from(self.unread)
        body, self.unread = self.unread[16:length], self.unread[length:]
        if verb in RELIABLE and not flags & RESP:
            self.taken += 1
        if verb in (ERROR, BYE):
            code, _, fatal = struct.unpack_from("<HBB", body)
            if fatal or verb == BYE:
                self.code, self.fatal = code, bool(fatal)
        return verb, flags, identity, ack, body

    def wait(self, *verbs, seconds=WAIT_SECONDS):
        until = time.monotonic() + seconds
        while True:
            found = self.next(max(until - time.monotonic(), 0.01))
            if found[0] in verbs:
                return found

    def ended(self, seconds=WAIT_SECONDS):
        """Reads to the end; the code that was given. TimeoutError if there is no end."""
        until = time.monotonic() + seconds
        try:
            while True:
                self.next(max(until - time.monotonic(), 0.01))
        except Ended as end:
            self.close()
            return end.code

    def greet(self, account, **fields):
        self.raw(PREFACE + hello(account, **fields))
        self.welcome = extensions(self.wait(WELCOME)[4])
        return self

    def auth(self, mechanism, data):
        """Says AUTH with a mechanism; (verb, code or None) of the answer."""
        self.identity += 1
        named = ext(1, mechanism) if mechanism else b""
        self.say(AUTH, named + ext(2, data), REQ, self.identity, ack=0)
        while True:
            verb, _, identity, _, body = self.next()
            if identity == self.identity:
                break
        if verb in (AUTHED, RESUMED):
            self.authed = extensions(body)
        if verb == AUTH:
            self.challenge = extensions(body)[2]
        return verb, struct.unpack_from("<H", body)[0] if verb == ERROR else None

    def login(self, user, password):
        """By PLAIN, which is offered on loopback."""
        return self.auth("PLAIN", b"\0%s\0%s" % (user.encode(), password.encode()))

    def scram(self, user, password):
        """By SCRAM-SHA-256, which leaves the work to this side; (verb, code or None)."""
        bare = b"n=%s,r=%s" % (user.encode(), base64.b64encode(os.urandom(18)))
        verb, code = self.auth("SCRAM-SHA-256", b"n,," + bare)
        if verb != AUTH:
            return verb, code
        final, _ = scram_final("sha256", password, bare, self.challenge, b"n,,")
        return self.auth(None, final)

    @classmethod
    def session(cls, server, user, password, source=None, **fields):
        line = cls.connect(server, source).greet(server.jid(user), **fields)
        verb, code = line.scram(user, password)
        if verb not in (AUTHED, RESUMED):
            raise AssertionError("%s is not let in: %s" % (user, code))
        return line

    def ping(self):
        identity = self.ask(PING)
        while True:
            verb, _, answered, _, _ = self.next()
            if (verb, answered) == (PONG, identity):
                return

    def close(self):
        self.sock.close()


class WebLine(Line):
    """The same within WebSocket. `raw` sends one binary message; `bytes` sends what it is given as it is."""

    REQUEST = ("GET / HTTP/1.1\r\nHost: icpp.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: icpp.v1\r\n\r\n")

    def __init__(self, sock):
        super().__init__(sock)
        self.received, self.close_code, self.pongs = b"", None, 0

    @classmethod
    def connect(cls, server, source=None, port=servers.ICPP_WS_PORT, tls=None, upgrade=True):
        line = super().connect(server, source, port, tls)
        if upgrade:
            line.upgrade()
        return line

    def upgrade(self, request=None):
        """The answer's status."""
        self.bytes(request or (self.REQUEST % base64.b64encode(os.urandom(16)).decode()).encode())
        while b"\r\n\r\n" not in self.received:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.received += data
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1])

    def bytes(self, data):
        super().raw(data)

    def raw(self, data):
        self.bytes(web_frame(2, data))

    def more(self):
        while not self.web_frames():
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                data = b""
            if not data:
                raise Ended(self.code)
            self.received += data

    def web_frames(self):
        """Takes whole frames apart; whether there was payload among them."""
        before = len(self.unread)
        while len(self.received) >= 2:
            opcode, short = self.received[0] & 15, self.received[1] & 127
            head = {126: 4, 127: 10}.get(short, 2)
            if len(self.received) < head:
                break
            length = int.from_bytes(self.received[2:head], "big") if head > 2 else short
            if len(self.received) < head + length:
                break
            data, self.received = self.received[head:head + length], self.received[head + length:]
            if opcode == 2:
                self.unread += data
            elif opcode == 8:
                self.close_code = int.from_bytes(data[:2], "big") if data else 1005
            elif opcode == 10:
                self.pongs += 1
        return len(self.unread) > before


def web_frame(opcode, data, fin=True, mask=b"\x11\x22\x33\x44", reserved=0, length=None):
    """A client's frame. Without a mask, or with a length that lies, if that is wanted."""
    size = len(data) if length is None else length
    first = bytes((0x80 * fin | reserved << 4 | opcode,))
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((bit | size,))
    elif size < 65536:
        head = bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        head = bytes((bit | 127,)) + size.to_bytes(8, "big")
    if not mask:
        return first + head + data
    repeated = int.from_bytes((mask * (len(data) // 4 + 1))[:len(data)], "big")
    return first + head + mask + (int.from_bytes(data, "big") ^ repeated).to_bytes(len(data), "big")
