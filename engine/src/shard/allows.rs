//! The user edits its white list (`admitting.rs`). What the list does is said where things arrive (`router.rs`).

use crosspoint_storage::seam::{BookWrite, Table};

use super::Shard;
use super::table::SessionId;
use super::user::{Present, UserId};
use crate::admitting::{self, AllowList};
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::service::{Admission, Then};
use crate::session::Event;
use crate::slots::UserKey;
use crate::store;

impl Present {
    /// Whether the user's white list keeps this address from it. Contacts are always admitted.
    pub(super) fn keeps_out(&self, from: &Jid) -> bool {
        let Some(list) = self.allows().filter(|list| list.in_force()) else {
            return false;
        };
        !list.names(from) && !self.roster.get(from).is_some_and(|item| item.listed)
    }
}

impl Shard {
    /// For handlers: changes the white list, then pushes the change to the sessions that hear of such.
    pub(super) fn change_admission(&mut self, user: &Jid, change: Admission, then: Then) {
        let user = user.to_bare();
        let found = self.users.find(UserKey::of(&user), &user);
        let Some((uid, present)) = found.and_then(|uid| Some((uid, self.users.get_mut(uid)?.present_mut()?))) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        let mut list: AllowList = present.allows().cloned().unwrap_or_default();
        match &change {
            Admission::Add(addresses) => {
                if list.add(addresses.iter().cloned()).is_err() {
                    return then(Err(Condition::ResourceConstraint), self);
                }
            }
            Admission::Remove(addresses) => list.remove(addresses),
            Admission::Enforce(in_force) => drop(list.enforce(*in_force)),
        }
        let key = store::part_key(&user, admitting::PART);
        let table = Table::Document;
        let (write, kept) = match list.is_trivial() {
            true => (BookWrite::Delete { table, key }, None),
            false => {
                let value = list.encode();
                (BookWrite::Put { table, key, value }, Some(list))
            }
        };
        present.set_allows(kept);
        self.pin(uid);
        self.commit_here(vec![write], move |shard, result| {
            if result.is_ok() {
                shard.push_admission(uid, &change);
            }
            shard.unpin(uid);
            then(result, shard);
        });
    }

    fn push_admission(&mut self, uid: UserId, change: &Admission) {
        let Some(user) = self.users.get(uid) else { return };
        let hears = user.resources.iter().filter(|resource| resource.block_interest);
        let hears: Vec<SessionId> = hears.map(|resource| resource.session).collect();
        for session in hears {
            self.event(session, Event::AdmissionPush(change.clone()));
        }
    }
}
