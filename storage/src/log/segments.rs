//! The files of the log: which are in use, which wait to be used again, and how one becomes the other.
//!
//! ```text
//!            zeros written                header written, renamed              nothing pending in it, renamed
//! building.tmp ----------> spare-*.seg --------------------------> NNNNNNNNNN.seg ------------------> spare-*.seg
//! ```
//!
//! Invariants:
//! - The numbers of the segments in use are consecutive; only the last one is written to, only the first one is retired.
//! - A file bears a segment's name only after its header is durable, so a segment without a valid header is damage.
//! - Each step is made durable before the next one starts, so a crash leaves the picture above at one of its nodes.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::error::LogError;
use super::layout::{LAYOUT_VERSION, Place, RECORD_ALIGNMENT, SegmentHeader};
use super::segment::{Oldest, Segment, segment_name, segment_number};
use super::spares::Building;
use crate::disk::{AlignedBuffer, Disk, DiskFile};
use crate::limits::{BLOCK_BYTES, SEGMENT_NUMBER_MAX, SPARE_SEGMENTS_MAX};
use crate::seam::RecordId;

/// All files of the log.
#[derive(Debug)]
pub(super) struct Segments<D: Disk> {
    pub(super) disk: Arc<D>,
    oldest: Arc<Oldest>,
    pub(super) segment_bytes: u64,
    salt: Option<u64>,
    pub(super) live: VecDeque<Segment<D::File>>,
    /// Live bytes of all segments in use.
    live_bytes: u64,
    /// Sizes of their files.
    bytes: u64,
    pub(super) spares: VecDeque<String>,
    pub(super) building: Option<Building<D::File>>,
}

impl<D: Disk> Segments<D> {
    pub fn new(disk: D, segment_bytes: u64, salt: Option<u64>) -> Self {
        Self {
            disk: Arc::new(disk),
            oldest: Arc::default(),
            segment_bytes,
            salt,
            live: VecDeque::new(),
            live_bytes: 0,
            bytes: 0,
            spares: VecDeque::new(),
            building: None,
        }
    }

    /// For those who read on another thread.
    pub fn for_reading(&self) -> (Arc<D>, Arc<Oldest>) {
        (Arc::clone(&self.disk), Arc::clone(&self.oldest))
    }

    /// Forgets what was pushed, for another attempt at recovery.
    pub fn clear(&mut self) {
        self.live.clear();
        (self.live_bytes, self.bytes) = (0, 0);
        self.oldest.set(0);
    }

    /// Sorts out the folder: removes what was half built, notes the spares, returns the numbers in use in order.
    pub fn survey(&mut self) -> Result<Vec<u32>, LogError> {
        let names = self.disk.list().map_err(LogError::io("list", self.disk.place()))?;
        let mut numbers = Vec::new();
        for name in names {
            if name.ends_with(".tmp") {
                self.disk
                    .remove(&name)
                    .map_err(LogError::io("remove", self.path(&name)))?;
            } else if let Some(number) = segment_number(&name) {
                numbers.push(number);
            } else if name.starts_with("spare-") {
                self.adopt_spare(name)?;
            }
        }
        numbers.sort_unstable();
        self.spares.make_contiguous().sort_unstable();
        Ok(numbers)
    }

    /// Opens a segment in use; nothing is checked but the length.
    pub fn open(&self, number: u32) -> Result<(D::File, u64), LogError> {
        let name = segment_name(number);
        let file = self.disk.open(&name).map_err(LogError::io("open", self.path(&name)))?;
        let length = file.length().map_err(LogError::io("read", self.path(&name)))?;
        Ok((file, length))
    }

    /// Takes the next segment into use; the one before it is closed.
    pub fn push(&mut self, segment: Segment<D::File>) {
        match self.live.back_mut() {
            Some(former) => former.file = None,
            None => self.oldest.set(segment.number),
        }
        self.live_bytes += segment.live_bytes;
        self.bytes += segment.capacity;
        self.live.push_back(segment);
    }

    pub fn disk(&self) -> &D {
        &self.disk
    }

    pub fn iter(&self) -> impl Iterator<Item = &Segment<D::File>> {
        self.live.iter()
    }

    /// Opens the oldest segment, to be relocated from.
    pub fn open_oldest(&mut self) -> Result<(), LogError> {
        let Some(number) = self
            .live
            .front()
            .filter(|oldest| oldest.file.is_none())
            .map(|oldest| oldest.number)
        else {
            return Ok(());
        };
        let (file, _) = self.open(number)?;
        if let Some(oldest) = self.live.front_mut() {
            oldest.file = Some(file);
        }
        Ok(())
    }

