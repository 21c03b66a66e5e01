//! What a front-end process counts, all of its shards together.
//!
//! Invariant: nothing here is touched for a message: only for a client or a trunk that comes or goes, or once a second.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::faults::Faults;
use crate::figures::Redirects;
use crate::prometheus::family;

/// Figures of the process, of all its shards.
#[derive(Debug, Default)]
pub struct EdgeFigures {
    /// Clients connected.
    pub sessions: AtomicU32,
    /// Bytes that wait for clients that are behind.
    pub outbox_bytes: AtomicU32,
    /// Share of the cores that is busy; set from outside.
    pub cpu_permille: AtomicU32,
    /// Clients sent elsewhere.
    pub redirects: Redirects,
    /// Clients that had gone round in a circle.
    pub loops: AtomicU64,
    /// Clients whose back-end could not be reached.
    pub back_end_lost: AtomicU64,
    /// Received on trunks.
    pub bytes_in: AtomicU64,
    /// Sent on trunks.
    pub bytes_out: AtomicU64,
    /// What ended by whose fault.
    pub faults: Faults,
    back_ends: Vec<BackEndFigures>,
}

/// Of one back-end.
#[derive(Debug, Default)]
pub struct BackEndFigures {
    /// Its address.
    name: String,
    /// Trunks that are up.
    pub(super) up: AtomicU32,
    /// Trunks that there should be.
    pub(super) wanted: AtomicU32,
}

impl EdgeFigures {
    /// Of a front-end of these back-ends.
    #[must_use]
    pub fn of(back_ends: impl IntoIterator<Item = String>) -> EdgeFigures {
        let back_end = |name| BackEndFigures {
            name,
            ..BackEndFigures::default()
        };
        EdgeFigures {
            back_ends: back_ends.into_iter().map(back_end).collect(),
            ..EdgeFigures::default()
        }
    }

    /// Whether anybody could be served: some trunk is up. With several back-ends one that is down takes its own accounts
    /// along and nobody else's.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.back_ends.iter().any(|back_end| back_end.up.load(Relaxed) > 0)
    }

    pub(super) fn back_end(&self, index: usize) -> Option<&BackEndFigures> {
        self.back_ends.get(index)
    }

    /// Prometheus text.
    pub fn render(&self, text: &mut String) {
        self.redirects.render(text);
        self.faults.render(text);
        let one = |value: u64| [("", value)];
        for (name, help, value) in [
            (
                "redirect_loops",
                "Clients refused that had followed too many redirects.",
                &self.loops,
            ),
            (
                "back_end_lost",
                "Clients whose back-end could not be reached.",
                &self.back_end_lost,
            ),
            (
                "edge_bytes_in",
                "Bytes that back-ends have sent over trunks.",
                &self.bytes_in,
            ),
            (
                "edge_bytes_out",
                "Bytes sent to back-ends over trunks.",
                &self.bytes_out,
            ),
        ] {
            let name = format!("crosspoint_icpp_{name}_total");
            family(text, "counter", &name, help, one(value.load(Relaxed)));
        }
        for (name, help, value) in [
            ("edge_sessions", "Clients that are passed on.", &self.sessions),
            (
                "edge_cpu_permille",
                "Share of the cores that is busy, as load is judged.",
                &self.cpu_permille,
            ),
            (
                "edge_waiting_bytes",
                "Bytes that wait for clients that are behind.",
                &self.outbox_bytes,
            ),
        ] {
            let name = format!("crosspoint_icpp_{name}");
            family(text, "gauge", &name, help, one(value.load(Relaxed).into()));
        }
        type Count = fn(&BackEndFigures) -> &AtomicU32;
        let counts: [(&str, &str, Count); 2] = [
            ("trunks", "Trunks that are up.", |back_end| &back_end.up),
            ("trunks_wanted", "Trunks that there should be.", |back_end| {
                &back_end.wanted
            }),
        ];
        for (name, help, count) in counts {
            let name = format!("crosspoint_icpp_{name}");
            let value = |back_end: &BackEndFigures| {
                let labels = format!("{{back_end=\"{}\"}}", back_end.name);
                (labels, count(back_end).load(Relaxed).into())
            };
            family(text, "gauge", &name, help, self.back_ends.iter().map(value));
        }
    }
}
