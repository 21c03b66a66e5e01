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
        world.type_in(juliet, "leave #hall");
        world.type_in(juliet, "say #hall late");
        world.settle();
        assert_eq!(heard(world, romeo, "hall#/juliet: None").len(), 1);
        assert_eq!(heard(world, juliet, "hall#/juliet: None None self").len(), 1);
        assert_eq!(heard(world, nurse, "hall#/juliet: says").len(), 10);
        assert_eq!(heard(world, juliet, "error hall# late").len(), 1);
    });
}
