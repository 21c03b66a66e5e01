//! Plays about sessions that travel in another, and about parcels between sessions and their front-end.

use super::play;
use super::world::World;

fn numbers(said: &[String]) -> Vec<usize> {
    said.iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}

#[test]
fn a_carrier_is_placed_on_the_shard_that_it_names_wherever_it_arrives() {
    play(|world| {
        let carrier = world.carrier("juliet");
        assert_eq!(world.shard_of(carrier), Some(world.home("juliet")));
        world.type_in(carrier, "place 77");
        world.until(carrier, "bye");
    });
}

#[test]
fn a_passenger_is_a_session_like_any_other() {
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 7, "juliet", false);
        world.type_in(carrier, "7:available 0");
        world.until(carrier, "7:Available");
        let romeo = world.enter("romeo", "orchard", true);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available");
        world.type_in(romeo, "send juliet hello");
        world.until(carrier, "7:message romeo/orchard hello");
        world.until(romeo, "accepted 1");
        world.type_in(carrier, "7:send romeo good-night");
        world.until(romeo, "message juliet/balcony good-night");
        world.settle();
        assert_eq!(
            world.pending("juliet"),
            0,
            "settled when the carrier's bytes were written"
        );
        world.type_in(carrier, "disembark 7");
        world.until(carrier, "gone 7 false");
        world.type_in(romeo, "send juliet again");
        world.until(romeo, "accepted 2");
        world.settle();
        assert_eq!(world.pending("juliet"), 1, "she is away now");
    });
}

#[test]
fn a_passenger_that_lives_elsewhere_or_is_refused_leaves_the_others_alone() {
    play(|world| {
        let carrier = world.carrier("juliet");
        let stranger = ["romeo", "nurse", "mercutio"]
            .into_iter()
            .find(|name| world.home(name) != world.home("juliet"))
            .expect("they do not all live together");
        world.board(carrier, 1, "juliet", false);
        world.type_in(carrier, "embark 2");
        world.type_in(carrier, &format!("2:login {stranger}"));
        world.until(carrier, "2:bye");
        world.until(carrier, "gone 2 false");
        world.type_in(carrier, "embark 13");
        world.until(carrier, "gone 13 true");
        world.type_in(carrier, "1:available 0");
        world.until(carrier, "1:Available");
        // The key is free again.
        world.type_in(carrier, "embark 2");
        world.type_in(carrier, "2:login juliet");
        world.until(carrier, "2:homed");
    });
}

#[test]
fn a_panic_ends_one_passenger_and_neither_its_carrier_nor_the_others() {
    std::panic::set_hook(Box::new(|_| {}));
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 1, "juliet", false);
        world.type_in(carrier, "embark 2");
        world.type_in(carrier, "2:panic");
        world.until(carrier, "gone 2 false");
        world.type_in(carrier, "1:available 0");
        world.until(carrier, "1:Available");
        assert_eq!(world.count(|shard| shard.panics.get()), 1);
    });
    let _ = std::panic::take_hook();
}

/// Half of the messages come before the carrier breaks, half after; some of the former were acknowledged.
fn breaks_under_load(world: &mut World, back: impl Fn(&mut World)) -> super::world::Line {
    let carrier = world.carrier("juliet");
    world.board(carrier, 7, "juliet", true);
    world.type_in(carrier, "7:available 0");
    world.until(carrier, "7:Available");
    let romeo = world.enter("romeo", "orchard", true);
    for number in 0..10 {
        world.type_in(romeo, &format!("send juliet {number}"));
    }
    world.stumble(100);
    world.type_in(carrier, "7:ack");
    world.stumble(20);
    world.cut(carrier);
    for number in 10..20 {
        world.type_in(romeo, &format!("send juliet {number}"));
    }
    world.stumble(60);
    back(world);
    world.settle();
    assert_eq!(world.heard_of(romeo, "accepted").len(), 20);
    carrier
}

#[test]
fn what_lost_its_carrier_is_resumed_through_another() {
    play(|world| {
        let back = |world: &mut World| {
            let second = world.carrier("juliet");
            world.type_in(second, "embark 3");
            world.type_in(second, "3:login juliet reliable");
            world.until(second, "3:homed");
            world.type_in(second, "3:resume juliet@verona.lit/balcony");
            world.until(second, "3:resumed");
            world.type_in(second, "3:ack");
            world.settle();
            let heard = numbers(&world.heard_of(second, "3:message"));
            let mut once = heard.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(heard.len(), once.len(), "nothing twice: {heard:?}");
        };
        breaks_under_load(world, back);
    });
}

