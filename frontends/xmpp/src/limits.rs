//! Every bound of the XMPP session, by name. What the scanner itself bounds is in [`codec::ScanLimits`].
//!
//! Invariants: relations between bounds are asserted at compile time over the defaults and checked by
//! [`Limits::check`] over a configuration; nothing that a peer can make grow is without an entry here.

use crate::codec::ScanLimits;

/// The bounds of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds from the connection to the end of authentication, and again from there to the bound resource.
    pub negotiation_ms: u64,
    /// Bytes that a client may send before it has authenticated.
    pub negotiation_bytes: u64,
    /// Bytes of one first-level element before authentication.
    pub stanza_bytes_before_auth: u32,
    /// Bytes of one first-level element after authentication.
    pub stanza_bytes_after_auth: u32,
    /// Failed SASL attempts of one stream, after which it is closed (RFC 6120 section 6.4.5).
    pub auth_attempts: u8,
    /// In-band registrations tried on one stream.
    pub register_attempts: u8,
    /// Silence after which the server asks whether the client is still there, in milliseconds. 0: never.
    pub idle_ms: u64,
    /// How long the client may take to answer that, in milliseconds.
    pub idle_grace_ms: u64,
    /// Inbound bytes per second after authentication, with one second's worth of burst. 0: not limited.
    pub inbound_bytes_per_s: u64,
    /// Inbound stanzas per second after authentication, with one second's worth of burst. 0: not limited.
    pub inbound_stanzas_per_s: u64,
    /// Stanzas kept for a client that is away (XEP-0198), beyond which its session ends and they go elsewhere.
    pub unacked_away_stanzas: usize,
    /// Bytes kept for a client that is away.
    pub unacked_away_bytes: usize,
    /// Stanzas that a connected client may leave unacknowledged, beyond which its session ends by policy.
    pub unacked_stanzas: usize,
    /// Bytes that a connected client may leave unacknowledged.
    pub unacked_bytes: usize,
    /// Stanzas of any kind after which the client is asked for an acknowledgement; after messages it always is.
    pub ask_after_stanzas: usize,
    /// Received stanzas whose safety is still open, beyond which reading pauses.
    pub outstanding_stanzas: usize,
    /// Longest time that a client may take to resume, in seconds. 0: resumption is not offered.
    pub resume_seconds: u32,
    /// How long a token that logs in is good (XEP-0484), in seconds. 0: none are given.
    pub token_seconds: u32,
    /// Stanzas held back from an inactive client (XEP-0352), beyond which all are delivered.
    pub held_stanzas: usize,
    /// Bytes of those; the one that goes beyond is still held.
    pub held_bytes: usize,
}

impl Limits {
    /// The defaults, as documented in the shipped example configuration.
    pub const DEFAULT: Limits = Limits {
        negotiation_ms: 30_000,
        negotiation_bytes: 64 * 1024,
        stanza_bytes_before_auth: 10_000,
        stanza_bytes_after_auth: 262_144,
        auth_attempts: 3,
        register_attempts: 3,
        idle_ms: 1_800_000,
        idle_grace_ms: 60_000,
        inbound_bytes_per_s: 16 * 1024 * 1024,
        inbound_stanzas_per_s: 20_000,
        unacked_away_stanzas: 500,
        unacked_away_bytes: 256 * 1024,
        unacked_stanzas: 5_000,
        unacked_bytes: 4 * 1024 * 1024,
        ask_after_stanzas: 32,
        outstanding_stanzas: 4_096,
        resume_seconds: 300,
        token_seconds: 21 * 86_400,
        held_stanzas: 500,
        held_bytes: 512 * 1024,
    };

    /// Says which relation between two bounds a configuration breaks.
    pub const fn check(&self) -> Result<(), &'static str> {
        if self.stanza_bytes_before_auth < 10_000 {
            return Err("stanza_bytes_before_auth must be at least 10000 (RFC 6120 section 13.12)");
        }
        if self.stanza_bytes_after_auth < self.stanza_bytes_before_auth {
            return Err("stanza_bytes_after_auth must not be below stanza_bytes_before_auth");
        }
        if self.negotiation_bytes < self.stanza_bytes_before_auth as u64 {
            return Err("negotiation_bytes must not be below stanza_bytes_before_auth");
        }
        if self.unacked_stanzas < self.unacked_away_stanzas || self.unacked_bytes < self.unacked_away_bytes {
            return Err("a connected client may leave at least as much unacknowledged as an absent one");
        }
        if self.ask_after_stanzas == 0 || self.ask_after_stanzas >= self.unacked_stanzas {
            return Err("ask_after_stanzas must be above 0 and below unacked_stanzas");
        }
        if self.auth_attempts == 0 || self.held_stanzas == 0 || self.outstanding_stanzas == 0 {
            return Err("auth_attempts, held_stanzas and outstanding_stanzas must be above 0");
        }
        Ok(())
    }

    /// How fast a client may send.
    #[cfg(feature = "front")]
    pub(crate) fn pace(&self) -> crosspoint_engine::guard::PaceLimits {
        crosspoint_engine::guard::PaceLimits {
            bytes_per_s: self.inbound_bytes_per_s,
            frames_per_s: self.inbound_stanzas_per_s,
        }
    }

    /// For the scanner of a stream that has not authenticated.
    pub fn scan_before_auth(&self) -> ScanLimits {
        ScanLimits {
            stanza_bytes_max: self.stanza_bytes_before_auth,
            ..ScanLimits::BEFORE_AUTH
        }
    }

    /// For the scanner of a stream that has.
    pub fn scan_after_auth(&self) -> ScanLimits {
        ScanLimits {
            stanza_bytes_max: self.stanza_bytes_after_auth,
            ..ScanLimits::AFTER_AUTH
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const _: () = assert!(Limits::DEFAULT.check().is_ok(), "the defaults fit each other");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_relation_is_named() {
        let broken = [
            Limits {
                stanza_bytes_before_auth: 9_999,
                ..Limits::DEFAULT
            },
            Limits {
                stanza_bytes_after_auth: 10_000,
                stanza_bytes_before_auth: 10_001,
                ..Limits::DEFAULT
            },
            Limits {
                negotiation_bytes: 1,
                ..Limits::DEFAULT
            },
            Limits {
                unacked_stanzas: 1,
                ..Limits::DEFAULT
            },
            Limits {
                ask_after_stanzas: 0,
                ..Limits::DEFAULT
            },
            Limits {
                auth_attempts: 0,
                ..Limits::DEFAULT
            },
        ];
        for limits in broken {
            assert!(limits.check().is_err(), "{limits:?}");
        }
    }
}
