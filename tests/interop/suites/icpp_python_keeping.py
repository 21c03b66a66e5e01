"""Plays of keeping a room from both protocols: nicknames that are reserved, messages that are hidden, and what the archives tell
of them."""

from slixmpp.xmlstream import ET

from interop.conference import find, stanza_id
from interop.stage import expect, expect_equal

from crosspoint import Activity, Kind, Receipt, Refused, Role, Typing, Verb
from crosspoint.errors import Code
from crosspoint.rooms import Word

from .icpp_python_across import archived, archiving, mam, other_life
from .icpp_python_people import play
from .icpp_python_rooms import Salon, address, made, noticed, told

RETRACT = "urn:xmpp:message-retract:1"
MODERATE = "urn:xmpp:message-moderate:1"
REGISTER = "jabber:iq:register"
CORRECT = "urn:xmpp:message-correct:0"
STATES = "http://jabber.org/protocol/chatstates"


async def refused(call, code):
    try:
        await call
    except Refused as error:
        expect_equal(error.code, code, "the refusal")
    else:
        raise AssertionError("not refused by %s" % code.name)


def hides(message):
    """What a moderation says: (which message, by whom, why)."""
    retract = message.find("{%s}retract" % RETRACT)
    return retract.get("id"), retract.find("{%s}moderated" % MODERATE).get("by"), retract.findtext("{%s}reason" % RETRACT)


@play()
async def keeping_a_nickname(server):
    async with Salon(server) as (phones, company):
        juliet, romeo = await company.online("juliet"), await phones.online("romeo")
        room = await juliet.found("hall", "juliet", persistentroom="1")
        expect_equal(await romeo.client.rooms.reserved(room), None, "before")
        await romeo.client.rooms.reserve(room, "thane")
        expect_equal(await romeo.client.rooms.reserved(room), "thane", "after")
        tybalt = await company.online("tybalt")
        expect_equal(await tybalt.kept_out(room, "thane"), ("conflict", "cancel"), "somebody else's name")
        members = await juliet.listed(room, affiliation="member")
        expect_equal([(one["jid"], one["nick"]) for one in members], [(romeo.address, "thane")], "the members")
        again = await company.online("romeo", resource="xmpp")
        answer = await again.ask("get", "<query xmlns='%s'/>" % REGISTER, to=room)
        expect_equal(answer.xml.findtext("{%s}query/{%s}username" % (REGISTER, REGISTER)), "thane", "by XMPP")
        await refused(romeo.client.rooms.reserve(room, "juliet"), Code.CONFLICT)
        await romeo.client.rooms.release(room)
        expect_equal(await romeo.client.rooms.reserved(room), None, "given up")
        await tybalt.come_in(room, "thane")
        await juliet.configure(room, membersonly="1")
        mercutio = await phones.online("mercutio")
        await refused(mercutio.client.rooms.reserve(room, "queen"), Code.NOT_ALLOWED)
        await refused(mercutio.client._ask(Verb.MEMBERS, _about(room, account=romeo.address)), Code.FORBIDDEN)


def _about(room, **fields):
    return Word(Verb.MEMBERS, room=room, **fields).encode()


