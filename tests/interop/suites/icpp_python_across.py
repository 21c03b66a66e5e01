"""The rest of what both protocols can say, row by row: each play says one thing in each direction, to who is there and to who
is not, and looks for it in the histories of both, and on the other devices of both."""

import asyncio
import contextlib
import itertools

from slixmpp.xmlstream import ET

from interop.people import WAIT_SECONDS, Cast
from interop.phones import Phones
from interop.stage import expect, expect_equal

from crosspoint import Receipt, Verb, wire

from .icpp_python_people import play

MAM = "urn:xmpp:mam:2"
FORWARD = "urn:xmpp:forward:0"
NUMBERS = itertools.count(1)


@contextlib.asynccontextmanager
async def archiving(server):
    """A server of its own that keeps an archive."""
    settings = {"environment": {"CROSSPOINT_ARCHIVE_ENABLED": "true"}}
    other = type(server)(server.folder.with_name(server.folder.name + "-archive"), settings=settings)
    await asyncio.to_thread(other.start)
    try:
        yield other
    finally:
        if other.child and other.child.running():
            await asyncio.to_thread(other.stop)


async def other_life(other):
    """kill -9, and a new start."""
    await asyncio.to_thread(other.kill)
    await asyncio.to_thread(other.start)


async def archived(phone, peer="", room=False):
    """The newest of a history by HISTORY: (text, message)."""
    page = await asyncio.wait_for(phone.client.history(peer, limit=50, room=room), WAIT_SECONDS)
    return [(one.text, one) for one in page.messages]


async def mam(person, peer=None, to=None):
    """The newest of an archive by XEP-0313: message elements."""
    results = []

    def keep(stanza):
        found = stanza.xml.find("{%s}result/{%s}forwarded/{jabber:client}message" % (MAM, FORWARD))
        if found is not None:
            results.append(found)
        return found is not None
    wanted = "" if peer is None else (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>%s</value></field>"
        "<field var='with'><value>%s</value></field></x>" % (MAM, peer))
    await person.ask("set", "<query xmlns='%s'>%s<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set></query>" % (
        MAM, wanted), to=to)
    for stanza in [one for one in person.inbox if keep(one)]:
        person.inbox.remove(stanza)
    return results


class Pair:
    """Romeo with an ICPP phone and an XMPP desk, Juliet with the same; on a server that keeps an archive."""

    def __init__(self, server):
        self.cast = Cast(server)
        self.phones = Phones(server, self.cast.accounts)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        await self.phones.__aexit__(*failure)
        await self.cast.__aexit__(*failure)

    async def phone(self, stem, **options):
        return await self.phones.online(stem, resource="phone", receipts=False, **options)

    async def desk(self, stem):
        """With carbons."""
        person = await self.cast.online(stem, resource="desk", plugins=("xep_0280",))
        await person["xep_0280"].enable()
        return person


def said(verb=Verb.DELIVER, kind=0, text="", **fields):
    """What a row is at ICPP; what is not named must not be there."""
    return (verb, kind, text, tuple(sorted(fields.items())))


def heard_as(one):
    """The same of what a phone has got: a message, a receipt, or an item of a history."""
    if isinstance(one, Receipt):
        return said(Verb.RECEIPT, int(one.kind), ref=one.ref)
    message = getattr(one, "message", one)
    verb = message.verb if message.verb is not None else getattr(one, "verb", None) or Verb.DELIVER
    told = {name: getattr(message, name) for name in ("subject", "thread", "state", "ref") if getattr(message, name) is not None}
    if message.receipt_wanted:
        told["receipt"] = True
    return said(verb, message.kind, message.text, **told)


