//! The command line: what the user asks for, as an [`Order`] that holds a checked plan.
//!
//! ```text
//! run FILE.toml | run PRESET | chat --pairs 10 ...
//!     └─ text ─┬─ flags, --set ─▶ overrides ─▶ Plan::parse ─▶ --scale ─▶ Order::Run
//!              └─ shortcuts start from the preset of their name
//! ```
//!
//! Invariant: nothing here does what was asked for; `main` does.

mod flags;
mod rate;
mod shortcuts;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::plan::{Override, Plan, PlanError, presets};
use flags::Flags;
use shortcuts::Shortcut;

/// A load for any XMPP server, or one that speaks ICPP, and what it cost.
///
/// A run is described by a scenario file; `presets` lists those that come with the program, and `presets show NAME`
/// prints one to copy. `chat`, `connect` and so on are shortcuts with flags for the usual changes. Exit codes: 0 all
/// went well · 1 something was lost, duplicated, reordered or damaged, or failed too often · 2 wrong usage or scenario ·
/// 3 the server could not be reached, or refused the logins, or lacks what the scenario needs.
#[derive(Debug, Parser)]
#[command(name = "crosspoint-loadgen", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario file, or a preset by its name
    Run(Run),
    #[command(flatten)]
    Shortcut(Shortcut),
    /// List the scenarios and published tests that come with the program
    Presets(Presets),
    /// Set the results of two runs side by side
    Compare(Compare),
    /// Make a page of the result of a run
    Report(Report),
}

#[derive(Debug, Args)]
struct Run {
    /// A scenario file (`my.toml`), or the name of a preset (`rtb`)
    #[arg(value_name = "FILE.toml|PRESET")]
    scenario: String,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Presets {
    #[command(subcommand)]
    show: Option<Show>,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Print a preset, to copy and change it
    Show {
        /// Its name, as `presets` lists it
        name: String,
        /// Every key with its value, defaults too, without the comments
        #[arg(long)]
        full: bool,
    },
}

#[derive(Debug, Args)]
struct Compare {
    /// Result of the first run, as --save has written it
    first: PathBuf,
    /// And of the second
    second: PathBuf,
    /// Write a page instead of a table of text
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Report {
    /// Result of a run, as --save has written it
    run: PathBuf,
    /// Where the page goes
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
}

/// What the user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    Run(Box<Plan>, Output),
    /// Print the plan, and do nothing.
    ShowPlan(Box<Plan>),
    ListPresets,
    /// Print this text.
    Show(String),
    Compare {
        first: PathBuf,
        second: PathBuf,
        page: Option<PathBuf>,
    },
    Report {
        run: PathBuf,
        page: PathBuf,
    },
}

/// Where the result of a run goes, and what is seen meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The result on standard output, as one JSON document.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
    /// The JSON document, to a file.
    pub save: Option<PathBuf>,
    /// The page, to a file.
    pub page: Option<PathBuf>,
}

/// Why there is no order. Exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Flag(String),
    #[error("cannot read the scenario {path}: {error}")]
    Unreadable { path: String, error: std::io::Error },
    #[error("there is no preset {name:?}{hint}; `crosspoint-loadgen presets` lists them, and files end in .toml")]
    NoPreset { name: String, hint: String },
}

/// Reads the command line of this process; prints help, and ends, if that is what was asked for, or if it is wrong.
///
/// # Errors
/// The scenario is wrong, or cannot be read.
pub fn order() -> Result<Order, UsageError> {
    Cli::parse().order()
}

impl Cli {
    fn order(self) -> Result<Order, UsageError> {
        match self.command {
            Command::Run(run) => {
                let (origin, text) = scenario(&run.scenario)?;
                plan(&origin, &text, run.flags, Vec::new())
            }
            Command::Shortcut(shortcut) => {
                let preset = preset(shortcut.name())?;
                let (flags, own) = shortcut.overrides();
                plan(preset.name, preset.text, flags, own)
            }
            Command::Presets(Presets { show: None }) => Ok(Order::ListPresets),
            Command::Presets(Presets {
                show: Some(Show::Show { name, full }),
            }) => {
                let preset = preset(&name)?;
                match full {
                    true => Ok(Order::Show(Plan::parse(preset.name, preset.text, &[])?.to_toml())),
                    false => Ok(Order::Show(preset.text.to_owned())),
                }
            }
            Command::Compare(Compare { first, second, output }) => Ok(Order::Compare {
                first,
                second,
                page: output,
            }),
            Command::Report(Report { run, output }) => Ok(Order::Report { run, page: output }),
        }
    }
}

/// The presets, one a line, with what they measure.
pub fn list_presets() -> String {
    let mut list = String::new();
    for preset in presets::ALL {
        let about =
            Plan::parse(preset.name, preset.text, &[]).map_or_else(|error| error.to_string(), |plan| plan.about);
        list.push_str(&format!("{:14} {about}\n", preset.name));
    }
    list
}

fn plan(origin: &str, text: &str, flags: Flags, own: Vec<Override>) -> Result<Order, UsageError> {
    let mut overrides = own;
    overrides.extend(flags.overrides()?);
    let mut plan = Plan::parse(origin, text, &overrides)?;
    if let Some(factor) = flags.scale {
        plan = plan.scaled(factor)?;
    }
    Ok(match flags.dry_run {
        true => Order::ShowPlan(Box::new(plan)),
        false => Order::Run(Box::new(plan), flags.output()),
    })
}

/// Name and text of a scenario file or preset. What looks like a path is one, and a file of the preset's name does not
/// hide the preset.
fn scenario(name: &str) -> Result<(String, String), UsageError> {
    let is_path = Path::new(name).extension().is_some_and(|extension| extension == "toml") || name.contains('/');
    if !is_path {
        return preset(name).map(|preset| (preset.name.to_owned(), preset.text.to_owned()));
    }
    let text = std::fs::read_to_string(name).map_err(|error| UsageError::Unreadable {
        path: name.to_owned(),
        error,
    })?;
    Ok((name.to_owned(), text))
}

fn preset(name: &str) -> Result<&'static presets::Preset, UsageError> {
    presets::find(name).ok_or_else(|| UsageError::NoPreset {
        name: name.to_owned(),
        hint: presets::similar(name).map_or_else(String::new, |similar| format!("; did you mean {similar:?}?")),
    })
}

#[cfg(test)]
mod tests;
