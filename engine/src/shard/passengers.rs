//! Sessions that travel in another: a *carrier* has a connection, its *passengers* have none and write into its outbox.
//!
//! ```text
//!   connection ──▶ carrier ──Feed(key)──▶ passenger ──▶ the carrier's outbox ──▶ connection
//!                     ▲                       │
//!                     └───── PassengerGone ───┘
//! ```
//! Invariants:
//! - To everything else a passenger is a session like any other: it is bound, counted, bounded, put to sleep and resumed
//!   by the same code. When its carrier is gone it gets `Lost`, and what wakes it up again need not be a carrier.
//! - A passenger stays on its carrier's shard.
//! - What is in a carrier's outbox is whole calls' output: a passenger that panics leaves nothing in it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::Shard;
use super::sessions::Order;
use super::table::{Entry, SessionId, Sessions};
use crate::limits::Limits;
use crate::relay::Parcel;
use crate::session::{Context, Event, Farewell, Peer, Session};

/// What ties a session to others.
pub(super) enum Tie {
    /// Others travel in it.
    Carrier(Carrier),
    /// It travels in another.
    Passenger(Passenger),
}

/// The passengers of a session.
#[derive(Default)]
pub(super) struct Carrier {
    /// By key.
    passengers: Vec<Option<SessionId>>,
    /// Those that have something to settle when the outbox is empty.
    awaiting: Vec<SessionId>,
}

/// How a session travels.
pub(super) struct Passenger {
    pub(super) carrier: SessionId,
    pub(super) key: u16,
    /// Its client was asked to wait.
    pub(super) behind: bool,
    /// Arrived and not read yet.
    pub(super) unread: Vec<u8>,
}

impl Entry {
    pub(super) fn is_carried(&self) -> bool {
        self.passenger().is_some()
    }

    fn passenger(&self) -> Option<&Passenger> {
        match self.tie.as_deref()? {
            Tie::Passenger(passenger) => Some(passenger),
            Tie::Carrier(_) => None,
        }
    }

    pub(super) fn passenger_mut(&mut self) -> Option<&mut Passenger> {
        match self.tie.as_deref_mut()? {
            Tie::Passenger(passenger) => Some(passenger),
            Tie::Carrier(_) => None,
        }
    }

    fn carrier_mut(&mut self) -> Option<&mut Carrier> {
        match self.tie.as_deref_mut()? {
            Tie::Carrier(carrier) => Some(carrier),
            Tie::Passenger(_) => None,
        }
    }

    /// Passengers with something to settle now that the outbox is empty.
    pub(super) fn take_awaiting(&mut self) -> Vec<SessionId> {
        self.carrier_mut()
            .map(|carrier| std::mem::take(&mut carrier.awaiting))
            .unwrap_or_default()
    }

    /// The outbox's soft and hard bound.
    pub(super) fn outbox_bounds(&self, limits: &Limits) -> (usize, usize) {
        match self.bulk {
            true => (limits.carrier_soft_bytes, limits.carrier_hard_bytes),
            false => (limits.outbox_soft_bytes, limits.outbox_hard_bytes),
        }
    }
}

impl Sessions {
    /// Whose outbox a session writes: its own or its carrier's.
    pub(super) fn writer_of(&self, id: SessionId) -> SessionId {
        let carried = self.get(id).and_then(Entry::passenger);
        carried.map_or(id, |passenger| passenger.carrier)
    }

    /// Whether what a session travels in has more waiting than it should.
    pub(super) fn is_carrier_slow(&self, entry: &Entry) -> bool {
        let carrier = entry.passenger().and_then(|passenger| self.get(passenger.carrier));
        carrier.is_some_and(|carrier| carrier.above_soft)
    }

    pub(super) fn passenger_of(&self, carrier: SessionId, key: u16) -> Option<SessionId> {
        match self.get(carrier)?.tie.as_deref()? {
            Tie::Carrier(carrier) => *carrier.passengers.get(usize::from(key))?,
            Tie::Passenger(_) => None,
        }
    }
}

