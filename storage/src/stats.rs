//! Numbers that the keepers leave for the metrics: plain atomics, written by one thread, read by any.
//!
//! Invariant: reading them never waits and never disturbs the writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counts of durations by power of two: bucket `n` counts those of at least `2^n` and less than `2^(n+1)` nanoseconds
/// (bucket 0 also counts 0; the last bucket everything above).
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; Self::BUCKETS],
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; Self::BUCKETS],
            sum: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Number of buckets; the last one starts at about half a minute.
    pub const BUCKETS: usize = 36;

    /// Counts one duration, in nanoseconds.
    pub fn record(&self, nanoseconds: u64) {
        let bucket = (nanoseconds.max(1).ilog2() as usize).min(Self::BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(nanoseconds, Relaxed);
    }

    /// The counts, one a bucket.
    pub fn counts(&self) -> [u64; Self::BUCKETS] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed))
    }

    /// Sum of all durations, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
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
    fn a_duration_is_counted_in_the_bucket_of_its_power_of_two() {
        let histogram = Histogram::default();
        for nanoseconds in [0, 1, 2, 3, 4, u64::MAX >> 8] {
            histogram.record(nanoseconds);
        }
        let counts = histogram.counts();
        assert_eq!(counts[..4], [2, 2, 1, 0]);
        assert_eq!(counts[Histogram::BUCKETS - 1], 1);
        assert_eq!(counts.iter().sum::<u64>(), 6);
    }
}
