"""Plays of ICPP people with XMPP people, who need not know what the other speaks."""

import asyncio

from slixmpp.xmlstream import ET

from interop.people import Cast
from interop.phones import Phones
from interop.stage import expect, expect_equal

from crosspoint import Activity, Bounced, Receipt, ReceiptKind, Show, Typing, Verb

from .icpp_python_people import BLOCKED, play

RECEIPTS = "urn:xmpp:receipts"
STATES = "http://jabber.org/protocol/chatstates"
MARKERS = "urn:xmpp:chat-markers:0"


class Both:
    """Phones and slixmpp people with accounts in common."""

    def __init__(self, server):
        self.cast = Cast(server)
        self.phones = Phones(server, self.cast.accounts)

    async def __aenter__(self):
        return self.phones, self.cast

    async def __aexit__(self, *failure):
        await self.phones.__aexit__(*failure)
        await self.cast.__aexit__(*failure)


async def acquainted(phones, cast):
    """Romeo on ICPP and Juliet on XMPP, each of whom sees the other."""
    romeo, juliet = await phones.online("romeo"), await cast.online("juliet")
    await romeo.client.subscribe(juliet.boundjid.bare, "from a binary world")
    await juliet.heard_of(romeo.address, "subscribe")
    juliet.send_presence(pto=romeo.address, ptype="subscribed")
    await romeo.heard_of(juliet.boundjid.full, Show.AVAILABLE)
    juliet.send_presence(pto=romeo.address, ptype="subscribe")
    await romeo.take("events", lambda one: getattr(one, "verb", None) == Verb.SUBSCRIBE, "her request")
    await romeo.client.approve(juliet.boundjid.bare)
    await juliet.heard_of(romeo.client.session.address, "available")
    await juliet.settled()
    await romeo.settled()
    juliet.presences.clear()
    return romeo, juliet


def extend(message, name, namespace, **attributes):
    message.append(ET.Element("{%s}%s" % (namespace, name), attributes))
    return message


@play()
async def xmpp_chat_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await phones.online("romeo"), await cast.online("juliet")
        await romeo.client.send(juliet.boundjid.bare, "But, soft! <&> \N{ROSE}", subject="Balcony", thread="act-2")
        message = await juliet.heard("But, soft! <&> \N{ROSE}")
        expect_equal((str(message["from"]), message["type"], message["subject"], message["thread"]),
                     (romeo.client.session.address, "chat", "Balcony", "act-2"), "what Juliet got")
        expect(message["id"], "it has an id")
        reply = juliet.make_message(romeo.client.session.address, "Ay me!", "So", "chat")
        reply["thread"] = "act-2"
        reply.send()
        message = await romeo.heard("Ay me!")
        expect_equal((message.sender, message.kind, message.subject, message.thread, message.foreign_id),
                     (juliet.boundjid.full, 0, "So", "act-2", reply["id"]), "what Romeo got")


