//! What belongs to the stream and not to a query: the session does it and announces it in the stream features.

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[
        Xep::new(198, "1.6.3"),
        Xep::new(352, "1.0.0"),
        Xep::new(368, "1.1.0"),
        Xep::new(440, "1.0.0"),
        Xep::new(478, "0.2.0"),
    ],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};
