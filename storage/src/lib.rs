//! What Crosspoint never loses: the append-only log of messages and the book of everything looked up by key.
//!
//! ```text
//! shard 0 ──┐ batches of requests                        ┌─▶ Log ──one write a group──▶ segment files
//! shard 1 ──┼──────▶ queue ──▶ keeper's thread ──group──▶│
//! shard n ◀─┴──────── replies, one letter a shard ───────└─▶ BookCore ──one transaction a group──▶ redb file
//! ```
//!
//! A shard never touches a disk. It submits requests through [`seam::Journal`] and [`seam::Book`], and gets its replies in its
//! mailbox, a [`seam::ReplySink`], after what they acknowledge is durable. Two keepers, each a thread, serve all shards in
//! groups: while one group is being written, the next one gathers, so that the cost of a commit is shared by whoever is
//! waiting. Without threads the same cores can be called directly: [`log::Log::serve`] followed by [`log::Log::upkeep`], and
//! [`book::BookCore::serve`]; that is what a simulator and the command line do.
//!
//! # Reading order
//! 1. [`seam`]: what the engine asks, and what it is promised.
//! 2. [`log`]: append, settle, commit; its module header names the files that follow (layout, serve, read, segment, upkeep,
//!    recovery).
//! 3. [`disk`]: what the log stands on, with one disk for production, one for simulation and one that fails on demand.
//! 4. [`book`]: the same promises on redb.
//! 5. [`keeper`]: threads and queues.
//! 6. [`limits`] and [`stats`]: every bound, every number.
//!
//! # What is promised
//! - Acknowledged means durable: it survives `kill -9` and a power cut, given a drive that keeps what it has confirmed.
//! - A pending record is delivered by every fetch until it is settled, and is there exactly once.
//! - A torn tail is cut; any other damage stops the start with an error that names file and place. One kind of damage
//!   cannot be told from a torn tail: damage to the very last batch of a log that was not closed cleanly.
//! - A failed write stops the log for good: every later request fails until the process is started again.
//! - Disk use is bounded by twice the pending records plus a constant number of segments; memory by the pending records.
#![forbid(unsafe_code)]

pub mod book;
pub mod disk;
pub mod keeper;
pub mod limits;
pub mod log;
pub mod seam;
pub mod stats;

mod cores;

pub use cores::{BookKeeper, LogKeeper};
