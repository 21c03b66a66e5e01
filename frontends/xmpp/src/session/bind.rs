//! Resource binding (RFC 6120 section 7).
//!
//! Invariant: a stream binds exactly one resource; before that no stanza but the request itself is read.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, BindFault, Context};

use crate::codec::{Builder, Scanner, Stanza};
use crate::stanza::write;

use super::Flow;
use super::errors::StreamError;
use super::negotiate::{Negotiation, Stage};

/// Namespace of resource binding.
pub(super) const NS: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// An `<iq/>` of a stream that has authenticated but not bound: a request to bind, or a mistake.
pub(super) fn on_iq(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    cx: &mut Context<'_>,
) -> Flow {
    let Some(child) = scanner.children(stanza).find(|child| child.is("bind", NS)) else {
        return Flow::Fail(StreamError::NotAuthorized);
    };
    let id = stanza
        .id
        .map(|id| id.unescape().into_owned().into_bytes())
        .unwrap_or_default();
    let is_set = stanza.kind.is_some_and(|kind| kind == "set");
    let (true, false, Ok(request)) = (is_set, id.is_empty(), scanner.child_tree(stanza, &child)) else {
        write::error(cx.outbox, "iq", &id, None, None, Condition::BadRequest);
        return Flow::Next;
    };
    let resource = request
        .child("resource", NS)
        .map(|resource| resource.text().into_owned());
    cx.actions.push(Action::Pause);
    cx.actions.push(Action::Bind {
        resource: resource.filter(|resource| !resource.is_empty()),
    });
    negotiation.stage = Stage::Binding(id);
    Flow::Hold
}

/// Tells the client its address.
pub(super) fn write_bound(id: &[u8], address: &Jid, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(128);
    Builder::new(&mut payload)
        .open("bind")
        .attr("xmlns", NS)
        .open("jid")
        .text(address.as_str());
    write::iq(out, "result", id, None, None, &payload);
}

/// Tells the client why not (RFC 6120 section 7.7.2); it may try again.
pub(super) fn write_failed(id: &[u8], fault: BindFault, out: &mut Vec<u8>) {
    let condition = match fault {
        BindFault::Malformed => Condition::BadRequest,
        BindFault::TooMany => Condition::ResourceConstraint,
    };
    write::error(out, "iq", id, None, None, condition);
}
