//! The service that hosts the rooms (XEP-0045 sections 6.2 and 6.3): what it is, and which rooms can be found. What a room answers itself is
//! in [`crate::rooms`].
//!
//! Invariant: only public rooms are listed, in pages (XEP-0059), so that no answer grows with their number.

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Host, RoomsPage, RoomsWanted};

use super::ask::{Ask, Reply};
use super::{Feature, Outcome, Xep, archive};
use crate::codec::{Builder, Element};
use crate::rooms::{ARCHIVE, INFO, ITEMS, MUC, OCCUPANT_ID, STABLE_ID};

const PING: &str = "urn:xmpp:ping";
/// XEP-0059.
const RSM: &str = "http://jabber.org/protocol/rsm";
/// What the service calls itself.
const NAME: &str = "Rooms";

/// Rooms on one page of the list.
pub const ROOMS_PAGE_MAX: u32 = 100;

const FEATURES: [&str; 8] = [INFO, ITEMS, MUC, STABLE_ID, OCCUPANT_ID, RSM, PING, "vcard-temp"];

pub(super) const FEATURE: Feature = Feature {
    xeps: &[
        Xep::new(45, "1.35.5"),
        Xep::new(249, "1.2"),
        Xep::new(410, "1.1.0"),
        Xep::new(421, "1.0.1"),
        Xep::new(425, "0.3.0"),
        Xep::new(486, "0.1.0"),
    ],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};

/// Whether an address is the service's, or a room's.
pub(super) fn are_meant(to: &Jid, host: &dyn Host) -> bool {
    host.rooms_domain().is_some_and(|rooms| rooms.domain() == to.domain())
}

/// Answers a query to the service, or to the archive of a room that has granted it.
pub(super) fn answer(ask: &Ask<'_>, kind: QueryKind, host: &mut dyn Host) -> Outcome {
    let payload = ask.payload;
    match (ask.query.to.node(), payload.namespace(), payload.name(), kind) {
        (None, INFO, "query", QueryKind::Get) => info(payload),
        (None, ITEMS, "query", QueryKind::Get) => items(ask, host),
        (None, PING, "ping", QueryKind::Get) => Ok(Reply::Empty),
        (None, INFO | ITEMS, "query", _) => Err(Condition::NotAllowed),
        (Some(_), ARCHIVE, _, _) => archive::answer_room(ask, kind, host),
        _ => Err(Condition::ServiceUnavailable),
    }
}

fn info(query: &Element<'_>) -> Outcome {
    if query.attr("node").is_some() {
        return Err(Condition::ItemNotFound);
    }
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", INFO);
    el.open("identity")
        .attr("category", "conference")
        .attr("type", "text")
        .attr("name", NAME)
        .close();
    for feature in FEATURES {
        el.open("feature").attr("var", feature).close();
    }
    el.finish();
    Ok(Reply::Body(out))
}

fn items(ask: &Ask<'_>, host: &mut dyn Host) -> Outcome {
    if ask.payload.attr("node").is_some() {
        return Err(Condition::ItemNotFound);
    }
    let wanted = wanted(ask.payload.child("set", RSM))?;
    let later = ask.later();
    let answer = move |page: Result<RoomsPage, _>, host: &mut dyn Host| {
        later.finish(page.map(|page| Reply::Body(list(&page))), host);
    };
    host.rooms(wanted, Box::new(answer));
    Ok(Reply::Later)
}

/// XEP-0059 sections 2.1 to 2.5. A page is named by the room before or behind it, which need not exist any more.
fn wanted(set: Option<&Element<'_>>) -> Result<RoomsWanted, Condition> {
    let text = |name| set.and_then(|set| set.child(name, RSM)).map(Element::text);
    if text("index").is_some() {
        return Err(Condition::FeatureNotImplemented);
    }
    let most = match text("max") {
        Some(max) => max.trim().parse().map_err(|_| Condition::BadRequest)?,
        None => ROOMS_PAGE_MAX,
    };
    let (before, after) = (text("before"), text("after"));
    let backward = before.is_some();
    let edge = before.or(after).filter(|edge| !edge.is_empty());
    let edge = edge.map(|edge| Jid::parse(&edge).map_err(|_| Condition::ItemNotFound));
    Ok(RoomsWanted {
        edge: edge.transpose()?,
        backward,
        rooms_max: most.min(ROOMS_PAGE_MAX),
    })
}

fn list(page: &RoomsPage) -> Vec<u8> {
    let (index, total) = (page.index.to_string(), page.total.to_string());
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", ITEMS);
    for listed in &page.rooms {
        let name = if listed.name.is_empty() {
            listed.room.node()
        } else {
            Some(&*listed.name)
        };
        el.open("item")
            .attr("jid", listed.room.as_str())
            .attr_opt("name", name)
            .close();
    }
    el.open("set").attr("xmlns", RSM);
    if let (Some(first), Some(last)) = (page.rooms.first(), page.rooms.last()) {
        el.open("first")
            .attr("index", &*index)
            .text(first.room.as_str())
            .close();
        el.open("last").text(last.room.as_str()).close();
    }
    el.open("count").text(&total).close();
    el.finish();
    out
}
