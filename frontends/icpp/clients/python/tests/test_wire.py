"""Golden bytes of every verb, written by hand from SPEC.md, and what must be refused."""

import unittest

from crosspoint import rooms, wire
from crosspoint.errors import Code, WireError
from crosspoint.wire import Flag, Frame, Message, Verb

ID = bytes(range(16))
REF = bytes(range(16, 32))


def octets(text):
    """Hex digits and 'text in quotes', separated by white space, as bytes."""
    parts = text.split("'")
    return b"".join(part.encode() if index % 2 else bytes.fromhex(part) for index, part in enumerate(parts))


def room(title, verb, text, **fields):
    """A line of GOLDEN about the room `g`."""
    length = (16 + len(octets(text))).to_bytes(4, "little")
    body = rooms.Word(Verb(verb), room="g", **fields).encode()
    return title, Frame(Verb(verb), body), "%s %02X 00 0000 00000000 00000000 %s" % (length.hex(), verb, text)


# (name, frame, its bytes). The first four bytes are the length of the whole.
GOLDEN = (
    ("hello", Frame(Verb.HELLO, wire.Hello("a@b", "me", "r", b"\xAA\xBB", 2, "n1").encode(), ack=7),
     "33000000 01 00 0000 00000000 07000000"
     "0180 0300 'a@b'  0200 0200 'me'  0300 0100 'r'  0480 0200 AABB  0500 0100 02  0600 0200 'n1'"),
    ("welcome", Frame(Verb.WELCOME, wire.Welcome(1, "n1", ("SCRAM-SHA-256", "TICKET"), 65536, 60, 600, 64, 256, 65536).encode()),
     "5F000000 02 00 0000 00000000 00000000"
     "0100 0100 01  0400 0400 00000100  0500 0200 3C00  0600 0200 5802  0700 0400 40000000"
     "0800 0400 00010000  0900 0400 00000100  0200 0200 'n1'  0300 1400 'SCRAM-SHA-256 TICKET'"),
    ("auth", Frame(Verb.AUTH, wire.Auth(b"\0u\0p", "PLAIN").encode(), Flag.REQ, 5),
     "21000000 03 01 0000 05000000 00000000  0100 0500 'PLAIN'  0200 0400 00'u'00'p'"),
    ("challenge", Frame(Verb.AUTH, wire.Auth(b"x").encode(), Flag.RESP | Flag.MORE, 5),
     "15000000 03 0A 0000 05000000 00000000  0200 0100 'x'"),
    ("authed", Frame(Verb.AUTHED, wire.Authed("a@b/r", b"v=1", b"\x01", 120, 9, b"\x02", 60).encode(), Flag.RESP, 5),
     "46000000 04 02 0000 05000000 00000000"
     "0100 0500 'a@b/r'  0200 0300 'v=1'  0300 0100 01  0600 0100 02"
     "0400 0400 78000000  0500 0800 0900000000000000  0700 0400 3C000000"),
    ("resumed", Frame(Verb.RESUMED, octets("0100 0500 'a@b/r'"), Flag.RESP, 5, 4),
     "19000000 05 02 0000 05000000 04000000  0100 0500 'a@b/r'"),
    ("ping", Frame(Verb.PING, b"", Flag.REQ, 6, 2), "10000000 06 01 0000 06000000 02000000"),
    ("pong", Frame(Verb.PONG, b"", Flag.RESP, 6), "10000000 07 02 0000 06000000 00000000"),
    ("state", Frame(Verb.STATE, wire.encode_state(True)), "11000000 08 00 0000 00000000 00000000 01"),
    ("bye of a client", Frame(Verb.BYE), "10000000 09 00 0000 00000000 00000000"),
    ("bye of a server", Frame(Verb.BYE, wire.Fault(Code.SHUTDOWN, True, True, 1500, "x").encode()),
     "19000000 09 00 0000 00000000 00000000  1100 01 01 DC050000 'x'"),
    ("redirect", Frame(Verb.REDIRECT, wire.Redirect(("icpp://h:1", "ws://h/"), "n2", b"\x07", 3, 250, "n1").encode()),
     "47000000 10 00 0000 00000000 00000000"
     "0100 0A00 'icpp://h:1'  0100 0700 'ws://h/'  0200 0200 'n2'  0300 0100 07  0400 0100 03  0500 0400 FA000000"
     "0600 0200 'n1'"),
    ("drain", Frame(Verb.DRAIN, wire.Drain(1, 10000).encode()), "18000000 11 00 0000 00000000 00000000  01 00 0000 10270000"),
    ("credit", Frame(Verb.CREDIT, wire.encode_credit(32)), "14000000 18 00 0000 00000000 00000000  20000000"),
    ("error", Frame(Verb.ERROR, wire.Fault(Code.NOT_AUTHORIZED, text="no").encode(), Flag.RESP | Flag.ERR, 5),
     "1A000000 19 06 0000 05000000 00000000  0800 00 00 00000000 'no'"),
    ("send", Frame(Verb.SEND, Message(ID, "c@d", payload=b"hi", receipt_wanted=True, subject="s").encode(),
                   Flag.NOSTORE | Flag.DUP, ack=1),
     "3E000000 20 60 0000 00000000 01000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0300 0000 0900 0000  'c@d'  0100 0100 's'  0500 0000  'hi'"),
    ("accepted", Frame(Verb.ACCEPTED, b"", ack=0xFFFFFFFF), "10000000 21 00 0000 00000000 FFFFFFFF"),
    ("deliver", Frame(Verb.DELIVER, Message(ID, "c@d", "a@b/r", 1, b"hi", (1000 << 20) + 1, copy=2).encode()),
     "3F000000 22 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0100803E00000000"
     "0300 0500 0500 0100  'c@d' 'a@b/r'  0900 0100 02  'hi'"),
    ("a message that came back", Frame(Verb.DELIVER, Message(ID, "a@b", "c@d", 4, condition=47).encode()),
     "3C000000 22 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0300 0300 0600 0400  'a@b' 'c@d'  0A00 0200 2F00"),
    ("receipt", Frame(Verb.RECEIPT, Message(ID, "c@d", kind=2, ref=REF, foreign_ref="f").encode()),
     "4C000000 23 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0300 0000 1900 0200  'c@d'  0680 1000 101112131415161718191A1B1C1D1E1F  0800 0100 'f'"),
    ("note", Frame(Verb.NOTE, Message(ID, "c@d", kind=1).encode()),
     "33000000 24 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0300 0000 0000 0100  'c@d'"),
    ("edit", Frame(Verb.EDIT, Message(ID, "c", payload=b"new", ref=REF).encode()),
     "48000000 25 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0100 0000 1400 0000  'c'  0680 1000 101112131415161718191A1B1C1D1E1F  'new'"),
    ("recall", Frame(Verb.RECALL, Message(ID, "c", ref=REF).encode()),
     "45000000 26 00 0000 00000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0100 0000 1400 0000  'c'  0680 1000 101112131415161718191A1B1C1D1E1F"),
    ("presence", Frame(Verb.PRESENCE, wire.Presence(3, -1, "", "out").encode()),
     "1B000000 30 00 0000 00000000 00000000  03 FF 0000 0300 0000 'out'"),
    ("presences", Frame(Verb.PRESENCES, wire.Presence(1, 5, "a@b/r", "").encode() + wire.Presence(0, 0, "c", "").encode()),
     "26000000 31 00 0000 00000000 00000000  01 05 0500 0000 0000 'a@b/r'  00 00 0100 0000 0000 'c'"),
    ("subscribe", Frame(Verb.SUBSCRIBE, wire.Subscription("a@b", "hey").encode()),
     "1A000000 32 00 0000 00000000 00000000  0300 0300 'a@b' 'hey'"),
    ("unsubscribe", Frame(Verb.UNSUBSCRIBE, wire.Subscription("a").encode()), "15000000 33 00 0000 00000000 00000000  0100 0000 'a'"),
    ("approve", Frame(Verb.APPROVE, wire.Subscription("a").encode()), "15000000 34 00 0000 00000000 00000000  0100 0000 'a'"),
    ("deny", Frame(Verb.DENY, wire.Subscription("a").encode()), "15000000 35 00 0000 00000000 00000000  0100 0000 'a'"),
    ("roster", Frame(Verb.ROSTER, wire.Roster(6, (wire.Contact("a@b", "A", ("x", "yz"), 2, True, False, True),), 258).encode()),
     "33000000 40 00 0000 00000000 00000000  06 00 0100 00000000 0201000000000000"
     "02 05 0300 0100 0700  'a@b' 'A'  0100 'x' 0200 'yz'"),
    ("block", Frame(Verb.BLOCK, wire.AddressList(1, ("a@b", "c")).encode(), Flag.REQ, 9),
     "1C000000 41 01 0000 09000000 00000000  01 00 0200  0300 'a@b'  0100 'c'"),
    ("allow", Frame(Verb.ALLOW, wire.AddressList(3).encode(), Flag.REQ, 9), "14000000 42 01 0000 09000000 00000000  03 00 0000"),
    ("sync", Frame(Verb.SYNC, wire.Sync(1, 2).encode(), Flag.REQ, 9),
     "28000000 60 01 0000 09000000 00000000  0100000000000000 0200000000000000 0000000000000000"),
    ("synced", Frame(Verb.SYNCED, wire.Synced(1, 2, True).encode(), Flag.RESP, 9),
     "28000000 61 02 0000 09000000 00000000  0100000000000000 0200000000000000 01 00000000000000"),
    ("history", Frame(Verb.HISTORY, wire.History(5, 10, True, "a@b").encode(), Flag.REQ, 9),
     "23000000 62 01 0000 09000000 00000000  0500000000000000 0A00 01 00 0300 0000 'a@b'"),
    ("items", Frame(Verb.ITEMS, Message(ID, "c", "a").encode(), Flag.RESP | Flag.MORE, 9),
     "32000000 63 0A 0000 09000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0100 0100 0000 0000  'c' 'a'"),
    ("items of a recall", Frame(Verb.ITEMS, Message(ID, "c", "a", ref=ID, verb=Verb.RECALL).encode(), Flag.RESP | Flag.MORE, 9),
     "4B000000 63 0A 0000 09000000 00000000  000102030405060708090A0B0C0D0E0F 0000000000000000"
     "0100 0100 1900 0000  'c' 'a'  0680 1000 000102030405060708090A0B0C0D0E0F  0C00 0100 26"),
    room("create", 0x50, "0180 0100 'g'  0200 0100 'r'", nick="r"),
    room("join", 0x51, "0180 0100 'g'  0200 0100 'r'  0300 0100 'p'  0500 0100 03  0F00 0400 05000000  1200 0800 0201000000000000",
         nick="r", password="p", show=3, history_messages=5, history_since=258),
    room("leave", 0x52, "0180 0100 'g'  0600 0300 'bye'", status="bye"),
    room("show", 0x53, "0180 0100 'g'  0200 0100 'r'  0500 0100 05", nick="r", show=5),
    room("invite", 0x54, "0180 0100 'g'  0400 0100 'x'  1700 0300 'a@b'  1700 0300 'c@d'", reason="x", to=("a@b", "c@d")),
    room("decline", 0x55, "0180 0100 'g'  1700 0300 'a@b'", to=("a@b",)),
    room("voice", 0x56, "0180 0100 'g'  0200 0100 'v'  1D00 0100 01", nick="v", allow=1),
    room("occupant", 0x57, "0180 0100 'g'  0200 0100 'r'  0700 0100 04  0800 0100 03  0900 0200 'id'  0A00 0500 'a@b/c'"
         "0B00 0400 6E00 C900  1400 0000", nick="r", affiliation=4, role=3, occupant_id="id", real="a@b/c", codes=(110, 201),
         destroyed=True),
    room("subject", 0x58, "0180 0100 'g'  1500 0100 's'  1600 0800 0900000000000000", subject="s", stamp=9),
    room("notice", 0x59, "0180 0100 'g'  0700 0100 02  1E00 0300 'a@b'", account="a@b", affiliation=2),
    room("refused", 0x5A, "0180 0100 'g'  0E00 0200 2400  1900 0100 51", refused=0x51, condition=36),
    room("members", 0x5B, "0180 0100 'g'  0700 0100 00", affiliation=0),
    room("change", 0x5C, "0180 0100 'g'  1A00 0F00 FF 00 0300 0100 0300 'a@b' 'v' 'why'",
         members=(rooms.Member(None, 0, "a@b", "v", "why"),)),
    room("members", 0x5B, "0180 0100 'g'  1E00 0300 'a@b'", account="a@b"),
    room("change", 0x5C, "0180 0100 'g'  0200 0500 'thane'", nick="thane"),
    room("change", 0x5C, "0180 0100 'g'  0400 0400 'spam'  1F00 1000 '5a1c0e7f93b2d846'", record="5a1c0e7f93b2d846", reason="spam"),
    room("configure", 0x5D, "0180 0100 'g'  1C00 0100 01  2000 0100 'G'  2300 0100 01  2600 0000  2E00 0400 10000000"
         "3100 0300 'a@b'  3100 0300 'c@d'", op=1, name="G", persistent=1, entry_password="", occupants_max=16,
         owners=("a@b", "c@d")),
    room("destroy", 0x5E, "0180 0100 'g'  1300 0100 'h'", alternative="h"),
    room("rooms", 0x5F, "0180 0100 'g'  1B00 0A00 07000000 0100 0100 'g' 'G'  3400 0400 02000000",
         listed=(rooms.Listed(7, "g", "G"),), total=2),
)

