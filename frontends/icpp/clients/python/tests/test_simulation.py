"""Simulation by seed: connections are cut, the server is restarted, the application is killed, at any byte and any moment.

Whatever happens, in the end every message of Juliet's was shown exactly once, and every one of Romeo's is at the server.
A seed that failed is run again by `SEED=n python3 -m unittest tests.test_simulation`.
"""

import copy
import os
import random
import unittest

from crosspoint import session, state, wire
from crosspoint.inbox import Entry
from crosspoint.wire import Flag, Frame, Message, Verb

from .peer import ACCOUNT, ADDRESS, number

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(300)
STEPS = 400
WINDOW = 5
EPOCHS = 2


class Server:
    """Juliet's messages wait here until they are acknowledged; Romeo's are recorded by id."""

    def __init__(self, chance):
        self.chance = chance
        self.log, self.waiting = [], []
        self.recorded, self.accepted_twice = [], 0
        self.session, self.tokens, self.epoch = None, 0, 7
        self.online = False

    def restart(self):
        """kill -9: sessions are gone, and what was not accepted may or may not have been recorded."""
        self.session, self.online = None, False

    def post(self, value):
        offset = (len(self.log) + 1 << 20) + 1
        message = Message(number(value), ADDRESS, "juliet@capulet/two", payload=b"%d" % value, stamp=offset)
        self.log.append(message)
        self.waiting.append(message)
        if self.session and (self.session["synced"] or (self.online and self.chance.random() < 0.3)):
            data = self.deliver(message)
            return data if self.online else b""
        return b""

    def deliver(self, message):
        self.session["sent"].append(message)
        return self.frame(Verb.DELIVER, message.encode())

    def frame(self, verb, body=b"", flags=0, identity=0):
        return Frame(verb, body, flags, identity, self.session["safe"] if self.session else 0).encode()

    def connected(self):
        self.decoder, self.preface, self.online, self.hello = wire.Decoder(wire.FRAME_MAX), len(wire.PREFACE), False, None

    def receive(self, data):
        """Takes bytes of the client; returns the answer."""
        skipped = min(self.preface, len(data))
        self.preface -= skipped
        self.decoder.feed(data[skipped:])
        answer = b""
        while frame := self.decoder.next():
            if self.online:
                self.acknowledged(frame.ack)
            answer += self.take(frame)
        return answer

    def acknowledged(self, ack):
        current = self.session
        assert current["acked"] <= ack <= len(current["sent"]), "ack %d" % ack
        settled = current["sent"][current["acked"]:ack]
        current["acked"] = ack
        self.waiting = [one for one in self.waiting if one not in settled]

    def take(self, frame):
        if frame.verb == Verb.HELLO:
            self.hello, self.hello_ack = wire.Hello.decode(frame.body), frame.ack
            return Frame(Verb.WELCOME, wire.Welcome(window=WINDOW).encode()).encode()
        if frame.verb == Verb.AUTH:
            return self.login(frame)
        if frame.verb == Verb.SYNC:
            return self.sync(frame)
        if frame.verb == Verb.SEND:
            current = self.session
            current["received"] += 1
            assert current["received"] - current["safe"] <= WINDOW, "more than the window"
            if frame.body[:16] not in self.recorded:
                self.recorded.append(frame.body[:16])
            else:
                assert frame.flags & Flag.DUP, "sent again without DUP"
        return b""

    def login(self, frame):
        current, answer = self.session, Verb.AUTHED
        if current and self.hello.resume == current["token"]:
            answer = Verb.RESUMED
            self.acknowledged(self.hello_ack)
            current["received"] = current["safe"]
        else:
            self.tokens += 1
            self.session = current = {"token": b"%d" % self.tokens, "sent": [], "acked": 0, "received": 0, "safe": 0, "synced": False}
        self.online = True
        authed = wire.Authed(ADDRESS, token=current["token"], epoch=self.epoch)
        data = self.frame(answer, authed.encode(), Flag.RESP, frame.id)
        for message in current["sent"][current["acked"]:] if answer == Verb.RESUMED else ():
            data += self.frame(Verb.DELIVER, message.encode())
        return data

    def sync(self, frame):
        asked = wire.Sync.decode(frame.body)
        if asked.epoch == self.epoch:
            self.waiting = [one for one in self.waiting if one.stamp > asked.offset]
        page = [one for one in self.waiting if one.stamp > (asked.offset if asked.epoch == self.epoch else 0)]
        data = b"".join(self.deliver(message) for message in page)
        self.session["synced"] = True
        offset = page[-1].stamp if page else asked.offset
        return data + self.frame(Verb.SYNCED, wire.Synced(self.epoch, offset).encode(), Flag.RESP, frame.id)

    def accept(self):
        current = self.session
        if self.online and current["safe"] < current["received"]:
            current["safe"] = self.chance.randint(current["safe"] + 1, current["received"])
            return self.frame(Verb.ACCEPTED)
        return b""


