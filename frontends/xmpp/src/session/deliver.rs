//! An envelope on its way to the client: the start tag is written anew, the rest is copied out as it is.
//!
//! Invariant: nothing is allocated here but what the outbox needs to grow.

use crosspoint_engine::envelope::{Envelope, Kind, MessageKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::Form;
use crosspoint_engine::stable::StableId;

use crate::codec::CLIENT;
use crate::stanza::{condition, kind, time, write};

/// What stands around addresses, identifier and content in the longest of start and end tags.
const FRAME_BYTES: usize = 80;
/// And around a stanza's identity.
const STABLE_BYTES: usize = 80;

/// Appends a delivery for the session with this full address.
pub(super) fn write(out: &mut Vec<u8>, envelope: &Envelope, form: Form, own: &Jid) {
    match form {
        Form::Plain => stanza(out, envelope, own, None),
        Form::CopyReceived => copy(out, envelope, own, "received"),
        Form::CopySent => copy(out, envelope, own, "sent"),
    }
}

/// XEP-0280 sections 7 and 8: the copy comes from the user's own bare address.
fn copy(out: &mut Vec<u8>, envelope: &Envelope, own: &Jid, direction: &str) {
    let name = kind::name(envelope.kind);
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    write::attribute(out, "from", own.bare_str().as_bytes());
    out.extend_from_slice(b" to=\"");
    write::address(out, own);
    kind_attribute(out, envelope.kind);
    out.extend_from_slice(b"\"><");
    out.extend_from_slice(direction.as_bytes());
    out.extend_from_slice(b" xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>");
    stanza(out, envelope, own, Some(CLIENT));
    out.extend_from_slice(b"</forwarded></");
    out.extend_from_slice(direction.as_bytes());
    out.push(b'>');
    crate::codec::write_tail(out, name);
}

/// Appends an envelope as a stanza inside of another.
pub(crate) fn forward(out: &mut Vec<u8>, envelope: &Envelope) {
    // It needs no address to speak for: there is no delay and no identity in it.
    stanza(out, envelope, &envelope.to, Some(CLIENT));
}

/// Appends an envelope as a stanza, in this default namespace if one is to be declared; `own` is a full address, or the
/// domain.
pub(crate) fn stanza(out: &mut Vec<u8>, envelope: &Envelope, own: &Jid, namespace: Option<&str>) {
    let content = &envelope.content;
    let addresses = envelope.from.as_str().len() + envelope.to.as_str().len();
    out.reserve(
        FRAME_BYTES
            + if envelope.stable.is_some() { STABLE_BYTES } else { 0 }
            + addresses
            + envelope.id.len()
            + content.head.len()
            + content.body.len(),
    );
    match (envelope.kind, namespace) {
        // What stands between two values goes out in one piece.
        (Kind::Message(_), None) => out.extend_from_slice(b"<message from=\""),
        (Kind::Presence(_), None) => out.extend_from_slice(b"<presence from=\""),
        (kind, namespace) => {
            out.push(b'<');
            out.extend_from_slice(kind::name(kind).as_bytes());
            if let Some(namespace) = namespace {
                write::attribute(out, "xmlns", namespace.as_bytes());
            }
            out.extend_from_slice(b" from=\"");
        }
    }
    write::address(out, &envelope.from);
    // A room has said it to nobody in particular (XEP-0313 section 5.1.2).
    if namespace.is_none() || envelope.kind != Kind::Message(MessageKind::Groupchat) {
        out.extend_from_slice(b"\" to=\"");
        write::address(out, &envelope.to);
    }
    kind_attribute(out, envelope.kind);
    if !envelope.id.is_empty() {
        out.extend_from_slice(b"\" id=\"");
        write::value(out, &envelope.id);
    }
    out.push(b'"');
    if !content.head.is_empty() {
        out.extend_from_slice(&content.head);
    }
    if content.body.is_empty() && envelope.error.is_none() && envelope.stamp_ms.is_none() && envelope.stable.is_none() {
        return out.extend_from_slice(b"/>");
    }
    out.push(b'>');
    out.extend_from_slice(&content.body);
    match (envelope.error, envelope.kind) {
        // Only rooms answer presence.
        (Some(reason), Kind::Presence(_)) => condition::write_refusal(out, reason, &envelope.from),
        (Some(reason), _) => condition::write(out, reason),
        (None, _) => {}
    }
    if let Some(stamp_ms) = envelope.stamp_ms {
        delay(out, stamp_ms, own);
    }
    if let Some(id) = envelope.stable {
        stanza_id(out, id, own);
    }
    match envelope.kind {
        Kind::Message(_) => out.extend_from_slice(b"</message>"),
        Kind::Presence(_) => out.extend_from_slice(b"</presence>"),
        Kind::Query(_) => out.extend_from_slice(b"</iq>"),
    }
}

/// XEP-0203: when the server took the message into its care.
fn delay(out: &mut Vec<u8>, stamp_ms: u64, own: &Jid) {
    out.extend_from_slice(b"<delay xmlns='urn:xmpp:delay'");
    write::attribute(out, "from", own.domain().as_bytes());
    out.extend_from_slice(b" stamp='");
    time::write(out, stamp_ms);
    out.extend_from_slice(b"'/>");
}

/// XEP-0359: where the message stands in the user's archive.
fn stanza_id(out: &mut Vec<u8>, id: StableId, own: &Jid) {
    out.extend_from_slice(b"<stanza-id xmlns='urn:xmpp:sid:0'");
    write::attribute(out, "by", own.bare_str().as_bytes());
    out.extend_from_slice(b" id='");
    out.extend_from_slice(&id.text());
    out.extend_from_slice(b"'/>");
}

/// Appends the type, if it is told, behind an attribute's value whose last quote is still missing, and leaves out its own.
fn kind_attribute(out: &mut Vec<u8>, kind: Kind) {
    match (kind, kind::value(kind)) {
        (Kind::Message(MessageKind::Chat), _) => out.extend_from_slice(b"\" type=\"chat"),
        (_, "") => {}
        (_, value) => {
            out.extend_from_slice(b"\" type=\"");
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// Whether an inactive client can do without it for a while (XEP-0352).
pub(super) fn is_deferrable(envelope: &Envelope) -> bool {
    use crosspoint_engine::envelope::{Hints, PresenceKind};
    match envelope.kind {
        Kind::Presence(PresenceKind::Available | PresenceKind::Unavailable) => true,
        Kind::Message(_) => envelope.hints.has(Hints::DEFER),
        Kind::Presence(_) | Kind::Query(QueryKind::Get | QueryKind::Set | QueryKind::Result | QueryKind::Error) => {
            false
        }
    }
}
