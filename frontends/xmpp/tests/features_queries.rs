//! What the server answers to queries: each feature, each refusal, each limit, as payload in and payload out.

mod features_support;
#[path = "features_support/lists.rs"]
mod lists;

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::service::Table;
use crosspoint_xmpp::features::{self, CAPS_NODE, Contacts, FeatureConfig, Software};
use features_support::{Stage, jid, show};

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const NOBODY: &str = "nobody@capulet.example";
const SERVER: &str = "capulet.example";

/// One scene: who asks whom what, and what comes back.
type Scene = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn play(stage: &mut Stage, scenes: &[Scene]) {
    for (from, to, kind, payload, expected) in scenes {
        assert_eq!(
            stage.ask(from, to, kind, payload),
            *expected,
            "{from} -> {to} {kind} {payload}"
        );
    }
}

mod dispatch {
    use super::*;

    #[test]
    fn what_nobody_knows_is_unavailable_and_what_is_malformed_is_refused() {
        play(
            &mut Stage::new(),
            &[
                (
                    JULIET,
                    SERVER,
                    "get",
                    "<query xmlns='urn:example:unheard-of'/>",
                    "error ServiceUnavailable",
                ),
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='urn:example:unheard-of'/>",
                    "error ServiceUnavailable",
                ),
                (
                    JULIET,
                    "romeo@capulet.example",
                    "get",
                    "<query xmlns='urn:example:unheard-of'/>",
                    "error ServiceUnavailable",
                ),
                (
                    JULIET,
                    NOBODY,
                    "get",
                    "<query xmlns='urn:example:unheard-of'/>",
                    "error ServiceUnavailable",
                ),
                // The name counts as much as the namespace.
                (
                    JULIET,
                    SERVER,
                    "get",
                    "<pong xmlns='urn:xmpp:ping'/>",
                    "error ServiceUnavailable",
                ),
                (
                    JULIET,
                    SERVER,
                    "get",
                    "<ping xmlns='jabber:client'/>",
                    "error ServiceUnavailable",
                ),
                // One child, no more and no less (RFC 6120 section 8.2.3).
                (JULIET, SERVER, "get", "", "error BadRequest"),
                (
                    JULIET,
                    SERVER,
                    "get",
                    "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>",
                    "error BadRequest",
                ),
                (
                    JULIET,
                    SERVER,
                    "get",
                    "<ping xmlns='urn:xmpp:ping'>",
                    "error BadRequest",
                ),
                (JULIET, SERVER, "get", "<p:ping/>", "error BadRequest"),
                // Read-only things cannot be set, commands cannot be read.
                (
                    JULIET,
                    SERVER,
                    "set",
                    "<ping xmlns='urn:xmpp:ping'/>",
                    "error NotAllowed",
                ),
                (
                    JULIET,
                    SERVER,
                    "set",
                    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                    "error NotAllowed",
                ),
                (
                    JULIET,
                    JULIETS,
                    "get",
                    "<enable xmlns='urn:xmpp:carbons:2'/>",
                    "error BadRequest",
                ),
                (
                    JULIET,
                    JULIETS,
                    "get",
                    "<block xmlns='urn:xmpp:blocking'/>",
                    "error BadRequest",
                ),
            ],
        );
    }

    #[test]
    fn white_space_and_prefixes_around_the_payload_do_not_matter() {
        let mut stage = Stage::new();
        assert_eq!(
            stage.ask(JULIET, SERVER, "get", "\n  <ping xmlns='urn:xmpp:ping'/>\n"),
            "result"
        );
        stage.send(JULIET, SERVER, "get", " xmlns:p='urn:xmpp:ping'", "<p:ping/>");
        assert_eq!(show(&stage.host.sent[0]), "result");
    }

    #[test]
    fn answers_to_our_own_queries_are_nobodys_business() {
        use crosspoint_engine::envelope::{Envelope, Kind, QueryKind};
        let mut stage = Stage::new();
        for kind in [QueryKind::Result, QueryKind::Error] {
            let answer = Envelope::neutral(jid(JULIET), jid(SERVER), Kind::Query(kind));
            stage.features.on_query(answer, &mut stage.host);
        }
        assert!(stage.host.sent.is_empty());
    }

    #[test]
    fn a_query_in_another_protocols_codec_is_not_read() {
        use crosspoint_engine::envelope::{Envelope, Kind, QueryKind};
        let mut stage = Stage::new();
        let query = Envelope::neutral(jid(JULIET), jid(SERVER), Kind::Query(QueryKind::Get));
        stage.features.on_query(query, &mut stage.host);
        assert_eq!(show(&stage.host.sent[0]), "error FeatureNotImplemented");
    }
}

