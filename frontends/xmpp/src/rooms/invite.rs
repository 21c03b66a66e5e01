//! Invitations through the room, and their refusals (XEP-0045 sections 7.8.2 and 7.9).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Invitation, RoomRequest};

use crate::codec::{Builder, Element};

use super::USER;

/// Most people that one message invites: it becomes as many.
pub(crate) const INVITATIONS_MAX: usize = 20;

/// What the `<x/>` of muc#user in a message to a room asks for. `BadRequest` if that is nothing.
pub(super) fn read(x: &Element<'_>) -> Result<RoomRequest, Condition> {
    let invitations: Vec<_> = x.children().filter(|child| child.is("invite", USER)).collect();
    if invitations.len() > INVITATIONS_MAX {
        return Err(Condition::PolicyViolation);
    }
    if !invitations.is_empty() {
        let invitations = invitations.into_iter().map(invitation).collect::<Result<_, _>>()?;
        return Ok(RoomRequest::Invite(invitations));
    }
    let decline = x.child("decline", USER).ok_or(Condition::BadRequest)?;
    invitation(decline).map(RoomRequest::Decline)
}

fn invitation(element: &Element<'_>) -> Result<Invitation, Condition> {
    let to = element.attr("to").ok_or(Condition::BadRequest)?;
    let to = Jid::parse(to).map_err(|_| Condition::JidMalformed)?;
    let goes_on = element.child("continue", USER);
    Ok(Invitation {
        to,
        reason: reason(element),
        continues: goes_on.map(|goes_on| goes_on.attr("thread").unwrap_or_default().to_owned()),
    })
}

/// The text of an element's `<reason/>` in muc#user.
fn reason(element: &Element<'_>) -> String {
    let reason = element.child("reason", USER);
    reason.map(|reason| reason.text().into_owned()).unwrap_or_default()
}

/// What the invited gets. An empty thread is none.
pub(super) fn write_invited(
    el: &mut Builder<'_, 'static>,
    by: &Jid,
    reason: &str,
    password: Option<&str>,
    continues: Option<&str>,
) {
    el.open("x").attr("xmlns", USER);
    el.open("invite").attr("from", by.as_str());
    write_reason(el, reason);
    if let Some(thread) = continues {
        let thread = (!thread.is_empty()).then_some(thread);
        el.open("continue").attr_opt("thread", thread).close();
    }
    el.close();
    if let Some(password) = password {
        el.open("password").text(password).close();
    }
    el.close();
}

/// What the inviter gets.
pub(super) fn write_declined(el: &mut Builder<'_, 'static>, by: &Jid, reason: &str) {
    el.open("x").attr("xmlns", USER);
    el.open("decline").attr("from", by.as_str());
    write_reason(el, reason);
    el.close().close();
}

/// Writes a `<reason/>`, if there is one.
pub(super) fn write_reason(el: &mut Builder<'_, 'static>, reason: &str) {
    if !reason.is_empty() {
        el.open("reason").text(reason).close();
    }
}
