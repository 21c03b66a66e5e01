//! Explicit subscriptions (XEP-0060 section 6). Those that presence implies are nowhere written (`notify.rs`).
//!
//! Invariant: a subscription is for an address of whoever asked for it, and is given up by its owner or by whoever owns the node.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::node::Node;
use super::sheet::{self, Sheet};
use super::{Begun, Case, Detail, Fault, NS, Reply, Request, SUBSCRIBERS_PER_NODE_MAX, read, retrieve};
use crate::codec::Builder;

pub fn subscribe(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let subscriber = read!(case, subscriber(request, &case.who));
    let (owner, name) = (case.owner.clone(), node.to_owned());
    let who = subscriber.clone();
    let edit = move |sheet: &mut Sheet, host: &dyn Host| {
        let owner = sheet.owner.clone();
        let node = sheet.node()?;
        node.may_read(&owner, &who, host)?;
        if !node.subscribers.contains(&who) {
            if node.subscribers.len() >= SUBSCRIBERS_PER_NODE_MAX {
                return Err(Fault::new(Condition::PolicyViolation, Detail::TooManySubscriptions));
            }
            node.subscribers.push(who);
        }
        Ok(())
    };
    let done = move |done: Result<(), Fault>, host: &mut dyn Host| {
        let subscribed = done.is_ok();
        let body = done.map(|()| Reply::Body(one(&name, &subscriber)));
        let owner = case.owner.clone();
        case.answer(body, host);
        if subscribed {
            // Section 6.1.7: the last item follows.
            retrieve::send_last(&owner, &subscriber, vec![name], retrieve::Occasion::Subscribed, host);
        }
    };
    sheet::edit(&owner, node, Box::new(edit), Box::new(done), host);
    Ok(())
}

pub fn unsubscribe(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let who = read!(case, subscriber(request, &case.who));
    let owner = case.owner.clone();
    let edit = move |sheet: &mut Sheet, _: &dyn Host| {
        let node = sheet.node()?;
        let before = node.subscribers.len();
        node.subscribers.retain(|known| *known != who);
        if node.subscribers.len() == before {
            return Err(Fault::new(Condition::UnexpectedRequest, Detail::NotSubscribed));
        }
        Ok(())
    };
    let done = |done: Result<(), Fault>, host: &mut dyn Host| case.answer(done.map(|()| Reply::Empty), host);
    sheet::edit(&owner, node, Box::new(edit), Box::new(done), host);
    Ok(())
}

/// The asker's own subscriptions, to one node or to all of the account's.
pub fn mine(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let only = request
        .main
        .attr("node")
        .filter(|node| !node.is_empty())
        .map(str::to_owned);
    let owner = case.owner.clone();
    retrieve::with_nodes(
        &owner,
        only,
        Box::new(move |nodes, host| {
            let body = nodes.map(|nodes| Reply::Body(listed(&nodes, &case.who)));
            case.answer(body, host);
        }),
        host,
    );
    Ok(())
}

fn listed(nodes: &[(String, Node)], who: &Jid) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub").attr("xmlns", NS).open("subscriptions");
    for (name, node) in nodes {
        for subscriber in node.subscribers.iter().filter(|known| known.same_bare(who)) {
            el.open("subscription").attr("node", name.as_str());
            el.attr("jid", subscriber.as_str())
                .attr("subscription", "subscribed")
                .close();
        }
    }
    el.finish();
    out
}

fn one(node: &str, who: &Jid) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub").attr("xmlns", NS).open("subscription");
    el.attr("node", node)
        .attr("jid", who.as_str())
        .attr("subscription", "subscribed");
    el.finish();
    out
}

/// The address that is to be subscribed or not any more: one of whoever asks.
fn subscriber(request: &Request<'_>, who: &Jid) -> Result<Jid, Fault> {
    let named = request
        .main
        .attr("jid")
        .ok_or(Fault::new(Condition::BadRequest, Detail::JidRequired))?;
    match Jid::parse(named) {
        Ok(jid) if jid.same_bare(who) => Ok(jid.detached()),
        _ => Err(Fault::new(Condition::BadRequest, Detail::InvalidJid)),
    }
}
