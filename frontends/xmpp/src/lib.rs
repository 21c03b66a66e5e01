//! The XMPP front-end: the codec, a session without I/O, and the front that a shard holds.
//!
//! The road of a stanza: [`codec::Scanner`] validates it and finds its parts; [`session::XmppSession`] checks it, makes an
//! envelope of it and asks the shard to route it; the addressee's session writes it to its outbox. Queries to the server
//! or to an account are answered by `features`.
//!
//! Invariants: nothing in here does I/O or reads a clock; only bytes that the scanner has passed are forwarded.

#![forbid(unsafe_code)]

pub mod codec;
pub mod config;
pub mod features;
pub mod front;
pub mod limits;
pub mod session;
mod stanza;

pub use config::XmppConfig;
pub use front::XmppFront;
