//! Invitations through the room, and their refusals (XEP-0045 sections 7.8.2 and 7.9); what those and direct ones (XEP-0249) say to users of
//! other protocols.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral;
use crosspoint_engine::rooms::{Invitation, RoomRequest};

use crate::codec::{Builder, Element};

use super::USER;

/// XEP-0249.
const DIRECT: &str = "jabber:x:conference";

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
    by: Option<&str>,
    reason: &str,
    password: Option<&str>,
    continues: Option<&str>,
) {
    el.open("x").attr("xmlns", USER);
    el.open("invite").attr_opt("from", by);
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
pub(super) fn write_declined(el: &mut Builder<'_, 'static>, by: Option<&str>, reason: &str) {
    el.open("x").attr("xmlns", USER);
    el.open("decline").attr_opt("from", by);
    write_reason(el, reason);
    el.close().close();
}

/// The invitation, or the refusal of one, that a message to a user is. Through a room it is one only if a room has sent it; who invites
/// directly is its sender, whatever it says.
pub(crate) fn heard<'s>(stanza: &'s Element<'_>, from: &'s Jid) -> Option<neutral::Invitation<'s>> {
    let through = stanza.child("x", USER).filter(|_| from.is_bare());
    through
        .and_then(|x| through_room(x, from))
        .or_else(|| direct(stanza, from))
}

fn through_room<'s>(x: &'s Element<'_>, room: &'s Jid) -> Option<neutral::Invitation<'s>> {
    let decline = x.child("decline", USER);
    let word = x.child("invite", USER).or(decline)?;
    let goes_on = word.child("continue", USER);
    Some(neutral::Invitation {
        declined: word.name() == "decline",
        room: room.as_str().into(),
        by: word.attr("from").map(Into::into),
        reason: word.child("reason", USER).map(Element::text),
        password: x.child("password", USER).map(Element::text),
        continues: goes_on.map(|goes_on| goes_on.attr("thread").unwrap_or_default().into()),
    })
}

fn direct<'s>(stanza: &'s Element<'_>, from: &'s Jid) -> Option<neutral::Invitation<'s>> {
    let x = stanza.child("x", DIRECT)?;
    let room = x
        .attr("jid")
        .filter(|room| Jid::parse(room).is_ok_and(|room| room.node().is_some()))?;
    let goes_on = x
        .attr("continue")
        .is_some_and(|goes_on| matches!(goes_on, "true" | "1"));
    Some(neutral::Invitation {
        declined: false,
        room: room.into(),
        by: Some(from.bare_str().into()),
        reason: x.attr("reason").map(Into::into),
        password: x.attr("password").map(Into::into),
        continues: goes_on.then(|| x.attr("thread").unwrap_or_default().into()),
    })
}

/// Says in XML what [`heard`] has heard, or a room of another protocol has said. Its sender is the room.
pub(crate) fn write_heard(el: &mut Builder<'_, 'static>, said: &neutral::Invitation<'_>) {
    let (by, reason) = (said.by.as_deref(), said.reason.as_deref().unwrap_or_default());
    match said.declined {
        true => write_declined(el, by, reason),
        false => write_invited(el, by, reason, said.password.as_deref(), said.continues.as_deref()),
    }
}

/// Writes a `<reason/>`, if there is one.
pub(super) fn write_reason(el: &mut Builder<'_, 'static>, reason: &str) {
    if !reason.is_empty() {
        el.open("reason").text(reason).close();
    }
}
