//! XEP-0114 and XEP-0356 on the stream: what a component says and hears, and each way in which it is shown the door.

mod session_support;

use crosspoint_engine::envelope::{Codec, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::session::{Action, Event, Farewell, Form};
use crosspoint_xmpp::XmppConfig;
use crosspoint_xmpp::config::{Access, Component, Listener, Privileges, Secret};
use session_support::{Client, config as usual, jid, message, names};
use sha1::{Digest as _, Sha1};

const PLAYS: &str = "plays.montague.lit";
const PLAIN: usize = 0;
const COMPONENTS: usize = 5;

fn component(privileges: Privileges) -> XmppConfig {
    let mut config = usual();
    config.listeners.push(Listener::COMPONENTS);
    config.components = vec![Component {
        domain: jid(PLAYS),
        secret: Secret::new("wherefore"),
        privileges,
    }];
    config
}

fn header(to: &str) -> String {
    format!("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{to}'>")
}

fn proof(said: &str, secret: &str) -> String {
    let (_, id) = said.split_once(" id=\"").expect("a stream has an identifier");
    let (id, _) = id.split_once('"').unwrap();
    let digest = Sha1::digest(format!("{id}{secret}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("<handshake>{hex}</handshake>")
}

fn arrived(privileges: Privileges) -> Client {
    Client::connect_with(component(privileges), COMPONENTS, None)
}

/// A component that has shown its secret and is attached.
fn attached_with(privileges: Privileges) -> Client {
    let mut client = arrived(privileges);
    client.send(header(PLAYS));
    let said = client.said();
    client.send(proof(&said, "wherefore"));
    client.event(Event::Attached(true));
    client
}

fn attached() -> Client {
    let mut client = attached_with(Privileges::default());
    assert_eq!(client.said(), "<handshake/>");
    client.forget();
    client
}

#[test]
fn a_component_shows_its_secret_and_is_attached_where_its_domain_is_at_home() {
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS));
    let said = client.said();
    assert!(said.contains(" from=\"plays.montague.lit\"") && said.contains("xmlns=\"jabber:component:accept\""));
    client.send(proof(&said, "wherefore"));
    assert_eq!(names(&client.asked()), ["Attach"]);
    client.send("<presence from='a@plays.montague.lit' to='romeo@montague.lit'/>");
    assert_eq!(names(&client.asked()), [""; 0], "it is not attached yet");
    client.event(Event::Placed);
    assert_eq!(names(&client.asked()), ["Attach"], "it has moved, and asks again");
    assert_eq!(client.said(), "");
    client.event(Event::Attached(true));
    assert_eq!(client.said(), "<handshake/>");
    assert_eq!(client.routed().len(), 1, "what had come meanwhile is read now");
}

#[test]
fn what_is_no_component_is_shown_the_door() {
    let cases: [(&str, &[&str], &str); 9] = [
        (
            "another namespace",
            &[
                "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='plays.montague.lit'>",
            ],
            "invalid-namespace",
        ),
        ("nobody's domain", &[&header("films.montague.lit")], "host-unknown"),
        ("the server's domain", &[&header("montague.lit")], "host-unknown"),
        ("an address", &[&header("a@plays.montague.lit")], "host-unknown"),
        (
            "no domain",
            &["<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"],
            "improper-addressing",
        ),
        (
            "a wrong secret",
            &[
                &header(PLAYS),
                "<handshake>0000000000000000000000000000000000000000</handshake>",
            ],
            "not-authorized",
        ),
        ("no secret", &[&header(PLAYS), "<handshake/>"], "not-authorized"),
        (
            "a stanza first",
            &[
                &header(PLAYS),
                "<message from='a@plays.montague.lit' to='romeo@montague.lit'/>",
            ],
            "not-authorized",
        ),
        (
            "SASL",
            &[
                &header(PLAYS),
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>",
            ],
            "not-authorized",
        ),
    ];
    for (what, said, condition) in cases {
        let mut client = arrived(Privileges::default());
        for text in said {
            client.send(text);
        }
        assert_eq!(client.ended_with(), condition, "{what}");
        assert!(client.routed().is_empty(), "{what}");
    }
}

#[test]
fn a_wrong_secret_counts_as_a_failed_login() {
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS));
    let said = client.said();
    client.send(proof(&said, "guessed"));
    assert_eq!(names(&client.asked()), ["AuthFailed", "Close"]);
}

#[test]
fn a_second_one_is_in_conflict() {
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS));
    let said = client.said();
    client.send(proof(&said, "wherefore"));
    client.event(Event::Attached(false));
    assert_eq!(client.ended_with(), "conflict");
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut client = arrived(Privileges::default());
    let deadline = client.wake_at.expect("a deadline");
    client.tick_at(deadline);
    assert_eq!(client.ended_with(), "connection-timeout");
}

