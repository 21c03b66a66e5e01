//! Which records are pending, and where they are: the log's only memory.
//!
//! Invariants:
//! - Memory is proportional to pending records (24 bytes each), not to users: a user without any is forgotten.
//! - The entries of a user are ordered by record id.
//! - `last` of a user never decreases while the user is known.

use std::collections::{HashMap, VecDeque};

use super::layout::Place;
use super::record::RECORD_HEADER_BYTES;
use crate::limits::{FETCH_BYTES_MAX, FETCH_RECORDS_MAX};
use crate::seam::{RecordId, UserKey};

/// One pending record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: RecordId,
    pub place: Place,
    /// Header, skips and payload, without padding.
    pub length: u32,
    /// How many skips it has.
    pub skips: u8,
}

impl Entry {
    pub fn payload_bytes(&self) -> u64 {
        u64::from(self.length).saturating_sub(RECORD_HEADER_BYTES as u64 + u64::from(self.skips) * 8)
    }
}

/// How much is pending for a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pending {
    /// Number of records.
    pub records: u64,
    /// Sum of their payloads.
    pub bytes: u64,
    /// Highest record id ever seen for this user, as long as anything is pending; 0 otherwise.
    pub last: RecordId,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: u64,
    last: RecordId,
}

/// Pending records of all users.
#[derive(Debug, Default)]
pub(super) struct Index {
    users: HashMap<UserKey, Queue>,
    records: u64,
    bytes: u64,
}

impl Index {
    /// Number of pending records and sum of their payload bytes.
    pub fn totals(&self) -> (u64, u64) {
        (self.records, self.bytes)
    }

    /// Makes a record pending, or moves it if it is pending already; then the former entry comes back.
    pub fn insert(&mut self, user: UserKey, entry: Entry, last: RecordId) -> Option<Entry> {
        let queue = self.users.entry(user).or_default();
        queue.last = queue.last.max(last).max(entry.id);
        let found = match queue.entries.back() {
            Some(back) if back.id >= entry.id => queue.entries.binary_search_by_key(&entry.id, |entry| entry.id),
            _ => Err(queue.entries.len()),
        };
        let former = match found {
            Ok(at) => Some(std::mem::replace(&mut queue.entries[at], entry)),
            Err(at) => {
                queue.entries.insert(at, entry);
                None
            }
        };
        let former_bytes = former.map_or(0, |former| former.payload_bytes());
        queue.bytes = queue.bytes + entry.payload_bytes() - former_bytes;
        self.bytes = self.bytes + entry.payload_bytes() - former_bytes;
        self.records += u64::from(former.is_none());
        former
    }

    /// Makes a record pending no more.
    pub fn remove(&mut self, user: UserKey, id: RecordId) -> Option<Entry> {
        let queue = self.users.get_mut(&user)?;
        let at = queue.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        let entry = queue.entries.remove(at)?;
        queue.bytes -= entry.payload_bytes();
        self.bytes -= entry.payload_bytes();
        self.records -= 1;
        if queue.entries.is_empty() {
            self.users.remove(&user);
            self.shrink();
        } else if queue.entries.len() * 4 < queue.entries.capacity() {
            let length = queue.entries.len();
            queue.entries.shrink_to(length * 2);
        }
        Some(entry)
    }

    /// Where a pending record is.
    pub fn find(&self, user: UserKey, id: RecordId) -> Option<Entry> {
        let entries = &self.users.get(&user)?.entries;
        let at = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some(entries[at])
    }

    /// How much is pending for a user.
    pub fn pending(&self, user: UserKey) -> Pending {
        self.users.get(&user).map_or(Pending::default(), |queue| Pending {
            records: queue.entries.len() as u64,
            bytes: queue.bytes,
            last: queue.last,
        })
    }

    /// The first pending records of a user above `after`: at most `records_max`, about `bytes_max` of payload, but at
    /// least one if there is any. Also tells whether there are more.
    pub fn select(&self, user: UserKey, after: RecordId, records_max: u32, bytes_max: u32) -> (Vec<Entry>, bool) {
        let Some(queue) = self.users.get(&user) else {
            return (Vec::new(), false);
        };
        let start = queue.entries.partition_point(|entry| entry.id <= after);
        let records_max = records_max.min(FETCH_RECORDS_MAX);
        let bytes_max = bytes_max.min(FETCH_BYTES_MAX);
        let mut selected = Vec::new();
        let mut bytes = 0;
        for entry in queue.entries.range(start..) {
            bytes += entry.payload_bytes();
            let full = selected.len() as u32 >= records_max || bytes > u64::from(bytes_max);
            if full && !selected.is_empty() {
                return (selected, true);
            }
            selected.push(*entry);
        }
        (selected, false)
    }

    /// Whose records are pending, the highest id seen of each, and the records: for a checkpoint.
    pub fn iter(&self) -> impl Iterator<Item = (UserKey, RecordId, &VecDeque<Entry>)> {
        self.users
            .iter()
            .map(|(user, queue)| (*user, queue.last, &queue.entries))
    }

    fn shrink(&mut self) {
        if self.users.len() * 8 < self.users.capacity() && self.users.capacity() > 1024 {
            self.users.shrink_to(self.users.len() * 2);
        }
    }
}
