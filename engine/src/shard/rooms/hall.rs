//! Rooms in memory.
//!
//! Invariants:
//! - A hall is in memory while its room has occupants, while something about it is under way, and for a while after
//!   (`Limits::room_idle_ms`); what was said lately and the rolls are there only while somebody is in.
//! - The table compares whole addresses, as that of users does.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use hashbrown::HashTable;

use super::super::Shard;
use super::Errand;
use super::directory::Listed;
use super::fan::Rolls;
use super::recent::Recent;
use crate::guard::{Budgets, Rate};
use crate::jid::Jid;
use crate::limits::Limits;
use crate::rooms::{Room, rate};
use crate::slots::UserKey;

/// Accounts that entered rooms or spoke in them lately and are told apart.
const KNOCKING_ACCOUNTS_MAX: usize = 8192;

/// Place in the table of rooms, and which of its successive rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomId {
    place: u32,
    generation: u32,
}

pub(super) enum State {
    /// The book has been asked.
    Loading,
    /// There is no such room.
    Absent,
    /// Here.
    Open(Box<Room>),
}

pub(super) struct Hall {
    pub(super) address: Jid,
    key: UserKey,
    pub(super) state: State,
    pub(super) parked: VecDeque<Errand>,
    /// Boxed, and there only while somebody is in.
    pub(super) rolls: Option<Box<Rolls>>,
    pub(super) recent: Recent,
    /// Something is being read or written that all else waits for.
    pub(super) writing: bool,
    /// Its owner may have one more room that stays: asked for the request that comes next.
    pub(super) may_stay: bool,
    /// The list shows another number of occupants.
    pub(super) stale: bool,
    /// Who made it; counted while it does not stay.
    founder: Option<Box<Jid>>,
    /// As it stands in the list of rooms.
    pub(super) listed: Option<Listed>,
    pub(super) last_used_ms: u64,
    in_idle_list: bool,
}

impl Hall {
    pub(super) fn room(&self) -> Option<&Room> {
        match &self.state {
            State::Open(room) => Some(room),
            _ => None,
        }
    }

    pub(super) fn room_mut(&mut self) -> Option<&mut Room> {
        match &mut self.state {
            State::Open(room) => Some(room),
            _ => None,
        }
    }

    pub(super) fn open(&mut self, room: Room) {
        self.state = State::Open(Box::new(room));
    }

    /// Can take a request now.
    pub(super) fn is_free(&self) -> bool {
        !self.writing && !matches!(self.state, State::Loading)
    }

    fn is_idle(&self) -> bool {
        self.is_free() && self.parked.is_empty() && self.room().is_none_or(|room| room.occupants().is_empty())
    }

    /// Its room is none any more: it has ended, or nobody is in and it does not stay.
    fn is_over(&self) -> bool {
        let over = |room: &Room| room.has_ended() || (room.is_temporary() && room.occupants().is_empty());
        self.is_free() && self.room().is_some_and(over)
    }
}

struct Slot {
    generation: u32,
    key: UserKey,
    address: Jid,
    hall: Option<Box<Hall>>,
}

/// The table.
#[derive(Default)]
pub(super) struct Halls {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    generation: u32,
    /// Those that may be forgotten, the longest idle first.
    idle: VecDeque<RoomId>,
    /// Rooms that do not stay, by who made them.
    founders: HashMap<Jid, usize>,
    knocks: Option<Budgets>,
    deliveries: Option<Budgets>,
}

