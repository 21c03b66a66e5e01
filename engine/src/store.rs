//! Envelopes at rest: the payload of a log record, and the keys of the book's rows.
//!
//! The shipped layout is frozen: version 1 is [`StoredEnvelope`]. A change makes a version 2 beside it.
//!
//! Invariants:
//! - What is decoded has been validated (rkyv `bytecheck`); a record that does not decode is an error, never a guess.
//! - Addresses in rows are prepared, so one user has one key.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use rkyv::with::AsOwned;
use rkyv::{Archive, Serialize, rancor};

pub use crosspoint_storage::seam::{RECORD_ID_SHIFT, RecordId};

use crate::envelope::{Codec, Content, Envelope, Hints, Kind, MessageKind, PresenceKind};
use crate::jid::Jid;

/// Version of [`StoredEnvelope`], kept outside of the archive.
pub const ENVELOPE_VERSION: u8 = 1;
/// A message that came back to the queue and stands in the history already: its record there (`u64`, little endian), then version 1.
pub const RETURNED_VERSION: u8 = 2;

/// A message as the log keeps it, or a request for subscription as a roster item keeps it.
///
/// It is archived from borrowed parts, and read where it lies.
#[derive(Archive, Serialize, Debug)]
pub struct StoredEnvelope<'a> {
    stamp_ms: u64,
    kind: u8,
    codec: u8,
    hints: u8,
    #[rkyv(with = AsOwned)]
    from: Cow<'a, str>,
    #[rkyv(with = AsOwned)]
    to: Cow<'a, str>,
    #[rkyv(with = AsOwned)]
    id: Cow<'a, [u8]>,
    #[rkyv(with = AsOwned)]
    head: Cow<'a, [u8]>,
    #[rkyv(with = AsOwned)]
    body: Cow<'a, [u8]>,
}

/// A record that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// Archives a message.
pub fn encode(envelope: &Envelope, stamp_ms: u64) -> Bytes {
    encode_onto(Vec::new(), envelope, stamp_ms, envelope.hints).into()
}

/// The same in memory that held another one.
pub(crate) fn encode_again(buffer: Vec<u8>, envelope: &Envelope, stamp_ms: u64) -> Vec<u8> {
    encode_in(buffer, envelope, stamp_ms, envelope.hints)
}

/// The same, with these hints in place of the message's own: [`Hints::TRANSIENT`] for what is kept until it is delivered, and no longer.
pub(crate) fn encode_in(mut buffer: Vec<u8>, envelope: &Envelope, stamp_ms: u64, hints: Hints) -> Vec<u8> {
    buffer.clear();
    encode_onto(buffer, envelope, stamp_ms, hints)
}

/// Archives a message that stands in its addressee's history under this identity. Its version is [`RETURNED_VERSION`].
pub fn encode_returned(envelope: &Envelope, stamp_ms: u64, archived_as: RecordId) -> Bytes {
    encode_onto(archived_as.to_le_bytes().to_vec(), envelope, stamp_ms, envelope.hints).into()
}

