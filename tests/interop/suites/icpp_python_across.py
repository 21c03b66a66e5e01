"""The rest of what both protocols can say, row by row: each play says one thing in each direction, to who is there and to who
is not, and looks for it in the histories of both, and on the other devices of both."""

import asyncio
import contextlib
import hashlib
import itertools

from slixmpp.xmlstream import ET

from interop.people import WAIT_SECONDS, Cast
from interop.phones import Phones
from interop.stage import expect, expect_equal

from crosspoint import Receipt, Verb

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


def id_of(author, identifier):
    """The message id that ICPP makes of another protocol's (SPEC.md section 5 leaves that to the server)."""
    return hashlib.sha256(author.encode() + b"\0" + identifier.encode() + b"\0").digest()[:16]


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


# What ICPP says: (name, verb, kind, message fields; a path to what XMPP must have, and its text or None for "it is there").
