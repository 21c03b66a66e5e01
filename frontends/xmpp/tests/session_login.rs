//! Plays: how a client comes in. Streams, STARTTLS, SASL, registration, binding.

mod session_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::keys::derive;
use crosspoint_engine::session::{Action, BindFault, Event, Farewell, RegisterFault};
use crosspoint_xmpp::XmppConfig;
use hmac::{Hmac, Mac};
use session_support::*;
use sha2::{Digest, Sha256};

const NS_SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

fn auth(mechanism: &str, data: &str) -> String {
    format!("<auth xmlns='{NS_SASL}' mechanism='{mechanism}'>{data}</auth>")
}

fn response(data: &str) -> String {
    format!("<response xmlns='{NS_SASL}'>{}</response>", STANDARD.encode(data))
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='{NS_SASL}'><{condition}/></failure>")
}

/// The text between the tags of the one element of this name.
fn inner<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text
        .find(&format!("<{name}"))
        .unwrap_or_else(|| panic!("{name} in {text}"));
    let start = start + text[start..].find('>').unwrap() + 1;
    &text[start..start + text[start..].find("</").unwrap()]
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// SCRAM-SHA-256 by the book (RFC 5802 section 3), the client's side: the final message and the server's signature.
fn prove(password: &str, gs2: &[u8], first_bare: &str, server_first: &str) -> (String, String) {
    let field = |name: char| {
        server_first
            .split(',')
            .find_map(|part| part.strip_prefix(&format!("{name}=")))
            .unwrap()
    };
    let (nonce, salt, iterations) = (
        field('r'),
        STANDARD.decode(field('s')).unwrap(),
        field('i').parse().unwrap(),
    );
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(gs2));
    let auth_message = format!("{first_bare},{server_first},{without_proof}");
    let client_key = hmac(&salted, b"Client Key");
    let signature = hmac(&Sha256::digest(client_key), auth_message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    let server = hmac(&hmac(&salted, b"Server Key"), auth_message.as_bytes());
    (
        format!("{without_proof},p={}", STANDARD.encode(proof)),
        format!("v={}", STANDARD.encode(server)),
    )
}

/// Romeo authenticates by SCRAM-SHA-256 (or its -PLUS form) up to the verdict.
fn scram(client: &mut Client, mechanism: &str, gs2: &str, binding: &[u8], password: &str) -> String {
    let first_bare = "n=romeo,r=fyko+d2lbbFgONRv9qkxdawL";
    client.send(auth(mechanism, &STANDARD.encode(format!("{gs2}{first_bare}"))));
    let asked = client.asked();
    assert!(matches!(&asked[..], [Action::FetchKeys { account }] if account.as_str() == "romeo@montague.lit"));
    client.event(Event::Keys(derive("pencil", &[3; 16], 4096).unwrap()));
    let challenge = client.said();
    let server_first = String::from_utf8(STANDARD.decode(inner(&challenge, "challenge")).unwrap()).unwrap();
    let (last, signature) = prove(password, &[gs2.as_bytes(), binding].concat(), first_bare, &server_first);
    client.send(response(&last));
    signature
}

