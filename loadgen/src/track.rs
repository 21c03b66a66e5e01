//! What became of a numbered stream of messages: every number exactly once and in order, or it is counted here.
//!
//! Invariant: memory is bounded by [`MISSING_MAX`]; beyond it a gap counts as lost at once.

use std::collections::BTreeSet;

use serde::Serialize;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// Sent, and never seen.
    pub lost: u64,
    /// Seen more than once.
    pub duplicated: u64,
    /// Seen after a later one.
    pub reordered: u64,
    /// Not as they were sent.
    pub damaged: u64,
    /// Sent back with an error.
    pub bounced: u64,
}

impl Track {
    /// Message `number` has arrived.
    #[inline]
    pub fn seen(&mut self, number: u64) {
        if number == self.next {
            self.next += 1;
        } else {
            self.out_of_turn(number);
        }
    }

    /// Messages that have arrived, each counted once.
    pub fn arrived(&self) -> u64 {
        self.next - self.missing.len() as u64 - self.wrong.lost
    }

    /// The balance, `sent` messages having been sent.
    pub fn balance(&self, sent: u64) -> Wrong {
        Wrong {
            lost: self.wrong.lost + self.missing.len() as u64 + sent.saturating_sub(self.next),
            ..self.wrong
        }
    }

    #[cold]
    fn out_of_turn(&mut self, number: u64) {
        if number < self.next {
            if self.missing.remove(&number) {
                self.wrong.reordered += 1;
            } else {
                self.wrong.duplicated += 1;
            }
            return;
        }
        for lacking in self.next..number {
            if self.missing.len() < MISSING_MAX {
                self.missing.insert(lacking);
            } else {
                self.wrong.lost += number - lacking;
                break;
            }
        }
        self.next = number + 1;
    }
}

impl Wrong {
    /// Whether everything arrived once, in order and whole.
    pub fn nothing(self) -> bool {
        self == Self::default()
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            damaged: self.damaged + other.damaged,
            bounced: self.bounced + other.bounced,
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} lost, {} duplicated, {} reordered, {} damaged, {} bounced",
            self.lost, self.duplicated, self.reordered, self.damaged, self.bounced
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(seen: &[u64], sent: u64) -> (u64, u64, u64) {
        let mut track = Track::default();
        seen.iter().for_each(|number| track.seen(*number));
        let wrong = track.balance(sent);
        (wrong.lost, wrong.duplicated, wrong.reordered)
    }

    #[test]
    fn in_order_and_whole() {
        assert_eq!(balance(&[0, 1, 2, 3], 4), (0, 0, 0));
    }

    #[test]
    fn the_last_and_one_between_are_lost() {
        assert_eq!(balance(&[0, 1, 3], 5), (2, 0, 0));
    }

    #[test]
    fn one_overtakes_another_and_neither_is_lost() {
        assert_eq!(balance(&[0, 2, 1, 3], 4), (0, 0, 1));
    }

    #[test]
    fn one_comes_twice() {
        assert_eq!(balance(&[0, 1, 1, 2], 3), (0, 1, 0));
        assert_eq!(balance(&[0, 2, 1, 1], 3), (0, 1, 1));
    }

    #[test]
    fn a_gap_beyond_the_bound_is_lost_at_once() {
        let far = MISSING_MAX as u64 + 10;
        assert_eq!(balance(&[far], far + 1), (far, 0, 0));
        let mut track = Track::default();
        track.seen(far);
        assert_eq!(track.arrived(), 1);
    }
}
