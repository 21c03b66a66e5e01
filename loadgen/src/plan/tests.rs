//! Scenario files as people write them, with their mistakes.

use super::*;

const CHAT: &str = "\
name = \"chat\"

[users]
count = 20

[scenario.chat]
mode = { closed = { window = 8 } }
body_bytes = \"16-100\"
";

fn set(text: &str) -> Override {
    Override::parse(text).unwrap()
}

fn error(text: &str, overrides: &[Override]) -> String {
    Plan::parse("my.toml", text, overrides).unwrap_err().to_string()
}

#[test]
fn a_short_file_is_enough_and_a_plan_written_out_reads_back() {
    let plan = Plan::parse("my.toml", CHAT, &[]).unwrap();
    assert_eq!((plan.users.count, plan.load.duration_s), (20, 10.0));
    let Scenario::Chat(chat) = &plan.scenario else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (chat.mode, chat.body_bytes.least, chat.body_bytes.most),
        (Mode::Closed { window: 8 }, 16, 100)
    );
    assert_eq!(Plan::parse("again", &plan.to_toml(), &[]).unwrap(), plan);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let said = error(&CHAT.replace("count", "cuont"), &[]);
    assert!(said.starts_with("my.toml:4: "), "{said}");
    assert!(said.contains("cuont") && said.contains("expected one of"), "{said}");
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_key_and_line() {
    let said = error(&CHAT.replace("count = 20", "count = \"many\""), &[]);
    assert!(said.starts_with("my.toml:4: users.count: "), "{said}");
    let said = error(&CHAT.replace("window = 8", "window = -8"), &[]);
    assert!(
        said.starts_with("my.toml:7: scenario.chat.mode.closed.window: "),
        "{said}"
    );
}

#[test]
fn a_value_out_of_range_is_named_with_key_and_line() {
    let said = error(&CHAT.replace("count = 20", "count = 21"), &[]);
    assert_eq!(
        said,
        "my.toml:4: users.count: 21 users are no pairs: the count must be even"
    );
    let said = error(&CHAT.replace("\"16-100\"", "7"), &[]);
    assert!(
        said.starts_with("my.toml:8: scenario.chat.body_bytes: bodies have 16 to"),
        "{said}"
    );
}

#[test]
fn a_scenario_that_does_not_exist_is_answered_by_those_that_do() {
    let said = error("name = \"x\"\n[scenario.chatter]\n", &[]);
    assert!(said.starts_with("my.toml:2: ") && said.contains("`presence`"), "{said}");
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    let said = error("name = \"x\"\nthis is not\n", &[]);
    assert!(said.starts_with("my.toml:2: "), "{said}");
}

#[test]
fn overrides_win_and_are_blamed() {
    let plan = Plan::parse("my.toml", CHAT, &[set("users.count=40"), set("name=other")]).unwrap();
    assert_eq!((plan.users.count, plan.name.as_str()), (40, "other"));
    let said = error(CHAT, &[set("users.count=41")]);
    assert!(said.starts_with("--set users.count=41: users.count: "), "{said}");
    let said = error(CHAT, &[Override::new("users.count", "x", "--users")]);
    assert!(said.starts_with("--users x: users.count: "), "{said}");
    let said = error(CHAT, &[set("users.cuont=4")]);
    assert!(
        said.starts_with("--set users.cuont=4: ") && said.contains("unknown field `cuont`"),
        "{said}"
    );
}

#[test]
fn a_fault_of_the_file_is_not_blamed_on_a_flag() {
    let said = error(&CHAT.replace("count", "cuont"), &[set("load.duration_s=1")]);
    assert!(said.starts_with("my.toml:4: "), "{said}");
}

#[test]
fn setting_another_kind_replaces_the_kind() {
    let plan = Plan::parse("my.toml", CHAT, &[set("scenario.chat.mode.open.rate_per_s=500")]).unwrap();
    let Scenario::Chat(chat) = &plan.scenario else {
        panic!("{plan:?}")
    };
    assert!(matches!(chat.mode, Mode::Open { rate_per_s: 500.0, .. }));
    let plan = Plan::parse(
        "my.toml",
        CHAT,
        &[
            set("users.make.command=adduser {user}"),
            set("scenario.connect.hold_s=1"),
        ],
    );
    let plan = plan.unwrap();
    assert_eq!(plan.users.make, Make::Command("adduser {user}".into()));
    assert_eq!(plan.scenario.name(), "connect");
}

#[test]
fn a_search_needs_a_rate() {
    let said = error(&format!("{CHAT}[search]\nmax_ms = 5.0\n"), &[]);
    assert!(
        said.starts_with("my.toml:9: search: this scenario has no rate"),
        "{said}"
    );
}

