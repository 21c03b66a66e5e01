//! The ends of all chains of the archive: what the next archived record of an owner is to be linked to.
//!
//! Invariants:
//! - An owner costs 48 bytes (and what a hash table leaves free), however many records his archive has; an owner whose records
//!   have all been retired, or who was forgotten, costs nothing.
//! - Ids and ordinals of a chain increase; ordinals without a gap.

use std::collections::HashMap;

use super::layout::Place;
use super::record::{Links, RecordView, SKIP_LEVELS, height};
use crate::seam::{RecordId, UserKey};

/// Bits of an offset, counted in units of eight bytes; see [`crate::limits::SEGMENT_BYTES_MAX`].
const OFFSET_BITS: u32 = 27;

/// A link in seven bytes, so that an owner fits in 48: 29 bits of segment, 27 of offset in units of eight.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct ShortLink([u8; 7]);

impl ShortLink {
    fn of(link: u64) -> Self {
        let short = (link >> 32) << OFFSET_BITS | (link & u64::from(u32::MAX)) >> 3;
        let mut bytes = [0; 7];
        bytes.copy_from_slice(&short.to_le_bytes()[..7]);
        Self(bytes)
    }

    fn link(self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..7].copy_from_slice(&self.0);
        let short = u64::from_le_bytes(bytes);
        (short >> OFFSET_BITS) << 32 | (short & ((1 << OFFSET_BITS) - 1)) << 3
    }
}

/// The end of one chain.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tail {
    last: RecordId,
    ordinal: u32,
    /// The last record, and the last ones whose ordinals are multiples of 32, 1,024 and 32,768.
    links: [ShortLink; 1 + SKIP_LEVELS],
}

const _: () = assert!(size_of::<(UserKey, Tail)>() == 48);

impl Tail {
    pub fn new(last: RecordId, ordinal: u32, links: [u64; 1 + SKIP_LEVELS]) -> Self {
        let links = links.map(ShortLink::of);
        Self { last, ordinal, links }
    }

    /// Highest id of the chain.
    pub fn last(&self) -> RecordId {
        self.last
    }

    /// Ordinal of the last record.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// To the last record, and to the last one of each level of skips.
    pub fn links(&self) -> [u64; 1 + SKIP_LEVELS] {
        self.links.map(ShortLink::link)
    }

    fn is_before(&self, segment: u32) -> bool {
        Place::of_link(self.links[0].link()).is_none_or(|place| place.segment < segment)
    }
}

/// The ends of all chains.
#[derive(Default)]
pub(super) struct Tails {
    owners: HashMap<UserKey, Tail>,
}

impl Tails {
    pub fn get(&self, user: UserKey) -> Option<&Tail> {
        self.owners.get(&user)
    }

    pub fn len(&self) -> usize {
        self.owners.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (UserKey, &Tail)> {
        self.owners.iter().map(|(user, tail)| (*user, tail))
    }

    /// What the next archived record of an owner is linked to.
    pub fn next_links(&self, user: UserKey) -> Links {
        let Some(tail) = self.owners.get(&user) else {
            return Links {
                ordinal: 1,
                ..Links::default()
            };
        };
        // A chain of 2^32 records begins anew: what is older is out of reach.
        let Some(ordinal) = tail.ordinal.checked_add(1) else {
            return Links {
                ordinal: 1,
                ..Links::default()
            };
        };
        let [back, skips @ ..] = tail.links();
        let mut links = Links {
            ordinal,
            back,
            ..Links::default()
        };
        let levels = height(ordinal);
        links.skips[..levels].copy_from_slice(&skips[..levels]);
        links
    }

    /// An archived record has been written to, or found at, a place.
    pub fn push(&mut self, record: &RecordView<'_>, place: Place) {
        let tail = self.owners.entry(record.user).or_default();
        if record.links.back == 0 {
            *tail = Tail::default();
        }
        tail.last = record.id;
        tail.ordinal = record.links.ordinal;
        let link = ShortLink::of(place.packed());
        tail.links[..=record.skips()].fill(link);
    }

    /// As a checkpoint had it.
    pub fn restore(&mut self, user: UserKey, tail: Tail) {
        self.owners.insert(user, tail);
    }

    /// Cuts a chain off: nothing leads to its records any more. Tells whether there was one.
    pub fn forget(&mut self, user: UserKey) -> bool {
        let known = self.owners.remove(&user).is_some();
        self.shrink();
        known
    }

    /// The segments before this one are gone.
    pub fn retire_before(&mut self, segment: u32) {
        self.owners.retain(|_, tail| !tail.is_before(segment));
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.owners.len() * 8 < self.owners.capacity() && self.owners.capacity() > 1024 {
            self.owners.shrink_to(self.owners.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_NUMBER_MAX};

    #[test]
    fn a_short_link_holds_every_place_that_there_can_be() {
        for segment in [1, 77, SEGMENT_NUMBER_MAX] {
            for offset in [0, 8, 4096, SEGMENT_BYTES_MAX as u32 - 8] {
                let link = Place { segment, offset }.packed();
                assert_eq!(ShortLink::of(link).link(), link);
            }
        }
        assert_eq!(ShortLink::of(0).link(), 0);
    }
}
