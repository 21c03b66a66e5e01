"""Frames and bodies of ICPP, version 1 (SPEC.md, sections 2 to 11): bytes to values and back, and nothing else.

Invariants: decoding never reads beyond a frame, never keeps more than one frame's bytes waiting, and fails only by
`WireError`; whatever decodes encodes again to the same bytes. Nothing here knows the time, a connection, or an order of frames.
"""

import dataclasses
import enum
import os
import struct
import typing

from .errors import Code, WireError

VERSION = 1
PREFACE = b"ICPP" + bytes((VERSION, VERSION)) + b"\0\0"
HEADER = struct.Struct("<IBBHII")
HEADER_BYTES = 16
# Before AUTHED or RESUMED, and the default afterwards (section 3).
LOGIN_FRAME_MAX = 4096
FRAME_MAX = 65536
ROOM = 8192  # of FRAME_MAX, that a message leaves to what the server adds (section 5)
# A server may announce more, but not that a client has to keep this much for one frame.
FRAME_MAX_CEILING = 16 * 1024 * 1024
# The lower bits of a stamp are not 0 for what is in the server's log (section 5).
LOGGED = (1 << 20) - 1


class Verb(enum.IntEnum):
    """What a frame is (section 12)."""

    HELLO = 0x01
    WELCOME = 0x02
    AUTH = 0x03
    AUTHED = 0x04
    RESUMED = 0x05
    PING = 0x06
    PONG = 0x07
    STATE = 0x08
    BYE = 0x09
    REDIRECT = 0x10
    DRAIN = 0x11
    TOPOLOGY = 0x12
    OPEN = 0x13
    CLOSE = 0x14
    HOLD = 0x15
    CREDIT = 0x18
    ERROR = 0x19
    SEND = 0x20
    ACCEPTED = 0x21
    DELIVER = 0x22
    RECEIPT = 0x23
    NOTE = 0x24
    EDIT = 0x25
    RECALL = 0x26
    PRESENCE = 0x30
    PRESENCES = 0x31
    SUBSCRIBE = 0x32
    UNSUBSCRIBE = 0x33
    APPROVE = 0x34
    DENY = 0x35
    ROSTER = 0x40
    BLOCK = 0x41
    ALLOW = 0x42
    CREATE = 0x50
    JOIN = 0x51
    LEAVE = 0x52
    SHOW = 0x53
    INVITE = 0x54
    DECLINE = 0x55
    VOICE = 0x56
    OCCUPANT = 0x57
    SUBJECT = 0x58
    NOTICE = 0x59
    REFUSED = 0x5A
    MEMBERS = 0x5B
    CHANGE = 0x5C
    CONFIGURE = 0x5D
    DESTROY = 0x5E
    ROOMS = 0x5F
    SYNC = 0x60
    SYNCED = 0x61
    HISTORY = 0x62
    ITEMS = 0x63


SUBSCRIPTIONS = frozenset((Verb.SUBSCRIBE, Verb.UNSUBSCRIBE, Verb.APPROVE, Verb.DENY))
# The same for both directions but SEND and DELIVER; a server's ROSTER, BLOCK and ALLOW count too, without RESP.
RELIABLE = frozenset((Verb.RECEIPT, Verb.EDIT, Verb.RECALL)) | SUBSCRIPTIONS
# What rooms tell without being asked, which counts, and what they answer.
ROOM_NOTICES = frozenset((Verb.OCCUPANT, Verb.SUBJECT, Verb.NOTICE, Verb.REFUSED, Verb.INVITE, Verb.DECLINE, Verb.VOICE))
ROOM_ANSWERS = frozenset((Verb.MEMBERS, Verb.CHANGE, Verb.CONFIGURE, Verb.DESTROY, Verb.ROOMS))
LISTS = frozenset((Verb.ROSTER, Verb.BLOCK, Verb.ALLOW))
MESSAGES = frozenset((Verb.SEND, Verb.DELIVER, Verb.RECEIPT, Verb.NOTE, Verb.EDIT, Verb.RECALL, Verb.ITEMS))
# Those that may carry DUP (section 3).
REPEATABLE = frozenset((Verb.SEND, Verb.RECEIPT, Verb.EDIT, Verb.RECALL))


