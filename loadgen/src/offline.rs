//! Messages for absent users: stored until the server has acknowledged them (XEP-0198), then fetched, each exactly once.
//!
//! Message `n` of receiver `r` comes from sender `r % senders`, so each receiver sees one numbered stream. After the
//! drain all receivers come a second time, and must find nothing.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use crosspoint_xmpp::codec::{CLIENT, Scanner, Stanza};
use serde::Serialize;

use crate::fleet::{Fleet, Nobody, Watch};
use crate::gauge::{Figures, Reading};
use crate::options::{Offline, Phase};
use crate::report;
use crate::text::{Bodies, Envelope};
use crate::track::{Track, Wrong};

const SM: &str = "urn:xmpp:sm:3";
/// Silence after which nothing more will come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time in which everything must have been stored, or fetched.
const PHASE: Duration = Duration::from_secs(600);
/// How long the second visit waits for what should not come.
const SECOND_VISIT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Report {
    mode: &'static str,
    receivers: u32,
    messages: u32,
    store: Option<Figures>,
    drain: Option<Figures>,
    wrong: Wrong,
}

/// `offline`
pub fn run(options: &Offline) -> Result<bool> {
    options.common.prepare(options.receivers.max(options.senders))?;
    ensure!(options.senders > 0 && options.window > 0, "no senders, or no window");
    let mut report = Report {
        mode: "offline",
        receivers: options.receivers,
        messages: options.messages,
        store: None,
        drain: None,
        wrong: Wrong::default(),
    };
    let gauge = options.common.gauge();
    if options.phase != Phase::Drain {
        let (readings, wrong) = store(options)?;
        report.store = gauge.figures(&readings);
        report.wrong = report.wrong.and(wrong);
    }
    if options.phase != Phase::Store {
        let (readings, wrong) = drain(options)?;
        report.drain = gauge.figures(&readings);
        report.wrong = report.wrong.and(wrong);
    }
    report::print(&report, options.common.json)?;
    Ok(report.wrong.nothing())
}

/// What one sender has still to say.
struct Sender {
    /// Places among the receivers.
    receivers: Vec<u32>,
    sent: u64,
    acknowledged: u64,
    enabled: bool,
}

struct Store<'a> {
    options: &'a Offline,
    senders: Vec<Sender>,
    envelopes: Vec<Envelope>,
    bodies: Bodies,
    bounced: u64,
}

fn store(options: &Offline) -> Result<(Vec<Reading>, Wrong)> {
    let Offline { common, users, .. } = options;
    let target = users.target(common, false)?;
    let mut store = Store::new(options, |user| target.address(user));
    let gauge = common.gauge();
    let mut fleet = Fleet::log_in(target, users.range(options.receivers, options.senders), &mut Nobody)?;
    for place in 0..fleet.members.len() {
        let enable = format!("<enable xmlns='{SM}'/>");
        fleet.members[place].link.outbox.extend_from_slice(enable.as_bytes());
        fleet.flush(place)?;
    }
    let enabled = |_: &mut Fleet, store: &mut Store<'_>| store.senders.iter().all(|sender| sender.enabled);
    ensure!(
        fleet.serve_until(&mut store, PATIENCE, enabled)?,
        "the server does not enable stream management (XEP-0198)"
    );
    let mut readings = vec![gauge.read(0)?];
    for place in 0..fleet.members.len() {
        store.send(place, &mut fleet.members[place].link.outbox);
        fleet.flush(place)?;
    }
    let stored = fleet.serve_until(&mut store, PHASE, |fleet, store| {
        for (place, member) in fleet.members.iter_mut().enumerate() {
            store.send(place, &mut member.link.outbox);
        }
        // What an event has brought was flushed already; this is what the acknowledgement has allowed since.
        (0..fleet.members.len()).all(|place| fleet.flush(place).is_ok()) && store.is_done()
    })?;
    readings.push(gauge.read(store.acknowledged())?);
    fleet.close();
    let wrong = Wrong {
        bounced: store.bounced,
        lost: store.expected() - store.acknowledged(),
        ..Wrong::default()
    };
    ensure!(stored || wrong.lost > 0, "the server stopped taking messages");
    Ok((readings, wrong))
}

impl<'a> Store<'a> {
    fn new(options: &'a Offline, address: impl Fn(u32) -> String) -> Self {
        let sender = |place: u32| Sender {
            receivers: (place..options.receivers).step_by(options.senders as usize).collect(),
            sent: 0,
            acknowledged: 0,
            enabled: false,
        };
        Self {
            options,
            senders: (0..options.senders).map(sender).collect(),
            envelopes: options
                .users
                .range(0, options.receivers)
                .map(|user| Envelope::new(&address(user)))
                .collect(),
            bodies: Bodies::new(options.body.clone()),
            bounced: 0,
        }
    }

