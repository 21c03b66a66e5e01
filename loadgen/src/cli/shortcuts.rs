//! One subcommand for each scenario, with flags for what is changed most: `chat --pairs 10 --rate 5000`.
//!
//! Invariant: a shortcut is the preset of its name and some overrides, nothing else.

use clap::{Args, Subcommand};

use super::flags::{Changes, Flags};
use crate::plan::{Arrivals, BodyBytes, Override, Phase, To};

#[derive(Debug, Subcommand)]
pub enum Shortcut {
    /// Pairs of users write to each other: rate, CPU a message, latency
    Chat(Chat),
    /// Sessions log in and stay idle: memory a session, CPU a login
    Connect(Connect),
    /// Users change their presence, and their contacts hear of it
    Presence(Presence),
    /// Occupants write to rooms
    Fanout(Fanout),
    /// Messages are stored for absent users, who then come for them: each exactly once
    Offline(Offline),
    /// People with telephones: typing, sleep, broken connections, bursts
    Mixed(Mixed),
    /// Messages as fast as sockets take them
    Flood(Flood),
    /// As chat at a rate, while some readers stall
    Slow(Slow),
    /// The load of `chat` through the raw relay of perf/floor, without any protocol around it
    Floor(Floor),
}

#[derive(Debug, Args)]
pub struct Chat {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    pairs: Pairs,
    /// Messages in flight each way [scenario.chat.mode.closed.window]
    #[arg(long, value_name = "N", conflicts_with_all = ["rate", "arrivals", "find_rate"])]
    window: Option<u32>,
    /// Messages in a second, of all users together, due whatever the server does [scenario.chat.mode.open.rate_per_s]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// How the gaps between them are spread [scenario.chat.mode.open.arrivals]
    #[arg(long, value_enum, requires = "rate")]
    arrivals: Option<Arrivals>,
    #[command(flatten)]
    body: Body,
    /// Write to bare or to full addresses [scenario.chat.to]
    #[arg(long, value_enum)]
    to: Option<To>,
    /// Whether messages are kept for who is absent, as they are unless this is `false`, which needs ICPP: then nobody waits
    /// for the disk [scenario.chat.store]
    #[arg(long, value_name = "BOOL")]
    store: Option<bool>,
}

#[derive(Debug, Args)]
pub struct Connect {
    #[command(flatten)]
    flags: Flags,
    /// Sessions [users.count]
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// Seconds to stay after the last login [scenario.connect.hold_s]
    #[arg(long, value_name = "SECONDS")]
    hold: Option<f64>,
}

#[derive(Debug, Args)]
pub struct Presence {
    #[command(flatten)]
    flags: Flags,
    /// Contacts of each user [users.roster.size]
    #[arg(long, value_name = "N")]
    contacts: Option<u32>,
    /// Changes in a second, of all users together [scenario.presence.rate_per_s]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// How the gaps between them are spread [scenario.presence.arrivals]
    #[arg(long, value_enum)]
    arrivals: Option<Arrivals>,
}

#[derive(Debug, Args)]
pub struct Fanout {
    #[command(flatten)]
    flags: Flags,
    /// Rooms [scenario.fanout.rooms]
    #[arg(long, value_name = "N")]
    rooms: Option<u32>,
    /// Occupants of the largest room [scenario.fanout.occupants]
    #[arg(long, value_name = "N")]
    occupants: Option<u32>,
    /// Messages in a second, to all rooms together [scenario.fanout.rate_per_s]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    #[command(flatten)]
    body: Body,
}

#[derive(Debug, Args)]
pub struct Offline {
    #[command(flatten)]
    flags: Flags,
    /// Users who are absent; they are the first ones, senders follow after them [users.count]
    #[arg(long, value_name = "N", default_value_t = 100)]
    receivers: u32,
    /// Users who write to them [scenario.offline.senders]
    #[arg(long, value_name = "N", default_value_t = 4)]
    senders: u32,
    /// Messages for each absent user; the server's quota must allow them [scenario.offline.messages]
    #[arg(long, value_name = "N")]
    messages: Option<u32>,
    /// Messages of a sender that the server has not acknowledged yet [scenario.offline.window]
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    #[command(flatten)]
    body: Body,
    /// Only one half: store, and come for them another time (after a kill -9, say) [scenario.offline.phase]
    #[arg(long, value_enum)]
    phase: Option<Phase>,
}

#[derive(Debug, Args)]
pub struct Mixed {
    #[command(flatten)]
    flags: Flags,
    /// Time runs so much faster [scenario.mixed.speed]
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
}

#[derive(Debug, Args)]
pub struct Flood {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    pairs: Pairs,
    /// Messages of each sender; 0: until the time is over [scenario.flood.messages]
    #[arg(long, value_name = "N")]
    messages: Option<u32>,
    /// Messages in one write [scenario.flood.batch]
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Messages of a sender on the way; 0: no bound [scenario.flood.window]
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    #[command(flatten)]
    body: Body,
}

#[derive(Debug, Args)]
pub struct Slow {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    pairs: Pairs,
    /// Messages in a second, of all users together [scenario.slow.rate_per_s]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// Share of the users who stop reading [scenario.slow.stalled]
    #[arg(long, value_name = "SHARE")]
    stalled: Option<f64>,
    /// Seconds for which they do [scenario.slow.stall_s]
    #[arg(long, value_name = "SECONDS")]
    stall: Option<f64>,
    #[command(flatten)]
    body: Body,
}

