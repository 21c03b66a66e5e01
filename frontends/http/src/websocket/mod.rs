//! The server's side of WebSocket (RFC 6455), for protocols that want a stream of bytes out of it.
//!
//! An [`Upgrade`] reads the client's request and answers it, by the rules of an [`Endpoint`]; then [`Frames`] takes the
//! frames of the client apart, and makes those of the server. No extension is offered, so none is spoken.
//!
//! Reading order: `upgrade`, `refusal` (its faults), `header` (one frame's), `frames`, `fault` (theirs), `close`.

mod close;
mod fault;
mod frames;
mod header;
mod refusal;
mod upgrade;

pub use close::CloseCode;
pub use fault::Fault;
pub use frames::{Frames, MESSAGE_BYTES_MAX, Progress};
pub use header::CONTROL_BYTES_MAX;
pub use refusal::Refusal;
pub use upgrade::{Endpoint, Upgrade, Upgraded};
