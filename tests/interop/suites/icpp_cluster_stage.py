"""A cluster on one machine: back-ends and front-ends, each a process of its own, and people who count."""

import asyncio
import hashlib
import random
import re
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

from interop import servers
from interop.programs import eventually
from interop.stage import Tally, expect_equal, perform

from crosspoint.routes import Url

from .icpp_python_crash import Pair


SHARDS = 2
TRUNK_PORT = 5298
TRUNK_TLS_PORT = 5297
DRAIN_SECONDS = 8
PAIRS = 4
EVERY_SLOT = "0-4095 %s"
HALVES = ("0-2047", "2048-4095")


class Node(servers.Crosspoint):
    """One process of the cluster."""

    def __init__(self, name, folder, key, **settings):
        super().__init__(folder / name)
        self.node = name
        self.pairs = {"icpp.node": name, "icpp.cluster_key": key, "drain.deadline_s": DRAIN_SECONDS, **settings}

    def launch(self):
        arguments = []
        for setting, value in self.pairs.items():
            arguments += ["--set", "%s=%s" % (setting, value)]
        self.settings = {"shards": SHARDS, "arguments": arguments}
        return super().launch()

    def metrics(self):
        url = "http://%s:%d/metrics" % (self.address, servers.ADMIN_PORT)
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def figure(self, name, labels=""):
        """A figure of /metrics; of all shards."""
        found = re.findall(r"^%s(?:\{[^}]*%s[^}]*\})? (\S+)$" % (name, labels), self.metrics(), re.M)
        return sum(float(value) for value in found)

    def readiness(self):
        """Status and text of /readyz."""
        try:
            with urllib.request.urlopen("http://%s:%d/readyz" % (self.address, servers.ADMIN_PORT), timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    def resident_bytes(self):
        with open("/proc/%d/status" % self.pid) as status:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def signal_drain(self):
        """Asks it to end; returns at once."""
        self.child._signal(signal.SIGTERM)

    def stand_still(self, still):
        self.child._signal(signal.SIGSTOP if still else signal.SIGCONT)

    async def drained(self):
        """Waits for its end and returns its exit status."""
        await eventually(lambda: not self.child.running(), "%s to end" % self.node, DRAIN_SECONDS + 10)
        self.child.forget()
        return self.child.popen.returncode


class BackEnd(Node):
    """Listens for trunks, in the clear and in TLS."""

    def __init__(self, name, folder, key, **settings):
        super().__init__(name, folder, key, role="backend", **settings)
        self.pairs["icpp.trunk_listen"] = self.trunks(False)
        self.pairs["icpp.trunk_listen_tls"] = self.trunks(True)

    def trunks(self, tls):
        return "%s:%d" % (self.address, TRUNK_TLS_PORT if tls else TRUNK_PORT)

    def pin(self):
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return hashlib.sha256(der).hexdigest()


class FrontEnd(Node):
    """Has a trunk from each of its shards to each of each back-end's when it is ready."""

    patient = True

    def ready(self):
        try:
            up, wanted = (self.figure("crosspoint_icpp_trunks" + more) for more in ("", "_wanted"))
            return super().ready() and (not self.patient or up == wanted == SHARDS * SHARDS * self.back_ends)
        except OSError:
            return False


class Cluster:
    """The whole, as the clients know it. `tls` is how trunks verify back-ends: None (in the clear), "pin" or "ca".
    `accounts` are settings of the back-ends; those of a front-end stand under its name."""

    def __init__(self, folder, back_ends=1, tls=None, accounts=None, **front_ends):
        self.folder, self.lacks, self.domain, self.tls = folder, {}, servers.DOMAIN, tls
        self.rooms = "conference." + servers.DOMAIN
        self.key = folder / "cluster.key"
        self.key.write_bytes(random.randbytes(32))
        names = ["be"] if back_ends == 1 else ["be%d" % (number + 1) for number in range(back_ends)]
        self.back_ends = [BackEnd(name, folder, self.key, **accounts or {}) for name in names]
        self.front_ends = [self.front_end(name, **front_ends.get(name, {})) for name in ("fe1", "fe2")]
        self.address = self.front_ends[0].address

    def front_end(self, name, **more):
        one = FrontEnd(name, self.folder, self.key, role="frontend", **more)
        one.pairs["edge.urls"] = one.icpp_url("icpp")
        one.back_ends = len(self.back_ends)
        slots = [""] if len(self.back_ends) == 1 else [half + " " for half in HALVES]
        addresses = [slot + back_end.trunks(self.tls) for slot, back_end in zip(slots, self.back_ends)]
        one.pairs.setdefault("edge.back_ends", ",".join(addresses))
        return one

    @property
    def back_end(self):
        return self.back_ends[0]

    def nodes(self):
        return [*self.back_ends, *self.front_ends]

    def start(self):
        for back_end in self.back_ends:
            back_end.start()
        for front_end in self.front_ends:
            self.introduce(front_end)
            front_end.start()
        return self

    def introduce(self, front_end):
        """Only a back-end that has been started has a certificate."""
        if self.tls == "pin":
            front_end.pairs["edge.trunk_pins"] = ",".join(back_end.pin() for back_end in self.back_ends)
        if self.tls == "ca":
            issuers = self.folder / "issuers.pem"
            issuers.write_text("".join(back_end.certificate.read_text() for back_end in self.back_ends))
            front_end.pairs["edge.trunk_ca"] = issuers

    def stop(self):
        for node in reversed(self.nodes()):
            if node.child and node.child.running():
                node.kill()

    def jid(self, user):
        return self.back_end.jid(user)

    def home_of(self, jid):
        """Which of the back-ends an account lives at."""
        return self.back_ends[slot_of(jid) * len(self.back_ends) // 4096]

    def add_accounts(self, accounts):
        for account in accounts:
            self.home_of(self.jid(account[0])).add_accounts([account])

    def icpp_url(self, scheme):
        return self.front_ends[0].icpp_url(scheme)

    def trust(self):
        return self.front_ends[0].trust()

    async def aware(self):
        """Each front-end has heard of the other: that takes as long as they say how they are."""
        await asyncio.sleep(2.5)


def slot_of(jid):
    """The slot of an account, as the server computes it."""
    printed = subprocess.run([servers.binary(), "user", "slot", jid], check=True, capture_output=True, text=True).stdout
    return int(printed.split()[0])


async def person(phones, stem, first=0):
    """Somebody online who knows both front-ends and begins with one of them."""
    phone = phones.someone(stem)
    ends = phones.server.front_ends
    phone.client.routes.own = [Url.parse(end.icpp_url("icpp")) for end in ends[first:] + ends[:first]]
    return await phone.arrive()


def where(phone):
    """The front-end that somebody is connected to."""
    return phone.client.session.welcome.node


async def settled_at(phones, nodes, seconds=20):
    """Everybody is online, at one of these."""
    names = [node.node for node in nodes]
    for phone in phones.people:
        await eventually(lambda: phone.client._online.is_set() and where(phone) in names,
                         "%s at %s" % (phone.address, names), seconds)


class Load:
    """Pairs of people who write until they are told to stop: as fast as they can, or a message every so many seconds."""

    def __init__(self, pairs, every=None):
        self.pairs, self.until = pairs, asyncio.Event()
        self.tasks = [asyncio.ensure_future(self.steadily(pair, every) if every else pair.load(self.until)) for pair in pairs]

    async def steadily(self, pair, every):
        while not self.until.is_set():
            pair.post()
            await asyncio.sleep(every)

    async def end(self):
        self.until.set()
        await asyncio.gather(*self.tasks)

    @staticmethod
    async def settle(pairs):
        """Everything is accepted and shown in the end. Else a reader that stays away longer than the others would have more
        waiting than the offline quota allows."""
        for pair in pairs:
            await asyncio.wait_for(pair.sender.client.drain(), 40)
        for pair in pairs:
            def shown(pair=pair):
                return {one.text for one in pair.reader.inbox}
            await eventually(lambda: len(shown()) >= pair.next,
                             lambda: "all of %d messages, but %d: %s" % (pair.next, len(shown()), pair.reader.happened[-3:]), 40)

    @staticmethod
    async def judge(pairs):
        """And it was shown once, in order."""
        await Load.settle(pairs)
        for pair in pairs:
            expect_equal(len(pair.promised), pair.next, "what was accepted in the end")
        return sum(pair.judge() for pair in pairs)


async def pairs_at(phones, first, count=PAIRS):
    return [Pair(await person(phones, "s%d" % number, first), await person(phones, "r%d" % number, first))
            for number in range(count)]


def perform_clusters(suite, clusters, server, only):
    """Runs a suite: each cluster `(name, make, plays)` for its plays; those without a play that is wanted are not started. A word
    of `only` may name a cluster and a play: tls/kill_9."""
    tally = Tally(suite)
    if server.name != "crosspoint":
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()
    for name, make, plays in clusters:
        wanted = [one for one in plays if not only or any(word in "%s/%s" % (name, one[0].__name__) for word in only)]
        if not wanted:
            continue
        folder = server.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        cluster = make(folder)
        try:
            started = cluster.start()
            for function, _, seconds in wanted:
                perform(tally, function, seconds, started, {})
        finally:
            cluster.stop()
    return tally.close()
