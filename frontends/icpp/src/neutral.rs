//! Between ICPP and the engine's neutral view ([`crosspoint_engine::neutral`]): what a message says to users of other protocols, and how
//! theirs becomes frames.
//!
//! Identifiers: a message id is a ULID, written in text for others. Another protocol's identifier that is no such text gets a message id made
//! from it and its sender's address, the same each time, and travels beside it (FOREIGN_ID).
//!
//! Invariants: presence is always said in neutral words, so only messages are translated here; a payload that is no text crosses as its fallback.

use std::borrow::Cow;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind};
use crosspoint_engine::jid::JID_BYTES_MAX;
use crosspoint_engine::neutral::{Activity, Neutral, Receipt};
use crosspoint_engine::stable::StableId;
use sha2::{Digest as _, Sha256};

use crate::codec::ext::{self, Exts};
use crate::codec::message::{ROOM_BYTES, kind, note, receipt, tag};
use crate::codec::rooms::Body;
use crate::codec::{FRAME_BYTES, MessageId, Verb, ulid};
use crate::parts::Parts;
use crate::rooms::{self, invitation};

/// Longest text of another protocol that is told here, and longest subject or thread: a frame must hold them. What is cut ends in [`CUT`].
const TEXT_BYTES_MAX: usize = (FRAME_BYTES - 2 * ROOM_BYTES) as usize;
const LABEL_BYTES_MAX: usize = 1024;
const CUT: &str = " [...]";
const _: () = assert!(
    TEXT_BYTES_MAX + 5 * (LABEL_BYTES_MAX + 4) + 2 * JID_BYTES_MAX + 128 < FRAME_BYTES as usize,
    "the largest message of another protocol fits into a frame"
);
const _: () = assert!(
    2 * JID_BYTES_MAX + 64 < ROOM_BYTES as usize,
    "so does what is added to a client's"
);

fn fitting(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let mut end = max - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned([&text[..end], CUT].concat())
}

/// A message of a client's in neutral words; `None` if nothing of it has any.
pub fn to_neutral(envelope: &Envelope) -> Option<Envelope> {
    if let Some((verb, by_server)) = rooms::head(&envelope.content) {
        return of_rooms(verb, by_server, envelope);
    }
    if !matches!(envelope.kind, Kind::Message(_)) {
        return None;
    }
    let parts = Parts::of(&envelope.content)?;
    let said = say(&parts);
    if said.is_silent() && envelope.error.is_none() {
        return None;
    }
    Some(Envelope {
        id: Bytes::copy_from_slice(&ulid::text(parts.id)),
        content: said.pack(),
        ..envelope.clone()
    })
}

/// The same of what is written with the verbs of rooms.
fn of_rooms(verb: Verb, by_server: bool, envelope: &Envelope) -> Option<Envelope> {
    let neutral = |content| {
        Some(Envelope {
            content,
            ..envelope.clone()
        })
    };
    if let Some((_, body)) = rooms::told(&envelope.content) {
        return neutral(Content {
            codec: Codec::Neutral,
            head: Bytes::new(),
            body,
        });
    }
    let body = Body::answer(&envelope.content.body).ok()?;
    match (envelope.kind, verb) {
        (Kind::Presence(_), _) => neutral(rooms::shown(&body).pack()),
        (Kind::Message(_), _) if by_server => {
            invitation::to_neutral(verb, &envelope.from, &body).and_then(|said| neutral(said.pack()))
        }
        _ => None,
    }
}

fn say<'p>(parts: &Parts<'p>) -> Neutral<'p> {
    let message = parts.message();
    let reference = || {
        let foreign = message.text_extension(tag::FOREIGN_REF).map(Cow::Borrowed);
        foreign.or_else(|| message.reference().map(id_text))
    };
    let mut said = Neutral {
        subject: message.text_extension(tag::SUBJECT).map(Cow::Borrowed),
        thread: message.text_extension(tag::THREAD).map(Cow::Borrowed),
        receipt_wanted: message.extension(tag::RECEIPT_WANTED).is_some(),
        activity: message
            .extension(tag::STATE)
            .and_then(|state| activity(u16::from(*state.first()?))),
        ..Neutral::default()
    };
    match parts.verb {
        Verb::Note => said.activity = activity(parts.kind),
        Verb::Receipt => {
            let what = match parts.kind {
                receipt::DISPLAYED => Receipt::Displayed,
                _ => Receipt::Delivered,
            };
            said.receipt = reference().map(|id| (what, id));
        }
        Verb::Recall => {
            // In a room, others know a message by its identity in the archive.
            let record = message.text_extension(tag::RECORD_REF).map(Cow::Borrowed);
            said.retracts = record.or_else(reference);
        }
        Verb::Edit => {
            said.replaces = reference();
            said.text = text(parts);
        }
        _ => said.text = text(parts),
    }
    said
}

