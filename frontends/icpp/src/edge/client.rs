//! A client of the front-end role: preface and HELLO are read, everything after is passed on.
//!
//! ```text
//!   Preface ─▶ Hello ──ARRIVED──▶ Waiting ──ADMITTED──▶ Relaying ─▶ Ended
//! ```

use std::any::Any;
use std::net::IpAddr;

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::relay::Parcel;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session};
use crosspoint_engine::slots::Slot;

use crate::codec::cursor::Cursor;
use crate::codec::elsewhere::Open;
use crate::codec::hello::Hello;
use crate::codec::{
    self, Code, FRAME_BYTES, FRAME_BYTES_BEFORE_LOGIN, Fault, Frame, HEADER_BYTES, Header, Opening, Refusal, Scan,
    Verb, scan, write_frame,
};
use crate::faults::Faults;
use crate::redirect;
use crate::trunk;

use super::{HELLO_MS, label};

/// One client.
pub struct EdgeSession {
    state: State,
    peer: IpAddr,
    /// It came encrypted, or from near by.
    private: bool,
    faults: Faults,
    /// It is logged in, so its frames may be long.
    online: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preface,
    Hello,
    Waiting,
    /// At this slot.
    Relaying(u16),
    Ended,
}

/// What the front must know of a client that has said HELLO, as it is in a parcel:
///
/// ```text
/// 0 u16 account's slot   2 u8 hops   3 u8 zero   4 u16 came_from_len   6 u16 open_len   8 came_from | body of OPEN | HELLO, the whole frame
/// ```
pub(super) struct Arrival<'a> {
    pub(super) judged: redirect::Arrival<'a>,
    pub(super) open: &'a [u8],
    pub(super) hello: &'a [u8],
}

impl<'a> Arrival<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Arrival<'a>, Fault> {
        let mut cursor = Cursor::new(bytes);
        let (slot, hops) = (cursor.u16()?, cursor.u8()?);
        cursor.zero(1)?;
        let (came_from, open) = (cursor.u16()?, cursor.u16()?);
        let came_from = cursor.text(came_from.into())?;
        let came_from = Some(came_from).filter(|node| !node.is_empty());
        let judged = redirect::Arrival { slot, hops, came_from };
        let open = cursor.take(open.into())?;
        let hello = cursor.rest();
        Ok(Arrival { judged, open, hello })
    }

    fn write(hello: &Hello<'_>, account: &Jid, open: &Open<'_>, frame: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        open.write(&mut body);
        let came_from = hello.came_from.unwrap_or_default();
        let mut out = Vec::with_capacity(8 + came_from.len() + body.len() + frame.len());
        out.extend_from_slice(&Slot::of(account).number().to_le_bytes());
        out.extend_from_slice(&[hello.hops, 0]);
        out.extend_from_slice(&(came_from.len() as u16).to_le_bytes());
        out.extend_from_slice(&(body.len() as u16).to_le_bytes());
        out.extend_from_slice(came_from.as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(frame);
        out
    }
}

impl EdgeSession {
    /// Of a connection that was just accepted. `private`: its listener is near by.
    #[must_use]
    pub fn open(peer: &Peer, private: bool, faults: Faults, cx: &mut Context<'_>) -> EdgeSession {
        cx.actions.push(Action::WakeAt(cx.now.ms + HELLO_MS));
        EdgeSession {
            state: State::Preface,
            peer: peer.address,
            private: private || peer.tls.is_some(),
            faults,
            online: false,
        }
    }

