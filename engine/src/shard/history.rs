//! What was said: messages are archived at the homes of sender and addressee, and read back in pages.
//!
//! Invariants:
//! - A message is archived once for each of the two, whether it was delivered at once, waited, or came back to the queue.
//! - What waits and is archived is one record, by one write. A sender's copy does not count against anybody's quota.
//! - Nobody is shown a record of another user whose key is the same.

use crosspoint_storage::seam::{Direction, Disposition, JournalRequest, Record, Span};

use super::Shard;
use super::ledger::{Outcome, Waiting};
use super::user::UserId;
use crate::envelope::{Condition, Envelope, Hints, Kind, MessageKind};
use crate::jid::Jid;
use crate::service::{HistoryPage, ThenHistory};
use crate::slots::UserKey;
use crate::store::{self, RecordId};

/// Bytes of a page's messages, about.
const PAGE_BYTES: u32 = 256 * 1024;

/// Whether a message belongs into a history at all.
pub(super) fn is_worthy(envelope: &Envelope) -> bool {
    matches!(envelope.kind, Kind::Message(MessageKind::Chat | MessageKind::Normal)) && envelope.hints.has(Hints::STORE)
}

impl Shard {
    /// What a pending record of this envelope is kept for. What came back from a session was archived when it first arrived.
    pub(super) fn disposition(&self, envelope: &Envelope) -> Disposition {
        match self.setup.archive && envelope.stamp_ms.is_none() {
            true => Disposition::PendingArchived,
            false => Disposition::Pending,
        }
    }

    /// Keeps a message in the history of its sender, or of an addressee to whom it was handed at once.
    pub(super) fn archive(&mut self, uid: UserId, envelope: &Envelope) {
        if !self.setup.archive || !is_worthy(envelope) || self.log_failed {
            return;
        }
        let Some(user) = self.users.get(uid) else { return };
        let key = user.key.0;
        let payload = store::encode(envelope, envelope.stamp_ms.unwrap_or(self.now.unix_ms));
        let id = self.next_record();
        let record = Record {
            user: key,
            id,
            version: store::ENVELOPE_VERSION,
            payload,
        };
        let token = self.ledger.enter(Waiting::Appended(None));
        self.metrics.archived.add(1);
        self.outgoing.journal.push(JournalRequest::Append {
            token,
            record,
            disposition: Disposition::Archived,
        });
    }

    /// For handlers: a page of a user's history.
    pub(super) fn read_history(
        &mut self,
        user: &Jid,
        span: Span,
        direction: Direction,
        records_max: u32,
        then: ThenHistory,
    ) {
        if !self.setup.archive {
            return then(Err(Condition::FeatureNotImplemented), self);
        }
        let user = user.to_bare().detached();
        let key = UserKey::of(&user).0;
        let token = self.expect(move |shard, outcome| {
            let page = match outcome {
                Outcome::Page {
                    records,
                    complete,
                    edge,
                } => Ok(HistoryPage {
                    messages: messages_of(&user, &records),
                    complete,
                    edge,
                }),
                _ => Err(Condition::InternalServerError),
            };
            then(page, shard);
        });
        self.outgoing.journal.push(JournalRequest::History {
            token,
            user: key,
            span,
            direction,
            records_max,
            bytes_max: PAGE_BYTES,
        });
    }

    /// The account is gone: nobody reads its history any more.
    pub(super) fn forget_history(&mut self, user: &Jid) {
        if self.setup.archive {
            let token = self.expect(|_, _| {});
            let user = UserKey::of(user).0;
            self.outgoing.journal.push(JournalRequest::Forget { token, user });
        }
    }
}

/// The messages of a page that are this user's, and can be read.
fn messages_of(user: &Jid, records: &[Record]) -> Vec<(RecordId, Envelope)> {
    let read = records.iter().filter_map(|record| {
        let envelope = store::decode(record.version, &record.payload).ok()?;
        let theirs = envelope.to.same_bare(user) || envelope.from.same_bare(user);
        theirs.then_some((record.id, envelope))
    });
    read.collect()
}
