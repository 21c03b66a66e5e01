//! Frames: the examples of RFC 6455, the rules of sections 5 and 7, and each mistake with its code.

mod common;

use common::{Outcome, frame, read};
use crosspoint_http::websocket::{CloseCode, Fault, Frames, MESSAGE_BYTES_MAX};

fn said(bytes: &[u8]) -> Outcome {
    read(&mut Frames::new(MESSAGE_BYTES_MAX), [bytes])
}

fn plain(bytes: &[u8]) -> Outcome {
    Outcome {
        plain: bytes.to_vec(),
        reply: Vec::new(),
        end: Ok(false),
    }
}

/// A close frame of the server with this code.
fn close_frame(code: u16) -> Vec<u8> {
    [&[0x88, 2], &code.to_be_bytes()[..]].concat()
}

#[track_caller]
fn wrong(bytes: &[u8], fault: Fault, code: u16) {
    let outcome = said(bytes);
    assert_eq!(outcome.end, Err(fault), "{bytes:02x?}");
    assert_eq!(outcome.reply, close_frame(code), "{bytes:02x?}");
    assert_eq!(outcome.plain, [], "{bytes:02x?}");
}

#[test]
fn examples_of_the_standard_with_the_opcode_of_bytes() {
    // Section 5.7: a single masked message ("Hello"), as binary; a fragmented one, masked; a ping and its pong.
    assert_eq!(said(b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), plain(b"Hello"));
    let fragments = [frame(0x02, b"Hel"), frame(0x80, b"lo")].concat();
    assert_eq!(said(&fragments), plain(b"Hello"));
    let ping = said(b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!((&ping.reply[..], ping.end), (&b"\x8a\x05Hello"[..], Ok(false)));
    // The masked text message of the section is no stream of bytes.
    wrong(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Fault::Text, 1003);
}

#[test]
fn what_the_server_says_is_one_unmasked_binary_message() {
    let mut frames = Frames::new(MESSAGE_BYTES_MAX);
    let mut out = Vec::new();
    frames.seal(b"Hello", &mut out);
    frames.seal(b"", &mut out);
    assert_eq!(out, b"\x82\x05Hello");
    // Section 5.7: 256 bytes, and 64 KiB.
    for (length, header) in [
        (256, &b"\x82\x7e\x01\x00"[..]),
        (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ] {
        out.clear();
        frames.seal(&vec![7; length], &mut out);
        assert_eq!(out, [header, &vec![7; length]].concat());
    }
}

#[test]
fn lengths_of_every_form_are_read() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..length).map(|place: usize| place as u8).collect();
        assert_eq!(said(&frame(0x82, &payload)), plain(&payload), "{length}");
    }
}

#[test]
fn control_frames_stand_between_fragments() {
    let bytes = [
        frame(0x02, b"a"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x8a, b"nobody asked"),
        frame(0x80, b"b"),
        frame(0x82, b"c"),
    ];
    let outcome = said(&bytes.concat());
    assert_eq!(outcome.plain, b"abc");
    assert_eq!(outcome.reply, b"\x8a\x04ping");
    assert_eq!(outcome.end, Ok(false));
}

