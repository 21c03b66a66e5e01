//! A table of what peers get wrong, and the one condition in which each ends; and noise that must not bring anything down.

mod session_support;

use crosspoint_engine::session::{Event, Farewell};
use crosspoint_xmpp::XmppConfig;
use crosspoint_xmpp::limits::Limits;
use proptest::prelude::*;
use session_support::*;

fn header(from: &str, to: &str) -> String {
    let changed = HEADER.replace(from, to);
    assert!(from == to || changed != HEADER, "{from} is in the header");
    changed
}

#[test]
fn each_wrong_header_has_its_condition_after_ours() {
    let table = [
        (header("to='montague.lit'", "to='capulet.lit'"), "host-unknown"),
        (header("to='montague.lit'", ""), "improper-addressing"),
        (header("to='montague.lit'", "to='a@b@c'"), "improper-addressing"),
        (header("version='1.0' xml:lang", "xml:lang"), "unsupported-version"),
        (
            header("version='1.0' xml:lang", "version='0.9' xml:lang"),
            "unsupported-version",
        ),
        (
            header("version='1.0' xml:lang", "version='one' xml:lang"),
            "unsupported-version",
        ),
        (
            header("xmlns='jabber:client'", "xmlns='jabber:server'"),
            "invalid-namespace",
        ),
        (header("xmlns='jabber:client'", ""), "invalid-namespace"),
        (
            header("http://etherx.jabber.org/streams", "urn:elsewhere"),
            "invalid-namespace",
        ),
        (header("<?xml version='1.0'?>", "<!DOCTYPE x>"), "restricted-xml"),
        (header("<?xml version='1.0'?>", "<!-- hello -->"), "restricted-xml"),
        (
            header("<?xml version='1.0'?>", "<?xml version='1.0' encoding='latin-1'?>"),
            "unsupported-encoding",
        ),
        (
            header("<?xml version='1.0'?>", "GET / HTTP/1.1\r\n\r\n"),
            "not-well-formed",
        ),
        (
            "<stream to='montague.lit' version='1.0'>".to_owned(),
            "bad-namespace-prefix",
        ),
        ("</stream:stream>".to_owned(), "not-well-formed"),
    ];
    for (bytes, condition) in table {
        let mut client = Client::connect(PLAIN);
        client.send(&bytes);
        let said = client.said();
        assert_eq!(
            said.matches("<?xml version='1.0'?><stream:stream ").count(),
            1,
            "{bytes}: {said}"
        );
        assert!(
            said.contains(&format!("<stream:error><{condition} ")),
            "{bytes}: {said}"
        );
        assert!(said.ends_with("</stream:stream>") && client.closed, "{said}");
    }
}

#[test]
fn each_wrong_word_before_authentication_has_its_condition() {
    let table = [
        ("<message to='a@b'/>", "not-authorized"),
        ("<presence/>", "not-authorized"),
        (
            "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>",
            "not-authorized",
        ),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
        ("<nonsense/>", "unsupported-stanza-type"),
        ("text", "bad-format"),
        ("<a><b></a>", "not-well-formed"),
        ("<a>&nbsp;</a>", "restricted-xml"),
        ("<?pi?>", "restricted-xml"),
        ("<a b='1' b='2'/>", "not-well-formed"),
        ("<p:a/>", "not-well-formed"),
    ];
    for (bytes, condition) in table {
        let mut client = Client::connect(PLAIN);
        client.send(HEADER);
        client.forget();
        client.send(bytes);
        assert_eq!(client.ended_with(), condition, "{bytes}");
    }
    let mut client = Client::connect(PLAIN);
    client.send(HEADER);
    client.forget();
    client.send([b'<', b'a', b'>', 0xff, 0xfe, b'<', b'/', b'a', b'>']);
    assert_eq!(client.ended_with(), "unsupported-encoding");
}

#[test]
fn starttls_where_it_is_not_offered() {
    for listener in [PLAIN, DIRECT, PROXIED] {
        let mut client = Client::connect(listener);
        client.send(HEADER);
        client.forget();
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        assert_eq!(
            client.said(),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"
        );
        assert!(client.closed);
    }
}

#[test]
fn each_wrong_word_before_binding_has_its_condition() {
    let table = [
        ("<message to='a@b'/>", "not-authorized"),
        (
            "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
            "not-authorized",
        ),
        (
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>",
            "unsupported-stanza-type",
        ),
        (
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            "unsupported-stanza-type",
        ),
    ];
    for (bytes, condition) in table {
        let mut client = Client::at_home(config());
        client.send(bytes);
        assert_eq!(client.ended_with(), condition, "{bytes}");
    }
}