    fn begin(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Code> {
        let mut at = 0;
        if self.state == State::Preface {
            match codec::preface(input).map_err(Fault::code)? {
                Opening::Partial => return Ok(0),
                Opening::NoCommonVersion => return Err(Code::UnsupportedVersion),
                Opening::Speak(_) => at = codec::PREFACE.len(),
            }
            self.state = State::Hello;
        }
        let rest = &input[at..];
        let Scan::Frame(frame) = scan(rest, FRAME_BYTES_BEFORE_LOGIN).map_err(Fault::code)? else {
            return Ok(at);
        };
        let parcel = self.hello(&frame, &rest[..frame.len()])?;
        self.state = State::Waiting;
        // What follows is read when the front has said at which slot.
        cx.actions.push(Action::Pause);
        cx.actions.push(Action::Relay(parcel));
        Ok(at + frame.len())
    }

    fn hello(&self, frame: &Frame<'_>, whole: &[u8]) -> Result<Parcel, Code> {
        if frame.header.slot != 0 {
            return Err(Code::Reserved);
        }
        if frame.verb().map_err(Fault::code)? != Some(Verb::Hello) {
            return Err(Code::UnexpectedVerb);
        }
        let hello = Hello::read(frame.body).map_err(Fault::code)?;
        if hello.trunk.is_some() {
            return Err(Code::UnexpectedVerb);
        }
        let account = Jid::parse(hello.account).map_err(|_| Code::Malformed)?;
        let address = self.peer.to_string();
        let open = Open {
            peer: &address,
            secure: self.private,
        };
        Ok(Parcel {
            label: label::ARRIVED,
            bytes: Arrival::write(&hello, &account, &open, whole).into(),
        })
    }

    /// Passes whole frames on. They are copied once, and get the client's slot in the copy.
    fn relay(&self, slot: u16, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Code> {
        let bytes_max = if self.online {
            FRAME_BYTES
        } else {
            FRAME_BYTES_BEFORE_LOGIN
        };
        let mut at = 0;
        let mut copy = Vec::new();
        let outcome = loop {
            let frame = match scan(&input[at..], bytes_max) {
                Ok(Scan::Frame(frame)) => frame,
                Ok(Scan::Partial) => break Ok(at),
                Err(fault) => break Err(fault.code()),
            };
            if frame.header.slot != 0 {
                break Err(Code::Reserved);
            }
            if trunk::is_for_trunks(frame.header.verb) {
                break Err(Code::UnexpectedVerb);
            }
            if copy.is_empty() {
                copy = input[at..].to_vec();
            }
            copy[at + 6..at + 8].copy_from_slice(&slot.to_le_bytes());
            at += frame.len();
        };
        copy.truncate(at);
        if !copy.is_empty() {
            cx.actions.push(Action::Relay(Parcel {
                label: label::SAID,
                bytes: Bytes::from(copy),
            }));
        }
        outcome
    }

    /// The connection ends by this side's doing. Whoever has a slot is told by the front, which knows what was said.
    fn end(&mut self, code: Code, cx: &mut Context<'_>) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        if state != State::Ended {
            self.faults.count(code);
        }
        match state {
            State::Ended => return,
            State::Preface | State::Hello => {
                write_frame(cx.outbox, Header::push(Verb::Error, 0), |out| {
                    Refusal::fatal(code).write(out)
                });
            }
            State::Waiting | State::Relaying(_) => cx.actions.push(Action::Relay(Parcel {
                label: label::LEFT,
                bytes: Bytes::copy_from_slice(&(code as u16).to_le_bytes()),
            })),
        }
        cx.actions.push(Action::Close);
    }

    fn lost(&mut self, cx: &mut Context<'_>) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        if matches!(state, State::Waiting | State::Relaying(_)) {
            cx.actions.push(Action::Relay(Parcel::bare(label::LEFT)));
        }
        if state != State::Ended {
            cx.actions.push(Action::Close);
        }
    }

    fn told(&mut self, parcel: &Parcel, cx: &mut Context<'_>) {
        match (parcel.label, &parcel.bytes[..], self.state) {
            (label::ADMITTED, [low, high], State::Waiting) => {
                self.state = State::Relaying(u16::from_le_bytes([*low, *high]));
                cx.actions.push(Action::Continue);
            }
            (label::ONLINE, _, _) => self.online = true,
            (label::DISMISSED, _, State::Waiting | State::Relaying(_)) => {
                self.state = State::Ended;
                cx.actions.push(Action::Close);
            }
            _ => {}
        }
    }
}

impl Session for EdgeSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        let outcome = match self.state {
            State::Preface | State::Hello => self.begin(input, cx),
            State::Waiting => {
                cx.actions.push(Action::Pause);
                Ok(0)
            }
            State::Relaying(slot) => self.relay(slot, input, cx),
            State::Ended => Ok(input.len()),
        };
        outcome.unwrap_or_else(|code| {
            self.end(code, cx);
            input.len()
        })
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Relayed(parcel) => self.told(&parcel, cx),
            Event::Drained if matches!(self.state, State::Relaying(_)) => {
                cx.actions.push(Action::Relay(Parcel::bare(label::READS)));
            }
            Event::Lost => self.lost(cx),
            Event::Farewell(why) => self.end(trunk::farewell(why), cx),
            _ => {}
        }
    }

    fn on_deliver(&mut self, _delivery: &Delivery<'_>, _cx: &mut Context<'_>) {}

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Preface | State::Hello) {
            self.end(Code::IdleTimeout, cx);
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const _: () = assert!(HEADER_BYTES > 8, "a slot is within a header");
