"""The session against a scripted server, without sockets: resumption, credit, acknowledgement, duplicates, faults."""

import unittest

from crosspoint import session, state, wire
from crosspoint.errors import AuthenticationFailed, Code, ConnectionLost, WireError
from crosspoint.inbox import Entry
from crosspoint.wire import Flag, Frame, Verb

from .peer import ADDRESS, Script, deliver, number, sent, verbs


def ended(events):
    return [event.error.code for event in events if isinstance(event, session.Ended)]


class Login(unittest.TestCase):
    def test_a_password_login_and_what_follows_it(self):
        script = Script()
        script.session.presence = wire.Presence()
        hello, = script.connect()
        self.assertEqual((hello.verb, wire.Hello.decode(hello.body).account), (Verb.HELLO, "romeo@verona"))
        frames = Script.login(script)
        self.assertEqual(verbs(frames), [Verb.ROSTER, Verb.SYNC, Verb.PRESENCE])
        self.assertEqual(script.session.address, ADDRESS)

    def test_byte_by_byte(self):
        script = Script()
        frames = script.login()
        script.synced(frames)
        for octet in b"".join(deliver(value).encode() for value in range(1, 4)):
            script.session.receive(bytes((octet,)), script.now)
        self.assertEqual([entry.value[1].text for entry in script.entries()], ["1", "2", "3"])

    def test_a_server_that_does_not_know_the_password(self):
        script = Script()
        script.connect()
        auth, = script.say(Frame(Verb.WELCOME, script.welcome.encode()))
        with self.assertRaises(AuthenticationFailed):
            script.say(Frame(Verb.AUTHED, wire.Authed(ADDRESS, b"v=AAAA").encode(), Flag.RESP, auth.id))

    def test_a_ticket_at_once_and_the_password_when_it_is_refused(self):
        script = Script()
        hello, auth = script.connect(ticket=b"old")
        self.assertEqual(wire.Auth.decode(auth.body), wire.Auth(b"old", "TICKET"))
        self.assertEqual(script.say(Frame(Verb.WELCOME, script.welcome.encode())), [])
        fault = wire.Fault(Code.TICKET_INVALID).encode()
        again, = script.say(Frame(Verb.ERROR, fault, Flag.RESP | Flag.ERR, auth.id))
        self.assertEqual(wire.Auth.decode(again.body).mechanism, "SCRAM-SHA-256")
        self.assertNotEqual(again.id, auth.id)

    def test_wrong_password(self):
        script = Script()
        script.connect()
        auth, = script.say(Frame(Verb.WELCOME, script.welcome.encode()))
        with self.assertRaises(AuthenticationFailed):
            script.say(Frame(Verb.ERROR, wire.Fault(Code.NOT_AUTHORIZED).encode(), Flag.RESP | Flag.ERR, auth.id))

    def test_no_password_over_a_plain_connection(self):
        script = Script()
        script.welcome = wire.Welcome(mechanisms=("PLAIN",))
        script.connect()
        with self.assertRaises(AuthenticationFailed):
            script.say(Frame(Verb.WELCOME, script.welcome.encode()))

    def test_a_server_that_never_answers(self):
        script = Script()
        script.connect()
        with self.assertRaises(ConnectionLost):
            script.wait(session.LOGIN_SECONDS)


