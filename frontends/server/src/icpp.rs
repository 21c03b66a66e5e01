//! From the configuration to the ICPP front-end: its listeners, its tickets' key, where it sends clients; and to the front-end role.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use crosspoint_engine::jid::Jid;
use crosspoint_icpp::IcppConfig;
use crosspoint_icpp::config::{CipherFactory, Listener, Target};
use crosspoint_icpp::edge::{EdgeConfig, EdgeFigures, EdgeListener};
use crosspoint_icpp::ticket::Tickets;
use crosspoint_icpp::trunk::{ClusterKey, Nodes, TrunkConfig};
use sha2::{Digest, Sha256};

use crate::config::{Config, Role};

/// Every ICPP address, in the order of the front-end's listeners.
pub fn addresses(config: &Config) -> Vec<SocketAddr> {
    let [clear, encrypted, trunks] = groups(config);
    clear.iter().chain(encrypted).chain(trunks).copied().collect()
}

/// Those in the clear, those with TLS, those for trunks; as far as the role has them.
fn groups(config: &Config) -> [&[SocketAddr]; 3] {
    let icpp = &config.icpp;
    match config.role {
        Role::All => [&icpp.listen, &icpp.listen_tls, &icpp.trunk_listen],
        Role::Backend => [&[], &[], &icpp.trunk_listen],
        Role::Frontend => [&icpp.listen, &icpp.listen_tls, &[]],
    }
}

/// How each of them speaks, in words.
pub fn forms(config: &Config) -> Vec<&'static str> {
    let icpp = &config.icpp;
    let clear = match icpp.tls_terminated_by_proxy {
        true => "in the clear, behind a proxy",
        false => "in the clear",
    };
    let [plain, encrypted, trunks] = groups(config);
    let plain = plain.iter().map(|_| clear);
    let encrypted = encrypted.iter().map(|_| "TLS");
    plain.chain(encrypted).chain(trunks.iter().map(|_| "trunks")).collect()
}

/// The front-end's configuration.
///
/// # Errors
/// The cluster's key cannot be read, or the system has no random bytes.
pub fn config(config: &Config, domain: &Jid, cipher: &CipherFactory) -> Result<IcppConfig> {
    let icpp = &config.icpp;
    let [clear, encrypted, trunks] = groups(config);
    let clear = clear.iter().map(|_| Listener {
        cipher: None,
        // On other addresses than loopback only behind a proxy, which `check` sees to.
        private: true,
        trunk: false,
    });
    let encrypted = encrypted.iter().map(|_| Listener {
        cipher: Some(cipher.clone()),
        private: true,
        trunk: false,
    });
    let to_trunks = trunks.iter().map(|_| Listener {
        cipher: None,
        private: false,
        trunk: true,
    });
    let trunk = match trunks {
        [] => None,
        _ => Some(Arc::new(TrunkConfig {
            node: icpp.node.clone(),
            key: trunk_key(config)?,
            shards: config.shard_count() as u16,
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
        listeners: clear.chain(encrypted).chain(to_trunks).collect(),
        trunk,
        limits: config.icpp_limits(),
        tickets: Tickets::new(ticket_key(config)?, now_ms()),
        drain_ms: config.drain.deadline_s.saturating_mul(1_000) / 2,
        drain_to: Some(target).filter(|target| !target.urls.is_empty()),
    })
}

/// The front-end role's configuration.
///
/// # Errors
/// The cluster's key cannot be read.
pub fn edge(config: &Config, cipher: &CipherFactory, figures: &Arc<EdgeFigures>) -> Result<EdgeConfig> {
    let [clear, encrypted, _] = groups(config);
    let clear = clear.iter().map(|_| EdgeListener {
        cipher: None,
        private: true,
    });
    let encrypted = encrypted.iter().map(|_| EdgeListener {
        cipher: Some(cipher.clone()),
        private: true,
    });
    let edge = &config.edge;
    Ok(EdgeConfig {
        node: config.icpp.node.clone(),
        urls: edge.urls.clone(),
        weight: edge.weight,
        back_end: edge.back_end.parse().context("edge.back_end is no address")?,
        key: trunk_key(config)?,
        listeners: clear.chain(encrypted).collect(),
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
