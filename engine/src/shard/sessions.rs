//! The clients of a shard: how they come, go, and move home. `table.rs` has their entries, `calls.rs` says how they are
//! called, `timers.rs` when.
//!
//! ```text
//!   open ──▶ unauthenticated ──Authenticated──▶ (moves home) ──▶ at home ──Bind──▶ bound ──Lost──▶ sleeping ──▶ gone
//!                                                                                    ▲               │
//!                                                                                    └────Resume─────┘
//! ```
//! Invariant: a connection that moves or closes is named in an [`Order`] exactly once, and its session's id is void then.

use std::net::{IpAddr, SocketAddr};

use super::mail::{Adopt, Transport};
use super::table::{Entry, SessionId};
use super::{Shard, Ticket};
use crate::jid::Jid;
use crate::metrics::split::Stage;
use crate::session::{Context, Event, Farewell, Peer, Session, TlsFacts};

/// Outbox buffers kept for reuse by a shard.
const SPARE_OUTBOXES_MAX: usize = 256;
/// A buffer larger than this is freed, not kept.
const SPARE_OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// What the driver must do with a connection.
pub enum Order {
    /// Write out, discard what has been read, then speak TLS as the server.
    StartTls(SessionId),
    /// Write out, then close; the id is void.
    Close(SessionId),
    /// Write out what can be written at once, then cut the connection: its end follows.
    HangUp(SessionId),
    /// Stop reading.
    Pause(SessionId),
    /// Read on, beginning with what is left of the last input.
    Continue(SessionId),
    /// Write out, take the transport, and ship all as [`super::Item::Adopt`]; the id is void.
    Move {
        /// Void from now on.
        from: SessionId,
        /// The home.
        shard: u16,
        /// To be completed by the transport.
        adopt: Box<Adopt>,
    },
    /// A moved connection is here: give it this transport.
    Attach(SessionId, Option<Transport>),
    /// Open a connection, then call [`Shard::connected`] or [`Shard::connect_failed`].
    Connect {
        /// Index of the front-end that asks.
        frontend: usize,
        /// Echoed.
        key: u32,
        /// Where to.
        address: SocketAddr,
    },
}

/// A connection that is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The shard has all the connections that it may have.
    Full,
    /// This address has all the unauthenticated connections that it may have.
    AddressFull,
    /// The switch is being drained.
    Draining,
}

