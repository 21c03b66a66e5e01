//! The front-end's end of a trunk.
//!
//! ```text
//!   Hello ──WELCOME──▶ Proof ──AUTHED──▶ Up ─▶ Ended
//! ```
//! Invariant: what is passed to the front are whole frames of slots other than 0.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use crosspoint_engine::relay::Parcel;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Session};

use crate::codec::hello::{Auth, Hello, Welcome};
use crate::codec::{Code, Fault, Flags, Frame, Header, PREFACE, Refusal, Scan, Verb, scan, write_frame};
use crate::trunk::{LOGIN_MS, SILENCE_MS, TICK_MS, TRUNK_FRAME_BYTES_MAX, push};

use super::{EdgeConfig, label};

/// A trunk to one shard of the back-end.
pub struct EdgeTrunk {
    config: Arc<EdgeConfig>,
    state: State,
    heard_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hello,
    Proof,
    Up,
    Ended,
}

/// The only request that this end makes.
const REQUEST: u32 = 1;

impl EdgeTrunk {
    /// Over a connection that was just made, for this shard.
    #[must_use]
    pub fn open(config: Arc<EdgeConfig>, shard: u16, cx: &mut Context<'_>) -> EdgeTrunk {
        cx.outbox.extend_from_slice(&PREFACE);
        let hello = Hello {
            trunk: Some(&config.node),
            shard: Some(shard),
            ..Hello::default()
        };
        write_frame(cx.outbox, push(Verb::Hello, 0), |out| hello.write(out));
        cx.actions.push(Action::WakeAt(cx.now.ms + LOGIN_MS));
        EdgeTrunk {
            config,
            state: State::Hello,
            heard_ms: cx.now.ms,
        }
    }

    fn read(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Code> {
        let (mut at, mut from) = (0, 0);
        let pass = |from: usize, to: usize, cx: &mut Context<'_>| {
            if from < to {
                cx.actions.push(Action::Relay(Parcel {
                    label: label::HEARD,
                    bytes: Bytes::copy_from_slice(&input[from..to]),
                }));
            }
        };
        while self.state != State::Ended {
            let frame = match scan(&input[at..], TRUNK_FRAME_BYTES_MAX) {
                Ok(Scan::Frame(frame)) => frame,
                Ok(Scan::Partial) => break,
                Err(fault) => return Err(fault.code()),
            };
            let end = at + frame.len();
            if frame.header.slot == 0 {
                pass(from, at, cx);
                from = end;
                self.own(&frame, cx)?;
            } else if self.state != State::Up {
                return Err(Code::UnexpectedVerb);
            }
            at = end;
        }
        pass(from, at, cx);
        Ok(at)
    }

    fn own(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let verb = frame.verb().map_err(Fault::code)?;
        match (self.state, verb) {
            (_, None | Some(Verb::Pong)) => {}
            (State::Hello, Some(Verb::Welcome)) => self.prove(frame, cx)?,
            (State::Proof, Some(Verb::Authed)) => {
                self.state = State::Up;
                cx.actions.push(Action::Relay(Parcel::bare(label::UP)));
                cx.actions.push(Action::WakeAt(cx.now.ms + TICK_MS));
            }
            (State::Up, Some(Verb::Topology)) => cx.actions.push(Action::Relay(Parcel {
                label: label::NODES,
                bytes: Bytes::copy_from_slice(frame.body),
            })),
            (State::Up, Some(Verb::Ping)) => {
                let header = Header {
                    flags: Flags::RESP,
                    id: frame.header.id,
                    ..push(Verb::Pong, 0)
                };
                write_frame(cx.outbox, header, |_| {});
            }
            (_, Some(Verb::Error | Verb::Bye)) => {
                let why = Refusal::read(frame.body).ok().and_then(|refusal| refusal.known());
                let code = why.map_or("?", Code::name);
                tracing::warn!(code, node = self.config.node, "the back-end has ended a trunk");
                self.end(cx);
            }
            _ => return Err(Code::UnexpectedVerb),
        }
        Ok(())
    }

    fn prove(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let welcome = Welcome::read(frame.body).map_err(Fault::code)?;
        let (Some(nonce), Some(shards)) = (welcome.nonce, welcome.shards) else {
            return Err(Code::Malformed);
        };
        let proof = self.config.key.prove(&nonce, &self.config.node);
        let auth = Auth {
            mechanism: Some("TRUNK"),
            data: Some(&proof),
        };
        let header = Header {
            flags: Flags::REQ,
            id: REQUEST,
            ..push(Verb::Auth, 0)
        };
        write_frame(cx.outbox, header, |out| auth.write(out));
        self.state = State::Proof;
        cx.actions.push(Action::Relay(Parcel {
            label: label::WELCOMED,
            bytes: Bytes::copy_from_slice(&shards.to_le_bytes()),
        }));
        Ok(())
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        if self.state != State::Ended {
            self.state = State::Ended;
            cx.actions.push(Action::Relay(Parcel::bare(label::DOWN)));
            cx.actions.push(Action::Close);
        }
    }
}

impl Session for EdgeTrunk {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        if self.state == State::Ended {
            return input.len();
        }
        self.heard_ms = cx.now.ms;
        match self.read(input, cx) {
            Ok(consumed) => consumed,
            Err(code) => {
                tracing::warn!(
                    code = code.name(),
                    "the back-end does not speak as it should: a trunk ends"
                );
                self.end(cx);
                input.len()
            }
        }
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Drained => cx.actions.push(Action::Relay(Parcel::bare(label::ROOM))),
            Event::Lost | Event::Farewell(_) => self.end(cx),
            _ => {}
        }
    }

    fn on_deliver(&mut self, _delivery: &Delivery<'_>, _cx: &mut Context<'_>) {}

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Up if self.heard_ms + SILENCE_MS > cx.now.ms => {
                cx.actions.push(Action::WakeAt(cx.now.ms + TICK_MS));
            }
            State::Ended => {}
            _ => {
                tracing::warn!("the back-end is silent: a trunk ends");
                self.end(cx);
            }
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
