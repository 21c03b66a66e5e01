//! The views, as lines of text: what the screen shows and what `--once` prints.
//!
//! Invariant: a view is a pure function of figures and order; nothing here knows a terminal.

use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};

use super::figures::{Counted, Figures, Health, Shard};
use crate::status;

/// A view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// A row for each shard.
    Overview,
    /// Where a message's time goes.
    Split,
    /// From shard to shard.
    Matrix,
    /// Log and book.
    Log,
    /// Who sends most.
    Talkers,
}

/// All of them, in the order of their keys.
pub const VIEWS: [(View, &str); 5] = [
    (View::Overview, "overview"),
    (View::Split, "split"),
    (View::Matrix, "matrix"),
    (View::Log, "log"),
    (View::Talkers, "talkers"),
];

/// What shards are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Their number.
    Shard,
    /// Busy most.
    Busy,
    /// Longest turns.
    Turn,
    /// Most envelopes.
    Traffic,
    /// Most sessions.
    Sessions,
    /// Most stalls.
    Stalls,
}

/// All of them, in the order in which a key goes through them.
pub const SORTS: [(Sort, &str); 6] = [
    (Sort::Shard, "shard"),
    (Sort::Busy, "busy"),
    (Sort::Turn, "p99"),
    (Sort::Traffic, "traffic"),
    (Sort::Sessions, "sessions"),
    (Sort::Stalls, "stalls"),
];

const BAR_CELLS: usize = 30;

/// The lines of a view.
pub fn lines(view: View, figures: &Figures, sort: Sort) -> Vec<Line<'static>> {
    match view {
        View::Overview => overview(figures, sort),
        View::Split => split(figures, sort),
        View::Matrix => matrix(figures),
        View::Log => log(figures),
        View::Talkers => talkers(figures),
    }
}

/// The line above all views.
pub fn title(figures: &Figures) -> Line<'static> {
    let server = &figures.server;
    let (came_in, went_out) = figures.totals();
    let state = match server.alive {
        true => Span::from("up").green(),
        false => Span::from(" GONE, these are its last figures ").style(alarm()),
    };
    let rest = format!(
        " {}  cpu {:.2} cores  rss {}B  in {}/s  out {}/s",
        status::duration(server.uptime_s as u64),
        server.cpu,
        si(server.resident_bytes as f64),
        si(came_in),
        si(went_out)
    );
    Line::from(vec![
        format!(
            "crosspoint {}  {}  process {}  ",
            server.version, server.domain, server.process
        )
        .bold(),
        state,
        rest.into(),
    ])
}

fn overview(figures: &Figures, sort: Sort) -> Vec<Line<'static>> {
    let head = format!(
        "{:>5} {:<7} {:>5} {:>5} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9} {:>5} {:>5} {:>5} {:>6} {:>5} {:>7} {:>7} {:>9}  {}",
        "shard",
        "state",
        "busy",
        "cpu",
        "p50",
        "p99",
        "in/s",
        "out/s",
        "ns/msg",
        "mail/high",
        "rd/in",
        "po/in",
        "sq/in",
        "en/in",
        "wr/out",
        "sess",
        "conns",
        "stalls",
        "longest"
    );
    let mut lines = vec![Line::from(head).style(heading())];
    lines.extend(sorted(figures, sort).into_iter().map(overview_row));
    lines.push(Line::default());
    for shard in sorted(figures, sort) {
        let shares = shard.doing_share.iter().take(6);
        let text: Vec<String> = shares
            .map(|(name, share)| format!("{name} {:.0}%", share * 100.0))
            .collect();
        lines.push(Line::from(vec![
            format!("{:>5} ", shard.shard).dark_gray(),
            Span::from(bar(shard.busy, BAR_CELLS)).style(load(shard.busy)),
            format!(" {}", text.join(", ")).into(),
        ]));
    }
    lines.extend(alarms(figures));
    lines
}

