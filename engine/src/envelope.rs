//! The envelope: the one currency between protocols, and what the router reads of it.
//!
//! A front-end turns a frame into an envelope, the router reads only its addresses and kind, and the addressee's
//! front-end turns it into a frame again. When both ends speak the same codec the content passes untouched: `head` and
//! `body` are shared slices of the sender's own bytes.
//!
//! Invariants:
//! - `from` is stamped by the engine's knowledge of the session, never by what the peer claims.
//! - The content is valid in its codec: whoever receives it may write it out as it is.

use bytes::Bytes;

use crate::jid::Jid;
use crate::stable::StableId;

/// A routed unit: a message, a presence change or a query.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The sender: a full address for sessions, bare for what the server says on a user's behalf.
    pub from: Jid,
    /// The addressee: bare or full.
    pub to: Jid,
    /// What it is.
    pub kind: Kind,
    /// The sender's identifier for it, unescaped UTF-8; empty when there is none.
    pub id: Bytes,
    /// The payload, in the codec of its writer.
    pub content: Content,
    /// What the front-end knows about the payload that the router needs.
    pub hints: Hints,
    /// Why it came back; set when the kind is an error made by this server.
    pub error: Option<Condition>,
    /// When it was taken into the offline queue, in Unix milliseconds; `None` for what is delivered at once.
    pub stamp_ms: Option<u64>,
    /// Where it stands in the archive of the user to whom it is being delivered; set by that user's home.
    pub stable: Option<StableId>,
}

/// The payload of an envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Which codec wrote it.
    pub codec: Codec,
    /// What remains of the frame's head once the addresses, kind and id are taken out, as its codec wrote it. For XMPP:
    /// the start tag's other attributes, each preceded by a space.
    pub head: Bytes,
    /// The frame's body, as its codec wrote it. For XMPP: what stands between the start tag and the end tag.
    pub body: Bytes,
}

/// The codec in which a content is written. The numbers are on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// What every front-end can write: nothing but the envelope's own fields, or a view of what another codec wrote
    /// ([`neutral`](crate::neutral)).
    #[default]
    Neutral = 0,
    /// XML in the default namespace `jabber:client` (RFC 6120).
    Xmpp = 1,
    /// ICPP: extensions in the head, the payload in the body (frontends/icpp/SPEC.md section 5).
    Icpp = 2,
}

/// What an envelope is. The variants' numbers are on disk (see `store.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 6121 section 5.
    Message(MessageKind),
    /// RFC 6121 sections 3 and 4.
    Presence(PresenceKind),
    /// A request or its answer (RFC 6120 section 8.2.3).
    Query(QueryKind),
}

/// RFC 6121 section 5.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A single message, also what an unknown type means.
    Normal,
    /// Part of a conversation.
    Chat,
    /// To or from a room.
    Groupchat,
    /// An alert: never stored.
    Headline,
    /// An earlier message came back.
    Error,
}

/// RFC 6121 section 4.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceKind {
    /// Available; how much is in the content.
    Available,
    /// No longer available.
    Unavailable,
    /// Asks for a subscription.
    Subscribe,
    /// Grants it.
    Subscribed,
    /// Gives it up.
    Unsubscribe,
    /// Refuses or revokes it.
    Unsubscribed,
    /// Asks for current presence (between servers).
    Probe,
    /// An earlier presence came back.
    Error,
}

/// RFC 6120 section 8.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryKind {
    /// Asks.
    Get,
    /// Changes.
    Set,
    /// The answer.
    Result,
    /// The refusal.
    Error,
}

/// Facts about a payload, computed once by the front-end that scanned it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints(u8);

impl Hints {
    /// Nothing known.
    pub const NONE: Hints = Hints(0);
    /// Worth keeping for an absent addressee (it has a body or a payload with a meaning of its own; XEP-0160, XEP-0334).
    pub const STORE: Hints = Hints(1);
    /// Other sessions of sender and addressee get a copy (XEP-0280 section 6).
    pub const COPY: Hints = Hints(2);
    /// May wait until an inactive client wakes up (XEP-0352): typing, presence.
    pub const DEFER: Hints = Hints(4);
    /// Not to be kept when it has been delivered (XEP-0334 section 4.1, no-permanent-store). A record with it is in no archive.
    pub const TRANSIENT: Hints = Hints(16);
    /// An event: of the addressee's sessions only those get it whose front-end says that they want it (XEP-0163 section 4).
    pub const EVENT: Hints = Hints(8);
    /// Worth waking an absent addressee for (XEP-0357): somebody has said something.
    pub const WAKE: Hints = Hints(32);

