//! The end of a turn: everything that has piled up leaves together.
//!
//! Order matters: the log's requests go first, so that whoever hears of a message by mail finds it in the log; sockets are
//! written before chunks are shipped, because clients wait and shards do not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::link::{Buffers, Carried, Link, State, Written};
use super::reader;
use super::{Station, connect};
use crate::metrics::Doing;
use crate::rt::{self, Socket};
use crate::shard::{Adopt, Item, Order, SessionId};

/// One task, for as long as the shard lives.
pub(super) async fn turns(station: Rc<Station>) {
    let mut dirty = Vec::new();
    let mut orders = Vec::new();
    let shard = usize::from(station.shard.borrow().id());
    loop {
        station.work.notified().await;
        crosspoint_probes::turn_start(shard);
        station.submit();
        station.shard.borrow_mut().take_dirty(&mut dirty);
        let sessions = dirty.len();
        if !dirty.is_empty() {
            station.meter.switch(Doing::Flush as usize);
        }
        for id in dirty.drain(..) {
            station.flush(id);
        }
        station.shard.borrow_mut().take_orders(&mut orders);
        if !orders.is_empty() {
            station.meter.switch(Doing::Orders as usize);
        }
        for order in orders.drain(..) {
            station.carry_out(order);
        }
        station.ship();
        station.relieve();
        if station.shard.borrow().lingers() {
            station.lingering.notify();
        }
        station.meter.end();
        crosspoint_probes::turn_end(shard, sessions);
        if station.shard.borrow().has_output() && !station.congested.get() {
            station.work.notify();
            let _ = rt::breathe().await;
        }
    }
}

impl Station {
    /// Requests for the log, the book and the support thread. What does not fit waits here, and the sockets with it.
    fn submit(&self) {
        let mut shard = self.shard.borrow_mut();
        let id = shard.id();
        let out = shard.outgoing();
        let mut post = self.post.borrow_mut();
        let mut behind = false;
        if !(out.journal.is_empty() && out.book.is_empty() && out.keys.is_empty()) {
            self.meter.switch(Doing::Submit as usize);
        }
        if !out.journal.is_empty() {
            match post.journal.submit(std::mem::take(&mut out.journal)) {
                Ok(()) => {}
                Err(batch) => (out.journal, behind) = (batch, true),
            }
        }
        if !out.book.is_empty() {
            match post.book.submit(std::mem::take(&mut out.book)) {
                Ok(()) => {}
                Err(batch) => (out.book, behind) = (batch, true),
            }
        }
        let mut requests = std::mem::take(&mut out.keys).into_iter();
        for request in requests.by_ref() {
            if let Err(error) = post.keys.try_send((id, request)) {
                let (std::sync::mpsc::TrySendError::Full((_, request))
                | std::sync::mpsc::TrySendError::Disconnected((_, request))) = error;
                out.keys.push(request);
                behind = true;
                break;
            }
        }
        out.keys.extend(requests);
        behind |= shard.is_congested();
        self.congested.set(behind);
    }

    /// One chunk a lane. A chunk that does not fit grows until it does; the sockets wait meanwhile.
    fn ship(&self) {
        let mut shard = self.shard.borrow_mut();
        let mut post = self.post.borrow_mut();
        let super::Outlets { lanes, stuck, .. } = &mut *post;
        let mut shipping = false;
        for (target, stuck) in stuck.iter_mut().enumerate() {
            let filling = &mut shard.outgoing().lanes[target];
            if filling.is_empty() && stuck.is_empty() {
                continue;
            }
            let items = std::mem::replace(filling, lanes.spare(target).unwrap_or_default());
            let count = items.len() as u64;
            if !std::mem::replace(&mut shipping, true) {
                self.meter.switch(Doing::Ship as usize);
            }
            if let Some(sent) = self.meter.pairs().items.get(target) {
                sent.add(count);
            }
            let chunk = match stuck.is_empty() {
                true => items,
                false => {
                    let mut chunk = std::mem::take(stuck);
                    chunk.extend(items);
                    chunk
                }
            };
            shard.metrics().items.add(count);
            crosspoint_probes::chunk_pushed(shard.id().into(), target, &chunk);
            match lanes.push(target, chunk) {
                Ok(()) => shard.metrics().chunks.add(1),
                Err(chunk) => {
                    *stuck = chunk;
                    shard.metrics().lane_full.add(1);
                    self.congested.set(true);
                }
            }
        }
        if shipping {
            shard.metrics().rings.set(lanes.rings());
        }
    }

    /// Wakes the readers that found the shard congested.
    fn relieve(&self) {
        if self.congested.get() {
            return;
        }
        for link in self.waiting.borrow_mut().drain(..) {
            link.interrupt.notify();
        }
    }

    /// Writes a session's outbox, as far as its socket takes it.
    fn flush(self: &Rc<Self>, id: SessionId) {
        let Some(link) = self.link(id) else { return };
        if !link.blocked.get() {
            self.flush_link(id, &link);
        }
    }

    fn flush_link(self: &Rc<Self>, id: SessionId, link: &Rc<Link>) {
        let written = {
            let mut shard = self.shard.borrow_mut();
            let Some(outbox) = shard.outbox(id) else { return };
            // A cipher that panics ends its own connection.
            catch_unwind(AssertUnwindSafe(|| link.write(outbox, &mut self.sealed.borrow_mut())))
                .unwrap_or(Written::Broken)
        };
        match written {
            Written::All(bytes) => {
                self.enter(Some(id), |shard| shard.flushed(id, bytes));
            }
            Written::Blocked(bytes) => {
                self.enter(Some(id), |shard| shard.flushed(id, bytes));
                if !link.blocked.replace(true) {
                    rt::spawn(unblock(self.clone(), link.clone()));
                }
            }
            Written::Broken => self.break_off(link),
        }
    }

