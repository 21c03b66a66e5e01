//! What the shard does for the handlers of a front-end: [`Host`].

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, BookWrite, Table};

use super::Shard;
use super::ledger::Outcome;
use super::queries;
use super::user::{Present, Resource, User};
use crate::administration::{Order, Service, ThenReport};
use crate::admitting::AllowList;
use crate::archiving::Preferences;
use crate::blocking::BlockList;
use crate::envelope::{Condition, Envelope};
use crate::jid::Jid;
use crate::roster::Roster;
use crate::service::{
    Admission, Direction, Host, RoomsWanted, Span, Then, ThenAnswer, ThenHistory, ThenLookedUp, ThenRoomHistory,
    ThenRooms, ThenRows,
};
use crate::session::Now;
use crate::slots::UserKey;
use crate::stable::StableId;
use crate::store::RecordId;

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
        self.present_at(user)?.allows()
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
        self.user_at(user)?.last_seen_unix_ms.map(u64::from)
    }

    fn set_copies(&mut self, session: &Jid, enabled: bool) {
        if let Some(resource) = self.resource_at(session) {
            resource.copies = enabled;
        }
    }

    fn is_behind(&self, session: &Jid) -> bool {
        let user = self.user_at(session);
        let resource = user.and_then(|user| user.resources.iter().find(|resource| resource.address == *session));
        resource.is_some_and(|resource| self.is_slow(resource.session))
    }

    fn history(&mut self, user: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenHistory) {
        self.read_history(user, span, direction, messages_max, then);
    }

    fn archiving(&self, user: &Jid) -> Option<&Preferences> {
        self.present_at(user)?.archiving()
    }

    fn set_archiving(&mut self, user: &Jid, wishes: Preferences, then: Then) {
        self.set_preferences(user, wishes, then);
    }

    fn stable_id(&self, record: RecordId) -> StableId {
        self.stable.hide(record)
    }

    fn record_of(&self, id: StableId) -> RecordId {
        self.stable.reveal(id)
    }

    fn rooms_domain(&self) -> Option<&Jid> {
        self.setup.rooms.as_ref().map(|rooms| &rooms.domain)
    }

    fn rooms(&mut self, wanted: RoomsWanted, then: ThenRooms) {
        self.list_rooms(wanted, then);
    }

    fn room_history(&mut self, room: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenRoomHistory) {
        self.read_room_history(room, span, direction, messages_max, then);
    }

    fn neutral(&self, envelope: &Envelope) -> Option<Envelope> {
        self.in_neutral_words(envelope)
    }

    fn read(&mut self, table: Table, key: Bytes, then: ThenRows) {
        let reads = vec![BookRead::Get { table, key }];
        let first = |mut results: Vec<_>| results.pop().unwrap_or_default();
        self.look_up(reads, Box::new(move |rows, host| then(rows.map(first), host)));
    }

    fn badge(&self, user: &Jid) -> Option<Bytes> {
        self.present_at(user)?.badge().cloned()
    }

    fn set_badge(&mut self, user: &Jid, badge: Option<Bytes>, then: Then) {
        self.change_badge(user, badge, then);
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

    fn take_turn(&mut self, user: &Jid, then: Then) {
        self.begin_turn(user, then);
    }

    fn end_turn(&mut self, user: &Jid) {
        self.finish_turn(user);
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

    fn is_administrator(&self, who: &Jid) -> bool {
        let configured = &self.setup.administration.administrators;
        configured.iter().any(|named| named.same_bare(who)) || self.service.administrators.blocks(who)
    }

    fn standing(&self) -> &Service {
        &self.service
    }

    fn administer(&mut self, order: Order, then: ThenReport) {
        self.give_order(order, Box::new(|shard, told| then(told, shard)));
    }
}
