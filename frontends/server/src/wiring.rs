//! Where the parts meet: from a configuration to a running switch, and from the engine's control to what the admin port
//! and the admin socket show. The only file that knows the engine's start and control by name.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use crosspoint_engine::attached::Attached;
use crosspoint_engine::control::ControlError;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::metrics::{Metrics, ShardMetrics};
use crosspoint_engine::rt;
use crosspoint_engine::service::Frontend;
use crosspoint_engine::shard::Registration as InBand;
use crosspoint_engine::switch::{self, Control, Listen, MakeFrontends, Plan, Switch};
use crosspoint_icpp::IcppFront;
use crosspoint_icpp::edge::EdgeFront;
use crosspoint_xmpp::XmppFront;
use crosspoint_xmpp::config::{
    CipherFactory, Component, Contacts, External, ExternalService, FeatureConfig, Listener, PushShows, Secret,
    SeeOtherHost, TlsPolicy, XmppConfig,
};
use crosspoint_xmpp::features::upload::SharedUploads;

use crate::admin::server::Office;
use crate::banner;
use crate::cipher::Certificates;
use crate::config::{self, Config, PushShow, Registration, Role, TlsMode, Xmpp};
use crate::figures::{self, Storage};
use crate::icpp;
use crate::stats;
use crate::status::{BookStatus, LogStatus, ShardStatus, Stage, Status};
use crate::users::{Accounts, NewAccount, PAGE_ROWS_MAX, Page, Refusal, keys, offline};
use crate::web;

/// The front-ends' names, by index.
pub const PROTOCOLS: [&str; 2] = ["xmpp", "icpp"];

/// The front-ends of each shard, by index.
pub const XMPP: usize = 0;
const ICPP: usize = 1;

/// The kernel takes a killed server's rings apart after the process is gone, and its listeners answer until then. A
/// server that is started again at once waits for that.
const LAST_BREATH: Duration = Duration::from_secs(3);
/// How long somebody who listens on one of our own addresses may take to answer.
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// Where the book is within a data folder.
pub fn book_path(data: &Path) -> PathBuf {
    switch::book_path(data)
}

/// Starts the switch; it listens when this returns.
///
/// # Errors
/// What could not be opened or bound, and what to do.
pub fn start(
    config: &Config,
    domain: &Jid,
    metrics: Arc<Metrics>,
    certificates: &Certificates,
    figures: &icpp::Figures,
    uploads: Option<SharedUploads>,
) -> Result<Switch> {
    let mut plan = plan(config, domain, metrics);
    for listen in &mut plan.listeners {
        listen.address = alone(listen.address)?;
    }
    let fronts = frontends(config, domain, Ciphers::of(certificates, config), figures, uploads)?;
    switch::start(plan, fronts).context("the switch did not start")
}

/// Removes an account while no server runs: by a switch that listens nowhere, so that contacts' rosters and waiting
/// messages are taken care of by the same rules as ever.
///
/// # Errors
/// The switch does not start, or refuses.
pub fn remove_account(config: &Config, jid: &Jid) -> Result<()> {
    let config = Config {
        shards: 1,
        pin: false,
        role: Role::All,
        ..config.clone()
    };
    let domain = jid.to_domain();
    let mut plan = plan(&config, &domain, Arc::new(Metrics::new(1)));
    plan.listeners.clear();
    let switch = switch::start(
        plan,
        frontends(&config, &domain, Ciphers::none(), &icpp::Figures::of(&config), None)?,
    )?;
    let outcome = switch.control().remove_account(jid).map_err(refusal);
    switch.drain(Duration::from_secs(config.drain.deadline_s));
    Ok(outcome?)
}

/// How connections are encrypted, for each protocol.
struct Ciphers {
    xmpp: CipherFactory,
    web: web::sockets::Ciphers,
    icpp: icpp::Ciphers,
}

impl Ciphers {
    fn of(certificates: &Certificates, config: &Config) -> Ciphers {
        // XEP-0368.
        let xmpp = certificates.offering(&[b"xmpp-client"]);
        Ciphers {
            xmpp: Arc::new(move || xmpp.cipher()),
            web: web::sockets::Ciphers::of(certificates, &config.web),
            icpp: icpp::Ciphers::of(certificates),
        }
    }

    fn none() -> Ciphers {
        Ciphers {
            xmpp: Arc::new(|| None),
            web: web::sockets::Ciphers::none(),
            icpp: icpp::Ciphers::none(),
        }
    }
}

