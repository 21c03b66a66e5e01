//! XEP-0357: who registers what, and what a service is told when something waits.

mod features_support;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, MessageKind, QueryKind};
use crosspoint_engine::service::{Table, Waiting};
use crosspoint_xmpp::features::{FeatureConfig, PUSH_FAILURES_MAX, PUSH_REGISTRATIONS_MAX, PushShows};
use features_support::{Stage, jid};

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ENABLE: &str = "<enable xmlns='urn:xmpp:push:0' jid='push.client.example' node='yxs32'/>";

fn enable(node: &str, more: &str) -> String {
    format!("<enable xmlns='urn:xmpp:push:0' jid='push.client.example' node='{node}'>{more}</enable>")
}

fn form(kind: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{kind}</value></field>\
         <field var='secret'><value>eruio&amp;234</value></field></x>"
    )
}

fn message() -> Envelope {
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from_static(b"<body>Wherefore art thou?</body>"),
        },
        ..Envelope::neutral(
            jid("romeo@montague.example/orchard"),
            jid(JULIETS),
            Kind::Message(MessageKind::Chat),
        )
    }
}

/// Something waits for Juliet, or for a session of hers.
fn waits(stage: &mut Stage, session: Option<&str>) {
    let waiting = Waiting {
        user: jid(JULIETS),
        session: session.map(jid),
        count: 3,
        last: message(),
    };
    stage.features.on_waiting(&waiting, &mut stage.host);
    stage.host.settle();
}

/// What the oldest inquiry says, and to whom.
fn published(stage: &mut Stage) -> Option<(String, String)> {
    let query = stage.host.inquiry()?;
    assert_eq!(
        (query.from.as_str(), query.kind),
        ("capulet.example", Kind::Query(QueryKind::Set)),
        "the server itself publishes"
    );
    let body = String::from_utf8(query.content.body.to_vec()).unwrap();
    Some((query.to.to_string(), body))
}

fn answer(kind: QueryKind, body: &'static str) -> Envelope {
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from_static(body.as_bytes()),
        },
        ..Envelope::neutral(jid("push.client.example"), jid("capulet.example"), Kind::Query(kind))
    }
}

fn refusal(condition: &str) -> Envelope {
    let body = format!("<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: body.into(),
        },
        ..answer(QueryKind::Error, "")
    }
}

fn registrations(stage: &Stage) -> usize {
    stage.host.table(Table::Push).len()
}

#[test]
fn a_waiting_message_is_published_as_a_number() {
    let mut stage = Stage::new();
    assert_eq!(stage.ask(JULIET, JULIETS, "set", ENABLE), "result");
    waits(&mut stage, None);
    let (to, body) = published(&mut stage).expect("something is published");
    assert_eq!(to, "push.client.example");
    assert_eq!(
        body,
        "<pubsub xmlns=\"http://jabber.org/protocol/pubsub\"><publish node=\"yxs32\"><item>\
         <notification xmlns=\"urn:xmpp:push:0\"><x xmlns=\"jabber:x:data\" type=\"result\">\
         <field var=\"FORM_TYPE\"><value>urn:xmpp:push:summary</value></field>\
         <field var=\"message-count\"><value>3</value></field></x></notification></item></publish></pubsub>"
    );
    stage.host.end_inquiry(Ok(answer(QueryKind::Result, "")));
    assert_eq!((registrations(&stage), published(&mut stage)), (1, None));
}

#[test]
fn sender_and_words_are_shown_only_where_the_installation_says_so() {
    for (push, sender, body) in [
        (PushShows::Count, false, false),
        (PushShows::Sender, true, false),
        (PushShows::Body, true, true),
    ] {
        let mut stage = Stage::with(&FeatureConfig {
            push,
            ..FeatureConfig::default()
        });
        stage.ask(JULIET, JULIETS, "set", ENABLE);
        waits(&mut stage, None);
        let (_, said) = published(&mut stage).unwrap();
        assert_eq!(said.contains("romeo@montague.example/orchard"), sender, "{said}");
        assert_eq!(said.contains("last-message-body"), body, "{said}");
    }
}

