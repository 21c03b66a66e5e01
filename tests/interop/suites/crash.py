"""The crash suite: kill -9 under load, again and again; what was acknowledged is there once and in order.

Senders speak XEP-0198 and note the highest number the server acknowledged. Their addressees are offline; after each
kill they come back, read everything, acknowledge it and leave. A message that was acknowledged must be read exactly
once; one that was not may be missing, but never doubled; and the order of a sender's messages must hold.
"""

import asyncio
import random

from interop.raw import CLIENT, SM, Raw, StreamEnd
from interop.stage import Stage, expect, expect_equal

ROUNDS = 8
PAIRS = 6
WINDOW = 40
LOAD_SECONDS = (0.3, 1.5)
# Below every server's offline quota, so that a refusal is never the reason for a missing message.
MOST_A_ROUND = 800

stage = Stage()
play = stage.play


def run(server, only=()):
    server.start()
    people = [(stem + str(pair), "secret-crash") for pair in range(PAIRS) for stem in ("sender", "reader")]
    server.add_accounts(people)
    try:
        return stage.run("crash", server, only)
    finally:
        server.stop()


class Sender:
    """Sends numbered messages to one reader; `safe` is how many of this round's the server acknowledged."""

    def __init__(self, server, pair):
        self.server, self.pair = server, pair
        self.next, self.first, self.safe = 0, 0, 0
        self.promised = set()

    async def load(self):
        """Sends until the connection breaks, keeping at most WINDOW unacknowledged."""
        self.first, self.safe = self.next, 0
        try:
            raw = await Raw.session(self.server, "sender%d" % self.pair, "secret-crash")
            raw.say("<enable xmlns='urn:xmpp:sm:3'/>")
            expect_equal((await raw.next()).tag, SM + "enabled", "stream management")
            await self.pump(raw)
        except (StreamEnd, OSError, asyncio.TimeoutError):
            pass
        self.promised.update(range(self.first, self.first + self.safe))

    async def pump(self, raw):
        to = self.server.jid("reader%d" % self.pair)
        while True:
            while self.next - self.first < min(self.safe + WINDOW, MOST_A_ROUND):
                raw.say("<message to='%s' type='chat' id='m%d'><body>%d</body></message>" % (to, self.next, self.next))
                self.next += 1
                if self.next % 5 == 0:
                    raw.say("<r xmlns='urn:xmpp:sm:3'/>")
            answer = await raw.next(60)
            if answer.tag == SM + "a":
                self.safe = int(answer.get("h"))
            elif answer.tag == SM + "r":
                raw.say("<a xmlns='urn:xmpp:sm:3' h='0'/>")
            expect(answer.get("type") != "error", "a message came back")


async def read_all(server, pair):
    """Comes online, reads until nothing more comes, acknowledges, and leaves. Returns the numbers in order."""
    raw = await Raw.session(server, "reader%d" % pair, "secret-crash")
    raw.say("<enable xmlns='urn:xmpp:sm:3'/><presence/>")
    numbers, handled, idle = [], 0, 0
    while idle < 3:
        try:
            stanza = await raw.next(0.5)
        except asyncio.TimeoutError:
            idle += 1
            continue
        idle = 0
        if stanza.tag.startswith(CLIENT):
            handled += 1
        if stanza.tag == SM + "r":
            raw.say("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % handled)
        elif stanza.tag == CLIENT + "message":
            numbers.append(int(stanza.find(CLIENT + "body").text))
    raw.say("<a xmlns='urn:xmpp:sm:3' h='%d'/><presence type='unavailable'/>" % handled)
    raw.say("</stream:stream>")
    await raw.ended()
    return numbers


def judge(sender, numbers):
    """Exactly once what was promised, at most once the rest, all in order."""
    name = "reader%d" % sender.pair
    doubled = sorted({number for number in numbers if numbers.count(number) > 1})
    expect(not doubled, "%s had twice: %s" % (name, doubled[:10]))
    expect(numbers == sorted(numbers), "%s had them out of order" % name)
    lost = sorted(sender.promised - set(numbers))
    expect(not lost, "%s never had %d acknowledged messages: %s" % (name, len(lost), lost[:10]))
    strange = [number for number in numbers if not 0 <= number < sender.next]
    expect(not strange, "%s had messages nobody sent: %s" % (name, strange[:10]))


@play(seconds=200)
async def what_was_acknowledged_survives_kill_9(server):
    senders = [Sender(server, pair) for pair in range(PAIRS)]
    read = [[] for _ in senders]
    for _ in range(ROUNDS):
        loads = [asyncio.ensure_future(sender.load()) for sender in senders]
        await asyncio.sleep(random.uniform(*LOAD_SECONDS))
        server.kill()
        await asyncio.gather(*loads)
        server.start()
        for numbers, more in zip(read, await asyncio.gather(*(read_all(server, one.pair) for one in senders))):
            numbers.extend(more)
        for sender, numbers in zip(senders, read):
            judge(sender, numbers)
    sent, promised = sum(one.next for one in senders), sum(len(one.promised) for one in senders)
    expect(promised >= ROUNDS * PAIRS, "hardly anything was acknowledged: %d" % promised)
    return "%d kills; %d sent, %d acknowledged, %d read" % (ROUNDS, sent, promised, sum(map(len, read)))


@play(seconds=60)
async def what_was_read_and_acknowledged_does_not_come_again(server):
    sender = Sender(server, 0)
    raw = await Raw.session(server, "sender0", "secret-crash")
    to = server.jid("reader0")
    await read_all(server, 0)
    for number in range(100):
        raw.say("<message to='%s' type='chat'><body>%d</body></message>" % (to, number))
    await raw.ping()
    sender.next, sender.promised = 100, set(range(100))
    judge(sender, await read_all(server, 0))
    await asyncio.sleep(1)
    server.kill()
    server.start()
    expect_equal(await read_all(server, 0), [], "read again after the kill")


@play(seconds=60)
async def a_roster_a_block_and_a_request_survive_kill_9(server):
    raw = await Raw.session(server, "sender1", "secret-crash")
    reader = server.jid("reader1")
    await raw.query("set", "<query xmlns='jabber:iq:roster'><item jid='%s' name='Reader'/></query>" % reader)
    await raw.query("set", "<block xmlns='urn:xmpp:blocking'><item jid='tybalt@%s'/></block>" % server.domain)
    await raw.query("set", "<query xmlns='jabber:iq:private'><note xmlns='n'>kept</note></query>")
    raw.say("<presence to='%s' type='subscribe'/>" % reader)
    await raw.ping()
    await asyncio.sleep(0.5)
    server.kill()
    server.start()
    raw = await Raw.session(server, "sender1", "secret-crash")
    roster = await raw.query("get", "<query xmlns='jabber:iq:roster'/>")
    item = roster.find(".//{jabber:iq:roster}item")
    expect_equal((item.get("jid"), item.get("name"), item.get("ask")), (reader, "Reader", "subscribe"), "roster item")
    blocked = await raw.query("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    expect_equal([one.get("jid") for one in blocked.iter("{urn:xmpp:blocking}item")], ["tybalt@" + server.domain],
                 "block list")
    private = await raw.query("get", "<query xmlns='jabber:iq:private'><note xmlns='n'/></query>")
    expect_equal(private.find(".//{n}note").text, "kept", "private note")
    other = await Raw.session(server, "reader1", "secret-crash")
    other.say("<presence/>")
    while (stanza := await other.next()).get("type") != "subscribe":
        pass
    expect_equal(stanza.get("from"), server.jid("sender1"), "who asks")
