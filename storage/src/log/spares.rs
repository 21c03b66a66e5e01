//! The next segment of the log, full of zeros before it is needed, so that a commit never has to extend a file.
//!
//! Invariant: a file is a spare only when all of it is written.

use super::error::LogError;
use super::segments::Segments;
use crate::disk::{AlignedBuffer, Disk, DiskFile};
use crate::limits::SPARE_SEGMENTS_MAX;

const BUILDING_NAME: &str = "building.tmp";
const ZERO_PIECE_BYTES: u64 = 1 << 20;

/// A spare that is not yet full of zeros.
#[derive(Debug)]
pub(super) struct Building<F> {
    file: F,
    zeroed: u64,
}

impl<D: Disk> Segments<D> {
    /// Whether the next rotation would have to write zeros first.
    pub fn needs_spare(&self) -> bool {
        self.spares.is_empty()
    }

    /// Writes up to `budget` bytes of zeros towards a spare segment.
    pub fn build_spare(&mut self, budget: u64) -> Result<(), LogError> {
        let path = self.path(BUILDING_NAME);
        let mut building = match self.building.take() {
            Some(building) => building,
            None => {
                let file = self
                    .disk
                    .create(BUILDING_NAME)
                    .map_err(LogError::io("create", path.clone()))?;
                Building { file, zeroed: 0 }
            }
        };
        let end = building.zeroed.saturating_add(budget).min(self.segment_bytes);
        let zeros = AlignedBuffer::zeroed(ZERO_PIECE_BYTES.min(self.segment_bytes) as usize);
        while building.zeroed < end {
            let piece = (self.segment_bytes - building.zeroed).min(zeros.len() as u64);
            let bytes = &zeros.as_slice()[..piece as usize];
            building
                .file
                .write_at(building.zeroed, bytes)
                .map_err(LogError::io("write", path.clone()))?;
            building.zeroed += piece;
        }
        if building.zeroed < self.segment_bytes {
            self.building = Some(building);
            return Ok(());
        }
        let after = self.live.back().map_or(0, |active| active.number);
        let spare = format!("spare-new-{after:010}.seg");
        self.rename(BUILDING_NAME, &spare)?;
        self.spares.push_back(spare);
        Ok(())
    }

    /// Gives up a half-built spare.
    pub fn abandon_spare(&mut self) -> Result<(), LogError> {
        self.building = None;
        self.disk
            .remove(BUILDING_NAME)
            .map_err(LogError::io("remove", self.path(BUILDING_NAME)))
    }

    pub(super) fn adopt_spare(&mut self, name: String) -> Result<(), LogError> {
        let file = self.disk.open(&name).map_err(LogError::io("open", self.path(&name)))?;
        let length = file.length().map_err(LogError::io("read", self.path(&name)))?;
        if length == self.segment_bytes && self.spares.len() < SPARE_SEGMENTS_MAX {
            self.spares.push_back(name);
            return Ok(());
        }
        self.disk
            .remove(&name)
            .map_err(LogError::io("remove", self.path(&name)))
    }
}
