//! What the settings mean together: judged before the server starts, and by `crosspoint check-config`.
//!
//! Invariant: nothing here changes anything; files are only read.

use std::net::SocketAddr;
use std::path::Path;

use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::keys::{ITERATIONS_MAX, ITERATIONS_MIN};
use crosspoint_xmpp::config::ExternalService;
use toml::Value;

use super::components::COMPONENTS_MAX;
use super::layers::{Loaded, Wrong, leaves};
use super::{Config, Role, TlsMode};

/// Most shards: more are a slip of the finger, not a machine.
pub const SHARDS_MAX: usize = 512;

/// Longest wait for sessions to end.
pub const DRAIN_DEADLINE_S_MAX: u64 = 3_600;

/// Keys whose value must be above 0.
pub(super) const POSITIVE: &[&str] = &[
    "accounts.registrations_per_hour",
    "archive.days",
    "archive.gib",
    "limits.connections_per_shard",
    "limits.logins",
    "limits.logins_per_account",
    "limits.logins_per_address",
    "limits.sessions_per_user",
    "limits.unauthenticated_per_address",
    "limits.unauthenticated_per_shard",
    "limits.wrong_passwords_per_account",
    "limits.wrong_passwords_per_address",
    "limits.wrong_passwords_per_second",
    "upload.all_bytes",
    "upload.days",
    "upload.file_bytes",
    "upload.user_bytes",
    "web.connections",
    "web.connections_per_address",
];

/// Everything that is wrong, in the order of the file.
pub fn check(loaded: &Loaded) -> Vec<Wrong> {
    let config = &loaded.config;
    let mut findings = Findings {
        loaded,
        wrongs: Vec::new(),
    };
    domain(config, &mut findings);
    ranges(config, &mut findings);
    addresses(config, &mut findings);
    encryption(config, &mut findings);
    if let Err(what) = config.limits.limits().check() {
        findings.add(&format!("limits.{}", config_key(what)), what.to_owned());
    }
    if let Err(what) = config.limits.xmpp_limits().check() {
        findings.add("limits.stanza_bytes", what.to_owned());
    }
    if let Err(what) = config.icpp_limits().check() {
        findings.add("icpp.heartbeat_s", what.to_owned());
    }
    administrators(config, &mut findings);
    external(config, &mut findings);
    icpp(config, &mut findings);
    web(config, &mut findings);
    super::check_cluster::cluster(config, &mut findings);
    rooms(config, &mut findings);
    components(config, &mut findings);
    if config.xmpp.redirect_always && config.xmpp.redirect_to.is_empty() {
        findings.add(
            "xmpp.redirect_always",
            "there is nowhere to send clients to; set xmpp.redirect_to".to_owned(),
        );
    }
    if config.log.filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
        findings.add(
            "log.filter",
            "no such filter; write a level (info), or levels by module (info,crosspoint_xmpp=debug)".to_owned(),
        );
    }
    findings.wrongs
}

pub(super) struct Findings<'a> {
    loaded: &'a Loaded,
    wrongs: Vec<Wrong>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, key: &str, what: String) {
        self.wrongs.push(Wrong {
            origin: self.loaded.origin(key),
            key: key.to_owned(),
            what,
        });
    }
}

fn domain(config: &Config, findings: &mut Findings<'_>) {
    match Jid::parse(&config.domain) {
        Err(error) => findings.add("domain", format!("`{}` is no domain: {error}", config.domain)),
        Ok(jid) if jid.node().is_some() || jid.resource().is_some() => {
            findings.add(
                "domain",
                format!(
                    "`{}` is a user's address; write only what stands after the @",
                    config.domain
                ),
            );
        }
        Ok(_) => {}
    }
}

fn external(config: &Config, findings: &mut Findings<'_>) {
    let xmpp = &config.xmpp;
    for uri in &xmpp.external_services {
        if ExternalService::parse(uri).is_none() {
            let what = format!("`{uri}` is no relay; write it as turn:HOST:PORT?transport=udp or stun:HOST");
            findings.add("xmpp.external_services", what);
        }
    }
    if !xmpp.reports_to.is_empty() && Jid::parse(&xmpp.reports_to).is_err() {
        findings.add("xmpp.reports_to", format!("`{}` is no address", xmpp.reports_to));
    }
    for url in &xmpp.outage_status {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            findings.add("xmpp.outage_status", format!("`{url}` is no https:// URL"));
        }
    }
    if !xmpp.external_secret.as_os_str().is_empty() {
        readable("xmpp.external_secret", &xmpp.external_secret, findings);
    }
}

