//! Sessions that log in and stay idle: what one costs in memory, and a login in CPU.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::fleet::{Fleet, Nobody};
use crate::gauge::{Figures, Gauge};
use crate::options::Connect;
use crate::{process, report};

#[derive(Serialize)]
struct Report {
    mode: &'static str,
    sessions: u32,
    tls: bool,
    logins: Figures,
    hold_seconds: u64,
    /// Cores kept busy by the sessions while they are idle.
    idle_server_cores: Option<f64>,
    resident: Option<Resident>,
    own_resident_bytes_each: u64,
}

/// The server's memory, in bytes.
#[derive(Serialize)]
struct Resident {
    before: u64,
    logged_in: u64,
    idle: u64,
    /// What `idle` is more than `before`, by sessions.
    each: f64,
}

/// `connect`
pub fn run(options: &Connect) -> Result<bool> {
    let Connect { common, users, .. } = options;
    ensure!(options.count > 0, "no sessions");
    common.prepare(options.count)?;
    let gauge = common.gauge();
    let own_before = process::resident_bytes(&[std::process::id()])?;
    let before = process::resident_bytes(&common.pid)?;
    let start = gauge.read(0)?;
    let mut fleet = Fleet::log_in(users.target(common, true)?, users.range(0, options.count), &mut Nobody)?;
    let ready = gauge.read(u64::from(options.count))?;
    let logged_in = process::resident_bytes(&common.pid)?;
    let idle_cores = hold(&mut fleet, options, &gauge)?;
    let idle = process::resident_bytes(&common.pid)?;
    let own = process::resident_bytes(&[std::process::id()])?;
    fleet.close();
    let watched = !common.pid.is_empty();
    let report = Report {
        mode: "connect",
        sessions: options.count,
        tls: users.tls.is_some(),
        logins: gauge.figures(&[start, ready]).context("nothing was measured")?,
        hold_seconds: options.hold,
        idle_server_cores: watched.then_some(idle_cores),
        resident: watched.then(|| Resident {
            before,
            logged_in,
            idle,
            each: (idle as f64 - before as f64) / f64::from(options.count),
        }),
        own_resident_bytes_each: own.saturating_sub(own_before) / u64::from(options.count),
    };
    report::print(&report, common.json)?;
    Ok(true)
}

/// Keeps the sessions for the time that was asked for; any that ends is an error.
fn hold(fleet: &mut Fleet, options: &Connect, gauge: &Gauge) -> Result<f64> {
    let start = gauge.read(0)?;
    fleet.serve_until(&mut Nobody, Duration::from_secs(options.hold), |_, _| false)?;
    let end = gauge.read(0)?;
    let seconds = (end.at - start.at).as_secs_f64().max(1e-3);
    Ok((end.server_cpu - start.server_cpu).as_secs_f64() / seconds)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.tls { "with TLS" } else { "without TLS" };
        writeln!(f, "connect: {} sessions {form}; logins", self.sessions)?;
        writeln!(f, "{}", self.logins)?;
        if let (Some(resident), Some(cores)) = (&self.resident, self.idle_server_cores) {
            writeln!(
                f,
                "  resident    {} KiB before, {} KiB logged in, {} KiB after {} s idle: {:.0} bytes a session",
                resident.before >> 10,
                resident.logged_in >> 10,
                resident.idle >> 10,
                self.hold_seconds,
                resident.each
            )?;
            writeln!(f, "  idle        {cores:.4} cores")?;
        }
        write!(f, "  own memory  {} bytes a session", self.own_resident_bytes_each)
    }
}
