"""Plays of ICPP people with XMPP people in one room, who need not know what the other speaks."""

from interop.conference import Company, codes, item, occupant_id, stanza_id
from interop.phones import Phones
from interop.stage import expect, expect_equal

from crosspoint import Affiliation, Bounced, Refused, Role, Show, Verb, Word
from crosspoint.errors import Code

from .icpp_python_people import play


class Salon:
    """Phones and guests with accounts in common."""

    def __init__(self, server):
        self.company = Company(server)
        self.phones = Phones(server, self.company.accounts)

    async def __aenter__(self):
        return self.phones, self.company

    async def __aexit__(self, *failure):
        await self.phones.__aexit__(*failure)
        await self.company.__aexit__(*failure)


async def told(phone, verb, test=lambda word: True):
    """A word of a room."""
    return await phone.take("events", lambda one: isinstance(one, Word) and one.verb == verb and test(one), verb.name)


async def noticed(phone, nick, **fields):
    """An OCCUPANT about this nickname, with these fields."""
    return await told(phone, Verb.OCCUPANT, lambda one: one.nick == nick and all(
        getattr(one, name) == value for name, value in fields.items()))


async def made(phone, room, nick, **config):
    """A room that a phone has made and opened."""
    await phone.client.rooms.create(room, nick)
    own = await noticed(phone, nick)
    expect(own.is_self and 201 in own.codes, "made: %s" % own)
    await told(phone, Verb.SUBJECT)
    await phone.client.rooms.configure(room, **config)


def address(server, phone, stem):
    return "%s-%s@%s" % (stem, phone.address.partition("@")[0], server.rooms)


@play()
async def rooms_a_room_of_icpp_people_and_xmpp_people(server):
    """Entering, speaking, and leaving, both ways."""
    async with Salon(server) as (phones, company):
        romeo, juliet = await phones.online("romeo"), await company.online("juliet")
        room = address(server, romeo, "garden")
        await made(romeo, room, "romeo")
        own = await juliet.come_in(room, "juliet")
        expect(110 in codes(own), "she is in: %s" % own)
        seen = await juliet.saw(room, "romeo")
        expect_equal((item(seen)["affiliation"], item(seen)["role"]), ("owner", "moderator"), "how she sees him")
        her = await noticed(romeo, "juliet")
        expect_equal((her.affiliation, her.role, her.real, her.is_self),
                     (Affiliation.NONE, Role.PARTICIPANT, juliet.boundjid.full, False), "how he sees her")
        sent = await romeo.client.rooms.say(room, "But, soft! <&>")
        heard = await juliet.heard("But, soft! <&>")
        expect_equal((str(heard["from"]), heard["type"]), (room + "/romeo", "groupchat"), "whose it is")
        echo = await romeo.heard("But, soft! <&>")
        expect_equal((echo.id, echo.record, echo.occupant_id), (sent, stanza_id(heard, room), occupant_id(heard)), "his own words")
        identity = juliet.say(room, "Ay me!")
        answer = await romeo.heard("Ay me!")
        expect_equal((answer.sender, answer.kind, answer.foreign_id, answer.occupant_id),
                     (room + "/juliet", 2, identity, her.occupant_id), "her words")
        await juliet.heard("Ay me!")
        await romeo.client.rooms.whisper(room, "juliet", "a word in private")
        heard = await juliet.heard("a word in private")
        expect_equal((str(heard["from"]), heard["type"]), (room + "/romeo", "chat"), "in private")
        juliet.say(room + "/romeo", "and one back", kind="chat")
        expect_equal((await romeo.heard("and one back")).sender, room + "/juliet", "back")
        await romeo.client.rooms.show(room, "romeo", Show.AWAY, "climbing")
        seen = await juliet.saw(room, "romeo", "away")
        expect_equal((seen["show"], seen["status"]), ("away", "climbing"), "what he shows")
        juliet.go(room, "juliet", "asleep")
        gone = await noticed(romeo, "juliet", role=Role.NONE)
        expect_equal((gone.show, gone.status), (Show.AVAILABLE, "asleep"), "she has left")
        await juliet.come_in(room, "juliet")
        await romeo.client.rooms.leave(room, "away")
        own = await noticed(romeo, "romeo", role=Role.NONE)
        expect(own.is_self, "he is out: %s" % own)
        await juliet.saw(room, "romeo", "unavailable")


