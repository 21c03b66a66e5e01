//! What a room says, as the content of a presence or a message.
//!
//! ```text
//!   what its occupant wrote, without forgeries │ occupant-id, stanza-id, delay, muc#user: the room's own words
//! ```
//! Invariant: no real address is written for a viewer who may not see it.

use crosspoint_engine::envelope::{Content, Kind, MessageKind, PresenceKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Notice, OccupantView, Role, Status, Viewer};
use crosspoint_engine::stable::StableId;

use crate::codec::Builder;
use crate::stanza::time;

use super::answer::content;
use super::{MUC, USER, clean, disco, invite, moderate, names, voice};

/// The content of a notice, for those who see it like that. `None` if an occupant's content cannot be said in XMPP.
pub(super) fn write(notice: &Notice<'_>, viewer: Viewer) -> Option<Content> {
    match notice {
        Notice::Presence { about, .. } => presence(notice, about, viewer),
        Notice::Said { content, private, .. } => said(notice, content, *private),
        _ => Some(own_words(notice)),
    }
}

/// Notices in which nobody's bytes pass.
fn own_words(notice: &Notice<'_>) -> Content {
    let mut body = Vec::new();
    let mut builder = Builder::new(&mut body);
    let el = &mut builder;
    match notice {
        Notice::Refused => {
            el.empty("x", MUC);
        }
        Notice::Subject {
            text, occupant_id: id, ..
        } => {
            el.open("subject").text(text).close();
            if let Some(id) = id {
                occupant_id(el, id);
            }
        }
        Notice::Statuses(codes) => {
            el.open("x").attr("xmlns", USER);
            statuses(el, codes.iter().copied());
            el.close();
        }
        Notice::AffiliationChanged { account, affiliation } => {
            el.open("x").attr("xmlns", USER);
            el.open("item").attr("affiliation", names::affiliation(*affiliation));
            el.attr("jid", account.as_str())
                .attr("role", names::role(Role::None))
                .close();
            el.close();
        }
        Notice::Invited {
            by,
            reason,
            password,
            continues,
        } => invite::write_invited(el, Some(by.as_str()), reason, *password, *continues),
        Notice::Declined { by, reason } => invite::write_declined(el, Some(by.as_str()), reason),
        Notice::VoiceAsked { nick, real } => voice::write(el, nick, real),
        Notice::Moderated {
            record,
            kept,
            room,
            by,
            reason,
            ..
        } => {
            moderate::write(el, *record, room, *by, reason);
            if let Some(kept) = kept {
                stanza_id(el, room, *kept);
            }
        }
        Notice::Presence { .. } | Notice::Said { .. } => {}
    }
    match notice {
        Notice::Subject {
            stamp_ms: Some(stamp_ms),
            ..
        } => delay(el, None, *stamp_ms),
        Notice::Moderated {
            room,
            stamp_ms: Some(stamp_ms),
            ..
        } => delay(el, Some(room), *stamp_ms),
        _ => {}
    }
    builder.finish();
    content(body)
}

fn presence(notice: &Notice<'_>, about: &OccupantView<'_>, viewer: Viewer) -> Option<Content> {
    let Notice::Presence {
        statuses: codes,
        actor,
        reason,
        new_nick,
        destroyed,
        ..
    } = notice
    else {
        return None;
    };
    let kind = match about.role {
        Role::None => PresenceKind::Unavailable,
        _ => PresenceKind::Available,
    };
    let mut body = clean::body(about.shows, Kind::Presence(kind))?;
    let mut el = Builder::new(&mut body);
    occupant_id(&mut el, about.occupant_id);
    el.open("x").attr("xmlns", USER);
    item(&mut el, about, viewer, *new_nick, *actor, reason);
    if let Some((alternative, reason, password)) = destroyed {
        el.open("destroy").attr_opt("jid", alternative.map(Jid::as_str));
        if let Some(password) = password {
            el.open("password").text(password).close();
        }
        invite::write_reason(&mut el, reason);
        el.close();
    }
    write_presence_statuses(&mut el, codes, viewer);
    el.finish();
    Some(Content {
        head: about.shows.head.clone(),
        ..content(body)
    })
}

fn item(
    el: &mut Builder<'_, 'static>,
    about: &OccupantView<'_>,
    viewer: Viewer,
    new_nick: Option<&str>,
    actor: Option<&str>,
    reason: &str,
) {
    // A new nickname is an unavailable presence, whose occupant nonetheless stays.
    el.open("item")
        .attr("affiliation", names::affiliation(about.affiliation));
    el.attr_opt("jid", viewer.sees_real.then(|| about.real.as_str()));
    el.attr_opt("nick", new_nick).attr("role", names::role(about.role));
    if let Some(actor) = actor {
        el.open("actor").attr("nick", actor).close();
    }
    invite::write_reason(el, reason);
    el.close();
}

/// In the order of their codes, each once; what warns or welcomes the entering occupant is told to nobody else.
fn write_presence_statuses(el: &mut Builder<'_, 'static>, codes: &[Status], viewer: Viewer) {
    let own_only = |code: &Status| {
        matches!(
            code,
            Status::NonAnonymous | Status::SelfPresence | Status::LoggingOn | Status::Created
        )
    };
    let mut told: Vec<Status> = codes
        .iter()
        .copied()
        .filter(|code| viewer.is_self || !own_only(code))
        .collect();
    if viewer.is_self {
        told.push(Status::SelfPresence);
    }
    told.sort_unstable();
    told.dedup();
    statuses(el, told.into_iter());
}

fn said(notice: &Notice<'_>, written: &Content, private: bool) -> Option<Content> {
    let Notice::Said {
        occupant_id: id,
        record,
        room,
        stamp_ms,
        ..
    } = notice
    else {
        return None;
    };
    let kind = if private {
        MessageKind::Chat
    } else {
        MessageKind::Groupchat
    };
    let mut body = clean::body(written, Kind::Message(kind))?;
    let mut el = Builder::new(&mut body);
    if private {
        // Section 7.5: so that carbons and other servers know it for what it is.
        el.empty("x", USER);
    }
    occupant_id(&mut el, id);
    if let Some(record) = record {
        stanza_id(&mut el, room, *record);
    }
    if let Some(stamp_ms) = stamp_ms {
        delay(&mut el, Some(room), *stamp_ms);
    }
    el.finish();
    Some(Content {
        head: written.head.clone(),
        ..content(body)
    })
}

/// XEP-0421.
pub(super) fn occupant_id(el: &mut Builder<'_, 'static>, id: &str) {
    el.open("occupant-id")
        .attr("xmlns", disco::OCCUPANT_ID)
        .attr("id", id)
        .close();
}

/// XEP-0359.
fn stanza_id(el: &mut Builder<'_, 'static>, room: &Jid, record: StableId) {
    el.open("stanza-id").attr("xmlns", "urn:xmpp:sid:0");
    el.attr("by", room.as_str()).attr("id", &*record.to_string()).close();
}

/// XEP-0203.
fn delay(el: &mut Builder<'_, 'static>, from: Option<&Jid>, stamp_ms: u64) {
    let mut stamp = Vec::with_capacity(24);
    time::write(&mut stamp, stamp_ms);
    el.open("delay")
        .attr("xmlns", "urn:xmpp:delay")
        .attr_opt("from", from.map(Jid::as_str));
    el.attr("stamp", &*String::from_utf8_lossy(&stamp)).close();
}

fn statuses(el: &mut Builder<'_, 'static>, codes: impl Iterator<Item = Status>) {
    for code in codes {
        el.open("status").attr("code", &*(code as u16).to_string()).close();
    }
}
