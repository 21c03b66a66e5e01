"""What RFC 6120 forbids inside a stream, one construct a play: each ends in the error that is defined for it.

Every construct is said by an authenticated client on a connection of its own, and the bystander must not notice.
Other servers than Crosspoint only have to end the stream: which condition they choose is their affair.
"""

from interop.raw import CLIENT, Raw, condition_of
from interop.stage import expect, expect_equal

from .hostile_stage import ends, fresh_source, play

RESTRICTED = ("restricted-xml", "not-well-formed")
BROKEN = ("not-well-formed", "bad-format", "invalid-xml")
PREFIX = ("bad-namespace-prefix", "not-well-formed")
POLICY = ("policy-violation",)

# name: (bytes after login, conditions that RFC 6120 allows for it)
CONSTRUCTS = {
    "dtd": (b"<!DOCTYPE message [<!ENTITY a 'b'>]>", RESTRICTED),
    "dtd_inside_a_stanza": (b"<message><!DOCTYPE x></message>", RESTRICTED),
    "comment": (b"<message><!-- hidden --><body>x</body></message>", RESTRICTED),
    "comment_between_stanzas": (b"<!-- hidden -->", RESTRICTED),
    "processing_instruction": (b"<message><?php exit ?></message>", RESTRICTED),
    "processing_instruction_between_stanzas": (b"<?xml-stylesheet href='x'?>", RESTRICTED),
    "xml_declaration_in_the_stream": (b"<?xml version='1.0'?>", RESTRICTED),
    "undefined_entity": (b"<message><body>&bomb;</body></message>", RESTRICTED),
    "undefined_entity_in_an_attribute": (b"<message id='&bomb;'/>", RESTRICTED),
    "billion_laughs": (b"<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><message><body>&b;</body></message>",
                       RESTRICTED),
    "bare_ampersand": (b"<message><body>Tom & Jerry</body></message>", BROKEN + RESTRICTED),
    "reference_to_nul": (b"<message><body>&#0;</body></message>", BROKEN),
    "reference_to_a_surrogate": (b"<message><body>&#xD800;</body></message>", BROKEN),
    "reference_beyond_unicode": (b"<message><body>&#x110000;</body></message>", BROKEN),
    "reference_to_a_control_character": (b"<message><body>&#7;</body></message>", BROKEN),
    "control_character": (b"<message><body>\x07</body></message>", BROKEN),
    "nul": (b"<message><body>\x00</body></message>", BROKEN),
    "nul_between_stanzas": (b"\x00", BROKEN),
    "utf8_stray_continuation": (b"<message><body>\x80</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf8_overlong": (b"<message><body>\xc0\xaf</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf8_surrogate": (b"<message><body>\xed\xa0\x80</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf8_cut_short": (b"<message><body>\xe2\x82</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf8_beyond_unicode": (b"<message><body>\xf4\x90\x80\x80</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf8_in_an_attribute": (b"<message id='\xff'/>", BROKEN + ("unsupported-encoding",)),
    "noncharacter_ffff": (b"<message><body>\xef\xbf\xbf</body></message>", BROKEN + ("unsupported-encoding",)),
    "utf16": ("<message/>".encode("utf-16"), BROKEN + ("unsupported-encoding",)),
    "unbound_element_prefix": (b"<message><x:y/></message>", PREFIX),
    "unbound_stanza_prefix": (b"<x:message/>", PREFIX),
    "unbound_attribute_prefix": (b"<message x:y='z'/>", PREFIX),
    "prefix_bound_to_nothing": (b"<message xmlns:x=''/>", PREFIX),
    "prefix_xmlns_declared": (b"<message xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", PREFIX),
    "prefix_xml_rebound": (b"<message xmlns:xml='made-up'/>", PREFIX),
    "two_colons": (b"<message xmlns:a='a'><a:b:c/></message>", PREFIX),
    "mismatched_tags": (b"<message><body>x</subject></message>", BROKEN),
    "mismatched_prefixes": (b"<message xmlns:a='q' xmlns:b='q'><a:x></b:x></message>", BROKEN),
    "crossed_tags": (b"<message><a><b></a></b></message>", BROKEN),
    "closing_what_was_not_opened": (b"</message>", BROKEN),
    "duplicate_attribute": (b"<message id='1' id='2'/>", BROKEN),
    "duplicate_attribute_by_namespace": (b"<message xmlns:a='q' xmlns:b='q' a:x='1' b:x='2'/>", BROKEN),
    "attribute_without_quotes": (b"<message id=1/>", BROKEN),
    "attribute_without_value": (b"<message id/>", BROKEN),
    "attributes_without_space": (b"<message id='1'type='chat'/>", BROKEN),
    "less_than_in_an_attribute": (b"<message id='<'/>", BROKEN),
    "space_before_the_name": (b"< message/>", BROKEN),
    "name_that_begins_with_a_digit": (b"<message><1/></message>", BROKEN),
    "cdata_end_in_text": (b"<message><body>]]></body></message>", BROKEN),
    "cdata_between_stanzas": (b"<![CDATA[x]]>", BROKEN + RESTRICTED),
    "text_between_stanzas": (b"hello", BROKEN),
    "declared_conditional_section": (b"<message><![INCLUDE[x]]></message>", BROKEN + RESTRICTED),
    "deep_nesting": (b"<message>" + b"<a>" * 5000, POLICY),
    "endless_text": (b"<message><body>" + b"x" * 6_000_000, POLICY),
    "endless_tag_name": (b"<" + b"m" * 6_000_000, POLICY),
    "endless_attribute": (b"<message id='" + b"x" * 6_000_000, POLICY),
    "endless_attributes": (b"<message" + b"".join(b" a%d='x'" % n for n in range(400_000)), POLICY),
    "unknown_stanza": (b"<telegram xmlns='jabber:client'/>", ("unsupported-stanza-type",)),
    "stanza_of_another_namespace": (b"<message xmlns='jabber:server'/>", ("unsupported-stanza-type",
                                                                          "invalid-namespace")),
    "a_second_stream_header": (b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'></stream:stream>",
                               BROKEN + ("unsupported-stanza-type", "conflict", "policy-violation")),
    "someone_elses_from": (b"<message to='king@interop.test' from='king@interop.test'><body>obey</body></message>", ("invalid-from",)),
}


def add_construct(name, payload, conditions):
    async def construct(server, bystander, **_):
        raw = await Raw.session(server, *server.mallory, source=fresh_source())
        raw.say(payload)
        await ends(server, raw, conditions)
        bystander.check()
    construct.__name__ = name
    play()(construct)


for one_name, (one_payload, some_conditions) in CONSTRUCTS.items():
    add_construct(one_name, one_payload, some_conditions)


@play()
async def every_split_of_a_bad_stanza_is_refused_alike(server, bystander, **_):
    for payload, conditions in (CONSTRUCTS["comment"], CONSTRUCTS["utf8_cut_short"], CONSTRUCTS["undefined_entity"]):
        for cut in range(1, len(payload), 7):
            raw = await Raw.session(server, *server.mallory, source=fresh_source())
            raw.say(payload[:cut])
            await bystander.turn()
            raw.say(payload[cut:])
            await ends(server, raw, conditions)
    bystander.check()


@play()
async def allowed_xml_is_delivered_unharmed(server, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    raw.say("<presence/>")
    body = "<body>a<![CDATA[<b&>]]>&amp;&#65;&#x1F339;&lt;&gt;&quot;&apos;\t\u00e9</body>"
    raw.say("<message to='%s' type='chat' xmlns:p='urn:p'>%s<p:x p:y='1'/></message>" % (raw.bound, body))
    while (got := await raw.next()).tag != CLIENT + "message":
        pass
    expect_equal(got.find(CLIENT + "body").text, "a<b&>&A\U0001f339<>\"'\t\u00e9", "body")
    expect_equal(got.find("{urn:p}x").get("{urn:p}y"), "1", "prefixed child")
    raw.abort()


@play()
async def bad_addresses_are_answered_and_the_stream_lives(server, bystander, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    for bad in ("@interop.test", "a@", "a@b@c", "romeo@interop.test/" + "x" * 1100, "a b@interop.test", "a&quot;b@interop.test"):
        answer = await raw.query("get", "<ping xmlns='urn:xmpp:ping'/>", to=bad)
        expect_equal(answer.get("type"), "error", "answer to " + bad[:40])
        if server.strict:
            expect_equal(condition_of(answer), "jid-malformed", "condition for " + bad[:40])
    await raw.ping("after")
    raw.abort()
    bystander.check()


@play()
async def queries_out_of_form_are_answered_and_the_stream_lives(server, bystander, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    for number, iq in enumerate(("<iq type='get' id='%s'/>", "<iq type='chant' id='%s'><x xmlns='y'/></iq>",
                                 "<iq type='get' id='%s'><x xmlns='y'/><x xmlns='y'/></iq>", "<iq id='%s'/>")):
        raw.say(iq % number)
        answer = await raw.next()
        expect_equal((answer.get("type"), answer.get("id")), ("error", str(number)), "answer to " + iq)
        if server.strict:
            expect_equal(condition_of(answer), "bad-request", "condition for " + iq)
    await raw.ping("after")
    raw.abort()
    bystander.check()


@play("stanza-size")
async def one_stanza_over_the_limit_ends_the_stream_and_one_below_does_not(server, bystander, **_):
    raw = await Raw.session(server, *server.mallory, source=fresh_source())
    limit = raw.features.find(".//{urn:xmpp:stream-limits:0}max-bytes")
    expect(limit is not None, "the features announce max-bytes")
    most = int(limit.text)
    frame = "<message to='%s' type='chat'><body>%s</body></message>"
    filler = most - len(frame % (raw.bound, ""))
    raw.say("<presence/>" + frame % (raw.bound, "x" * filler))
    while (got := await raw.next()).tag != CLIENT + "message":
        pass
    expect_equal(len(got.find(CLIENT + "body").text), filler, "length of the largest body")
    raw.say(frame % (raw.bound, "x" * (filler + 1)))
    await ends(server, raw, POLICY)
    bystander.check()
