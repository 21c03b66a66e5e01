//! Who has how much, and who may have more.
//!
//! Invariants:
//! - What a user has, and what the places are good for that he was given, stay below his quota together; and the same for all
//!   users and the whole.
//! - A user without files and places costs no memory.

use std::collections::{BTreeMap, HashMap};

use crate::config::Upload;

use super::DAY_MS;
use super::place::PLACE_MS;

/// Places that a user may have open at a time.
pub const PLACES_MAX: usize = 32;

/// How long to wait for space that others take.
const CROWDED_MS: u64 = 60 * 60 * 1000;

/// Everybody's account.
#[derive(Debug)]
pub struct Ledger {
    user_bytes_max: u64,
    all_bytes_max: u64,
    days: u64,
    users: HashMap<u64, User>,
    /// Stored, of all.
    bytes: u64,
}

#[derive(Debug, Default)]
struct User {
    /// Bytes of each day's files.
    days: BTreeMap<u64, u64>,
    open: Vec<Open>,
}

/// A place whose file is not all there.
#[derive(Debug, Clone, Copy)]
struct Open {
    random: u128,
    bytes: u64,
    until_ms: u64,
    /// Somebody is putting a file into it. It stays for as long as that takes.
    taken: bool,
}

impl Ledger {
    /// Nobody has anything.
    pub fn new(limits: &Upload) -> Ledger {
        Ledger {
            user_bytes_max: limits.user_bytes,
            all_bytes_max: limits.all_bytes,
            days: limits.days,
            users: HashMap::new(),
            bytes: 0,
        }
    }

    /// There is a file.
    pub fn note(&mut self, owner: u64, day: u64, bytes: u64) {
        *self.users.entry(owner).or_default().days.entry(day).or_default() += bytes;
        self.bytes += bytes;
    }

    /// Sets space aside for a place.
    ///
    /// # Errors
    /// There is none; when to ask again ([`Now::unix_ms`](crosspoint_engine::session::Now)).
    pub fn reserve(&mut self, owner: u64, random: u128, bytes: u64, now_ms: u64) -> Result<(), u64> {
        if self.bytes.saturating_add(bytes) > self.all_bytes_max {
            return Err(now_ms + CROWDED_MS);
        }
        let user = self.users.entry(owner).or_default();
        user.open.retain(|open| open.taken || open.until_ms > now_ms);
        let stored: u64 = user.days.values().sum();
        let promised: u64 = user.open.iter().map(|open| open.bytes).sum();
        let fits = stored.saturating_add(promised).saturating_add(bytes) <= self.user_bytes_max;
        if fits && user.open.len() < PLACES_MAX {
            let until_ms = now_ms + PLACE_MS;
            user.open.push(Open {
                random,
                bytes,
                until_ms,
                taken: false,
            });
            return Ok(());
        }
        let next_place_ms = user.open.first().map(|open| open.until_ms);
        let next_file_ms = user.days.keys().next().map(|day| (day + self.days + 1) * DAY_MS);
        self.drop_if_empty(owner);
        Err(next_place_ms.or(next_file_ms).unwrap_or(now_ms + CROWDED_MS))
    }

    /// A place is used now; false if it was used before, or has expired.
    pub fn take(&mut self, owner: u64, random: u128) -> bool {
        let open = self.open(owner, random).filter(|open| !open.taken);
        open.map(|open| open.taken = true).is_some()
    }

    /// Nothing came of a place that was taken: it may be tried again while it is good.
    pub fn give_back(&mut self, owner: u64, random: u128) {
        if let Some(open) = self.open(owner, random) {
            open.taken = false;
        }
    }

    /// The file of a place that was taken is there. False if its owner was forgotten meanwhile: it is nobody's.
    pub fn finish(&mut self, owner: u64, random: u128, day: u64) -> bool {
        let Some(user) = self.users.get_mut(&owner) else {
            return false;
        };
        let Some(at) = user.open.iter().position(|open| open.random == random) else {
            return false;
        };
        let bytes = user.open.swap_remove(at).bytes;
        self.note(owner, day, bytes);
        true
    }