class Flag(enum.IntFlag):
    """The flags of a frame (section 3)."""

    REQ = 0x01
    RESP = 0x02
    ERR = 0x04
    MORE = 0x08
    ZSTD = 0x10
    NOSTORE = 0x20
    DUP = 0x40


RESERVED_FLAGS = 0x80 | Flag.ZSTD
CRITICAL = 0x8000


class Kind(enum.IntEnum):
    """Kinds of SEND, DELIVER, EDIT, RECALL and ITEMS."""

    CHAT = 0
    NORMAL = 1
    GROUPCHAT = 2
    HEADLINE = 3
    ERROR = 4


class ReceiptKind(enum.IntEnum):
    DELIVERED = 1
    DISPLAYED = 2


class Activity(enum.IntEnum):
    """Kinds of NOTE, and of the extension STATE."""

    ACTIVE = 0
    COMPOSING = 1
    PAUSED = 2
    INACTIVE = 3
    GONE = 4


class Show(enum.IntEnum):
    UNAVAILABLE = 0
    AVAILABLE = 1
    CHAT = 2
    AWAY = 3
    EXTENDED_AWAY = 4
    DO_NOT_DISTURB = 5


class Subscribed(enum.IntEnum):
    NONE = 0
    TO = 1
    FROM = 2
    BOTH = 3


class RosterOp(enum.IntEnum):
    GET = 0
    SET = 1
    REMOVE = 2
    ITEMS = 3
    UNCHANGED = 4
    DONE = 5
    PUSH = 6


class ListOp(enum.IntEnum):
    """Operations of BLOCK and ALLOW."""

    LIST = 0
    ADD = 1
    REMOVE = 2
    ON = 3
    OFF = 4
    DONE = 5


class Reason(enum.IntEnum):
    HOME = 1
    LOAD = 2
    DRAIN = 3


class Tag:
    """Tags of extensions, by the verb that has them."""

    ACCOUNT, AGENT, RESOURCE, RESUME, HOPS, CAME_FROM = 0x8001, 0x0002, 0x0003, 0x8004, 0x0005, 0x0006
    VERSION, NODE, MECHANISMS, FRAME_MAX, HEARTBEAT, HEARTBEAT_BACKGROUND = 1, 2, 3, 4, 5, 6
    WINDOW, UNACKED_FRAMES, UNACKED_BYTES, NONCE, SHARDS = 7, 8, 9, 10, 11
    AUTH_MECHANISM, AUTH_DATA = 1, 2
    ADDRESS, DATA, TOKEN, RESUME_S, EPOCH, TICKET, TICKET_S = 1, 2, 3, 4, 5, 6, 7
    URL, TARGET, REDIRECT_TICKET, REASON, AFTER, FROM = 1, 2, 3, 4, 5, 6
    SUBJECT, THREAD, CONTENT_TYPE, FALLBACK, RECEIPT_WANTED = 1, 2, 3, 4, 5
    REF, FOREIGN_ID, FOREIGN_REF, COPY, CONDITION, STATE, VERB = 0x8006, 7, 8, 9, 10, 11, 12
    OCCUPANT_ID, RECORD, RECORD_REF = 13, 14, 15


def malformed(text):
    return WireError(Code.MALFORMED, text)


