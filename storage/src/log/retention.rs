//! How long the archive keeps what it holds.
//!
//! Whole segments are retired, oldest first; nothing is moved for the archive's sake. The time is what record ids say (see
//! [`RECORD_ID_SHIFT`]): the log has no clock, and one to which nothing is added loses nothing.
//!
//! Invariant: a segment in which something is pending is never retired; what is pending in one that has expired moves on first.

use super::Log;
use super::segment::Segment;
use crate::disk::{Disk, DiskFile};
use crate::limits;
use crate::seam::RECORD_ID_SHIFT;

/// How long the archive keeps records. The default is what [`crate::limits`] says.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// A segment is retired when its newest archived record is older than this.
    pub age_ms: u64,
    /// The oldest segment is retired when the files of all segments together are larger than this.
    pub bytes: u64,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self {
            age_ms: limits::ARCHIVE_AGE_MS,
            bytes: limits::ARCHIVE_BYTES,
        }
    }
}

/// What the archive has to say about the oldest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: no history is in it.
    None,
    /// It stays.
    Retained,
    /// It may go, when it is no trouble: the archive is too large.
    Surplus,
    /// It must go: it is too old.
    Aged,
}

impl<D: Disk> Log<D> {
    pub(super) fn claim(&self, oldest: &Segment<impl DiskFile>) -> Claim {
        let Some(archive) = &self.options.archive else {
            return Claim::None;
        };
        let age_ms = (self.highest >> RECORD_ID_SHIFT).saturating_sub(oldest.newest >> RECORD_ID_SHIFT);
        match oldest.archived {
            0 => Claim::None,
            _ if age_ms > archive.age_ms => Claim::Aged,
            _ if self.segments.bytes() > archive.bytes => Claim::Surplus,
            _ => Claim::Retained,
        }
    }
}
