//! What the engine and the sessions do without being asked, as service discovery names it: messages kept for absent
//! users (XEP-0160 section 4), with the time at which they came (XEP-0203 section 7), unless their senders hint otherwise (XEP-0334).
//!
//! With an archive, such a message is one record in it, and comes with the identity by which the archive knows it (XEP-0359). A client that
//! has read its archive before it says that it is there is given what waits all the same, as Prosody does it: only the client knows whether
//! what it was shown has reached it, and it can tell what it has by the identity. One that binds by XEP-0386 says that it will read its
//! archive, and what is there is not sent to it.

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[
        Xep::new(160, "1.0.1"),
        Xep::new(184, "1.4.0"),
        Xep::new(203, "2.0"),
        Xep::new(333, "1.0.0"),
        Xep::new(334, "1.0.0"),
    ],
    enabled: |_| true,
    domain: &["msgoffline", "urn:xmpp:delay"],
    account: &[],
    handlers: &[],
};
