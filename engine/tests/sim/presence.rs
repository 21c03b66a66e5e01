//! Plays about who sees whom.

use super::play;
use super::world::{Line, World};

/// One asks, the other agrees.
pub(super) fn become_friends(world: &mut World, (asks, asking): (Line, &str), (agrees, agreeing): (Line, &str)) {
    for line in [asks, agrees] {
        world.type_in(line, "contacts");
        world.until(line, "Result contacts");
    }
    world.type_in(asks, &format!("subscribe {agreeing}"));
    world.until(agrees, &format!("Subscribe {asking}"));
    world.type_in(agrees, &format!("subscribed {asking}"));
    world.until(asks, &format!("Subscribed {agreeing}"));
}

#[test]
fn a_subscription_shows_presence_to_the_one_who_asked_and_to_nobody_else() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        let nurse = world.enter("nurse", "chamber", false);
        for line in [romeo, juliet, nurse] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
        world.until(romeo, "Available juliet/balcony");
        world.settle();
        assert!(
            world.heard_of(juliet, "Available romeo").is_empty(),
            "he did not let her see him"
        );
        assert!(world.heard_of(nurse, "Available juliet").is_empty());
        assert_eq!(
            world.heard_of(romeo, "push juliet").last().map(String::as_str),
            Some("push juliet To")
        );
        assert_eq!(
            world.heard_of(juliet, "push romeo").last().map(String::as_str),
            Some("push romeo From")
        );
        world.cut(juliet);
        world.until(romeo, "Unavailable juliet/balcony");
    });
}

/// A client with many contacts could keep a shard busy for seconds, and fill the mailboxes of all others, by showing itself
/// ten thousand times in one breath.
#[test]
fn who_shows_himself_without_end_is_seen_as_he_is_in_the_end() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        for line in [romeo, juliet] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
        world.until(romeo, "Available juliet/balcony");
        for number in 0..1_000 {
            world.type_in(juliet, &format!("available {}", number % 7));
        }
        world.type_in(juliet, "available -1");
        for _ in 0..40 {
            world.settle();
            world.pass(100);
        }
        world.settle();
        let told = world.heard_of(romeo, "Available juliet/balcony").len();
        assert!((50..700).contains(&told), "{told} of a thousand were told");
        // What she showed last is what counts: she is not there for what is said to all of her sessions.
        world.type_in(romeo, "send juliet aside");
        world.settle();
        assert!(world.heard_of(juliet, "message").is_empty());
        world.type_in(juliet, "available 3");
        world.until(juliet, "message romeo/orchard aside");
    });
}

#[test]
fn a_request_waits_for_the_one_who_is_away_even_through_a_crash() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.type_in(romeo, "subscribe juliet");
        world.settle();
        world.crash();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Subscribe romeo");
        world.type_in(juliet, "subscribed romeo");
        world.settle();
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available juliet/balcony");
    });
}

#[test]
fn whoever_comes_later_is_told_who_is_there() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        let romeo = world.enter("romeo", "orchard", false);
        for line in [juliet, romeo] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
        world.cut(romeo);
        world.settle();
        let romeo = world.enter("romeo", "street", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available juliet/balcony");
        world.type_in(juliet, "unsubscribed romeo");
        world.until(romeo, "Unavailable juliet/balcony");
        world.type_in(romeo, "contacts");
        world.settle();
        world.type_in(juliet, "gone");
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "Unavailable juliet").len(),
            1,
            "he has no right to the second one"
        );
    });
}

#[test]
fn blocking_ends_presence_and_unblocking_brings_it_back() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        let romeo = world.enter("romeo", "orchard", false);
        for line in [juliet, romeo] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
        world.settle();
        world.type_in(juliet, "block romeo");
        world.until(romeo, "Unavailable juliet/balcony");
        world.settle();
        let before = world.heard_of(romeo, "Available juliet").len();
        world.type_in(juliet, "unblock romeo");
        world.settle();
        assert_eq!(world.heard_of(romeo, "Available juliet").len(), before + 1);
    });
}

#[test]
fn removing_a_contact_ends_both_subscriptions() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        let romeo = world.enter("romeo", "orchard", false);
        for line in [juliet, romeo] {
            world.type_in(line, "available 0");
            world.until(line, "Available");
        }
        become_friends(world, (romeo, "romeo"), (juliet, "juliet"));
        become_friends(world, (juliet, "juliet"), (romeo, "romeo"));
        world.settle();
        world.type_in(juliet, "remove romeo");
        world.until(romeo, "Unavailable juliet/balcony");
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "push juliet").last().map(String::as_str),
            Some("push juliet None")
        );
        assert_eq!(
            world.heard_of(juliet, "push romeo").last().map(String::as_str),
            Some("push romeo None removed")
        );
    });
}
