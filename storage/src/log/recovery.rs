//! From the files to the state before the crash.
//!
//! Invariants:
//! - Only a tail can be cut, and only in the last segment: a batch that is not whole is forgotten if no whole batch of
//!   the same segment comes after it. Such a batch was never acknowledged.
//! - What has been read is made durable before it is built upon: a process killed in the middle of a write or of a renaming
//!   leaves what this one can read, but a power cut could still take away.
//! - Everything else that is not as it was written is [`LogError::Damaged`], and nothing on the disk is changed.

use super::error::LogError;
use super::index::{Entry, Index};
use super::layout::{
    HeaderFault, Kind, LAYOUT_VERSION, Place, RecordFault, RecordView, Records, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use super::segment::{Segment, Segments, read_batch};
use crate::disk::{Disk, DiskFile};
use crate::limits::BLOCK_BYTES;
use crate::seam::RecordId;

/// What the files say.
#[derive(Debug)]
pub(super) struct Recovered {
    pub index: Index,
    pub next_batch: u64,
    pub chain: u64,
    pub highest: RecordId,
}

/// Reads all segments in use, in order.
pub(super) fn recover<D: Disk>(segments: &mut Segments<D>) -> Result<Recovered, LogError> {
    let numbers = segments.survey()?;
    let mut state = Recovered {
        index: Index::default(),
        next_batch: 1,
        chain: 0,
        highest: 0,
    };
    for (at, number) in numbers.iter().enumerate() {
        let first = at == 0;
        if !first && numbers[at - 1] + 1 != *number {
            let missing = segments.path_of(numbers[at - 1] + 1);
            return Err(damaged(missing, 0, "this segment is missing, but later ones are there"));
        }
        let segment = open_segment(segments, *number, first, &mut state)?;
        segments.push(segment);
        scan(segments, &mut state)?;
    }
    if let Some(last) = segments.active() {
        expect_nothing_after(segments, last)?;
        segments.make_durable(last)?;
    }
    Ok(state)
}

/// Opens the file of a segment that continues where the one before ended.
fn open_segment<D: Disk>(
    segments: &Segments<D>,
    number: u32,
    first: bool,
    state: &mut Recovered,
) -> Result<Segment<D::File>, LogError> {
    let (file, capacity) = segments.open(number)?;
    let header = read_header(segments.path_of(number), &file, capacity, number)?;
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
    let (salt, filled) = (header.salt, BLOCK_BYTES as u64);
    Ok(Segment {
        number,
        file,
        salt,
        capacity,
        filled,
        live_records: 0,
        live_bytes: 0,
    })
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
                },
            );
        }
        state.next_batch += 1;
        state.chain = header.check;
        if let Some(segment) = segments.active_mut() {
            segment.filled += header.padded();
        }
    }
    Ok(())
}

fn take_in<D: Disk>(segments: &mut Segments<D>, state: &mut Recovered, record: &RecordView<'_>, entry: Entry) {
    match record.kind {
        Kind::Message | Kind::Relocated => {
            if let Some(former) = state.index.insert(record.user, entry, record.last) {
                segments.count_dead(former.place, former.length);
            }
            segments.count_live(entry.place, entry.length);
            state.highest = state.highest.max(record.id).max(record.last);
        }
        Kind::Settled => {
            for id in record.settled_ids() {
                if let Some(former) = state.index.remove(record.user, id) {
                    segments.count_dead(former.place, former.length);
                }
            }
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
