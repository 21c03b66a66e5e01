//! What a client hears when it is logged in.

use crosspoint_icpp::codec::contacts::{List, Roster};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Redirect};
use crosspoint_icpp::codec::message::{MESSAGE_HEAD_BYTES, kind, note, tag};
use crosspoint_icpp::codec::presence::{Presence, Show, Subscription};
use crosspoint_icpp::codec::rooms::{Body, tag as room_tag};
use crosspoint_icpp::codec::{self, Fault, Header, Message, Verb};

use super::common::{Common, message_id};
use super::write::Request;
use super::{Event, MARK_BYTES, Mark, Refusal, broken_rule, told};

/// The mark of an intact message of ours to this user, without extensions: the common one, read by its fixed places.
/// Every byte of it is compared with what it must be, but for the stamp, which is the server's.
#[inline]
pub fn common_message(body: &[u8], user: u32, common: &Common) -> Option<Mark> {
    let (head, texts) = body.split_first_chunk::<MESSAGE_HEAD_BYTES>()?;
    let field = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    if field(28) != 0 || field(30) != kind::CHAT {
        return None;
    }
    let (to, rest) = texts.split_at_checked(field(24).into())?;
    let (from, payload) = rest.split_at_checked(field(26).into())?;
    let mark = marked(payload, common)?;
    let known = common.is_user(to, user) && is_from(from, mark, common);
    (known && head[..16] == message_id(mark, user)).then_some(mark)
}

/// Any other message.
///
/// # Errors
/// It does not have the shape of one.
pub fn message(body: &[u8], user: u32, common: &Common) -> Result<Event, Fault> {
    let message = Message::read(body)?;
    if message.kind == kind::ERROR {
        return Ok(Event::Bounced);
    }
    if message.extension(tag::COPY).is_some() {
        return Ok(Event::Foreign);
    }
    if message.kind == kind::GROUPCHAT {
        return Ok(in_room(&message, user, common));
    }
    let intact = marked(message.payload, common).filter(|mark| {
        is_from(message.from.as_bytes(), *mark, common)
            && common.is_user(message.to.as_bytes(), user)
            && message.id == message_id(*mark, user)
    });
    // Only clients write chat messages, and all of ours have a mark.
    Ok(match (intact, message.kind == kind::CHAT) {
        (Some(mark), true) => Event::Message(mark),
        (None, false) => Event::Foreign,
        _ => Event::Damaged,
    })
}

/// A message from a room: only ours enter those.
fn in_room(message: &Message<'_>, user: u32, common: &Common) -> Event {
    let intact = common.room_of(message.from.as_bytes()).and_then(|room| {
        marked(message.payload, common).filter(|mark| {
            common.is_occupant(message.from.as_bytes(), room, mark.sender)
                && common.is_session(message.to.as_bytes(), user)
                && message.id == message_id(*mark, room)
        })
    });
    intact.map_or(Event::Damaged, Event::Room)
}

/// OCCUPANT; if it is about this user, he is in, and whether the room is new.
///
/// # Errors
/// It does not have the shape of one.
pub fn occupant(body: &[u8], common: &Common) -> Result<(Event, bool), Fault> {
    /// It is about the session's own nickname, and the room was made by this (XEP-0045 section 15.6.2).
    const SELF: u16 = 110;
    const CREATED: u16 = 201;
    let body = Body::read(Verb::Occupant, body)?;
    let has = |code| body.codes().any(|other| other == code);
    let room = body
        .text(room_tag::ROOM)
        .and_then(|room| common.room_of(room.as_bytes()));
    Ok(match (room, body.u8(room_tag::ROLE)) {
        (Some(room), Some(1..)) if has(SELF) => (Event::Joined { room }, has(CREATED)),
        _ => (Event::Nothing, false),
    })
}

/// REFUSED.
///
/// # Errors
/// It does not have the shape of one.
pub fn refused(body: &[u8]) -> Result<Event, Fault> {
    let body = Body::read(Verb::Refused, body)?;
    Ok(match body.u8(room_tag::VERB) == Some(Verb::Join as u8) {
        true => Event::NotJoined,
        false => Event::Refused,
    })
}

