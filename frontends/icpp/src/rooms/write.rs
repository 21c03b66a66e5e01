//! What a room says, as a content: OCCUPANT, SUBJECT and the like, or a message with the room's own extensions.
//!
//! Invariant: of what an occupant wrote passes what it says to people; of its presence, show and status alone.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::rooms::{Notice, OccupantView, Status, Viewer};
use crosspoint_engine::stable::StableId;

use crate::codec::Verb;
use crate::codec::ext::{self, Exts};
use crate::codec::message::tag as message_tag;
use crate::codec::rooms::{Body, tag, write_codes, write_text};
use crate::parts::{HEAD_BYTES, HEAD_OFFSET, Parts};
use crate::session::outbound::show_of;

use super::{clip, role_number, said};

/// Where a message's head says how long its extensions are.
const EXT_LEN_AT: usize = 44 - HEAD_OFFSET;

/// The content of a notice, for those who see it like that. `None` if an occupant's content cannot be said here.
pub(super) fn write(notice: &Notice<'_>, viewer: Viewer) -> Option<Content> {
    match notice {
        Notice::Presence { about, .. } => presence(notice, about, viewer),
        Notice::Said {
            content,
            occupant_id,
            record,
            ..
        } => message(content, occupant_id, *record),
        _ => own_words(notice),
    }
}

/// Notices in which nobody's content passes.
fn own_words(notice: &Notice<'_>) -> Option<Content> {
    let mut body = Vec::new();
    let out = &mut body;
    let verb = match notice {
        Notice::Refused => Verb::Refused,
        Notice::Subject {
            text,
            occupant_id,
            stamp_ms,
        } => {
            // The room bounds it.
            write_text(out, tag::SUBJECT, text);
            write_some(out, tag::OCCUPANT_ID, *occupant_id);
            stamp(out, *stamp_ms);
            Verb::Subject
        }
        Notice::Statuses(codes) => {
            write_codes(out, codes.iter().map(|code| *code as u16));
            Verb::Notice
        }
        Notice::AffiliationChanged { account, affiliation } => {
            write_text(out, tag::ACCOUNT, account.as_str());
            ext::write(out, tag::AFFILIATION, &[*affiliation as u8]);
            Verb::Notice
        }
        Notice::Moderated {
            record,
            by,
            reason,
            stamp_ms,
            ..
        } => {
            write_text(out, tag::RECORD, &record.to_string());
            write_text(out, tag::BY, by.0);
            write_text(out, tag::OCCUPANT_ID, by.1);
            reasoned(out, reason);
            stamp(out, *stamp_ms);
            Verb::Notice
        }
        Notice::Invited {
            by,
            reason,
            password,
            continues,
        } => {
            write_text(out, tag::BY, by.as_str());
            reasoned(out, reason);
            write_some(out, tag::PASSWORD, *password);
            write_some(out, tag::CONTINUES, continues.map(clip));
            Verb::Invite
        }
        Notice::Declined { by, reason } => {
            write_text(out, tag::BY, by.as_str());
            reasoned(out, reason);
            Verb::Decline
        }
        Notice::VoiceAsked { nick, real } => {
            write_text(out, tag::NICK, nick);
            write_text(out, tag::REAL, real.as_str());
            Verb::Voice
        }
        Notice::Presence { .. } | Notice::Said { .. } => return None,
    };
    Some(said(verb, body))
}

fn presence(notice: &Notice<'_>, about: &OccupantView<'_>, viewer: Viewer) -> Option<Content> {
    let Notice::Presence {
        statuses,
        actor,
        reason,
        new_nick,
        destroyed,
        ..
    } = notice
    else {
        return None;
    };
    let mut body = Vec::new();
    let out = &mut body;
    ext::write(out, tag::AFFILIATION, &[about.affiliation as u8]);
    ext::write(out, tag::ROLE, &[role_number(about.role)]);
    write_text(out, tag::OCCUPANT_ID, about.occupant_id);
    shown(out, about.shows);
    if viewer.sees_real {
        write_text(out, tag::REAL, about.real.as_str());
    }
    write_codes(out, codes(statuses, viewer).into_iter());
    write_some(out, tag::BY, *actor);
    write_some(out, tag::NEW_NICK, *new_nick);
    if let Some((alternative, why, password)) = destroyed {
        ext::write(out, tag::DESTROYED, &[]);
        write_some(out, tag::ALTERNATIVE, alternative.map(Jid::as_str));
        write_some(out, tag::PASSWORD, password.map(clip));
        reasoned(out, why);
    } else {
        reasoned(out, reason);
    }
    Some(said(Verb::Occupant, body))
}

