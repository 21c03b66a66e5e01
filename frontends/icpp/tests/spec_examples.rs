//! The examples of SPEC.md are what they say they are.

use crosspoint_icpp::codec::contacts::{List, Roster};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Redirect};
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::presence::{Presence, Subscription};
use crosspoint_icpp::codec::rooms::{self, Body};
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{Flags, Frame, Message, PREFACE, Refusal, Scan, Verb, scan};

const SPECIFICATION: &str = include_str!("../SPEC.md");

/// The lines of each block of hex, in order.
fn blocks() -> impl Iterator<Item = Vec<&'static str>> {
    let blocks = SPECIFICATION.split("```hex\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().lines().collect())
}

fn hex(line: &str) -> Vec<u8> {
    let digits = line.get(6..53).unwrap_or(&line[6..]).split_whitespace();
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn offsets_and_texts_are_those_of_the_bytes() {
    for block in blocks() {
        let mut offset = 0;
        for line in block {
            let bytes = hex(line);
            let at = usize::from_str_radix(&line[..4], 16).unwrap();
            assert!(at == offset || at == 0, "{line}");
            offset = at + bytes.len();
            let shown = bytes.iter().map(|byte| match byte {
                0x20..0x7f => char::from(*byte),
                _ => '.',
            });
            let shown: String = shown.collect();
            assert_eq!(
                line.get(55..).unwrap_or_default().trim_end(),
                shown.trim_end(),
                "{line}"
            );
        }
    }
}

/// What each frame of the examples is, in a word, in their order.
const EXPECTED: &[&str] = &[
    "HELLO romeo@m.lit, None",
    "WELCOME fe1 1024",
    "AUTH 1 Some(\"PLAIN\") \\0romeo\\0secret",
    "AUTHED romeo@m.lit/orchard, token of 16, 300 s, epoch 1122334455667788",
    "SYNC 1122334455667788 0",
    "SYNCED 0, more: false",
    "PRESENCE Available 0",
    "SEND chat juliet@c.lit from : But, soft! 5",
    "ACCEPTED 1",
    "DELIVER chat juliet@c.lit from romeo@m.lit/orchard: But, soft! 5",
    "RECEIPT 1 romeo@m.lit/orchard from :  8006",
    "PING 9",
    "PONG 9",
    "BYE 17 temporary fatal 1000 shutdown",
    "AUTH 1 Some(\"SCRAM-SHA-256\") n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "AUTH MORE 1 None r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "AUTH 2 None c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "AUTHED user@m.lit/x, token of 0, 0 s, epoch 1122334455667788",
    "HELLO juliet@c.lit, Some(16), has 1",
    "AUTH 1 Some(\"TICKET\") pqrs",
    "RESUMED juliet@c.lit/balcony, token of 0, 0 s, epoch 1122334455667788, safe 1",
    "ROSTER 3 op 0 version 0",
    "ROSTER 3 op 3 version 9 nurse@c.lit 3 Nurse Friends",
    "ROSTER 4 op 1 version 0 nurse@c.lit 0 Angelica",
    "ROSTER 4 op 5 version 0",
    "ROSTER 0 op 6 version 10 nurse@c.lit 3 Angelica",
    "SUBSCRIBE romeo@m.lit Hist!",
    "SUBSCRIBE juliet@c.lit Hist!",
    "PRESENCES Away -1 romeo@m.lit/orchard banished; Unavailable 0 romeo@m.lit/phone",
    "BLOCK 5 op 1 tybalt@c.lit",
    "BLOCK 5 op 5",
    "BLOCK 0 op 1 tybalt@c.lit",
    "HISTORY 6: 1 before 0 with romeo@m.lit",
    "ITEMS MORE chat juliet@c.lit from romeo@m.lit/orchard: But, soft! 5",
    "SYNCED 18bcfe5680000001, more: true",
    "ERROR 22 0 unsupported",
    "DELIVER error juliet@c.lit/balcony from tybalt@c.lit: Peace a",
    "STATE 1",
    "CREDIT 16",
    "DRAIN 1 16000",
    "REDIRECT fe2 Drain fe1 icpps://fe2.m.lit:5300",
    "slot 7 OPEN 192.0.2.1 true",
    "slot 7 HELLO romeo@m.lit, None",
    "TOPOLOGY fe1 icpps://fe1.m.lit:5300 2 125 100 0 0",
    "slot 7 HOLD 1",
    "slot 7 CLOSE",
    "JOIN garden@rooms.lit 8001 2 f",
    "OCCUPANT garden@rooms.lit 8001 2 5 7 8 9 b codes [110]",
    "SEND groupchat garden@rooms.lit from : But, soft!",
    "DELIVER groupchat juliet@c.lit/balcony from garden@rooms.lit/romeo: But, soft! d e",
    "CHANGE 3 garden@rooms.lit 8001 1a tybalt to 0: enough",
    "CHANGE 3",
    "REFUSED garden@rooms.lit 8001 2 19 e",
    "CONFIGURE 4 garden@rooms.lit 8001 1c",
    "CONFIGURE 4",
    "ROOMS 5  38",
    "ROOMS 5  33 34 35 1b garden@rooms.lit Garden 2",
    "LEAVE garden@rooms.lit 8001",
];

#[test]
fn every_example_is_what_its_title_says() {
    let mut seen = Vec::new();
    for block in blocks() {
        let mut bytes: Vec<u8> = block.into_iter().flat_map(hex).collect();
        if bytes.starts_with(b"ICPP") {
            assert_eq!(bytes[..8], PREFACE);
            bytes.drain(..8);
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Ok(Scan::Frame(frame)) = scan(rest, 65_536) else {
                panic!("not a frame: {rest:02x?}");
            };
            seen.push(gist(&frame));
            rest = &rest[frame.len()..];
        }
    }
    for (seen, expected) in seen.iter().zip(EXPECTED) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), EXPECTED.len());
}

