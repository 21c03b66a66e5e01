//! What a shard counts, and its Prometheus text.
//!
//! One writer (the shard), many readers (the admin port): relaxed atomics, one cache-line-aligned block a shard.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge with one writer.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds to a counter.
    pub fn add(&self, n: u64) {
        // One writer: a load and a store, no locked instruction.
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! cells {
    ($($(#[$doc:meta])* $field:ident: $kind:literal, $name:literal, $help:literal;)*) => {
        /// The figures of one shard.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct ShardMetrics {
            $(#[doc = $help] pub $field: Cell,)*
        }

        const CELLS: &[(&str, &str, &str, fn(&ShardMetrics) -> &Cell)] =
            &[$(($kind, $name, $help, |shard| &shard.$field)),*];
    };
}

cells! {
    connections: "gauge", "crosspoint_connections", "Open client connections.";
    sessions: "gauge", "crosspoint_sessions", "Bound sessions, sleeping ones included.";
    users: "gauge", "crosspoint_users_loaded", "Users in memory.";
    accepted: "counter", "crosspoint_connections_accepted_total", "Connections accepted.";
    refused: "counter", "crosspoint_connections_refused_total", "Connections refused by a bound.";
    authenticated: "counter", "crosspoint_authentications_total", "Successful authentications.";
    auth_failed: "counter", "crosspoint_authentications_failed_total", "Failed authentications.";
    auth_throttled: "counter", "crosspoint_authentications_throttled_total", "Authentications refused by a brute-force budget.";
    moved: "counter", "crosspoint_sessions_moved_total", "Sessions handed over to their home shard.";
    resumed: "counter", "crosspoint_sessions_resumed_total", "Sessions resumed.";
    messages: "counter", "crosspoint_messages_total", "Messages routed.";
    presences: "counter", "crosspoint_presences_total", "Presence envelopes routed.";
    queries: "counter", "crosspoint_queries_total", "Queries (IQ) routed.";
    delivered: "counter", "crosspoint_deliveries_total", "Envelopes handed to sessions.";
    bounced: "counter", "crosspoint_bounces_total", "Envelopes returned as errors.";
    stored: "counter", "crosspoint_messages_stored_total", "Messages appended to the log.";
    settled: "counter", "crosspoint_messages_settled_total", "Stored messages that were confirmed.";
    queue_full: "counter", "crosspoint_queue_full_total", "Messages refused because the addressee's offline queue is full.";
    shed: "counter", "crosspoint_shed_total", "Presence and typing dropped for slow readers.";
    slow_closed: "counter", "crosspoint_slow_readers_closed_total", "Sessions ended because they did not read.";
    panics: "counter", "crosspoint_panics_total", "Panics caught, each of which closed one session.";
    chunks: "counter", "crosspoint_mailbox_chunks_total", "Chunks sent to other shards.";
    items: "counter", "crosspoint_mailbox_items_total", "Items sent to other shards.";
    lane_full: "counter", "crosspoint_mailbox_full_total", "Turns in which a lane to another shard was full.";
    turns: "counter", "crosspoint_turns_total", "Turns of the shard's loop.";
    bytes_in: "counter", "crosspoint_received_bytes_total", "Bytes read from sockets.";
    bytes_out: "counter", "crosspoint_sent_bytes_total", "Bytes written to sockets.";
    writes: "counter", "crosspoint_socket_writes_total", "Write calls on sockets.";
    storage_failed: "counter", "crosspoint_storage_failures_total", "Requests that log or book could not serve.";
    cpu_ns: "gauge", "crosspoint_shard_cpu_nanoseconds", "CPU time of the shard's thread.";
}

/// The figures of all shards.
#[derive(Debug, Clone)]
pub struct Metrics {
    shards: Arc<[Arc<ShardMetrics>]>,
}

impl Metrics {
    /// For a number of shards.
    pub fn new(shards: usize) -> Metrics {
        Metrics {
            shards: (0..shards).map(|_| Arc::default()).collect(),
        }
    }

    /// One shard's block.
    pub fn shard(&self, shard: usize) -> Arc<ShardMetrics> {
        self.shards[shard].clone()
    }

    /// All blocks, in order of shards.
    pub fn shards(&self) -> impl Iterator<Item = &ShardMetrics> {
        self.shards.iter().map(|shard| &**shard)
    }

    /// Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(CELLS.len() * 160 * self.shards.len().max(1));
        for (kind, name, help, cell) in CELLS {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (index, shard) in self.shards.iter().enumerate() {
                let _ = writeln!(text, "{name}{{shard=\"{index}\"}} {}", cell(shard).get());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_each_cell_once_a_shard() {
        let metrics = Metrics::new(2);
        metrics.shard(1).messages.add(7);
        let text = metrics.render();
        assert!(text.contains("crosspoint_messages_total{shard=\"0\"} 0\n"));
        assert!(text.contains("crosspoint_messages_total{shard=\"1\"} 7\n"));
        assert_eq!(text.matches("# TYPE").count(), CELLS.len());
    }

    #[test]
    fn names_follow_prometheus() {
        for (kind, name, ..) in CELLS {
            assert!(name.starts_with("crosspoint_"), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        }
    }
}
