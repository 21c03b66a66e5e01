//! A user's contacts: what they are called, who sees whom, and which version of it all a client holds.
//!
//! Every change returns a [`Change`]: what to push to the user's interested clients, and what to put in the book. The
//! caller writes first and speaks after; this module does neither.
//!
//! Invariants:
//! - Items are sorted by address, bare, none twice, at most [`ITEMS_MAX`] listed and [`REQUESTS_MAX`] that only wait.
//! - A contact whose request awaits an answer is kept, but not listed, until the user acts (RFC 6121 section 3.1.3).
//! - Every visible change has a version of its own, and is written together with it.
//! - A fault changes nothing.
#![forbid(unsafe_code)]

use std::fmt;

use bytes::Bytes;

pub mod item;
pub mod subscription;
#[cfg(test)]
mod tests;
mod versions;

use crate::jid::Jid;
pub use item::{Item, Undecodable};
pub use subscription::{Announce, Farewell, Inbound, Kind, Outbound, State, Subscription};
pub use versions::REMOVALS_MAX;
use versions::Versions;

/// Most contacts in a roster.
pub const ITEMS_MAX: usize = 5000;
/// Most strangers whose requests wait for the user's answer.
pub const REQUESTS_MAX: usize = 500;

/// Why a change was refused. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RosterFault {
    /// The name is longer than [`item::NAME_BYTES_MAX`].
    NameTooLong,
    /// A group without a name.
    GroupEmpty,
    /// A group's name is longer than [`item::GROUP_BYTES_MAX`].
    GroupTooLong,
    /// The same group twice.
    GroupTwice,
    /// More than [`item::GROUPS_MAX`] groups.
    GroupsTooMany,
    /// No such contact in the roster.
    ItemNotFound,
    /// The roster has [`ITEMS_MAX`] contacts already.
    RosterFull,
    /// [`REQUESTS_MAX`] strangers wait already.
    RequestsFull,
}

impl fmt::Display for RosterFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NameTooLong => "the contact's name is too long",
            Self::GroupEmpty => "a group has no name",
            Self::GroupTooLong => "a group's name is too long",
            Self::GroupTwice => "a group is named twice",
            Self::GroupsTooMany => "the contact is in too many groups",
            Self::ItemNotFound => "the contact is not in the roster",
            Self::RosterFull => "the roster is full",
            Self::RequestsFull => "too many requests wait for an answer",
        })
    }
}

impl std::error::Error for RosterFault {}

/// What the user's interested clients are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The roster's version with this change; no other push has it.
    pub version: u64,
    /// Whom it concerns.
    pub jid: Jid,
    /// The contact as it is now; nothing if it was removed.
    pub item: Option<Item>,
}

/// What follows from a change, besides what is said to the contact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// To the user's interested clients.
    pub push: Option<Push>,
    /// For the book: the contact's record, or that it is to be deleted.
    pub item_write: Option<(Jid, Option<Bytes>)>,
    /// For the book, in the same batch: the roster's [header](Roster::header).
    pub header_write: Option<Bytes>,
}

/// What a client that holds a version must be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Everything, for its version is unknown or the changes are more than the whole.
    Whole,
    /// These, in this order; perhaps none.
    Pushes(Vec<Push>),
}

/// A user's contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    items: Vec<Item>,
    listed: usize,
    versions: Versions,
}

impl Roster {
    /// A roster without contacts. `first_version` must be above all versions that an earlier roster of the same
    /// address had: the time in milliseconds serves.
    pub fn empty(first_version: u64) -> Self {
        Self {
            items: Vec::new(),
            listed: 0,
            versions: Versions::starting_at(first_version),
        }
    }