@play()
async def rooms_an_xmpp_room_lets_icpp_people_in_and_tells_them_what_was_said(server):
    async with Salon(server) as (phones, company):
        juliet, romeo = await company.online("juliet"), await phones.online("romeo")
        room = await juliet.found("balcony", "juliet", roomname="Balcony", persistentroom="1", roomsecret="rose",
                                  passwordprotectedroom="1")
        for text in ("one", "two", "three"):
            juliet.say(room, text)
            await juliet.heard(text)
        juliet.send_message(room, mbody=None, msubject="Night", mtype="groupchat")
        await juliet.topic(room)
        await romeo.client.rooms.join(room, "romeo", password="thorn")
        refused = await told(romeo, Verb.REFUSED)
        expect_equal((refused.room, refused.nick, refused.condition), (room, "romeo", 42), "a wrong password")
        await romeo.client.rooms.create(room, "romeo")
        expect_equal((await told(romeo, Verb.REFUSED)).condition, 34, "there is such a room")
        await romeo.client.rooms.join(room, "romeo", password="rose", history_messages=2)
        expect_equal((await noticed(romeo, "juliet")).affiliation, Affiliation.OWNER, "who was there")
        expect((await noticed(romeo, "romeo")).is_self, "he is in")
        subject = await told(romeo, Verb.SUBJECT)
        expect_equal((subject.subject, subject.nick), ("Night", "juliet"), "the subject")
        expect_equal([one.text for one in romeo.inbox], ["two", "three"], "what he is shown")
        await juliet.saw(room, "romeo")
        await romeo.client.rooms.say(room, "four")
        await juliet.heard("four")
        page = await romeo.client.rooms.history(room, limit=3)
        expect_equal([(one.text, one.sender) for one in page.messages if one.text],
                     [(text, room + "/" + nick) for text, nick in (("two", "juliet"), ("three", "juliet"), ("four", "romeo"))][-len(
                         [one for one in page.messages if one.text]):], "the newest")
        expect(page.more, "there is more")
        older = await romeo.client.rooms.history(room, bound=page.bound)
        expect_equal([one.text for one in older.messages][:1], ["one"], "the oldest")
        expect(not older.more, "no more")
        info = await romeo.client.rooms.info(room)
        expect_equal((info.name, info.persistent, info.subject, info.occupants, info.entry_password),
                     ("Balcony", 1, "Night", 2, None), "what it is")
        listed = await romeo.client.rooms.list(limit=100)
        expect(listed.domain == server.rooms and room in [one.address for one in listed.listed], "the list: %s" % listed)
        expect_equal(sorted(await romeo.client.rooms.occupants(room)), ["juliet", "romeo"], "who is in")


@play()
async def rooms_an_icpp_owner_runs_a_room(server):
    async with Salon(server) as (phones, company):
        romeo, juliet, tybalt = await phones.online("romeo"), await company.online("juliet"), await company.online("tybalt")
        mercutio = await phones.online("mercutio")
        room = address(server, romeo, "square")
        await made(romeo, room, "romeo", name="Square", moderated=True, members_only=False, history_length=5)
        await juliet.come_in(room, "juliet")
        await tybalt.come_in(room, "tybalt")
        await mercutio.client.rooms.join(room, "mercutio")
        own = await noticed(mercutio, "mercutio")
        expect_equal((own.role, own.affiliation), (Role.VISITOR, Affiliation.NONE), "a visitor")
        sent = await mercutio.client.rooms.say(room, "unheard")
        bounced = await mercutio.saw(Bounced)
        expect_equal((bounced.id, bounced.condition), (sent, Code.FORBIDDEN), "a visitor has no voice")
        await mercutio.client.rooms.ask_voice(room)
        asked = await told(romeo, Verb.VOICE)
        expect_equal((asked.nick, asked.real), ("mercutio", mercutio.client.session.address), "who asks")
        await romeo.client.rooms.answer_voice(room, "mercutio")
        await noticed(mercutio, "mercutio", role=Role.PARTICIPANT)
        await mercutio.client.rooms.say(room, "A plague!")
        await juliet.heard("A plague!")
        await romeo.client.rooms.set_role(room, "juliet", Role.MODERATOR)
        await romeo.client.rooms.set_subject(room, "Swords")
        told_her = await juliet.topic(room)
        expect_equal(told_her["subject"], "Swords", "the subject")
        expect_equal((await told(mercutio, Verb.SUBJECT, lambda one: one.subject)).subject, "Swords", "the subject")
        await romeo.client.rooms.kick(room, "tybalt", "enough")
        out = await tybalt.saw(room, "tybalt", "unavailable", 307)
        expect(110 in codes(out), "himself: %s" % out)
        gone = await noticed(mercutio, "tybalt", role=Role.NONE)
        expect_equal((gone.codes, gone.by, gone.reason), ((307,), "romeo", "enough"), "why")
        await romeo.client.rooms.ban(room, tybalt.boundjid.bare, "for good")
        expect_equal(await tybalt.kept_out(room, "tybalt"), ("forbidden", "auth"), "banned")
        banned = await romeo.client.rooms.members(room, affiliation=Affiliation.OUTCAST)
        expect_equal([(one.address, one.reason) for one in banned], [(tybalt.boundjid.bare, "for good")], "the list")
        await juliet.change(room, nick="mercutio", role="none", why="hush")
        out = await noticed(mercutio, "mercutio", role=Role.NONE)
        expect_equal((out.is_self, out.by, out.reason), (True, "juliet", "hush"), "kicked by a moderator on XMPP")
        config = await romeo.client.rooms.configuration(room)
        expect_equal((config.name, config.moderated, config.history_length, config.owners), ("Square", 1, 5, (romeo.address,)), "the configuration")
        try:
            await mercutio.client.rooms.configure(room, name="Mine")
        except Refused as refused:
            expect_equal(refused.code, Code.FORBIDDEN, "not an owner")
        else:
            raise AssertionError("a guest configured the room")
        await romeo.client.rooms.destroy(room, reason="peace")
        end = await noticed(romeo, "romeo", role=Role.NONE)
        expect_equal((end.destroyed, end.reason), (True, "peace"), "the end")
        await juliet.saw(room, "juliet", "unavailable")


@play()
async def rooms_who_comes_back_knows_who_is_in(server):
    """What a room says while its occupant's connection is gone arrives when he resumes."""
    async with Salon(server) as (phones, company):
        romeo, juliet = await phones.online("romeo"), await company.online("juliet")
        room = address(server, romeo, "orchard")
        await made(romeo, room, "romeo")
        romeo.vanish()
        await juliet.come_in(room, "juliet")
        juliet.say(room, "are you there?")
        await noticed(romeo, "juliet")
        await romeo.heard("are you there?")
        await romeo.client.rooms.say(room, "I am")
        await juliet.heard("I am")
