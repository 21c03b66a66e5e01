//! What the users do. In a file it is one table, `[scenario.chat]` say, that names the kind and holds its parameters.

use serde::{Deserialize, Serialize};

use super::{BodyBytes, scaled};

/// Lowest rate: one in eleven days.
pub(super) const RATE_PER_S_MIN: f64 = 1e-6;

/// Most rooms of a run.
pub const ROOMS_MAX: u32 = 4096;

/// One of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    Connect(Connect),
    Chat(Chat),
    Presence(Presence),
    Fanout(Fanout),
    Offline(Offline),
    Mixed(Mixed),
    Flood(Flood),
    Slow(Slow),
    Storm(Storm),
    Floor(Floor),
}

/// All users log in, at the pace of `[load]`, and hold: login storm, then memory and CPU of idle sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connect {
    /// How long to stay after the last login.
    pub hold_s: f64,
}

/// Users 0 and 1, 2 and 3... write to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    pub mode: Mode,
    pub body_bytes: BodyBytes,
    pub to: To,
    /// Messages are kept for who is absent, and accepted when they are safe. Over ICPP it may be false (NOSTORE): nobody
    /// waits for the disk then.
    pub store: bool,
    /// Who writes to whom instead, on a server of several shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crossing: Option<Crossing>,
}

/// Which pairs live on two shards of a Crosspoint server, that is, on two cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// Shards of the server.
    pub shards: u32,
    /// Share of the pairs with one user on one shard and one on another; as near to it as the addresses allow.
    pub share: f64,
}

/// When the next message is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mode {
    /// Each side sends `window` messages at the start, and one for each that arrives. Measures capacity, not latency
    /// under load: a slow server slows the load down.
    Closed { window: u32 },
    /// Messages are due at a rate, for all users together, whatever the server does; latency counts from the time when
    /// a message was due.
    Open {
        rate_per_s: f64,
        #[serde(default)]
        arrivals: Arrivals,
    },
}

/// How the gaps between what is due at a rate are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Independent of each other (exponential gaps), as users are
    #[default]
    Poisson,
    /// All the same
    Even,
}

/// Which address messages are sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// user@domain
    #[default]
    Bare,
    /// user@domain/resource
    Full,
}

/// Users change their presence; each contact of `[users.roster]` must hear of each change once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    /// Changes of all users together.
    pub rate_per_s: f64,
    pub arrivals: Arrivals,
    /// Length of the status text.
    pub status_bytes: BodyBytes,
}

/// Occupants write to rooms (XEP-0045); each occupant must get each message once, and in its
/// sender's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fanout {
    pub rooms: u32,
    /// Occupants of the largest room. Rooms take users in turn, so with few users each is in several rooms.
    pub occupants: u32,
    /// Room `n` (1, 2...) has `occupants / n^skew` occupants: 0 makes all alike.
    pub skew: f64,
    /// No room has less.
    pub occupants_min: u32,
    /// Messages to all rooms together, before they fan out.
    pub rate_per_s: f64,
    pub arrivals: Arrivals,
    pub body_bytes: BodyBytes,
    pub join: Join,
}

/// How occupants come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    /// Joins begun in a second; 0: as fast as `concurrency` allows.
    pub per_s: f64,
    /// Joins under way at a time.
    pub concurrency: u32,
}

/// The last `senders` users write to the others, who are absent and come for their messages afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Offline {
    pub senders: u32,
    /// For each absent user; the server's quota must allow them.
    pub messages: u32,
    /// Messages of a sender that the server has not acknowledged yet.
    pub window: u32,
    pub body_bytes: BodyBytes,
    pub phase: Phase,
}

/// Which half of an offline run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Store, then come for them
    #[default]
    Both,
    /// Store only
    Store,
    /// Come for what an earlier run has stored
    Drain,
}

/// People: each user follows one of the behaviours, drawn by weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixed {
    /// Time runs so much faster: every period and pause of the behaviours is divided by it.
    #[serde(default = "one")]
    pub speed: f64,
    pub behaviours: Vec<Behaviour>,
}

