//! XMPP (RFC 6120, RFC 6121) from the client's side, without I/O.
//!
//! ```text
//! bytes ─▶ shape? ─yes─▶ Message            (the common message: a comparison instead of a parse)
//!            └─no─▶ Scanner ─▶ login (until ready) | heard (afterwards) ─▶ Event
//! ```
//!
//! With it: stream management (XEP-0198), carbons (XEP-0280), client state (XEP-0352), rosters, the archive (XEP-0313),
//! rooms (XEP-0045). A `bare` client has no stream and no login: for the relay of perf/floor.
//!
//! Invariants: what leaves [`Xmpp::next`] as a message of ours has passed the codec, or differs from one that did in
//! its mark and the body of that mark only. The counters of stream management wrap as XEP-0198 section 4 says.

mod common;
mod heard;
mod login;
mod shape;
mod write;

#[cfg(test)]
mod plays;

pub use common::Common;

use crosspoint_xmpp::codec::{Fault, Frame, Scan, Scanner, Stanza};

use self::login::{Kept, Login};
use self::shape::Shape;
use super::scram::Salted;
use super::{Client, Event, Filler, MARK_BYTES, Mark, Presence, Refusal, To, Wants, guess};
use crate::plan::Plan;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SM: &str = "urn:xmpp:sm:3";
const STREAMS: &str = crosspoint_xmpp::codec::STREAMS;

/// An XMPP client; see the module.
#[derive(Debug)]
pub struct Xmpp {
    user: u32,
    scanner: Scanner,
    /// The scanner is within a frame: it must see the bytes that follow.
    midway: bool,
    /// Until the session is ready.
    login: Option<Box<Login>>,
    shape: Option<Box<Shape>>,
    management: Option<Box<Management>>,
    /// For the next login.
    salted: Option<Box<Salted>>,
}

/// Stream management (XEP-0198).
#[derive(Debug, Default)]
struct Management {
    enabled: bool,
    /// Stanzas heard, sent, and confirmed by the server; modulo 2^32.
    heard: u32,
    sent: u32,
    confirmed: u32,
    /// Stanzas of the login that are not confirmed yet: they are nobody's messages.
    of_login: u32,
    /// What a broken session is asked for by; empty if it cannot be resumed.
    resume_id: String,
    /// The connection broke: try to resume.
    broken: bool,
}

impl Client for Xmpp {
    const ACKS_ALL: bool = true;
    const ACKS_UNASKED: bool = false;
    type Common = Common;

    fn common(plan: &Plan) -> anyhow::Result<Common> {
        Ok(Common::new(plan))
    }

    fn new(user: u32, common: &Common) -> Self {
        Self {
            user,
            scanner: common.scanner(),
            midway: false,
            login: None,
            shape: None,
            management: None,
            salted: None,
        }
    }

    fn open(&mut self, common: &Common, wants: Wants, encrypted: bool, out: &mut Vec<u8>) -> bool {
        self.midway = false;
        self.scanner = common.scanner();
        if common.bare {
            return true;
        }
        self.login = Some(Box::new(Login::new(common, wants, encrypted)));
        common.header(out);
        false
    }

    #[inline]
    fn next(&mut self, common: &Common, input: &[u8], out: &mut Vec<u8>) -> Result<(Event, usize), Refusal> {
        if input.is_empty() {
            return Ok((Event::Partial, 0));
        }
        if let (false, Some(shape)) = (self.midway, &self.shape)
            && let Some((mark, used)) = shape.read(input, &common.filler)
        {
            let event = if shape.is_room() {
                Event::Room(mark)
            } else {
                Event::Message(mark)
            };
            self.count_heard();
            return Ok((event, used));
        }
        self.scan(common, input, out)
    }

    #[inline]
    fn message(&mut self, common: &Common, to: To, mark: Mark, out: &mut Vec<u8>) {
        write::message(common, to, mark, out);
        self.count_sent();
    }

    fn presence(&mut self, common: &Common, presence: Presence, out: &mut Vec<u8>) {
        write::presence(common, presence, out);
        self.count_sent();
    }

    fn ask_ack(&mut self, out: &mut Vec<u8>) {
        if self.management.as_ref().is_some_and(|management| management.enabled) {
            out.extend_from_slice(b"<r xmlns='urn:xmpp:sm:3'/>");
        }
    }

    fn typing(&mut self, common: &Common, to: To, out: &mut Vec<u8>) {
        write::typing(common, to, out);
        self.count_sent();
    }

    fn join(&mut self, common: &Common, room: u32, out: &mut Vec<u8>) {
        write::join(common, room, self.user, out);
        self.count_sent();
    }

    fn active(&mut self, active: bool, out: &mut Vec<u8>) {
        let state = if active { "active" } else { "inactive" };
        write::text(out, &["<", state, " xmlns='urn:xmpp:csi:0'/>"]);
    }

    fn archive(&mut self, count: u32, out: &mut Vec<u8>) {
        write::archive(count, out);
        self.count_sent();
    }

    fn ping(&mut self, common: &Common, out: &mut Vec<u8>) {
        write::ping(common, "ping", out);
        self.count_sent();
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        // What is not acknowledged would be kept for us, and come a second time (XEP-0198 section 4).
        if let Some(management) = self.management.as_ref().filter(|management| management.enabled) {
            write::ack(management.heard, out);
        }
        out.extend_from_slice(b"</stream:stream>");
    }

    fn disconnected(&mut self, resume: bool) {
        self.login = None;
        self.midway = false;
        match &mut self.management {
            Some(management) if resume && !management.resume_id.is_empty() => {
                management.enabled = false;
                management.broken = true;
            }
            management => *management = None,
        }
        self.rest();
    }

