//! The front-end role: connections end here, and what clients say goes over trunks to the back-end where their accounts
//! live, unread but for the headers (SPEC.md section 11.3).
//!
//! ```text
//!   client ─▶ EdgeSession ──Relay──▶ EdgeFront ──write──▶ trunk's outbox ─▶ back-end
//!   client ◀── its outbox ◀──write── EdgeFront ◀──Relay── EdgeTrunk ◀────── back-end
//! ```
//! One [`EdgeFront`] a shard of this process, each with trunks of its own, one to each shard of each back-end. `client` and
//! `link` are the two kinds of sessions, `front` decides what comes of
//! it all, `trunks` keeps the trunks up, `table` knows who is at which slot, `drain`
//! sees the clients off.
//!
//! Invariants:
//! - What a client sends can name no slot but its own, and none of the words that the ends of a trunk have for each other.
//! - Whoever writes faster than the other end reads is paused: a client for its trunk, a client for its own passenger; and a
//!   client that does not read is told of to the back-end, which then keeps for it what can wait.

mod client;
mod drain;
mod figures;
mod front;
mod link;
mod neighbours;
mod table;
#[cfg(test)]
mod tests;
mod trunks;

use std::net::SocketAddr;
use std::sync::Arc;

use crosspoint_engine::service::Cipher;

use crate::redirect::{Home, LoadPolicy};
use crate::trunk::ClusterKey;

pub use client::EdgeSession;
pub use figures::EdgeFigures;
pub use front::EdgeFront;
pub use link::EdgeTrunk;

/// HELLO must have come by then.
pub const HELLO_MS: u64 = 30_000;
/// A trunk that could not be made is tried again after a random time up to this, doubled each time...
pub const RETRY_MS: u64 = 100;
/// ...up to this.
pub const RETRY_MS_MAX: u64 = 5_000;
/// A client that cannot be served is told to try again after a random time between this and twice as much.
pub const CLIENT_RETRY_MS: u32 = 500;

/// Makes our end of a connection's cipher.
pub type CipherFactory = Arc<dyn Fn() -> Option<Box<dyn Cipher>> + Send + Sync>;

/// The front-end's configuration.
#[derive(Clone)]
pub struct EdgeConfig {
    /// Its name.
    pub node: String,
    /// Where clients reach it.
    pub urls: Vec<String>,
    /// How much it may have, beside others.
    pub weight: u16,
    /// Where accounts live.
    pub back_ends: Vec<BackEnd>,
    /// Makes our end of a trunk's cipher; `None`: trunks are not encrypted.
    pub trunk_cipher: Option<CipherFactory>,
    /// The cluster's.
    pub key: ClusterKey,
    /// Makes the cipher that connections of a listener begin with; `None`: plain frames.
    pub listeners: Vec<EdgeListener>,
    /// Who belongs to which front-end.
    pub homes: Vec<Home>,
    /// When load is shed.
    pub load: LoadPolicy,
    /// How long clients have to go elsewhere in a drain, in milliseconds.
    pub drain_ms: u64,
    /// Shards of this process.
    pub shards: u32,
    /// What all of them count together.
    pub figures: Arc<EdgeFigures>,
}

/// A back-end, and which accounts live there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackEnd {
    /// First slot.
    pub first: u16,
    /// Last slot, inclusive.
    pub last: u16,
    /// Where it listens for trunks.
    pub address: SocketAddr,
}

/// How one listener speaks.
#[derive(Clone)]
pub struct EdgeListener {
    /// TLS, WebSocket, or both; `None`: plain frames.
    pub cipher: Option<CipherFactory>,
    /// Passwords may be shown on it.
    pub private: bool,
}

/// What is written on parcels.
pub(crate) mod label {
    /// From a client: its HELLO has come. An [`Arrival`](super::client::Arrival).
    pub(crate) const ARRIVED: u16 = 1;
    /// From a client: frames, its slot in their headers.
    pub(crate) const SAID: u16 = 2;
    /// From a client: it is gone. Nothing, or a code to end with (u16).
    pub(crate) const LEFT: u16 = 3;
    /// From a client: it has caught up in reading.
    pub(crate) const READS: u16 = 4;
    /// To a client: it has this slot (u16).
    pub(crate) const ADMITTED: u16 = 5;
    /// To a client: that is all.
    pub(crate) const DISMISSED: u16 = 6;
    /// To a client: it is logged in.
    pub(crate) const ONLINE: u16 = 13;
    /// From a trunk: how many shards there are (u16).
    pub(crate) const WELCOMED: u16 = 7;
    /// From a trunk: it is up.
    pub(crate) const UP: u16 = 8;
    /// From a trunk: it is gone.
    pub(crate) const DOWN: u16 = 9;
    /// From a trunk: the nodes that there are. The body of a TOPOLOGY.
    pub(crate) const NODES: u16 = 10;
    /// From a trunk: frames for clients.
    pub(crate) const HEARD: u16 = 11;
    /// From a trunk: it has room again.
    pub(crate) const ROOM: u16 = 12;
}
