//! Puts a run together while it happens: slices and samples in, the document out.
//!
//! Invariants: memory grows with the number of seconds, not of messages (a second keeps percentiles only; histograms
//! are kept for each phase); costs are of the very interval that was counted, even if its samples came a moment later.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::figures::{Distribution, Figures, Spread, rounded};
use super::{
    Brief, Limits, Load, Machine, Phase, ProcessUse, Run, SCHEMA, Search, Second, Target, Verdict, latency_of,
};
use crate::record::{Count, Latency, Slice};
use crate::sample::{Sample, Shards, Usage};

/// A slice shorter than this says nothing about a rate.
const SPREAD_S_MIN: f64 = 0.5;

/// The phase whose figures nobody wants.
const WARMUP: &str = "warmup";
/// A slice shorter than this is no point of a plot: what it holds is counted with the one before.
const SECOND_S_MIN: f64 = 0.02;

/// What is known before a run.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub name: String,
    pub about: String,
    pub command: String,
    pub target: Target,
    pub plan_toml: String,
}

/// What is known only after it.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    pub limits: Limits,
    pub shards: Option<Shards>,
    pub search: Option<Search>,
    pub banner: Option<String>,
    /// Reasons why the run is not ok that counts do not tell, in whole sentences.
    pub reasons: Vec<String>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The last slice.
    pub second: &'a Second,
    /// What the present phase counts.
    pub unit: Option<Count>,
    /// Of the present phase.
    pub p99_us_so_far: Option<f64>,
    /// Since the start.
    pub errors: u64,
    /// Lost, duplicated, reordered and damaged since the start.
    pub wrong: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Builder {
    about: About,
    started_unix_ms: u64,
    started_ns: u64,
    phases: Vec<Part>,
    whole: Slice,
    series: Vec<Second>,
    samples: Samples,
}

/// A phase while it is under way.
#[derive(Debug)]
struct Part {
    name: String,
    measured: bool,
    unit: Option<Count>,
    /// Nothing yet if there was no slice.
    slice: Option<Slice>,
    /// The seconds of this part in `series`, and what they cost.
    costs: Vec<Cost>,
}

/// One slice: seconds of the slice, count of the unit, and cores kept busy meanwhile.
#[derive(Clone, Copy, Debug)]
struct Cost {
    seconds: f64,
    count: u64,
    server_cores: Option<f64>,
    client_cores: f64,
}

#[derive(Debug)]
struct Samples {
    first: Sample,
    last: Sample,
    /// The first one taken when the ramp had ended.
    ramped: Option<Sample>,
    server: ProcessUse,
    client: ProcessUse,
}

