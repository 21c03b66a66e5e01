//! From the files to the state before the crash.
//!
//! Invariants:
//! - Only a tail can be cut, and only in the last segment: a batch that is not whole is forgotten if no whole batch of
//!   the same segment comes after it. Such a batch was never acknowledged.
//! - What has been read is made durable before it is built upon: a process killed in the middle of a write or of a renaming
//!   leaves what this one can read, but a power cut could still take away.
//! - With a checkpoint, batches before it are not read: damage to them is found when a page of history needs them.
//! - Everything else that is not as it was written is [`LogError::Damaged`], and nothing on the disk is changed.

use super::checkpoint::{Checkpoint, SegmentRow};
use super::error::LogError;
use super::index::{Entry, Index};
use super::layout::{HeaderFault, LAYOUT_VERSION, Place, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::record::{Kind, RecordFault, RecordView, Records};
use super::redactions::Redactions;
use super::segment::{Segment, read_batch};
use super::segments::Segments;
use super::tails::Tails;
use crate::disk::{Disk, DiskFile};
use crate::limits::BLOCK_BYTES;
use crate::seam::RecordId;

/// What the files say.
#[derive(Default)]
pub(super) struct Recovered {
    pub index: Index,
    pub tails: Tails,
    pub redactions: Redactions,
    pub next_batch: u64,
    pub chain: u64,
    pub highest: RecordId,
    /// Bytes of batches that had to be read.
    pub scanned: u64,
    /// Whether anybody wants to know of the archive.
    archive: bool,
    /// What a checkpoint says of the segments up to its own, which is the last one.
    known: Vec<SegmentRow>,
}

impl Recovered {
    fn nothing(archive: bool) -> Self {
        Self {
            next_batch: 1,
            archive,
            ..Self::default()
        }
    }

    fn from(checkpoint: Checkpoint, archive: bool) -> Self {
        Self {
            index: checkpoint.index,
            tails: checkpoint.tails,
            redactions: checkpoint.redactions,
            next_batch: checkpoint.next_batch,
            chain: checkpoint.chain,
            highest: checkpoint.highest,
            scanned: 0,
            archive,
            known: checkpoint.segments,
        }
    }
}

/// Reads all segments in use, in order, from the checkpoint on if there is one.
pub(super) fn recover<D: Disk>(segments: &mut Segments<D>, archive: bool) -> Result<Recovered, LogError> {
    let numbers = segments.survey()?;
    for pair in numbers.windows(2) {
        if pair[0] + 1 != pair[1] {
            let missing = segments.path_of(pair[0] + 1);
            return Err(damaged(missing, 0, "this segment is missing, but later ones are there"));
        }
    }
    let mut state = match usable_checkpoint(segments, &numbers)? {
        Some(checkpoint) => read_all(segments, &numbers, Recovered::from(checkpoint, archive))?,
        None => read_all(segments, &numbers, Recovered::nothing(archive))?,
    };
    if !is_consistent(&state, &numbers) {
        tracing::warn!("the checkpoint of the log does not agree with the segments: all of them are read");
        segments.clear();
        state = read_all(segments, &numbers, Recovered::nothing(archive))?;
    }
    if let Some(last) = segments.active() {
        expect_nothing_after(segments, last)?;
        segments.make_durable(last)?;
    }
    if !archive {
        (state.tails, state.redactions) = (Tails::default(), Redactions::default());
    }
    let oldest = numbers.first().copied().unwrap_or(0);
    state.tails.retire_before(oldest);
    state.redactions.retire_before(oldest);
    Ok(state)
}

fn read_all<D: Disk>(segments: &mut Segments<D>, numbers: &[u32], mut state: Recovered) -> Result<Recovered, LogError> {
    let known = std::mem::take(&mut state.known);
    let checkpoint = known.last().map_or(0, |row| row.number);
    for (at, number) in numbers.iter().enumerate() {
        if *number > checkpoint {
            let segment = open_segment(segments, *number, at == 0, &mut state)?;
            segments.push(segment);
            scan(segments, &mut state)?;
            continue;
        }
        let (mut segment, _) = open_file(segments, *number)?;
        if let Ok(row) = known.binary_search_by_key(number, |row| row.number) {
            known[row].apply(&mut segment);
        }
        segments.push(segment);
        if *number == checkpoint {
            scan(segments, &mut state)?;
        }
    }
    Ok(state)
}

/// A pending record in a segment that has been retired was never there when it was: a checkpoint is wrong.
fn is_consistent(state: &Recovered, numbers: &[u32]) -> bool {
    let oldest = numbers.first().copied().unwrap_or(0);
    let mut entries = state.index.iter().flat_map(|(_, _, entries)| entries);
    entries.all(|entry| entry.place.segment >= oldest)
}

/// The checkpoint, if the segments are those that it was written about.
fn usable_checkpoint<D: Disk>(segments: &Segments<D>, numbers: &[u32]) -> Result<Option<Checkpoint>, LogError> {
    let Some(checkpoint) = Checkpoint::load(segments.disk()) else {
        return Ok(None);
    };
    let Some(row) = checkpoint.segments.last().copied() else {
        return Ok(None);
    };
    let rows = &checkpoint.segments;
    let is_known = |number: &u32| rows.binary_search_by_key(number, |row| row.number).is_ok();
    let knows = |number: &u32| *number > row.number || is_known(number);
    if numbers.binary_search(&row.number).is_err() || !numbers.iter().all(knows) {
        return Ok(None);
    }
    let (segment, header) = open_file(segments, row.number)?;
    let follows = if row.last_batch == 0 {
        (header.first_batch, header.chain) == (checkpoint.next_batch, checkpoint.chain)
    } else {
        let path = segments.path_of(row.number);
        let last = read_batch(&segment, row.last_batch, &mut Vec::new()).map_err(LogError::io("read", path))?;
        last.is_some_and(|last| (last.batch + 1, last.check) == (checkpoint.next_batch, checkpoint.chain))
    };
    Ok(follows.then_some(checkpoint))
}

/// Opens the file of a segment that continues where the one before ended.
fn open_segment<D: Disk>(
    segments: &Segments<D>,
    number: u32,
    first: bool,
    state: &mut Recovered,
) -> Result<Segment<D::File>, LogError> {
    let (segment, header) = open_file(segments, number)?;
    if first {
        (state.next_batch, state.chain, state.highest) = (header.first_batch, header.chain, header.highest);
    } else if (header.first_batch, header.chain) != (state.next_batch, state.chain) {
        let former = segments.active();
        let (before, end) = former.map_or((number, 0), |segment| (segment.number, segment.filled));
        let what = format!(
            "batch {} is damaged, but segment {number} continues after it",
            state.next_batch
        );
        return Err(damaged(segments.path_of(before), end, &what));
    }
    Ok(segment)
}

fn open_file<D: Disk>(segments: &Segments<D>, number: u32) -> Result<(Segment<D::File>, SegmentHeader), LogError> {
    let (file, capacity) = segments.open(number)?;
    let header = read_header(segments.path_of(number), &file, capacity, number)?;
    Ok((Segment::new(&header, Some(file)), header))
}

fn read_header<F: DiskFile>(path: String, file: &F, length: u64, number: u32) -> Result<SegmentHeader, LogError> {
    if length < BLOCK_BYTES as u64 {
        return Err(damaged(path, length, "the file is shorter than a segment header"));
    }
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at(0, &mut bytes)
        .map_err(LogError::io("read", path.clone()))?;
    match SegmentHeader::decode(&bytes) {
        Ok(header) if header.segment == number && header.segment_bytes == length => Ok(header),
        Ok(_) => Err(damaged(
            path,
            0,
            "the segment header belongs to another file, or the file was cut",
        )),
        Err(HeaderFault::Version(found)) => Err(LogError::Version {
            file: path,
            found,
            known: LAYOUT_VERSION,
        }),
        Err(HeaderFault::Damaged) => Err(damaged(path, 0, "the segment header is not what was written")),
    }
}

/// Takes in the batches of the segment opened last, up to the first that is not the next one.
fn scan<D: Disk>(segments: &mut Segments<D>, state: &mut Recovered) -> Result<(), LogError> {
    let mut batch = Vec::new();
    while let Some(segment) = segments.active() {
        let (number, salt, offset) = (segment.number, segment.salt, segment.filled);
        let header = read_batch(segment, offset, &mut batch).map_err(LogError::io("read", segments.path_of(number)))?;
        let next = header.filter(|header| header.batch == state.next_batch && header.previous == state.chain);
        let Some(header) = next else { break };
        for record in Records::of(&batch, salt) {
            let (at, length, record) = record
                .map_err(|(at, fault)| damaged(segments.path_of(number), offset + at as u64, &unreadable(fault)))?;
            let place = Place {
                segment: number,
                offset: offset as u32 + at as u32,
            };
            take_in(
                segments,
                state,
                &record,
                Entry {
                    id: record.id,
                    place,
                    length: length as u32,
                    skips: record.skips() as u8,
                },
            );
        }
        state.next_batch += 1;
        state.chain = header.check;
        state.scanned += header.padded();
        if let Some(segment) = segments.active_mut() {
            segment.last_batch = segment.filled;
            segment.filled += header.padded();
        }
    }
    Ok(())
}

fn take_in<D: Disk>(segments: &mut Segments<D>, state: &mut Recovered, record: &RecordView<'_>, entry: Entry) {
    match record.kind {
        Kind::Message | Kind::Relocated => {
            if record.archived() {
                state.archived(record, entry.place);
                segments.count_archived(entry.place, record.id);
            }
            if record.pending {
                if let Some(former) = state.index.insert(record.user, entry, record.last) {
                    segments.count_dead(former.place, former.length);
                }
                segments.count_live(entry.place, entry.length);
            }
            state.highest = state.highest.max(record.id).max(record.last);
        }
        Kind::Settled => {
            for id in record.ids() {
                if let Some(former) = state.index.remove(record.user, id) {
                    segments.count_dead(former.place, former.length);
                }
            }
        }
        Kind::Forgotten => {
            state.tails.forget(record.user);
            state.redactions.forget(record.user);
        }
        Kind::Redacted if state.archive => {
            for id in record.ids() {
                state.redactions.insert(record.user, id, entry.place.segment);
            }
        }
        Kind::Redacted => {}
    }
}

impl Recovered {
    fn archived(&mut self, record: &RecordView<'_>, place: Place) {
        if self.archive {
            self.tails.push(record, place);
        }
    }
}

/// A torn tail has nothing after it; a whole batch after the end means that the end is a wound.
fn expect_nothing_after<D: Disk>(segments: &Segments<D>, last: &Segment<D::File>) -> Result<(), LogError> {
    let path = segments.path_of(last.number);
    let mut batch = Vec::new();
    let mut offset = last.filled;
    while offset < last.capacity {
        let found = read_batch(last, offset, &mut batch).map_err(LogError::io("read", path.clone()))?;
        if let Some(header) = found {
            let what = format!(
                "no readable batch here, but batch {} stands at byte {offset}",
                header.batch
            );
            return Err(damaged(path, last.filled, &what));
        }
        offset += BLOCK_BYTES as u64;
    }
    Ok(())
}

fn unreadable(fault: RecordFault) -> String {
    match fault {
        RecordFault::Length => "a record is longer than its batch".to_owned(),
        RecordFault::Check => "a record does not match its checksum, though its batch does".to_owned(),
        RecordFault::Kind(kind) => {
            format!("records of kind {kind} are not known to this version of the program")
        }
    }
}

fn damaged(file: String, offset: u64, what: &str) -> LogError {
    LogError::Damaged {
        file,
        offset,
        what: what.to_owned(),
    }
}
