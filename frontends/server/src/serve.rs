//! The life of a server: prepare, start, serve, drain, end.
//!
//! Invariants:
//! - Nothing listens before everything that it needs is open; nothing acknowledged is lost when it ends.
//! - A signal handler runs no code: signals arrive as values on the main thread ([`rt::signals`]).

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use crosspoint_engine::administration::Ending;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rt;
use crosspoint_engine::rt::signals::{Signal, Signals};
use crosspoint_engine::switch::Switch;

use crate::admin::server::Office;
use crate::banner::Banner;
use crate::certificate;
use crate::cipher::Certificates;
use crate::cli::Settings;
use crate::config::check::check;
use crate::config::layers::{Loaded, Origin};
use crate::config::{Config, Role};
use crate::exit::Exit;
use crate::home::Home;
use crate::http::{self, Reply, Routes};
use crate::status::Stage;
use crate::web::Web;
use crate::wiring::{self, Desk};
use crate::{admin, icpp, logs, sources, stats};

/// How often the main thread looks up from waiting for signals: a drain may also be asked for through the admin socket.
const GLANCE: Duration = Duration::from_millis(100);

/// Descriptors that are not connections: files, rings, listeners, the admin's.
const DESCRIPTORS_RESERVED: u64 = 256;

/// The key that says how many connections there may be.
const CONNECTIONS_KEY: &str = "limits.connections_per_shard";

/// Connections that are expected of any server: fewer deserve a warning even if nobody has named a number.
const CONNECTIONS_EXPECTED: usize = 10_000;

/// Runs a server until it is told to end.
///
/// # Errors
/// What happened, where, and what to do.
pub fn run(settings: &Settings) -> Result<Exit> {
    // First of all: threads started before would not have them blocked.
    let signals = rt::signals::block().context("cannot take over signals")?;
    let loaded = sources::load(settings)?;
    let wrongs = check(&loaded);
    if !wrongs.is_empty() {
        wrongs.iter().for_each(|wrong| eprintln!("crosspoint: {wrong}"));
        return Ok(Exit::Usage);
    }
    logs::start(&loaded.config.log).context("cannot start the server's own log")?;
    let server = start(loaded)?;
    server.attend(&signals)
}

/// A server that listens.
struct Server {
    config: Config,
    switch: Switch,
    desk: Arc<Desk>,
    certificates: Certificates,
    home: Home,
}

/// What the admin port shows before the switch runs, and after.
type LateDesk = Arc<OnceLock<Arc<Desk>>>;

fn start(mut loaded: Loaded) -> Result<Server> {
    let began = Instant::now();
    for name in &loaded.strangers {
        tracing::warn!(
            variable = name,
            "looks like a setting but names no key; it changes nothing"
        );
    }
    rt::probe().map_err(|unavailable| anyhow!("{unavailable}"))?;
    let descriptors = fit_descriptors(&mut loaded);
    let config = loaded.config;
    let domain = Jid::parse(&config.domain).map_err(|error| anyhow!("domain {}: {error}", config.domain))?;
    let home = Home::at(&config.data);
    let first_start = prepare(&home, &domain)?;
    let certificate = certificate::of(&config.tls, &domain, &home)?;
    let certificates = Certificates::new(certificate.config.clone());
    let late: LateDesk = Arc::default();
    let admin = serve_http(&config, &late)?;
    let metrics = Arc::new(stats::make(&config, &home, &wiring::PROTOCOLS));
    let figures = icpp::Figures::of(&config);
    let web = Web::open(&config, &home.uploads())?;
    let uploads = web.uploads();
    let started = wiring::start(&config, &domain, metrics.clone(), &certificates, &figures, uploads);
    let mut switch = started.inspect_err(|_| stats::withdraw(&home))?;
    let web = web.serve(switch.take_gate(), wiring::listeners(&config).len(), &certificates)?;
    stats::publish(&metrics, &home);
    let (control, iterations) = (switch.control(), config.accounts.scram_iterations);
    let desk = Arc::new(Desk {
        control,
        metrics,
        domain,
        iterations,
        began,
        icpp: figures,
        is_edge: config.role == Role::Frontend,
    });
    open_office(&home, &desk)?;
    // Only set here.
    let _ = late.set(desk.clone());
    let banner = Banner {
        config: &config,
        listeners: &wiring::bound(&switch, &config),
        admin: &admin,
        web: &web,
        certificate: &certificate,
        descriptors,
        first_start,
    };
    println!("{}", banner.text());
    tracing::info!(domain = config.domain, shards = config.shard_count(), "serving");
    Ok(Server {
        config,
        switch,
        desk,
        certificates,
        home,
    })
}

