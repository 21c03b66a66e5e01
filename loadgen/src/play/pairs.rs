//! Who writes to whom: 0 with 1, 2 with 3, or so that a share of the pairs lives on two shards.
//!
//! Where an account lives follows from its address (frontends/icpp/SPEC.md section 11.3): its slot is XXH3-64 of the bare
//! address, AND 4095, and its shard is slot modulo SHARDS. Other servers have other rules: there, which pairs
//! cross what is as random as without.
//!
//! Invariant: whoever has a partner is his partner's partner; at most one user has none.

use xxhash_rust::xxh3::xxh3_64;

use crate::plan::{Crossing, Plan};
use crate::worker::{Part, Place};

const SLOTS: u64 = 4096;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<Option<Place>>);

impl Pairs {
    /// Neighbours.
    pub fn in_turn(count: u32) -> Self {
        let other = |place: Place| Some(place ^ 1).filter(|other| *other < count);
        Self((0..count).map(other).collect())
    }

    /// Of a worker's users, by the addresses that the plan gives them.
    pub fn crossing(crossing: Crossing, plan: &Plan, part: Part) -> Self {
        let home = |place: Place| {
            let address = format!("{}{}@{}", plan.users.prefix, part.user(place), plan.target.domain);
            shard_of(&address.to_lowercase(), crossing.shards)
        };
        let homes: Vec<u32> = part.places().map(home).collect();
        Self::with_homes(&homes, crossing.shards, crossing.share)
    }

    /// As near to the share as the homes allow: pairs across take from the two fullest shards, those that are left over at
    /// the end are paired with each other.
    fn with_homes(homes: &[u32], shards: u32, share: f64) -> Self {
        let mut at: Vec<Vec<Place>> = vec![Vec::new(); shards as usize];
        for (place, home) in (0..).zip(homes) {
            at[*home as usize].push(place);
        }
        let mut pairs = Self(vec![None; homes.len()]);
        let across = (homes.len() / 2) as f64 * share;
        for _ in 0..across.round() as usize {
            at.sort_by_key(|here| std::cmp::Reverse(here.len()));
            let [first, second, ..] = &mut at[..] else { break };
            if let (Some(one), Some(other)) = (first.last(), second.last()) {
                pairs.join(*one, *other);
                first.pop();
                second.pop();
            }
        }
        let mut left = Vec::new();
        for here in at {
            let (two, one) = here.as_chunks::<2>();
            two.iter().for_each(|[one, other]| pairs.join(*one, *other));
            left.extend(one);
        }
        left.as_chunks::<2>()
            .0
            .iter()
            .for_each(|[one, other]| pairs.join(*one, *other));
        pairs
    }

    fn join(&mut self, one: Place, other: Place) {
        self.0[one as usize] = Some(other);
        self.0[other as usize] = Some(one);
    }

    /// The other one, if there is one.
    #[inline]
    pub fn of(&self, place: Place) -> Option<Place> {
        self.0.get(place as usize).copied().flatten()
    }
}

/// The shard of a prepared bare address.
fn shard_of(address: &str, shards: u32) -> u32 {
    let slot = xxh3_64(address.as_bytes()) & (SLOTS - 1);
    (slot % u64::from(shards)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs, and those of them on two shards.
    fn made(pairs: &Pairs, homes: &[u32]) -> (usize, usize) {
        let mut counted = (0, 0);
        for place in 0..homes.len() as Place {
            let Some(other) = pairs.of(place) else { continue };
            assert_eq!(pairs.of(other), Some(place));
            assert_ne!(other, place);
            if place < other {
                counted.0 += 1;
                counted.1 += usize::from(homes[place as usize] != homes[other as usize]);
            }
        }
        counted
    }

    #[test]
    fn shards_are_those_of_the_specification() {
        // The slots that the server's own test names: 124, 2143, 691.
        let addresses = ["juliet@example.com", "romeo@example.com", "user0@localhost"];
        assert_eq!(addresses.map(|address| shard_of(address, 4096)), [124, 2143, 691]);
        assert_eq!(addresses.map(|address| shard_of(address, 2)), [0, 1, 1]);
    }

    #[test]
    fn a_share_of_the_pairs_lives_on_two_shards() {
        let homes: Vec<u32> = (0..200)
            .map(|user| shard_of(&format!("u{user}@localhost"), 2))
            .collect();
        let odd = homes.iter().filter(|home| **home == 0).count() % 2;
        for (share, across) in [(0.0, odd), (0.5, 50 + (50 + odd) % 2)] {
            assert_eq!(
                made(&Pairs::with_homes(&homes, 2, share), &homes),
                (100, across),
                "{share}"
            );
        }
        let fewer = homes.iter().filter(|home| **home == 0).count();
        let all = made(&Pairs::with_homes(&homes, 2, 1.0), &homes);
        assert_eq!(
            all,
            (100, fewer.min(200 - fewer)),
            "as many as the fewer have partners for"
        );
    }

    #[test]
    fn nobody_is_left_alone_but_an_odd_one() {
        for homes in [&[0, 0, 0][..], &[0, 1, 2], &[0, 1, 0, 1, 2], &[2], &[]] {
            for share in [0.0, 0.5, 1.0] {
                assert_eq!(
                    made(&Pairs::with_homes(homes, 3, share), homes).0,
                    homes.len() / 2,
                    "{homes:?}"
                );
            }
        }
    }

    #[test]
    fn neighbours_are_pairs_where_nothing_is_said() {
        assert_eq!(Pairs::in_turn(5), Pairs(vec![Some(1), Some(0), Some(3), Some(2), None]));
    }
}
