//! A run as a few lines for a terminal.

use std::fmt::Write as _;

use crate::record::Count;
use crate::result::{Distribution, Figures, Phase, Run, percentile_name};
use crate::units::{bytes, clock, figure, time_us, whole};

/// The summary; ends with a line break.
pub fn summary(run: &Run) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", verdict(run));
    for reason in &run.verdict.reasons {
        let _ = writeln!(text, "  ! {reason}");
    }
    let _ = writeln!(text, "  {}", against(run));
    for phase in &run.phases {
        text.push_str(&of_phase(phase));
    }
    if run.measured.count > 0 {
        text.push_str(&figures(&run.measured));
    }
    text.push_str(&memory(run));
    text.push_str(&errors(run));
    text.push_str(&search(run));
    text
}

/// `chat: ok` in words.
fn verdict(run: &Run) -> String {
    match run.verdict.ok {
        true => format!("{}: ok", run.name),
        false => format!("{}: NOT OK", run.name),
    }
}

fn against(run: &Run) -> String {
    format!(
        "{}, {}, {} cores",
        run.target.text(),
        run.target.spoken(),
        run.machine.cores
    )
}

/// A phase with figures of its own, on one or two lines.
fn of_phase(phase: &Phase) -> String {
    let Some(figures) = phase.figures.as_ref().filter(|figures| figures.count > 0) else {
        return String::new();
    };
    let cpu = figures
        .server_cpu_us_each
        .map_or_else(String::new, |us| format!(", server CPU {} each", time_us(us)));
    let mut text = format!(
        "  {:<11} {} {} in {}: {} /s{cpu}\n",
        phase.name,
        whole(figures.count),
        figures.unit,
        clock(figures.seconds),
        figure(figures.per_second),
    );
    for (name, latency) in &figures.latencies {
        let _ = writeln!(text, "  {:<11}   {name}: {}", "", percentiles(latency));
    }
    text
}

fn figures(figures: &Figures) -> String {
    let spread = figures.per_second_spread;
    let mut text = format!(
        "  count       {} {} in {:.2} s\n  rate        {} /s (each second: {} / {} / {} least, median, most)\n",
        whole(figures.count),
        figures.unit,
        figures.seconds,
        figure(figures.per_second),
        figure(spread.least),
        figure(spread.median),
        figure(spread.most)
    );
    for (name, latency) in &figures.latencies {
        let _ = writeln!(text, "  {name:<11} {}", percentiles(latency));
    }
    if let (Some(each), Some(cores)) = (figures.server_cpu_us_each, figures.server_cores) {
        let spread = figures.server_cpu_us_each_spread.unwrap_or_default();
        let (least, most) = (figure(spread.least), figure(spread.most));
        let _ = writeln!(
            text,
            "  server CPU  {} µs each ({least} to {most}), {cores:.2} cores",
            figure(each)
        );
    }
    let (each, cores) = (figures.client_cpu_us_each, figures.client_cores);
    let _ = writeln!(text, "  own CPU     {} µs each, {cores:.2} cores", figure(each));
    text
}

/// `p50 180 µs, p90 ..., max 4.20 ms (of 15,000,000)`.
pub fn percentiles(latency: &Distribution) -> String {
    let all: Vec<String> = latency
        .telling()
        .map(|(quantile, us)| format!("{} {}", percentile_name(quantile), time_us(us)))
        .collect();
    format!("{} (of {})", all.join(", "), whole(latency.count))
}

fn memory(run: &Run) -> String {
    let Some(server) = &run.server else {
        return String::new();
    };
    let session = server
        .bytes_per_session
        .map_or_else(String::new, |each| format!(", {} a session", bytes(each)));
    format!(
        "  memory      server {} before, {} at most, {} at the end{session}\n",
        bytes(server.resident_start_bytes as f64),
        bytes(server.resident_peak_bytes as f64),
        bytes(server.resident_end_bytes as f64)
    )
}

/// By kind; "none" is an answer, too.
fn errors(run: &Run) -> String {
    let kinds: Vec<String> = Count::WRONG
        .iter()
        .chain(Count::ERRORS)
        .filter(|count| run.whole(**count) > 0)
        .map(|count| format!("{} {}", whole(run.whole(*count)), count.name()))
        .collect();
    let kinds = if kinds.is_empty() {
        "none".to_owned()
    } else {
        kinds.join(", ")
    };
    format!("  errors      {kinds}\n")
}

fn search(run: &Run) -> String {
    let Some(search) = &run.search else {
        return String::new();
    };
    let promise = format!(
        "{} {} within {}",
        search.latency,
        percentile_name(search.quantile),
        time_us(search.max_us)
    );
    let mut text = match search.best_per_s {
        Some(best) => format!("  search      {} /s is the highest rate with {promise}\n", figure(best)),
        None => format!("  search      no rate kept {promise}\n"),
    };
    for step in &search.steps {
        let _ = writeln!(
            text,
            "              {} /s wanted, {} /s reached: {} {}",
            figure(step.wanted_per_s),
            figure(step.reached_per_s),
            time_us(step.latency_us),
            match (step.ok, step.generator_busy) {
                (true, _) => "ok",
                (false, false) => "not kept",
                (false, true) => "not kept, but the load generator's own cores were full",
            }
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Search, SearchStep, fixture};

    #[test]
    fn a_summary_says_it_all_and_the_verdict_first() {
        let mut run = fixture::run("chat", 1.0);
        let text = summary(&run);
        assert!(text.starts_with("chat: ok\n"), "{text}");
        for part in [
            "Crosspoint 0.1.0 at 127.0.0.1:5222",
            "200 logins_ok in 3.00 s",
            "p99.99",
            "µs each",
            "a session",
            "4 error_replies",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        run.verdict.ok = false;
        run.verdict.reasons = vec!["1 lost.".to_owned()];
        assert!(summary(&run).starts_with("chat: NOT OK\n  ! 1 lost.\n"));
    }

    #[test]
    fn a_search_shows_its_steps() {
        let mut run = fixture::run("chat", 1.0);
        let step = SearchStep {
            wanted_per_s: 1000.0,
            reached_per_s: 999.0,
            latency_us: 800.0,
            ok: true,
            generator_busy: false,
        };
        run.search = Some(Search {
            latency: "message".to_owned(),
            quantile: 0.99,
            max_us: 1000.0,
            best_per_s: Some(1000.0),
            steps: vec![step],
        });
        let text = summary(&run);
        assert!(
            text.contains("1,000 /s is the highest rate with message p99 within 1.00 ms"),
            "{text}"
        );
    }

    #[test]
    fn a_banner_cannot_move_the_cursor() {
        let mut run = fixture::run("chat", 1.0);
        run.target.banner = Some("evil\u{1b}[2J\r\n".to_owned());
        assert!(summary(&run).contains("evil[2J at 127"));
    }
}
