"""Plays of ICPP people among themselves: login, chat, presence, contacts, lists, offline mail, resumption."""

import asyncio
import subprocess

from interop import servers
from interop.people import WAIT_SECONDS
from interop.phones import Phones, Wire, trust, wire
from interop.programs import eventually
from interop.stage import Stage, expect, expect_equal, quiet

from crosspoint import (Activity, AuthenticationFailed, Bounced, Connected, ListChanged, Receipt, ReceiptKind, Refused,
                        RosterChanged, Show, Subscribed, Typing, Verb)
from crosspoint.errors import Code
from crosspoint.routes import Url

from .hostile_stage import fresh_source

stage = Stage()
play = stage.play

BLOCKED = (Code.SERVICE_UNAVAILABLE, Code.NOT_ACCEPTABLE, Code.FORBIDDEN, Code.POLICY_VIOLATION)


def others(phone):
    """The presences that it was shown, but its own."""
    return [one for one in phone.presences if not one.address.startswith(phone.address)]


@play()
async def login_by_each_mechanism(server):
    async with Phones(server) as phones:
        for scheme, mechanism in (("icpp", "SCRAM-SHA-256"), ("icpp", "SCRAM-SHA-1"), ("icpps", "SCRAM-SHA-256"),
                                  ("icpps", "SCRAM-SHA-1"), ("icpps", "PLAIN")):
            phone = await phones.online("romeo", scheme, mechanism=mechanism, resource="desk")
            expect_equal(phone.client.session.address, phones.jid("romeo") + "/desk", mechanism + " over " + scheme)
            expect_equal(phone.client.session.exchange.name, mechanism, "the mechanism")
            await phone.leave()


@play()
async def plain_is_refused_where_it_is_not_offered(server):
    """On loopback a server may take it in the clear; where it does not offer it, SCRAM goes on the same connection."""
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        raw = await Wire.connect(server, fresh_source())
        await raw.greet(server.jid(user))
        frame = await raw.password(user, password, "PLAIN")
        if "PLAIN" in raw.welcome.mechanisms:
            expect_equal(frame.verb, Verb.AUTHED, "the answer to PLAIN")
        else:
            expect_equal(wire.Fault.decode(frame.body).code, Code.MECHANISM, "the answer to PLAIN")
            expect_equal((await raw.password(user, password)).verb, Verb.AUTHED, "SCRAM on the same connection")
        raw.abort()


@play()
async def a_wrong_password_and_an_unknown_account_look_alike(server):
    async with Phones(server) as phones:
        user, _ = phones.credentials("romeo")
        for name in (user, "nobody-at-all"):
            raw = await Wire.connect(server, fresh_source())
            await raw.greet(server.jid(name))
            for _ in range(2):
                frame = await raw.password(name, "wrong")
                expect_equal(wire.Fault.decode(frame.body).code, Code.NOT_AUTHORIZED, name)
            frame = await raw.password(name, "wrong")
            expect_equal(wire.Fault.decode(frame.body).code, Code.NOT_AUTHORIZED, name + ", third time")
            await raw.ended()
        phone = phones.someone("romeo")
        phone.client.session.config.password = "wrong"
        try:
            await asyncio.wait_for(phone.client.start(), WAIT_SECONDS)
        except AuthenticationFailed:
            return
        raise AssertionError("a wrong password opened the account")


@play()
async def a_ticket_opens_once(server):
    async with Phones(server) as phones:
        phone = await phones.online("romeo")
        expect(phone.client._state.ticket, "no ticket was given")
        phone.client.session.token = None
        phone.vanish()
        await phone.saw(Connected)
        await phone.saw(Connected)
        expect(phone.client.session.exchange is None, "the ticket was not taken")
        user, password = phones.credentials("juliet")
        raw = await Wire.session(server, user, password, fresh_source())
        ticket = raw.authed.ticket
        raw.abort()
        for wanted in (Verb.AUTHED, Verb.ERROR):
            raw = await Wire.connect(server, fresh_source())
            await raw.greet(server.jid(user))
            frame = raw.opened(await raw.auth(ticket, "TICKET"))
            expect_equal(frame.verb, wanted, "the answer to a ticket")
            if wanted == Verb.ERROR:
                fault = wire.Fault.decode(frame.body)
                expect_equal((fault.code, fault.fatal), (Code.TICKET_INVALID, True), "its second use")
                await raw.ended()
                await Wire.session(server, user, password, fresh_source())
            raw.abort()


