//! Prometheus text for what is not counted by shards: the process, the log and the book.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::rt;
use crosspoint_storage::stats::{BookStats, Histogram, KeeperStats, LogStats, bucket};

/// Appends the process's figures.
pub fn process(text: &mut String) {
    let version = env!("CARGO_PKG_VERSION");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        text,
        "# HELP crosspoint_build_info The running version.\n# TYPE crosspoint_build_info gauge"
    );
    let _ = writeln!(text, "crosspoint_build_info{{version=\"{version}\"}} 1");
    let cpu = rt::process_cpu().as_secs_f64();
    one(
        text,
        "counter",
        "process_cpu_seconds_total",
        "Processor time of all threads.",
        cpu,
    );
    one(
        text,
        "gauge",
        "process_resident_memory_bytes",
        "Resident memory.",
        rt::process_rss_bytes(),
    );
    let help = "Lines of the server's own log that nobody read in time.";
    one(
        text,
        "counter",
        "crosspoint_log_lines_dropped_total",
        help,
        crate::logs::dropped(),
    );
}

/// What log and book and their keepers count.
pub struct Storage {
    /// The log.
    pub log: Arc<LogStats>,
    /// Its thread.
    pub log_keeper: Arc<KeeperStats>,
    /// The book.
    pub book: Arc<BookStats>,
    /// Its thread.
    pub book_keeper: Arc<KeeperStats>,
}

