//! Every verb to its bytes, as SPEC.md draws them, and back. The hex is written by hand from the document, not from the code.

use crosspoint_icpp::codec::contacts::{List, Roster, contact_flag, list_op, roster_op};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Reason, Redirect};
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::message::{kind, tag};
use crosspoint_icpp::codec::presence::{Presence, Show, Subscription};
use crosspoint_icpp::codec::rooms::{Body, Listed, Member, UNSAID, tag as tags, write_text};
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{Code, Flags, Frame, Header, Message, Refusal, Scan, Verb, ext, scan, write_frame};

/// Hex with blanks, and texts in quotes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        let pairs = (0..digits.len()).step_by(2);
        out.extend(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()));
    }
    out
}

fn written(header: Header, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, header, write);
    out
}

fn body(frame: &[u8]) -> &[u8] {
    match scan(frame, 65_536) {
        Ok(Scan::Frame(frame)) => frame.body,
        other => panic!("{other:?}"),
    }
}

fn request(verb: Verb, id: u32) -> Header {
    Header {
        flags: Flags::REQ,
        id,
        ..Header::push(verb, 0)
    }
}

fn answer(verb: Verb, id: u32) -> Header {
    Header {
        flags: Flags::RESP,
        ..request(verb, id)
    }
}

#[test]
fn a_header_has_its_fields_where_they_are_drawn() {
    let header = Header {
        verb: Verb::Ping as u8,
        flags: Flags::REQ,
        slot: 0x0203,
        id: 0x04050607,
        ack: 0x08090a0b,
    };
    let golden = bytes("10000000 06 01 0302 07060504 0b0a0908");
    assert_eq!(written(header, |_| {}), golden);
    assert_eq!(scan(&golden, 16), Ok(Scan::Frame(Frame { header, body: &[] })));
}

#[test]
fn header_only_verbs() {
    let table = [
        (answer(Verb::Pong, 1), "10000000 07 02 0000 01000000 00000000"),
        (Header::push(Verb::Bye, 2), "10000000 09 00 0000 00000000 02000000"),
        (Header::push(Verb::Accepted, 3), "10000000 21 00 0000 00000000 03000000"),
        (
            Header {
                slot: 7,
                ..Header::push(Verb::Close, 0)
            },
            "10000000 14 00 0700 00000000 00000000",
        ),
    ];
    for (header, golden) in table {
        assert_eq!(written(header, |_| {}), bytes(golden), "{header:?}");
    }
}

#[test]
fn hello() {
    let hello = Hello {
        account: "j@c.lit",
        agent: Some("a/1"),
        resource: Some("b"),
        resume: Some(&[9, 8]),
        hops: 2,
        came_from: Some("fe1"),
        ..Hello::default()
    };
    let golden = bytes(
        "3b000000 01 00 0000 00000000 05000000 0180 0700 \"j@c.lit\" 0200 0300 \"a/1\" 0300 0100 \"b\" 0480 0200 0908 0500 0100 02 0600 0300 \"fe1\"",
    );
    let golden = with_length(golden);
    assert_eq!(written(Header::push(Verb::Hello, 5), |out| hello.write(out)), golden);
    assert_eq!(Hello::read(body(&golden)), Ok(hello));
}

#[test]
fn hello_of_a_trunk() {
    let hello = Hello {
        trunk: Some("fe1"),
        shard: Some(258),
        ..Hello::default()
    };
    let golden = with_length(bytes(
        "00000000 01 00 0000 00000000 00000000 1080 0300 \"fe1\" 1180 0200 0201",
    ));
    assert_eq!(written(Header::push(Verb::Hello, 0), |out| hello.write(out)), golden);
    assert_eq!(Hello::read(body(&golden)), Ok(hello));
}

