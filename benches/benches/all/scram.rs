//! Passwords: derivation and verification (off the shard), and the server's side of an exchange (on it).

use std::hint::black_box;

use criterion::Throughput;
use crosspoint_benches::client;
use crosspoint_engine::scram::{Challenged, ChannelBindings, Hash, Mechanism, NONCE_BYTES, Started, keys};

use crate::unit::{counting, noun};

pub fn benches() {
    let mut criterion = counting(noun!("logins"));
    let mut group = criterion.benchmark_group("scram");
    group.throughput(Throughput::Elements(1));
    let known = client::account_keys();
    let last = client::prove(FIRST_BARE, &challenge(&known).1);
    group.bench_function("exchange, SCRAM-SHA-256, verified", |bencher| {
        bencher.iter(|| verify(&known, &last));
    });
    group.sample_size(10);
    let salt = [7; keys::SALT_BYTES];
    for iterations in [keys::ITERATIONS_MIN, keys::ITERATIONS_DEFAULT] {
        group.bench_function(format!("derive both keys, {iterations} iterations"), |bencher| {
            bencher.iter(|| keys::derive(black_box("correct horse"), &salt, iterations));
        });
    }
    let account = keys::derive("correct horse", &salt, keys::ITERATIONS_DEFAULT).expect("a good password");
    group.bench_function("verify a password (PLAIN), 10000 iterations", |bencher| {
        bencher.iter(|| keys::verify_password(black_box("correct horse"), &account));
    });
}

const FIRST: &[u8] = b"n,,n=juliet,r=fyko+d2lbbFgONRv9qkxdawL";
const FIRST_BARE: &str = "n=juliet,r=fyko+d2lbbFgONRv9qkxdawL";

/// Reads the first message and makes the challenge. The nonce is always the same, so that one proof serves.
fn challenge(account: &keys::AccountKeys) -> (Challenged, String) {
    let mechanism = Mechanism {
        hash: Hash::Sha256,
        plus: false,
    };
    let started = Started::parse(mechanism, black_box(FIRST), &ChannelBindings::default());
    let started = started.expect("a good message");
    started.challenge(account.credentials(mechanism.hash), [9; NONCE_BYTES])
}

fn verify(account: &keys::AccountKeys, last: &str) {
    let (challenged, _) = challenge(account);
    assert!(
        challenged.finish(black_box(last.as_bytes())).is_ok(),
        "the proof is good"
    );
}
