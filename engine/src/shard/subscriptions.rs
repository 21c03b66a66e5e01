//! Subscriptions: RFC 6121 section 3. The state machine itself is in `roster/subscription.rs`; here its outcomes happen.
//!
//! Invariants:
//! - A change of the roster is durable before anybody hears of it: clients, the contact, or the sender's ticket.
//! - Both sides are named by their bare addresses (section 3.1.2).

use bytes::Bytes;
use crosspoint_storage::seam::{BookWrite, Table};

use super::Shard;
use super::mail::Routed;
use super::notices::Notice;
use super::table::SessionId;
use super::user::{User, UserId};
use crate::envelope::{Condition, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::roster::subscription::{Announce, Farewell, Inbound, Kind as Step, Outbound};
use crate::roster::{Change, Item as Contact, Push};
use crate::service::RosterChange;
use crate::session::{Event, Form};
use crate::store;

impl Shard {
    /// A bound session asks or answers a contact.
    pub(super) fn subscription_from(&mut self, uid: UserId, mut routed: Routed) {
        let Some(step) = step_of(routed.envelope.kind) else {
            return;
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        let bare = user.address.clone();
        let contact = routed.envelope.to.to_bare();
        // Nobody subscribes to himself, and the server has no presence.
        if contact.same_bare(&bare) || contact.node().is_none() && contact.domain() == bare.domain() {
            return self.accept(routed.ticket);
        }
        routed.envelope.from = bare.clone();
        routed.envelope.to = contact.clone();
        let Some(present) = user.present_mut() else { return };
        match present.roster.outbound(&contact, step) {
            Ok((outcome, change)) => self.when_durable(uid, &bare, change, move |shard, push| {
                shard.asked(uid, outcome, push, routed);
            }),
            Err(fault) => {
                tracing::debug!(user = %bare, %fault, "subscription refused");
                self.refuse_presence(routed, Condition::NotAcceptable);
            }
        }
    }

    /// What the user did is durable.
    fn asked(&mut self, uid: UserId, outcome: Outbound, push: Option<Push>, mut routed: Routed) {
        let contact = routed.envelope.to.clone();
        if outcome.announce == Some(Announce::Unavailable) {
            self.reveal(uid, &contact, false);
        }
        self.push(uid, push);
        if outcome.route {
            let blocked = self
                .users
                .get(uid)
                .and_then(User::present)
                .is_some_and(|present| present.blocks.blocks(&contact));
            match blocked {
                true => self.accept(routed.ticket.take()),
                false => self.dispatch(routed),
            }
        } else {
            self.accept(routed.ticket.take());
        }
        if outcome.announce == Some(Announce::Available) {
            self.reveal(uid, &contact, true);
        }
    }

    /// A contact asks or answers, past the black list.
    pub(super) fn subscription_arrived(&mut self, uid: UserId, kind: PresenceKind, routed: Routed) {
        let Some(step) = step_of(Kind::Presence(kind)) else {
            return;
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        let (bare, contact) = (user.address.clone(), routed.envelope.from.to_bare());
        let Some(present) = user.present_mut() else {
            return self.accept(routed.ticket);
        };
        let request: Option<Bytes> =
            (step == Step::Subscribe).then(|| store::encode(&routed.envelope, self.now.unix_ms));
        match present.roster.inbound(&contact, step, request.as_ref()) {
            Ok((outcome, change)) => self.when_durable(uid, &bare, change, move |shard, push| {
                shard.answered(uid, outcome, push, routed);
            }),
            Err(fault) => {
                // A stranger's request that finds no room is dropped; he may ask again.
                tracing::debug!(user = %bare, %fault, "subscription request dropped");
                self.accept(routed.ticket);
            }
        }
    }

    /// What the contact did is durable.
    fn answered(&mut self, uid: UserId, outcome: Inbound, push: Option<Push>, routed: Routed) {
        let Routed { envelope, ticket } = routed;
        self.accept(ticket);
        let Some(user) = self.users.get(uid) else { return };
        let (bare, contact) = (user.address.clone(), envelope.from.to_bare());
        if envelope.kind == Kind::Presence(PresenceKind::Subscribed) && outcome.deliver {
            self.notices.push_back(Notice::Subscribed {
                user: bare.clone(),
                contact: contact.clone(),
            });
        }
        let Some(user) = self.users.get(uid) else { return };
        if outcome.deliver {
            let asks = envelope.kind == Kind::Presence(PresenceKind::Subscribe);
            let hears = user.resources.iter().filter(|resource| match asks {
                true => resource.presence.is_some(),
                false => resource.roster_interest,
            });
            let hears: Vec<SessionId> = hears.map(|resource| resource.session).collect();
            for session in hears {
                self.deliver(session, &envelope, Form::Plain, None);
            }
        }
        if outcome.announce == Some(Announce::Unavailable) {
            self.reveal(uid, &contact, false);
        }
        if let Some(step) = outcome.auto_reply {
            self.dispatch_free(Envelope::neutral(bare, contact.clone(), Kind::Presence(kind_of(step))));
        }
        self.push(uid, push);
        if outcome.announce == Some(Announce::Available) {
            self.reveal(uid, &contact, true);
        }
    }

    /// Writes a change of a roster to the book; goes on, with what the clients are to be told, when that is durable.
    pub(super) fn when_durable(
        &mut self,
        uid: UserId,
        user: &Jid,
        change: Change,
        then: impl FnOnce(&mut Shard, Option<Push>) + Send + 'static,
    ) {
        let (batch, push) = (writes_of(user, &change), change.push);
        if batch.is_empty() {
            return then(self, push);
        }
        self.pin(uid);
        self.commit_here(batch, move |shard, result| {
            if result.is_ok() {
                then(shard, push);
            }
            shard.unpin(uid);
        });
    }

    /// Tells the clients that have asked for the roster (section 2.1.6).
    pub(super) fn push(&mut self, uid: UserId, push: Option<Push>) {
        let (Some(push), Some(user)) = (push, self.users.get(uid)) else {
            return;
        };
        let hears = user.resources.iter().filter(|resource| resource.roster_interest);
        let hears: Vec<SessionId> = hears.map(|resource| resource.session).collect();
        let removed = push.item.is_none();
        let item = push.item.unwrap_or_else(|| Contact::stranger(&push.jid));
        let change = RosterChange {
            user: user.address.to_bare(),
            item: item.clone(),
            removed,
            version: push.version,
        };
        self.note_roster_change(change);
        for session in hears {
            self.event(
                session,
                Event::RosterPush {
                    item: item.clone(),
                    removed,
                    version: push.version,
                },
            );
        }
    }

    /// What a contact is sent when it is removed (section 2.5.2).
    pub(super) fn part(&mut self, uid: UserId, contact: &Jid, farewell: Farewell) {
        let Some(user) = self.users.get(uid) else { return };
        let bare = user.address.clone();
        if farewell.unavailable {
            self.reveal(uid, contact, false);
        }
        for (said, kind) in [
            (farewell.unsubscribe, PresenceKind::Unsubscribe),
            (farewell.unsubscribed, PresenceKind::Unsubscribed),
        ] {
            if said {
                self.dispatch_free(Envelope::neutral(bare.clone(), contact.clone(), Kind::Presence(kind)));
            }
        }
    }

    /// A request that waited for the user: as it came if it was kept, else made anew.
    pub(super) fn stored_request(&self, contact: &Jid, user: &Jid, kept: Option<&Bytes>) -> Envelope {
        let read = kept.and_then(|kept| store::decode(store::ENVELOPE_VERSION, kept).ok());
        let made = || Envelope::neutral(contact.clone(), user.clone(), Kind::Presence(PresenceKind::Subscribe));
        Envelope {
            stamp_ms: None,
            stable: None,
            ..read.unwrap_or_else(made)
        }
    }
}

/// The rows that a change of a roster changes.
fn writes_of(user: &Jid, change: &Change) -> Vec<BookWrite> {
    let table = Table::Roster;
    let mut batch = Vec::with_capacity(2);
    if let Some((contact, row)) = &change.item_write {
        let key = store::part_key(user, contact.as_str());
        batch.push(match row {
            Some(value) => BookWrite::Put {
                table,
                key,
                value: value.clone(),
            },
            None => BookWrite::Delete { table, key },
        });
    }
    if let Some(header) = &change.header_write {
        batch.push(BookWrite::Put {
            table,
            key: store::user_prefix(user),
            value: header.clone(),
        });
    }
    batch
}

fn step_of(kind: Kind) -> Option<Step> {
    match kind {
        Kind::Presence(PresenceKind::Subscribe) => Some(Step::Subscribe),
        Kind::Presence(PresenceKind::Subscribed) => Some(Step::Subscribed),
        Kind::Presence(PresenceKind::Unsubscribe) => Some(Step::Unsubscribe),
        Kind::Presence(PresenceKind::Unsubscribed) => Some(Step::Unsubscribed),
        _ => None,
    }
}

fn kind_of(step: Step) -> PresenceKind {
    match step {
        Step::Subscribe => PresenceKind::Subscribe,
        Step::Subscribed => PresenceKind::Subscribed,
        Step::Unsubscribe => PresenceKind::Unsubscribe,
        Step::Unsubscribed => PresenceKind::Unsubscribed,
    }
}
