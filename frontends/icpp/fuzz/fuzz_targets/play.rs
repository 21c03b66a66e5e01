//! A whole life of a session, from its first byte or from a login on, with what a shard answers and what others send
//! in between.
//!
//! Input: choices (see `tape.rs`). Beside not panicking and saying whole frames:
//! - nobody is authenticated whose password was not right;
//! - nothing is routed before the login;
//! - no more is acknowledged than was sent, and nothing is taken back.
#![no_main]

use crosspoint_engine::envelope::{Envelope, Kind, PresenceKind};
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::relay::Parcel;
use crosspoint_engine::roster::Item;
use crosspoint_engine::service::Admission;
use crosspoint_engine::session::{Action, BindFault, Event, Farewell, Form};
use crosspoint_icpp::codec::hello::{Auth, Hello};
use crosspoint_icpp::codec::{Flags, Header, Message, PREFACE, Verb, ext, write_frame};
use crosspoint_icpp::limits::Limits;
use crosspoint_icpp::trunk::REDIRECT;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/session_support/mod.rs"]
mod session_support;
mod tape;

use session_support::{Client, EPOCH, JULIET, ROMEO, config, jid, sent};
use tape::Tape;

/// Small, so that a short play reaches them.
const LIMITS: Limits = Limits {
    window: 4,
    unacked_frames: 3,
    unacked_excess: 2,
    deferred_presences: 3,
    ..Limits::DEFAULT
};

struct Play {
    client: Client,
    /// A right password was shown, so somebody may be let in.
    right: bool,
    online: bool,
    /// Reliable frames of the client, whether they were read or not.
    said: u32,
    /// What was acknowledged of them.
    acked: u32,
    /// Envelopes that were routed, to be delivered to this very client as if it were another.
    envelopes: Vec<Envelope>,
    /// Numbers that may be answered.
    open: Vec<u64>,
}

impl Play {
    fn new(established: bool) -> Play {
        let client = match established {
            true => Client::established(LIMITS),
            false => Client::connect(config(LIMITS), 0),
        };
        Play {
            client,
            right: established,
            online: established,
            said: 0,
            acked: 0,
            envelopes: Vec::new(),
            open: Vec::new(),
        }
    }

    fn frame(&mut self, header: Header, body: &[u8]) {
        let reliable = Verb::from_number(header.verb).is_some_and(Verb::is_reliable_from_client);
        self.said += u32::from(reliable);
        let mut bytes = Vec::new();
        write_frame(&mut bytes, header, |out| out.extend_from_slice(body));
        self.client.send(&bytes);
    }

    fn push(&self, verb: Verb) -> Header {
        Header::push(verb, self.client.received)
    }

