//! The even users write to the odd ones as fast as their sockets take it, many messages a write, and wait for no answer
//! while fewer than `window` of them are on the way.
//!
//! What a sender says in a turn is one batch; the next follows when the socket has taken all of it and a whole batch fits
//! into the window. Without a window the server's backpressure is all that holds the load back, and a server that bounds
//! what waits for one user answers with errors: those count as errors, whatever the window.
//!
//! Invariant: what is in flight is what its reader has not got and what has not come back with an error. A pair lives on
//! one worker, so this is known here.

use super::Play;
use crate::plan;
use crate::protocol::{Client, Event, Mark, To};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

/// See the module.
pub struct Flood {
    plan: plan::Flood,
    sides: Vec<Side>,
    sending: bool,
    sent: u64,
    arrived: u64,
    /// Came back with an error: a server may refuse what is too much, if it says so.
    bounced: u64,
}

#[derive(Default)]
struct Side {
    sent: u32,
    /// Of those that he sent, on the way.
    in_flight: u32,
    track: Track,
}

impl Flood {
    pub fn new(flood: &plan::Flood, part: Part) -> Self {
        Self {
            plan: flood.clone(),
            sides: part.places().map(|_| Side::default()).collect(),
            sending: false,
            sent: 0,
            arrived: 0,
            bounced: 0,
        }
    }

    fn batch<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let pair = place.is_multiple_of(2) && place + 1 < stage.len();
        if !self.sending || !pair || !stage.is_ready(place) || stage.backlog_bytes(place) > 0 {
            return;
        }
        let (to, now_ns) = (To::User(stage.user(place + 1)), stage.now_ns());
        let side = &mut self.sides[place as usize];
        let batch = match self.plan.window {
            0 => self.plan.batch,
            window => self.plan.batch.min(window),
        };
        if self.plan.window > 0 && side.in_flight.saturating_add(batch) > self.plan.window {
            return;
        }
        for _ in 0..batch {
            let all = self.plan.messages > 0 && u64::from(side.sent) >= self.plan.messages;
            if all || !stage.send(place, to, side.sent, now_ns, self.plan.body_bytes.of(side.sent)) {
                break;
            }
            side.sent += 1;
            side.in_flight += 1;
            self.sent += 1;
        }
    }

    /// One of those that the sender at `place` has on the way is there, or has come back: another batch may fit.
    fn landed<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let side = &mut self.sides[place as usize];
        side.in_flight = side.in_flight.saturating_sub(1);
        if self.plan.window > 0 {
            self.batch(stage, place);
        }
    }

    fn receive<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        if place.is_multiple_of(2) || mark.sender != stage.user(place - 1) {
            stage.count(Count::Damaged, 1);
            return;
        }
        if self.sides[place as usize].track.seen(u64::from(mark.number)) {
            self.arrived += 1;
            stage.count(Count::MessagesReceived, 1);
            stage.latency(Latency::Message, stage.now_ns().saturating_sub(mark.stamp_ns));
            self.landed(stage, place - 1);
        }
    }
}

impl<C: Client> Play<C> for Flood {
    fn start(&mut self, stage: &mut Stage<C>, _: u32, _: u64) {
        self.sending = true;
        for place in stage.part().places() {
            self.batch(stage, place);
        }
    }

    fn flushed(&mut self, stage: &mut Stage<C>, place: Place) {
        self.batch(stage, place);
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Message(mark) if stage.is_ours(mark) => self.receive(stage, place, mark),
            // A protocol with credit has given some.
            Event::Acked(_) => self.batch(stage, place),
            Event::Damaged => stage.count(Count::Damaged, 1),
            Event::Bounced => {
                self.bounced += 1;
                let user = stage.user(place);
                stage.trouble(|| format!("a message of user {user} came back with an error"));
                stage.count(Count::ErrorReplies, 1);
                self.landed(stage, place);
            }
            _ => {}
        }
    }

    fn stop(&mut self, _: &mut Stage<C>) {
        self.sending = false;
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for side in &self.sides {
            stage.count(Count::Duplicated, side.track.wrong().duplicated);
            stage.count(Count::Reordered, side.track.wrong().reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        (self.sent, self.arrived + self.bounced)
    }
}
