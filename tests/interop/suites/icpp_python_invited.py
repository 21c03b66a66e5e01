"""Plays of invitations into rooms, and of their refusals, between ICPP people and XMPP people: for who is there, for who
is not, in the archives of both, and for who has left."""

import asyncio

from slixmpp.xmlstream import ET

from interop.conference import USER, find
from interop.people import WAIT_SECONDS
from interop.stage import expect, expect_equal

from crosspoint import Affiliation, Refused, Verb
from crosspoint.errors import Code

from .icpp_python_across import archived, archiving, mam
from .icpp_python_people import play
from .icpp_python_rooms import Salon, address, made, noticed, told

DIRECT = "jabber:x:conference"
INVITE, DECLINE = (("x", USER), ("invite", USER)), (("x", USER), ("decline", USER))


def word(stanza, *steps):
    """(who, why) of an invitation or refusal."""
    element = find(stanza, *steps)
    return element.get("from"), element.findtext("{%s}reason" % USER)


async def was_told(guest, steps, what):
    return await guest.take(guest.inbox, lambda one: find(one, *steps) is not None, what)


def invite(guest, room, whom, reason, extra=""):
    """Through the room."""
    message = guest.make_message(mto=room)
    message.append(ET.fromstring("<x xmlns='%s'><invite to='%s'><reason>%s</reason>%s</invite></x>" % (USER, whom, reason, extra)))
    message.send()


def decline(guest, room, whom, reason):
    message = guest.make_message(mto=room)
    message.append(ET.fromstring("<x xmlns='%s'><decline to='%s'><reason>%s</reason></decline></x>" % (USER, whom, reason)))
    message.send()


def invite_directly(guest, room, whom, body=None, **attributes):
    message = guest.make_message(mto=whom, mbody=body, mtype="chat" if body else "normal")
    message.append(ET.Element("{%s}x" % DIRECT, {"jid": room, **attributes}))
    message.send()


@play()
async def invited_by_icpp(server):
    """Of one who is there and one who is not, whatever they speak."""
    async with Salon(server) as (phones, company):
        romeo, juliet, benvolio = await phones.online("romeo"), await company.online("juliet"), await phones.online("benvolio")
        room = address(server, romeo, "feast")
        await made(romeo, room, "romeo", members_only=True, entry_password="rose")
        phones.credentials("nurse")
        phones.credentials("mercutio")
        absent = [phones.jid(stem) for stem in ("nurse", "mercutio")]
        await romeo.client.rooms.invite(room, benvolio.address, juliet.boundjid.bare, *absent, reason="a mask", continues="T")
        for phone in (benvolio, await phones.online("mercutio")):
            one = await told(phone, Verb.INVITE)
            expect_equal((one.room, one.by, one.reason, one.password, one.continues),
                         (room, romeo.address, "a mask", "rose", "T"), "on ICPP")
        for guest in (juliet, await company.online("nurse")):
            heard = await was_told(guest, INVITE, "an invitation")
            expect_equal((str(heard["from"]), *word(heard, *INVITE)), (room, romeo.address, "a mask"), "on XMPP: %s" % heard)
            expect_equal(find(heard, ("x", USER), ("password", USER)).text, "rose", "the password")
            expect_equal(find(heard, *INVITE, ("continue", USER)).get("thread"), "T", "what goes on there")
        await juliet.come_in(room, "juliet", password="rose")
        expect_equal((await noticed(romeo, "juliet")).affiliation, Affiliation.MEMBER, "invited, so a member")


@play()
async def invited_by_xmpp_through_the_room(server):
    async with Salon(server) as (phones, company):
        juliet, romeo = await company.online("juliet"), await phones.online("romeo")
        room = await juliet.found("ball", "juliet", roomsecret="rose", passwordprotectedroom="1")
        phones.credentials("mercutio")
        invite(juliet, room, romeo.address, "a mask", "<continue thread='T'/>")
        invite(juliet, room, phones.jid("mercutio"), "a mask", "<continue thread='T'/>")
        for phone in (romeo, await phones.online("mercutio")):
            one = await told(phone, Verb.INVITE)
            expect_equal((one.room, one.by, one.reason, one.password, one.continues),
                         (room, juliet.boundjid.bare, "a mask", "rose", "T"), "the invitation")
            await phone.settled()
            expect_equal(phone.inbox, [], "what else came")
        await romeo.client.rooms.join(room, "romeo", password="rose")
        await noticed(romeo, "romeo")


@play()
async def invited_by_xmpp_directly(server):
    async with Salon(server) as (phones, company):
        juliet, romeo = await company.online("juliet"), await phones.online("romeo")
        phones.credentials("mercutio")
        room = "crypt@" + server.rooms
        for whom in (romeo.address, phones.jid("mercutio")):
            invite_directly(juliet, room, whom, reason="a mask", password="rose", **{"continue": "true", "thread": "T"})
            invite_directly(juliet, room, whom, body="come to the crypt")
        for phone in (romeo, await phones.online("mercutio")):
            one = await told(phone, Verb.INVITE)
            expect_equal((one.room, one.by, one.reason, one.password, one.continues),
                         (room, juliet.boundjid.bare, "a mask", "rose", "T"), "the invitation")
            one = await told(phone, Verb.INVITE)
            expect_equal((one.room, one.by, one.reason), (room, juliet.boundjid.bare, "come to the crypt"), "the one with a text")
            await phone.settled()
            expect_equal(phone.inbox, [], "what else came")


