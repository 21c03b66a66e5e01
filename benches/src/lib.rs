//! What the switch's parts cost, measured without sockets and without a disk.
//!
//! [`world`] drives real shards with real XMPP sessions as the ring's driver would, over the real mailbox; [`keepers`] stands
//! where log and book are; [`client`] logs people in; [`scenes`] are small situations that can be repeated for ever, one round
//! after the other. The criterion benches (`benches/`), the test of allocations (`tests/`) and the instruction counter
//! (`src/bin/instructions.rs`, run by `perf/instructions/run`) all play the same scenes. [`corpus`] is what clients say.
//!
//! Invariants:
//! - A scene is checked before it is measured: what should arrive has arrived, once.
//! - Nothing here is random, reads a clock, or depends on the machine: two runs execute the same instructions.

#![deny(unsafe_code)]

pub mod client;
pub mod corpus;
pub mod counting;
pub mod icpp;
pub mod keepers;
pub mod rooms;
pub mod scenes;
pub mod world;
