//! A user at home: account, contacts, black list, sessions and queue, and the table of all users in memory.
//!
//! Invariants:
//! - A user is in memory while it has sessions, while it is being loaded, and for a while after (`Limits::user_idle_ms`).
//! - The table compares whole addresses: two users whose keys collide are still two users.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use bytes::Bytes;
use hashbrown::HashTable;

use super::Shard;
use super::mail::Routed;
use super::queue::Queue;
use super::table::SessionId;
use crate::admitting::AllowList;
use crate::archiving::Preferences;
use crate::blocking::BlockList;
use crate::envelope::{Codec, Content, Envelope, Hints, Kind, PresenceKind};
use crate::jid::Jid;
use crate::roster::Roster;
use crate::slots::UserKey;

/// Place in the table of users. Valid while the user is in memory, which its holders take care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct UserId(pub(super) u32);

pub(super) struct User {
    pub(super) address: Jid,
    pub(super) key: UserKey,
    pub(super) state: State,
    pub(super) resources: Vec<Resource>,
    pub(super) queue: Queue,
    pub(super) last_used_ms: u64,
    /// `last_used_ms` when it was put where it is in the list of idle users.
    pub(super) queued_at_ms: u64,
    /// Sessions that have authenticated as this user.
    pub(super) pins: u32,
    /// When its last session ended; `None` if that was before it was loaded.
    pub(super) last_seen_unix_ms: Option<NonZeroU64>,
    /// When its last session began; `None` if that was before it was loaded.
    pub(super) last_login_unix_ms: Option<NonZeroU64>,
    /// In the list of users that may be forgotten.
    pub(super) in_idle_list: bool,
}

pub(super) enum State {
    /// Book and log have been asked.
    Loading(Box<Loading>),
    /// There is no such account. Remembered for a while, so that asking again costs nothing.
    Absent,
    /// Here.
    Present(Box<Present>),
}

/// Done when a user is in memory.
pub(super) type Call = Box<dyn FnOnce(&mut Shard, UserId) + Send>;

#[derive(Default)]
pub(super) struct Loading {
    /// Envelopes that wait.
    pub(super) parked: Vec<Routed>,
    /// Sessions that wait to come home.
    pub(super) sessions: Vec<SessionId>,
    /// What else is to be done then.
    pub(super) calls: Vec<Call>,
    /// What the book said.
    pub(super) found: Option<Option<Box<Present>>>,
    /// Whether the log has said what is pending.
    pub(super) counted: bool,
    /// The account has changed meanwhile: what the book says may be old.
    pub(super) stale: bool,
}

pub(super) struct Present {
    /// When the account was made, in Unix milliseconds. Its keys stay in the book: they are looked up to log in.
    pub(super) created_unix_ms: u64,
    /// The account is being removed: nothing more is taken from its sessions, or it would outlive it.
    pub(super) leaving: bool,
    /// Nobody may log in.
    pub(super) disabled: bool,
    pub(super) roster: Roster,
    pub(super) blocks: BlockList,
    /// Boxed together: most have none of it.
    pub(super) seldom: Option<Box<Seldom>>,
}

/// What few users have.
#[derive(Default)]
pub(super) struct Seldom {
    pub(super) allows: Option<AllowList>,
    /// What the user's sessions show beside what they say.
    pub(super) badge: Option<Bytes>,
    /// What of the user's is archived.
    pub(super) archiving: Option<Preferences>,
}

impl Present {
    pub(super) fn allows(&self) -> Option<&AllowList> {
        self.seldom.as_ref()?.allows.as_ref()
    }

    pub(super) fn set_allows(&mut self, allows: Option<AllowList>) {
        self.change_seldom(|seldom| seldom.allows = allows);
    }

    pub(super) fn badge(&self) -> Option<&Bytes> {
        self.seldom.as_ref()?.badge.as_ref()
    }

    pub(super) fn set_badge(&mut self, badge: Option<Bytes>) {
        self.change_seldom(|seldom| seldom.badge = badge);
    }

    pub(super) fn archiving(&self) -> Option<&Preferences> {
        self.seldom.as_ref()?.archiving.as_ref()
    }

    pub(super) fn set_archiving(&mut self, archiving: Option<Preferences>) {
        self.change_seldom(|seldom| seldom.archiving = archiving);
    }

    fn change_seldom(&mut self, change: impl FnOnce(&mut Seldom)) {
        let mut seldom = self.seldom.take().unwrap_or_default();
        change(&mut seldom);
        let any = seldom.allows.is_some() || seldom.badge.is_some() || seldom.archiving.is_some();
        self.seldom = any.then_some(seldom);
    }
}

/// A bound session, as its user sees it.
pub(super) struct Resource {
    pub(super) session: SessionId,
    /// Full address.
    pub(super) address: Jid,
    /// Set while available.
    pub(super) presence: Option<Shown>,
    pub(super) copies: bool,
    pub(super) roster_interest: bool,
    pub(super) block_interest: bool,
    /// Addresses outside of the roster's knowledge that have seen this session's presence.
    pub(super) directed: Directed,
}

