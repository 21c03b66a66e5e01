//! What is good once: the keys of tickets that were used, until they would have expired anyway.
//!
//! Invariants:
//! - A key is good at most once.
//! - Kept at the account's home, so that one place decides.
//! - What is kept is bounded, for one account and for all. Beyond a bound the keys that expire first are forgotten, and with
//!   them everything that expires no later is good no more: of this account, or of all. So who uses up tickets without
//!   end makes worthless his own, and the newest ones of everybody stay good.

use std::collections::{BTreeSet, HashMap};

use crate::slots::UserKey;

/// Keys that a shard remembers.
pub(super) const SPENT_MAX: usize = 65_536;
/// Keys that are remembered of one account.
pub(super) const SPENT_PER_ACCOUNT_MAX: usize = 64;

const _: () = assert!(SPENT_PER_ACCOUNT_MAX < SPENT_MAX);

/// Used keys.
#[derive(Debug, Default)]
pub(super) struct Spent {
    accounts: HashMap<UserKey, Account>,
    /// All keys by the time when they may be forgotten (Unix milliseconds).
    expiry: BTreeSet<(u64, u128, UserKey)>,
    /// What expires by then is not good.
    floor_unix_ms: u64,
}

/// Used keys of one account. There is at least one: a floor is never above the last of them.
#[derive(Debug, Default)]
struct Account {
    keys: BTreeSet<(u64, u128)>,
    floor_unix_ms: u64,
}

impl Spent {
    /// Uses a key of an account's up; false if it is not good (any more).
    pub(super) fn spend(&mut self, user: UserKey, key: u128, until_unix_ms: u64, now_unix_ms: u64) -> bool {
        while self.expiry.first().is_some_and(|(until, ..)| *until < now_unix_ms) {
            self.forget_first();
        }
        if until_unix_ms < now_unix_ms || until_unix_ms <= self.floor_unix_ms {
            return false;
        }
        let account = self.accounts.entry(user).or_default();
        if until_unix_ms <= account.floor_unix_ms || !account.keys.insert((until_unix_ms, key)) {
            return false;
        }
        self.expiry.insert((until_unix_ms, key, user));
        if account.keys.len() > SPENT_PER_ACCOUNT_MAX
            && let Some((until, key)) = account.keys.pop_first()
        {
            account.floor_unix_ms = until;
            self.expiry.remove(&(until, key, user));
        }
        if self.expiry.len() > SPENT_MAX {
            self.floor_unix_ms = self.forget_first();
        }
        true
    }

    /// Forgets the key that expires first; says when that is.
    fn forget_first(&mut self) -> u64 {
        let Some((until, key, user)) = self.expiry.pop_first() else {
            return 0;
        };
        if let Some(account) = self.accounts.get_mut(&user) {
            account.keys.remove(&(until, key));
            if account.keys.is_empty() {
                self.accounts.remove(&user);
            }
        }
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROMEO: UserKey = UserKey(1);

    #[test]
    fn a_key_is_good_once_and_only_until_it_expires() {
        let mut spent = Spent::default();
        assert!(spent.spend(ROMEO, 1, 100, 50));
        assert!(!spent.spend(ROMEO, 1, 100, 60));
        assert!(!spent.spend(ROMEO, 2, 100, 101));
        assert!(spent.spend(ROMEO, 3, 300, 200));
        assert_eq!(spent.expiry.len(), 1, "the first is forgotten, since it has expired");
    }

    /// One account could use up so many that nobody's ticket opened anything for an hour.
    #[test]
    fn who_uses_up_tickets_without_end_closes_no_door_but_his_own() {
        let mut spent = Spent::default();
        let mallory = UserKey(2);
        for key in 0..2 * SPENT_MAX as u128 {
            assert!(spent.spend(mallory, key, 1_000 + key as u64, 0), "the newest is good");
        }
        assert_eq!(spent.expiry.len(), SPENT_PER_ACCOUNT_MAX);
        for key in 0..2 * SPENT_MAX as u128 {
            assert!(!spent.spend(mallory, key, 1_000 + key as u64, 0), "{key} is good twice");
        }
        assert!(spent.spend(ROMEO, 1, 500, 0));
    }

    #[test]
    fn when_all_together_are_too_many_the_oldest_are_worth_nothing() {
        let mut spent = Spent::default();
        for number in 0..SPENT_MAX as u64 + 10 {
            assert!(spent.spend(UserKey(number), 7, 1_000 + number, 0));
        }
        assert_eq!((spent.expiry.len(), spent.accounts.len()), (SPENT_MAX, SPENT_MAX));
        for number in 0..SPENT_MAX as u64 + 10 {
            assert!(
                !spent.spend(UserKey(number), 7, 1_000 + number, 0),
                "{number} is good twice"
            );
        }
        assert!(!spent.spend(ROMEO, 8, 1_009, 0), "as old as what was forgotten");
        assert!(spent.spend(ROMEO, 8, 1_010, 0));
        assert!(spent.spend(ROMEO, 9, 900_000, 800_000));
        assert_eq!((spent.expiry.len(), spent.accounts.len()), (1, 1));
    }
}
