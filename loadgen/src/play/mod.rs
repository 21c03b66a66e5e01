//! What users do: one file a scenario, plain code between events. How to write one: see [`worker`](crate::worker).
//!
//! Invariants: a play names no protocol; it keeps its own state by [`Place`] and acts through the [`Stage`] only; every
//! message that it sends is numbered, and every one that arrives is accounted for.

mod chat;
mod connect;
mod due;
mod fanout;
mod flood;
mod mixed;
mod offline;
mod pace;
mod pairs;
mod people;
mod presence;
mod ring;
mod slow;
mod storm;

#[cfg(test)]
mod tests;

pub use pace::Pace;

use crate::plan::{self, Phase, Plan, Protocol, Scenario, StormKind};
use crate::protocol::icpp::Icpp;
use crate::protocol::xmpp::Xmpp;
use crate::protocol::{Client, Event};
use crate::record::Count;
use crate::worker::{self, Desk, Part, Place, Stage};

/// One scenario on one worker. All times are nanoseconds since the run's epoch.
pub trait Play<C: Client>: 'static {
    /// Logins may begin. By default all log in.
    fn begin(&mut self, stage: &mut Stage<C>) {
        let wants = stage.wants();
        for place in stage.part().places() {
            stage.log_in(place, wants);
        }
    }

    /// A session is ready.
    fn ready(&mut self, _stage: &mut Stage<C>, _place: Place) {}

    /// An act of the [`Course`] begins, by its number. The first one at the earliest when everybody has logged in.
    fn start(&mut self, stage: &mut Stage<C>, act: u32, at_ns: u64);

    /// A session heard something.
    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event);

    /// A timer of [`Stage::arm`].
    fn alarm(&mut self, _stage: &mut Stage<C>, _place: Place, _key: u32) {}

    /// The socket has taken all that a session had said.
    fn flushed(&mut self, _stage: &mut Stage<C>, _place: Place) {}

    /// A connection has ended; `wanted`: by [`Stage::log_out`] or [`Stage::cut`].
    fn left(&mut self, _stage: &mut Stage<C>, _place: Place, _wanted: bool) {}

    /// From now on things are due at this rate, for all workers together.
    fn rate(&mut self, _stage: &mut Stage<C>, _per_s: f64) {}

    /// Nothing new is to be sent.
    fn stop(&mut self, _stage: &mut Stage<C>) {}

    /// All is over: count what the tracks found to be duplicated and reordered. (What was lost is counted from the
    /// balance of all workers.)
    fn finish(&mut self, stage: &mut Stage<C>);

    /// How many deliveries there should be by now, and how many there are, each counted once.
    fn balance(&self) -> (u64, u64);

    /// Nothing of this worker's is under way, beside what the balance says.
    fn is_quiet(&self, _stage: &Stage<C>) -> bool {
        true
    }

    /// The present act has come to its own end.
    fn is_finished(&self, _stage: &Stage<C>) -> bool {
        false
    }
}

/// How a scenario goes: what the coordinator does with its workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// So many users that follow each other must have the same worker.
    pub group: u32,
    /// The logins are what is measured.
    pub logins_measured: bool,
    /// One after the other.
    pub acts: Vec<Act>,
    /// One thread only: the order of connections matters.
    pub alone: bool,
}

/// A part of a scenario; the play's `start` is called with its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    pub number: u32,
    pub name: &'static str,
    pub measured: bool,
    /// What its rates and costs are for.
    pub unit: Option<Count>,
    pub length: Length,
}

/// When an act is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// After a warm-up, and so many seconds of measuring.
    Timed { warmup_s: f64, seconds: f64 },
    /// When all workers' plays say so, at most after so many seconds.
    Finished { seconds_max: f64 },
}

/// How long storing, or fetching what was stored, may take.
const OFFLINE_S_MAX: f64 = 600.0;

