//! A load generator for XMPP and ICPP servers. It knows a server only by its socket and, if told its process, by its CPU time
//! and memory; it shares nothing with Crosspoint but the codec and the ring.
//!
//! ```text
//! cli ─▶ plan ─▶ fleet ─▶ worker (one a core: net, protocol, play, track, record) ─▶ result ─▶ report
//!                  └──▶ sample, progress
//! ```
//!
//! Invariants: every message is numbered, and what is lost, duplicated, reordered or damaged makes the run fail;
//! figures cover the measured interval only, not the logins or the warm-up.

#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

mod accounts;
mod cli;
mod fleet;
mod net;
mod plan;
mod play;
mod progress;
mod protocol;
mod record;
mod report;
mod result;
mod sample;
mod search;
mod track;
mod units;
mod worker;

use plan::Plan;
use progress::Progress;
use result::Run;

/// Lost, duplicated, reordered, damaged, or more errors than allowed.
const NOT_OK: u8 = 1;
/// Wrong usage, or a wrong scenario.
const USAGE: u8 = 2;
/// The server could not be reached, or let nobody in.
const SHUT_OUT: u8 = 3;

fn main() -> ExitCode {
    if let Some(code) = fleet::child_main() {
        return code.into();
    }
    let order = match cli::order() {
        Ok(order) => order,
        Err(error) => {
            eprintln!("crosspoint-loadgen: {error}");
            return USAGE.into();
        }
    };
    match order {
        cli::Order::Run(plan, output) => run(&plan, &output),
        cli::Order::ShowPlan(plan) => print(&plan.to_toml()),
        cli::Order::ListPresets => print(&cli::list_presets()),
        cli::Order::Show(text) => print(&text),
        cli::Order::Compare { first, second, page } => {
            print_or(report::compare_files(&first, &second, page.as_deref()))
        }
        cli::Order::Report { run, page } => print_or(report::page_of(&run, &page).map(|()| String::new())),
    }
}

fn run(plan: &Plan, output: &cli::Output) -> ExitCode {
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    for path in [&output.save, &output.page].into_iter().flatten() {
        if let Err(error) = report::check(path) {
            eprintln!("crosspoint-loadgen: {error:#}");
            return USAGE.into();
        }
    }
    let mut progress = Progress::new(output.quiet);
    let outcome = accounts::prepare(plan, &mut progress).and_then(|()| fleet::conduct(plan, command, &mut progress));
    progress.finish();
    let fleet::Outcome { run, shut_out } = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("crosspoint-loadgen: {error:#}");
            return SHUT_OUT.into();
        }
    };
    let text = match output.json {
        true => run.to_json(),
        false => report::text::summary(&run),
    };
    print(&text);
    if let Err(error) = keep(&run, output) {
        eprintln!("crosspoint-loadgen: {error:#}");
        return USAGE.into();
    }
    match (shut_out, run.verdict.ok) {
        (true, _) => SHUT_OUT.into(),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => NOT_OK.into(),
    }
}

/// Writes the files that were asked for.
fn keep(run: &Run, output: &cli::Output) -> anyhow::Result<()> {
    if let Some(path) = &output.save {
        report::write(path, &run.to_json())?;
    }
    if let Some(path) = &output.page {
        report::write(path, &report::html::page(run))?;
    }
    Ok(())
}

fn print_or(text: anyhow::Result<String>) -> ExitCode {
    match text {
        Ok(text) => print(&text),
        Err(error) => {
            eprintln!("crosspoint-loadgen: {error:#}");
            USAGE.into()
        }
    }
}

fn print(text: &str) -> ExitCode {
    if !text.is_empty() {
        // Whoever reads may have seen enough (`| head`); what the run came to does not depend on it.
        let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    }
    ExitCode::SUCCESS
}
