//! Budgets for wrong passwords.
//!
//! An attempt is paid for when it begins, and the money is returned when it succeeds, so that attempts made at the same
//! time cannot share one token. A user who merely logs in, however often, pays nothing.
//!
//! Invariants:
//! - A refused attempt costs nothing and is not verified, so that a refusal tells nothing about the password.
//! - The budgets depend on the name that is asked for, never on whether such an account exists.
//! - An account under attack stays open to the networks from which it was opened before (as many as the table of the
//!   trusted holds): neither the account's nor the global budget applies to them, only their own.

use std::net::IpAddr;
use std::num::NonZeroU32;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bucket::{Bucket, Rate, Wait};
use super::budgets::{Budgets, NetworkKey};

/// Networks in debt that are told apart.
pub const NETWORKS_MAX: usize = 8192;
/// Accounts in debt that are told apart.
pub const ACCOUNTS_MAX: usize = 8192;
/// Pairs of account and network that are remembered as trusted.
pub const TRUSTED_MAX: usize = 16_384;

const TRUSTED_WAYS: usize = 4;
const _: () = assert!((TRUSTED_MAX / TRUSTED_WAYS).is_power_of_two());

/// How many wrong passwords are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginRates {
    /// From one network.
    pub network: Rate,
    /// For one account.
    pub account: Rate,
    /// At all.
    pub global: Rate,
}

impl Default for LoginRates {
    /// From a network 2000 at once and 60 a minute, for an account 10 at once and 5 a minute, at all 20,000 at once and
    /// 200 a second. What is at once is also what may be under way: behind one address of a carrier's NAT, or of a proxy,
    /// thousands of phones log in at the same time when a cell comes back.
    fn default() -> Self {
        let n = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            network: Rate::per_minute(n(60), n(2000)),
            account: Rate::per_minute(n(5), n(10)),
            global: Rate::per_second(n(200), n(20_000)),
        }
    }
}

/// Whose budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The network from which it comes.
    Network,
    /// The account that it is for.
    Account,
    /// Everybody's.
    Global,
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Whose budget is spent.
    pub scope: Scope,
    /// When to come again.
    pub wait: Wait,
}

/// An attempt that has begun. It is paid for until it is handed to [`LoginGuard::succeeded`]; dropped, it has failed.
#[must_use = "an attempt that succeeds must be given back"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    network: NetworkKey,
    account_paid: bool,
}

/// The budgets, and who is trusted. About half a megabyte.
#[derive(Debug, Clone)]
pub struct LoginGuard {
    rates: LoginRates,
    networks: Budgets,
    accounts: Budgets,
    global: Bucket,
    trusted: Trusted,
}

impl LoginGuard {
    /// `seed` is random and secret.
    pub fn new(rates: LoginRates, seed: u64) -> Self {
        Self {
            rates,
            networks: Budgets::new(rates.network, NETWORKS_MAX, seed),
            accounts: Budgets::new(rates.account, ACCOUNTS_MAX, seed.rotate_left(32)),
            global: Bucket::default(),
            trusted: Trusted::new(seed.rotate_left(16)),
        }
    }

    /// An attempt begins. `account` is the prepared bare address, whether or not it exists.
    pub fn begin(&mut self, from: IpAddr, account: &str, now_ms: u64) -> Result<Attempt, Refusal> {
        let network = NetworkKey::from(from);
        let refuse = |scope| move |wait| Refusal { scope, wait };
        self.networks.peek(network, 1, now_ms).map_err(refuse(Scope::Network))?;
        let account_paid = !self.trusted.has(account, network);
        if account_paid {
            self.global
                .peek(self.rates.global, 1, now_ms)
                .map_err(refuse(Scope::Global))?;
            self.accounts.take(account, 1, now_ms).map_err(refuse(Scope::Account))?;
            self.global
                .take(self.rates.global, 1, now_ms)
                .map_err(refuse(Scope::Global))?;
        }
        self.networks.take(network, 1, now_ms).map_err(refuse(Scope::Network))?;
        Ok(Attempt { network, account_paid })
    }

    /// The attempt that began for this account succeeded: it cost nothing, and its network is trusted from now on.
    pub fn succeeded(&mut self, attempt: Attempt, account: &str) {
        self.networks.give_back(attempt.network, 1);
        if attempt.account_paid {
            self.accounts.give_back(account, 1);
            self.global.give_back(self.rates.global, 1);
        }
        self.trusted.add(account, attempt.network);
    }
}

/// Pairs of account and network, the latest of each set first; the oldest is forgotten.
#[derive(Debug, Clone)]
struct Trusted {
    seed: u64,
    sets: Box<[[u64; TRUSTED_WAYS]]>,
}

impl Trusted {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            sets: vec![[0; TRUSTED_WAYS]; TRUSTED_MAX / TRUSTED_WAYS].into_boxed_slice(),
        }
    }

    fn has(&self, account: &str, network: NetworkKey) -> bool {
        let (set, fingerprint) = self.place(account, network);
        self.sets[set].contains(&fingerprint)
    }

    fn add(&mut self, account: &str, network: NetworkKey) {
        let (set, fingerprint) = self.place(account, network);
        let set = &mut self.sets[set];
        let place = set
            .iter()
            .position(|pair| *pair == fingerprint)
            .unwrap_or(TRUSTED_WAYS - 1);
        set[..=place].rotate_right(1);
        set[0] = fingerprint;
    }

    fn place(&self, account: &str, network: NetworkKey) -> (usize, u64) {
        let of_account = xxh3_64_with_seed(account.as_bytes(), self.seed);
        // Zero is a place that was never used.
        let fingerprint = xxh3_64_with_seed(network.as_ref(), of_account).max(1);
        (fingerprint as usize & (self.sets.len() - 1), fingerprint)
    }
}