    /// The reader finds the end of the connection, and tells the shard.
    fn hang_up(self: &Rc<Self>, id: SessionId) {
        self.flush(id);
        if let Some(link) = self.link(id) {
            link.socket.shutdown();
            link.paused.set(false);
            link.interrupt.notify();
        }
    }

    /// The socket is dead; the reader may be asleep.
    fn break_off(&self, link: &Link) {
        self.lost(link);
        link.interrupt.notify();
    }

    fn carry_out(self: &Rc<Self>, order: Order) {
        match order {
            Order::StartTls(id) => self.start_tls(id),
            Order::Close(id) => self.close(id),
            Order::HangUp(id) => self.hang_up(id),
            Order::Pause(id) => {
                if let Some(link) = self.link(id) {
                    link.paused.set(true);
                }
            }
            Order::Continue(id) => {
                if let Some(link) = self.link(id)
                    && link.paused.replace(false)
                {
                    self.offer_leftover(&link);
                    // A wait that goes on need not be begun again.
                    if link.parked.get() {
                        link.interrupt.notify();
                    }
                }
            }
            Order::Move { from, shard, adopt } => self.begin_move(from, shard, adopt),
            Order::Attach(id, transport) => self.settle_in(id, transport),
            Order::Connect { frontend, key, address } => {
                rt::spawn(connect::connect(self.clone(), frontend, key, address))
            }
        }
    }

    fn start_tls(self: &Rc<Self>, id: SessionId) {
        self.flush(id);
        let Some(link) = self.link(id) else { return };
        let (frontend, listener) = link.place();
        let cipher = self.shard.borrow_mut().cipher(frontend, listener);
        let mut buffers = link.buffers.borrow_mut();
        // Whatever came in plain text after the request for encryption is not trusted (RFC 6120 section 5.4.3.3).
        buffers.leftover.take();
        buffers.cipher = cipher;
        buffers.open = false;
    }

    /// The session is over; its last words are not.
    fn close(self: &Rc<Self>, id: SessionId) {
        let outbox = self.shard.borrow_mut().outbox(id).map(std::mem::take);
        if let Some(link) = self.detach(id) {
            let outbox = outbox.unwrap_or_default();
            let mut buffers = link.buffers.borrow_mut();
            let Buffers {
                cipher, open, output, ..
            } = &mut *buffers;
            match cipher {
                Some(cipher) => {
                    let mut last = output.take();
                    if *open {
                        cipher.seal(&outbox, &mut last);
                    }
                    cipher.close(&mut last);
                    output.set(last);
                }
                None => output.extend(&outbox),
            }
            drop(buffers);
            link.session.set(None);
            link.state.set(State::Closing);
            link.interrupt.notify();
        }
        self.enter(None, |shard| shard.closed(id));
    }

    fn begin_move(&self, from: SessionId, shard: u16, adopt: Box<Adopt>) {
        let Some(link) = self.detach(from) else { return };
        link.session.set(None);
        link.state.set(State::Leaving);
        self.moves.borrow_mut().push((link.clone(), shard, adopt));
        link.interrupt.notify();
    }

    /// The reader of a leaving link has let go of it.
    pub(super) fn hand_over(&self, link: Rc<Link>) {
        let mut moves = self.moves.borrow_mut();
        let Some(place) = moves.iter().position(|(other, ..)| Rc::ptr_eq(other, &link)) else {
            return;
        };
        let (other, target, mut adopt) = moves.swap_remove(place);
        drop((moves, link));
        let Ok(link) = Rc::try_unwrap(other) else {
            tracing::error!("a connection that should move home is still in use; it is closed");
            return;
        };
        let (peer, origin, buffers) = (link.peer, link.origin, link.buffers.into_inner());
        match link.socket.detach() {
            Ok(socket) => {
                adopt.transport = Some(Box::new(Carried {
                    socket,
                    peer,
                    origin,
                    buffers,
                }))
            }
            Err(error) => return tracing::warn!(%error, "a connection could not be moved to its home shard"),
        }
        self.shard.borrow_mut().outgoing().lanes[target as usize].push(Item::Adopt(adopt));
        self.work.notify();
    }

    /// A moved connection begins to be read here.
    fn settle_in(self: &Rc<Self>, id: SessionId, transport: Option<crate::shard::Transport>) {
        let carried = transport.and_then(|transport| transport.downcast::<Carried>().ok());
        let link = carried.and_then(|carried| {
            let Carried {
                socket,
                peer,
                origin,
                buffers,
            } = *carried;
            Some(Rc::new(Link::new(Socket::adopt(socket).ok()?, peer, origin, buffers)))
        });
        match link {
            Some(link) => {
                self.attach(id, &link);
                self.flush(id);
                reader::start(self.clone(), link);
            }
            None => {
                self.enter(Some(id), |shard| shard.lost(id));
            }
        }
    }
}

/// Waits until a blocked socket takes bytes again.
async fn unblock(station: Rc<Station>, link: Rc<Link>) {
    loop {
        if link.socket.writable().await.is_err() {
            return;
        }
        let Some(id) = link.session.get() else { return };
        station.doing(Doing::Flush);
        link.blocked.set(false);
        let written = {
            let mut shard = station.shard.borrow_mut();
            let Some(outbox) = shard.outbox(id) else { return };
            link.write(outbox, &mut station.sealed.borrow_mut())
        };
        match written {
            Written::All(bytes) => {
                station.enter(Some(id), |shard| shard.flushed(id, bytes));
                return;
            }
            Written::Blocked(bytes) => {
                link.blocked.set(true);
                station.enter(Some(id), |shard| shard.flushed(id, bytes));
            }
            Written::Broken => return station.break_off(&link),
        }
    }
}
