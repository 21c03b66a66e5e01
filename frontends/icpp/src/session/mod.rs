//! The ICPP session: one client as a state machine without I/O (SPEC.md).
//!
//! ```text
//!   Opening ── preface, HELLO ──▶ Login ── AUTH ... AUTHED or RESUMED ──▶ Established ──▶ Ended
//!       │                           │                                        │
//!       └───────────── any fault: ERROR, Close ◀─────────────────────────────┘
//! ```
//! Reading order: here (the frame loop), `opening`, `login`, `established` (what a client in a session says), `inbound` (its messages),
//! `outbound` (what it is told), `rooms`, `unacked` (counting), `lifecycle` (events, time, the end).
//!
//! Invariants:
//! - No I/O, no clock, no randomness of its own.
//! - After `Close` nothing is pushed and nothing is read.

pub(crate) mod contacts;
mod credit;
mod deferred;
mod established;
mod inbound;
mod lifecycle;
mod login;
mod opening;
pub(crate) mod outbound;
mod rooms;
mod unacked;
mod write;

use std::any::Any;
use std::sync::Arc;

use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session, TlsFacts};

use crate::codec::{self, Code, Fault, Frame, Scan};
use crate::config::IcppConfig;

use established::Established;
use inbound::Run;
use login::Login;
use write::Place;

/// One client's session.
pub struct IcppSession {
    config: Arc<IcppConfig>,
    /// Which session of its link this is; 0 on ordinary links.
    slot: u16,
    state: State,
}

/// Where the session stands.
enum State {
    /// Until HELLO.
    Opening(Box<Opening>),
    /// Until the client is known and has its session.
    Login(Box<Login>),
    /// Messages flow.
    Established(Box<Established>),
    /// `Close` has been pushed.
    Ended,
}

/// What is known of a connection before its first frame.
struct Opening {
    /// The preface has come (or was somebody else's business).
    opened: bool,
    deadline_ms: u64,
    tls: Option<TlsFacts>,
    /// Passwords may be shown.
    private: bool,
}

/// What happens after a frame.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    /// The next frame may be read.
    Next,
    /// Nothing more is read for now: an answer is awaited.
    Hold,
    /// The connection ends, and the client is told why.
    Fail(Code),
    /// The client has said goodbye.
    Finish,
}

impl From<Fault> for Flow {
    fn from(fault: Fault) -> Flow {
        Flow::Fail(fault.code())
    }
}

impl IcppSession {
    /// The session of a connection that was just accepted.
    #[must_use]
    pub fn open(config: Arc<IcppConfig>, peer: &Peer, cx: &mut Context<'_>) -> IcppSession {
        let private = peer.tls.is_some() || config.listener(peer.listener).is_some_and(|listener| listener.private);
        IcppSession::begin(config, 0, false, peer.tls.clone(), private, cx)
    }

    /// The session of a client whose connection ends elsewhere and whose frames come over a trunk.
    #[must_use]
    pub fn open_on_trunk(config: Arc<IcppConfig>, slot: u16, private: bool, cx: &mut Context<'_>) -> IcppSession {
        IcppSession::begin(config, slot, true, None, private, cx)
    }

    fn begin(
        config: Arc<IcppConfig>,
        slot: u16,
        opened: bool,
        tls: Option<TlsFacts>,
        private: bool,
        cx: &mut Context<'_>,
    ) -> IcppSession {
        let deadline_ms = cx.now.ms + config.limits.login_ms;
        cx.actions.push(Action::WakeAt(deadline_ms));
        let opening = Opening {
            opened,
            deadline_ms,
            tls,
            private,
        };
        IcppSession {
            config,
            slot,
            state: State::Opening(Box::new(opening)),
        }
    }