/// The length is counted by the test, so that the table can be read.
fn with_length(mut frame: Vec<u8>) -> Vec<u8> {
    let length = frame.len() as u32;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

#[test]
fn welcome() {
    let welcome = Welcome {
        version: 1,
        node: "fe1",
        mechanisms: "PLAIN",
        frame_max: 65_536,
        heartbeat_s: 120,
        heartbeat_background_s: 900,
        window: 1024,
        unacked_frames: 256,
        unacked_bytes: 65_536,
        nonce: Some([0xee; 32]),
        shards: Some(2),
    };
    let golden = with_length(bytes(&format!(
        "00000000 02 00 0000 00000000 00000000 0100 0100 01 0200 0300 \"fe1\" 0300 0500 \"PLAIN\" 0400 0400 00000100 0500 0200 7800 \
         0600 0200 8403 0700 0400 00040000 0800 0400 00010000 0900 0400 00000100 0a00 2000 {} 0b00 0200 0200",
        "ee".repeat(32)
    )));
    assert_eq!(
        written(Header::push(Verb::Welcome, 0), |out| welcome.write(out)),
        golden
    );
    assert_eq!(Welcome::read(body(&golden)), Ok(welcome));
}

#[test]
fn auth() {
    let auth = Auth {
        mechanism: Some("TICKET"),
        data: Some(b"\x01\x02"),
    };
    let golden = with_length(bytes(
        "00000000 03 01 0000 07000000 00000000 0100 0600 \"TICKET\" 0200 0200 0102",
    ));
    assert_eq!(written(request(Verb::Auth, 7), |out| auth.write(out)), golden);
    assert_eq!(Auth::read(body(&golden)), Ok(auth));
}

#[test]
fn authed_and_resumed() {
    let authed = Authed {
        address: "j@c.lit/b",
        data: Some(b"v=x"),
        token: Some(&[5; 4]),
        resume_s: 300,
        epoch: 0x0102030405060708,
        ticket: Some(&[6; 2]),
        ticket_s: 3600,
    };
    let golden = with_length(bytes(
        "00000000 04 02 0000 07000000 00000000 0100 0900 \"j@c.lit/b\" 0200 0300 \"v=x\" 0300 0400 05050505 0400 0400 2c010000 \
         0500 0800 0807060504030201 0600 0200 0606 0700 0400 100e0000",
    ));
    assert_eq!(written(answer(Verb::Authed, 7), |out| authed.write(out)), golden);
    assert_eq!(Authed::read(body(&golden)), Ok(authed));
    let resumed = Authed {
        data: None,
        token: None,
        resume_s: 0,
        ticket: None,
        ticket_s: 0,
        ..authed
    };
    let golden = with_length(bytes(
        "00000000 05 02 0000 07000000 09000000 0100 0900 \"j@c.lit/b\" 0500 0800 0807060504030201",
    ));
    let header = Header {
        ack: 9,
        ..answer(Verb::Resumed, 7)
    };
    assert_eq!(written(header, |out| resumed.write(out)), golden);
    assert_eq!(Authed::read(body(&golden)), Ok(resumed));
}

#[test]
fn messages() {
    let id: [u8; 16] = std::array::from_fn(|index| index as u8);
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::REF, &[0xaa; 16]);
    ext::write(&mut extensions, tag::THREAD, b"t");
    let sent = Message {
        id,
        stamp: 0,
        kind: kind::NORMAL,
        to: "j@c.lit",
        from: "",
        extensions: &extensions,
        payload: b"Hi",
    };
    let golden = with_length(bytes(&format!(
        "00000000 20 00 0000 00000000 00000000 000102030405060708090a0b0c0d0e0f 0000000000000000 0700 0000 1900 0100 \
         \"j@c.lit\" 0680 1000 {} 0200 0100 \"t\" \"Hi\"",
        "aa".repeat(16)
    )));
    assert_eq!(written(Header::push(Verb::Send, 0), |out| sent.write(out)), golden);
    assert_eq!(Message::read(body(&golden)), Ok(sent));
    let told = Message {
        stamp: 0x1122334455667788,
        from: "r@m.lit/o",
        extensions: &[],
        ..sent
    };
    for (verb, number) in [
        (Verb::Deliver, "22"),
        (Verb::Receipt, "23"),
        (Verb::Note, "24"),
        (Verb::Edit, "25"),
        (Verb::Recall, "26"),
        (Verb::Items, "63"),
    ] {
        let golden = with_length(bytes(&format!(
            "00000000 {number} 00 0000 00000000 04000000 000102030405060708090a0b0c0d0e0f 8877665544332211 0700 0900 0000 0100 \
             \"j@c.lit\" \"r@m.lit/o\" \"Hi\""
        )));
        assert_eq!(written(Header::push(verb, 4), |out| told.write(out)), golden);
        assert_eq!(Message::read(body(&golden)), Ok(told));
    }
}

