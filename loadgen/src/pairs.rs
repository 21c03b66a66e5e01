//! Two places where pairs can chat: an XMPP server, and the relay that is the floor under all of them.

use std::fmt;

use anyhow::{Context, Result};
use mio::{Poll, Token};
use serde::Serialize;

use crate::chat::{self, Outcome};
use crate::fleet::{Fleet, Nobody};
use crate::gauge::{Figures, Gauge};
use crate::link::Link;
use crate::options::{Chat, Common, Floor, Load, To};
use crate::report::{self, Latency};
use crate::track::Wrong;

/// Host part of the addresses when there is no server.
const NOWHERE: &str = "localhost";

#[derive(Serialize)]
struct Report {
    mode: &'static str,
    pairs: u32,
    window: u32,
    body_bytes_min: usize,
    body_bytes_max: usize,
    messages: Figures,
    latency: Latency,
    wrong: Wrong,
}

/// `chat`
pub fn chat(options: &Chat) -> Result<bool> {
    let Chat {
        common, users, load, ..
    } = options;
    common.prepare(2 * load.pairs)?;
    let range = users.range(0, 2 * load.pairs);
    let mut fleet = Fleet::log_in(users.target(common, true)?, range.clone(), &mut Nobody)?;
    let addresses: Vec<String> = range
        .map(|user| match options.to {
            To::Bare => fleet.target.address(user),
            To::Full => format!("{}/{}", fleet.target.address(user), users.resource),
        })
        .collect();
    let gauge = common.gauge();
    let Fleet { members, poll, .. } = &mut fleet;
    let mut links: Vec<&mut Link> = members.iter_mut().map(|member| &mut member.link).collect();
    let outcome = chat::run(&mut links, poll, &addresses, load.bodies(), &load.plan(), &gauge)?;
    fleet.close();
    tell("chat", load, common, &gauge, outcome)
}

/// `floor`: the relay joins connections two by two, in the order in which they come.
pub fn floor(options: &Floor) -> Result<bool> {
    let Floor { common, load } = options;
    common.prepare(2 * load.pairs)?;
    let addr = common.socket_addr()?;
    let mut poll = Poll::new()?;
    let mut links = Vec::new();
    for place in 0..2 * load.pairs as usize {
        let socket = std::net::TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        let mut link = Link::bare(socket)?;
        link.register(poll.registry(), Token(place))?;
        link.hurry()?;
        links.push(link);
    }
    let addresses: Vec<String> = (0..links.len()).map(|place| format!("u{place}@{NOWHERE}")).collect();
    let gauge = common.gauge();
    let mut links: Vec<&mut Link> = links.iter_mut().collect();
    let outcome = chat::run(&mut links, &mut poll, &addresses, load.bodies(), &load.plan(), &gauge)?;
    tell("floor", load, common, &gauge, outcome)
}

fn tell(mode: &'static str, load: &Load, common: &Common, gauge: &Gauge, outcome: Outcome) -> Result<bool> {
    let messages = gauge.figures(&outcome.readings).context("nothing was measured")?;
    let report = Report {
        mode,
        pairs: load.pairs,
        window: load.window,
        body_bytes_min: *load.body.start(),
        body_bytes_max: *load.body.end(),
        messages,
        latency: outcome.latency,
        wrong: outcome.wrong,
    };
    report::print(&report, common.json)?;
    Ok(report.wrong.nothing() && report.messages.count > 0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} pairs, window {}, bodies of {} to {} bytes; messages delivered",
            self.mode, self.pairs, self.window, self.body_bytes_min, self.body_bytes_max
        )?;
        writeln!(f, "{}", self.messages)?;
        writeln!(f, "  latency     {}", self.latency)?;
        write!(f, "  wrong       {}", self.wrong)
    }
}
