"""Rooms (SPEC.md, section 14): what is said to them and by them, and `Client.rooms`, the calls of an application.

Every body is extensions of one table, and becomes a `Word`: a value whose fields are named as the extensions are, in small
letters, and None where they are not there. What a room says arrives as a `Word` in `Client.events`; what is said in it, in `Client.messages`.
"""

import dataclasses
import enum
import struct
import typing

from . import wire
from .errors import Code, Refused
from .wire import Kind, Show, Verb, malformed

UNSAID = 0xFF
if typing.TYPE_CHECKING:
    from .client import Client, Pending
    from .events import Page

# What a room's own presence says of itself, among others (XEP-0045 section 15.6.2).
SELF, CREATED, KICKED, BANNED = 110, 201, 307, 301


class Affiliation(enum.IntEnum):
    OUTCAST = 0
    NONE = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4


class Role(enum.IntEnum):
    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3


class Op(enum.IntEnum):
    """Operations of CONFIGURE."""

    GET = 0
    SET = 1
    CANCEL = 2
    INFO = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """`u8 affiliation | u8 role | u16 address_len, nick_len, reason_len | address | nick | reason`; UNSAID is None here."""

    affiliation: int | None = None
    role: int | None = None
    address: str = ""
    nick: str = ""
    reason: str = ""

    def encode(self):
        texts = [text.encode() for text in (self.address, self.nick, self.reason)]
        numbers = [UNSAID if number is None else number for number in (self.affiliation, self.role)]
        return struct.pack("<BBHHH", *numbers, *map(len, texts)) + b"".join(texts)

    @classmethod
    def decode(cls, data):
        numbers, texts = _entry("<BBHHH", 2, data)
        return cls(*(None if number == UNSAID else number for number in numbers), *texts)


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """`u32 occupants | u16 address_len, name_len | address | name`"""

    occupants: int
    address: str
    name: str = ""

    def encode(self):
        texts = [text.encode() for text in (self.address, self.name)]
        return struct.pack("<IHH", self.occupants, *map(len, texts)) + b"".join(texts)

    @classmethod
    def decode(cls, data):
        numbers, texts = _entry("<IHH", 1, data)
        return cls(*numbers, *texts)


def _entry(layout, count, data):
    """The first `count` numbers of an entry, and the texts whose lengths are the others."""
    at = struct.calcsize(layout)
    if len(data) < at:
        raise malformed("half an entry")
    numbers = struct.unpack_from(layout, data)
    texts = []
    for length in numbers[count:]:
        texts.append(wire.text_of(data[at:at + length]))
        at += length
    if at != len(data):
        raise malformed("an entry that is not as long as it says")
    return numbers[:count], texts


# name: (tag, what its value is: "text", the bytes of a number, or something else)
TEXT, NOTHING, CODES = "text", "nothing", "codes"
FIELDS = {
    "room": (0x8001, TEXT), "nick": (0x02, TEXT), "password": (0x03, TEXT), "reason": (0x04, TEXT), "show": (0x05, 1),
    "status": (0x06, TEXT), "affiliation": (0x07, 1), "role": (0x08, 1), "occupant_id": (0x09, TEXT), "real": (0x0A, TEXT),
    "codes": (0x0B, CODES), "by": (0x0C, TEXT), "new_nick": (0x0D, TEXT), "condition": (0x0E, 2),
    "history_messages": (0x0F, 4), "history_bytes": (0x10, 4), "history_seconds": (0x11, 4), "history_since": (0x12, 8),
    "alternative": (0x13, TEXT), "destroyed": (0x14, NOTHING), "subject": (0x15, TEXT), "stamp": (0x16, 8),
    "to": (0x17, [TEXT]), "continues": (0x18, TEXT), "refused": (0x19, 1), "members": (0x1A, [Member]),
    "listed": (0x1B, [Listed]), "op": (0x1C, 1), "allow": (0x1D, 1), "account": (0x1E, TEXT), "record": (0x1F, TEXT),
    "name": (0x20, TEXT), "description": (0x21, TEXT), "language": (0x22, TEXT), "persistent": (0x23, 1), "public": (0x24, 1),
    "members_only": (0x25, 1), "entry_password": (0x26, TEXT), "moderated": (0x27, 1), "non_anonymous": (0x28, 1),
    "subject_by_all": (0x29, 1), "invites": (0x2A, 1), "voice_requests": (0x2B, 1), "private_messages": (0x2C, 1),
    "list_by_all": (0x2D, 1), "occupants_max": (0x2E, 4), "archived": (0x2F, 1), "history_length": (0x30, 4),
    "owners": (0x31, [TEXT]), "admins": (0x32, [TEXT]), "domain": (0x33, TEXT), "total": (0x34, 4), "index": (0x35, 4),
    "after": (0x36, TEXT), "before": (0x37, TEXT), "limit": (0x38, 2), "occupants": (0x39, 4),
}
REPEATABLE = frozenset(tag for tag, kind in FIELDS.values() if isinstance(kind, list))
NAMES = {tag: name for name, (tag, _) in FIELDS.items()}


