//! Who stands how to a room, and which nicknames are reserved.
//!
//! Invariants: sorted by account; nobody is in here without an affiliation; no nickname is reserved twice.

use super::Affiliation;
use crate::jid::Jid;

/// Up to here there is no room for more than there are.
const FEW: usize = 8;

/// An account that has an affiliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliated {
    /// Bare.
    pub account: Jid,
    /// Never `None`.
    pub affiliation: Affiliation,
    /// Reserved for it.
    pub nick: Option<Box<str>>,
    /// Why an outcast is one.
    pub reason: Option<Box<str>>,
}

/// All of a room's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affiliations(Vec<Affiliated>);

impl Affiliations {
    /// How somebody stands to the room; a resource does not matter.
    #[must_use]
    pub fn of(&self, who: &Jid) -> Affiliation {
        self.get(who).map_or(Affiliation::None, |entry| entry.affiliation)
    }

    /// What is known of an account.
    #[must_use]
    pub fn get(&self, who: &Jid) -> Option<&Affiliated> {
        let place = self.place(who).ok()?;
        self.0.get(place)
    }

    /// For whom a nickname is reserved.
    #[must_use]
    pub fn holder(&self, nick: &str) -> Option<&Jid> {
        let held = self.0.iter().find(|entry| entry.nick.as_deref() == Some(nick));
        held.map(|entry| &entry.account)
    }

    /// Changes what is known of an account, or forgets it.
    pub fn set(&mut self, entry: Affiliated) {
        match (self.place(&entry.account), entry.affiliation) {
            (Ok(place), Affiliation::None) => drop(self.0.remove(place)),
            (Ok(place), _) => self.0[place] = entry,
            (Err(_), Affiliation::None) => {}
            (Err(place), _) => {
                // Most rooms have few, and stay in memory with them.
                if self.0.len() < FEW {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, entry);
            }
        }
    }

    /// Those with one affiliation.
    pub fn with(&self, affiliation: Affiliation) -> impl Iterator<Item = &Affiliated> {
        self.0.iter().filter(move |entry| entry.affiliation == affiliation)
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Affiliated> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, who: &Jid) -> Result<usize, usize> {
        let bare = who.bare_str();
        self.0.binary_search_by(|entry| entry.account.as_str().cmp(bare))
    }
}
