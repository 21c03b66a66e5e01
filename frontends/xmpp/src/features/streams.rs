//! What a client negotiates with its stream (`session/`) and not by queries: declared here with the other features.

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[
        // Stream Management: session/stream_management.rs, session/managed.rs.
        Xep::new(198, "1.6.3"),
        // Client State Indication: session/client_state.rs.
        Xep::new(352, "1.0.0"),
        // SRV records for XMPP over TLS: the listener with direct TLS.
        Xep::new(368, "1.1.0"),
        // Bind 2: session/bind2.rs.
        Xep::new(386, "1.1.0"),
        // Extensible SASL Profile: session/sasl2.rs.
        Xep::new(388, "1.0.4"),
        // SASL Channel-Binding Type Capability: session/stream_features.rs.
        Xep::new(440, "1.0.0"),
        // SASL SCRAM Downgrade Protection: the engine's scram/offer.rs.
        Xep::new(474, "0.5.0"),
        // Stream Limits Advertisement: stream_limits.rs.
        Xep::new(478, "0.2.0"),
        // SASL Upgrade Tasks: session/sasl_upgrade.rs, the engine's scram/partial.rs.
        Xep::new(480, "0.2.0"),
        // Fast Authentication Streamlining Tokens: session/fast.rs, the engine's tokens/.
        Xep::new(484, "0.2.0"),
    ],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};