BODIES = {
    Verb.HELLO: wire.Hello.decode, Verb.WELCOME: wire.Welcome.decode, Verb.AUTH: wire.Auth.decode,
    Verb.AUTHED: wire.Authed.decode, Verb.REDIRECT: wire.Redirect.decode, Verb.DRAIN: wire.Drain.decode,
    Verb.ERROR: wire.Fault.decode, Verb.ROSTER: wire.Roster.decode, Verb.BLOCK: wire.AddressList.decode,
    Verb.ALLOW: wire.AddressList.decode, Verb.SYNC: wire.Sync.decode, Verb.SYNCED: wire.Synced.decode,
    Verb.HISTORY: wire.History.decode, **dict.fromkeys(wire.SUBSCRIPTIONS, wire.Subscription.decode),
}


def decode_body(frame):
    """The value in a frame's body, or None for a verb without a class of its own."""
    if 0x50 <= frame.verb < 0x60:
        return rooms.Word.decode(frame.verb, frame.body)
    if frame.verb in wire.MESSAGES:
        return Message.decode(frame.verb, frame.body)
    return BODIES[frame.verb](frame.body) if frame.verb in BODIES else None


def frames_of(data, limit=wire.FRAME_MAX):
    decoder = wire.Decoder(limit)
    decoder.feed(data)
    found = []
    while frame := decoder.next():
        found.append(frame)
    return found


