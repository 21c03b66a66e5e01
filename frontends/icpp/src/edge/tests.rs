//! The two kinds of sessions and their front, without an engine: a host of paper stands for the shard.

mod back_ends;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::service::Frontend;
use crosspoint_engine::session::{Action, Context, Event, Farewell, Now, Peer, Random, Session};
use crosspoint_engine::shard::SessionId;

use super::{BackEnd, EdgeConfig, EdgeFigures, EdgeFront, EdgeListener, label};
use crate::codec::elsewhere::{Node, Reason, Redirect};
use crate::codec::hello::{Hello, Welcome};
use crate::codec::{self, Code, Flags, Header, PREFACE, Refusal, Scan, Verb, scan, write_frame};
use crate::redirect::{Home, LoadPolicy};
use crate::trunk::{ClusterKey, push};

/// A frame that was written: verb, slot, ack, body.
type Said = (Verb, u16, u32, Vec<u8>);

/// The shard, as the front knows it.
#[derive(Default)]
struct Paper {
    now_ms: u64,
    outboxes: BTreeMap<SessionId, Vec<u8>>,
    slow: Vec<SessionId>,
    told: Vec<(SessionId, Parcel)>,
    paused: Vec<(SessionId, bool)>,
    dismissed: Vec<(SessionId, Farewell)>,
    authenticated: Vec<SessionId>,
    connecting: Vec<u32>,
    zeros: Zeros,
}

#[derive(Default)]
struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

impl RelayHost for Paper {
    fn now(&self) -> Now {
        Now {
            ms: self.now_ms,
            unix_ms: self.now_ms,
        }
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
        self.slow.contains(&session)
    }

    fn tell(&mut self, to: SessionId, parcel: Parcel) -> bool {
        self.told.push((to, parcel));
        self.outboxes.contains_key(&to)
    }

    fn pause(&mut self, session: SessionId, paused: bool) {
        self.paused.push((session, paused));
    }

    fn authenticated(&mut self, session: SessionId) {
        self.authenticated.push(session);
    }

    fn dismiss(&mut self, session: SessionId, why: Farewell) {
        self.dismissed.push((session, why));
    }

    fn connect(&mut self, key: u32, _address: SocketAddr) {
        self.connecting.push(key);
    }
}

/// A front with two trunks up, to shards 0 and 1.
struct Bench {
    front: EdgeFront,
    paper: Paper,
    figures: Arc<EdgeFigures>,
}

const TRUNKS: [SessionId; 2] = [id(100), id(101)];

const fn id(index: u32) -> SessionId {
    SessionId { index, generation: 1 }
}

impl Bench {
    fn new() -> Bench {
        let here = BackEnd {
            first: 0,
            last: 4095,
            address: ([127, 0, 0, 1], 5298).into(),
        };
        let mut bench = Bench::of(vec![here]);
        bench.front.on_tick(&mut bench.paper);
        assert_eq!(std::mem::take(&mut bench.paper.connecting), [0]);
        bench.raise(0);
        bench.relay(TRUNKS[0], label::WELCOMED, &2u16.to_le_bytes());
        bench.front.on_tick(&mut bench.paper);
        assert_eq!(std::mem::take(&mut bench.paper.connecting), [1]);
        bench.raise(1);
        for trunk in TRUNKS {
            bench.said(trunk);
        }
        bench
    }

    /// A front without trunks.
    fn of(back_ends: Vec<BackEnd>) -> Bench {
        let names = back_ends.iter().map(|back_end| back_end.address.to_string());
        let figures = Arc::new(EdgeFigures::of(names));
        let config = Arc::new(EdgeConfig {
            node: "fe1".to_owned(),
            urls: vec!["icpp://one:5299".to_owned()],
            weight: 100,
            back_ends,
            trunk_cipher: None,
            key: ClusterKey([1; 32]),
            listeners: vec![EdgeListener {
                cipher: None,
                private: true,
            }],
            homes: vec![Home {
                first: 4000,
                last: 4095,
                node: "fe2".to_owned(),
                urls: Vec::new(),
            }],
            load: LoadPolicy::DEFAULT,
            drain_ms: 10_000,
            shards: 1,
            figures: figures.clone(),
        });
        Bench {
            front: EdgeFront::new(config),
            paper: Paper::default(),
            figures,
        }
    }

