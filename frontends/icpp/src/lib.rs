//! The ICPP front-end: the codec, a session without I/O, and the front that a shard holds. `SPEC.md` describes the protocol.
//!
//! With the feature `front` off, only [`codec`] is left, and no other part of the server comes with it.
//!
//! Invariants: nothing in here does I/O or reads a clock.

#![forbid(unsafe_code)]

pub mod codec;
#[cfg(feature = "front")]
pub mod edge;
#[cfg(feature = "front")]
pub mod redirect;
#[cfg(feature = "front")]
pub mod trunk;
