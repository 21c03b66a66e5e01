//! From the configuration to the ICPP front-end: its listeners, its tickets' key, where it sends clients.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use crosspoint_engine::jid::Jid;
use crosspoint_icpp::IcppConfig;
use crosspoint_icpp::config::{CipherFactory, Listener, Target};
use crosspoint_icpp::ticket::Tickets;
use sha2::{Digest, Sha256};

use crate::config::Config;

/// Every ICPP address, in the order of the front-end's listeners.
pub fn addresses(config: &Config) -> Vec<SocketAddr> {
    let icpp = &config.icpp;
    icpp.listen.iter().chain(&icpp.listen_tls).copied().collect()
}

/// How each of them speaks, in words.
pub fn forms(config: &Config) -> Vec<&'static str> {
    let icpp = &config.icpp;
    let clear = match icpp.tls_terminated_by_proxy {
        true => "in the clear, behind a proxy",
        false => "in the clear",
    };
    let clear = icpp.listen.iter().map(|_| clear);
    clear.chain(icpp.listen_tls.iter().map(|_| "TLS")).collect()
}

/// The front-end's configuration.
///
/// # Errors
/// The cluster's key cannot be read, or the system has no random bytes.
pub fn config(config: &Config, domain: &Jid, cipher: &CipherFactory) -> Result<IcppConfig> {
    let icpp = &config.icpp;
    let clear = icpp.listen.iter().map(|_| Listener {
        cipher: None,
        // On other addresses than loopback only behind a proxy, which `check` sees to.
        private: true,
    });
    let encrypted = icpp.listen_tls.iter().map(|_| Listener {
        cipher: Some(cipher.clone()),
        private: true,
    });
    let target = Target {
        node: icpp.redirect_node.clone(),
        urls: icpp.redirect_to.clone(),
    };
    Ok(IcppConfig {
        domain: domain.clone(),
        node: icpp.node.clone(),
        listeners: clear.chain(encrypted).collect(),
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
