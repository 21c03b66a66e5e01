//! Queries (IQ): RFC 6120 section 8.2.3, RFC 6121 section 8.5.
//!
//! To a full address: that session, if it shares presence with the asker. To a bare one, or to the domain: the front-end
//! answers on behalf of the user or the server.
//!
//! Invariant: every get and set is answered, by whoever it reaches.

use super::Shard;
use super::mail::Routed;
use super::table::SessionId;
use super::user::{User, UserId};
use crate::envelope::{Condition, Envelope, QueryKind};
use crate::jid::Jid;
use crate::session::Form;

impl Shard {
    /// A bound session asks.
    pub(super) fn query_from(&mut self, id: SessionId, uid: UserId, routed: Routed) {
        let to = &routed.envelope.to;
        let blocked = self.users.get(uid).is_some_and(|user| {
            !to.same_bare(&user.address) && user.present().is_some_and(|present| present.blocks.blocks(to))
        });
        // The server itself is always within reach, or nothing could be unblocked.
        if blocked && to.node().is_some() {
            return self.refuse_session(id, routed, Condition::NotAcceptable);
        }
        self.dispatch(routed);
    }

    /// A query has arrived at its addressee's home, past the black list.
    pub(super) fn query_arrived(&mut self, uid: UserId, kind: QueryKind, routed: Routed) {
        let asks = matches!(kind, QueryKind::Get | QueryKind::Set);
        let Some(user) = self.users.get(uid) else { return };
        let Some(name) = routed.envelope.to.resource() else {
            self.accept(routed.ticket);
            return match asks {
                true => self.serve(routed.envelope),
                false => self.inquiry_answered(routed.envelope),
            };
        };
        let target = user.resource(name).filter(|resource| {
            !asks
                || may_see(user, &routed.envelope.from)
                || knows_by_direction(resource.directed.as_slice(), &routed.envelope.from)
        });
        match target.map(|resource| resource.session) {
            Some(session) => {
                self.accept(routed.ticket);
                self.deliver(session, &routed.envelope, Form::Plain, None);
            }
            None => self.refuse_routed(routed, Condition::ServiceUnavailable),
        }
    }

    /// The front-end answers on behalf of the user or the server.
    pub(super) fn serve(&mut self, query: Envelope) {
        let codec = query.content.codec;
        let found = self
            .frontends
            .iter()
            .position(|front| front.as_ref().is_some_and(|front| front.codec() == codec));
        let Some((index, mut front)) = found.and_then(|index| Some((index, self.frontends[index].take()?))) else {
            return self.bounce(query, Condition::ServiceUnavailable);
        };
        front.on_query(query, self);
        self.frontends[index] = Some(front);
    }
}

/// Whether `other` may see the user's presence (RFC 6121 section 8.5.3.1: otherwise its sessions are nobody to it).
pub(super) fn may_see(user: &User, other: &Jid) -> bool {
    other.same_bare(&user.address)
        || user
            .present()
            .is_some_and(|present| present.roster.state(other).subscription().from())
        || user
            .resources
            .iter()
            .any(|resource| knows_by_direction(resource.directed.as_slice(), other))
}

fn knows_by_direction(directed: &[Jid], other: &Jid) -> bool {
    directed
        .iter()
        .any(|known| known == other || (known.is_bare() && known.same_bare(other)))
}
