"""Rounds are interleaved, failures stay visible, and nothing that was started is left running."""

import pathlib
import tempfile
import unittest

from comparison import children, crosspoint, loadgen, report, scenarios, schedule, servers, stage


class Stage:
    def server(self, step, ahead):
        return step.server


def scenario(carry_out, **more):
    return scenarios.Scenario("one", "One", ("cpu_us",), carry_out, modes=("plain",), **more)


class Schedule(unittest.TestCase):
    def test_rounds_go_from_server_to_server(self):
        steps = schedule.steps([scenario(None)], ["crosspoint", "ejabberd", "prosody"], ["plain", "tls"], 2)
        self.assertEqual([step.server[0] + str(step.round) for step in steps], ["c0", "e0", "p0", "c1", "e1", "p1"])

    def test_relays_take_part_without_tls_only(self):
        steps = schedule.steps(scenarios.chosen(["chat-1"]), ["crosspoint", "relay-epoll"], ["plain", "tls"], 1)
        self.assertEqual([(step.mode, step.server) for step in steps],
                         [("plain", "crosspoint"), ("plain", "relay-epoll"), ("tls", "crosspoint")])

    def test_presence_and_memory_are_measured_on_all_servers_with_and_without_tls(self):
        steps = schedule.steps(scenarios.chosen(["presence", "memory"]), list(servers.SERVERS), list(scenarios.MODES), 1)
        for name, contenders in (("presence", scenarios.SWITCHES), ("memory", scenarios.SWITCHES)):
            for mode in ("plain", "tls"):
                taken = [step.server for step in steps if (step.scenario.name, step.mode) == (name, mode)]
                self.assertEqual(sorted(taken), sorted(contenders), (name, mode))

    def test_what_is_measured_once_is_measured_once(self):
        self.assertEqual(len(schedule.steps([scenario(None, once=True)], ["prosody"], ["plain"], 5)), 1)

    def test_a_failure_is_reported_and_the_rest_goes_on(self):
        def carry_out(bench, server, mode):
            if server == "prosody":
                raise loadgen.Failed("2 messages were lost")
            return {"cpu_us": {"crosspoint": 2.0, "ejabberd": 30.0}[server]}
        steps = schedule.steps([scenario(carry_out)], ["crosspoint", "prosody", "ejabberd"], ["plain"], 3)
        said = []
        results = schedule.carry_out(steps, Stage(), scenarios.Bench(None, 4, 1), say=said.append)
        self.assertEqual(len(said), 1 + 9)
        self.assertIn("about 1:12", said[0])
        text = report.sections(steps, results)
        self.assertIn("| crosspoint | 2.00 (2.00 to 2.00) | 1.00 x |", text)
        self.assertIn("| ejabberd | 30.00 (30.00 to 30.00) | 15.00 x |", text)
        self.assertIn("| prosody (failed) | – | – |", text)
        self.assertIn("- prosody failed 3 of 3 times: 2 messages were lost", text)


    def test_a_table_says_what_an_acknowledgement_means_for_whom(self):
        for name, by_xmpp in (("chat-32", scenarios.NOTHING), ("safe-32", scenarios.SAFE)):
            one = scenarios.chosen([name])[0]
            lines = report.promises(one, ["crosspoint", "ejabberd", "crosspoint-icpp", "crosspoint-icpp-volatile", "relay-ring"])
            self.assertEqual(lines[:3], ["- %s: crosspoint, ejabberd" % by_xmpp, "- %s: crosspoint-icpp" % crosspoint.DURABLE,
                                         "- %s: crosspoint-icpp-volatile" % crosspoint.VOLATILE])
        self.assertIn("\n- %s: prosody" % scenarios.NOTHING, report.table(
            scenarios.chosen(["chat-1"])[0], "plain", ["prosody"], schedule.Results()))
        self.assertEqual(report.table(scenario(None), "plain", ["prosody"], schedule.Results()).count("\n"), 4)


