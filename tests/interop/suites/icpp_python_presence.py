"""Plays of presence, subscriptions, contacts and lists between ICPP people and XMPP people, in every state, and between the devices of
one who has both."""

import asyncio

from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from interop.conference import STANZAS
from interop.phones import Wire, wire
from interop.stage import expect, expect_equal, quiet

from crosspoint import Bounced, ListChanged, RosterChanged, Show, Subscribed, Typing, Verb
from crosspoint.errors import Code

from .icpp_python_across import Pair, archiving, other_life
from .icpp_python_people import BLOCKED, play
from .icpp_python_xmpp import STATES, acquainted, extend

SHOWS = ((Show.AVAILABLE, "available"), (Show.CHAT, "chat"), (Show.AWAY, "away"), (Show.EXTENDED_AWAY, "xa"), (Show.DO_NOT_DISTURB, "dnd"))


async def asked(phone, verb, address):
    """A SUBSCRIBE, APPROVE, UNSUBSCRIBE or DENY of somebody has come."""
    return await phone.take("events", lambda one: getattr(one, "verb", None) == verb and one.address == address, verb.name)


def blocks_of(person):
    """A box of the pushes of blocking that this person gets: (block or unblock, addresses)."""
    pushes = []

    def arrived(iq):
        change = iq.xml[0]
        pushes.append((change.tag.partition("}")[2], [item.get("jid") for item in change]))
        asyncio.ensure_future(person.stir())
    for name in ("block", "unblock"):
        matcher = MatchXPath("{jabber:client}iq/{urn:xmpp:blocking}%s" % name)
        person.register_handler(Callback("keep " + name, matcher, lambda iq: iq["type"] == "set" and arrived(iq)))
    return pushes


@play()
async def presence_of_every_kind(server):
    async with Pair(server) as pair:
        romeo, juliet = await acquainted(pair.phones, pair.cast)
        for show, name in SHOWS:
            romeo.client.show(show, "<%s> & more" % name, -3)
            seen = await juliet.heard_of(romeo.client.session.address, name)
            expect_equal((seen["status"], seen["priority"]), ("<%s> & more" % name, -3), "what XMPP sees")
            juliet.send_presence(pshow=None if name == "available" else name, pstatus="<%s> & more" % name, ppriority=-5)
            seen = await romeo.heard_of(juliet.boundjid.full, show)
            expect_equal((seen.status, seen.priority), ("<%s> & more" % name, -5), "what ICPP sees")
        romeo.client.show(Show.UNAVAILABLE, "good night")
        seen = await juliet.heard_of(romeo.client.session.address, "unavailable")
        expect_equal(seen["status"], "good night", "his last words")
        romeo.client.show(Show.AVAILABLE)
        await juliet.heard_of(romeo.client.session.address, "available")
        await romeo.heard_of(juliet.boundjid.full, Show.DO_NOT_DISTURB)
        juliet.send_presence(ptype="unavailable", pstatus="a thousand times")
        seen = await romeo.heard_of(juliet.boundjid.full, Show.UNAVAILABLE)
        expect_equal(seen.status, "a thousand times", "her last words")


@play()
async def presence_for_one(server):
    """Directed, by and to strangers, and taken back: in words, and by the end of the session."""
    async with Pair(server) as pair:
        romeo, juliet = await pair.phones.online("romeo"), await pair.cast.online("juliet")
        romeo.client.show_to(juliet.boundjid.full, Show.CHAT, "for you")
        seen = await juliet.heard_of(romeo.client.session.address, "chat")
        expect_equal(seen["status"], "for you", "what XMPP sees")
        romeo.client.show_to(juliet.boundjid.full, Show.UNAVAILABLE, "no more")
        expect_equal((await juliet.heard_of(romeo.client.session.address, "unavailable"))["status"], "no more", "and its end")
        juliet.send_presence(pto=romeo.client.session.address, pshow="away", pstatus="for you")
        expect_equal((await romeo.heard_of(juliet.boundjid.full, Show.AWAY)).status, "for you", "what ICPP sees")
        romeo.client.show_to(juliet.boundjid.full, Show.AWAY)
        await juliet.heard_of(romeo.client.session.address, "away")
        await juliet.leave()
        await romeo.heard_of(juliet.boundjid.full, Show.UNAVAILABLE)
        again = await pair.cast.online("juliet")
        romeo.client.show_to(again.boundjid.full, Show.AWAY)
        await again.heard_of(romeo.client.session.address, "away")
        await romeo.leave()
        await again.heard_of(romeo.client.session.address, "unavailable")


