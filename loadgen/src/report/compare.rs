//! Two runs beside each other, as a table: each figure of both, the ratio, and which is better.
//!
//! Invariants: only figures of one kind are set against each other; what differs between the runs besides the server
//! is said before the table, so that nobody compares unlike things unknowingly.

use std::fmt::Write as _;

use crate::record::Count;
use crate::result::{Figures, Run, percentile_name};
use crate::units::{bytes, figure, time_us, whole};

/// Figures closer than this are called the same: a run repeats no better.
const SAME: f64 = 0.02;

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub values: [String; 2],
    /// The second divided by the first, if both are there and the first is not zero.
    pub ratio: Option<f64>,
    pub better: Better,
}

/// Which of two is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    First,
    Second,
    Same,
    /// The figure is neither good nor bad, or one is missing.
    Neither,
}

#[derive(Clone, Copy)]
enum Wish {
    More,
    Less,
    None,
}

impl Row {
    /// `1.25 x`.
    pub fn ratio_text(&self) -> String {
        self.ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{} x", figure(ratio)))
    }
}

/// What makes the runs unlike, in whole sentences; empty if only the server differs.
pub fn differences(one: &Run, other: &Run) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: &str, one: &str, other: &str| {
        if one != other {
            found.push(format!("{what} differs: {one} against {other}."));
        }
    };
    check("The scenario", &one.name, &other.name);
    check("What is counted", &one.measured.unit, &other.measured.unit);
    check("The protocol", &one.target.protocol, &other.target.protocol);
    check("The encryption", &one.target.security, &other.target.security);
    check("The CPU", &one.machine.cpu, &other.machine.cpu);
    check(
        "The number of cores",
        &one.machine.cores.to_string(),
        &other.machine.cores.to_string(),
    );
    check("The kernel", &one.machine.kernel, &other.machine.kernel);
    check("The version of the load generator", &one.version, &other.version);
    let (seconds, others) = (one.measured.seconds, other.measured.seconds);
    if (seconds - others).abs() > 0.05 * seconds.max(others) {
        check(
            "The measured time",
            &format!("{seconds:.1} s"),
            &format!("{others:.1} s"),
        );
    }
    found.extend(plan_difference(one, other));
    for (run, which) in [(one, "first"), (other, "second")] {
        if !run.verdict.ok {
            found.push(format!("The {which} run is not ok: {}", run.verdict.reasons.join(" ")));
        }
    }
    found
}

/// Keys of a plan that say where the server is, not what is done to it.
const WHERE: &[&str] = &["addresses", "server_pids", "metrics_url"];

/// What is done may differ in any line of the plan; so the lines are named instead of judged.
fn plan_difference(one: &Run, other: &Run) -> Option<String> {
    let lines = |run: &Run| -> Vec<String> {
        let lines = run.plan_toml.lines().map(|line| line.trim().to_owned());
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !says_where(line))
            .collect()
    };
    let (ours, theirs) = (lines(one), lines(other));
    let only = |these: &[String], those: &[String]| -> String {
        let all: Vec<&str> = these
            .iter()
            .filter(|line| !those.contains(line))
            .map(String::as_str)
            .collect();
        if all.is_empty() {
            "nothing".to_owned()
        } else {
            all.join("; ")
        }
    };
    (ours != theirs).then(|| {
        format!(
            "The plan differs: only the first has {}; only the second has {}.",
            only(&ours, &theirs),
            only(&theirs, &ours)
        )
    })
}

fn says_where(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, _)| WHERE.contains(&key.trim()))
}

