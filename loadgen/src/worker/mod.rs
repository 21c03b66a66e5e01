//! A worker: one thread, one ring, its part of the users, and a play that says what they do.
//!
//! ```text
//!  readers (one a session) ─┐
//!  alarm ───────────────────┼──▶ Play (plain calls) ──▶ Stage ──work──▶ turn: connect, write, close; one write a session
//!  orders ──────────────────┘      event, alarm, ...
//! ```
//! The turn's task is woken by the first of the others that leaves something behind. The run queue is first in, first
//! out, so it runs after every reader that was ready, and everything that a session says because of it leaves in one
//! write.
//!
//! # How to write a play
//! Implement [`Play`](crate::play::Play); it is called with the worker's [`Stage`], and everything that it does goes
//! through that: `send`, `presence`, `with` for anything else that a [`Client`] can say, `arm` for timers, `log_in`,
//! `log_out`, `cut`, `stall`, `count`, `latency`. Sessions are known by their [`Place`], 0, 1, 2... within the worker;
//! `user` and `place` translate to the numbers that stand in addresses and marks. Add it to `play::run`, and to
//! [`Course::of`](crate::play::Course::of) what its acts are called, how long they last, what is counted, and how many
//! users that follow each other must have the same worker. Then:
//! - `begin` is called when logins may begin (by default all log in), `ready` for each session that did, `start` when an
//!   act begins, `stop` when nothing new is to be sent, `finish` at the very end. An act of a length of its own is over
//!   when `is_finished` says so on all workers.
//! - Number what you send 0, 1, 2... for each receiver's stream, give what arrives to a [`Track`](crate::track::Track),
//!   and let `balance` say how many deliveries there should be and are, at the end: the run waits for the two to become
//!   equal over all workers (so a sender may count what a receiver elsewhere has to confirm), and what is missing after
//!   that counts as lost. `finish` counts what the tracks found wrong. What came back with an error was not lost: it
//!   counts as an error reply, and for the balance as arrived. Leave alone what is not [`Stage::is_ours`]: an earlier run
//!   has left it on the server.
//! - Pace what is sent at a rate by [`Pace`](crate::play::Pace): it holds the times when something is due, and latency
//!   counts from those.
//!
//! Invariants: the stage is borrowed for a call and never across an `await`; no allocation per message in the steady
//! state (buffers come from a pool and go back); what the worker records is cut into slices at the same instants as in
//! every other worker.

mod chance;
mod orders;
mod part;
mod reader;
mod stage;
mod turn;

pub use chance::Chance;
pub use orders::{Desk, Line, Order, Report};
pub use part::{Part, Place};
pub use stage::Stage;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crosspoint_rt::{self as rt, Alarm, Doorbell, Notify};

use crate::net::{Scratch, Security};
use crate::plan::{Plan, Security as Encryption};
use crate::play::Play;
use crate::protocol::Client;
use crate::record::Count;

use stage::{KEY_PATIENCE, KEY_RAMP, State, Timer};

/// Length of a slice before the play begins.
const SLICE_NS: u64 = 1_000_000_000;
/// How often the balance is reported.
const BALANCE: Duration = Duration::from_millis(50);
/// No alarm is set for less: what is due meanwhile leaves together, and says in its mark how late it is.
const ALARM_NS_MIN: u64 = 20_000;
/// A login that takes longer has failed.
const LOGIN_NS_MAX: u64 = 60_000_000_000;
/// How often those acknowledge what they heard who say nothing that would: ICPP allows a second.
const PAY_NS: u64 = 500_000_000;
/// After so many of those it is seen to who has been silent for too long.
const PAYS_A_BEAT: u32 = 10;
/// How long that is.
const BEAT_S: u16 = 5;
/// How long goodbyes may take.
const GOODBYE: Duration = Duration::from_millis(200);

const KEY_START: u32 = u32::MAX - 2;
const KEY_STOP: u32 = u32::MAX - 3;
const KEY_SLICE: u32 = u32::MAX - 4;
const KEY_PAY: u32 = u32::MAX - 5;

/// A worker on its ring.
struct Worker<C: Client, P> {
    core: RefCell<Core<C, P>>,
    scratch: RefCell<Scratch>,
    /// The turn has something to do.
    work: Notify,
    alarm: Alarm,
    /// When the alarm rings.
    armed_ns: Cell<u64>,
    security: Security,
    direct_tls: bool,
    epoch_ns: u64,
    number: u32,
    reports: Sender<(u32, Report)>,
}

struct Core<C: Client, P> {
    stage: Stage<C>,
    play: P,
    phase: Phase,
    slice_ns: u64,
    /// Acts ordered; slices are cut in the rhythm of the last one that has begun.
    rhythm: u32,
    acts: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No order yet.
    Idle,
    LoggingIn,
    /// Everybody is there or has failed; the coordinator knows.
    LoggedIn,
    Playing,
    Stopped,
}