mod discovery {
    use super::*;

    const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    const INFO_NODE: &str = "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>";
    const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    const ITEMS_NODE: &str = "<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>";
    const NO_ITEMS: &str = r#"result <query xmlns="http://jabber.org/protocol/disco#items"/>"#;

    const SERVER_FEATURES: [&str; 15] = [
        "http://jabber.org/protocol/caps",
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/disco#items",
        "jabber:iq:last",
        "jabber:iq:private",
        "jabber:iq:register",
        "jabber:iq:roster",
        "jabber:iq:version",
        "msgoffline",
        "urn:xmpp:blocking",
        "urn:xmpp:carbons:2",
        "urn:xmpp:delay",
        "urn:xmpp:ping",
        "urn:xmpp:time",
        "vcard-temp",
    ];

    fn listed(features: &[&str]) -> String {
        features
            .iter()
            .map(|name| format!(r#"<feature var="{name}"/>"#))
            .collect()
    }

    #[test]
    fn the_server_says_what_it_is() {
        let mut stage = Stage::new();
        let answer = stage.ask(JULIET, SERVER, "get", INFO);
        let expected = [
            r#"result <query xmlns="http://jabber.org/protocol/disco#info">"#,
            r#"<identity category="server" type="im" name="Crosspoint"/>"#,
            &listed(&SERVER_FEATURES),
            "</query>",
        ];
        assert_eq!(answer, expected.concat());
    }

    #[test]
    fn an_account_says_what_it_is_to_those_who_may_know() {
        let expected = concat!(
            r#"result <query xmlns="http://jabber.org/protocol/disco#info">"#,
            r#"<identity category="account" type="registered"/>"#,
            r#"<feature var="http://jabber.org/protocol/disco#info"/>"#,
            r#"<feature var="http://jabber.org/protocol/disco#items"/>"#,
            r#"<feature var="jabber:iq:last"/>"#,
            r#"<feature var="jabber:iq:roster"/>"#,
            r#"<feature var="urn:xmpp:ping"/>"#,
            r#"<feature var="urn:xmpp:push:0"/>"#,
            r#"<feature var="vcard-temp"/>"#,
            "</query>",
        );
        let mut stage = Stage::new();
        stage.host.show(JULIETS, "romeo@capulet.example");
        play(
            &mut stage,
            &[
                (JULIET, JULIETS, "get", INFO, expected),
                (ROMEO, JULIETS, "get", INFO, expected),
            ],
        );
    }

    #[test]
    fn a_stranger_cannot_tell_an_account_from_none() {
        let mut stage = Stage::new();
        stage.host.online(JULIET);
        for payload in [INFO, INFO_NODE] {
            assert_eq!(stage.ask(ROMEO, JULIETS, "get", payload), "error ServiceUnavailable");
            assert_eq!(stage.ask(ROMEO, NOBODY, "get", payload), "error ServiceUnavailable");
        }
        for payload in [ITEMS, ITEMS_NODE] {
            assert_eq!(stage.ask(ROMEO, JULIETS, "get", payload), NO_ITEMS);
            assert_eq!(stage.ask(ROMEO, NOBODY, "get", payload), NO_ITEMS);
        }
    }

    #[test]
    fn items_are_the_available_sessions() {
        let mut stage = Stage::new();
        stage.host.online(JULIET);
        stage.host.online("juliet@capulet.example/a \"quoted\" <chamber>");
        stage.host.online(ROMEO);
        stage.host.show(JULIETS, "romeo@capulet.example");
        let sessions = concat!(
            r#"result <query xmlns="http://jabber.org/protocol/disco#items">"#,
            r#"<item jid="juliet@capulet.example/balcony"/>"#,
            r#"<item jid="juliet@capulet.example/a &quot;quoted&quot; &lt;chamber&gt;"/></query>"#,
        );
        play(
            &mut stage,
            &[
                (ROMEO, JULIETS, "get", ITEMS, sessions),
                (JULIET, JULIETS, "get", ITEMS, sessions),
                (JULIET, SERVER, "get", ITEMS, NO_ITEMS),
            ],
        );
    }

    #[test]
    fn unknown_nodes_are_not_found() {
        play(
            &mut Stage::new(),
            &[
                (JULIET, SERVER, "get", INFO_NODE, "error ItemNotFound"),
                (JULIET, JULIETS, "get", INFO_NODE, "error ItemNotFound"),
                (JULIET, SERVER, "get", ITEMS_NODE, "error ItemNotFound"),
                (JULIET, JULIETS, "get", ITEMS_NODE, "error ItemNotFound"),
            ],
        );
    }

    #[test]
    fn the_announced_capabilities_are_a_node_of_the_domain() {
        let mut stage = Stage::new();
        let ver = stage.features.caps_ver().to_owned();
        let node = format!("{CAPS_NODE}#{ver}");
        let element =
            format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{CAPS_NODE}' ver='{ver}'/>");
        assert_eq!(stage.features.caps_element(), element);

        let plain = stage.ask(JULIET, SERVER, "get", INFO);
        let payload = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
        let answer = stage.ask(JULIET, SERVER, "get", &payload);
        assert_eq!(
            answer,
            plain.replacen("#info\">", &format!("#info\" node=\"{node}\">"), 1)
        );

        let stale = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{CAPS_NODE}#stale='/>");
        assert_eq!(stage.ask(JULIET, SERVER, "get", &stale), "error ItemNotFound");
        assert_eq!(stage.ask(JULIET, JULIETS, "get", &payload), "error ItemNotFound");
    }

    #[test]
    fn the_hash_follows_from_what_is_said() {
        let hash = |config: &FeatureConfig| Stage::with(config).features.caps_ver().to_owned();
        let plain = FeatureConfig::default();
        let renamed = Software {
            name: "Verona".to_owned(),
            ..Software::default()
        };
        let admin = Contacts {
            admin: vec!["mailto:prince@verona.example".to_owned()],
            ..Contacts::default()
        };
        let others = [
            FeatureConfig {
                software: renamed,
                ..plain.clone()
            },
            FeatureConfig {
                contacts: admin,
                ..plain.clone()
            },
            FeatureConfig {
                password_change: false,
                account_removal: false,
                ..plain.clone()
            },
        ];
        assert_eq!(hash(&plain), hash(&plain));
        for other in &others {
            assert_ne!(hash(&plain), hash(other), "{other:?}");
        }
    }

    #[test]
    fn contacts_are_a_form_in_the_servers_info() {
        let contacts = Contacts {
            abuse: vec![
                "mailto:a&b@capulet.example".to_owned(),
                "xmpp:abuse@capulet.example".to_owned(),
            ],
            support: vec!["https://capulet.example/help".to_owned()],
            ..Contacts::default()
        };
        let mut stage = Stage::with(&FeatureConfig {
            contacts,
            ..FeatureConfig::default()
        });
        let form = concat!(
            r#"<x xmlns="jabber:x:data" type="result">"#,
            r#"<field var="FORM_TYPE" type="hidden"><value>http://jabber.org/network/serverinfo</value></field>"#,
            r#"<field var="abuse-addresses" type="list-multi">"#,
            "<value>mailto:a&amp;b@capulet.example</value><value>xmpp:abuse@capulet.example</value></field>",
            r#"<field var="support-addresses" type="list-multi"><value>https://capulet.example/help</value></field>"#,
            "</x></query>",
        );
        let answer = stage.ask(JULIET, SERVER, "get", INFO);
        assert!(answer.ends_with(form), "{answer}");
        let account = stage.ask(JULIET, JULIETS, "get", INFO);
        assert!(!account.contains("jabber:x:data"), "{account}");
    }
}

mod small_talk {
    use super::*;

    const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
    const VERSION: &str = "<query xmlns='jabber:iq:version'/>";
    const TIME: &str = "<time xmlns='urn:xmpp:time'/>";
    const LAST: &str = "<query xmlns='jabber:iq:last'/>";
    const SESSION: &str = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>";

    #[test]
    fn the_server_is_there() {
        let mut stage = Stage::new();
        stage.host.show(JULIETS, "romeo@capulet.example");
        play(
            &mut stage,
            &[
                (JULIET, SERVER, "get", PING, "result"),
                (JULIET, JULIETS, "get", PING, "result"),
                (ROMEO, JULIETS, "get", PING, "result"),
                (JULIET, "romeo@capulet.example", "get", PING, "error ServiceUnavailable"),
                (JULIET, NOBODY, "get", PING, "error ServiceUnavailable"),
            ],
        );
    }

    #[test]
    fn its_version_is_that_of_the_build() {
        let mut stage = Stage::new();
        let expected = format!(
            r#"result <query xmlns="jabber:iq:version"><name>Crosspoint</name><version>{}</version></query>"#,
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(stage.ask(JULIET, SERVER, "get", VERSION), expected);
        assert_eq!(stage.ask(JULIET, JULIETS, "get", VERSION), "error ServiceUnavailable");
    }

    #[test]
    fn the_operating_system_is_told_only_where_configured() {
        let software = Software {
            name: "A & B".to_owned(),
            version: "<2>".to_owned(),
            os: Some("Verona".to_owned()),
        };
        let mut stage = Stage::with(&FeatureConfig {
            software,
            ..FeatureConfig::default()
        });
        let expected = concat!(
            r#"result <query xmlns="jabber:iq:version">"#,
            "<name>A &amp; B</name><version>&lt;2&gt;</version><os>Verona</os></query>"
        );
        assert_eq!(stage.ask(JULIET, SERVER, "get", VERSION), expected);
    }

    #[test]
    fn its_clock_is_in_utc() {
        let expected = concat!(
            r#"result <time xmlns="urn:xmpp:time"><tzo>+00:00</tzo>"#,
            "<utc>2006-12-19T17:58:35.250Z</utc></time>"
        );
        assert_eq!(Stage::new().ask(JULIET, SERVER, "get", TIME), expected);
    }

    #[test]
    fn last_activity_is_uptime_for_the_server_and_absence_for_an_account() {
        let seconds = |seconds: u64| format!(r#"result <query xmlns="jabber:iq:last" seconds="{seconds}"/>"#);
        let mut stage = Stage::new();
        assert_eq!(stage.ask(ROMEO, SERVER, "get", LAST), seconds(90));

        stage.host.show(JULIETS, "romeo@capulet.example");
        assert_eq!(
            stage.ask(ROMEO, JULIETS, "get", LAST),
            "error ItemNotFound",
            "never seen"
        );
        stage.host.left(JULIETS, features_support::NOW.unix_ms - 903_999);
        assert_eq!(stage.ask(ROMEO, JULIETS, "get", LAST), seconds(903));
        stage.host.online(JULIET);
        assert_eq!(stage.ask(ROMEO, JULIETS, "get", LAST), seconds(0));
    }

    #[test]
    fn last_activity_leaks_no_presence() {
        let mut stage = Stage::new();
        stage.host.online(JULIET);
        assert_eq!(stage.ask(ROMEO, JULIETS, "get", LAST), "error Forbidden");
        assert_eq!(stage.ask(ROMEO, NOBODY, "get", LAST), "error Forbidden");
    }

    #[test]
    fn the_old_session_request_is_a_formality() {
        play(
            &mut Stage::new(),
            &[
                (JULIET, JULIETS, "set", SESSION, "result"),
                (JULIET, SERVER, "set", SESSION, "result"),
                (JULIET, "romeo@capulet.example", "set", SESSION, "error Forbidden"),
            ],
        );
    }
}

mod carbons {
    use super::*;

    const ENABLE: &str = "<enable xmlns='urn:xmpp:carbons:2'/>";
    const DISABLE: &str = "<disable xmlns='urn:xmpp:carbons:2'/>";

    #[test]
    fn a_session_turns_its_own_copies_on_and_off_as_often_as_it_likes() {
        let mut stage = Stage::new();
        for (payload, copies) in [
            (ENABLE, true),
            (ENABLE, true),
            (DISABLE, false),
            (DISABLE, false),
            (ENABLE, true),
        ] {
            assert_eq!(stage.ask(JULIET, JULIETS, "set", payload), "result");
            assert_eq!(stage.host.copies.contains(&jid(JULIET)), copies);
        }
    }

    #[test]
    fn nobody_turns_on_the_copies_of_another() {
        let mut stage = Stage::new();
        assert_eq!(stage.ask(ROMEO, JULIETS, "set", ENABLE), "error NotAllowed");
        assert_eq!(stage.ask(ROMEO, NOBODY, "set", ENABLE), "error NotAllowed");
        assert!(stage.host.copies.is_empty());
    }
}

mod vcard {
    use super::*;

    const GET: &str = "<vCard xmlns='vcard-temp'/>";

    #[test]
    fn a_card_is_kept_and_anyone_may_read_it() {
        let set = "<vCard xmlns='vcard-temp'><FN>Juliet &amp; co</FN><DESC/></vCard>";
        let card = r#"result <vCard xmlns="vcard-temp"><FN>Juliet &amp; co</FN><DESC/></vCard>"#;
        let mut stage = Stage::new();
        play(
            &mut stage,
            &[
                (JULIET, JULIETS, "get", GET, "error ItemNotFound"),
                (JULIET, JULIETS, "set", set, "result"),
                (JULIET, JULIETS, "get", GET, card),
                (ROMEO, JULIETS, "get", GET, card),
            ],
        );
        let rows = stage.host.table(Table::Vcard);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].0, JULIETS);
    }

    #[test]
    fn a_stranger_cannot_tell_no_card_from_no_account() {
        let mut stage = Stage::new();
        assert_eq!(stage.ask(ROMEO, JULIETS, "get", GET), "error ServiceUnavailable");
        assert_eq!(stage.ask(ROMEO, NOBODY, "get", GET), "error ServiceUnavailable");
    }

    #[test]
    fn nobody_changes_the_card_of_another() {
        let mut stage = Stage::new();
        assert_eq!(stage.ask(ROMEO, JULIETS, "set", GET), "error Forbidden");
        assert_eq!(stage.ask(ROMEO, NOBODY, "set", GET), "error Forbidden");
        assert_eq!(stage.host.table(Table::Vcard), []);
    }

    /// Found while reading: the bytes between the tags of an `iq` may use a prefix that the `iq` itself declares. Stored
    /// as they came, they would have broken the stream of whoever read the card.
    #[test]
    fn a_card_that_leans_on_its_stanzas_prefixes_stands_alone_when_read() {
        let mut stage = Stage::new();
        let body = "<v:vCard><v:FN e:lang='it' xml:lang='en'>Giulietta</v:FN><e:odd/></v:vCard>";
        stage.send(
            JULIET,
            JULIETS,
            "set",
            " xmlns:v='vcard-temp' xmlns:e=\"urn:example:e\"",
            body,
        );
        stage.host.settle();
        assert_eq!(show(&stage.host.sent.remove(0)), "result");
        let card = concat!(
            r#"result <vCard xmlns="vcard-temp"><FN xmlns:ns0="urn:example:e" ns0:lang="it" xml:lang="en">"#,
            r#"Giulietta</FN><odd xmlns="urn:example:e"/></vCard>"#,
        );
        assert_eq!(stage.ask(ROMEO, JULIETS, "get", GET), card);
    }

    #[test]
    fn a_card_beyond_the_limit_is_not_taken() {
        let mut stage = Stage::new();
        let card = |bytes: usize| {
            let frame = r#"<vCard xmlns="vcard-temp"><FN></FN></vCard>"#.len();
            format!(
                "<vCard xmlns='vcard-temp'><FN>{}</FN></vCard>",
                "x".repeat(bytes - frame)
            )
        };
        let max = features::VCARD_BYTES_MAX;
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &card(max + 1)), "error NotAcceptable");
        assert_eq!(stage.host.table(Table::Vcard), []);
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &card(max)), "result");
        assert_eq!(stage.host.table(Table::Vcard)[0].1.len(), max);
    }

    /// A short prefix for a long namespace, used often, is larger when written out; memory must not follow.
    #[test]
    fn a_card_that_would_swell_when_written_out_is_not_taken() {
        let mut stage = Stage::new();
        let swelling = format!(
            "<vCard xmlns='vcard-temp' xmlns:long='{}'>{}</vCard>",
            "n".repeat(60_000),
            "<long:x/>".repeat(9_000)
        );
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &swelling), "error NotAcceptable");
    }

    #[test]
    fn an_answer_waits_for_the_disk_and_its_failure_is_told() {
        let mut stage = Stage::new();
        stage.send(JULIET, JULIETS, "set", "", GET);
        assert!(stage.host.sent.is_empty(), "nothing is durable yet");
        stage.host.failure = Some(Condition::InternalServerError);
        stage.host.settle();
        assert_eq!(show(&stage.host.sent.remove(0)), "error InternalServerError");

        stage.send(JULIET, JULIETS, "get", "", GET);
        stage.host.failure = Some(Condition::ResourceConstraint);
        stage.host.settle();
        assert_eq!(show(&stage.host.sent.remove(0)), "error ResourceConstraint");
    }
}

