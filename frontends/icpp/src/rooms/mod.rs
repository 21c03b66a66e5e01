//! Rooms in ICPP (SPEC.md section 14): from frames to what is asked of a room, and from what a room says to frames.
//!
//! ```text
//!   frame to a room ─ read ─▶ RoomRequest        Notice ─ write ─▶ content ─ session/rooms.rs ─▶ OCCUPANT, SUBJECT, NOTICE, DELIVER ...
//!                                                RoomAnswer ─ answer ─▶ body of an answer
//! ```
//! A content of two bytes and extensions is a frame of the rooms' verbs: the verb, and [`BY_SERVER`] if the server wrote it. What another
//! protocol's user says in a room is its neutral content behind the room's own extensions ([`told`]).
//!
//! Invariants:
//! - What a client wrote never has [`BY_SERVER`], and nothing else is told to a client as a room's word.
//! - No real address is written for a viewer who may not see it. No password reaches anybody but owners and who is invited.

mod answer;
mod config;
pub(crate) mod invitation;
pub(crate) mod listing;
mod read;
mod write;

use crosspoint_engine::envelope::{Codec, Content};
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::rooms::{Affiliation, Role, RoomSpeech};

use crate::codec::presence::Show;
use crate::codec::rooms::{Body, tag};
use crate::codec::{Flags, Verb};
use crate::parts;
use crate::session::contacts::shown_as;

/// What ICPP knows about rooms.
pub(crate) const SPEECH: RoomSpeech = RoomSpeech {
    read: read::read,
    write: write::write,
    answer: answer::answer,
};

/// Of a content that the server wrote.
const BY_SERVER: Flags = Flags::RESP;

/// Longest text that a room tells; what is longer is cut.
const TEXT_BYTES_MAX: usize = 4096;

/// A content that a client wrote: the verb and the body of its frame.
pub(crate) fn asked(verb: Verb, body: impl Into<bytes::Bytes>) -> Content {
    parts::query(verb, Flags::NONE, body)
}

/// A content that the server wrote.
fn said(verb: Verb, body: Vec<u8>) -> Content {
    parts::query(verb, BY_SERVER, body)
}

/// The verb of a rooms' content, and whether the server wrote it.
pub(crate) fn head(content: &Content) -> Option<(Verb, bool)> {
    let (verb, flags) = parts::query_head(content)?;
    (content.codec == Codec::Icpp).then_some((verb, flags == BY_SERVER))
}

/// What another protocol's user said in a room: the room's extensions, and the neutral content. `None`: it is something else.
pub(crate) fn told(content: &Content) -> Option<(&[u8], bytes::Bytes)> {
    if head(content) != Some((Verb::Deliver, true)) {
        return None;
    }
    let (length, rest) = content.body.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let extensions = rest.get(..length)?;
    Some((extensions, content.body.slice(2 + length..)))
}

fn affiliation_of(number: u8) -> Option<Affiliation> {
    use Affiliation::*;
    [Outcast, None, Member, Admin, Owner]
        .into_iter()
        .find(|affiliation| *affiliation as u8 == number)
}

const ROLES: [Role; 4] = [Role::None, Role::Visitor, Role::Participant, Role::Moderator];

fn role_of(number: u8) -> Option<Role> {
    ROLES.get(usize::from(number)).copied()
}

fn role_number(role: Role) -> u8 {
    ROLES.iter().position(|other| *other == role).unwrap_or_default() as u8
}

/// What a client shows in a room, in neutral words.
pub(crate) fn shown<'b>(body: &Body<'b>) -> Neutral<'b> {
    Neutral {
        show: body.u8(tag::SHOW).and_then(Show::from_number).and_then(shown_as),
        status: body.text(tag::STATUS).map(|status| clip(status).into()),
        ..Neutral::default()
    }
}

/// A text as a room tells it.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
