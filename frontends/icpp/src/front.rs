//! The front: what a shard holds of ICPP.
//!
//! Invariant: nothing but configuration is kept here; every connection's state is in its session.

use std::sync::Arc;

use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::service::{Cipher, Frontend, Host, Translator};
use crosspoint_engine::session::{Context, Peer, Session};

use crate::config::IcppConfig;
use crate::session::IcppSession;
use crate::{neutral, queries};

/// The ICPP front-end of one shard.
pub struct IcppFront {
    config: Arc<IcppConfig>,
}

impl IcppFront {
    /// One for each shard, all from the same configuration.
    #[must_use]
    pub fn new(config: Arc<IcppConfig>) -> IcppFront {
        IcppFront { config }
    }
}

impl Frontend for IcppFront {
    fn codec(&self) -> Codec {
        Codec::Icpp
    }

    fn open(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Box<dyn Session> {
        Box::new(IcppSession::open(self.config.clone(), peer, cx))
    }

    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>> {
        (self.config.listener(listener)?.cipher.as_ref()?)()
    }

    fn handshake_first(&self, listener: usize) -> bool {
        self.config
            .listener(listener)
            .is_some_and(|listener| listener.cipher.is_some())
    }

    fn translator(&self) -> Translator {
        neutral::to_neutral
    }

    fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        queries::on_query(query, &self.config.limits, host);
    }
}