impl Halls {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, key: UserKey, address: &Jid) -> Option<RoomId> {
        let slots = &self.slots;
        let place = self.index.find(key.0, |place| {
            let slot = slots[*place as usize].as_ref();
            slot.is_some_and(|slot| slot.key == key && slot.address.same_bare(address))
        })?;
        let generation = self.slots[*place as usize].as_ref()?.generation;
        Some(RoomId {
            place: *place,
            generation,
        })
    }

    fn slot(&mut self, id: RoomId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.place as usize)?.as_mut()?;
        (slot.generation == id.generation).then_some(slot)
    }

    pub(super) fn get(&self, id: RoomId) -> Option<&Hall> {
        let slot = self.slots.get(id.place as usize)?.as_ref()?;
        slot.hall.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: RoomId) -> Option<&mut Hall> {
        self.slot(id)?.hall.as_deref_mut()
    }

    /// Takes a hall out to work in it; its place stays.
    pub(super) fn take(&mut self, id: RoomId) -> Option<Box<Hall>> {
        self.slot(id)?.hall.take()
    }

    pub(super) fn put(&mut self, id: RoomId, hall: Box<Hall>) {
        if let Some(slot) = self.slot(id) {
            slot.hall = Some(hall);
        }
    }

    pub(super) fn ids(&self) -> Vec<RoomId> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(place, slot)| {
                Some(RoomId {
                    place: place as u32,
                    generation: slot.as_ref()?.generation,
                })
            })
            .collect()
    }

    pub(super) fn insert(&mut self, key: UserKey, address: Jid) -> RoomId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.generation = self.generation.wrapping_add(1);
        self.slots[place as usize] = Some(Slot {
            generation: self.generation,
            key,
            address: address.clone(),
            hall: Some(Box::new(Hall {
                address,
                key,
                state: State::Loading,
                parked: VecDeque::new(),
                rolls: None,
                recent: Recent::default(),
                writing: false,
                may_stay: false,
                stale: false,
                founder: None,
                listed: None,
                last_used_ms: 0,
                in_idle_list: false,
            })),
        });
        let slots = &self.slots;
        self.index.insert_unique(key.0, place, |place| {
            slots[*place as usize].as_ref().map_or(0, |slot| slot.key.0)
        });
        RoomId {
            place,
            generation: self.generation,
        }
    }

    fn remove(&mut self, id: RoomId, hall: &mut Hall) {
        self.forget_founder(hall);
        if let Ok(found) = self.index.find_entry(hall.key.0, |place| *place == id.place) {
            found.remove();
        }
        self.slots[id.place as usize] = None;
        self.free.push(id.place);
    }

    /// How often accounts enter.
    pub(super) fn knocks(&mut self, limits: &Limits) -> &mut Budgets {
        let count = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        self.knocks.get_or_insert_with(|| {
            let rate = Rate::per_minute(count(limits.room_joins_per_minute), count(limits.room_joins_burst));
            Budgets::new(rate, KNOCKING_ACCOUNTS_MAX, 0)
        })
    }

    /// How much accounts have rooms deliver.
    pub(super) fn deliveries(&mut self, limits: &Limits) -> &mut Budgets {
        let (per_second, burst) = (limits.room_deliveries_per_second, limits.room_deliveries_burst);
        self.deliveries
            .get_or_insert_with(|| Budgets::new(rate(per_second, burst), KNOCKING_ACCOUNTS_MAX, 0))
    }

    pub(super) fn founded_by(&self, account: &Jid) -> usize {
        self.founders.get(&account.to_bare()).copied().unwrap_or(0)
    }

    pub(super) fn note_founder(&mut self, hall: &mut Hall, account: &Jid) {
        let account = account.to_bare().detached();
        *self.founders.entry(account.clone()).or_insert(0) += 1;
        hall.founder = Some(Box::new(account));
    }

    fn forget_founder(&mut self, hall: &mut Hall) {
        let Some(founder) = hall.founder.take() else { return };
        if let Some(count) = self.founders.get_mut(&*founder) {
            *count -= 1;
            if *count == 0 {
                self.founders.remove(&*founder);
            }
        }
    }
}

impl Shard {
    /// The room's work is done for now: back to its place, or out of memory.
    pub(super) fn close_hall(&mut self, id: RoomId, mut hall: Box<Hall>) {
        if hall.is_over() {
            self.unlist_room(&mut hall);
            self.rooms.halls.forget_founder(&mut hall);
            hall.rolls = None;
            hall.recent.forget();
            hall.state = State::Absent;
        }
        if hall.is_idle() && hall.room().is_none() {
            return self.rooms.halls.remove(id, &mut hall);
        }
        if hall.room().is_some_and(|room| !room.is_temporary()) {
            self.rooms.halls.forget_founder(&mut hall);
        }
        if hall.is_idle() {
            hall.rolls = None;
            hall.recent.forget();
            hall.parked.shrink_to_fit();
            if !std::mem::replace(&mut hall.in_idle_list, true) {
                self.rooms.halls.idle.push_back(id);
            }
        }
        self.rooms.halls.put(id, hall);
    }

    /// Rooms that nobody is in and that nobody asks about leave memory. They are listed all the same.
    pub(in super::super) fn expire_idle_rooms(&mut self) {
        let (now, idle_ms) = (self.now.ms, self.setup.limits.room_idle_ms);
        for _ in 0..self.rooms.halls.idle.len() {
            let Some(id) = self.rooms.halls.idle.pop_front() else {
                return;
            };
            let Some(hall) = self.rooms.halls.get_mut(id) else {
                continue;
            };
            if !hall.is_idle() {
                hall.in_idle_list = false;
            } else if hall.last_used_ms + idle_ms <= now {
                if let Some(mut hall) = self.rooms.halls.take(id) {
                    self.rooms.halls.remove(id, &mut hall);
                }
            } else {
                // The longest idle was looked at: those behind it were used later, or will be looked at again.
                self.rooms.halls.idle.push_back(id);
            }
        }
        self.metrics.rooms.set(self.rooms.halls.len() as u64);
    }
}

// There is one of each for every idle room that somebody has asked about.
const _: () = assert!(size_of::<Hall>() <= 216 && size_of::<Room>() <= 300 && size_of::<Option<Slot>>() <= 80);
