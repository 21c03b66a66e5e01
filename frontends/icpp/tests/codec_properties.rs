//! Properties of the codec: at every byte boundary, under any damage, for any input.

use crosspoint_icpp::codec::contacts::{List, Roster};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Redirect};
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::presence::{Presence, Subscription};
use crosspoint_icpp::codec::rooms::{Body, Member, tag};
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{
    Fault, Flags, HEADER_BYTES, Header, Message, Opening, PREFACE, Refusal, Scan, Verb, ext, preface, scan, ulid,
    write_frame,
};
use proptest::prelude::*;

const FRAME_MAX: u32 = 65_536;

/// Reads a body as everything that it could be.
fn read_all(body: &[u8]) {
    let _ = Hello::read(body);
    let _ = Welcome::read(body);
    let _ = Auth::read(body);
    let _ = Authed::read(body);
    let _ = Message::read(body).map(|message| (message.reference(), message.text_extension(1)));
    let _ = Subscription::read(body);
    let _ = Roster::read(body).map(|roster| roster.contacts().map(|contact| contact.groups().count()).sum::<usize>());
    let _ = List::read(body).map(|list| list.addresses().count());
    let _ = (
        Sync::read(body),
        Synced::read(body),
        History::read(body),
        Refusal::read(body),
    );
    let _ = Redirect::read(body).map(|redirect| redirect.urls().count());
    let _ = (Drain::read(body), Open::read(body));
    for verb in Verb::ALL {
        let _ = Body::read(*verb, body).map(|body| {
            let lists = body.members().count() + body.listed().count() + body.texts(tag::TO).count();
            let numbers = (
                body.u8(tag::ROLE),
                body.u16(tag::LIMIT),
                body.u32(tag::TOTAL),
                body.u64(tag::STAMP),
            );
            (lists, numbers, body.codes().count(), body.text(tag::ROOM))
        });
    }
    let mut cursor = Cursor::new(body);
    while Presence::read(&mut cursor).is_ok() && !cursor.is_empty() {}
    let mut cursor = Cursor::new(body);
    while Node::read(&mut cursor).is_ok() && !cursor.is_empty() {}
}

/// Identity, stamp, kind, addresses, extensions, payload.
type Parts = ([u8; 16], u64, u16, String, String, Vec<(u16, Vec<u8>)>, Vec<u8>);

fn message_parts() -> impl Strategy<Value = Parts> {
    let text = "[a-z@./é]{0,40}";
    let extension = (0x0100u16..0x7fff, proptest::collection::vec(any::<u8>(), 0..20));
    (
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<u16>(),
        text,
        text,
        proptest::collection::vec(extension, 0..4),
        proptest::collection::vec(any::<u8>(), 0..200),
    )
}

proptest! {
    /// Whatever comes in, it is a frame, the beginning of one, or a fault; and so is each body.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = preface(&bytes);
        if let Ok(Scan::Frame(frame)) = scan(&bytes, FRAME_MAX) {
            prop_assert_eq!(frame.len(), HEADER_BYTES + frame.body.len());
            read_all(frame.body);
        }
        read_all(&bytes);
    }

    /// A stream of frames, fed at any cut, gives the same frames.
    #[test]
    fn cuts_change_nothing(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..6), step in 1usize..40) {
        let mut stream = Vec::new();
        for body in &bodies {
            let header = Header { slot: 3, ..Header::push(Verb::Send, 9) };
            write_frame(&mut stream, header, |out| out.extend_from_slice(body));
        }
        let (mut seen, mut kept) = (Vec::new(), Vec::new());
        for piece in stream.chunks(step) {
            kept.extend_from_slice(piece);
            while let Ok(Scan::Frame(frame)) = scan(&kept, FRAME_MAX) {
                seen.push(frame.body.to_vec());
                let length = frame.len();
                kept.drain(..length);
            }
        }
        prop_assert_eq!(seen, bodies);
        prop_assert!(kept.is_empty());
    }

    /// What is written as a message is read as the same message.
    #[test]
    fn messages_come_back((id, stamp, kind, to, from, extensions, payload) in message_parts()) {
        let mut bytes = Vec::new();
        for (tag, value) in &extensions {
            ext::write(&mut bytes, *tag, value);
        }
        let message = Message { id, stamp, kind, to: &to, from: &from, extensions: &bytes, payload: &payload };
        let mut body = Vec::new();
        message.write(&mut body);
        prop_assert_eq!(body.len(), message.len());
        prop_assert_eq!(Message::read(&body), Ok(message));
        for length in 0..body.len() - payload.len() {
            prop_assert!(Message::read(&body[..length]).is_err());
        }
    }

    /// What is said of an occupant is read as the same, and nothing shorter is.
    #[test]
    fn members_come_back(affiliation in any::<u8>(), role in any::<u8>(), address in "[a-z@.é]{0,40}", nick in "\\PC{0,20}", reason in "\\PC{0,40}") {
        let member = Member { affiliation, role, address: &address, nick: &nick, reason: &reason };
        let mut body = Vec::new();
        ext::write(&mut body, tag::ROOM, b"garden@rooms.lit");
        member.write(&mut body);
        let read = Body::read(Verb::Change, &body).unwrap();
        prop_assert_eq!(read.members().collect::<Vec<_>>(), vec![member]);
        for length in 0..body.len() {
            let cut = Body::read(Verb::Change, &body[..length]);
            prop_assert!(cut.is_err() || cut.unwrap().members().next().is_none());
        }
    }

    #[test]
    fn ids_come_back(id in any::<[u8; 16]>()) {
        prop_assert_eq!(ulid::parse(&ulid::text(id)), Some(id));
    }
}