@play()
async def xmpp_many_both_ways_in_order(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await phones.online("romeo"), await cast.online("juliet")
        for number in range(300):
            romeo.client.post(juliet.boundjid.bare, "i%d" % number)
            juliet.send_message(romeo.address, "x%d" % number, mtype="chat")
            if number % 50 == 0:
                await asyncio.sleep(0)
        await romeo.heard("x299")
        await juliet.heard("i299")
        expect_equal([one.text for one in romeo.inbox], ["x%d" % number for number in range(299)], "what Romeo got")
        expect_equal([one["body"] for one in juliet.inbox], ["i%d" % number for number in range(299)], "what Juliet got")


@play()
async def xmpp_presence_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        romeo.client.show(Show.DO_NOT_DISTURB, "fencing", 7)
        seen = await juliet.heard_of(romeo.client.session.address, "dnd")
        expect_equal((seen["status"], seen["priority"]), ("fencing", 7), "what Juliet sees")
        juliet.send_presence(pshow="xa", pstatus="asleep", ppriority=2)
        seen = await romeo.heard_of(juliet.boundjid.full, Show.EXTENDED_AWAY)
        expect_equal((seen.status, seen.priority), ("asleep", 2), "what Romeo sees")
        await romeo.leave()
        await juliet.heard_of(romeo.client.session.address, "unavailable")
        again = await phones.online("romeo")
        await again.heard_of(juliet.boundjid.full, Show.EXTENDED_AWAY)
        await juliet.leave()
        await again.heard_of(juliet.boundjid.full, Show.UNAVAILABLE)
        juliet = await cast.online("juliet")
        await juliet.heard_of(again.client.session.address, "available")


@play()
async def xmpp_rosters_agree(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        expect_equal(romeo.client.roster[juliet.boundjid.bare].subscription, 3, "Juliet in Romeo's roster")
        expect_equal((await juliet.roster_now())[romeo.address][0], "both", "Romeo in Juliet's roster")
        await romeo.client.set_contact(juliet.boundjid.bare, "Jule", ("Loved",))
        other = await cast.online("romeo", resource="xmpp")
        expect_equal((await other.roster_now())[juliet.boundjid.bare], ("both", "", "Jule", ["Loved"]), "by XMPP")
        await other.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s' name='J'/></query>" % juliet.boundjid.bare)
        await romeo.settled()
        expect_equal(romeo.client.roster[juliet.boundjid.bare].name, "J", "after a change by XMPP")
        await romeo.client.remove_contact(juliet.boundjid.bare)
        await juliet.heard_of(romeo.address, "unsubscribe")
        await juliet.heard_of(romeo.address, "unsubscribed")


@play()
async def xmpp_offline_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo = await phones.online("romeo")
        juliet_address = cast.jid("juliet") if "juliet" in cast.accounts else phones.jid("juliet")
        sent = await romeo.client.send(juliet_address, "while you slept", receipt=True)
        await romeo.leave()
        juliet = await cast.online("juliet")
        await juliet.heard("while you slept")
        juliet.send_message(romeo.address, "while you fenced", mtype="chat")
        await juliet.settled()
        await juliet.leave()
        again = await phones.online("romeo")
        expect_equal((await again.heard("while you fenced")).sender, juliet.boundjid.full, "the sender")
        expect(sent, "sent")


@play()
async def xmpp_receipts_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        sent = await romeo.client.send(juliet.boundjid.full, "did you get it?", receipt=True)
        message = await juliet.heard("did you get it?")
        expect(message.xml.find("{%s}request" % RECEIPTS) is not None, "no request for a receipt: %s" % message)
        answer = juliet.make_message(message["from"], mtype="chat")
        extend(answer, "received", RECEIPTS, id=message["id"]).send()
        receipt = await romeo.saw(Receipt)
        expect_equal((receipt.kind, receipt.ref), (ReceiptKind.DELIVERED, sent), "the receipt")
        question = juliet.make_message(romeo.client.session.address, "and you?", mtype="chat")
        extend(question, "request", RECEIPTS).send()
        await romeo.heard("and you?")
        got = await juliet.take(juliet.inbox, lambda one: one.xml.find("{%s}received" % RECEIPTS) is not None, "a receipt")
        expect_equal(got.xml.find("{%s}received" % RECEIPTS).get("id"), question["id"], "for what")


@play()
async def xmpp_displayed_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        question = juliet.make_message(romeo.client.session.address, "read me", mtype="chat")
        extend(question, "markable", MARKERS).send()
        await romeo.client.displayed(await romeo.heard("read me"))
        got = await juliet.take(juliet.inbox, lambda one: one.xml.find("{%s}displayed" % MARKERS) is not None, "a marker")
        expect_equal(got.xml.find("{%s}displayed" % MARKERS).get("id"), question["id"], "for what")
        sent = await romeo.client.send(juliet.boundjid.full, "and me")
        message = await juliet.heard("and me")
        extend(juliet.make_message(message["from"], mtype="chat"), "displayed", MARKERS, id=message["id"]).send()
        receipt = await romeo.saw(Receipt)
        expect_equal((receipt.kind, receipt.ref), (ReceiptKind.DISPLAYED, sent), "the receipt")


@play()
async def xmpp_typing_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        for name in ("composing", "paused", "active", "inactive", "gone"):
            romeo.client.typing(juliet.boundjid.full, Activity[name.upper()])
            await juliet.take(juliet.inbox, lambda one: one.xml.find("{%s}%s" % (STATES, name)) is not None, name)
            extend(juliet.make_message(romeo.client.session.address, mtype="chat"), name, STATES).send()
            note = await romeo.saw(Typing)
            expect_equal((note.activity, note.sender), (Activity[name.upper()], juliet.boundjid.full), "the note")
        extend(juliet.make_message(romeo.client.session.address, "said", mtype="chat"), "active", STATES).send()
        expect_equal((await romeo.heard("said")).state, Activity.ACTIVE, "beside a message")


@play()
async def xmpp_corrections_and_retractions_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        sent = await romeo.client.send(juliet.boundjid.full, "teh")
        first = await juliet.heard("teh")
        await romeo.client.edit(juliet.boundjid.full, sent, "the")
        second = await juliet.heard("the")
        expect_equal(second.xml.find("{urn:xmpp:message-correct:0}replace").get("id"), first["id"], "what is replaced")
        await romeo.client.recall(juliet.boundjid.full, sent)
        retraction = await juliet.take(juliet.inbox, lambda one: one.xml.find("{urn:xmpp:message-retract:1}retract") is not None, "a retraction")
        expect_equal(retraction.xml.find("{urn:xmpp:message-retract:1}retract").get("id"), first["id"], "what is retracted")
        original = juliet.make_message(romeo.client.session.address, "wrogn", mtype="chat")
        original.send()
        got = await romeo.heard("wrogn")
        extend(juliet.make_message(romeo.client.session.address, "wrong", mtype="chat"), "replace", "urn:xmpp:message-correct:0",
               id=original["id"]).send()
        edit = await romeo.heard("wrong")
        expect_equal((edit.verb, edit.ref), (Verb.EDIT, got.id), "the edit")
        extend(juliet.make_message(romeo.client.session.address, mtype="chat"), "retract", "urn:xmpp:message-retract:1",
               id=original["id"]).send()
        recall = await romeo.take("messages", lambda one: one.verb == Verb.RECALL, "a recall")
        expect_equal(recall.ref, got.id, "what is recalled")


@play()
async def xmpp_blocking_both_ways(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        await romeo.client.block(juliet.boundjid.bare)
        await juliet.heard_of(romeo.client.session.address, "unavailable")
        refused = juliet.make_message(romeo.address, "unheard", mtype="chat")
        refused.send()
        error = await juliet.take(juliet.inbox, lambda one: one["type"] == "error", "an error")
        expect_equal(error["id"], refused["id"], "of what")
        await romeo.client.unblock(juliet.boundjid.bare)
        await juliet.heard_of(romeo.client.session.address, "available")
        await juliet.ask("set", "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % romeo.address)
        await romeo.heard_of(juliet.boundjid.full, Show.UNAVAILABLE)
        await romeo.settled()
        romeo.presences.clear()
        sent = await romeo.client.send(juliet.boundjid.bare, "unheard")
        bounced = await romeo.saw(Bounced)
        expect(bounced.id == sent and bounced.condition in BLOCKED, str(bounced))
        await juliet.ask("set", "<unblock xmlns='urn:xmpp:blocking'/>")
        await romeo.heard_of(juliet.boundjid.full, Show.AVAILABLE)
        await romeo.client.send(juliet.boundjid.bare, "heard")
        await juliet.heard("heard")
        expect_equal([one["body"] for one in juliet.inbox if one["body"] == "unheard" and one["type"] != "error"]
                     + [one.text for one in romeo.inbox], [], "what passed the blocks")


@play()
async def xmpp_and_icpp_share_the_black_list(server):
    async with Both(server) as (phones, cast):
        romeo, xmpp = await phones.online("romeo"), await cast.online("romeo", resource="xmpp")
        await xmpp.ask("set", "<block xmlns='urn:xmpp:blocking'><item jid='tybalt@%s'/></block>" % server.domain)
        expect_equal(await romeo.client.blocked(), [server.jid("tybalt")], "what was blocked by XMPP")


@play()
async def xmpp_what_cannot_be_said_does_not_arrive(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        extend(juliet.make_message(romeo.client.session.address, mtype="chat"), "mood", "urn:example:unknown").send()
        extend(juliet.make_message(romeo.client.session.address, "the text", mtype="chat"), "mood", "urn:example:unknown").send()
        message = await romeo.heard("the text")
        expect_equal(message.payload, b"the text", "its payload")
        await romeo.settled()
        expect_equal(romeo.inbox, [], "what else came")


@play()
async def xmpp_what_cannot_be_said_does_not_stop_the_session(server):
    """The messages that do not arrive are no gap: counting and resumption go on."""
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        for number in range(400):
            extend(juliet.make_message(romeo.address, mtype="chat"), "mood", "urn:example:unknown").send()
        juliet.send_message(romeo.address, "last", mtype="chat")
        await romeo.heard("last")
        romeo.vanish()
        juliet.send_message(romeo.address, "and after", mtype="chat")
        await romeo.heard("and after")
        expect_equal(romeo.inbox, [], "what else came")


@play()
async def xmpp_a_text_that_no_frame_holds_is_cut(server):
    """It arrives as far as it fits, says so, and ends nobody's session; what was said after it arrives, too."""
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        juliet.send_message(romeo.address, "x" * 150000, mtype="chat")
        juliet.send_message(romeo.address, "and after", mtype="chat")
        await romeo.heard("x" * (49152 - len(" [...]")) + " [...]")
        await romeo.heard("and after")


@play()
async def xmpp_queries_to_icpp_are_answered(server):
    """A query to a session that speaks no XMPP is refused by the server on its behalf, and not left without an answer."""
    async with Both(server) as (phones, cast):
        romeo, juliet = await acquainted(phones, cast)
        try:
            await juliet.ask("get", "<query xmlns='jabber:iq:version'/>", romeo.client.session.address)
        except Exception as error:
            expect(getattr(error, "condition", None) in ("service-unavailable", "feature-not-implemented"), repr(error))
        else:
            raise AssertionError("it was answered by nobody knows whom")


@play()
async def xmpp_message_types(server):
    async with Both(server) as (phones, cast):
        romeo, juliet = await phones.online("romeo"), await cast.online("juliet")
        for kind, name in ((0, "chat"), (1, "normal"), (3, "headline")):
            await romeo.client.send(juliet.boundjid.full, "i " + name, kind=kind)
            expect_equal((await juliet.heard("i " + name))["type"], name, "at Juliet")
            juliet.send_message(romeo.client.session.address, "x " + name, mtype=name)
            expect_equal((await romeo.heard("x " + name)).kind, kind, "at Romeo")


@play()
async def xmpp_carbons_and_copies(server):
    """Romeo has a session of each kind: both see what the other sends and receives."""
    async with Both(server) as (phones, cast):
        phone = await phones.online("romeo", resource="phone")
        desk = await cast.online("romeo", resource="desk", plugins=("xep_0280",))
        await desk["xep_0280"].enable()
        juliet = await cast.online("juliet")
        await phone.client.send(juliet.boundjid.bare, "by phone")
        await juliet.heard("by phone")
        sent = await desk.take(desk.inbox, lambda one: one.xml.find("{urn:xmpp:carbons:2}sent") is not None, "a carbon")
        expect("by phone" in str(sent), str(sent))
        desk.send_message(juliet.boundjid.bare, "by desk", mtype="chat")
        expect_equal((await phone.heard("by desk")).copy, 2, "the copy")
        juliet.send_message(desk.boundjid.full, "to the desk", mtype="chat")
        expect_equal((await phone.heard("to the desk")).copy, 1, "the copy")