#[test]
fn without_notifications_there_is_no_feature() {
    let mut stage = Stage::with(&FeatureConfig {
        push: PushShows::Nothing,
        ..FeatureConfig::default()
    });
    assert_eq!(stage.ask(JULIET, JULIETS, "set", ENABLE), "error ServiceUnavailable");
    assert!(!stage.features.account_features().contains(&"urn:xmpp:push:0"));
    waits(&mut stage, None);
    assert_eq!(published(&mut stage), None);
}

#[test]
fn publish_options_go_with_every_notification() {
    let mut stage = Stage::new();
    let options = form("http://jabber.org/protocol/pubsub#publish-options");
    assert_eq!(stage.ask(JULIET, JULIETS, "set", &enable("n", &options)), "result");
    waits(&mut stage, None);
    let (_, said) = published(&mut stage).unwrap();
    let (_, told) = said.split_once("<publish-options>").expect("options");
    assert!(
        told.contains("eruio&amp;234") && told.ends_with("</publish-options></pubsub>"),
        "{said}"
    );
}

#[test]
fn what_is_malformed_is_refused() {
    let long = "n".repeat(2_000);
    let mut stage = Stage::new();
    let cases = [
        ("<enable xmlns='urn:xmpp:push:0'/>".to_owned(), "error BadRequest"),
        (
            "<enable xmlns='urn:xmpp:push:0' jid='a@b@c'/>".to_owned(),
            "error JidMalformed",
        ),
        (enable("n", "<y xmlns='urn:x'/>"), "error BadRequest"),
        (enable("n", &form("urn:something:else")), "error BadRequest"),
        (enable("n", "<x xmlns='jabber:x:data'/>"), "error BadRequest"),
        (enable(&long, ""), "error NotAcceptable"),
        (
            enable(
                "n",
                &form("http://jabber.org/protocol/pubsub#publish-options").replace("eruio", &"s".repeat(5_000)),
            ),
            "error NotAcceptable",
        ),
        ("<disable xmlns='urn:xmpp:push:0'/>".to_owned(), "error BadRequest"),
    ];
    for (payload, expected) in cases {
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &payload), expected, "{payload}");
    }
    assert_eq!(registrations(&stage), 0);
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut stage = Stage::new();
    let romeo = "romeo@capulet.example/orchard";
    assert_eq!(stage.ask(romeo, JULIETS, "set", ENABLE), "error Forbidden");
    let disable = "<disable xmlns='urn:xmpp:push:0' jid='push.client.example'/>";
    assert_eq!(stage.ask(romeo, JULIETS, "set", disable), "error Forbidden");
    assert_eq!(
        stage.ask("push.client.example", JULIETS, "set", ENABLE),
        "error Forbidden"
    );
    assert_eq!(registrations(&stage), 0);
}

#[test]
fn the_latest_registration_of_a_node_counts() {
    let mut stage = Stage::new();
    stage.ask(JULIET, JULIETS, "set", ENABLE);
    stage.ask(JULIET, JULIETS, "set", ENABLE);
    assert_eq!(registrations(&stage), 1);
    stage.ask(JULIET, JULIETS, "set", &enable("other", ""));
    assert_eq!(registrations(&stage), 2);
}

#[test]
fn one_node_is_disabled_or_all_of_a_service() {
    let mut stage = Stage::new();
    for node in ["a", "b", "c"] {
        stage.ask(JULIET, JULIETS, "set", &enable(node, ""));
    }
    let disable = |more: &str| format!("<disable xmlns='urn:xmpp:push:0' jid='push.client.example'{more}/>");
    assert_eq!(stage.ask(JULIET, JULIETS, "set", &disable(" node='b'")), "result");
    assert_eq!(registrations(&stage), 2);
    assert_eq!(stage.ask(JULIET, JULIETS, "set", &disable(" node='b'")), "result");
    assert_eq!(stage.ask(JULIET, JULIETS, "set", &disable("")), "result");
    assert_eq!(registrations(&stage), 0);
    waits(&mut stage, None);
    assert_eq!(published(&mut stage), None, "what is not enabled is not published to");
}

