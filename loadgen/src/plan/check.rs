//! What types cannot say: ranges, and what has to fit together.

use super::scenario::{Behaviour, Fanout, Mixed, Mode, Offline, RATE_PER_S_MIN, ROOMS_MAX, Scenario, StormKind};
use super::{Load, Plan, Protocol, Search, Security, Target, Users};

/// Longest time that a scenario may name, in seconds: eleven days.
const TIME_S_MAX: f64 = 1e6;
/// Highest rate.
const RATE_PER_S_MAX: f64 = 1e9;
/// Most users of a run.
const USERS_MAX: u32 = 10_000_000;
/// Most shards of a server.
const SHARDS_MAX: u32 = 1024;
/// Most processes and threads of a run.
const WORKERS_MAX: u32 = 1024;

/// What is wrong with a key.
pub(super) struct Breach {
    pub key: String,
    pub message: String,
}

type Checked = Result<(), Breach>;

pub(super) fn check(plan: &Plan) -> Checked {
    target(&plan.target)?;
    users(&plan.users)?;
    load(&plan.load)?;
    let count = plan.users.count;
    ensure("users.count", count >= plan.scenario.users_min(), || {
        let (name, least) = (plan.scenario.name(), plan.scenario.users_min());
        format!("{count} users are too few: {name} needs at least {least}")
    })?;
    ensure(
        "users.count",
        !plan.scenario.in_pairs() || count.is_multiple_of(2),
        || format!("{count} users are no pairs: the count must be even"),
    )?;
    scenario(plan)?;
    match (&plan.search, plan.scenario.clone().rate_per_s()) {
        (Some(_), None) => fail(
            "search",
            "this scenario has no rate to search for; chat needs mode = { open = ... }",
        ),
        (Some(search), _) => check_search(search),
        (None, _) => Ok(()),
    }
}

fn target(target: &Target) -> Checked {
    let addresses = target.addresses.iter().map(|address| ("target.addresses", address));
    for (key, address) in addresses.chain(target.xmpp.iter().map(|address| ("target.xmpp", address))) {
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        ensure(key, matches!(port, Some(Ok(_))), || {
            format!("{address:?} is no HOST:PORT")
        })?;
    }
    target
        .source_addrs()
        .map(drop)
        .map_err(|message| breach("target.sources", message))?;
    plain_text("target.domain", &target.domain)?;
    plain_text("target.resource", &target.resource)?;
    plain_text("target.rooms_domain", &target.rooms())
}

fn users(users: &Users) -> Checked {
    plain_text("users.prefix", &users.prefix)?;
    ensure("users.password", !users.password.is_empty(), || {
        "a password is needed".into()
    })?;
    ensure("users.count", (1..=USERS_MAX).contains(&users.count), || {
        format!("between 1 and {USERS_MAX}")
    })?;
    let last = users.first.checked_add(users.count);
    ensure("users.first", last.is_some(), || {
        "the last user's number is too large".into()
    })?;
    let roster = &users.roster;
    ensure("users.roster.size", roster.size.is_multiple_of(2), || {
        format!(
            "{} is odd: half of the contacts stand before a user, half after him",
            roster.size
        )
    })?;
    ensure("users.roster.size", roster.size < users.count, || {
        format!("{} contacts need more than {} users", roster.size, users.count)
    })
}

fn load(load: &Load) -> Checked {
    ensure("load.threads", load.threads <= WORKERS_MAX, || {
        format!("at most {WORKERS_MAX}")
    })?;
    ensure("load.processes", (1..=WORKERS_MAX).contains(&load.processes), || {
        format!("between 1 and {WORKERS_MAX}")
    })?;
    ensure("load.concurrency", load.concurrency > 0, || "at least 1".into())?;
    rate("load.logins_per_s", load.logins_per_s, 0.0)?;
    time("load.warmup_s", load.warmup_s, 0.0)?;
    time("load.duration_s", load.duration_s, 0.001)?;
    time("load.drain_s", load.drain_s, 0.0)
}

