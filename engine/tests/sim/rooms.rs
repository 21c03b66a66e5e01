//! Plays in rooms.

use super::play;
use super::world::{Line, World};

/// What a client heard that says this, anywhere in the line.
fn heard(world: &World, line: Line, what: &str) -> Vec<String> {
    world
        .heard(line)
        .iter()
        .filter(|said| said.contains(what))
        .cloned()
        .collect()
}

/// Enters a room and waits until it is in.
fn join(world: &mut World, line: Line, room: &str, nick: &str) {
    world.type_in(line, &format!("join #{room}/{nick}"));
    world.until(line, &format!("{room}#/{nick}: "));
    world.settle();
}

/// Romeo makes a room and opens it.
fn found(world: &mut World, romeo: Line, room: &str, config: &str) {
    join(world, romeo, room, "romeo");
    world.type_in(romeo, &format!("room #{room} config {config}"));
    world.settle();
    assert_eq!(
        heard(world, romeo, &format!("{room}#: Done")).len(),
        1,
        "{:?}",
        world.heard(romeo)
    );
}

#[test]
fn what_is_said_in_a_room_reaches_everybody_in_it_once_and_in_order() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        let nurse = world.enter("nurse", "kitchen", false);
        found(world, romeo, "hall", "Hall");
        assert_eq!(heard(world, romeo, "201").len(), 1);
        join(world, juliet, "hall", "juliet");
        join(world, nurse, "hall", "nurse");
        assert_eq!(
            heard(world, juliet, "hall#/"),
            [
                "hall#/romeo: Moderator Owner",
                "hall#/juliet: Participant None self juliet/balcony 170",
                "hall#/nurse: Participant None",
            ]
        );
        for number in 0..10 {
            world.type_in(juliet, &format!("say #hall m{number}"));
        }
        world.settle();
        let said = heard(world, romeo, "hall#/juliet: says");
        assert_eq!(said.len(), 10);
        for other in [juliet, nurse] {
            assert_eq!(heard(world, other, "hall#/juliet: says"), said);
        }
        world.type_in(juliet, "part #hall");
        world.type_in(juliet, "say #hall late");
        world.settle();
        assert_eq!(heard(world, romeo, "hall#/juliet: None").len(), 1);
        assert_eq!(heard(world, juliet, "hall#/juliet: None None self").len(), 1);
        assert_eq!(heard(world, nurse, "hall#/juliet: says").len(), 10);
        assert_eq!(heard(world, juliet, "error hall# late").len(), 1);
    });
}

#[test]
fn a_room_that_stays_is_there_after_a_crash_with_its_affiliations_subject_and_history() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        found(world, romeo, "hall", "persistent");
        for line in [
            "room #hall affiliate juliet member",
            "room #hall affiliate mercutio outcast",
            "subject #hall subject=Love",
            "say #hall m1",
        ] {
            world.type_in(romeo, line);
            world.settle();
        }
        assert_eq!(heard(world, romeo, "accepted").len(), 2);
        world.crash();
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        let told = heard(world, juliet, "hall#");
        assert!(told[0].starts_with("hall#/juliet: Participant Member self"), "{told:?}");
        assert!(told[1].starts_with("hall#/romeo: said"), "{told:?}");
        assert_eq!(told[2..], ["hall#/romeo: subject Love"], "{told:?}");
        let mercutio = world.enter("mercutio", "street", false);
        world.type_in(mercutio, "join #hall/mercutio");
        world.settle();
        assert_eq!(heard(world, mercutio, "refused").len(), 1);
        assert_eq!(heard(world, mercutio, "refused hall#/mercutio Forbidden").len(), 1);
        world.type_in(juliet, "room #hall read");
        world.settle();
        assert_eq!(
            heard(world, juliet, "hall#: read m1").len(),
            1,
            "{:?}",
            world.heard(juliet)
        );
    });
}