class Outbox(unittest.TestCase):
    def test_never_more_than_the_window(self):
        script = Script(window=2)
        script.login()
        for value in range(5):
            script.send(value)
        self.assertEqual(sent(script.frames()), [(0, False), (1, False)])
        self.assertEqual(sent(script.say(Frame(Verb.ACCEPTED, ack=1))), [(2, False)])
        self.assertEqual(sent(script.say(Frame(Verb.CREDIT, wire.encode_credit(4), ack=1))), [(3, False), (4, False)])
        self.assertEqual(sent(script.say(Frame(Verb.CREDIT, wire.encode_credit(0), ack=5))), [])
        script.send(9)
        self.assertEqual(sent(script.frames()), [])

    def test_a_resumed_session_sends_again_what_is_not_safe(self):
        script = Script(window=3)
        script.login()
        for value in range(5):
            script.send(value)
        script.frames()
        script.session.lost()
        frames = script.login(Verb.RESUMED, ack=1)
        self.assertEqual(sent(frames), [(1, True), (2, True), (3, False)])
        self.assertEqual(verbs(frames).count(Verb.ROSTER), 1)

    def test_the_resumption_names_the_token_and_what_was_taken(self):
        script = Script()
        script.synced(script.login())
        script.say(deliver(1), deliver(2))
        script.take(script.entries()[0])
        script.session.lost()
        hello, = script.connect()
        self.assertEqual((wire.Hello.decode(hello.body).resume, hello.ack), (b"token", 1))
        auth, = script.say(Frame(Verb.WELCOME, script.welcome.encode()))
        self.assertEqual((auth.verb, auth.ack), (Verb.AUTH, 1))

    def test_a_new_session_sends_everything_again_under_the_same_ids(self):
        script = Script(window=3)
        script.login()
        for value in range(5):
            script.send(value)
        script.frames()
        script.session.lost()
        self.assertEqual(sent(script.login()), [(0, True), (1, True), (2, True)])
        self.assertEqual(sent(script.say(Frame(Verb.ACCEPTED, ack=3))), [(3, False), (4, False)])

    def test_only_four_verbs_carry_dup(self):
        script = Script()
        script.login()
        script.session.submit(Verb.SUBSCRIBE, wire.Subscription("a@b").encode())
        script.frames()
        script.session.lost()
        again, = [frame for frame in script.login() if frame.verb == Verb.SUBSCRIBE]
        self.assertEqual(again.flags, 0)

    def test_what_was_sent_while_offline_waits(self):
        script = Script()
        script.send(1)
        self.assertEqual(sent(script.login()), [(1, False)])

    def test_an_outbox_of_an_earlier_process(self):
        memory = state.State()
        Script(memory).send(1)
        for item in memory.outbox.values():
            item.tried = True
        self.assertEqual(sent(Script(memory).login()), [(1, True)])

    def test_accepted_says_which(self):
        script = Script()
        script.login()
        serials = [script.send(value) for value in range(3)]
        script.session.happened()
        script.say(Frame(Verb.ACCEPTED, ack=2))
        accepted = [event.serial for event in script.session.happened() if isinstance(event, session.Accepted)]
        self.assertEqual(accepted, serials[:2])
        self.assertEqual(len(script.memory.outbox), 1)

    def test_an_ack_of_what_was_never_sent(self):
        for ack in (2, 0xFFFFFFFF):
            script = Script()
            script.login()
            script.send(1)
            script.frames()
            with self.assertRaises(WireError) as caught:
                script.say(Frame(Verb.ACCEPTED, ack=ack))
            self.assertEqual(caught.exception.code, Code.ACK_INVALID)

    def test_an_ack_that_goes_back(self):
        script = Script()
        script.login()
        for value in range(3):
            script.send(value)
        script.say(Frame(Verb.ACCEPTED, ack=2))
        with self.assertRaises(WireError):
            script.say(Frame(Verb.ACCEPTED, ack=1))

    def test_counters_wrap(self):
        script = Script(window=1)
        script.login()
        script.session.acked = 0xFFFFFFFF
        script.send(1), script.send(2)
        script.frames()
        self.assertEqual(sent(script.say(Frame(Verb.ACCEPTED, ack=0))), [(2, False)])

    def test_nothing_is_sent_after_the_second_phase_of_a_drain(self):
        script = Script()
        script.login()
        script.say(Frame(Verb.DRAIN, wire.Drain(1, 1000).encode()))
        script.send(1)
        self.assertEqual(sent(script.frames()), [(1, False)])
        script.say(Frame(Verb.DRAIN, wire.Drain(2).encode()))
        script.send(2)
        self.assertEqual(sent(script.frames()), [])
        script.say(Frame(Verb.BYE, wire.Fault(Code.SHUTDOWN, True, True).encode()))
        self.assertEqual(ended(script.session.happened()), [Code.SHUTDOWN])
        script.session.lost()
        self.assertEqual(sent(script.login()), [(1, True), (2, False)])

    def test_a_message_that_cannot_fit(self):
        script = Script()
        with self.assertRaises(ValueError):
            script.session.submit(Verb.SEND, bytes(wire.FRAME_MAX))
        self.assertEqual(script.session.unaccepted, 0)


