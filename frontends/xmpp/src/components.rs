//! Which components may connect (XEP-0114), and what else they may do (XEP-0356): a part of the configuration.
//!
//! Invariant: a secret is shown nowhere, not even to somebody who debugs.

use std::fmt;

use crosspoint_engine::jid::Jid;

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The domain that it answers for.
    pub domain: Jid,
    /// What it and the server know.
    pub secret: Secret,
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
