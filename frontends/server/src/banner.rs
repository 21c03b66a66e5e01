//! What a server says when it starts: what listens where, and what to do next.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crosspoint_xmpp::config::{Listener, TlsPolicy};

use crate::certificate::Loaded;
use crate::config::{Config, Registration};

/// The facts of a start.
pub struct Banner<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// What listens, with the port that it was given: protocol, and how it speaks.
    pub listeners: &'a [(SocketAddr, &'static str, &'static str)],
    /// The admin port, where there is one.
    pub admin: &'a [SocketAddr],
    /// Where HTTP is served, those in the clear first.
    pub web: &'a [SocketAddr],
    /// What clients are shown.
    pub certificate: &'a Loaded,
    /// The limit of file descriptors, if that is what bounds them.
    pub descriptors: Option<u64>,
    /// Whether the data folder was made just now.
    pub first_start: bool,
}

impl Banner<'_> {
    /// The text, for a person.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Crosspoint {} serves {}\n\n",
            env!("CARGO_PKG_VERSION"),
            self.config.domain
        );
        for (address, protocol, how) in self.listeners {
            line(&mut text, protocol, &format!("{address}, {how}"));
        }
        for address in self.admin {
            line(
                &mut text,
                "admin",
                &format!("http://{address}/metrics, /healthz, /readyz"),
            );
        }
        for (index, address) in self.web.iter().enumerate() {
            let scheme = if index < self.config.web.listen.len() {
                "http"
            } else {
                "https"
            };
            line(
                &mut text,
                "web",
                &format!("{scheme}://{address}/http-bind, /upload/, /.well-known/host-meta"),
            );
        }
        let bound = match self.descriptors {
            Some(descriptors) => format!(", as {descriptors} file descriptors allow"),
            None => String::new(),
        };
        let shards = self.config.shard_count();
        let connections = self.config.limits.connections_per_shard * shards;
        let shards = format!("{shards}, for up to {connections} connections in all{bound}");
        line(&mut text, "shards", &shards);
        let made = if self.first_start { " (new)" } else { "" };
        line(&mut text, "data", &format!("{}{made}", self.config.data.display()));
        let kind = if self.certificate.self_signed {
            "self-signed; clients will ask whether to trust it"
        } else {
            "as configured"
        };
        line(&mut text, "certificate", kind);
        line(&mut text, "", &format!("SHA-256 {}", self.certificate.fingerprint));
        text.push_str(&self.next_steps());
        text
    }

    fn next_steps(&self) -> String {
        let Config { domain, data, .. } = self.config;
        let folder = if data == &Config::default().data {
            String::new()
        } else {
            format!(" --data {}", data.display())
        };
        let mut text = format!(
            "\nNext: make an account, then log in with any XMPP client.\n  crosspoint user add{folder} someone@{domain}\n"
        );
        if self.config.accounts.registration == Registration::Open {
            text.push_str("Registration is open: clients can make their own accounts, too.\n");
        }
        let _ = writeln!(text, "End with Ctrl-C, or:\n  crosspoint drain{folder}");
        text
    }
}

fn line(text: &mut String, name: &str, what: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {name:<12} {what}");
}

/// How an XMPP listener speaks, in words.
pub fn encryption(listener: Listener) -> &'static str {
    match listener {
        Listener {
            websocket: true,
            direct_tls: true,
            ..
        } => "WebSocket in TLS",
        Listener {
            websocket: true,
            behind_tls_proxy: true,
            ..
        } => "WebSocket, behind a proxy that does TLS",
        Listener { websocket: true, .. } => "WebSocket in the clear",
        Listener { components: true, .. } => "components, in the clear",
        Listener { direct_tls: true, .. } => "direct TLS",
        Listener {
            behind_tls_proxy: true, ..
        } => "in the clear, behind a proxy that does TLS",
        Listener {
            tls: TlsPolicy::Off, ..
        } => "in the clear",
        Listener {
            tls: TlsPolicy::Optional,
            ..
        } => "STARTTLS offered",
        Listener {
            tls: TlsPolicy::Required,
            ..
        } => "STARTTLS required",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate;
    use crate::home::Home;
    use crate::testing::Scratch;

    #[test]
    fn a_start_says_where_it_listens_and_what_to_do() {
        let mut config = Config {
            data: "/srv/chat".into(),
            shards: 2,
            ..Config::default()
        };
        config.limits.connections_per_shard = 500;
        let listeners = [
            (config.xmpp.listen[0], "XMPP", encryption(Listener::STARTTLS)),
            (config.xmpp.listen_tls[0], "XMPP", encryption(Listener::DIRECT_TLS)),
            (config.icpp.listen_tls[0], "ICPP", "TLS"),
        ];
        let scratch = Scratch::new();
        let home = Home::at(scratch.path());
        home.create().unwrap();
        let certificate = certificate::of(&config.tls, &"localhost".parse().unwrap(), &home).unwrap();
        let banner = Banner {
            config: &config,
            listeners: &listeners,
            admin: &config.admin.listen,
            web: &[],
            certificate: &certificate,
            descriptors: Some(1256),
            first_start: true,
        };
        let text = banner.text();
        for part in [
            "127.0.0.1:5222, STARTTLS required",
            "127.0.0.1:5223, direct TLS",
            "127.0.0.1:5300, TLS",
            "http://127.0.0.1:5280/metrics",
            "2, for up to 1000 connections in all, as 1256 file descriptors allow",
            "/srv/chat (new)",
            &certificate.fingerprint,
            "crosspoint user add --data /srv/chat someone@localhost",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