# --- frames ---


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame (section 3). `verb` is a `Verb`, or a plain number for one of 0x80 or above that is not known."""

    verb: int
    body: bytes = b""
    flags: int = 0
    id: int = 0
    ack: int = 0
    slot: int = 0

    def encode(self):
        """`len u32 | verb u8 | flags u8 | slot u16 | id u32 | ack u32 | body`"""
        length = HEADER_BYTES + len(self.body)
        return HEADER.pack(length, self.verb, self.flags, self.slot, self.id, self.ack) + self.body


class Decoder:
    """Frames out of a byte stream, however it was cut. `limit` is the largest frame that is taken."""

    def __init__(self, limit=LOGIN_FRAME_MAX):
        self.limit = limit
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data

    def next(self):
        """The next whole frame, or None while there is none. WireError if what begins there cannot become one."""
        buffer = self.buffer
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "little")
        if length < HEADER_BYTES:
            raise malformed("a frame of %d bytes" % length)
        if length > self.limit:
            raise WireError(Code.FRAME_TOO_LARGE, "%d bytes, where %d are allowed" % (length, self.limit))
        if len(buffer) < length:
            return None
        _, verb, flags, slot, identity, ack = HEADER.unpack_from(buffer)
        body = bytes(buffer[HEADER_BYTES:length])
        del buffer[:length]
        if flags & RESERVED_FLAGS:
            raise WireError(Code.RESERVED, "flags %#04x" % flags)
        try:
            verb = Verb(verb)
        except ValueError:
            if verb < 0x80:
                raise WireError(Code.UNSUPPORTED_VERB, "verb %#04x" % verb) from None
        return Frame(verb, body, flags, identity, ack, slot)


# --- extensions ---


def encode_extensions(pairs):
    """`u16 tag | u16 length | value`, one after the other, of (tag, bytes) pairs."""
    return b"".join(struct.pack("<HH", tag, len(value)) + value for tag, value in pairs)


def decode_extensions(data, known, repeatable=()):
    """{tag: bytes} of the known tags (a list of bytes for a repeatable one). Unknown ones are skipped, unless critical."""
    found, at = {}, 0
    while at < len(data):
        if at + 4 > len(data):
            raise malformed("half an extension")
        tag, length = struct.unpack_from("<HH", data, at)
        at += 4 + length
        if at > len(data):
            raise malformed("extension %#06x is cut" % tag)
        value = data[at - length:at]
        if tag in repeatable:
            found.setdefault(tag, []).append(value)
        elif tag in known:
            if tag in found:
                raise malformed("extension %#06x stands twice" % tag)
            found[tag] = value
        elif tag & CRITICAL:
            raise WireError(Code.UNSUPPORTED_EXTENSION, "%#06x" % tag)
    return found


def text_of(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise malformed("text that is not UTF-8") from None


def number_of(data, size):
    if len(data) != size:
        raise malformed("%d bytes for a number of %d" % (len(data), size))
    return int.from_bytes(data, "little")


def _optional(found, tag, read, *arguments):
    return read(found[tag], *arguments) if tag in found else None


# --- sections 4 and 11: sessions begin and move ---


@dataclasses.dataclass(frozen=True, slots=True)
class Hello:
    account: str
    agent: str | None = None
    resource: str | None = None
    resume: bytes | None = None
    hops: int = 0
    came_from: str | None = None

    def encode(self):
        pairs = [(Tag.ACCOUNT, self.account.encode())]
        for tag, text in ((Tag.AGENT, self.agent), (Tag.RESOURCE, self.resource)):
            if text:
                pairs.append((tag, text.encode()))
        if self.resume is not None:
            pairs.append((Tag.RESUME, self.resume))
        if self.hops:
            pairs.append((Tag.HOPS, bytes((self.hops,))))
        if self.came_from:
            pairs.append((Tag.CAME_FROM, self.came_from.encode()))
        return encode_extensions(pairs)

    @classmethod
    def decode(cls, body):
        found = decode_extensions(body, (Tag.ACCOUNT, Tag.AGENT, Tag.RESOURCE, Tag.RESUME, Tag.HOPS, Tag.CAME_FROM))
        if Tag.ACCOUNT not in found:
            raise malformed("HELLO without ACCOUNT")
        return cls(text_of(found[Tag.ACCOUNT]), _optional(found, Tag.AGENT, text_of),
                   _optional(found, Tag.RESOURCE, text_of), found.get(Tag.RESUME),
                   _optional(found, Tag.HOPS, number_of, 1) or 0, _optional(found, Tag.CAME_FROM, text_of))


@dataclasses.dataclass(frozen=True, slots=True)
class Welcome:
    """What the server offers. A limit that it does not name keeps the default here."""

    version: int = VERSION
    node: str | None = None
    mechanisms: tuple = ()
    frame_max: int = FRAME_MAX
    heartbeat: int = 60
    heartbeat_background: int = 600
    window: int = 64
    unacked_frames: int = 256
    unacked_bytes: int = 65536

    NUMBERS: typing.ClassVar = (
        (Tag.VERSION, 1, "version"), (Tag.FRAME_MAX, 4, "frame_max"), (Tag.HEARTBEAT, 2, "heartbeat"),
        (Tag.HEARTBEAT_BACKGROUND, 2, "heartbeat_background"), (Tag.WINDOW, 4, "window"),
        (Tag.UNACKED_FRAMES, 4, "unacked_frames"), (Tag.UNACKED_BYTES, 4, "unacked_bytes"))

    def encode(self):
        pairs = [(tag, getattr(self, name).to_bytes(size, "little")) for tag, size, name in self.NUMBERS]
        if self.node:
            pairs.append((Tag.NODE, self.node.encode()))
        return encode_extensions([*pairs, (Tag.MECHANISMS, " ".join(self.mechanisms).encode())])

    @classmethod
    def decode(cls, body):
        known = [tag for tag, _, _ in cls.NUMBERS] + [Tag.NODE, Tag.MECHANISMS]
        found = decode_extensions(body, known)
        values = {name: number_of(found[tag], size) for tag, size, name in cls.NUMBERS if tag in found}
        mechanisms = tuple((_optional(found, Tag.MECHANISMS, text_of) or "").split())
        return cls(node=_optional(found, Tag.NODE, text_of), mechanisms=mechanisms, **values)


@dataclasses.dataclass(frozen=True, slots=True)
class Auth:
    data: bytes | None = None
    mechanism: str | None = None

    def encode(self):
        pairs = [(Tag.AUTH_MECHANISM, self.mechanism.encode())] if self.mechanism else []
        if self.data is not None:
            pairs.append((Tag.AUTH_DATA, self.data))
        return encode_extensions(pairs)

    @classmethod
    def decode(cls, body):
        found = decode_extensions(body, (Tag.AUTH_MECHANISM, Tag.AUTH_DATA))
        return cls(found.get(Tag.AUTH_DATA), _optional(found, Tag.AUTH_MECHANISM, text_of))


@dataclasses.dataclass(frozen=True, slots=True)
class Authed:
    """The extensions of AUTHED and RESUMED."""

    address: str
    data: bytes | None = None
    token: bytes | None = None
    resume_s: int = 0
    epoch: int = 0
    ticket: bytes | None = None
    ticket_s: int = 0

    def encode(self):
        pairs = [(Tag.ADDRESS, self.address.encode())]
        for tag, value in ((Tag.DATA, self.data), (Tag.TOKEN, self.token), (Tag.TICKET, self.ticket)):
            if value is not None:
                pairs.append((tag, value))
        pairs += [(Tag.RESUME_S, self.resume_s.to_bytes(4, "little")), (Tag.EPOCH, self.epoch.to_bytes(8, "little")),
                  (Tag.TICKET_S, self.ticket_s.to_bytes(4, "little"))]
        return encode_extensions(pairs)

    @classmethod
    def decode(cls, body):
        found = decode_extensions(body, (Tag.ADDRESS, Tag.DATA, Tag.TOKEN, Tag.RESUME_S, Tag.EPOCH, Tag.TICKET, Tag.TICKET_S))
        if Tag.ADDRESS not in found:
            raise malformed("no ADDRESS")
        return cls(text_of(found[Tag.ADDRESS]), found.get(Tag.DATA), found.get(Tag.TOKEN),
                   _optional(found, Tag.RESUME_S, number_of, 4) or 0, _optional(found, Tag.EPOCH, number_of, 8) or 0,
                   found.get(Tag.TICKET), _optional(found, Tag.TICKET_S, number_of, 4) or 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Redirect:
    """Where to go instead. `after` is in milliseconds, `sayer` the node that says it."""

    urls: tuple = ()
    node: str | None = None
    ticket: bytes | None = None
    reason: int = Reason.LOAD
    after: int = 0
    sayer: str | None = None

    def encode(self):
        pairs = [(Tag.URL, url.encode()) for url in self.urls]
        if self.node:
            pairs.append((Tag.TARGET, self.node.encode()))
        if self.ticket is not None:
            pairs.append((Tag.REDIRECT_TICKET, self.ticket))
        pairs += [(Tag.REASON, bytes((self.reason,))), (Tag.AFTER, self.after.to_bytes(4, "little"))]
        return encode_extensions(pairs + ([(Tag.FROM, self.sayer.encode())] if self.sayer else []))

    @classmethod
    def decode(cls, body):
        found = decode_extensions(body, (Tag.TARGET, Tag.REDIRECT_TICKET, Tag.REASON, Tag.AFTER, Tag.FROM), (Tag.URL,))
        return cls(tuple(text_of(url) for url in found.get(Tag.URL, ())), _optional(found, Tag.TARGET, text_of),
                   found.get(Tag.REDIRECT_TICKET), _optional(found, Tag.REASON, number_of, 1) or 0,
                   _optional(found, Tag.AFTER, number_of, 4) or 0, _optional(found, Tag.FROM, text_of))


@dataclasses.dataclass(frozen=True, slots=True)
class Drain:
    """`u8 phase | u8 0 | u16 0 | u32 deadline: ms`"""

    phase: int
    deadline: int = 0

    def encode(self):
        return struct.pack("<BBHI", self.phase, 0, 0, self.deadline)

    @classmethod
    def decode(cls, body):
        phase, zero, more, deadline = _fixed("<BBHI", body)
        _zero(zero, more)
        if phase not in (1, 2):
            raise malformed("phase %d" % phase)
        return cls(phase, deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """The body of ERROR and of the server's BYE. `retry_after` is in milliseconds."""

    code: int
    temporary: bool = False
    fatal: bool = False
    retry_after: int = 0
    text: str = ""

    def encode(self):
        return struct.pack("<HBBI", self.code, self.temporary, self.fatal, self.retry_after) + self.text.encode()

    @classmethod
    def decode(cls, body):
        if len(body) < 8:
            raise malformed("half an error")
        code, temporary, fatal, retry_after = struct.unpack_from("<HBBI", body)
        if temporary > 1 or fatal > 1:
            raise malformed("neither 0 nor 1")
        return cls(code, bool(temporary), bool(fatal), retry_after, text_of(body[8:]))


