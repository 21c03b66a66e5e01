//! What a play acts on: the sessions of one worker, what they say, when they are woken, and what is recorded.
//!
//! Invariants: everything here only enqueues; bytes leave, connections open and close at the end of the turn. Memory is
//! bounded: an outbox by [`OUTBOX_BYTES_MAX`], timers by what the play arms (a few for each session).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::net::Link;
use crate::plan::{Plan, Scenario};
use crate::protocol::{Client, Mark, Presence, To, Wants};
use crate::record::{Count, Latency, Recorder};

use super::chance::Chance;
use super::{Part, Place};

/// Beyond it a session takes no more messages until its socket has taken some: the server does not read.
const OUTBOX_BYTES_MAX: usize = 4 << 20;
/// Buffers that wait for their next use.
const POOL_MAX: usize = 1024;
/// A buffer that has grown beyond this is not kept.
const POOL_BYTES_MAX: usize = 256 << 10;

/// See the module.
pub struct Stage<C: Client> {
    pub(super) plan: Rc<Plan>,
    pub(super) part: Part,
    pub(super) common: C::Common,
    pub(super) sessions: Vec<Session<C>>,
    pub(super) recorder: Recorder,
    pub(super) now_ns: u64,
    run: u16,
    pub(super) timers: BinaryHeap<Reverse<Timer>>,
    pub(super) chance: Chance,
    pub(super) turn: Turn,
    pub(super) ramp: Ramp,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) sources: Vec<IpAddr>,
    pub(super) trouble: Option<String>,
    pub(super) given_up: Option<String>,
    pub(super) ready: u32,
    pub(super) failed: u32,
    pool: Vec<Vec<u8>>,
}

/// What the next turn has to do.
#[derive(Default)]
pub(super) struct Turn {
    /// Sessions with something to write.
    pub(super) dirty: Vec<Place>,
    /// Sessions to connect.
    pub(super) starting: Vec<Place>,
    /// Links to close behind what they have to write.
    pub(super) leaving: Vec<Place>,
    /// Sessions that have something to acknowledge before long.
    pub(super) owing: Vec<Place>,
}

/// Logins that wait, and those under way.
#[derive(Default)]
pub(super) struct Ramp {
    pub(super) waiting: VecDeque<Place>,
    pub(super) under_way: u32,
    pub(super) concurrency: u32,
    /// Between the beginnings of two logins; 0: no pace.
    pub(super) gap_ns: u64,
    pub(super) next_ns: u64,
}

/// When to call the play: `place` and `key` are its own business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at_ns: u64,
    pub(super) place: Place,
    pub(super) key: u32,
}

/// The keys of the worker's own timers; a play's keys are below them.
pub(super) const KEY_RAMP: u32 = u32::MAX;
pub(super) const KEY_PATIENCE: u32 = u32::MAX - 1;
/// A play's timers have keys up to this.
pub const KEY_MAX: u32 = u32::MAX - 16;

/// One user's session.
pub(super) struct Session<C> {
    pub(super) client: C,
    pub(super) link: Option<Rc<Link>>,
    pub(super) outbox: Vec<u8>,
    /// The beginning of a frame that has not arrived in full.
    pub(super) inbox: Vec<u8>,
    pub(super) state: State,
    /// Counts connections, so that what belongs to an earlier one is known.
    pub(super) life: u32,
    /// When the connection was begun, and when it stood.
    pub(super) began_ns: u64,
    pub(super) dirty: bool,
    /// It is among those that owe.
    pub(super) owing: bool,
    pub(super) wants: Wants,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    /// Waits for its turn to log in.
    Waiting,
    Connecting,
    LoggingIn,
    Ready,
    /// We are closing it.
    Leaving,
}

impl<C: Client> Stage<C> {
    pub(super) fn new(plan: Rc<Plan>, part: Part, run: u16, now_ns: u64) -> anyhow::Result<Self> {
        let common = C::common(&plan)?;
        let wants = Wants::from(&plan.session);
        let sessions = part
            .places()
            .map(|place| Session::new(C::new(part.user(place), &common), wants))
            .collect();
        let workers = f64::from(part.workers);
        let gap_ns = match plan.load.logins_per_s {
            rate if rate > 0.0 => (1e9 * workers / rate) as u64,
            _ => 0,
        };
        let concurrency = match plan.scenario {
            // The relay joins connections two by two in the order in which they come.
            Scenario::Floor(_) => 1,
            _ => (plan.load.concurrency / part.workers).max(1),
        };
        let ramp = Ramp {
            concurrency,
            gap_ns,
            ..Ramp::default()
        };
        Ok(Self {
            addresses: plan.target.socket_addrs().map_err(anyhow::Error::msg)?,
            sources: plan.target.source_addrs().map_err(anyhow::Error::msg)?,
            chance: Chance::new(plan.load.seed.wrapping_add(u64::from(part.worker) << 32)),
            plan,
            part,
            common,
            sessions,
            recorder: Recorder::new(now_ns),
            now_ns,
            run,
            timers: BinaryHeap::new(),
            turn: Turn::default(),
            ramp,
            trouble: None,
            given_up: None,
            ready: 0,
            failed: 0,
            pool: Vec::new(),
        })
    }

