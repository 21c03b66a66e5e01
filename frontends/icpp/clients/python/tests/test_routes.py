"""Redirects end, and waits are jittered."""

import collections
import random
import unittest

from crosspoint.routes import ADVICE_SECONDS_MAX, Routes, Url
from crosspoint.wire import Redirect


class Urls(unittest.TestCase):
    def test_the_four_forms(self):
        self.assertEqual((Url.parse("icpp://h").port, Url.parse("icpps://h").port), (5299, 5300))
        url = Url.parse("wss://example.org:8443/chat?x=1")
        self.assertEqual((url.host, url.port, url.path, url.secure, url.websocket), ("example.org", 8443, "/chat?x=1", True, True))
        self.assertEqual(Url.parse("icpp://[::1]:7").host, "::1")

    def test_others_are_refused(self):
        for text in ("http://h", "icpp://", "h:5299"):
            with self.assertRaises(ValueError):
                Url.parse(text)


class Chains(unittest.TestCase):
    def routes(self, *urls):
        return Routes(urls or ("icpp://home",), lambda: 1.0)

    def test_full_jitter_up_to_thirty_seconds(self):
        routes = self.routes()
        waits = []
        for _ in range(9):
            waits.append(routes.next().wait)
            routes.failed(False)
        self.assertEqual(waits, [0, 1, 2, 4, 8, 16, 30, 30, 30])
        routes.settled()
        self.assertEqual(routes.next().wait, 0.5)

    def test_advice_of_the_server(self):
        routes = self.routes()
        routes.next()
        routes.retry_after(7)
        self.assertEqual((routes.next().wait, routes.next().wait), (7, 0.5))

    def test_urls_take_turns_when_they_fail(self):
        routes = self.routes("icpp://one", "icpp://two")
        hosts = []
        for logged_in in (False, True, True, False, False):
            hosts.append(routes.next().url.host)
            routes.failed(logged_in)
        self.assertEqual(hosts, ["one", "two", "two", "two", "one"])

    def test_a_redirect_is_followed_with_its_ticket(self):
        routes = self.routes()
        routes.next()
        self.assertTrue(routes.redirect(Redirect(("icpp://a", "http://bad", "icpp://b"), "n2", b"t", 1, 250), "n1"))
        one, two = routes.next(), routes.next()
        self.assertEqual((one.url.host, one.wait, one.hops, one.came_from, one.ticket), ("a", 0.25, 1, "n1", b"t"))
        self.assertEqual((two.url.host, two.hops), ("b", 1))
        self.assertEqual(routes.next().url.host, "home")

    def test_at_most_three_hops(self):
        routes = self.routes()
        followed = []
        for number in range(5):
            routes.next()
            followed.append(routes.redirect(Redirect(("icpp://x%d" % number,), "n%d" % (number + 1)), "n%d" % number))
        self.assertEqual(followed[:4], [True, True, True, False])

    def test_no_return_to_a_node_of_the_chain(self):
        routes = self.routes()
        routes.next()
        self.assertTrue(routes.redirect(Redirect(("icpp://b",), "n2"), "n1"))
        routes.next()
        self.assertFalse(routes.redirect(Redirect(("icpp://a",), "n1"), "n2"))
        self.assertEqual(routes.next().url.host, "home")

    def test_encryption_is_not_given_up(self):
        """Found by reading: a redirect led from TLS to a connection in the clear."""
        mixed = Redirect(("icpp://a", "ws://a", "icpps://b", "wss://c"), "n2")
        routes = self.routes()
        self.assertTrue(routes.redirect(mixed, "n1", secure=True))
        self.assertEqual([routes.next().url.host for _ in range(3)], ["b", "c", "home"])
        self.assertFalse(self.routes().redirect(Redirect(("icpp://a",), "n2"), "n1", secure=True))
        self.assertTrue(self.routes().redirect(Redirect(("icpp://a",), "n2"), "n1", secure=False))

    def test_nobody_is_made_to_wait_for_ever(self):
        """Found by reading: a server could send a client away for 49 days."""
        routes = self.routes()
        routes.next()
        routes.retry_after(4294967.295)
        self.assertEqual(routes.next().wait, ADVICE_SECONDS_MAX)
        self.assertTrue(routes.redirect(Redirect(("icpp://a",), "n2", after=4294967295), "n1"))
        self.assertEqual(routes.next().wait, ADVICE_SECONDS_MAX)

    def test_attempts_are_spread_over_the_whole_wait(self):
        """Of many clients that lost their server at once, each tenth of the time gets its part."""
        waits = []
        for seed in range(2000):
            routes = Routes(("icpp://home",), random.Random(seed).random)
            routes.next()
            for _ in range(4):
                routes.failed(False)
            waits.append(routes.next().wait)
        parts = collections.Counter(int(wait / 0.8) for wait in waits)
        self.assertEqual(sorted(parts), list(range(10)))
        self.assertTrue(all(100 < count < 300 for count in parts.values()), parts)

    def test_a_redirect_to_nowhere(self):
        self.assertFalse(self.routes().redirect(Redirect((), "n2"), "n1"))
        self.assertFalse(self.routes().redirect(Redirect(("http://b",), "n2"), "n1"))
