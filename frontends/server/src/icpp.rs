//! From the configuration to the ICPP front-end: its listeners, its tickets' key, where it sends clients.
//!
//! Invariant: [`addresses`], [`forms`] and the front-end's listeners are in one order, that of [`Kind::ALL`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use crosspoint_engine::jid::Jid;
use crosspoint_http::websocket::Endpoint;
use crosspoint_icpp::IcppConfig;
use crosspoint_icpp::codec::whole;
use crosspoint_icpp::config::{CipherFactory, Listener, Target};
use crosspoint_icpp::ticket::Tickets;
use sha2::{Digest, Sha256};

use crate::cipher::Certificates;
use crate::config::Config;
use crate::websocket;

/// What a WebSocket client asks for (SPEC.md section 1).
const SUBPROTOCOL: &str = "icpp.v1";

/// How a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clear,
    Tls,
    WebSocket,
    WebSocketTls,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Clear, Kind::Tls, Kind::WebSocket, Kind::WebSocketTls];

    fn addresses(self, config: &Config) -> &[SocketAddr] {
        let icpp = &config.icpp;
        match self {
            Kind::Clear => &icpp.listen,
            Kind::Tls => &icpp.listen_tls,
            Kind::WebSocket => &icpp.listen_ws,
            Kind::WebSocketTls => &icpp.listen_wss,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Clear => "in the clear",
            Kind::Tls => "TLS",
            Kind::WebSocket => "WebSocket in the clear",
            Kind::WebSocketTls => "WebSocket in TLS",
        }
    }
}

fn listeners(config: &Config) -> impl Iterator<Item = (Kind, SocketAddr)> + '_ {
    let of = |kind: Kind| kind.addresses(config).iter().map(move |address| (kind, *address));
    Kind::ALL.into_iter().flat_map(of)
}

/// Every ICPP address, in the order of the front-end's listeners.
pub fn addresses(config: &Config) -> Vec<SocketAddr> {
    listeners(config).map(|(_, address)| address).collect()
}

/// How each of them speaks, in words.
pub fn forms(config: &Config) -> Vec<&'static str> {
    listeners(config).map(|(kind, _)| kind.words()).collect()
}

/// How connections begin that do not begin with a preface.
pub struct Ciphers {
    tls: CipherFactory,
    websocket: CipherFactory,
    websocket_tls: CipherFactory,
}

impl Ciphers {
    /// With these certificates.
    pub fn of(certificates: &Certificates) -> Ciphers {
        let tls = certificates.offering(&[b"icpp/1"]);
        let within = certificates.offering(websocket::PROTOCOLS);
        let endpoint = Arc::new(Endpoint::new("/", SUBPROTOCOL));
        let alone = endpoint.clone();
        Ciphers {
            tls: Arc::new(move || tls.cipher()),
            websocket: Arc::new(move || Some(websocket::clear(alone.clone(), whole))),
            websocket_tls: Arc::new(move || websocket::within_tls(&within, endpoint.clone(), whole)),
        }
    }

    /// For a switch that listens nowhere.
    pub fn none() -> Ciphers {
        let none = || -> CipherFactory { Arc::new(|| None) };
        Ciphers {
            tls: none(),
            websocket: none(),
            websocket_tls: none(),
        }
    }

    fn listener(&self, kind: Kind) -> Listener {
        let cipher = match kind {
            Kind::Clear => None,
            Kind::Tls => Some(self.tls.clone()),
            Kind::WebSocket => Some(self.websocket.clone()),
            Kind::WebSocketTls => Some(self.websocket_tls.clone()),
        };
        // In the clear on other addresses than loopback only behind a proxy, which `check` sees to.
        Listener { cipher, private: true }
    }
}

/// The front-end's configuration.
///
/// # Errors
/// The cluster's key cannot be read, or the system has no random bytes.
pub fn config(config: &Config, domain: &Jid, ciphers: &Ciphers) -> Result<IcppConfig> {
    let icpp = &config.icpp;
    let target = Target {
        node: icpp.redirect_node.clone(),
        urls: icpp.redirect_to.clone(),
    };
    Ok(IcppConfig {
        domain: domain.clone(),
        node: icpp.node.clone(),
        listeners: listeners(config).map(|(kind, _)| ciphers.listener(kind)).collect(),
        limits: config.icpp_limits(),
        tickets: Tickets::new(ticket_key(config)?, now_ms()),
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) / 2,
        drain_to: Some(target).filter(|target| !target.urls.is_empty()),
    })
}

/// Of the cluster's secret, or of none that anybody knows.
fn ticket_key(config: &Config) -> Result<[u8; 32]> {
    let path = &config.icpp.cluster_key;
    if path.as_os_str().is_empty() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| anyhow!("the system has no random bytes: {error}"))?;
        return Ok(key);
    }
    let secret = std::fs::read(path).with_context(|| format!("cannot read icpp.cluster_key, {}", path.display()))?;
    let mut hash = Sha256::new();
    hash.update(b"icpp ticket 1");
    hash.update(secret);
    Ok(hash.finalize().into())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