/// Runs a worker on this thread until it is ordered to end. Its last report is `Done` or `Failed`.
pub fn run<C: Client, P: Play<C>>(plan: Plan, part: Part, epoch_ns: u64, core: Option<usize>, play: P, desk: Desk) {
    let (number, reports) = (part.worker, desk.reports.clone());
    let config = rt::Config {
        core,
        ..rt::Config::default()
    };
    let outcome = rt::run(&config, work::<C, P>(plan, part, epoch_ns, play, desk));
    if let Err(error) = outcome.map_err(anyhow::Error::from).and_then(|worked| worked) {
        let _ = reports.send((number, Report::Failed(format!("{error:#}"))));
    }
}

async fn work<C: Client, P: Play<C>>(plan: Plan, part: Part, epoch_ns: u64, play: P, desk: Desk) -> anyhow::Result<()> {
    let plan = Rc::new(plan);
    let encryption = plan.target.security;
    // A number that the next run will not have: it changes every millisecond, and repeats every minute.
    let run = (epoch_ns >> 20) as u16;
    let worker = Rc::new(Worker {
        security: Security::of(&plan.target)?,
        direct_tls: encryption == Encryption::DirectTls,
        core: RefCell::new(Core {
            stage: Stage::new(plan, part, run, rt::monotonic_ns().saturating_sub(epoch_ns))?,
            play,
            phase: Phase::Idle,
            slice_ns: SLICE_NS,
            rhythm: 0,
            acts: Vec::new(),
        }),
        scratch: RefCell::new(Scratch::new()),
        work: Notify::new(),
        alarm: Alarm::new()?,
        armed_ns: Cell::new(u64::MAX),
        epoch_ns,
        number: part.worker,
        reports: desk.reports.clone(),
    });
    rt::spawn(turn::turns(worker.clone()));
    rt::spawn(alarms(worker.clone()));
    rt::spawn(balances(worker.clone()));
    let doorbell = desk.ringer.listen()?;
    worker.obey(&desk, &doorbell).await
}

/// Fires timers.
async fn alarms<C: Client, P: Play<C>>(worker: Rc<Worker<C, P>>) {
    while worker.alarm.rung().await.is_ok() {
        worker.armed_ns.set(u64::MAX);
        worker.enter(Core::fire);
    }
}

/// Tells how things stand, several times a second.
async fn balances<C: Client, P: Play<C>>(worker: Rc<Worker<C, P>>) {
    loop {
        rt::sleep(BALANCE).await;
        let report = worker.enter(|core, _| {
            let (expected, arrived) = core.play.balance();
            (core.phase >= Phase::Playing).then(|| Report::Balance {
                expected,
                arrived,
                quiet: core.play.is_quiet(&core.stage),
                finished: core.play.is_finished(&core.stage),
            })
        });
        if let Some(report) = report {
            worker.report(report);
        }
    }
}

impl<C: Client, P: Play<C>> Worker<C, P> {
    /// Calls into the core at the time that it is now, and sees to what that leaves behind.
    fn enter<R>(&self, call: impl FnOnce(&mut Core<C, P>, &Self) -> R) -> R {
        let mut core = self.core.borrow_mut();
        core.stage.now_ns = self.now_ns();
        let result = call(&mut core, self);
        self.after(&mut core);
        result
    }

    /// The turn runs if there is something for it to do, and the alarm rings for the first timer.
    fn after(&self, core: &mut Core<C, P>) {
        if core.phase == Phase::LoggingIn && core.stage.ramp.waiting.is_empty() && core.stage.ramp.under_way == 0 {
            core.phase = Phase::LoggedIn;
            self.report_logins(core);
        }
        if let Some(why) = core.stage.given_up.take() {
            self.report(Report::Failed(why));
        }
        if core.stage.has_work() {
            self.work.notify();
        }
        let Some(Reverse(first)) = core.stage.timers.peek() else {
            return;
        };
        if first.at_ns < self.armed_ns.get() {
            self.armed_ns.set(first.at_ns);
            let delay_ns = first.at_ns.saturating_sub(core.stage.now_ns).max(ALARM_NS_MIN);
            // It cannot fail for a delay in range.
            let _ = self.alarm.set(Duration::from_nanos(delay_ns));
        }
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        rt::monotonic_ns().saturating_sub(self.epoch_ns)
    }

    fn report(&self, report: Report) {
        // Nobody listens any more: the process is about to end.
        let _ = self.reports.send((self.number, report));
    }

    fn report_logins(&self, core: &Core<C, P>) {
        self.report(Report::LoggedIn {
            ok: core.stage.ready,
            failed: core.stage.failed,
            trouble: core.stage.trouble.clone(),
        });
    }

