"""Plays at the door of a room: making it, entering, being kept out, nicknames, leaving."""

import datetime

from interop.conference import (
    DELAY, MUC, OWNER, Company, codes, denied, fault, find, item, occupant_id, reason,
)
from interop.stage import Stage, expect, expect_equal, quiet

stage = Stage()
play = stage.play


@play()
async def the_service_is_found_and_says_what_it_is(server):
    async with Company(server) as company:
        romeo = await company.online("romeo")
        items = await romeo["xep_0030"].get_items(jid=server.domain)
        expect(server.rooms in [str(one[0]) for one in items["disco_items"]["items"]], "the service is listed: %s" % items)
        info = (await romeo["xep_0030"].get_info(jid=server.rooms))["disco_info"]
        expect(("conference", "text") in [one[:2] for one in info["identities"]], "its identity: %s" % info)
        for feature in (MUC, "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/muc#stable_id"):
            expect(feature in info["features"], "%s in %s" % (feature, info["features"]))


@play()
async def a_room_is_made_locked_and_opened(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        room = "locked-%s@%s" % (romeo.boundjid.user, server.rooms)
        own = await romeo.enter(room, "romeo")
        expect_equal((item(own)["affiliation"], item(own)["role"]), ("owner", "moderator"), "its maker's standing")
        expect(201 in codes(own), "it was made: %s" % own)
        await romeo.topic(room)
        expect_equal(await juliet.kept_out(room, "juliet"), ("item-not-found", "cancel"), "while it is locked")
        await romeo.configure(room)
        own = await juliet.enter(room, "juliet")
        expect_equal((item(own)["affiliation"], item(own)["role"]), ("none", "participant"), "a guest's standing")


@play()
async def a_room_that_is_not_configured_after_all_is_gone(server):
    async with Company(server) as company:
        romeo = await company.online("romeo")
        room = "cancelled-%s@%s" % (romeo.boundjid.user, server.rooms)
        await romeo.enter(room, "romeo")
        await romeo.ask("set", "<query xmlns='%s'><x xmlns='jabber:x:data' type='cancel'/></query>" % OWNER, to=room)
        await romeo.saw(room, "romeo", "unavailable")
        await denied(romeo.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=room), "item-not-found")


