//! Pairs of users who write to each other: 0 with 1, 2 with 3, and so on.
//!
//! - Closed: each side sends `window` messages at the start, and one for each that arrives, so a pair has twice the
//!   window in flight. It measures capacity; a server that stalls is also asked less, and its latencies say so little
//!   about those who come at their own time.
//! - Open: messages are due at a rate, from a user drawn by lot (or in turn, with even arrivals), whatever the server
//!   does. `message` latency counts from when a message was due, `service` latency from when it was written.
//!
//! Time is taken after a read, for what came with it and for what is sent because of it: a latency includes the work of
//! this process, and is never less than the truth.

use std::collections::VecDeque;

use super::{Pace, Play};
use crate::plan::{self, BodyBytes, Floor, Mode};
use crate::protocol::{Client, Event, Mark, To};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

/// Messages that may be overdue because sockets took no more; beyond it they count as never sent, hence lost.
const OVERDUE_MAX: usize = 1 << 20;
/// How soon those are tried again.
const RETRY_NS: u64 = 1_000_000;
/// With stream management: messages between two requests for an acknowledgement.
const ACK_EVERY: u32 = 16;
const KEY_PACE: u32 = 0;

/// See the module.
pub struct Chat {
    mode: Mode,
    body: BodyBytes,
    to: plan::To,
    sides: Vec<Side>,
    pace: Option<Pace>,
    /// Who sends next, with even arrivals.
    next: Place,
    overdue: VecDeque<(Place, u64)>,
    sending: bool,
    acks: bool,
    sent: u64,
    arrived: u64,
    /// Came back with an error: an error of the run, but not lost without a word.
    bounced: u64,
}

/// One user of a pair.
#[derive(Default)]
struct Side {
    sent: u32,
    /// What he gets from the other.
    track: Track,
    /// When the oldest request for an acknowledgement was made that is not answered.
    asked_ns: u64,
    /// His messages' latencies say nothing about the server: he does not always read.
    untimed: bool,
}

impl Chat {
    pub fn new(chat: &plan::Chat, part: Part) -> Self {
        Self::with(chat.mode, chat.body_bytes, chat.to, part)
    }

    /// The closed loop through the relay.
    pub fn floor(floor: &Floor, part: Part) -> Self {
        let mode = Mode::Closed { window: floor.window };
        Self::with(mode, floor.body_bytes, plan::To::Bare, part)
    }

    pub fn with(mode: Mode, body: BodyBytes, to: plan::To, part: Part) -> Self {
        Self {
            mode,
            body,
            to,
            sides: part.places().map(|_| Side::default()).collect(),
            pace: None,
            next: 0,
            overdue: VecDeque::new(),
            sending: false,
            acks: false,
            sent: 0,
            arrived: 0,
            bounced: 0,
        }
    }

    /// Latencies of what this user gets are not recorded.
    pub fn untimed(&mut self, place: Place) {
        self.sides[place as usize].untimed = true;
    }

