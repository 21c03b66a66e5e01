//! A token bucket in eight bytes.
//!
//! Instead of counting tokens, it keeps the moment at which the bucket will be full again (the generic cell rate
//! algorithm of ITU-T I.371 turned around): whoever takes tokens moves that moment into the future, and may not move it
//! further than the time that a whole burst needs.
//!
//! Invariant: a new bucket, all zeroes, is full.

use std::num::{NonZeroU32, NonZeroU64};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    token_ns: NonZeroU64,
    burst: NonZeroU32,
}

/// A refusal: in so many milliseconds (at least 1) what was asked for will be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub u64);

impl Rate {
    /// `tokens` a second, `burst` at once.
    pub const fn per_second(tokens: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::per_ns(NS_PER_S, tokens, burst)
    }

    /// `tokens` a minute, `burst` at once.
    pub const fn per_minute(tokens: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::per_ns(60 * NS_PER_S, tokens, burst)
    }

    /// `tokens` an hour, `burst` at once.
    pub const fn per_hour(tokens: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::per_ns(3600 * NS_PER_S, tokens, burst)
    }

    /// What the bucket holds when it is full.
    pub const fn burst(self) -> u32 {
        self.burst.get()
    }

    /// The share of one of `shards` buckets between which what is limited falls at random; a burst of 1 at least.
    pub const fn shared_by(self, shards: NonZeroU32) -> Self {
        let burst = match NonZeroU32::new(self.burst.get().div_ceil(shards.get())) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        let share_ns = self.token_ns.get().saturating_mul(shards.get() as u64);
        let token_ns = match NonZeroU64::new(share_ns) {
            Some(token_ns) => token_ns,
            None => NonZeroU64::MAX,
        };
        Self { token_ns, burst }
    }

    const fn per_ns(period_ns: u64, tokens: NonZeroU32, burst: NonZeroU32) -> Self {
        match NonZeroU64::new(period_ns / tokens.get() as u64) {
            Some(token_ns) => Self { token_ns, burst },
            None => Self {
                token_ns: NonZeroU64::MIN,
                burst,
            },
        }
    }

    const fn ns_of(self, tokens: u32) -> u64 {
        self.token_ns.get().saturating_mul(tokens as u64)
    }
}

/// One budget. Always to be used with the same [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bucket {
    full_at_ns: u64,
}

impl Bucket {
    /// Takes `tokens` out, or says when they will be there. More than the burst is never there; it is let through when
    /// the bucket is full, so that one big piece is slow rather than stuck.
    pub fn take(&mut self, rate: Rate, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        self.peek(rate, tokens, now_ms)?;
        let from_ns = self.full_at_ns.max(ns(now_ms));
        self.full_at_ns = from_ns.saturating_add(rate.ns_of(tokens));
        Ok(())
    }

    /// Would [`take`](Self::take) succeed?
    pub fn peek(&self, rate: Rate, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        let needed_ns = rate.ns_of(tokens.min(rate.burst()));
        let allowed_ns = rate.ns_of(rate.burst()) - needed_ns;
        let debt_ns = self.full_at_ns.saturating_sub(ns(now_ms));
        match debt_ns.saturating_sub(allowed_ns) {
            0 => Ok(()),
            missing_ns => Err(Wait(missing_ns.div_ceil(NS_PER_MS))),
        }
    }

    /// Puts `tokens` back that turned out not to be spent.
    pub fn give_back(&mut self, rate: Rate, tokens: u32) {
        self.full_at_ns = self.full_at_ns.saturating_sub(rate.ns_of(tokens));
    }

    /// Is nothing missing?
    pub fn is_full(&self, now_ms: u64) -> bool {
        self.full_at_ns <= ns(now_ms)
    }

    /// The same debt, but no more than leaves one token to take.
    pub(super) fn with_one_token(self, rate: Rate, now_ms: u64) -> Self {
        let most_ns = ns(now_ms).saturating_add(rate.ns_of(rate.burst() - 1));
        Self {
            full_at_ns: self.full_at_ns.min(most_ns),
        }
    }
}

fn ns(now_ms: u64) -> u64 {
    now_ms.saturating_mul(NS_PER_MS)
}