fn id_text(id: MessageId) -> Cow<'static, str> {
    let text = ulid::text(id);
    Cow::Owned(text.iter().map(|character| char::from(*character)).collect())
}

/// The payload if it is text, or what its sender would have shown in its place.
fn text<'p>(parts: &Parts<'p>) -> Option<Cow<'p, str>> {
    let message = parts.message();
    let media_type = message.text_extension(tag::CONTENT_TYPE);
    let fallback = message.text_extension(tag::FALLBACK);
    let is_text = media_type.is_none_or(|media_type| media_type.starts_with("text/plain"));
    let payload = std::str::from_utf8(parts.payload).ok().filter(|_| is_text);
    payload.filter(|text| !text.is_empty()).or(fallback).map(Cow::Borrowed)
}

fn activity(kind: u16) -> Option<Activity> {
    Some(match kind {
        note::ACTIVE => Activity::Active,
        note::COMPOSING => Activity::Composing,
        note::PAUSED => Activity::Paused,
        note::INACTIVE => Activity::Inactive,
        note::GONE => Activity::Gone,
        _ => return None,
    })
}

/// What a neutral message becomes: everything of a frame but its addresses and stamp.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spoken<'n> {
    pub(crate) verb: Verb,
    pub(crate) kind: u16,
    pub(crate) id: MessageId,
    pub(crate) extensions: Vec<u8>,
    pub(crate) payload: Cow<'n, str>,
}

/// A neutral message as a frame. `kind` is that of a DELIVER; `own` are extensions that its room has added.
pub(crate) fn from_neutral<'n>(envelope: &Envelope, said: Neutral<'n>, kind: u16, own: &[u8]) -> Spoken<'n> {
    // In a room many write under one bare address; who stays the same whatever he is called.
    let occupant = Exts::new(own).find(tag::OCCUPANT_ID).unwrap_or_default();
    let author = [envelope.from.bare_str().as_bytes(), occupant].concat();
    let (id, foreign) = message_id(&author, &envelope.id, &envelope.content.body);
    let mut extensions = own.to_vec();
    if let (false, Some(record)) = (own.is_empty(), said.retracts.as_deref().and_then(StableId::parse)) {
        ext::write(&mut extensions, tag::RECORD_REF, &record.text());
    }
    if let Some(foreign) = foreign {
        ext::write(&mut extensions, tag::FOREIGN_ID, foreign);
    }
    for (tag, text) in [(tag::SUBJECT, &said.subject), (tag::THREAD, &said.thread)] {
        let text = text.as_deref().map(|text| fitting(text.into(), LABEL_BYTES_MAX));
        ext::write_some(&mut extensions, tag, text.as_deref().map(str::as_bytes));
    }
    if said.receipt_wanted {
        ext::write(&mut extensions, tag::RECEIPT_WANTED, &[]);
    }
    let text = said.text.or_else(|| {
        said.invitation
            .as_ref()
            .map(|one| invitation::in_plain_words(one).into())
    });
    let (verb, reference) = match (&said.retracts, &said.replaces, &said.receipt) {
        (Some(id), _, _) => (Verb::Recall, Some((&*author, id))),
        (None, Some(id), _) => (Verb::Edit, Some((&*author, id))),
        // What has happened to a message of the addressee's.
        (None, None, Some((_, id))) => (Verb::Receipt, Some((envelope.to.bare_str().as_bytes(), id))),
        _ if text.is_none() && said.subject.is_none() && said.activity.is_some() => (Verb::Note, None),
        _ => (Verb::Deliver, None),
    };
    if let Some((author, text)) = reference {
        let (id, foreign) = message_id(author, text.as_bytes(), &[]);
        ext::write(&mut extensions, tag::REF, &id);
        ext::write_some(&mut extensions, tag::FOREIGN_REF, foreign);
    }
    let state = said.activity.map_or(0, |activity| activity as u16);
    let kind = match (verb, &said.receipt) {
        (Verb::Note, _) => state,
        (Verb::Receipt, Some((Receipt::Displayed, _))) => receipt::DISPLAYED,
        (Verb::Receipt, _) => receipt::DELIVERED,
        _ => kind,
    };
    if said.activity.is_some() && verb != Verb::Note {
        ext::write(&mut extensions, tag::STATE, &[state as u8]);
    }
    Spoken {
        verb,
        kind,
        id,
        extensions,
        payload: fitting(text.unwrap_or_default(), TEXT_BYTES_MAX),
    }
}

