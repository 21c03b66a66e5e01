//! The table of sessions: what a shard knows of each, found by place.
//!
//! Invariants:
//! - A [`SessionId`] never names two sessions: places are reused, generations are not.
//! - A place is not used again before the driver has taken the orders about whoever had it: it finds connections by place.

use std::net::IpAddr;
use std::num::NonZeroU64;

use bytes::Bytes;

use super::passengers::Tie;
use super::user::UserId;
use crate::guard::Attempt;
use crate::jid::Jid;
use crate::session::Session;
use crate::store::RecordId;

/// Names a session on its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// Place in the table.
    pub index: u32,
    /// Distinguishes the successive sessions of one place.
    pub generation: u32,
}

pub(super) struct Entry {
    pub(super) session: Option<Box<dyn Session>>,
    pub(super) outbox: Vec<u8>,
    pub(super) address: Option<Jid>,
    pub(super) user: Option<UserId>,
    /// Boxed: few can be resumed who do not also keep more than this.
    pub(super) token: Option<Box<Bytes>>,
    /// A login under way, paid for.
    pub(super) attempt: Option<Box<Attempt>>,
    /// Settled once the outbox has been handed to the socket.
    pub(super) on_flush: Vec<RecordId>,
    pub(super) wake_at: u64,
    /// Set while sleeping: when it ends.
    pub(super) sleeps_until: Option<NonZeroU64>,
    /// Boxed: few carry others or are carried.
    pub(super) tie: Option<Box<Tie>>,
    pub(super) peer: IpAddr,
    pub(super) frontend: u8,
    pub(super) listener: u8,
    pub(super) generation: u32,
    pub(super) authenticated: bool,
    pub(super) paused: bool,
    pub(super) closing: bool,
    pub(super) dismissed: bool,
    pub(super) dirty: bool,
    pub(super) above_soft: bool,
    /// Carries the bytes of many: the larger bounds hold.
    pub(super) bulk: bool,
    /// Its client is to acknowledge first.
    pub(super) held_back: bool,
    /// Nobody looks at its client.
    pub(super) dozing: bool,
}

// There is one for every connection.
const _: () = assert!(size_of::<Entry>() <= 184);

/// The table of sessions.
pub(super) struct Sessions {
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<u32>,
    /// Free once the driver has taken the orders that still name their last sessions.
    pub(super) freed: Vec<u32>,
    pub(super) used: usize,
    pub(super) sleeping: usize,
    pub(super) max: usize,
    pub(super) spare: Vec<Vec<u8>>,
}

pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) entry: Option<Box<Entry>>,
}

impl Sessions {
    pub(super) fn new(max: usize) -> Sessions {
        Sessions {
            slots: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
            used: 0,
            sleeping: 0,
            max,
            spare: Vec::new(),
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Entry> {
        let entry = self.slots.get(id.index as usize)?.entry.as_deref()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Entry> {
        let entry = self.slots.get_mut(id.index as usize)?.entry.as_deref_mut()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        let live = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        live.map(|(index, slot)| SessionId {
            index: index as u32,
            generation: slot.generation,
        })
        .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Sessions with a transport.
    pub(super) fn connections(&self) -> usize {
        self.used - self.sleeping
    }

    /// The driver has taken all orders so far.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.freed);
    }

    pub(super) fn insert(&mut self, mut entry: Box<Entry>) -> SessionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                entry: None,
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        entry.generation = slot.generation;
        slot.entry = Some(entry);
        self.used += 1;
        SessionId {
            index,
            generation: slot.generation,
        }
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Box<Entry>> {
        self.get(id)?;
        let entry = self.slots[id.index as usize].entry.take()?;
        self.freed.push(id.index);
        self.used -= 1;
        self.sleeping -= usize::from(entry.sleeps_until.is_some());
        Some(entry)
    }
}

impl Entry {
    pub(super) fn new(peer: IpAddr, frontend: usize, listener: usize) -> Entry {
        Entry {
            session: None,
            outbox: Vec::new(),
            address: None,
            user: None,
            token: None,
            attempt: None,
            on_flush: Vec::new(),
            wake_at: u64::MAX,
            sleeps_until: None,
            tie: None,
            peer,
            frontend: frontend as u8,
            listener: listener as u8,
            generation: 0,
            authenticated: false,
            paused: false,
            closing: false,
            dismissed: false,
            dirty: false,
            above_soft: false,
            bulk: false,
            held_back: false,
            dozing: false,
        }
    }

    /// What is given to it, nobody sees for now.
    pub(super) fn is_unwatched(&self) -> bool {
        self.dozing || self.sleeps_until.is_some()
    }
}
