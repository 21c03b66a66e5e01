//! What owners do: create, configure, delete, purge, affiliations, others' subscriptions (XEP-0060 section 8).
//!
//! Invariant: only the owner sees or changes any of it; whoever else asks is told `forbidden`, whether the node exists or not.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::config::{Config, NODE_CONFIG};
use super::node::{Affiliation, Node};
use super::notify::Event;
use super::sheet::{self, Sheet};
use super::{
    AFFILIATIONS_PER_NODE_MAX, Begun, Case, Detail, Fault, NS, NS_OWNER, Reply, Request, SUBSCRIBERS_PER_NODE_MAX,
    owner_only, read, retrieve,
};
use crate::codec::Builder;

/// Changes a node of the asker's and answers.
fn change(
    case: Box<Case>,
    node: &str,
    host: &mut dyn Host,
    edit: impl FnOnce(&mut Sheet, &dyn Host) -> Result<(), Fault> + Send + 'static,
) -> Begun {
    read!(case, owner_only(&case));
    let owner = case.owner.clone();
    let done = |done: Result<(), Fault>, host: &mut dyn Host| case.answer(done.map(|()| Reply::Empty), host);
    sheet::edit(&owner, node, Box::new(edit), Box::new(done), host);
    Ok(())
}

/// Reads a node of the asker's and answers with what is made of it.
fn show(
    case: Box<Case>,
    node: &str,
    host: &mut dyn Host,
    write: impl FnOnce(&str, &Node, &Jid) -> Vec<u8> + Send + 'static,
) -> Begun {
    read!(case, owner_only(&case));
    let owner = case.owner.clone();
    let found = move |nodes: Result<Vec<(String, Node)>, Fault>, host: &mut dyn Host| {
        let node = nodes.and_then(|nodes| nodes.into_iter().next().ok_or(Condition::ItemNotFound.into()));
        let body = node.map(|(name, node)| Reply::Body(write(&name, &node, &case.owner)));
        case.answer(body, host);
    };
    retrieve::with_nodes(&owner, Some(node.to_owned()), Box::new(found), host);
    Ok(())
}

pub fn create(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let named = request.main.attr("node").filter(|node| !node.is_empty());
    let node = match named {
        Some(_) => read!(case, request.node()).to_owned(),
        // Section 8.1.2: an instant node, which nobody else can have named.
        None => format!("{:x}", host.now().unix_ms),
    };
    let configure = request.pubsub.child("configure", NS);
    let form = read!(
        case,
        configure.map_or(Ok(None), |child| request.form(child, NODE_CONFIG))
    );
    let config = Config::of_new(&node);
    let config = read!(case, form.map_or(Ok(config.clone()), |form| config.with(&form)));
    read!(case, owner_only(&case));
    let (owner, instant, name) = (case.owner.clone(), named.is_none(), node.clone());
    let edit = move |sheet: &mut Sheet, _: &dyn Host| match sheet.node {
        Some(_) => Err(Condition::Conflict.into()),
        None => sheet.create(config).map(drop),
    };
    let done = move |done: Result<(), Fault>, host: &mut dyn Host| {
        let reply = done.map(|()| match instant {
            true => Reply::Body(created(&name)),
            false => Reply::Empty,
        });
        case.answer(reply, host);
    };
    sheet::edit(&owner, &node, Box::new(edit), Box::new(done), host);
    Ok(())
}

fn created(node: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub").attr("xmlns", NS).open("create").attr("node", node);
    el.finish();
    out
}

pub fn configuration(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    show(case, node, host, |name, node, _| {
        owned("configure", Some(name), |el| {
            node.config.form("form", NODE_CONFIG).write(el);
        })
    })
}

/// Section 8.3: what a new node is.
pub fn default(case: Box<Case>, host: &mut dyn Host) -> Begun {
    read!(case, owner_only(&case));
    let config = Config::default();
    let body = owned("default", None, |el| config.form("form", NODE_CONFIG).write(el));
    case.answer(Ok(Reply::Body(body)), host);
    Ok(())
}

pub fn configure(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let form = read!(case, request.form(request.main, NODE_CONFIG)).map(super::Form::into_owned);
    change(case, node, host, move |sheet, _| {
        let node = sheet.node()?;
        // Cancelled (section 8.2.2).
        let Some(form) = form else { return Ok(()) };
        node.config = node.config.with(&form)?;
        let gone = node.shrink();
        if node.config.flags.notify_config {
            sheet.events.push(Event::Configured);
        }
        sheet.forget(&gone);
        Ok(())
    })
}

pub fn delete(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    change(case, node, host, |sheet, _| {
        sheet.node()?;
        sheet.delete();
        Ok(())
    })
}

