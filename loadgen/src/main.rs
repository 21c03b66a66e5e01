//! A load generator for XMPP servers. It knows a server only by its socket and, if told its process, by its CPU time
//! and memory; it shares nothing with Crosspoint but the codec.
//!
//! ```text
//! options ─▶ fleet (logins: link, secure, login, scram) ─▶ chat | connect | offline ─▶ gauge, track ─▶ report
//! ```
//!
//! One thread, one epoll. To load more cores, or hold more connections than one process may open, start several
//! processes with other users (`--from`).
//!
//! Invariants: every message is numbered, and what is lost, duplicated, reordered or damaged makes the run fail;
//! figures cover the measured interval only, not the logins or the warm-up.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

mod chat;
#[allow(dead_code, reason = "the workers come next")]
mod cli;
mod connect;
mod fleet;
mod gauge;
mod link;
mod login;
mod offline;
mod options;
mod pairs;
#[allow(dead_code, unused_imports, reason = "the workers come next")]
mod plan;
mod process;
#[allow(dead_code, reason = "the workers come next")]
mod progress;
#[allow(dead_code, reason = "the workers come next")]
mod record;
#[allow(dead_code, reason = "the workers come next")]
mod report;
#[allow(dead_code, unused_imports, reason = "the workers come next")]
mod result;
#[allow(dead_code, unused_imports, reason = "the workers come next")]
mod sample;
mod scram;
mod secure;
mod text;
mod track;
#[allow(dead_code, reason = "the workers come next")]
mod units;

#[cfg(test)]
mod plays;

use options::{Mode, Options};

fn main() -> ExitCode {
    match run(Options::parse().mode) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crosspoint-loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether all went well.
fn run(mode: Mode) -> Result<bool> {
    match mode {
        Mode::Chat(options) => pairs::chat(&options),
        Mode::Floor(options) => pairs::floor(&options),
        Mode::Connect(options) => connect::run(&options),
        Mode::Offline(options) => offline::run(&options),
    }
}
