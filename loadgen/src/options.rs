//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fleet::Target;
use crate::gauge::Gauge;
use crate::login::{Account, Mechanism};
use crate::process;
use crate::secure::Security;
use crate::text::{BODY_BYTES_MAX, BODY_BYTES_MIN, Bodies};

/// How long the last messages of a chat may take.
const DRAIN: Duration = Duration::from_secs(10);

/// A load for any XMPP server, and what it cost.
///
/// Accounts must exist: the prefix and a number, all with the same password. Ends with 1 if anything failed, or was
/// lost, duplicated, reordered or damaged.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Options {
    #[command(subcommand)]
    pub mode: Mode,
}

#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Pairs of users chat in a closed loop: rate, CPU per message, latency
    Chat(Chat),
    /// Sessions log in and stay idle: memory per session, CPU per login
    Connect(Connect),
    /// Messages are stored for absent users, who then come for them: each exactly once
    Offline(Offline),
    /// The load of `chat` through the raw relay of perf/floor, without any XMPP around it
    Floor(Floor),
}

#[derive(Debug, Args)]
pub struct Common {
    /// Where the server listens
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: String,
    /// A process of the server, for its CPU and memory; may be given more than once
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Keep to this core
    #[arg(long, alias = "shards-core", value_name = "N")]
    pub core: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Users {
    /// Domain of the accounts
    #[arg(long, default_value = "localhost")]
    pub domain: String,
    /// Users are called this and a number
    #[arg(long, value_name = "PREFIX", default_value = "u")]
    pub users_prefix: String,
    /// Number of the first user
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u32,
    /// Password of all of them
    #[arg(long, env = "LOADGEN_PASSWORD", hide_env_values = true)]
    pub password: String,
    /// How to prove it
    #[arg(long, value_enum, default_value_t)]
    pub mechanism: Mechanism,
    /// Resource to bind
    #[arg(long, default_value = "loadgen")]
    pub resource: String,
    /// Logins under way at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub concurrency: usize,
    /// Encrypt; `starttls` unless another form is named
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, default_missing_value = "starttls")]
    pub tls: Option<Tls>,
    /// Check the server's certificate by the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(long)]
    pub insecure: bool,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// When the server has agreed (RFC 6120 section 5)
    Starttls,
    /// With the first byte (XEP-0368)
    Direct,
}

#[derive(Debug, Args)]
pub struct Load {
    /// Pairs of users
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub pairs: u32,
    /// Messages that each side of a pair sends at the start, hence half of what a pair has in flight
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub window: u32,
    /// Seconds of measuring
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub seconds: u64,
    /// Seconds before it
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub warmup: u64,
    /// Bytes of a body: one number, or LEAST-MOST
    #[arg(long, value_name = "BYTES", default_value = "16-100", value_parser = body_bytes)]
    pub body: RangeInclusive<usize>,
}

/// Which address messages are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// user@domain
    Bare,
    /// user@domain/resource
    Full,
}

#[derive(Debug, Args)]
pub struct Chat {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub users: Users,
    #[command(flatten)]
    pub load: Load,
    /// Write to bare or to full addresses
    #[arg(long, value_enum, default_value = "bare")]
    pub to: To,
}

#[derive(Debug, Args)]
pub struct Connect {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub users: Users,
    /// Sessions
    #[arg(long, value_name = "N")]
    pub count: u32,
    /// Seconds to stay after the last login
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub hold: u64,
}

#[derive(Debug, Args)]
pub struct Offline {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub users: Users,
    /// Users who are absent; they are the first ones, senders follow after them
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub receivers: u32,
    /// Users who write to them
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub senders: u32,
    /// Messages for each absent user; the server's quota must allow them
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub messages: u32,
    /// Messages of a sender that the server has not acknowledged yet
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub window: u32,
    /// Bytes of a body: one number, or LEAST-MOST
    #[arg(long, value_name = "BYTES", default_value = "16-100", value_parser = body_bytes)]
    pub body: RangeInclusive<usize>,
    /// Only one half: store, and come for them another time (after a kill -9, say)
    #[arg(long, value_enum, default_value = "both")]
    pub phase: Phase,
}

/// Which half of an offline run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    Both,
    Store,
    Drain,
}

#[derive(Debug, Args)]
pub struct Floor {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub load: Load,
}

impl Common {
    /// The server's address; the first one if its name has several.
    pub fn socket_addr(&self) -> Result<SocketAddr> {
        let mut found = self.addr.to_socket_addrs().with_context(|| self.addr.clone())?;
        found.next().with_context(|| format!("{} has no address", self.addr))
    }

    pub fn gauge(&self) -> Gauge {
        Gauge { pids: self.pid.clone() }
    }

    /// Makes ready for so many connections.
    pub fn prepare(&self, connections: u32) -> Result<()> {
        if let Some(core) = self.core {
            process::keep_to_core(core)?;
        }
        let files = process::raise_open_files()?;
        ensure!(
            files > u64::from(connections) + 32,
            "{files} open files are allowed: run several processes with parts of the users each (--from)"
        );
        Ok(())
    }
}

impl Users {
    /// These users, from the first of ours on.
    pub fn range(&self, skip: u32, count: u32) -> Range<u32> {
        self.from + skip..self.from + skip + count
    }

    pub fn target(&self, common: &Common, available: bool) -> Result<Target> {
        let security = match self.tls {
            Some(_) => Security::new(&self.domain, self.ca.as_deref(), self.insecure)?,
            None => Security::none(),
        };
        Ok(Target {
            addr: common.socket_addr()?,
            account: Account {
                domain: self.domain.clone(),
                password: self.password.clone(),
                resource: self.resource.clone(),
                mechanism: self.mechanism,
                start_tls: self.tls == Some(Tls::Starttls),
                available,
            },
            security,
            direct_tls: self.tls == Some(Tls::Direct),
            users_prefix: self.users_prefix.clone(),
            concurrency: self.concurrency.max(1),
        })
    }
}

impl Load {
    pub fn plan(&self) -> crate::chat::Plan {
        crate::chat::Plan {
            window: self.window,
            warmup: Duration::from_secs(self.warmup),
            time: Duration::from_secs(self.seconds),
            drain: DRAIN,
        }
    }

    pub fn bodies(&self) -> Bodies {
        Bodies::new(self.body.clone())
    }
}

fn body_bytes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
    let range = number(least)?..=number(most)?;
    if range.is_empty() || *range.start() < BODY_BYTES_MIN || *range.end() > BODY_BYTES_MAX {
        return Err(format!("must be within {BODY_BYTES_MIN} and {BODY_BYTES_MAX}"));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Options::command().debug_assert();
    }

    #[test]
    fn tls_may_stand_alone() {
        let parsed = |extra: &[&str]| {
            let base = [
                "lg",
                "connect",
                "--addr",
                "127.0.0.1:1",
                "--count",
                "1",
                "--password",
                "p",
            ];
            Options::try_parse_from(base.iter().chain(extra)).unwrap()
        };
        let tls = |options: Options| match options.mode {
            Mode::Connect(connect) => connect.users.tls,
            _ => unreachable!(),
        };
        assert_eq!(tls(parsed(&[])), None);
        assert_eq!(tls(parsed(&["--tls"])), Some(Tls::Starttls));
        assert_eq!(tls(parsed(&["--tls", "direct"])), Some(Tls::Direct));
    }

    #[test]
    fn bodies_stay_within_their_limits() {
        assert_eq!(body_bytes("16-100"), Ok(16..=100));
        assert_eq!(body_bytes("50"), Ok(50..=50));
        for wrong in ["", "15", "100-16", "16-99999", "x"] {
            assert!(body_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
