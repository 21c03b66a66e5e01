//! Everybody is there, everybody is cut off at once, and all come back: by a whole login, or by resuming their sessions.
//!
//! ```text
//! round:  (messages to the neighbour, who does not read) ─ settle ─ cut all ─ away ─ come back at a rate ─ all are there
//! ```
//! With messages, the server holds them until their addressee resumes (XEP-0198 section 5). What the server had not
//! acknowledged is sent again after the resumption of the sender.
//!
//! Invariant: a message is sent again only if the server has said that it has not got it.

use super::Play;
use crate::plan::{self, StormKind};
use crate::protocol::{Client, Event, Mark, To, Wants};
use crate::record::Count;
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

/// Between the messages and the cut: the server has most of them by then, and says of the others that it has not.
const SETTLE_NS: u64 = 300_000_000;
/// Who was refused tries again after this.
const RETRY_NS: u64 = 1_000_000_000;

const KEY_CUT: u32 = 0;
const KEY_RETURN: u32 = 1;

/// See the module.
pub struct Storm {
    plan: plan::Storm,
    users: Vec<User>,
    /// A round is under way.
    storming: bool,
    /// Users who have not come back yet.
    missing: u32,
    expected: u64,
    arrived: u64,
}

/// One user, and what he wrote to his neighbour.
#[derive(Default)]
struct User {
    sent: u32,
    /// Of those that he sent, the server has so many.
    acked: u32,
    /// What he got from his neighbour.
    track: Track,
    missing: bool,
    /// His connection has ended, so that he can log in.
    gone: bool,
    /// It is time for him to come back.
    called: bool,
}

impl Storm {
    pub fn new(storm: &plan::Storm, part: Part) -> Self {
        Self {
            plan: storm.clone(),
            users: part.places().map(|_| User::default()).collect(),
            storming: false,
            missing: 0,
            expected: 0,
            arrived: 0,
        }
    }

    fn wants<C: Client>(&self, stage: &Stage<C>) -> Wants {
        let wants = stage.wants();
        match self.plan.kind {
            StormKind::Restart => wants,
            StormKind::Resume => Wants {
                acks: true,
                resume: true,
                ..wants
            },
        }
    }

    /// Everybody writes to his neighbour, who has stopped reading.
    fn write<C: Client>(&mut self, stage: &mut Stage<C>) {
        for place in stage.part().places() {
            stage.stall(place);
        }
        for place in 0..stage.len() & !1 {
            for _ in 0..self.plan.messages {
                if stage.is_ready(place ^ 1) && self.send(stage, place, self.users[place as usize].sent) {
                    self.users[place as usize].sent += 1;
                    self.expected += 1;
                }
            }
        }
    }

    fn send<C: Client>(&self, stage: &mut Stage<C>, place: Place, number: u32) -> bool {
        let to = To::User(stage.user(place ^ 1));
        stage.send(place, to, number, stage.now_ns(), self.plan.body_bytes.of(number))
    }

    /// All connections break at once; all come back after a while, one after the other.
    fn cut<C: Client>(&mut self, stage: &mut Stage<C>) {
        let from_ns = stage.now_ns() + nanoseconds(self.plan.away_s);
        let gap_s = match self.plan.return_per_s * stage.share() {
            rate if rate > 0.0 => 1.0 / rate,
            _ => 0.0,
        };
        let mut turn = 0.0;
        for place in stage.part().places() {
            if !stage.is_ready(place) {
                continue;
            }
            self.miss(place);
            stage.cut(place, self.plan.kind == StormKind::Resume);
            stage.arm(from_ns + nanoseconds(turn * gap_s), place, KEY_RETURN);
            turn += 1.0;
        }
    }

    fn miss(&mut self, place: Place) {
        let user = &mut self.users[place as usize];
        self.missing += u32::from(!user.missing);
        (user.missing, user.gone, user.called) = (true, false, false);
    }

