//! Every bound of this crate, by name. What is configurable takes these as its defaults.

/// Unit of writing: what `O_DIRECT` asks of offset, length and address, and the grain of a torn write.
pub const BLOCK_BYTES: usize = 4096;

/// Size of one segment file of the log.
pub const SEGMENT_BYTES: u64 = 61 << 20;

/// Smallest segment size accepted.
pub const SEGMENT_BYTES_MIN: u64 = 4 * BLOCK_BYTES as u64;

/// Largest segment size accepted: offsets within a segment are 32 bits wide.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Highest number of a segment: what a link of the archive can hold. At a hundred megabytes a second, day and
/// night, it lasts for ten years.
pub const SEGMENT_NUMBER_MAX: u32 = (1 << 29) - 1;

/// A group commit is written when it has grown to this size, even if more is waiting.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Largest payload of one record.
pub const RECORD_BYTES_MAX: usize = 512 << 10;

/// Most ids in one `Settled` record; longer lists are written as several records.
pub const SETTLED_IDS_MAX: usize = 4096;

/// The log may hold this many segments on top of twice its pending records before it relocates.
pub const SLACK_SEGMENTS: u32 = 4;

/// Most segments that are retired between two commits: an archive that was made much smaller goes bit by bit.
pub const RETIRED_SEGMENTS_A_STEP_MAX: usize = 4;

/// Retired segments kept for reuse; more are removed.
pub const SPARE_SEGMENTS_MAX: usize = 2;

/// Relocation reads at least this much of the oldest segment in one step, so that it ends.
pub const RELOCATION_BYTES_MIN: u64 = 256 << 10;

/// Relocation reads this many times what was appended since the last step, so that it wins over any writer.
pub const RELOCATION_PACE: u64 = 4;

/// A spare segment is filled with zeros in pieces of at least this size.
pub const ZERO_BYTES_MIN: u64 = 256 << 10;

/// Look-ahead of a fetch: neighbouring records are read from the disk at once.
pub const READ_AHEAD_BYTES: usize = 16 << 10;

/// Most records that one fetch answers, whatever it asks for.
pub const FETCH_RECORDS_MAX: u32 = 4096;

/// Most payload bytes that one fetch answers, whatever it asks for, unless a single record is larger.
pub const FETCH_BYTES_MAX: u32 = 1 << 20;

/// The archive keeps a record for this long: 90 days, in which every device comes back.
pub const ARCHIVE_AGE_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// The archive keeps as many segments as this, older ones are retired.
pub const ARCHIVE_BYTES: u64 = 16 << 30;

/// Most records that one page of history looks at, whatever it asks for.
pub const HISTORY_RECORDS_MAX: u32 = 1024;

/// Most payload bytes that one page of history answers, whatever it asks for, unless a single record is larger.
pub const HISTORY_BYTES_MAX: u32 = 1 << 20;

/// Archived records that may be hidden one by one, of all owners, until retention removes them.
pub const REDACTIONS_MAX: usize = 1 << 20;

/// What is read of a record when the next step will probably lead elsewhere.
pub const HOP_BYTES: usize = 1024;

/// Segment files that one reader keeps open.
pub const READER_FILES_MAX: usize = 16;

/// Reads that may wait for the reader's thread; further ones are read by the log's own.
pub const READS_WAITING_MAX: usize = 1024;

/// A checkpoint is written when this many times its size has been appended since the last one.
pub const CHECKPOINT_PACE: u64 = 4;

/// A checkpoint is written in pieces of at least this size.
pub const CHECKPOINT_PIECE_BYTES: u64 = 256 << 10;

/// A keeper takes at most this many requests into one group.
pub const GROUP_REQUESTS_MAX: usize = 8192;

/// A keeper takes at most about this many bytes of requests into one group.
pub const GROUP_BYTES_MAX: usize = 1 << 20;

/// Batches that may wait in a keeper's queue, over all shards.
pub const QUEUE_BATCHES_MAX: usize = 1024;

/// Bytes of requests that may wait in a keeper's queue, over all shards.
pub const QUEUE_BYTES_MAX: usize = 61 << 20;

/// Memory that the book may use to cache pages.
pub const BOOK_CACHE_BYTES: usize = 1 << 20;

/// Most rows that one [`crate::seam::BookRead::Prefix`] answers, whatever it asks for.
pub const BOOK_ROWS_MAX: u32 = 65_536;

const _: () = assert!(BLOCK_BYTES.is_power_of_two());
const _: () = assert!(SEGMENT_BYTES >= SEGMENT_BYTES_MIN && SEGMENT_BYTES <= SEGMENT_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!((BATCH_BYTES_MAX + RECORD_BYTES_MAX) as u64 * 4 < SEGMENT_BYTES);
const _: () = assert!(RELOCATION_PACE > 2, "each step must free more than was appended");
const _: () = assert!(GROUP_BYTES_MAX < QUEUE_BYTES_MAX);
const _: () = assert!(FETCH_BYTES_MAX as usize <= GROUP_BYTES_MAX);
const _: () = assert!(HISTORY_BYTES_MAX as usize <= GROUP_BYTES_MAX);
const _: () = assert!(
    SEGMENT_BYTES_MAX <= 1 << 30,
    "a link of the archive has 27 bits for units of eight bytes"
);
