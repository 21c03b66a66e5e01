//! Plays: stanzas from a bound client to the engine, and from the engine to a bound client.

mod session_support;

use crosspoint_engine::envelope::{Condition, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::session::{Action, Event, Form};
use crosspoint_engine::stable::StableId;
use crosspoint_xmpp::XmppConfig;
use crosspoint_xmpp::limits::Limits;
use session_support::*;

fn one(client: &mut Client, stanza: &str) -> Envelope {
    client.send(stanza);
    let mut routed = client.routed();
    assert_eq!(routed.len(), 1, "{stanza}: {}", client.said());
    routed.remove(0)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_message_becomes_an_envelope() {
    let mut client = Client::bound();
    let sent = one(
        &mut client,
        "<message to='Juliet@Capulet.LIT' type='chat' from='romeo@montague.lit' id='a&amp;b' xml:lang='it'>\
         <body>Ci&#224;o</body><thread>t</thread></message>",
    );
    assert_eq!((sent.from.as_str(), sent.to.as_str()), (ROMEO, "juliet@capulet.lit"));
    assert_eq!((sent.kind, text(&sent.id)), (Kind::Message(MessageKind::Chat), "a&b"));
    assert_eq!(text(&sent.content.head), " xml:lang='it'");
    assert_eq!(text(&sent.content.body), "<body>Ci&#224;o</body><thread>t</thread>");
    assert_eq!(sent.hints, Hints::STORE.with(Hints::COPY).with(Hints::WAKE));
}

/// Converse.js does this when it has resumed a session in a page that was loaded anew.
#[test]
fn another_resource_of_ones_own_is_replaced_by_the_real_one() {
    let mut client = Client::bound();
    let stanza = "<message from='romeo@montague.lit/elsewhere' to='a@b'><body/></message>";
    assert_eq!(one(&mut client, stanza).from.as_str(), ROMEO);
}

#[test]
fn what_stands_where_no_address_does() {
    let mut client = Client::bound();
    let own = "romeo@montague.lit";
    assert_eq!(
        one(&mut client, "<message><body>note</body></message>").to.as_str(),
        own
    );
    assert_eq!(
        one(
            &mut client,
            "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"
        )
        .to
        .as_str(),
        own
    );
    assert_eq!(
        one(&mut client, "<message type='gossip' to='a@b'><body/></message>").kind,
        Kind::Message(MessageKind::Normal)
    );
    client.send("<presence><priority> -5 </priority><show>away</show></presence>");
    let asked = client.asked();
    let [Action::Presence { envelope, priority: -5 }] = &asked[..] else {
        panic!("{:?}", names(&asked))
    };
    assert_eq!(
        (envelope.to.as_str(), envelope.kind),
        (own, Kind::Presence(PresenceKind::Available))
    );
    client.send("<presence type='unavailable'/>");
    let asked = client.asked();
    assert!(
        matches!(&asked[..], [Action::Presence { envelope, .. }] if envelope.kind == Kind::Presence(PresenceKind::Unavailable))
    );
}

#[test]
fn subscriptions_are_between_bare_addresses() {
    let mut client = Client::bound();
    for (kind, expected) in [
        ("subscribe", PresenceKind::Subscribe),
        ("subscribed", PresenceKind::Subscribed),
        ("unsubscribe", PresenceKind::Unsubscribe),
        ("unsubscribed", PresenceKind::Unsubscribed),
    ] {
        let sent = one(
            &mut client,
            &format!("<presence to='juliet@capulet.lit/balcony' type='{kind}'/>"),
        );
        assert_eq!(
            (sent.to.as_str(), sent.kind),
            ("juliet@capulet.lit", Kind::Presence(expected))
        );
    }
    let directed = one(&mut client, "<presence to='juliet@capulet.lit/balcony'/>");
    assert_eq!(directed.to.as_str(), "juliet@capulet.lit/balcony");
}

#[test]
fn the_run_of_one_call_is_copied_once() {
    let mut client = Client::bound();
    client.send(
        "<message to='a@b.lit' id='1'><body>one</body></message><message to='c@d.lit' id='2'><body>two</body></message><mess",
    );
    let routed = client.routed();
    let distance = routed[1].content.body.as_ptr() as usize - routed[0].content.body.as_ptr() as usize;
    assert_eq!(
        distance,
        "<message to='a@b.lit' id='1'><body>one</body></message>".len(),
        "one buffer"
    );
    let own = |bytes: &[u8]| bytes.as_ptr() as usize;
    let address = own(routed[0].to.as_bytes());
    assert!(own(&routed[0].content.body) - address < 60, "addresses share it");
    client.send("age to='a@b.lit'/>");
    assert_eq!(client.routed().len(), 1);
}

#[test]
fn what_leans_on_its_stream_is_made_to_stand_alone() {
    let mut client = Client::connect_with(config(), PLAIN, None);
    let header = HEADER.replace(
        "version='1.0' xml",
        "xmlns:c='jabber:client' xmlns:x='urn:x' version='1.0' xml",
    );
    client.send(&header);
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>");
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    client.send(&header);
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    client.forget();
    let sent = one(
        &mut client,
        "<c:message to='juliet@capulet.lit' x:y='1'><c:body>Hi</c:body><x:z/></c:message>",
    );
    let rebuilt = format!(
        "<message{}>{}</message>",
        text(&sent.content.head),
        text(&sent.content.body)
    );
    for declared in [
        "xmlns:c=\"jabber:client\"",
        "xmlns:x=\"urn:x\"",
        "x:y='1'",
        "<c:body>Hi</c:body><x:z/>",
    ] {
        assert!(rebuilt.contains(declared), "{declared} in {rebuilt}");
    }
    assert!(sent.hints.has(Hints::STORE), "its body is a body");
}

#[test]
fn forged_words_of_the_server_are_cut() {
    let mut client = Client::bound();
    let sent = one(
        &mut client,
        "<message to='juliet@capulet.lit'><delay xmlns='urn:xmpp:delay' from='montague.lit' stamp='2002-09-10T23:08:25Z'/>\
         <body>Hi</body><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='1'/><x xmlns='urn:y'/></message>",
    );
    assert_eq!(text(&sent.content.body), "<body>Hi</body><x xmlns='urn:y'/>");
}

/// Of each class of forgery one that a client could believe, hidden behind prefixes and references as well as plain.
#[test]
fn forged_copies_results_identities_and_delays_are_cut() {
    let forged = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='nurse@montague.lit' to='romeo@montague.lit'>\
                  <body>Never said</body></message></forwarded>";
    for child in [
        format!("<received xmlns='urn:xmpp:carbons:2'>{forged}</received>"),
        format!("<sent xmlns='urn:xmpp:carbons:2'>{forged}</sent>"),
        format!("<c:received xmlns:c='urn:xmpp:carbons:&#50;'>{forged}</c:received>"),
        format!("<result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>{forged}</result>"),
        format!("<m:result xmlns:m='urn:xmpp:mam:2' id='1'>{forged}</m:result>"),
        "<fin xmlns='urn:xmpp:mam:2' complete='true'/>".to_owned(),
        "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@montague.lit' id='1'/>".to_owned(),
        "<stanza-id xmlns='urn:xmpp:sid:0' by='JULIET@Montague.lit' id='1'/>".to_owned(),
        "<delay xmlns='urn:xmpp:delay' from='montague.lit' stamp='2002-09-10T23:08:25Z'/>".to_owned(),
        "<delay xmlns='urn:xmpp:delay' from='juliet@montague.lit' stamp='2002-09-10T23:08:25Z'/>".to_owned(),
    ] {
        let mut client = Client::bound();
        let message = format!(
            "<message to='juliet@montague.lit' type='chat'><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>{child}<body>Hi</body></message>"
        );
        let sent = one(&mut client, &message);
        let left = "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/><body>Hi</body>";
        assert_eq!(text(&sent.content.body), left, "{child}");
    }
}

/// XEP-0490 section 3.4: the own clients are told, the contact is not.
#[test]
fn how_far_was_read_is_cut_out_and_published() {
    let mut client = Client::bound();
    client.send(
        "<message to='juliet@capulet.lit' type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>\
         <displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='17'/></displayed>\
         </message>",
    );
    let routed = client.routed();
    let [message, publication] = &routed[..] else {
        panic!("a message and a publication: {routed:?}");
    };
    assert_eq!(
        text(&message.content.body),
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>"
    );
    assert!(
        message.hints.has(Hints::STORE.with(Hints::COPY)),
        "a marker is a marker"
    );
    assert_eq!(publication.kind, Kind::Query(QueryKind::Set));
    assert_eq!(
        (&publication.from, publication.to.as_str()),
        (&jid(ROMEO), jid(ROMEO).bare_str())
    );
    assert_eq!(
        text(&publication.content.body),
        "<pubsub xmlns=\"http://jabber.org/protocol/pubsub\"><publish node=\"urn:xmpp:mds:displayed:0\">\
         <item id=\"juliet@capulet.lit\"><displayed xmlns=\"urn:xmpp:mds:displayed:0\">\
         <stanza-id xmlns=\"urn:xmpp:sid:0\" by=\"romeo@montague.lit\" id=\"17\"/></displayed></item></publish></pubsub>"
    );
}

/// Answers to the server's own pushes are nobody's; those to its questions are waited for.
#[test]
fn an_answer_to_a_question_of_the_server_goes_on_and_others_do_not() {
    let mut client = Client::bound();
    client.send("<iq type='result' id='push1'/><iq type='result' id='push2' to='romeo@montague.lit'/>");
    assert!(client.routed().is_empty());
    client.send("<iq type='result' id='inq-0-1' to='romeo@montague.lit'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    let routed = client.routed();
    assert_eq!(routed.len(), 1);
    assert_eq!(routed[0].kind, Kind::Query(QueryKind::Result));
}

/// A client that does not look at the sender would believe it.
#[test]
fn roster_and_block_list_pushes_come_from_nobody_but_the_server() {
    let mut client = Client::bound();
    let payloads = [
        "<query xmlns='jabber:iq:roster'><item jid='paris@x.org'/></query>",
        "<block xmlns='urn:xmpp:blocking'><item jid='paris@x.org'/></block>",
    ];
    for to in ["juliet@capulet.lit/balcony", "romeo@montague.lit/street"] {
        for payload in payloads {
            client.send(format!("<iq type='set' id='p' to='{to}'>{payload}</iq>"));
            assert!(client.routed().is_empty(), "{to} {payload}");
            assert!(client.said().contains("not-allowed"), "{to} {payload}");
        }
    }
    client.send(format!("<iq type='set' id='p'>{}</iq>", payloads[0]));
    assert_eq!(
        client.routed().len(),
        1,
        "one's own roster is changed at one's own account"
    );
}

#[test]
fn another_language_is_said_on_each_stanza() {
    let mut client = Client::connect_with(config(), PLAIN, None);
    client.send(HEADER);
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>");
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    client.send(HEADER.replace("xml:lang='en'", "xml:lang='it'"));
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    client.forget();
    assert_eq!(
        text(&one(&mut client, "<message to='a@b'/>").content.head),
        " xml:lang=\"it\""
    );
    assert_eq!(
        text(&one(&mut client, "<message to='a@b' xml:lang='xml:lang'/>").content.head),
        " xml:lang='xml:lang'"
    );
    let both = one(&mut client, "<message to='a@b' xmlns:p='urn:p' p:q='1'/>");
    assert_eq!(text(&both.content.head), " xml:lang=\"it\" xmlns:p='urn:p' p:q='1'");
}

#[test]
fn wrong_stanzas_are_answered_and_the_stream_goes_on() {
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    let table = [
        ("<message to='@' id='1'/>".to_owned(), Some("jid-malformed")),
        ("<presence to='a@b@c'/>".to_owned(), Some("jid-malformed")),
        (
            format!("<iq to='x y@z' type='get' id='1'>{ping}</iq>"),
            Some("jid-malformed"),
        ),
        (format!("<iq type='get'>{ping}</iq>"), Some("bad-request")),
        (format!("<iq id='1'>{ping}</iq>"), Some("bad-request")),
        (format!("<iq id='1' type='put'>{ping}</iq>"), Some("bad-request")),
        ("<iq id='1' type='get'/>".to_owned(), Some("bad-request")),
        (format!("<iq id='1' type='set'>{ping}{ping}</iq>"), Some("bad-request")),
        ("<presence type='available'/>".to_owned(), Some("bad-request")),
        ("<presence type='subscribe'/>".to_owned(), Some("bad-request")),
        ("<presence type='probe' to='a@b'/>".to_owned(), Some("not-allowed")),
        (
            "<presence><priority>128</priority></presence>".to_owned(),
            Some("bad-request"),
        ),
        ("<presence><priority/></presence>".to_owned(), Some("bad-request")),
        (
            "<presence><priority>1</priority><priority>1</priority></presence>".to_owned(),
            Some("bad-request"),
        ),
        ("<message to='@' type='error'/>".to_owned(), None),
        ("<iq type='result' to='@' id='1'/>".to_owned(), None),
        ("<iq type='result' id='push-1'/>".to_owned(), None),
        ("<iq type='error' id='push-1' to='montague.lit'/>".to_owned(), None),
        ("<presence type='error'/>".to_owned(), None),
        (" \n\t ".to_owned(), None),
    ];
    let mut client = Client::bound();
    for (stanza, condition) in table {
        client.send(&stanza);
        let said = client.said();
        match condition {
            Some(condition) => {
                assert!(
                    said.contains("type=\"error\"") && said.contains(&format!("<{condition} ")),
                    "{stanza}: {said}"
                );
                assert!(said.contains(&format!("to=\"{ROMEO}\"")), "{said}");
            }
            None => assert_eq!(said, "", "{stanza}"),
        }
        assert!(client.asked().is_empty(), "{stanza} goes nowhere");
        assert!(!client.closed);
    }
}

#[test]
fn a_delivery_is_written_with_its_addresses_anew() {
    let mut client = Client::bound();
    let chat = Kind::Message(MessageKind::Chat);
    let mut envelope = message(
        "juliet@capulet.lit/bal'cony",
        "romeo@montague.lit",
        chat,
        "<body>Hi</body>",
    );
    envelope.id = b"a\"&".as_slice().into();
    envelope.content.head = b" xml:lang='it'".as_slice().into();
    client.deliver(&envelope, Form::Plain, None);
    assert_eq!(
        client.said(),
        "<message from=\"juliet@capulet.lit/bal&apos;cony\" to=\"romeo@montague.lit\" type=\"chat\" \
         id=\"a&quot;&amp;\" xml:lang='it'><body>Hi</body></message>"
    );
}

#[test]
fn the_other_forms_of_a_delivery() {
    let chat = Kind::Message(MessageKind::Chat);
    let juliet = "juliet@capulet.lit/balcony";
    let mut client = Client::bound();
    let stamped = Envelope {
        stamp_ms: Some(1_031_699_305_000),
        ..message(juliet, ROMEO, chat, "<body>Hi</body>")
    };
    client.deliver(&stamped, Form::Plain, None);
    assert!(client.said().ends_with(
        "<body>Hi</body><delay xmlns='urn:xmpp:delay' from=\"montague.lit\" stamp='2002-09-10T23:08:25.000Z'/></message>"
    ));
    let known = Envelope {
        stable: StableId::parse("0123456789abcdef"),
        ..message(juliet, ROMEO, chat, "<body>Hi</body>")
    };
    let identity =
        "<body>Hi</body><stanza-id xmlns='urn:xmpp:sid:0' by=\"romeo@montague.lit\" id='0123456789abcdef'/></message>";
    client.deliver(&known, Form::Plain, None);
    assert!(client.said().ends_with(identity));
    client.deliver(&known, Form::CopyReceived, None);
    assert!(client.said().contains(&format!("{identity}</forwarded>")));
    let refused = message(juliet, ROMEO, chat, "<body>Hi</body>")
        .bounce(Condition::ServiceUnavailable)
        .unwrap();
    client.deliver(&refused, Form::Plain, None);
    assert!(client.said().ends_with(
        "type=\"error\"><body>Hi</body><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ));
    client.deliver(
        &message(juliet, "romeo@montague.lit/phone", chat, "<body>Hi</body>"),
        Form::CopyReceived,
        None,
    );
    assert_eq!(
        client.said(),
        "<message from=\"romeo@montague.lit\" to=\"romeo@montague.lit/orchard\" type=\"chat\">\
         <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns=\"jabber:client\" from=\"juliet@capulet.lit/balcony\" to=\"romeo@montague.lit/phone\" type=\"chat\">\
         <body>Hi</body></message></forwarded></received></message>"
    );
    client.deliver(
        &message("romeo@montague.lit/phone", juliet, chat, "<body>Hi</body>"),
        Form::CopySent,
        None,
    );
    assert!(client.said().contains("<sent xmlns='urn:xmpp:carbons:2'>"));
    let neutral = Envelope::neutral(jid(juliet), jid(ROMEO), Kind::Presence(PresenceKind::Unavailable));
    client.deliver(&neutral, Form::Plain, None);
    assert_eq!(
        client.said(),
        format!("<presence from=\"{juliet}\" to=\"{ROMEO}\" type=\"unavailable\"/>")
    );
    let result = Envelope::neutral(jid("montague.lit"), jid(ROMEO), Kind::Query(QueryKind::Result));
    client.deliver(&result, Form::Plain, None);
    assert_eq!(
        client.said(),
        format!("<iq from=\"montague.lit\" to=\"{ROMEO}\" type=\"result\"/>")
    );
}

#[test]
fn a_block_is_pushed() {
    let mut client = Client::bound();
    for number in 1..=2 {
        client.event(Event::BlockPush {
            addresses: vec![jid("tybalt@capulet.lit")],
            blocked: true,
        });
        let said = client.said();
        assert!(
            said.starts_with(&format!("<iq type=\"set\" id=\"push-{number}\" to=\"{ROMEO}\">")),
            "{said}"
        );
        assert!(
            said.contains("tybalt@capulet.lit") && said.contains("urn:xmpp:blocking"),
            "{said}"
        );
    }
}

#[test]
fn too_fast_a_client_waits() {
    let limits = Limits {
        inbound_stanzas_per_s: 2,
        ..Limits::DEFAULT
    };
    let mut client = Client::bound_with(XmppConfig { limits, ..config() });
    for _ in 0..4 {
        client.send("<message to='a@b'/>");
    }
    assert_eq!(
        client.routed().len(),
        3,
        "a second's worth, and the one that is too many"
    );
    assert!(client.paused);
    let ready = client.wake_at.unwrap();
    assert_eq!(ready, client.now.ms + 500);
    client.tick_at(ready);
    assert_eq!(client.routed().len(), 1);
}

#[test]
fn a_silent_client_is_asked_and_then_let_go() {
    let limits = Limits {
        idle_ms: 100_000,
        idle_grace_ms: 10_000,
        ..Limits::DEFAULT
    };
    let mut client = Client::bound_with(XmppConfig { limits, ..config() });
    let start = client.now.ms;
    while !client.closed && client.said().is_empty() {
        let wake = client.wake_at.unwrap();
        client.tick_at(wake);
        assert!(client.now.ms <= start + 100_000);
    }
    assert_eq!(client.now.ms, start + 100_000);
    client.send(" ");
    let wake = client.wake_at.unwrap();
    client.tick_at(wake);
    assert!(!client.closed, "white space is a sign of life");
    while !client.closed {
        client.forget();
        let wake = client.wake_at.unwrap();
        client.tick_at(wake);
    }
    assert_eq!(client.ended_with(), "connection-timeout");
    assert_eq!(client.now.ms, start + 100_000 + 110_000);
}
