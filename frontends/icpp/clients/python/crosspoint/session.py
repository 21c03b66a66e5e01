"""One session with a switch, over as many connections as it takes: the protocol of SPEC.md without sockets and clock.

The owner tells it what happened (`connect`, `receive`, `lost`, `tick`) and what is wanted (`submit`, `request`,
`push`, `take`), then sends `output` and reads `happened`. Time is seconds of any monotonic clock, and an argument.

Invariants: what was submitted is in the outbox until the server has acknowledged it, and has one message id for ever;
never more than the window is outstanding; what the application has not taken is not acknowledged. A fault of the server
is a `WireError` out of `receive`; then the connection must be closed and `lost` called, and the session will not be resumed.
"""

import collections
import dataclasses
import enum

from . import rooms, scram, wire
from .errors import AuthenticationFailed, Code, ConnectionLost, OutboxFull, Refused, WireError
from .inbox import Inbox, key_of
from .wire import Flag, Frame, Verb

LOGIN_SECONDS = 30.0
ACK_SECONDS = 1.0
# How many frames a server may leave unacknowledged before we call it a fault: more than it says, since lists and the words of rooms are in no
# log; a server calls us slow before (`slow-consumer`).
UNACKED_TIMES = 17
UNACKED_SLACK = 64
UNACKED_CEILING = 65536
ROSTER_CONTACTS_MAX = 65536
# Frames, and their bytes, that wait for the server to accept them.
OUTBOX_FRAMES_MAX = 4096
OUTBOX_BYTES_MAX = 8 << 20
# Bytes of one answer, over all of its frames.
ANSWER_BYTES_MAX = 8 << 20
# After these the session may live on, here or elsewhere; to ask for it does no harm.
RESUMABLE = frozenset((Code.SHUTDOWN, Code.BACK_END_LOST, Code.IDLE_TIMEOUT))


class Phase(enum.Enum):
    OFFLINE, LOGIN, ONLINE = range(3)


@dataclasses.dataclass
class Config:
    """What a session needs to know of its user. `account` is a bare address."""

    account: str
    password: str | None = None
    resource: str | None = None
    agent: str = "crosspoint-python/0.1"
    mechanism: str | None = None
    sync: bool = True
    roster: bool = True
    receipts: bool = True


# What `happened` yields, beside the Entry objects of `Inbox`.

