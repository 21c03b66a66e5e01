//! XEP-0156: where XMPP can be spoken from a browser, for whoever knows only the domain (RFC 6415).

use serde::Serialize;

use super::{BOSH_PATH, sockets};
use crate::config::Config;

/// Where the XML form is.
pub const XML_PATH: &str = "/.well-known/host-meta";

/// Where the JSON form is.
pub const JSON_PATH: &str = "/.well-known/host-meta.json";

/// Both forms, written once.
pub struct HostMeta {
    /// `application/xrd+xml`
    pub xml: String,
    /// `application/json`
    pub json: String,
}

#[derive(Serialize)]
struct Document {
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    rel: &'static str,
    href: String,
}

impl HostMeta {
    /// As configured.
    pub fn new(config: &Config) -> HostMeta {
        let mut links = Vec::new();
        if config.web.bosh {
            links.push(Link {
                rel: "urn:xmpp:alt-connections:xbosh",
                href: format!("{}{BOSH_PATH}", base(config)),
            });
        }
        links.extend(websocket(config).map(|href| Link {
            rel: "urn:xmpp:alt-connections:websocket",
            href,
        }));
        let mut xml =
            "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n"
                .to_owned();
        for link in &links {
            // Neither part can hold what would have to be escaped: `check` sees to the URLs.
            xml.push_str(&format!("  <Link rel='{}' href='{}'/>\n", link.rel, link.href));
        }
        xml.push_str("</XRD>\n");
        HostMeta {
            xml,
            json: serde_json::to_string(&Document { links }).unwrap_or_default(),
        }
    }
}

/// What all URLs of what is served over HTTP begin with, without a slash at its end.
pub fn base(config: &Config) -> String {
    let web = &config.web;
    if !web.url.is_empty() {
        return web.url.trim_end_matches('/').to_owned();
    }
    match (web.listen_tls.first(), web.listen.first()) {
        (Some(address), _) => format!("https://{}:{}", config.domain, address.port()),
        (None, Some(address)) => format!("http://{}:{}", config.domain, address.port()),
        (None, None) => String::new(),
    }
}

fn websocket(config: &Config) -> Option<String> {
    if !config.web.websocket_url.is_empty() {
        return Some(config.web.websocket_url.clone());
    }
    let xmpp = &config.xmpp;
    let (scheme, address) = match (xmpp.listen_wss.first(), xmpp.listen_ws.first()) {
        (Some(address), _) => ("wss", address),
        (None, Some(address)) => ("ws", address),
        (None, None) => return None,
    };
    Some(format!(
        "{scheme}://{}:{}{}",
        config.domain,
        address.port(),
        sockets::PATH
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_both_ways() {
        let mut config = Config::default();
        config.web.listen = vec!["127.0.0.1:5283".parse().unwrap()];
        config.xmpp.listen_ws = vec!["127.0.0.1:5281".parse().unwrap()];
        let meta = HostMeta::new(&config);
        assert_eq!(
            meta.xml,
            "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n  \
             <Link rel='urn:xmpp:alt-connections:xbosh' href='http://localhost:5283/http-bind'/>\n  \
             <Link rel='urn:xmpp:alt-connections:websocket' href='ws://localhost:5281/xmpp-websocket'/>\n</XRD>\n"
        );
        assert_eq!(
            meta.json,
            "{\"links\":[{\"rel\":\"urn:xmpp:alt-connections:xbosh\",\"href\":\"http://localhost:5283/http-bind\"},\
             {\"rel\":\"urn:xmpp:alt-connections:websocket\",\"href\":\"ws://localhost:5281/xmpp-websocket\"}]}"
        );
        config.web.url = "https://chat.example/".to_owned();
        config.web.websocket_url = "wss://chat.example/ws".to_owned();
        config.web.bosh = false;
        assert_eq!(
            HostMeta::new(&config).json,
            "{\"links\":[{\"rel\":\"urn:xmpp:alt-connections:websocket\",\"href\":\"wss://chat.example/ws\"}]}"
        );
        assert_eq!(base(&config), "https://chat.example");
    }
}