@play(seconds=60)
async def keeping_a_room_clean(server):
    """A moderator on ICPP hides what XMPP has said, one on XMPP what ICPP has said; the archives of both tell it, after a crash, too."""
    async with archiving(server) as other, Salon(other) as (phones, company):
        romeo, juliet, tybalt = await phones.online("romeo"), await company.online("juliet"), await company.online("tybalt")
        mercutio = await phones.online("mercutio")
        room = address(other, romeo, "square")
        await made(romeo, room, "romeo", persistent=True, archived=True, name="Square")
        for guest, nick in ((juliet, "juliet"), (tybalt, "tybalt")):
            await guest.come_in(room, nick)
        await mercutio.client.rooms.join(room, "mercutio")
        await noticed(mercutio, "mercutio")
        await romeo.client.rooms.set_role(room, "juliet", Role.MODERATOR)
        await noticed(romeo, "juliet", role=Role.MODERATOR)
        tybalt.say(room, "villain")
        heard = await romeo.heard("villain")
        first = stanza_id(await juliet.heard("villain"), room)
        expect_equal(heard.record, first, "its identity")
        await refused(mercutio.client.rooms.hide(room, first), Code.FORBIDDEN)
        await refused(romeo.client.rooms.hide(room, "0123456789abcdef"), Code.ITEM_NOT_FOUND)
        await romeo.client.rooms.hide(room, first, "language")
        word = await tybalt.take(tybalt.inbox, lambda one: find(one, ("retract", RETRACT)) is not None, "the moderation")
        expect_equal((str(word["from"]), *hides(word.xml)), (room, first, room + "/romeo", "language"), "what XMPP hears: %s" % word)
        kept = stanza_id(word, room)
        notice = await told(mercutio, Verb.NOTICE, lambda one: one.record)
        expect_equal((notice.record, notice.by, notice.reason), (first, "romeo", "language"), "what ICPP hears")
        await mercutio.client.rooms.say(room, "A plague!")
        second = stanza_id(await juliet.heard("A plague!"), room)
        await juliet.ask("set", "<moderate xmlns='%s' id='%s'><retract xmlns='%s'/><reason>both</reason></moderate>" % (
            MODERATE, second, RETRACT), to=room)
        notice = await told(mercutio, Verb.NOTICE, lambda one: one.record == second)
        expect_equal((notice.by, notice.reason), ("juliet", "both"), "what the writer hears")
        tybalt.say(room, "sorry")
        third = stanza_id(await tybalt.heard("sorry"), room)
        await mercutio.heard("sorry")
        retraction = tybalt.make_message(mto=room, mtype="groupchat")
        retraction.append(ET.Element("{%s}retract" % RETRACT, {"id": third}))
        retraction["id"] = "back"
        retraction.send()
        recall = await mercutio.take("messages", lambda one: one.verb == Verb.RECALL, "the recall")
        expect_equal(recall.record_ref, third, "what Tybalt takes back")
        await refused(romeo.client.rooms.hide(room, first), Code.ITEM_NOT_FOUND)
        for _ in range(2):
            await by_xmpp(juliet, room, (first, second, third), kept)
            await by_icpp(mercutio, room, (first, second, third))
            await other_life(other)
            juliet, mercutio = await company.online("juliet", resource="late"), await phones.online("mercutio", resource="late")
            await juliet.come_in(room, "j2")
            await mercutio.client.rooms.join(room, "m2")
            await noticed(mercutio, "m2")


async def by_xmpp(guest, room, hidden, kept):
    """Each hidden message is a tombstone, and each moderation stands in the archive."""
    told = await mam(guest, to=room)
    graves = [one for one in told if one.find("{%s}retracted" % RETRACT) is not None]
    expect_equal([one.get("from") for one in graves], [room + nick for nick in ("/tybalt", "/mercutio", "/tybalt")], "whose they were")
    expect(not any(one.find("{jabber:client}body") is not None for one in graves), "nothing of what they said")
    marks = [one.find("{%s}retracted" % RETRACT) for one in graves]
    moderators = [mark.find("{%s}moderated" % MODERATE) for mark in marks]
    expect_equal([one.get("by") if one is not None else None for one in moderators], [room + "/romeo", room + "/juliet", None], "who hid them")
    expect_equal([mark.findtext("{%s}reason" % RETRACT) for mark in marks], ["language", "both", None], "why")
    words = [one for one in told if one.find("{%s}retract/{%s}moderated" % (RETRACT, MODERATE)) is not None]
    expect_equal([hides(one) for one in words],
                 [(hidden[0], room + "/romeo", "language"), (hidden[1], room + "/juliet", "both")], "the moderations")
    expect_equal([mark.get("id") for mark in marks], [words[0].get("id"), words[1].get("id"), "back"], "which word hid them")
    expect(words[0].get("id") == kept and all(mark.get("stamp") for mark in marks), "the identity that was told")


