"""Malformed handshakes, one a play: headers, STARTTLS and SASL that a client must not send, and how each must end."""

import asyncio
import base64
import time

from interop import servers
from interop.raw import NS_SASL, NS_TLS, SASL, SM, Raw, Refused, StreamEnd, condition_of
from interop.stage import expect, expect_equal

from .hostile_stage import ends, fresh_source, play

BROKEN = ("not-well-formed", "bad-format", "invalid-xml", "invalid-namespace", "unsupported-stanza-type",
          "restricted-xml", "bad-namespace-prefix")
DEADLINE_SECONDS = 30


async def opened(server):
    raw = await Raw.connect(server, fresh_source())
    await raw.open()
    return raw


async def encrypted(server):
    raw = await opened(server)
    await raw.encrypt(server.trust())
    return raw


def auth(mechanism, text=""):
    return "<auth xmlns='%s' mechanism='%s'>%s</auth>" % (NS_SASL, mechanism, text)


# name: (the first bytes of a connection, conditions)
OPENINGS = {
    "garbage_instead_of_a_header": (b"GET / HTTP/1.1\r\nHost: interop.test\r\n\r\n", BROKEN),
    "binary_garbage_instead_of_a_header": (bytes(range(256)), BROKEN),
    "tls_without_starttls": (bytes.fromhex("16030100c8010000c40303") + bytes(193), BROKEN),
    "another_root_element": (b"<html xmlns='http://www.w3.org/1999/xhtml'>", BROKEN),
    "a_stanza_without_a_header": (b"<message xmlns='jabber:client'><body>x</body></message>", BROKEN),
    "wrong_stream_namespace": (b"<stream:stream xmlns='jabber:client' xmlns:stream='made-up' to='interop.test' "
                               b"version='1.0'>", ("invalid-namespace",)),
    "wrong_content_namespace": (b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
                                b"to='interop.test' version='1.0'>", ("invalid-namespace", "bad-format")),
    "unknown_host": (b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                     b"to='elsewhere.example' version='1.0'>", ("host-unknown",)),
    "version_0_9": (b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                    b"to='interop.test' version='0.9'>", ("unsupported-version",)),
    "no_version": (b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                   b"to='interop.test'>", ("unsupported-version",)),
    "version_that_is_no_number": (b"<stream:stream xmlns='jabber:client' "
                                  b"xmlns:stream='http://etherx.jabber.org/streams' to='interop.test' version='new'>",
                                  ("unsupported-version", "bad-format")),
    "another_encoding": (b"<?xml version='1.0' encoding='ISO-8859-1'?><stream:stream xmlns='jabber:client' "
                         b"xmlns:stream='http://etherx.jabber.org/streams' to='interop.test' version='1.0'>",
                         ("unsupported-encoding", "restricted-xml", "not-well-formed")),
    "xml_1_1": (b"<?xml version='1.1'?><stream:stream xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams' to='interop.test' version='1.0'>",
                BROKEN + ("unsupported-version",)),
    "dtd_before_the_header": (b"<?xml version='1.0'?><!DOCTYPE stream:stream SYSTEM 'file:///etc/passwd'>",
                              ("restricted-xml", "not-well-formed")),
    "endless_header": (b"<stream:stream xmlns='jabber:client' x='" + b"x" * 1_000_000, ("policy-violation",)),
}


def add_opening(name, payload, conditions):
    async def opening(server, bystander, **_):
        raw = await Raw.connect(server, fresh_source())
        raw.say(payload)
        await ends(server, raw, conditions)
        bystander.check()
    opening.__name__ = name
    play()(opening)


for one_name, (one_payload, some_conditions) in OPENINGS.items():
    add_opening(one_name, one_payload, some_conditions)


@play()
async def a_higher_version_is_negotiated_down(server, **_):
    raw = await Raw.connect(server, fresh_source())
    await raw.open(version="1.9")
    expect_equal(raw.answered.get("version"), "1.0", "version of the answer")
    expect_equal(raw.answered.get("from"), server.domain, "from")
    expect(raw.answered.get("id"), "a stream id")
    raw.abort()


