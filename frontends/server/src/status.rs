//! How a server is: what `crosspoint status` shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a running server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the server.
    pub version: String,
    /// The domain served.
    pub domain: String,
    /// Process number.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// What it does now.
    pub stage: Stage,
    /// Resident memory of the process.
    pub resident_bytes: u64,
    /// Processor time of the process.
    pub cpu_s: f64,
    /// Each shard.
    pub shards: Vec<ShardStatus>,
    /// The log of messages.
    pub log: LogStatus,
    /// The book.
    pub book: BookStatus,
}

/// A server's stage of life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Not listening yet.
    #[default]
    Starting,
    /// A front-end that no back-end can be reached from.
    Waiting,
    /// Serving.
    Serving,
    /// Saying goodbye.
    Draining,
    /// The log has failed: clients are connected, but nothing is stored any more.
    Failed,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Open connections.
    pub connections: u64,
    /// Bound sessions.
    pub sessions: u64,
    /// Users in memory.
    pub users: u64,
    /// Messages routed since the start.
    pub messages: u64,
    /// Processor time of its thread, in milliseconds.
    pub cpu_ms: u64,
}

/// The log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStatus {
    /// A write has failed: nothing is acknowledged any more.
    pub poisoned: bool,
    /// Messages that wait for their addressees.
    pub pending_records: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Segment files in use.
    pub segments: u64,
    /// Requests that wait for its keeper.
    pub queue_requests: u64,
    /// Group commits since the start.
    pub commits: u64,
}

/// The book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookStatus {
    /// Requests that wait for its keeper.
    pub queue_requests: u64,
    /// Durable transactions since the start.
    pub commits: u64,
    /// Requests that failed since the start.
    pub failures: u64,
}

impl Status {
    /// Whether anything calls for the administrator.
    pub fn is_well(&self) -> bool {
        self.stage == Stage::Serving && !self.log.poisoned
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Stage::Starting => "starting",
            Stage::Waiting => "waiting for a back-end of",
            Stage::Serving => "serving",
            Stage::Draining => "draining",
            Stage::Failed => "failed",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status {
            version,
            domain,
            pid,
            stage,
            ..
        } = self;
        writeln!(
            out,
            "crosspoint {version}, {stage} {domain}, process {pid}, up {}",
            duration(self.uptime_s)
        )?;
        writeln!(
            out,
            "memory {:.1} MB, processor {:.1} s\n",
            self.resident_bytes as f64 / 1e6,
            self.cpu_s
        )?;
        writeln!(out, "shard  connections  sessions     users      messages   processor")?;
        for (index, shard) in self.shards.iter().enumerate() {
            row(out, &index.to_string(), shard)?;
        }
        if self.shards.len() > 1 {
            row(out, "all", &self.total())?;
        }
        self.storage(out)
    }
}

impl Status {
    fn storage(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogStatus {
            pending_records,
            pending_bytes,
            segments,
            commits,
            queue_requests,
            ..
        } = &self.log;
        let health = match self.log.poisoned {
            true => "FAILED, nothing is stored any more: look at the server's log, then restart it",
            false => "well",
        };
        write!(
            out,
            "\nlog    {health}; {pending_records} messages wait ({pending_bytes} bytes), "
        )?;
        writeln!(out, "{segments} segments, {commits} commits, queue {queue_requests}")?;
        let BookStatus {
            commits,
            failures,
            queue_requests,
        } = &self.book;
        write!(
            out,
            "book   {commits} commits, {failures} failures, queue {queue_requests}"
        )
    }

    fn total(&self) -> ShardStatus {
        self.shards
            .iter()
            .fold(ShardStatus::default(), |sum, shard| ShardStatus {
                connections: sum.connections + shard.connections,
                sessions: sum.sessions + shard.sessions,
                users: sum.users + shard.users,
                messages: sum.messages + shard.messages,
                cpu_ms: sum.cpu_ms + shard.cpu_ms,
            })
    }
}

fn row(out: &mut fmt::Formatter<'_>, name: &str, shard: &ShardStatus) -> fmt::Result {
    let ShardStatus {
        connections,
        sessions,
        users,
        messages,
        cpu_ms,
    } = shard;
    writeln!(
        out,
        "{name:<5}  {connections:>11}  {sessions:>8}  {users:>8}  {messages:>12}  {:>8.1} s",
        *cpu_ms as f64 / 1e3
    )
}

/// For people: the two largest units.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_people() {
        let shard = ShardStatus {
            connections: 2,
            sessions: 1,
            users: 3,
            messages: 40,
            cpu_ms: 1_500,
        };
        let status = Status {
            shards: vec![shard.clone(), shard],
            uptime_s: 3_700,
            ..Status::default()
        };
        let text = status.to_string();
        assert!(
            text.contains("up 1 h 1 min") && text.contains("\nall              4"),
            "{text}"
        );
    }

    #[test]
    fn json_comes_back() {
        let status = Status {
            domain: "x".to_owned(),
            stage: Stage::Draining,
            ..Status::default()
        };
        assert_eq!(
            serde_json::from_str::<Status>(&serde_json::to_string(&status).unwrap()).unwrap(),
            status
        );
    }

    #[test]
    fn a_failed_log_is_not_well() {
        let status = Status {
            stage: Stage::Serving,
            ..Status::default()
        };
        assert!(status.is_well());
        assert!(
            !Status {
                log: LogStatus {
                    poisoned: true,
                    ..LogStatus::default()
                },
                ..status
            }
            .is_well()
        );
    }
}
