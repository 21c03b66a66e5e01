//! What is reliable and under way, both ways (SPEC.md section 6): counters, the server's window, and what is owed.
//!
//! Counters are modulo 2^32 and begin at 0 with each session; a resumed session goes on with those that it had.
//!
//! Invariant: `accepted` is never ahead of `sent`, nor `told` of `heard`, by the distance from one to the other.

use crosspoint_icpp::codec::Flags;

use super::Refusal;

/// See the module.
#[derive(Debug)]
pub struct Flow {
    /// Reliable frames of the server that are here; it has been told of so many.
    heard: u32,
    told: u32,
    /// Bytes of those that it has not been told of.
    untold_bytes: u32,
    /// How many, and how many bytes, it leaves unacknowledged.
    unacked_frames: u32,
    unacked_bytes: u32,
    /// Reliable frames of ours; the server has taken care of so many.
    sent: u32,
    accepted: u32,
    /// Of those, the play has not been told of so many.
    news: u32,
    /// How many of ours may be outstanding.
    window: u32,
    /// The next so many were sent before the connection broke.
    again: u32,
}

impl Flow {
    /// Nothing is under way, and nothing is bounded.
    pub fn new() -> Self {
        Self {
            heard: 0,
            told: 0,
            untold_bytes: 0,
            unacked_frames: u32::MAX,
            unacked_bytes: u32::MAX,
            sent: 0,
            accepted: 0,
            news: 0,
            window: u32::MAX,
            again: 0,
        }
    }

    /// What the server's WELCOME says; 0 where it says nothing, which then bounds nothing.
    pub fn bound(&mut self, window: u32, unacked_frames: u32, unacked_bytes: u32) {
        let bound = |value| if value == 0 { u32::MAX } else { value };
        self.window = bound(window);
        (self.unacked_frames, self.unacked_bytes) = (bound(unacked_frames), bound(unacked_bytes));
    }

    /// CREDIT.
    pub fn set_window(&mut self, window: u32) {
        self.window = window;
    }

    /// A new session: nothing is under way.
    pub fn begin(&mut self) {
        let (window, frames, bytes) = (self.window, self.unacked_frames, self.unacked_bytes);
        *self = Self::new();
        (self.window, self.unacked_frames, self.unacked_bytes) = (window, frames, bytes);
    }

    /// The session goes on: what the server has not taken care of is lost, and counts again when it is sent again.
    pub fn go_on(&mut self) {
        self.again = self.sent.wrapping_sub(self.accepted);
        self.sent = self.accepted;
    }

    /// A reliable frame of the server is here.
    #[inline]
    pub fn hear(&mut self, bytes: usize) {
        self.heard = self.heard.wrapping_add(1);
        self.untold_bytes = self.untold_bytes.saturating_add(bytes as u32);
    }

    /// What the next frame has for `ack`: the server is told.
    #[inline]
    pub fn ack(&mut self) -> u32 {
        (self.told, self.untold_bytes) = (self.heard, 0);
        self.heard
    }

    /// Whether there is something that the server has not been told of.
    #[inline]
    pub fn owes(&self) -> bool {
        self.told != self.heard
    }

    /// Whether that is so much that it should be told at once: half of what it leaves unacknowledged.
    #[inline]
    pub fn is_pressing(&self) -> bool {
        self.heard.wrapping_sub(self.told) >= self.unacked_frames.div_ceil(2)
            || self.untold_bytes >= self.unacked_bytes.div_ceil(2)
    }

    /// A reliable frame of ours leaves; whether it may have been sent before.
    #[inline]
    pub fn send(&mut self) -> Flags {
        self.sent = self.sent.wrapping_add(1);
        if self.again == 0 {
            return Flags::NONE;
        }
        self.again -= 1;
        Flags::DUP
    }

    /// Whether another may leave.
    #[inline]
    pub fn may_send(&self) -> bool {
        self.sent.wrapping_sub(self.accepted) < self.window
    }

    /// `ack` of a frame of the server.
    ///
    /// # Errors
    /// More than was sent, or less than before.
    #[inline]
    pub fn confirm(&mut self, ack: u32) -> Result<(), Refusal> {
        let more = ack.wrapping_sub(self.accepted);
        if more > self.sent.wrapping_sub(self.accepted) {
            let (sent, accepted) = (self.sent, self.accepted);
            let why = format!("it accepted {ack} of {sent} frames, after {accepted}");
            return Err(Refusal::Stream(why));
        }
        self.accepted = ack;
        self.news = self.news.wrapping_add(more);
        Ok(())
    }

    /// How many were confirmed since the last time that this was asked.
    #[inline]
    pub fn news(&mut self) -> u32 {
        std::mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        let mut flow = Flow::new();
        flow.bound(2, 4, 1000);
        flow
    }

    #[test]
    fn half_of_what_the_server_leaves_unacknowledged_is_told_at_once() {
        let mut flow = flow();
        flow.hear(100);
        assert!(flow.owes() && !flow.is_pressing());
        flow.hear(100);
        assert!(flow.is_pressing());
        assert_eq!(flow.ack(), 2);
        assert!(!flow.owes() && !flow.is_pressing());
        flow.hear(500);
        assert!(flow.is_pressing(), "one large frame is half of the bytes");
    }

    #[test]
    fn no_more_is_sent_than_the_window_allows() {
        let mut flow = flow();
        assert!(flow.may_send());
        flow.send();
        flow.send();
        assert!(!flow.may_send());
        flow.confirm(1).unwrap();
        assert_eq!((flow.may_send(), flow.news(), flow.news()), (true, 1, 0));
        flow.set_window(1);
        assert!(!flow.may_send());
    }

    #[test]
    fn what_was_not_sent_cannot_be_accepted_and_nothing_is_taken_back() {
        let mut flow = flow();
        flow.send();
        assert!(flow.confirm(2).is_err());
        flow.confirm(1).unwrap();
        assert!(flow.confirm(0).is_err());
        flow.confirm(1).unwrap();
    }

    #[test]
    fn counters_wrap() {
        let mut flow = flow();
        (flow.sent, flow.accepted, flow.heard, flow.told) = (u32::MAX, u32::MAX, u32::MAX, u32::MAX);
        flow.send();
        flow.hear(1);
        assert_eq!((flow.may_send(), flow.owes(), flow.ack()), (true, true, 0));
        flow.confirm(0).unwrap();
        assert_eq!(flow.news(), 1);
    }

    #[test]
    fn what_a_broken_connection_took_with_it_counts_again_and_says_so() {
        let mut flow = flow();
        flow.send();
        flow.send();
        flow.confirm(1).unwrap();
        flow.go_on();
        assert_eq!([flow.send(), flow.send()], [Flags::DUP, Flags::NONE]);
        flow.confirm(3).unwrap();
    }

    #[test]
    fn a_server_that_states_no_bounds_is_told_in_time_only() {
        let mut flow = Flow::new();
        flow.bound(0, 0, 0);
        flow.hear(1 << 20);
        assert!(flow.owes() && !flow.is_pressing() && flow.may_send());
    }
}