    fn look(&mut self) {
        for told in self.client.told() {
            if matches!(told.verb, Verb::Authed | Verb::Resumed) {
                assert!(self.right, "who showed nothing is let in");
                self.online = true;
            }
            if told.verb.is_reliable_from_server() && !told.flags.has(Flags::RESP) {
                self.client.received = self.client.received.wrapping_add(1);
            }
            if self.online {
                assert!(told.ack <= self.said, "{} of {} are acknowledged", told.ack, self.said);
                assert!(told.ack >= self.acked, "{} after {}", told.ack, self.acked);
                self.acked = told.ack;
            }
        }
        for action in std::mem::take(&mut self.client.actions) {
            match action {
                Action::Route { envelope, seq } => {
                    assert!(self.online, "something is routed before the login");
                    self.open.extend(seq);
                    if self.envelopes.len() < 8 {
                        self.envelopes.push(envelope);
                    }
                }
                Action::Presence { envelope, .. } => {
                    assert!(self.online, "presence before the login");
                    if self.envelopes.len() < 8 {
                        self.envelopes.push(envelope);
                    }
                }
                Action::Authenticated { .. } => assert!(self.right, "nobody has shown a password"),
                _ => {}
            }
        }
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        match tape.below(16) {
            0 | 1 => {
                let verb = tape.one_of(Verb::ALL);
                let flags = match tape.flag() {
                    true => Flags::REQ,
                    false => Flags(tape.byte() & 0x6f),
                };
                let id = u32::from(tape.byte());
                let header = Header { flags, id, ..self.push(verb) };
                self.frame(header, tape.bytes());
            }
            2 => {
                let header = Header {
                    verb: tape.byte(),
                    flags: Flags(tape.byte()),
                    slot: u16::from(tape.byte() & 1),
                    id: u32::from(tape.byte()),
                    ack: self.client.received.wrapping_add(u32::from(tape.byte() & 3)).wrapping_sub(1),
                };
                self.frame(header, tape.bytes());
            }
            3 | 4 => self.message(tape),
            5 => {
                let bytes = tape.bytes();
                // What is in there may be counted frames: as many as there could be.
                self.said += bytes.len() as u32 / 16 + 1;
                self.client.send(bytes);
            }
            6 => {
                let count = tape.below(self.open.len() + 1);
                let numbers = self.open.drain(..count).collect();
                self.client.event(Event::Accepted(numbers));
            }
            7 => self.deliver(tape),
            8 => self.client.pass(u64::from(tape.u16()) * 8),
            9 => self.hello(tape),
            10 => self.auth(tape),
            11 => self.answer(tape),
            12 => self.change(tape),
            13 => self.end(tape),
            14 => self.client.event(Event::Synced { after: u64::from(tape.u32()) }),
            _ => self.resume(),
        }
    }

    fn message(&mut self, tape: &mut Tape<'_>) {
        let verb = tape.one_of(&[Verb::Send, Verb::Receipt, Verb::Note, Verb::Edit, Verb::Recall]);
        let mut extensions = Vec::new();
        for _ in 0..tape.below(4) {
            let (tag, critical) = (u16::from(tape.byte() & 0x1f), tape.byte() & 3 == 0);
            ext::write(&mut extensions, tag | u16::from(critical) << 15, tape.bytes());
        }
        let mut body = Vec::new();
        let to = match tape.byte() & 3 {
            0 => JULIET,
            1 => ROMEO,
            2 => "garden@rooms.montague.lit/romeo",
            _ => tape.text(),
        };
        Message {
            id: [tape.byte(); 16],
            stamp: 0,
            kind: u16::from(tape.byte() & 7),
            to,
            from: "",
            extensions: &extensions,
            payload: tape.bytes(),
        }
        .write(&mut body);
        let flags = Flags(tape.byte() & 0x60);
        let header = Header { flags, ..self.push(verb) };
        self.frame(header, &body);
    }

    fn deliver(&mut self, tape: &mut Tape<'_>) {
        if self.envelopes.is_empty() || !self.online {
            return;
        }
        let mut envelope = sent(&self.envelopes[tape.below(self.envelopes.len())]);
        if tape.flag() {
            let kinds = [PresenceKind::Available, PresenceKind::Unavailable, PresenceKind::Subscribe, PresenceKind::Error];
            envelope.kind = Kind::Presence(tape.one_of(&kinds));
            envelope.content = Neutral { status: Some(tape.text().into()), ..Neutral::default() }.pack();
        }
        let record = tape.flag().then(|| u64::from(tape.u16()) + 1);
        let form = tape.one_of(&[Form::Plain, Form::CopyReceived, Form::CopySent]);
        self.client.deliver(&envelope, form, record);
    }

    fn hello(&mut self, tape: &mut Tape<'_>) {
        if tape.flag() {
            self.client.send(&PREFACE);
        }
        let account = match tape.flag() {
            true => "romeo@montague.lit",
            false => tape.text(),
        };
        let resume = tape.flag().then(|| tape.bytes());
        let hello = Hello {
            account,
            resource: tape.flag().then(|| tape.text()),
            resume,
            hops: tape.byte() & 7,
            ..Hello::default()
        };
        self.client.hello(&hello);
    }