fn scenario(plan: &Plan) -> Checked {
    let key = |name: &str| format!("scenario.{}.{name}", plan.scenario.name());
    match &plan.scenario {
        Scenario::Connect(connect) => time(&key("hold_s"), connect.hold_s, 0.0),
        Scenario::Chat(chat) => {
            ensure(
                &key("store"),
                chat.store || plan.target.protocol == Protocol::Icpp,
                || "only ICPP can say that a message is not to be kept: set target.protocol, too".into(),
            )?;
            if let Some(crossing) = chat.crossing {
                ensure(
                    &key("crossing.shards"),
                    (1..=SHARDS_MAX).contains(&crossing.shards),
                    || format!("between 1 and {SHARDS_MAX}"),
                )?;
                share(&key("crossing.share"), crossing.share)?;
            }
            match chat.mode {
                Mode::Closed { window } => at_least_one(&key("mode.closed.window"), window),
                Mode::Open { rate_per_s, .. } => rate(&key("mode.open.rate_per_s"), rate_per_s, RATE_PER_S_MIN),
            }
        }
        Scenario::Presence(presence) => {
            rate(&key("rate_per_s"), presence.rate_per_s, RATE_PER_S_MIN)?;
            ensure("users.roster.size", plan.users.roster.size > 0, || {
                "nobody hears of a presence without contacts".into()
            })
        }
        Scenario::Fanout(rooms) => fanout(rooms, plan.users.count),
        Scenario::Offline(absent) => offline(absent),
        Scenario::Mixed(people) => mixed(people),
        Scenario::Flood(flood) => at_least_one(&key("batch"), flood.batch),
        Scenario::Slow(slow) => {
            rate(&key("rate_per_s"), slow.rate_per_s, RATE_PER_S_MIN)?;
            share(&key("stalled"), slow.stalled)?;
            time(&key("stall_s"), slow.stall_s, 0.001)?;
            time(&key("read_s"), slow.read_s, 0.0)
        }
        Scenario::Storm(storm) => {
            rate(&key("return_per_s"), storm.return_per_s, 0.0)?;
            time(&key("away_s"), storm.away_s, 0.0)?;
            ensure(
                &key("messages"),
                storm.messages == 0 || storm.kind == StormKind::Resume,
                || "messages on the way survive a resumption only: set kind = \"resume\"".into(),
            )?;
            at_least_one(&key("rounds"), storm.rounds)
        }
        Scenario::Floor(floor) => {
            ensure("target.security", plan.target.security == Security::Plain, || {
                "a relay knows no TLS: what floor measures is plain".into()
            })?;
            at_least_one(&key("window"), floor.window)
        }
    }
}

fn fanout(fanout: &Fanout, users: u32) -> Checked {
    ensure("scenario.fanout.rooms", (1..=ROOMS_MAX).contains(&fanout.rooms), || {
        format!("between 1 and {ROOMS_MAX}")
    })?;
    ensure(
        "scenario.fanout.occupants",
        (2..=users).contains(&fanout.occupants),
        || format!("between 2 and the {users} users"),
    )?;
    ensure(
        "scenario.fanout.occupants_min",
        (1..=fanout.occupants).contains(&fanout.occupants_min),
        || format!("between 1 and the {} occupants of the largest room", fanout.occupants),
    )?;
    ensure("scenario.fanout.skew", (0.0..=10.0).contains(&fanout.skew), || {
        "between 0 and 10".into()
    })?;
    at_least_one("scenario.fanout.join.concurrency", fanout.join.concurrency)?;
    rate("scenario.fanout.join.per_s", fanout.join.per_s, 0.0)?;
    rate("scenario.fanout.rate_per_s", fanout.rate_per_s, RATE_PER_S_MIN)
}

fn offline(offline: &Offline) -> Checked {
    at_least_one("scenario.offline.senders", offline.senders)?;
    at_least_one("scenario.offline.messages", offline.messages)?;
    at_least_one("scenario.offline.window", offline.window)
}

