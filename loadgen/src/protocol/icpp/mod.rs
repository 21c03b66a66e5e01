//! ICPP (frontends/icpp/SPEC.md) from the client's side, without I/O.
//!
//! ```text
//! bytes ─▶ frame ─┬─ the common DELIVER: fixed places, compared byte by byte ─▶ Message
//!                 └─ anything else: login (until there is a session) | session ─▶ Event
//! ```
//!
//! A message's payload is its mark and its body. What the server has accepted is told as [`Event::Acked`] when all that was
//! read has been looked at, so once for each read. What is heard is acknowledged by whatever is said next; if nothing is, by
//! ACCEPTED: at once if it is half of what the server leaves outstanding, else when [`Client::owes`] is asked. A `bare`
//! client has no login, hears what the other has sent, and acknowledges nothing: for the relay of perf/floor.
//!
//! Invariants: what leaves [`Icpp::next`] as a message of ours is what was written for this user, to the last byte. A frame
//! is counted once, however many events it means. The steady state allocates nothing.

mod common;
mod flow;
mod heard;
mod login;
mod write;

#[cfg(test)]
mod plays;

pub use common::Common;

use crosspoint_icpp::codec::contacts::{Roster, roster_op};
use crosspoint_icpp::codec::hello::Authed;
use crosspoint_icpp::codec::sync::Synced;
use crosspoint_icpp::codec::{
    self, Code, FRAME_BYTES, FRAME_BYTES_BEFORE_LOGIN, Fault, Flags, Frame, Header, Message, Scan, Verb, scan,
    write_frame,
};

use self::flow::Flow;
use self::login::{Kept, Login, Said};
use self::write::{Request, exchange};
use super::scram::Salted;
use super::{Client, Event, Filler, MARK_BYTES, Mark, Presence, Refusal, To, Wants, guess};
use crate::plan::Plan;

/// Whatever a server allows itself, a frame above this is not waited for.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// An ICPP client; see the module.
#[derive(Debug)]
pub struct Icpp {
    user: u32,
    flow: Flow,
    frame_bytes: u32,
    /// There is a session: frames count.
    on: bool,
    /// What waited has been asked for.
    synced: bool,
    /// Bytes of the present frame's body whose events have been told.
    walked: u32,
    heartbeat_s: u16,
    /// How long nothing has been said.
    silent_s: u16,
    /// Names the server's log.
    epoch: u64,
    /// Requests made by now.
    requests: u32,
    /// Until the session is ready.
    login: Option<Box<Login>>,
    kept: Option<Box<Kept>>,
    /// For the next login.
    salted: Option<Box<Salted>>,
}

impl Client for Icpp {
    const ACKS_ALL: bool = false;
    const ACKS_UNASKED: bool = true;
    type Common = Common;

    fn common(plan: &Plan) -> anyhow::Result<Common> {
        Ok(Common::new(plan))
    }

    fn new(user: u32, _: &Common) -> Self {
        Self {
            user,
            flow: Flow::new(),
            frame_bytes: FRAME_BYTES,
            on: false,
            synced: false,
            walked: 0,
            heartbeat_s: 0,
            silent_s: 0,
            epoch: 0,
            requests: 0,
            login: None,
            kept: None,
            salted: None,
        }
    }

    fn open(&mut self, common: &Common, wants: Wants, encrypted: bool, out: &mut Vec<u8>) -> bool {
        (self.walked, self.silent_s, self.on) = (0, 0, common.bare);
        if common.bare {
            return true;
        }
        self.frame_bytes = FRAME_BYTES_BEFORE_LOGIN;
        if !self.is_broken() {
            self.flow.begin();
        }
        let (ack, whose) = (self.flow.ack(), (self.user, wants, encrypted));
        let login = Login::begin(common, whose, self.kept.as_deref_mut(), ack, out);
        self.login = Some(Box::new(login));
        false
    }

