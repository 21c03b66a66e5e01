//! Messages to a room: to all, to one, and about the room (XEP-0045 sections 7.4, 7.5, 7.8, 7.13 and 8.1).

use crosspoint_engine::envelope::{Condition, Envelope, MessageKind};
use crosspoint_engine::rooms::RoomRequest;
use crosspoint_engine::stable::StableId;

use crate::codec::{CLIENT, Child, Element, Frame, Scan};

use super::super::form::DATA;
use super::super::{RETRACT, USER, clean, invite, voice};
use super::with_tree;

const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// To an occupant everything is private but what is meant for all, which is refused (section 7.5). To the room only what is meant for
/// all, and forms and invitations; other messages are typed wrongly (section 17.2).
pub(super) fn read(envelope: &Envelope, kind: MessageKind) -> Result<RoomRequest, Condition> {
    match (kind, envelope.to.is_full()) {
        (MessageKind::Groupchat, true) => Err(Condition::BadRequest),
        (MessageKind::Error, _) => returned(envelope),
        (_, true) => Ok(RoomRequest::Private),
        (MessageKind::Groupchat, false) => to_all(envelope),
        (_, false) => to_room(envelope),
    }
}

/// What a client sends back. That nobody is there is for the room to know (section 18.1.2); the rest is for who has written to it.
fn returned(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    const NOBODY_THERE: [&str; 6] = [
        "gone",
        "item-not-found",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
    ];
    with_tree(envelope, |stanza| {
        let error = stanza.child("error", CLIENT);
        let mut conditions = error.into_iter().flat_map(Element::children);
        let nobody_there = conditions.any(|child| child.namespace() == STANZAS && NOBODY_THERE.contains(&child.name()));
        match (nobody_there, envelope.to.is_full()) {
            (true, _) => Ok(RoomRequest::Undelivered),
            (false, true) => Ok(RoomRequest::Private),
            (false, false) => Err(Condition::UnexpectedRequest),
        }
    })
}

/// Looks at the first-level children only: this is the road of every message in a room.
fn to_all(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    let text = clean::stanza("message", &envelope.content);
    let mut scanner = clean::scanner();
    let Ok(Scan::Frame {
        frame: Frame::Stanza(stanza),
        ..
    }) = scanner.scan(&text)
    else {
        return Err(Condition::BadRequest);
    };
    let (mut subject, mut speaks, mut retracts) = (None, false, None);
    for child in scanner.children(&stanza) {
        match (&*child.namespace, child.name) {
            // Of subjects in several languages the first stands for all.
            (CLIENT, "subject") if subject.is_none() => {
                let tree = scanner.child_tree(&stanza, &child).map_err(|_| Condition::BadRequest)?;
                subject = Some(tree.text().into_owned());
            }
            (CLIENT, "body" | "thread") => speaks = true,
            (RETRACT, "retract") => retracts = retracted(&child)?,
            _ => {}
        }
    }
    match subject {
        Some(subject) if !speaks => Ok(RoomRequest::Subject(subject)),
        _ => Ok(RoomRequest::Say { retracts }),
    }
}

/// An identity that no archive gives is nobody's message: the retraction passes, and hides nothing.
fn retracted(retract: &Child<'_>) -> Result<Option<StableId>, Condition> {
    let id = retract.attr("id").ok_or(Condition::BadRequest)?;
    Ok(StableId::parse(&id.unescape()))
}

fn to_room(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    with_tree(envelope, |stanza| {
        let form = stanza.child("x", DATA);
        match (stanza.child("x", USER), form) {
            (Some(x), _) => invite::read(x),
            (None, Some(form)) => voice::read(form),
            (None, None) => Err(Condition::BadRequest),
        }
    })
}
