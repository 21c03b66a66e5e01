//! People, each of whom follows a behaviour: messages with typing before them, bursts, presence, sleep (XEP-0352), broken
//! connections that are resumed (XEP-0198), and whole logins.
//!
//! A message counts as due to its addressee whether he is there, asleep, cut off or logged out; it must arrive once. Its
//! latency is recorded only if he has been there since it was due, for all else measures absence; what waited for him
//! counts as drained.
//!
//! Invariants: a user leaves politely (presence, then a ping, then goodbye), so that what was on the way to him has
//! arrived; after a broken connection he sends again what the server has not got, and nothing else.

use std::collections::VecDeque;

use super::Play;
use super::people::{Action, People};
use crate::plan::{self, Plan};
use crate::protocol::{Client, Event, Mark, Presence, To, Wants};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

/// What the server has not acknowledged, of one session; beyond it the oldest is forgotten.
const UNACKED_MAX: usize = 1024;
/// How soon something that a socket did not take is tried again, and a login that failed.
const RETRY_NS: u64 = 1_000_000;
const LOGIN_AGAIN_NS: u64 = 1_000_000_000;

/// Keys of alarms: below it the actions.
const KEY_SAY: u32 = 16;
const KEY_WAKE: u32 = 17;
const KEY_COME: u32 = 18;

/// See the module.
pub struct Mixed {
    people: People,
    wants: Option<Wants>,
    persons: Vec<Person>,
    resumes: bool,
    playing: bool,
    /// Users who should be there and are not.
    away: u32,
    expected: u64,
    arrived: u64,
}

struct Person {
    /// Messages to each neighbour, by the slot of his own ring.
    sent: Box<[u32]>,
    /// What he hears from each, by the slot of the widest ring.
    heard: Box<[Track]>,
    /// Whom he writes to next.
    slot: u32,
    /// What he is about to say: how many messages to which slot, due when.
    saying: Option<Saying>,
    /// Messages to those who are absent, and presences.
    others: u32,
    unacked: VecDeque<Option<(u32, u32)>>,
    here_since_ns: u64,
    archive_since_ns: u64,
    asleep: bool,
    /// He wants to leave, and waits for the answer to his ping.
    leaving: bool,
    away: bool,
    /// His connection has ended; he has been called back.
    gone: bool,
    called: bool,
}

#[derive(Clone, Copy)]
struct Saying {
    slot: u32,
    to: u32,
    left: u32,
    due_ns: u64,
}

impl Mixed {
    pub fn new(mixed: &plan::Mixed, plan: &Plan, part: Part) -> Self {
        let people = People::new(mixed, plan);
        let person = |place| Person {
            sent: vec![0; people.kind(part.user(place)).ring.degree() as usize].into(),
            heard: (0..people.ring.degree()).map(|_| Track::default()).collect(),
            slot: place,
            saying: None,
            others: 0,
            unacked: VecDeque::new(),
            here_since_ns: 0,
            archive_since_ns: 0,
            asleep: false,
            leaving: false,
            away: false,
            gone: false,
            called: false,
        };
        let resumes = |behaviour: &plan::Behaviour| behaviour.resume_every_s > 0.0;
        Self {
            persons: part.places().map(person).collect(),
            people,
            wants: None,
            resumes: plan.session.resume || mixed.behaviours.iter().any(resumes),
            playing: false,
            away: 0,
            expected: 0,
            arrived: 0,
        }
    }

    fn wants<C: Client>(&mut self, stage: &Stage<C>) -> Wants {
        let wants = stage.wants();
        let resume = self.resumes;
        *self.wants.get_or_insert(Wants {
            acks: wants.acks || resume,
            resume,
            ..wants
        })
    }

