//! The binary `crosspoint`. Everything is in the library of the same crate, where tests can reach it.
#![forbid(unsafe_code)]

fn main() {
    std::process::exit(crosspoint_server::main());
}