    /// Both.
    pub const fn with(self, other: Hints) -> Hints {
        Hints(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub const fn has(self, other: Hints) -> bool {
        self.0 & other.0 == other.0
    }

    /// For the disk.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From the disk.
    pub const fn from_bits(bits: u8) -> Hints {
        Hints(bits)
    }
}

/// Why the server refuses or returns something: the stanza errors of RFC 6120 section 8.3.3, protocol-neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// Malformed request.
    BadRequest = 1,
    /// The name is taken.
    Conflict,
    /// Known, not implemented.
    FeatureNotImplemented,
    /// Not allowed for this requester.
    Forbidden,
    /// Our fault.
    InternalServerError,
    /// No such thing.
    ItemNotFound,
    /// Not a valid address.
    JidMalformed,
    /// Well-formed but not acceptable (limits, blocked by yourself).
    NotAcceptable,
    /// No one may do this.
    NotAllowed,
    /// Authenticate first.
    NotAuthorized,
    /// Against the service's policy.
    PolicyViolation,
    /// The other server does not exist or cannot be reached from here.
    RemoteServerNotFound,
    /// The other server did not answer in time.
    RemoteServerTimeout,
    /// Try later: a bound was reached.
    ResourceConstraint,
    /// Nobody here to answer.
    ServiceUnavailable,
    /// Subscribe first.
    SubscriptionRequired,
    /// Unexpected at this point.
    UnexpectedRequest,
    /// Become a member first.
    RegistrationRequired,
}

impl Condition {
    /// All of them, in the order of their numbers.
    pub const ALL: [Condition; 18] = [
        Condition::BadRequest,
        Condition::Conflict,
        Condition::FeatureNotImplemented,
        Condition::Forbidden,
        Condition::InternalServerError,
        Condition::ItemNotFound,
        Condition::JidMalformed,
        Condition::NotAcceptable,
        Condition::NotAllowed,
        Condition::NotAuthorized,
        Condition::PolicyViolation,
        Condition::RemoteServerNotFound,
        Condition::RemoteServerTimeout,
        Condition::ResourceConstraint,
        Condition::ServiceUnavailable,
        Condition::SubscriptionRequired,
        Condition::UnexpectedRequest,
        Condition::RegistrationRequired,
    ];
}

impl Envelope {
    /// An envelope that the server itself makes: neutral content, no identifier.
    pub fn neutral(from: Jid, to: Jid, kind: Kind) -> Envelope {
        Envelope {
            from,
            to,
            kind,
            id: Bytes::new(),
            content: Content::default(),
            hints: Hints::NONE,
            error: None,
            stamp_ms: None,
            stable: None,
        }
    }

    /// The same thing coming back to its sender as an error, or `None` for what is never answered: errors, answers and
    /// presence (RFC 6120 section 8.3.1: an error is not answered by an error).
    pub fn bounce(self, condition: Condition) -> Option<Envelope> {
        let kind = match self.kind {
            Kind::Message(MessageKind::Error) => return None,
            Kind::Message(_) => Kind::Message(MessageKind::Error),
            Kind::Query(QueryKind::Get | QueryKind::Set) => Kind::Query(QueryKind::Error),
            Kind::Query(_) | Kind::Presence(_) => return None,
        };
        Some(Envelope {
            from: self.to,
            to: self.from,
            kind,
            error: Some(condition),
            stable: None,
            ..self
        })
    }

    /// The same for somebody else.
    #[must_use]
    pub fn for_another(&self, to: Jid) -> Envelope {
        Envelope {
            from: self.from.clone(),
            to,
            kind: self.kind,
            id: self.id.clone(),
            content: self.content.clone(),
            hints: self.hints,
            error: self.error,
            stamp_ms: self.stamp_ms,
            stable: self.stable,
        }
    }

    /// The answer to a query, with the given content.
    pub fn answer(&self, content: Content) -> Envelope {
        Envelope {
            from: self.to.clone(),
            to: self.from.clone(),
            kind: Kind::Query(QueryKind::Result),
            id: self.id.clone(),
            content,
            hints: Hints::NONE,
            error: None,
            stamp_ms: None,
            stable: None,
        }
    }

    /// Gives the payload memory of its own. Whatever outlives the turn is compacted first, so that a hundred bytes kept
    /// never hold on to the whole read buffer that they arrived in.
    pub fn compact(&mut self) {
        self.compact_content();
        self.from = self.from.detached();
        self.to = self.to.detached();
    }

    /// As [`Envelope::compact`], for an envelope whose addresses have memory of their own already.
    pub fn compact_content(&mut self) {
        for part in [&mut self.id, &mut self.content.head, &mut self.content.body] {
            *part = if part.is_empty() {
                Bytes::new()
            } else {
                Bytes::copy_from_slice(part)
            };
        }
    }

    /// Bytes that it occupies beside the struct: what the bounds count.
    pub fn weight(&self) -> usize {
        size_of::<Envelope>() + self.id.len() + self.content.head.len() + self.content.body.len()
    }
}

/// A copy of the bytes that takes one allocation where it is short: bytes and count of references in one piece.
#[must_use]
pub fn copy(bytes: &[u8]) -> Bytes {
    match bytes.len() {
        0..=256 => Bytes::from_owner(Inline::<256>::of(bytes)),
        257..=1024 => Bytes::from_owner(Inline::<1024>::of(bytes)),
        _ => Bytes::copy_from_slice(bytes),
    }
}

/// At most `N` bytes, in place.
struct Inline<const N: usize> {
    len: u16,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    fn of(source: &[u8]) -> Inline<N> {
        let mut bytes = [0; N];
        bytes[..source.len()].copy_from_slice(source);
        let len = source.len() as u16;
        Inline { len, bytes }
    }
}

impl<const N: usize> AsRef<[u8]> for Inline<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_copies_hold_what_was_copied() {
        for length in [0, 1, 255, 256, 257, 1024, 1025, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            assert_eq!(copy(&bytes), bytes);
        }
    }
}
