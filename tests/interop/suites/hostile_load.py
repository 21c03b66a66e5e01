"""Clients that say nothing wrong, but say it in trying ways: byte by byte, all at once, without reading, in crowds."""

import asyncio
import base64
import os
import socket

from interop import servers
from interop.raw import CLIENT, NS_BIND, NS_SASL, Raw
from interop.stage import expect, expect_equal

from .hostile_stage import fresh_source, play

UNREAD = 900
UNREAD_BYTES = 3000
CROWD = 1500


def plain(user, password):
    return base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()


async def bodies(raw, count):
    """The bodies of the next `count` messages, whatever comes in between."""
    found = []
    while len(found) < count:
        stanza = await raw.next(20)
        if stanza.tag == CLIENT + "message":
            found.append(stanza.findtext(CLIENT + "body"))
    return found


@play()
async def one_byte_at_a_time(server, bystander, **_):
    raw = await Raw.connect(server, fresh_source())
    raw.writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    whole = raw.say

    def say(text):
        for byte in text.encode():
            whole(bytes((byte,)))
    raw.say = say
    await raw.open()
    await raw.login(*server.mallory)
    await raw.bind("slow")
    raw.say("<presence/><message to='%s' type='chat'><body>caf\u00e9 &amp; <![CDATA[<b>]]></body></message>" % raw.bound)
    expect_equal(await bodies(raw, 1), ["caf\u00e9 & <b>"], "body")
    raw.abort()
    bystander.check()


@play()
async def everything_at_once(server, bystander, **_):
    """After STARTTLS one write holds the login, the second stream, the binding and a message; the answers come in order."""
    raw = await Raw.connect(server, fresh_source())
    await raw.open()
    await raw.encrypt(server.trust())
    raw.say("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (NS_SASL, plain(*server.mallory)))
    expect((await raw.next()).tag.endswith("success"), "logged in")
    raw.restart()
    to = server.jid(server.mallory[0]) + "/eager"
    raw.say(raw.header() + "<iq type='set' id='b'><bind xmlns='%s'><resource>eager</resource></bind></iq>" % NS_BIND
            + "<presence/>" + "".join("<message to='%s' type='chat'><body>%d</body></message>" % (to, n)
                                      for n in range(100)))
    expect_equal(await bodies(raw, 100), [str(n) for n in range(100)], "messages to oneself")
    raw.abort()
    bystander.check()


@play(seconds=60)
async def who_does_not_read_loses_nothing_and_harms_nobody(server, bystander, **_):
    server.add_accounts([("sleeper", "secret-sleeper")])
    sleeper = await Raw.session(server, "sleeper", "secret-sleeper", source=fresh_source(), narrow=True)
    sleeper.say("<presence/>")
    await sleeper.ping()
    sleeper.writer.transport.pause_reading()
    writer = await Raw.session(server, *server.mallory, source=fresh_source())
    for number in range(UNREAD):
        writer.say("<message to='%s' type='chat'><body>%d %s</body></message>" % (
            server.jid("sleeper"), number, "z" * UNREAD_BYTES))
        await writer.writer.drain()
    await writer.ping()
    bystander.check()
    await asyncio.sleep(1)
    sleeper.writer.transport.resume_reading()
    numbers = [int(body.split()[0]) for body in await bodies(sleeper, UNREAD)]
    expect_equal(numbers, list(range(UNREAD)), "what the sleeper read on waking")
    await sleeper.ping()
    for one in (sleeper, writer):
        one.abort()
    bystander.check()


@play()
async def large_messages_go_through_whole(server, bystander, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source(), encrypted=True)
    raw.say("<presence/>")
    sent = [base64.b64encode(os.urandom(150_000)).decode() for _ in range(20)]
    for body in sent:
        raw.say("<message to='%s' type='chat'><body>%s</body></message>" % (raw.bound, body))
    expect_equal([got == body for got, body in zip(await bodies(raw, 20), sent)], [True] * 20, "bodies intact")
    raw.abort()
    bystander.check()


@play(seconds=60)
async def a_silent_crowd_keeps_nobody_out(server, bystander, **_):
    source, crowd = fresh_source(), []
    for _ in range(CROWD):
        try:
            crowd.append(await asyncio.open_connection(server.address, servers.XMPP_PORT, local_addr=(source, 0)))
        except OSError:
            break
    raw = await Raw.session(server, *server.mallory, source=fresh_source(), encrypted=True)
    await raw.ping()
    bystander.check()
    for _, writer in crowd:
        writer.transport.abort()
    await raw.ping("after")
    raw.abort()


@play(seconds=60)
async def sessions_that_come_and_go_leave_nothing_behind(server, bystander, **_):
    """Three hundred logins of one account under one resource, each ending the one before."""
    last = None
    for number in range(300):
        raw = await Raw.session(server, *server.mallory, resource="same", source=fresh_source())
        raw.say("<presence/>")
        await raw.ping("p%d" % number)
        if last:
            end = await last.ended(5)
            expect(end.condition == "conflict" or not server.strict, "the session before ended with %s" % end.condition)
        last = raw
    last.abort()
    bystander.check()
