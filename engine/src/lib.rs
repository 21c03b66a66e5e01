//! The switching engine: users, not protocols.
//!
//! A message's road, and a newcomer's reading order:
//! 1. [`envelope`]: what is switched.
//! 2. [`session`]: how a connected client looks from here; [`service`]: what else a front-end offers.
//! 3. [`shard`]: one core's users and sessions, and what happens to them; plain code, no I/O.
//! 4. [`mailbox`]: from shard to shard.
//! 5. [`drive`](crate::switch): a shard on its ring; [`rt`] names the ring.
//! 6. [`switch`]: all of it put together; [`control`]: the administrator's hand on it.
//!
//! Beside the road: [`jid`] and [`slots`] (who lives where), [`roster`], [`blocking`], [`admitting`], [`scram`], [`tokens`], [`accounts`], [`guard`],
//! [`administration`] (what an administrator may order),
//! [`wheel`], [`store`] (envelopes at rest), [`neutral`] (what all protocols can say), [`limits`], [`metrics`].
//!
//! Invariants: the engine knows no wire format and no front-end; only [`rt`] (a crate of its own) names monoio, io_uring and libc; only [`rt`]
//! and [`mailbox`] have unsafe code.
#![deny(unsafe_code)]

pub mod accounts;
pub mod administration;
pub mod admitting;
pub mod archiving;
pub mod attached;
pub mod blocking;
pub mod control;
mod drive;
pub mod envelope;
pub mod guard;
pub mod jid;
pub mod keysmith;
pub mod limits;
pub mod mailbox;
pub mod metrics;
pub mod neutral;
pub mod relay;
pub mod rooms;
pub mod roster;
pub use crosspoint_rt as rt;
pub mod scram;
pub mod service;
pub mod session;
pub mod shard;
pub mod slots;
pub mod stable;
pub mod store;
pub mod switch;
pub mod tokens;
pub mod wheel;