@play()
async def plain_bytes_on_the_direct_tls_port_end_the_connection(server, bystander, **_):
    reader, writer = await asyncio.open_connection(server.address, servers.XMPPS_PORT)
    writer.write(b"<stream:stream xmlns='jabber:client' to='interop.test'>")
    try:
        while await asyncio.wait_for(reader.read(4096), 10):
            pass
    except ConnectionError:
        pass
    writer.close()
    bystander.check()


@play()
async def a_handshake_that_fails_ends_the_connection(server, bystander, **_):
    raw = await opened(server)
    raw.say("<starttls xmlns='%s'/>" % NS_TLS)
    await raw.next()
    raw.say(b"this is no ClientHello" * 10)
    try:
        while await asyncio.wait_for(raw.reader.read(4096), 10):
            pass
    except ConnectionError:
        pass
    bystander.check()


@play()
async def plain_bytes_behind_starttls_are_not_obeyed(server, bystander, **_):
    user, password = server.mallory
    raw = await opened(server)
    secret = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
    raw.say("<starttls xmlns='%s'/>%s" % (NS_TLS, auth("PLAIN", secret)))
    try:
        expect_equal((await raw.next()).tag, "{%s}proceed" % NS_TLS, "answer")
        await raw.handshake(server.trust())
        await raw.open()
        expect(raw.mechanisms, "the encrypted stream starts before authentication")
        answer = await raw.sasl("MADE-UP")
        expect_equal(condition_of(answer), "invalid-mechanism", "the first answer inside TLS")
    except (OSError, EOFError, StreamEnd, asyncio.TimeoutError) as error:
        expect(not server.strict, "the pipelined bytes broke the handshake: %r" % error)
    raw.abort()
    bystander.check()


@play()
async def starttls_a_second_time_is_refused(server, bystander, **_):
    raw = await encrypted(server)
    expect(raw.features.find(".//{%s}starttls" % NS_TLS) is None, "STARTTLS is not offered inside TLS")
    raw.say("<starttls xmlns='%s'/>" % NS_TLS)
    try:
        answer = await raw.next()
        expect_equal(answer.tag, "{%s}failure" % NS_TLS, "answer")
    except StreamEnd:
        pass
    bystander.check()


@play()
async def stanzas_before_authentication_end_the_stream(server, bystander, **_):
    for stanza in ("<message to='king@interop.test'><body>x</body></message>", "<presence/>",
                   "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"):
        raw = await opened(server)
        raw.say(stanza)
        try:
            answer = await raw.next()
            expect(not server.strict and answer.get("type") == "error", "%s was answered by %s" % (stanza, answer.tag))
        except StreamEnd as end:
            expect(not server.strict or end.condition == "not-authorized", "ended with %s" % end.condition)
    bystander.check()


@play()
async def required_encryption_cannot_be_gone_round(guarded, **_):
    raw = await opened(guarded)
    expect(raw.features.find(".//{%s}required" % NS_TLS) is not None, "STARTTLS is required")
    expect_equal(raw.mechanisms, [], "mechanisms before TLS")
    raw.say(auth("PLAIN", base64.b64encode(b"\0mallory\0secret-mallory").decode()))
    try:
        answer = await raw.next()
        expect_equal(answer.tag, SASL + "failure", "answer")
        expect(condition_of(answer) in ("encryption-required", "invalid-mechanism", "mechanism-too-weak",
                                        "not-authorized"), condition_of(answer))
    except StreamEnd as end:
        expect(end.condition in ("policy-violation", "not-authorized"), "ended with %s" % end.condition)


@play()
async def plain_is_not_for_plain_connections(server, **_):
    raw = await opened(server)
    expect("PLAIN" not in raw.mechanisms, "PLAIN is not offered without TLS")
    user, password = server.mallory
    try:
        await raw.login(user, password, "PLAIN")
    except (Refused, StreamEnd):
        return
    raise AssertionError("logged in by PLAIN without TLS")


