//! Plays: tokens that log in, wherever their client comes in and whatever happens beside.

use crosspoint_engine::tokens::{CHECKS_WAITING_MAX, CLIENTS_PER_USER_MAX};

use super::play;
use super::world::{Line, World};

const DAY: u64 = 86_400_000;

/// Juliet's client of this number gets a token.
fn issue(world: &mut World, client: u128) -> String {
    let line = world.enter("juliet", &format!("c{client}"), false);
    let token = issue_on(world, line, client);
    world.cut(line);
    token
}

fn issue_on(world: &mut World, line: Line, client: u128) -> String {
    world.type_in(line, &format!("issue {client} {DAY}"));
    world.settle();
    let said = world.heard_of(line, "token").pop().unwrap();
    said.strip_prefix("token ").unwrap().to_owned()
}

/// What is said to somebody who shows a token.
fn show(world: &mut World, node: &str, client: u128, token: &str, how: &str) -> String {
    let line = world.connect();
    world.type_in(line, &format!("show {node} {client} {token} {how}"));
    world.settle();
    let heard = world.heard(line)[0].clone();
    world.cut(line);
    world.settle();
    heard
}

#[test]
fn a_token_opens_the_account_from_every_shard_and_survives_the_power_going() {
    play(|world| {
        let token = issue(world, 7);
        assert_eq!(show(world, "juliet", 7, &token, "-"), "homed");
        assert_eq!(show(world, "juliet", 7, &token, "5"), "homed");
        world.crash();
        assert_eq!(
            show(world, "juliet", 7, &token, "5"),
            "wrong",
            "what was counted is remembered"
        );
        assert_eq!(show(world, "juliet", 7, &token, "6"), "homed");
        assert_eq!(show(world, "juliet", 8, &token, "-"), "wrong");
        assert_eq!(show(world, "romeo", 7, &token, "-"), "wrong");
        assert_eq!(show(world, "nobody", 7, &token, "-"), "wrong");
    });
}

#[test]
fn of_two_who_show_the_same_count_at_the_same_time_one_gets_in() {
    play(|world| {
        let token = issue(world, 7);
        let lines: Vec<_> = (0..4).map(|_| world.connect()).collect();
        for line in &lines {
            world.type_in(*line, &format!("show juliet 7 {token} 1"));
        }
        world.settle();
        let good = lines.iter().filter(|line| world.heard(**line)[0] == "homed").count();
        assert_eq!(good, 1);
    });
}

#[test]
fn a_new_token_and_a_count_at_the_same_time_lose_neither() {
    play(|world| {
        let line = world.enter("juliet", "a", false);
        let old = issue_on(world, line, 7);
        assert_eq!(show(world, "juliet", 7, &old, "1"), "homed");
        let other = world.connect();
        world.type_in(line, &format!("issue 7 {DAY}"));
        world.type_in(other, &format!("show juliet 7 {old} 9"));
        world.settle();
        assert_eq!(world.heard(other)[0], "homed");
        let new = world.heard_of(line, "token").pop().unwrap()["token ".len()..].to_owned();
        assert_eq!(show(world, "juliet", 7, &old, "9"), "wrong", "the count was not lost");
        assert_eq!(show(world, "juliet", 7, &new, "-"), "homed", "nor the token");
        assert_eq!(show(world, "juliet", 7, &old, "10"), "wrong", "which has taken over");
    });
}

#[test]
fn a_new_password_ends_all_tokens_and_so_does_the_end_of_the_account() {
    let mut world = World::new(5);
    let line = world.enter("juliet", "a", false);
    let token = issue_on(&mut world, line, 7);
    world.type_in(line, "renew other");
    world.until(line, "Result");
    assert_eq!(world.tokens("juliet"), 0);
    assert_eq!(show(&mut world, "juliet", 7, &token, "-"), "wrong");

    let token = issue_on(&mut world, line, 7);
    assert_eq!(show(&mut world, "juliet", 7, &token, "-"), "homed");
    world.type_in(line, "leave");
    world.settle();
    assert_eq!(world.tokens("juliet"), 0);
    assert_eq!(show(&mut world, "juliet", 7, &token, "-"), "wrong");
    // Whoever takes the name next has other keys.
    let romeo = world.enter("romeo", "a", false);
    world.type_in(romeo, "found juliet");
    world.settle();
    assert_eq!(show(&mut world, "juliet", 7, &token, "-"), "wrong");
}