    fn raise(&mut self, shard: u32) {
        self.raise_as(shard, TRUNKS[shard as usize]);
    }

    fn raise_as(&mut self, key: u32, session: SessionId) {
        let (mut outbox, mut actions) = (Vec::new(), Vec::new());
        let mut cx = Context {
            now: self.paper.now(),
            random: &mut Zeros,
            outbox: &mut outbox,
            actions: &mut actions,
        };
        assert!(self.front.connected(key, session, &mut cx).is_some());
        self.paper.outboxes.insert(session, Vec::new());
        self.relay(session, label::UP, &[]);
    }

    fn relay(&mut self, from: SessionId, label: u16, bytes: &[u8]) {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        self.front.on_relay(from, Parcel { label, bytes }, &mut self.paper);
    }

    /// A client whose account has this slot; gives what it was told.
    fn arrive(&mut self, client: SessionId, slot: u16, hops: u8, came_from: &str) -> Vec<Parcel> {
        self.paper.outboxes.insert(client, Vec::new());
        let mut bytes = slot.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[hops, 0]);
        bytes.extend_from_slice(&(came_from.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&4u16.to_le_bytes());
        bytes.extend_from_slice(came_from.as_bytes());
        bytes.extend_from_slice(b"open");
        bytes.extend_from_slice(&frame(Verb::Hello, 0, 0, b"hello"));
        self.relay(client, label::ARRIVED, &bytes);
        self.told(client)
    }

    fn told(&mut self, whom: SessionId) -> Vec<Parcel> {
        let told = std::mem::take(&mut self.paper.told).into_iter();
        told.filter(|(to, _)| *to == whom).map(|(_, parcel)| parcel).collect()
    }

    fn said(&mut self, to: SessionId) -> Vec<Said> {
        let bytes = self.paper.outboxes.get_mut(&to).map(std::mem::take).unwrap_or_default();
        frames(&bytes)
    }

    /// The nodes that there are: fe2 serves.
    fn hear_of_fe2(&mut self) {
        let mut body = Vec::new();
        for (node, urls, state) in [("fe1", "icpp://one:5299", 0), ("fe2", "icpp://two:5299 ws://two/", 0)] {
            let node = Node {
                node,
                urls,
                sessions: 0,
                cpu_permille: 0,
                weight: 100,
                outbox_bytes: 0,
                state,
            };
            node.write(&mut body);
        }
        self.relay(TRUNKS[0], label::NODES, &body);
    }
}

fn frames(mut bytes: &[u8]) -> Vec<Said> {
    let mut frames = Vec::new();
    while let Ok(Scan::Frame(frame)) = scan(bytes, u32::MAX) {
        let Header { verb, slot, ack, .. } = frame.header;
        frames.push((Verb::from_number(verb).unwrap(), slot, ack, frame.body.to_vec()));
        bytes = &bytes[frame.len()..];
    }
    assert!(bytes.is_empty(), "whole frames");
    frames
}

fn frame(verb: Verb, slot: u16, ack: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let flags = match verb {
        Verb::Authed => Flags::RESP,
        _ => Flags::NONE,
    };
    let header = Header {
        ack,
        flags,
        ..push(verb, slot)
    };
    write_frame(&mut out, header, |out| out.extend_from_slice(body));
    out
}

fn admitted(slot: u16) -> Vec<Parcel> {
    vec![Parcel {
        label: label::ADMITTED,
        bytes: bytes::Bytes::copy_from_slice(&slot.to_le_bytes()),
    }]
}

fn dismissed() -> Vec<Parcel> {
    vec![Parcel::bare(label::DISMISSED)]
}

#[test]
fn a_client_is_passed_on_to_the_shard_where_its_account_lives() {
    let mut bench = Bench::new();
    let client = id(1);
    assert_eq!(bench.arrive(client, 2049, 0, ""), admitted(1));
    assert_eq!(
        bench.said(TRUNKS[1]),
        [
            (Verb::Open, 1, 0, b"open".to_vec()),
            (Verb::Hello, 1, 0, b"hello".to_vec())
        ]
    );
    bench.relay(client, label::SAID, &frame(Verb::Send, 1, 3, b"text"));
    assert_eq!(bench.said(TRUNKS[1]), [(Verb::Send, 1, 3, b"text".to_vec())]);
    let back = [
        frame(Verb::Authed, 1, 4, b""),
        frame(Verb::Deliver, 1, 5, b"hi"),
        frame(Verb::Deliver, 2, 0, b""),
    ];
    bench.relay(TRUNKS[1], label::HEARD, &back.concat());
    assert_eq!(
        bench.said(client),
        [(Verb::Authed, 0, 4, vec![]), (Verb::Deliver, 0, 5, b"hi".to_vec())]
    );
    assert_eq!(bench.paper.authenticated, [client]);
    assert!(bench.said(TRUNKS[0]).is_empty());
}

