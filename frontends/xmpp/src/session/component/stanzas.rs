//! A component's stanzas, both ways. Reads what a component says as `routing` reads what a client says, but for the addresses:
//! both must be there, and `from` may be any of the component's domain (XEP-0114 section 4).
//!
//! Invariant: every `iq` request is answered: by whom it is routed to, or here by an error.

use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, Delivery};

use crate::codec::{CLIENT, Child, Cut, Frame, Scan, ScanLimits, Scanner, Stanza, cut, reserialise};
use crate::components::Component;
use crate::config::XmppConfig;
use crate::neutral;
use crate::stanza::{children, kind, write as words};

use super::super::errors::StreamError;
use super::super::inbound::{self, Run};
use super::super::{Flow, deliver};
use super::privilege;

/// Where a stanza comes from and goes to.
struct Addresses {
    from: Jid,
    to: Jid,
}

/// A first-level element of an authenticated component.
pub(super) fn read(
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    component: &Component,
    config: &XmppConfig,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    match (&*stanza.namespace, stanza.name) {
        (CLIENT, "message" | "presence" | "iq") if stanza.verbatim => {
            route(stanza, scanner, component, config, run, cx)
        }
        (CLIENT, "message" | "presence" | "iq") => rewritten(stanza, scanner, component, config, cx),
        (_, "message" | "presence" | "iq") => Flow::Fail(StreamError::InvalidNamespace),
        _ => Flow::Fail(StreamError::UnsupportedStanzaType),
    }
}

/// A stanza whose XML leans on its stream is made self-contained first.
fn rewritten(
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    component: &Component,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let mut plain = Vec::with_capacity(stanza.raw.len() + 256);
    reserialise(stanza, scanner, &mut plain);
    // It has passed the limits as it came; its declarations may be longer than its prefixes were.
    let limits = ScanLimits {
        stanza_bytes_max: u32::MAX,
        ..config.limits.scan_after_auth()
    };
    let mut again = Scanner::for_stanzas(limits);
    match again.scan(&plain) {
        Ok(Scan::Frame {
            frame: Frame::Stanza(stanza),
            ..
        }) if stanza.verbatim => route(&stanza, &again, component, config, &mut Run::new(&plain), cx),
        Err(fault) => Flow::Fail(fault.into()),
        Ok(_) => Flow::Fail(StreamError::InvalidNamespace),
    }
}

fn route(
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    component: &Component,
    config: &XmppConfig,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    run.start(stanza);
    let (Some(from), Some(to)) = (stanza.from, stanza.to) else {
        return Flow::Fail(StreamError::ImproperAddressing);
    };
    let from = match run.address(from) {
        Ok(from) if from.domain() == component.domain.as_str() => from,
        _ => return Flow::Fail(StreamError::InvalidFrom),
    };
    let made = run.address(to).and_then(|to| {
        if let Some(request) = privilege::request(stanza, scanner, &to, &config.domain) {
            let limits = config.limits.scan_after_auth();
            let envelope = privilege::message(stanza, scanner, &request, component, &config.domain, &limits)?;
            return Ok(Action::SpeakFor { envelope });
        }
        let envelope = envelope(stanza, scanner, Addresses { from: from.clone(), to }, config, run)?;
        Ok(Action::Route { envelope, seq: None })
    });
    match made {
        Ok(action) => cx.actions.push(action),
        Err(condition) => refuse(stanza, &from, condition, cx.outbox),
    }
    Flow::Next
}

