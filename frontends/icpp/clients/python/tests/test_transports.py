"""The client over TLS and over WebSocket, to the same scripted server."""

import asyncio
import base64
import hashlib
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest

from crosspoint import Client, CrosspointError, wire
from crosspoint.transport import GUID
from crosspoint.wire import Frame, Verb

from .peer import ACCOUNT, ADDRESS, PASSWORD, FakeServer, deliver
from .test_client import for_ever, going


class SocketReader:
    """The payload of a client's WebSocket frames, as a stream."""

    def __init__(self, reader):
        self.reader, self.rest, self.messages = reader, b"", []

    async def _message(self):
        head = await self.reader.readexactly(2)
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        if head[0] & 0x0F == 10:
            return await self._message()
        if head[0] & 0x0F != 2:
            raise asyncio.IncompleteReadError(b"", None)
        data = bytes(octet ^ mask[index % 4] for index, octet in enumerate(data))
        self.messages.append(data)
        return data

    async def read(self, _):
        data, self.rest = self.rest, b""
        try:
            return data or await self._message()
        except asyncio.IncompleteReadError:
            return b""

    async def readexactly(self, count):
        while len(self.rest) < count:
            self.rest += await self._message()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data


class SocketWriter:
    """Writes what it is given as binary messages of three fragments, with a ping between them."""

    def __init__(self, writer):
        self.writer, self.transport = writer, writer.transport

    def write(self, data):
        for head, part in ((0x02, data[:3]), (0x89, b"?"), (0x00, data[3:10]), (0x80, data[10:])):
            size = bytes((len(part),)) if len(part) < 126 else b"\x7e" + len(part).to_bytes(2, "big")
            self.writer.write(bytes((head,)) + size + part)

    def close(self):
        self.writer.close()


class SocketServer(FakeServer):
    """The scripted server behind a WebSocket."""

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: icpp.v1\r\n\r\n" % accept).encode())
        await super().serve(SocketReader(reader), SocketWriter(writer))


class OverWebSocket(unittest.IsolatedAsyncioTestCase):
    async def test_a_session_whose_messages_hold_whole_frames(self):
        async def script(peer):
            await peer.login()
            await peer.synced()
            peer.writer.write(deliver(1).encode() + deliver(2).encode())
            await going(peer)
        async with SocketServer(script) as server:
            url = server.url.replace("icpp", "ws") + "/chat"
            async with Client(ACCOUNT, PASSWORD, [url]) as romeo:
                await romeo.send("juliet@capulet", "x" * 50000)
                self.assertEqual([(await romeo.messages().get()).text for _ in range(2)], ["1", "2"])
            for number, data in enumerate(server.peers[0].reader.messages):
                decoder = wire.Decoder(wire.FRAME_MAX)
                decoder.feed(data.removeprefix(wire.PREFACE) if number == 0 else data)
                while decoder.next():
                    pass
                self.assertEqual(decoder.buffer, b"")

    async def test_a_server_of_something_else(self):
        async def script(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\n\r\n")
            writer.close()
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        url = "ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
        romeo = Client(ACCOUNT, PASSWORD, [url])
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(romeo.start(), 0.3)
        await romeo.close()
        server.close()


@unittest.skipUnless(shutil.which("openssl"), "needs the openssl command to make a certificate")
class OverTls(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.certificate, key = (pathlib.Path(folder.name) / name for name in ("certificate.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.certificate],
                       check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.set_alpn_protocols(["icpp/1"])

    async def serve(self, script):
        fake = FakeServer(script)
        spoken = []

        async def serve(reader, writer):
            spoken.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            await fake.serve(reader, writer)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self.context)
        self.addCleanup(server.close)
        return "icpps://127.0.0.1:%d" % server.sockets[0].getsockname()[1], spoken

    async def test_a_session_with_alpn(self):
        url, spoken = await self.serve(for_ever)
        async with Client(ACCOUNT, PASSWORD, [url], tls=str(self.certificate)) as romeo:
            await romeo.send("juliet@capulet", "x")
            self.assertEqual((spoken, romeo.session.address), (["icpp/1"], ADDRESS))

    async def test_plain_over_tls(self):
        async def script(peer):
            await peer.greet()
            peer.say(Verb.WELCOME, wire.Welcome(mechanisms=("PLAIN",)).encode())
            frame = await peer.wait(Verb.AUTH)
            self.assertEqual(wire.Auth.decode(frame.body), wire.Auth(b"\0romeo\0secret", "PLAIN"))
            peer.writer.write(Frame(Verb.AUTHED, wire.Authed(ADDRESS).encode(), wire.Flag.RESP, frame.id).encode())
            await going(peer)
        url, _ = await self.serve(script)
        async with Client(ACCOUNT, PASSWORD, [url], tls=str(self.certificate)) as romeo:
            self.assertEqual(romeo.session.address, ADDRESS)

    async def test_a_certificate_that_nobody_vouches_for(self):
        url, spoken = await self.serve(for_ever)
        romeo = Client(ACCOUNT, PASSWORD, [url])
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(romeo.start(), 0.3)
        await romeo.close()
        with self.assertRaises(CrosspointError):
            romeo.post("a@b", "x")
        self.assertEqual(spoken, [])
