//! The configuration: every key, its meaning and its default.
//!
//! Four layers, the later ones win: defaults, the file, the environment, flags (see [`layers`]). What the keys mean
//! together is judged by [`check`]. The shipped `crosspoint.example.toml` documents each key; a test holds that it names
//! all of them, each with its real default.
//!
//! Invariant: no key is optional. An empty text or list, or a zero where the key says so, means "decide for me"; so the
//! defaults can be written down as a file.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use crosspoint_engine::guard::{LoginRates, Rate};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::limits::Limits;
use crosspoint_engine::scram::keys::ITERATIONS_DEFAULT;
use crosspoint_engine::switch::ArchiveOptions;
use crosspoint_icpp::limits::Limits as IcppLimits;
use crosspoint_xmpp::limits::Limits as XmppLimits;
use serde::{Deserialize, Serialize};

pub use cluster::{Balance, Edge, Role};
pub use components::Components;
pub use rooms::{Rooms, SystemRoom};
pub use web::{Upload, Web};

pub mod check;
mod check_cluster;
mod cluster;
pub mod components;
pub mod layers;
mod place;
mod rooms;
#[cfg(test)]
mod tests;
mod web;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The domain that this switch serves: what stands after the `@`.
    pub domain: String,
    /// The folder that holds everything that must survive.
    pub data: PathBuf,
    /// Number of shards (threads that switch); 0: one for each core.
    pub shards: usize,
    /// Whether each shard keeps to a core of its own.
    pub pin: bool,
    /// What this process is in a cluster.
    pub role: Role,
    /// XMPP for clients.
    pub xmpp: Xmpp,
    /// ICPP for clients.
    pub icpp: Icpp,
    /// What is served over HTTP.
    pub web: Web,
    /// Files that users share.
    pub upload: Upload,
    /// The front-end role.
    pub edge: Edge,
    /// When a front-end sends clients to others.
    pub balance: Balance,
    /// Notifications to sleeping devices.
    pub push: Push,
    /// What else attaches itself to the switch.
    pub components: Components,
    /// Certificate.
    pub tls: Tls,
    /// What is kept after it was delivered.
    pub archive: Archive,
    /// Conversations of many.
    pub rooms: Rooms,
    /// How accounts are made.
    pub accounts: Accounts,
    /// The administrator's port.
    pub admin: Admin,
    /// The server's own log.
    pub log: Log,
    /// The statistics file.
    pub stats: Stats,
    /// How the server ends.
    pub drain: Drain,
    /// Bounds.
    pub limits: Bounds,
}

/// The `[xmpp]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Xmpp {
    /// Listeners that begin in the clear and offer STARTTLS (RFC 6120 section 5).
    pub listen: Vec<SocketAddr>,
    /// Listeners that begin with TLS (XEP-0368).
    pub listen_tls: Vec<SocketAddr>,
    /// WebSocket listeners (RFC 7395, path `/xmpp-websocket`) in the clear: loopback only, unless a proxy in front does the
    /// encryption.
    pub listen_ws: Vec<SocketAddr>,
    /// WebSocket listeners in TLS.
    pub listen_wss: Vec<SocketAddr>,
    /// Whether encryption is offered, and demanded, on `listen`.
    pub tls: TlsMode,
    /// A proxy in front has taken the encryption off already: `tls = "off"` and `listen_ws` are then allowed on any address.
    pub tls_terminated_by_proxy: bool,
    /// `host` or `host:port` where clients are sent when this server is drained (see-other-host); empty: nowhere.
    pub redirect_to: String,
    /// Whether every new client is sent there, drained or not.
    pub redirect_always: bool,
    /// URIs of who runs the server (XEP-0157).
    pub admin_contacts: Vec<String>,
    /// URIs to which abuse is reported (XEP-0157).
    pub abuse_contacts: Vec<String>,
    /// URIs for opinions about the service (XEP-0157).
    pub feedback_contacts: Vec<String>,
    /// URIs for business (XEP-0157).
    pub sales_contacts: Vec<String>,
    /// URIs to which vulnerabilities are reported (XEP-0157).
    pub security_contacts: Vec<String>,
    /// URIs where the service's state is published, for people (XEP-0157).
    pub status_contacts: Vec<String>,
    /// URIs for help (XEP-0157).
    pub support_contacts: Vec<String>,
    /// URLs where the service's state is published, for clients (XEP-0455).
    pub outage_status: Vec<String>,
    /// The address to which users' reports of abuse are sent (XEP-0377); empty: they are logged only.
    pub reports_to: String,
    /// Relays for calls, as URIs of RFC 7064 and RFC 7065 (XEP-0215).
    pub external_services: Vec<String>,
    /// File with the secret that this server shares with the relays; empty: no credentials are given.
    pub external_secret: PathBuf,
    /// Seconds for which credentials for relays are good.
    pub external_credentials_s: u64,
    /// Whether SCRAM seals what was offered into its challenge (XEP-0474).
    pub scram_seal: bool,
    /// Whether XMPP clients are offered SCRAM-SHA-256, beside SCRAM-SHA-1.
    pub scram_sha256: bool,
}

