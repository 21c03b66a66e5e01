//! What can go wrong in a session, as a closed list.

use std::fmt;

use rustls::{Error, InvalidMessage};

/// Why a TLS session is over. After one, the session gives the same answer to every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// The first bytes are no TLS record: plain text on the TLS port, say.
    NotTls,
    /// A record or message that cannot be parsed.
    Malformed,
    /// No protocol version, cipher suite or key exchange in common.
    NothingInCommon,
    /// The client insists on application protocols (ALPN) that are not spoken here.
    NoApplicationProtocol,
    /// Messages that parse but break the protocol.
    Misbehaved,
    /// The server's certificate is none that we were told to trust: only where we are the client.
    Untrusted,
    /// A record that is too long, or does not decrypt.
    BadRecord,
    /// The peer sent a fatal alert.
    PeerAlert,
    /// More than [`crate::HANDSHAKE_BYTES_MAX`] bytes without a complete handshake.
    HandshakeTooLong,
    /// The peer or we have closed the session.
    Closed,
    /// Written to before the handshake was complete. The session is still good.
    NotEstablished,
    /// The keys have encrypted all that they may (TLS 1.2 only; TLS 1.3 changes them).
    KeysExhausted,
    /// Our side failed: no randomness, no time, or a state that rustls should not be in.
    Internal,
}

impl TlsFault {
    /// Every fault, for metrics and tests.
    pub const ALL: [Self; 13] = [
        Self::NotTls,
        Self::Malformed,
        Self::NothingInCommon,
        Self::NoApplicationProtocol,
        Self::Misbehaved,
        Self::Untrusted,
        Self::BadRecord,
        Self::PeerAlert,
        Self::HandshakeTooLong,
        Self::Closed,
        Self::NotEstablished,
        Self::KeysExhausted,
        Self::Internal,
    ];

    /// A short name for metrics and logs: lower case, words joined by `-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not-tls",
            Self::Malformed => "malformed",
            Self::NothingInCommon => "nothing-in-common",
            Self::NoApplicationProtocol => "no-application-protocol",
            Self::Misbehaved => "misbehaved",
            Self::Untrusted => "untrusted-certificate",
            Self::BadRecord => "bad-record",
            Self::PeerAlert => "peer-alert",
            Self::HandshakeTooLong => "handshake-too-long",
            Self::Closed => "closed",
            Self::NotEstablished => "not-established",
            Self::KeysExhausted => "keys-exhausted",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for TlsFault {}

impl From<&Error> for TlsFault {
    fn from(error: &Error) -> Self {
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                Self::NotTls
            }
            Error::InvalidMessage(_) | Error::UnsupportedNameType => Self::Malformed,
            Error::PeerIncompatible(_) => Self::NothingInCommon,
            Error::NoApplicationProtocol => Self::NoApplicationProtocol,
            Error::PeerMisbehaved(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::NoCertificatesPresented => Self::Misbehaved,
            Error::InvalidCertificate(_) => Self::Untrusted,
            Error::DecryptError | Error::PeerSentOversizedRecord => Self::BadRecord,
            Error::AlertReceived(_) => Self::PeerAlert,
            _ => Self::Internal,
        }
    }
}
