//! Redirects and drains.

use crosspoint_client::codec::elsewhere::Reason;
use crosspoint_client::codec::{Code, Verb};
use crosspoint_client::core::{Ending, Event, Final, RedirectFault};

use crate::peer::Peer;
use crate::world::World;

#[test]
fn a_redirect_before_the_login_is_followed_and_said() {
    let mut world = World::new(Peer {
        redirect: Some(("icpps://two.example".to_owned(), "two")),
        ..Peer::default()
    });
    world.connect();
    assert_eq!(world.endings(), [Ending::Redirected]);
    let dial = world.dial();
    assert_eq!(dial.endpoint.host, "two.example");
    world.peer = Peer {
        node: "two",
        ..Peer::default()
    };
    world.connect_by(dial);
    assert!(world.core.in_session());
    let hello = world.peer.hello.as_ref().unwrap();
    assert_eq!((hello.0, hello.1.as_deref()), (1, Some("one")), "HOPS, CAME_FROM");
}

#[test]
fn redirects_in_a_circle_end_at_our_own_list() {
    let mut world = World::new(Peer::default());
    let mut visited = Vec::new();
    for number in 1..=4 {
        let dial = world.dial();
        visited.push(dial.endpoint.host.clone());
        world.peer = Peer {
            redirect: Some((format!("icpps://n{number}.example"), "nowhere known")),
            ..Peer::default()
        };
        world.connect_by(dial);
    }
    assert_eq!(visited, ["one.example", "n1.example", "n2.example", "n3.example"]);
    assert!(world.has(|event| *event == Event::RedirectRefused(RedirectFault::TooMany)));
    // With a wait, and from the beginning.
    world.collect();
    let before = world.now;
    let due = (0..10_000)
        .find_map(|_| {
            let dial = world.core.poll_dial(world.now, 777);
            world.now += 1;
            dial
        })
        .unwrap();
    assert_eq!(due.endpoint.host, "one.example");
    assert!(world.now - before >= 777, "the wait is drawn by lot");
}

#[test]
fn a_session_moves_and_loses_nothing() {
    let mut world = World::new(Peer {
        accepts: false,
        ..Peer::default()
    });
    world.connect();
    world.peer.write(1, "one");
    world.send(1, "out").unwrap();
    world.talk();
    world.peer.drain(1);
    world.peer.knows_ticket(b"for two");
    world.peer.redirect_to("icpps://two.example", "two", Some(b"for two"));
    world.talk();
    assert!(world.has(|event| matches!(event, Event::Draining { deadline_ms: 5_000 })));
    assert!(world.has(|event| *event
        == Event::Redirected {
            node: "two".to_owned(),
            reason: Reason::Drain
        }));
    // The old connection works until the new one is there.
    let dial = world.dial();
    assert_eq!(dial.endpoint.host, "two.example");
    assert_eq!(world.core.link(), world.link);
    world.peer.write(2, "two");
    world.talk();
    world.peer.verbs.clear();
    world.peer.accepts = true;
    world.connect_by(dial);
    assert!(world.has(|event| matches!(event, Event::Resumed { .. })));
    assert!(world.peer.hello.as_ref().is_some_and(|hello| hello.2), "RESUME");
    let auths = world.peer.verbs.iter().filter(|verb| **verb == Verb::Auth).count();
    assert_eq!(auths, 1, "the ticket of the redirect");
    world.take();
    assert_eq!(world.texts(), ["one", "two"]);
    assert_eq!(world.accepted, [1]);
    assert!(world.endings().is_empty());
}

#[test]
fn a_target_that_cannot_be_reached_costs_nothing() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.redirect_to("icpps://two.example", "two", None);
    world.talk();
    let dial = world.dial();
    world.core.dial_failed(dial.link, world.now, "refused".to_owned());
    world.send(1, "still here").unwrap();
    world.talk();
    assert_eq!(world.accepted, [1]);
    assert!(world.core.poll_dial(world.now, 0).is_none());
}

#[test]
fn after_the_second_phase_of_a_drain_nothing_is_sent_until_elsewhere() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.drain(2);
    world.talk();
    world.send(1, "later").unwrap();
    world.talk();
    assert!(world.peer.sends.is_empty());
    world.peer.bye(Code::Shutdown);
    world.talk();
    world.peer.forget_session();
    world.connect();
    assert_eq!(world.accepted, [1]);
}

#[test]
fn who_is_replaced_stays_away() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.bye(Code::Replaced);
    world.talk();
    assert_eq!(world.core.ended(), Some(&Final::Replaced));
    assert!(world.core.poll_dial(u64::MAX / 2, 0).is_none());
}

#[test]
fn a_slow_consumer_is_told_and_comes_back() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.bye(Code::SlowConsumer);
    world.talk();
    assert!(world.has(|event| *event == Event::SlowConsumer));
    world.connect();
    assert!(world.core.in_session());
}

#[test]
fn leaving_waits_for_the_last_word_to_be_accepted() {
    let mut world = World::new(Peer {
        accepts: false,
        ..Peer::default()
    });
    world.connect();
    world.send(1, "adieu").unwrap();
    world.core.leave();
    world.talk();
    assert!(world.core.ended().is_none());
    world.cut();
    world.peer.accepts = true;
    world.connect();
    assert_eq!(world.accepted, [1]);
    assert_eq!(world.core.ended(), Some(&Final::Closed));
    assert!(!world.core.output().is_empty() || world.peer.verbs.contains(&Verb::Bye));
}