    /// The scenario.
    pub fn plan(&self) -> &Rc<Plan> {
        &self.plan
    }

    /// Which of the users are this worker's.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The worker's sessions, logged in or not; their places are 0, 1, 2...
    pub fn len(&self) -> u32 {
        self.sessions.len() as u32
    }

    /// The number of the user at a place.
    pub fn user(&self, place: Place) -> u32 {
        self.part.user(place)
    }

    /// What the plan says that a session asks for.
    pub fn wants(&self) -> Wants {
        Wants::from(&self.plan.session)
    }

    /// This worker's share of what all workers do together.
    pub fn share(&self) -> f64 {
        f64::from(self.part.count) / f64::from(self.plan.users.count.max(1))
    }

    /// A session that will be idle frees what only a busy one needs.
    pub fn rest(&mut self, place: Place) {
        let session = &mut self.sessions[place as usize];
        session.client.rest();
        if session.inbox.is_empty() {
            session.inbox = Vec::new();
        }
    }

    /// Nanoseconds since the run's epoch, taken when the event came that is being handled.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Whether a message is of this run; an earlier one may have left some on the server.
    #[inline]
    pub fn is_ours(&self, mark: Mark) -> bool {
        mark.run == self.run
    }

    pub fn is_ready(&self, place: Place) -> bool {
        self.sessions[place as usize].state == State::Ready
    }

    /// Numbers drawn by lot, from the plan's seed and the worker's number.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    #[inline]
    pub fn count(&mut self, count: Count, times: u64) {
        self.recorder.add(count, times);
    }

    #[inline]
    pub fn latency(&mut self, latency: Latency, ns: u64) {
        self.recorder.latency_ns(latency, ns);
    }

    /// Sends message `number` of the user at `place`, which was due at `due_ns`. False, and nothing is sent, if the
    /// session is not ready or takes no more for now; that is counted as stalled, and the caller has to try again.
    #[inline]
    pub fn send(&mut self, place: Place, to: To, number: u32, due_ns: u64, bytes: usize) -> bool {
        let mark = Mark::new(self.run, self.part.user(place), number, due_ns, self.now_ns, bytes);
        if !self.sessions[place as usize].client.may_send() {
            self.recorder.add(Count::Stalled, 1);
            return false;
        }
        let Some((client, common, outbox)) = self.say(place) else {
            return false;
        };
        client.message(common, to, mark, outbox);
        let sent = if matches!(to, To::Room(_)) {
            Count::RoomSent
        } else {
            Count::MessagesSent
        };
        self.recorder.add(sent, 1);
        true
    }

    /// Whether [`Stage::send`] would send now. Asking counts nothing, so that who tries again and again is stalled once.
    pub fn takes(&self, place: Place) -> bool {
        let session = &self.sessions[place as usize];
        session.state == State::Ready && session.outbox.len() <= OUTBOX_BYTES_MAX && session.client.may_send()
    }

    /// As [`Stage::send`], a presence.
    pub fn presence(&mut self, place: Place, presence: Presence) -> bool {
        let Some((client, common, outbox)) = self.say(place) else {
            return false;
        };
        client.presence(common, presence, outbox);
        self.recorder.add(Count::PresenceSent, 1);
        true
    }

    /// The mark of a presence status or the like, stamped as [`Stage::send`] does.
    pub fn mark(&self, place: Place, number: u32, due_ns: u64, bytes: usize) -> Mark {
        Mark::new(self.run, self.part.user(place), number, due_ns, self.now_ns, bytes)
    }

    /// Says anything else: `stage.with(place, |client, common, out| client.join(common, 7, out))`. False if the session is
    /// not ready or takes no more for now.
    pub fn with(&mut self, place: Place, say: impl FnOnce(&mut C, &C::Common, &mut Vec<u8>)) -> bool {
        let Some((client, common, outbox)) = self.say(place) else {
            return false;
        };
        say(client, common, outbox);
        true
    }

    /// Wakes the play at a time: `alarm(place, key)`, at once if it has passed. `key` is at most [`KEY_MAX`].
    pub fn arm(&mut self, at_ns: u64, place: Place, key: u32) {
        debug_assert!(key <= KEY_MAX);
        self.timers.push(Reverse(Timer { at_ns, place, key }));
    }

    /// Logs a user in, when his turn has come by the plan's pace and concurrency.
    pub fn log_in(&mut self, place: Place, wants: Wants) {
        let session = &mut self.sessions[place as usize];
        if session.state != State::Absent {
            return;
        }
        (session.state, session.wants) = (State::Waiting, wants);
        self.ramp.waiting.push_back(place);
    }

    /// From now on who is to log in does so as soon as `concurrency` allows: the plan's pace was for the first logins, and
    /// the play has one of its own.
    pub fn unpaced(&mut self) {
        self.ramp.gap_ns = 0;
    }