/// Kind, name, help and value of a figure.
type Figure = (&'static str, &'static str, &'static str, fn(&Storage) -> u64);

#[rustfmt::skip]
const FIGURES: &[Figure] = &[
    ("counter", "crosspoint_log_commits_total", "Group commits of the log.", |all| all.log.commits.load(Relaxed)),
    ("counter", "crosspoint_log_written_bytes_total", "Bytes written by them.", |all| all.log.bytes.load(Relaxed)),
    ("counter", "crosspoint_log_records_total", "Records written by them.", |all| all.log.records.load(Relaxed)),
    ("counter", "crosspoint_log_relocated_total", "Records written again to free a segment.", |all| all.log.relocated.load(Relaxed)),
    ("counter", "crosspoint_log_damaged_total", "Records that could not be read back.", |all| all.log.damaged.load(Relaxed)),
    ("gauge", "crosspoint_log_pending_records", "Messages that wait for their addressees.", |all| all.log.pending_records.load(Relaxed)),
    ("gauge", "crosspoint_log_pending_bytes", "Their bytes.", |all| all.log.pending_bytes.load(Relaxed)),
    ("gauge", "crosspoint_log_segments", "Segment files in use.", |all| all.log.segments.load(Relaxed)),
    ("counter", "crosspoint_log_archived_total", "Records written to the archive.", |all| all.log.archived.load(Relaxed)),
    ("gauge", "crosspoint_log_archive_owners", "Users with a history.", |all| all.log.archive_owners.load(Relaxed)),
    ("gauge", "crosspoint_log_redactions", "Records of histories hidden one by one.", |all| all.log.redactions.load(Relaxed)),
    ("counter", "crosspoint_log_expired_segments_total", "Segments that retention has retired.", |all| all.log.expired_segments.load(Relaxed)),
    ("counter", "crosspoint_log_pages_total", "Pages of history answered.", |all| all.log.pages.load(Relaxed)),
    ("counter", "crosspoint_log_reads_total", "Reads of segment files.", |all| all.log.reads.load(Relaxed)),
    ("counter", "crosspoint_log_reads_in_place_total", "Reads by the log's own thread, because too many waited for the reader's.", |all| all.log.reads_in_place.load(Relaxed)),
    ("counter", "crosspoint_log_checkpoints_total", "Checkpoints of the log.", |all| all.log.checkpoints.load(Relaxed)),
    ("gauge", "crosspoint_log_poisoned", "1: a write failed, nothing is stored any more.", |all| all.log.poisoned.load(Relaxed).into()),
    ("gauge", "crosspoint_log_queue_requests", "Requests that wait for the log.", |all| all.log_keeper.queue_requests.load(Relaxed)),
    ("counter", "crosspoint_log_refusals_total", "Batches given back because the log's queue was full.", |all| all.log_keeper.refusals.load(Relaxed)),
    ("counter", "crosspoint_book_commits_total", "Durable transactions of the book.", |all| all.book.commits.load(Relaxed)),
    ("counter", "crosspoint_book_reads_total", "Look-ups answered by the book.", |all| all.book.reads.load(Relaxed)),
    ("counter", "crosspoint_book_writes_total", "Batches written to the book.", |all| all.book.writes.load(Relaxed)),
    ("counter", "crosspoint_book_failures_total", "Requests that the book could not serve.", |all| all.book.failures.load(Relaxed)),
    ("gauge", "crosspoint_book_queue_requests", "Requests that wait for the book.", |all| all.book_keeper.queue_requests.load(Relaxed)),
    ("counter", "crosspoint_book_refusals_total", "Batches given back because the book's queue was full.", |all| all.book_keeper.refusals.load(Relaxed)),
];

/// Appends the figures of log and book.
pub fn storage(text: &mut String, all: &Storage) {
    for (kind, name, help, value) in FIGURES {
        one(text, kind, name, help, value(all));
    }
    let help = "Time of a group of requests, its commit included.";
    histogram(
        text,
        "crosspoint_log_commit_seconds",
        help,
        SECONDS,
        &all.log_keeper.group_ns,
    );
    histogram(
        text,
        "crosspoint_book_commit_seconds",
        help,
        SECONDS,
        &all.book_keeper.group_ns,
    );
    let help = "Bytes written by a group commit of the log.";
    histogram(text, "crosspoint_log_commit_bytes", help, BYTES, &all.log.commit_bytes);
    let help = "Requests of a group that the log served at once.";
    histogram(
        text,
        "crosspoint_log_group_requests",
        help,
        REQUESTS,
        &all.log_keeper.group_requests,
    );
}

fn one(text: &mut String, kind: &str, name: &str, help: &str, value: impl Display) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Powers of two that have a bucket, and what a counted value is divided by.
type Scale = (std::ops::Range<u32>, f64);

/// 512 ns to 8.6 s.
const SECONDS: Scale = (9..34, 1e9);
/// 512 B to 16 MB.
const BYTES: Scale = (9..25, 1.0);
const REQUESTS: Scale = (0..17, 1.0);

fn histogram(text: &mut String, name: &str, help: &str, (powers, unit): Scale, histogram: &Histogram) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    let counts = histogram.counts();
    for power in powers {
        let below: u64 = counts[..bucket(1 << power)].iter().sum();
        let end = (1_u64 << power) as f64 / unit;
        let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {below}");
    }
    let (all, sum) = (counts.iter().sum::<u64>(), histogram.sum() as f64 / unit);
    let _ = writeln!(
        text,
        "{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {sum}\n{name}_count {all}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_prometheus_text() {
        let keeper = Arc::new(KeeperStats::default());
        keeper.group_ns.record(1_500);
        let mut text = String::new();
        process(&mut text);
        let (log, book) = (Arc::default(), Arc::default());
        storage(
            &mut text,
            &Storage {
                log,
                log_keeper: keeper.clone(),
                book,
                book_keeper: keeper,
            },
        );
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(
                name.starts_with("crosspoint_") || name.starts_with("process_"),
                "{line}"
            );
        }
        assert!(
            text.contains("crosspoint_log_commit_seconds_bucket{le=\"0.000002048\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("crosspoint_log_commit_seconds_bucket{le=\"0.000001024\"} 0\n"),
            "{text}"
        );
        assert!(text.contains("crosspoint_log_commit_seconds_count 1\n"));
    }
}