#[test]
fn presence() {
    let away = Presence {
        show: Show::Away,
        priority: -1,
        address: "j@c.lit",
        status: "gone",
    };
    for (verb, number) in [(Verb::Presence, "30"), (Verb::Presences, "31")] {
        let golden = with_length(bytes(&format!(
            "00000000 {number} 00 0000 00000000 00000000 03 ff 0700 0400 0000 \"j@c.lit\" \"gone\""
        )));
        assert_eq!(written(Header::push(verb, 0), |out| away.write(out)), golden);
        let mut cursor = Cursor::new(body(&golden));
        assert_eq!(Presence::read(&mut cursor), Ok(away));
        assert!(cursor.is_empty());
    }
}

#[test]
fn subscriptions() {
    let asks = Subscription {
        address: "j@c.lit",
        note: "hi",
    };
    for (verb, number) in [
        (Verb::Subscribe, "32"),
        (Verb::Unsubscribe, "33"),
        (Verb::Approve, "34"),
        (Verb::Deny, "35"),
    ] {
        let golden = with_length(bytes(&format!(
            "00000000 {number} 00 0000 00000000 00000000 0700 0200 \"j@c.lit\" \"hi\""
        )));
        assert_eq!(written(Header::push(verb, 0), |out| asks.write(out)), golden);
        assert_eq!(Subscription::read(body(&golden)), Ok(asks));
    }
}

#[test]
fn contacts() {
    let golden = with_length(bytes(
        "00000000 40 00 0000 00000000 00000000 06 00 0100 00000000 0900000000000000 \
         02 05 0700 0300 0500 \"j@c.lit\" \"Jul\" 0100 \"A\" 0000",
    ));
    let groups = ["A", ""];
    let flags = contact_flag::ASKED | contact_flag::APPROVED;
    let one = (2, flags, "j@c.lit", "Jul", &groups[..]);
    let frame = written(Header::push(Verb::Roster, 0), |out| {
        Roster::write(out, roster_op::PUSH, 9, std::iter::once(one));
    });
    assert_eq!(frame, golden);
    let roster = Roster::read(body(&golden)).unwrap();
    let contact = roster.contacts().next().unwrap();
    assert_eq!(
        (roster.op, roster.version, contact.subscription, contact.flags),
        (6, 9, 2, 5)
    );
    assert_eq!((contact.address, contact.name), ("j@c.lit", "Jul"));
    assert_eq!(contact.groups().collect::<Vec<_>>(), groups);
}

#[test]
fn lists() {
    for (verb, number) in [(Verb::Block, "41"), (Verb::Allow, "42")] {
        let golden = with_length(bytes(&format!(
            "00000000 {number} 01 0000 03000000 00000000 01 00 0200 0700 \"j@c.lit\" 0500 \"x.lit\""
        )));
        let frame = written(request(verb, 3), |out| {
            List::write(out, list_op::ADD, ["j@c.lit", "x.lit"].into_iter());
        });
        assert_eq!(frame, golden);
        let list = List::read(body(&golden)).unwrap();
        assert_eq!(
            (list.op, list.addresses().collect::<Vec<_>>()),
            (1, vec!["j@c.lit", "x.lit"])
        );
    }
}

#[test]
fn sync_and_history() {
    let sync = Sync { epoch: 1, offset: 2 };
    let golden = with_length(bytes(
        "00000000 60 01 0000 03000000 00000000 0100000000000000 0200000000000000 0000000000000000",
    ));
    assert_eq!(written(request(Verb::Sync, 3), |out| sync.write(out)), golden);
    assert_eq!(Sync::read(body(&golden)), Ok(sync));
    let synced = Synced {
        epoch: 1,
        offset: 2,
        more: true,
    };
    let golden = with_length(bytes(
        "00000000 61 02 0000 03000000 00000000 0100000000000000 0200000000000000 01 00000000000000",
    ));
    assert_eq!(written(answer(Verb::Synced, 3), |out| synced.write(out)), golden);
    assert_eq!(Synced::read(body(&golden)), Ok(synced));
    let history = History {
        bound: 4,
        limit: 50,
        forwards: true,
        room: true,
        with: "r@m.lit",
    };
    let golden = with_length(bytes(
        "00000000 62 01 0000 03000000 00000000 0400000000000000 3200 01 01 0700 0000 \"r@m.lit\"",
    ));
    assert_eq!(written(request(Verb::History, 3), |out| history.write(out)), golden);
    assert_eq!(History::read(body(&golden)), Ok(history));
}

