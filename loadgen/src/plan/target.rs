//! The server: where it listens, and how to log in there.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the load goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// `HOST:PORT`; several are used in turn, one a session.
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
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Never
    #[default]
    Plain,
    /// When the server has agreed (RFC 6120 section 5)
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
            addresses: vec!["127.0.0.1:5222".to_owned()],
            domain: "localhost".to_owned(),
            security: Security::default(),
            mechanism: Mechanism::default(),
            resource: "loadgen".to_owned(),
            sources: Vec::new(),
            ca: None,
            rooms_domain: None,
        }
    }
}

/// Most source addresses of a run.
pub const SOURCES_MAX: usize = 256;

impl Target {
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
