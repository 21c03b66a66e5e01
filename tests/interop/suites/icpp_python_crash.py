"""kill -9 of the server and of the application, under load, with counting: no accepted message lost, none shown twice."""

import asyncio
import collections
import os
import random
import sys

from interop import process, servers
from interop.phones import Phones
from interop.programs import eventually
from interop.stage import expect, expect_equal

from crosspoint import Connected

from .icpp_python_people import play

ROUNDS = 4
LOAD_SECONDS = (0.3, 1.2)
PAIRS = 4
READER = """
import asyncio, os, sys
from crosspoint import Client

async def main(account, password, url, state, shown):
    with open(shown, "ab", buffering=0) as sink:
        async with Client(account, password, [url], state=state) as client:
            stream = client.messages()
            while True:
                message = await stream.get()
                stream.acknowledge()
                sink.write(message.payload + b"\\n")

asyncio.run(main(*sys.argv[1:]))
"""


class Pair:
    """A sender and a reader, online all the time; `promised` is what the server has accepted."""

    def __init__(self, sender, reader):
        self.sender, self.reader = sender, reader
        self.next, self.promised = 0, set()
        self.waiting = []

    async def load(self, until):
        """Sends until the time is up, never more than 60 ahead of the acceptances."""
        while not until.is_set():
            if self.next - len(self.promised) < 60:
                self.post()
            else:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0)

    def post(self):
        number, self.next = self.next, self.next + 1
        pending = self.sender.client.post(self.reader.address, str(number))
        pending.future.add_done_callback(lambda done: done.cancelled() or done.exception() or self.promised.add(number))

    def judge(self):
        """Everything that was sent was accepted in the end, so it was shown, once, in order."""
        numbers = [int(one.text) for one in self.reader.inbox]
        doubled = sorted(number for number, times in collections.Counter(numbers).items() if times > 1)
        expect(not doubled, "shown twice: %s" % doubled[:10])
        lost = sorted(self.promised - set(numbers))
        expect(not lost, "%d accepted messages were lost: %s" % (len(lost), lost[:10]))
        expect_equal(numbers, sorted(numbers), "the order")
        return len(numbers)


@play(seconds=120)
async def kill_9_of_the_server_under_load(server):
    async with Phones(server) as phones:
        pairs = [Pair(await phones.online("s%d" % number), await phones.online("r%d" % number)) for number in range(PAIRS)]
        for _ in range(ROUNDS):
            until = asyncio.Event()
            loads = [asyncio.ensure_future(pair.load(until)) for pair in pairs]
            await asyncio.sleep(random.uniform(*LOAD_SECONDS))
            await asyncio.to_thread(server.kill)
            until.set()
            await asyncio.gather(*loads)
            await asyncio.to_thread(server.start)
            for pair in pairs:
                await asyncio.wait_for(pair.sender.client.drain(), 40)
        for pair in pairs:
            await eventually(lambda: len({one.text for one in pair.reader.inbox}) >= pair.next, "all of the messages", 30)
            expect_equal(len(pair.promised), pair.next, "what was accepted in the end")
        shown = sum(pair.judge() for pair in pairs)
        return "%d kills, %d messages" % (ROUNDS, shown)


@play(seconds=90)
async def kill_9_of_the_server_while_the_reader_is_away(server):
    """Accepted is durable: the readers come only after the kill."""
    async with Phones(server) as phones:
        for number in range(2):
            phones.credentials("r%d" % number)
        senders = [await phones.online("s%d" % number) for number in range(2)]
        promised, enough = [[], []], asyncio.Event()

        def accepted(index, number):
            promised[index].append(number)
            if all(len(one) > 50 for one in promised):
                enough.set()

        async def load(index, client):
            for number in range(900):
                client.post(phones.jid("r%d" % index), str(number)).future.add_done_callback(
                    lambda done, number=number: done.cancelled() or done.exception() or accepted(index, number))
                await asyncio.sleep(0.001 * (number % 10 == 0))
        loads = [asyncio.ensure_future(load(index, sender.client)) for index, sender in enumerate(senders)]
        await asyncio.wait_for(enough.wait(), 20)
        server.kill()
        for task in loads:
            task.cancel()
        kept = [list(one) for one in promised]
        for sender in senders:
            await sender.gone()
        await asyncio.to_thread(server.start)
        for index in range(2):
            reader = await phones.online("r%d" % index)
            numbers = [int(one.text) for one in reader.inbox]
            expect_equal(numbers, sorted(set(numbers)), "the order, and each once")
            lost = sorted(set(kept[index]) - set(numbers))
            expect(not lost, "%d accepted messages were lost: %s" % (len(lost), lost[:10]))
        return "%s accepted" % [len(one) for one in kept]


