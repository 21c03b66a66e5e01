//! Before a run: the accounts exist, and know each other. Nothing of this is measured.
//!
//! ```text
//! plan ─▶ (command | in-band registration) for each user ─▶ rosters, in a few passes ─▶ the run
//! ```
//! Connections here are plain blocking ones, a few at a time: this part has to be right, and need not be fast. They speak
//! XMPP, whatever the run speaks: ICPP makes no accounts.
//!
//! Invariants: what exists already is kept, so that a run can be repeated; the first user who cannot be prepared ends it
//! all, with the server's own words.

mod command;
mod register;
mod roster;
mod talk;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::plan::{Make, Plan, Protocol, RosterMake};
use crate::progress::{Length, Progress};

/// Users who are prepared at a time: more would only make the server slower for each.
const CONCURRENCY_MAX: u32 = 32;
/// How often progress is shown.
const GLANCE: Duration = Duration::from_millis(50);

/// Makes accounts and rosters as the plan says.
///
/// # Errors
/// The server refuses, cannot be reached, or does not offer what is needed.
pub fn prepare(plan: &Plan, progress: &mut Progress) -> Result<()> {
    let made = make(plan, progress);
    if plan.target.protocol == Protocol::Xmpp {
        return made;
    }
    made.with_context(|| {
        let there = plan.target.over_xmpp().addresses.join(", ");
        format!(
            "ICPP makes no accounts and rosters, so that was tried by XMPP at {there}; --xmpp HOST:PORT names another place, \
             `users.make` and `users.roster.make` = \"beforehand\" say that they exist"
        )
    })
}

fn make(plan: &Plan, progress: &mut Progress) -> Result<()> {
    let plan = &Plan {
        target: plan.target.over_xmpp(),
        ..plan.clone()
    };
    match &plan.users.make {
        Make::Beforehand => {}
        Make::InBand => {
            let registrar = register::Registrar::new(plan)?;
            each(plan, "accounts", progress, |user| registrar.register(user))?;
        }
        Make::Command(template) => {
            let command = command::Template::parse(template).map_err(|why| anyhow!("users.make: {why}"))?;
            each(plan, "accounts", progress, |place| command.run(plan, place))?;
        }
    }
    if plan.users.roster.size > 0 && plan.users.roster.make == RosterMake::Protocol {
        roster::make(plan, progress)?;
    }
    Ok(())
}

/// Does something for each user by his place, a few at a time.
fn each(plan: &Plan, phase: &str, progress: &mut Progress, act: impl Fn(u32) -> Result<()> + Sync) -> Result<()> {
    let all = plan.users.count;
    progress.phase(phase, Length::Steps(u64::from(all)));
    let (next, done, failed) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    let work = || -> Result<()> {
        while !failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= all {
                break;
            }
            if let Err(error) = act(place) {
                failed.store(true, Ordering::Relaxed);
                return Err(error).with_context(|| format!("{phase}: {}", plan.users.name(place)));
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers = plan.load.concurrency.clamp(1, CONCURRENCY_MAX).min(all);
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        while !threads.iter().all(|thread| thread.is_finished()) {
            thread::sleep(GLANCE);
            progress.steps(u64::from(done.load(Ordering::Relaxed)));
        }
        for thread in threads {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("{phase}: a thread panicked")))?;
        }
        Ok(())
    })
}
