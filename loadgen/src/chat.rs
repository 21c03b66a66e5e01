//! Pairs of users who chat in a closed loop: each message that one receives makes it send one.
//!
//! At the start each side sends `window` messages, so a pair has twice that in flight at any time. All that one
//! readiness event brings is answered by one write. Time is taken after a read, for what came with it and for what is
//! sent because of it: a latency includes the work of this process on the sender's side, and never less than the
//! truth. It is a closed loop: a server that stalls is also asked less.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crosspoint_xmpp::codec::{CLIENT, Frame, Scanner, Stanza};
use hdrhistogram::Histogram;
use mio::{Events, Poll};

use crate::fleet;
use crate::gauge::{Gauge, Reading};
use crate::link::{After, Handler, Link, Scratch};
use crate::report::Latency;
use crate::secure::Security;
use crate::text::{Bodies, Envelope};
use crate::track::{Track, Wrong};

const POLL: Duration = Duration::from_millis(10);
const EVENTS: usize = 1024;
/// More than any window needs: beyond it, something multiplies messages, or nobody reads.
const OUTBOX_BYTES_MAX: usize = 64 << 20;
/// Latencies up to a minute, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// What to do, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    pub window: u32,
    pub warmup: Duration,
    pub time: Duration,
    /// How long messages may still be under way when no more are sent.
    pub drain: Duration,
}

/// What came of it.
pub struct Outcome {
    /// The first reading and one for each second after it; deliveries in them.
    pub readings: Vec<Reading>,
    pub latency: Latency,
    pub wrong: Wrong,
}

/// The messages of one user to the other of the pair.
struct Direction {
    envelope: Envelope,
    sent: u64,
    /// When the message with this number, modulo the length, was sent: nanoseconds of the run.
    sent_at: Box<[u64]>,
    track: Track,
    damaged: u64,
    bounced: u64,
}

/// The state of a run, beside its links.
struct Chat {
    directions: Vec<Direction>,
    bodies: Bodies,
    latency: Histogram<u64>,
    start: Instant,
    now: u64,
    delivered: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Warmup,
    Measuring,
    Draining,
}

/// Lets the links chat, 0 with 1, 2 with 3 and so on. `addresses` are where each link's user is written to. Links are
/// logged in and registered with `poll` by their places.
pub fn run(
    links: &mut [&mut Link],
    poll: &mut Poll,
    addresses: &[String],
    bodies: Bodies,
    plan: &Plan,
    gauge: &Gauge,
) -> Result<Outcome> {
    ensure!(
        links.len() == addresses.len() && links.len().is_multiple_of(2),
        "not pairs"
    );
    let mut chat = Chat::new(addresses, bodies, plan.window)?;
    let mut readings = Vec::new();
    let (mut events, mut scratch) = (Events::with_capacity(EVENTS), Scratch::new());
    for (place, link) in links.iter_mut().enumerate() {
        chat.begin(place, plan.window, &mut link.outbox);
        link.flush()?;
    }
    while !chat.is_over(plan) {
        match poll.poll(&mut events, Some(POLL)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            let place = event.token().0;
            let mut turn = Turn { chat: &mut chat, place };
            let link = &mut links[place];
            link.receive(&mut scratch, &Security::none(), &mut turn)
                .and_then(|()| link.flush())
                .with_context(|| format!("the link of {}", addresses[place]))?;
        }
        chat.advance(plan, gauge, &mut readings)?;
    }
    Ok(Outcome {
        latency: Latency::of(&chat.latency),
        wrong: chat.wrong(),
        readings,
    })
}

impl Chat {
    fn new(addresses: &[String], bodies: Bodies, window: u32) -> Result<Self> {
        // All of a pair's messages may be on the way to the same side.
        let ring = (2 * window as usize).next_power_of_two();
        let direction = |place: usize| Direction {
            envelope: Envelope::new(&addresses[place ^ 1]),
            sent: 0,
            sent_at: vec![0; ring].into(),
            track: Track::default(),
            damaged: 0,
            bounced: 0,
        };
        Ok(Self {
            directions: (0..addresses.len()).map(direction).collect(),
            bodies,
            latency: Histogram::new_with_max(LATENCY_NS_MAX, 3)?,
            start: Instant::now(),
            now: 0,
            delivered: 0,
            phase: Phase::Warmup,
        })
    }

