//! What a server might send to the client's core: a scripted server that is honest at first, then frames of every kind,
//! cuts, silence, and what an application does meanwhile.
//!
//! Input: choices (see `tape.rs`). Beside not panicking:
//! - what waits for the application, for the socket and for whoever asks is bounded;
//! - what the client writes are whole frames, after its preface.
#![no_main]

use crosspoint_client::codec::elsewhere::{Reason, Redirect};
use crosspoint_client::codec::hello::{Authed, Welcome};
use crosspoint_client::codec::{Code, Flags, Header, Message, PREFACE, Refusal, Scan, Verb, ext, scan, write_frame};
use crosspoint_client::core::limits::{EVENTS_MAX, OUTPUT_BYTES_MAX, PRESENCE_CHANGES_MAX, UNTAKEN_FRAMES_MAX};
use crosspoint_client::core::{AddressList, Outgoing};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../clients/rust/tests/core/peer.rs"]
mod peer;
mod tape;
#[allow(dead_code, unused_imports)]
#[path = "../../clients/rust/tests/core/world.rs"]
mod world;

use peer::Peer;
use tape::Tape;
use world::World;

struct Play {
    world: World,
    /// Of the requests that are open, or have been.
    identities: u32,
    written: Vec<u8>,
    fresh: bool,
}

impl Play {
    fn hear(&mut self, bytes: &[u8]) {
        if let Some(link) = self.world.link.filter(|_| self.world.core.wants_input()) {
            self.world.core.received(link, self.world.now, bytes);
        }
    }