    /// An owner is no more; the days of which there are files of his.
    pub fn forget(&mut self, owner: u64) -> Vec<u64> {
        let Some(user) = self.users.remove(&owner) else {
            return Vec::new();
        };
        self.bytes -= user.days.values().sum::<u64>();
        user.days.into_keys().collect()
    }

    fn open(&mut self, owner: u64, random: u128) -> Option<&mut Open> {
        let user = self.users.get_mut(&owner)?;
        user.open.iter_mut().find(|open| open.random == random)
    }

    /// Files of days before this one are gone.
    pub fn forget_before(&mut self, day: u64) {
        for user in self.users.values_mut() {
            let kept = user.days.split_off(&day);
            let gone = std::mem::replace(&mut user.days, kept);
            self.bytes -= gone.values().sum::<u64>();
        }
        self.users.retain(|_, user| !user.is_empty());
    }

    fn drop_if_empty(&mut self, owner: u64) {
        if self.users.get(&owner).is_some_and(User::is_empty) {
            self.users.remove(&owner);
        }
    }
}

impl User {
    fn is_empty(&self) -> bool {
        self.days.is_empty() && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(&Upload {
            user_bytes: 100,
            all_bytes: 150,
            days: 2,
            ..Upload::default()
        })
    }

    #[test]
    fn a_quota_counts_files_and_places() {
        let mut ledger = ledger();
        ledger.note(1, 0, 60);
        assert_eq!(ledger.reserve(1, 7, 40, 0), Ok(()));
        assert_eq!(ledger.reserve(1, 8, 1, 1), Err(PLACE_MS), "when the place expires");
        assert!(ledger.take(1, 7) && !ledger.take(1, 7), "a place is good once");
        assert!(ledger.reserve(1, 8, 1, PLACE_MS).is_err(), "what is under way counts");
        assert!(ledger.finish(1, 7, 0) && !ledger.finish(1, 7, 0));
        assert_eq!(
            ledger.reserve(1, 8, 1, 1),
            Err(3 * DAY_MS),
            "when the first file expires"
        );
        ledger.forget_before(1);
        assert_eq!(ledger.reserve(1, 8, 100, 1), Ok(()));
    }

    #[test]
    fn a_place_that_expires_gives_its_space_back() {
        let mut ledger = ledger();
        assert_eq!(ledger.reserve(1, 7, 100, 0), Ok(()));
        assert!(ledger.reserve(1, 8, 100, PLACE_MS - 1).is_err());
        assert_eq!(ledger.reserve(1, 8, 100, PLACE_MS), Ok(()));
        assert!(!ledger.take(1, 7), "it has expired");
    }

    #[test]
    fn nothing_is_left_of_who_is_forgotten() {
        let mut ledger = ledger();
        ledger.note(1, 3, 40);
        ledger.note(1, 5, 20);
        ledger.note(2, 5, 10);
        assert_eq!(ledger.reserve(1, 7, 10, 0), Ok(()));
        assert!(ledger.take(1, 7));
        assert_eq!(ledger.forget(1), [3, 5]);
        assert!(!ledger.finish(1, 7, 5), "what was under way is nobody's");
        ledger.give_back(1, 7);
        assert!(!ledger.take(1, 7), "and its place is no place");
        assert_eq!((ledger.bytes, ledger.users.len()), (10, 1));
        assert_eq!(ledger.forget(1), [0; 0]);
    }

    #[test]
    fn all_together_stay_below_the_whole() {
        let mut ledger = ledger();
        ledger.note(1, 0, 100);
        assert_eq!(ledger.reserve(2, 7, 60, 5), Err(5 + CROWDED_MS));
        assert_eq!(ledger.reserve(2, 7, 50, 5), Ok(()));
    }

    #[test]
    fn open_places_are_bounded_and_nobody_is_kept_for_nothing() {
        let mut ledger = ledger();
        for random in 0..PLACES_MAX as u128 {
            assert_eq!(ledger.reserve(1, random, 0, 0), Ok(()));
        }
        assert_eq!(ledger.reserve(1, 99, 0, 0), Err(PLACE_MS));
        assert!(ledger.reserve(3, 1, 101, 0).is_err());
        assert!(!ledger.users.contains_key(&3));
    }
}
