"""The client for applications: connects, stays connected, and moves messages both ways without loss or repetition.

    async with Client("romeo@localhost", "secret", ["icpp://127.0.0.1:5299"], state="romeo.state") as client:
        await client.send("juliet@localhost", "But, soft!")
        async for message in client.messages():
            print(message.sender, message.text)

A message that was handed out counts as taken when the application asks for the next one, or calls `taken`. All methods
must be called in the event loop in which the client was started.
"""

import asyncio
import dataclasses
import logging
import os
import random as chance
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

from . import events, routes, scram, transport, wire
from .errors import FINAL, AuthenticationFailed, Closed, ConnectionLost, CrosspointError, Refused, WireError
from .events import Event, Incoming, Page
from .inbox import Entry, bare
from .rooms import Rooms
from .session import (Accepted, Answer, Config, Draining, Ended, LoggedIn, Noticed, Phase, Redirected, Session,
                      Synchronized, receipt_for)
from .state import open_state
from .streams import Stream
from .wire import Flag, ListOp, RosterOp, Verb

log = logging.getLogger("crosspoint")

# How long `start` goes on trying, if nothing else is said.
PATIENCE_SECONDS = 30.0
# Sessions of others whose presence is remembered.
PRESENCES_MAX = 16384
ACCOUNT = re.compile(r"[^@/]+@[^@/]+")


@dataclasses.dataclass(slots=True)
class Pending:
    """A frame under way. `await pending` returns the message id when the server has it for good."""

    id: bytes | None
    serial: int
    future: "asyncio.Future[None]"

    def __await__(self) -> Generator[Any, None, bytes | None]:
        yield from self.future.__await__()
        return self.id


