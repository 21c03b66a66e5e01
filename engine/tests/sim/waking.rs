//! Plays about messages that wait, and who is told so; and about questions that the switch asks.
//!
//! The front-end of the plays tells the nurse: `message verona.lit wake WHOM COUNT LAST`.

use crosspoint_engine::shard::{INQUIRY_MS, QUIET_MS};

use super::play;
use super::world::{Line, World};

fn nurse(world: &mut World) -> Line {
    let nurse = world.enter("nurse", "kitchen", false);
    world.type_in(nurse, "available 0");
    world.until(nurse, "Available");
    nurse
}

#[test]
fn who_is_absent_is_told_of_once_and_then_once_in_a_while() {
    play(|world| {
        let nurse = nurse(world);
        let romeo = world.enter("romeo", "orchard", false);
        for number in 1..=5 {
            world.type_in(romeo, &format!("call juliet m{number}"));
        }
        world.settle();
        let told = ["message verona.lit wake juliet@verona.lit 1 m1"];
        assert_eq!(world.heard_of(nurse, "message"), told);
        world.pass(QUIET_MS + 200);
        world.settle();
        let told = [told[0], "message verona.lit wake juliet@verona.lit 5 m5"];
        assert_eq!(world.heard_of(nurse, "message"), told);
        world.pass(QUIET_MS + 200);
        world.settle();
        assert_eq!(world.heard_of(nurse, "message"), told, "nothing new has come");
        world.type_in(romeo, "call juliet m6");
        world.until(nurse, "message verona.lit wake juliet@verona.lit 6 m6");
    });
}

#[test]
fn who_has_come_meanwhile_is_not_told_of_again() {
    play(|world| {
        let nurse = nurse(world);
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "call juliet m1");
        world.type_in(romeo, "call juliet m2");
        world.settle();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(juliet, "message romeo/orchard m2");
        world.pass(QUIET_MS + 200);
        world.settle();
        assert_eq!(world.heard_of(nurse, "message").len(), 1);
    });
}

#[test]
fn what_is_not_worth_it_wakes_nobody_and_neither_does_what_somebody_hears() {
    play(|world| {
        let nurse = nurse(world);
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "send juliet m1");
        world.type_in(romeo, "call rosaline m2");
        world.settle();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(juliet, "message romeo/orchard m1");
        world.type_in(romeo, "call juliet m3");
        world.until(juliet, "message romeo/orchard m3");
        world.settle();
        assert!(world.heard_of(nurse, "message").is_empty());
    });
}

#[test]
fn a_session_that_sleeps_or_dozes_is_told_of_by_its_full_address() {
    play(|world| {
        let nurse = nurse(world);
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        world.until(juliet, "Available");
        world.cut(juliet);
        world.settle();
        world.type_in(romeo, "call juliet m1");
        world.until(nurse, "message verona.lit wake juliet@verona.lit/balcony 1 m1");
        let mercutio = world.enter("mercutio", "tavern", false);
        world.type_in(mercutio, "available 0");
        world.until(mercutio, "Available");
        world.type_in(mercutio, "doze on");
        world.settle();
        world.type_in(romeo, "call mercutio m2");
        world.until(nurse, "message verona.lit wake mercutio@verona.lit/tavern 1 m2");
        world.type_in(mercutio, "doze off");
        world.settle();
        world.pass(QUIET_MS + 200);
        world.type_in(romeo, "call mercutio m3");
        world.settle();
        assert_eq!(world.heard_of(nurse, "message").len(), 2);
    });
}

#[test]
fn a_question_to_who_is_away_ends_at_once() {
    play(|world| {
        let juliet = world.enter("juliet", "balcony", false);
        // Whose session shows nothing to strangers is as good as away.
        let _mercutio = world.enter("mercutio", "tavern", false);
        world.type_in(juliet, "inquire mercutio/tavern");
        world.until(juliet, "Result inquired Ok((Query(Error), Some(ServiceUnavailable)))");
        world.type_in(juliet, "inquire here capulet.lit");
        world.until(juliet, "Result inquired Ok((Query(Error), Some(RemoteServerTimeout)))");
    });
}

#[test]
fn a_service_answers_what_the_domain_asks_and_nobody_else_can() {
    play(|world| {
        let service = world.service("capulet.lit");
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "inquire here capulet.lit");
        world.until(service, "got Query(Get) verona.lit capulet.lit inq-");
        let asked = world.heard_of(service, "got").pop().expect("it was asked");
        let id = asked.rsplit(' ').next().expect("an identifier").to_owned();
        // Another address of the same domain is another one.
        world.type_in(service, &format!("answer tybalt@capulet.lit verona.lit {id}"));
        let other = world.service("mantua.lit");
        world.type_in(other, &format!("answer mantua.lit verona.lit {id}"));
        world.settle();
        assert!(world.heard_of(juliet, "Result").is_empty());
        world.type_in(service, &format!("answer capulet.lit verona.lit {id}"));
        world.type_in(service, &format!("answer capulet.lit verona.lit {id}"));
        world.settle();
        assert_eq!(
            world.heard_of(juliet, "Result"),
            ["Result inquired Ok((Query(Result), None))"]
        );
    });
}

#[test]
fn a_session_answers_what_its_own_account_asks_and_nobody_else_can() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let street = world.enter("romeo", "street", false);
        let mercutio = world.enter("mercutio", "hall", false);
        world.type_in(romeo, "inquire romeo/orchard");
        world.until(romeo, "Get inq-");
        let asked = world.heard_of(romeo, "Get inq-").pop().expect("it was asked");
        let id = asked.split(' ').nth(1).expect("an identifier").to_owned();
        for line in [street, mercutio] {
            world.type_in(line, &format!("answer {id} romeo"));
        }
        world.type_in(romeo, "answer inq-0-0 romeo");
        world.settle();
        assert!(world.heard_of(romeo, "Result").is_empty(), "they were not asked");
        world.type_in(romeo, &format!("answer {id} romeo"));
        world.type_in(romeo, &format!("answer {id} romeo"));
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "Result"),
            ["Result inquired Ok((Query(Result), None))"],
            "once"
        );
    });
}

#[test]
fn a_question_that_nobody_answers_ends() {
    play(|world| {
        let service = world.service("capulet.lit");
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "inquire here capulet.lit");
        world.settle();
        world.pass(INQUIRY_MS + 200);
        world.until(juliet, "Result inquired Err(RemoteServerTimeout)");
        let asked = world.heard_of(service, "got").pop().expect("it was asked");
        let id = asked.rsplit(' ').next().expect("an identifier").to_owned();
        world.type_in(service, &format!("answer capulet.lit verona.lit {id}"));
        world.settle();
        assert_eq!(world.heard_of(juliet, "Result").len(), 1, "too late");
    });
}

#[test]
fn who_lingers_does_so_for_more_than_an_instant_and_is_told_once() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "linger");
        world.settle();
        let told = |world: &World| world.heard_of(romeo, "lingered").len();
        assert_eq!(told(world), 0);
        world.pass(100);
        assert!(told(world) <= 1, "the first look may come at once");
        world.pass(300);
        assert_eq!(told(world), 1);
        world.pass(300);
        assert_eq!(told(world), 1);
        // The session may be gone by then.
        world.type_in(romeo, "linger");
        world.cut(romeo);
        world.pass(300);
    });
}
