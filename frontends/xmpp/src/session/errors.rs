//! Stream errors (RFC 6120 section 4.9.3): the peer's mistakes that end a stream, and our own reasons to end it.
//!
//! Invariant: every way in which a stream ends other than by its closing tag is one of these variants.

use crosspoint_engine::session::Farewell;

use crate::codec::{self, Fault};
use crate::stanza::write;

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamError {
    /// The bytes are not what XMPP allows; the scanner names the condition.
    Xml(Fault),
    /// Another session took the resource.
    Conflict,
    /// It took too long, or the other side is silent.
    ConnectionTimeout,
    /// The `to` of the stream header is not served here.
    HostUnknown,
    /// A `to` or `from` that is no address, or missing where it must not be.
    ImproperAddressing,
    /// Our fault.
    InternalServerError,
    /// A stanza's `from` is not the session's own.
    InvalidFrom,
    /// The stream's or its content's namespace is wrong.
    InvalidNamespace,
    /// Something was sent before it was allowed.
    NotAuthorized,
    /// A bound or a rule of the service was broken.
    PolicyViolation,
    /// Our bounds are reached.
    ResourceConstraint,
    /// Go there instead.
    SeeOtherHost,
    /// The switch goes down.
    SystemShutdown,
    /// XEP-0198 section 6: more was acknowledged than had been sent.
    HandledCountTooHigh {
        /// What the client claims.
        h: u32,
        /// What was sent.
        sent: u32,
    },
    /// A first-level element that is not known at this point.
    UnsupportedStanzaType,
    /// The `version` of the stream header is below 1.0 or absent.
    UnsupportedVersion,
}

impl StreamError {
    /// The condition's element name in `urn:ietf:params:xml:ns:xmpp-streams`.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::Xml(fault) => fault.condition(),
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::NotAuthorized => "not-authorized",
            Self::PolicyViolation => "policy-violation",
            Self::ResourceConstraint => "resource-constraint",
            Self::SeeOtherHost => "see-other-host",
            Self::SystemShutdown => "system-shutdown",
            Self::HandledCountTooHigh { .. } => "undefined-condition",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// Appends the error and the end of the stream. `see_other_host` is the target of that condition.
    pub(crate) fn write(self, out: &mut Vec<u8>, see_other_host: Option<&str>) {
        out.extend_from_slice(b"<stream:error><");
        out.extend_from_slice(self.condition().as_bytes());
        out.extend_from_slice(b" xmlns='urn:ietf:params:xml:ns:xmpp-streams'");
        match (self, see_other_host) {
            (Self::SeeOtherHost, Some(target)) => {
                out.push(b'>');
                codec::write::text(out, target);
                out.extend_from_slice(b"</see-other-host>");
            }
            _ => out.extend_from_slice(b"/>"),
        }
        if let Self::HandledCountTooHigh { h, sent } = self {
            out.extend_from_slice(b"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='");
            write::number(out, h.into());
            out.extend_from_slice(b"' send-count='");
            write::number(out, sent.into());
            out.extend_from_slice(b"'/>");
        }
        out.extend_from_slice(b"</stream:error></stream:stream>");
    }

    /// What the shard's farewell means in this protocol.
    pub(crate) fn of(farewell: Farewell, redirected: bool) -> Self {
        match farewell {
            Farewell::Shutdown if redirected => Self::SeeOtherHost,
            Farewell::Shutdown => Self::SystemShutdown,
            Farewell::Replaced => Self::Conflict,
            Farewell::AccountChanged => Self::NotAuthorized,
            Farewell::Policy => Self::PolicyViolation,
            Farewell::Timeout => Self::ConnectionTimeout,
            Farewell::Internal => Self::InternalServerError,
        }
    }
}

impl From<Fault> for StreamError {
    fn from(fault: Fault) -> Self {
        Self::Xml(fault)
    }
}