fn frontends(
    config: &Config,
    domain: &Jid,
    ciphers: Ciphers,
    figures: &icpp::Figures,
    uploads: Option<SharedUploads>,
) -> Result<MakeFrontends> {
    let mut xmpp = xmpp_config(config, domain, ciphers.xmpp, ciphers.web)?;
    xmpp.features.uploads = uploads;
    let xmpp = Arc::new(xmpp);
    if config.role == Role::Frontend {
        let edge = Arc::new(icpp::edge(config, &ciphers.icpp, figures)?);
        return Ok(Arc::new(move |_shard| -> Vec<Box<dyn Frontend>> {
            vec![
                Box::new(XmppFront::new(xmpp.clone())),
                Box::new(EdgeFront::new(edge.clone())),
            ]
        }));
    }
    let icpp = Arc::new(icpp::config(config, domain, &ciphers.icpp, figures)?);
    Ok(Arc::new(move |_shard| -> Vec<Box<dyn Frontend>> {
        vec![
            Box::new(XmppFront::new(xmpp.clone())),
            Box::new(IcppFront::new(icpp.clone())),
        ]
    }))
}

/// The address, with a port chosen if it has none: all shards must listen on the same one. Shards share a port by
/// SO_REUSEPORT, which would also share it with another server of this user, each getting some of the clients; so nobody
/// may answer there yet. (Binding the port alone would tell, too, but also fails for what a killed server has left.)
pub fn alone(address: SocketAddr) -> Result<SocketAddr> {
    if address.port() == 0 {
        let bound = TcpListener::bind(address).and_then(|listener| listener.local_addr());
        return bound.with_context(|| format!("cannot listen on {address}"));
    }
    let until = Instant::now() + LAST_BREATH;
    while answers(address) {
        if Instant::now() > until {
            bail!("cannot listen on {address}: somebody does already; end that, or choose another address");
        }
        thread::sleep(ANSWER_TIME);
    }
    Ok(address)
}

/// Whether somebody takes connections there. (A connection to a port of the ephemeral range may meet itself.)
fn answers(address: SocketAddr) -> bool {
    let connected = TcpStream::connect_timeout(&address, ANSWER_TIME);
    connected.is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok())
}

fn plan(config: &Config, domain: &Jid, metrics: Arc<Metrics>) -> Plan {
    let listen = |frontend| {
        move |(listener, address)| Listen {
            address,
            frontend,
            listener,
        }
    };
    let xmpp = listeners(config).into_iter().map(|(address, _)| address).enumerate();
    let icpp = icpp::addresses(config).into_iter().enumerate();
    Plan {
        domain: domain.clone(),
        shards: config.shard_count(),
        pin: config.pin,
        data: config.data.clone(),
        listeners: xmpp.map(listen(XMPP)).chain(icpp.map(listen(ICPP))).collect(),
        limits: config.limits.limits(),
        registration: match config.accounts.registration {
            Registration::Open => InBand::Open,
            Registration::Closed => InBand::Closed,
        },
        registrations: config.accounts.registration_rate(),
        logins: config.limits.login_rates(),
        scram_iterations: config.accounts.scram_iterations,
        archive: config.archive.options(),
        // What is no address was refused when the configuration was read.
        rooms: config.rooms.setup(&config.domain).ok().flatten(),
        administrators: config.admin.administrators(),
        services: services(config),
        metrics,
    }
}

/// Every XMPP listener, in the order of the front-end's indexes.
pub fn listeners(config: &Config) -> Vec<(SocketAddr, Listener)> {
    let tls = match config.xmpp.tls {
        TlsMode::Off => TlsPolicy::Off,
        TlsMode::Optional => TlsPolicy::Optional,
        TlsMode::Required => TlsPolicy::Required,
    };
    let behind_tls_proxy = config.xmpp.tls_terminated_by_proxy;
    let clear = Listener {
        direct_tls: false,
        websocket: false,
        tls,
        behind_tls_proxy,
        components: false,
    };
    let direct = config
        .xmpp
        .listen_tls
        .iter()
        .map(|address| (*address, Listener::DIRECT_TLS));
    if config.role == Role::Frontend {
        // No users live here.
        return Vec::new();
    }
    let components = match config.components.component.is_empty() {
        true => &[][..],
        false => &config.components.listen,
    };
    let components = components.iter().map(|address| (*address, Listener::COMPONENTS));
    let clients = config.xmpp.listen.iter().map(|address| (*address, clear));
    clients
        .chain(direct)
        .chain(web::sockets::listeners(config))
        .chain(components)
        .collect()
}

