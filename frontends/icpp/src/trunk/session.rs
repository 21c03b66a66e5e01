//! The back-end's end of a trunk.
//!
//! ```text
//!   Preface ─▶ Hello ─▶ Proof ─▶ Placing ──Placed──▶ Serving ─▶ Ended
//! ```
//! Invariants:
//! - A session's frames go to its passenger as they are: nothing but their header is looked at.
//! - A slot is open from OPEN until CLOSE has been sent for it. Frames for others are late, and dropped.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use crosspoint_engine::relay::Parcel;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Farewell, Peer, Session, TlsFacts};

use crate::codec::cursor::Cursor;
use crate::codec::elsewhere::{Node, Open};
use crate::codec::hello::{Auth, Hello, Welcome};
use crate::codec::{self, Code, Flags, Frame, Header, Opening, Refusal, Scan, VERSION, Verb, scan, write_frame};

use super::counted::Counted;
use super::feeding::{Feeding, Slots};
use super::nodes::Joined;
use super::{LOGIN_MS, NODE_BYTES_MAX, REDIRECT, SILENCE_MS, TICK_MS, TRUNK_FRAME_BYTES_MAX, TrunkConfig, push};

/// A front-end's trunk.
pub struct TrunkSession {
    config: Arc<TrunkConfig>,
    state: State,
    listener: usize,
    /// When something arrived last.
    heard_ms: u64,
    /// Slots in use.
    open: Slots,
    /// The server ends: the trunk does when its sessions have.
    leaving: bool,
    /// While it is up.
    counted: Option<Counted>,
}

enum State {
    Preface,
    Hello,
    Proof(Claim),
    Placing { request: u32, joined: Joined },
    Serving(Joined),
    Ended,
}

/// What has been said and not proved yet.
struct Claim {
    node: String,
    shard: u16,
    nonce: [u8; 32],
}

impl TrunkSession {
    /// Of a connection that was just accepted.
    #[must_use]
    pub fn open(config: Arc<TrunkConfig>, peer: &Peer, cx: &mut Context<'_>) -> TrunkSession {
        cx.actions.push(Action::WakeAt(cx.now.ms + LOGIN_MS));
        TrunkSession {
            config,
            state: State::Preface,
            listener: peer.listener,
            heard_ms: cx.now.ms,
            open: Slots::default(),
            leaving: false,
            counted: None,
        }
    }

