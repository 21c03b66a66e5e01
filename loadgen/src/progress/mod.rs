//! What people see while a run is under way, on the standard error: bars on a terminal, a line every five seconds
//! elsewhere, nothing if they want quiet.
//!
//! ```text
//! measured   [==============>               ]  14 of 30 s
//!            512,345 messages/s · p50 180 µs · p99 912 µs · p99 so far 930 µs
//!            server 1.02 cores (0.83 µs each), 33.2 MiB · 0 errors
//! ```
//!
//! Invariants: nothing here decides anything; the standard output belongs to results.

mod line;

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::result::Now;

/// Seconds between two lines where there is no terminal.
const LINE_EVERY_S: f64 = 5.0;
const TICK: Duration = Duration::from_millis(200);

/// How long a phase will take, if that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    Seconds(f64),
    /// So many logins, accounts or messages.
    Steps(u64),
    Unknown,
}

/// See the module.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    phase: String,
    length: Length,
    /// Seconds of the run when the phase began, nothing before its first slice.
    from_s: Option<f64>,
    spoke_s: f64,
}

#[derive(Debug)]
enum Screen {
    Bars(Bars),
    Lines,
    Quiet,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    bar: ProgressBar,
    figures: ProgressBar,
    cost: ProgressBar,
}

impl Progress {
    /// Bars if the standard error is a terminal, lines if not, nothing with `quiet`.
    pub fn new(quiet: bool) -> Self {
        let screen = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Screen::Quiet,
            (false, true) => Screen::Bars(Bars::new()),
            (false, false) => Screen::Lines,
        };
        Self {
            screen,
            phase: String::new(),
            length: Length::Unknown,
            from_s: None,
            spoke_s: 0.0,
        }
    }

    /// A phase begins.
    pub fn phase(&mut self, name: &str, length: Length) {
        name.clone_into(&mut self.phase);
        self.length = length;
        self.from_s = None;
        if let Screen::Bars(bars) = &self.screen {
            bars.phase(name, length);
        }
    }

    /// So many steps of [`Length::Steps`] are done; as often as one likes.
    pub fn steps(&mut self, done: u64) {
        if let Screen::Bars(bars) = &self.screen {
            bars.bar.set_position(done);
        }
    }

    /// A second has passed.
    pub fn second(&mut self, now: &Now<'_>) {
        let at_s = now.second.at_s;
        let from_s = *self.from_s.get_or_insert(at_s - now.second.seconds);
        match &self.screen {
            Screen::Quiet => {}
            Screen::Bars(bars) => {
                if let Length::Seconds(_) = self.length {
                    bars.bar.set_position((at_s - from_s).round() as u64);
                }
                bars.figures.set_message(line::figures(now));
                bars.cost.set_message(line::cost(now));
            }
            Screen::Lines if at_s - self.spoke_s >= LINE_EVERY_S => {
                self.spoke_s = at_s;
                let so_far = line::so_far(at_s - from_s, self.length);
                eprintln!("{:<9} {so_far}: {}", self.phase, line::both(now));
            }
            Screen::Lines => {}
        }
    }

    /// Says something once, above the bars.
    pub fn say(&self, text: &str) {
        match &self.screen {
            Screen::Quiet => {}
            Screen::Lines => eprintln!("{text}"),
            // A terminal that has gone is no reason to end a run.
            Screen::Bars(bars) => drop(bars.all.println(text)),
        }
    }

    /// Clears the screen for the result.
    pub fn finish(self) {
        if let Screen::Bars(bars) = &self.screen {
            bars.bar.finish_and_clear();
            bars.figures.finish_and_clear();
            bars.cost.finish_and_clear();
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new_spinner());
        let line = || ProgressBar::new_spinner().with_style(style("          {wide_msg:.dim}"));
        let (figures, cost) = (all.add(line()), all.add(line()));
        bar.enable_steady_tick(TICK);
        Self {
            all,
            bar,
            figures,
            cost,
        }
    }

    fn phase(&self, name: &str, length: Length) {
        self.bar.reset();
        let template = match length {
            Length::Seconds(seconds) => {
                self.bar.set_length(seconds.round() as u64);
                "{prefix:<9.bold} [{bar:40.cyan}] {pos} of {len} s"
            }
            Length::Steps(steps) => {
                self.bar.set_length(steps);
                "{prefix:<9.bold} [{bar:40.cyan}] {human_pos} of {human_len}, {eta} left"
            }
            Length::Unknown => {
                self.bar.unset_length();
                "{prefix:<9.bold} {spinner:.cyan} {elapsed}"
            }
        };
        self.bar.set_style(style(template));
        self.bar.set_prefix(name.to_owned());
        self.bar.enable_steady_tick(TICK);
    }
}

/// The templates are those of this file.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