fn encode_onto(mut buffer: Vec<u8>, envelope: &Envelope, stamp_ms: u64, hints: Hints) -> Vec<u8> {
    let stored = StoredEnvelope {
        stamp_ms,
        kind: kind_number(envelope.kind),
        codec: envelope.content.codec as u8,
        hints: hints.bits(),
        from: envelope.from.as_str().into(),
        to: envelope.to.as_str().into(),
        id: (&*envelope.id).into(),
        head: (&*envelope.content.head).into(),
        body: (&*envelope.content.body).into(),
    };
    let texts = stored.from.len() + stored.to.len() + stored.id.len() + stored.head.len() + stored.body.len();
    buffer.reserve_exact(texts + size_of::<ArchivedStoredEnvelope<'_>>());
    let archive = rkyv::api::high::to_bytes_in::<_, rancor::Error>(&stored, buffer);
    archive.expect("plain data always archives")
}

/// Reads a message back; its `stamp_ms` is set.
pub fn decode(version: u8, payload: &[u8]) -> Result<Envelope, Unreadable> {
    let payload = match version {
        ENVELOPE_VERSION => payload,
        RETURNED_VERSION => {
            returned(payload)
                .ok_or_else(|| Unreadable("a record is cut short".to_owned()))?
                .1
        }
        _ => {
            return Err(Unreadable(format!(
                "record version {version} is not known to this build"
            )));
        }
    };
    let stored = rkyv::access::<ArchivedStoredEnvelope<'_>, rancor::Error>(payload)
        .map_err(|error| Unreadable(error.to_string()))?;
    let address = |text: &str| Jid::parse(text).map_err(|error| Unreadable(format!("address {text:?}: {error}")));
    Ok(Envelope {
        from: address(&stored.from)?,
        to: address(&stored.to)?,
        kind: kind_of(stored.kind)?,
        id: Bytes::copy_from_slice(&stored.id),
        content: Content {
            codec: codec_of(stored.codec)?,
            head: Bytes::copy_from_slice(&stored.head),
            body: Bytes::copy_from_slice(&stored.body),
        },
        hints: Hints::from_bits(stored.hints),
        error: None,
        stamp_ms: Some(stored.stamp_ms.to_native()),
        stable: None,
    })
}

/// Where a record's message stands in the history, if not under the record's own identity.
pub fn archived_as(version: u8, payload: &[u8]) -> Option<RecordId> {
    (version == RETURNED_VERSION)
        .then(|| returned(payload))?
        .map(|(id, _)| id)
}

fn returned(payload: &[u8]) -> Option<(RecordId, &[u8])> {
    let (id, payload) = payload.split_first_chunk()?;
    Some((RecordId::from_le_bytes(*id), payload))
}

/// The identity that follows `last`, of what was taken in at this time (Unix milliseconds): the time above, a count below
/// that is never 0, so that an identity can be told from a time.
#[must_use]
pub fn record_after(last: RecordId, unix_ms: u64) -> RecordId {
    let next = (last + 1).max((unix_ms << RECORD_ID_SHIFT) + 1);
    next + u64::from(next.trailing_zeros() >= RECORD_ID_SHIFT)
}

/// Key of an account, and the prefix of everything else that is keyed by its owner alone.
pub fn user_key(user: &Jid) -> Bytes {
    Bytes::copy_from_slice(user.bare_str().as_bytes())
}

/// Prefix of the rows that belong to a user: `bare NUL`.
pub fn user_prefix(user: &Jid) -> Bytes {
    part_key(user, "")
}

/// Key of one of the rows that belong to a user: `bare NUL part`.
pub fn part_key(user: &Jid, part: &str) -> Bytes {
    let bare = user.bare_str();
    let mut key = BytesMut::with_capacity(bare.len() + 1 + part.len());
    key.put_slice(bare.as_bytes());
    key.put_u8(0);
    key.put_slice(part.as_bytes());
    key.freeze()
}

/// Key of the row that says when a user was last here, in [`Table::Setting`](crosspoint_storage::seam::Table).
#[must_use]
pub fn last_seen_key(user: &Jid) -> Bytes {
    part_key(user, "last seen")
}

/// What that row says: the last login, and the end of the last session, in Unix milliseconds.
#[must_use]
pub fn last_seen(value: &[u8]) -> Option<(u64, u64)> {
    let (login, rest) = value.split_first_chunk()?;
    Some((u64::from_le_bytes(*login), u64::from_le_bytes(rest.try_into().ok()?)))
}

fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Message(MessageKind::Normal) => 1,
        Kind::Message(MessageKind::Chat) => 2,
        Kind::Message(MessageKind::Groupchat) => 3,
        Kind::Message(MessageKind::Headline) => 4,
        Kind::Message(MessageKind::Error) => 5,
        Kind::Presence(PresenceKind::Subscribe) => 16,
        Kind::Presence(_) | Kind::Query(_) => unreachable!("only messages and requests for subscription are stored"),
    }
}

fn kind_of(number: u8) -> Result<Kind, Unreadable> {
    if number == 16 {
        return Ok(Kind::Presence(PresenceKind::Subscribe));
    }
    Ok(Kind::Message(match number {
        1 => MessageKind::Normal,
        2 => MessageKind::Chat,
        3 => MessageKind::Groupchat,
        4 => MessageKind::Headline,
        5 => MessageKind::Error,
        _ => return Err(Unreadable(format!("kind {number} is not known to this build"))),
    }))
}

