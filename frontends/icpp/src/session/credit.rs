//! Credit (SPEC.md section 6): a client that says more than it may is told so, and keeps with itself what would only lie in sockets.
//!
//! Invariants:
//! - A smaller window is advice about what is to come. What is held against a client is the window of WELCOME, so nothing that is under way
//!   can overrun.
//! - The client is told once that it is smaller, and once that it is whole again: when it has kept to its pace for a while.

use crosspoint_engine::session::Context;

use crate::codec::{Verb, write_frame};
use crate::config::IcppConfig;

use super::established::{Established, NEVER};
use super::write::Place;

/// For so long after the last time that it was too fast a client has the smaller window, in milliseconds.
const SLOW_FOR_MS: u64 = 1_000;

impl Established {
    /// The client has said more than it may; it is read again at `ready_ms`.
    pub(super) fn slow_down(&mut self, ready_ms: u64, config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        let was_slow = self.due.credit_ms != NEVER;
        self.due.credit_ms = ready_ms + SLOW_FOR_MS;
        if !was_slow && !self.flags.away {
            self.tell_window(config.limits.slow_window.min(config.limits.window), place, cx);
        }
    }

    /// The client has kept to its pace.
    pub(super) fn speed_up(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        self.due.credit_ms = NEVER;
        self.tell_window(config.limits.window, place, cx);
    }

    fn tell_window(&mut self, window: u32, place: Place, cx: &mut Context<'_>) {
        let ack = self.ack();
        write_frame(cx.outbox, place.push(Verb::Credit, ack), |out| {
            out.extend_from_slice(&window.to_le_bytes());
        });
    }
}
