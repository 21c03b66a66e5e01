//! What one message costs the session: in (scan, check, envelope) and out (envelope to outbox).
//!
//! ```text
//! cargo run --release -p crosspoint-xmpp --example session_cost
//! ```
//!
//! Prints nanoseconds per message on one core, the best of several rounds, for messages that arrive alone and 32 at a time,
//! without and with stream management.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crosspoint_engine::envelope::{Kind, MessageKind};
use crosspoint_engine::session::{Event, Form};

#[path = "../tests/session_support/mod.rs"]
mod session_support;

use session_support::{Client, ROMEO, message};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(100);
const CHAT: &str = "<message to='juliet@montague.lit' type='chat' id='5f3a'><body>Shall I hear more, or shall I speak \
    at this?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>";

fn main() {
    println!("message of {} bytes, ns each", CHAT.len());
    for managed in [false, true] {
        let what = if managed { "managed" } else { "plain" };
        println!("{what:>8} in, alone {:>6.0}", inbound(1, managed));
        println!("{what:>8} in, by 32 {:>6.0}", inbound(32, managed));
        println!("{what:>8} out       {:>6.0}", outbound(managed));
    }
}

fn client(managed: bool) -> Client {
    let mut config = session_support::config();
    config.limits.inbound_bytes_per_s = 0;
    config.limits.inbound_stanzas_per_s = 0;
    let mut client = Client::bound_with(config);
    if managed {
        client.send("<enable xmlns='urn:xmpp:sm:3'/>");
    }
    client.forget();
    client
}

fn inbound(batch: usize, managed: bool) -> f64 {
    let mut client = client(managed);
    let input = CHAT.repeat(batch);
    let mut seq = 0;
    best(batch, || {
        client.feed(input.as_bytes());
        if managed {
            let accepted = (seq + 1..=seq + batch as u64).collect();
            seq += batch as u64;
            client.event(Event::Accepted(accepted));
        }
        client.drop_actions();
    })
}

fn outbound(managed: bool) -> f64 {
    let mut client = client(managed);
    let body = "<body>Shall I hear more, or shall I speak at this?</body>\
                <active xmlns='http://jabber.org/protocol/chatstates'/>";
    let envelope = message(
        "juliet@montague.lit/balcony",
        ROMEO,
        Kind::Message(MessageKind::Chat),
        body,
    );
    let mut h = 0u32;
    best(32, || {
        for _ in 0..32 {
            client.deliver(&envelope, Form::Plain, None);
        }
        if managed {
            h = h.wrapping_add(32);
            client.feed(format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>").as_bytes());
        }
        client.drop_actions();
    })
}

/// Nanoseconds for one of the `count` things that `work` does, the best round's mean.
fn best(count: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < ROUND {
            for _ in 0..64 {
                black_box(&mut work)();
            }
            calls += 64;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(calls) / count as f64);
    }
    best
}
