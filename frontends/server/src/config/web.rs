//! The `[web]` table: what is served over HTTP, and who may use it.

use serde::{Deserialize, Serialize};

/// The `[web]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Origins (RFC 6454) whose pages may talk to this server, by WebSocket and over HTTP; empty: all.
    pub origins: Vec<String>,
}
