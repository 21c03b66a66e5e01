//! How often a message asks for memory, in the steady state: from one real session through a shard to another.
//!
//! The bounds are what was measured; whoever lowers a figure lowers its bound here. To see where the requests come from:
//!
//! ```text
//! cargo test -p crosspoint-benches --test allocations -- --nocapture
//! ```
#![forbid(unsafe_code)]

use crosspoint_benches::counting::{self, Count, Counting, Site};
use crosspoint_benches::scenes;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rounds that are counted: enough to see what happens only now and then.
const ROUNDS: u64 = 64;
/// Lines of the table.
const SITES_MAX: usize = 24;

/// Requests for memory, in hundredths a unit, that a scene may make.
const BOUNDS: &[(&str, u64)] = &[
    ("scan", 0),
    ("chat-same-shard", 7),
    ("chat-cross-shard", 7),
    ("chat-alone", 100),
    ("chat-alone-cross-shard", 100),
    ("chat-managed", 166),
    ("presence-fan-out", 5),
    ("room-of-1000", 77),
    ("room-of-1000-two-shards", 52),
    ("rooms-of-10", 221),
    ("offline", 651),
    ("login", 10315),
    ("icpp-scan", 0),
    ("icpp-volatile", 7),
    ("icpp-volatile-cross-shard", 7),
    ("icpp-volatile-alone", 100),
    ("icpp-durable", 53),
    ("icpp-durable-cross-shard", 53),
    ("icpp-durable-alone", 600),
];

#[test]
fn a_message_asks_for_memory_no_more_often_than_it_did() {
    let mut exceeded = Vec::new();
    for (name, bound) in BOUNDS {
        let mut scene = scenes::make(name).expect("a scene of this name");
        let units = ROUNDS * scene.units() as u64;
        let (count, ()) = counting::during(|| (0..ROUNDS).for_each(|_| scene.round()));
        let hundredths = (count.requests() * 100).div_ceil(units);
        println!("{}", line(name, count, units, *bound));
        let sites = counting::sites(|| scene.round());
        print!("{}", table(&sites, scene.units()));
        if hundredths > *bound {
            exceeded.push(format!(
                "{name}: {hundredths} hundredths a unit, at most {bound} allowed"
            ));
        }
    }
    assert!(
        exceeded.is_empty(),
        "more requests for memory than before; the tables above say where:\n  {}",
        exceeded.join("\n  ")
    );
}

fn line(name: &str, count: Count, units: u64, bound: u64) -> String {
    let each = |number: u64| number as f64 / units as f64;
    format!(
        "{name}: {:.2} allocations, {:.2} reallocations, {:.0} bytes a unit; bound {:.2}",
        each(count.allocations),
        each(count.reallocations),
        each(count.bytes),
        bound as f64 / 100.0
    )
}

/// The most frequent sites of one round.
fn table(sites: &[Site], units: usize) -> String {
    let row = |site: &Site| {
        format!(
            "  {:>7.2} x {:>6} bytes  {}\n",
            site.requests as f64 / units as f64,
            site.bytes,
            site.place
        )
    };
    sites.iter().take(SITES_MAX).map(row).collect()
}
