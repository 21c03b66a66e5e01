//! The archive of a room: read in pages, and hidden from by who has written, or by a moderator (XEP-0425).
//!
//! ```text
//!   moderate ─▶ is there such a message? ─▶ hide it ─▶ keep the room's own word ─▶ all are told, who asked is answered
//!   page ─▶ is something hidden in it? ─▶ look behind it for the words that hid it ─▶ messages, and traces in their places
//! ```
//! Invariants:
//! - A moderation is told and answered when the message is hidden, and the word that says so is on the disk.
//! - Of a hidden message nothing is handed out but whose it was, when, its identifier, and what hid it. Where that is not found among the
//!   next [`TRACES_MAX`] records, nothing is.

use std::collections::HashMap;

use bytes::Bytes;
use crosspoint_storage::seam::{Direction, Disposition, JournalRequest, Record, Span, Token};

use super::super::Shard;
use super::super::ledger::Outcome;
use super::performance::occupant_id;
use crate::envelope::{Codec, Condition, Content, Envelope};
use crate::jid::Jid;
use crate::neutral::Neutral;
use crate::service::{Retracted, RoomHistoryPage, RoomSaid, ThenRoomHistory};
use crate::slots::UserKey;
use crate::stable::StableId;
use crate::store::{self, RecordId};

/// Bytes of a page's messages, about.
const PAGE_BYTES: u32 = 256 * 1024;
/// How many records behind the first hidden one of a page are looked at for what hid it.
const TRACES_MAX: u32 = 256;

/// A message that a moderator wants to be hidden.
pub(super) struct Moderation {
    pub(super) record: RecordId,
    /// What the room says about it in its archive, and where; nothing if it keeps none.
    pub(super) word: Option<(RecordId, Envelope)>,
    /// Refused if there is no such message.
    pub(super) query: Envelope,
}

/// What hid a message.
struct Trace {
    /// In whose name; nobody's for a moderator, who hides what others have said.
    author: Option<Jid>,
    told: Retracted,
}

impl Shard {
    /// A record of a room is hidden, if it is by this account.
    pub(super) fn hide_own(&mut self, room: &Jid, record: RecordId, by: Jid) {
        let address = room.clone();
        self.find_said(room, record, move |shard, said| {
            if said.is_some_and(|said| said.to.same_bare(&by)) {
                let token = shard.expect(|_, _| {});
                shard.redact(&address, record, token);
            }
        });
    }

    /// Hides a message of a room, whoever has said it. What is said of that waits for `then`.
    pub(super) fn moderate(
        &mut self,
        room: &Jid,
        moderation: Moderation,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let address = room.clone();
        let Moderation { record, word, .. } = moderation;
        self.find_said(room, record, move |shard, said| {
            if said.is_none() {
                return then(shard, Err(Condition::ItemNotFound));
            }
            let room = address.clone();
            let token = shard.expect(move |shard, outcome| match (outcome, word) {
                (Outcome::Written, Some((id, word))) => shard.keep_word(&room, id, &word, then),
                (Outcome::Written, None) => then(shard, Ok(())),
                _ => then(shard, Err(Condition::ResourceConstraint)),
            });
            shard.redact(&address, record, token);
        });
    }

    fn redact(&mut self, room: &Jid, id: RecordId, token: Token) {
        let user = UserKey::of(room).0;
        self.outgoing.journal.push(JournalRequest::Redact { token, user, id });
    }

    /// A word of the room itself goes into its archive.
    fn keep_word(
        &mut self,
        room: &Jid,
        id: RecordId,
        word: &Envelope,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let token = self.expect(move |shard, outcome| match outcome {
            Outcome::Written => then(shard, Ok(())),
            _ => then(shard, Err(Condition::InternalServerError)),
        });
        self.metrics.archived.add(1);
        self.outgoing.journal.push(JournalRequest::Append {
            token,
            record: Record {
                user: UserKey::of(room).0,
                id,
                version: store::ENVELOPE_VERSION,
                payload: store::encode(word, self.now.unix_ms),
            },
            disposition: Disposition::Archived,
        });
    }

    /// What an occupant has said in this room under this identity, unless it is hidden.
    fn find_said(
        &mut self,
        room: &Jid,
        record: RecordId,
        then: impl FnOnce(&mut Shard, Option<Envelope>) + Send + 'static,
    ) {
        let address = room.clone();
        let token = self.expect(move |shard, outcome| {
            let records = match outcome {
                Outcome::Page { records, .. } => records,
                _ => Vec::new(),
            };
            let found = records.iter().find(|kept| kept.id == record);
            let said = found.and_then(|kept| said_in(&address, kept));
            then(shard, said.filter(|said| said.from.is_full()));
        });
        let span = Span {
            after: record.saturating_sub(1),
            before: record.saturating_add(1),
        };
        self.ask_log(room, span, Direction::Forward, 1, token);
    }

