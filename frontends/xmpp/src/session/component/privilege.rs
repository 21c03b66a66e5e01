//! XEP-0356 Privileged Entity, as far as the stream goes: what a component may do is announced to it, and it may send messages in
//! the name of the server and of its users.
//!
//! Invariants:
//! - A message in somebody's name is written anew, without what that somebody could not say himself.
//! - Whatever is not as section 5 has it, is `forbidden`, and nobody hears of it.

use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind};
use crosspoint_engine::jid::Jid;

use crate::codec::{Builder, CLIENT, Child, Cut, Element, Frame, Scan, ScanLimits, Scanner, Stanza, cut};
use crate::components::{Access, Component, Privileges};
use crate::features::{PRIVILEGE_NS as NS, xml_content};
use crate::stanza::{children, kind, write as words};

const NS_FORWARD: &str = "urn:xmpp:forward:0";

/// Appends the message that says what the component may do; nothing if that is nothing.
pub(super) fn announce(component: &Component, server: &Jid, out: &mut Vec<u8>) {
    let privileges = &component.privileges;
    if !privileges.are_any() {
        return;
    }
    out.extend_from_slice(b"<message");
    words::attribute(out, "from", server.as_bytes());
    words::attribute(out, "to", component.domain.as_bytes());
    words::attribute(out, "id", b"privileges");
    out.push(b'>');
    let mut el = Builder::new(out);
    el.open("privilege").attr("xmlns", NS);
    permissions(&mut el, privileges);
    el.finish();
    out.extend_from_slice(b"</message>");
}

fn permissions(el: &mut Builder<'_, '_>, privileges: &Privileges) {
    if privileges.roster != Access::None {
        let push = if privileges.hears_of_rosters() { "true" } else { "false" };
        el.open("perm")
            .attr("access", "roster")
            .attr("type", privileges.roster.name());
        el.attr("push", push).close();
    }
    if privileges.message {
        el.open("perm")
            .attr("access", "message")
            .attr("type", "outgoing")
            .close();
    }
    if !privileges.queries.is_empty() {
        el.open("perm").attr("access", "iq");
        for (namespace, access) in &privileges.queries {
            el.open("namespace")
                .attr("ns", namespace.as_str())
                .attr("type", access.name())
                .close();
        }
        el.close();
    }
    if privileges.presence {
        el.open("perm")
            .attr("access", "presence")
            .attr("type", "managed_entity")
            .close();
    }
}

/// The child by which a message to the server asks for another one to be sent.
pub(super) fn request<'a>(stanza: &Stanza<'a>, scanner: &Scanner, to: &Jid, server: &Jid) -> Option<Child<'a>> {
    if stanza.name != "message" || to != server || stanza.kind.is_some_and(|kind| kind == "error") {
        return None;
    }
    scanner.children(stanza).find(|child| child.is("privilege", NS))
}

/// The message that is to be sent in the name of the server, or of one of its users (section 5.3).
pub(super) fn message(
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    request: &Child<'_>,
    component: &Component,
    server: &Jid,
    limits: &ScanLimits,
) -> Result<Envelope, Condition> {
    if !component.privileges.message
        || stanza
            .from
            .is_none_or(|from| from.unescape() != component.domain.as_str())
    {
        return Err(Condition::Forbidden);
    }
    let tree = scanner.child_tree(stanza, request).map_err(|_| Condition::BadRequest)?;
    let inner = forwarded(&tree).ok_or(Condition::Forbidden)?;
    let address = |name: &str| inner.attr(name).and_then(|text| Jid::parse(text).ok());
    let from = address("from").filter(|from| from.is_bare() && from.domain() == server.domain());
    let from = from.ok_or(Condition::Forbidden)?;
    let to = address("to").ok_or(Condition::JidMalformed)?;
    let kind = kind::message(inner.attr("type"));
    let text = xml_content(inner, limits.stanza_bytes_max as usize).ok_or(Condition::NotAcceptable)?;
    let (body, hints) = honest(&text, kind, &from, limits)?;
    let mut head = Vec::new();
    if let Some(lang) = inner.lang() {
        words::attribute(&mut head, "xml:lang", lang.as_bytes());
    }
    let kind = Kind::Message(kind);
    Ok(Envelope {
        id: inner.attr("id").unwrap_or_default().to_owned().into(),
        content: Content {
            codec: Codec::Xmpp,
            head: head.into(),
            body: body.into(),
        },
        hints,
        ..Envelope::neutral(from, to, kind)
    })
}

/// The one message in the one wrapping of a request.
fn forwarded<'a, 'e>(request: &'e Element<'a>) -> Option<&'e Element<'a>> {
    let wrapping = only_child(request).filter(|child| child.is("forwarded", NS_FORWARD))?;
    only_child(wrapping).filter(|child| child.is("message", CLIENT))
}

/// What stands in a message, without what its sender could not say, and what that means for its treatment.
fn honest(
    text: &[u8],
    kind: crosspoint_engine::envelope::MessageKind,
    from: &Jid,
    limits: &ScanLimits,
) -> Result<(Vec<u8>, Hints), Condition> {
    let whole = [b"<message>", text, b"</message>"].concat();
    let mut scanner = Scanner::for_stanzas(ScanLimits {
        stanza_bytes_max: u32::MAX,
        ..*limits
    });
    let Ok(Scan::Frame {
        frame: Frame::Stanza(stanza),
        ..
    }) = scanner.scan(&whole)
    else {
        return Err(Condition::BadRequest);
    };
    let hints = children::survey(&scanner, &stanza, from).hints(kind);
    let body = match cut(&stanza, &scanner, |child| children::is_forged(child, from)) {
        Cut::Whole(body) => body.as_bytes().to_vec(),
        Cut::Rebuilt(body) => body,
    };
    Ok((body, hints))
}

fn only_child<'a, 'e>(element: &'e Element<'a>) -> Option<&'e Element<'a>> {
    let mut children = element.children();
    let only = children.next();
    only.filter(|_| children.next().is_none())
}
