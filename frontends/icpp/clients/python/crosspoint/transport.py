"""Byte streams to a switch: TCP, TLS with ALPN, and WebSocket over either (SPEC.md, section 1; RFC 6455).

`connect` gives a `Transport`: `read` returns some bytes (b"" at the end), `write` takes whole ICPP frames. The WebSocket
codec is pure and bounded, and the server's mistakes in it are `WireError`s like any other.
"""

import asyncio
import base64
import hashlib
import os
import ssl

from . import wire
from .errors import ConnectionLost, WireError
from .scram import Binding

CONNECT_SECONDS = 15.0
# How long one address of a name is tried alone, before the next one is tried beside it (RFC 8305, section 5).
ADDRESS_SECONDS = 0.25
READ_BYTES = 65536
ALPN = "icpp/1"
SUBPROTOCOL = "icpp.v1"
HANDSHAKE_BYTES_MAX = 16384
# One WebSocket message of the server's: more than one frame of ICPP, yet bounded.
MESSAGE_BYTES_MAX = 1 << 24
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL_CLOSURE = b"\x03\xe8"


class Transport:
    """One connection. `secure` says whether it is encrypted; `binding` is its channel binding, if there is one."""

    def __init__(self, reader, writer, secure, socket=None):
        self.reader, self.writer, self.secure, self.socket = reader, writer, secure, socket
        session = writer.get_extra_info("ssl_object")
        self.binding = end_point(session.getpeercert(binary_form=True)) if session else None

    async def read(self):
        """Bytes of the ICPP stream, b"" when it has ended. ConnectionLost if it broke."""
        while True:
            try:
                data = await self.reader.read(READ_BYTES)
            except (OSError, ssl.SSLError) as error:
                raise ConnectionLost(str(error)) from None
            if not data or self.socket is None:
                return data
            payload = self.socket.receive(data)
            self._write(self.socket.output())
            if payload or self.socket.closed:
                return payload

    def write(self, data):
        """Queues whole frames."""
        if data:
            self._write(self.socket.message(data) if self.socket else data)

    def _write(self, data):
        if data and not self.writer.is_closing():
            self.writer.write(data)

    def pending(self):
        """Bytes that were written and that the kernel has not taken."""
        return self.writer.transport.get_write_buffer_size()

    async def drained(self):
        """Returns when what was written can take more."""
        try:
            await self.writer.drain()
        except (OSError, ssl.SSLError) as error:
            raise ConnectionLost(str(error)) from None

    async def close(self):
        """Sends what is queued and closes, at most for a second."""
        if self.socket and not self.socket.closed:
            self._write(self.socket.close())
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), 1.0)
        except (OSError, ssl.SSLError, asyncio.TimeoutError):
            self.abort()

    def abort(self):
        self.writer.transport.abort()


async def connect(url, tls=None):
    """Connects to a `routes.Url`. `tls` is an SSLContext, or None for the system's. ConnectionLost if that fails."""
    try:
        return await asyncio.wait_for(_connect(url, tls), CONNECT_SECONDS)
    except ssl.SSLCertVerificationError as error:
        raise ConnectionLost("%s: %s; a certificate that the system does not know is named by `tls`" % (url.text, error)) from None
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionLost("%s: %s" % (url.text, error or type(error).__name__)) from None


async def _connect(url, tls):
    context = None
    if url.secure:
        context = tls or ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1" if url.websocket else ALPN])
    reader, writer = await asyncio.open_connection(
        url.host, url.port, ssl=context, limit=HANDSHAKE_BYTES_MAX, happy_eyeballs_delay=ADDRESS_SECONDS)
    if not url.websocket:
        return Transport(reader, writer, url.secure)
    try:
        socket = WebSocket(url)
        writer.write(socket.request())
        socket.accept(await reader.readuntil(b"\r\n\r\n"))
    except BaseException:
        writer.transport.abort()
        raise
    return Transport(reader, writer, url.secure, socket)


# By which hash a certificate's signature was made: the value of its object identifier in DER. MD5 and SHA-1 stand for SHA-256 (RFC 5929,
# section 4.1).
SIGNATURES = {bytes.fromhex(value): name for value, name in (
    ("2a864886f70d010104", "sha256"), ("2a864886f70d010105", "sha256"), ("2a8648ce3d0401", "sha256"),
    ("2a864886f70d01010b", "sha256"), ("2a864886f70d01010c", "sha384"), ("2a864886f70d01010d", "sha512"),
    ("2a8648ce3d040302", "sha256"), ("2a8648ce3d040303", "sha384"), ("2a8648ce3d040304", "sha512"))}


