//! Plays about messages between clients that are there.

use super::play;

#[test]
fn romeo_writes_to_juliet_and_she_hears_it_once_and_in_order() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Available");
        for number in 0..20 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        let expected: Vec<String> = (0..20)
            .map(|number| format!("message romeo/orchard m{number}"))
            .collect();
        assert_eq!(world.heard_of(juliet, "message"), expected);
        assert_eq!(
            world.pending("juliet"),
            0,
            "nobody waited for these, so the log never saw them"
        );
    });
}

#[test]
fn the_session_with_the_highest_priority_gets_it_and_others_that_want_copies_get_copies() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let chamber = world.enter("juliet", "chamber", false);
        let balcony = world.enter("juliet", "balcony", false);
        let asleep = world.enter("juliet", "asleep", false);
        for (line, priority) in [(chamber, 1), (balcony, 5), (asleep, -1)] {
            world.type_in(line, &format!("available {priority}"));
            world.until(line, "Available");
        }
        world.type_in(romeo, "send juliet hello");
        world.type_in(romeo, "send juliet/asleep psst");
        world.settle();
        assert_eq!(world.heard_of(balcony, "message"), ["message romeo/orchard hello"]);
        assert!(world.heard_of(chamber, "message").is_empty());
        assert_eq!(world.heard_of(asleep, "message"), ["message romeo/orchard psst"]);
    });
}

#[test]
fn nobody_at_home_and_nobody_known_are_answered_alike() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "send rosaline hello");
        world.until(romeo, "error rosaline hello");
    });
}

#[test]
fn whoever_is_blocked_is_answered_as_if_nobody_were_there() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(juliet, "available 0");
        world.type_in(juliet, "block romeo");
        world.until(juliet, "Result block romeo");
        world.type_in(romeo, "send juliet one");
        world.until(romeo, "error juliet one");
        world.type_in(juliet, "send romeo two");
        world.until(juliet, "error romeo two");
        world.type_in(juliet, "unblock romeo");
        world.until(juliet, "Result unblock romeo");
        world.type_in(romeo, "send juliet three");
        world.until(juliet, "message romeo/orchard three");
        assert_eq!(world.heard_of(juliet, "message").len(), 1);
    });
}

#[test]
fn who_admits_only_friends_hears_of_nobody_else() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(juliet, "available 0");
        world.type_in(juliet, "only friends");
        world.until(juliet, "Result only friends");
        world.type_in(romeo, "send juliet one");
        world.until(romeo, "error juliet one");
        world.type_in(juliet, "allow romeo");
        world.until(juliet, "Result allow romeo");
        world.type_in(romeo, "send juliet two");
        world.until(juliet, "message romeo/orchard two");
        world.type_in(juliet, "disallow romeo");
        world.until(juliet, "Result disallow romeo");
        world.type_in(juliet, "set romeo");
        world.until(juliet, "Result set romeo");
        world.type_in(romeo, "send juliet three");
        world.until(juliet, "message romeo/orchard three");
        world.type_in(juliet, "block romeo");
        world.until(juliet, "Result block romeo");
        world.type_in(romeo, "send juliet four");
        world.until(romeo, "error juliet four");
        assert_eq!(world.heard_of(juliet, "message").len(), 2);
    });
}

#[test]
fn a_second_session_of_the_same_name_replaces_the_first() {
    play(|world| {
        let first = world.enter("juliet", "balcony", false);
        world.type_in(first, "available 0");
        let second = world.enter("juliet", "balcony", false);
        world.until(first, "bye");
        world.type_in(second, "available 0");
        let romeo = world.enter("romeo", "orchard", false);
        world.until(second, "Available");
        world.type_in(romeo, "send juliet/balcony hello");
        world.until(second, "message romeo/orchard hello");
        assert!(world.heard_of(first, "message").is_empty());
    });
}

/// Found by a client that was cut off without end: after as many times as it may have sessions, its account was closed to
/// it until one of them had waited long enough.
#[test]
fn sessions_that_were_left_behind_make_room_for_the_next() {
    play(|world| {
        let most = crosspoint_engine::limits::Limits::DEFAULT.sessions_per_user;
        let awake = world.enter("juliet", "balcony", true);
        for number in 0..most + 3 {
            let left = world.enter("juliet", &format!("left{number}"), true);
            world.cut(left);
            world.settle();
        }
        world.type_in(awake, "available 0");
        world.until(awake, "Available");
        let romeo = world.enter("romeo", "orchard", true);
        world.type_in(romeo, "send juliet hello");
        world.until(awake, "message romeo/orchard hello");
        for number in 1..most {
            world.enter("juliet", &format!("here{number}"), true);
        }
        let line = world.connect();
        world.type_in(line, "login juliet reliable");
        world.until(line, "homed");
        world.type_in(line, "bind one-too-many");
        world.settle();
        assert!(world.heard_of(line, "bound").is_empty(), "all of them are awake");
        assert!(
            world.heard_of(awake, "bye").is_empty(),
            "nobody who is there makes room"
        );
    });
}

#[test]
fn a_place_is_not_given_away_while_its_last_session_is_still_moving() {
    // Once the driver looked the mover up by its place, found the newcomer there, and the mover's login hung for ever.
    let (mover, newcomer) = super::world::World::new(0).places_of_a_move_and_an_arrival();
    assert_ne!(mover, newcomer);
}

#[test]
fn an_account_that_is_removed_takes_everything_with_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(romeo, "send juliet m1");
        world.settle();
        world.type_in(juliet, "set romeo");
        world.type_in(juliet, "leave");
        world.type_in(juliet, "set mercutio");
        world.until(juliet, "bye");
        world.settle();
        assert_eq!(world.heard_of(juliet, "Result leave").len(), 1);
        assert!(
            world.heard_of(juliet, "Result set mercutio").is_empty(),
            "nothing is taken after the farewell"
        );
        assert_eq!(world.pending("juliet"), 0);
        world.type_in(romeo, "send juliet m2");
        world.until(romeo, "error juliet m2");
    });
}

#[test]
fn an_account_made_while_somebody_asks_for_it_is_there() {
    let scene = |world: &mut super::world::World| {
        let nurse = world.enter("nurse", "chamber", false);
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(nurse, "found paris");
        for number in 0..6 {
            world.type_in(romeo, &format!("send paris m{number}"));
        }
        world.until(nurse, "Result found paris");
        world.settle();
        let paris = world.enter("paris", "square", false);
        world.type_in(paris, "available 0");
        world.until(paris, "Available");
    };
    // Fewer seeds than usual: each derives keys.
    for seed in 0..40 {
        let mut world = super::world::World::new(seed);
        scene(&mut world);
    }
}
