//! An envelope at rest in a session: what waits for an acknowledgement (XEP-0198) or for an inactive client (XEP-0352).
//!
//! ```text
//!   text:  from | to | id | head | body        one allocation; the lengths of the first four stand beside it
//! ```
//!
//! Invariant: [`Kept::unpack`] gives back what [`Kept::pack`] was given, in memory of its own, so that nothing kept holds
//! on to the read buffer in which it arrived.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::Form;
use crosspoint_engine::stable::StableId;
use crosspoint_engine::store::RecordId;

/// A delivered envelope, packed.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    text: Box<[u8]>,
    from_bytes: u16,
    to_bytes: u16,
    id_bytes: u32,
    head_bytes: u32,
    kind: Kind,
    codec: Codec,
    hints: Hints,
    error: Option<Condition>,
    form: Form,
    stamp_ms: Option<u64>,
    stable: Option<StableId>,
    record: Option<RecordId>,
}

impl Kept {
    /// Copies what is needed to write the delivery again, or to give the envelope back.
    pub(crate) fn pack(envelope: &Envelope, form: Form, record: Option<RecordId>) -> Kept {
        let (from, to) = (envelope.from.as_bytes(), envelope.to.as_bytes());
        let content = &envelope.content;
        let parts: [&[u8]; 5] = [from, to, &envelope.id, &content.head, &content.body];
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            text.extend_from_slice(part);
        }
        Kept {
            text: text.into_boxed_slice(),
            from_bytes: from.len() as u16,
            to_bytes: to.len() as u16,
            id_bytes: envelope.id.len() as u32,
            head_bytes: content.head.len() as u32,
            kind: envelope.kind,
            codec: content.codec,
            hints: envelope.hints,
            error: envelope.error,
            form,
            stamp_ms: envelope.stamp_ms,
            stable: envelope.stable,
            record,
        }
    }

    /// The envelope again. `None` cannot happen: an address that was prepared parses.
    pub(crate) fn unpack(&self) -> Option<Envelope> {
        let mut rest = Bytes::copy_from_slice(&self.text);
        let from = Jid::parse_bytes(rest.split_to(self.from_bytes.into())).ok()?;
        let to = Jid::parse_bytes(rest.split_to(self.to_bytes.into())).ok()?;
        let id = rest.split_to(self.id_bytes as usize);
        let head = rest.split_to(self.head_bytes as usize);
        Some(Envelope {
            from,
            to,
            kind: self.kind,
            id,
            content: Content {
                codec: self.codec,
                head,
                body: rest,
            },
            hints: self.hints,
            error: self.error,
            stamp_ms: self.stamp_ms,
            stable: self.stable,
        })
    }

    /// How it was to be shown.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Its number in the log, if it is there.
    pub(crate) fn record(&self) -> Option<RecordId> {
        self.record
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What its writer's front-end knew about it.
    pub(crate) fn hints(&self) -> Hints {
        self.hints
    }

    /// The sender's address as text.
    pub(crate) fn from(&self) -> &[u8] {
        &self.text[..self.from_bytes.into()]
    }

    /// Bytes that it occupies.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Kept>() + self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_engine::envelope::MessageKind;

    #[test]
    fn what_is_packed_comes_back() {
        let jid = |text: &str| text.parse::<Jid>().unwrap();
        let sent = Envelope {
            id: Bytes::from_static(b"m<1"),
            content: Content {
                codec: Codec::Xmpp,
                head: Bytes::from_static(b" xml:lang='en'"),
                body: Bytes::from_static(b"<body>Hi</body>"),
            },
            hints: Hints::STORE.with(Hints::COPY),
            stamp_ms: Some(7),
            stable: StableId::parse("0123456789abcdef"),
            ..Envelope::neutral(
                jid("romeo@m.lit/\u{e9}"),
                jid("juliet@c.lit"),
                Kind::Message(MessageKind::Chat),
            )
        };
        let kept = Kept::pack(&sent, Form::CopySent, Some(9));
        let back = kept.unpack().unwrap();
        assert_eq!(
            (&back.from, &back.to, back.kind, &back.id),
            (&sent.from, &sent.to, sent.kind, &sent.id)
        );
        assert_eq!(
            (&back.content, back.hints, back.stamp_ms, back.stable, back.error),
            (&sent.content, sent.hints, sent.stamp_ms, sent.stable, None)
        );
        assert_eq!(
            (kept.form(), kept.record(), kept.from()),
            (Form::CopySent, Some(9), "romeo@m.lit/\u{e9}".as_bytes())
        );
        assert!(size_of::<Kept>() <= 80, "{}", size_of::<Kept>());
    }
}
