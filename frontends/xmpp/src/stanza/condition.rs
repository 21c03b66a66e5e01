//! Stanza errors on the wire (RFC 6120 section 8.3).
//!
//! Invariant: each neutral condition has one element name and one recommended error type.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;

use super::write;

/// The condition's element name, and the error type that RFC 6120 section 8.3.3 recommends for it.
pub(crate) fn wire(condition: Condition) -> (&'static str, &'static str) {
    match condition {
        Condition::BadRequest => ("bad-request", "modify"),
        Condition::Conflict => ("conflict", "cancel"),
        Condition::FeatureNotImplemented => ("feature-not-implemented", "cancel"),
        Condition::Forbidden => ("forbidden", "auth"),
        Condition::InternalServerError => ("internal-server-error", "cancel"),
        Condition::ItemNotFound => ("item-not-found", "cancel"),
        Condition::JidMalformed => ("jid-malformed", "modify"),
        Condition::NotAcceptable => ("not-acceptable", "modify"),
        Condition::NotAllowed => ("not-allowed", "cancel"),
        Condition::NotAuthorized => ("not-authorized", "auth"),
        Condition::PolicyViolation => ("policy-violation", "modify"),
        Condition::RemoteServerNotFound => ("remote-server-not-found", "cancel"),
        Condition::RemoteServerTimeout => ("remote-server-timeout", "wait"),
        Condition::ResourceConstraint => ("resource-constraint", "wait"),
        Condition::ServiceUnavailable => ("service-unavailable", "cancel"),
        Condition::SubscriptionRequired => ("subscription-required", "auth"),
        Condition::UnexpectedRequest => ("unexpected-request", "wait"),
        Condition::RegistrationRequired => ("registration-required", "auth"),
    }
}

/// The condition with this element name.
pub(crate) fn from_name(name: &str) -> Option<Condition> {
    Condition::ALL.into_iter().find(|condition| wire(*condition).0 == name)
}

/// Appends the `<error/>` element of a stanza error.
pub(crate) fn write(out: &mut Vec<u8>, condition: Condition) {
    let (name, kind) = wire(condition);
    element(out, name, kind, None, &[]);
}

/// The same with a condition of the application's own: its name and namespace, as they stand in the source.
pub(crate) fn write_with(out: &mut Vec<u8>, condition: Condition, name: &str, ns: &str) {
    let (condition, kind) = wire(condition);
    element(out, condition, kind, None, &["<", name, " xmlns='", ns, "'/>"]);
}

/// The same for a presence that a room refuses: it says who did, and what can be done about it (XEP-0045 section 7.2).
pub(crate) fn write_refusal(out: &mut Vec<u8>, condition: Condition, room: &Jid) {
    let (name, kind) = wire(condition);
    let kind = match condition {
        // Somebody may leave.
        Condition::ServiceUnavailable => "wait",
        // Another nickname would not help.
        Condition::NotAcceptable => "cancel",
        _ => kind,
    };
    element(out, name, kind, Some(room.bare_str()), &[]);
}

fn element(out: &mut Vec<u8>, name: &str, kind: &str, by: Option<&str>, application: &[&str]) {
    out.extend_from_slice(b"<error type='");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'\'');
    if let Some(by) = by {
        write::attribute(out, "by", by.as_bytes());
    }
    let named = ["><", name, " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"];
    for part in named.iter().chain(application).chain(&["</error>"]) {
        out.extend_from_slice(part.as_bytes());
    }
}
