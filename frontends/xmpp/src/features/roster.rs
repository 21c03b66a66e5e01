//! RFC 6121 section 2: the roster, read (whole, or what has changed since a version) and changed.
//!
//! Invariants:
//! - Nobody but the account's own sessions gets as far as the roster.
//! - A version on the wire is the decimal of the roster's version; what we cannot read is a version that we do not know.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::item::GROUPS_MAX;
use crosspoint_engine::roster::{Item, Push, Roster, Since, Subscription};
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::{Builder, Element};

pub(super) const NS: &str = "jabber:iq:roster";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(237, "1.3")],
    enabled: |_| true,
    domain: &[NS],
    account: &[NS],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: get,
        },
        Handler {
            kind: QueryKind::Set,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: set,
        },
    ],
};

/// Sections 2.1.3 and 2.6. Who has asked for the roster is pushed its changes, from the version on that is sent here.
fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    if ask.payload.children().next().is_some() {
        return Err(Condition::BadRequest);
    }
    let roster = host.roster(&ask.account()).ok_or(Condition::ItemNotFound)?;
    let pushes = match roster.since(known_version(ask)) {
        Since::Pushes(pushes) => pushes,
        Since::Whole => {
            let body = whole(roster);
            host.roster_interest(ask.session());
            return Ok(Reply::Body(body));
        }
    };
    host.roster_interest(ask.session());
    ask.later().done(Ok(()), host);
    for push in &pushes {
        host.send(interim_push(ask, push));
    }
    Ok(Reply::Later)
}

fn known_version(ask: &Ask<'_>) -> Option<u64> {
    ask.payload.attr("ver")?.parse().ok()
}

/// Section 2.6.3. Its identifier is unique within the session's roster gets, since versions only grow.
fn interim_push(ask: &Ask<'_>, push: &Push) -> Envelope {
    let kind = Kind::Query(QueryKind::Set);
    let mut envelope = Envelope::neutral(ask.account(), ask.session().clone(), kind);
    envelope.id = format!("roster-{}", push.version).into();
    let body = query(push.version, |el| match &push.item {
        Some(item) => write_item(el, item),
        None => write_removal(el, &push.jid),
    });
    envelope.content = Content {
        codec: Codec::Xmpp,
        head: Bytes::new(),
        body: body.into(),
    };
    envelope
}

/// Sections 2.3 to 2.5.
fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let mut children = ask.payload.children();
    let (Some(item), None) = (children.next(), children.next()) else {
        return Err(Condition::BadRequest);
    };
    if !item.is("item", NS) {
        return Err(Condition::BadRequest);
    }
    let contact = contact(ask, item)?;
    let later = ask.later();
    let then = Box::new(move |result, host: &mut dyn Host| later.done(result, host));
    if item.attr("subscription") == Some("remove") {
        host.roster_remove(&ask.account(), &contact, then);
        return Ok(Reply::Later);
    }
    let name = item.attr("name").unwrap_or_default();
    host.roster_set(&ask.account(), &contact, name, groups(item)?, then);
    Ok(Reply::Later)
}

/// A contact is someone else, without a resource: subscriptions are between bare addresses.
fn contact(ask: &Ask<'_>, item: &Element<'_>) -> Result<Jid, Condition> {
    let text = item.attr("jid").ok_or(Condition::BadRequest)?;
    let contact = Jid::parse(text).map_err(|_| Condition::JidMalformed)?;
    if contact.is_full() {
        return Err(Condition::BadRequest);
    }
    if contact == ask.account() {
        return Err(Condition::NotAllowed);
    }
    Ok(contact)
}

/// The groups, none twice (section 2.3.3). Their names' lengths are the engine's business.
fn groups(item: &Element<'_>) -> Result<Vec<String>, Condition> {
    let mut groups: Vec<String> = Vec::new();
    for group in item.children().filter(|child| child.is("group", NS)) {
        let name = group.text();
        if groups.iter().any(|known| *known == name) {
            return Err(Condition::BadRequest);
        }
        if groups.len() == GROUPS_MAX {
            return Err(Condition::NotAcceptable);
        }
        groups.push(name.into_owned());
    }
    Ok(groups)
}

/// The payload of a roster push (section 2.1.6). For a removal only the item's address counts.
pub fn push_body(item: &Item, removed: bool, version: u64) -> Vec<u8> {
    query(version, |el| match removed {
        false => write_item(el, item),
        true => write_removal(el, &item.jid),
    })
}

fn whole(roster: &Roster) -> Vec<u8> {
    query(roster.version(), |el| {
        roster.items().for_each(|item| write_item(el, item))
    })
}

fn query(version: u64, items: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let version = version.to_string();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", NS).attr("ver", &*version);
    items(&mut el);
    el.finish();
    out
}

/// Section 2.1.2.
pub(super) fn write_item(el: &mut Builder<'_, '_>, item: &Item) {
    let state = item.state;
    el.open("item").attr("jid", item.jid.as_str());
    el.attr_opt("name", (!item.name.is_empty()).then_some(item.name.as_str()));
    el.attr("subscription", subscription(state.subscription()));
    el.attr_opt("ask", state.pending_out().then_some("subscribe"));
    el.attr_opt("approved", state.approved().then_some("true"));
    for group in &item.groups {
        el.open("group").text(group).close();
    }
    el.close();
}

fn write_removal(el: &mut Builder<'_, '_>, contact: &Jid) {
    el.open("item")
        .attr("jid", contact.as_str())
        .attr("subscription", "remove")
        .close();
}

fn subscription(subscription: Subscription) -> &'static str {
    match subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    }
}
