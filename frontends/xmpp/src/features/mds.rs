//! XEP-0490 Message Displayed Synchronisation: a private node (`pubsub/config.rs` sees to that), and the server's assistance,
//! by which a message to a contact also says to the user's other clients how far it was read.
//!
//! Invariants:
//! - What is for the own clients never reaches the contact: it is cut out of the message before anything else looks at it.
//! - Nobody waits for the publication that is made of it: its answer is for nobody.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;

use super::ask::FOR_NOBODY;
use super::pubsub::{self, ITEM_BYTES_MAX};
use super::{Feature, Xep, xml};
use crate::codec::{Builder, Child, Element};

/// The node, and the namespace of its payloads.
pub const NS: &str = "urn:xmpp:mds:displayed:0";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(490, "1.0.1")],
    enabled: |_| true,
    domain: &[],
    account: &["urn:xmpp:mds:server-assist:0"],
    handlers: &[],
};

/// Whether a message's child is for the server and the own clients only.
pub(crate) fn is_assisted(child: &Child<'_>) -> bool {
    child.is("displayed", NS)
}

/// The publication that a session of `own` asks for by such a child of a message to somebody (section 3.4.3).
pub(crate) fn publication(own: &Jid, to: &Jid, displayed: &Element<'_>) -> Option<Envelope> {
    let payload = xml::standalone(displayed, ITEM_BYTES_MAX)?;
    let mut body = Vec::new();
    let mut el = Builder::new(&mut body);
    el.open("pubsub")
        .attr("xmlns", pubsub::NS)
        .open("publish")
        .attr("node", NS);
    el.open("item").attr("id", to.as_str()).raw(&payload);
    el.finish();
    let mut query = Envelope::neutral(own.clone(), own.to_bare(), Kind::Query(QueryKind::Set));
    query.id = Bytes::from_static(FOR_NOBODY);
    query.content = Content {
        codec: Codec::Xmpp,
        head: Bytes::new(),
        body: body.into(),
    };
    Some(query)
}