/// What listens: each address with the port that it was given, the protocol's name, and how it speaks.
pub fn bound(switch: &Switch, config: &Config) -> Vec<(SocketAddr, &'static str, &'static str)> {
    let xmpp = listeners(config)
        .into_iter()
        .map(|(_, how)| ("XMPP", banner::encryption(how)));
    let icpp = icpp::forms(config).into_iter().map(|how| ("ICPP", how));
    let addresses = switch.addresses().iter().copied();
    addresses
        .zip(xmpp.chain(icpp))
        .map(|(address, (protocol, how))| (address, protocol, how))
        .collect()
}

fn xmpp_config(config: &Config, domain: &Jid, cipher: CipherFactory, web: web::sockets::Ciphers) -> Result<XmppConfig> {
    let xmpp = &config.xmpp;
    let redirect = SeeOtherHost {
        target: xmpp.redirect_to.clone(),
        new_streams: xmpp.redirect_always,
    };
    let contacts = Contacts {
        admin: xmpp.admin_contacts.clone(),
        abuse: xmpp.abuse_contacts.clone(),
        feedback: xmpp.feedback_contacts.clone(),
        sales: xmpp.sales_contacts.clone(),
        security: xmpp.security_contacts.clone(),
        status: xmpp.status_contacts.clone(),
        support: xmpp.support_contacts.clone(),
    };
    let features = FeatureConfig {
        contacts,
        push: match config.push.show {
            PushShow::Nothing => PushShows::Nothing,
            PushShow::Count => PushShows::Count,
            PushShow::Sender => PushShows::Sender,
            PushShow::Body => PushShows::Body,
        },
        items: config.components.component.iter().map(|one| one.name.clone()).collect(),
        status_urls: xmpp.outage_status.clone(),
        reports_to: Jid::parse(&xmpp.reports_to).ok(),
        external: external(xmpp),
        password_change: config.accounts.password_change,
        account_removal: config.accounts.account_removal,
        archive: config.archive.enabled,
        ..FeatureConfig::default()
    };
    let listeners = listeners(config).into_iter().map(|(_, listener)| listener);
    Ok(XmppConfig {
        components: components(config)?,
        // The last two have no address: sessions over HTTP come through the gate.
        listeners: listeners.chain(web::sessions()).collect(),
        limits: config.limits.xmpp_limits(),
        seal_offer: config.xmpp.scram_seal,
        offer_sha256: config.xmpp.scram_sha256,
        registration_open: config.accounts.registration == Registration::Open,
        see_other_host: Some(redirect).filter(|redirect| !redirect.target.is_empty()),
        features,
        websocket: web.websocket,
        websocket_tls: web.websocket_tls,
        ..XmppConfig::new(domain.clone(), cipher)
    })
}

/// The components, with their secrets.
fn components(config: &Config) -> Result<Vec<Component>> {
    let component = |component: &config::components::Component| {
        let name = &component.name;
        let secret = component.secret().map_err(|what| anyhow!("component {name}: {what}"))?;
        Ok(Component {
            domain: Jid::parse(name).map_err(|error| anyhow!("component {name}: {error}"))?,
            secret: Secret::new(secret),
            privileges: component.privileges(),
        })
    };
    config.components.component.iter().map(component).collect()
}

/// The domains that components answer for, and what the switch lets them do.
fn services(config: &Config) -> Vec<Attached> {
    let service = |component: &config::components::Component| {
        Some(Attached {
            domain: Jid::parse(&component.name).ok()?,
            speaks_for_users: component.speaks_for_users(),
            sees_presence: component.presence == config::components::Presence::ManagedEntity,
        })
    };
    config.components.component.iter().filter_map(service).collect()
}

/// The relays. The secret's last line feed is its file's, not its own.
fn external(xmpp: &Xmpp) -> External {
    let parsed = xmpp
        .external_services
        .iter()
        .filter_map(|uri| ExternalService::parse(uri));
    let secret = match xmpp.external_secret.as_os_str().is_empty() {
        true => String::new(),
        // Whether it can be read was checked before the start.
        false => std::fs::read_to_string(&xmpp.external_secret).unwrap_or_default(),
    };
    External {
        services: parsed.collect(),
        secret: secret.trim_end().as_bytes().to_vec(),
        credentials_s: xmpp.external_credentials_s,
    }
}

/// A running server, as its administrator sees it.
pub struct Desk {
    /// The engine's.
    pub control: Control,
    /// What the shards count.
    pub metrics: Arc<Metrics>,
    /// Served.
    pub domain: Jid,
    /// PBKDF2 rounds of new passwords.
    pub iterations: u32,
    /// When the process started.
    pub began: Instant,
    /// What the ICPP front-end counts, in either kind of role.
    pub icpp: icpp::Figures,
    /// Whether this is a front-end.
    pub is_edge: bool,
}

