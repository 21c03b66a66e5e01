//! One client's session: which requests are under way, and what waits for the next one.
//!
//! Invariants:
//! - At most `hold` requests wait; when another comes, the oldest is answered.
//! - At most [`WINDOW_MAX`] requests are under way, and as many answers kept.
//! - A client that lets no request wait for [`INACTIVITY_MS`] has left: its stream is lost, and may be resumed elsewhere.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::answer::{Condition, body, last};
use super::request::Request;
use crate::codec::{CLIENT, STREAMS};
use crate::framing::Outbound;
use crate::stanza::write;

/// Longest time that a request waits, in seconds.
pub const WAIT_S_MAX: u64 = 60;

/// Requests that may wait.
pub const HOLD_MAX: usize = 1;

/// Requests under way, those that wait among them.
pub const WINDOW_MAX: usize = HOLD_MAX + 2;

/// Without a request that waits.
pub const INACTIVITY_MS: u64 = 30_000;

/// The same, if the client has said that it will be away.
pub const PAUSE_S_MAX: u64 = 120;

/// Time between two empty requests of a client that lets none wait.
pub const POLLING_MS_MIN: u64 = 2_000;

/// Requests of one client in a second.
pub const REQUESTS_PER_S_MAX: u32 = 60;

/// Bytes that wait for the client, above which its stream is not read.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(WINDOW_MAX > HOLD_MAX);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Answer a request.
    Answer {
        /// The name that it came with.
        http: u64,
        /// The body.
        body: Bytes,
    },
    /// Write into the stream.
    Stream(Vec<u8>),
    /// Let go of the stream when all is written. The session is over.
    Close,
}

/// A session.
#[derive(Debug)]
pub struct Bosh {
    sid: String,
    to: String,
    lang: Option<String>,
    wait_ms: u64,
    hold: usize,
    acks: bool,
    /// What the next key hashes to.
    key: Option<String>,
    /// Of the request to be acted upon next.
    next: u64,
    /// Requests that came before their time.
    early: BTreeMap<u64, (u64, Request)>,
    waiting: VecDeque<Waiting>,
    answered: VecDeque<(u64, Bytes)>,
    outbound: Outbound,
    /// Elements for the client.
    queue: Vec<u8>,
    /// The stream's identifier, for the first answer.
    auth_id: Option<String>,
    /// The first answer is out.
    opened: bool,
    ended: Option<Condition>,
    /// No request has waited since, and for how long none need.
    alone: Option<(u64, u64)>,
    polled_ms: Option<u64>,
    second: (u64, u32),
}

/// A request that has been acted upon, and not answered.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    rid: u64,
    http: u64,
    until_ms: u64,
}

impl Bosh {
    /// A client asks for a session of this name.
    pub fn open(sid: String, request: Request, http: u64, now_ms: u64, out: &mut Vec<Output>) -> Bosh {
        let mut bosh = Bosh {
            sid,
            to: request.to.clone().unwrap_or_default(),
            lang: request.lang.clone(),
            wait_ms: request.wait_s.min(WAIT_S_MAX) * 1_000,
            hold: request.hold.min(HOLD_MAX),
            acks: request.acks,
            key: request.new_key.clone(),
            next: request.rid + 1,
            early: BTreeMap::new(),
            waiting: VecDeque::new(),
            answered: VecDeque::new(),
            outbound: Outbound::default(),
            queue: Vec::new(),
            auth_id: None,
            opened: false,
            ended: None,
            alone: None,
            polled_ms: None,
            second: (now_ms, 0),
        };
        bosh.waiting.push_back(Waiting {
            rid: request.rid,
            http,
            // The stream answers at once, or not at all.
            until_ms: now_ms + WAIT_S_MAX * 1_000,
        });
        bosh.header(request.version.as_deref(), out);
        if !request.payload.is_empty() {
            out.push(Output::Stream(request.payload));
        }
        bosh
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the stream is to be read.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.queue.len() <= QUEUE_BYTES_MAX
    }

    /// A request of this session has come.
    pub fn on_request(&mut self, request: Request, http: u64, now_ms: u64, out: &mut Vec<Output>) {
        let rid = request.rid;
        if self.ended.is_some() {
            return out.push(self.terminate_one(http, Condition::ItemNotFound));
        }
        if !self.is_paced(now_ms) {
            out.push(self.terminate_one(http, Condition::PolicyViolation));
            return self.end(Condition::PolicyViolation, out);
        }
        if rid < self.next {
            return self.again(rid, http, out);
        }
        // Nothing is answered before the stream is open, so nothing else bounds what waits until then (XEP-0124 section 11).
        if !self.opened && self.waiting.len() + self.early.len() >= WINDOW_MAX {
            out.push(self.terminate_one(http, Condition::PolicyViolation));
            return self.end(Condition::PolicyViolation, out);
        }
        if rid - self.next >= WINDOW_MAX as u64 || self.early.contains_key(&rid) {
            out.push(self.terminate_one(http, Condition::ItemNotFound));
            return self.end(Condition::ItemNotFound, out);
        }
        self.early.insert(rid, (http, request));
        while self.ended.is_none()
            && let Some((http, request)) = self.early.remove(&self.next)
        {
            self.act(request, http, now_ms, out);
        }
    }

