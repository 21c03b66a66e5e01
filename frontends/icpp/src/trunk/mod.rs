//! Trunks (SPEC.md section 11.3): a front-end's connection to one shard of a back-end, with many sessions in it.
//!
//! ```text
//!   front-end                                      back-end
//!   HELLO {TRUNK, SHARD} ─▶            ◀─ WELCOME {NONCE, SHARDS}
//!   AUTH {HMAC(key, ...)} ─▶           ◀─ AUTHED                      the trunk is on its shard now
//!   OPEN slot 7 ─▶  HELLO slot 7 ─▶    ◀─ WELCOME slot 7 ...          a passenger of the engine's
//! ```
//! `session` is the back-end's end, `nodes` what the front-ends say of themselves. The other end is in `edge/`.
//!
//! Invariant: nothing is said or done for a peer that has not proved that it holds the cluster's key.

mod counted;
mod feeding;
pub mod nodes;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::codec::{FRAME_BYTES, Header, Verb};
use crate::figures::IcppFigures;
pub use nodes::Nodes;
pub use session::TrunkSession;
pub(crate) use session::farewell;

/// A trunk must be proved and placed by then.
pub const LOGIN_MS: u64 = 10_000;
/// How often both ends of a trunk look after it, and say how they are.
pub const TICK_MS: u64 = 1_000;
/// An end that has been silent for so long is gone.
pub const SILENCE_MS: u64 = 15_000;
/// Largest frame on a trunk, of its own or of a session's, before it is refused.
pub const TRUNK_FRAME_BYTES_MAX: u32 = 1024 * 1024;
/// Longest name of a node.
pub const NODE_BYTES_MAX: usize = 255;
/// What the carrier of a session tells it: send your client elsewhere. With the body of a REDIRECT.
pub const REDIRECT: u16 = Verb::Redirect as u16;

const _: () = assert!(TRUNK_FRAME_BYTES_MAX >= FRAME_BYTES);
const _: () = assert!(SILENCE_MS > 2 * TICK_MS);

/// What a back-end knows of trunks.
#[derive(Debug, Clone)]
pub struct TrunkConfig {
    /// The back-end's name.
    pub node: String,
    /// Who has it belongs to the cluster.
    pub key: ClusterKey,
    /// How many shards there are.
    pub shards: u16,
    /// The front-ends, as far as they have said something.
    pub nodes: Nodes,
    /// What all trunks count together.
    pub figures: Arc<IcppFigures>,
}

/// The secret that all nodes of a cluster share.
#[derive(Clone)]
pub struct ClusterKey(pub [u8; 32]);

impl ClusterKey {
    fn mac(&self, nonce: &[u8; 32], node: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        for part in [b"icpp trunk 1", &nonce[..], node.as_bytes()] {
            mac.update(part);
        }
        mac
    }

    /// What proves that the node of this name has the key.
    #[must_use]
    pub fn prove(&self, nonce: &[u8; 32], node: &str) -> [u8; 32] {
        self.mac(nonce, node).finalize().into_bytes().into()
    }

    /// Whether it was proved; in constant time.
    #[must_use]
    pub fn is_proved(&self, nonce: &[u8; 32], node: &str, proof: &[u8]) -> bool {
        self.mac(nonce, node).verify_slice(proof).is_ok()
    }
}

impl std::fmt::Debug for ClusterKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ClusterKey")
    }
}

/// The header of a push that belongs to a session of a trunk, or to the trunk itself.
pub(crate) fn push(verb: Verb, slot: u16) -> Header {
    Header {
        slot,
        ..Header::push(verb, 0)
    }
}

/// Whether only the ends of a trunk may say this: from a client it is a fault.
#[must_use]
pub fn is_for_trunks(verb: u8) -> bool {
    let verbs = [Verb::Open, Verb::Close, Verb::Hold, Verb::Topology, Verb::Redirect];
    verbs.iter().any(|own| *own as u8 == verb)
}
