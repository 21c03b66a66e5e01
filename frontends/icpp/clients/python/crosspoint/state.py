"""What a client must remember: the outbox, what it has seen, how far it has read, its ticket, its roster.

`State` keeps it in memory. `FileState` keeps it in a file as well: a snapshot that is replaced atomically, and a journal
beside it that gets one line for each change and is emptied by the next snapshot.

Invariant: a change is in the journal before the caller goes on, so a process that is killed has lost none. Whether
it also survives the loss of power is `durable`: then `commit` waits for the disk, and is called before anything is
acknowledged to the server.

    snapshot     {"generation": 7, "outbox": [...], "seen": [...], "cursor": [epoch, offset], ...}
    journal      7
                 ["out", serial, verb, flags, "hex body"]      ["done", serial]
                 ["seen", bare sender, "hex id"]               ["cursor", epoch, offset]
                 ["ticket", ["hex", until, url] or null]       ["resource", text]
                 ["roster", version, [[address, name, [groups], subscription, asked, removed, approved], ...]]
"""

import collections
import dataclasses
import json
import os
import pathlib

from . import wire
from .errors import CrosspointError

# SPEC.md section 5 asks for 1,024; the more, the longer a page of SYNC may be.
SEEN_MAX = 8192
JOURNAL_LINES_MAX = 4096


@dataclasses.dataclass(slots=True)
class Outgoing:
    """One reliable frame that the server has not accepted. `tried`: it may have been sent before."""

    serial: int
    verb: int
    flags: int
    body: bytes
    tried: bool = False


class State:
    """The memory of a client, in memory. Every change goes through a method."""

    def __init__(self):
        self.outbox = {}
        self.outbox_bytes = 0
        self.seen = collections.OrderedDict()
        self.epoch = self.offset = 0
        self.ticket = None
        self.resource = None
        self.roster, self.roster_version = {}, 0
        self.serial = 0

    def add(self, verb, flags, body):
        """A frame that must reach the server; returns its `Outgoing`."""
        self.serial += 1
        item = self.outbox[self.serial] = Outgoing(self.serial, int(verb), int(flags), body)
        self.outbox_bytes += len(body)
        self._note("out", item.serial, item.verb, item.flags, body.hex())
        return item

    def done(self, item):
        """The server has accepted it."""
        if self.outbox.pop(item.serial, None):
            self.outbox_bytes -= len(item.body)
        self._note("done", item.serial)

    def saw(self, key):
        """A message with this (bare sender, hex id) has been taken by the application."""
        self._remember(key)
        self._note("seen", *key)

    def read_to(self, epoch, offset):
        """Everything up to this offset of this epoch has been taken."""
        if (epoch, offset) != (self.epoch, self.offset):
            self.epoch, self.offset = epoch, offset
            self._note("cursor", epoch, offset)

    def set_ticket(self, ticket):
        """`ticket` is (bytes, wall-clock seconds until which it is good, url), or None."""
        if ticket != self.ticket:
            self.ticket = ticket
            self._note("ticket", [ticket[0].hex(), ticket[1], ticket[2]] if ticket else None)

    def set_resource(self, resource):
        if resource != self.resource:
            self.resource = resource
            self._note("resource", resource)

    def set_roster(self, version, contacts):
        self.roster, self.roster_version = {one.address: one for one in contacts}, version
        self._note("roster", version, [_plain(one) for one in contacts])

    def change_contact(self, version, contact):
        if contact.removed:
            self.roster.pop(contact.address, None)
        else:
            self.roster[contact.address] = contact
        self.set_roster(version, list(self.roster.values()))

    def commit(self):
        """Returns when what was noted is as safe as it was asked to be."""

    def close(self):
        """Nothing will be noted any more."""

    def _remember(self, key):
        self.seen[key] = None
        self.seen.move_to_end(key)
        while len(self.seen) > SEEN_MAX:
            self.seen.popitem(last=False)

    def _note(self, *change):
        pass


