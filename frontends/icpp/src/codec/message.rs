//! The body of messages (SPEC.md section 5).
//!
//! ```text
//!  0 message id, 16 bytes   16 u64 stamp   24 u16 to   26 u16 from   28 u16 extensions   30 u16 kind   32 to | from | extensions | payload
//! ```
//! Invariant: what [`Message::read`] returns has texts that are texts and extensions that can be walked over.

use super::cursor::{Cursor, text};
use super::ext::{self, Ext, Exts};
use super::fault::Fault;

/// Bytes before the addresses.
pub const MESSAGE_HEAD_BYTES: usize = 32;

/// Bytes of `FRAME_MAX` that a client leaves free in its messages, for what the server adds to them: the sender's address, the addressee's as it is
/// prepared, extensions of its own.
pub const ROOM_BYTES: u32 = 8192;

/// A message's identity: a ULID in its binary form.
pub type MessageId = [u8; 16];

/// Kinds of SEND, EDIT, RECALL and DELIVER.
pub mod kind {
    /// Part of a conversation.
    pub const CHAT: u16 = 0;
    /// A single message.
    pub const NORMAL: u16 = 1;
    /// To or from a room.
    pub const GROUPCHAT: u16 = 2;
    /// An alert.
    pub const HEADLINE: u16 = 3;
    /// An earlier message came back.
    pub const ERROR: u16 = 4;
}

/// Kinds of RECEIPT.
pub mod receipt {
    /// A device has it.
    pub const DELIVERED: u16 = 1;
    /// Somebody has seen it.
    pub const DISPLAYED: u16 = 2;
}

/// Kinds of NOTE.
pub mod note {
    /// Looks at the conversation.
    pub const ACTIVE: u16 = 0;
    /// Types.
    pub const COMPOSING: u16 = 1;
    /// Has stopped typing.
    pub const PAUSED: u16 = 2;
    /// Does something else.
    pub const INACTIVE: u16 = 3;
    /// Has left.
    pub const GONE: u16 = 4;
}

/// Extensions of messages.
pub mod tag {
    /// Text.
    pub const SUBJECT: u16 = 0x0001;
    /// Text.
    pub const THREAD: u16 = 0x0002;
    /// Media type of the payload.
    pub const CONTENT_TYPE: u16 = 0x0003;
    /// What to show in place of a payload of another type.
    pub const FALLBACK: u16 = 0x0004;
    /// Nothing: the sender asks for a receipt.
    pub const RECEIPT_WANTED: u16 = 0x0005;
    /// The message that is meant.
    pub const REF: u16 = 0x8006;
    /// The identifier in the protocol that the message came from.
    pub const FOREIGN_ID: u16 = 0x0007;
    /// The same of the message that is meant.
    pub const FOREIGN_REF: u16 = 0x0008;
    /// A copy of what another session 1 received, 2 sent.
    pub const COPY: u16 = 0x0009;
    /// Why it came back.
    pub const CONDITION: u16 = 0x000A;
    /// A kind of NOTE beside a message.
    pub const STATE: u16 = 0x000B;
    /// In ITEMS: the verb that it was, if it was not DELIVER.
    pub const VERB: u16 = 0x000C;
    /// From a room: the same for all sessions of its writer's account there.
    pub const OCCUPANT_ID: u16 = 0x000D;
    /// From a room: its identity in the room's archive.
    pub const RECORD: u16 = 0x000E;
    /// The same of the message that is meant.
    pub const RECORD_REF: u16 = 0x000F;
}

/// The body of a message, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Chosen by its sender.
    pub id: MessageId,
    /// Milliseconds since 1970 << 20, and the log's counter.
    pub stamp: u64,
    /// See [`kind`], [`receipt`] and [`note`].
    pub kind: u16,
    /// Bare or full.
    pub to: &'a str,
    /// Empty from clients.
    pub from: &'a str,
    /// Tagged values.
    pub extensions: &'a [u8],
    /// What was said.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a body. The payload is not looked at.
    pub fn read(body: &'a [u8]) -> Result<Message<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let id = cursor.id()?;
        let stamp = cursor.u64()?;
        let (to, from) = (cursor.u16()?, cursor.u16()?);
        let (extensions, kind) = (cursor.u16()?, cursor.u16()?);
        let message = Message {
            id,
            stamp,
            kind,
            to: cursor.text(to.into())?,
            from: cursor.text(from.into())?,
            extensions: cursor.take(extensions.into())?,
            payload: cursor.rest(),
        };
        if !message.extensions.is_empty() {
            ext::check(message.extensions, &[], known)?;
        }
        Ok(message)
    }

    /// The value of an extension.
    #[must_use]
    pub fn extension(&self, tag: u16) -> Option<&'a [u8]> {
        Exts::new(self.extensions).find(tag)
    }

    /// The value of an extension that is text.
    #[must_use]
    pub fn text_extension(&self, tag: u16) -> Option<&'a str> {
        text(self.extension(tag)?).ok()
    }

    /// The message that this one means.
    #[must_use]
    pub fn reference(&self) -> Option<MessageId> {
        self.extension(tag::REF)?.try_into().ok()
    }

    /// Bytes of the body.
    #[must_use]
    pub fn len(&self) -> usize {
        MESSAGE_HEAD_BYTES + self.to.len() + self.from.len() + self.extensions.len() + self.payload.len()
    }

    /// Never: a message has a head.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Appends the body. Addresses and extensions are below 64 KiB, as every frame is.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut head = [0; MESSAGE_HEAD_BYTES];
        head[..16].copy_from_slice(&self.id);
        head[16..24].copy_from_slice(&self.stamp.to_le_bytes());
        head[24..26].copy_from_slice(&(self.to.len() as u16).to_le_bytes());
        head[26..28].copy_from_slice(&(self.from.len() as u16).to_le_bytes());
        head[28..30].copy_from_slice(&(self.extensions.len() as u16).to_le_bytes());
        head[30..].copy_from_slice(&self.kind.to_le_bytes());
        out.reserve(self.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(self.to.as_bytes());
        out.extend_from_slice(self.from.as_bytes());
        out.extend_from_slice(self.extensions);
        out.extend_from_slice(self.payload);
    }
}

/// Whether an extension of a message is known, and has its shape.
fn known(ext: Ext<'_>) -> Result<bool, Fault> {
    match ext.tag {
        tag::SUBJECT
        | tag::THREAD
        | tag::CONTENT_TYPE
        | tag::FALLBACK
        | tag::FOREIGN_ID
        | tag::FOREIGN_REF
        | tag::OCCUPANT_ID
        | tag::RECORD
        | tag::RECORD_REF => text(ext.value).map(|_| true),
        tag::RECEIPT_WANTED if ext.value.is_empty() => Ok(true),
        tag::REF if ext.value.len() == 16 => Ok(true),
        tag::COPY | tag::STATE | tag::VERB if ext.value.len() == 1 => Ok(true),
        tag::CONDITION if ext.value.len() == 2 => Ok(true),
        tag::RECEIPT_WANTED | tag::REF | tag::COPY | tag::STATE | tag::VERB | tag::CONDITION => Err(Fault::Malformed),
        _ => Ok(false),
    }
}