#[test]
fn a_room_that_does_not_stay_ends_with_its_last_occupant_and_its_name_tells_nothing() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        world.type_in(romeo, "say #hall secret");
        world.type_in(romeo, "part #hall");
        world.settle();
        assert_eq!(world.count(|figures| figures.room_occupants.get()), 0);
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        assert_eq!(
            heard(world, juliet, "201").len(),
            1,
            "she has made it: {:?}",
            world.heard(juliet)
        );
        assert_eq!(heard(world, juliet, "said"), [""; 0]);
        world.type_in(juliet, "room #hall config Hall");
        world.type_in(juliet, "room #hall read");
        world.settle();
        assert_eq!(heard(world, juliet, "hall#: read "), ["hall#: read "]);
    });
}

#[test]
fn a_session_that_ends_leaves_its_rooms_however_it_ends() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let ways = ["cut", "gone", "panic", "replaced"];
        for (index, way) in ways.iter().enumerate() {
            let juliet = world.enter("juliet", "balcony", false);
            join(world, juliet, "hall", "juliet");
            match *way {
                "cut" => world.cut(juliet),
                "gone" => {
                    world.type_in(juliet, "available 0");
                    world.type_in(juliet, "gone");
                }
                "panic" => world.type_in(juliet, "panic"),
                _ => drop(world.enter("juliet", "balcony", false)),
            }
            world.settle();
            let left = heard(world, romeo, "hall#/juliet: None");
            assert_eq!(left.len(), index + 1, "{way}: {:?}", world.heard(romeo));
            assert_eq!(world.count(|figures| figures.room_occupants.get()), 1, "{way}");
        }
    });
}

#[test]
fn a_session_that_sleeps_and_is_resumed_stays_and_misses_nothing() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", true);
        join(world, juliet, "hall", "juliet");
        world.type_in(juliet, "ack");
        world.settle();
        world.cut(juliet);
        world.type_in(romeo, "say #hall m1");
        world.settle();
        let again = world.connect();
        world.type_in(again, "login juliet reliable");
        world.until(again, "homed");
        world.type_in(romeo, "say #hall m2");
        world.type_in(again, "resume juliet@verona.lit/balcony");
        world.type_in(romeo, "say #hall m3");
        world.settle();
        world.type_in(again, "say #hall m4");
        world.settle();
        assert_eq!(heard(world, romeo, "hall#/juliet: None"), [""; 0]);
        assert_eq!(heard(world, romeo, "hall#/juliet: says").len(), 1);
        world.type_in(again, "held");
        world.settle();
        assert_eq!(heard(world, again, "held"), ["held m1,m2,m3,m4"]);
    });
}

#[test]
fn who_is_kicked_banned_or_loses_membership_is_out_and_all_are_told() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let nurse = world.enter("nurse", "kitchen", false);
        found(world, romeo, "hall", "persistent");
        join(world, nurse, "hall", "nurse");
        for (line, status) in [
            ("room #hall role juliet none", "307"),
            ("room #hall affiliate juliet outcast", "301"),
        ] {
            let juliet = world.enter("juliet", "balcony", false);
            join(world, juliet, "hall", "juliet");
            world.type_in(romeo, line);
            world.settle();
            assert_eq!(heard(world, juliet, &format!("self juliet/balcony {status}")).len(), 1);
            assert_eq!(
                heard(
                    world,
                    nurse,
                    &format!(
                        "hall#/juliet: None {} {status}",
                        match status {
                            "301" => "Outcast",
                            _ => "None",
                        }
                    )
                )
                .len(),
                1,
                "{:?}",
                world.heard(nurse)
            );
            world.type_in(juliet, "say #hall late");
            world.settle();
            assert_eq!(heard(world, juliet, "error hall# late").len(), 1);
            world.cut(juliet);
        }
        world.type_in(romeo, "room #hall config members");
        world.settle();
        assert_eq!(heard(world, nurse, "self nurse/kitchen 322").len(), 1);
        assert_eq!(world.count(|figures| figures.room_occupants.get()), 1);
    });
}

