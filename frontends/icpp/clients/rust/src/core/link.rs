//! One connection, as the core sees it: how far its login is, what the server said of itself, and when something was last heard.

use crosspoint_icpp::codec::FRAME_BYTES;

use super::connection::{Dial, LinkId};
use super::limits::HEARTBEAT_S;
use super::login::Stage;
use super::scram::{EXPORTER_BYTES, NONCE_BYTES};
use super::url::Endpoint;

/// What the server said in WELCOME, made safe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub frame_max: u32,
    pub heartbeat_s: u16,
    pub heartbeat_background_s: u16,
    pub window: u32,
    pub unacked_frames: u32,
    pub unacked_bytes: u32,
}

/// The connection in use.
#[derive(Debug)]
pub(super) struct Link {
    pub id: LinkId,
    pub endpoint: Endpoint,
    pub input: Vec<u8>,
    pub stage: Stage,
    pub nonce: [u8; NONCE_BYTES],
    /// `tls-exporter` of this connection, if it has one.
    pub exporter: Option<[u8; EXPORTER_BYTES]>,
    /// HELLO asked for the earlier session.
    pub resuming: bool,
    /// What `ack` said in HELLO: the server sends again what came after it.
    pub hello_ack: u32,
    pub mechanisms: String,
    pub node: String,
    pub terms: Terms,
    pub opened_at: u64,
    pub heard_at: u64,
    pub pinged_at: u64,
    pub sent_at: u64,
    pub logged_in_at: Option<u64>,
    pub ack_due: Option<u64>,
    /// DRAIN phase 2: nothing more is taken here.
    pub taking_nothing: bool,
}

impl Link {
    pub fn new(dial: Dial, nonce: [u8; NONCE_BYTES], resuming: bool, now: u64) -> Link {
        Link {
            id: dial.link,
            endpoint: dial.endpoint,
            input: Vec::new(),
            stage: Stage::Greeting { ticket: None },
            nonce,
            exporter: None,
            resuming,
            hello_ack: 0,
            mechanisms: String::new(),
            node: String::new(),
            terms: Terms {
                frame_max: FRAME_BYTES,
                heartbeat_s: HEARTBEAT_S,
                heartbeat_background_s: HEARTBEAT_S,
                window: 0,
                unacked_frames: 0,
                unacked_bytes: 0,
            },
            opened_at: now,
            heard_at: now,
            pinged_at: now,
            sent_at: now,
            logged_in_at: None,
            ack_due: None,
            taking_nothing: false,
        }
    }

    pub fn heartbeat_ms(&self, background: bool) -> u64 {
        let seconds = match background {
            true => self.terms.heartbeat_background_s,
            false => self.terms.heartbeat_s,
        };
        u64::from(seconds.max(1)) * 1_000
    }

    /// When a PING is due: when this side has said nothing for a heartbeat, or heard nothing, since servers only answer (SPEC.md
    /// section 7).
    pub fn ping_due(&self, background: bool) -> u64 {
        self.sent_at.min(self.heard_at.max(self.pinged_at)) + self.heartbeat_ms(background)
    }

    pub fn is_in_session(&self) -> bool {
        self.logged_in_at.is_some()
    }
}
