"""The WebSocket codec by the examples of RFC 6455, and servers that break it."""

import unittest

from crosspoint.errors import ConnectionLost, WireError
from crosspoint.routes import Url
from crosspoint.transport import WebSocket

ACCEPT = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: icpp.v1\r\n\r\n")


def socket():
    """With the key and the mask of the RFC's examples."""
    return WebSocket(Url.parse("ws://server.example.com/chat"), b"the sample nonce", lambda size: b"\x37\xfa\x21\x3d"[:size])


class Handshake(unittest.TestCase):
    def test_the_request(self):
        text = socket().request().decode()
        self.assertTrue(text.startswith("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"))
        self.assertIn("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", text)
        self.assertIn("Sec-WebSocket-Protocol: icpp.v1\r\n", text)
        self.assertTrue(text.endswith("\r\n\r\n"))

    def test_the_answer_of_the_rfc_is_accepted(self):
        socket().accept(ACCEPT.encode())

    def test_other_answers_are_not(self):
        for old, new in (("101", "200"), ("s3pP", "AAAA"), ("icpp.v1", "xmpp"), ("websocket\r\nC", "h2c\r\nC")):
            with self.subTest(new), self.assertRaises(ConnectionLost):
                socket().accept(ACCEPT.replace(old, new, 1).encode())


class Frames(unittest.TestCase):
    def test_ours_are_masked(self):
        """RFC 6455, section 5.7, but binary."""
        self.assertEqual(socket().message(b"Hello").hex(), "828537fa213d7f9f4d5158")

    def test_lengths(self):
        for size, head in ((125, "82fd"), (126, "82fe007e"), (65535, "82feffff"), (65536, "82ff0000000000010000")):
            self.assertTrue(socket().message(bytes(size)).hex().startswith(head))

    def test_theirs_byte_by_byte_whole_and_in_fragments(self):
        one, data = socket(), bytes.fromhex("8203010203 0202 0405 8900 0001 06 8001 07".replace(" ", ""))
        self.assertEqual(b"".join(one.receive(data[at:at + 1]) for at in range(len(data))), bytes(range(1, 8)))
        self.assertEqual(one.output().hex(), "8a8037fa213d")

    def test_long_ones(self):
        self.assertEqual(socket().receive(bytes.fromhex("827e0100") + bytes(256)), bytes(256))

    def test_a_close_is_answered_and_ends_it(self):
        one = socket()
        self.assertEqual(one.receive(bytes.fromhex("880203e8 820101".replace(" ", ""))), b"")
        self.assertTrue(one.closed)
        self.assertEqual(one.output().hex(), "888237fa213d3412")

    def test_faults(self):
        for text in ("8101 61", "c201 61", "8281 00000000 61", "8301 61", "8001 61", "0900", "887e0080", "827fffffffffffffffff"):
            with self.subTest(text), self.assertRaises(WireError):
                socket().receive(bytes.fromhex(text.replace(" ", "")))