    /// Bytes of the stream have come.
    pub fn on_stream(&mut self, bytes: &[u8], now_ms: u64, out: &mut Vec<Output>) {
        let (queue, auth_id, mut end) = (&mut self.queue, &mut self.auth_id, None);
        self.outbound.part(bytes, |message| {
            if message.starts_with(b"<open ") {
                *auth_id = attribute(message, b" id=");
            } else if message.starts_with(b"<close ") {
                end.get_or_insert(Condition::None);
            } else {
                if message.starts_with(b"<stream:error") {
                    end = Some(Condition::RemoteStreamError);
                }
                queue.extend_from_slice(message);
            }
        });
        match end {
            Some(condition) if self.ended.is_none() => self.end(condition, out),
            _ => self.flush(now_ms, out),
        }
    }

    /// The stream has ended without having been closed.
    pub fn on_stream_end(&mut self, out: &mut Vec<Output>) {
        if self.ended.is_none() {
            self.end(Condition::RemoteConnectionFailed, out);
        }
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        while self.waiting.front().is_some_and(|waiting| now_ms >= waiting.until_ms) {
            self.answer_oldest(now_ms, out);
        }
        if self.ended.is_none()
            && let Some((since_ms, for_ms)) = self.alone
            && now_ms >= since_ms + for_ms
        {
            // With an answer for what came before its time and never had it.
            self.end(Condition::None, out);
        }
    }

    fn act(&mut self, request: Request, http: u64, now_ms: u64, out: &mut Vec<Output>) {
        self.next += 1;
        self.alone = None;
        let waiting = Waiting {
            rid: request.rid,
            http,
            until_ms: now_ms + self.wait_ms,
        };
        self.waiting.push_back(waiting);
        if !self.proves(&request) {
            return self.end(Condition::ItemNotFound, out);
        }
        if self.polls_too_often(&request, now_ms) {
            return self.end(Condition::PolicyViolation, out);
        }
        if request.restart {
            self.header(Some("1.0"), out);
        }
        if !request.payload.is_empty() {
            out.push(Output::Stream(request.payload));
        }
        if request.terminate {
            out.push(Output::Stream(b"</stream:stream>".to_vec()));
            return self.end(Condition::None, out);
        }
        self.flush(now_ms, out);
        while self.opened && self.waiting.len() > self.hold {
            self.answer_oldest(now_ms, out);
        }
        if let Some(pause_s) = request.pause_s {
            while self.opened && !self.waiting.is_empty() {
                self.answer_oldest(now_ms, out);
            }
            self.alone = Some((now_ms, pause_s.min(PAUSE_S_MAX) * 1_000));
        }
    }

    /// A request that was acted upon before: the client has not had its answer.
    fn again(&mut self, rid: u64, http: u64, out: &mut Vec<Output>) {
        if let Some((_, body)) = self.answered.iter().find(|(known, _)| *known == rid) {
            let body = body.clone();
            return out.push(Output::Answer { http, body });
        }
        match self.waiting.iter_mut().find(|waiting| waiting.rid == rid) {
            Some(waiting) => {
                let before = std::mem::replace(&mut waiting.http, http);
                out.push(Output::Answer {
                    http: before,
                    body: body(&[], &[]),
                });
            }
            None => {
                out.push(self.terminate_one(http, Condition::ItemNotFound));
                self.end(Condition::ItemNotFound, out);
            }
        }
    }

    /// Gives what waits for the client to the oldest request.
    fn flush(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if !self.queue.is_empty() && !self.waiting.is_empty() {
            self.answer_oldest(now_ms, out);
        }
    }

    fn answer_oldest(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let Some(waiting) = self.waiting.pop_front() else {
            return;
        };
        let elements = std::mem::take(&mut self.queue);
        let body = match std::mem::replace(&mut self.opened, true) {
            false => self.first(&elements),
            true => {
                let ack = (self.next - 1).to_string();
                let told = self.acks && self.next - 1 != waiting.rid;
                let attributes: &[(&str, &str)] = &[("ack", &ack)];
                body(&attributes[..usize::from(told)], &elements)
            }
        };
        self.keep(waiting, body, out);
        if self.waiting.is_empty() && self.alone.is_none() {
            self.alone = Some((now_ms, INACTIVITY_MS));
        }
    }

