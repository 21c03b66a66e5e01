//! A trunk's session, without an engine.

use std::sync::Arc;

use crosspoint_engine::session::{Action, Context, Event, Now, Peer, Random, Session};
use proptest::prelude::*;

use super::{ClusterKey, Nodes, SILENCE_MS, TICK_MS, TrunkConfig, TrunkSession, push};
use crate::codec::elsewhere::{Node, Open};
use crate::codec::hello::{Auth, Hello, Welcome};
use crate::codec::{Code, Flags, Header, PREFACE, Refusal, Scan, Verb, scan, write_frame};

struct Sevens;

impl Random for Sevens {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// A session, and what it has done.
struct Bench {
    session: TrunkSession,
    nodes: Nodes,
    outbox: Vec<u8>,
    actions: Vec<Action>,
    now_ms: u64,
}

impl Bench {
    fn new() -> Bench {
        let nodes = Nodes::default();
        let config = Arc::new(TrunkConfig {
            node: "be".to_owned(),
            key: ClusterKey([1; 32]),
            shards: 2,
            nodes: nodes.clone(),
            figures: Arc::default(),
        });
        let peer = Peer {
            address: [127, 0, 0, 1].into(),
            tls: None,
            listener: 3,
        };
        let (mut outbox, mut actions) = (Vec::new(), Vec::new());
        let mut cx = Context {
            now: Now { ms: 0, unix_ms: 0 },
            random: &mut Sevens,
            outbox: &mut outbox,
            actions: &mut actions,
        };
        let session = TrunkSession::open(config, &peer, &mut cx);
        Bench {
            session,
            nodes,
            outbox,
            actions,
            now_ms: 0,
        }
    }

    fn with<R>(&mut self, call: impl FnOnce(&mut TrunkSession, &mut Context<'_>) -> R) -> R {
        let mut cx = Context {
            now: Now {
                ms: self.now_ms,
                unix_ms: 0,
            },
            random: &mut Sevens,
            outbox: &mut self.outbox,
            actions: &mut self.actions,
        };
        call(&mut self.session, &mut cx)
    }

    fn input(&mut self, bytes: &[u8]) -> usize {
        self.with(|session, cx| session.on_input(bytes, cx))
    }

    fn event(&mut self, event: Event) {
        self.with(|session, cx| session.on_event(event, cx));
    }

    /// Verb, slot and body of all frames that were written.
    fn said(&mut self) -> Vec<(u8, u16, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.outbox);
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while let Ok(Scan::Frame(frame)) = scan(rest, u32::MAX) {
            frames.push((frame.header.verb, frame.header.slot, frame.body.to_vec()));
            rest = &rest[frame.len()..];
        }
        assert!(rest.is_empty(), "whole frames");
        frames
    }

    /// What it asks of the shard, in words.
    fn asked(&mut self) -> Vec<String> {
        let word = |action: Action| match action {
            Action::Place { shard } => format!("place {shard}"),
            Action::Embark { key, peer, note } => format!(
                "embark {key} {} {} {}",
                peer.address,
                peer.tls.is_some(),
                String::from_utf8_lossy(&note)
            ),
            Action::Feed { key, bytes } => format!("feed {key} {}", bytes.len()),
            Action::Disembark { key } => format!("disembark {key}"),
            Action::HoldPassenger { key, held } => format!("hold {key} {held}"),
            Action::Tell { key, parcel } => format!("tell {key} {}", parcel.bytes.len()),
            Action::AuthFailed { .. } => "failed".to_owned(),
            Action::WakeAt(at) => format!("wake {at}"),
            Action::Close => "close".to_owned(),
            _ => "something else".to_owned(),
        };
        std::mem::take(&mut self.actions).into_iter().map(word).collect()
    }

    /// As far as AUTHED.
    fn serving() -> Bench {
        let mut bench = Bench::new();
        bench.input(&[&PREFACE[..], &hello(1)].concat());
        bench.input(&proof(&ClusterKey([1; 32])));
        bench.event(Event::Placed);
        bench.said();
        bench.asked();
        bench
    }
}

fn frame(verb: Verb, slot: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, push(verb, slot), |out| out.extend_from_slice(body));
    out
}

fn hello(shard: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let hello = Hello {
        trunk: Some("fe1"),
        shard: Some(shard),
        ..Hello::default()
    };
    hello.write(&mut body);
    frame(Verb::Hello, 0, &body)
}

fn proof(key: &ClusterKey) -> Vec<u8> {
    let proof = key.prove(&[7; 32], "fe1");
    let auth = Auth {
        mechanism: Some("TRUNK"),
        data: Some(&proof),
    };
    let mut out = Vec::new();
    let header = Header {
        flags: Flags::REQ,
        id: 9,
        ..push(Verb::Auth, 0)
    };
    write_frame(&mut out, header, |out| auth.write(out));
    out
}

