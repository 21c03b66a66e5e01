//! What two looks at a server's statistics say: rates, shares, quantiles. This is what `--json` prints.
//!
//! Units are in the names: `_s` seconds, `_us` microseconds, `_ns` nanoseconds, `_per_s` rates; `busy` and `cpu` are
//! shares of one core. A field is `null` where nothing was counted that it could be made of.

use crosspoint_engine::metrics::layout::{Labels, Scope};
use crosspoint_engine::metrics::talkers;
use crosspoint_storage::stats::quantile;
use serde::Serialize;

use super::ring::Ring;
use super::snapshot::Snapshot;

/// A shard that neither begins nor ends a turn for so long is wedged: it turns ten times a second with nothing to do.
pub const WEDGED_NS: u64 = 1_000_000_000;

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The process.
    pub server: Server,
    /// When the later look was taken, in milliseconds since 1970-01-01 UTC.
    pub taken_unix_ms: u64,
    /// Between the looks; or since the server's start, if there was no earlier one.
    pub interval_s: f64,
    /// Each shard.
    pub shards: Vec<Shard>,
    /// Items a second from a shard (row) to another (column); empty with very many shards.
    pub pairs_per_s: Vec<Vec<f64>>,
    /// Chunks that wait in each lane.
    pub pairs_depth: Vec<Vec<u64>>,
    /// The log and the book.
    pub log: Log,
    /// Who sends most, lately, by a sample.
    pub talkers: Vec<Talker>,
}

/// The process.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Its number.
    pub process: u64,
    /// Whether it is there.
    pub alive: bool,
    /// Its version.
    pub version: String,
    /// What it serves.
    pub domain: String,
    /// How long it has run, or had.
    pub uptime_s: f64,
    /// Of all threads, in cores.
    pub cpu: f64,
    /// Resident memory.
    pub resident_bytes: u64,
}

/// How a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It waits for something to do.
    Idle,
    /// It is in a turn.
    Busy,
    /// It has not turned for more than a second.
    Wedged,
    /// The process is gone.
    Gone,
}

/// Who has counted how often a shard entered the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// The kernel.
    Kernel,
    /// Nobody: these are the shard's turns, each of which ends in one.
    Turns,
}

/// One shard.
#[derive(Debug, Clone, Serialize)]
pub struct Shard {
    /// Its number.
    pub shard: usize,
    /// How it is.
    pub health: Health,
    /// What it is, or was last, doing.
    pub doing: String,
    /// For how long it has not turned.
    pub silent_s: f64,
    /// The kernel's word for its thread: R runs, S sleeps, D waits for a disk, T is stopped.
    pub thread: Option<char>,
    /// Time in turns.
    pub busy: f64,
    /// Processor time.
    pub cpu: f64,
    /// Turns.
    pub turns_per_s: f64,
    /// Length of a turn.
    pub turn_p50_us: Option<f64>,
    /// The same.
    pub turn_p99_us: Option<f64>,
    /// Envelopes from sessions, all protocols.
    pub in_per_s: f64,
    /// Envelopes to sessions, all protocols.
    pub out_per_s: f64,
    /// By protocol: name, in, out.
    pub protocols: Vec<(String, f64, f64)>,
    /// Time of an envelope by stage, from sampled turns: read, parse, route and mailbox for each that came in, encode and
    /// write for each that went out.
    pub split_ns: Vec<(String, Option<f64>)>,
    /// Time in turns by activity, as shares of all of it.
    pub doing_share: Vec<(String, f64)>,
    /// Most items that a look into the mailbox found within the last 0.1 s.
    pub mail_depth: u64,
    /// The same, since the start.
    pub mail_high: u64,
    /// Items from other shards and keepers.
    pub mail_per_s: f64,
    /// Read calls for each envelope that came in.
    pub reads_each: Option<f64>,
    /// Write calls for each envelope that went out.
    pub writes_each: Option<f64>,
    /// Polls put on the ring for each envelope that came in.
    pub polls_each: Option<f64>,
    /// Submission queue entries of all kinds put on the ring, as the kernel counts them...
    pub sqes_per_s: Option<f64>,
    /// ...and for each envelope that came in.
    pub sqes_each: Option<f64>,
    /// Completion queue entries.
    pub cqes_per_s: Option<f64>,
    /// How often the shard entered the kernel with its ring...
    pub enters_per_s: f64,
    /// ...for each envelope that came in...
    pub enters_each: Option<f64>,
    /// ...and who counted that.
    pub enters_from: Counted,
    /// Sleeping shards that this one woke.
    pub rings_per_s: f64,
    /// Bound sessions.
    pub sessions: u64,
    /// Open connections.
    pub connections: u64,
    /// Users in memory.
    pub users: u64,
    /// Turns of more than 2 ms, since the start.
    pub stalls: u64,
    /// The same, in the interval.
    pub stalls_now: u64,
    /// The longest since the start, and what took most of it.
    pub stall_longest_us: f64,
    /// See above.
    pub stall_longest_doing: String,
    /// By activity: name, how many since the start, the longest in microseconds.
    pub stalls_by: Vec<(String, u64, f64)>,
}

