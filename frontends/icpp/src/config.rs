//! What the composition root tells the ICPP front-end. Shared, read-only, by all its sessions.
//!
//! Invariant: nothing here changes while the switch runs.

use std::fmt;
use std::sync::Arc;

use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Cipher;

use crate::figures::IcppFigures;
use crate::limits::Limits;
use crate::redirect::Home;
use crate::ticket::Tickets;
use crate::trunk::TrunkConfig;

/// Makes the server's end of a connection's cipher; `None` when there is no certificate.
pub type CipherFactory = Arc<dyn Fn() -> Option<Box<dyn Cipher>> + Send + Sync>;

/// The ICPP front-end's configuration.
#[derive(Clone)]
pub struct IcppConfig {
    /// The domain that is served: an address without node and resource.
    pub domain: Jid,
    /// Where rooms are: an address without node and resource. `None` where there are none.
    pub rooms: Option<Jid>,
    /// The name of this front-end, to clients and on tickets.
    pub node: String,
    /// Where clients connect; [`Peer::listener`](crosspoint_engine::session::Peer) is an index into it.
    pub listeners: Vec<Listener>,
    /// The bounds of a session.
    pub limits: Limits,
    /// Makes and reads tickets.
    pub tickets: Tickets,
    /// How long a drain lets clients go by themselves, in milliseconds.
    pub drain_ms: u64,
    /// What trunks must know, where there are any.
    pub trunk: Option<Arc<TrunkConfig>>,
    /// Where clients are sent in a drain; nowhere if empty.
    pub drain_to: Option<Target>,
    /// Which accounts belong to which server; those of other slots are everybody's.
    pub homes: Vec<Home>,
    /// What all shards count together.
    pub figures: Arc<IcppFigures>,
}

/// A front-end to which clients are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub node: String,
    /// Where it is reached: to be tried in this order.
    pub urls: Vec<String>,
}

/// How one listener speaks.
#[derive(Clone)]
pub struct Listener {
    /// Makes the cipher that its connections begin with: TLS, WebSocket, or both. `None`: plain frames.
    pub cipher: Option<CipherFactory>,
    /// Whether passwords may be shown on it: it is encrypted, by us or by a proxy in front, or loopback.
    pub private: bool,
    /// Front-ends connect here with their trunks, and no clients.
    pub trunk: bool,
}

impl IcppConfig {
    /// Whether this is the address of a room, or of somebody in one.
    pub(crate) fn has_room(&self, address: &Jid) -> bool {
        address.node().is_some() && self.rooms.as_ref().is_some_and(|rooms| rooms.same_domain(address))
    }

    /// The listener of this number; the first of all if there is none.
    pub(crate) fn listener(&self, index: usize) -> Option<&Listener> {
        self.listeners.get(index)
    }
}

impl fmt::Debug for IcppConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("IcppConfig")
            .field("domain", &self.domain)
            .field("node", &self.node)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
