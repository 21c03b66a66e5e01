//! All workers of a run, in threads of this process or in processes of their own: started, kept in step, heard, ended.
//!
//! ```text
//!            orders                                   slices, balances
//! Fleet ──▶ Line ──▶ worker (thread) ────────────────────────────▶ Fleet ──▶ Builder ──▶ Run
//!      └──▶ Line ──▶ pipe ──▶ process ──▶ Line ──▶ worker (thread) ──▶ pipe ──┘
//! ```
//! A run: everybody logs in; acts begin at the same instant everywhere; nothing new is sent after the last one, and what
//! is under way may arrive; then the balance of all workers says what was lost.
//!
//! Invariants: a slice of the run is the sum of one slice of every worker, cut at the same instants; what a worker
//! reports is counted once; a worker that fails, or a process that dies, fails the run.

mod child;
mod conduct;
mod crew;

pub use child::main as child_main;
pub use conduct::{Outcome, conduct};
pub use crew::Crew;

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use crosspoint_rt as rt;

use crate::plan::Plan;
use crate::play::Course;
use crate::record::Slice;
use crate::worker::{Order, Part, Report};

/// How far ahead of a common instant an order is given.
const AHEAD_NS: u64 = 100_000_000;
/// Longest wait for goodbyes.
const END_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub struct Fleet {
    crew: Crew,
    reports: Receiver<(u32, Report)>,
    workers: Vec<Worker>,
    epoch_ns: u64,
    /// When the present act begins, everywhere.
    act_ns: u64,
}

/// What is known of a worker.
#[derive(Default)]
struct Worker {
    slices: VecDeque<Slice>,
    logged_in: Option<(u32, u32)>,
    expected: u64,
    arrived: u64,
    quiet: bool,
    finished: bool,
    /// What `finished` and the balance are of: they must be newer than the last order.
    balances: u64,
    done: bool,
    trouble: Option<String>,
}

/// How many deliveries there should be, and are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub expected: u64,
    pub arrived: u64,
    /// Nothing else is under way.
    pub quiet: bool,
}

/// How the logins went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    pub ok: u32,
    pub failed: u32,
}

impl Fleet {
    /// Starts all workers of a plan. They wait for orders.
    ///
    /// # Errors
    /// A thread or process cannot be started, or the plan needs more open files than a process may have.
    pub fn start(plan: &Plan) -> Result<Self> {
        let course = Course::of(plan);
        let (processes, threads) = match course.alone {
            true => (1, 1),
            false => (plan.load.processes.max(1), threads(plan)),
        };
        let parts = Part::divide(plan.users.first, plan.users.count, course.group, processes * threads);
        check_open_files(&parts, threads)?;
        let (sender, reports) = channel();
        let epoch_ns = rt::monotonic_ns();
        let mut workers = Vec::new();
        workers.resize_with(parts.len(), Worker::default);
        let crew = match processes {
            1 => Crew::threads(plan, &parts, epoch_ns, &sender)?,
            _ => Crew::processes(plan, &parts, threads, epoch_ns, &sender)?,
        };
        Ok(Self {
            crew,
            reports,
            workers,
            epoch_ns,
            act_ns: 0,
        })
    }

    /// Nanoseconds of the run's clock.
    pub fn now_ns(&self) -> u64 {
        rt::monotonic_ns().saturating_sub(self.epoch_ns)
    }

    /// Everybody logs in.
    pub fn log_in(&mut self) {
        let at_ns = self.now_ns();
        self.crew.order(Order::LogIn { at_ns });
    }

    /// How the logins went, when all are over.
    pub fn logged_in(&self) -> Option<Logins> {
        let mut all = Logins::default();
        for worker in &self.workers {
            let (ok, failed) = worker.logged_in?;
            all.ok += ok;
            all.failed += failed;
        }
        Some(all)
    }

    /// An act begins everywhere at once; gives when.
    pub fn begin(&mut self, act: u32, slice_ns: u64) -> u64 {
        let at_ns = self.now_ns() + AHEAD_NS;
        self.act_ns = at_ns;
        for worker in &mut self.workers {
            (worker.finished, worker.balances) = (false, 0);
        }
        self.crew.order(Order::Start { act, at_ns, slice_ns });
        at_ns
    }

    /// How many workers there are, each with a thread of its own.
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    /// Another rate, for all workers together.
    pub fn rate(&mut self, per_s: f64) {
        self.crew.order(Order::Rate { per_s });
    }

    /// Nothing new is sent from `at_ns` on.
    pub fn stop(&mut self, at_ns: u64) {
        self.crew.order(Order::Stop { at_ns });
    }

