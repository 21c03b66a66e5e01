//! Attached services: domains beside the switch's own, each answered for by something that connects to the switch (a component,
//! a gateway, later a link to another server).
//!
//! A domain hashes to a slot like a user, and lives on that shard. The session that has proved to be its service goes there
//! ([`Action::Attach`](crate::session::Action::Attach)), so that whatever is sent to any address of the domain is dispatched to one
//! shard, which either has the session or answers that there is none. Nothing is kept for a service that is away.
//!
//! Invariants:
//! - Which domains there are is configuration: nobody attaches under a domain that is not named here.
//! - A domain is attached once at a time.

use std::collections::HashMap;

use crate::jid::Jid;

/// A domain, and what its service is trusted with beyond speaking for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// An address without node and resource.
    pub domain: Jid,
    /// Whether it may send in the name of the switch and of its users ([`Action::SpeakFor`](crate::session::Action::SpeakFor)).
    pub speaks_for_users: bool,
    /// Whether it is told when sessions of users come and go.
    pub sees_presence: bool,
}

/// All of a switch, by domain.
#[derive(Debug, Clone, Default)]
pub struct Services(HashMap<Box<str>, Attached>);

impl Services {
    /// The later one wins, should two have one domain.
    pub fn new(services: impl IntoIterator<Item = Attached>) -> Services {
        let keyed = |service: Attached| (service.domain.domain().into(), service);
        Services(services.into_iter().map(keyed).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are told of sessions.
    pub fn watchers(&self) -> impl Iterator<Item = &Jid> {
        let watching = self.0.values().filter(|service| service.sees_presence);
        watching.map(|service| &service.domain)
    }

    /// The service that answers for a domain.
    pub fn get(&self, domain: &str) -> Option<&Attached> {
        self.0.get(domain)
    }
}
