//! The tables of a page: key figures, percentiles, phases, errors, and what was run where.
//!
//! Invariants: every text of a run goes through [`escape`]; numbers stand right-aligned in columns with a heading.

use std::fmt::Write as _;

use super::escape::escape;
use super::plots::words;
use crate::record::Count;
use crate::report::compare::{Better, differences, rows};
use crate::result::{Figures, Run};
use crate::units::{bytes, clock, date, figure, time_us, whole};

/// The verdict, with its reasons.
pub fn verdict(run: &Run) -> String {
    if run.verdict.ok {
        return "<p class=\"verdict ok\"><b>&#10003; ok</b> Every message arrived once, in order and undamaged; \
                errors stayed within what the plan allows.</p>\n"
            .to_owned();
    }
    let reasons: String = run
        .verdict
        .reasons
        .iter()
        .map(|reason| format!("<li>{}</li>", escape(reason)))
        .collect();
    format!("<div class=\"verdict bad\"><b>&#10007; not ok</b><ul>{reasons}</ul></div>\n")
}

/// The handful of numbers that people come for.
pub fn key_figures(run: &Run) -> String {
    let measured = &run.measured;
    let mut tiles = vec![(
        figure(measured.per_second),
        format!("{} a second", words(&measured.unit)),
    )];
    if let Some(latency) = run.main_latency().and_then(|main| measured.latencies.get(main.name())) {
        tiles.push((time_us(latency.p50_us), "median latency".to_owned()));
        tiles.push((time_us(latency.p99_us), "99 % are faster".to_owned()));
        tiles.push((time_us(latency.max_us), "slowest".to_owned()));
    }
    if let Some(each) = measured.server_cpu_us_each {
        tiles.push((format!("{} µs", figure(each)), "server CPU for each".to_owned()));
    }
    if let Some(server) = &run.server {
        match server.bytes_per_session {
            Some(each) => tiles.push((bytes(each), "server memory a session".to_owned())),
            None => tiles.push((
                bytes(server.resident_peak_bytes as f64),
                "server memory at most".to_owned(),
            )),
        }
    }
    let wrong: u64 = Count::WRONG.iter().map(|count| run.whole(*count)).sum();
    if wrong > 0 {
        tiles.push((whole(wrong), "lost or wrong".to_owned()));
    }
    let errors = Count::errors(|count| run.whole(count));
    tiles.push((whole(errors), "errors".to_owned()));
    let tiles = tiles
        .iter()
        .map(|(value, name)| format!("<div><dt>{}</dt><dd>{value}</dd></div>", escape(name)));
    format!("<dl class=\"tiles\">{}</dl>\n", tiles.collect::<String>())
}

/// Percentiles of everything that was timed, phase by phase.
pub fn latencies(run: &Run) -> String {
    let mut lines = String::new();
    let phases = run
        .phases
        .iter()
        .filter_map(|phase| Some((phase.name.as_str(), phase.figures.as_ref()?)));
    for (phase, figures) in [("measured", &run.measured)].into_iter().chain(phases) {
        for (name, latency) in &figures.latencies {
            let telling: Vec<f64> = latency.telling().map(|(quantile, _)| quantile).collect();
            let cell_of = |(quantile, us): (f64, f64)| match telling.contains(&quantile) {
                true => cell(&time_us(us)),
                false => cell("–"),
            };
            let cells: String = latency.percentiles().into_iter().map(cell_of).collect();
            let (name, phase) = (escape(&words(name)), escape(phase));
            let mean = cell(&time_us(latency.mean_us));
            let count = cell(&whole(latency.count));
            // Writing to a String cannot fail.
            let _ = write!(
                lines,
                "<tr><th scope=\"row\">{name}</th><td>{phase}</td>{count}{mean}{cells}</tr>"
            );
        }
    }
    let heads = ["count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"]
        .map(|head| format!("<th scope=\"col\" class=\"n\">{head}</th>"));
    table(
        "Latencies",
        &format!(
            "<th scope=\"col\">what</th><th scope=\"col\">phase</th>{}",
            heads.concat()
        ),
        &lines,
    )
}

/// Rates and costs, phase by phase.
pub fn phases(run: &Run) -> String {
    let mut lines = String::new();
    for phase in &run.phases {
        let alone = phase.measured && phase.figures.is_none();
        let figures = if alone {
            Some(&run.measured)
        } else {
            phase.figures.as_ref()
        };
        let time = format!("{} to {}", clock(phase.from_s), clock(phase.to_s));
        let name = escape(&phase.name);
        let _ = write!(
            lines,
            "<tr><th scope=\"row\">{name}</th><td>{time}</td>{}</tr>",
            phase_cells(figures)
        );
    }
    let heads = "<th scope=\"col\">phase</th><th scope=\"col\">from, to</th><th scope=\"col\">what is counted</th>\
                 <th scope=\"col\" class=\"n\">count</th><th scope=\"col\" class=\"n\">a second</th>\
                 <th scope=\"col\" class=\"n\">server CPU each</th><th scope=\"col\" class=\"n\">server cores</th>\
                 <th scope=\"col\" class=\"n\">own CPU each</th>";
    table("Phases", heads, &lines)
}

fn phase_cells(figures: Option<&Figures>) -> String {
    let Some(figures) = figures else {
        return "<td></td>".repeat(6);
    };
    let or_dash = |value: Option<String>| cell(&value.unwrap_or_else(|| "–".to_owned()));
    format!(
        "<td>{}</td>{}{}{}{}{}",
        escape(&words(&figures.unit)),
        cell(&whole(figures.count)),
        cell(&figure(figures.per_second)),
        or_dash(figures.server_cpu_us_each.map(time_us)),
        or_dash(figures.server_cores.map(figure)),
        cell(&time_us(figures.client_cpu_us_each)),
    )
}