#[test]
fn much_before_the_handshake_is_too_much() {
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS));
    client.send(format!("<handshake>{}</handshake>", "0".repeat(20_000)));
    assert_eq!(client.ended_with(), "policy-violation");
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS));
    client.send(" ".repeat(70_000));
    assert_eq!(client.ended_with(), "policy-violation");
}

#[test]
fn clients_and_components_do_not_take_each_others_doors() {
    let mut client = Client::connect_with(component(Privileges::default()), PLAIN, None);
    client.send(header(PLAYS));
    assert_eq!(client.ended_with(), "invalid-namespace");
}

#[test]
fn every_address_of_the_domain_may_be_from_and_no_other() {
    for from in [
        PLAYS,
        "a@plays.montague.lit",
        "a@plays.montague.lit/x",
        "PLAYS.montague.lit",
    ] {
        let mut client = attached();
        client.send(format!(
            "<message from='{from}' to='romeo@montague.lit' id='1'><body>Hi</body></message>"
        ));
        let routed = client.routed();
        assert_eq!((routed.len(), &routed[0].from), (1, &jid(from)));
    }
    for from in [
        "montague.lit",
        "romeo@montague.lit",
        "sub.plays.montague.lit",
        "a@b@plays.montague.lit",
        "",
    ] {
        let mut client = attached();
        client.send(format!(
            "<message from='{from}' to='romeo@montague.lit'><body>Hi</body></message>"
        ));
        assert_eq!(client.ended_with(), "invalid-from", "{from:?}");
        assert!(client.routed().is_empty());
    }
}

#[test]
fn both_addresses_must_be_there_and_only_stanzas_are_read() {
    for (said, condition) in [
        ("<message to='romeo@montague.lit'/>", "improper-addressing"),
        ("<message from='plays.montague.lit'/>", "improper-addressing"),
        (
            "<iq xmlns='jabber:server' from='plays.montague.lit' to='montague.lit'/>",
            "invalid-namespace",
        ),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
        ("<handshake/>", "unsupported-stanza-type"),
        (
            "<message from='plays.montague.lit' to='montague.lit'>&nbsp;</message>",
            "restricted-xml",
        ),
    ] {
        let mut client = attached();
        client.send(said);
        assert_eq!(client.ended_with(), condition, "{said}");
    }
}

#[test]
fn an_oversized_stanza_ends_the_stream() {
    let mut client = attached();
    client.send(format!(
        "<message from='plays.montague.lit' to='romeo@montague.lit'><body>{}</body></message>",
        "x".repeat(300_000)
    ));
    assert_eq!(client.ended_with(), "policy-violation");
}

#[test]
fn a_mistake_in_a_stanza_is_answered_by_an_error() {
    for (said, expected) in [
        (
            "<iq type='get' id='1' from='plays.montague.lit' to='a@b@c'><x xmlns='urn:x'/></iq>",
            "jid-malformed",
        ),
        (
            "<iq type='get' id='1' from='plays.montague.lit' to='montague.lit'/>",
            "bad-request",
        ),
        (
            "<iq type='get' from='plays.montague.lit' to='montague.lit'><x xmlns='urn:x'/></iq>",
            "bad-request",
        ),
        (
            "<iq type='bet' id='1' from='plays.montague.lit' to='montague.lit'/>",
            "bad-request",
        ),
        (
            "<presence type='gone' from='plays.montague.lit' to='romeo@montague.lit'/>",
            "bad-request",
        ),
    ] {
        let mut client = attached();
        client.send(said);
        let answer = client.said();
        assert!(
            answer.contains("type=\"error\"") && answer.contains(expected),
            "{said}: {answer}"
        );
        assert!(client.routed().is_empty() && !client.closed, "{said}");
    }
}

#[test]
fn presence_and_messages_are_what_a_clients_are() {
    let mut client = attached();
    client.send("<presence type='probe' from='plays.montague.lit' to='romeo@montague.lit'/>");
    client.send("<presence type='subscribe' from='a@plays.montague.lit' to='romeo@montague.lit'/>");
    client.send("<message type='chat' from='a@plays.montague.lit' to='romeo@montague.lit'><body>Hi</body></message>");
    client.send("<iq type='result' id='1' from='plays.montague.lit' to='montague.lit'/>");
    let kinds: Vec<_> = client
        .routed()
        .iter()
        .map(|envelope| (envelope.kind, envelope.hints))
        .collect();
    let said = Hints::STORE.with(Hints::WAKE).with(Hints::COPY);
    assert_eq!(
        kinds,
        [
            (Kind::Presence(PresenceKind::Probe), Hints::NONE),
            (Kind::Presence(PresenceKind::Subscribe), Hints::NONE),
            (Kind::Message(MessageKind::Chat), said),
            (Kind::Query(QueryKind::Result), Hints::NONE),
        ]
    );
}

