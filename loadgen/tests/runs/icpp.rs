//! Messages over ICPP: what is lost, doubled, late or changed on the way is found out, each by its name and by the exit code.

use super::icpp_peer::{self, Fault, IcppPeer};
use super::outcome::Outcome;

/// One message of so many has a fault; few enough that the window never stands still.
const EVERY: u64 = 50;
const CHAT: [&str; 9] = [
    "chat",
    "--pairs",
    "2",
    "--warmup",
    "0",
    "--seconds",
    "0.5",
    "--drain",
    "30",
];
/// What never comes is not waited for.
const IMPATIENT: [&str; 2] = ["--set", "load.drain_s=0.5"];
const WINDOW: [&str; 2] = ["--window", "64"];

fn chat(fault: Option<Fault>, more: &[&str]) -> Outcome {
    IcppPeer::new(fault.map(|fault| (fault, EVERY)), icpp_peer::WINDOW).run(&[&CHAT[..], more].concat())
}

/// Which of lost, duplicated, reordered and damaged were found.
fn found(outcome: &Outcome) -> [bool; 4] {
    outcome.wrong().map(|count| count > 0)
}

#[test]
fn what_arrives_as_it_was_written_is_ok() {
    for more in [
        &WINDOW[..],
        &["--store", "false"],
        &["--processes", "2"],
        &["--rate", "2000"],
    ] {
        let outcome = chat(None, more);
        outcome.assert_ok();
        assert_eq!(outcome.wrong(), [0; 4], "{more:?}");
        assert!(outcome.count("messages_received") > 0, "{more:?}");
        assert_eq!(
            outcome.count("messages_received"),
            outcome.count("messages_sent"),
            "{more:?}"
        );
        assert_eq!(
            outcome.count("messages_acked"),
            outcome.count("messages_sent"),
            "{more:?}"
        );
    }
}

#[test]
fn a_full_window_puts_messages_off_and_each_counts_as_stalled_once() {
    let outcome = IcppPeer::new(None, 4).run(&[&CHAT[..], &WINDOW].concat());
    outcome.assert_ok();
    let (sent, stalled) = (outcome.count("messages_sent"), outcome.count("stalled"));
    assert_eq!((outcome.count("messages_received"), outcome.wrong()), (sent, [0; 4]));
    assert!((1..=sent).contains(&stalled), "{stalled} of {sent}");
}

#[test]
fn a_message_that_was_accepted_and_never_comes_is_lost() {
    let outcome = chat(Some(Fault::Dropped), &[WINDOW, IMPATIENT].concat());
    assert_eq!(
        (outcome.code, found(&outcome)),
        (1, [true, false, false, false]),
        "{}",
        outcome.errors
    );
    let missing = outcome.count("messages_sent") - outcome.count("messages_received");
    assert_eq!(outcome.count("lost"), missing);
}

#[test]
fn a_message_that_comes_twice_is_a_duplicate_and_counts_once() {
    let outcome = chat(Some(Fault::Doubled), &WINDOW);
    assert_eq!(
        (outcome.code, found(&outcome)),
        (1, [false, true, false, false]),
        "{}",
        outcome.errors
    );
    assert_eq!(outcome.count("messages_received"), outcome.count("messages_sent"));
}

#[test]
fn a_message_that_is_overtaken_is_out_of_order() {
    let outcome = chat(Some(Fault::Overtaken), &[WINDOW, IMPATIENT].concat());
    assert_eq!(outcome.code, 1, "{}", outcome.errors);
    let [_, duplicated, reordered, damaged] = found(&outcome);
    assert_eq!((duplicated, reordered, damaged), (false, true, false));
}

#[test]
fn a_message_with_another_byte_or_another_sender_is_damaged_and_what_was_sent_is_lost() {
    for fault in [Fault::Damaged, Fault::Forged] {
        let outcome = chat(Some(fault), &[WINDOW, IMPATIENT].concat());
        assert_eq!(
            (outcome.code, found(&outcome)),
            (1, [true, false, false, true]),
            "{fault:?} {}",
            outcome.errors
        );
        assert_eq!(outcome.count("lost"), outcome.count("damaged"), "{fault:?}");
    }
}
