//! What Crosspoint never loses: the append-only log of messages and the book of everything looked up by key.
#![forbid(unsafe_code)]

pub mod seam;
