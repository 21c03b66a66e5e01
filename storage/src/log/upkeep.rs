//! Keeping the log small: retiring dead segments, moving the living out of old ones, preparing the next one.
//!
//! Invariants:
//! - A segment is retired only when nothing in it is pending, by the word of what is already durable, nobody is about to read
//!   pending records from it, and the archive does not claim it.
//! - A relocated record is copied and its copy is durable before the segment of the original can be retired; on
//!   recovery the newest copy wins, so at any moment a pending record is there exactly once.
//! - The log holds at most `slack_segments` + twice its pending records (and what is written during one relocation), or as much
//!   as the archive may have, whichever is more, because each step of relocation reads [`RELOCATION_PACE`] times what was appended and frees more than half of it.

use std::sync::atomic::Ordering::Relaxed;

use super::checkpoint::State;
use super::error::LogError;
use super::record::{Kind, Links, RecordView, Records};
use super::retention::Claim;
use super::segment::read_batch;
use super::{Log, Place};
use crate::disk::Disk;
use crate::limits::{
    BLOCK_BYTES, CHECKPOINT_PIECE_BYTES, RELOCATION_BYTES_MIN, RELOCATION_PACE, RETIRED_SEGMENTS_A_STEP_MAX,
    ZERO_BYTES_MIN,
};

/// The oldest segment is mostly dead when its living are at most this part of it.
const MOSTLY_DEAD: u64 = 8;

/// Where relocation has got to.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    segment: u32,
    offset: u64,
    /// The living of this segment cannot be read: it stays as it is.
    stuck: bool,
}

impl Cursor {
    fn at_start_of(segment: u32) -> Self {
        Self {
            segment,
            offset: BLOCK_BYTES as u64,
            stuck: false,
        }
    }
}

impl<D: Disk> Log<D> {
    /// Does a bounded piece of housekeeping. To be called after each commit, when the replies are on their way.
    ///
    /// Errors: a write failed; the log is poisoned.
    pub fn upkeep(&mut self) -> Result<(), LogError> {
        self.expect_sound()?;
        if !self.batch.is_empty() {
            return Ok(());
        }
        let written = std::mem::take(&mut self.written);
        self.retire_dead()?;
        if self.wants_relocation() {
            self.relocate((written * RELOCATION_PACE).max(RELOCATION_BYTES_MIN))?;
            self.written = 0;
            self.retire_dead()?;
        }
        if written > 0 {
            self.prepare_spare((written * RELOCATION_PACE).max(ZERO_BYTES_MIN));
        }
        if self.options.archive.is_some() {
            self.write_checkpoint(written);
        }
        self.publish();
        Ok(())
    }

    fn retire_dead(&mut self) -> Result<(), LogError> {
        for _ in 0..RETIRED_SEGMENTS_A_STEP_MAX.min(self.segments.len().saturating_sub(1)) {
            let Some(oldest) = self.segments.oldest() else { break };
            let (archived, claim) = (oldest.archived, self.claim(oldest));
            if oldest.live_records > 0 || oldest.is_pinned() || claim == Claim::Retained {
                break;
            }
            if let Err(error) = self.segments.retire_oldest() {
                return Err(self.poison(&error));
            }
            if archived > 0 {
                self.forget_retired();
            }
        }
        Ok(())
    }

    fn wants_relocation(&self) -> bool {
        let Some(oldest) = self.segments.oldest() else {
            return false;
        };
        let claim = self.claim(oldest);
        let fewest = if claim == Claim::Aged { 2 } else { 3 };
        let stuck = self.cursor.stuck && self.cursor.segment == oldest.number;
        if self.segments.len() < fewest || oldest.live_records == 0 || stuck || claim == Claim::Retained {
            return false;
        }
        let usable = self.options.segment_bytes - BLOCK_BYTES as u64;
        let allowed = 2 * self.segments.live_bytes().div_ceil(usable) + u64::from(self.options.slack_segments);
        let is_large = self.segments.len() as u64 > allowed;
        is_large || claim == Claim::Aged || oldest.live_bytes * MOSTLY_DEAD <= oldest.filled
    }

    /// Reads on in the oldest segment, about `budget` bytes, and copies what is pending there.
    fn relocate(&mut self, budget: u64) -> Result<(), LogError> {
        let Some(oldest) = self.segments.oldest() else {
            return Ok(());
        };
        let (number, end) = (oldest.number, oldest.filled);
        if self.cursor.segment != number {
            self.cursor = Cursor::at_start_of(number);
        }
        if self.segments.open_oldest().is_err() {
            self.give_up();
            return Ok(());
        }
        let stop = end.min(self.cursor.offset + budget);
        let mut batch = Vec::new();
        while self.cursor.offset < stop {
            let Some(oldest) = self.segments.oldest() else {
                break;
            };
            let salt = oldest.salt;
            let Ok(Some(header)) = read_batch(oldest, self.cursor.offset, &mut batch) else {
                self.give_up();
                break;
            };
            for (at, _, record) in Records::of(&batch, salt).flatten() {
                let place = Place {
                    segment: number,
                    offset: self.cursor.offset as u32 + at as u32,
                };
                self.relocate_one(place, record)?;
            }
            self.cursor.offset += header.padded();
        }
        self.commit()
    }

    fn relocate_one(&mut self, place: Place, record: RecordView<'_>) -> Result<(), LogError> {
        let is_pending = self
            .index
            .find(record.user, record.id)
            .is_some_and(|entry| entry.place == place);
        if !matches!(record.kind, Kind::Message | Kind::Relocated) || !is_pending {
            return Ok(());
        }
        let last = self.index.pending(record.user).last;
        self.stats.relocated.fetch_add(1, Relaxed);
        self.stage_message(RecordView {
            kind: Kind::Relocated,
            pending: true,
            links: Links::default(),
            last,
            ..record
        })
    }

    /// Pending records that cannot be read must not be dropped: the segment stays, and the log grows.
    fn give_up(&mut self) {
        self.cursor.stuck = true;
        self.stats.damaged.fetch_add(1, Relaxed);
        let file = self.segments.path_of(self.cursor.segment);
        let offset = self.cursor.offset;
        tracing::error!(
            file,
            offset,
            "cannot read a batch back: this segment is kept, and the log will grow"
        );
    }

    /// A full disk is no reason to stop while there is room in the segment: it only makes the next rotation fail.
    fn prepare_spare(&mut self, budget: u64) {
        let is_early = |active: &super::segment::Segment<D::File>| active.filled * 4 < active.capacity;
        if !self.segments.needs_spare() || self.segments.active().is_none_or(is_early) {
            return;
        }
        if let Err(error) = self.segments.build_spare(budget) {
            tracing::warn!(%error, "cannot prepare the next segment of the log");
            let _ = self.segments.abandon_spare();
        }
    }

    /// Without a checkpoint the next start takes longer: no reason to stop.
    fn write_checkpoint(&mut self, written: u64) {
        let state = State {
            next_batch: self.next_batch,
            chain: self.chain,
            highest: self.highest,
            segments: &self.segments,
            index: &self.index,
            tails: &self.tails,
            redactions: &self.redactions,
        };
        let piece = (written * RELOCATION_PACE).max(CHECKPOINT_PIECE_BYTES);
        match self.checkpoints.step(&state, written, piece) {
            Ok(finished) => _ = self.stats.checkpoints.fetch_add(u64::from(finished), Relaxed),
            Err(error) => tracing::warn!(%error, "cannot write a checkpoint of the log"),
        }
    }
}
