//! A client that says more than it may is told so by CREDIT (SPEC.md section 6).

mod session_support;

use crosspoint_engine::guard::PaceLimits;
use crosspoint_engine::session::Event;
use crosspoint_icpp::codec::Verb;
use crosspoint_icpp::limits::Limits;
use session_support::*;

const NONE: [u32; 0] = [];

/// A client that may say ten frames a second.
fn client() -> Client {
    Client::established(Limits {
        pace: PaceLimits {
            frames_per_s: 10,
            ..Limits::DEFAULT.pace
        },
        ..Limits::DEFAULT
    })
}

/// The windows that it was told since the last time.
fn windows(client: &mut Client) -> Vec<u32> {
    let told = client.told().into_iter().filter(|told| told.verb == Verb::Credit);
    told.map(|told| u32::from_le_bytes(told.body[..].try_into().unwrap()))
        .collect()
}

#[test]
fn who_is_too_fast_is_told_once_and_again_when_it_has_kept_to_its_pace_for_a_second() {
    let mut client = client();
    for frame in 0..10 {
        client.say(frame, "within a second's share");
    }
    assert_eq!(windows(&mut client), NONE);
    for frame in 10..20 {
        client.say(frame, "more");
        client.pass(50);
    }
    assert_eq!(windows(&mut client), [64], "once");
    client.pass(900);
    assert_eq!(windows(&mut client), NONE, "not yet");
    client.pass(1_000);
    assert_eq!(windows(&mut client), [1_024]);
    client.pass(5_000);
    assert_eq!(windows(&mut client), NONE, "once");
}

#[test]
fn what_is_under_way_when_the_window_becomes_smaller_overruns_nothing() {
    let mut client = client();
    for frame in 0..=99 {
        client.say(frame, "none of them is safe yet");
        client.pass(90);
    }
    assert_eq!(windows(&mut client), [64]);
    assert!(!client.closed, "100 are outstanding, 1,024 were allowed");
}

#[test]
fn a_resumed_session_begins_with_the_whole_window() {
    let mut client = client();
    for frame in 0..20 {
        client.say(frame, "more");
    }
    assert_eq!(windows(&mut client), [64]);
    client.event(Event::Lost);
    client.pass(60_000);
    assert_eq!(windows(&mut client), NONE, "nobody is there to be told");
}
