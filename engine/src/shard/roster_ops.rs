//! The user edits its roster: RFC 6121 sections 2.3 to 2.5.

use super::Shard;
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::roster::RosterFault;
use crate::roster::subscription;
use crate::service::Then;
use crate::slots::UserKey;

impl Shard {
    /// For handlers: adds a contact or changes its name and groups.
    pub(super) fn set_contact(&mut self, user: &Jid, contact: &Jid, name: &str, groups: Vec<String>, then: Then) {
        let found = self.users.find(UserKey::of(user), user);
        let Some((uid, present)) = found.and_then(|uid| Some((uid, self.users.get_mut(uid)?.present_mut()?))) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        match present.roster.set(&contact.to_bare(), name.to_owned(), groups) {
            Ok(change) => {
                let user = user.to_bare();
                self.when_durable(uid, &user, change, move |shard, push| {
                    shard.push(uid, push);
                    then(Ok(()), shard);
                });
            }
            Err(fault) => then(Err(condition_of(fault)), self),
        }
    }

    /// For handlers: removes a contact, with all that this implies.
    pub(super) fn remove_contact(&mut self, user: &Jid, contact: &Jid, then: Then) {
        let found = self.users.find(UserKey::of(user), user);
        let Some((uid, present)) = found.and_then(|uid| Some((uid, self.users.get_mut(uid)?.present_mut()?))) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        match present.roster.remove(&contact.to_bare()) {
            Ok((change, farewell)) => {
                let (user, contact) = (user.to_bare(), contact.to_bare());
                self.when_durable(uid, &user, change, move |shard, push| {
                    shard.part(uid, &contact, farewell);
                    shard.push(uid, push);
                    then(Ok(()), shard);
                });
            }
            Err(fault) => then(Err(condition_of(fault)), self),
        }
    }

    /// The account is about to go: its contacts are told.
    pub(super) fn cancel_subscriptions(&mut self, user: &Jid) {
        let Some(uid) = self.users.find(UserKey::of(user), user) else {
            return;
        };
        let Some(present) = self.users.get(uid).and_then(|user| user.present()) else {
            return;
        };
        let mut partings: Vec<_> = present
            .roster
            .items()
            .map(|item| (item.jid.clone(), subscription::removal(item.state)))
            .collect();
        partings.extend(
            present
                .roster
                .requests()
                .map(|item| (item.jid.clone(), subscription::removal(item.state))),
        );
        partings.dedup_by(|a, b| a.0 == b.0);
        for (contact, farewell) in partings {
            self.part(uid, &contact, farewell);
        }
    }
}

fn condition_of(fault: RosterFault) -> Condition {
    match fault {
        RosterFault::ItemNotFound => Condition::ItemNotFound,
        RosterFault::GroupTwice => Condition::BadRequest,
        RosterFault::RosterFull | RosterFault::RequestsFull => Condition::ResourceConstraint,
        RosterFault::NameTooLong | RosterFault::GroupEmpty | RosterFault::GroupTooLong | RosterFault::GroupsTooMany => {
            Condition::NotAcceptable
        }
    }
}
