//! Plays about clients that do not read, sessions that break, and the end of the day.

use super::play;

fn numbers(said: &[String]) -> Vec<usize> {
    said.iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}

#[test]
fn a_client_that_does_not_read_gets_everything_in_order_when_it_reads_again() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Available");
        world.stall(juliet);
        for number in 0..50 {
            world.type_in(romeo, &format!("send juliet {number}"));
        }
        world.settle();
        assert!(
            world.pending("juliet") > 20,
            "above the soft bound, messages wait in the log"
        );
        world.unstall(juliet);
        world.settle();
        assert_eq!(numbers(&world.heard_of(juliet, "message")), (0..50).collect::<Vec<_>>());
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn a_client_that_lets_the_hard_bound_be_reached_ends_and_nobody_else_does() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        let nurse = world.enter("nurse", "chamber", false);
        for line in [juliet, nurse] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        world.stall(juliet);
        for number in 0..200 {
            world.type_in(romeo, &format!("shout juliet {number}"));
        }
        world.settle();
        assert_eq!(world.count(|shard| shard.slow_closed.get()), 1);
        world.type_in(romeo, "send nurse hello");
        world.until(nurse, "message romeo/orchard hello");
        world.type_in(romeo, "send juliet hello");
        world.settle();
        assert_eq!(world.pending("juliet"), 1, "she is away now");
    });
}

#[test]
fn a_panic_ends_one_session_and_no_other() {
    std::panic::set_hook(Box::new(|_| {}));
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let juliet = world.enter("juliet", "balcony", false);
        let friend = world.enter("juliet", "chamber", false);
        for line in [juliet, friend] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        world.type_in(juliet, "panic");
        world.until(friend, "Unavailable juliet/balcony");
        world.type_in(romeo, "send juliet hello");
        world.until(friend, "message romeo/orchard hello");
        assert_eq!(world.count(|shard| shard.panics.get()), 1);
    });
    drop(std::panic::take_hook());
}

#[test]
fn at_the_end_of_the_day_everybody_is_told_and_nothing_accepted_is_lost() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Available");
        for number in 1..=10 {
            world.type_in(romeo, &format!("send juliet {number}"));
        }
        world.stumble(80);
        world.drain();
        for line in [romeo, juliet] {
            assert_eq!(world.heard(line).last().map(String::as_str), Some("bye"));
        }
        assert!(world.is_drained());
        let promised = numbers(&world.heard_of(romeo, "accepted")).len();
        assert!(
            world.pending("juliet") as usize >= promised,
            "she confirmed nothing, so all that was promised waits"
        );
    });
}

#[test]
fn half_finished_handshakes_of_one_address_are_bounded() {
    let (count, one_more) = super::world::World::new(0).knock();
    assert_eq!(count, super::world::LIMITS.unauthenticated_per_address);
    assert!(one_more);
}

#[test]
fn an_account_has_one_budget_for_guesses_whichever_shard_they_arrive_at() {
    // One seed: each guess derives keys.
    let mut world = super::world::World::new(3);
    let guessers: Vec<_> = (0..15).map(|_| world.connect()).collect();
    for guesser in &guessers {
        world.type_in(*guesser, "try juliet wrong");
    }
    world.settle();
    let judged = guessers
        .iter()
        .filter(|guesser| world.heard(**guesser) == ["judged false"])
        .count();
    let refused = guessers
        .iter()
        .filter(|guesser| world.heard(**guesser) == ["unavailable true"])
        .count();
    assert_eq!((judged, refused), (10, 5), "ten at once, as LoginRates has it");
}

/// Shows a password: the verdict, and how many derivations it took.
fn show(world: &mut super::world::World, password: &str) -> (String, usize) {
    let before = world.derived();
    let line = world.connect();
    world.type_in(line, &format!("try juliet {password}"));
    world.until(line, "judged");
    (world.heard(line)[0].clone(), world.derived() - before)
}

#[test]
fn a_password_that_was_right_is_not_derived_from_again_until_it_changes() {
    // One seed: passwords derive keys.
    let world = &mut super::world::World::new(3);
    let (right, wrong) = ("judged true", "judged false");
    assert_eq!(show(world, "pencil"), (right.into(), 1));
    for _ in 0..3 {
        assert_eq!(
            show(world, "pencil"),
            (right.into(), 0),
            "whichever shard it arrives at"
        );
        assert_eq!(
            show(world, "pen"),
            (wrong.into(), 1),
            "a wrong one costs as much every time"
        );
    }
    let juliet = world.enter("juliet", "balcony", false);
    world.type_in(juliet, "renew brush");
    world.until(juliet, "Result renew");
    assert_eq!(
        show(world, "pencil"),
        (wrong.into(), 1),
        "the old one is forgotten at once"
    );
    assert_eq!(show(world, "brush"), (right.into(), 1));
}
