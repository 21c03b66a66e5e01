//! XEP-0357 Push Notifications: a client names a service that can reach its device, and when a message waits the server publishes
//! a notification there.
//!
//! The engine says when something waits, and how often at most ([`Host`]'s side of it is `shard/waiting.rs`). What a notification
//! shows is the installation's to decide (section 9), and by default that is a number.
//!
//! Invariants:
//! - A user has at most [`PUSH_REGISTRATIONS_MAX`] registrations: each takes a free slot by an insert.
//! - A service that says that a node is not, or not for us, is published to no more; one that fails is given up after
//!   [`PUSH_FAILURES_MAX`] failures in a row. A registration that was changed meanwhile stays.

mod registration;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::service::{BookRead, BookWrite, Host, Row, Table, Waiting};

use super::ask::{Ask, Later, Reply};
use super::config::PushShows;
use super::{Facts, Feature, Handler, Outcome, Reach, Xep, xml};
use crate::codec::{Builder, Element};
use crate::stanza::condition;
use registration::Registration;

const NS: &str = "urn:xmpp:push:0";
const NS_PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const NS_DATA: &str = "jabber:x:data";
const OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
const SUMMARY: &str = "urn:xmpp:push:summary";

/// Registrations of one user.
pub const PUSH_REGISTRATIONS_MAX: u8 = 16;
/// Bytes of a node's name.
pub const PUSH_NODE_BYTES_MAX: usize = 1_024;
/// Bytes of the form with publish options.
pub const PUSH_OPTIONS_BYTES_MAX: usize = 4_096;
/// Failures in a row after which a service is given up that never said why.
pub const PUSH_FAILURES_MAX: u8 = 20;
/// Characters of a message that a notification shows.
pub const PUSH_BODY_CHARS_MAX: usize = 200;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(357, "0.4.1")],
    enabled: |config| config.push != PushShows::Nothing,
    domain: &[],
    account: &[NS],
    handlers: &[
        Handler {
            kind: QueryKind::Set,
            name: "enable",
            ns: NS,
            reach: Reach::OWN,
            run: enable,
        },
        Handler {
            kind: QueryKind::Set,
            name: "disable",
            ns: NS,
            reach: Reach::OWN,
            run: disable,
        },
    ],
};

/// Section 5.
fn enable(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let (service, node) = target(ask)?;
    let registration = Registration {
        failures: 0,
        service,
        node: node.unwrap_or_default(),
        resource: ask.session().resource().unwrap_or_default().to_owned(),
        options: options(ask)?,
    };
    let (user, later) = (ask.account(), ask.later());
    register(user, registration, later, host);
    Ok(Reply::Later)
}

/// Takes the registration's own slot, or a free one. Another request may be faster: then all begins again, with one slot less.
fn register(user: Jid, registration: Registration, later: Later, host: &mut dyn Host) {
    let reads = vec![all_of(&user)];
    let chosen = move |rows: Result<Vec<Vec<Row>>, _>, host: &mut dyn Host| {
        let rows = match rows {
            Ok(lists) => lists.into_iter().flatten().collect::<Vec<_>>(),
            Err(condition) => return later.done(Err(condition), host),
        };
        let value = registration.encode();
        let own = rows.iter().find(|row| {
            Registration::decode(&row.value)
                .is_some_and(|known| known.service == registration.service && known.node == registration.node)
        });
        if let Some(own) = own {
            let put = BookWrite::Put {
                table: Table::Push,
                key: own.key.clone(),
                value,
            };
            return host.write(vec![put], Box::new(move |result, host| later.done(result, host)));
        }
        let taken = |slot: &u8| rows.iter().any(|row| row.key == slot_key(&user, *slot));
        let Some(slot) = (0..PUSH_REGISTRATIONS_MAX).find(|slot| !taken(slot)) else {
            return later.done(Err(Condition::ResourceConstraint), host);
        };
        let insert = BookWrite::Insert {
            table: Table::Push,
            key: slot_key(&user, slot),
            value,
        };
        let then = move |result: Result<(), Condition>, host: &mut dyn Host| match result {
            Err(Condition::Conflict) => register(user, registration, later, host),
            result => later.done(result, host),
        };
        host.write(vec![insert], Box::new(then));
    };
    host.look_up(reads, Box::new(chosen));
}

