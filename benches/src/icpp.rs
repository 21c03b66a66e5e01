//! Scenes of ICPP: the same conversation as that of the XMPP scenes, in frames.
//!
//! Invariant: as in [`scenes`](crate::scenes): a scene has checked itself when it is made, and nobody listens after that.

use std::hint::black_box;

use crosspoint_engine::slots::UserKey;
use crosspoint_icpp::codec::hello::{Auth, Hello};
use crosspoint_icpp::codec::message::tag;
use crosspoint_icpp::codec::presence::{Presence, Show};
use crosspoint_icpp::codec::{Flags, Frame, Header, Message, PREFACE, Scan, Verb, ext, scan, write_frame};

use crate::client;
use crate::scenes::{Scene, WINDOW, warm};
use crate::world::{DOMAIN, ICPP, Line, World, address};

/// What everybody says: the words of the XMPP scenes.
const WORDS: &[u8] = b"Shall I hear more, or shall I speak at this?";
const FRAME_MAX: u32 = 65_536;

/// A message to somebody: with a receipt asked for and a state, as the XMPP scenes have them.
#[must_use]
pub fn chat_message(to: &str, id: usize, flags: Flags) -> Vec<u8> {
    let to = format!("{to}@{DOMAIN}");
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::RECEIPT_WANTED, &[]);
    ext::write(&mut extensions, tag::STATE, &[0]);
    let message = Message {
        id: (id as u128).to_be_bytes(),
        stamp: 0,
        kind: 0,
        to: &to,
        from: "",
        extensions: &extensions,
        payload: WORDS,
    };
    let mut frame = Vec::new();
    let header = Header {
        flags,
        ..Header::push(Verb::Send, 0)
    };
    write_frame(&mut frame, header, |out| message.write(out));
    frame
}

fn push(verb: Verb, ack: u32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(&mut frame, Header::push(verb, ack), write);
    frame
}

/// Every frame of some bytes.
fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let Ok(Scan::Frame(frame)) = scan(rest, FRAME_MAX) {
        rest = &rest[frame.len()..];
        frames.push(frame);
    }
    frames
}

/// Logs in by SCRAM-SHA-256 and is available.
fn appear(world: &mut World, name: &str) -> Line {
    let line = world.connect_to(ICPP, name);
    world.listen(line);
    world.tell(line, &PREFACE);
    let account = format!("{name}@{DOMAIN}");
    let hello = Hello {
        account: &account,
        resource: Some(client::RESOURCE),
        ..Hello::default()
    };
    world.tell(line, &push(Verb::Hello, 0, |out| hello.write(out)));
    let first_bare = client::first_bare(name);
    let first = format!("n,,{first_bare}");
    world.tell(line, &auth(1, Some("SCRAM-SHA-256"), first.as_bytes()));
    let said = world.heard_bytes(line);
    let challenge = frames(&said).last().map(|frame| Auth::read(frame.body));
    let challenge = challenge
        .and_then(Result::ok)
        .and_then(|auth| auth.data)
        .expect("a challenge");
    let proof = client::prove(&first_bare, std::str::from_utf8(challenge).expect("text"));
    world.tell(line, &auth(2, None, proof.as_bytes()));
    let said = world.heard_bytes(line);
    let authed = frames(&said)
        .iter()
        .any(|frame| frame.header.verb == Verb::Authed as u8);
    assert!(authed, "{name} is let in: {said:02x?}");
    let presence = Presence {
        show: Show::Available,
        priority: 0,
        address: "",
        status: "",
    };
    world.tell(line, &push(Verb::Presence, 0, |out| presence.write(out)));
    world.ignore(line);
    line
}

fn auth(id: u32, mechanism: Option<&str>, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = Header {
        flags: Flags::REQ,
        id,
        ..Header::push(Verb::Auth, 0)
    };
    let data = Some(data);
    write_frame(&mut frame, header, |out| Auth { mechanism, data }.write(out));
    frame
}

