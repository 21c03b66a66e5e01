//! How sessions begin.

use crosspoint_client::codec::Verb;
use crosspoint_client::codec::presence::Show;
use crosspoint_client::core::limits::LOGIN_MS_MAX;
use crosspoint_client::core::{
    Activity, AddressList, Answer, Change, Ending, Event, Final, ListChange, Output, RequestError, ScramFault,
    ServerFault, Subscribed,
};

use crate::peer::{ADDRESS, Peer};
use crate::world::{World, settings};

fn connected() -> Event {
    Event::Connected {
        address: ADDRESS.to_owned(),
        node: "one".to_owned(),
    }
}

#[test]
fn juliet_logs_in_and_has_contacts_and_presence() {
    let mut world = World::new(Peer::default());
    world.connect();
    assert_eq!(
        world.events,
        [connected(), Event::RosterChanged(String::new()), Event::Synced]
    );
    let contacts: Vec<_> = world.core.roster().collect();
    assert_eq!(contacts.len(), 1);
    assert_eq!(
        (contacts[0].name.as_str(), contacts[0].subscribed),
        ("Romeo", Subscribed::Both)
    );
    assert_eq!(contacts[0].groups, ["Montague"]);
    assert!(world.peer.verbs.contains(&Verb::Presence), "she is available");
    world.peer.show("romeo@localhost/orchard", Show::Away);
    world.talk();
    assert_eq!(
        world.core.presence_of("romeo@localhost").next().unwrap().show,
        Show::Away
    );
    assert_eq!(world.core.poll_presence().unwrap().show, Show::Away);
}

#[test]
fn a_login_is_bound_to_its_connection_where_both_sides_can() {
    let both = "SCRAM-SHA-256-PLUS SCRAM-SHA-256";
    for (exporter, mechanisms, name, header) in [
        (None, both, "SCRAM-SHA-256", "n"),
        (Some([9; 32]), both, "SCRAM-SHA-256-PLUS", "p=tls-exporter"),
        // Somebody in between may have hidden it; the server will know.
        (Some([9; 32]), "SCRAM-SHA-256", "SCRAM-SHA-256", "y"),
    ] {
        let mut world = World::new(Peer {
            mechanisms,
            ..Peer::default()
        });
        world.exporter = exporter;
        world.connect();
        assert_eq!(world.peer.gs2, Some((name.to_owned(), header.to_owned())));
        assert!(world.core.in_session());
    }
    let mut world = World::new(Peer {
        mechanisms: both,
        ..Peer::default()
    });
    world.exporter = Some([8; 32]);
    world.connect();
    assert!(!world.core.in_session(), "the server's connection is another");
}

#[test]
fn plain_only_where_there_is_encryption_and_nothing_better() {
    let plain = || Peer {
        mechanisms: "PLAIN",
        ..Peer::default()
    };
    let mut world = World::new(plain());
    world.connect();
    assert!(world.core.in_session());

    let mut clear = settings();
    clear.urls = vec!["icpp://one.example".parse().unwrap()];
    let mut world = World::with(plain(), clear, Default::default());
    world.connect();
    assert_eq!(world.core.ended(), Some(&Final::NoMechanism("PLAIN".to_owned())));
    assert!(!world.peer.verbs.contains(&Verb::Auth), "the password stays here");
}

#[test]
fn a_server_that_does_not_know_the_password_gets_no_session() {
    let mut world = World::new(Peer {
        lies_about_the_password: true,
        ..Peer::default()
    });
    world.connect();
    assert!(!world.core.in_session());
    let fault = ServerFault::Scram(ScramFault::Signature);
    assert_eq!(world.endings(), [Ending::Fault(fault)]);
    assert_eq!(world.core.ended(), None, "another server may be honest");
}

#[test]
fn a_wrong_password_ends_it() {
    let mut wrong = settings();
    wrong.password = "rosaline".to_owned();
    let mut world = World::with(Peer::default(), wrong, Default::default());
    world.connect();
    assert!(matches!(world.core.ended(), Some(Final::NotAuthorized(_))));
    assert!(world.core.poll_dial(world.now + 1_000_000, 0).is_none());
    assert_eq!(world.core.next_timeout(), None);
}