fn administrators(config: &Config, findings: &mut Findings<'_>) {
    for text in &config.admin.jids {
        match Jid::parse(text) {
            Err(error) => findings.add("admin.jids", format!("`{text}` is no address: {error}")),
            Ok(jid) if jid.node().is_none() || jid.is_full() || jid.domain() != config.domain => {
                findings.add("admin.jids", format!("`{text}` is no account of {}", config.domain));
            }
            Ok(_) => {}
        }
    }
}

fn ranges(config: &Config, findings: &mut Findings<'_>) {
    if config.shards > SHARDS_MAX {
        findings.add(
            "shards",
            format!("{} is above {SHARDS_MAX}; 0 means one for each core", config.shards),
        );
    }
    let rounds = config.accounts.scram_iterations;
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&rounds) {
        findings.add(
            "accounts.scram_iterations",
            format!("{rounds} is not between {ITERATIONS_MIN} and {ITERATIONS_MAX}"),
        );
    }
    if config.drain.deadline_s > DRAIN_DEADLINE_S_MAX {
        findings.add(
            "drain.deadline_s",
            format!("{} is above {DRAIN_DEADLINE_S_MAX}", config.drain.deadline_s),
        );
    }
    let values = leaves(config);
    for key in POSITIVE {
        if values.get(*key).and_then(Value::as_integer) == Some(0) {
            findings.add(key, "0 would let nobody in; name a number above it".to_owned());
        }
    }
}

fn addresses(config: &Config, findings: &mut Findings<'_>) {
    let (xmpp, icpp) = (&config.xmpp, &config.icpp);
    let lists = [
        &xmpp.listen,
        &xmpp.listen_tls,
        &xmpp.listen_ws,
        &xmpp.listen_wss,
        &icpp.listen,
        &icpp.listen_tls,
        &icpp.listen_ws,
        &icpp.listen_wss,
    ];
    let trunks = config.role == Role::Backend && !(icpp.trunk_listen.is_empty() && icpp.trunk_listen_tls.is_empty());
    if !trunks && lists.iter().all(|list| list.is_empty()) {
        findings.add(
            "xmpp.listen",
            "no client could connect: neither listen nor listen_tls, of xmpp or icpp, names an address".to_owned(),
        );
    }
    for address in &config.admin.listen {
        if !address.ip().is_loopback() && !config.admin.allow_remote {
            let what = format!(
                "{address} is not loopback and the admin port asks for no password; set admin.allow_remote = true if the network is yours"
            );
            findings.add("admin.listen", what);
        }
    }
    let keyed = |key, list: &[SocketAddr]| list.iter().map(|address| (key, *address)).collect::<Vec<_>>();
    let mut all = keyed("xmpp.listen", &config.xmpp.listen);
    all.extend(keyed("xmpp.listen_tls", &config.xmpp.listen_tls));
    all.extend(keyed("xmpp.listen_ws", &config.xmpp.listen_ws));
    all.extend(keyed("xmpp.listen_wss", &config.xmpp.listen_wss));
    all.extend(keyed("icpp.listen", &config.icpp.listen));
    all.extend(keyed("icpp.listen_tls", &config.icpp.listen_tls));
    all.extend(keyed("icpp.trunk_listen", &config.icpp.trunk_listen));
    all.extend(keyed("icpp.trunk_listen_tls", &config.icpp.trunk_listen_tls));
    all.extend(keyed("icpp.listen_ws", &config.icpp.listen_ws));
    all.extend(keyed("icpp.listen_wss", &config.icpp.listen_wss));
    all.extend(keyed("web.listen", &config.web.listen));
    all.extend(keyed("web.listen_tls", &config.web.listen_tls));
    all.extend(keyed("admin.listen", &config.admin.listen));
    if !config.components.component.is_empty() {
        all.extend(keyed("components.listen", &config.components.listen));
    }
    for (index, (key, address)) in all.iter().enumerate() {
        let twice = all[..index]
            .iter()
            .find(|(_, earlier)| earlier == address && address.port() != 0);
        if let Some((first, _)) = twice {
            findings.add(key, format!("{address} is taken by {first} already"));
        }
    }
}