# name: (what is sent on an encrypted stream, conditions)
SASL_FAULTS = {
    "unknown_mechanism": (auth("KERBEROS_V4", "="), ("invalid-mechanism",)),
    "no_mechanism": ("<auth xmlns='%s'/>" % NS_SASL, ("invalid-mechanism", "malformed-request")),
    "base64_with_bad_characters": (auth("PLAIN", "!!!!"), ("incorrect-encoding", "malformed-request")),
    "base64_with_bad_padding": (auth("PLAIN", "AGE"), ("incorrect-encoding", "malformed-request")),
    "plain_without_separators": (auth("PLAIN", base64.b64encode(b"romeo").decode()),
                                 ("malformed-request", "not-authorized", "incorrect-encoding")),
    "plain_with_bad_utf8": (auth("PLAIN", base64.b64encode(b"\0\xff\xfe\0x").decode()),
                            ("malformed-request", "not-authorized", "incorrect-encoding")),
    "scram_that_is_no_scram": (auth("SCRAM-SHA-256", base64.b64encode(b"hello").decode()),
                               ("malformed-request", "not-authorized")),
    "scram_with_an_unknown_extension": (auth("SCRAM-SHA-256", base64.b64encode(b"n,,m=x,n=romeo,r=abc").decode()),
                                        ("malformed-request", "not-authorized")),
    "scram_with_a_binding_on_the_plain_mechanism": (
        auth("SCRAM-SHA-256", base64.b64encode(b"p=tls-unique,,n=romeo,r=abcdefgh").decode()),
        ("malformed-request", "not-authorized")),
    "scram_for_an_empty_name": (auth("SCRAM-SHA-256", base64.b64encode(b"n,,n=,r=abcdefgh").decode()),
                                ("malformed-request", "not-authorized")),
    "response_out_of_turn": ("<response xmlns='%s'/>" % NS_SASL, ("malformed-request", "not-authorized",
                                                                  "unsupported-stanza-type")),
}


def add_sasl_fault(name, payload, conditions):
    async def sasl_fault(server, bystander, **_):
        raw = await encrypted(server)
        raw.say(payload)
        try:
            answer = await raw.next()
            expect_equal(answer.tag, SASL + "failure", "answer")
            expect(not server.strict or condition_of(answer) in conditions,
                   "%s instead of one of %s" % (condition_of(answer), conditions))
            await raw.login(*server.mallory)
        except StreamEnd as end:
            expect(not server.strict or end.condition in conditions, "ended with %s" % end.condition)
        raw.abort()
        bystander.check()
    sasl_fault.__name__ = name
    play()(sasl_fault)


for one_name, (one_text, some_conditions) in SASL_FAULTS.items():
    add_sasl_fault(one_name, one_text, some_conditions)


@play()
async def an_aborted_authentication_can_be_tried_again(server, **_):
    raw = await encrypted(server)
    answer = await raw.sasl("SCRAM-SHA-256", b"n,,n=%s,r=abcdefghij" % server.mallory[0].encode())
    expect_equal(answer.tag, SASL + "challenge", "answer")
    raw.say("<abort xmlns='%s'/>" % NS_SASL)
    expect_equal(condition_of(await raw.next()), "aborted", "condition")
    await raw.login(*server.mallory)
    raw.abort()


@play()
async def a_proof_for_another_nonce_is_refused(server, **_):
    raw = await encrypted(server)
    await raw.sasl("SCRAM-SHA-256", b"n,,n=%s,r=abcdefghij" % server.mallory[0].encode())
    raw.say("<response xmlns='%s'>%s</response>" % (NS_SASL, base64.b64encode(b"c=biws,r=abcdefghij,p=" + b"A" * 43 + b"=").decode()))
    answer = await raw.next()
    expect_equal(answer.tag, SASL + "failure", "answer")
    raw.abort()


@play()
async def an_authzid_opens_no_other_account(server, **_):
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        raw = await encrypted(server)
        try:
            await raw.login(*server.mallory, mechanism, authzid=server.jid("king").encode())
        except Refused as refusal:
            expect(not server.strict or str(refusal) in ("invalid-authzid", "not-authorized"), str(refusal))
        else:
            bound = await raw.bind()
            expect(not server.strict and bound.startswith(server.jid(server.mallory[0])),
                   "%s logged in as %s" % (mechanism, bound))


