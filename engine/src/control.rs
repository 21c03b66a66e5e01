//! The administrator's hand on a running switch: accounts, drain, figures. Called from threads that may block.
//!
//! Invariant: what a call says has been done is durable, and the home shard has been told.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crosspoint_storage::keeper::BookHandle;
use crosspoint_storage::seam::{BookRead, BookReply, BookRequest, BookWrite, Row, Table};
use crosspoint_storage::stats::{BookStats, KeeperStats, LogStats};

use crate::accounts::{self, Account};
use crate::administration::Ending;
use crate::drive::Chunk;
use crate::jid::Jid;
use crate::mailbox::Senders;
use crate::shard::{Item, Setup};
use crate::slots::UserKey;
use crate::store;

/// How long the book may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long to wait when a queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(1);

/// Why the administrator's wish was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlError {
    /// The book did not answer in time.
    Silent,
    /// The book refused; what it said.
    Storage(String),
    /// No such account.
    NoSuchAccount,
}

impl fmt::Display for ControlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Silent => write!(
                out,
                "the book did not answer within {} s; see the server's log",
                ANSWER_MAX.as_secs()
            ),
            ControlError::Storage(what) => write!(out, "the book: {what}"),
            ControlError::NoSuchAccount => write!(out, "there is no such account"),
        }
    }
}

impl std::error::Error for ControlError {}

/// A hand on a running switch; cheap to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    setup: Arc<Setup>,
    draining: AtomicBool,
    desk: Mutex<Desk>,
    log: Arc<LogStats>,
    log_keeper: Arc<KeeperStats>,
    book: Arc<BookStats>,
    book_keeper: Arc<KeeperStats>,
}

/// One request at a time.
struct Desk {
    lanes: Senders<Chunk>,
    book: BookHandle,
    answers: Receiver<BookReply>,
    next: u64,
}

/// The figures of log and book, and of the threads that keep them.
pub(crate) struct Figures {
    pub(crate) log: Arc<LogStats>,
    pub(crate) log_keeper: Arc<KeeperStats>,
    pub(crate) book: Arc<BookStats>,
    pub(crate) book_keeper: Arc<KeeperStats>,
}

impl Control {
    pub(crate) fn new(
        setup: Arc<Setup>,
        lanes: Senders<Chunk>,
        book: BookHandle,
        answers: Receiver<BookReply>,
        figures: Figures,
    ) -> Control {
        let Figures {
            log,
            log_keeper,
            book: book_stats,
            book_keeper,
        } = figures;
        let desk = Mutex::new(Desk {
            lanes,
            book,
            answers,
            next: 0,
        });
        let draining = AtomicBool::new(false);
        Control {
            inner: Arc::new(Inner {
                setup,
                draining,
                desk,
                log,
                log_keeper,
                book: book_stats,
                book_keeper,
            }),
        }
    }

    /// Tells every shard to say goodbye to its clients. Returns at once; once is enough.
    pub fn begin_drain(&self) {
        if self.inner.draining.swap(true, Ordering::Relaxed) {
            return;
        }
        let shards = self.inner.setup.table.shards();
        let mut desk = self.desk();
        for shard in 0..shards {
            desk.tell(shard, || Item::Drain);
        }
    }

