//! Badges: a few bytes of a user that a front-end puts into every presence that the user's sessions show (XEP-0398).
//!
//! ```text
//! Table::Setting   user NUL badge   ->  the bytes, which the engine does not read
//! ```
//! Invariants:
//! - Whoever sees a session's presence sees it with the badge that the user had then; a new badge is shown at once.
//! - A badge is at most [`BADGE_BYTES_MAX`] bytes, and is shown when it is durable.

use bytes::Bytes;
use crosspoint_storage::seam::{BookWrite, Table};

use super::Shard;
use super::table::SessionId;
use super::user::{Shown, User, UserId};
use crate::envelope::{Condition, Envelope};
use crate::jid::Jid;
use crate::service::Then;
use crate::slots::UserKey;
use crate::store;

/// The second part of the row's key.
pub(super) const PART: &str = "badge";
/// Longest badge, in bytes.
pub const BADGE_BYTES_MAX: usize = 256;

impl Shard {
    /// Puts the user's badge into a presence that one of its sessions shows.
    pub(super) fn dress(&self, id: SessionId, uid: UserId, presence: &mut Envelope) {
        let badge = self
            .users
            .get(uid)
            .and_then(User::present)
            .and_then(|present| present.badge());
        if let Some(badge) = badge {
            self.dress_with(id, badge, presence);
        }
    }

    fn dress_with(&self, id: SessionId, badge: &[u8], presence: &mut Envelope) {
        let frontend = self.sessions.get(id).map(|entry| usize::from(entry.frontend));
        let Some((codec, dresser)) =
            frontend.and_then(|index| Some((self.codecs.get(index)?.0, self.dressers.get(index)?)))
        else {
            return;
        };
        if presence.content.codec == codec {
            dresser(presence, badge);
        }
    }

    /// For handlers: gives the user another badge, or none.
    pub(super) fn change_badge(&mut self, user: &Jid, badge: Option<Bytes>, then: Then) {
        let user = user.to_bare();
        let Some(uid) = self.users.find(UserKey::of(&user), &user) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        if badge.as_ref().is_some_and(|badge| badge.len() > BADGE_BYTES_MAX) {
            return then(Err(Condition::NotAcceptable), self);
        }
        let (table, key) = (Table::Setting, store::part_key(&user, PART));
        let write = match badge.clone() {
            Some(value) => BookWrite::Put { table, key, value },
            None => BookWrite::Delete { table, key },
        };
        self.pin(uid);
        self.commit_here(vec![write], move |shard, result| {
            if result.is_ok() {
                shard.wear(uid, badge);
            }
            shard.unpin(uid);
            then(result, shard);
        });
    }

    /// From now on the sessions show this, beginning with what they show now.
    fn wear(&mut self, uid: UserId, badge: Option<Bytes>) {
        let Some(present) = self.users.get_mut(uid).and_then(User::present_mut) else {
            return;
        };
        if present.badge() == badge.as_ref() {
            return;
        }
        present.set_badge(badge.clone());
        let Some(user) = self.users.get(uid) else { return };
        let bare = user.address.clone();
        let shown: Vec<_> = user
            .available()
            .filter_map(|(resource, priority)| Some((resource.session, resource.shows(&bare)?, priority)))
            .collect();
        for (id, mut presence, priority) in shown {
            let before = presence.content.body.clone();
            self.dress_with(id, badge.as_deref().unwrap_or_default(), &mut presence);
            if presence.content.body == before {
                continue;
            }
            if let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(id)) {
                resource.presence = Some(Shown::new(&presence, priority));
            }
            self.broadcast(uid, &presence);
        }
    }
}