@play()
async def ones_own_authzid_is_welcome(server, **_):
    raw = await encrypted(server)
    user, password = server.mallory
    await raw.login(user, password, "PLAIN", authzid=server.jid(user).encode())
    expect((await raw.bind()).startswith(server.jid(user) + "/"), "bound address " + raw.bound)
    raw.abort()


@play()
async def unknown_users_are_refused_like_wrong_passwords(server, **_):
    answers = set()
    for user in (server.mallory[0], "nobody-at-all"):
        raw = await encrypted(server)
        try:
            await raw.login(user, "wrong")
        except Refused as refusal:
            answers.add(str(refusal))
        raw.abort()
    expect_equal(answers, {"not-authorized"}, "conditions")


@play()
async def too_many_attempts_end_the_stream(server, bystander, **_):
    raw = await encrypted(server)
    for attempt in range(50):
        try:
            await raw.login(server.mallory[0], "guess%d" % attempt, "PLAIN")
        except Refused:
            continue
        except StreamEnd as end:
            expect(not server.strict or end.condition in ("policy-violation", "not-authorized"),
                   "ended with %s" % end.condition)
            bystander.check()
            return
        raise AssertionError("logged in by guessing")
    raise AssertionError("50 guesses on one stream")


@play("guess-budget")
async def guessing_one_account_is_stopped_and_its_owner_is_not(server, bystander, **_):
    server.add_accounts([("treasurer", "secret-treasurer")])
    home, answers = fresh_source(), set()
    await Raw.session(server, "treasurer", "secret-treasurer", source=home, encrypted=True)
    for guess in range(40):
        try:
            await Raw.session(server, "treasurer", "guess%d" % guess, source=fresh_source(), encrypted=True)
        except Refused as refusal:
            answers.add(str(refusal))
        except StreamEnd as end:
            answers.add(str(end.condition))
    expect(answers - {"not-authorized"}, "40 guesses were all judged: %s" % answers)
    await Raw.session(server, "treasurer", "secret-treasurer", source=home, encrypted=True)
    bystander.check()


@play()
async def resuming_what_never_was_is_refused(server, **_):
    raw = await encrypted(server)
    await raw.login(*server.mallory)
    await raw.open()
    raw.say("<resume xmlns='urn:xmpp:sm:3' h='0' previd='made-up'/>")
    answer = await raw.next()
    expect_equal((answer.tag, condition_of(answer)), (SM + "failed", "item-not-found"), "answer")
    await raw.query("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
    await raw.ping()
    raw.abort()


@play()
async def acknowledging_more_than_was_sent_ends_the_stream(server, bystander, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    raw.say("<enable xmlns='urn:xmpp:sm:3'/>")
    expect_equal((await raw.next()).tag, SM + "enabled", "answer")
    raw.say("<a xmlns='urn:xmpp:sm:3' h='4000000'/>")
    await ends(server, raw, ("undefined-condition",))
    bystander.check()


@play()
async def a_closed_stream_is_closed_in_return(server, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    raw.say("</stream:stream>")
    end = await raw.ended()
    expect_equal((end.condition, end.closed), (None, True), "condition and closing tag")


@play("deadline", seconds=60)
async def slow_clients_meet_the_deadline(server, bystander, **_):
    started = time.monotonic()
    await asyncio.gather(*(drip(server, text) for text in ("", "<?xml version='1.0'?>" + " " * 80, "header")))
    waited = time.monotonic() - started
    expect(waited < DEADLINE_SECONDS + 15, "the last slow client was let go after %.0f s" % waited)
    bystander.check()


async def drip(server, text):
    """A client that says nothing, or one byte a second, or a header and then no more."""
    raw = await Raw.connect(server, fresh_source())
    if text == "header":
        await raw.open()
        text = ""
    watch = asyncio.ensure_future(raw.ended(DEADLINE_SECONDS + 20))
    for byte in text:
        if watch.done():
            break
        raw.say(byte)
        await asyncio.sleep(1)
    await watch


@play()
async def the_bystander_never_noticed(bystander, **_):
    bystander.check()
    expect(bystander.pings > 100, "only %d pings" % bystander.pings)
    if not bystander.is_alive():
        raise AssertionError("the bystander is gone")
