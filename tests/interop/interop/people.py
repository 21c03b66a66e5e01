"""Clients on slixmpp that remember what they receive, so that a play can wait for it or see that it never came."""

import asyncio
import itertools

import slixmpp
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from . import servers

WAIT_SECONDS = 8
NUMBERS = itertools.count(1)


class Person(slixmpp.ClientXMPP):
    """One resource of one account. `inbox` and `presences` hold what came, in order, until it is taken."""

    def __init__(self, server, user, password, resource, plugins=(), mechanism=None):
        address = server.jid(user) + ("/" + resource if resource else "")
        super().__init__(address, password, sasl_mech=mechanism)
        self.host_server = server
        self.ca_certs = str(server.certificate)
        self.use_aiodns = False
        self.auto_authorize = None
        self.auto_subscribe = False
        self.inbox, self.presences, self.pushes = [], [], []
        self.happened = asyncio.Condition()
        self.sm_resumed = False
        for plugin in ("xep_0030", "xep_0199", *plugins):
            self.register_plugin(plugin)
        self.keep("message", self.inbox)
        self.keep("presence", self.presences)
        self.add_event_handler("roster_update", self.note_push)

    def keep(self, kind, box):
        """Every stanza of a kind goes to its box, before slixmpp's own handling and whatever its type."""
        def arrived(stanza):
            box.append(stanza)
            asyncio.ensure_future(self.stir())
        matcher = MatchXPath("{jabber:client}%s" % kind)
        self.register_handler(Callback("keep " + kind, matcher, arrived))

    def note_push(self, iq):
        if iq["type"] == "set":
            self.pushes.append(iq)
            asyncio.ensure_future(self.stir())

    async def stir(self):
        async with self.happened:
            self.happened.notify_all()

    async def arrive(self, direct=False, presence=True, roster=True):
        """Connects, logs in, asks for the roster and becomes available, as a person's client would."""
        self.enable_direct_tls, self.enable_starttls = direct, not direct
        port = servers.XMPPS_PORT if direct else servers.XMPP_PORT
        outcome = asyncio.get_running_loop().create_future()

        def settle(event, answer):
            self.add_event_handler(event, lambda detail: outcome.done() or outcome.set_result((answer, detail)),
                                   disposable=True)
        settle("session_start", "started")
        settle("failed_all_auth", "refused")
        settle("connection_failed", "unreachable")
        settle("ssl_invalid_chain", "distrusted")
        settle("disconnected", "disconnected")
        self.connect(self.host_server.address, port)
        answer, detail = await asyncio.wait_for(outcome, WAIT_SECONDS)
        if answer != "started":
            raise ConnectionError("%s: %s %s" % (self.boundjid, answer, detail))
        if roster:
            await self.get_roster()
        if presence:
            self.send_presence()
            await self.took_presence(lambda stanza: stanza["from"] == self.boundjid, "its own presence")
        return self

    async def take(self, box, test, what):
        """Removes and returns the first stanza of `box` that passes `test`, waiting for it if need be."""
        async def found():
            async with self.happened:
                while True:
                    for index, stanza in enumerate(box):
                        if test(stanza):
                            return box.pop(index)
                    await self.happened.wait()
        try:
            return await asyncio.wait_for(found(), WAIT_SECONDS)
        except asyncio.TimeoutError:
            raise AssertionError("%s never had %s; it had %s" % (
                self.boundjid, what, [str(stanza) for stanza in box])) from None

    async def took_presence(self, test, what):
        return await self.take(self.presences, test, what)

    async def heard(self, body):
        """The message with this body."""
        return await self.take(self.inbox, lambda message: message["body"] == body, "the message %r" % body)

    async def heard_of(self, jid, kind):
        """A presence of this type from this address (full or bare)."""
        return await self.took_presence(
            lambda stanza: stanza["type"] == kind and jid in (stanza["from"].bare, stanza["from"].full),
            "%s from %s" % (kind, jid))

    async def pushed(self, jid, subscription, ask=""):
        """A roster push that puts this contact in this state."""
        def fits(iq):
            item = iq["roster"]["items"].get(slixmpp.JID(jid), {})
            return item.get("subscription") == subscription and (item.get("ask") or "") == ask
        return await self.take(self.pushes, fits, "a roster push of %s as %s" % (jid, subscription))

    async def settled(self):
        """Everything that the server sent before now has been handled (a ping goes there and back)."""
        await self["xep_0199"].send_ping(self.host_server.domain)

    async def roster_now(self):
        """The roster as the server has it: {jid: (subscription, ask, name, groups)}."""
        answer = await self.make_iq_get("jabber:iq:roster").send()
        return {str(jid): (item["subscription"], item.get("ask") or "", item["name"], sorted(item["groups"]))
                for jid, item in answer["roster"]["items"].items()}

    async def ask(self, kind, xml, to=None):
        """Sends a query given as text; returns the answer. An error answer raises IqError."""
        iq = self.make_iq(itype=kind, ito=to)
        iq.append(ET.fromstring(xml))
        return await iq.send(timeout=WAIT_SECONDS)

    async def leave(self):
        await asyncio.wait_for(self.disconnect(wait=2), WAIT_SECONDS)

    def vanish(self):
        """The connection is cut without a word, as when a phone loses its network."""
        self.transport.abort()


def account(server, stem):
    """A fresh account on a running server: (user, password)."""
    user, password = "%s%d" % (stem, next(NUMBERS)), "secret-%s" % stem
    server.add_accounts([(user, password)])
    return user, password


class Cast:
    """The people of one play; leaving it takes everyone off the stage."""

    def __init__(self, server):
        self.server = server
        self.people = []
        self.accounts = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        for person in self.people:
            person.abort()
        await asyncio.sleep(0)

    def someone(self, stem, resource="one", plugins=(), mechanism=None):
        """A client for the account of that name (made when first asked for), not yet connected."""
        if stem not in self.accounts:
            self.accounts[stem] = account(self.server, stem)
        person = Person(self.server, *self.accounts[stem], resource, plugins, mechanism)
        self.people.append(person)
        return person

    def jid(self, stem):
        return self.server.jid(self.accounts[stem][0])

    async def online(self, stem, resource="one", plugins=(), **options):
        return await self.someone(stem, resource, plugins).arrive(**options)

    async def friends(self, first, second, plugins=()):
        """Two people online, each subscribed to the other."""
        one, two = await self.online(first, plugins=plugins), await self.online(second, plugins=plugins)
        for asker, giver in ((one, two), (two, one)):
            asker.send_presence(pto=giver.boundjid.bare, ptype="subscribe")
            await giver.heard_of(asker.boundjid.bare, "subscribe")
            giver.send_presence(pto=asker.boundjid.bare, ptype="subscribed")
            await asker.heard_of(giver.boundjid.bare, "subscribed")
            await asker.heard_of(giver.boundjid.full, "available")
        for person in (one, two):
            await person.settled()
            person.presences.clear()
            person.pushes.clear()
        return one, two
