//! What browsers need: XMPP over WebSocket and over HTTP, files, and where to find all that.
//!
//! ```text
//!   shards        WebSocket listeners (`sockets`): a session like any other
//!   web thread    hyper on a ring of its own (`door`, `io`, `watch`)
//!                   /.well-known/host-meta(.json)   `hostmeta`
//!                   /http-bind                      `bosh` ──▶ a socket pair through the gate ──▶ a session like any other
//!                   /upload/...                     `upload` ──▶ `pool`: threads for what blocks
//! ```
//! HTTP has a thread of its own, with the runtime of the shards: what it does with files, bodies and held requests takes no
//! time of a shard's, and a BOSH session needs no way across shards.
//!
//! Invariant: everything is bounded by name: heads and connections (`door`), silence (`watch`), bodies (`bosh`, `upload`),
//! work that waits (`pool`).

mod bosh;
mod door;
mod hostmeta;
mod io;
mod pool;
mod reply;
mod routes;
pub mod sockets;
mod upload;
mod watch;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rt::{self, Clock};
use crosspoint_engine::switch::Gate;
use crosspoint_xmpp::config::Listener;
use crosspoint_xmpp::features::upload::SharedUploads;

use crate::cipher::Certificates;
use crate::config::{Config, Role};
use crate::websocket::PROTOCOLS;
use crate::wiring;

use bosh::Bosh;
use door::Hall;
use hostmeta::HostMeta;
use pool::Pool;
use routes::Site;
use watch::Watches;

/// Where BOSH is, as XEP-0206 has it in its examples.
const BOSH_PATH: &str = "/http-bind";

/// Connections that the kernel completes ahead of us.
const BACKLOG: u32 = 1024;

/// How sessions over HTTP speak that came in the clear, and that came encrypted, in this order, behind all listeners that have
/// an address.
#[must_use]
pub fn sessions() -> [Listener; 2] {
    let clear = Listener::PLAIN;
    let encrypted = Listener {
        behind_tls_proxy: true,
        ..clear
    };
    [clear, encrypted]
}

/// Removes the files that an account has uploaded to this folder, while no server runs.
///
/// # Errors
/// Those of the folder.
pub fn remove_uploads(folder: &Path, jid: &Jid) -> Result<()> {
    Ok(upload::remove_all_of(folder, jid.bare_str()).map(drop)?)
}

/// What the web's thread needs, put together before it starts.
pub struct Web {
    config: Config,
    uploads: Option<Arc<upload::Store>>,
}

impl Web {
    /// Opens what is needed, and chooses ports where none are named; `folder` is where uploaded files are.
    ///
    /// # Errors
    /// The folder cannot be used; somebody listens already.
    pub fn open(config: &Config, folder: &Path) -> Result<Web> {
        let mut config = config.clone();
        let web = &mut config.web;
        if config.role == Role::Frontend {
            // No users live here.
            (web.listen, web.listen_tls) = (Vec::new(), Vec::new());
        }
        for address in web.listen.iter_mut().chain(&mut web.listen_tls) {
            *address = wiring::alone(*address)?;
        }
        let enabled = web.serves() && config.upload.enabled;
        let open = || upload::Store::open(folder, hostmeta::base(&config), &config.upload);
        let uploads = enabled.then(open).transpose();
        let uploads = uploads.with_context(|| format!("cannot use the folder of uploads, {}", folder.display()))?;
        Ok(Web { config, uploads })
    }

    /// For the XMPP front-end.
    pub fn uploads(&self) -> Option<SharedUploads> {
        let store = self.uploads.clone()?;
        Some(SharedUploads(store))
    }

    /// Listens and serves, on a thread of its own; `listener` is the front-end's index for sessions over HTTP. Returns the
    /// addresses, those in the clear first.
    ///
    /// # Errors
    /// What could not be bound or started.
    pub fn serve(self, gate: Option<Gate>, listener: usize, certificates: &Certificates) -> Result<Vec<SocketAddr>> {
        if !self.config.web.serves() {
            return Ok(Vec::new());
        }
        let certificates = certificates.offering(PROTOCOLS);
        let (sender, bound) = channel();
        thread::Builder::new().name("web".into()).spawn(move || {
            let failed = sender.clone();
            let outcome = rt::run(&rt::Config::default(), self.run(gate, listener, certificates, sender));
            if let Err(error) = outcome {
                let _ = failed.send(Err(error.into()));
            }
        })?;
        bound.recv().context("the web's thread ended before it listened")?
    }

    async fn run(
        self,
        gate: Option<Gate>,
        listener: usize,
        certificates: Certificates,
        bound: Sender<Result<Vec<SocketAddr>>>,
    ) {
        let opened = self.listeners().and_then(|listeners| Ok((listeners, Pool::start()?)));
        let (listeners, pool) = match opened {
            Ok(opened) => opened,
            Err(error) => return drop(bound.send(Err(error))),
        };
        let addresses = listeners.iter().map(|(_, listener)| Ok(listener.local_addr()?));
        let (clock, watches) = (Clock::start(), Rc::new(Watches::default()));
        let _ = bound.send(addresses.collect());
        let gate = gate.filter(|_| self.config.web.bosh);
        let origins = Some(self.config.web.origins.clone());
        let site = Rc::new(Site {
            meta: HostMeta::new(&self.config),
            origins: origins.filter(|origins| !origins.is_empty()),
            bosh: gate.map(|gate| Bosh::start(gate, listener, clock)),
            uploads: self.uploads.clone(),
            pool: pool.clone(),
            clock,
        });
        let hall = Rc::new(Hall::new(site, watches.clone(), &self.config.web));
        for (tls, listener) in listeners {
            rt::spawn(door::accept(hall.clone(), listener, tls.then(|| certificates.clone())));
        }
        if let Some(store) = self.uploads {
            rt::spawn(upload::sweeping(store, pool, clock));
        }
        watches.look(clock).await;
    }

    fn listeners(&self) -> Result<Vec<(bool, rt::Listener)>> {
        let web = &self.config.web;
        let clear = web.listen.iter().map(|address| (false, *address));
        let tls = web.listen_tls.iter().map(|address| (true, *address));
        let bind = |(tls, address)| {
            let listener = rt::Listener::bind(address, BACKLOG);
            Ok((
                tls,
                listener.with_context(|| format!("cannot listen on {address} for the web"))?,
            ))
        };
        clear.chain(tls).map(bind).collect()
    }
}
