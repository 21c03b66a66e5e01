//! The address of a page of figures: `http://HOST:PORT/PATH`, nothing more.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail, ensure};

/// A page on a server without TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    pub addr: SocketAddr,
    /// What stands in the Host header.
    pub host: String,
    pub path: String,
}

impl Url {
    /// Reads and resolves one; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix("http://") else {
            bail!("{text:?} is not of the form http://HOST:PORT/metrics (https is not spoken here)");
        };
        let (host, path) = rest.find('/').map_or((rest, "/metrics"), |slash| rest.split_at(slash));
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            !host.is_empty() && clean(host) && clean(path),
            "{text:?} holds no host, or spaces"
        );
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let with_port = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let addr = with_port
            .to_socket_addrs()
            .with_context(|| format!("the address of {host:?}"))?
            .next()
            .with_context(|| format!("{host:?} has no address"))?;
        Ok(Self {
            addr,
            host: host.to_owned(),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_address_and_a_path() {
        let url = Url::parse("http://127.0.0.1:5280/metrics?x=1").unwrap();
        assert_eq!(
            (url.addr.port(), &*url.host, &*url.path),
            (5280, "127.0.0.1:5280", "/metrics?x=1")
        );
        assert_eq!(Url::parse("http://127.0.0.1").unwrap().addr.port(), 80);
        assert_eq!(Url::parse("http://127.0.0.1:1").unwrap().path, "/metrics");
        assert_eq!(Url::parse("http://[::1]:7/").unwrap().addr.port(), 7);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for text in [
            "https://x/",
            "127.0.0.1:5280",
            "http://",
            "http://a b/",
            "http://127.0.0.1:1/\r\nX: y",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }
}