fn envelope(
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    addresses: Addresses,
    config: &XmppConfig,
    run: &mut Run<'_>,
) -> Result<Envelope, Condition> {
    let Addresses { from, to } = addresses;
    let typed = stanza.kind.map(|kind| kind.unescape());
    let (kind, hints) = match stanza.name {
        "message" => {
            let kind = kind::message(typed.as_deref());
            (
                Kind::Message(kind),
                children::survey(scanner, stanza, &from).hints(kind),
            )
        }
        "presence" => presence(kind::presence(typed.as_deref()).ok_or(Condition::BadRequest)?),
        _ => (Kind::Query(query(stanza, scanner)?), Hints::NONE),
    };
    let is_forged = |child: &Child<'_>| is_forged(child, &config.domain);
    let forged = scanner.children(stanza).any(|child| is_forged(&child));
    let body = match forged.then(|| cut(stanza, scanner, is_forged)) {
        Some(Cut::Rebuilt(body)) => body.into(),
        _ => run.share(stanza.body().as_bytes()),
    };
    Ok(Envelope {
        id: stanza.id.map(|id| run.value(id)).unwrap_or_default(),
        content: match kind {
            // A probe asks one thing, and with content it would be taken for one of the server's own.
            Kind::Presence(PresenceKind::Probe) => Content::default(),
            _ => Content {
                codec: Codec::Xmpp,
                head: inbound::head(stanza, run, None),
                body,
            },
        },
        hints,
        ..Envelope::neutral(from, to, kind)
    })
}

fn presence(kind: PresenceKind) -> (Kind, Hints) {
    let hints = match kind {
        PresenceKind::Available | PresenceKind::Unavailable => Hints::DEFER,
        _ => Hints::NONE,
    };
    (Kind::Presence(kind), hints)
}

/// RFC 6120 section 8.2.3.
fn query(stanza: &Stanza<'_>, scanner: &Scanner) -> Result<QueryKind, Condition> {
    let typed = stanza.kind.map(|kind| kind.unescape());
    let kind = kind::query(typed.as_deref()).ok_or(Condition::BadRequest)?;
    if stanza.id.is_none() {
        return Err(Condition::BadRequest);
    }
    let payloads = scanner.children(stanza).take(2).count();
    match kind {
        QueryKind::Get | QueryKind::Set if payloads != 1 => Err(Condition::BadRequest),
        _ => Ok(kind),
    }
}

/// Whether only the server may say this: a delay in its name or one of its users' (XEP-0203), a stanza identifier by it or by an
/// account of it (XEP-0359). What a component says of its own rooms is its business.
fn is_forged(child: &Child<'_>, server: &Jid) -> bool {
    let speaks_for = |attribute: &str| {
        let value = child.attr(attribute);
        value.and_then(|value| Jid::parse(&value.unescape()).ok())
    };
    let by = match (&*child.namespace, child.name) {
        ("urn:xmpp:delay", "delay") => speaks_for("from"),
        ("urn:xmpp:sid:0", "stanza-id") => speaks_for("by"),
        _ => None,
    };
    by.is_some_and(|by| by.domain() == server.domain())
}

/// Answers a stanza by an error, unless it is one itself, or an answer (RFC 6120 section 8.3.1).
fn refuse(stanza: &Stanza<'_>, from: &Jid, condition: Condition, out: &mut Vec<u8>) {
    let is_answer = |kind: &str| kind == "error" || (stanza.name == "iq" && kind == "result");
    if stanza.kind.is_some_and(|kind| is_answer(&kind.unescape())) {
        return;
    }
    let id = stanza.id.map(|id| id.unescape()).unwrap_or_default();
    let to = stanza.to.and_then(|to| Jid::parse(&to.unescape()).ok());
    let asked = to.as_ref().map(Jid::as_str);
    words::error(out, stanza.name, id.as_bytes(), asked, Some(from.as_str()), condition);
}

/// Appends a delivery for the component of this domain.
pub(super) fn write(delivery: &Delivery<'_>, domain: &Jid, out: &mut Vec<u8>) {
    let envelope = delivery.envelope;
    match envelope.content.codec {
        Codec::Neutral if !envelope.content.body.is_empty() => {
            deliver::write(out, &neutral::to_stanza(envelope), delivery.form, domain);
        }
        _ => deliver::write(out, envelope, delivery.form, domain),
    }
}
