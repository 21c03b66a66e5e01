//! What clients say when they are logged in. Messages are put together from pieces that are made once.

use super::common::{Common, ROOM_PREFIX};
use super::{Mark, Presence, To};
use crate::protocol::address::Decimal;

/// `<message to='u1@localhost' type='chat' id='MARK'><body>TEXT</body></message>`
#[inline]
pub fn message(common: &Common, to: To, mark: Mark, out: &mut Vec<u8>) {
    head(common, to, out);
    out.extend_from_slice(&mark.digits());
    out.extend_from_slice(b"'><body>");
    out.extend_from_slice(common.filler.body(mark));
    out.extend_from_slice(b"</body></message>");
}

/// What typing notices have for an id: one that comes back is known by it.
pub const TYPING_ID: &str = "typing";

/// A typing notice (XEP-0085).
pub fn typing(common: &Common, to: To, out: &mut Vec<u8>) {
    head(common, to, out);
    out.extend_from_slice(TYPING_ID.as_bytes());
    out.extend_from_slice(b"'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
}

#[inline]
fn head(common: &Common, to: To, out: &mut Vec<u8>) {
    let ((before, behind), number) = match to {
        To::User(number) => (&common.to_user, number),
        To::Session(number) => (&common.to_session, number),
        To::Room(number) => (&common.to_room, number),
    };
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(Decimal::of(number).bytes());
    out.extend_from_slice(behind.as_bytes());
}

/// RFC 6121 sections 4.2, 4.4 and 4.5. A mark is the beginning of the status text, because servers keep that as it is.
pub fn presence(common: &Common, presence: Presence, out: &mut Vec<u8>) {
    match presence {
        Presence::Available => out.extend_from_slice(b"<presence/>"),
        Presence::Unavailable => out.extend_from_slice(b"<presence type='unavailable'/>"),
        Presence::Status(mark) => {
            out.extend_from_slice(b"<presence><status>");
            out.extend_from_slice(&mark.digits());
            out.extend_from_slice(common.filler.body(mark));
            out.extend_from_slice(b"</status></presence>");
        }
    }
}

/// XEP-0045 section 7.2, without history.
pub fn join(common: &Common, room: u32, user: u32, out: &mut Vec<u8>) {
    let join = format!(
        "<presence to='{ROOM_PREFIX}{room}@{}/{}{user}'><x xmlns='http://jabber.org/protocol/muc'>\
         <history maxstanzas='0'/></x></presence>",
        common.rooms, common.prefix
    );
    out.extend_from_slice(join.as_bytes());
}

/// XEP-0045 section 10.1.2: a new room is locked until its owner takes it as it is.
pub fn unlock(common: &Common, room: u32, out: &mut Vec<u8>) {
    let unlock = format!(
        "<iq type='set' id='unlock' to='{ROOM_PREFIX}{room}@{}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'/></query></iq>",
        common.rooms
    );
    out.extend_from_slice(unlock.as_bytes());
}

/// The last messages of the archive (XEP-0313).
pub fn archive(count: u32, out: &mut Vec<u8>) {
    let query = format!(
        "<iq type='set' id='archive'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>\
         <max>{count}</max><before/></set></query></iq>"
    );
    out.extend_from_slice(query.as_bytes());
}

/// XEP-0199.
pub fn ping(common: &Common, id: &str, out: &mut Vec<u8>) {
    text(
        out,
        &[
            "<iq type='get' id='",
            id,
            "' to='",
            &common.domain,
            "'><ping xmlns='urn:xmpp:ping'/></iq>",
        ],
    );
}

/// XEP-0198 section 4.
pub fn ack(heard: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<a xmlns='urn:xmpp:sm:3' h='");
    out.extend_from_slice(Decimal::of(heard).bytes());
    out.extend_from_slice(b"'/>");
}

pub fn text(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}