/// The table: rate, costs, memory, percentiles of each latency that both have, errors.
pub fn rows(one: &Run, other: &Run) -> Vec<Row> {
    let runs = [one, other];
    let figures = |value: fn(&Figures) -> Option<f64>| runs.map(|run| value(&run.measured));
    let server = |value: fn(&crate::result::ProcessUse) -> Option<f64>| runs.map(|run| value(run.server.as_ref()?));
    let mut rows = vec![
        row("rate, 1/s", figures(|run| Some(run.per_second)), figure, Wish::More),
        row(
            "rate, least second, 1/s",
            figures(|run| Some(run.per_second_spread.least)),
            figure,
            Wish::More,
        ),
        row(
            "server CPU each, µs",
            figures(|run| run.server_cpu_us_each),
            figure,
            Wish::Less,
        ),
        row(
            "each per server CPU second",
            figures(per_cpu_second),
            figure,
            Wish::More,
        ),
        row("server cores busy", figures(|run| run.server_cores), figure, Wish::None),
        row(
            "own CPU each, µs",
            figures(|run| Some(run.client_cpu_us_each)),
            figure,
            Wish::None,
        ),
        row(
            "server memory at most",
            server(|using| Some(using.resident_peak_bytes as f64)),
            bytes,
            Wish::Less,
        ),
        row(
            "server memory a session",
            server(|using| using.bytes_per_session),
            bytes,
            Wish::Less,
        ),
    ];
    rows.extend(phase_rows(one, other));
    rows.extend(latency_rows("", &one.measured, &other.measured));
    for count in Count::WRONG.iter().chain(Count::ERRORS) {
        let values = runs.map(|run| Some(run.whole(*count) as f64));
        rows.push(row(count.name(), values, |value| whole(value as u64), Wish::Less));
    }
    rows.retain(|row| row.values.iter().any(|value| value != "-" && value != "0"));
    rows
}

fn per_cpu_second(figures: &Figures) -> Option<f64> {
    Some(1e6 / figures.server_cpu_us_each.filter(|us| *us > 0.0)?)
}

/// Logins and the like: phases of one name that both have.
fn phase_rows(one: &Run, other: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for phase in &one.phases {
        let theirs = other.phases.iter().find(|their| their.name == phase.name);
        let (Some(ours), Some(theirs)) = (&phase.figures, theirs.and_then(|phase| phase.figures.as_ref())) else {
            continue;
        };
        if ours.unit != theirs.unit {
            continue;
        }
        let named = |what: &str| format!("{}: {}, {what}", phase.name, ours.unit);
        rows.push(row(
            &named("1/s"),
            [ours, theirs].map(|run| Some(run.per_second)),
            figure,
            Wish::More,
        ));
        let cpu = [ours, theirs].map(|run| run.server_cpu_us_each);
        rows.push(row(&named("server CPU each, µs"), cpu, figure, Wish::Less));
        rows.extend(latency_rows(&format!("{}: ", phase.name), ours, theirs));
    }
    rows
}

fn latency_rows(before: &str, one: &Figures, other: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, ours) in &one.latencies {
        let Some(theirs) = other.latencies.get(name) else {
            continue;
        };
        // What one of them has too few of to tell is not compared.
        for ((quantile, our_us), (_, their_us)) in pairs(ours.telling().collect(), theirs.telling().collect()) {
            let name = format!("{before}{name} {}", percentile_name(quantile));
            rows.push(row(&name, [Some(our_us), Some(their_us)], time_us, Wish::Less));
        }
    }
    rows
}

/// Percentiles that stand in both lists.
fn pairs(ours: Vec<(f64, f64)>, theirs: Vec<(f64, f64)>) -> Vec<((f64, f64), (f64, f64))> {
    let both = |our: (f64, f64)| Some((our, *theirs.iter().find(|their| their.0 == our.0)?));
    ours.into_iter().filter_map(both).collect()
}

fn row(name: &str, values: [Option<f64>; 2], show: fn(f64) -> String, wish: Wish) -> Row {
    let ratio = match values {
        [Some(one), Some(other)] if one > 0.0 => Some(other / one),
        _ => None,
    };
    let more = match values {
        [Some(one), Some(other)] if (other - one).abs() > SAME * one.max(other) => Some(other > one),
        [Some(_), Some(_)] => None,
        _ => {
            return Row {
                name: name.to_owned(),
                values: shown(values, show),
                ratio,
                better: Better::Neither,
            };
        }
    };
    let better = match (wish, more) {
        (Wish::None, _) => Better::Neither,
        (_, None) => Better::Same,
        (Wish::More, Some(true)) | (Wish::Less, Some(false)) => Better::Second,
        (Wish::More, Some(false)) | (Wish::Less, Some(true)) => Better::First,
    };
    Row {
        name: name.to_owned(),
        values: shown(values, show),
        ratio,
        better,
    }
}

