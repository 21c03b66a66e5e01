//! A run for tests: always the same, with everything that a run can hold, and nothing of it measured.

use std::collections::BTreeMap;

use super::*;
use crate::record::{Count, Recorder};
use crate::sample::{Form, Sample, Shards, ShardsMetric, Usage};

const SECOND_NS: u64 = 1_000_000_000;
const RAMP_S: u64 = 3;
const WARMUP_S: u64 = 5;
const MEASURED_S: u64 = 35;
const END_S: u64 = 36;

/// Numbers that look random and are the same each time (a linear congruence).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A latency with a long tail, in nanoseconds.
    fn latency_ns(&mut self, middle_us: f64) -> u64 {
        let tail = (-self.throw().max(1e-9).ln()).powf(1.6);
        (middle_us * 1e3 * (0.4 + 0.9 * tail)) as u64
    }
}

/// A chat of half a minute with a bad moment. `speed` is how fast the server is, 1 for the usual.
pub fn run(name: &str, speed: f64) -> Run {
    let mut dice = Dice((speed * 1000.0) as u64 + 7);
    let about = About {
        name: name.to_owned(),
        about: "100 pairs of users chat, 32 messages in flight each way".to_owned(),
        command: "crosspoint-loadgen chat --addr 127.0.0.1:5222 --pairs 100 --window 32 --seconds 30".to_owned(),
        target: Target {
            addresses: vec!["127.0.0.1:5222".to_owned()],
            domain: "localhost".to_owned(),
            protocol: "xmpp".to_owned(),
            security: "starttls".to_owned(),
            banner: None,
        },
        plan_toml: "name = \"chat\"\n\n[scenario.chat]\npairs = 100\nmode = { closed = { window = 32 } }\n".to_owned(),
    };
    let mut builder = Builder::new(about, sample(0, 0.0));
    let mut recorder = Recorder::new(0);
    let mut cpu_s = 0.0;
    for second in 1..=END_S {
        match second {
            1 => builder.phase("ramp", false, Some(Count::LoginsOk)),
            _ if second == RAMP_S + 1 => {
                builder.ramped(sample(RAMP_S, cpu_s));
                builder.phase("warmup", false, None);
            }
            _ if second == WARMUP_S + 1 => builder.phase("measured", true, Some(Count::MessagesReceived)),
            _ if second == MEASURED_S + 1 => builder.phase("drain", false, None),
            _ => {}
        }
        cpu_s += play(&mut recorder, &mut dice, second, speed);
        builder.second(&recorder.cut(second * SECOND_NS), sample(second, cpu_s));
    }
    let ending = Ending {
        limits: Limits { errors_max: 10 },
        shards: Some(shards(&mut dice, speed)),
        banner: Some("Crosspoint 0.1.0".to_owned()),
        ..Ending::default()
    };
    let mut run = builder.finish(sample(END_S, cpu_s), ending);
    run.started_unix_ms = 1_795_500_000_000;
    run.machine = Machine {
        cpu: "AMD EPYC".to_owned(),
        cores: 2,
        memory_bytes: 24 << 30,
        kernel: "6.1.0".to_owned(),
    };
    run
}

/// What happens in a second; gives the server's CPU time.
fn play(recorder: &mut Recorder, dice: &mut Dice, second: u64, speed: f64) -> f64 {
    if second <= RAMP_S {
        recorder.add(Count::LoginsOk, if second < RAMP_S { 67 } else { 66 });
        for _ in 0..66 {
            let ns = dice.latency_ns(2500.0 / speed);
            recorder.latency_ns(Latency::Login, ns);
        }
        return 0.25;
    }
    if second > MEASURED_S {
        return 0.01;
    }
    let bad = (18..20).contains(&second);
    let rate = speed
        * if bad {
            290_000.0
        } else {
            480_000.0 + 30_000.0 * dice.throw()
        };
    recorder.add(Count::MessagesSent, rate as u64);
    recorder.add(Count::MessagesReceived, rate as u64);
    recorder.add(Count::BytesOut, rate as u64 * 130);
    recorder.add(Count::BytesIn, rate as u64 * 160);
    if bad {
        recorder.add(Count::Stalled, 40);
        recorder.add(Count::ErrorReplies, 2);
    }
    for _ in 0..2000 {
        let ns = dice.latency_ns(if bad { 700.0 } else { 180.0 } / speed);
        recorder.latency_ns(Latency::Message, ns);
        recorder.latency_ns(Latency::Service, ns * 9 / 10);
    }
    rate * 0.83e-6 / speed * 1.9
}

