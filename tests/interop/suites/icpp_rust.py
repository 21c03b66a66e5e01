"""The icpp-rust suite: the Rust client of ICPP, each a process of its own, with the Python client on the other side.

Both count: what was accepted is shown, once, in order, whatever is killed meanwhile. Its examples are run as a reader of the README would.
"""

import asyncio
import pathlib
import random
import subprocess
import sys

from interop import process, servers
from interop.phones import Phones
from interop.pipes import Pipe, Talker, example
from interop.programs import eventually
from interop.stage import Stage, Tally, expect, expect_equal, perform

from .icpp_cluster_stage import Cluster

stage = Stage()
play = stage.play

PAIRS = 3
AHEAD = 60
KILLS = 3
LOAD_SECONDS = (0.3, 1.0)
RESIDENT_BYTES_MAX = 64 << 20


class Pipes(Phones):
    """The people of one play: Python's, and Rust's, which are killed when the play is over."""

    def __init__(self, server, accounts=None):
        super().__init__(server, accounts)
        self.pipes = []
        self.folder = pathlib.Path(server.folder) / ("pipes-%d" % random.randrange(1 << 32))
        self.folder.mkdir()

    async def __aexit__(self, *failure):
        for pipe in self.pipes:
            pipe.kill()
        await super().__aexit__(*failure)

    def pipe(self, stem, urls=None, **options):
        user, password = self.credentials(stem)
        one = Pipe(self.server, self.folder, user, password, urls or [self.server.icpp_url("icpp")], **options)
        self.pipes.append(one)
        return one

    async def piped(self, stem, urls=None, **options):
        """One that is online, and has what waited."""
        one = self.pipe(stem, urls, **options).start()
        await one.saw("event Synced", 20)
        return one

    def talker(self, name, *command):
        one = Talker(self.folder, name, list(command))
        self.pipes.append(one)
        return one.start()


class Flow:
    """One pipe writes numbers to another, never more than AHEAD of the acceptances."""

    def __init__(self, sender, reader):
        self.sender, self.reader = sender, reader

    async def run(self, until):
        while not until.is_set():
            if self.sender.sent - len(self.sender.accepted()) < AHEAD:
                for _ in range(10):
                    self.sender.say(self.reader.address, str(self.sender.sent + 1))
            await asyncio.sleep(0.01)

    async def settle(self, seconds=60):
        await eventually(lambda: len(self.sender.accepted()) >= self.sender.sent,
                         lambda: "all of %d accepted: %s" % (self.sender.sent, self.sender.lines()[-4:]), seconds)
        await eventually(lambda: len(set(self.reader.heard())) >= self.sender.sent,
                         lambda: "all of %d shown: %s" % (self.sender.sent, self.reader.lines()[-4:]), seconds)

    def judge(self):
        wanted = list(range(1, self.sender.sent + 1))
        expect_equal(sorted(self.sender.accepted()), wanted, "what was accepted")
        expect_equal([int(text) for text in self.reader.heard()], wanted, "what was shown")
        return len(wanted)


async def flows(pipes, urls=None):
    return [Flow(await pipes.piped("s%d" % number, urls), await pipes.piped("r%d" % number, urls)) for number in range(PAIRS)]


async def under_load(running, disturb):
    """Disturbs once while everybody writes; returns when everything has come."""
    until = asyncio.Event()
    loads = [asyncio.ensure_future(flow.run(until)) for flow in running]
    await asyncio.sleep(random.uniform(*LOAD_SECONDS))
    await disturb()
    await asyncio.sleep(0.3)
    until.set()
    await asyncio.gather(*loads)
    for flow in running:
        await flow.settle()


async def at_once(condition, what, seconds=20):
    """As `eventually`, and returns while what follows is still under way."""
    async def wait():
        while not condition():
            await asyncio.sleep(0.001)
    try:
        await asyncio.wait_for(wait(), seconds)
    except asyncio.TimeoutError:
        raise AssertionError("never saw %s" % what) from None