def _encode(kind, value):
    if kind is TEXT:
        return value.encode()
    if kind is NOTHING:
        return b""
    if kind is CODES:
        return struct.pack("<%dH" % len(value), *value)
    return int(value).to_bytes(kind, "little") if isinstance(kind, int) else value.encode()


def _decode(kind, data):
    if kind is TEXT:
        return wire.text_of(data)
    if kind is NOTHING:
        wire.empty(data)
        return True
    if kind is CODES:
        if len(data) % 2:
            raise malformed("half a code")
        return struct.unpack("<%dH" % (len(data) // 2), data)
    return wire.number_of(data, kind) if isinstance(kind, int) else kind.decode(data)


class Word:
    """The body of a rooms' verb. `word.nick` and the like are fields of FIELDS, None if absent, () for absent lists and codes."""

    __slots__ = ("verb", "fields")

    def __init__(self, verb: int, **fields: typing.Any) -> None:
        self.verb = verb
        self.fields = {name: value for name, value in fields.items() if value is not None}
        unknown = self.fields.keys() - FIELDS.keys()
        if unknown:
            raise TypeError("rooms have no %s" % ", ".join(sorted(unknown)))

    def __getattr__(self, name: str) -> typing.Any:
        if name not in FIELDS:
            raise AttributeError(name)
        kind = FIELDS[name][1]
        return self.fields.get(name, () if kind is CODES or isinstance(kind, list) else None)

    def __eq__(self, other):
        return isinstance(other, Word) and (self.verb, self.fields) == (other.verb, other.fields)

    def __repr__(self):
        hidden = {name: "..." if "password" in name else value for name, value in self.fields.items()}
        return "%s(%s)" % (Verb(self.verb).name, ", ".join("%s=%r" % pair for pair in hidden.items()))

    @property
    def is_self(self) -> bool:
        """In OCCUPANT: it is about ourselves."""
        return SELF in self.codes

    def encode(self):
        pairs = []
        for name, value in self.fields.items():
            tag, kind = FIELDS[name]
            if isinstance(kind, list):
                # A list that is empty is said by one value that is empty, where texts are meant.
                values = list(value) or ([""] if kind[0] is TEXT else [])
                pairs += [(tag, _encode(kind[0], one)) for one in values]
            elif kind is not NOTHING or value:
                pairs.append((tag, _encode(kind, value)))
        return wire.encode_extensions(sorted(pairs, key=lambda pair: pair[0] & ~wire.CRITICAL))

    @classmethod
    def decode(cls, verb, body):
        fields = {}
        for tag, data in wire.decode_extensions(body, NAMES, REPEATABLE).items():
            kind = FIELDS[NAMES[tag]][1]
            fields[NAMES[tag]] = tuple(_decode(kind[0], one) for one in data) if isinstance(kind, list) else _decode(kind, data)
        return cls(verb, **fields)


class Rooms:
    """`Client.rooms`. What is named by `Pending` is accepted when the room has taken it, or has answered by a REFUSED."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, room: str, nick: str, **options: typing.Any) -> "Pending":
        """Makes a room and enters it, as `join`; REFUSED `conflict` if there is one. It opens to others by `configure`."""
        return self._say(Verb.CREATE, room=room, nick=nick, **options)

    def join(self, room: str, nick: str, **options: typing.Any) -> "Pending":
        """Enters; a Pending. `options`: password, show, status, history_messages, history_bytes, history_seconds, history_since.
        OCCUPANT about ourselves says that we are in, REFUSED that we are not."""
        return self._say(Verb.JOIN, room=room, nick=nick, **options)

    def leave(self, room: str, status: str | None = None) -> "Pending":
        """Leaves; a Pending."""
        return self._say(Verb.LEAVE, room=room, status=status)

    def show(self, room: str, nick: str, show: Show = Show.AVAILABLE, status: str | None = None) -> "Pending":
        """What we show there from now on, and what we are called."""
        return self._say(Verb.SHOW, room=room, nick=nick, show=show, status=status)

    def say(self, room: str, text: str, **options: typing.Any) -> "Pending":
        """To all who are in; a Pending of `Client.post`. Accepted is durable where the room is archived."""
        return self._client.post(room, text, kind=Kind.GROUPCHAT, **options)

    def whisper(self, room: str, nick: str, text: str, **options: typing.Any) -> "Pending":
        """To one of them; a Pending."""
        return self._client.post("%s/%s" % (room, nick), text, **options)

    def set_subject(self, room: str, subject: str) -> "Pending":
        """What the room is about; a Pending."""
        return self._client.post(room, "", kind=Kind.GROUPCHAT, subject=subject)

    def invite(self, room: str, *to: str, reason: str | None = None, continues: str | None = None) -> "Pending":
        """Invites; into a room for members it makes them members. `continues`: the conversation that goes on there. A Pending."""
        return self._say(Verb.INVITE, room=room, to=to, reason=reason, continues=continues)

    def decline(self, room: str, to: str, reason: str | None = None) -> "Pending":
        """Declines the invitation of `to`; a Pending."""
        return self._say(Verb.DECLINE, room=room, to=(to,), reason=reason)

    def ask_voice(self, room: str) -> "Pending":
        """A visitor asks to be heard; a Pending."""
        return self._say(Verb.VOICE, room=room)

    def answer_voice(self, room: str, nick: str, allow: bool = True) -> "Pending":
        """A moderator answers him; a Pending."""
        return self._say(Verb.VOICE, room=room, nick=nick, allow=allow)

    async def occupants(self, room: str) -> list[str]:
        """Their nicknames."""
        return [member.nick for member in await self.members(room)]

    async def members(self, room: str, *, affiliation: int | None = None, role: int | None = None) -> list[Member]:
        """`Member`s who have this affiliation or role; without either, who is in."""
        answer = await self._ask(Verb.MEMBERS, room=room, affiliation=affiliation, role=role)
        return [member for word in answer for member in word.members]

    async def change(self, room: str, *members: Member) -> None:
        """Gives affiliations and roles, all or none. Returns when it is durable."""
        await self._ask(Verb.CHANGE, room=room, members=members)

    async def kick(self, room: str, nick: str, reason: str = "") -> None:
        """Puts an occupant out; he may come back."""
        await self.change(room, Member(None, Role.NONE, "", nick, reason))

    async def ban(self, room: str, address: str, reason: str = "") -> None:
        """Puts an account out, for good."""
        await self.change(room, Member(Affiliation.OUTCAST, None, address, "", reason))

    async def set_role(self, room: str, nick: str, role: int, reason: str = "") -> None:
        """Gives an occupant a `Role`."""
        await self.change(room, Member(None, role, "", nick, reason))

    async def set_affiliation(self, room: str, address: str, affiliation: int, nick: str = "", reason: str = "") -> None:
        """Gives an account an `Affiliation`; `nick` is kept for it."""
        await self.change(room, Member(affiliation, None, address, nick, reason))

    async def reserve(self, room: str, nick: str) -> None:
        """This nickname is ours in the room, whoever is in; who is nobody there becomes a member."""
        await self._ask(Verb.CHANGE, room=room, nick=nick)

    async def release(self, room: str) -> None:
        """The nickname that we have reserved is free, and we are no member any more."""
        await self._ask(Verb.CHANGE, room=room, nick="")

    async def reserved(self, room: str) -> str | None:
        """The nickname that is ours in the room, or None."""
        own = self._client.account
        return _merged(await self._ask(Verb.MEMBERS, room=room, account=own)).nick

    async def hide(self, room: str, record: str, reason: str | None = None) -> None:
        """Nobody is to see the message with this `record` any more; for moderators. All are told by a NOTICE."""
        await self._ask(Verb.CHANGE, room=room, record=record, reason=reason)

    async def info(self, room: str) -> Word:
        """What it is: a `Word` of its configuration, `subject` and `occupants`."""
        return _merged(await self._ask(Verb.CONFIGURE, room=room, op=Op.INFO))

    async def configuration(self, room: str) -> Word:
        """How it is run, for owners, `entry_password`, `owners` and `admins` among it."""
        return _merged(await self._ask(Verb.CONFIGURE, room=room, op=Op.GET))

    async def configure(self, room: str, **changes: typing.Any) -> None:
        """Only what is named changes. The first one opens a room just made."""
        await self._ask(Verb.CONFIGURE, room=room, op=Op.SET, **changes)

    async def give_up(self, room: str) -> None:
        """A room just made is no more."""
        await self._ask(Verb.CONFIGURE, room=room, op=Op.CANCEL)

    async def destroy(self, room: str, *, reason: str | None = None, alternative: str | None = None, password: str | None = None) -> None:
        """Ends the room; whoever is in is told to go to the `alternative`, if there is one."""
        await self._ask(Verb.DESTROY, room=room, reason=reason, alternative=alternative, password=password)

    async def list(self, *, after: str | None = None, before: str | None = None, limit: int | None = None) -> Word:
        """A page of the public rooms: a `Word` with `domain`, `total`, `index` and `listed`."""
        return _merged(await self._ask(Verb.ROOMS, after=after, before=before, limit=limit))

    async def history(self, room: str, **options: typing.Any) -> "Page":
        """A page of what was said there, as `Client.history`."""
        return await self._client.history(room, room=True, **options)

    def _say(self, verb, **fields):
        return self._client._submit(verb, Word(verb, **fields).encode())

    async def _ask(self, verb, **fields):
        answer = await self._client._ask(verb, Word(verb, **fields).encode())
        return [Word.decode(frame.verb, frame.body) for frame in answer]


def _merged(words):
    """The frames of one answer as one word."""
    merged = Word(words[0].verb)
    for word in words:
        for name, value in word.fields.items():
            old = merged.fields.get(name)
            merged.fields[name] = old + value if old is not None and isinstance(FIELDS[name][1], list) else value
    return merged


def refusal(word):
    """A REFUSED as an error."""
    return Refused(word.condition or Code.INTERNAL, False, False, 0.0, "")
