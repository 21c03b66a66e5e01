//! Plays about what waits for those who are away.

use super::play;

fn ids(said: &[String]) -> Vec<String> {
    said.iter()
        .filter_map(|line| line.rsplit(' ').next())
        .map(str::to_owned)
        .collect()
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("m{number}")).collect()
}

#[test]
fn juliet_is_away_romeo_writes_juliet_returns() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..10 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        assert_eq!(world.pending("juliet"), 10);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.settle();
        assert_eq!(ids(&world.heard_of(juliet, "message")), numbered(0..10));
        assert_eq!(world.pending("juliet"), 0);
    });
}

/// She reads what waited, her device dies, and she says how far she got: that is settled, and only what came since is told.
#[test]
fn who_syncs_says_what_she_has_and_gets_the_rest_once() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..3 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        let first = world.enter("juliet", "balcony", true);
        world.type_in(first, "sync 0");
        world.until(first, "synced");
        assert_eq!(
            ids(&world.heard_of(first, "message")),
            numbered(0..3),
            "without being available"
        );
        let last: u64 = world.heard_of(first, "synced")[0]
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        world.type_in(romeo, "send juliet m3");
        world.settle();
        world.cut(first);
        world.pass(61_000);
        world.settle();
        assert_eq!(world.pending("juliet"), 4, "she has confirmed nothing");
        let second = world.enter("juliet", "garden", false);
        world.type_in(second, &format!("sync {last}"));
        world.until(second, "synced");
        world.settle();
        assert_eq!(ids(&world.heard_of(second, "message")), ["m3"]);
        assert_eq!(world.pending("juliet"), 0);
        world.type_in(second, "sync 0");
        world.settle();
        assert_eq!(
            world.heard_of(second, "synced").len(),
            2,
            "nothing waits, and she is told so"
        );
    });
}

/// She confirms what she was given at once while a page of what waits is being read: the page was read as if she had not. Found by
/// a flood of the load generator, which got 64 messages twice.
#[test]
fn what_is_confirmed_while_a_page_is_read_does_not_come_with_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        world.settle();
        let mut next = 0;
        for _ in 0..4 {
            // More than she may hold unconfirmed, so that the rest waits and a page is asked for.
            for _ in 0..20 {
                world.type_in(romeo, &format!("send juliet m{next}"));
                next += 1;
            }
            world.settle();
            for _ in 0..10 {
                world.type_in(juliet, "ack 3");
                world.stumble(2);
            }
        }
        for _ in 0..next {
            world.settle();
            world.type_in(juliet, "ack");
        }
        world.settle();
        assert_eq!(ids(&world.heard_of(juliet, "message")), numbered(0..next));
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn what_comes_while_the_old_is_handed_over_comes_after_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..12 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        for number in 12..30 {
            world.type_in(romeo, &format!("send juliet m{number}"));
            world.stumble(6);
        }
        world.settle();
        assert_eq!(ids(&world.heard_of(juliet, "message")), numbered(0..30));
    });
}

#[test]
fn a_negative_priority_is_not_there_for_offline_messages() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available -1");
        world.until(juliet, "Available");
        world.type_in(romeo, "send juliet m0");
        world.settle();
        assert!(world.heard_of(juliet, "message").is_empty());
        world.type_in(juliet, "available 0");
        world.until(juliet, "message romeo/orchard m0");
    });
}

#[test]
fn only_the_first_of_two_sessions_gets_what_waited() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..9 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        let (balcony, chamber) = (
            world.enter("juliet", "balcony", true),
            world.enter("juliet", "chamber", true),
        );
        world.type_in(balcony, "available 0");
        world.type_in(chamber, "available 0");
        world.settle();
        // Each page is confirmed before the next one comes.
        for _ in 0..6 {
            for line in [balcony, chamber] {
                world.type_in(line, "ack");
            }
            world.settle();
        }
        let mut all = ids(&world.heard_of(balcony, "message"));
        let others = ids(&world.heard_of(chamber, "message"));
        assert!(all.is_empty() || others.is_empty(), "{all:?} {others:?}");
        all.extend(others);
        assert_eq!(all, numbered(0..9));
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn a_full_queue_says_so() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..55 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        assert_eq!(world.heard_of(romeo, "error juliet").len(), 5);
        assert_eq!(world.pending("juliet"), 50);
    });
}

#[test]
fn what_a_dying_session_did_not_confirm_goes_to_the_next() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let balcony = world.enter("juliet", "balcony", true);
        world.type_in(balcony, "available 0");
        world.until(balcony, "Available");
        for number in 0..6 {
            world.type_in(romeo, &format!("send juliet m{number}"));
        }
        world.settle();
        assert_eq!(ids(&world.heard_of(balcony, "message")), numbered(0..6));
        world.cut(balcony);
        world.type_in(romeo, "send juliet m6");
        world.settle();
        world.pass(61_000);
        world.settle();
        let chamber = world.enter("juliet", "chamber", true);
        world.type_in(chamber, "available 0");
        for _ in 0..4 {
            world.settle();
            world.type_in(chamber, "ack");
        }
        world.settle();
        assert_eq!(ids(&world.heard_of(chamber, "message")), numbered(0..7));
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn a_session_that_resumes_has_missed_nothing() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let balcony = world.enter("juliet", "balcony", true);
        world.type_in(balcony, "available 0");
        world.until(balcony, "Available");
        world.type_in(romeo, "send juliet m0");
        world.until(balcony, "message romeo/orchard m0");
        world.type_in(balcony, "ack");
        world.settle();
        world.cut(balcony);
        world.type_in(romeo, "send juliet m1");
        world.settle();
        let again = world.connect();
        world.type_in(again, "login juliet reliable");
        world.until(again, "homed");
        world.type_in(again, "resume juliet@verona.lit/balcony");
        world.until(again, "resumed");
        world.type_in(again, "ack");
        world.type_in(romeo, "send juliet/balcony m2");
        world.until(again, "message romeo/orchard m2");
        world.type_in(again, "ack");
        world.settle();
        assert_eq!(world.pending("juliet"), 0);
        let seen = ["accepted 1", "accepted 2", "accepted 3"];
        assert_eq!(world.heard_of(romeo, "accepted"), seen);
    });
}

#[test]
fn what_a_client_has_confirmed_stays_confirmed_though_its_line_breaks_at_once() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        let balcony = world.enter("juliet", "balcony", true);
        world.type_in(balcony, "available 0");
        world.until(balcony, "Available");
        world.type_in(romeo, "send juliet m0");
        world.until(balcony, "message romeo/orchard m0");
        world.settle();
        // Her outbox has something in it when she confirms, and never drains.
        world.stall(balcony);
        world.type_in(romeo, "shout juliet m1");
        world.settle();
        world.type_in(balcony, "ack");
        world.settle();
        world.cut(balcony);
        world.settle();
        assert_eq!(world.pending("juliet"), 0);
    });
}
