//! Plays: one element that authenticates, binds or resumes (XEP-0388, XEP-0386), and what is sealed into it (XEP-0474).

mod session_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::envelope::{Envelope, Hints, Kind, MessageKind, PresenceKind};
use crosspoint_engine::scram::keys::derive;
use crosspoint_engine::session::{Action, BindFault, Event, Form};
use crosspoint_xmpp::XmppConfig;
use hmac::{Hmac, Mac};
use session_support::*;
use sha2::{Digest, Sha256};

const NS: &str = "urn:xmpp:sasl:2";
const FIRST: &str = "n=romeo,r=fyko+d2lbbFgONRv9qkxdawL";
const BIND: &str = "<bind xmlns='urn:xmpp:bind:0'><tag>Awesome</tag></bind>";
const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Awesome</software></user-agent>";

/// Begins a stream; gives its features.
fn open(client: &mut Client) -> String {
    client.send(HEADER);
    let said = client.said();
    client.forget();
    said.split_once("<stream:features>").unwrap().1.to_owned()
}

fn connected() -> Client {
    let mut client = Client::connect(DIRECT);
    open(&mut client);
    client
}

fn authenticate(mechanism: &str, initial: &str, wishes: &str) -> String {
    let initial = STANDARD.encode(initial);
    format!(
        "<authenticate xmlns='{NS}' mechanism='{mechanism}'><initial-response>{initial}</initial-response>{wishes}</authenticate>"
    )
}

/// By password, with wishes: up to the home.
fn homed(wishes: &str) -> Client {
    let mut client = connected();
    client.send(authenticate("PLAIN", "\0romeo\0pw", wishes));
    assert_eq!(names(&client.asked()), ["CheckPassword"]);
    client.event(Event::PasswordChecked(true));
    assert_eq!(names(&client.asked()), ["Authenticated"]);
    client.event(Event::Homed);
    client
}

fn bound(wishes: &str) -> (Client, String) {
    let mut client = homed(&format!("<bind xmlns='urn:xmpp:bind:0'>{wishes}</bind>"));
    assert_eq!(names(&client.asked()), ["Bind"]);
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    let said = client.said();
    (client, said)
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='{NS}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>")
}

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