/// Section 6: without a node, everything of the service.
fn disable(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let (service, node) = target(ask)?;
    let later = ask.later();
    let found = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let concerns = |row: &Row| {
            Registration::decode(&row.value)
                .is_some_and(|known| known.service == service && node.as_ref().is_none_or(|node| *node == known.node))
        };
        let batch: Vec<_> = match rows {
            Ok(lists) => lists.into_iter().flatten().filter(concerns).map(|row| delete(row.key)),
            Err(condition) => return later.done(Err(condition), host),
        }
        .collect();
        match batch.is_empty() {
            true => later.done(Ok(()), host),
            false => host.write(batch, Box::new(move |result, host| later.done(result, host))),
        }
    };
    host.look_up(vec![all_of(&ask.account())], Box::new(found));
    Ok(Reply::Later)
}

/// The service, and the node if one is named.
fn target(ask: &Ask<'_>) -> Result<(Jid, Option<String>), Condition> {
    let service = ask.payload.attr("jid").ok_or(Condition::BadRequest)?;
    let service = Jid::parse(service).map_err(|_| Condition::JidMalformed)?;
    let node = ask.payload.attr("node").map(str::to_owned);
    match node.as_ref().is_some_and(|node| node.len() > PUSH_NODE_BYTES_MAX) {
        true => Err(Condition::NotAcceptable),
        false => Ok((service, node)),
    }
}

/// The form with publish options, so that it stands on its own; nothing if there is none.
fn options(ask: &Ask<'_>) -> Result<Bytes, Condition> {
    let mut children = ask.payload.children();
    let Some(form) = children.next() else {
        return Ok(Bytes::new());
    };
    let names_type = |field: &Element<'_>| {
        field.is("field", NS_DATA)
            && field.attr("var") == Some("FORM_TYPE")
            && field
                .child("value", NS_DATA)
                .is_some_and(|value| value.text() == OPTIONS)
    };
    if children.next().is_some() || !form.is("x", NS_DATA) || !form.children().any(names_type) {
        return Err(Condition::BadRequest);
    }
    xml::standalone(form, PUSH_OPTIONS_BYTES_MAX).ok_or(Condition::NotAcceptable)
}

/// Something waits: section 7.
pub(super) fn on_waiting(waiting: &Waiting, facts: &Facts, host: &mut dyn Host) {
    let shows = facts.config.push;
    if shows == PushShows::Nothing {
        return;
    }
    let notification = notification(waiting, shows, host);
    let user = waiting.user.clone();
    let session = waiting.session.clone();
    let publish = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        for row in rows.into_iter().flatten().flatten() {
            let Some(registration) = Registration::decode(&row.value) else {
                continue;
            };
            let concerns = |session: &Jid| session.resource() == Some(&registration.resource);
            if session.as_ref().is_none_or(concerns) {
                publish(row, registration, &notification, host);
            }
        }
    };
    host.look_up(vec![all_of(&user)], Box::new(publish));
}

fn publish(row: Row, registration: Registration, notification: &[u8], host: &mut dyn Host) {
    let mut body = Vec::with_capacity(notification.len() + registration.options.len() + 256);
    let mut el = Builder::new(&mut body);
    el.open("pubsub").attr("xmlns", NS_PUBSUB);
    el.open("publish")
        .attr_opt("node", Some(registration.node.as_str()).filter(|node| !node.is_empty()));
    el.open("item").raw(notification).close().close();
    if !registration.options.is_empty() {
        el.open("publish-options").raw(&registration.options).close();
    }
    el.finish();
    let kind = Kind::Query(QueryKind::Set);
    let query = Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: body.into(),
        },
        ..Envelope::neutral(host.domain().clone(), registration.service.clone(), kind)
    };
    let then = move |answer: Result<Envelope, Condition>, host: &mut dyn Host| {
        match answer {
            Ok(answer) if answer.kind == Kind::Query(QueryKind::Result) => judge(row, registration, None, host),
            Ok(answer) => judge(row, registration, Some(refusal(&answer)), host),
            Err(condition) => judge(row, registration, Some(condition), host),
        };
    };
    host.inquire(query, Box::new(then));
}

