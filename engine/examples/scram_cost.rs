//! What a password costs: derivation (off the shard) and verification (on it).
//!
//! ```text
//! cargo run --release -p crosspoint-engine --example scram_cost
//! ```

use std::hint::black_box;
use std::time::Instant;

use crosspoint_engine::scram::{ChannelBindings, Hash, Mechanism, NONCE_BYTES, Started, keys};

fn main() {
    let salt = [7; keys::SALT_BYTES];
    let iterations = keys::ITERATIONS_DEFAULT;

    let derive_ms = 1e3
        * seconds_per(200, || {
            let _ = black_box(keys::derive("correct horse", &salt, iterations));
        });
    println!("derive, both hashes, {iterations} iterations: {derive_ms:.2} ms");
    println!("accounts a minute and core: {:.0}", 60e3 / derive_ms);

    let account = keys::derive("correct horse", &salt, iterations).expect("a good password");
    let plain_ms = 1e3
        * seconds_per(200, || {
            let _ = black_box(keys::verify_password("correct horse", &account));
        });
    println!("verify a password (PLAIN): {plain_ms:.2} ms");

    for hash in [Hash::Sha1, Hash::Sha256] {
        let mechanism = Mechanism { hash, plus: false };
        let exchange_us = 1e6 * seconds_per(50_000, || exchange(mechanism, &account));
        println!(
            "{}: {exchange_us:.2} us for the server's side of an exchange",
            mechanism.name()
        );
    }
}

/// Parse, challenge and check; the proof is wrong, which costs all but one HMAC.
fn exchange(mechanism: Mechanism, account: &keys::AccountKeys) {
    let started = Started::parse(
        mechanism,
        b"n,,n=juliet,r=fyko+d2lbbFgONRv9qkxdawL",
        &ChannelBindings::default(),
    )
    .expect("a good message");
    let (challenged, first) = started.challenge(account.credentials(mechanism.hash), [9; NONCE_BYTES]);
    let nonce = first.split(',').next().expect("a nonce");
    let proof = match mechanism.hash {
        Hash::Sha1 => "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        Hash::Sha256 => "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    };
    let _ = black_box(challenged.finish(format!("c=biws,{nonce},p={proof}").as_bytes()));
}

fn seconds_per(rounds: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..rounds).for_each(|_| work());
    start.elapsed().as_secs_f64() / f64::from(rounds)
}
