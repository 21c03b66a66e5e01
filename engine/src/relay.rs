//! What connects the sessions of one front-end on one shard beyond users: parcels between them and their front-end, and what
//! that may do with connections. For front-ends that pass on what others have written.
//!
//! Invariants:
//! - All of it happens on one shard; there is no lock, and nothing waits.
//! - A session is called by nobody but its shard: what the front-end tells it arrives as an event.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::session::{Farewell, Now, Random};
use crate::shard::SessionId;

/// Something between a session and its front-end, or its carrier. The engine does not look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What it is: a number that those concerned have agreed upon.
    pub label: u16,
    /// What belongs to it.
    pub bytes: Bytes,
}

impl Parcel {
    /// Nothing but a label.
    #[must_use]
    pub const fn bare(label: u16) -> Parcel {
        Parcel {
            label,
            bytes: Bytes::new(),
        }
    }
}

/// What a shard does for a front-end that relays. Sessions that are gone are named without harm.
pub trait RelayHost {
    /// The time of this turn.
    fn now(&self) -> Now;

    /// Unpredictable bytes.
    fn random(&mut self) -> &mut dyn Random;

    /// Adds to what waits for a session's socket: `write` is given the outbox. False if the session is gone.
    fn write(&mut self, to: SessionId, write: &mut dyn FnMut(&mut Vec<u8>)) -> bool;

    /// Bytes that wait for a session's socket.
    fn waiting(&self, session: SessionId) -> usize;

    /// Whether a session has more waiting than it should; it gets `Drained` when that is over.
    fn is_slow(&self, session: SessionId) -> bool;

    /// The session gets `Relayed`. False if it is gone.
    fn tell(&mut self, to: SessionId, parcel: Parcel) -> bool;

    /// Reads no more from a session's connection, or reads on.
    fn pause(&mut self, session: SessionId, paused: bool);

    /// The client of a session is known: it counts no more among those that have not authenticated.
    fn authenticated(&mut self, session: SessionId);

    /// Ends a session: it gets `Farewell`.
    fn dismiss(&mut self, session: SessionId, why: Farewell);

    /// Opens a connection, encrypted if the front-end has a cipher for it
    /// ([`Frontend::cipher_towards`](crate::service::Frontend::cipher_towards)); answered by [`Frontend::connected`](crate::service::Frontend::connected) or
    /// [`Frontend::connect_failed`](crate::service::Frontend::connect_failed) with the same key.
    fn connect(&mut self, key: u32, address: SocketAddr);
}