#[test]
fn each_wrong_word_of_a_bound_session_has_its_condition() {
    let table = [
        ("<message from='juliet@capulet.lit' to='a@b'/>", "invalid-from"),
        ("<message from='romeo@capulet.lit/orchard' to='a@b'/>", "invalid-from"),
        ("<message from='' to='a@b'/>", "invalid-from"),
        ("<message xmlns='jabber:server' to='a@b'/>", "invalid-namespace"),
        ("<message xmlns='' to='a@b'/>", "invalid-namespace"),
        ("<pubsub/>", "unsupported-stanza-type"),
        ("<x xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
        ("<message to='a@b'>]]></message>", "not-well-formed"),
        ("hello", "bad-format"),
    ];
    for (bytes, condition) in table {
        let mut client = Client::bound();
        client.send(bytes);
        assert_eq!(client.ended_with(), condition, "{bytes}");
    }
    for own in [ROMEO, "romeo@montague.lit", "ROMEO@montague.lit/orchard"] {
        let mut client = Client::bound();
        client.send(format!("<message from='{own}' to='a@b'/>"));
        assert_eq!(client.routed().len(), 1, "{own} is his own");
    }
}

#[test]
fn each_farewell_has_its_condition() {
    let table = [
        (Farewell::Shutdown, "system-shutdown"),
        (Farewell::Replaced, "conflict"),
        (Farewell::AccountChanged, "not-authorized"),
        (Farewell::Policy, "policy-violation"),
        (Farewell::Timeout, "connection-timeout"),
        (Farewell::Internal, "internal-server-error"),
    ];
    for (farewell, condition) in table {
        let mut client = Client::bound();
        client.event(Event::Farewell(farewell));
        assert_eq!(client.ended_with(), condition);
        let mut client = Client::connect(PLAIN);
        client.event(Event::Farewell(farewell));
        assert_eq!(client.ended_with(), condition, "before the client has said a word");
    }
}

#[test]
fn size_is_bounded_before_and_after_authentication() {
    let big = |bytes: usize| format!("<message to='a@b'><body>{}</body></message>", "x".repeat(bytes));
    let mut client = Client::connect(PLAIN);
    client.send(HEADER);
    client.forget();
    client.send(format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}",
        "A".repeat(10_000)
    ));
    assert_eq!(client.ended_with(), "policy-violation");
    let mut client = Client::bound();
    client.send(big(200_000));
    assert_eq!(client.routed().len(), 1);
    client.send(big(262_144));
    assert_eq!(client.ended_with(), "policy-violation");
    let limits = Limits {
        negotiation_bytes: 10_000,
        auth_attempts: 255,
        ..Limits::DEFAULT
    };
    let mut client = Client::connect_with(XmppConfig { limits, ..config() }, PLAIN, None);
    client.send(HEADER);
    for _ in 0..100 {
        client.forget();
        client.send(format!(
            "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</abort>",
            " ".repeat(200)
        ));
        if client.closed {
            break;
        }
    }
    assert_eq!(client.ended_with(), "policy-violation");
}

const WORDS: &[&str] = &[
    HEADER,
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1yb21lbyxyPWFiYw==</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>biws</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>a</username><password>b</password></query></iq>",
    "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
    "<message to='juliet@capulet.lit'><body>x</body></message>",
    "<message/>",
    "<presence/>",
    "<presence to='juliet@capulet.lit' type='subscribe'/>",
    "<enable xmlns='urn:xmpp:sm:3' resume='1'/>",
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<inactive xmlns='urn:xmpp:csi:0'/>",
    "<active xmlns='urn:xmpp:csi:0'/>",
    "</stream:stream>",
    " ",
    "<",
    "&",
    "\u{0}",
];

/// What a shard may say at any time, sensible or not.
fn news(number: u8) -> Event {
    match number % 12 {
        0 => Event::PasswordChecked(true),
        1 => Event::PasswordChecked(false),
        2 => Event::Homed,
        3 => Event::Bound {
            address: jid(ROMEO),
            epoch: 1,
        },
        4 => Event::ResumeFailed,
        5 => Event::Accepted(vec![1, 2, 3]),
        6 => Event::Registered(Ok(())),
        7 => Event::Lost,
        8 => Event::Drained,
        9 => Event::AuthUnavailable { throttled: false },
        10 => Event::Secured(facts()),
        _ => Event::Farewell(Farewell::Shutdown),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), bound in any::<bool>()) {
        let mut client = if bound { Client::bound() } else { Client::connect(PLAIN) };
        client.send(&bytes);
    }

    #[test]
    fn no_order_of_words_and_news_panics(steps in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..40), start in 0..3u8) {
        let mut client = match start {
            0 => Client::connect(PLAIN),
            1 => Client::at_home(config()),
            _ => Client::bound(),
        };
        let letter = message("juliet@capulet.lit", ROMEO, crosspoint_engine::envelope::Kind::Message(
            crosspoint_engine::envelope::MessageKind::Chat), "<body/>");
        for (which, step) in steps {
            if client.closed {
                break;
            }
            match which % 4 {
                0 | 1 => client.send(WORDS[step as usize % WORDS.len()]),
                2 => client.event(news(step)),
                _ if step % 2 == 0 => client.deliver(&letter, crosspoint_engine::session::Form::Plain, Some(step.into())),
                _ => {
                    let later = client.now.ms + u64::from(step) * 1_000;
                    client.tick_at(later);
                }
            }
        }
    }
}