    fn ask_log(&mut self, room: &Jid, span: Span, direction: Direction, records_max: u32, token: Token) {
        self.outgoing.journal.push(JournalRequest::History {
            token,
            user: UserKey::of(room).0,
            span,
            direction,
            records_max,
            bytes_max: PAGE_BYTES,
        });
    }

    /// For handlers: a page of what was said in a room that lives here.
    pub(in super::super) fn read_room_history(
        &mut self,
        room: &Jid,
        span: Span,
        direction: Direction,
        records_max: u32,
        then: ThenRoomHistory,
    ) {
        if !self.setup.archive {
            return then(Err(Condition::FeatureNotImplemented), self);
        }
        let address = room.to_bare().detached();
        let token = self.expect(move |shard, outcome| {
            let Outcome::Page {
                records,
                hidden,
                complete,
                edge,
            } = outcome
            else {
                return then(Err(Condition::InternalServerError), shard);
            };
            let page = RoomHistoryPage {
                messages: shard.said(&address, &records),
                complete,
                edge,
            };
            shard.with_traces(address, page, hidden, then);
        });
        self.ask_log(room, span, direction, records_max, token);
    }

    /// Adds to a page what is to be told of the messages that are hidden in it.
    fn with_traces(&mut self, room: Jid, page: RoomHistoryPage, hidden: Vec<Record>, then: ThenRoomHistory) {
        let Some(first) = hidden.first().map(|record| record.id) else {
            return then(Ok(page), self);
        };
        let address = room.clone();
        let token = self.expect(move |shard, outcome| {
            let behind = match outcome {
                Outcome::Page { records, .. } => records,
                _ => Vec::new(),
            };
            let mut page = page;
            let traces = shard.traces(&room, &behind);
            page.messages.extend(shard.hidden(&room, &hidden, &traces));
            page.messages.sort_by_key(|said| said.record);
            then(Ok(page), shard);
        });
        self.ask_log(&address, Span::ALL.after(first), Direction::Forward, TRACES_MAX, token);
    }

    /// What these records hide.
    fn traces(&self, room: &Jid, records: &[Record]) -> HashMap<RecordId, Vec<Trace>> {
        let mut traces: HashMap<RecordId, Vec<Trace>> = HashMap::new();
        for record in records {
            let Some(word) = said_in(room, record) else { continue };
            let neutral = match word.content.codec {
                Codec::Neutral => Some(word.clone()),
                _ => self.in_neutral_words(&word),
            };
            let Some(neutral) = neutral else { continue };
            let said = Neutral::read(&neutral.content.body);
            if let Some(hides) = said.retracts.as_deref().and_then(StableId::parse) {
                let trace = self.trace(room, &word, neutral.id.clone(), &said);
                traces.entry(self.stable.reveal(hides)).or_default().push(trace);
            }
        }
        traces
    }

    fn trace(&self, room: &Jid, word: &Envelope, id: Bytes, said: &Neutral<'_>) -> Trace {
        // What an occupant says has its address; only the room itself speaks for a moderator.
        let by_moderator = said.moderator.as_deref().filter(|_| word.from.is_bare());
        Trace {
            author: by_moderator.is_none().then(|| word.to.to_bare()),
            told: Retracted {
                id,
                unix_ms: word.stamp_ms.unwrap_or_default(),
                by: by_moderator.map(|nick| (nick.to_owned(), occupant_id(&self.setup.secret, room, &word.to))),
                reason: by_moderator.and(said.text.as_deref()).unwrap_or_default().to_owned(),
            },
        }
    }

    /// The hidden messages of a page, without what they said.
    fn hidden(&self, room: &Jid, records: &[Record], traces: &HashMap<RecordId, Vec<Trace>>) -> Vec<RoomSaid> {
        let mut shown = self.said(room, records);
        shown.retain_mut(|said| {
            let mut found = traces.get(&said.record).into_iter().flatten();
            let is = |author: &Jid| occupant_id(&self.setup.secret, room, author) == said.occupant_id;
            let trace = found.find(|trace| trace.author.as_ref().is_none_or(is));
            said.envelope.content = Content::default();
            said.retracted = trace.map(|trace| trace.told.clone());
            said.retracted.is_some()
        });
        shown
    }

    /// The messages of a page that are this room's. Who wrote them stands in the record, and goes no further where that is not open.
    fn said(&self, room: &Jid, records: &[Record]) -> Vec<RoomSaid> {
        let open = self
            .room_at(UserKey::of(room), room)
            .is_some_and(|room| room.config().non_anonymous);
        let read = records.iter().filter_map(|record| {
            let mut envelope = said_in(room, record)?;
            let author = std::mem::replace(&mut envelope.to, room.clone());
            Some(RoomSaid {
                record: record.id,
                envelope,
                occupant_id: occupant_id(&self.setup.secret, room, &author),
                real: open.then_some(author),
                retracted: None,
            })
        });
        read.collect()
    }
}

/// What a record says, if it is this room's.
fn said_in(room: &Jid, record: &Record) -> Option<Envelope> {
    let said = store::decode(record.version, &record.payload).ok()?;
    said.from.same_bare(room).then_some(said)
}
