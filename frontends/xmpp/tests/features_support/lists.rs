//! The lists that a user keeps on the server: the roster and the block list, as payload in and payload out.

use crate::features_support::{FIRST_VERSION, Stage, jid, show};
use crosspoint_engine::envelope::{Condition, Kind, QueryKind};
use crosspoint_xmpp::features;

const JULIET: &str = "juliet@capulet.example/balcony";
const CHAMBER: &str = "juliet@capulet.example/chamber";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const ROMEOS: &str = "romeo@capulet.example";
const NOBODY: &str = "nobody@capulet.example";
const SERVER: &str = "capulet.example";

mod roster {
    use super::*;
    use crosspoint_engine::roster::item::{GROUP_BYTES_MAX, GROUPS_MAX, NAME_BYTES_MAX};
    use crosspoint_engine::roster::{Kind as Step, REMOVALS_MAX};

    const GET: &str = "<query xmlns='jabber:iq:roster'/>";

    fn get_since(version: impl std::fmt::Display) -> String {
        format!("<query xmlns='jabber:iq:roster' ver='{version}'/>")
    }

    fn set(item: &str) -> String {
        format!("<query xmlns='jabber:iq:roster'>{item}</query>")
    }

    fn roster(version: u64, items: &str) -> String {
        format!(r#"<query xmlns="jabber:iq:roster" ver="{version}">{items}</query>"#)
    }

    #[test]
    fn an_empty_roster_is_a_result_without_items() {
        let mut stage = Stage::new();
        let empty = format!(r#"result <query xmlns="jabber:iq:roster" ver="{FIRST_VERSION}"/>"#);
        assert_eq!(stage.ask(JULIET, JULIETS, "get", GET), empty);
        assert!(
            stage.host.roster_interest.contains(&jid(JULIET)),
            "from now on it is pushed changes"
        );
    }

    #[test]
    fn contacts_come_with_all_that_is_known_of_them() {
        let mut stage = Stage::new();
        let juliets = stage.host.roster_mut(JULIETS);
        let groups = vec!["Friends".to_owned(), "Houses > 1".to_owned()];
        juliets
            .set(&jid("romeo@montague.example"), "My \"Romeo\"".to_owned(), groups)
            .expect("room");
        let both = jid("a-both@x.example");
        juliets.outbound(&both, Step::Subscribe).expect("room");
        juliets.inbound(&both, Step::Subscribed, None).expect("room");
        juliets.inbound(&both, Step::Subscribe, None).expect("room");
        juliets.outbound(&both, Step::Subscribed).expect("room");
        juliets
            .outbound(&jid("b-asked@x.example"), Step::Subscribe)
            .expect("room");
        juliets
            .outbound(&jid("c-approved@x.example"), Step::Subscribed)
            .expect("room");
        juliets
            .inbound(&jid("stranger@x.example"), Step::Subscribe, None)
            .expect("room");
        let version = juliets.version();

        let items = concat!(
            r#"<item jid="a-both@x.example" subscription="both"/>"#,
            r#"<item jid="b-asked@x.example" subscription="none" ask="subscribe"/>"#,
            r#"<item jid="c-approved@x.example" subscription="none" approved="true"/>"#,
            r#"<item jid="romeo@montague.example" name="My &quot;Romeo&quot;" subscription="none">"#,
            "<group>Friends</group><group>Houses &gt; 1</group></item>",
        );
        let answer = stage.ask(JULIET, JULIETS, "get", GET);
        assert_eq!(answer, format!("result {}", roster(version, items)));
    }

    #[test]
    fn a_contact_is_added_changed_and_removed() {
        let mut stage = Stage::new();
        let nurse = "<item jid='nurse@x.example' name='Nurse'><group>Servants</group></item>";
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &set(nurse)), "result");
        let items = r#"<item jid="nurse@x.example" name="Nurse" subscription="none"><group>Servants</group></item>"#;
        let version = stage.host.roster_mut(JULIETS).version();
        assert_eq!(
            stage.ask(JULIET, JULIETS, "get", GET),
            format!("result {}", roster(version, items))
        );

        // Only 'remove' means something in a set; an update replaces name and groups (sections 2.1.2.5 and 2.4).
        let bare = "<item jid='NURSE@x.example' subscription='both' ask='subscribe' approved='true'/>";
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &set(bare)), "result");
        let items = r#"<item jid="nurse@x.example" subscription="none"/>"#;
        let version = stage.host.roster_mut(JULIETS).version();
        assert_eq!(
            stage.ask(JULIET, JULIETS, "get", GET),
            format!("result {}", roster(version, items))
        );

        let remove = set("<item jid='nurse@x.example' subscription='remove'/>");
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &remove), "result");
        assert!(stage.host.roster_mut(JULIETS).is_empty());
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &remove), "error ItemNotFound");
    }

    #[test]
    fn nobody_touches_the_roster_of_another() {
        let mut stage = Stage::new();
        stage.host.show(JULIETS, ROMEOS);
        let payload = set("<item jid='rosaline@x.example'/>");
        for to in [JULIETS, NOBODY] {
            assert_eq!(stage.ask(ROMEO, to, "get", GET), "error Forbidden");
            assert_eq!(stage.ask(ROMEO, to, "set", &payload), "error Forbidden");
        }
        assert_eq!(stage.ask(ROMEO, SERVER, "get", GET), "error ServiceUnavailable");
        assert!(stage.host.roster_mut(JULIETS).is_empty());
        assert!(stage.host.roster_interest.is_empty());
    }

    #[test]
    fn what_is_no_roster_set_changes_nothing() {
        let mut stage = Stage::new();
        let scenes = [
            ("get", set("<item jid='a@x.example'/>"), "error BadRequest"),
            ("set", GET.to_owned(), "error BadRequest"),
            (
                "set",
                set("<item jid='a@x.example'/><item jid='b@x.example'/>"),
                "error BadRequest",
            ),
            ("set", set("<thing jid='a@x.example'/>"), "error BadRequest"),
            (
                "set",
                set("<item xmlns='urn:other' jid='a@x.example'/>"),
                "error BadRequest",
            ),
            ("set", set("<item/>"), "error BadRequest"),
            ("set", set("<item jid=''/>"), "error JidMalformed"),
            ("set", set("<item jid='@x.example'/>"), "error JidMalformed"),
            ("set", set("<item jid='a b@x.example'/>"), "error JidMalformed"),
            ("set", set("<item jid='a@x.example/balcony'/>"), "error BadRequest"),
            ("set", set("<item jid='juliet@capulet.example'/>"), "error NotAllowed"),
            (
                "set",
                set("<item jid='a@x.example'><group>G</group><group>G</group></item>"),
                "error BadRequest",
            ),
            (
                "set",
                set("<item jid='a@x.example'><group/></item>"),
                "error NotAcceptable",
            ),
        ];
        for (kind, payload, expected) in scenes {
            assert_eq!(stage.ask(JULIET, JULIETS, kind, &payload), expected, "{payload}");
        }
        assert!(stage.host.roster_mut(JULIETS).is_empty());
        assert!(stage.host.roster_interest.is_empty());
    }

    #[test]
    fn names_and_groups_are_bounded() {
        let mut stage = Stage::new();
        let groups = |count: usize| (0..count).map(|n| format!("<group>{n}</group>")).collect::<String>();
        let named = |bytes: usize| set(&format!("<item jid='a@x.example' name='{}'/>", "x".repeat(bytes)));
        let grouped = |groups: &str| set(&format!("<item jid='a@x.example'>{groups}</item>"));
        let group = |bytes: usize| format!("<group>{}</group>", "x".repeat(bytes));
        for payload in [
            named(NAME_BYTES_MAX + 1),
            grouped(&group(GROUP_BYTES_MAX + 1)),
            grouped(&groups(GROUPS_MAX + 1)),
        ] {
            assert_eq!(stage.ask(JULIET, JULIETS, "set", &payload), "error NotAcceptable");
        }
        assert!(stage.host.roster_mut(JULIETS).is_empty());
        for payload in [
            named(NAME_BYTES_MAX),
            grouped(&group(GROUP_BYTES_MAX)),
            grouped(&groups(GROUPS_MAX)),
        ] {
            assert_eq!(stage.ask(JULIET, JULIETS, "set", &payload), "result");
        }
    }

    #[test]
    fn an_answer_waits_for_the_disk_and_its_failure_is_told() {
        let mut stage = Stage::new();
        stage.send(JULIET, JULIETS, "set", "", &set("<item jid='a@x.example'/>"));
        assert!(stage.host.sent.is_empty(), "nothing is durable yet");
        stage.host.failure = Some(Condition::InternalServerError);
        stage.host.settle();
        assert_eq!(show(&stage.host.sent.remove(0)), "error InternalServerError");
    }

    /// Juliet's tablet has been away. Meanwhile the Nurse was renamed, and Paris added and removed.
    #[test]
    fn a_client_that_knows_a_version_is_sent_the_changes() {
        let mut stage = Stage::new();
        let nurse = jid("nurse@x.example");
        let juliets = stage.host.roster_mut(JULIETS);
        juliets.set(&nurse, String::new(), vec![]).expect("room");
        juliets
            .set(&jid("tybalt@x.example"), String::new(), vec![])
            .expect("room");
        let known = juliets.version();
        juliets
            .set(&jid("paris@x.example"), String::new(), vec![])
            .expect("room");
        juliets.set(&nurse, "Angelica".to_owned(), vec![]).expect("room");
        let renamed = juliets.version();
        juliets.remove(&jid("paris@x.example")).expect("was there");
        let removed = juliets.version();

        stage.send(CHAMBER, JULIETS, "get", "", &get_since(known));
        let sent = std::mem::take(&mut stage.host.sent);
        let shown: Vec<_> = sent.iter().map(show).collect();
        let pushes = [
            "result".to_owned(),
            format!(
                "set {}",
                roster(
                    renamed,
                    r#"<item jid="nurse@x.example" name="Angelica" subscription="none"/>"#
                )
            ),
            format!(
                "set {}",
                roster(removed, r#"<item jid="paris@x.example" subscription="remove"/>"#)
            ),
        ];
        assert_eq!(shown, pushes);
        for push in &sent[1..] {
            assert_eq!((push.from.as_str(), push.to.as_str()), (JULIETS, CHAMBER));
            assert_eq!(push.kind, Kind::Query(QueryKind::Set));
        }
        assert_ne!(sent[1].id, sent[2].id);
        assert!(stage.host.roster_interest.contains(&jid(CHAMBER)));
        assert!(!stage.host.roster_interest.contains(&jid(JULIET)));
    }

    #[test]
    fn a_client_that_is_up_to_date_is_sent_nothing() {
        let mut stage = Stage::new();
        let juliets = stage.host.roster_mut(JULIETS);
        juliets
            .set(&jid("nurse@x.example"), String::new(), vec![])
            .expect("room");
        let version = juliets.version();
        assert_eq!(stage.ask(JULIET, JULIETS, "get", &get_since(version)), "result");
    }

    #[test]
    fn a_version_that_is_unknown_brings_the_whole_roster() {
        let mut stage = Stage::new();
        let juliets = stage.host.roster_mut(JULIETS);
        juliets
            .set(&jid("nurse@x.example"), String::new(), vec![])
            .expect("room");
        for n in 0..=REMOVALS_MAX {
            let passer_by = jid(&format!("passer-by-{n}@x.example"));
            juliets.set(&passer_by, String::new(), vec![]).expect("room");
            juliets.remove(&passer_by).expect("was there");
        }
        let version = juliets.version();
        let whole = format!(
            "result {}",
            roster(version, r#"<item jid="nurse@x.example" subscription="none"/>"#)
        );
        let forgotten = (FIRST_VERSION + 1).to_string();
        let future = (version + 1).to_string();
        for unknown in ["", "ver14", "-1", "99999999999999999999999", &forgotten, &future] {
            assert_eq!(
                stage.ask(JULIET, JULIETS, "get", &get_since(unknown)),
                whole,
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_push_is_written_as_the_session_needs_it() {
        let mut stage = Stage::new();
        let nurse = jid("nurse@x.example");
        let juliets = stage.host.roster_mut(JULIETS);
        juliets.set(&nurse, "N".to_owned(), vec![]).expect("room");
        let item = juliets.get(&nurse).expect("just set");
        let text = |removed| String::from_utf8(features::roster_push_body(item, removed, 7)).expect("UTF-8");
        assert_eq!(
            text(false),
            roster(7, r#"<item jid="nurse@x.example" name="N" subscription="none"/>"#)
        );
        assert_eq!(
            text(true),
            roster(7, r#"<item jid="nurse@x.example" subscription="remove"/>"#)
        );
    }
}

mod blocking {
    use super::*;

    const LIST: &str = "<blocklist xmlns='urn:xmpp:blocking'/>";
    const EMPTY: &str = r#"result <blocklist xmlns="urn:xmpp:blocking"/>"#;

    fn command(name: &str, items: &str) -> String {
        format!("<{name} xmlns='urn:xmpp:blocking'>{items}</{name}>")
    }

    fn listed(items: &str) -> String {
        format!(r#"result <blocklist xmlns="urn:xmpp:blocking">{items}</blocklist>"#)
    }

    #[test]
    fn addresses_are_blocked_listed_and_unblocked() {
        let mut stage = Stage::new();
        assert_eq!(stage.ask(JULIET, JULIETS, "get", LIST), EMPTY);
        assert!(
            stage.host.block_interest.contains(&jid(JULIET)),
            "from now on it is pushed changes"
        );

        let two = "<item jid='PARIS@x.example'/><item jid='x.example/a &amp; b'/>";
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &command("block", two)), "result");
        let both = r#"<item jid="paris@x.example"/><item jid="x.example/a &amp; b"/>"#;
        assert_eq!(stage.ask(JULIET, JULIETS, "get", LIST), listed(both));

        let one = "<item jid='paris@x.example'/>";
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &command("unblock", one)), "result");
        assert_eq!(
            stage.ask(JULIET, JULIETS, "get", LIST),
            listed(r#"<item jid="x.example/a &amp; b"/>"#)
        );

        assert_eq!(stage.ask(JULIET, JULIETS, "set", &command("unblock", "")), "result");
        assert_eq!(stage.ask(JULIET, JULIETS, "get", LIST), EMPTY);
    }

    #[test]
    fn what_is_no_block_command_changes_nothing() {
        let mut stage = Stage::new();
        stage.ask(
            JULIET,
            JULIETS,
            "set",
            &command("block", "<item jid='paris@x.example'/>"),
        );
        let many = "<item jid='a@x.example'/>".repeat(features::BLOCK_ITEMS_MAX + 1);
        let scenes = [
            (command("block", ""), "error BadRequest"),
            (command("block", "<item/>"), "error BadRequest"),
            (command("block", "<item jid='@'/>"), "error JidMalformed"),
            (
                command("block", "<item jid='a@x.example'/><item jid='@'/>"),
                "error JidMalformed",
            ),
            (command("block", &many), "error NotAcceptable"),
            (command("unblock", "<item jid='@'/>"), "error JidMalformed"),
            (command("unblock", "<itme jid='paris@x.example'/>"), "error BadRequest"),
            (
                command("unblock", "<item xmlns='urn:other' jid='paris@x.example'/>"),
                "error BadRequest",
            ),
        ];
        for (payload, expected) in scenes {
            let shown = payload.get(..100).unwrap_or(&payload);
            assert_eq!(stage.ask(JULIET, JULIETS, "set", &payload), expected, "{shown}");
        }
        assert_eq!(
            stage.ask(JULIET, JULIETS, "get", LIST),
            listed(r#"<item jid="paris@x.example"/>"#)
        );
    }

    #[test]
    fn nobody_touches_the_block_list_of_another() {
        let mut stage = Stage::new();
        let block = command("block", "<item jid='paris@x.example'/>");
        for to in [JULIETS, NOBODY] {
            assert_eq!(stage.ask(ROMEO, to, "get", LIST), "error Forbidden");
            assert_eq!(stage.ask(ROMEO, to, "set", &block), "error Forbidden");
            assert_eq!(stage.ask(ROMEO, to, "set", &command("unblock", "")), "error Forbidden");
        }
        assert!(stage.host.block_interest.is_empty());
        assert_eq!(stage.ask(JULIET, JULIETS, "get", LIST), EMPTY);
    }

    #[test]
    fn an_answer_waits_for_the_disk_and_its_failure_is_told() {
        let mut stage = Stage::new();
        stage.send(
            JULIET,
            JULIETS,
            "set",
            "",
            &command("block", "<item jid='paris@x.example'/>"),
        );
        assert!(stage.host.sent.is_empty(), "nothing is durable yet");
        stage.host.failure = Some(Condition::NotAcceptable);
        stage.host.settle();
        assert_eq!(show(&stage.host.sent.remove(0)), "error NotAcceptable");
    }

    #[test]
    fn a_push_is_written_as_the_session_needs_it() {
        let text = |addresses: &[&str], blocked| {
            let addresses: Vec<_> = addresses.iter().map(|text| jid(text)).collect();
            String::from_utf8(features::block_push_body(&addresses, blocked)).expect("UTF-8")
        };
        let expected = r#"<block xmlns="urn:xmpp:blocking"><item jid="a@x.example"/><item jid="b@x.example"/></block>"#;
        assert_eq!(text(&["a@x.example", "b@x.example"], true), expected);
        let expected = r#"<unblock xmlns="urn:xmpp:blocking"><item jid="a@x.example"/></unblock>"#;
        assert_eq!(text(&["a@x.example"], false), expected);
        assert_eq!(text(&[], false), r#"<unblock xmlns="urn:xmpp:blocking"/>"#);
    }
}