# --- section 5: messages ---


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """The body of SEND, DELIVER, RECEIPT, NOTE, EDIT, RECALL and ITEMS. `sender` is `from`; empty extensions are None.
    `verb` says of one in a history that it was RECEIPT, EDIT or RECALL."""

    id: bytes
    to: str = ""
    sender: str = ""
    kind: int = Kind.CHAT
    payload: bytes = b""
    stamp: int = 0
    subject: str | None = None
    thread: str | None = None
    content_type: str | None = None
    fallback: str | None = None
    receipt_wanted: bool = False
    ref: bytes | None = None
    foreign_id: str | None = None
    foreign_ref: str | None = None
    copy: int | None = None
    condition: int | None = None
    state: int | None = None
    occupant_id: str | None = None
    record: str | None = None
    record_ref: str | None = None
    verb: int | None = None

    FIXED: typing.ClassVar = struct.Struct("<16sQHHHH")
    TEXTS: typing.ClassVar = (
        (Tag.SUBJECT, "subject"), (Tag.THREAD, "thread"), (Tag.CONTENT_TYPE, "content_type"),
        (Tag.FALLBACK, "fallback"), (Tag.FOREIGN_ID, "foreign_id"), (Tag.FOREIGN_REF, "foreign_ref"),
        (Tag.OCCUPANT_ID, "occupant_id"), (Tag.RECORD, "record"), (Tag.RECORD_REF, "record_ref"))
    NUMBERS: typing.ClassVar = ((Tag.COPY, 1, "copy"), (Tag.CONDITION, 2, "condition"), (Tag.STATE, 1, "state"),
                                (Tag.VERB, 1, "verb"))

    @property
    def text(self) -> str:
        """What to show: the payload if it is plain text, else the fallback, which may be empty."""
        if self.content_type is None or self.content_type.lower().startswith("text/plain"):
            return self.payload.decode(errors="replace")
        return self.fallback or ""

    @property
    def offset(self) -> int:
        """Its place in the addressee's log, or 0 if it is in none."""
        return self.stamp if self.stamp & LOGGED else 0

    @property
    def time(self) -> float:
        """Seconds since 1970."""
        return (self.stamp >> 20) / 1000

    def encode(self):
        """`id 16 | stamp u64 | to_len, from_len, ext_len, kind u16 | to | from | extensions | payload`"""
        extensions = self._encode_extensions()
        to, sender = self.to.encode(), self.sender.encode()
        fixed = self.FIXED.pack(self.id, self.stamp, len(to), len(sender), len(extensions), self.kind)
        return b"".join((fixed, to, sender, extensions, self.payload))

    def _encode_extensions(self):
        pairs = [(tag, getattr(self, name).encode()) for tag, name in self.TEXTS if getattr(self, name) is not None]
        if self.receipt_wanted:
            pairs.append((Tag.RECEIPT_WANTED, b""))
        if self.ref is not None:
            pairs.append((Tag.REF, self.ref))
        pairs += [(tag, getattr(self, name).to_bytes(size, "little")) for tag, size, name in self.NUMBERS
                  if getattr(self, name) is not None]
        return encode_extensions(sorted(pairs, key=lambda pair: pair[0] & ~CRITICAL))

    @classmethod
    def decode(cls, verb, body):
        if len(body) < cls.FIXED.size:
            raise malformed("half a message")
        identity, stamp, to_len, from_len, ext_len, kind = cls.FIXED.unpack_from(body)
        to_end = cls.FIXED.size + to_len
        from_end, payload_at = to_end + from_len, to_end + from_len + ext_len
        if payload_at > len(body):
            raise malformed("a message shorter than its parts")
        values = cls._decode_extensions(body[from_end:payload_at])
        if verb in (Verb.RECEIPT, Verb.EDIT, Verb.RECALL) and values.get("ref") is None:
            raise malformed("%s without REF" % verb.name)
        return cls(identity, text_of(body[cls.FIXED.size:to_end]), text_of(body[to_end:from_end]), kind,
                   body[payload_at:], stamp, **values)

    @classmethod
    def _decode_extensions(cls, data):
        if not data:
            return {}
        tags = [tag for tag, _ in cls.TEXTS] + [tag for tag, _, _ in cls.NUMBERS] + [Tag.RECEIPT_WANTED, Tag.REF]
        found = decode_extensions(data, tags)
        values = {name: text_of(found[tag]) for tag, name in cls.TEXTS if tag in found}
        values |= {name: number_of(found[tag], size) for tag, size, name in cls.NUMBERS if tag in found}
        if Tag.RECEIPT_WANTED in found:
            if found[Tag.RECEIPT_WANTED]:
                raise malformed("RECEIPT_WANTED has a value")
            values["receipt_wanted"] = True
        if Tag.REF in found:
            if len(found[Tag.REF]) != 16:
                raise malformed("REF of %d bytes" % len(found[Tag.REF]))
            values["ref"] = found[Tag.REF]
        return values


