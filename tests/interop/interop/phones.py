"""ICPP clients that remember what they receive, on the Python client of this repository, and raw connections that are impolite.

A `Phone` takes everything at once and keeps it in boxes, so that a play can wait for it, or see that it never came. `Wire`
says exactly the frames that it is told to.
"""

import asyncio
import sys

from . import servers
from .people import WAIT_SECONDS, account

sys.path.insert(0, str(servers.REPOSITORY / "frontends" / "icpp" / "clients" / "python"))

from crosspoint import Client, scram, wire  # noqa: E402
from crosspoint.wire import Flag, Frame, Verb  # noqa: E402


class Phone:
    """One session of one account. `inbox`, `happened` and `presences` hold what came, in order, until it is taken."""

    def __init__(self, server, user, password, scheme="icpp", **options):
        if scheme in ("icpps", "wss"):
            options.setdefault("tls", trust(server))
        options.setdefault("random", lambda: 0.05)
        self.server, self.address = server, server.jid(user)
        self.client = Client(self.address, password, [server.icpp_url(scheme)], **options)
        self.boxes = {"messages": [], "events": [], "presence": []}
        self.stirred = asyncio.Condition()
        self.streams = {"messages": self.client.messages(), "events": self.client.events(), "presence": self.client.presence()}
        self.readers = [asyncio.ensure_future(self._fill(name)) for name in self.boxes]

    @property
    def inbox(self):
        return self.boxes["messages"]

    @property
    def happened(self):
        return self.boxes["events"]

    @property
    def presences(self):
        return self.boxes["presence"]

    async def _fill(self, name):
        try:
            async for value in self.streams[name]:
                if name == "messages":
                    self.client.taken(value)
                self.boxes[name].append(value)
                async with self.stirred:
                    self.stirred.notify_all()
        except Exception as error:
            self.failure = error

    async def arrive(self):
        await asyncio.wait_for(self.client.start(), WAIT_SECONDS)
        await asyncio.wait_for(self.client.synchronized(), WAIT_SECONDS)
        return self

    async def leave(self):
        await asyncio.wait_for(self.client.close(), WAIT_SECONDS)

    def vanish(self):
        """The connection, if there is one, is cut without a word; the client comes back by itself."""
        if self.client._transport:
            self.client._transport.abort()

    async def gone(self):
        """Cut, and not to come back."""
        self.client._closing.set()
        if self.client._transport:
            self.client._transport.abort()
        if self.client._task:
            await asyncio.wait((self.client._task,))
        self.client._state.close()
        for reader in self.readers:
            reader.cancel()

    async def take(self, name, test, what):
        """Removes and returns the first value of a box that passes `test`, waiting for it if need be."""
        box = self.boxes[name]

        async def found():
            async with self.stirred:
                while True:
                    for index, value in enumerate(box):
                        if test(value):
                            return box.pop(index)
                    await self.stirred.wait()
        try:
            return await asyncio.wait_for(found(), WAIT_SECONDS)
        except asyncio.TimeoutError:
            raise AssertionError("%s never had %s; it had %s" % (self.address, what, box)) from None

    async def heard(self, text):
        return await self.take("messages", lambda one: one.text == text, "the message %r" % text)

    async def saw(self, kind, test=lambda event: True, what=""):
        """An event of this class that passes `test`."""
        return await self.take("events", lambda one: isinstance(one, kind) and test(one), "%s %s" % (kind.__name__, what))

    async def heard_of(self, address, show):
        """A presence of somebody, full or bare address."""
        def fits(one):
            return one.show == show and address in (one.address, one.address.partition("/")[0])
        return await self.take("presence", fits, "presence %d of %s" % (show, address))

    async def settled(self):
        """What the server sent before now has been handled: a question goes there and back."""
        await asyncio.wait_for(self.client.blocked(), WAIT_SECONDS)
        await asyncio.sleep(0.02)


class Phones:
    """The ICPP people of one play; leaving it takes everyone off the stage. `cast` shares accounts with XMPP people."""

    def __init__(self, server, accounts=None):
        self.server, self.people, self.accounts = server, [], {} if accounts is None else accounts

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        for phone in self.people:
            await phone.gone()
        await asyncio.sleep(0)

    def credentials(self, stem):
        if stem not in self.accounts:
            self.accounts[stem] = account(self.server, stem)
        return self.accounts[stem]

    def jid(self, stem):
        return self.server.jid(self.credentials(stem)[0])

    def someone(self, stem, scheme="icpp", **options):
        phone = Phone(self.server, *self.credentials(stem), scheme, **options)
        self.people.append(phone)
        return phone

    async def online(self, stem, scheme="icpp", **options):
        return await self.someone(stem, scheme, **options).arrive()

    async def friends(self, first, second):
        """Two people online, each subscribed to the other."""
        one, two = await self.online(first), await self.online(second)
        for asker, giver in ((one, two), (two, one)):
            await befriend(asker, giver)
        for phone in (one, two):
            await phone.settled()
            for box in phone.boxes.values():
                box.clear()
        return one, two


