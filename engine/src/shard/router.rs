//! From an envelope to the place where it is decided: this server itself, the addressee's home, or elsewhere.
//!
//! Invariant: a ticket is answered exactly once on every path.

use super::Shard;
use super::mail::{Item, Routed};
use super::table::SessionId;
use super::user::{State, UserId};
use crate::envelope::{Condition, Envelope, Kind, MessageKind, PresenceKind, QueryKind};
use crate::session::Form;
use crate::slots::UserKey;

impl Shard {
    /// Sends an envelope on its way to its addressee.
    pub(super) fn dispatch(&mut self, routed: Routed) {
        let to = &routed.envelope.to;
        if !to.same_domain(&self.setup.domain) {
            if self.is_rooms_domain(to) {
                return self.send_to_room(routed, None);
            }
            return match self.is_service(to.domain()) {
                true => self.forward_to_service(routed),
                false => self.elsewhere(routed),
            };
        }
        if !to.has_node() {
            return self.arrive_at_server(routed);
        }
        let key = UserKey::of(to);
        let home = self.home_of(key);
        if home == self.id {
            self.arrive_at(key, routed);
        } else {
            self.outgoing.lanes[home as usize].push(Item::Route(routed));
        }
    }

    /// Like `dispatch`, for what the server itself says and nobody waits for.
    pub(super) fn dispatch_free(&mut self, envelope: Envelope) {
        self.dispatch(Routed { envelope, ticket: None });
    }

    /// An envelope whose addressee lives here.
    pub(super) fn arrive(&mut self, routed: Routed) {
        let to = &routed.envelope.to;
        if !to.same_domain(&self.setup.domain) && self.is_service(to.domain()) {
            return self.arrive_at_service(routed);
        }
        if !to.has_node() {
            // What was asked here in the name of the domain was answered elsewhere.
            return self.arrive_at_server(routed);
        }
        let key = UserKey::of(to);
        self.arrive_at(key, routed);
    }

    fn arrive_at(&mut self, key: UserKey, routed: Routed) {
        let uid = match self.users.find(key, &routed.envelope.to) {
            Some(uid) => uid,
            None => self.load(key, &routed.envelope.to.to_bare().detached()),
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        match &mut user.state {
            State::Present(_) => self.decide(uid, routed),
            State::Absent => self.nobody(routed),
            State::Loading(loading) => {
                if loading.parked.len() < self.setup.limits.parked_per_user {
                    let mut routed = routed;
                    routed.envelope.compact();
                    loading.parked.push(routed);
                } else {
                    self.refuse_routed(routed, Condition::ResourceConstraint);
                }
            }
        }
    }

    /// The addressee is in memory: its black and white list speak first (XEP-0191 section 3.2), then the rules of the kind.
    pub(super) fn decide(&mut self, uid: UserId, routed: Routed) {
        let Some(user) = self.users.get(uid) else { return };
        let from = &routed.envelope.from;
        let blocked = user
            .present()
            .is_some_and(|present| present.blocks.blocks(from) || present.keeps_out(from))
            && !from.same_bare(&user.address);
        // What comes back from here, says who may hear nobody why.
        let answers = routed.envelope.error.is_some();
        if !answers && self.service.parts(from, &routed.envelope.to, &self.setup.domain) {
            return self.refuse_blocked(routed);
        }
        if blocked && from.domain() != from.as_str() {
            return self.refuse_blocked(routed);
        }
        match routed.envelope.kind {
            Kind::Message(kind) => {
                self.metrics.messages.add(1);
                let bytes = routed.envelope.content.body.len();
                crosspoint_probes::message_routed(self.id.into(), bytes, routed.ticket.is_some());
                self.message_arrived(uid, kind, routed);
            }
            Kind::Presence(kind) => {
                self.metrics.presences.add(1);
                self.presence_arrived(uid, kind, routed);
            }
            Kind::Query(kind) => {
                self.metrics.queries.add(1);
                self.query_arrived(uid, kind, routed);
            }
        }
    }

    fn refuse_blocked(&mut self, routed: Routed) {
        match routed.envelope.kind {
            Kind::Presence(_) => self.accept(routed.ticket),
            _ => self.refuse_routed(routed, Condition::ServiceUnavailable),
        }
    }

    /// There is no such account (RFC 6121 section 8.5.1): nothing may tell it from one that does not listen.
    pub(super) fn nobody(&mut self, routed: Routed) {
        match routed.envelope.kind {
            Kind::Message(MessageKind::Headline | MessageKind::Error) | Kind::Presence(_) => self.accept(routed.ticket),
            // Asked about an account that does not exist, the front-end says what it would say to a stranger.
            Kind::Query(QueryKind::Get | QueryKind::Set) if routed.envelope.to.is_bare() => {
                self.accept(routed.ticket);
                self.serve(routed.envelope);
            }
            _ => self.refuse_routed(routed, Condition::ServiceUnavailable),
        }
    }

    /// Sends it back as an error, where errors are sent, and answers the ticket.
    pub(super) fn refuse_routed(&mut self, routed: Routed, condition: Condition) {
        self.accept(routed.ticket);
        self.bounce(routed.envelope, condition);
    }

    /// Like `refuse_routed`, straight to the session that asked: on its way the answer would seem to come from an address
    /// that the user has blocked.
    pub(super) fn refuse_session(&mut self, id: SessionId, routed: Routed, condition: Condition) {
        self.accept(routed.ticket);
        if let Some(answer) = routed.envelope.bounce(condition) {
            self.metrics.bounced.add(1);
            self.deliver(id, &answer, Form::Plain, None);
        }
    }

    pub(super) fn bounce(&mut self, envelope: Envelope, condition: Condition) {
        if let Some(answer) = envelope.bounce(condition) {
            self.metrics.bounced.add(1);
            self.dispatch_free(answer);
        }
    }

    /// To the domain itself.
    pub(super) fn arrive_at_server(&mut self, routed: Routed) {
        match routed.envelope.kind {
            Kind::Query(QueryKind::Get | QueryKind::Set) if routed.envelope.to.is_bare() => {
                self.metrics.queries.add(1);
                self.accept(routed.ticket);
                self.serve(routed.envelope);
            }
            Kind::Query(QueryKind::Result | QueryKind::Error) => {
                self.accept(routed.ticket);
                self.inquiry_answered(routed.envelope);
            }
            Kind::Message(MessageKind::Headline) | Kind::Presence(_) => self.accept(routed.ticket),
            _ => self.refuse_routed(routed, Condition::ServiceUnavailable),
        }
    }

    /// To a domain that is not ours. Gateways to other servers will take these; today there are none.
    fn elsewhere(&mut self, routed: Routed) {
        let Routed { envelope, ticket } = routed;
        match envelope.kind {
            Kind::Presence(PresenceKind::Subscribe) => {
                return self.refuse_presence(Routed { envelope, ticket }, Condition::RemoteServerNotFound);
            }
            Kind::Presence(_) => return self.accept(ticket),
            _ => {}
        }
        self.refuse_routed(Routed { envelope, ticket }, Condition::RemoteServerNotFound);
    }

    /// Presence is not answered by errors as a rule; this is for where it is.
    pub(super) fn refuse_presence(&mut self, routed: Routed, condition: Condition) {
        let Routed { envelope, ticket } = routed;
        self.accept(ticket);
        self.dispatch_free(Envelope {
            from: envelope.to,
            to: envelope.from,
            kind: Kind::Presence(PresenceKind::Error),
            error: Some(condition),
            ..envelope
        });
    }
}
