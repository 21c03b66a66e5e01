//! The codec: bytes to borrowed frames, and back. SPEC.md is its law; the tests hold every layout to bytes.
//!
//! Reading order: `header` (frames), `verb`, `fault`, `ext` (tagged values), `message` (the hot path), then a file for each
//! family of bodies: `hello`, `presence`, `contacts`, `sync`, `refusal`, `elsewhere`, `rooms`. `ulid` is for other protocols' sake.
//!
//! Invariants: no I/O, no clock, no allocation but what the output needs to grow; whatever a peer sends is a frame, a partial frame or a [`Fault`].

pub mod contacts;
pub mod cursor;
pub mod elsewhere;
pub mod ext;
mod fault;
mod header;
pub mod hello;
pub mod message;
pub mod presence;
mod refusal;
pub mod rooms;
pub mod sync;
pub mod ulid;
mod verb;

pub use fault::{Code, Fault};
pub use header::{
    FRAME_BYTES, FRAME_BYTES_BEFORE_LOGIN, Flags, Frame, HEADER_BYTES, Header, Opening, PREFACE, Scan, VERSION,
    preface, scan, whole, write_frame,
};
pub use message::{Message, MessageId};
pub use refusal::Refusal;
pub use verb::Verb;