/// What one kind of user does. A period of 0 means never; gaps between actions are exponential around the period, or all
/// the same with `arrivals = "even"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    pub name: String,
    /// Share of the users, relative to the other behaviours.
    pub weight: f64,
    pub arrivals: Arrivals,
    /// A message to one of the contacts, or to one of the next users where there are no rosters.
    pub message_every_s: f64,
    pub body_bytes: BodyBytes,
    /// Messages that follow each other at once, when one is due.
    pub burst: u32,
    /// How many neighbours a user writes to, in turn; 0: his contacts.
    pub neighbours: u32,
    /// A message to a user of this behaviour's kind who is not there, beside the others.
    pub offline_message_every_s: f64,
    pub offline_body_bytes: BodyBytes,
    /// Share of the users who never log in: somebody must be absent.
    pub absent: f64,
    /// Typing notices (XEP-0085) before each message: composing, then the message after this pause. 0: none.
    pub typing_s: f64,
    /// A change of presence to all contacts.
    pub presence_every_s: f64,
    /// The connection breaks and the session is resumed (XEP-0198), after `away_s`.
    pub resume_every_s: f64,
    /// The user logs out and in again, after `away_s`.
    pub logout_every_s: f64,
    pub away_s: f64,
    /// The telephone goes to sleep (XEP-0352 inactive), and wakes after `sleep_s`.
    pub sleep_every_s: f64,
    pub sleep_s: f64,
    /// Messages that the archive is asked for (XEP-0313) at each login, beside `[session]`.
    pub archive: u32,
}

/// Senders write as fast as the socket takes it, many messages a write, to their pair, and wait for no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flood {
    /// Messages of each sender; 0: until the time is over.
    pub messages: u64,
    /// Messages in one write.
    pub batch: u32,
    /// Messages of a sender that his reader has not got yet; 0: no bound. Servers store, bound and refuse what a reader
    /// does not take, Crosspoint beyond 1,000 of them unless its limits say otherwise.
    pub window: u32,
    pub body_bytes: BodyBytes,
}

/// As `chat` in open mode, but a share of the readers stalls: the server must neither fall over nor lose anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slow {
    /// Messages of all users together.
    pub rate_per_s: f64,
    pub arrivals: Arrivals,
    pub body_bytes: BodyBytes,
    /// Share of the users who stop reading.
    pub stalled: f64,
    /// For how long; then they read everything that waits.
    pub stall_s: f64,
    /// And how long they read in between.
    pub read_s: f64,
}

/// Everybody is there, everybody is cut off at once, and all come back at a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    pub kind: StormKind,
    /// Begun in a second; 0: as fast as `concurrency` of `[load]` allows.
    pub return_per_s: f64,
    /// How long nobody is there.
    pub away_s: f64,
    /// How often.
    pub rounds: u32,
    /// Messages for each user, sent by his neighbour before the cut and not read: those must arrive exactly once.
    pub messages: u32,
    pub body_bytes: BodyBytes,
}

/// How they come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StormKind {
    /// By a whole login, as after a restart of the server
    #[default]
    Restart,
    /// By resuming their sessions (XEP-0198), as after a network was gone
    Resume,
}

/// Pairs chat in a closed loop through a relay that knows no protocol: what the machine can do at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Floor {
    pub window: u32,
    pub body_bytes: BodyBytes,
}