fn overview_row(shard: &Shard) -> Line<'static> {
    let split: f64 = shard.split_ns.iter().filter_map(|(_, ns)| *ns).sum();
    let state = match shard.health {
        Health::Idle => Span::from("idle   ").dark_gray(),
        Health::Busy => Span::from("busy   ").green(),
        Health::Wedged => Span::from("WEDGED ").style(alarm()),
        Health::Gone => Span::from("gone   ").style(alarm()),
    };
    let figures = format!(
        " {:>7} {:>7} {:>7} {:>7} {:>7} {:>9} {:>5} {:>5} {:>5} {:>6} {:>5} {:>7} {:>7}",
        micros(shard.turn_p50_us),
        micros(shard.turn_p99_us),
        si(shard.in_per_s),
        si(shard.out_per_s),
        if split > 0.0 {
            format!("{split:.0}")
        } else {
            "-".to_owned()
        },
        format!("{}/{}", shard.mail_depth, shard.mail_high),
        ratio(shard.reads_each),
        ratio(shard.polls_each),
        ratio(shard.sqes_each),
        enters(shard),
        ratio(shard.writes_each),
        si(shard.sessions as f64),
        si(shard.connections as f64),
    );
    let stalls = match shard.stalls_now {
        0 => format!(" {:>9}", shard.stalls),
        now => format!(" {:>9}", format!("{}+{now}", shard.stalls - now.min(shard.stalls))),
    };
    let longest = match shard.stalls {
        0 => String::new(),
        _ => format!(
            "  {} {}",
            micros(Some(shard.stall_longest_us)),
            shard.stall_longest_doing
        ),
    };
    let stalled = if shard.stalls_now > 0 {
        Style::new().fg(Color::Red)
    } else {
        Style::new()
    };
    Line::from(vec![
        format!("{:>5} ", shard.shard).into(),
        state,
        Span::from(format!(" {:>4.0}%", shard.busy * 100.0)).style(load(shard.busy)),
        Span::from(format!(" {:>4.0}%", shard.cpu * 100.0)).style(load(shard.cpu)),
        figures.into(),
        Span::from(stalls).style(stalled),
        longest.into(),
    ])
}

/// What calls for somebody: wedged shards, a failed log, fresh stalls.
fn alarms(figures: &Figures) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for shard in figures.shards.iter().filter(|shard| shard.health == Health::Wedged) {
        let thread = match shard.thread {
            Some('R') => ", its thread runs",
            Some('S') => ", its thread sleeps",
            Some('D') => ", its thread waits for a disk",
            Some('T' | 't') => ", its thread is stopped",
            _ => "",
        };
        let text = format!(
            " shard {} has not turned for {:.1} s, last doing: {}{thread} ",
            shard.shard, shard.silent_s, shard.doing
        );
        lines.push(Line::from(Span::from(text).style(alarm())));
    }
    if figures.log.poisoned {
        lines.push(Line::from(
            Span::from(" the log has FAILED: nothing is stored any more ").style(alarm()),
        ));
    }
    for shard in figures.shards.iter().filter(|shard| shard.stalls > 0) {
        let by = shard.stalls_by.iter();
        let by: Vec<String> = by
            .map(|(name, count, us)| format!("{name} {count} (max {})", micros(Some(*us))))
            .collect();
        lines.push(Line::from(format!("stalls of shard {}: {}", shard.shard, by.join(", "))).yellow());
    }
    if !lines.is_empty() {
        lines.insert(0, Line::default());
    }
    lines
}

fn split(figures: &Figures, sort: Sort) -> Vec<Line<'static>> {
    let mut lines = vec![
        Line::from("time of an envelope by stage, in ns of one core, from one turn in 61").dark_gray(),
        Line::from("read..mailbox for each that came in, encode and write for each that went out").dark_gray(),
    ];
    if figures.shards.len() > 1 {
        stages(&mut lines, "all shards", &figures.split_ns());
    }
    for shard in sorted(figures, sort) {
        stages(&mut lines, &format!("shard {}", shard.shard), &shard.split_ns);
    }
    lines
}

fn stages(lines: &mut Vec<Line<'static>>, whose: &str, split: &[(String, Option<f64>)]) {
    let all: f64 = split.iter().filter_map(|(_, ns)| *ns).sum();
    let most = split.iter().filter_map(|(_, ns)| *ns).fold(1.0, f64::max);
    lines.push(Line::default());
    let sum = if all > 0.0 {
        format!("{all:.0} ns")
    } else {
        "no sampled turn with an envelope".to_owned()
    };
    lines.push(Line::from(format!("{whose}: {sum}")).style(heading()));
    for (name, ns) in split.iter().filter_map(|(name, ns)| Some((name, (*ns)?))) {
        lines.push(Line::from(vec![
            format!("{name:>9} {ns:>8.0} {:>4.0}% ", ns / all.max(1.0) * 100.0).into(),
            bar(ns / most, BAR_CELLS).cyan(),
        ]));
    }
}

