//! As the open chat, but a share of the readers stalls: the server must neither fall over nor lose anything.
//!
//! The last users of each worker stall: they stop reading for `stall_s`, and read everything that waits for `read_s`, and
//! so on. What they get is tracked like all else, but its latency is their own doing and is not recorded.

use super::Play;
use super::chat::Chat;
use crate::plan::{self, Mode};
use crate::protocol::{Client, Event};
use crate::record::Count;
use crate::worker::{Part, Place, Stage};

const KEY_STALL: u32 = 1;
const KEY_READ: u32 = 2;

/// See the module.
pub struct Slow {
    chat: Chat,
    plan: plan::Slow,
    first_stalled: Place,
    stalling: bool,
}

impl Slow {
    pub fn new(slow: &plan::Slow, part: Part) -> Self {
        let mode = Mode::Open {
            rate_per_s: slow.rate_per_s,
            arrivals: slow.arrivals,
        };
        let mut chat = Chat::with(mode, slow.body_bytes, plan::To::Bare, part);
        let stalled = (f64::from(part.count) * slow.stalled).round() as u32;
        let first_stalled = part.count - stalled.min(part.count);
        for place in first_stalled..part.count {
            chat.untimed(place);
        }
        Self {
            chat,
            plan: slow.clone(),
            first_stalled,
            stalling: false,
        }
    }
}

impl<C: Client> Play<C> for Slow {
    fn start(&mut self, stage: &mut Stage<C>, act: u32, at_ns: u64) {
        self.stalling = true;
        self.chat.start(stage, act, at_ns);
        for place in self.first_stalled..stage.len() {
            // Not all at the same time.
            let after_s = stage.chance().share() * self.plan.read_s;
            stage.arm(at_ns + nanoseconds(after_s), place, KEY_STALL);
        }
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        self.chat.event(stage, place, event);
    }

    fn alarm(&mut self, stage: &mut Stage<C>, place: Place, key: u32) {
        match key {
            KEY_STALL if self.stalling => {
                stage.stall(place);
                stage.count(Count::Stalled, 1);
                stage.arm(stage.now_ns() + nanoseconds(self.plan.stall_s), place, KEY_READ);
            }
            KEY_STALL => {}
            KEY_READ => {
                stage.unstall(place);
                stage.arm(stage.now_ns() + nanoseconds(self.plan.read_s), place, KEY_STALL);
            }
            _ => self.chat.alarm(stage, place, key),
        }
    }

    fn rate(&mut self, stage: &mut Stage<C>, per_s: f64) {
        self.chat.rate(stage, per_s);
    }

    fn stop(&mut self, stage: &mut Stage<C>) {
        self.stalling = false;
        for place in self.first_stalled..stage.len() {
            stage.unstall(place);
        }
        self.chat.stop(stage);
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        self.chat.finish(stage);
    }

    fn balance(&self) -> (u64, u64) {
        Play::<C>::balance(&self.chat)
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
