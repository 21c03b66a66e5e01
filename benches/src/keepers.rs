//! Log and book without a disk: what the seam of storage promises, and as little work as that takes.
//!
//! Invariants: requests of a batch take effect in order and are answered in order; nothing is hashed with a seed, so two
//! runs do the same work.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use crosspoint_engine::shard::Item;
use crosspoint_storage::seam::{
    BookRead, BookReply, BookRequest, BookWrite, JournalReply, JournalRequest, Record, RecordId, Row, Table, UserKey,
};

/// A log and a book in memory.
#[derive(Debug, Default)]
pub struct Keepers {
    queues: BTreeMap<UserKey, Queue>,
    rows: BTreeMap<(Table, Bytes), Bytes>,
}

/// A user's messages that wait, oldest first.
#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    last: RecordId,
}

impl Keepers {
    /// Messages that wait for a user.
    #[must_use]
    pub fn pending(&self, user: UserKey) -> usize {
        self.queues.get(&user).map_or(0, |queue| queue.records.len())
    }

    /// Changes the book.
    pub fn write(&mut self, write: BookWrite) {
        match write {
            BookWrite::Put { table, key, value }
            | BookWrite::Insert { table, key, value }
            | BookWrite::Replace { table, key, value, .. } => {
                self.rows.insert((table, key), value);
            }
            BookWrite::Delete { table, key } => {
                self.rows.remove(&(table, key));
            }
            BookWrite::DeletePrefix { table, prefix } => self
                .rows
                .retain(|(other, key), _| *other != table || !key.starts_with(&prefix)),
        }
    }

    /// Serves a batch of a shard's requests to the log; the answers go to `into`.
    pub fn journal(&mut self, batch: impl IntoIterator<Item = JournalRequest>, into: &mut Vec<Item>) {
        let mut committed = Vec::new();
        for request in batch {
            match request {
                JournalRequest::Append { token, record, .. } => {
                    self.append(record);
                    committed.push(token);
                }
                JournalRequest::Flush { token } => committed.push(token),
                JournalRequest::Settle { user, ids } => self.settle(user, &ids),
                question => {
                    flush(&mut committed, into);
                    into.push(Item::Journal(self.answer(question)));
                }
            }
        }
        flush(&mut committed, into);
    }

    /// Serves a batch of a shard's requests to the book; the answers go to `into`.
    pub fn book(&mut self, batch: impl IntoIterator<Item = BookRequest>, into: &mut Vec<Item>) {
        for request in batch {
            into.push(Item::Book(match request {
                BookRequest::Read { token, reads } => BookReply::Rows {
                    token,
                    results: reads.iter().map(|read| self.look_up(read)).collect(),
                },
                BookRequest::Write { token, batch } => {
                    let taken = |write: &BookWrite| match write {
                        BookWrite::Insert { table, key, .. } => self.rows.contains_key(&(*table, key.clone())),
                        BookWrite::Replace { table, key, old, .. } => {
                            self.rows.get(&(*table, key.clone())) != Some(old)
                        }
                        _ => false,
                    };
                    if batch.iter().any(taken) {
                        BookReply::Exists { token }
                    } else {
                        batch.into_iter().for_each(|write| self.write(write));
                        BookReply::Written { token }
                    }
                }
            }));
        }
    }

    fn append(&mut self, record: Record) {
        let queue = self.queues.entry(record.user).or_default();
        queue.last = queue.last.max(record.id);
        queue.records.push_back(record);
    }

    /// Nearly always the oldest, in order.
    fn settle(&mut self, user: UserKey, ids: &[RecordId]) {
        let Some(queue) = self.queues.get_mut(&user) else {
            return;
        };
        for id in ids {
            if let Some(place) = queue.records.iter().position(|record| record.id == *id) {
                queue.records.remove(place);
            }
        }
    }

    fn answer(&self, question: JournalRequest) -> JournalReply {
        match question {
            JournalRequest::Pending { token, user } => {
                let queue = self.queues.get(&user);
                let waiting = queue.into_iter().flat_map(|queue| &queue.records);
                JournalReply::Pending {
                    token,
                    records: self.pending(user) as u64,
                    bytes: waiting.map(|record| record.payload.len() as u64).sum(),
                    last: queue.map_or(0, |queue| queue.last),
                }
            }
            JournalRequest::Fetch {
                token,
                user,
                after,
                records_max,
                bytes_max,
            } => {
                let queue = self.queues.get(&user);
                let mut waiting = queue.into_iter().flat_map(|queue| &queue.records).peekable();
                while waiting.next_if(|record| record.id <= after).is_some() {}
                let (mut records, mut bytes) = (Vec::new(), 0);
                while records.len() < records_max as usize && bytes < bytes_max as usize {
                    let Some(record) = waiting.next() else { break };
                    bytes += record.payload.len();
                    records.push(record.clone());
                }
                let more = waiting.peek().is_some();
                JournalReply::Fetched { token, records, more }
            }
            JournalRequest::Append { token, .. }
            | JournalRequest::Forget { token, .. }
            | JournalRequest::Redact { token, .. }
            | JournalRequest::Flush { token } => JournalReply::Committed { tokens: vec![token] },
            // Nothing is archived here.
            JournalRequest::History { token, .. } => JournalReply::Page {
                token,
                records: Vec::new(),
                hidden: Vec::new(),
                complete: true,
                edge: 0,
            },
            JournalRequest::Extent { token, .. } => JournalReply::Extent {
                token,
                records: 0,
                first: 0,
                last: 0,
            },
            JournalRequest::Settle { .. } => JournalReply::Committed { tokens: Vec::new() },
        }
    }

    fn look_up(&self, read: &BookRead) -> Vec<Row> {
        match read {
            BookRead::Get { table, key } => {
                let value = self.rows.get(&(*table, key.clone()));
                let row = |value: &Bytes| Row {
                    key: key.clone(),
                    value: value.clone(),
                };
                value.map(row).into_iter().collect()
            }
            BookRead::Prefix {
                table,
                prefix,
                after,
                rows_max,
            } => {
                let from = (*table, prefix.max(after).clone());
                let of_prefix = |(place, _): &(&(Table, Bytes), _)| place.0 == *table && place.1.starts_with(prefix);
                self.rows
                    .range(from..)
                    .take_while(of_prefix)
                    .filter(|(place, _)| after.is_empty() || place.1 > *after)
                    .take(*rows_max as usize)
                    .map(|((_, key), value)| Row {
                        key: key.clone(),
                        value: value.clone(),
                    })
                    .collect()
            }
        }
    }
}

/// Neighbouring commits are answered together, as the log does it.
fn flush(committed: &mut Vec<u64>, into: &mut Vec<Item>) {
    if !committed.is_empty() {
        let tokens = std::mem::take(committed);
        into.push(Item::Journal(JournalReply::Committed { tokens }));
    }
}