    #[inline]
    fn next(&mut self, common: &Common, input: &[u8], out: &mut Vec<u8>) -> Result<(Event, usize), Refusal> {
        let Scan::Frame(frame) = scan(input, self.frame_bytes).map_err(|fault| self.no_frame(fault, input))? else {
            return Ok((self.news(), 0));
        };
        let header = &frame.header;
        if header.verb == common.delivery() as u8
            && self.on
            && header.slot == 0
            && let Some(mark) = heard::common_message(frame.body, self.user, common)
        {
            self.flow.confirm(header.ack)?;
            if !common.bare {
                self.hear(&frame, out);
            }
            return Ok((Event::Message(mark), frame.len()));
        }
        self.frame(&frame, common, out)
    }

    #[inline]
    fn message(&mut self, common: &Common, to: To, mark: Mark, out: &mut Vec<u8>) {
        let (flags, ack) = (self.flow.send(), self.ack());
        write::message(common, to, mark, flags, ack, out);
    }

    /// What waits is asked for as soon as the user is there.
    fn presence(&mut self, common: &Common, presence: Presence, out: &mut Vec<u8>) {
        if !self.synced && presence != Presence::Unavailable {
            self.synced = true;
            let header = self.request(Verb::Sync, Request::Sync);
            write::sync(self.epoch, header, out);
        }
        write::presence(common, presence, self.ack(), out);
    }

    /// The server does that without being asked.
    fn ask_ack(&mut self, _: &mut Vec<u8>) {}

    fn typing(&mut self, common: &Common, to: To, out: &mut Vec<u8>) {
        write::typing(common, to, self.ack(), out);
    }

    fn join(&mut self, common: &Common, room: u32, out: &mut Vec<u8>) {
        // Whether it was sent before makes no difference to a room.
        let _ = self.flow.send();
        write::join(common, room, self.user, self.ack(), out);
    }

    fn active(&mut self, active: bool, out: &mut Vec<u8>) {
        write::state(active, self.ack(), out);
    }

    fn archive(&mut self, count: u32, out: &mut Vec<u8>) {
        let header = self.request(Verb::History, Request::History);
        write::history(count, header, out);
    }

    fn ping(&mut self, _: &Common, out: &mut Vec<u8>) {
        self.ping_for(Request::Ping, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.push(Verb::Bye, out);
    }

    fn disconnected(&mut self, resume: bool) {
        (self.login, self.on, self.walked) = (None, false, 0);
        match &mut self.kept {
            Some(kept) if resume => kept.broken = true,
            kept => *kept = None,
        }
    }

    fn rest(&mut self) {}

    #[inline]
    fn may_send(&self) -> bool {
        self.flow.may_send()
    }

    #[inline]
    fn owes(&self) -> bool {
        self.on && self.flow.owes()
    }

    fn is_silent(&mut self, seconds: u16) -> bool {
        self.silent_s = self.silent_s.saturating_add(seconds);
        self.on && self.heartbeat_s > 0 && self.silent_s.saturating_add(seconds) >= self.heartbeat_s
    }

    fn pay(&mut self, out: &mut Vec<u8>) {
        match self.owes() {
            true => self.push(Verb::Accepted, out),
            false => self.ping_for(Request::Alive, out),
        }
    }
}

impl Icpp {
    /// What the next frame has for `ack`. It is about to be said.
    #[inline]
    fn ack(&mut self) -> u32 {
        self.silent_s = 0;
        self.flow.ack()
    }

    fn push(&mut self, verb: Verb, out: &mut Vec<u8>) {
        write::bare(Header::push(verb, self.ack()), out);
    }

    /// The header of a request.
    fn request(&mut self, verb: Verb, what: Request) -> Header {
        self.requests = self.requests.wrapping_add(1);
        exchange(verb, Flags::REQ, what.id(self.requests), self.ack())
    }

    fn ping_for(&mut self, what: Request, out: &mut Vec<u8>) {
        write::bare(self.request(Verb::Ping, what), out);
    }

