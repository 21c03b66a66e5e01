//! The statistics file of a running server: made, published, kept up to date for what is not counted by shards.
//!
//! ```text
//!   stats.<pid>   made before the shards start, locked for as long as the process lives
//!   stats         the same, once the data folder is known to be ours
//! ```
//! Invariants:
//! - The file of a server that runs is never written to, cut or replaced by another: a new one is made beside it, and
//!   takes the name only after the book's lock said that nobody else runs.
//! - A server that cannot have the file runs without it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use crosspoint_engine::metrics::{About, Metrics, ProcessMetrics};
use crosspoint_engine::rt::{self, Cell};
use crosspoint_storage::stats::Histogram;

use crate::config::Config;
use crate::figures::Storage;
use crate::home::Home;

/// Makes the cells of a server: in a file if that is wanted and possible. `protocols` are the front-ends', by index.
pub fn make(config: &Config, home: &Home, protocols: &[&'static str]) -> Metrics {
    let shards = config.shard_count();
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        domain: config.domain.clone(),
        started_unix_ms: unix_ms(),
        protocols: protocols.to_vec(),
        talkers: config.stats.talkers && config.stats.file,
    };
    if !config.stats.file {
        return Metrics::in_memory(&about, shards);
    }
    let path = unpublished(home);
    // What a killed server with the same process number has left.
    let _ = fs::remove_file(&path);
    Metrics::in_file(&path, &about, shards).unwrap_or_else(|error| {
        tracing::warn!(
            file = %path.display(), %error,
            "no statistics file can be made, so `crosspoint top` will not work; check the folder's rights and space"
        );
        Metrics::in_memory(&about, shards)
    })
}

/// Gives the file its name. Only for whoever holds the data folder.
pub fn publish(metrics: &Metrics, home: &Home) {
    if metrics.is_file()
        && let Err(error) = fs::rename(unpublished(home), home.stats())
    {
        tracing::warn!(%error, file = %home.stats().display(), "the statistics file could not be published");
    }
    sweep(home);
}

/// Removes what servers have left that were killed while they started.
fn sweep(home: &Home) {
    let Ok(entries) = fs::read_dir(home.root()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("stats."));
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Takes back what was not published: the server did not start.
pub fn withdraw(home: &Home) {
    // There may be none.
    let _ = fs::remove_file(unpublished(home));
}

/// Copies the figures of the process and of the keepers into the process's cells.
pub fn mirror(cells: &ProcessMetrics, storage: &Storage) {
    let copy = |cell: &[Cell; 1], value: &AtomicU64| cell[0].set(value.load(Relaxed));
    let (log, keeper) = (&storage.log, &storage.log_keeper);
    cells.cpu_ns[0].set(rt::process_cpu().as_nanos() as u64);
    cells.resident_bytes[0].set(rt::process_rss_bytes());
    copy(&cells.log_commits, &log.commits);
    copy(&cells.log_bytes, &log.bytes);
    copy(&cells.log_records, &log.records);
    copy(&cells.log_pending_records, &log.pending_records);
    copy(&cells.log_pending_bytes, &log.pending_bytes);
    copy(&cells.log_segments, &log.segments);
    cells.log_poisoned[0].set(log.poisoned.load(Relaxed).into());
    copy(&cells.log_queue_requests, &keeper.queue_requests);
    copy(&cells.log_queue_bytes, &keeper.queue_bytes);
    copy(&cells.log_refusals, &keeper.refusals);
    counts(&cells.log_group_counts, &keeper.group_ns);
    counts(&cells.log_requests_counts, &keeper.group_requests);
    counts(&cells.log_commit_bytes_counts, &log.commit_bytes);
    copy(&cells.book_commits, &storage.book.commits);
    copy(&cells.book_reads, &storage.book.reads);
    copy(&cells.book_queue_requests, &storage.book_keeper.queue_requests);
    counts(&cells.book_group_counts, &storage.book_keeper.group_ns);
    cells.heartbeat_ns[0].set(rt::monotonic_ns());
}

fn counts(cells: &[Cell], histogram: &Histogram) {
    for (cell, count) in cells.iter().zip(histogram.counts()) {
        cell.set(count);
    }
}

fn unpublished(home: &Home) -> PathBuf {
    home.root().join(format!("stats.{}", std::process::id()))
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Scratch;

    fn config() -> Config {
        Config {
            shards: 1,
            ..Config::default()
        }
    }

    #[test]
    fn the_file_is_for_its_owner_and_has_its_name_when_it_is_published() {
        let scratch = Scratch::new();
        let home = Home::at(scratch.path());
        let metrics = make(&config(), &home, &["xmpp"]);
        assert!(metrics.is_file() && !home.stats().exists());
        publish(&metrics, &home);
        assert_eq!(fs::metadata(home.stats()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!unpublished(&home).exists());
    }

    #[test]
    fn what_a_server_left_that_was_killed_while_it_started_is_swept_away() {
        let scratch = Scratch::new();
        let home = Home::at(scratch.path());
        let (left, other) = (scratch.path().join("stats.1"), scratch.path().join("stats.txt"));
        fs::write(&left, b"").unwrap();
        fs::write(&other, b"").unwrap();
        publish(&make(&config(), &home, &["xmpp"]), &home);
        assert!(!left.exists() && other.exists());
    }

    #[test]
    fn a_server_that_cannot_have_the_file_counts_all_the_same() {
        let home = Home::at(&std::env::temp_dir().join("crosspoint-no-such-folder"));
        let metrics = make(&config(), &home, &["xmpp"]);
        assert!(!metrics.is_file());
        metrics.shard(0).messages.add(1);
        publish(&metrics, &home);
        assert!(metrics.render().contains("crosspoint_messages_total{shard=\"0\"} 1\n"));
    }

    #[test]
    fn who_does_not_want_a_file_has_none() {
        let scratch = Scratch::new();
        let mut config = config();
        config.stats.file = false;
        let metrics = make(&config, &Home::at(scratch.path()), &["xmpp"]);
        assert!(!metrics.is_file());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
