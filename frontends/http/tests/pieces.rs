//! Bytes arrive in any pieces, and may be any bytes: that changes nothing, and breaks nothing.

mod common;

use common::{frame, read};
use crosspoint_http::websocket::{Endpoint, Frames, Upgrade};
use proptest::collection::vec;
use proptest::prelude::*;

/// Small, so that it is met.
const MESSAGE_BYTES_MAX: u64 = 400;

/// Frames of all kinds, most of them good.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![vec(any::<u8>(), 0..10), vec(any::<u8>(), 120..132)];
    let first = prop_oneof![
        8 => Just(0x82_u8),
        4 => Just(0x02),
        4 => Just(0x00),
        4 => Just(0x80),
        4 => Just(0x89),
        1 => Just(0x8a),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    vec(
        (first, payload).prop_map(|(first, payload)| frame(first, &payload)),
        0..12,
    )
    .prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn every_boundary_gives_the_same(bytes in frames()) {
        let whole = read(&mut Frames::new(MESSAGE_BYTES_MAX), [&bytes[..]]);
        for place in 0..=bytes.len() {
            let (one, other) = bytes.split_at(place);
            prop_assert_eq!(&read(&mut Frames::new(MESSAGE_BYTES_MAX), [one, other]), &whole, "cut at {}", place);
        }
        prop_assert_eq!(&read(&mut Frames::new(MESSAGE_BYTES_MAX), bytes.chunks(1)), &whole);
    }

    #[test]
    fn any_bytes_are_survived_and_answers_are_never_longer(bytes in vec(any::<u8>(), 0..200), size in 1_usize..50) {
        let outcome = read(&mut Frames::new(MESSAGE_BYTES_MAX), bytes.chunks(size));
        prop_assert!(outcome.plain.len() <= bytes.len());
        // A close frame of four bytes for a mistake of two.
        prop_assert!(outcome.reply.len() <= bytes.len() + 4);
    }

    #[test]
    fn what_was_said_is_heard(messages in vec(vec(any::<u8>(), 0..300), 0..5)) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(0x82, message)).collect();
        let outcome = read(&mut Frames::new(MESSAGE_BYTES_MAX), bytes.chunks(7));
        prop_assert_eq!(outcome.plain, messages.concat());
        prop_assert_eq!(outcome.end, Ok(false));
    }

    #[test]
    fn a_request_of_any_bytes_is_refused_or_waited_for(
        bytes in "(GET /chat HTTP/1.1\r\n)?([ -~\r\n\t\u{e9}]{0,40}(\r\n)?){0,6}(\r\n\r\n)?",
        cut in any::<prop::sample::Index>(),
    ) {
        let endpoint = Endpoint::new("/chat", "chat");
        let bytes = bytes.as_bytes();
        let mut whole = Vec::new();
        let outcome = Upgrade::default().read(&endpoint, bytes, &mut whole);
        let (mut upgrade, mut pieces) = (Upgrade::default(), Vec::new());
        let first = upgrade.read(&endpoint, &bytes[..cut.index(bytes.len() + 1)], &mut pieces);
        let second = match first {
            Ok(None) => upgrade.read(&endpoint, bytes, &mut pieces),
            ended => ended,
        };
        prop_assert_eq!(second, outcome);
        prop_assert_eq!(pieces, whole);
    }
}
