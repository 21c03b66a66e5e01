//! XMPP in messages instead of a stream (RFC 7395): what stands in a WebSocket's text message, from and to the bytes of a
//! stream, so that a session knows of streams only.
//!
//! ```text
//!   message                                        stream
//!   <open xmlns='...framing' to='a' .../>    ◀──▶  <?xml ...?><stream:stream to='a' ...>
//!   <message xmlns='jabber:client'>...       ◀──▶  <message>...
//!   <close xmlns='...framing'/>              ◀──▶  </stream:stream>
//! ```
//! Reading order: `tags` (where elements begin and end), `inbound`, `outbound`.
//!
//! Invariants:
//! - No I/O, no clock. Nothing is validated here that the scanner validates: [`Inbound`] counts, so that a message is one
//!   whole element, and passes on.
//! - Of a client's message nothing is kept but the count, unless it may be an `<open/>` or a `<close/>`, which are short.

mod inbound;
mod outbound;
mod tags;

pub use inbound::{FRAME_BYTES_MAX, FramingFault, Inbound};
pub use outbound::Outbound;

/// Namespace of `<open/>` and `<close/>` (RFC 7395 section 3.3.1).
pub const NS: &str = "urn:ietf:params:xml:ns:xmpp-framing";

/// The subprotocol's name (RFC 7395 section 3.1).
pub const SUBPROTOCOL: &str = "xmpp";
