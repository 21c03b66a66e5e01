//! The service's own affairs: commands and administration, reports of abuse, relays, where its state is published.

use crate::features_support::{NOW, Stage, jid, show};
use crosspoint_engine::administration::{Notice, Report, Service, UserReport};
use crosspoint_engine::envelope::{Condition, Kind, MessageKind};
use crosspoint_engine::service::{BookWrite, Host, Table};
use crosspoint_engine::store;
use crosspoint_xmpp::features::{
    External, ExternalService, FeatureConfig, REPORTS_PER_USER_MAX, SESSION_MS_MAX, TEXT_BYTES_MAX,
};

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const SERVER: &str = "capulet.example";
const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// A form's answers.
type Fields<'a> = &'a [(&'a str, &'a [&'a str])];
/// A command, what is answered, and what comes of it.
type Scene<'a> = (&'a str, Fields<'a>, &'a str);

/// Juliet administers.
fn managed() -> Stage {
    let mut stage = Stage::new();
    stage.host.administrators.push(jid(JULIETS));
    stage
}

fn command(node: &str, attributes: &str, inner: &str) -> String {
    format!("<command xmlns='{COMMANDS}' node='http://jabber.org/protocol/admin#{node}' {attributes}>{inner}</command>")
}

fn form(fields: Fields<'_>) -> String {
    let field = |(var, values): &(&str, &[&str])| {
        let values: String = values.iter().map(|value| format!("<value>{value}</value>")).collect();
        format!("<field var='{var}'>{values}</field>")
    };
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

/// Begins a command and gives its session.
fn begin(stage: &mut Stage, node: &str) -> String {
    let answer = stage.ask(JULIET, SERVER, "set", &command(node, "", ""));
    assert!(answer.contains("status=\"executing\""), "{answer}");
    let at = answer.find("sessionid=\"").expect("a session") + "sessionid=\"".len();
    answer[at..].split('"').next().expect("its end").to_owned()
}

/// Executes a command from its beginning to its end.
fn run(stage: &mut Stage, node: &str, fields: Fields<'_>) -> String {
    let session = begin(stage, node);
    let attributes = format!("sessionid='{session}' action='complete'");
    stage.ask(JULIET, SERVER, "set", &command(node, &attributes, &form(fields)))
}

mod commands {
    use super::*;

    fn fault(general: &str, name: &str) -> String {
        format!("error {general} {name}")
    }

    #[test]
    fn who_is_no_administrator_sees_no_command_and_may_execute_none() {
        let mut stage = managed();
        let list = format!("<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>");
        let listed = stage.ask(JULIET, SERVER, "get", &list);
        assert_eq!(listed.matches("<item ").count(), 30, "{listed}");
        let nothing = format!("result <query xmlns=\"http://jabber.org/protocol/disco#items\" node=\"{COMMANDS}\"/>");
        assert_eq!(stage.ask(ROMEO, SERVER, "get", &list), nothing);
        let info =
            "<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/admin#announce'/>";
        assert!(stage.ask(JULIET, SERVER, "get", info).contains("command-node"));
        assert_eq!(stage.ask(ROMEO, SERVER, "get", info), "error Forbidden");
        for to_execute in [command("announce", "", ""), command("announce", "sessionid='1-1'", "")] {
            assert_eq!(stage.ask(ROMEO, SERVER, "set", &to_execute), "error Forbidden");
        }
        // An administrator of the same name elsewhere is nobody here.
        let stranger = "juliet@montague.example/balcony";
        stage.host.administrators.push(jid("juliet@montague.example"));
        assert_eq!(
            stage.ask(stranger, SERVER, "set", &command("announce", "", "")),
            "error Forbidden"
        );
        assert!(stage.host.orders.is_empty());
    }

    #[test]
    fn faults_have_their_own_conditions() {
        let mut stage = managed();
        let session = begin(&mut stage, "announce");
        let with = |action: &str| command("announce", &format!("sessionid='{session}' action='{action}'"), "");
        let modify = |name: &str| fault("bad-request", name);
        assert_eq!(
            stage.ask(JULIET, SERVER, "set", &with("dance")),
            modify("malformed-action")
        );
        assert_eq!(stage.ask(JULIET, SERVER, "set", &with("prev")), modify("bad-action"));
        assert_eq!(stage.ask(JULIET, SERVER, "set", &with("next")), modify("bad-action"));
        assert_eq!(
            stage.ask(JULIET, SERVER, "set", &with("complete")),
            modify("bad-payload")
        );
        let unknown = command("announce", "sessionid='made-up'", "");
        assert_eq!(stage.ask(JULIET, SERVER, "set", &unknown), modify("bad-sessionid"));
        let of_another = command("set-motd", &format!("sessionid='{session}'"), "");
        assert_eq!(stage.ask(JULIET, SERVER, "set", &of_another), modify("bad-sessionid"));
        let from_elsewhere = stage.ask("juliet@capulet.example/tablet", SERVER, "set", &with("cancel"));
        assert_eq!(from_elsewhere, modify("bad-sessionid"));
        let nothing = command("dance", "", "");
        assert_eq!(stage.ask(JULIET, SERVER, "set", &nothing), "error ItemNotFound");
        let canceled = stage.ask(JULIET, SERVER, "set", &with("cancel"));
        assert!(canceled.contains("status=\"canceled\""), "{canceled}");
        assert_eq!(
            stage.ask(JULIET, SERVER, "set", &with("cancel")),
            modify("bad-sessionid")
        );
        assert!(stage.host.orders.is_empty());
    }

    #[test]
    fn a_form_left_alone_expires() {
        let mut stage = managed();
        let session = begin(&mut stage, "announce");
        stage.host.now.ms += SESSION_MS_MAX;
        let late = command(
            "announce",
            &format!("sessionid='{session}'"),
            &form(&[("announcement", &["x"])]),
        );
        let expected = fault("not-allowed", "session-expired");
        assert_eq!(stage.ask(JULIET, SERVER, "set", &late), expected);
        assert!(stage.host.orders.is_empty());
    }
}

mod administration {
    use super::*;

    fn completed(node: &str, answer: &str) -> bool {
        answer.starts_with("result <command")
            && answer.contains(&format!("admin#{node}\""))
            && answer.contains("completed")
    }

    #[test]
    fn each_form_becomes_its_order() {
        let one: &[&str] = &["nurse@capulet.example"];
        let scenes: [Scene; 13] = [
            ("delete-user", &[("accountjids", one)], "Remove"),
            ("disable-user", &[("accountjids", one)], "Disable"),
            ("reenable-user", &[("accountjids", one)], "Enable"),
            ("end-user-session", &[("accountjids", one)], "EndSessions"),
            (
                "change-user-password",
                &[("accountjid", one), ("password", &["x"])],
                "SetPassword",
            ),
            (
                "edit-blacklist",
                &[("blacklistjids", &["a.example", "b@c.example"])],
                "Amend(Black",
            ),
            (
                "add-to-whitelist",
                &[("whitelistjids", &["a.example\nb.example"])],
                "Amend(White",
            ),
            (
                "announce",
                &[("announcement", &["one", "two"])],
                "Announce(\"one\\ntwo\")",
            ),
            ("set-motd", &[("motd", &["x"])], "Amend(Motd(Some(\"x\")))"),
            ("edit-motd", &[("motd", &["x"])], "Amend(EditMotd(\"x\"))"),
            ("set-welcome", &[("welcome", &["x"])], "Amend(Welcome(Some(\"x\")))"),
            ("edit-admin", &[("adminjids", one)], "Amend(Administrators"),
            ("restart", &[("delay", &["60"])], "End(Restart, 60000)"),
        ];
        for (node, fields, expected) in scenes {
            let mut stage = managed();
            let answer = run(&mut stage, node, fields);
            assert!(completed(node, &answer), "{node}: {answer}");
            assert_eq!(stage.host.orders.len(), 1, "{node}: {:?}", stage.host.orders);
            assert!(
                stage.host.orders[0].starts_with(expected),
                "{node}: {:?}",
                stage.host.orders
            );
        }
    }

    #[test]
    fn a_new_user_has_a_card_and_no_password_is_shown() {
        let mut stage = managed();
        let fields: Fields<'_> = &[
            ("accountjid", &["paris@capulet.example"]),
            ("password", &["s3cret"]),
            ("password-verify", &["s3cret"]),
            ("given_name", &["Count"]),
            ("surname", &["Paris &amp; Co"]),
        ];
        let answer = run(&mut stage, "add-user", fields);
        assert!(completed("add-user", &answer), "{answer}");
        assert!(!stage.host.orders[0].contains("s3cret"), "{:?}", stage.host.orders);
        let card = &stage.host.table(Table::Vcard)[0];
        assert_eq!(card.0, "paris@capulet.example");
        assert!(card.1.contains("<FN>Count Paris &amp; Co</FN>"), "{}", card.1);
    }

    #[test]
    fn what_does_not_fit_together_is_refused_before_anything_is_ordered() {
        let scenes: [Scene; 8] = [
            (
                "add-user",
                &[
                    ("accountjid", &["a@capulet.example"]),
                    ("password", &["x"]),
                    ("password-verify", &["y"]),
                ],
                "bad-payload",
            ),
            ("delete-user", &[("accountjids", &["@"])], "JidMalformed"),
            (
                "change-user-password",
                &[("accountjid", &["a@capulet.example/x"]), ("password", &["x"])],
                "BadRequest",
            ),
            (
                "edit-blacklist",
                &[("blacklistjids", &["capulet.example"])],
                "NotAllowed",
            ),
            ("edit-admin", &[("adminjids", &["a@elsewhere.example"])], "NotAllowed"),
            ("shutdown", &[("delay", &["soon"])], "bad-payload"),
            ("shutdown", &[("delay", &["999999999"])], "bad-payload"),
            ("get-online-users-list", &[("max_items", &["many"])], "bad-payload"),
        ];
        for (node, fields, expected) in scenes {
            let mut stage = managed();
            let answer = run(&mut stage, node, fields);
            assert!(
                answer.starts_with("error") && answer.contains(expected),
                "{node}: {answer}"
            );
            assert!(stage.host.orders.is_empty(), "{node}");
        }
    }

    #[test]
    fn what_cannot_be_done_for_one_of_several_is_noted() {
        let mut stage = managed();
        stage.host.reports.push_back(Ok(Report::Done));
        stage.host.reports.push_back(Err(Condition::ItemNotFound));
        let two: &[(&str, &[&str])] = &[("accountjids", &["nurse@capulet.example", "nobody@capulet.example"])];
        let answer = run(&mut stage, "delete-user", two);
        let note = "<note type=\"error\">nobody@capulet.example: there is no such account</note>";
        assert!(completed("delete-user", &answer) && answer.contains(note), "{answer}");
        stage.host.reports.push_back(Err(Condition::ItemNotFound));
        let one: &[(&str, &[&str])] = &[("accountjids", &["nobody@capulet.example"])];
        assert_eq!(run(&mut stage, "delete-user", one), "error ItemNotFound");
    }

    #[test]
    fn figures_and_lists_are_forms() {
        let mut stage = managed();
        stage.host.reports.push_back(Ok(Report::Count(79)));
        let answer = stage.ask(JULIET, SERVER, "set", &command("get-online-users-num", "", ""));
        assert!(
            answer.contains("var=\"onlineusersnum\"") && answer.contains("<value>79</value>"),
            "{answer}"
        );
        let addresses = vec![jid(JULIETS), jid("romeo@capulet.example")];
        stage.host.reports.push_back(Ok(Report::List { addresses, more: true }));
        let answer = run(&mut stage, "get-registered-users-list", &[("max_items", &["25"])]);
        assert!(
            answer.contains("<note type=\"info\">These are 2; there are others.</note>"),
            "{answer}"
        );
        assert!(
            answer.contains("<value>romeo@capulet.example</value></field>"),
            "{answer}"
        );
        let user = UserReport {
            last_login_unix_ms: Some(NOW.unix_ms),
            sessions: vec![(jid(ROMEO), [192, 0, 2, 1].into())],
            ..UserReport::default()
        };
        stage.host.reports.push_back(Ok(Report::User(Box::new(user.clone()))));
        let answer = run(&mut stage, "user-stats", &[("accountjid", &["romeo@capulet.example"])]);
        assert!(
            answer.contains("192.0.2.1") && answer.contains("<value>orchard</value>"),
            "{answer}"
        );
        stage.host.reports.push_back(Ok(Report::User(Box::new(user))));
        let answer = run(
            &mut stage,
            "get-user-lastlogin",
            &[("accountjids", &["romeo@capulet.example"])],
        );
        assert!(answer.contains("<value>2006-12-19T17:58:35.250Z</value>"), "{answer}");
    }

    #[test]
    fn forms_show_what_holds() {
        let mut stage = managed();
        let motd = Notice {
            since: 1,
            text: "one\ntwo".to_owned(),
        };
        stage.host.standing = Service {
            motd: Some(motd),
            ..Service::default()
        };
        let answer = stage.ask(JULIET, SERVER, "set", &command("edit-motd", "", ""));
        assert!(answer.contains("<value>one</value><value>two</value>"), "{answer}");
        let answer = stage.ask(JULIET, SERVER, "set", &command("delete-welcome", "", ""));
        assert_eq!(answer, "error ItemNotFound", "there is none");
    }

    #[test]
    fn everybody_is_told_before_the_end() {
        let mut stage = managed();
        let fields: Fields<'_> = &[("delay", &["30"]), ("announcement", &["Farewell"])];
        run(&mut stage, "shutdown", fields);
        assert_eq!(stage.host.orders, ["Announce(\"Farewell\")", "End(Shutdown, 30000)"]);
    }
}

mod reporting {
    use super::*;

    fn block(items: &str) -> String {
        format!("<block xmlns='urn:xmpp:blocking'>{items}</block>")
    }

    fn report(inner: &str) -> String {
        format!("<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>{inner}</report>")
    }

    fn forwarding() -> Stage {
        Stage::with(&FeatureConfig {
            reports_to: Some(jid("abuse@capulet.example")),
            ..FeatureConfig::default()
        })
    }

    #[test]
    fn a_report_blocks_and_reaches_the_address_that_was_named() {
        let mut stage = forwarding();
        let inner = "<text>Never came &lt;trouble&gt;</text><stanza-id xmlns='urn:xmpp:sid:0' by='x' id='1'/>";
        let item = format!("<item jid='tybalt@x.example'>{}</item>", report(inner));
        stage.send(JULIET, JULIETS, "set", "", &block(&item));
        assert!(
            stage.host.sent.is_empty() && stage.host.told.is_empty(),
            "the block is not durable yet"
        );
        stage.host.settle();
        assert_eq!((stage.host.told.len(), stage.host.sent.len()), (1, 1));
        let letter = stage.host.told.remove(0);
        assert_eq!(show(&stage.host.sent.remove(0)), "result");
        assert_eq!(letter.kind, Kind::Message(MessageKind::Normal));
        assert_eq!(
            (letter.from.as_str(), letter.to.as_str()),
            (SERVER, "abuse@capulet.example")
        );
        let body = String::from_utf8(letter.content.body.to_vec()).expect("UTF-8");
        assert!(
            body.contains("juliet@capulet.example has reported tybalt@x.example: urn:xmpp:reporting:spam"),
            "{body}"
        );
        assert!(
            body.contains("Never came &lt;trouble&gt;") && body.contains("<stanza-id"),
            "{body}"
        );
        assert!(!body.contains("balcony"), "{body}");
    }

    #[test]
    fn without_an_address_a_report_is_sent_nowhere() {
        let mut stage = Stage::new();
        let item = format!("<item jid='tybalt@x.example'>{}</item>", report(""));
        assert_eq!(stage.ask(JULIET, JULIETS, "set", &block(&item)), "result");
        assert!(stage.host.told.is_empty());
    }

    #[test]
    fn a_report_without_a_reason_blocks_nobody() {
        let mut stage = forwarding();
        for bad in [
            "<report xmlns='urn:xmpp:reporting:1'/>".to_owned(),
            report("").repeat(2),
        ] {
            let item = format!("<item jid='tybalt@x.example'>{bad}</item>");
            assert_eq!(stage.ask(JULIET, JULIETS, "set", &block(&item)), "error BadRequest");
        }
        let empty = stage.ask(JULIET, JULIETS, "get", "<blocklist xmlns='urn:xmpp:blocking'/>");
        assert_eq!(empty, "result <blocklist xmlns=\"urn:xmpp:blocking\"/>");
    }

    #[test]
    fn reports_of_one_user_are_few_and_short() {
        let mut stage = forwarding();
        let long = report(&format!("<text>{}</text>", "\u{e9}".repeat(TEXT_BYTES_MAX)));
        for number in 0..REPORTS_PER_USER_MAX + 2 {
            let item = format!("<item jid='{number}@x.example'>{long}</item>");
            stage.send(JULIET, JULIETS, "set", "", &block(&item));
            stage.host.settle();
        }
        let letters = stage
            .host
            .told
            .iter()
            .filter(|sent| sent.to.as_str() == "abuse@capulet.example");
        assert_eq!(letters.clone().count(), REPORTS_PER_USER_MAX);
        assert!(
            letters
                .into_iter()
                .all(|letter| letter.content.body.len() < 3 * TEXT_BYTES_MAX)
        );
    }
}

mod relays {
    use super::*;

    fn stage(secret: &[u8]) -> Stage {
        let uris = [
            "stun:relay.example",
            "turn:relay.example:3478?transport=udp",
            "turns:relay.example",
        ];
        Stage::with(&FeatureConfig {
            external: External {
                services: uris.iter().filter_map(|uri| ExternalService::parse(uri)).collect(),
                secret: secret.to_vec(),
                credentials_s: 600,
            },
            ..FeatureConfig::default()
        })
    }

    #[test]
    fn relays_are_listed_with_credentials_for_a_while() {
        let mut stage = stage(b"secret");
        let all = stage.ask(JULIET, SERVER, "get", "<services xmlns='urn:xmpp:extdisco:2'/>");
        assert_eq!(all.matches("<service ").count(), 3, "{all}");
        assert!(
            all.contains("<service type=\"stun\" host=\"relay.example\" port=\"3478\" transport=\"udp\"/>"),
            "{all}"
        );
        assert!(all.contains("restricted=\"true\" username=\"1166551715:"), "{all}");
        assert!(all.contains("expires=\"2006-12-19T18:08:35.000Z\""), "{all}");
        assert!(!all.contains("juliet"), "the relay does not learn who it is: {all}");
        let theirs = stage.ask(ROMEO, SERVER, "get", "<services xmlns='urn:xmpp:extdisco:2'/>");
        assert_ne!(all, theirs, "each user has credentials of his own");
        let some = stage.ask(
            JULIET,
            SERVER,
            "get",
            "<services xmlns='urn:xmpp:extdisco:2' type='turns'/>",
        );
        assert_eq!(some.matches("<service ").count(), 1, "{some}");
        let named =
            "<credentials xmlns='urn:xmpp:extdisco:2'><service host='relay.example' type='turn'/></credentials>";
        let one = stage.ask(JULIET, SERVER, "get", named);
        assert!(
            one.matches("<service ").count() == 1 && one.contains("password="),
            "{one}"
        );
    }

    #[test]
    fn nobody_else_gets_any() {
        let mut stage = stage(b"secret");
        let ask = "<services xmlns='urn:xmpp:extdisco:2'/>";
        assert_eq!(stage.ask("paris@x.example/1", SERVER, "get", ask), "error Forbidden");
        let unknown =
            "<credentials xmlns='urn:xmpp:extdisco:2'><service host='other.example' type='turn'/></credentials>";
        assert_eq!(stage.ask(JULIET, SERVER, "get", unknown), "error ItemNotFound");
        let half = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='relay.example'/></credentials>";
        assert_eq!(stage.ask(JULIET, SERVER, "get", half), "error BadRequest");
        let mut without = self::stage(b"");
        assert!(!without.ask(JULIET, SERVER, "get", ask).contains("password"));
        let mut none = Stage::new();
        assert_eq!(none.ask(JULIET, SERVER, "get", ask), "error ServiceUnavailable");
        assert!(!none.features.domain_features().contains(&"urn:xmpp:extdisco:2"));
    }
}

#[test]
fn where_the_state_is_published_is_a_form_beside_the_contacts() {
    let mut config = FeatureConfig::default();
    config
        .status_urls
        .push("https://status.example/capulet.json".to_owned());
    config
        .contacts
        .security
        .push("mailto:security@capulet.example".to_owned());
    let mut stage = Stage::with(&config);
    let info = stage.ask(
        JULIET,
        SERVER,
        "get",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    );
    assert!(info.contains("<value>urn:xmpp:sos:0</value>"), "{info}");
    assert!(
        info.contains("<value>https://status.example/capulet.json</value>"),
        "{info}"
    );
    assert!(info.contains("security-addresses"), "{info}");
    assert_ne!(stage.features.caps_ver(), Stage::new().features.caps_ver());
}

#[test]
fn when_somebody_was_last_here_is_known_after_he_was_forgotten() {
    let mut stage = Stage::new();
    let last = "<query xmlns='jabber:iq:last'/>";
    assert_eq!(stage.ask(JULIET, JULIETS, "get", last), "error ItemNotFound");
    let left = NOW.unix_ms - 7_000;
    let put = BookWrite::Put {
        table: Table::Setting,
        key: store::last_seen_key(&jid(JULIETS)),
        value: [1_u64.to_le_bytes(), left.to_le_bytes()].concat().into(),
    };
    stage.host.write(vec![put], Box::new(|_, _| ()));
    stage.host.settle();
    let answer = stage.ask(JULIET, JULIETS, "get", last);
    assert_eq!(answer, "result <query xmlns=\"jabber:iq:last\" seconds=\"7\"/>");
}
