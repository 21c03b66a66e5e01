//! XEP-0114 Jabber Component Protocol: the stream of a component, which answers for a whole domain.
//!
//! ```text
//!   header ──▶ our header ──▶ handshake ──▶ (moves to the domain's home) ──▶ <handshake/> ──▶ stanzas
//! ```
//!
//! Invariants:
//! - Before the handshake nothing else is read, within the bounds of a stream that has not authenticated.
//! - What a component sends comes from an address of its domain, or its stream ends by `invalid-from`.
//! - Nothing is kept for a component that is away, and nothing is acknowledged: it has no stream management.

mod handshake;
mod privilege;
mod stanzas;

use std::any::Any;
use std::sync::Arc;

use crosspoint_engine::guard::{Pace, PaceLimits};
use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session};

use crate::codec::{Frame, Scan, Scanner, Stanza};
use crate::components::Component;

use super::errors::StreamError;
use super::inbound::Run;
use super::{Flow, Shared};

/// After so much silence of ours a space is sent, so that a connection that is dead is found dead, in milliseconds.
pub const KEEP_ALIVE_MS: u64 = 60_000;
/// Bytes per second that a component may send.
pub const COMPONENT_BYTES_PER_S: u64 = 64 * 1024 * 1024;
/// Stanzas per second that a component may send.
pub const COMPONENT_STANZAS_PER_S: u64 = 100_000;

const PACE: PaceLimits = PaceLimits {
    bytes_per_s: COMPONENT_BYTES_PER_S,
    frames_per_s: COMPONENT_STANZAS_PER_S,
};

/// One component's session.
pub struct ComponentSession {
    shared: Arc<Shared>,
    scanner: Scanner,
    stage: Stage,
    header_sent: bool,
    deadline_ms: u64,
    /// Bytes read before the handshake was right.
    bytes: u64,
    pace: Pace,
    /// Reading waits for the rate to allow more.
    throttled: bool,
}

/// Where it stands.
enum Stage {
    /// The component's header.
    Header,
    /// The proof: of this component, for this stream identifier.
    Handshake(usize, String),
    /// The shard's answer.
    Attaching(usize),
    /// Stanzas flow.
    Open(usize),
    /// `Close` has been pushed.
    Ended,
}

impl ComponentSession {
    /// The session of a connection that was just accepted.
    pub fn open(shared: Arc<Shared>, _peer: &Peer, cx: &mut Context<'_>) -> ComponentSession {
        let deadline_ms = cx.now.ms + shared.config.limits.negotiation_ms;
        cx.actions.push(Action::WakeAt(deadline_ms));
        ComponentSession {
            scanner: Scanner::new(shared.config.limits.scan_before_auth()),
            shared,
            stage: Stage::Header,
            header_sent: false,
            deadline_ms,
            bytes: 0,
            pace: Pace::default(),
            throttled: false,
        }
    }

    fn component(&self, index: usize) -> Option<&Component> {
        self.shared.config.components.get(index)
    }

    fn holds(&self) -> bool {
        self.throttled || matches!(self.stage, Stage::Attaching(_) | Stage::Ended)
    }

    fn frame(&mut self, frame: &Frame<'_>, run: &mut Run<'_>, consumed: usize, cx: &mut Context<'_>) -> Flow {
        if !matches!(self.stage, Stage::Open(_)) {
            self.bytes += consumed as u64;
            if self.bytes > self.shared.config.limits.negotiation_bytes {
                return Flow::Fail(StreamError::PolicyViolation);
            }
        }
        let flow = match frame {
            Frame::Space => Flow::Next,
            Frame::Header(header) => self.on_header(header, cx),
            Frame::Stanza(stanza) => self.on_element(stanza, run, cx),
            Frame::End => Flow::Finish,
        };
        match self.pace.charge(consumed, 1, cx.now.ms, PACE) {
            Some(ready_ms) if flow == Flow::Next => {
                self.throttled = true;
                cx.actions.push(Action::Pause);
                cx.actions.push(Action::WakeAt(ready_ms));
                Flow::Hold
            }
            _ => flow,
        }
    }

