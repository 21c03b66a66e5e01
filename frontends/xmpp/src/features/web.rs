//! What carries XMPP over HTTP, declared: XEP-0124 and XEP-0206 (`bosh`), and XEP-0156, which tells where they and WebSocket
//! (RFC 7395, `framing`) are. Clients learn of these ways before they have a stream, so disco has nothing to say of them.

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(124, "1.11.2"), Xep::new(156, "1.4.0"), Xep::new(206, "1.4")],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};