#[derive(Debug, Args)]
pub struct Floor {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    pairs: Pairs,
    /// Messages in flight each way [scenario.floor.window]
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    #[command(flatten)]
    body: Body,
}

/// Users two by two.
#[derive(Debug, Args)]
struct Pairs {
    /// Pairs of users: half of [users.count]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 24), conflicts_with = "users")]
    pairs: Option<u32>,
}

#[derive(Debug, Args)]
struct Body {
    /// Bytes of a body: one number, or LEAST-MOST [scenario.*.body_bytes]
    #[arg(long, value_name = "BYTES")]
    body: Option<BodyBytes>,
}

impl Shortcut {
    /// The name of the preset behind it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chat(_) => "chat",
            Self::Connect(_) => "connect",
            Self::Presence(_) => "presence",
            Self::Fanout(_) => "fanout",
            Self::Offline(_) => "offline",
            Self::Mixed(_) => "mixed",
            Self::Flood(_) => "flood",
            Self::Slow(_) => "slow",
            Self::Floor(_) => "floor",
        }
    }

    /// The common flags, and what the flags of this shortcut change.
    pub fn overrides(self) -> (Flags, Vec<Override>) {
        let mut changes = Changes::default();
        let flags = match self {
            Self::Chat(chat) => chat.change(&mut changes),
            Self::Connect(connect) => connect.change(&mut changes),
            Self::Presence(presence) => presence.change(&mut changes),
            Self::Fanout(fanout) => fanout.change(&mut changes),
            Self::Offline(offline) => offline.change(&mut changes),
            Self::Mixed(mixed) => {
                changes.number("scenario.mixed.speed", "--speed", mixed.speed);
                mixed.flags
            }
            Self::Flood(flood) => flood.change(&mut changes),
            Self::Slow(slow) => slow.change(&mut changes),
            Self::Floor(floor) => floor.change(&mut changes),
        };
        (flags, changes.0)
    }
}

impl Chat {
    fn change(self, changes: &mut Changes) -> Flags {
        self.pairs.change(changes);
        changes.number("scenario.chat.mode.closed.window", "--window", self.window);
        // A search needs a rate to begin with, which it replaces.
        let rate = self.rate.or(self.flags.searches().then_some(1000.0));
        changes.number("scenario.chat.mode.open.rate_per_s", "--rate", rate);
        changes.choice("scenario.chat.mode.open.arrivals", "--arrivals", self.arrivals);
        self.body.change("scenario.chat.body_bytes", changes);
        changes.choice("scenario.chat.to", "--to", self.to);
        changes.number("scenario.chat.store", "--store", self.store);
        self.flags
    }
}

impl Connect {
    fn change(self, changes: &mut Changes) -> Flags {
        changes.number("users.count", "--count", self.count);
        changes.number("scenario.connect.hold_s", "--hold", self.hold);
        self.flags
    }
}

impl Presence {
    fn change(self, changes: &mut Changes) -> Flags {
        changes.number("users.roster.size", "--contacts", self.contacts);
        changes.number("scenario.presence.rate_per_s", "--rate", self.rate);
        changes.choice("scenario.presence.arrivals", "--arrivals", self.arrivals);
        self.flags
    }
}

impl Fanout {
    fn change(self, changes: &mut Changes) -> Flags {
        changes.number("scenario.fanout.rooms", "--rooms", self.rooms);
        changes.number("scenario.fanout.occupants", "--occupants", self.occupants);
        changes.number("scenario.fanout.rate_per_s", "--rate", self.rate);
        self.body.change("scenario.fanout.body_bytes", changes);
        self.flags
    }
}

impl Offline {
    fn change(self, changes: &mut Changes) -> Flags {
        let users = self.receivers.saturating_add(self.senders);
        changes.set("users.count", "--receivers and --senders:", users);
        changes.set("scenario.offline.senders", "--senders", self.senders);
        changes.number("scenario.offline.messages", "--messages", self.messages);
        changes.number("scenario.offline.window", "--window", self.window);
        self.body.change("scenario.offline.body_bytes", changes);
        changes.choice("scenario.offline.phase", "--phase", self.phase);
        self.flags
    }
}

impl Flood {
    fn change(self, changes: &mut Changes) -> Flags {
        self.pairs.change(changes);
        changes.number("scenario.flood.messages", "--messages", self.messages);
        changes.number("scenario.flood.batch", "--batch", self.batch);
        changes.number("scenario.flood.window", "--window", self.window);
        self.body.change("scenario.flood.body_bytes", changes);
        self.flags
    }
}

impl Slow {
    fn change(self, changes: &mut Changes) -> Flags {
        self.pairs.change(changes);
        changes.number("scenario.slow.rate_per_s", "--rate", self.rate);
        changes.number("scenario.slow.stalled", "--stalled", self.stalled);
        changes.number("scenario.slow.stall_s", "--stall", self.stall);
        self.body.change("scenario.slow.body_bytes", changes);
        self.flags
    }
}

impl Floor {
    fn change(self, changes: &mut Changes) -> Flags {
        self.pairs.change(changes);
        changes.number("scenario.floor.window", "--window", self.window);
        self.body.change("scenario.floor.body_bytes", changes);
        self.flags
    }
}

impl Pairs {
    fn change(&self, changes: &mut Changes) {
        changes.number("users.count", "--pairs", self.pairs.map(|pairs| 2 * pairs));
    }
}

impl Body {
    fn change(&self, key: &str, changes: &mut Changes) {
        let text = self.body.map(|body| body.to_string());
        changes.text(key, "--body", text.as_deref());
    }
}
