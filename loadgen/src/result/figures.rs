//! Rates, costs and percentiles of a part of a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::record::{DecodeError, decode, encode};

/// What happened in a part of a run, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What is counted: the name of a count. Rates and costs are for each of these.
    pub unit: String,
    pub count: u64,
    pub seconds: f64,
    pub per_second: f64,
    /// Over the slices of about a second.
    pub per_second_spread: Spread,
    /// Microseconds of the server's CPU for each; nothing if no process was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_each: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_each_spread: Option<Spread>,
    /// How many cores the server kept busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_cores: Option<f64>,
    pub client_cpu_us_each: f64,
    pub client_cores: f64,
    /// Everything that was counted, by name; zeros are left out.
    pub counts: BTreeMap<String, u64>,
    /// By the names of what is timed.
    pub latencies: BTreeMap<String, Distribution>,
}

/// Least, middle and most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

/// Latencies: the usual percentiles in microseconds, and all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
    /// Base64 of HdrHistogram's V2 encoding, in nanoseconds; see `record`.
    pub histogram: String,
}

impl Spread {
    /// Of any values; zeros if there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| rounded(values.get(place).copied().unwrap_or_default());
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

impl Distribution {
    /// Of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| rounded(histogram.value_at_quantile(quantile) as f64 / 1e3);
        Self {
            count: histogram.len(),
            mean_us: rounded(histogram.mean() / 1e3),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: rounded(histogram.max() as f64 / 1e3),
            histogram: encode(histogram),
        }
    }

    /// All of it.
    pub fn decode(&self) -> Result<Histogram<u64>, DecodeError> {
        decode(&self.histogram)
    }

    /// The percentiles in order, with their quantiles; the maximum last, with 1.
    pub fn percentiles(&self) -> [(f64, f64); 6] {
        [
            (0.5, self.p50_us),
            (0.9, self.p90_us),
            (0.99, self.p99_us),
            (0.999, self.p999_us),
            (0.9999, self.p9999_us),
            (1.0, self.max_us),
        ]
    }

    /// The percentiles that so many occurrences can tell: p99.9 needs a thousand.
    pub fn telling(&self) -> impl Iterator<Item = (f64, f64)> {
        let count = self.count as f64;
        let telling = move |quantile: f64| quantile == 1.0 || count * (1.0 - quantile) > 0.999;
        self.percentiles()
            .into_iter()
            .filter(move |(quantile, _)| telling(*quantile))
    }
}

/// p50, p99.9, max.
pub fn percentile_name(quantile: f64) -> String {
    match quantile {
        1.0 => "max".to_owned(),
        _ => format!("p{}", rounded(quantile * 100.0)),
    }
}

/// To three digits behind the point: documents stay short, and read back as they were written.
pub fn rounded(value: f64) -> f64 {
    if value.is_finite() {
        (value * 1e3).round() / 1e3
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::histogram;

    #[test]
    fn percentiles_of_a_thousand_microseconds() {
        let mut all = histogram();
        for us in 1..=1000 {
            all.saturating_record(us * 1000);
        }
        let figures = Distribution::of(&all);
        assert!(
            (figures.p50_us - 500.0).abs() < 1.0 && (figures.p99_us - 990.0).abs() < 1.1,
            "{figures:?}"
        );
        assert_eq!(figures.decode().unwrap().len(), 1000);
        assert_eq!(
            figures.telling().map(|(quantile, _)| quantile).collect::<Vec<_>>(),
            [0.5, 0.9, 0.99, 0.999, 1.0]
        );
        let names: Vec<String> = figures
            .percentiles()
            .map(|(quantile, _)| percentile_name(quantile))
            .into();
        assert_eq!(names, ["p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    }

    #[test]
    fn the_spread_of_nothing_is_nothing() {
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter());
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
    }
}