/// The log, and the book beside it.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    /// A write has failed.
    pub poisoned: bool,
    /// Requests that wait.
    pub queue_requests: u64,
    /// Their bytes.
    pub queue_bytes: u64,
    /// Batches given back because the queue was full, since the start.
    pub refusals: u64,
    /// Group commits.
    pub commits_per_s: f64,
    /// Records.
    pub records_per_s: f64,
    /// Bytes.
    pub bytes_per_s: f64,
    /// Time of a group, commit included.
    pub commit_p50_us: Option<f64>,
    /// The same.
    pub commit_p99_us: Option<f64>,
    /// Requests of a group.
    pub group_p50: Option<u64>,
    /// The same.
    pub group_p99: Option<u64>,
    /// Bytes of a commit.
    pub commit_p50_bytes: Option<u64>,
    /// The same.
    pub commit_p99_bytes: Option<u64>,
    /// Messages that wait for their addressees.
    pub pending_records: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// The book's durable transactions.
    pub book_commits_per_s: f64,
    /// Its look-ups.
    pub book_reads_per_s: f64,
    /// Requests that wait for it.
    pub book_queue_requests: u64,
    /// Time of a group of its requests.
    pub book_p50_us: Option<f64>,
    /// The same.
    pub book_p99_us: Option<f64>,
    /// Counts of commits by their time, bucketed as in the file; for the plot, not for JSON.
    #[serde(skip)]
    pub commit_counts: Vec<u64>,
}

/// Somebody who talks much.
#[derive(Debug, Clone, Serialize)]
pub struct Talker {
    /// Bare address, cut if long.
    pub name: String,
    /// Where he lives, or his connection is.
    pub shard: usize,
    /// Of what was sampled on all shards.
    pub share: f64,
    /// By how much the share may be too high.
    pub error: f64,
}

/// Two looks, or one and the server's start.
struct Looks<'a> {
    before: Option<&'a Snapshot>,
    after: &'a Snapshot,
    seconds: f64,
}

impl Figures {
    /// What has happened between two looks at the same run; without an earlier one, since the start.
    pub fn between(before: Option<&Snapshot>, after: &Snapshot) -> Figures {
        let before = before.filter(|before| before.same_run(after) && before.taken_ns < after.taken_ns);
        let uptime_ns = uptime_ns(after);
        let interval_ns = before.map_or(uptime_ns, |before| after.taken_ns - before.taken_ns);
        let looks = Looks {
            before,
            after,
            seconds: (interval_ns as f64 / 1e9).max(1e-9),
        };
        let shards = 0..after.head.shards;
        Figures {
            server: Server {
                process: after.head.process,
                alive: after.alive,
                version: after.head.version.clone(),
                domain: after.head.domain.clone(),
                uptime_s: uptime_ns as f64 / 1e9,
                cpu: looks.per_s(Scope::Process, 0, "cpu_ns") / 1e9,
                resident_bytes: after.one(Scope::Process, 0, "resident_bytes"),
            },
            taken_unix_ms: after.taken_unix_ms,
            interval_s: looks.seconds,
            shards: shards.clone().map(|shard| looks.shard(shard)).collect(),
            pairs_per_s: shards
                .clone()
                .map(|from| looks.rates(Scope::Shard, from, "pair_items"))
                .collect(),
            pairs_depth: shards
                .clone()
                .map(|from| after.cells(Scope::Shard, from, "pair_depth"))
                .collect(),
            log: looks.log(),
            talkers: looks.talkers(),
        }
    }

