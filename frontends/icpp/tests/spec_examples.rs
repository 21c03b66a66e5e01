//! The examples of SPEC.md are what they say they are.

use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::message::{receipt, tag};
use crosspoint_icpp::codec::sync::Synced;
use crosspoint_icpp::codec::{Message, PREFACE, Refusal, Scan, Verb, scan};

/// The bytes of each block of hex, in order.
fn blocks() -> Vec<Vec<u8>> {
    let text = include_str!("../SPEC.md");
    let blocks = text
        .split("```hex\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let line = |line: &str| {
        let hex = line.get(6..53).unwrap_or(&line[6..]).split_whitespace();
        hex.map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect::<Vec<u8>>()
    };
    blocks.map(|block| block.lines().flat_map(line).collect()).collect()
}

#[test]
fn every_example_is_what_its_title_says() {
    let mut verbs = Vec::new();
    for mut block in blocks() {
        if block.starts_with(b"ICPP") {
            assert_eq!(block[..8], PREFACE);
            block.drain(..8);
        }
        let mut rest = &block[..];
        while !rest.is_empty() {
            let Ok(Scan::Frame(frame)) = scan(rest, 65_536) else {
                panic!("not a frame: {rest:02x?}");
            };
            let verb = frame.verb().unwrap().unwrap();
            is_good(verb, frame.body);
            verbs.push(verb);
            rest = &rest[frame.len()..];
        }
    }
    use Verb::*;
    let expected = [
        Hello, Welcome, Auth, Authed, Sync, Synced, Presence, Send, Accepted, Deliver, Receipt, Ping, Pong, Bye,
    ];
    assert_eq!(verbs, expected);
}

fn is_good(verb: Verb, body: &[u8]) {
    match verb {
        Verb::Hello => assert_eq!(Hello::read(body).unwrap().account, "romeo@m.lit"),
        Verb::Welcome => assert_eq!(Welcome::read(body).unwrap().window, 1024),
        Verb::Auth => assert_eq!(Auth::read(body).unwrap().mechanism, Some("PLAIN")),
        Verb::Authed => assert_eq!(Authed::read(body).unwrap().address, "romeo@m.lit/orchard"),
        Verb::Synced => assert!(!Synced::read(body).unwrap().more),
        Verb::Send | Verb::Deliver => {
            let message = Message::read(body).unwrap();
            assert_eq!((message.to, message.payload), ("juliet@c.lit", &b"But, soft!"[..]));
            assert!(message.extension(tag::RECEIPT_WANTED).is_some());
        }
        Verb::Receipt => {
            let message = Message::read(body).unwrap();
            assert_eq!(
                (message.kind, message.reference().is_some()),
                (receipt::DELIVERED, true)
            );
        }
        Verb::Bye => assert_eq!(Refusal::read(body).unwrap().retry_after_ms, 1000),
        _ => {}
    }
}