#[test]
fn romeo_comes_in_by_starttls_and_scram() {
    let mut client = Client::connect(STARTTLS);
    client.send(HEADER);
    let said = client.said();
    assert!(
        said.starts_with("<?xml version='1.0'?><stream:stream from=\"montague.lit\" id=\""),
        "{said}"
    );
    assert!(
        said.contains("<starttls xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"><required/></starttls>"),
        "{said}"
    );
    assert!(!said.contains("mechanism"), "nothing but TLS is on offer: {said}");

    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth>smuggled");
    assert_eq!(client.said(), "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!(names(&client.asked()), ["StartTls"]);
    assert_eq!(client.unread(), 0, "what was pipelined before the handshake is gone");

    client.event(Event::Secured(facts()));
    assert_eq!(client.said(), "", "the client speaks first");
    client.send(HEADER);
    let said = client.said();
    assert!(!said.contains("starttls"), "{said}");
    for name in [
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        "PLAIN",
    ] {
        assert!(
            said.contains(&format!("<mechanism>{name}</mechanism>")),
            "{name} in {said}"
        );
    }
    for kind in ["tls-exporter", "tls-server-end-point"] {
        assert!(
            said.contains(&format!("<channel-binding type=\"{kind}\"/>")),
            "{kind} in {said}"
        );
    }

    let signature = scram(
        &mut client,
        "SCRAM-SHA-256-PLUS",
        "p=tls-exporter,,",
        &[7; 32],
        "pencil",
    );
    client.send(HEADER);
    assert_eq!(client.said(), "", "success is said at home");
    assert_eq!(names(&client.asked()), ["Authenticated"]);
    assert_eq!(client.unread(), HEADER.len(), "what follows is left unread");
    client.event(Event::Homed);
    let said = client.said();
    assert_eq!(STANDARD.decode(inner(&said, "success")).unwrap(), signature.as_bytes());
    let features = said
        .split_once("<stream:features>")
        .expect("the new stream has features")
        .1;
    for feature in [
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>",
        "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>",
        "<sm xmlns='urn:xmpp:sm:3'/>",
        "<csi xmlns='urn:xmpp:csi:0'/>",
        "<ver xmlns='urn:xmpp:features:rosterver'/>",
        "<sub xmlns='urn:xmpp:features:pre-approval'/>",
        "xmlns='http://jabber.org/protocol/caps'",
        "<max-bytes>262144</max-bytes>",
    ] {
        assert!(features.contains(feature), "{feature} in {features}");
    }

    client.send(
        "<iq type='set' id='bind&amp;1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <resource>orchard</resource></bind></iq>",
    );
    assert!(matches!(&client.asked()[..], [Action::Bind { resource: Some(name) }] if name == "orchard"));
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    assert_eq!(
        client.said(),
        "<iq type=\"result\" id=\"bind&amp;1\"><bind xmlns=\"urn:ietf:params:xml:ns:xmpp-bind\">\
         <jid>romeo@montague.lit/orchard</jid></bind></iq>"
    );
    client.send("<presence/>");
    assert_eq!(names(&client.asked()), ["Presence"]);
}

#[test]
fn each_binding_and_no_binding_open_the_account() {
    let cases: [(&str, &str, &[u8]); 4] = [
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[7; 32]),
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", &[9; 32]),
        ("SCRAM-SHA-256", "n,,", &[]),
        ("SCRAM-SHA-256", "n,a=romeo@montague.lit,", &[]),
    ];
    for (mechanism, gs2, binding) in cases {
        let mut client = Client::connect(DIRECT);
        client.send(HEADER);
        client.forget();
        scram(&mut client, mechanism, gs2, binding, "pencil");
        assert_eq!(names(&client.asked()), ["Authenticated"], "{gs2}");
    }
}

#[test]
fn a_wrong_password_and_a_wrong_channel_look_the_same() {
    let cases: [(&str, &str, &[u8], &str); 3] = [
        ("SCRAM-SHA-256", "n,,", &[], "pen"),
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[8; 32], "pencil"),
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[8; 32], "pen"),
    ];
    for (mechanism, gs2, binding, password) in cases {
        let mut client = Client::connect(DIRECT);
        client.send(HEADER);
        client.forget();
        scram(&mut client, mechanism, gs2, binding, password);
        assert_eq!(client.said(), failure("not-authorized"));
        assert_eq!(names(&client.asked()), ["AuthFailed"]);
        assert!(!client.closed, "there are attempts left");
    }
}

#[test]
fn every_wrong_step_of_sasl_has_its_condition() {
    let plain = |text: &str| auth("PLAIN", &STANDARD.encode(text));
    let first = |text: &str| auth("SCRAM-SHA-256", &STANDARD.encode(text));
    let table = [
        (PLAIN, auth("PLAIN", "AHJvbWVvAHB3=="), "incorrect-encoding"),
        (PLAIN, auth("PLAIN", " AHJvbWVvAHB3"), "incorrect-encoding"),
        (PLAIN, auth("PLAIN", "="), "malformed-request"),
        (PLAIN, plain("romeo\0pw"), "malformed-request"),
        (PLAIN, plain("\0\0pw"), "malformed-request"),
        (PLAIN, plain("juliet@montague.lit\0romeo\0pw"), "invalid-authzid"),
        (PLAIN, plain("\0ro meo\0pw"), "not-authorized"),
        (PLAIN, plain("\0romeo@montague.lit\0pw"), "not-authorized"),
        (PLAIN, first("n,a=juliet@montague.lit,n=romeo,r=abc"), "invalid-authzid"),
        (PLAIN, first("n=romeo"), "malformed-request"),
        (DIRECT, first("y,,n=romeo,r=abc"), "not-authorized"),
        (DIRECT, first("p=tls-unique,,n=romeo,r=abc"), "malformed-request"),
        (PLAIN, auth("SCRAM-SHA-256-PLUS", "biws"), "invalid-mechanism"),
        (PLAIN, auth("DIGEST-MD5", ""), "invalid-mechanism"),
        (PLAIN, format!("<auth xmlns='{NS_SASL}'/>"), "invalid-mechanism"),
        (PLAIN, response("n,,n=romeo,r=abc"), "malformed-request"),
        (PLAIN, format!("<abort xmlns='{NS_SASL}'/>"), "aborted"),
        (OPTIONAL, plain("\0romeo\0pw"), "encryption-required"),
        (STARTTLS, plain("\0romeo\0pw"), "encryption-required"),
        (STARTTLS, first("n,,n=romeo,r=abc"), "encryption-required"),
    ];
    for (listener, request, condition) in table {
        let mut client = Client::connect(listener);
        client.send(HEADER);
        client.forget();
        client.send(&request);
        assert_eq!(client.said(), failure(condition), "{request}");
        assert_eq!(names(&client.asked()), ["AuthFailed"], "{request}");
    }
}

