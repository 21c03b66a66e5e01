//! Sessions that answer for a whole domain ([`crate::attached`]): how they come and go, and what is sent to them and by them.
//!
//! Invariants:
//! - A domain's session is on the domain's home, and there is one at most.
//! - What a service sends comes from its own domain; what it says for others it was trusted with, or nobody hears of it.
//! - Nothing is stored for a service. Who cannot be given more is said to be busy, who is away not to answer.

use super::Shard;
use super::mail::{Item, Routed};
use super::table::SessionId;
use crate::envelope::{Condition, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::metrics::protocol;
use crate::service::RosterChange;
use crate::session::{Event, Form};
use crate::slots::UserKey;

impl Shard {
    /// A session has proved to be the service of a domain. It is placed on the domain's home first, where it asks again.
    pub(super) fn attach(&mut self, id: SessionId, domain: &Jid) {
        let known = self.setup.services.get(domain.domain()).is_some();
        let fresh = self
            .sessions
            .get(id)
            .is_some_and(|entry| entry.user.is_none() && entry.address.is_none() && entry.tie.is_none());
        if !known || !fresh {
            return self.event(id, Event::Attached(false));
        }
        let home = self.home_of(UserKey::of(&domain.to_domain()));
        if home != self.id {
            return self.place(id, home);
        }
        if self.attached_to(domain.domain()).is_some() {
            return self.event(id, Event::Attached(false));
        }
        self.mark_authenticated(id);
        let domain = domain.to_domain().detached();
        self.attached.push((domain.clone(), id));
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.address = Some(domain.clone());
            entry.bulk = true;
        }
        let sees = self.setup.services.get(domain.domain());
        let sees = sees.is_some_and(|service| service.sees_presence);
        self.event(id, Event::Attached(true));
        if sees {
            for (shard, lane) in self.outgoing.lanes.iter_mut().enumerate() {
                if shard != usize::from(self.id) {
                    lane.push(Item::ServiceCame(domain.clone()));
                }
            }
            self.show_everybody(&domain);
        }
    }

    /// The session is over, and so is its answering for the domain.
    pub(super) fn detach(&mut self, id: SessionId) {
        self.attached.retain(|(_, session)| *session != id);
    }

    fn attached_to(&self, domain: &str) -> Option<SessionId> {
        let found = self.attached.iter().find(|(known, _)| known.domain() == domain);
        found.map(|(_, session)| *session)
    }

    /// Whether something attached answers for this domain, or should.
    pub(super) fn is_service(&self, domain: &str) -> bool {
        self.setup.services.get(domain).is_some()
    }

    /// To an address of a service's domain: to that domain's home.
    pub(super) fn forward_to_service(&mut self, routed: Routed) {
        let home = self.home_of(UserKey::of(&routed.envelope.to.to_domain()));
        match home == self.id {
            true => self.arrive_at_service(routed),
            false => self.outgoing.lanes[home as usize].push(Item::Route(routed)),
        }
    }

    /// The service's domain is at home here.
    pub(super) fn arrive_at_service(&mut self, routed: Routed) {
        let Some(id) = self.attached_to(routed.envelope.to.domain()) else {
            return self.refuse_service(routed, Condition::RemoteServerTimeout);
        };
        if self.is_slow(id) {
            self.metrics.shed.add(1);
            return self.refuse_service(routed, Condition::ResourceConstraint);
        }
        self.accept(routed.ticket);
        self.deliver(id, &routed.envelope, Form::Plain, None);
    }

    /// Who asks for a subscription waits for an answer; other presence is not answered.
    fn refuse_service(&mut self, routed: Routed, condition: Condition) {
        match routed.envelope.kind {
            Kind::Presence(PresenceKind::Subscribe) => self.refuse_presence(routed, condition),
            Kind::Presence(_) => self.accept(routed.ticket),
            _ => self.refuse_routed(routed, condition),
        }
    }

    /// A service sends something from an address of its domain.
    pub(super) fn send_from_service(&mut self, id: SessionId, envelope: Envelope) {
        let Some(entry) = self.sessions.get(id) else { return };
        let Some(domain) = &entry.address else { return };
        if envelope.from.domain() != domain.domain() {
            return;
        }
        self.metrics.stanzas_in[protocol(entry.frontend.into())].add(1);
        self.split.talks(domain);
        self.dispatch_free(envelope);
    }

    /// A service sends something in the name of the switch or of one of its users.
    pub(super) fn speak_for(&mut self, id: SessionId, envelope: Envelope) {
        let domain = self.sessions.get(id).and_then(|entry| entry.address.as_ref());
        let trusted = domain
            .and_then(|domain| self.setup.services.get(domain.as_str()))
            .is_some_and(|service| service.speaks_for_users);
        let ours = envelope.from.is_bare() && envelope.from.domain() == self.setup.domain.domain();
        if trusted && ours {
            self.dispatch_free(envelope);
        }
    }

    /// A user's roster has changed: front-ends are told when none of them is at work, if there is any service to tell further.
    pub(super) fn note_roster_change(&mut self, change: RosterChange) {
        if !self.setup.services.is_empty() {
            self.roster_changes.push_back(change);
        }
    }

    /// Tells front-ends of one change; false if there is none.
    pub(super) fn tell_roster_change(&mut self) -> bool {
        let Some(change) = self.roster_changes.pop_front() else {
            return false;
        };
        for frontend in 0..self.frontends.len() {
            self.lend_frontend(frontend, |front, shard| front.on_roster_change(&change, shard));
        }
        true
    }

    /// A session of a user has come or gone: services that may see that are told, whatever the roster says.
    pub(super) fn tell_watchers(&mut self, presence: &Envelope) {
        let watchers: Vec<Jid> = self.setup.services.watchers().cloned().collect();
        for to in watchers {
            self.dispatch_free(Envelope { to, ..presence.clone() });
        }
    }

    /// A service that sees presence has come: it is told who is there, by every shard.
    pub(super) fn show_everybody(&mut self, service: &Jid) {
        let shown: Vec<Envelope> = self
            .users
            .iter()
            .flat_map(|user| &user.resources)
            .filter_map(|resource| resource.shows(service))
            .collect();
        for envelope in shown {
            self.dispatch_free(envelope);
        }
    }
}