/// The `[icpp]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Icpp {
    /// Listeners in the clear: loopback only, unless a proxy in front does the encryption.
    pub listen: Vec<SocketAddr>,
    /// Listeners that begin with TLS (ALPN `icpp/1`).
    pub listen_tls: Vec<SocketAddr>,
    /// WebSocket listeners (subprotocol `icpp.v1`, path `/`) in the clear: as `listen`.
    pub listen_ws: Vec<SocketAddr>,
    /// WebSocket listeners in TLS.
    pub listen_wss: Vec<SocketAddr>,
    /// A proxy in front has taken the encryption off already: `listen` and `listen_ws` may then name any address.
    pub tls_terminated_by_proxy: bool,
    /// The name of this front-end, to clients and on tickets; one for each process of a cluster.
    pub node: String,
    /// File with the secret that all processes of a cluster share; empty: tickets are good at this process only.
    pub cluster_key: PathBuf,
    /// Seconds of silence that a client in the foreground may keep.
    pub heartbeat_s: u16,
    /// The same in the background.
    pub heartbeat_background_s: u16,
    /// Seconds for which a ticket replaces the password; 0: none are given.
    pub ticket_s: u32,
    /// URLs of another front-end, to which clients are sent when this server is drained; empty: nowhere.
    pub redirect_to: Vec<String>,
    /// The name of that front-end.
    pub redirect_node: String,
    /// Where front-ends connect with their trunks in the clear; empty: nowhere.
    pub trunk_listen: Vec<SocketAddr>,
    /// Where front-ends connect with their trunks in TLS; empty: nowhere.
    pub trunk_listen_tls: Vec<SocketAddr>,
    /// Whether trunks in the clear may come from, or go to, addresses other than loopback.
    pub trunk_allow_remote: bool,
}

/// Encryption on listeners that begin in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not offered.
    Off,
    /// Offered; who does without cannot use PLAIN.
    Optional,
    /// Nothing goes on without it.
    Required,
}

/// The `[tls]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain, PEM; empty: the self-signed one in the data folder, made on first start.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The `[archive]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Whether messages are kept after they were delivered, so that users can read what was said.
    pub enabled: bool,
    /// How long, in days.
    pub days: u64,
    /// How much disk the log may take before the oldest messages go, in GiB.
    pub gib: u64,
}

/// The `[accounts]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Whether a client may make its own account (XEP-0077).
    pub registration: Registration,
    /// Accounts that one address may make in an hour, while registration is open.
    pub registrations_per_hour: u32,
    /// Whether users may change their password by their client (XEP-0077 section 3.3).
    pub password_change: bool,
    /// Whether users may remove their account by their client (XEP-0077 section 3.2).
    pub account_removal: bool,
    /// Rounds of PBKDF2 for new passwords (RFC 7677 section 4: at least 4096).
    pub scram_iterations: u32,
}

/// Who may make accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Any client.
    Open,
    /// The administrator only.
    Closed,
}

/// The `[push]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// What notifications to push services show (XEP-0357).
    pub show: PushShow,
}

/// How much of a message a push service learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushShow {
    /// There are no notifications.
    Nothing,
    /// How many messages wait.
    Count,
    /// Also who wrote the last one.
    Sender,
    /// Also how it begins.
    Body,
}

/// The `[admin]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where `/metrics`, `/healthz` and `/readyz` are served over plain HTTP; empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` may name addresses other than loopback.
    pub allow_remote: bool,
    /// Accounts that may manage the service by their clients (XEP-0133).
    pub jids: Vec<String>,
}

/// The `[stats]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stats {
    /// Whether the shards count in a file that `crosspoint top` reads.
    pub file: bool,
    /// Whether it names the accounts that send most.
    pub talkers: bool,
}

/// The `[log]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Its form, on standard error.
    pub format: LogFormat,
    /// What is written: a level, or a filter such as `info,crosspoint_xmpp=debug`.
    pub filter: String,
}

/// Forms of the server's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The `[drain]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// Seconds that sessions have to say goodbye before the server ends all the same.
    pub deadline_s: u64,
}

