//! A moderator hides somebody's message (XEP-0425); what the archive shows in the place of one that is gone (there, and XEP-0424 section 5).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::RoomQuery;
use crosspoint_engine::service::Retracted;
use crosspoint_engine::stable::StableId;

use crate::codec::{Builder, Element};

use super::{RETRACT, invite, write};
use crate::stanza::time;

/// XEP-0425.
pub(crate) const NS: &str = "urn:xmpp:message-moderate:1";
/// XEP-0424 section 5: the archive says where something was.
pub(super) const TOMBSTONE: &str = "urn:xmpp:message-retract:1#tombstone";

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
    moderated(el, room, nick, occupant_id);
    invite::write_reason(el, reason);
    el.close();
}

fn moderated(el: &mut Builder<'_, 'static>, room: &Jid, nick: &str, occupant_id: &str) {
    el.open("moderated").attr("xmlns", NS);
    let moderator = room.with_resource(nick).ok();
    el.attr_opt("by", moderator.as_ref().map(Jid::as_str));
    write::occupant_id(el, occupant_id);
    el.close();
}

/// What stands in the place of a message that was taken back.
pub(crate) fn tombstone(el: &mut Builder<'_, 'static>, room: &Jid, retracted: &Retracted) {
    let mut stamp = Vec::with_capacity(24);
    time::write(&mut stamp, retracted.unix_ms);
    el.open("retracted").attr("xmlns", RETRACT);
    el.attr("id", &*String::from_utf8_lossy(&retracted.id))
        .attr("stamp", &*String::from_utf8_lossy(&stamp));
    if let Some((nick, occupant_id)) = &retracted.by {
        moderated(el, room, nick, occupant_id);
    }
    invite::write_reason(el, &retracted.reason);
    el.close();
}
