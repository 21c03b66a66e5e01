//! What was said: messages are archived at the homes of sender and addressee, and read back in pages.
//!
//! Invariants:
//! - A message is archived once for each of the two, whether it was delivered at once, waited, or came back to the queue. It has one
//!   identity in each archive, known before it is handed to anybody.
//! - What waits and is archived is one record, by one write. A sender's copy does not count against anybody's quota.
//! - Nobody is shown a record of another user whose key is the same.
//! - The log reads one page for a user at a time: whoever reads much waits for himself, and a few pages may wait with him.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use crosspoint_storage::seam::{BookWrite, Direction, Disposition, JournalRequest, Record, Span, Table};

use super::Shard;
use super::ledger::{Outcome, Waiting};
use super::user::{User, UserId};
use crate::archiving::{self, Preferences};
use crate::envelope::{Condition, Envelope, Hints, Kind, MessageKind};
use crate::jid::Jid;
use crate::service::{HistoryPage, Then, ThenHistory};
use crate::slots::UserKey;
use crate::stable::StableId;
use crate::store::{self, RecordId};

/// Bytes of a page's messages, about.
const PAGE_BYTES: u32 = 256 * 1024;
/// Pages that wait for one user, beside the one that is being read. A web client asks for each of its open conversations at once.
const PAGES_WAITING_MAX: usize = 64;

/// Users who read their histories, and the pages that each still waits for.
#[derive(Default)]
pub(super) struct Readers(HashMap<UserKey, VecDeque<PageWish>>);

/// A page that somebody wants.
struct PageWish {
    user: Jid,
    span: Span,
    direction: Direction,
    records_max: u32,
    then: ThenHistory,
}

/// A pending record, ready for the log.
pub(super) struct Written {
    pub(super) version: u8,
    pub(super) payload: Bytes,
    pub(super) disposition: Disposition,
    pub(super) stable: Option<StableId>,
}

/// Whether a message belongs into a history at all.
fn is_worthy(envelope: &Envelope) -> bool {
    // A headline only if its sender asks for it (XEP-0334 section 4.4): else it has no hint to be stored.
    matches!(
        envelope.kind,
        Kind::Message(MessageKind::Chat | MessageKind::Normal | MessageKind::Headline)
    ) && envelope.hints.has(Hints::STORE)
        && !envelope.hints.has(Hints::TRANSIENT)
}

/// Whether the user wants to keep what is said with the other side of this message (XEP-0441).
fn wants(user: &User, envelope: &Envelope) -> bool {
    let Some(present) = user.present() else { return false };
    let Some(wishes) = present.archiving() else {
        return true;
    };
    let other = match envelope.from.same_bare(&user.address) {
        true => &envelope.to,
        false => &envelope.from,
    };
    wishes.wants(other, || present.roster.get(other).is_some_and(|item| item.listed))
}

impl Shard {
    /// Whether a message goes into the history of this user.
    fn is_kept(&self, uid: UserId, envelope: &Envelope) -> bool {
        self.setup.archive && is_worthy(envelope) && self.users.get(uid).is_some_and(|user| wants(user, envelope))
    }

    /// For handlers: the user says what is to be archived from now on.
    pub(super) fn set_preferences(&mut self, user: &Jid, wishes: Preferences, then: Then) {
        let Some(present) = self.user_at_mut(user).and_then(|user| user.present_mut()) else {
            return then(Err(Condition::ItemNotFound), self);
        };
        let (table, key) = (Table::Setting, store::part_key(user, archiving::PART));
        let (write, kept) = match wishes.is_trivial() {
            true => (BookWrite::Delete { table, key }, None),
            false => {
                let value = wishes.encode();
                (BookWrite::Put { table, key, value }, Some(wishes))
            }
        };
        present.set_archiving(kept);
        self.commit(vec![write], then);
    }

