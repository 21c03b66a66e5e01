//! The answer to a query that a room has granted, as the payload of a result.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content};
use crosspoint_engine::rooms::{RoomAnswer, RoomQuery};

use crate::codec::Builder;

use super::{config, disco, lists, register, vcard};

/// The content. `None` only for an answer that does not fit its question.
pub(super) fn answer(query: &RoomQuery, answer: &RoomAnswer<'_>) -> Option<Content> {
    let mut body = Vec::new();
    let mut builder = Builder::new(&mut body);
    let el = &mut builder;
    match (query, answer) {
        (_, RoomAnswer::Done) => {}
        (_, RoomAnswer::Info(info)) => disco::write_info(el, info),
        (_, RoomAnswer::Occupants { room, nicks }) => disco::write_occupants(el, room, nicks),
        (RoomQuery::ReservedNick, RoomAnswer::Nick(nick)) => disco::write_own_nick(el, *nick),
        (RoomQuery::GetRegistration, RoomAnswer::Nick(nick)) => register::write(el, *nick),
        (RoomQuery::Roles(_), RoomAnswer::Affiliates(list)) => lists::write(el, list, true),
        (RoomQuery::Affiliates(_), RoomAnswer::Affiliates(list)) => lists::write(el, list, false),
        (_, RoomAnswer::Config { info, owners, admins }) => config::write(el, info.config, owners, admins),
        (_, RoomAnswer::Avatar(card)) if card.is_empty() => {
            el.empty("vCard", vcard::NS);
        }
        (_, RoomAnswer::Avatar(card)) => {
            el.raw(card);
        }
        (_, RoomAnswer::Nick(_) | RoomAnswer::Affiliates(_)) => return None,
    }
    builder.finish();
    Some(content(body))
}

/// A content in this codec that stands on its own.
pub(super) fn content(body: Vec<u8>) -> Content {
    Content {
        codec: Codec::Xmpp,
        head: Bytes::new(),
        body: Bytes::from(body),
    }
}