    /// The next slice of all workers together; waits until `until` at most.
    ///
    /// # Errors
    /// A worker has failed.
    pub fn slice(&mut self, until: Instant) -> Result<Option<Slice>> {
        while !self.workers.iter().all(|worker| !worker.slices.is_empty()) {
            if !self.hear(until)? {
                return Ok(None);
            }
        }
        Ok(sum(self
            .workers
            .iter_mut()
            .filter_map(|worker| worker.slices.pop_front())))
    }

    /// Whether every worker's play has come to the end of its act.
    pub fn is_finished(&self) -> bool {
        // The first report after an order may have been under way when it was given.
        self.workers.iter().all(|worker| worker.finished && worker.balances > 1)
    }

    /// Forgets what was reported before now: the next balance is newer than the last order.
    pub fn ask_balance(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.balances = 0);
    }

    /// How many deliveries there should be, and are, over all workers; `None` until all have reported anew.
    pub fn balance(&self) -> Option<Balance> {
        let known = self.workers.iter().all(|worker| worker.balances > 1 || worker.done);
        known.then(|| Balance {
            expected: self.workers.iter().map(|worker| worker.expected).sum(),
            arrived: self.workers.iter().map(|worker| worker.arrived).sum(),
            quiet: self.workers.iter().all(|worker| worker.quiet),
        })
    }

    /// The first reason that a worker gave for something that went wrong.
    pub fn trouble(&self) -> Option<&str> {
        self.workers.iter().find_map(|worker| worker.trouble.as_deref())
    }

    /// Says goodbye everywhere; gives the rest of what was recorded, and the last balance.
    ///
    /// # Errors
    /// A worker has failed, or does not end.
    pub fn end(&mut self) -> Result<(Option<Slice>, Balance)> {
        self.crew.order(Order::End);
        let until = Instant::now() + END_MAX;
        while !self.workers.iter().all(|worker| worker.done) {
            if !self.hear(until)? {
                bail!("a worker did not end within {} s", END_MAX.as_secs());
            }
        }
        self.crew.wait();
        let rest = sum(self.workers.iter_mut().flat_map(|worker| worker.slices.drain(..)));
        Ok((rest, self.balance().unwrap_or_default()))
    }

    /// Takes one report; false if none came until then.
    fn hear(&mut self, until: Instant) -> Result<bool> {
        let wait = until.saturating_duration_since(Instant::now());
        let (number, report) = match self.reports.recv_timeout(wait) {
            Ok(report) => report,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("all workers are gone"),
        };
        // What a play says of its act before that has begun is said of the one before.
        let begun = self.now_ns() > self.act_ns;
        let Some(worker) = self.workers.get_mut(number as usize) else {
            bail!("a report from worker {number}, which there is not");
        };
        match report {
            Report::LoggedIn { ok, failed, trouble } => {
                worker.logged_in = Some((ok, failed));
                worker.trouble = trouble.or(worker.trouble.take());
            }
            Report::Slice(slice) => worker.slices.push_back(*slice),
            Report::Balance {
                expected,
                arrived,
                quiet,
                finished,
            } => {
                (worker.expected, worker.arrived) = (expected, arrived);
                (worker.quiet, worker.finished) = (quiet, finished && begun);
                worker.balances += u64::from(begun);
            }
            Report::Done {
                expected,
                arrived,
                trouble,
            } => {
                (worker.expected, worker.arrived, worker.done) = (expected, arrived, true);
                worker.trouble = trouble.or(worker.trouble.take());
            }
            Report::Failed(why) => bail!("worker {number}: {why}"),
        }
        Ok(true)
    }
}

fn sum(slices: impl Iterator<Item = Slice>) -> Option<Slice> {
    slices.reduce(|mut all, slice| {
        all.merge(&slice);
        all
    })
}

/// Threads of each process: as many as the plan says, or one a core that it names.
fn threads(plan: &Plan) -> u32 {
    match plan.load.threads {
        0 => (plan.load.cores.len() as u32 / plan.load.processes.max(1)).max(1),
        threads => threads,
    }
}

/// Beside connections: rings, timers, pipes, files.
const OTHER_FILES: u64 = 64;

fn check_open_files(parts: &[Part], threads: u32) -> Result<()> {
    let limit = rt::raise_fd_limit()?;
    let most = parts
        .chunks(threads as usize)
        .map(|process| process.iter().map(|part| u64::from(part.count)).sum::<u64>())
        .max();
    let most = most.unwrap_or_default();
    if most + OTHER_FILES > limit.soft {
        let processes = (most * parts.len() as u64 / u64::from(threads)).div_ceil(limit.soft - OTHER_FILES);
        bail!(
            "{most} connections are too many for one process, which may open {} files: use --processes {processes}, or \
             raise the limit (ulimit -n)",
            limit.soft
        );
    }
    Ok(())
}