    /// Sends the next message from `place`, which was due at `due_ns`. False if that was not possible now.
    #[inline]
    fn send<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) -> bool {
        let other = place ^ 1;
        let Some(side) = self.sides.get_mut(place as usize).filter(|_| other < stage.len()) else {
            return true;
        };
        let user = stage.user(other);
        let to = match self.to {
            plan::To::Bare => To::User(user),
            plan::To::Full => To::Session(user),
        };
        let bytes = self.body.of(side.sent);
        if !stage.send(place, to, side.sent, due_ns, bytes) {
            return false;
        }
        side.sent += 1;
        self.sent += 1;
        if self.acks && side.sent.is_multiple_of(ACK_EVERY) {
            stage.with(place, |client, _, out| client.ask_ack(out));
            if side.asked_ns == 0 {
                side.asked_ns = stage.now_ns();
            }
        }
        true
    }

    #[inline]
    fn receive<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let other = self.sides.get((place ^ 1) as usize);
        let known = other.is_some_and(|other| mark.number < other.sent) && mark.sender == stage.user(place ^ 1);
        if !known {
            stage.count(Count::Damaged, 1);
            let user = stage.user(place);
            stage.trouble(|| format!("user {user} got a message that nobody wrote to him: {mark:?}"));
            return;
        }
        let side = &mut self.sides[place as usize];
        if !side.track.seen(u64::from(mark.number)) {
            return;
        }
        self.arrived += 1;
        stage.count(Count::MessagesReceived, 1);
        if !side.untimed {
            let now_ns = stage.now_ns();
            stage.latency(Latency::Message, now_ns.saturating_sub(mark.stamp_ns));
            if self.pace.is_some() {
                stage.latency(Latency::Service, now_ns.saturating_sub(mark.written_ns()));
            }
        }
        if self.sending && self.pace.is_none() {
            let now_ns = stage.now_ns();
            if !self.send(stage, place, now_ns) {
                self.put_off(stage, place, now_ns);
            }
        }
    }

    /// Sends all that is due, and wakes again for the next.
    fn send_due<C: Client>(&mut self, stage: &mut Stage<C>) {
        let now_ns = stage.now_ns();
        for _ in 0..self.overdue.len() {
            let Some((place, due_ns)) = self.overdue.pop_front() else {
                break;
            };
            if !self.send(stage, place, due_ns) {
                self.overdue.push_back((place, due_ns));
            }
        }
        let mut pace = self.pace.take();
        if let Some(pace) = pace.as_mut().filter(|_| self.sending) {
            while let Some(due_ns) = pace.due(now_ns, stage.chance()) {
                let place = self.choose(stage);
                if !self.send(stage, place, due_ns) {
                    self.put_off(stage, place, due_ns);
                }
            }
        }
        let next_ns = pace.as_ref().filter(|_| self.sending).and_then(Pace::next_ns);
        self.pace = pace;
        let retry_ns = (!self.overdue.is_empty()).then_some(now_ns + RETRY_NS);
        if let Some(at_ns) = [next_ns, retry_ns].into_iter().flatten().min() {
            stage.arm(at_ns, 0, KEY_PACE);
        }
    }

    fn choose<C: Client>(&mut self, stage: &mut Stage<C>) -> Place {
        let pairs = stage.len() & !1;
        match self.mode {
            Mode::Open {
                arrivals: plan::Arrivals::Even,
                ..
            } => {
                self.next = (self.next + 1) % pairs.max(1);
                self.next
            }
            _ => stage.chance().below(pairs.max(1)),
        }
    }

    /// The socket takes no more, or the user is gone: later, or never.
    fn put_off<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) {
        if stage.is_ready(place) && self.overdue.len() < OVERDUE_MAX {
            if self.overdue.is_empty() && self.pace.is_none() {
                stage.arm(stage.now_ns() + RETRY_NS, 0, KEY_PACE);
            }
            self.overdue.push_back((place, due_ns));
        } else {
            // It should have been delivered, and will not be.
            self.sent += 1;
            stage.trouble(|| "messages could not be sent: a user was gone, or the server does not read".to_owned());
        }
    }
}

impl<C: Client> Play<C> for Chat {
    fn start(&mut self, stage: &mut Stage<C>, _: u32, at_ns: u64) {
        (self.sending, self.acks) = (true, stage.wants().acks);
        match self.mode {
            Mode::Closed { window } => {
                for place in stage.part().places() {
                    for _ in 0..window {
                        let now_ns = stage.now_ns();
                        self.send(stage, place, now_ns);
                    }
                }
            }
            Mode::Open { rate_per_s, arrivals } => {
                let rate = rate_per_s * stage.share();
                self.pace = Some(Pace::new(arrivals, rate, at_ns, stage.chance()));
                self.send_due(stage);
            }
        }
    }

    #[inline]
    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Message(mark) if stage.is_ours(mark) => self.receive(stage, place, mark),
            Event::Damaged => stage.count(Count::Damaged, 1),
            Event::Bounced => {
                self.bounced += 1;
                let user = stage.user(place);
                stage.trouble(|| format!("a message of user {user} came back with an error"));
                stage.count(Count::ErrorReplies, 1);
            }
            Event::Acked(stanzas) => {
                stage.count(Count::MessagesAcked, u64::from(stanzas));
                let asked_ns = std::mem::take(&mut self.sides[place as usize].asked_ns);
                if asked_ns > 0 {
                    stage.latency(Latency::Ack, stage.now_ns() - asked_ns);
                }
            }
            _ => {}
        }
    }

    fn alarm(&mut self, stage: &mut Stage<C>, _: Place, _: u32) {
        self.send_due(stage);
    }

    fn rate(&mut self, stage: &mut Stage<C>, per_s: f64) {
        let (rate, now_ns) = (per_s * stage.share(), stage.now_ns());
        if let Some(pace) = &mut self.pace {
            pace.change(rate, now_ns, stage.chance());
        }
        self.send_due(stage);
    }

    fn stop(&mut self, _: &mut Stage<C>) {
        self.sending = false;
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for side in &self.sides {
            let wrong = side.track.wrong();
            stage.count(Count::Duplicated, wrong.duplicated);
            stage.count(Count::Reordered, wrong.reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        (self.sent + self.overdue.len() as u64, self.arrived + self.bounced)
    }
}
