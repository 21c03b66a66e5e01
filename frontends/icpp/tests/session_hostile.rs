//! What peers may not do: each ends in its defined error, with the connection closed and nothing routed.

mod session_support;

use crosspoint_engine::session::{Action, Event};
use crosspoint_icpp::codec::hello::{Auth, Hello};
use crosspoint_icpp::codec::message::{kind, tag};
use crosspoint_icpp::codec::{Code, Flags, Header, Message, PREFACE, Verb, ext, write_frame};
use crosspoint_icpp::limits::Limits;
use proptest::prelude::*;
use session_support::*;

fn frame(header: Header, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, header, |out| out.extend_from_slice(body));
    out
}

fn ends(mut client: Client, bytes: &[u8], code: Code, what: &str) {
    client.send(bytes);
    let told = client.told();
    let last = told.last().unwrap_or_else(|| panic!("{what}: nothing was said"));
    assert!(matches!(last.verb, Verb::Bye | Verb::Error), "{what}: {last:?}");
    assert_eq!((last.code(), client.closed), (code as u16, true), "{what}");
    assert!(client.routed().is_empty(), "{what}: nothing is routed");
}

#[test]
fn frames_that_are_none() {
    let established = || Client::established(Limits::DEFAULT);
    let send = |flags: u8| {
        frame(
            Header {
                flags: Flags(flags),
                ..Header::push(Verb::Send, 0)
            },
            &message(1, "x"),
        )
    };
    let table: [(&str, Vec<u8>, Code); 12] = [
        ("length 0", vec![0; 16], Code::Malformed),
        (
            "length 15",
            [&15u32.to_le_bytes()[..], &[0; 12]].concat(),
            Code::Malformed,
        ),
        (
            "one byte too long",
            (65_537u32).to_le_bytes().to_vec(),
            Code::FrameTooLarge,
        ),
        (
            "as long as can be said",
            u32::MAX.to_le_bytes().to_vec(),
            Code::FrameTooLarge,
        ),
        ("compressed", send(Flags::ZSTD.0), Code::Reserved),
        ("the reserved bit", send(0x80), Code::Reserved),
        (
            "another's slot",
            frame(
                Header {
                    slot: 1,
                    ..Header::push(Verb::Send, 0)
                },
                &message(1, "x"),
            ),
            Code::Reserved,
        ),
        (
            "an unknown verb",
            frame(
                Header {
                    verb: 0x7e,
                    ..Header::push(Verb::Send, 0)
                },
                &[],
            ),
            Code::UnsupportedVerb,
        ),
        (
            "a server's verb",
            frame(Header::push(Verb::Deliver, 0), &message(1, "x")),
            Code::UnexpectedVerb,
        ),
        (
            "a second HELLO",
            frame(Header::push(Verb::Hello, 0), &[]),
            Code::UnexpectedVerb,
        ),
        (
            "a second login",
            frame(request(Verb::Auth, 2), &[]),
            Code::UnexpectedVerb,
        ),
        (
            "an answer",
            frame(
                Header {
                    flags: Flags::RESP,
                    ..Header::push(Verb::Ping, 0)
                },
                &[],
            ),
            Code::UnexpectedVerb,
        ),
    ];
    for (what, bytes, code) in table {
        ends(established(), &bytes, code, what);
    }
}

