"""The sasl2 suite: XEP-0388 with Bind 2, inline resumption, FAST tokens and the sealed offer, by bare streams and by xmpp.js.

Bound tokens need keying material that Python's ssl does not export, so bare streams are pyOpenSSL's on the direct TLS port.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import uuid

from interop import install, servers
from interop.raw import CLIENT, SM, Raw, condition_of, scram_final
from interop.stage import Stage, expect, expect_equal

from .bindings import dial
from OpenSSL import SSL

NS = "urn:xmpp:sasl:2"
SASL2 = "{%s}" % NS
BIND2 = "{urn:xmpp:bind:0}"
FAST = "{urn:xmpp:fast:0}"
CHANNEL_BINDING = "{urn:xmpp:sasl-cb:0}channel-binding"
PEOPLE = [("romeo", "secret-romeo"), ("juliet", "secret-juliet"), ("script", "secret-script")]
# Debian's modules are newer than its Prosody: they ask a connection and an event for what those do not say.
PROSODY_BRIDGE = """
local datetime = require "util.datetime";
local whole = datetime.datetime;
datetime.datetime = function (time) return whole(time and math.floor(time)); end
require "util.stanza".stanza_mt.get_child_attr = function (stanza, name, xmlns, attribute)
    local child = stanza:get_child(name, xmlns);
    return child and child.attr[attribute];