@play()
async def presence_is_refused_given_up_and_revoked(server):
    async with Pair(server) as pair:
        romeo, juliet = await pair.phones.online("romeo"), await pair.cast.online("juliet")
        hers, his = juliet.boundjid.bare, romeo.address
        await romeo.client.subscribe(hers)
        await juliet.heard_of(his, "subscribe")
        juliet.send_presence(pto=his, ptype="unsubscribed")
        await asked(romeo, Verb.DENY, hers)
        juliet.send_presence(pto=his, ptype="subscribe", pstatus="let me")
        expect_equal((await asked(romeo, Verb.SUBSCRIBE, hers)).note, "let me", "her words")
        await romeo.client.deny(hers)
        await juliet.heard_of(his, "unsubscribed")
        await romeo.settled()
        expect_equal(romeo.client.roster[hers].subscription, Subscribed.NONE, "nobody sees anybody")
        romeo, juliet = await acquainted(pair.phones, pair.cast)
        await romeo.client.unsubscribe(hers)
        await juliet.heard_of(his, "unsubscribe")
        await romeo.heard_of(juliet.boundjid.full, Show.UNAVAILABLE)
        await juliet.settled()
        expect_equal((await juliet.roster_now())[his][0], "to", "she sees him still")
        juliet.send_presence(pto=his, ptype="unsubscribe")
        await asked(romeo, Verb.UNSUBSCRIBE, hers)
        await juliet.heard_of(romeo.client.session.address, "unavailable")
        await romeo.settled()
        expect_equal(romeo.client.roster[hers].subscription, Subscribed.NONE, "and nobody more")


@play()
async def presence_asked_for_while_the_other_is_away(server):
    """Requests wait; answers are seen in the roster of who comes back."""
    async with Pair(server) as pair:
        romeo, juliet = await pair.phones.online("romeo"), await pair.cast.online("juliet")
        hers, his = juliet.boundjid.bare, romeo.address
        await juliet.leave()
        await romeo.client.subscribe(hers, "while you sleep")
        await romeo.leave()
        juliet = await pair.cast.online("juliet")
        expect_equal((await juliet.heard_of(his, "subscribe"))["status"], "while you sleep", "his words")
        juliet.send_presence(pto=his, ptype="subscribed")
        juliet.send_presence(pto=his, ptype="subscribe", pstatus="and me")
        await juliet.settled()
        await juliet.leave()
        romeo = await pair.phones.online("romeo")
        expect_equal((await asked(romeo, Verb.SUBSCRIBE, hers)).note, "and me", "her words")
        expect_equal(romeo.client.roster[hers].subscription, Subscribed.TO, "she has granted it")
        await romeo.client.approve(hers)
        await romeo.leave()
        juliet = await pair.cast.online("juliet")
        expect_equal((await juliet.roster_now())[his][:2], ("both", ""), "he has granted it")


@play()
async def presence_granted_in_advance(server):
    """Who is approved before he asks is never asked about (RFC 6121 section 3.4), in either direction."""
    async with Pair(server) as pair:
        romeo, juliet = await pair.phones.online("romeo"), await pair.cast.online("juliet")
        hers, his = juliet.boundjid.bare, romeo.address
        await romeo.client.approve(hers)
        await romeo.saw(RosterChanged, lambda one: one.contact and one.contact.approved)
        desk = await pair.desk("romeo")
        answer = await desk.make_iq_get("jabber:iq:roster").send()
        items = {one.get("jid"): one.get("approved") for one in answer.xml.iter("{jabber:iq:roster}item")}
        expect_equal(items, {hers: "true"}, "by XMPP")
        juliet.send_presence(pto=his, ptype="subscribe")
        await juliet.heard_of(his, "subscribed")
        await juliet.heard_of(romeo.client.session.address, "available")
        juliet.send_presence(pto=his, ptype="subscribed")
        await juliet.settled()
        await romeo.client.subscribe(hers)
        await asked(romeo, Verb.APPROVE, hers)
        await romeo.heard_of(juliet.boundjid.full, Show.AVAILABLE)
        await romeo.settled()
        requests = [one for one in romeo.happened if getattr(one, "verb", None) == Verb.SUBSCRIBE]
        requests += [one for one in juliet.presences if one["type"] == "subscribe"]
        expect_equal(requests, [], "requests that had to be answered")


