//! The course of a run, from the first login to the verdict.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Balance, Fleet, Logins};
use crate::plan::{Plan, Protocol, Security};
use crate::play::{Act, Course, Length};
use crate::progress::{self, Progress};
use crate::record::{Count, Slice};
use crate::result::{About, Builder, Ending, Limits, Run, Target, latency_of};
use crate::sample::Watch;
use crate::search::{Measured, Search};

const SECOND_NS: u64 = 1_000_000_000;
/// Runs shorter than this are cut into shorter slices.
const SHORT_S: f64 = 2.0;
const SHORT_SLICE_NS: u64 = 100_000_000;
/// How long a slice may be overdue before something is wrong with a worker.
const OVERDUE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(50);

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub run: Run,
    /// Nobody could log in: the server cannot be reached, or wants nothing of us.
    pub shut_out: bool,
}

/// A run under way.
struct Conductor<'a> {
    plan: &'a Plan,
    fleet: Fleet,
    watch: Watch,
    builder: Builder,
    progress: &'a mut Progress,
    reasons: Vec<String>,
    whole: Slice,
    search: Option<Search>,
}

/// Carries a plan out.
///
/// # Errors
/// The run could not begin, or a worker failed: there is no result.
pub fn conduct(plan: &Plan, command: String, progress: &mut Progress) -> Result<Outcome> {
    let mut watch = Watch::start(
        &plan.watch.server_pids,
        plan.watch.metrics_url.as_deref(),
        Instant::now(),
    )?;
    let fleet = Fleet::start(plan)?;
    let builder = Builder::new(about(plan, command), watch.read_exactly(fleet.now_ns()));
    let mut conductor = Conductor {
        plan,
        fleet,
        watch,
        builder,
        progress,
        reasons: Vec::new(),
        whole: Slice::empty(0, 0),
        search: None,
    };
    let course = Course::of(plan);
    let logins = conductor.log_in(&course)?;
    let shut_out = logins.ok == 0 && logins.failed > 0;
    if !shut_out {
        conductor.play(&course)?;
    }
    let run = conductor.finish()?;
    Ok(Outcome { run, shut_out })
}

fn about(plan: &Plan, command: String) -> About {
    About {
        name: plan.name.clone(),
        about: plan.about.clone(),
        command,
        target: Target {
            addresses: plan.target.addresses.clone(),
            domain: plan.target.domain.clone(),
            protocol: match plan.target.protocol {
                Protocol::Xmpp => "xmpp",
                Protocol::Icpp => "icpp",
            }
            .to_owned(),
            security: match plan.target.security {
                Security::Plain => "plain",
                Security::StartTls => "starttls",
                Security::DirectTls => "direct_tls",
            }
            .to_owned(),
            banner: None,
        },
        plan_toml: plan.to_toml(),
    }
}

/// What is written for each that is to be delivered.
fn sent_of(unit: Count) -> Count {
    match unit {
        Count::PresenceReceived => Count::PresenceSent,
        Count::RoomReceived => Count::RoomSent,
        _ => Count::MessagesSent,
    }
}

