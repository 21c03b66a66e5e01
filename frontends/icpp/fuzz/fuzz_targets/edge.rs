//! A front-end between three clients and two trunks, all of which say anything: the real sessions and the real front on a
//! shard of paper.
//!
//! Input: choices (see `tape.rs`). Beside not panicking:
//! - whatever a client says, a trunk hears whole frames that name this client's slot, and none of the words of trunks
//!   but those of the front itself;
//! - whatever a back-end says, a client hears whole frames of slot 0, and none of the words of trunks but REDIRECT;
//! - as many clients are counted as are there.
#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::service::Frontend;
use crosspoint_engine::session::{Action, Context, Event, Farewell, Now, Peer, Random, Session};
use crosspoint_engine::shard::SessionId;
use crosspoint_icpp::codec::elsewhere::Node;
use crosspoint_icpp::codec::hello::{Hello, Welcome};
use crosspoint_icpp::codec::{Flags, Header, PREFACE, Scan, Verb, scan, write_frame};
use crosspoint_icpp::edge::{BackEnd, EdgeConfig, EdgeFigures, EdgeFront, EdgeListener};
use crosspoint_icpp::redirect::{Home, LoadPolicy};
use crosspoint_icpp::trunk::{ClusterKey, is_for_trunks};
use libfuzzer_sys::fuzz_target;

mod tape;

use tape::Tape;

#[derive(Default)]
struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

const fn id(index: u32) -> SessionId {
    SessionId { index, generation: 1 }
}

const fn is_trunk(id: SessionId) -> bool {
    id.index >= 100
}

/// What the front may do to sessions.
#[derive(Default)]
struct Host {
    now_ms: u64,
    outboxes: BTreeMap<SessionId, Vec<u8>>,
    slow_bytes: usize,
    tells: VecDeque<(SessionId, Event)>,
    connecting: Vec<u32>,
    zeros: Zeros,
}

impl RelayHost for Host {
    fn now(&self) -> Now {
        Now { ms: self.now_ms, unix_ms: self.now_ms }
    }

    fn random(&mut self) -> &mut dyn Random {
        &mut self.zeros
    }

    fn write(&mut self, to: SessionId, write: &mut dyn FnMut(&mut Vec<u8>)) -> bool {
        self.outboxes.get_mut(&to).map(write).is_some()
    }

    fn waiting(&self, session: SessionId) -> usize {
        self.outboxes.get(&session).map_or(0, Vec::len)
    }

    fn is_slow(&self, session: SessionId) -> bool {
        self.waiting(session) > self.slow_bytes
    }

    fn tell(&mut self, to: SessionId, parcel: Parcel) -> bool {
        self.tells.push_back((to, Event::Relayed(parcel)));
        self.outboxes.contains_key(&to)
    }

    fn pause(&mut self, _session: SessionId, _paused: bool) {}

    fn authenticated(&mut self, _session: SessionId) {}

    fn dismiss(&mut self, session: SessionId, why: Farewell) {
        self.tells.push_back((session, Event::Farewell(why)));
    }

    fn connect(&mut self, key: u32, _address: SocketAddr) {
        self.connecting.push(key);
    }
}

struct Shard {
    front: EdgeFront,
    host: Host,
    figures: Arc<EdgeFigures>,
    sessions: BTreeMap<SessionId, (Box<dyn Session>, Vec<u8>)>,
    next_trunk: u32,
}

impl Shard {
    fn new() -> Shard {
        let figures = Arc::new(EdgeFigures::of(["127.0.0.1:5298".to_owned()]));
        let config = EdgeConfig {
            node: "fe1".to_owned(),
            urls: vec!["icpp://one:5299".to_owned()],
            weight: 100,
            back_ends: vec![BackEnd { first: 0, last: 4095, address: ([127, 0, 0, 1], 5298).into() }],
            trunk_cipher: None,
            key: ClusterKey([1; 32]),
            listeners: vec![EdgeListener { cipher: None, private: true }],
            homes: vec![Home { first: 4000, last: 4095, node: "fe2".to_owned(), urls: Vec::new() }],
            load: LoadPolicy::DEFAULT,
            drain_ms: 10_000,
            shards: 1,
            figures: figures.clone(),
        };
        Shard {
            front: EdgeFront::new(Arc::new(config)),
            host: Host { slow_bytes: 2_000, ..Host::default() },
            figures,
            sessions: BTreeMap::new(),
            next_trunk: 100,
        }
    }