impl Shard {
    /// A connection was accepted (and its handshake is done, if its listener wants one first).
    pub fn open(&mut self, frontend: usize, listener: usize, peer: &Peer) -> Result<SessionId, Refused> {
        if let Err(refused) = self.admit(peer) {
            self.metrics.refused.add(1);
            return Err(refused);
        }
        self.metrics.accepted.add(1);
        let id = self
            .sessions
            .insert(Box::new(Entry::new(peer.address, frontend, listener)));
        let made = self.lend_frontend(frontend, |front, shard| {
            let entry = shard.sessions.get_mut(id)?;
            let mut cx = Context {
                now: shard.now,
                random: &mut *shard.random,
                outbox: &mut entry.outbox,
                actions: &mut shard.scratch,
            };
            Some(front.open(peer, &mut cx))
        });
        let Some(session) = made.flatten() else {
            self.remove(id);
            return Err(Refused::Full);
        };
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.session = Some(session);
        }
        self.collect(id);
        self.run();
        Ok(id)
    }

    /// A connection that begins with a handshake counts as unauthenticated before it has a session. False if it is not
    /// let in; else `end_handshake` must follow, before `open`.
    pub fn begin_handshake(&mut self, peer: IpAddr) -> bool {
        let welcome = !self.draining && self.unauthenticated_enter(peer);
        if !welcome {
            self.metrics.refused.add(1);
        }
        welcome
    }

    /// The handshake is over, however it ended.
    pub fn end_handshake(&mut self, peer: IpAddr) {
        self.unauthenticated_leave(peer);
    }

    pub(super) fn admit(&mut self, peer: &Peer) -> Result<(), Refused> {
        if self.draining {
            return Err(Refused::Draining);
        }
        // Who sleeps holds no connection; when all come back at once, each needs a second place until the first is given up.
        let (connections, max) = (self.sessions.connections(), self.sessions.max);
        if connections >= max || self.sessions.used >= 2 * max {
            return Err(Refused::Full);
        }
        if !self.unauthenticated_enter(peer.address) {
            return Err(Refused::AddressFull);
        }
        Ok(())
    }

    /// Plain bytes have arrived. Returns how many were consumed; the driver keeps the rest.
    pub fn input(&mut self, id: SessionId, input: &[u8]) -> usize {
        self.metrics.bytes_in.add(input.len() as u64);
        let stage = self.split.switch(Stage::Parse);
        let consumed = self.call(id, |session, cx| session.on_input(input, cx));
        self.split.switch(stage);
        self.run();
        consumed.unwrap_or(input.len())
    }

    /// Whether a session reads nothing for now: known as soon as it has said so, before the order is carried out.
    pub fn is_paused(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_some_and(|entry| entry.paused)
    }

    pub(super) fn pause(&mut self, id: SessionId, paused: bool) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.paused = paused;
        if entry.is_carried() {
            return self.offer_unread(id);
        }
        self.orders.push(match paused {
            true => Order::Pause(id),
            false => Order::Continue(id),
        });
    }

    /// The handshake that `Order::StartTls` asked for is complete.
    pub fn secured(&mut self, id: SessionId, facts: TlsFacts) {
        self.event(id, Event::Secured(facts));
        self.run();
    }

    /// The transport is gone. The session may go on sleeping; the driver forgets the connection.
    pub fn lost(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.outbox = Vec::new();
        entry.on_flush = Vec::new();
        self.strand(id);
        let Some(entry) = self.sessions.get(id) else { return };
        if entry.closing {
            self.remove(id);
        } else {
            self.event(id, Event::Lost);
        }
        self.run();
    }

    /// The bytes waiting for a session's socket.
    pub fn outbox(&mut self, id: SessionId) -> Option<&mut Vec<u8>> {
        self.sessions.get_mut(id).map(|entry| &mut entry.outbox)
    }

    /// The driver has written some of the outbox, perhaps all. Called once after each write.
    pub fn flushed(&mut self, id: SessionId, written: usize) {
        self.metrics.bytes_out.add(written as u64);
        self.metrics.writes.add(1);
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let (soft, _) = entry.outbox_bounds(&self.setup.limits);
        entry.dirty = false;
        let mut settled = Vec::new();
        let mut carried = Vec::new();
        if entry.outbox.is_empty() {
            settled = std::mem::take(&mut entry.on_flush);
            carried = entry.take_awaiting();
            let buffer = std::mem::take(&mut entry.outbox);
            if self.sessions.spare.len() < SPARE_OUTBOXES_MAX && buffer.capacity() <= SPARE_OUTBOX_BYTES_MAX {
                self.sessions.spare.push(buffer);
            }
        }
        if !settled.is_empty() {
            self.settle(id, settled);
        }
        carried
            .into_iter()
            .for_each(|passenger| self.passenger_flushed(passenger));
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.above_soft && entry.outbox.len() < soft / 2 {
            entry.above_soft = false;
            self.event(id, Event::Drained);
            self.carrier_drained(id);
        }
        self.continue_queue(id);
        self.run();
    }

    /// A panic outside of a session's own code, while something of this session (if any) was being handled.
    pub fn panicked(&mut self, id: Option<SessionId>) {
        self.metrics.panics.add(1);
        self.backlog.clear();
        self.scratch.clear();
        if let Some(id) = id.filter(|id| self.sessions.get(*id).is_some()) {
            self.orders.push(Order::Close(id));
            self.remove(id);
        }
        self.run();
    }

    /// Ends a session from this side: it says goodbye, gives back what it holds, and closes.
    pub(super) fn dismiss(&mut self, id: SessionId, why: Farewell) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if std::mem::replace(&mut entry.dismissed, true) {
            return;
        }
        let sleeping = entry.sleeps_until.is_some();
        self.event(id, Event::Farewell(why));
        if sleeping {
            // Nobody listens; the goodbye is only for what the session gives back.
            if let Some(entry) = self.sessions.get_mut(id) {
                entry.outbox = Vec::new();
            }
        }
    }

    /// A session lets go of its transport and stays.
    pub(super) fn hang_up(&mut self, id: SessionId) {
        match self.carried_by(id) {
            Some((carrier, key)) => self.disembark(carrier, key),
            None => self.orders.push(Order::HangUp(id)),
        }
    }

    pub(super) fn close(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.closing {
            return;
        }
        entry.closing = true;
        let had_transport = entry.sleeps_until.is_none() && !entry.is_carried();
        self.unbind(id);
        self.strand(id);
        if had_transport {
            // The outbox is written out by the driver, which then calls `closed`.
            self.orders.push(Order::Close(id));
        } else {
            self.remove(id);
        }
    }

    /// The driver has closed the connection of `Order::Close`.
    pub fn closed(&mut self, id: SessionId) {
        self.remove(id);
        self.run();
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        self.unbind(id);
        if let Some(entry) = self.sessions.remove(id) {
            self.leave_unauthenticated(&entry);
            self.untie(entry.tie);
        }
    }

    fn leave_unauthenticated(&mut self, entry: &Entry) {
        if !entry.authenticated {
            self.unauthenticated_leave(entry.peer);
        }
    }

    /// Takes a session off this shard, for its account's home, or for where it is to carry others.
    pub(super) fn depart(&mut self, id: SessionId, account: Option<Jid>) -> Option<Box<Adopt>> {
        let entry = self.sessions.remove(id)?;
        self.leave_unauthenticated(&entry);
        Some(Box::new(Adopt {
            session: entry.session?,
            transport: None,
            frontend: entry.frontend as usize,
            listener: entry.listener as usize,
            address: entry.peer,
            account,
            attempt: entry.attempt,
        }))
    }

    /// A session arrives at its home.
    pub(super) fn adopt(&mut self, adopt: Adopt) {
        self.metrics.moved.add(1);
        if let Some(account) = &adopt.account {
            self.attempt_succeeded(adopt.attempt, account);
        }
        let mut entry = Box::new(Entry::new(adopt.address, adopt.frontend, adopt.listener));
        entry.session = Some(adopt.session);
        entry.authenticated = true;
        let id = self.sessions.insert(entry);
        self.orders.push(Order::Attach(id, adopt.transport));
        if self.draining {
            return self.dismiss(id, Farewell::Shutdown);
        }
        match adopt.account {
            Some(account) => self.come_home(id, account),
            None => self.event(id, Event::Placed),
        }
    }

    /// Takes the state machine out of a session that another one replaces on resumption.
    pub(super) fn extract(&mut self, id: SessionId) -> Option<Box<dyn Session>> {
        self.sessions.get_mut(id)?.session.take()
    }

    pub(super) fn peer_of(&self, id: SessionId) -> Option<IpAddr> {
        self.sessions.get(id).map(|entry| entry.peer)
    }

    pub(super) fn mark_authenticated(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if !std::mem::replace(&mut entry.authenticated, true) {
            let peer = entry.peer;
            self.unauthenticated_leave(peer);
        }
    }

    /// Index of the front-end and listener of a session, for the driver.
    pub fn origin(&self, id: SessionId) -> Option<(usize, usize)> {
        self.sessions
            .get(id)
            .map(|entry| (entry.frontend as usize, entry.listener as usize))
    }

    /// The cipher for a listener's connections, if it has one.
    pub fn cipher(&mut self, frontend: usize, listener: usize) -> Option<Box<dyn crate::service::Cipher>> {
        self.frontends.get_mut(frontend)?.as_mut()?.cipher(listener)
    }

    /// Whether a listener's connections begin with the handshake of their cipher.
    pub fn handshake_first(&self, frontend: usize, listener: usize) -> bool {
        self.frontends
            .get(frontend)
            .and_then(Option::as_ref)
            .is_some_and(|front| front.handshake_first(listener))
    }

    pub(super) fn tell_accepted(&mut self) {
        let mut accepted = std::mem::take(&mut self.accepted);
        for (id, _) in &mut accepted {
            // A chain is as long as the number of resumptions during one commit.
            while let Some((heir, _)) = self.heirs.get(id) {
                *id = *heir;
            }
        }
        accepted.sort_by_key(|(id, _)| *id);
        for group in accepted.chunk_by(|a, b| a.0 == b.0) {
            let seqs = group.iter().map(|(_, seq)| *seq).collect();
            self.event(group[0].0, Event::Accepted(seqs));
        }
        // What these calls have accepted comes after it.
        accepted.clear();
        accepted.append(&mut self.accepted);
        self.accepted = accepted;
    }

    /// Somebody waits for the news that an envelope is safe.
    pub(super) fn accept(&mut self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        if ticket.shard == self.id {
            self.accepted.push((ticket.session, ticket.seq));
        } else {
            let item = super::Item::Accepted {
                session: ticket.session,
                seq: ticket.seq,
            };
            self.outgoing.lanes[ticket.shard as usize].push(item);
        }
    }
}
