//! The examples of SPEC.md are what they say they are.

use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::message::{kind, receipt, tag};
use crosspoint_icpp::codec::rooms::{self, Body};
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
        Hello, Welcome, Auth, Authed, Sync, Synced, Presence, Send, Accepted, Deliver, Receipt, Ping, Pong, Bye, Join,
        Occupant, Send, Deliver, Change, Change, Leave,
    ];
    assert_eq!(verbs, expected);
}

fn room(verb: Verb, body: &[u8]) -> Body<'_> {
    let read = Body::read(verb, body).unwrap();
    assert_eq!(read.text(rooms::tag::ROOM), Some("garden@rooms.lit"));
    read
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
            assert_eq!(message.payload, b"But, soft!");
            if message.kind == kind::GROUPCHAT {
                let room = if verb == Verb::Send { message.to } else { message.from };
                assert!(room.starts_with("garden@rooms.lit"));
                assert_eq!(message.text_extension(tag::RECORD).is_some(), verb == Verb::Deliver);
            } else {
                assert_eq!(message.to, "juliet@c.lit");
                assert!(message.extension(tag::RECEIPT_WANTED).is_some());
            }
        }
        Verb::Receipt => {
            let message = Message::read(body).unwrap();
            assert_eq!(
                (message.kind, message.reference().is_some()),
                (receipt::DELIVERED, true)
            );
        }
        Verb::Join => assert_eq!(room(verb, body).u32(rooms::tag::HISTORY_MESSAGES), Some(0)),
        Verb::Occupant => assert_eq!(room(verb, body).codes().collect::<Vec<_>>(), [110]),
        Verb::Change if !body.is_empty() => {
            let kicked = room(verb, body).members().next().unwrap();
            assert_eq!((kicked.role, kicked.nick, kicked.reason), (0, "tybalt", "enough"));
        }
        Verb::Leave => drop(room(verb, body)),
        Verb::Bye => assert_eq!(Refusal::read(body).unwrap().retry_after_ms, 1000),
        _ => {}
    }
}