end
module:hook("stream-features", function (event)
    local conn = event.origin.conn;
    conn.ssl_info = conn.ssl_info or function (self) return self:socket():info(); end
    event.stream = event.stream or { from = "somebody@" .. module.host };
end, 1000);
"""
PROSODY = {"modules": '"interop_bridge"; "sasl2"; "sasl2_bind2"; "sasl2_fast"; "smacks"; "carbons"; "csi_simple"; "offline"; "ping";'}

stage = Stage()
play = stage.play


def run(server, only=()):
    if server.name == "prosody":
        plugins = server.folder / "plugins"
        plugins.mkdir()
        (plugins / "mod_interop_bridge.lua").write_text(PROSODY_BRIDGE)
        server.settings.update(PROSODY, extra='plugin_paths = { "%s" }' % plugins)
    server.start()
    server.add_accounts(PEOPLE)
    try:
        return stage.run("sasl2", server, only)
    finally:
        server.stop()


class Two:
    """A stream that speaks the new profile."""

    def __init__(self, server, user="romeo"):
        self.raw, self.bindings = dial(server, SSL.TLS1_3_VERSION)
        self.server, self.user, self.password = server, user, dict(PEOPLE)[user]
        self.client = str(uuid.uuid4())

    async def open(self):
        await self.raw.open(**{"from": self.server.jid(self.user)})
        offer = self.raw.features.find(SASL2 + "authentication")
        self.mechanisms = [one.text for one in offer.findall(SASL2 + "mechanism")]
        self.tokens = [one.text for one in offer.iter(FAST + "mechanism")]
        self.inline = [one.tag for one in offer.find(SASL2 + "inline")]
        self.types = [one.get("type") for one in self.raw.features.iter(CHANNEL_BINDING)]
        return self

    def authenticate(self, mechanism, initial, wishes=""):
        self.raw.say("<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>"
                     "<user-agent id='%s'><software>suite</software></user-agent>%s</authenticate>" % (
                         NS, mechanism, base64.b64encode(initial).decode(), self.client, wishes))

    async def scram(self, wishes="", mechanism="SCRAM-SHA-256", binding=None, password=None, spoil=None):
        """Up to the outcome, which is returned."""
        algorithm = "sha256" if "256" in mechanism else "sha1"
        gs2 = b"p=%s,," % binding.encode() if binding else b"n,,"
        bare = b"n=%s,r=%s" % (self.user.encode(), base64.b64encode(os.urandom(18)))
        self.authenticate(mechanism, gs2 + bare, wishes)
        answer = await self.raw.next()
        expect_equal(answer.tag, SASL2 + "challenge", "first answer")
        self.challenge = base64.b64decode(answer.text)
        seen = spoil(self.challenge) if spoil else self.challenge
        cbind = gs2 + (self.bindings[binding] if binding else b"")
        final, signature = scram_final(algorithm, password or self.password, bare, seen, cbind)
        self.raw.say("<response xmlns='%s'>%s</response>" % (NS, base64.b64encode(final).decode()))
        answer = await self.raw.next()
        if answer.tag == SASL2 + "success":
            expect_equal(base64.b64decode(answer.findtext(SASL2 + "additional-data")), b"v=" + signature, "server's proof")
            await self.features()
        return answer

    async def token(self, mechanism, token, wishes="", attributes="", binding=None):
        """Shows a token; returns the outcome."""
        data = self.bindings[binding] if binding else b""
        proof = hmac.new(token.encode(), b"Initiator" + data, "sha256").digest()
        self.authenticate(mechanism, self.user.encode() + b"\0" + proof,
                          "<fast xmlns='urn:xmpp:fast:0'%s/>%s" % (attributes, wishes))
        answer = await self.raw.next()
        if answer.tag == SASL2 + "success":
            expected = hmac.new(token.encode(), b"Responder" + data, "sha256").digest()
            expect_equal(base64.b64decode(answer.findtext(SASL2 + "additional-data")), expected, "server's proof")
            await self.features()
        return answer

    async def features(self):
        features = await self.raw.next()
        expect(features.tag.endswith("}features"), "after success came " + features.tag)


def another(server, first):
    """A new connection of the same installation."""
    stream = Two(server, first.user)
    stream.client = first.client
    return stream


def want(mechanism):
    return "<request-token xmlns='urn:xmpp:fast:0' mechanism='%s'/>" % mechanism


async def given(server, mechanism, user="romeo"):
    """A stream whose client has just been given a token, and the token."""
    stream = await Two(server, user).open()
    answer = await stream.scram(want(mechanism))
    token = answer.find(FAST + "token")
    expect(token is not None and token.get("expiry"), "a token with its expiry")
    return stream, token.get("token")


def address(answer):
    return answer.findtext(SASL2 + "authorization-identifier")


@play()
async def the_offer_names_what_can_come_with_it(server):
    stream = await Two(server).open()
    expect("SCRAM-SHA-256" in stream.mechanisms or "SCRAM-SHA-1" in stream.mechanisms, str(stream.mechanisms))
    expect(BIND2 + "bind" in stream.inline and FAST + "fast" in stream.inline, str(stream.inline))
    expect("HT-SHA-256-NONE" in stream.tokens, str(stream.tokens))


@play()
async def one_element_authenticates_and_binds(server):
    stream = await Two(server).open()
    answer = await stream.scram("<bind xmlns='urn:xmpp:bind:0'><tag>suite</tag></bind>")
    expect_equal(answer.tag, SASL2 + "success", "outcome")
    bare, _, resource = address(answer).partition("/")
    expect_equal(bare, server.jid("romeo"), "address")
    expect("suite" in resource and stream.client not in resource, resource)
    expect(answer.find(BIND2 + "bound") is not None, "bound")
    await stream.raw.ping()


@play("inline-management")
async def stream_management_is_on_from_the_first_moment(server):
    stream, _ = await given_and_managed(server)
    expect(SM + "sm" in stream.inline, str(stream.inline))
    stream.raw.say("<r xmlns='urn:xmpp:sm:3'/>")
    expect_equal((await stream.raw.next()).get("h"), "0", "counted so far")


@play()
async def carbons_are_on_from_the_first_moment(server):
    wishes = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:carbons:2'/></bind>"
    watching = await Two(server, "juliet").open()
    await watching.scram(wishes)
    watching.raw.say("<presence/>")
    other = await Two(server, "juliet").open()
    full = address(await other.scram("<bind xmlns='urn:xmpp:bind:0'/>"))
    other.raw.say("<presence/>")
    await other.raw.ping()
    sender = await Two(server).open()
    await sender.scram("<bind xmlns='urn:xmpp:bind:0'/>")
    sender.raw.say("<message type='chat' to='%s'><body>look</body></message>" % full)
    while True:
        element = await watching.raw.next()
        if element.tag == CLIENT + "message":
            break
    expect(element.find("{urn:xmpp:carbons:2}received") is not None, "a copy")


@play("sealed-offer")
async def the_offer_is_sealed_into_the_challenge(server):
    stream = await Two(server).open()
    for mechanism, algorithm in (("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")):
        stream = await Two(server).open()
        expect_equal((await stream.scram(mechanism=mechanism)).tag, SASL2 + "success", mechanism)
        text = "\x1e".join(sorted(stream.mechanisms)) + "\x1f" + "\x1e".join(sorted(stream.types))
        seal = base64.b64encode(hashlib.new(algorithm, text.encode()).digest())
        expect(stream.challenge.endswith(b",h=" + seal), "h of %s: %r" % (mechanism, stream.challenge))


@play("sealed-offer")
async def who_saw_another_offer_does_not_get_in(server):
    stream = await Two(server).open()
    answer = await stream.scram(spoil=lambda challenge: challenge.rpartition(b",h=")[0])
    expect_equal(condition_of(answer), "not-authorized", "outcome")


@play("scram-plus")
async def a_bound_proof_opens_the_account(server):
    for kind in ("tls-exporter", "tls-server-end-point"):
        stream = await Two(server).open()
        answer = await stream.scram(mechanism="SCRAM-SHA-256-PLUS", binding=kind)
        expect_equal(answer.tag, SASL2 + "success", kind)


@play()
async def a_wrong_password_is_refused_and_the_right_one_may_follow(server):
    stream = await Two(server).open()
    answer = await stream.scram(password="wrong")
    expect_equal((answer.tag, condition_of(answer)), (SASL2 + "failure", "not-authorized"), "outcome")
    expect_equal((await stream.scram("<bind xmlns='urn:xmpp:bind:0'/>")).tag, SASL2 + "success", "second try")


@play()
async def an_exchange_can_be_aborted(server):
    stream = await Two(server).open()
    stream.authenticate("SCRAM-SHA-1", b"n,,n=romeo,r=abcdefghijkl")
    await stream.raw.next()
    stream.raw.say("<abort xmlns='%s'/>" % NS)
    answer = await stream.raw.next()
    expect_equal((answer.tag, condition_of(answer)), (SASL2 + "failure", "aborted"), "outcome")


@play("inline-management")
async def a_lost_connection_is_resumed_by_the_first_element(server):
    first, token = await given_and_managed(server)
    first.raw.writer.connection.sock_shutdown(2)
    second = await another(server, first).open()
    resume = "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/><bind xmlns='urn:xmpp:bind:0'/>" % first.previd
    answer = await second.token("HT-SHA-256-NONE", token, resume)
    resumed = answer.find(SM + "resumed")
    expect(resumed is not None and resumed.get("previd") == first.previd, "resumed")
    expect(answer.find(BIND2 + "bound") is None, "who resumes does not bind")
    expect_equal(address(answer), first.address, "address")
    await second.raw.ping()


async def given_and_managed(server):
    stream = await Two(server).open()
    answer = await stream.scram("<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
                                + want("HT-SHA-256-NONE"))
    stream.previd = answer.find(BIND2 + "bound").find(SM + "enabled").get("id")
    stream.address = address(answer)
    return stream, answer.find(FAST + "token").get("token")


@play("inline-management")
async def a_session_that_is_gone_is_said_to_be_and_the_bind_counts(server):
    stream = await Two(server).open()
    answer = await stream.scram("<resume xmlns='urn:xmpp:sm:3' previd='nonsense' h='0'/><bind xmlns='urn:xmpp:bind:0'/>")
    expect(answer.find(SM + "failed") is not None, "failed")
    expect(answer.find(BIND2 + "bound") is not None, "bound")


@play()
async def a_token_opens_the_account_again_and_again(server):
    first, token = await given(server, "HT-SHA-256-NONE")
    for _ in range(2):
        stream = await another(server, first).open()
        answer = await stream.token("HT-SHA-256-NONE", token, "<bind xmlns='urn:xmpp:bind:0'/>")
        expect_equal(answer.tag, SASL2 + "success", "outcome")
        expect(answer.find(FAST + "token") is None, "a fresh one is not renewed")
        await stream.raw.ping()


@play("bound-tokens")
async def a_bound_token_opens_it_over_its_channel_only(server):
    for name, kind in (("HT-SHA-256-EXPR", "tls-exporter"), ("HT-SHA-256-ENDP", "tls-server-end-point")):
        first, token = await given(server, name)
        stream = await another(server, first).open()
        expect_equal((await stream.token(name, token, binding=kind)).tag, SASL2 + "success", name)
        stranger = await another(server, first).open()
        stranger.bindings = {kind: bytes(32)}
        expect_equal(condition_of(await stranger.token(name, token, binding=kind)), "not-authorized", name)
        weaker = await another(server, first).open()
        expect_equal(condition_of(await weaker.token("HT-SHA-256-NONE", token)), "not-authorized", "unbound")


@play()
async def somebody_elses_token_opens_nothing(server):
    first, token = await given(server, "HT-SHA-256-NONE")
    for user, client in (("juliet", first.client), ("romeo", str(uuid.uuid4())), ("nobody", first.client)):
        stream = Two(server, "romeo")
        stream.client = client
        await stream.open()
        stream.user = user
        answer = await stream.token("HT-SHA-256-NONE", token)
        expect_equal((answer.tag, condition_of(answer)), (SASL2 + "failure", "not-authorized"), "as " + user)


@play("counted-tokens")
async def a_count_is_good_once(server):
    first, token = await given(server, "HT-SHA-256-NONE")
    for count, good in ((1, True), (1, False), (7, True), (6, False)):
        stream = await another(server, first).open()
        answer = await stream.token("HT-SHA-256-NONE", token, attributes=" count='%d'" % count)
        expect_equal(answer.tag == SASL2 + "success", good, "count %d" % count)


@play("counted-tokens")
async def a_count_and_a_token_survive_kill_9(server):
    first, token = await given(server, "HT-SHA-256-NONE")
    stream = await another(server, first).open()
    expect_equal((await stream.token("HT-SHA-256-NONE", token, attributes=" count='3'")).tag, SASL2 + "success", "3")
    server.kill()
    server.start()
    stream = await another(server, first).open()
    expect_equal(condition_of(await stream.token("HT-SHA-256-NONE", token, attributes=" count='3'")), "not-authorized", "3")
    stream = await another(server, first).open()
    expect_equal((await stream.token("HT-SHA-256-NONE", token, attributes=" count='4'")).tag, SASL2 + "success", "4")


@play("last-use")
async def an_invalidated_token_is_used_for_the_last_time(server):
    first, token = await given(server, "HT-SHA-256-NONE")
    stream = await another(server, first).open()
    answer = await stream.token("HT-SHA-256-NONE", token, attributes=" invalidate='true'")
    expect_equal(answer.tag, SASL2 + "success", "last use")
    expect(answer.find(FAST + "token") is None, "no new one")
    stream = await another(server, first).open()
    expect_equal((await stream.token("HT-SHA-256-NONE", token)).tag, SASL2 + "failure", "after it")


@play("password-ends-tokens")
async def a_new_password_ends_the_tokens(server):
    first, token = await given(server, "HT-SHA-256-NONE", "juliet")
    changer = await Two(server, "juliet").open()
    await changer.scram("<bind xmlns='urn:xmpp:bind:0'/>")
    change = "<query xmlns='jabber:iq:register'><username>juliet</username><password>%s</password></query>"
    answer = await changer.raw.query("set", change % dict(PEOPLE)["juliet"], server.domain)
    expect_equal(answer.get("type"), "result", "change")
    stream = await another(server, first).open()
    expect_equal(condition_of(await stream.token("HT-SHA-256-NONE", token)), "not-authorized", "the old token")


@play("no-sasl2-in-the-clear")
async def in_the_clear_it_is_neither_offered_nor_taken(server):
    raw = await Raw.connect(server)
    await raw.open()
    expect(raw.features.find(SASL2 + "authentication") is None, "offered")
    raw.say("<authenticate xmlns='%s' mechanism='SCRAM-SHA-1'/>" % NS)
    expect_equal(condition_of(await raw.next()), "encryption-required", "answer")


@play()
async def over_starttls_it_is_the_same(server):
    raw = await Raw.connect(server)
    await raw.open()
    await raw.encrypt(server.trust())
    expect(raw.features.find(SASL2 + "authentication") is not None, "offered")


@play("inline-management")
async def xmpp_js_logs_in_and_is_back_by_its_token_in_one_round_trip(server):
    """Three connections: by password, resumed by token, bound anew by token."""
    told = []
    script = pathlib.Path(__file__).with_name("sasl2_client.mjs")
    home = install.NODE / "sasl2_client.mjs"
    home.write_text(script.read_text())
    child = await asyncio.create_subprocess_exec(
        "node", str(home), "xmpps://%s:%d" % (server.address, servers.XMPPS_PORT), server.domain, "script",
        dict(PEOPLE)["script"], stdout=asyncio.subprocess.PIPE, env={**os.environ, "NODE_TLS_REJECT_UNAUTHORIZED": "0"})
    try:
        async for line in child.stdout:
            told.append(json.loads(line))
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
    expect_equal(child.returncode, 0, "status after %s" % told)
    here = [one for one in told if one["what"] == "here"]
    expect_equal([one["resumed"] for one in here], [False, True, False], "connections")
    rounds = {one["body"] for one in told if one["what"] == "message"}
    expect_equal(rounds, {"round 1", "round 2", "round 3"}, "messages")
    tries = [one for one in told if one["what"] == "sent"]
    expect_equal([one["mechanism"].startswith("HT-") for one in tries], [False, True, True], "authentications")
    outcomes = [one["element"] for one in told if one["what"] == "received"]
    expect_equal(outcomes.count("success"), 3, str(outcomes))
    expect_equal(outcomes[-2:], ["success", "success"], "one answer each: one round trip")
    expect_equal(here[0]["address"], here[2]["address"], "the same installation has the same resource")
