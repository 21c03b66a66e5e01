"""What perf/instructions/run makes of its figures. Run: python3 perf/instructions/test_run.py"""

import contextlib
import importlib.machinery
import importlib.util
import io
import tempfile
import tomllib
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
loader.exec_module(run)

EXPECTED = {"toolchain": "rustc 1.0.0", "tolerance_percent": 3, "instructions": {"chat": 1000, "login": 5000}}


class Comparison(unittest.TestCase):
    def test_what_stays_within_the_tolerance_is_no_regression(self):
        rows, regressions = run.compare({"chat": 1029, "login": 4900}, EXPECTED)
        self.assertEqual(regressions, [])
        self.assertEqual([row[3] for row in rows], ["+2.9 %", "-2.0 %"])

    def test_what_is_dearer_is_a_regression(self):
        rows, regressions = run.compare({"chat": 1031, "login": 5000}, EXPECTED)
        self.assertEqual(regressions, ["chat"])
        self.assertTrue(rows[0][3].endswith("DEARER"))

    def test_what_is_cheaper_or_new_is_said(self):
        rows, regressions = run.compare({"chat": 500, "offline": 70}, EXPECTED)
        self.assertEqual(regressions, [])
        self.assertIn("cheaper", rows[0][3])
        self.assertIn("new", rows[1][3])

    def test_what_is_written_can_be_read(self):
        self.assertEqual(tomllib.loads(run.render("rustc 1.0.0", 3, EXPECTED["instructions"])), EXPECTED)


class Verdict(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        run.EXPECTED = Path(folder.name) / "expected.toml"
        run.EXPECTED.write_text(run.render("rustc 1.0.0", 3, EXPECTED["instructions"]))

    def report(self, version, counted):
        run.toolchain = lambda: version
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = run.report(counted, {"chat": "message"})
        return code, out.getvalue()

    def test_a_regression_ends_with_1(self):
        code, said = self.report("rustc 1.0.0", {"chat": 1100})
        self.assertEqual(code, 1)
        self.assertIn("dearer than expected: chat", said)

    def test_another_toolchain_only_warns(self):
        code, said = self.report("rustc 2.0.0", {"chat": 1100})
        self.assertEqual(code, 0)
        self.assertIn("warning", said)

    def test_as_expected_ends_with_0(self):
        self.assertEqual(self.report("rustc 1.0.0", {"chat": 1000})[0], 0)


class Valgrind(unittest.TestCase):
    def test_its_sum_is_found(self):
        self.assertEqual(run.collected("==7== Events : Ir\n==7== Collected : 36960636\n==7==\n"), 36960636)

    def test_its_silence_is_trouble(self):
        with self.assertRaises(run.Trouble):
            run.collected("==7== nothing")

    def test_an_unknown_scene_is_trouble(self):
        with self.assertRaises(run.Trouble):
            run.choose([["chat", "message", "about"]], ["chta"])


if __name__ == "__main__":
    unittest.main()
