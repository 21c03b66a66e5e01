"""Rooms as people meet them: entering, being refused, and what stands in what a room says (XEP-0045)."""

import itertools
import os

from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET

from .people import Cast, Person, account
from .stage import expect, expect_equal

MUC = "http://jabber.org/protocol/muc"
USER = MUC + "#user"
ADMIN = MUC + "#admin"
OWNER = MUC + "#owner"
DATA = "jabber:x:data"
DELAY = "urn:xmpp:delay"
OCCUPANT_ID = "urn:xmpp:occupant-id:0"
STANZA_ID = "urn:xmpp:sid:0"
CLIENT = "jabber:client"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
CONFIG = MUC + "#roomconfig"
NUMBERS = itertools.count(1)
# Whether a refusal must have the very condition that XEP-0045 names: set by the suite.
STRICT = True


def find(stanza, *steps):
    """The element at the end of steps `(name, namespace)`, or None."""
    element = stanza.xml
    for name, namespace in steps:
        element = element.find("{%s}%s" % (namespace, name)) if element is not None else None
    return element


def codes(stanza):
    """The status codes of a presence or message."""
    return sorted(int(status.get("code")) for status in stanza.xml.iter("{%s}status" % USER))


def item(stanza):
    """The attributes of what a presence says of its occupant."""
    element = find(stanza, ("x", USER), ("item", USER))
    return dict(element.attrib) if element is not None else {}


def reason(stanza):
    """Why, or None."""
    element = find(stanza, ("x", USER), ("item", USER), ("reason", USER))
    return element.text if element is not None else None


def occupant_id(stanza):
    """XEP-0421; fails if there is none, or more than one."""
    found = stanza.xml.findall("{%s}occupant-id" % OCCUPANT_ID)
    expect_equal(len(found), 1, "one occupant id in %s" % stanza)
    return found[0].get("id")


def stanza_id(message, room):
    """The archive's name for a message (XEP-0359)."""
    found = [one for one in message.xml.findall("{%s}stanza-id" % STANZA_ID) if one.get("by") == room]
    expect_equal(len(found), 1, "one stanza id by the room in %s" % message)
    return found[0].get("id")


def fault(stanza):
    """(condition, type) of an error."""
    error = find(stanza, ("error", CLIENT))
    named = [child for child in error if child.tag.startswith("{%s}" % STANZAS) and not child.tag.endswith("}text")]
    return named[0].tag.partition("}")[2], error.get("type")


def form(**fields):
    """A form that is submitted: `roomname="x"`, lists for several values. Bare names are the configuration's."""
    lines = ["<field var='FORM_TYPE' type='hidden'><value>%s</value></field>" % CONFIG]
    for name, values in fields.items():
        var = "muc#" + name if name == "maxhistoryfetch" else "muc#roomconfig_" + name
        values = values if isinstance(values, (list, tuple)) else [values]
        inside = "".join("<value>%s</value>" % value for value in values)
        lines.append("<field var='%s'>%s</field>" % (var, inside))
    return "<x xmlns='%s' type='submit'>%s</x>" % (DATA, "".join(lines))


# Conditions that servers give for each other where XEP-0045 names one.
KINDRED = ({"forbidden", "not-allowed"}, {"service-unavailable", "jid-malformed"})


class Lenient(tuple):
    """An error of a server that need not choose the very condition and type: equal to its kin."""

    def __eq__(self, other):
        return self[0] == other[0] or any({self[0], other[0]} <= kin for kin in KINDRED)

    def __ne__(self, other):
        return not self == other

    __hash__ = tuple.__hash__


