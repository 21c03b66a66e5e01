//! BOSH sessions over their sockets: each has one end of a socket pair, and a shard has the other, as if a client had
//! connected (XEP-0124's connection manager and server in one process).
//!
//! Invariants:
//! - There are at most [`SESSIONS_MAX`] sessions; a shard counts them among its own connections, too, with the client's
//!   address.
//! - A request waits for a stream that is behind before it adds to what is pending for it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use crosspoint_engine::rt::{self, Clock, Detached, Notify, Socket};
use crosspoint_engine::switch::{Arrival, Gate};
use crosspoint_xmpp::bosh::{self, BODY_BYTES_MAX, Condition, Output, Request as Asked, terminate};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use super::door::Guest;
use super::reply::{Reply, read_whole, text, whole};
use crate::wiring;

/// Sessions at a time.
pub const SESSIONS_MAX: usize = 10_000;

/// For a request's body to arrive.
const BODY_MS_MAX: u64 = 15_000;

/// Bytes that a stream has not taken, above which requests wait.
const PENDING_BYTES: usize = 64 * 1024;

/// How long a request waits before it looks again.
const PENDING_PAUSE: Duration = Duration::from_millis(20);

/// How often sessions are told the time.
const TICK: Duration = Duration::from_millis(250);

/// Bytes received from a stream at once.
const RECEIVE_BYTES: usize = 16 * 1024;

/// Of a session's name, which is all that a request needs to act for its client.
const SID_BYTES: usize = 16;

/// All sessions.
pub struct Bosh {
    gate: RefCell<Gate>,
    /// The front-end's index of the first of the two kinds of session.
    listener: usize,
    clock: Clock,
    sessions: RefCell<HashMap<String, Rc<Live>>>,
    last_http: Cell<u64>,
}

/// A session and its end of the pair.
struct Live {
    session: RefCell<bosh::Bosh>,
    socket: Socket,
    /// For the stream, and not taken yet.
    pending: RefCell<Vec<u8>>,
    /// A task waits to write.
    writing: Cell<bool>,
    /// To close when all is written.
    closing: Cell<bool>,
    /// There is room for what the stream has.
    resume: Notify,
    asked: RefCell<HashMap<u64, Slot>>,
}

enum Slot {
    Empty(Option<Waker>),
    Full(Bytes),
}

/// A request's place among those that wait; given up when dropped.
struct Ticket {
    live: Rc<Live>,
    http: u64,
}

impl Bosh {
    /// No sessions, and a task that tells them the time.
    pub fn start(gate: Gate, listener: usize, clock: Clock) -> Rc<Bosh> {
        let bosh = Rc::new(Bosh {
            gate: RefCell::new(gate),
            listener,
            clock,
            sessions: RefCell::default(),
            last_http: Cell::new(0),
        });
        let known = bosh.clone();
        rt::spawn(async move {
            loop {
                rt::sleep(TICK).await;
                known.tick();
            }
        });
        bosh
    }

    /// One request.
    pub async fn post(self: Rc<Self>, guest: &Guest, request: Request<Incoming>) -> Reply {
        guest.watch.allow(BODY_MS_MAX);
        let body = match read_whole(request.into_body(), BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(None) => return text(StatusCode::PAYLOAD_TOO_LARGE, "that is too much for one request"),
            Err(Some(_)) => return text(StatusCode::BAD_REQUEST, "the body did not arrive"),
        };
        guest.watch.done();
        let Ok(asked) = Asked::parse(&body) else {
            return xml(terminate(Condition::BadRequest));
        };
        let http = self.last_http.get() + 1;
        self.last_http.set(http);
        let ticket = match asked.sid.clone() {
            None => match self.open(guest, asked, http) {
                Some(ticket) => ticket,
                None => return xml(terminate(Condition::InternalServerError)),
            },
            Some(sid) => {
                let Some(live) = self.sessions.borrow().get(&sid).cloned() else {
                    return xml(terminate(Condition::ItemNotFound));
                };
                while live.pending.borrow().len() > PENDING_BYTES && !live.closing.get() {
                    rt::sleep(PENDING_PAUSE).await;
                }
                let ticket = live.ask(http);
                let mut out = Vec::new();
                live.session
                    .borrow_mut()
                    .on_request(asked, http, self.clock.now_ms(), &mut out);
                live.carry_out(out);
                ticket
            }
        };
        xml(poll_fn(|context| ticket.poll(context.waker())).await)
    }