fn matrix(figures: &Figures) -> Vec<Line<'static>> {
    let mut lines = vec![
        Line::from("items a second from a shard (row) to another (column); +n: chunks that wait in the lane")
            .dark_gray(),
    ];
    if figures.pairs_per_s.iter().all(Vec::is_empty) {
        lines.push(Line::from("not kept with so many shards"));
        return lines;
    }
    let most = figures.pairs_per_s.iter().flatten().copied().fold(1.0, f64::max);
    let columns: String = (0..figures.shards.len()).map(|to| format!("{to:>12}")).collect();
    lines.push(Line::from(format!("from \\ to{columns}")).style(heading()));
    for (from, row) in figures.pairs_per_s.iter().enumerate() {
        let mut spans = vec![Span::from(format!("{from:>9}"))];
        for (to, rate) in row.iter().enumerate() {
            let depth = figures
                .pairs_depth
                .get(from)
                .and_then(|row| row.get(to))
                .copied()
                .unwrap_or(0);
            let text = match depth {
                _ if from == to && *rate == 0.0 => "·".to_owned(),
                0 => si(*rate),
                depth => format!("{}+{depth}", si(*rate)),
            };
            spans.push(Span::from(format!("{text:>12}")).style(heat(rate / most)));
        }
        lines.push(Line::from(spans));
    }
    for shard in &figures.shards {
        let (rate, rings) = (si(shard.mail_per_s), si(shard.rings_per_s));
        let (depth, high) = (shard.mail_depth, shard.mail_high);
        lines.push(Line::from(format!(
            "shard {}: {rate} items/s in (keepers' answers too), now up to {depth} at once, high water {high}, wakes others {rings}/s",
            shard.shard
        )));
    }
    lines
}

fn log(figures: &Figures) -> Vec<Line<'static>> {
    let log = &figures.log;
    let bytes = |value: Option<u64>| value.map_or("-".to_owned(), |value| si(value as f64) + "B");
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let mut lines = vec![Line::from("log").style(heading())];
    if log.poisoned {
        lines.push(Line::from(
            Span::from(" FAILED: a write went wrong, nothing is stored any more ").style(alarm()),
        ));
    }
    let text = [
        format!(
            "   commits {:>8}/s   records {:>8}/s   bytes {:>8}B/s",
            si(log.commits_per_s),
            si(log.records_per_s),
            si(log.bytes_per_s)
        ),
        format!(
            "     queue {:>8} requests, {}B   refused {} batches",
            log.queue_requests,
            si(log.queue_bytes as f64),
            log.refusals
        ),
        format!(
            "    commit p50 {:>8}   p99 {:>8}",
            micros(log.commit_p50_us),
            micros(log.commit_p99_us)
        ),
        format!(
            "     group p50 {:>8}   p99 {:>8} requests",
            number(log.group_p50),
            number(log.group_p99)
        ),
        format!(
            "      size p50 {:>8}   p99 {:>8}",
            bytes(log.commit_p50_bytes),
            bytes(log.commit_p99_bytes)
        ),
        format!(
            "   pending {:>8} messages, {}B in {} segments",
            si(log.pending_records as f64),
            si(log.pending_bytes as f64),
            log.segments
        ),
    ];
    lines.extend(text.map(Line::from));
    lines.extend(commits(&log.commit_counts));
    lines.push(Line::default());
    lines.push(Line::from("book").style(heading()));
    lines.push(Line::from(format!(
        "   commits {:>8}/s   reads {:>8}/s   queue {} requests",
        si(log.book_commits_per_s),
        si(log.book_reads_per_s),
        log.book_queue_requests
    )));
    lines.push(Line::from(format!(
        "     group p50 {:>8}   p99 {:>8}",
        micros(log.book_p50_us),
        micros(log.book_p99_us)
    )));
    lines
}

/// Commits by their time, a bar for each power of two.
fn commits(counts: &[u64]) -> Vec<Line<'static>> {
    let by_power: Vec<u64> = counts.chunks(8).map(|chunk| chunk.iter().sum()).collect();
    let most = by_power.iter().copied().max().unwrap_or(0).max(1);
    let (Some(first), Some(last)) = (
        by_power.iter().position(|n| *n > 0),
        by_power.iter().rposition(|n| *n > 0),
    ) else {
        return Vec::new();
    };
    let line = |power: usize| {
        let from = if power == 0 {
            0.0
        } else {
            (1_u64 << (power + 2)) as f64 / 1e3
        };
        Line::from(vec![
            format!("   >= {:>7} {:>9} ", micros(Some(from)), by_power[power]).into(),
            bar(by_power[power] as f64 / most as f64, BAR_CELLS).cyan(),
        ])
    };
    (first..=last).map(line).collect()
}