class Writing(unittest.TestCase):
    def test_a_report_takes_the_place_of_the_last_one_and_leaves_the_rest(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "RESULTS.md"
            path.write_text("# Measured results\n\nby hand\n")
            report.write(path, "first")
            path.write_text(path.read_text() + "\nafter\n")
            report.write(path, "second")
            text = path.read_text()
        self.assertEqual(text.count(report.BEGIN), 1)
        self.assertNotIn("first", text)
        for part in ("by hand", "second", "after"):
            self.assertIn(part, text)


    def test_a_report_can_be_added_to_the_last_one(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "RESULTS.md"
            report.write(path, "first")
            report.write(path, "second", add=True)
            text = path.read_text()
        self.assertLess(text.index("first"), text.index("second"))
        self.assertEqual((text.count(report.BEGIN), text.count(report.END)), (1, 1))


class Children(unittest.TestCase):
    def test_whatever_runs_is_ended_with_its_children(self):
        with tempfile.TemporaryDirectory() as folder:
            child = children.Child(["sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60"], pathlib.Path(folder) / "log")
            children.wait_for(lambda: len(children.family(child.pid)) == 2, 5, "the shell's child")
            members = children.family(child.pid)
            self.addCleanup(child.popen.poll)
            children.Child.running[child.pid].stop(seconds=0.1)
        children.wait_for(lambda: not any(running(pid) for pid in members), 5, "both to end")
        self.assertEqual(children.Child.running, {})


def running(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Accounts(unittest.TestCase):
    def test_scram_keys_are_those_of_rfc_5802(self):
        import base64
        stored_key, server_key = servers.scram_keys("pencil", base64.b64decode("QSXCR+Q6sek8bf92"), 4096)
        self.assertEqual(base64.b64encode(stored_key), b"6dlGYMOdZcOPutkcNY8U2g7vK9Y=")
        self.assertEqual(base64.b64encode(server_key), b"D+CSWLOshSulAsxiupA+qs2/fTE=")


class Targets(unittest.TestCase):
    def target(self, kind, mode):
        with tempfile.TemporaryDirectory() as folder:
            server = kind(pathlib.Path(folder), 1)
            server.child = type("Child", (), {"pid": 0})
            return server.address, server.target(mode)["target"]

    def test_the_same_server_is_loaded_by_either_protocol(self):
        address, by_xmpp = self.target(servers.Crosspoint, "tls")
        self.assertEqual(by_xmpp, {"addresses": [address + ":5222"], "domain": servers.DOMAIN, "security": "starttls"})
        for mode, port in (("plain", "5299"), ("tls", "5300")):
            address, by_icpp = self.target(servers.CrosspointIcpp, mode)
            self.assertEqual(by_icpp["addresses"], [address + ":" + port])
            self.assertEqual((by_icpp["protocol"], by_icpp["xmpp"]), ("icpp", address + ":5222"))

    def test_a_relay_knows_no_tls_and_is_fed_what_the_protocol_writes(self):
        for kind, protocol in ((servers.RelayRing, "xmpp"), (servers.RelayRingIcpp, "icpp")):
            _, target = self.target(kind, "plain")
            self.assertEqual((target["protocol"], "security" in target), (protocol, False))

    def test_icpp_takes_part_everywhere(self):
        for one in scenarios.TABLE:
            self.assertIn("crosspoint-icpp", one.contenders, one.name)
            self.assertLessEqual(set(one.contenders), set(servers.SERVERS), one.name)
        self.assertFalse(scenarios.chosen(["chat-1"])[0].takes("relay-ring-icpp", "tls"))

    def test_volatile_messages_are_measured_beside_durable_ones_and_only_where_there_are_messages(self):
        for one in scenarios.TABLE:
            volatile = [name for name in one.contenders if servers.SERVERS[name].chat]
            if volatile:
                self.assertTrue(one.promise, one.name)
                self.assertLessEqual({name.removesuffix("-volatile") for name in volatile}, set(one.contenders), one.name)

    def test_what_is_acknowledged_when_safe_is_compared_with_what_is_durable(self):
        for one in scenarios.TABLE:
            if one.promise == scenarios.SAFE:
                promises = {servers.SERVERS[name].promise for name in one.contenders}
                self.assertEqual(promises, {None, crosspoint.DURABLE})

    def test_every_relay_has_one_that_is_fed_by_icpp(self):
        engines = {protocol: {kind.engine for kind in servers.SERVERS.values()
                              if not kind.is_switch and kind.protocol == protocol} for protocol in ("xmpp", "icpp")}
        self.assertEqual(engines["icpp"], engines["xmpp"])

    def test_a_front_end_is_loaded_and_both_processes_are_watched(self):
        with tempfile.TemporaryDirectory() as folder:
            front = servers.CrosspointIcppFront(pathlib.Path(folder), 1)
            front.child, front.back.child = (type("Child", (), {"pid": pid}) for pid in (-1, -2))
            target = front.target("tls")
        self.assertEqual(target["watch"]["server_pids"], [-1, -2])
        self.assertEqual((target["target"]["addresses"], target["target"]["xmpp"]),
                         ([front.address + ":5300"], front.back.address + ":5222"))
        self.assertEqual((front.settings["role"], front.back.settings["role"]), ("frontend", "backend"))
        self.assertEqual(front.settings["edge.back_ends"], front.back.settings["icpp.trunk_listen"])
        self.assertEqual((front.pin, front.back.pin), (["taskset", "-c", "1"], ["taskset", "-c", "1"]))


class Standing(unittest.TestCase):
    def test_a_server_of_two_shards_is_another_one_and_has_two_cores(self):
        made = []

        class Server:
            def __init__(self, folder, core, stored, environment, shards=1):
                self.place, self.child = (core, shards), type("Child", (), {"alive": lambda: True})
                made.append(self.place)

            def start(self):
                return self

            def add_accounts(self, count):
                self.accounts = count

            stop = start
        before = servers.SERVERS["crosspoint-icpp"]
        servers.SERVERS["crosspoint-icpp"] = Server
        self.addCleanup(servers.SERVERS.__setitem__, "crosspoint-icpp", before)
        steps = schedule.steps(scenarios.chosen(["chat-32", "cross-32", "kept-32"]), ["crosspoint-icpp"], ["plain"], 2)
        scene = stage.Stage(pathlib.Path("."), 1)
        for place, step in enumerate(steps):
            scene.server(step, steps[place:])
        self.assertEqual(made, [(1, 1), ("0-1", 2), (1, 1)])
