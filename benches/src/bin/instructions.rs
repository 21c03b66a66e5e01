//! Plays a scene so many times and says how many units that were; `perf/instructions/run` counts the instructions.
//!
//! ```text
//! instructions               lists the scenes
//! instructions SCENE ROUNDS  plays one; prints the units of one round
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use crosspoint_benches::scenes::{self, SCENES, Scene};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        for scene in SCENES {
            println!("{:<24} {:<9} {}", scene.name, scene.unit, scene.about);
        }
        return ExitCode::SUCCESS;
    };
    let rounds = words.next().and_then(|rounds| rounds.parse().ok());
    let (Some(mut scene), Some(rounds)) = (scenes::make(&name), rounds) else {
        eprintln!("usage: instructions [SCENE ROUNDS]; without arguments it lists the scenes");
        return ExitCode::from(2);
    };
    steady_state(&mut *scene, rounds);
    println!("{}", scene.units());
    ExitCode::SUCCESS
}

/// Has a name of its own, so that a profiler can be told to look at nothing else.
#[inline(never)]
fn steady_state(scene: &mut dyn Scene, rounds: u64) {
    for _ in 0..rounds {
        scene.round();
    }
}
