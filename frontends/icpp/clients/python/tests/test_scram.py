"""SCRAM by the vectors of RFC 7677 and RFC 5802, and servers that lie."""

import unittest

from crosspoint import scram
from crosspoint.errors import AuthenticationFailed


class Vectors(unittest.TestCase):
    def test_sha_256(self):
        """RFC 7677, section 3."""
        exchange = scram.Scram("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
        self.assertEqual(exchange.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        final = exchange.answer(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        self.assertEqual(final, b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        exchange.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")

    def test_sha_1(self):
        """RFC 5802, section 5."""
        exchange = scram.Scram("SCRAM-SHA-1", "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL")
        final = exchange.answer(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
        self.assertTrue(final.endswith(b"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="))
        exchange.verify(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


class Lies(unittest.TestCase):
    def exchange(self):
        return scram.Scram("SCRAM-SHA-256", "user", "pencil", "abc")

    def test_a_wrong_or_missing_signature(self):
        for data in (b"v=AAAA", b"", None):
            exchange = self.exchange()
            exchange.answer(b"r=abcd,s=c2FsdA==,i=4096")
            with self.assertRaises(AuthenticationFailed):
                exchange.verify(data)

    def test_success_without_a_challenge(self):
        with self.assertRaises(AuthenticationFailed):
            self.exchange().verify(b"v=")

    def test_bad_challenges(self):
        for challenge in (b"", b"r=xyz,s=c2FsdA==,i=4096", b"r=abc,s=c2FsdA==,i=4096", b"r=abcd,s=c2FsdA==,i=1",
                          b"r=abcd,s=c2FsdA==,i=99999999", b"r=abcd,s=?,i=4096", b"r=abcd,s=c2FsdA==,i=x", b"\xff\xff",
                          b"m=x,r=abcd,s=c2FsdA==,i=4096", b"r=" + b"a" * 5000):
            with self.subTest(challenge), self.assertRaises(AuthenticationFailed):
                self.exchange().answer(challenge)

    def test_a_second_challenge(self):
        exchange = self.exchange()
        exchange.answer(b"r=abcd,s=c2FsdA==,i=4096")
        with self.assertRaises(AuthenticationFailed):
            exchange.answer(b"r=abcd,s=c2FsdA==,i=4096")


class Choice(unittest.TestCase):
    def test_the_best_is_taken_and_the_password_is_not_shown_in_the_clear(self):
        self.assertEqual(scram.choose(("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"), False), "SCRAM-SHA-256")
        self.assertEqual(scram.choose(("PLAIN",), True), "PLAIN")
        self.assertIsNone(scram.choose(("PLAIN",), False))
        self.assertIsNone(scram.choose(("SCRAM-SHA-256",), True, "PLAIN"))

    def test_plain(self):
        self.assertEqual(scram.Plain("user", "pencil").first(), b"\0user\0pencil")

    def test_preparation(self):
        self.assertEqual(scram.saslprep("I\u00adX\u00a0\u2168"), "IX IX")
        with self.assertRaises(ValueError):
            scram.saslprep("\u0007")
