//! A piece of a run: from when to when, what was counted, and the histograms of what was timed.
//!
//! As JSON it is one object on one line, so that processes can hand it to each other through a pipe; what is zero or
//! empty is left out:
//!
//! ```json
//! {"from_ns":0,"to_ns":1000000000,"counts":{"messages_sent":17},"latencies":{"message":"HISTFAAA..."}}
//! ```
//!
//! Invariants: merging is commutative and associative; the merge of two slices covers the time of both.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{Count, DecodeError, Latency, decode, encode};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Document", try_from = "Document")]
pub struct Slice {
    /// Nanoseconds of the run's clock.
    pub from_ns: u64,
    pub to_ns: u64,
    pub(super) counts: [u64; Count::LEN],
    pub(super) histograms: [Option<Box<Histogram<u64>>>; Latency::LEN],
}

impl Slice {
    /// Nothing happened between these times.
    pub fn empty(from_ns: u64, to_ns: u64) -> Self {
        Self {
            from_ns,
            to_ns,
            counts: [0; Count::LEN],
            histograms: [const { None }; Latency::LEN],
        }
    }

    /// How many of something there were.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// Counts `times` more; for what is known only when all is over (what was lost).
    pub fn add(&mut self, count: Count, times: u64) {
        self.counts[count as usize] += times;
    }

    /// The latencies of a kind, in nanoseconds; `None` if there were none.
    pub fn histogram(&self, latency: Latency) -> Option<&Histogram<u64>> {
        self.histograms[latency as usize].as_deref()
    }

    /// How long it lasted, in seconds.
    pub fn seconds(&self) -> f64 {
        self.to_ns.saturating_sub(self.from_ns) as f64 / 1e9
    }

    /// Adds what happened in another: of another worker, another process, or another time.
    pub fn merge(&mut self, other: &Self) {
        self.merge_counts(other);
        for (ours, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            match (ours.as_mut(), theirs) {
                (_, None) => {}
                (None, Some(theirs)) => *ours = Some(theirs.clone()),
                (Some(ours), Some(theirs)) => **ours += &**theirs,
            }
        }
    }

    /// The same without latencies, which is cheap.
    pub fn merge_counts(&mut self, other: &Self) {
        self.from_ns = self.from_ns.min(other.from_ns);
        self.to_ns = self.to_ns.max(other.to_ns);
        for (ours, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *ours += theirs;
        }
    }
}

/// What stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    from_ns: u64,
    to_ns: u64,
    counts: BTreeMap<String, u64>,
    latencies: BTreeMap<String, String>,
}

impl From<Slice> for Document {
    fn from(slice: Slice) -> Self {
        let counts = Count::ALL
            .iter()
            .filter(|entry| slice.count(entry.0) > 0)
            .map(|entry| (entry.1.to_owned(), slice.count(entry.0)))
            .collect();
        let latencies = Latency::ALL
            .iter()
            .filter_map(|entry| Some((entry.1.to_owned(), encode(slice.histogram(entry.0)?))))
            .collect();
        Self {
            from_ns: slice.from_ns,
            to_ns: slice.to_ns,
            counts,
            latencies,
        }
    }
}

impl TryFrom<Document> for Slice {
    type Error = SliceError;

    fn try_from(document: Document) -> Result<Self, SliceError> {
        let mut slice = Self::empty(document.from_ns, document.to_ns);
        for (name, times) in document.counts {
            let count = Count::named(&name).ok_or(SliceError::Name(name))?;
            slice.counts[count as usize] = times;
        }
        for (name, text) in document.latencies {
            let latency = Latency::named(&name).ok_or(SliceError::Name(name))?;
            slice.histograms[latency as usize] = Some(Box::new(decode(&text)?));
        }
        Ok(slice)
    }
}

/// Why a line is not a slice.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("nothing is counted or timed as {0:?}; are the processes of one version?")]
    Name(String),
    #[error(transparent)]
    Histogram(#[from] DecodeError),
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::*;

    fn slice(from_ns: u64, latencies: &[u64]) -> Slice {
        let mut recorder = Recorder::new(from_ns);
        for ns in latencies {
            recorder.add(Count::MessagesReceived, 1);
            recorder.latency_ns(Latency::Message, *ns);
        }
        recorder.cut(from_ns + 10)
    }

    #[test]
    fn the_merge_of_two_is_the_slice_of_the_union() {
        let (one, other) = ([1_500, 80_000, 80_000], [3_000_000, 80_000, 119_000_000_000]);
        let mut merged = slice(100, &one);
        merged.merge(&slice(105, &other));
        let mut union = slice(100, &[one, other].concat());
        union.to_ns = 115;
        assert_eq!(merged, union);
        let mut backwards = slice(105, &other);
        backwards.merge(&slice(100, &one));
        assert_eq!(backwards, union);
    }

    #[test]
    fn a_slice_survives_the_pipe() {
        let sent = slice(7, &[1_000, 50_000, 50_001, 2_000_000_000]);
        let line = serde_json::to_string(&sent).unwrap();
        assert!(!line.contains('\n') && !line.contains("logins_ok"));
        let got: Slice = serde_json::from_str(&line).unwrap();
        assert_eq!(got, sent);
        assert_eq!(got.seconds(), 1e-8);
    }

    #[test]
    fn a_line_of_another_version_is_refused_by_name() {
        let line = r#"{"from_ns":0,"to_ns":1,"counts":{"pigeons":1},"latencies":{}}"#;
        let error = serde_json::from_str::<Slice>(line).unwrap_err().to_string();
        assert!(error.contains("pigeons"), "{error}");
        let line = r#"{"from_ns":0,"to_ns":1,"counts":{},"latencies":{"message":"AAAA"}}"#;
        assert!(serde_json::from_str::<Slice>(line).is_err());
    }
}