#[test]
fn bodies_that_lie() {
    let established = || Client::established(Limits::DEFAULT);
    let message = |change: fn(&mut Vec<u8>)| {
        let mut body = message(1, "x");
        change(&mut body);
        frame(Header::push(Verb::Send, 0), &body)
    };
    let with = |verb, kind, extensions: &[(u16, &[u8])], from: &str| {
        let mut bytes = Vec::new();
        extensions
            .iter()
            .for_each(|(tag, value)| ext::write(&mut bytes, *tag, value));
        let mut body = Vec::new();
        Message {
            id: [1; 16],
            stamp: 0,
            kind,
            to: JULIET,
            from,
            extensions: &bytes,
            payload: b"",
        }
        .write(&mut body);
        frame(Header::push(verb, 0), &body)
    };
    let table: [(&str, Vec<u8>, Code); 17] = [
        (
            "a message without room for what is added to it",
            message(|body| body.resize(65_536 - 8_192 - 15, b'x')),
            Code::FrameTooLarge,
        ),
        ("a short head", message(|body| body.truncate(31)), Code::Malformed),
        (
            "an address beyond the frame",
            message(|body| body[24] = 0xff),
            Code::Malformed,
        ),
        (
            "extensions beyond the frame",
            message(|body| body[29] = 0xff),
            Code::Malformed,
        ),
        ("a stamp of its own", message(|body| body[16] = 1), Code::Malformed),
        (
            "an address that is none",
            message(|body| body[32] = b'@'),
            Code::Malformed,
        ),
        (
            "an address that is no text",
            message(|body| body[33] = 0xff),
            Code::Malformed,
        ),
        ("an unknown kind", message(|body| body[30] = 9), Code::Malformed),
        (
            "an error of its own",
            with(Verb::Send, kind::ERROR, &[], ""),
            Code::Malformed,
        ),
        (
            "somebody else's words",
            with(Verb::Send, 0, &[], "nurse@m.lit"),
            Code::Malformed,
        ),
        (
            "a receipt for nothing",
            with(Verb::Receipt, 1, &[], ""),
            Code::Malformed,
        ),
        ("an edit of nothing", with(Verb::Edit, 0, &[], ""), Code::Malformed),
        (
            "a short reference",
            with(Verb::Edit, 0, &[(tag::REF, &[1; 15])], ""),
            Code::Malformed,
        ),
        (
            "a critical extension",
            with(Verb::Send, 0, &[(0x8fff, b"")], ""),
            Code::UnsupportedExtension,
        ),
        (
            "a message as a request",
            frame(
                Header {
                    id: 3,
                    flags: Flags::REQ,
                    ..Header::push(Verb::Send, 0)
                },
                &session_support::message(1, "x"),
            ),
            Code::Malformed,
        ),
        (
            "a presence that is none",
            frame(Header::push(Verb::Presence, 0), &[9, 0, 0, 0, 0, 0, 0, 0]),
            Code::Malformed,
        ),
        (
            "a state that is none",
            frame(Header::push(Verb::State, 0), &[2]),
            Code::Malformed,
        ),
    ];
    for (what, bytes, code) in table {
        ends(established(), &bytes, code, what);
    }
}

/// Found by the Python client: these were answered as if they were merely bad requests.
#[test]
fn requests_whose_bodies_lie() {
    let ask = |verb, body: &[u8]| frame(request(verb, 1), body);
    let table = [
        ("a short roster", ask(Verb::Roster, &[0; 15]), Code::Malformed),
        (
            "entries that are not there",
            ask(Verb::Roster, &[1, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Code::Malformed,
        ),
        (
            "a reserved field",
            ask(Verb::Roster, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Code::Reserved,
        ),
        (
            "a cut list",
            ask(Verb::Block, &[1, 0, 2, 0, 1, 0, b'a']),
            Code::Malformed,
        ),
        (
            "a reserved byte of a list",
            ask(Verb::Allow, &[0, 1, 0, 0]),
            Code::Reserved,
        ),
        ("a short question", ask(Verb::History, &[0; 8]), Code::Malformed),
        (
            "a goodbye with words",
            frame(Header::push(Verb::Bye, 0), b"x"),
            Code::Malformed,
        ),
        (
            "a request without a number",
            frame(
                Header {
                    id: 0,
                    ..request(Verb::Roster, 1)
                },
                &[0; 16],
            ),
            Code::Malformed,
        ),
    ];
    for (what, bytes, code) in table {
        ends(Client::established(Limits::DEFAULT), &bytes, code, what);
    }
}

#[test]
fn openings_that_are_none() {
    let connected = || Client::connect(config(Limits::DEFAULT), 0);
    let hello = |hello: Hello<'_>| {
        let mut bytes = PREFACE.to_vec();
        write_frame(&mut bytes, Header::push(Verb::Hello, 0), |out| hello.write(out));
        bytes
    };
    let romeo = Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    };
    let table: [(&str, Vec<u8>, Code); 10] = [
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(), Code::Malformed),
        ("XML", b"<?xml version='1.0'?>".to_vec(), Code::Malformed),
        ("HTTP", b"GET / HTTP/1.1\r\n".to_vec(), Code::Malformed),
        (
            "a version to come",
            b"ICPP\x02\x02\0\0".to_vec(),
            Code::UnsupportedVersion,
        ),
        ("reserved bits", b"ICPP\x01\x01\x01\0".to_vec(), Code::Reserved),
        (
            "a message first",
            [&PREFACE[..], &frame(Header::push(Verb::Send, 0), &message(1, "x"))].concat(),
            Code::UnexpectedVerb,
        ),
        (
            "too much before the login",
            [&PREFACE[..], &4097u32.to_le_bytes()].concat(),
            Code::FrameTooLarge,
        ),
        (
            "another domain",
            hello(Hello {
                account: "romeo@elsewhere.lit",
                ..romeo
            }),
            Code::NotAuthorized,
        ),
        (
            "a full address",
            hello(Hello {
                account: ROMEO,
                ..romeo
            }),
            Code::NotAuthorized,
        ),
        ("a redirect loop", hello(Hello { hops: 4, ..romeo }), Code::RedirectLoop),
    ];
    for (what, bytes, code) in table {
        ends(connected(), &bytes, code, what);
    }
}

