//! XEP-0356: what a component reads, changes and asks in the name of users, and that it may nothing that it was not granted.

mod features_support;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::roster::Item;
use crosspoint_engine::service::RosterChange;
use crosspoint_xmpp::config::{Access, Component, Privileges, Secret};
use features_support::{Stage, jid, show};

const PUBSUB: &str = "pubsub.capulet.example";
const JULIETS: &str = "juliet@capulet.example";
const ROSTER: &str = "<query xmlns='jabber:iq:roster'/>";
const ADD: &str = "<query xmlns='jabber:iq:roster'><item jid='nurse@capulet.example'/></query>";

fn stage(privileges: Privileges) -> Stage {
    let component = Component {
        domain: jid(PUBSUB),
        secret: Secret::new("wherefore"),
        privileges,
    };
    let mut stage = Stage::new();
    stage.features = stage.features.with_components(&[component]);
    stage
}

fn roster(access: Access) -> Privileges {
    Privileges {
        roster: access,
        roster_pushes: true,
        ..Privileges::default()
    }
}

fn queries() -> Privileges {
    Privileges {
        queries: vec![
            ("urn:x".to_owned(), Access::Both),
            ("urn:read".to_owned(), Access::Get),
            ("urn:xmpp:privilege:2".to_owned(), Access::Both),
        ],
        ..Privileges::default()
    }
}

fn wrap(inner: &str) -> String {
    format!("<privileged_iq xmlns='urn:xmpp:privilege:2'>{inner}</privileged_iq>")
}

const INNER: &str =
    "<iq xmlns='jabber:client' type='set' to='romeo@montague.example' id='sub_1'><a xmlns='urn:x' b='c'>t</a></iq>";

#[test]
fn a_roster_is_read_and_changed_as_far_as_that_is_granted() {
    let (yes, no) = ("result", "error Forbidden");
    for (access, get, set) in [
        (Access::None, no, no),
        (Access::Get, yes, no),
        (Access::Set, no, yes),
        (Access::Both, yes, yes),
    ] {
        let mut stage = stage(roster(access));
        let read = stage.ask(PUBSUB, JULIETS, "get", ROSTER);
        assert!(read.starts_with(get), "{access:?}: {read}");
        assert_eq!(stage.ask(PUBSUB, JULIETS, "set", ADD), set, "{access:?}");
        assert_eq!(
            stage.host.roster_mut(JULIETS).items().count(),
            usize::from(set == yes),
            "{access:?}"
        );
    }
}

#[test]
fn only_the_component_itself_is_privileged() {
    let mut stage = stage(roster(Access::Both));
    for from in [
        "a@pubsub.capulet.example",
        "other.capulet.example",
        "romeo@capulet.example/orchard",
        "pubsub.capulet.example/x",
    ] {
        assert_eq!(stage.ask(from, JULIETS, "get", ROSTER), "error Forbidden", "{from}");
        assert_eq!(stage.ask(from, JULIETS, "set", ADD), "error Forbidden", "{from}");
        assert_eq!(
            stage.ask(from, JULIETS, "set", &wrap(INNER)),
            "error Forbidden",
            "{from}"
        );
    }
}

#[test]
fn a_roster_is_all_that_is_granted_with_it() {
    let mut stage = stage(roster(Access::Both));
    for (kind, payload) in [
        ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
        ("get", "<query xmlns='jabber:iq:private'><a xmlns='urn:a'/></query>"),
        ("set", "<query xmlns='jabber:iq:register'><remove/></query>"),
        ("set", "<enable xmlns='urn:xmpp:push:0' jid='p.example'/>"),
    ] {
        assert!(
            stage.ask(PUBSUB, JULIETS, kind, payload).starts_with("error"),
            "{payload}"
        );
    }
}

#[test]
fn nobodys_roster_is_not_there() {
    let mut stage = stage(roster(Access::Both));
    assert_eq!(
        stage.ask(PUBSUB, "nobody@capulet.example", "get", ROSTER),
        "error ItemNotFound"
    );
}

#[test]
fn changes_of_rosters_are_told_to_whoever_may_read_them() {
    for (privileges, told) in [
        (roster(Access::Both), 1),
        (roster(Access::Get), 1),
        (roster(Access::Set), 0),
        (roster(Access::None), 0),
        (
            Privileges {
                roster_pushes: false,
                ..roster(Access::Both)
            },
            0,
        ),
    ] {
        let mut stage = stage(privileges.clone());
        let change = RosterChange {
            user: jid(JULIETS),
            item: Item::stranger(&jid("nurse@capulet.example")),
            removed: true,
            version: 7,
        };
        stage.features.on_roster_change(&change, &mut stage.host);
        assert_eq!(stage.host.sent.len(), told, "{privileges:?}");
        if let Some(push) = stage.host.sent.first() {
            assert_eq!((push.from.as_str(), push.to.as_str()), (JULIETS, PUBSUB));
            assert!(show(push).contains("subscription=\"remove\""));
        }
    }
}

