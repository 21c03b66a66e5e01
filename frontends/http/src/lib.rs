//! HTTP/1.1 for the front-ends, without I/O: what of it more than one of them needs.
//!
//! [`head`] reads a request's head, strictly. [`websocket`] is the server's side of RFC 6455, from the upgrade request to a
//! stream of bytes.
//!
//! Invariants:
//! - No I/O, no clock, no randomness: bytes are arguments, and what is to be sent is appended to a buffer of the caller's.
//! - No front-end is known here, and no part of the engine.
//! - Every mistake of a peer is one of a closed list, and each has its answer.
#![forbid(unsafe_code)]

pub mod head;
pub mod websocket;
