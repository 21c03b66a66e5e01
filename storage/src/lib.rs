//! What Crosspoint never loses: the append-only log of messages and the book of everything looked up by key.
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