    fn on_element(&mut self, stanza: &Stanza<'_>, run: &mut Run<'_>, cx: &mut Context<'_>) -> Flow {
        match self.stage {
            Stage::Handshake(..) => self.on_handshake(stanza, cx),
            Stage::Open(index) => {
                let Some(component) = self.component(index) else {
                    return Flow::Fail(StreamError::InternalServerError);
                };
                stanzas::read(stanza, &self.scanner, component, &self.shared.config, run, cx)
            }
            _ => Flow::Fail(StreamError::NotAuthorized),
        }
    }

    /// The shard has said whether this is the component now.
    fn attached(&mut self, index: usize, good: bool, cx: &mut Context<'_>) -> Flow {
        if !good {
            return Flow::Fail(StreamError::Conflict);
        }
        cx.outbox.extend_from_slice(b"<handshake/>");
        if let Some(component) = self.component(index) {
            privilege::announce(component, &self.shared.config.domain, cx.outbox);
        }
        self.stage = Stage::Open(index);
        self.scanner.set_limits(self.shared.config.limits.scan_after_auth());
        cx.actions.push(Action::WakeAt(cx.now.ms + KEEP_ALIVE_MS));
        cx.actions.push(Action::Continue);
        Flow::Next
    }

    fn attach(&self, index: usize, cx: &mut Context<'_>) {
        if let Some(component) = self.component(index) {
            let domain = component.domain.clone();
            cx.actions.push(Action::Attach { domain });
        }
    }

    fn follow(&mut self, flow: Flow, cx: &mut Context<'_>) {
        match flow {
            Flow::Next | Flow::Hold | Flow::Discard => {}
            Flow::Fail(error) => self.fail(error, cx),
            Flow::Finish => {
                if self.header_sent {
                    cx.outbox.extend_from_slice(b"</stream:stream>");
                }
                self.end(cx);
            }
        }
    }

    fn fail(&mut self, error: StreamError, cx: &mut Context<'_>) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        if !self.header_sent {
            self.write_header(None, cx);
        }
        error.write(cx.outbox, None);
        self.end(cx);
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        if matches!(std::mem::replace(&mut self.stage, Stage::Ended), Stage::Ended) {
            return;
        }
        self.scanner.reset();
        self.scanner.rest();
        cx.actions.push(Action::Close);
    }
}

impl Session for ComponentSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        if matches!(self.stage, Stage::Ended) {
            return input.len();
        }
        if self.holds() {
            cx.actions.push(Action::Pause);
            return 0;
        }
        let mut run = Run::new(input);
        let mut at = 0;
        while at < input.len() && !self.holds() {
            let scanned = self.scanner.scan(&input[at..]);
            let flow = match &scanned {
                Ok(Scan::Partial) => break,
                Ok(Scan::Frame { frame, consumed }) => {
                    at += consumed;
                    self.frame(frame, &mut run, *consumed, cx)
                }
                Err(fault) => Flow::Fail((*fault).into()),
            };
            let over = matches!(flow, Flow::Fail(_) | Flow::Finish);
            self.follow(flow, cx);
            if over {
                return input.len();
            }
        }
        at
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        let flow = match (event, &self.stage) {
            (Event::Lost, _) => return self.end(cx),
            (Event::Farewell(farewell), _) => Flow::Fail(StreamError::of(farewell, false)),
            (Event::Placed, Stage::Attaching(index)) => {
                self.attach(*index, cx);
                Flow::Next
            }
            (Event::Attached(good), Stage::Attaching(index)) => self.attached(*index, good, cx),
            _ => Flow::Next,
        };
        self.follow(flow, cx);
    }

    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) {
        if let Stage::Open(index) = self.stage
            && let Some(component) = self.component(index)
        {
            stanzas::write(delivery, &component.domain, cx.outbox);
        }
    }

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        match self.stage {
            Stage::Ended => {}
            Stage::Open(_) => {
                if std::mem::take(&mut self.throttled) {
                    cx.actions.push(Action::Continue);
                }
                cx.outbox.push(b' ');
                cx.actions.push(Action::WakeAt(cx.now.ms + KEEP_ALIVE_MS));
            }
            _ if cx.now.ms >= self.deadline_ms => self.fail(StreamError::ConnectionTimeout, cx),
            _ => cx.actions.push(Action::WakeAt(self.deadline_ms)),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
