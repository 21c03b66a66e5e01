//! Budgets as plays: the guesser, the flood, the innocent neighbour.

use std::net::IpAddr;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

fn n(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const NOW: u64 = 1_700_000_000_000;

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let rate = Rate::per_second(n(4), n(3));
    let mut bucket = Bucket::default();
    for _ in 0..3 {
        assert_eq!(bucket.take(rate, 1, NOW), Ok(()));
    }
    assert_eq!(bucket.take(rate, 1, NOW), Err(Wait(250)));
    assert_eq!(bucket.take(rate, 1, NOW + 249), Err(Wait(1)));
    assert_eq!(bucket.take(rate, 1, NOW + 250), Ok(()));
    assert_eq!(bucket.take(rate, 2, NOW + 250), Err(Wait(500)));
    assert!(!bucket.is_full(NOW + 999) && bucket.is_full(NOW + 1000));
    assert_eq!(
        bucket.take(rate, 3, NOW + 60_000),
        Ok(()),
        "and never holds more than its burst"
    );
    assert!(bucket.take(rate, 1, NOW + 60_000).is_err());
}

#[test]
fn a_refusal_costs_nothing_and_a_token_can_be_given_back() {
    let rate = Rate::per_minute(n(1), n(1));
    let mut bucket = Bucket::default();
    bucket.take(rate, 1, NOW).unwrap();
    for _ in 0..100 {
        assert_eq!(bucket.take(rate, 1, NOW), Err(Wait(60_000)));
    }
    bucket.give_back(rate, 1);
    assert_eq!(bucket.take(rate, 1, NOW), Ok(()));
}

#[test]
fn a_piece_above_the_burst_is_slow_and_not_stuck() {
    let rate = Rate::per_second(n(1000), n(1000));
    let mut bucket = Bucket::default();
    assert_eq!(bucket.take(rate, 5000, NOW), Ok(()));
    assert_eq!(bucket.take(rate, 1, NOW), Err(Wait(4001)));
    assert_eq!(bucket.take(rate, 5000, NOW + 4999), Err(Wait(1)));
    assert_eq!(bucket.take(rate, 5000, NOW + 5000), Ok(()));
}

#[test]
fn a_clock_that_goes_back_gives_nothing() {
    let rate = Rate::per_second(n(1), n(1));
    let mut bucket = Bucket::default();
    bucket.take(rate, 1, NOW).unwrap();
    assert_eq!(bucket.take(rate, 1, NOW - 5000), Err(Wait(6000)));
    assert_eq!(Bucket::default().take(rate, 1, u64::MAX), Ok(()));
    assert_eq!(Bucket::default().take(rate, u32::MAX, 0), Ok(()));
}

#[test]
fn shards_share_a_rate() {
    let rate = Rate::per_second(n(100), n(10));
    assert_eq!(rate.shared_by(n(4)), Rate::per_second(n(25), n(3)));
    assert_eq!(rate.shared_by(n(100)), Rate::per_second(n(1), n(1)));
}

#[test]
fn a_subscriber_has_one_key() {
    let key = |text| NetworkKey::from(ip(text));
    assert_eq!(
        key("2001:db8:1:2::1"),
        key("2001:db8:1:2:ffff:ffff:ffff:ffff"),
        "64 bits are one subscriber's"
    );
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(
        key("192.0.2.1"),
        key("::ffff:192.0.2.1"),
        "the same address on a socket for both"
    );
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
}

#[test]
fn keys_do_not_share_a_budget_while_there_is_room() {
    let mut budgets = Budgets::new(Rate::per_second(n(1), n(2)), 1024, 42);
    for key in 0..256u32 {
        let key = key.to_be_bytes();
        assert_eq!(
            [1, 2, 3].map(|_| budgets.take(key, 1, NOW).is_ok()),
            [true, true, false]
        );
    }
    budgets.give_back(7u32.to_be_bytes(), 1);
    assert!(budgets.take(7u32.to_be_bytes(), 1, NOW).is_ok());
    assert!(budgets.take(8u32.to_be_bytes(), 1, NOW).is_err());
    budgets.give_back(b"unknown", 1);
}

#[test]
fn a_debtor_is_not_pushed_out_by_a_flood_of_other_keys() {
    let mut budgets = Budgets::new(Rate::per_minute(n(1), n(10)), 64, 42);
    for _ in 0..10 {
        budgets.take(b"guesser", 1, NOW).unwrap();
    }
    for other in 0..10_000u32 {
        let _ = budgets.take(other.to_be_bytes(), 1, NOW);
        let _ = budgets.take(other.to_be_bytes(), 1, NOW);
    }
    let got = (0..100).filter(|_| budgets.take(b"guesser", 1, NOW).is_ok()).count();
    assert!(got <= 1, "the flood won {got} tokens for him");
}

