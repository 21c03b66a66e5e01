//! What a client can do wrong after the upgrade; each ends the connection with a code (RFC 6455 section 7.4.1).

use std::fmt;

use super::close::CloseCode;

/// A client's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A frame without a mask (section 5.1).
    Unmasked,
    /// A reserved bit is set, and no extension was agreed on (section 5.2).
    ReservedBits,
    /// An opcode that means nothing (section 5.2).
    Opcode(u8),
    /// A length that fits in fewer bytes, or has its highest bit set (section 5.2).
    Length,
    /// A control frame of more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A control frame in fragments (section 5.5).
    ControlFragmented,
    /// A continuation, and nothing to continue (section 5.4).
    NothingToContinue,
    /// A message begins before another has ended (section 5.4).
    MessageInMessage,
    /// A text message, where bytes are spoken.
    Text,
    /// A binary message, where text is spoken.
    Binary,
    /// A message that is not what the subprotocol puts into one.
    Message,
    /// A message longer than is taken here.
    MessageTooLarge,
    /// A close frame of one byte, or with a code that may not stand there (section 7.4).
    CloseCode,
    /// A close frame whose reason is not UTF-8 (section 5.5.1).
    CloseReason,
}

impl Fault {
    /// How it is told to the client.
    #[must_use]
    pub fn code(self) -> CloseCode {
        match self {
            Fault::Text | Fault::Binary => CloseCode::Unsupported,
            Fault::MessageTooLarge => CloseCode::TooBig,
            Fault::CloseReason => CloseCode::InvalidPayload,
            Fault::Unmasked
            | Fault::ReservedBits
            | Fault::Opcode(_)
            | Fault::Length
            | Fault::ControlTooLong
            | Fault::ControlFragmented
            | Fault::NothingToContinue
            | Fault::MessageInMessage
            | Fault::Message
            | Fault::CloseCode => CloseCode::Protocol,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Fault::Unmasked => "a frame is not masked",
            Fault::ReservedBits => "a reserved bit is set",
            Fault::Opcode(opcode) => return write!(out, "opcode {opcode:#x} means nothing"),
            Fault::Length => "a length is not in its shortest form, or beyond 63 bits",
            Fault::ControlTooLong => "a control frame is too long",
            Fault::ControlFragmented => "a control frame is fragmented",
            Fault::NothingToContinue => "a continuation continues nothing",
            Fault::MessageInMessage => "a message begins within another",
            Fault::Text => "a text message where bytes are spoken",
            Fault::Binary => "a binary message where text is spoken",
            Fault::Message => "a message is not what the subprotocol puts into one",
            Fault::MessageTooLarge => "a message is too large",
            Fault::CloseCode => "a close frame has no code that may stand there",
            Fault::CloseReason => "the reason in a close frame is not UTF-8",
        })
    }
}

impl std::error::Error for Fault {}