impl Shard {
    /// A session goes to another shard, to carry others there.
    pub(super) fn place(&mut self, id: SessionId, shard: u16) {
        let free = self
            .sessions
            .get(id)
            .is_some_and(|entry| entry.tie.is_none() && entry.user.is_none());
        if !free || shard >= self.setup.table.shards() {
            return self.dismiss(id, Farewell::Internal);
        }
        self.mark_authenticated(id);
        if shard == self.id {
            return self.event(id, Event::Placed);
        }
        if let Some(adopt) = self.depart(id, None) {
            self.orders.push(Order::Move { from: id, shard, adopt });
        }
    }

    /// A passenger gets in.
    pub(super) fn embark(&mut self, id: SessionId, key: u16, peer: &Peer, note: &Bytes) {
        let Some(carrier) = self.sessions.get(id) else { return };
        let (frontend, listener) = (usize::from(carrier.frontend), usize::from(carrier.listener));
        if key == 0 || carrier.is_carried() || self.sessions.passenger_of(id, key).is_some() {
            return;
        }
        if self.admit(peer).is_err() {
            self.metrics.refused.add(1);
            return self.event(id, Event::PassengerGone { key, refused: true });
        }
        self.metrics.accepted.add(1);
        let mut entry = Box::new(Entry::new(peer.address, frontend, listener));
        entry.tie = Some(Box::new(Tie::Passenger(Passenger {
            carrier: id,
            key,
            behind: false,
            unread: Vec::new(),
        })));
        let passenger = self.sessions.insert(entry);
        let session = self.make_passenger(id, key, peer, note);
        match session {
            Some(session) => {
                self.seat(id, key, passenger, session);
                self.collect(passenger);
            }
            None => {
                if let Some(entry) = self.sessions.get_mut(passenger) {
                    entry.tie = None;
                }
                self.remove(passenger);
                self.event(id, Event::PassengerGone { key, refused: true });
            }
        }
    }

    fn make_passenger(&mut self, id: SessionId, key: u16, peer: &Peer, note: &Bytes) -> Option<Box<dyn Session>> {
        let frontend = usize::from(self.sessions.get(id)?.frontend);
        let made = self.lend_frontend(frontend, |front, shard| {
            let entry = shard.sessions.get_mut(id)?;
            let mut cx = Context {
                now: shard.now,
                random: &mut *shard.random,
                outbox: &mut entry.outbox,
                actions: &mut shard.scratch,
            };
            front.open_passenger(key, peer, note, &mut cx)
        });
        made.flatten()
    }

    fn seat(&mut self, id: SessionId, key: u16, passenger: SessionId, session: Box<dyn Session>) {
        if let Some(entry) = self.sessions.get_mut(passenger) {
            entry.session = Some(session);
        }
        let Some(carrier) = self.sessions.get_mut(id) else {
            return;
        };
        carrier.bulk = true;
        carrier
            .tie
            .get_or_insert_with(|| Box::new(Tie::Carrier(Carrier::default())));
        if let Some(carrier) = carrier.carrier_mut() {
            let place = usize::from(key);
            if carrier.passengers.len() <= place {
                carrier.passengers.resize(place + 1, None);
            }
            carrier.passengers[place] = Some(passenger);
        }
    }