#[test]
fn queries_between_occupants_come_back_to_who_asked_and_a_ping_of_oneself_is_answered_by_the_room() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        let phone = world.enter("juliet", "phone", false);
        join(world, phone, "hall", "juliet");
        world.type_in(phone, "ask #hall/romeo v1");
        world.type_in(phone, "ask #hall/juliet ping");
        world.settle();
        assert_eq!(heard(world, romeo, "asked hall#/juliet").len(), 1);
        assert_eq!(
            heard(world, phone, "Result ask #hall/romeo v1").len(),
            1,
            "{:?}",
            world.heard(phone)
        );
        assert_eq!(heard(world, phone, "Result ask #hall/juliet ping").len(), 1);
        assert_eq!(heard(world, juliet, "Result"), [""; 0]);
        world.type_in(phone, "part #hall");
        world.settle();
        assert_eq!(
            heard(world, romeo, "hall#/juliet: None"),
            [""; 0],
            "the other session is still there"
        );
        world.type_in(phone, "ask #hall/juliet ping");
        world.settle();
        assert_eq!(heard(world, phone, "refused hall#/juliet NotAcceptable").len(), 1);
    });
}

#[test]
fn every_shard_knows_the_list_of_rooms() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        found(world, romeo, "den", "persistent hidden");
        found(world, romeo, "garden", "persistent");
        world.crash();
        let names = ["romeo", "juliet", "nurse", "mercutio"];
        let lines = names.map(|name| world.enter(name, "here", false));
        join(world, lines[1], "attic", "juliet");
        world.type_in(lines[1], "room #attic config Attic");
        world.settle();
        for line in lines {
            world.type_in(line, "rooms");
            world.settle();
            assert_eq!(
                heard(world, line, "list "),
                ["rooms.verona.lit: list attic,garden,lobby of 3"]
            );
        }
        world.type_in(lines[1], "part #attic");
        world.settle();
        world.type_in(lines[0], "rooms");
        world.settle();
        assert_eq!(heard(world, lines[0], "list garden,lobby of 2").len(), 1);
    });
}

#[test]
fn the_end_of_the_service_is_told_in_rooms() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        world.drain();
        assert!(world.is_drained());
        let told = heard(world, romeo, "332").len() + heard(world, juliet, "332").len();
        // Whoever's own shard was drained before the room's is told nothing: its session was over.
        assert!(told <= 2);
    });
}

#[test]
fn invitations_are_bounded_and_reach_who_is_away() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        world.type_in(romeo, "invite #hall juliet");
        world.settle();
        assert_eq!(world.pending("juliet"), 1);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.settle();
        assert_eq!(heard(world, juliet, "hall#: invited by romeo").len(), 1);
        // One who is not in reaches nobody through the room but those who are.
        world.type_in(juliet, "decline #hall nurse");
        world.type_in(juliet, "decline #hall romeo");
        world.type_in(juliet, "invite #hall nurse");
        world.settle();
        assert_eq!(world.pending("nurse"), 0);
        assert_eq!(heard(world, romeo, "hall#: declined by juliet").len(), 1);
    });
}

#[test]
fn a_message_that_a_moderator_hides_is_shown_to_nobody_again() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "persistent");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        for id in ["m1", "m2", "m3"] {
            world.type_in(juliet, &format!("say #hall {id}"));
            world.settle();
        }
        let record = |world: &World, index: usize| {
            let said = heard(world, romeo, "hall#/juliet: says");
            said[index].split(' ').nth(2).expect("a record").to_owned()
        };
        let (first, second) = (record(world, 0), record(world, 1));
        world.type_in(romeo, &format!("room #hall moderate {first}"));
        // Only its writer takes a message back.
        world.type_in(romeo, &format!("say #hall retract={second}"));
        world.settle();
        assert_eq!(heard(world, juliet, &format!("hall#: moderated {first}")).len(), 1);
        world.type_in(juliet, "room #hall read");
        world.settle();
        let read = |what: &str| format!("read m1 hidden by romeo,{what},moderation,retract={second}");
        let all = read("m2,m3");
        assert_eq!(heard(world, juliet, &all).len(), 1, "{:?}", world.heard(juliet));
        world.type_in(juliet, &format!("say #hall retract={second}"));
        world.settle();
        world.type_in(juliet, "room #hall read");
        world.settle();
        let rest = read("m3");
        assert_eq!(heard(world, juliet, &rest).len(), 1, "{:?}", world.heard(juliet));
        world.type_in(romeo, &format!("room #hall moderate {first}"));
        world.settle();
        assert_eq!(
            heard(world, romeo, "refused hall# ItemNotFound").len(),
            1,
            "it is hidden already"
        );
        let nurse = world.enter("nurse", "kitchen", false);
        join(world, nurse, "hall", "nurse");
        assert!(heard(world, nurse, &first).is_empty() && heard(world, nurse, &second).is_empty());
        world.type_in(nurse, &format!("room #hall moderate {first}"));
        world.settle();
        assert_eq!(heard(world, nurse, "refused hall# Forbidden").len(), 1);
    });
}

