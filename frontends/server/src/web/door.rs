//! Connections: taken in, counted, served by hyper, let go.
//!
//! Invariants:
//! - There are at most [`Web::connections`] of them, and of one address at most [`Web::connections_per_address`]; whoever
//!   comes then is closed at once.
//! - A panic ends its own connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crosspoint_engine::rt::{self, Listener, Socket, is_out_of_descriptors};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::io::Io;
use super::reply::{Never, Tracked};
use super::routes::{self, Site};
use super::watch::{Watch, Watches};
use crate::cipher::Certificates;
use crate::config::Web;

/// Bytes of a request's head; hyper answers longer ones by 431.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Fields of a request's head.
pub const FIELDS_MAX: usize = 64;

/// For a client to take the last answer, when its connection ends.
const LINGER_MS: u64 = 2_000;

/// When no connection can be accepted, for want of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who asks.
pub struct Guest {
    /// Where it comes from.
    pub address: IpAddr,
    /// Nobody listens on the way, as far as we know.
    pub secure: bool,
    /// Its connection's time.
    pub watch: Rc<Watch>,
}

/// What all connections share.
pub struct Hall {
    site: Rc<Site>,
    watches: Rc<Watches>,
    count: Cell<usize>,
    addresses: RefCell<HashMap<IpAddr, usize>>,
    count_max: usize,
    address_max: usize,
    behind_proxy: bool,
}

/// A connection's place, given back when dropped.
struct Place {
    hall: Rc<Hall>,
    network: Option<IpAddr>,
}

impl Hall {
    /// Nobody is there yet.
    pub fn new(site: Rc<Site>, watches: Rc<Watches>, web: &Web) -> Hall {
        Hall {
            site,
            watches,
            count: Cell::new(0),
            addresses: RefCell::default(),
            count_max: web.connections,
            address_max: web.connections_per_address,
            behind_proxy: web.tls_terminated_by_proxy,
        }
    }

    fn admit(self: &Rc<Self>, address: IpAddr) -> Option<Place> {
        if self.count.get() >= self.count_max {
            return None;
        }
        let network = (!address.is_loopback()).then(|| network(address));
        if let Some(network) = network {
            let mut addresses = self.addresses.borrow_mut();
            let count = addresses.entry(network).or_default();
            if *count >= self.address_max {
                return None;
            }
            *count += 1;
        }
        self.count.set(self.count.get() + 1);
        Some(Place {
            hall: self.clone(),
            network,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hall.count.set(self.hall.count.get() - 1);
        let Some(network) = self.network else { return };
        let mut addresses = self.hall.addresses.borrow_mut();
        if let Some(count) = addresses.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&network);
            }
        }
    }
}

/// Who shares a bound: an address, or the 64 bits of an IPv6 address that its owner has not chosen.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

/// Takes connections in, for as long as the thread lives. `certificates` if they begin with TLS.
pub async fn accept(hall: Rc<Hall>, listener: Listener, certificates: Option<Certificates>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let Some(place) = hall.admit(peer.ip()) else { continue };
                let cipher = match &certificates {
                    Some(certificates) => match certificates.cipher() {
                        Some(cipher) => Some(cipher),
                        None => continue,
                    },
                    None => None,
                };
                let _ = socket.set_nodelay(true);
                let socket = Rc::new(socket);
                let watch = Rc::new(Watch::new(socket.clone(), hall.site.clock));
                hall.watches.add(&watch);
                let guest = Rc::new(Guest {
                    address: peer.ip(),
                    secure: cipher.is_some() || hall.behind_proxy,
                    watch: watch.clone(),
                });
                let io = Io::new(socket.clone(), cipher, watch);
                rt::spawn_guarded(serve(place, guest, io, socket), |panic| {
                    tracing::error!(panic = panic.0, "a panic in a web connection was caught");
                });
            }
            Err(error) => {
                if is_out_of_descriptors(&error) {
                    tracing::warn!("no file descriptors left for web connections");
                } else {
                    tracing::error!(%error, "cannot accept web connections");
                }
                rt::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(place: Place, guest: Rc<Guest>, io: Io, socket: Rc<Socket>) {
    let site = place.hall.site.clone();
    let known = guest.clone();
    let service = service_fn(move |request| {
        let (site, guest) = (site.clone(), known.clone());
        guest.watch.request();
        async move {
            let reply = routes::answer(site, guest.clone(), request).await;
            Ok::<_, Never>(reply.map(|content| Tracked::new(content, guest.watch.clone())))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .header_read_timeout(None);
    if let Err(error) = builder.serve_connection(io, service).await {
        tracing::debug!(%error, "a web connection ended");
    }
    linger(&guest, &socket).await;
}

/// Lets the client read what was said last, which would be lost to a reset if it still writes.
async fn linger(guest: &Guest, socket: &Socket) {
    guest.watch.request();
    guest.watch.allow(LINGER_MS);
    socket.shutdown_send();
    let mut discarded = [0; 4096];
    loop {
        match socket.recv(&mut discarded) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if socket.readable().await.is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    // Waits that were given up end with it.
    socket.shutdown();
}