    fn rest(&mut self) {
        self.scanner.rest();
        self.shape = None;
    }
}

impl Xmpp {
    fn scan(&mut self, common: &Common, input: &[u8], out: &mut Vec<u8>) -> Result<(Event, usize), Refusal> {
        let logging_in = self.login.is_some();
        let scanned = self.scanner.scan(input).map_err(|fault| match logging_in {
            true => Refusal::Stream(format!("it sent what is not XMPP: {fault}{}", guess::hint(input))),
            false => broken_rule(fault),
        })?;
        let Scan::Frame { frame, consumed } = scanned else {
            self.midway = true;
            return Ok((Event::Partial, 0));
        };
        self.midway = false;
        let event = match &frame {
            Frame::Header(_) | Frame::Space => Event::Nothing,
            Frame::End if self.login.is_some() => {
                return Err(Refusal::Stream("it said goodbye during the login".into()));
            }
            Frame::End => Event::Ended,
            Frame::Stanza(stanza) => self.stanza(stanza, common, out)?,
        };
        Ok((event, consumed))
    }

    fn stanza(&mut self, stanza: &Stanza<'_>, common: &Common, out: &mut Vec<u8>) -> Result<Event, Refusal> {
        if stanza.is("error", STREAMS) {
            return Err(Refusal::Stream(stanza.raw.to_owned()));
        }
        if stanza.namespace == SM {
            return self.management(stanza, out);
        }
        if matches!(stanza.name, "message" | "presence" | "iq") {
            self.count_heard();
        }
        if let Some(login) = &mut self.login {
            let kept = Kept {
                management: &mut self.management,
                salted: &mut self.salted,
            };
            let said = login
                .stanza(stanza, &self.scanner, self.user, common, kept, out)
                .map_err(|refusal| refusal.of(&common.name(self.user)))?;
            return Ok(self.after(said));
        }
        let said = out.len();
        let (event, found) = heard::stanza(stanza, &self.scanner, common, out);
        if let Some((body, body_end)) = found
            && let Some(id) = stanza.id
        {
            let mark = id.raw().as_ptr() as usize - stanza.raw.as_ptr() as usize;
            let shape = self.shape.get_or_insert_default();
            shape.learn(
                stanza.raw.as_bytes(),
                mark,
                body,
                body_end,
                matches!(event, Event::Room(_)),
            );
        }
        if out.len() > said {
            self.count_sent();
        }
        Ok(event)
    }

    /// What the login's step means for the stream.
    fn after(&mut self, said: login::Said) -> Event {
        match said {
            login::Said::Nothing => Event::Nothing,
            login::Said::Secure => {
                self.scanner.reset();
                Event::Secure
            }
            login::Said::Restart => {
                self.scanner.reset();
                Event::Nothing
            }
            login::Said::Ready => {
                self.login = None;
                Event::Ready
            }
            login::Said::Event(event) => event,
        }
    }

    /// XEP-0198 sections 3 to 5.
    fn management(&mut self, stanza: &Stanza<'_>, out: &mut Vec<u8>) -> Result<Event, Refusal> {
        let Some(management) = &mut self.management else {
            return Ok(Event::Nothing);
        };
        match stanza.name {
            "enabled" => {
                let id = stanza.attributes().find(|attribute| attribute.name == "id");
                **management = Management {
                    enabled: true,
                    sent: management.sent,
                    of_login: management.of_login,
                    resume_id: id.map(|id| id.value.unescape().into_owned()).unwrap_or_default(),
                    ..Management::default()
                };
            }
            "r" => write::ack(management.heard, out),
            "a" => return Ok(Event::Acked(management.confirm(handled(stanza)?)?)),
            "resumed" => {
                let acked = management.confirm(handled(stanza)?)?;
                (management.enabled, management.broken) = (true, false);
                self.login = None;
                return Ok(Event::Resumed { acked });
            }
            "failed" => {
                let resuming = management.broken;
                self.management = None;
                let Some(login) = self.login.as_mut().filter(|_| resuming) else {
                    return Err(Refusal::NotOffered(format!("stream management: {}", stanza.raw)));
                };
                login.bind(&mut self.management, out);
                return Ok(Event::NotResumed);
            }
            _ => {}
        }
        Ok(Event::Nothing)
    }

    #[inline]
    fn count_heard(&mut self) {
        if let Some(management) = &mut self.management
            && management.enabled
        {
            management.heard = management.heard.wrapping_add(1);
        }
    }

    #[inline]
    fn count_sent(&mut self) {
        if let Some(management) = &mut self.management {
            management.sent = management.sent.wrapping_add(1);
        }
    }
}

impl Management {
    /// The server has handled so many; how many more than before, the login's not counted.
    fn confirm(&mut self, handled: u32) -> Result<u32, Refusal> {
        let more = handled.wrapping_sub(self.confirmed);
        if more > self.sent.wrapping_sub(self.confirmed) {
            return Err(Refusal::Stream(format!(
                "it confirmed {handled} of {} stanzas",
                self.sent
            )));
        }
        self.confirmed = handled;
        let of_login = more.min(self.of_login);
        self.of_login -= of_login;
        Ok(more - of_login)
    }
}

fn handled(stanza: &Stanza<'_>) -> Result<u32, Refusal> {
    let handled = stanza.attributes().find(|attribute| attribute.name == "h");
    handled
        .and_then(|handled| handled.value.raw().parse().ok())
        .ok_or_else(|| Refusal::Stream(format!("an acknowledgement without a number: {}", stanza.raw)))
}

fn broken_rule(fault: Fault) -> Refusal {
    Refusal::Stream(format!("it sent what is not XMPP: {fault}"))
}
