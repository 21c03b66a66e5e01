//! Between protocols: an envelope for a session whose front-end did not write it is first said in neutral words by the one that did.
//!
//! Invariants:
//! - Queries pass as they are: a front-end refuses those of another codec.
//! - What cannot be said is not delivered, and does not wait for anybody either: a record of it is settled.
//! - A broadcast is translated once, not once for each recipient.

use bytes::Bytes;

use super::Shard;
use super::table::SessionId;
use crate::envelope::{Codec, Condition, Content, Envelope, Kind};
use crate::session::Form;
use crate::store::RecordId;

/// The last envelope that was translated (its payload's memory, which nothing else can have while it is kept here) and what became of it.
pub(super) struct Translation {
    original: Content,
    id: Bytes,
    kind: Kind,
    /// Content, identifier and reason.
    neutral: Option<(Content, Bytes, Option<Condition>)>,
}

impl Translation {
    fn is_of(&self, envelope: &Envelope) -> bool {
        let same = |one: &Bytes, other: &Bytes| one.as_ptr() == other.as_ptr() && one.len() == other.len();
        self.kind == envelope.kind
            && self.original.codec == envelope.content.codec
            && same(&self.original.head, &envelope.content.head)
            && same(&self.original.body, &envelope.content.body)
            && self.id == envelope.id
    }
}

impl Shard {
    /// Whether this front-end cannot write the envelope.
    pub(super) fn is_foreign(&self, frontend: u8, envelope: &Envelope) -> bool {
        let codec = envelope.content.codec;
        codec != Codec::Neutral
            && !matches!(envelope.kind, Kind::Query(_))
            && self
                .codecs
                .get(usize::from(frontend))
                .is_none_or(|(own, _)| *own != codec)
    }

    pub(super) fn deliver_translated(
        &mut self,
        id: SessionId,
        envelope: &Envelope,
        form: Form,
        record: Option<RecordId>,
    ) -> bool {
        match self.translated(envelope) {
            Some(neutral) => self.deliver_as_is(id, &neutral, form, record),
            None => {
                self.metrics.untranslatable.add(1);
                if let Some(record) = record {
                    self.settle(id, vec![record]);
                }
                true
            }
        }
    }

    /// By the front-end that wrote it.
    pub(super) fn in_neutral_words(&self, envelope: &Envelope) -> Option<Envelope> {
        let writer = self.codecs.iter().find(|(codec, _)| *codec == envelope.content.codec);
        writer.and_then(|(_, translate)| translate(envelope))
    }

    fn translated(&mut self, envelope: &Envelope) -> Option<Envelope> {
        if !self.translation.as_ref().is_some_and(|known| known.is_of(envelope)) {
            let neutral = self.in_neutral_words(envelope);
            self.translation = Some(Translation {
                original: envelope.content.clone(),
                id: envelope.id.clone(),
                kind: envelope.kind,
                neutral: neutral.map(|neutral| (neutral.content, neutral.id, neutral.error)),
            });
        }
        let (content, id, error) = self.translation.as_ref()?.neutral.clone()?;
        Some(Envelope {
            content,
            id,
            error,
            ..envelope.clone()
        })
    }
}