    fn open(self: &Rc<Self>, guest: &Guest, asked: Asked, http: u64) -> Option<Ticket> {
        if self.sessions.borrow().len() >= SESSIONS_MAX {
            return None;
        }
        let (ours, theirs) = Detached::pair().ok()?;
        let arrival = Arrival {
            socket: theirs,
            address: guest.address,
            frontend: wiring::XMPP,
            listener: self.listener + usize::from(guest.secure),
        };
        if !self.gate.borrow_mut().admit(arrival) {
            return None;
        }
        let mut random = [0; SID_BYTES];
        getrandom::fill(&mut random).ok()?;
        let sid = format!("{:032x}", u128::from_be_bytes(random));
        let mut out = Vec::new();
        let session = bosh::Bosh::open(sid.clone(), asked, http, self.clock.now_ms(), &mut out);
        let live = Rc::new(Live {
            session: RefCell::new(session),
            socket: Socket::adopt(ours).ok()?,
            pending: RefCell::default(),
            writing: Cell::new(false),
            closing: Cell::new(false),
            resume: Notify::new(),
            asked: RefCell::default(),
        });
        self.sessions.borrow_mut().insert(sid.clone(), live.clone());
        let ticket = live.ask(http);
        live.carry_out(out);
        self.attend(sid, live);
        Some(ticket)
    }

    /// Reads the session's stream to its end, and forgets it.
    fn attend(self: &Rc<Self>, sid: String, live: Rc<Live>) {
        let (bosh, clock) = (self.clone(), self.clock);
        rt::spawn_guarded(
            async move {
                live.read(clock).await;
                bosh.sessions.borrow_mut().remove(&sid);
            },
            |panic| tracing::error!(panic = panic.0, "a panic in a BOSH session was caught"),
        );
    }

    fn tick(&self) {
        let now_ms = self.clock.now_ms();
        let sessions: Vec<_> = self.sessions.borrow().values().cloned().collect();
        for live in sessions {
            let mut out = Vec::new();
            live.session.borrow_mut().on_tick(now_ms, &mut out);
            live.carry_out(out);
        }
    }
}

impl Live {
    /// Reads the stream to its end.
    async fn read(self: &Rc<Self>, clock: Clock) {
        let mut room = [0; RECEIVE_BYTES];
        loop {
            while !self.session.borrow().takes_more() && !self.closing.get() {
                self.resume.notified().await;
            }
            let mut out = Vec::new();
            match self.socket.recv(&mut room) {
                Ok(0) => {
                    self.session.borrow_mut().on_stream_end(&mut out);
                    return self.carry_out(out);
                }
                Ok(count) => {
                    self.session
                        .borrow_mut()
                        .on_stream(&room[..count], clock.now_ms(), &mut out);
                    self.carry_out(out);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.readable().await.is_err() {
                        return;
                    }
                }
                Err(_) => {
                    self.session.borrow_mut().on_stream_end(&mut out);
                    return self.carry_out(out);
                }
            }
        }
    }

    fn carry_out(self: &Rc<Self>, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Answer { http, body } => {
                    self.answer(http, body);
                    self.resume.notify();
                }
                Output::Stream(bytes) => self.pending.borrow_mut().extend_from_slice(&bytes),
                Output::Close => self.closing.set(true),
            }
        }
        self.write();
    }

    /// Writes what the stream takes; a task does the rest.
    fn write(self: &Rc<Self>) {
        if self.writing.get() {
            return;
        }
        let mut pending = self.pending.borrow_mut();
        while !pending.is_empty() {
            match self.socket.send(&pending) {
                Ok(count) => drop(pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writing.set(true);
                    let live = self.clone();
                    rt::spawn(async move {
                        let _ = live.socket.writable().await;
                        live.writing.set(false);
                        live.write();
                    });
                    return;
                }
                Err(_) => pending.clear(),
            }
        }
        if self.closing.get() {
            // What was sent is still read there; whoever reads here finds the end.
            self.socket.shutdown();
            self.resume.notify();
        }
    }

    fn ask(self: &Rc<Self>, http: u64) -> Ticket {
        self.asked.borrow_mut().insert(http, Slot::Empty(None));
        Ticket {
            live: self.clone(),
            http,
        }
    }

    fn answer(&self, http: u64, body: Bytes) {
        let mut asked = self.asked.borrow_mut();
        // Whoever has gone asks again, and is told then.
        if let Some(slot) = asked.get_mut(&http)
            && let Slot::Empty(Some(waker)) = std::mem::replace(slot, Slot::Full(body))
        {
            waker.wake();
        }
    }
}

impl Ticket {
    fn poll(&self, waker: &Waker) -> Poll<Bytes> {
        match self.live.asked.borrow_mut().get_mut(&self.http) {
            Some(Slot::Full(body)) => Poll::Ready(std::mem::take(body)),
            Some(slot) => {
                *slot = Slot::Empty(Some(waker.clone()));
                Poll::Pending
            }
            None => Poll::Ready(terminate(Condition::ItemNotFound)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.live.asked.borrow_mut().remove(&self.http);
    }
}

fn xml(body: Bytes) -> Reply {
    whole(StatusCode::OK, "text/xml; charset=utf-8", body)
}