    /// Says goodbye, and closes.
    pub fn log_out(&mut self, place: Place) {
        if self.sessions[place as usize].state != State::Ready {
            return;
        }
        if let Some((client, _, outbox)) = self.say(place) {
            client.close(outbox);
        }
        self.ready -= 1;
        let session = &mut self.sessions[place as usize];
        session.state = State::Leaving;
        session.client.disconnected(false);
        self.turn.leaving.push(place);
    }

    /// Cuts the connection without a word, as a network does. With `resume` the next login tries to go on.
    pub fn cut(&mut self, place: Place, resume: bool) {
        let session = &mut self.sessions[place as usize];
        if session.state != State::Ready {
            return;
        }
        self.ready -= 1;
        session.state = State::Leaving;
        session.client.disconnected(resume);
        session.outbox.clear();
        if let Some(link) = &session.link {
            link.cut();
        }
    }

    /// Stops reading what a session gets.
    pub fn stall(&mut self, place: Place) {
        if let Some(link) = &self.sessions[place as usize].link {
            link.pause();
        }
    }

    /// Reads it again, all that waits.
    pub fn unstall(&mut self, place: Place) {
        if let Some(link) = &self.sessions[place as usize].link {
            link.resume();
        }
    }

    /// Bytes that wait for a session's socket.
    pub fn backlog_bytes(&self, place: Place) -> usize {
        self.sessions[place as usize].outbox.len()
    }

    /// The server lacks what the scenario needs: the run ends, and says so.
    pub fn give_up(&mut self, why: String) {
        self.given_up.get_or_insert(why);
    }

    /// Notes why something went wrong; the first reason is shown with the verdict.
    pub fn trouble(&mut self, why: impl FnOnce() -> String) {
        self.trouble.get_or_insert_with(why);
    }

    /// A ready session's client and its outbox, which is written at the end of the turn.
    #[inline]
    fn say(&mut self, place: Place) -> Option<(&mut C, &C::Common, &mut Vec<u8>)> {
        let session = &mut self.sessions[place as usize];
        if session.state != State::Ready || session.outbox.len() > OUTBOX_BYTES_MAX {
            self.recorder.add(Count::Stalled, 1);
            return None;
        }
        if !session.dirty {
            session.dirty = true;
            self.turn.dirty.push(place);
            if session.outbox.capacity() == 0 {
                session.outbox = self.pool.pop().unwrap_or_default();
            }
        }
        Some((&mut session.client, &self.common, &mut session.outbox))
    }

    /// The session has something to write, or its TLS has.
    pub(super) fn touch(&mut self, place: Place) {
        let session = &mut self.sessions[place as usize];
        if !session.dirty {
            session.dirty = true;
            self.turn.dirty.push(place);
        }
    }

    /// A session has heard all that had arrived: what is acknowledged by nothing else will be.
    #[inline]
    pub(super) fn heard(&mut self, place: Place) {
        let session = &mut self.sessions[place as usize];
        if !session.owing && session.client.owes() {
            session.owing = true;
            self.turn.owing.push(place);
        }
    }

    /// Those who owe an acknowledgement pay it.
    pub(super) fn pay(&mut self) {
        let mut owing = std::mem::take(&mut self.turn.owing);
        for place in owing.drain(..) {
            self.sessions[place as usize].owing = false;
            if self.is_ready(place) && self.sessions[place as usize].client.owes() {
                self.with(place, |client, _, out| client.pay(out));
            }
        }
        self.turn.owing = owing;
    }

    /// So many seconds have passed: whoever has been silent for too long says something.
    pub(super) fn beat(&mut self, seconds: u16) {
        for place in self.part.places() {
            if self.is_ready(place) && self.sessions[place as usize].client.is_silent(seconds) {
                self.with(place, |client, _, out| client.pay(out));
            }
        }
    }

    /// An outbox or inbox that is empty goes back.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.pool.len() < POOL_MAX && (1..=POOL_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.pool.push(buffer);
        }
    }

    /// An empty buffer.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_default()
    }

    /// Something waits for the end of the turn.
    pub(super) fn has_work(&self) -> bool {
        let turn = &self.turn;
        !(turn.dirty.is_empty() && turn.starting.is_empty() && turn.leaving.is_empty()) || self.ramp.may_go(self.now_ns)
    }
}

impl Ramp {
    /// Whether a login may begin now.
    pub(super) fn may_go(&self, now_ns: u64) -> bool {
        !self.waiting.is_empty() && self.under_way < self.concurrency && (self.gap_ns == 0 || self.next_ns <= now_ns)
    }
}

impl<C> Session<C> {
    fn new(client: C, wants: Wants) -> Self {
        Self {
            client,
            link: None,
            outbox: Vec::new(),
            inbox: Vec::new(),
            state: State::Absent,
            life: 0,
            began_ns: 0,
            dirty: false,
            owing: false,
            wants,
        }
    }
}