class GoldenBytes(unittest.TestCase):
    def test_every_verb_is_written_as_the_specification_draws_it(self):
        for name, frame, text in GOLDEN:
            with self.subTest(name):
                data = octets(text)
                self.assertEqual(frame.encode().hex(" "), data.hex(" "))
                self.assertEqual(int.from_bytes(data[:4], "little"), len(data))

    def test_every_verb_of_a_client_or_a_server_is_among_them(self):
        trunks = {Verb.TOPOLOGY, Verb.OPEN, Verb.CLOSE, Verb.HOLD}
        self.assertEqual({frame.verb for _, frame, _ in GOLDEN}, set(Verb) - trunks)

    def test_what_was_written_is_read_again(self):
        for name, frame, text in GOLDEN:
            with self.subTest(name):
                self.assertEqual(frames_of(octets(text)), [frame])
                value = decode_body(frame)
                if value is not None:
                    self.assertEqual(value.encode(), frame.body)

    def test_the_preface(self):
        self.assertEqual(wire.PREFACE, octets("'ICPP' 01 01 0000"))


class Feeding(unittest.TestCase):
    def test_byte_by_byte_gives_the_same_frames(self):
        data = b"".join(octets(text) for _, _, text in GOLDEN)
        decoder, found = wire.Decoder(wire.FRAME_MAX), []
        for octet in data:
            decoder.feed(bytes((octet,)))
            while frame := decoder.next():
                found.append(frame)
        self.assertEqual(found, [frame for _, frame, _ in GOLDEN])

    def test_every_cut_of_every_body_is_malformed_or_another_whole_value(self):
        for name, frame, _ in GOLDEN:
            for length in range(len(frame.body)):
                try:
                    decode_body(Frame(frame.verb, frame.body[:length], frame.flags))
                except WireError as error:
                    self.assertIn(error.code, (Code.MALFORMED, Code.RESERVED), name)

    def test_nothing_but_a_wire_error_comes_out_of_changed_bytes(self):
        for _, frame, _ in GOLDEN:
            for index in range(len(frame.body)):
                for octet in (0x00, 0x7F, 0x80, 0xFF):
                    body = frame.body[:index] + bytes((octet,)) + frame.body[index + 1:]
                    try:
                        decode_body(Frame(frame.verb, body, frame.flags))
                    except WireError:
                        pass


