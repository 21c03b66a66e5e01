//! What a client is told: one `<body/>`.

use bytes::Bytes;

use super::{NS, NS_XBOSH};
use crate::stanza::write;

/// Why a session ends, or there is none (XEP-0124 section 17.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It ends as it should.
    None,
    /// The request is no request.
    BadRequest,
    /// There is no such session, or the request does not belong to it.
    ItemNotFound,
    /// Too much, too often.
    PolicyViolation,
    /// The stream has ended without an end.
    RemoteConnectionFailed,
    /// The stream has ended with an error, which is in the body.
    RemoteStreamError,
    /// There is no place.
    InternalServerError,
}

impl Condition {
    fn name(self) -> Option<&'static str> {
        match self {
            Condition::None => None,
            Condition::BadRequest => Some("bad-request"),
            Condition::ItemNotFound => Some("item-not-found"),
            Condition::PolicyViolation => Some("policy-violation"),
            Condition::RemoteConnectionFailed => Some("remote-connection-failed"),
            Condition::RemoteStreamError => Some("remote-stream-error"),
            Condition::InternalServerError => Some("internal-server-error"),
        }
    }
}

/// A body with these attributes and elements.
pub(super) fn body(attributes: &[(&str, &str)], elements: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(128 + elements.len());
    out.extend_from_slice(b"<body xmlns='");
    out.extend_from_slice(NS.as_bytes());
    out.push(b'\'');
    if attributes.iter().any(|(name, _)| name.starts_with("xmpp:")) {
        out.extend_from_slice(format!(" xmlns:xmpp='{NS_XBOSH}'").as_bytes());
    }
    for (name, value) in attributes {
        write::attribute(&mut out, name, value.as_bytes());
    }
    match elements {
        [] => out.extend_from_slice(b"/>"),
        elements => {
            out.push(b'>');
            out.extend_from_slice(elements);
            out.extend_from_slice(b"</body>");
        }
    }
    out.into()
}

/// The end of a session, with the last elements for its client.
pub(super) fn last(condition: Condition, elements: &[u8]) -> Bytes {
    let mut attributes = vec![("type", "terminate")];
    attributes.extend(condition.name().map(|name| ("condition", name)));
    body(&attributes, elements)
}

/// The answer to a request that belongs to no session.
#[must_use]
pub fn terminate(condition: Condition) -> Bytes {
    last(condition, &[])
}