impl Builder {
    /// Begins a run at `first.at_ns`, with the meters as they stood before the first connection.
    pub fn new(about: About, first: Sample) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            about,
            started_unix_ms: since_epoch.as_millis() as u64,
            started_ns: first.at_ns,
            phases: Vec::new(),
            whole: Slice::empty(first.at_ns, first.at_ns),
            series: Vec::new(),
            samples: Samples::new(first),
        }
    }

    /// A phase begins: slices from now on belong to it. `unit` is what its rates and costs are for.
    pub fn phase(&mut self, name: &str, measured: bool, unit: Option<Count>) {
        self.phases.push(Part {
            name: name.to_owned(),
            measured,
            unit,
            slice: None,
            costs: Vec::new(),
        });
    }

    /// Everybody who was to log in has: memory grown by now is what sessions cost. Once, with `Watch::read_exactly`.
    pub fn ramped(&mut self, sample: Sample) {
        self.samples.ramped.get_or_insert(sample);
    }

    /// A slice of all workers together, and the meters at its end. Gives what to show.
    pub fn second(&mut self, slice: &Slice, sample: Sample) -> &Second {
        if self.phases.is_empty() {
            self.phase("measured", true, Some(Count::MessagesReceived));
        }
        let place = self.phases.len() - 1;
        let (server, client) = self.samples.next(sample);
        let part = &mut self.phases[place];
        part.costs.push(Cost {
            seconds: slice.seconds(),
            count: part.unit.map_or(0, |unit| slice.count(unit)),
            server_cores: server.map(|load| load.cores),
            client_cores: client.cores,
        });
        match &mut part.slice {
            Some(whole) => whole.merge(slice),
            none => *none = Some(slice.clone()),
        }
        self.whole.merge_counts(slice);
        let counts = counts(slice);
        match self.series.last_mut().filter(|_| slice.seconds() < SECOND_S_MIN) {
            Some(last) => add_counts(last, counts),
            None => self.series.push(Second {
                at_s: rounded(slice.to_ns.saturating_sub(self.started_ns) as f64 / 1e9),
                seconds: rounded(slice.seconds()),
                phase: place,
                counts,
                latencies: briefs(slice),
                server,
                client,
            }),
        }
        &self.series[self.series.len() - 1]
    }

    /// The moment, for those who wait; `None` before the first slice.
    pub fn now(&self) -> Option<Now<'_>> {
        let part = self.phases.last()?;
        let latency = latency_of(part.unit.unwrap_or(Count::MessagesReceived));
        let so_far = part.slice.as_ref().and_then(|slice| slice.histogram(latency));
        Some(Now {
            second: self.series.last()?,
            unit: part.unit,
            p99_us_so_far: so_far.map(|histogram| rounded(histogram.value_at_quantile(0.99) as f64 / 1e3)),
            errors: Count::errors(|count| self.whole.count(count)),
            wrong: Count::WRONG.iter().map(|count| self.whole.count(*count)).sum(),
        })
    }

    /// The run is over. `last` is best taken with `Watch::read_exactly`, before the sessions end.
    pub fn finish(mut self, last: Sample, ending: Ending) -> Run {
        self.samples.next(last);
        let mut reasons = ending.reasons;
        let measured = measured(&self.phases).unwrap_or_default();
        if measured.count == 0 {
            reasons.push(match Count::named(&measured.unit) {
                Some(unit) => format!("Nothing was measured: 0 {} ({}).", unit.name(), unit.help()),
                None => "Nothing was measured: the run did not come so far.".to_owned(),
            });
        }
        let whole = counts(&self.whole);
        let sessions = self.whole.count(Count::LoginsOk);
        let phases = self.finish_phases();
        let (server, client) = self.samples.finish(sessions);
        let mut target = self.about.target;
        target.banner = ending.banner.or(target.banner);
        Run {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.about.name,
            about: self.about.about,
            verdict: Verdict::of(&whole, ending.limits, reasons),
            measured,
            started_unix_ms: self.started_unix_ms,
            command: self.about.command,
            machine: Machine::here(),
            target,
            plan_toml: self.about.plan_toml,
            phases,
            whole,
            server,
            client,
            search: ending.search,
            series: self.series,
            shards: ending.shards,
        }
    }

    fn finish_phases(&self) -> Vec<Phase> {
        let alone = self.phases.iter().filter(|part| part.measured).count() == 1;
        let mut from_s = 0.0;
        let mut phases = Vec::new();
        for part in &self.phases {
            let to_s = part
                .slice
                .as_ref()
                .map_or(from_s, |slice| self.since_start(slice.to_ns));
            let figures = part.unit.filter(|_| !(alone && part.measured) && part.name != WARMUP);
            phases.push(Phase {
                name: part.name.clone(),
                measured: part.measured,
                from_s,
                to_s,
                figures: figures.and_then(|unit| Some(figures_of(unit, part.slice.as_ref()?, &part.costs))),
            });
            from_s = to_s;
        }
        phases
    }

    fn since_start(&self, at_ns: u64) -> f64 {
        rounded(at_ns.saturating_sub(self.started_ns) as f64 / 1e9)
    }
}

/// All measured parts as one; the unit is that of the last.
fn measured(parts: &[Part]) -> Option<Figures> {
    let mut all = parts.iter().filter(|part| part.measured && part.slice.is_some());
    let unit = all.clone().next_back()?.unit.unwrap_or(Count::MessagesReceived);
    let mut whole = all.next()?.slice.clone()?;
    for part in all {
        whole.merge(part.slice.as_ref()?);
    }
    let of_unit = |part: &&Part| part.measured && part.unit.is_none_or(|own| own == unit);
    let costs: Vec<Cost> = parts
        .iter()
        .filter(of_unit)
        .flat_map(|part| part.costs.iter().copied())
        .collect();
    Some(figures_of(unit, &whole, &costs))
}