#[test]
fn lies_about_length_are_found_at_once() {
    let frame = |length: u32| [&length.to_le_bytes()[..], &[0x20, 0, 0, 0]].concat();
    for length in 0..16 {
        assert_eq!(scan(&frame(length), FRAME_MAX), Err(Fault::Malformed), "{length}");
    }
    assert_eq!(scan(&frame(16), FRAME_MAX), Ok(Scan::Partial));
    assert_eq!(scan(&frame(FRAME_MAX), FRAME_MAX), Ok(Scan::Partial));
    assert_eq!(scan(&frame(FRAME_MAX + 1), FRAME_MAX), Err(Fault::TooLarge));
    assert_eq!(scan(&frame(u32::MAX), FRAME_MAX), Err(Fault::TooLarge));
}

#[test]
fn reserved_bits_are_faults() {
    for flags in [Flags::ZSTD.0, 0x80, 0x90] {
        let mut frame = Vec::new();
        let header = Header {
            flags: Flags(flags),
            ..Header::push(Verb::Send, 0)
        };
        write_frame(&mut frame, header, |_| {});
        assert_eq!(scan(&frame, FRAME_MAX), Err(Fault::Reserved), "{flags:#x}");
    }
}

#[test]
fn unknown_verbs_above_0x80_may_be_ignored_and_others_not() {
    for number in 0..=u8::MAX {
        let mut frame = Vec::new();
        let header = Header {
            verb: number,
            ..Header::push(Verb::Send, 0)
        };
        write_frame(&mut frame, header, |_| {});
        let Ok(Scan::Frame(frame)) = scan(&frame, FRAME_MAX) else {
            panic!("{number:#x}")
        };
        match (Verb::from_number(number), number) {
            (Some(verb), _) => assert_eq!(frame.verb(), Ok(Some(verb))),
            (None, ..0x80) => assert_eq!(frame.verb(), Err(Fault::UnknownVerb(number))),
            (None, _) => assert_eq!(frame.verb(), Ok(None)),
        }
    }
}

#[test]
fn unknown_extensions_are_skipped_and_unknown_critical_ones_refused() {
    let mut body = Vec::new();
    Hello {
        account: "j@c.lit",
        ..Hello::default()
    }
    .write(&mut body);
    ext::write(&mut body, 0x0777, b"new");
    ext::write(&mut body, 0x0777, b"twice");
    assert_eq!(Hello::read(&body).map(|hello| hello.account), Ok("j@c.lit"));
    ext::write(&mut body, 0x8777, b"");
    assert_eq!(Hello::read(&body), Err(Fault::UnknownExtension(0x8777)));
}

#[test]
fn a_known_extension_stands_once() {
    let mut body = Vec::new();
    Hello {
        account: "j@c.lit",
        ..Hello::default()
    }
    .write(&mut body);
    Hello {
        account: "r@c.lit",
        ..Hello::default()
    }
    .write(&mut body);
    assert_eq!(Hello::read(&body), Err(Fault::Malformed));
}

#[test]
fn a_preface_is_told_from_everything_else_by_its_first_bytes() {
    assert_eq!(preface(&PREFACE), Ok(Opening::Speak(1)));
    for length in 0..PREFACE.len() {
        assert_eq!(preface(&PREFACE[..length]), Ok(Opening::Partial));
    }
    assert_eq!(preface(b"ICPP\x02\x09\0\0"), Ok(Opening::NoCommonVersion));
    assert_eq!(preface(b"ICPP\x00\x07\0\0"), Ok(Opening::Speak(1)));
    assert_eq!(preface(b"ICPP\x02\x01\0\0"), Err(Fault::Malformed));
    assert_eq!(preface(b"ICPP\x01\x01\x01\0"), Err(Fault::Reserved));
    for other in [&b"\x16\x03\x01"[..], b"<?xml", b"GET /", b"IC\0P"] {
        assert_eq!(preface(other), Err(Fault::Malformed));
    }
}
