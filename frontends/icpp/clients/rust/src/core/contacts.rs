//! The user's contacts, and what they show: caches of what the server said (SPEC.md section 8).
//!
//! Invariant: both are bounded. A roster that is longer ends the connection; presence beyond the bound is told, but not kept.

use std::collections::BTreeMap;

use crosspoint_icpp::codec::contacts::{self, contact_flag};
use crosspoint_icpp::codec::presence::{Presence, Show};

use super::fault::ServerFault;
use super::limits::{PRESENCES_MAX, ROSTER_CONTACTS_MAX};
use super::seen::bare;

/// Whose presence goes to whom (RFC 6121 section 2.1.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Subscribed {
    /// Nobody's to nobody.
    #[default]
    None,
    /// The contact's to the user.
    To,
    /// The user's to the contact.
    From,
    /// Both.
    Both,
}

/// Somebody whom the user knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// Bare.
    pub address: String,
    /// What the user calls him.
    pub name: String,
    /// Groups that he is in.
    pub groups: Vec<String>,
    /// Whose presence goes to whom.
    pub subscribed: Subscribed,
    /// His presence has been asked for, and he has not answered.
    pub asked: bool,
    /// He may see the user's presence as soon as he asks (RFC 6121 section 3.4).
    pub approved: bool,
}

impl Contact {
    /// The owned form; `None` if he is no contact any more.
    pub(super) fn new(contact: &contacts::Contact<'_>) -> Option<Contact> {
        if contact.flags & contact_flag::REMOVED != 0 {
            return None;
        }
        Some(Contact {
            address: contact.address.to_owned(),
            name: contact.name.to_owned(),
            groups: contact.groups().map(str::to_owned).collect(),
            subscribed: match contact.subscription {
                1 => Subscribed::To,
                2 => Subscribed::From,
                3 => Subscribed::Both,
                _ => Subscribed::None,
            },
            asked: contact.flags & contact_flag::ASKED != 0,
            approved: contact.flags & contact_flag::APPROVED != 0,
        })
    }
}

/// The contacts, as far as they are known.
#[derive(Debug, Default)]
pub struct Roster {
    version: u64,
    contacts: BTreeMap<String, Contact>,
}

impl Roster {
    /// 0 if nothing is known.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All of them, by address.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values()
    }

    /// The whole, anew.
    pub fn replace(&mut self, version: u64, contacts: Vec<Contact>) {
        let keyed = contacts.into_iter().map(|contact| (contact.address.clone(), contact));
        self.contacts = keyed.collect();
        self.version = version;
    }

    /// One has changed.
    pub fn change(&mut self, version: u64, contact: &contacts::Contact<'_>) -> Result<(), ServerFault> {
        match Contact::new(contact) {
            None => drop(self.contacts.remove(contact.address)),
            Some(new) => {
                if self.contacts.len() >= ROSTER_CONTACTS_MAX && !self.contacts.contains_key(contact.address) {
                    return Err(ServerFault::AnswerTooLong);
                }
                self.contacts.insert(new.address.clone(), new);
            }
        }
        self.version = version;
        Ok(())
    }
}

/// What one session of somebody shows, or ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Whose: a full address as a rule. Empty for ours.
    pub address: String,
    /// What.
    pub show: Show,
    /// Which session gets messages to the bare address.
    pub priority: i8,
    /// In words.
    pub status: String,
}

impl Shown {
    pub(super) fn new(presence: &Presence<'_>) -> Shown {
        Shown {
            address: presence.address.to_owned(),
            show: presence.show,
            priority: presence.priority,
            status: presence.status.to_owned(),
        }
    }
}

/// What others show, by full address.
#[derive(Debug, Default)]
pub struct Presences {
    shown: BTreeMap<String, Shown>,
}

impl Presences {
    /// Nothing is known any more.
    pub fn clear(&mut self) {
        self.shown.clear();
    }

    /// Somebody shows something.
    pub fn change(&mut self, shown: &Shown) {
        if shown.show == Show::Unavailable {
            // Of a bare address: none of his sessions is there.
            match shown.address.contains('/') {
                true => drop(self.shown.remove(&shown.address)),
                false => self.shown.retain(|address, _| bare(address) != shown.address),
            }
        } else if self.shown.len() < PRESENCES_MAX || self.shown.contains_key(&shown.address) {
            self.shown.insert(shown.address.clone(), shown.clone());
        }
    }

    /// What the sessions of a bare address show.
    pub fn of<'a>(&'a self, address: &'a str) -> impl Iterator<Item = &'a Shown> {
        let from = self.shown.range(address.to_owned()..);
        // A full address follows its bare form, but `a@b-c` stands between `a@b` and `a@b/c`.
        from.take_while(move |(key, _)| key.starts_with(address))
            .filter(move |(key, _)| bare(key) == address)
            .map(|(_, shown)| shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str, show: Show) -> Shown {
        Shown {
            address: address.to_owned(),
            show,
            priority: 0,
            status: String::new(),
        }
    }

    #[test]
    fn presence_is_found_by_bare_address() {
        let mut presences = Presences::default();
        for address in ["a@b/phone", "a@b-c/phone", "a@b/desk", "aa@b/desk"] {
            presences.change(&shown(address, Show::Available));
        }
        let of = |presences: &Presences| {
            presences
                .of("a@b")
                .map(|shown| shown.address.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&presences), ["a@b/desk", "a@b/phone"]);
        presences.change(&shown("a@b/desk", Show::Unavailable));
        assert_eq!(of(&presences), ["a@b/phone"]);
        presences.change(&shown("a@b", Show::Unavailable));
        assert!(of(&presences).is_empty());
        assert_eq!(presences.of("a@b-c").count(), 1);
    }

    #[test]
    fn presence_is_bounded() {
        let mut presences = Presences::default();
        for number in 0..PRESENCES_MAX + 10 {
            presences.change(&shown(&format!("a@b/{number}"), Show::Away));
        }
        assert_eq!(presences.shown.len(), PRESENCES_MAX);
    }
}
