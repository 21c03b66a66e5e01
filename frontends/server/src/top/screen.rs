//! The terminal: one view at a time, its keys, and the wait between two looks.
//!
//! Invariant: however it ends, the terminal is as it was.

use std::time::{Duration, Instant};

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::{DefaultTerminal, Frame};

use super::Looks;
use super::figures::Figures;
use super::snapshot::Snapshot;
use super::views::{self, SORTS, VIEWS};
use crate::exit::Exit;

const HELP: &str = "1-5, tab: view   s: sort   space: pause   +/-: interval   up/down: scroll   q: quit";
/// An interval is doubled and halved between these.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// What is shown, and how.
pub(crate) struct Screen {
    view: usize,
    sort: usize,
    scroll: u16,
    paused: bool,
    interval: Duration,
    /// What went wrong at the last look.
    trouble: Option<String>,
    ended: bool,
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Draw again.
    Draw,
    /// End.
    Quit,
}

/// Shows looks until somebody quits.
///
/// # Errors
/// The first look fails, or the terminal does.
pub(crate) fn run(mut looks: Looks, interval_s: f64) -> Result<Exit> {
    // Before the screen is taken: what is wrong is told on a line of its own.
    let first = looks.next()?;
    let mut terminal = ratatui::init();
    let outcome = show(
        &mut terminal,
        &mut looks,
        Screen::new(Duration::from_secs_f64(interval_s)),
        first,
    );
    ratatui::restore();
    outcome.map(|()| Exit::Done)
}

fn show(terminal: &mut DefaultTerminal, looks: &mut Looks, mut screen: Screen, first: Option<Snapshot>) -> Result<()> {
    let Some(mut last) = first else { return Ok(()) };
    let mut figures = Figures::between(None, &last);
    let mut due = Instant::now() + screen.interval.min(Duration::from_millis(250));
    loop {
        terminal.draw(|frame| screen.draw(frame, &figures))?;
        let wait = if screen.paused || screen.ended {
            INTERVAL_MAX
        } else {
            due.saturating_duration_since(Instant::now())
        };
        if event::poll(wait)? {
            let Event::Key(key) = event::read()? else { continue };
            if screen.key(key) == Wish::Quit {
                return Ok(());
            }
            continue;
        }
        if screen.paused || screen.ended {
            continue;
        }
        match looks.next() {
            Ok(Some(look)) => {
                screen.trouble = None;
                due = Instant::now() + looks.pause(screen.interval, Some(&last), &look);
                // A server that is gone shows what it did last, not that it does nothing.
                if look.alive || !last.same_run(&look) || matches!(looks, Looks::Replay(..)) {
                    figures = Figures::between(Some(&last), &look);
                } else {
                    figures.server.alive = false;
                    figures.shards = Figures::between(None, &look).shards;
                }
                last = look;
            }
            Ok(None) => screen.ended = true,
            Err(error) => {
                screen.trouble = Some(format!("{error:#}"));
                due = Instant::now() + screen.interval;
            }
        }
    }
}

impl Screen {
    pub(crate) fn new(interval: Duration) -> Screen {
        Screen {
            view: 0,
            sort: 0,
            scroll: 0,
            paused: false,
            interval,
            trouble: None,
            ended: false,
        }
    }

    /// Does what a key says.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Draw;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Wish::Quit,
            KeyCode::Char(digit @ '1'..='5') => self.turn_to(digit as usize - '1' as usize),
            KeyCode::Tab | KeyCode::Right => self.turn_to((self.view + 1) % VIEWS.len()),
            KeyCode::BackTab | KeyCode::Left => self.turn_to((self.view + VIEWS.len() - 1) % VIEWS.len()),
            KeyCode::Char('s') => self.sort = (self.sort + 1) % SORTS.len(),
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('+') => self.interval = (self.interval * 2).min(INTERVAL_MAX),
            KeyCode::Char('-') => self.interval = (self.interval / 2).max(INTERVAL_MIN),
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            _ => {}
        }
        Wish::Draw
    }

    fn turn_to(&mut self, view: usize) {
        (self.view, self.scroll) = (view, 0);
    }

    /// Draws everything, whatever the size.
    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>, figures: &Figures) {
        let rows = [
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(1),
        ];
        let [title, tabs, body, foot] = Layout::vertical(rows).areas(frame.area());
        frame.render_widget(views::title(figures), title);
        frame.render_widget(self.tabs(), tabs);
        let (view, _) = VIEWS[self.view];
        let lines = views::lines(view, figures, SORTS[self.sort].0);
        let beyond = (lines.len() as u16).saturating_sub(body.height);
        self.scroll = self.scroll.min(beyond);
        frame.render_widget(Paragraph::new(lines).scroll((self.scroll, 0)), body);
        let foot_line = match &self.trouble {
            Some(trouble) => Line::from(trouble.clone()).red(),
            None => Line::from(HELP).dark_gray(),
        };
        frame.render_widget(foot_line, foot);
    }

    fn tabs(&self) -> Line<'static> {
        let mut spans = Vec::new();
        for (place, (_, name)) in VIEWS.iter().enumerate() {
            let style = if place == self.view {
                Style::new().reversed()
            } else {
                Style::new()
            };
            spans.push(Span::from(format!(" {} {name} ", place + 1)).style(style));
        }
        let state = match (self.ended, self.paused) {
            (true, _) => "  the recording has ended".to_owned(),
            (_, true) => "  paused".to_owned(),
            _ => format!("  every {} ms, by {}", self.interval.as_millis(), SORTS[self.sort].1),
        };
        spans.push(Span::from(state).dark_gray());
        Line::from(spans)
    }
}
