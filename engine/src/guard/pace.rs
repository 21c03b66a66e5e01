//! How fast an authenticated client may send: one virtual clock for bytes and one for frames (the generic cell rate
//! algorithm, which is a token bucket without tokens). Kept by the sessions of the front-ends.
//!
//! Each byte, or frame, moves its clock ahead by the time that it is allowed to take. A clock may run at most one second
//! ahead of the real one; beyond that the session stops reading until the real one has caught up.
//!
//! Invariant: a client that stays below the rate never waits; no client is faster than the rate plus one second's worth.

const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;

/// What a client may send a second, with a second's worth of burst. 0: not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceLimits {
    /// Bytes.
    pub bytes_per_s: u64,
    /// Frames: stanzas, in XMPP.
    pub frames_per_s: u64,
}

/// The two virtual clocks, in nanoseconds since the shard started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    bytes_ns: u64,
    frames_ns: u64,
}

impl Pace {
    /// Charges so many frames of together this size. Gives the time ([`Now::ms`](crate::session::Now)) before which no more
    /// may be read, if the client is too fast.
    pub fn charge(&mut self, bytes: usize, frames: usize, now_ms: u64, limits: PaceLimits) -> Option<u64> {
        let ready_bytes = advance(&mut self.bytes_ns, bytes as u64, limits.bytes_per_s, now_ms);
        let ready_frames = advance(&mut self.frames_ns, frames as u64, limits.frames_per_s, now_ms);
        ready_bytes.max(ready_frames)
    }
}

fn advance(clock_ns: &mut u64, units: u64, per_s: u64, now_ms: u64) -> Option<u64> {
    if per_s == 0 {
        return None;
    }
    let now_ns = now_ms.saturating_mul(MS_NS);
    // A frame's bytes are counted in 32 bits: the product fits, and where it would not, a client that fast waits for ever.
    let cost_ns = units.saturating_mul(SECOND_NS) / per_s;
    *clock_ns = (*clock_ns).max(now_ns).saturating_add(cost_ns);
    let ahead_ns = *clock_ns - now_ns;
    (ahead_ns > SECOND_NS).then(|| (*clock_ns - SECOND_NS).div_ceil(MS_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits {
        bytes_per_s: 1_000,
        frames_per_s: 10,
    };

    #[test]
    fn a_burst_of_one_second_passes_and_the_next_frame_waits() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            assert_eq!(pace.charge(1, 1, 5_000, LIMITS), None);
        }
        assert_eq!(pace.charge(1, 1, 5_000, LIMITS), Some(5_100));
        assert_eq!(pace.charge(1, 1, 5_200, LIMITS), None);
    }

    #[test]
    fn bytes_count_too() {
        let mut pace = Pace::default();
        assert_eq!(pace.charge(1_000, 1, 0, LIMITS), None);
        assert_eq!(pace.charge(500, 1, 0, LIMITS), Some(500));
    }

    #[test]
    fn nothing_is_limited_by_zero() {
        let limits = PaceLimits {
            bytes_per_s: 0,
            frames_per_s: 0,
        };
        let mut pace = Pace::default();
        assert_eq!(pace.charge(usize::MAX, 1, 0, limits), None);
    }

    #[test]
    fn a_slow_client_saves_up_no_more_than_a_second() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..12).filter_map(|_| pace.charge(0, 1, 1_000_000, LIMITS)).collect();
        assert_eq!(waits, [1_000_100, 1_000_200]);
    }
}
