//! What an address costs: parsing by each path, cutting, and finding the home of its user.
//!
//! ```text
//! cargo run --release -p crosspoint-engine --example jid_cost
//! ```

use std::hint::black_box;
use std::num::NonZeroU16;
use std::time::Instant;

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::slots::SlotTable;

fn main() {
    let text = "juliet.capulet@example.com/balcony-7f3a";
    let bytes = Bytes::from_static(text.as_bytes());
    let jid: Jid = text.parse().expect("a good address");
    let table = SlotTable::even(NonZeroU16::MIN);

    measure("parse_bytes, prepared ASCII (no copy)", || {
        Jid::parse_bytes(bytes.clone())
    });
    measure("parse, prepared ASCII (one copy)", || Jid::parse(text));
    measure("parse, upper case", || {
        Jid::parse("Juliet.Capulet@Example.com/balcony-7f3a")
    });
    measure("parse, not ASCII", || {
        Jid::parse("\u{3c0}\u{3a3}@b\u{fc}cher.example/\u{265a}")
    });
    measure("clone", || jid.clone());
    measure("to_bare", || jid.to_bare());
    measure("as_str", || jid.as_str().len());
    measure("as_str, if it were checked each time", || {
        str::from_utf8(jid.as_bytes()).map(str::len)
    });
    measure("home (XXH3 and table)", || table.home(&jid));
}

fn measure<T>(name: &str, mut work: impl FnMut() -> T) {
    const ROUNDS: u32 = 2_000_000;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!(
        "{name:40} {:7.1} ns",
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    );
}
