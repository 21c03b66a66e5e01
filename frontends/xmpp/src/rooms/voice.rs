//! Voice is asked for, and granted, by a form (XEP-0045 sections 7.13 and 8.6).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{RoomRequest, VoiceRequest};

use crate::codec::{Builder, Element};

use super::form::{self, Submitted};

const FORM: &str = "http://jabber.org/protocol/muc#request";
const ROLE: &str = "muc#role";
const JID: &str = "muc#jid";
const NICK: &str = "muc#roomnick";
const ALLOW: &str = "muc#request_allow";

/// A form in a message to a room. Who says what is allowed answers; who does not, asks.
pub(super) fn read(x: &Element<'_>) -> Result<RoomRequest, Condition> {
    let form = Submitted::read(x, FORM)?;
    // Only a voice can be asked for.
    if form.get(ROLE)? != Some("participant") {
        return Err(Condition::BadRequest);
    }
    match (form.get(NICK)?, form.get(ALLOW)?) {
        (None, None) => Ok(RoomRequest::AskVoice),
        (Some(nick), Some(allow)) => Ok(RoomRequest::AnswerVoice(VoiceRequest {
            nick: nick.to_owned(),
            allow: form::boolean(allow)?,
        })),
        _ => Err(Condition::BadRequest),
    }
}

/// The form for moderators.
pub(super) fn write(el: &mut Builder<'_, 'static>, nick: &str, real: &Jid) {
    form::open(el, "form", FORM);
    el.open("title").text("Voice request").close();
    el.open("instructions")
        .text("To let this person speak, tick the box and submit the form. To refuse, submit it as it is.")
        .close();
    form::choice(
        el,
        ROLE,
        "list-single",
        "Requested role",
        &["participant"],
        &[("Participant", "participant")],
    );
    form::field(el, JID, "jid-single", Some("User ID"), &[real.as_str()]);
    form::field(el, NICK, "text-single", Some("Room Nickname"), &[nick]);
    form::field(el, ALLOW, "boolean", Some("Grant voice to this person?"), &["false"]);
    el.close();
}
