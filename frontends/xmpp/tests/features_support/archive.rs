//! The archives of a switch in memory: what the log answers, page by page, as slowly as it likes.

use std::collections::HashMap;

use bytes::Bytes;
use crosspoint_engine::archiving::Preferences;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, MessageKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Direction, HistoryPage, Span};
use crosspoint_engine::stable::{StableId, StableKey};
use crosspoint_engine::store::RecordId;

use super::jid;

/// Messages by owner, oldest first.
pub struct Archives {
    histories: HashMap<Jid, Vec<(RecordId, Envelope)>>,
    key: StableKey,
    /// What users want to be kept.
    pub wishes: HashMap<Jid, Preferences>,
    /// The log gives no more than this at once.
    pub records_max: usize,
    /// Pages that were read.
    pub pages: usize,
}

impl Archives {
    /// Empty ones.
    pub fn new() -> Archives {
        Archives {
            histories: HashMap::new(),
            key: StableKey::new(&[9; 32]),
            wishes: HashMap::new(),
            records_max: usize::MAX,
            pages: 0,
        }
    }

    /// How clients know a record.
    pub fn hide(&self, record: RecordId) -> StableId {
        self.key.hide(record)
    }

    /// The inverse.
    pub fn reveal(&self, id: StableId) -> RecordId {
        self.key.reveal(id)
    }

    /// Adds a message to the archive of `owner`, as it was `count`th in a millisecond; gives its identity.
    pub fn add(&mut self, owner: &str, from: &str, to: &str, unix_ms: u64, count: u64, body: &str) -> StableId {
        let record = (unix_ms << 20) + count;
        let stable = self.key.hide(record);
        let message = Envelope {
            content: Content {
                codec: Codec::Xmpp,
                head: Bytes::new(),
                body: Bytes::copy_from_slice(body.as_bytes()),
            },
            stamp_ms: Some(unix_ms),
            stable: Some(stable),
            ..Envelope::neutral(jid(from), jid(to), Kind::Message(MessageKind::Chat))
        };
        self.histories.entry(jid(owner)).or_default().push((record, message));
        stable
    }

    /// A page of the log's.
    pub fn page(&mut self, user: &Jid, span: Span, direction: Direction, records_max: u32) -> HistoryPage {
        self.pages += 1;
        let all = self.histories.get(user).cloned().unwrap_or_default();
        let inside: Vec<_> = all
            .into_iter()
            .filter(|(id, _)| span.after < *id && *id < span.before)
            .collect();
        let count = inside.len().min(records_max as usize).min(self.records_max.max(1));
        let messages = match direction {
            Direction::Forward => inside[..count].to_vec(),
            Direction::Backward => inside[inside.len() - count..].to_vec(),
        };
        let edge = match direction {
            Direction::Forward => messages.last(),
            Direction::Backward => messages.first(),
        };
        HistoryPage {
            complete: count == inside.len(),
            edge: edge.map_or(0, |(id, _)| *id),
            messages,
        }
    }
}
