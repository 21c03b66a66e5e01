//! Which users a worker has.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A session's index within its worker.
pub type Place = u32;

/// One worker's share of a run: users that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// This worker, counted from 0 over all processes, and how many there are.
    pub worker: u32,
    pub workers: u32,
    /// The number of its first user, and how many it has.
    pub first: u32,
    pub count: u32,
}

impl Part {
    /// The share of each of `workers`: groups of `unit` users (pairs, say) stay together.
    pub fn divide(first: u32, count: u32, unit: u32, workers: u32) -> Vec<Self> {
        let groups = count / unit;
        let workers = workers.clamp(1, groups.max(1));
        let border = |worker: u32| match worker {
            last if last == workers => count,
            worker => (u64::from(groups) * u64::from(worker) / u64::from(workers)) as u32 * unit,
        };
        let part = |worker| Self {
            worker,
            workers,
            first: first + border(worker),
            count: border(worker + 1) - border(worker),
        };
        (0..workers).map(part).collect()
    }

    pub fn places(self) -> Range<Place> {
        0..self.count
    }

    /// The number of the user at a place.
    #[inline]
    pub fn user(self, place: Place) -> u32 {
        self.first + place
    }

    /// The place of a user, if he is here.
    #[inline]
    pub fn place(self, user: u32) -> Option<Place> {
        user.checked_sub(self.first).filter(|place| *place < self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_worker_and_pairs_stay_together() {
        for (count, unit, workers) in [(200, 2, 3), (7, 2, 2), (5, 1, 8), (2, 2, 4), (1, 2, 1)] {
            let parts = Part::divide(100, count, unit, workers);
            assert_eq!(parts[0].first, 100);
            for two in parts.windows(2) {
                assert_eq!(two[0].first + two[0].count, two[1].first);
                assert_eq!((two[1].first - 100) % unit, 0);
            }
            assert_eq!(parts.iter().map(|part| part.count).sum::<u32>(), count);
            assert!(
                parts
                    .iter()
                    .all(|part| part.count > 0 && part.workers == parts.len() as u32)
            );
        }
    }
}
