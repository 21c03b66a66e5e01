"""The arithmetic of what ICPP must show, and the run that measures it."""

import contextlib
import io
import unittest

from comparison import cli, presets, scenarios, schedule, servers, targets


def cpu(value):
    return [{"cpu_us": value, "per_second": 1e6 / value}]


def rows(**changes):
    """Enough rows for every line; each target met with nothing to spare."""
    found = {
        ("chat-32", "plain", "crosspoint-icpp"): cpu(1.0), ("chat-32", "plain", "crosspoint-icpp-volatile"): cpu(0.15),
        ("chat-1", "plain", "crosspoint-icpp"): cpu(2.3), ("chat-1", "plain", "crosspoint-icpp-volatile"): cpu(2.0),
        ("chat-32", "plain", "relay-epoll-icpp"): cpu(0.12), ("chat-32", "plain", "relay-ring-icpp"): cpu(0.1),
        ("chat-32", "plain", "relay-monoio-icpp"): cpu(0.2), ("chat-1", "plain", "relay-epoll-icpp"): cpu(2.0),
        ("chat-1", "plain", "relay-ring-icpp"): cpu(1.0), ("chat-1", "plain", "relay-monoio-icpp"): cpu(2.5),
        ("chat-1", "plain", "crosspoint-icpp-front"): cpu(4.6), ("chat-32", "plain", "crosspoint-icpp-front"): cpu(1.5),
        ("memory", "plain", "crosspoint-icpp"): [{"session_bytes": 900.0}],
        ("memory", "tls", "crosspoint-icpp"): [{"session_bytes": 12_345.0}],
        ("rooms-1-steady", "plain", "crosspoint"): [{"per_cpu_second": 2e6}],
        ("rooms-1-steady", "plain", "crosspoint-icpp"): [{"per_cpu_second": 3e6}],
    }
    for server in ("crosspoint-icpp", "crosspoint-icpp-volatile"):
        found["cross-32", "plain", server] = [{"cpu_us": 0.4, "uncrossed_cpu_us": 0.3, "crossed": 0.47, "efficiency": 75.0}]
    return {**found, **changes.get("changed", {})}


def verdicts(found):
    """The last cell of each target's row."""
    lines = [line for line in targets.icpp(found) if line.startswith("| ")][1:]
    return [line.rstrip(" |").rpartition("| ")[2] for line in lines]


class Verdicts(unittest.TestCase):
    def test_what_is_just_held_is_met(self):
        self.assertEqual(verdicts(rows()), ["met"] * 6)

    def test_at_window_32_the_rate_or_the_ratio_is_enough(self):
        for durable, said in ((1.01, "**missed**"), (0.99, "met"), (0.15, "met")):
            found = rows(changed={("chat-32", "plain", "crosspoint-icpp"): cpu(durable)})
            self.assertEqual(verdicts(found)[0], said, durable)
        slow = {("chat-32", "plain", name): cpu(value) for name, value in
                (("crosspoint-icpp", 2.9), ("relay-epoll-icpp", 2.0), ("relay-ring-icpp", 2.1))}
        self.assertEqual(verdicts(rows(changed=slow))[0], "met", "a slow machine has a slow floor")

    def test_the_floor_at_window_32_is_the_cheaper_relay_and_at_window_1_epoll(self):
        medians = targets.Medians(rows())
        self.assertAlmostEqual(targets.to_floor(medians, "chat-32", "crosspoint-icpp-volatile"), 1.5)
        self.assertAlmostEqual(targets.to_floor(medians, "chat-1", "crosspoint-icpp"), 1.15)

    def test_window_1_and_crossing_have_bounds_of_their_own(self):
        found = rows(changed={("chat-1", "plain", "crosspoint-icpp"): cpu(2.31),
                              ("cross-32", "plain", "crosspoint-icpp-volatile"): [{"efficiency": 74.9}]})
        self.assertEqual(verdicts(found), ["met", "met", "**missed**", "met", "**missed**", "met"])

    def test_how_much_really_crossed_stands_beside_the_verdict(self):
        lines = [line for line in targets.icpp(rows()) if "0.47 items a message" in line]
        self.assertEqual(len(lines), 2)

    def test_medians_are_of_all_rounds(self):
        found = rows(changed={("chat-1", "plain", "crosspoint-icpp"): cpu(9.0) + cpu(2.2) + cpu(2.1)})
        self.assertAlmostEqual(targets.Medians(found).ratio("chat-1", "crosspoint-icpp", "relay-epoll-icpp"), 1.1)

    def test_what_was_not_measured_is_not_judged(self):
        self.assertEqual(verdicts({}), ["not measured"] * 6)
        without_floor = rows(changed={("chat-32", "plain", name): [] for name in ("relay-epoll-icpp", "relay-ring-icpp")})
        self.assertEqual(verdicts(without_floor)[0], "met", "a million is a million")

    def test_the_rest_is_told(self):
        text = "\n".join(targets.icpp(rows()))
        for part in ("1.150 times relay-epoll-icpp, 0.920 times relay-monoio-icpp",
                     "against direct: 2.000 times at window 1, 1.500 times at window 32", "3,000,000 copies a second of CPU, 1.500 times",
                     "plain 900 bytes, tls 12,345 bytes", "1,000,000 a second of CPU (1,000,000 a second), 10.000 times the floor"):
            self.assertIn(part, text)


class TheRun(unittest.TestCase):
    preset = presets.PRESETS["icpp"]

    def options(self, *words):
        return cli.arguments(list(words))

    def test_it_takes_at_most_a_quarter_of_an_hour(self):
        steps = self.preset.steps(self.preset.rounds)
        whole = sum(schedule.estimate_s(step, self.preset.seconds, self.preset.warmup) for step in steps)
        self.assertLess(whole, 15 * 60)

    def test_it_measures_all_that_is_judged_or_told(self):
        class Asked(dict):
            seen = set()

            def get(self, place, default=None):
                Asked.seen.add(place)
                return default
        targets.icpp(Asked())
        taken = {(step.scenario.name, step.mode, step.server) for step in self.preset.steps(1)}
        self.assertLessEqual(Asked.seen, taken)

    def test_rounds_are_interleaved_and_memory_is_measured_once(self):
        steps = self.preset.steps(2)
        first = [step.server for step in steps if step.scenario.name == "chat-1"]
        self.assertEqual(first[:len(first) // 2], first[len(first) // 2:])
        self.assertEqual(len([step for step in steps if step.scenario.name == "memory"]), 2)

    def test_every_step_is_one_that_the_scenario_takes(self):
        for step in self.preset.steps(1):
            self.assertTrue(step.scenario.takes(step.server, step.mode))
        wanted = {(part_scenario, server) for part in self.preset.parts for part_scenario in part.scenarios
                  for server in part.servers}
        self.assertEqual({(step.scenario.name, step.server) for step in self.preset.steps(1)}, wanted)

    def test_flags_win_over_the_preset_and_the_preset_over_what_is_usual(self):
        options = self.options("--preset", "icpp", "--seconds", "1")
        self.assertEqual((options.rounds, options.seconds, options.warmup), (4, 1.0, 1))
        self.assertNotIn("ejabberd", options.servers)
        usual = self.options()
        self.assertEqual((usual.rounds, usual.seconds, usual.warmup, usual.servers), (5, 10, 2, list(servers.SERVERS)))
        self.assertEqual(usual.modes, list(scenarios.MODES))

    def test_a_preset_and_a_choice_of_scenarios_contradict_each_other(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
            self.options("--preset", "icpp", "--only", "chat-1")
        self.assertIn("--preset chooses scenarios", said.getvalue())