#[test]
fn refusals() {
    let refusal = Refusal {
        code: Code::Throttled as u16,
        temporary: true,
        fatal: true,
        retry_after_ms: 1000,
        text: "throttled",
    };
    for (header, head) in [
        (
            Header {
                flags: Flags::RESP.with(Flags::ERR),
                id: 3,
                ..Header::push(Verb::Error, 0)
            },
            "19 06 0000 03000000",
        ),
        (Header::push(Verb::Bye, 0), "09 00 0000 00000000"),
    ] {
        let golden = with_length(bytes(&format!(
            "00000000 {head} 00000000 0900 01 01 e8030000 \"throttled\""
        )));
        assert_eq!(written(header, |out| refusal.write(out)), golden);
        assert_eq!(Refusal::read(body(&golden)), Ok(refusal));
    }
}

#[test]
fn state_and_credit() {
    let golden = bytes("11000000 08 00 0000 00000000 00000000 01");
    assert_eq!(written(Header::push(Verb::State, 0), |out| out.push(1)), golden);
    let golden = bytes("14000000 18 00 0000 00000000 00000000 10000000");
    let frame = written(Header::push(Verb::Credit, 0), |out| {
        out.extend_from_slice(&16u32.to_le_bytes())
    });
    assert_eq!(frame, golden);
}

#[test]
fn elsewhere() {
    let mut redirect = Redirect::to("fe2", Reason::Drain, "fe1");
    redirect.ticket = Some(&[7]);
    redirect.after_ms = 5;
    let golden = with_length(bytes(
        "00000000 10 00 0000 00000000 00000000 0100 0800 \"icpp://a\" 0100 0800 \"icpp://b\" 0200 0300 \"fe2\" 0300 0100 07 0400 0100 03 \
         0500 0400 05000000 0600 0300 \"fe1\"",
    ));
    let frame = written(Header::push(Verb::Redirect, 0), |out| {
        redirect.write(out, ["icpp://a", "icpp://b"])
    });
    assert_eq!(frame, golden);
    let read = Redirect::read(body(&golden)).unwrap();
    assert_eq!(read.urls().collect::<Vec<_>>(), ["icpp://a", "icpp://b"]);
    assert_eq!(
        (read.node, read.ticket, read.reason, read.after_ms, read.from),
        ("fe2", Some(&[7][..]), Reason::Drain, 5, "fe1")
    );
    let drain = Drain {
        phase: 2,
        deadline_ms: 500,
    };
    let golden = with_length(bytes("00000000 11 00 0000 00000000 08000000 02 000000 f4010000"));
    assert_eq!(written(Header::push(Verb::Drain, 8), |out| drain.write(out)), golden);
    assert_eq!(Drain::read(body(&golden)), Ok(drain));
}

#[test]
fn trunks() {
    let open = Open {
        peer: "192.0.2.1",
        secure: true,
    };
    let golden = with_length(bytes(
        "00000000 13 00 0900 00000000 00000000 0100 0900 \"192.0.2.1\" 0200 0100 01",
    ));
    let header = Header {
        slot: 9,
        ..Header::push(Verb::Open, 0)
    };
    assert_eq!(written(header, |out| open.write(out)), golden);
    assert_eq!(Open::read(body(&golden)), Ok(open));
    let hold = Header {
        slot: 9,
        ..Header::push(Verb::Hold, 0)
    };
    let golden = with_length(bytes("00000000 15 00 0900 00000000 00000000 01"));
    assert_eq!(written(hold, |out| out.push(1)), golden);
    let node = Node {
        node: "fe1",
        urls: "a b",
        sessions: 3,
        cpu_permille: 500,
        weight: 2,
        outbox_bytes: 9,
        state: Node::DRAINING,
    };
    let golden = with_length(bytes(
        "00000000 12 00 0000 00000000 00000000 0300 0300 03000000 f401 0200 09000000 01 000000 \"fe1\" \"a b\"",
    ));
    assert_eq!(written(Header::push(Verb::Topology, 0), |out| node.write(out)), golden);
    let mut cursor = Cursor::new(body(&golden));
    assert_eq!(Node::read(&mut cursor), Ok(node));
    assert!(cursor.is_empty());
}

/// A verb and its number, extensions, and the bytes that they are.
type RoomsLine = (Verb, u8, &'static [(u16, &'static [u8])], &'static str);