fn shown(values: [Option<f64>; 2], show: fn(f64) -> String) -> [String; 2] {
    values.map(|value| value.map_or_else(|| "-".to_owned(), show))
}

/// All of it as text, `names` being what the runs are called (their files).
pub fn text(one: &Run, other: &Run, names: [&str; 2]) -> String {
    let mut text = String::new();
    for (which, name, run) in [("first", names[0], one), ("second", names[1], other)] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{which:<6}  {name}: {} against {}, {}",
            run.name,
            run.target.text(),
            run.target.spoken()
        );
    }
    for difference in differences(one, other) {
        let _ = writeln!(text, "  ! {difference}");
    }
    let rows = rows(one, other);
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\n{:width$}  {:>12}  {:>12}  {:>14}",
        "", "first", "second", "second / first"
    );
    for row in &rows {
        let better = match row.better {
            Better::First => "first is better",
            Better::Second => "second is better",
            Better::Same => "the same",
            Better::Neither => "",
        };
        let [one, other] = &row.values;
        let line = format!(
            "{:width$}  {one:>12}  {other:>12}  {:>14}  {better}",
            row.name,
            row.ratio_text()
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn the_faster_server_is_better_at_everything_that_has_a_better() {
        let (one, other) = (fixture::run("chat", 1.0), fixture::run("chat", 2.0));
        let rows = rows(&one, &other);
        let of = |name: &str| {
            rows.iter()
                .find(|row| row.name == name)
                .unwrap_or_else(|| panic!("no {name}"))
        };
        assert_eq!(of("rate, 1/s").better, Better::Second);
        assert!((of("rate, 1/s").ratio.unwrap() - 2.0).abs() < 0.1);
        assert_eq!(of("server CPU each, µs").better, Better::Second);
        assert_eq!(of("message p99").better, Better::Second);
        assert_eq!(of("error_replies").better, Better::Same);
        assert!(
            rows.iter().all(|row| row.name != "lost"),
            "a line of zeros says nothing"
        );
        assert!(differences(&one, &other).is_empty());
    }

    #[test]
    fn unlike_runs_are_called_unlike() {
        let one = fixture::run("chat", 1.0);
        let mut other = fixture::run("presence", 1.0);
        other.machine.cores = 64;
        other.target.security = "plain".to_owned();
        other.target.protocol = "icpp".to_owned();
        other.plan_toml = other.plan_toml.replace("pairs = 100", "pairs = 7");
        other.verdict.ok = false;
        other.verdict.reasons = vec!["1 lost.".to_owned()];
        let text = text(&one, &other, ["a.json", "b.json"]);
        for part in [
            "The scenario differs: chat against presence.",
            "The number of cores differs: 2 against 64.",
            "The protocol differs: xmpp against icpp.",
            "The encryption differs: starttls against plain.",
            "only the first has pairs = 100; only the second has pairs = 7.",
            "The second run is not ok: 1 lost.",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }

    #[test]
    fn where_a_server_is_makes_no_difference() {
        let (mut one, mut other) = (fixture::run("chat", 1.0), fixture::run("chat", 1.0));
        one.plan_toml += "addresses = [\"127.0.0.1:1\"]\nserver_pids = [1]\n";
        other.plan_toml += "addresses = [\"127.0.0.1:2\"]\nserver_pids = [2, 3]\nmetrics_url = \"http://x\"\n";
        assert!(differences(&one, &other).is_empty());
    }

    #[test]
    fn what_one_of_them_lacks_has_no_ratio() {
        let (one, mut other) = (fixture::run("chat", 1.0), fixture::run("chat", 1.0));
        other.server = None;
        other.measured.server_cpu_us_each = None;
        let rows = rows(&one, &other);
        let cpu = rows.iter().find(|row| row.name == "server CPU each, µs").unwrap();
        assert_eq!(
            (cpu.values[1].as_str(), cpu.ratio, cpu.better),
            ("-", None, Better::Neither)
        );
    }
}
