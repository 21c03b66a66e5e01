//! Mailboxes: how work crosses cores. N x N bounded lanes, each with one producer and one consumer, and a bell that is
//! rung only for a consumer that sleeps.
//!
//! ```text
//!             consumer 0        consumer 1
//! producer 0  [lane ▸▸▸    ]    [lane ▸      ]   one Senders<T>
//! producer 1  [lane        ]    [lane ▸▸     ]   one Senders<T>
//! producer 2  [lane ▸▸     ]    [lane        ]   one Senders<T>
//!             one Inbox<T>      one Inbox<T>
//! ```
//!
//! An item is what one turn ships to another shard: a chunk, not a message; so a lane's cost is paid once per turn. Emptied,
//! it goes back to its producer along a second, short lane, so that chunks keep their memory ([`Inbox::give_back`]).
//!
//! Invariants:
//! - First in, first out within a lane. Nothing is said about the order between lanes.
//! - A full lane gives the item back; nothing is ever dropped, overwritten or delivered twice.
//! - No lost wake-up: after [`Senders::push`] has returned, the consumer either sees the item before it sleeps, or its
//!   bell rings. The argument stands in `wake.rs`, and `tests/mailbox_model.rs` explores every interleaving of it.
//! - A consumer that is awake costs its producers no system call.
//!
//! The consumer's loop, be it a shard, a plain thread or the simulator:
//!
//! ```text
//! loop {
//!     inbox.drain(budget, |producer, item| ...);
//!     if inbox.park_prepare() { sleep until the bell rings }   // false: something came in meanwhile
//!     inbox.awake();
//! }
//! ```
#![allow(unsafe_code)]

mod lane;
mod mesh;
mod sync;
mod wake;

pub use mesh::{Inbox, Senders, mesh};

/// Wakes a sleeping consumer. Rung from the producers' threads, at most once per sleep of the consumer; a ring before the
/// consumer sleeps must not be lost.
pub trait Bell: Send + Sync {
    /// Wakes the consumer, or keeps it from falling asleep.
    fn ring(&self);
}

/// A shard that sleeps on its ring.
impl Bell for crate::rt::Ringer {
    fn ring(&self) {
        crate::rt::Ringer::ring(self);
    }
}

/// A thread that sleeps in [`std::thread::park`].
impl Bell for std::thread::Thread {
    fn ring(&self) {
        self.unpark();
    }
}
