//! Nothing is lost, nothing comes twice, whatever happens to the wire.

use crosspoint_client::codec::{Flags, Verb};
use crosspoint_client::core::limits::ACK_DELAY_MS;
use crosspoint_client::core::{Ending, Event, Incoming, Kept, Refused, ServerFault};
use proptest::prelude::*;

use crate::peer::{EPOCH, Peer};
use crate::world::World;

fn resumed(event: &Event) -> bool {
    matches!(event, Event::Resumed { .. })
}

fn connected(event: &Event) -> bool {
    matches!(event, Event::Connected { .. })
}

#[test]
fn what_is_sent_is_accepted_once() {
    let mut world = World::new(Peer::default());
    world.send(1, "before there is a connection").unwrap();
    world.connect();
    world.send(2, "after").unwrap();
    world.talk();
    assert_eq!(world.accepted, [1, 2]);
    assert!(world.peer.dups.is_empty());
    assert_eq!(world.kept.outbox.len(), 0);
}

#[test]
fn what_was_not_accepted_is_sent_again_as_it_was() {
    for can_resume in [true, false] {
        let mut world = World::new(Peer {
            can_resume,
            accepts: false,
            ..Peer::default()
        });
        world.connect();
        for id in 1..=3 {
            world.send(id, "again").unwrap();
        }
        world.talk();
        world.cut();
        world.peer.accepts = true;
        world.connect();
        assert_eq!(world.has(resumed), can_resume);
        assert_eq!(world.accepted, [1, 2, 3]);
        assert_eq!(world.peer.dups, [[1; 16], [2; 16], [3; 16]]);
        assert_eq!(world.peer.sends, [[1; 16], [2; 16], [3; 16]]);
    }
}

#[test]
fn the_outbox_outlives_the_program() {
    let mut world = World::new(Peer::default());
    world.send(1, "not connected").unwrap();
    let mut world = world.restart();
    world.connect();
    assert_eq!(world.accepted, [1]);
    assert_eq!(world.peer.dups, [[1; 16]], "it may have been sent");
    let world = world.restart();
    assert_eq!(world.core.outbox_len(), 0);
}

#[test]
fn credit_is_kept_to_and_can_change() {
    let mut world = World::new(Peer {
        window: 2,
        accepts: false,
        ..Peer::default()
    });
    world.connect();
    for id in 1..=5 {
        world.send(id, "much").unwrap();
    }
    world.talk();
    assert_eq!(world.peer.outstanding_most, 2);
    world.peer.put(Verb::Credit, Flags::NONE, 0, &4u32.to_le_bytes());
    world.talk();
    assert_eq!(world.peer.outstanding_most, 4);
    world.peer.put(Verb::Credit, Flags::NONE, 0, &1u32.to_le_bytes());
    world.talk();
    assert_eq!(world.peer.outstanding_most, 4);
}

#[test]
fn a_full_outbox_says_so() {
    let mut world = World::new(Peer::default());
    let mut refused = None;
    for _ in 0..100_000 {
        refused = world.send(1, &"x".repeat(1_000)).err();
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(Refused::Full));
    assert_eq!(world.send(1, &"x".repeat(65_536)), Err(Refused::TooLarge));
}

#[test]
fn only_what_the_application_has_taken_is_acknowledged() {
    let mut world = World::new(Peer::default());
    world.connect();
    for id in 1..=3 {
        world.peer.write(id, "soft");
    }
    world.talk();
    assert_eq!(world.peer.waiting(), 3);
    let (first, _) = world.core.poll_incoming().unwrap();
    let (second, _) = world.core.poll_incoming().unwrap();
    world.core.taken(second);
    world.now += ACK_DELAY_MS;
    world.core.timeout(world.now);
    world.talk();
    assert_eq!(world.peer.waiting(), 3, "there would be a gap");
    world.core.taken(first);
    world.now += ACK_DELAY_MS;
    world.core.timeout(world.now);
    world.talk();
    assert_eq!(world.peer.waiting(), 1);
}

#[test]
fn many_are_acknowledged_before_the_server_has_to_wait() {
    let mut world = World::new(Peer::default());
    world.connect();
    for id in 1..=4 {
        world.peer.write(id, "soft");
    }
    world.talk();
    world.take();
    world.talk();
    assert_eq!(
        world.peer.waiting(),
        0,
        "half of UNACKED_FRAMES, without waiting for the clock"
    );
}

