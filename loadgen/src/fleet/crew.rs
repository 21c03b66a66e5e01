//! Where the workers are: threads here, or processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::play;
use crate::worker::{Line, Order, Part, Report};

/// The command by which a process of workers is started; not for people.
pub const CHILD_COMMAND: &str = "worker-process";

/// The workers of a run, or of one process of it.
pub struct Crew {
    threads: Vec<(Line, JoinHandle<()>)>,
    processes: Vec<Process>,
}

struct Process {
    child: Child,
    orders: ChildStdin,
    hearing: Option<JoinHandle<()>>,
}

/// The first line that a process of workers reads.
#[derive(Serialize, Deserialize)]
pub struct Task {
    pub plan: String,
    pub parts: Vec<Part>,
    pub epoch_ns: u64,
}

impl Crew {
    /// A thread for each part.
    ///
    /// # Errors
    /// A thread cannot be started, or the process is out of descriptors.
    pub fn threads(plan: &Plan, parts: &[Part], epoch_ns: u64, reports: &Sender<(u32, Report)>) -> Result<Self> {
        let mut threads = Vec::new();
        for part in parts.iter().copied() {
            let (line, desk) = Line::new(reports.clone())?;
            let plan = plan.clone();
            let cores = &plan.load.cores;
            let core = cores
                .get(part.worker as usize % cores.len().max(1))
                .map(|core| *core as usize);
            let thread = thread::Builder::new()
                .name(format!("worker-{}", part.worker))
                .spawn(move || play::run(plan, part, epoch_ns, core, desk))?;
            threads.push((line, thread));
        }
        let processes = Vec::new();
        Ok(Self { threads, processes })
    }

    /// A process for every `threads` parts.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn processes(
        plan: &Plan,
        parts: &[Part],
        threads: u32,
        epoch_ns: u64,
        reports: &Sender<(u32, Report)>,
    ) -> Result<Self> {
        let plan = plan.to_toml();
        let mut processes = Vec::new();
        for parts in parts.chunks(threads as usize) {
            let task = Task {
                plan: plan.clone(),
                parts: parts.to_vec(),
                epoch_ns,
            };
            processes.push(Process::start(&task, reports.clone())?);
        }
        let threads = Vec::new();
        Ok(Self { threads, processes })
    }

    /// Tells all workers.
    pub fn order(&mut self, order: Order) {
        for (line, _) in &self.threads {
            line.order(order);
        }
        for process in &mut self.processes {
            // A process that is gone is noticed by the end of its reports.
            let _ = write_line(&mut process.orders, &order);
        }
    }

    /// Waits for the end of workers that have said that they end.
    pub fn wait(&mut self) {
        for (_, thread) in self.threads.drain(..) {
            // A worker that panicked has not reported its end, and that was noticed.
            let _ = thread.join();
        }
        for mut process in self.processes.drain(..) {
            // It ends by itself after the last report.
            let _ = process.child.wait();
            process.hearing.take().map(JoinHandle::join);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already waited for, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(task: &Task, reports: Sender<(u32, Report)>) -> Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut child = Command::new(program)
            .arg(CHILD_COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process of workers")?;
        let mut orders = child.stdin.take().context("the process has no standard input")?;
        let heard = child.stdout.take().context("the process has no standard output")?;
        write_line(&mut orders, task).context("talking to a process of workers")?;
        let workers = task.parts.iter().map(|part| part.worker).collect();
        let hearing = thread::spawn(move || hear(heard, workers, &reports));
        Ok(Self {
            child,
            orders,
            hearing: Some(hearing),
        })
    }
}

/// Passes on what a process reports, and that it has ended without a last report.
fn hear(heard: ChildStdout, mut workers: Vec<u32>, reports: &Sender<(u32, Report)>) {
    for line in BufReader::new(heard).lines() {
        let Ok(line) = line else { break };
        let report: (u32, Report) = match serde_json::from_str(&line) {
            Ok(report) => report,
            Err(error) => {
                let why = format!("its process said what cannot be understood ({error}): {line:.200}");
                let _ = reports.send((workers.first().copied().unwrap_or_default(), Report::Failed(why)));
                return;
            }
        };
        if matches!(report.1, Report::Done { .. }) {
            workers.retain(|worker| *worker != report.0);
        }
        if reports.send(report).is_err() {
            return;
        }
    }
    for worker in workers {
        let _ = reports.send((worker, Report::Failed("its process has ended".to_owned())));
    }
}

/// One line of JSON.
pub fn write_line(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(out.flush()?)
}