/// What is served over HTTP.
fn web(config: &Config, findings: &mut Findings<'_>) {
    let web = &config.web;
    let open = web.listen.iter().find(|address| !address.ip().is_loopback());
    if let Some(open) = open.filter(|_| !web.tls_terminated_by_proxy) {
        let what = format!(
            "{open} is not loopback and would be talked to in the clear; use web.listen_tls, or set \
             web.tls_terminated_by_proxy = true when a proxy in front does the encryption"
        );
        findings.add("web.listen", what);
    }
    for (key, url, schemes) in [
        ("web.url", &web.url, ["https://", "http://"]),
        ("web.websocket_url", &web.websocket_url, ["wss://", "ws://"]),
    ] {
        let plain = url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'<>&".contains(&byte));
        let good = plain && schemes.iter().any(|scheme| url.starts_with(scheme));
        if !(url.is_empty() || good) {
            findings.add(
                key,
                format!(
                    "`{url}` does not begin with {} or {}, or is no URL",
                    schemes[0], schemes[1]
                ),
            );
        }
    }
    for origin in &web.origins {
        let named = origin
            .split_once("://")
            .is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
        if !named {
            let what = format!("`{origin}` is no origin; write scheme, host and port: https://chat.example.org");
            findings.add("web.origins", what);
        }
    }
}

/// Bytes of the secret that the processes of a cluster share.
pub const CLUSTER_KEY_BYTES_MIN: usize = 32;

fn icpp(config: &Config, findings: &mut Findings<'_>) {
    let icpp = &config.icpp;
    for (key, instead, list) in [
        ("icpp.listen", "icpp.listen_tls", &icpp.listen),
        ("icpp.listen_ws", "icpp.listen_wss", &icpp.listen_ws),
    ] {
        let open = list.iter().find(|address| !address.ip().is_loopback());
        if let Some(open) = open.filter(|_| !icpp.tls_terminated_by_proxy) {
            let what = format!(
                "{open} is not loopback and would be talked to in the clear; use {instead}, or set \
                 icpp.tls_terminated_by_proxy = true when a proxy in front does the encryption"
            );
            findings.add(key, what);
        }
    }
    if icpp.node.is_empty() || icpp.node.len() > 255 || icpp.node.contains(char::is_whitespace) {
        findings.add("icpp.node", "a name is 1 to 255 bytes without blanks".to_owned());
    }
    if icpp.redirect_to.is_empty() != icpp.redirect_node.is_empty() {
        findings.add(
            "icpp.redirect_to",
            "set both, icpp.redirect_to (its URLs) and icpp.redirect_node (its name), or neither".to_owned(),
        );
    }
    if icpp.cluster_key.as_os_str().is_empty() {
        return;
    }
    match std::fs::read(&icpp.cluster_key) {
        Ok(key) if key.len() < CLUSTER_KEY_BYTES_MIN => {
            let what = format!(
                "{} holds {} bytes; at least {CLUSTER_KEY_BYTES_MIN} random ones are needed: head -c 32 /dev/urandom",
                icpp.cluster_key.display(),
                key.len()
            );
            findings.add("icpp.cluster_key", what);
        }
        Ok(_) => {}
        Err(error) => {
            let what = format!("cannot read {}: {error}", icpp.cluster_key.display());
            findings.add("icpp.cluster_key", what);
        }
    }
}

fn rooms(config: &Config, findings: &mut Findings<'_>) {
    let rooms = &config.rooms;
    match rooms.domain(&config.domain) {
        // A domain that is none itself is told of elsewhere.
        Err(_) if rooms.domain.is_empty() => return,
        Err(error) => return findings.add("rooms.domain", format!("`{}` is no domain: {error}", rooms.domain)),
        Ok(domain) if Jid::parse(&config.domain).is_ok_and(|own| own.domain() == domain.domain()) => {
            findings.add(
                "rooms.domain",
                "rooms need a domain of their own, beside that of the accounts".to_owned(),
            );
        }
        Ok(_) => {}
    }
    if let Err(error) = rooms.setup(&config.domain) {
        findings.add("rooms.system", format!("an address is none: {error}"));
    }
    let unowned = rooms
        .system
        .iter()
        .find(|room| room.owners.is_empty() && room.members_only);
    if let Some(room) = unowned {
        let what = format!(
            "nobody could ever enter `{}`: it is for members only and has no owners",
            room.address
        );
        findings.add("rooms.system", what);
    }
}

