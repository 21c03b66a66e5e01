//! What is good once: the keys of tickets that were used, until they would have expired anyway.
//!
//! Invariants:
//! - A key is good at most once. When the table is full nothing is good: whoever comes shows a password instead.
//! - Kept at the account's home, so that one place decides.

use std::collections::{BTreeSet, HashSet};

/// Keys that a shard remembers.
pub(super) const SPENT_MAX: usize = 65_536;

/// Used keys.
#[derive(Debug, Default)]
pub(super) struct Spent {
    keys: HashSet<u128>,
    /// The same by the time when they may be forgotten.
    expiry: BTreeSet<(u64, u128)>,
}

impl Spent {
    /// Uses a key up; false if it is not good (any more).
    pub(super) fn spend(&mut self, key: u128, until_unix_ms: u64, now_unix_ms: u64) -> bool {
        while let Some(&(until, old)) = self.expiry.first() {
            if until >= now_unix_ms {
                break;
            }
            self.expiry.pop_first();
            self.keys.remove(&old);
        }
        if until_unix_ms < now_unix_ms || self.keys.len() >= SPENT_MAX || !self.keys.insert(key) {
            return false;
        }
        self.expiry.insert((until_unix_ms, key));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_once_and_not_after_its_time() {
        let mut spent = Spent::default();
        assert!(spent.spend(1, 100, 50));
        assert!(!spent.spend(1, 100, 60));
        assert!(!spent.spend(2, 100, 101));
        assert!(spent.spend(3, 300, 200));
        assert_eq!(spent.keys.len(), 1, "the first is forgotten, since it has expired");
    }

    #[test]
    fn a_full_table_takes_nothing_and_recovers() {
        let mut spent = Spent::default();
        for key in 0..SPENT_MAX as u128 {
            assert!(spent.spend(key, 10, 0));
        }
        assert!(!spent.spend(u128::MAX, 20, 0));
        assert!(spent.spend(u128::MAX, 20, 11));
    }
}