/// The book is open, so no other server of this folder runs: what it says and where it is asked are ours.
fn open_office(home: &Home, desk: &Arc<Desk>) -> Result<()> {
    home.note_domain(desk.domain.as_str())
        .with_context(|| format!("cannot write to {}", home.root().display()))?;
    admin::server::serve(&home.admin_socket(), desk.clone())
        .with_context(|| format!("cannot make the admin socket {}", home.admin_socket().display()))
}

/// Makes the data folder, and says what is strange about an old one.
fn prepare(home: &Home, domain: &Jid) -> Result<bool> {
    let first = home.create().with_context(|| {
        format!(
            "cannot make the data folder {}; choose another with --data, or check the rights of the one above",
            home.root().display()
        )
    })?;
    if home.open_to_others() {
        tracing::warn!(folder = %home.root().display(), "others may look into the data folder; chmod 700 would stop that");
    }
    match home.domain() {
        Some(last) if last != domain.domain() => {
            tracing::warn!(
                last,
                now = domain.as_str(),
                "this data folder served another domain: its accounts cannot log in here"
            );
        }
        _ => {}
    }
    Ok(first)
}

/// Raises the descriptor limit, and lowers the bound of connections to what it allows, so that a full server refuses
/// connections by its own rule and not by running dry. Returns the limit if it is what bounds the connections.
fn fit_descriptors(loaded: &mut Loaded) -> Option<u64> {
    let descriptors = match rt::raise_fd_limit() {
        Ok(limit) => limit.soft,
        Err(error) => {
            tracing::warn!(%error, "cannot learn how many file descriptors there are");
            return None;
        }
    };
    let asked_for = loaded.origin(CONNECTIONS_KEY) != Origin::Default;
    let shards = loaded.config.shard_count().max(1);
    let configured = &mut loaded.config.limits.connections_per_shard;
    let affordable = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX) / shards;
    if affordable >= *configured {
        return None;
    }
    // The default is more than most limits allow; whoever names a number wants to know that it is not met.
    if asked_for || affordable * shards < CONNECTIONS_EXPECTED {
        tracing::warn!(
            descriptors,
            connections = affordable * shards,
            configured = *configured * shards,
            "file descriptors do not suffice for the configured connections, so fewer are let in; raise the hard limit \
             (LimitNOFILE= of a systemd unit, --ulimit nofile= of a container, ulimit -Hn of a shell) or lower \
             limits.connections_per_shard"
        );
    }
    *configured = affordable.max(1);
    Some(descriptors)
}

/// Opens the admin port; returns where it listens.
fn serve_http(config: &Config, late: &LateDesk) -> Result<Vec<SocketAddr>> {
    let mut bound = Vec::new();
    for address in &config.admin.listen {
        let hint = || {
            format!(
                "cannot listen on {address} for the admin port; set admin.listen, or --admin, to another address or to off"
            )
        };
        let listener = TcpListener::bind(address).with_context(hint)?;
        bound.push(listener.local_addr().with_context(hint)?);
        http::serve(listener, routes(late.clone())).with_context(hint)?;
    }
    Ok(bound)
}

fn routes(late: LateDesk) -> Routes {
    Arc::new(move |path| {
        let desk = late.get();
        match path {
            "/healthz" => Some(Reply::text(200, "ok")),
            "/readyz" => Some(match desk.map_or(Stage::Starting, |desk| desk.stage()) {
                Stage::Serving => Reply::text(200, "ready"),
                Stage::Waiting => Reply::text(503, "waiting for a back-end"),
                stage => Reply::text(503, &stage.to_string()),
            }),
            "/metrics" => Some(match desk {
                Some(desk) => Reply {
                    status: 200,
                    media: "text/plain; version=0.0.4; charset=utf-8",
                    body: desk.metrics_text(),
                },
                None => Reply::text(503, "starting"),
            }),
            _ => None,
        }
    })
}

