//! What a client hears when it is logged in.

use crosspoint_xmpp::codec::{CLIENT, Scanner, Stanza, Value};

use super::common::Common;
use super::{Event, MARK_BYTES, Mark, write};

const ARCHIVE: &str = "urn:xmpp:mam:2";
const STATES: &str = "http://jabber.org/protocol/chatstates";
const ROOM_USER: &str = "http://jabber.org/protocol/muc#user";
const PING: &str = "urn:xmpp:ping";

/// Where the body of an intact message of ours begins and ends.
type Body = (usize, usize);

/// What a stanza means; for an intact message of ours also where its body is.
pub fn stanza(stanza: &Stanza<'_>, scanner: &Scanner, common: &Common, out: &mut Vec<u8>) -> (Event, Option<Body>) {
    match stanza.name {
        "message" => message(stanza, scanner, common),
        "presence" => (presence(stanza, scanner, common, out), None),
        "iq" => (query(stanza, scanner, out), None),
        _ => (Event::Nothing, None),
    }
}

fn message(stanza: &Stanza<'_>, scanner: &Scanner, common: &Common) -> (Event, Option<Body>) {
    let is = |kind: &str| stanza.kind.is_some_and(|found| found == kind);
    if is("error") {
        // A typing notice for somebody who is not there is not worth keeping, and nobody misses it.
        let typing = stanza.id.is_some_and(|id| id == write::TYPING_ID);
        return (if typing { Event::Nothing } else { Event::Bounced }, None);
    }
    let room = is("groupchat");
    let body = scanner.children(stanza).find(|child| child.is("body", CLIENT));
    let mark = stanza.id.and_then(|id| Mark::read(id.raw().as_bytes()));
    match (body, mark) {
        (Some(body), Some(mark)) if body.inner().as_bytes() == common.filler.body(mark) => {
            let place = Some((body.head_end, body.inner_end));
            let event = if room { Event::Room(mark) } else { Event::Message(mark) };
            (event, place)
        }
        (_, Some(_)) => (Event::Damaged, None),
        // Only clients write chat messages with a body, and all of ours have a mark.
        (Some(_), None) if is("chat") => (Event::Damaged, None),
        _ => (other_message(stanza, scanner), None),
    }
}

fn other_message(stanza: &Stanza<'_>, scanner: &Scanner) -> Event {
    for child in scanner.children(stanza) {
        if child.is("result", ARCHIVE) {
            return Event::Archived;
        }
        if child.is("composing", STATES) {
            return Event::Typing;
        }
    }
    Event::Foreign
}

fn presence(stanza: &Stanza<'_>, scanner: &Scanner, common: &Common, out: &mut Vec<u8>) -> Event {
    let Some(from) = stanza.from else {
        return Event::Nothing;
    };
    if let Some(room) = common.room_of(from) {
        return in_room(stanza, scanner, room, common, out);
    }
    let available = match stanza.kind {
        None => true,
        Some(kind) if kind == "unavailable" => false,
        Some(_) => return Event::Nothing,
    };
    let status = scanner.children(stanza).find(|child| child.is("status", CLIENT));
    let mark = status.and_then(|status| {
        let (digits, text) = status.inner().as_bytes().split_at_checked(MARK_BYTES)?;
        Mark::read(digits).filter(|mark| text == common.filler.body(*mark))
    });
    if status_is_damaged(mark, scanner, stanza) {
        return Event::Damaged;
    }
    Event::Presence {
        from: common.user_of(from),
        mark,
        available,
    }
}

/// A status text that is none of ours, though only ours are written.
fn status_is_damaged(mark: Option<Mark>, scanner: &Scanner, stanza: &Stanza<'_>) -> bool {
    mark.is_none()
        && scanner
            .children(stanza)
            .any(|child| child.is("status", CLIENT) && !child.inner().is_empty())
        && stanza.kind.is_none()
}

/// An occupant's presence; only our own has status 110 (XEP-0045 section 7.2.2), and 201 if the room is new.
fn in_room(stanza: &Stanza<'_>, scanner: &Scanner, room: u32, common: &Common, out: &mut Vec<u8>) -> Event {
    match stanza.kind {
        Some(kind) if kind == "error" => return Event::NotJoined,
        Some(_) => return Event::Nothing,
        None => {}
    }
    let Some(about) = scanner.children(stanza).find(|child| child.is("x", ROOM_USER)) else {
        return Event::Nothing;
    };
    let has = |code: &str| {
        let about = about.inner();
        about.contains(&format!("code='{code}'")) || about.contains(&format!("code=\"{code}\""))
    };
    if !has("110") {
        return Event::Nothing;
    }
    if has("201") {
        write::unlock(common, room, out);
    }
    Event::Joined { room }
}

fn query(stanza: &Stanza<'_>, scanner: &Scanner, out: &mut Vec<u8>) -> Event {
    let id_is = |id: &str| stanza.id.is_some_and(|found| found == id);
    match stanza.kind.map(Value::raw) {
        // A server without pings answers with an error, which is an answer too.
        Some("result" | "error") if id_is("ping") => Event::Pong,
        Some("result") if id_is("archive") => Event::ArchiveEnd,
        Some("error") => Event::Refused,
        Some("get" | "set") => {
            answer(stanza, scanner, out);
            Event::Nothing
        }
        _ => Event::Nothing,
    }
}

/// RFC 6120 section 8.2.3: a request must be answered.
fn answer(stanza: &Stanza<'_>, scanner: &Scanner, out: &mut Vec<u8>) {
    let known = scanner
        .children(stanza)
        .any(|child| child.is("ping", PING) || child.is("query", "jabber:iq:roster"));
    let attribute = |name: &str, value: Option<Value<'_>>| {
        value.map_or_else(String::new, |value| {
            format!(" {name}='{}'", value.raw().replace('\'', "&apos;"))
        })
    };
    let (to, id) = (attribute("to", stanza.from), attribute("id", stanza.id));
    let answer = match known {
        true => format!("<iq type='result'{to}{id}/>"),
        false => format!(
            "<iq type='error'{to}{id}><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ),
    };
    out.extend_from_slice(answer.as_bytes());
}
