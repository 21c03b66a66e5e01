//! STARTTLS (RFC 6120 section 5).
//!
//! Invariant: not a byte that arrived before the handshake is ever read as part of the encrypted stream.

use crosspoint_engine::session::{Action, Context, TlsFacts};

use crate::config::XmppConfig;

use super::Flow;
use super::negotiate::{Negotiation, Stage};

/// `<starttls/>`: `<proceed/>` and the handshake, or, where it is not on offer, `<failure/>` and the end.
pub(super) fn on_request(negotiation: &mut Negotiation, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    if !negotiation.offers_tls(config) || !matches!(negotiation.stage, Stage::Choice) {
        cx.outbox
            .extend_from_slice(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        return Flow::Finish;
    }
    cx.outbox
        .extend_from_slice(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    cx.actions.push(Action::StartTls);
    negotiation.stage = Stage::Handshake;
    Flow::Discard
}

/// The handshake is complete: a new stream begins.
pub(super) fn on_secured(negotiation: &mut Negotiation, facts: TlsFacts) {
    negotiation.tls = Some(facts);
    negotiation.restart();
}
