//! Plays about what was said: both sides find it again, once, page by page, and nobody else does.

use super::play;

fn page(said: &[String]) -> (String, String, u64) {
    let last = said.last().expect("an answer");
    let words: Vec<&str> = last.split(' ').collect();
    let ["Result", "read", ids, complete, "edge", edge] = words[..] else {
        panic!("{last}");
    };
    (ids.to_owned(), complete.to_owned(), edge.parse().expect("a number"))
}

#[test]
fn what_was_said_is_found_again_by_both_and_once() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "send juliet m0");
        world.settle();
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "available 0");
        world.settle();
        for line in ["send juliet m1", "send juliet m2"] {
            world.type_in(romeo, line);
            world.settle();
        }
        world.type_in(juliet, "ack");
        world.type_in(juliet, "send romeo m3");
        world.settle();
        for line in [romeo, juliet] {
            world.type_in(line, "read");
            world.until(line, "Result read");
            let (ids, complete, edge) = page(&world.heard_of(line, "Result"));
            assert_eq!((ids.as_str(), complete.as_str()), ("m1,m2,m3", "false"));
            world.type_in(line, &format!("read {edge}"));
            world.settle();
            let (ids, complete, _) = page(&world.heard_of(line, "Result"));
            assert_eq!((ids.as_str(), complete.as_str()), ("m0", "true"));
        }
        let nurse = world.enter("nurse", "kitchen", false);
        world.type_in(nurse, "read");
        world.until(nurse, "Result read");
        assert_eq!(page(&world.heard_of(nurse, "Result")).0, "");
    });
}

#[test]
fn what_was_accepted_is_still_there_after_a_crash() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        world.type_in(romeo, "send juliet m0");
        world.until(romeo, "accepted");
        world.crash();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "read");
        world.until(juliet, "Result read");
        assert_eq!(page(&world.heard_of(juliet, "Result")).0, "m0");
    });
}
