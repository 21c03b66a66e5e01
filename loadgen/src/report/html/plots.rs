//! Which plots a run has, and what is in them.
//!
//! Invariants: every plot is `None` if there is nothing to show; a plot of two runs has the same lines in the same
//! colours for both.

use std::collections::BTreeMap;

use super::axis::{Axis, Layout, Writing};
use super::chart::{Chart, Line, Shade, Size};
use crate::record::Count;
use crate::result::{Brief, Distribution, Load, Run, Second, percentile_name};

/// What flows, in the order of the legend.
const FLOWS: &[Count] = &[
    Count::MessagesReceived,
    Count::MessagesSent,
    Count::MessagesAcked,
    Count::PresenceReceived,
    Count::PresenceSent,
    Count::RoomReceived,
    Count::RoomSent,
    Count::Stored,
    Count::Drained,
    Count::Resumed,
    Count::Archived,
    Count::LoginsOk,
];
/// A flow that never reaches this part of the largest would lie on the axis.
const FLOW_PART_MIN: f64 = 0.005;
const LINES_MAX: usize = 8;
/// Points of a percentile curve for each nine.
const POINTS_A_NINE: usize = 40;
/// More nines than this are noise in any run.
const NINES_MAX: f64 = 7.0;

const TIME: (Layout, Writing) = (Layout::Logarithmic, Writing::Time);
const NUMBER: (Layout, Writing) = (Layout::Linear, Writing::Number);

/// Makes one kind of plot of a run.
pub type Plot = fn(&Run) -> Option<Chart>;

/// Plots over time and percentiles, in the order of the page.
pub const PLOTS: &[Plot] = &[search, latency, percentiles, throughput, cpu, memory, errors];

/// The latency at each rate that was tried, in the order of rates, and the one that was promised.
fn search(run: &Run) -> Option<Chart> {
    let search = run.search.as_ref().filter(|search| !search.steps.is_empty())?;
    let mut steps: Vec<(f64, Option<f64>)> = search
        .steps
        .iter()
        .map(|step| (step.wanted_per_s, Some(step.latency_us)))
        .collect();
    steps.sort_by(|one, other| one.0.total_cmp(&other.0));
    let promise = steps.iter().map(|step| (step.0, Some(search.max_us))).collect();
    let name = format!("{} {}", words(&search.latency), percentile_name(search.quantile));
    let line = |name: &str, place, points| Line {
        name: name.to_owned(),
        colour: place,
        dash: place,
        points,
    };
    let lines = vec![line(&name, 0, steps), line("promised", 1, promise)];
    let mut chart = Chart::over_time("Latency by rate", "each rate that was tried", &name, TIME, lines);
    chart.x_label = "rate that was due, 1/s".to_owned();
    chart.size = Size::Whole;
    Some(chart)
}

/// p50, p99 and max of each second.
fn latency(run: &Run) -> Option<Chart> {
    let name = run.main_latency()?.name();
    let line = |text: &str, dash, value: fn(&Brief) -> f64| {
        per_second(run, text, 0, dash, |second| second.latencies.get(name).map(value))
    };
    let lines = vec![
        line("median", 0, |brief| brief.p50_us),
        line("99 %", 1, |brief| brief.p99_us),
        line("max", 3, |brief| brief.max_us),
    ];
    let about = run.main_latency()?.help();
    let mut chart = Chart::over_time("Latency over time", about, "latency, each second", TIME, lines);
    chart.fill = Some((0, 1));
    Some(finish(chart, run, Size::Whole))
}

/// Every latency of the measured part, a nine at a time.
fn percentiles(run: &Run) -> Option<Chart> {
    let all = run.measured.latencies.iter().take(LINES_MAX).enumerate();
    let lines = all
        .filter_map(|(place, (name, latency))| curve(name, place, latency))
        .collect();
    percentile_chart(
        "Latency by percentile",
        "measured part; each nine takes the same room",
        lines,
    )
}

/// The main latency of several runs in one plot.
pub fn percentiles_together(runs: &[(&str, &Run)]) -> Option<Chart> {
    let curves = runs.iter().enumerate().filter_map(|(place, (name, run))| {
        let latency = run.measured.latencies.get(run.main_latency()?.name())?;
        curve(name, place, latency)
    });
    let about = runs.first()?.1.main_latency()?.help();
    let mut chart = percentile_chart("Latency by percentile, both runs", about, curves.collect())?;
    chart.size = Size::Whole;
    Some(chart)
}

fn percentile_chart(title: &str, about: &str, lines: Vec<Line>) -> Option<Chart> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    points().next()?;
    Some(Chart {
        title: title.to_owned(),
        about: about.to_owned(),
        x_label: "this part is faster".to_owned(),
        y_label: "latency".to_owned(),
        x: Axis::over(Layout::Nines, Writing::Percentile, points().map(|point| point.0)),
        y: Axis::over(Layout::Logarithmic, Writing::Time, points().filter_map(|point| point.1)),
        lines,
        fill: None,
        shades: Vec::new(),
        size: Size::Half,
    })
}