class Arriving(unittest.TestCase):
    def online(self, **config):
        script = Script(**config)
        script.synced(script.login())
        script.session.happened()
        return script

    def test_nothing_is_acknowledged_before_it_was_taken(self):
        script = self.online()
        script.say(deliver(1), deliver(2))
        one, two = script.entries()
        self.assertEqual(script.wait(5), [])
        script.take(two)
        self.assertEqual(script.wait(5), [])
        script.take(one)
        self.assertEqual(script.wait(0.5), [])
        self.assertEqual(script.wait(0.5), [Frame(Verb.ACCEPTED, ack=2)])

    def test_half_of_what_the_server_leaves_outstanding_is_acknowledged_at_once(self):
        script = self.online()
        script.say(*(deliver(value) for value in range(1, 5)))
        for entry in script.entries():
            script.take(entry)
        self.assertEqual(script.frames(), [Frame(Verb.ACCEPTED, ack=4)])

    def test_any_frame_carries_the_ack(self):
        script = self.online()
        script.say(deliver(1))
        script.take(script.entries()[0])
        script.send(1)
        self.assertEqual(script.frames()[0].ack, 1)
        self.assertEqual(script.wait(2), [])

    def test_the_same_message_is_shown_once(self):
        script = self.online()
        script.say(deliver(1))
        script.take(script.entries()[0])
        script.say(deliver(1), deliver(1, sender="juliet@capulet/three"), deliver(1, sender="tybalt@capulet"))
        self.assertEqual([entry.value[1].sender for entry in script.entries()], ["tybalt@capulet"])

    def test_a_second_copy_is_not_acknowledged_before_the_first_was_taken(self):
        script = self.online()
        script.say(deliver(1), deliver(1))
        entry, = script.entries()
        self.assertEqual(script.wait(2), [])
        script.take(entry)
        self.assertEqual(script.wait(2)[0].ack, 2)

    def test_at_least_a_thousand_are_remembered(self):
        script = self.online()
        for value in range(1, 1026):
            script.say(deliver(value))
            script.take(script.entries()[0])
        script.say(deliver(2))
        self.assertEqual(script.entries(), [])

    def test_a_message_that_came_back_is_not_the_one_that_was_received(self):
        script = self.online()
        script.say(deliver(1), deliver(1, sender="juliet@capulet", kind=4, condition=47))
        self.assertEqual([entry.stream for entry in script.entries()], ["messages", "events"])

    def test_resumed_in_the_middle_nothing_is_lost_or_shown_twice(self):
        script = self.online()
        script.say(*(deliver(value) for value in range(1, 4)))
        one, two, three = script.entries()
        script.take(one)
        script.session.lost()
        script.take(two)
        script.login(Verb.RESUMED)
        script.say(deliver(3), deliver(4))
        self.assertEqual([entry.value[1].text for entry in script.entries()], ["4"])
        script.take(three)
        self.assertEqual(script.wait(1)[-1].ack, 3)

    def test_taken_between_hello_and_resumed(self):
        script = self.online()
        script.say(*(deliver(value) for value in range(1, 4)))
        entries = script.entries()
        script.session.lost()
        script.connect()
        for entry in entries:
            script.take(entry)
        script.login(Verb.RESUMED)
        self.assertEqual(script.session.inbox.taken, 3)

    def test_a_new_session_brings_again_what_was_not_taken(self):
        script = self.online()
        script.say(deliver(1), deliver(2))
        one, two = script.entries()
        script.take(one)
        script.session.lost()
        frames = script.login()
        script.say(deliver(1), deliver(2), deliver(3))
        self.assertEqual([entry.value[1].text for entry in script.entries()], ["3"])
        script.synced(frames, 3)
        self.assertEqual(script.wait(2)[-1].ack, 1)
        script.take(two)
        self.assertEqual(script.wait(2)[-1].ack, 2)

    def test_receipts_are_sent_when_the_message_was_taken(self):
        script = self.online()
        script.say(deliver(1, receipt_wanted=True, foreign_id="x"))
        self.assertEqual(sent(script.frames(), Verb.RECEIPT), [])
        script.take(script.entries()[0])
        receipt, = script.frames()
        message = wire.Message.decode(Verb.RECEIPT, receipt.body)
        self.assertEqual((message.to, message.ref, message.kind, message.foreign_ref), ("juliet@capulet/two", number(1), 1, "x"))

    def test_no_receipt_for_copies_of_our_own(self):
        script = self.online()
        script.say(deliver(1, sender="romeo@verona/two", receipt_wanted=True, copy=2))
        script.take(script.entries()[0])
        self.assertEqual(script.frames(), [])

    def test_a_server_that_floods(self):
        script = self.online()
        with self.assertRaises(WireError):
            script.say(*(deliver(value) for value in range(1, 300)))

    def test_a_roster_push_counts_and_changes_the_roster(self):
        script = self.online()
        contact = wire.Contact("a@b", "A", (), 3)
        script.say(Frame(Verb.ROSTER, wire.Roster(6, (contact,), 9).encode()))
        self.assertEqual((script.memory.roster, script.memory.roster_version), ({"a@b": contact}, 9))
        self.assertEqual(script.wait(1), [Frame(Verb.ACCEPTED, ack=1)])
        script.say(Frame(Verb.ROSTER, wire.Roster(6, (wire.Contact("a@b", removed=True),), 10).encode()))
        self.assertEqual((script.memory.roster, script.memory.roster_version), ({}, 10))


