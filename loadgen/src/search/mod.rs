//! The search for the highest rate that keeps a promise: which rate to try next, and what a step has shown.
//!
//! ```text
//! from, 2 from, 4 from ... first bad one ─▶ halve between the best good and the least bad, until they are near
//! ```
//! Every step is an open loop: what is due is due, whatever the server does. A rate is bad if the latency is above the
//! promise, if less was delivered than was due, or if something went wrong.
//!
//! Invariants: no I/O and no clock; the same steps give the same rates; a search is bounded by its number of steps.

use crate::plan;
use crate::record::{Count, Latency, Slice};
use crate::result::{self, SearchStep};

/// Less than this share of what was wanted is not the wanted rate.
const REACHED_MIN: f64 = 0.95;
/// A generator whose cores are busier than this measures itself.
const OWN_CORES_MAX: f64 = 0.9;
/// Below the first rate by this factor there is nothing to find.
const FROM_FRACTION_MIN: f64 = 1.0 / 1024.0;

/// See the module.
#[derive(Debug)]
pub struct Search {
    plan: plan::Search,
    latency: Latency,
    steps: Vec<SearchStep>,
    good_per_s: Option<f64>,
    bad_per_s: Option<f64>,
    own_limit: bool,
}

/// What was measured at a rate.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    pub slice: &'a Slice,
    /// What is due at the rate, as it is counted when it is written.
    pub sent: Count,
    /// Cores that the generator kept busy, of so many that it may.
    pub own_cores: f64,
    pub own_cores_max: f64,
}

impl Search {
    /// `latency`: what belongs to the scenario, if the plan names no other than the default.
    pub fn new(plan: &plan::Search, latency: Latency) -> Self {
        let latency = match plan.latency {
            Latency::Message => latency,
            named => named,
        };
        Self {
            plan: plan.clone(),
            latency,
            steps: Vec::new(),
            good_per_s: None,
            bad_per_s: None,
            own_limit: false,
        }
    }

    /// The rate to try next; `None` when the search is over.
    pub fn next_per_s(&self) -> Option<f64> {
        let plan = &self.plan;
        if self.steps.len() >= plan.steps_max as usize {
            return None;
        }
        match (self.good_per_s, self.bad_per_s) {
            (None, None) => Some(plan.from_per_s),
            (Some(good), None) => Some((2.0 * good).min(plan.most_per_s)).filter(|next| *next > good),
            (None, Some(bad)) => Some(bad / 2.0).filter(|next| *next >= plan.from_per_s * FROM_FRACTION_MIN),
            (Some(good), Some(bad)) => Some((good + bad) / 2.0).filter(|_| bad - good > plan.precision * bad),
        }
    }

    /// What the last rate has shown; true if it was good.
    pub fn record(&mut self, wanted_per_s: f64, measured: Measured<'_>) -> bool {
        let slice = measured.slice;
        let quantile = self.plan.percentile / 100.0;
        let latency_ns = slice
            .histogram(self.latency)
            .map_or(u64::MAX, |histogram| histogram.value_at_quantile(quantile));
        let reached_per_s = slice.count(measured.sent) as f64 / slice.seconds().max(1e-9);
        let reached = is_reached(slice.count(measured.sent) as f64, wanted_per_s * slice.seconds());
        let wrong = Count::WRONG
            .iter()
            .chain(Count::ERRORS)
            .any(|count| slice.count(*count) > 0);
        let ok = latency_ns as f64 <= self.plan.max_ms * 1e6 && reached && !wrong;
        let busy = measured.own_cores > OWN_CORES_MAX * measured.own_cores_max;
        self.own_limit |= !ok && busy;
        let bound = if ok { &mut self.good_per_s } else { &mut self.bad_per_s };
        *bound = Some(wanted_per_s);
        self.steps.push(SearchStep {
            wanted_per_s,
            reached_per_s: result::rounded(reached_per_s),
            latency_us: result::rounded((latency_ns as f64 / 1e3).min(1e12)),
            ok,
            generator_busy: busy,
        });
        ok
    }

