//! Command lines as people and scripts write them.

use super::*;
use crate::plan::{Make, Mode, Protocol, Scenario, Security};

fn order_of(line: &str) -> Result<Order, String> {
    let words = line.split_whitespace().map(|word| word.replace('_', " "));
    let cli = Cli::try_parse_from(std::iter::once("loadgen".to_owned()).chain(words));
    cli.map_err(|error| error.to_string())?
        .order()
        .map_err(|error| error.to_string())
}

fn plan_of(line: &str) -> Plan {
    match order_of(line) {
        Ok(Order::Run(plan, _)) => *plan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_holds_together() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn the_comparison_with_other_servers_calls_it_so() {
    let line = "chat --addr 127.0.0.1:1 --domain localhost --users-prefix u --password p --concurrency 8 --tls starttls \
                --ca cert.pem --pairs 100 --window 8 --seconds 10 --core 0 --pid 7 --pid 8 --json";
    let Ok(Order::Run(plan, output)) = order_of(line) else {
        panic!()
    };
    assert!(output.json && !output.quiet);
    assert_eq!(
        (plan.users.count, plan.load.duration_s, plan.load.cores.as_slice()),
        (200, 10.0, &[0][..])
    );
    assert_eq!(
        (plan.watch.server_pids.as_slice(), plan.load.concurrency),
        (&[7, 8][..], 8)
    );
    assert_eq!(plan.target.security, Security::StartTls);
    assert!(matches!(&plan.scenario, Scenario::Chat(chat) if chat.mode == Mode::Closed { window: 8 }));
    let plan = plan_of("floor --addr 127.0.0.1:1 --pairs 3 --window 1 --seconds 1 --warmup 0");
    assert_eq!((plan.users.count, plan.load.warmup_s), (6, 0.0));
    let plan = plan_of("offline --receivers 10 --senders 2 --messages 5 --window 9 --phase store");
    assert!(matches!(&plan.scenario, Scenario::Offline(offline) if offline.messages == 5 && offline.senders == 2));
    assert_eq!(
        (plan.users.count, plan_of("connect --count 7 --hold 1").users.count),
        (12, 7)
    );
}

#[test]
fn tls_may_stand_alone() {
    assert_eq!(plan_of("connect").target.security, Security::Plain);
    assert_eq!(plan_of("connect --tls --count 3").target.security, Security::StartTls);
    assert_eq!(plan_of("connect --tls direct").target.security, Security::DirectTls);
}

#[test]
fn another_protocol_is_spoken_at_its_own_port() {
    let plan = plan_of("chat --protocol icpp --store false");
    assert_eq!(
        (plan.target.protocol, plan.target.addresses),
        (Protocol::Icpp, vec!["127.0.0.1:5299".to_owned()])
    );
    assert!(matches!(plan.scenario, Scenario::Chat(chat) if !chat.store));
    let plan = plan_of("connect --protocol icpp --xmpp other:7");
    assert_eq!(plan.target.xmpp.as_deref(), Some("other:7"));
    let plan = plan_of("connect --protocol icpp --tls --addr host");
    assert_eq!(
        (plan.target.security, plan.target.addresses),
        (Security::DirectTls, vec!["host:5300".to_owned()])
    );
}

#[test]
fn a_rate_makes_the_chat_open_and_excludes_a_window() {
    let plan = plan_of("chat --rate 500 --arrivals even");
    assert!(
        matches!(&plan.scenario, Scenario::Chat(chat) if matches!(chat.mode, Mode::Open { rate_per_s: 500.0, .. }))
    );
    assert!(
        order_of("chat --rate 500 --window 3")
            .unwrap_err()
            .contains("cannot be used with")
    );
    let plan = plan_of("chat --find-rate p99.9<500us");
    let search = plan.search.unwrap();
    assert_eq!((search.percentile, search.max_ms), (99.9, 0.5));
}

#[test]
fn a_preset_can_be_scaled_and_changed() {
    let plan = plan_of("run p1-2m --scale 0.001 --set users.roster.size=6 --domain example.org");
    assert_eq!(
        (plan.users.count, plan.users.roster.size, plan.target.domain.as_str()),
        (2000, 6, "example.org")
    );
    assert!(order_of("run p1-2m --scale 0").unwrap_err().contains("above 0"));
}

#[test]
fn accounts_by_a_command_are_told_from_the_other_ways() {
    assert_eq!(plan_of("connect --make in-band").users.make, Make::InBand);
    let Make::Command(command) = plan_of("connect --make ejabberdctl_register_{user}").users.make else {
        panic!()
    };
    assert_eq!(command, "ejabberdctl register {user}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let said = order_of("run tsung-jaber").unwrap_err();
    assert!(said.contains("did you mean \"tsung-jabber\"?"), "{said}");
    let said = order_of("run missing/scenario.toml").unwrap_err();
    assert!(
        said.contains("cannot read the scenario missing/scenario.toml"),
        "{said}"
    );
    let said = order_of("connect --users 0").unwrap_err();
    assert!(said.starts_with("--users 0: users.count: "), "{said}");
    let said = order_of("chat --body 4").unwrap_err();
    assert!(said.contains("bodies have 16 to"), "{said}");
    let said = order_of("chat --set users").unwrap_err();
    assert!(said.contains("KEY=VALUE"), "{said}");
    let said = order_of("presence --contacts 3").unwrap_err();
    assert!(said.starts_with("--contacts 3: users.roster.size: 3 is odd"), "{said}");
}

#[test]
fn presets_are_listed_and_shown() {
    assert_eq!(order_of("presets"), Ok(Order::ListPresets));
    let list = list_presets();
    assert_eq!(list.lines().count(), presets::ALL.len());
    assert!(list.contains("rtb            ProcessOne's rtb"), "{list}");
    let Ok(Order::Show(text)) = order_of("presets show room-10k") else {
        panic!()
    };
    assert!(text.starts_with("# room-10k: "));
    let Ok(Order::Show(text)) = order_of("presets show chat --full") else {
        panic!()
    };
    assert!(text.contains("seed = 1"), "{text}");
    assert!(matches!(order_of("chat --dry-run"), Ok(Order::ShowPlan(_))));
}

#[test]
fn results_are_compared_and_made_into_pages() {
    let compare = Order::Compare {
        first: "a.json".into(),
        second: "b.json".into(),
        page: None,
    };
    assert_eq!(order_of("compare a.json b.json"), Ok(compare));
    let report = Order::Report {
        run: "run.json".into(),
        page: "report.html".into(),
    };
    assert_eq!(order_of("report run.json -o report.html"), Ok(report));
}
