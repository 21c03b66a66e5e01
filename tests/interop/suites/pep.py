"""Plays of personal eventing with slixmpp people: nodes, events by interest, and what rests on them (XEP-0163 and others)."""

import slixmpp

from interop.people import Cast
from interop.stage import Stage, expect, expect_equal, quiet

stage = Stage()
play = stage.play

PUBSUB = "http://jabber.org/protocol/pubsub"
EVENT = "{%s#event}" % PUBSUB
PEP = ("xep_0004", "xep_0060", "xep_0115", "xep_0163")
NICK = "http://jabber.org/protocol/nick"


def listener(cast, stem, resource="one", nodes=(NICK,), plugins=()):
    """A client, not yet connected, that says that it wants the events of these nodes."""
    person = cast.someone(stem, resource, (*PEP, *plugins))
    for node in nodes:
        person["xep_0163"].add_interest(node)
    return person


def nick(text):
    return "<nick xmlns='%s'>%s</nick>" % (NICK, text)


def publish_xml(node, payload, id="current", options=None):
    fields = "".join("<field var='pubsub#%s'><value>%s</value></field>" % pair for pair in (options or {}).items())
    form = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            "<value>%s#publish-options</value></field>%s</x></publish-options>" % (PUBSUB, fields)) if options else ""
    return "<pubsub xmlns='%s'><publish node='%s'><item id='%s'>%s</item></publish>%s</pubsub>" % (
        PUBSUB, node, id, payload, form)


async def publish(person, node, payload, id="current", options=None, to=None):
    return await person.ask("set", publish_xml(node, payload, id, options), to)


def is_event(message, node):
    items = message.xml.find("%sevent/%sitems" % (EVENT, EVENT))
    return items is not None and items.get("node") == node


async def event(person, node, sender):
    """The next event of a node from this bare address: (item id, text of the payload), or (None, id) of a retraction."""
    message = await person.take(person.inbox, lambda one: is_event(one, node), "an event of %s" % node)
    expect_equal((message["from"].full, message["type"]), (sender, "headline"), "whose event")
    items = message.xml.find("%sevent/%sitems" % (EVENT, EVENT))
    gone = items.find(EVENT + "retract")
    if gone is not None:
        return None, gone.get("id")
    item = items.find(EVENT + "item")
    return item.get("id"), "".join(item.itertext())


async def refused(asking, condition, detail=None):
    try:
        await asking
    except slixmpp.exceptions.IqError as error:
        got = error.iq["error"]
        expect_equal(got["condition"], condition, "condition")
        if detail:
            expect(got.xml.find("{%s#errors}%s" % (PUBSUB, detail)) is not None, "%s in %s" % (detail, error.iq))
        return
    raise AssertionError("it was not refused")


async def items(person, node, of=None, inner=""):
    answer = await person.ask("get", "<pubsub xmlns='%s'><items node='%s'>%s</items></pubsub>" % (PUBSUB, node, inner), of)
    found = answer.xml.findall("{%s}pubsub/{%s}items/{%s}item" % (PUBSUB, PUBSUB, PUBSUB))
    return {item.get("id"): "".join(item.itertext()) for item in found}


async def befriend(one, two):
    """Both see each other's presence."""
    for asker, giver in ((one, two), (two, one)):
        asker.send_presence(pto=giver.boundjid.bare, ptype="subscribe")
        await giver.heard_of(asker.boundjid.bare, "subscribe")
        giver.send_presence(pto=asker.boundjid.bare, ptype="subscribed")
        await asker.heard_of(giver.boundjid.full, "available")


@play()
async def an_account_says_that_it_has_personal_eventing(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        info = await romeo["xep_0030"].get_info(romeo.boundjid.bare)
        kinds = [(identity[0], identity[1]) for identity in info["disco_info"]["identities"]]
        expect(("pubsub", "pep") in kinds, "the identity of XEP-0163 in %s" % kinds)
        for feature in ("publish", "publish-options", "auto-create", "persistent-items", "retract-items", "access-whitelist"):
            expect("%s#%s" % (PUBSUB, feature) in info["disco_info"]["features"], feature)


@play()
async def what_was_published_is_read_back(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        await publish(romeo, NICK, nick("Romy"))
        expect_equal(await items(romeo, NICK), {"current": "Romy"}, "the item")
        await publish(romeo, NICK, nick("Montague"))
        expect_equal(await items(romeo, NICK), {"current": "Montague"}, "the item")


@play()
async def a_contact_who_wants_events_gets_them_and_nobody_else(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        juliet = await listener(cast, "juliet").arrive()
        deaf = await cast.online("juliet", "deaf", plugins=PEP)
        await befriend(romeo, juliet)
        paris = await listener(cast, "paris").arrive()
        await publish(romeo, NICK, nick("Romy"))
        expect_equal(await event(juliet, NICK, romeo.boundjid.bare), ("current", "Romy"), "the event")
        for person in (deaf, paris):
            await person.settled()
            await quiet()
            expect_equal([str(one) for one in person.inbox if is_event(one, NICK)], [], "events for %s" % person.boundjid)


@play()
async def ones_own_clients_hear_of_it(server):
    async with Cast(server) as cast:
        desk = await listener(cast, "romeo", "desk").arrive()
        phone = await listener(cast, "romeo", "phone").arrive()
        await desk.settled()
        await publish(phone, NICK, nick("Romy"))
        for client in (desk, phone):
            expect_equal(await event(client, NICK, phone.boundjid.bare), ("current", "Romy"), "the event")


@play()
async def whoever_comes_gets_the_last_item(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PEP), await cast.online("juliet", plugins=PEP)
        await befriend(romeo, juliet)
        await publish(romeo, NICK, nick("Romy"))
        later = await listener(cast, "juliet", "later").arrive()
        expect_equal(await event(later, NICK, romeo.boundjid.bare), ("current", "Romy"), "the last item")
        own = await listener(cast, "romeo", "later").arrive()
        expect_equal(await event(own, NICK, romeo.boundjid.bare), ("current", "Romy"), "the last item")


def run(server, only=()):
    server.start()
    try:
        return stage.run("pep", server, only)
    finally:
        server.stop()
