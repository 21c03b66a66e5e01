//! Why a request is not upgraded, and the answer that says so (RFC 6455 section 4.2.2, RFC 9110 section 15).
//!
//! Every answer ends the connection: what follows a request that was refused is not looked at.

use std::fmt;

use crate::head::HeadFault;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No head of a request.
    Head(HeadFault),
    /// Another method than GET.
    Method,
    /// A request target that is no path, or whose host is not that of the field Host.
    Target,
    /// Another path.
    Path,
    /// Not one field Host with a host in it.
    Host,
    /// The request announces a body; its bytes would be taken for frames.
    Body,
    /// The request does not ask for WebSocket (field Upgrade).
    NotUpgrade,
    /// The field Connection does not name Upgrade.
    Connection,
    /// Another version than 13, or none, or several.
    Version,
    /// Not one Sec-WebSocket-Key of 16 bytes in base64.
    Key,
    /// Pages of this origin are not let in.
    Origin,
    /// No subprotocol is offered that is spoken here.
    Subprotocol,
}

impl Refusal {
    /// The answer's status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Refusal::Head(HeadFault::TooLarge | HeadFault::TooManyFields) => 431,
            Refusal::Method => 405,
            Refusal::Path => 404,
            Refusal::Origin => 403,
            Refusal::NotUpgrade | Refusal::Version => 426,
            Refusal::Head(HeadFault::Malformed)
            | Refusal::Target
            | Refusal::Host
            | Refusal::Body
            | Refusal::Connection
            | Refusal::Key
            | Refusal::Subprotocol => 400,
        }
    }

    /// Appends the whole answer.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (reason, fields) = match self.status() {
            403 => ("Forbidden", "Connection: close\r\n"),
            404 => ("Not Found", "Connection: close\r\n"),
            405 => ("Method Not Allowed", "Connection: close\r\nAllow: GET\r\n"),
            426 => (
                "Upgrade Required",
                "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            431 => ("Request Header Fields Too Large", "Connection: close\r\n"),
            _ => ("Bad Request", "Connection: close\r\n"),
        };
        let body = format!("{self}\n");
        let head = format!(
            "HTTP/1.1 {} {reason}\r\n{fields}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            self.status(),
            body.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body.as_bytes());
    }
}

impl From<HeadFault> for Refusal {
    fn from(fault: HeadFault) -> Refusal {
        Refusal::Head(fault)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Refusal::Head(fault) => return fault.fmt(out),
            Refusal::Method => "only GET is answered here",
            Refusal::Target => "the request target is no path on the host that is asked for",
            Refusal::Path => "nothing here",
            Refusal::Host => "one host has to be asked for",
            Refusal::Body => "a request for an upgrade has no body",
            Refusal::NotUpgrade => "only WebSocket is spoken here",
            Refusal::Connection => "Connection has to name Upgrade",
            Refusal::Version => "only version 13 of WebSocket is spoken here",
            Refusal::Key => "Sec-WebSocket-Key has to be 16 bytes in base64",
            Refusal::Origin => "pages of this origin are not let in",
            Refusal::Subprotocol => "none of the subprotocols is spoken here",
        })
    }
}

impl std::error::Error for Refusal {}
