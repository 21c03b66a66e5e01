//! A client for ICPP, Crosspoint's binary protocol for instant messages (`frontends/icpp/SPEC.md`).
//!
//! Two layers: [`core`], the protocol without sockets, clock or randomness, for any runtime; and, with the feature `tokio` (on by
//! default), `Client`, which drives it.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use crosspoint_client::core::Incoming;
//! use crosspoint_client::{Client, FileStore};
//!
//! let client = Client::builder()
//!     .urls(["icpps://chat.example.org:5300", "icpps://chat2.example.org:5300"])
//!     .account("juliet@example.org")
//!     .password("secret")
//!     .state(FileStore::open("juliet.state")?)
//!     .connect()
//!     .await?;
//! client.send("romeo@example.org", "Wherefore art thou?").await?;
//! let mut messages = client.messages();
//! while let Some(incoming) = messages.next().await {
//!     if let Incoming::Message(message) = incoming {
//!         println!("{}: {}", message.sender(), message.text());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! The examples `echo` (a bot), `chat` (in the terminal) and `pipe` (for scripts) are whole programs.
//!
//! What it promises: a message that `send` says is sent is on the server's disk, or in its addressee's hands. Whatever
//! happens to connections, networks and servers before that, it is sent again, under the same id, until it is. The other way, each
//! message is given to the application once, in order, and the server keeps it until the application has come back for the next one.
//!
//! Invariants: nothing is unbounded ([`core::limits`]); whatever a server sends ends in an event, never in a panic.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod core;
#[cfg(feature = "tokio")]
mod driver;
pub mod store;

#[cfg(feature = "tokio")]
pub use driver::{
    Builder, Client, ConnectError, Events, Messages, Page, Presences, RequestFailed, Room, SendError, Sent, TrustError,
};
pub use store::{FileStore, MemoryStore, StateStore};

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// The codec: kinds of messages, codes of errors, verbs.
pub use crosspoint_icpp::codec;
