//! The document of a run: everything that a report shows, and that runs are compared by. `RESULT.md` shows it with
//! notes.
//!
//! ```text
//! Slice, Sample ─▶ Builder ─finish─▶ Run ─▶ JSON file, text, HTML
//!                     └▶ Second ─▶ progress
//! ```
//!
//! Invariants: a run that was written and read again is the same run; a document of another [`SCHEMA`] is refused;
//! figures are of the measured part only, except where their name says otherwise.

mod build;
mod figures;
#[cfg(test)]
pub mod fixture;
mod machine;
mod verdict;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::record::{Count, Latency};
use crate::sample::Shards;

pub use build::{About, Builder, Ending, Now};
pub use figures::{Distribution, Figures, percentile_name, rounded};
pub use machine::Machine;
pub use verdict::{Limits, Verdict};

/// The version of the document's shape. It changes when a field goes or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub schema: u32,
    /// Version of the load generator.
    pub version: String,
    /// Name of the plan.
    pub name: String,
    /// What the plan is for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    pub verdict: Verdict,
    /// The measured part as a whole.
    pub measured: Figures,
    pub started_unix_ms: u64,
    pub command: String,
    pub machine: Machine,
    pub target: Target,
    /// The scenario file that does it again.
    pub plan_toml: String,
    pub phases: Vec<Phase>,
    /// Counts from the first connection to the end, by name.
    pub whole: BTreeMap<String, u64>,
    /// The server's processes, if any were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ProcessUse>,
    /// The load generator's.
    pub client: ProcessUse,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    pub series: Vec<Second>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
}

/// Who was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub addresses: Vec<String>,
    pub domain: String,
    /// `xmpp` or `icpp`; documents of versions that spoke XMPP only do not say it.
    #[serde(default = "xmpp")]
    pub protocol: String,
    /// `plain`, `starttls` or `direct_tls`.
    pub security: String,
    /// What the server says it is, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
}

/// A part of the run, in seconds since its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `ramp`, `warmup`, `measured`, `drain`, or what a scenario calls its parts.
    pub name: String,
    pub measured: bool,
    pub from_s: f64,
    pub to_s: f64,
    /// Left out where the phase counts nothing, or is the whole of what was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// One slice of time, of all workers together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its end, in seconds since the start.
    pub at_s: f64,
    pub seconds: f64,
    /// Place in `phases`.
    pub phase: usize,
    /// What happened, by name; what did not is left out.
    pub counts: BTreeMap<String, u64>,
    pub latencies: BTreeMap<String, Brief>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Load>,
    #[serde(default)]
    pub client: Load,
}

/// Latencies of one slice, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    pub count: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// What a family of processes does at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many cores it keeps busy.
    pub cores: f64,
    pub resident_bytes: u64,
    pub threads: u64,
}

/// What a family of processes took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// CPU time from start to end, logins included.
    pub cpu_s: f64,
    pub resident_start_bytes: u64,
    pub resident_end_bytes: u64,
    pub resident_peak_bytes: u64,
    pub threads_peak: u64,
    /// Growth of memory from before the first login until all were there, for each session; nothing if it did not
    /// grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_session: Option<f64>,
}

/// The search for the highest rate that keeps a promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Which latency, by name, at which quantile (0.99), within how much.
    pub latency: String,
    pub quantile: f64,
    pub max_us: f64,
    /// The highest rate that kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_per_s: Option<f64>,
    pub steps: Vec<SearchStep>,
}

/// One rate that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchStep {
    pub wanted_per_s: f64,
    pub reached_per_s: f64,
    pub latency_us: f64,
    pub ok: bool,
    /// The generator's own cores were nearly all busy: what is bad about the step may be its own doing.
    #[serde(default)]
    pub generator_busy: bool,
}

fn xmpp() -> String {
    "xmpp".to_owned()
}

impl Target {
    /// `ejabberd 23.01 at 127.0.0.1:5222`, without what moves a cursor.
    pub fn text(&self) -> String {
        let banner = self.banner.as_deref().unwrap_or("server");
        let text = format!("{banner} at {}", self.addresses.join(", "));
        text.chars().filter(|character| !character.is_control()).collect()
    }

    /// What was spoken there: `ICPP, direct_tls`.
    pub fn spoken(&self) -> String {
        let text = format!("{}, {}", self.protocol.to_uppercase(), self.security);
        text.chars().filter(|character| !character.is_control()).collect()
    }
}

impl Run {
    /// The document, on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names are texts and figures finite")
    }

    /// Reads a document; says what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let head: Head = serde_json::from_str(text).context("this is not the result of a run (`--json`)")?;
        if head.schema != SCHEMA {
            bail!(
                "the result has schema {}, this version reads {SCHEMA}; use the version that wrote it",
                head.schema
            );
        }
        serde_json::from_str(text).context("the result of a run is damaged")
    }

    /// A count from start to end.
    pub fn whole(&self, count: Count) -> u64 {
        self.whole.get(count.name()).copied().unwrap_or(0)
    }

    /// The latency that tells most about this run: that of what it counts, else whatever there is.
    pub fn main_latency(&self) -> Option<Latency> {
        let has = |latency: &Latency| self.measured.latencies.contains_key(latency.name());
        let fitting = latency_of(Count::named(&self.measured.unit).unwrap_or(Count::MessagesReceived));
        let mut all = Latency::ALL.iter().map(|entry| entry.0);
        Some(fitting).filter(has).or_else(|| all.find(has))
    }
}

/// The latency that belongs to what is counted.
pub fn latency_of(unit: Count) -> Latency {
    match unit {
        Count::PresenceReceived | Count::PresenceSent => Latency::Presence,
        Count::RoomReceived | Count::RoomSent => Latency::Room,
        Count::LoginsOk | Count::Connections => Latency::Login,
        Count::Drained => Latency::Drain,
        Count::Stored => Latency::Ack,
        Count::Resumed => Latency::Resume,
        Count::Pings => Latency::Ping,
        Count::Archived => Latency::Archive,
        _ => Latency::Message,
    }
}
