//! The seam between the engine and what keeps its promises.
//!
//! The engine never touches a disk: it submits requests in batches and gets replies in its mailbox. Two traits stand
//! between them, [`Journal`] (messages) and [`Book`] (what is looked up by key), so that a simulator, a single node or,
//! later, a replicated log can stand behind the same engine.
//!
//! Invariants:
//! - Requests of one shard are served in the order in which they were submitted; a [`JournalRequest::Fetch`] sees every
//!   append submitted before it.
//! - A [`JournalReply::Committed`] or [`BookReply::Written`] is sent only after the bytes are on the disk.
//! - Answers that need reading (`Fetched`, `Page`, `Extent`) may come later than those to requests submitted after them: a
//!   cold disk delays nobody's commit. Everything else is answered in the order of the requests.
//! - `submit` never blocks. When the keeper is behind, the batch comes back and the shard stops reading its sockets.

use bytes::Bytes;

pub use crate::span::{Direction, Disposition, RECORD_ID_SHIFT, Span};

/// Correlates a request with its reply. Chosen by the shard, echoed by the keeper, never interpreted.
pub type Token = u64;

/// XXH3-64 of the normalised bare JID: the key of a user in the log.
pub type UserKey = u64;

/// A message's identity within its user: strictly increasing per user, for ever, across restarts.
pub type RecordId = u64;

/// One message of one user, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose queue this is.
    pub user: UserKey,
    /// Strictly increasing within the user.
    pub id: RecordId,
    /// Version of the payload's layout; the log does not read the payload.
    pub version: u8,
    /// The engine's archived envelope.
    pub payload: Bytes,
}

/// What a shard asks of the log.
#[derive(Debug, Clone)]
pub enum JournalRequest {
    /// Make a record durable; answered by `Committed` (or `Failed`).
    Append {
        /// Echoed in the reply.
        token: Token,
        /// What to keep.
        record: Record,
        /// What for.
        disposition: Disposition,
    },
    /// These records have been delivered (or given up): they are pending no more. No reply; durable with the next commit.
    Settle {
        /// Whose.
        user: UserKey,
        /// Which.
        ids: Vec<RecordId>,
    },
    /// How much is pending for a user? Answered by `Pending`.
    Pending {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
    },
    /// The pending records of a user with an id above `after`, oldest first. Answered by `Fetched`.
    Fetch {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
        /// Exclusive lower bound; 0 for the beginning.
        after: RecordId,
        /// At most this many records...
        records_max: u32,
        /// ...and about this many payload bytes (at least one record is returned if any is pending).
        bytes_max: u32,
    },
    /// A page of a user's history; answered by `Page`. Sees every append submitted before it.
    History {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
        /// Which part of it.
        span: Span,
        /// From which end of the span.
        direction: Direction,
        /// At most this many records...
        records_max: u32,
        /// ...and about this many payload bytes (at least one record is looked at if any is there).
        bytes_max: u32,
    },
    /// How far a user's history reaches. Answered by `Extent`.
    Extent {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
    },
    /// A user's history is to be read by nobody any more; a later append begins a new one. Answered by `Committed`. What is
    /// pending stays pending. The bytes are gone when retention removes them.
    Forget {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
    },
    /// One record of a user's history is in its pages no more, but beside them (XEP-0425). Answered by `Committed`, whether there is
    /// such a record or not, or by `Failed` when too many are hidden already. If it is pending, it stays so.
    Redact {
        /// Echoed in the reply.
        token: Token,
        /// Whose.
        user: UserKey,
        /// Which.
        id: RecordId,
    },
    /// Answered by `Committed` when everything submitted before it is durable.
    Flush {
        /// Echoed in the reply.
        token: Token,
    },
}

/// What the log answers.
#[derive(Debug, Clone)]
pub enum JournalReply {
    /// The appends (or flushes) with these tokens are durable.
    Committed {
        /// In the order of submission.
        tokens: Vec<Token>,
    },
    /// Answer to `Pending`.
    Pending {
        /// Echoed.
        token: Token,
        /// Number of records.
        records: u64,
        /// Sum of their payloads, in bytes.
        bytes: u64,
        /// Highest record id ever seen for this user, or 0.
        last: RecordId,
    },
    /// Answer to `Fetch`.
    Fetched {
        /// Echoed.
        token: Token,
        /// Oldest first.
        records: Vec<Record>,
        /// Whether more are pending above the last one returned.
        more: bool,
    },
    /// Answer to `History`.
    Page {
        /// Echoed.
        token: Token,
        /// Oldest first, whatever the direction.
        records: Vec<Record>,
        /// What else was looked at, and is hidden (`Redact`), oldest first: for who says that something stood there. Nobody is to be shown
        /// what they say.
        hidden: Vec<Record>,
        /// Nothing of the span lies beyond this page.
        complete: bool,
        /// The last record that was looked at, in the direction asked for, be it in the page or hidden: the next page begins
        /// there, exclusively. 0 if none was looked at.
        edge: RecordId,
    },
    /// Answer to `Extent`. All are 0 for a user without a history.
    Extent {
        /// Echoed.
        token: Token,
        /// Number of records that can be read.
        records: u64,
        /// Id of the oldest one that retention has left, hidden or not.
        first: RecordId,
        /// Id of the newest one, hidden or not.
        last: RecordId,
    },
    /// The request could not be served; after a failed write every later append fails too (the log is poisoned).
    Failed {
        /// Echoed.
        token: Token,
        /// What happened, where, and what to do.
        error: String,
    },
}

