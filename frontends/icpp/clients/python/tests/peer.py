"""A scripted server: `Script` answers a `Session` without sockets, `FakeServer` runs one on a loopback port."""

import asyncio
import base64
import hashlib
import hmac

from crosspoint import session, state, wire
from crosspoint.errors import Code
from crosspoint.inbox import Entry
from crosspoint.wire import Flag, Frame, Message, Verb

ACCOUNT, PASSWORD, ADDRESS = "romeo@verona", "secret", "romeo@verona/one"
SALT, ROUNDS = b"salt", 4096
SALTED = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, ROUNDS)


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """The server's side of SCRAM-SHA-256."""

    def first(self, data):
        self.header, _, self.bare = data.partition(b",,")
        self.challenge = self.bare.partition(b"r=")[2] + b"server"
        self.challenge = b"r=%s,s=%s,i=%d" % (self.challenge, base64.b64encode(SALT), ROUNDS)
        return self.challenge

    def final(self, data):
        """The server's signature, or None for a wrong proof."""
        unproved, _, proof = data.partition(b",p=")
        text = b",".join((self.bare, self.challenge, unproved))
        client_key = mac(SALTED, b"Client Key")
        signature = mac(hashlib.sha256(client_key).digest(), text)
        if base64.b64decode(proof) != bytes(one ^ two for one, two in zip(client_key, signature)):
            return None
        return b"v=" + base64.b64encode(mac(mac(SALTED, b"Server Key"), text))


def number(value):
    """A message id for tests."""
    return value.to_bytes(16, "big")


def deliver(value, sender="juliet@capulet/two", stamp=None, verb=Verb.DELIVER, **fields):
    """A message from Juliet whose id, offset and text are this number."""
    stamp = (value << 20) + 1 if stamp is None else stamp
    return Frame(verb, Message(number(value), ADDRESS, sender, payload=b"%d" % value, stamp=stamp, **fields).encode())


class Script:
    """A session under test and what a server would have read from it. Time stands until `wait`."""

    def __init__(self, memory=None, window=4, **config):
        self.config = session.Config(ACCOUNT, PASSWORD, **config)
        self.memory = memory or state.State()
        self.session = session.Session(self.config, self.memory)
        self.welcome = wire.Welcome(node="n1", mechanisms=("SCRAM-SHA-256",), window=window, unacked_frames=8)
        self.now = 1000.0

    def connect(self, **options):
        self.decoder = wire.Decoder(wire.FRAME_MAX)
        self.session.connect(self.now, False, **options)
        data = self.session.output(self.now)
        assert data.startswith(wire.PREFACE)
        self.decoder.feed(data[len(wire.PREFACE):])
        return self.frames()

    def frames(self):
        """What the session wants to send."""
        self.decoder.feed(self.session.output(self.now))
        found = []
        while frame := self.decoder.next():
            found.append(frame)
        return found

    def say(self, *frames):
        """The server sends these; returns what the session says to it."""
        self.session.receive(b"".join(frame.encode() for frame in frames), self.now)
        return self.frames()

    def login(self, answer=Verb.AUTHED, ack=0, **connect):
        """A whole login by password; returns what follows it."""
        self.connect(**connect)
        scram = Scram()
        auth, = self.say(Frame(Verb.WELCOME, self.welcome.encode()))
        challenge = wire.Auth(scram.first(wire.Auth.decode(auth.body).data)).encode()
        auth, = self.say(Frame(Verb.AUTH, challenge, Flag.RESP | Flag.MORE, auth.id))
        authed = wire.Authed(ADDRESS, scram.final(wire.Auth.decode(auth.body).data), b"token", 60, 5)
        return self.say(Frame(answer, authed.encode(), Flag.RESP, auth.id, ack))

    def synced(self, frames, offset=0, more=False):
        """Answers the SYNC among these frames."""
        sync = next(frame for frame in frames if frame.verb == Verb.SYNC)
        return self.say(Frame(Verb.SYNCED, wire.Synced(5, offset, more).encode(), Flag.RESP, sync.id))

    def wait(self, seconds):
        self.now += seconds
        self.session.tick(self.now)
        return self.frames()

    def entries(self):
        return [event for event in self.session.happened() if isinstance(event, Entry)]

    def take(self, entry):
        self.session.take(entry, self.now)

    def send(self, value):
        message = Message(number(value), "juliet@capulet", payload=b"%d" % value)
        return self.session.submit(Verb.SEND, message.encode())


