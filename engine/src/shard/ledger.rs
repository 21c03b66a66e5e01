//! Requests under way: what to do when a keeper or the support thread answers.
//!
//! Invariant: every request is answered once, by whatever outcome; its entry is taken out then.

use crosspoint_storage::seam::{BookReply, JournalReply, Record, RecordId, Row, Token};
use slab::Slab;

use super::mail::KeyReply;
use super::user::UserId;
use super::{Shard, Ticket};
use crate::guard::Attempt;
use crate::scram::{AccountKeys, SALTED_BYTES};
use crate::tokens::Verdict;

/// Called once with the outcome of a request.
pub(super) type Continuation = Box<dyn FnOnce(&mut Shard, Outcome) + Send>;

/// What somebody waits for.
pub(super) enum Waiting {
    /// A message is being appended; its sender may be told when it is durable.
    Appended(Option<Ticket>),
    /// Pending messages of a user are being fetched.
    Fetched(UserId),
    /// How much is pending for a user that is being loaded?
    Counted(UserId),
    /// Anything off the hot path.
    Then(Continuation),
}

/// How a request ended.
pub(super) enum Outcome {
    /// Durable.
    Written,
    /// An insert found its key taken.
    Exists,
    /// One list a look-up.
    Rows(Vec<Vec<Row>>),
    /// A page of pending messages.
    Records(Vec<Record>, bool),
    /// A page of history, oldest first, and what is hidden in it; whether that is all, and where the next one begins.
    Page {
        records: Vec<Record>,
        hidden: Vec<Record>,
        complete: bool,
        edge: RecordId,
    },
    /// Whether a login may be tried, and what was paid for it.
    Admitted(Option<Attempt>),
    /// What is to be said of a token; nothing if it could not be looked at.
    Judged(Option<Verdict>),
    /// Whether a password opens an account, and what makes its keys whole if they are partial.
    Checked(bool, Option<[u8; SALTED_BYTES]>),
    /// Keys of a new password, or none if it cannot be one.
    Derived(Option<Box<AccountKeys>>),
    /// What has come of an administrator's order.
    Told(Box<super::Told>),
    /// The keeper could not serve it.
    Failed,
}

pub(super) struct Ledger {
    waiting: Slab<Waiting>,
    max: usize,
}

impl Ledger {
    pub(super) fn new(max: usize) -> Ledger {
        Ledger {
            waiting: Slab::new(),
            max,
        }
    }

    pub(super) fn enter(&mut self, waiting: Waiting) -> Token {
        self.waiting.insert(waiting) as Token
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.max
    }

    fn take(&mut self, token: Token) -> Option<Waiting> {
        self.waiting.try_remove(token as usize)
    }
}

impl Shard {
    /// Whether the keepers are so far behind that no socket should be read.
    pub fn is_congested(&self) -> bool {
        self.ledger.is_full()
    }

    pub(super) fn expect(&mut self, then: impl FnOnce(&mut Shard, Outcome) + Send + 'static) -> Token {
        self.ledger.enter(Waiting::Then(Box::new(then)))
    }

    pub(super) fn resolve(&mut self, token: Token, outcome: Outcome) {
        if let Some(Waiting::Then(then)) = self.ledger.take(token) {
            then(self, outcome);
        }
    }

    pub(super) fn journal_replied(&mut self, reply: JournalReply) {
        match reply {
            JournalReply::Committed { tokens } => {
                for token in tokens {
                    match self.ledger.take(token) {
                        Some(Waiting::Appended(ticket)) => self.accept(ticket),
                        Some(Waiting::Then(then)) => then(self, Outcome::Written),
                        _ => {}
                    }
                }
            }
            JournalReply::Pending {
                token,
                records,
                bytes,
                last,
            } => {
                if let Some(Waiting::Counted(uid)) = self.ledger.take(token) {
                    self.counted(uid, records, bytes, last);
                }
            }
            JournalReply::Fetched { token, records, more } => match self.ledger.take(token) {
                Some(Waiting::Fetched(uid)) => self.fetched(uid, records, more),
                Some(Waiting::Then(then)) => then(self, Outcome::Records(records, more)),
                _ => {}
            },
            JournalReply::Page {
                token,
                records,
                hidden,
                complete,
                edge,
            } => {
                let page = Outcome::Page {
                    records,
                    hidden,
                    complete,
                    edge,
                };
                self.resolve(token, page);
            }
            // Nobody asks how far a history reaches.
            JournalReply::Extent { token, .. } => drop(self.ledger.take(token)),
            JournalReply::Failed { token, error } => {
                tracing::error!(shard = self.id, error, "the log could not serve a request");
                self.journal_failed(token);
            }
        }
    }

    /// Nothing that depends on this request is ever acknowledged.
    fn journal_failed(&mut self, token: Token) {
        self.metrics.storage_failed.add(1);
        match self.ledger.take(token) {
            Some(Waiting::Appended(_)) => self.log_failed = true,
            Some(Waiting::Fetched(uid)) => self.fetch_failed(uid),
            Some(Waiting::Counted(uid)) => self.counted(uid, 0, 0, 0),
            Some(Waiting::Then(then)) => then(self, Outcome::Failed),
            None => {}
        }
    }

    pub(super) fn book_replied(&mut self, reply: BookReply) {
        match reply {
            BookReply::Rows { token, results } => self.resolve(token, Outcome::Rows(results)),
            BookReply::Written { token } => self.resolve(token, Outcome::Written),
            BookReply::Exists { token } => self.resolve(token, Outcome::Exists),
            BookReply::Failed { token, error } => {
                tracing::error!(shard = self.id, error, "the book could not serve a request");
                self.metrics.storage_failed.add(1);
                self.resolve(token, Outcome::Failed);
            }
        }
    }

    pub(super) fn admitted(&mut self, token: Token, attempt: Option<Attempt>) {
        self.resolve(token, Outcome::Admitted(attempt));
    }

    pub(super) fn told(&mut self, token: Token, told: Box<super::Told>) {
        self.resolve(token, Outcome::Told(told));
    }

    pub(super) fn keys_replied(&mut self, reply: KeyReply) {
        match reply {
            KeyReply::Checked { token, good, missing } => self.resolve(token, Outcome::Checked(good, missing)),
            KeyReply::Derived { token, keys } => self.resolve(token, Outcome::Derived(keys)),
        }
    }
}