@dataclasses.dataclass(frozen=True, slots=True)
class LoggedIn:
    """AUTHED, or RESUMED if `resumed`."""

    address: str
    resumed: bool
    node: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """A submitted frame is durable at the server."""

    serial: int


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One frame of the answer to a request; `last` when it is whole. `frame` is a Refused if it was refused."""

    question: int
    frame: object
    last: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Redirected:
    """The server wants us elsewhere. `online`: this session goes on until we are there."""

    redirect: wire.Redirect
    node: str | None
    online: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Draining:
    phase: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """BYE or a fatal ERROR."""

    error: Refused


@dataclasses.dataclass(frozen=True, slots=True)
class Noticed:
    """Something unreliable for the application: NOTE, PRESENCES, a refusal without a request, a changed list."""

    verb: int
    value: object


@dataclasses.dataclass(frozen=True, slots=True)
class Synchronized:
    """All that waited has been received."""


class Session:
    """See the module. `nonce` and `new_id` (milliseconds to 16 bytes) can be replaced for tests."""

    def __init__(self, config, state, nonce=None):
        self.config, self.state, self.nonce = config, state, nonce
        self.inbox = Inbox(state)
        self.phase = Phase.OFFLINE
        self.address = None
        self.welcome = wire.Welcome()
        self.token, self.window = None, 0
        self.sync_question = self.roster_question = None
        self.acked = 0
        self.outstanding = collections.deque()
        self.waiting = collections.deque(state.outbox.values())
        self.requests, self.questions, self.next_id = {}, 0, 1
        self.presence, self.background = None, False
        self.dirty = False
        self.events = []
        self._reset_connection(0.0)

    # --- the connection ---

    def connect(self, now, secure, hops=0, came_from=None, ticket=None, binding=None):
        """A connection stands: says preface and HELLO, and AUTH at once with a ticket. `binding`: its `scram.Binding`, if it has one."""
        self._reset_connection(now)
        self.phase, self.secure, self.binding = Phase.LOGIN, secure, binding
        self.out += wire.PREFACE
        resource = self.config.resource or self.state.resource
        self.state.commit()
        hello = wire.Hello(self.config.account, self.config.agent, resource, self.token, hops, came_from)
        self.hello_ack = self.inbox.greet() if self.token else 0
        self._emit(Verb.HELLO, hello.encode())
        if ticket:
            self._authenticate(wire.Auth(ticket, "TICKET"))

    def receive(self, data, now):
        """Takes what the server sent. WireError, AuthenticationFailed: the connection must end."""
        self.heard_at = now
        self.now = now
        self.decoder.feed(data)
        while not self.ended and (frame := self.decoder.next()):
            self._take_frame(frame)

    def lost(self, fault=False):
        """The connection is no more. `fault`: the server broke the protocol, so the session is not resumed."""
        if fault:
            self.token = None
        self.phase = Phase.OFFLINE
        self.out.clear()

    def tick(self, now):
        """Time has passed: acknowledges, says that we are alive, or raises ConnectionLost."""
        self.now = now
        if self.phase is Phase.OFFLINE:
            return
        if self.phase is Phase.LOGIN and now >= self.began_at + LOGIN_SECONDS:
            raise ConnectionLost("not logged in after %g s" % LOGIN_SECONDS)
        if self.phase is Phase.ONLINE:
            if now >= self.heard_at + 1.5 * self._heartbeat():
                raise ConnectionLost("nothing heard for %g s" % (1.5 * self._heartbeat()))
            if self.ack_due is not None and now >= self.ack_due:
                self._acknowledge()
            elif now >= self._ping_at() and not self.out:
                self.pinged_at = now
                self._emit(Verb.PING, flags=Flag.REQ, identity=self._fresh_id())

    def deadline(self):
        """When `tick` has something to do, or None."""
        if self.phase is Phase.OFFLINE:
            return None
        if self.phase is Phase.LOGIN:
            return self.began_at + LOGIN_SECONDS
        due = min(self._ping_at(), self.heard_at + 1.5 * self._heartbeat())
        return due if self.ack_due is None else min(due, self.ack_due)

    def output(self, now):
        """Whole frames to be sent; empties them."""
        if not self.out:
            return b""
        self.sent_at = now
        data = bytes(self.out)
        self.out.clear()
        return data

    def happened(self):
        """What happened since the last call, in order."""
        events, self.events = self.events, []
        return events

    # --- the application ---

    def submit(self, verb, body, flags=0):
        """A reliable frame: kept until the server has it. Returns its serial, which `Accepted` will name. OutboxFull if too much waits."""
        self._fits(body)
        if len(self.state.outbox) >= OUTBOX_FRAMES_MAX or self.state.outbox_bytes + len(body) > OUTBOX_BYTES_MAX:
            raise OutboxFull("%d frames of %d bytes wait for the server" % (len(self.state.outbox), self.state.outbox_bytes))
        return self._keep(verb, body, flags)

    def _keep(self, verb, body, flags=0):
        item = self.state.add(verb, flags, body)
        self.waiting.append(item)
        self._pump()
        return item.serial

    def request(self, verb, body):
        """A request, asked again after each login until it is answered. Returns a number that `Answer` will name."""
        self._fits(body)
        self.questions += 1
        self.requests[self.questions] = (verb, body)
        if self.phase is Phase.ONLINE:
            self._ask(self.questions)
        return self.questions

    def forget(self, question):
        """Nobody waits for this answer any more."""
        self.requests.pop(question, None)

    def push(self, verb, body):
        """An unreliable frame: sent now or never. Whether it was."""
        if self.phase is Phase.ONLINE:
            self._emit(verb, body)
        return self.phase is Phase.ONLINE

    def show(self, presence):
        """The presence without an address, from now on and at each login."""
        self.presence = presence
        self.dirty = not self.push(Verb.PRESENCE, presence.encode())

    def set_background(self, background):
        self.background = background
        if not self.push(Verb.STATE, wire.encode_state(background)):
            self.dirty = True

    def take(self, entry, now):
        """The application is done with an entry: it is acknowledged soon, and a receipt sent if one is wanted."""
        if entry.taken:
            return
        _, message = entry.value
        if self.config.receipts and isinstance(message, wire.Message) and message.receipt_wanted and self._foreign(message):
            receipt = receipt_for(message, wire.ReceiptKind.DELIVERED, wire.new_id(wall_of(message)))
            # Also into a full outbox: there are no more of these than the server leaves unacknowledged.
            self._keep(Verb.RECEIPT, receipt.encode())
        self.inbox.take(entry)
        self.now = now
        self._ack_later()

    def bye(self):
        """The end of the session, for good."""
        if self.phase is Phase.ONLINE:
            self._acknowledge()
            self._emit(Verb.BYE)
        self.token = None

    @property
    def unaccepted(self):
        return len(self.state.outbox)

    # --- frames in ---

    def _take_frame(self, frame):
        if frame.slot:
            raise WireError(Code.UNEXPECTED_VERB, "slot %d" % frame.slot)
        if frame.verb >= 0x80:
            return
        if frame.flags & Flag.RESP and frame.id in self.asked:
            self._measure(frame)
        handler = HANDLERS[self.phase].get(frame.verb)
        if handler is None:
            raise WireError(Code.UNEXPECTED_VERB, "%s now" % Verb(frame.verb).name)
        if self.phase is Phase.ONLINE:
            self._take_ack(frame.ack)
            self._pump()
        handler(self, frame)

    def _measure(self, frame):
        """An answer is bounded, however many frames it takes."""
        size = self.answered[frame.id] = self.answered.get(frame.id, 0) + len(frame.body) + wire.HEADER_BYTES
        if size > ANSWER_BYTES_MAX:
            raise wire.malformed("an answer without end")
        if not frame.flags & Flag.MORE:
            del self.answered[frame.id]

    def _take_ack(self, ack):
        """The server has everything up to there in its care."""
        fresh = (ack - self.acked) & 0xFFFFFFFF
        if fresh == 0:
            return
        if fresh > len(self.outstanding):
            raise WireError(Code.ACK_INVALID, "%d, where %d to %d can be" % (
                ack, self.acked, self.acked + len(self.outstanding)))
        self.acked = ack
        for _ in range(fresh):
            item = self.outstanding.popleft()
            self.state.done(item)
            self.events.append(Accepted(item.serial))

    def _on_welcome(self, frame):
        if self.greeted:
            raise WireError(Code.UNEXPECTED_VERB, "a second WELCOME")
        self.welcome = wire.Welcome.decode(frame.body)
        if self.welcome.version != wire.VERSION:
            raise WireError(Code.UNSUPPORTED_VERSION, "%d" % self.welcome.version)
        if not wire.LOGIN_FRAME_MAX <= self.welcome.frame_max <= wire.FRAME_MAX_CEILING:
            raise wire.malformed("FRAME_MAX %d" % self.welcome.frame_max)
        self.greeted = True
        if self.auth_id is None:
            self._use_password()

    def _use_password(self):
        config, offered = self.config, self.welcome.mechanisms
        if config.password is None:
            raise AuthenticationFailed("no way to log in: there is no password, and no ticket that is good here")
        name = scram.choose(offered, self.secure, config.mechanism, self.binding)
        if name is None:
            raise AuthenticationFailed("no way to log in: the server offers %s" % (" ".join(offered) or "nothing"))
        # Where the application wants it without, though it is offered, nothing is said of a binding: it is not the server that lacks it.
        binding = None if name + scram.PLUS in offered else self.binding
        self.exchange = scram.mechanism(name, config.account.partition("@")[0], config.password, self.nonce, binding)
        self._authenticate(wire.Auth(self.exchange.first(), name))

    def _authenticate(self, auth):
        self.auth_id = self._fresh_id()
        self._emit(Verb.AUTH, auth.encode(), Flag.REQ, self.auth_id)

    def _answers_auth(self, frame):
        if self.auth_id is None or frame.id != self.auth_id or not frame.flags & Flag.RESP:
            raise WireError(Code.UNEXPECTED_VERB, "%s that was not asked for" % Verb(frame.verb).name)

    def _on_auth(self, frame):
        self._answers_auth(frame)
        if self.exchange is None or not frame.flags & Flag.MORE:
            raise WireError(Code.UNEXPECTED_VERB, "AUTH")
        self._authenticate(wire.Auth(self.exchange.answer(wire.Auth.decode(frame.body).data or b"")))

    def _on_authed(self, frame):
        authed = self._open(frame)
        self.token = authed.token
        self.inbox.start(authed.epoch)
        self.acked = self.said = 0
        self.waiting.extendleft(reversed(self.outstanding))
        self.outstanding.clear()
        for question in (self.sync_question, self.roster_question):
            self.forget(question)
        self.sync_question = self.roster_question = None
        self._logged_in(authed, False)
        self._begin()

    def _on_resumed(self, frame):
        if self.token is None:
            raise WireError(Code.UNEXPECTED_VERB, "RESUMED without RESUME")
        authed = self._open(frame)
        self.token = authed.token or self.token
        self.inbox.resumed()
        self._logged_in(authed, True)
        self._take_ack(frame.ack)
        for item in self.outstanding:
            self._emit_item(item)
        if self.dirty:
            self._show_state()
        self._ask_again()
        self._pump()

    def _open(self, frame):
        """What AUTHED and RESUMED have in common."""
        self._answers_auth(frame)
        authed = wire.Authed.decode(frame.body)
        if self.exchange is not None:
            self.exchange.verify(authed.data)
        self.phase, self.address = Phase.ONLINE, authed.address
        self.decoder.limit = self.welcome.frame_max
        self.window, self.held_back = self.welcome.window, False
        self.state.set_resource(authed.address.partition("/")[2] or None)
        return authed

    def _logged_in(self, authed, resumed):
        self.granted = (authed.ticket, authed.ticket_s) if authed.ticket else None
        self.events.append(LoggedIn(authed.address, resumed, self.welcome.node))

    def _begin(self):
        """A new session: roster, what waited, presence, and what was not accepted yet. SYNC goes before PRESENCE, so
        that no new message overtakes those that waited."""
        if self.config.roster:
            get = wire.Roster(wire.RosterOp.GET, (), self.state.roster_version)
            self.roster_question, self.roster_parts = self.request(Verb.ROSTER, get.encode()), []
        if self.config.sync:
            self._sync(self.state.epoch, self.state.offset)
        else:
            self.inbox.syncing = False
        self._show_state()
        self._ask_again(skip=(self.roster_question, self.sync_question))
        self._pump()

    def _show_state(self):
        if self.background or self.dirty:
            self._emit(Verb.STATE, wire.encode_state(self.background))
        if self.presence is not None:
            self._emit(Verb.PRESENCE, self.presence.encode())
        self.dirty = False

    def _sync(self, epoch, offset):
        self.sync_question = self.request(Verb.SYNC, wire.Sync(epoch, offset).encode())

    def _ask_again(self, skip=()):
        """Requests are forgotten with their connection, so they are asked again, under new ids."""
        for question in self.requests:
            if question not in skip:
                self._ask(question)

    def _ask(self, question):
        verb, body = self.requests[question]
        identity = self._fresh_id()
        self.asked[identity] = question
        self._emit(verb, body, Flag.REQ, identity)

    def _on_error(self, frame):
        error = refusal(wire.Fault.decode(frame.body))
        if not frame.flags & Flag.RESP:
            if error.fatal or self.phase is Phase.LOGIN:
                self._end(error)
            else:
                self.events.append(Noticed(Verb.ERROR, error))
        elif self.phase is Phase.LOGIN:
            self._answers_auth(frame)
            self._on_login_refused(error)
        else:
            if error.fatal:
                self._end(error)
            self._answered(frame.id, error, True)

    def _on_login_refused(self, error):
        if error.code == Code.TICKET_INVALID and self.exchange is None and self.greeted and not error.fatal:
            self._use_password()
        elif error.code in (Code.NOT_AUTHORIZED, Code.MECHANISM):
            raise AuthenticationFailed(str(error))
        else:
            self._end(error)

    def _on_bye(self, frame):
        self._end(refusal(wire.Fault.decode(frame.body)))

    def _end(self, error):
        if error.code not in RESUMABLE:
            self.token = None
        self.ended = True
        self.events.append(Ended(error))

    def _on_redirect(self, frame):
        redirect = wire.Redirect.decode(frame.body)
        online = self.phase is Phase.ONLINE
        self.ended = not online
        node = redirect.sayer or (self.welcome.node if self.greeted else None)
        self.events.append(Redirected(redirect, node, online))

    def _on_drain(self, frame):
        drain = wire.Drain.decode(frame.body)
        self.held_back = self.held_back or drain.phase == 2
        self.events.append(Draining(drain.phase, drain.deadline / 1000))

    def _on_credit(self, frame):
        self.window = wire.decode_credit(frame.body)
        self._pump()

    def _on_accepted(self, frame):
        wire.empty(frame.body)

    def _on_ping(self, frame):
        wire.empty(frame.body)
        self._emit(Verb.PONG, flags=Flag.RESP, identity=frame.id)

    def _on_pong(self, frame):
        wire.empty(frame.body)

    def _on_message(self, frame):
        message = wire.Message.decode(frame.verb, frame.body)
        if frame.verb == Verb.RECEIPT and message.kind not in wire.RECEIPTS:
            self._arrived(frame, message, None, None)
            return
        returned = frame.verb == Verb.DELIVER and message.kind == wire.Kind.ERROR
        stream = "events" if returned or frame.verb == Verb.RECEIPT else "messages"
        self._arrived(frame, message, stream, key_of(frame.verb, message), message.offset)

    def _on_note(self, frame):
        message = wire.Message.decode(frame.verb, frame.body)
        if message.kind in wire.ACTIVITIES:
            self.events.append(Noticed(Verb.NOTE, message))

    def _on_presences(self, frame):
        for presence in wire.Presence.decode_all(frame.body):
            self.events.append(Noticed(Verb.PRESENCES, presence))

    def _on_subscription(self, frame):
        self._arrived(frame, wire.Subscription.decode(frame.body), "events", None)

    def _on_room(self, frame):
        self._arrived(frame, rooms.Word.decode(frame.verb, frame.body), "events", None)

    def _on_room_answer(self, frame):
        if not frame.flags & Flag.RESP:
            raise WireError(Code.UNEXPECTED_VERB, "%s that was not asked for" % Verb(frame.verb).name)
        self._answered(frame.id, frame, not frame.flags & Flag.MORE)

    def _on_list(self, frame):
        """ROSTER, BLOCK, ALLOW: an answer, or a push that counts."""
        if frame.flags & Flag.RESP:
            question = self.asked.get(frame.id)
            if question is not None and question == self.roster_question:
                self._on_roster_part(frame)
            else:
                self._answered(frame.id, frame, not frame.flags & Flag.MORE)
            return
        body = (wire.Roster if frame.verb == Verb.ROSTER else wire.AddressList).decode(frame.body)
        if frame.verb == Verb.ROSTER:
            if body.op != wire.RosterOp.PUSH or len(body.contacts) != 1:
                raise wire.malformed("a push of the roster that is none")
            self.state.change_contact(body.version, body.contacts[0])
        self._arrived(frame, body, None, None)
        self.events.append(Noticed(frame.verb, body))

    def _on_roster_part(self, frame):
        part = wire.Roster.decode(frame.body)
        if part.op == wire.RosterOp.ITEMS:
            self.roster_parts += part.contacts
            if len(self.roster_parts) > ROSTER_CONTACTS_MAX:
                raise wire.malformed("a roster without end")
            if not frame.flags & Flag.MORE:
                self.state.set_roster(part.version, self.roster_parts)
        if not frame.flags & Flag.MORE:
            self._answered(frame.id, part, True)
            self.roster_question = None
            self.events.append(Noticed(Verb.ROSTER, part))

    def _on_synced(self, frame):
        if not frame.flags & Flag.RESP:
            raise WireError(Code.UNEXPECTED_VERB, "SYNCED that was not asked for")
        question = self.asked.get(frame.id)
        if question is None or question != self.sync_question:
            self._answered(frame.id, frame, True)
            return
        answer = wire.Synced.decode(frame.body)
        self._answered(frame.id, frame, True)
        self.sync_question = None
        self.inbox.synced(answer)
        self.inbox.settle()
        self.events.append(Synchronized())

    def _on_items(self, frame):
        if not frame.flags & Flag.RESP:
            raise WireError(Code.UNEXPECTED_VERB, "ITEMS that were not asked for")
        self._answered(frame.id, frame, False)

    def _answered(self, identity, frame, last):
        """Passes on an answer; one that nobody waits for any more is dropped."""
        question = self.asked.get(identity)
        if last:
            self.asked.pop(identity, None)
        if question not in self.requests:
            return
        if last:
            self.forget(question)
        if question == self.sync_question:
            if isinstance(frame, Refused):
                self.sync_question, self.inbox.syncing = None, False
        elif question != self.roster_question:
            self.events.append(Answer(question, frame, last))

    def _arrived(self, frame, value, stream, key, offset=0):
        limit = min(UNACKED_TIMES * self.welcome.unacked_frames + UNACKED_SLACK, UNACKED_CEILING)
        entry = self.inbox.arrive((frame.verb, value), stream, key, len(frame.body) + wire.HEADER_BYTES, offset, limit)
        if entry is not None:
            self.events.append(entry)
        self.inbox.settle()
        self._ack_later()

    # --- frames out ---

    def _emit(self, verb, body=b"", flags=0, identity=0):
        ack = self._current_ack() if self.phase is Phase.ONLINE else self.hello_ack
        self.out += Frame(verb, body, flags, identity, ack & 0xFFFFFFFF).encode()

    def _current_ack(self):
        """What this frame acknowledges; what it covers is safe here first."""
        if self.inbox.taken != self.said:
            self.state.commit()
            self.said, self.inbox.taken_bytes = self.inbox.taken, 0
        self.ack_due = None
        return self.said

    def _acknowledge(self):
        if self.inbox.taken != self.said:
            self._emit(Verb.ACCEPTED)
        self.ack_due = None

    def _ack_later(self):
        """At once when half of what the server leaves outstanding has been taken, else within a second."""
        owed = self.inbox.taken - self.said
        if self.phase is not Phase.ONLINE or owed <= 0:
            return
        if 2 * owed >= self.welcome.unacked_frames or 2 * self.inbox.taken_bytes >= self.welcome.unacked_bytes:
            self._acknowledge()
        elif self.ack_due is None:
            self.ack_due = self.now + ACK_SECONDS

    def _pump(self):
        """Sends what waits, as far as the credit goes."""
        while self.waiting and self.phase is Phase.ONLINE and not self.held_back and len(self.outstanding) < self.window:
            item = self.waiting.popleft()
            self.outstanding.append(item)
            self._emit_item(item)

    def _emit_item(self, item):
        again = Flag.DUP if item.tried and item.verb in wire.REPEATABLE else 0
        item.tried = True
        self._emit(item.verb, item.body, item.flags | again)

    def _fresh_id(self):
        while True:
            identity, self.next_id = self.next_id, self.next_id % 0xFFFFFFFF + 1
            if identity not in self.asked:
                return identity

    def _fits(self, body):
        if len(body) + wire.HEADER_BYTES + wire.ROOM > self.welcome.frame_max:
            raise ValueError("a frame of %d bytes, where %d are allowed" % (
                len(body) + wire.HEADER_BYTES, self.welcome.frame_max - wire.ROOM))

    def _heartbeat(self):
        return max(1, self.welcome.heartbeat_background if self.background else self.welcome.heartbeat)

    def _ping_at(self):
        """When we have been silent for too long, or have heard nothing and want to know whether anybody is there."""
        return min(self.sent_at, max(self.heard_at, self.pinged_at)) + self._heartbeat()

    def _foreign(self, message):
        """Whether it came to us from somebody else."""
        own = self.config.account
        if message.kind in (wire.Kind.ERROR, wire.Kind.GROUPCHAT):
            return False
        return message.copy is None and message.sender.partition("/")[0] != own

    def _reset_connection(self, now):
        self.now = self.began_at = self.heard_at = self.sent_at = self.pinged_at = now
        self.decoder, self.out = wire.Decoder(), bytearray()
        self.secure = self.greeted = self.ended = self.held_back = False
        self.auth_id = self.exchange = self.granted = self.ack_due = self.binding = None
        self.roster_parts, self.asked, self.answered = [], {}, {}
        self.said, self.hello_ack = self.inbox.taken, 0


_BOTH = {Verb.ERROR: Session._on_error, Verb.REDIRECT: Session._on_redirect, Verb.BYE: Session._on_bye,
         Verb.PING: Session._on_ping, Verb.PONG: Session._on_pong}
HANDLERS = {
    Phase.OFFLINE: {},
    Phase.LOGIN: {**_BOTH, Verb.WELCOME: Session._on_welcome, Verb.AUTH: Session._on_auth,
                  Verb.AUTHED: Session._on_authed, Verb.RESUMED: Session._on_resumed},
    Phase.ONLINE: {**_BOTH, Verb.DRAIN: Session._on_drain, Verb.CREDIT: Session._on_credit,
                   Verb.ACCEPTED: Session._on_accepted, Verb.DELIVER: Session._on_message,
                   Verb.RECEIPT: Session._on_message, Verb.EDIT: Session._on_message, Verb.RECALL: Session._on_message,
                   Verb.NOTE: Session._on_note, Verb.PRESENCES: Session._on_presences,
                   **dict.fromkeys(wire.SUBSCRIPTIONS, Session._on_subscription),
                   **dict.fromkeys(wire.LISTS, Session._on_list),
                   **dict.fromkeys(wire.ROOM_NOTICES, Session._on_room), **dict.fromkeys(wire.ROOM_ANSWERS, Session._on_room_answer),
                   Verb.SYNCED: Session._on_synced, Verb.ITEMS: Session._on_items},
}


def refusal(fault):
    return Refused(fault.code, fault.temporary, fault.fatal, fault.retry_after / 1000, fault.text)


def receipt_for(message, kind, identity):
    """A RECEIPT to whoever sent that message."""
    return wire.Message(identity, message.sender, kind=kind, ref=message.id, foreign_ref=message.foreign_id)


def wall_of(message):
    """A time for a message id where no clock is at hand: that of the message it answers. Chance makes it unique."""
    return message.stamp >> 20
