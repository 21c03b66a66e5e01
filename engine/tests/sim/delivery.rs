//! RFC 6121 section 8.5.4, table 1: what becomes of a message, by condition, address and type; and the rows on errors that
//! sections 8.5.2 and 8.5.3 add. Where the table leaves a choice, the one made is written in `shard/messages.rs`.
//!
//! ```text
//!   E an error comes back · S nobody hears of it · O it waits · D, M the resource or the most available ones · A all ≥ 0
//! ```

use super::world::{Line, World};

/// The columns of the table, and errors.
const TYPES: [&str; 5] = ["normal", "chat", "groupchat", "headline", "error"];

/// Condition (the priorities of juliet's resources), address, and what becomes of each type.
const TABLE: &[(&[i8], &str, [char; 5])] = &[
    // No active resources.
    (&[], "juliet", ['O', 'O', 'E', 'S', 'S']),
    (&[], "juliet/none", ['E', 'O', 'E', 'S', 'S']),
    // Resources of negative priority only.
    (&[-1], "juliet", ['O', 'O', 'E', 'S', 'S']),
    (&[-1], "juliet/r0", ['D', 'D', 'D', 'D', 'D']),
    (&[-1], "juliet/none", ['E', 'O', 'E', 'S', 'S']),
    // One resource of non-negative priority.
    (&[0], "juliet", ['D', 'D', 'E', 'D', 'S']),
    (&[0], "juliet/r0", ['D', 'D', 'D', 'D', 'D']),
    (&[0], "juliet/none", ['E', 'D', 'E', 'S', 'S']),
    // Several: r1 is the most available.
    (&[0, 5, -1], "juliet", ['M', 'M', 'E', 'A', 'S']),
    (&[0, 5, -1], "juliet/r2", ['2', '2', '2', '2', '2']),
    (&[0, 5, -1], "juliet/none", ['E', 'M', 'E', 'S', 'S']),
];

/// Nobody of that name: nothing may tell it from somebody who does not listen.
const NOBODY: &[(&str, [char; 5])] = &[
    ("rosaline", ['E', 'E', 'E', 'S', 'S']),
    ("rosaline/none", ['E', 'E', 'E', 'S', 'S']),
];

#[test]
fn every_cell_of_the_table() {
    for (priorities, to, row) in TABLE {
        for (kind, expected) in TYPES.iter().zip(row) {
            assert_eq!(
                became(priorities, to, kind),
                *expected,
                "{kind} to {to}, resources {priorities:?}"
            );
        }
    }
}

#[test]
fn an_account_that_does_not_exist() {
    for (to, row) in NOBODY {
        for (kind, expected) in TYPES.iter().zip(row) {
            assert_eq!(became(&[], to, kind), *expected, "{kind} to {to}");
        }
    }
}

/// Plays one cell and names what happened by the table's letters (or the number of the resource that got it alone).
fn became(priorities: &[i8], to: &str, kind: &str) -> char {
    let mut world = World::new(7);
    let romeo = world.enter("romeo", "orchard", false);
    let juliets: Vec<Line> = priorities
        .iter()
        .enumerate()
        .map(|(number, priority)| {
            let line = world.enter("juliet", &format!("r{number}"), false);
            world.type_in(line, &format!("available {priority}"));
            world.until(line, "Available");
            line
        })
        .collect();
    world.type_in(romeo, &format!("{kind} {to} m"));
    world.settle();
    let got: Vec<usize> = (0..juliets.len())
        .filter(|number| heard(&world, juliets[*number]))
        .collect();
    let (back, kept) = (!world.heard_of(romeo, "error").is_empty(), world.pending("juliet") == 1);
    match (&got[..], back, kept) {
        ([], true, false) => 'E',
        ([], false, true) => 'O',
        ([], false, false) => 'S',
        ([0], false, false) => 'D',
        ([1], false, false) => 'M',
        ([0, 1], false, false) => 'A',
        ([2], false, false) => '2',
        other => panic!("{other:?}"),
    }
}

fn heard(world: &World, line: Line) -> bool {
    let said = world.heard_of(line, "message");
    assert!(said.len() <= 1, "{said:?}");
    said.len() == 1
}