#[test]
fn a_message_that_comes_again_while_its_first_copy_waits_is_not_acknowledged_for_it() {
    for can_resume in [true, false] {
        let mut world = World::new(Peer {
            can_resume,
            ..Peer::default()
        });
        world.connect();
        world.peer.write(1, "one");
        world.talk();
        world.cut();
        world.connect();
        world.now += 10 * ACK_DELAY_MS;
        world.core.timeout(world.now);
        world.talk();
        assert_eq!(world.peer.waiting(), 1, "nobody has taken it");
        world.take();
        world.now += ACK_DELAY_MS;
        world.core.timeout(world.now);
        world.talk();
        assert_eq!(world.texts(), ["one"]);
        assert_eq!(world.peer.waiting(), 0);
    }
}

#[test]
fn what_was_taken_while_the_login_was_under_way_is_not_counted_twice() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.write(1, "one");
    world.peer.write(2, "two");
    world.talk();
    world.cut();
    let dial = world.dial();
    world.core.connected(dial.link, world.now, [5; 24]);
    // HELLO has said 0; now there are two.
    world.take();
    world.link = Some(dial.link);
    world.peer.connect();
    world.talk();
    world.now += ACK_DELAY_MS;
    world.core.timeout(world.now);
    world.talk();
    assert!(world.has(resumed));
    assert_eq!(world.peer.ack, 2);
    assert_eq!(world.texts(), ["one", "two"]);
}

#[test]
fn a_subscription_is_shown_once_although_it_has_no_id() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.ask("romeo@localhost");
    world.talk();
    world.cut();
    world.connect();
    world.take();
    let asked = world
        .heard
        .iter()
        .filter(|incoming| matches!(incoming, Incoming::Subscription { .. }))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn after_a_restart_of_the_program_it_goes_on_from_what_was_taken() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.write(1, "one");
    world.talk();
    world.take();
    let offset = world.kept.offset;
    assert_ne!(offset, 0);
    // The acknowledgement was lost with the program.
    let mut world = world.restart();
    world.peer.write(2, "two");
    world.connect();
    assert_eq!(world.peer.syncs.last(), Some(&(EPOCH, offset)));
    world.take();
    assert_eq!(world.texts(), ["one", "two"]);
}

#[test]
fn what_was_seen_is_known_after_a_restart_even_if_the_log_is_another() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.write(1, "one");
    world.talk();
    world.take();
    world.kept.epoch = 99;
    let mut world = world.restart();
    world.connect();
    world.take();
    assert_eq!(
        world.peer.syncs.last(),
        Some(&(EPOCH, 0)),
        "offsets of another epoch mean nothing"
    );
    assert_eq!(world.texts(), ["one"]);
}

#[test]
fn the_offset_does_not_pass_what_still_waits() {
    // A newer message comes before the answer to SYNC: were its offset kept, the older ones would be lost with the program.
    let mut world = World::new(Peer::default());
    let dial = world.dial();
    world.core.connected(dial.link, 0, [5; 24]);
    world.link = Some(dial.link);
    world.peer.connect();
    world.peer.write(1, "older");
    for _ in 0..3 {
        let bytes = std::mem::take(world.core.output());
        world.peer.receive(&bytes);
        let bytes = std::mem::take(&mut world.peer.output);
        world.core.received(dial.link, 0, &bytes);
    }
    assert!(world.core.in_session());
    world.peer.write(2, "newer");
    let bytes = std::mem::take(&mut world.peer.output);
    world.core.received(dial.link, 0, &bytes);
    world.take();
    assert_eq!((world.texts(), world.kept.offset), (vec!["newer".to_owned()], 0));
    world.talk();
    world.take();
    assert_ne!(world.kept.offset, 0);
    assert_eq!(world.texts(), ["newer", "older"]);
}

#[test]
fn acknowledging_what_was_not_sent_ends_the_connection() {
    let mut world = World::new(Peer::default());
    world.connect();
    let link = world.link.unwrap();
    let mut frame = crosspoint_client::codec::Header::push(Verb::Accepted, 1).bytes(0);
    world.core.received(link, 0, &frame);
    world.collect();
    assert_eq!(world.endings(), [Ending::Fault(ServerFault::AckInvalid)]);
    // And below an earlier one.
    world.connect();
    world.send(1, "x").unwrap();
    world.talk();
    frame[12] = 0;
    let link = world.link.unwrap();
    world.core.received(link, world.now, &frame);
    world.collect();
    assert_eq!(world.endings().len(), 2);
}

/// A conversation, with the wire cut after so many bytes, first one way, then the other.
fn conversation(to_client: usize, to_server: usize, can_resume: bool) -> World {
    let mut world = World::new(Peer {
        can_resume,
        // No key derivation: there are thousands of logins.
        mechanisms: "PLAIN",
        unacked_frames: 2,
        ..Peer::default()
    });
    world.peer.write(1, "waited");
    world.to_client = to_client;
    world.to_server = to_server;
    world.connect();
    for id in 2..=4 {
        world.send(id, "out").unwrap();
        world.peer.write(id, "in");
        world.talk();
        world.take();
        world.talk();
        if world.link.is_none() {
            world.connect();
        }
    }
    for _ in 0..3 {
        if world.link.is_none() {
            world.connect();
        }
        world.take();
        world.now += ACK_DELAY_MS;
        world.core.timeout(world.now);
        world.talk();
    }
    world
}