# Kinds that are known here; others are borne, and not shown.
RECEIPTS, ACTIVITIES = frozenset(ReceiptKind), frozenset(Activity)


def new_id(milliseconds):
    """A ULID in its binary form: 48 bits of time, 80 of chance."""
    return milliseconds.to_bytes(6, "big") + os.urandom(10)


# --- section 8: presence and contacts ---


@dataclasses.dataclass(frozen=True, slots=True)
class Presence:
    """`u8 show | i8 priority | u16 address_len | u16 status_len | u16 0 | address | status`"""

    show: int = Show.AVAILABLE
    priority: int = 0
    address: str = ""
    status: str = ""

    FIXED: typing.ClassVar = struct.Struct("<BbHHH")

    def encode(self):
        address, status = self.address.encode(), self.status.encode()
        return self.FIXED.pack(self.show, self.priority, len(address), len(status), 0) + address + status

    @classmethod
    def decode_all(cls, body):
        """One or more entries."""
        found, at = [], 0
        while at < len(body) or not found:
            if at + cls.FIXED.size > len(body):
                raise malformed("half a presence")
            show, priority, address_len, status_len, zero = cls.FIXED.unpack_from(body, at)
            _zero(zero)
            at += cls.FIXED.size
            end = at + address_len + status_len
            if show > Show.DO_NOT_DISTURB or end > len(body):
                raise malformed("a presence that is none")
            found.append(cls(show, priority, text_of(body[at:at + address_len]), text_of(body[at + address_len:end])))
            at = end
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Subscription:
    """`u16 address_len | u16 note_len | address | note`"""

    address: str
    note: str = ""

    def encode(self):
        address, note = self.address.encode(), self.note.encode()
        return struct.pack("<HH", len(address), len(note)) + address + note

    @classmethod
    def decode(cls, body):
        if len(body) < 4:
            raise malformed("half a subscription")
        address_len, note_len = struct.unpack_from("<HH", body)
        if 4 + address_len + note_len != len(body):
            raise malformed("a subscription of another length")
        return cls(text_of(body[4:4 + address_len]), text_of(body[4 + address_len:]))


