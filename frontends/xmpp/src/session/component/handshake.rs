//! How a component's stream begins: its header, ours, and the proof that it knows the secret (XEP-0114 section 3).
//!
//! Invariants: the secret is compared in constant time, and a stream is given one attempt.

use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec::{CLIENT, COMPONENT, Header, STREAMS, Stanza};
use crate::stanza::write;

use super::super::Flow;
use super::super::errors::StreamError;
use super::{ComponentSession, Stage};

/// Random bytes of a stream identifier: the handshake is as good as this is unpredictable.
const STREAM_ID_BYTES: usize = 18;

impl ComponentSession {
    /// Checks the component's header, and answers with ours.
    pub(super) fn on_header(&mut self, header: &Header<'_>, cx: &mut Context<'_>) -> Flow {
        if header.default_namespace != COMPONENT {
            return Flow::Fail(StreamError::InvalidNamespace);
        }
        let Some(to) = header.to.and_then(|to| Jid::parse(&to.unescape()).ok()) else {
            return Flow::Fail(StreamError::ImproperAddressing);
        };
        let components = &self.shared.config.components;
        let Some(index) = components.iter().position(|component| component.domain == to) else {
            return Flow::Fail(StreamError::HostUnknown);
        };
        let id = self.write_header(Some(&to), cx);
        self.stage = Stage::Handshake(index, id);
        Flow::Next
    }

    /// Our header: what everything else, errors included, must follow. Gives the stream's identifier.
    pub(super) fn write_header(&mut self, component: Option<&Jid>, cx: &mut Context<'_>) -> String {
        let mut id = [0; STREAM_ID_BYTES];
        cx.random.fill(&mut id);
        let id = URL_SAFE_NO_PAD.encode(id);
        let from = component.unwrap_or(&self.shared.config.domain);
        let out = &mut *cx.outbox;
        out.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        write::attribute(out, "xmlns", COMPONENT.as_bytes());
        write::attribute(out, "xmlns:stream", STREAMS.as_bytes());
        write::attribute(out, "from", from.as_bytes());
        write::attribute(out, "id", id.as_bytes());
        out.push(b'>');
        self.header_sent = true;
        id
    }

    /// The proof. Another element is refused as a wrong one is.
    pub(super) fn on_handshake(&mut self, stanza: &Stanza<'_>, cx: &mut Context<'_>) -> Flow {
        let Stage::Handshake(index, id) = &self.stage else {
            return Flow::Fail(StreamError::NotAuthorized);
        };
        let index = *index;
        let named = stanza.name == "handshake" && matches!(&*stanza.namespace, CLIENT | COMPONENT);
        let known = self.component(index).filter(|_| named);
        if !known.is_some_and(|component| proves(stanza.body(), id, component.secret.bytes())) {
            cx.actions.push(Action::AuthFailed { account: None });
            return Flow::Fail(StreamError::NotAuthorized);
        }
        self.stage = Stage::Attaching(index);
        cx.actions.push(Action::Pause);
        self.attach(index, cx);
        Flow::Hold
    }
}

/// Whether this is the SHA-1 of identifier and secret, in lower-case hex. Nothing is proved by an empty secret.
fn proves(shown: &str, id: &str, secret: &[u8]) -> bool {
    let digest = Sha1::new().chain_update(id).chain_update(secret).finalize();
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    !secret.is_empty() && bool::from(expected.as_bytes().ct_eq(shown.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hash_of_identifier_and_secret() {
        // printf 3BF96D32secret | sha1sum
        let hash = "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136";
        assert!(proves(hash, "3BF96D32", b"secret"));
        for (shown, id, secret) in [
            (hash, "3BF96D33", &b"secret"[..]),
            (hash, "3BF96D32", b"Secret"),
            (&hash.to_uppercase(), "3BF96D32", b"secret"),
            (&hash[..39], "3BF96D32", b"secret"),
            ("", "3BF96D32", b"secret"),
        ] {
            assert!(!proves(shown, id, secret), "{shown} {id}");
        }
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let hash: String = Sha1::digest("3BF96D32")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(!proves(&hash, "3BF96D32", b""));
    }
}
