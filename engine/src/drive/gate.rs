//! A way in for connections that were accepted elsewhere: by a thread that listens for several protocols, or that speaks one
//! itself and brings what it has made of it, a socket pair's end.
//!
//! Invariants:
//! - The shard that takes a connection in judges it as if it had accepted it.
//! - Nothing waits here: when a shard is so far behind that its lane is full, the connection is closed.

use std::net::IpAddr;

use super::Chunk;
use super::link::{Buffers, Carried};
use crate::mailbox::Senders;
use crate::rt::Detached;
use crate::shard::Item;

/// Lets connections in, to each shard in turn.
pub struct Gate {
    lanes: Senders<Chunk>,
    next: usize,
}

/// A connection that somebody else has accepted.
#[derive(Debug)]
pub struct Arrival {
    /// Its stream of bytes.
    pub socket: Detached,
    /// Where its client is.
    pub address: IpAddr,
    /// Index of the front-end.
    pub frontend: usize,
    /// Index of the listener within the front-end's configuration.
    pub listener: usize,
}

impl Gate {
    pub(crate) fn new(lanes: Senders<Chunk>) -> Gate {
        Gate { lanes, next: 0 }
    }

    /// Lets a connection in; false if it was closed instead.
    pub fn admit(&mut self, arrival: Arrival) -> bool {
        let shard = self.next % self.lanes.consumers();
        self.next = shard + 1;
        let carried = Carried {
            socket: arrival.socket,
            peer: arrival.address,
            origin: (arrival.frontend as u8, arrival.listener as u8),
            buffers: Buffers::default(),
        };
        let mut chunk = self.lanes.spare(shard).unwrap_or_default();
        chunk.push(Item::Arrive(Box::new(carried)));
        self.lanes.push(shard, chunk).is_ok()
    }
}
