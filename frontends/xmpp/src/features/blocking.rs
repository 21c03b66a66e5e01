//! XEP-0191 Blocking Command: a user's black list, read and changed. What a block does is the engine's work.

use crosspoint_engine::blocking::BLOCKED_MAX;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::reporting::{self, Report};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;

pub(super) const NS: &str = "urn:xmpp:blocking";

/// Addresses in one request: as many as a list can have.
pub const BLOCK_ITEMS_MAX: usize = BLOCKED_MAX;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(191, "1.3")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "blocklist",
            ns: NS,
            reach: Reach::OWN,
            run: list,
        },
        Handler {
            kind: QueryKind::Set,
            name: "block",
            ns: NS,
            reach: Reach::OWN,
            run: block,
        },
        Handler {
            kind: QueryKind::Set,
            name: "unblock",
            ns: NS,
            reach: Reach::OWN,
            run: unblock,
        },
    ],
};

/// Section 3.2. Who has asked for the list is pushed its changes.
fn list(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    host.block_interest(ask.session());
    let blocks = host.blocks(&ask.account()).ok_or(Condition::InternalServerError)?;
    Ok(Reply::Body(command("blocklist", blocks.iter())))
}

/// Section 3.3. What an item reports counts when the block is durable (XEP-0377 section 6).
fn block(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    let addresses = addresses(ask)?;
    let reports = reports(ask, &addresses)?;
    if addresses.is_empty() {
        return Err(Condition::BadRequest);
    }
    let (later, from, facts) = (ask.later(), ask.session().detached(), facts.reporting.clone());
    let then = move |result: Result<(), Condition>, host: &mut dyn Host| {
        if result.is_ok() {
            facts.take(reports, &from, host);
        }
        later.done(result, host);
    };
    host.block(&ask.account(), addresses, Box::new(then));
    Ok(Reply::Later)
}

/// Sections 3.4 and 3.5: no item means all.
fn unblock(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let addresses = addresses(ask)?;
    let later = ask.later();
    let then = move |result, host: &mut dyn Host| later.done(result, host);
    host.unblock(&ask.account(), addresses, Box::new(then));
    Ok(Reply::Later)
}

/// The items' addresses, in their order. Anything but items is a bad request: an unblock whose item is misspelt
/// must not empty the whole list.
fn addresses(ask: &Ask<'_>) -> Result<Vec<Jid>, Condition> {
    let mut addresses: Vec<Jid> = Vec::new();
    for item in ask.payload.children() {
        if item.name() != "item" || item.namespace() != NS {
            return Err(Condition::BadRequest);
        }
        let text = item.attr("jid").ok_or(Condition::BadRequest)?;
        let address = Jid::parse(text).map_err(|_| Condition::JidMalformed)?;
        if addresses.len() == BLOCK_ITEMS_MAX {
            return Err(Condition::NotAcceptable);
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// The reports of a block's items.
fn reports(ask: &Ask<'_>, addresses: &[Jid]) -> Result<Vec<Report>, Condition> {
    let items = ask.payload.children().zip(addresses);
    let reports = items.map(|(item, address)| reporting::of(item, address));
    Ok(reports.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The payload of a push (section 3.3 and 3.4): what was added, or taken away.
pub fn push_body(addresses: &[Jid], blocked: bool) -> Vec<u8> {
    command(if blocked { "block" } else { "unblock" }, addresses.iter())
}

fn command<'a>(name: &str, addresses: impl Iterator<Item = &'a Jid>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open(name).attr("xmlns", NS);
    for address in addresses {
        el.open("item").attr("jid", address.as_str()).close();
    }
    el.finish();
    out
}
