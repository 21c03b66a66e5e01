//! What waits for a user: messages in the log that no client has confirmed.
//!
//! ```text
//!   append ──▶ pending ──┬─ fetched, handed to a session ──▶ held ──┬─ confirmed ──▶ settled
//!                        └─ handed over at once ─────────▶ held ────┴─ session gone ──▶ pending
//! ```
//! Invariants:
//! - `append` is the only way into the log, and it is bounded by the user's quota.
//! - A record is handed to a second session only when every session that held it is gone.
//! - Draining keeps the order of the record ids; what arrives meanwhile queues behind.
//! - A page shows what was pending when it was asked for. What was confirmed since is not handed over again.

use crosspoint_storage::seam::{JournalRequest, Record};

use super::history::Written;
use super::ledger::{Outcome, Waiting};
use super::table::SessionId;
use super::user::UserId;
use super::{Shard, Ticket};
use crate::envelope::{Condition, Envelope};
use crate::jid::Jid;
use crate::session::{Event, Form};
use crate::slots::UserKey;
use crate::stable::StableId;
use crate::store::{self, RecordId};

/// How many times the quota of an absent user may wait for one who is there: a burst is not mail for somebody who is away.
const ONLINE_TIMES: u64 = 4;
/// Pages that a session may hold unconfirmed before it is given no more.
const HELD_PAGES: usize = 4;

/// A user's queue, as far as the shard needs to know it: the records themselves are in the log.
#[derive(Default)]
pub(super) struct Queue {
    records: u64,
    bytes: u64,
    /// Highest id appended or found in the log.
    last: RecordId,
    held: Vec<Held>,
    /// Boxed: rare, and most queues are empty.
    drain: Option<Box<Drain>>,
}

struct Held {
    record: RecordId,
    session: SessionId,
    bytes: u32,
}

struct Drain {
    session: SessionId,
    /// Everything up to here has been handed over.
    after: RecordId,
    /// `Queue::last` when the page under way was asked for: the log has looked at everything up to it.
    asked_at: RecordId,
    fetching: bool,
    /// Confirmed since the page under way was asked for: it may hold them. At most what sessions held then.
    confirmed: Vec<RecordId>,
    /// Set when the client asked for it: it has everything up to here, and is told when that was all.
    sync: Option<RecordId>,
}

/// A record just appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    pub(super) id: RecordId,
    pub(super) bytes: u32,
    /// Its message's place in the history.
    pub(super) stable: Option<StableId>,
}

/// Looks records up in an ordered list. They are asked for in its order, as a rule, which costs a comparison each.
struct Among<'a> {
    records: &'a [RecordId],
    next: usize,
}

impl Among<'_> {
    fn new(records: &[RecordId]) -> Among<'_> {
        Among { records, next: 0 }
    }

    fn has(&mut self, record: RecordId) -> bool {
        let found = match self.records.get(self.next) {
            Some(next) if *next == record => Ok(self.next),
            _ => self.records.binary_search(&record),
        };
        self.next = found.map_or(self.next, |at| at + 1);
        found.is_ok()
    }
}

impl Queue {
    pub(super) fn loaded(&mut self, records: u64, bytes: u64, last: RecordId) {
        if self.held.is_empty() {
            (self.records, self.bytes) = (records, bytes);
        }
        self.last = self.last.max(last);
    }

    /// Messages that nobody has confirmed yet.
    pub(super) fn waiting(&self) -> u64 {
        self.records
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.drain.is_some() || !self.held.is_empty()
    }

    fn is_held(&self, record: RecordId) -> bool {
        self.held.iter().any(|held| held.record == record)
    }

    /// Records that no session holds.
    fn unheld(&self) -> u64 {
        let mut held: Vec<RecordId> = self.held.iter().map(|held| held.record).collect();
        held.sort_unstable();
        held.dedup();
        self.records.saturating_sub(held.len() as u64)
    }

    /// These are confirmed by a session: nobody holds them any more. Gives those that it did hold.
    fn release(&mut self, session: SessionId, mut records: Vec<RecordId>) -> Vec<RecordId> {
        records.sort_unstable();
        records.dedup();
        let mut among = Among::new(&records);
        let mut released = 0;
        for held in self.held.iter().filter(|held| held.session == session) {
            if among.has(held.record) {
                self.bytes = self.bytes.saturating_sub(u64::from(held.bytes));
                self.records = self.records.saturating_sub(1);
                released += 1;
            }
        }
        if released < records.len() {
            let of_session = self.held.iter().filter(|held| held.session == session);
            let mut those: Vec<RecordId> = of_session.map(|held| held.record).collect();
            those.retain(|record| records.binary_search(record).is_ok());
            those.sort_unstable();
            records = those;
        }
        let mut among = Among::new(&records);
        self.held.retain(|held| !among.has(held.record));
        if let Some(drain) = self.drain.as_mut().filter(|drain| drain.fetching) {
            drain.confirmed.extend_from_slice(&records);
        }
        records
    }