    fn come<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let wants = self.wants(stage);
        let user = &mut self.users[place as usize];
        user.called = true;
        if user.gone {
            (user.gone, user.called) = (false, false);
            stage.log_in(place, wants);
        }
    }

    fn is_back(&mut self, place: Place) {
        let user = &mut self.users[place as usize];
        if std::mem::take(&mut user.missing) {
            self.missing -= 1;
        }
    }

    /// What the server has not got is sent again.
    fn resumed<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, acked: u32) {
        let user = &mut self.users[place as usize];
        user.acked = (user.acked + acked).min(user.sent);
        for number in user.acked..user.sent {
            self.send(stage, place, number);
        }
    }

    fn receive<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let neighbour = self.users.get((place ^ 1) as usize);
        let known = neighbour.is_some_and(|neighbour| mark.number < neighbour.sent);
        if !known || mark.sender != stage.user(place ^ 1) {
            return stage.count(Count::Damaged, 1);
        }
        if self.users[place as usize].track.seen(u64::from(mark.number)) {
            self.arrived += 1;
            stage.count(Count::MessagesReceived, 1);
        }
    }
}

impl<C: Client> Play<C> for Storm {
    fn begin(&mut self, stage: &mut Stage<C>) {
        let wants = self.wants(stage);
        for place in stage.part().places() {
            stage.log_in(place, wants);
        }
    }

    fn start(&mut self, stage: &mut Stage<C>, _: u32, _: u64) {
        self.storming = true;
        stage.unpaced();
        if self.plan.messages > 0 {
            self.write(stage);
        }
        let settle_ns = if self.plan.messages > 0 { SETTLE_NS } else { 0 };
        stage.arm(stage.now_ns() + settle_ns, 0, KEY_CUT);
        // Not finished before the cut.
        self.missing += 1;
    }

    fn alarm(&mut self, stage: &mut Stage<C>, place: Place, key: u32) {
        match key {
            KEY_CUT => {
                self.missing -= 1;
                self.cut(stage);
            }
            _ => self.come(stage, place),
        }
    }

    fn ready(&mut self, _: &mut Stage<C>, place: Place) {
        self.is_back(place);
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Message(mark) if stage.is_ours(mark) => self.receive(stage, place, mark),
            Event::Acked(stanzas) => {
                let user = &mut self.users[place as usize];
                user.acked = (user.acked + stanzas).min(user.sent);
            }
            Event::Resumed { acked } => {
                self.is_back(place);
                self.resumed(stage, place, acked);
            }
            Event::NotResumed => {
                stage.count(Count::ResumeFailed, 1);
                let user = &mut self.users[place as usize];
                user.acked = user.sent;
            }
            Event::Damaged => stage.count(Count::Damaged, 1),
            Event::Bounced => stage.count(Count::ErrorReplies, 1),
            _ => {}
        }
    }

    fn left(&mut self, stage: &mut Stage<C>, place: Place, wanted: bool) {
        if !self.storming {
            return;
        }
        if !wanted {
            // Refused, or the server itself has gone: he keeps trying.
            self.miss(place);
            stage.arm(stage.now_ns() + RETRY_NS, place, KEY_RETURN);
        }
        let user = &mut self.users[place as usize];
        user.gone = true;
        if user.called {
            self.come(stage, place);
        }
    }

    fn stop(&mut self, _: &mut Stage<C>) {
        self.storming = false;
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        self.storming = false;
        for user in &self.users {
            stage.count(Count::Duplicated, user.track.wrong().duplicated);
            stage.count(Count::Reordered, user.track.wrong().reordered);
        }
        if self.missing > 0 {
            let missing = self.missing;
            stage.trouble(|| format!("{missing} users did not come back in time"));
        }
    }

    fn balance(&self) -> (u64, u64) {
        (self.expected, self.arrived)
    }

    fn is_finished(&self, _: &Stage<C>) -> bool {
        self.storming && self.missing == 0 && self.arrived >= self.expected
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