#[test]
fn whoever_proves_to_be_a_disabled_account_is_told_so() {
    let mut client = Client::connect(PROXIED);
    client.send(HEADER);
    client.said();
    client.send(format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'>AHJvbWVvAHB3</auth>"));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Farewell(Farewell::AccountChanged));
    let said = client.said();
    assert!(said.starts_with(&failure("account-disabled")), "{said}");
    assert!(
        !said.contains("success") && said.ends_with("</stream:stream>"),
        "{said}"
    );
}

#[test]
fn an_initial_response_may_come_later() {
    let mut client = Client::connect(PROXIED);
    client.send(HEADER);
    assert!(
        client.said().contains("<mechanism>PLAIN</mechanism>"),
        "a proxy has done the encryption"
    );
    client.send(format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'/>"));
    assert_eq!(client.said(), format!("<challenge xmlns=\"{NS_SASL}\"/>"));
    client.send(response("\0romeo\0pw"));
    let asked = client.asked();
    let [Action::CheckPassword { account, password }] = &asked[..] else {
        panic!("{:?}", names(&asked))
    };
    assert_eq!((account.as_str(), &password[..]), ("romeo@montague.lit", "pw"));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    assert_eq!(client.said(), format!("<success xmlns=\"{NS_SASL}\"/>"));
}

#[test]
fn three_failures_close_the_stream() {
    let mut client = Client::connect(PLAIN);
    client.send(HEADER);
    for attempt in 1..=3 {
        client.forget();
        client.send(auth("PLAIN", "AHJvbWVvAHB3"));
        client.event(Event::PasswordChecked(false));
        assert_eq!(client.closed, attempt == 3);
        let asked = client.asked();
        assert!(
            matches!(&asked[1], Action::AuthFailed { account: Some(account) } if account.as_str() == "romeo@montague.lit")
        );
    }
    assert_eq!(client.ended_with(), "policy-violation");
}

#[test]
fn who_is_throttled_is_sent_away_and_our_own_trouble_is_temporary() {
    let mut client = Client::connect(PLAIN);
    client.send(HEADER);
    client.send(auth("PLAIN", "AHJvbWVvAHB3"));
    client.forget();
    client.event(Event::AuthUnavailable { throttled: false });
    assert_eq!(client.said(), failure("temporary-auth-failure"));
    assert!(!client.closed);
    client.send(auth("SCRAM-SHA-1", &STANDARD.encode("n,,n=romeo,r=abc")));
    client.event(Event::AuthUnavailable { throttled: true });
    assert_eq!(client.ended_with(), "policy-violation");
}

#[test]
fn binding_fails_and_succeeds() {
    let mut client = Client::at_home(config());
    let bind = "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    for (fault, condition) in [
        (BindFault::Malformed, "bad-request"),
        (BindFault::TooMany, "resource-constraint"),
    ] {
        client.send(bind);
        assert!(matches!(&client.asked()[..], [Action::Bind { resource: None }]));
        client.event(Event::BindFailed(fault));
        let said = client.said();
        assert!(
            said.contains("type=\"error\" id=\"1\"") && said.contains(condition),
            "{said}"
        );
    }
    client.send("<iq type='get' id='2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert!(client.said().contains("bad-request"));
    client.send(bind);
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    client.forget();
    client.send(bind);
    let said = client.said();
    assert!(said.contains("not-allowed"), "a stream has one resource: {said}");
    assert!(client.asked().is_empty());
}

#[test]
fn registration_where_it_is_open() {
    let open = || XmppConfig {
        registration_open: true,
        ..config()
    };
    let get = "<iq type='get' id='r1' to='montague.lit'><query xmlns='jabber:iq:register'/></iq>";
    let set = "<iq type='set' id='r2'><query xmlns='jabber:iq:register'>\
               <username>Bill</username><password>Calliope&lt;</password></query></iq>";
    let mut client = Client::connect_with(open(), PLAIN, None);
    client.send(HEADER);
    assert!(
        client
            .said()
            .contains("<register xmlns='http://jabber.org/features/iq-register'/>")
    );
    client.send(get);
    let said = client.said();
    assert!(
        said.contains("<username/><password/>") && said.contains("id=\"r1\""),
        "{said}"
    );
    let outcomes = [
        (Err(RegisterFault::Exists), "<conflict "),
        (Err(RegisterFault::BadPassword), "<not-acceptable "),
        (Ok(()), "type=\"result\" id=\"r2\""),
    ];
    for (outcome, expected) in outcomes {
        client.send(set);
        let asked = client.asked();
        let [Action::Register { account, password }] = &asked[..] else {
            panic!("{:?}", names(&asked))
        };
        assert_eq!((account.as_str(), &password[..]), ("bill@montague.lit", "Calliope<"));
        client.event(Event::Registered(outcome));
        let said = client.said();
        assert!(said.contains(expected) && !said.contains("Calliope"), "{said}");
    }
    client.send(set);
    assert!(client.said().contains("<not-acceptable "), "enough for one stream");
    assert!(client.asked().is_empty());
    client.send(
        "<iq type='set' id='r3'><query xmlns='jabber:iq:register'><username>x</username><password/></query></iq>",
    );
    assert!(client.said().contains("<not-acceptable "));

    for (config, listener) in [(config(), PLAIN), (open(), STARTTLS), (open(), OPTIONAL)] {
        let mut client = Client::connect_with(config, listener, None);
        client.send(HEADER);
        assert!(!client.said().contains("register"));
        client.send(get);
        assert_eq!(client.ended_with(), "not-authorized");
    }
}

#[test]
fn a_stream_says_its_goodbye() {
    for client in [&mut Client::bound(), &mut Client::at_home(config())] {
        client.send("</stream:stream>");
        assert_eq!(client.said(), "</stream:stream>");
        assert_eq!(names(&client.asked()), ["Close"]);
    }
}

#[test]
fn who_takes_too_long_is_let_go() {
    let mut client = Client::connect(PLAIN);
    assert_eq!(client.wake_at, Some(31_000));
    client.tick_at(31_000);
    assert_eq!(client.ended_with(), "connection-timeout");

    let mut client = Client::at_home(config());
    let deadline = client.wake_at.unwrap();
    client.tick_at(deadline - 1);
    assert!(!client.closed);
    client.tick_at(deadline);
    assert_eq!(client.ended_with(), "connection-timeout");
}

#[test]
fn a_redirection() {
    use crosspoint_xmpp::config::SeeOtherHost;
    let target = SeeOtherHost {
        target: "[2001:41D0:1:A49b::1]:9222".into(),
        new_streams: true,
    };
    let mut client = Client::connect_with(
        XmppConfig {
            see_other_host: Some(target),
            ..config()
        },
        PLAIN,
        None,
    );
    client.send(HEADER);
    let said = client.said();
    assert!(
        said.contains(">[2001:41D0:1:A49b::1]:9222</see-other-host></stream:error></stream:stream>"),
        "{said}"
    );
}

/// Everything a client says from its header to its first message, in one go at every split: the session must not care
/// where the network cuts.
#[test]
fn a_login_may_be_cut_anywhere() {
    let steps = [
        HEADER.to_owned(),
        auth("PLAIN", "AHJvbWVvAHB3"),
        HEADER.to_owned(),
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>".to_owned(),
        "<enable xmlns='urn:xmpp:sm:3'/> <message to='juliet@capulet.lit' id='1'><body>\u{e9}</body></message>"
            .to_owned(),
        "<r xmlns='urn:xmpp:sm:3'/></stream:stream>".to_owned(),
    ];
    let all = steps.concat();
    let expected = converse(&[all.as_bytes()]);
    assert!(
        expected.0.ends_with("</stream:stream>") && expected.1.ends_with(&["Route", "Close"]),
        "{expected:?}"
    );
    for cut in 1..all.len() {
        let (head, tail) = all.as_bytes().split_at(cut);
        assert_eq!(converse(&[head, tail]), expected, "cut at {cut}");
    }
    let single: Vec<&[u8]> = all.as_bytes().chunks(1).collect();
    assert_eq!(converse(&single), expected, "byte by byte");
}

/// Plays the shard's part; gives what was said and asked.
fn converse(pieces: &[&[u8]]) -> (String, Vec<&'static str>) {
    let mut client = Client::connect(PLAIN);
    let (mut said, mut asked) = (String::new(), Vec::new());
    for piece in pieces {
        client.send(piece);
        loop {
            let actions = client.asked();
            said.push_str(&client.said());
            asked.extend(names(&actions));
            let Some(event) = actions.iter().find_map(answer) else {
                break;
            };
            client.event(event);
        }
    }
    (said, asked)
}

fn answer(action: &Action) -> Option<Event> {
    match action {
        Action::CheckPassword { .. } => Some(Event::PasswordChecked(true)),
        Action::Authenticated { .. } => Some(Event::Homed),
        Action::Bind { .. } => Some(Event::Bound {
            address: ROMEO.parse::<Jid>().unwrap(),
            epoch: 1,
        }),
        Action::Route { seq: Some(seq), .. } => Some(Event::Accepted(vec![*seq])),
        _ => None,
    }
}