/// The message id of another protocol's identifier, and that identifier if it is no message id in text.
fn message_id<'t>(author: &[u8], text: &'t [u8], otherwise: &[u8]) -> (MessageId, Option<&'t [u8]>) {
    if let Some(id) = ulid::parse(text) {
        return (id, None);
    }
    let mut hash = Sha256::new();
    for part in [author, &[0], text, &[0]] {
        hash.update(part);
    }
    if text.is_empty() {
        // It has none: what it says has to do.
        hash.update(otherwise);
    }
    let digest = hash.finalize();
    let id = std::array::from_fn(|index| digest[index]);
    // One that is too long to be told is not needed to tell messages apart.
    let told = !text.is_empty() && text.len() <= LABEL_BYTES_MAX;
    (id, Some(text).filter(|_| told))
}

/// The extensions of a message that was written by a client, without those that only the server may say.
pub(crate) fn honest(extensions: &[u8]) -> Option<Vec<u8>> {
    let forged = |tag| {
        matches!(
            tag,
            tag::COPY | tag::CONDITION | tag::FOREIGN_ID | tag::VERB | tag::OCCUPANT_ID | tag::RECORD
        )
    };
    if !Exts::new(extensions).flatten().any(|ext| forged(ext.tag)) {
        return None;
    }
    let mut out = Vec::with_capacity(extensions.len());
    for ext in Exts::new(extensions).flatten().filter(|ext| !forged(ext.tag)) {
        ext::write(&mut out, ext.tag, ext.value);
    }
    Some(out)
}