impl Scenario {
    /// The name of the kind, as in `[scenario.NAME]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Chat(_) => "chat",
            Self::Presence(_) => "presence",
            Self::Fanout(_) => "fanout",
            Self::Offline(_) => "offline",
            Self::Mixed(_) => "mixed",
            Self::Flood(_) => "flood",
            Self::Slow(_) => "slow",
            Self::Storm(_) => "storm",
            Self::Floor(_) => "floor",
        }
    }

    /// The rate that a search varies, for all users together; `None` where there is none to vary.
    pub fn rate_per_s(&mut self) -> Option<&mut f64> {
        match self {
            Self::Chat(Chat {
                mode: Mode::Open { rate_per_s, .. },
                ..
            })
            | Self::Presence(Presence { rate_per_s, .. })
            | Self::Fanout(Fanout { rate_per_s, .. })
            | Self::Slow(Slow { rate_per_s, .. }) => Some(rate_per_s),
            _ => None,
        }
    }

    /// Whether users 0 and 1, 2 and 3... belong together, so that their number is even.
    pub fn in_pairs(&self) -> bool {
        matches!(self, Self::Chat(_) | Self::Flood(_) | Self::Slow(_) | Self::Floor(_))
    }

    /// Fewest users that make sense.
    pub(super) fn users_min(&self) -> u32 {
        match self {
            Self::Connect(_) => 1,
            Self::Offline(offline) => offline.senders + 1,
            Self::Presence(_) | Self::Mixed(_) => 3,
            _ => 2,
        }
    }

    pub(super) fn scale(&mut self, factor: f64, users: u32) {
        if let Self::Fanout(fanout) = self {
            let whole = fanout.rooms;
            fanout.rooms = scaled(whole, factor, 1);
            // One room alone becomes smaller, and keeps its rate.
            let smaller = f64::from(fanout.rooms) / f64::from(whole.max(1));
            fanout.rate_per_s = (fanout.rate_per_s * smaller).max(RATE_PER_S_MIN);
            fanout.occupants = fanout.occupants.min(users);
            fanout.occupants_min = fanout.occupants_min.min(fanout.occupants);
        } else if let Some(rate) = self.rate_per_s() {
            *rate = (*rate * factor).max(RATE_PER_S_MIN);
        }
    }
}

impl Fanout {
    /// Occupants of room `room`, counted from 0.
    pub fn occupants_of(&self, room: u32) -> u32 {
        let size = f64::from(self.occupants) / f64::from(room + 1).powf(self.skew);
        (size.round() as u32).clamp(self.occupants_min.min(self.occupants), self.occupants)
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self { hold_s: 10.0 }
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self::Closed { window: 32 }
    }
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            body_bytes: BodyBytes { least: 16, most: 100 },
            to: To::default(),
            store: true,
            crossing: None,
        }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            rate_per_s: 100.0,
            arrivals: Arrivals::default(),
            status_bytes: BodyBytes { least: 24, most: 24 },
        }
    }
}

impl Default for Fanout {
    fn default() -> Self {
        Self {
            rooms: 10,
            occupants: 20,
            skew: 0.0,
            occupants_min: 2,
            rate_per_s: 100.0,
            arrivals: Arrivals::default(),
            body_bytes: BodyBytes::default(),
            join: Join::default(),
        }
    }
}

impl Default for Join {
    fn default() -> Self {
        Self {
            per_s: 0.0,
            concurrency: 16,
        }
    }
}

impl Default for Offline {
    fn default() -> Self {
        Self {
            senders: 4,
            messages: 100,
            window: 128,
            body_bytes: BodyBytes { least: 16, most: 100 },
            phase: Phase::default(),
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            name: "user".to_owned(),
            weight: 1.0,
            arrivals: Arrivals::default(),
            message_every_s: 0.0,
            body_bytes: BodyBytes::default(),
            burst: 1,
            neighbours: 0,
            offline_message_every_s: 0.0,
            offline_body_bytes: BodyBytes::default(),
            absent: 0.0,
            typing_s: 0.0,
            presence_every_s: 0.0,
            resume_every_s: 0.0,
            logout_every_s: 0.0,
            away_s: 1.0,
            sleep_every_s: 0.0,
            sleep_s: 30.0,
            archive: 0,
        }
    }
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            messages: 0,
            batch: 64,
            window: 512,
            body_bytes: BodyBytes::default(),
        }
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            rate_per_s: 1000.0,
            arrivals: Arrivals::default(),
            body_bytes: BodyBytes::default(),
            stalled: 0.1,
            stall_s: 3.0,
            read_s: 1.0,
        }
    }
}

impl Default for Storm {
    fn default() -> Self {
        Self {
            kind: StormKind::default(),
            return_per_s: 0.0,
            away_s: 1.0,
            rounds: 1,
            messages: 0,
            body_bytes: BodyBytes::default(),
        }
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            window: 32,
            body_bytes: BodyBytes { least: 16, most: 100 },
        }
    }
}

fn one() -> f64 {
    1.0
}
