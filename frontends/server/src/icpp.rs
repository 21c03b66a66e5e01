//! From the configuration to the ICPP front-end: its listeners, its tickets' key, where it sends clients; and to the
//! front-end role.
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
use crosspoint_icpp::edge::{EdgeConfig, EdgeFigures, EdgeListener};
use crosspoint_icpp::faults::Faults;
use crosspoint_icpp::ticket::Tickets;
use crosspoint_icpp::trunk::{ClusterKey, Nodes, TrunkConfig};
use sha2::{Digest, Sha256};

use crate::cipher::Certificates;
use crate::config::{Config, Role};
use crate::websocket::{self, Framing};

/// What a WebSocket client asks for (SPEC.md section 1).
const SUBPROTOCOL: &str = "icpp.v1";

/// How a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clear,
    Tls,
    WebSocket,
    WebSocketTls,
    Trunks,
}

impl Kind {
    const ALL: [Kind; 5] = [
        Kind::Clear,
        Kind::Tls,
        Kind::WebSocket,
        Kind::WebSocketTls,
        Kind::Trunks,
    ];

    fn addresses(self, config: &Config) -> &[SocketAddr] {
        let icpp = &config.icpp;
        let trunks = self == Kind::Trunks;
        match (config.role, self) {
            (Role::Backend, _) if !trunks => return &[],
            (Role::Frontend, _) if trunks => return &[],
            _ => {}
        }
        match self {
            Kind::Clear => &icpp.listen,
            Kind::Tls => &icpp.listen_tls,
            Kind::WebSocket => &icpp.listen_ws,
            Kind::WebSocketTls => &icpp.listen_wss,
            Kind::Trunks => &icpp.trunk_listen,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Clear => "in the clear",
            Kind::Tls => "TLS",
            Kind::WebSocket => "WebSocket in the clear",
            Kind::WebSocketTls => "WebSocket in TLS",
            Kind::Trunks => "trunks",
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
            websocket: Arc::new(move || Some(websocket::clear(alone.clone(), Framing::Bytes(whole)))),
            websocket_tls: Arc::new(move || websocket::within_tls(&within, endpoint.clone(), Framing::Bytes(whole))),
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

    fn of_kind(&self, kind: Kind) -> Option<CipherFactory> {
        match kind {
            Kind::Clear | Kind::Trunks => None,
            Kind::Tls => Some(self.tls.clone()),
            Kind::WebSocket => Some(self.websocket.clone()),
            Kind::WebSocketTls => Some(self.websocket_tls.clone()),
        }
    }

    fn listener(&self, kind: Kind) -> Listener {
        // In the clear on other addresses than loopback only behind a proxy, which `check` sees to.
        Listener {
            cipher: self.of_kind(kind),
            private: true,
            trunk: kind == Kind::Trunks,
        }
    }
}

/// The front-end's configuration.
///
/// # Errors
/// The cluster's key cannot be read, or the system has no random bytes.
pub fn config(config: &Config, domain: &Jid, ciphers: &Ciphers, faults: &Faults) -> Result<IcppConfig> {
    let icpp = &config.icpp;
    let trunk = match Kind::Trunks.addresses(config) {
        [] => None,
        _ => Some(Arc::new(TrunkConfig {
            node: icpp.node.clone(),
            key: trunk_key(config)?,
            shards: config.shard_count() as u16,
            faults: faults.clone(),
            nodes: Nodes::default(),
        })),
    };
    let target = Target {
        node: icpp.redirect_node.clone(),
        urls: icpp.redirect_to.clone(),
    };
    Ok(IcppConfig {
        domain: domain.clone(),
        node: icpp.node.clone(),
        listeners: listeners(config).map(|(kind, _)| ciphers.listener(kind)).collect(),
        trunk,
        limits: config.icpp_limits(),
        faults: faults.clone(),
        tickets: Tickets::new(ticket_key(config)?, now_ms()),
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) / 2,
        drain_to: Some(target).filter(|target| !target.urls.is_empty()),
    })
}

/// The front-end role's configuration.
///
/// # Errors
/// The cluster's key cannot be read.
pub fn edge(config: &Config, ciphers: &Ciphers, figures: &Arc<EdgeFigures>) -> Result<EdgeConfig> {
    let edge = &config.edge;
    Ok(EdgeConfig {
        node: config.icpp.node.clone(),
        urls: edge.urls.clone(),
        weight: edge.weight,
        back_end: edge.back_end.parse().context("edge.back_end is no address")?,
        key: trunk_key(config)?,
        listeners: listeners(config)
            .map(|(kind, _)| EdgeListener {
                cipher: ciphers.of_kind(kind),
                private: true,
            })
            .collect(),
        homes: edge.homes().map_err(|text| anyhow!("edge.homes: {text}"))?,
        load: config.balance.policy(),
        // The rest is for goodbyes.
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) * 4 / 5,
        shards: config.shard_count() as u32,
        figures: figures.clone(),
    })
}

fn trunk_key(config: &Config) -> Result<ClusterKey> {
    Ok(ClusterKey(secret(config, b"icpp trunk key 1")?))
}

/// Of the cluster's secret, or of none that anybody knows.
fn ticket_key(config: &Config) -> Result<[u8; 32]> {
    let path = &config.icpp.cluster_key;
    if path.as_os_str().is_empty() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| anyhow!("the system has no random bytes: {error}"))?;
        return Ok(key);
    }
    secret(config, b"icpp ticket 1")
}

/// What is made of the cluster's secret for one purpose.
fn secret(config: &Config, purpose: &[u8]) -> Result<[u8; 32]> {
    let path = &config.icpp.cluster_key;
    let secret = std::fs::read(path).with_context(|| format!("cannot read icpp.cluster_key, {}", path.display()))?;
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update(secret);
    Ok(hash.finalize().into())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
