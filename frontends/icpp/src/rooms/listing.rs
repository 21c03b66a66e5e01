//! The list of public rooms, and what was said in one.

use crosspoint_engine::envelope::{Codec, Condition, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Notice, Viewer};
use crosspoint_engine::service::{Host, RoomHistoryPage, RoomSaid, RoomsPage, RoomsWanted};

use crate::codec::ext;
use crate::codec::rooms::{Body, Listed, tag, write_text};
use crate::codec::sync::History;
use crate::codec::{Flags, Verb};
use crate::limits::Limits;
use crate::queries;
use crate::session::outbound;

use super::clip;

/// A page of the list.
pub(crate) fn rooms(query: &Envelope, limits: &Limits, host: &mut dyn Host) -> Result<(), Condition> {
    let asked = Body::read(Verb::Rooms, &query.content.body).map_err(|_| Condition::BadRequest)?;
    let (after, before) = (asked.text(tag::AFTER), asked.text(tag::BEFORE));
    let edge = match (after, before) {
        (Some(_), Some(_)) => return Err(Condition::BadRequest),
        (Some(edge), None) | (None, Some(edge)) if !edge.is_empty() => {
            Some(Jid::parse(edge).map_err(|_| Condition::JidMalformed)?)
        }
        _ => None,
    };
    let domain = host.rooms_domain().ok_or(Condition::FeatureNotImplemented)?.clone();
    let limit = asked.u16(tag::LIMIT).unwrap_or(limits.history_page);
    let wanted = RoomsWanted {
        edge,
        backward: before.is_some(),
        rooms_max: limit.min(limits.history_page).into(),
    };
    let query = query.clone();
    host.rooms(
        wanted,
        Box::new(move |page, host| match page {
            Ok(page) => queries::answer(&query, Verb::Rooms, Flags::NONE, page_body(&domain, &page), host),
            Err(condition) => host.refuse(query, condition),
        }),
    );
    Ok(())
}

fn page_body(domain: &Jid, page: &RoomsPage) -> Vec<u8> {
    let mut body = Vec::new();
    write_text(&mut body, tag::DOMAIN, domain.as_str());
    ext::write(&mut body, tag::TOTAL, &page.total.to_le_bytes());
    ext::write(&mut body, tag::INDEX, &page.index.to_le_bytes());
    for room in &page.rooms {
        Listed {
            occupants: room.occupants,
            address: room.room.as_str(),
            name: clip(&room.name),
        }
        .write(&mut body);
    }
    body
}

/// A page of what was said; the room has said that the asker may read it.
pub(crate) fn history(query: &Envelope, limits: &Limits, host: &mut dyn Host) -> Result<(), Condition> {
    let asked = History::read(&query.content.body).map_err(|_| Condition::BadRequest)?;
    let (span, direction, limit) = queries::page_of(&asked, limits);
    let (query, bound) = (query.clone(), asked.bound);
    let room = query.to.to_bare();
    host.room_history(
        &room,
        span,
        direction,
        limit,
        Box::new(move |page, host| match page {
            Ok(page) => send(&query, page, bound, host),
            Err(condition) => host.refuse(query, condition),
        }),
    );
    Ok(())
}

fn send(query: &Envelope, page: RoomHistoryPage, bound: u64, host: &mut dyn Host) {
    for said in page.messages {
        let record = said.record;
        let item = show(&query.to, said, host).and_then(|envelope| outbound::item(&envelope, record));
        if let Some(body) = item {
            queries::answer(query, Verb::Items, Flags::MORE, body, host);
        }
    }
    queries::send_synced(query, page.edge, bound, page.complete, host);
}

/// A message as its room would have told it. `None` for what cannot be said in this protocol.
fn show(room: &Jid, said: RoomSaid, host: &dyn Host) -> Option<Envelope> {
    if said.retracted.is_some() {
        // The RECALL that took it back is in the history, too.
        return None;
    }
    let record = Some(host.stable_id(said.record));
    let written = match said.envelope.content.codec {
        Codec::Icpp | Codec::Neutral => said.envelope,
        Codec::Xmpp => host.neutral(&said.envelope)?,
    };
    let notice = Notice::Said {
        content: &written.content,
        occupant_id: &said.occupant_id,
        record,
        room,
        private: false,
        stamp_ms: None,
    };
    let content = super::write::write(&notice, Viewer::default())?;
    Some(Envelope { content, ..written })
}
