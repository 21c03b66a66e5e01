//! Connections that are opened from here, when a front-end asks for them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Station;
use super::link::{Buffers, Link};
use super::reader::{self, within};
use crate::metrics::Doing;
use crate::rt::Socket;

/// A connection must be there by then.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// They come from no listener.
const NO_LISTENER: u8 = u8::MAX;

/// Connects, and says how it went.
pub(super) async fn connect(station: Rc<Station>, frontend: usize, key: u32, address: SocketAddr) {
    let socket = within(CONNECT_MAX, Socket::connect(address)).await;
    let socket = match socket {
        Some(Ok(socket)) => Some(socket),
        Some(Err(error)) => {
            tracing::debug!(%address, %error, "cannot connect");
            None
        }
        None => {
            tracing::debug!(%address, "nobody answers");
            None
        }
    };
    station.doing(Doing::Orders);
    let Some(socket) = socket else {
        station.enter(None, |shard| shard.connect_failed(frontend, key));
        return;
    };
    let _ = socket.set_nodelay(true);
    let link = Rc::new(Link::new(
        socket,
        address.ip(),
        (frontend as u8, NO_LISTENER),
        Buffers::default(),
    ));
    let id = station.enter(None, |shard| shard.connected(frontend, key, address.ip()));
    if let Some(id) = id.flatten() {
        station.attach(id, &link);
        reader::start(station, link);
    }
}
