"""The examples of SPEC.md are what this client reads and writes."""

import pathlib
import re
import unittest

from crosspoint import wire
from crosspoint.rooms import Member, Role, Word
from crosspoint.wire import Message, Verb

from .test_wire import BODIES, decode_body, frames_of

SPECIFICATION = pathlib.Path(__file__).resolve().parents[3] / "SPEC.md"
LINE = re.compile(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} )+)")


def examples():
    """The bytes of every ```hex block."""
    for block in re.findall(r"```hex\n(.*?)```", SPECIFICATION.read_text(), re.DOTALL):
        digits = "".join(LINE.match(line + " ")[1] for line in block.splitlines())
        yield bytes.fromhex(digits)


@unittest.skipUnless(SPECIFICATION.exists(), "the specification is not beside this package")
class Examples(unittest.TestCase):
    def frames(self):
        data = b"".join(examples())
        self.assertTrue(data.startswith(wire.PREFACE))
        return frames_of(data.removeprefix(wire.PREFACE))

    def test_they_are_read_and_written_again(self):
        frames = self.frames()
        self.assertGreater(len(frames), 10)
        for frame in frames:
            value = decode_body(frame)
            if value is not None and frame.verb in wire.MESSAGES | {Verb.SYNC, Verb.SYNCED}:
                self.assertEqual(value.encode(), frame.body)
            elif isinstance(value, Word):
                self.assertEqual(Word.decode(frame.verb, value.encode()), value)
            elif value is not None:
                self.assertEqual(BODIES[frame.verb](value.encode()), value)

    def test_they_mean_what_is_said(self):
        frames = {}
        for frame in self.frames():
            frames.setdefault(frame.verb, frame)
        hello = wire.Hello.decode(frames[Verb.HELLO].body)
        self.assertEqual((hello.account, hello.resource), ("romeo@m.lit", "orchard"))
        send = Message.decode(Verb.SEND, frames[Verb.SEND].body)
        self.assertEqual((send.to, send.text, send.receipt_wanted), ("juliet@c.lit", "But, soft!", True))
        receipt = Message.decode(Verb.RECEIPT, frames[Verb.RECEIPT].body)
        self.assertEqual((receipt.kind, receipt.ref, receipt.to), (1, send.id, "romeo@m.lit/orchard"))
        bye = wire.Fault.decode(frames[Verb.BYE].body)
        self.assertEqual((bye.code, bye.temporary, bye.fatal, bye.retry_after, bye.text), (17, True, True, 1000, "shutdown"))
        join = Word.decode(Verb.JOIN, frames[Verb.JOIN].body)
        self.assertEqual((join.room, join.nick, join.history_messages), ("garden@rooms.lit", "romeo", 0))
        self.assertTrue(Word.decode(Verb.OCCUPANT, frames[Verb.OCCUPANT].body).is_self)
        change = Word.decode(Verb.CHANGE, frames[Verb.CHANGE].body)
        self.assertEqual(change.members, (Member(None, Role.NONE, "", "tybalt", "enough"),))
