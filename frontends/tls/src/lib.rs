//! TLS for the front-ends: TLS 1.2 and 1.3 without I/O, over rustls's unbuffered API. The server's side, and the client's
//! ([`ClientTls`]) for connections that a front-end opens itself.
//!
//! [`Tls`] turns received bytes into plaintext and bytes to send; it owns no socket and moves between threads with the
//! socket that it belongs to. [`TlsConfig`] is what it is made from: certificate, key, parameters.
//!
//! Invariants:
//! - All of rustls is here: no other crate names it, so that its unbuffered API can change in one place.
//! - An idle session holds no buffer: only a record that has not arrived in full is kept.
//! - Every mistake of the peer ends in a [`TlsFault`], with the alert that tells it so among the bytes to send.
//! - No key and no secret leaves this crate, except the channel binding, which is not secret (RFC 9266 section 4).
#![forbid(unsafe_code)]

mod client;
mod config;
mod end_point;
mod fault;
mod limits;
mod records;
mod session;
mod tap;

pub use client::{ClientTls, ClientTlsConfig, Pin};
pub use config::{ConfigError, Identity, TlsConfig};
pub use end_point::server_end_point;
pub use fault::TlsFault;
pub use limits::HANDSHAKE_BYTES_MAX;
pub use session::{Facts, Tls, TlsStatus, TlsVersion};