mod private {
    use super::*;

    const GET: &str = "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>";
    const SET: &str =
        "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><nick>Hamlet</nick></exodus></query>";

    #[test]
    fn a_document_is_kept_for_its_owner() {
        let mut stage = Stage::new();
        let document = concat!(
            r#"result <query xmlns="jabber:iq:private">"#,
            r#"<exodus xmlns="exodus:prefs"><nick>Hamlet</nick></exodus></query>"#
        );
        let empty = r#"result <query xmlns="jabber:iq:private"><exodus xmlns="exodus:prefs"/></query>"#;
        play(
            &mut stage,
            &[
                (JULIET, JULIETS, "get", GET, empty),
                (JULIET, JULIETS, "set", SET, "result"),
                (JULIET, JULIETS, "get", GET, document),
                (ROMEO, "romeo@capulet.example", "get", GET, empty),
                // The key is name and namespace.
                (
                    JULIET,
                    JULIETS,
                    "get",
                    "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:other'/></query>",
                    r#"result <query xmlns="jabber:iq:private"><exodus xmlns="exodus:other"/></query>"#,
                ),
                (JULIET, JULIETS, "set", GET, "result"),
                (JULIET, JULIETS, "get", GET, empty),
                // Even a namespace that stanzas have by default is written out.
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='jabber:iq:private'><body xmlns='jabber:client'>b</body></query>",
                    "result",
                ),
                (
                    JULIET,
                    JULIETS,
                    "get",
                    "<query xmlns='jabber:iq:private'><body xmlns='jabber:client'/></query>",
                    r#"result <query xmlns="jabber:iq:private"><body xmlns="jabber:client">b</body></query>"#,
                ),
            ],
        );
        let keys: Vec<_> = stage
            .host
            .table(Table::Document)
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let expected = [
            "juliet@capulet.example\0\x0000",
            "juliet@capulet.example\0\x0001",
            "juliet@capulet.example\0exodus:prefs\0exodus",
            "juliet@capulet.example\0jabber:client\0body",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn nobody_reads_or_writes_the_documents_of_another() {
        let mut stage = Stage::new();
        play(
            &mut stage,
            &[
                (ROMEO, JULIETS, "get", GET, "error Forbidden"),
                (ROMEO, JULIETS, "set", SET, "error Forbidden"),
                (ROMEO, NOBODY, "get", GET, "error Forbidden"),
                (ROMEO, SERVER, "get", GET, "error ServiceUnavailable"),
            ],
        );
        assert_eq!(stage.host.table(Table::Document), []);
    }

    #[test]
    fn a_query_names_one_element_in_a_namespace_of_its_own() {
        play(
            &mut Stage::new(),
            &[
                (
                    JULIET,
                    JULIETS,
                    "get",
                    "<query xmlns='jabber:iq:private'/>",
                    "error NotAcceptable",
                ),
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='jabber:iq:private'>text</query>",
                    "error NotAcceptable",
                ),
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='jabber:iq:private'><a/></query>",
                    "error NotAcceptable",
                ),
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='jabber:iq:private'><a xmlns=''/></query>",
                    "error NotAcceptable",
                ),
                (
                    JULIET,
                    JULIETS,
                    "set",
                    "<query xmlns='jabber:iq:private'><a xmlns='urn:a'/><b xmlns='urn:a'/></query>",
                    "error BadRequest",
                ),
            ],
        );
    }

    #[test]
    fn a_document_or_a_name_beyond_the_limit_is_not_taken() {
        let mut stage = Stage::new();
        let document = |ns: &str, bytes: usize| {
            format!(
                "<query xmlns='jabber:iq:private'><a xmlns='{ns}'>{}</a></query>",
                "x".repeat(bytes)
            )
        };
        let room = features::PRIVATE_BYTES_MAX - r#"<a xmlns="urn:a"></a>"#.len();
        assert_eq!(
            stage.ask(JULIET, JULIETS, "set", &document("urn:a", room + 1)),
            "error NotAcceptable"
        );
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &document("urn:a", room)), "result");
        let long = "n".repeat(features::PRIVATE_NAME_BYTES_MAX);
        assert_eq!(
            stage.ask(JULIET, JULIETS, "set", &document(&long, 0)),
            "error NotAcceptable"
        );
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &document(&long[1..], 0)), "result");
    }

    #[test]
    fn a_user_has_a_bounded_number_of_documents() {
        let mut stage = Stage::new();
        let set = |n: usize| format!("<query xmlns='jabber:iq:private'><a xmlns='urn:{n}'/></query>");
        let max = usize::from(features::PRIVATE_DOCUMENTS_MAX);
        for n in 0..max {
            assert_eq!(stage.ask(JULIET, JULIETS, "set", &set(n)), "result", "document {n}");
        }
        stage.host.requests = 0;
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &set(max)), "error ResourceConstraint");
        assert!(
            stage.host.requests <= 8,
            "one look for the document, and a binary search for a slot"
        );
        assert_eq!(
            stage.ask(JULIET, JULIETS, "set", &set(0)),
            "result",
            "what is there may change"
        );
        assert_eq!(
            stage.ask(ROMEO, "romeo@capulet.example", "set", &set(0)),
            "result",
            "others have room"
        );
        assert_eq!(stage.host.table(Table::Document).len(), 2 * max + 2);
    }

    /// Juliet's two devices write different documents at once, and both find the same slot free.
    #[test]
    fn two_new_documents_at_once_get_two_slots() {
        let mut stage = Stage::new();
        for n in 0..2 {
            let set = format!("<query xmlns='jabber:iq:private'><a xmlns='urn:{n}'/></query>");
            stage.send(JULIET, JULIETS, "set", "", &set);
        }
        stage.host.settle();
        let answers: Vec<_> = stage.host.sent.iter().map(show).collect();
        assert_eq!(answers, ["result", "result"]);
        assert_eq!(stage.host.table(Table::Document).len(), 4);
    }
}

