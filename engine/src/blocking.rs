//! Whom a user does not want to hear from, nor be seen by: the engine's one black list, for every protocol.
//!
//! An entry matches as in XEP-0191 section 6:
//! ```text
//!   entry                   matches
//!   user@domain/resource    that one device
//!   user@domain             the user and all its devices
//!   domain/resource         that one resource of the domain itself
//!   domain                  the domain, its resources, and all its users
//! ```
//!
//! Invariants: entries are sorted, none twice, at most [`BLOCKED_MAX`]; a refused change changes nothing. Asking an
//! empty list costs one comparison, and allocates never.
#![forbid(unsafe_code)]

use std::fmt;

use crate::jid::Jid;

/// Most entries of one user.
pub const BLOCKED_MAX: usize = 1000;

/// The list would have more than [`BLOCKED_MAX`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockListFull;

impl fmt::Display for BlockListFull {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "more than {BLOCKED_MAX} addresses cannot be blocked")
    }
}

impl std::error::Error for BlockListFull {}

/// One user's black list: one word while it is empty, as nearly all are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockList {
    #[allow(clippy::box_collection)]
    entries: Option<Box<Vec<Jid>>>,
}

impl BlockList {
    /// Does an entry match this address?
    #[inline]
    pub fn blocks(&self, jid: &Jid) -> bool {
        // Nearly all lists are empty, and every envelope is held against some.
        self.entries.is_some() && self.matches(jid)
    }

    fn matches(&self, jid: &Jid) -> bool {
        self.has(jid.as_str())
            || jid.is_full() && self.has(jid.bare_str())
            || jid.bare_str() != jid.domain() && self.has(jid.domain())
    }

    /// Adds all of these, or none. Returns those that were not there yet, in the order given.
    pub fn block(&mut self, jids: impl IntoIterator<Item = Jid>) -> Result<Vec<Jid>, BlockListFull> {
        let mut added: Vec<Jid> = Vec::new();
        for jid in jids {
            if self.has(jid.as_str()) || added.contains(&jid) {
                continue;
            }
            if self.len() + added.len() >= BLOCKED_MAX {
                return Err(BlockListFull);
            }
            added.push(jid.detached());
        }
        if !added.is_empty() {
            let entries = self.entries.get_or_insert_default();
            entries.extend(added.iter().cloned());
            entries.sort_unstable();
        }
        Ok(added)
    }

    /// Takes these off the list. Returns those that were on it.
    pub fn unblock<'a>(&mut self, jids: impl IntoIterator<Item = &'a Jid>) -> Vec<Jid> {
        let Some(entries) = &mut self.entries else {
            return Vec::new();
        };
        let places = jids.into_iter();
        let removed = places
            .filter_map(|jid| {
                let place = entries.binary_search(jid).ok()?;
                Some(entries.remove(place))
            })
            .collect();
        if entries.is_empty() {
            self.entries = None;
        }
        removed
    }

    /// Takes everybody off the list. Returns whoever was on it.
    pub fn unblock_all(&mut self) -> Vec<Jid> {
        self.entries.take().map(|entries| *entries).unwrap_or_default()
    }

    /// The entries, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Jid> {
        self.entries.iter().flat_map(|entries| entries.iter())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.len())
    }

    /// Nobody is blocked?
    pub fn is_empty(&self) -> bool {
        self.entries.is_none()
    }

    fn has(&self, text: &str) -> bool {
        let found = |entries: &Vec<Jid>| entries.binary_search_by(|entry| entry.as_str().cmp(text)).is_ok();
        self.entries.as_deref().is_some_and(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn list(entries: &[&str]) -> BlockList {
        let mut list = BlockList::default();
        list.block(entries.iter().map(|entry| jid(entry))).unwrap();
        list
    }

    #[test]
    fn each_form_of_entry_matches_what_it_should() {
        let asked = [
            "a@x", "a@x/1", "a@x/2", "b@x", "b@x/1", "x", "x/1", "x/2", "a@y", "a@y/1", "y",
        ];
        let table: [(&str, &[&str]); 4] = [
            ("a@x/1", &["a@x/1"]),
            ("a@x", &["a@x", "a@x/1", "a@x/2"]),
            ("x/1", &["x/1"]),
            ("x", &["a@x", "a@x/1", "a@x/2", "b@x", "b@x/1", "x", "x/1", "x/2"]),
        ];
        for (entry, blocked) in table {
            let list = list(&[entry]);
            let got: Vec<_> = asked.iter().copied().filter(|asked| list.blocks(&jid(asked))).collect();
            assert_eq!(got, blocked, "{entry}");
        }
    }

    #[test]
    fn entries_do_not_hide_each_other() {
        let list = list(&["z", "a@x", "a@x/1", "m@n/o", "b@y"]);
        for asked in ["q@z/r", "a@x/2", "a@x/1", "m@n/o", "b@y"] {
            assert!(list.blocks(&jid(asked)), "{asked}");
        }
        assert!(!list.blocks(&jid("m@n")));
        assert!(!BlockList::default().blocks(&jid("a@x")));
    }

    #[test]
    fn blocking_again_and_unblocking_strangers_change_nothing() {
        let mut list = list(&["a@x", "b@x"]);
        assert_eq!(list.block([jid("b@x"), jid("c@x"), jid("c@x")]), Ok(vec![jid("c@x")]));
        assert_eq!(list.unblock([&jid("d@x"), &jid("a@x"), &jid("a@x")]), [jid("a@x")]);
        assert_eq!(list.iter().map(Jid::as_str).collect::<Vec<_>>(), ["b@x", "c@x"]);
        assert_eq!(list.unblock_all().len(), 2);
        assert!(list.is_empty() && list.unblock_all().is_empty());
    }

    #[test]
    fn a_full_list_takes_all_of_a_request_or_nothing() {
        let many = |numbers: std::ops::Range<usize>| numbers.map(|number| jid(&format!("{number}@x")));
        let mut list = BlockList::default();
        list.block(many(0..BLOCKED_MAX - 1)).unwrap();
        assert_eq!(list.block(many(BLOCKED_MAX - 1..BLOCKED_MAX + 1)), Err(BlockListFull));
        assert_eq!(list.len(), BLOCKED_MAX - 1);
        assert!(!list.blocks(&jid("999@x")));
        assert_eq!(
            list.block(many(BLOCKED_MAX - 2..BLOCKED_MAX)).map(|added| added.len()),
            Ok(1)
        );
    }
}
