//! Registration with a room: a nickname is reserved, and its owner is a member (XEP-0045 section 7.10, XEP-0077).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::rooms::RoomQuery;

use crate::codec::{Builder, Element};

use super::REGISTER;
use super::form::{self, Submitted};

const FORM: &str = "http://jabber.org/protocol/muc#register";
const NICK: &str = "muc#register_roomnick";

/// A `set`: a form with a nickname, or `<remove/>`. `BadRequest` for anything else (section 7.10).
pub(super) fn read(query: &Element<'_>) -> Result<RoomQuery, Condition> {
    let mut children = query.children();
    let (Some(only), None) = (children.next(), children.next()) else {
        return Err(Condition::BadRequest);
    };
    if only.is("remove", REGISTER) {
        return Ok(RoomQuery::Unregister);
    }
    let form = Submitted::read(only, FORM)?;
    let nick = form.get(NICK)?.ok_or(Condition::BadRequest)?;
    Ok(RoomQuery::Register(nick.to_owned()))
}

/// Which nickname is registered, or how to register one.
pub(super) fn write(el: &mut Builder<'_, 'static>, nick: Option<&str>) {
    el.open("query").attr("xmlns", REGISTER);
    match nick {
        Some(nick) => {
            el.open("registered").close();
            el.open("username").text(nick).close();
        }
        None => write_form(el),
    }
    el.close();
}

fn write_form(el: &mut Builder<'_, 'static>) {
    const HOW: &str = "Choose the nickname that shall be yours in this room.";
    el.open("instructions").text(HOW).close();
    form::open(el, "form", FORM);
    el.open("title").text("Registration").close();
    el.open("instructions").text(HOW).close();
    el.open("field")
        .attr("var", NICK)
        .attr("type", "text-single")
        .attr("label", "Desired Nickname");
    el.open("required").close().close();
    el.close();
}
