//! HELLO to AUTHED, and what keeps a session alive or ends it.

use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::{Code, Flags, Header, Refusal, Verb};

use crate::Side::{Client, Server};
use crate::{Shown, answer, bare, golden, request};

pub(crate) fn all() -> Vec<Shown> {
    [hello(), auth(), authed(), header_only(), refusals(), numbers()].concat()
}

fn hello() -> Vec<Shown> {
    let hello = Hello {
        account: "j@c.lit",
        agent: Some("a/1"),
        resource: Some("b"),
        resume: Some(&[9, 8]),
        hops: 2,
        came_from: Some("fe1"),
        ..Hello::default()
    };
    let welcome = Welcome {
        version: 1,
        node: "fe1",
        mechanisms: "PLAIN",
        frame_max: 65_536,
        heartbeat_s: 120,
        heartbeat_background_s: 900,
        window: 1024,
        unacked_frames: 256,
        unacked_bytes: 65_536,
        nonce: None,
        shards: None,
    };
    vec![
        golden(
            Client,
            Header::push(Verb::Hello, 5),
            "01 00 0000 00000000 05000000 0180 0700 \"j@c.lit\" 0200 0300 \"a/1\" 0300 0100 \"b\" 0480 0200 0908 0500 0100 02 \
             0600 0300 \"fe1\"",
            hello,
            Hello::write,
            Hello::read,
        ),
        golden(
            Server,
            Header::push(Verb::Welcome, 0),
            "02 00 0000 00000000 00000000 0100 0100 01 0200 0300 \"fe1\" 0300 0500 \"PLAIN\" 0400 0400 00000100 0500 0200 7800 \
             0600 0200 8403 0700 0400 00040000 0800 0400 00010000 0900 0400 00000100",
            welcome,
            Welcome::write,
            Welcome::read,
        ),
    ]
}

fn auth() -> Vec<Shown> {
    let first = Auth {
        mechanism: Some("TICKET"),
        data: Some(b"\x01\x02"),
    };
    let challenge = Auth {
        mechanism: None,
        data: Some(b"r=x"),
    };
    let more = Header {
        flags: Flags::RESP.with(Flags::MORE),
        ..answer(Verb::Auth, 7)
    };
    vec![
        golden(
            Client,
            request(Verb::Auth, 7),
            "03 01 0000 07000000 00000000 0100 0600 \"TICKET\" 0200 0200 0102",
            first,
            Auth::write,
            Auth::read,
        ),
        golden(
            Server,
            more,
            "03 0a 0000 07000000 00000000 0200 0300 \"r=x\"",
            challenge,
            Auth::write,
            Auth::read,
        ),
    ]
}

fn authed() -> Vec<Shown> {
    let authed = Authed {
        address: "j@c.lit/b",
        data: Some(b"v=x"),
        token: Some(&[5; 4]),
        resume_s: 300,
        epoch: 0x0102030405060708,
        ticket: Some(&[6; 2]),
        ticket_s: 3600,
    };
    let resumed = Authed {
        data: None,
        token: None,
        resume_s: 0,
        ticket: None,
        ticket_s: 0,
        ..authed
    };
    let back = Header {
        ack: 9,
        ..answer(Verb::Resumed, 7)
    };
    vec![
        golden(
            Server,
            answer(Verb::Authed, 7),
            "04 02 0000 07000000 00000000 0100 0900 \"j@c.lit/b\" 0200 0300 \"v=x\" 0300 0400 05050505 0400 0400 2c010000 \
             0500 0800 0807060504030201 0600 0200 0606 0700 0400 100e0000",
            authed,
            Authed::write,
            Authed::read,
        ),
        golden(
            Server,
            back,
            "05 02 0000 07000000 09000000 0100 0900 \"j@c.lit/b\" 0500 0800 0807060504030201",
            resumed,
            Authed::write,
            Authed::read,
        ),
    ]
}

fn header_only() -> Vec<Shown> {
    vec![
        bare(Client, request(Verb::Ping, 1), "06 01 0000 01000000 00000000"),
        bare(Server, answer(Verb::Pong, 1), "07 02 0000 01000000 00000000"),
        bare(Client, Header::push(Verb::Bye, 2), "09 00 0000 00000000 02000000"),
        bare(Client, Header::push(Verb::Accepted, 3), "21 00 0000 00000000 03000000"),
        bare(
            Server,
            Header::push(Verb::Accepted, 0x01020304),
            "21 00 0000 00000000 04030201",
        ),
    ]
}

fn refusals() -> Vec<Shown> {
    let refused = Header {
        flags: Flags::RESP.with(Flags::ERR),
        ..answer(Verb::Error, 3)
    };
    let heads = [
        (refused, "19 06 0000 03000000"),
        (Header::push(Verb::Error, 0), "19 00 0000 00000000"),
        (Header::push(Verb::Bye, 0), "09 00 0000 00000000"),
    ];
    let one = |(header, head): (Header, &str)| {
        let refusal = Refusal {
            code: Code::Throttled as u16,
            temporary: true,
            fatal: true,
            retry_after_ms: 1000,
            text: "throttled",
        };
        let text = format!("{head} 00000000 0900 01 01 e8030000 \"throttled\"");
        golden(Server, header, &text, refusal, Refusal::write, Refusal::read)
    };
    heads.into_iter().map(one).collect()
}

/// Bodies that are a number.
fn numbers() -> Vec<Shown> {
    vec![
        golden(
            Client,
            Header::push(Verb::State, 0),
            "08 00 0000 00000000 00000000 01",
            1,
            |state, out| out.push(*state),
            |body| Cursor::new(body).u8(),
        ),
        golden(
            Server,
            Header::push(Verb::Credit, 0),
            "18 00 0000 00000000 00000000 04030201",
            0x01020304,
            |window: &u32, out| out.extend_from_slice(&window.to_le_bytes()),
            |body| Cursor::new(body).u32(),
        ),
    ]
}