@play()
async def contacts_and_lists_on_two_devices(server):
    """What one device of Romeo's changes is pushed to the other, whichever protocol it speaks."""
    async with Pair(server) as pair:
        phone, desk = await pair.phone("romeo"), await pair.desk("romeo")
        nurse, tybalt, spam = server.jid("nurse"), server.jid("tybalt"), "spam.test"
        await phone.heard_of(desk.boundjid.full, Show.AVAILABLE)
        await desk.heard_of(phone.client.session.address, "available")
        await desk.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s' name='N'><group>A</group></item></query>" % nurse)
        one = (await phone.saw(RosterChanged, lambda one: one.contact)).contact
        expect_equal((one.address, one.name, one.groups), (nurse, "N", ("A",)), "what the phone is told")
        await phone.client.set_contact(tybalt, "T", ("B", "C"))
        await desk.pushed(tybalt, "none")
        await phone.client.subscribe(tybalt)
        await desk.pushed(tybalt, "none", "subscribe")
        expect_equal((await desk.roster_now())[tybalt], ("none", "subscribe", "T", ["B", "C"]), "by XMPP")
        await desk.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % nurse)
        one = await phone.saw(RosterChanged, lambda one: one.contact and one.contact.removed)
        expect_equal(one.contact.address, nurse, "what the phone is told")
        await phone.client.remove_contact(tybalt)
        await desk.pushed(tybalt, "remove")
        version = phone.client._state.roster_version
        raw = await Wire.session(server, *pair.phones.credentials("romeo"))
        raw.ask(Verb.ROSTER, wire.Roster(0, (), version).encode())
        expect_equal(wire.Roster.decode((await raw.wait(Verb.ROSTER)).body).op, 4, "the version that was pushed is the newest")
        raw.abort()
        await desk.ask("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        pushes = blocks_of(desk)
        await phone.client.block(spam, tybalt)
        await desk.take(pushes, lambda one: sorted(one[1]) == sorted([spam, tybalt]) and one[0] == "block", "the block")
        await desk.ask("set", "<unblock xmlns='urn:xmpp:blocking'><item jid='%s'/></unblock>" % tybalt)
        one = await phone.saw(ListChanged, lambda one: one.op == 2)
        expect_equal((one.verb, one.addresses), (Verb.BLOCK, (tybalt,)), "what the phone is told")
        await desk.ask("set", "<unblock xmlns='urn:xmpp:blocking'/>")
        one = await phone.saw(ListChanged, lambda one: one.op == 2)
        expect_equal((one.op, one.addresses, await phone.client.blocked()), (2, (), []), "nobody is blocked any more")
        await phone.client.block(spam)
        await phone.client.unblock_all()
        await desk.take(pushes, lambda one: one == ("unblock", []), "the end of all blocks")


@play()
async def the_white_list_and_who_speaks_xmpp(server):
    async with Pair(server) as pair:
        romeo, juliet = await acquainted(pair.phones, pair.cast)
        nurse, tybalt = await pair.cast.online("nurse"), await pair.cast.online("tybalt")
        await romeo.client.allow(nurse.boundjid.bare)
        await romeo.client.allow_only()
        for friend in (juliet, nurse):
            friend.send_message(romeo.address, "from " + friend.boundjid.user, mtype="chat")
            await romeo.heard("from " + friend.boundjid.user)
        stranger = tybalt.make_message(romeo.address, "villain", mtype="chat")
        stranger.send()
        error = await tybalt.take(tybalt.inbox, lambda one: one["type"] == "error", "an error")
        expect_equal((error["id"], error["error"]["condition"]), (stranger["id"], "service-unavailable"), "what he is told")
        tybalt.send_presence(pto=romeo.client.session.address)
        tybalt.send_presence(pto=romeo.address, ptype="subscribe")
        extend(tybalt.make_message(romeo.client.session.address, mtype="chat"), "composing", STATES).send()
        await tybalt.settled()
        await romeo.settled()
        reached = [one for one in romeo.presences if one.address.startswith(tybalt.boundjid.bare)] + romeo.inbox
        reached += [one for one in romeo.happened if tybalt.boundjid.bare in (getattr(one, "address", ""), getattr(one, "sender", "")[:len(tybalt.boundjid.bare)])]
        expect_equal(reached, [], "what reached him")
        await romeo.client.block(nurse.boundjid.bare)
        nurse.send_message(romeo.address, "blocked", mtype="chat")
        await nurse.take(nurse.inbox, lambda one: one["type"] == "error", "an error")
        await romeo.client.allow_only(False)
        tybalt.send_message(romeo.address, "at last", mtype="chat")
        await romeo.heard("at last")
        await romeo.leave()
        await tybalt.settled()
        again = await pair.phones.online("romeo", resource="again")
        expect_equal(await again.client.allowed(), ([nurse.boundjid.bare], False), "the list stays")


@play()
async def the_background_and_who_speaks_xmpp(server):
    """While nobody looks, presence and typing of XMPP people are kept back; what they say is not."""
    async with Pair(server) as pair:
        romeo, juliet = await acquainted(pair.phones, pair.cast)
        romeo.client.background()
        await romeo.settled()
        romeo.presences.clear()
        juliet.send_presence(pshow="away", pstatus="first")
        juliet.send_presence(pshow="xa", pstatus="second")
        extend(juliet.make_message(romeo.client.session.address, mtype="chat"), "composing", STATES).send()
        juliet.send_message(romeo.address, "but this", mtype="chat")
        await romeo.heard("but this")
        await romeo.settled()
        held = (romeo.presences, [one for one in romeo.happened if isinstance(one, Typing)])
        expect_equal(held, ([], []), "what came")
        romeo.vanish()
        await quiet()
        await romeo.client.online()
        juliet.send_message(romeo.address, "and after", mtype="chat")
        await romeo.heard("and after")
        expect_equal(romeo.presences, [], "what came after a resumption in the background")
        romeo.client.foreground()
        seen = await romeo.heard_of(juliet.boundjid.full, Show.EXTENDED_AWAY)
        expect_equal(seen.status, "second", "the latest")
        await romeo.settled()
        expect_equal(romeo.presences, [], "more")


@play()
async def errors_say_why_both_ways(server):
    """What an XMPP client refuses comes back with its reason; what is refused of XMPP by blocking looks the same as ever."""
    async with Pair(server) as pair:
        romeo, juliet = await pair.phones.online("romeo"), await pair.cast.online("juliet")
        conditions = {"not-acceptable": Code.NOT_ACCEPTABLE, "forbidden": Code.FORBIDDEN, "policy-violation": Code.POLICY_VIOLATION,
                      "gone": Code.ITEM_NOT_FOUND, "recipient-unavailable": Code.SERVICE_UNAVAILABLE, "redirect": Code.ITEM_NOT_FOUND,
                      "undefined-condition": Code.INTERNAL_SERVER_ERROR, "resource-constraint": Code.RESOURCE_CONSTRAINT}
        for name, code in conditions.items():
            sent = await romeo.client.send(juliet.boundjid.full, name)
            message = await juliet.heard(name)
            error = juliet.make_message(message["from"], mtype="error")
            error["id"] = message["id"]
            error.append(ET.fromstring("<error xmlns='jabber:client' type='cancel'><%s xmlns='%s'/></error>" % (name, STANZAS)))
            error.send()
            bounced = await romeo.saw(Bounced, lambda one: one.id == sent)
            expect_equal(bounced.condition, code, name)
        await romeo.client.block(juliet.boundjid.bare)
        sent = await romeo.client.send(juliet.boundjid.bare, "whom I have blocked")
        expect((await romeo.saw(Bounced, lambda one: one.id == sent)).condition in BLOCKED, "the refusal of the blocker")


@play(seconds=60)
async def synchronized_by_epoch_and_offset(server):
    """SYNC settles what was read in this epoch and nothing of another, before a kill -9 and after it."""
    async with archiving(server) as other, Pair(other) as pair:
        juliet = await pair.cast.online("juliet")
        user, password = pair.phones.credentials("romeo")
        texts = ["m%d" % number for number in range(6)]
        for text in texts:
            juliet.send_message(other.jid(user), text, mtype="chat")
        await juliet.settled()

        async def read(epoch, offset, bare=False):
            """What a new session is sent that acknowledges nothing: ({text: offset}, epoch, the answer)."""
            raw = await Wire.session(other, user, password)
            raw.ask(Verb.SYNC, wire.Sync(raw.authed.epoch + 1 if bare else epoch or raw.authed.epoch, offset).encode())
            got, frame = {}, await raw.next()
            while frame.verb != Verb.SYNCED:
                if frame.verb == Verb.DELIVER:
                    message = wire.Message.decode(frame.verb, frame.body)
                    got[message.text] = message.offset
                frame = await raw.next()
            raw.say(Verb.BYE)
            await raw.ended()
            return got, raw.authed.epoch, wire.Synced.decode(frame.body)

        got, epoch, answer = await read(0, 0)
        expect_equal(list(got), texts, "all")
        expect_equal((answer.epoch, answer.offset, answer.more), (epoch, got["m5"], False), "the answer")
        expect_equal(list((await read(epoch, got["m5"], bare=True))[0]), texts, "an offset of another epoch settles nothing")
        expect_equal(list((await read(epoch, got["m1"]))[0]), texts[2:], "what is behind the offset")
        await other_life(other)
        again, later, _ = await read(epoch, got["m3"])
        expect_equal((list(again), again["m4"]), (texts[4:], got["m4"]), "after a crash, in epoch %d and %d" % (epoch, later))
        expect_equal(list((await read(epoch, 0))[0]), texts[4:], "what was settled stays so")
        expect_equal(list((await read(later, got["m5"]))[0]), [], "nothing is left")
