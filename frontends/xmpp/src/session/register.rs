//! In-band registration before authentication (XEP-0077 section 3.1). Only where it is open, and where a password may be
//! sent as it is; changing and removing an account is among the features of those who have one.
//!
//! Invariants: at most [`Limits::register_attempts`](crate::limits::Limits) accounts are tried on one stream; an error
//! never carries the request's payload back, which is a password.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, RegisterFault};

use crate::codec::{Element, Scanner, Stanza};
use crate::config::XmppConfig;
use crate::stanza::write;

use super::Flow;
use super::errors::StreamError;
use super::negotiate::{Negotiation, Stage};

const NS: &str = "jabber:iq:register";

const FORM: &[u8] = b"<query xmlns='jabber:iq:register'>\
    <instructions>Choose a username and password for use with this service.</instructions>\
    <username/><password/></query>";

/// An `<iq/>` of a stream that has not authenticated, where registration is open.
pub(super) fn on_iq(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let Some(child) = scanner.children(stanza).find(|child| child.is("query", NS)) else {
        return Flow::Fail(StreamError::NotAuthorized);
    };
    let id = stanza
        .id
        .map(|id| id.unescape().into_owned().into_bytes())
        .unwrap_or_default();
    let kind = stanza.kind.map(|kind| kind.unescape()).unwrap_or_default();
    let from = Some(config.domain.as_str());
    let wanted = match (&*kind, id.is_empty()) {
        ("get", false) => {
            write::iq(cx.outbox, "result", &id, from, None, FORM);
            return Flow::Next;
        }
        ("set", false) => match scanner.child_tree(stanza, &child) {
            Ok(query) => account_of(&query, config),
            Err(_) => Err(Condition::BadRequest),
        },
        _ => Err(Condition::BadRequest),
    };
    let attempts_left = negotiation.registrations < config.limits.register_attempts;
    match wanted {
        Ok(_) if !attempts_left => refuse(&id, Condition::NotAcceptable, config, cx),
        Err(condition) => refuse(&id, condition, config, cx),
        Ok((account, password)) => {
            negotiation.registrations += 1;
            negotiation.stage = Stage::Registering(id);
            cx.actions.push(Action::Pause);
            cx.actions.push(Action::Register { account, password });
            Flow::Hold
        }
    }
}

fn refuse(id: &[u8], condition: Condition, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    write::error(cx.outbox, "iq", id, Some(config.domain.as_str()), None, condition);
    Flow::Next
}

/// Both fields are required; a name that nobody can have is not acceptable either.
fn account_of(query: &Element<'_>, config: &XmppConfig) -> Result<(Jid, String), Condition> {
    let field = |name| {
        query
            .child(name, NS)
            .map(|field| field.text().into_owned())
            .filter(|text| !text.is_empty())
    };
    let (Some(username), Some(password)) = (field("username"), field("password")) else {
        return Err(Condition::NotAcceptable);
    };
    let account =
        Jid::from_parts(Some(&username), config.domain.domain(), None).map_err(|_| Condition::JidMalformed)?;
    if account.has_unassigned() {
        return Err(Condition::JidMalformed);
    }
    Ok((account, password))
}

/// The outcome.
pub(super) fn write_outcome(id: &[u8], outcome: Result<(), RegisterFault>, config: &XmppConfig, out: &mut Vec<u8>) {
    let from = Some(config.domain.as_str());
    let condition = match outcome {
        Ok(()) => return write::iq(out, "result", id, from, None, b""),
        Err(RegisterFault::Exists) => Condition::Conflict,
        Err(RegisterFault::NotAllowed) => Condition::NotAllowed,
        Err(RegisterFault::BadPassword) => Condition::NotAcceptable,
        Err(RegisterFault::Storage) => Condition::InternalServerError,
    };
    write::error(out, "iq", id, from, None, condition);
}