@dataclasses.dataclass(frozen=True, slots=True)
class Contact:
    """An entry of the roster: `u8 subscription | u8 flags | u16 address_len, name_len, groups_len | address | name | groups`"""

    address: str
    name: str = ""
    groups: tuple = ()
    subscription: int = Subscribed.NONE
    asked: bool = False
    removed: bool = False
    approved: bool = False

    FIXED: typing.ClassVar = struct.Struct("<BBHHH")

    def encode(self):
        address, name, groups = self.address.encode(), self.name.encode(), _encode_texts(self.groups)
        flags = self.asked | self.removed << 1 | self.approved << 2
        return self.FIXED.pack(self.subscription, flags, len(address), len(name), len(groups)) + address + name + groups


@dataclasses.dataclass(frozen=True, slots=True)
class Roster:
    """`u8 op | u8 0 | u16 entries | u32 0 | u64 version | entries`"""

    op: int
    contacts: tuple = ()
    version: int = 0

    FIXED: typing.ClassVar = struct.Struct("<BBHIQ")

    def encode(self):
        fixed = self.FIXED.pack(self.op, 0, len(self.contacts), 0, self.version)
        return fixed + b"".join(contact.encode() for contact in self.contacts)

    @classmethod
    def decode(cls, body):
        if len(body) < cls.FIXED.size:
            raise malformed("half a roster")
        op, zero, entries, more, version = cls.FIXED.unpack_from(body)
        _zero(zero, more)
        contacts, at = [], cls.FIXED.size
        for _ in range(entries):
            contact, at = _decode_contact(body, at)
            contacts.append(contact)
        if at != len(body) or op > RosterOp.PUSH:
            raise malformed("a roster that is none")
        return cls(op, tuple(contacts), version)


