"""Plays of personal eventing with slixmpp people: nodes, events by interest, and what rests on them (XEP-0163 and others)."""

import base64
import hashlib

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


@play()
async def a_new_contact_gets_the_last_item(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        await publish(romeo, NICK, nick("Romy"))
        juliet = await listener(cast, "juliet").arrive()
        await juliet.settled()
        await befriend(juliet, romeo)
        expect_equal(await event(juliet, NICK, romeo.boundjid.bare), ("current", "Romy"), "the last item")


@play()
async def a_stranger_reads_nothing_but_what_is_open(server):
    async with Cast(server) as cast:
        romeo, paris = await cast.online("romeo", plugins=PEP), await cast.online("paris", plugins=PEP)
        bare = romeo.boundjid.bare
        for node, access in (("urn:x:open", "open"), ("urn:x:presence", "presence"), ("urn:x:list", "whitelist")):
            await publish(romeo, node, nick(access), options={"access_model": access})
        expect_equal(await items(paris, "urn:x:open", bare), {"current": "open"}, "the open node")
        await refused(items(paris, "urn:x:presence", bare), "not-authorized", "presence-subscription-required")
        await refused(items(paris, "urn:x:list", bare), "not-allowed", "closed-node")
        await refused(items(paris, "urn:x:none", bare), "item-not-found")
        await refused(items(paris, "urn:x:none", server.jid("no-such-person")), "item-not-found")
        await refused(publish(paris, "urn:x:open", nick("Paris"), to=bare), "forbidden")
        for owners in ("<delete node='urn:x:open'/>", "<purge node='urn:x:open'/>", "<configure node='urn:x:open'/>"):
            kind = "get" if "configure" in owners else "set"
            await refused(paris.ask(kind, "<pubsub xmlns='%s#owner'>%s</pubsub>" % (PUBSUB, owners), bare), "forbidden")


@play()
async def a_whitelist_is_for_who_is_on_it(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        nurse = await listener(cast, "nurse", nodes=("urn:x:list",)).arrive()
        juliet = await listener(cast, "juliet", nodes=("urn:x:list",)).arrive()
        for contact in (nurse, juliet):
            await befriend(romeo, contact)
        await publish(romeo, "urn:x:list", nick("one"), options={"access_model": "whitelist"})
        await romeo.ask("set", "<pubsub xmlns='%s#owner'><affiliations node='urn:x:list'><affiliation jid='%s' "
                        "affiliation='member'/></affiliations></pubsub>" % (PUBSUB, nurse.boundjid.bare))
        await publish(romeo, "urn:x:list", nick("two"))
        expect_equal(await event(nurse, "urn:x:list", romeo.boundjid.bare), ("current", "two"), "the event")
        expect_equal(await items(nurse, "urn:x:list", romeo.boundjid.bare), {"current": "two"}, "the item")
        await juliet.settled()
        await quiet()
        expect_equal([str(one) for one in juliet.inbox if is_event(one, "urn:x:list")], [], "events for Juliet")
        await refused(items(juliet, "urn:x:list", romeo.boundjid.bare), "not-allowed", "closed-node")


@play()
async def a_publishers_preconditions_are_kept(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        options = {"access_model": "open", "persist_items": "true", "max_items": "max"}
        for number in range(3):
            await publish(romeo, "urn:x:many", nick(str(number)), str(number), options)
        await refused(publish(romeo, "urn:x:many", nick("4"), "4", {"access_model": "whitelist"}),
                      "conflict", "precondition-not-met")
        expect_equal(await items(romeo, "urn:x:many"), {"0": "0", "1": "1", "2": "2"}, "the items")
        page = "</items><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set><items>"
        answer = await romeo.ask("get", "<pubsub xmlns='%s'><items node='urn:x:many'/>"
                                 "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set></pubsub>" % PUBSUB)
        found = [item.get("id") for item in answer.xml.iter("{%s}item" % PUBSUB)]
        expect(page and found == ["1", "2"], "the last page: %s" % found)


@play()
async def what_is_retracted_purged_and_deleted_is_gone_and_told(server):
    async with Cast(server) as cast:
        romeo = await listener(cast, "romeo", nodes=("urn:x:many",)).arrive()
        await romeo.settled()
        bare = romeo.boundjid.bare
        for number in ("1", "2"):
            await publish(romeo, "urn:x:many", nick(number), number, {"max_items": "max"})
            expect_equal(await event(romeo, "urn:x:many", bare), (number, number), "the event")
        await romeo.ask("set", "<pubsub xmlns='%s'><retract node='urn:x:many' notify='1'><item id='1'/></retract></pubsub>" % PUBSUB)
        expect_equal(await event(romeo, "urn:x:many", bare), (None, "1"), "the retraction")
        expect_equal(await items(romeo, "urn:x:many"), {"2": "2"}, "what is left")
        await refused(romeo.ask("set", "<pubsub xmlns='%s'><retract node='urn:x:many'><item id='1'/></retract></pubsub>" % PUBSUB),
                      "item-not-found")
        await romeo.ask("set", "<pubsub xmlns='%s#owner'><purge node='urn:x:many'/></pubsub>" % PUBSUB)
        await romeo.take(romeo.inbox, lambda one: one.xml.find("%sevent/%spurge" % (EVENT, EVENT)) is not None, "a purge")
        expect_equal(await items(romeo, "urn:x:many"), {}, "what is left")
        await romeo.ask("set", "<pubsub xmlns='%s#owner'><delete node='urn:x:many'/></pubsub>" % PUBSUB)
        await romeo.take(romeo.inbox, lambda one: one.xml.find("%sevent/%sdelete" % (EVENT, EVENT)) is not None, "a deletion")
        await refused(items(romeo, "urn:x:many"), "item-not-found")


@play()
async def an_explicit_subscriber_needs_no_interest(server):
    async with Cast(server) as cast:
        romeo, nurse = await cast.online("romeo", plugins=PEP), await cast.online("nurse", plugins=PEP)
        bare = romeo.boundjid.bare
        await publish(romeo, "urn:x:news", nick("old"), options={"access_model": "open"})
        await nurse["xep_0060"].subscribe(bare, "urn:x:news", bare=True)
        expect_equal(await event(nurse, "urn:x:news", bare), ("current", "old"), "the last item")
        await publish(romeo, "urn:x:news", nick("new"))
        expect_equal(await event(nurse, "urn:x:news", bare), ("current", "new"), "the event")
        await nurse["xep_0060"].unsubscribe(bare, "urn:x:news", bare=True)
        await publish(romeo, "urn:x:news", nick("newer"))
        await nurse.settled()
        await quiet()
        expect_equal([str(one) for one in nurse.inbox if is_event(one, "urn:x:news")], [], "events after the end")


@play()
async def nobody_speaks_for_somebody_elses_node(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PEP), await listener(cast, "juliet").arrive()
        await befriend(romeo, juliet)
        paris = await cast.online("paris", plugins=PEP)
        forged = paris.make_message(mto=juliet.boundjid.full, mtype="headline")
        forged.append(slixmpp.xmlstream.ET.fromstring(
            "<event xmlns='%s#event'><items node='%s'><item id='current'>%s</item></items></event>" % (PUBSUB, NICK, nick("no"))))
        forged["from"] = romeo.boundjid.bare
        forged.send()
        await quiet(1)
        wrong = [one["from"] for one in juliet.inbox if is_event(one, NICK) and one["from"].bare != paris.boundjid.bare]
        expect_equal(wrong, [], "who the event seems to be from")


@play()
async def bookmarks_are_one_set(server):
    async with Cast(server) as cast:
        romeo = cast.someone("romeo", plugins=(*PEP, "xep_0048", "xep_0049", "xep_0402"))
        romeo["xep_0163"].add_interest("urn:xmpp:bookmarks:1")
        await romeo.arrive()
        await romeo.settled()
        bare, room = romeo.boundjid.bare, "theplay@conference.shakespeare.lit"
        await publish(romeo, "urn:xmpp:bookmarks:1", "<conference xmlns='urn:xmpp:bookmarks:1' name='The Play' autojoin='true'>"
                      "<nick>JC</nick><extensions><a xmlns='urn:x:a'/></extensions></conference>", room,
                      {"access_model": "whitelist", "max_items": "max", "persist_items": "true", "send_last_published_item": "never"})
        expect_equal(await event(romeo, "urn:xmpp:bookmarks:1", bare), (room, "JC"), "the event")
        for method in ("xep_0049", "xep_0223"):
            got = await romeo["xep_0048"].get_bookmarks(method=method)
            stored = got["private"] if method == "xep_0049" else got["pubsub"]["items"]["item"]
            [conference] = stored["bookmarks"]["conferences"]
            expect_equal((str(conference["jid"]), conference["name"], conference["nick"], conference["autojoin"]),
                         (room, "The Play", "JC", True), method)
        await romeo.ask("set", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
                        "<conference jid='%s' name='The Play' autojoin='true'><nick>Caesar</nick></conference>"
                        "<conference jid='b@c.lit'/><url name='u' url='http://x.org'/></storage></query>" % room)
        heard = {await event(romeo, "urn:xmpp:bookmarks:1", bare), await event(romeo, "urn:xmpp:bookmarks:1", bare)}
        expect_equal(heard, {(room, "Caesar"), ("b@c.lit", "")}, "the events")
        answer = await romeo.ask("get", "<pubsub xmlns='%s'><items node='urn:xmpp:bookmarks:1'/></pubsub>" % PUBSUB)
        expect(answer.xml.find(".//{urn:x:a}a") is not None, "the extensions are still there")
        await romeo.ask("set", "<pubsub xmlns='%s'><retract node='urn:xmpp:bookmarks:1' notify='true'><item id='b@c.lit'/></retract></pubsub>" % PUBSUB)
        expect_equal(await event(romeo, "urn:xmpp:bookmarks:1", bare), (None, "b@c.lit"), "the retraction")
        answer = await romeo.ask("get", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
        jids = [one.get("jid") for one in answer.xml.iter("{storage:bookmarks}conference")]
        expect(jids == [room] and answer.xml.find(".//{storage:bookmarks}url") is not None, "the older form: %s" % jids)


PICTURE = bytes(range(256)) * 8


@play()
async def an_avatar_is_in_the_vcard_and_in_presence(server):
    async with Cast(server) as cast:
        plugins = (*PEP, "xep_0084", "xep_0054")
        romeo, juliet = await cast.online("romeo", plugins=plugins), await cast.online("juliet", plugins=plugins)
        await befriend(romeo, juliet)
        id = hashlib.sha1(PICTURE).hexdigest()
        await publish(romeo, "urn:xmpp:avatar:data", "<data xmlns='urn:xmpp:avatar:data'>%s</data>" % base64.b64encode(PICTURE).decode(),
                      id, {"access_model": "open"})
        await publish(romeo, "urn:xmpp:avatar:metadata", "<metadata xmlns='urn:xmpp:avatar:metadata'><info bytes='%d' id='%s' "
                      "type='image/png'/></metadata>" % (len(PICTURE), id), id, {"access_model": "open"})
        await juliet.took_presence(lambda one: shows(one) == id, "the hash in presence")
        card = await juliet["xep_0054"].get_vcard(romeo.boundjid.bare)
        expect_equal((card["vcard_temp"]["PHOTO"]["BINVAL"], card["vcard_temp"]["PHOTO"]["TYPE"]), (PICTURE, "image/png"), "the photo")
        other = PICTURE[:100]
        await romeo.ask("set", "<vCard xmlns='vcard-temp'><FN>Romeo</FN><PHOTO><TYPE>image/gif</TYPE><BINVAL>%s</BINVAL></PHOTO></vCard>"
                        % base64.b64encode(other).decode())
        id = hashlib.sha1(other).hexdigest()
        await juliet.took_presence(lambda one: shows(one) == id, "the other hash in presence")
        expect_equal(await items(juliet, "urn:xmpp:avatar:data", romeo.boundjid.bare, "<item id='%s'/>" % id),
                     {id: base64.b64encode(other).decode()}, "the data")
        later = await cast.online("romeo", "later", plugins=PEP)
        await juliet.took_presence(lambda one: shows(one) == id and one["from"] == later.boundjid, "the hash of another client")


def shows(presence):
    return presence.xml.findtext("{vcard-temp:x:update}x/{vcard-temp:x:update}photo")


@play()
async def a_vcard4_is_a_vcard_too(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=(*PEP, "xep_0054")), await cast.online("juliet", plugins=PEP)
        await publish(romeo, "urn:xmpp:vcard4", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Romeo</text></fn>"
                      "<tel><parameters><type><text>home</text></type></parameters><uri>tel:+39-1</uri></tel></vcard>")
        card = (await romeo["xep_0054"].get_vcard(romeo.boundjid.bare))["vcard_temp"]
        expect_equal((card["FN"], card["TEL"]["NUMBER"], card["TEL"]["HOME"]), ("Romeo", "+39-1", True), "the card")
        await romeo.ask("set", "<vCard xmlns='vcard-temp'><FN>Montague</FN></vCard>")
        expect_equal(await items(juliet, "urn:xmpp:vcard4", romeo.boundjid.bare), {"current": "Montague"}, "vCard4 for a stranger")


@play()
async def how_far_was_read_is_told_to_ones_own_clients_only(server):
    async with Cast(server) as cast:
        node = "urn:xmpp:mds:displayed:0"
        romeo, juliet = await listener(cast, "romeo", nodes=(node,)).arrive(), await cast.online("juliet", plugins=PEP)
        phone = await listener(cast, "romeo", "phone", nodes=(node,)).arrive()
        await phone.settled()
        message = romeo.make_message(mto=juliet.boundjid.bare, mtype="chat", mbody="read")
        message.append(slixmpp.xmlstream.ET.fromstring(
            "<displayed xmlns='%s'><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='17'/></displayed>" % (node, romeo.boundjid.bare)))
        message.send()
        got = await juliet.heard("read")
        expect(got.xml.find("{%s}displayed" % node) is None, "it is cut out: %s" % got)
        for client in (romeo, phone):
            expect_equal((await event(client, node, romeo.boundjid.bare))[0], juliet.boundjid.bare, "the event")
        await refused(items(juliet, node, romeo.boundjid.bare), "not-allowed", "closed-node")


@play()
async def what_was_published_survives_a_restart(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PEP)
        await publish(romeo, NICK, nick("Romy"))
        server.kill()
        server.start()
        again = await cast.online("romeo", "again", plugins=PEP)
        expect_equal(await items(again, NICK), {"current": "Romy"}, "the item")


def run(server, only=()):
    from . import pep_omemo  # noqa: F401  (its play is of this stage)
    server.settings = {**server.settings, **server.PERSONAL_EVENTING}
    server.start()
    try:
        return stage.run("pep", server, only)
    finally:
        server.stop()