/// The client's proof for this challenge, by the book (RFC 5802 section 3).
fn proof(server_first: &str, gs2: &str, binding: &[u8]) -> String {
    let field = |name: &str| {
        server_first
            .split(',')
            .find_map(|part| part.strip_prefix(name))
            .unwrap()
    };
    let salt = STANDARD.decode(field("s=")).unwrap();
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", &salt, field("i=").parse().unwrap(), &mut salted);
    let header = STANDARD.encode([gs2.as_bytes(), binding].concat());
    let without_proof = format!("c={header},r={}", field("r="));
    let auth_message = format!("{FIRST},{server_first},{without_proof}");
    let client_key = hmac(&salted, b"Client Key");
    let signature = hmac(&Sha256::digest(client_key), auth_message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

/// Romeo begins by SCRAM; gives the server's first message.
fn challenged(client: &mut Client, mechanism: &str, gs2: &str, wishes: &str) -> String {
    client.send(authenticate(mechanism, &format!("{gs2}{FIRST}"), wishes));
    assert_eq!(names(&client.asked()), ["FetchKeys"]);
    client.event(Event::Keys(derive("pencil", &[3; 16], 4096).unwrap()));
    let said = client.said();
    assert!(said.starts_with(&format!("<challenge xmlns=\"{NS}\">")), "{said}");
    String::from_utf8(STANDARD.decode(inner(&said, "challenge")).unwrap()).unwrap()
}

fn response(data: &str) -> String {
    format!("<response xmlns='{NS}'>{}</response>", STANDARD.encode(data))
}

#[test]
fn what_is_on_offer_is_said_with_what_can_come_with_it() {
    let mut client = Client::connect(DIRECT);
    let features = open(&mut client);
    let start = features.find(&format!("<authentication xmlns=\"{NS}\">")).unwrap();
    let offer = &features[start..features.find("</authentication>").unwrap()];
    for part in [
        "<mechanism>SCRAM-SHA-256-PLUS</mechanism>",
        "<mechanism>SCRAM-SHA-256</mechanism>",
        "<inline><bind xmlns=\"urn:xmpp:bind:0\"><inline><feature var=\"urn:xmpp:carbons:2\"/>\
         <feature var=\"urn:xmpp:csi:0\"/><feature var=\"urn:xmpp:sm:3\"/></inline></bind>",
        "<sm xmlns=\"urn:xmpp:sm:3\"/>",
    ] {
        assert!(offer.contains(part), "{part} in {offer}");
    }
    assert!(features.contains("<mechanisms "), "the old profile stays");
    assert!(
        features
            .contains("<sasl-channel-binding xmlns=\"urn:xmpp:sasl-cb:0\"><channel-binding type=\"tls-exporter\"/>")
    );
}

#[test]
fn it_is_neither_offered_nor_taken_where_somebody_could_listen() {
    for listener in [PLAIN, STARTTLS, OPTIONAL] {
        let mut client = Client::connect(listener);
        assert!(!open(&mut client).contains(NS), "listener {listener}");
        client.send(authenticate("SCRAM-SHA-256", &format!("n,,{FIRST}"), ""));
        assert_eq!(client.said(), failure("encryption-required"));
        assert_eq!(names(&client.asked()), ["AuthFailed"]);
    }
    let mut client = Client::connect(PROXIED);
    assert!(open(&mut client).contains(NS), "a proxy has done the encryption");
}

#[test]
fn romeo_authenticates_and_binds_in_one_go() {
    let mut client = connected();
    let wishes = format!("{AGENT}{BIND}");
    let server_first = challenged(&mut client, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &wishes);
    client.send(response(&proof(&server_first, "p=tls-exporter,,", &[7; 32])));
    client.send("<presence/>");
    assert_eq!(names(&client.asked()), ["Authenticated"]);
    assert_eq!(client.said(), "", "success is said when everything is done");
    client.event(Event::Homed);
    let asked = client.asked();
    let [
        Action::Bind {
            resource: Some(resource),
        },
    ] = &asked[..]
    else {
        panic!("{:?}", names(&asked))
    };
    assert!(resource.starts_with("Awesome/") && resource.len() == 20, "{resource}");
    client.event(Event::Bound {
        address: jid(&format!("romeo@montague.lit/{resource}")),
        epoch: 1,
    });
    let said = client.said();
    assert!(
        said.starts_with(&format!("<success xmlns='{NS}'><additional-data>dj")),
        "{said}"
    );
    assert_eq!(
        inner(&said, "authorization-identifier"),
        format!("romeo@montague.lit/{resource}")
    );
    assert!(
        said.contains("</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/></success><stream:features>"),
        "no stream restart: {said}"
    );
    assert!(
        !said.contains("urn:ietf:params:xml:ns:xmpp-bind"),
        "it is bound: {said}"
    );
    assert!(said.contains("<max-bytes>262144</max-bytes>"), "{said}");
    assert_eq!(names(&client.asked()), ["Presence"], "and what was sent behind is read");
}

#[test]
fn the_offer_is_sealed_in_both_profiles() {
    let list = "PLAIN\u{1e}SCRAM-SHA-1\u{1e}SCRAM-SHA-1-PLUS\u{1e}SCRAM-SHA-256\u{1e}SCRAM-SHA-256-PLUS";
    let bindings = "\u{1f}tls-exporter\u{1e}tls-server-end-point";
    let seal = STANDARD.encode(Sha256::digest(format!("{list}{bindings}")));
    let mut client = connected();
    let server_first = challenged(&mut client, "SCRAM-SHA-256", "n,,", "");
    assert!(server_first.ends_with(&format!(",i=4096,h={seal}")), "{server_first}");

    let mut client = Client::connect(OPTIONAL);
    open(&mut client);
    let initial = STANDARD.encode(format!("n,,{FIRST}"));
    client.send(format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{initial}</auth>"
    ));
    client.event(Event::Keys(derive("pencil", &[3; 16], 4096).unwrap()));
    let said = client.said();
    let server_first = String::from_utf8(STANDARD.decode(inner(&said, "challenge")).unwrap()).unwrap();
    let seal = STANDARD.encode(Sha256::digest("SCRAM-SHA-1\u{1e}SCRAM-SHA-256"));
    assert!(
        server_first.ends_with(&format!(",h={seal}")),
        "no binding, no PLAIN: {server_first}"
    );
}

#[test]
fn the_seal_can_be_left_out_for_clients_that_cannot_read_it() {
    let config = XmppConfig {
        seal_offer: false,
        ..config()
    };
    let mut client = Client::connect_with(config, DIRECT, Some(facts()));
    open(&mut client);
    let server_first = challenged(&mut client, "SCRAM-SHA-256", "n,,", "");
    assert!(server_first.ends_with(",i=4096"), "{server_first}");
    client.send(response(&proof(&server_first, "n,,", b"")));
    assert_eq!(names(&client.asked()), ["Authenticated"]);
}

#[test]
fn a_proof_over_another_seal_opens_nothing() {
    let mut client = connected();
    let server_first = challenged(&mut client, "SCRAM-SHA-256", "n,,", "");
    let at = server_first.rfind(",h=").unwrap();
    client.send(response(&proof(&server_first[..at], "n,,", b"")));
    assert_eq!(client.said(), failure("not-authorized"));
}

#[test]
fn without_wishes_he_may_bind_by_the_old_road() {
    let mut client = homed("");
    let said = client.said();
    assert!(
        said.starts_with(
            "<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>romeo@montague.lit</authorization-identifier>\
             </success><stream:features>"
        ),
        "{said}"
    );
    assert!(
        said.contains("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"),
        "{said}"
    );
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(names(&client.asked()), ["Bind"]);
}

#[test]
fn the_same_installation_has_the_same_resource_and_it_does_not_show_which() {
    let resource = |wishes: &str| {
        let mut client = homed(wishes);
        match &client.asked()[..] {
            [Action::Bind { resource: Some(name) }] => name.clone(),
            other => panic!("{:?}", names(other)),
        }
    };
    let (once, again) = (resource(&format!("{AGENT}{BIND}")), resource(&format!("{AGENT}{BIND}")));
    assert_eq!(once, again);
    let other = AGENT.replace("d4565fa7", "d4565fa8");
    assert_ne!(once, resource(&format!("{other}{BIND}")));
    assert!(!once.contains("d4565fa7"), "{once}");
    let untagged = resource(&format!("{AGENT}<bind xmlns='urn:xmpp:bind:0'/>"));
    assert_eq!(once, format!("Awesome/{untagged}"));
    let unusable = format!("{AGENT}<bind xmlns='urn:xmpp:bind:0'><tag>a\u{7f}</tag></bind>");
    assert_eq!(resource(&unusable), untagged, "a tag that no resource can begin with");
    let long = format!(
        "{AGENT}<bind xmlns='urn:xmpp:bind:0'><tag>{}</tag></bind>",
        "x".repeat(257)
    );
    assert_eq!(resource(&long), untagged, "a tag that is too long");
}

#[test]
fn everything_is_on_before_he_is_told() {
    let wishes = "<enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='1'/>\
                  <inactive xmlns='urn:xmpp:csi:0'/>";
    let (mut client, said) = bound(wishes);
    assert_eq!(names(&client.asked()), ["Listen", "Resumable"]);
    let result = inner(&said, "bound").to_owned();
    assert!(
        result.starts_with("<enabled xmlns='urn:xmpp:sm:3' id=\"") && result.ends_with(" resume='true' max='300'/>"),
        "{said}"
    );
    assert!(
        !said
            .split_once("<stream:features>")
            .unwrap()
            .1
            .contains("urn:xmpp:sm:3")
    );
    let presence = Envelope {
        hints: Hints::DEFER,
        ..message(
            "juliet@capulet.lit/b",
            ROMEO,
            Kind::Presence(PresenceKind::Available),
            "",
        )
    };
    client.deliver(&presence, Form::Plain, None);
    assert_eq!(client.said(), "", "he is inactive");
    let chat = Kind::Message(MessageKind::Chat);
    client.deliver(
        &message("juliet@capulet.lit/b", ROMEO, chat, "<body>Soft!</body>"),
        Form::Plain,
        Some(7),
    );
    assert!(client.said().ends_with("</message><r xmlns='urn:xmpp:sm:3'/>"));
    client.send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
    assert!(matches!(&client.asked()[..], [Action::Settle(records)] if *records == [7]));
}

/// A managed session that has lost its transport, and its token.
fn asleep() -> (Client, String) {
    let (mut first, said) = bound("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    first.forget();
    let token = said
        .split_once(" id=\"")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    (first, token)
}

#[test]
fn romeo_comes_back_within_the_same_element() {
    let (mut first, token) = asleep();
    let chat = Kind::Message(MessageKind::Chat);
    first.deliver(
        &message("juliet@capulet.lit/b", ROMEO, chat, "<body>lost</body>"),
        Form::Plain,
        Some(1),
    );
    first.event(Event::Lost);
    let mut second = homed(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>{BIND}"));
    assert!(matches!(&second.asked()[..], [Action::Resume { token: shown }] if *shown == token));
    second.event(Event::Resumed {
        old: first.session.take().unwrap(),
        address: jid(ROMEO),
    });
    let said = second.said();
    let order = [
        "<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>romeo@montague.lit/orchard<",
        "<resumed xmlns='urn:xmpp:sm:3'",
        "</success><stream:features>",
        "</stream:features><message",
        "lost",
    ]
    .map(|part| said.find(part).unwrap_or_else(|| panic!("{part} in {said}")));
    assert!(order.is_sorted(), "{said}");
    assert!(!said.contains("bound"), "who resumes does not bind: {said}");
    assert!(second.asked().is_empty());
}

#[test]
fn he_is_told_of_his_return_only_when_what_he_had_sent_is_safe() {
    let (mut first, token) = asleep();
    first.send("<message to='juliet@capulet.lit'><body>mine</body></message>");
    first.event(Event::Lost);
    let mut second = homed(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>"));
    second.event(Event::Resumed {
        old: first.session.take().unwrap(),
        address: jid(ROMEO),
    });
    assert_eq!(second.said(), "", "or he would send it twice");
    second.event(Event::Accepted(vec![1]));
    let said = second.said();
    assert!(
        said.starts_with("<success ") && said.contains("h='1'/></success>"),
        "{said}"
    );
    second.event(Event::Lost);
    assert!(
        matches!(&second.asked()[..], [.., Action::Detach { .. }]),
        "and he may come back again"
    );
}

#[test]
fn a_session_that_is_gone_is_not_resumed_and_the_bind_counts() {
    let mut client = homed(&format!("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>{BIND}"));
    client.event(Event::ResumeFailed);
    assert_eq!(names(&client.asked()), ["Resume", "Bind"]);
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    let said = client.said();
    assert!(
        said.contains(
            "</authorization-identifier><failed xmlns='urn:xmpp:sm:3'><item-not-found \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed><bound "
        ),
        "{said}"
    );
    let mut client = homed("<resume xmlns='urn:xmpp:sm:3' previd='x'/>");
    assert!(client.asked().is_empty());
    assert!(
        client.said().contains("<bad-request "),
        "without h there is nothing to resume"
    );
}

#[test]
fn a_bind_that_fails_leaves_him_authenticated() {
    let mut client = homed(BIND);
    client.event(Event::BindFailed(BindFault::TooMany));
    let said = client.said();
    assert!(
        said.contains(
            "<authorization-identifier>romeo@montague.lit</authorization-identifier><failed xmlns=\"urn:xmpp:bind:0\">\
             <resource-constraint xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></failed></success>"
        ),
        "{said}"
    );
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(names(&client.asked()), ["Bind", "Bind"]);
}

#[test]
fn every_wrong_step_has_its_condition() {
    let table = [
        (authenticate("PLAIN", "romeo\0pw", ""), "malformed-request"),
        (
            authenticate("PLAIN", "juliet@montague.lit\0romeo\0pw", ""),
            "invalid-authzid",
        ),
        (authenticate("DIGEST-MD5", "x", ""), "invalid-mechanism"),
        (
            authenticate("SCRAM-SHA-256", &format!("y,,{FIRST}"), ""),
            "not-authorized",
        ),
        (format!("<authenticate xmlns='{NS}'/>"), "invalid-mechanism"),
        (
            format!(
                "<authenticate xmlns='{NS}' mechanism='PLAIN'><initial-response>*</initial-response></authenticate>"
            ),
            "incorrect-encoding",
        ),
        (
            authenticate("PLAIN", "\0romeo\0pw", "<user-agent id='romeo'/>"),
            "malformed-request",
        ),
        (response("n,,n=romeo,r=abc"), "malformed-request"),
        (format!("<abort xmlns='{NS}'><text>why</text></abort>"), "aborted"),
    ];
    for (request, condition) in table {
        let mut client = connected();
        client.send(&request);
        assert_eq!(client.said(), failure(condition), "{request}");
        assert_eq!(names(&client.asked()), ["AuthFailed"], "{request}");
        assert!(!client.closed);
    }
}

#[test]
fn a_header_that_names_another_account_contradicts_an_authorization_identity() {
    for (from, initial, fits) in [
        ("romeo@montague.lit", "romeo@montague.lit\0romeo\0pw", true),
        ("juliet@montague.lit", "romeo@montague.lit\0romeo\0pw", false),
        ("juliet@montague.lit", "\0romeo\0pw", true),
    ] {
        let mut client = Client::connect(DIRECT);
        client.send(HEADER.replace(" to=", &format!(" from='{from}' to=")));
        client.forget();
        client.send(authenticate("PLAIN", initial, ""));
        let asked = client.asked();
        match fits {
            true => assert_eq!(names(&asked), ["CheckPassword"], "{from} {initial}"),
            false => assert_eq!(client.said(), failure("invalid-authzid"), "{from} {initial}"),
        }
    }
}

#[test]
fn an_exchange_may_be_aborted_and_begun_anew_but_nothing_else_may_be_said_in_it() {
    let mut client = connected();
    challenged(&mut client, "SCRAM-SHA-256", "n,,", BIND);
    client.send(format!("<abort xmlns='{NS}'/>"));
    assert_eq!(client.said(), failure("aborted"));
    client.forget();
    client.send(authenticate("PLAIN", "\0romeo\0pw", ""));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    assert!(client.said().contains("<success "));
    assert!(
        !names(&client.asked()).contains(&"Bind"),
        "the wish of the aborted one is forgotten"
    );

    for intruder in [
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>".to_owned(),
        authenticate("PLAIN", "\0romeo\0pw", ""),
        format!("<next xmlns='{NS}' task='UPGR-SCRAM-SHA-256'/>"),
        "<presence/>".to_owned(),
    ] {
        let mut client = connected();
        challenged(&mut client, "SCRAM-SHA-256", "n,,", "");
        client.send(&intruder);
        assert_eq!(client.ended_with(), "policy-violation", "{intruder}");
    }
}

#[test]
fn a_second_authentication_ends_the_stream() {
    let (mut client, _) = bound("");
    client.send(authenticate("PLAIN", "\0romeo\0pw", ""));
    assert_eq!(client.ended_with(), "unsupported-stanza-type");
    let mut client = homed("");
    client.forget();
    client.send(authenticate("PLAIN", "\0romeo\0pw", ""));
    assert_eq!(client.ended_with(), "unsupported-stanza-type");
}

#[test]
fn three_failures_close_the_stream_and_no_wish_is_carried_out() {
    let mut client = connected();
    for attempt in 1..=3 {
        client.forget();
        client.send(authenticate("PLAIN", "\0romeo\0pw", BIND));
        client.event(Event::PasswordChecked(false));
        assert_eq!(names(&client.asked())[..2], ["CheckPassword", "AuthFailed"]);
        assert_eq!(client.closed, attempt == 3);
    }
    assert_eq!(client.ended_with(), "policy-violation");
}
