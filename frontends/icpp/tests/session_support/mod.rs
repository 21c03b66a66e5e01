//! A client's end of a session, without sockets: bytes in, frames and actions out, events by hand.

#![allow(dead_code)]

use std::sync::Arc;

use crosspoint_engine::envelope::{Content, Envelope, Hints, Kind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Frontend;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Form, Now, Peer, Random, Session};
use crosspoint_engine::store::RecordId;
use crosspoint_icpp::codec::hello::{Auth, Hello};
use crosspoint_icpp::codec::{Flags, HEADER_BYTES, Header, Message, PREFACE, Refusal, Scan, Verb, scan, write_frame};
use crosspoint_icpp::config::Listener;
use crosspoint_icpp::limits::Limits;
use crosspoint_icpp::ticket::Tickets;
use crosspoint_icpp::{IcppConfig, IcppFront};

pub const ROMEO: &str = "romeo@montague.lit/orchard";
pub const JULIET: &str = "juliet@montague.lit";
pub const EPOCH: u64 = 77;

/// Counts up: reproducible, and never the same twice.
pub struct Counting(pub u8);

impl Random for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

pub fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

pub fn config(limits: Limits) -> IcppConfig {
    IcppConfig {
        domain: jid("montague.lit"),
        rooms: Some(jid("rooms.lit")),
        node: "fe1".into(),
        listeners: vec![
            Listener {
                cipher: None,
                private: true,
                trunk: false,
            },
            Listener {
                cipher: None,
                private: false,
                trunk: false,
            },
        ],
        limits,
        trunk: None,
        tickets: Tickets::new([7; 32], 0),
        homes: Vec::new(),
        figures: Arc::default(),
        drain_ms: 5_000,
        drain_to: None,
    }
}

/// A frame that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub verb: Verb,
    pub flags: Flags,
    pub id: u32,
    pub ack: u32,
    pub body: Vec<u8>,
}

impl Told {
    pub fn code(&self) -> u16 {
        Refusal::read(&self.body).unwrap().code
    }

    pub fn message(&self) -> Message<'_> {
        Message::read(&self.body).unwrap()
    }
}

pub struct Client {
    pub session: Option<Box<dyn Session>>,
    pub front: IcppFront,
    pub now: Now,
    pub paused: bool,
    pub closed: bool,
    pub wake_at: Option<u64>,
    pub actions: Vec<Action>,
    /// Reliable frames that this client has.
    pub received: u32,
    unread: Vec<u8>,
    outbox: Vec<u8>,
    random: Counting,
}

impl Client {
    pub fn connect(config: IcppConfig, listener: usize) -> Client {
        let mut front = IcppFront::new(Arc::new(config));
        let now = Now {
            ms: 1_000,
            unix_ms: 1_700_000_000_000,
        };
        let (mut outbox, mut actions, mut random) = (Vec::new(), Vec::new(), Counting(0));
        let peer = Peer {
            address: [127, 0, 0, 1].into(),
            tls: None,
            listener,
        };
        let session = front.open(
            &peer,
            &mut Context {
                now,
                random: &mut random,
                outbox: &mut outbox,
                actions: &mut actions,
            },
        );
        let mut client = Client {
            session: Some(session),
            front,
            now,
            paused: false,
            closed: false,
            wake_at: None,
            actions: Vec::new(),
            received: 0,
            unread: Vec::new(),
            outbox,
            random,
        };
        client.note(actions);
        client
    }

    /// A client that has come in with a password.
    pub fn established(limits: Limits) -> Client {
        let mut client = Client::connect(config(limits), 0);
        client.send(&PREFACE);
        client.hello(&Hello {
            account: "romeo@montague.lit",
            ..Hello::default()
        });
        client.plain();
        client.event(Event::PasswordChecked(true));
        client.event(Event::Homed);
        client.event(Event::Bound {
            address: jid(ROMEO),
            epoch: EPOCH,
        });
        assert!(client.told().iter().any(|told| told.verb == Verb::Authed));
        client.actions.clear();
        client
    }

    pub fn hello(&mut self, hello: &Hello<'_>) {
        self.frame(Header::push(Verb::Hello, self.received), |out| hello.write(out));
    }

    pub fn plain(&mut self) {
        self.auth(Some("PLAIN"), b"\0romeo\0secret");
    }

    pub fn auth(&mut self, mechanism: Option<&str>, data: &[u8]) {
        self.frame(request(Verb::Auth, 1), |out| {
            Auth {
                mechanism,
                data: Some(data),
            }
            .write(out)
        });
    }

