//! XEP-0215 External Service Discovery: the relays that calls need (STUN, TURN), with credentials for a while.
//!
//! The credentials are those of "a REST API for access to TURN services" (draft-uberti-behave-turn-rest-00 section 2.2),
//! which TURN servers check by themselves: a user name of the time until which it is good and an alias of the user, and as
//! password the HMAC-SHA-1 of that under a secret that both servers know.
//!
//! Invariant: the relay does not learn who the user is; the alias is the same at each request.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;
use crate::stanza::time;

const NS: &str = "urn:xmpp:extdisco:2";
/// Characters of a user's alias.
const ALIAS_CHARS: usize = 16;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(215, "1.0.0")],
    enabled: |config| !config.external.services.is_empty(),
    domain: &[NS],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "services",
            ns: NS,
            reach: Reach::DOMAIN,
            run: services,
        },
        Handler {
            kind: QueryKind::Get,
            name: "credentials",
            ns: NS,
            reach: Reach::DOMAIN,
            run: credentials,
        },
    ],
};

/// The installation's relays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct External {
    /// Which there are.
    pub services: Vec<ExternalService>,
    /// What the relays that ask for credentials know as well; empty: none are given.
    pub secret: Vec<u8>,
    /// How long credentials are good.
    pub credentials_s: u64,
}

impl fmt::Debug for External {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("External")
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

/// A relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalService {
    /// `stun`, `stuns`, `turn` or `turns`.
    pub kind: String,
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: String,
}

impl ExternalService {
    /// Reads a URI of RFC 7064 or RFC 7065: `turn:relay.example.org:3478?transport=udp`. `None` if it is none.
    #[must_use]
    pub fn parse(uri: &str) -> Option<ExternalService> {
        let (kind, rest) = uri.split_once(':')?;
        let secure = match kind {
            "stun" | "turn" => false,
            "stuns" | "turns" => true,
            _ => return None,
        };
        let (place, transport) = match rest.split_once("?transport=") {
            Some((place, transport @ ("udp" | "tcp"))) => (place, transport),
            Some(_) => return None,
            None => (rest, if secure { "tcp" } else { "udp" }),
        };
        // A colon within brackets belongs to an IPv6 address.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (place, if secure { 5349 } else { 3478 }),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let named = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/?#@".contains(c));
        named.then(|| ExternalService {
            kind: kind.to_owned(),
            host: host.to_owned(),
            port,
            transport: transport.to_owned(),
        })
    }

    /// Whether it relays for those alone who have credentials.
    fn is_restricted(&self) -> bool {
        self.kind.starts_with("turn")
    }
}

/// Section 3: all, or those of one type.
fn services(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    ask.local_only(host)?;
    let kind = ask.payload.attr("type");
    let external = &facts.config.external;
    let chosen = external
        .services
        .iter()
        .filter(|service| kind.is_none_or(|kind| service.kind == kind));
    Ok(Reply::Body(write(
        "services",
        kind,
        external,
        chosen,
        ask.session(),
        host,
    )))
}

/// Section 3.3: those of the named one.
fn credentials(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    ask.local_only(host)?;
    let asked = ask.payload.child("service", NS).ok_or(Condition::BadRequest)?;
    let (Some(name), Some(kind)) = (asked.attr("host"), asked.attr("type")) else {
        return Err(Condition::BadRequest);
    };
    let port = match asked.attr("port").map(str::parse::<u16>) {
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => return Err(Condition::BadRequest),
        None => None,
    };
    let external = &facts.config.external;
    let fits = |service: &&ExternalService| {
        service.kind == kind && service.host == name && port.is_none_or(|port| service.port == port)
    };
    let mut chosen = external.services.iter().filter(fits).peekable();
    if chosen.peek().is_none() {
        return Err(Condition::ItemNotFound);
    }
    Ok(Reply::Body(write(
        "credentials",
        None,
        external,
        chosen,
        ask.session(),
        host,
    )))
}

fn write<'a>(
    name: &str,
    kind: Option<&str>,
    external: &External,
    services: impl Iterator<Item = &'a ExternalService>,
    user: &Jid,
    host: &dyn Host,
) -> Vec<u8> {
    let until_s = host.now().unix_ms / 1_000 + external.credentials_s;
    let mut expires = Vec::new();
    time::write(&mut expires, until_s * 1_000);
    let expires = String::from_utf8_lossy(&expires);
    let (username, password) = pass(&external.secret, user.bare_str(), until_s);
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open(name).attr("xmlns", NS).attr_opt("type", kind);
    for service in services {
        el.open("service")
            .attr("type", &*service.kind)
            .attr("host", &*service.host);
        el.attr("port", &*service.port.to_string())
            .attr("transport", &*service.transport);
        if service.is_restricted() && !external.secret.is_empty() {
            el.attr("restricted", "true");
            el.attr("username", &*username)
                .attr("password", &*password)
                .attr("expires", &*expires);
        }
        el.close();
    }
    el.finish();
    out
}

/// User name and password, good until then (Unix time in seconds).
fn pass(secret: &[u8], user: &str, until_s: u64) -> (String, String) {
    let alias: String = hmac(secret, user.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let username = format!("{until_s}:{}", &alias[..ALIAS_CHARS]);
    let password = STANDARD.encode(hmac(secret, username.as_bytes()));
    (username, password)
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_relays_are_read() {
        let read = |uri| ExternalService::parse(uri).map(|s| (s.kind, s.host, s.port, s.transport));
        let wanted = |kind: &str, host: &str, port, transport: &str| {
            Some((kind.to_owned(), host.to_owned(), port, transport.to_owned()))
        };
        assert_eq!(read("stun:a.example"), wanted("stun", "a.example", 3478, "udp"));
        assert_eq!(read("turns:a.example"), wanted("turns", "a.example", 5349, "tcp"));
        assert_eq!(
            read("turn:a.example:99?transport=tcp"),
            wanted("turn", "a.example", 99, "tcp")
        );
        assert_eq!(read("turn:[2001:db8::1]:99"), wanted("turn", "2001:db8::1", 99, "udp"));
        assert_eq!(read("turn:[2001:db8::1]"), wanted("turn", "2001:db8::1", 3478, "udp"));
        for bad in [
            "",
            "turn",
            "turn:",
            "http://a",
            "turn:a:x",
            "turn:a:70000",
            "turn:a?transport=sctp",
            "turn:a b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    /// Calculated by OpenSSL: `printf 1700000000:... | openssl dgst -sha1 -hmac secret -binary | base64`.
    #[test]
    fn a_relay_that_knows_the_secret_comes_to_the_same_password() {
        let (username, password) = pass(b"secret", "juliet@capulet.example", 1_700_000_000);
        assert_eq!(username, USERNAME);
        assert_eq!(password, PASSWORD);
    }

    const USERNAME: &str = "1700000000:5a19d3ad9acd88c0";
    const PASSWORD: &str = "SmdtKkvujrNCKcxqGg81+tAieVg=";
}