class Client:
    """One user's session, kept up. See the module; README.md says what each option does."""

    def __init__(self, account: str, password: str | None = None, urls: str | Iterable[str] = (), *,
                 resource: str | None = None, state: "str | os.PathLike[str] | None" = None, durable: bool = False,
                 tls: "ssl.SSLContext | str | os.PathLike[str] | None" = None, mechanism: str | None = None,
                 presence: wire.Presence | None = wire.Presence(), receipts: bool = True, roster: bool = True, sync: bool = True,
                 agent: str | None = None, patience: float | None = PATIENCE_SECONDS,
                 random: Callable[[], float] = chance.random) -> None:
        if not ACCOUNT.fullmatch(account):
            raise ValueError("the account %r is not of the form user@domain" % account)
        self.routes = routes.Routes([urls] if isinstance(urls, str) else urls, random)
        self.account = account
        self._tls = ssl.create_default_context(cafile=tls) if isinstance(tls, (str, os.PathLike)) else tls
        self._patience, self._been_online = patience, False
        self._last: CrosspointError | None = None
        self._random = random
        self._state = open_state(state, durable)
        config = Config(account, password, resource, mechanism=mechanism, sync=sync, roster=roster, receipts=receipts)
        if agent:
            config.agent = agent
        self.session = Session(config, self._state)
        self.session.presence = presence
        self._messages: Stream[Incoming] = Stream(self._taken)
        self._presence: Stream[wire.Presence] = Stream(self._taken)
        self._events: Stream[Event] = Stream(self._taken)
        self._waiters: dict[int, Any] = {}
        self._answers: dict[int, Any] = {}
        self._shown: dict[str, wire.Presence] = {}
        self._task: Any = None
        self._transport = self._timer = self._settling = self._moving = None
        self._flushing = False
        self._cause, self._failure = None, None
        self._step, self._drain_until = None, 0.0
        self._online, self._empty, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._synchronized = asyncio.Event()
        self.rooms = Rooms(self)

    # --- life ---

    async def start(self) -> "Client":
        """Connects and logs in; returns itself once that has succeeded. Raises what makes it hopeless; or, when it has tried for as long as
        `patience` says (None: for ever), ConnectionLost with what the last attempt said. Whoever does not get a client has none: it is closed."""
        self._alive()
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        try:
            async with asyncio.timeout(self._patience):
                await self.online()
        except TimeoutError:
            await self.close()
            raise ConnectionLost("no session within %s s: %s" % (self._patience, self._last or "no attempt has ended")) from None
        except BaseException:
            await self.close()
            raise
        return self

    async def online(self) -> None:
        """Returns when the session is logged in."""
        await self._first(self._online)

    async def synchronized(self) -> None:
        """Returns when everything that waited at the server has been received."""
        await self._first(self._synchronized)

    async def drain(self) -> None:
        """Returns when the server has accepted everything that was sent so far."""
        while self.session.unaccepted:
            self._empty.clear()
            await self._first(self._empty)

    async def close(self, failed: bool = False) -> None:
        """Says goodbye and ends. What was not accepted stays in the state file, if there is one. What was handed out last counts as taken, unless
        the application `failed` over it, as when it leaves `async with` by an exception: then it comes again in the next run."""
        if self._closing.is_set():
            return
        for stream in self._streams():
            stream.finish(self._failure, failed)
        self.session.bye()
        self._flush()
        self._closing.set()
        if self._task is not None:
            if self._transport is None:
                self._task.cancel()
            await asyncio.wait((self._task,))
        self._end(Closed("the client was closed"))

    async def __aenter__(self) -> "Client":
        return await self.start()

    async def __aexit__(self, *failure: object) -> None:
        await self.close(failed=failure[0] is not None)

    # --- streams ---

    def messages(self) -> Stream[Incoming]:
        """`events.Incoming`, in order: messages, edits, recalls. Not acknowledged before they are taken."""
        return self._messages

    def presence(self) -> Stream[wire.Presence]:
        """`wire.Presence` of others. Of one address that was not read yet only the latest is kept."""
        return self._presence

    def events(self) -> Stream[Event]:
        """Everything else, see `events`. Once this was called, receipts, returned messages and requests for
        subscription wait, unacknowledged, until they are read; before, they are dropped."""
        self._events.wanted = True
        return self._events

    def taken(self, message: Incoming) -> None:
        """The application is done with this message, though it has not asked for the next."""
        self._taken(message.entry)

    # --- messages ---

    def post(self, to: str, text: str = "", *, kind: int = wire.Kind.CHAT, receipt: bool = False, store: bool = True,
             payload: bytes | None = None, message_id: bytes | None = None, **extensions: Any) -> Pending:
        """Puts a message in the outbox and returns a `Pending`. `extensions`: subject, thread, content_type, fallback,
        state, ref, foreign_ref. ValueError if it is larger than the server allows, OutboxFull if too much waits already."""
        message = wire.Message(message_id or self._new_id(), to, kind=kind, receipt_wanted=receipt,
                               payload=text.encode() if payload is None else payload, **extensions)
        return self._submit(Verb.SEND, message.encode(), 0 if store else Flag.NOSTORE, message.id)

    async def send(self, to: str, text: str = "", **options: Any) -> bytes:
        """`post`, and waits until the server has accepted the message: it is durable. Returns its id."""
        pending = self.post(to, text, **options)
        await pending
        return cast(bytes, pending.id)

    def edit(self, to: str, ref: bytes, text: str, **extensions: Any) -> Pending:
        """Replaces our earlier message `ref`; a Pending."""
        message = wire.Message(self._new_id(), to, payload=text.encode(), ref=ref, **extensions)
        return self._submit(Verb.EDIT, message.encode(), 0, message.id)

    def recall(self, to: str, ref: bytes, **extensions: Any) -> Pending:
        """Takes our earlier message `ref` back; a Pending."""
        message = wire.Message(self._new_id(), to, ref=ref, **extensions)
        return self._submit(Verb.RECALL, message.encode(), 0, message.id)

    def displayed(self, message: Incoming) -> Pending:
        """Tells the sender that his message was read, which means that it was taken; a Pending."""
        self.taken(message)
        receipt = receipt_for(message.message, wire.ReceiptKind.DISPLAYED, self._new_id())
        return self._submit(Verb.RECEIPT, receipt.encode(), 0, receipt.id)

    def typing(self, to: str, activity: int = wire.Activity.COMPOSING) -> None:
        """Tells what we are doing, if we are connected; it may be lost."""
        self._push(Verb.NOTE, wire.Message(self._new_id(), to, kind=activity).encode())

    async def history(self, peer: str = "", *, bound: int = 0, limit: int = 50, newer: bool = False, room: bool = False) -> Page:
        """A page of what was said with that bare address, in that `room`, or with all: `events.Page`. Refused `unsupported` without an archive."""
        *items, last = await self._ask(Verb.HISTORY, wire.History(bound, limit, newer, peer, room).encode())
        answer = wire.Synced.decode(last.body)
        return events.Page([wire.Message.decode(Verb.ITEMS, item.body) for item in items], answer.offset, answer.more)

    # --- presence and contacts ---

    def show(self, show: int = wire.Show.AVAILABLE, status: str = "", priority: int = 0) -> None:
        """Our presence, from now on, also after the next login."""
        self.session.show(wire.Presence(show, priority, "", status))
        self._flush_soon()

    def show_to(self, address: str, show: int = wire.Show.AVAILABLE, status: str = "") -> None:
        """Presence for one address, if we are connected."""
        self._push(Verb.PRESENCE, wire.Presence(show, 0, address, status).encode())

    def subscribe(self, address: str, note: str = "") -> Pending:
        """Asks to see somebody's presence; a Pending, as the next three."""
        return self._submit(Verb.SUBSCRIBE, wire.Subscription(address, note).encode())

    def unsubscribe(self, address: str) -> Pending:
        """Does not want to see it any more."""
        return self._submit(Verb.UNSUBSCRIBE, wire.Subscription(address).encode())

    def approve(self, address: str) -> Pending:
        """Lets somebody see our presence."""
        return self._submit(Verb.APPROVE, wire.Subscription(address).encode())

    def deny(self, address: str) -> Pending:
        """Refuses, or revokes what was approved."""
        return self._submit(Verb.DENY, wire.Subscription(address).encode())

    def presence_of(self, address: str) -> list[wire.Presence]:
        """What the sessions of a bare address show, as last heard; none is there: []."""
        return [one for one in self._shown.values() if bare(one.address) == address]

    @property
    def roster(self) -> dict[str, wire.Contact]:
        """{address: wire.Contact}, as last heard from the server."""
        return self._state.roster

    async def set_contact(self, address: str, name: str = "", groups: Iterable[str] = ()) -> None:
        """Adds a contact, or changes name and groups; returns when it is durable."""
        await self._ask(Verb.ROSTER, wire.Roster(RosterOp.SET, (wire.Contact(address, name, tuple(groups)),)).encode())

    async def remove_contact(self, address: str) -> None:
        """Removes a contact, and subscriptions with it; returns when it is durable."""
        await self._ask(Verb.ROSTER, wire.Roster(RosterOp.REMOVE, (wire.Contact(address),)).encode())

    async def block(self, *addresses: str) -> None:
        """Puts addresses, bare, full or domains, on the black list; returns when it is durable. ValueError if none is named, as for the
        next ones: on the wire, none would be all."""
        await self._change(Verb.BLOCK, ListOp.ADD, _named(addresses))

    async def unblock(self, *addresses: str) -> None:
        """Takes addresses off the black list."""
        await self._change(Verb.BLOCK, ListOp.REMOVE, _named(addresses))

    async def unblock_all(self) -> None:
        """Empties the black list."""
        await self._change(Verb.BLOCK, ListOp.REMOVE, ())

    async def blocked(self) -> list[str]:
        """The black list."""
        return (await self._list(Verb.BLOCK))[0]

    async def allow(self, *addresses: str) -> None:
        """Puts addresses on the white list."""
        await self._change(Verb.ALLOW, ListOp.ADD, _named(addresses))

    async def disallow(self, *addresses: str) -> None:
        """Takes addresses off the white list."""
        await self._change(Verb.ALLOW, ListOp.REMOVE, _named(addresses))

    async def disallow_all(self) -> None:
        """Empties the white list."""
        await self._change(Verb.ALLOW, ListOp.REMOVE, ())

    async def allowed(self) -> tuple[list[str], bool]:
        """(the white list, whether it is in force)"""
        addresses, op = await self._list(Verb.ALLOW)
        return addresses, op == ListOp.ON

    async def allow_only(self, on: bool = True) -> None:
        """Whether only the white list and contacts reach us."""
        await self._change(Verb.ALLOW, ListOp.ON if on else ListOp.OFF, ())

    def background(self, background: bool = True) -> None:
        """Nobody looks: presence and typing can wait, heartbeats are rarer."""
        self.session.set_background(background)
        self._flush_soon()

    def foreground(self) -> None:
        """Somebody looks again."""
        self.background(False)

    # --- the connection ---

    async def _run(self):
        try:
            while not self._closing.is_set():
                self._step = self.routes.next()
                if await self._pause(self._step.wait):
                    break
                error = await self._attempt(self._step)
                if isinstance(error, AuthenticationFailed) or (isinstance(error, Refused) and error.code in FINAL):
                    self._fail(error)
                    break
        except Exception as error:
            log.exception("the client ends by a fault of its own")
            self._fail(error)

    async def _pause(self, seconds):
        """Waits; whether the client was closed meanwhile."""
        try:
            await asyncio.wait_for(self._closing.wait(), max(seconds, 0))
        except asyncio.TimeoutError:
            pass
        return self._closing.is_set()

    async def _attempt(self, step):
        """One connection, from its beginning to its end; returns why it ended."""
        try:
            line = await transport.connect(step.url, self._tls)
        except CrosspointError as failure:
            self.routes.failed(False)
            self._tell_failure(failure)
            return failure
        self._transport, self._cause = line, None
        fault = False
        try:
            error = await self._converse(line, step)
        except WireError as broken:
            log.warning("%s: %s", step.url.text, broken)
            error, fault = broken, True
        except CrosspointError as ended:
            error = ended
        return await self._hang_up(line, self._cause or error, fault)

    async def _converse(self, line, step):
        ticket = step.ticket or self._own_ticket(step)
        self.session.connect(self._now(), line.secure, step.hops, step.came_from, ticket, line.binding)
        self._flush()
        closing = asyncio.ensure_future(self._closing.wait())
        reading = None
        try:
            while True:
                reading = asyncio.ensure_future(line.read())
                await asyncio.wait((reading, closing), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    return Closed("the client was closed")
                data = reading.result()
                if not data:
                    return ConnectionLost("the connection ended")
                self.session.receive(data, self._now())
                self._react()
                self._flush()
                if self._cause:
                    return self._cause
        finally:
            for task in (closing, reading):
                if task is not None:
                    task.cancel()
            self._react()

    async def _hang_up(self, line, error, fault):
        logged_in = self._online.is_set()
        self._transport = None
        self._online.clear()
        self._synchronized.clear()
        for timer in (self._timer, self._settling, self._moving):
            if timer is not None:
                timer.cancel()
        if not logged_in or self._settling is not None:
            self.routes.failed(logged_in)
        self._timer = self._settling = self._moving = None
        self.session.lost(fault)
        await line.close()
        if logged_in and not self._closing.is_set():
            self._events.put(events.Disconnected(error))
        elif not logged_in:
            self._tell_failure(error)
        return error

    def _tell_failure(self, error):
        """An attempt that led to no session. Before the first one somebody waits, and should see why."""
        self._last = error
        log.log(logging.INFO if self._been_online else logging.WARNING, "no session at %s: %s", self._step.url.text, error)

    def _own_ticket(self, step):
        """The ticket of our last login at this URL. It opens the account once, so it is gone from here on."""
        ticket = self._state.ticket
        if ticket is None or ticket[2] != step.url.text or self.session.config.mechanism not in (None, "TICKET"):
            return None
        self._state.set_ticket(None)
        return ticket[0] if time.time() < ticket[1] else None

    def _react(self):
        """Passes on what happened in the session."""
        for event in self.session.happened():
            REACTIONS[type(event)](self, event)

    def _on_entry(self, entry):
        verb, value = entry.value
        if entry.stream == "messages":
            self._messages.put(events.Incoming(Verb(verb), value, entry), entry)
        elif self._events.wanted:
            self._events.put(events.of_entry(verb, value), entry)
        else:
            self._taken(entry)

    def _on_logged_in(self, event):
        if self.session.granted:
            ticket, seconds = self.session.granted
            self._state.set_ticket((ticket, time.time() + seconds, self._step.url.text))
        self._drain_until, self._been_online = 0.0, True
        if not event.resumed:
            self._shown.clear()
        self._settling = asyncio.get_running_loop().call_later(routes.SETTLED_SECONDS, self._settled)
        self._online.set()
        self._events.put(events.Connected(event.address, event.resumed, event.node))
        if not self.session.inbox.syncing and (event.resumed or not self.session.config.sync):
            self._synchronized.set()

    def _settled(self):
        self._settling = None
        self.routes.settled()

    def _on_accepted(self, event):
        waiter = self._waiters.pop(event.serial, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if not self.session.unaccepted:
            self._empty.set()

    def _on_answer(self, event):
        if event.question not in self._answers:
            return
        future, frames = self._answers[event.question]
        frames.append(event.frame)
        if event.last:
            del self._answers[event.question]
            if not future.done() and isinstance(event.frame, Refused):
                future.set_exception(event.frame)
            elif not future.done():
                future.set_result(frames)

    def _on_noticed(self, event):
        if event.verb == Verb.PRESENCES:
            self._remember(event.value)
            self._presence.replace(lambda old: old.address == event.value.address, event.value)
        else:
            self._events.put(events.of_notice(event.verb, event.value))

    def _remember(self, shown):
        if shown.show != wire.Show.UNAVAILABLE:
            if len(self._shown) < PRESENCES_MAX or shown.address in self._shown:
                self._shown[shown.address] = shown
        elif "/" in shown.address:
            self._shown.pop(shown.address, None)
        else:
            # Of a bare address: none of his sessions is there.
            self._shown = {address: one for address, one in self._shown.items() if bare(address) != shown.address}

    def _follow(self, redirect, here):
        followed = self.routes.redirect(redirect, here, self._step.url.secure)
        self._events.put(events.Redirected(redirect.node, tuple(redirect.urls), followed))
        return followed

    def _on_redirected(self, event):
        here = event.node or self._step.node
        if not event.online:
            followed = self._follow(event.redirect, here)
            self._cause = ConnectionLost("sent elsewhere" if followed else "sent in a circle, or nowhere")
            return
        wait = min(event.redirect.after / 1000, routes.ADVICE_SECONDS_MAX)
        wait += self._random() * max(0.0, 0.8 * (self._drain_until - self._now()) - wait)
        if self._moving is None:
            self._moving = asyncio.get_running_loop().call_later(wait, self._move, event.redirect, here)

    def _move(self, redirect, here):
        """Leaves for where a REDIRECT within the session pointed, without BYE: the session goes on there."""
        if self._transport and self._follow(dataclasses.replace(redirect, after=0), here):
            self._drop(ConnectionLost("sent elsewhere"))

    def _on_draining(self, event):
        self._drain_until = self._now() + event.seconds
        self._events.put(events.Draining(event.seconds))

    def _on_ended(self, event):
        self._cause = event.error
        self.routes.retry_after(event.error.retry_after)

    def _on_synchronized(self, event):
        self._synchronized.set()
        self._events.put(events.Synchronized())

    # --- small parts ---

    def _submit(self, verb, body, flags=0, identity=None):
        self._alive()
        serial = self.session.submit(verb, body, flags)
        future = self._waiters[serial] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._flush_soon()
        return Pending(identity, serial, future)

    def _push(self, verb, body):
        self._alive()
        self.session.push(verb, body)
        self._flush_soon()

    async def _ask(self, verb, body):
        """Asks and waits for the whole answer, over reconnections; its frames."""
        self._alive()
        question = self.session.request(verb, body)
        future = asyncio.get_running_loop().create_future()
        self._answers[question] = future, []
        self._flush_soon()
        try:
            return await future
        finally:
            self._answers.pop(question, None)
            self.session.forget(question)

    async def _change(self, verb, op, addresses):
        await self._ask(verb, wire.AddressList(op, tuple(addresses)).encode())

    async def _list(self, verb):
        parts = [wire.AddressList.decode(frame.body) for frame in await self._ask(verb, wire.AddressList(ListOp.LIST).encode())]
        return [address for part in parts for address in part.addresses], parts[-1].op

    def _taken(self, entry):
        if self._closing.is_set():
            return
        self.session.take(entry, self._now())
        self._flush_soon()

    def _flush_soon(self):
        """At the end of this turn of the event loop, so that many frames leave together."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self):
        self._flushing = False
        if self._transport is not None:
            self._transport.write(self.session.output(self._now()))
            self._arm()

    def _arm(self):
        """One timer, no later than the session's deadline; it may fire early, which does no harm."""
        due = self.session.deadline()
        if due is None or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self):
        self._timer = None
        try:
            self.session.tick(self._now())
        except ConnectionLost as error:
            self._drop(error)
        self._flush()

    def _drop(self, cause):
        if self._transport is not None:
            self._cause = cause
            self._transport.abort()

    async def _first(self, event):
        """Waits for an event, or raises what ended the client."""
        failed = asyncio.ensure_future(self._wait_failed())
        waited = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((failed, waited), return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed.cancel()
            waited.cancel()
        if not event.is_set():
            self._alive()

    async def _wait_failed(self):
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _alive(self):
        if self._failure is not None:
            raise self._failure
        if self._closing.is_set():
            raise Closed("the client was closed")

    def _fail(self, error):
        self._failure = error
        for stream in self._streams():
            stream.finish(error)
        self._end(error)

    def _end(self, error):
        for future in [*self._waiters.values(), *(future for future, _ in self._answers.values())]:
            if not future.done():
                future.set_exception(error)
        self._waiters.clear()
        self._answers.clear()
        self._state.close()

    def _streams(self):
        return self._messages, self._presence, self._events

    def _new_id(self):
        return wire.new_id(time.time_ns() // 1_000_000)

    @staticmethod
    def _now():
        return asyncio.get_running_loop().time()


def _named(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise ValueError("no address is named")
    return addresses


REACTIONS = {Entry: Client._on_entry, LoggedIn: Client._on_logged_in, Accepted: Client._on_accepted,
             Answer: Client._on_answer, Noticed: Client._on_noticed, Redirected: Client._on_redirected,
             Draining: Client._on_draining, Ended: Client._on_ended, Synchronized: Client._on_synchronized}

__all__ = ["Client", "Pending", "bare", "scram", "Phase"]
