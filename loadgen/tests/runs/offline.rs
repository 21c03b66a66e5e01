//! Messages for absent users: each is fetched exactly once, or it is counted what was not.

use super::outcome::Outcome;
use super::peer::{Manners, Peer};

/// Six absent users, two who write, twenty messages for each.
const OFFLINE: [&str; 7] = ["offline", "--receivers", "6", "--senders", "2", "--messages", "20"];
const ALL: u64 = 6 * 20;

fn offline(manners: Manners, more: &[&str]) -> Outcome {
    Peer::new(manners).run(&[&OFFLINE, more].concat())
}

fn stored_and_drained(outcome: &Outcome) -> (u64, u64) {
    (outcome.count("stored"), outcome.count("drained"))
}

#[test]
fn what_is_stored_is_drained_exactly_once() {
    let outcome = offline(Manners::default(), &[]);
    outcome.assert_ok();
    assert_eq!((stored_and_drained(&outcome), outcome.wrong()), ((ALL, ALL), [0; 4]));
}

#[test]
fn several_processes_store_and_drain_as_one_does() {
    let outcome = offline(Manners::default(), &["--processes", "2"]);
    outcome.assert_ok();
    assert_eq!((stored_and_drained(&outcome), outcome.wrong()), ((ALL, ALL), [0; 4]));
}

#[test]
fn what_is_handed_out_twice_is_found_out() {
    let hand_out = |visit: u32, waiting: &mut Vec<String>, _: &[String]| {
        if visit == 0 {
            waiting.insert(3, waiting[2].clone());
        }
    };
    let outcome = offline(
        Manners {
            hand_out: Some(hand_out),
            ..Manners::default()
        },
        &[],
    );
    assert_eq!((outcome.code, outcome.wrong()), (1, [0, 6, 0, 0]), "{}", outcome.errors);
    assert_eq!(stored_and_drained(&outcome), (ALL, ALL));
}

#[test]
fn what_comes_again_at_the_next_login_is_found_out() {
    let hand_out = |visit: u32, waiting: &mut Vec<String>, before: &[String]| {
        if visit == 1 {
            waiting.extend(before.last().cloned());
        }
    };
    let outcome = offline(
        Manners {
            hand_out: Some(hand_out),
            ..Manners::default()
        },
        &[],
    );
    assert_eq!((outcome.code, outcome.wrong()), (1, [0, 6, 0, 0]), "{}", outcome.errors);
}

#[test]
fn what_was_acknowledged_and_is_not_handed_out_is_lost() {
    let hand_out = |visit: u32, waiting: &mut Vec<String>, _: &[String]| {
        if visit == 0 {
            waiting.remove(7);
        }
    };
    let outcome = offline(
        Manners {
            hand_out: Some(hand_out),
            ..Manners::default()
        },
        &[],
    );
    assert_eq!((outcome.code, outcome.wrong()), (1, [6, 0, 0, 0]), "{}", outcome.errors);
    assert_eq!(stored_and_drained(&outcome), (ALL, ALL - 6));
}

#[test]
fn one_run_stores_and_another_comes_for_it() {
    let peer = Peer::new(Manners::default());
    let run = |phase| peer.run(&[&OFFLINE[..], &["--phase", phase]].concat());
    let outcome = run("store");
    outcome.assert_ok();
    assert_eq!(stored_and_drained(&outcome), (ALL, 0));
    let outcome = run("drain");
    outcome.assert_ok();
    assert_eq!((stored_and_drained(&outcome), outcome.wrong()), ((0, ALL), [0; 4]));
}
