//! Which messages have been seen: nobody is shown one twice (SPEC.md section 5).
//!
//! Invariant: at most [`SEEN_MAX`] are remembered; the oldest are forgotten first.

use std::collections::{HashSet, VecDeque};

use crosspoint_icpp::codec::MessageId;
use sha2::{Digest, Sha256};

use super::kept::SeenKey;
use super::limits::SEEN_MAX;

/// The bare form of an address.
#[must_use]
pub fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}

/// As what a message arrives. These are no duplicates of each other (SPEC.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// What somebody says.
    Itself = 0,
    /// A message of ours that came back.
    Returned = 1,
    /// A copy of what another session of ours has sent.
    Copy = 2,
}

/// The key of a message.
///
/// A strong hash, because ids are chosen by those who send: nobody may choose one that hides another's message.
///
/// `occupant` tells apart those who write under the bare address of one room; empty elsewhere.
#[must_use]
pub fn key(from: &str, occupant: &str, id: MessageId, aspect: Aspect) -> SeenKey {
    let digest = Sha256::new()
        .chain_update([aspect as u8])
        .chain_update(id)
        .chain_update(bare(from))
        .chain_update(occupant)
        .finalize();
    let mut key = SeenKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

/// See the module.
#[derive(Debug, Default)]
pub struct Seen {
    order: VecDeque<SeenKey>,
    known: HashSet<SeenKey>,
}

impl Seen {
    /// With what an earlier run of the program has seen.
    pub fn new(kept: impl IntoIterator<Item = SeenKey>) -> Seen {
        let mut seen = Seen::default();
        for key in kept {
            seen.insert(key);
        }
        seen
    }

    /// Whether this is the first time.
    pub fn insert(&mut self, key: SeenKey) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_bounded() {
        let mut seen = Seen::default();
        let numbered = |number: usize| key("romeo@localhost", "", (number as u128).to_be_bytes(), Aspect::Itself);
        for number in 0..SEEN_MAX {
            assert!(seen.insert(numbered(number)));
            assert!(!seen.insert(numbered(number)));
        }
        assert!(seen.insert(numbered(SEEN_MAX)));
        assert_eq!((seen.order.len(), seen.known.len()), (SEEN_MAX, SEEN_MAX));
        assert!(!seen.insert(numbered(1)));
        assert!(seen.insert(numbered(0)), "the oldest is forgotten");
    }

    #[test]
    fn the_resource_does_not_count_and_the_sender_does() {
        let id = [7; 16];
        assert_eq!(
            key("a@b/c", "", id, Aspect::Itself),
            key("a@b/d", "", id, Aspect::Itself)
        );
        assert_ne!(
            key("a@b/c", "", id, Aspect::Itself),
            key("b@b/c", "", id, Aspect::Itself)
        );
        assert_ne!(
            key("a@b/c", "", id, Aspect::Itself),
            key("a@b/c", "", id, Aspect::Returned)
        );
        assert_ne!(
            key("a@b/c", "1", id, Aspect::Itself),
            key("a@b/d", "2", id, Aspect::Itself),
            "in a room"
        );
    }
}