#[test]
fn a_probe_carries_nothing() {
    let mut client = attached();
    client
        .send("<presence type='probe' from='plays.montague.lit' to='romeo@montague.lit'><c xmlns='urn:x'/></presence>");
    let routed = client.routed();
    assert_eq!(
        (routed[0].content.codec, routed[0].content.body.len()),
        (Codec::Neutral, 0)
    );
}

#[test]
fn what_only_the_server_may_say_is_cut_and_what_a_room_says_is_not() {
    let mut client = attached();
    client.send(
        "<message type='groupchat' from='room@plays.montague.lit/a' to='romeo@montague.lit/x'><body>Hi</body>\
         <delay xmlns='urn:xmpp:delay' from='montague.lit' stamp='2002-09-10T23:08:25Z'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='forged'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='room@plays.montague.lit' id='own'/>\
         <delay xmlns='urn:xmpp:delay' from='room@plays.montague.lit' stamp='2003-09-10T23:08:25Z'/>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72'/></message>",
    );
    let body = String::from_utf8(client.routed()[0].content.body.to_vec()).unwrap();
    assert!(!body.contains("forged") && !body.contains("2002"), "{body}");
    assert!(
        body.contains("own") && body.contains("2003") && body.contains("dd72"),
        "{body}"
    );
}

#[test]
fn a_prefix_of_the_stream_is_declared_on_what_is_forwarded() {
    let mut client = arrived(Privileges::default());
    client.send(header(PLAYS).replace("to=", "xmlns:p='urn:prefixed' to="));
    let said = client.said();
    client.send(proof(&said, "wherefore"));
    client.event(Event::Attached(true));
    client.forget();
    client.send("<message from='plays.montague.lit' to='romeo@montague.lit'><p:x/></message>");
    let routed = client.routed();
    let head = String::from_utf8(routed[0].content.head.to_vec()).unwrap();
    assert_eq!(head, " xmlns:p=\"urn:prefixed\"");
}

#[test]
fn what_is_delivered_is_written_with_both_addresses() {
    let mut client = attached();
    let kind = Kind::Message(MessageKind::Chat);
    client.deliver(
        &message(
            "romeo@montague.lit/orchard",
            "a@plays.montague.lit",
            kind,
            "<body>Hi</body>",
        ),
        Form::Plain,
        None,
    );
    assert_eq!(
        client.said(),
        "<message from=\"romeo@montague.lit/orchard\" to=\"a@plays.montague.lit\" type=\"chat\"><body>Hi</body></message>"
    );
}

#[test]
fn the_shards_farewell_ends_the_stream() {
    let mut client = attached();
    client.event(Event::Farewell(Farewell::Shutdown));
    assert_eq!(client.ended_with(), "system-shutdown");
    let mut client = attached();
    client.event(Event::Lost);
    assert_eq!(names(&client.asked()), ["Close"]);
}

#[test]
fn a_silent_server_says_now_and_then_that_it_is_there() {
    let mut client = attached_with(Privileges::default());
    client.forget();
    let wake = client.wake_at.expect("a time");
    client.tick_at(wake);
    assert_eq!(client.said(), " ");
    assert!(client.wake_at.is_some_and(|next| next > wake));
}

fn all() -> Privileges {
    Privileges {
        roster: Access::Both,
        roster_pushes: true,
        message: true,
        queries: vec![("urn:x".to_owned(), Access::Set)],
        presence: true,
    }
}

#[test]
fn privileges_are_announced_when_there_are_any() {
    let mut client = attached_with(all());
    assert_eq!(
        client.said(),
        "<handshake/><message from=\"montague.lit\" to=\"plays.montague.lit\" id=\"privileges\">\
         <privilege xmlns=\"urn:xmpp:privilege:2\"><perm access=\"roster\" type=\"both\" push=\"true\"/>\
         <perm access=\"message\" type=\"outgoing\"/>\
         <perm access=\"iq\"><namespace ns=\"urn:x\" type=\"set\"/></perm>\
         <perm access=\"presence\" type=\"managed_entity\"/></privilege></message>"
    );
    let mut client = attached_with(Privileges {
        roster: Access::Set,
        roster_pushes: true,
        ..Privileges::default()
    });
    assert!(client.said().contains("type=\"set\" push=\"false\""));
}

