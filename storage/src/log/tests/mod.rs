//! Plays about the log. Small segments, so that everything happens soon: 16 blocks, of which the header takes one.

mod archive;
mod archive_model;
mod checkpoint;
mod faults;
mod golden;
mod model;
mod paging;
mod plays;
mod recovery;
mod relocation;
mod retention;
mod version_1;

use bytes::Bytes;

use super::{ArchiveOptions, Log, LogError, LogOptions};
use crate::disk::{Disk, MemDisk};
use crate::limits::BLOCK_BYTES;
use crate::seam::{Direction, Disposition, JournalReply, JournalRequest, Record, RecordId, Span, UserKey};

const ROMEO: UserKey = 0x1111;
const JULIET: UserKey = 0x2222;
const NURSE: UserKey = 0x3333;
const USERS: [UserKey; 3] = [ROMEO, JULIET, NURSE];

const SEGMENT: usize = 16 * BLOCK_BYTES;
const FIRST: &str = "0000000001.seg";

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: SEGMENT as u64,
        batch_bytes_max: 4 * BLOCK_BYTES,
        record_bytes_max: 8000,
        slack_segments: 3,
        archive: None,
        salt: Some(42),
    }
}

fn open<D: Disk>(disk: D) -> Log<D> {
    try_open(disk).unwrap_or_else(|error| panic!("the log should open: {error}"))
}

fn try_open<D: Disk>(disk: D) -> Result<Log<D>, LogError> {
    Log::open(disk, options())
}

fn refusal(disk: MemDisk) -> String {
    match try_open(disk) {
        Ok(_) => panic!("the log should refuse to start"),
        Err(error) => error.to_string(),
    }
}

/// A payload that is different for every record and length.
fn words(user: UserKey, id: RecordId, bytes: usize) -> Bytes {
    let seed = (user ^ id.wrapping_mul(0x9E37_79B9)).to_le_bytes();
    (0..bytes).map(|at| seed[at % 8].wrapping_add(at as u8)).collect()
}

fn record(user: UserKey, id: RecordId, bytes: usize) -> Record {
    Record {
        user,
        id,
        version: 7,
        payload: words(user, id, bytes),
    }
}

/// Writes one record and commits it.
fn say<D: Disk>(log: &mut Log<D>, user: UserKey, id: RecordId, bytes: usize) {
    log.append(&record(user, id, bytes)).expect("append");
    log.commit().expect("commit");
}

/// All pending records of a user, with their contents checked.
fn waiting<D: Disk>(log: &mut Log<D>, user: UserKey) -> Vec<RecordId> {
    let mut ids = Vec::new();
    loop {
        let after = ids.last().copied().unwrap_or(0);
        let (records, more) = log.fetch(user, after, 7, u32::MAX).expect("fetch");
        for record in &records {
            assert_eq!(record.user, user);
            assert_eq!(record.version, 7);
            assert_eq!(
                record.payload,
                words(user, record.id, record.payload.len()),
                "record {}",
                record.id
            );
            ids.push(record.id);
        }
        if !more {
            assert_eq!(log.pending(user).records as usize, ids.len());
            return ids;
        }
    }
}

fn append(token: u64, record: Record) -> JournalRequest {
    JournalRequest::Append {
        token,
        record,
        disposition: Disposition::Pending,
    }
}

/// Tokens that a group's replies acknowledge.
fn acknowledged(replies: &[(usize, JournalReply)]) -> Vec<u64> {
    let tokens = |(_, reply): &(usize, JournalReply)| match reply {
        JournalReply::Committed { tokens } => tokens.clone(),
        _ => Vec::new(),
    };
    replies.iter().flat_map(tokens).collect()
}

/// Tokens that a group's replies refuse.
fn refused(replies: &[(usize, JournalReply)]) -> Vec<u64> {
    let token = |(_, reply): &(usize, JournalReply)| match reply {
        JournalReply::Failed { token, .. } => Some(*token),
        _ => None,
    };
    replies.iter().filter_map(token).collect()
}

/// Keeps every record for ever.
fn archive_options() -> LogOptions {
    LogOptions {
        archive: Some(ArchiveOptions {
            age_ms: u64::MAX,
            bytes: u64::MAX,
        }),
        ..options()
    }
}

fn open_archive<D: Disk>(disk: D) -> Log<D> {
    Log::open(disk, archive_options()).unwrap_or_else(|error| panic!("the log should open: {error}"))
}

/// Writes one record and commits it.
fn keep<D: Disk>(log: &mut Log<D>, user: UserKey, id: RecordId, bytes: usize, disposition: Disposition) {
    log.append_as(&record(user, id, bytes), disposition).expect("append");
    log.commit().expect("commit");
}

fn ask(
    token: u64,
    user: UserKey,
    span: Span,
    direction: Direction,
    records_max: u32,
    bytes_max: u32,
) -> JournalRequest {
    JournalRequest::History {
        token,
        user,
        span,
        direction,
        records_max,
        bytes_max,
    }
}

/// Ids of a page, whether it is complete, its edge; the contents are checked.
type Page = (Vec<RecordId>, bool, RecordId);

fn page_of(reply: &JournalReply) -> Option<Page> {
    let JournalReply::Page {
        records,
        complete,
        edge,
        ..
    } = reply
    else {
        return None;
    };
    for record in records {
        let expected = words(record.user, record.id, record.payload.len());
        assert_eq!(
            (record.version, &record.payload),
            (7, &expected),
            "record {}",
            record.id
        );
    }
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    assert!(ids.is_sorted(), "oldest first: {ids:?}");
    Some((ids, *complete, *edge))
}

fn try_page<D: Disk>(
    log: &mut Log<D>,
    user: UserKey,
    span: Span,
    direction: Direction,
    records_max: u32,
    bytes_max: u32,
) -> Result<Page, String> {
    let request = ask(1, user, span, direction, records_max, bytes_max);
    let replies = log.serve(vec![(0, request)]);
    match &replies[0].1 {
        JournalReply::Failed { error, .. } => Err(error.clone()),
        reply => Ok(page_of(reply).expect("a page")),
    }
}

fn page<D: Disk>(
    log: &mut Log<D>,
    user: UserKey,
    span: Span,
    direction: Direction,
    records_max: u32,
    bytes_max: u32,
) -> Page {
    try_page(log, user, span, direction, records_max, bytes_max).unwrap_or_else(|error| panic!("{error}"))
}

/// A user's whole history, paged in both directions, which must agree.
fn history<D: Disk>(log: &mut Log<D>, user: UserKey) -> Vec<RecordId> {
    let (mut forward, mut span) = (Vec::new(), Span::ALL);
    loop {
        let (ids, complete, edge) = page(log, user, span, Direction::Forward, 7, u32::MAX);
        forward.extend(ids);
        if complete {
            break;
        }
        span = span.after(edge);
    }
    let (mut backward, mut span) = (Vec::new(), Span::ALL);
    loop {
        let (ids, complete, edge) = page(log, user, span, Direction::Backward, 9, u32::MAX);
        backward.splice(0..0, ids);
        if complete {
            break;
        }
        span = span.before(edge);
    }
    assert_eq!(forward, backward);
    forward
}

/// Number, first and last.
fn extent<D: Disk>(log: &mut Log<D>, user: UserKey) -> (u64, RecordId, RecordId) {
    let replies = log.serve(vec![(0, JournalRequest::Extent { token: 1, user })]);
    let [
        (
            0,
            JournalReply::Extent {
                records, first, last, ..
            },
        ),
    ] = replies[..]
    else {
        panic!("{replies:?}")
    };
    (records, first, last)
}