    fn held_by(&self, session: SessionId) -> usize {
        self.held.iter().filter(|held| held.session == session).count()
    }
}

impl Shard {
    /// The identity of the next record.
    pub(super) fn next_record(&mut self) -> RecordId {
        self.record_last = store::record_after(self.record_last, self.now.unix_ms);
        self.record_last
    }

    /// Makes a message durable as pending for a user. The ticket is answered after the commit.
    pub(super) fn append(
        &mut self,
        uid: UserId,
        envelope: &Envelope,
        ticket: Option<Ticket>,
    ) -> Result<Appended, Condition> {
        if self.log_failed {
            return Err(Condition::InternalServerError);
        }
        let limits = &self.setup.limits;
        let Some(user) = self.users.get(uid) else {
            return Err(Condition::InternalServerError);
        };
        // Who is there and takes what comes may be behind for a while.
        let times = match user.available().any(|(_, priority)| priority >= 0) {
            true => ONLINE_TIMES,
            false => 1,
        };
        if user.queue.records >= times * limits.queue_records || user.queue.bytes >= times * limits.queue_bytes {
            self.metrics.queue_full.add(1);
            // XEP-0160 section 2: a full queue answers as if nobody were there.
            return Err(Condition::ServiceUnavailable);
        }
        let id = self.next_record();
        let Written {
            version,
            payload,
            disposition,
            stable,
        } = self.write_pending(uid, envelope, id);
        let Some(user) = self.users.get_mut(uid) else {
            return Err(Condition::InternalServerError);
        };
        user.queue.records += 1;
        user.queue.bytes += payload.len() as u64;
        user.queue.last = id;
        let bytes = payload.len() as u32;
        let record = Record {
            user: user.key.0,
            id,
            version,
            payload,
        };
        self.metrics.stored.add(1);
        let token = self.ledger.enter(Waiting::Appended(ticket));
        self.outgoing.journal.push(JournalRequest::Append {
            token,
            record,
            disposition,
        });
        self.touch(uid);
        Ok(Appended { id, bytes, stable })
    }

    /// A session is about to be handed a record.
    pub(super) fn hold(&mut self, uid: UserId, session: SessionId, record: Appended) {
        if let Some(user) = self.users.get_mut(uid) {
            user.queue.held.push(Held {
                record: record.id,
                session,
                bytes: record.bytes,
            });
        }
    }

