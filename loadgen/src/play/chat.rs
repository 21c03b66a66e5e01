//! Pairs of users who write to each other ([`Pairs`]).
//!
//! - Closed: each side sends `window` messages at the start, and one for each that arrives, so a pair has twice the
//!   window in flight. It measures capacity; a server that stalls is also asked less, and its latencies say so little
//!   about those who come at their own time.
//! - Open: messages are due at a rate, from a user drawn by lot (or in turn, with even arrivals), whatever the server
//!   does. `message` latency counts from when a message was due, `service` latency from when it was written.
//!
//! Time is taken after a read, for what came with it and for what is sent because of it: a latency includes the work of
//! this process, and is never less than the truth.
//!
//! Invariant: what is due for a user leaves in the order in which it was due. What his socket or his window did not take is
//! tried again when the server has acknowledged something of his, and every millisecond.

use std::collections::VecDeque;

use super::pairs::Pairs;
use super::{Pace, Play};
use crate::plan::{self, BodyBytes, Floor, Mode, Plan};
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
    pairs: Pairs,
    sides: Vec<Side>,
    pace: Option<Pace>,
    /// Who sends next, with even arrivals.
    next: Place,
    /// Those who have something overdue, each once; some of them may have caught up.
    behind: Vec<Place>,
    /// How much that is, of all.
    overdue: usize,
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
    /// When messages were due that have not left yet.
    overdue: VecDeque<u64>,
    is_behind: bool,
    /// Messages that the server has acknowledged.
    acked: u64,
    /// So many must be, and when the last of them left: an acknowledgement that is timed.
    asked: Option<(u64, u64)>,
    /// His messages' latencies say nothing about the server: he does not always read.
    untimed: bool,
}

impl Chat {
    pub fn new(chat: &plan::Chat, plan: &Plan, part: Part) -> Self {
        let mut made = Self::with(chat.mode, chat.body_bytes, chat.to, part);
        if let Some(crossing) = chat.crossing {
            made.pairs = Pairs::crossing(crossing, plan, part);
        }
        made
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
            pairs: Pairs::in_turn(part.count),
            sides: part.places().map(|_| Side::default()).collect(),
            pace: None,
            next: 0,
            behind: Vec::new(),
            overdue: 0,
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
        let (Some(other), Some(side)) = (self.pairs.of(place), self.sides.get_mut(place as usize)) else {
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
            side.asked.get_or_insert((u64::from(side.sent), stage.now_ns()));
        }
        true
    }

    #[inline]
    fn receive<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let other = self.pairs.of(place);
        let known = other
            .is_some_and(|other| mark.number < self.sides[other as usize].sent && mark.sender == stage.user(other));
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
            self.say(stage, place, stage.now_ns());
        }
    }

    /// Sends the next message, or puts it off, behind what was put off before.
    #[inline]
    fn say<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) {
        match self.sides[place as usize].overdue.is_empty() {
            true if self.send(stage, place, due_ns) => return,
            true => {}
            false => stage.count(Count::Stalled, 1),
        }
        self.put_off(stage, place, due_ns);
    }

    /// Sends what a user has overdue, as far as that is possible now.
    fn catch_up<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        while let Some(due_ns) = self.sides[place as usize].overdue.front().copied()
            && stage.takes(place)
            && self.send(stage, place, due_ns)
        {
            self.sides[place as usize].overdue.pop_front();
            self.overdue -= 1;
        }
    }

    /// Sends all that is due, and wakes again for the next.
    fn send_due<C: Client>(&mut self, stage: &mut Stage<C>) {
        let now_ns = stage.now_ns();
        let mut behind = std::mem::take(&mut self.behind);
        behind.retain(|place| {
            self.catch_up(stage, *place);
            let side = &mut self.sides[*place as usize];
            side.is_behind = !side.overdue.is_empty();
            side.is_behind
        });
        self.behind = behind;
        let mut pace = self.pace.take();
        if let Some(pace) = pace.as_mut().filter(|_| self.sending) {
            while let Some(due_ns) = pace.due(now_ns, stage.chance()) {
                let place = self.choose(stage);
                self.say(stage, place, due_ns);
            }
        }
        let next_ns = pace.as_ref().filter(|_| self.sending).and_then(Pace::next_ns);
        self.pace = pace;
        let retry_ns = (self.overdue > 0).then_some(now_ns + RETRY_NS);
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
        if stage.is_ready(place) && self.overdue < OVERDUE_MAX {
            if self.behind.is_empty() && self.pace.is_none() {
                stage.arm(stage.now_ns() + RETRY_NS, 0, KEY_PACE);
            }
            let side = &mut self.sides[place as usize];
            side.overdue.push_back(due_ns);
            self.overdue += 1;
            if !std::mem::replace(&mut side.is_behind, true) {
                self.behind.push(place);
            }
        } else {
            // It should have been delivered, and will not be.
            self.sent += 1;
            stage.trouble(|| "messages could not be sent: a user was gone, or the server does not read".to_owned());
        }
    }
}

impl<C: Client> Play<C> for Chat {
    fn start(&mut self, stage: &mut Stage<C>, _: u32, at_ns: u64) {
        (self.sending, self.acks) = (true, stage.wants().acks || C::ACKS_UNASKED);
        match self.mode {
            Mode::Closed { window } => {
                for place in stage.part().places() {
                    for _ in 0..window {
                        let now_ns = stage.now_ns();
                        self.say(stage, place, now_ns);
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
                let side = &mut self.sides[place as usize];
                side.acked += u64::from(stanzas);
                if let Some((_, asked_ns)) = side.asked.take_if(|(upto, _)| *upto <= side.acked) {
                    stage.latency(Latency::Ack, stage.now_ns() - asked_ns);
                }
                if !side.overdue.is_empty() {
                    self.catch_up(stage, place);
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
        (self.sent + self.overdue as u64, self.arrived + self.bounced)
    }
}