/// With it a component could give itself what it was not given (XEP-0356).
const PRIVILEGES_NS: &str = "urn:xmpp:privilege:2";

/// What attaches itself under a domain of its own.
fn components(config: &Config, findings: &mut Findings<'_>) {
    let components = &config.components;
    let open = components.listen.iter().find(|address| !address.ip().is_loopback());
    if let Some(open) = open.filter(|_| !components.allow_remote) {
        let what = format!(
            "{open} is not loopback and components are not encrypted; set components.allow_remote = true if the network is yours"
        );
        findings.add("components.listen", what);
    }
    let mut names: Vec<Jid> = Vec::new();
    let key = "components.component";
    if components.component.len() > COMPONENTS_MAX {
        findings.add(key, format!("more than {COMPONENTS_MAX}"));
    }
    for component in &components.component {
        let name = &component.name;
        match Jid::parse(name) {
            Ok(jid) if jid.node().is_some() || jid.resource().is_some() => {
                findings.add(key, format!("`{name}` is an address; name a domain"));
            }
            Ok(jid) if Jid::parse(&config.domain).is_ok_and(|domain| domain == jid) || names.contains(&jid) => {
                findings.add(key, format!("{name} is taken; each component has a domain of its own"));
            }
            Ok(jid) => names.push(jid),
            Err(error) => findings.add(key, format!("`{name}` is no domain: {error}")),
        }
        if component.iq.contains_key(PRIVILEGES_NS) {
            findings.add(key, format!("{name}: {PRIVILEGES_NS} cannot be asked in a user's name"));
        }
        if let Err(what) = component.secret() {
            findings.add(key, format!("{name}: {what}"));
        }
    }
}

fn encryption(config: &Config, findings: &mut Findings<'_>) {
    let clear = config.xmpp.tls == TlsMode::Off && !config.xmpp.tls_terminated_by_proxy;
    let open = config.xmpp.listen.iter().find(|address| !address.ip().is_loopback());
    if let Some(open) = open.filter(|_| clear) {
        let what = format!(
            "\"off\" would let {open}, which is not loopback, talk in the clear; use \"required\", or set \
             xmpp.tls_terminated_by_proxy = true when a proxy in front does the encryption"
        );
        findings.add("xmpp.tls", what);
    }
    let open = config.xmpp.listen_ws.iter().find(|address| !address.ip().is_loopback());
    if let Some(open) = open.filter(|_| !config.xmpp.tls_terminated_by_proxy) {
        let what = format!(
            "{open} is not loopback and would be talked to in the clear; use xmpp.listen_wss, or set \
             xmpp.tls_terminated_by_proxy = true when a proxy in front does the encryption"
        );
        findings.add("xmpp.listen_ws", what);
    }
    let tls = &config.tls;
    match (tls.certificate.as_os_str().is_empty(), tls.key.as_os_str().is_empty()) {
        (true, true) => {}
        (false, true) => findings.add(
            "tls.key",
            "a certificate needs its key; name the file that holds it".to_owned(),
        ),
        (true, false) => findings.add(
            "tls.certificate",
            "a key needs its certificate; name the file that holds it".to_owned(),
        ),
        (false, false) => {
            let before = findings.wrongs.len();
            readable("tls.certificate", &tls.certificate, findings);
            readable("tls.key", &tls.key, findings);
            let both_read = findings.wrongs.len() == before;
            let loaded = both_read.then(|| crate::certificate::load(&tls.certificate, &tls.key));
            if let Some(Err(what)) = loaded {
                findings.add("tls.certificate", what.to_string());
            }
        }
    }
}

fn readable(key: &str, path: &Path, findings: &mut Findings<'_>) {
    if let Err(error) = std::fs::read(path) {
        findings.add(key, format!("cannot read {}: {error}", path.display()));
    }
}

/// The engine's message begins with the bound's name, or holds it in parentheses; the table's key has the same name.
fn config_key(message: &str) -> &str {
    message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .find(|word| word.contains('_'))
        .unwrap_or("outbox_soft_bytes")
}