#[test]
fn a_flood_locks_nobody_out() {
    let mut budgets = Budgets::new(Rate::per_minute(n(1), n(10)), 64, 42);
    for other in 0..10_000u32 {
        while budgets.take(other.to_be_bytes(), 1, NOW).is_ok() {}
    }
    assert!(
        budgets.take(b"innocent", 1, NOW).is_ok(),
        "one attempt is left for a newcomer"
    );
    assert!(
        (0..10).all(|_| budgets.take(b"later", 1, NOW + 600_000).is_ok()),
        "and when it is over, all are"
    );
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let run = || {
        let mut budgets = Budgets::new(Rate::per_second(n(2), n(3)), 16, 7);
        (0..1000u32)
            .map(|at| budgets.take([(at * at % 61) as u8], 1, NOW + u64::from(at) * 3))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
    assert!(run().iter().any(Result::is_ok) && run().iter().any(Result::is_err));
}

fn rates() -> LoginRates {
    LoginRates {
        network: Rate::per_minute(n(6), n(5)),
        account: Rate::per_minute(n(3), n(8)),
        global: Rate::per_second(n(1), n(20)),
    }
}

fn scope(outcome: Result<Attempt, Refusal>) -> Option<Scope> {
    outcome.err().map(|refusal| refusal.scope)
}

#[test]
fn a_guesser_from_one_network_is_stopped() {
    let mut guard = LoginGuard::new(rates(), 1);
    for number in 0..5 {
        let account = format!("user{number}@x");
        assert!(guard.begin(ip("192.0.2.1"), &account, NOW).is_ok());
    }
    let refusal = guard.begin(ip("192.0.2.1"), "user9@x", NOW).unwrap_err();
    assert_eq!(
        refusal,
        Refusal {
            scope: Scope::Network,
            wait: Wait(10_000)
        }
    );
    assert!(
        guard.begin(ip("192.0.2.2"), "user9@x", NOW).is_ok(),
        "his neighbour is not"
    );
    assert!(guard.begin(ip("192.0.2.1"), "user9@x", NOW + 10_000).is_ok());
}

#[test]
fn an_account_under_attack_from_everywhere_is_protected_and_open_to_its_owner() {
    let mut guard = LoginGuard::new(rates(), 1);
    let home = ip("2001:db8::1");
    let attempt = guard.begin(home, "juliet@x", NOW).unwrap();
    guard.succeeded(attempt, "juliet@x");

    let attacks: Vec<_> = (0..10)
        .map(|number| scope(guard.begin(ip(&format!("192.0.2.{number}")), "juliet@x", NOW)))
        .collect();
    assert_eq!(attacks[..8], [None; 8]);
    assert_eq!(attacks[8..], [Some(Scope::Account); 2]);
    assert!(
        guard.begin(home, "juliet@x", NOW).is_ok(),
        "she comes from where she came before"
    );
    assert_eq!(
        scope(guard.begin(ip("198.51.100.1"), "juliet@x", NOW)),
        Some(Scope::Account)
    );
    assert!(
        guard.begin(home, "romeo@x", NOW).is_ok(),
        "being trusted with one account is no help with another"
    );
}

#[test]
fn the_whole_has_a_budget() {
    let mut guard = LoginGuard::new(rates(), 1);
    let attempt = |guard: &mut LoginGuard, number: u32| {
        scope(guard.begin(
            ip(&format!("10.0.{}.{}", number / 256, number % 256)),
            &format!("user{number}@x"),
            NOW,
        ))
    };
    assert!((0..20).all(|number| attempt(&mut guard, number).is_none()));
    assert_eq!(attempt(&mut guard, 20), Some(Scope::Global));
}

#[test]
fn who_knows_the_password_pays_nothing() {
    let mut guard = LoginGuard::new(rates(), 1);
    for number in 0..1000 {
        let account = format!("user{number}@x");
        let attempt = guard.begin(ip("192.0.2.1"), &account, NOW).unwrap();
        guard.succeeded(attempt, &account);
    }
}

#[test]
fn attempts_at_the_same_time_share_no_token() {
    let mut guard = LoginGuard::new(rates(), 1);
    let begun: Vec<_> = (0..100)
        .filter_map(|_| guard.begin(ip("192.0.2.1"), "juliet@x", NOW).ok())
        .collect();
    assert_eq!(begun.len(), 5, "however many connections he opens");
}

#[test]
fn a_refused_attempt_spends_nobodys_budget() {
    let mut guard = LoginGuard::new(rates(), 1);
    while guard.begin(ip("192.0.2.1"), "juliet@x", NOW).is_ok() {}
    for _ in 0..1000 {
        assert_eq!(
            scope(guard.begin(ip("192.0.2.1"), "juliet@x", NOW)),
            Some(Scope::Network)
        );
    }
    assert!(
        guard.begin(ip("192.0.2.2"), "juliet@x", NOW).is_ok(),
        "5 of the account's 8 were spent"
    );
}

proptest! {
    /// The bucket against the definition: in no interval more than the burst and the rate times its length.
    #[test]
    fn a_bucket_never_gives_more_than_it_may(steps in proptest::collection::vec((0..400u64, 1..4u32), 1..80)) {
        let rate = Rate::per_second(n(10), n(5));
        let (mut bucket, mut now, mut taken) = (Bucket::default(), NOW, Vec::new());
        for (pause_ms, tokens) in steps {
            now += pause_ms;
            match bucket.take(rate, tokens, now) {
                Ok(()) => taken.push((now, tokens)),
                Err(Wait(wait_ms)) => {
                    prop_assert!(bucket.peek(rate, tokens, now + wait_ms).is_ok());
                    prop_assert!(bucket.peek(rate, tokens, now + wait_ms - 1).is_err());
                }
            }
        }
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (to, tokens) in &taken[first..] {
                sum += u64::from(*tokens);
                prop_assert!(sum * 100 <= 5 * 100 + (to - from), "{sum} tokens in {} ms", to - from);
            }
        }
    }
}