mod registration {
    use super::*;

    const GET: &str = "<query xmlns='jabber:iq:register'/>";
    const REMOVE: &str = "<query xmlns='jabber:iq:register'><remove/></query>";

    fn change(username: &str, password: &str) -> String {
        format!(
            "<query xmlns='jabber:iq:register'><username>{username}</username><password>{password}</password></query>"
        )
    }

    #[test]
    fn who_asks_is_registered() {
        let registered = concat!(
            r#"result <query xmlns="jabber:iq:register"><registered/>"#,
            "<username>juliet</username><password/></query>"
        );
        play(
            &mut Stage::new(),
            &[
                (JULIET, SERVER, "get", GET, registered),
                (JULIET, JULIETS, "get", GET, registered),
            ],
        );
    }

    #[test]
    fn a_user_changes_the_own_password() {
        let mut stage = Stage::new();
        assert_eq!(
            stage.ask(JULIET, SERVER, "set", &change("juliet", "s&lt;cret")),
            "result"
        );
        assert_eq!(stage.host.password(JULIETS), Some("s<cret"));
        assert_eq!(
            stage.ask(JULIET, JULIETS, "set", &change("JULIET", "other")),
            "result",
            "names are prepared"
        );
        assert_eq!(stage.host.password(JULIETS), Some("other"));
    }

