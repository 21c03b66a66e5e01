//! Queries to a room, and to an occupant of it (XEP-0045 sections 6, 7.10, 8 to 10 and 17.4).

use crosspoint_engine::envelope::{Condition, Envelope, QueryKind};
use crosspoint_engine::rooms::{RoomQuery, RoomRequest};

use crate::codec::Element;

use super::super::disco::{INFO, ITEMS, OWN_NICK};
use super::super::{ADMIN, ARCHIVE, OWNER, REGISTER, config, lists, moderate, register, vcard};
use super::with_tree;

const PING: &str = "urn:xmpp:ping";
/// The node that asks which payloads a room lets pass (section 18.1.1).
const TRAFFIC: &str = "http://jabber.org/protocol/muc#traffic";

/// What is for an occupant is relayed, questions and answers.
pub(super) fn read(envelope: &Envelope, kind: QueryKind) -> Result<RoomRequest, Condition> {
    let is_request = matches!(kind, QueryKind::Get | QueryKind::Set);
    match (envelope.to.is_full(), is_request) {
        (true, true) => with_tree(envelope, |stanza| {
            let ping = kind == QueryKind::Get && stanza.child("ping", PING).is_some();
            Ok(RoomRequest::Relay { ping })
        }),
        (true, false) => Ok(RoomRequest::Relay { ping: false }),
        (false, true) => with_tree(envelope, |stanza| {
            let mut children = stanza.children();
            match (children.next(), children.next()) {
                (Some(payload), None) => to_room(kind == QueryKind::Set, payload).map(RoomRequest::Query),
                _ => Err(Condition::BadRequest),
            }
        }),
        // A room asks nobody anything.
        (false, false) => Err(Condition::UnexpectedRequest),
    }
}

fn to_room(set: bool, payload: &Element<'_>) -> Result<RoomQuery, Condition> {
    match (payload.namespace(), payload.name(), set) {
        (INFO, "query", false) => info(payload.attr("node")),
        (ITEMS, "query", false) => match payload.attr("node") {
            None => Ok(RoomQuery::Occupants),
            Some(_) => Err(Condition::ItemNotFound),
        },
        (ADMIN, "query", false) => lists::read_get(payload),
        (ADMIN, "query", true) => lists::read_set(payload),
        (OWNER, "query", false) => match payload.children().next() {
            None => Ok(RoomQuery::GetConfig),
            Some(_) => Err(Condition::BadRequest),
        },
        (OWNER, "query", true) => config::read(payload),
        (REGISTER, "query", false) => Ok(RoomQuery::GetRegistration),
        (REGISTER, "query", true) => register::read(payload),
        (moderate::NS, "moderate", true) => moderate::read(payload),
        (vcard::NS, "vCard", false) => Ok(RoomQuery::GetAvatar),
        (vcard::NS, "vCard", true) => vcard::read(payload),
        (ARCHIVE, "query", _) | (ARCHIVE, "metadata", false) => Ok(RoomQuery::History),
        (INFO | ITEMS, "query", true) => Err(Condition::NotAllowed),
        (moderate::NS, "moderate", false) | (ARCHIVE, "metadata", true) => Err(Condition::BadRequest),
        _ => Err(Condition::ServiceUnavailable),
    }
}

fn info(node: Option<&str>) -> Result<RoomQuery, Condition> {
    match node {
        None => Ok(RoomQuery::Info),
        Some(OWN_NICK) => Ok(RoomQuery::ReservedNick),
        // Nothing is kept from passing: then there is no such list.
        Some(TRAFFIC) => Err(Condition::ServiceUnavailable),
        Some(_) => Err(Condition::ItemNotFound),
    }
}