    /// Folder and name, for messages.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.disk.place())
    }

    pub fn path_of(&self, number: u32) -> String {
        self.path(&segment_name(number))
    }

    /// Makes durable what a former process may have left half-way: the last segment's bytes, and all names.
    pub fn make_durable(&self, last: &Segment<D::File>) -> Result<(), LogError> {
        if let Some(file) = &last.file {
            file.sync()
                .map_err(LogError::io("synchronise", self.path_of(last.number)))?;
        }
        self.sync_directory()
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn oldest(&self) -> Option<&Segment<D::File>> {
        self.live.front()
    }

    /// The segment that is written to.
    pub fn active(&self) -> Option<&Segment<D::File>> {
        self.live.back()
    }

    pub fn active_mut(&mut self) -> Option<&mut Segment<D::File>> {
        self.live.back_mut()
    }

    pub fn get(&self, number: u32) -> Option<&Segment<D::File>> {
        let first = self.live.front()?.number;
        self.live.get(number.checked_sub(first)? as usize)
    }

    /// Live bytes of all segments.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Sizes of all files in use.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Size of a new segment.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    pub fn count_live(&mut self, place: Place, length: u32) {
        if let Some(segment) = self.at(place) {
            segment.live_records += 1;
            segment.live_bytes += aligned(length);
            self.live_bytes += aligned(length);
        }
    }

    pub fn count_dead(&mut self, place: Place, length: u32) {
        if let Some(segment) = self.at(place) {
            segment.live_records -= 1;
            segment.live_bytes -= aligned(length);
            self.live_bytes -= aligned(length);
        }
    }

    pub fn count_archived(&mut self, place: Place, id: RecordId) {
        if let Some(segment) = self.at(place) {
            segment.archived += 1;
            segment.newest = segment.newest.max(id);
        }
    }

    /// Starts the next segment, on a spare if there is one.
    pub fn rotate(&mut self, first_batch: u64, chain: u64, highest: u64) -> Result<(), LogError> {
        if self.spares.is_empty() {
            self.build_spare(u64::MAX)?;
        }
        let Some(spare) = self.spares.pop_front() else {
            return Err(LogError::Options("no spare segment could be made".to_owned()));
        };
        let number = self.live.back().map_or(1, |active| active.number + 1);
        if number > SEGMENT_NUMBER_MAX {
            return Err(LogError::Options("the numbers of segments are used up".to_owned()));
        }
        let salt = self.salt.unwrap_or_else(unpredictable);
        let capacity = self.segment_bytes;
        let header = SegmentHeader {
            version: LAYOUT_VERSION,
            segment: number,
            segment_bytes: capacity,
            salt,
            first_batch,
            chain,
            highest,
        };
        let file = self
            .disk
            .open(&spare)
            .map_err(LogError::io("open", self.path(&spare)))?;
        let mut block = AlignedBuffer::with_capacity(BLOCK_BYTES);
        block.extend(&header.encode());
        block.pad_to(BLOCK_BYTES);
        file.write_at(0, block.as_slice())
            .map_err(LogError::io("write", self.path(&spare)))?;
        self.rename(&spare, &segment_name(number))?;
        self.push(Segment::new(&header, Some(file)));
        Ok(())
    }

    /// Takes the oldest segment out of use. The caller has made sure that nothing in it is pending.
    pub fn retire_oldest(&mut self) -> Result<(), LogError> {
        let Some(segment) = self.live.pop_front() else {
            return Ok(());
        };
        // Before the file gets another name and other content: what was read until now is what was written.
        self.oldest.set(segment.number + 1);
        self.live_bytes -= segment.live_bytes;
        self.bytes -= segment.capacity;
        let name = segment_name(segment.number);
        if self.spares.len() < SPARE_SEGMENTS_MAX && segment.capacity == self.segment_bytes {
            let spare = format!("spare-{name}");
            self.rename(&name, &spare)?;
            self.spares.push_back(spare);
            return Ok(());
        }
        self.disk
            .remove(&name)
            .map_err(LogError::io("remove", self.path(&name)))?;
        self.sync_directory()
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), LogError> {
        self.disk
            .rename(from, to)
            .map_err(LogError::io("rename", self.path(from)))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), LogError> {
        self.disk
            .sync_directory()
            .map_err(LogError::io("synchronise", self.disk.place()))
    }

    fn at(&mut self, place: Place) -> Option<&mut Segment<D::File>> {
        let first = self.live.front()?.number;
        self.live.get_mut(place.segment.checked_sub(first)? as usize)
    }
}

fn aligned(length: u32) -> u64 {
    u64::from(length).next_multiple_of(RECORD_ALIGNMENT as u64)
}

/// The standard library keys its hash maps from the system's random source.
fn unpredictable() -> u64 {
    RandomState::new().hash_one(0)
}