/// Found by fuzzing: a client was told OPEN and TOPOLOGY.
#[test]
fn what_the_ends_of_a_trunk_have_for_each_other_is_not_passed_on() {
    let mut bench = Bench::new();
    bench.arrive(id(1), 0, 0, "");
    let words = [Verb::Open, Verb::Topology, Verb::Hold].map(|verb| frame(verb, 1, 9, b""));
    bench.relay(TRUNKS[0], label::HEARD, &words.concat());
    assert!(bench.said(id(1)).is_empty());
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Redirect, 1, 9, b"there"));
    assert_eq!(bench.said(id(1)), [(Verb::Redirect, 0, 9, b"there".to_vec())]);
}

#[test]
fn a_slot_is_used_again_when_both_ends_are_done_with_it() {
    let mut bench = Bench::new();
    bench.arrive(id(1), 0, 0, "");
    bench.said(TRUNKS[0]);
    bench.relay(id(1), label::LEFT, &[]);
    assert_eq!(bench.said(TRUNKS[0]), [(Verb::Close, 1, 0, vec![])]);
    assert_eq!(bench.arrive(id(2), 0, 0, ""), admitted(2), "CLOSE has not come yet");
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Deliver, 1, 0, b"late"));
    assert!(bench.said(id(1)).is_empty());
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Close, 1, 0, b""));
    assert_eq!(bench.arrive(id(3), 0, 0, ""), admitted(1));
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Close, 1, 0, b""));
    assert_eq!(bench.told(id(3)), dismissed(), "the back-end has ended it");
    assert_eq!(bench.arrive(id(4), 0, 0, ""), admitted(1));
    assert_eq!(bench.figures.sessions.load(Relaxed), 2);
}

#[test]
fn when_a_trunk_is_gone_its_clients_try_again_and_the_others_stay() {
    let mut bench = Bench::new();
    bench.arrive(id(1), 0, 0, "");
    bench.arrive(id(2), 4091, 0, "");
    let online = [frame(Verb::Authed, 1, 0, b""), frame(Verb::Accepted, 1, 9, b"")].concat();
    bench.relay(TRUNKS[0], label::HEARD, &online);
    assert_eq!(bench.told(id(1)), [Parcel::bare(label::ONLINE)]);
    bench.said(id(1));
    bench.relay(TRUNKS[0], label::DOWN, &[]);
    assert_eq!(bench.told(id(1)), dismissed());
    let said = bench.said(id(1));
    let [(Verb::Bye, 0, 9, body)] = &said[..] else {
        panic!("{said:?}: BYE, and not behind what was acknowledged")
    };
    let refusal = Refusal::read(body).unwrap();
    assert_eq!((refusal.known(), refusal.temporary), (Some(Code::BackEndLost), true));
    assert!(refusal.retry_after_ms >= 500);
    assert!(bench.said(id(2)).is_empty());
    assert_eq!(bench.arrive(id(3), 0, 0, ""), dismissed(), "nor is anybody else served");
    bench.front.on_tick(&mut bench.paper);
    assert_eq!(bench.paper.connecting, [0], "it is made anew");
    bench.front.connect_failed(0, &mut bench.paper);
    bench.paper.connecting.clear();
    bench.raise_again();
    assert_eq!(bench.arrive(id(4), 0, 0, ""), admitted(1));
}

impl Bench {
    fn raise_again(&mut self) {
        self.paper.now_ms += super::RETRY_MS_MAX;
        self.front.on_tick(&mut self.paper);
        assert_eq!(std::mem::take(&mut self.paper.connecting), [0]);
        self.raise(0);
        self.said(TRUNKS[0]);
    }
}

