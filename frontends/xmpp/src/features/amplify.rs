//! What one request may set in motion: everything that a user has the server say to the user's contacts is paid for.
//!
//! ```text
//!   publishing, retracting, a new card:  1 for each contact who sees the user, and 1
//!   asking contacts for last items:      1 for each contact whom the user sees
//! ```
//! Invariants:
//! - A user's burst is [`EVENTS_BURST`], what follows is [`EVENTS_PER_S`]. A request beyond is refused and may be repeated; last
//!   items beyond are shed.
//! - Only users who owe something have an entry; there are at most [`DEBTORS_MAX`].

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::guard::{Bucket, Rate};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::{Handler, private, pubsub, vcard};

/// Events that a user may cause in a second...
pub const EVENTS_PER_S: NonZeroU32 = NonZeroU32::new(5_000).unwrap();
/// ...after so many at once.
pub const EVENTS_BURST: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
/// Users of one shard who have caused more than that lately.
pub const DEBTORS_MAX: usize = 65_536;

const RATE: Rate = Rate::per_second(EVENTS_PER_S, EVENTS_BURST);
/// What is paid for.
const PAID: [&str; 4] = [pubsub::NS, pubsub::NS_OWNER, vcard::NS, private::NS];

/// Who owes how much. One shard's alone; the lock is never contended.
#[derive(Clone, Default)]
pub(super) struct Debts(Arc<Mutex<HashMap<Jid, Bucket>>>);

impl Debts {
    /// A change by this handler, of what belongs to the account, at the request of somebody.
    pub fn pay(&self, handler: &Handler, who: &Jid, account: &Jid, host: &dyn Host) -> Result<(), Condition> {
        if handler.kind != crosspoint_engine::envelope::QueryKind::Set || !PAID.contains(&handler.ns) {
            return Ok(());
        }
        let contacts = host.roster(account).map_or(0, |roster| roster.subscribers().count());
        self.take(who, 1 + contacts, host)
    }

    /// Whether so many contacts may be asked for something on behalf of this user.
    pub fn take(&self, who: &Jid, events: usize, host: &dyn Host) -> Result<(), Condition> {
        let now = host.now().ms;
        let who = who.to_bare();
        let mut debts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if debts.len() >= DEBTORS_MAX && !debts.contains_key(&who) {
            debts.retain(|_, bucket| !bucket.is_full(now));
            if debts.len() >= DEBTORS_MAX {
                return Err(Condition::ResourceConstraint);
            }
        }
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(EVENTS_BURST.get());
        let bucket = debts.entry(who.detached()).or_default();
        bucket
            .take(RATE, events, now)
            .map_err(|_| Condition::ResourceConstraint)
    }
}