    /// Before there is a session it may be another protocol altogether.
    #[cold]
    fn no_frame(&self, fault: Fault, input: &[u8]) -> Refusal {
        match self.on {
            true => broken_rule(fault),
            false => Refusal::Stream(format!("it sent what is not ICPP: {fault}{}", guess::hint(input))),
        }
    }

    fn is_broken(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.broken)
    }

    /// All that has arrived was looked at.
    #[inline]
    fn news(&mut self) -> Event {
        match self.flow.news() {
            0 => Event::Partial,
            more => Event::Acked(more),
        }
    }

    /// A reliable frame is here.
    #[inline]
    fn hear(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        self.flow.hear(frame.len());
        if self.flow.is_pressing() {
            self.push(Verb::Accepted, out);
        }
    }

    /// Any frame.
    fn frame(&mut self, frame: &Frame<'_>, common: &Common, out: &mut Vec<u8>) -> Result<(Event, usize), Refusal> {
        let used = frame.len();
        if frame.header.slot != 0 {
            return Err(Refusal::Stream("it sent a frame for another session".into()));
        }
        let Some(verb) = frame.verb().map_err(broken_rule)? else {
            return Ok((self.unknown(frame, out), used));
        };
        if !self.on {
            let event = self.log_in(verb, frame, common, out);
            return Ok((event.map_err(|refusal| refusal.of(&common.name(self.user)))?, used));
        }
        self.flow.confirm(frame.header.ack)?;
        if verb == Verb::Presences {
            let (event, next) = heard::presence(frame.body, self.walked as usize, common).map_err(broken_rule)?;
            let more = next < frame.body.len();
            self.walked = if more { next as u32 } else { 0 };
            return Ok((event, if more { 0 } else { used }));
        }
        if verb.is_reliable_from_server() && !frame.header.flags.has(Flags::RESP) {
            self.hear(frame, out);
        }
        Ok((self.session(verb, frame, common, out)?, used))
    }

