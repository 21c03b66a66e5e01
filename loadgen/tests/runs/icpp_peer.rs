//! A server that knows as much of ICPP as a chat takes, and does to the messages what a test wants.
//!
//! Preface, HELLO, PLAIN, SYNC, PING, PRESENCE as "I am there", SEND. Every connection has a thread; what they share is
//! behind one lock, so that deliveries have an order.
//!
//! Invariant: without a fault every message reaches its addressee once, in order, as it was written; and every message is
//! accepted, whatever becomes of it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::sync::Synced;
use crosspoint_icpp::codec::{FRAME_BYTES, Flags, Frame, Header, Message, PREFACE, Scan, Verb, scan, write_frame};

use super::outcome::Outcome;
use super::peer::start;

/// Messages of a client that may be outstanding, as it comes.
pub const WINDOW: u32 = 1024;
const SYNCED: Synced = Synced {
    epoch: 1,
    offset: 0,
    more: false,
};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Dropped,
    Doubled,
    /// It comes behind the next one to the same user.
    Overtaken,
    /// A byte of what was said is another one.
    Damaged,
    /// Another user's name stands on it.
    Forged,
}

/// See the module.
pub struct IcppPeer {
    pub address: String,
}

/// What the connections share.
struct Hub {
    /// Every message whose place in its addressee's stream is a multiple of the number.
    fault: Option<(Fault, u64)>,
    window: u32,
    users: Mutex<HashMap<String, User>>,
}

#[derive(Default)]
struct User {
    here: Option<TcpStream>,
    /// Messages that came from him: all of them are accepted.
    accepted: u32,
    /// Messages that came for him.
    came: u64,
    overtaken: Option<Vec<u8>>,
}

impl IcppPeer {
    /// `window`: messages of a client that may be outstanding.
    pub fn new(fault: Option<(Fault, u64)>, window: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hub = Arc::new(Hub {
            fault,
            window,
            users: Mutex::default(),
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (hub, stream) = (hub.clone(), stream.unwrap());
                thread::spawn(move || Session::new(stream, &hub).serve());
            }
        });
        Self { address }
    }

    /// Runs the load generator against this server to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(start(&self.address, &[arguments, &["--protocol", "icpp"]].concat()))
    }
}

/// One connection.
struct Session<'a> {
    stream: TcpStream,
    hub: &'a Hub,
    account: String,
    /// The address with its resource.
    full: String,
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, hub: &'a Hub) -> Self {
        Self {
            stream,
            hub,
            account: String::new(),
            full: String::new(),
        }
    }

    fn serve(mut self) {
        let (mut input, mut buffer) = (Vec::new(), [0; 16 << 10]);
        let mut greeted = false;
        while let Ok(count @ 1..) = self.stream.read(&mut buffer) {
            input.extend_from_slice(&buffer[..count]);
            if !greeted && input.len() >= PREFACE.len() {
                greeted = true;
                assert_eq!(input.drain(..PREFACE.len()).as_slice(), PREFACE);
            }
            let mut at = 0;
            while greeted && let Scan::Frame(frame) = scan(&input[at..], FRAME_BYTES).unwrap() {
                self.hear(&frame);
                at += frame.len();
            }
            input.drain(..at);
        }
    }

    fn hear(&mut self, frame: &Frame<'_>) {
        match frame.verb().unwrap().unwrap() {
            Verb::Hello => {
                let hello = Hello::read(frame.body).unwrap();
                self.account = hello.account.to_owned();
                self.full = format!("{}/{}", hello.account, hello.resource.unwrap());
                let welcome = Welcome {
                    version: 1,
                    node: "peer",
                    mechanisms: "PLAIN",
                    window: self.hub.window,
                    ..Welcome::default()
                };
                self.push(Verb::Welcome, |out| welcome.write(out));
            }
            Verb::Auth => {
                assert_eq!(Auth::read(frame.body).unwrap().mechanism, Some("PLAIN"));
                let address = self.full.clone();
                let authed = Authed {
                    address: &address,
                    ..Authed::default()
                };
                self.answer(Verb::Authed, frame, |out| authed.write(out));
                let mut users = self.hub.users.lock().unwrap();
                users.entry(self.account.clone()).or_default().here = Some(self.stream.try_clone().unwrap());
            }
            Verb::Sync => self.answer(Verb::Synced, frame, |out| SYNCED.write(out)),
            Verb::Ping => self.answer(Verb::Pong, frame, |_| ()),
            Verb::Send => {
                self.hub
                    .pass_on(&self.account, &self.full, &Message::read(frame.body).unwrap());
                self.push(Verb::Accepted, |_| ());
            }
            Verb::Presence | Verb::Accepted | Verb::Bye => {}
            verb => panic!("{verb:?} is none of a chat's"),
        }
    }

    fn push(&mut self, verb: Verb, write: impl FnOnce(&mut Vec<u8>)) {
        self.say(Header::push(verb, 0), write);
    }

    fn answer(&mut self, verb: Verb, frame: &Frame<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let header = Header {
            flags: Flags::RESP,
            id: frame.header.id,
            ..Header::push(verb, 0)
        };
        self.say(header, write);
    }

    /// Under the lock that deliveries are under, too: frames do not mix, and acknowledgements do not go back.
    fn say(&mut self, header: Header, write: impl FnOnce(&mut Vec<u8>)) {
        let users = self.hub.users.lock().unwrap();
        let ack = users.get(&self.account).map_or(0, |user| user.accepted);
        let mut out = Vec::new();
        write_frame(&mut out, Header { ack, ..header }, write);
        // The other end may have gone.
        let _ = self.stream.write_all(&out);
    }
}

impl Hub {
    fn pass_on(&self, account: &str, from: &str, message: &Message<'_>) {
        let mut users = self.users.lock().unwrap();
        users.entry(account.to_owned()).or_default().accepted += 1;
        let user = users.entry(message.to.to_owned()).or_default();
        user.came += 1;
        let deliver = |fault| deliver(from, message, user.accepted, fault);
        let fault = self
            .fault
            .filter(|(_, every)| user.came.is_multiple_of(*every))
            .map(|(fault, _)| fault);
        let overtaken = user.overtaken.take();
        let mut out = match fault {
            Some(Fault::Dropped) => Vec::new(),
            Some(Fault::Doubled) => [deliver(fault), deliver(fault)].concat(),
            Some(Fault::Overtaken) => {
                user.overtaken = Some(deliver(None));
                Vec::new()
            }
            _ => deliver(fault),
        };
        out.extend(overtaken.unwrap_or_default());
        if let Some(here) = &mut user.here {
            let _ = here.write_all(&out);
        }
    }
}

/// DELIVER.
fn deliver(from: &str, message: &Message<'_>, ack: u32, fault: Option<Fault>) -> Vec<u8> {
    let mut payload = message.payload.to_vec();
    if fault == Some(Fault::Damaged) {
        *payload.last_mut().unwrap() ^= 1;
    }
    let from = match fault {
        Some(Fault::Forged) => "mallory@localhost/loadgen",
        _ => from,
    };
    let delivered = Message {
        from,
        stamp: 1 << 20,
        payload: &payload,
        ..*message
    };
    let mut out = Vec::new();
    write_frame(&mut out, Header::push(Verb::Deliver, ack), |out| delivered.write(out));
    out
}
