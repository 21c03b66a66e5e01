//! The server's own figures, shard by shard: small plots of the same kind.

use super::axis::{Layout, Writing};
use super::chart::{Chart, Line, Size};
use super::plots::shades;
use crate::result::Run;
use crate::sample::{Form, ShardsMetric};

/// What to show first; servers that name none of these show what they have.
const FIRST: &[&str] = &[
    "crosspoint_messages_total",
    "crosspoint_deliveries_total",
    "crosspoint_shard_cpu_nanoseconds",
    "crosspoint_mailbox_items_total",
    "crosspoint_socket_writes_total",
    "crosspoint_sessions",
];
const PLOTS_MAX: usize = 6;
/// More shards than this are shown as least, median and most.
const LINES_MAX: usize = 6;

/// At most [`PLOTS_MAX`] plots; none if the server's figures were not read.
pub fn plots(run: &Run) -> Vec<Chart> {
    let Some(shards) = &run.shards else { return Vec::new() };
    let busy = |name: &&str| shards.metrics.get(*name).is_some_and(|metric| !silent(metric));
    let first = FIRST.iter().copied().filter(busy);
    let rest = shards
        .metrics
        .keys()
        .map(String::as_str)
        .filter(|name| !FIRST.contains(name))
        .filter(busy);
    let chosen: Vec<&str> = first.chain(rest).take(PLOTS_MAX).collect();
    let plot = |name: &&str| plot(run, name, &shards.metrics[*name], &shards.at_s);
    chosen.iter().map(plot).collect()
}

fn silent(metric: &ShardsMetric) -> bool {
    metric.shards.values().flatten().flatten().all(|value| *value == 0.0)
}

fn plot(run: &Run, name: &str, metric: &ShardsMetric, at_s: &[f64]) -> Chart {
    // Time of CPU per time is a number of cores.
    let (divisor, unit) = match (name.ends_with("_nanoseconds"), metric.form) {
        (true, Form::PerSecond) => (1e9, "cores"),
        (_, Form::PerSecond) => (1.0, "each second"),
        (_, Form::Level) => (1.0, "at a time"),
    };
    let series = |values: &[Option<f64>]| -> Vec<(f64, Option<f64>)> {
        let scaled = values.iter().map(|value| value.map(|value| value / divisor));
        at_s.iter().copied().zip(scaled).collect()
    };
    let lines = match metric.shards.len() {
        0..=LINES_MAX => {
            let all = metric.shards.iter().enumerate();
            all.map(|(place, (shard, values))| line(&format!("shard {shard}"), place, series(values)))
                .collect()
        }
        _ => ["least", "median", "most"]
            .iter()
            .enumerate()
            .map(|(place, which)| line(which, place, series(&across(metric, at_s.len(), place))))
            .collect(),
    };
    let mut chart = Chart::over_time(name, &metric.help, unit, (Layout::Linear, Writing::Number), lines);
    chart.shades = shades(run);
    chart.size = Size::Third;
    chart
}

fn line(name: &str, place: usize, points: Vec<(f64, Option<f64>)>) -> Line {
    Line {
        name: name.to_owned(),
        colour: place,
        dash: place,
        points,
    }
}

/// The least (0), median (1) or most (2) of all shards at each time.
fn across(metric: &ShardsMetric, times: usize, which: usize) -> Vec<Option<f64>> {
    let at = |time: usize| {
        let mut values: Vec<f64> = metric.shards.values().filter_map(|series| *series.get(time)?).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len().saturating_sub(1) * which / 2).copied()
    };
    (0..times).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn shards_have_a_line_each_until_there_are_too_many() {
        let mut run = fixture::run("chat", 1.0);
        let charts = plots(&run);
        assert_eq!(charts.len(), 3);
        assert_eq!(charts[0].title, "crosspoint_messages_total");
        assert_eq!(charts[0].lines.len(), 2);
        assert!(charts[1].y.most < 2.0, "nanoseconds a second are cores");
        let metric = run
            .shards
            .as_mut()
            .unwrap()
            .metrics
            .get_mut("crosspoint_messages_total")
            .unwrap();
        let series = metric.shards[&0].clone();
        metric.shards.extend((2..64).map(|shard| (shard, series.clone())));
        let many: Vec<String> = plots(&run)[0].lines.iter().map(|line| line.name.clone()).collect();
        assert_eq!(many, ["least", "median", "most"]);
    }

    #[test]
    fn without_figures_there_are_no_plots() {
        let mut run = fixture::run("chat", 1.0);
        run.shards = None;
        assert!(plots(&run).is_empty());
    }
}
