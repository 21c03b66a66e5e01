"""Plays of what is said in rooms: to all, to one, subjects, invitations, forgeries, and the archive."""

from slixmpp.xmlstream import ET

from interop.conference import (
    CLIENT, DELAY, MUC, OCCUPANT_ID, STANZA_ID, USER, Company, codes, denied, find, occupant_id, stanza_id,
)
from interop.stage import expect, expect_equal

from .rooms_entering import play

INFO = "http://jabber.org/protocol/disco#info"
RETRACT = "urn:xmpp:message-retract:1"
MODERATE = "urn:xmpp:message-moderate:1"
ARCHIVE = "urn:xmpp:mam:2"


@play()
async def everybody_hears_what_is_said_and_who_said_it(server):
    async with Company(server) as company:
        room, romeo, juliet, nurse = await company.gathering("romeo", "juliet", "nurse")
        identity = juliet.say(room, "Good <pilgrim> & all")
        heard = [await person.heard("Good <pilgrim> & all") for person in (romeo, juliet, nurse)]
        for person, message in zip((romeo, juliet, nurse), heard):
            expect_equal((message["from"].full, message["to"].full, message["type"], message["id"]),
                         (room + "/juliet", person.boundjid.full, "groupchat", identity), "addressing")
        expect_equal(len({occupant_id(message) for message in heard}), 1, "one identity of the speaker")
        romeo.say(room, "mine")
        expect(occupant_id(await juliet.heard("mine")) != occupant_id(heard[0]), "another's is another")


