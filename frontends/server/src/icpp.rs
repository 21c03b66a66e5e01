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
use crosspoint_icpp::figures::IcppFigures;
use crosspoint_icpp::redirect::Home;
use crosspoint_icpp::ticket::Tickets;
use crosspoint_icpp::trunk::{ClusterKey, Nodes, TrunkConfig};
use crosspoint_tls::ClientTlsConfig;
use sha2::{Digest, Sha256};

use crate::cipher::{Certificates, towards};
use crate::config::{Config, Role};
use crate::websocket::{self, Framing};

/// What trunks in TLS offer (SPEC.md section 11.3).
const TRUNK_PROTOCOLS: &[&[u8]] = &[b"icpp/1"];

/// What a WebSocket client asks for (SPEC.md section 1).
const SUBPROTOCOL: &str = "icpp.v1";

/// What is counted: in the role of a front-end, and in the others.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Of a front-end.
    pub edge: Arc<EdgeFigures>,
    /// Where accounts live.
    pub accounts: Arc<IcppFigures>,
}

impl Figures {
    /// Of a process that is configured so.
    pub fn of(config: &Config) -> Figures {
        let back_ends = config.edge.back_ends().unwrap_or_default();
        let names = back_ends.iter().map(|back_end| back_end.address.to_string());
        Figures {
            edge: Arc::new(EdgeFigures::of(names)),
            accounts: Arc::default(),
        }
    }
}

/// How a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clear,
    Tls,
    WebSocket,
    WebSocketTls,
    Trunks,
    TrunksTls,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Clear,
        Kind::Tls,
        Kind::WebSocket,
        Kind::WebSocketTls,
        Kind::Trunks,
        Kind::TrunksTls,
    ];

    fn is_for_trunks(self) -> bool {
        matches!(self, Kind::Trunks | Kind::TrunksTls)
    }

    fn addresses(self, config: &Config) -> &[SocketAddr] {
        let icpp = &config.icpp;
        let trunks = self.is_for_trunks();
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
            Kind::TrunksTls => &icpp.trunk_listen_tls,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Clear => "in the clear",
            Kind::Tls => "TLS",
            Kind::WebSocket => "WebSocket in the clear",
            Kind::WebSocketTls => "WebSocket in TLS",
            Kind::Trunks => "trunks in the clear",
            Kind::TrunksTls => "trunks in TLS",
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
            Kind::Tls | Kind::TrunksTls => Some(self.tls.clone()),
            Kind::WebSocket => Some(self.websocket.clone()),
            Kind::WebSocketTls => Some(self.websocket_tls.clone()),
        }
    }

    fn listener(&self, kind: Kind) -> Listener {
        // In the clear on other addresses than loopback only behind a proxy, which `check` sees to.
        Listener {
            cipher: self.of_kind(kind),
            private: true,
            trunk: kind.is_for_trunks(),
        }
    }
}

/// The front-end's configuration.
///
/// # Errors
/// The cluster's key cannot be read, or the system has no random bytes.
pub fn config(config: &Config, domain: &Jid, ciphers: &Ciphers, figures: &Figures) -> Result<IcppConfig> {
    let icpp = &config.icpp;
    let trunk = match listeners(config).any(|(kind, _)| kind.is_for_trunks()) {
        false => None,
        true => Some(Arc::new(TrunkConfig {
            node: icpp.node.clone(),
            key: trunk_key(config)?,
            shards: config.shard_count() as u16,
            nodes: Nodes::default(),
            figures: figures.accounts.clone(),
        })),
    };
    let target = Target {
        node: icpp.redirect_node.clone(),
        urls: icpp.redirect_to.clone(),
    };
    Ok(IcppConfig {
        domain: domain.clone(),
        rooms: config
            .rooms
            .setup(&config.domain)
            .ok()
            .flatten()
            .map(|rooms| rooms.domain),
        node: icpp.node.clone(),
        listeners: listeners(config).map(|(kind, _)| ciphers.listener(kind)).collect(),
        trunk,
        limits: config.icpp_limits(),
        tickets: Tickets::new(ticket_key(config)?, now_ms()),
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) / 2,
        drain_to: Some(target).filter(|target| !target.urls.is_empty()),
        homes: homes(config)?,
        figures: figures.accounts.clone(),
    })
}

/// The front-end role's configuration.
///
/// # Errors
/// The cluster's key cannot be read.
pub fn edge(config: &Config, ciphers: &Ciphers, figures: &Figures) -> Result<EdgeConfig> {
    let edge = &config.edge;
    let trunk_tls = match edge.encrypts() {
        true => Some(trunk_tls(config)?),
        false => None,
    };
    Ok(EdgeConfig {
        node: config.icpp.node.clone(),
        urls: edge.urls.clone(),
        weight: edge.weight,
        back_ends: edge.back_ends().map_err(|text| anyhow!("edge.back_ends: {text}"))?,
        trunk_cipher: trunk_tls.map(|config| -> CipherFactory { Arc::new(move || towards(&config)) }),
        key: trunk_key(config)?,
        listeners: listeners(config)
            .map(|(kind, _)| EdgeListener {
                cipher: ciphers.of_kind(kind),
                private: true,
            })
            .collect(),
        homes: homes(config)?,
        load: config.balance.policy(),
        // The rest is for goodbyes.
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) * 4 / 5,
        shards: config.shard_count() as u32,
        figures: figures.edge.clone(),
    })
}

fn homes(config: &Config) -> Result<Vec<Home>> {
    config.edge.homes().map_err(|text| anyhow!("edge.homes: {text}"))
}

/// Which back-ends a front-end believes.
///
/// # Errors
/// What is wrong with the issuers' file, or with the name.
pub fn trunk_tls(config: &Config) -> Result<ClientTlsConfig> {
    let edge = &config.edge;
    let name = match edge.trunk_name.as_str() {
        "" => &config.domain,
        name => name,
    };
    let pins = edge.pins().map_err(|text| anyhow!("edge.trunk_pins: {text}"))?;
    Ok(match pins.is_empty() {
        true => ClientTlsConfig::issued_by(&edge.trunk_ca, name, TRUNK_PROTOCOLS)?,
        false => ClientTlsConfig::pinned(pins, name, TRUNK_PROTOCOLS)?,
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
