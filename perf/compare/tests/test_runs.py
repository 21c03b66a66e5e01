"""What is read of a run, and what becomes of one that fails."""

import sys
import unittest

from comparison import loadgen, memory, scenarios, servers
from tests import documents


class Judging(unittest.TestCase):
    def test_a_run_that_lost_messages_is_no_figure(self):
        with self.assertRaisesRegex(loadgen.Failed, "exit code 1: 3 messages were lost"):
            loadgen.judged(1, '{"verdict": {"ok": false, "reasons": ["3 messages were lost"]}}', "")

    def test_without_a_document_the_last_words_are_the_reason(self):
        with self.assertRaisesRegex(loadgen.Failed, "exit code 3: cannot reach 127.0.0.1:5222"):
            loadgen.judged(3, "", "cannot reach 127.0.0.1:5222\n")

    def test_a_generator_that_hangs_is_ended(self):
        with self.assertRaisesRegex(loadgen.Failed, "not done after 1 s"):
            loadgen.capture([sys.executable, "-c", "import time; time.sleep(60)"], 1)

    def test_figures_are_found_by_unit_in_the_whole_or_a_phase(self):
        run = documents.run(documents.figures("drained"), [documents.figures("stored", cpu_us=7.0)])
        self.assertEqual(loadgen.figures(run, "stored")["server_cpu_us_each"], 7.0)
        self.assertEqual(loadgen.figures(run, "drained")["server_cpu_us_each"], 5.0)
        with self.assertRaisesRegex(loadgen.Failed, "no figures for messages_received"):
            loadgen.figures(run, "messages_received")


