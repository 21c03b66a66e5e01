//! The goal of a rate search as people say it: `p99<10ms`, `presence p99.9 < 5ms`, `room p95<250us`.

use std::str::FromStr;

use crate::record::Latency;

/// A latency, a percentile, and the most that it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The one that belongs to the scenario, if none was named.
    pub latency: Option<Latency>,
    pub percentile: f64,
    pub max_ms: f64,
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no goal: write p99<10ms, or presence p99.9<500us");
        let (left, right) = text.split_once('<').ok_or_else(wrong)?;
        let (name, percentile) = match left.trim().rsplit_once(' ') {
            Some((name, percentile)) => (Some(name.trim()), percentile),
            None => (None, left.trim()),
        };
        let latency = match name {
            Some(name) => Some(Latency::named(name).ok_or_else(|| format!("no latency is called {name:?}"))?),
            None => None,
        };
        let percentile = percentile.strip_prefix('p').and_then(|number| number.parse().ok());
        let percentile = percentile
            .filter(|percent| (0.0..=100.0).contains(percent))
            .ok_or_else(wrong)?;
        let max_ms = milliseconds(right.trim()).filter(|ms| *ms > 0.0).ok_or_else(wrong)?;
        Ok(Self {
            latency,
            percentile,
            max_ms,
        })
    }
}

/// A time with its unit: us, ms or s.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: f64 = number.trim().parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_as_people_say_them() {
        let goal = |latency, percentile, max_ms| Goal {
            latency,
            percentile,
            max_ms,
        };
        assert_eq!("p99<10ms".parse(), Ok(goal(None, 99.0, 10.0)));
        assert_eq!(
            "presence p99.9 < 500 us".parse(),
            Ok(goal(Some(Latency::Presence), 99.9, 0.5))
        );
        assert_eq!("room p50<2s".parse(), Ok(goal(Some(Latency::Room), 50.0, 2000.0)));
        for wrong in [
            "",
            "p99",
            "99<10ms",
            "p101<1ms",
            "p99<10",
            "p99<-1ms",
            "p99<infs",
            "nothing p99<1ms",
        ] {
            assert!(wrong.parse::<Goal>().is_err(), "{wrong}");
        }
    }
}