    fn keep(&mut self, waiting: Waiting, body: Bytes, out: &mut Vec<Output>) {
        if self.answered.len() == WINDOW_MAX {
            self.answered.pop_front();
        }
        self.answered.push_back((waiting.rid, body.clone()));
        out.push(Output::Answer {
            http: waiting.http,
            body,
        });
    }

    /// The first answer says what the session is (XEP-0124 section 7.2).
    fn first(&self, elements: &[u8]) -> Bytes {
        let (wait, requests) = ((self.wait_ms / 1_000).to_string(), WINDOW_MAX.to_string());
        let (hold, inactivity) = (self.hold.to_string(), (INACTIVITY_MS / 1_000).to_string());
        let (pause, polling) = (PAUSE_S_MAX.to_string(), (POLLING_MS_MIN / 1_000).to_string());
        let ack = (self.next - 1).to_string();
        let mut attributes = vec![
            ("sid", self.sid.as_str()),
            ("from", self.to.as_str()),
            ("ver", "1.11"),
            ("wait", &wait),
            ("hold", &hold),
            ("requests", &requests),
            ("inactivity", &inactivity),
            ("maxpause", &pause),
            ("polling", &polling),
            ("xmpp:version", "1.0"),
            ("xmpp:restartlogic", "true"),
        ];
        if self.acks {
            attributes.push(("ack", &ack));
        }
        attributes.extend(self.auth_id.as_deref().map(|id| ("authid", id)));
        body(&attributes, elements)
    }

    /// The session is over: all requests are answered, the first of them by what is left.
    fn end(&mut self, condition: Condition, out: &mut Vec<Output>) {
        self.ended = Some(condition);
        let early = std::mem::take(&mut self.early);
        let https = self.waiting.drain(..).map(|waiting| (waiting.rid, waiting.http));
        let https: Vec<_> = https
            .chain(early.into_iter().map(|(rid, (http, _))| (rid, http)))
            .collect();
        for (rid, http) in https {
            let waiting = Waiting { rid, http, until_ms: 0 };
            let elements = std::mem::take(&mut self.queue);
            self.keep(waiting, last(condition, &elements), out);
        }
        out.push(Output::Close);
    }

    fn terminate_one(&self, http: u64, condition: Condition) -> Output {
        let body = last(condition, &[]);
        Output::Answer { http, body }
    }

    /// The beginning of a stream.
    fn header(&self, version: Option<&str>, out: &mut Vec<Output>) {
        let mut header = b"<?xml version='1.0'?><stream:stream".to_vec();
        write::attribute(&mut header, "to", self.to.as_bytes());
        if let Some(version) = version {
            write::attribute(&mut header, "version", version.as_bytes());
        }
        if let Some(lang) = &self.lang {
            write::attribute(&mut header, "xml:lang", lang.as_bytes());
        }
        header.extend_from_slice(format!(" xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>").as_bytes());
        out.push(Output::Stream(header));
    }

    /// Key sequencing (section 15), if the client has begun it.
    fn proves(&mut self, request: &Request) -> bool {
        let Some(known) = &self.key else { return true };
        let Some(key) = &request.key else { return false };
        let digest = Sha1::digest(key.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != *known {
            return false;
        }
        self.key = Some(request.new_key.as_ref().unwrap_or(key).clone());
        true
    }

    /// Overactivity (section 12) of a client that lets no request wait.
    fn polls_too_often(&mut self, request: &Request, now_ms: u64) -> bool {
        let polls = self.hold == 0 || self.wait_ms == 0;
        if !polls || !request.payload.is_empty() || request.restart || request.terminate || !self.queue.is_empty() {
            return false;
        }
        let before = self.polled_ms.replace(now_ms);
        before.is_some_and(|before| now_ms < before + POLLING_MS_MIN)
    }

    fn is_paced(&mut self, now_ms: u64) -> bool {
        if now_ms >= self.second.0 + 1_000 {
            self.second = (now_ms, 0);
        }
        self.second.1 += 1;
        self.second.1 <= REQUESTS_PER_S_MAX
    }
}

/// The value of an attribute of our own, which has no reference in it.
fn attribute(element: &[u8], name: &[u8]) -> Option<String> {
    let place = element.windows(name.len()).position(|bytes| bytes == name)? + name.len();
    let quote = *element.get(place)?;
    let rest = &element[place + 1..];
    let end = rest.iter().position(|byte| *byte == quote)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}