    /// Sums over all shards: envelopes in and out a second.
    pub fn totals(&self) -> (f64, f64) {
        let sum = |value: fn(&Shard) -> f64| self.shards.iter().map(value).sum();
        (sum(|shard| shard.in_per_s), sum(|shard| shard.out_per_s))
    }

    /// Time of an envelope by stage, the middle of all shards weighted by what they handle.
    pub fn split_ns(&self) -> Vec<(String, Option<f64>)> {
        let Some(first) = self.shards.first() else {
            return Vec::new();
        };
        let stage = |(index, (name, _)): (usize, &(String, Option<f64>))| {
            let known = self.shards.iter().filter_map(|shard| {
                let ns = shard.split_ns.get(index)?.1?;
                Some((ns, shard.in_per_s + shard.out_per_s + 1e-9))
            });
            let (sum, weight) = known.fold((0.0, 0.0), |(sum, all), (ns, weight)| (sum + ns * weight, all + weight));
            (name.clone(), (weight > 0.0).then(|| sum / weight))
        };
        first.split_ns.iter().enumerate().map(stage).collect()
    }
}

/// How long the server has run; of one that is gone, until its last sign of life.
fn uptime_ns(snapshot: &Snapshot) -> u64 {
    let heartbeat = |shard| snapshot.one(Scope::Shard, shard, "heartbeat_ns");
    let last = (0..snapshot.head.shards).map(heartbeat).max().unwrap_or(0);
    let last = last.max(snapshot.one(Scope::Process, 0, "heartbeat_ns"));
    let ago_ms = if snapshot.alive {
        0
    } else {
        snapshot.taken_ns.saturating_sub(last) / 1_000_000
    };
    let up_ms = snapshot
        .taken_unix_ms
        .saturating_sub(snapshot.head.started_unix_ms)
        .saturating_sub(ago_ms);
    up_ms * 1_000_000
}