async def befriend(asker, giver):
    """The one may see the other from now on."""
    await asker.client.subscribe(giver.address)
    await giver.take("events", lambda one: getattr(one, "verb", None) == Verb.SUBSCRIBE and one.address == asker.address, "a request")
    await giver.client.approve(asker.address)
    await asker.take("events", lambda one: getattr(one, "verb", None) == Verb.APPROVE and one.address == giver.address, "an approval")
    await asker.heard_of(giver.address, 1)


def trust(server):
    """A TLS context for the server's own certificate, which has the domain's name, not the address."""
    context = server.trust()
    context.check_hostname = False
    return context


class Ended(Exception):
    """The connection ended; `fault` is the wire.Fault of the fatal ERROR or BYE that said why, or None."""

    def __init__(self, fault):
        super().__init__("ended: %s" % (fault or "without a word",))
        self.fault = fault


class Wire:
    """One connection, byte by byte if need be. `taken` is what it acknowledges on what it says."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.decoder = wire.Decoder(wire.FRAME_MAX)
        self.fault, self.welcome, self.authed = None, None, None
        self.identity, self.taken, self.received = 0, 0, 0

    @classmethod
    async def connect(cls, server, source=None, tls=None):
        port = servers.ICPPS_PORT if tls else servers.ICPP_PORT
        reader, writer = await asyncio.wait_for(asyncio.open_connection(
            server.address, port, local_addr=(source, 0) if source else None, ssl=tls), WAIT_SECONDS)
        return cls(server, reader, writer)

    def raw(self, data):
        self.writer.write(data)

    def say(self, verb, body=b"", flags=0, identity=0, ack=None, slot=0):
        self.raw(Frame(verb, body, flags, identity, self.taken if ack is None else ack, slot).encode())

    def ask(self, verb, body=b""):
        self.identity += 1
        self.say(verb, body, Flag.REQ, self.identity)
        return self.identity

    async def next(self, seconds=WAIT_SECONDS):
        """The next frame. Ended at the end."""
        return await asyncio.wait_for(self._next(), seconds)

    async def _next(self):
        while (frame := self.decoder.next()) is None:
            try:
                data = await self.reader.read(65536)
            except OSError:
                data = b""
            if not data:
                raise Ended(self.fault)
            self.decoder.feed(data)
        if frame.verb in (Verb.ERROR, Verb.BYE):
            fault = wire.Fault.decode(frame.body)
            if fault.fatal or frame.verb == Verb.BYE:
                self.fault = fault
        return frame

    async def wait(self, verb):
        """The next frame of this verb; what comes before is dropped."""
        while True:
            frame = await self.next()
            if frame.verb == verb:
                return frame

    async def ended(self, seconds=WAIT_SECONDS):
        """Waits for the end, whatever else comes; returns the fault that was named, or None."""
        async def drain():
            while True:
                await self._next()
        try:
            await asyncio.wait_for(drain(), seconds)
        except Ended as end:
            return end.fault

    def hello(self, account, **fields):
        ack = fields.pop("ack", 0)
        self.raw(wire.PREFACE)
        self.say(Verb.HELLO, wire.Hello(account, **fields).encode(), ack=ack)

    async def greet(self, account, **fields):
        self.hello(account, **fields)
        self.welcome = wire.Welcome.decode((await self.wait(Verb.WELCOME)).body)

    async def auth(self, data, mechanism=None):
        """Says AUTH; returns the answer."""
        self.identity += 1
        self.say(Verb.AUTH, wire.Auth(data, mechanism).encode(), Flag.REQ, self.identity, ack=0)
        while True:
            frame = await self.next()
            if frame.id == self.identity:
                return frame

    async def password(self, user, password, mechanism="SCRAM-SHA-256"):
        """The whole exchange; returns the last answer."""
        exchange = scram.mechanism(mechanism, user, password)
        frame = await self.auth(exchange.first(), mechanism)
        if frame.verb == Verb.AUTH:
            frame = await self.auth(exchange.answer(wire.Auth.decode(frame.body).data))
        return self.opened(frame)

    def opened(self, frame):
        if frame.verb in (Verb.AUTHED, Verb.RESUMED):
            self.authed = wire.Authed.decode(frame.body)
        return frame

    @classmethod
    async def session(cls, server, user, password, source=None, tls=None, **hello):
        """A whole login on a new connection."""
        one = await cls.connect(server, source, tls)
        await one.greet(server.jid(user), **hello)
        frame = await one.password(user, password)
        if one.authed is None:
            raise AssertionError("no login but %r" % (frame,))
        return one

    def send(self, to, text, identity=None, flags=0, **fields):
        message = wire.Message(identity or wire.new_id(0), to, payload=text.encode(), **fields)
        self.say(Verb.SEND, message.encode(), flags)
        return message.id

    async def ping(self):
        self.ask(Verb.PING)
        await self.wait(Verb.PONG)

    def abort(self):
        self.writer.transport.abort()


__all__ = ["Ended", "Phone", "Phones", "Wire", "befriend", "trust", "wire"]