class Synchronizing(unittest.TestCase):
    def test_the_cursor_stands_until_synced(self):
        script = Script()
        frames = script.login()
        script.say(deliver(9), deliver(3))
        for entry in script.entries():
            script.take(entry)
        self.assertEqual(script.memory.offset, 0)
        script.synced(frames, (3 << 20) + 1)
        self.assertEqual((script.memory.epoch, script.memory.offset), (5, (9 << 20) + 1))

    def test_the_cursor_follows_what_was_taken_in_order(self):
        script = Script()
        script.synced(script.login())
        script.say(deliver(1), deliver(2, stamp=2 << 20), deliver(3))
        one, two, three = script.entries()
        script.take(three)
        self.assertEqual(script.memory.offset, 0)
        script.take(one)
        self.assertEqual(script.memory.offset, (1 << 20) + 1)
        script.take(two)
        self.assertEqual(script.memory.offset, (3 << 20) + 1)

    def test_the_next_login_says_how_far(self):
        script = Script()
        script.synced(script.login(), (7 << 20) + 1)
        script.session.lost(fault=True)
        sync = [frame for frame in script.login() if frame.verb == Verb.SYNC]
        self.assertEqual(wire.Sync.decode(sync[0].body).offset, (7 << 20) + 1)

    def test_what_was_cut_is_asked_again_under_new_ids(self):
        script = Script()
        first = script.login()
        script.session.lost()
        frames = script.login(Verb.RESUMED)
        self.assertEqual(verbs(frames), [Verb.ROSTER, Verb.SYNC])
        self.assertEqual({frame.id for frame in first} & {frame.id for frame in frames}, set())


class Timers(unittest.TestCase):
    def test_heartbeats_of_both_sides(self):
        script = Script()
        script.synced(script.login())
        self.assertEqual(script.wait(59), [])
        ping, = script.wait(1)
        self.assertEqual((ping.verb, ping.flags), (Verb.PING, Flag.REQ))
        script.wait(29)
        with self.assertRaises(ConnectionLost):
            script.wait(1)

    def test_who_only_sends_asks_whether_anybody_is_there(self):
        """A server asks nothing, so its silence says nothing, unless it was asked."""
        script = Script()
        script.synced(script.login())
        for _ in range(4):
            script.session.push(Verb.NOTE, b"")
            self.assertNotIn(Verb.PING, verbs(script.wait(14)))
        script.session.push(Verb.NOTE, b"")
        self.assertIn(Verb.PING, verbs(script.frames() + script.wait(5)))

    def test_a_ping_is_answered(self):
        script = Script()
        script.login()
        self.assertEqual(script.say(Frame(Verb.PING, b"", Flag.REQ, 77)), [Frame(Verb.PONG, b"", Flag.RESP, 77)])

    def test_in_the_background_the_heart_beats_slower(self):
        script = Script()
        script.synced(script.login())
        script.session.set_background(True)
        self.assertEqual(script.frames()[0].body, b"\x01")
        self.assertEqual(script.wait(599), [])
        self.assertEqual(script.wait(1)[0].verb, Verb.PING)
        script.session.lost(fault=True)
        self.assertIn(Verb.STATE, verbs(script.login()))


