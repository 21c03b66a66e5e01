"""Plays of what outlasts a session, a connection and the server: resumption in a room, crashes, persistent rooms."""

import asyncio

from interop.conference import Company, codes, item, occupant_id
from interop.stage import expect, expect_equal

from .rooms_entering import play


@play()
async def who_loses_the_connection_for_good_leaves(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.vanish()
        gone = await romeo.saw(room, "juliet", "unavailable")
        expect_equal(item(gone)["role"], "none", "she is out")


@play()
async def who_goes_offline_leaves(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.send_presence(ptype="unavailable")
        await romeo.saw(room, "juliet", "unavailable")


@play(seconds=60)
async def a_resumed_session_is_still_in_and_has_lost_nothing(server):
    async with Company(server) as company:
        romeo = await company.online("romeo")
        juliet = company.someone("juliet", plugins=("xep_0198",))
        enabled = asyncio.Event()
        juliet.add_event_handler("sm_enabled", lambda _: enabled.set())
        await juliet.arrive()
        await asyncio.wait_for(enabled.wait(), 8)
        room = await romeo.found("resume", "romeo")
        await juliet.come_in(room, "juliet")
        await romeo.saw(room, "juliet")
        romeo.say(room, "before")
        await juliet.heard("before")
        await juliet.settled()
        resumed = asyncio.Event()
        juliet.add_event_handler("session_resumed", lambda _: resumed.set())
        juliet.vanish()
        for number in range(20):
            romeo.say(room, "away %d" % number)
        for number in range(20):
            await romeo.heard("away %d" % number)
        juliet.connect(server.address, 5222)
        await asyncio.wait_for(resumed.wait(), 15)
        texts = []
        for number in range(20):
            texts.append((await juliet.heard("away %d" % number))["body"])
        juliet.say(room, "I was never gone")
        await romeo.heard("I was never gone")
        expect(not [one for one in romeo.presences if one["from"] == room + "/juliet" and one["type"] == "unavailable"],
               "nobody saw her leave")
        expect(not [one for one in juliet.inbox if one["body"] and one["body"].startswith("away")], "nothing came twice")


@play("kill", seconds=90)
async def a_persistent_room_survives_the_servers_death(server):
    async with Company(server) as company:
        room, romeo, juliet, nurse = await company.gathering(
            "romeo", "juliet", "nurse", persistentroom=1, roomname="Here to stay")
        await romeo.change(room, affiliation="member", jid=juliet.boundjid.bare)
        await romeo.change(room, affiliation="outcast", jid=nurse.boundjid.bare)
        await romeo.configure(room, membersonly=1)
        romeo.send_message(mto=room, mbody=None, msubject="Eternity", mtype="groupchat")
        await romeo.topic(room)
        romeo.say(room, "remember me")
        identity = occupant_id(await romeo.heard("remember me"))
        await romeo.settled()
        server.kill()
        server.start()
    async with Company(server) as again:
        again.accounts = company.accounts
        juliet = await again.online("juliet")
        own = await juliet.enter(room, "juliet")
        expect_equal((item(own)["affiliation"], 201 in codes(own)), ("member", False), "she is a member of the same room")
        remembered = await juliet.heard("remember me")
        expect_equal((remembered["from"].full, occupant_id(remembered)), (room + "/romeo", identity), "what was said, by whom")
        expect_equal((await juliet.topic(room))["subject"], "Eternity", "the subject")
        nurse = await again.online("nurse")
        expect_equal(await nurse.kept_out(room, "nurse"), ("forbidden", "auth"), "the ban")
        romeo = await again.online("romeo")
        own = await romeo.come_in(room, "romeo")
        expect_equal((item(own)["affiliation"], occupant_id(own)), ("owner", identity), "its owner")
        info = (await juliet["xep_0030"].get_info(jid=room))["disco_info"]
        expect("muc_membersonly" in info["features"] and "muc_persistent" in info["features"], "its configuration")


@play(seconds=90)
async def many_people_on_all_shards_hear_each_other(server):
    async with Company(server) as company:
        stems = ["person%d" % number for number in range(12)]
        room, *people = await company.gathering(*stems)
        for number, person in enumerate(people):
            person.say(room, "I am %d" % number)
        for person in people:
            for number in range(len(people)):
                await person.heard("I am %d" % number)