FALLBACK = "<fallback xmlns='urn:xmpp:fallback:0' for='%s'/>"
# What XMPP says: (name, type, inside; what ICPP hears, or None for nothing). {ref} is an earlier message of the sender's.
ROWS = (
    ("chat", "chat", "<subject>S</subject><thread>T</thread><body>chat &lt;&amp;&gt;</body>",
     said(text="chat <&>", subject="S", thread="T")),
    ("normal", "normal", "<body>normal</body>", said(kind=1, text="normal")),
    ("no type", None, "<body>no type</body>", said(kind=1, text="no type")),
    ("subject alone", "normal", "<subject>alone</subject>", said(kind=1, subject="alone")),
    ("two languages", "chat", "<body xml:lang='en'>two</body><body xml:lang='cs'>dva</body>", said(text="two")),
    ("state beside", "chat", "<body>state</body><active xmlns='http://jabber.org/protocol/chatstates'/>", said(text="state", state=0)),
    ("receipt wanted", "chat", "<body>receipt?</body><request xmlns='urn:xmpp:receipts'/>", said(text="receipt?", receipt=True)),
    ("markable", "chat", "<body>marker?</body><markable xmlns='urn:xmpp:chat-markers:0'/>", said(text="marker?", receipt=True)),
    ("received", "chat", "<received xmlns='urn:xmpp:receipts' id='{his}'/>", said(Verb.RECEIPT, 1, ref="his")),
    ("displayed", "chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='{his}'/>", said(Verb.RECEIPT, 2, ref="his")),
    ("corrected", "chat", "<body>corrected</body><replace xmlns='urn:xmpp:message-correct:0' id='{ref}'/>",
     said(Verb.EDIT, text="corrected", ref="hers")),
    ("retracted", "chat", "<retract xmlns='urn:xmpp:message-retract:1' id='{ref}'/>" + FALLBACK % "urn:xmpp:message-retract:1"
     + "<body>/me retracted something</body><store xmlns='urn:xmpp:hints'/>", said(Verb.RECALL, ref="hers")),
    ("origin id", "chat", "<body>origin</body><origin-id xmlns='urn:xmpp:sid:0' id='another'/>", said(text="origin")),
    ("reply", "chat", "<body>&gt; quoted\nreply</body><reply xmlns='urn:xmpp:reply:0' id='{ref}'/>" + FALLBACK % "urn:xmpp:reply:0",
     said(text="> quoted\nreply")),
    ("reaction", "chat", "<reactions xmlns='urn:xmpp:reactions:0' id='{ref}'><reaction>+</reaction></reactions>"
     "<store xmlns='urn:xmpp:hints'/>", None),
    ("reaction with a fallback", "chat", "<reactions xmlns='urn:xmpp:reactions:0' id='{ref}'><reaction>+</reaction></reactions>"
     "<body>likes it</body>" + FALLBACK % "urn:xmpp:reactions:0", said(text="likes it")),
    ("encrypted", "chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>AAAA</payload></encrypted>"
     "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/><body>I sent you an OMEMO message.</body>",
     said(text="I sent you an OMEMO message.")),
    ("encrypted without words", "chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>AAAA</payload></encrypted>"
     "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/><store xmlns='urn:xmpp:hints'/>",
     said(text="This message is encrypted (OMEMO).")),
    ("link", "chat", "<body>https://c.lit/a.png</body><x xmlns='jabber:x:oob'><url>https://c.lit/a.png</url></x>",
     said(text="https://c.lit/a.png")),
    ("link without words", "chat", "<x xmlns='jabber:x:oob'><url>https://c.lit/b.png</url><desc>B</desc></x>"
     "<store xmlns='urn:xmpp:hints'/>", said(text="B https://c.lit/b.png")),
    ("markup", "chat", "<body>plain</body><html xmlns='http://jabber.org/protocol/xhtml-im'>"
     "<body xmlns='http://www.w3.org/1999/xhtml'><p>rich</p></body></html>", said(text="plain")),
    ("attention", "chat", "<attention xmlns='urn:xmpp:attention:0'/><body>wake up</body>", said(text="wake up")),
    ("unknown", "chat", "<mood xmlns='urn:example:unknown'>glad</mood><store xmlns='urn:xmpp:hints'/>", None),
)


def utter(person, to, row, ref, his):
    """Sends a row, under an identifier of its own."""
    name, kind, inside, _ = row
    text = inside.replace("{ref}", ref).replace("{his}", his)
    message = person.make_message(mto=to, mtype=kind or "normal")
    if kind is None:
        del message["type"]
    for element in ET.fromstring("<message xmlns='jabber:client'>%s</message>" % text):
        message.append(element)
    message["id"] = "%s-%d" % (name.replace(" ", "-"), next(NUMBERS))
    message.send()


def expected(hers, his):
    """What of ROWS a phone hears, in order."""
    refs = {"hers": hers, "his": his}
    rows = [row[3] for row in ROWS if row[3]]
    return [(verb, kind, text, tuple((name, refs[value] if name == "ref" else value) for name, value in fields))
            for verb, kind, text, fields in rows]


def pulled(phone, *boxes):
    """Everything of these kinds that it has got, and has no more."""
    taken = [one for one in phone.inbox] + [one for one in phone.happened if isinstance(one, Receipt)]
    phone.inbox.clear()
    phone.happened[:] = [one for one in phone.happened if not isinstance(one, Receipt)]
    return taken