def end_point(certificate):
    """The channel binding tls-server-end-point (RFC 5929, section 4): the hash of the server's certificate. None where its signature has
    none of its own, as those of Edwards curves. The standard library does not export what tls-exporter would need."""
    try:
        whole = _der(certificate, 0)[0]
        signed_end = _der(certificate, whole)[1]
        algorithm = _der(certificate, signed_end)[0]
        start, end = _der(certificate, algorithm)
    except (IndexError, TypeError):
        return None
    name = SIGNATURES.get(certificate[start:end])
    return Binding("tls-server-end-point", hashlib.new(name, certificate).digest()) if name else None


def _der(data, at):
    """(where the value of the element at this place begins, where it ends) (X.690, section 8.1)."""
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(data[at + 2:start], "big")
    return start, start + length


class WebSocket:
    """The client's end of a WebSocket, without a socket."""

    def __init__(self, url, key=None, mask=os.urandom):
        self.url, self.mask = url, mask
        self.key = base64.b64encode(key or os.urandom(16))
        self.buffer, self.out = bytearray(), bytearray()
        self.inside = False
        self.closed = False

    def request(self):
        default = {"ws": 80, "wss": 443}[self.url.scheme]
        host = "[%s]" % self.url.host if ":" in self.url.host else self.url.host
        lines = ("GET %s HTTP/1.1" % self.url.path,
                 "Host: %s%s" % (host, "" if self.url.port == default else ":%d" % self.url.port),
                 "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + self.key.decode(), "Sec-WebSocket-Protocol: " + SUBPROTOCOL, "", "")
        return "\r\n".join(lines).encode()

    def accept(self, head):
        """Judges the server's answer (RFC 6455, section 4.1)."""
        status, *lines = head.decode("latin-1").split("\r\n")
        words = status.split(" ", 2)
        if len(words) < 2 or words[1] != "101":
            raise ConnectionLost("no WebSocket at %s: %s" % (self.url.text, status[:100]))
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        wanted = base64.b64encode(hashlib.sha1(self.key + GUID).digest()).decode()
        if fields.get("upgrade", "").lower() != "websocket" or fields.get("sec-websocket-accept") != wanted:
            raise ConnectionLost("%s did not accept the WebSocket" % self.url.text)
        if fields.get("sec-websocket-protocol") != SUBPROTOCOL or fields.get("sec-websocket-extensions"):
            raise ConnectionLost("%s speaks another subprotocol" % self.url.text)

    def message(self, data):
        """One binary message."""
        return self._frame(BINARY, data)

    def close(self, reason=NORMAL_CLOSURE):
        self.closed = True
        return self._frame(CLOSE, reason)

    def output(self):
        """Answers to the server's control frames."""
        data = bytes(self.out)
        self.out.clear()
        return data

    def receive(self, data):
        """The payload bytes of what came."""
        self.buffer += data
        payload = []
        while not self.closed and (frame := self._next()):
            opcode, final, body = frame
            if opcode >= CLOSE:
                self._control(opcode, body)
            elif opcode == TEXT or opcode > BINARY or (opcode == CONTINUATION) != self.inside:
                raise wire.malformed("WebSocket opcode %d" % opcode)
            else:
                self.inside = not final
                payload.append(body)
        return b"".join(payload)

    def _control(self, opcode, body):
        if opcode == PING:
            self.out += self._frame(PONG, body)
        elif opcode == CLOSE:
            self.out += self.close(body[:2])

    def _next(self):
        """(opcode, FIN, payload) of the next whole frame, or None (RFC 6455, section 5.2)."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        final, opcode, length = buffer[0] & 0x80, buffer[0] & 0x0F, buffer[1] & 0x7F
        if buffer[0] & 0x70 or buffer[1] & 0x80 or (opcode >= CLOSE and (length > 125 or not final)):
            raise wire.malformed("a WebSocket frame that is none")
        extra = {126: 2, 127: 8}.get(length, 0)
        if len(buffer) < 2 + extra:
            return None
        if extra:
            length = int.from_bytes(buffer[2:2 + extra], "big")
        if length > MESSAGE_BYTES_MAX:
            raise wire.malformed("a WebSocket frame of %d bytes" % length)
        end = 2 + extra + length
        if len(buffer) < end:
            return None
        body = bytes(buffer[2 + extra:end])
        del buffer[:end]
        return opcode, bool(final), body

    def _frame(self, opcode, data):
        """A masked frame (RFC 6455, section 5.3)."""
        size = len(data)
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        elif size < 65536:
            head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
        mask = self.mask(4)
        pattern = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")
        return head + mask + masked.to_bytes(size, "big")


__all__ = ["ALPN", "SUBPROTOCOL", "Transport", "WebSocket", "WireError", "connect"]
