//! What is due at a rate, and what is overdue because a socket took no more.
//!
//! Invariant: whatever was due once is done, or is still in here: [`Due::overdue`] says how much that is.

use std::collections::VecDeque;

use super::Pace;
use crate::plan::Arrivals;
use crate::protocol::Client;
use crate::worker::{Place, Stage};

/// How soon something that could not be done is tried again.
const RETRY_NS: u64 = 1_000_000;
/// Beyond it nothing new is due: the server has not read for so long that waiting for more would tell nothing.
const OVERDUE_MAX: usize = 1 << 16;

/// See the module. A `Task` is what to do, if it could not be done when it was due.
pub struct Due<Task> {
    pace: Option<Pace>,
    overdue: VecDeque<(Task, u64)>,
}

impl<Task: Copy> Due<Task> {
    /// Nothing is due.
    pub fn new() -> Self {
        Self {
            pace: None,
            overdue: VecDeque::new(),
        }
    }

    /// From `from_ns` on something is due at this rate of all workers together.
    pub fn start<C: Client>(&mut self, stage: &mut Stage<C>, arrivals: Arrivals, per_s: f64, from_ns: u64) {
        let per_s = per_s * stage.share();
        self.pace = Some(Pace::new(arrivals, per_s, from_ns, stage.chance()));
    }

    /// At another rate from now on.
    pub fn change<C: Client>(&mut self, stage: &mut Stage<C>, per_s: f64) {
        let (per_s, now_ns) = (per_s * stage.share(), stage.now_ns());
        if let Some(pace) = &mut self.pace {
            pace.change(per_s, now_ns, stage.chance());
        }
    }

    /// Nothing new is due; what is overdue still is.
    pub fn stop(&mut self) {
        self.pace = None;
    }

    pub fn overdue(&self) -> u64 {
        self.overdue.len() as u64
    }

    /// Does all that is due: `choose` says what, `act` does it, or cannot. Then arms `key` for the next.
    pub fn run<C: Client>(
        &mut self,
        stage: &mut Stage<C>,
        key: u32,
        mut choose: impl FnMut(&mut Stage<C>) -> Option<Task>,
        mut act: impl FnMut(&mut Stage<C>, Task, u64) -> bool,
    ) {
        for _ in 0..self.overdue.len() {
            let Some((task, due_ns)) = self.overdue.pop_front() else {
                break;
            };
            if !act(stage, task, due_ns) {
                self.overdue.push_back((task, due_ns));
            }
        }
        let now_ns = stage.now_ns();
        while self.overdue.len() < OVERDUE_MAX
            && let Some(pace) = &mut self.pace
            && let Some(due_ns) = pace.due(now_ns, stage.chance())
        {
            if let Some(task) = choose(stage)
                && !act(stage, task, due_ns)
            {
                self.overdue.push_back((task, due_ns));
            }
        }
        let next_ns = self.pace.as_ref().and_then(Pace::next_ns);
        let retry_ns = (!self.overdue.is_empty()).then_some(now_ns + RETRY_NS);
        if let Some(at_ns) = [next_ns, retry_ns].into_iter().flatten().min() {
            stage.arm(at_ns.max(now_ns), NOBODY, key);
        }
    }
}

/// Timers that concern nobody in particular.
const NOBODY: Place = 0;
