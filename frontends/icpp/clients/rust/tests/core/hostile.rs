//! Whatever a server sends ends in an event or a fault: no panic, no memory without bound.

use crosspoint_client::codec::contacts::{Roster, roster_op};
use crosspoint_client::codec::elsewhere::{Reason, Redirect};
use crosspoint_client::codec::hello::Authed;
use crosspoint_client::codec::message::tag;
use crosspoint_client::codec::{Fault, Flags, Header, Message, Verb, ext, write_frame};
use crosspoint_client::core::limits::{EVENTS_MAX, FRAME_BYTES_MAX, UNTAKEN_FRAMES_MAX};
use crosspoint_client::core::{Ending, Event, ServerFault};
use proptest::prelude::*;

use crate::peer::{Peer, message};
use crate::world::World;

fn frame(verb: u8, flags: u8, slot: u16, id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        verb,
        flags: Flags(flags),
        slot,
        id,
        ack: 0,
    };
    write_frame(&mut out, header, |out| out.extend_from_slice(body));
    out
}

fn in_session() -> World {
    let mut world = World::new(Peer {
        mechanisms: "PLAIN",
        ..Peer::default()
    });
    world.connect();
    assert!(world.core.in_session());
    world
}

fn fault_of(world: &mut World, bytes: &[u8]) -> Option<ServerFault> {
    let link = world.link.unwrap();
    world.core.received(link, world.now, bytes);
    world.collect();
    match world.endings().pop() {
        Some(Ending::Fault(fault)) => Some(fault),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_fault_has_its_name() {
    let malformed = ServerFault::Frame(Fault::Malformed);
    let unexpected = |verb: Verb| ServerFault::UnexpectedVerb(verb as u8);
    let no_reference = message(1, 1, "");
    let cases: Vec<(Vec<u8>, ServerFault)> = vec![
        (b"<stream:stream>!".to_vec(), ServerFault::Frame(Fault::TooLarge)),
        (vec![0; 16], malformed),
        (
            (FRAME_BYTES_MAX + 1).to_le_bytes().to_vec(),
            ServerFault::Frame(Fault::TooLarge),
        ),
        (frame(0x21, 0x80, 0, 0, &[]), ServerFault::Frame(Fault::Reserved)),
        (frame(0x21, 0x10, 0, 0, &[]), ServerFault::Frame(Fault::Reserved)),
        (frame(0x7f, 0, 0, 0, &[]), ServerFault::Frame(Fault::UnknownVerb(0x7f))),
        (frame(0x21, 0, 1, 0, &[]), ServerFault::Slot),
        (frame(0x21, 0, 0, 0, &[1]), malformed),
        (frame(0x22, 0, 0, 0, &[1, 2, 3]), malformed),
        (frame(0x23, 0, 0, 0, &no_reference), malformed),
        (frame(0x31, 0, 0, 0, &[9; 8]), malformed),
        (frame(0x11, 0, 0, 0, &[3, 0, 0, 0, 0, 0, 0, 0]), malformed),
        (frame(0x20, 0, 0, 0, &no_reference), unexpected(Verb::Send)),
        (frame(0x01, 0, 0, 0, &[]), unexpected(Verb::Hello)),
        (frame(0x04, 0x02, 0, 77, &[]), unexpected(Verb::Authed)),
        (frame(0x12, 0, 0, 0, &[]), unexpected(Verb::Topology)),
    ];
    for (bytes, fault) in cases {
        let mut world = in_session();
        let found = fault_of(&mut world, &bytes);
        // An answer that nobody waits for is no fault.
        let expected = (bytes.get(5).is_none_or(|flags| flags & 0x02 == 0)).then_some(fault);
        assert_eq!(found, expected, "{bytes:02x?}");
    }
}

#[test]
fn a_session_cannot_begin_out_of_turn() {
    for (verb, flags) in [
        (Verb::Deliver, Flags::NONE),
        (Verb::Authed, Flags::RESP),
        (Verb::Resumed, Flags::RESP),
        (Verb::Synced, Flags::RESP),
        (Verb::Auth, Flags::RESP.with(Flags::MORE)),
    ] {
        let mut world = World::new(Peer::default());
        let dial = world.dial();
        world.core.connected(dial.link, 0, [0; 24]);
        world.link = Some(dial.link);
        let mut body = Vec::new();
        let authed = Authed {
            address: "juliet@localhost/x",
            ..Authed::default()
        };
        authed.write(&mut body);
        let bytes = frame(verb as u8, flags.0, 0, 1, &body);
        assert_eq!(
            fault_of(&mut world, &bytes),
            Some(ServerFault::UnexpectedVerb(verb as u8))
        );
    }
}

#[test]
fn frames_before_the_login_are_short() {
    let mut world = World::new(Peer::default());
    let dial = world.dial();
    world.core.connected(dial.link, 0, [0; 24]);
    world.link = Some(dial.link);
    assert_eq!(
        fault_of(&mut world, &5_000u32.to_le_bytes()),
        Some(ServerFault::Frame(Fault::TooLarge))
    );
}

#[test]
fn a_flood_that_nobody_reads_stops_the_reading() {
    let mut world = in_session();
    let link = world.link.unwrap();
    let mut sent = 0u64;
    while world.core.wants_input() {
        sent += 1;
        assert!(sent <= UNTAKEN_FRAMES_MAX as u64);
        let mut body = message(0, sent, "flood");
        body[..8].copy_from_slice(&sent.to_be_bytes());
        world
            .core
            .received(link, 0, &frame(Verb::Deliver as u8, 0, 0, 0, &body));
    }
    assert_eq!(sent, UNTAKEN_FRAMES_MAX as u64);
    // It is not the server that is silent.
    world.core.timeout(10_000_000);
    assert!(world.core.link().is_some());
    world.take();
    assert!(world.core.wants_input());
}

#[test]
fn pings_that_are_not_read_stop_the_reading() {
    let mut world = in_session();
    let link = world.link.unwrap();
    let ping = frame(Verb::Ping as u8, Flags::REQ.0, 0, 1, &[]);
    let mut sent = 0;
    while world.core.wants_input() {
        world.core.received(link, 0, &ping);
        sent += 1;
        assert!(sent < 1_000_000);
    }
}

#[test]
fn events_and_presence_that_nobody_asks_for_are_forgotten() {
    let mut world = in_session();
    let link = world.link.unwrap();
    for number in 0..2 * EVENTS_MAX {
        let mut body = Vec::new();
        let address = format!("{number}@localhost");
        let entry = [(0, 0, address.as_str(), "", &[][..])];
        Roster::write(&mut body, roster_op::PUSH, number as u64, entry.into_iter());
        world.core.received(link, 0, &frame(Verb::Roster as u8, 0, 0, 0, &body));
    }
    let mut events = 0;
    let mut last = None;
    while let Some(event) = world.core.poll_event() {
        events += 1;
        last = Some(event);
    }
    assert_eq!(events, EVENTS_MAX);
    assert_eq!(
        last,
        Some(Event::RosterChanged(format!("{}@localhost", 2 * EVENTS_MAX - 1)))
    );
}

#[test]
fn an_answer_without_end_is_one_fault() {
    let mut world = in_session();
    let link = world.link.unwrap();
    world.core.history("", 0, 0, false).unwrap();
    let bytes = std::mem::take(world.core.output());
    let id = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    let flags = Flags::RESP.with(Flags::MORE).0;
    let part = frame(Verb::Items as u8, flags, 0, id, &message(1, 1, &"x".repeat(60_000)));
    let mut parts = 0;
    while world.core.link().is_some() {
        world.core.received(link, 0, &part);
        parts += 1;
        assert!(parts < 1_000);
    }
    world.collect();
    assert_eq!(world.endings(), [Ending::Fault(ServerFault::AnswerTooLong)]);
}

#[test]
fn redirects_to_nonsense_are_refused() {
    let mut world = in_session();
    let mut body = Vec::new();
    let mut redirect = Redirect::to("two", Reason::Home, "one");
    redirect.after_ms = u32::MAX;
    redirect.write(&mut body, ["icpp://plain", "http://x", ""]);
    assert_eq!(fault_of(&mut world, &frame(Verb::Redirect as u8, 0, 0, 0, &body)), None);
    assert!(world.has(|event| matches!(event, Event::RedirectRefused(_))));
    assert!(world.core.in_session());
}

/// Found by reading: a kind of receipt or of typing that was not known ended the connection, and came again after it.
#[test]
fn kinds_of_a_later_version_are_borne() {
    let mut world = in_session();
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::REF, &[7; 16]);
    for (verb, id) in [(Verb::Receipt, 1), (Verb::Note, 2), (Verb::Deliver, 3)] {
        let mut body = Vec::new();
        let message = Message {
            id: [id; 16],
            stamp: 0,
            kind: 99,
            to: "juliet@localhost",
            from: "romeo@localhost/orchard",
            extensions: &extensions,
            payload: b"\xff",
        };
        message.write(&mut body);
        assert_eq!(
            fault_of(&mut world, &frame(verb as u8, 0, 0, 0, &body)),
            None,
            "{verb:?}"
        );
    }
    world.take();
    assert_eq!(world.texts(), ["\u{fffd}"], "the message alone");
}

#[test]
fn what_a_later_version_pushes_is_skipped() {
    let mut world = in_session();
    assert_eq!(fault_of(&mut world, &frame(0xfe, 0, 0, 0, b"?")), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(
        frames in prop::collection::vec((any::<u8>(), 0..16u8, 0..12u32, prop::collection::vec(any::<u8>(), 0..80)), 1..12),
        logged_in: bool,
        cut in 0..200usize,
    ) {
        let mut world = World::new(Peer { mechanisms: "PLAIN", ..Peer::default() });
        match logged_in {
            true => world.connect(),
            false => {
                let dial = world.dial();
                world.core.connected(dial.link, 0, [0; 24]);
                world.link = Some(dial.link);
            }
        }
        let link = world.link.unwrap();
        for (verb, flags, id, body) in frames {
            let bytes = frame(verb, flags, 0, id, &body);
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            world.core.received(link, 0, one);
            world.core.received(link, 0, two);
            world.take();
        }
        world.core.timeout(1_000_000);
        world.collect();
    }
}