fn everything_once(world: &World, how: &str) {
    assert_eq!(world.texts(), ["waited", "in", "in", "in"], "{how}");
    assert_eq!(world.accepted, [2, 3, 4], "{how}");
    assert_eq!(world.peer.sends, [[2; 16], [3; 16], [4; 16]], "{how}");
    assert_eq!(world.peer.waiting(), 0, "{how}");
    assert_eq!(world.kept.outbox.len(), 0, "{how}");
}

#[test]
fn the_wire_is_cut_at_every_byte() {
    for can_resume in [true, false] {
        let whole = conversation(usize::MAX, usize::MAX, can_resume);
        everything_once(&whole, "not cut");
        // No conversation is longer than this.
        for cut in 0..3_000 {
            let world = conversation(cut, usize::MAX, can_resume);
            everything_once(&world, &format!("to the client, at {cut}, resume: {can_resume}"));
            if world
                .events
                .iter()
                .filter(|event| connected(event) || resumed(event))
                .count()
                == 1
                && cut > 500
            {
                break;
            }
        }
        for cut in 0..3_000 {
            let world = conversation(usize::MAX, cut, can_resume);
            everything_once(&world, &format!("to the server, at {cut}, resume: {can_resume}"));
            if world
                .events
                .iter()
                .filter(|event| connected(event) || resumed(event))
                .count()
                == 1
                && cut > 500
            {
                break;
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write,
    Send,
    Talk,
    Take,
    Cut,
    Connect { to_client: usize, to_server: usize },
    Forget,
    Restart,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Write),
        3 => Just(Step::Send),
        3 => Just(Step::Talk),
        2 => Just(Step::Take),
        1 => Just(Step::Cut),
        3 => (0..2_000usize, 0..2_000usize).prop_map(|(to_client, to_server)| Step::Connect { to_client, to_server }),
        1 => Just(Step::Forget),
        1 => Just(Step::Restart),
        1 => Just(Step::Wait),
    ]
}

fn play(steps: &[Step]) -> (World, Vec<u8>, usize) {
    let mut world = World::new(Peer {
        // No key derivation: there are many logins.
        mechanisms: "PLAIN",
        window: 3,
        ..Peer::default()
    });
    let (mut sent, mut written) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Write => {
                written += 1;
                world.peer.write(written as u8, &written.to_string());
            }
            Step::Send => {
                let id = sent.len() as u8 + 1;
                world.send(id, "out").unwrap();
                sent.push(id);
            }
            Step::Talk => world.talk(),
            Step::Take => world.take(),
            Step::Cut => world.cut(),
            Step::Connect { to_client, to_server } if world.link.is_none() => {
                (world.to_client, world.to_server) = (*to_client, *to_server);
                world.connect();
            }
            Step::Connect { .. } => {}
            Step::Forget => world.peer.forget_session(),
            Step::Restart => {
                world.cut();
                world = world.restart();
            }
            Step::Wait => {
                world.now += ACK_DELAY_MS;
                world.core.timeout(world.now);
            }
        }
    }
    for _ in 0..3 {
        world.to_client = usize::MAX;
        world.to_server = usize::MAX;
        if world.link.is_none() {
            world.connect();
        }
        world.talk();
        world.take();
        world.now += ACK_DELAY_MS;
        world.core.timeout(world.now);
        world.talk();
    }
    (world, sent, written)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(steps in prop::collection::vec(step(), 0..60)) {
        let (world, sent, written) = play(&steps);
        let expected: Vec<String> = (1..=written).map(|number| number.to_string()).collect();
        prop_assert_eq!(world.texts(), expected);
        let arrived: Vec<u8> = world.peer.sends.iter().map(|id| id[0]).collect();
        prop_assert_eq!(arrived, sent);
        prop_assert_eq!(world.peer.waiting(), 0);
        prop_assert_eq!(world.kept.outbox.len(), 0);
        prop_assert_eq!(world.core.outbox_len(), 0);
    }
}

#[test]
fn kept_state_is_bounded() {
    let mut kept = Kept::default();
    for number in 0..20_000u128 {
        kept.apply(&crosspoint_client::core::Change::Taken {
            seen: Some(number.to_be_bytes()),
            position: None,
        });
    }
    assert_eq!(kept.seen.len(), crosspoint_client::core::limits::SEEN_MAX);
}