class Hostile(unittest.TestCase):
    """Frames that no server may send."""

    def refused(self, code, *frames, online=True):
        script = Script()
        if online:
            script.login()
        else:
            script.connect()
        with self.assertRaises(WireError) as caught:
            script.say(*frames)
        self.assertEqual(caught.exception.code, code)

    def test_before_login(self):
        for frame in (deliver(1), Frame(Verb.HELLO), Frame(Verb.ACCEPTED), Frame(Verb.AUTHED, b"", Flag.RESP, 1),
                      Frame(Verb.RESUMED), Frame(Verb.ROSTER), Frame(Verb.AUTH, b"", Flag.RESP | Flag.MORE, 1)):
            self.refused(Code.UNEXPECTED_VERB, frame, online=False)

    def test_two_welcomes(self):
        welcome = Frame(Verb.WELCOME, wire.Welcome(mechanisms=("SCRAM-SHA-256",)).encode())
        self.refused(Code.UNEXPECTED_VERB, welcome, welcome, online=False)

    def test_a_version_that_was_not_offered(self):
        self.refused(Code.UNSUPPORTED_VERSION, Frame(Verb.WELCOME, wire.Welcome(2).encode()), online=False)

    def test_a_large_frame_before_login(self):
        self.refused(Code.FRAME_TOO_LARGE, Frame(Verb.WELCOME, bytes(5000)), online=False)

    def test_verbs_of_clients(self):
        for verb in (Verb.HELLO, Verb.WELCOME, Verb.AUTH, Verb.SEND, Verb.PRESENCE, Verb.SYNC, Verb.HISTORY, Verb.STATE,
                     Verb.OPEN, Verb.CLOSE, Verb.HOLD, Verb.TOPOLOGY, Verb.AUTHED, Verb.RESUMED):
            self.refused(Code.UNEXPECTED_VERB, Frame(verb))

    def test_bodies(self):
        for frame in (Frame(Verb.DELIVER, b"x"), Frame(Verb.CREDIT, b"x"), Frame(Verb.ACCEPTED, b"x"), Frame(Verb.PRESENCES),
                      Frame(Verb.ROSTER, wire.Roster(3).encode()), Frame(Verb.ERROR, b"x"), Frame(Verb.REDIRECT, b"x"),
                      Frame(Verb.SUBSCRIBE, b"\xff\xff\0\0"), Frame(Verb.DRAIN, wire.Drain(3).encode())):
            self.refused(Code.MALFORMED, frame)

    def test_answers_that_were_not_asked_for(self):
        self.refused(Code.UNEXPECTED_VERB, Frame(Verb.SYNCED, wire.Synced(5, 0).encode()))
        self.refused(Code.UNEXPECTED_VERB, Frame(Verb.ITEMS, deliver(1).body))
        script = Script()
        script.login()
        self.assertEqual(script.say(Frame(Verb.SYNCED, wire.Synced(5, 0).encode(), Flag.RESP, 999)), [])

    def test_another_slot(self):
        self.refused(Code.UNEXPECTED_VERB, Frame(Verb.PING, b"", Flag.REQ, 1, 0, 3))

    def test_unknown_verbs_of_later_versions(self):
        script = Script()
        script.login()
        self.assertEqual(script.say(Frame(0x90, b"what")), [])
        self.assertEqual(script.say(Frame(0x90, b"what", Flag.REQ, 5)), [])

    def test_a_session_that_was_broken_is_not_resumed(self):
        script = Script()
        script.login()
        script.session.lost(fault=True)
        hello, = script.connect()
        self.assertIsNone(wire.Hello.decode(hello.body).resume)

    def test_fatal_errors_end_it_and_others_do_not(self):
        script = Script()
        script.login()
        script.say(Frame(Verb.ERROR, wire.Fault(Code.UNSUPPORTED).encode()))
        self.assertEqual(ended(script.session.happened()), [])
        script.say(Frame(Verb.ERROR, wire.Fault(Code.CREDIT_OVERRUN, fatal=True).encode()), deliver(1))
        events = script.session.happened()
        self.assertEqual(ended(events), [Code.CREDIT_OVERRUN])
        self.assertEqual([event for event in events if isinstance(event, Entry)], [])
