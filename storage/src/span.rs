//! What a record is kept for, and which part of a history is meant: the small words of [`crate::seam`].
//!
//! Invariant: a time is a range of record ids, see [`RECORD_ID_SHIFT`]; nothing else knows what time it is.

use crate::seam::RecordId;

/// Milliseconds since 1970 are shifted by this to make record ids: a million a millisecond before they run ahead of the clock.
pub const RECORD_ID_SHIFT: u32 = 20;

/// What a record is kept for. Without an archive (see [`crate::log::LogOptions`]) the wish to archive is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Waits until it is settled, and is kept no longer.
    Pending,
    /// Is in the user's history until retention removes it, and waits for nobody: what the user has sent himself, what was
    /// delivered at once.
    Archived,
    /// Both, by one write.
    PendingArchived,
}

impl Disposition {
    /// Whether it waits until it is settled.
    pub fn is_pending(self) -> bool {
        self != Self::Archived
    }

    /// Whether it is in the user's history.
    pub fn is_archived(self) -> bool {
        self != Self::Pending
    }
}

/// A part of a user's history: what lies between two ids, both exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Exclusive lower bound; 0 for the beginning.
    pub after: RecordId,
    /// Exclusive upper bound; [`RecordId::MAX`] for the end.
    pub before: RecordId,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self {
        after: 0,
        before: RecordId::MAX,
    };

    /// Only what comes after this record.
    #[must_use]
    pub fn after(self, id: RecordId) -> Self {
        let after = self.after.max(id);
        Self { after, ..self }
    }

    /// Only what comes before this record.
    #[must_use]
    pub fn before(self, id: RecordId) -> Self {
        let before = self.before.min(id);
        Self { before, ..self }
    }

    /// Only what was recorded at this time or later (XEP-0313 section 4.1.2, `start`).
    #[must_use]
    pub fn start(self, unix_ms: u64) -> Self {
        self.after(first_id(unix_ms).saturating_sub(1))
    }

    /// Only what was recorded at this time or earlier (XEP-0313 section 4.1.2, `end`).
    #[must_use]
    pub fn end(self, unix_ms: u64) -> Self {
        self.before(first_id(unix_ms.saturating_add(1)))
    }
}

/// The lowest id of a millisecond; the highest of all for a time that no id can have.
fn first_id(unix_ms: u64) -> RecordId {
    if unix_ms.leading_zeros() < RECORD_ID_SHIFT {
        return RecordId::MAX;
    }
    unix_ms << RECORD_ID_SHIFT
}

/// From which end of a span a page of history is taken. Either way its records come oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest of the span.
    Forward,
    /// The newest of the span.
    Backward,
}
