//! The layers' precedence, and that each wrong setting is named with its key and its place.

use std::path::PathBuf;

use super::check::{POSITIVE, check};
use super::layers::{FlagSetting, Origin, Sources, leaves, load, variable};
use super::{Archive, Config, TlsMode};

const EXAMPLE: &str = include_str!("../../../../crosspoint.example.toml");

fn file(text: &str) -> Sources {
    Sources {
        file: Some((PathBuf::from("x.toml"), text.to_owned())),
        ..Sources::default()
    }
}

fn flag(key: &str, value: &str) -> FlagSetting {
    FlagSetting {
        flag: format!("--{key}"),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn wrong(text: &str) -> String {
    match load(&file(text)) {
        Err(wrong) => wrong.to_string(),
        Ok(loaded) => check(&loaded)
            .first()
            .map(ToString::to_string)
            .unwrap_or_else(|| panic!("accepted: {text}")),
    }
}

/// All of its clients come over trunks.
#[test]
fn a_back_end_needs_no_other_listeners_than_those_for_trunks() {
    let nowhere =
        "[xmpp]\nlisten = []\nlisten_tls = []\n[icpp]\ncluster_key = \"Cargo.toml\"\nlisten = []\nlisten_tls = []\n";
    for (role, listen, good) in [
        ("backend", "trunk_listen = [\"127.0.0.1:5298\"]", true),
        ("backend", "trunk_listen_tls = [\"192.0.2.1:5297\"]", true),
        ("backend", "", false),
        ("all", "trunk_listen = [\"127.0.0.1:5298\"]", false),
    ] {
        let text = format!("role = \"{role}\"\n{nowhere}{listen}");
        let wrongs = check(&load(&file(&text)).unwrap());
        assert_eq!(wrongs.is_empty(), good, "{role} {listen}: {wrongs:?}");
    }
}

/// In the role, with a cluster's key; `edge` begins in line 5.
fn front_end(edge: &str) -> String {
    format!("role = \"frontend\"\n[icpp]\ncluster_key = \"Cargo.toml\"\n[edge]\n{edge}")
}

/// The archive is on as it comes; what is configured is what the log is told.
#[test]
fn how_long_and_how_much_is_archived_reaches_the_log() {
    let shipped = Archive::default().options().expect("on");
    assert_eq!((shipped.age_ms, shipped.bytes), (90 * 86_400_000, 16 << 30));
    let set: Archive = toml::from_str("days = 7\ngib = 2").unwrap();
    let options = set.options().expect("on");
    assert_eq!((options.age_ms, options.bytes), (7 * 86_400_000, 2 << 30));
    let off: Archive = toml::from_str("enabled = false").unwrap();
    assert!(off.options().is_none());
}

#[test]
fn the_example_is_the_defaults() {
    let loaded = load(&file(EXAMPLE)).expect("the shipped example parses");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(check(&loaded), []);
}

#[test]
fn the_example_names_every_key_and_explains_it() {
    let loaded = load(&file(EXAMPLE)).unwrap();
    let lines: Vec<_> = EXAMPLE.lines().collect();
    for key in leaves(&Config::default()).keys() {
        let Origin::File { line, .. } = loaded.origin(key) else {
            panic!("the example does not set {key}")
        };
        let above = lines[..line - 1].iter().rev().take_while(|line| !line.is_empty());
        assert!(
            above.into_iter().any(|line| line.starts_with('#')),
            "no comment above {key}, line {line}"
        );
    }
}

#[test]
fn later_layers_win() {
    let mut sources = file("domain = \"file\"\nshards = 2\n[xmpp]\ntls = \"optional\"\n");
    let config = load(&sources).unwrap().config;
    assert_eq!(
        (config.domain.as_str(), config.shards, config.xmpp.tls),
        ("file", 2, TlsMode::Optional)
    );
    assert_eq!(
        config.accounts,
        Config::default().accounts,
        "what the file is silent about stays the default"
    );

    sources.environment = vec![
        ("CROSSPOINT_DOMAIN".into(), "environment".into()),
        ("CROSSPOINT_XMPP_TLS".into(), "off".into()),
    ];
    let config = load(&sources).unwrap().config;
    assert_eq!(
        (config.domain.as_str(), config.shards, config.xmpp.tls),
        ("environment", 2, TlsMode::Off)
    );

    sources.flags = vec![flag("domain", "flag"), flag("xmpp.listen", "127.0.0.1:1,[::1]:2")];
    let loaded = load(&sources).unwrap();
    assert_eq!(
        (loaded.config.domain.as_str(), loaded.config.xmpp.tls),
        ("flag", TlsMode::Off)
    );
    assert_eq!(loaded.config.xmpp.listen.len(), 2);
    assert_eq!(loaded.origin("domain"), Origin::Flag("--domain".into()));
    assert_eq!(
        loaded.origin("xmpp.tls"),
        Origin::Environment("CROSSPOINT_XMPP_TLS".into())
    );
    assert_eq!(
        loaded.origin("shards"),
        Origin::File {
            path: "x.toml".into(),
            line: 2
        }
    );
    assert_eq!(loaded.origin("pin"), Origin::Default);
}

#[test]
fn off_empties_a_list() {
    let sources = Sources {
        flags: vec![flag("admin.listen", "off")],
        ..Sources::default()
    };
    assert!(load(&sources).unwrap().config.admin.listen.is_empty());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = wrong("domain = \"d\"\n\n[xmpp]\nlisten = []\nlisten_ssl = []\n");
    assert!(
        text.starts_with("x.toml:5: xmpp.listen_ssl: unknown field `listen_ssl`"),
        "{text}"
    );
}

#[test]
fn an_unknown_table_is_named_with_its_line() {
    let text = wrong("domain = \"d\"\n[xmmp]\ntls = \"off\"\n");
    assert!(text.starts_with("x.toml:2: xmmp"), "{text}");
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_line() {
    let text = wrong("domain = \"d\"\n[limits]\nqueue_records = \"many\"\n");
    assert!(
        text.starts_with("x.toml:3: limits.queue_records: invalid type"),
        "{text}"
    );
    let text = wrong("[xmpp]\ntls = \"sometimes\"\n");
    assert!(
        text.starts_with("x.toml:2: xmpp.tls: unknown variant `sometimes`"),
        "{text}"
    );
    let text = wrong("[xmpp]\nlisten = [\n  \"127.0.0.1:5222\",\n  \"localhost\",\n]\n");
    assert!(
        text.starts_with("x.toml:4: xmpp.listen: invalid socket address"),
        "{text}"
    );
}

#[test]
fn a_text_that_is_no_toml_is_named_with_its_line() {
    let text = wrong("domain = \"d\"\nshards = \n");
    assert!(text.starts_with("x.toml:2: "), "{text}");
}

#[test]
fn a_wrong_variable_and_a_wrong_flag_are_named() {
    let environment = vec![("CROSSPOINT_SHARDS".to_owned(), "two".to_owned())];
    let error = load(&Sources {
        environment,
        ..Sources::default()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment, CROSSPOINT_SHARDS: shards: `two` is not a whole number"
    );
    let error = load(&Sources {
        flags: vec![flag("xmpp.tls", "maybe")],
        ..Sources::default()
    })
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("command line, --xmpp.tls: xmpp.tls: unknown variant `maybe`"),
        "{error}"
    );
    let error = load(&Sources {
        flags: vec![flag("xmpp.port", "1")],
        ..Sources::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("there is no key `xmpp.port`"), "{error}");
}

#[test]
fn strange_variables_are_reported_but_do_no_harm() {
    let environment = vec![
        ("CROSSPOINT_PORT_5222_TCP".to_owned(), "tcp://10.0.0.1:5222".to_owned()),
        ("CROSSPOINT_CONFIG".to_owned(), "x.toml".to_owned()),
    ];
    let loaded = load(&Sources {
        environment,
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(loaded.strangers, ["CROSSPOINT_PORT_5222_TCP"]);
}

#[test]
fn the_defaults_are_those_of_the_parts() {
    let limits = Config::default().limits;
    assert_eq!(limits.limits(), crosspoint_engine::limits::Limits::DEFAULT);
    assert_eq!(limits.xmpp_limits(), crosspoint_xmpp::limits::Limits::DEFAULT);
    assert_eq!(limits.login_rates(), crosspoint_engine::guard::LoginRates::default());
}

#[test]
fn zero_is_refused_where_it_would_let_nobody_in() {
    let known = leaves(&Config::default());
    for key in POSITIVE {
        assert!(
            known.get(*key).is_some_and(toml::Value::is_integer),
            "{key} is a number"
        );
        let (table, name) = key.split_once('.').unwrap();
        let said = wrong(&format!("[{table}]\n{name} = 0\n"));
        assert!(
            said.starts_with(&format!("x.toml:2: {key}: 0 would let nobody in")),
            "{said}"
        );
    }
}

#[test]
fn every_key_has_a_variable_of_its_own() {
    let keys = leaves(&Config::default());
    let mut variables: Vec<_> = keys.keys().map(|key| variable(key)).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), keys.len());
    assert!(keys.len() > 20, "the structs serialise: {}", keys.len());
}

#[test]
fn talking_in_the_clear_is_for_loopback_or_behind_a_proxy() {
    let open = "[xmpp]\nlisten = [\"0.0.0.0:5222\"]\ntls = \"off\"\n";
    let text = wrong(open);
    assert!(
        text.starts_with("x.toml:3: xmpp.tls: ") && text.contains("0.0.0.0:5222"),
        "{text}"
    );
    assert_eq!(
        check(&load(&file(&format!("{open}tls_terminated_by_proxy = true\n"))).unwrap()),
        []
    );
    assert_eq!(
        check(&load(&file("[xmpp]\nlisten = [\"[::1]:5222\"]\ntls = \"off\"\n")).unwrap()),
        []
    );
}

#[test]
fn the_admin_port_stays_on_loopback_unless_allowed() {
    let text = wrong("[admin]\nlisten = [\"192.0.2.1:80\"]\n");
    assert!(
        text.starts_with("x.toml:2: admin.listen: 192.0.2.1:80 is not loopback"),
        "{text}"
    );
    assert_eq!(
        check(&load(&file("[admin]\nlisten = [\"192.0.2.1:80\"]\nallow_remote = true\n")).unwrap()),
        []
    );
}

#[test]
fn settings_that_cannot_work_are_named() {
    let cases = [
        ("domain = \"a@b\"", "x.toml:1: domain: "),
        ("domain = \"\"", "x.toml:1: domain: "),
        ("shards = 100000", "x.toml:1: shards: "),
        (
            "[accounts]\nscram_iterations = 1",
            "x.toml:2: accounts.scram_iterations: ",
        ),
        (
            "[xmpp]\nlisten = []\nlisten_tls = []\n[icpp]\nlisten = []\nlisten_tls = []",
            "x.toml:2: xmpp.listen: ",
        ),
        (
            "[xmpp]\nlisten = [\"127.0.0.1:1\"]\nlisten_tls = [\"127.0.0.1:1\"]",
            "x.toml:3: xmpp.listen_tls: 127.0.0.1:1 is taken",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/cert.pem\"\nkey = \"/nowhere/key.pem\"",
            "x.toml:2: tls.certificate: cannot read",
        ),
        ("[tls]\ncertificate = \"/nowhere/cert.pem\"", "default: tls.key: "),
        (
            "[limits]\noutbox_soft_bytes = 999999999",
            "x.toml:2: limits.outbox_soft_bytes: ",
        ),
        ("[limits]\nstanza_bytes = 1", "x.toml:2: limits.stanza_bytes: "),
        (
            "[limits]\nwrong_passwords_per_account = 0",
            "x.toml:2: limits.wrong_passwords_per_account: ",
        ),
        (
            "[accounts]\nregistrations_per_hour = 0",
            "x.toml:2: accounts.registrations_per_hour: ",
        ),
        ("[xmpp]\nredirect_always = true", "x.toml:2: xmpp.redirect_always: "),
        (
            "[limits]\nsessions_per_user = 0",
            "x.toml:2: limits.sessions_per_user: ",
        ),
        ("[log]\nfilter = \"a=b=c\"", "x.toml:2: log.filter: "),
        ("role = \"backend\"", "default: icpp.trunk_listen: no front-end"),
        ("role = \"frontend\"", "default: icpp.cluster_key: trunks need"),
        (
            "role = \"frontend\"\n[icpp]\ncluster_key = \"Cargo.toml\"\n[edge]\nback_ends = [\"here\"]",
            "x.toml:5: edge.back_ends: `here`",
        ),
        (
            &front_end("back_ends = [\"192.0.2.1:5298\"]"),
            "x.toml:5: edge.back_ends: 192.0.2.1:5298 is not loopback",
        ),
        (
            &front_end("back_ends = [\"0-2047 127.0.0.1:1\", \"2049-4095 127.0.0.1:2\"]"),
            "x.toml:5: edge.back_ends: accounts of slot 2048 live nowhere",
        ),
        (
            &front_end("back_ends = [\"0-2047 127.0.0.1:1\", \"2047-4095 127.0.0.1:2\"]"),
            "x.toml:5: edge.back_ends: accounts of slot 2047 live at two",
        ),
        (
            &front_end("back_ends = [\"127.0.0.1:1\"]\ntrunk_pins = [\"49:E2\"]"),
            "x.toml:6: edge.trunk_pins: `49:E2`",
        ),
        (
            &front_end("back_ends = [\"127.0.0.1:1\"]\ntrunk_ca = \"Cargo.toml\""),
            "x.toml:6: edge.trunk_ca: Cargo.toml: no certificate in it",
        ),
        (
            "[edge]\nhomes = [\"0-4095 elsewhere\"]",
            "x.toml:2: edge.homes: where elsewhere is reached",
        ),
        (
            "[icpp]\ntrunk_listen = [\"192.0.2.1:5298\"]\ncluster_key = \"Cargo.toml\"",
            "x.toml:2: icpp.trunk_listen: 192.0.2.1:5298 is not loopback",
        ),
        (
            "[edge]\nhomes = [\"0-2047 fe1\", \"2048-4096 fe2\"]",
            "x.toml:2: edge.homes: `2048-4096 fe2`",
        ),
        ("[balance]\nleave_permille = 300", "default: balance.enter_permille: "),
        (
            "[components]\nlisten = [\"192.0.2.1:5347\"]",
            "x.toml:2: components.listen: 192.0.2.1:5347 is not loopback",
        ),
        (
            "[[components.component]]\nname = \"irc.localhost\"",
            "x.toml:1: components.component: irc.localhost: name exactly one of secret",
        ),
        (
            "[[components.component]]\nname = \"localhost\"\nsecret = \"s\"",
            "x.toml:1: components.component: localhost is taken",
        ),
        (
            "[[components.component]]\nname = \"a@b\"\nsecret = \"s\"",
            "x.toml:1: components.component: `a@b` is an address",
        ),
        ("[drain]\ndeadline_s = 100000", "x.toml:2: drain.deadline_s: "),
    ];
    for (text, start) in cases {
        let said = wrong(text);
        assert!(said.starts_with(start), "{text:?} gave {said:?}");
    }
}

#[test]
fn rooms_beside_the_accounts_or_without_a_way_in_are_refused() {
    let text = wrong("domain = \"d\"\n[rooms]\ndomain = \"d\"\n");
    assert!(
        text.starts_with("x.toml:3: rooms.domain: rooms need a domain of their own"),
        "{text}"
    );
    let text = wrong("domain = \"d\"\n[[rooms.system]]\naddress = \"\"\n");
    assert!(text.contains("rooms.system: an address is none"), "{text}");
    let text = wrong("domain = \"d\"\n[[rooms.system]]\naddress = \"den\"\nmembers_only = true\n");
    assert!(text.contains("nobody could ever enter `den`"), "{text}");
}
