//! The WebSocket listeners of XMPP (RFC 7395). They are the shards' own, so that what they carry takes no detour.

use std::net::SocketAddr;
use std::sync::Arc;

use crosspoint_http::websocket::Endpoint;
use crosspoint_xmpp::config::{CipherFactory, Listener};
use crosspoint_xmpp::framing::SUBPROTOCOL;

use crate::cipher::Certificates;
use crate::config::{Config, Web};
use crate::websocket::{self, Framing};

/// The path of WebSocket, as XEP-0156 has it in its examples, and clients guess.
pub const PATH: &str = "/xmpp-websocket";

/// How WebSocket connections begin.
pub struct Ciphers {
    /// In the clear.
    pub websocket: CipherFactory,
    /// Within TLS.
    pub websocket_tls: CipherFactory,
}

impl Ciphers {
    /// With these certificates.
    pub fn of(certificates: &Certificates, web: &Web) -> Ciphers {
        let within = certificates.offering(websocket::PROTOCOLS);
        let endpoint = Arc::new(Endpoint {
            origins: Some(web.origins.clone()).filter(|origins| !origins.is_empty()),
            ..Endpoint::new(PATH, SUBPROTOCOL)
        });
        let alone = endpoint.clone();
        Ciphers {
            websocket: Arc::new(move || Some(websocket::clear(alone.clone(), Framing::Elements))),
            websocket_tls: Arc::new(move || websocket::within_tls(&within, endpoint.clone(), Framing::Elements)),
        }
    }

    /// For a switch that listens nowhere.
    pub fn none() -> Ciphers {
        Ciphers {
            websocket: Arc::new(|| None),
            websocket_tls: Arc::new(|| None),
        }
    }
}

/// The WebSocket listeners, those in the clear first.
pub fn listeners(config: &Config) -> impl Iterator<Item = (SocketAddr, Listener)> + '_ {
    // In the clear on other addresses than loopback only behind a proxy, which `check` sees to.
    let clear = Listener {
        behind_tls_proxy: config.xmpp.tls_terminated_by_proxy,
        ..Listener::WEBSOCKET
    };
    let clear = config.xmpp.listen_ws.iter().map(move |address| (*address, clear));
    let tls = config.xmpp.listen_wss.iter();
    clear.chain(tls.map(|address| (*address, Listener::WEBSOCKET_TLS)))
}