fn open(slot: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let open = Open {
        peer: "192.0.2.1",
        secure: true,
    };
    open.write(&mut body);
    frame(Verb::Open, slot, &body)
}

/// The code of an ERROR that was the only frame.
fn refused(bench: &mut Bench) -> Option<Code> {
    let said = bench.said();
    let [(verb, 0, body)] = &said[..] else { return None };
    (*verb == Verb::Error as u8).then(|| Refusal::read(body).unwrap().known().unwrap())
}

#[test]
fn a_node_that_has_the_key_is_placed_and_let_in() {
    let mut bench = Bench::new();
    bench.input(&[&PREFACE[..], &hello(1)].concat());
    let said = bench.said();
    let welcome = Welcome::read(&said[0].2).unwrap();
    assert_eq!(
        (welcome.nonce, welcome.shards, welcome.node),
        (Some([7; 32]), Some(2), "be")
    );
    bench.asked();
    bench.input(&proof(&ClusterKey([1; 32])));
    assert_eq!(bench.asked(), ["place 1"]);
    assert!(bench.said().is_empty(), "it is on its shard when it says so");
    bench.event(Event::Placed);
    assert_eq!(bench.said(), [(Verb::Authed as u8, 0, vec![])]);
}

#[test]
fn whoever_has_not_the_key_is_told_so_and_nothing_else() {
    let mut bench = Bench::new();
    bench.input(&[&PREFACE[..], &hello(1)].concat());
    bench.said();
    bench.asked();
    bench.input(&proof(&ClusterKey([2; 32])));
    assert_eq!(refused(&mut bench), Some(Code::NotAuthorized));
    assert_eq!(bench.asked(), ["failed", "close"]);
    let mut hasty = Bench::new();
    hasty.input(&[&PREFACE[..], &hello(1), &open(7)].concat());
    assert!(!hasty.asked().iter().any(|asked| asked.starts_with("embark")));
    let mut lost = Bench::new();
    lost.input(&[&PREFACE[..], &hello(2)].concat());
    assert_eq!(refused(&mut lost), Some(Code::Malformed), "there is no such shard");
}

#[test]
fn sessions_are_opened_fed_and_closed_in_order() {
    let mut bench = Bench::serving();
    let one = frame(Verb::Hello, 7, b"hello");
    let bytes = [
        open(7),
        one.clone(),
        one.clone(),
        open(8),
        frame(Verb::Send, 8, b"psst"),
        one.clone(),
        frame(Verb::Hold, 7, &[1]),
        frame(Verb::Redirect, 7, b"there"),
        frame(Verb::Close, 7, b""),
    ]
    .concat();
    assert_eq!(bench.input(&bytes), bytes.len());
    let (both, single, psst) = (2 * one.len(), one.len(), 20);
    assert_eq!(
        bench.asked(),
        [
            "embark 7 192.0.2.1 true fe1".to_owned(),
            format!("feed 7 {both}"),
            "embark 8 192.0.2.1 true fe1".to_owned(),
            format!("feed 8 {psst}"),
            format!("feed 7 {single}"),
            "hold 7 true".to_owned(),
            "tell 7 5".to_owned(),
            "disembark 7".to_owned(),
        ]
    );
    bench.event(Event::PassengerGone { key: 7, refused: false });
    assert_eq!(bench.said(), [(Verb::Close as u8, 7, vec![])]);
    assert_eq!(
        bench.input(&[one, frame(Verb::Close, 7, b"")].concat()),
        37,
        "late, and dropped"
    );
    assert!(bench.asked().is_empty());
    bench.input(&open(7));
    assert_eq!(bench.asked().len(), 1, "the slot is free again");
}

#[test]
fn a_late_frame_between_two_is_fed_to_nobody() {
    let mut bench = Bench::serving();
    let ping = |slot| frame(Verb::Ping, slot, b"");
    bench.input(&[open(7), ping(7), ping(8), ping(7)].concat());
    assert_eq!(bench.asked()[1..], ["feed 7 16", "feed 7 16"]);
}

#[test]
fn who_is_refused_or_behind_is_told_of() {
    let mut bench = Bench::serving();
    bench.input(&[open(7), open(8)].concat());
    bench.event(Event::PassengerGone { key: 7, refused: true });
    bench.event(Event::PassengerBehind { key: 8, behind: true });
    let said = bench.said();
    let verbs: Vec<(u8, u16)> = said.iter().map(|(verb, slot, _)| (*verb, *slot)).collect();
    assert_eq!(
        verbs,
        [(Verb::Error as u8, 7), (Verb::Close as u8, 7), (Verb::Hold as u8, 8)]
    );
    assert_eq!(Refusal::read(&said[0].2).unwrap().known(), Some(Code::TooMany));
    assert_eq!(said[2].2, [1]);
}