#[test]
fn every_mistake_has_its_code() {
    let control_126 = frame(0x89, &[0; 126]);
    let cases: Vec<(Vec<u8>, Fault, u16)> = vec![
        (b"\x82\x05Hello".to_vec(), Fault::Unmasked, 1002),
        (b"\x89\x00".to_vec(), Fault::Unmasked, 1002),
        (frame(0xc2, b"x"), Fault::ReservedBits, 1002),
        (frame(0xa2, b"x"), Fault::ReservedBits, 1002),
        (frame(0x92, b"x"), Fault::ReservedBits, 1002),
        (frame(0xc9, b""), Fault::ReservedBits, 1002),
        (frame(0x83, b""), Fault::Opcode(0x3), 1002),
        (frame(0x87, b""), Fault::Opcode(0x7), 1002),
        (frame(0x8b, b""), Fault::Opcode(0xb), 1002),
        (frame(0x8f, b""), Fault::Opcode(0xf), 1002),
        (b"\x82\xfe\x00\x05mask".to_vec(), Fault::Length, 1002),
        (b"\x82\xfe\x00\x7dmask".to_vec(), Fault::Length, 1002),
        (b"\x82\xff\0\0\0\0\0\0\xff\xffmask".to_vec(), Fault::Length, 1002),
        (b"\x82\xff\x80\0\0\0\0\0\0\0mask".to_vec(), Fault::Length, 1002),
        (control_126[..2].to_vec(), Fault::ControlTooLong, 1002),
        (b"\x88\xff".to_vec(), Fault::ControlTooLong, 1002),
        (frame(0x09, b""), Fault::ControlFragmented, 1002),
        (frame(0x08, b""), Fault::ControlFragmented, 1002),
        (frame(0x80, b"x"), Fault::NothingToContinue, 1002),
        (frame(0x00, b"x"), Fault::NothingToContinue, 1002),
        (
            [frame(0x02, b""), frame(0x82, b"x")].concat(),
            Fault::MessageInMessage,
            1002,
        ),
        (
            [frame(0x02, b""), frame(0x81, b"x")].concat(),
            Fault::MessageInMessage,
            1002,
        ),
        (frame(0x81, b"x"), Fault::Text, 1003),
        (frame(0x01, b""), Fault::Text, 1003),
        (frame(0x88, b"\x03"), Fault::CloseCode, 1002),
        (frame(0x88, b"\x03\xe8\xff"), Fault::CloseReason, 1007),
        // Cut within a character, and a surrogate.
        (frame(0x88, b"\x03\xe8\xe2\x82"), Fault::CloseReason, 1007),
        (frame(0x88, b"\x03\xe8\xed\xa0\x80"), Fault::CloseReason, 1007),
    ];
    for (bytes, fault, code) in cases {
        wrong(&bytes, fault, code);
    }
}

#[test]
fn messages_are_bounded_over_all_their_fragments() {
    let limited = |bytes: &[u8]| read(&mut Frames::new(10), [bytes]);
    assert_eq!(limited(&frame(0x82, &[1; 10])), plain(&[1; 10]));
    let fits = [frame(0x02, &[1; 4]), frame(0x00, &[1; 4]), frame(0x80, &[1; 2])].concat();
    // Each message anew.
    assert_eq!(limited(&[&fits[..], &fits].concat()), plain(&[1; 20]));

    let too_large = [frame(0x02, &[1; 4]), frame(0x00, &[1; 4]), frame(0x80, &[1; 3])].concat();
    let outcome = limited(&too_large);
    assert_eq!(outcome.end, Err(Fault::MessageTooLarge));
    assert_eq!(outcome.plain, [1; 8], "what came before is good");
    assert_eq!(outcome.reply, close_frame(1009));
    // By its header alone, and with a sum that does not fit in 64 bits.
    assert_eq!(limited(b"\x82\x8bmask").end, Err(Fault::MessageTooLarge));
    let largest = b"\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask";
    let sum = [&frame(0x02, b"x")[..], largest].concat();
    assert_eq!(limited(&sum).end, Err(Fault::MessageTooLarge));
}

#[test]
fn a_close_is_answered_with_its_code_and_ends_everything() {
    let cases: [(&[u8], &[u8]); 4] = [
        (b"", b"\x88\x00"),
        (b"\x03\xe8", b"\x88\x02\x03\xe8"),
        (b"\x03\xe9going", b"\x88\x02\x03\xe9"),
        (b"\x0b\xb8gr\xc3\xbc\xc3\x9fe", b"\x88\x02\x0b\xb8"),
    ];
    for (payload, answer) in cases {
        let mut frames = Frames::new(MESSAGE_BYTES_MAX);
        let bytes = [frame(0x82, b"last"), frame(0x88, payload), frame(0x82, b"too late")].concat();
        let outcome = read(&mut frames, [&bytes[..]]);
        assert_eq!(outcome.plain, b"last");
        assert_eq!(outcome.reply, answer);
        assert_eq!(outcome.end, Ok(true));

        let mut out = Vec::new();
        frames.seal(b"more", &mut out);
        frames.close(CloseCode::Normal, &mut out);
        assert_eq!(out, [], "nothing follows a close frame");
    }
}

