//! `crosspoint top`: what a server's shards do, from its statistics file, without asking the server anything.
//!
//! Read in this order: `snapshot.rs` (a look at the file), `ring.rs` and `enters.rs` (and at the shards' rings), `figures.rs` (what two looks say), `views.rs` (how it is shown),
//! `screen.rs` (the terminal and its keys), `record.rs` (looks kept in a file).

mod enters;
mod figures;
mod record;
mod ring;
mod screen;
mod snapshot;
#[cfg(test)]
mod tests;
mod views;

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cli::Place;
use crate::exit::Exit;
use crate::home::Home;
use crate::sources;
use enters::Counters;
use figures::Figures;
use record::{Player, Recorder};
use snapshot::Snapshot;
use views::{Sort, VIEWS};

/// The shortest time between two looks, in seconds.
const INTERVAL_S_MIN: f64 = 0.05;
/// The longest.
const INTERVAL_S_MAX: f64 = 3_600.0;

/// The flags of `crosspoint top`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Which server.
    #[command(flatten)]
    pub place: Place,
    /// Print once, for the time of one interval, and end.
    #[arg(long)]
    pub once: bool,
    /// Print JSON: with --once one object, else one for each interval, a line each.
    #[arg(long)]
    pub json: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub interval: f64,
    /// Let the kernel count how often shards enter it (root, or CAP_PERFMON); every system call of the machine is a little
    /// slower meanwhile. Without it, turns are shown.
    #[arg(long, conflicts_with = "replay")]
    pub enters: bool,
    /// Append what is seen to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Show what was recorded instead of a server.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// How much faster than it was a recording is played; 0: as fast as possible.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
}

/// `crosspoint top`.
///
/// # Errors
/// There is nothing to look at, or it cannot be read here.
pub fn run(options: &Options) -> Result<Exit> {
    if !(INTERVAL_S_MIN..=INTERVAL_S_MAX).contains(&options.interval) || options.speed.is_nan() || options.speed < 0.0 {
        bail!(
            "--interval is a number of seconds from {INTERVAL_S_MIN} to {INTERVAL_S_MAX}, --speed one that is not negative"
        );
    }
    let mut looks = Looks::open(options)?;
    if options.once || options.json {
        return print(options, &mut looks);
    }
    screen::run(looks, options.interval)
}

/// Where looks come from.
pub(crate) enum Looks {
    /// A server's file, whether looks are kept, and whether enters are counted.
    Live(PathBuf, Option<Box<Recorder>>, Option<Counters>),
    /// A recording, and how fast it is played.
    Replay(Player, f64),
}

impl Looks {
    fn open(options: &Options) -> Result<Looks> {
        if let Some(path) = &options.replay {
            return Ok(Looks::Replay(Player::open(path)?, options.speed));
        }
        let config = sources::load(&options.place.settings())?.config;
        let recorder = options.record.as_deref().map(Recorder::open).transpose()?.map(Box::new);
        let counters = options.enters.then(Counters::default);
        Ok(Looks::Live(Home::at(&config.data).stats(), recorder, counters))
    }

    /// The next look; `None` at the end of a recording.
    pub(crate) fn next(&mut self) -> Result<Option<Snapshot>> {
        match self {
            Looks::Live(path, recorder, counters) => {
                let mut look = Snapshot::read(path)?;
                if let Some(counters) = counters {
                    counters.note(&mut look)?;
                }
                if let Some(recorder) = recorder {
                    recorder.append(&look).context("cannot write the recording")?;
                }
                Ok(Some(look))
            }
            Looks::Replay(player, _) => player.next(),
        }
    }

    /// How long to wait between two looks.
    pub(crate) fn pause(&self, interval: Duration, last: Option<&Snapshot>, next: &Snapshot) -> Duration {
        match self {
            Looks::Live(..) => interval,
            Looks::Replay(_, speed) if *speed > 0.0 => {
                let apart = last.map_or(0, |last| next.taken_unix_ms.saturating_sub(last.taken_unix_ms));
                Duration::from_millis(apart).div_f64(speed.max(1e-3))
            }
            Looks::Replay(..) => Duration::ZERO,
        }
    }
}

/// Without a screen.
fn print(options: &Options, looks: &mut Looks) -> Result<Exit> {
    let interval = Duration::from_secs_f64(options.interval);
    let mut before: Option<Snapshot> = None;
    while let Some(look) = looks.next()? {
        // Of a server that is gone nothing will ever change: what there is are its figures since it started.
        let gone = !look.alive && matches!(looks, Looks::Live(..));
        if before.is_some() || gone {
            let figures = Figures::between(before.as_ref(), &look);
            let text = match options.json {
                true => serde_json::to_string(&figures)?,
                false => table(&figures),
            };
            // Whoever reads no further (`top --json | head`) has seen enough.
            let read = writeln!(io::stdout(), "{text}").is_ok();
            if options.once || gone || !read {
                return Ok(Exit::Done);
            }
        }
        thread::sleep(looks.pause(interval, before.as_ref(), &look));
        before = Some(look);
    }
    Ok(Exit::Done)
}

/// All views, one below the other.
pub(crate) fn table(figures: &Figures) -> String {
    let mut text = views::title(figures).to_string();
    for (view, name) in VIEWS {
        text.push_str(&format!("\n\n-- {name}\n"));
        let lines = views::lines(view, figures, Sort::Shard);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| line.to_string().trim_end().to_owned())
            .collect();
        text.push_str(&lines.join("\n"));
    }
    text
}
