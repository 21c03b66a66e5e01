//! A coarse timer wheel: one a shard, for timers by the hundred thousand of which few ever fire.
//!
//! ```text
//!   slot:   0    1    2   ...  cursor ...  1023      a timer due at tick t lies in slot t mod 1024
//!          [..] [..] [..]       ^ next to pass        12 bytes each: key (8), tick (4)
//! ```
//!
//! There is no cancelling. A timer that fires is a question, "is this still due?", which its owner answers from his own
//! state (say, `last_activity`), arming again if not. So an owner needs one timer in the wheel, whatever he waits for,
//! and moving a deadline back costs nothing.
//!
//! Invariants:
//! - Nothing fires before its time; everything fires at the first [`advance`](Wheel::advance) that is a whole tick or
//!   more after it.
//! - Timers further away than one revolution stay in their slot and are looked at once a revolution.
//! - An advance, however far the clock has jumped, passes each slot once at most. A clock that goes back is ignored.
//! - The space of a slot is released when it is passed: a rush of timers does not hold its memory for ever.
#![forbid(unsafe_code)]

use std::num::NonZeroU32;

/// Slots of a wheel.
const SLOTS: usize = 1024;
const WORD_BITS: usize = u64::BITS as usize;
const _: () = assert!(SLOTS.is_power_of_two() && SLOTS.is_multiple_of(WORD_BITS));

/// Names what a timer is for; chosen by the owner, who must recognise a key that outlived what it named.
pub type TimerKey = u64;

/// A timer: the key in two halves, so that it takes 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timer {
    key: [u32; 2],
    tick: u32,
}

const _: () = assert!(size_of::<Timer>() == 12);

/// The wheel. About 24 KiB when empty.
#[derive(Debug, Clone)]
pub struct Wheel {
    slots: Box<[Vec<Timer>; SLOTS]>,
    /// One bit a slot: is anything in it?
    occupied: [u64; SLOTS / WORD_BITS],
    tick_ms: NonZeroU32,
    start_ms: u64,
    /// All ticks before this one have been passed.
    cursor: u32,
    len: usize,
}

impl Wheel {
    /// An empty wheel, whose time begins at `now_ms`. It lasts for 2^32 ticks (13 years of 100 ms).
    pub fn new(tick_ms: NonZeroU32, now_ms: u64) -> Self {
        Self {
            slots: Box::new(std::array::from_fn(|_| Vec::new())),
            occupied: [0; SLOTS / WORD_BITS],
            tick_ms,
            start_ms: now_ms,
            cursor: 0,
            len: 0,
        }
    }

    /// Fires `key` at `at_ms`, or with the next tick if that has passed. The same key may be armed several times.
    pub fn arm(&mut self, key: TimerKey, at_ms: u64) {
        let elapsed_ms = at_ms.saturating_sub(self.start_ms);
        let tick = elapsed_ms
            .div_ceil(u64::from(self.tick_ms.get()))
            .min(u64::from(u32::MAX)) as u32;
        let tick = tick.max(self.cursor);
        self.put(Timer {
            key: [key as u32, (key >> 32) as u32],
            tick,
        });
        self.len += 1;
    }

    /// Appends to `fired` the keys of all timers that are due, roughly in the order of their times.
    pub fn advance(&mut self, now_ms: u64, fired: &mut Vec<TimerKey>) {
        let elapsed_ms = now_ms.saturating_sub(self.start_ms);
        let now = (elapsed_ms / u64::from(self.tick_ms.get())).min(u64::from(u32::MAX - 1)) as u32;
        if now < self.cursor {
            return;
        }
        let first = self.cursor;
        // Before the slots are passed: timers that stay are put back by it.
        self.cursor = now + 1;
        let passed = (now - first).min(SLOTS as u32 - 1);
        for tick in first..=first + passed {
            self.pass(tick as usize % SLOTS, now, fired);
        }
    }

    /// The earliest moment at which an advance may fire something; nothing if no timer is armed. It may turn out that
    /// nothing was due.
    pub fn next_ms(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let first = self.cursor as usize % SLOTS;
        let distance = (0..SLOTS).find(|distance| self.is_occupied((first + distance) % SLOTS))?;
        let ticks = u64::from(self.cursor) + distance as u64;
        Some(self.start_ms.saturating_add(ticks * u64::from(self.tick_ms.get())))
    }

