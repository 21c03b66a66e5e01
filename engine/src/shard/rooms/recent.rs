//! What was said lately in a room: what it shows to who enters.
//!
//! Invariant: at most as many messages as the room's configuration says, and as many bytes as the limits; the payloads are those of
//! the log, shared with it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::envelope::Envelope;
use crate::jid::Jid;
use crate::limits::Limits;
use crate::rooms::HistoryWish;
use crate::store::{self, RecordId};

/// The last messages, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    messages: VecDeque<(RecordId, Bytes)>,
    bytes: usize,
    /// It holds what the log holds; until then the log has to be asked.
    pub(super) loaded: bool,
}

impl Recent {
    pub(super) fn push(&mut self, id: RecordId, payload: Bytes, messages_max: u32, limits: &Limits) {
        self.bytes += payload.len();
        self.messages.push_back((id, payload));
        while self.messages.len() > messages_max as usize || self.bytes > limits.room_recent_bytes {
            let Some((_, oldest)) = self.messages.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }

    /// A message is to be seen by nobody any more; with an author, only if it is his.
    pub(super) fn hide(&mut self, record: RecordId, by: Option<&Jid>) {
        self.messages.retain(|(id, payload)| {
            let theirs =
                |by: &Jid| store::decode(store::ENVELOPE_VERSION, payload).is_ok_and(|said| said.to.same_bare(by));
            *id != record || !by.is_none_or(theirs)
        });
        self.bytes = self.messages.iter().map(|(_, payload)| payload.len()).sum();
    }

    pub(super) fn forget(&mut self) {
        *self = Recent::default();
    }

    /// What somebody wishes to see of it (XEP-0045 section 7.2.13), oldest first.
    pub(super) fn wished(&self, wish: &HistoryWish, messages_max: u32, unix_ms: u64) -> Vec<(RecordId, Envelope)> {
        let count = wish.messages_max.unwrap_or(messages_max).min(messages_max) as usize;
        let by_age = wish
            .seconds
            .map(|seconds| unix_ms.saturating_sub(u64::from(seconds) * 1000));
        let since = by_age.max(wish.since_unix_ms).unwrap_or(0);
        let mut chars = wish.chars_max.map_or(usize::MAX, |chars| chars as usize);
        let mut shown = Vec::new();
        for (id, payload) in self.messages.iter().rev().take(count) {
            let Ok(said) = store::decode(store::ENVELOPE_VERSION, payload) else {
                continue;
            };
            let size = said.content.head.len() + said.content.body.len();
            if said.stamp_ms.is_some_and(|stamp| stamp < since) || size > chars {
                break;
            }
            chars -= size;
            shown.push((*id, said));
        }
        shown.reverse();
        shown
    }
}