impl Conductor<'_> {
    fn log_in(&mut self, course: &Course) -> Result<Logins> {
        let users = u64::from(self.plan.users.count);
        self.phase(
            "ramp",
            course.logins_measured,
            Some(Count::LoginsOk),
            progress::Length::Steps(users),
        );
        self.fleet.log_in();
        let mut done = 0;
        let logins = loop {
            if let Some(slice) = self.fleet.slice(Instant::now() + GLANCE)? {
                done += slice.count(Count::LoginsOk) + slice.count(Count::LoginFailed);
                self.progress.steps(done);
                self.take(&slice);
            }
            if let Some(logins) = self.fleet.logged_in() {
                break logins;
            }
        };
        let sample = self.watch.read_exactly(self.fleet.now_ns());
        self.builder.ramped(sample);
        Ok(logins)
    }

    fn play(&mut self, course: &Course) -> Result<()> {
        let mut stopped = false;
        for (place, act) in course.acts.iter().enumerate() {
            let last = place + 1 == course.acts.len();
            stopped = match act.length {
                Length::Timed { .. } if last && self.plan.search.is_some() => self.find_rate(act)?,
                Length::Timed { warmup_s, seconds } => self.timed(act, warmup_s, seconds, last)?,
                Length::Finished { seconds_max } => self.until_finished(act, seconds_max)?,
            };
        }
        if stopped {
            self.drain()?;
        }
        Ok(())
    }

    /// An act of a given length; true if nothing is sent after it.
    fn timed(&mut self, act: &Act, warmup_s: f64, seconds: f64, last: bool) -> Result<bool> {
        let slice_ns = if seconds < SHORT_S { SHORT_SLICE_NS } else { SECOND_NS };
        let slices = |seconds: f64| (seconds * 1e9 / slice_ns as f64).ceil() as u64;
        let (warmup, measured) = (slices(warmup_s), slices(seconds));
        let at_ns = self.begin(act, slice_ns)?;
        if last {
            self.fleet.stop(at_ns + (warmup + measured) * slice_ns);
        }
        if warmup > 0 {
            self.phase("warmup", false, act.unit, progress::Length::Seconds(warmup_s));
            self.slices(warmup)?;
        }
        self.phase(act.name, act.measured, act.unit, progress::Length::Seconds(seconds));
        self.slices(measured)?;
        Ok(last)
    }

    /// The act again and again at different rates, and then at the best of them.
    fn find_rate(&mut self, act: &Act) -> Result<bool> {
        let (Some(goal), Some(unit)) = (&self.plan.search, act.unit) else {
            return Ok(false);
        };
        let mut search = Search::new(goal, latency_of(unit));
        let slice_ns = if goal.step_s < SHORT_S {
            SHORT_SLICE_NS
        } else {
            SECOND_NS
        };
        let slices = |seconds: f64| (seconds * 1e9 / slice_ns as f64).ceil() as u64;
        let settle = slices(self.plan.load.warmup_s.min(goal.step_s)).max(1);
        self.begin(act, slice_ns)?;
        while let Some(per_s) = search.next_per_s() {
            self.fleet.rate(per_s);
            self.phase("search", false, act.unit, progress::Length::Seconds(goal.step_s));
            self.progress.say(&format!("trying {per_s:.0} /s"));
            self.slices(settle)?;
            let (slice, own_cores) = self.step(slices(goal.step_s))?;
            let measured = Measured {
                slice: &slice,
                sent: sent_of(unit),
                own_cores,
                own_cores_max: self.fleet.threads() as f64,
            };
            if !search.record(per_s, measured) {
                self.recover()?;
            }
        }
        self.confirm(act, &search, slice_ns, settle)?;
        self.search = Some(search);
        Ok(true)
    }

    /// The best rate once more, and this is what the result is of.
    fn confirm(&mut self, act: &Act, search: &Search, slice_ns: u64, settle: u64) -> Result<()> {
        if search.own_limit() {
            let why = "The generator was the bottleneck of the search: give it more cores (--core, --threads).";
            self.progress.say(why);
            self.reasons.push(why.to_owned());
        }
        let seconds = self.plan.load.duration_s;
        match search.best_per_s() {
            Some(best_per_s) => {
                self.fleet.rate(best_per_s);
                self.slices(settle)?;
                self.phase(act.name, true, act.unit, progress::Length::Seconds(seconds));
                self.slices((seconds * 1e9 / slice_ns as f64).ceil() as u64)?;
            }
            None => self.reasons.push("No rate kept the promise.".to_owned()),
        }
        self.fleet.stop(self.fleet.now_ns());
        Ok(())
    }

    /// Slices of a step as one, and the cores that the generator kept busy meanwhile.
    fn step(&mut self, count: u64) -> Result<(Slice, f64)> {
        let (mut whole, mut cores) = (Slice::empty(0, 0), 0.0);
        for place in 0..count {
            let slice = self.next_slice()?;
            self.take(&slice);
            cores += self.builder.now().map_or(0.0, |now| now.second.client.cores);
            match place {
                0 => whole = slice,
                _ => whole.merge(&slice),
            }
        }
        Ok((whole, cores / count.max(1) as f64))
    }

    /// After too high a rate: what is under way arrives, before the next one is tried.
    fn recover(&mut self) -> Result<()> {
        self.fleet.rate(0.0);
        let until = Instant::now() + Duration::from_secs_f64(self.plan.load.drain_s);
        self.fleet.ask_balance();
        while Instant::now() < until {
            if let Some(slice) = self.fleet.slice(Instant::now() + GLANCE)? {
                self.take(&slice);
            }
            if self
                .fleet
                .balance()
                .is_some_and(|balance| balance.arrived >= balance.expected)
            {
                break;
            }
        }
        Ok(())
    }

    /// An act that ends by itself.
    fn until_finished(&mut self, act: &Act, seconds_max: f64) -> Result<bool> {
        self.begin(act, SECOND_NS)?;
        self.phase(act.name, act.measured, act.unit, progress::Length::Unknown);
        let until = Instant::now() + Duration::from_secs_f64(seconds_max);
        while !self.fleet.is_finished() {
            if let Some(slice) = self.fleet.slice(Instant::now() + GLANCE)? {
                self.take(&slice);
            }
            if Instant::now() > until {
                self.reasons
                    .push(format!("{:?} was not over after {seconds_max} s.", act.name));
                break;
            }
        }
        Ok(false)
    }

    /// Orders an act, and takes all slices from before it.
    fn begin(&mut self, act: &Act, slice_ns: u64) -> Result<u64> {
        let at_ns = self.fleet.begin(act.number, slice_ns);
        loop {
            let slice = self.next_slice()?;
            self.take(&slice);
            if slice.to_ns >= at_ns {
                // What was reported before the act is of the one before it.
                self.fleet.ask_balance();
                return Ok(at_ns);
            }
        }
    }

    fn slices(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let slice = self.next_slice()?;
            self.take(&slice);
        }
        Ok(())
    }

    fn next_slice(&mut self) -> Result<Slice> {
        let slice = self.fleet.slice(Instant::now() + OVERDUE)?;
        slice.ok_or_else(|| anyhow::anyhow!("a worker has not reported for {} s", OVERDUE.as_secs()))
    }

    /// What is under way arrives, or does not.
    fn drain(&mut self) -> Result<()> {
        self.phase("drain", false, None, progress::Length::Unknown);
        let until = Instant::now() + Duration::from_secs_f64(self.plan.load.drain_s);
        self.fleet.ask_balance();
        while Instant::now() < until {
            if let Some(slice) = self.fleet.slice(Instant::now() + GLANCE)? {
                self.take(&slice);
            }
            if self
                .fleet
                .balance()
                .is_some_and(|balance| balance.quiet && balance.arrived >= balance.expected)
            {
                break;
            }
        }
        Ok(())
    }

    fn phase(&mut self, name: &str, measured: bool, unit: Option<Count>, length: progress::Length) {
        self.builder.phase(name, measured, unit);
        self.progress.phase(name, length);
    }

    fn take(&mut self, slice: &Slice) {
        let sample = self.watch.read(self.fleet.now_ns());
        self.builder.second(slice, sample);
        self.whole.merge_counts(slice);
        if let Some(now) = self.builder.now() {
            self.progress.second(&now);
        }
    }

    fn finish(mut self) -> Result<Run> {
        let last = self.watch.read_exactly(self.fleet.now_ns());
        let (rest, Balance { expected, arrived, .. }) = self.fleet.end()?;
        let mut rest = rest.unwrap_or_else(|| Slice::empty(last.at_ns, last.at_ns));
        rest.add(Count::Lost, expected.saturating_sub(arrived));
        self.take(&rest);
        let ended = self.watch.ended();
        if !ended.is_empty() {
            self.reasons
                .push(format!("Processes of the server have ended: {ended:?}."));
        }
        let times = |counts: &[Count]| counts.iter().map(|count| self.whole.count(*count)).sum::<u64>();
        let wrong = times(Count::WRONG) > 0 || times(Count::ERRORS) > self.plan.limits.errors_max;
        if let Some(trouble) = self.fleet.trouble().filter(|_| wrong) {
            self.reasons
                .push(format!("The first thing that went wrong: {trouble}."));
        }
        let ending = Ending {
            limits: Limits {
                errors_max: self.plan.limits.errors_max,
            },
            shards: self.watch.finish(),
            reasons: self.reasons,
            search: self.search.map(Search::result),
            ..Ending::default()
        };
        Ok(self.builder.finish(last, ending))
    }
}
