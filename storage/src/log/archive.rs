//! The archive: records that stay readable after they have been delivered.
//!
//! It is made of the log's own segments. An archived record is written once, by the same commit that makes it durable as pending,
//! and it is linked to the record before it in the chain of its owner (see `record`); its segment then stays until retention
//! lets it go (see `retention`). To settle a record concerns the index of what is pending and nothing else.
//!
//! Invariants:
//! - A `Forgotten` or `Redacted` record stands after everything that it hides. Segments are retired oldest first, so it can
//!   never vanish before that.
//! - Without an archive no record is added to one, and what an earlier life has archived is retired as if it were not.

use std::sync::atomic::Ordering::Relaxed;

use super::Log;
use super::error::LogError;
use super::reader::{Chapter, Reader};
use super::record::{Kind, Links, RecordView};
use crate::disk::Disk;
use crate::limits::REDACTIONS_MAX;
use crate::seam::{RecordId, UserKey};

/// Owners are looked through when one in so many segments has been retired since the last time.
const SEGMENTS_A_SWEEP: u32 = 16;

impl<D: Disk> Log<D> {
    /// Notes in the batch under construction that the history of a user is to be read by nobody any more.
    ///
    /// Errors: the log is poisoned.
    pub fn forget(&mut self, user: UserKey) -> Result<(), LogError> {
        self.expect_sound()?;
        if self.may_have_archived(user) {
            self.stage(note(Kind::Forgotten, user, &[]))?;
            self.tails.forget(user);
            self.redactions.forget(user);
        }
        Ok(())
    }

    /// Notes in the batch under construction that one record of a user's history is to be read by nobody any more.
    ///
    /// Errors: too many records are hidden already, or the log is poisoned.
    pub fn redact(&mut self, user: UserKey, id: RecordId) -> Result<(), LogError> {
        self.expect_sound()?;
        let beyond = self.tails.get(user).is_some_and(|tail| id > tail.last());
        if beyond || !self.may_have_archived(user) || self.redactions.contains(user, id) {
            return Ok(());
        }
        if self.redactions.is_full() {
            let limit = REDACTIONS_MAX;
            return Err(LogError::Redactions { limit });
        }
        let place = self.stage(note(Kind::Redacted, user, &id.to_le_bytes()))?;
        if self.options.archive.is_some() {
            self.redactions.insert(user, id, place.segment);
        }
        Ok(())
    }

    /// A reader with file handles of its own, for another thread.
    pub fn reader(&self) -> Reader<D> {
        let (disk, oldest) = self.segments.for_reading();
        Reader::new(disk, oldest, self.stats())
    }

    /// What a reader must know of a user's history.
    pub(super) fn chapter(&self, user: UserKey) -> Chapter {
        Chapter {
            tail: self.tails.get(user).copied(),
            hidden: self.redactions.of(user),
        }
    }

    /// Links to segments that are gone are forgotten, so that owners of whom nothing is left cost nothing.
    pub(super) fn forget_retired(&mut self) {
        self.stats.expired_segments.fetch_add(1, Relaxed);
        let Some(oldest) = self.segments.oldest().map(|oldest| oldest.number) else {
            return;
        };
        // To look at all owners for each segment is too much; a link to a segment that is gone does no harm.
        let patience = 1 + self.segments.len() as u32 / SEGMENTS_A_SWEEP;
        if oldest - self.swept >= patience {
            self.tails.retire_before(oldest);
            self.redactions.retire_before(oldest);
            self.swept = oldest;
        }
    }

    /// Without an archive nobody keeps count of owners, but segments of a former life may still be there.
    fn may_have_archived(&self, user: UserKey) -> bool {
        let unknown = || self.options.archive.is_none() && self.segments.iter().any(|segment| segment.archived > 0);
        self.tails.get(user).is_some() || unknown()
    }
}

/// A record that says something about others.
fn note(kind: Kind, user: UserKey, payload: &[u8]) -> RecordView<'_> {
    RecordView {
        kind,
        version: 0,
        pending: true,
        user,
        id: 0,
        links: Links::default(),
        last: 0,
        payload,
    }
}
