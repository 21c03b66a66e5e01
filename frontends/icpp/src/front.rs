//! The front: what a shard holds of ICPP.
//!
//! Invariant: nothing but configuration is kept here, one for each front-end that has a trunk here; every connection's state is in its
//! session.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::rooms::RoomSpeech;
use crosspoint_engine::service::{Cipher, Frontend, Host, Translator};
use crosspoint_engine::session::{Context, Peer, Session};

use crate::config::IcppConfig;
use crate::session::IcppSession;
use crate::trunk::TrunkSession;
use crate::trunk::nodes::NODES_MAX;
use crate::{neutral, queries, rooms};

/// The ICPP front-end of one shard.
pub struct IcppFront {
    config: Arc<IcppConfig>,
    /// For sessions that came over trunks, by the name of the front-end: to its clients, this server is that node.
    elsewhere: HashMap<Bytes, Arc<IcppConfig>>,
}

impl IcppFront {
    /// One for each shard, all from the same configuration.
    #[must_use]
    pub fn new(config: Arc<IcppConfig>) -> IcppFront {
        IcppFront {
            config,
            elsewhere: HashMap::new(),
        }
    }

    fn as_node(&mut self, node: &Bytes) -> Arc<IcppConfig> {
        if let Some(known) = self.elsewhere.get(node) {
            return known.clone();
        }
        let config = Arc::new(IcppConfig {
            node: String::from_utf8_lossy(node).into_owned(),
            // A front-end sends its clients elsewhere itself.
            drain_to: None,
            homes: Vec::new(),
            ..(*self.config).clone()
        });
        if self.elsewhere.len() >= NODES_MAX {
            self.elsewhere.clear();
        }
        self.elsewhere.insert(Bytes::copy_from_slice(node), config.clone());
        config
    }
}

impl Frontend for IcppFront {
    fn codec(&self) -> Codec {
        Codec::Icpp
    }

    fn open(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Box<dyn Session> {
        let to_trunks = self
            .config
            .listener(peer.listener)
            .is_some_and(|listener| listener.trunk);
        match self.config.trunk.clone().filter(|_| to_trunks) {
            Some(trunk) => Box::new(TrunkSession::open(trunk, peer, cx)),
            None => Box::new(IcppSession::open(self.config.clone(), peer, cx)),
        }
    }

    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>> {
        (self.config.listener(listener)?.cipher.as_ref()?)()
    }

    fn handshake_first(&self, listener: usize) -> bool {
        self.config
            .listener(listener)
            .is_some_and(|listener| listener.cipher.is_some())
    }

    fn open_passenger(
        &mut self,
        key: u16,
        peer: &Peer,
        note: &Bytes,
        cx: &mut Context<'_>,
    ) -> Option<Box<dyn Session>> {
        let config = self.as_node(note);
        Some(Box::new(IcppSession::open_on_trunk(
            config,
            key,
            peer.tls.is_some(),
            cx,
        )))
    }

    fn translator(&self) -> Translator {
        neutral::to_neutral
    }

    fn room_speech(&self) -> Option<RoomSpeech> {
        Some(rooms::SPEECH)
    }

    fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        queries::on_query(query, &self.config.limits, host);
    }
}