fn talkers(figures: &Figures) -> Vec<Line<'static>> {
    let mut lines = vec![
        Line::from("who sent most lately, of what was seen in sampled turns; the share may be too high by the error")
            .dark_gray(),
        Line::from(format!(
            "{:>4} {:<42} {:>5} {:>7} {:>7}",
            "", "account", "shard", "share", "error"
        ))
        .style(heading()),
    ];
    for (place, talker) in figures.talkers.iter().enumerate() {
        lines.push(Line::from(vec![
            format!(
                "{:>4} {:<42} {:>5} {:>6.1}% {:>6.1}% ",
                place + 1,
                talker.name,
                talker.shard,
                talker.share * 100.0,
                talker.error * 100.0
            )
            .into(),
            bar(talker.share, BAR_CELLS).cyan(),
        ]));
    }
    if figures.talkers.is_empty() {
        lines.push(Line::from("nobody yet (or stats.talkers = false)"));
    }
    lines
}

fn sorted(figures: &Figures, sort: Sort) -> Vec<&Shard> {
    let mut shards: Vec<&Shard> = figures.shards.iter().collect();
    let key = |shard: &Shard| match sort {
        Sort::Shard => 0.0,
        Sort::Busy => shard.busy,
        Sort::Turn => shard.turn_p99_us.unwrap_or(0.0),
        Sort::Traffic => shard.in_per_s + shard.out_per_s,
        Sort::Sessions => shard.sessions as f64,
        Sort::Stalls => shard.stalls as f64,
    };
    shards.sort_by(|one, other| key(other).total_cmp(&key(one)));
    shards
}

fn heading() -> Style {
    Style::new().fg(Color::Black).bg(Color::Gray)
}

fn alarm() -> Style {
    Style::new()
        .fg(Color::White)
        .bg(Color::Red)
        .add_modifier(Modifier::BOLD)
}

fn load(share: f64) -> Style {
    match share {
        share if share > 0.95 => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        share if share > 0.75 => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Green),
    }
}

fn heat(share: f64) -> Style {
    match share {
        share if share > 0.66 => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        share if share > 0.1 => Style::new().fg(Color::Cyan),
        _ => Style::new().fg(Color::DarkGray),
    }
}

/// A bar of eighths of cells, always as wide as `cells`.
fn bar(share: f64, cells: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if eighths / 8 < cells {
        bar.push(EIGHTHS[eighths % 8]);
        bar.extend(std::iter::repeat_n(' ', cells - eighths / 8 - 1));
    }
    bar
}

/// Three digits and a prefix.
fn si(value: f64) -> String {
    let (value, prefix) = match value {
        value if value >= 999.5e6 => (value / 1e9, "G"),
        value if value >= 999.5e3 => (value / 1e6, "M"),
        value if value >= 999.5 => (value / 1e3, "k"),
        value => (value, ""),
    };
    match value {
        value if prefix.is_empty() && (value.fract() == 0.0 || value >= 99.95) => format!("{value:.0}"),
        value if value >= 99.95 => format!("{value:.0}{prefix}"),
        value if value >= 9.995 => format!("{value:.1}{prefix}"),
        value => format!("{value:.2}{prefix}"),
    }
}

/// Microseconds, as the unit that suits them.
fn micros(us: Option<f64>) -> String {
    match us {
        None => "-".to_owned(),
        Some(us) if us < 1.0 => format!("{:.0}ns", us * 1e3),
        Some(us) if us < 999.5 => format!("{us:.0}us"),
        Some(us) if us < 999.5e3 => format!("{:.1}ms", us / 1e3),
        Some(us) => format!("{:.1}s", us / 1e6),
    }
}

/// With `~` where nobody has counted and turns stand for it.
fn enters(shard: &Shard) -> String {
    match (shard.enters_each, shard.enters_from) {
        (Some(_), Counted::Turns) => format!("~{}", ratio(shard.enters_each)),
        (each, _) => ratio(each),
    }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_their_width() {
        let shown = [0.0, 7.0, 0.25, 99.95, 999.4, 999.6, 12_345.0, 1.5e6, 2e9].map(si);
        assert_eq!(
            shown,
            ["0", "7", "0.25", "100", "999", "1.00k", "12.3k", "1.50M", "2.00G"]
        );
        let shown = [0.5, 87.0, 1_500.0, 2.5e6].map(|us| micros(Some(us)));
        assert_eq!(shown, ["500ns", "87us", "1.5ms", "2.5s"]);
    }

    #[test]
    fn a_bar_is_always_as_wide() {
        for eighth in 0..=100 {
            assert_eq!(bar(f64::from(eighth) / 90.0, 10).chars().count(), 10);
        }
        assert_eq!(bar(0.55, 10), "█████▌    ");
    }
}