impl Course {
    /// Of a plan's scenario.
    pub fn of(plan: &Plan) -> Self {
        let timed = |unit| Act {
            number: 0,
            name: "measured",
            measured: true,
            unit: Some(unit),
            length: Length::Timed {
                warmup_s: plan.load.warmup_s,
                seconds: plan.load.duration_s,
            },
        };
        let mut course = Self {
            group: 2,
            logins_measured: false,
            acts: vec![timed(Count::MessagesReceived)],
            alone: false,
        };
        match &plan.scenario {
            Scenario::Connect(connect) => {
                (course.group, course.logins_measured) = (1, true);
                let (warmup_s, seconds) = (0.0, connect.hold_s);
                let length = Length::Timed { warmup_s, seconds };
                let (name, measured, unit) = ("hold", false, None);
                course.acts = vec![Act {
                    number: 0,
                    name,
                    measured,
                    unit,
                    length,
                }];
            }
            Scenario::Offline(offline) => {
                course.group = 1;
                course.acts = offline_acts(offline.phase);
            }
            Scenario::Presence(_) => (course.group, course.acts) = (1, vec![timed(Count::PresenceReceived)]),
            Scenario::Mixed(_) => course.group = 1,
            Scenario::Fanout(_) => {
                course.group = 1;
                let length = Length::Finished {
                    seconds_max: JOIN_S_MAX,
                };
                let (number, name, measured, unit) = (fanout::JOIN, "join", false, None);
                let join = Act {
                    number,
                    name,
                    measured,
                    unit,
                    length,
                };
                let talk = Act {
                    number: fanout::TALK,
                    ..timed(Count::RoomReceived)
                };
                course.acts = vec![join, talk];
            }
            Scenario::Storm(storm) => course.acts = storm_acts(storm, plan.load.drain_s),
            Scenario::Floor(_) => course.alone = true,
            _ => {}
        }
        course
    }
}

/// How long joining all rooms may take.
const JOIN_S_MAX: f64 = 600.0;

/// One act a round; whoever comes back is what is counted.
fn storm_acts(storm: &plan::Storm, drain_s: f64) -> Vec<Act> {
    let unit = match storm.kind {
        StormKind::Restart => Count::LoginsOk,
        StormKind::Resume => Count::Resumed,
    };
    let round = |number| Act {
        number,
        name: "return",
        measured: true,
        unit: Some(unit),
        length: Length::Finished {
            seconds_max: storm.away_s + drain_s,
        },
    };
    (0..storm.rounds).map(round).collect()
}

fn offline_acts(phase: Phase) -> Vec<Act> {
    let act = |number, name, unit: Option<Count>| Act {
        number,
        name,
        measured: unit.is_some(),
        unit,
        length: Length::Finished {
            seconds_max: OFFLINE_S_MAX,
        },
    };
    let mut acts = vec![
        act(offline::STORE, "store", Some(Count::Stored)),
        act(offline::DRAIN, "drain", Some(Count::Drained)),
        act(offline::AGAIN, "again", None),
    ];
    acts.retain(|act| match phase {
        Phase::Both => true,
        Phase::Store => act.number == offline::STORE,
        Phase::Drain => act.number != offline::STORE,
    });
    acts
}

/// Runs a worker of the plan's scenario on this thread until it is ordered to end.
pub fn run(plan: Plan, part: Part, epoch_ns: u64, core: Option<usize>, desk: Desk) {
    macro_rules! run {
        ($play:expr) => {{
            let play = $play;
            match plan.target.protocol {
                Protocol::Xmpp => worker::run::<Xmpp, _>(plan, part, epoch_ns, core, play, desk),
                Protocol::Icpp => worker::run::<Icpp, _>(plan, part, epoch_ns, core, play, desk),
            }
        }};
    }
    match &plan.scenario {
        Scenario::Chat(chat) => run!(chat::Chat::new(chat, &plan, part)),
        Scenario::Floor(floor) => run!(chat::Chat::floor(floor, part)),
        Scenario::Connect(_) => run!(connect::Connect),
        Scenario::Offline(offline) => run!(offline::Offline::new(offline, part, plan.users.count)),
        Scenario::Flood(flood) => run!(flood::Flood::new(flood, part)),
        Scenario::Slow(slow) => run!(slow::Slow::new(slow, part)),
        Scenario::Presence(presence) => run!(presence::Presence::new(presence, &plan, part)),
        Scenario::Fanout(fanout) => run!(fanout::Fanout::new(fanout, &plan, part)),
        Scenario::Mixed(mixed) => run!(mixed::Mixed::new(mixed, &plan, part)),
        Scenario::Storm(storm) => run!(storm::Storm::new(storm, part)),
    }
}
