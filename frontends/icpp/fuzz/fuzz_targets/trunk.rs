//! What a back-end hears of a front-end: any bytes before the proof, and after it frames of the trunk and of its sessions,
//! with what a shard says in between.
//!
//! Input: choices (see `tape.rs`). Beside not panicking and saying whole frames:
//! - nothing is asked of the shard for who has not proved the key;
//! - a passenger is fed, held, told or let out only between its embarking and its end;
//! - what passengers are fed are whole frames of their own slots.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use crosspoint_engine::session::{Action, Context, Event, Farewell, Now, Peer, Random, Session};
use crosspoint_icpp::codec::elsewhere::{Node, Open};
use crosspoint_icpp::codec::hello::{Auth, Hello};
use crosspoint_icpp::codec::{Flags, Header, PREFACE, Scan, Verb, scan, write_frame};
use crosspoint_icpp::trunk::{ClusterKey, Nodes, TrunkConfig, TrunkSession};
use libfuzzer_sys::fuzz_target;

mod tape;

use tape::Tape;

struct Sevens;

impl Random for Sevens {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

const KEY: ClusterKey = ClusterKey([1; 32]);

struct Play {
    session: TrunkSession,
    unread: Vec<u8>,
    outbox: Vec<u8>,
    now_ms: u64,
    proved: bool,
    closed: bool,
    aboard: BTreeSet<u16>,
    placing: bool,
}

impl Play {
    fn new() -> Play {
        let config = Arc::new(TrunkConfig { node: "be".to_owned(), key: KEY, shards: 2, nodes: Nodes::default(), figures: Arc::default() });
        let peer = Peer { address: [127, 0, 0, 1].into(), tls: None, listener: 3 };
        let (mut outbox, mut actions) = (Vec::new(), Vec::new());
        let mut cx = Context {
            now: Now { ms: 0, unix_ms: 0 },
            random: &mut Sevens,
            outbox: &mut outbox,
            actions: &mut actions,
        };
        let session = TrunkSession::open(config, &peer, &mut cx);
        Play {
            session,
            unread: Vec::new(),
            outbox,
            now_ms: 0,
            proved: false,
            closed: false,
            aboard: BTreeSet::new(),
            placing: false,
        }
    }

    fn with<R>(&mut self, call: impl FnOnce(&mut TrunkSession, &mut Context<'_>) -> R) -> R {
        let mut actions = Vec::new();
        let mut cx = Context {
            now: Now { ms: self.now_ms, unix_ms: self.now_ms },
            random: &mut Sevens,
            outbox: &mut self.outbox,
            actions: &mut actions,
        };
        let result = call(&mut self.session, &mut cx);
        actions.into_iter().for_each(|action| self.note(action));
        result
    }

    fn note(&mut self, action: Action) {
        assert!(!self.closed, "nothing follows Close");
        match action {
            Action::Close => self.closed = true,
            Action::Place { shard } => {
                assert!(self.proved && shard < 2);
                self.placing = true;
            }
            Action::Embark { key, .. } => {
                assert!(self.proved && key != 0);
                assert!(self.aboard.insert(key), "slot {key} is taken");
            }
            Action::Feed { key, bytes } => {
                assert!(self.aboard.contains(&key), "slot {key} is fed and not aboard");
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let Ok(Scan::Frame(frame)) = scan(rest, 1 << 20) else {
                        panic!("no whole frames are fed");
                    };
                    assert_eq!(frame.header.slot, key);
                    rest = &rest[frame.len()..];
                }
            }
            Action::Disembark { key } | Action::HoldPassenger { key, .. } | Action::Tell { key, .. } => {
                assert!(self.aboard.contains(&key), "slot {key} is not aboard");
            }
            Action::WakeAt(_) | Action::AuthFailed { .. } => {}
            _ => panic!("a trunk has nothing else to ask"),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while !self.closed && !self.placing && !self.unread.is_empty() {
            let input = std::mem::take(&mut self.unread);
            let consumed = self.with(|session, cx| session.on_input(&input, cx));
            self.unread = input[consumed..].to_vec();
            if consumed == 0 {
                break;
            }
        }
    }

    fn frame(&mut self, header: Header, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, header, write);
        self.say(&bytes);
    }