/// One user's work cannot starve a shard: what he says into a room, and how often he enters it, is bounded, and nobody else is.
#[test]
fn one_users_work_in_a_room_is_bounded_and_nobody_elses_suffers() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        for _ in 0..3 {
            world.type_in(juliet, "invite #hall nurse");
        }
        world.settle();
        assert_eq!(
            world.pending("nurse"),
            1,
            "an invitation costs as much as a thousand deliveries"
        );
        for number in 0..200 {
            world.type_in(juliet, &format!("say #hall flood{number}"));
        }
        world.settle();
        let passed = heard(world, romeo, "hall#/juliet: says").len();
        assert!((150..=165).contains(&passed), "two are in: {passed}");
        assert_eq!(heard(world, juliet, "error hall# flood").len(), 200 - passed);
        world.type_in(romeo, "say #hall calm");
        world.settle();
        assert_eq!(heard(world, juliet, "hall#/romeo: says").len(), 1);
        // Entering again and again is as bounded, for who has said nothing.
        let nurse = world.enter("nurse", "kitchen", false);
        for _ in 0..30 {
            world.type_in(nurse, "join #hall/nurse");
            world.type_in(nurse, "part #hall");
        }
        world.settle();
        let entered = heard(world, romeo, "hall#/nurse: Participant").len();
        assert!((15..=22).contains(&entered), "{entered}");
        assert_eq!(
            heard(world, nurse, "refused hall#/nurse ResourceConstraint").len(),
            30 - entered
        );
        let mercutio = world.enter("mercutio", "street", false);
        join(world, mercutio, "hall", "mercutio");
    });
}

/// Whatever a client says of itself: its identity in the room is that of its account, the same for all its sessions and for nobody else.
#[test]
fn an_occupants_identity_is_the_rooms_word_and_not_its_own() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        let phone = world.enter("juliet", "phone", false);
        join(world, phone, "hall", "capulet");
        let identity = |world: &mut World, line: Line, nick: &str, id: &str| {
            let before = heard(world, romeo, &format!("hall#/{nick}: says")).len();
            world.type_in(line, &format!("say #hall {id}"));
            world.settle();
            let said = heard(world, romeo, &format!("hall#/{nick}: says"));
            assert_eq!(said.len(), before + 1);
            said[before].rsplit(' ').next().expect("an identity").to_owned()
        };
        let one = identity(world, juliet, "juliet", "m1");
        assert_eq!(identity(world, juliet, "juliet", "occupant-id=romeo"), one);
        assert_eq!(identity(world, phone, "capulet", "m2"), one);
        assert_ne!(identity(world, romeo, "romeo", "m3"), one);
        found(world, romeo, "den", "Den");
        join(world, juliet, "den", "juliet");
        world.type_in(juliet, "say #den m4");
        world.settle();
        let elsewhere = heard(world, romeo, "den#/juliet: says");
        assert_ne!(
            elsewhere[0].rsplit(' ').next(),
            Some(one.as_str()),
            "rooms cannot be compared"
        );
    });
}

/// Thrown out while it enters again, and gone without a word after that: whatever the order, nobody stays who is not there.
#[test]
fn a_session_that_is_nowhere_to_be_found_is_in_no_room() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "Hall");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        world.type_in(romeo, "room #hall role juliet none");
        world.type_in(juliet, "part #hall");
        world.type_in(juliet, "join #hall/juliet");
        world.stumble(12);
        world.cut(juliet);
        world.settle();
        world.type_in(romeo, "say #hall who");
        world.settle();
        assert_eq!(
            world.count(|figures| figures.room_occupants.get()),
            1,
            "{:?}",
            world.heard(romeo)
        );
        let comings = heard(world, romeo, "hall#/juliet: Participant").len();
        assert_eq!(heard(world, romeo, "hall#/juliet: None").len(), comings);
    });
}

