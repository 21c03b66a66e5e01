//! Who talks most: a small sketch of heavy hitters (the "space-saving" algorithm: Metwally, Agrawal, El Abbadi, 2005).
//!
//! Whoever is not among the entries takes the place of the least of them and inherits its count, as an error that is kept
//! beside it; so whoever has more than a [`TALKERS`]th of all is always there. All counts are halved now and then, so that
//! what is seen is the last half minute and not the year.
//!
//! ```text
//!   word 0 count | 1 error | 2 check of the name | 3..7 the name, 40 bytes, NUL-padded (cut if longer)
//! ```
//! Invariant: one writer. A reader that meets a name half written sees that it does not agree with its check.

use super::layout::cut;
use crate::rt::Cell;

/// Entries of a shard.
pub const TALKERS: usize = 16;
/// Words of an entry: a cache line.
pub const TALKER_WORDS: usize = 8;
/// Bytes of a name that are kept.
pub const TALKER_NAME_BYTES: usize = 40;

const NAME_WORDS: usize = TALKER_NAME_BYTES / 8;

/// One entry, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talker {
    /// The bare address, cut if it is long.
    pub name: String,
    /// How often he was seen, in sampled turns, lately.
    pub count: u64,
    /// By how much `count` may be too high.
    pub error: u64,
}

/// Counts somebody, by his full or bare address.
pub(super) fn note(cells: &[Cell; TALKERS * TALKER_WORDS], address: &str) {
    let bare = address.split('/').next().unwrap_or_default();
    let name = words(bare);
    let check = check(&name);
    let entries = || cells.chunks_exact(TALKER_WORDS);
    let known = entries().find(|entry| entry[2].get() == check && is(entry, &name));
    if let Some(entry) = known {
        return entry[0].add(1);
    }
    let Some(least) = entries().min_by_key(|entry| entry[0].get()) else {
        return;
    };
    let inherited = least[0].get();
    least[2].set(0);
    name.iter().zip(&least[3..]).for_each(|(word, cell)| cell.set(*word));
    least[1].set(inherited);
    least[0].set(inherited + 1);
    least[2].set(check);
}

/// Forgets half of everything.
pub(crate) fn halve(cells: &[Cell; TALKERS * TALKER_WORDS]) {
    for entry in cells.chunks_exact(TALKER_WORDS) {
        entry[0].set(entry[0].get() / 2);
        entry[1].set(entry[1].get() / 2);
    }
}

/// The entries of a shard, as words of its statistics; most first.
pub fn decode(words: &[u64]) -> Vec<Talker> {
    let entry = |entry: &[u64]| {
        let name: [u64; NAME_WORDS] = entry[3..].try_into().ok()?;
        let whole = entry[0] > 0 && entry[2] == check(&name);
        let bytes: Vec<u8> = name.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        whole.then(|| Talker {
            name: String::from_utf8_lossy(text).into_owned(),
            count: entry[0],
            error: entry[1],
        })
    };
    let mut talkers: Vec<Talker> = words.chunks_exact(TALKER_WORDS).filter_map(entry).collect();
    talkers.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name)));
    talkers
}

fn is(entry: &[Cell], name: &[u64; NAME_WORDS]) -> bool {
    entry[3..].iter().zip(name).all(|(cell, word)| cell.get() == *word)
}

fn words(name: &str) -> [u64; NAME_WORDS] {
    let mut bytes = [0; TALKER_NAME_BYTES];
    let name = cut(name, TALKER_NAME_BYTES).as_bytes();
    bytes[..name.len()].copy_from_slice(name);
    let mut words = [0; NAME_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*chunk);
    }
    words
}

/// FNV-1a over the words, never 0.
fn check(name: &[u64; NAME_WORDS]) -> u64 {
    let mixed = name.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch() -> [Cell; TALKERS * TALKER_WORDS] {
        std::array::from_fn(|_| Cell::default())
    }

    fn read(cells: &[Cell]) -> Vec<Talker> {
        decode(&cells.iter().map(Cell::get).collect::<Vec<_>>())
    }

    #[test]
    fn who_talks_most_is_first_by_his_bare_address() {
        let cells = sketch();
        for _ in 0..3 {
            note(&cells, "romeo@x/orchard");
        }
        note(&cells, "juliet@x");
        note(&cells, "juliet@x/balcony");
        let talkers = read(&cells);
        assert_eq!(talkers.len(), 2);
        assert_eq!((talkers[0].name.as_str(), talkers[0].count), ("romeo@x", 3));
        assert_eq!((talkers[1].name.as_str(), talkers[1].count), ("juliet@x", 2));
    }

    #[test]
    fn a_heavy_hitter_is_found_among_thousands() {
        let cells = sketch();
        for number in 0..10_000 {
            note(&cells, &format!("u{number}@x"));
            if number % 8 == 0 {
                note(&cells, "romeo@x");
            }
        }
        let talkers = read(&cells);
        assert_eq!(talkers.len(), TALKERS);
        let romeo = talkers.iter().find(|talker| talker.name == "romeo@x").unwrap();
        assert!(romeo.count >= 1_250 && romeo.count - romeo.error <= 1_250, "{romeo:?}");
    }

    #[test]
    fn a_long_address_is_cut_between_characters_and_still_counted_as_one() {
        let cells = sketch();
        let long = "ü".repeat(30) + "@x";
        note(&cells, &long);
        note(&cells, &long);
        let talkers = read(&cells);
        assert_eq!(
            (talkers.len(), talkers[0].name.as_str(), talkers[0].count),
            (1, &*"ü".repeat(20), 2)
        );
    }

    #[test]
    fn a_name_that_is_half_written_is_not_shown() {
        let cells = sketch();
        note(&cells, "romeo@x");
        cells[3].set(cells[3].get() ^ 1);
        assert!(read(&cells).is_empty());
    }

    #[test]
    fn what_is_long_ago_fades() {
        let cells = sketch();
        note(&cells, "romeo@x");
        halve(&cells);
        assert!(read(&cells).is_empty());
    }
}
