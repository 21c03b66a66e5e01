//! Messages, what waited, and what was said.

use crosspoint_icpp::codec::message::{kind, note, receipt};
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{Flags, Header, Message, Verb};

use crate::Side::{Client, Server};
use crate::{Shown, Side, answer, golden, request};

/// REF, THREAD.
const EXTENSIONS: &[u8] =
    b"\x06\x80\x10\x00\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\x02\x00\x01\x00t";
const ID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

pub(crate) fn all() -> Vec<Shown> {
    [from_clients(), from_servers(), waited_and_said()].concat()
}

fn message(side: Side, header: Header, text: &str, message: Message<'static>) -> Shown {
    golden(side, header, text, message, Message::write, Message::read)
}

fn from_clients() -> Vec<Shown> {
    let table = [
        (Verb::Send, "20 60", kind::NORMAL, Flags::NOSTORE.with(Flags::DUP)),
        (Verb::Receipt, "23 40", receipt::DELIVERED, Flags::DUP),
        (Verb::Note, "24 00", note::COMPOSING, Flags::NONE),
        (Verb::Edit, "25 40", kind::NORMAL, Flags::DUP),
        (Verb::Recall, "26 40", kind::NORMAL, Flags::DUP),
    ];
    let one = |(verb, head, kind, flags): (Verb, &str, u16, Flags)| {
        let said = Message {
            id: ID,
            stamp: 0,
            kind,
            to: "j@c.lit",
            from: "",
            extensions: EXTENSIONS,
            payload: b"Hi",
        };
        let text = format!(
            "{head} 0000 00000000 00000000 000102030405060708090a0b0c0d0e0f 0000000000000000 0700 0000 1900 0100 \
             \"j@c.lit\" 0680 1000 {} 0200 0100 \"t\" \"Hi\"",
            "aa".repeat(16)
        );
        let header = Header {
            flags,
            ..Header::push(verb, 0)
        };
        message(Client, header, &text, said)
    };
    table.into_iter().map(one).collect()
}

fn from_servers() -> Vec<Shown> {
    let item = Header {
        flags: Flags::RESP.with(Flags::MORE),
        ack: 4,
        ..answer(Verb::Items, 6)
    };
    let table = [
        (Header::push(Verb::Deliver, 4), "22 00 0000 00000000"),
        (Header::push(Verb::Receipt, 4), "23 00 0000 00000000"),
        (Header::push(Verb::Note, 4), "24 00 0000 00000000"),
        (Header::push(Verb::Edit, 4), "25 00 0000 00000000"),
        (Header::push(Verb::Recall, 4), "26 00 0000 00000000"),
        (item, "63 0a 0000 06000000"),
    ];
    let one = |(header, head): (Header, &str)| {
        let told = Message {
            id: ID,
            stamp: 0x1122334455667788,
            kind: kind::NORMAL,
            to: "j@c.lit",
            from: "r@m.lit/o",
            extensions: &[],
            payload: b"Hi",
        };
        let text = format!(
            "{head} 04000000 000102030405060708090a0b0c0d0e0f 8877665544332211 0700 0900 0000 0100 \"j@c.lit\" \"r@m.lit/o\" \"Hi\""
        );
        message(Server, header, &text, told)
    };
    table.into_iter().map(one).collect()
}

fn waited_and_said() -> Vec<Shown> {
    let history = History {
        bound: 4,
        limit: 50,
        forwards: true,
        room: true,
        with: "r@m.lit",
    };
    let synced = Synced {
        epoch: 1,
        offset: 2,
        more: true,
    };
    vec![
        golden(
            Client,
            request(Verb::Sync, 3),
            "60 01 0000 03000000 00000000 0100000000000000 0200000000000000 0000000000000000",
            Sync { epoch: 1, offset: 2 },
            Sync::write,
            Sync::read,
        ),
        golden(
            Server,
            answer(Verb::Synced, 3),
            "61 02 0000 03000000 00000000 0100000000000000 0200000000000000 01 00000000000000",
            synced,
            Synced::write,
            Synced::read,
        ),
        golden(
            Client,
            request(Verb::History, 3),
            "62 01 0000 03000000 00000000 0400000000000000 3200 01 01 0700 0000 \"r@m.lit\"",
            history,
            History::write,
            History::read,
        ),
    ]
}