#[test]
fn registrations_are_bounded_even_when_all_are_asked_for_at_once() {
    let mut stage = Stage::new();
    let asked = usize::from(PUSH_REGISTRATIONS_MAX) + 9;
    for number in 0..asked {
        stage.send(JULIET, JULIETS, "set", "", &enable(&format!("n{number}"), ""));
    }
    stage.host.settle();
    assert_eq!(registrations(&stage), usize::from(PUSH_REGISTRATIONS_MAX));
    let refused = stage
        .host
        .sent
        .iter()
        .filter(|answer| answer.error == Some(Condition::ResourceConstraint));
    assert_eq!(refused.count(), 9);
}

#[test]
fn only_the_device_whose_session_sleeps_is_woken() {
    let mut stage = Stage::new();
    stage.ask(JULIET, JULIETS, "set", &enable("balcony", ""));
    stage.ask("juliet@capulet.example/chamber", JULIETS, "set", &enable("chamber", ""));
    waits(&mut stage, Some("juliet@capulet.example/chamber"));
    let (_, said) = published(&mut stage).unwrap();
    assert!(said.contains("node=\"chamber\""), "{said}");
    stage.host.end_inquiry(Ok(answer(QueryKind::Result, "")));
    assert_eq!(published(&mut stage), None);
    waits(&mut stage, None);
    for node in ["balcony", "chamber"] {
        let (_, said) = published(&mut stage).unwrap();
        assert!(said.contains(node), "{said}");
        stage.host.end_inquiry(Ok(answer(QueryKind::Result, "")));
    }
}

#[test]
fn a_service_that_refuses_for_good_is_published_to_no_more() {
    for condition in [
        "item-not-found",
        "forbidden",
        "not-allowed",
        "not-authorized",
        "feature-not-implemented",
    ] {
        let mut stage = Stage::new();
        stage.ask(JULIET, JULIETS, "set", ENABLE);
        waits(&mut stage, None);
        stage.host.end_inquiry(Ok(refusal(condition)));
        assert_eq!(registrations(&stage), 0, "{condition}");
    }
}

#[test]
fn a_service_that_is_away_is_given_up_only_after_many_failures_in_a_row() {
    let mut stage = Stage::new();
    stage.ask(JULIET, JULIETS, "set", ENABLE);
    let fail = |stage: &mut Stage, times: u8| {
        for number in 0..times {
            waits(stage, None);
            stage.host.end_inquiry(match number % 2 {
                0 => Err(Condition::RemoteServerTimeout),
                _ => Ok(refusal("service-unavailable")),
            });
        }
    };
    fail(&mut stage, PUSH_FAILURES_MAX - 1);
    assert_eq!(registrations(&stage), 1);
    waits(&mut stage, None);
    stage.host.end_inquiry(Ok(answer(QueryKind::Result, "")));
    fail(&mut stage, PUSH_FAILURES_MAX - 1);
    assert_eq!(registrations(&stage), 1, "one success makes good for all");
    fail(&mut stage, 1);
    assert_eq!(registrations(&stage), 0);
}

#[test]
fn a_registration_that_was_changed_meanwhile_survives_the_old_ones_refusal() {
    let mut stage = Stage::new();
    stage.ask(JULIET, JULIETS, "set", ENABLE);
    waits(&mut stage, None);
    let options = form("http://jabber.org/protocol/pubsub#publish-options");
    stage.ask(JULIET, JULIETS, "set", &enable("yxs32", &options));
    stage.host.end_inquiry(Ok(refusal("forbidden")));
    assert_eq!(registrations(&stage), 1);
}
