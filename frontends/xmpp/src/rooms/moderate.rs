//! A moderator hides somebody's message (XEP-0425).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::RoomQuery;
use crosspoint_engine::stable::StableId;

use crate::codec::{Builder, Element};

use super::{RETRACT, write};

/// XEP-0425.
pub(crate) const NS: &str = "urn:xmpp:message-moderate:1";

/// A `set`. `FeatureNotImplemented` for another action than hiding, `ItemNotFound` for what no message is called.
pub(super) fn read(moderate: &Element<'_>) -> Result<RoomQuery, Condition> {
    let id = moderate.attr("id").ok_or(Condition::BadRequest)?;
    if moderate.child("retract", RETRACT).is_none() {
        return Err(Condition::FeatureNotImplemented);
    }
    let reason = moderate.child("reason", NS);
    Ok(RoomQuery::Moderate {
        record: StableId::parse(id).ok_or(Condition::ItemNotFound)?,
        reason: reason.map(|reason| reason.text().into_owned()).unwrap_or_default(),
    })
}

/// What all occupants are told.
pub(super) fn write(el: &mut Builder<'_, 'static>, record: StableId, room: &Jid, by: (&str, &str), reason: &str) {
    let (nick, occupant_id) = by;
    el.open("retract")
        .attr("xmlns", RETRACT)
        .attr("id", &*record.to_string());
    el.open("moderated").attr("xmlns", NS);
    let moderator = room.with_resource(nick).ok();
    el.attr_opt("by", moderator.as_ref().map(Jid::as_str));
    write::occupant_id(el, occupant_id);
    el.close();
    if !reason.is_empty() {
        el.open("reason").text(reason).close();
    }
    el.close();
}
