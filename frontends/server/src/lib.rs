//! The composition root: command line, configuration, wiring, signals, drain, and what the administrator sees.
//!
//! Read in this order: [`cli`] (what can be asked), [`config`] (what can be set), [`serve`] (the life of a server),
//! [`wiring`] (how the parts are put together), [`admin`] and [`users`] (what works while it runs).
//!
//! Invariants:
//! - No protocol and no storage format is known here.
//! - An error tells what happened, where, and what to do; its kind decides the exit code ([`exit`]).
//! - No password and no key is logged.
#![forbid(unsafe_code)]

pub mod admin;
pub mod banner;
pub mod certificate;
pub mod cipher;
pub mod cli;
pub mod config;
pub mod exit;
pub mod figures;
pub mod home;
pub mod http;
pub mod icpp;
pub mod logs;
pub mod serve;
pub mod sources;
pub mod stats;
pub mod status;
#[cfg(test)]
mod testing;
pub mod top;
pub mod users;
pub mod web;
pub mod websocket;
pub mod wiring;

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Parser;

use admin::client::Client;
use cli::{Cli, Command, Place, Settings};
use exit::Exit;
use home::Home;

/// What a drain may take beyond its own deadline, for goodbyes and the disk.
const DRAIN_MARGIN: Duration = Duration::from_secs(10);

/// The whole program; returns the exit code.
pub fn main() -> i32 {
    let cli = Cli::parse();
    // Whatever this program writes is for its own user only.
    crosspoint_engine::rt::restrict_umask();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(settings) => serve::run(&settings),
        Command::User(command) => users::commands::run(&command),
        Command::CheckConfig(settings) => Ok(check_config(&settings)),
        Command::Status { place, json } => show_status(&place, json),
        Command::Drain { place } => drain(&place),
        Command::Top(options) => top::run(&options),
    };
    let exit = outcome.unwrap_or_else(|error| {
        eprintln!("crosspoint: {error:#}");
        if error.is::<config::layers::Wrong>() {
            Exit::Usage
        } else {
            Exit::Failed
        }
    });
    logs::flush();
    exit as i32
}

/// `crosspoint check-config`.
fn check_config(settings: &Settings) -> Exit {
    let loaded = match sources::load(settings) {
        Ok(loaded) => loaded,
        Err(wrong) => {
            eprintln!("{wrong}");
            return Exit::Usage;
        }
    };
    for name in &loaded.strangers {
        eprintln!("note: {name} looks like a setting but names no key");
    }
    let wrongs = config::check::check(&loaded);
    for wrong in &wrongs {
        eprintln!("{wrong}");
    }
    if wrongs.is_empty() {
        println!("OK");
        Exit::Done
    } else {
        Exit::Usage
    }
}

/// `crosspoint status`.
fn show_status(place: &Place, json: bool) -> Result<Exit> {
    let (mut client, _) = running(place)?;
    let status = client.status()?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{status}");
    }
    Ok(if status.is_well() { Exit::Done } else { Exit::Partly })
}

/// `crosspoint drain`.
fn drain(place: &Place) -> Result<Exit> {
    let (client, deadline) = running(place)?;
    if client.drain(deadline + DRAIN_MARGIN)? {
        println!("drained: the server has ended");
        Ok(Exit::Done)
    } else {
        Err(anyhow!(
            "the server was asked to end and has not yet; `crosspoint status` shows what it waits for"
        ))
    }
}

/// The running server of a data folder, and its drain deadline as far as it is known here.
fn running(place: &Place) -> Result<(Client, Duration)> {
    let config = sources::load(&place.settings())?.config;
    let home = Home::at(&config.data);
    let client = Client::connect(&home.admin_socket())?.ok_or_else(|| {
        anyhow!(
            "no server runs on {}; name its data folder with --data or --config",
            home.root().display()
        )
    })?;
    Ok((client, Duration::from_secs(config.drain.deadline_s)))
}