fn speak(from: &str, inner: &str) -> String {
    format!(
        "<message from='{from}' to='montague.lit' id='m'><privilege xmlns='urn:xmpp:privilege:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></privilege></message>"
    )
}

fn spoken(client: &mut Client) -> Vec<Envelope> {
    let envelope = |action| match action {
        Action::SpeakFor { envelope } => Some(envelope),
        _ => None,
    };
    client.asked().into_iter().filter_map(envelope).collect()
}

#[test]
fn a_privileged_component_sends_messages_in_the_name_of_users_and_the_server() {
    for from in ["juliet@montague.lit", "montague.lit"] {
        let mut client = attached_with(all());
        client.forget();
        client.send(speak(
            PLAYS,
            &format!(
                "<message xmlns='jabber:client' from='{from}' to='romeo@montague.lit/x' id='foo' type='headline' \
                 xml:lang='en'><event xmlns='urn:e'><a b='&lt;'>t&amp;</a></event>\
                 <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='forged'/></message>"
            ),
        ));
        let spoken = spoken(&mut client);
        let [envelope] = &spoken[..] else {
            panic!("{from}: {}", client.said());
        };
        assert_eq!(
            (
                envelope.from.as_str(),
                envelope.to.as_str(),
                &envelope.id[..],
                envelope.kind
            ),
            (
                from,
                "romeo@montague.lit/x",
                &b"foo"[..],
                Kind::Message(MessageKind::Headline)
            )
        );
        assert_eq!(envelope.content.codec, Codec::Xmpp);
        assert_eq!(&envelope.content.head[..], b" xml:lang=\"en\"");
        assert_eq!(
            &envelope.content.body[..],
            b"<event xmlns=\"urn:e\"><a b=\"&lt;\">t&amp;</a></event>"
        );
    }
}

#[test]
fn what_is_not_permitted_is_forbidden_and_nobody_hears_of_it() {
    let good =
        "<message xmlns='jabber:client' from='juliet@montague.lit' to='romeo@montague.lit'><body>x</body></message>";
    let without = Privileges {
        message: false,
        ..all()
    };
    let cases = [
        ("no permission", without, speak(PLAYS, good)),
        (
            "an address of the component",
            all(),
            speak("a@plays.montague.lit", good),
        ),
        (
            "a full address",
            all(),
            speak(
                PLAYS,
                &good.replace("juliet@montague.lit", "juliet@montague.lit/balcony"),
            ),
        ),
        (
            "another server",
            all(),
            speak(PLAYS, &good.replace("juliet@montague.lit", "juliet@capulet.lit")),
        ),
        (
            "its own",
            all(),
            speak(PLAYS, &good.replace("juliet@montague.lit", "plays.montague.lit")),
        ),
        (
            "nobody",
            all(),
            speak(PLAYS, &good.replace("from='juliet@montague.lit'", "")),
        ),
        (
            "another stanza",
            all(),
            speak(
                PLAYS,
                &good.replace("<message", "<presence").replace("</message", "</presence"),
            ),
        ),
        (
            "another namespace",
            all(),
            speak(PLAYS, &good.replace("jabber:client", "jabber:server")),
        ),
        ("two", all(), speak(PLAYS, &[good, good].concat())),
        ("none", all(), speak(PLAYS, "")),
        (
            "not forwarded",
            all(),
            format!(
                "<message from='{PLAYS}' to='montague.lit'><privilege xmlns='urn:xmpp:privilege:2'>{good}</privilege></message>"
            ),
        ),
    ];
    for (what, privileges, said) in cases {
        let mut client = attached_with(privileges);
        client.forget();
        client.send(said);
        let answer = client.said();
        assert!(
            answer.contains("<forbidden ") && answer.contains("type=\"error\""),
            "{what}: {answer}"
        );
        assert!(client.asked().is_empty(), "{what}");
    }
}

#[test]
fn a_request_to_speak_that_goes_elsewhere_is_just_a_message() {
    let mut client = attached_with(all());
    client.forget();
    let good = "<message xmlns='jabber:client' from='juliet@montague.lit' to='romeo@montague.lit'/>";
    client.send(speak(PLAYS, good).replace("to='montague.lit'", "to='romeo@montague.lit'"));
    assert_eq!(names(&client.asked()), ["Route"]);
}

#[test]
fn what_cannot_be_addressed_is_malformed() {
    let mut client = attached_with(all());
    client.forget();
    client.send(speak(
        PLAYS,
        "<message xmlns='jabber:client' from='juliet@montague.lit' to='a@b@c'/>",
    ));
    let answer = client.said();
    assert!(answer.contains("jid-malformed"), "{answer}");
}
