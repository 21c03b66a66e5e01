//! What clients say when they are logged in.

use crosspoint_icpp::codec::message::{MESSAGE_HEAD_BYTES, kind, note};
use crosspoint_icpp::codec::presence::{Presence as Entry, Show};
use crosspoint_icpp::codec::sync::{History, Sync};
use crosspoint_icpp::codec::{Flags, HEADER_BYTES, Header, MessageId, Verb, write_frame};

use super::common::{Common, message_id};
use super::{MARK_BYTES, Mark, Presence, To};
use crate::protocol::address::Decimal;

/// Identifiers of requests: each is used for one kind, of which one at a time is open.
pub mod request {
    pub const SYNC: u32 = 1;
    pub const ROSTER: u32 = 2;
    pub const HISTORY: u32 = 3;
    pub const PING: u32 = 4;
    /// Behind everything else of a login.
    pub const SETTLED: u32 = 5;
    /// So that the server hears something.
    pub const ALIVE: u32 = 6;
    /// The first step of a login; the next ones count on.
    pub const AUTH: u32 = 16;
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
    let (number, behind) = match to {
        To::User(number) => (number, &common.of_user),
        To::Session(number) => (number, &common.of_session),
        // A plan with rooms is refused before there is a client.
        To::Room(_) => return,
    };
    let body = common.filler.body(mark);
    let header = Header {
        flags: flags.with(common.flags),
        ..Header::push(Verb::Send, ack)
    };
    let payload_bytes = MARK_BYTES + body.len();
    let address = (&common.prefix, Decimal::of(number), behind);
    let id = message_id(mark, number);
    head(header, (id, kind::CHAT), address, payload_bytes, out);
    out.extend_from_slice(&mark.digits());
    out.extend_from_slice(body);
}

/// NOTE: somebody types.
pub fn typing(common: &Common, to: To, ack: u32, out: &mut Vec<u8>) {
    let (number, behind) = match to {
        To::User(number) => (number, &common.of_user),
        To::Session(number) => (number, &common.of_session),
        To::Room(_) => return,
    };
    let address = (&common.prefix, Decimal::of(number), behind);
    let header = Header::push(Verb::Note, ack);
    head(header, (NOTE_ID, note::COMPOSING), address, 0, out);
}

/// A message up to its payload (SPEC.md section 5): no sender, no extensions.
#[inline]
fn head(
    header: Header,
    (id, kind): (MessageId, u16),
    (before, number, behind): (&String, Decimal, &String),
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

/// SYNC: everything of this epoch behind an offset.
pub fn sync(epoch: u64, offset: u64, ack: u32, out: &mut Vec<u8>) {
    let header = exchange(Verb::Sync, Flags::REQ, request::SYNC, ack);
    let sync = Sync {
        epoch,
        offset,
        limit: 0,
    };
    write_frame(out, header, |out| sync.write(out));
}

/// HISTORY: the last messages of the archive.
pub fn history(count: u32, ack: u32, out: &mut Vec<u8>) {
    let header = exchange(Verb::History, Flags::REQ, request::HISTORY, ack);
    let history = History {
        bound: 0,
        limit: count.min(u16::MAX.into()) as u16,
        forwards: false,
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
