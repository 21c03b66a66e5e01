//! A process of workers: its task and its orders come by the standard input, its reports leave by the standard output.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result, anyhow};
use crosspoint_rt as rt;

use super::crew::{CHILD_COMMAND, Crew, Task, write_line};
use crate::plan::Plan;
use crate::worker::{Order, Report};

/// If this process was started to work for another one: does so, and gives the exit code.
pub fn main() -> Option<u8> {
    (std::env::args().nth(1).as_deref() == Some(CHILD_COMMAND)).then(|| match work() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("crosspoint-loadgen: a process of workers: {error:#}");
            1
        }
    })
}

fn work() -> Result<()> {
    rt::raise_fd_limit()?;
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line)?;
    let task: Task = serde_json::from_str(&line).context("the task")?;
    let plan = Plan::parse("the task", &task.plan, &[]).map_err(|error| anyhow!("{error}"))?;
    let (sender, reports) = channel();
    let mut crew = Crew::threads(&plan, &task.parts, task.epoch_ns, &sender)?;
    drop(sender);
    thread::spawn(move || {
        let mut lines = input.lines();
        while let Some(Ok(line)) = lines.next()
            && let Ok(order) = serde_json::from_str(&line)
        {
            crew.order(order);
        }
        // The one that we work for is gone, or speaks otherwise than we do.
        crew.order(Order::End);
    });
    let mut output = std::io::stdout();
    let mut left = task.parts.len();
    for report in reports {
        let last = matches!(report.1, Report::Done { .. } | Report::Failed(_));
        write_line(&mut output, &report)?;
        left -= usize::from(last);
        if left == 0 {
            break;
        }
    }
    Ok(())
}