#[test]
fn who_writes_faster_than_the_other_end_reads_is_paused_and_nobody_else() {
    let mut bench = Bench::new();
    bench.arrive(id(1), 0, 0, "");
    bench.arrive(id(2), 0, 0, "");
    bench.said(TRUNKS[0]);
    bench.paper.slow.push(TRUNKS[0]);
    for _ in 0..2 {
        bench.relay(id(1), label::SAID, &frame(Verb::Send, 1, 0, b""));
    }
    assert_eq!(bench.paper.paused, [(id(1), true)], "for the trunk");
    bench.relay(
        TRUNKS[0],
        label::HEARD,
        &[frame(Verb::Hold, 1, 0, &[1]), frame(Verb::Hold, 2, 0, &[1])].concat(),
    );
    bench.paper.slow.clear();
    bench.relay(TRUNKS[0], label::ROOM, &[]);
    assert_eq!(
        bench.paper.paused,
        [(id(1), true), (id(2), true)],
        "the back-end still holds both"
    );
    bench.relay(
        TRUNKS[0],
        label::HEARD,
        &[frame(Verb::Hold, 1, 0, &[0]), frame(Verb::Hold, 2, 0, &[0])].concat(),
    );
    assert_eq!(bench.paper.paused[2..], [(id(1), false), (id(2), false)]);
    bench.said(TRUNKS[0]);
    bench.paper.slow.push(id(2));
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Deliver, 2, 0, b"").repeat(2));
    assert_eq!(
        bench.said(TRUNKS[0]),
        [(Verb::Hold, 2, 0, vec![1])],
        "told once that it does not read"
    );
    bench.relay(id(2), label::READS, &[]);
    assert_eq!(bench.said(TRUNKS[0]), [(Verb::Hold, 2, 0, vec![0])]);
}

#[test]
fn clients_are_sent_home_and_not_in_circles() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.arrive(id(1), 4000, 0, ""),
        admitted(1),
        "nobody knows where fe2 is"
    );
    bench.hear_of_fe2();
    assert_eq!(bench.arrive(id(2), 4000, 0, ""), dismissed());
    let said = bench.said(id(2));
    let redirect = Redirect::read(&said[0].3).unwrap();
    assert_eq!(
        (redirect.node, redirect.reason, redirect.ticket),
        ("fe2", Reason::Home, None)
    );
    assert!(redirect.urls().eq(["icpp://two:5299", "ws://two/"]));
    assert_eq!(bench.arrive(id(3), 4000, 1, "fe2"), admitted(2), "fe2 has sent it here");
    assert_eq!(bench.arrive(id(4), 4000, 4, "fe3"), dismissed());
    let said = bench.said(id(4));
    assert_eq!(Refusal::read(&said[0].3).unwrap().known(), Some(Code::RedirectLoop));
    assert_eq!(
        (
            bench.figures.redirects.of(Reason::Home),
            bench.figures.loops.load(Relaxed)
        ),
        (1, 1)
    );
}

#[test]
fn in_a_drain_clients_are_told_sent_elsewhere_and_seen_off() {
    let mut bench = Bench::new();
    bench.hear_of_fe2();
    for client in 1..=4 {
        bench.arrive(id(client), 0, 0, "");
    }
    let authed: Vec<u8> = (1..=3).flat_map(|slot| frame(Verb::Authed, slot, 2, b"")).collect();
    bench.relay(TRUNKS[0], label::HEARD, &authed);
    bench.said(id(1));
    bench.said(TRUNKS[0]);
    assert_eq!(bench.front.on_drain(&mut bench.paper), Some(10_000));
    let said = bench.said(id(1));
    assert_eq!(said, [(Verb::Drain, 0, 2, vec![1, 0, 0, 0, 0x10, 0x27, 0, 0])]);
    let redirects = |bench: &mut Bench, now_ms| {
        bench.paper.now_ms = now_ms;
        bench.front.on_tick(&mut bench.paper);
        let said = bench.said(TRUNKS[0]);
        let slots: Vec<u16> = said
            .iter()
            .filter(|said| said.0 == Verb::Redirect)
            .map(|said| said.1)
            .collect();
        slots
    };
    assert_eq!(redirects(&mut bench, 10), [1]);
    assert_eq!(redirects(&mut bench, 2_600), [2, 3]);
    assert_eq!(redirects(&mut bench, 6_000), [0u16; 0], "the fourth is not logged in");
    assert_eq!(bench.figures.redirects.of(Reason::Drain), 3);
    bench.relay(TRUNKS[0], label::HEARD, &frame(Verb::Authed, 4, 2, b""));
    bench.said(id(4));
    assert_eq!(redirects(&mut bench, 6_100), [4], "it is now");
    assert_eq!(redirects(&mut bench, 6_200), [0u16; 0], "once");
    bench.relay(id(4), label::LEFT, &(Code::Shutdown as u16).to_le_bytes());
    let verbs: Vec<Verb> = bench.said(id(4)).iter().map(|said| said.0).collect();
    assert_eq!(verbs, [Verb::Drain, Verb::Bye]);
    assert!(bench.paper.dismissed.is_empty());
    bench.relay(id(3), label::LEFT, &(Code::Shutdown as u16).to_le_bytes());
    let verbs: Vec<Verb> = bench.said(id(3)).iter().map(|said| said.0).collect();
    assert_eq!(verbs[2..], [Verb::Drain, Verb::Bye]);
    for client in 1..=2 {
        bench.relay(id(client), label::LEFT, &[]);
    }
    bench.front.on_tick(&mut bench.paper);
    assert_eq!(bench.paper.dismissed.len(), 2, "the trunks go last");
}