impl Looks<'_> {
    /// What was added to each cell of a name.
    fn added(&self, scope: Scope, shard: usize, name: &str) -> Vec<u64> {
        let mut cells = self.after.cells(scope, shard, name);
        if let Some(before) = self.before {
            for (cell, before) in cells.iter_mut().zip(before.cells(scope, shard, name)) {
                // A reader sees cells one after the other, so a sum may seem to shrink by what came in between.
                *cell = cell.saturating_sub(before);
            }
        }
        cells
    }

    fn sum(&self, scope: Scope, shard: usize, name: &str) -> u64 {
        self.added(scope, shard, name).iter().sum()
    }

    fn rates(&self, scope: Scope, shard: usize, name: &str) -> Vec<f64> {
        self.added(scope, shard, name)
            .iter()
            .map(|count| *count as f64 / self.seconds)
            .collect()
    }

    fn per_s(&self, scope: Scope, shard: usize, name: &str) -> f64 {
        self.sum(scope, shard, name) as f64 / self.seconds
    }

    fn quantile_us(&self, scope: Scope, shard: usize, name: &str, share: f64) -> Option<f64> {
        quantile(&self.added(scope, shard, name), share).map(|ns| ns as f64 / 1e3)
    }

    fn labelled(&self, labels: Labels, values: impl Iterator<Item = f64>) -> Vec<(String, f64)> {
        let named = values
            .enumerate()
            .map(|(index, value)| (self.after.head.label(labels, index).to_owned(), value));
        named.filter(|(name, _)| !name.is_empty()).collect()
    }

    fn shard(&self, shard: usize) -> Shard {
        let one = |name| self.after.one(Scope::Shard, shard, name);
        let sum = |name| self.sum(Scope::Shard, shard, name);
        let rate = |name| self.per_s(Scope::Shard, shard, name);
        let (health, doing, silent_ns) = self.health(shard);
        let (stanzas_in, stanzas_out) = (sum("stanzas_in"), sum("stanzas_out"));
        let stalls_by = self.stalls_by(shard);
        let ring = self.ring(shard);
        let (enters, enters_from) = self.enters(shard);
        let longest = stalls_by.iter().max_by(|one, other| one.2.total_cmp(&other.2)).cloned();
        Shard {
            shard,
            health,
            doing,
            silent_s: silent_ns as f64 / 1e9,
            thread: self.after.threads.get(shard).copied(),
            busy: rate("turn_sum_ns") / 1e9,
            cpu: rate("cpu_ns") / 1e9,
            turns_per_s: rate("turns"),
            turn_p50_us: self.quantile_us(Scope::Shard, shard, "turn_counts", 0.5),
            turn_p99_us: self.quantile_us(Scope::Shard, shard, "turn_counts", 0.99),
            in_per_s: rate("stanzas_in"),
            out_per_s: rate("stanzas_out"),
            protocols: self.protocols(shard),
            split_ns: self.split(shard),
            doing_share: self.doing_share(shard),
            mail_depth: one("mail_items"),
            mail_high: one("mail_high"),
            mail_per_s: rate("items_in"),
            reads_each: each(sum("reads"), stanzas_in),
            writes_each: each(sum("writes"), stanzas_out),
            polls_each: each(sum("polls"), stanzas_in),
            sqes_per_s: ring.map(|ring| f64::from(ring.entries) / self.seconds),
            sqes_each: ring.and_then(|ring| each(ring.entries.into(), stanzas_in)),
            cqes_per_s: ring.map(|ring| f64::from(ring.completions) / self.seconds),
            enters_per_s: enters as f64 / self.seconds,
            enters_each: each(enters, stanzas_in),
            enters_from,
            rings_per_s: rate("rings"),
            sessions: one("sessions"),
            connections: one("connections"),
            users: one("users"),
            stalls: self.after.cells(Scope::Shard, shard, "stalls").iter().sum(),
            stalls_now: sum("stalls"),
            stall_longest_us: longest.as_ref().map_or(0.0, |longest| longest.2),
            stall_longest_doing: longest.map(|longest| longest.0).unwrap_or_default(),
            stalls_by,
        }
    }

    /// How often the shard entered the kernel. When nobody counts, as often as it turned: it enters once a turn, for what
    /// the turn has left, and to wait.
    fn enters(&self, shard: usize) -> (u64, Counted) {
        let of = |look: &Snapshot| look.enters.get(shard).copied().flatten();
        match (of(self.after), self.before.and_then(of)) {
            (Some(after), Some(before)) if after >= before => (after - before, Counted::Kernel),
            _ => (self.sum(Scope::Shard, shard, "turns"), Counted::Turns),
        }
    }

    /// What was added to the ring's counters. They wrap, so without an earlier look nothing is known.
    fn ring(&self, shard: usize) -> Option<Ring> {
        let of = |look: &Snapshot| look.rings.get(shard).copied().flatten();
        Some(of(self.after)?.since(of(self.before?)?))
    }

    fn health(&self, shard: usize) -> (Health, String, u64) {
        let one = |name| self.after.one(Scope::Shard, shard, name);
        let silent_ns = self.after.taken_ns.saturating_sub(one("heartbeat_ns"));
        let doing = self.after.head.label(Labels::Doing, one("doing") as usize).to_owned();
        let health = match (self.after.alive, silent_ns > WEDGED_NS, one("turn_since_ns")) {
            (false, ..) => Health::Gone,
            (true, true, _) => Health::Wedged,
            (true, false, 0) => Health::Idle,
            (true, false, _) => Health::Busy,
        };
        (health, doing, silent_ns)
    }

    fn protocols(&self, shard: usize) -> Vec<(String, f64, f64)> {
        let rates = |name| self.rates(Scope::Shard, shard, name);
        let known = self.labelled(Labels::Protocol, rates("stanzas_in").into_iter());
        known
            .into_iter()
            .zip(rates("stanzas_out"))
            .map(|((name, rate_in), rate_out)| (name, rate_in, rate_out))
            .collect()
    }

    fn split(&self, shard: usize) -> Vec<(String, Option<f64>)> {
        let (came_in, went_out) = (
            self.sum(Scope::Shard, shard, "split_in"),
            self.sum(Scope::Shard, shard, "split_out"),
        );
        let times = self.added(Scope::Shard, shard, "split_ns");
        let named = self.labelled(Labels::Stage, times.iter().map(|ns| *ns as f64));
        let stage = |(name, ns): (String, f64)| {
            // On a shard that only delivers, finding the addressee is a cost of what goes out.
            let count = match name.as_str() {
                "encode" | "write" => went_out,
                _ if came_in > 0 => came_in,
                _ => went_out,
            };
            let ns = (count > 0).then(|| ns / count as f64);
            (name, ns)
        };
        named.into_iter().map(stage).collect()
    }

    fn doing_share(&self, shard: usize) -> Vec<(String, f64)> {
        let times = self.added(Scope::Shard, shard, "doing_ns");
        let all = times.iter().sum::<u64>().max(1) as f64;
        let mut shares = self.labelled(Labels::Doing, times.iter().map(|ns| *ns as f64 / all));
        shares.retain(|(_, share)| *share > 0.0);
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }

    fn stalls_by(&self, shard: usize) -> Vec<(String, u64, f64)> {
        let counts = self.after.cells(Scope::Shard, shard, "stalls");
        let longest = self.after.cells(Scope::Shard, shard, "stall_max_ns");
        let all = counts
            .into_iter()
            .zip(longest)
            .enumerate()
            .filter(|(_, (count, _))| *count > 0);
        all.map(|(doing, (count, ns))| {
            (
                self.after.head.label(Labels::Doing, doing).to_owned(),
                count,
                ns as f64 / 1e3,
            )
        })
        .collect()
    }

    fn log(&self) -> Log {
        let one = |name| self.after.one(Scope::Process, 0, name);
        let rate = |name| self.per_s(Scope::Process, 0, name);
        let us = |name, share| self.quantile_us(Scope::Process, 0, name, share);
        let number = |name, share| quantile(&self.added(Scope::Process, 0, name), share);
        Log {
            poisoned: one("log_poisoned") != 0,
            queue_requests: one("log_queue_requests"),
            queue_bytes: one("log_queue_bytes"),
            refusals: one("log_refusals"),
            commits_per_s: rate("log_commits"),
            records_per_s: rate("log_records"),
            bytes_per_s: rate("log_bytes"),
            commit_p50_us: us("log_group_counts", 0.5),
            commit_p99_us: us("log_group_counts", 0.99),
            group_p50: number("log_requests_counts", 0.5),
            group_p99: number("log_requests_counts", 0.99),
            commit_p50_bytes: number("log_commit_bytes_counts", 0.5),
            commit_p99_bytes: number("log_commit_bytes_counts", 0.99),
            pending_records: one("log_pending_records"),
            pending_bytes: one("log_pending_bytes"),
            segments: one("log_segments"),
            book_commits_per_s: rate("book_commits"),
            book_reads_per_s: rate("book_reads"),
            book_queue_requests: one("book_queue_requests"),
            book_p50_us: us("book_group_counts", 0.5),
            book_p99_us: us("book_group_counts", 0.99),
            commit_counts: self.added(Scope::Process, 0, "log_group_counts"),
        }
    }

    fn talkers(&self) -> Vec<Talker> {
        let of_shard = |shard: usize| {
            let words = self.after.cells(Scope::Shard, shard, "talkers");
            talkers::decode(&words).into_iter().map(move |talker| (shard, talker))
        };
        let all: Vec<_> = (0..self.after.head.shards).flat_map(of_shard).collect();
        let weight = all.iter().map(|(_, talker)| talker.count).sum::<u64>().max(1) as f64;
        let mut talkers: Vec<Talker> = all
            .into_iter()
            .map(|(shard, talker)| Talker {
                name: talker.name,
                shard,
                share: talker.count as f64 / weight,
                error: talker.error as f64 / weight,
            })
            .collect();
        talkers.sort_by(|one, other| {
            other
                .share
                .total_cmp(&one.share)
                .then_with(|| one.name.cmp(&other.name))
        });
        talkers
    }
}

fn each(count: u64, stanzas: u64) -> Option<f64> {
    (stanzas > 0).then(|| count as f64 / stanzas as f64)
}