@play()
async def invited_by_who_is_no_room(server):
    """A user who writes what only a room writes is not believed; what he says beside it arrives."""
    async with Salon(server) as (phones, company):
        mallory, romeo = await company.online("mallory"), await phones.online("romeo")
        message = mallory.make_message(mto=romeo.address, mbody="look", mtype="chat")
        message.append(ET.fromstring("<x xmlns='%s'><invite from='juliet@%s'/></x>" % (USER, server.domain)))
        message.send()
        await romeo.heard("look")
        await romeo.settled()
        expect_equal([one for one in romeo.happened if getattr(one, "verb", None) == Verb.INVITE], [], "invitations")


@play()
async def invited_and_declined_both_ways(server):
    """The inviter hears of it in the room, and once he has left it and gone."""
    async with Salon(server) as (phones, company):
        romeo, juliet = await phones.online("romeo"), await company.online("juliet")
        one, two = address(server, romeo, "feast"), await juliet.found("ball", "juliet")
        await made(romeo, one, "romeo")
        for is_in in (True, False):
            await romeo.client.rooms.invite(one, juliet.boundjid.bare)
            await was_told(juliet, INVITE, "an invitation")
            invite(juliet, two, romeo.address, "please")
            await told(romeo, Verb.INVITE)
            if not is_in:
                await romeo.client.rooms.configure(one, persistent=True)
                await juliet.configure(two, persistentroom="1")
                await romeo.leave()
                await juliet.leave()
                romeo = await phones.online("romeo", resource="late")
                await romeo.client.rooms.decline(two, juliet.boundjid.bare, "no mask")
                await romeo.leave()
                juliet = await company.online("juliet", resource="late")
                decline(juliet, one, romeo.address, "no dance")
                await juliet.settled()
                romeo = await phones.online("romeo", resource="later")
            else:
                await romeo.client.rooms.decline(two, juliet.boundjid.bare, "no mask")
                decline(juliet, one, romeo.address, "no dance")
            heard = await was_told(juliet, DECLINE, "a refusal")
            expect_equal((heard["from"].bare, *word(heard, *DECLINE)), (two, romeo.address, "no mask"), "what she hears")
            said = await told(romeo, Verb.DECLINE)
            expect_equal((said.room, said.by, said.reason), (one, juliet.boundjid.bare, "no dance"), "what he hears")
        await romeo.client.rooms.decline(two, juliet.boundjid.bare, "again")
        refused = await told(romeo, Verb.REFUSED)
        expect_equal((refused.refused, refused.condition), (Verb.DECLINE, Code.ITEM_NOT_FOUND), "a second refusal")


@play()
async def invited_from_another_device(server):
    """Who invites directly from his desk reads on his phone that he did, and is not invited himself."""
    async with Salon(server) as (phones, company):
        phone = await phones.online("romeo", resource="phone")
        desk, juliet = await company.online("romeo", resource="desk"), await company.online("juliet")
        room = "crypt@" + server.rooms
        invite_directly(desk, room, juliet.boundjid.bare, body="come to the crypt")
        await juliet.heard("come to the crypt")
        copy = await phone.heard("come to the crypt")
        expect_equal(copy.copy, 2, "the copy")
        await phone.settled()
        expect_equal([one for one in phone.happened if getattr(one, "verb", None) == Verb.INVITE], [], "invitations")


@play(seconds=60)
async def invited_in_the_archives(server):
    """HISTORY tells of invitations in words, MAM as they were, whoever wrote them."""
    async with archiving(server) as other, Salon(other) as (phones, company):
        romeo, juliet = await phones.online("romeo"), await company.online("juliet")
        one, two = address(other, romeo, "feast"), await juliet.found("ball", "juliet")
        await made(romeo, one, "romeo")
        await romeo.client.rooms.invite(one, juliet.boundjid.bare, reason="a mask")
        await was_told(juliet, INVITE, "an invitation")
        invite(juliet, two, romeo.address, "please")
        await told(romeo, Verb.INVITE)
        nurse = await phones.online("nurse")
        await romeo.client.rooms.invite(one, nurse.address, reason="bring her")
        await told(nurse, Verb.INVITE)
        expect_equal([text for text, _ in await archived(nurse)],
                     ["%s invites you to the room %s. bring her" % (romeo.address, one)], "the nurse's history")
        expect_equal([text for text, _ in await archived(romeo)],
                     ["%s invites you to the room %s. please" % (juliet.boundjid.bare, two)], "Romeo's history")
        kept = [message for message in await mam(juliet) if message.find("{%s}x/{%s}invite" % (USER, USER)) is not None]
        expect_equal([message.find("{%s}x/{%s}invite" % (USER, USER)).get("from") for message in kept], [romeo.address], "Juliet's archive")
