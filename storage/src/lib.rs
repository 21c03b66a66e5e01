//! What Crosspoint never loses: the append-only log of messages, which is their archive too, and the book of everything looked
//! up by key.
//!
//! ```text
//! shard 0 ──┐ batches of requests                        ┌─▶ Log ──one write a group──▶ segment files
//! shard 1 ──┼──────▶ queue ──▶ keeper's thread ──group──▶│    └─reads─▶ Reader, a thread ◀──────┘
//! shard n ◀─┴──────── replies, one letter a shard ───────└─▶ BookCore ──one transaction a group──▶ redb file
//! ```
//!
//! A shard never touches a disk. It submits requests through [`seam::Journal`] and [`seam::Book`], and gets its replies in its
//! mailbox, a [`seam::ReplySink`], after what they acknowledge is durable. Two keepers, each a thread, serve all shards in
//! groups: while one group is being written, the next one gathers, so that the cost of a commit is shared by whoever is
//! waiting. What must be read from segments (pending records to deliver, pages of history) is read by a third thread with file
//! handles of its own, so that a cold disk delays no commit. Without threads the same cores can be called directly: [`log::Log::serve`] followed by [`log::Log::upkeep`], and
//! [`book::BookCore::serve`]; that is what a simulator and the command line do.
//!
//! # Reading order
//! 1. [`seam`]: what the engine asks, and what it is promised.
//! 2. [`log`]: append, settle, commit; its module header names the files that follow (layout, serve, archive, reader, segments,
//!    upkeep, retention, recovery, checkpoint).
//! 3. [`disk`]: what the log stands on, with one disk for production, one for simulation and one that fails on demand.
//! 4. [`book`]: the same promises on redb.
//! 5. [`keeper`]: threads and queues.
//! 6. [`limits`] and [`stats`]: every bound, every number.
//!
//! # What is promised
//! - Acknowledged means durable: it survives `kill -9` and a power cut, given a drive that keeps what it has confirmed.
//! - A pending record is delivered by every fetch until it is settled, and is there exactly once.
//! - An archived record is as durable as a pending one, by the same write, and can be read until retention removes it, its user
//!   is forgotten, or it is redacted.
//! - A torn tail is cut; any other damage stops the start with an error that names file and place. One kind of damage
//!   cannot be told from a torn tail: damage to the very last batch of a log that was not closed cleanly. With an archive, what
//!   lies before the last checkpoint is not read at the start: damage there fails the pages of history that lead through it,
//!   and hides what is older down to the next skip, 31 records at most.
//! - A failed write stops the log for good: every later request fails until the process is started again.
//! - Disk use is bounded by twice the pending records plus a constant number of segments, or by what the archive may have if that
//!   is more. Memory: 24 bytes a pending record; with an archive 48 bytes an owner of one, 16 a redaction, and what hash tables
//!   leave free; nothing for an archived record. A checkpoint takes about as much again while it is being written.
#![forbid(unsafe_code)]

pub mod book;
pub mod disk;
pub mod keeper;
pub mod limits;
pub mod log;
pub mod seam;
pub mod stats;

mod cores;
mod span;

pub use cores::{BookKeeper, LogKeeper};