#[test]
fn a_query_in_the_name_of_a_user_is_asked_and_its_answer_forwarded() {
    let mut stage = stage(queries());
    stage.send(PUBSUB, JULIETS, "set", "", &wrap(INNER));
    let asked = stage.host.inquiry().expect("it is asked");
    assert_eq!(
        (asked.from.as_str(), asked.to.as_str(), asked.kind),
        (JULIETS, "romeo@montague.example", Kind::Query(QueryKind::Set))
    );
    assert_eq!(&asked.content.body[..], b"<a xmlns=\"urn:x\" b=\"c\">t</a>");
    let answer = Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from_static(b"<done xmlns='urn:x'/>"),
        },
        ..asked.answer(Content::default())
    };
    stage.host.end_inquiry(Ok(answer));
    assert_eq!(
        show(&stage.host.sent[0]),
        "result <privilege xmlns=\"urn:xmpp:privilege:2\"><forwarded xmlns=\"urn:xmpp:forward:0\">\
         <iq xmlns='jabber:client' type=\"result\" id=\"sub_1\" from=\"romeo@montague.example\" \
         to=\"juliet@capulet.example\"><done xmlns='urn:x'/></iq></forwarded></privilege>"
    );
}

#[test]
fn a_refusal_is_forwarded_and_silence_is_an_error() {
    let mut stage = stage(queries());
    stage.send(PUBSUB, JULIETS, "set", "", &wrap(INNER));
    let asked = stage.host.inquiry().unwrap();
    stage
        .host
        .end_inquiry(Ok(asked.bounce(Condition::ServiceUnavailable).unwrap()));
    let said = show(&stage.host.sent.remove(0));
    assert!(
        said.starts_with("result ") && said.contains("<service-unavailable "),
        "{said}"
    );
    stage.send(PUBSUB, JULIETS, "set", "", &wrap(INNER));
    stage.host.end_inquiry(Err(Condition::RemoteServerTimeout));
    assert_eq!(show(&stage.host.sent[0]), "error RemoteServerTimeout");
}

#[test]
fn each_condition_of_section_6_3_is_forbidden() {
    let read = "<iq xmlns='jabber:client' type='set' to='r@m.example' id='1'><a xmlns='urn:read'/></iq>";
    let other = "<iq xmlns='jabber:client' type='set' to='r@m.example' id='1'><a xmlns='urn:other'/></iq>";
    let itself = "<iq xmlns='jabber:client' type='set' to='r@m.example' id='1'><privileged_iq xmlns='urn:xmpp:privilege:2'/></iq>";
    let cases = [
        ("another type than the outer one", INNER.replace("'set'", "'get'")),
        ("no type", INNER.replace("type='set'", "")),
        ("no request", INNER.replace("'set'", "'result'")),
        ("another namespace", INNER.replace("jabber:client", "jabber:server")),
        (
            "a message",
            INNER.replace("<iq", "<message").replace("</iq", "</message"),
        ),
        (
            "somebody else",
            INNER.replace("<iq ", "<iq from='romeo@capulet.example' "),
        ),
        (
            "a session",
            INNER.replace("<iq ", "<iq from='juliet@capulet.example/balcony' "),
        ),
        ("a malformed from", INNER.replace("<iq ", "<iq from='a@b@c' ")),
        ("a namespace of which only reading was granted", read.to_owned()),
        ("a namespace that was not granted", other.to_owned()),
        ("privileges themselves", itself.to_owned()),
        ("two", [INNER, INNER].concat()),
        ("none", String::new()),
    ];
    for (what, inner) in cases {
        let mut stage = stage(queries());
        assert_eq!(
            stage.ask(PUBSUB, JULIETS, "set", &wrap(&inner)),
            "error Forbidden",
            "{what}"
        );
        assert!(stage.host.inquiry().is_none(), "{what}");
    }
    let mut stage = stage(queries());
    assert_eq!(
        stage.ask(PUBSUB, "nobody@capulet.example", "set", &wrap(INNER)),
        "error Forbidden"
    );
    assert!(
        stage
            .ask(PUBSUB, "capulet.example", "set", &wrap(INNER))
            .starts_with("error")
    );
}

#[test]
fn a_user_may_name_itself_and_ask_itself() {
    let mut stage = stage(queries());
    let inner = "<iq xmlns='jabber:client' type='get' from='juliet@capulet.example' id='1'><a xmlns='urn:read'/></iq>";
    stage.send(PUBSUB, JULIETS, "get", "", &wrap(inner));
    let asked = stage.host.inquiry().expect("it is asked");
    assert_eq!((asked.from.as_str(), asked.to.as_str()), (JULIETS, JULIETS));
}