    #[test]
    fn an_incomplete_or_foreign_change_changes_nothing() {
        let mut stage = Stage::new();
        let long = "x".repeat(features::PASSWORD_BYTES_MAX + 1);
        let scenes = [
            (SERVER, change("romeo", "mine"), "error NotAllowed"),
            (SERVER, change("not a name", "mine"), "error NotAllowed"),
            (SERVER, change("juliet", ""), "error BadRequest"),
            (SERVER, change("juliet", &long), "error NotAcceptable"),
            (SERVER, GET.to_owned(), "error BadRequest"),
            (
                SERVER,
                "<query xmlns='jabber:iq:register'><password>p</password></query>".to_owned(),
                "error BadRequest",
            ),
            (
                SERVER,
                "<query xmlns='jabber:iq:register'><username>juliet</username></query>".to_owned(),
                "error BadRequest",
            ),
            ("romeo@capulet.example", change("romeo", "mine"), "error Forbidden"),
            ("romeo@capulet.example", REMOVE.to_owned(), "error Forbidden"),
        ];
        for (to, payload, expected) in scenes {
            assert_eq!(stage.ask(JULIET, to, "set", &payload), expected, "{to} {payload}");
        }
        assert_eq!(stage.host.password(JULIETS), Some("secret"));
        assert_eq!(stage.host.password("romeo@capulet.example"), Some("secret"));
    }

