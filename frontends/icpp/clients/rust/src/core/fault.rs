//! What can go wrong: with a server, a login, a connection, a call, a request. All of them are closed.

use crosspoint_icpp::codec::{Code, Fault};

/// What a server did wrong. Each ends the connection; none ends the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// Bytes that are no frame, or a body that is not its verb's.
    #[error("{0}")]
    Frame(#[from] Fault),
    /// A verb at the wrong time, or one that only clients use.
    #[error("verb {0:#04x} was not expected")]
    UnexpectedVerb(u8),
    /// A frame for another session than ours.
    #[error("a frame for a session that is not on this link")]
    Slot,
    /// An acknowledgement of what was not sent, or a step back.
    #[error("an acknowledgement of what was not sent, or a step back")]
    AckInvalid,
    /// An answer that goes on for ever.
    #[error("an answer is longer than is allowed here")]
    AnswerTooLong,
    /// SCRAM.
    #[error("{0}")]
    Scram(#[from] ScramFault),
}

/// What a server did wrong in SCRAM (RFC 5802).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramFault {
    /// A message does not have its shape.
    #[error("a message of SCRAM does not have its shape")]
    Malformed,
    /// The nonce is not a continuation of ours.
    #[error("the server changed our nonce")]
    Nonce,
    /// Too few or too many rounds.
    #[error("the server asks for {0} rounds of key derivation")]
    Iterations(u32),
    /// The server does not know the password.
    #[error("the server's signature is missing or wrong: it does not know the password")]
    Signature,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// It was not made.
    #[error("no connection: {0}")]
    NotMade(String),
    /// It was cut.
    #[error("the connection was lost")]
    Lost,
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Fault(#[from] ServerFault),
    /// The server said why.
    #[error("the server ended it: {0}")]
    Told(Told),
    /// Nothing was heard for one and a half heartbeats.
    #[error("nothing was heard for too long")]
    Silence,
    /// The login took too long.
    #[error("the login took too long")]
    LoginTimeout,
    /// The server sent us elsewhere.
    #[error("redirected")]
    Redirected,
    /// The application ended it.
    #[error("closed")]
    Closed,
}

/// What a server said in ERROR or BYE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The number on the wire, which may be newer than this code.
    pub code: u16,
    /// Whether trying again may help.
    pub temporary: bool,
    /// In words, for logs.
    pub text: String,
}

impl Told {
    /// The code, if it is known here.
    #[must_use]
    pub fn known(&self) -> Option<Code> {
        Code::from_number(self.code)
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.known() {
            Some(code) => write!(out, "{} ({})", code.name(), self.text),
            None => write!(out, "code {} ({})", self.code, self.text),
        }
    }
}

/// Why the client has stopped for good: trying again would not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Final {
    /// The application closed it.
    #[error("closed")]
    Closed,
    /// The server does not accept the password, or the account has changed.
    #[error("the login was refused: {0}")]
    NotAuthorized(Told),
    /// No mechanism in common, for a connection like this one.
    #[error("the server offers no mechanism that can be used here: {0}")]
    NoMechanism(String),
    /// Another session took the resource, or resumed this session.
    #[error("another session took this one's place")]
    Replaced,
    /// The server says that this client breaks the protocol; it would do so again.
    #[error("the server refuses this client: {0}")]
    Refused(Told),
}

/// Why a call was not accepted. Nothing has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The outbox is full: too much waits for the server already.
    #[error("the outbox is full")]
    Full,
    /// Longer than a frame may be.
    #[error("longer than a frame may be")]
    TooLarge,
    /// An address that is empty or too long.
    #[error("not an address")]
    Address,
    /// To a room: a verb that is not said, or not asked, in this way, or without what it needs (SPEC.md section 14).
    #[error("not what this verb takes")]
    Shape,
    /// Too many requests are open.
    #[error("too many requests are open")]
    TooManyRequests,
    /// Requests need a session, and there is none at the moment.
    #[error("not connected")]
    NotConnected,
    /// The client has been closed, or has stopped for good.
    #[error("the client has ended")]
    Ended,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server refused it.
    #[error("refused: {0}")]
    Refused(Told),
    /// The connection ended before the answer. Whether the server did it is not known; asking again does no harm.
    #[error("the connection ended before the answer")]
    Disconnected,
}

/// Why a redirect was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    /// Too many in a row.
    #[error("too many redirects in a row")]
    TooMany,
    /// Back to a node that sent us away.
    #[error("back to a node that we came from")]
    Loop,
    /// No URL in it can be used, or all are less safe than the present one.
    #[error("no usable URL")]
    NoUrl,
}