#[test]
fn a_ticket_saves_the_password_once() {
    let mut world = World::new(Peer {
        gives_tickets: true,
        ..Peer::default()
    });
    world.connect();
    world.cut();
    world.peer.verbs.clear();
    world.connect();
    let auths = world.peer.verbs.iter().filter(|verb| **verb == Verb::Auth).count();
    assert_eq!(auths, 1, "the ticket, and no SCRAM: {:?}", world.peer.verbs);
    let tickets: Vec<bool> = world
        .kept_changes()
        .filter_map(|change| match change {
            Change::Ticket(ticket) => Some(ticket.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(tickets, [true, false, true], "used once, and another one is kept");
}

#[test]
fn a_ticket_that_does_not_open_is_followed_by_the_password() {
    let mut world = World::new(Peer {
        gives_tickets: true,
        ..Peer::default()
    });
    world.connect();
    let mut world = world.restart();
    world.peer = Peer::default();
    world.connect();
    assert!(world.core.in_session());
    let auths = world.peer.verbs.iter().filter(|verb| **verb == Verb::Auth).count();
    assert_eq!(auths, 3, "the ticket, and the two messages of SCRAM");
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let mut world = World::new(Peer::default());
    let dial = world.dial();
    world.core.connected(dial.link, 0, [0; 24]);
    let due = world.core.next_timeout().unwrap();
    assert_eq!(due, LOGIN_MS_MAX);
    world.core.timeout(due - 1);
    assert!(world.core.link().is_some());
    world.core.timeout(due);
    world.collect();
    assert_eq!(world.endings(), [Ending::LoginTimeout]);
    assert!(world.core.link().is_none());
}

#[test]
fn requests_are_answered_or_abandoned() {
    let mut world = World::new(Peer::default());
    world.connect();
    world.outputs.clear();
    let history = world.core.history("romeo@localhost", 0, 10, false).unwrap();
    let black = world.core.list(AddressList::Black).unwrap();
    let white = world.core.list(AddressList::White).unwrap();
    let add = world
        .core
        .change_list(AddressList::Black, ListChange::Add(&["tybalt@localhost"]));
    let contact = world
        .core
        .set_contact("nurse@localhost", "Nurse", &["Capulet"])
        .unwrap();
    world.talk();
    let mut answers = world.outputs.iter().filter_map(|output| match output {
        Output::Answer(id, answer) => Some((*id, answer.clone().unwrap())),
        _ => None,
    });
    let (id, said) = answers.next().unwrap();
    assert_eq!(id, history);
    match said {
        Answer::History {
            messages,
            bound: 5,
            more: true,
        } => assert_eq!(messages[0].text(), "said"),
        other => panic!("{other:?}"),
    }
    let addresses = vec!["tybalt@localhost".to_owned()];
    let list = |in_force| Answer::Addresses {
        addresses: addresses.clone(),
        in_force,
    };
    assert_eq!(answers.next(), Some((black, list(None))));
    assert_eq!(answers.next(), Some((white, list(Some(true)))));
    assert_eq!(answers.next(), Some((add.unwrap(), Answer::Done)));
    assert_eq!(answers.next(), Some((contact, Answer::Done)));

    let late = world.core.list(AddressList::Black).unwrap();
    world.core.output().clear();
    world.cut();
    let abandoned = Output::Answer(late, Err(RequestError::Disconnected));
    assert!(world.outputs.contains(&abandoned));
    assert!(world.core.list(AddressList::Black).is_err(), "there is no session");
}

#[test]
fn heartbeats_are_sent_and_missed() {
    let mut world = World::new(Peer::default());
    world.connect();
    let due = world.core.next_timeout().unwrap();
    assert_eq!(due, 60_000);
    world.peer.verbs.clear();
    world.now = due;
    world.core.timeout(due);
    world.talk();
    assert_eq!(world.peer.verbs, [Verb::Ping]);
    // Whoever only sends what is not answered asks, too: he might be talking to nobody.
    for step in 1..6 {
        world.now = due + step * 10_000;
        world
            .core
            .activity([1; 16], "romeo@localhost", Activity::Composing)
            .unwrap();
        world.core.timeout(world.now);
        world.core.output().clear();
    }
    world.peer.verbs.clear();
    world.now = due + 60_000;
    world.core.timeout(world.now);
    world.talk();
    assert_eq!(world.peer.verbs, [Verb::Ping]);
    // In the background, ten times slower.
    world.core.set_background(true);
    world.talk();
    assert_eq!(world.peer.verbs, [Verb::Ping, Verb::State]);
    let due = world.core.next_timeout().unwrap();
    assert_eq!(due, 720_000);
    // No answer any more.
    world.core.timeout(due);
    world.core.timeout(due + 299_999);
    assert!(world.core.link().is_some());
    world.core.timeout(due + 300_000);
    world.collect();
    assert_eq!(world.endings(), [Ending::Silence]);
}