#[test]
fn a_front_end_that_breaks_the_rules_loses_its_trunk() {
    let faults: [(Vec<u8>, Code); 5] = [
        ([open(7), open(7)].concat(), Code::UnexpectedVerb),
        (frame(Verb::Hello, 0, b""), Code::UnexpectedVerb),
        (frame(Verb::Topology, 0, b"x"), Code::Malformed),
        (frame(Verb::Open, 7, b""), Code::Malformed),
        (vec![3, 0, 0, 0], Code::Malformed),
    ];
    for (bytes, code) in faults {
        let mut bench = Bench::serving();
        bench.input(&bytes);
        assert_eq!(refused(&mut bench), Some(code), "{bytes:?}");
        assert_eq!(bench.asked().last().map(String::as_str), Some("close"));
        assert_eq!(bench.input(&open(9)), open(9).len());
        assert!(bench.asked().is_empty() && bench.said().is_empty());
    }
}

#[test]
fn what_nodes_say_of_themselves_is_told_to_all() {
    let mut bench = Bench::serving();
    let node = Node {
        node: "whatever",
        urls: "icpp://one:5299",
        sessions: 3,
        cpu_permille: 4,
        weight: 5,
        outbox_bytes: 6,
        state: Node::DRAINING,
    };
    let mut body = Vec::new();
    node.write(&mut body);
    bench.input(&frame(Verb::Topology, 0, &body));
    bench.now_ms += TICK_MS;
    bench.with(|session, cx| session.on_tick(cx));
    let said = bench.said();
    let mut cursor = crate::codec::cursor::Cursor::new(&said[0].2);
    assert_eq!(
        Node::read(&mut cursor).unwrap(),
        Node { node: "fe1", ..node },
        "its name is that of its proof"
    );
    let mut all = Vec::new();
    drop(bench.session);
    bench.nodes.write(0, &mut all);
    assert_eq!(
        Node::read(&mut crate::codec::cursor::Cursor::new(&all)).unwrap().state,
        Node::GONE
    );
}

#[test]
fn a_silent_trunk_ends() {
    let mut bench = Bench::serving();
    bench.now_ms = SILENCE_MS;
    bench.with(|session, cx| session.on_tick(cx));
    assert_eq!(refused(&mut bench), Some(Code::IdleTimeout));
    assert_eq!(bench.asked(), ["close"]);
    let mut mute = Bench::new();
    mute.with(|session, cx| session.on_tick(cx));
    assert_eq!(refused(&mut mute), Some(Code::IdleTimeout), "not proved in time");
}

/// A frame that a front-end may send, well or ill.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let slots = 0..4u16;
    let open = slots.clone().prop_map(open);
    let verbs = proptest::sample::select(Verb::ALL);
    let other = (verbs, slots, proptest::collection::vec(any::<u8>(), 0..20));
    prop_oneof![open, other.prop_map(|(verb, slot, body)| frame(verb, slot, &body))]
}

proptest! {
    /// However the bytes are cut, the same is asked of the shard, and nothing makes it panic.
    #[test]
    fn what_is_asked_does_not_depend_on_how_bytes_arrive(
        frames in proptest::collection::vec(any_frame(), 0..30),
        cuts in proptest::collection::vec(1..40usize, 1..20),
    ) {
        let bytes = frames.concat();
        let mut whole = Bench::serving();
        whole.input(&bytes);
        let mut pieces = Bench::serving();
        let (mut rest, mut cuts) = (Vec::new(), cuts.into_iter().cycle());
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + cuts.next().unwrap_or(1));
            rest.extend_from_slice(&bytes[at..end]);
            at = end;
            let consumed = pieces.input(&rest);
            rest.drain(..consumed);
        }
        prop_assert_eq!(merged(whole.asked()), merged(pieces.asked()));
        prop_assert_eq!(whole.said(), pieces.said());
    }
}

/// With what was fed to a session in a row counted together.
fn merged(asked: Vec<String>) -> Vec<String> {
    let mut merged: Vec<String> = Vec::new();
    let fed = |text: &str| {
        let (key, bytes) = text.strip_prefix("feed ")?.split_once(' ')?;
        Some((key.to_owned(), bytes.parse::<usize>().ok()?))
    };
    for text in asked {
        match (merged.last().and_then(|last| fed(last)), fed(&text)) {
            (Some((key, before)), Some((same, more))) if key == same => {
                merged.pop();
                merged.push(format!("feed {key} {}", before + more));
            }
            _ => merged.push(text),
        }
    }
    merged
}
