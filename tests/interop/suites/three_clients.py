"""Three different clients together: slixmpp, go-sendxmpp and profanity; one of them offline; the server killed twice.

Romeo uses slixmpp, Juliet go-sendxmpp (from one account she listens, from another, her page's, she sends, since that
program cannot do both), and the Nurse profanity. One play in acts, since each act needs what the one before left.
"""

import asyncio
import re

from interop.people import Cast, account
from interop.programs import GoSendxmpp, Profanity
from interop.stage import Stage, expect, expect_equal, quiet

MESSAGES = 25

stage = Stage()
play = stage.play


def run(server, only=()):
    server.start()
    try:
        return stage.run("three-clients", server, only)
    finally:
        server.stop()


class House:
    """The three, and Juliet's page."""

    def __init__(self, server):
        self.server = server
        self.juliet, self.page = [GoSendxmpp(server, *account(server, stem)) for stem in ("juliet", "page")]
        self.nurse = Profanity(server, *account(server, "nurse"))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        self.juliet.leave()
        self.nurse.leave()


@play(seconds=220)
async def nothing_is_lost_and_nothing_comes_twice(server):
    async with Cast(server) as cast, House(server) as house:
        await house.nurse.start()
        romeo = await cast.online("romeo", plugins=("xep_0198",))
        house.juliet.listen()
        await house.page.say(house.juliet.jid, "ready")
        await house.juliet.hear(1)
        await befriend(romeo, house.nurse)
        await see_each_other(romeo, house.nurse)
        await everyone_talks(romeo, house)
        house.juliet.leave()
        spoken = await write_to_the_absent(romeo, house)
        server.kill()
        house.nurse.leave()
        romeo.abort()
        server.start()
        await juliet_returns(house, spoken)
        server.kill()
        server.start()
        await nothing_comes_again(house)
        await friendship_survived(cast, house)


async def befriend(romeo, nurse):
    """Act 1: subscriptions both ways, with roster pushes."""
    romeo.send_presence(pto=nurse.jid, ptype="subscribe")
    await nurse.see("(?i)authorization request")
    nurse.type("/sub allow " + romeo.boundjid.bare)
    await romeo.heard_of(nurse.jid, "subscribed")
    await romeo.pushed(nurse.jid, "to")
    nurse.type("/sub request " + romeo.boundjid.bare)
    await romeo.heard_of(nurse.jid, "subscribe")
    romeo.send_presence(pto=nurse.jid, ptype="subscribed")
    await romeo.pushed(nurse.jid, "both")
    nurse.type("/roster nick %s Montague" % romeo.boundjid.bare)
    await nurse.see("Montague")


async def see_each_other(romeo, nurse):
    """Act 2: presence both ways."""
    nurse.type('/status set away "at the friar\'s"')
    seen = await romeo.took_presence(lambda one: one["show"] == "away", "her being away")
    expect_equal(seen["from"].full, nurse.jid + "/profanity", "who is away")
    nurse.type("/status set online")
    await romeo.took_presence(lambda one: one["from"].bare == nurse.jid and one["type"] == "available", "her return")
    romeo.send_presence(pshow="xa", pstatus="banished")
    await quiet(0.5)
    nurse.type("/who xa")
    await nurse.see("Montague.*xa|is xa")


async def everyone_talks(romeo, house):
    """Act 3: each of the three to each of the others."""
    romeo.send_message(mto=house.juliet.jid, mbody="romeo to juliet", mtype="chat")
    romeo.send_message(mto=house.nurse.jid, mbody="romeo to nurse", mtype="chat")
    house.nurse.type("/msg %s nurse to juliet" % house.juliet.jid)
    house.nurse.type("/msg %s nurse to romeo" % romeo.boundjid.bare)
    await house.page.say(romeo.boundjid.bare, "page to romeo")
    await house.page.say(house.nurse.jid, "page to nurse")
    await romeo.heard("nurse to romeo")
    await romeo.heard("page to romeo")
    heard = await house.juliet.hear(3)
    expect_equal(sorted(heard[1:]), sorted([(romeo.boundjid.bare, "romeo to juliet"),
                                            (house.nurse.jid, "nurse to juliet")]), "juliet heard")
    await house.nurse.see("romeo to nurse")
    house.nurse.type("/msg " + house.page.jid)
    await house.nurse.see("page to nurse")


async def write_to_the_absent(romeo, house):
    """Act 4: Juliet is offline; all write to her; Romeo's are acknowledged, the others' clients ended well."""
    await quiet(0.5)
    acked = []
    romeo.add_event_handler("stanza_acked", lambda one: acked.append(one.get("body", "")))
    for number in range(MESSAGES):
        romeo.send_message(mto=house.juliet.jid, mbody="romeo %d" % number, mtype="chat")
    for number in range(3):
        house.nurse.type("/msg %s nurse %d" % (house.juliet.jid, number))
        await house.page.say(house.juliet.jid, "page %d" % number)
    await romeo.settled()
    romeo["xep_0198"].request_ack()
    wanted = ["romeo %d" % number for number in range(MESSAGES)]
    for _ in range(50):
        if set(wanted) <= set(acked):
            break
        await asyncio.sleep(0.1)
    expect_equal([body for body in acked if body in wanted], wanted, "acknowledged to Romeo")
    await house.nurse.see("nurse 2")
    await quiet(0.5)
    return {romeo.boundjid.bare: wanted, house.nurse.jid: ["nurse %d" % number for number in range(3)],
            house.page.jid: ["page %d" % number for number in range(3)]}


async def juliet_returns(house, spoken):
    """Act 5: after kill -9 everything is there, once, and in each sender's order."""
    house.juliet.listen()
    await house.juliet.hear(sum(map(len, spoken.values())))
    await quiet(1.5)
    for sender, bodies in spoken.items():
        expect_equal([body for jid, body in house.juliet.heard() if jid == sender], bodies, "heard from " + sender)
    house.juliet.leave()
    await quiet(1)


async def nothing_comes_again(house):
    """Act 6: another kill -9 brings nothing back that was delivered."""
    house.juliet.listen()
    await house.page.say(house.juliet.jid, "the end")
    await house.juliet.hear(1)
    await quiet(1)
    expect_equal(house.juliet.heard(), [(house.page.jid, "the end")], "heard after the second kill")


async def friendship_survived(cast, house):
    """Act 7: rosters and subscriptions are as they were, and presence flows at once."""
    await house.nurse.start()
    romeo = await cast.online("romeo", "again")
    await romeo.heard_of(house.nurse.jid + "/profanity", "available")
    expect_equal((await romeo.roster_now())[house.nurse.jid][0], "both", "Romeo's subscription")
    house.nurse.type("/roster")
    await house.nurse.see(re.escape(romeo.boundjid.bare) + r" \(Montague\) - both")
    expect("banished" not in house.nurse.screen(), "an old status came back")