    /// As [`Shard::call`], with the carrier's outbox in the place of the passenger's own.
    pub(super) fn call_passenger<R>(
        &mut self,
        id: SessionId,
        f: impl FnOnce(&mut dyn Session, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let writer = self.sessions.writer_of(id);
        let mut outbox = std::mem::take(&mut self.sessions.get_mut(writer)?.outbox);
        if outbox.capacity() == 0 {
            outbox = self.sessions.spare.pop().unwrap_or_default();
        }
        let before = outbox.len();
        let session = self.sessions.get_mut(id).and_then(|entry| entry.session.as_deref_mut());
        let outcome = session.map(|session| {
            let mut cx = Context {
                now: self.now,
                random: &mut *self.random,
                outbox: &mut outbox,
                actions: &mut self.scratch,
            };
            catch_unwind(AssertUnwindSafe(|| f(session, &mut cx)))
        });
        if matches!(outcome, Some(Err(_))) {
            outbox.truncate(before);
        }
        if let Some(entry) = self.sessions.get_mut(writer) {
            entry.outbox = outbox;
        }
        match outcome? {
            Ok(result) => {
                self.collect(id);
                Some(result)
            }
            Err(_) => {
                self.note_panic(id);
                self.remove(id);
                None
            }
        }
    }

    /// The client of a passenger is gone.
    pub(super) fn disembark(&mut self, id: SessionId, key: u16) {
        let Some(passenger) = self.sessions.passenger_of(id, key) else {
            return;
        };
        if let Some(carrier) = self.sessions.get_mut(id).and_then(Entry::carrier_mut) {
            carrier.passengers[usize::from(key)] = None;
        }
        self.lose(passenger);
        self.event(id, Event::PassengerGone { key, refused: false });
    }

    /// What a session travels in, if it does, and by which key.
    pub(super) fn carried_by(&self, id: SessionId) -> Option<(SessionId, u16)> {
        let passenger = self.sessions.get(id)?.passenger()?;
        Some((passenger.carrier, passenger.key))
    }

    /// All passengers of a session have lost it.
    pub(super) fn strand(&mut self, id: SessionId) {
        let carrier = self.sessions.get_mut(id).and_then(Entry::carrier_mut);
        let Some(passengers) = carrier.map(|carrier| std::mem::take(&mut carrier.passengers)) else {
            return;
        };
        passengers
            .into_iter()
            .flatten()
            .for_each(|passenger| self.lose(passenger));
    }

    fn lose(&mut self, passenger: SessionId) {
        let Some(entry) = self.sessions.get_mut(passenger) else {
            return;
        };
        entry.tie = None;
        entry.on_flush = Vec::new();
        (entry.paused, entry.above_soft) = (false, false);
        self.event(passenger, Event::Lost);
    }

    /// A session that was tied to others is no more.
    pub(super) fn untie(&mut self, tie: Option<Box<Tie>>) {
        match tie.map(|tie| *tie) {
            Some(Tie::Carrier(carrier)) => {
                carrier
                    .passengers
                    .into_iter()
                    .flatten()
                    .for_each(|passenger| self.lose(passenger));
            }
            Some(Tie::Passenger(Passenger { carrier, key, .. })) => {
                if let Some(carrier) = self.sessions.get_mut(carrier).and_then(Entry::carrier_mut) {
                    carrier.passengers[usize::from(key)] = None;
                }
                self.event(carrier, Event::PassengerGone { key, refused: false });
            }
            None => {}
        }
    }

    /// A passenger's client reads more slowly than it is written to, or has caught up.
    pub(super) fn hold_passenger(&mut self, id: SessionId, key: u16, held: bool) {
        let Some(passenger) = self.sessions.passenger_of(id, key) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(passenger) else {
            return;
        };
        let was_held = std::mem::replace(&mut entry.above_soft, held);
        if was_held && !held {
            self.event(passenger, Event::Drained);
            self.continue_queue(passenger);
        }
    }

    pub(super) fn tell_passenger(&mut self, id: SessionId, key: u16, parcel: Parcel) {
        if let Some(passenger) = self.sessions.passenger_of(id, key) {
            self.event(passenger, Event::Relayed(parcel));
        }
    }

    /// A session's records are to be settled when the outbox that it writes is empty.
    pub(super) fn await_flush(&mut self, id: SessionId) {
        let writer = self.sessions.writer_of(id);
        if writer != id
            && let Some(carrier) = self.sessions.get_mut(writer).and_then(Entry::carrier_mut)
        {
            carrier.awaiting.push(id);
        }
    }

    pub(super) fn passenger_flushed(&mut self, passenger: SessionId) {
        let Some(entry) = self.sessions.get_mut(passenger) else {
            return;
        };
        let settled = std::mem::take(&mut entry.on_flush);
        self.settle(passenger, settled);
        self.continue_queue(passenger);
    }

    /// A carrier's outbox has room again: so have its passengers.
    pub(super) fn carrier_drained(&mut self, id: SessionId) {
        let carrier = self.sessions.get_mut(id).and_then(Entry::carrier_mut);
        let Some(passengers) = carrier.map(|carrier| carrier.passengers.clone()) else {
            return;
        };
        for passenger in passengers.into_iter().flatten() {
            if self.sessions.get(passenger).is_some_and(|entry| !entry.above_soft) {
                self.event(passenger, Event::Drained);
                self.continue_queue(passenger);
            }
        }
    }
}
