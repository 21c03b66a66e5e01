//! A scripted server, built from the codec: one account, one log, sessions that can be resumed.

use std::collections::{HashSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crosspoint_client::codec::contacts::{List, Roster, list_op, roster_op};
use crosspoint_client::codec::elsewhere::{Drain, Reason, Redirect};
use crosspoint_client::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_client::codec::presence::{Presence, Show, Subscription};
use crosspoint_client::codec::sync::{History, Sync, Synced};
use crosspoint_client::codec::{
    Code, FRAME_BYTES, Flags, Frame, Header, Message, MessageId, Opening, Refusal, Scan, Verb, preface, scan,
    write_frame,
};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub const ADDRESS: &str = "juliet@localhost/play";
pub const PASSWORD: &str = "juliet's secret";
pub const EPOCH: u64 = 7;

/// What is kept of a session between connections.
#[derive(Default)]
pub struct Session {
    token: Vec<u8>,
    /// Reliable frames of the client, and those sent to it that it has not acknowledged.
    received: u32,
    base: u32,
    unacked: VecDeque<(Verb, Vec<u8>, Option<u64>)>,
}

pub struct Peer {
    // The script.
    pub mechanisms: &'static str,
    pub node: &'static str,
    pub window: u32,
    pub unacked_frames: u32,
    pub can_resume: bool,
    /// Whether reliable frames of the client are acknowledged.
    pub accepts: bool,
    pub gives_tickets: bool,
    pub lies_about_the_password: bool,
    /// Sent in answer to HELLO, instead of WELCOME.
    pub redirect: Option<(String, &'static str)>,

    // What it saw.
    pub hello: Option<(u8, Option<String>, bool)>,
    /// Message ids in the order in which they were first sent, and how often each came with DUP.
    pub resource: Option<String>,
    pub sends: Vec<MessageId>,
    pub dups: Vec<MessageId>,
    pub verbs: Vec<Verb>,
    pub outstanding_most: u32,
    pub ack: u32,
    pub syncs: Vec<(u64, u64)>,

    /// The user's log: what has not been settled.
    pub log: VecDeque<(u64, Vec<u8>)>,
    pub next_stamp: u64,
    pub epoch: u64,
    pub known: HashSet<MessageId>,
    pub session: Session,
    pub sessions_made: u32,
    pub tickets: Vec<Vec<u8>>,

    // The connection.
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    pub prefaced: bool,
    pub in_session: bool,
    pub resume: Option<u32>,
    /// Bare first message, challenge, what `c=` must be.
    pub scram: Option<(String, String, String)>,
    pub exporter: [u8; 32],
    /// The mechanism and the header of the client's first message.
    pub gs2: Option<(String, String)>,
    pub expected_signature: Vec<u8>,
    pub closed: bool,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer {
            mechanisms: "SCRAM-SHA-256 PLAIN TICKET",
            node: "one",
            window: 16,
            unacked_frames: 8,
            can_resume: true,
            accepts: true,
            gives_tickets: false,
            lies_about_the_password: false,
            redirect: None,
            hello: None,
            resource: None,
            sends: Vec::new(),
            dups: Vec::new(),
            verbs: Vec::new(),
            outstanding_most: 0,
            ack: 0,
            syncs: Vec::new(),
            log: VecDeque::new(),
            next_stamp: 1 << 20,
            epoch: EPOCH,
            known: HashSet::new(),
            session: Session::default(),
            sessions_made: 0,
            tickets: Vec::new(),
            input: Vec::new(),
            output: Vec::new(),
            prefaced: false,
            in_session: false,
            resume: None,
            scram: None,
            exporter: [9; 32],
            gs2: None,
            expected_signature: Vec::new(),
            closed: false,
        }
    }
}

impl Peer {
    /// A new connection.
    pub fn connect(&mut self) {
        self.input.clear();
        self.output.clear();
        self.prefaced = false;
        self.in_session = false;
        self.resume = None;
        self.scram = None;
        self.closed = false;
    }

    /// The session is forgotten, as after a restart.
    pub fn forget_session(&mut self) {
        self.session.token.clear();
    }

    pub fn put(&mut self, verb: Verb, flags: Flags, id: u32, body: &[u8]) {
        let header = Header {
            flags,
            id,
            ack: if self.in_session { self.session.received } else { 0 },
            ..Header::push(verb, 0)
        };
        write_frame(&mut self.output, header, |out| out.extend_from_slice(body));
    }

    /// A reliable frame.
    pub fn put_reliable(&mut self, verb: Verb, body: Vec<u8>, stamp: Option<u64>) {
        self.put(verb, Flags::NONE, 0, &body);
        self.session.unacked.push_back((verb, body, stamp));
    }

    /// Romeo writes: into the log, and at once to a session.
    pub fn write(&mut self, id: u8, text: &str) {
        self.next_stamp += (1 << 20) + 1;
        let stamp = self.next_stamp;
        let body = message(id, stamp, text);
        self.log.push_back((stamp, body.clone()));
        if self.in_session {
            self.put_reliable(Verb::Deliver, body, Some(stamp));
        }
    }

    pub fn waiting(&self) -> usize {
        self.log.len()
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        if !self.prefaced {
            match preface(&input).expect("a preface") {
                Opening::Speak(_) => {
                    self.prefaced = true;
                    at = 8;
                }
                Opening::Partial => {}
                Opening::NoCommonVersion => panic!("no common version"),
            }
        }
        while self.prefaced && !self.closed {
            match scan(&input[at..], FRAME_BYTES).expect("whole frames") {
                Scan::Partial => break,
                Scan::Frame(frame) => {
                    at += frame.len();
                    self.frame(frame);
                }
            }
        }
        self.input = input[at..].to_vec();
    }

    fn frame(&mut self, frame: Frame<'_>) {
        let verb = frame.verb().expect("a known verb").expect("a known verb");
        self.verbs.push(verb);
        match verb {
            Verb::Hello => return self.greet(&Hello::read(frame.body).expect("HELLO"), frame.header.ack),
            Verb::Auth => return self.auth(&Auth::read(frame.body).expect("AUTH"), frame.header.id),
            _ => assert!(self.in_session, "{verb:?} before the login"),
        }
        self.acknowledged(frame.header.ack);
        if verb.is_reliable_from_client() {
            self.reliable(verb, frame);
        } else {
            self.request(verb, frame);
        }
    }

    fn acknowledged(&mut self, ack: u32) {
        let count = ack.wrapping_sub(self.session.base);
        assert!(count as usize <= self.session.unacked.len(), "ack {ack} is not true");
        self.session.base = ack;
        self.ack = ack;
        for (_, _, stamp) in self.session.unacked.drain(..count as usize) {
            self.log.retain(|(logged, _)| Some(*logged) != stamp);
        }
    }

    fn reliable(&mut self, verb: Verb, frame: Frame<'_>) {
        if verb.is_message() {
            let message = Message::read(frame.body).expect("a message");
            assert_eq!((message.from, message.stamp), ("", 0));
            if frame.header.flags.has(Flags::DUP) {
                self.dups.push(message.id);
            }
            if self.known.insert(message.id) {
                self.sends.push(message.id);
            }
        }
        if self.accepts {
            self.session.received += 1;
            self.put(Verb::Accepted, Flags::NONE, 0, &[]);
        } else {
            self.outstanding_most += 1;
        }
    }

    fn request(&mut self, verb: Verb, frame: Frame<'_>) {
        let id = frame.header.id;
        let mut body = Vec::new();
        match verb {
            Verb::Roster => {
                let roster = Roster::read(frame.body).expect("ROSTER");
                let op = if roster.op == roster_op::GET {
                    roster_op::ITEMS
                } else {
                    roster_op::DONE
                };
                let romeo = [(3, 0, "romeo@localhost", "Romeo", &["Montague"][..])];
                Roster::write(&mut body, op, 1, romeo.into_iter());
                self.put(Verb::Roster, Flags::RESP, id, &body);
            }
            Verb::Block | Verb::Allow => {
                let list = List::read(frame.body).expect("a list");
                let op = match (list.op, verb) {
                    (list_op::LIST, Verb::Allow) => list_op::ON,
                    (list_op::LIST, _) => list_op::LIST,
                    _ => list_op::DONE,
                };
                let named = ["tybalt@localhost"];
                let named = named.iter().copied().filter(|_| op != list_op::DONE);
                List::write(&mut body, op, named);
                self.put(verb, Flags::RESP, id, &body);
            }
            Verb::Sync => self.sync(Sync::read(frame.body).expect("SYNC"), id),
            Verb::History => {
                History::read(frame.body).expect("HISTORY");
                self.put(Verb::Items, Flags::RESP.with(Flags::MORE), id, &message(1, 5, "said"));
                let synced = Synced {
                    epoch: EPOCH,
                    offset: 5,
                    more: true,
                };
                synced.write(&mut body);
                self.put(Verb::Synced, Flags::RESP, id, &body);
            }
            Verb::Ping => self.put(Verb::Pong, Flags::RESP, id, &[]),
            Verb::Bye => {
                self.forget_session();
                self.closed = true;
            }
            Verb::Presence | Verb::State | Verb::Accepted | Verb::Note | Verb::Pong => {}
            _ => panic!("{verb:?} from a client"),
        }
    }

    fn sync(&mut self, sync: Sync, id: u32) {
        self.syncs.push((sync.epoch, sync.offset));
        let settled = if sync.epoch == self.epoch { sync.offset } else { 0 };
        self.log.retain(|(stamp, _)| *stamp > settled);
        for (stamp, body) in self.log.clone() {
            self.put_reliable(Verb::Deliver, body, Some(stamp));
        }
        let mut body = Vec::new();
        let offset = self.log.back().map_or(settled, |(stamp, _)| *stamp);
        let synced = Synced {
            epoch: self.epoch,
            offset,
            more: false,
        };
        synced.write(&mut body);
        self.put(Verb::Synced, Flags::RESP, id, &body);
    }

    fn greet(&mut self, hello: &Hello<'_>, ack: u32) {
        assert_eq!(hello.account, "juliet@localhost");
        self.resource = hello.resource.map(str::to_owned);
        self.hello = Some((hello.hops, hello.came_from.map(str::to_owned), hello.resume.is_some()));
        let known = |token: &[u8]| !self.session.token.is_empty() && token == self.session.token && self.can_resume;
        self.resume = hello.resume.filter(|token| known(token)).map(|_| ack);
        let mut body = Vec::new();
        if let Some((url, node)) = &self.redirect {
            Redirect::to(node, Reason::Load, self.node).write(&mut body, [url.as_str()]);
            self.put(Verb::Redirect, Flags::NONE, 0, &body);
            self.closed = true;
            return;
        }
        let welcome = Welcome {
            version: 1,
            node: self.node,
            mechanisms: self.mechanisms,
            frame_max: FRAME_BYTES,
            heartbeat_s: 60,
            heartbeat_background_s: 600,
            window: self.window,
            unacked_frames: self.unacked_frames,
            unacked_bytes: 65_536,
            ..Welcome::default()
        };
        welcome.write(&mut body);
        self.put(Verb::Welcome, Flags::NONE, 0, &body);
    }

    fn auth(&mut self, auth: &Auth<'_>, id: u32) {
        let data = auth.data.expect("DATA");
        match auth.mechanism {
            Some("PLAIN") if data == format!("\0juliet\0{PASSWORD}").as_bytes() => self.log_in(id, None),
            Some("TICKET") => match self.tickets.iter().position(|ticket| ticket == data) {
                Some(index) => {
                    self.tickets.remove(index);
                    self.log_in(id, None);
                }
                None => self.refuse(id, Code::TicketInvalid),
            },
            Some(name @ ("SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS")) => {
                let text = String::from_utf8(data.to_vec()).expect("text");
                let (header, bare) = text.split_once(",,").expect("a header");
                let mut binding = format!("{header},,").into_bytes();
                if header == "p=tls-exporter" {
                    binding.extend_from_slice(&self.exporter);
                }
                self.gs2 = Some((name.to_owned(), header.to_owned()));
                let bare = bare.to_owned();
                let nonce = bare.split("r=").nth(1).expect("a nonce");
                let challenge = format!("r={nonce}server,s={},i=4096", BASE64.encode("salt"));
                let auth = Auth {
                    mechanism: None,
                    data: Some(challenge.as_bytes()),
                };
                let mut body = Vec::new();
                auth.write(&mut body);
                self.put(Verb::Auth, Flags::RESP.with(Flags::MORE), id, &body);
                self.scram = Some((bare, challenge, BASE64.encode(binding)));
            }
            None => self.prove(data, id),
            _ => self.refuse(id, Code::NotAuthorized),
        }
    }

    fn prove(&mut self, data: &[u8], id: u32) {
        let (bare, challenge, binding) = self.scram.take().expect("a first message");
        let text = String::from_utf8(data.to_vec()).expect("text");
        let (without_proof, proof) = text.split_once(",p=").expect("a proof");
        let proof = BASE64.decode(proof).expect("base64");
        let signed = format!("{bare},{challenge},{without_proof}");
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(PASSWORD.as_bytes(), b"salt", 4096);
        let stored = Sha256::digest(keyed(&salted, b"Client Key"));
        let client_key: Vec<u8> = keyed(&stored, signed.as_bytes())
            .iter()
            .zip(&proof)
            .map(|(signature, proof)| signature ^ proof)
            .collect();
        let bound = without_proof.starts_with(&format!("c={binding},"));
        if !bound || Sha256::digest(&client_key) != stored {
            return self.refuse(id, Code::NotAuthorized);
        }
        self.expected_signature = keyed(&keyed(&salted, b"Server Key"), signed.as_bytes());
        if self.lies_about_the_password {
            self.expected_signature[0] ^= 1;
        }
        let last = format!("v={}", BASE64.encode(&self.expected_signature));
        self.log_in(id, Some(last.as_bytes()));
    }

    fn refuse(&mut self, id: u32, code: Code) {
        let mut body = Vec::new();
        Refusal::new(code).write(&mut body);
        self.put(Verb::Error, Flags::RESP.with(Flags::ERR), id, &body);
    }

    fn log_in(&mut self, id: u32, data: Option<&[u8]>) {
        let ticket = format!("ticket {}", self.tickets.len()).into_bytes();
        if self.gives_tickets {
            self.tickets.push(ticket.clone());
        }
        let ticket = self.gives_tickets.then_some(&ticket[..]);
        let mut body = Vec::new();
        let resume = self.resume.take();
        if resume.is_none() {
            self.sessions_made += 1;
            self.session = Session {
                token: format!("token {}", self.sessions_made).into_bytes(),
                ..Session::default()
            };
        }
        let authed = Authed {
            address: ADDRESS,
            data,
            token: resume.is_none().then_some(&self.session.token[..]),
            resume_s: 300,
            epoch: self.epoch,
            ticket,
            ticket_s: 300,
        };
        authed.write(&mut body);
        self.in_session = true;
        let Some(ack) = resume else {
            return self.put(Verb::Authed, Flags::RESP, id, &body);
        };
        self.put(Verb::Resumed, Flags::RESP, id, &body);
        self.acknowledged(ack);
        for (verb, body, _) in self.session.unacked.clone() {
            self.put(verb, Flags::NONE, 0, &body);
        }
        // What came while nobody was there.
        let sent: Vec<u64> = self.session.unacked.iter().filter_map(|(_, _, stamp)| *stamp).collect();
        for (stamp, body) in self.log.clone() {
            if !sent.contains(&stamp) {
                self.put_reliable(Verb::Deliver, body, Some(stamp));
            }
        }
    }

    pub fn drain(&mut self, phase: u8) {
        let mut body = Vec::new();
        Drain {
            phase,
            deadline_ms: 5_000,
        }
        .write(&mut body);
        self.put(Verb::Drain, Flags::NONE, 0, &body);
    }

    pub fn redirect_to(&mut self, url: &str, node: &str, ticket: Option<&[u8]>) {
        let mut body = Vec::new();
        let mut redirect = Redirect::to(node, Reason::Drain, self.node);
        redirect.ticket = ticket;
        redirect.write(&mut body, [url]);
        self.put(Verb::Redirect, Flags::NONE, 0, &body);
    }

    pub fn knows_ticket(&mut self, ticket: &[u8]) {
        self.tickets.push(ticket.to_vec());
    }

    pub fn bye(&mut self, code: Code) {
        let mut body = Vec::new();
        Refusal::fatal(code).write(&mut body);
        self.put(Verb::Bye, Flags::NONE, 0, &body);
        self.closed = true;
    }

    pub fn show(&mut self, address: &str, show: Show) {
        let mut body = Vec::new();
        let presence = Presence {
            show,
            priority: 0,
            address,
            status: "",
        };
        presence.write(&mut body);
        self.put(Verb::Presences, Flags::NONE, 0, &body);
    }

    pub fn ask(&mut self, address: &str) {
        let mut body = Vec::new();
        Subscription { address, note: "" }.write(&mut body);
        self.put_reliable(Verb::Subscribe, body, None);
    }
}

fn keyed(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(data).finalize().into_bytes().to_vec()
}

/// A message of Romeo's.
pub fn message(id: u8, stamp: u64, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let message = Message {
        id: [id; 16],
        stamp,
        kind: 0,
        to: "juliet@localhost",
        from: "romeo@localhost/orchard",
        extensions: &[],
        payload: text.as_bytes(),
    };
    message.write(&mut body);
    body
}