fn gist(frame: &Frame<'_>) -> String {
    let verb = frame.verb().unwrap().unwrap();
    let slot = match frame.header.slot {
        0 => String::new(),
        slot => format!("slot {slot} "),
    };
    let more = if frame.header.flags.has(Flags::MORE) {
        " MORE"
    } else {
        ""
    };
    let name = format!("{verb:?}").to_uppercase();
    let rest = match verb {
        _ if verb.is_message() => message(frame),
        _ if verb as u8 >= 0x50 && (verb as u8) < 0x60 => room(verb, frame),
        _ => session(verb, frame),
    };
    format!("{slot}{name}{more} {rest}").trim_end().to_owned()
}

fn message(frame: &Frame<'_>) -> String {
    let message = Message::read(frame.body).unwrap();
    let known = ["chat", "normal", "groupchat", "headline", "error"];
    let kind = match frame.verb() {
        Ok(Some(Verb::Receipt)) => message.kind.to_string(),
        _ => known[usize::from(message.kind)].to_owned(),
    };
    let tags = tags(message.extensions);
    let payload = String::from_utf8_lossy(message.payload);
    format!("{kind} {} from {}: {payload} {tags}", message.to, message.from)
}

fn tags(extensions: &[u8]) -> String {
    let tags = crosspoint_icpp::codec::ext::Exts::new(extensions).map(|ext| format!("{:x}", ext.unwrap().tag));
    tags.collect::<Vec<_>>().join(" ")
}

fn room(verb: Verb, frame: &Frame<'_>) -> String {
    let answers = frame.header.flags.has(Flags::RESP);
    let body = match answers {
        true => Body::answer(frame.body),
        false => Body::read(verb, frame.body),
    };
    let body = body.unwrap();
    let id = match frame.header.id {
        0 => String::new(),
        id => format!("{id} "),
    };
    let mut gist = format!("{id}{}", body.text(rooms::tag::ROOM).unwrap_or_default());
    if !frame.body.is_empty() {
        gist += &format!(" {}", tags(frame.body));
    }
    for member in body.members() {
        gist += &format!(" {} to {}: {}", member.nick, member.role, member.reason);
    }
    for room in body.listed() {
        gist += &format!(" {} {} {}", room.address, room.name, room.occupants);
    }
    match body.codes().collect::<Vec<_>>() {
        codes if codes.is_empty() => gist,
        codes => format!("{gist} codes {codes:?}"),
    }
}

