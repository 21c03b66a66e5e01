//! Stanza errors on the wire (RFC 6120 section 8.3).
//!
//! Invariant: each neutral condition has one element name and one recommended error type.

use crosspoint_engine::envelope::Condition;

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
    }
}

/// The condition with this element name.
pub(crate) fn from_name(name: &str) -> Option<Condition> {
    Condition::ALL.into_iter().find(|condition| wire(*condition).0 == name)
}

/// Appends the `<error/>` element of a stanza error.
pub(crate) fn write(out: &mut Vec<u8>, condition: Condition) {
    write_error(out, condition, &[]);
}

/// The same with a condition of the application's own: its name and namespace, as they stand in the source.
pub(crate) fn write_with(out: &mut Vec<u8>, condition: Condition, name: &str, ns: &str) {
    write_error(out, condition, &["<", name, " xmlns='", ns, "'/>"]);
}

fn write_error(out: &mut Vec<u8>, condition: Condition, application: &[&str]) {
    let (name, kind) = wire(condition);
    for part in [
        "<error type='",
        kind,
        "'><",
        name,
        " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    application
        .iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
    out.extend_from_slice(b"</error>");
}
