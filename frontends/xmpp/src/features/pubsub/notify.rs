//! Events: who is told of a change, and what (XEP-0060 section 7.1.2, XEP-0163 section 4).
//!
//! ```text
//! owner's home ──one message each──▶ the contacts' homes ──those sessions that said `node+notify`──▶ sessions
//!              └─▶ the owner's own bare address, likewise; explicit subscribers without that condition
//! ```
//! Invariants:
//! - Only who may read the node is told, and nobody whom the owner blocks.
//! - A change is written once; all recipients share its bytes. It is shed for who reads slowly, as presence is.
//! - There is one message for each contact of the roster and each explicit subscriber: both are bounded.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Hints, Kind, MessageKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::NS_EVENT;
use super::node::Node;
use crate::codec::Builder;

/// What has happened to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An item was published.
    Item { id: String, payload: Bytes },
    /// An item was taken back.
    Retracted { id: String },
    /// All were.
    Purged,
    /// The node is no more; it was this one.
    Deleted(Box<Node>),
    /// It is configured otherwise.
    Configured,
}

/// Tells of what has happened to a node.
pub fn tell(owner: &Jid, name: &str, node: Option<&Node>, events: &[Event], host: &mut dyn Host) {
    for event in events {
        let node = match event {
            Event::Deleted(node) => Some(&**node),
            _ => node,
        };
        let Some(node) = node.filter(|node| node.config.flags.deliver_notifications) else {
            continue;
        };
        let body = Bytes::from(body(name, node, event));
        for (to, hints) in recipients(owner, node, host) {
            host.send(message(owner, to, node, body.clone(), hints));
        }
    }
}

/// A node's event for one address, addressed to sessions that want it or to all.
pub fn message(owner: &Jid, to: Jid, node: &Node, body: Bytes, hints: Hints) -> Envelope {
    let kind = match node.config.flags.normal_messages {
        true => MessageKind::Normal,
        false => MessageKind::Headline,
    };
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body,
        },
        hints: hints.with(Hints::DEFER),
        ..Envelope::neutral(owner.to_bare(), to, Kind::Message(kind))
    }
}

fn recipients(owner: &Jid, node: &Node, host: &dyn Host) -> Vec<(Jid, Hints)> {
    let mut found = vec![(owner.to_bare(), Hints::EVENT)];
    let reads = |who: &Jid| {
        node.may_read(owner, who, host).is_ok() && !host.blocks(owner).is_some_and(|blocks| blocks.blocks(who))
    };
    let subscribers = node.subscribers.iter().filter(|who| who.same_bare(owner) || reads(who));
    found.extend(subscribers.map(|who| (who.clone(), Hints::NONE)));
    if let Some(roster) = host.roster(owner) {
        let explicit = |who: &Jid| node.subscribers.iter().any(|known| known == who);
        let contacts = roster.subscribers().filter(|who| !explicit(who) && reads(who));
        found.extend(contacts.map(|who| (who.clone(), Hints::EVENT)));
    }
    found
}

/// The `<event/>` element.
fn body(name: &str, node: &Node, event: &Event) -> Vec<u8> {
    match event {
        Event::Item { id, payload } => {
            let payload = node.config.flags.deliver_payloads.then_some(&payload[..]);
            item_body(name, id, payload, None)
        }
        Event::Retracted { id } => element("items", name, |el| {
            el.open("retract").attr("id", id.as_str()).close();
        }),
        Event::Purged => element("purge", name, |_| {}),
        Event::Deleted(_) => element("delete", name, |_| {}),
        Event::Configured => element("configuration", name, |_| {}),
    }
}

/// The event of one item; with the time of its publication when that is past (XEP-0203).
pub fn item_body(name: &str, id: &str, payload: Option<&[u8]>, delayed: Option<u64>) -> Vec<u8> {
    let mut body = element("items", name, |el| {
        el.open("item").attr("id", id);
        el.raw(payload.unwrap_or_default());
        el.close();
    });
    if let Some(stamp_ms) = delayed {
        body.extend_from_slice(b"<delay xmlns='urn:xmpp:delay' stamp='");
        crate::stanza::time::write(&mut body, stamp_ms);
        body.extend_from_slice(b"'/>");
    }
    body
}

fn element(what: &str, node: &str, children: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("event").attr("xmlns", NS_EVENT);
    el.open(what).attr("node", node);
    children(&mut el);
    el.finish();
    out
}

/// The node that an event is about.
pub fn node_of(body: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let text = str::from_utf8(body).ok()?;
    let head = text.get(text.find("node=\"")? + 6..)?;
    Some(crate::codec::unescape_text(head.get(..head.find('"')?)?))
}