#[test]
fn what_a_client_says_to_rooms() {
    let table: [RoomsLine; 7] = [
        (
            Verb::Create,
            0x50,
            &[(tags::ROOM, b"g@r.lit"), (tags::NICK, b"romeo")],
            "0180 0700 \"g@r.lit\" 0200 0500 \"romeo\"",
        ),
        (
            Verb::Join,
            0x51,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::NICK, b"romeo"),
                (tags::PASSWORD, b"rose"),
                (tags::SHOW, &[3]),
                (tags::STATUS, b"out"),
                (tags::HISTORY_MESSAGES, &[5, 0, 0, 0]),
                (tags::HISTORY_SINCE, &[1, 2, 3, 4, 5, 6, 7, 8]),
            ],
            "0180 0700 \"g@r.lit\" 0200 0500 \"romeo\" 0300 0400 \"rose\" 0500 0100 03 0600 0300 \"out\" 0f00 0400 05000000 \
             1200 0800 0102030405060708",
        ),
        (Verb::Leave, 0x52, &[(tags::ROOM, b"g@r.lit")], "0180 0700 \"g@r.lit\""),
        (
            Verb::Show,
            0x53,
            &[(tags::ROOM, b"g@r.lit"), (tags::NICK, b"r"), (tags::SHOW, &[5])],
            "0180 0700 \"g@r.lit\" 0200 0100 \"r\" 0500 0100 05",
        ),
        (
            Verb::Invite,
            0x54,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::TO, b"a@b"),
                (tags::TO, b"c@d"),
                (tags::REASON, b"x"),
            ],
            "0180 0700 \"g@r.lit\" 1700 0300 \"a@b\" 1700 0300 \"c@d\" 0400 0100 \"x\"",
        ),
        (
            Verb::Decline,
            0x55,
            &[(tags::ROOM, b"g@r.lit"), (tags::TO, b"a@b")],
            "0180 0700 \"g@r.lit\" 1700 0300 \"a@b\"",
        ),
        (
            Verb::Voice,
            0x56,
            &[(tags::ROOM, b"g@r.lit"), (tags::NICK, b"v"), (tags::ALLOW, &[1])],
            "0180 0700 \"g@r.lit\" 0200 0100 \"v\" 1d00 0100 01",
        ),
    ];
    for (verb, number, extensions, body) in table {
        rooms_frame(Header::push(verb, 0), number, extensions, body);
    }
}

#[test]
fn what_a_room_says() {
    let table: [RoomsLine; 4] = [
        (
            Verb::Occupant,
            0x57,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::NICK, b"r"),
                (tags::AFFILIATION, &[4]),
                (tags::ROLE, &[3]),
                (tags::OCCUPANT_ID, b"id"),
                (tags::REAL, b"a@b/c"),
                (tags::CODES, &[110, 0, 201, 0]),
                (tags::DESTROYED, b""),
            ],
            "0180 0700 \"g@r.lit\" 0200 0100 \"r\" 0700 0100 04 0800 0100 03 0900 0200 \"id\" 0a00 0500 \"a@b/c\" \
             0b00 0400 6e00 c900 1400 0000",
        ),
        (
            Verb::Subject,
            0x58,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::SUBJECT, b"s"),
                (tags::STAMP, &[9, 0, 0, 0, 0, 0, 0, 0]),
            ],
            "0180 0700 \"g@r.lit\" 1500 0100 \"s\" 1600 0800 0900000000000000",
        ),
        (
            Verb::Notice,
            0x59,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::ACCOUNT, b"a@b"),
                (tags::AFFILIATION, &[2]),
            ],
            "0180 0700 \"g@r.lit\" 1e00 0300 \"a@b\" 0700 0100 02",
        ),
        (
            Verb::Refused,
            0x5a,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::VERB, &[0x51]),
                (tags::CONDITION, &[36, 0]),
            ],
            "0180 0700 \"g@r.lit\" 1900 0100 51 0e00 0200 2400",
        ),
    ];
    for (verb, number, extensions, body) in table {
        rooms_frame(Header::push(verb, 0), number, extensions, body);
    }
}