    /// The highest good rate.
    pub fn best_per_s(&self) -> Option<f64> {
        self.good_per_s
    }

    /// The generator was itself the bottleneck of a bad step: the server may do more than was found.
    pub fn own_limit(&self) -> bool {
        self.own_limit
    }

    /// The search as it is kept in the result.
    pub fn result(self) -> result::Search {
        result::Search {
            latency: self.latency.name().to_owned(),
            quantile: self.plan.percentile / 100.0,
            max_us: self.plan.max_ms * 1e3,
            best_per_s: self.good_per_s,
            steps: self.steps,
        }
    }
}

/// Whether so many are what was wanted, as far as chance lets one say: independent arrivals spread by the root of their
/// number.
fn is_reached(count: f64, wanted: f64) -> bool {
    count + 3.0 * wanted.sqrt() >= REACHED_MIN * wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    /// Long enough that a step's number of messages is near its rate, however low.
    const SECONDS: u64 = 1000;

    fn plan() -> plan::Search {
        plan::Search {
            from_per_s: 100.0,
            ..plan::Search::default()
        }
    }

    /// Searches on a server that is fast up to `capacity`, and then slow; a generator that does up to `own` a second.
    fn search(plan: &plan::Search, capacity: f64, own: f64) -> Search {
        let mut search = Search::new(plan, Latency::Message);
        while let Some(rate) = search.next_per_s() {
            let mut recorder = Recorder::new(0);
            recorder.add(Count::MessagesSent, (rate.min(own) * SECONDS as f64) as u64);
            let latency_ns = if rate <= capacity { 1_000_000 } else { 500_000_000 };
            recorder.latency_ns(Latency::Message, latency_ns);
            let slice = recorder.cut(SECONDS * 1_000_000_000);
            let own_cores = (rate / own).min(1.0);
            let sent = Count::MessagesSent;
            let measured = Measured {
                slice: &slice,
                sent,
                own_cores,
                own_cores_max: 1.0,
            };
            assert_eq!(
                search.record(rate, measured),
                rate <= capacity && rate * REACHED_MIN <= own
            );
        }
        search
    }

    #[test]
    fn the_capacity_is_found_to_the_wanted_precision() {
        for capacity in [3.0, 99.0, 100.0, 12_345.0, 900_000.0] {
            let found = search(&plan(), capacity, f64::MAX);
            let best = found.best_per_s().unwrap();
            assert!(best <= capacity && best >= 0.94 * capacity, "{capacity}: {best}");
            assert!(!found.own_limit());
        }
    }

    #[test]
    fn a_server_that_is_never_good_ends_the_search() {
        let found = search(&plan(), 0.0, f64::MAX);
        assert_eq!(found.best_per_s(), None);
        assert!(found.steps.len() <= 12);
    }

    #[test]
    fn the_highest_allowed_rate_ends_the_search() {
        let plan = plan::Search {
            most_per_s: 1000.0,
            ..plan()
        };
        assert_eq!(search(&plan, f64::MAX, f64::MAX).best_per_s(), Some(1000.0));
    }

    #[test]
    fn a_low_rate_is_not_blamed_for_its_chance() {
        assert!(
            is_reached(465.0, 500.0),
            "a hundred a second for five seconds, with independent arrivals"
        );
        assert!(!is_reached(46_500.0, 50_000.0));
    }

    #[test]
    fn steps_are_bounded() {
        let plan = plan::Search { steps_max: 3, ..plan() };
        let found = search(&plan, 1e9, f64::MAX);
        assert_eq!((found.steps.len(), found.best_per_s()), (3, Some(400.0)));
    }

    #[test]
    fn a_generator_at_its_end_says_so() {
        let found = search(&plan(), f64::MAX, 5000.0);
        assert!(found.own_limit());
        assert!(found.best_per_s().unwrap() <= 5000.0 / REACHED_MIN);
        assert!(found.result().steps.iter().any(|step| step.generator_busy && !step.ok));
    }
}