@play()
async def who_enters_sees_all_others_and_then_itself(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        nurse = await company.online("nurse")
        own = await nurse.enter(room, "nurse", status="out of breath")
        seen = [one for one in nurse.presences if one["from"].bare == room]
        expect_equal(sorted(one["from"].resource for one in seen), ["juliet", "romeo"], "the others came first")
        expect(own["from"].resource == "nurse" and 110 in codes(own), "itself last")
        expect("jid" not in item(seen[0]), "no real address is shown to a participant: %s" % seen[0])
        for person in (romeo, juliet):
            seen = await person.saw(room, "nurse")
            expect_equal((seen["status"], 110 in codes(seen)), ("out of breath", False), "what others see of her")
            expect_equal(item(seen).get("jid"), nurse.boundjid.full if person is romeo else None, "her real address")
        subject = await nurse.topic(room)
        expect(not subject["subject"], "no subject yet")


@play()
async def all_are_told_of_real_addresses_in_an_open_room(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        room = await romeo.found("open", "romeo", whois="anyone")
        own = await juliet.enter(room, "juliet")
        expect(100 in codes(own), "she is warned: %s" % own)
        seen = await juliet.saw(room, "romeo")
        expect_equal(item(seen)["jid"], romeo.boundjid.full, "she sees his")
        expect(100 not in codes(await romeo.saw(room, "juliet")), "only she is warned")


@play()
async def the_reasons_for_being_kept_out(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        room = await romeo.found("door", "romeo", passwordprotectedroom=1, roomsecret="ostiary")
        expect_equal(await juliet.kept_out(room, ""), ("jid-malformed", "modify"), "without a nickname")
        expect_equal(await juliet.kept_out(room, "juliet"), ("not-authorized", "auth"), "without a password")
        expect_equal(await juliet.kept_out(room, "juliet", password="wrong"), ("not-authorized", "auth"), "a wrong one")
        await juliet.come_in(room, "juliet", password="ostiary")
        nurse = await company.online("nurse")
        expect_equal(await nurse.kept_out(room, "juliet", password="ostiary"), ("conflict", "cancel"), "a taken nickname")
        await romeo.configure(room, passwordprotectedroom=0, roomsecret="", membersonly=1)
        await juliet.saw(room, "juliet", "unavailable", 322)
        expect_equal(await nurse.kept_out(room, "nurse"), ("registration-required", "auth"), "no member")
        await romeo.change(room, affiliation="member", jid=nurse.boundjid.bare)
        await nurse.come_in(room, "nurse")
        await romeo.configure(room, membersonly=0)
        await romeo.change(room, affiliation="outcast", jid=nurse.boundjid.bare)
        await nurse.saw(room, "nurse", "unavailable", 301)
        expect_equal(await nurse.kept_out(room, "nurse"), ("forbidden", "auth"), "banned")


@play()
async def a_full_room_lets_only_its_masters_in(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        room = await romeo.found("small", "romeo", maxusers=10)
        crowd = [await company.online("guest%d" % number) for number in range(9)]
        for number, guest in enumerate(crowd):
            await guest.come_in(room, "guest%d" % number)
        expect_equal(await juliet.kept_out(room, "juliet"), ("service-unavailable", "wait"), "nobody fits in")
        await romeo.change(room, affiliation="admin", jid=juliet.boundjid.bare)
        await juliet.come_in(room, "juliet")


@play()
async def what_is_no_wish_to_enter_does_not_enter(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        juliet = await company.online("juliet")
        juliet.send_presence(pto=room + "/juliet", ptype="unavailable")
        juliet.show_up(room, "juliet", tagged=False)
        answer = await juliet.took_presence(lambda one: one["from"].bare == room, "an answer")
        # Since version 1.32 of XEP-0045 such a client is told that it is not in.
        expect(answer["type"] in ("error", "unavailable"), "she is not in: %s" % answer)
        await quiet()
        expect(not [one for one in romeo.presences if one["from"].resource == "juliet"], "nobody saw her")


@play()
async def entering_twice_tells_everything_again(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        romeo.say(room, "before")
        await juliet.heard("before")
        await juliet.enter(room, "juliet")
        await juliet.saw(room, "romeo")
        await juliet.topic(room)


@play()
async def two_sessions_of_one_person_share_a_nickname(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        phone = await company.online("juliet", "phone")
        own = await phone.come_in(room, "juliet")
        identity = occupant_id(own)
        romeo.say(room, "hello both")
        for session in (juliet, phone):
            await session.heard("hello both")
        phone.go(room, "juliet")
        await phone.saw(room, "juliet", "unavailable", 110)
        romeo.say(room, "hello one")
        await juliet.heard("hello one")
        juliet.say(room, "I am still here")
        expect_equal(occupant_id(await romeo.heard("I am still here")), identity, "one account, one identity")


@play()
async def a_nickname_is_changed(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.send_presence(pto=room + "/capulet")
        for person in (romeo, juliet):
            old = await person.saw(room, "juliet", "unavailable", 303)
            expect_equal((item(old)["nick"], 110 in codes(old)), ("capulet", person is juliet), "the old one ends")
            new = await person.saw(room, "capulet")
            expect_equal(110 in codes(new), person is juliet, "the new one begins")
            expect_equal(occupant_id(old), occupant_id(new), "the same person")
        juliet.say(room, "by any other name")
        expect_equal((await romeo.heard("by any other name"))["from"].resource, "capulet", "who spoke")


@play()
async def a_taken_nickname_is_not_given_away(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.send_presence(pto=room + "/romeo")
        answer = await juliet.took_presence(lambda one: one["type"] == "error", "a refusal")
        expect_equal(fault(answer), ("conflict", "cancel"), "why not")
        juliet.say(room, "still Juliet")
        expect_equal((await romeo.heard("still Juliet"))["from"].resource, "juliet", "who spoke")


@play()
async def a_status_is_shown_to_all(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.send_presence(pto=room + "/juliet", pshow="xa", pstatus="on the balcony")
        for person in (romeo, juliet):
            seen = await person.took_presence(
                lambda one: one["from"] == room + "/juliet" and one["status"] == "on the balcony", "her status")
            expect_equal((seen["show"], item(seen)["role"]), ("xa", "participant"), "what is seen")


@play()
async def who_leaves_says_goodbye(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        juliet.go(room, "juliet", "parting is such sweet sorrow")
        for person in (romeo, juliet):
            seen = await person.saw(room, "juliet", "unavailable")
            expect_equal((seen["status"], item(seen)["role"], 110 in codes(seen)),
                         ("parting is such sweet sorrow", "none", person is juliet), "her leaving")
        expect(reason(seen) is None, "nobody made her")
        romeo.say(room, "gone?")
        await romeo.heard("gone?")
        await juliet.settled()
        expect(not juliet.inbox, "she hears nothing more")


@play()
async def a_temporary_room_ends_with_its_last_occupant(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        romeo.go(room, "romeo")
        await romeo.saw(room, "romeo", "unavailable")
        await romeo.settled()
        own = await romeo.enter(room, "romeo")
        expect(201 in codes(own), "it is made anew: %s" % own)


@play()
async def history_is_shown_as_wished(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        for number in range(5):
            romeo.say(room, "line %d" % number)
            await romeo.heard("line %d" % number)
        soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for number, (wish, wanted) in enumerate((
                ({"maxstanzas": "2"}, ["line 3", "line 4"]),
                ({"maxstanzas": "0"}, []),
                ({"maxchars": "0"}, []),
                ({"since": soon}, []),
                ({"since": "1970-01-01T00:00:00Z"}, ["line %d" % line for line in range(5)]),
                ({"seconds": "600", "maxstanzas": "1"}, ["line 4"]))):
            guest = await company.online("guest%d" % number)
            await guest.enter(room, "guest%d" % number, history=wish)
            await guest.topic(room)
            shown = [one for one in guest.inbox if one["body"]]
            expect_equal([one["body"] for one in shown], wanted, "shown for %s" % wish)
            for one in shown:
                delay = find(one, ("delay", DELAY))
                expect_equal((one["from"], one["type"], delay.get("from")), (room + "/romeo", "groupchat", room), "as then")
                occupant_id(one)
