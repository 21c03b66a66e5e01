//! Which messages have been seen: nobody is shown one twice (SPEC.md section 5).
//!
//! Invariants: what waits for the application is known as long as it waits, however much arrives behind it, and is bounded where it waits
//! (`inbox`); of what the application has taken at most [`SEEN_MAX`] are remembered, and the oldest are forgotten first.

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
    waiting: HashSet<SeenKey>,
    order: VecDeque<SeenKey>,
    known: HashSet<SeenKey>,
}

impl Seen {
    /// With what an earlier run of the program has seen.
    pub fn new(kept: impl IntoIterator<Item = SeenKey>) -> Seen {
        let mut seen = Seen::default();
        for key in kept {
            seen.taken(key);
        }
        seen
    }

    /// Whether this is the first time. Then it waits.
    pub fn arrives(&mut self, key: SeenKey) -> bool {
        !self.known.contains(&key) && self.waiting.insert(key)
    }

    /// The application has it.
    pub fn taken(&mut self, key: SeenKey) {
        self.waiting.remove(&key);
        if !self.known.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: usize) -> SeenKey {
        key("romeo@localhost", "", (number as u128).to_be_bytes(), Aspect::Itself)
    }

    #[test]
    fn once_and_bounded() {
        let mut seen = Seen::default();
        for number in 0..SEEN_MAX {
            assert!(seen.arrives(numbered(number)));
            assert!(!seen.arrives(numbered(number)), "it waits");
            seen.taken(numbered(number));
            assert!(!seen.arrives(numbered(number)), "it was taken");
        }
        seen.taken(numbered(SEEN_MAX));
        assert_eq!((seen.order.len(), seen.known.len()), (SEEN_MAX, SEEN_MAX));
        assert!(seen.waiting.is_empty());
        assert!(!seen.arrives(numbered(1)));
        assert!(seen.arrives(numbered(0)), "the oldest is forgotten");
    }

    /// Found with a room behind which messages waited: what was said there pushed them out, and they were shown again after a reconnection.
    #[test]
    fn what_waits_is_known_however_much_comes_behind_it() {
        let mut seen = Seen::default();
        assert!(seen.arrives(numbered(0)));
        for number in 1..2 * SEEN_MAX {
            assert!(seen.arrives(numbered(number)));
            seen.taken(numbered(number));
        }
        assert!(!seen.arrives(numbered(0)));
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