#[test]
fn a_verb_of_a_later_version_is_refused_if_it_asks_and_ignored_if_not() {
    let mut opened = Client::connect(config(Limits::DEFAULT), 0);
    opened.send(&PREFACE);
    opened.hello(&Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    });
    opened.told();
    for mut client in [opened, Client::established(Limits::DEFAULT)] {
        let of_later = |flags, id| Header {
            verb: 0x90,
            flags,
            id,
            ..Header::push(Verb::Ping, 0)
        };
        client.send(&frame(of_later(Flags::NONE, 0), b"?"));
        assert!(client.told().is_empty());
        client.send(&frame(of_later(Flags::REQ, 7), b"?"));
        let told = client.told_one();
        assert_eq!(
            (told.verb, told.id, told.code()),
            (Verb::Error, 7, Code::UnsupportedVerb as u16)
        );
        assert!(!client.closed);
    }
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.pass(31_000);
    assert_eq!(
        (client.told_one().code(), client.closed),
        (Code::IdleTimeout as u16, true)
    );
}

#[test]
fn a_client_that_never_acknowledges_is_let_go() {
    let limits = Limits {
        unacked_frames: 2,
        unacked_excess: 2,
        ..Limits::DEFAULT
    };
    let mut client = Client::established(limits);
    for number in 0..5 {
        client.event(Event::BlockPush {
            addresses: vec![jid("x@y.lit")],
            blocked: true,
        });
        assert_eq!(client.closed, number == 4, "{number}");
    }
    assert_eq!(
        client.told().last().map(|told| told.code()),
        Some(Code::SlowConsumer as u16)
    );
}

/// A ticket opens once: the account's home says so, and a second time the door stays shut.
#[test]
fn a_replayed_ticket_opens_nothing() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    });
    client.auth(Some("TICKET"), b"whatever");
    assert!(matches!(client.actions.last(), Some(Action::FetchKeys { .. })));
    let keys = crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096);
    client.told();
    client.event(Event::Keys(keys.clone()));
    assert_eq!(client.told_one().code(), Code::TicketInvalid as u16);
    let random: &mut Counting = &mut Counting(9);
    let ticket = config(Limits::DEFAULT).tickets.make(
        &jid("romeo@montague.lit"),
        &keys.fingerprint(),
        "fe1",
        60,
        client.now,
        random,
    );
    client.auth(Some("TICKET"), &ticket);
    client.event(Event::Keys(keys));
    client.event(Event::Homed);
    assert!(matches!(client.actions.last(), Some(Action::Spend { .. })));
    client.event(Event::Spent(false));
    assert_eq!(
        (client.told_one().code(), client.closed),
        (Code::TicketInvalid as u16, true)
    );
}

/// A mechanism is answered by the mechanism's answer and nothing else.
#[test]
fn a_proof_without_a_challenge_proves_nothing() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    });
    client.told();
    let mut body = Vec::new();
    Auth {
        mechanism: None,
        data: Some(b"c=biws,r=x,p=y"),
    }
    .write(&mut body);
    client.send(&frame(request(Verb::Auth, 1), &body));
    assert_eq!(client.told_one().code(), Code::NotAuthorized as u16);
}

proptest! {
    /// Any bytes in a session: no panic, and what is said are whole frames.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut client = Client::established(Limits::DEFAULT);
        client.send(&bytes);
        client.told();
    }

    /// Frames with right heads and any bodies: the same.
    #[test]
    fn any_bodies(frames in proptest::collection::vec((0usize..Verb::ALL.len(), 0u8..0x80, proptest::collection::vec(any::<u8>(), 0..80)), 0..8)) {
        let mut client = Client::established(Limits::DEFAULT);
        for (verb, flags, body) in frames {
            let header = Header { flags: Flags(flags & !Flags::ZSTD.0), id: u32::from(flags & 1), ..Header::push(Verb::ALL[verb], 0) };
            client.send(&frame(header, &body));
        }
        client.told();
    }
}
