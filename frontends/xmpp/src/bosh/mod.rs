//! XMPP over HTTP (XEP-0124, XEP-0206): requests and their answers on one side, the bytes of a stream on the other, so that a
//! session knows of streams only.
//!
//! ```text
//!   POST <body rid='7'>stanzas</body>  ──▶ [Request] ──▶ Bosh ──▶ Output::Stream(stanzas)
//!   200  <body>stanzas</body>          ◀── Output::Answer ◀── Bosh ◀── stream bytes (framing::Outbound)
//! ```
//! Reading order: `request` (what a client says), `session`, `answer` (what it is told).
//!
//! Invariants:
//! - No I/O, no clock: time is an argument, and what is to be done is pushed as [`Output`]s.
//! - Every request is answered once; what was answered is kept for as many requests as may be under way.
//! - Requests are acted upon in the order of their numbers, each once.

mod answer;
mod request;
mod session;

pub use answer::{Condition, terminate};
pub use request::{BODY_BYTES_MAX, BadBody, Request};
pub use session::{Bosh, INACTIVITY_MS, Output, QUEUE_BYTES_MAX, REQUESTS_PER_S_MAX, WAIT_S_MAX};

/// Namespace of `<body/>`.
pub const NS: &str = "http://jabber.org/protocol/httpbind";

/// Namespace of what XMPP adds to it (XEP-0206).
pub const NS_XBOSH: &str = "urn:xmpp:xbosh";
