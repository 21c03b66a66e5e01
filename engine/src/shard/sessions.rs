//! The clients of a shard: their entries, how they are called, how they come and go.
//!
//! ```text
//!   open ──▶ unauthenticated ──Authenticated──▶ (moves home) ──▶ at home ──Bind──▶ bound ──Lost──▶ sleeping ──▶ gone
//!                                                                                    ▲               │
//!                                                                                    └────Resume─────┘
//! ```
//! Invariants:
//! - A [`SessionId`] never names two sessions: indexes are reused, generations are not.
//! - A place is not used again before the driver has taken the orders about whoever had it: it finds connections by place.
//! - A session that panics is gone when its call returns; what it held in the log is pending again.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::mail::{Adopt, Transport};
use super::user::UserId;
use super::{Shard, Ticket};
use crate::envelope::{Envelope, Hints, Kind};
use crate::guard::Attempt;
use crate::jid::Jid;
use crate::session::{Context, Delivery, Event, Farewell, Form, Peer, Session, TlsFacts};
use crate::store::RecordId;

/// Outbox buffers kept for reuse by a shard.
const SPARE_OUTBOXES_MAX: usize = 256;
/// A buffer larger than this is freed, not kept.
const SPARE_OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// Names a session on its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// Place in the table.
    pub index: u32,
    /// Distinguishes the successive sessions of one place.
    pub generation: u32,
}

/// What the driver must do with a connection.
pub enum Order {
    /// Write out, discard what has been read, then speak TLS as the server.
    StartTls(SessionId),
    /// Write out, then close; the id is void.
    Close(SessionId),
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

pub(super) struct Entry {
    session: Option<Box<dyn Session>>,
    pub(super) outbox: Vec<u8>,
    pub(super) address: Option<Jid>,
    pub(super) user: Option<UserId>,
    pub(super) token: Option<Bytes>,
    /// A login under way, paid for.
    pub(super) attempt: Option<Box<Attempt>>,
    /// Settled once the outbox has been handed to the socket.
    pub(super) on_flush: Vec<RecordId>,
    pub(super) wake_at: u64,
    /// Set while sleeping: when it ends.
    pub(super) sleeps_until: Option<u64>,
    peer: IpAddr,
    frontend: u8,
    listener: u8,
    generation: u32,
    pub(super) authenticated: bool,
    pub(super) closing: bool,
    dismissed: bool,
    dirty: bool,
    above_soft: bool,
}

/// The table of sessions.
pub(super) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Free once the driver has taken the orders that still name their last sessions.
    freed: Vec<u32>,
    used: usize,
    sleeping: usize,
    max: usize,
    spare: Vec<Vec<u8>>,
}

struct Slot {
    generation: u32,
    entry: Option<Box<Entry>>,
}