impl Desk {
    /// Prometheus text: the engine's figures and the process's.
    pub fn metrics_text(&self) -> String {
        let mut text = self.metrics.render();
        figures::process(&mut text);
        figures::storage(&mut text, &self.storage());
        match self.is_edge {
            true => self.icpp.edge.render(&mut text),
            false => self.icpp.accounts.render(&mut text),
        }
        text
    }

    /// Copies what is not counted by shards into the statistics file.
    pub fn mirror(&self) {
        stats::mirror(self.metrics.process(), &self.storage());
    }

    fn storage(&self) -> Storage {
        Storage {
            log: self.control.log_stats(),
            log_keeper: self.control.log_keeper_stats(),
            book: self.control.book_stats(),
            book_keeper: self.control.book_keeper_stats(),
        }
    }

    /// What it does now.
    pub fn stage(&self) -> Stage {
        match (self.control.is_draining(), self.control.ready()) {
            (true, _) => Stage::Draining,
            (false, true) if self.is_edge && !self.icpp.edge.is_ready() => Stage::Waiting,
            (false, true) => Stage::Serving,
            (false, false) => Stage::Failed,
        }
    }

    fn shards(&self) -> Vec<ShardStatus> {
        let shard = |shard: &ShardMetrics| ShardStatus {
            connections: shard.connections.get(),
            sessions: shard.sessions.get(),
            users: shard.users.get(),
            messages: shard.messages.get(),
            cpu_ms: shard.cpu_ns.get() / 1_000_000,
        };
        self.metrics.shards().map(shard).collect()
    }
}

impl Office for Desk {
    fn status(&self) -> Status {
        let Storage {
            log,
            log_keeper,
            book,
            book_keeper,
        } = self.storage();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            domain: self.domain.to_string(),
            pid: std::process::id(),
            uptime_s: self.began.elapsed().as_secs(),
            stage: self.stage(),
            resident_bytes: rt::process_rss_bytes(),
            cpu_s: rt::process_cpu().as_secs_f64(),
            shards: self.shards(),
            log: LogStatus {
                poisoned: log.poisoned.load(Relaxed),
                pending_records: log.pending_records.load(Relaxed),
                pending_bytes: log.pending_bytes.load(Relaxed),
                segments: log.segments.load(Relaxed),
                queue_requests: log_keeper.queue_requests.load(Relaxed),
                commits: log.commits.load(Relaxed),
            },
            book: BookStatus {
                queue_requests: book_keeper.queue_requests.load(Relaxed),
                commits: book.commits.load(Relaxed),
                failures: book.failures.load(Relaxed),
            },
        }
    }

    fn drain(&self) {
        self.control.begin_drain();
    }

    fn remove(&self, jid: &Jid) -> Result<(), Refusal> {
        self.control.remove_account(jid).map_err(refusal)
    }

    fn accounts(&self) -> Box<dyn Accounts> {
        Box::new(Running {
            control: self.control.clone(),
            domain: self.domain.to_string(),
            iterations: self.iterations,
        })
    }
}

/// Accounts, through the running book keeper.
struct Running {
    control: Control,
    domain: String,
    iterations: u32,
}

impl Accounts for Running {
    fn domain(&self) -> Option<String> {
        Some(self.domain.clone())
    }

    fn add(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        let account = keys::account(password, self.iterations)?;
        let made = self
            .control
            .create_accounts(vec![(jid.clone(), account.encode())])
            .map_err(refusal)?;
        if made.first() == Some(&true) {
            Ok(())
        } else {
            Err(Refusal::Exists)
        }
    }

    fn set_password(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        let account = keys::account(password, self.iterations)?;
        self.control.replace_keys(jid, account).map_err(refusal)
    }

    fn list(&mut self, after: &str) -> Result<Page, Refusal> {
        let rows = self
            .control
            .list_accounts(after, PAGE_ROWS_MAX as u32 + 1)
            .map_err(refusal)?;
        Ok(offline::page(&rows))
    }

    fn import(&mut self, rows: Vec<NewAccount>) -> Result<Vec<bool>, Refusal> {
        let account = |row: NewAccount| {
            let jid = Jid::parse(&row.jid).map_err(|error| Refusal::BadAddress(format!("{}: {error}", row.jid)))?;
            Ok((jid, Bytes::from(row.row)))
        };
        let accounts = rows.into_iter().map(account).collect::<Result<_, Refusal>>()?;
        self.control.create_accounts(accounts).map_err(refusal)
    }

    fn iterations(&self) -> u32 {
        self.iterations
    }
}

fn refusal(error: ControlError) -> Refusal {
    match error {
        ControlError::NoSuchAccount => Refusal::NotFound,
        ControlError::Silent | ControlError::Storage(_) => Refusal::Storage(error.to_string()),
    }
}