#[test]
fn codes_that_may_not_be_sent_are_mistakes() {
    let allowed = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in [
        0_u16, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65_535,
    ] {
        let outcome = said(&frame(0x88, &code.to_be_bytes()));
        match allowed(code) {
            true => assert_eq!((outcome.end, outcome.reply), (Ok(true), close_frame(code))),
            false => assert_eq!((outcome.end, outcome.reply), (Err(Fault::CloseCode), close_frame(1002))),
        }
    }
}

#[test]
fn a_goodbye_of_ours_is_said_once_and_the_answer_is_not_answered() {
    let mut frames = Frames::new(MESSAGE_BYTES_MAX);
    let mut out = Vec::new();
    frames.close(CloseCode::GoingAway, &mut out);
    frames.close(CloseCode::Normal, &mut out);
    assert_eq!(out, close_frame(1001));
    let bytes = [frame(0x82, b"under way"), frame(0x89, b""), frame(0x88, b"\x03\xe9")].concat();
    let outcome = read(&mut frames, [&bytes[..]]);
    assert_eq!((&outcome.plain[..], outcome.end), (&b"under way"[..], Ok(true)));
    assert_eq!(outcome.reply, []);
}

#[test]
fn after_a_mistake_nothing_is_read_and_nothing_said() {
    let mut frames = Frames::new(MESSAGE_BYTES_MAX);
    assert_eq!(read(&mut frames, [&frame(0x81, b"")[..]]).end, Err(Fault::Text));
    let outcome = read(&mut frames, [&frame(0x82, b"more")[..]]);
    assert_eq!(outcome.end, Err(Fault::Text), "it stays the same mistake");
    assert_eq!((outcome.plain, outcome.reply), (Vec::new(), Vec::new()));
    let mut out = Vec::new();
    frames.seal(b"more", &mut out);
    assert_eq!(out, []);
}

#[test]
fn text_is_read_a_message_at_a_time() {
    let mut frames = Frames::text(MESSAGE_BYTES_MAX);
    let bytes = [
        frame(0x01, b"<a"),
        frame(0x89, b"?"),
        frame(0x80, b"/>"),
        frame(0x81, b"<b/>"),
        frame(0x81, b""),
    ]
    .concat();
    for cut in 0..bytes.len() {
        let mut frames = Frames::text(MESSAGE_BYTES_MAX);
        let (mut plain, mut reply, mut messages, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for end in [cut, bytes.len()] {
            loop {
                let progress = frames.read(&bytes[done..end], &mut plain, &mut reply).unwrap();
                done += progress.consumed;
                if !progress.message_ended {
                    break;
                }
                messages.push(std::mem::take(&mut plain));
            }
        }
        assert_eq!(messages, [&b"<a/>"[..], b"<b/>", b""], "cut at {cut}");
        assert_eq!(reply, b"\x8a\x01?");
    }
    let mut out = Vec::new();
    frames.seal(b"<c/>", &mut out);
    assert_eq!(out, b"\x81\x04<c/>");
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let outcome = frames.read(&frame(0x82, b"<a/>"), &mut plain, &mut reply);
    assert_eq!((outcome, reply), (Err(Fault::Binary), close_frame(1003)));
}

#[test]
fn a_message_that_the_subprotocol_refuses_ends_the_connection_once() {
    let mut frames = Frames::text(MESSAGE_BYTES_MAX);
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    assert_eq!(frames.refuse(Fault::Message, &mut reply), Fault::Message);
    assert_eq!(reply, close_frame(1002));
    let again = frames.read(&frame(0x81, b"x"), &mut plain, &mut reply);
    assert_eq!(
        (again, plain, reply),
        (Err(Fault::Message), Vec::new(), close_frame(1002))
    );
}
