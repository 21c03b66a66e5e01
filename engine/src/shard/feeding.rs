//! What passengers read: bytes that their carrier has for them, and what they leave for later.
//!
//! Invariant: what a passenger leaves unread is offered to it again, in order, before anything that comes after it; and it is bounded:
//! first its client is asked to wait, then the passenger ends.

use super::Shard;
use super::table::{Entry, SessionId};
use crate::session::{Event, Farewell};

/// How many times its bound a passenger may leave unread before it ends. What was under way when its client was asked to wait, in the
/// outbox of the other end and in the sockets, must have room: a client that keeps the rules is not to be ended for it.
const UNREAD_TIMES_MAX: usize = 64;

impl Shard {
    /// Bytes for a passenger.
    pub(super) fn feed(&mut self, id: SessionId, key: u16, bytes: &[u8]) {
        let Some(passenger) = self.sessions.passenger_of(id, key) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(passenger) else {
            return;
        };
        let paused = entry.paused;
        let Some(travel) = entry.passenger_mut() else { return };
        if !paused && travel.unread.is_empty() {
            let consumed = self.call(passenger, |session, cx| session.on_input(bytes, cx));
            let rest = bytes.get(consumed.unwrap_or(bytes.len())..).unwrap_or_default();
            return self.keep_unread(passenger, rest);
        }
        self.keep_unread(passenger, bytes);
        self.offer_unread(passenger);
    }

    fn keep_unread(&mut self, passenger: SessionId, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let bound = self.setup.limits.passenger_unread_bytes;
        let Some(entry) = self.sessions.get_mut(passenger).filter(|entry| !entry.dismissed) else {
            return;
        };
        let Some(travel) = entry.passenger_mut() else { return };
        travel.unread.extend_from_slice(bytes);
        let (carrier, key, unread) = (travel.carrier, travel.key, travel.unread.len());
        if unread > bound * UNREAD_TIMES_MAX {
            travel.unread = Vec::new();
            self.dismiss(passenger, Farewell::Policy);
        } else if unread > bound && !std::mem::replace(&mut travel.behind, true) {
            self.event(carrier, Event::PassengerBehind { key, behind: true });
        }
    }

    /// What a passenger has not read is offered again, unless it reads nothing for now.
    pub(super) fn offer_unread(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id).filter(|entry| !entry.paused) else {
            return;
        };
        let Some(travel) = entry.passenger_mut() else { return };
        if travel.unread.is_empty() {
            return;
        }
        let mut unread = std::mem::take(&mut travel.unread);
        let consumed = self.call(id, |session, cx| session.on_input(&unread, cx));
        unread.drain(..consumed.map_or(unread.len(), |consumed| consumed.min(unread.len())));
        let Some(travel) = self.sessions.get_mut(id).and_then(Entry::passenger_mut) else {
            return;
        };
        let (carrier, key) = (travel.carrier, travel.key);
        let caught_up = unread.is_empty() && std::mem::replace(&mut travel.behind, false);
        travel.unread = unread;
        if caught_up {
            self.event(carrier, Event::PassengerBehind { key, behind: false });
        }
    }
}
