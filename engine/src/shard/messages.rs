//! Messages: RFC 6121 section 8.5, and copies (XEP-0280).
//!
//! Which sessions get a message (table 1 of section 8.5.4, with the choices that it leaves open):
//! ```text
//!   addressed to        normal         chat           groupchat   headline
//!   bare, nobody ≥ 0    queue          queue          error       ignore
//!   bare                highest        highest        error       all ≥ 0
//!   full, present       that one       that one       that one    that one
//!   full, absent        error          as bare        error       ignore
//! ```
//! Invariants:
//! - A message whose sender waits for it is in the log before the sender's ticket is answered, whether somebody is there
//!   to take it or not.
//! - While older messages of a user are being drained to a session, new ones queue behind them.

use super::Shard;
use super::mail::Routed;
use super::notices::Notice;
use super::table::SessionId;
use super::user::{User, UserId};
use crate::envelope::{Condition, Hints, Kind, MessageKind};
use crate::session::Form;

/// What becomes of a message.
enum Verdict {
    /// These sessions get it; others with copies on get copies.
    Sessions(Targets),
    /// It waits in the queue.
    Queue,
    /// Nobody hears of it.
    Ignore,
    /// It goes back.
    Refuse(Condition),
}

/// The sessions that get something: nearly always one, and then no list is made.
pub(super) enum Targets {
    One([SessionId; 1]),
    Several(Vec<SessionId>),
}

impl Targets {
    pub(super) fn as_slice(&self) -> &[SessionId] {
        match self {
            Targets::One(one) => one,
            Targets::Several(several) => several,
        }
    }
}

impl FromIterator<SessionId> for Targets {
    fn from_iter<I: IntoIterator<Item = SessionId>>(sessions: I) -> Targets {
        let mut sessions = sessions.into_iter();
        match (sessions.next(), sessions.next()) {
            (Some(one), None) => Targets::One([one]),
            (first, second) => Targets::Several(first.into_iter().chain(second).chain(sessions).collect()),
        }
    }
}

impl Shard {
    /// A bound session sends a message.
    pub(super) fn message_from(&mut self, id: SessionId, uid: UserId, mut routed: Routed) {
        let Some(user) = self.users.get(uid) else { return };
        let envelope = &routed.envelope;
        let to_self = envelope.to.same_bare(&user.address);
        if user
            .present()
            .is_some_and(|present| present.blocks.blocks(&envelope.to))
            && !to_self
        {
            // XEP-0191 section 3.2: who blocks somebody does not write to him either.
            return self.refuse_session(id, routed, Condition::NotAcceptable);
        }
        if to_self {
            // It is archived, and copied, where it arrives.
            return self.dispatch(routed);
        }
        let others = match user.resources.len() > 1 && envelope.hints.has(Hints::COPY) {
            true => copy_takers(user, &[id]),
            false => Vec::new(),
        };
        routed.envelope.stable = self.archive(uid, &routed.envelope);
        for other in others {
            self.deliver(other, &routed.envelope, Form::CopySent, None);
        }
        // The sender's history is not the addressee's business (XEP-0313 section 3.3).
        routed.envelope.stable = None;
        self.dispatch(routed);
    }

    /// A message has arrived at its addressee's home, past the black list.
    pub(super) fn message_arrived(&mut self, uid: UserId, kind: MessageKind, routed: Routed) {
        let Some(user) = self.users.get(uid) else { return };
        if routed.envelope.hints.has(Hints::EVENT) {
            self.accept(routed.ticket);
            return self.notices.push_back(Notice::Event(routed.envelope));
        }
        match judge(user, kind, &routed) {
            Verdict::Sessions(targets) => self.hand_over(uid, targets.as_slice(), routed),
            Verdict::Queue => self.enqueue(uid, routed),
            Verdict::Ignore => self.accept(routed.ticket),
            Verdict::Refuse(condition) => self.refuse_routed(routed, condition),
        }
    }

    /// Somebody is there to take it.
    fn hand_over(&mut self, uid: UserId, targets: &[SessionId], mut routed: Routed) {
        let storable = is_storable(&routed);
        if storable && targets.iter().any(|id| self.must_spool(uid, *id)) {
            let first = targets[0];
            self.enqueue(uid, routed);
            return self.begin_queue(uid, first);
        }
        let mut record = None;
        if storable && routed.ticket.is_some() {
            match self.append(uid, &routed.envelope, routed.ticket) {
                Ok(appended) => {
                    record = Some(appended);
                    routed.envelope.stable = appended.stable;
                }
                Err(condition) => return self.refuse_routed(routed, condition),
            }
        } else {
            self.accept(routed.ticket);
            if routed.envelope.stamp_ms.is_none() {
                routed.envelope.stable = self.archive(uid, &routed.envelope);
            }
        }
        let envelope = &routed.envelope;
        for id in targets {
            if let Some(record) = record {
                self.hold(uid, *id, record);
            }
            self.deliver(*id, envelope, Form::Plain, record.map(|record| record.id));
            self.waits_for_session(*id, envelope);
        }
        let Some(user) = self.users.get(uid) else { return };
        if envelope.hints.has(Hints::COPY) && user.resources.len() > targets.len() {
            for other in copy_takers(user, targets) {
                // Whoever sent it from another session of the same user has it already.
                if self
                    .sessions
                    .get(other)
                    .is_some_and(|entry| entry.address.as_ref() != Some(&envelope.from))
                {
                    self.deliver(other, envelope, Form::CopyReceived, None);
                    self.waits_for_session(other, envelope);
                }
            }
        }
    }