    #[test]
    fn a_refused_password_is_told_as_the_host_says() {
        let mut stage = Stage::new();
        stage.host.failure = Some(Condition::NotAcceptable);
        assert_eq!(
            stage.ask(JULIET, SERVER, "set", &change("juliet", "&#x7f;")),
            "error NotAcceptable"
        );
    }

    #[test]
    fn users_of_other_servers_have_nothing_here() {
        let mut stage = Stage::new();
        let stranger = "juliet@verona.example/balcony";
        for (kind, payload) in [("get", GET), ("set", REMOVE), ("set", &change("juliet", "new"))] {
            assert_eq!(stage.ask(stranger, SERVER, kind, payload), "error Forbidden");
        }
    }

    #[test]
    fn a_user_leaves_for_good() {
        let mut stage = Stage::new();
        let more = "<query xmlns='jabber:iq:register'><remove/><username>juliet</username></query>";
        assert_eq!(stage.ask(JULIET, SERVER, "set", more), "error BadRequest");
        assert_eq!(stage.host.password(JULIETS), Some("secret"));
        assert_eq!(stage.ask(JULIET, SERVER, "set", REMOVE), "result");
        assert_eq!(stage.host.password(JULIETS), None);
    }

    #[test]
    fn an_installation_may_forbid_either_or_both() {
        let both = FeatureConfig {
            password_change: false,
            account_removal: false,
            ..FeatureConfig::default()
        };
        let change = change("juliet", "new");
        let mut stage = Stage::with(&FeatureConfig {
            account_removal: true,
            ..both.clone()
        });
        assert_eq!(stage.ask(JULIET, SERVER, "set", &change), "error NotAllowed");
        let mut stage = Stage::with(&FeatureConfig {
            password_change: true,
            ..both.clone()
        });
        assert_eq!(stage.ask(JULIET, SERVER, "set", REMOVE), "error NotAllowed");
        let mut stage = Stage::with(&both);
        assert_eq!(stage.ask(JULIET, SERVER, "get", GET), "error ServiceUnavailable");
        assert!(!stage.features.domain_features().contains(&"jabber:iq:register"));
    }
}
