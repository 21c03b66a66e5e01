//! Plays about what front-ends are told and may ask: events, turns, badges.

use super::play;
use super::presence::become_friends;
use super::world::World;

/// Everybody available; romeo sees juliet.
fn two_friends(world: &mut World) -> (super::world::Line, super::world::Line) {
    let romeo = world.enter("romeo", "orchard", false);
    let juliet = world.enter("juliet", "balcony", false);
    for line in [romeo, juliet] {
        world.type_in(line, "available 0");
        world.until(line, "Available");
    }
    become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
    world.until(romeo, "Available juliet/balcony");
    (romeo, juliet)
}

#[test]
fn an_event_is_for_those_sessions_that_want_it_and_available() {
    play(|world| {
        let (romeo, juliet) = two_friends(world);
        let deaf = world.enter("romeo", "street", false);
        let away = world.enter("romeo", "bed", false);
        for line in [deaf, juliet] {
            world.type_in(line, "available -1");
            world.until(line, "Available");
        }
        for line in [romeo, away] {
            world.type_in(line, "want");
            world.until(line, "Result want");
        }
        world.type_in(juliet, "event tune");
        world.until(romeo, "message juliet tune");
        world.settle();
        for line in [deaf, away, juliet] {
            assert_eq!(world.heard_of(line, "message juliet").len(), 0, "nobody else wants it");
        }
        world.type_in(romeo, "gone");
        world.type_in(romeo, "available 0");
        world.settle();
        world.type_in(juliet, "event other");
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "message juliet").len(),
            1,
            "who has left wants nothing any more"
        );
    });
}

#[test]
fn whoever_is_let_in_is_named_to_the_front_end() {
    play(|world| {
        let (romeo, juliet) = two_friends(world);
        world.until(romeo, "message verona.lit sees-juliet");
        assert!(
            world.heard_of(juliet, "message verona.lit sees-").is_empty(),
            "she does not see him"
        );
    });
}

#[test]
fn changes_in_turns_lose_nothing() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let street = world.enter("romeo", "street", false);
        for _ in 0..5 {
            world.type_in(romeo, "count");
            world.type_in(street, "count");
        }
        world.settle();
        let mut counted = world.heard_of(romeo, "message verona.lit count-");
        counted.extend(world.heard_of(street, "message verona.lit count-"));
        counted.sort();
        let mut expected: Vec<String> = (1..=10)
            .map(|count| format!("message verona.lit count-{count}"))
            .collect();
        expected.sort();
        assert_eq!(counted, expected);
    });
}

#[test]
fn more_turns_than_may_wait_are_refused_and_the_others_are_taken() {
    let mut world = World::new(1);
    let romeo = world.enter("romeo", "orchard", false);
    let waiting = crosspoint_engine::shard::TURNS_WAITING_MAX;
    world.type_in(romeo, &vec!["count"; waiting + 50].join("\n"));
    world.settle();
    let taken = world.heard_of(romeo, "Result count").len();
    let refused = world.heard_of(romeo, "Error count").len();
    assert_eq!(taken + refused, waiting + 50, "each is answered");
    assert!(refused > 0 && taken > waiting, "{taken} taken, {refused} refused");
    world.type_in(romeo, "count");
    world.until(romeo, "Result count");
}

/// An account that leaves while a change is under way takes the change with it.
#[test]
fn what_an_account_was_changing_when_it_left_is_gone_with_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "count");
        world.type_in(romeo, "leave");
        world.settle();
        assert_eq!(world.rows(crosspoint_engine::service::Table::Setting), 0);
    });
}

#[test]
fn a_badge_is_in_all_presence_and_survives_a_crash() {
    play(|world| {
        let (romeo, juliet) = two_friends(world);
        world.type_in(juliet, "badge rose");
        world.until(romeo, "Available juliet/balcony rose");
        let chamber = world.enter("juliet", "chamber", false);
        world.type_in(chamber, "available 0");
        world.until(romeo, "Available juliet/chamber rose");
        world.crash();
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        for line in [romeo, juliet] {
            world.type_in(line, "available 0");
        }
        world.until(romeo, "Available juliet/balcony rose");
        world.type_in(juliet, "badge");
        world.settle();
        let last = world.heard_of(romeo, "Available juliet").pop();
        assert_eq!(last.as_deref().map(str::trim_end), Some("Available juliet/balcony"));
    });
}