class Scenarios(unittest.TestCase):
    class Generator:
        """Answers runs with documents made beforehand, and keeps what it was told."""

        def __init__(self, *answers):
            self.answers, self.told = list(answers), []

        def run(self, name, document, seconds):
            self.told.append((name, document))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    class Server:
        name, is_switch, chat = "crosspoint", True, {}

        def target(self, mode="plain"):
            return {"target": {"addresses": ["127.9.9.9:5222"], "security": servers.Server.security[mode]},
                    "watch": {"server_pids": [7]}}

    def bench(self, *answers):
        return scenarios.Bench(self.Generator(*answers), seconds=4, warmup=1)

    def test_the_half_of_saturation_is_of_the_closed_loop(self):
        closed = documents.run(documents.figures("messages_received", per_second=8000.0))
        opened = documents.run(documents.figures("messages_received", per_second=4000.0, latency="message"))
        bench = self.bench(closed, opened)
        row = scenarios.open_loop()(bench, self.Server(), "tls")
        self.assertEqual(row["p99_us"], 100.0)
        name, document = bench.generator.told[1]
        self.assertEqual((name, document["scenario"]["chat"]["mode"]["open"]["rate_per_s"]), ("open-tls-crosspoint", 4000.0))
        self.assertEqual(document["target"], {"addresses": ["127.9.9.9:5222"], "security": "starttls"})

    def test_what_is_kept_for_nobody_is_asked_for_as_that_in_closed_and_open_loops(self):
        class Volatile(self.Server):
            name, chat = "crosspoint-icpp-volatile", {"store": False}
        opened = documents.figures("messages_received", per_second=1000.0, latency="message")
        bench = self.bench(documents.run(documents.figures("messages_received")), documents.run(opened))
        scenarios.chat(1)(bench, Volatile(), "plain")
        scenarios.open_loop(1000)(bench, Volatile(), "plain")
        self.assertEqual([document["scenario"]["chat"]["store"] for _, document in bench.generator.told], [False, False])

    class Shards(Server):
        """Counts, before and after each run, what goes from shard to shard."""

        def __init__(self, *counted):
            self.counted = list(counted)

        def figure(self, name):
            return self.counted.pop(0)

    def crossing(self, *counted):
        runs = [{**documents.run(documents.figures("messages_received", per_second, cpu_us)), "whole": {"messages_sent": 100}}
                for per_second, cpu_us in ((900.0, 3.0), (800.0, 4.0))]
        bench = self.bench(*runs)
        return bench, scenarios.crossing(32)(bench, self.Shards(*counted), "plain")

    def test_a_share_of_crossing_pairs_that_is_not_what_was_asked_for_is_no_figure(self):
        with self.assertRaisesRegex(loadgen.Failed, "0 % of the pairs were to cross, 0.50 items a message did"):
            self.crossing(0, 50)
        with self.assertRaisesRegex(loadgen.Failed, "50 % of the pairs were to cross, 0.10 items a message did"):
            self.crossing(0, 1, 1, 11)

    def test_crossing_is_what_is_left_of_the_efficiency_without(self):
        bench, row = self.crossing(7, 8, 8, 58)
        self.assertEqual(row, {"per_second": 800.0, "cpu_us": 4.0, "crossed": 0.5, "uncrossed_cpu_us": 3.0, "efficiency": 75.0})
        told = [document for _, document in bench.generator.told]
        self.assertEqual([document["scenario"]["chat"]["crossing"] for document in told],
                         [{"shards": 2, "share": 0.0}, {"shards": 2, "share": 0.5}])
        self.assertEqual(told[0]["load"]["cores"], [0, 1])

    def test_a_rate_that_is_not_kept_up_is_a_failure_and_not_a_latency(self):
        slow = documents.run(documents.figures("messages_received", per_second=900.0, latency="message"))
        with self.assertRaisesRegex(loadgen.Failed, "1000 a second were due, 900 arrived"):
            scenarios.open_loop(1000)(self.bench(slow), self.Server(), "plain")

    def test_presence_counts_the_highest_rate_that_was_kept_up(self):
        def at(changes):
            return documents.run(documents.figures("presence_received", changes * 20.0, 25.0, "presence"))
        bench = self.bench(at(60), at(250), at(1000), at(2000))
        row = scenarios.presence(bench, self.Server(), "plain")
        self.assertEqual((row["per_second"], row["per_cpu_second"]), (20_000.0, 40_000.0))

    def test_presence_with_tls_is_the_same_over_an_encrypted_connection(self):
        def at(changes):
            return documents.run(documents.figures("presence_received", changes * 20.0, 25.0, "presence"))
        bench = self.bench(at(60), at(100))
        scenarios.presence(bench, self.Server(), "tls")
        for (name, document), changes in zip(bench.generator.told, (60, 250)):
            self.assertEqual(name, "presence-%d-tls-crosspoint" % changes)
            self.assertEqual(document["target"]["security"], "starttls")
            self.assertEqual(document["users"]["roster"], {"size": 20})
            self.assertEqual(document["scenario"]["presence"], {"rate_per_s": float(changes), "arrivals": "even"})

    def test_presence_that_fails_at_once_fails(self):
        with self.assertRaisesRegex(loadgen.Failed, "no roster"):
            scenarios.presence(self.bench(loadgen.Failed("no roster")), self.Server(), "plain")

    def test_memory_is_the_slope_and_not_what_the_process_takes_anyway(self):
        runs = [documents.run({}, logins=count, resident=(50 << 20, (60 << 20) + 2048 * count)) for count in memory.POINTS]
        bench = self.bench(*runs)
        bench.open_server = lambda server: server
        row = memory.slope(bench, self.Server(), "plain")
        self.assertAlmostEqual(row["session_bytes"], 2048)
        self.assertAlmostEqual(row["start_mib"], 50)
        self.assertAlmostEqual(row["million_gib"], (2048e6 + (60 << 20)) / 2**30)

    def test_a_relay_gets_the_messages_with_no_protocol_around_them_one_connection_after_another(self):
        class Relay(self.Server):
            name, is_switch = "relay-ring-icpp", False

            def target(self, mode="plain"):
                return {"target": {"addresses": ["127.9.9.9:5222"], "protocol": "icpp"}, "watch": {"server_pids": [7]}}
        bench = self.bench(documents.run(documents.figures("messages_received")))
        self.assertEqual(scenarios.chat(1)(bench, Relay(), "plain"), {"per_second": 1000.0, "cpu_us": 5.0})
        _, document = bench.generator.told[0]
        self.assertEqual((document["scenario"], document["load"]["concurrency"], document["target"]["protocol"]),
                         ({"floor": {"window": 1}}, 1, "icpp"))

    def test_memory_with_tls_holds_encrypted_sessions_at_every_point(self):
        for mode, security in (("tls", "starttls"), ("plain", "plain")):
            runs = [documents.run({}, logins=count, resident=(0, 5000 * count)) for count in memory.POINTS]
            bench = self.bench(*runs)
            bench.open_server = lambda server: server
            self.assertAlmostEqual(memory.slope(bench, self.Server(), mode)["session_bytes"], 5000)
            told = [document for _, document in bench.generator.told]
            self.assertEqual([document["users"]["count"] for document in told], list(memory.POINTS))
            self.assertEqual({document["target"]["security"] for document in told}, {security})

    def test_memory_over_icpp_is_of_the_port_with_tls_where_tls_is_measured(self):
        class Icpp(self.Server):
            def target(self, mode="plain"):
                return {"target": {"addresses": ["127.9.9.9:" + {"plain": "5299", "tls": "5300"}[mode]]},
                        "watch": {"server_pids": [7]}}
        bench = self.bench(documents.run({}, logins=10))
        memory.hold(bench, [Icpp()], "tls", 10)
        self.assertEqual(bench.generator.told[0][1]["target"]["addresses"], ["127.9.9.9:5300"])

    def test_memory_of_fewer_sessions_than_were_asked_for_is_no_figure(self):
        runs = [documents.run({}, logins=count - 1, resident=(0, 5000 * count)) for count in memory.POINTS]
        with self.assertRaisesRegex(loadgen.Failed, "999 of 1000 sessions"):
            memory.slope(self.bench(*runs), self.Server(), "tls")

    def test_names_are_chosen_in_the_tables_order(self):
        chosen = [scenario.name for scenario in scenarios.chosen(["offline", "chat-1"])]
        self.assertEqual(chosen, ["chat-1", "offline"])
        with self.assertRaisesRegex(ValueError, "no scenario is called rooms"):
            scenarios.chosen(["rooms"])