/// The `[limits]` table: the bounds that an operator may want to move. The others are in `engine/src/limits.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Connections of one shard.
    pub connections_per_shard: usize,
    /// Connections of one shard that have not authenticated yet.
    pub unauthenticated_per_shard: usize,
    /// The same, from one address (IPv6: one /64).
    pub unauthenticated_per_address: usize,
    /// Sessions of one account at a time.
    pub sessions_per_user: usize,
    /// Offline messages of one account.
    pub queue_records: u64,
    /// Offline bytes of one account.
    pub queue_bytes: u64,
    /// Envelopes of presence that one account's sessions may cause in a second, by what they show to all.
    pub presence_tells_per_second: u32,
    /// The same, at once.
    pub presence_tells_burst: u32,
    /// Bytes waiting for a slow reader above which presence is dropped and messages go through the log.
    pub outbox_soft_bytes: usize,
    /// Bytes waiting for a slow reader above which its session ends.
    pub outbox_hard_bytes: usize,
    /// Bytes of one stanza of a client that has logged in.
    pub stanza_bytes: u32,
    /// Seconds for which a client that has lost its connection may come back (XEP-0198); 0: it may not.
    pub resume_s: u32,
    /// Seconds for which a token that logs in is good (XEP-0484); 0: none are given.
    pub token_s: u32,
    /// Seconds of silence after which a client is asked whether it is still there; 0: never.
    pub idle_s: u64,
    /// Wrong passwords that one address may try in a minute.
    pub wrong_passwords_per_address: u32,
    /// Logins of one address under way, or failed and not yet forgiven, at a time.
    pub logins_per_address: u32,
    /// Wrong passwords that may be tried for one account in a minute.
    pub wrong_passwords_per_account: u32,
    /// Logins of one account under way, or failed and not yet forgiven, at a time.
    pub logins_per_account: u32,
    /// Wrong passwords that may be tried in all, in a second.
    pub wrong_passwords_per_second: u32,
    /// Logins under way, or failed and not yet forgiven, in all.
    pub logins: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            domain: "localhost".to_owned(),
            data: PathBuf::from("./crosspoint-data"),
            shards: 0,
            pin: true,
            xmpp: Xmpp::default(),
            icpp: Icpp::default(),
            web: Web::default(),
            upload: Upload::default(),
            role: Role::All,
            edge: Edge::default(),
            balance: Balance::default(),
            push: Push::default(),
            components: Components::default(),
            tls: Tls::default(),
            archive: Archive::default(),
            rooms: Rooms::default(),
            accounts: Accounts::default(),
            admin: Admin::default(),
            log: Log::default(),
            stats: Stats::default(),
            drain: Drain::default(),
            limits: Bounds::default(),
        }
    }
}

impl Default for Xmpp {
    fn default() -> Self {
        Xmpp {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5222))],
            listen_tls: vec![SocketAddr::from(([127, 0, 0, 1], 5223))],
            listen_ws: Vec::new(),
            listen_wss: Vec::new(),
            tls: TlsMode::Required,
            tls_terminated_by_proxy: false,
            redirect_to: String::new(),
            redirect_always: false,
            admin_contacts: Vec::new(),
            abuse_contacts: Vec::new(),
            feedback_contacts: Vec::new(),
            sales_contacts: Vec::new(),
            security_contacts: Vec::new(),
            status_contacts: Vec::new(),
            support_contacts: Vec::new(),
            outage_status: Vec::new(),
            reports_to: String::new(),
            external_services: Vec::new(),
            external_secret: PathBuf::new(),
            external_credentials_s: 86_400,
            scram_seal: true,
            scram_sha256: true,
        }
    }
}

impl Default for Icpp {
    fn default() -> Self {
        let limits = IcppLimits::DEFAULT;
        Icpp {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5299))],
            listen_tls: vec![SocketAddr::from(([127, 0, 0, 1], 5300))],
            listen_ws: Vec::new(),
            listen_wss: Vec::new(),
            tls_terminated_by_proxy: false,
            node: "crosspoint".to_owned(),
            cluster_key: PathBuf::new(),
            heartbeat_s: limits.heartbeat_s,
            heartbeat_background_s: limits.heartbeat_background_s,
            ticket_s: limits.ticket_seconds,
            redirect_to: Vec::new(),
            redirect_node: String::new(),
            trunk_listen: Vec::new(),
            trunk_listen_tls: Vec::new(),
            trunk_allow_remote: false,
        }
    }
}

impl Default for Archive {
    fn default() -> Self {
        let options = ArchiveOptions::default();
        Archive {
            enabled: true,
            days: options.age_ms / DAY_MS,
            gib: options.bytes >> 30,
        }
    }
}