/// The mark of a payload that is as it was written.
#[inline]
fn marked(payload: &[u8], common: &Common) -> Option<Mark> {
    let (digits, body) = payload.split_at_checked(MARK_BYTES)?;
    Mark::read(digits).filter(|mark| body == common.filler.body(*mark))
}

/// Through a relay, nobody says who it was.
#[inline]
fn is_from(from: &[u8], mark: Mark, common: &Common) -> bool {
    match common.bare {
        true => from.is_empty(),
        false => common.is_session(from, mark.sender),
    }
}

/// NOTE.
///
/// # Errors
/// It does not have the shape of one.
pub fn note(body: &[u8]) -> Result<Event, Fault> {
    let message = Message::read(body)?;
    Ok(match message.kind {
        note::COMPOSING => Event::Typing,
        _ => Event::Nothing,
    })
}

/// The entry of PRESENCES that begins at `at`, and where the next one does.
///
/// # Errors
/// It does not have the shape of one.
pub fn presence(body: &[u8], at: usize, common: &Common) -> Result<(Event, usize), Fault> {
    let mut cursor = Cursor::new(body.get(at..).unwrap_or_default());
    let entry = Presence::read(&mut cursor)?;
    let next = body.len() - cursor.rest().len();
    let mark = marked(entry.status.as_bytes(), common);
    let available = entry.show != Show::Unavailable;
    if mark.is_none() && available && !entry.status.is_empty() {
        // A status text that is none of ours, though only ours are written.
        return Ok((Event::Damaged, next));
    }
    let from = common.user_of(entry.address.as_bytes());
    let told = Event::Presence { from, mark, available };
    Ok((told, next))
}

/// What concerns no play.
///
/// # Errors
/// It does not have its shape, or no server may say it here.
pub fn anything_else(verb: Verb, body: &[u8]) -> Result<Event, Refusal> {
    let shape = match verb {
        Verb::Roster => Roster::read(body).map(|_| ()),
        Verb::Block | Verb::Allow => List::read(body).map(|_| ()),
        Verb::Subscribe | Verb::Unsubscribe | Verb::Approve | Verb::Deny => Subscription::read(body).map(|_| ()),
        Verb::Subject | Verb::Notice => Body::read(verb, body).map(|_| ()),
        Verb::Configure => Body::answer(body).map(|_| ()),
        Verb::Redirect => Redirect::read(body).map(|_| ()),
        Verb::Drain => Drain::read(body).map(|_| ()),
        verb => return Err(Refusal::Stream(format!("not expected in a session: {verb:?}"))),
    };
    shape.map(|()| Event::Nothing).map_err(broken_rule)
}

/// A frame that is a header only.
pub fn nothing(body: &[u8]) -> Result<(), Fault> {
    match body.is_empty() {
        true => Ok(()),
        false => Err(Fault::Malformed),
    }
}

/// CREDIT.
pub fn window(body: &[u8]) -> Result<u32, Fault> {
    let body = body.try_into().map_err(|_| Fault::Malformed)?;
    Ok(u32::from_le_bytes(body))
}

/// ERROR: of a request, or of all.
pub fn error(header: &Header, body: &[u8]) -> Result<Event, Refusal> {
    let error = codec::Refusal::read(body).map_err(broken_rule)?;
    match (error.fatal, Request::of(header.id)) {
        (true, _) => Err(Refusal::Stream(told(&error))),
        // A login that lacks what it asked for is none.
        (false, Some(Request::Settled | Request::Sync)) => Err(Refusal::Stream(told(&error))),
        // It is there, which is what was asked.
        (false, Some(Request::Ping)) => Ok(Event::Pong),
        _ if header.id == 0 => Ok(Event::Nothing),
        _ => Ok(Event::Refused),
    }
}

/// BYE.
pub fn bye(body: &[u8]) -> Refusal {
    match codec::Refusal::read(body) {
        Ok(error) => Refusal::Stream(told(&error)),
        Err(fault) => broken_rule(fault),
    }
}