#[test]
fn rosters_are_symmetric_and_name_nobody_twice() {
    for (size, count) in [(0, 5), (2, 3), (4, 5), (20, 7), (18, 1000)] {
        let roster = users::Roster {
            size,
            ..users::Roster::default()
        };
        for place in 0..count {
            let contacts: Vec<u32> = roster.contacts(place, count).collect();
            assert_eq!(contacts.len(), 2 * (size as usize / 2).min((count as usize - 1) / 2));
            assert!(!contacts.contains(&place));
            let mut once = contacts.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), contacts.len());
            for contact in contacts {
                assert!(roster.contacts(contact, count).any(|back| back == place));
            }
        }
    }
}

#[test]
fn source_addresses_are_spread_out() {
    let target = Target {
        sources: vec!["127.0.0.2-127.0.0.4".into(), "::1".into()],
        ..Target::default()
    };
    let found: Vec<String> = target.source_addrs().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"]);
}

#[test]
fn a_scaled_plan_keeps_what_a_scenario_needs() {
    let plan = Plan::parse("my.toml", CHAT, &[]).unwrap().scaled(0.01).unwrap();
    assert_eq!(plan.users.count, 2);
    let odd = Plan::parse("my.toml", CHAT, &[]).unwrap().scaled(0.55).unwrap();
    assert_eq!(odd.users.count, 12, "pairs stay pairs");
}

#[test]
fn ports_and_tls_follow_from_the_protocol() {
    let addresses = |extra: &str| {
        let plan = Plan::parse("my.toml", &format!("{CHAT}[target]\n{extra}\n"), &[]).unwrap();
        assert_eq!(Plan::parse("again", &plan.to_toml(), &[]).unwrap(), plan);
        (plan.target.addresses.join(" "), plan.target.security)
    };
    let at = |addresses: &str, security| (addresses.to_owned(), security);
    assert_eq!(addresses(""), at("127.0.0.1:5222", Security::Plain));
    let icpp = "protocol = 'icpp'";
    assert_eq!(addresses(icpp), at("127.0.0.1:5299", Security::Plain));
    let named = format!("{icpp}\naddresses = ['one', 'two:7']");
    assert_eq!(addresses(&named), at("one:5299 two:7", Security::Plain));
    for form in ["starttls", "direct-tls"] {
        let encrypted = format!("{icpp}\nsecurity = '{form}'");
        assert_eq!(addresses(&encrypted), at("127.0.0.1:5300", Security::DirectTls));
    }
}

#[test]
fn over_icpp_accounts_are_made_where_the_same_server_speaks_xmpp() {
    let over = |extra: &str| {
        let text = format!("{CHAT}[target]\nprotocol = 'icpp'\naddresses = ['host:7']\n{extra}\n");
        let target = Plan::parse("my.toml", &text, &[]).unwrap().target.over_xmpp();
        assert_eq!(target.protocol, Protocol::Xmpp);
        (target.addresses.join(" "), target.security)
    };
    assert_eq!(over(""), ("host:5222".to_owned(), Security::Plain));
    assert_eq!(over("security = 'direct-tls'").1, Security::StartTls);
    assert_eq!(over("xmpp = 'other:8'").0, "other:8");
    let said = error(CHAT, &[set("target.xmpp=other")]);
    assert!(said.contains("target.xmpp: \"other\" is no HOST:PORT"), "{said}");
}

#[test]
fn every_preset_can_be_had_over_icpp_and_a_relay_alone_has_no_tls() {
    for preset in presets::ALL {
        let over = |more: &str| Plan::parse(preset.name, preset.text, &[set("target.protocol=icpp"), set(more)]);
        let plan = over("name=x").unwrap();
        assert_eq!(plan.target.protocol, Protocol::Icpp, "{}", preset.name);
        let encrypted = over("target.security=starttls");
        match plan.scenario {
            Scenario::Floor(_) => assert!(encrypted.unwrap_err().to_string().contains("a relay knows no TLS")),
            _ => assert_eq!(
                encrypted.unwrap().target.security,
                Security::DirectTls,
                "{}",
                preset.name
            ),
        }
    }
}

#[test]
fn pairs_cross_shards_by_a_share() {
    let crossing = |shards: &str, share: &str| {
        let all = [
            set(&format!("scenario.chat.crossing.shards={shards}")),
            set(&format!("scenario.chat.crossing.share={share}")),
        ];
        Plan::parse("my.toml", CHAT, &all).map_err(|error| error.to_string())
    };
    let plan = crossing("2", "0.5").unwrap();
    assert_eq!(Plan::parse("again", &plan.to_toml(), &[]).unwrap(), plan);
    assert!(
        crossing("0", "0.5")
            .unwrap_err()
            .contains("scenario.chat.crossing.shards: between 1")
    );
    assert!(
        crossing("2", "1.5")
            .unwrap_err()
            .contains("scenario.chat.crossing.share: 1.5 is no share")
    );
}

#[test]
fn only_icpp_can_say_that_a_message_is_not_to_be_kept() {
    let said = error(CHAT, &[set("scenario.chat.store=false")]);
    assert!(said.contains("scenario.chat.store: only ICPP"), "{said}");
    Plan::parse(
        "my.toml",
        CHAT,
        &[set("scenario.chat.store=false"), set("target.protocol=icpp")],
    )
    .unwrap();
}