fn figures_of(unit: Count, slice: &Slice, costs: &[Cost]) -> Figures {
    let seconds: f64 = costs.iter().map(|cost| cost.seconds).sum();
    let count: u64 = costs.iter().map(|cost| cost.count).sum();
    let spent = |cores: fn(&Cost) -> Option<f64>| -> Option<f64> {
        costs.iter().map(|cost| Some(cores(cost)? * cost.seconds)).sum()
    };
    let server_s = spent(|cost| cost.server_cores);
    let client_s = spent(|cost| Some(cost.client_cores)).unwrap_or_default();
    // A run of less than a second has short slices only.
    let short = costs.iter().all(|cost| cost.seconds < SPREAD_S_MIN);
    let whole_slices = || costs.iter().filter(move |cost| short || cost.seconds >= SPREAD_S_MIN);
    let each = |cost: &Cost| Some(cost.server_cores? * cost.seconds * 1e6 / cost.count.max(1) as f64);
    Figures {
        unit: unit.name().to_owned(),
        count,
        seconds: rounded(seconds),
        per_second: rounded(count as f64 / seconds),
        per_second_spread: Spread::of(whole_slices().map(|cost| cost.count as f64 / cost.seconds)),
        server_cpu_us_each: server_s.map(|spent| rounded(spent * 1e6 / count.max(1) as f64)),
        server_cpu_us_each_spread: server_s.map(|_| Spread::of(whole_slices().filter_map(each))),
        server_cores: server_s.map(|spent| rounded(spent / seconds)),
        client_cpu_us_each: rounded(client_s * 1e6 / count.max(1) as f64),
        client_cores: rounded(client_s / seconds),
        counts: counts(slice),
        latencies: Latency::ALL
            .iter()
            .filter_map(|entry| Some((entry.1.to_owned(), Distribution::of(slice.histogram(entry.0)?))))
            .collect(),
    }
}

fn counts(slice: &Slice) -> BTreeMap<String, u64> {
    let all = Count::ALL
        .iter()
        .map(|entry| (entry.1.to_owned(), slice.count(entry.0)));
    all.filter(|(_, times)| *times > 0).collect()
}

fn add_counts(second: &mut Second, counts: BTreeMap<String, u64>) {
    for (name, times) in counts {
        *second.counts.entry(name).or_default() += times;
    }
}

fn briefs(slice: &Slice) -> BTreeMap<String, Brief> {
    let all = Latency::ALL.iter();
    all.filter_map(|entry| {
        let histogram = slice.histogram(entry.0)?;
        let brief = Brief {
            count: histogram.len(),
            p50_us: rounded(histogram.value_at_quantile(0.5) as f64 / 1e3),
            p99_us: rounded(histogram.value_at_quantile(0.99) as f64 / 1e3),
            max_us: rounded(histogram.max() as f64 / 1e3),
        };
        Some((entry.1.to_owned(), brief))
    })
    .collect()
}

impl Samples {
    fn new(first: Sample) -> Self {
        let using = |usage: Usage| ProcessUse {
            resident_start_bytes: usage.resident_bytes,
            ..ProcessUse::default()
        };
        Self {
            first,
            last: first,
            ramped: None,
            server: first.server.map(using).unwrap_or_default(),
            client: using(first.client),
        }
    }

    /// What was done since the last sample.
    fn next(&mut self, sample: Sample) -> (Option<Load>, Load) {
        let last = std::mem::replace(&mut self.last, sample);
        let elapsed_ns = sample.at_ns.saturating_sub(last.at_ns);
        let load = |before: Usage, now: Usage, using: &mut ProcessUse| {
            using.resident_end_bytes = now.resident_bytes;
            using.resident_peak_bytes = using.resident_peak_bytes.max(now.resident_bytes);
            using.threads_peak = using.threads_peak.max(now.threads);
            Load {
                cores: rounded(now.cpu_ns.saturating_sub(before.cpu_ns) as f64 / elapsed_ns.max(1) as f64),
                resident_bytes: now.resident_bytes,
                threads: now.threads,
            }
        };
        let server = last.server.zip(sample.server);
        (
            server.map(|(before, now)| load(before, now, &mut self.server)),
            load(last.client, sample.client, &mut self.client),
        )
    }

