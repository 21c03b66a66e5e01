//! Reliable frames from the server, until the application has taken them (SPEC.md section 6).
//!
//! Every reliable frame is a slot, in the order of arrival, also those that need nobody (a roster push, a message seen before).
//! Slots leave from the front only, when they are done; what has left is what is acknowledged. So a message that comes again
//! while its first copy still waits is not acknowledged before that copy has been taken.
//!
//! Invariants: the acknowledgement never has a gap, and never runs ahead of the application; [`Inbox::has_room`] bounds both
//! frames and bytes, as long as it is asked before reading on.

use std::collections::VecDeque;

use super::kept::SeenKey;
use super::limits::{UNTAKEN_BYTES_MAX, UNTAKEN_FRAMES_MAX};
use super::message::Incoming;

/// By which the application says that it has taken something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Taking(u64);

/// One frame.
#[derive(Debug)]
struct Slot {
    number: u64,
    /// Whether it is counted in the present session.
    counted: bool,
    bytes: usize,
    item: Option<Incoming>,
    done: bool,
    mark: Mark,
}

/// What is to be kept when a slot has been taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// By which the message is known again.
    pub seen: Option<SeenKey>,
    /// How far the log has been taken, if this was of the log and nothing older can follow.
    pub offset: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Inbox {
    slots: VecDeque<Slot>,
    bytes: usize,
    next_number: u64,
    taken: u32,
    untold_frames: u32,
    untold_bytes: usize,
}

impl Inbox {
    /// Whether more may be read from the connection.
    pub fn has_room(&self) -> bool {
        self.slots.len() < UNTAKEN_FRAMES_MAX && self.bytes < UNTAKEN_BYTES_MAX
    }

    /// How many reliable frames have been taken, without a gap: what `ack` says.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// Frames and bytes taken that the server has not been told of.
    pub fn untold(&self) -> (u32, usize) {
        (self.untold_frames, self.untold_bytes)
    }

    /// A frame with the present `ack` has been written.
    pub fn told(&mut self) {
        (self.untold_frames, self.untold_bytes) = (0, 0);
    }

    /// A frame has arrived. Without an item it is done at once.
    pub fn push(&mut self, counted: bool, bytes: usize, item: Option<Incoming>, mark: Mark) {
        self.next_number += 1;
        self.bytes += bytes;
        self.slots.push_back(Slot {
            number: self.next_number,
            counted,
            bytes,
            done: item.is_none(),
            item,
            mark,
        });
    }

    /// The next thing for the application, which says [`Inbox::done`] when it has it.
    pub fn poll(&mut self) -> Option<(Taking, Incoming)> {
        let slot = self.slots.iter_mut().find(|slot| slot.item.is_some())?;
        Some((Taking(slot.number), slot.item.take()?))
    }

    /// The application has it.
    pub fn done(&mut self, taking: Taking) {
        if let Ok(index) = self.slots.binary_search_by_key(&taking.0, |slot| slot.number) {
            self.slots[index].done = true;
        }
    }

    /// Lets the next slot go that is done, and says what is to be kept of it.
    pub fn leave(&mut self) -> Option<Mark> {
        if !self.slots.front()?.done {
            return None;
        }
        let slot = self.slots.pop_front()?;
        self.bytes -= slot.bytes;
        if slot.counted {
            self.taken = self.taken.wrapping_add(1);
            self.untold_frames += 1;
            self.untold_bytes += slot.bytes;
        }
        Some(slot.mark)
    }

    /// A new session begins: nothing that waits is counted in it.
    pub fn begin(&mut self) {
        self.taken = 0;
        self.told();
        self.uncount();
    }

    /// The session goes on: the server sends again what came after the first `taken` frames, which is what it was told when the
    /// connection began; what the application has taken since comes again, too, and is known. Subscriptions and what
    /// rooms say have no id by which they would be known again, so those that still wait go.
    pub fn resume(&mut self, taken: u32) {
        self.taken = taken;
        self.told();
        self.uncount();
        let bytes = &mut self.bytes;
        self.slots.retain(|slot| {
            let keep = !matches!(slot.item, Some(Incoming::Subscription { .. } | Incoming::Room { .. }));
            if !keep {
                *bytes -= slot.bytes;
            }
            keep
        });
    }

    fn uncount(&mut self) {
        for slot in &mut self.slots {
            slot.counted = false;
        }
    }
}
