//! How fast, how long, on how many cores; what is observed besides, and when a run is not ok.

use serde::{Deserialize, Serialize};

/// The generator's own shape, and the phases of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Load {
    /// Threads of each process; 0: one a core of `cores`, or one.
    pub threads: u32,
    /// Processes, each with a part of the users: limits of open files are per process.
    pub processes: u32,
    /// Cores to keep to, in turn; none: the system chooses.
    pub cores: Vec<u32>,
    /// Logins begun in a second, evenly spread; 0: as fast as `concurrency` allows. People and storms come back at a pace
    /// of their own, so there it is for the first logins only.
    pub logins_per_s: f64,
    /// Logins under way at a time, in all.
    pub concurrency: u32,
    pub warmup_s: f64,
    /// The measured part.
    pub duration_s: f64,
    /// How long the last deliveries may take.
    pub drain_s: f64,
    /// Whatever is drawn by lot follows from this number.
    pub seed: u64,
}

/// What to observe besides the load itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Processes of the server, for CPU and memory.
    pub server_pids: Vec<u32>,
    /// Where the server shows its own figures, in the text format of Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_url: Option<String>,
}

/// When a run is not ok; a message that is lost, duplicated, reordered or damaged never is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Errors of all kinds together.
    pub errors_max: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            threads: 0,
            processes: 1,
            cores: Vec::new(),
            logins_per_s: 0.0,
            concurrency: 64,
            warmup_s: 2.0,
            duration_s: 10.0,
            drain_s: 10.0,
            seed: 1,
        }
    }
}
