//! What became of a numbered stream of messages: every number exactly once and in order, or it is counted here.
//!
//! Loss is not decided here: a receiver cannot know what the sender has sent last. The coordinator knows how many
//! deliveries there should be and how many there were (each counted once), over all workers; what is missing is lost.
//!
//! Invariant: memory is bounded by [`MISSING_MAX`]; what is further behind than that is taken for a duplicate, so that
//! such a run can only look worse than it was.

use std::collections::BTreeSet;

/// Numbers that may be missing at a time and still turn up late.
const MISSING_MAX: usize = 4096;

/// The receiver's view of the messages 0, 1, 2... of one sender.
#[derive(Debug, Default)]
pub struct Track {
    next: u64,
    missing: BTreeSet<u64>,
    wrong: Wrong,
}

/// What went wrong, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Seen more than once.
    pub duplicated: u64,
    /// Seen after a later one.
    pub reordered: u64,
}

impl Track {
    /// Message `number` has arrived. False if it had before.
    #[inline]
    pub fn seen(&mut self, number: u64) -> bool {
        if number == self.next {
            self.next += 1;
            return true;
        }
        self.out_of_turn(number)
    }

    /// What was found by now.
    pub fn wrong(&self) -> Wrong {
        self.wrong
    }

    #[cold]
    fn out_of_turn(&mut self, number: u64) -> bool {
        if number < self.next {
            let late = self.missing.remove(&number);
            match late {
                true => self.wrong.reordered += 1,
                false => self.wrong.duplicated += 1,
            }
            return late;
        }
        let room = MISSING_MAX.saturating_sub(self.missing.len());
        self.missing.extend((self.next..number).take(room));
        self.next = number + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrivals that count, duplicates, and what came late.
    fn outcome(seen: &[u64]) -> (usize, u64, u64) {
        let mut track = Track::default();
        let arrived = seen.iter().filter(|number| track.seen(**number)).count();
        (arrived, track.wrong().duplicated, track.wrong().reordered)
    }

    #[test]
    fn in_order_and_whole() {
        assert_eq!(outcome(&[0, 1, 2, 3]), (4, 0, 0));
    }

    #[test]
    fn one_between_is_lost_and_shows_in_the_number_of_arrivals() {
        assert_eq!(outcome(&[0, 1, 3]), (3, 0, 0));
    }

    #[test]
    fn one_overtakes_another_and_both_arrive() {
        assert_eq!(outcome(&[0, 2, 1, 3]), (4, 0, 1));
    }

    #[test]
    fn one_comes_twice_and_counts_once() {
        assert_eq!(outcome(&[0, 1, 1, 2]), (3, 1, 0));
        assert_eq!(outcome(&[0, 2, 1, 1]), (3, 1, 1));
    }

    #[test]
    fn beyond_the_bound_what_is_late_looks_like_a_duplicate() {
        let far = MISSING_MAX as u64 + 10;
        assert_eq!(outcome(&[far, 0, far - 1]), (2, 1, 1));
    }
}