pub fn purge(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    change(case, node, host, |sheet, _| {
        let node = sheet.node()?;
        let gone: Vec<String> = node.items.drain(..).map(|kept| kept.id).collect();
        if node.config.flags.notify_retract {
            sheet.events.push(Event::Purged);
        }
        sheet.forget(&gone);
        Ok(())
    })
}

pub fn affiliations(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    show(case, node, host, |name, node, owner| {
        owned("affiliations", Some(name), |el| {
            let own = (owner.clone(), Affiliation::Owner);
            for (who, affiliation) in std::iter::once(&own).chain(&node.affiliations) {
                el.open("affiliation")
                    .attr("jid", who.as_str())
                    .attr("affiliation", affiliation.name())
                    .close();
            }
        })
    })
}

/// Section 8.9.2. The account itself is the owner, for ever, and the only one.
pub fn affiliate(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let mut wanted = Vec::new();
    for child in request
        .main
        .children()
        .filter(|child| child.is("affiliation", NS_OWNER))
    {
        let who = child.attr("jid").and_then(|jid| Jid::parse(jid).ok());
        let who = read!(case, who.ok_or(Condition::JidMalformed)).to_bare().detached();
        let affiliation = child.attr("affiliation").and_then(Affiliation::from_name);
        let affiliation = read!(case, affiliation.ok_or(Condition::NotAcceptable));
        let owns = who.same_bare(&case.owner);
        if owns != (affiliation == Affiliation::Owner) {
            return Err((case, Condition::NotAcceptable.into()));
        }
        if !owns {
            wanted.push((who, affiliation));
        }
    }
    change(case, node, host, move |sheet, _| {
        let node = sheet.node()?;
        for (who, affiliation) in wanted {
            node.affiliations.retain(|(known, _)| *known != who);
            if affiliation != Affiliation::None {
                node.affiliations.push((who, affiliation));
            }
        }
        match node.affiliations.len() <= AFFILIATIONS_PER_NODE_MAX {
            true => Ok(()),
            false => Err(Condition::ResourceConstraint.into()),
        }
    })
}

pub fn subscriptions(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    show(case, node, host, |name, node, _| {
        owned("subscriptions", Some(name), |el| {
            for who in &node.subscribers {
                el.open("subscription")
                    .attr("jid", who.as_str())
                    .attr("subscription", "subscribed")
                    .close();
            }
        })
    })
}

/// Section 8.8.2.
pub fn set_subscriptions(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let mut wanted = Vec::new();
    for child in request
        .main
        .children()
        .filter(|child| child.is("subscription", NS_OWNER))
    {
        let who = child.attr("jid").and_then(|jid| Jid::parse(jid).ok());
        let who = read!(case, who.ok_or(Condition::JidMalformed)).detached();
        match child.attr("subscription") {
            Some("subscribed") => wanted.push((who, true)),
            Some("none") => wanted.push((who, false)),
            _ => return Err((case, Condition::NotAcceptable.into())),
        }
    }
    change(case, node, host, move |sheet, _| {
        let node = sheet.node()?;
        for (who, subscribed) in wanted {
            node.subscribers.retain(|known| *known != who);
            if subscribed {
                node.subscribers.push(who);
            }
        }
        match node.subscribers.len() <= SUBSCRIBERS_PER_NODE_MAX {
            true => Ok(()),
            false => Err(Fault::new(Condition::PolicyViolation, Detail::TooManySubscriptions)),
        }
    })
}

/// Section 5.7: what the asker may do with this account's nodes.
pub fn my_affiliations(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let only = request
        .main
        .attr("node")
        .filter(|node| !node.is_empty())
        .map(str::to_owned);
    let owner = case.owner.clone();
    let found = move |nodes: Result<Vec<(String, Node)>, Fault>, host: &mut dyn Host| {
        let body = nodes.map(|nodes| Reply::Body(affiliated(&nodes, &case)));
        case.answer(body, host);
    };
    retrieve::with_nodes(&owner, only, Box::new(found), host);
    Ok(())
}

fn affiliated(nodes: &[(String, Node)], case: &Case) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub").attr("xmlns", NS).open("affiliations");
    for (name, node) in nodes {
        match node.affiliation(&case.owner, &case.who) {
            Affiliation::None => {}
            some => drop(
                el.open("affiliation")
                    .attr("node", name.as_str())
                    .attr("affiliation", some.name())
                    .close(),
            ),
        }
    }
    el.finish();
    out
}

fn owned(what: &str, node: Option<&str>, children: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub")
        .attr("xmlns", NS_OWNER)
        .open(what)
        .attr_opt("node", node);
    children(&mut el);
    el.finish();
    out
}
