//! Plays about administrators: what they order is done wherever it belongs, and everybody is told who should be.

use super::play;
use super::world::{Line, World};

/// Gives an order and waits for what has come of it.
fn order(world: &mut World, chief: Line, text: &str) -> String {
    let before = world.heard_of(chief, "Result").len();
    world.type_in(chief, &format!("order {text}"));
    world.settle();
    let told = world.heard_of(chief, "Result");
    assert_eq!(told.len(), before + 1, "one answer to {text}");
    let last = told.last().expect("an answer");
    last.trim_start_matches("Result told ").to_owned()
}

fn available(world: &mut World, name: &str, resource: &str) -> Line {
    let line = world.enter(name, resource, false);
    world.type_in(line, "available 0");
    world.settle();
    line
}

fn messages(world: &World, line: Line) -> usize {
    world.heard_of(line, "message").len()
}

#[test]
fn a_disabled_account_ends_its_sessions_and_lets_nobody_in_until_it_is_enabled() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        let juliet = available(world, "juliet", "balcony");
        assert_eq!(order(world, chief, "disable:juliet"), "done");
        assert!(!world.heard_of(juliet, "bye").is_empty(), "{:?}", world.heard(juliet));
        assert_eq!(order(world, chief, "count:disabled"), "1");
        assert_eq!(order(world, chief, "password:juliet"), "done");
        assert_eq!(
            order(world, chief, "count:disabled"),
            "1",
            "a new password does not enable"
        );
        world.type_in(chief, "send juliet m1");
        let late = world.connect();
        world.type_in(late, "login juliet");
        world.settle();
        assert!(world.heard_of(late, "homed").is_empty(), "{:?}", world.heard(late));
        assert_eq!(order(world, chief, "enable:juliet"), "done");
        let back = available(world, "juliet", "orchard");
        assert_eq!(messages(world, back), 1, "what came meanwhile has waited");
        assert_eq!(order(world, chief, "disable:nobody-of-that-name"), "ItemNotFound");
    });
}

#[test]
fn accounts_are_made_counted_listed_and_removed_from_any_shard() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        let before: u64 = order(world, chief, "count:registered").parse().expect("a number");
        assert_eq!(order(world, chief, "create:paris"), "done");
        assert_eq!(order(world, chief, "create:paris"), "Conflict");
        assert_eq!(order(world, chief, "count:registered"), (before + 1).to_string());
        assert_eq!(order(world, chief, "list:registered"), "2 true");
        let juliet = available(world, "juliet", "balcony");
        assert_eq!(order(world, chief, "count:online"), "2");
        assert_eq!(order(world, chief, "count:active"), "2");
        assert_eq!(order(world, chief, "count:idle"), "0");
        assert_eq!(order(world, chief, "list:online"), "2 false");
        assert_eq!(order(world, chief, "inspect:juliet"), "1 true");
        assert_eq!(order(world, chief, "end:juliet"), "done");
        assert!(!world.heard_of(juliet, "bye").is_empty());
        assert_eq!(order(world, chief, "count:online"), "1");
        assert_eq!(order(world, chief, "remove:paris"), "done");
        assert_eq!(order(world, chief, "count:registered"), before.to_string());
        assert_eq!(order(world, chief, "inspect:paris"), "ItemNotFound");
    });
}

#[test]
fn when_somebody_was_last_here_outlives_his_being_in_memory() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        assert_eq!(order(world, chief, "inspect:juliet"), "0 false");
        let juliet = available(world, "juliet", "balcony");
        world.cut(juliet);
        world.settle();
        world.pass(10 * 60_000);
        assert_eq!(order(world, chief, "inspect:juliet"), "0 true");
    });
}

#[test]
fn an_announcement_reaches_whoever_is_there_and_nobody_later() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        let lines = [
            chief,
            available(world, "juliet", "balcony"),
            available(world, "juliet", "orchard"),
        ];
        assert_eq!(order(world, chief, "announce:Attention"), "2");
        for line in lines {
            assert_eq!(messages(world, line), 1);
        }
        let late = available(world, "nurse", "kitchen");
        assert_eq!(messages(world, late), 0);
    });
}

#[test]
fn the_message_of_the_day_comes_once_to_each_also_to_the_forgotten() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        assert_eq!(order(world, chief, "motd:Grand-reopening"), "done");
        assert_eq!(messages(world, chief), 1);
        let juliet = available(world, "juliet", "balcony");
        assert_eq!(messages(world, juliet), 1);
        let second = available(world, "juliet", "orchard");
        assert_eq!(messages(world, second), 0, "once to each");
        world.cut(juliet);
        world.cut(second);
        world.settle();
        world.pass(10 * 60_000);
        let again = available(world, "juliet", "again");
        assert_eq!(messages(world, again), 0, "also when she was forgotten meanwhile");
        assert_eq!(order(world, chief, "motd:"), "done");
        let nurse = available(world, "nurse", "kitchen");
        assert_eq!(messages(world, nurse), 0, "it was deleted");
    });
}

#[test]
fn only_newcomers_are_welcomed() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        assert_eq!(order(world, chief, "welcome:Welcome"), "done");
        assert_eq!(order(world, chief, "create:paris"), "done");
        let old = available(world, "juliet", "balcony");
        assert_eq!(messages(world, old), 0);
        for expected in [1, 0] {
            let paris = available(world, "paris", if expected == 1 { "first" } else { "second" });
            assert_eq!(messages(world, paris), expected);
        }
    });
}

#[test]
fn nothing_passes_between_the_blacklisted_and_others_on_any_shard() {
    play(|world| {
        let chief = available(world, "romeo", "desk");
        let (juliet, nurse) = (
            available(world, "juliet", "balcony"),
            available(world, "nurse", "kitchen"),
        );
        assert_eq!(order(world, chief, "black:juliet"), "done");
        world.type_in(juliet, "send nurse m1");
        world.type_in(nurse, "send juliet m2");
        world.settle();
        assert_eq!((messages(world, juliet), messages(world, nurse)), (0, 0));
        for line in [juliet, nurse] {
            assert_eq!(world.heard_of(line, "error").len(), 1, "{:?}", world.heard(line));
        }
        assert_eq!(order(world, chief, "black:"), "done");
        world.type_in(juliet, "send nurse m3");
        world.settle();
        assert_eq!(messages(world, nurse), 1);
    });
}