    /// Bytes that this session occupies, its heap included, as far as it is not shared.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let state = match &self.state {
            State::Opening(_) => size_of::<Opening>(),
            State::Login(_) => size_of::<Login>(),
            State::Established(established) => size_of::<Established>() + established.heap_bytes(),
            State::Ended => 0,
        };
        size_of::<IcppSession>() + state
    }

    /// What is consumed of input for which this is not the time.
    fn unread(&mut self, input: &[u8], cx: &mut Context<'_>) -> Option<usize> {
        if matches!(self.state, State::Ended) {
            return Some(input.len());
        }
        if self.holds() {
            // Bytes may be offered before the awaited answer has come, for instance to a session that has just moved.
            cx.actions.push(Action::Pause);
            return Some(0);
        }
        None
    }

    fn holds(&self) -> bool {
        match &self.state {
            State::Opening(_) => false,
            State::Login(login) => login.holds(),
            State::Established(established) => established.holds(),
            State::Ended => true,
        }
    }

    fn frame_bytes_max(&self) -> u32 {
        match &self.state {
            State::Established(_) => self.config.limits.frame_bytes,
            _ => codec::FRAME_BYTES_BEFORE_LOGIN,
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, run: &mut Run<'_>, cx: &mut Context<'_>) -> Flow {
        if frame.header.slot != self.slot {
            return Flow::Fail(Code::Reserved);
        }
        let place = self.place();
        match &mut self.state {
            State::Opening(opening) => {
                match opening::on_frame(opening, frame, &self.config, place, cx) {
                    Ok(login) => self.state = State::Login(Box::new(login)),
                    Err(flow) => return flow,
                }
                Flow::Next
            }
            State::Login(login) => login.on_frame(frame, &self.config, place, cx),
            State::Established(established) => established.on_frame(frame, &self.config, place, run, cx),
            State::Ended => Flow::Finish,
        }
    }

    fn place(&self) -> Place {
        Place { slot: self.slot }
    }

    /// The preface, if it still has to come: how much of the input it was, or why there is none.
    fn preface(&mut self, input: &[u8]) -> Result<usize, Flow> {
        let State::Opening(opening) = &mut self.state else {
            return Ok(0);
        };
        if opening.opened {
            return Ok(0);
        }
        match codec::preface(input)? {
            codec::Opening::Partial => Ok(0),
            codec::Opening::NoCommonVersion => Err(Flow::Fail(Code::UnsupportedVersion)),
            codec::Opening::Speak(_) => {
                opening.opened = true;
                Ok(codec::PREFACE.len())
            }
        }
    }

    fn is_opened(&self) -> bool {
        !matches!(&self.state, State::Opening(opening) if !opening.opened)
    }

    /// Reads frames from the input until it waits or ends. Gives how much was consumed.
    fn read(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        let mut at = match self.preface(input) {
            Ok(consumed) => consumed,
            Err(flow) => {
                self.follow(flow, cx);
                return input.len();
            }
        };
        let mut run = Run::new(input);
        let mut frames = 0;
        while at < input.len() && self.is_opened() && !self.holds() {
            let flow = match codec::scan(&input[at..], self.frame_bytes_max()) {
                Ok(Scan::Partial) => break,
                Ok(Scan::Frame(frame)) => {
                    run.at(at);
                    at += frame.len();
                    frames += 1;
                    self.frame(&frame, &mut run, cx)
                }
                Err(fault) => fault.into(),
            };
            match flow {
                Flow::Next => {}
                Flow::Hold => break,
                flow => {
                    self.follow(flow, cx);
                    return input.len();
                }
            }
        }
        self.after_read(at, frames, cx);
        at
    }
}

impl Session for IcppSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        match self.unread(input, cx) {
            Some(consumed) => consumed,
            None => self.read(input, cx),
        }
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        self.event(event, cx);
    }

    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) {
        let place = self.place();
        let State::Established(established) = &mut self.state else {
            return lifecycle::give_back(delivery, cx);
        };
        let flow = established.deliver(delivery, &self.config, place, cx);
        self.follow(flow, cx);
    }

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        self.tick(cx);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
