//! The XMPP session: one client's stream as a state machine without I/O (RFC 6120, RFC 6121).
//!
//! ```text
//!   Negotiating ── header, STARTTLS, header, SASL, header, (register) ──▶ bind ──▶ Established ──▶ Ended
//!        │                                                    └─ or resume ─┘           │
//!        └──────────────────────── any fault: stream error, Close ◀─────────────────────┘
//! ```
//!
//! Frames come from the scanner, one at a time; each phase answers with a [`Flow`]. What a phase cannot decide alone is
//! asked of the shard by an action, and reading holds until its event has come.
//!
//! Invariants:
//! - No I/O, no clock, no randomness of its own.
//! - Our stream header goes out before anything else, a stream error included.
//! - After `Close` nothing is pushed and nothing is read.

mod bind;
mod bind2;
mod client_state;
pub mod component;
mod deliver;
pub(crate) use deliver::stanza as write_stanza;
mod errors;
mod established;
mod fast;
mod inbound;
mod kept;
mod lifecycle;
mod managed;
mod negotiate;
mod presence;
mod register;
mod routing;
mod sasl;
mod sasl2;
mod sasl_upgrade;
mod sasl_words;
mod starttls;
mod stream_features;
mod stream_management;

use std::any::Any;
use std::sync::Arc;

use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session};

use crate::codec::{Frame, Scan, Scanner};
use crate::config::XmppConfig;

pub(crate) use deliver::forward;
use errors::StreamError;
use established::Established;
use inbound::Run;
use negotiate::Negotiation;

/// What all sessions of a front-end share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration.
    pub config: Arc<XmppConfig>,
    /// The `<c/>` element by which the server announces its capabilities (XEP-0115).
    pub caps: String,
}

/// One client's session.
pub struct XmppSession {
    shared: Arc<Shared>,
    scanner: Scanner,
    state: State,
}

/// Where the session stands.
enum State {
    /// Until a resource is bound or an earlier session resumed.
    Negotiating(Box<Negotiation>),
    /// Stanzas flow.
    Established(Established),
    /// `Close` has been pushed.
    Ended,
}

/// What happens after a frame.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    /// The next frame may be read.
    Next,
    /// Nothing more is read for now: an answer is awaited.
    Hold,
    /// What else has arrived is thrown away (STARTTLS).
    Discard,
    /// The stream ends by an error.
    Fail(StreamError),
    /// The stream ends as it should.
    Finish,
}

impl XmppSession {
    /// The session of a connection that was just accepted.
    pub fn open(shared: Arc<Shared>, peer: &Peer, cx: &mut Context<'_>) -> XmppSession {
        let limits = &shared.config.limits;
        let negotiation = Negotiation::new(peer, cx.now.ms + limits.negotiation_ms);
        cx.actions.push(Action::WakeAt(cx.now.ms + limits.negotiation_ms));
        let scanner = Scanner::new(limits.scan_before_auth());
        XmppSession {
            shared,
            scanner,
            state: State::Negotiating(Box::new(negotiation)),
        }
    }

    /// What is consumed of input for which this is not the time.
    fn unread(&mut self, input: &[u8], cx: &mut Context<'_>) -> Option<usize> {
        if matches!(self.state, State::Ended) {
            return Some(input.len());
        }
        if matches!(&self.state, State::Negotiating(negotiation) if negotiation.is_between_streams()) {
            return Some(input.len());
        }
        if self.holds() {
            // Bytes may be offered before the awaited answer has come, for instance to a session that has just moved.
            cx.actions.push(Action::Pause);
            return Some(0);
        }
        None
    }

    /// Bytes that this session occupies, its heap included, as far as it is not shared: for metrics and the limit's test.
    pub fn memory_bytes(&self) -> usize {
        let state = match &self.state {
            State::Negotiating(_) => size_of::<Negotiation>(),
            State::Established(established) => established.heap_bytes(),
            State::Ended => 0,
        };
        size_of::<XmppSession>() - size_of::<Scanner>() + self.scanner.memory_bytes() + state
    }

    fn frame(&mut self, frame: &Frame<'_>, run: &mut Run<'_>, consumed: usize, cx: &mut Context<'_>) -> Flow {
        let config = &*self.shared.config;
        match &mut self.state {
            State::Negotiating(negotiation) => negotiation.on_frame(frame, &self.scanner, &self.shared, consumed, cx),
            State::Established(established) => established.on_frame(frame, &self.scanner, config, run, consumed, cx),
            State::Ended => Flow::Finish,
        }
    }

    fn holds(&self) -> bool {
        match &self.state {
            State::Negotiating(negotiation) => negotiation.holds(),
            State::Established(established) => established.holds(),
            State::Ended => true,
        }
    }
}

impl Session for XmppSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        if let Some(consumed) = self.unread(input, cx) {
            return consumed;
        }
        let mut run = Run::new(input);
        let mut at = 0;
        if let State::Established(established) = &mut self.state {
            established.heard(cx.now.ms);
            lifecycle::wake_after_rest(established, cx);
        }
        while at < input.len() && !self.holds() {
            // A frame is large, and stays where the scanner has put it.
            let scanned = self.scanner.scan(&input[at..]);
            let flow = match &scanned {
                Ok(Scan::Partial) => break,
                Ok(Scan::Frame { frame, consumed }) => {
                    at += consumed;
                    self.frame(frame, &mut run, *consumed, cx)
                }
                Err(fault) => Flow::Fail((*fault).into()),
            };
            match flow {
                Flow::Next => {}
                Flow::Hold => break,
                Flow::Discard => return input.len(),
                Flow::Fail(error) => {
                    self.fail(error, cx);
                    return input.len();
                }
                Flow::Finish => {
                    self.finish(cx);
                    return input.len();
                }
            }
        }
        at
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        self.event(event, cx);
    }

    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) {
        let State::Established(established) = &mut self.state else {
            return lifecycle::give_back(delivery, cx);
        };
        if let Some(error) = established.deliver(delivery, &self.shared.config, cx) {
            self.fail(error, cx);
        }
    }

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        self.tick(cx);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
