"""Plays of programs on slixmpp: a whole day of one, and a bot whose connection is cut again and again under load."""

import asyncio

from interop import servers
from interop.conference import Company
from interop.people import WAIT_SECONDS
from interop.programs import eventually
from interop.stage import expect, expect_equal

from .rooms_entering import play

# Rounds of one message to the bot and one to the room. In each part of them, the first few reach a bot that is there, and
# the rest is said while it is cut off.
CUTS, PART, THERE = 5, 30, 10
ROUNDS = CUTS * PART


@play(seconds=60)
async def one_logs_in_chats_joins_a_room_and_reloads_its_history(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        said = ["alone %d" % number for number in range(6)]
        for number, body in enumerate(said):
            writer, reader = ((romeo, juliet), (juliet, romeo))[number % 2]
            writer.send_message(mto=reader.boundjid.bare, mbody=body, mtype="chat")
            await reader.heard(body)
        room = await romeo.found("day", "romeo")
        await juliet.come_in(room, "juliet")
        told = ["in the room %d" % number for number in range(6)]
        for number, body in enumerate(told):
            (romeo, juliet)[number % 2].say(room, body)
            await romeo.heard(body)
        await juliet.settled()
        await juliet.leave()
        again = await company.online("juliet", "again", plugins=("xep_0313",))
        expect_equal(await archived(again), said, "her archive, read by a client that knows nothing")
        await again.enter(room, "juliet")
        shown = [await again.heard(body) for body in told]
        nicks = ["romeo", "juliet"] * 3
        expect_equal([one["from"].resource for one in shown], nicks, "what the room shows to who enters")
        await again.topic(room)
        expect_equal(await archived(again, room), told, "the archive of the room")


async def archived(person, archive=None):
    """What an archive says, page by page from its start, as slixmpp's own plugin reads it."""
    bodies = []
    async for result in person["xep_0313"].iterate(jid=archive, rsm={"max": 4}):
        bodies.append(result["mam_result"]["forwarded"]["stanza"]["body"])
    return bodies


class Bot:
    """Answers what it hears, in the chat and in the room."""

    def __init__(self, client, room):
        self.client, self.room = client, room
        self.heard = {"chat": [], "groupchat": []}
        self.resumed = self.restarted = 0
        self.online, self.may_come_back = True, True
        client.add_event_handler("session_resumed", self.came_back)
        client.add_event_handler("session_start", self.began_anew)
        client.add_event_handler("disconnected", self.gone)
        client.add_event_handler("message", self.answer)

    def came_back(self, _):
        self.resumed += 1
        self.online = True

    def began_anew(self, _):
        self.restarted += 1

    def gone(self, _):
        self.online = False
        if self.may_come_back:
            self.connect()

    def answer(self, message):
        if message["body"].startswith("ask "):
            self.heard[message["type"]].append(message["body"])
            to = self.room if message["type"] == "groupchat" else message["from"].bare
            self.client.send_message(mto=to, mbody=message["body"].replace("ask", "answer"), mtype=message["type"])

    async def cut(self):
        """The connection ends in the middle of its work."""
        already = self.count()
        await eventually(lambda: self.online and self.count() > already, "the bot at work")
        self.may_come_back = False
        self.client.vanish()
        await eventually(lambda: not self.online, "the bot cut off")

    def count(self):
        return sum(map(len, self.heard.values()))

    def come_back(self):
        self.may_come_back = True
        self.connect()

    def connect(self):
        self.client.connect(self.client.host_server.address, servers.XMPP_PORT)


@play(seconds=90)
async def a_bot_that_is_cut_off_again_and_again_loses_nothing(server):
    """Forced reconnects under load, in a chat and in a room. All is counted on both sides: once each, in order."""
    async with Company(server) as company:
        romeo = await company.online("romeo")
        client = company.someone("bot", plugins=("xep_0198",))
        enabled = asyncio.Event()
        client.add_event_handler("sm_enabled", lambda _: enabled.set())
        await client.arrive()
        await asyncio.wait_for(enabled.wait(), WAIT_SECONDS)
        room = await romeo.found("bots", "romeo")
        await client.come_in(room, "bot")
        await romeo.saw(room, "bot")
        bot = Bot(client, room)
        for number in range(ROUNDS):
            romeo.send_message(mto=client.boundjid.bare, mbody="ask %d" % number, mtype="chat")
            romeo.say(room, "ask %d" % number)
            if number % PART == THERE - 1:
                await bot.cut()
            elif number % PART == PART - 1:
                await romeo.settled()
                bot.come_back()
        answers = {kind: await collected(romeo, kind) for kind in bot.heard}
        for kind in bot.heard:
            expect_equal(bot.heard[kind], ["ask %d" % number for number in range(ROUNDS)], "what the bot heard by " + kind)
            expect_equal(answers[kind], ["answer %d" % number for number in range(ROUNDS)], "what it answered by " + kind)
        expect_equal((bot.resumed, bot.restarted), (CUTS, 0), "resumed and begun anew")
        expect(not [one for one in romeo.presences if one["from"] == room + "/bot" and one["type"] == "unavailable"],
               "nobody saw it leave")
        return "%d resumptions, %d messages each way" % (bot.resumed, 2 * ROUNDS)


async def collected(person, kind):
    """The answers of a kind, when the last one has come; in the order in which they came."""
    last = "answer %d" % (ROUNDS - 1)

    def texts():
        return [one["body"] for one in person.inbox if one["type"] == kind and one["body"].startswith("answer ")]
    await eventually(lambda: last in texts(), lambda: "the last answer; there are %d" % len(texts()))
    await person.settled()
    return texts()