/// What becomes of a registration after a publication, or a failure of one. It is looked at again: it may be another by now.
fn judge(row: Row, registration: Registration, failure: Option<Condition>, host: &mut dyn Host) {
    let change = match failure {
        None if registration.failures == 0 => return,
        None => Some(0),
        Some(condition) if is_final(condition) => None,
        Some(_) => Some(registration.failures + 1).filter(|failures| *failures < PUSH_FAILURES_MAX),
    };
    let Row { key, value } = row;
    let change = match change {
        None => delete(key.clone()),
        Some(failures) => BookWrite::Put {
            table: Table::Push,
            key: key.clone(),
            value: Registration {
                failures,
                ..registration
            }
            .encode(),
        },
    };
    let write = move |rows: Result<Vec<Row>, Condition>, host: &mut dyn Host| {
        if rows.is_ok_and(|rows| rows.first().is_some_and(|row| row.value == value)) {
            host.write(vec![change], Box::new(|_, _| {}));
        }
    };
    host.read(Table::Push, key, Box::new(write));
}

/// Whether asking again would be in vain.
fn is_final(condition: Condition) -> bool {
    match condition {
        Condition::BadRequest
        | Condition::FeatureNotImplemented
        | Condition::Forbidden
        | Condition::ItemNotFound
        | Condition::JidMalformed
        | Condition::NotAcceptable
        | Condition::NotAllowed
        | Condition::NotAuthorized
        | Condition::RegistrationRequired
        | Condition::RemoteServerNotFound => true,
        Condition::Conflict
        | Condition::InternalServerError
        | Condition::PolicyViolation
        | Condition::RemoteServerTimeout
        | Condition::ResourceConstraint
        | Condition::ServiceUnavailable
        | Condition::SubscriptionRequired
        | Condition::UnexpectedRequest => false,
    }
}

/// Why a service refused.
fn refusal(answer: &Envelope) -> Condition {
    if let Some(condition) = answer.error {
        return condition;
    }
    let read = || {
        let stanza = xml::stanza(&answer.content).ok()?;
        let stanza = xml::parse(&stanza).ok()?;
        let error = stanza.children().find(|child| child.name() == "error")?;
        let mut names = error.children().map(Element::name);
        names.find_map(condition::from_name)
    };
    read().unwrap_or(Condition::ServiceUnavailable)
}

/// The item's payload, with as much as the installation lets out.
fn notification(waiting: &Waiting, shows: PushShows, host: &dyn Host) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("notification").attr("xmlns", NS);
    el.open("x").attr("xmlns", NS_DATA).attr("type", "result");
    field(&mut el, "FORM_TYPE", SUMMARY);
    field(&mut el, "message-count", &waiting.count.to_string());
    if matches!(shows, PushShows::Sender | PushShows::Body) {
        field(&mut el, "last-message-sender", waiting.last.from.as_str());
    }
    if shows == PushShows::Body
        && let Some(said) = host.neutral(&waiting.last)
        && let Some(text) = Neutral::read(&said.content.body).text
    {
        let text: String = text.chars().take(PUSH_BODY_CHARS_MAX).collect();
        field(&mut el, "last-message-body", &text);
    }
    el.finish();
    out
}

fn field(el: &mut Builder<'_, '_>, var: &str, value: &str) {
    el.open("field").attr("var", var);
    el.open("value").text(value).close().close();
}

fn all_of(user: &Jid) -> BookRead {
    BookRead::Prefix {
        table: Table::Push,
        prefix: prefix(user),
        after: Bytes::new(),
        rows_max: PUSH_REGISTRATIONS_MAX.into(),
    }
}

fn prefix(user: &Jid) -> Bytes {
    [user.bare_str(), "\0"].concat().into()
}

fn slot_key(user: &Jid, slot: u8) -> Bytes {
    format!("{}\0{slot:02}", user.bare_str()).into()
}

fn delete(key: Bytes) -> BookWrite {
    BookWrite::Delete {
        table: Table::Push,
        key,
    }
}