/// A client's session by itself.
fn client() -> (Box<dyn Session>, Vec<u8>, Vec<Action>) {
    let mut bench = Bench::new();
    let (mut outbox, mut actions) = (Vec::new(), Vec::new());
    let peer = Peer {
        address: [192, 0, 2, 7].into(),
        tls: None,
        listener: 0,
    };
    let mut cx = Context {
        now: Now { ms: 0, unix_ms: 0 },
        random: &mut Zeros,
        outbox: &mut outbox,
        actions: &mut actions,
    };
    let session = bench.front.open(&peer, &mut cx);
    actions.clear();
    (session, outbox, actions)
}

fn call<R>(outbox: &mut Vec<u8>, actions: &mut Vec<Action>, call: impl FnOnce(&mut Context<'_>) -> R) -> R {
    let mut cx = Context {
        now: Now { ms: 0, unix_ms: 0 },
        random: &mut Zeros,
        outbox,
        actions,
    };
    call(&mut cx)
}

fn hello_of(account: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let hello = Hello {
        account,
        hops: 2,
        came_from: Some("fe9"),
        ..Hello::default()
    };
    hello.write(&mut body);
    frame(Verb::Hello, 0, 0, &body)
}

#[test]
fn a_client_waits_for_its_slot_and_then_writes_under_it() {
    let (mut session, mut outbox, mut actions) = client();
    let hello = hello_of("juliet@example.com");
    let early = frame(Verb::Auth, 0, 0, b"ticket");
    let input = [&PREFACE[..], &hello, &early].concat();
    let consumed = call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
    assert_eq!(consumed, input.len() - early.len(), "what follows waits");
    let [Action::Pause, Action::Relay(parcel)] = &actions[..] else {
        panic!("it waits for its slot")
    };
    let arrival = super::client::Arrival::read(&parcel.bytes).unwrap();
    assert_eq!(
        (arrival.judged.slot, arrival.judged.hops, arrival.judged.came_from),
        (124, 2, Some("fe9"))
    );
    assert_eq!(arrival.hello, hello);
    actions.clear();
    let slot = admitted(0x0102).remove(0);
    call(&mut outbox, &mut actions, |cx| {
        session.on_event(Event::Relayed(slot), cx)
    });
    assert!(matches!(actions[..], [Action::Continue]));
    actions.clear();
    let half = &frame(Verb::Send, 0, 0, b"whole")[..10];
    let input = [&early[..], &early, half].concat();
    let consumed = call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
    assert_eq!(consumed, 2 * early.len());
    let [Action::Relay(parcel)] = &actions[..] else {
        panic!("one parcel")
    };
    let theirs: Vec<u16> = frames(&parcel.bytes).iter().map(|said| said.1).collect();
    assert_eq!((parcel.label, theirs), (label::SAID, vec![0x0102, 0x0102]));
}

/// A front-end kept 64 KiB of a frame for each client that had said HELLO and nothing else.
#[test]
fn frames_are_short_until_the_login_is_over() {
    let long = (codec::FRAME_BYTES_BEFORE_LOGIN + 1).to_le_bytes();
    for online in [false, true] {
        let (mut session, mut outbox, mut actions) = client();
        let input = [&PREFACE[..], &hello_of("juliet@example.com")].concat();
        call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
        let mut told = admitted(3);
        told.extend(online.then(|| Parcel::bare(label::ONLINE)));
        for parcel in told {
            call(&mut outbox, &mut actions, |cx| {
                session.on_event(Event::Relayed(parcel), cx)
            });
        }
        actions.clear();
        let consumed = call(&mut outbox, &mut actions, |cx| session.on_input(&long, cx));
        let ended = actions.iter().any(|action| matches!(action, Action::Close));
        assert_eq!((ended, consumed), (!online, if online { 0 } else { 4 }));
    }
}

#[test]
fn a_client_can_name_no_other_slot_and_say_nothing_that_is_for_trunks() {
    let forbidden = [Verb::Open, Verb::Close, Verb::Hold, Verb::Topology, Verb::Redirect];
    let mut faults: Vec<(Vec<u8>, Code)> = forbidden
        .into_iter()
        .map(|verb| (frame(verb, 0, 0, b""), Code::UnexpectedVerb))
        .collect();
    faults.push((frame(Verb::Send, 9, 0, b""), Code::Reserved));
    faults.push((vec![0; 16], Code::Malformed));
    for (bytes, code) in faults {
        let (mut session, mut outbox, mut actions) = client();
        let input = [&PREFACE[..], &hello_of("juliet@example.com")].concat();
        call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
        let slot = admitted(3).remove(0);
        call(&mut outbox, &mut actions, |cx| {
            session.on_event(Event::Relayed(slot), cx)
        });
        actions.clear();
        call(&mut outbox, &mut actions, |cx| session.on_input(&bytes, cx));
        let [Action::Relay(parcel), Action::Close] = &actions[..] else {
            panic!("{bytes:?} passed")
        };
        assert_eq!(
            (parcel.label, &parcel.bytes[..]),
            (label::LEFT, &(code as u16).to_le_bytes()[..])
        );
    }
}

#[test]
fn who_says_no_hello_is_told_what_is_wrong() {
    let trunk = {
        let mut body = Vec::new();
        let hello = Hello {
            trunk: Some("fe1"),
            ..Hello::default()
        };
        hello.write(&mut body);
        frame(Verb::Hello, 0, 0, &body)
    };
    for (bytes, code) in [
        (frame(Verb::Send, 0, 0, b""), Code::UnexpectedVerb),
        (trunk, Code::UnexpectedVerb),
        (hello_of("@@"), Code::Malformed),
    ] {
        let (mut session, mut outbox, mut actions) = client();
        let input = [&PREFACE[..], &bytes].concat();
        call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
        assert_eq!(Refusal::read(&frames(&outbox)[0].3).unwrap().known(), Some(code));
        assert!(matches!(actions[..], [Action::Close]));
    }
}

#[test]
fn a_trunk_proves_that_it_has_the_key() {
    let mut bench = Bench::new();
    bench.relay(TRUNKS[1], label::DOWN, &[]);
    bench.paper.now_ms += super::RETRY_MS_MAX;
    bench.front.on_tick(&mut bench.paper);
    let (mut outbox, mut actions) = (Vec::new(), Vec::new());
    let mut session = call(&mut outbox, &mut actions, |cx| bench.front.connected(1, id(7), cx)).unwrap();
    assert_eq!(outbox.split_off(8), {
        let mut body = Vec::new();
        let hello = Hello {
            trunk: Some("fe1"),
            shard: Some(1),
            ..Hello::default()
        };
        hello.write(&mut body);
        frame(Verb::Hello, 0, 0, &body)
    });
    outbox.clear();
    actions.clear();
    let welcome = Welcome {
        nonce: Some([5; 32]),
        shards: Some(2),
        ..Welcome::default()
    };
    let mut body = Vec::new();
    welcome.write(&mut body);
    let input = frame(Verb::Welcome, 0, 0, &body);
    call(&mut outbox, &mut actions, |cx| session.on_input(&input, cx));
    let said = frames(&outbox);
    let auth = crate::codec::hello::Auth::read(&said[0].3).unwrap();
    assert!(ClusterKey([1; 32]).is_proved(&[5; 32], "fe1", auth.data.unwrap()));
    assert!(!ClusterKey([1; 32]).is_proved(&[5; 32], "fe2", auth.data.unwrap()));
}
