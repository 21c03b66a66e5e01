//! Letting connections in.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::link::{Buffers, Carried, Link};
use super::{Listen, Station, reader};
use crate::metrics::Doing;
use crate::rt::{self, Listener, Socket, is_out_of_descriptors};
use crate::session::Peer;
use crate::shard::Transport;

/// How long to wait when there are no descriptors left: some connection has to end first.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// One task a listener, for as long as the shard lives.
pub(super) async fn accept(station: Rc<Station>, listen: Listen, listener: Listener) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                if station.draining.get() {
                    continue;
                }
                let _ = socket.set_nodelay(true);
                // As the shard's own entries have them: there are few of both.
                let origin = (listen.frontend as u8, listen.listener as u8);
                let link = Rc::new(Link::new(socket, peer.ip(), origin, Buffers::default()));
                station.welcome(link);
            }
            Err(error) => {
                explain(&listen, &error);
                rt::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            }
        }
    }
}

fn explain(listen: &Listen, error: &io::Error) {
    if is_out_of_descriptors(error) {
        tracing::warn!(address = %listen.address, "no file descriptors left: raise the limit (ulimit -Hn) or lower the number of connections");
    } else {
        tracing::error!(address = %listen.address, %error, "cannot accept connections");
    }
}

impl Station {
    /// A connection that came through the [`Gate`](super::Gate).
    pub(super) fn arrive(self: &Rc<Self>, transport: Transport) {
        let Ok(carried) = transport.downcast::<Carried>() else {
            return;
        };
        if self.draining.get() {
            return;
        }
        let Carried {
            socket,
            peer,
            origin,
            buffers,
        } = *carried;
        match Socket::adopt(socket) {
            Ok(socket) => self.welcome(Rc::new(Link::new(socket, peer, origin, buffers))),
            Err(error) => tracing::warn!(%error, "a connection could not be taken in"),
        }
    }

    fn welcome(self: &Rc<Self>, link: Rc<Link>) {
        self.doing(Doing::Accept);
        let (frontend, listener) = link.place();
        let handshake_first = self.shard.borrow().handshake_first(frontend, listener);
        if handshake_first {
            let cipher = self.shard.borrow_mut().cipher(frontend, listener);
            let Some(cipher) = cipher else { return };
            if !self.shard.borrow_mut().begin_handshake(link.peer) {
                return;
            }
            link.knocking.set(true);
            link.buffers.borrow_mut().cipher = Some(cipher);
            reader::start_handshake(self.clone(), link);
        } else if self.open(&link, None) {
            reader::start(self.clone(), link);
        }
    }

    /// Makes the session of a connection; false if it is not let in.
    pub(super) fn open(&self, link: &Rc<Link>, tls: Option<crate::session::TlsFacts>) -> bool {
        let (frontend, listener) = link.place();
        let peer = Peer {
            address: link.peer,
            tls,
            listener,
        };
        match self.enter(None, |shard| shard.open(frontend, listener, &peer)) {
            Some(Ok(id)) => {
                self.attach(id, link);
                true
            }
            _ => false,
        }
    }
}
