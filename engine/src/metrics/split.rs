//! Where the time of a message goes, measured in one turn of many.
//!
//! In a sampled turn the shard and its driver say which stage of a message's road begins; in all other turns that is a
//! load and a branch. Times are taken with the cheapest clock there is and set against the turn's own length, which is
//! known in nanoseconds, so that nothing needs to be calibrated.
//!
//! Invariants:
//! - Only a driver samples: without one (the simulator) no clock is ever read.
//! - The time of a sampled turn is divided among the stages without rest.

use std::cell::Cell;

use super::{ShardMetrics, talkers};
use crate::jid::Jid;
use crate::rt::{self, Shared};

/// A stage of a message's road. The numbers are in the statistics file, beside their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Taking bytes from sockets.
    Read = 0,
    /// From bytes to what a session asks for.
    Parse = 1,
    /// Finding the addressee and applying the rules.
    Route = 2,
    /// Into and out of mailboxes.
    Mailbox = 3,
    /// From an envelope to a session's outbox.
    Encode = 4,
    /// Giving bytes to sockets.
    Write = 5,
    /// The rest: requests to log and book, orders, the run queue.
    Other = 6,
}

/// Number of stages.
pub const STAGES: usize = 7;

/// Their names, by number.
pub const STAGE_NAMES: [&str; STAGES] = ["read", "parse", "route", "mailbox", "encode", "write", "other"];

const STAGE: [Stage; STAGES] = [
    Stage::Read,
    Stage::Parse,
    Stage::Route,
    Stage::Mailbox,
    Stage::Encode,
    Stage::Write,
    Stage::Other,
];

/// One turn in so many is sampled (a prime, so that no rhythm of the load hides from it)...
const SAMPLED_TURNS: u32 = 61;
/// ...and the first after so long without one: a quiet shard has few turns and much time.
const SAMPLED_NS: u64 = 50_000_000;

/// The stage clock of a shard.
#[derive(Debug)]
pub struct Split {
    cells: Shared<ShardMetrics>,
    on: Cell<bool>,
    stage: Cell<Stage>,
    since: Cell<u64>,
    ticks: [Cell<u64>; STAGES],
    /// Stanzas in and out when the sampled turn began.
    counts: Cell<(u64, u64)>,
    /// Turns since the last sample, and when that was.
    skipped: Cell<u32>,
    sampled_ns: Cell<u64>,
}

impl Split {
    /// For a shard's figures.
    pub fn new(cells: Shared<ShardMetrics>) -> Split {
        Split {
            cells,
            on: Cell::new(false),
            stage: Cell::new(Stage::Other),
            since: Cell::new(0),
            ticks: Default::default(),
            counts: Cell::default(),
            skipped: Cell::new(0),
            sampled_ns: Cell::new(0),
        }
    }

    /// Whether this turn is sampled.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.get()
    }

    /// From here on time belongs to another stage; returns the one before.
    #[inline]
    pub fn switch(&self, to: Stage) -> Stage {
        if self.on.get() { self.stamp(to) } else { to }
    }

    /// A call of the shard begins: routing, unless it is told that bytes were written. Returns the stage before.
    #[inline]
    pub fn enter(&self) -> Stage {
        if self.on.get() && self.stage.get() != Stage::Write {
            self.stamp(Stage::Route)
        } else {
            self.stage.get()
        }
    }

    /// Notes who has said something, if this turn is sampled.
    #[inline]
    pub fn talks(&self, who: &Jid) {
        if self.on.get() && self.cells.talkers_on[0].get() != 0 {
            talkers::note(&self.cells.talkers, who.as_str());
        }
    }

    #[cold]
    fn stamp(&self, to: Stage) -> Stage {
        let now = rt::ticks();
        let from = self.stage.replace(to);
        let spent = &self.ticks[from as usize];
        spent.set(spent.get() + now.wrapping_sub(self.since.replace(now)));
        from
    }

    /// A turn begins, at this time: decides whether it is sampled.
    #[inline]
    pub(crate) fn begin(&self, now_ns: u64) {
        let skipped = self.skipped.get() + 1;
        self.skipped.set(skipped);
        if skipped >= SAMPLED_TURNS || now_ns.wrapping_sub(self.sampled_ns.get()) >= SAMPLED_NS {
            self.start(now_ns);
        }
    }

    #[cold]
    fn start(&self, now_ns: u64) {
        self.skipped.set(0);
        self.sampled_ns.set(now_ns);
        self.counts.set(self.stanzas());
        self.ticks.iter().for_each(|ticks| ticks.set(0));
        self.stage.set(Stage::Other);
        self.since.set(rt::ticks());
        self.on.set(true);
    }

    /// The turn is over; it took this long.
    #[inline]
    pub(crate) fn end(&self, turn_ns: u64) {
        if self.on.get() {
            self.stop(turn_ns);
        }
    }

    #[cold]
    fn stop(&self, turn_ns: u64) {
        self.stamp(Stage::Other);
        self.on.set(false);
        let all: u64 = self.ticks.iter().map(Cell::get).sum();
        let ns_per_tick = turn_ns as f64 / all.max(1) as f64;
        for stage in STAGE {
            let ns = self.ticks[stage as usize].get() as f64 * ns_per_tick;
            self.cells.split_ns[stage as usize].add(ns as u64);
        }
        let (stanzas_in, stanzas_out) = self.stanzas();
        let (in_before, out_before) = self.counts.get();
        self.cells.split_in[0].add(stanzas_in - in_before);
        self.cells.split_out[0].add(stanzas_out - out_before);
        self.cells.split_turns[0].add(1);
    }

    fn stanzas(&self) -> (u64, u64) {
        let stanzas_in = self.cells.stanzas_in.iter().map(rt::Cell::get).sum();
        (stanzas_in, self.cells.stanzas_out.iter().map(rt::Cell::get).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_turn_that_is_not_sampled_leaves_nothing() {
        let cells = Metrics::new(1).shard(0);
        let split = Split::new(cells.clone());
        assert_eq!(split.switch(Stage::Parse), Stage::Parse);
        split.end(1_000);
        assert_eq!(cells.split_turns[0].get(), 0);
    }

    #[test]
    fn the_time_of_a_sampled_turn_is_divided_without_rest() {
        let cells = Metrics::new(1).shard(0);
        let split = Split::new(cells.clone());
        split.begin(SAMPLED_NS);
        assert!(split.is_on());
        cells.stanzas_in[0].add(2);
        let outer = split.switch(Stage::Route);
        assert_eq!(outer, Stage::Other);
        assert_eq!(split.switch(Stage::Parse), Stage::Route);
        split.switch(outer);
        split.end(1_000_000);
        let divided: u64 = cells.split_ns.iter().map(rt::Cell::get).sum();
        assert!((999_990..=1_000_000).contains(&divided), "{divided}");
        assert_eq!((cells.split_in[0].get(), cells.split_turns[0].get()), (2, 1));
        assert!(!split.is_on());
    }

    #[test]
    fn one_turn_in_many_is_sampled_and_the_first_after_a_pause() {
        let split = Split::new(Metrics::new(1).shard(0));
        let sampled = |now: u64| {
            split.begin(now);
            let on = split.is_on();
            split.end(1);
            on
        };
        assert!(sampled(SAMPLED_NS));
        let busy: Vec<bool> = (0..SAMPLED_TURNS)
            .map(|turn| sampled(SAMPLED_NS + u64::from(turn)))
            .collect();
        assert_eq!(busy.iter().filter(|on| **on).count(), 1);
        assert!(sampled(3 * SAMPLED_NS));
    }
}