#[test]
fn a_token_that_is_invalidated_or_expires_is_gone() {
    play(|world| {
        let token = issue(world, 7);
        assert_eq!(show(world, "juliet", 7, &token, "last"), "homed");
        world.settle();
        assert_eq!(world.tokens("juliet"), 0);
        assert_eq!(show(world, "juliet", 7, &token, "-"), "wrong");

        let token = issue(world, 7);
        world.pass(DAY);
        assert_eq!(show(world, "juliet", 7, &token, "-"), "expired");
        assert_eq!(world.tokens("juliet"), 0);
        assert_eq!(show(world, "juliet", 7, &token, "-"), "wrong");
    });
}

#[test]
fn the_client_whose_token_is_oldest_makes_room() {
    let mut world = World::new(1);
    let line = world.enter("juliet", "a", false);
    let mut tokens = Vec::new();
    for client in 0..=CLIENTS_PER_USER_MAX as u128 {
        world.pass(1000);
        tokens.push(issue_on(&mut world, line, client));
    }
    assert_eq!(world.tokens("juliet"), CLIENTS_PER_USER_MAX);
    assert_eq!(show(&mut world, "juliet", 0, &tokens[0], "-"), "wrong");
    for client in [1, CLIENTS_PER_USER_MAX] {
        assert_eq!(
            show(&mut world, "juliet", client as u128, &tokens[client], "-"),
            "homed"
        );
    }
    // What has expired makes room before anything else.
    world.pass(DAY);
    issue_on(&mut world, line, 99);
    assert_eq!(world.tokens("juliet"), 1);
}

#[test]
fn what_waits_for_one_client_is_bounded() {
    let mut world = World::new(2);
    let line = world.enter("juliet", "a", false);
    let orders = CHECKS_WAITING_MAX + 5;
    // In one piece, so that nothing is done before all have come.
    world.type_in(line, &vec![format!("issue 7 {DAY}"); orders].join("\n"));
    world.settle();
    let answers = world.heard_of(line, "token");
    assert_eq!(answers.len(), orders, "every request is answered");
    let made = answers.iter().filter(|answer| *answer != "token none").count();
    assert_eq!(
        made,
        CHECKS_WAITING_MAX + 1,
        "those that wait, and the one that is under way"
    );
    let last = answers.iter().rfind(|answer| *answer != "token none").unwrap();
    assert_eq!(show(&mut world, "juliet", 7, &last["token ".len()..], "-"), "homed");
}

#[test]
fn guesses_at_tokens_and_at_passwords_have_one_budget() {
    let mut world = World::new(3);
    let guessers: Vec<_> = (0..15).map(|_| world.connect()).collect();
    for (number, guesser) in guessers.iter().enumerate() {
        match number % 2 {
            0 => world.type_in(*guesser, "try juliet wrong"),
            _ => world.type_in(*guesser, "show juliet 7 wrong -"),
        }
    }
    world.settle();
    let refused = guessers
        .iter()
        .filter(|guesser| world.heard(**guesser) == ["unavailable true"])
        .count();
    assert_eq!(refused, 5, "ten at once, as LoginRates has it");
}

#[test]
fn a_password_that_opens_keys_of_sha1_alone_completes_them() {
    play(|world| {
        let whole = world.account("juliet").keys.encode();
        world.keep_sha1_alone("juliet");
        let line = world.connect();
        world.type_in(line, "try juliet wrong");
        world.settle();
        assert!(world.account("juliet").keys.is_partial());
        world.type_in(line, "try juliet pencil");
        world.settle();
        assert_eq!(world.heard_of(line, "judged"), ["judged false", "judged true"]);
        assert_eq!(world.account("juliet").keys.encode(), whole);
        world.type_in(line, "try juliet pencil");
        world.settle();
        assert_eq!(world.heard_of(line, "judged").last().unwrap(), "judged true");
    });
}
