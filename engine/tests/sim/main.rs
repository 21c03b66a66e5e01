//! Plays over the simulator: several shards, their mailboxes, the log, the book and the clients in one thread, in an order
//! that a seed decides. A failing play prints its seed; `CROSSPOINT_SEED=n` plays that one alone.
//!
//! Invariants that the world checks after every play, beside what the play itself expects:
//! - Whatever was accepted reached its addressee's clients, or is in the log.
//! - No client that acknowledges was given the same message twice.

mod administration;
mod client;
mod crash;
mod delivery;
mod eventing;
mod history;
mod offline;
mod passengers;
mod presence;
mod pressure;
mod rooms;
mod routing;
mod services;
mod speech;
mod tokens;
mod world;

/// Seeds that each play runs under.
const SEEDS: u64 = 300;

/// Plays a scene under many seeds.
fn play(scene: impl Fn(&mut world::World)) {
    let alone = std::env::var("CROSSPOINT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = alone.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut world = world::World::new(seed);
            scene(&mut world);
            world.settle();
        }));
        if let Err(panic) = outcome {
            eprintln!("the play fails with CROSSPOINT_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