def by_receipt(rows):
    """Receipts come on a stream of their own: they are compared behind the others."""
    return [row for row in rows if row[0] != Verb.RECEIPT] + [row for row in rows if row[0] == Verb.RECEIPT]


def compare(got, wanted, where):
    for one, other in itertools.zip_longest(got, wanted):
        expect_equal(one, other, where)


@play(seconds=90)
async def across_all_that_xmpp_says(server):
    """Row by row: to who is there, on the sender's other device, to who is not, and in the histories of both."""
    async with archiving(server) as other, Pair(other) as pair:
        romeo, juliet = await pair.phone("romeo"), await pair.desk("juliet")
        her_phone = await pair.phone("juliet")
        his = await romeo.client.send(juliet.boundjid.bare, "his")
        his_id = (await juliet.heard("his"))["id"]
        await her_phone.heard("his")
        first = juliet.make_message(romeo.address, "hers", mtype="chat")
        first["id"] = "hers-1"
        first.send()
        hers = (await romeo.heard("hers")).id
        await her_phone.heard("hers")
        wanted = expected(hers, his)
        for row in ROWS:
            utter(juliet, romeo.client.session.address if row[1] == "normal" else romeo.address, row, "hers-1", his_id)
        juliet.send_message(romeo.address, "end", mtype="chat")
        await romeo.heard("end")
        compare([heard_as(one) for one in pulled(romeo)], by_receipt(wanted), "there")
        await her_phone.heard("end")
        copies = pulled(her_phone)
        expect(all(one.copy == 2 for one in copies if not isinstance(one, Receipt)), "copies of what was sent")
        compare([heard_as(one) for one in copies], by_receipt([row for row in wanted if row[1] == 0 or row[0] == Verb.RECEIPT
                                                                     or row[2]]), "on her phone")
        await romeo.leave()
        for row in ROWS:
            utter(juliet, romeo.address, row, "hers-1", his_id)
        juliet.send_message(romeo.address, "the end", mtype="chat")
        await juliet.settled()
        again = await pair.phones.online("romeo", resource="again", receipts=False)
        await again.heard("the end")
        compare([heard_as(one) for one in pulled(again)], by_receipt(wanted), "what waited")
        for reader, peer in ((again, juliet.boundjid.bare), (her_phone, again.address)):
            page = [heard_as(one) for _, one in await archived(reader, peer)]
            compare(page[-len(wanted) - 1:-1], wanted, "the history of " + reader.address)


PARTS = (("subject", "jabber:client"), ("thread", "jabber:client"), ("body", "jabber:client"))
MARKS = (("request", "urn:xmpp:receipts", None), ("markable", "urn:xmpp:chat-markers:0", None),
         ("received", "urn:xmpp:receipts", "id"), ("displayed", "urn:xmpp:chat-markers:0", "id"),
         ("replace", "urn:xmpp:message-correct:0", "id"), ("retract", "urn:xmpp:message-retract:1", "id"))
STATES = "http://jabber.org/protocol/chatstates"


def seen_as(element):
    """What a message element says: (type, {what: how})."""
    told = {name: element.findtext("{%s}%s" % (space, name)) for name, space in PARTS
            if element.find("{%s}%s" % (space, name)) is not None}
    for name, space, attribute in MARKS:
        found = element.find("{%s}%s" % (space, name))
        if found is not None:
            told[name] = found.get(attribute) if attribute else True
    told |= {"state": child.tag.partition("}")[2] for child in element if child.tag.startswith("{%s}" % STATES)}
    return element.get("type"), told


def shown(kind="chat", **told):
    return kind, told


