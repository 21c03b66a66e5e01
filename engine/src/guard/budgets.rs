//! A budget for each key, in a table of fixed size.
//!
//! ```text
//!   key --XXH3-64 with a secret seed--> fingerprint --low bits--> set of 8 entries (fingerprint, bucket)
//! ```
//!
//! A key without an entry has a full bucket. An entry whose bucket is full again is as good as free. When all eight of
//! a set are in debt, the newcomer takes the place of the one that owes least, *and its debt*, as far as one token is
//! left (the space-saving algorithm of Metwally, Agrawal and El Abbadi, 2005).
//!
//! Invariants:
//! - Nobody gets rid of a debt by having his entry pushed out: who comes back owes what the set's smallest debtor owes,
//!   or has one token. To push one entry out takes eight other keys that owe more, in a set that the secret seed hides.
//! - No flood of keys locks anybody out for good: a newcomer always has one token.
//! - The table never grows.

use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bucket::{Bucket, Rate, Wait};

const WAYS: usize = 8;

/// Fewest and most keys that a table may be asked to hold; 16 bytes each.
const KEYS_MIN: usize = WAYS;
const KEYS_MAX: usize = 1 << 22;

/// A network address as far as it tells one subscriber from another: an IPv4 address, or the first 64 bits of an IPv6
/// address, of which a subscriber has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkKey([u8; 16]);

impl From<IpAddr> for NetworkKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => {
                let prefix = u128::from(address) & !u128::from(u64::MAX);
                Self(prefix.to_be_bytes())
            }
        }
    }
}

impl AsRef<[u8]> for NetworkKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    fingerprint: u64,
    bucket: Bucket,
}

/// One [`Bucket`] a key, all with the same [`Rate`].
#[derive(Debug, Clone)]
pub struct Budgets {
    rate: Rate,
    seed: u64,
    sets: Box<[[Entry; WAYS]]>,
}

impl Budgets {
    /// Room for `keys` debtors at a time, rounded up to a power of two. `seed` is random and secret.
    pub fn new(rate: Rate, keys: usize, seed: u64) -> Self {
        let sets = keys.clamp(KEYS_MIN, KEYS_MAX).div_ceil(WAYS).next_power_of_two();
        Self {
            rate,
            seed,
            sets: vec![[Entry::default(); WAYS]; sets].into_boxed_slice(),
        }
    }

    /// Takes `tokens` of the key's budget, or says when they will be there.
    pub fn take(&mut self, key: impl AsRef<[u8]>, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        let rate = self.rate;
        self.peek(key.as_ref(), tokens, now_ms)?;
        self.claim(key.as_ref(), now_ms).take(rate, tokens, now_ms)
    }

    /// Would [`take`](Self::take) succeed?
    pub fn peek(&self, key: impl AsRef<[u8]>, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        let (set, fingerprint) = self.place(key.as_ref());
        let entry = self.sets[set].iter().find(|entry| entry.fingerprint == fingerprint);
        let bucket = entry.map_or_else(|| self.newcomer(set, now_ms), |entry| entry.bucket);
        bucket.peek(self.rate, tokens, now_ms)
    }

    /// Puts `tokens` back that the key turned out not to have spent.
    pub fn give_back(&mut self, key: impl AsRef<[u8]>, tokens: u32) {
        let (set, fingerprint) = self.place(key.as_ref());
        if let Some(entry) = self.sets[set].iter_mut().find(|entry| entry.fingerprint == fingerprint) {
            entry.bucket.give_back(self.rate, tokens);
        }
    }

    /// The bucket of a key, which from now on has an entry.
    fn claim(&mut self, key: &[u8], now_ms: u64) -> &mut Bucket {
        let (set, fingerprint) = self.place(key);
        let newcomer = self.newcomer(set, now_ms);
        let set = &mut self.sets[set];
        let place = set
            .iter()
            .position(|entry| entry.fingerprint == fingerprint)
            .unwrap_or_else(|| {
                let least = (0..WAYS).min_by_key(|way| set[*way].bucket).unwrap_or_default();
                set[least] = Entry {
                    fingerprint,
                    bucket: newcomer,
                };
                least
            });
        &mut set[place].bucket
    }

    /// What a key without an entry starts with.
    fn newcomer(&self, set: usize, now_ms: u64) -> Bucket {
        let least = self.sets[set]
            .iter()
            .map(|entry| entry.bucket)
            .min()
            .unwrap_or_default();
        least.with_one_token(self.rate, now_ms)
    }

    fn place(&self, key: &[u8]) -> (usize, u64) {
        // Zero is the fingerprint of the entries that were never used.
        let fingerprint = xxh3_64_with_seed(key, self.seed).max(1);
        (fingerprint as usize & (self.sets.len() - 1), fingerprint)
    }
}
