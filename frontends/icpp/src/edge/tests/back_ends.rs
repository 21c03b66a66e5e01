//! Several back-ends: who lives where, and what one of them is to the others' clients.

use super::*;

const FIRST: SessionId = id(200);
const SECOND: SessionId = id(201);

/// The first has the lower half of the accounts, and the second the rest; each has a shard.
fn bench() -> Bench {
    let half = |first: u16, port: u16| BackEnd {
        first,
        last: first + 2047,
        address: ([127, 0, 0, 1], port).into(),
    };
    let mut bench = Bench::of(vec![half(0, 1), half(2048, 2)]);
    assert!(!bench.figures.is_ready());
    bench.front.on_tick(&mut bench.paper);
    assert_eq!(std::mem::take(&mut bench.paper.connecting), [0, 1 << 16]);
    bench.raise_as(0, FIRST);
    assert!(bench.figures.is_ready(), "somebody can be served");
    bench.raise_as(1 << 16, SECOND);
    bench.said(FIRST);
    bench.said(SECOND);
    bench
}

fn verbs(said: &[Said]) -> Vec<Verb> {
    said.iter().map(|said| said.0).collect()
}

#[test]
fn an_account_is_reached_at_its_back_end() {
    let mut bench = bench();
    assert_eq!(bench.arrive(id(1), 2047, 0, ""), admitted(1));
    assert_eq!(bench.arrive(id(2), 2048, 0, ""), admitted(1));
    for (trunk, client) in [(FIRST, id(1)), (SECOND, id(2))] {
        assert_eq!(verbs(&bench.said(trunk)), [Verb::Open, Verb::Hello]);
        bench.relay(client, label::SAID, &frame(Verb::Send, 1, 0, b"text"));
        assert_eq!(verbs(&bench.said(trunk)), [Verb::Send]);
        bench.relay(trunk, label::HEARD, &frame(Verb::Deliver, 1, 0, b"back"));
        assert_eq!(verbs(&bench.said(client)), [Verb::Deliver]);
    }
}

#[test]
fn a_back_end_that_is_lost_takes_its_own_clients_along_and_nobody_elses() {
    let mut bench = bench();
    bench.arrive(id(1), 0, 0, "");
    bench.arrive(id(2), 4000, 0, "");
    bench.told(id(1));
    bench.relay(SECOND, label::DOWN, &[]);
    assert_eq!(bench.told(id(2)), dismissed());
    assert_eq!(
        bench.arrive(id(3), 4000, 0, ""),
        dismissed(),
        "its accounts are not reached"
    );
    assert_eq!(bench.arrive(id(4), 7, 0, ""), admitted(2), "the others' are");
    assert!(bench.figures.is_ready());
    let mut text = String::new();
    bench.figures.render(&mut text);
    for line in [
        "crosspoint_icpp_trunks{back_end=\"127.0.0.1:1\"} 1",
        "crosspoint_icpp_trunks{back_end=\"127.0.0.1:2\"} 0",
        "crosspoint_icpp_trunks_wanted{back_end=\"127.0.0.1:2\"} 1",
        "crosspoint_icpp_back_end_lost_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    bench.relay(FIRST, label::DOWN, &[]);
    assert!(!bench.figures.is_ready());
}

#[test]
fn clients_are_sent_to_those_that_their_own_back_end_tells_of() {
    let mut bench = bench();
    // The second back-end has not heard of fe2, which has the last slots.
    let node = Node {
        node: "fe2",
        urls: "icpp://two:5299",
        sessions: 0,
        cpu_permille: 0,
        weight: 100,
        outbox_bytes: 0,
        state: 0,
    };
    let mut body = Vec::new();
    node.write(&mut body);
    bench.relay(FIRST, label::NODES, &body);
    assert_eq!(
        bench.arrive(id(1), 4000, 0, ""),
        admitted(1),
        "from there no trunk leads to its back-end"
    );
    bench.relay(SECOND, label::NODES, &body);
    assert_eq!(bench.arrive(id(2), 4000, 0, ""), dismissed());
    assert_eq!(verbs(&bench.said(id(2))), [Verb::Redirect]);
    // In a drain, too: the second forgets it again.
    bench.arrive(id(3), 5, 0, "");
    for trunk in [FIRST, SECOND] {
        bench.relay(trunk, label::HEARD, &frame(Verb::Authed, 1, 0, b""));
        bench.said(trunk);
    }
    bench.relay(SECOND, label::NODES, &[]);
    bench.front.on_drain(&mut bench.paper);
    bench.paper.now_ms = 9_000;
    bench.front.on_tick(&mut bench.paper);
    let redirects = |said: Vec<Said>| said.iter().filter(|said| said.0 == Verb::Redirect).count();
    assert_eq!((redirects(bench.said(FIRST)), redirects(bench.said(SECOND))), (1, 0));
    bench.relay(SECOND, label::NODES, &body);
    bench.paper.now_ms = 9_100;
    bench.front.on_tick(&mut bench.paper);
    assert_eq!(redirects(bench.said(SECOND)), 1, "as soon as there is somewhere to go");
}