def sent(frames, verb=Verb.SEND):
    """(number, whether DUP) of the messages among these frames."""
    return [(int.from_bytes(frame.body[:16], "big"), bool(frame.flags & Flag.DUP)) for frame in frames if frame.verb == verb]


def verbs(frames):
    return [frame.verb for frame in frames]


class Peer:
    """The server's end of one connection to `FakeServer`."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.decoder = wire.Decoder(wire.FRAME_MAX)
        self.hello = None
        self.taken = 0

    async def read(self):
        """The next frame, or None at the end of the connection."""
        while (frame := self.decoder.next()) is None:
            data = await self.reader.read(65536)
            if not data:
                return None
            self.decoder.feed(data)
        return frame

    async def wait(self, verb):
        """The next frame of this verb."""
        while frame := await self.read():
            if frame.verb == verb:
                return frame
        raise ConnectionError("ended before %s" % verb.name)

    def say(self, verb, body=b"", flags=0, identity=0, ack=None):
        self.writer.write(Frame(verb, body, flags, identity, self.taken if ack is None else ack).encode())

    async def greet(self):
        """Reads preface and HELLO."""
        assert await self.reader.readexactly(8) == wire.PREFACE
        frame = await self.wait(Verb.HELLO)
        self.hello, self.hello_ack = wire.Hello.decode(frame.body), frame.ack

    async def login(self, answer=Verb.AUTHED, ack=0, **authed):
        """A whole login, by whatever the client tries."""
        await self.greet()
        self.say(Verb.WELCOME, self.server.welcome.encode(), ack=0)
        scram = Scram()
        while frame := await self.wait(Verb.AUTH):
            auth = wire.Auth.decode(frame.body)
            if auth.mechanism == "TICKET":
                self.server.tickets.append(auth.data)
                if auth.data == b"good":
                    break
                self.say(Verb.ERROR, wire.Fault(Code.TICKET_INVALID).encode(), Flag.RESP | Flag.ERR, frame.id)
            elif auth.mechanism:
                self.say(Verb.AUTH, wire.Auth(scram.first(auth.data)).encode(), Flag.RESP | Flag.MORE, frame.id)
            else:
                break
        authed.setdefault("data", None if auth.mechanism else scram.final(auth.data))
        authed = wire.Authed(ADDRESS, **{"token": b"token", "epoch": 5, **authed})
        self.say(answer, authed.encode(), Flag.RESP, frame.id, ack)

    async def synced(self, offset=0):
        sync = await self.wait(Verb.SYNC)
        self.say(Verb.SYNCED, wire.Synced(5, offset).encode(), Flag.RESP, sync.id)
        return wire.Sync.decode(sync.body)


class FakeServer:
    """Runs `script(peer)` for each connection, the next of `scripts` each time, the last one for ever."""

    def __init__(self, *scripts, node="n1"):
        self.scripts = list(scripts)
        self.welcome = wire.Welcome(node=node, mechanisms=("SCRAM-SHA-256", "TICKET"), window=16)
        self.peers, self.tickets, self.faults = [], [], []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = "icpp://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *failure):
        self.server.close()
        for peer in self.peers:
            peer.writer.transport.abort()
        if self.faults and failure[0] is None:
            raise self.faults[0]

    async def serve(self, reader, writer):
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as fault:
            self.faults.append(fault)
        writer.close()
