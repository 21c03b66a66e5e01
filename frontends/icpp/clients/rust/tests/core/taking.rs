//! What the application has and has not finished with, over connections, sessions and logs.

use crosspoint_client::core::limits::{ACK_DELAY_MS, UNTAKEN_BYTES_MAX};
use crosspoint_client::core::{Event, Incoming};

use crate::peer::{EPOCH, Peer};
use crate::world::World;

fn asked(world: &World) -> usize {
    let asked = |incoming: &&Incoming| matches!(incoming, Incoming::Subscription { .. });
    world.heard.iter().filter(asked).count()
}

#[test]
fn what_was_given_back_comes_first_again_and_is_not_acknowledged() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.write(1, "one");
    world.peer.write(2, "two");
    world.talk();
    let (taking, first) = world.core.poll_incoming().unwrap();
    world.core.give_back(taking);
    world.now += ACK_DELAY_MS;
    world.core.timeout(world.now);
    world.talk();
    assert_eq!(world.peer.waiting(), 2);
    assert_eq!(world.core.poll_incoming().unwrap(), (taking, first));
    world.core.give_back(taking);
    world.take();
    assert_eq!(world.texts(), ["one", "two"]);
}

/// Found by reading: a subscription has no id, so one that the application was busy with was shown again after a resumption.
#[test]
fn what_the_application_is_busy_with_is_not_shown_again_by_a_resumption() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.ask("romeo@localhost");
    world.peer.ask("tybalt@localhost");
    world.talk();
    let (taking, busy) = world.core.poll_incoming().unwrap();
    world.heard.push(busy);
    for _ in 0..3 {
        world.cut();
        world.connect();
    }
    world.core.taken(taking);
    world.take();
    world.now += ACK_DELAY_MS;
    world.core.timeout(world.now);
    world.talk();
    assert!(world.has(|event| matches!(event, Event::Resumed { .. })));
    assert_eq!(asked(&world), 2);
    assert_eq!(world.peer.ack, 2);
}

/// Found by reading: the offset of a message from the old log was kept as one of the new log, and SYNC passed what waited there.
#[test]
fn an_offset_of_another_log_is_not_kept_as_one_of_this() {
    let mut world = World::new(Peer {
        can_resume: false,
        ..Peer::default()
    });
    world.connect();
    world.peer.write(1, "of the old log");
    world.talk();
    world.cut();
    // Another log, whose offsets are smaller, and in which something waits.
    world.peer.epoch = EPOCH + 1;
    world.peer.log.clear();
    world.peer.next_stamp = 1;
    world.peer.write(2, "of the new log");
    world.connect();
    let (taking, old) = world.core.poll_incoming().unwrap();
    world.heard.push(old);
    world.core.taken(taking);
    world.collect();
    // The program ends before it comes to the other one.
    world.cut();
    let mut world = world.restart();
    world.connect();
    world.take();
    assert_eq!(world.texts(), ["of the old log", "of the new log"]);
}

/// Found by reading: with each session of a client whose application did not read, what waited was counted once more, until even a
/// login was not read.
#[test]
fn sessions_of_an_application_that_does_not_read_do_not_pile_up() {
    let mut world = World::new(Peer {
        can_resume: false,
        mechanisms: "PLAIN",
        window: 16,
        ..Peer::default()
    });
    let text = "x".repeat(60_000);
    for id in 1..=4 {
        world.peer.write(id, &text);
    }
    for _ in 0..UNTAKEN_BYTES_MAX / (4 * text.len()) + 2 {
        world.connect();
        assert!(world.core.in_session());
        assert!(world.core.wants_input());
        world.cut();
    }
    world.connect();
    world.take();
    world.talk();
    assert_eq!(world.texts().len(), 4);
}

/// Found with programs that were killed: the server waited for their sessions to be resumed, and what those had not acknowledged came to
/// the next program minutes later.
#[test]
fn the_next_program_takes_the_place_of_the_last_session() {
    let mut world = World::new(Peer::default());
    world.connect();
    assert_eq!(world.peer.resource, None, "the server's choice");
    world.cut();
    let mut world = world.restart();
    world.connect();
    assert_eq!(world.peer.resource.as_deref(), Some("play"));
}

#[test]
fn a_login_is_read_although_the_inbox_is_full() {
    let mut world = World::new(Peer {
        can_resume: false,
        mechanisms: "PLAIN",
        ..Peer::default()
    });
    world.connect();
    let text = "x".repeat(60_000);
    let mut id = 0;
    while world.core.wants_input() {
        id += 1;
        world.peer.write(id, &text);
        world.talk();
    }
    world.cut();
    let dial = world.dial();
    world.core.connected(dial.link, world.now, [5; 24]);
    assert!(world.core.wants_input());
    world.link = Some(dial.link);
    world.peer.connect();
    world.talk();
    assert!(world.core.in_session());
    world.take();
    world.talk();
    world.take();
    assert_eq!(world.texts().len(), usize::from(id));
}
