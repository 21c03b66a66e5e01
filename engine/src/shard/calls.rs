//! How sessions are called, and what a call leaves behind.
//!
//! Invariants:
//! - A session that panics is gone when its call returns; what it held in the log is pending again.
//! - After every call the outbox is looked at: it is written at the end of the turn, shed above its soft bound, and ends
//!   the session above its hard one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Shard;
use super::sessions::Order;
use super::table::SessionId;
use crate::envelope::{Envelope, Hints, Kind};
use crate::metrics::protocol;
use crate::metrics::split::Stage;
use crate::session::{Context, Delivery, Event, Farewell, Form, Session};
use crate::store::RecordId;

impl Shard {
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
        if entry.is_carried() {
            return self.call_passenger(id, f);
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
                self.note_panic(id);
                self.orders.push(Order::Close(id));
                self.remove(id);
                None
            }
        }
    }

    /// A session's own code has panicked: nothing that it asked for is done.
    pub(super) fn note_panic(&mut self, id: SessionId) {
        self.scratch.clear();
        self.metrics.panics.add(1);
        tracing::error!(shard = self.id, session = id.index, "a session panicked and was closed");
    }

    pub(super) fn event(&mut self, id: SessionId, event: Event) {
        self.call(id, |session, cx| session.on_event(event, cx));
    }

    /// Takes over what a call has left in the scratch list and the outbox.
    pub(super) fn collect(&mut self, id: SessionId) {
        if !self.scratch.is_empty() {
            let empty = self.spare_batches.pop().unwrap_or_default();
            self.backlog
                .push_back((id, std::mem::replace(&mut self.scratch, empty)));
        }
        // What a passenger has written is its carrier's to send.
        let id = self.sessions.writer_of(id);
        let limits = &self.setup.limits;
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let (soft, hard) = entry.outbox_bounds(limits);
        let waiting = entry.outbox.len();
        if waiting > 0 && !entry.dirty && entry.sleeps_until.is_none() {
            entry.dirty = true;
            self.dirty.push(id);
        } else if waiting == 0 && !entry.dirty && entry.outbox.capacity() > 0 {
            let buffer = std::mem::take(&mut entry.outbox);
            self.sessions.spare.push(buffer);
            return;
        }
        if waiting > soft {
            entry.above_soft = true;
        }
        if waiting > hard && !entry.closing && !entry.dismissed {
            self.metrics.slow_closed.add(1);
            self.dismiss(id, Farewell::Policy);
        }
    }

    /// Hands an envelope to a session. False if it could not take it.
    pub(super) fn deliver(&mut self, id: SessionId, envelope: &Envelope, form: Form, record: Option<RecordId>) -> bool {
        let Some(entry) = self.sessions.get(id) else {
            return false;
        };
        if self.is_foreign(entry.frontend, envelope) {
            return self.deliver_translated(id, envelope, form, record);
        }
        self.deliver_as_is(id, envelope, form, record)
    }

    /// Hands over an envelope whose content the session's front-end can write.
    pub(super) fn deliver_as_is(
        &mut self,
        id: SessionId,
        envelope: &Envelope,
        form: Form,
        record: Option<RecordId>,
    ) -> bool {
        let Some(entry) = self.sessions.get(id) else {
            return false;
        };
        if record.is_none() && self.is_slow(id) && sheddable(envelope) {
            self.metrics.shed.add(1);
            return true;
        }
        self.metrics.delivered.add(1);
        self.metrics.stanzas_out[protocol(entry.frontend.into())].add(1);
        let delivery = Delivery { envelope, form, record };
        let stage = self.split.switch(Stage::Encode);
        let delivered = self.call(id, |session, cx| session.on_deliver(&delivery, cx)).is_some();
        self.split.switch(stage);
        delivered
    }

    /// Whether this session must not be given more than it has.
    pub(super) fn is_slow(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_none_or(|entry| {
            entry.above_soft || entry.held_back || (entry.tie.is_some() && self.sessions.is_carrier_slow(entry))
        })
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
