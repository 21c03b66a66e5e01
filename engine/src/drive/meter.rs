//! The clock of a shard's turns: how long they take, with what, and which of them are too long.
//!
//! ```text
//!   waiting │ read │ read │ mailbox │ flush │ ship │ waiting      each bar is one look at the clock
//!           └──────────── one turn ───────────────┘
//! ```
//! A turn is one uninterrupted piece of the shard's work: it begins with the first activity after a pause and ends when
//! what has piled up has left. All of it happens at the times that were stamped here, so nobody else reads the clock.
//!
//! Invariants:
//! - Whoever begins a turn wakes the task that ends it, so a turn never stays open while the shard waits.
//! - What is being done stands in the statistics while it is done: who reads them when the shard is wedged sees it.

use std::cell::Cell;
use std::rc::Rc;

use crate::metrics::split::{Split, Stage};
use crate::metrics::{DOINGS, Doing, Pairs, ShardMetrics, talkers};
use crate::rt::{self, Clock, Shared};
use crate::session::Now;

/// A turn of more is a stall: it is counted, and named in the log.
const STALL_NS: u64 = 2_000_000;
/// Stalls are logged once in so long; what is left out is counted in the next line.
const STALL_LOG_NS: u64 = 1_000_000_000;
/// Ticks after which half of what was said is forgotten: 10 s.
const TALKERS_TICKS: u32 = 100;

/// A shard's stopwatch.
pub(super) struct Meter {
    shard: u16,
    cells: Shared<ShardMetrics>,
    pairs: Pairs,
    split: Rc<Split>,
    clock: Clock,
    /// The monotonic clock when the shard started, and the wall clock then, as it is believed now.
    start_ns: u64,
    start_unix_ms: Cell<u64>,
    open: Cell<bool>,
    begun_ns: Cell<u64>,
    since_ns: Cell<u64>,
    /// Of this turn, by activity.
    spent_ns: [Cell<u64>; DOINGS],
    logged_ns: Cell<u64>,
    unlogged: Cell<u64>,
    ticks: Cell<u32>,
}

impl Meter {
    pub(super) fn new(shard: u16, cells: Shared<ShardMetrics>, pairs: Pairs, split: Rc<Split>) -> Meter {
        cells.thread[0].set(rt::thread_number());
        cells.ring[0].set(rt::ring_descriptor().map_or(0, u64::from));
        let meter = Meter {
            shard,
            cells,
            pairs,
            split,
            clock: Clock::start(),
            start_ns: rt::monotonic_ns(),
            start_unix_ms: Cell::new(0),
            open: Cell::new(false),
            begun_ns: Cell::new(0),
            since_ns: Cell::new(0),
            spent_ns: Default::default(),
            logged_ns: Cell::new(0),
            unlogged: Cell::new(0),
            ticks: Cell::new(0),
        };
        meter.look_at_the_wall();
        meter
    }

    /// From now on the shard's time goes into this. True when a turn begins by it: then its end must be seen to.
    #[inline]
    pub(super) fn switch(&self, doing: usize) -> bool {
        let now = rt::monotonic_ns();
        let begins = !self.open.get();
        if begins {
            self.begin(now);
        } else {
            self.charge(now);
        }
        self.cells.doing[0].set(doing as u64);
        if self.split.is_on() {
            self.split.switch(stage(doing));
        }
        begins
    }

