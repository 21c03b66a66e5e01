//! What an archive says: results, the end of a page, its form, its metadata.
//!
//! Invariant: a message is shown as it was written, with the time at which it was archived beside it, never in it.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, MessageKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;
use crosspoint_engine::stable::StableId;

use super::NS;
use crate::codec::Builder;
use crate::neutral;
use crate::session::forward;
use crate::stanza::{time, write};

/// What stands around a message in a result, about.
const RESULT_FRAME_BYTES: usize = 512;

/// About what a result of this message weighs.
pub(super) fn result_bytes(message: &Envelope) -> usize {
    RESULT_FRAME_BYTES + message.content.head.len() + message.content.body.len()
}

/// XEP-0313 section 5: one message, for the session that has asked. `None`: it cannot be said in XML.
pub(super) fn result(
    message: &Envelope,
    archive: &Jid,
    session: &Jid,
    queryid: Option<&str>,
    host: &dyn Host,
) -> Option<Envelope> {
    let mut message = in_xml(message, host)?;
    let (id, stamp_ms) = (message.stable.take()?, message.stamp_ms.take());
    let mut body = Vec::with_capacity(result_bytes(&message));
    body.extend_from_slice(b"<result xmlns='urn:xmpp:mam:2'");
    if let Some(queryid) = queryid {
        write::attribute(&mut body, "queryid", queryid.as_bytes());
    }
    write::attribute(&mut body, "id", &id.text());
    body.extend_from_slice(b"><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='");
    time::write(&mut body, stamp_ms.unwrap_or(0));
    body.extend_from_slice(b"'/>");
    forward(&mut body, &message);
    body.extend_from_slice(b"</forwarded></result>");
    Some(Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from(body),
        },
        ..Envelope::neutral(archive.clone(), session.clone(), Kind::Message(MessageKind::Normal))
    })
}

/// What was written by others is said in neutral words first.
fn in_xml(message: &Envelope, host: &dyn Host) -> Option<Envelope> {
    match message.content.codec {
        Codec::Xmpp => Some(message.clone()),
        Codec::Neutral => Some(neutral::to_stanza(message)),
        Codec::Icpp => Some(neutral::to_stanza(&host.neutral(message)?)),
    }
}

/// The end of a page, and where others begin.
pub(super) fn fin(edges: Option<(StableId, StableId)>, complete: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut fin = Builder::new(&mut out);
    fin.open("fin").attr("xmlns", NS);
    if complete {
        fin.attr("complete", "true");
    }
    fin.open("set").attr("xmlns", "http://jabber.org/protocol/rsm");
    if let Some((first, last)) = edges {
        fin.open("first").text(&first.to_string()).close();
        fin.open("last").text(&last.to_string()).close();
    }
    fin.finish();
    out
}

/// XEP-0313 section 4.1.5: the fields that a query may have.
pub(super) fn form() -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut form = Builder::new(&mut out);
    form.open("query").attr("xmlns", NS);
    form.open("x").attr("xmlns", "jabber:x:data").attr("type", "form");
    form.open("field").attr("type", "hidden").attr("var", "FORM_TYPE");
    form.open("value").text(NS).close().close();
    for (kind, name) in [
        ("jid-single", "with"),
        ("text-single", "start"),
        ("text-single", "end"),
        ("text-single", "before-id"),
        ("text-single", "after-id"),
        ("boolean", "include-groupchat"),
    ] {
        form.open("field").attr("type", kind).attr("var", name).close();
    }
    form.open("field").attr("type", "list-multi").attr("var", "ids");
    // XEP-0122: any value may be given, not one of a list.
    form.open("validate")
        .attr("xmlns", "http://jabber.org/protocol/xdata-validate")
        .attr("datatype", "xs:string");
    form.open("open");
    form.finish();
    out
}

/// The first and the last message of the archive, if there is any.
pub(super) fn metadata(ends: Option<(Envelope, Envelope)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut metadata = Builder::new(&mut out);
    metadata.open("metadata").attr("xmlns", NS);
    if let Some((first, last)) = ends {
        for (name, message) in [("start", first), ("end", last)] {
            let Some(id) = message.stable else { continue };
            let mut stamp = Vec::with_capacity(24);
            time::write(&mut stamp, message.stamp_ms.unwrap_or(0));
            let stamp = String::from_utf8_lossy(&stamp);
            metadata
                .open(name)
                .attr("id", &*id.to_string())
                .attr("timestamp", &*stamp)
                .close();
        }
    }
    metadata.finish();
    out
}