/// From the whole histogram; ends where one occurrence is all that is left.
fn curve(name: &str, place: usize, latency: &Distribution) -> Option<Line> {
    let histogram = latency.decode().ok().filter(|histogram| !histogram.is_empty())?;
    let nines = (histogram.len() as f64).log10().clamp(1.0, NINES_MAX);
    let steps = (nines * POINTS_A_NINE as f64).ceil() as usize;
    let at = |step: usize| {
        let x = nines * step as f64 / steps as f64;
        let quantile = 1.0 - 10f64.powf(-x);
        (x, Some(histogram.value_at_quantile(quantile) as f64 / 1e3))
    };
    Some(Line {
        name: name.to_owned(),
        colour: place,
        dash: place,
        points: (0..=steps).map(at).collect(),
    })
}

/// What flows, a second.
fn throughput(run: &Run) -> Option<Chart> {
    let most = |count: &Count| run.series.iter().map(|second| rate(second, *count)).fold(0.0, f64::max);
    let largest = FLOWS.iter().map(most).fold(0.0, f64::max);
    let shown = FLOWS
        .iter()
        .filter(|count| most(count) > largest * FLOW_PART_MIN)
        .take(LINES_MAX);
    let lines: Vec<Line> = shown
        .enumerate()
        .map(|(place, count)| {
            per_second(run, &words(count.name()), place, place, |second| {
                Some(rate(second, *count))
            })
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    Some(finish(
        Chart::over_time("Throughput", "", "each second", NUMBER, lines),
        run,
        Size::Half,
    ))
}

/// Cores kept busy, by the server and by the load generator.
fn cpu(run: &Run) -> Option<Chart> {
    let lines = both_sides(run, |load| load.cores);
    let about = "cores kept busy, user and kernel";
    Some(finish(
        Chart::over_time("CPU", about, "cores", NUMBER, lines),
        run,
        Size::Half,
    ))
}

fn memory(run: &Run) -> Option<Chart> {
    let loads = run
        .series
        .iter()
        .flat_map(|second| second.server.iter().chain([&second.client]));
    let most = loads.map(|load| load.resident_bytes).max().filter(|most| *most > 0)?;
    let gigabytes = most > 4 << 30;
    let lines = match gigabytes {
        true => both_sides(run, |load| load.resident_bytes as f64 / (1u64 << 30) as f64),
        false => both_sides(run, |load| load.resident_bytes as f64 / (1u64 << 20) as f64),
    };
    let unit = if gigabytes { "GiB" } else { "MiB" };
    Some(finish(
        Chart::over_time("Memory", "resident", unit, NUMBER, lines),
        run,
        Size::Half,
    ))
}

/// Errors by kind; `None` if there were none.
fn errors(run: &Run) -> Option<Chart> {
    let kinds = Count::WRONG.iter().chain(Count::ERRORS).chain([&Count::Stalled]);
    let happened = kinds.filter(|kind| run.series.iter().any(|second| second.counts.contains_key(kind.name())));
    let lines: Vec<Line> = happened
        .take(LINES_MAX)
        .enumerate()
        .map(|(place, kind)| {
            let times = move |second: &Second| Some(second.counts.get(kind.name()).copied().unwrap_or(0) as f64);
            per_second(run, &words(kind.name()), place, place, times)
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    let about = "by kind, and how often a window or a socket was full";
    Some(finish(
        Chart::over_time("Errors and stalls", about, "times, each second", NUMBER, lines),
        run,
        Size::Half,
    ))
}

fn both_sides(run: &Run, value: fn(&Load) -> f64) -> Vec<Line> {
    let mut lines = Vec::new();
    if run.server.is_some() {
        lines.push(per_second(run, "server", 0, 0, |second| {
            second.server.as_ref().map(value)
        }));
    }
    lines.push(per_second(run, "load generator", 1, 1, |second| {
        Some(value(&second.client))
    }));
    lines
}

fn per_second(run: &Run, name: &str, colour: usize, dash: usize, value: impl Fn(&Second) -> Option<f64>) -> Line {
    Line {
        name: name.to_owned(),
        colour,
        dash,
        points: run.series.iter().map(|second| (second.at_s, value(second))).collect(),
    }
}

fn rate(second: &Second, count: Count) -> f64 {
    second.counts.get(count.name()).copied().unwrap_or(0) as f64 / second.seconds.max(1e-3)
}

/// Sets the measured phases off and names all of them.
fn finish(mut chart: Chart, run: &Run, size: Size) -> Chart {
    chart.shades = shades(run);
    chart.size = size;
    chart
}

/// The phases of a run.
pub fn shades(run: &Run) -> Vec<Shade> {
    let all = run.phases.iter().filter(|phase| phase.to_s > phase.from_s);
    all.map(|phase| Shade {
        name: phase.name.clone(),
        from: phase.from_s,
        to: phase.to_s,
        strong: phase.measured,
    })
    .collect()
}

/// `messages_received` in words.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// By title, so that the plots of two runs can be set beside each other.
pub fn by_title(charts: Vec<Chart>) -> BTreeMap<String, Chart> {
    charts.into_iter().map(|chart| (chart.title.clone(), chart)).collect()
}
