//! The course of a run, from the first login to the verdict.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Balance, Fleet, Logins};
use crate::plan::{Plan, Security};
use crate::play::{Act, Course, Length};
use crate::progress::{self, Progress};
use crate::record::{Count, Slice};
use crate::result::{About, Builder, Ending, Limits, Run, Target};
use crate::sample::Watch;

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
            ..Ending::default()
        };
        Ok(self.builder.finish(last, ending))
    }
}