#[test]
fn what_is_asked_of_a_room() {
    let table: [RoomsLine; 6] = [
        (
            Verb::Members,
            0x5b,
            &[(tags::ROOM, b"g@r.lit"), (tags::AFFILIATION, &[0])],
            "0180 0700 \"g@r.lit\" 0700 0100 00",
        ),
        (
            Verb::Members,
            0x5b,
            &[(tags::ROOM, b"g@r.lit"), (tags::ACCOUNT, b"a@b")],
            "0180 0700 \"g@r.lit\" 1e00 0300 \"a@b\"",
        ),
        (
            Verb::Change,
            0x5c,
            &[(tags::ROOM, b"g@r.lit"), (tags::NICK, b"thane")],
            "0180 0700 \"g@r.lit\" 0200 0500 \"thane\"",
        ),
        (
            Verb::Change,
            0x5c,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::RECORD, b"5a1c0e7f93b2d846"),
                (tags::REASON, b"spam"),
            ],
            "0180 0700 \"g@r.lit\" 1f00 1000 \"5a1c0e7f93b2d846\" 0400 0400 \"spam\"",
        ),
        (
            Verb::Configure,
            0x5d,
            &[
                (tags::ROOM, b"g@r.lit"),
                (tags::OP, &[1]),
                (tags::NAME, b"G"),
                (tags::PERSISTENT, &[1]),
                (tags::ENTRY_PASSWORD, b""),
                (tags::PRIVATE_MESSAGES, &[0]),
                (tags::OCCUPANTS_MAX, &[16, 0, 0, 0]),
                (tags::OWNER, b"a@b"),
                (tags::OWNER, b"c@d"),
            ],
            "0180 0700 \"g@r.lit\" 1c00 0100 01 2000 0100 \"G\" 2300 0100 01 2600 0000 2c00 0100 00 2e00 0400 10000000 \
             3100 0300 \"a@b\" 3100 0300 \"c@d\"",
        ),
        (
            Verb::Destroy,
            0x5e,
            &[(tags::ROOM, b"g@r.lit"), (tags::ALTERNATIVE, b"h@r.lit")],
            "0180 0700 \"g@r.lit\" 1300 0700 \"h@r.lit\"",
        ),
    ];
    for (verb, number, extensions, body) in table {
        rooms_frame(request(verb, 3), number, extensions, body);
    }
    let member = Member {
        affiliation: UNSAID,
        role: 0,
        address: "a@b",
        nick: "v",
        reason: "why",
    };
    let golden = with_length(bytes(
        "00000000 5c 01 0000 03000000 00000000 0180 0700 \"g@r.lit\" 1a00 0f00 ff 00 0300 0100 0300 \"a@b\" \"v\" \"why\"",
    ));
    let frame = written(request(Verb::Change, 3), |out| {
        write_text(out, tags::ROOM, "g@r.lit");
        member.write(out);
    });
    assert_eq!(frame, golden);
    let read = Body::read(Verb::Change, body(&golden)).unwrap();
    assert_eq!(read.members().collect::<Vec<_>>(), [member]);
    let listed = Listed {
        occupants: 7,
        address: "g@r.lit",
        name: "G",
    };
    let golden = with_length(bytes(
        "00000000 5f 02 0000 03000000 00000000 3300 0500 \"r.lit\" 1b00 1000 07000000 0700 0100 \"g@r.lit\" \"G\"",
    ));
    let frame = written(answer(Verb::Rooms, 3), |out| {
        write_text(out, tags::DOMAIN, "r.lit");
        listed.write(out);
    });
    assert_eq!(frame, golden);
    let read = Body::read(Verb::Rooms, body(&golden)).unwrap();
    assert_eq!(read.listed().collect::<Vec<_>>(), [listed]);
}

/// A frame of extensions is these bytes, and they are read as these extensions.
fn rooms_frame(header: Header, number: u8, extensions: &[(u16, &[u8])], text: &str) {
    let (flags, id) = (header.flags.0, header.id);
    let golden = with_length(bytes(&format!(
        "00000000 {number:02x} {flags:02x} 0000 {id:02x}000000 00000000 {text}"
    )));
    let frame = written(header, |out| {
        for (tag, value) in extensions {
            ext::write(out, *tag, value);
        }
    });
    assert_eq!(frame, golden);
    let verb = Verb::from_number(number).unwrap();
    let read = Body::read(verb, body(&golden)).unwrap();
    let read: Vec<(u16, &[u8])> = read.extensions().map(|ext| (ext.tag, ext.value)).collect();
    assert_eq!(read, extensions);
}

/// A verb without a line in this file would not be held to the document.
#[test]
fn every_verb_has_its_bytes_here() {
    let source = include_str!("codec_golden.rs");
    for verb in Verb::ALL {
        let name = format!("Verb::{verb:?}");
        let found = source
            .split(&name)
            .skip(1)
            .any(|rest| !rest.starts_with(char::is_alphanumeric));
        assert!(found, "{name} has no golden bytes");
    }
}