@play()
async def two_users_chat(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet", "icpps")
        await romeo.client.send(juliet.address, "But, soft!", subject="Balcony", thread="act-2")
        message = await juliet.heard("But, soft!")
        expect_equal((message.sender, message.subject, message.thread, message.to.partition("/")[0]),
                     (romeo.client.session.address, "Balcony", "act-2", juliet.address), "the message")
        await juliet.client.send(message.sender, "Ay me! \N{ROSE}\n\"<&>'")
        expect_equal((await romeo.heard("Ay me! \N{ROSE}\n\"<&>'")).sender, juliet.client.session.address, "the sender")
        await romeo.client.send(juliet.address, "x" * 40000)
        await juliet.heard("x" * 40000)
        await romeo.client.send(juliet.address, payload=b"\x89PNG\0\xff", content_type="image/png", fallback="a picture")
        expect_equal((await juliet.heard("a picture")).payload, b"\x89PNG\0\xff", "the picture")


@play()
async def many_messages_arrive_in_order(server):
    """A burst larger than what may be left unacknowledged: the reader, who takes everything at once, is not slowed to
    a page a second."""
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        total = 1200
        for number in range(total):
            romeo.client.post(juliet.address, str(number))
        await asyncio.wait_for(romeo.client.drain(), 20)
        await juliet.heard(str(total - 1))
        texts = [message.text for message in juliet.inbox]
        expect_equal(texts, [str(number) for number in range(total - 1)], "what arrived")
        expect_equal([one for one in romeo.happened if isinstance(one, Bounced)], [], "what came back")


@play()
async def a_burst_larger_than_the_log_keeps_comes_back_by_its_right_name(server):
    """What the reader's log has no room for is returned, all of it, and says that there is no room."""
    async with Phones(server) as phones:
        romeo = await phones.online("romeo")
        total = 3000
        sent = [romeo.client.post(phones.jid("juliet"), str(number)).id for number in range(total)]
        await asyncio.wait_for(romeo.client.drain(), 20)
        await romeo.settled()
        bounced = [one for one in romeo.happened if isinstance(one, Bounced)]
        juliet = await phones.online("juliet")
        kept = [one.id for one in juliet.inbox]
        expect_equal(sorted(kept + [one.id for one in bounced]), sorted(sent), "kept and returned")
        expect_equal({one.condition for one in bounced} <= {Code.RESOURCE_CONSTRAINT, Code.SERVICE_UNAVAILABLE}, True, "why")
        return "%d kept, %d returned" % (len(kept), len(bounced))


@play()
async def a_message_to_nobody_comes_back(server):
    async with Phones(server) as phones:
        romeo = await phones.online("romeo")
        sent = await romeo.client.send(server.jid("nobody-at-all"), "hello?")
        bounced = await romeo.saw(Bounced)
        expect_equal((bounced.id, bounced.condition), (sent, Code.SERVICE_UNAVAILABLE), "what came back")
        sent = await romeo.client.send("who@elsewhere.test", "hello?")
        bounced = await romeo.saw(Bounced)
        expect_equal(bounced.id, sent, "what came back")
        expect(bounced.condition in (Code.REMOTE_SERVER_NOT_FOUND, Code.SERVICE_UNAVAILABLE, Code.ITEM_NOT_FOUND), str(bounced))


@play()
async def receipts_typing_edit_and_recall(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        sent = await romeo.client.send(juliet.address, "one", receipt=True)
        message = await juliet.heard("one")
        expect(message.receipt_wanted, "the wish for a receipt")
        receipt = await romeo.saw(Receipt, lambda one: one.kind == ReceiptKind.DELIVERED)
        expect_equal((receipt.ref, receipt.sender), (sent, juliet.client.session.address), "the receipt")
        await juliet.client.displayed(message)
        expect_equal((await romeo.saw(Receipt, lambda one: one.kind == ReceiptKind.DISPLAYED)).ref, sent, "displayed")
        for activity in (Activity.COMPOSING, Activity.PAUSED, Activity.GONE):
            romeo.client.typing(juliet.address, activity)
            note = await juliet.saw(Typing, lambda one: one.activity == activity)
            expect_equal(note.sender, romeo.client.session.address, "who types")
        await romeo.client.edit(juliet.address, sent, "won")
        edit = await juliet.heard("won")
        expect_equal((edit.verb, edit.ref), (Verb.EDIT, sent), "the edit")
        await romeo.client.recall(juliet.address, sent)
        recall = await juliet.take("messages", lambda one: one.verb == Verb.RECALL, "the recall")
        expect_equal((recall.ref, recall.sender), (sent, romeo.client.session.address), "the recall")


@play()
async def presence_and_subscriptions(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        await romeo.client.subscribe(juliet.address, "it is me")
        request = await juliet.take("events", lambda one: getattr(one, "verb", None) == Verb.SUBSCRIBE, "a request")
        expect_equal((request.address, request.note), (romeo.address, "it is me"), "the request")
        await romeo.saw(RosterChanged, lambda one: one.contact and one.contact.asked)
        await romeo.settled()
        expect_equal(others(romeo), [], "seen before the approval")
        await juliet.client.approve(romeo.address)
        await romeo.take("events", lambda one: getattr(one, "verb", None) == Verb.APPROVE, "the approval")
        await romeo.heard_of(juliet.client.session.address, Show.AVAILABLE)
        expect_equal(romeo.client.roster[juliet.address].subscription, Subscribed.TO, "in Romeo's roster")
        await juliet.settled()
        expect_equal(juliet.client.roster[romeo.address].subscription, Subscribed.FROM, "in Juliet's roster")
        juliet.client.show(Show.AWAY, "sighing", 3)
        seen = await romeo.heard_of(juliet.client.session.address, Show.AWAY)
        expect_equal((seen.status, seen.priority), ("sighing", 3), "her presence")
        await juliet.client.deny(romeo.address)
        await romeo.take("events", lambda one: getattr(one, "verb", None) == Verb.DENY, "the revocation")
        await romeo.heard_of(juliet.address, Show.UNAVAILABLE)
        juliet.client.show(Show.AVAILABLE, "again")
        await juliet.settled()
        await romeo.settled()
        expect_equal(others(romeo), [], "seen after the revocation")


@play()
async def a_request_waits_for_who_is_offline(server):
    async with Phones(server) as phones:
        romeo = await phones.online("romeo")
        await romeo.client.subscribe(phones.jid("juliet"))
        juliet = await phones.online("juliet")
        await juliet.take("events", lambda one: getattr(one, "verb", None) == Verb.SUBSCRIBE, "the request that waited")
        await juliet.client.approve(romeo.address)
        await romeo.heard_of(juliet.client.session.address, Show.AVAILABLE)


@play()
async def going_and_coming_is_seen(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        await juliet.leave()
        await romeo.heard_of(juliet.client.session.address, Show.UNAVAILABLE)
        again = await phones.online("juliet")
        await romeo.heard_of(again.client.session.address, Show.AVAILABLE)
        await again.heard_of(romeo.client.session.address, Show.AVAILABLE)


@play()
async def directed_presence(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        romeo.client.show_to(juliet.address, Show.CHAT, "for you")
        expect_equal((await juliet.heard_of(romeo.client.session.address, Show.CHAT)).status, "for you", "its status")
        await romeo.leave()
        await juliet.heard_of(romeo.client.session.address, Show.UNAVAILABLE)


@play()
async def the_roster_is_kept_pushed_and_versioned(server):
    async with Phones(server) as phones:
        desk, mobile = await phones.online("romeo", resource="desk"), await phones.online("romeo", resource="mobile")
        await desk.client.set_contact(server.jid("juliet"), "Juliet", ("Capulet", "Loved"))
        for phone in (desk, mobile):
            changed = await phone.saw(RosterChanged, lambda one: one.contact)
            expect_equal((changed.contact.address, changed.contact.name, sorted(changed.contact.groups)),
                         (server.jid("juliet"), "Juliet", ["Capulet", "Loved"]), "the push")
        await mobile.client.set_contact(server.jid("tybalt"), "Tybalt")
        await desk.saw(RosterChanged, lambda one: one.contact)
        version = desk.client._state.roster_version
        expect(version, "a roster with contacts has a version")
        await mobile.client.remove_contact(server.jid("tybalt"))
        removed = await desk.saw(RosterChanged, lambda one: one.contact)
        expect(removed.contact.removed and removed.contact.address == server.jid("tybalt"), str(removed))
        expect(desk.client._state.roster_version > version, "the version grows")
        fresh = await phones.online("romeo", resource="tablet")
        await fresh.saw(RosterChanged, lambda one: one.contact is None)
        expect_equal(fresh.client.roster, desk.client.roster, "a roster that was read, and one that was pushed")
        try:
            await mobile.client.remove_contact(server.jid("tybalt"))
        except Refused as refused:
            expect_equal(refused.code, Code.ITEM_NOT_FOUND, "removing who is not there")


@play()
async def a_known_roster_is_not_sent_again(server):
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        phone = await phones.online("romeo")
        await phone.client.set_contact(server.jid("juliet"))
        await phone.saw(RosterChanged, lambda one: one.contact)
        raw = await Wire.session(server, user, password)
        raw.ask(Verb.ROSTER, wire.Roster(0, (), 0).encode())
        whole = wire.Roster.decode((await raw.wait(Verb.ROSTER)).body)
        expect_equal((whole.op, len(whole.contacts)), (3, 1), "the whole")
        raw.ask(Verb.ROSTER, wire.Roster(0, (), whole.version).encode())
        expect_equal(wire.Roster.decode((await raw.wait(Verb.ROSTER)).body).op, 4, "unchanged")
        raw.abort()


@play()
async def blocking(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        await juliet.client.block(romeo.address)
        expect_equal(await juliet.client.blocked(), [romeo.address], "the black list")
        await romeo.heard_of(juliet.address, Show.UNAVAILABLE)
        sent = await romeo.client.send(juliet.address, "unheard")
        bounced = await romeo.saw(Bounced)
        expect_equal(bounced.id, sent, "what came back")
        expect(bounced.condition in BLOCKED, "its condition: %s" % bounced.condition)
        romeo.client.typing(juliet.address)
        await romeo.settled()
        await juliet.settled()
        expect_equal([one for one in juliet.inbox if one.text == "unheard"] + [one for one in juliet.happened if isinstance(one, Typing)],
                     [], "what passed the block")
        await juliet.client.unblock_all()
        expect_equal(await juliet.client.blocked(), [], "the black list")
        await romeo.heard_of(juliet.client.session.address, Show.AVAILABLE)
        await romeo.client.send(juliet.address, "heard")
        await juliet.heard("heard")


@play()
async def blocks_are_pushed_to_other_sessions(server):
    async with Phones(server) as phones:
        desk, mobile = await phones.online("romeo", resource="desk"), await phones.online("romeo", resource="mobile")
        await desk.client.block("spam.test", server.jid("tybalt"))
        push = await mobile.saw(ListChanged)
        expect_equal((push.verb, push.op, sorted(push.addresses)), (Verb.BLOCK, 1, sorted(["spam.test", server.jid("tybalt")])), "the push")
        await desk.client.unblock("spam.test")
        push = await mobile.saw(ListChanged)
        expect_equal((push.op, push.addresses), (2, ("spam.test",)), "the push")


@play()
async def the_white_list(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        nurse, tybalt = await phones.online("nurse"), await phones.online("tybalt")
        await juliet.client.allow(nurse.address)
        expect_equal(await juliet.client.allowed(), ([nurse.address], False), "the white list")
        await tybalt.client.send(juliet.address, "before")
        await juliet.heard("before")
        await juliet.client.allow_only()
        expect_equal(await juliet.client.allowed(), ([nurse.address], True), "the white list in force")
        for friend in (nurse, romeo):
            await friend.client.send(juliet.address, "from a friend")
            await juliet.heard("from a friend")
        sent = await tybalt.client.send(juliet.address, "from a stranger")
        expect_equal((await tybalt.saw(Bounced)).id, sent, "what came back")
        await juliet.client.block(nurse.address)
        await nurse.client.send(juliet.address, "blocked and allowed")
        await nurse.saw(Bounced)
        await juliet.client.allow_only(False)
        await tybalt.client.send(juliet.address, "after")
        await juliet.heard("after")
        expect_equal([one.text for one in juliet.inbox], [], "what else came")


@play()
async def offline_mail_waits_and_is_synchronized(server):
    async with Phones(server) as phones:
        romeo = await phones.online("romeo")
        address = phones.jid("juliet")
        for number in range(600):
            romeo.client.post(address, str(number))
        await asyncio.wait_for(romeo.client.drain(), 20)
        await romeo.client.send(address, "not kept", store=False)
        juliet = await phones.online("juliet")
        expect_equal([one.text for one in juliet.inbox], [str(number) for number in range(600)], "what waited")
        await romeo.client.send(address, "now")
        await juliet.heard("now")
        await juliet.leave()
        again = await phones.online("juliet")
        expect_equal([one.text for one in again.inbox], [], "what was acknowledged and came again")


@play()
async def what_was_not_taken_waits(server):
    """An application that takes nothing is told no more than the window, and the rest comes when it comes back."""
    async with Phones(server) as phones:
        user, password = phones.credentials("juliet")
        romeo = await phones.online("romeo")
        slow = await Wire.session(server, user, password)
        slow.ask(Verb.SYNC, wire.Sync(0, 0).encode())
        slow.say(Verb.PRESENCE, wire.Presence().encode())
        await slow.wait(Verb.SYNCED)
        for number in range(1000):
            romeo.client.post(server.jid(user), str(number))
        await asyncio.wait_for(romeo.client.drain(), 20)
        count = 0
        try:
            while True:
                count += (await slow.next(1.0)).verb == Verb.DELIVER
        except asyncio.TimeoutError:
            pass
        limit = slow.welcome.unacked_frames
        expect(0 < count <= limit, "%d frames were left unacknowledged, %d allowed" % (count, limit))
        slow.taken = count
        slow.say(Verb.ACCEPTED)
        more = 0
        while more + count < 1000:
            more += (await slow.next()).verb == Verb.DELIVER
            slow.taken = count + more
            slow.say(Verb.ACCEPTED)
        slow.abort()
        return "%d, then the rest" % count


@play()
async def the_priority_decides_who_gets_what_is_for_all(server):
    async with Phones(server) as phones:
        user, password = phones.credentials("juliet")
        romeo = await phones.online("romeo")
        raw = await Wire.session(server, user, password, resource="low")
        raw.say(Verb.PRESENCE, wire.Presence(1, -1).encode())
        await raw.ping()
        await romeo.client.send(server.jid(user), "for all")
        await romeo.client.send(server.jid(user) + "/low", "for you")
        frame = await raw.wait(Verb.DELIVER)
        expect_equal(wire.Message.decode(Verb.DELIVER, frame.body).text, "for you", "what a negative priority gets")
        raw.abort()
        juliet = await phones.online("juliet")
        await juliet.heard("for all")


@play()
async def other_sessions_get_copies(server):
    async with Phones(server) as phones:
        desk, mobile = await phones.online("romeo", resource="desk"), await phones.online("romeo", resource="mobile")
        juliet = await phones.online("juliet")
        await desk.client.send(juliet.address, "from the desk")
        await juliet.heard("from the desk")
        copy = await mobile.heard("from the desk")
        expect_equal((copy.copy, copy.to.partition("/")[0]), (2, juliet.address), "the copy of what was sent")
        await juliet.client.send(desk.client.session.address, "to the desk")
        await desk.heard("to the desk")
        expect_equal((await mobile.heard("to the desk")).copy, 1, "the copy of what was received")


@play()
async def a_cut_connection_is_resumed(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        juliet.vanish()
        for number in range(50):
            romeo.client.post(juliet.address, str(number))
        back = await juliet.saw(Connected)
        expect(back.resumed, "it was not resumed")
        await juliet.heard("49")
        expect_equal([one.text for one in juliet.inbox], [str(number) for number in range(49)], "what came")
        await quiet()
        expect_equal([one for one in others(romeo) if not one.show], [], "the contact noticed")


@play()
async def cut_again_and_again_under_load_nothing_is_lost_or_doubled(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        total, resumed = 3000, 0
        for number in range(total):
            romeo.client.post(juliet.address, str(number))
            if number % 300 == 150:
                await eventually(lambda: len(juliet.inbox) > number - 100, "most of the messages")
                (romeo if number % 600 == 150 else juliet).vanish()
        await asyncio.wait_for(romeo.client.drain(), 25)
        await juliet.heard(str(total - 1))
        texts = [one.text for one in juliet.inbox]
        expect_equal(len(texts), len(set(texts)), "different texts among those that came")
        expect_equal(texts, [str(number) for number in range(total - 1)], "what came")
        for phone in (romeo, juliet):
            resumed += sum(isinstance(one, Connected) and one.resumed for one in phone.happened)
        expect(resumed, "nothing was resumed")
        return "%d messages, %d resumptions" % (total, resumed)


@play()
async def an_old_token_is_no_error(server):
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        for token in (b"", b"x", bytes(16), bytes(64), b"\xff" * 300):
            raw = await Wire.session(server, user, password, resume=token)
            expect(raw.authed, "no session")
            raw.abort()


@play()
async def another_session_takes_the_resource(server):
    async with Phones(server) as phones:
        one = await phones.online("romeo", resource="desk")
        await phones.online("romeo", resource="desk")
        await asyncio.wait_for(asyncio.wait((one.client._task,)), WAIT_SECONDS)
        expect_equal(getattr(one.client._failure, "code", None), Code.REPLACED, "why the first ended: %r" % one.client._failure)


@play()
async def the_background_keeps_presence_and_typing_back(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        juliet.client.background()
        await juliet.settled()
        romeo.client.show(Show.AWAY, "first")
        romeo.client.show(Show.AWAY, "second")
        romeo.client.typing(juliet.address)
        await romeo.client.send(juliet.address, "but this comes")
        await juliet.heard("but this comes")
        await quiet()
        expect_equal((juliet.presences, [one for one in juliet.happened if isinstance(one, Typing)]), ([], []), "what came")
        juliet.client.foreground()
        seen = await juliet.heard_of(romeo.client.session.address, Show.AWAY)
        expect_equal(seen.status, "second", "the presence that was kept")
        await juliet.settled()
        expect_equal(juliet.presences, [], "more presence")


@play()
async def history_is_answered_or_refused(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        for number in range(5):
            await romeo.client.send(juliet.address, str(number))
        await juliet.heard("4")
        try:
            page = await asyncio.wait_for(juliet.client.history(romeo.address, limit=2), WAIT_SECONDS)
        except Refused as refused:
            expect_equal(refused.code, Code.UNSUPPORTED, "the refusal")
            await juliet.client.send(romeo.address, "and the session goes on")
            return "no archive"
        expect_equal(([one.text for one in page.messages], page.more), (["3", "4"], True), "the newest")
        older = await juliet.client.history(romeo.address, limit=10, bound=page.bound)
        expect_equal(([one.text for one in older.messages], older.more), (["0", "1", "2"], False), "the rest")
        return "archive"


@play()
async def a_changed_password_ends_the_session(server):
    async with Phones(server) as phones:
        phone = await phones.online("romeo")
        subprocess.run([servers.binary(), "user", "passwd", "--data", server.data, phone.address], input=b"another\n",
                       check=True, stdout=subprocess.DEVNULL)
        await asyncio.wait_for(asyncio.wait((phone.client._task,)), WAIT_SECONDS)
        expect_equal(getattr(phone.client._failure, "code", None), Code.ACCOUNT_CHANGED, "why it ended: %r" % phone.client._failure)


@play()
async def tls_speaks_icpp_by_alpn(server):
    context = trust(server)
    context.set_alpn_protocols(["icpp/1"])
    raw = await Wire.connect(server, tls=context)
    expect_equal(raw.writer.get_extra_info("ssl_object").selected_alpn_protocol(), "icpp/1", "ALPN")
    await raw.greet(server.jid("bystander"))
    expect("PLAIN" in raw.welcome.mechanisms, "PLAIN over TLS: %s" % (raw.welcome.mechanisms,))
    raw.abort()


@play()
async def chat_over_websockets(server):
    """The same session by WebSocket, with and without TLS: chat, a message of the largest size, resumption."""
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo", "ws"), await phones.online("juliet", "wss")
        for sender, reader in ((romeo, juliet), (juliet, romeo)):
            for number in range(200):
                sender.client.post(reader.address, str(number))
            await sender.client.send(reader.address, "x" * 50000)
            await reader.heard("x" * 50000)
            expect_equal([one.text for one in reader.inbox], [str(number) for number in range(200)], "what came")
        juliet.vanish()
        await romeo.client.send(juliet.address, "welcome back")
        await juliet.heard("welcome back")
        expect(any(isinstance(one, Connected) and one.resumed for one in juliet.happened), "it was not resumed")


@play()
async def a_session_moves_from_one_transport_to_another(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
        for scheme in ("ws", "icpps", "wss", "icpp"):
            juliet.client.routes.own[:] = [Url.parse(server.icpp_url(scheme))]
            juliet.client._tls = trust(server)
            juliet.vanish()
            await romeo.client.send(juliet.address, "by " + scheme)
            await juliet.heard("by " + scheme)
        resumed = [one.resumed for one in juliet.happened if isinstance(one, Connected)]
        expect_equal(resumed, [False, True, True, True, True], "resumed")


@play(seconds=60)
async def history_with_an_archive(server):
    """Both ends can page through what was said, in both directions, after a kill -9, and only with whom they said it."""
    settings = {"environment": {"CROSSPOINT_ARCHIVE_ENABLED": "true"}}
    other = type(server)(server.folder.with_name(server.folder.name + "-archive"), settings=settings)
    try:
        await asyncio.to_thread(other.start)
        async with Phones(other) as phones:
            romeo, juliet, nurse = [await phones.online(stem) for stem in ("romeo", "juliet", "nurse")]
            for number in range(25):
                await romeo.client.send(juliet.address, "r%d" % number)
                await juliet.heard("r%d" % number)
            await nurse.client.send(juliet.address, "Madam!")
            await juliet.client.send(romeo.address, "Ay me!")
            await romeo.heard("Ay me!")
            said = ["r%d" % number for number in range(25)] + ["Ay me!"]
            for _ in range(2):
                for reader, peer in ((romeo, juliet), (juliet, romeo)):
                    expect_equal(await pages(reader, peer.address, newer=False), said, "backwards for " + reader.address)
                    expect_equal(await pages(reader, peer.address, newer=True), said, "forwards for " + reader.address)
                expect_equal((await pages(juliet, "", newer=True)), said[:25] + ["Madam!", "Ay me!"], "with everybody")
                expect_equal(await pages(nurse, romeo.address, newer=True), [], "with whom she never spoke")
                await asyncio.to_thread(other.kill)
                await asyncio.to_thread(other.start)
    finally:
        if other.child and other.child.running():
            await asyncio.to_thread(other.stop)


async def pages(phone, peer, newer):
    """All of a history, read seven at a time, in the order in which it was said."""
    texts, bound = [], 0
    for _ in range(20):
        page = await asyncio.wait_for(phone.client.history(peer, bound=bound, limit=7, newer=newer), WAIT_SECONDS)
        expect(len(page.messages) <= 7, "a page of %d" % len(page.messages))
        found = [one.text for one in page.messages]
        texts = texts + found if newer else found + texts
        if not page.more:
            return texts
        bound = page.bound
    raise AssertionError("a history without end")