class FileState(State):
    """The same, in `path` and `path`.journal. One process at a time; a second one is refused."""

    def __init__(self, path, durable=False):
        super().__init__()
        self.path = pathlib.Path(path)
        self.durable = durable
        self.generation, self.lines, self.unsafe = 0, 0, False
        self.journal = os.open(str(self.path) + ".journal", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock()
        self._load()
        self._snapshot()

    def commit(self):
        if self.unsafe and self.durable:
            os.fsync(self.journal)
        self.unsafe = False

    def close(self):
        if self.journal is not None:
            self._snapshot()
            os.close(self.journal)
            self.journal = None

    def _lock(self):
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self.journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.journal)
            raise CrosspointError("%s is in use by another process" % self.path) from None

    def _note(self, *change):
        if self.journal is None:
            return
        self._write(json.dumps(change, separators=(",", ":")))
        self.lines += 1
        self.unsafe = True
        if self.lines >= JOURNAL_LINES_MAX:
            self._snapshot()

    def _write(self, line):
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self.journal, data):]

    def _snapshot(self):
        """Replaces the snapshot, then empties the journal. Killed between the two, the old journal has the old
        generation and is not read."""
        self.generation += 1
        image = {
            "generation": self.generation, "serial": self.serial, "cursor": [self.epoch, self.offset],
            "outbox": [[one.serial, one.verb, one.flags, one.body.hex()] for one in self.outbox.values()],
            "seen": [list(key) for key in self.seen], "resource": self.resource,
            "ticket": [self.ticket[0].hex(), *self.ticket[1:]] if self.ticket else None,
            "roster": [self.roster_version, [_plain(one) for one in self.roster.values()]],
        }
        beside = self.path.with_name(self.path.name + ".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
            json.dump(image, sink, separators=(",", ":"))
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(beside, self.path)
        self._settle_folder()
        os.ftruncate(self.journal, 0)
        self._write(str(self.generation))
        self.lines, self.unsafe = 0, False

    def _settle_folder(self):
        """The new name is on the disk before the journal is emptied: or, after a power cut, neither would have what it held."""
        if not self.durable or not hasattr(os, "O_DIRECTORY"):
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _load(self):
        if self.path.exists():
            try:
                self._take_image(json.loads(self.path.read_text()))
            except (ValueError, KeyError, TypeError) as error:
                raise CrosspointError("%s is not a client's state: %s" % (self.path, error)) from None
        os.lseek(self.journal, 0, os.SEEK_SET)
        with open(os.dup(self.journal), "rb") as source:
            generation, *lines = source.read().split(b"\n")
        if generation == str(self.generation).encode():
            try:
                for line in lines[:-1]:
                    self._replay(*json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise CrosspointError("%s.journal is damaged: %s" % (self.path, error)) from None
        self.outbox_bytes = sum(len(one.body) for one in self.outbox.values())

    def _take_image(self, image):
        self.generation, self.serial, self.resource = image["generation"], image["serial"], image["resource"]
        self.epoch, self.offset = image["cursor"]
        for row in image["outbox"]:
            self._replay("out", *row)
        for key in image["seen"]:
            self._remember(tuple(key))
        self._replay("ticket", image["ticket"])
        self._replay("roster", *image["roster"])

    def _replay(self, change, *values):
        if change == "out":
            serial, verb, flags, body = values
            self.serial = max(self.serial, serial)
            self.outbox[serial] = Outgoing(serial, verb, flags, bytes.fromhex(body), tried=True)
        elif change == "done":
            self.outbox.pop(values[0], None)
        elif change == "seen":
            self._remember(values)
        elif change == "cursor":
            self.epoch, self.offset = values
        elif change == "ticket":
            self.ticket = (bytes.fromhex(values[0][0]), values[0][1], values[0][2]) if values[0] else None
        elif change == "resource":
            self.resource = values[0]
        elif change == "roster":
            self.roster_version = values[0]
            self.roster = {row[0]: wire.Contact(row[0], row[1], tuple(row[2]), *row[3:]) for row in values[1]}


def open_state(path, durable=False):
    """A state in that file, or in memory alone without a path."""
    return FileState(path, durable) if path else State()


def _plain(contact):
    return [contact.address, contact.name, list(contact.groups), int(contact.subscription), contact.asked,
            contact.removed, contact.approved]