/// Everything that was counted, with what it means.
pub fn counts(run: &Run) -> String {
    let mut lines = String::new();
    for (count, name, help) in Count::ALL {
        let wrong = Count::WRONG.contains(count) || Count::ERRORS.contains(count);
        let (all, measured) = (run.whole(*count), run.measured.counts.get(*name).copied().unwrap_or(0));
        if all > 0 || Count::WRONG.contains(count) {
            let class = if wrong && all > 0 { " class=\"bad\"" } else { "" };
            let (name, cells) = (words(name), [cell(&whole(all)), cell(&whole(measured))].concat());
            let _ = write!(
                lines,
                "<tr{class}><th scope=\"row\">{name}</th>{cells}<td>{help}</td></tr>"
            );
        }
    }
    let heads = "<th scope=\"col\">what</th><th scope=\"col\" class=\"n\">whole run</th>\
                 <th scope=\"col\" class=\"n\">measured part</th><th scope=\"col\">meaning</th>";
    table("Counts and errors", heads, &lines)
}

/// What was run, where, and how to do it again.
pub fn facts(run: &Run) -> String {
    let machine = &run.machine;
    let target = format!(
        "{}, domain {}, {}",
        run.target.text(),
        run.target.domain,
        words(&run.target.spoken())
    );
    let hardware = format!(
        "{}, {} cores, {}, Linux {}",
        machine.cpu,
        machine.cores,
        bytes(machine.memory_bytes as f64),
        machine.kernel
    );
    let rows = [
        (
            "scenario",
            if run.about.is_empty() {
                run.name.clone()
            } else {
                format!("{}: {}", run.name, run.about)
            },
        ),
        ("server", target),
        ("machine", hardware),
        ("date", date(run.started_unix_ms)),
        ("load generator", format!("crosspoint-loadgen {}", run.version)),
    ];
    let mut lines: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(value)))
        .collect();
    let _ = write!(
        lines,
        "<tr><th scope=\"row\">command</th><td><code>{}</code></td></tr>",
        escape(&run.command)
    );
    let plan = match run.plan_toml.is_empty() {
        true => String::new(),
        false => format!(
            "<details><summary>The plan, to run it again</summary><pre>{}</pre></details>\n",
            escape(&run.plan_toml)
        ),
    };
    format!(
        "<section><h2>What was run</h2><div class=\"scroll\"><table class=\"facts\"><tbody>{lines}</tbody></table></div>{plan}</section>\n"
    )
}

/// The rates of a search.
pub fn search(run: &Run) -> String {
    let Some(search) = &run.search else {
        return String::new();
    };
    let mut lines = String::new();
    for step in &search.steps {
        let (wanted, reached) = (cell(&figure(step.wanted_per_s)), cell(&figure(step.reached_per_s)));
        let (latency, ok) = (
            cell(&time_us(step.latency_us)),
            match (step.ok, step.generator_busy) {
                (true, _) => "kept",
                (false, false) => "not kept",
                (false, true) => "not kept, but the load generator's own cores were full",
            },
        );
        let _ = write!(lines, "<tr>{wanted}{reached}{latency}<td>{ok}</td></tr>");
    }
    let heads = "<th scope=\"col\" class=\"n\">wanted, 1/s</th><th scope=\"col\" class=\"n\">reached, 1/s</th>\
                 <th scope=\"col\" class=\"n\">latency</th><th scope=\"col\">promise</th>";
    let percentile = crate::result::percentile_name(search.quantile);
    let promise = format!(
        "Search: {} {percentile} within {}",
        words(&search.latency),
        time_us(search.max_us)
    );
    table(&promise, heads, &lines)
}

/// Two runs, figure by figure.
pub fn comparison(one: &Run, other: &Run, names: [&str; 2]) -> String {
    let notes: String = differences(one, other)
        .iter()
        .map(|note| format!("<li>{}</li>", escape(note)))
        .collect();
    let notes = if notes.is_empty() {
        notes
    } else {
        format!("<div class=\"notes\"><b>The runs are unlike:</b><ul>{notes}</ul></div>\n")
    };
    let mut lines = String::new();
    for row in rows(one, other) {
        let better = match row.better {
            Better::First => ("better", ""),
            Better::Second => ("", "better"),
            Better::Same | Better::Neither => ("", ""),
        };
        let word = match row.better {
            Better::First => format!("{} is better", names[0]),
            Better::Second => format!("{} is better", names[1]),
            Better::Same => "the same".to_owned(),
            Better::Neither => String::new(),
        };
        let [ours, theirs] = &row.values;
        let _ = write!(
            lines,
            "<tr><th scope=\"row\">{}</th><td class=\"n {}\">{ours}</td><td class=\"n {}\">{theirs}</td>{}<td>{}</td></tr>",
            escape(&words(&row.name)),
            better.0,
            better.1,
            cell(&row.ratio_text()),
            escape(&word),
        );
    }
    let heads = format!(
        "<th scope=\"col\">figure</th><th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th>\
         <th scope=\"col\" class=\"n\">second / first</th><th scope=\"col\"></th>",
        escape(names[0]),
        escape(names[1])
    );
    notes + &table("Figure by figure", &heads, &lines)
}

fn cell(text: &str) -> String {
    format!("<td class=\"n\">{text}</td>")
}

fn table(title: &str, heads: &str, lines: &str) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "<section><h2>{}</h2><div class=\"scroll\"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div></section>\n",
        escape(title)
    )
}