    fn finish(self, sessions: u64) -> (Option<ProcessUse>, ProcessUse) {
        let (first, last, ramped) = (self.first, self.last, self.ramped);
        let complete = move |mut using: ProcessUse, first: Usage, last: Usage, ramped: Option<Usage>| {
            using.cpu_s = rounded(last.cpu_ns.saturating_sub(first.cpu_ns) as f64 / 1e9);
            let grown = ramped.map(|ramped| ramped.resident_bytes.saturating_sub(first.resident_bytes));
            // A server that had as many sessions before reuses its memory; then there is no price to tell.
            let grown = grown.filter(|grown| *grown > 0);
            let sessions = Some(sessions).filter(|sessions| *sessions > 0);
            using.bytes_per_session = grown
                .zip(sessions)
                .map(|(grown, sessions)| rounded(grown as f64 / sessions as f64));
            using
        };
        let server = first.server.zip(last.server);
        let on_server = ramped.and_then(|sample| sample.server);
        (
            server.map(|(before, after)| complete(self.server, before, after, on_server)),
            complete(
                self.client,
                first.client,
                last.client,
                ramped.map(|sample| sample.client),
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    const SECOND: u64 = 1_000_000_000;

    fn sample(second: u64, server_cpu_ms: u64, resident_bytes: u64) -> Sample {
        let usage = |cpu_ms: u64| Usage {
            cpu_ns: cpu_ms * 1_000_000,
            resident_bytes,
            threads: 2,
            processes: 1,
        };
        Sample {
            at_ns: second * SECOND,
            server: Some(usage(server_cpu_ms)),
            client: usage(server_cpu_ms / 2),
        }
    }

    fn slice(recorder: &mut Recorder, count: Count, times: u64, second: u64) -> Slice {
        recorder.add(count, times);
        recorder.latency_ns(Latency::Message, 50_000 * second);
        recorder.cut(second * SECOND)
    }

    /// Ten logins, then 1000 and 3000 messages, at 100 us of CPU each.
    fn run(ending: Ending) -> Run {
        let mut recorder = Recorder::new(10 * SECOND);
        let mut builder = Builder::new(About::default(), sample(10, 0, 1000));
        builder.phase("ramp", false, Some(Count::LoginsOk));
        builder.second(&slice(&mut recorder, Count::LoginsOk, 10, 11), sample(11, 50, 6000));
        builder.ramped(sample(11, 50, 6000));
        builder.phase("measured", true, Some(Count::MessagesReceived));
        builder.second(
            &slice(&mut recorder, Count::MessagesReceived, 1000, 12),
            sample(12, 150, 7000),
        );
        let second = builder.second(
            &slice(&mut recorder, Count::MessagesReceived, 3000, 13),
            sample(13, 450, 7000),
        );
        assert_eq!((second.at_s, second.phase, second.server.unwrap().cores), (3.0, 1, 0.3));
        let now = builder.now().unwrap();
        assert_eq!((now.errors, now.wrong, now.second.at_s), (0, 0, 3.0));
        assert!(now.p99_us_so_far.unwrap() > 600.0);
        builder.finish(sample(13, 450, 6500), ending)
    }

    #[test]
    fn figures_are_of_the_measured_part() {
        let run = run(Ending::default());
        let measured = &run.measured;
        assert_eq!(
            (measured.count, measured.seconds, measured.per_second),
            (4000, 2.0, 2000.0)
        );
        assert_eq!(
            (measured.per_second_spread.least, measured.per_second_spread.most),
            (1000.0, 3000.0)
        );
        assert_eq!(
            (measured.server_cpu_us_each, measured.client_cpu_us_each),
            (Some(100.0), 50.0)
        );
        assert_eq!(measured.latencies["message"].count, 2);
        assert!(run.verdict.ok, "{:?}", run.verdict);
        assert_eq!(run.whole(Count::LoginsOk), 10);
    }

    #[test]
    fn phases_have_figures_of_their_own_and_sessions_a_price() {
        let run = run(Ending::default());
        assert_eq!((run.phases[1].from_s, run.phases[1].to_s), (1.0, 3.0));
        assert!(run.phases[1].figures.is_none());
        let logins = run.phases[0].figures.as_ref().unwrap();
        assert_eq!(
            (logins.count, logins.per_second, logins.server_cpu_us_each),
            (10, 10.0, Some(5000.0))
        );
        let server = run.server.unwrap();
        assert_eq!((server.bytes_per_session, server.cpu_s), (Some(500.0), 0.45));
        assert_eq!((server.resident_peak_bytes, server.resident_end_bytes), (7000, 6500));
    }

    #[test]
    fn what_was_found_elsewhere_makes_the_run_not_ok() {
        let reasons = vec!["Process 7 of the server ended.".to_owned()];
        let run = run(Ending {
            reasons: reasons.clone(),
            ..Ending::default()
        });
        assert_eq!(run.verdict, Verdict { ok: false, reasons });
    }

    #[test]
    fn what_is_found_at_the_very_end_is_no_second_of_its_own() {
        let mut builder = Builder::new(About::default(), sample(0, 0, 0));
        let mut recorder = Recorder::new(0);
        builder.second(&slice(&mut recorder, Count::MessagesReceived, 10, 1), sample(1, 0, 0));
        let mut rest = Slice::empty(SECOND, SECOND);
        rest.add(Count::Lost, 3);
        builder.second(&rest, sample(1, 0, 0));
        let run = builder.finish(sample(1, 0, 0), Ending::default());
        assert_eq!(
            (run.series.len(), run.series[0].counts["lost"], run.whole(Count::Lost)),
            (1, 3, 3)
        );
    }

    #[test]
    fn a_run_without_anything_is_not_ok() {
        let run = Builder::new(About::default(), sample(0, 0, 0)).finish(sample(1, 0, 0), Ending::default());
        assert!(!run.verdict.ok && run.measured.count == 0);
        assert_eq!(Run::from_json(&run.to_json()).unwrap(), run);
    }
}