impl Server {
    /// Serves until a signal, or the admin socket, asks for the end.
    fn attend(self, signals: &Signals) -> Result<Exit> {
        let mut busy = Busy::new();
        while !self.desk.control.is_draining() {
            self.desk.mirror();
            if let Some(permille) = busy.look() {
                self.desk.icpp.edge.cpu_permille.store(permille, Relaxed);
            }
            if self.desk.control.ending().is_some() {
                self.desk.drain();
                continue;
            }
            match signals.wait_for(GLANCE) {
                Some(Signal::Terminate | Signal::Interrupt) => self.desk.drain(),
                Some(Signal::Hangup) => self.reload(),
                None if self.switch.is_broken() => {
                    tracing::error!("a shard has ended by itself; the log above says why");
                    self.desk.drain();
                    self.end(signals)?;
                    return Ok(Exit::Failed);
                }
                None => {}
            }
        }
        self.end(signals)
    }

    /// Reads the certificate again. What is wrong with it is logged; the old one stays.
    fn reload(&self) {
        match certificate::of(&self.config.tls, &self.desk.domain, &self.home) {
            Ok(certificate) => {
                self.certificates.replace(certificate.config);
                tracing::info!(
                    fingerprint = certificate.fingerprint,
                    "new connections get the certificate read just now"
                );
            }
            Err(error) => tracing::error!("the certificate was not read again, the old one stays: {error:#}"),
        }
    }

    /// Goodbyes, the disk, the end. A second signal ends it at once.
    fn end(self, signals: &Signals) -> Result<Exit> {
        let deadline = Duration::from_secs(self.config.drain.deadline_s);
        tracing::info!(
            deadline_s = deadline.as_secs(),
            "draining; a second signal ends at once"
        );
        let (switch, ordered) = (self.switch, self.desk.control.ending());
        let draining = thread::Builder::new()
            .name("drain".into())
            .spawn(move || switch.drain(deadline))?;
        while !draining.is_finished() {
            self.desk.mirror();
            if let Some(Signal::Terminate | Signal::Interrupt) = signals.wait_for(GLANCE) {
                tracing::warn!("ended by a second signal; what was acknowledged is safe");
                return Ok(Exit::Interrupted);
            }
        }
        // The socket stays while the process does: `crosspoint drain` waits for its end.
        let _ = std::fs::remove_file(self.home.admin_socket());
        let report = draining
            .join()
            .map_err(|_| anyhow!("the drain itself broke; what was acknowledged is safe"))?;
        tracing::info!(?report, "drained");
        if ordered == Some(Ending::Restart) {
            return Err(begin_anew());
        }
        Ok(if report.is_clean() { Exit::Done } else { Exit::Deadline })
    }
}

/// This process becomes the same program again, with the same arguments: whoever watches it sees no end. Returns only if
/// that fails.
fn begin_anew() -> anyhow::Error {
    tracing::info!("an administrator has ordered a restart");
    let mut words = std::env::args_os();
    let named = words.next().unwrap_or_default();
    // The file may have been replaced by a newer one: what the system calls this one then is no path.
    let program = std::env::current_exe().ok().filter(|path| path.exists());
    let error = Command::new(program.unwrap_or_else(|| named.into())).args(words).exec();
    anyhow::Error::new(error).context("the server has ended and could not be started again")
}

/// Share of the cores that this process keeps busy, once a second.
struct Busy {
    since: Instant,
    cpu: Duration,
}

/// How long a share is taken over.
const BUSY_SPAN: Duration = Duration::from_secs(1);

impl Busy {
    fn new() -> Busy {
        Busy {
            since: Instant::now(),
            cpu: rt::process_cpu(),
        }
    }

    /// In permille, when it is time.
    fn look(&mut self) -> Option<u32> {
        let elapsed = self.since.elapsed();
        if elapsed < BUSY_SPAN {
            return None;
        }
        let used = rt::process_cpu().saturating_sub(self.cpu);
        *self = Busy::new();
        let cores = rt::cores().len().max(1) as f64;
        Some((used.as_secs_f64() / elapsed.as_secs_f64() / cores * 1000.0) as u32)
    }
}
