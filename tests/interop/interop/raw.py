"""A bare XMPP stream over asyncio: it says exactly the bytes it is told to, and reads elements or the stream's end.

Used where a library would be too polite: malformed input, crashes, and ten thousand sessions in one process.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import socket
import ssl
import xml.etree.ElementTree as ElementTree

from . import servers

WAIT_SECONDS = 10
CLIENT = "{jabber:client}"
STREAM = "{http://etherx.jabber.org/streams}"
STREAM_ERROR = "{urn:ietf:params:xml:ns:xmpp-streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SM = "{urn:xmpp:sm:3}"
NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind"


class StreamEnd(Exception):
    """The server ended the stream. `condition` is its stream error, or None; `closed` whether `</stream:stream>` came."""

    def __init__(self, condition, closed, opened, text=""):
        super().__init__("stream ended: %s%s%s" % (condition or "no error", "" if closed else ", unclosed", text))
        self.condition, self.closed, self.opened = condition, closed, opened


class Refused(Exception):
    """Authentication failed; the text is the SASL condition."""


class Raw:
    """One connection. Elements come from `next`; every wait has a deadline."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.error = None
        self.mechanisms, self.features = [], None
        self.bound = None
        self.restart()

    @classmethod
    async def connect(cls, server, source=None, direct=None, narrow=False):
        """Opens a TCP connection, from `source` if given; `direct` is the TLS context for the direct TLS port; a `narrow`
        one takes few bytes before the program reads them."""
        port = servers.XMPPS_PORT if direct else servers.XMPP_PORT
        hostname = server.domain if direct else None
        plain = await asyncio.wait_for(dial(server.address, port, source, narrow), WAIT_SECONDS)
        reader, writer = await asyncio.wait_for(asyncio.open_connection(
            sock=plain, ssl=direct, server_hostname=hostname), WAIT_SECONDS)
        return cls(server, reader, writer)

    def restart(self):
        """A new XML document begins in both directions."""
        self.parser = ElementTree.XMLPullParser(("start", "end"))
        self.depth, self.root, self.ready = 0, None, []
        self.answered = {}
        self.closed = False

    def say(self, text):
        """Sends text, or bytes as they are."""
        self.writer.write(text.encode() if isinstance(text, str) else text)

    def abort(self):
        self.writer.transport.abort()

    async def next(self, seconds=WAIT_SECONDS):
        """The next element below the root. Raises StreamEnd at a stream error, a closed stream or an end of file."""
        return await asyncio.wait_for(self._next(), seconds)

    async def _next(self):
        while not self.ready:
            try:
                data = await self.reader.read(65536)
            except (ConnectionError, ssl.SSLError) as error:
                raise StreamEnd(self.error, self.closed, self.root is not None, " (%s)" % error) from None
            if not data:
                raise StreamEnd(self.error, self.closed, self.root is not None)
            try:
                self._parse(data)
            except ElementTree.ParseError as error:
                raise StreamEnd(self.error, False, self.root is not None, " (unreadable: %s)" % error) from None
        return self.ready.pop(0)

    def _parse(self, data):
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            if event == "start":
                if self.depth == 0:
                    self.root, self.answered = element, dict(element.attrib)
                self.depth += 1
                continue
            self.depth -= 1
            if self.depth == 1:
                self._take(element)
                self.root.clear()
            elif self.depth == 0:
                self.closed = True

    def _take(self, element):
        if element.tag == STREAM + "error":
            self.error = next((child.tag.removeprefix(STREAM_ERROR) for child in element), "empty")
        else:
            self.ready.append(element)

    async def ended(self, seconds=WAIT_SECONDS):
        """Waits for the end of the stream, whatever else comes; returns the StreamEnd. TimeoutError if it stays open."""
        async def drain():
            while True:
                await self._next()
        try:
            await asyncio.wait_for(drain(), seconds)
        except StreamEnd as end:
            return end

    def header(self, **changes):
        """The client's stream header; an attribute changed to None is left out."""
        attributes = {"to": self.server.domain, "version": "1.0", "xml:lang": "en", "xmlns": "jabber:client",
                      "xmlns:stream": STREAM[1:-1], **changes}
        return "<?xml version='1.0'?><stream:stream %s>" % " ".join(
            "%s='%s'" % pair for pair in attributes.items() if pair[1] is not None)

    async def open(self, **changes):
        """Sends a header and reads the features."""
        self.restart()
        self.say(self.header(**changes))
        self.features = await self.next()
        self.mechanisms = [one.text for one in self.features.iter(SASL + "mechanism")]
        return self.features

    async def encrypt(self, context):
        """STARTTLS on an opened stream; leaves a fresh opened stream."""
        self.say("<starttls xmlns='%s'/>" % NS_TLS)
        answer = await self.next()
        if answer.tag != "{%s}proceed" % NS_TLS:
            raise ConnectionError("no proceed but " + answer.tag)
        await self.handshake(context)
        return await self.open()

    async def handshake(self, context):
        await asyncio.wait_for(self.writer.start_tls(context, server_hostname=self.server.domain), WAIT_SECONDS)

    async def sasl(self, mechanism, initial=None):
        """Sends <auth/>; returns the answer's element."""
        text = "" if initial is None else base64.b64encode(initial).decode() or "="
        self.say("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (NS_SASL, mechanism, text))
        return await self.next()

    async def login(self, user, password, mechanism="SCRAM-SHA-256", binding=None, authzid=b""):
        """Authenticates on an opened stream. `binding` is (type, data) for a -PLUS mechanism. Raises Refused."""
        if mechanism == "PLAIN":
            answer = await self.sasl("PLAIN", b"%s\0%s\0%s" % (authzid, user.encode(), password.encode()))
        else:
            answer = await self.scram(user, password, mechanism, binding, authzid)
        if answer.tag != SASL + "success":
            raise Refused(condition_of(answer))
        return self

    async def scram(self, user, password, mechanism, binding=None, authzid=b""):
        algorithm = "sha256" if "256" in mechanism else "sha1"
        flag = b"p=" + binding[0].encode() if binding else b"n"
        gs2 = flag + b"," + (b"a=" + authzid if authzid else b"") + b","
        bare = b"n=%s,r=%s" % (user.encode(), base64.b64encode(os.urandom(18)))
        answer = await self.sasl(mechanism, gs2 + bare)
        if answer.tag != SASL + "challenge":
            return answer
        challenge = base64.b64decode(answer.text)
        final, signature = scram_final(algorithm, password, bare, challenge, gs2 + (binding[1] if binding else b""))
        self.say("<response xmlns='%s'>%s</response>" % (NS_SASL, base64.b64encode(final).decode()))
        answer = await self.next()
        if answer.tag == SASL + "success" and base64.b64decode(answer.text or "") != b"v=" + signature:
            raise Refused("the server does not know the password either")
        return answer

    async def bind(self, resource=None):
        """Opens the authenticated stream and binds a resource; returns the full address."""
        await self.open()
        wish = "<resource>%s</resource>" % resource if resource else ""
        answer = await self.query("set", "<bind xmlns='%s'>%s</bind>" % (NS_BIND, wish))
        self.bound = answer.find(".//{%s}jid" % NS_BIND).text
        return self.bound

    async def query(self, kind, payload, to=None, identity="q"):
        """Sends an IQ and returns its answer, dropping whatever else comes before."""
        self.say("<iq type='%s' id='%s'%s>%s</iq>" % (kind, identity, " to='%s'" % to if to else "", payload))
        while True:
            answer = await self.next()
            if answer.tag == CLIENT + "iq" and answer.get("id") == identity and answer.get("type") in ("result", "error"):
                return answer

    async def ping(self, identity="ping"):
        answer = await self.query("get", "<ping xmlns='urn:xmpp:ping'/>", self.server.domain, identity)
        if answer.get("type") != "result":
            raise AssertionError("ping was refused")

    @classmethod
    async def session(cls, server, user, password, resource=None, source=None, encrypted=False, mechanism=None, narrow=False):
        """A whole login on a new connection: [TLS,] SCRAM, bind."""
        raw = await cls.connect(server, source, narrow=narrow)
        await raw.open()
        if encrypted or server.tls == "required":
            await raw.encrypt(server.trust())
        await raw.login(user, password, mechanism or "SCRAM-SHA-256")
        await raw.bind(resource)
        return raw


async def dial(address, port, source, narrow):
    """A connected socket that does not block."""
    plain = socket.socket()
    plain.setblocking(False)
    try:
        if narrow:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        if source:
            plain.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(plain, (address, port))
    except BaseException:
        plain.close()
        raise
    return plain


def scram_final(algorithm, password, bare, challenge, binding):
    """RFC 5802, section 3: the client's final message, and the server signature that proves the server (base64)."""
    fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))

    def mac(key, text):
        return hmac.new(key, text, algorithm).digest()
    client_key = mac(salted, b"Client Key")
    unproved = b"c=%s,r=%s" % (base64.b64encode(binding), fields[b"r"])
    text = b",".join((bare, challenge, unproved))
    stored = hashlib.new(algorithm, client_key).digest()
    proof = bytes(one ^ two for one, two in zip(client_key, mac(stored, text)))
    signature = mac(mac(salted, b"Server Key"), text)
    return unproved + b",p=" + base64.b64encode(proof), base64.b64encode(signature)


def condition_of(element):
    """The defined condition of a SASL failure or a stanza error: the first child in an IETF namespace."""
    for child in element.iter():
        if child is not element and child.tag.startswith("{urn:ietf:params:xml:ns:xmpp-"):
            return child.tag.rpartition("}")[2]
    return element.tag.rpartition("}")[2]