def _decode_contact(body, at):
    if at + Contact.FIXED.size > len(body):
        raise malformed("half a contact")
    subscription, flags, address_len, name_len, groups_len = Contact.FIXED.unpack_from(body, at)
    name_at = at + Contact.FIXED.size + address_len
    groups_at, end = name_at + name_len, name_at + name_len + groups_len
    if subscription > Subscribed.BOTH or end > len(body):
        raise malformed("a contact that is none")
    if flags & ~7:
        raise WireError(Code.RESERVED, "flags %#04x of a contact" % flags)
    return Contact(text_of(body[name_at - address_len:name_at]), text_of(body[name_at:groups_at]),
                   _decode_texts(body[groups_at:end]), subscription, bool(flags & 1), bool(flags & 2), bool(flags & 4)), end


@dataclasses.dataclass(frozen=True, slots=True)
class AddressList:
    """The body of BLOCK and ALLOW: `u8 op | u8 0 | u16 addresses | (u16 length | text)*`"""

    op: int
    addresses: tuple = ()

    def encode(self):
        return struct.pack("<BBH", self.op, 0, len(self.addresses)) + _encode_texts(self.addresses)

    @classmethod
    def decode(cls, body):
        if len(body) < 4:
            raise malformed("half a list")
        op, zero, count = struct.unpack_from("<BBH", body)
        _zero(zero)
        addresses = _decode_texts(body[4:])
        if op > ListOp.DONE or len(addresses) != count:
            raise malformed("a list that is none")
        return cls(op, addresses)


