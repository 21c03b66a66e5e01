//! The XMPP front-end: the codec, a session without I/O, and the front that a shard holds.
//!
//! The road of a stanza: [`codec::Scanner`] validates it and finds its parts; [`session::XmppSession`] checks it, makes an
//! envelope of it and asks the shard to route it; the addressee's session writes it to its outbox. Queries to the server
//! or to an account are answered by `features`.
//!
//! With the feature `front` off, only [`codec`] is left, and no other part of the server comes with it.
//!
//! Invariants: nothing in here does I/O or reads a clock; only bytes that the scanner has passed are forwarded.

#![forbid(unsafe_code)]

#[cfg(feature = "front")]
pub mod bosh;
pub mod codec;
#[cfg(feature = "front")]
pub mod components;
#[cfg(feature = "front")]
pub mod config;
#[cfg(feature = "front")]
pub mod features;
pub mod framing;
#[cfg(feature = "front")]
pub mod front;
pub mod limits;
#[cfg(feature = "front")]
mod neutral;
#[cfg(feature = "front")]
mod rooms;
#[cfg(feature = "front")]
pub mod session;
#[cfg(feature = "front")]
mod stanza;

#[cfg(feature = "front")]
pub use config::XmppConfig;
#[cfg(feature = "front")]
pub use features::exchange;
#[cfg(feature = "front")]
pub use front::XmppFront;
