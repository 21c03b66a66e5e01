"""Channel bindings: SCRAM-*-PLUS with tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929), and their refusals.

Python's own ssl cannot export keying material, so the TLS here is pyOpenSSL's, on the direct TLS port.
"""

import asyncio
import base64
import hashlib
import socket
import ssl
import struct

from OpenSSL import SSL

from interop import servers
from interop.raw import NS_SASL, Raw, Refused, StreamEnd, condition_of, scram_final
from interop.stage import Stage, expect, expect_equal

CHANNEL_BINDING = "{urn:xmpp:sasl-cb:0}channel-binding"
USER = ("binder", "secret-binder")

stage = Stage()
play = stage.play


def run(server, only=()):
    server.start()
    server.add_accounts([USER])
    try:
        return stage.run("bindings", server, only)
    finally:
        server.stop()


class Blocking:
    """A pyOpenSSL connection in the place of asyncio's reader and writer."""

    def __init__(self, connection):
        self.connection = connection

    async def read(self, most):
        try:
            return await asyncio.get_running_loop().run_in_executor(None, self.connection.recv, most)
        except (SSL.ZeroReturnError, SSL.SysCallError, SSL.WantReadError):
            return b""

    def write(self, data):
        self.connection.sendall(data)


def dial(server, version):
    """A TLS connection of one protocol version; returns (raw, {binding type: its data})."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(str(server.certificate))
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    plain = socket.create_connection((server.address, servers.XMPPS_PORT), 10)
    plain.settimeout(None)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10, 0))
    connection = SSL.Connection(context, plain)
    connection.set_tlsext_host_name(server.domain.encode())
    connection.set_connect_state()
    connection.do_handshake()
    exported = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    certificate = ssl.PEM_cert_to_DER_cert(server.certificate.read_text())
    bindings = {"tls-exporter": exported, "tls-server-end-point": hashlib.sha256(certificate).digest()}
    stream = Blocking(connection)
    return Raw(server, stream, stream), bindings


async def offered(server, version=SSL.TLS1_3_VERSION):
    """Like `dial`, with the stream opened: (raw, bindings that the server announces)."""
    raw, bindings = dial(server, version)
    await raw.open()
    announced = [one.get("type") for one in raw.features.iter(CHANNEL_BINDING)]
    return raw, {kind: bindings[kind] for kind in announced if kind in bindings}


@play("scram-plus")
async def the_server_announces_what_it_can_bind_to(server):
    raw, bindings = await offered(server)
    expect("SCRAM-SHA-256-PLUS" in raw.mechanisms and "SCRAM-SHA-1-PLUS" in raw.mechanisms, str(raw.mechanisms))
    expect_equal(set(bindings), {"tls-exporter", "tls-server-end-point"}, "announced (XEP-0440)")


@play("scram-plus")
async def each_binding_opens_the_account(server):
    for version in (SSL.TLS1_3_VERSION, SSL.TLS1_2_VERSION):
        _, bindings = await offered(server, version)
        expect("tls-server-end-point" in bindings, "tls-server-end-point is announced")
        for kind in bindings:
            for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
                raw, fresh = await offered(server, version)
                await raw.login(*USER, mechanism, binding=(kind, fresh[kind]))
                await raw.bind()


@play("scram-plus")
async def another_channels_binding_is_refused(server):
    raw, bindings = await offered(server)
    stranger, others = await offered(server)
    await refused(raw.login(*USER, "SCRAM-SHA-256-PLUS", binding=("tls-exporter", others["tls-exporter"])))


@play("scram-plus")
async def an_unknown_binding_is_refused(server):
    raw, _ = await offered(server)
    await refused(raw.login(*USER, "SCRAM-SHA-256-PLUS", binding=("tls-unique", b"x" * 12)))


@play("scram-plus")
async def a_plus_mechanism_without_a_binding_is_refused(server):
    raw, _ = await offered(server)
    await refused(raw.login(*USER, "SCRAM-SHA-256-PLUS"))


@play("scram-plus")
async def a_client_that_was_told_there_is_no_binding_is_refused(server):
    """The flag `y` says: I could bind, but the server offers none. It does, so somebody stripped the offer."""
    raw, _ = await offered(server)
    answer = await raw.sasl("SCRAM-SHA-256", b"y,,n=%s,r=abcdefghijkl" % USER[0].encode())
    if answer.tag.endswith("challenge"):
        return await refused(finish(raw, answer))
    expect(answer.tag.endswith("failure"), "answer " + answer.tag)


async def finish(raw, answer):
    final, _ = scram_final("sha256", USER[1], b"n=%s,r=abcdefghijkl" % USER[0].encode(),
                           base64.b64decode(answer.text), b"y,,")
    raw.say("<response xmlns='%s'>%s</response>" % (NS_SASL, base64.b64encode(final).decode()))
    answer = await raw.next()
    if not answer.tag.endswith("success"):
        raise Refused(condition_of(answer))


async def refused(login):
    try:
        await login
    except (Refused, StreamEnd):
        return
    raise AssertionError("logged in")


@play()
async def a_login_without_binding_still_works(server):
    raw, _ = await offered(server)
    await raw.login(*USER, "SCRAM-SHA-256")
    await raw.bind()