class Guest(Person):
    """A person who knows how to behave in rooms."""

    def show_up(self, room, nick, password=None, history="", status=None, tagged=True):
        """Sends the presence that enters, and waits for nothing."""
        presence = self.make_presence(pto="%s/%s" % (room, nick) if nick else room, pstatus=status)
        if tagged:
            x = ET.SubElement(presence.xml, "{%s}x" % MUC)
            if password is not None:
                ET.SubElement(x, "{%s}password" % MUC).text = password
            if history:
                ET.SubElement(x, "{%s}history" % MUC, dict(history))
        presence.send()

    async def enter(self, room, nick, **options):
        """Enters, and gives back its own presence; those of the others are in the box before it."""
        self.show_up(room, nick, **options)
        own = await self.took_presence(
            lambda one: one["from"].bare == room and (110 in codes(one) or one["type"] == "error"), "its own presence")
        expect(own["type"] != "error", "entered %s: %s" % (room, own))
        return own

    async def kept_out(self, room, nick, **options):
        """Tries to enter; gives back (condition, type)."""
        self.show_up(room, nick, **options)
        answer = await self.took_presence(
            lambda one: one["from"].bare == room and (110 in codes(one) or one["type"] == "error"), "an answer")
        expect_equal(answer["type"], "error", "%s is kept out: %s" % (self.boundjid, answer))
        if not self.host_server.strict:
            return Lenient(fault(answer))
        expect(find(answer, ("x", MUC)) is not None, "the error says that it is about a room: %s" % answer)
        return fault(answer)

    async def found(self, stem, nick, **config):
        """Makes a room and configures it (an instant room, if there is nothing to configure); gives back its address."""
        room = "%s%d%d@%s" % (stem, os.getpid(), next(NUMBERS), self.host_server.rooms)
        own = await self.enter(room, nick)
        expect(201 in codes(own), "a new room: %s" % own)
        await self.configure(room, **config)
        await self.topic(room)
        return room

    async def configure(self, room, **config):
        submitted = form(**config) if config else "<x xmlns='%s' type='submit'/>" % DATA
        return await self.ask("set", "<query xmlns='%s'>%s</query>" % (OWNER, submitted), to=room)

    async def topic(self, room):
        """The subject that ends what is shown to who enters."""
        return await self.take(
            self.inbox,
            lambda one: one["from"].bare == room and find(one, ("subject", CLIENT)) is not None
            and find(one, ("body", CLIENT)) is None, "the subject")

    async def come_in(self, room, nick, **options):
        """Enters and reads up to the subject."""
        own = await self.enter(room, nick, **options)
        await self.topic(room)
        return own

    def say(self, room, text, extra="", kind="groupchat"):
        """Says something; gives back its identifier."""
        message = self.make_message(mto=room, mbody=text, mtype=kind)
        for element in ET.fromstring("<all>%s</all>" % extra):
            message.append(element)
        message["id"] = "said-%d" % next(NUMBERS)
        message.send()
        return message["id"]

    async def returned(self, room):
        """A message that came back: (condition, type)."""
        message = await self.take(
            self.inbox, lambda one: one["type"] == "error" and one["from"].bare == room, "an error")
        return fault(message) if self.host_server.strict else Lenient(fault(message))

    async def saw(self, room, nick, kind="available", code=None):
        """A presence of an occupant."""
        return await self.took_presence(
            lambda one: one["from"] == "%s/%s" % (room, nick) and one["type"] == kind
            and (code is None or code in codes(one)), "%s of %s with %s" % (kind, nick, code))

    async def change(self, room, why="", **attributes):
        """Asks for a change of an affiliation or a role."""
        said = " ".join("%s='%s'" % pair for pair in attributes.items())
        inside = "<reason>%s</reason>" % why if why else ""
        return await self.ask("set", "<query xmlns='%s'><item %s>%s</item></query>" % (ADMIN, said, inside), to=room)

    async def listed(self, room, **attributes):
        """A list of affiliations or roles: attributes of its items."""
        said = " ".join("%s='%s'" % pair for pair in attributes.items())
        answer = await self.ask("get", "<query xmlns='%s'><item %s/></query>" % (ADMIN, said), to=room)
        return [dict(one.attrib) for one in answer.xml.iter("{%s}item" % ADMIN)]

    def go(self, room, nick, status=None):
        """Leaves."""
        self.send_presence(pto="%s/%s" % (room, nick), ptype="unavailable", pstatus=status)


async def denied(query, condition, kind=None):
    """The query is answered by this error."""
    try:
        answer = await query
    except IqError as error:
        got = (error.condition, error.iq["error"]["type"])
        wanted = (condition, kind or got[1])
        expect(got == wanted or not STRICT and Lenient(got) == wanted, "%s instead of %s" % (got, wanted))
    else:
        raise AssertionError("answered by %s instead of %s" % (answer, condition))


class Company(Cast):
    """A cast of guests."""

    def someone(self, stem, resource="one", plugins=(), mechanism=None):
        if stem not in self.accounts:
            self.accounts[stem] = account(self.server, stem)
        person = Guest(self.server, *self.accounts[stem], resource, plugins, mechanism)
        self.people.append(person)
        return person

    async def gathering(self, *stems, **config):
        """People in a room that the first of them has made: (room, person...). Nicknames are their names."""
        guests = [await self.online(stem) for stem in stems]
        room = await guests[0].found("room", stems[0], **config)
        for stem, guest in zip(stems[1:], guests[1:]):
            await guest.come_in(room, stem)
        for guest in guests:
            for stem in stems:
                if guest is not guests[stems.index(stem)]:
                    await guest.saw(room, stem)
        return (room, *guests)
