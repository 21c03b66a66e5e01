//! Which archived records are hidden one by one.
//!
//! Invariants:
//! - At most [`REDACTIONS_MAX`] are known; each costs 16 bytes.
//! - One is forgotten when the segment of its own record is retired: that stands after the record it hides, so the hidden one
//!   is gone by then.

use std::collections::HashMap;

use crate::limits::REDACTIONS_MAX;
use crate::seam::{RecordId, UserKey};

/// An id that is hidden, and the segment that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Redaction {
    id: RecordId,
    segment: u32,
}

/// Hidden records of all owners.
#[derive(Debug, Default)]
pub(super) struct Redactions {
    owners: HashMap<UserKey, Vec<Redaction>>,
    count: usize,
}

impl Redactions {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_full(&self) -> bool {
        self.count >= REDACTIONS_MAX
    }

    /// Hidden ids of an owner, in order.
    pub fn of(&self, user: UserKey) -> Vec<RecordId> {
        let hidden = self.owners.get(&user).into_iter().flatten();
        hidden.map(|redaction| redaction.id).collect()
    }

    pub fn contains(&self, user: UserKey, id: RecordId) -> bool {
        let hidden = self.owners.get(&user);
        hidden.is_some_and(|hidden| hidden.binary_search_by_key(&id, |redaction| redaction.id).is_ok())
    }

    pub fn insert(&mut self, user: UserKey, id: RecordId, segment: u32) {
        let hidden = self.owners.entry(user).or_default();
        match hidden.binary_search_by_key(&id, |redaction| redaction.id) {
            Ok(at) => hidden[at].segment = segment,
            Err(at) => {
                hidden.insert(at, Redaction { id, segment });
                self.count += 1;
            }
        }
    }

    /// The owner's archive is gone, and what was hidden in it.
    pub fn forget(&mut self, user: UserKey) {
        self.count -= self.owners.remove(&user).map_or(0, |hidden| hidden.len());
    }

    /// The segments before this one are gone.
    pub fn retire_before(&mut self, segment: u32) {
        self.owners.retain(|_, hidden| {
            hidden.retain(|redaction| redaction.segment >= segment);
            hidden.shrink_to_fit();
            !hidden.is_empty()
        });
        self.count = self.owners.values().map(Vec::len).sum();
    }

    /// User, id and segment of each.
    pub fn iter(&self) -> impl Iterator<Item = (UserKey, RecordId, u32)> {
        let of = |(user, hidden): (&UserKey, &Vec<Redaction>)| {
            let user = *user;
            hidden
                .clone()
                .into_iter()
                .map(move |redaction| (user, redaction.id, redaction.segment))
        };
        self.owners.iter().flat_map(of)
    }
}