    /// Carries out orders until the end.
    async fn obey(self: &Rc<Self>, desk: &Desk, doorbell: &Doorbell) -> anyhow::Result<()> {
        loop {
            doorbell.rung().await?;
            let orders = desk.orders.lock().map(|mut orders| std::mem::take(&mut *orders));
            for order in orders.unwrap_or_default() {
                if order == Order::End {
                    return self.end().await;
                }
                self.enter(|core, _| core.order(order));
            }
        }
    }

    async fn end(&self) -> anyhow::Result<()> {
        self.enter(|core, _| {
            core.play.finish(&mut core.stage);
            for place in core.stage.part.places() {
                core.stage.log_out(place);
            }
        });
        rt::sleep(GOODBYE).await;
        let done = self.enter(|core, worker| {
            core.cut(worker);
            let (expected, arrived) = core.play.balance();
            Report::Done {
                expected,
                arrived,
                trouble: core.stage.trouble.clone(),
            }
        });
        self.report(done);
        Ok(())
    }
}

impl<C: Client, P: Play<C>> Core<C, P> {
    fn order(&mut self, order: Order) {
        let now_ns = self.stage.now_ns;
        match order {
            Order::LogIn { at_ns } => {
                self.phase = Phase::LoggingIn;
                self.stage.ramp.next_ns = now_ns;
                self.play.begin(&mut self.stage);
                self.wake(at_ns + SLICE_NS, 0, KEY_SLICE);
                self.wake(now_ns + PAY_NS, 1, KEY_PAY);
            }
            Order::Start { act, at_ns, slice_ns } => {
                self.slice_ns = slice_ns;
                self.acts.push(act);
                self.wake(at_ns, self.acts.len() as u32, KEY_START);
            }
            Order::Rate { per_s } => self.play.rate(&mut self.stage, per_s),
            Order::Stop { at_ns } => self.wake(at_ns, 0, KEY_STOP),
            Order::End => {}
        }
    }

    /// A timer of the worker's own; `rhythm` stands where plays have a place.
    fn wake(&mut self, at_ns: u64, rhythm: u32, key: u32) {
        let place = rhythm;
        self.stage.timers.push(Reverse(Timer { at_ns, place, key }));
    }

    /// Everything that is due by now.
    fn fire(&mut self, worker: &Worker<C, P>) {
        let now_ns = self.stage.now_ns;
        while let Some(Reverse(timer)) = self.stage.timers.peek().copied()
            && timer.at_ns <= now_ns
        {
            self.stage.timers.pop();
            match timer.key {
                KEY_RAMP => {}
                KEY_PATIENCE => self.lose_patience(timer.place, worker),
                KEY_START => self.begin_act(timer, worker),
                KEY_STOP => {
                    self.phase = Phase::Stopped;
                    self.play.stop(&mut self.stage);
                }
                // Of an earlier rhythm: nothing.
                KEY_SLICE if timer.place == self.rhythm => {
                    self.cut(worker);
                    self.wake(timer.at_ns + self.slice_ns, self.rhythm, KEY_SLICE);
                }
                KEY_SLICE => {}
                KEY_PAY => self.pay(timer),
                key => self.play.alarm(&mut self.stage, timer.place, key),
            }
        }
    }

    /// All workers cut here, and in the same rhythm from here on.
    fn begin_act(&mut self, timer: Timer, worker: &Worker<C, P>) {
        self.cut(worker);
        (self.phase, self.rhythm) = (Phase::Playing, timer.place);
        self.wake(timer.at_ns + self.slice_ns, self.rhythm, KEY_SLICE);
        let act = self.acts.get(timer.place as usize - 1).copied().unwrap_or_default();
        self.play.start(&mut self.stage, act, timer.at_ns);
    }

    /// What is owed is paid, and who is silent says something; `place` counts.
    fn pay(&mut self, timer: Timer) {
        self.stage.pay();
        if timer.place.is_multiple_of(PAYS_A_BEAT) {
            self.stage.beat(BEAT_S);
        }
        self.wake(self.stage.now_ns + PAY_NS, timer.place.wrapping_add(1), KEY_PAY);
    }

    fn cut(&mut self, worker: &Worker<C, P>) {
        let slice = self.stage.recorder.cut(self.stage.now_ns);
        worker.report(Report::Slice(Box::new(slice)));
    }

    /// A login takes too long. (The timer of one that is over finds nothing to do.)
    fn lose_patience(&mut self, place: Place, worker: &Worker<C, P>) {
        let session = &self.stage.sessions[place as usize];
        let late = matches!(session.state, State::Connecting | State::LoggingIn)
            && session.began_ns + LOGIN_NS_MAX <= self.stage.now_ns;
        if late {
            self.stage.count(Count::TimeoutErrors, 1);
            let user = self.stage.user(place);
            self.stage
                .trouble(|| format!("user {user} was not logged in after {} s", LOGIN_NS_MAX / 1_000_000_000));
            reader::gone(self, place, worker);
        }
    }
}