    fn auth(&mut self, tape: &mut Tape<'_>) {
        let mechanism = match tape.byte() & 7 {
            0 => None,
            1 => Some("SCRAM-SHA-256"),
            2 => Some("SCRAM-SHA-1"),
            3 => Some("TICKET"),
            4 => Some(tape.text()),
            _ => Some("PLAIN"),
        };
        let data = match tape.byte() & 3 {
            0 => &b"\0romeo\0secret"[..],
            1 => b"n,,n=romeo,r=abc",
            2 => b"c=biws,r=abc,p=AAAA",
            _ => tape.bytes(),
        };
        let mut body = Vec::new();
        Auth { mechanism, data: Some(data) }.write(&mut body);
        let header = Header { flags: Flags::REQ, id: u32::from(tape.byte()), ..self.push(Verb::Auth) };
        self.frame(header, &body);
    }

    /// What a shard answers; what it was not asked for as well.
    fn answer(&mut self, tape: &mut Tape<'_>) {
        if self.online {
            return;
        }
        let keys = || crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096);
        let event = match tape.below(9) {
            0 => Event::Keys(keys()),
            1 => Event::PasswordChecked(false),
            2 => {
                self.right = true;
                Event::PasswordChecked(true)
            }
            3 if self.right => Event::Homed,
            4 if self.right => Event::Bound { address: jid(ROMEO), epoch: EPOCH },
            5 => Event::Spent(false),
            6 if self.right => Event::ResumeFailed,
            7 => Event::AuthUnavailable { throttled: tape.flag() },
            8 => Event::BindFailed(tape.one_of(&[BindFault::Malformed, BindFault::TooMany])),
            _ => return,
        };
        self.client.event(event);
    }

    fn change(&mut self, tape: &mut Tape<'_>) {
        let addresses = vec![jid("x@y.lit"); tape.below(3)];
        let event = match tape.below(4) {
            0 => Event::BlockPush { addresses, blocked: tape.flag() },
            1 => Event::AdmissionPush(Admission::Add(addresses)),
            2 => Event::RosterPush { item: Item::stranger(&jid("x@y.lit")), removed: tape.flag(), version: u64::from(tape.u32()) },
            _ => Event::Relayed(Parcel { label: REDIRECT, bytes: tape.bytes().to_vec().into() }),
        };
        self.client.event(event);
    }

    fn end(&mut self, tape: &mut Tape<'_>) {
        let all = [Farewell::Shutdown, Farewell::Replaced, Farewell::AccountChanged, Farewell::Policy, Farewell::Timeout, Farewell::Internal];
        match tape.byte() & 7 {
            0 => self.client.event(Event::Lost),
            1 => self.client.event(Event::Superseded),
            2 => self.client.event(Event::Farewell(tape.one_of(&all))),
            _ => self.client.event(Event::Drained),
        }
    }

    /// The client comes back on another connection, with its password, and goes on.
    fn resume(&mut self) {
        if !self.online || self.client.closed {
            return;
        }
        self.client.event(Event::Lost);
        if self.client.closed {
            return;
        }
        let Some(old) = self.client.session.take() else { return };
        let received = self.client.received;
        let mut client = Client::connect(config(LIMITS), 0);
        client.received = received;
        client.send(&PREFACE);
        client.hello(&Hello { account: "romeo@montague.lit", resume: Some(b"token"), ..Hello::default() });
        client.plain();
        client.event(Event::PasswordChecked(true));
        client.event(Event::Homed);
        client.told();
        client.actions.clear();
        client.event(Event::Resumed { old, address: jid(ROMEO) });
        self.client = client;
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    let mut play = Play::new(tape.flag());
    while !tape.is_over() && !play.client.closed {
        play.act(&mut tape);
        play.look();
    }
});
