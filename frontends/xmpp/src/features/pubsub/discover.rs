//! Service discovery of nodes (XEP-0060 sections 5.2 to 5.5): which there are, what they are, what they hold.
//!
//! Invariant: a node is shown to who may read it; to others there is none. An account without nodes and one that does not
//! exist say the same.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::super::ask::{Ask, Reply};
use super::super::disco::{NS_INFO, NS_ITEMS};
use super::super::{Outcome, Target};
use super::node::Node;
use super::retrieve;
use super::{Fault, NS};
use crate::codec::Builder;

/// The type of the form that tells of a node.
const META_DATA: &str = "http://jabber.org/protocol/pubsub#meta-data";

/// An identity of a service or node.
pub fn identity(kind: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::new(&mut out)
        .open("identity")
        .attr("category", "pubsub")
        .attr("type", kind);
    out
}

/// disco#info of a node.
pub fn node_info(ask: &Ask<'_>, node: &str, host: &mut dyn Host) -> Outcome {
    one_node(ask, node, host, Err(Condition::ServiceUnavailable), |name, node, _| {
        let config = node.config.form("result", META_DATA);
        let mut out = Vec::new();
        let mut el = Builder::new(&mut out);
        el.open("query")
            .attr("xmlns", NS_INFO)
            .attr("node", name)
            .raw(&identity("leaf"));
        el.open("feature").attr("var", NS).close();
        config.write(&mut el);
        el.finish();
        out
    })
}

/// disco#items of a node: the items that it holds.
pub fn node_items(ask: &Ask<'_>, node: &str, host: &mut dyn Host) -> Outcome {
    let mut none = Vec::new();
    Builder::new(&mut none).empty("query", NS_ITEMS);
    one_node(ask, node, host, Ok(Reply::Body(none)), |name, node, owner| {
        let mut out = Vec::new();
        let mut el = Builder::new(&mut out);
        el.open("query").attr("xmlns", NS_ITEMS).attr("node", name);
        for kept in &node.items {
            el.open("item")
                .attr("jid", owner.as_str())
                .attr("name", kept.id.as_str())
                .close();
        }
        el.finish();
        out
    })
}

/// Reads one node and answers; to who may not know of the account, with what a stranger is told.
fn one_node(
    ask: &Ask<'_>,
    node: &str,
    host: &mut dyn Host,
    stranger: Outcome,
    write: impl FnOnce(&str, &Node, &Jid) -> Vec<u8> + Send + 'static,
) -> Outcome {
    let (owner, who, later) = (ask.account(), ask.session().clone(), ask.later());
    let of = owner.clone();
    let missing = match ask.may_see(host) {
        true => Err(Condition::ItemNotFound),
        false => stranger,
    };
    let found = move |nodes: Result<Vec<(String, Node)>, Fault>, host: &mut dyn Host| {
        let readable = |(_, node): &(String, Node)| node.may_read(&owner, &who, host).is_ok();
        let found = nodes.map(|nodes| nodes.into_iter().find(readable));
        let reply = match found {
            Ok(Some((name, node))) => Ok(Reply::Body(write(&name, &node, &owner))),
            Ok(None) => missing,
            Err(Fault {
                condition: Condition::ItemNotFound,
                ..
            }) => missing,
            Err(fault) => Err(fault.condition),
        };
        later.finish(reply, host);
    };
    retrieve::with_nodes(&of, Some(node.to_owned()), Box::new(found), host);
    Ok(Reply::Later)
}

/// disco#items of an account: its available sessions, to who may see it, and the nodes that the asker may read.
pub fn nodes(ask: &Ask<'_>, visible: bool, host: &mut dyn Host) -> Outcome {
    let (owner, who, later) = (ask.account(), ask.session().clone(), ask.later());
    let of = owner.clone();
    debug_assert!(ask.target != Target::Domain, "the domain has no nodes");
    let found = move |nodes: Result<Vec<(String, Node)>, Fault>, host: &mut dyn Host| {
        let mut out = Vec::new();
        let mut el = Builder::new(&mut out);
        el.open("query").attr("xmlns", NS_ITEMS);
        let sessions = if visible { host.available(&owner) } else { Vec::new() };
        for (session, _) in sessions {
            el.open("item").attr("jid", session.as_str()).close();
        }
        for (name, node) in nodes.iter().flatten() {
            if node.may_read(&owner, &who, host).is_ok() {
                let title = (!node.config.title.is_empty()).then_some(node.config.title.as_str());
                el.open("item")
                    .attr("jid", owner.as_str())
                    .attr("node", name.as_str())
                    .attr_opt("name", title)
                    .close();
            }
        }
        el.finish();
        later.finish(Ok(Reply::Body(out)), host);
    };
    retrieve::with_nodes(&of, None, Box::new(found), host);
    Ok(Reply::Later)
}
