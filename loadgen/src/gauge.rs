//! Readings of time, CPU and count, and what two or more of them tell.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::process;

/// Reads the meters of the server's processes and of this one.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    pub pids: Vec<u32>,
}

/// The meters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub at: Instant,
    pub count: u64,
    pub server_cpu: Duration,
    pub own_cpu: Duration,
}

/// Rate and cost of what was counted between the first reading and the last, and their spread over the intervals.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    pub count: u64,
    pub seconds: f64,
    pub per_second: f64,
    pub per_second_spread: Spread,
    /// Microseconds; nothing if no process was named.
    pub server_cpu_us_each: Option<f64>,
    pub server_cpu_us_each_spread: Option<Spread>,
    /// How many cores the server kept busy.
    pub server_cores: Option<f64>,
    pub own_cpu_us_each: f64,
}

/// Least, middle and most of the intervals.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Gauge {
    pub fn read(&self, count: u64) -> Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            count,
            server_cpu: process::cpu(&self.pids)?,
            own_cpu: process::own_cpu()?,
        })
    }

    /// What the readings tell; `None` if there are fewer than two.
    pub fn figures(&self, readings: &[Reading]) -> Option<Figures> {
        let whole = Interval::between(readings.first()?, readings.last().filter(|_| readings.len() > 1)?);
        let parts: Vec<Interval> = readings
            .windows(2)
            .map(|two| Interval::between(&two[0], &two[1]))
            .collect();
        let watched = !self.pids.is_empty();
        Some(Figures {
            count: whole.count,
            seconds: whole.seconds,
            per_second: whole.rate(),
            per_second_spread: Spread::of(parts.iter().map(Interval::rate)),
            server_cpu_us_each: watched.then(|| whole.each_us(whole.server_cpu)),
            server_cpu_us_each_spread: watched
                .then(|| Spread::of(parts.iter().map(|part| part.each_us(part.server_cpu)))),
            server_cores: watched.then(|| whole.server_cpu / whole.seconds),
            own_cpu_us_each: whole.each_us(whole.own_cpu),
        })
    }
}

struct Interval {
    seconds: f64,
    count: u64,
    server_cpu: f64,
    own_cpu: f64,
}

impl Interval {
    fn between(first: &Reading, last: &Reading) -> Self {
        Self {
            seconds: (last.at - first.at).as_secs_f64(),
            count: last.count - first.count,
            server_cpu: last.server_cpu.saturating_sub(first.server_cpu).as_secs_f64(),
            own_cpu: last.own_cpu.saturating_sub(first.own_cpu).as_secs_f64(),
        }
    }

    fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    fn each_us(&self, cpu_s: f64) -> f64 {
        cpu_s * 1e6 / self.count.max(1) as f64
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_cost_of_three_readings() {
        let at = Instant::now();
        let reading = |second: u64, count, cpu_ms| Reading {
            at: at + Duration::from_secs(second),
            count,
            server_cpu: Duration::from_millis(cpu_ms),
            own_cpu: Duration::from_millis(cpu_ms / 2),
        };
        let gauge = Gauge { pids: vec![1] };
        let readings = [reading(0, 10, 100), reading(1, 1010, 200), reading(2, 4010, 500)];
        let figures = gauge.figures(&readings).unwrap();
        assert_eq!((figures.count, figures.per_second), (4000, 2000.0));
        assert!((figures.server_cpu_us_each.unwrap() - 100.0).abs() < 1e-6);
        assert!((figures.own_cpu_us_each - 50.0).abs() < 1e-6);
        assert_eq!(figures.per_second_spread.least, 1000.0);
        assert_eq!(figures.per_second_spread.most, 3000.0);
        assert!(gauge.figures(&readings[..1]).is_none());
    }
}
