//! The server: where it listens, and how to log in there.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the load goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    pub protocol: Protocol,
    /// `HOST:PORT`, or `HOST` for the protocol's own port; several are used in turn, one a session. None: this machine.
    pub addresses: Vec<String>,
    /// Domain of the accounts.
    pub domain: String,
    pub security: Security,
    pub mechanism: Mechanism,
    /// Resource to bind.
    pub resource: String,
    /// Source addresses, used in turn; each adds some 28,000 connections to what one address can open to one port.
    /// `"127.0.0.2"`, or a range `"127.0.0.2-127.0.0.9"`. None: the system chooses.
    pub sources: Vec<String>,
    /// Check the server's certificate by the authorities in this PEM file. Without it nothing is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Where rooms are (XEP-0045); `conference.DOMAIN` if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms_domain: Option<String>,
    /// Where the same server speaks XMPP (`HOST:PORT`): over ICPP, accounts and rosters are made there. The host of the first
    /// address and port 5222 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xmpp: Option<String>,
}

/// What sessions speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// RFC 6120, RFC 6121; at port 5222
    #[default]
    Xmpp,
    /// Crosspoint's binary protocol, frontends/icpp/SPEC.md; at port 5299, or 5300 with TLS
    Icpp,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Never
    #[default]
    Plain,
    /// When the server has agreed (RFC 6120 section 5); over ICPP with the first byte
    #[value(name = "starttls")]
    #[serde(rename = "starttls")]
    StartTls,
    /// With the first byte (XEP-0368)
    #[value(name = "direct-tls", alias = "direct")]
    DirectTls,
}

/// How to prove the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Mechanism {
    /// The best SCRAM that is offered, else PLAIN
    #[default]
    #[serde(rename = "best")]
    #[value(name = "best", alias = "auto")]
    Best,
    /// SCRAM-SHA-1 (RFC 5802)
    #[serde(rename = "scram-sha-1")]
    #[value(name = "scram-sha-1")]
    ScramSha1,
    /// SCRAM-SHA-256 (RFC 7677)
    #[serde(rename = "scram-sha-256")]
    #[value(name = "scram-sha-256")]
    ScramSha256,
    /// PLAIN (RFC 4616): costs the client nothing, so it leaves more of the generator for the load
    #[serde(rename = "plain")]
    #[value(name = "plain")]
    Plain,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            addresses: Vec::new(),
            domain: "localhost".to_owned(),
            security: Security::default(),
            mechanism: Mechanism::default(),
            resource: "loadgen".to_owned(),
            sources: Vec::new(),
            ca: None,
            rooms_domain: None,
            xmpp: None,
        }
    }
}

/// Where servers listen, as the protocols say.
const XMPP_PORT: u16 = 5222;
const ICPP_PORT: u16 = 5299;
const ICPPS_PORT: u16 = 5300;

/// Most source addresses of a run.
pub const SOURCES_MAX: usize = 256;

impl Target {
    /// Puts in what follows from the protocol: ports, and how TLS begins.
    pub(super) fn complete(&mut self) {
        if self.protocol == Protocol::Icpp && self.security == Security::StartTls {
            self.security = Security::DirectTls;
        }
        let port = match (self.protocol, self.security) {
            (Protocol::Xmpp, _) => XMPP_PORT,
            (Protocol::Icpp, Security::Plain) => ICPP_PORT,
            (Protocol::Icpp, _) => ICPPS_PORT,
        };
        if self.addresses.is_empty() {
            self.addresses.push("127.0.0.1".to_owned());
        }
        for address in &mut self.addresses {
            if !address.contains(':') {
                *address = format!("{address}:{port}");
            }
        }
    }

    /// The same server, spoken to by XMPP.
    pub fn over_xmpp(&self) -> Self {
        if self.protocol == Protocol::Xmpp {
            return self.clone();
        }
        let first = self.addresses.first().and_then(|address| address.rsplit_once(':'));
        let host = first.map_or("127.0.0.1", |(host, _)| host);
        let security = match self.security {
            Security::Plain => Security::Plain,
            _ => Security::StartTls,
        };
        Self {
            protocol: Protocol::Xmpp,
            addresses: vec![self.xmpp.clone().unwrap_or_else(|| format!("{host}:{XMPP_PORT}"))],
            security,
            ..self.clone()
        }
    }

    /// The addresses looked up; a name with several gives the first.
    ///
    /// # Errors
    /// The address that cannot be resolved, and why.
    pub fn socket_addrs(&self) -> Result<Vec<SocketAddr>, String> {
        let resolve = |address: &String| {
            let mut found = address
                .to_socket_addrs()
                .map_err(|error| format!("cannot resolve {address:?}: {error}; write HOST:PORT"))?;
            found.next().ok_or_else(|| format!("{address:?} has no address"))
        };
        self.addresses.iter().map(resolve).collect()
    }

    /// The source addresses, ranges spread out; at most [`SOURCES_MAX`].
    ///
    /// # Errors
    /// The entry that is no address or range, or that there are too many.
    pub fn source_addrs(&self) -> Result<Vec<IpAddr>, String> {
        let mut found = Vec::new();
        for entry in &self.sources {
            spread(entry, &mut found)?;
            if found.len() > SOURCES_MAX {
                return Err(format!("more than {SOURCES_MAX} source addresses"));
            }
        }
        Ok(found)
    }

    /// Where rooms are.
    pub fn rooms(&self) -> String {
        let usual = || format!("conference.{}", self.domain);
        self.rooms_domain.clone().unwrap_or_else(usual)
    }
}

fn spread(entry: &str, into: &mut Vec<IpAddr>) -> Result<(), String> {
    let address = |text: &str| {
        text.trim()
            .parse::<IpAddr>()
            .map_err(|_| format!("{text:?} is no IP address"))
    };
    let Some((first, last)) = entry.split_once('-') else {
        into.push(address(entry)?);
        return Ok(());
    };
    let (IpAddr::V4(first), IpAddr::V4(last)) = (address(first)?, address(last)?) else {
        return Err(format!("{entry:?}: ranges are of IPv4 addresses"));
    };
    let (first, last) = (u32::from(first), u32::from(last));
    if last < first || (last - first) as usize >= SOURCES_MAX {
        return Err(format!(
            "{entry:?}: a range goes upwards and has at most {SOURCES_MAX} addresses"
        ));
    }
    into.extend((first..=last).map(|bits| IpAddr::V4(bits.into())));
    Ok(())
}
