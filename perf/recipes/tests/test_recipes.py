"""Stacks are folded as they were, pictures are whole, and scripts name only probes and arguments that there are."""

import shutil
import subprocess
import unittest
import xml.etree.ElementTree

from tools import picture, scripts, stacks

SCRIPTED = """shard-0  7731  1234.567890: cpu-clock:
\t    55d0a1b2c3d4 crosspoint_engine::shard::Shard::input::h0123456789abcdef+0x14 (/opt/crosspoint)
\t    55d0a1b2c3e0 [unknown] (/usr/lib/libc.so.6)

shard-0  7731  1234.568890: cpu-clock:
\tffffffff81234567 tcp_sendmsg+0x10 ([kernel.kallsyms])
\t    55d0a1b2c3e0 [unknown] (/usr/lib/libc.so.6)

shard-0  7731  1234.569890: cpu-clock:
\tffffffff81234567 tcp_sendmsg+0x99 ([kernel.kallsyms])
\t    55d0a1b2c3e0 [unknown] (/usr/lib/libc.so.6)
"""


class Stacks(unittest.TestCase):
    def test_samples_of_the_same_stack_are_one_line(self):
        counts = stacks.folded(SCRIPTED.splitlines())
        self.assertEqual(stacks.to_text(counts),
                         "[libc.so.6];crosspoint_engine::shard::Shard::input 1\n[libc.so.6];tcp_sendmsg_[k] 2\n")

    def test_the_tree_counts_callers_with_their_callees(self):
        root = stacks.tree(stacks.folded(SCRIPTED.splitlines()))
        self.assertEqual((root.count, root.children["[libc.so.6]"].count), (3, 3))
        self.assertEqual(root.children["[libc.so.6]"].children["tcp_sendmsg_[k]"].count, 2)

    def test_generic_names_keep_their_brackets_and_spaces(self):
        line = "\t  55d0 <alloc::rc::Rc<T> as core::ops::Drop>::drop+0x3 (/opt/crosspoint)"
        self.assertEqual(list(stacks.folded([line])), [("<alloc::rc::Rc<T> as core::ops::Drop>::drop",)])


class Picture(unittest.TestCase):
    def test_the_picture_is_xml_with_a_box_for_each_function(self):
        drawn = picture.svg(stacks.tree(stacks.folded(SCRIPTED.splitlines())), "a <title> & more")
        root = xml.etree.ElementTree.fromstring(drawn)
        names = [element.get("data-n") for element in root.iter() if element.get("class") == "f"]
        self.assertEqual(sorted(names), ["[libc.so.6]", "all", "crosspoint_engine::shard::Shard::input", "tcp_sendmsg"])
        self.assertNotIn("http:", drawn.replace("http://www.w3.org/", ""))

    def test_an_empty_profile_is_no_division_by_zero(self):
        xml.etree.ElementTree.fromstring(picture.svg(stacks.Node("all"), "nothing"))


class Scripts(unittest.TestCase):
    def test_every_script_names_probes_and_arguments_that_there_are(self):
        listed = scripts.listed()
        self.assertGreater(len(listed), 8)
        for name in scripts.names():
            used = scripts.probes(scripts.text(name))
            self.assertTrue(used, name + " uses a probe of the server")
            for probe, highest in used.items():
                self.assertIn(probe, listed, name)
                self.assertLess(highest, listed[probe], "%s: arguments of %s" % (name, probe))

    def test_a_script_that_looks_at_too_many_arguments_is_seen(self):
        script = "usdt:target/release/crosspoint:crosspoint:turn_end\n/arg0 == 1/\n{\n    @ = hist(arg7);\n}\n"
        self.assertEqual(scripts.probes(script), {"turn_end": 7})

    @unittest.skipUnless(shutil.which("bpftrace"), "bpftrace is not installed")
    def test_every_script_is_understood_by_bpftrace(self):
        for name in scripts.names():
            done = subprocess.run(["bpftrace", "-d", "-e", scripts.text(name), "1"], capture_output=True, text=True)
            # What it cannot find on this machine it finds after it has parsed; a script it cannot parse has no tree.
            self.assertNotIn("syntax error", done.stderr, name)
            self.assertIn("Program", done.stdout + done.stderr, name)

    def test_system_calls_are_shown_by_name(self):
        self.assertEqual(scripts.readable("Attaching 3 probes...\n\n@syscall[426]: 12\n@syscall[9999]: 1\n"),
                         "@syscall[io_uring_enter]: 12\n@syscall[9999]: 1\n")
