//! What a shard counts: the cells, where they lie, and their Prometheus text.
//!
//! One writer (the shard), many readers (the admin port, `crosspoint top`): relaxed atomics, one aligned block a shard,
//! in a file that other processes can read ([`layout`]) or in plain memory where there is none.
//!
//! `doing.rs` names what a shard is at, `split.rs` finds where a message's time goes, `talkers.rs` who talks most,
//! `prometheus.rs` writes it all down.

mod doing;
pub mod layout;
mod prometheus;
pub mod split;
pub mod talkers;

use std::io;
use std::mem::offset_of;
use std::path::Path;
use std::sync::Arc;

use crosspoint_storage::stats::BUCKETS;

pub use crate::rt::Cell;
pub use doing::{DOINGS, Doing, PROTOCOLS_MAX, doing_name, protocol, reading};

use crate::rt::{Region, Shared, shared_cells};
use layout::{Blocks, Column, Head, Kind, Labels, Scope};
use split::STAGES;
use talkers::{TALKER_WORDS, TALKERS};

/// With more shards than this no figures are kept for pairs of them: they grow with the square.
pub const PAIRED_SHARDS_MAX: usize = 64;

/// A figure that has a number for each label.
struct Row {
    kind: &'static str,
    name: &'static str,
    help: &'static str,
    labels: Labels,
    /// What a cell is divided by.
    unit: f64,
    cells: fn(&ShardMetrics) -> &[Cell],
}

