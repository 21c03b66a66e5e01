//! What the parts cost, and what other libraries take for the same work.
//!
//! ```text
//! cargo bench -p crosspoint-benches                     all of them, about five minutes
//! cargo bench -p crosspoint-benches -- route            those whose name contains a word
//! cargo bench -p crosspoint-benches -- --quick          a short look
//! CROSSPOINT_BENCH_DIR=/srv/data cargo bench -p crosspoint-benches -- log      on the disk in question
//! ```
//! Criterion keeps what it measured in `target/criterion` and compares with the last run. On a busy machine believe ratios
//! of neighbours, not rates; for exact comparisons there is `perf/instructions/run`.
#![forbid(unsafe_code)]

mod address;
mod codec;
mod flush;
mod log;
mod mailbox;
mod route;
mod scram;
mod unit;

fn main() {
    codec::benches();
    address::benches();
    route::benches();
    mailbox::benches();
    flush::benches();
    log::benches();
    scram::benches();
    criterion::Criterion::default().configure_from_args().final_summary();
}
