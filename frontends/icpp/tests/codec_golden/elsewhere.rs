//! REDIRECT and DRAIN, and what is said on trunks.

use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Reason, Redirect};
use crosspoint_icpp::codec::hello::{Authed, Hello, Welcome};
use crosspoint_icpp::codec::{Fault, Header, Verb};

use crate::Side::{Client, Server, Trunk};
use crate::{Shown, Side, answer, bare, golden, on_trunk, request};

pub(crate) fn all() -> Vec<Shown> {
    [redirect(), trunk_login(), trunk()].concat()
}

/// URLs, node, ticket, reason, after, from.
type Parts = (
    Vec<&'static str>,
    &'static str,
    Option<&'static [u8]>,
    Reason,
    u32,
    &'static str,
);

fn redirect_frame(side: Side, header: Header, text: &str, parts: Parts) -> Shown {
    golden(
        side,
        header,
        text,
        parts,
        |(urls, node, ticket, reason, after_ms, from), out| {
            let mut redirect = Redirect::to(node, *reason, from);
            (redirect.ticket, redirect.after_ms) = (*ticket, *after_ms);
            redirect.write(out, urls.iter().copied());
        },
        |body| {
            let read = Redirect::read(body)?;
            let urls = read.urls().collect();
            Ok((urls, read.node, read.ticket, read.reason, read.after_ms, read.from))
        },
    )
}

fn redirect() -> Vec<Shown> {
    let drain = Drain {
        phase: 2,
        deadline_ms: 500,
    };
    vec![
        redirect_frame(
            Server,
            Header::push(Verb::Redirect, 0),
            "10 00 0000 00000000 00000000 0100 0800 \"icpp://a\" 0100 0800 \"icpp://b\" 0200 0300 \"fe2\" 0300 0100 07 \
             0400 0100 03 0500 0400 05000000 0600 0300 \"fe1\"",
            (vec!["icpp://a", "icpp://b"], "fe2", Some(&[7]), Reason::Drain, 5, "fe1"),
        ),
        redirect_frame(
            Trunk,
            on_trunk(Header::push(Verb::Redirect, 0), 9),
            "10 00 0900 00000000 00000000 0100 0800 \"icpp://a\" 0200 0300 \"fe2\" 0400 0100 02 0600 0300 \"fe1\"",
            (vec!["icpp://a"], "fe2", None, Reason::Load, 0, "fe1"),
        ),
        golden(
            Server,
            Header::push(Verb::Drain, 8),
            "11 00 0000 00000000 08000000 02 000000 f4010000",
            drain,
            Drain::write,
            Drain::read,
        ),
    ]
}

/// A trunk begins as a session does, with what clients have no use for.
fn trunk_login() -> Vec<Shown> {
    let hello = Hello {
        trunk: Some("fe1"),
        shard: Some(258),
        ..Hello::default()
    };
    let welcome = Welcome {
        version: 1,
        node: "be",
        mechanisms: "TRUNK",
        frame_max: 1 << 20,
        nonce: Some([0xee; 32]),
        shards: Some(2),
        ..Welcome::default()
    };
    let nonce = "ee".repeat(32);
    vec![
        golden(
            Client,
            Header::push(Verb::Hello, 0),
            "01 00 0000 00000000 00000000 1080 0300 \"fe1\" 1180 0200 0201",
            hello,
            Hello::write,
            Hello::read,
        ),
        golden(
            Server,
            Header::push(Verb::Welcome, 0),
            &format!(
                "02 00 0000 00000000 00000000 0100 0100 01 0200 0200 \"be\" 0300 0500 \"TRUNK\" 0400 0400 00001000 0500 0200 0000 \
                 0600 0200 0000 0700 0400 00000000 0800 0400 00000000 0900 0400 00000000 0a00 2000 {nonce} 0b00 0200 0200"
            ),
            welcome,
            Welcome::write,
            Welcome::read,
        ),
        golden(
            Server,
            answer(Verb::Authed, 1),
            "04 02 0000 01000000 00000000",
            Authed::default(),
            Authed::write,
            Authed::read,
        ),
    ]
}

fn nodes(body: &'static [u8]) -> Result<Vec<Node<'static>>, Fault> {
    let mut cursor = Cursor::new(body);
    let mut nodes = Vec::new();
    while !cursor.is_empty() {
        nodes.push(Node::read(&mut cursor)?);
    }
    Ok(nodes)
}

fn trunk() -> Vec<Shown> {
    let open = Open {
        peer: "192.0.2.1",
        secure: true,
    };
    let node = Node {
        node: "fe1",
        urls: "a b",
        sessions: 3,
        cpu_permille: 500,
        weight: 2,
        outbox_bytes: 9,
        state: Node::DRAINING,
    };
    vec![
        bare(Trunk, request(Verb::Ping, 1), "06 01 0000 01000000 00000000"),
        bare(Trunk, answer(Verb::Pong, 1), "07 02 0000 01000000 00000000"),
        golden(
            Trunk,
            on_trunk(Header::push(Verb::Open, 0), 9),
            "13 00 0900 00000000 00000000 0100 0900 \"192.0.2.1\" 0200 0100 01",
            open,
            Open::write,
            Open::read,
        ),
        bare(
            Trunk,
            on_trunk(Header::push(Verb::Close, 0), 0x0102),
            "14 00 0201 00000000 00000000",
        ),
        golden(
            Trunk,
            on_trunk(Header::push(Verb::Hold, 0), 9),
            "15 00 0900 00000000 00000000 01",
            1,
            |held, out| out.push(*held),
            |body| Cursor::new(body).u8(),
        ),
        golden(
            Trunk,
            Header::push(Verb::Topology, 0),
            "12 00 0000 00000000 00000000 0300 0300 03000000 f401 0200 09000000 01 000000 \"fe1\" \"a b\" \
             0300 0300 03000000 f401 0200 09000000 02 000000 \"fe1\" \"a b\"",
            vec![
                node,
                Node {
                    state: Node::GONE,
                    ..node
                },
            ],
            |nodes, out| nodes.iter().for_each(|node| node.write(out)),
            nodes,
        ),
    ]
}
