//! The roster's version, and the contacts that were removed lately (RFC 6121 section 2.6).
//!
//! A client that was away says which version it holds. Each item knows the version at which it last changed; what an
//! item cannot tell, namely that it is gone, is told by a short list of removals. Whoever holds a version from before
//! the list begins (`floor`) gets the whole roster.
//!
//! In the book, version 1, integers little endian:
//! ```text
//!   +------+-------------+-----------+------+----------------------------------+
//!   | 0x01 | current u64 | floor u64 | n u8 | n x (version u64, len u16, jid)  |
//!   +------+-------------+-----------+------+----------------------------------+
//! ```
//!
//! Invariants: `floor` <= the versions of the removals, ascending, <= `current`.

use bytes::{Buf, BufMut, Bytes};

use super::item::{Undecodable, put_text, take_text};
use crate::jid::Jid;

/// Most removals that are remembered.
pub const REMOVALS_MAX: usize = 32;

const _: () = assert!(REMOVALS_MAX <= u8::MAX as usize);

const LAYOUT: u8 = 1;

/// The versions of one roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    current: u64,
    floor: u64,
    /// Oldest first. Made anew with each removal: those are rare, and most rosters have had none lately.
    removals: Box<[(u64, Jid)]>,
}

impl Versions {
    /// Nothing before `first` is known.
    pub fn starting_at(first: u64) -> Self {
        Self {
            current: first,
            floor: first,
            removals: Box::default(),
        }
    }

    pub fn current(&self) -> u64 {
        self.current
    }

    /// A new version, for a contact that was added or changed.
    pub fn advance(&mut self, jid: &Jid) -> u64 {
        if self.removals.iter().any(|(_, removed)| removed == jid) {
            let mut removals = std::mem::take(&mut self.removals).into_vec();
            removals.retain(|(_, removed)| removed != jid);
            self.removals = removals.into();
        }
        self.current += 1;
        self.current
    }

    /// A new version, for a contact that was removed.
    pub fn removed(&mut self, jid: &Jid) -> u64 {
        let version = self.advance(jid);
        let mut removals = std::mem::take(&mut self.removals).into_vec();
        removals.push((version, jid.clone()));
        if removals.len() > REMOVALS_MAX {
            self.floor = removals.remove(0).0;
        }
        self.removals = removals.into();
        version
    }

    /// What was removed after `version`, or nothing if that is not known.
    pub fn removed_since(&self, version: u64) -> Option<impl Iterator<Item = &(u64, Jid)>> {
        let known = (self.floor..=self.current).contains(&version);
        known.then(|| self.removals.iter().filter(move |(removed, _)| *removed > version))
    }

    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![LAYOUT];
        bytes.put_u64_le(self.current);
        bytes.put_u64_le(self.floor);
        bytes.put_u8(self.removals.len() as u8);
        for (version, jid) in &self.removals {
            bytes.put_u64_le(*version);
            put_text(&mut bytes, jid.as_str());
        }
        bytes.into()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut rest = bytes;
        if rest.try_get_u8() != Ok(LAYOUT) {
            return Err(Undecodable);
        }
        let current = rest.try_get_u64_le().map_err(|_| Undecodable)?;
        let floor = rest.try_get_u64_le().map_err(|_| Undecodable)?;
        let count = rest.try_get_u8().map_err(|_| Undecodable)?;
        let removals = (0..count).map(|_| take_removal(&mut rest)).collect::<Result<_, _>>()?;
        let read = Self {
            current,
            floor,
            removals,
        };
        if read.is_sound() && rest.is_empty() {
            Ok(read)
        } else {
            Err(Undecodable)
        }
    }

    fn is_sound(&self) -> bool {
        let versions = self.removals.iter().map(|(version, _)| *version);
        let line = std::iter::once(self.floor)
            .chain(versions)
            .chain(std::iter::once(self.current));
        line.is_sorted() && self.removals.len() <= REMOVALS_MAX
    }
}

fn take_removal(rest: &mut &[u8]) -> Result<(u64, Jid), Undecodable> {
    let version = rest.try_get_u64_le().map_err(|_| Undecodable)?;
    let jid = Jid::parse(take_text(rest)?).map_err(|_| Undecodable)?;
    Ok((version, jid))
}