def certificates(server):
    """Before the start: the server's certificate is of an authority of its own, and for the server's address. The authority's file."""
    folder = server.data / "tls"
    folder.mkdir(parents=True)
    root, root_key = server.folder / "root.pem", server.folder / "root.key"

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Capulet", "-keyout", root_key, "-out", root)
    openssl("req", "-x509", "-CA", root, "-CAkey", root_key, "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=" + server.domain,
            "-addext", "subjectAltName=DNS:%s,IP:%s" % (server.domain, server.address), "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    (folder / "key.pem").chmod(0o600)
    return root


@play(seconds=60)
async def each_transport_carries_both_languages(server, root):
    async with Pipes(server) as pipes:
        romeo = await pipes.online("romeo")
        for scheme in ("icpp", "icpps", "ws", "wss"):
            juliet = await pipes.piped("juliet-" + scheme, [server.icpp_url(scheme)], trust=root)
            phone = await pipes.online("nurse-" + scheme, scheme, tls=str(root))
            bound = scheme in ("icpps", "wss")
            expect_equal(phone.client.session.exchange.name, "SCRAM-SHA-256" + "-PLUS" * bound, "what the Python client logged in by")
            await romeo.client.send(juliet.address, "But, soft! " + scheme)
            expect_equal(await juliet.saw("from "), "from %s But, soft! %s" % (romeo.client.session.address, scheme), "what came")
            juliet.say(phone.address, "Ay me " + "x" * 40000)
            await phone.heard("Ay me " + "x" * 40000)
            await juliet.saw("accepted 1")
            juliet.type("/drain")
            expect_equal(await juliet.ended(), 0, "the exit status")


@play(seconds=30)
async def a_certificate_that_is_not_trusted_opens_nothing(server, root):
    async with Pipes(server) as pipes:
        for trust, url in ((server.certificate, server.icpp_url("icpps")), (None, server.icpp_url("wss"))):
            stranger = pipes.pipe("juliet", [url], trust=trust).start()
            said = await stranger.saw("event disconnected")
            expect("invalid peer certificate" in said and "trust" in said, said)
            stranger.kill()


@play(seconds=30)
async def a_wrong_password_is_said_and_ends(server, root):
    async with Pipes(server) as pipes:
        user, _ = pipes.credentials("juliet")
        one = Pipe(server, pipes.folder, user, "wrong", [server.icpp_url("icpp")], state=False).start()
        pipes.pipes.append(one)
        expect_equal(await one.ended(), 1, "the exit status")
        expect("the login was refused: not-authorized" in one.text(), one.text())


@play(seconds=180)
async def kill_9_of_the_server_under_load(server, root):
    async with Pipes(server) as pipes:
        running = await flows(pipes)

        async def disturb():
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        for _ in range(KILLS):
            await under_load(running, disturb)
        return "%d kills, %d messages" % (KILLS, sum(flow.judge() for flow in running))


@play(seconds=120)
async def kill_9_of_the_reading_program_under_load(server, root):
    """What was not finished comes again: one message at most is shown twice, the one that it was killed over."""
    async with Pipes(server) as pipes:
        romeo, juliet = await pipes.online("romeo"), pipes.pipe("juliet").start()
        last_ones, until = [], asyncio.Event()

        async def write():
            number = 0
            while not until.is_set():
                romeo.client.post(juliet.address, str(number))
                number += 1
                await asyncio.sleep(0.001)
            return number
        writing = asyncio.ensure_future(write())
        for _ in range(8):
            before = len(juliet.heard())
            await at_once(lambda: len(juliet.heard()) > before + 20, "progress")
            juliet.kill()
            last_ones.append(juliet.heard()[-1])
            juliet.start()
        until.set()
        total = await writing
        await asyncio.wait_for(romeo.client.drain(), 30)
        await eventually(lambda: len(set(juliet.heard())) >= total, lambda: "all: %d" % len(set(juliet.heard())), 30)
        heard = [int(text) for text in juliet.heard()]
        twice = [after for before, after in zip(heard, heard[1:]) if before == after]
        expect(set(map(str, twice)) <= set(last_ones), "shown twice: %s, killed over %s" % (twice, last_ones))
        expect_equal([number for index, number in enumerate(heard) if index == 0 or heard[index - 1] != number], list(range(total)),
                     "what was shown")
        return "%d messages, %d shown twice" % (total, len(twice))


@play(seconds=90)
async def kill_9_of_the_writing_program_under_load(server, root):
    """Its outbox is in its state file: what was taken from it is shown, once, though it never heard of the acceptance."""
    async with Pipes(server) as pipes:
        romeo, juliet = pipes.pipe("romeo"), await pipes.online("juliet")
        for turn in range(5):
            accepted = len(romeo.accepted())
            romeo.start()
            for number in range(400):
                romeo.say(juliet.address, "%d.%d" % (turn, number))
            await at_once(lambda: len(romeo.accepted()) > accepted + 20, "acceptances")
            romeo.kill()
        romeo.start()
        romeo.type("/drain")
        expect_equal(await romeo.ended(20), 0, "the exit status")
        last = await pipes.online("nurse")
        await last.client.send(juliet.address, "5.0")
        await juliet.heard("5.0")
        texts = [one.text for one in juliet.inbox]
        expect_equal(len(texts), len(set(texts)), "shown, and different ones")
        expect_equal(texts, sorted(texts, key=lambda text: tuple(map(int, text.split(".")))), "the order")
        # What a killed program had not read from its input is not known to anybody; all that it had in its outbox was shown.
        queued = sum(line.startswith("queued ") for line in romeo.lines())
        expect(len(texts) >= queued >= len(romeo.accepted()), "%d shown of %d in the outbox" % (len(texts), queued))
        return "%d shown of %d in the outbox, %d acceptances told" % (len(texts), queued, len(romeo.accepted()))


@play(seconds=60)
async def what_is_written_without_a_server_is_sent_by_the_next_program(server, root):
    async with Pipes(server) as pipes:
        juliet = await pipes.online("juliet")
        romeo = pipes.pipe("romeo")
        await asyncio.to_thread(server.kill)
        romeo.start()
        romeo.say(juliet.address, "late")
        await romeo.saw("queued 1")
        await romeo.saw("event disconnected")
        romeo.kill()
        await asyncio.to_thread(server.start)
        romeo.start()
        await juliet.heard("late")
        await romeo.saw("event Synced", 20)
        romeo.kill()
        romeo.start()
        await romeo.saw("event Synced", count=2)
        await juliet.settled()
        expect_equal([one.text for one in juliet.inbox], [], "what came after it")


@play(seconds=120)
async def a_program_that_does_not_read_is_told_and_misses_nothing(server, root):
    """Messages to it wait at the server, its memory stays small; what no log keeps makes it a slow consumer in the end."""
    async with Pipes(server) as pipes:
        romeo, juliet = await pipes.online("romeo"), await pipes.piped("juliet")
        room = "slow-%s@%s" % (romeo.address.partition("@")[0], server.rooms)
        await romeo.client.rooms.create(room, "romeo")
        await romeo.client.rooms.configure(room, persistent=True)
        juliet.type("/join %s juliet" % room)
        await eventually(lambda: [one for one in romeo.happened if getattr(one, "nick", None) == "juliet"], "juliet in the room")
        juliet.type("/stop")
        text = "x" * 2000
        for number in range(600):
            romeo.client.post(juliet.address, "%d %s" % (number, text))
        await asyncio.wait_for(romeo.client.drain(), 40)
        for number in range(6000):
            while romeo.client.session.unaccepted > 500:
                await asyncio.sleep(0.01)
            romeo.client.rooms.say(room, "%d" % number)
        await asyncio.wait_for(romeo.client.drain(), 60)
        await juliet.saw("event SlowConsumer", 30)
        resident = process.resident_bytes(juliet.child.pid)
        expect(resident < RESIDENT_BYTES_MAX, "%d bytes of memory" % resident)
        await juliet.saw("connected ", 30, count=2)
        juliet.type("/take")
        await eventually(lambda: len([one for one in juliet.heard() if one.endswith(text)]) >= 600, "all of the messages", 40)
        numbers = [int(one.split()[0]) for one in juliet.heard() if one.endswith(text)]
        expect_equal(numbers, list(range(600)), "what was shown")
        return "%d MiB of memory" % (resident >> 20)


def of_python(name, password, *arguments):
    """The command of an example of the Python package."""
    package = servers.REPOSITORY / "frontends" / "icpp" / "clients" / "python"
    return ["env", "PYTHONPATH=%s" % package, "PYTHONUNBUFFERED=1", "PASSWORD=" + password, sys.executable, package / "examples" / name,
            *arguments]


@play(seconds=60)
async def the_echo_bot_of_either_answers_the_other(server, root):
    async with Pipes(server) as pipes:
        url = server.icpp_url("icpps")
        account, password = pipes.credentials("echo")
        pipes.talker("rust-echo", example("echo"), url, server.jid(account), password, pipes.folder / "echo.state", root)
        romeo = await pipes.online("romeo")
        await romeo.client.send(server.jid(account), "Ay me")
        await romeo.heard("Ay me")
        account, password = pipes.credentials("other-echo")
        pipes.talker("python-echo", *of_python("echo.py", password, server.jid(account), url, "--certificate", root,
                                               "--state", pipes.folder / "other.state"))
        juliet = await pipes.piped("juliet")
        juliet.say(server.jid(account), "But, soft!")
        expect((await juliet.saw("from ")).endswith(" But, soft!"), juliet.text())


@play(seconds=60)
async def the_chat_of_either_speaks_with_the_other(server, root):
    async with Pipes(server) as pipes:
        url = server.icpp_url("icpps")
        (juliet, secret), (romeo, password) = pipes.credentials("juliet"), pipes.credentials("romeo")
        one = pipes.talker("rust-chat", example("chat"), url, server.jid(juliet), secret, root)
        await one.saw(server.jid(juliet))
        other = pipes.talker("python-chat", *of_python("chat.py", password, server.jid(romeo), url, "--certificate", root,
                                                       "--to", server.jid(juliet)))
        other.type("But, soft!")
        await one.saw("%s: But, soft!" % server.jid(romeo))
        one.type("Ay me")
        await eventually(lambda: any(line.endswith(": Ay me") for line in other.lines()), other.lines)
        one.type("/add " + server.jid(romeo))
        await other.saw("* %s: subscribe" % server.jid(juliet))
        other.type("/accept")
        await one.saw("* %s/" % server.jid(romeo))
        one.type("/roster")
        await one.saw("* %s  To" % server.jid(romeo))
        for program in (one, other):
            program.type("/quit")
            expect_equal(await program.ended(), 0, "the exit status")


async def pipes_at_two_front_ends(pipes):
    await pipes.server.aware()
    return await flows(pipes, [end.icpp_url("icpp") for end in pipes.server.front_ends])


async def a_drained_front_end_hands_its_clients_to_the_other(server):
    async with Pipes(server) as pipes:
        running = await pipes_at_two_front_ends(pipes)

        async def disturb():
            server.front_ends[0].signal_drain()
            expect_equal(await server.front_ends[0].drained(), 0, "the exit status of the front-end")
        await under_load(running, disturb)
        for flow in running:
            for one in (flow.sender, flow.reader):
                expect_equal(one.node(), "fe2", "where %s is" % one.address)
                expect(one.online()[-1].startswith("resumed "), "%s was not resumed: %s" % (one.address, one.online()))
                expect("event Redirected" in one.text(), "%s was not sent" % one.address)
        await asyncio.to_thread(server.front_ends[0].start)
        return "%d messages" % sum(flow.judge() for flow in running)


async def kill_9_of_front_ends_and_back_end_under_load(server):
    async with Pipes(server) as pipes:
        running = await pipes_at_two_front_ends(pipes)
        for victim in (*server.front_ends, server.back_end):
            async def disturb(victim=victim):
                await asyncio.to_thread(victim.kill)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(victim.start)
            await under_load(running, disturb)
        return "3 kills, %d messages" % sum(flow.judge() for flow in running)


CLUSTER = ((a_drained_front_end_hands_its_clients_to_the_other, 120), (kill_9_of_front_ends_and_back_end_under_load, 180))


def run(server, only=()):
    tally = Tally("icpp-rust")
    if server.name != "crosspoint":
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()

    def wanted(plays):
        return [one for one in plays if not only or any(word in one[0].__name__ for word in only)]
    if alone := wanted(stage.plays):
        root = certificates(server)
        server.start()
        try:
            for function, _, seconds in alone:
                perform(tally, function, seconds, server, {"root": root})
        finally:
            server.stop()
    if together := wanted(CLUSTER):
        folder = server.folder / "cluster"
        folder.mkdir(parents=True)
        cluster = Cluster(folder)
        try:
            cluster.start()
            for function, seconds in together:
                perform(tally, function, seconds, cluster, {})
        finally:
            cluster.stop()
    return tally.close()
