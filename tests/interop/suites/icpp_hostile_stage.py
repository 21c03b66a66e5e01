"""What the plays of hostile ICPP share: two people who chat all the while and must not notice, the server's health, and the
codes that were heard.

Everything here blocks: each connection is a plain socket, and the two people have threads of their own.
"""

import asyncio
import random
import re
import threading
import time
import urllib.request

from interop import lines, process, servers
from interop.lines import Line
from interop.raw import CLIENT, Raw
from interop.stage import Stage, expect, expect_equal

AHEAD = 8
PAUSE_SECONDS = 0.01
ROUND_SECONDS = 60
# Of what the server may keep when an attack is over: buffers at their bounds, what the allocator has not given back.
LEFT_BYTES_MAX = 192 << 20

stage = Stage()
play = stage.play

# The codes that ended or refused something, over all plays.
heard = set()


def fresh_source():
    """A loopback address that no earlier attack came from."""
    return "127.%d.%d.%d" % (random.randint(16, 250), random.randint(1, 250), random.randint(1, 250))


class Pair(threading.Thread):
    """Somebody who speaks ICPP writes numbers to somebody who speaks XMPP, who sends each of them back. Nothing may be lost,
    come twice, or out of its order."""

    def __init__(self, server, one, other, icpp=None):
        super().__init__(daemon=True)
        self.server, self.one, self.other, self.icpp = server, one, other, icpp or server
        self.sent, self.back, self.accepted, self.longest, self.fault = 0, 0, 0, 0.0, None
        self.leaving, self.ready = threading.Event(), threading.Event()

    def run(self):
        echo = threading.Thread(target=self.guard, args=(lambda: asyncio.run(self.echo()),), daemon=True)
        echo.start()
        self.ready.wait(30)
        self.guard(self.chat)
        self.leaving.set()
        echo.join(10)

    def guard(self, what):
        try:
            what()
        except Exception as fault:
            if not self.leaving.is_set():
                self.fault = self.fault or fault

    async def echo(self):
        raw = await Raw.session(self.server, *self.other)
        raw.say("<presence/>")
        await raw.ping()
        self.ready.set()
        to = self.server.jid(self.one[0])
        while not self.leaving.is_set():
            try:
                stanza = await raw.next(1)
            except TimeoutError:
                continue
            if stanza.tag == CLIENT + "message":
                raw.say("<message to='%s' type='chat'><body>%s</body></message>" % (to, stanza.findtext(CLIENT + "body")))
        raw.abort()

    def chat(self):
        line = Line.session(self.icpp, *self.one)
        line.ask(lines.SYNC, bytes(24))
        line.say(lines.PRESENCE, lines.presence())
        to, began = self.server.jid(self.other[0]), {}
        while not self.leaving.is_set():
            while self.sent < self.back + AHEAD:
                began[self.sent] = time.monotonic()
                line.say(lines.SEND, lines.message(to, str(self.sent)))
                self.sent += 1
            verb, flags, _, ack, body = line.next(ROUND_SECONDS)
            self.accepted = max(self.accepted, ack)
            if verb == lines.DELIVER:
                expect_equal(int(lines.payload(body)), self.back, "the next number")
                self.longest = max(self.longest, time.monotonic() - began.pop(self.back))
                self.back += 1
                time.sleep(PAUSE_SECONDS)
        line.close()

    def check(self):
        """Everything that was on its way comes back, and more after it."""
        wanted, until = self.sent + AHEAD, time.monotonic() + ROUND_SECONDS
        while self.back < wanted:
            if self.fault:
                raise AssertionError("the two noticed: %r" % self.fault)
            expect(time.monotonic() < until, "the two hear nothing: %d of %d" % (self.back, wanted))
            time.sleep(0.02)
        # What is handed over is told before it is on the disk, and accepted when it is.
        process.wait_for(lambda: self.accepted >= wanted or self.fault, ROUND_SECONDS, "%d to be accepted" % wanted)


class Health:
    """A server before and after: its memory, its shards, its log, its figures."""

    def __init__(self, server):
        self.server, self.before, self.turns = server, process.resident_bytes(server.pid), figures(server, "crosspoint_turns_total")
        self.faults = by_code(server)

    def check(self, left_bytes_max=LEFT_BYTES_MAX):
        """What is left; raises if the server is not as it was."""
        expect(self.server.child.running(), "the server has died: %s" % self.server.child.tail())
        expect_equal(sum(figures(self.server, "crosspoint_panics_total")), 0, "panics")
        text = self.server.child.log.read_text(errors="replace")
        found = [line for line in text.splitlines() if "panic" in line.lower()]
        expect(not found, "the log speaks of a panic: %s" % found[:3])
        process.wait_for(lambda: all(now > then for now, then in zip(figures(self.server, "crosspoint_turns_total"), self.turns)),
                         20, "every shard to turn")
        grown = process.resident_bytes(self.server.pid) - self.before
        expect(grown < left_bytes_max, "%d MiB are left" % (grown >> 20))
        return "%+d MiB" % (grown >> 20)

    def counted(self, code):
        """How often the server has counted this code since."""
        name = CODES[code]
        return by_code(self.server)[name] - self.faults[name]


def figures(server, name):
    """The values of a figure, one for each shard."""
    return [float(value) for _, value in rows(server, name)]


def by_code(server):
    return {re.search('code="([^"]+)"', labels)[1]: float(value) for labels, value in rows(server, "crosspoint_icpp_faults_total")}


def rows(server, name):
    with urllib.request.urlopen("http://%s:%d/metrics" % (server.address, servers.ADMIN_PORT), timeout=20) as answer:
        return re.findall(r"^%s(\{[^}]*\})? (\S+)$" % name, answer.read().decode(), re.M)


def specification():
    """The codes of connections, by number, from the table of SPEC.md section 10."""
    text = (servers.REPOSITORY / "frontends" / "icpp" / "SPEC.md").read_text()
    table = text[text.index("## 10. Errors"):text.index("Codes 32 to 63")]
    return {int(number): name for number, name in re.findall(r"^\| (\d+) \| ([a-z-]+) \|", table, re.M)}


CODES = specification()
NUMBERS = {name: number for number, name in CODES.items()}


def ends(line, code, what, seconds=lines.WAIT_SECONDS):
    """The connection ends, with this code (its name), which is fatal."""
    try:
        found = line.ended(seconds)
    except TimeoutError:
        raise AssertionError("%s did not end the connection" % what) from None
    expect_equal(CODES.get(found, found), code, what)
    expect(line.fatal, "%s: what ends a connection is fatal" % what)
    heard.add(found)


def refused(answer, code, what):
    """An answer to AUTH, or another refusal that ends nothing."""
    verb, number = answer
    expect_equal((verb, CODES.get(number, number)), (lines.ERROR, code), what)
    heard.add(number)


class Mallory:
    """Who attacks: accounts enough, a new address each time."""

    def __init__(self, server):
        self.server = server
        self.names = ["mallory%d" % number for number in range(16)]
        server.add_accounts([(name, "secret") for name in self.names])

    def welcomed(self, line=Line, **fields):
        return line.connect(self.server, fresh_source()).greet(self.server.jid(random.choice(self.names)), **fields)

    def session(self, name=None, line=Line):
        name = name or random.choice(self.names)
        one = line.connect(self.server, fresh_source()).greet(self.server.jid(name))
        verb, code = one.scram(name, "secret")
        expect(verb in (lines.AUTHED, lines.RESUMED), "%s is not let in: %s" % (name, code))
        return one
