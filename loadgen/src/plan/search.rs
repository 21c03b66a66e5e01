//! The search for the highest rate that holds a latency.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::Latency;

/// "The highest rate with p99 under 10 ms": the rate is doubled until a step fails, then halved in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Which latency, by its name in results: `message`, `presence`, `room`, `login`...
    #[serde(serialize_with = "name", deserialize_with = "named")]
    pub latency: Latency,
    /// In percent: 99 is p99.
    pub percentile: f64,
    pub max_ms: f64,
    /// The first rate that is tried, of the scenario's own rate.
    pub from_per_s: f64,
    /// No higher rate is tried.
    pub most_per_s: f64,
    /// The search ends when the highest good and the lowest bad rate differ by less than this share.
    pub precision: f64,
    /// Most steps, good and bad.
    pub steps_max: u32,
    /// The measured part of each step.
    pub step_s: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            latency: Latency::Message,
            percentile: 99.0,
            max_ms: 10.0,
            from_per_s: 1000.0,
            most_per_s: 10_000_000.0,
            precision: 0.05,
            steps_max: 20,
            step_s: 5.0,
        }
    }
}

fn name<S: Serializer>(latency: &Latency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(latency.name())
}

fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
    let name = String::deserialize(deserializer)?;
    Latency::named(&name).ok_or_else(|| {
        let known: Vec<&str> = Latency::ALL.iter().map(|entry| entry.1).collect();
        de::Error::custom(format!("no latency is called {name:?}; there are {}", known.join(", ")))
    })
}