    /// As many messages as the window allows, in turn to each receiver, and a request to acknowledge them.
    fn send(&mut self, place: usize, out: &mut Vec<u8>) {
        let sender = &mut self.senders[place];
        let all = sender.receivers.len() as u64 * u64::from(self.options.messages);
        // Half a window at a time: a request for each message would measure requests.
        let window = u64::from(self.options.window);
        if sender.sent == all || sender.sent - sender.acknowledged > window / 2 {
            return;
        }
        let until = all.min(sender.acknowledged + window);
        for message in sender.sent..until {
            let receivers = sender.receivers.len() as u64;
            let receiver = sender.receivers[(message % receivers) as usize];
            self.envelopes[receiver as usize].append(message / receivers, &self.bodies, out);
        }
        sender.sent = until;
        out.extend_from_slice(format!("<r xmlns='{SM}'/>").as_bytes());
    }

    fn expected(&self) -> u64 {
        u64::from(self.options.receivers) * u64::from(self.options.messages)
    }

    fn acknowledged(&self) -> u64 {
        self.senders.iter().map(|sender| sender.acknowledged).sum()
    }

    fn is_done(&self) -> bool {
        self.acknowledged() == self.expected()
    }
}

impl Watch for Store<'_> {
    fn stanza(&mut self, member: usize, stanza: &Stanza<'_>, _: &Scanner) -> Result<()> {
        let sender = &mut self.senders[member];
        match stanza.name {
            "enabled" if stanza.namespace == SM => sender.enabled = true,
            "failed" if stanza.namespace == SM => bail!("stream management: {}", stanza.raw),
            "a" if stanza.namespace == SM => {
                let handled = stanza.attributes().find(|attribute| attribute.name == "h");
                let handled = handled.context("an acknowledgement without a number")?;
                sender.acknowledged = handled.value.raw().parse()?;
                ensure!(sender.acknowledged <= sender.sent, "more was acknowledged than sent");
            }
            "message" if stanza.kind.is_some_and(|kind| kind == "error") => self.bounced += 1,
            _ => {}
        }
        Ok(())
    }
}

struct Drain {
    tracks: Vec<Track>,
    bodies: Bodies,
    seen: u64,
    damaged: u64,
}

fn drain(options: &Offline) -> Result<(Vec<Reading>, Wrong)> {
    let Offline { common, users, .. } = options;
    let gauge = common.gauge();
    let mut drain = Drain {
        tracks: (0..options.receivers).map(|_| Track::default()).collect(),
        bodies: Bodies::new(options.body.clone()),
        seen: 0,
        damaged: 0,
    };
    let range = users.range(0, options.receivers);
    let mut fleet = Fleet::log_in(users.target(common, false)?, range.clone(), &mut drain)?;
    ensure!(drain.seen == 0, "messages came before the presence");
    let mut readings = vec![gauge.read(0)?];
    for place in 0..fleet.members.len() {
        fleet.members[place].link.outbox.extend_from_slice(b"<presence/>");
        fleet.flush(place)?;
    }
    let expected = u64::from(options.receivers) * u64::from(options.messages);
    let mut before = u64::MAX;
    while drain.seen < expected && drain.seen != before {
        before = drain.seen;
        fleet.serve_until(&mut drain, PATIENCE, |_, drain| drain.seen >= expected)?;
    }
    readings.push(gauge.read(drain.seen)?);
    fleet.close();
    fleet
        .serve_until(&mut drain, Duration::from_millis(200), |_, _| false)
        .ok();
    drop(fleet);
    let mut second = Fleet::log_in(users.target(common, true)?, range, &mut drain)?;
    second.serve_until(&mut drain, SECOND_VISIT, |_, _| false)?;
    second.close();
    let wrong = drain.tracks.iter().fold(Wrong::default(), |sum, track| {
        sum.and(track.balance(u64::from(options.messages)))
    });
    Ok((
        readings,
        Wrong {
            damaged: drain.damaged,
            ..wrong
        },
    ))
}

impl Watch for Drain {
    fn stanza(&mut self, member: usize, stanza: &Stanza<'_>, scanner: &Scanner) -> Result<()> {
        if stanza.name != "message" {
            return Ok(());
        }
        let body = scanner.children(stanza).find(|child| child.is("body", CLIENT));
        match body.and_then(|body| self.bodies.number(body.inner())) {
            Some(number) => self.tracks[member].seen(number),
            None => self.damaged += 1,
        }
        self.seen += 1;
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "offline: {} absent users, {} messages for each",
            self.receivers, self.messages
        )?;
        if let Some(store) = &self.store {
            writeln!(f, "stored and acknowledged\n{store}")?;
        }
        if let Some(drain) = &self.drain {
            writeln!(f, "fetched\n{drain}")?;
        }
        write!(f, "  wrong       {}", self.wrong)
    }
}