#[test]
fn what_lost_its_carrier_is_resumed_by_a_connection_of_its_own() {
    play(|world| {
        let back = |world: &mut World| {
            let line = world.connect();
            world.type_in(line, "login juliet reliable");
            world.until(line, "homed");
            world.type_in(line, "resume juliet@verona.lit/balcony");
            world.until(line, "resumed");
        };
        breaks_under_load(world, back);
    });
}

#[test]
fn what_is_not_resumed_in_time_gives_everything_back() {
    play(|world| {
        let carrier = breaks_under_load(world, |_| {});
        world.pass(61_000);
        world.settle();
        let seen = numbers(&world.heard_of(carrier, "7:message")).len() as u64;
        let pending = world.pending("juliet");
        assert!(
            pending + seen >= 20 && pending <= 20,
            "{pending} wait, {seen} were seen"
        );
    });
}

#[test]
fn a_passenger_whose_client_is_behind_gets_everything_in_order_when_it_has_caught_up() {
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 7, "juliet", false);
        world.type_in(carrier, "7:available 0");
        world.until(carrier, "7:Available");
        world.type_in(carrier, "hold 7");
        world.settle();
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..30 {
            world.type_in(romeo, &format!("send juliet {number}"));
        }
        world.settle();
        assert_eq!(world.pending("juliet"), 30, "all of them wait in the log");
        assert!(world.heard_of(carrier, "7:message").is_empty());
        world.type_in(carrier, "release 7");
        world.settle();
        assert_eq!(
            numbers(&world.heard_of(carrier, "7:message")),
            (0..30).collect::<Vec<_>>()
        );
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn a_carrier_that_is_not_read_makes_its_passengers_messages_wait_in_the_log() {
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 7, "juliet", false);
        world.type_in(carrier, "7:available 0");
        world.until(carrier, "7:Available");
        world.stall(carrier);
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..50 {
            world.type_in(romeo, &format!("send juliet {number}"));
        }
        world.settle();
        assert!(
            world.pending("juliet") > 10,
            "above the soft bound, messages wait in the log"
        );
        world.unstall(carrier);
        world.settle();
        assert_eq!(
            numbers(&world.heard_of(carrier, "7:message")),
            (0..50).collect::<Vec<_>>()
        );
        assert_eq!(world.pending("juliet"), 0);
    });
}

#[test]
fn what_a_passenger_does_not_read_is_kept_for_it_within_a_bound() {
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 1, "juliet", false);
        world.type_in(carrier, "embark 2");
        world.type_in(carrier, "2:rest");
        // Two hundred bytes and a little: its client is asked to wait.
        for _ in 0..14 {
            world.type_in(carrier, "2:ack 34567890123");
        }
        world.until(carrier, "behind 2 true");
        world.type_in(carrier, "2:login juliet");
        world.settle();
        assert!(world.heard_of(carrier, "2:homed").is_empty(), "it rests");
        world.type_in(carrier, "wake 2");
        world.until(carrier, "behind 2 false");
        world.until(carrier, "2:homed");
        world.type_in(carrier, "2:rest");
        let long = format!("2:ack {}", "x".repeat(400));
        for _ in 0..33 {
            world.type_in(carrier, &long);
        }
        world.until(carrier, "2:bye");
        world.until(carrier, "gone 2 false");
        world.type_in(carrier, "1:available 0");
        world.until(carrier, "1:Available");
    });
}

#[test]
fn in_a_drain_passengers_say_goodbye_before_their_carrier() {
    play(|world| {
        let carrier = world.carrier("juliet");
        world.board(carrier, 7, "juliet", true);
        world.type_in(carrier, "7:available 0");
        world.until(carrier, "7:Available");
        world.drain();
        let heard = world.heard(carrier);
        let place = |word: &str| heard.iter().position(|said| said == word);
        assert!(place("7:bye").is_some() && place("7:bye") < place("bye"), "{heard:?}");
        assert!(world.is_drained());
    });
}

#[test]
fn a_front_end_that_sees_its_sessions_off_itself_has_the_time_that_it_asked_for() {
    play(|world| {
        world.be_patient(5_000);
        let juliet = world.enter("juliet", "balcony", false);
        world.drain();
        world.pass(4_000);
        world.settle();
        assert!(world.heard_of(juliet, "bye").is_empty(), "not yet");
        world.pass(1_001);
        world.until(juliet, "bye");
        world.settle();
        assert!(world.is_drained());
    });
}

#[test]
fn sessions_of_a_shard_reach_each_other_through_their_front_end() {
    play(|world| {
        let (one, other) = world.neighbours();
        world.type_in(one, "relay hello");
        world.until(one, "relayed hello");
        world.type_in(other, "relay ho");
        world.until(one, "overheard ho");
        world.type_in(one, "relay connect");
        world.settle();
        assert_eq!(world.heard(world.last_line()), ["connected 7"]);
    });
}
