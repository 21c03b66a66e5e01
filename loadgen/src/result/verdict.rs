//! Whether a run is worth anything, and if not, why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::Count;

/// What a run may get wrong and still be ok.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Errors of all kinds together. What is lost, duplicated, reordered or damaged is never allowed.
    pub errors_max: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub ok: bool,
    /// Why not, in whole sentences; empty if it is.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Of the counts of the whole run; `also` are reasons found elsewhere.
    pub fn of(whole: &BTreeMap<String, u64>, limits: Limits, also: Vec<String>) -> Self {
        let times = |count: &Count| whole.get(count.name()).copied().unwrap_or(0);
        let mut reasons: Vec<String> = Count::WRONG
            .iter()
            .filter(|count| times(count) > 0)
            .map(|count| format!("{} {} ({}).", times(count), count.name(), count.help()))
            .collect();
        let errors = Count::errors(|count| times(&count));
        if errors > limits.errors_max {
            let kinds: Vec<String> = Count::ERRORS
                .iter()
                .filter(|count| times(count) > 0)
                .map(|count| format!("{} {}", times(count), count.name()))
                .collect();
            let allowed = limits.errors_max;
            reasons.push(format!("{errors} errors, {allowed} allowed: {}.", kinds.join(", ")));
        }
        reasons.extend(also);
        Self {
            ok: reasons.is_empty(),
            reasons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(counts: &[(Count, u64)], errors_max: u64) -> Verdict {
        let whole = counts
            .iter()
            .map(|(count, times)| (count.name().to_owned(), *times))
            .collect();
        Verdict::of(&whole, Limits { errors_max }, Vec::new())
    }

    #[test]
    fn one_lost_message_is_enough() {
        let lost = verdict(&[(Count::MessagesReceived, 1_000_000), (Count::Lost, 1)], 1000);
        assert!(!lost.ok);
        assert_eq!(lost.reasons, ["1 lost (messages that never arrived)."]);
    }

    #[test]
    fn errors_are_allowed_up_to_a_number() {
        let counts = [(Count::AuthErrors, 2), (Count::TimeoutErrors, 1)];
        assert!(verdict(&counts, 3).ok);
        let too_many = verdict(&counts, 2);
        assert_eq!(
            too_many.reasons,
            ["3 errors, 2 allowed: 2 auth_errors, 1 timeout_errors."]
        );
    }
}
