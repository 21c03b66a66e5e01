//! Messages for absent users: stored until the server has acknowledged them, then fetched, each exactly once.
//!
//! ```text
//! store: the senders are there and write; a message counts when the server has acknowledged it
//! drain: the receivers come; a message counts when it arrives
//! again: the receivers go and come once more, and must find nothing
//! ```
//! Who only drains comes for what an earlier run has stored, so there any run's messages count; else what an earlier run has
//! left is not touched.
//!
//! The last users of each worker are its senders. Message `n` of receiver `r` comes from sender `r % senders`, so each
//! receiver gets one numbered stream.

use super::Play;
use crate::plan::{self, Phase};
use crate::protocol::{Client, Event, Presence, To};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

pub const STORE: u32 = 0;
pub const DRAIN: u32 = 1;
pub const AGAIN: u32 = 2;

/// Silence after which nothing more will come.
const PATIENCE_NS: u64 = 10_000_000_000;
/// How long the second visit waits for what should not come.
const SECOND_VISIT_NS: u64 = 2_000_000_000;

/// See the module.
pub struct Offline {
    plan: plan::Offline,
    receivers: Vec<Receiver>,
    senders: Vec<Sender>,
    act: u32,
    stored: u64,
    arrived: u64,
    /// When something was last acknowledged, or arrived, or somebody came.
    moved_ns: u64,
}

#[derive(Default)]
struct Receiver {
    track: Track,
    /// When he said that he is there.
    came_ns: u64,
    got: u32,
}

#[derive(Default)]
struct Sender {
    sent: u64,
    acknowledged: u64,
}

impl Offline {
    /// `users`: of all workers.
    pub fn new(offline: &plan::Offline, part: Part, users: u32) -> Self {
        let share = u64::from(offline.senders) * u64::from(part.count) / u64::from(users.max(1));
        let senders = (share as u32).clamp(1, part.count.saturating_sub(1).max(1));
        Self {
            plan: offline.clone(),
            receivers: (senders..part.count).map(|_| Receiver::default()).collect(),
            senders: (0..senders).map(|_| Sender::default()).collect(),
            act: STORE,
            stored: 0,
            arrived: 0,
            moved_ns: 0,
        }
    }

    fn all(&self) -> u64 {
        self.receivers.len() as u64 * u64::from(self.plan.messages)
    }

    /// How many receivers a sender writes to: `sender`, `sender + senders`...
    fn receivers_of(&self, sender: usize) -> u64 {
        self.receivers.len().saturating_sub(sender).div_ceil(self.senders.len()) as u64
    }

    /// As many messages as the window allows, in turn to each receiver, and a request to acknowledge them.
    fn store<C: Client>(&mut self, stage: &mut Stage<C>, number: usize) {
        let receivers = self.receivers_of(number);
        let (senders, first) = (self.senders.len() as u64, self.receivers.len() as u32);
        let sender = &mut self.senders[number];
        let (all, window) = (receivers * u64::from(self.plan.messages), u64::from(self.plan.window));
        // Half a window at a time: a request for each message would measure requests.
        if sender.sent == all || sender.sent - sender.acknowledged > window / 2 {
            return;
        }
        let (place, now_ns) = (first + number as u32, stage.now_ns());
        while sender.sent < all.min(sender.acknowledged + window) {
            let receiver = number as u64 + (sender.sent % receivers) * senders;
            let message = (sender.sent / receivers) as u32;
            let to = To::User(stage.user(receiver as Place));
            if !stage.send(place, to, message, now_ns, self.plan.body_bytes.of(message)) {
                break;
            }
            sender.sent += 1;
        }
        stage.with(place, |client, _, out| client.ask_ack(out));
    }

