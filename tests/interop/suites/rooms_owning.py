"""Plays of a room's owner: configuration, lists, registration, a picture, and the end."""

import base64
import hashlib

from interop.conference import (
    CONFIG, DATA, MUC, OWNER, USER, Company, codes, denied, find, item,
)
from interop.stage import expect, expect_equal

from .rooms_entering import play

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
REGISTER = "jabber:iq:register"


def fields(answer):
    """{var: [values]} of the form in an answer."""
    return {one.get("var"): [value.text or "" for value in one if value.tag == "{%s}value" % DATA]
            for one in answer.xml.iter("{%s}field" % DATA)}


async def features(person, room):
    answer = await person.ask("get", "<query xmlns='%s'/>" % INFO, to=room)
    return {one.get("var") for one in answer.xml.iter("{%s}feature" % INFO)}, answer


@play()
async def the_form_says_how_the_room_is_run(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo", roomname="A Dark Cave", persistentroom=1, publicroom=0)
        answer = await romeo.ask("get", "<query xmlns='%s'/>" % OWNER, to=room)
        form = fields(answer)
        expect_equal((form["FORM_TYPE"], form["muc#roomconfig_roomname"], form["muc#roomconfig_persistentroom"],
                      form["muc#roomconfig_publicroom"]), ([CONFIG], ["A Dark Cave"], ["1"], ["0"]), "the form")
        for name in ("membersonly", "moderatedroom", "passwordprotectedroom", "roomsecret", "whois", "changesubject"):
            expect("muc#roomconfig_" + name in form, "%s in the form" % name)


@play()
async def a_form_that_is_sent_back_as_it_came_changes_nothing(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo", roomname="A Dark Cave", moderatedroom=1)
        before = await romeo.ask("get", "<query xmlns='%s'/>" % OWNER, to=room)
        inside = "".join("<field var='%s'>%s</field>" % (name, "".join("<value>%s</value>" % value for value in values))
                         for name, values in fields(before).items() if name)
        await romeo.ask("set", "<query xmlns='%s'><x xmlns='%s' type='submit'>%s</x></query>" % (OWNER, DATA, inside), to=room)
        after = await romeo.ask("get", "<query xmlns='%s'/>" % OWNER, to=room)
        expect_equal(fields(after), fields(before), "the configuration")


@play()
async def the_configuration_is_an_owners_business(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        await denied(juliet.ask("get", "<query xmlns='%s'/>" % OWNER, to=room), "forbidden", "auth")
        await denied(juliet.configure(room, roomname="Mine"), "forbidden", "auth")
        await romeo.change(room, affiliation="admin", jid=juliet.boundjid.bare)
        await denied(juliet.configure(room, roomname="Mine"), "forbidden", "auth")
        await denied(juliet.ask("set", "<query xmlns='%s'><destroy/></query>" % OWNER, to=room), "forbidden", "auth")


@play()
async def all_are_told_that_the_configuration_changed(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        await romeo.configure(room, roomname="Another Cave")
        for person in (romeo, juliet):
            told = await person.take(person.inbox, lambda one: codes(one) == [104], "status 104")
            expect_equal((told["from"].full, told["type"]), (room, "groupchat"), "by whom")
        await romeo.configure(room, whois="anyone")
        await juliet.take(juliet.inbox, lambda one: 172 in codes(one), "that addresses are shown")
        await romeo.configure(room, whois="moderators")
        await juliet.take(juliet.inbox, lambda one: 173 in codes(one), "that they are hidden again")


@play()
async def a_protected_room_needs_a_password(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        await denied(romeo.configure(room, passwordprotectedroom=1, roomsecret=""), "not-acceptable")


@play()
async def what_a_room_says_of_itself(server):
    async with Company(server) as company:
        juliet = await company.online("juliet")
        room, romeo = await company.gathering(
            "romeo", roomname="A Dark Cave", roomdesc="For witches", publicroom=1, persistentroom=1, membersonly=0,
            moderatedroom=1, whois="anyone")
        known, answer = await features(juliet, room)
        for feature in (MUC, "muc_public", "muc_persistent", "muc_open", "muc_moderated", "muc_nonanonymous", "muc_unsecured",
                        "http://jabber.org/protocol/muc#stable_id"):
            expect(feature in known, "%s in %s" % (feature, sorted(known)))
        identity = find(answer, ("query", INFO), ("identity", INFO))
        expect_equal((identity.get("category"), identity.get("type"), identity.get("name")),
                     ("conference", "text", "A Dark Cave"), "identity")
        form = fields(answer)
        expect_equal((form["muc#roominfo_description"], form["muc#roominfo_occupants"]), (["For witches"], ["1"]), "details")
        await romeo.configure(room, publicroom=0, persistentroom=0, membersonly=1, moderatedroom=0, whois="moderators",
                              passwordprotectedroom=1, roomsecret="s")
        known, _ = await features(romeo, room)
        for feature in ("muc_hidden", "muc_temporary", "muc_membersonly", "muc_unmoderated", "muc_semianonymous",
                        "muc_passwordprotected"):
            expect(feature in known, "%s in %s" % (feature, sorted(known)))


@play()
async def public_rooms_are_listed_and_hidden_ones_are_not(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet")
        seen = await romeo.found("seen", "romeo", roomname="Seen", publicroom=1)
        hidden = await romeo.found("hidden", "romeo", publicroom=0)
        answer = await juliet.ask("get", "<query xmlns='%s'/>" % ITEMS, to=server.rooms)
        listed = {one.get("jid"): one.get("name") for one in answer.xml.iter("{%s}item" % ITEMS)}
        expect_equal((listed.get(seen), hidden in listed), ("Seen", False), "the list")


@play("rooms-rsm")
async def the_list_of_rooms_is_read_in_pages(server):
    async with Company(server) as company:
        romeo = await company.online("romeo")
        made = [await romeo.found("page", "romeo", publicroom=1) for _ in range(7)]
        seen, after = [], ""
        for _ in range(20):
            answer = await romeo.ask("get", "<query xmlns='%s'><set xmlns='http://jabber.org/protocol/rsm'><max>3</max>%s</set>"
                                     "</query>" % (ITEMS, after), to=server.rooms)
            page = [one.get("jid") for one in answer.xml.iter("{%s}item" % ITEMS)]
            expect(len(page) <= 3, "no more than asked for: %s" % page)
            if not page:
                break
            seen += page
            after = "<after>%s</after>" % page[-1]
        expect_equal(len(seen), len(set(seen)), "none twice: %s" % seen)
        expect(set(made) <= set(seen), "all of %s in %s" % (made, seen))


@play()
async def a_room_is_destroyed(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet", persistentroom=1)
        other = "other@" + server.rooms
        await romeo.ask("set", "<query xmlns='%s'><destroy jid='%s'><reason>Macbeth doth come.</reason></destroy></query>"
                        % (OWNER, other), to=room)
        for person, nick in ((romeo, "romeo"), (juliet, "juliet")):
            gone = await person.saw(room, nick, "unavailable")
            destroy = find(gone, ("x", USER), ("destroy", USER))
            expect_equal((item(gone)["role"], destroy.get("jid"), find(gone, ("x", USER), ("destroy", USER), ("reason", USER)).text),
                         ("none", other, "Macbeth doth come."), "the end")
        juliet.say(room, "anybody?")
        expect((await juliet.returned(room))[0] in ("item-not-found", "gone", "not-acceptable"), "it is gone")
        own = await juliet.enter(room, "juliet")
        expect(201 in codes(own), "and can be made anew: %s" % own)


@play()
async def a_nickname_is_registered(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo", persistentroom=1)
        juliet, nurse = await company.online("juliet"), await company.online("nurse")
        answer = await juliet.ask("get", "<query xmlns='%s'/>" % REGISTER, to=room)
        expect_equal(fields(answer)["FORM_TYPE"], [MUC + "#register"], "the form")
        submit = ("<query xmlns='%s'><x xmlns='%s' type='submit'><field var='FORM_TYPE'><value>%s#register</value></field>"
                  "<field var='muc#register_roomnick'><value>%%s</value></field></x></query>" % (REGISTER, DATA, MUC))
        await juliet.ask("set", submit % "thirdwitch", to=room)
        answer = await juliet.ask("get", "<query xmlns='%s'/>" % REGISTER, to=room)
        expect_equal(find(answer, ("query", REGISTER), ("username", REGISTER)).text, "thirdwitch", "her nickname")
        answer = await juliet.ask("get", "<query xmlns='%s' node='x-roomuser-item'/>" % INFO, to=room)
        expect_equal(find(answer, ("query", INFO), ("identity", INFO)).get("name"), "thirdwitch", "her own nickname")
        await denied(nurse.ask("set", submit % "thirdwitch", to=room), "conflict", "cancel")
        expect_equal(await nurse.kept_out(room, "thirdwitch"), ("conflict", "cancel"), "it is hers")
        await denied(nurse.ask("set", "<query xmlns='%s'><x xmlns='%s' type='submit'/></query>" % (REGISTER, DATA), to=room),
                     "bad-request", "modify")
        own = await juliet.enter(room, "thirdwitch")
        expect_equal(item(own)["affiliation"], "member", "she is a member")
        await juliet.ask("set", "<query xmlns='%s'><remove/></query>" % REGISTER, to=room)
        answer = await juliet.ask("get", "<query xmlns='%s'/>" % REGISTER, to=room)
        expect(find(answer, ("query", REGISTER), ("registered", REGISTER)) is None, "she has left")


@play("room-avatars")
async def a_room_has_a_picture(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet", persistentroom=1)
        picture = b"\x89PNG not really"
        card = ("<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>%s</BINVAL></PHOTO></vCard>"
                % base64.b64encode(picture).decode())
        await denied(juliet.ask("set", card, to=room), "forbidden", "auth")
        await romeo.ask("set", card, to=room)
        await juliet.take(juliet.inbox, lambda one: 104 in codes(one), "status 104")
        _, answer = await features(juliet, room)
        expect_equal(fields(answer)["muc#roominfo_avatarhash"], [hashlib.sha1(picture).hexdigest()], "its hash")
        answer = await juliet.ask("get", "<vCard xmlns='vcard-temp'/>", to=room)
        got = find(answer, ("vCard", "vcard-temp"), ("PHOTO", "vcard-temp"), ("BINVAL", "vcard-temp")).text
        expect_equal(base64.b64decode(got), picture, "the picture")
        await romeo.ask("set", "<vCard xmlns='vcard-temp'/>", to=room)
        _, answer = await features(juliet, room)
        expect("muc#roominfo_avatarhash" not in fields(answer), "it is gone")


@play()
async def queries_that_a_room_does_not_know_are_refused(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        for to in (room, server.rooms):
            await denied(romeo.ask("get", "<query xmlns='made-up'/>", to=to), "service-unavailable", "cancel")
        await denied(romeo.ask("get", "<query xmlns='%s' node='made-up'/>" % INFO, to=room), "item-not-found", "cancel")
