//! What the composition root tells the XMPP front-end. Shared, read-only, by all its sessions.
//!
//! Invariant: nothing here changes while the switch runs.

use std::fmt;
use std::sync::Arc;

use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Cipher;

pub use crate::components::{Access, Component, Privileges, Secret};
pub use crate::features::{Contacts, External, ExternalService, FeatureConfig, PushShows, Software};
use crate::limits::Limits;

/// Makes the server's end of a TLS connection; `None` when there is no certificate.
pub type CipherFactory = Arc<dyn Fn() -> Option<Box<dyn Cipher>> + Send + Sync>;

/// The XMPP front-end's configuration.
#[derive(Clone)]
pub struct XmppConfig {
    /// The domain that is served: an address without node and resource.
    pub domain: Jid,
    /// Where clients connect; [`Peer::listener`](crosspoint_engine::session::Peer) is an index into it.
    pub listeners: Vec<Listener>,
    /// Makes TLS connections.
    pub cipher: CipherFactory,
    /// Makes WebSocket connections in the clear (RFC 7395).
    pub websocket: CipherFactory,
    /// Makes WebSocket connections within TLS.
    pub websocket_tls: CipherFactory,
    /// The bounds of a session.
    pub limits: Limits,
    /// Whether SCRAM's challenge has a hash of what was offered (XEP-0474).
    pub seal_offer: bool,
    /// Whether SCRAM-SHA-256 is on offer: it opens no account that was imported without keys for it.
    pub offer_sha256: bool,
    /// Whether accounts can be created by in-band registration (XEP-0077).
    pub registration_open: bool,
    /// Where to send clients (RFC 6120 section 4.9.3.19).
    pub see_other_host: Option<SeeOtherHost>,
    /// The components that may connect.
    pub components: Vec<Component>,
    /// What the server answers about itself, and which features it has.
    pub features: FeatureConfig,
}

/// How one listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Whether connections begin with a TLS handshake (XEP-0368).
    pub direct_tls: bool,
    /// Whether connections are WebSockets (RFC 7395), within TLS with `direct_tls`. They know of no STARTTLS.
    pub websocket: bool,
    /// What is said about STARTTLS; of no meaning with direct TLS.
    pub tls: TlsPolicy,
    /// A proxy in front terminates TLS: the connection counts as encrypted, without channel binding.
    pub behind_tls_proxy: bool,
    /// Components connect here (XEP-0114), and no clients. Of the rest nothing has a meaning then.
    pub components: bool,
}

/// Whether a listener offers STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Not offered. Only for loopback, which the composition root sees to; passwords in the clear (PLAIN) are accepted
    /// there, since nothing else could be meant.
    Off,
    /// Offered; without it a client can still authenticate, though not by PLAIN.
    Optional,
    /// Nothing else is possible before it.
    Required,
}

/// A redirection by `see-other-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeeOtherHost {
    /// `host` or `host:port`, an IPv6 address in brackets.
    pub target: String,
    /// `true`: every new stream is sent away. `false`: only those whose session is ended by a drain.
    pub new_streams: bool,
}

impl Listener {
    /// The usual port 5222: STARTTLS is required.
    pub const STARTTLS: Listener = Listener {
        direct_tls: false,
        websocket: false,
        tls: TlsPolicy::Required,
        behind_tls_proxy: false,
        components: false,
    };
    /// The usual port 5223: TLS from the first byte.
    pub const DIRECT_TLS: Listener = Listener {
        direct_tls: true,
        websocket: false,
        tls: TlsPolicy::Required,
        behind_tls_proxy: false,
        components: false,
    };
    /// A loopback port without TLS.
    pub const PLAIN: Listener = Listener {
        direct_tls: false,
        websocket: false,
        tls: TlsPolicy::Off,
        behind_tls_proxy: false,
        components: false,
    };
    /// Where components connect.
    pub const COMPONENTS: Listener = Listener {
        components: true,
        ..Listener::PLAIN
    };
    /// A loopback port for WebSocket without TLS.
    pub const WEBSOCKET: Listener = Listener {
        websocket: true,
        ..Listener::PLAIN
    };
    /// A port for WebSocket within TLS.
    pub const WEBSOCKET_TLS: Listener = Listener {
        websocket: true,
        ..Listener::DIRECT_TLS
    };
}

impl XmppConfig {
    /// A configuration with the defaults: one STARTTLS and one direct TLS listener.
    pub fn new(domain: Jid, cipher: CipherFactory) -> Self {
        Self {
            domain,
            listeners: vec![Listener::STARTTLS, Listener::DIRECT_TLS],
            cipher,
            websocket: Arc::new(|| None),
            websocket_tls: Arc::new(|| None),
            limits: Limits::DEFAULT,
            seal_offer: true,
            offer_sha256: true,
            registration_open: false,
            see_other_host: None,
            components: Vec::new(),
            features: FeatureConfig::default(),
        }
    }

    /// The listener of this index; the strictest one for an index that does not exist.
    pub fn listener(&self, index: usize) -> Listener {
        self.listeners.get(index).copied().unwrap_or(Listener::STARTTLS)
    }
}

impl fmt::Debug for XmppConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("XmppConfig")
            .field("domain", &self.domain)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