    fn read(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Code> {
        let mut at = 0;
        if matches!(self.state, State::Preface) {
            match codec::preface(input).map_err(|fault| fault.code())? {
                Opening::Partial => return Ok(0),
                Opening::NoCommonVersion => return Err(Code::UnsupportedVersion),
                Opening::Speak(_) => at = codec::PREFACE.len(),
            }
            self.state = State::Hello;
        }
        let mut feeding = Feeding::of(input);
        let outcome = self.read_frames(at, &mut feeding, cx);
        // What came before a fault was right.
        feeding.flush(cx.actions);
        outcome
    }

    fn read_frames(&mut self, mut at: usize, feeding: &mut Feeding<'_>, cx: &mut Context<'_>) -> Result<usize, Code> {
        while !matches!(self.state, State::Placing { .. } | State::Ended) {
            let frame = match scan(&feeding.input[at..], self.frame_bytes_max()) {
                Ok(Scan::Frame(frame)) => frame,
                Ok(Scan::Partial) => break,
                Err(fault) => return Err(fault.code()),
            };
            let end = at + frame.len();
            if frame.header.slot == 0 {
                feeding.flush(cx.actions);
                self.own(&frame, cx)?;
            } else if !matches!(self.state, State::Serving(_)) {
                return Err(Code::UnexpectedVerb);
            } else if super::is_for_trunks(frame.header.verb) {
                feeding.flush(cx.actions);
                self.about_session(&frame, cx)?;
            } else if self.open.has(frame.header.slot) {
                feeding.add(frame.header.slot, at, end, cx.actions);
            }
            at = end;
        }
        Ok(at)
    }

    fn frame_bytes_max(&self) -> u32 {
        match self.state {
            State::Serving(_) => TRUNK_FRAME_BYTES_MAX,
            _ => codec::FRAME_BYTES_BEFORE_LOGIN,
        }
    }

    /// A frame of the trunk itself.
    fn own(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let verb = frame.verb().map_err(|fault| fault.code())?;
        match (&self.state, verb) {
            (_, None | Some(Verb::Pong)) => Ok(()),
            (State::Hello, Some(Verb::Hello)) => self.hello(frame, cx),
            (State::Proof(_), Some(Verb::Auth)) => self.proof(frame, cx),
            (State::Serving(_), Some(Verb::Ping)) => {
                let header = Header {
                    flags: Flags::RESP,
                    id: frame.header.id,
                    ..push(Verb::Pong, 0)
                };
                write_frame(cx.outbox, header, |_| {});
                Ok(())
            }
            (State::Serving(joined), Some(Verb::Topology)) => {
                let mut cursor = Cursor::new(frame.body);
                joined.tell(&Node::read(&mut cursor).map_err(|fault| fault.code())?);
                cursor.end().map_err(|fault| fault.code())
            }
            (State::Serving(_), Some(Verb::Bye)) => {
                self.end(cx);
                Ok(())
            }
            _ => Err(Code::UnexpectedVerb),
        }
    }

    fn hello(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let hello = Hello::read(frame.body).map_err(|fault| fault.code())?;
        let node = hello
            .trunk
            .filter(|node| node.len() <= NODE_BYTES_MAX)
            .ok_or(Code::UnexpectedVerb)?;
        let shard = hello
            .shard
            .filter(|shard| *shard < self.config.shards)
            .ok_or(Code::Malformed)?;
        let mut nonce = [0; 32];
        cx.random.fill(&mut nonce);
        let welcome = Welcome {
            version: VERSION,
            node: &self.config.node,
            mechanisms: "TRUNK",
            frame_max: TRUNK_FRAME_BYTES_MAX,
            nonce: Some(nonce),
            shards: Some(self.config.shards),
            ..Welcome::default()
        };
        write_frame(cx.outbox, push(Verb::Welcome, 0), |out| welcome.write(out));
        self.state = State::Proof(Claim {
            node: node.to_owned(),
            shard,
            nonce,
        });
        Ok(())
    }

    fn proof(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let State::Proof(claim) = &self.state else {
            return Err(Code::UnexpectedVerb);
        };
        let auth = Auth::read(frame.body).map_err(|fault| fault.code())?;
        let proof = auth.data.unwrap_or_default();
        if auth.mechanism != Some("TRUNK") || !self.config.key.is_proved(&claim.nonce, &claim.node, proof) {
            cx.actions.push(Action::AuthFailed { account: None });
            return Err(Code::NotAuthorized);
        }
        let joined = self.config.nodes.join(&claim.node).ok_or(Code::TooMany)?;
        let shard = claim.shard;
        let request = frame.header.id;
        self.state = State::Placing { request, joined };
        cx.actions.push(Action::Place { shard });
        Ok(())
    }

    fn placed(&mut self, cx: &mut Context<'_>) {
        let State::Placing { request, joined } = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let header = Header {
            flags: Flags::RESP,
            id: request,
            ..push(Verb::Authed, 0)
        };
        write_frame(cx.outbox, header, |_| {});
        tracing::info!(node = joined.node(), "a trunk has come");
        self.state = State::Serving(joined);
        self.counted = Some(Counted::of(&self.config.figures));
        self.heard_ms = cx.now.ms;
        cx.actions.push(Action::WakeAt(cx.now.ms + TICK_MS));
    }

    /// A frame of the trunk's about one of its sessions.
    fn about_session(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), Code> {
        let (key, open) = (frame.header.slot, self.open.has(frame.header.slot));
        match Verb::from_number(frame.header.verb) {
            Some(Verb::Open) if !open => self.embark(key, frame.body, cx),
            Some(Verb::Close) if open => {
                cx.actions.push(Action::Disembark { key });
                Ok(())
            }
            Some(Verb::Hold) if open => {
                let held = match frame.body {
                    [0] => false,
                    [1] => true,
                    _ => return Err(Code::Malformed),
                };
                cx.actions.push(Action::HoldPassenger { key, held });
                Ok(())
            }
            Some(Verb::Redirect) if open => {
                let parcel = Parcel {
                    label: REDIRECT,
                    bytes: Bytes::copy_from_slice(frame.body),
                };
                cx.actions.push(Action::Tell { key, parcel });
                Ok(())
            }
            // Late: it was closed meanwhile.
            Some(Verb::Close | Verb::Hold | Verb::Redirect) => Ok(()),
            _ => Err(Code::UnexpectedVerb),
        }
    }

    fn embark(&mut self, key: u16, body: &[u8], cx: &mut Context<'_>) -> Result<(), Code> {
        let State::Serving(joined) = &self.state else {
            return Err(Code::UnexpectedVerb);
        };
        let open = Open::read(body).map_err(|fault| fault.code())?;
        let peer = Peer {
            address: open.peer.parse().map_err(|_| Code::Malformed)?,
            tls: open.secure.then(TlsFacts::default),
            listener: self.listener,
        };
        let note = Bytes::copy_from_slice(joined.node().as_bytes());
        self.open.set(key, true);
        if let Some(counted) = &mut self.counted {
            counted.embarked();
        }
        cx.actions.push(Action::Embark { key, peer, note });
        Ok(())
    }

    fn passenger_gone(&mut self, key: u16, refused: bool, cx: &mut Context<'_>) {
        if !self.open.has(key) {
            return;
        }
        self.open.set(key, false);
        if let Some(counted) = &mut self.counted {
            counted.disembarked();
        }
        if refused {
            let refusal = Refusal {
                temporary: true,
                ..Refusal::fatal(Code::TooMany)
            };
            write_frame(cx.outbox, push(Verb::Error, key), |out| refusal.write(out));
        }
        write_frame(cx.outbox, push(Verb::Close, key), |_| {});
        self.leave_when_empty(cx);
    }

    fn leave_when_empty(&mut self, cx: &mut Context<'_>) {
        if self.leaving && self.open.is_empty() {
            self.fail(Code::Shutdown, cx);
        }
    }

    fn fail(&mut self, code: Code, cx: &mut Context<'_>) {
        self.config.figures.faults.count(code);
        tracing::warn!(code = code.name(), "a trunk ends");
        write_frame(cx.outbox, push(Verb::Error, 0), |out| Refusal::fatal(code).write(out));
        self.end(cx);
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Ended) {
            self.state = State::Ended;
            self.counted = None;
            cx.actions.push(Action::Close);
        }
    }
}