RETRACTED = "/me retracted an earlier message."
SEND, EDIT, RECALL, RECEIPT = Verb.SEND, Verb.EDIT, Verb.RECALL, Verb.RECEIPT
# What ICPP says: (verb, kind, payload, fields; what XMPP sees, or None for nothing). "his" is an earlier message of the sender's, "hers" of
# the reader's.
SAYINGS = (
    (SEND, 0, b"chat <&>", {"subject": "S", "thread": "T"}, shown(body="chat <&>", subject="S", thread="T")),
    (SEND, 1, b"normal", {}, shown("normal", body="normal")),
    (SEND, 1, b"", {"subject": "alone"}, shown("normal", subject="alone")),
    (SEND, 0, b"state", {"state": 0}, shown(body="state", state="active")),
    (SEND, 0, b"receipt?", {"receipt_wanted": True}, shown(body="receipt?", request=True, markable=True)),
    (RECEIPT, 1, b"", {"ref": "hers"}, shown(received="hers")),
    (RECEIPT, 2, b"", {"ref": "hers"}, shown(displayed="hers")),
    (EDIT, 0, b"edited", {"ref": "his"}, shown(body="edited", replace="his")),
    (RECALL, 0, b"", {"ref": "his"}, shown(body=RETRACTED, retract="his")),
    (SEND, 0, b"\x89PNG", {"content_type": "image/png", "fallback": "a picture"}, shown(body="a picture")),
    (SEND, 0, b"\x89PNG", {"content_type": "image/png"}, None),
    (SEND, 0, b"{\"a\": 1}", {"content_type": "application/json"}, None),
    (SEND, 0, b"plain", {"content_type": "text/plain; charset=utf-8"}, shown(body="plain")),
    (SEND, 0, "no \x00 in \u200bXML".encode(), {}, shown(body="no \ufffd in \u200bXML")),
)


def wanted_by_xmpp(his, hers):
    refs = {"his": his, "hers": hers}
    rows = [row[4] for row in SAYINGS if row[4]]
    return [(kind or "normal", {name: refs.get(value, value) for name, value in told.items()}) for kind, told in rows]


def say_all(phone, to, his, hers):
    """`hers` is the message as the phone has got it."""
    for verb, kind, payload, fields, _ in SAYINGS:
        fields = dict(fields)
        if fields.get("ref") == "his":
            fields["ref"] = his
        elif fields.get("ref") == "hers":
            fields |= {"ref": hers.id, "foreign_ref": hers.foreign_id}
        message = wire.Message(phone.client._new_id(), to, kind=kind, payload=payload, **fields)
        phone.client._submit(verb, message.encode(), 0, message.id)


def normal(row):
    """`normal` and no type are one."""
    return row[0] or "normal", row[1]


def forwarded(person, direction):
    """What carbons of this direction hold, taken out of the inbox."""
    path = "{urn:xmpp:carbons:2}%s/{%s}forwarded/{jabber:client}message" % (direction, FORWARD)
    found = [(one, one.xml.find(path)) for one in person.inbox]
    for one, inner in found:
        if inner is not None:
            person.inbox.remove(one)
    return [inner for _, inner in found if inner is not None]


async def carbon(person, body):
    """A copy of what this account has sent from elsewhere has come, with this text."""
    await person.take(person.inbox, lambda one: body in str(one) and "urn:xmpp:carbons:2" in str(one), "a carbon of " + body)


@play(seconds=90)
async def across_all_that_icpp_says(server):
    async with archiving(server) as other, Pair(other) as pair:
        romeo, juliet = await pair.phone("romeo"), await pair.desk("juliet")
        his_desk = await pair.desk("romeo")
        first = juliet.make_message(romeo.client.session.address, "hers", mtype="chat")
        first["id"] = "hers-1"
        first.send()
        hers = await romeo.heard("hers")
        his = await romeo.client.send(juliet.boundjid.bare, "his")
        his_text = (await juliet.heard("his"))["id"]
        wanted = wanted_by_xmpp(his_text, "hers-1")
        juliet.inbox.clear()
        say_all(romeo, juliet.boundjid.bare, his, hers)
        await romeo.client.send(juliet.boundjid.bare, "end")
        await juliet.heard("end")
        compare([normal(seen_as(one.xml)) for one in juliet.inbox], wanted, "there")
        juliet.inbox.clear()
        await carbon(his_desk, "end")
        sent = [normal(seen_as(one)) for one in forwarded(his_desk, "sent")]
        compare([row for row in sent if row[1].get("body") != "his"], wanted, "on his desk")
        await juliet.leave()
        say_all(romeo, juliet.boundjid.bare, his, hers)
        await romeo.client.send(juliet.boundjid.bare, "not kept", store=False)
        await romeo.client.send(juliet.boundjid.bare, "the end")
        late = await pair.cast.online("juliet", resource="late")
        await late.heard("the end")
        compare([normal(seen_as(one.xml)) for one in late.inbox], wanted, "what waited")
        expect(all(one.xml.find("{urn:xmpp:delay}delay") is not None for one in late.inbox), "when it was said")
        for reader, peer in ((late, romeo.address), (his_desk, juliet.boundjid.bare)):
            kept = [normal(seen_as(one)) for one in await mam(reader, peer)]
            compare(kept[-len(wanted) - 1:-1], wanted, "the archive of %s" % reader.boundjid.bare)
