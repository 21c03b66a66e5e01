"""What `Client.messages` and `Client.events` yield."""

import dataclasses
import typing

from . import wire
from .errors import CrosspointError
from .rooms import Word
from .wire import Verb


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """Something to show: a message (`verb` DELIVER), or that an earlier one (`ref`) was changed (EDIT) or taken back
    (RECALL). The fields of `message` (`id`, `sender`, `text`, `ref` ...) can be read here directly."""

    verb: Verb
    message: wire.Message
    entry: typing.Any = dataclasses.field(repr=False, compare=False)

    def __getattr__(self, name: str) -> typing.Any:
        return getattr(self.message, name)


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """What has happened to our message `ref`: DELIVERED or DISPLAYED."""

    kind: wire.ReceiptKind
    ref: bytes
    sender: str


@dataclasses.dataclass(frozen=True, slots=True)
class Bounced:
    """Our message `id` came back; `condition` is a `Code`, or None."""

    id: bytes
    condition: int | None
    message: wire.Message


@dataclasses.dataclass(frozen=True, slots=True)
class Typing:
    """What the other is doing."""

    sender: str
    activity: wire.Activity


@dataclasses.dataclass(frozen=True, slots=True)
class Subscription:
    """SUBSCRIBE: asks to see our presence. APPROVE, DENY, UNSUBSCRIBE: granted, refused or revoked, given up."""

    verb: Verb
    address: str
    note: str


@dataclasses.dataclass(frozen=True, slots=True)
class RosterChanged:
    """One contact changed, or was `removed`; None: the whole roster was read."""

    contact: wire.Contact | None


@dataclasses.dataclass(frozen=True, slots=True)
class ListChanged:
    """A session of ours, this one or another, changed the black list (`verb` BLOCK) or the white list (ALLOW)."""

    verb: Verb
    op: wire.ListOp
    addresses: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Connected:
    """Logged in. `resumed`: the earlier session goes on."""

    address: str
    resumed: bool
    node: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended; the client tries again by itself."""

    error: CrosspointError


@dataclasses.dataclass(frozen=True, slots=True)
class Synchronized:
    """Everything that waited at the server has been received."""


@dataclasses.dataclass(frozen=True, slots=True)
class Draining:
    """The server goes away within so many seconds."""

    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Redirected:
    """A server sends us to another node; `followed`: whether we go. It is not followed in a circle, too often, or out of encryption."""

    node: str | None
    urls: tuple[str, ...]
    followed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """A refusal that belongs to no request."""

    error: CrosspointError


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A page of what was said, oldest first. `bound` is for the next page, if there is `more`."""

    messages: list[wire.Message]
    bound: int
    more: bool


# What `Client.events` yields.
Event = (Receipt | Bounced | Typing | Subscription | RosterChanged | ListChanged | Connected | Disconnected | Synchronized | Draining
         | Redirected | Notice | Word)


def of_entry(verb, value):
    """The event of a reliable frame that is none of the messages."""
    if verb in wire.ROOM_NOTICES:
        return value
    if verb == Verb.RECEIPT:
        return Receipt(wire.ReceiptKind(value.kind), value.ref, value.sender)
    if verb == Verb.DELIVER:
        return Bounced(value.id, value.condition, value)
    return Subscription(Verb(verb), value.address, value.note)


def of_notice(verb, value):
    """The event of what may be lost, but for presence."""
    if verb == Verb.NOTE:
        return Typing(value.sender, wire.Activity(value.kind))
    if verb == Verb.ROSTER:
        return RosterChanged(value.contacts[0] if value.op == wire.RosterOp.PUSH else None)
    if verb == Verb.ERROR:
        return Notice(value)
    return ListChanged(Verb(verb), wire.ListOp(value.op), value.addresses)
