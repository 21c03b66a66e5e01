//! The tables of a cluster: what this process is in it, whom it has trunks to, and when clients are sent to others.
//!
//! Invariant: as in the configuration as a whole, no key is optional.

use std::path::PathBuf;

use crosspoint_icpp::edge::BackEnd;
use crosspoint_icpp::redirect::{ACCOUNT_SLOTS, Home, LoadPolicy};
use serde::{Deserialize, Serialize};

/// What a process is in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Accounts live here, and clients connect here.
    All,
    /// Accounts live here; ICPP clients connect to front-ends, which connect to `icpp.trunk_listen`.
    Backend,
    /// ICPP clients connect here, and are passed on to `edge.back_ends`.
    Frontend,
}

/// Back-ends that a front-end can have.
pub const BACK_ENDS_MAX: usize = 256;

/// The `[edge]` table: what matters in the role of a front-end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edge {
    /// Where back-ends listen for trunks: `address:port`, or which accounts live there, too: `FIRST-LAST address:port`.
    pub back_ends: Vec<String>,
    /// Issuers of the back-ends' certificates, a PEM file: trunks are in TLS. Empty: see `trunk_pins`.
    pub trunk_ca: PathBuf,
    /// The name in the back-ends' certificates; empty: the domain that is served.
    pub trunk_name: String,
    /// SHA-256 of the back-ends' certificates: trunks are in TLS, and no issuer matters. Empty, and no `trunk_ca`: trunks are
    /// in the clear.
    pub trunk_pins: Vec<String>,
    /// Where clients reach this front-end from elsewhere: what others send them to.
    pub urls: Vec<String>,
    /// How much this front-end may have, beside others: 100 is the usual.
    pub weight: u16,
    /// Which accounts belong to which front-end: `FIRST-LAST NODE [URL ...]`, by their slots (0 to 4095).
    pub homes: Vec<String>,
}

/// The `[balance]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Balance {
    /// Whether new clients are sent to another front-end when there is less to do there.
    pub enabled: bool,
    /// Clients that are a full load.
    pub sessions_full: u32,
    /// Bytes waiting for clients that are a full load.
    pub outbox_full_bytes: u32,
    /// How much clients count in the load.
    pub sessions_weight: u16,
    /// How much processor time counts.
    pub cpu_weight: u16,
    /// How much waiting bytes count.
    pub outbox_weight: u16,
    /// How much more load than elsewhere there must be for it to begin, in permille.
    pub enter_permille: u32,
    /// How little for it to end.
    pub leave_permille: u32,
    /// Seconds that it goes on, or not, at least.
    pub dwell_s: u64,
    /// Clients sent away in a second, at most.
    pub per_second: u32,
}

impl Default for Edge {
    fn default() -> Self {
        Edge {
            back_ends: Vec::new(),
            trunk_ca: PathBuf::new(),
            trunk_name: String::new(),
            trunk_pins: Vec::new(),
            urls: Vec::new(),
            weight: 100,
            homes: Vec::new(),
        }
    }
}

impl Default for Balance {
    fn default() -> Self {
        let policy = LoadPolicy::DEFAULT;
        Balance {
            enabled: policy.enabled,
            sessions_full: policy.sessions_full,
            outbox_full_bytes: policy.outbox_full,
            sessions_weight: policy.sessions_weight,
            cpu_weight: policy.cpu_weight,
            outbox_weight: policy.outbox_weight,
            enter_permille: policy.enter_permille,
            leave_permille: policy.leave_permille,
            dwell_s: policy.dwell_ms / 1_000,
            per_second: policy.per_second,
        }
    }
}

impl Balance {
    /// As the front-end has it.
    pub fn policy(&self) -> LoadPolicy {
        LoadPolicy {
            enabled: self.enabled,
            sessions_full: self.sessions_full,
            outbox_full: self.outbox_full_bytes,
            sessions_weight: self.sessions_weight,
            cpu_weight: self.cpu_weight,
            outbox_weight: self.outbox_weight,
            enter_permille: self.enter_permille,
            leave_permille: self.leave_permille,
            dwell_ms: self.dwell_s.saturating_mul(1_000),
            per_second: self.per_second,
        }
    }
}

impl Edge {
    /// The homes, as they are written; the first that is none comes back as it is.
    pub fn homes(&self) -> Result<Vec<Home>, String> {
        self.homes
            .iter()
            .map(|text| home(text).ok_or_else(|| text.clone()))
            .collect()
    }

    /// The back-ends, as they are written; the first that is none comes back as it is.
    pub fn back_ends(&self) -> Result<Vec<BackEnd>, String> {
        self.back_ends
            .iter()
            .map(|text| back_end(text).ok_or_else(|| text.clone()))
            .collect()
    }

    /// The pins, as they are written; the first that is none comes back as it is.
    pub fn pins(&self) -> Result<Vec<[u8; 32]>, String> {
        self.trunk_pins
            .iter()
            .map(|text| pin(text).ok_or_else(|| text.clone()))
            .collect()
    }

    /// Whether trunks are in TLS.
    pub fn encrypts(&self) -> bool {
        !self.trunk_ca.as_os_str().is_empty() || !self.trunk_pins.is_empty()
    }
}

/// `FIRST-LAST`, both within the slots.
fn slots(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < ACCOUNT_SLOTS).then_some((first, last))
}

/// `FIRST-LAST NODE [URL ...]`.
fn home(text: &str) -> Option<Home> {
    let mut words = text.split_whitespace();
    let (first, last) = slots(words.next()?)?;
    Some(Home {
        first,
        last,
        node: words.next()?.to_owned(),
        urls: words.map(str::to_owned).collect(),
    })
}

/// `[FIRST-LAST] address:port`.
fn back_end(text: &str) -> Option<BackEnd> {
    let (first, last, address) = match text.trim().split_once(' ') {
        Some((range, address)) => {
            let (first, last) = slots(range)?;
            (first, last, address)
        }
        None => (0, ACCOUNT_SLOTS - 1, text),
    };
    let address = address.trim().parse().ok()?;
    Some(BackEnd { first, last, address })
}

/// 32 bytes in hexadecimal, with colons between them or without.
fn pin(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    let mut pin = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (index, byte) in pin.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(pin)
}
