//! Presence: RFC 6121 section 4. Who is told what a session shows, and who may ask.
//!
//! Invariants:
//! - Presence goes to subscribers, to the user's own sessions, and to whoever was sent it directly; to nobody else, and
//!   to nobody on the user's black list.
//! - Whoever was told that a session is available is told when it is not.

use super::Shard;
use super::mail::Routed;
use super::messages::Targets;
use super::notices::Notice;
use super::table::SessionId;
use super::user::{Shown, UserId};
use crate::envelope::{Codec, Condition, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::session::Form;

impl Shard {
    /// Undirected presence of a bound session (sections 4.2, 4.4 and 4.5).
    pub(super) fn presence_changed(&mut self, id: SessionId, mut envelope: Envelope, priority: i8) {
        let Some(entry) = self.sessions.get(id) else { return };
        let (Some(address), Some(uid)) = (entry.address.clone(), entry.user) else {
            return;
        };
        let Some(user) = self.users.get(uid) else { return };
        (envelope.from, envelope.to) = (address, user.address.clone());
        if envelope.kind == Kind::Presence(PresenceKind::Unavailable) {
            return self.became_unavailable(id, uid, envelope);
        }
        self.dress(id, uid, &mut envelope);
        let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(id)) else {
            return;
        };
        let before = resource.presence.replace(Shown::new(&envelope, priority));
        self.broadcast(uid, &envelope);
        if before.is_none() {
            self.tell_watchers(&envelope);
            self.became_available(id, uid, &envelope.from);
        }
        self.note_presence(id, &envelope);
        if priority >= 0 {
            self.begin_queue(uid, id);
        }
    }

    /// What follows the first presence of a session (sections 3.1.3 and 4.2.2).
    fn became_available(&mut self, id: SessionId, uid: UserId, address: &Jid) {
        let Some(user) = self.users.get(uid) else { return };
        let bare = user.address.clone();
        let others: Vec<Envelope> = user
            .resources
            .iter()
            .filter(|resource| resource.session != id)
            .filter_map(|resource| resource.shows(&bare))
            .collect();
        let Some(present) = user.present() else { return };
        let probed: Vec<Jid> = present.roster.subscriptions().cloned().collect();
        let requests: Vec<Envelope> = present
            .roster
            .requests()
            .map(|item| self.stored_request(&item.jid, &bare, item.request.as_ref()))
            .collect();
        for envelope in others {
            self.deliver(id, &envelope, Form::Plain, None);
        }
        for contact in probed {
            self.dispatch_free(Envelope::neutral(
                address.clone(),
                contact,
                Kind::Presence(PresenceKind::Probe),
            ));
        }
        for request in requests {
            self.deliver(id, &request, Form::Plain, None);
        }
        self.greet(id, uid);
    }

    fn became_unavailable(&mut self, id: SessionId, uid: UserId, envelope: Envelope) {
        let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(id)) else {
            return;
        };
        let was_available = resource.presence.take().is_some();
        let directed = resource.directed.take();
        if was_available {
            self.tell_watchers(&envelope);
            self.broadcast(uid, &envelope);
            self.note_presence(id, &envelope);
        }
        for to in directed {
            self.tell(uid, envelope.for_another(to));
        }
    }

    /// A session ends; if it did not say goodbye, we say it on its behalf (section 4.5.1).
    pub(super) fn gone(&mut self, id: SessionId, uid: UserId) {
        let Some(user) = self.users.get(uid) else { return };
        let Some(resource) = user.resource_of(id) else { return };
        let farewell = Envelope::neutral(
            resource.address.clone(),
            user.address.clone(),
            Kind::Presence(PresenceKind::Unavailable),
        );
        self.became_unavailable(id, uid, farewell);
    }

    /// To every subscriber and every available session of the user, the one that caused it included.
    pub(super) fn broadcast(&mut self, uid: UserId, envelope: &Envelope) {
        let Some(user) = self.users.get(uid) else { return };
        let own: Vec<SessionId> = user.available().map(|(resource, _)| resource.session).collect();
        let mut subscribers: Vec<Jid> = Vec::new();
        if let Some(present) = user.present() {
            // At once and not by doubling: rosters are long, and most of what is on them is a subscriber.
            subscribers.reserve_exact(present.roster.len());
            subscribers.extend(present.roster.subscribers().cloned());
        }
        let mine = envelope.for_another(user.address.clone());
        for session in own {
            self.deliver(session, &mine, Form::Plain, None);
        }
        for to in subscribers {
            self.tell(uid, envelope.for_another(to));
        }
    }

    /// Sends presence of the user's to somebody, unless he is blocked (XEP-0191 section 3.3).
    pub(super) fn tell(&mut self, uid: UserId, envelope: Envelope) {
        // A room that is blocked is left all the same.
        let blocked =
            |present: &super::user::Present| present.blocks.blocks(&envelope.to) && !self.is_room(&envelope.to);
        if self.users.get(uid).and_then(|user| user.present()).is_some_and(blocked) {
            return;
        }
        self.dispatch_free(envelope);
    }

    /// Presence that a session addresses to somebody (section 4.6).
    pub(super) fn directed_presence(&mut self, id: SessionId, uid: UserId, mut routed: Routed) {
        let to = routed.envelope.to.detached();
        let max = self.setup.limits.directed_per_session;
        let Some(user) = self.users.get_mut(uid) else { return };
        let knows = user
            .present()
            .is_some_and(|present| present.roster.state(&to).subscription().from());
        let Some(resource) = user.resource_of_mut(id) else {
            return;
        };
        let available = routed.envelope.kind == Kind::Presence(PresenceKind::Available);
        resource.directed.remove(&to);
        // Subscribers hear of the end anyway, as long as the session is available to all.
        if available && !(knows && resource.presence.is_some()) {
            if resource.directed.as_slice().len() >= max {
                return self.refuse_presence(routed, Condition::ResourceConstraint);
            }
            resource.directed.add(to);
        }
        self.accept(routed.ticket);
        if available {
            self.dress(id, uid, &mut routed.envelope);
        }
        self.tell(uid, routed.envelope);
    }

    /// Presence has arrived at its addressee's home, past the black list.
    pub(super) fn presence_arrived(&mut self, uid: UserId, kind: PresenceKind, routed: Routed) {
        match kind {
            PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Error => {
                self.accept(routed.ticket);
                self.show(uid, &routed.envelope);
            }
            PresenceKind::Probe => {
                self.accept(routed.ticket);
                self.probed(uid, routed.envelope);
            }
            _ => self.subscription_arrived(uid, kind, routed),
        }
    }

    /// Sections 8.5.2.1.2 and 8.5.3: to one session or to all that are available.
    fn show(&mut self, uid: UserId, envelope: &Envelope) {
        let Some(user) = self.users.get(uid) else { return };
        let targets: Targets = match envelope.to.resource() {
            Some(name) => user
                .resource(name)
                .map(|resource| resource.session)
                .into_iter()
                .collect(),
            None => user.available().map(|(resource, _)| resource.session).collect(),
        };
        for session in targets.as_slice() {
            self.deliver(*session, envelope, Form::Plain, None);
        }
    }

    /// Section 4.3: somebody asks how the user is. A probe with content is from a front-end, for the front-end.
    fn probed(&mut self, uid: UserId, probe: Envelope) {
        let from = &probe.from;
        let Some(user) = self.users.get(uid) else { return };
        let Some(present) = user.present() else { return };
        if !present.roster.state(from).subscription().from() && !from.same_bare(&user.address) {
            let refusal = Envelope::neutral(
                user.address.clone(),
                from.to_bare(),
                Kind::Presence(PresenceKind::Unsubscribed),
            );
            return self.dispatch_free(refusal);
        }
        if probe.content.codec != Codec::Neutral {
            return self.notices.push_back(Notice::Probe(probe));
        }
        let shown: Vec<Envelope> = user
            .resources
            .iter()
            .filter_map(|resource| resource.shows(from))
            .collect();
        for envelope in shown {
            self.tell(uid, envelope);
        }
    }

    /// All that the user's sessions show, to somebody who may see it from now on; or that they are gone, to somebody who
    /// may not any more.
    pub(super) fn reveal(&mut self, uid: UserId, to: &Jid, available: bool) {
        let Some(user) = self.users.get(uid) else { return };
        let bare = to.to_bare();
        let told: Vec<Envelope> = user
            .resources
            .iter()
            .filter_map(|resource| Some((resource, resource.presence.as_ref()?)))
            .map(|(resource, shown)| match available {
                true => shown.envelope(&resource.address, bare.clone()),
                false => Envelope::neutral(
                    resource.address.clone(),
                    bare.clone(),
                    Kind::Presence(PresenceKind::Unavailable),
                ),
            })
            .collect();
        for envelope in told {
            self.dispatch_free(envelope);
        }
    }
}