    pub fn frame(&mut self, header: Header, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, header, write);
        self.send(&bytes);
    }

    /// A push of this verb with this body, acknowledging nothing new.
    pub fn push(&mut self, verb: Verb, body: &[u8]) {
        self.frame(Header::push(verb, self.received), |out| out.extend_from_slice(body));
    }

    pub fn request(&mut self, verb: Verb, id: u32, body: &[u8]) {
        let header = Header {
            ack: self.received,
            ..request(verb, id)
        };
        self.frame(header, |out| out.extend_from_slice(body));
    }

    pub fn say(&mut self, id: u8, text: &str) {
        self.push(Verb::Send, &message(id, text));
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.offer();
    }

    /// Offers what has not been read, as the driver does.
    pub fn offer(&mut self) {
        while !self.paused && !self.closed && !self.unread.is_empty() {
            let input = std::mem::take(&mut self.unread);
            let consumed = self
                .call(|session, cx| session.on_input(&input, cx))
                .unwrap_or(input.len());
            self.unread = input[consumed..].to_vec();
            if consumed == 0 {
                break;
            }
        }
    }

    pub fn event(&mut self, event: Event) {
        self.call(|session, cx| session.on_event(event, cx));
        self.offer();
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_ms += ms;
        self.call(|session, cx| session.on_tick(cx));
        self.offer();
    }

    pub fn deliver(&mut self, envelope: &Envelope, form: Form, record: Option<RecordId>) {
        let delivery = Delivery { envelope, form, record };
        self.call(|session, cx| session.on_deliver(&delivery, cx));
    }

    pub fn call<R>(&mut self, f: impl FnOnce(&mut dyn Session, &mut Context<'_>) -> R) -> Option<R> {
        if self.closed {
            return None;
        }
        let mut actions = Vec::new();
        let mut cx = Context {
            now: self.now,
            random: &mut self.random,
            outbox: &mut self.outbox,
            actions: &mut actions,
        };
        let result = f(self.session.as_deref_mut()?, &mut cx);
        self.note(actions);
        Some(result)
    }

    fn note(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.closed, "nothing may follow Close");
            match action {
                Action::Pause => self.paused = true,
                Action::Continue => self.paused = false,
                Action::WakeAt(at) => self.wake_at = Some(at),
                Action::Close => self.closed = true,
                other => self.actions.push(other),
            }
        }
    }

    /// What was said since the last time, frame by frame.
    pub fn told(&mut self) -> Vec<Told> {
        let bytes = std::mem::take(&mut self.outbox);
        let (mut at, mut told) = (0, Vec::new());
        while at < bytes.len() {
            let Ok(Scan::Frame(frame)) = scan(&bytes[at..], u32::MAX) else {
                panic!("not a frame at {at}: {bytes:02x?}");
            };
            at += frame.body.len() + HEADER_BYTES;
            told.push(Told {
                verb: Verb::from_number(frame.header.verb).unwrap(),
                flags: frame.header.flags,
                id: frame.header.id,
                ack: frame.header.ack,
                body: frame.body.to_vec(),
            });
        }
        told
    }

    /// The one frame that was said.
    pub fn told_one(&mut self) -> Told {
        let told = self.told();
        assert_eq!(told.len(), 1, "{told:?}");
        told.into_iter().next().unwrap()
    }

    /// The envelopes that were routed since the last time, with their numbers.
    pub fn routed(&mut self) -> Vec<(Envelope, Option<u64>)> {
        let actions = std::mem::take(&mut self.actions);
        let routed = actions.into_iter().filter_map(|action| match action {
            Action::Route { envelope, seq } => Some((envelope, seq)),
            _ => None,
        });
        routed.collect()
    }
}

pub fn request(verb: Verb, id: u32) -> Header {
    Header {
        flags: Flags::REQ,
        id,
        ..Header::push(verb, 0)
    }
}

/// The body of a chat message to Juliet.
pub fn message(id: u8, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    Message {
        id: [id; 16],
        stamp: 0,
        kind: 0,
        to: JULIET,
        from: "",
        extensions: &[],
        payload: text.as_bytes(),
    }
    .write(&mut body);
    body
}

/// What a client sent, on its way to another one.
pub fn sent(envelope: &Envelope) -> Envelope {
    Envelope {
        from: jid(ROMEO),
        ..envelope.clone()
    }
}

/// A message in neutral words.
pub fn neutral(kind: Kind, content: Content) -> Envelope {
    Envelope {
        content,
        hints: Hints::STORE,
        ..Envelope::neutral(jid("nurse@montague.lit/kitchen"), jid(ROMEO), kind)
    }
}
