//! A message frame as the content of an envelope, and back, without a copy.
//!
//! ```text
//!   frame:    0 len | 4 verb flags slot id ack | 16 message id  stamp  to_len from_len ext_len kind | 48 to | extensions | payload
//!   content:          [-------------------------- head, 44 bytes --------------------------------]        [------- body -------]
//! ```
//! A query's content is the verb and flags of its frame (head), and the frame's body.
//!
//! Invariant: a head that [`Parts::of`] takes was made by this file.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content};

use crate::codec::message::MESSAGE_HEAD_BYTES;
use crate::codec::{Flags, HEADER_BYTES, Message, MessageId, Verb};

/// Where a content's head begins within its frame: after the length.
pub(crate) const HEAD_OFFSET: usize = 4;
/// Bytes of a content's head.
pub(crate) const HEAD_BYTES: usize = HEADER_BYTES + MESSAGE_HEAD_BYTES - HEAD_OFFSET;

/// What a content says beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) verb: Verb,
    pub(crate) id: MessageId,
    pub(crate) kind: u16,
    pub(crate) extensions: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Of a content that this codec wrote; `None` if it is damaged.
    pub(crate) fn of(content: &'a Content) -> Option<Parts<'a>> {
        let head: &[u8; HEAD_BYTES] = content.head.as_ref().try_into().ok()?;
        let number = |at: usize| u16::from_le_bytes([head[at - HEAD_OFFSET], head[at - HEAD_OFFSET + 1]]);
        let (extensions, payload) = content.body.split_at_checked(number(44).into())?;
        Some(Parts {
            verb: Verb::from_number(head[0])?,
            id: std::array::from_fn(|index| head[HEADER_BYTES - HEAD_OFFSET + index]),
            kind: number(46),
            extensions,
            payload,
        })
    }

    /// The same as a message without addresses.
    pub(crate) fn message(&self) -> Message<'a> {
        Message {
            id: self.id,
            stamp: 0,
            kind: self.kind,
            to: "",
            from: "",
            extensions: self.extensions,
            payload: self.payload,
        }
    }
}

/// A content of these parts, made here and not by a client.
#[cfg(test)]
pub(crate) fn content(verb: Verb, message: &Message<'_>) -> Content {
    let mut frame = Vec::new();
    crate::codec::write_frame(&mut frame, crate::codec::Header::push(verb, 0), |out| {
        message.write(out)
    });
    let frame = Bytes::from(frame);
    let body = HEADER_BYTES + MESSAGE_HEAD_BYTES + message.to.len() + message.from.len();
    Content {
        codec: Codec::Icpp,
        head: frame.slice(HEAD_OFFSET..HEAD_OFFSET + HEAD_BYTES),
        body: frame.slice(body..),
    }
}

/// The content of a query or of its answer.
pub(crate) fn query(verb: Verb, flags: Flags, body: impl Into<Bytes>) -> Content {
    Content {
        codec: Codec::Icpp,
        head: Bytes::copy_from_slice(&[verb as u8, flags.0]),
        body: body.into(),
    }
}

/// Verb and flags of a query's content.
pub(crate) fn query_head(content: &Content) -> Option<(Verb, Flags)> {
    match content.head[..] {
        [verb, flags] => Some((Verb::from_number(verb)?, Flags(flags))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_back() {
        let message = Message {
            id: *b"0123456789abcdef",
            stamp: 7,
            kind: 3,
            to: "juliet@capulet.lit",
            from: "",
            extensions: &[1, 0, 2, 0, b'h', b'i'],
            payload: b"Wherefore?",
        };
        let content = content(Verb::Edit, &message);
        let parts = Parts::of(&content).unwrap();
        assert_eq!((parts.verb, parts.id, parts.kind), (Verb::Edit, message.id, 3));
        assert_eq!((parts.extensions, parts.payload), (message.extensions, message.payload));
    }

    #[test]
    fn a_damaged_head_is_none() {
        let content = Content {
            codec: Codec::Icpp,
            head: Bytes::from_static(&[0x20; HEAD_BYTES]),
            body: Bytes::new(),
        };
        assert_eq!(Parts::of(&content), None, "extensions longer than the body");
        let short = Content {
            head: content.head.slice(1..),
            ..content
        };
        assert_eq!(Parts::of(&short), None);
    }
}
