//! What a probe costs while nobody looks: a loop with one, beside the same loop without, in nanoseconds and instructions.
//!
//! ```text
//! cargo run --release -p crosspoint-probes --example probe_cost
//! valgrind --tool=callgrind --toggle-collect='*::with_probe' target/release/examples/probe_cost count
//! ```

use std::hint::black_box;
use std::time::Instant;

const TIMES: u64 = 200_000_000;
const COUNTED: u64 = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let counted = std::env::args().nth(1).is_some();
    if counted {
        // For callgrind, which counts what the two functions execute.
        println!("{} {}", without(COUNTED), with_probe(COUNTED));
        return;
    }
    let mut costs: Vec<f64> = (0..ROUNDS).map(|_| time(with_probe) - time(without)).collect();
    costs.sort_by(f64::total_cmp);
    println!(
        "a probe of three arguments costs {:.3} ns (median of {ROUNDS}; {:.3} to {:.3}); the loop alone {:.3} ns",
        costs[ROUNDS / 2],
        costs[0],
        costs[ROUNDS - 1],
        time(without)
    );
}

fn time(work: fn(u64) -> u64) -> f64 {
    let begin = Instant::now();
    black_box(work(black_box(TIMES)));
    begin.elapsed().as_nanos() as f64 / TIMES as f64
}

/// Some work whose values a probe could show: a length, an id, a sum.
#[inline(never)]
fn without(times: u64) -> u64 {
    let mut sum = 0_u64;
    for id in 0..times {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(id));
    }
    sum
}

#[inline(never)]
fn with_probe(times: u64) -> u64 {
    let mut sum = 0_u64;
    for id in 0..times {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(id));
        crosspoint_probes::log_append(sum, id, id as usize);
    }
    sum
}
