//! How often connections and sessions were refused or ended, by the code that said so (SPEC.md section 10).
//!
//! Invariant: shared by all shards and touched when something ends, never for a frame.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::codec::Code;

/// Codes of connections are below; conditions, which end nothing, are from there on.
const CODES: usize = 32;

/// One count for each code.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<[AtomicU64; CODES]>);

impl Faults {
    /// Something has ended, or was not let in, with this code.
    pub(crate) fn count(&self, code: Code) {
        if let Some(count) = self.0.get(code as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How often.
    #[must_use]
    pub fn of(&self, code: Code) -> u64 {
        self.0.get(code as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// Appends Prometheus text.
    pub fn render(&self, text: &mut String) {
        let name = "crosspoint_icpp_faults_total";
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "# HELP {name} ICPP connections and sessions refused or ended, by the code that said so.\n# TYPE {name} counter"
        );
        for code in Code::ALL.iter().filter(|code| (**code as usize) < CODES) {
            let _ = writeln!(text, "{name}{{code=\"{}\"}} {}", code.name(), self.of(*code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_connections_has_a_count_and_no_condition_has() {
        let faults = Faults::default();
        Code::ALL.iter().for_each(|code| faults.count(*code));
        let mut text = String::new();
        faults.render(&mut text);
        assert!(text.contains("crosspoint_icpp_faults_total{code=\"malformed\"} 1\n"));
        assert!(text.contains("{code=\"back-end-lost\"} 1\n") && !text.contains("bad-request"));
    }
}
