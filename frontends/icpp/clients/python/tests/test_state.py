"""The state file: killed at any point, it has everything that was noted."""

import os
import pathlib
import stat
import tempfile
import unittest
import unittest.mock

from crosspoint import state, wire
from crosspoint.errors import CrosspointError


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "romeo.state"
        self.addCleanup(self.folder.cleanup)

    def killed(self, one):
        """As the process that held it would leave it."""
        os.close(one.journal)
        one.journal = None

    def filled(self):
        one = state.FileState(self.path)
        one.add(wire.Verb.SEND, 0, b"first")
        done = one.add(wire.Verb.SEND, wire.Flag.NOSTORE, b"second")
        one.add(wire.Verb.EDIT, 0, b"third")
        one.done(done)
        one.saw(("a@b", "00ff"))
        one.read_to(7, 99)
        one.set_ticket((b"\x01\x02", 1234.5, "icpp://h"))
        one.set_resource("desk")
        one.set_roster(3, [wire.Contact("a@b", "A", ("x",), 2, True, approved=True)])
        return one

    def check(self, one):
        self.assertEqual([item.body for item in one.outbox.values()], [b"first", b"third"])
        self.assertTrue(all(item.tried for item in one.outbox.values()))
        self.assertEqual(list(one.seen), [("a@b", "00ff")])
        self.assertEqual((one.epoch, one.offset, one.resource), (7, 99, "desk"))
        self.assertEqual(one.ticket, (b"\x01\x02", 1234.5, "icpp://h"))
        self.assertEqual((one.roster_version, one.roster), (3, {"a@b": wire.Contact("a@b", "A", ("x",), 2, True, approved=True)}))

    def test_killed_with_only_a_journal(self):
        self.killed(self.filled())
        one = state.FileState(self.path)
        self.check(one)
        self.killed(one)
        self.check(state.FileState(self.path))

    def test_closed_in_order(self):
        self.filled().close()
        self.check(state.FileState(self.path))

    def test_a_snapshot_has_its_name_on_the_disk_before_the_journal_is_emptied(self):
        """Found by reading: after a power cut in between, the old snapshot would have been left, and an empty journal."""
        calls = []
        sync, truncate = os.fsync, os.ftruncate

        def noted_sync(one):
            calls.append("folder" if stat.S_ISDIR(os.fstat(one).st_mode) else "file")
            sync(one)

        def noted_truncate(one, size):
            calls.append("emptied")
            truncate(one, size)
        with unittest.mock.patch("os.fsync", noted_sync), unittest.mock.patch("os.ftruncate", noted_truncate):
            state.FileState(self.path, durable=True).close()
        self.assertEqual(calls, ["file", "folder", "emptied"] * 2)

    def test_a_journal_that_is_damaged_in_the_middle_is_said_to_be(self):
        self.killed(self.filled())
        with open(str(self.path) + ".journal", "ab") as journal:
            journal.write(b'["out",9,32\n["done",1]\n')
        with self.assertRaisesRegex(CrosspointError, "journal is damaged"):
            state.FileState(self.path)

    def test_a_torn_line_at_the_end_was_not_noted(self):
        self.killed(self.filled())
        with open(str(self.path) + ".journal", "ab") as journal:
            journal.write(b'["out",9,32,0,"61')
        self.check(state.FileState(self.path))

    def test_killed_between_snapshot_and_emptying_the_journal(self):
        one = self.filled()
        journal = pathlib.Path(str(self.path) + ".journal").read_bytes()
        one._snapshot()
        self.killed(one)
        pathlib.Path(str(self.path) + ".journal").write_bytes(journal)
        self.check(state.FileState(self.path))

    def test_serials_are_never_used_again(self):
        one = self.filled()
        serial = one.serial
        self.killed(one)
        self.assertGreater(state.FileState(self.path).add(wire.Verb.SEND, 0, b"next").serial, serial)

    def test_a_second_process_is_refused(self):
        self.filled()
        with self.assertRaises(CrosspointError):
            state.FileState(self.path)

    def test_a_file_of_something_else_is_refused(self):
        self.path.write_text("dear diary")
        with self.assertRaises(CrosspointError):
            state.FileState(self.path)

    def test_the_journal_does_not_grow_without_end(self):
        one = state.FileState(self.path)
        for number in range(2 * state.JOURNAL_LINES_MAX + 10):
            one.saw(("a@b", "%d" % number))
        self.assertLess(one.lines, state.JOURNAL_LINES_MAX)
        self.assertEqual(len(one.seen), state.SEEN_MAX)
        self.assertGreaterEqual(state.SEEN_MAX, 1024)
        self.killed(one)
        self.assertEqual(list(state.FileState(self.path).seen), list(one.seen))
