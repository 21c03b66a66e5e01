//! What the shard does for the handlers of a front-end: [`Host`].

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, BookWrite, Table};

use super::Shard;
use super::ledger::Outcome;
use super::queries;
use super::user::{Present, Resource, User};
use crate::admitting::AllowList;
use crate::blocking::BlockList;
use crate::envelope::{Condition, Envelope};
use crate::jid::Jid;
use crate::roster::Roster;
use crate::service::{Admission, Direction, Host, Span, Then, ThenAnswer, ThenHistory, ThenLookedUp, ThenRows};
use crate::session::Now;
use crate::slots::UserKey;

impl Shard {
    pub(super) fn user_at(&self, address: &Jid) -> Option<&User> {
        self.users.get(self.users.find(UserKey::of(address), address)?)
    }

    pub(super) fn user_at_mut(&mut self, address: &Jid) -> Option<&mut User> {
        self.users.get_mut(self.users.find(UserKey::of(address), address)?)
    }

    pub(super) fn present_at(&self, address: &Jid) -> Option<&Present> {
        self.user_at(address)?.present()
    }

    fn resource_at(&mut self, session: &Jid) -> Option<&mut Resource> {
        let user = self.user_at_mut(session)?;
        user.resources.iter_mut().find(|resource| resource.address == *session)
    }

    /// Writes to the book and goes on when it is durable.
    pub(super) fn commit(&mut self, batch: Vec<BookWrite>, then: Then) {
        self.commit_here(batch, move |shard, result| then(result, shard));
    }
}

impl Host for Shard {
    fn now(&self) -> Now {
        self.now
    }

    fn domain(&self) -> &Jid {
        &self.setup.domain
    }

    fn send(&mut self, envelope: Envelope) {
        self.dispatch_free(envelope);
    }

    fn exists(&self, user: &Jid) -> bool {
        self.present_at(user).is_some()
    }

    fn roster(&self, user: &Jid) -> Option<&Roster> {
        Some(&self.present_at(user)?.roster)
    }

    fn roster_interest(&mut self, session: &Jid) {
        if let Some(resource) = self.resource_at(session) {
            resource.roster_interest = true;
        }
    }

    fn roster_set(&mut self, user: &Jid, contact: &Jid, name: &str, groups: Vec<String>, then: Then) {
        self.set_contact(user, contact, name, groups, then);
    }

    fn roster_remove(&mut self, user: &Jid, contact: &Jid, then: Then) {
        self.remove_contact(user, contact, then);
    }

    fn blocks(&self, user: &Jid) -> Option<&BlockList> {
        Some(&self.present_at(user)?.blocks)
    }

    fn block_interest(&mut self, session: &Jid) {
        if let Some(resource) = self.resource_at(session) {
            resource.block_interest = true;
        }
    }

    fn block(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        self.block_addresses(user, addresses, then);
    }

    fn unblock(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        self.unblock_addresses(user, addresses, then);
    }

    fn admission(&self, user: &Jid) -> Option<&AllowList> {
        self.present_at(user)?.allows.as_deref()
    }

    fn admit(&mut self, user: &Jid, change: Admission, then: Then) {
        self.change_admission(user, change, then);
    }

    fn may_see(&self, user: &Jid, other: &Jid) -> bool {
        self.user_at(user).is_some_and(|user| queries::may_see(user, other))
    }

    fn available(&self, user: &Jid) -> Vec<(Jid, i8)> {
        let Some(user) = self.user_at(user) else {
            return Vec::new();
        };
        user.available()
            .map(|(resource, priority)| (resource.address.clone(), priority))
            .collect()
    }

    fn last_seen(&self, user: &Jid) -> Option<u64> {
        self.user_at(user)?.last_seen_unix_ms
    }

    fn set_copies(&mut self, session: &Jid, enabled: bool) {
        if let Some(resource) = self.resource_at(session) {
            resource.copies = enabled;
        }
    }

    fn history(&mut self, user: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenHistory) {
        self.read_history(user, span, direction, messages_max, then);
    }

    fn neutral(&self, envelope: &Envelope) -> Option<Envelope> {
        self.in_neutral_words(envelope)
    }

    fn read(&mut self, table: Table, key: Bytes, then: ThenRows) {
        let reads = vec![BookRead::Get { table, key }];
        let first = |mut results: Vec<_>| results.pop().unwrap_or_default();
        self.look_up(reads, Box::new(move |rows, host| then(rows.map(first), host)));
    }

    fn look_up(&mut self, reads: Vec<BookRead>, then: ThenLookedUp) {
        let token = self.expect(move |shard, outcome| {
            let rows = match outcome {
                Outcome::Rows(results) => Ok(results),
                _ => Err(Condition::InternalServerError),
            };
            then(rows, shard);
        });
        self.outgoing.book.push(BookRequest::Read { token, reads });
    }

    fn inquire(&mut self, query: Envelope, then: ThenAnswer) {
        self.begin_inquiry(query, then);
    }

    fn write(&mut self, batch: Vec<BookWrite>, then: Then) {
        self.commit(batch, then);
    }

    fn set_password(&mut self, user: &Jid, password: String, then: Then) {
        self.change_password(user, password, then);
    }

    fn remove_account(&mut self, user: &Jid, then: Then) {
        self.delete_account(user, then);
    }

    fn register(&mut self, account: &Jid, password: String, then: Then) {
        self.create_account(account, password, then);
    }
}