#[test]
fn a_room_made_by_configuration_is_always_there_and_is_nobodys() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        join(world, romeo, "lobby", "romeo");
        assert!(heard(world, romeo, "201").is_empty(), "{:?}", world.heard(romeo));
        world.type_in(romeo, "room #lobby destroy");
        world.settle();
        assert_eq!(heard(world, romeo, "refused lobby# Forbidden").len(), 1);
        world.type_in(romeo, "say #lobby m1");
        world.settle();
        world.crash();
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "lobby", "juliet");
        assert_eq!(heard(world, juliet, "lobby#/romeo: said").len(), 1);
    });
}

#[test]
fn a_room_that_is_destroyed_is_gone_for_good() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "persistent");
        let juliet = world.enter("juliet", "balcony", false);
        join(world, juliet, "hall", "juliet");
        world.type_in(romeo, "say #hall m1");
        world.settle();
        world.type_in(romeo, "room #hall destroy");
        // What comes meanwhile finds the room, or none: never half of one.
        world.type_in(juliet, "say #hall late");
        world.settle();
        assert_eq!(heard(world, juliet, "destroyed").len(), 1);
        assert_eq!(heard(world, romeo, "hall#: Done").len(), 2);
        assert_eq!(world.count(|figures| figures.room_occupants.get()), 0);
        world.crash();
        let nurse = world.enter("nurse", "kitchen", false);
        join(world, nurse, "hall", "nurse");
        assert_eq!(heard(world, nurse, "201").len(), 1);
        assert!(heard(world, nurse, "said").is_empty());
    });
}

#[test]
fn rooms_that_nobody_is_in_leave_memory_and_come_back() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        found(world, romeo, "hall", "persistent");
        world.type_in(romeo, "say #hall m1");
        world.type_in(romeo, "part #hall");
        world.settle();
        for _ in 0..4 {
            world.pass(30_000);
            world.settle();
        }
        assert_eq!(world.count(|figures| figures.rooms.get()), 0);
        join(world, romeo, "hall", "romeo");
        assert_eq!(heard(world, romeo, "hall#/romeo: said").len(), 1);
        assert_eq!(heard(world, romeo, "201").len(), 1, "made once");
    });
}

#[test]
fn whoever_makes_rooms_without_end_is_stopped() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..30 {
            world.type_in(romeo, &format!("join #room{number}/romeo"));
        }
        world.settle();
        let made = heard(world, romeo, " 201").len();
        let refused = heard(world, romeo, "ResourceConstraint").len();
        assert_eq!(made + refused, 30, "{:?}", world.heard(romeo));
        world.type_in(romeo, "gone");
        world.cut(romeo);
        world.settle();
        assert_eq!(
            world.count(|figures| figures.rooms.get()),
            world.count(|figures| figures.room_occupants.get())
        );
    });
}

/// XEP-0045 section 7.2.18: a client that believes to be in a room hears that it is not, and nobody else hears anything.
#[test]
fn presence_of_who_is_not_in_lets_nobody_in_and_makes_no_room() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let nurse = world.enter("nurse", "kitchen", false);
        found(world, romeo, "hall", "Hall");
        for room in ["hall", "nowhere"] {
            world.type_in(nurse, &format!("shows #{room}/nurse"));
            world.until(nurse, &format!("{room}#/nurse: "));
            let told = heard(world, nurse, &format!("{room}#/nurse: "));
            assert!(
                told.len() == 1 && told[0].contains("self") && told[0].contains("307 333"),
                "{told:?}"
            );
        }
        world.settle();
        assert!(heard(world, romeo, "nurse").is_empty(), "{:?}", world.heard(romeo));
        join(world, nurse, "nowhere", "nurse");
        assert_eq!(heard(world, nurse, "201").len(), 1, "it was not there before");
    });
}