/// The log, as a shard sees it.
pub trait Journal: Send {
    /// Hands a batch over, in order. Gives it back, untouched, when the keeper's queue is full.
    fn submit(&mut self, batch: Vec<JournalRequest>) -> Result<(), Vec<JournalRequest>>;
}

/// The tables of the book. The numbers are on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// bare JID -> account (SCRAM keys, creation time, flags).
    Account = 1,
    /// bare JID NUL contact JID -> roster item. bare JID NUL -> roster version.
    Roster = 2,
    /// bare JID NUL blocked JID -> nothing.
    Block = 3,
    /// bare JID NUL namespace NUL name -> private XML and other documents (XEP-0049).
    Document = 4,
    /// bare JID -> vCard (XEP-0054).
    Vcard = 5,
    /// Small facts of the whole installation.
    Meta = 6,
    /// room JID -> configuration. room JID NUL account -> affiliation. And two indexes, see `engine/src/rooms/rows.rs`.
    Room = 7,
    /// bare JID NUL node NUL item -> published item, and the nodes' own rows (XEP-0060, XEP-0163).
    Pubsub = 8,
    /// bare JID NUL token identity -> hash of a token that logs in (XEP-0484).
    Token = 9,
    /// bare JID NUL slot -> push registration (XEP-0357).
    Push = 10,
    /// bare JID NUL slot -> uploaded file (XEP-0363).
    Upload = 11,
    /// bare JID NUL name -> small settings of a user (XEP-0313 preferences).
    Setting = 12,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookWrite {
    /// Insert or replace.
    Put {
        /// Where.
        table: Table,
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Insert; the whole batch is refused when the key exists.
    Insert {
        /// Where.
        table: Table,
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Replace; the whole batch is refused when the row is not the one that was read.
    Replace {
        /// Where.
        table: Table,
        /// Key.
        key: Bytes,
        /// What was read.
        old: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Remove one key, if it is there.
    Delete {
        /// Where.
        table: Table,
        /// Key.
        key: Bytes,
    },
    /// Remove every key that starts with `prefix`.
    DeletePrefix {
        /// Where.
        table: Table,
        /// Start of the keys.
        prefix: Bytes,
    },
}

/// One look-up of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookRead {
    /// The row with this key: no or one row.
    Get {
        /// Where.
        table: Table,
        /// Key.
        key: Bytes,
    },
    /// The rows whose key starts with `prefix` and is greater than `after` (empty: from the beginning), in key order.
    Prefix {
        /// Where.
        table: Table,
        /// Start of the keys; empty for all.
        prefix: Bytes,
        /// Exclusive lower bound.
        after: Bytes,
        /// At most this many rows.
        rows_max: u32,
    },
}

/// A row of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Key.
    pub key: Bytes,
    /// Value.
    pub value: Bytes,
}

/// What a shard asks of the book.
#[derive(Debug, Clone)]
pub enum BookRequest {
    /// Look things up, all from one snapshot. Answered by `Rows`. Sees every write submitted by the same shard before it.
    Read {
        /// Echoed in the reply.
        token: Token,
        /// What to look up.
        reads: Vec<BookRead>,
    },
    /// Apply a batch, all of it or nothing. Answered by `Written`, or `Exists` when an `Insert` found its key or a
    /// `Replace` another row.
    Write {
        /// Echoed in the reply.
        token: Token,
        /// In order.
        batch: Vec<BookWrite>,
    },
}

/// What the book answers.
#[derive(Debug, Clone)]
pub enum BookReply {
    /// Answer to `Read`: one list of rows for each look-up, in order.
    Rows {
        /// Echoed.
        token: Token,
        /// One list a look-up.
        results: Vec<Vec<Row>>,
    },
    /// The batch is durable.
    Written {
        /// Echoed.
        token: Token,
    },
    /// An `Insert` found its key taken; nothing of the batch was applied.
    Exists {
        /// Echoed.
        token: Token,
    },
    /// The request could not be served.
    Failed {
        /// Echoed.
        token: Token,
        /// What happened, where, and what to do.
        error: String,
    },
}

/// The book, as a shard sees it.
pub trait Book: Send {
    /// Hands a batch over, in order. Gives it back, untouched, when the keeper's queue is full.
    fn submit(&mut self, batch: Vec<BookRequest>) -> Result<(), Vec<BookRequest>>;
}

/// Where a keeper puts its replies for one shard: the sending end of a mailbox. May wait while the shard is behind, which
/// cannot deadlock because a shard never waits for a keeper.
pub trait ReplySink<R>: Send {
    /// Delivers a batch of replies, in order.
    fn send(&mut self, batch: Vec<R>);
}
