//! The `[web]` and `[upload]` tables: what is served over HTTP, and who may use it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// The `[web]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Where HTTP is served in the clear: loopback only, unless a proxy in front does the encryption.
    pub listen: Vec<SocketAddr>,
    /// Where it is served in TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// A proxy in front has taken the encryption off already: `listen` is then allowed on any address.
    pub tls_terminated_by_proxy: bool,
    /// `https://example.org:5284`, as clients reach what is served here; empty: made of the domain and the first listener.
    pub url: String,
    /// `wss://example.org:5282/xmpp-websocket`, as clients reach it; empty: made of the domain and the first listener.
    pub websocket_url: String,
    /// Origins (RFC 6454) whose pages may talk to this server, by WebSocket and over HTTP; empty: all.
    pub origins: Vec<String>,
    /// Whether XMPP can be spoken over HTTP (XEP-0206).
    pub bosh: bool,
    /// Connections at a time, of all.
    pub connections: usize,
    /// Connections at a time of one address, loopback excepted, where proxies are.
    pub connections_per_address: usize,
}

/// The `[upload]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upload {
    /// Whether files can be uploaded (XEP-0363); only where HTTP is served.
    pub enabled: bool,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files of one account.
    pub user_bytes: u64,
    /// Bytes of all files of all accounts.
    pub all_bytes: u64,
    /// Days after which a file is removed.
    pub days: u64,
}

impl Default for Web {
    fn default() -> Self {
        Web {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            tls_terminated_by_proxy: false,
            url: String::new(),
            websocket_url: String::new(),
            origins: Vec::new(),
            bosh: true,
            connections: 4_096,
            connections_per_address: 128,
        }
    }
}

impl Default for Upload {
    fn default() -> Self {
        Upload {
            enabled: true,
            file_bytes: 16 * MIB,
            user_bytes: 512 * MIB,
            all_bytes: 16_384 * MIB,
            days: 30,
        }
    }
}

impl Web {
    /// Whether anything is served.
    pub fn serves(&self) -> bool {
        !self.listen.is_empty() || !self.listen_tls.is_empty()
    }
}
