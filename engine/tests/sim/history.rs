//! Plays about what was said: both sides find it again, once, page by page, and nobody else does.

use super::play;
use super::world::{Line, World};

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

/// The identity by which a session knows a message in each of the forms in which it has met it.
fn known(world: &World, line: Line, id: &str) -> Vec<(String, String)> {
    let prefix = format!("known {id} ");
    let known = world.heard(line).iter().filter_map(|said| said.strip_prefix(&prefix));
    let pairs = known.map(|said| said.split_once(' ').expect("a form and an identity"));
    pairs.map(|(form, id)| (form.to_owned(), id.to_owned())).collect()
}

/// The archive of a session's user: each message with its identity.
fn find(world: &mut World, line: Line) -> Vec<(String, String)> {
    let before = world.heard_of(line, "Result found").len();
    world.type_in(line, "find");
    world.settle();
    let said = world.heard_of(line, "Result found");
    assert_eq!(said.len(), before + 1, "{said:?}");
    let found = said[before].strip_prefix("Result found ").unwrap_or("");
    let pairs = found.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(id, stable)| (id.to_owned(), stable.to_owned())).collect()
}

fn identity(found: &[(String, String)], id: &str) -> String {
    let all: Vec<_> = found.iter().filter(|(name, _)| name == id).collect();
    assert_eq!(all.len(), 1, "{id} once in {found:?}");
    all[0].1.clone()
}

/// Romeo's message is met live, as both kinds of copy, later, and in two archives: two identities, one for each archive.
#[test]
fn a_message_has_one_identity_in_each_archive_wherever_it_is_met() {
    play(|world| {
        let [romeo, his] = ["orchard", "street"].map(|name| world.enter("romeo", name, false));
        let [juliet, hers] = ["balcony", "hall"].map(|name| world.enter("juliet", name, false));
        for line in [romeo, his, juliet, hers] {
            world.type_in(line, "names");
            world.type_in(line, "copies");
        }
        world.type_in(juliet, "available 1");
        world.settle();
        world.type_in(romeo, "tell juliet m0");
        world.settle();
        let (romeos, juliets) = (find(world, romeo), find(world, juliet));
        let (in_his, in_hers) = (identity(&romeos, "m0"), identity(&juliets, "m0"));
        assert_eq!(known(world, his, "m0"), [("CopySent".to_owned(), in_his)]);
        assert_eq!(known(world, juliet, "m0"), [("Plain".to_owned(), in_hers.clone())]);
        assert_eq!(known(world, hers, "m0"), [("CopyReceived".to_owned(), in_hers)]);
        world.type_in(romeo, "tell nurse m1");
        world.settle();
        let nurse = world.enter("nurse", "kitchen", true);
        world.type_in(nurse, "names");
        world.type_in(nurse, "available 0");
        world.settle();
        let late = identity(&find(world, nurse), "m1");
        assert_eq!(known(world, nurse, "m1"), [("Plain".to_owned(), late)]);
    });
}

/// Nobody waited for the message's acceptance, so it was archived and not pending; then her session ended without having confirmed it.
#[test]
fn what_a_session_gives_back_keeps_its_identity() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", true);
        world.type_in(juliet, "names");
        world.type_in(juliet, "available 0");
        world.settle();
        world.type_in(romeo, "send juliet m0");
        world.settle();
        let first = known(world, juliet, "m0");
        world.cut(juliet);
        world.pass(61_000);
        world.settle();
        let again = world.enter("juliet", "hall", false);
        world.type_in(again, "names");
        world.type_in(again, "available 0");
        world.settle();
        assert_eq!(known(world, again, "m0"), first);
        assert_eq!(identity(&find(world, again), "m0"), first[0].1);
    });
}

/// XEP-0441, XEP-0334: what is not to be kept reaches those who were away all the same, and has no identity.
#[test]
fn what_is_not_to_be_kept_waits_for_the_absent_and_is_forgotten() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "keep always romeo");
        world.until(juliet, "Result");
        world.type_in(romeo, "send juliet m0");
        world.type_in(romeo, "whisper nurse m1");
        world.settle();
        let nurse = world.enter("nurse", "kitchen", false);
        for (line, id) in [(juliet, "m0"), (nurse, "m1")] {
            world.type_in(line, "names");
            world.type_in(line, "available 0");
            world.settle();
            assert_eq!(known(world, line, id), [("Plain".to_owned(), "nothing".to_owned())]);
            assert_eq!(find(world, line), []);
        }
        assert_eq!(
            find(world, romeo).len(),
            1,
            "he keeps what he said, but not what he whispered"
        );
    });
}

#[test]
fn preferences_concern_the_user_who_has_them_and_outlive_a_crash() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "keep roster");
        world.until(romeo, "Result");
        world.crash();
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.settle();
        world.type_in(romeo, "send juliet m0");
        world.settle();
        world.type_in(romeo, "set juliet");
        world.until(romeo, "Result");
        world.type_in(romeo, "send juliet m1");
        world.settle();
        let ids = |found: Vec<(String, String)>| found.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(find(world, romeo)), ["m1"], "what was said with a contact");
        assert_eq!(ids(find(world, juliet)), ["m0", "m1"], "she keeps everything");
    });
}

/// One user's queries cannot starve a shard: a page is read at a time, some wait, and the rest is refused.
#[test]
fn who_reads_much_waits_for_himself() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(romeo, &["find"; 80].join("\n"));
        world.type_in(juliet, "find");
        world.until(juliet, "Result found");
        world.settle();
        let (answered, refused) = (
            world.heard_of(romeo, "Result found"),
            world.heard_of(romeo, "Error find"),
        );
        assert_eq!((answered.len(), refused.len()), (65, 15));
        assert_eq!(world.heard_of(juliet, "Error find").len(), 0);
        world.type_in(romeo, "find");
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "Result found").len(),
            answered.len() + 1,
            "and then it is over"
        );
    });
}

/// XEP-0386 section 3: nothing comes twice, and what is in no archive comes all the same.
#[test]
fn who_reads_the_archive_is_sent_only_what_is_not_in_it() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        for line in [
            "send juliet m0",
            "whisper juliet w0",
            "send juliet m1",
            "whisper juliet w1",
        ] {
            world.type_in(romeo, line);
            world.settle();
        }
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "skim\navailable 0");
        world.settle();
        world.type_in(romeo, "send juliet m2");
        world.settle();
        let said = world.heard_of(juliet, "message");
        assert_eq!(said, ["w0", "w1", "m2"].map(|id| format!("message romeo/orchard {id}")));
        let ids: Vec<_> = find(world, juliet).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["m0", "m1", "m2"]);
        assert_eq!(world.pending("juliet"), 0);
    });
}
