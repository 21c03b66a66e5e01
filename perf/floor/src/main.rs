//! The floor under every switch: what it costs to read bytes from one socket and write them to another.
//!
//! Connections are joined two by two in the order in which they come. Whatever one says goes to the other, unread. A
//! switch that parses, routes and counts cannot cost less on the same kernel, with the same system calls; how much more
//! it costs is its own doing. Each engine is one file and says which system calls those are.

#![forbid(unsafe_code)]

mod completion;
mod epoll;
mod readiness;

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 64 << 10;

#[derive(Debug, Parser)]
#[command(about = "Joins connections two by two and relays bytes between them, nothing else")]
struct Options {
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:16300")]
    listen: SocketAddr,
    /// How to wait for bytes and move them
    #[arg(long, value_enum, default_value_t = Engine::Epoll)]
    engine: Engine,
}

/// How the relay waits and moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// epoll, read, write
    Epoll,
    /// monoio as its manual shows it: reads and writes are operations of io_uring
    Monoio,
    /// The switch's own way: polls on io_uring (crosspoint-rt), plain receive and send
    Ring,
}

fn main() -> Result<()> {
    let options = Options::parse();
    match options.engine {
        Engine::Epoll => epoll::run(options.listen),
        Engine::Monoio => completion::run(options.listen),
        Engine::Ring => readiness::run(options.listen),
    }
}