impl Session for TrunkSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        if matches!(self.state, State::Ended) {
            return input.len();
        }
        self.heard_ms = cx.now.ms;
        match self.read(input, cx) {
            Ok(consumed) => {
                if let Some(counted) = &mut self.counted {
                    counted.heard(consumed);
                }
                consumed
            }
            Err(code) => {
                self.fail(code, cx);
                input.len()
            }
        }
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Placed => self.placed(cx),
            Event::PassengerGone { key, refused } => self.passenger_gone(key, refused, cx),
            Event::PassengerBehind { key, behind } if self.open.has(key) => {
                write_frame(cx.outbox, push(Verb::Hold, key), |out| out.push(u8::from(behind)));
            }
            Event::Lost => self.end(cx),
            Event::Farewell(_) if matches!(self.state, State::Ended) => {}
            Event::Farewell(Farewell::Shutdown) => {
                self.leaving = true;
                self.leave_when_empty(cx);
            }
            Event::Farewell(why) => self.fail(farewell(why), cx),
            _ => {}
        }
    }

    fn on_deliver(&mut self, _delivery: &Delivery<'_>, _cx: &mut Context<'_>) {}

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Serving(_) if self.heard_ms + SILENCE_MS > cx.now.ms => {
                let nodes = &self.config.nodes;
                if let Some(counted) = &mut self.counted {
                    counted.tick();
                }
                write_frame(cx.outbox, push(Verb::Topology, 0), |out| nodes.write(cx.now.ms, out));
                cx.actions.push(Action::WakeAt(cx.now.ms + TICK_MS));
            }
            State::Ended => {}
            _ => self.fail(Code::IdleTimeout, cx),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// How the end of a session is told.
pub(crate) fn farewell(why: Farewell) -> Code {
    match why {
        Farewell::Shutdown => Code::Shutdown,
        Farewell::Replaced => Code::Replaced,
        Farewell::AccountChanged => Code::AccountChanged,
        Farewell::Policy => Code::SlowConsumer,
        Farewell::Timeout => Code::IdleTimeout,
        Farewell::Internal => Code::Internal,
    }
}