fn session(verb: Verb, frame: &Frame<'_>) -> String {
    let (body, id, ack) = (frame.body, frame.header.id, frame.header.ack);
    match verb {
        Verb::Hello => {
            let hello = Hello::read(body).unwrap();
            let has = if ack > 0 { format!(", has {ack}") } else { String::new() };
            format!("{}, {:?}{has}", hello.account, hello.resume.map(<[u8]>::len))
        }
        Verb::Welcome => {
            let welcome = Welcome::read(body).unwrap();
            format!("{} {}", welcome.node, welcome.window)
        }
        Verb::Auth => {
            let auth = Auth::read(body).unwrap();
            let data = auth.data.unwrap().escape_ascii().to_string().replace("\\x00", "\\0");
            format!("{id} {:?} {data}", auth.mechanism)
        }
        Verb::Authed | Verb::Resumed => {
            let authed = Authed::read(body).unwrap();
            let token = authed.token.map_or(0, <[u8]>::len);
            let safe = if ack > 0 {
                format!(", safe {ack}")
            } else {
                String::new()
            };
            format!(
                "{}, token of {token}, {} s, epoch {:x}{safe}",
                authed.address, authed.resume_s, authed.epoch
            )
        }
        Verb::Accepted => ack.to_string(),
        Verb::Ping | Verb::Pong => id.to_string(),
        Verb::State | Verb::Hold => Cursor::new(body).u8().unwrap().to_string(),
        Verb::Credit => Cursor::new(body).u32().unwrap().to_string(),
        Verb::Bye | Verb::Error => refusal(body),
        Verb::Close => {
            assert!(body.is_empty());
            String::new()
        }
        _ => others(verb, id, body),
    }
    .trim_start()
    .to_owned()
}

fn refusal(body: &[u8]) -> String {
    let refusal = Refusal::read(body).unwrap();
    let temporary = if refusal.temporary { " temporary" } else { "" };
    let fatal = if refusal.fatal { " fatal" } else { "" };
    format!(
        "{}{temporary}{fatal} {} {}",
        refusal.code, refusal.retry_after_ms, refusal.text
    )
}

fn others(verb: Verb, id: u32, body: &[u8]) -> String {
    match verb {
        Verb::Sync => {
            let sync = Sync::read(body).unwrap();
            format!("{:x} {}", sync.epoch, sync.offset)
        }
        Verb::Synced => {
            let synced = Synced::read(body).unwrap();
            format!("{:x}, more: {}", synced.offset, synced.more)
        }
        Verb::History => {
            let history = History::read(body).unwrap();
            assert!(!history.forwards && !history.room);
            format!("{id}: {} before {} with {}", history.limit, history.bound, history.with)
        }
        Verb::Presence | Verb::Presences => {
            let mut cursor = Cursor::new(body);
            let mut entries = Vec::new();
            while !cursor.is_empty() {
                let entry = Presence::read(&mut cursor).unwrap();
                entries.push(format!(
                    "{:?} {} {} {}",
                    entry.show, entry.priority, entry.address, entry.status
                ));
            }
            entries.join("; ")
        }
        Verb::Subscribe => {
            let subscription = Subscription::read(body).unwrap();
            format!("{} {}", subscription.address, subscription.note)
        }
        Verb::Roster => roster(id, body),
        Verb::Block => {
            let list = List::read(body).unwrap();
            let addresses: String = list.addresses().map(|address| format!(" {address}")).collect();
            format!("{id} op {}{addresses}", list.op)
        }
        _ => elsewhere(verb, body),
    }
}

fn roster(id: u32, body: &[u8]) -> String {
    let roster = Roster::read(body).unwrap();
    let mut gist = format!("{id} op {} version {}", roster.op, roster.version);
    for contact in roster.contacts() {
        let groups: Vec<&str> = contact.groups().collect();
        gist += &format!(
            " {} {} {} {}",
            contact.address,
            contact.subscription,
            contact.name,
            groups.join(",")
        );
    }
    gist
}

fn elsewhere(verb: Verb, body: &[u8]) -> String {
    match verb {
        Verb::Drain => {
            let drain = Drain::read(body).unwrap();
            format!("{} {}", drain.phase, drain.deadline_ms)
        }
        Verb::Redirect => {
            let redirect = Redirect::read(body).unwrap();
            assert!(redirect.ticket.is_some());
            let urls: Vec<&str> = redirect.urls().collect();
            format!(
                "{} {:?} {} {}",
                redirect.node,
                redirect.reason,
                redirect.from,
                urls.join(" ")
            )
        }
        Verb::Open => {
            let open = Open::read(body).unwrap();
            format!("{} {}", open.peer, open.secure)
        }
        Verb::Topology => {
            let node = Node::read(&mut Cursor::new(body)).unwrap();
            let figures = (node.sessions, node.cpu_permille, node.weight, node.outbox_bytes);
            let (sessions, cpu, weight, outbox) = figures;
            format!(
                "{} {} {sessions} {cpu} {weight} {outbox} {}",
                node.node, node.urls, node.state
            )
        }
        verb => panic!("{verb:?} has no gist"),
    }
}
