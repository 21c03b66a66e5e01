//! What the engine and the sessions do without being asked, as service discovery names it: messages kept for absent
//! users (XEP-0160 section 4), with the time at which they came (XEP-0203 section 7).

use super::Feature;

pub(super) const FEATURE: Feature = Feature {
    enabled: |_| true,
    domain: &["msgoffline", "urn:xmpp:delay"],
    account: &[],
    handlers: &[],
};