    /// Nobody can take it now.
    fn enqueue(&mut self, uid: UserId, routed: Routed) {
        if !is_storable(&routed) {
            return self.accept(routed.ticket);
        }
        let Routed { envelope, ticket } = routed;
        match self.append(uid, &envelope, ticket) {
            Ok(_) => self.waits_for_user(uid, &envelope),
            Err(condition) => self.refuse_routed(Routed { envelope, ticket }, condition),
        }
    }

    /// A session ends and gives back what its client may not have seen: it goes to another session or into the queue.
    pub(super) fn give_back(
        &mut self,
        id: SessionId,
        records: &[crate::store::RecordId],
        envelopes: Vec<crate::envelope::Envelope>,
    ) {
        let _ = records; // Held by the queue under this session; released when it unbinds.
        for mut envelope in envelopes {
            match envelope.kind {
                Kind::Message(MessageKind::Chat | MessageKind::Normal) if envelope.hints.has(Hints::STORE) => {
                    // To the bare address: the full one is about to be nobody's.
                    envelope.to = envelope.to.to_bare();
                    let stamp = envelope.stamp_ms.unwrap_or(self.now.unix_ms);
                    envelope.stamp_ms = Some(stamp);
                    // Its copies went out when it first came.
                    envelope.hints = Hints::STORE;
                    self.returned.push(envelope);
                }
                Kind::Query(_) => self.bounce(envelope, Condition::ServiceUnavailable),
                _ => {}
            }
        }
        if self.sessions.get(id).is_none_or(|entry| entry.address.is_none()) {
            self.route_returned();
        }
    }

    /// What was given back goes out once its session is no candidate any more.
    pub(super) fn route_returned(&mut self) {
        for envelope in std::mem::take(&mut self.returned) {
            self.dispatch_free(envelope);
        }
    }
}

/// Whether the log may keep it for an absent addressee.
fn is_storable(routed: &Routed) -> bool {
    matches!(
        routed.envelope.kind,
        Kind::Message(MessageKind::Chat | MessageKind::Normal)
    ) && routed.envelope.hints.has(Hints::STORE)
}

fn judge(user: &User, kind: MessageKind, routed: &Routed) -> Verdict {
    let resource = routed.envelope.to.resource();
    if let Some(target) = resource.and_then(|name| user.resource(name)) {
        return Verdict::Sessions(Targets::One([target.session]));
    }
    match (kind, resource.is_some()) {
        (MessageKind::Error, _) | (MessageKind::Headline, true) => Verdict::Ignore,
        (MessageKind::Groupchat, _) | (MessageKind::Normal, true) => Verdict::Refuse(Condition::ServiceUnavailable),
        (MessageKind::Headline, false) => {
            let all: Targets = user
                .available()
                .filter(|(_, priority)| *priority >= 0)
                .map(|(r, _)| r.session)
                .collect();
            match all.as_slice() {
                [] => Verdict::Ignore,
                _ => Verdict::Sessions(all),
            }
        }
        (MessageKind::Chat, _) | (MessageKind::Normal, false) => most_available(user),
    }
}

/// The sessions with the highest non-negative priority.
fn most_available(user: &User) -> Verdict {
    let highest = user
        .available()
        .map(|(_, priority)| priority)
        .max()
        .filter(|priority| *priority >= 0);
    match highest {
        None => Verdict::Queue,
        Some(_) if user.queue.is_draining() => Verdict::Queue,
        Some(highest) => {
            let best = user.available().filter(|(_, priority)| *priority == highest);
            Verdict::Sessions(best.map(|(resource, _)| resource.session).collect())
        }
    }
}

/// Sessions that want copies of what `except` got or sent.
fn copy_takers(user: &User, except: &[SessionId]) -> Vec<SessionId> {
    let takers = user
        .resources
        .iter()
        .filter(|resource| resource.copies && !except.contains(&resource.session));
    takers.map(|resource| resource.session).collect()
}
