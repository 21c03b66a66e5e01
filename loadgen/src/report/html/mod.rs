//! A run, or two of them, as one page: everything in one file, nothing from the network, readable without its script.
//!
//! Invariants: the page asks for nothing (its policy forbids it); what runs hold is shown as text; light and dark
//! follow the reader's system.

mod axis;
mod chart;
mod escape;
mod plots;
mod shards;
mod tables;

use std::fmt::Write as _;

use chart::{Chart, Size, share_axes};
use escape::escape;

use crate::result::Run;
use crate::units::date;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("hover.js");

/// The page of one run.
pub fn page(run: &Run) -> String {
    let mut body = format!(
        "<header><p class=\"kind\">crosspoint-loadgen · report of a run</p><h1>{}</h1><p class=\"sub\">{}</p></header>\n",
        escape(&run.name),
        escape(&subtitle(run))
    );
    body += &tables::verdict(run);
    body += &tables::key_figures(run);
    let charts: Vec<Chart> = plots::PLOTS.iter().filter_map(|plot| plot(run)).collect();
    body += &section("Over time", &draw(&charts, "p"));
    body += &section("Shard by shard", &draw(&shards::plots(run), "s"));
    for table in [
        tables::search,
        tables::latencies,
        tables::phases,
        tables::counts,
        tables::facts,
    ] {
        body += &table(run);
    }
    document(&format!("{} · {}", run.name, date(run.started_unix_ms)), &body)
}

/// The page of two runs side by side; `names` is what they are called (their files).
pub fn compare(one: &Run, other: &Run, names: [&str; 2]) -> String {
    let mut body = format!(
        "<header><p class=\"kind\">crosspoint-loadgen · comparison of two runs</p><h1>{} <span>and</span> {}</h1></header>\n",
        escape(names[0]),
        escape(names[1])
    );
    let runs = [one, other];
    body += &side_by_side(runs, |place, run| {
        let sub = escape(&subtitle(run));
        format!(
            "<h2>{}</h2><p class=\"sub\">{sub}</p>{}{}",
            escape(names[place]),
            tables::verdict(run),
            tables::key_figures(run)
        )
    });
    body += &tables::comparison(one, other, names);
    if let Some(chart) = plots::percentiles_together(&[(names[0], one), (names[1], other)]) {
        body += &section("Latency", &chart.draw("both"));
    }
    body += &section("Over time, on the same axes", &pairs(runs, names));
    body += &side_by_side(runs, |_, run| tables::facts(run));
    document(&format!("{} and {}", names[0], names[1]), &body)
}

/// The same plots of both runs beside each other; a run that lacks one leaves its place empty.
fn pairs(runs: [&Run; 2], names: [&str; 2]) -> String {
    let all = runs.map(|run| {
        let over_time = plots::PLOTS.iter().filter_map(|plot| plot(run));
        over_time.chain(shards::plots(run)).collect::<Vec<Chart>>()
    });
    let mut titles: Vec<String> = Vec::new();
    for title in all.iter().flatten().map(|chart| &chart.title) {
        if !titles.contains(title) {
            titles.push(title.clone());
        }
    }
    let mut charts = all.map(plots::by_title);
    let mut text = String::new();
    for (number, title) in titles.iter().enumerate() {
        let [ours, theirs] = &mut charts;
        let (mut one, mut other) = (ours.remove(title), theirs.remove(title));
        share_axes(&mut one.iter_mut().chain(other.iter_mut()).collect::<Vec<_>>());
        for (place, chart) in [one, other].into_iter().enumerate() {
            match chart {
                Some(mut chart) => {
                    chart.size = Size::Half;
                    chart.title = format!("{title}: {}", names[place]);
                    text += &chart.draw(&format!("c{number}{place}"));
                }
                None => {
                    let (title, name) = (escape(title), escape(names[place]));
                    let _ = write!(
                        text,
                        "<figure class=\"half none\"><figcaption><b>{title}: {name}</b><span class=\"about\">nothing to show</span></figcaption></figure>"
                    );
                }
            }
        }
    }
    format!("<div class=\"plots\">{text}</div>")
}

fn draw(charts: &[Chart], id: &str) -> String {
    let all: String = charts
        .iter()
        .enumerate()
        .map(|(place, chart)| chart.draw(&format!("{id}{place}")))
        .collect();
    if all.is_empty() {
        all
    } else {
        format!("<div class=\"plots\">{all}</div>")
    }
}

fn section(title: &str, inside: &str) -> String {
    if inside.is_empty() {
        return String::new();
    }
    format!("<section><h2>{title}</h2>{inside}</section>\n")
}

fn side_by_side(runs: [&Run; 2], of: impl Fn(usize, &Run) -> String) -> String {
    let parts: String = runs
        .iter()
        .enumerate()
        .map(|(place, run)| format!("<div>{}</div>", of(place, run)))
        .collect();
    format!("<div class=\"sides\">{parts}</div>\n")
}

fn subtitle(run: &Run) -> String {
    let about = if run.about.is_empty() {
        String::new()
    } else {
        format!("{} · ", run.about)
    };
    format!("{about}{} · {}", run.target.text(), date(run.started_unix_ms))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title)
    )
}

#[cfg(test)]
mod tests;
