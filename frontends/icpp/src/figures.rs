//! What the ICPP front-end of a process counts, all of its shards together: who was sent elsewhere, what came of tickets, and
//! on a back-end its trunks.
//!
//! Invariant: nothing here is touched for a message: only for a login, a redirect, or once a second a trunk.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::codec::elsewhere::Reason;
use crate::faults::Faults;
use crate::prometheus::family;
use crate::ticket::Refused;

/// Clients sent elsewhere, by reason: home, load, drain.
#[derive(Debug, Default)]
pub struct Redirects([AtomicU64; 3]);

impl Redirects {
    pub(crate) fn count(&self, reason: Reason) {
        self.0[reason as usize - 1].fetch_add(1, Relaxed);
    }

    /// For this reason, so far.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize - 1].load(Relaxed)
    }

    pub(crate) fn render(&self, text: &mut String) {
        let labels = ["home", "load", "drain"].map(|reason| format!("{{reason=\"{reason}\"}}"));
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        family(
            text,
            "counter",
            "crosspoint_icpp_redirects_total",
            "Clients sent to another front-end.",
            labels.into_iter().zip(counts),
        );
    }
}

/// Of a process that has accounts.
#[derive(Debug, Default)]
pub struct IcppFigures {
    /// By this process itself; a front-end process counts its own.
    pub redirects: Redirects,
    /// Clients that had gone round in a circle.
    pub loops: AtomicU64,
    /// Given with a login, and with a redirect.
    pub tickets_issued: AtomicU64,
    /// That let somebody in.
    pub tickets_used: AtomicU64,
    /// By [`Refused`].
    tickets_refused: [AtomicU64; Refused::ALL.len()],
    /// Trunks of front-ends that are up.
    pub trunks: AtomicU32,
    /// Sessions that came over them.
    pub passengers: AtomicU32,
    /// Received on trunks.
    pub trunk_bytes_in: AtomicU64,
    /// What ended by whose fault.
    pub faults: Faults,
}

impl IcppFigures {
    pub(crate) fn count_refused(&self, why: Refused) {
        self.tickets_refused[why as usize].fetch_add(1, Relaxed);
    }

    /// Prometheus text.
    pub fn render(&self, text: &mut String) {
        self.redirects.render(text);
        self.faults.render(text);
        let refused = Refused::ALL.into_iter().map(|why| {
            let count = self.tickets_refused[why as usize].load(Relaxed);
            (format!("{{reason=\"{}\"}}", why.name()), count)
        });
        let one = |value: u64| [("", value)];
        let name = "crosspoint_icpp_tickets_refused_total";
        family(text, "counter", name, "Tickets that let nobody in.", refused);
        for (name, help, value) in [
            (
                "redirect_loops",
                "Clients refused that had followed too many redirects.",
                &self.loops,
            ),
            (
                "tickets_issued",
                "Tickets given, with a login or a redirect.",
                &self.tickets_issued,
            ),
            ("tickets_used", "Tickets that let somebody in.", &self.tickets_used),
            (
                "trunk_bytes_in",
                "Bytes that front-ends have sent over trunks.",
                &self.trunk_bytes_in,
            ),
        ] {
            let name = format!("crosspoint_icpp_{name}_total");
            family(text, "counter", &name, help, one(value.load(Relaxed)));
        }
        for (name, help, value) in [
            ("trunks_here", "Trunks of front-ends that are up.", &self.trunks),
            (
                "passengers",
                "Sessions whose clients are connected to front-ends.",
                &self.passengers,
            ),
        ] {
            let name = format!("crosspoint_icpp_{name}");
            family(text, "gauge", &name, help, one(value.load(Relaxed).into()));
        }
    }
}
