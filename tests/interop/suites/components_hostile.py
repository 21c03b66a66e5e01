"""Bare streams that say they are components: what is not one is shown the door, by the condition that its fault has."""

import asyncio
import functools
import hashlib

from interop import servers
from interop.people import Cast
from interop.raw import Raw
from interop.stage import expect, expect_equal

from .components_people import ECHO, OTHER, stage

ACCEPT = "jabber:component:accept"
OPEN = []


def play(*needs):
    """A play whose streams are cut when it is over, however it ended."""
    def register(function):
        @functools.wraps(function)
        async def alone(server):
            try:
                await function(server)
            finally:
                while OPEN:
                    OPEN.pop().abort()
                await asyncio.sleep(0)
        return stage.play(*needs)(alone)
    return register


async def connect(server):
    reader, writer = await asyncio.open_connection(server.address, servers.COMPONENT_PORT)
    OPEN.append(Raw(server, reader, writer))
    return OPEN[-1]


async def opened(server, component=ECHO, **changes):
    """A stream whose header was answered."""
    raw = await connect(server)
    raw.say(raw.header(**{"to": component["name"], "xmlns": ACCEPT, "version": None, "xml:lang": None, **changes}))
    raw.reading = asyncio.ensure_future(raw.next())
    while not raw.answered and not raw.reading.done():
        await asyncio.sleep(0.01)
    return raw


async def element(raw):
    """The next element, which is being waited for since the header went out."""
    reading, raw.reading = raw.reading, None
    return await (reading if reading else raw.next())


async def over(raw):
    """How the stream ended."""
    if raw.reading:
        raw.reading.cancel()
        await asyncio.gather(raw.reading, return_exceptions=True)
        raw.reading = None
    return await raw.ended()


def proof(raw, secret):
    return "<handshake>%s</handshake>" % hashlib.sha1((raw.answered["id"] + secret).encode()).hexdigest()


async def attached(server, component=OTHER):
    for _ in range(20):
        raw = await opened(server, component)
        raw.say(proof(raw, component["secret"]))
        try:
            await element(raw)
            return raw
        except Exception:
            await asyncio.sleep(0.2)
    raise ConnectionError("never attached")


async def ends(raw, *conditions):
    end = await over(raw)
    expect(end.condition in conditions, "the stream ended by %s, not by one of %s" % (end.condition, conditions))


@play()
async def a_handshake_is_answered_by_one(server):
    await attached(server)


@play()
async def a_wrong_secret_is_not_authorized(server):
    raw = await opened(server)
    raw.say(proof(raw, "guessed"))
    await ends(raw, "not-authorized")


@play()
async def a_handshake_in_capitals_is_not_authorized(server):
    raw = await opened(server)
    raw.say(proof(raw, ECHO["secret"]).upper().replace("HANDSHAKE", "handshake"))
    await ends(raw, "not-authorized")


@play()
async def nothing_goes_before_the_handshake(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        raw = await opened(server)
        raw.say("<message from='a@%s' to='%s'><body>early</body></message>" % (ECHO["name"], romeo.boundjid.bare))
        await ends(raw, "not-authorized")
        await romeo.settled()
        expect(not romeo.inbox, "nothing was delivered")


@play()
async def a_domain_that_nobody_configured_is_unknown(server):
    raw = await opened(server, {"name": "nobody." + server.domain})
    await ends(raw, "host-unknown")


@play()
async def the_servers_own_domain_is_no_component(server):
    raw = await opened(server, {"name": server.domain})
    await ends(raw, "host-unknown")


@play()
async def a_client_is_not_served_here(server):
    raw = await opened(server, xmlns="jabber:client")
    await ends(raw, "invalid-namespace")


@play()
async def another_ones_from_ends_the_stream(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        for forged in (server.jid("juliet"), server.domain, ECHO["name"], "a@b@" + OTHER["name"]):
            raw = await attached(server)
            raw.say("<message from='%s' to='%s'><body>forged</body></message>" % (forged, romeo.boundjid.bare))
            await ends(raw, "invalid-from")
        await romeo.settled()
        expect(not romeo.inbox, "nothing was delivered")


@play()
async def both_addresses_must_be_there(server):
    for stanza in ("<message to='%s'/>" % server.domain, "<message from='%s'/>" % OTHER["name"], "<presence/>"):
        raw = await attached(server)
        raw.say(stanza)
        await ends(raw, "improper-addressing")


@play()
async def an_oversized_stanza_ends_the_stream(server):
    raw = await attached(server)
    raw.say("<message from='%s' to='%s'><body>%s</body></message>" % (OTHER["name"], server.domain, "x" * 300_000))
    await ends(raw, "policy-violation")


@play()
async def much_before_the_handshake_ends_the_stream(server):
    raw = await opened(server)
    raw.say("<handshake>%s</handshake>" % ("0" * 100_000))
    await ends(raw, "policy-violation")


@play()
async def forbidden_xml_ends_the_stream(server):
    raw = await attached(server)
    raw.say("<message from='%s' to='%s'><!-- no --></message>" % (OTHER["name"], server.domain))
    await ends(raw, "restricted-xml", "not-well-formed", "xml-not-well-formed", "bad-format", "policy-violation")


@play()
async def the_servers_word_is_not_a_components_to_give(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        raw = await attached(server)
        raw.say("<message type='chat' from='{o}' to='{r}'><body>hello</body>"
                "<delay xmlns='urn:xmpp:delay' from='{d}' stamp='2002-09-10T23:08:25Z'/>"
                "<stanza-id xmlns='urn:xmpp:sid:0' by='{r}' id='forged'/></message>".format(
                    o=OTHER["name"], r=romeo.boundjid.bare, d=server.domain))
        heard = await romeo.heard("hello")
        expect("forged" not in str(heard) and "2002" not in str(heard), "what it claimed is gone: %s" % heard)


@play()
async def bad_addressees_are_answered_and_the_stream_goes_on(server):
    raw = await attached(server)
    raw.say("<iq type='get' id='1' from='%s' to='a@b@c'><ping xmlns='urn:xmpp:ping'/></iq>" % OTHER["name"])
    raw.say("<iq type='get' id='2' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (OTHER["name"], server.domain))
    answers = {}
    while "2" not in answers:
        answer = await raw.next()
        answers[answer.get("id")] = answer.get("type")
    expect_equal(answers["2"], "result", "the ping")