/// The kind of a DELIVER.
pub(crate) fn deliver_kind(message: crosspoint_engine::envelope::MessageKind) -> u16 {
    use crosspoint_engine::envelope::MessageKind;
    match message {
        MessageKind::Chat => kind::CHAT,
        MessageKind::Normal => kind::NORMAL,
        MessageKind::Groupchat => kind::GROUPCHAT,
        MessageKind::Headline => kind::HEADLINE,
        MessageKind::Error => kind::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Message;
    use crate::parts;
    use crosspoint_engine::envelope::MessageKind;

    const ID: MessageId = [3; 16];
    const OTHER: MessageId = [4; 16];

    fn envelope(verb: Verb, kind: u16, extensions: &[(u16, &[u8])], payload: &[u8]) -> Envelope {
        let mut bytes = Vec::new();
        for (tag, value) in extensions {
            ext::write(&mut bytes, *tag, value);
        }
        let message = Message {
            id: ID,
            stamp: 0,
            kind,
            to: "",
            from: "",
            extensions: &bytes,
            payload,
        };
        Envelope {
            content: parts::content(verb, &message),
            ..Envelope::neutral(
                "romeo@m.lit/o".parse().unwrap(),
                "juliet@c.lit".parse().unwrap(),
                Kind::Message(MessageKind::Chat),
            )
        }
    }

    #[test]
    fn there_and_back() {
        type Row = (Verb, u16, &'static [(u16, &'static [u8])], &'static [u8]);
        let table: [Row; 8] = [
            (Verb::Send, kind::CHAT, &[], b"Hi"),
            (
                Verb::Send,
                kind::CHAT,
                &[(tag::SUBJECT, b"S"), (tag::THREAD, b"T")],
                b"Hi",
            ),
            (Verb::Send, kind::CHAT, &[(tag::RECEIPT_WANTED, b"")], b"Hi"),
            (Verb::Send, kind::CHAT, &[(tag::STATE, &[0])], b"Hi"),
            (Verb::Note, note::PAUSED, &[], b""),
            (Verb::Receipt, receipt::DISPLAYED, &[(tag::REF, &OTHER)], b""),
            (Verb::Edit, kind::CHAT, &[(tag::REF, &OTHER)], b"Ho"),
            (Verb::Recall, kind::CHAT, &[(tag::REF, &OTHER)], b""),
        ];
        for (verb, kind, extensions, payload) in table {
            let sent = envelope(verb, kind, extensions, payload);
            let neutral = to_neutral(&sent).unwrap();
            let back = from_neutral(&neutral, Neutral::read(&neutral.content.body), kind::CHAT, &[]);
            let verb = if verb == Verb::Send { Verb::Deliver } else { verb };
            assert_eq!((back.verb, back.kind, back.id), (verb, kind, ID));
            assert_eq!(back.payload.as_bytes(), payload);
            let sent_parts = Parts::of(&sent.content).unwrap();
            assert_eq!(back.extensions, sent_parts.extensions, "{verb:?}");
        }
    }

    #[test]
    fn what_is_no_text_crosses_as_its_fallback_or_not_at_all() {
        let image: &[(u16, &[u8])] = &[(tag::CONTENT_TYPE, b"image/png")];
        assert!(to_neutral(&envelope(Verb::Send, 0, image, b"\x89PNG")).is_none());
        let with: &[(u16, &[u8])] = &[(tag::CONTENT_TYPE, b"image/png"), (tag::FALLBACK, b"a picture")];
        let neutral = to_neutral(&envelope(Verb::Send, 0, with, b"\x89PNG")).unwrap();
        assert_eq!(Neutral::read(&neutral.content.body).text.as_deref(), Some("a picture"));
        assert!(
            to_neutral(&envelope(Verb::Send, 0, &[], b"\xff\xfe")).is_none(),
            "not UTF-8"
        );
    }

    #[test]
    fn a_foreign_identifier_is_found_again() {
        let foreign = |id: &'static str, said: &Neutral<'_>| Envelope {
            id: Bytes::from_static(id.as_bytes()),
            content: said.pack(),
            ..envelope(Verb::Send, 0, &[], b"")
        };
        let said = Neutral {
            text: Some("Hi".into()),
            ..Neutral::default()
        };
        let hello = from_neutral(&foreign("abc", &said), said, kind::CHAT, &[]);
        assert_eq!(Exts::new(&hello.extensions).find(tag::FOREIGN_ID), Some(&b"abc"[..]));
        let said = Neutral {
            text: Some("Ho".into()),
            replaces: Some("abc".into()),
            ..Neutral::default()
        };
        let edit = from_neutral(&foreign("abd", &said), said, kind::CHAT, &[]);
        assert_eq!(Exts::new(&edit.extensions).find(tag::REF), Some(&hello.id[..]));
        let receipt: &[(u16, &[u8])] = &[(tag::REF, &hello.id), (tag::FOREIGN_REF, b"abc")];
        let neutral = to_neutral(&envelope(Verb::Receipt, receipt::DELIVERED, receipt, b"")).unwrap();
        assert_eq!(
            Neutral::read(&neutral.content.body).receipt,
            Some((Receipt::Delivered, "abc".into()))
        );
    }

    #[test]
    fn what_only_the_server_may_say_is_cut_out() {
        let mut forged = Vec::new();
        ext::write(&mut forged, tag::COPY, &[1]);
        ext::write(&mut forged, tag::THREAD, b"T");
        ext::write(&mut forged, tag::CONDITION, &[1, 0]);
        ext::write(&mut forged, tag::FOREIGN_ID, b"x");
        let mut thread = Vec::new();
        ext::write(&mut thread, tag::THREAD, b"T");
        assert_eq!(honest(&forged), Some(thread.clone()));
        assert_eq!(honest(&thread), None, "nothing to cut");
    }
}