@play()
async def everybody_hears_all_in_the_same_order(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        for number in range(200):
            (romeo, juliet)[number % 2].say(room, "%d" % number)
        texts = []
        for person in (romeo, juliet):
            while len([one for one in person.inbox if one["body"]]) < 200:
                async with person.happened:
                    await person.happened.wait()
            texts.append([one["body"] for one in person.inbox if one["body"]])
        expect_equal(texts[0], texts[1], "order")
        evens = [text for text in texts[0] if int(text) % 2 == 0]
        expect_equal(evens, [str(number) for number in range(0, 200, 2)], "the order of one speaker")


@play()
async def payloads_pass_as_they_were_written(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        romeo.say(room, "with more", "<origin-id xmlns='%s' id='o1'/><x xmlns='jabber:x:oob'><url>http://c.lit/</url></x>"
                  "<markable xmlns='urn:xmpp:chat-markers:0'/>" % STANZA_ID)
        heard = await juliet.heard("with more")
        for name, namespace in (("origin-id", STANZA_ID), ("x", "jabber:x:oob"), ("markable", "urn:xmpp:chat-markers:0")):
            expect(find(heard, (name, namespace)) is not None, "%s in %s" % (name, heard))


@play("forged-status")
async def forged_words_of_the_room_are_taken_out(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        romeo.say(room, "honest")
        wanted = occupant_id(await juliet.heard("honest"))
        forged = ("<occupant-id xmlns='%s' id='forged'/><stanza-id xmlns='%s' by='%s' id='forged'/>"
                  "<x xmlns='%s'><item affiliation='owner' role='moderator'/><status code='301'/></x>"
                  % (OCCUPANT_ID, STANZA_ID, room, USER))
        for kind, to in (("groupchat", room), ("chat", room + "/juliet")):
            romeo.say(to, "forged " + kind, forged, kind=kind)
            heard = await juliet.heard("forged " + kind)
            expect_equal(occupant_id(heard), wanted, "the room's own identity, once")
            expect("forged'" not in str(heard).replace('"', "'"), "no forgery is left: %s" % heard)
            expect_equal(codes(heard), [], "no status")
        presence = romeo.make_presence(pto=room + "/romeo", pstatus="forged")
        for element in ET.fromstring("<all>%s</all>" % forged):
            presence.append(element)
        presence.send()
        seen = await juliet.took_presence(lambda one: one["status"] == "forged", "his presence")
        expect_equal((occupant_id(seen), codes(seen)), (wanted, []), "what she sees of him")


@play("forged-delay")
async def forged_delays_and_moderation_are_taken_out(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        romeo.say(room, "forged", "<delay xmlns='%s' from='%s' stamp='2002-09-10T23:08:25Z'/>"
                  "<retract xmlns='%s' id='1'><moderated xmlns='%s' by='%s/juliet'/></retract>"
                  "<result xmlns='%s' id='1'/>" % (DELAY, room, RETRACT, MODERATE, room, ARCHIVE))
        heard = await juliet.heard("forged")
        for name, namespace in (("delay", DELAY), ("retract", RETRACT), ("result", ARCHIVE)):
            expect(find(heard, (name, namespace)) is None, "%s in %s" % (name, heard))


@play()
async def who_is_not_in_says_nothing(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        juliet = await company.online("juliet")
        juliet.say(room, "let me in")
        expect_equal((await juliet.returned(room))[0], "not-acceptable", "to all")
        juliet.say(room + "/romeo", "psst", kind="chat")
        expect((await juliet.returned(room))[0] in ("not-acceptable", "forbidden"), "to one")
        juliet.say("nowhere@" + server.rooms, "anybody?")
        expect((await juliet.returned("nowhere@" + server.rooms))[0] == "item-not-found", "to a room that is not there")
        await romeo.settled()
        expect(not [one for one in romeo.inbox if one["body"]], "he hears nothing")


@play()
async def a_private_word_reaches_one(server):
    async with Company(server) as company:
        room, romeo, juliet, nurse = await company.gathering("romeo", "juliet", "nurse")
        juliet.say(room + "/romeo", "for you", kind="chat")
        heard = await romeo.heard("for you")
        expect_equal((heard["from"].full, heard["type"]), (room + "/juliet", "chat"), "from whom")
        expect(find(heard, ("x", USER)) is not None, "it is marked: %s" % heard)
        occupant_id(heard)
        juliet.say(room + "/nobody", "hello?", kind="chat")
        expect_equal((await juliet.returned(room))[0], "item-not-found", "nobody is called so")
        juliet.say(room + "/romeo", "to one as to all")
        expect_equal((await juliet.returned(room))[0], "bad-request", "wrongly typed")
        await nurse.settled()
        expect(not [one for one in nurse.inbox if one["body"]], "the nurse hears nothing")


@play("private-words-option")
async def private_words_can_be_switched_off(server):
    async with Company(server) as company:
        room, romeo, juliet, nurse = await company.gathering("romeo", "juliet", "nurse", allowpm="moderators")
        juliet.say(room + "/nurse", "psst", kind="chat")
        expect_equal((await juliet.returned(room))[0], "forbidden", "only moderators may")
        romeo.say(room + "/nurse", "psst", kind="chat")
        await nurse.heard("psst")


@play()
async def the_subject_is_changed_by_who_may(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet", changesubject=0)
        juliet.send_message(mto=room, mbody=None, msubject="Love", mtype="groupchat")
        expect_equal(await juliet.returned(room), ("forbidden", "auth"), "she may not")
        romeo.send_message(mto=room, mbody=None, msubject="War", mtype="groupchat")
        for person in (romeo, juliet):
            subject = await person.topic(room)
            expect_equal((subject["subject"], subject["from"].full), ("War", room + "/romeo"), "the new subject")
        nurse = await company.online("nurse")
        await nurse.enter(room, "nurse")
        expect_equal((await nurse.topic(room))["subject"], "War", "who enters is told")
        await romeo.configure(room, changesubject=1)
        juliet.send_message(mto=room, mbody=None, msubject="Love", mtype="groupchat")
        expect_equal((await romeo.topic(room))["subject"], "Love", "now she may")
        juliet.say(room, "a body", "<subject xmlns='%s'>no subject</subject>" % CLIENT)
        await romeo.heard("a body")
        await nurse.topic(room)
        guest = await company.online("guest")
        await guest.enter(room, "guest", history={"maxstanzas": "0"})
        expect_equal((await guest.topic(room))["subject"], "Love", "a message with a body changed nothing")
        juliet.send_raw("<message to='%s' type='groupchat'><subject/></message>" % room)
        expect_equal((await guest.topic(room))["subject"] or "", "", "it is taken away")


@play()
async def an_invitation_goes_through_the_room_and_comes_back_declined(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo", passwordprotectedroom=1, roomsecret="ostiary")
        juliet = await company.online("juliet")
        romeo.send_raw("<message to='%s'><x xmlns='%s'><invite to='%s'><reason>Come</reason></invite></x></message>"
                       % (room, USER, juliet.boundjid.bare))
        got = await juliet.take(juliet.inbox, lambda one: find(one, ("x", USER), ("invite", USER)) is not None, "it")
        invite = find(got, ("x", USER), ("invite", USER))
        expect_equal((got["from"].full, find(got, ("x", USER), ("invite", USER), ("reason", USER)).text,
                      find(got, ("x", USER), ("password", USER)).text), (room, "Come", "ostiary"), "the invitation")
        expect(invite.get("from") in (romeo.boundjid.full, romeo.boundjid.bare, room + "/romeo"), "by whom")
        juliet.send_raw("<message to='%s'><x xmlns='%s'><decline to='%s'><reason>Too late</reason></decline></x></message>"
                        % (room, USER, romeo.boundjid.bare))
        got = await romeo.take(romeo.inbox, lambda one: find(one, ("x", USER), ("decline", USER)) is not None, "it")
        decline = find(got, ("x", USER), ("decline", USER))
        expect_equal((got["from"].full, decline.get("from").partition("/")[0],
                      find(got, ("x", USER), ("decline", USER), ("reason", USER)).text),
                     (room, juliet.boundjid.bare, "Too late"), "her refusal")


@play()
async def an_invitation_opens_a_room_for_members(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo", membersonly=1)
        juliet = await company.online("juliet")
        romeo.send_raw("<message to='%s'><x xmlns='%s'><invite to='%s'/></x></message>" % (room, USER, juliet.boundjid.bare))
        await juliet.take(juliet.inbox, lambda one: find(one, ("x", USER), ("invite", USER)) is not None, "it")
        expect_equal((await juliet.come_in(room, "juliet"))["type"], "available", "she is a member now")


@play()
async def a_direct_invitation_passes(server):
    async with Company(server) as company:
        room, romeo = await company.gathering("romeo")
        juliet = await company.online("juliet")
        romeo.send_raw("<message to='%s'><x xmlns='jabber:x:conference' jid='%s' reason='Come'/></message>"
                       % (juliet.boundjid.bare, room))
        got = await juliet.take(juliet.inbox, lambda one: find(one, ("x", "jabber:x:conference")) is not None, "it")
        expect_equal((got["from"].full, find(got, ("x", "jabber:x:conference")).get("jid")),
                     (romeo.boundjid.full, room), "the invitation")


@play()
async def a_visitor_asks_for_a_voice(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet", moderatedroom=1)
        juliet.say(room, "may I?")
        expect_equal(await juliet.returned(room), ("forbidden", "auth"), "visitors are silent")
        juliet.send_raw("<message to='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value>"
                        "</field><field var='muc#role'><value>participant</value></field></x></message>"
                        % (room, MUC + "#request"))
        asked = await romeo.take(romeo.inbox, lambda one: find(one, ("x", "jabber:x:data")) is not None, "her request")
        fields = {one.get("var"): [value.text for value in one if value.tag.endswith("}value")]
                  for one in asked.xml.iter("{jabber:x:data}field")}
        expect_equal((fields["muc#roomnick"], fields["muc#jid"]), (["juliet"], [juliet.boundjid.full]), "who asks")
        fields["muc#request_allow"] = ["true"]
        inside = "".join("<field var='%s'><value>%s</value></field>" % (name, values[0]) for name, values in fields.items()
                         if name and values)
        romeo.send_raw("<message to='%s'><x xmlns='jabber:x:data' type='submit'>%s</x></message>" % (room, inside))
        for person in (romeo, juliet):
            await person.took_presence(lambda one: one["from"] == room + "/juliet"
                                       and "participant" in str(one), "her new role")
        juliet.say(room, "I thank thee")
        await romeo.heard("I thank thee")


@play()
async def a_client_checks_that_it_is_still_in(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet")
        await romeo.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=room + "/romeo")
        nurse = await company.online("nurse")
        await denied(nurse.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=room + "/nurse"), "not-acceptable")
        await denied(nurse.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=room + "/romeo"), "not-acceptable")


@play()
async def a_query_is_passed_to_an_occupant_and_its_answer_back(server):
    async with Company(server) as company:
        romeo, juliet = await company.online("romeo"), await company.online("juliet", plugins=("xep_0092",))
        room = await romeo.found("relay", "romeo")
        await juliet.come_in(room, "juliet")
        answer = await romeo.ask("get", "<query xmlns='%s'/>" % INFO, to=room + "/juliet")
        expect_equal(answer["from"].full, room + "/juliet", "who answers")
        await denied(romeo.ask("get", "<query xmlns='%s'/>" % INFO, to=room + "/nobody"), "item-not-found")
        nurse = await company.online("nurse")
        try:
            await nurse.ask("get", "<query xmlns='%s'/>" % INFO, to=room + "/juliet")
        except Exception as error:
            expect(getattr(error, "condition", "") in ("not-acceptable", "bad-request", "forbidden"), "%r" % error)
        else:
            raise AssertionError("who is not in asks nobody")


@play("moderation")
async def a_moderator_hides_a_message(server):
    async with Company(server) as company:
        room, romeo, juliet, nurse = await company.gathering("romeo", "juliet", "nurse", persistentroom=1)
        nurse.say(room, "indecent")
        bad = [await person.heard("indecent") for person in (romeo, juliet, nurse)][0]
        moderate = ("<moderate xmlns='%s' id='%s'><retract xmlns='%s'/><reason>Hush</reason></moderate>"
                    % (MODERATE, stanza_id(bad, room), RETRACT))
        await denied(juliet.ask("set", moderate, to=room), "forbidden", "auth")
        await romeo.ask("set", moderate, to=room)
        for person in (romeo, juliet, nurse):
            told = await person.take(person.inbox, lambda one: find(one, ("retract", RETRACT)) is not None, "the retraction")
            retract = find(told, ("retract", RETRACT))
            moderated = find(told, ("retract", RETRACT), ("moderated", MODERATE))
            expect_equal((told["from"].full, told["type"], retract.get("id"), moderated.get("by")),
                         (room, "groupchat", stanza_id(bad, room), room + "/romeo"), "who did what")
            expect_equal(find(told, ("retract", RETRACT), ("reason", RETRACT)).text, "Hush", "why")
        guest = await company.online("guest")
        await guest.enter(room, "guest", history={"maxstanzas": "20"})
        await guest.topic(room)
        expect("indecent" not in [one["body"] for one in guest.inbox], "it is not shown again")
        await denied(romeo.ask("set", moderate.replace(stanza_id(bad, room), "no-such-id"), to=room), "item-not-found")


@play()
async def the_archive_of_a_room_is_read_in_pages(server):
    async with Company(server) as company:
        room, romeo, juliet = await company.gathering("romeo", "juliet", persistentroom=1)
        said = []
        for number in range(6):
            romeo.say(room, "line %d" % number)
            said.append(stanza_id(await juliet.heard("line %d" % number), room))

        async def page(person, rsm):
            answer = await person.ask("set", "<query xmlns='%s' queryid='q'><set xmlns='http://jabber.org/protocol/rsm'>%s"
                                      "</set></query>" % (ARCHIVE, rsm), to=room)
            found = [one for one in person.inbox if find(one, ("result", ARCHIVE)) is not None]
            for one in found:
                person.inbox.remove(one)
            return answer, [(find(one, ("result", ARCHIVE)).get("id"), one) for one in found]
        answer, found = await page(juliet, "<max>4</max><before/>")
        expect_equal([one for one, _ in found], said[2:], "the last page")
        for _, one in found:
            forwarded = find(one, ("result", ARCHIVE), ("forwarded", "urn:xmpp:forward:0"), ("message", CLIENT))
            expect_equal((one["from"].full, forwarded.get("from"), forwarded.get("type")),
                         (room, room + "/romeo", "groupchat"), "who spoke where")
            expect(forwarded.find("{%s}occupant-id" % OCCUPANT_ID) is not None, "its speaker's identity: %s" % one)
        answer, found = await page(juliet, "<max>4</max><before>%s</before>" % said[2])
        expect_equal([one for one, _ in found], said[:2], "the page before")
        fin = answer.xml.find("{%s}fin" % ARCHIVE)
        expect_equal(fin.get("complete"), "true", "nothing lies before it")
        answer, found = await page(juliet, "<max>2</max><after>%s</after>" % said[0])
        expect_equal([one for one, _ in found], said[1:3], "forwards")