/// Addresses, of which there are seldom any: one word while there are none.
#[derive(Default)]
pub(super) struct Directed(#[allow(clippy::box_collection)] Option<Box<Vec<Jid>>>);

impl Directed {
    pub(super) fn as_slice(&self) -> &[Jid] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, address: Jid) {
        self.0.get_or_insert_default().push(address);
    }

    pub(super) fn remove(&mut self, address: &Jid) {
        if let Some(addresses) = &mut self.0 {
            addresses.retain(|known| known != address);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Jid> {
        self.0.take().map(|addresses| *addresses).unwrap_or_default()
    }
}

/// What an available session shows, packed: there is one for every session, and most show little.
pub(super) struct Shown {
    /// Identifier, head and body of the presence as last broadcast, one after the other; memory of its own.
    parts: Bytes,
    id_bytes: u32,
    head_bytes: u32,
    codec: Codec,
    hints: Hints,
    pub(super) priority: i8,
}

const _: () = assert!(size_of::<Option<Shown>>() <= 48);

impl Shown {
    pub(super) fn new(envelope: &Envelope, priority: i8) -> Shown {
        let Content { codec, head, body } = &envelope.content;
        let parts = [&envelope.id[..], head, body].concat();
        Shown {
            parts: Bytes::from(parts),
            // Bounded with the stanza that it was, to less than 64 MiB.
            id_bytes: envelope.id.len() as u32,
            head_bytes: head.len() as u32,
            codec: *codec,
            hints: envelope.hints,
            priority,
        }
    }

    /// The presence of the session with this address, to somebody.
    pub(super) fn envelope(&self, from: &Jid, to: Jid) -> Envelope {
        let (id_end, head_end) = (self.id_bytes as usize, (self.id_bytes + self.head_bytes) as usize);
        Envelope {
            id: self.parts.slice(..id_end),
            content: Content {
                codec: self.codec,
                head: self.parts.slice(id_end..head_end),
                body: self.parts.slice(head_end..),
            },
            hints: self.hints,
            ..Envelope::neutral(from.clone(), to, Kind::Presence(PresenceKind::Available))
        }
    }
}

impl Resource {
    /// What it shows, to somebody; nothing while it is not available.
    pub(super) fn shows(&self, to: &Jid) -> Option<Envelope> {
        Some(self.presence.as_ref()?.envelope(&self.address, to.clone()))
    }
}

// There is one of each for every idle client.
const _: () = assert!(size_of::<User>() <= 184 && size_of::<Present>() <= 104 && size_of::<Resource>() <= 112);

impl User {
    pub(super) fn present(&self) -> Option<&Present> {
        match &self.state {
            State::Present(present) => Some(present),
            _ => None,
        }
    }

    pub(super) fn present_mut(&mut self) -> Option<&mut Present> {
        match &mut self.state {
            State::Present(present) => Some(present),
            _ => None,
        }
    }

    pub(super) fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.address.resource() == Some(name))
    }

    pub(super) fn resource_of(&self, session: SessionId) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.session == session)
    }

    pub(super) fn resource_of_mut(&mut self, session: SessionId) -> Option<&mut Resource> {
        self.resources.iter_mut().find(|resource| resource.session == session)
    }

    /// Available sessions, with their priorities.
    pub(super) fn available(&self) -> impl Iterator<Item = (&Resource, i8)> {
        self.resources
            .iter()
            .filter_map(|resource| Some((resource, resource.presence.as_ref()?.priority)))
    }
}

/// The users in the memory of a shard.
#[derive(Default)]
pub(super) struct Users {
    places: Vec<Option<Box<User>>>,
    free: Vec<u32>,
    index: HashTable<UserId>,
    /// Those that may be forgotten, the longest idle first.
    pub(super) idle: VecDeque<UserId>,
}

impl Users {
    /// Places that there are; some may be free.
    pub(super) fn places(&self) -> u32 {
        self.places.len() as u32
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.places.iter().filter_map(Option::as_deref)
    }

    pub(super) fn find(&self, key: UserKey, address: &Jid) -> Option<UserId> {
        let same = |id: &UserId| {
            self.get(*id)
                .is_some_and(|user| user.key == key && user.address.same_bare(address))
        };
        self.index.find(key.0, same).copied()
    }

    pub(super) fn get(&self, id: UserId) -> Option<&User> {
        self.places.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.places.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, key: UserKey, address: Jid) -> UserId {
        let user = Box::new(User {
            address,
            key,
            state: State::Loading(Box::default()),
            resources: Vec::new(),
            queue: Queue::default(),
            last_used_ms: 0,
            queued_at_ms: 0,
            pins: 0,
            last_seen_unix_ms: None,
            last_login_unix_ms: None,
            in_idle_list: false,
        });
        let id = match self.free.pop() {
            Some(place) => UserId(place),
            None => {
                self.places.push(None);
                UserId((self.places.len() - 1) as u32)
            }
        };
        self.places[id.0 as usize] = Some(user);
        let places = &self.places;
        self.index.insert_unique(key.0, id, |id| {
            places[id.0 as usize].as_ref().map_or(0, |user| user.key.0)
        });
        id
    }

    pub(super) fn remove(&mut self, id: UserId) -> Option<Box<User>> {
        let key = self.get(id)?.key;
        if let Ok(found) = self.index.find_entry(key.0, |other| *other == id) {
            found.remove();
        }
        self.free.push(id.0);
        self.places[id.0 as usize].take()
    }
}