/// Kind, name, help and place of a figure with one number.
type Figure = (&'static str, &'static str, &'static str, fn(&ShardMetrics) -> &Cell);

macro_rules! cells {
    (
        figures { $($figure:ident: $kind:literal, $name:literal, $help:literal;)* }
        rows { $($row:ident[$length:expr]: $row_kind:literal, $row_name:literal, $row_help:literal, $labels:ident / $unit:literal;)* }
        state { $($state:ident[$state_length:expr]: $state_kind:ident, $state_help:literal;)* }
    ) => {
        shared_cells! {
            /// The figures of one shard.
            pub struct ShardMetrics {
                $(#[doc = $help] pub $figure: Cell,)*
                $(#[doc = $row_help] pub $row: [Cell; $length],)*
                $(#[doc = $state_help] pub $state: [Cell; $state_length],)*
            }
        }

        /// What is exported with one number.
        const FIGURES: &[Figure] = &[$(($kind, $name, $help, |shard| &shard.$figure)),*];

        /// What is exported with a number for each label.
        const ROWS: &[Row] = &[$(Row {
            kind: $row_kind,
            name: $row_name,
            help: $row_help,
            labels: Labels::$labels,
            unit: $unit,
            cells: |shard| &shard.$row,
        }),*];

        /// Where a shard's cells lie within its block.
        fn shard_columns() -> Vec<Column> {
            vec![
                $(column(stringify!($figure), Scope::Shard, kind_of($kind), offset_of!(ShardMetrics, $figure), 1),)*
                $(column(stringify!($row), Scope::Shard, kind_of($row_kind), offset_of!(ShardMetrics, $row), $length),)*
                $(column(stringify!($state), Scope::Shard, Kind::$state_kind, offset_of!(ShardMetrics, $state), $state_length),)*
            ]
        }
    };
}

cells! {
    figures {
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
        archived: "counter", "crosspoint_messages_archived_total", "Messages appended to the archive that wait for nobody.";
        settled: "counter", "crosspoint_messages_settled_total", "Stored messages that were confirmed.";
        queue_full: "counter", "crosspoint_queue_full_total", "Messages refused because the addressee's offline queue is full.";
        shed: "counter", "crosspoint_shed_total", "Presence and typing dropped for slow readers.";
        untranslatable: "counter", "crosspoint_untranslatable_total", "Messages and presence that an addressee's protocol cannot say.";
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
        rings: "counter", "crosspoint_mailbox_rings_total", "Sleeping shards woken, by one write each.";
        items_in: "counter", "crosspoint_mailbox_received_items_total", "Items taken from the mailbox.";
        mail_items: "gauge", "crosspoint_mailbox_depth_items", "Most items that a look into the mailbox found within the last 0.1 s.";
        mail_high: "gauge", "crosspoint_mailbox_depth_items_high_water", "Most items that a look into the mailbox found.";
        reads: "counter", "crosspoint_socket_reads_total", "Read calls on sockets.";
        polls: "counter", "crosspoint_polls_total", "Polls for a socket's bytes that were put on the ring.";
        rooms: "gauge", "crosspoint_rooms_loaded", "Rooms in memory.";
        room_occupants: "gauge", "crosspoint_room_occupants", "Sessions in rooms, one for each room.";
        room_deliveries: "counter", "crosspoint_room_deliveries_total", "Envelopes of rooms handed to sessions.";
    }
    rows {
        stanzas_in[PROTOCOLS_MAX]: "counter", "crosspoint_stanzas_received_total", "Envelopes that sessions sent to somebody; their own presence is not counted.", Protocol / 1.0;
        stanzas_out[PROTOCOLS_MAX]: "counter", "crosspoint_stanzas_delivered_total", "Envelopes that sessions were given.", Protocol / 1.0;
        doing_ns[DOINGS]: "counter", "crosspoint_shard_busy_seconds_total", "Time in turns, by what was done.", Doing / 1e9;
        stalls[DOINGS]: "counter", "crosspoint_stalls_total", "Turns of more than 2 ms, by what took most of them.", Doing / 1.0;
        stall_max_ns[DOINGS]: "gauge", "crosspoint_stall_longest_seconds", "The longest of them.", Doing / 1e9;
        split_ns[STAGES]: "counter", "crosspoint_sampled_turn_seconds_total", "Time in sampled turns, by stage.", Stage / 1e9;
    }
    state {
        split_turns[1]: Counter, "Sampled turns.";
        split_in[1]: Counter, "Envelopes that sessions sent in sampled turns.";
        split_out[1]: Counter, "Envelopes that sessions were given in sampled turns.";
        thread[1]: Gauge, "The thread's number in the kernel.";
        ring[1]: Gauge, "The descriptor of its ring, whose counters the kernel shows in /proc/PID/fdinfo; 0: not known.";
        doing[1]: Gauge, "What is being done: a `Doing`.";
        turn_since_ns[1]: Gauge, "When the turn began that has not ended, by the monotonic clock; 0 between turns.";
        heartbeat_ns[1]: Gauge, "When a turn began or ended last, by the monotonic clock.";
        stall_last_ms[1]: Gauge, "When the last turn of more than 2 ms ended, in milliseconds since 1970-01-01 UTC.";
        talkers_on[1]: Gauge, "Whether talkers are counted.";
        turn_sum_ns[1]: Counter, "Sum of the lengths of all turns.";
        turn_counts[BUCKETS]: Histogram, "Turns by their length in nanoseconds.";
        talkers[TALKERS * TALKER_WORDS]: Talkers, "Who talks most.";
    }
}

macro_rules! process_cells {
    ($($cell:ident[$length:expr]: $kind:ident, $help:literal;)*) => {
        shared_cells! {
            /// The figures of the process, as they were a moment ago: what has other owners is copied here some ten times
            /// a second by a thread that is no shard.
            pub struct ProcessMetrics {
                $(#[doc = $help] pub $cell: [Cell; $length],)*
            }
        }

        fn process_columns() -> Vec<Column> {
            vec![$(column(stringify!($cell), Scope::Process, Kind::$kind, offset_of!(ProcessMetrics, $cell), $length)),*]
        }
    };
}

process_cells! {
    heartbeat_ns[1]: Gauge, "When the copying was done last, by the monotonic clock.";
    cpu_ns[1]: Counter, "Processor time of all threads.";
    resident_bytes[1]: Gauge, "Resident memory.";
    log_commits[1]: Counter, "Group commits of the log.";
    log_bytes[1]: Counter, "Bytes written by them.";
    log_records[1]: Counter, "Records written by them.";
    log_pending_records[1]: Gauge, "Messages that wait for their addressees.";
    log_pending_bytes[1]: Gauge, "Their bytes.";
    log_segments[1]: Gauge, "Segment files in use.";
    log_poisoned[1]: Gauge, "1: a write failed, nothing is stored any more.";
    log_queue_requests[1]: Gauge, "Requests that wait for the log.";
    log_queue_bytes[1]: Gauge, "Their bytes.";
    log_refusals[1]: Counter, "Batches given back because the log's queue was full.";
    log_group_counts[BUCKETS]: Histogram, "Groups of requests to the log by the time they took, in nanoseconds, commit included.";
    log_requests_counts[BUCKETS]: Histogram, "Groups of requests to the log by how many they were.";
    log_commit_bytes_counts[BUCKETS]: Histogram, "Group commits of the log by how many bytes they wrote.";
    book_commits[1]: Counter, "Durable transactions of the book.";
    book_reads[1]: Counter, "Look-ups answered by the book.";
    book_queue_requests[1]: Gauge, "Requests that wait for the book.";
    book_group_counts[BUCKETS]: Histogram, "Groups of requests to the book by the time they took, in nanoseconds, commit included.";
}

/// What the statistics file says of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its version.
    pub version: String,
    /// What it serves.
    pub domain: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// The front-ends' protocols, by index.
    pub protocols: Vec<&'static str>,
    /// Whether talkers are counted.
    pub talkers: bool,
}

/// The figures of the process and of all shards.
#[derive(Debug, Clone)]
pub struct Metrics {
    region: Arc<Region>,
    process: Shared<ProcessMetrics>,
    shards: Arc<[Shared<ShardMetrics>]>,
    pairs: Arc<[Pairs]>,
    labels: Arc<[(u16, u16, String)]>,
}

/// A shard's figures about each other shard, by number; empty with more than [`PAIRED_SHARDS_MAX`] of them.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// Items sent there.
    pub items: Shared<[Cell]>,
    /// Chunks that wait there for that shard, as of a moment ago.
    pub depth: Shared<[Cell]>,
}

impl Metrics {
    /// In plain memory.
    pub fn new(shards: usize) -> Metrics {
        Metrics::in_memory(&About::default(), shards)
    }

    /// In plain memory, with the names of the protocols.
    pub fn in_memory(about: &About, shards: usize) -> Metrics {
        Metrics::within(about, shards, |bytes| Ok(Region::plain(bytes)))
            .expect("plain memory is large enough for what is placed in it")
    }

    /// In a new file, for its owner only.
    ///
    /// # Errors
    /// The file exists, or cannot be made or mapped.
    pub fn in_file(path: &Path, about: &About, shards: usize) -> io::Result<Metrics> {
        Metrics::within(about, shards, |bytes| Region::in_file(path, bytes))
    }

    fn within(
        about: &About,
        shards: usize,
        region: impl FnOnce(usize) -> io::Result<Arc<Region>>,
    ) -> io::Result<Metrics> {
        let head = head(about, shards);
        let blocks = head.blocks;
        let region = region(blocks.file_bytes(shards))?;
        let too_small = || io::Error::other("the region is too small for its cells");
        let process = region.place(blocks.process).ok_or_else(too_small)?;
        let block = |shard: usize| blocks.shards + shard * blocks.stride;
        let place = |shard| region.place::<ShardMetrics>(block(shard));
        let blocks_of_shards: Option<Arc<[_]>> = (0..shards).map(place).collect();
        let paired = paired(shards);
        let pair = |shard| {
            let rows = block(shard) + size_of::<ShardMetrics>();
            Some(Pairs {
                items: region.row(rows, paired)?,
                depth: region.row(rows + paired * size_of::<Cell>(), paired)?,
            })
        };
        let pairs: Option<Arc<[_]>> = (0..shards).map(pair).collect();
        let metrics = Metrics {
            process,
            shards: blocks_of_shards.ok_or_else(too_small)?,
            pairs: pairs.ok_or_else(too_small)?,
            labels: head.labels.clone().into(),
            region,
        };
        metrics
            .shards()
            .for_each(|shard| shard.talkers_on[0].set(about.talkers.into()));
        metrics.write(&head.encode());
        Ok(metrics)
    }

    /// The magic goes last: until it is there, nobody takes this for a statistics file.
    fn write(&self, head: &[u8]) {
        let Some(row) = self.region.row(0, head.len() / size_of::<Cell>()) else {
            return;
        };
        for (cell, bytes) in row.iter().zip(head.as_chunks::<8>().0).rev() {
            cell.set(u64::from_ne_bytes(*bytes));
        }
    }

    /// Whether other processes can read it.
    pub fn is_file(&self) -> bool {
        self.region.is_file()
    }

    /// The process's block.
    pub fn process(&self) -> &ProcessMetrics {
        &self.process
    }

    /// One shard's block.
    pub fn shard(&self, shard: usize) -> Shared<ShardMetrics> {
        self.shards[shard].clone()
    }

    /// One shard's figures about the others.
    pub fn pairs(&self, shard: usize) -> Pairs {
        self.pairs[shard].clone()
    }

    /// All blocks, in order of shards.
    pub fn shards(&self) -> impl Iterator<Item = &ShardMetrics> {
        self.shards.iter().map(|shard| &**shard)
    }

    /// Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        prometheus::render(self)
    }
}

fn head(about: &About, shards: usize) -> Head {
    let labels = labels(&about.protocols);
    let mut columns = process_columns();
    columns.extend(shard_columns());
    let (row, rows) = (paired(shards) * size_of::<Cell>(), size_of::<ShardMetrics>());
    columns.push(column("pair_items", Scope::Shard, Kind::Counter, rows, paired(shards)));
    columns.push(column(
        "pair_depth",
        Scope::Shard,
        Kind::Gauge,
        rows + row,
        paired(shards),
    ));
    let blocks = Blocks::behind(columns.len(), labels.len(), size_of::<ProcessMetrics>(), rows + 2 * row);
    Head {
        process: std::process::id().into(),
        started_unix_ms: about.started_unix_ms,
        version: about.version.clone(),
        domain: about.domain.clone(),
        shards,
        columns,
        labels,
        blocks,
    }
}

fn paired(shards: usize) -> usize {
    if shards <= PAIRED_SHARDS_MAX { shards } else { 0 }
}

fn labels(protocols: &[&str]) -> Vec<(u16, u16, String)> {
    let set = |set: Labels, names: Vec<String>| {
        let named = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty());
        named.map(move |(index, name)| (set as u16, index as u16, name))
    };
    let known = protocols
        .iter()
        .take(PROTOCOLS_MAX)
        .map(|name| (*name).to_owned())
        .collect();
    let stages = split::STAGE_NAMES.map(str::to_owned).to_vec();
    set(Labels::Doing, doing::names(protocols))
        .chain(set(Labels::Stage, stages))
        .chain(set(Labels::Protocol, known))
        .collect()
}

fn kind_of(kind: &str) -> Kind {
    if kind == "counter" { Kind::Counter } else { Kind::Gauge }
}

fn column(name: &str, scope: Scope, kind: Kind, offset: usize, count: usize) -> Column {
    Column {
        name: name.to_owned(),
        scope,
        kind: kind as u32,
        offset,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_told_apart() {
        let head = head(&About::default(), 2);
        for column in &head.columns {
            assert!(column.name.len() <= 32, "{}", column.name);
            let same = |other: &&Column| other.scope == column.scope && other.name == column.name;
            assert_eq!(head.columns.iter().filter(same).count(), 1, "{}", column.name);
        }
        for (_, _, text) in &head.labels {
            assert!(text.len() <= 28, "{text}");
        }
    }

    #[test]
    fn a_reader_finds_in_the_file_what_a_shard_has_counted() {
        let path = std::env::temp_dir().join(format!("crosspoint-metrics-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let about = About {
            version: "1.2.3".to_owned(),
            protocols: vec!["xmpp"],
            ..About::default()
        };
        let metrics = Metrics::in_file(&path, &about, 3).unwrap();
        metrics.shard(2).messages.add(7);
        metrics.pairs(2).items[1].add(5);
        metrics.process().log_commits[0].set(9);
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let head = Head::decode(&file).unwrap();
        assert_eq!((head.version.as_str(), head.shards), ("1.2.3", 3));
        assert_eq!(head.label(Labels::Doing, reading(0)), "read xmpp");
        let cell = |scope, name: &str, block: usize, index: usize| {
            let at = block + head.column(scope, name).unwrap().offset + index * 8;
            u64::from_ne_bytes(file[at..at + 8].try_into().unwrap())
        };
        let second = head.blocks.shards + 2 * head.blocks.stride;
        assert_eq!(cell(Scope::Shard, "messages", second, 0), 7);
        assert_eq!(cell(Scope::Shard, "pair_items", second, 1), 5);
        assert_eq!(cell(Scope::Process, "log_commits", head.blocks.process, 0), 9);
    }

    #[test]
    fn many_shards_have_no_figures_for_pairs() {
        let metrics = Metrics::new(PAIRED_SHARDS_MAX + 1);
        assert!(metrics.pairs(0).items.is_empty());
        assert_eq!(Metrics::new(3).pairs(1).depth.len(), 3);
    }
}
