//! How often a session may show itself anew. Each time everybody who sees its user is told, so a change of twenty bytes costs as
//! many envelopes as there are of those.
//!
//! Invariants:
//! - A user pays for each of them ([`Limits::presence_tells_burst`](crate::limits::Limits::presence_tells_burst), and so many a second).
//! - What a session shows beyond that waits, the latest in place of what waited before, until it can be paid for: nothing of what a
//!   session shows in the end is lost, and everything is told in its order.
//! - A session that ends is gone at once, whatever waited.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::Shard;
use super::table::SessionId;
use crate::envelope::Envelope;
use crate::guard::{Budgets, Rate};
use crate::limits::Limits;
use crate::slots::UserKey;

/// Users who owe something that are told apart.
const DEBTORS_MAX: usize = 8_192;

/// What is owed, and what waits.
pub(super) struct Showing {
    budgets: Budgets,
    late: BTreeMap<SessionId, (Envelope, i8)>,
}

impl Showing {
    pub(super) fn new(limits: &Limits, seed: u64) -> Showing {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let rate = Rate::per_second(
            number(limits.presence_tells_per_second),
            number(limits.presence_tells_burst),
        );
        Showing {
            budgets: Budgets::new(rate, DEBTORS_MAX, seed),
            late: BTreeMap::new(),
        }
    }

    /// The session is over, or another one goes on with it.
    pub(super) fn forget(&mut self, id: SessionId) -> Option<(Envelope, i8)> {
        self.late.remove(&id)
    }

    pub(super) fn inherit(&mut self, old: SessionId, new: SessionId) {
        if let Some(waiting) = self.forget(old) {
            self.late.insert(new, waiting);
        }
    }
}

impl Shard {
    /// A session shows itself to all who may see it: now, or when that can be paid for.
    pub(super) fn shows_itself(&mut self, id: SessionId, mut envelope: Envelope, priority: i8) {
        let waits = self.showing.late.contains_key(&id);
        if !waits && self.pays_for_showing(id) {
            return self.presence_changed(id, envelope, priority);
        }
        // Without a hold on the bytes among which it arrived.
        envelope.compact();
        self.showing.late.insert(id, (envelope, priority));
    }

    fn pays_for_showing(&mut self, id: SessionId) -> bool {
        let user = self.sessions.get(id).and_then(|entry| self.users.get(entry.user?));
        let Some(user) = user else { return true };
        let contacts = user.present().map_or(0, |present| present.roster.len());
        let told = u32::try_from(contacts + user.resources.len()).unwrap_or(u32::MAX);
        let key = UserKey::of(&user.address).0.to_le_bytes();
        self.showing.budgets.take(key, told, self.now.ms).is_ok()
    }

    /// Tells what waited, as far as it can be paid for now.
    pub(super) fn tell_late(&mut self) {
        let waiting: Vec<SessionId> = self.showing.late.keys().copied().collect();
        for id in waiting {
            if self.pays_for_showing(id)
                && let Some((envelope, priority)) = self.showing.forget(id)
            {
                self.presence_changed(id, envelope, priority);
            }
        }
    }
}
