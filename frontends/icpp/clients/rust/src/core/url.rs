//! URLs of endpoints (SPEC.md section 1).

use std::fmt;
use std::str::FromStr;

use super::limits::URL_BYTES_MAX;

/// Port of the protocol over TCP.
pub const PORT_TCP: u16 = 5299;
/// Port of the protocol over TLS.
pub const PORT_TLS: u16 = 5300;

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `icpp`: in the clear.
    Tcp,
    /// `icpps`: TLS.
    Tls,
    /// `ws`: WebSocket in the clear.
    WebSocket,
    /// `wss`: WebSocket over TLS.
    WebSocketTls,
}

impl Transport {
    /// Whether it is encrypted.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::WebSocketTls)
    }

    fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "icpp",
            Transport::Tls => "icpps",
            Transport::WebSocket => "ws",
            Transport::WebSocketTls => "wss",
        }
    }
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How.
    pub transport: Transport,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Of a WebSocket; begins with `/`.
    pub path: String,
}

/// Text that is no URL of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a URL of the form icpp://host:port, icpps://host:port, ws://host:port/path or wss://host:port/path")]
pub struct UrlError;

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Endpoint, UrlError> {
        if url.len() > URL_BYTES_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError);
        }
        let (scheme, rest) = url.split_once("://").ok_or(UrlError)?;
        let (transport, port) = match scheme {
            "icpp" => (Transport::Tcp, PORT_TCP),
            "icpps" => (Transport::Tls, PORT_TLS),
            "ws" => (Transport::WebSocket, 80),
            "wss" => (Transport::WebSocketTls, 443),
            _ => return Err(UrlError),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let web = matches!(transport, Transport::WebSocket | Transport::WebSocketTls);
        if !web && !matches!(path, "" | "/") {
            return Err(UrlError);
        }
        let (host, port) = split_port(authority, port)?;
        Ok(Endpoint {
            transport,
            host: host.to_owned(),
            port,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_port(authority: &str, default: u16) -> Result<(&str, u16), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(UrlError)?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or(UrlError)?),
            };
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || host.contains(['@', '?', '#', '[', ']']) {
        return Err(UrlError);
    }
    let port = port.map_or(Ok(default), str::parse).map_err(|_| UrlError)?;
    Ok((host, port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let path = if self.path == "/" { "" } else { &self.path };
        write!(
            out,
            "{}://{open}{}{close}:{}{path}",
            self.transport.name(),
            self.host,
            self.port
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (url, written) in [
            ("icpp://localhost", "icpp://localhost:5299"),
            ("icpps://a.example:1", "icpps://a.example:1"),
            ("icpps://a.example/", "icpps://a.example:5300"),
            ("icpp://[::1]:7", "icpp://[::1]:7"),
            ("ws://a.example:80/icpp", "ws://a.example:80/icpp"),
            ("wss://a.example", "wss://a.example:443"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!(endpoint.to_string(), written);
            assert_eq!(written.parse(), Ok(endpoint));
        }
    }

    #[test]
    fn other_texts_are_none() {
        for url in [
            "",
            "localhost",
            "http://localhost",
            "icpp://",
            "icpp://:1",
            "icpp://a:b",
            "icpp://a:70000",
            "icpp://a/path",
            "icpp://[::1",
            "icpp://[::1]x",
            "icpp://u@a",
            "icpp://a b",
        ] {
            assert_eq!(url.parse::<Endpoint>(), Err(UrlError), "{url}");
        }
    }
}