class World:
    """One client, one server, and the bytes between them."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.server = Server(self.chance)
        self.memory, self.now = state.State(), 0.0
        self.shown, self.posted, self.said = [], [], 0
        self.start()

    def start(self):
        """The application begins, with what it remembers."""
        self.session = session.Session(session.Config(ACCOUNT, roster=False), self.memory)
        self.queue, self.up, self.down, self.connected = [], b"", b"", False

    def kill(self):
        """The process is gone, and what it remembers is in its file."""
        self.memory = copy.deepcopy(self.memory)
        for item in self.memory.outbox.values():
            item.tried = True
        self.cut()
        self.start()

    def cut(self):
        self.session.lost()
        self.up = self.down = b""
        self.connected = self.server.online = False

    def connect(self):
        if not self.connected:
            self.server.connected()
            self.session.connect(self.now, False, ticket=b"ticket")
            self.connected = True

    def step(self, calm=False):
        chance = self.chance
        if not calm and chance.random() < 0.06:
            chance.choice((self.cut, self.cut, self.restart, self.kill))()
            return
        action = chance.choice((self.connect, self.upwards, self.upwards, self.downwards, self.downwards, self.take, self.take,
                                self.accept, self.tick) + (() if calm else (self.send, self.post)))
        action()

    def restart(self):
        self.server.restart()
        if self.chance.random() < 0.3:
            self.server.epoch += 1
        self.cut()

    def send(self):
        self.said += 1
        self.posted.append(number(self.said))
        self.session.submit(Verb.SEND, Message(number(self.said), "juliet@capulet").encode())

    def post(self):
        self.down += self.server.post(len(self.server.log) + 1)

    def upwards(self):
        if self.connected:
            self.up += self.session.output(self.now)
            count = self.chance.randint(0, len(self.up))
            data, self.up = self.up[:count], self.up[count:]
            self.down += self.server.receive(data)

    def downwards(self):
        if self.connected:
            count = self.chance.randint(0, len(self.down))
            data, self.down = self.down[:count], self.down[count:]
            self.session.receive(data, self.now)
            self.queue += [event for event in self.session.happened() if isinstance(event, Entry)]

    def take(self):
        if self.queue:
            entry = self.queue.pop(0)
            self.shown.append(int(entry.value[1].payload))
            self.session.take(entry, self.now)

    def accept(self):
        self.down += self.server.accept()

    def tick(self):
        self.now += self.chance.random()
        if self.connected:
            self.session.tick(self.now)

    def finish(self):
        """Nothing goes wrong any more, until nothing is left to do."""
        for _ in range(20000):
            self.step(calm=True)
            if not (self.memory.outbox or self.server.waiting or self.queue):
                return
        raise AssertionError("never done: %d to send, %d waiting" % (len(self.memory.outbox), len(self.server.waiting)))


class Simulation(unittest.TestCase):
    def test_nothing_is_lost_and_nothing_shown_twice(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                world = World(seed)
                for _ in range(STEPS):
                    world.step()
                world.finish()
                self.assertEqual(sorted(world.shown), list(range(1, len(world.server.log) + 1)))
                self.assertEqual(world.server.recorded, world.posted)
