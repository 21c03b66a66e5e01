"""The profanity suite: a person types into a terminal client, and we read the screen."""

import re

from interop.people import Cast, account
from interop.programs import Profanity
from interop.stage import Stage, expect, expect_equal, quiet

stage = Stage()
play = stage.play


def run(server, only=()):
    server.start()
    try:
        return stage.run("profanity", server, only)
    finally:
        server.stop()


class Terminal:
    """A profanity online with an account of its own."""

    def __init__(self, server, stem="nurse"):
        self.person = Profanity(server, *account(server, stem))

    async def __aenter__(self):
        await self.person.start()
        return self.person

    async def __aexit__(self, *failure):
        self.person.leave()


@play()
async def it_logs_in_encrypted(server):
    async with Terminal(server) as nurse:
        await nurse.see(r"\[TLS\]")
        await nurse.see(re.escape(nurse.jid) + "/profanity logged in successfully")


@play()
async def a_contact_is_added_named_and_removed(server):
    async with Terminal(server) as nurse:
        contact = server.jid("peter")
        nurse.type("/roster add %s Peter" % contact)
        await nurse.see(r"Roster item added: %s \(Peter\)" % re.escape(contact))
        nurse.type("/roster")
        await nurse.see(r"%s \(Peter\) - none" % re.escape(contact))
        nurse.type("/roster nick %s Pete" % contact)
        await nurse.see("Pete")
        nurse.type("/roster remove " + contact)
        await nurse.see("Roster item removed: " + re.escape(contact))
        nurse.type("/clear")
        nurse.type("/roster")
        await quiet(1)
        expect(contact + " (" not in nurse.screen(), "the contact is still listed:\n" + nurse.screen())


@play()
async def messages_go_both_ways(server):
    async with Cast(server) as cast, Terminal(server) as nurse:
        romeo = await cast.online("romeo")
        romeo.send_message(mto=nurse.jid, mbody="Good morrow", mtype="chat")
        await nurse.see(r"chat message: %s" % re.escape(romeo.boundjid.bare))
        nurse.type("/msg " + romeo.boundjid.bare)
        await nurse.see("Good morrow")
        nurse.type("Is it good den?")
        got = await romeo.heard("Is it good den?")
        expect_equal((got["from"].full, got["type"]), (nurse.jid + "/profanity", "chat"), "sender and type")


@play()
async def messages_wait_while_it_is_not_running(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        nurse = Profanity(server, *account(server, "nurse"))
        for number in range(3):
            romeo.send_message(mto=nurse.jid, mbody="while you slept %d" % number, mtype="chat")
        await romeo.settled()
        try:
            await nurse.start()
            nurse.type("/msg " + romeo.boundjid.bare)
            text = await nurse.see("while you slept 2")
            expect_equal(re.findall(r"while you slept (\d)", text), ["0", "1", "2"], "what stands on the screen")
        finally:
            nurse.leave()


@play()
async def subscription_and_presence(server):
    async with Cast(server) as cast, Terminal(server) as nurse:
        romeo = await cast.online("romeo")
        his = romeo.boundjid.bare
        romeo.send_presence(pto=nurse.jid, ptype="subscribe")
        await nurse.see("(?i)authorization request|subscription request")
        nurse.type("/sub allow " + his)
        await romeo.heard_of(nurse.jid, "subscribed")
        await romeo.heard_of(nurse.jid + "/profanity", "available")
        nurse.type("/sub request " + his)
        await romeo.heard_of(nurse.jid, "subscribe")
        romeo.send_presence(pto=nurse.jid, ptype="subscribed")
        await romeo.pushed(nurse.jid, "both")
        nurse.type('/status set away "gone to the friar"')
        seen = await romeo.took_presence(lambda one: one["show"] == "away", "her being away")
        expect_equal(seen["status"], "gone to the friar", "status")
        romeo.send_presence(pshow="dnd", pstatus="fighting")
        await quiet()
        nurse.type("/who dnd")
        await nurse.see(re.escape(his.partition("@")[0]) + r".* is dnd|dnd.*fighting")