impl Sessions {
    pub(super) fn new(max: usize) -> Sessions {
        Sessions {
            slots: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
            used: 0,
            sleeping: 0,
            max,
            spare: Vec::new(),
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Entry> {
        let entry = self.slots.get(id.index as usize)?.entry.as_deref()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Entry> {
        let entry = self.slots.get_mut(id.index as usize)?.entry.as_deref_mut()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        let live = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        live.map(|(index, slot)| SessionId {
            index: index as u32,
            generation: slot.generation,
        })
        .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Sessions with a transport.
    pub(super) fn connections(&self) -> usize {
        self.used - self.sleeping
    }

    /// The driver has taken all orders so far.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.freed);
    }

    fn insert(&mut self, mut entry: Box<Entry>) -> SessionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                entry: None,
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        entry.generation = slot.generation;
        slot.entry = Some(entry);
        self.used += 1;
        SessionId {
            index,
            generation: slot.generation,
        }
    }

    fn remove(&mut self, id: SessionId) -> Option<Box<Entry>> {
        self.get(id)?;
        let entry = self.slots[id.index as usize].entry.take()?;
        self.freed.push(id.index);
        self.used -= 1;
        self.sleeping -= usize::from(entry.sleeps_until.is_some());
        Some(entry)
    }
}

impl Shard {
    /// A connection was accepted (and its TLS handshake is done, if its listener wants one first).
    pub fn open(&mut self, frontend: usize, listener: usize, peer: &Peer) -> Result<SessionId, Refused> {
        if let Err(refused) = self.admit(peer) {
            self.metrics.refused.add(1);
            return Err(refused);
        }
        self.metrics.accepted.add(1);
        let id = self
            .sessions
            .insert(Box::new(Entry::new(peer.address, frontend, listener)));
        let Some(mut front) = self.frontends.get_mut(frontend).and_then(Option::take) else {
            self.remove(id);
            return Err(Refused::Full);
        };
        let session = {
            let entry = self.sessions.get_mut(id).expect("inserted above");
            let mut cx = Context {
                now: self.now,
                random: &mut *self.random,
                outbox: &mut entry.outbox,
                actions: &mut self.scratch,
            };
            front.open(peer, &mut cx)
        };
        self.frontends[frontend] = Some(front);
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.session = Some(session);
        }
        self.collect(id);
        self.run();
        Ok(id)
    }

    /// A connection that begins with a TLS handshake counts as unauthenticated before it has a session. False if it is not
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

    fn admit(&mut self, peer: &Peer) -> Result<(), Refused> {
        if self.draining {
            return Err(Refused::Draining);
        }
        if self.sessions.used >= self.sessions.max {
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
        let consumed = self.call(id, |session, cx| session.on_input(input, cx));
        self.run();
        consumed.unwrap_or(input.len())
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
        let soft = self.setup.limits.outbox_soft_bytes;
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.dirty = false;
        let mut settled = Vec::new();
        if entry.outbox.is_empty() {
            settled = std::mem::take(&mut entry.on_flush);
            let buffer = std::mem::take(&mut entry.outbox);
            if self.sessions.spare.len() < SPARE_OUTBOXES_MAX && buffer.capacity() <= SPARE_OUTBOX_BYTES_MAX {
                self.sessions.spare.push(buffer);
            }
        }
        if !settled.is_empty() {
            self.settle(id, &settled);
        }
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.above_soft && entry.outbox.len() < soft / 2 {
            entry.above_soft = false;
            self.event(id, Event::Drained);
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

    /// Calls a session and collects what it asks for.
    pub(super) fn call<R>(
        &mut self,
        id: SessionId,
        f: impl FnOnce(&mut dyn Session, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let entry = self.sessions.slots.get_mut(id.index as usize)?.entry.as_deref_mut()?;
        if entry.generation != id.generation || entry.closing {
            return None;
        }
        if entry.outbox.capacity() == 0 {
            entry.outbox = self.sessions.spare.pop().unwrap_or_default();
        }
        let session = entry.session.as_deref_mut()?;
        let mut cx = Context {
            now: self.now,
            random: &mut *self.random,
            outbox: &mut entry.outbox,
            actions: &mut self.scratch,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| f(session, &mut cx)));
        match outcome {
            Ok(result) => {
                self.collect(id);
                Some(result)
            }
            Err(_) => {
                self.scratch.clear();
                self.metrics.panics.add(1);
                tracing::error!(shard = self.id, session = id.index, "a session panicked and was closed");
                self.orders.push(Order::Close(id));
                self.remove(id);
                None
            }
        }
    }

    pub(super) fn event(&mut self, id: SessionId, event: Event) {
        self.call(id, |session, cx| session.on_event(event, cx));
    }

    /// Takes over what a call has left in the scratch list and the outbox.
    fn collect(&mut self, id: SessionId) {
        for action in self.scratch.drain(..) {
            self.backlog.push_back((id, action));
        }
        let limits = &self.setup.limits;
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let waiting = entry.outbox.len();
        if waiting > 0 && !entry.dirty && entry.sleeps_until.is_none() {
            entry.dirty = true;
            self.dirty.push(id);
        } else if waiting == 0 && !entry.dirty && entry.outbox.capacity() > 0 {
            let buffer = std::mem::take(&mut entry.outbox);
            self.sessions.spare.push(buffer);
            return;
        }
        if waiting > limits.outbox_soft_bytes {
            entry.above_soft = true;
        }
        if waiting > limits.outbox_hard_bytes && !entry.closing && !entry.dismissed {
            self.metrics.slow_closed.add(1);
            self.dismiss(id, Farewell::Policy);
        }
    }

    /// Hands an envelope to a session. False if it could not take it.
    pub(super) fn deliver(&mut self, id: SessionId, envelope: &Envelope, form: Form, record: Option<RecordId>) -> bool {
        let Some(entry) = self.sessions.get(id) else {
            return false;
        };
        if entry.above_soft && record.is_none() && sheddable(envelope) {
            self.metrics.shed.add(1);
            return true;
        }
        self.metrics.delivered.add(1);
        let delivery = Delivery { envelope, form, record };
        self.call(id, |session, cx| session.on_deliver(&delivery, cx)).is_some()
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

    pub(super) fn close(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.closing {
            return;
        }
        entry.closing = true;
        let had_transport = entry.sleeps_until.is_none();
        self.unbind(id);
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
        }
    }

    fn leave_unauthenticated(&mut self, entry: &Entry) {
        if !entry.authenticated {
            self.unauthenticated_leave(entry.peer);
        }
    }

    pub(super) fn put_to_sleep(&mut self, id: SessionId, token: Bytes, until: u64) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.token = Some(token);
        if entry.sleeps_until.replace(until).is_none() {
            self.sessions.sleeping += 1;
        }
        self.arm(id, until);
    }

    /// Takes a session off this shard, for its home.
    pub(super) fn depart(&mut self, id: SessionId, account: Jid) -> Option<Box<Adopt>> {
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
        self.attempt_succeeded(adopt.attempt, &adopt.account);
        let mut entry = Box::new(Entry::new(adopt.address, adopt.frontend, adopt.listener));
        entry.session = Some(adopt.session);
        entry.authenticated = true;
        let id = self.sessions.insert(entry);
        self.orders.push(Order::Attach(id, adopt.transport));
        if self.draining {
            self.dismiss(id, Farewell::Shutdown);
        } else {
            self.come_home(id, adopt.account);
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

    /// Whether a listener's connections begin with TLS.
    pub fn direct_tls(&self, frontend: usize, listener: usize) -> bool {
        self.frontends
            .get(frontend)
            .and_then(Option::as_ref)
            .is_some_and(|front| front.direct_tls(listener))
    }

    pub(super) fn arm(&mut self, id: SessionId, at_ms: u64) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.sleeps_until.is_none() {
            entry.wake_at = at_ms;
        }
        self.wheel.arm(u64::from(id.index), at_ms);
    }

    pub(super) fn expire_timers(&mut self) {
        let mut due = Vec::new();
        self.wheel.advance(self.now.ms, &mut due);
        for key in due {
            let index = key as u32;
            let Some(slot) = self.sessions.slots.get(index as usize) else {
                continue;
            };
            if slot.entry.is_some() {
                self.timer_due(SessionId {
                    index,
                    generation: slot.generation,
                });
            }
        }
    }

    /// Timers are checked lazily: what was re-armed later is armed again here.
    fn timer_due(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let at = entry.sleeps_until.unwrap_or(entry.wake_at);
        if at == u64::MAX {
            return;
        }
        if at > self.now.ms {
            self.wheel.arm(u64::from(id.index), at);
        } else if entry.sleeps_until.is_some() {
            self.dismiss(id, Farewell::Timeout);
        } else {
            entry.wake_at = u64::MAX;
            self.call(id, |session, cx| session.on_tick(cx));
        }
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

    /// Whether this session must not be given more than it has.
    pub(super) fn is_slow(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_none_or(|entry| entry.above_soft)
    }
}

impl Entry {
    fn new(peer: IpAddr, frontend: usize, listener: usize) -> Entry {
        Entry {
            session: None,
            outbox: Vec::new(),
            address: None,
            user: None,
            token: None,
            attempt: None,
            on_flush: Vec::new(),
            wake_at: u64::MAX,
            sleeps_until: None,
            peer,
            frontend: frontend as u8,
            listener: listener as u8,
            generation: 0,
            authenticated: false,
            closing: false,
            dismissed: false,
            dirty: false,
            above_soft: false,
        }
    }
}

/// What a slow reader can do without: presence and typing.
fn sheddable(envelope: &Envelope) -> bool {
    match envelope.kind {
        Kind::Presence(_) => true,
        Kind::Message(_) => envelope.hints.has(Hints::DEFER),
        Kind::Query(_) => false,
    }
}