    /// Number of armed timers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No timer armed?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn put(&mut self, timer: Timer) {
        let slot = timer.tick as usize % SLOTS;
        self.slots[slot].push(timer);
        self.occupied[slot / WORD_BITS] |= 1 << (slot % WORD_BITS);
    }

    fn pass(&mut self, slot: usize, now: u32, fired: &mut Vec<TimerKey>) {
        if !self.is_occupied(slot) {
            return;
        }
        self.occupied[slot / WORD_BITS] &= !(1 << (slot % WORD_BITS));
        for timer in std::mem::take(&mut self.slots[slot]) {
            if timer.tick > now {
                self.put(timer);
            } else {
                fired.push(u64::from(timer.key[1]) << 32 | u64::from(timer.key[0]));
                self.len -= 1;
            }
        }
    }

    fn is_occupied(&self, slot: usize) -> bool {
        self.occupied[slot / WORD_BITS] >> (slot % WORD_BITS) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_000_000;
    const NOTHING: [TimerKey; 0] = [];

    fn wheel(tick_ms: u32) -> Wheel {
        Wheel::new(NonZeroU32::new(tick_ms).unwrap(), START)
    }

    fn advance(wheel: &mut Wheel, now_ms: u64) -> Vec<TimerKey> {
        let mut fired = Vec::new();
        wheel.advance(now_ms, &mut fired);
        fired
    }

    #[test]
    fn a_timer_fires_once_and_not_before_its_time() {
        let mut wheel = wheel(100);
        wheel.arm(u64::MAX - 7, START + 250);
        assert_eq!(wheel.next_ms(), Some(START + 300));
        assert_eq!(advance(&mut wheel, START + 299), NOTHING);
        assert_eq!(advance(&mut wheel, START + 300), [u64::MAX - 7]);
        assert_eq!(advance(&mut wheel, START + 1_000_000), NOTHING);
        assert_eq!((wheel.len(), wheel.next_ms()), (0, None));
    }

    #[test]
    fn a_time_that_has_passed_means_the_next_tick() {
        let mut wheel = wheel(100);
        advance(&mut wheel, START + 5000);
        wheel.arm(1, 0);
        wheel.arm(2, START + 5000);
        assert_eq!(advance(&mut wheel, START + 5000), NOTHING, "this tick is over");
        assert_eq!(wheel.next_ms(), Some(START + 5100));
        assert_eq!(advance(&mut wheel, START + 5100), [1, 2]);
    }

    #[test]
    fn a_timer_beyond_a_revolution_waits_for_its_own() {
        let mut wheel = wheel(1);
        wheel.arm(3, START + 3 * SLOTS as u64 + 5);
        wheel.arm(0, START + 5);
        assert_eq!(advance(&mut wheel, START + 5), [0]);
        for revolution in 1..3 {
            assert_eq!(advance(&mut wheel, START + revolution * SLOTS as u64 + 5), NOTHING);
        }
        assert_eq!(advance(&mut wheel, START + 3 * SLOTS as u64 + 5), [3]);
    }

    #[test]
    fn a_jump_of_the_clock_fires_all_that_is_due_and_nothing_else() {
        let mut wheel = wheel(100);
        wheel.arm(1, START + 1_000);
        wheel.arm(2, START + 10_000_000);
        wheel.arm(3, START + 20_000_000);
        assert_eq!(advance(&mut wheel, START - 1), NOTHING, "back");
        let mut fired = advance(&mut wheel, START + 10_000_000);
        fired.sort_unstable();
        assert_eq!(fired, [1, 2]);
        wheel.arm(4, u64::MAX);
        assert_eq!(advance(&mut wheel, u64::MAX), [3], "the end of time never comes");
    }

    #[test]
    fn a_slot_that_was_passed_holds_no_memory() {
        let mut wheel = wheel(100);
        (0..100_000).for_each(|key| wheel.arm(key, START + 500));
        assert_eq!(advance(&mut wheel, START + 500).len(), 100_000);
        assert_eq!(wheel.slots.iter().map(Vec::capacity).sum::<usize>(), 0);
    }

    proptest! {
        #[test]
        fn it_does_what_a_heap_does(
            steps in proptest::collection::vec((proptest::collection::vec(0..4000u64, 0..6), 0..2500u64), 1..60),
            tick_ms in 1..4u32,
        ) {
            let (mut wheel, mut heap, mut now, mut key) = (wheel(tick_ms), BinaryHeap::new(), START, 0);
            for (delays, pause_ms) in steps {
                for delay_ms in delays {
                    wheel.arm(key, now + delay_ms);
                    // In the model a time is the end of its tick, and a tick that has been passed is the next one.
                    let ticks = (now + delay_ms - START).div_ceil(u64::from(tick_ms)).max(u64::from(wheel.cursor));
                    heap.push(Reverse((START + ticks * u64::from(tick_ms), key)));
                    key += 1;
                }
                let next = heap.peek().map(|Reverse((at_ms, _))| *at_ms);
                prop_assert_eq!(wheel.next_ms().is_some(), next.is_some());
                prop_assert!(wheel.next_ms() <= next, "never too late");
                now += pause_ms;
                let mut due = Vec::new();
                while heap.peek().is_some_and(|Reverse((at_ms, _))| *at_ms <= now) {
                    due.extend(heap.pop().map(|Reverse((_, key))| key));
                }
                let mut fired = advance(&mut wheel, now);
                fired.sort_unstable();
                due.sort_unstable();
                prop_assert_eq!(fired, due);
                prop_assert_eq!(wheel.len(), heap.len());
            }
        }
    }
}
