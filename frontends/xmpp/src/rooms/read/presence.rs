//! Presence to a room: entering, a new status or nickname, leaving (XEP-0045 sections 7.2, 7.6, 7.7 and 7.14).

use crosspoint_engine::envelope::{Condition, Envelope, PresenceKind};
use crosspoint_engine::rooms::{HistoryWish, Join, RoomRequest};

use crate::codec::Element;
use crate::stanza::time;

use super::super::MUC;
use super::with_tree;

/// Only available presence enters, and only unavailable presence leaves (section 17.3); an error says that nobody is there any more. The
/// rest means nothing to a room.
pub(super) fn read(envelope: &Envelope, kind: PresenceKind) -> Result<RoomRequest, Condition> {
    match kind {
        PresenceKind::Available => available(envelope),
        PresenceKind::Unavailable => Ok(RoomRequest::Leave),
        PresenceKind::Error => Ok(RoomRequest::Undelivered),
        PresenceKind::Probe
        | PresenceKind::Subscribe
        | PresenceKind::Subscribed
        | PresenceKind::Unsubscribe
        | PresenceKind::Unsubscribed => Err(Condition::ServiceUnavailable),
    }
}

fn available(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    // A nickname that nobody could see is none (section 17.1).
    let nick = envelope.to.resource().unwrap_or_default();
    if nick.trim().is_empty() {
        return Err(Condition::JidMalformed);
    }
    with_tree(envelope, |stanza| {
        Ok(match stanza.child("x", MUC) {
            Some(x) => RoomRequest::Join(join(x)),
            None => RoomRequest::Show,
        })
    })
}

fn join(x: &Element<'_>) -> Join {
    let password = x.child("password", MUC);
    Join {
        password: password.map(|password| password.text().into_owned()),
        history: x.child("history", MUC).map(history).unwrap_or_default(),
        founds: false,
    }
}

/// Section 7.2.13. A wish that cannot be read is none: it costs nobody the entrance.
fn history(history: &Element<'_>) -> HistoryWish {
    let number = |name| history.attr(name).and_then(|value| value.trim().parse().ok());
    HistoryWish {
        chars_max: number("maxchars"),
        messages_max: number("maxstanzas"),
        seconds: number("seconds"),
        since_unix_ms: history.attr("since").and_then(|since| time::read(since.trim())),
    }
}