    fn frame(&mut self, header: Header, body: &[u8]) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, header, |out| out.extend_from_slice(body));
        self.hear(&bytes);
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        match tape.below(14) {
            0 | 1 => {
                let verb = tape.one_of(Verb::ALL);
                let flags = match tape.byte() & 3 {
                    0 => Flags::NONE,
                    1 => Flags::RESP,
                    2 => Flags::RESP.with(Flags::MORE),
                    _ => Flags(tape.byte()),
                };
                let id = if flags.has(Flags::RESP) { u32::from(tape.byte()) % (self.identities + 2) } else { 0 };
                let ack = u32::from(tape.byte() & 7);
                self.frame(Header { flags, id, ack, ..Header::push(verb, 0) }, tape.bytes());
            }
            2 => {
                let header = Header {
                    verb: tape.byte(),
                    flags: Flags(tape.byte()),
                    slot: u16::from(tape.byte() & 7 == 0),
                    id: tape.u32(),
                    ack: tape.u32(),
                };
                self.frame(header, tape.bytes());
            }
            3 => self.hear(tape.bytes()),
            4 | 5 => self.message(tape),
            6 => self.opening(tape),
            7 => {
                let mut body = Vec::new();
                let mut redirect = Redirect::to(tape.text(), Reason::Load, tape.text());
                redirect.after_ms = tape.u32();
                let ticket = tape.bytes();
                redirect.ticket = tape.flag().then_some(ticket);
                redirect.write(&mut body, [tape.text(), "icpps://two.example"]);
                self.frame(Header::push(Verb::Redirect, 0), &body);
            }
            8 => {
                let code = tape.one_of(Code::ALL);
                let refusal = Refusal { temporary: tape.flag(), fatal: tape.flag(), retry_after_ms: tape.u32(), ..Refusal::new(code) };
                let mut body = Vec::new();
                refusal.write(&mut body);
                let verb = tape.one_of(&[Verb::Error, Verb::Bye]);
                let id = u32::from(tape.byte()) % (self.identities + 2);
                let flags = if id == 0 { Flags::NONE } else { Flags::RESP.with(Flags::ERR) };
                self.frame(Header { flags, id, ..Header::push(verb, 0) }, &body);
            }
            9 => self.ask(tape),
            10 => self.world.take(),
            11 => {
                self.world.now += u64::from(tape.u16()) * 4;
                self.world.core.timeout(self.world.now);
            }
            12 => self.world.cut(),
            _ => self.dial(tape.byte() & 3),
        }
        self.look(tape.flag());
    }

    fn message(&mut self, tape: &mut Tape<'_>) {
        let mut extensions = Vec::new();
        for _ in 0..tape.below(4) {
            ext::write(&mut extensions, u16::from(tape.byte() & 0x1f) | u16::from(tape.byte() & 7 == 0) << 15, tape.bytes());
        }
        let mut body = Vec::new();
        Message {
            id: [tape.byte(); 16],
            stamp: u64::from(tape.u32()) << 12,
            kind: u16::from(tape.byte() & 7),
            to: tape.text(),
            from: tape.text(),
            extensions: &extensions,
            payload: tape.bytes(),
        }
        .write(&mut body);
        let verb = tape.one_of(&[Verb::Deliver, Verb::Receipt, Verb::Edit, Verb::Recall, Verb::Note, Verb::Items]);
        let (flags, id) = match verb {
            Verb::Items => (Flags::RESP.with(Flags::MORE), self.identities),
            _ => (Flags::NONE, 0),
        };
        self.frame(Header { flags, id, ..Header::push(verb, 0) }, &body);
    }

    fn opening(&mut self, tape: &mut Tape<'_>) {
        let mut body = Vec::new();
        let (verb, flags) = match tape.below(3) {
            0 => {
                let welcome = Welcome {
                    version: tape.byte() & 3,
                    node: "one",
                    mechanisms: tape.one_of(&["SCRAM-SHA-256", "PLAIN", "TICKET", ""]),
                    frame_max: tape.u32(),
                    heartbeat_s: tape.u16(),
                    heartbeat_background_s: tape.u16(),
                    window: tape.u32(),
                    unacked_frames: tape.u32(),
                    unacked_bytes: tape.u32(),
                    ..Welcome::default()
                };
                welcome.write(&mut body);
                (Verb::Welcome, Flags::NONE)
            }
            which => {
                let (token, ticket, data) = (tape.bytes(), tape.bytes(), tape.bytes());
                let authed = Authed {
                    address: if tape.flag() { peer::ADDRESS } else { tape.text() },
                    data: tape.flag().then_some(data),
                    token: tape.flag().then_some(token),
                    resume_s: tape.u32(),
                    epoch: u64::from(tape.byte()),
                    ticket: tape.flag().then_some(ticket),
                    ticket_s: tape.u32(),
                };
                authed.write(&mut body);
                (if which == 1 { Verb::Authed } else { Verb::Resumed }, Flags::RESP)
            }
        };
        let id = if flags == Flags::RESP { u32::from(tape.byte() & 3) } else { 0 };
        self.frame(Header { flags, id, ack: u32::from(tape.byte() & 7), ..Header::push(verb, 0) }, &body);
    }

    /// What an application does.
    fn ask(&mut self, tape: &mut Tape<'_>) {
        let core = &mut self.world.core;
        let asked = match tape.below(7) {
            0 => core.history("", 0, 0, false).is_ok(),
            1 => core.list(AddressList::Black).is_ok(),
            2 => core.set_contact("nurse@localhost", "N", &["g"]).is_ok(),
            3 => {
                let outgoing = Outgoing::chat("nurse@localhost", tape.text());
                let _ = core.send([tape.byte(); 16], &outgoing);
                false
            }
            4 => {
                core.set_background(tape.flag());
                false
            }
            5 if tape.byte() & 7 == 0 => {
                core.leave();
                false
            }
            _ => false,
        };
        self.identities += u32::from(asked);
    }

    /// A new connection, with a server that knows its part, or one that says nothing yet.
    fn dial(&mut self, how: u8) {
        let core = &mut self.world.core;
        let Some(dial) = core.poll_dial(self.world.now, 0) else { return };
        if how == 3 {
            return core.dial_failed(dial.link, self.world.now, "no".to_owned());
        }
        core.output().clear();
        self.written.clear();
        self.fresh = true;
        if how == 0 {
            core.connected(dial.link, self.world.now, [5; 24]);
            self.world.link = Some(dial.link);
            return;
        }
        // One that knows nothing of what others have said in its name, so it resumes nothing.
        self.world.peer = Peer { mechanisms: "PLAIN", can_resume: false, ..Peer::default() };
        self.world.connect_by(dial);
        self.fresh = false;
    }

    fn look(&mut self, collect: bool) {
        let core = &mut self.world.core;
        let written = std::mem::take(core.output());
        assert!(written.len() <= OUTPUT_BYTES_MAX * 2, "{} bytes wait for the socket", written.len());
        if self.world.core.link() != self.world.link || self.world.link.is_none() {
            self.world.link = None;
        } else {
            let mut rest = &written[..];
            if self.fresh && rest.starts_with(&PREFACE) {
                rest = &rest[PREFACE.len()..];
                self.fresh = false;
            }
            while !rest.is_empty() {
                let Ok(Scan::Frame(frame)) = scan(rest, 1 << 20) else {
                    panic!("no whole frames are written: {rest:02x?}");
                };
                rest = &rest[frame.len()..];
            }
        }
        if collect {
            let core = &mut self.world.core;
            assert!(std::iter::from_fn(|| core.poll_event()).count() <= EVENTS_MAX);
            assert!(std::iter::from_fn(|| core.poll_presence()).count() <= PRESENCE_CHANGES_MAX);
            self.world.collect();
            self.world.outputs.clear();
            assert!(self.world.heard.len() <= UNTAKEN_FRAMES_MAX);
            self.world.heard.clear();
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    // A password in the clear saves the key derivation.
    let mut world = World::new(Peer { mechanisms: "PLAIN", ..Peer::default() });
    if tape.flag() {
        world.connect();
    }
    let mut play = Play { world, identities: 4, written: Vec::new(), fresh: false };
    while !tape.is_over() {
        play.act(&mut tape);
    }
});
