//! What a stanza to a room, or to an occupant of it, asks for.
//!
//! Invariant: an error is the shape's fault and names what XEP-0045 says of it. Errors and answers are read too, since an occupant's
//! client answers another's queries through the room.

mod message;
mod presence;
mod query;
#[cfg(test)]
mod tests;

use crosspoint_engine::envelope::{Codec, Condition, Envelope, Kind};
use crosspoint_engine::rooms::RoomRequest;

use crate::codec::{CLIENT, Element};
use crate::stanza::kind;

use super::clean;

/// What an envelope of this codec means.
pub(super) fn read(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    if !matches!(envelope.content.codec, Codec::Xmpp | Codec::Neutral) {
        return Err(Condition::FeatureNotImplemented);
    }
    match envelope.kind {
        Kind::Message(kind) => message::read(envelope, kind),
        Kind::Presence(kind) => presence::read(envelope, kind),
        Kind::Query(kind) => query::read(envelope, kind),
    }
}

/// The stanza's tree, given to `look`. `BadRequest` if it is too large for one.
fn with_tree<T>(envelope: &Envelope, look: impl FnOnce(&Element<'_>) -> Result<T, Condition>) -> Result<T, Condition> {
    let text = clean::stanza(kind::name(envelope.kind), &envelope.content);
    let text = str::from_utf8(&text).map_err(|_| Condition::BadRequest)?;
    let stanza = Element::parse(text, CLIENT).map_err(|_| Condition::BadRequest)?;
    look(&stanza)
}
