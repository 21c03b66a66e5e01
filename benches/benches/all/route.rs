//! From one session's bytes to another's: the scenes, timed. No sockets, no disk; real sessions, shards and mailboxes.

use criterion::Throughput;
use crosspoint_benches::scenes::SCENES;

use crate::unit::{Noun, counting, noun};

pub fn benches() {
    for entry in SCENES.iter().filter(|entry| entry.name != "scan") {
        let mut criterion = counting(plural(entry.unit));
        let mut group = criterion.benchmark_group("route");
        let mut scene = (entry.make)();
        group.throughput(Throughput::Elements(scene.units() as u64));
        group.bench_function(entry.name, |bencher| bencher.iter(|| scene.round()));
    }
}

fn plural(unit: &str) -> Noun {
    match unit {
        "message" => noun!("messages"),
        "delivery" => noun!("deliveries"),
        "login" => noun!("logins"),
        _ => noun!("units"),
    }
}
