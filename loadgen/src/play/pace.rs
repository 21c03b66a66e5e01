//! When things are due at a rate, whatever the server does.
//!
//! Invariant: due times follow from the seed and the rate alone. What is done late was due all the same: a stall of the
//! server shows in the latency of everything that was due meanwhile, and not only in that of what happened to be sent.

use crate::plan::Arrivals;
use crate::worker::Chance;

/// Due times, one after the other.
#[derive(Clone, Debug)]
pub struct Pace {
    arrivals: Arrivals,
    /// 0: nothing is ever due.
    mean_ns: f64,
    /// With fractions: rounding must not change the rate.
    next_ns: f64,
}

impl Pace {
    /// Things due `per_s` times a second from `from_ns` on.
    pub fn new(arrivals: Arrivals, per_s: f64, from_ns: u64, chance: &mut Chance) -> Self {
        let mut pace = Self {
            arrivals,
            mean_ns: mean_ns(per_s),
            next_ns: from_ns as f64,
        };
        // Not all workers at once.
        pace.next_ns += match arrivals {
            Arrivals::Poisson => pace.gap_ns(chance),
            Arrivals::Even => pace.mean_ns * chance.share(),
        };
        pace
    }

    /// Another rate from `now_ns` on.
    pub fn change(&mut self, per_s: f64, now_ns: u64, chance: &mut Chance) {
        *self = Self::new(self.arrivals, per_s, now_ns, chance);
    }

    /// When the next is due; `None` if never.
    pub fn next_ns(&self) -> Option<u64> {
        (self.mean_ns > 0.0).then_some(self.next_ns as u64)
    }

    /// The next that is due by now.
    pub fn due(&mut self, now_ns: u64, chance: &mut Chance) -> Option<u64> {
        let due_ns = self.next_ns().filter(|due_ns| *due_ns <= now_ns)?;
        self.next_ns += self.gap_ns(chance);
        Some(due_ns)
    }

    fn gap_ns(&self, chance: &mut Chance) -> f64 {
        match self.arrivals {
            Arrivals::Poisson => chance.gap_ns(self.mean_ns) as f64,
            Arrivals::Even => self.mean_ns,
        }
    }
}

fn mean_ns(per_s: f64) -> f64 {
    if per_s > 0.0 { 1e9 / per_s } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_does_not_depend_on_when_one_looks() {
        for arrivals in [Arrivals::Poisson, Arrivals::Even] {
            let all = |step_ns: u64| {
                let mut chance = Chance::new(3);
                let mut pace = Pace::new(arrivals, 100_000.0, 5_000, &mut chance);
                let mut due = Vec::new();
                for now_ns in (0..=1_000_000_000).step_by(step_ns as usize) {
                    due.extend(std::iter::from_fn(|| pace.due(now_ns, &mut chance)));
                }
                due
            };
            let (often, seldom) = (all(1_000), all(500_000_000));
            assert_eq!(often, seldom);
            assert!((98_500..101_500).contains(&often.len()), "{}", often.len());
            assert!(often.is_sorted());
        }
    }

    #[test]
    fn no_rate_is_never() {
        let mut chance = Chance::new(3);
        let mut pace = Pace::new(Arrivals::Even, 0.0, 0, &mut chance);
        assert_eq!((pace.next_ns(), pace.due(u64::MAX, &mut chance)), (None, None));
    }
}
