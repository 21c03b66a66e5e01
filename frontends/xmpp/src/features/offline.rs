//! What the engine and the sessions do without being asked, as service discovery names it: messages kept for absent
//! users (XEP-0160 section 4), with the time at which they came (XEP-0203 section 7).

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(160, "1.0.1"), Xep::new(203, "2.0")],
    enabled: |_| true,
    domain: &["msgoffline", "urn:xmpp:delay"],
    account: &[],
    handlers: &[],
};
