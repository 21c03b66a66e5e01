"""The client over real sockets against a scripted server: reconnection, resumption, redirects, state files, hostility."""

import asyncio
import os
import pathlib
import tempfile
import unittest

from crosspoint import (AuthenticationFailed, Bounced, Client, Connected, Disconnected, Message, Presence, Receipt, Refused,
                        Typing, wire)
from crosspoint.errors import Code
from crosspoint.wire import Flag, Frame, Verb

from .peer import ACCOUNT, ADDRESS, PASSWORD, FakeServer, deliver, number

PATIENCE = 15


def client(*servers, **options):
    """A client of these servers (or URLs) that does not wait between attempts."""
    urls = [getattr(server, "url", server) for server in servers]
    return Client(ACCOUNT, PASSWORD, urls, random=lambda: 0.0, **options)


async def for_ever(peer):
    """Answers SYNC and whatever else keeps a session going, and accepts what comes."""
    await peer.login()
    await going(peer)


async def going(peer):
    counted = 0
    while frame := await peer.read():
        if frame.verb == Verb.SYNC:
            peer.say(Verb.SYNCED, wire.Synced(5, 0).encode(), Flag.RESP, frame.id)
        elif frame.verb in wire.REPEATABLE or frame.verb in wire.SUBSCRIPTIONS:
            counted += 1
            peer.say(Verb.ACCEPTED, ack=counted)
        elif frame.verb == Verb.BYE:
            return


async def cut(peer):
    peer.writer.transport.abort()


