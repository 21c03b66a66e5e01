//! The opening handshake (RFC 6455 section 4.2), as the server sees it.
//!
//! Invariants:
//! - Fields that say who a request comes from in a proxy's words (X-Forwarded-For, Forwarded) are not looked at: whoever
//!   connects could write them.
//! - A field that may stand once and stands twice refuses the request: another reader could have taken the other one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::refusal::Refusal;
use crate::head::{self, Head, HeadEnd};

/// What the client's key is hashed with, so that only a WebSocket server gives the right answer (section 1.3).
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key: 16 bytes in base64, which is 22 characters and padding.
const KEY_CHARACTERS: usize = 22;
const KEY_PADDING: &str = "==";

/// What is upgraded, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The path, beginning with `/`, that is asked for; a query behind it is ignored.
    pub path: String,
    /// The subprotocols that are spoken, best first; a client has to offer one of them.
    pub subprotocols: Vec<String>,
    /// The origins (RFC 6454: `https://chat.example`) whose pages are let in. `None` lets in all: the check protects
    /// servers that know a browser by its cookies, and here a client proves who it is in the protocol that is upgraded to.
    /// Clients that name no origin are no browsers, and always let in.
    pub origins: Option<Vec<String>>,
}

impl Endpoint {
    /// With one subprotocol, for pages of any origin.
    #[must_use]
    pub fn new(path: &str, subprotocol: &str) -> Endpoint {
        Endpoint {
            path: path.to_owned(),
            subprotocols: vec![subprotocol.to_owned()],
            origins: None,
        }
    }
}

/// A connection that has not been upgraded yet.
#[derive(Debug, Clone, Default)]
pub struct Upgrade {
    end: HeadEnd,
}

/// The request was good, and is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// Bytes of the request; frames follow.
    pub head_bytes: usize,
    /// Index of the subprotocol within those of the endpoint.
    pub subprotocol: usize,
}

impl Upgrade {
    /// `received` is everything since the connection's first byte. `None` while the request has not arrived in full;
    /// otherwise the answer has been appended to `reply`.
    ///
    /// # Errors
    /// Why the request is refused; the answer is in `reply`, too: send it, then end the connection.
    pub fn read(
        &mut self,
        endpoint: &Endpoint,
        received: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Upgraded>, Refusal> {
        self.judge(endpoint, received, reply)
            .inspect_err(|refusal| refusal.write(reply))
    }

    fn judge(
        &mut self,
        endpoint: &Endpoint,
        received: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Upgraded>, Refusal> {
        let Some(head_bytes) = self.end.find(received)? else {
            return Ok(None);
        };
        let mut room = head::fields();
        let head = Head::parse(&received[..head_bytes], &mut room)?;
        check_place(endpoint, &head)?;
        let key = check_handshake(&head)?;
        check_origin(endpoint, &head)?;
        let subprotocol = choose(endpoint, &head).ok_or(Refusal::Subprotocol)?;
        accept(key, &endpoint.subprotocols[subprotocol], reply);
        Ok(Some(Upgraded {
            head_bytes,
            subprotocol,
        }))
    }
}

/// Method, target and host.
fn check_place(endpoint: &Endpoint, head: &Head) -> Result<(), Refusal> {
    if head.method != "GET" {
        return Err(Refusal::Method);
    }
    let host = head.one("Host").ok().flatten().filter(|host| is_host(host));
    let host = host.ok_or(Refusal::Host)?;
    if path(head.target, host)? != endpoint.path {
        return Err(Refusal::Path);
    }
    // A length of nothing is what some proxies add.
    if head.all("Transfer-Encoding").next().is_some() || head.all("Content-Length").any(|length| length != b"0") {
        return Err(Refusal::Body);
    }
    Ok(())
}

/// The path of a request target, in origin-form or in absolute-form (RFC 9112 section 3.2). In the latter the host has to
/// be the one that Host gives, or a proxy in front could have decided by the other.
fn path<'a>(target: &'a str, host: &str) -> Result<&'a str, Refusal> {
    let path = match target.split_once("://") {
        _ if target.starts_with('/') => target,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            if !authority.eq_ignore_ascii_case(host) {
                return Err(Refusal::Target);
            }
            &rest[authority.len()..]
        }
        _ => return Err(Refusal::Target),
    };
    match path.split('?').next() {
        Some(path) if !path.is_empty() => Ok(path),
        _ => Ok("/"),
    }
}

/// Whether this looks like a host with or without a port (RFC 9110 section 7.2); which one does not matter here.
fn is_host(host: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(part)
}

/// The fields that ask for the upgrade (section 4.2.1); returns the client's key.
fn check_handshake<'a>(head: &Head<'_, 'a>) -> Result<&'a str, Refusal> {
    let names = |field, word: &[u8]| head.list(field).any(|element| element.eq_ignore_ascii_case(word));
    if !names("Upgrade", b"websocket") {
        return Err(Refusal::NotUpgrade);
    }
    if !names("Connection", b"upgrade") {
        return Err(Refusal::Connection);
    }
    if head.one("Sec-WebSocket-Version") != Ok(Some("13")) {
        return Err(Refusal::Version);
    }
    let key = head.one("Sec-WebSocket-Key").ok().flatten();
    key.filter(|key| is_key(key)).ok_or(Refusal::Key)
}

fn is_key(key: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.strip_suffix(KEY_PADDING)
        .is_some_and(|digits| digits.len() == KEY_CHARACTERS && digits.bytes().all(digit))
}

fn check_origin(endpoint: &Endpoint, head: &Head) -> Result<(), Refusal> {
    let Some(origins) = &endpoint.origins else {
        return Ok(());
    };
    let origin = head.one("Origin").map_err(|_| Refusal::Origin)?;
    let known = |origin: &str| origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    match origin.is_none_or(known) {
        true => Ok(()),
        false => Err(Refusal::Origin),
    }
}

/// The best of our subprotocols that the client offers.
fn choose(endpoint: &Endpoint, head: &Head) -> Option<usize> {
    let offered = |ours: &String| {
        head.list("Sec-WebSocket-Protocol")
            .any(|theirs| theirs == ours.as_bytes())
    };
    endpoint.subprotocols.iter().position(offered)
}

/// Says yes (section 4.2.2).
fn accept(key: &str, subprotocol: &str, reply: &mut Vec<u8>) {
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(ACCEPT_SUFFIX)
        .finalize();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n",
        STANDARD.encode(digest)
    );
    reply.extend_from_slice(answer.as_bytes());
}
