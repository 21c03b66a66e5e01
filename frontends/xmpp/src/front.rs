//! The front: what a shard holds of XMPP.
//!
//! Invariant: nothing but configuration is kept here; every connection's state is in its session.

use std::sync::Arc;

use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::RoomSpeech;
use crosspoint_engine::service::{Cipher, Dresser, Frontend, Host, RosterChange, Translator, Waiting};
use crosspoint_engine::session::{Context, Peer, Session};

use crate::config::XmppConfig;
use crate::features::{self, Features};
use crate::neutral;
use crate::rooms;
use crate::session::component::ComponentSession;
use crate::session::{Shared, XmppSession};

/// The XMPP front-end of one shard.
pub struct XmppFront {
    shared: Arc<Shared>,
    features: Features,
}

impl XmppFront {
    /// One for each shard, all from the same configuration.
    pub fn new(config: Arc<XmppConfig>) -> XmppFront {
        let features = Features::new(&config.features).with_components(&config.components);
        let shared = Shared {
            caps: features.caps_element(),
            config,
        };
        XmppFront {
            shared: Arc::new(shared),
            features,
        }
    }
}

impl Frontend for XmppFront {
    fn codec(&self) -> Codec {
        Codec::Xmpp
    }

    fn open(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Box<dyn Session> {
        match self.shared.config.listener(peer.listener).components {
            true => Box::new(ComponentSession::open(self.shared.clone(), peer, cx)),
            false => Box::new(XmppSession::open(self.shared.clone(), peer, cx)),
        }
    }

    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>> {
        let config = &self.shared.config;
        let listener = config.listener(listener);
        match (listener.websocket, listener.direct_tls) {
            (false, _) => (config.cipher)(),
            (true, false) => (config.websocket)(),
            (true, true) => (config.websocket_tls)(),
        }
    }

    fn handshake_first(&self, listener: usize) -> bool {
        let listener = self.shared.config.listener(listener);
        listener.direct_tls || listener.websocket
    }

    fn translator(&self) -> Translator {
        neutral::from_stanza
    }

    fn dresser(&self) -> Dresser {
        features::avatar::dress
    }

    fn on_presence(&mut self, presence: &Envelope, host: &mut dyn Host) {
        self.features.on_presence(presence, host);
    }

    fn on_subscribed(&mut self, user: &Jid, contact: &Jid, host: &mut dyn Host) {
        self.features.on_subscribed(user, contact, host);
    }

    fn on_probe(&mut self, probe: Envelope, host: &mut dyn Host) {
        self.features.on_probe(&probe, host);
    }

    fn wants(&mut self, session: &Jid, event: &Envelope) -> bool {
        event.content.codec == Codec::Xmpp && self.features.wants(session, event)
    }

    fn room_speech(&self) -> Option<RoomSpeech> {
        Some(rooms::SPEECH)
    }

    fn on_roster_change(&mut self, change: &RosterChange, host: &mut dyn Host) {
        self.features.on_roster_change(change, host);
    }

    fn on_account_removed(&mut self, user: &Jid) {
        self.features.on_account_removed(user);
    }

    fn on_waiting(&mut self, waiting: &Waiting, host: &mut dyn Host) {
        self.features.on_waiting(waiting, host);
    }

    fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        self.features.on_query(query, host);
    }
}
