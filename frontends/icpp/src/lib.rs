//! The ICPP front-end: the codec, a session without I/O, and the front that a shard holds. `SPEC.md` describes the protocol.
//!
//! The road of a message: [`codec::scan`] finds a frame, `session/inbound.rs` makes an envelope of it without touching the payload, the
//! addressee's session writes a new header and the sender's own bytes behind it (`session/outbound.rs`). What is asked of the server is
//! answered by `queries.rs`; `neutral.rs` knows how other protocols would say it.
//!
//! With the feature `front` off, only [`codec`] is left, and no other part of the server comes with it.
//!
//! Invariants: nothing in here does I/O or reads a clock.

#![forbid(unsafe_code)]

pub mod codec;
#[cfg(feature = "front")]
pub mod config;
#[cfg(feature = "front")]
pub mod edge;
#[cfg(feature = "front")]
pub mod faults;
#[cfg(feature = "front")]
pub mod figures;
#[cfg(feature = "front")]
mod front;
#[cfg(feature = "front")]
pub mod limits;
#[cfg(feature = "front")]
mod neutral;
#[cfg(feature = "front")]
mod parts;
#[cfg(feature = "front")]
mod prometheus;
#[cfg(feature = "front")]
mod queries;
#[cfg(feature = "front")]
pub mod redirect;
#[cfg(feature = "front")]
mod rooms;
#[cfg(feature = "front")]
pub mod session;
#[cfg(feature = "front")]
pub mod ticket;
#[cfg(feature = "front")]
pub mod trunk;

#[cfg(feature = "front")]
pub use config::IcppConfig;
#[cfg(feature = "front")]
pub use front::IcppFront;
#[cfg(feature = "front")]
pub use neutral::to_neutral;