    /// A session's client has these.
    pub(super) fn settle(&mut self, id: SessionId, records: Vec<RecordId>) {
        let Some(uid) = self.sessions.get(id).and_then(|entry| entry.user) else {
            return;
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        let queue = &mut user.queue;
        let settled = queue.release(id, records);
        if settled.is_empty() {
            return;
        }
        if queue.records == 0 {
            queue.bytes = 0;
        }
        self.metrics.settled.add(settled.len() as u64);
        self.outgoing.journal.push(JournalRequest::Settle {
            user: user.key.0,
            ids: settled,
        });
        self.continue_queue(id);
    }

    /// A session can be given no more until it has confirmed or read what it has.
    pub(super) fn must_spool(&self, uid: UserId, session: SessionId) -> bool {
        let page = self.setup.limits.queue_page_records as usize;
        self.is_slow(session)
            || self
                .users
                .get(uid)
                .is_some_and(|user| user.queue.held_by(session) >= HELD_PAGES * page)
    }

    /// A session became able to take what waits.
    pub(super) fn begin_queue(&mut self, uid: UserId, session: SessionId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.queue.drain.is_none() && user.queue.unheld() > 0 {
            user.queue.drain = Some(Box::new(Drain {
                session,
                after: 0,
                asked_at: 0,
                fetching: false,
                confirmed: Vec::new(),
                sync: None,
            }));
        }
        self.continue_queue(session);
    }

    /// Fetches the next page if this session is being drained to and has room.
    pub(super) fn continue_queue(&mut self, session: SessionId) {
        let Some(uid) = self.sessions.get(session).and_then(|entry| entry.user) else {
            return;
        };
        let (records_max, bytes_max) = (self.setup.limits.queue_page_records, self.setup.limits.queue_page_bytes);
        let slow = self.is_slow(session);
        let Some(user) = self.users.get_mut(uid) else { return };
        // A client may confirm when it has half of what it may hold: the next page is on its way by then.
        let full = user.queue.held_by(session) > (HELD_PAGES - 1) * records_max as usize;
        let Some(drain) = &mut user.queue.drain else { return };
        if drain.session != session || drain.fetching || slow || full {
            return;
        }
        drain.fetching = true;
        drain.asked_at = user.queue.last;
        let (after, key) = (drain.after, user.key.0);
        let token = self.ledger.enter(Waiting::Fetched(uid));
        self.outgoing.journal.push(JournalRequest::Fetch {
            token,
            user: key,
            after,
            records_max,
            bytes_max,
        });
    }

    /// A page has come from the log.
    pub(super) fn fetched(&mut self, uid: UserId, records: Vec<Record>, more: bool) {
        let Some(user) = self.users.get_mut(uid) else { return };
        let Some(drain) = &mut user.queue.drain else { return };
        drain.fetching = false;
        let mut confirmed = std::mem::take(&mut drain.confirmed);
        confirmed.sort_unstable();
        let session = drain.session;
        if let Some(last) = records.last() {
            drain.after = last.id;
        }
        let finished = !more && drain.asked_at == user.queue.last;
        if self
            .sessions
            .get(session)
            .is_none_or(|entry| entry.closing || entry.address.is_none())
        {
            return self.redirect_queue(uid);
        }
        let known = drain.sync.unwrap_or(0);
        let waits = |record: &Record| confirmed.binary_search(&record.id).is_err();
        let (had, new): (Vec<_>, Vec<_>) = records.into_iter().filter(waits).partition(|record| record.id <= known);
        self.settle_known(uid, &had);
        for record in new {
            self.deliver_record(uid, session, &record);
        }
        if finished && let Some(user) = self.users.get_mut(uid) {
            let drain = user.queue.drain.take();
            self.touch(uid);
            if let Some(sync) = drain.and_then(|drain| drain.sync.map(|sync| sync.max(drain.after))) {
                self.event(session, Event::Synced { after: sync });
            }
            return;
        }
        self.continue_queue(session);
    }

    /// The client of a session says what it has, and asks for the rest.
    pub(super) fn sync_queue(&mut self, session: SessionId, after: RecordId) {
        let Some(uid) = self.sessions.get(session).and_then(|entry| entry.user) else {
            return;
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        let queue = &mut user.queue;
        let nothing = queue.unheld() == 0;
        match &mut queue.drain {
            Some(drain) if drain.session == session => drain.sync = Some(after),
            // Another session is being drained to: it takes what there is.
            Some(_) => return self.event(session, Event::Synced { after }),
            None if nothing => return self.event(session, Event::Synced { after }),
            None => {
                queue.drain = Some(Box::new(Drain {
                    session,
                    after: 0,
                    asked_at: 0,
                    fetching: false,
                    confirmed: Vec::new(),
                    sync: Some(after),
                }));
            }
        }
        self.continue_queue(session);
    }

    /// Pending records that the client has, from an earlier session: nobody holds them, and nobody needs them.
    fn settle_known(&mut self, uid: UserId, records: &[Record]) {
        let Some(user) = self.users.get_mut(uid) else { return };
        let queue = &mut user.queue;
        let mut ids = Vec::with_capacity(records.len());
        for record in records {
            let theirs = store::decode(record.version, &record.payload)
                .is_ok_and(|envelope| envelope.to.same_bare(&user.address));
            if queue.is_held(record.id) || !theirs {
                continue;
            }
            queue.bytes = queue.bytes.saturating_sub(record.payload.len() as u64);
            queue.records = queue.records.saturating_sub(1);
            ids.push(record.id);
        }
        if !ids.is_empty() {
            self.metrics.settled.add(ids.len() as u64);
            if let Some(drain) = queue.drain.as_mut().filter(|drain| drain.fetching) {
                drain.confirmed.extend_from_slice(&ids);
            }
            let user = user.key.0;
            self.outgoing.journal.push(JournalRequest::Settle { user, ids });
        }
    }

    /// The client of a session reads its archive: what waits by now and stands there need not be sent, unless a session holds it.
    pub(super) fn leave_to_archive(&mut self, session: SessionId) {
        let Some(uid) = self.sessions.get(session).and_then(|entry| entry.user) else {
            return;
        };
        let Some(user) = self.users.get(uid) else { return };
        if self.setup.archive && user.queue.unheld() > 0 {
            let until = user.queue.last;
            self.leave_page(uid, 0, until);
        }
    }

    fn leave_page(&mut self, uid: UserId, after: RecordId, until: RecordId) {
        let (records_max, bytes_max) = (self.setup.limits.queue_page_records, self.setup.limits.queue_page_bytes);
        let Some(user) = self.users.get(uid).map(|user| user.key.0) else {
            return;
        };
        self.pin(uid);
        let token = self.expect(move |shard, outcome| {
            if let Outcome::Records(records, more) = outcome {
                let last = records.last().map_or(until, |record| record.id);
                let archived: Vec<Record> = records
                    .into_iter()
                    .filter(|record| shard.is_archived(record, until))
                    .collect();
                shard.settle_known(uid, &archived);
                if more && last < until {
                    shard.leave_page(uid, last, until);
                }
            }
            shard.unpin(uid);
        });
        self.outgoing.journal.push(JournalRequest::Fetch {
            token,
            user,
            after,
            records_max,
            bytes_max,
        });
    }

    fn is_archived(&self, record: &Record, until: RecordId) -> bool {
        let known = |envelope: Envelope| self.identity(record, &envelope).is_some();
        record.id <= until && store::decode(record.version, &record.payload).is_ok_and(known)
    }

    /// A session asks to be given nothing that can wait, or to be given it again.
    pub(super) fn hold_back(&mut self, session: SessionId, hold: bool) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.held_back = hold;
        if !hold {
            self.continue_queue(session);
        }
    }

    fn deliver_record(&mut self, uid: UserId, session: SessionId, record: &Record) {
        let Some(user) = self.users.get(uid) else { return };
        if user.queue.is_held(record.id) {
            return;
        }
        match store::decode(record.version, &record.payload) {
            // Another user with the same key: not ours to read.
            Ok(envelope) if !envelope.to.same_bare(&user.address) => {}
            Ok(mut envelope) => {
                envelope.stable = self.identity(record, &envelope);
                self.hold(
                    uid,
                    session,
                    Appended {
                        id: record.id,
                        bytes: record.payload.len() as u32,
                        stable: envelope.stable,
                    },
                );
                self.deliver(session, &envelope, Form::Plain, Some(record.id));
            }
            Err(error) => {
                tracing::error!(user = %user.address, record = record.id, error = error.0, "a stored message cannot be read; it stays in the log");
                self.metrics.storage_failed.add(1);
            }
        }
    }

    pub(super) fn fetch_failed(&mut self, uid: UserId) {
        if let Some(user) = self.users.get_mut(uid) {
            user.queue.drain = None;
        }
    }

    /// A session is gone: what it held is pending again, for another session if there is one.
    pub(super) fn release_held(&mut self, id: SessionId, uid: UserId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        let before = user.queue.held.len();
        user.queue.held.retain(|held| held.session != id);
        let released = before != user.queue.held.len();
        let drained_to = user
            .queue
            .drain
            .as_ref()
            .is_some_and(|drain| drain.session == id && !drain.fetching);
        if released || drained_to {
            self.redirect_queue(uid);
        }
    }

    /// Begins again with another session, or waits for one to come.
    fn redirect_queue(&mut self, uid: UserId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.queue.drain.as_ref().is_some_and(|drain| drain.fetching) {
            return;
        }
        user.queue.drain = None;
        let next = user
            .available()
            .filter(|(_, priority)| *priority >= 0)
            .max_by_key(|(_, priority)| *priority);
        match next.map(|(resource, _)| resource.session) {
            Some(session) => self.begin_queue(uid, session),
            None => self.touch(uid),
        }
    }

    /// The account is gone: so is what waited for it.
    pub(super) fn forget_messages(&mut self, user: &Jid) {
        self.forget_page(UserKey::of(user), user.clone(), 0);
    }

    fn forget_page(&mut self, key: UserKey, user: Jid, after: RecordId) {
        let (records_max, bytes_max) = (self.setup.limits.queue_page_records, self.setup.limits.queue_page_bytes);
        let token = self.expect(move |shard, outcome| {
            let Outcome::Records(records, more) = outcome else {
                return;
            };
            let Some(last) = records.last().map(|record| record.id) else {
                return;
            };
            let theirs = records.iter().filter(|record| {
                store::decode(record.version, &record.payload).is_ok_and(|envelope| envelope.to.same_bare(&user))
            });
            let ids = theirs.map(|record| record.id).collect();
            shard.outgoing.journal.push(JournalRequest::Settle { user: key.0, ids });
            if more {
                shard.forget_page(key, user, last);
            }
        });
        self.outgoing.journal.push(JournalRequest::Fetch {
            token,
            user: key.0,
            after,
            records_max,
            bytes_max,
        });
    }

    /// A resumed session holds what the one it replaces held.
    pub(super) fn replace_holder(&mut self, uid: UserId, old: SessionId, new: SessionId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        for held in user.queue.held.iter_mut().filter(|held| held.session == old) {
            held.session = new;
        }
        if let Some(drain) = user.queue.drain.as_mut().filter(|drain| drain.session == old) {
            drain.session = new;
        }
    }
}
