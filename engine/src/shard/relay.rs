//! What the shard does for front-ends that pass on what others have written: [`RelayHost`], and their part in a drain.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Shard;
use super::sessions::Order;
use super::table::{Entry, SessionId};
use crate::relay::{Parcel, RelayHost};
use crate::service::{Cipher, Frontend};
use crate::session::{Context, Event, Farewell, Now, Random};

/// The listener of connections that were opened from here.
const NO_LISTENER: usize = u8::MAX as usize;

/// A front-end's hand on its shard.
struct Desk<'a> {
    shard: &'a mut Shard,
    frontend: usize,
}

impl Shard {
    /// A session has something for its front-end.
    pub(super) fn relay(&mut self, from: SessionId, parcel: Parcel) {
        let Some(frontend) = self.sessions.get(from).map(|entry| usize::from(entry.frontend)) else {
            return;
        };
        self.with_frontend(frontend, |front, host| front.on_relay(from, parcel, host));
    }

    /// The connection that `Order::Connect` asked for is there. `None`: nobody wants it any more.
    pub fn connected(&mut self, frontend: usize, key: u32, peer: IpAddr) -> Option<SessionId> {
        let mut entry = Box::new(Entry::new(peer, frontend, NO_LISTENER));
        (entry.authenticated, entry.bulk) = (true, true);
        let id = self.sessions.insert(entry);
        let made = self.lend_frontend(frontend, |front, shard| {
            let entry = shard.sessions.get_mut(id)?;
            let mut cx = Context {
                now: shard.now,
                random: &mut *shard.random,
                outbox: &mut entry.outbox,
                actions: &mut shard.scratch,
            };
            front.connected(key, id, &mut cx)
        });
        let session = made.flatten();
        let wanted = session.is_some();
        match self.sessions.get_mut(id) {
            Some(entry) if wanted => entry.session = session,
            _ => self.remove(id),
        }
        self.collect(id);
        self.run();
        wanted.then_some(id)
    }

    /// How the connection that `Order::Connect` asks for is encrypted, if it is.
    pub fn cipher_towards(&mut self, frontend: usize, key: u32) -> Option<Box<dyn Cipher>> {
        self.lend_frontend(frontend, |front, _| front.cipher_towards(key))
            .flatten()
    }

    /// The connection that `Order::Connect` asked for could not be made.
    pub fn connect_failed(&mut self, frontend: usize, key: u32) {
        self.with_frontend(frontend, |front, host| front.connect_failed(key, host));
        self.run();
    }

    pub(super) fn tick_frontends(&mut self) {
        for frontend in 0..self.frontends.len() {
            self.with_frontend(frontend, |front, host| front.on_tick(host));
        }
        if self.drain_until.is_some_and(|until| until <= self.now.ms) {
            self.drain_until = None;
            self.dismiss_all(|_| true);
        }
    }

    /// The sessions of front-ends that do not see them off by themselves are dismissed now.
    pub(super) fn begin_drain(&mut self) {
        let mut longest = None;
        let mut patient = vec![false; self.frontends.len()];
        for (frontend, patient) in patient.iter_mut().enumerate() {
            let grace = self
                .with_frontend(frontend, |front, host| front.on_drain(host))
                .flatten();
            *patient = grace.is_some();
            longest = longest.max(grace);
        }
        self.drain_until = longest.map(|grace| self.now.ms + grace);
        self.dismiss_all(|entry| !patient.get(usize::from(entry.frontend)).is_some_and(|patient| *patient));
    }

    /// Carriers last, so that their passengers' last words are carried.
    fn dismiss_all(&mut self, which: impl Fn(&Entry) -> bool) {
        for carriers in [false, true] {
            for id in self.sessions.ids() {
                if self
                    .sessions
                    .get(id)
                    .is_some_and(|entry| entry.bulk == carriers && which(entry))
                {
                    self.dismiss(id, Farewell::Shutdown);
                }
            }
            self.run();
        }
    }

    fn with_frontend<R>(
        &mut self,
        frontend: usize,
        f: impl FnOnce(&mut dyn Frontend, &mut dyn RelayHost) -> R,
    ) -> Option<R> {
        self.lend_frontend(frontend, |front, shard| f(front, &mut Desk { shard, frontend }))
    }

    /// Calls a front-end with the rest of the shard. A panic in it goes on, but the front-end stays.
    pub(super) fn lend_frontend<R>(
        &mut self,
        frontend: usize,
        f: impl FnOnce(&mut dyn Frontend, &mut Shard) -> R,
    ) -> Option<R> {
        let mut front = self.frontends.get_mut(frontend)?.take()?;
        let outcome = catch_unwind(AssertUnwindSafe(|| f(&mut *front, self)));
        self.frontends[frontend] = Some(front);
        Some(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl RelayHost for Desk<'_> {
    fn now(&self) -> Now {
        self.shard.now
    }

    fn random(&mut self) -> &mut dyn Random {
        &mut *self.shard.random
    }

    fn write(&mut self, to: SessionId, write: &mut dyn FnMut(&mut Vec<u8>)) -> bool {
        let sessions = &mut self.shard.sessions;
        let Some(entry) = sessions.get(to).filter(|entry| !entry.closing) else {
            return false;
        };
        let buffer = (entry.outbox.capacity() == 0).then(|| sessions.spare.pop().unwrap_or_default());
        let Some(entry) = sessions.get_mut(to) else {
            return false;
        };
        if let Some(buffer) = buffer {
            entry.outbox = buffer;
        }
        write(&mut entry.outbox);
        self.shard.collect(to);
        true
    }

    fn waiting(&self, session: SessionId) -> usize {
        self.shard.sessions.get(session).map_or(0, |entry| entry.outbox.len())
    }

    fn is_slow(&self, session: SessionId) -> bool {
        self.shard.sessions.get(session).is_some_and(|entry| entry.above_soft)
    }

    fn tell(&mut self, to: SessionId, parcel: Parcel) -> bool {
        self.shard
            .call(to, |session, cx| session.on_event(Event::Relayed(parcel), cx))
            .is_some()
    }

    fn pause(&mut self, session: SessionId, paused: bool) {
        self.shard.pause(session, paused);
    }

    fn authenticated(&mut self, session: SessionId) {
        self.shard.mark_authenticated(session);
    }

    fn dismiss(&mut self, session: SessionId, why: Farewell) {
        self.shard.dismiss(session, why);
    }

    fn connect(&mut self, key: u32, address: SocketAddr) {
        self.shard.orders.push(Order::Connect {
            frontend: self.frontend,
            key,
            address,
        });
    }
}