@play(seconds=90)
async def kill_9_of_the_application_under_load(server):
    """The reader is a process of its own, with a state file; it is killed eight times."""
    async with Phones(server) as phones:
        romeo = await phones.online("romeo")
        user, password = phones.credentials("juliet")
        folder = server.folder / user
        folder.mkdir()
        shown, total = folder / "shown", 900

        def numbers():
            return [int(line) for line in shown.read_text().split()] if shown.exists() else []

        def start():
            package = str(servers.REPOSITORY / "frontends" / "icpp" / "clients" / "python")
            return process.Child([sys.executable, "-c", READER, server.jid(user), password, server.icpp_url("icpp"),
                                  folder / "state", shown], folder / "reader.log", env={**os.environ, "PYTHONPATH": package})
        for number in range(total):
            romeo.client.post(server.jid(user), str(number))
        for _ in range(8):
            before = len(numbers())
            reader = start()
            await eventually(lambda: len(numbers()) > before + 20 or len(numbers()) == total, "progress", 20)
            await asyncio.sleep(random.uniform(0.0, 0.1))
            reader.kill()
        reader = start()
        await asyncio.wait_for(romeo.client.drain(), 30)
        try:
            await eventually(lambda: len(set(numbers())) >= total, lambda: "all of the messages: %d" % len(set(numbers())), 30)
        finally:
            reader.kill()
        found = numbers()
        expect_equal(len(found), len(set(found)), "shown, and different ones")
        expect_equal(found, list(range(total)), "what was shown")


@play(seconds=60)
async def a_drained_server_says_goodbye(server):
    async with Phones(server) as phones:
        romeo, juliet = await phones.friends("romeo", "juliet")
        for number in range(100):
            romeo.client.post(juliet.address, str(number))
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await romeo.saw(Connected)
        await asyncio.wait_for(romeo.client.drain(), 20)
        await eventually(lambda: len(juliet.inbox) >= 100, "all of the messages", 20)
        await asyncio.sleep(0.5)
        expect_equal([one.text for one in juliet.inbox], [str(number) for number in range(100)], "what was shown")


@play(seconds=90)
async def a_drained_server_sends_its_clients_to_another(server):
    """Two processes of a cluster: the clients go to the other one, and what was not taken is sent there."""
    key = server.folder / "cluster.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)

    def member(name, **more):
        environment = {"CROSSPOINT_ICPP_NODE": name, "CROSSPOINT_ICPP_CLUSTER_KEY": str(key), **more}
        return type(server)(server.folder.with_name(server.folder.name + "-" + name), settings={"environment": environment})
    two = member("two")
    one = member("one", CROSSPOINT_ICPP_REDIRECT_TO=two.icpp_url("icpp"), CROSSPOINT_ICPP_REDIRECT_NODE="two")
    try:
        for host in (one, two):
            await asyncio.to_thread(host.start)
            host.add_accounts([("romeo", "secret-romeo"), ("juliet", "secret-juliet")])
        async with Phones(one, {stem: (stem, "secret-" + stem) for stem in ("romeo", "juliet")}) as phones:
            romeo, juliet = await phones.online("romeo"), await phones.online("juliet")
            for phone in (romeo, juliet):
                expect_equal((await phone.saw(Connected)).node, "one", "where the session began")
            draining = asyncio.ensure_future(asyncio.to_thread(one.child.stop, 30))
            for number in range(200):
                romeo.client.post(juliet.address, str(number))
                await asyncio.sleep(0.01)
            for phone in (romeo, juliet):
                expect_equal((await phone.saw(Connected)).node, "two", "where it went")
            await asyncio.wait_for(romeo.client.drain(), 20)
            await eventually(lambda: juliet.inbox and juliet.inbox[-1].text == "199", "the last message", 20)
            await draining
            texts = [one.text for one in juliet.inbox]
            expect_equal(len(texts), len(set(texts)), "different ones of those that were shown")
            return "%d of 200; the rest waits at the other" % len(texts)
    finally:
        for host in (one, two):
            if host.child and host.child.running():
                host.kill()