class Refusals(unittest.TestCase):
    def refused(self, code, function, *arguments):
        with self.assertRaises(WireError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.code, code)

    def test_a_length_below_the_header(self):
        self.refused(Code.MALFORMED, frames_of, octets("0F000000"))
        self.refused(Code.MALFORMED, frames_of, octets("00000000"))

    def test_a_length_above_the_limit_is_refused_before_it_has_come(self):
        self.refused(Code.FRAME_TOO_LARGE, frames_of, octets("01100000"), 4096)
        self.assertEqual(frames_of(octets("00100000"), 4096), [])

    def test_reserved_bits(self):
        for flag in (0x80, 0x10):
            self.refused(Code.RESERVED, frames_of, Frame(Verb.PING, b"", flag).encode())

    def test_an_unknown_verb(self):
        self.refused(Code.UNSUPPORTED_VERB, frames_of, Frame(0x7F).encode())
        self.assertEqual(frames_of(Frame(0x80).encode()), [Frame(0x80)])

    def test_reserved_fields(self):
        self.refused(Code.RESERVED, wire.Sync.decode, octets("0000000000000000 0000000000000000 00000000 01000000"))
        self.refused(Code.RESERVED, wire.Drain.decode, octets("01 01 0000 00000000"))
        self.refused(Code.RESERVED, wire.Roster.decode, octets("06 01 0000 00000000 0000000000000000"))

    def test_extensions(self):
        known = (1, 0x8006)
        self.assertEqual(wire.decode_extensions(octets("0100 0100 AA  7700 0200 0000"), known), {1: b"\xAA"})
        self.refused(Code.UNSUPPORTED_EXTENSION, wire.decode_extensions, octets("7780 0000"), known)
        self.refused(Code.MALFORMED, wire.decode_extensions, octets("0100 0000 0100 0000"), known)
        self.refused(Code.MALFORMED, wire.decode_extensions, octets("0100 0200 AA"), known)
        self.refused(Code.MALFORMED, wire.decode_extensions, octets("0100 02"), known)

    def test_a_receipt_must_say_for_what(self):
        self.refused(Code.MALFORMED, Message.decode, Verb.RECEIPT, Message(ID, "a", kind=1).encode())

    def test_kinds_that_are_not_known_are_read(self):
        for verb, kind in ((Verb.DELIVER, 5), (Verb.NOTE, 5), (Verb.RECEIPT, 9)):
            self.assertEqual(Message.decode(verb, Message(ID, "a", kind=kind, ref=REF).encode()).kind, kind)

    def test_text_that_is_not_text(self):
        self.refused(Code.MALFORMED, wire.Subscription.decode, octets("0100 0000 FF"))


class Meaning(unittest.TestCase):
    def test_a_stamp_is_an_offset_only_if_it_is_in_the_log(self):
        self.assertEqual(Message(ID, stamp=5000 << 20).offset, 0)
        self.assertEqual(Message(ID, stamp=(5000 << 20) + 3).offset, (5000 << 20) + 3)
        self.assertEqual(Message(ID, stamp=(5000 << 20) + 3).time, 5.0)

    def test_what_to_show(self):
        self.assertEqual(Message(ID, payload="ü".encode()).text, "ü")
        self.assertEqual(Message(ID, payload=b"\x89PNG", content_type="image/png", fallback="a picture").text, "a picture")

    def test_a_message_id_is_a_ulid(self):
        one, two = wire.new_id(1), wire.new_id(1)
        self.assertEqual(one[:6], bytes(5) + b"\x01")
        self.assertNotEqual(one, two)
