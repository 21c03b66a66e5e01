//! The user edits its black list: XEP-0191, in neutral words. What the list does is said where things arrive and leave
//! (`router.rs`, `messages.rs`, `presence.rs`, `queries.rs`).

use bytes::Bytes;
use crosspoint_storage::seam::{BookWrite, Table};

use super::Shard;
use super::table::SessionId;
use super::user::UserId;
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::service::Then;
use crate::session::Event;
use crate::slots::UserKey;
use crate::store;

impl Shard {
    /// For handlers: blocks addresses. Contacts among them see the user go offline (section 3.3).
    pub(super) fn block_addresses(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        let user = user.to_bare();
        let found = self.users.find(UserKey::of(&user), &user);
        let Some((uid, present)) = found.and_then(|uid| Some((uid, self.users.get_mut(uid)?.present_mut()?))) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        let Ok(added) = present.blocks.block(addresses.iter().map(Jid::detached)) else {
            return then(Err(Condition::ResourceConstraint), self);
        };
        let cut_off: Vec<Jid> = self
            .watchers(uid)
            .into_iter()
            .filter(|watcher| added.iter().any(|entry| covers(entry, watcher)))
            .collect();
        for watcher in cut_off {
            self.reveal(uid, &watcher, false);
        }
        let put = |entry: &Jid| BookWrite::Put {
            table: Table::Block,
            key: store::part_key(&user, entry.as_str()),
            value: Bytes::new(),
        };
        let batch = added.iter().map(put).collect();
        self.write_blocks(uid, batch, addresses, true, then);
    }

    /// For handlers: unblocks addresses, or all. Contacts among them see the user again.
    pub(super) fn unblock_addresses(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        let user = user.to_bare();
        let found = self.users.find(UserKey::of(&user), &user);
        let Some((uid, present)) = found.and_then(|uid| Some((uid, self.users.get_mut(uid)?.present_mut()?))) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        let removed = match addresses.is_empty() {
            true => present.blocks.unblock_all(),
            false => present.blocks.unblock(&addresses),
        };
        let seeing: Vec<Jid> = self
            .watchers(uid)
            .into_iter()
            .filter(|watcher| removed.iter().any(|entry| covers(entry, watcher)))
            .collect();
        let delete = |entry: &Jid| BookWrite::Delete {
            table: Table::Block,
            key: store::part_key(&user, entry.as_str()),
        };
        let batch = removed.iter().map(delete).collect();
        self.write_blocks(uid, batch, addresses, false, then);
        for watcher in seeing {
            let hidden = self
                .users
                .get(uid)
                .and_then(|user| user.present())
                .is_some_and(|present| present.blocks.blocks(&watcher));
            if !hidden {
                self.reveal(uid, &watcher, true);
            }
        }
    }

    /// Durable first, then the pushes to the sessions that have asked for the list, then the answer.
    fn write_blocks(&mut self, uid: UserId, batch: Vec<BookWrite>, addresses: Vec<Jid>, blocked: bool, then: Then) {
        if batch.is_empty() {
            self.push_blocks(uid, addresses, blocked);
            return then(Ok(()), self);
        }
        self.pin(uid);
        self.commit_here(batch, move |shard, result| {
            if result.is_ok() {
                shard.push_blocks(uid, addresses, blocked);
            }
            shard.unpin(uid);
            then(result, shard);
        });
    }

    fn push_blocks(&mut self, uid: UserId, addresses: Vec<Jid>, blocked: bool) {
        let Some(user) = self.users.get(uid) else { return };
        let hears = user.resources.iter().filter(|resource| resource.block_interest);
        let hears: Vec<SessionId> = hears.map(|resource| resource.session).collect();
        for session in hears {
            self.event(
                session,
                Event::BlockPush {
                    addresses: addresses.clone(),
                    blocked,
                },
            );
        }
    }

    /// Everybody who sees the user's presence by subscription.
    fn watchers(&self, uid: UserId) -> Vec<Jid> {
        let Some(present) = self.users.get(uid).and_then(|user| user.present()) else {
            return Vec::new();
        };
        present.roster.subscribers().cloned().collect()
    }
}

/// Whether an entry of the list covers a bare address.
fn covers(entry: &Jid, watcher: &Jid) -> bool {
    entry == watcher || entry.as_str() == watcher.domain()
}
