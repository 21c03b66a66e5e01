"""The profanity suite: a person types into a terminal client, and we read the screen."""

import re

from interop.conference import Company
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


@play(seconds=60)
async def a_terminal_that_was_never_there_finds_the_history_in_the_archive(server):
    """Of what she writes in it profanity expects to have a log itself; so she has talked on her phone."""
    async with Cast(server) as cast:
        romeo, phone = await cast.online("romeo"), await cast.online("juliet", "phone")
        his = romeo.boundjid.bare
        said = ["O Romeo, Romeo", "Shall I hear more?", "'Tis but thy name"]
        for number, line in enumerate(said):
            writer, reader = ((phone, romeo), (romeo, phone))[number % 2]
            writer.send_message(mto=reader.boundjid.bare, mbody=line, mtype="chat")
            await reader.heard(line)
        juliet = Profanity(server, *cast.accounts["juliet"])
        try:
            await juliet.start()
            juliet.type("/mam on")
            await juliet.see("(?i)archive management.*(on|enabled)|MAM.*(on|enabled)")
            juliet.type("/msg " + his)
            text = await juliet.see(re.escape(said[2]))
            expect_equal([line for line in said if line in text], said, "what stands on the screen")
            places = [text.index(line) for line in said]
            expect_equal(places, sorted(places), "its order")
        finally:
            juliet.leave()


@play(seconds=60)
async def in_a_room_and_again_with_its_history(server):
    async with Company(server) as company, Terminal(server) as nurse:
        romeo = await company.online("romeo")
        room = await romeo.found("square", "romeo")
        nurse.type("/join %s nick Nurse" % room)
        await nurse.see("You have joined the room as Nurse")
        await romeo.saw(room, "Nurse")
        romeo.say(room, "A sail, a sail!")
        await nurse.see("romeo: A sail, a sail!")
        nurse.type("My fan, Peter.")
        heard = await romeo.heard("My fan, Peter.")
        expect_equal((heard["from"].full, heard["type"]), (room + "/Nurse", "groupchat"), "sender and type")
        nurse.type("/close")
        await romeo.saw(room, "Nurse", "unavailable")
        romeo.say(room, "said while she was out")
        await romeo.heard("said while she was out")
        expect("while she was out" not in nurse.screen(), "she is out and hears:\n" + nurse.screen())
        nurse.type("/join %s nick Nurse" % room)
        await romeo.saw(room, "Nurse")
        text = await nurse.see("romeo: said while she was out")
        expect("romeo: A sail, a sail!" in text and "Nurse: My fan, Peter." in text, "what was said before:\n" + text)
        nurse.type("God ye good morrow")
        await romeo.heard("God ye good morrow")


@play(seconds=60)
async def a_room_that_she_makes_is_locked_until_she_accepts_it(server):
    async with Company(server) as company, Terminal(server) as nurse:
        romeo = await company.online("romeo")
        room = "nursery-%s@%s" % (nurse.user, server.rooms)
        nurse.type("/join %s nick Nurse" % room)
        await nurse.see("(?i)locked")
        expect_equal((await romeo.kept_out(room, "romeo"))[0], "item-not-found", "the room is locked")
        nurse.type("/room accept")
        nurse.type("Come in")
        await nurse.see("Nurse: Come in")
        await romeo.enter(room, "romeo")
        heard = await romeo.heard("Come in")
        expect_equal(heard["from"].full, room + "/Nurse", "what was said before he came")
        await nurse.see(r"(?s)Participants.*\s\s\sromeo\s")
