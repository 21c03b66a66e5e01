//! What SASL looks like on the wire, in its two profiles: RFC 6120 section 6 and XEP-0388.
//!
//! Invariant: both profiles carry the same exchange; only the elements differ.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::scram::SaslFault;

use crate::codec::Builder;

use super::negotiate::NS_SASL;
use super::sasl2::NS as NS_SASL2;

/// By which elements the exchange under way is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// RFC 6120 section 6.
    Rfc6120,
    /// XEP-0388.
    Extensible,
}

impl Profile {
    fn namespace(self) -> &'static str {
        match self {
            Profile::Rfc6120 => NS_SASL,
            Profile::Extensible => NS_SASL2,
        }
    }
}

/// The failure conditions of RFC 6120 section 6.5 that we have a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Aborted,
    CredentialsExpired,
    EncryptionRequired,
    IncorrectEncoding,
    InvalidAuthzid,
    InvalidMechanism,
    MalformedRequest,
    NotAuthorized,
    Temporary,
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Failure::Aborted => "aborted",
            Failure::CredentialsExpired => "credentials-expired",
            Failure::EncryptionRequired => "encryption-required",
            Failure::IncorrectEncoding => "incorrect-encoding",
            Failure::InvalidAuthzid => "invalid-authzid",
            Failure::InvalidMechanism => "invalid-mechanism",
            Failure::MalformedRequest => "malformed-request",
            Failure::NotAuthorized => "not-authorized",
            Failure::Temporary => "temporary-auth-failure",
        }
    }
}

impl From<SaslFault> for Failure {
    fn from(fault: SaslFault) -> Failure {
        match fault {
            SaslFault::Malformed
            | SaslFault::TooLong
            | SaslFault::ExtensionUnsupported
            | SaslFault::BindingFlagMismatch => Failure::MalformedRequest,
            SaslFault::InvalidAuthzid => Failure::InvalidAuthzid,
            SaslFault::Downgrade
            | SaslFault::BindingTypeUnsupported
            | SaslFault::BindingMismatch
            | SaslFault::NonceMismatch
            | SaslFault::UsernameForbidden
            | SaslFault::WrongProof => Failure::NotAuthorized,
        }
    }
}

/// Base64 as RFC 6120 section 6.4.2 has it: strict, and `=` for a message of no bytes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    match text {
        "" | "=" => Some(Vec::new()),
        text => STANDARD.decode(text).ok(),
    }
}

/// Appends `<challenge/>`.
pub(super) fn write_challenge(out: &mut Vec<u8>, profile: Profile, data: &[u8]) {
    write_data(out, profile, "challenge", data);
}

/// Appends `<success/>` of the old profile. That of the new one is put together in `sasl2`.
pub(super) fn write_success(out: &mut Vec<u8>, data: &[u8]) {
    write_data(out, Profile::Rfc6120, "success", data);
}

fn write_data(out: &mut Vec<u8>, profile: Profile, name: &'static str, data: &[u8]) {
    let text = STANDARD.encode(data);
    Builder::new(out)
        .open(name)
        .attr("xmlns", profile.namespace())
        .text(&text);
}

/// Appends `<failure/>`. `text` is for people.
pub(super) fn write_failure(out: &mut Vec<u8>, profile: Profile, failure: Failure, text: Option<&str>) {
    let mut put = |part: &str| out.extend_from_slice(part.as_bytes());
    ["<failure xmlns='", profile.namespace(), "'><", failure.name()]
        .into_iter()
        .for_each(&mut put);
    if profile == Profile::Extensible {
        // The condition is RFC 6120's in both.
        [" xmlns='", NS_SASL, "'"].into_iter().for_each(&mut put);
    }
    put("/>");
    if let Some(text) = text {
        Builder::new(out).open("text").text(text);
    }
    out.extend_from_slice(b"</failure>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        assert_eq!(decode("="), Some(vec![]));
        assert_eq!(decode("biws"), Some(b"n,,".to_vec()));
        for wrong in [
            "biw",
            "biws\n",
            " biws",
            "biws=",
            "b iws",
            "bi-s",
            "===",
            "<![CDATA[biws]]>",
        ] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_failure_names_its_condition_in_the_namespace_of_rfc_6120() {
        let mut out = Vec::new();
        write_failure(&mut out, Profile::Extensible, Failure::Aborted, Some("a < b"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
             <text>a &lt; b</text></failure>"
        );
    }
}