    /// A pending record of this envelope. What came back from a session was archived when it first arrived.
    pub(super) fn write_pending(&mut self, uid: UserId, envelope: &Envelope, id: RecordId) -> Written {
        let stamp_ms = envelope.stamp_ms.unwrap_or(self.now.unix_ms);
        let transient = Written {
            version: store::ENVELOPE_VERSION,
            payload: Bytes::new(),
            disposition: Disposition::Pending,
            stable: envelope.stable,
        };
        match (envelope.stamp_ms, envelope.stable) {
            (None, _) if self.is_kept(uid, envelope) => Written {
                payload: self.scribe.write(envelope, stamp_ms, envelope.hints),
                disposition: Disposition::PendingArchived,
                stable: Some(self.stable.hide(id)),
                ..transient
            },
            (Some(_), Some(stable)) => Written {
                version: store::RETURNED_VERSION,
                payload: store::encode_returned(envelope, stamp_ms, self.stable.reveal(stable)),
                ..transient
            },
            _ => Written {
                payload: self
                    .scribe
                    .write(envelope, stamp_ms, envelope.hints.with(Hints::TRANSIENT)),
                stable: None,
                ..transient
            },
        }
    }

    /// Where the message of a pending record stands in the history of its user.
    pub(super) fn identity(&self, record: &Record, envelope: &Envelope) -> Option<StableId> {
        let archived_as = match store::archived_as(record.version, &record.payload) {
            Some(other) => Some(other),
            None => (self.setup.archive && !envelope.hints.has(Hints::TRANSIENT)).then_some(record.id),
        };
        archived_as.map(|id| self.stable.hide(id))
    }

    /// Keeps a message in the history of its sender, or of an addressee to whom it is handed at once. Gives its place there.
    #[inline]
    pub(super) fn archive(&mut self, uid: UserId, envelope: &Envelope) -> Option<StableId> {
        // Twice for every message, and for nothing where there is no archive.
        match self.setup.archive {
            true => self.archive_in_log(uid, envelope),
            false => None,
        }
    }

    fn archive_in_log(&mut self, uid: UserId, envelope: &Envelope) -> Option<StableId> {
        if self.log_failed || !self.is_kept(uid, envelope) {
            return None;
        }
        let key = self.users.get(uid)?.key.0;
        let stamp_ms = envelope.stamp_ms.unwrap_or(self.now.unix_ms);
        let payload = self.scribe.write(envelope, stamp_ms, envelope.hints);
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
        Some(self.stable.hide(id))
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
        let wish = PageWish {
            user: user.to_bare().detached(),
            span,
            direction,
            records_max,
            then,
        };
        match self.readers.0.get_mut(&UserKey::of(user)) {
            Some(waiting) if waiting.len() >= PAGES_WAITING_MAX => {
                (wish.then)(Err(Condition::ResourceConstraint), self);
            }
            Some(waiting) => waiting.push_back(wish),
            None => {
                self.readers.0.insert(UserKey::of(user), VecDeque::new());
                self.ask_for_page(wish);
            }
        }
    }

    fn ask_for_page(&mut self, wish: PageWish) {
        let PageWish {
            user,
            span,
            direction,
            records_max,
            then,
        } = wish;
        let key = UserKey::of(&user);
        let token = self.expect(move |shard, outcome| {
            shard.next_page(key);
            let page = match outcome {
                Outcome::Page {
                    records,
                    complete,
                    edge,
                    ..
                } => Ok(HistoryPage {
                    messages: shard.messages_of(&user, &records),
                    complete,
                    edge,
                }),
                _ => Err(Condition::InternalServerError),
            };
            then(page, shard);
        });
        self.outgoing.journal.push(JournalRequest::History {
            token,
            user: key.0,
            span,
            direction,
            records_max,
            bytes_max: PAGE_BYTES,
        });
    }

    /// A page has been read: the user's next one is.
    fn next_page(&mut self, key: UserKey) {
        match self.readers.0.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(wish) => self.ask_for_page(wish),
            None => drop(self.readers.0.remove(&key)),
        }
    }

    /// The messages of a page that are this user's, and can be read.
    fn messages_of(&self, user: &Jid, records: &[Record]) -> Vec<(RecordId, Envelope)> {
        let read = records.iter().filter_map(|record| {
            let mut envelope = store::decode(record.version, &record.payload).ok()?;
            let theirs = envelope.to.same_bare(user) || envelope.from.same_bare(user);
            envelope.stable = Some(self.stable.hide(record.id));
            theirs.then_some((record.id, envelope))
        });
        read.collect()
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