/// Romeo writes, Juliet reads and acknowledges.
pub struct Chat {
    world: World,
    romeo: Line,
    juliet: Line,
    juliets: String,
    input: Vec<u8>,
    count: usize,
    /// Reliable frames that Juliet has.
    received: u32,
}

impl Chat {
    /// Over so many shards, with so many messages in one read; kept (or not) for the absent, and so durable (or not) when acknowledged.
    ///
    /// # Panics
    /// When they do not arrive.
    #[must_use]
    pub fn new(shards: u16, count: usize, durable: bool) -> Chat {
        let mut world = World::new(shards);
        let (romeo, juliets) = (world.name_on(0, "romeo"), world.name_on(shards - 1, "juliet"));
        client::found(&mut world, &romeo);
        client::found(&mut world, &juliets);
        let romeo = appear(&mut world, &romeo);
        let juliet = appear(&mut world, &juliets);
        let flags = if durable { Flags::NONE } else { Flags::NOSTORE };
        let messages = (0..count).map(|id| chat_message(&juliets, 100 + id, flags));
        let mut chat = Chat {
            input: messages.flatten().collect(),
            juliets,
            romeo,
            juliet,
            world,
            count,
            received: 0,
        };
        chat.check(durable);
        warm(&mut chat);
        chat
    }

    fn check(&mut self, durable: bool) {
        self.world.listen(self.romeo);
        self.world.listen(self.juliet);
        self.world.tell(self.romeo, &self.input);
        self.world.pass(200);
        let (said, heard) = (self.world.heard_bytes(self.romeo), self.world.heard_bytes(self.juliet));
        let delivered = frames(&heard);
        assert_eq!(delivered.len(), self.count, "{heard:02x?}");
        for frame in delivered {
            let message = Message::read(frame.body).expect("a message");
            assert_eq!(message.payload, WORDS);
            assert_eq!(message.stamp & 0xf_ffff != 0, durable, "in the log, or not");
        }
        let acknowledged = frames(&said).last().map(|frame| frame.header.ack);
        assert_eq!(acknowledged, Some(self.count as u32), "Romeo knows that they are safe");
        self.acknowledge();
        let waiting = UserKey::of(&address(&self.juliets)).0;
        assert_eq!(self.world.keepers.pending(waiting), 0, "what she confirmed is settled");
        self.world.ignore(self.romeo);
        self.world.ignore(self.juliet);
    }

    fn acknowledge(&mut self) {
        self.received += self.count as u32;
        let header = Header::push(Verb::Accepted, self.received);
        self.world.tell(self.juliet, &header.bytes(0));
    }
}

impl Scene for Chat {
    fn round(&mut self) {
        self.world.tell(self.romeo, &self.input);
        self.acknowledge();
    }

    fn units(&self) -> usize {
        self.count
    }
}

/// The codec alone: messages found and read.
pub struct ScanMessages {
    input: Vec<u8>,
}

impl ScanMessages {
    /// As many as a scene has in one read.
    #[must_use]
    pub fn new() -> ScanMessages {
        let messages = (0..WINDOW).map(|id| chat_message("juliet", id, Flags::NONE));
        let mut scene = ScanMessages {
            input: messages.flatten().collect(),
        };
        assert_eq!(scene.scan(), WINDOW);
        warm(&mut scene);
        scene
    }

    fn scan(&mut self) -> usize {
        let (mut rest, mut count) = (black_box(&self.input[..]), 0);
        while let Ok(Scan::Frame(frame)) = scan(rest, FRAME_MAX) {
            rest = &rest[frame.len()..];
            count += usize::from(black_box(Message::read(frame.body)).is_ok());
        }
        count
    }
}

impl Default for ScanMessages {
    fn default() -> Self {
        ScanMessages::new()
    }
}

impl Scene for ScanMessages {
    fn round(&mut self) {
        black_box(self.scan());
    }

    fn units(&self) -> usize {
        WINDOW
    }
}
