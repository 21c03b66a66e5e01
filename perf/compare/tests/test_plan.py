"""Scenario files are valid TOML with the same contents."""

import tomllib
import unittest

from comparison import plan


class Plans(unittest.TestCase):
    def test_a_document_survives_the_way_through_toml(self):
        document = {"name": "a \"quoted\" name", "load": {"cores": [0, 1], "duration_s": 4.0},
                    "scenario": {"chat": {"mode": {"open": {"rate_per_s": 5.5, "arrivals": "poisson"}}}},
                    "session": {"roster": True}, "target": {"addresses": ["127.1.2.3:5222"]}}
        self.assertEqual(tomllib.loads(plan.to_toml(document)), document)

    def test_an_empty_table_is_kept_because_it_names_a_kind(self):
        document = {"name": "x", "scenario": {"floor": {}}}
        self.assertEqual(tomllib.loads(plan.to_toml(document)), document)

    def test_what_is_none_is_left_out(self):
        self.assertEqual(tomllib.loads(plan.to_toml({"name": "x", "about": None})), {"name": "x"})

    def test_later_documents_win_table_by_table(self):
        first = {"load": {"seconds": 1, "warmup": 2}, "name": "first"}
        self.assertEqual(plan.merged(first, {"load": {"seconds": 9}}), {"load": {"seconds": 9, "warmup": 2}, "name": "first"})
        self.assertEqual(first["load"]["seconds"], 1)
