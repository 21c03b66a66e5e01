//! Which components may connect (XEP-0114), and what else they may do (XEP-0356): a part of the configuration.
//!
//! Invariant: a secret is shown nowhere, not even to somebody who debugs.

use std::fmt;

use crosspoint_engine::envelope::QueryKind;
use crosspoint_engine::jid::Jid;

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The domain that it answers for.
    pub domain: Jid,
    /// What it and the server know.
    pub secret: Secret,
    /// What it may do beyond speaking for its domain.
    pub privileges: Privileges,
}

/// What a component may do in the name of users, and what it may know of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Users' rosters (XEP-0356 section 4).
    pub roster: Access,
    /// Whether it is told of changes of rosters that it may read.
    pub roster_pushes: bool,
    /// Whether it may send messages in the name of the server and its users (section 5).
    pub message: bool,
    /// What it may ask in the name of users, by the payload's namespace (section 6).
    pub queries: Vec<(String, Access)>,
    /// Whether it sees users come and go (section 7.1).
    pub presence: bool,
}

/// Kinds of queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Neither.
    #[default]
    None,
    /// `get`.
    Get,
    /// `set`.
    Set,
    /// Both.
    Both,
}

impl Access {
    /// Whether queries of this kind are among them.
    pub(crate) fn allows(self, kind: QueryKind) -> bool {
        match kind {
            QueryKind::Get => matches!(self, Access::Get | Access::Both),
            QueryKind::Set => matches!(self, Access::Set | Access::Both),
            QueryKind::Result | QueryKind::Error => false,
        }
    }

    /// As it is announced.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Access::None => "none",
            Access::Get => "get",
            Access::Set => "set",
            Access::Both => "both",
        }
    }
}

impl Privileges {
    /// Whether there is anything to announce.
    pub(crate) fn are_any(&self) -> bool {
        *self != Privileges::default()
            && (self.roster != Access::None || self.message || self.presence || !self.queries.is_empty())
    }

    /// Whether it is told of changes of rosters.
    pub(crate) fn hears_of_rosters(&self) -> bool {
        self.roster_pushes && self.roster.allows(QueryKind::Get)
    }

    /// What it may ask with payloads of this namespace.
    pub(crate) fn queries_in(&self, namespace: &str) -> Access {
        let granted = self.queries.iter().find(|(known, _)| known == namespace);
        granted.map_or(Access::None, |(_, access)| *access)
    }
}

/// What a component proves to know by its handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// From its bytes; an empty one opens nothing.
    pub fn new(secret: impl Into<Vec<u8>>) -> Secret {
        Secret(secret.into().into_boxed_slice())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("wherefore")), "Secret(..)");
    }
}