fn codec_of(number: u8) -> Result<Codec, Unreadable> {
    match number {
        0 => Ok(Codec::Neutral),
        1 => Ok(Codec::Xmpp),
        2 => Ok(Codec::Icpp),
        _ => Err(Unreadable(format!("codec {number} is not known to this build"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Envelope {
        let jid = |text: &str| text.parse().unwrap();
        Envelope {
            id: Bytes::from_static(b"m1"),
            content: Content {
                codec: Codec::Xmpp,
                head: Bytes::from_static(b" xml:lang='en'"),
                body: Bytes::from_static(b"<body>Hi</body>"),
            },
            hints: Hints::STORE,
            ..Envelope::neutral(
                jid("romeo@m.lit/orchard"),
                jid("juliet@c.lit"),
                Kind::Message(MessageKind::Chat),
            )
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        let sent = message();
        let back = decode(ENVELOPE_VERSION, &encode(&sent, 1_700_000_000_000)).unwrap();
        assert_eq!(
            (&back.from, &back.to, back.kind, &back.id),
            (&sent.from, &sent.to, sent.kind, &sent.id)
        );
        assert_eq!(back.content, sent.content);
        assert_eq!(back.stamp_ms, Some(1_700_000_000_000));
    }

    #[test]
    fn the_layout_of_version_1_is_frozen() {
        let bytes = encode(&message(), 1_700_000_000_000);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN.concat());
    }

    /// The texts first, then the fixed part with its offsets (rkyv 0.8: little endian, unaligned, 32-bit offsets).
    const GOLDEN: [&str; 5] = [
        "726f6d656f406d2e6c69742f6f7263686172646a756c6965",
        "7440632e6c69746d3120786d6c3a6c616e673d27656e273c",
        "626f64793e48693c2f626f64793e0068e5cf8b0100000201",
        "0193000000b7ffffff8c000000c2ffffffc6ffffff020000",
        "00c0ffffff0e000000c6ffffff0f000000",
    ];

    #[test]
    fn empty_and_short_parts_come_back() {
        let jid = |text: &str| text.parse().unwrap();
        for (from, to, id, body) in [
            ("c.lit", "a@b", "", ""),
            ("abcdefg@", "ab@c.lit/", "12345678", "123456789"),
        ] {
            let sent = Envelope {
                id: Bytes::from_static(id.as_bytes()),
                content: Content {
                    body: Bytes::from_static(body.as_bytes()),
                    ..message().content
                },
                ..Envelope::neutral(jid(&format!("{from}x")), jid(&format!("{to}x")), message().kind)
            };
            let back = decode(ENVELOPE_VERSION, &encode(&sent, 7)).unwrap();
            assert_eq!((&back.from, &back.to, &back.id), (&sent.from, &sent.to, &sent.id));
            assert_eq!(back.content, sent.content);
        }
    }

    #[test]
    fn damage_is_an_error_at_every_length() {
        let bytes = encode(&message(), 1);
        for length in 0..bytes.len() {
            // Archives are read from the end: a shorter one must not be taken for a whole one.
            assert!(decode(ENVELOPE_VERSION, &bytes[..length]).is_err(), "length {length}");
        }
        assert!(decode(3, &bytes).is_err());
    }

    #[test]
    fn identities_grow_and_always_have_a_count() {
        assert_eq!(record_after(0, 5), (5 << RECORD_ID_SHIFT) + 1);
        assert_eq!(record_after((5 << RECORD_ID_SHIFT) + 1, 5), (5 << RECORD_ID_SHIFT) + 2);
        assert_eq!(record_after((6 << RECORD_ID_SHIFT) - 1, 5), (6 << RECORD_ID_SHIFT) + 1);
        assert_eq!(
            record_after((9 << RECORD_ID_SHIFT) + 7, 5),
            (9 << RECORD_ID_SHIFT) + 8,
            "the clock went back"
        );
    }
}
