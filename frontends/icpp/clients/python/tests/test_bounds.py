"""What an application that asks for too much, waits in vain, or says something wrong is told; and that nothing grows without end."""

import asyncio
import logging
import pathlib
import unittest

from crosspoint import Client, ConnectionLost, OutboxFull, Presence, Redirected, Show, WireError, scram, transport, wire
from crosspoint.errors import AuthenticationFailed
from crosspoint.session import ANSWER_BYTES_MAX, OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX
from crosspoint.wire import Flag, Frame, Verb

from .peer import ACCOUNT, PASSWORD, FakeServer, Script, deliver
from .test_client import Plays, client, for_ever, going


PATIENCE = 60


def tasks():
    return [task for task in asyncio.all_tasks() if "Client._" in repr(task)]


class Outbox(unittest.TestCase):
    def test_frames_are_bounded(self):
        """Found by using it: an application that wrote while there was no server grew without end."""
        script = Script()
        for value in range(1, OUTBOX_FRAMES_MAX + 1):
            script.send(value)
        with self.assertRaises(OutboxFull):
            script.send(1)
        self.assertEqual(script.session.unaccepted, OUTBOX_FRAMES_MAX)

    def test_bytes_are_bounded_and_given_back(self):
        script = Script()
        for _ in range(OUTBOX_BYTES_MAX // 50_000):
            script.session.submit(Verb.SEND, bytes(50_000))
        with self.assertRaises(OutboxFull):
            script.session.submit(Verb.SEND, bytes(50_000))
        for item in list(script.memory.outbox.values()):
            script.memory.done(item)
        self.assertEqual(script.memory.outbox_bytes, 0)
        script.session.submit(Verb.SEND, bytes(50_000))


class Answers(unittest.TestCase):
    def flood(self, verb, frame_verb, body, make):
        script = Script()
        script.synced(script.login())
        script.session.request(verb, make)
        question = script.frames()[-1]
        with self.assertRaises(WireError):
            for _ in range(ANSWER_BYTES_MAX // len(body) + 1):
                script.say(Frame(frame_verb, body, Flag.RESP | Flag.MORE, question.id))

    def test_an_answer_without_end(self):
        """Found by reading: the frames of an answer were kept without a bound."""
        item = wire.Message(bytes(16), "a@b", "c@d", payload=bytes(60_000)).encode()
        self.flood(Verb.HISTORY, Verb.ITEMS, item, wire.History(0, 10, False, "", False).encode())

    def test_a_roster_without_end(self):
        script = Script()
        get = next(frame for frame in script.login() if frame.verb == Verb.ROSTER)
        part = wire.Roster(wire.RosterOp.ITEMS, (wire.Contact("a@b", "x" * 60_000),), 1).encode()
        with self.assertRaises(WireError):
            for _ in range(ANSWER_BYTES_MAX // len(part) + 1):
                script.say(Frame(Verb.ROSTER, part, Flag.RESP | Flag.MORE, get.id))


class LaterVersions(unittest.TestCase):
    def test_kinds_that_are_not_known_are_borne(self):
        """Found by reading: a kind of receipt or of typing that was not known ended the connection, and came again after it."""
        script = Script()
        script.synced(script.login())
        script.session.happened()
        script.say(deliver(1, verb=Verb.RECEIPT, kind=99, ref=bytes(16)), deliver(2, verb=Verb.NOTE, kind=99), deliver(3, kind=99))
        shown = [event for event in script.session.happened() if hasattr(event, "value")]
        self.assertEqual([one.value[1].text for one in shown], ["3"])
        for entry in shown:
            script.take(entry)
        self.assertEqual(script.wait(1)[0].ack, 2)


class Beginning(Plays):
    async def test_a_wait_for_a_first_session_ends_with_the_reason(self):
        """Found by using it: with a wrong port, `start` said nothing, and never returned."""
        self.addCleanup(logging.disable, logging.root.manager.disable)
        logging.disable(logging.NOTSET)
        with self.assertLogs("crosspoint", "WARNING"), self.assertRaisesRegex(ConnectionLost, "no session within 0.2 s: icpp://127.0.0.1:1"):
            async with client("icpp://127.0.0.1:1", patience=0.2):
                self.fail("there is nobody")
        self.assertEqual(tasks(), [])

    async def test_a_start_that_is_given_up_leaves_nothing_behind(self):
        async def silent(peer):
            await peer.greet()
            await asyncio.sleep(PATIENCE)
        async with FakeServer(silent) as server:
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.2):
                    async with client(server):
                        self.fail("there is no login")
            self.assertEqual(tasks(), [])

    async def test_synchronized_without_sync(self):
        async def script(peer):
            await peer.login()
            await going(peer)
        async with FakeServer(script) as server, client(server, sync=False) as romeo:
            await romeo.synchronized()


class Mistakes(unittest.TestCase):
    def test_what_is_wrong_is_said_at_once(self):
        for account in ("romeo", "romeo@", "@verona", "romeo@verona/orchard", ""):
            with self.subTest(account), self.assertRaisesRegex(ValueError, "user@domain"):
                Client(account, PASSWORD, ["icpp://h"])
        with self.assertRaises(FileNotFoundError):
            Client(ACCOUNT, PASSWORD, ["icpps://h"], tls=pathlib.Path("/nowhere/certificate.pem"))


class Failing(Plays):
    async def test_a_message_that_the_application_fails_over_comes_again(self):
        """Found by reading: leaving by an exception counted as having dealt with the message."""
        synced = []

        async def script(peer):
            await peer.login()
            synced.append(await peer.synced())
            peer.say(deliver(7).verb, deliver(7).body)
            await going(peer)

        async def once(fails):
            async with client(server, state=str(self.path)) as romeo:
                message = await romeo.messages().get()
                if fails:
                    raise KeyError(message.text)
                return message.text
        async with FakeServer(script) as server:
            for _ in range(2):
                with self.assertRaisesRegex(KeyError, "7"):
                    await once(True)
            self.assertEqual(await once(False), "7")
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await once(False)
        self.assertEqual([one.offset for one in synced[:3]], [0, 0, 0])
        self.assertNotEqual(synced[3].offset, 0)


class Caches(Plays):
    async def test_presence_is_remembered(self):
        async def script(peer):
            await peer.login()
            for show, address in ((1, "a@b/x"), (3, "a@b/y"), (1, "ab@b/x")):
                peer.say(Verb.PRESENCES, Presence(show, 0, address).encode())
            await going(peer)
        async with FakeServer(script) as server, client(server) as romeo:
            seen = romeo.presence()
            for _ in range(3):
                await seen.get()
            self.assertEqual([(one.address, one.show) for one in romeo.presence_of("a@b")], [("a@b/x", Show.AVAILABLE), ("a@b/y", Show.AWAY)])
            server.peers[0].say(Verb.PRESENCES, Presence(0, 0, "a@b/x").encode())
            await seen.get()
            self.assertEqual([one.address for one in romeo.presence_of("a@b")], ["a@b/y"])
            server.peers[0].say(Verb.PRESENCES, Presence(0, 0, "a@b").encode())
            await seen.get()
            self.assertEqual((romeo.presence_of("a@b"), len(romeo.presence_of("ab@b"))), ([], 1))

    async def test_redirects_are_told(self):
        async with FakeServer(for_ever, node="n2") as target:
            async def sent_away(peer):
                await peer.greet()
                peer.say(Verb.REDIRECT, wire.Redirect((target.url,), "n2", None, 1, 0, "n1").encode())
            async with FakeServer(sent_away) as server:
                romeo = client(server)
                told = romeo.events()
                async with romeo:
                    self.assertEqual(await told.get(), Redirected("n2", (target.url,), True))


class ChannelBinding(unittest.TestCase):
    BINDING = scram.Binding("tls-server-end-point", b"hash")
    OFFERED = ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN")

    def test_the_choice(self):
        self.assertEqual(scram.choose(self.OFFERED, True, None, self.BINDING), "SCRAM-SHA-256-PLUS")
        self.assertEqual(scram.choose(self.OFFERED, True, None, None), "SCRAM-SHA-256")
        self.assertIsNone(scram.choose(("SCRAM-SHA-256-PLUS",), True, None, None))

    def test_what_is_said(self):
        for name, binding, header, bound in (("SCRAM-SHA-256", None, b"n,,", b"c=biws,"), ("SCRAM-SHA-256", self.BINDING, b"y,,", b"c=eSws,"),
                                             ("SCRAM-SHA-256-PLUS", self.BINDING, b"p=tls-server-end-point,,",
                                              b"c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,")):
            exchange = scram.mechanism(name, "romeo", "secret", "nonce", binding)
            self.assertTrue(exchange.first().startswith(header + b"n=romeo"))
            self.assertTrue(exchange.answer(b"r=noncemore,s=AAAA,i=4096").startswith(bound))
        with self.assertRaises(AuthenticationFailed):
            scram.mechanism("SCRAM-SHA-256-PLUS", "romeo", "secret")

    def test_what_the_application_does_not_want_is_not_said_to_be_missing(self):
        """A server that offers to bind, and is told that it does not, thinks that somebody sits in between."""
        for mechanism, offered, header in (("SCRAM-SHA-256", self.OFFERED, b"n,,"), (None, ("SCRAM-SHA-256",), b"y,,"),
                                           (None, self.OFFERED, b"p=tls-server-end-point,,")):
            script = Script(mechanism=mechanism)
            script.welcome = wire.Welcome(node="n1", mechanisms=offered)
            script.connect(binding=self.BINDING)
            auth, = script.say(Frame(Verb.WELCOME, script.welcome.encode()))
            self.assertTrue(wire.Auth.decode(auth.body).data.startswith(header))

    def test_a_certificate_that_is_none_binds_nothing(self):
        for data in (b"", b"\x30", b"\x30\x82", b"\x30\x03\x30\x01\x00", None):
            self.assertIsNone(transport.end_point(data))


if __name__ == "__main__":
    unittest.main()
