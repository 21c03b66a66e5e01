"""What the server has sent and the application has not finished with: duplicates, acknowledgement, and how far we have read.

Every reliable frame becomes an `Entry`. Entries stand in `flight` in the order in which they were counted; those at the
front that the application has taken leave it, and only then are they acknowledged and the cursor of SYNC moves.

Invariants: `taken` counts exactly the entries that left `flight`; a message that is known, whether taken or still
waiting, is not shown again, and its second copy is acknowledged only when the first has been taken; the cursor
never passes a message that may not have been sent yet, so it stands still until the SYNC of this session is answered.
"""

import collections

from . import wire
from .errors import Code, WireError


class Entry:
    """One arrival. `stream` says which of the client's streams shows `value`, or None for none."""

    __slots__ = ("value", "stream", "key", "offset", "epoch", "bytes", "counted", "taken")

    def __init__(self, value=None, stream=None, key=None, size=0, counted=True):
        self.value, self.stream, self.key, self.bytes, self.counted = value, stream, key, size, counted
        self.offset = self.epoch = 0
        self.taken = stream is None


class Inbox:
    """The receiving half of a session."""

    def __init__(self, state):
        self.state = state
        self.pending = {}
        self.start(0)

    def start(self, epoch):
        """A new session: both counters are 0, and what the old one had not acknowledged will be sent again."""
        self.epoch = epoch
        self.flight = collections.deque()
        self.received = self.taken = self.promised = self.taken_bytes = self.skip = 0
        self.syncing, self.held = True, 0

    def greet(self):
        """The `ack` of a HELLO with RESUME: what will not be sent again."""
        self.promised = self.taken
        return self.taken

    def resumed(self):
        """The session goes on: what was counted after the HELLO's `ack` comes once more, and is known already."""
        self.skip = self.received - self.promised

    def arrive(self, value, stream, key, size, offset=0, limit=None):
        """Counts a reliable frame. Returns its Entry if it has to be shown, else None."""
        if self.skip:
            self.skip -= 1
            return None
        self.received += 1
        if limit is not None and len(self.flight) >= limit:
            raise WireError(Code.CREDIT_OVERRUN, "more than %d frames that were not acknowledged" % limit)
        entry, fresh = self._entry(value, stream, key, size)
        if self.syncing:
            self.held = max(self.held, offset)
        elif fresh and offset:
            entry.offset, entry.epoch = offset, self.epoch
        self.flight.append(entry)
        return entry if fresh and stream else None

    def _entry(self, value, stream, key, size):
        """(the entry, whether it is new): a known message is shown once."""
        if key is not None:
            if key in self.pending:
                return self.pending[key], False
            if key in self.state.seen:
                return Entry(size=size), False
        entry = Entry(value, stream, key, size)
        if key is not None and stream:
            self.pending[key] = entry
        elif key is not None:
            self.state.saw(key)
        return entry, True

    def synced(self, answer):
        """SYNCED came: when everything before it has been taken, the cursor may stand there."""
        marker = Entry(counted=False)
        marker.offset, marker.epoch = max(answer.offset, self.held), answer.epoch
        self.syncing, self.held = False, 0
        self.flight.append(marker)

    def take(self, entry):
        """The application is done with it."""
        if not entry.taken:
            entry.taken = True
            if entry.key is not None:
                self.pending.pop(entry.key, None)
                self.state.saw(entry.key)
        self.settle()

    def settle(self):
        """Lets go of what has been taken, from the front."""
        while self.flight and self.flight[0].taken:
            entry = self.flight.popleft()
            if entry.counted:
                self.taken += 1
                self.taken_bytes += entry.bytes
            if entry.epoch and (entry.epoch != self.state.epoch or entry.offset > self.state.offset):
                self.state.read_to(entry.epoch, entry.offset)


def key_of(verb, message):
    """What tells one message from another (section 5). One that came back is not the one that was sent."""
    sender = bare(message.sender)
    if message.occupant_id is not None:
        # In a room all write under one bare address.
        sender += "/" + message.occupant_id
    if verb == wire.Verb.DELIVER and message.kind == wire.Kind.ERROR:
        sender = "!" + sender
    return sender, message.id.hex()


def bare(address):
    return address.partition("/")[0]
