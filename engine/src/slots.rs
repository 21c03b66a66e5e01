//! Where a user lives: bare address -> key -> slot -> shard.
//!
//! ```text
//!   bare JID --XXH3-64--> UserKey (u64, the user's key in the log) --low 12 bits--> Slot (0..4096) --SlotTable--> shard
//! ```
//!
//! Invariants:
//! - The key and the slot of an address are on disk and, in a cluster, on the wire: they never change. Only the table,
//!   which is rebuilt at every start, depends on the number of shards.
//! - The address is prepared (a [`Jid`]), so that one user has one key.
//! - Two users may share a key (64 bits): what is looked up by key must compare the address too where it matters.
#![forbid(unsafe_code)]

use std::num::NonZeroU16;

use xxhash_rust::xxh3::xxh3_64;

use crate::jid::Jid;

/// Number of slots, for ever.
pub const SLOTS: usize = 4096;

/// Most shards that a table can name.
pub const SHARDS_MAX: u16 = 1024;

const _: () = assert!(SLOTS.is_power_of_two(), "a slot is the low bits of a key");
const _: () = assert!(SHARDS_MAX as usize <= SLOTS, "every shard owns a slot");

/// XXH3-64 (seed 0) of the prepared bare address in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub u64);

impl UserKey {
    /// The key of an address; its resource does not matter.
    pub fn of(jid: &Jid) -> Self {
        Self(xxh3_64(jid.bare_str().as_bytes()))
    }

    /// The slot of this user.
    pub fn slot(self) -> Slot {
        Slot(self.0 as u16 & (SLOTS as u16 - 1))
    }
}

/// One of the 4096 hash buckets into which users, rooms and remote domains fall. Always below [`SLOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot of an address; its resource does not matter.
    pub fn of(jid: &Jid) -> Self {
        UserKey::of(jid).slot()
    }

    /// A slot by its number, if there is one.
    pub fn from_number(number: u16) -> Option<Self> {
        ((number as usize) < SLOTS).then_some(Self(number))
    }

    /// 0 to 4095.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Which shard owns which slot: 8 KiB, one table per process, copied to each shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotTable {
    owners: Box<[u16; SLOTS]>,
    shards: u16,
}

impl SlotTable {
    /// Deals the slots out to `shards` (at most [`SHARDS_MAX`], more are not used), one after the other: so those of any run
    /// of slots, which is what one server of several may have, are spread over all of its shards.
    pub fn even(shards: NonZeroU16) -> Self {
        let shards = shards.get().min(SHARDS_MAX);
        let owner = |slot: usize| (slot % shards as usize) as u16;
        Self {
            owners: Box::new(std::array::from_fn(owner)),
            shards,
        }
    }

    /// Number of shards among which the slots are divided.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The shard that owns a slot.
    pub fn owner(&self, slot: Slot) -> u16 {
        self.owners[slot.0 as usize]
    }

    /// The home of an address.
    pub fn home(&self, jid: &Jid) -> u16 {
        self.owner(Slot::of(jid))
    }

    /// The slots of one shard, ascending.
    pub fn slots_of(&self, shard: u16) -> impl Iterator<Item = Slot> + '_ {
        let owned = self
            .owners
            .iter()
            .enumerate()
            .filter(move |(_, owner)| **owner == shard);
        owned.map(|(slot, _)| Slot(slot as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn table(shards: u16) -> SlotTable {
        SlotTable::even(NonZeroU16::new(shards).unwrap())
    }

    #[test]
    fn keys_and_slots_are_what_they_have_always_been() {
        // Computed with another implementation of XXH3-64 (the reference library's Python binding).
        let golden = [
            ("juliet@example.com", 0xcf32_707f_c9ea_107c, 124),
            ("romeo@example.com", 0x0e57_6a81_0560_f85f, 2143),
            ("localhost", 0x1613_c553_4ea9_f563, 1379),
            ("room@rooms.example.com", 0x02ca_6194_bb63_1216, 534),
            ("π@example.com", 0x8fb0_5dba_9af6_5687, 1671),
            ("user0@localhost", 0xec8d_e564_961a_52b3, 691),
            ("a@[::1]", 0x604b_13e7_fa23_2690, 1680),
        ];
        for (text, key, slot) in golden {
            assert_eq!(
                UserKey::of(&jid(text)),
                UserKey(key),
                "{text}: {:#018x}",
                UserKey::of(&jid(text)).0
            );
            assert_eq!(Slot::of(&jid(text)).number(), slot, "{text}");
        }
    }

    #[test]
    fn a_resource_does_not_move_a_user() {
        assert_eq!(
            UserKey::of(&jid("Juliet@Example.com/balcony")),
            UserKey::of(&jid("juliet@example.com"))
        );
    }

    #[test]
    fn every_slot_has_an_owner_and_shards_have_as_many_of_all_and_of_any_run() {
        for shards in [1, 2, 3, 5, 7, 16, 96, 1000, SHARDS_MAX] {
            let table = table(shards);
            for run in [0..SLOTS, 0..SLOTS / 2, 1_000..3_000] {
                let of = |shard| {
                    table
                        .slots_of(shard)
                        .filter(|slot| run.contains(&usize::from(slot.0)))
                        .count()
                };
                let counts: Vec<usize> = (0..shards).map(of).collect();
                assert_eq!(counts.iter().sum::<usize>(), run.len(), "{shards} shards");
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(most - least <= 1, "{shards} shards, {run:?}: {least} to {most}");
            }
        }
    }

    #[test]
    fn more_shards_than_the_table_can_name_are_not_used() {
        let table = table(u16::MAX);
        assert_eq!(table.shards(), SHARDS_MAX);
        assert!(
            (0..SLOTS as u16)
                .filter_map(Slot::from_number)
                .all(|slot| table.owner(slot) < SHARDS_MAX)
        );
    }

    #[test]
    fn users_spread_over_the_shards() {
        let table = table(4);
        let mut users = [0u32; 4];
        for number in 0..8000 {
            users[table.home(&jid(&format!("user{number}@example.com"))) as usize] += 1;
        }
        assert!(users.iter().all(|count| (1800..2200).contains(count)), "{users:?}");
    }

    #[test]
    fn there_is_no_slot_beyond_the_last() {
        assert_eq!(Slot::from_number(4095).map(Slot::number), Some(4095));
        assert_eq!(Slot::from_number(4096), None);
    }
}
