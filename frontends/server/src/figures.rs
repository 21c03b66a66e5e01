//! Prometheus text for what is not counted by shards: the process, the log and the book.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::rt;
use crosspoint_storage::stats::{BookStats, Histogram, KeeperStats, LogStats};

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
}

/// Appends what log and book and their keepers count.
pub fn storage(
    text: &mut String,
    log: &LogStats,
    log_keeper: &KeeperStats,
    book: &BookStats,
    book_keeper: &KeeperStats,
) {
    let counters = [
        (
            "crosspoint_log_commits_total",
            "Group commits of the log.",
            &log.commits,
        ),
        (
            "crosspoint_log_written_bytes_total",
            "Bytes written by them.",
            &log.bytes,
        ),
        ("crosspoint_log_records_total", "Records written by them.", &log.records),
        (
            "crosspoint_log_relocated_total",
            "Records written again to free a segment.",
            &log.relocated,
        ),
        (
            "crosspoint_log_damaged_total",
            "Records that could not be read back.",
            &log.damaged,
        ),
        (
            "crosspoint_book_commits_total",
            "Durable transactions of the book.",
            &book.commits,
        ),
        (
            "crosspoint_book_reads_total",
            "Look-ups answered by the book.",
            &book.reads,
        ),
        (
            "crosspoint_book_writes_total",
            "Batches written to the book.",
            &book.writes,
        ),
        (
            "crosspoint_book_failures_total",
            "Requests that the book could not serve.",
            &book.failures,
        ),
    ];
    for (name, help, value) in counters {
        one(text, "counter", name, help, value.load(Relaxed));
    }
    let gauges = [
        (
            "crosspoint_log_pending_records",
            "Messages that wait for their addressees.",
            &log.pending_records,
        ),
        ("crosspoint_log_pending_bytes", "Their bytes.", &log.pending_bytes),
        ("crosspoint_log_segments", "Segment files in use.", &log.segments),
        (
            "crosspoint_log_queue_requests",
            "Requests that wait for the log.",
            &log_keeper.queue_requests,
        ),
        (
            "crosspoint_book_queue_requests",
            "Requests that wait for the book.",
            &book_keeper.queue_requests,
        ),
    ];
    for (name, help, value) in gauges {
        one(text, "gauge", name, help, value.load(Relaxed));
    }
    one(
        text,
        "gauge",
        "crosspoint_log_poisoned",
        "1: a write failed, nothing is stored any more.",
        u8::from(log.poisoned.load(Relaxed)),
    );
    histogram(
        text,
        "crosspoint_log_commit_seconds",
        "Time of a group of requests to the log, its commit included.",
        &log_keeper.group_ns,
    );
    histogram(
        text,
        "crosspoint_book_commit_seconds",
        "Time of a group of requests to the book, its commit included.",
        &book_keeper.group_ns,
    );
}

fn one(text: &mut String, kind: &str, name: &str, help: &str, value: impl Display) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

fn histogram(text: &mut String, name: &str, help: &str, histogram: &Histogram) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    let counts = histogram.counts();
    let mut below = 0;
    for (power, count) in counts.iter().enumerate() {
        below += count;
        // The last bucket has no upper end.
        if power + 1 < counts.len() {
            let end = (1_u64 << (power + 1)) as f64 / 1e9;
            let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {below}");
        }
    }
    let sum = histogram.sum_ns() as f64 / 1e9;
    let _ = writeln!(
        text,
        "{name}_bucket{{le=\"+Inf\"}} {below}\n{name}_sum {sum}\n{name}_count {below}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_prometheus_text() {
        let (log, book, keeper) = (LogStats::default(), BookStats::default(), KeeperStats::default());
        keeper.group_ns.record(1_500);
        let mut text = String::new();
        process(&mut text);
        storage(&mut text, &log, &keeper, &book, &keeper);
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
