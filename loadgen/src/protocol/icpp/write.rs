//! What clients say when they are logged in.

use crosspoint_icpp::codec::message::{MESSAGE_HEAD_BYTES, kind, note};
use crosspoint_icpp::codec::presence::{Presence as Entry, Show};
use crosspoint_icpp::codec::rooms::{op, tag, write_text};
use crosspoint_icpp::codec::sync::{History, Sync};
use crosspoint_icpp::codec::{Flags, HEADER_BYTES, Header, MessageId, Verb, ext, write_frame};

use super::common::{Common, message_id};
use super::{MARK_BYTES, Mark, Presence, To};
use crate::protocol::address::{Decimal, ROOM_PREFIX};

/// What a request is for: the lower bits of its id, so that an answer says it. The upper ones count, for an id is used once in
/// a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// CONFIGURE of a room just made.
    Unlock,
    Sync,
    Roster,
    History,
    Ping,
    /// A PING behind everything else of a login.
    Settled,
    /// A PING so that the server hears something.
    Alive,
    /// A step of a login; these count by themselves, since there is no session yet.
    Auth,
}

impl Request {
    /// Ids of one purpose are so far apart.
    pub const STEP: u32 = 8;

    /// What the request of this id was for.
    pub fn of(id: u32) -> Option<Self> {
        use Request::*;
        let all = [Unlock, Sync, Roster, History, Ping, Settled, Alive, Auth];
        all.into_iter().find(|request| *request as u32 == id % Self::STEP)
    }

    /// The id of the `count`th request of a session.
    pub fn id(self, count: u32) -> u32 {
        count.wrapping_mul(Self::STEP) | self as u32
    }
}

/// The identity of typing notices, which nobody refers to.
const NOTE_ID: MessageId = [0; 16];

/// A request or an answer.
pub fn exchange(verb: Verb, flags: Flags, id: u32, ack: u32) -> Header {
    let push = Header::push(verb, ack);
    Header { flags, id, ..push }
}

/// SEND: the payload is mark and body.
#[inline]
pub fn message(common: &Common, to: To, mark: Mark, flags: Flags, ack: u32, out: &mut Vec<u8>) {
    let (before, number, behind, kind) = match to {
        To::User(number) => (&*common.prefix, number, &common.of_user, kind::CHAT),
        To::Session(number) => (&*common.prefix, number, &common.of_session, kind::CHAT),
        To::Room(number) => (ROOM_PREFIX, number, &common.of_room, kind::GROUPCHAT),
    };
    let body = common.filler.body(mark);
    let header = Header {
        flags: flags.with(common.flags),
        ..Header::push(Verb::Send, ack)
    };
    let payload_bytes = MARK_BYTES + body.len();
    let address = (before, Decimal::of(number), behind.as_str());
    let id = message_id(mark, number);
    head(header, (id, kind), address, payload_bytes, out);
    out.extend_from_slice(&mark.digits());
    out.extend_from_slice(body);
}

fn room(common: &Common, room: u32) -> String {
    format!("{ROOM_PREFIX}{room}{}", common.of_room)
}

/// JOIN: without history.
pub fn join(common: &Common, number: u32, user: u32, ack: u32, out: &mut Vec<u8>) {
    write_frame(out, Header::push(Verb::Join, ack), |out| {
        write_text(out, tag::ROOM, &room(common, number));
        write_text(out, tag::NICK, &common.name(user));
        ext::write(out, tag::HISTORY_MESSAGES, &[0; 4]);
    });
}

/// CONFIGURE: a new room is locked until its owner takes it as it is.
pub fn unlock(common: &Common, number: u32, header: Header, out: &mut Vec<u8>) {
    write_frame(out, header, |out| {
        write_text(out, tag::ROOM, &room(common, number));
        ext::write(out, tag::OP, &[op::SET]);
    });
}

/// NOTE: somebody types.
pub fn typing(common: &Common, to: To, ack: u32, out: &mut Vec<u8>) {
    let (number, behind) = match to {
        To::User(number) => (number, &common.of_user),
        To::Session(number) => (number, &common.of_session),
        To::Room(_) => return,
    };
    let address = (&*common.prefix, Decimal::of(number), behind.as_str());
    let header = Header::push(Verb::Note, ack);
    head(header, (NOTE_ID, note::COMPOSING), address, 0, out);
}

/// A message up to its payload (SPEC.md section 5): no sender, no extensions.
#[inline]
fn head(
    header: Header,
    (id, kind): (MessageId, u16),
    (before, number, behind): (&str, Decimal, &str),
    payload_bytes: usize,
    out: &mut Vec<u8>,
) {
    let to_bytes = before.len() + number.bytes().len() + behind.len();
    let body_bytes = MESSAGE_HEAD_BYTES + to_bytes + payload_bytes;
    let mut head = [0; HEADER_BYTES + MESSAGE_HEAD_BYTES];
    head[..HEADER_BYTES].copy_from_slice(&header.bytes(body_bytes));
    let fields = &mut head[HEADER_BYTES..];
    fields[..16].copy_from_slice(&id);
    fields[24..26].copy_from_slice(&(to_bytes as u16).to_le_bytes());
    fields[30..].copy_from_slice(&kind.to_le_bytes());
    out.reserve(HEADER_BYTES + body_bytes);
    out.extend_from_slice(&head);
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(number.bytes());
    out.extend_from_slice(behind.as_bytes());
}

/// PRESENCE to all who may see it. A mark is the beginning of the status text.
pub fn presence(common: &Common, presence: Presence, ack: u32, out: &mut Vec<u8>) {
    let (show, mark) = match presence {
        Presence::Available => (Show::Available, None),
        Presence::Status(mark) => (Show::Available, Some(mark)),
        Presence::Unavailable => (Show::Unavailable, None),
    };
    write_frame(out, Header::push(Verb::Presence, ack), |out| {
        let start = out.len();
        let entry = Entry {
            show,
            priority: 0,
            address: "",
            status: "",
        };
        entry.write(out);
        if let Some(mark) = mark {
            let body = common.filler.body(mark);
            let status_bytes = (MARK_BYTES + body.len()) as u16;
            out[start + 4..start + 6].copy_from_slice(&status_bytes.to_le_bytes());
            out.extend_from_slice(&mark.digits());
            out.extend_from_slice(body);
        }
    });
}

/// SYNC: everything that waits.
pub fn sync(epoch: u64, header: Header, out: &mut Vec<u8>) {
    let sync = Sync { epoch, offset: 0 };
    write_frame(out, header, |out| sync.write(out));
}

/// HISTORY: the last messages of the archive.
pub fn history(count: u32, header: Header, out: &mut Vec<u8>) {
    let history = History {
        bound: 0,
        limit: count.min(u16::MAX.into()) as u16,
        forwards: false,
        room: false,
        with: "",
    };
    write_frame(out, header, |out| history.write(out));
}

/// STATE: somebody looks at the screen, or nobody does.
pub fn state(active: bool, ack: u32, out: &mut Vec<u8>) {
    write_frame(out, Header::push(Verb::State, ack), |out| out.push(u8::from(!active)));
}

/// A frame without a body.
pub fn bare(header: Header, out: &mut Vec<u8>) {
    out.extend_from_slice(&header.bytes(0));
}