impl Archive {
    /// For the log; `None`: nothing is kept.
    pub fn options(&self) -> Option<ArchiveOptions> {
        self.enabled.then(|| ArchiveOptions {
            age_ms: self.days.saturating_mul(DAY_MS),
            bytes: self.gib.saturating_mul(1 << 30),
        })
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            registration: Registration::Closed,
            registrations_per_hour: 3,
            password_change: true,
            account_removal: true,
            scram_iterations: ITERATIONS_DEFAULT,
        }
    }
}

impl Default for Push {
    fn default() -> Self {
        Push { show: PushShow::Count }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Admin {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5280))],
            allow_remote: false,
            jids: Vec::new(),
        }
    }
}

impl Admin {
    /// Those of `jids` that are addresses; the others do not pass [`check`].
    pub fn administrators(&self) -> Vec<Jid> {
        let parsed = self.jids.iter().filter_map(|text| Jid::parse(text).ok());
        parsed.map(|jid| jid.to_bare()).collect()
    }
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            file: true,
            talkers: true,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log {
            format: LogFormat::Human,
            filter: "info".to_owned(),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Drain { deadline_s: 20 }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        let limits = Limits::DEFAULT;
        let xmpp = XmppLimits::DEFAULT;
        Bounds {
            connections_per_shard: limits.connections_per_shard,
            unauthenticated_per_shard: limits.unauthenticated_per_shard,
            unauthenticated_per_address: limits.unauthenticated_per_address,
            sessions_per_user: limits.sessions_per_user,
            queue_records: limits.queue_records,
            queue_bytes: limits.queue_bytes,
            presence_tells_per_second: limits.presence_tells_per_second,
            presence_tells_burst: limits.presence_tells_burst,
            outbox_soft_bytes: limits.outbox_soft_bytes,
            outbox_hard_bytes: limits.outbox_hard_bytes,
            stanza_bytes: xmpp.stanza_bytes_after_auth,
            resume_s: xmpp.resume_seconds,
            token_s: xmpp.token_seconds,
            idle_s: xmpp.idle_ms / 1_000,
            wrong_passwords_per_address: 60,
            logins_per_address: 2_000,
            wrong_passwords_per_account: 5,
            logins_per_account: 10,
            wrong_passwords_per_second: 200,
            logins: 20_000,
        }
    }
}

impl Bounds {
    /// The engine's bounds, with these in them.
    pub fn limits(&self) -> Limits {
        Limits {
            connections_per_shard: self.connections_per_shard,
            unauthenticated_per_shard: self.unauthenticated_per_shard,
            unauthenticated_per_address: self.unauthenticated_per_address,
            sessions_per_user: self.sessions_per_user,
            queue_records: self.queue_records,
            queue_bytes: self.queue_bytes,
            presence_tells_per_second: self.presence_tells_per_second,
            presence_tells_burst: self.presence_tells_burst,
            outbox_soft_bytes: self.outbox_soft_bytes,
            outbox_hard_bytes: self.outbox_hard_bytes,
            ..Limits::DEFAULT
        }
    }

    /// The XMPP front-end's bounds, with these in them.
    pub fn xmpp_limits(&self) -> XmppLimits {
        XmppLimits {
            stanza_bytes_after_auth: self.stanza_bytes,
            resume_seconds: self.resume_s,
            token_seconds: self.token_s,
            idle_ms: self.idle_s.saturating_mul(1_000),
            ..XmppLimits::DEFAULT
        }
    }

    /// Wrong passwords that are tolerated.
    pub fn login_rates(&self) -> LoginRates {
        let count = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        LoginRates {
            network: Rate::per_minute(count(self.wrong_passwords_per_address), count(self.logins_per_address)),
            account: Rate::per_minute(count(self.wrong_passwords_per_account), count(self.logins_per_account)),
            global: Rate::per_second(count(self.wrong_passwords_per_second), count(self.logins)),
        }
    }
}

impl Accounts {
    /// Accounts that one address may make.
    pub fn registration_rate(&self) -> Rate {
        let count = NonZeroU32::new(self.registrations_per_hour).unwrap_or(NonZeroU32::MIN);
        Rate::per_hour(count, count)
    }
}

impl Config {
    /// The ICPP front-end's bounds, as configured.
    pub fn icpp_limits(&self) -> IcppLimits {
        IcppLimits {
            heartbeat_s: self.icpp.heartbeat_s,
            heartbeat_background_s: self.icpp.heartbeat_background_s,
            ticket_seconds: self.icpp.ticket_s,
            resume_seconds: self.limits.resume_s,
            ..IcppLimits::DEFAULT
        }
    }

    /// How many shards there will be: as configured, or one for each core.
    pub fn shard_count(&self) -> usize {
        match self.shards {
            0 => crosspoint_engine::rt::cores().len(),
            shards => shards,
        }
    }
}
