//! Reliable frames from the server, until the application has taken them (SPEC.md section 6).
//!
//! Every reliable frame is a slot, in the order of arrival, also those that need nobody (a roster push, a message seen before).
//! Slots leave from the front only, when they are done; what has left is what is acknowledged. So a message that comes again
//! while its first copy still waits is not acknowledged before that copy has been taken.
//!
//! Invariants: the acknowledgement never has a gap, and never runs ahead of the application; what is sent again after a resumption is
//! known by its number, also what has no id; [`Inbox::has_room`] bounds both frames and bytes, as long as it is asked before reading on.

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
    /// The application has it, and has not said that it is done with it.
    handed: bool,
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
    received: u32,
    taken: u32,
    /// Frames that will come again, and are here or have left.
    again: u32,
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
        self.received = self.received.wrapping_add(counted.into());
        self.bytes += bytes;
        self.slots.push_back(Slot {
            number: self.next_number,
            counted,
            bytes,
            handed: false,
            done: item.is_none(),
            item,
            mark,
        });
    }

    /// Whether the reliable frame that is arriving is one that has come before. To be asked once for each.
    pub fn comes_again(&mut self) -> bool {
        let again = self.again > 0;
        self.again -= u32::from(again);
        again
    }

    /// The next thing for the application, which says [`Inbox::done`] when it has it.
    pub fn poll(&mut self) -> Option<(Taking, Incoming)> {
        let waits = |slot: &&mut Slot| slot.item.is_some() && !slot.handed;
        let slot = self.slots.iter_mut().find(waits)?;
        slot.handed = true;
        Some((Taking(slot.number), slot.item.clone()?))
    }

    /// The application has it.
    pub fn done(&mut self, taking: Taking) {
        if let Some(slot) = self.slot(taking) {
            (slot.item, slot.done) = (None, true);
        }
    }

    /// The application has not finished with it, and will not: it waits again.
    pub fn give_back(&mut self, taking: Taking) {
        if let Some(slot) = self.slot(taking) {
            slot.handed = false;
        }
    }

    fn slot(&mut self, taking: Taking) -> Option<&mut Slot> {
        let index = self.slots.binary_search_by_key(&taking.0, |slot| slot.number).ok()?;
        self.slots.get_mut(index)
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

    /// A new session begins: nothing that waits is counted in it. What waits for nobody goes, since SYNC brings it again, or it would
    /// grow with each session of an application that does not read. If the log is another, offsets of the old one mean nothing.
    pub fn begin(&mut self, same_log: bool) {
        (self.received, self.taken, self.again) = (0, 0, 0);
        self.told();
        let mut bytes = 0;
        self.slots.retain_mut(|slot| {
            slot.counted = false;
            if !same_log {
                slot.mark.offset = None;
            }
            let stays = slot.item.is_some() || slot.mark.seen.is_some();
            bytes += if stays { slot.bytes } else { 0 };
            stays
        });
        self.bytes = bytes;
    }

    /// The session goes on: the server sends again what came after the first `told` frames, which is what HELLO said. All of it is
    /// known.
    pub fn resume(&mut self, told: u32) {
        self.again = self.received.wrapping_sub(told);
        self.untold_frames = self.taken.wrapping_sub(told);
    }
}
