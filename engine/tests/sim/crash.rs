//! Plays about promises: what was accepted survives the power cut, exactly once.

use super::play;
use super::world::World;

fn accepted(world: &World, line: super::world::Line) -> Vec<usize> {
    let said = world.heard_of(line, "accepted");
    said.iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}

#[test]
fn what_was_accepted_for_somebody_away_is_there_once_after_a_crash() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        for number in 1..=20 {
            world.type_in(romeo, &format!("send juliet {number}"));
        }
        world.stumble(120);
        let promised = accepted(world, romeo);
        world.crash();
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        for _ in 0..8 {
            world.settle();
            world.type_in(juliet, "ack");
        }
        world.settle();
        let got: Vec<usize> = world
            .heard_of(juliet, "message")
            .iter()
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(got.is_sorted_by(|a, b| a < b), "in order and once: {got:?}");
        assert!(
            promised.iter().all(|number| got.contains(number)),
            "promised {promised:?}, got {got:?}"
        );
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn what_was_accepted_for_somebody_present_is_there_after_a_crash_unless_she_confirmed_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Available");
        for number in 1..=20 {
            world.type_in(romeo, &format!("send juliet {number}"));
            if number % 7 == 0 {
                world.stumble(60);
                world.type_in(juliet, "ack");
            }
        }
        world.stumble(200);
        let promised = accepted(world, romeo);
        let before: Vec<String> = world.heard_of(juliet, "message");
        world.crash();
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        for _ in 0..8 {
            world.settle();
            world.type_in(juliet, "ack");
        }
        world.settle();
        let after = world.heard_of(juliet, "message");
        for number in promised {
            let line = format!("message romeo/orchard {number}");
            assert!(
                before.contains(&line) || after.contains(&line),
                "{number} was promised and is nowhere"
            );
        }
        assert_eq!(world.pending("juliet"), 0);
    });
}