    fn login(&mut self) {
        self.say(&PREFACE);
        let hello = Hello { trunk: Some("fe1"), shard: Some(1), ..Hello::default() };
        self.frame(Header::push(Verb::Hello, 0), |out| hello.write(out));
        self.prove();
        self.event(Event::Placed);
    }

    fn prove(&mut self) {
        self.proved = true;
        let proof = KEY.prove(&[7; 32], "fe1");
        let header = Header { flags: Flags::REQ, id: 1, ..Header::push(Verb::Auth, 0) };
        self.frame(header, |out| Auth { mechanism: Some("TRUNK"), data: Some(&proof) }.write(out));
    }

    fn event(&mut self, event: Event) {
        if self.closed {
            return;
        }
        self.placing &= !matches!(event, Event::Placed);
        self.with(|session, cx| session.on_event(event, cx));
        self.say(&[]);
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        let slot = u16::from(tape.byte() & 3);
        match tape.below(12) {
            0 => self.say(tape.bytes()),
            1 => {
                let header = Header { verb: tape.byte(), flags: Flags(tape.byte()), slot, id: tape.u32(), ack: tape.u32() };
                let body = tape.bytes();
                self.frame(header, |out| out.extend_from_slice(body));
            }
            2 => {
                let peer = if tape.flag() { "192.0.2.1" } else { tape.text() };
                let open = Open { peer, secure: tape.flag() };
                self.frame(Header { slot, ..Header::push(Verb::Open, 0) }, |out| open.write(out));
            }
            3 => self.frame(Header { slot, ..Header::push(Verb::Close, 0) }, |_| {}),
            4 => {
                let held = tape.byte() & 3;
                self.frame(Header { slot, ..Header::push(Verb::Hold, 0) }, |out| out.push(held));
            }
            5 => {
                let body = tape.bytes();
                self.frame(Header { slot, ..Header::push(Verb::Redirect, 0) }, |out| out.extend_from_slice(body));
            }
            6 => {
                let node = Node {
                    node: tape.text(),
                    urls: tape.text(),
                    sessions: tape.u32(),
                    cpu_permille: tape.u16(),
                    weight: tape.u16(),
                    outbox_bytes: tape.u32(),
                    state: tape.byte(),
                };
                self.frame(Header::push(Verb::Topology, 0), |out| node.write(out));
            }
            7 => {
                let body = tape.bytes();
                let mut both = Vec::new();
                for slot in [slot, slot ^ 1] {
                    write_frame(&mut both, Header { slot, ..Header::push(Verb::Send, 0) }, |out| out.extend_from_slice(body));
                }
                self.say(&both);
            }
            8 => {
                if let Some(key) = self.aboard.iter().next().copied().filter(|_| !self.closed) {
                    self.aboard.remove(&key);
                    self.event(Event::PassengerGone { key, refused: tape.flag() });
                }
            }
            9 => self.event(Event::PassengerBehind { key: slot, behind: tape.flag() }),
            10 => {
                self.now_ms += u64::from(tape.u16());
                if !self.closed {
                    self.with(|session, cx| session.on_tick(cx));
                }
            }
            _ => match tape.byte() & 7 {
                0 => self.event(Event::Lost),
                1 => self.event(Event::Farewell(Farewell::Shutdown)),
                2 => self.event(Event::Farewell(Farewell::Internal)),
                3 => self.prove(),
                _ => self.event(Event::Placed),
            },
        }
    }

    fn look(&mut self) {
        let bytes = std::mem::take(&mut self.outbox);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Ok(Scan::Frame(frame)) = scan(rest, 1 << 20) else {
                panic!("no whole frames are said");
            };
            rest = &rest[frame.len()..];
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    let mut play = Play::new();
    if tape.flag() {
        play.login();
    }
    while !tape.is_over() && !play.closed {
        play.act(&mut tape);
        play.look();
    }
});