    /// Whether a drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    /// What the process is to do, if an administrator has ordered its end by his client.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.inner.setup.administration.ending()
    }

    /// Whether clients are welcome and what they send can be kept.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.is_draining() && !self.inner.log.poisoned.load(Ordering::Relaxed)
    }

    /// Makes accounts from encoded [`crate::accounts::Account`]s; false for those that exist already.
    ///
    /// # Errors
    /// Only those of the book; some of the accounts may have been made.
    pub fn create_accounts(&self, accounts: Vec<(Jid, Bytes)>) -> Result<Vec<bool>, ControlError> {
        let mut desk = self.desk();
        let batches = accounts.iter().map(|(user, row)| {
            vec![BookWrite::Insert {
                table: Table::Account,
                key: store::user_key(user),
                value: row.clone(),
            }]
        });
        let created = desk.write_all(batches.collect())?;
        for ((user, _), created) in accounts.iter().zip(&created) {
            if *created {
                desk.account_changed(&self.inner.setup, user);
            }
        }
        Ok(created)
    }

    /// Replaces an account's keys; what else is known of it stays. Its sessions end.
    ///
    /// # Errors
    /// No such account, or those of the book.
    pub fn replace_keys(&self, user: &Jid, mut account: Account) -> Result<(), ControlError> {
        let mut desk = self.desk();
        let rows = desk.read(BookRead::Get {
            table: Table::Account,
            key: store::user_key(user),
        })?;
        let old = rows.first().ok_or(ControlError::NoSuchAccount)?;
        if let Ok(old) = Account::decode(&old.value) {
            (account.created_unix_ms, account.disabled) = (old.created_unix_ms, old.disabled);
        }
        desk.write_all(vec![accounts::replacement(user, &account).into()])?;
        desk.account_changed(&self.inner.setup, user);
        Ok(())
    }

    /// Removes an account with everything that belongs to it; its contacts are told and its sessions end.
    ///
    /// # Errors
    /// No such account, or those of the book.
    pub fn remove_account(&self, user: &Jid) -> Result<(), ControlError> {
        let (sender, outcome) = std::sync::mpsc::sync_channel(1);
        {
            let mut desk = self.desk();
            if desk
                .read(BookRead::Get {
                    table: Table::Account,
                    key: store::user_key(user),
                })?
                .is_empty()
            {
                return Err(ControlError::NoSuchAccount);
            }
            let home = self.inner.setup.table.owner(UserKey::of(user).slot());
            desk.tell(home, || Item::RemoveAccount {
                account: user.clone(),
                done: sender.clone(),
            });
        }
        match outcome.recv_timeout(ANSWER_MAX) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ControlError::Storage(
                "the account could not be removed; see the server's log".to_owned(),
            )),
            Err(_) => Err(ControlError::Silent),
        }
    }

    /// Accounts above an address, in order of addresses.
    ///
    /// # Errors
    /// Those of the book.
    pub fn list_accounts(&self, after: &str, rows_max: u32) -> Result<Vec<Row>, ControlError> {
        let after = Bytes::copy_from_slice(after.as_bytes());
        self.desk().read(BookRead::Prefix {
            table: Table::Account,
            prefix: Bytes::new(),
            after,
            rows_max,
        })
    }

    /// Figures of the log.
    #[must_use]
    pub fn log_stats(&self) -> Arc<LogStats> {
        self.inner.log.clone()
    }

    /// Figures of the log's thread.
    #[must_use]
    pub fn log_keeper_stats(&self) -> Arc<KeeperStats> {
        self.inner.log_keeper.clone()
    }

    /// Figures of the book.
    #[must_use]
    pub fn book_stats(&self) -> Arc<BookStats> {
        self.inner.book.clone()
    }

    /// Figures of the book's thread.
    #[must_use]
    pub fn book_keeper_stats(&self) -> Arc<KeeperStats> {
        self.inner.book_keeper.clone()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.inner.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Puts an item into a shard's mailbox, waiting while it is full (not for ever: the shard may have ended).
    fn tell(&mut self, shard: u16, item: impl Fn() -> Item) {
        let until = Instant::now() + ANSWER_MAX;
        while Instant::now() < until {
            if self.lanes.push(shard as usize, vec![item()]).is_ok() {
                return;
            }
            thread::sleep(FULL_PAUSE);
        }
    }

    fn account_changed(&mut self, setup: &Setup, user: &Jid) {
        let home = setup.table.owner(UserKey::of(user).slot());
        self.tell(home, || Item::AccountChanged(user.clone()));
    }

    fn read(&mut self, read: BookRead) -> Result<Vec<Row>, ControlError> {
        let token = self.next;
        self.next += 1;
        self.submit(vec![BookRequest::Read {
            token,
            reads: vec![read],
        }])?;
        match self.answer(token)? {
            BookReply::Rows { mut results, .. } => Ok(results.pop().unwrap_or_default()),
            BookReply::Failed { error, .. } => Err(ControlError::Storage(error)),
            _ => Err(ControlError::Silent),
        }
    }

    /// Several batches, each all or nothing; false where an insert found its key.
    fn write_all(&mut self, batches: Vec<Vec<BookWrite>>) -> Result<Vec<bool>, ControlError> {
        let first = self.next;
        let count = batches.len() as u64;
        self.next += count;
        let requests = batches
            .into_iter()
            .zip(first..)
            .map(|(batch, token)| BookRequest::Write { token, batch });
        self.submit(requests.collect())?;
        (first..first + count)
            .map(|token| match self.answer(token)? {
                BookReply::Written { .. } => Ok(true),
                BookReply::Exists { .. } => Ok(false),
                BookReply::Failed { error, .. } => Err(ControlError::Storage(error)),
                BookReply::Rows { .. } => Err(ControlError::Silent),
            })
            .collect()
    }

    fn submit(&mut self, mut requests: Vec<BookRequest>) -> Result<(), ControlError> {
        let until = Instant::now() + ANSWER_MAX;
        while let Err(back) = self.book.submit(requests) {
            if Instant::now() > until {
                return Err(ControlError::Silent);
            }
            requests = back;
            thread::sleep(FULL_PAUSE);
        }
        Ok(())
    }

    /// Replies come in the order of the requests; those of a call that gave up waiting are passed over.
    fn answer(&mut self, token: u64) -> Result<BookReply, ControlError> {
        let until = Instant::now() + ANSWER_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(reply) if token_of(&reply) == token => return Ok(reply),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(ControlError::Silent),
            }
        }
    }
}

fn token_of(reply: &BookReply) -> u64 {
    match reply {
        BookReply::Rows { token, .. }
        | BookReply::Written { token }
        | BookReply::Exists { token }
        | BookReply::Failed { token, .. } => *token,
    }
}
