//! Who alone reaches a user, if the user wants it so: the engine's white list, for every protocol.
//!
//! In force, it admits its entries (which match as those of the black list do, see [`blocking`](crate::blocking)), the user's contacts and the
//! user. The black list is stronger. Off, it admits everybody.
//!
//! In the book, one row a user, version 1: `0x01 | in force u8 | entries, each followed by a line feed` (no prepared address holds one).
//!
//! Invariant: at most [`BLOCKED_MAX`](crate::blocking::BLOCKED_MAX) entries; a refused change changes nothing.
#![forbid(unsafe_code)]

use bytes::Bytes;

use crate::blocking::{BlockList, BlockListFull};
use crate::jid::Jid;

const VERSION: u8 = 1;

/// Where it stands among a user's documents: no namespace of a client's begins so.
pub(crate) const PART: &str = "\u{1}white list";

/// One user's white list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    in_force: bool,
    entries: BlockList,
}

impl AllowList {
    /// Whether it is in force.
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.in_force
    }

    /// Turns it on or off. False if it was so already.
    pub fn enforce(&mut self, in_force: bool) -> bool {
        std::mem::replace(&mut self.in_force, in_force) != in_force
    }

    /// Whether an entry matches this address.
    #[must_use]
    pub fn names(&self, jid: &Jid) -> bool {
        self.entries.blocks(jid)
    }

    /// Adds all of these, or none.
    ///
    /// # Errors
    /// There would be too many.
    pub fn add(&mut self, addresses: impl IntoIterator<Item = Jid>) -> Result<(), BlockListFull> {
        self.entries.block(addresses).map(|_| ())
    }

    /// Takes these off; all of them, if none is named.
    pub fn remove(&mut self, addresses: &[Jid]) {
        match addresses {
            [] => drop(self.entries.unblock_all()),
            some => drop(self.entries.unblock(some)),
        }
    }

    /// The entries, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Jid> {
        self.entries.iter()
    }

    /// Off and empty: nothing to keep.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        !self.in_force && self.entries.is_empty()
    }

    /// For the book.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION, u8::from(self.in_force)];
        for entry in self.entries.iter() {
            bytes.extend_from_slice(entry.as_str().as_bytes());
            bytes.push(b'\n');
        }
        Bytes::from(bytes)
    }

    /// From the book; `None` if it is damaged or of a newer version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<AllowList> {
        let [VERSION, in_force @ (0 | 1), entries @ ..] = bytes else {
            return None;
        };
        let text = std::str::from_utf8(entries).ok()?;
        let mut list = AllowList {
            in_force: *in_force == 1,
            entries: BlockList::default(),
        };
        let addresses: Result<Vec<Jid>, _> = text.split_terminator('\n').map(Jid::parse).collect();
        list.add(addresses.ok()?).ok()?;
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut list = AllowList::default();
        assert!(list.is_trivial());
        list.add([jid("juliet@capulet.lit"), jid("montague.lit")]).unwrap();
        assert!(list.enforce(true) && !list.enforce(true));
        assert_eq!(&list.encode()[..], b"\x01\x01juliet@capulet.lit\nmontague.lit\n");
        assert_eq!(AllowList::decode(&list.encode()), Some(list.clone()));
        assert!(list.names(&jid("romeo@montague.lit/orchard")) && !list.names(&jid("tybalt@capulet.lit")));
        list.remove(&[]);
        assert_eq!(AllowList::decode(&list.encode()), Some(list));
    }

    #[test]
    fn damage_is_found() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x02\x00",
            b"\x01\x02",
            b"\x01\x00@\n",
            b"\x01\x00\xff\n",
        ] {
            assert_eq!(AllowList::decode(bytes), None, "{bytes:?}");
        }
    }
}