# --- section 9: what waited, and what was said ---


@dataclasses.dataclass(frozen=True, slots=True)
class Sync:
    """`u64 epoch | u64 offset | u64 0`"""

    epoch: int
    offset: int

    def encode(self):
        return struct.pack("<QQQ", self.epoch, self.offset, 0)

    @classmethod
    def decode(cls, body):
        epoch, offset, zero = _fixed("<QQQ", body)
        _zero(zero)
        return cls(epoch, offset)


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """`u64 epoch | u64 offset | u8 more | 7 bytes 0`"""

    epoch: int
    offset: int
    more: bool = False

    def encode(self):
        return struct.pack("<QQB7s", self.epoch, self.offset, self.more, bytes(7))

    @classmethod
    def decode(cls, body):
        epoch, offset, more, zeros = _fixed("<QQB7s", body)
        _zero(*zeros)
        if more > 1:
            raise malformed("neither 0 nor 1")
        return cls(epoch, offset, bool(more))


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """`u64 bound | u16 limit | u8 direction | u8 room | u16 with_len | u16 0 | with`"""

    bound: int = 0
    limit: int = 50
    newer: bool = False
    peer: str = ""
    room: bool = False

    def encode(self):
        peer = self.peer.encode()
        return struct.pack("<QHBBHH", self.bound, self.limit, self.newer, self.room, len(peer), 0) + peer

    @classmethod
    def decode(cls, body):
        if len(body) < 16:
            raise malformed("half a question")
        bound, limit, direction, room, with_len, more = struct.unpack_from("<QHBBHH", body)
        _zero(more)
        if direction > 1 or room > 1 or len(body) != 16 + with_len:
            raise malformed("a question that is none")
        return cls(bound, limit, bool(direction), text_of(body[16:]), bool(room))


# --- small parts ---


def encode_credit(window):
    return struct.pack("<I", window)


def decode_credit(body):
    return _fixed("<I", body)[0]


def encode_state(background):
    return bytes((background,))


def empty(body):
    """A verb that is a header only."""
    if body:
        raise malformed("%d bytes where there is no body" % len(body))


def _fixed(layout, body):
    if len(body) != struct.calcsize(layout):
        raise malformed("%d bytes instead of %d" % (len(body), struct.calcsize(layout)))
    return struct.unpack(layout, body)


def _zero(*fields):
    if any(fields):
        raise WireError(Code.RESERVED, "a field that is not zero")


def _encode_texts(texts):
    return b"".join(struct.pack("<H", len(data)) + data for data in (text.encode() for text in texts))


def _decode_texts(data):
    texts, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise malformed("half a length")
        end = at + 2 + int.from_bytes(data[at:at + 2], "little")
        if end > len(data):
            raise malformed("text that is cut")
        texts.append(text_of(data[at + 2:end]))
        at = end
    return tuple(texts)