fn mixed(mixed: &Mixed) -> Checked {
    ensure(
        "scenario.mixed.speed",
        mixed.speed.is_finite() && mixed.speed > 0.0,
        || "above 0".into(),
    )?;
    ensure("scenario.mixed.behaviours", !mixed.behaviours.is_empty(), || {
        "at least one".into()
    })?;
    for (place, behaviour) in mixed.behaviours.iter().enumerate() {
        check_behaviour(place, behaviour)?;
    }
    let weight: f64 = mixed.behaviours.iter().map(|behaviour| behaviour.weight).sum();
    ensure("scenario.mixed.behaviours", weight > 0.0, || {
        "one needs a weight above 0".into()
    })
}

fn check_behaviour(place: usize, behaviour: &Behaviour) -> Checked {
    let key = |name: &str| format!("scenario.mixed.behaviours.{place}.{name}");
    let times = [
        ("message_every_s", behaviour.message_every_s),
        ("offline_message_every_s", behaviour.offline_message_every_s),
        ("typing_s", behaviour.typing_s),
        ("presence_every_s", behaviour.presence_every_s),
        ("resume_every_s", behaviour.resume_every_s),
        ("logout_every_s", behaviour.logout_every_s),
        ("away_s", behaviour.away_s),
        ("sleep_every_s", behaviour.sleep_every_s),
        ("sleep_s", behaviour.sleep_s),
    ];
    for (name, value) in times {
        time(&key(name), value, 0.0)?;
    }
    let weight = behaviour.weight;
    ensure(&key("weight"), weight.is_finite() && weight >= 0.0, || {
        "0 or more".into()
    })?;
    at_least_one(&key("burst"), behaviour.burst)?;
    share(&key("absent"), behaviour.absent)?;
    ensure(
        &key("offline_message_every_s"),
        behaviour.offline_message_every_s == 0.0 || behaviour.absent > 0.0,
        || "nobody is offline: set `absent`, too".into(),
    )
}

fn check_search(search: &Search) -> Checked {
    ensure("search.percentile", (0.0..=100.0).contains(&search.percentile), || {
        "between 0 and 100".into()
    })?;
    time("search.max_ms", search.max_ms, 1e-6)?;
    time("search.step_s", search.step_s, 0.001)?;
    rate("search.from_per_s", search.from_per_s, RATE_PER_S_MIN)?;
    rate("search.most_per_s", search.most_per_s, search.from_per_s)?;
    ensure("search.precision", (0.001..1.0).contains(&search.precision), || {
        "a share, between 0.001 and 1".into()
    })?;
    at_least_one("search.steps_max", search.steps_max)
}

fn at_least_one(key: &str, value: u32) -> Checked {
    ensure(key, value > 0, || "at least 1".into())
}

fn time(key: &str, seconds: f64, least: f64) -> Checked {
    ensure(key, (least..=TIME_S_MAX).contains(&seconds), || {
        format!("{seconds} is not between {least} and {TIME_S_MAX}")
    })
}

fn rate(key: &str, per_s: f64, least: f64) -> Checked {
    ensure(key, (least..=RATE_PER_S_MAX).contains(&per_s), || {
        format!("{per_s} is not between {least} and {RATE_PER_S_MAX}")
    })
}

fn share(key: &str, value: f64) -> Checked {
    ensure(key, (0.0..=1.0).contains(&value), || {
        format!("{value} is no share: between 0 and 1")
    })
}

/// Such text needs no escaping, whatever it is written into.
fn plain_text(key: &str, text: &str) -> Checked {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+~".contains(&byte);
    ensure(key, !text.is_empty() && text.bytes().all(allowed), || {
        format!("{text:?}: letters, digits and -._+~ only, at least one")
    })
}

fn ensure(key: &str, holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(breach(key, message())) }
}

fn fail(key: &str, message: &str) -> Checked {
    Err(breach(key, message.to_owned()))
}

fn breach(key: &str, message: String) -> Breach {
    Breach {
        key: key.to_owned(),
        message,
    }
}
