//! What a run prints: a few lines for people, or one JSON object for scripts.

use std::fmt;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::gauge::{Figures, Spread};

/// Percentiles of latency, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Latency {
    /// Of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max() as f64 / 1e3,
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.0} us, p90 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, max {:.0} us",
            self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us
        )
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = if self.most < 1000.0 { 3 } else { 0 };
        write!(
            f,
            "each second: {:.precision$} / {:.precision$} / {:.precision$} least, median, most",
            self.least, self.median, self.most
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  count       {} in {:.2} s", self.count, self.seconds)?;
        writeln!(
            f,
            "  rate        {:.0} /s ({})",
            self.per_second, self.per_second_spread
        )?;
        if let (Some(each), Some(spread), Some(cores)) = (
            self.server_cpu_us_each,
            self.server_cpu_us_each_spread,
            self.server_cores,
        ) {
            writeln!(f, "  server CPU  {each:.3} us each ({spread}), {cores:.2} cores")?;
        }
        write!(f, "  own CPU     {:.3} us each", self.own_cpu_us_each)
    }
}

/// Prints a report in the form that was asked for.
pub fn print<R: Serialize + fmt::Display>(report: &R, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