    /// A verb of a later version: pushes are for others, requests must be answered (SPEC.md section 3).
    fn unknown(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Event {
        if frame.header.flags.has(Flags::REQ) {
            let flags = Flags::RESP.with(Flags::ERR);
            let header = exchange(Verb::Error, flags, frame.header.id, self.ack());
            let refusal = codec::Refusal::new(Code::UnsupportedVerb);
            write_frame(out, header, |out| refusal.write(out));
        }
        Event::Nothing
    }

    /// A frame before there is a session.
    fn log_in(&mut self, verb: Verb, frame: &Frame<'_>, common: &Common, out: &mut Vec<u8>) -> Result<Event, Refusal> {
        let Some(login) = &mut self.login else {
            return Err(Refusal::Stream(format!("{verb:?} after the end")));
        };
        match login.frame(verb, frame, common, &mut self.salted, out)? {
            Said::Nothing => Ok(Event::Nothing),
            Said::Authed(authed) => {
                let failed = self.is_broken();
                self.flow.begin();
                self.enter(&authed, frame.header.ack)?;
                self.settle(common, out);
                Ok(if failed { Event::NotResumed } else { Event::Nothing })
            }
            Said::Resumed(authed) => {
                if !self.is_broken() {
                    return Err(Refusal::Stream("it resumed what nobody asked for".into()));
                }
                self.enter(&authed, frame.header.ack)?;
                self.flow.go_on();
                self.login = None;
                let acked = self.flow.news();
                Ok(Event::Resumed { acked })
            }
        }
    }

    /// There is a session, a new one or the old one again.
    fn enter(&mut self, authed: &Authed<'_>, ack: u32) -> Result<(), Refusal> {
        let Some(login) = &self.login else { return Ok(()) };
        let limits = login.limits;
        self.flow
            .bound(limits.window, limits.unacked_frames, limits.unacked_bytes);
        self.flow.confirm(ack)?;
        self.frame_bytes = match limits.frame_bytes {
            0 => FRAME_BYTES,
            bytes => bytes.min(FRAME_BYTES_MAX),
        };
        (self.on, self.heartbeat_s, self.epoch) = (true, limits.heartbeat_s, authed.epoch);
        if !login.wants.resume {
            self.kept = None;
            return Ok(());
        }
        let kept = self.kept.get_or_insert_default();
        match authed.token {
            Some(token) => kept.token = token.to_vec(),
            None if kept.broken && !kept.token.is_empty() => {}
            None => return Err(Refusal::NotOffered("sessions that can be resumed".into())),
        }
        kept.ticket = authed.ticket.unwrap_or_default().to_vec();
        kept.broken = false;
        Ok(())
    }

    /// Everything that makes a session complete, and a PING behind it.
    fn settle(&mut self, common: &Common, out: &mut Vec<u8>) {
        self.synced = false;
        let Some(wants) = self.login.as_ref().map(|login| login.wants) else {
            return;
        };
        if wants.roster {
            let header = self.request(Verb::Roster, Request::Roster);
            write_frame(out, header, |out| {
                Roster::write(out, roster_op::GET, 0, std::iter::empty())
            });
        }
        if common.client_state {
            self.active(true, out);
        }
        if wants.presence {
            self.presence(common, Presence::Available, out);
        }
        if wants.archive > 0 {
            self.archive(wants.archive, out);
        }
        self.ping_for(Request::Settled, out);
    }

    /// A frame of a session.
    fn session(&mut self, verb: Verb, frame: &Frame<'_>, common: &Common, out: &mut Vec<u8>) -> Result<Event, Refusal> {
        let (body, header) = (frame.body, &frame.header);
        let event = match verb {
            verb if verb == common.delivery() => heard::message(body, self.user, common),
            Verb::Occupant => heard::occupant(body, common).map(|(event, is_new)| {
                if let (Event::Joined { room }, true) = (event, is_new) {
                    let header = self.request(Verb::Configure, Request::Unlock);
                    write::unlock(common, room, header, out);
                }
                event
            }),
            Verb::Refused => heard::refused(body),
            Verb::Note => heard::note(body),
            Verb::Receipt | Verb::Edit | Verb::Recall => Message::read(body).map(|_| Event::Foreign),
            Verb::Items => Message::read(body).map(|_| Event::Archived),
            Verb::Accepted => heard::nothing(body).map(|()| Event::Nothing),
            Verb::Pong => heard::nothing(body).map(|()| self.pong(header.id)),
            Verb::Ping => heard::nothing(body).map(|()| {
                let answer = exchange(Verb::Pong, Flags::RESP, header.id, self.ack());
                write::bare(answer, out);
                Event::Nothing
            }),
            Verb::Synced => Synced::read(body).map(|_| synced(header.id)),
            Verb::Credit => heard::window(body).map(|window| {
                self.flow.set_window(window);
                Event::Nothing
            }),
            Verb::Error => return heard::error(header, body),
            Verb::Bye => return Err(heard::bye(body)),
            verb => return heard::anything_else(verb, body),
        };
        event.map_err(broken_rule)
    }

    fn pong(&mut self, id: u32) -> Event {
        match Request::of(id) {
            Some(Request::Settled) if self.login.take().is_some() => Event::Ready,
            Some(Request::Ping) => Event::Pong,
            _ => Event::Nothing,
        }
    }
}

/// The end of what waited, or of what the archive was asked for.
fn synced(id: u32) -> Event {
    match Request::of(id) {
        Some(Request::History) => Event::ArchiveEnd,
        _ => Event::Nothing,
    }
}

impl Common {
    /// The verb by which messages come.
    #[inline]
    fn delivery(&self) -> Verb {
        match self.bare {
            true => Verb::Send,
            false => Verb::Deliver,
        }
    }
}

/// A refusal in words.
fn told(error: &codec::Refusal<'_>) -> String {
    let code = error.known().map_or("an unknown code", Code::name);
    match error.text {
        "" => format!("{code} ({})", error.code),
        text => format!("{code} ({}): {text}", error.code),
    }
}

fn broken_rule(fault: Fault) -> Refusal {
    Refusal::Stream(format!("it sent what is not ICPP: {fault}"))
}
