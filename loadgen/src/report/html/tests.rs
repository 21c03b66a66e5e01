//! Pages of the fixed run, alone and beside another, and of runs that mean harm.

use super::*;
use crate::record::Count;
use crate::result::{Search, SearchStep, fixture};

const HOSTILE: &str = "</title><script>alert('1')</script><img src=x onerror=\"alert(2)\">&\u{202e}";

/// A run in which every text that can be is hostile.
fn hostile() -> Run {
    let mut run = fixture::run(HOSTILE, 1.0);
    run.about = HOSTILE.to_owned();
    run.command = HOSTILE.to_owned();
    run.plan_toml = HOSTILE.to_owned();
    run.version = HOSTILE.to_owned();
    run.target.banner = Some(HOSTILE.to_owned());
    run.target.addresses = vec![HOSTILE.to_owned()];
    run.target.domain = HOSTILE.to_owned();
    run.target.security = HOSTILE.to_owned();
    run.target.protocol = HOSTILE.to_owned();
    run.machine.cpu = HOSTILE.to_owned();
    run.machine.kernel = HOSTILE.to_owned();
    run.measured.unit = HOSTILE.to_owned();
    run.verdict.ok = false;
    run.verdict.reasons = vec![HOSTILE.to_owned()];
    run.phases[0].name = HOSTILE.to_owned();
    let latency = run.measured.latencies["message"].clone();
    run.measured.latencies.insert(HOSTILE.to_owned(), latency);
    let shards = run.shards.as_mut().unwrap();
    let mut metric = shards.metrics["crosspoint_sessions"].clone();
    metric.help = HOSTILE.to_owned();
    shards.metrics.insert(HOSTILE.to_owned(), metric);
    run.search = Some(Search {
        latency: HOSTILE.to_owned(),
        quantile: 0.99,
        max_us: 1000.0,
        best_per_s: None,
        steps: vec![SearchStep {
            wanted_per_s: 1.0,
            reached_per_s: 1.0,
            latency_us: 1.0,
            ok: false,
            generator_busy: false,
        }],
    });
    run
}

/// Fails unless each element that is opened is closed, in order. The style and the script hold no markup.
fn assert_well_formed(page: &str) {
    let page = page.replace(STYLE, "").replace(SCRIPT, "");
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '\n']).next().unwrap();
        match name {
            "!DOCTYPE" | "meta" => {}
            _ if tag.ends_with('/') => {}
            _ => match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "<{tag}> closes another"),
                None => open.push(name),
            },
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Nothing on a page asks the network for anything: no tag has an attribute that could, nor style and script.
fn assert_self_contained(page: &str) {
    for word in ["@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!STYLE.contains(word) && !SCRIPT.contains(word), "{word}");
    }
    let markup = page.replace(STYLE, "").replace(SCRIPT, "");
    for tag in markup.split('<').skip(1).filter_map(|part| part.split('>').next()) {
        let unquoted: String = tag.split('"').step_by(2).collect();
        for word in ["src", "href", "style", "link", "on"] {
            let asks = unquoted
                .split([' ', '='])
                .skip(1)
                .any(|name| name == word || word == "on" && name.starts_with(word));
            assert!(!asks, "<{tag}>");
        }
    }
}

#[test]
fn a_page_holds_verdict_plots_and_what_was_run() {
    let run = fixture::run("chat", 1.0);
    let page = page(&run);
    assert_well_formed(&page);
    assert_self_contained(&page);
    for part in [
        "<h1>chat</h1>",
        "Latency over time",
        "Latency by percentile",
        "Throughput",
        "CPU",
        "Memory",
        "Errors and stalls",
        "crosspoint_messages_total",
        "99.9 %",
        "2026-11-24 06:00:00 UTC",
        "pairs = 100",
        "Linux 6.1.0",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "each id stands once");
}

#[test]
fn hostile_texts_stay_texts() {
    let run = hostile();
    for page in [page(&run), compare(&run, &hostile(), [HOSTILE, HOSTILE])] {
        assert_well_formed(&page);
        assert_self_contained(&page);
        assert_eq!(page.matches("<script").count(), 1, "only our own");
        assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    }
}

#[test]
fn two_runs_stand_side_by_side_on_the_same_axes() {
    let (one, other) = (fixture::run("chat", 1.0), fixture::run("chat", 2.0));
    let page = compare(&one, &other, ["a.json", "b.json"]);
    assert_well_formed(&page);
    assert_self_contained(&page);
    for title in [
        "Latency over time",
        "Throughput",
        "CPU",
        "Memory",
        "crosspoint_sessions",
    ] {
        for name in ["a.json", "b.json"] {
            assert!(
                page.contains(&format!("<b>{title}: {name}</b>")),
                "no {title} of {name}"
            );
        }
    }
    assert!(page.contains("b.json is better") && !page.contains("The runs are unlike"));
}

#[test]
fn a_run_that_lacks_a_plot_leaves_its_place_empty() {
    let (one, mut other) = (fixture::run("chat", 1.0), fixture::run("chat", 1.0));
    for second in &mut other.series {
        second.counts.remove(Count::ErrorReplies.name());
        second.counts.remove(Count::Stalled.name());
    }
    other.shards = None;
    let page = compare(&one, &other, ["a", "b"]);
    assert_well_formed(&page);
    assert_eq!(page.matches("nothing to show").count(), 4);
}

/// The run as the last step of a search for a rate.
fn searched(mut run: Run) -> Run {
    let at = |wanted_per_s: f64, latency_us: f64| SearchStep {
        wanted_per_s,
        reached_per_s: wanted_per_s,
        latency_us,
        ok: latency_us < 1000.0,
        generator_busy: false,
    };
    let steps = vec![
        at(1e5, 300.0),
        at(2e5, 350.0),
        at(4e5, 4000.0),
        at(3e5, 620.0),
        at(3.5e5, 980.0),
    ];
    run.search = Some(Search {
        latency: "message".to_owned(),
        quantile: 0.99,
        max_us: 1000.0,
        best_per_s: Some(3.5e5),
        steps,
    });
    run
}

#[test]
fn a_search_is_a_plot_of_latency_by_rate() {
    let page = page(&searched(fixture::run("chat", 1.0)));
    assert_well_formed(&page);
    for part in [
        "Latency by rate",
        "message p99",
        "rate that was due",
        "Search: message p99 within 1.00 ms",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn an_empty_run_has_a_page() {
    let mut run = fixture::run("chat", 1.0);
    run.series.clear();
    run.measured = Default::default();
    run.phases.clear();
    run.shards = None;
    run.server = None;
    assert_well_formed(&page(&run));
    assert_well_formed(&compare(&run, &fixture::run("chat", 1.0), ["a", "b"]));
}

/// Writes the pages where `LOADGEN_PAGES` says, for looking at them.
#[test]
fn pages_can_be_looked_at() {
    let Some(folder) = std::env::var_os("LOADGEN_PAGES").map(std::path::PathBuf::from) else {
        return;
    };
    let (one, other) = (fixture::run("chat", 1.0), fixture::run("chat", 0.3));
    std::fs::write(folder.join("run.html"), page(&one)).unwrap();
    std::fs::write(folder.join("search.html"), page(&searched(one.clone()))).unwrap();
    std::fs::write(
        folder.join("compare.html"),
        compare(&one, &other, ["fast.json", "slow.json"]),
    )
    .unwrap();
    std::fs::write(folder.join("hostile.html"), page(&hostile())).unwrap();
}