    /// One of the things that happen again and again, which was due at `due_ns`.
    fn act<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, action: Action, due_ns: u64) {
        let user = stage.user(place);
        let kind = self.people.kind(user);
        if let Some(gap_ns) = kind.next_ns(action, stage.chance()) {
            stage.arm(due_ns + gap_ns, place, action as u32);
        }
        let person = &self.persons[place as usize];
        if !stage.is_ready(place) || person.leaving {
            // Who is away does nothing.
            return;
        }
        match action {
            Action::Message => self.begin_message(stage, place, due_ns),
            Action::OfflineMessage => self.write_to_absent(stage, place, due_ns),
            Action::Presence => self.change_presence(stage, place, due_ns),
            Action::Resume => self.break_off(stage, place),
            Action::Logout => self.leave(stage, place),
            Action::Sleep => self.sleep(stage, place),
        }
    }

    /// Typing first, if he types; then what he has to say.
    fn begin_message<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) {
        self.say(stage, place);
        let user = stage.user(place);
        let person = &mut self.persons[place as usize];
        let Some((slot, to)) = self.people.neighbour(user, person.slot) else {
            return;
        };
        person.slot = slot + 1;
        let kind = self.people.kind(user);
        let (left, typing_ns) = (kind.behaviour.burst, kind.ns(kind.behaviour.typing_s));
        let due_ns = due_ns + typing_ns;
        person.saying = Some(Saying { slot, to, left, due_ns });
        if typing_ns == 0 {
            return self.say(stage, place);
        }
        if stage.with(place, |client, common, out| client.typing(common, To::User(to), out)) {
            stage.count(Count::Typing, 1);
            self.said_else::<C>(place);
        }
        stage.arm(due_ns, place, KEY_SAY);
    }

    /// What he is about to say.
    fn say<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let kind = self.people.kind(stage.user(place));
        let body = kind.behaviour.body_bytes;
        while let Some(mut saying) = self.persons[place as usize].saying.filter(|_| stage.is_ready(place)) {
            let person = &mut self.persons[place as usize];
            let number = person.sent[saying.slot as usize];
            if !stage.send(place, To::User(saying.to), number, saying.due_ns, body.of(number)) {
                return stage.arm(stage.now_ns() + RETRY_NS, place, KEY_SAY);
            }
            person.sent[saying.slot as usize] += 1;
            saying.left -= 1;
            person.saying = Some(saying).filter(|saying| saying.left > 0);
            self.expected += 1;
            self.said(place, Some((saying.slot, number)));
            if saying.left == 0 && self.resumes {
                stage.with(place, |client, _, out| client.ask_ack(out));
            }
        }
    }

    /// Something went out that is no message: some servers acknowledge that, too.
    fn said_else<C: Client>(&mut self, place: Place) {
        if C::ACKS_ALL {
            self.said(place, None);
        }
    }

    /// A message or the like went out; the server will acknowledge it, if it does that.
    fn said(&mut self, place: Place, message: Option<(u32, u32)>) {
        if self.resumes {
            let unacked = &mut self.persons[place as usize].unacked;
            if unacked.len() >= UNACKED_MAX {
                unacked.pop_front();
            }
            unacked.push_back(message);
        }
    }

    fn write_to_absent<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) {
        let Some(to) = self.people.somebody_absent(stage.chance()) else {
            return;
        };
        let body = self.people.kind(stage.user(place)).behaviour.offline_body_bytes;
        let number = self.other(place);
        if stage.send(place, To::User(to), number, due_ns, body.of(number)) {
            self.said(place, None);
        }
    }

    fn change_presence<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, due_ns: u64) {
        let number = self.other(place);
        let mark = stage.mark(place, number, due_ns, plan::BODY_BYTES_MIN);
        if stage.presence(place, Presence::Status(mark)) {
            self.said_else::<C>(place);
        }
    }

    fn other(&mut self, place: Place) -> u32 {
        let person = &mut self.persons[place as usize];
        person.others += 1;
        person.others - 1
    }

    fn sleep<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        if !stage.plan().session.client_state || self.persons[place as usize].asleep {
            return;
        }
        let kind = self.people.kind(stage.user(place));
        let wake_ns = stage.now_ns() + kind.ns(kind.behaviour.sleep_s);
        self.persons[place as usize].asleep = stage.with(place, |client, _, out| client.active(false, out));
        stage.arm(wake_ns, place, KEY_WAKE);
    }

    fn wake<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        if stage.is_ready(place) && std::mem::take(&mut self.persons[place as usize].asleep) {
            stage.with(place, |client, _, out| client.active(true, out));
        }
    }

    /// The network goes; he comes back after a while, and resumes.
    fn break_off<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        if self.resumes {
            self.goes(stage, place);
            stage.cut(place, true);
        }
    }

    /// What is on its way to him arrives before the answer to the ping.
    fn leave<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        stage.presence(place, Presence::Unavailable);
        self.said_else::<C>(place);
        self.persons[place as usize].leaving = stage.with(place, |client, common, out| client.ping(common, out));
        self.said_else::<C>(place);
    }

    fn answered<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        stage.count(Count::Pings, 1);
        if std::mem::take(&mut self.persons[place as usize].leaving) {
            self.goes(stage, place);
            self.persons[place as usize].unacked.clear();
            stage.log_out(place);
        }
    }

    /// He goes, and is called back in time.
    fn goes<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let kind = self.people.kind(stage.user(place));
        let away_ns = if self.playing {
            kind.ns(kind.behaviour.away_s)
        } else {
            0
        };
        self.is_away(place);
        stage.arm(stage.now_ns() + away_ns, place, KEY_COME);
    }

    fn is_away(&mut self, place: Place) {
        let person = &mut self.persons[place as usize];
        self.away += u32::from(!person.away);
        (person.away, person.gone, person.called) = (true, false, false);
        (person.asleep, person.leaving) = (false, false);
    }

    fn come<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let wants = self.wants(stage);
        let person = &mut self.persons[place as usize];
        if !person.away {
            return;
        }
        person.called = true;
        if person.gone {
            (person.gone, person.called) = (false, false);
            stage.log_in(place, wants);
        }
    }

    fn is_here<C: Client>(&mut self, stage: &mut Stage<C>, place: Place) {
        let person = &mut self.persons[place as usize];
        person.here_since_ns = stage.now_ns();
        if std::mem::take(&mut person.away) {
            self.away -= 1;
        }
        self.say(stage, place);
    }

    /// What the server has not got is sent again.
    fn resumed<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, acked: u32) {
        let user = stage.user(place);
        self.acked(place, acked);
        let kind = self.people.kind(user);
        let (ring, body) = (kind.ring, kind.behaviour.body_bytes);
        let again = std::mem::take(&mut self.persons[place as usize].unacked);
        for (slot, number) in again.into_iter().flatten() {
            let to = To::User(ring.neighbour(user, slot));
            let now_ns = stage.now_ns();
            if stage.send(place, to, number, now_ns, body.of(number)) {
                self.said(place, Some((slot, number)));
            }
        }
        self.is_here(stage, place);
    }

    fn acked(&mut self, place: Place, stanzas: u32) {
        let unacked = &mut self.persons[place as usize].unacked;
        unacked.drain(..unacked.len().min(stanzas as usize));
    }

    fn receive<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let slot = self.people.ring.slot(stage.user(place), mark.sender);
        let person = &mut self.persons[place as usize];
        let Some(track) = slot.and_then(|slot| person.heard.get_mut(slot)) else {
            return stage.count(Count::Damaged, 1);
        };
        if !track.seen(u64::from(mark.number)) {
            return;
        }
        self.arrived += 1;
        stage.count(Count::MessagesReceived, 1);
        if mark.stamp_ns < person.here_since_ns || person.away {
            return stage.count(Count::Drained, 1);
        }
        let now_ns = stage.now_ns();
        stage.latency(Latency::Message, now_ns.saturating_sub(mark.stamp_ns));
        stage.latency(Latency::Service, now_ns.saturating_sub(mark.written_ns()));
    }

    fn hear_presence<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let person = &self.persons[place as usize];
        if mark.sender == stage.user(place) {
            return;
        }
        stage.count(Count::PresenceReceived, 1);
        // Who sleeps may hear of it later (XEP-0352).
        if !person.asleep && mark.stamp_ns >= person.here_since_ns {
            stage.latency(Latency::Presence, stage.now_ns().saturating_sub(mark.stamp_ns));
        }
    }
}

