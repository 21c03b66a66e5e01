//! Every bound of an ICPP session, by name.
//!
//! Invariants: relations between bounds are asserted at compile time over the defaults and checked by [`Limits::check`] over a
//! configuration; nothing that a peer can make grow is without an entry here.

use crosspoint_engine::guard::PaceLimits;

use crate::codec;

/// The bounds of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds from the connection to the end of the login.
    pub login_ms: u64,
    /// Frames between HELLO and the end of the login.
    pub login_frames: u16,
    /// Failed AUTHs of one connection, after which it is closed.
    pub auth_attempts: u8,
    /// Largest frame after the login, in bytes.
    pub frame_bytes: u32,
    /// Seconds of silence that a client in the foreground may keep.
    pub heartbeat_s: u16,
    /// The same in the background.
    pub heartbeat_background_s: u16,
    /// Reliable frames that a client may have outstanding.
    pub window: u32,
    /// The same for a client that says more in a second than it may, by CREDIT.
    pub slow_window: u32,
    /// Reliable frames that the server leaves outstanding; beyond, messages stay in the log.
    pub unacked_frames: u32,
    /// Bytes of those.
    pub unacked_bytes: u32,
    /// How many times either of the two above may be exceeded by what no log keeps, before the session ends.
    pub unacked_excess: u32,
    /// Contacts whose latest presence is kept for a client in the background, or away.
    pub deferred_presences: usize,
    /// Bytes of their addresses and statuses.
    pub deferred_bytes: usize,
    /// Longest time that a client may take to resume, in seconds. 0: resumption is not offered.
    pub resume_seconds: u32,
    /// How long a ticket is good, in seconds. 0: tickets are not given.
    pub ticket_seconds: u32,
    /// Redirects that a client may have followed in a row.
    pub hops: u8,
    /// Addresses in one BLOCK or ALLOW.
    pub list_addresses: usize,
    /// Messages in one answer to HISTORY.
    pub history_page: u16,
    /// What a client may send a second.
    pub pace: PaceLimits,
}

impl Limits {
    /// The defaults, as documented in the shipped example configuration.
    pub const DEFAULT: Limits = Limits {
        login_ms: 30_000,
        login_frames: 100,
        auth_attempts: 3,
        frame_bytes: codec::FRAME_BYTES,
        heartbeat_s: 120,
        heartbeat_background_s: 900,
        window: 1024,
        slow_window: 64,
        unacked_frames: 256,
        unacked_bytes: 64 * 1024,
        unacked_excess: 16,
        deferred_presences: 1_000,
        deferred_bytes: 256 * 1024,
        resume_seconds: 300,
        ticket_seconds: 3_600,
        hops: 3,
        list_addresses: 1_000,
        history_page: 100,
        pace: PaceLimits {
            bytes_per_s: 16 * 1024 * 1024,
            frames_per_s: 20_000,
        },
    };

    /// Says which relation between two bounds a configuration breaks.
    pub const fn check(&self) -> Result<(), &'static str> {
        if self.frame_bytes < codec::FRAME_BYTES || self.frame_bytes > 1024 * 1024 {
            return Err("frame_bytes must be between 65536 and 1048576");
        }
        // A failed AUTH is two frames at most, and so is one that is taken back for another.
        if (self.login_frames as u32) < 4 * self.auth_attempts as u32 {
            return Err("login_frames must leave room for auth_attempts");
        }
        if self.slow_window == 0 || self.slow_window > self.window {
            return Err("slow_window must be above 0 and not above window");
        }
        if self.window == 0 || self.unacked_frames == 0 || self.auth_attempts == 0 || self.history_page == 0 {
            return Err("window, unacked_frames, auth_attempts and history_page must be above 0");
        }
        if self.unacked_bytes < self.frame_bytes {
            return Err("unacked_bytes must not be below frame_bytes, or the largest message could never be sent");
        }
        if self.heartbeat_s == 0 || self.heartbeat_background_s < self.heartbeat_s {
            return Err("heartbeat_s must be above 0 and not above heartbeat_background_s");
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const _: () = assert!(Limits::DEFAULT.check().is_ok());