    fn acknowledged<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, stanzas: u32) {
        let Some(number) = (place as usize).checked_sub(self.receivers.len()) else {
            return;
        };
        let sender = &mut self.senders[number];
        let news = u64::from(stanzas).min(sender.sent - sender.acknowledged);
        sender.acknowledged += news;
        self.stored += news;
        self.moved_ns = stage.now_ns();
        stage.count(Count::Stored, news);
        stage.count(Count::MessagesAcked, news);
        self.store(stage, number);
    }

    fn receivers_come<C: Client>(&mut self, stage: &mut Stage<C>) {
        let wants = crate::protocol::Wants {
            presence: false,
            ..stage.wants()
        };
        for place in 0..self.receivers.len() as Place {
            stage.log_in(place, wants);
        }
    }

    fn received<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        let senders = self.senders.len();
        let first = self.receivers.len() as Place;
        let receiver = self.receivers.get_mut(place as usize);
        let (Some(receiver), Event::Message(mark)) = (receiver, event) else {
            return stage.count(Count::Damaged, 1);
        };
        if mark.sender != stage.user(first + place % senders as Place) || mark.number >= self.plan.messages {
            return stage.count(Count::Damaged, 1);
        }
        self.moved_ns = stage.now_ns();
        if receiver.track.seen(u64::from(mark.number)) {
            receiver.got += 1;
            self.arrived += 1;
            stage.count(Count::Drained, 1);
            if receiver.got == self.plan.messages {
                stage.latency(Latency::Drain, self.moved_ns - receiver.came_ns);
            }
        }
    }
}

impl<C: Client> Play<C> for Offline {
    /// The senders first; the receivers must not be there.
    fn begin(&mut self, stage: &mut Stage<C>) {
        if self.plan.phase == Phase::Drain {
            return;
        }
        let wants = crate::protocol::Wants {
            presence: false,
            acks: true,
            ..stage.wants()
        };
        for place in self.receivers.len() as Place..stage.len() {
            stage.log_in(place, wants);
        }
    }

    fn start(&mut self, stage: &mut Stage<C>, act: u32, _: u64) {
        (self.act, self.moved_ns) = (act, stage.now_ns());
        match act {
            STORE => (0..self.senders.len()).for_each(|number| self.store(stage, number)),
            DRAIN => self.receivers_come(stage),
            _ => (0..self.receivers.len() as Place).for_each(|place| stage.log_out(place)),
        }
    }

    fn ready(&mut self, stage: &mut Stage<C>, place: Place) {
        self.moved_ns = stage.now_ns();
        if let Some(receiver) = self.receivers.get_mut(place as usize) {
            if receiver.came_ns == 0 {
                receiver.came_ns = stage.now_ns();
            }
            stage.presence(place, Presence::Available);
        }
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Message(mark) if self.plan.phase == Phase::Both && !stage.is_ours(mark) => {
                self.moved_ns = stage.now_ns();
            }
            Event::Message(_) | Event::Damaged => self.received(stage, place, event),
            Event::Acked(stanzas) => self.acknowledged(stage, place, stanzas),
            Event::Bounced => stage.count(Count::ErrorReplies, 1),
            _ => {}
        }
    }

    fn left(&mut self, stage: &mut Stage<C>, place: Place, wanted: bool) {
        if wanted && self.act == AGAIN && (place as usize) < self.receivers.len() {
            self.moved_ns = stage.now_ns();
            stage.log_in(place, stage.wants());
        }
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for receiver in &self.receivers {
            stage.count(Count::Duplicated, receiver.track.wrong().duplicated);
            stage.count(Count::Reordered, receiver.track.wrong().reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        match self.plan.phase {
            Phase::Store => (self.all(), self.stored),
            _ => (self.all(), self.arrived),
        }
    }

    fn is_finished(&self, stage: &Stage<C>) -> bool {
        let silent_ns = stage.now_ns().saturating_sub(self.moved_ns);
        match self.act {
            STORE => self.stored == self.all() || silent_ns > PATIENCE_NS,
            DRAIN => self.arrived == self.all() || silent_ns > PATIENCE_NS,
            _ => silent_ns > SECOND_VISIT_NS,
        }
    }
}
