//! XEP-0356 Privileged Entity, as far as queries go: components that read and change users' rosters, are told of changes, and ask
//! others in the name of users. What each may do is configuration (`components.rs`); messages are the session's business
//! (`session/component/privilege.rs`), presence the engine's.
//!
//! Invariants:
//! - Who is privileged is a component, under its own domain and no address of it, for what it was granted and nothing else.
//! - A query in the name of a user can be no query for privileges.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Host, RosterChange};

use super::ask::{Ask, Later, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep, roster, xml};
use crate::codec::{Builder, CLIENT, Element};
use crate::components::{Component, Privileges};
use crate::stanza::kind;
use crate::stanza::write as words;

/// Namespace of everything in here.
pub const NS: &str = "urn:xmpp:privilege:2";
const NS_FORWARD: &str = "urn:xmpp:forward:0";
/// Bytes of a payload that is asked in the name of a user.
pub const PRIVILEGED_QUERY_BYTES_MAX: usize = 256 * 1024;

/// Anybody's account: who may is decided below, and all others are forbidden.
const REACH: Reach = Reach {
    own: true,
    ..Reach::ACCOUNTS
};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(114, "1.6"), Xep::new(356, "0.4.1")],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "privileged_iq",
            ns: NS,
            reach: REACH,
            run: ask_for,
        },
        Handler {
            kind: QueryKind::Set,
            name: "privileged_iq",
            ns: NS,
            reach: REACH,
            run: ask_for,
        },
    ],
};

/// What the sender of a query may do, if it is a component that speaks as itself.
fn privileges<'f>(facts: &'f Facts, from: &Jid) -> Option<&'f Privileges> {
    let component = facts.components.iter().find(|component| component.domain == *from);
    component.map(|component: &Component| &component.privileges)
}

/// Whether this query for somebody's roster is one that a component may make (section 4.3).
pub(super) fn reaches_roster(facts: &Facts, from: &Jid, kind: QueryKind, payload: &Element<'_>) -> bool {
    payload.is("query", roster::NS) && privileges(facts, from).is_some_and(|granted| granted.roster.allows(kind))
}

/// Section 6.3: each of its conditions, and otherwise `forbidden`.
fn ask_for(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    let granted = privileges(facts, ask.session()).ok_or(Condition::Forbidden)?;
    let Kind::Query(outer) = ask.query.kind else {
        return Err(Condition::Forbidden);
    };
    let user = ask.account();
    if !host.exists(&user) {
        return Err(Condition::Forbidden);
    }
    let inner = only_child(ask.payload)
        .filter(|inner| inner.is("iq", CLIENT))
        .ok_or(Condition::Forbidden)?;
    let payload = only_child(inner).ok_or(Condition::BadRequest)?;
    let from = inner.attr("from").map(Jid::parse);
    let is_users = from.is_none_or(|from| from.is_ok_and(|from| from == user));
    let may = payload.namespace() != NS && granted.queries_in(payload.namespace()).allows(outer);
    if kind::query(inner.attr("type")) != Some(outer) || !is_users || !may {
        return Err(Condition::Forbidden);
    }
    let to = match inner.attr("to") {
        Some(to) => Jid::parse(to).map_err(|_| Condition::JidMalformed)?,
        None => user.clone(),
    };
    let body = xml::content(inner, PRIVILEGED_QUERY_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    let query = Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body,
        },
        ..Envelope::neutral(user, to, Kind::Query(outer))
    };
    let id = inner.attr("id").unwrap_or_default().to_owned();
    let later = ask.later();
    host.inquire(query, Box::new(move |answer, host| pass_on(answer, &id, later, host)));
    Ok(Reply::Later)
}

/// The answer goes to the component as it came, with the identifier that the component had given its query.
fn pass_on(answer: Result<Envelope, Condition>, id: &str, later: Later, host: &mut dyn Host) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(condition) => return later.finish(Err(condition), host),
    };
    let mut stanza = Vec::with_capacity(answer.content.body.len() + 256);
    stanza.extend_from_slice(b"<iq xmlns='jabber:client'");
    let kind = kind::value(answer.kind);
    for (name, value) in [
        ("type", kind),
        ("id", id),
        ("from", answer.from.as_str()),
        ("to", answer.to.as_str()),
    ] {
        words::attribute(&mut stanza, name, value.as_bytes());
    }
    stanza.extend_from_slice(&answer.content.head);
    stanza.push(b'>');
    stanza.extend_from_slice(&answer.content.body);
    if let Some(condition) = answer.error {
        crate::stanza::condition::write(&mut stanza, condition);
    }
    stanza.extend_from_slice(b"</iq>");
    let mut body = Vec::with_capacity(stanza.len() + 128);
    let mut el = Builder::new(&mut body);
    el.open("privilege").attr("xmlns", NS);
    el.open("forwarded").attr("xmlns", NS_FORWARD).raw(&stanza);
    el.finish();
    later.finish(Ok(Reply::Body(body)), host);
}

/// Section 4.4: components that may read rosters are told of changes.
pub(super) fn on_roster_change(change: &RosterChange, facts: &Facts, host: &mut dyn Host) {
    let hears = |component: &&Component| component.privileges.hears_of_rosters();
    for component in facts.components.iter().filter(hears) {
        let kind = Kind::Query(QueryKind::Set);
        let body = roster::push_body(&change.item, change.removed, change.version);
        host.send(Envelope {
            id: format!("roster-{}", change.version).into(),
            content: Content {
                codec: Codec::Xmpp,
                head: Bytes::new(),
                body: body.into(),
            },
            ..Envelope::neutral(change.user.clone(), component.domain.clone(), kind)
        });
    }
}

/// The one child; `None` if there are none or several.
fn only_child<'a, 'e>(element: &'e Element<'a>) -> Option<&'e Element<'a>> {
    let mut children = element.children();
    let only = children.next();
    only.filter(|_| children.next().is_none())
}