fn sample(second: u64, cpu_s: f64) -> Sample {
    let usage = |cpu_s: f64, resident_mb: f64, threads| Usage {
        cpu_ns: (cpu_s * 1e9) as u64,
        resident_bytes: (resident_mb * 1e6) as u64,
        threads,
        processes: 1,
    };
    let logged_in = (second.min(RAMP_S) as f64 / RAMP_S as f64) * 4.0;
    Sample {
        at_ns: second * SECOND_NS,
        server: Some(usage(cpu_s, 28.0 + logged_in + second as f64 / 30.0, 7)),
        client: usage(cpu_s * 0.6, 12.0 + logged_in / 2.0, 3),
    }
}

fn shards(dice: &mut Dice, speed: f64) -> Shards {
    let at_s: Vec<f64> = (2..=END_S).map(|second| second as f64).collect();
    let mut metric = |form, help: &str, idle: f64, busy: f64| ShardsMetric {
        form,
        help: help.to_owned(),
        shards: (0..2u32)
            .map(|shard| {
                let value = |at_s: &f64| {
                    let level = if *at_s > RAMP_S as f64 { busy } else { idle };
                    Some(rounded(
                        level * (0.9 + 0.15 * dice.throw()) * (1.0 - 0.1 * f64::from(shard)),
                    ))
                };
                (shard, at_s.iter().map(value).collect())
            })
            .collect(),
    };
    let metrics = BTreeMap::from([
        (
            "crosspoint_messages_total".to_owned(),
            metric(Form::PerSecond, "Messages routed.", 0.0, 250_000.0 * speed),
        ),
        (
            "crosspoint_shard_cpu_nanoseconds".to_owned(),
            metric(Form::PerSecond, "CPU time of the shard's thread.", 1e7, 8e8),
        ),
        (
            "crosspoint_sessions".to_owned(),
            metric(Form::Level, "Bound sessions, sleeping ones included.", 100.0, 100.0),
        ),
    ]);
    Shards {
        url: "http://127.0.0.1:5280/metrics".to_owned(),
        at_s,
        metrics,
    }
}

#[test]
fn the_document_reads_back_as_it_was_written() {
    let run = run("chat", 1.0);
    let text = run.to_json();
    assert_eq!(Run::from_json(&text).unwrap(), run);
    // The first object with a rate is that of the measured part: scripts look for it.
    assert!(text.find("\"measured\"").unwrap() < text.find("\"phases\"").unwrap());
}

#[test]
fn a_document_of_another_schema_is_refused_by_number() {
    let text = run("chat", 1.0).to_json().replacen("\"schema\":1", "\"schema\":2", 1);
    let error = Run::from_json(&text).unwrap_err().to_string();
    assert!(error.contains("schema 2"), "{error}");
    assert!(Run::from_json("{}").is_err() && Run::from_json("nonsense").is_err());
}

#[test]
fn a_reader_takes_fields_that_came_later() {
    let text = run("chat", 1.0).to_json().replacen('{', "{\"moon\":\"full\",", 1);
    assert!(Run::from_json(&text).is_ok());
}

#[test]
fn the_main_latency_is_that_of_what_is_counted() {
    let mut run = run("chat", 1.0);
    assert_eq!(run.main_latency(), Some(Latency::Message));
    run.measured.latencies.remove("message");
    assert_eq!(run.main_latency(), Some(Latency::Service));
}
