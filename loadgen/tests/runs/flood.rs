//! Pipelined messages: what is on the way is bounded, and what a server refuses is seen.

use super::outcome::Outcome;
use super::peer::{Manners, PassOn, Peer};

const BOUND: usize = 1000;

/// One pair, so many messages, in far more time than they need.
fn flood(pass_on: PassOn, messages: &str, window: &[&str]) -> (Peer, Outcome) {
    let peer = Peer::new(Manners {
        pass_on,
        bound: Some(BOUND),
        ..Manners::default()
    });
    let flood = [
        "flood",
        "--pairs",
        "1",
        "--warmup",
        "0",
        "--seconds",
        "3",
        "--messages",
        messages,
    ];
    let outcome = peer.run(&[&flood, window].concat());
    (peer, outcome)
}

#[test]
fn what_is_on_the_way_stays_below_what_a_server_lets_wait() {
    let (peer, outcome) = flood(PassOn::WhenSilent, "2048", &[]);
    outcome.assert_ok();
    assert_eq!((outcome.count("messages_received"), outcome.wrong()), (2048, [0; 4]));
    assert!((1..=512).contains(&peer.high()), "{} waited", peer.high());
}

#[test]
fn without_a_window_refusals_are_errors_and_the_run_is_not_ok() {
    let (_peer, outcome) = flood(PassOn::After(2048), "2048", &["--window", "0"]);
    assert_eq!((outcome.code, outcome.wrong()), (1, [0; 4]), "{}", outcome.errors);
    assert_eq!(
        (outcome.count("messages_received"), outcome.count("error_replies")),
        (1000, 1048)
    );
}

#[test]
fn a_window_smaller_than_a_batch_is_a_batch() {
    let (peer, outcome) = flood(PassOn::WhenSilent, "50", &["--window", "10"]);
    outcome.assert_ok();
    assert_eq!((outcome.count("messages_received"), peer.high()), (50, 10));
}