async def by_icpp(phone, room, hidden):
    told = await archived(phone, room, room=True)
    recalls = [one for _, one in told if one.verb == Verb.RECALL]
    expect_equal([(one.record_ref, one.text) for one in recalls if one.sender == room],
                 [(hidden[0], "language"), (hidden[1], "both")], "the moderations")
    expect_equal([one.record_ref for one in recalls if one.sender != room], [hidden[2]], "what its writer took back")
    expect_equal([text for text, one in told if one.verb is None and text], [], "what is left")


@play(seconds=60)
async def keeping_to_what_was_said(server):
    """In a room: corrections, what is taken back, what one does, subjects, receipts in private; both ways, and for who comes later."""
    async with archiving(server) as other, Salon(other) as (phones, company):
        romeo, juliet = await phones.online("romeo"), await company.online("juliet")
        room = address(other, romeo, "square")
        await made(romeo, room, "romeo", persistent=True, archived=True, subject_by_all=True)
        await juliet.come_in(room, "juliet")
        await noticed(romeo, "juliet")
        sent = await romeo.client.rooms.say(room, "teh")
        heard = await juliet.heard("teh")
        record = (await romeo.heard("teh")).record
        await romeo.client.edit(room, sent, "the", kind=Kind.GROUPCHAT)
        edit = await juliet.heard("the")
        expect_equal((edit["type"], find(edit, ("replace", CORRECT)).get("id")), ("groupchat", heard["id"]), "his correction")
        await romeo.client.recall(room, sent, kind=Kind.GROUPCHAT, record_ref=record)
        back = await juliet.take(juliet.inbox, lambda one: find(one, ("retract", RETRACT)) is not None, "what he takes back")
        expect_equal((find(back, ("retract", RETRACT)).get("id"), str(back["from"])), (stanza_id(heard, room), room + "/romeo"), "which")
        identity = juliet.say(room, "wrogn")
        got = await romeo.heard("wrogn")
        juliet.say(room, "wrong", "<replace xmlns='%s' id='%s'/>" % (CORRECT, identity))
        edit = await romeo.heard("wrong")
        expect_equal((edit.verb, edit.ref, edit.kind), (Verb.EDIT, got.id, 2), "her correction")
        state = juliet.make_message(mto=room, mtype="groupchat")
        state.append(ET.Element("{%s}composing" % STATES))
        state.send()
        note = await romeo.saw(Typing)
        expect_equal((note.sender, note.activity), (room + "/juliet", Activity.COMPOSING), "what she does")
        juliet.say(room, "off the record", "<no-store xmlns='urn:xmpp:hints'/>")
        await romeo.heard("off the record")
        await romeo.client.rooms.say(room, "nor this", store=False)
        await juliet.heard("nor this")
        juliet.send_message(room, mbody=None, msubject="<Night>", mtype="groupchat")
        expect_equal((await told(romeo, Verb.SUBJECT, lambda one: one.subject)).subject, "<Night>", "her subject")
        await romeo.client.rooms.set_subject(room, "Day & night")
        await juliet.take(juliet.inbox, lambda one: one["subject"] == "Day & night", "his subject")
        whisper = await romeo.client.rooms.whisper(room, "juliet", "psst", receipt=True)
        heard = await juliet.heard("psst")
        answer = juliet.make_message(heard["from"], mtype="chat")
        answer.append(ET.Element("{urn:xmpp:receipts}received", {"id": heard["id"]}))
        answer.send()
        receipt = await romeo.saw(Receipt)
        expect_equal((receipt.ref, receipt.sender), (whisper, room + "/juliet"), "her receipt")
        late = await phones.online("nurse")
        await late.client.rooms.join(room, "nurse")
        await noticed(late, "nurse")
        expect_equal([one.text for one in late.inbox if one.verb == Verb.DELIVER], ["wrogn"], "what is shown to who comes later")
        kept = [(one.verb, text) for text, one in await archived(late, room, room=True)]
        expect_equal(kept, [(Verb.EDIT, "the"), (Verb.RECALL, ""), (None, "wrogn"), (Verb.EDIT, "wrong")], "the history")
        graves = [one for one in await mam(juliet, to=room) if one.find("{%s}retracted" % RETRACT) is not None]
        expect_equal([one.find("{%s}retracted" % RETRACT).get("id") for one in graves], [back["id"]], "the tombstone")
