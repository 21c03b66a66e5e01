//! Deadlines of sessions: when they want to be called, and how long the sleeping may sleep.
//!
//! Invariant: timers are checked lazily. A key in the wheel says only that this place may be due; the session itself says
//! when it is.

use std::num::NonZeroU64;

use bytes::Bytes;

use super::Shard;
use super::table::SessionId;
use crate::session::{Event, Farewell};

impl Shard {
    pub(super) fn arm(&mut self, id: SessionId, at_ms: u64) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.sleeps_until.is_none() {
            entry.wake_at = at_ms;
        }
        self.wheel.arm(u64::from(id.index), at_ms);
    }

    pub(super) fn put_to_sleep(&mut self, id: SessionId, token: Bytes, until: u64) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.token = Some(Box::new(token));
        if entry
            .sleeps_until
            .replace(NonZeroU64::new(until).unwrap_or(NonZeroU64::MIN))
            .is_none()
        {
            self.sessions.sleeping += 1;
        }
        self.arm(id, until);
    }

    pub(super) fn expire_timers(&mut self) {
        let mut due = Vec::new();
        self.wheel.advance(self.now.ms, &mut due);
        for key in due {
            let index = key as u32;
            let Some(slot) = self.sessions.slots.get(index as usize) else {
                continue;
            };
            if slot.entry.is_some() {
                self.timer_due(SessionId {
                    index,
                    generation: slot.generation,
                });
            }
        }
    }

    /// Whoever has lingered since the time before this one lingers no more.
    pub(super) fn end_lingering(&mut self) {
        let [newer, older] = &mut self.lingering;
        let mut over = std::mem::replace(older, std::mem::take(newer));
        for id in over.drain(..) {
            self.event(id, Event::Lingered);
        }
        // The memory is needed again in a moment.
        over.append(&mut self.lingering[0]);
        self.lingering[0] = over;
    }

    /// Timers are checked lazily: what was re-armed later is armed again here.
    fn timer_due(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let at = entry.sleeps_until.map_or(entry.wake_at, NonZeroU64::get);
        if at == u64::MAX {
            return;
        }
        if at > self.now.ms {
            self.wheel.arm(u64::from(id.index), at);
        } else if entry.sleeps_until.is_some() {
            self.dismiss(id, Farewell::Timeout);
        } else {
            entry.wake_at = u64::MAX;
            self.call(id, |session, cx| session.on_tick(cx));
        }
    }
}