    /// What the time since the last switch went into turns out to be something else.
    pub(super) fn relabel(&self, doing: Doing) {
        self.cells.doing[0].set(doing as u64);
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// The time, as of the last switch.
    #[inline]
    pub(super) fn now(&self) -> Now {
        let ms = self.since_ns.get().saturating_sub(self.start_ns) / 1_000_000;
        Now {
            ms,
            unix_ms: self.start_unix_ms.get() + ms,
        }
    }

    pub(super) fn cells(&self) -> &ShardMetrics {
        &self.cells
    }

    pub(super) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    pub(super) fn split(&self) -> &Split {
        &self.split
    }

    fn begin(&self, now: u64) {
        self.open.set(true);
        self.begun_ns.set(now);
        self.since_ns.set(now);
        self.cells.heartbeat_ns[0].set(now);
        self.cells.turn_since_ns[0].set(now);
        self.split.begin(now);
    }

    fn charge(&self, now: u64) {
        let doing = self.cells.doing[0].get() as usize % DOINGS;
        let spent = &self.spent_ns[doing];
        spent.set(spent.get() + now.saturating_sub(self.since_ns.replace(now)));
    }

    /// The turn is over: everything has left.
    pub(super) fn end(&self) {
        if !self.open.replace(false) {
            return;
        }
        let now = rt::monotonic_ns();
        self.charge(now);
        let turn_ns = now.saturating_sub(self.begun_ns.get());
        let cells = &*self.cells;
        if turn_ns > STALL_NS {
            self.stalled(now, turn_ns);
        }
        for (spent, total) in self.spent_ns.iter().zip(&cells.doing_ns) {
            let ns = spent.take();
            if ns > 0 {
                total.add(ns);
            }
        }
        cells.turns.add(1);
        cells.turn_sum_ns[0].add(turn_ns);
        cells.turn_counts[crosspoint_storage::stats::bucket(turn_ns)].add(1);
        cells.heartbeat_ns[0].set(now);
        cells.turn_since_ns[0].set(0);
        cells.doing[0].set(Doing::Waiting as u64);
        self.split.end(turn_ns);
    }

    #[cold]
    fn stalled(&self, now: u64, turn_ns: u64) {
        let Some(doing) = (0..DOINGS).max_by_key(|doing| self.spent_ns[*doing].get()) else {
            return;
        };
        self.cells.stalls[doing].add(1);
        self.cells.stall_max_ns[doing].raise(turn_ns);
        self.cells.stall_last_ms[0].set(self.now().unix_ms);
        if now.saturating_sub(self.logged_ns.get()) < STALL_LOG_NS {
            self.unlogged.set(self.unlogged.get() + 1);
            return;
        }
        self.logged_ns.set(now);
        tracing::warn!(
            shard = self.shard,
            turn_us = turn_ns / 1000,
            doing = crate::metrics::doing_name(doing),
            doing_us = self.spent_ns[doing].get() / 1000,
            not_logged = self.unlogged.take(),
            "a turn took more than 2 ms, and the shard's other clients waited"
        );
    }

    /// Called some ten times a second, within a turn.
    pub(super) fn tick(&self) {
        self.look_at_the_wall();
        self.cells.cpu_ns.set(rt::thread_cpu().as_nanos() as u64);
        let ticks = self.ticks.get() + 1;
        self.ticks.set(ticks % TALKERS_TICKS);
        if ticks == TALKERS_TICKS {
            talkers::halve(&self.cells.talkers);
        }
    }

    /// The wall clock may step; the monotonic one runs on.
    fn look_at_the_wall(&self) {
        let since_start_ms = rt::monotonic_ns().saturating_sub(self.start_ns) / 1_000_000;
        self.start_unix_ms
            .set(self.clock.wall_ms().saturating_sub(since_start_ms));
    }
}

/// The stage of a message's road that an activity begins with.
fn stage(doing: usize) -> Stage {
    match doing {
        _ if doing >= Doing::Read as usize => Stage::Read,
        _ if doing == Doing::Flush as usize => Stage::Write,
        _ if doing == Doing::Mail as usize || doing == Doing::Ship as usize => Stage::Mailbox,
        _ => Stage::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, reading};

    fn meter() -> Meter {
        let metrics = Metrics::new(2);
        let cells = metrics.shard(0);
        Meter::new(0, cells.clone(), metrics.pairs(0), Rc::new(Split::new(cells)))
    }

    #[test]
    fn a_turn_is_divided_among_what_was_done() {
        let meter = meter();
        assert!(meter.switch(reading(0)), "it begins");
        assert_ne!(meter.cells().turn_since_ns[0].get(), 0);
        assert_eq!(meter.cells().doing[0].get(), Doing::Read as u64);
        assert!(!meter.switch(Doing::Flush as usize), "it goes on");
        meter.end();
        let cells = meter.cells();
        let divided: u64 = cells.doing_ns.iter().map(rt::Cell::get).sum();
        assert_eq!(divided, cells.turn_sum_ns[0].get());
        assert_eq!((cells.turns.get(), cells.turn_since_ns[0].get()), (1, 0));
        assert_eq!(cells.doing[0].get(), Doing::Waiting as u64);
        meter.end();
        assert_eq!(cells.turns.get(), 1, "what is over does not end again");
    }

    #[test]
    fn a_long_turn_is_a_stall_of_what_took_most_of_it() {
        let meter = meter();
        meter.switch(reading(0));
        meter.since_ns.set(meter.since_ns.get() - 3 * STALL_NS);
        meter.begun_ns.set(meter.since_ns.get());
        meter.relabel(Doing::Login);
        meter.switch(Doing::Flush as usize);
        meter.end();
        let cells = meter.cells();
        assert_eq!(cells.stalls[Doing::Login as usize].get(), 1);
        assert_eq!(cells.stalls.iter().map(rt::Cell::get).sum::<u64>(), 1);
        assert!(cells.stall_max_ns[Doing::Login as usize].get() >= 3 * STALL_NS);
        assert_ne!(cells.stall_last_ms[0].get(), 0);
    }

    #[test]
    fn a_short_turn_is_none() {
        let meter = meter();
        meter.switch(Doing::Tick as usize);
        // Whatever the machine did meanwhile.
        meter.begun_ns.set(rt::monotonic_ns());
        meter.end();
        assert_eq!(meter.cells().stalls.iter().map(rt::Cell::get).sum::<u64>(), 0);
    }

    #[test]
    fn time_stands_still_within_an_activity() {
        let meter = meter();
        meter.switch(Doing::Tick as usize);
        let now = meter.now();
        while rt::monotonic_ns() < meter.since_ns.get() + 1_100_000 {}
        assert_eq!(meter.now(), now);
        meter.switch(Doing::Flush as usize);
        assert!(meter.now().ms > now.ms && meter.now().unix_ms > now.unix_ms);
    }
}
