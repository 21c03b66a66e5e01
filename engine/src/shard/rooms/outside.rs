//! Presence from who is not in the room, and does not ask to be: it is told so (XEP-0045 section 7.2.18).
//!
//! Its client believes to be in, as a rule: it has slept through the end of its session, or the server's. Letting it in without a word would hide
//! from it what it has missed.

use super::super::{Routed, Shard};

use super::performance::occupant_id;
use crate::envelope::{Content, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::rooms::{Affiliation, Notice, OccupantView, Role, Room, Status, Viewer};

/// Whether this address is no occupant, of a room that need not be there.
pub(super) fn is_outside(room: Option<&Room>, address: &Jid) -> bool {
    room.is_none_or(|room| room.occupants().find(address).is_none())
}

impl Shard {
    /// Answers a presence by the one that says that its sender is out.
    pub(super) fn put_out(&mut self, routed: Routed) {
        let Routed { envelope, ticket } = routed;
        self.accept(ticket);
        let (Some(nick), Some(speech)) = (envelope.to.resource(), self.speech(envelope.content.codec)) else {
            return;
        };
        let notice = Notice::Presence {
            about: OccupantView {
                nick,
                real: &envelope.from,
                affiliation: Affiliation::None,
                role: Role::None,
                occupant_id: &occupant_id(&self.setup.secret, &envelope.to.to_bare(), &envelope.from),
                shows: &Content::default(),
            },
            statuses: &[Status::Kicked, Status::TechnicalProblem],
            actor: None,
            reason: "You are not in the room.",
            new_nick: None,
            destroyed: None,
        };
        let own = Viewer {
            sees_real: false,
            is_self: true,
        };
        if let Some(content) = (speech.write)(&notice, own) {
            let kind = Kind::Presence(PresenceKind::Unavailable);
            let answer = Envelope::neutral(envelope.to.clone(), envelope.from.clone(), kind);
            self.dispatch_free(Envelope {
                id: envelope.id.clone(),
                content,
                ..answer
            });
        }
    }
}