class Plays(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "romeo.state"

    def _callTestMethod(self, method):
        """A play that hangs has failed."""
        async def within():
            await asyncio.wait_for(method(), PATIENCE)
        super()._callTestMethod(within)


class Messages(Plays):
    async def test_send_returns_when_the_message_is_durable(self):
        accepted = asyncio.Event()

        async def script(peer):
            await peer.login()
            frame = await peer.wait(Verb.SEND)
            message = Message.decode(Verb.SEND, frame.body)
            self.assertEqual((message.to, message.text, message.sender, message.stamp), ("juliet@capulet", "hi", "", 0))
            await accepted.wait()
            peer.say(Verb.ACCEPTED, ack=1)
            await going(peer)
        async with FakeServer(script) as server, client(server) as romeo:
            sending = asyncio.ensure_future(romeo.send("juliet@capulet", "hi"))
            await asyncio.sleep(0.05)
            self.assertFalse(sending.done())
            accepted.set()
            self.assertEqual(len(await sending), 16)
            await romeo.drain()

    async def test_streams(self):
        async def script(peer):
            await peer.login()
            await peer.synced()
            peer.writer.write(deliver(1).encode())
            peer.say(Verb.NOTE, Message(number(2), ADDRESS, "juliet@capulet/two", 1).encode())
            peer.say(Verb.RECEIPT, Message(number(3), ADDRESS, "juliet@capulet/two", 2, ref=number(9)).encode())
            peer.say(Verb.DELIVER, Message(number(4), ADDRESS, "ghost@capulet", 4, condition=47).encode())
            peer.say(Verb.PRESENCES, Presence(1, 0, "j@c/1", "old").encode() + Presence(3, 0, "j@c/1", "new").encode())
            await going(peer)
        async with FakeServer(script) as server:
            romeo = client(server)
            events, messages, presence = romeo.events(), romeo.messages(), romeo.presence()
            async with romeo:
                self.assertEqual((await messages.get()).text, "1")
                found = []
                while len(found) < 3:
                    event = await events.get()
                    if isinstance(event, (Typing, Receipt, Bounced)):
                        found.append(event)
                self.assertEqual(found[0], Typing("juliet@capulet/two", 1))
                self.assertEqual(found[1], Receipt(2, number(9), "juliet@capulet/two"))
                self.assertEqual((found[2].id, found[2].condition), (number(4), Code.SERVICE_UNAVAILABLE))
                self.assertEqual((await presence.get()).status, "new")

    async def test_what_the_application_has_not_taken_is_not_acknowledged(self):
        seen = []

        async def script(peer):
            await peer.login()
            await peer.synced()
            for value in range(1, 4):
                peer.writer.write(deliver(value).encode())
            while frame := await peer.read():
                seen.append(frame.ack)
        async with FakeServer(script) as server:
            async with client(server) as romeo:
                stream = romeo.messages()
                await stream.get()
                await stream.get()
                romeo.post("a@b", "x")
                await asyncio.sleep(0.1)
                self.assertEqual(max(seen), 1)
            await asyncio.sleep(0.05)
            self.assertEqual(seen[-1], 2)

    async def test_delivered_comes_before_displayed(self):
        kinds = []

        async def script(peer):
            await peer.login()
            await peer.synced()
            peer.writer.write(deliver(1, receipt_wanted=True).encode())
            for _ in range(2):
                frame = await peer.wait(Verb.RECEIPT)
                kinds.append(Message.decode(Verb.RECEIPT, frame.body).kind)
                peer.say(Verb.ACCEPTED, ack=len(kinds))
            await going(peer)
        async with FakeServer(script) as server, client(server) as romeo:
            await romeo.displayed(await romeo.messages().get())
            self.assertEqual(kinds, [1, 2])

    async def test_a_refused_request(self):
        async def script(peer):
            await peer.login()
            frame = await peer.wait(Verb.HISTORY)
            peer.say(Verb.ERROR, wire.Fault(Code.UNSUPPORTED, text="no archive").encode(), Flag.RESP | Flag.ERR, frame.id)
            await going(peer)
        async with FakeServer(script) as server, client(server) as romeo:
            with self.assertRaises(Refused) as caught:
                await romeo.history()
            self.assertEqual(caught.exception.code, Code.UNSUPPORTED)

    async def test_history_in_pages(self):
        async def script(peer):
            await peer.login()
            frame = await peer.wait(Verb.HISTORY)
            self.assertEqual(wire.History.decode(frame.body), wire.History(7, 2, False, "juliet@capulet"))
            for value in (1, 2):
                peer.say(Verb.ITEMS, deliver(value).body, Flag.RESP | Flag.MORE, frame.id)
            peer.say(Verb.SYNCED, wire.Synced(5, 3, True).encode(), Flag.RESP, frame.id)
            await going(peer)
        async with FakeServer(script) as server, client(server) as romeo:
            page = await romeo.history("juliet@capulet", bound=7, limit=2)
            self.assertEqual(([one.text for one in page.messages], page.bound, page.more), (["1", "2"], 3, True))


class Connections(Plays):
    async def test_a_cut_connection_is_resumed_and_nothing_is_lost_or_doubled(self):
        async def first(peer):
            await peer.login()
            await peer.synced()
            for value in (1, 2):
                peer.writer.write(deliver(value).encode())
            await peer.wait(Verb.SEND)
            await peer.wait(Verb.SEND)
            await cut(peer)

        async def second(peer):
            await peer.login(Verb.RESUMED, ack=1)
            self.assertEqual(peer.hello.resume, b"token")
            frame = await peer.wait(Verb.SEND)
            self.assertEqual((Message.decode(Verb.SEND, frame.body).text, frame.flags & Flag.DUP), ("two", Flag.DUP))
            peer.say(Verb.ACCEPTED, ack=2)
            for value in range(peer.hello_ack + 1, 4):
                peer.writer.write(Frame(Verb.DELIVER, deliver(value).body, ack=2).encode())
            await going(peer)
        async with FakeServer(first, second) as server, client(server) as romeo:
            stream = romeo.messages()
            self.assertEqual((await stream.get()).text, "1")
            one, two = romeo.post("juliet@capulet", "one"), romeo.post("juliet@capulet", "two")
            await one, await two
            self.assertEqual([(await stream.get()).text for _ in range(2)], ["2", "3"])

    async def test_a_server_that_was_restarted(self):
        async def first(peer):
            await peer.login()
            await peer.wait(Verb.SEND)
            await cut(peer)

        async def second(peer):
            await peer.login(Verb.AUTHED)
            frame = await peer.wait(Verb.SEND)
            self.assertTrue(frame.flags & Flag.DUP)
            peer.say(Verb.ACCEPTED, ack=1)
            await going(peer)
        async with FakeServer(first, second) as server:
            romeo = client(server)
            events = romeo.events()
            async with romeo:
                await romeo.send("juliet@capulet", "one")
                kinds = [type(await events.get()) for _ in range(3)]
                self.assertEqual(kinds, [Connected, Disconnected, Connected])

    async def test_a_ticket_saves_the_password_once(self):
        async def first(peer):
            await peer.login(ticket=b"good", ticket_s=60)
            await cut(peer)

        async def second(peer):
            await peer.login(Verb.RESUMED)
            await cut(peer)
        async with FakeServer(first, second, for_ever) as server, client(server) as romeo:
            while len(server.peers) < 3:
                await asyncio.sleep(0.01)
            await romeo.online()
            self.assertEqual(server.tickets, [b"good"])

    async def test_a_refused_ticket_is_followed_by_the_password(self):
        async def first(peer):
            await peer.login(ticket=b"stale", ticket_s=60)
            await cut(peer)
        async with FakeServer(first, for_ever) as server, client(server) as romeo:
            while not server.tickets:
                await asyncio.sleep(0.01)
            await romeo.online()
            self.assertEqual(server.tickets, [b"stale"])

    async def test_the_second_url_when_the_first_is_dead(self):
        async with FakeServer(for_ever) as server, client("icpp://127.0.0.1:1", server) as romeo:
            self.assertEqual(romeo.session.address, ADDRESS)

    async def test_a_wrong_password_is_final(self):
        async with FakeServer(self.refuse(Code.NOT_AUTHORIZED)) as server:
            with self.assertRaises(AuthenticationFailed):
                await client(server).start()

    async def test_replaced_is_final(self):
        async def script(peer):
            await peer.login()
            peer.say(Verb.BYE, wire.Fault(Code.REPLACED, fatal=True).encode())
            await going(peer)
        async with FakeServer(script) as server:
            romeo = await client(server).start()
            with self.assertRaises(Refused):
                await romeo.messages().get()
            with self.assertRaises(Refused):
                romeo.post("a@b", "x")
            await romeo.close()
            self.assertEqual(len(server.peers), 1)

    @staticmethod
    def refuse(code):
        async def script(peer):
            await peer.greet()
            peer.say(Verb.WELCOME, peer.server.welcome.encode())
            frame = await peer.wait(Verb.AUTH)
            peer.say(Verb.ERROR, wire.Fault(code).encode(), Flag.RESP | Flag.ERR, frame.id)
            await peer.read()
        return script

    async def test_hostile_servers_are_left_and_the_client_goes_on(self):
        def after_login(data):
            async def script(peer):
                await peer.login()
                peer.writer.write(data)
                await going(peer)
            return script
        bad = [after_login(data) for data in (
            b"\0\0\0\0", b"\xff\xff\xff\xff", Frame(Verb.PING, b"", 0x80).encode(), Frame(0x7E).encode(),
            Frame(Verb.SEND).encode(), Frame(Verb.DELIVER, b"?").encode(), Frame(Verb.ACCEPTED, ack=9).encode())]
        async with FakeServer(*bad, for_ever) as server, client(server) as romeo:
            await romeo.send("a@b", "x")
            self.assertEqual(len(server.peers), len(bad) + 1)
            self.assertTrue(all(peer.hello.resume is None for peer in server.peers))


class Redirects(Plays):
    @staticmethod
    def to(server, node, online=False, **fields):
        async def script(peer):
            if online:
                await peer.login()
                await peer.synced()
            else:
                await peer.greet()
                peer.say(Verb.WELCOME, peer.server.welcome.encode(), ack=0)
            peer.say(Verb.REDIRECT, wire.Redirect((server.url,), node, **fields).encode())
            await going(peer)
        return script

    async def test_before_login(self):
        async with FakeServer(for_ever, node="n2") as there:
            async with FakeServer(self.to(there, "n2")) as here, client(here) as romeo:
                self.assertEqual((there.peers[0].hello.hops, there.peers[0].hello.came_from), (1, "n1"))
                await romeo.send("a@b", "x")

    async def test_in_a_session_it_is_resumed_there_with_the_ticket_and_without_bye(self):
        last = []

        async def watched(peer):
            await script(peer)

        async def there_script(peer):
            await peer.login(Verb.RESUMED)
            await going(peer)
        async with FakeServer(there_script, node="n2") as there:
            async def script(peer):
                await peer.login()
                await peer.synced()
                peer.say(Verb.REDIRECT, wire.Redirect((there.url,), "n2", b"good").encode())
                while frame := await peer.read():
                    last.append(frame.verb)
            async with FakeServer(watched) as here, client(here) as romeo:
                while not there.peers or not there.peers[0].hello or not romeo._online.is_set():
                    await asyncio.sleep(0.01)
                await romeo.send("a@b", "x")
                self.assertEqual((there.tickets, there.peers[0].hello.resume), ([b"good"], b"token"))
                self.assertNotIn(Verb.BYE, last)
                self.assertEqual(len(here.peers), 1)

    async def test_a_circle_is_left(self):
        """n1 sends to n2, n2 back to n1: that is not followed, and our own URL is tried again."""
        one, two = FakeServer(None, node="n1"), FakeServer(None, node="n2")
        async with one, two:
            one.scripts = [self.to(two, "n2"), for_ever]
            two.scripts = [self.to(one, "n1")]
            async with client(one):
                self.assertEqual((len(one.peers), len(two.peers)), (2, 1))
                self.assertEqual((one.peers[1].hello.hops, one.peers[1].hello.came_from), (0, None))

    async def test_a_chain_without_end_is_left_after_three(self):
        servers = [FakeServer(None, node="n%d" % index) for index in range(6)]
        try:
            for server in servers:
                await server.__aenter__()
            for index, server in enumerate(servers[:-1]):
                server.scripts = [self.to(servers[index + 1], "n%d" % (index + 1)), for_ever]
            async with client(servers[0]):
                self.assertEqual([len(server.peers) for server in servers], [2, 1, 1, 1, 0, 0])
        finally:
            for server in servers:
                await server.__aexit__(None)


class Files(Plays):
    async def killed(self, romeo):
        """The process is gone: no goodbye, and the state file as it stands."""
        romeo._task.cancel()
        if romeo._transport:
            romeo._transport.abort()
        os.close(romeo._state.journal)
        romeo._state.journal = None
        await asyncio.sleep(0.01)

    async def test_a_killed_application_sends_again_and_shows_nothing_twice(self):
        ids = []

        async def first(peer):
            await peer.login()
            await peer.synced()
            peer.writer.write(deliver(1).encode())
            ids.append((await peer.wait(Verb.SEND)).body[:16])
            await going(peer)

        async def second(peer):
            await peer.login()
            self.assertEqual(peer.hello.resource, "one")
            frame = await peer.wait(Verb.SYNC)
            for value in (1, 2):
                peer.writer.write(deliver(value).encode())
            peer.say(Verb.SYNCED, wire.Synced(5, (2 << 20) + 1).encode(), Flag.RESP, frame.id)
            frame = await peer.wait(Verb.SEND)
            ids.append(frame.body[:16])
            self.assertTrue(frame.flags & Flag.DUP)
            peer.say(Verb.ACCEPTED, ack=1)
            await going(peer)

        async with FakeServer(first, second) as server:
            romeo = await client(server, state=self.path).start()
            message = await romeo.messages().get()
            romeo.taken(message)
            romeo.post("juliet@capulet", "once")
            while not ids:
                await asyncio.sleep(0.01)
            await self.killed(romeo)
            async with client(server, state=self.path) as romeo:
                self.assertEqual((await romeo.messages().get()).text, "2")
                await romeo.drain()
            self.assertEqual(ids[0], ids[1])

    async def test_what_was_handed_out_but_not_taken_comes_again(self):
        async def script(peer):
            await peer.login()
            await peer.synced()
            peer.writer.write(deliver(1).encode())
            await going(peer)
        async with FakeServer(script) as server:
            romeo = await client(server, state=self.path).start()
            await romeo.messages().get()
            await self.killed(romeo)
            async with client(server, state=self.path) as romeo:
                self.assertEqual((await romeo.messages().get()).text, "1")

    async def test_the_roster_is_kept_with_its_version(self):
        asked = []

        async def script(peer):
            await peer.login()
            frame = await peer.wait(Verb.ROSTER)
            asked.append(wire.Roster.decode(frame.body))
            contacts = (wire.Contact("juliet@capulet", "Juliet", (), 3),)
            answer = wire.Roster(4) if asked[-1].version == 8 else wire.Roster(3, contacts, 8)
            peer.say(Verb.ROSTER, answer.encode(), Flag.RESP, frame.id)
            await going(peer)
        async with FakeServer(script) as server:
            for _ in range(2):
                async with client(server, state=self.path) as romeo:
                    await romeo.synchronized()
                    self.assertEqual(romeo.roster["juliet@capulet"].name, "Juliet")
            self.assertEqual([one.version for one in asked], [0, 8])