    fn begin(&mut self, place: usize, window: u32, out: &mut Vec<u8>) {
        self.now = self.start.elapsed().as_nanos() as u64;
        for _ in 0..window {
            self.send(place, out);
        }
    }

    fn send(&mut self, place: usize, out: &mut Vec<u8>) {
        let direction = &mut self.directions[place];
        direction.envelope.append(direction.sent, &self.bodies, out);
        let slot = direction.sent as usize & (direction.sent_at.len() - 1);
        direction.sent_at[slot] = self.now;
        direction.sent += 1;
    }

    /// A message of the peer has come to `place`.
    fn receive(&mut self, place: usize, stanza: &Stanza<'_>, scanner: &Scanner) {
        let direction = &mut self.directions[place ^ 1];
        if stanza.kind.is_some_and(|kind| kind == "error") {
            direction.bounced += 1;
            return;
        }
        let body = scanner.children(stanza).find(|child| child.is("body", CLIENT));
        let number = body.and_then(|body| self.bodies.number(body.inner()));
        let Some(number) = number.filter(|number| *number < direction.sent) else {
            direction.damaged += 1;
            return;
        };
        direction.track.seen(number);
        self.delivered += 1;
        if self.phase == Phase::Measuring {
            let slot = number as usize & (direction.sent_at.len() - 1);
            self.latency
                .saturating_record(self.now.saturating_sub(direction.sent_at[slot]));
        }
    }

    /// Moves on to the next phase, and takes a reading each second of the measuring.
    fn advance(&mut self, plan: &Plan, gauge: &Gauge, readings: &mut Vec<Reading>) -> Result<()> {
        let now = self.start.elapsed();
        match self.phase {
            Phase::Warmup if now >= plan.warmup => {
                self.phase = Phase::Measuring;
                readings.push(gauge.read(self.delivered)?);
            }
            Phase::Measuring if now >= plan.warmup + Duration::from_secs(readings.len() as u64) => {
                readings.push(gauge.read(self.delivered)?);
                if now >= plan.warmup + plan.time {
                    self.phase = Phase::Draining;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything has arrived, or will not any more.
    fn is_over(&self, plan: &Plan) -> bool {
        self.phase == Phase::Draining
            && (self.start.elapsed() >= plan.warmup + plan.time + plan.drain
                || self
                    .directions
                    .iter()
                    .all(|direction| direction.track.arrived() >= direction.sent))
    }

    fn wrong(&self) -> Wrong {
        self.directions.iter().fold(Wrong::default(), |sum, direction| {
            let balance = direction.track.balance(direction.sent);
            sum.and(Wrong {
                damaged: direction.damaged,
                bounced: direction.bounced,
                ..balance
            })
        })
    }
}

struct Turn<'a> {
    chat: &'a mut Chat,
    place: usize,
}

impl Handler for Turn<'_> {
    fn arrived(&mut self) {
        self.chat.now = self.chat.start.elapsed().as_nanos() as u64;
    }

    fn frame(&mut self, frame: &Frame<'_>, scanner: &Scanner, out: &mut Vec<u8>) -> Result<After> {
        let Frame::Stanza(stanza) = frame else {
            return fleet::idle(frame, out);
        };
        if stanza.name != "message" {
            return fleet::idle(frame, out);
        }
        self.chat.receive(self.place, stanza, scanner);
        if self.chat.phase != Phase::Draining {
            self.chat.send(self.place, out);
        }
        if out.len() > OUTBOX_BYTES_MAX {
            bail!("the server has stopped reading");
        }
        Ok(After::Continue)
    }
}