    /// A session is called, and everything that follows from it happens.
    fn call(&mut self, id: SessionId, call: impl FnOnce(&mut dyn Session, &mut Context<'_>)) {
        let Some((session, _)) = self.sessions.get_mut(&id) else { return };
        let Some(outbox) = self.host.outboxes.get_mut(&id) else { return };
        let mut actions = Vec::new();
        let mut cx = Context {
            now: Now { ms: self.host.now_ms, unix_ms: self.host.now_ms },
            random: &mut Zeros,
            outbox,
            actions: &mut actions,
        };
        call(&mut **session, &mut cx);
        let mut closed = false;
        for action in actions {
            assert!(!closed, "nothing follows Close");
            match action {
                Action::Relay(parcel) => self.front.on_relay(id, parcel, &mut self.host),
                Action::Close => closed = true,
                Action::Pause | Action::Continue | Action::WakeAt(_) => {}
                _ => panic!("a front-end has nothing else to ask"),
            }
        }
        if closed {
            self.heard(id);
            self.sessions.remove(&id);
            self.host.outboxes.remove(&id);
        }
    }

    fn settle(&mut self) {
        while let Some((to, event)) = self.host.tells.pop_front() {
            self.call(to, |session, cx| session.on_event(event, cx));
        }
        self.connect();
    }

    fn connect(&mut self) {
        for key in std::mem::take(&mut self.host.connecting) {
            let id = id(self.next_trunk);
            self.next_trunk += 1;
            let (mut outbox, mut actions) = (Vec::new(), Vec::new());
            let mut cx = Context {
                now: Now { ms: self.host.now_ms, unix_ms: 0 },
                random: &mut Zeros,
                outbox: &mut outbox,
                actions: &mut actions,
            };
            if let Some(session) = self.front.connected(key, id, &mut cx) {
                // Preface, HELLO.
                outbox.clear();
                self.host.outboxes.insert(id, outbox);
                self.sessions.insert(id, (session, Vec::new()));
            }
        }
    }

    fn input(&mut self, id: SessionId, bytes: &[u8]) {
        let Some((_, unread)) = self.sessions.get_mut(&id) else { return };
        unread.extend_from_slice(bytes);
        loop {
            let Some((_, unread)) = self.sessions.get_mut(&id) else { break };
            let input = std::mem::take(unread);
            let mut consumed = 0;
            self.call(id, |session, cx| consumed = session.on_input(&input, cx));
            if let Some((_, unread)) = self.sessions.get_mut(&id) {
                *unread = input[consumed..].to_vec();
            }
            self.settle();
            if consumed == 0 || consumed == input.len() {
                break;
            }
        }
    }

    fn arrive(&mut self, index: u32) {
        let peer = Peer { address: [127, 0, 0, 1].into(), tls: None, listener: 0 };
        let (mut outbox, mut actions) = (Vec::new(), Vec::new());
        let mut cx = Context {
            now: Now { ms: self.host.now_ms, unix_ms: 0 },
            random: &mut Zeros,
            outbox: &mut outbox,
            actions: &mut actions,
        };
        let session = self.front.open(&peer, &mut cx);
        self.sessions.insert(id(index), (session, Vec::new()));
        self.host.outboxes.insert(id(index), outbox);
    }

    fn trunk(&self, which: usize) -> SessionId {
        let trunks: Vec<SessionId> = self.sessions.keys().copied().filter(|id| is_trunk(*id)).collect();
        trunks.get(which % trunks.len().max(1)).copied().unwrap_or(id(999))
    }

    /// Everything that waits for a socket is looked at.
    fn heard(&mut self, id: SessionId) {
        let Some(outbox) = self.host.outboxes.get_mut(&id) else { return };
        let bytes = std::mem::take(outbox);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Ok(Scan::Frame(frame)) = scan(rest, 1 << 20) else {
                panic!("no whole frames are said to {id:?}");
            };
            if !is_trunk(id) {
                assert_eq!(frame.header.slot, 0, "a client hears of slots");
                assert!(!is_for_trunks(frame.header.verb) || frame.header.verb == Verb::Redirect as u8);
            }
            rest = &rest[frame.len()..];
        }
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        let client = id(u32::from(tape.byte() % 3));
        let trunk = self.trunk(tape.below(4));
        match tape.below(12) {
            0 if !self.sessions.contains_key(&client) => {
                self.arrive(client.index);
                let account = tape.one_of(&["romeo@montague.lit", "juliet@montague.lit", "nurse@montague.lit"]);
                let hops = tape.byte() & 7;
                let mut bytes = PREFACE.to_vec();
                write_frame(&mut bytes, Header::push(Verb::Hello, 0), |out| {
                    Hello { account, hops, came_from: Some("fe2"), ..Hello::default() }.write(out);
                });
                self.input(client, &bytes);
            }
            1 if !self.sessions.contains_key(&client) => {
                self.arrive(client.index);
                self.input(client, tape.bytes());
            }
            0..=2 => self.input(client, tape.bytes()),
            3 | 4 => {
                let verb = if tape.flag() { tape.byte() } else { tape.one_of(Verb::ALL) as u8 };
                let slot = u16::from(tape.byte() & 7 == 0);
                let header = Header { verb, flags: Flags(tape.byte() & 0x6f), slot, id: 1, ack: tape.u32() };
                let mut bytes = Vec::new();
                let body = tape.bytes();
                write_frame(&mut bytes, header, |out| out.extend_from_slice(body));
                self.input(client, &bytes);
            }
            5 => self.input(trunk, tape.bytes()),
            6 | 7 => {
                let verb = tape.one_of(Verb::ALL);
                let flags = if tape.flag() { Flags::RESP } else { Flags(tape.byte()) };
                let header = Header { flags, slot: u16::from(tape.byte() & 3), ack: tape.u32(), ..Header::push(verb, 0) };
                let mut bytes = Vec::new();
                let body = tape.bytes();
                write_frame(&mut bytes, header, |out| out.extend_from_slice(body));
                self.input(trunk, &bytes);
            }
            8 => self.rise(trunk, tape.byte() & 3),
            9 => {
                let mut bytes = Vec::new();
                write_frame(&mut bytes, Header::push(Verb::Topology, 0), |out| {
                    for node in ["fe1", "fe2", "fe3"] {
                        let urls = if tape.flag() { "icpp://two:5299 ws://two/" } else { tape.text() };
                        let state = tape.byte() & 3;
                        Node { node, urls, sessions: tape.u32(), cpu_permille: tape.u16(), weight: tape.u16(), outbox_bytes: tape.u32(), state }
                            .write(out);
                    }
                });
                self.input(trunk, &bytes);
            }
            10 => {
                self.host.now_ms += u64::from(tape.u16()) / 4;
                let all: Vec<SessionId> = self.sessions.keys().copied().collect();
                all.into_iter().for_each(|id| self.call(id, |session, cx| session.on_tick(cx)));
                self.front.on_tick(&mut self.host);
            }
            _ => match tape.byte() & 15 {
                0 => drop(self.front.on_drain(&mut self.host)),
                1 => self.call(trunk, |session, cx| session.on_event(Event::Lost, cx)),
                2..=4 => self.call(client, |session, cx| session.on_event(Event::Lost, cx)),
                5 => self.call(client, |session, cx| session.on_event(Event::Farewell(Farewell::Policy), cx)),
                6..=9 => self.call(client, |session, cx| session.on_event(Event::Drained, cx)),
                _ => self.call(trunk, |session, cx| session.on_event(Event::Drained, cx)),
            },
        }
        self.settle();
        let all: Vec<SessionId> = self.sessions.keys().copied().collect();
        all.into_iter().for_each(|id| {
            if tape.byte() & 3 != 0 {
                self.heard(id);
            }
        });
    }

    /// A back-end that knows its part.
    fn rise(&mut self, trunk: SessionId, shards: u8) {
        let mut bytes = Vec::new();
        let welcome = Welcome { version: 1, node: "be", mechanisms: "TRUNK", nonce: Some([7; 32]), shards: Some(u16::from(shards)), ..Welcome::default() };
        write_frame(&mut bytes, Header::push(Verb::Welcome, 0), |out| welcome.write(out));
        write_frame(&mut bytes, Header { flags: Flags::RESP, id: 1, ..Header::push(Verb::Authed, 0) }, |_| {});
        self.input(trunk, &bytes);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    let mut shard = Shard::new();
    shard.front.on_tick(&mut shard.host);
    shard.settle();
    if tape.flag() {
        shard.rise(id(100), 2);
        shard.front.on_tick(&mut shard.host);
        shard.settle();
        shard.rise(id(101), 2);
    }
    while !tape.is_over() {
        shard.act(&mut tape);
        let clients = shard.sessions.keys().filter(|id| !is_trunk(**id)).count();
        assert!(shard.figures.sessions.load(Relaxed) as usize <= clients, "more clients are counted than are there");
    }
});
