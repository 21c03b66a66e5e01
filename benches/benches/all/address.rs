//! Addresses: parsing by each path, cutting, and finding the home of a user.

use std::hint::black_box;
use std::num::NonZeroU16;

use bytes::Bytes;
use criterion::Throughput;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::slots::{SlotTable, UserKey};

use crate::unit::{counting, noun};

const PREPARED: &str = "juliet.capulet@example.com/balcony-7f3a";

pub fn benches() {
    let mut criterion = counting(noun!("addresses"));
    let bytes = Bytes::from_static(PREPARED.as_bytes());
    let jid: Jid = PREPARED.parse().expect("a good address");
    let table = SlotTable::even(NonZeroU16::MIN);
    let mut group = criterion.benchmark_group("address");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse, prepared ASCII, no copy", |bencher| {
        bencher.iter(|| Jid::parse_bytes(black_box(bytes.clone())));
    });
    let texts = [
        ("parse, prepared ASCII, one copy", PREPARED),
        ("parse, upper case", "Juliet.Capulet@Example.com/balcony-7f3a"),
        ("parse, not ASCII", "\u{3c0}\u{3a3}@b\u{fc}cher.example/\u{265a}"),
    ];
    for (name, text) in texts {
        group.bench_function(name, |bencher| bencher.iter(|| Jid::parse(black_box(text))));
    }
    group.bench_function("clone", |bencher| bencher.iter(|| black_box(&jid).clone()));
    group.bench_function("to_bare", |bencher| bencher.iter(|| black_box(&jid).to_bare()));
    group.bench_function("slot hash", |bencher| bencher.iter(|| UserKey::of(black_box(&jid))));
    group.bench_function("home, hash and table", |bencher| {
        bencher.iter(|| table.home(black_box(&jid)));
    });
}