/// What warns or welcomes the entering occupant is told to nobody else.
fn codes(statuses: &[Status], viewer: Viewer) -> Vec<u16> {
    let own_only = |code: &Status| {
        matches!(
            code,
            Status::NonAnonymous | Status::SelfPresence | Status::LoggingOn | Status::Created
        )
    };
    let told = statuses.iter().filter(|code| viewer.is_self || !own_only(code));
    let mut told: Vec<u16> = told.map(|code| *code as u16).collect();
    if viewer.is_self {
        told.push(Status::SelfPresence as u16);
    }
    told.sort_unstable();
    told.dedup();
    told
}

/// Show and status of the presence that an occupant last sent.
fn shown(out: &mut Vec<u8>, shows: &Content) {
    if shows.codec == Codec::Icpp {
        let body = Body::answer(&shows.body);
        return body.map_or((), |body| write_shown(out, &super::shown(&body)));
    }
    write_shown(out, &Neutral::read(&shows.body));
}

fn write_shown(out: &mut Vec<u8>, said: &Neutral<'_>) {
    ext::write(out, tag::SHOW, &[show_of(said.show) as u8]);
    write_some(out, tag::STATUS, said.status.as_deref().map(clip));
}

/// A message with whose it is, and its identity in the archive.
fn message(content: &Content, occupant_id: &str, record: Option<StableId>) -> Option<Content> {
    let mut own = Vec::new();
    write_text(&mut own, message_tag::OCCUPANT_ID, occupant_id);
    if let Some(record) = record {
        ext::write(&mut own, message_tag::RECORD, &record.text());
    }
    if content.codec != Codec::Icpp {
        let mut body = (own.len() as u16).to_le_bytes().to_vec();
        body.extend_from_slice(&own);
        body.extend_from_slice(&content.body);
        return Some(said(Verb::Deliver, body));
    }
    let parts = Parts::of(content)?;
    let mut extensions = Vec::with_capacity(parts.extensions.len() + own.len());
    let forged = |tag| matches!(tag, message_tag::OCCUPANT_ID | message_tag::RECORD);
    for ext in Exts::new(parts.extensions).flatten().filter(|ext| !forged(ext.tag)) {
        ext::write(&mut extensions, ext.tag, ext.value);
    }
    extensions.extend_from_slice(&own);
    let mut head: [u8; HEAD_BYTES] = content.head.as_ref().try_into().ok()?;
    let length = u16::try_from(extensions.len()).ok()?;
    head[EXT_LEN_AT..EXT_LEN_AT + 2].copy_from_slice(&length.to_le_bytes());
    extensions.extend_from_slice(parts.payload);
    Some(Content {
        codec: Codec::Icpp,
        head: Bytes::copy_from_slice(&head),
        body: Bytes::from(extensions),
    })
}

fn write_some(out: &mut Vec<u8>, tag: u16, text: Option<&str>) {
    if let Some(text) = text {
        write_text(out, tag, text);
    }
}

fn reasoned(out: &mut Vec<u8>, reason: &str) {
    write_some(out, tag::REASON, Some(clip(reason)).filter(|reason| !reason.is_empty()));
}

fn stamp(out: &mut Vec<u8>, stamp_ms: Option<u64>) {
    if let Some(stamp_ms) = stamp_ms {
        ext::write(out, tag::STAMP, &stamp_ms.to_le_bytes());
    }
}
