//! Numbers that the keepers leave for the metrics: plain atomics, written by one thread, read by any.
//!
//! Invariant: reading them never waits and never disturbs the writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counts of values by size, eight buckets for each power of two, so that a value is known to an eighth of itself:
///
/// ```text
///   value   0 1 2 .. 7 | 8 9 .. 15 | 16-17 18-19 .. 30-31 | 32-35 .. 60-63 | ... | at least 15 << 30
///   bucket  0 1 2 .. 7 | 8 9 .. 15 | 16    17    .. 23    | 24    .. 31    | ... | 255
/// ```
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// Number of a histogram's buckets. Of nanoseconds, the last one starts at 16 s.
pub const BUCKETS: usize = 256;

/// Buckets of one power of two.
const STEPS: usize = 8;

/// The bucket that a value is counted in.
#[inline]
pub fn bucket(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let power = value.ilog2() as usize;
    let step = (value >> (power - 3)) as usize % STEPS;
    ((power - 2) * STEPS + step).min(BUCKETS - 1)
}

/// The least value that is counted in a bucket.
pub fn bucket_floor(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    ((STEPS + bucket % STEPS) as u64) << (bucket / STEPS - 1)
}

/// The value below which `share` (0 to 1) of all counted values lie, to the middle of its bucket; `None` if there are
/// none.
pub fn quantile(counts: &[u64], share: f64) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    let wanted = ((all as f64 * share).ceil() as u64).max(1);
    let mut below = 0;
    let bucket = counts.iter().position(|count| {
        below += count;
        below >= wanted
    })?;
    Some((bucket_floor(bucket) + bucket_floor(bucket + 1)) / 2)
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&self, value: u64) {
        self.buckets[bucket(value)].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// The counts, one a bucket.
    pub fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed))
    }

    /// Sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

/// What a keeper's thread does, whichever core it keeps.
#[derive(Debug, Default)]
pub struct KeeperStats {
    /// Groups served.
    pub groups: AtomicU64,
    /// Requests served.
    pub requests: AtomicU64,
    /// Requests submitted and not yet served.
    pub queue_requests: AtomicU64,
    /// Bytes of the requests submitted and not yet served.
    pub queue_bytes: AtomicU64,
    /// Batches given back because the queue was full.
    pub refusals: AtomicU64,
    /// How long serving a group took, commit included.
    pub group_ns: Histogram,
    /// How many requests a group had.
    pub group_requests: Histogram,
    /// The thread has ended by a panic: nothing is served any more.
    pub dead: AtomicBool,
}

/// What the log does.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Group commits.
    pub commits: AtomicU64,
    /// Bytes written by them, padding included.
    pub bytes: AtomicU64,
    /// How many bytes a group commit wrote, padding included.
    pub commit_bytes: Histogram,
    /// Records written by them.
    pub records: AtomicU64,
    /// Records written again because their segment was to be recycled.
    pub relocated: AtomicU64,
    /// Pending records.
    pub pending_records: AtomicU64,
    /// Sum of their payload bytes.
    pub pending_bytes: AtomicU64,
    /// Segments in use, spares not counted.
    pub segments: AtomicU64,
    /// Records that could not be read back.
    pub damaged: AtomicU64,
    /// Records written to the archive.
    pub archived: AtomicU64,
    /// Users with a history.
    pub archive_owners: AtomicU64,
    /// Records of histories hidden one by one.
    pub redactions: AtomicU64,
    /// Segments retired because of their age, or because there were too many, while records of histories were in them.
    pub expired_segments: AtomicU64,
    /// Pages of history (and questions for its extent) answered.
    pub pages: AtomicU64,
    /// Reads of segment files, for fetches and for pages.
    pub reads: AtomicU64,
    /// Reads that the log's own thread had to do, because too many waited for the reader's.
    pub reads_in_place: AtomicU64,
    /// Checkpoints written.
    pub checkpoints: AtomicU64,
    /// A write has failed: nothing is acknowledged any more.
    pub poisoned: AtomicBool,
}

/// What the book does.
#[derive(Debug, Default)]
pub struct BookStats {
    /// Durable transactions.
    pub commits: AtomicU64,
    /// Batches written.
    pub writes: AtomicU64,
    /// Batches refused because a key existed.
    pub conflicts: AtomicU64,
    /// Look-ups answered.
    pub reads: AtomicU64,
    /// Requests that failed.
    pub failures: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_bucket_that_begins_at_or_below_it() {
        for bucket_number in 0..BUCKETS - 1 {
            let (floor, next) = (bucket_floor(bucket_number), bucket_floor(bucket_number + 1));
            assert!(floor < next);
            assert_eq!((bucket(floor), bucket(next - 1)), (bucket_number, bucket_number));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_floor(BUCKETS - 1), 15 << 30);
    }

    #[test]
    fn powers_of_two_begin_a_bucket() {
        for power in 3..34 {
            assert_eq!(bucket(1 << power), (power - 2) * STEPS);
            assert_eq!(bucket((1 << power) - 1), (power - 2) * STEPS - 1);
        }
    }

    #[test]
    fn a_quantile_is_known_to_an_eighth() {
        let histogram = Histogram::default();
        assert_eq!(quantile(&histogram.counts(), 0.5), None);
        (1..=1_000).for_each(|value| histogram.record(value * 1_000));
        for (share, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0), (0.0, 1_000.0)] {
            let found = quantile(&histogram.counts(), share).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.125, "{share}: {found} for {exact}");
        }
        assert_eq!(histogram.sum(), 500_500_000);
    }
}