    /// Reads a roster from the book: its [header](Self::header) and its items, in any order.
    pub fn load<'a>(header: &[u8], items: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Undecodable> {
        let versions = Versions::decode(header)?;
        let mut items = items.into_iter().map(Item::decode).collect::<Result<Vec<_>, _>>()?;
        items.sort_unstable_by(|left, right| left.jid.cmp(&right.jid));
        let unique = items.is_sorted_by(|left, right| left.jid < right.jid);
        if !unique || items.iter().any(|item| item.version > versions.current()) {
            return Err(Undecodable);
        }
        let listed = items.iter().filter(|item| item.listed).count();
        Ok(Self {
            items,
            listed,
            versions,
        })
    }

    /// For the book: the version, and what was removed lately.
    pub fn header(&self) -> Bytes {
        self.versions.encode()
    }

    /// The version of the whole.
    pub fn version(&self) -> u64 {
        self.versions.current()
    }

    /// The contacts in the roster, by address.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.listed)
    }

    /// Number of contacts in the roster.
    pub fn len(&self) -> usize {
        self.listed
    }

    /// No contacts?
    pub fn is_empty(&self) -> bool {
        self.listed == 0
    }

    /// One contact, listed or waiting. The resource does not matter.
    pub fn get(&self, jid: &Jid) -> Option<&Item> {
        self.find(jid).ok().map(|index| &self.items[index])
    }

    /// The state of a contact or stranger.
    pub fn state(&self, jid: &Jid) -> State {
        self.get(jid).map_or(State::default(), |item| item.state)
    }

    /// Those who see the user's presence.
    pub fn subscribers(&self) -> impl Iterator<Item = &Jid> {
        self.items
            .iter()
            .filter(|item| item.state.subscription().from())
            .map(|item| &item.jid)
    }

    /// Those whose presence the user sees.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Jid> {
        self.items
            .iter()
            .filter(|item| item.state.subscription().to())
            .map(|item| &item.jid)
    }

    /// Those whose requests await the user's answer; to be shown to each device that becomes available.
    pub fn requests(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.state.pending_in())
    }

    /// The user adds a contact, or renames and regroups it (RFC 6121 sections 2.3 and 2.4).
    pub fn set(&mut self, jid: &Jid, name: String, groups: Vec<String>) -> Result<Change, RosterFault> {
        item::check(&name, &groups)?;
        let mut item = self.get(jid).cloned().unwrap_or_else(|| Item::stranger(jid));
        item.name = name;
        item.groups = groups;
        item.listed = true;
        self.store(item, true)
    }

    /// The user removes a contact (RFC 6121 section 2.5). The second value is what the contact is sent.
    pub fn remove(&mut self, jid: &Jid) -> Result<(Change, Farewell), RosterFault> {
        let index = self.find(jid).map_err(|_| RosterFault::ItemNotFound)?;
        if !self.items[index].listed {
            return Err(RosterFault::ItemNotFound);
        }
        let item = self.items.remove(index);
        self.listed -= 1;
        let version = self.versions.removed(&item.jid);
        let change = Change {
            push: Some(Push {
                version,
                jid: item.jid.clone(),
                item: None,
            }),
            item_write: Some((item.jid, None)),
            header_write: Some(self.header()),
        };
        Ok((change, subscription::removal(item.state)))
    }

    /// The user asks or answers a contact.
    pub fn outbound(&mut self, jid: &Jid, kind: Kind) -> Result<(Outbound, Change), RosterFault> {
        let outcome = subscription::outbound(self.state(jid), kind);
        let change = self.step(jid, outcome.next, None)?;
        Ok((outcome, change))
    }

    /// A contact asks or answers the user. `request` is the whole of what arrived, kept if it has to wait.
    pub fn inbound(
        &mut self,
        jid: &Jid,
        kind: Kind,
        request: Option<&Bytes>,
    ) -> Result<(Inbound, Change), RosterFault> {
        let outcome = subscription::inbound(self.state(jid), kind);
        let change = self.step(jid, outcome.next, request)?;
        Ok((outcome, change))
    }

    /// What a client that holds `version` must be sent; nothing means that it holds none.
    pub fn since(&self, version: Option<u64>) -> Since {
        let Some((version, removed)) = version.and_then(|held| Some((held, self.versions.removed_since(held)?))) else {
            return Since::Whole;
        };
        let changed = self.items().filter(|item| item.version > version);
        let mut pushes: Vec<Push> = changed
            .map(|item| Push {
                version: item.version,
                jid: item.jid.clone(),
                item: Some(item.clone()),
            })
            .chain(removed.map(|(version, jid)| Push {
                version: *version,
                jid: jid.clone(),
                item: None,
            }))
            .collect();
        if pushes.len() > self.len().max(1) {
            return Since::Whole;
        }
        pushes.sort_unstable_by_key(|push| push.version);
        Since::Pushes(pushes)
    }

    /// Brings a contact to a new state.
    fn step(&mut self, jid: &Jid, next: State, request: Option<&Bytes>) -> Result<Change, RosterFault> {
        let before = self.state(jid);
        if before == next {
            return Ok(Change::default());
        }
        let mut item = self.get(jid).cloned().unwrap_or_else(|| Item::stranger(jid));
        item.state = next;
        item.listed |= next.visible() != State::default().visible();
        if !next.pending_in() {
            item.request = None;
        } else if !before.pending_in() {
            item.request = request
                .filter(|request| request.len() <= item::REQUEST_BYTES_MAX)
                .map(detach);
        }
        let visible = item.listed && next.visible() != before.visible();
        self.store(item, visible)
    }

    /// Puts an item in its place, if there is room, or drops it when there is nothing left to know of it.
    fn store(&mut self, mut item: Item, visible: bool) -> Result<Change, RosterFault> {
        let place = self.find(&item.jid);
        let was_listed = place.is_ok_and(|index| self.items[index].listed);
        if item.listed && !was_listed && self.listed >= ITEMS_MAX {
            return Err(RosterFault::RosterFull);
        }
        if !item.listed && place.is_err() && self.items.len() - self.listed >= REQUESTS_MAX {
            return Err(RosterFault::RequestsFull);
        }
        let mut change = Change::default();
        if visible {
            item.version = self.versions.advance(&item.jid);
            change.push = Some(Push {
                version: item.version,
                jid: item.jid.clone(),
                item: Some(item.clone()),
            });
            change.header_write = Some(self.header());
        }
        let keep = item.listed || item.state != State::default();
        change.item_write = Some((item.jid.clone(), keep.then(|| item.encode())));
        self.listed = self.listed + usize::from(item.listed) - usize::from(was_listed);
        match place {
            Ok(index) if keep => self.items[index] = item,
            Ok(index) => drop(self.items.remove(index)),
            Err(index) => self.items.insert(index, item),
        }
        Ok(change)
    }

    fn find(&self, jid: &Jid) -> Result<usize, usize> {
        self.items
            .binary_search_by(|item| item.jid.as_str().cmp(jid.bare_str()))
    }
}

/// A copy that keeps no read buffer alive.
fn detach(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