impl<C: Client> Play<C> for Mixed {
    fn begin(&mut self, stage: &mut Stage<C>) {
        let wants = self.wants(stage);
        for place in stage.part().places() {
            if !self.people.is_absent(stage.user(place)) {
                stage.log_in(place, wants);
            }
        }
    }

    fn ready(&mut self, stage: &mut Stage<C>, place: Place) {
        self.is_here(stage, place);
        let archive = self.people.kind(stage.user(place)).behaviour.archive;
        if archive > 0 && stage.with(place, |client, _, out| client.archive(archive, out)) {
            self.persons[place as usize].archive_since_ns = stage.now_ns();
            self.said_else::<C>(place);
        }
    }

    fn start(&mut self, stage: &mut Stage<C>, _: u32, at_ns: u64) {
        self.playing = true;
        stage.unpaced();
        for place in stage.part().places() {
            let user = stage.user(place);
            if self.people.is_absent(user) {
                continue;
            }
            let kind = self.people.kind(user);
            for action in Action::ALL {
                if let Some(first_ns) = kind.first_ns(action, stage.chance()) {
                    stage.arm(at_ns + first_ns, place, action as u32);
                }
            }
        }
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Message(mark) if stage.is_ours(mark) => self.receive(stage, place, mark),
            Event::Presence { mark: Some(mark), .. } if stage.is_ours(mark) => self.hear_presence(stage, place, mark),
            Event::Acked(stanzas) => {
                stage.count(Count::MessagesAcked, u64::from(stanzas));
                self.acked(place, stanzas);
            }
            Event::Resumed { acked } => self.resumed(stage, place, acked),
            Event::NotResumed => {
                stage.count(Count::ResumeFailed, 1);
                self.persons[place as usize].unacked.clear();
            }
            Event::Pong => self.answered(stage, place),
            Event::Archived => stage.count(Count::Archived, 1),
            Event::ArchiveEnd => {
                let since_ns = std::mem::take(&mut self.persons[place as usize].archive_since_ns);
                if since_ns > 0 {
                    stage.latency(Latency::Archive, stage.now_ns() - since_ns);
                }
            }
            Event::Damaged => stage.count(Count::Damaged, 1),
            Event::Bounced | Event::Refused => stage.count(Count::ErrorReplies, 1),
            _ => {}
        }
    }

    fn alarm(&mut self, stage: &mut Stage<C>, place: Place, key: u32) {
        match key {
            KEY_SAY => self.say(stage, place),
            KEY_WAKE => self.wake(stage, place),
            KEY_COME => self.come(stage, place),
            key => {
                let action = Action::ALL.get(key as usize).copied().filter(|_| self.playing);
                if let Some(action) = action {
                    let due_ns = stage.now_ns();
                    self.act(stage, place, action, due_ns);
                }
            }
        }
    }

    fn left(&mut self, stage: &mut Stage<C>, place: Place, wanted: bool) {
        if !wanted {
            if !self.playing && !self.persons[place as usize].away {
                // He never came.
                return;
            }
            self.is_away(place);
            stage.arm(stage.now_ns() + LOGIN_AGAIN_NS, place, KEY_COME);
        }
        let person = &mut self.persons[place as usize];
        person.gone = true;
        if person.called {
            self.come(stage, place);
        }
    }

    /// Those who are away come back for what waits for them.
    fn stop(&mut self, stage: &mut Stage<C>) {
        self.playing = false;
        for place in stage.part().places() {
            self.persons[place as usize].saying = None;
            self.come(stage, place);
            self.wake(stage, place);
        }
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for track in self.persons.iter().flat_map(|person| person.heard.iter()) {
            stage.count(Count::Duplicated, track.wrong().duplicated);
            stage.count(Count::Reordered, track.wrong().reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        (self.expected, self.arrived)
    }

    fn is_quiet(&self, _: &Stage<C>) -> bool {
        self.away == 0
    }
}
