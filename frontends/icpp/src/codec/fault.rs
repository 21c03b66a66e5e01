//! What a peer can do wrong, and the codes by which it is told (SPEC.md section 10).
//!
//! Invariant: the numbers are on the wire, for ever.

use std::fmt;

/// Why bytes are no frame, or a frame not the one that its verb promises. Each ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A length, a count or a text does not have its verb's shape.
    Malformed,
    /// Longer than this side allows.
    TooLarge,
    /// A reserved bit or field is not zero.
    Reserved,
    /// A verb below 0x80 that is not known.
    UnknownVerb(u8),
    /// A critical extension that is not known.
    UnknownExtension(u16),
}

impl Fault {
    /// How it is told to the peer.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Fault::Malformed => Code::Malformed,
            Fault::TooLarge => Code::FrameTooLarge,
            Fault::Reserved => Code::Reserved,
            Fault::UnknownVerb(_) => Code::UnsupportedVerb,
            Fault::UnknownExtension(_) => Code::UnsupportedExtension,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed => out.write_str("a frame or its body does not have its shape"),
            Fault::TooLarge => out.write_str("a frame is longer than is allowed here"),
            Fault::Reserved => out.write_str("a reserved bit or field is not zero"),
            Fault::UnknownVerb(verb) => write!(out, "verb {verb:#04x} is not known"),
            Fault::UnknownExtension(tag) => write!(out, "critical extension {tag:#06x} is not known"),
        }
    }
}

impl std::error::Error for Fault {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why a request, a session or a connection was refused or ended. 32 to 63 are the conditions of RFC 6120 section 8.3.3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// By its number on the wire.
            #[must_use]
            pub fn from_number(number: u16) -> Option<Code> {
                match number { $($number => Some(Code::$name),)* _ => None }
            }

            /// Its name in SPEC.md.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// A frame or body does not have its shape.
    Malformed = 1, "malformed";
    /// Not now, or not from this side.
    UnexpectedVerb = 2, "unexpected-verb";
    /// Longer than `FRAME_MAX`.
    FrameTooLarge = 3, "frame-too-large";
    /// A reserved bit or field is not zero.
    Reserved = 4, "reserved";
    /// No common version.
    UnsupportedVersion = 5, "unsupported-version";
    /// The verb is not known.
    UnsupportedVerb = 6, "unsupported-verb";
    /// A critical extension is not known.
    UnsupportedExtension = 7, "unsupported-extension";
    /// Wrong credentials.
    NotAuthorized = 8, "not-authorized";
    /// Too many attempts.
    Throttled = 9, "throttled";
    /// The mechanism is not offered.
    Mechanism = 10, "mechanism";
    /// More reliable frames outstanding than the window allows.
    CreditOverrun = 11, "credit-overrun";
    /// An acknowledgement of what was not sent, or a step back.
    AckInvalid = 12, "ack-invalid";
    /// Does not read, or does not acknowledge.
    SlowConsumer = 13, "slow-consumer";
    /// Silent for too long.
    IdleTimeout = 14, "idle-timeout";
    /// Another connection has taken this one's place.
    Replaced = 15, "replaced";
    /// The account was removed, or has another password.
    AccountChanged = 16, "account-changed";
    /// The server ends.
    Shutdown = 17, "shutdown";
    /// The server's fault.
    Internal = 18, "internal";
    /// Too many redirects in a row.
    RedirectLoop = 19, "redirect-loop";
    /// A ticket that opens nothing.
    TicketInvalid = 20, "ticket-invalid";
    /// Too many sessions or connections.
    TooMany = 21, "too-many";
    /// Known, and not offered here.
    Unsupported = 22, "unsupported";
    /// The account's home cannot be reached.
    BackEndLost = 23, "back-end-lost";
    /// RFC 6120.
    BadRequest = 33, "bad-request";
    /// RFC 6120.
    Conflict = 34, "conflict";
    /// RFC 6120.
    FeatureNotImplemented = 35, "feature-not-implemented";
    /// RFC 6120.
    Forbidden = 36, "forbidden";
    /// RFC 6120.
    InternalServerError = 37, "internal-server-error";
    /// RFC 6120.
    ItemNotFound = 38, "item-not-found";
    /// RFC 6120.
    JidMalformed = 39, "jid-malformed";
    /// RFC 6120.
    NotAcceptable = 40, "not-acceptable";
    /// RFC 6120.
    NotAllowed = 41, "not-allowed";
    /// RFC 6120.
    NotAuthorizedHere = 42, "not-authorized";
    /// RFC 6120.
    PolicyViolation = 43, "policy-violation";
    /// RFC 6120.
    RemoteServerNotFound = 44, "remote-server-not-found";
    /// RFC 6120.
    RemoteServerTimeout = 45, "remote-server-timeout";
    /// RFC 6120.
    ResourceConstraint = 46, "resource-constraint";
    /// RFC 6120.
    ServiceUnavailable = 47, "service-unavailable";
    /// RFC 6120.
    SubscriptionRequired = 48, "subscription-required";
    /// RFC 6120.
    UnexpectedRequest = 49, "unexpected-request";
    /// RFC 6120.
    RegistrationRequired = 50, "registration-required";
}
