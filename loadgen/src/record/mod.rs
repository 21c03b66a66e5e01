//! What happened, as numbers: counters and histograms of latency, cut into slices of time.
//!
//! ```text
//! worker: Recorder ─cut─▶ Slice ─┐
//! worker: Recorder ─cut─▶ Slice ─┼─merge─▶ one slice a second ─▶ result
//! process: slices as JSON lines ─┘
//! ```
//!
//! Invariants: a recorder belongs to one thread, so counting takes no lock; counting and timing allocate nothing
//! (except the first time that a kind of latency occurs); what is counted appears in exactly one slice.

mod histogram;
mod names;
mod slice;

pub use histogram::{DecodeError, decode, encode, histogram};
pub use names::{Count, Latency};
pub use slice::Slice;

use hdrhistogram::Histogram;

/// Counts and times for one worker.
#[derive(Debug)]
pub struct Recorder {
    from_ns: u64,
    counts: [u64; Count::LEN],
    histograms: [Option<Box<Histogram<u64>>>; Latency::LEN],
}

impl Recorder {
    /// Begins at a time of the clock that all workers of a run share, in nanoseconds.
    pub fn new(started_ns: u64) -> Self {
        Self {
            from_ns: started_ns,
            counts: [0; Count::LEN],
            histograms: [const { None }; Latency::LEN],
        }
    }

    /// Counts `times` more of something.
    #[inline]
    pub fn add(&mut self, count: Count, times: u64) {
        self.counts[count as usize] += times;
    }

    /// Times one occurrence. What took longer than [`histogram::LATENCY_NS_MAX`] counts as that.
    #[inline]
    pub fn latency_ns(&mut self, latency: Latency, ns: u64) {
        match &mut self.histograms[latency as usize] {
            Some(histogram) => histogram.saturating_record(ns),
            missing => missing.insert(Box::new(histogram())).saturating_record(ns),
        }
    }

    /// What happened since the last cut, and begins anew; once a second. `now_ns` is of the clock of `new`.
    pub fn cut(&mut self, now_ns: u64) -> Slice {
        let counts = std::mem::replace(&mut self.counts, [0; Count::LEN]);
        let histograms = self.histograms.each_mut().map(|kept| {
            let kept = kept.as_mut().filter(|kept| !kept.is_empty())?;
            // The copy leaves; the original keeps its warm pages.
            let copy = kept.clone();
            kept.reset();
            Some(copy)
        });
        let from_ns = std::mem::replace(&mut self.from_ns, now_ns);
        Slice {
            from_ns,
            to_ns: now_ns,
            counts,
            histograms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_appears_in_one_slice() {
        let mut recorder = Recorder::new(5);
        recorder.add(Count::MessagesSent, 2);
        recorder.latency_ns(Latency::Message, 40_000);
        let first = recorder.cut(10);
        recorder.add(Count::MessagesSent, 3);
        let second = recorder.cut(20);
        assert_eq!(
            (first.from_ns, first.to_ns, second.from_ns, second.to_ns),
            (5, 10, 10, 20)
        );
        assert_eq!(
            (first.count(Count::MessagesSent), second.count(Count::MessagesSent)),
            (2, 3)
        );
        assert_eq!(first.histogram(Latency::Message).unwrap().len(), 1);
        assert!(second.histogram(Latency::Message).is_none());
        assert!(first.histogram(Latency::Login).is_none());
    }

    #[test]
    fn what_takes_too_long_counts_as_the_longest() {
        let mut recorder = Recorder::new(0);
        recorder.latency_ns(Latency::Drain, u64::MAX);
        let slice = recorder.cut(1);
        let histogram = slice.histogram(Latency::Drain).unwrap();
        assert!(histogram.equivalent(histogram.max(), super::histogram::LATENCY_NS_MAX));
    }
}
