//! From a fresh connection to a session, without I/O (SPEC.md section 4).
//!
//! ```text
//! preface HELLO ─▶ WELCOME ─▶ AUTH ─▶ (challenge ─▶ AUTH) ─┬─▶ AUTHED ─▶ settle ─▶ ready
//!              (AUTH by a ticket goes with HELLO)           └─▶ RESUMED
//!   settle: (ROSTER) (STATE) (PRESENCE SYNC) (HISTORY) PING
//! ```
//!
//! Invariant: a session is ready only when the server has answered a PING that was sent after everything else, so the
//! server has worked off all of the login.

use crosspoint_icpp::codec::elsewhere::Redirect;
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::{self, Code, Flags, Frame, Header, PREFACE, Verb, write_frame};

use super::common::Common;
use super::write::{Request, exchange};
use super::{Refusal, Wants, broken_rule, told};
use crate::protocol::scram::{self, Hash, Salted, Scram};

/// How this program calls itself.
const AGENT: &str = "crosspoint-loadgen";
/// The mechanism of what a server gives for the next login.
const TICKET: &str = "TICKET";

/// One login.
#[derive(Debug)]
pub struct Login {
    step: Step,
    pub wants: Wants,
    pub limits: Limits,
    user: u32,
    encrypted: bool,
    /// How the password is proved.
    mechanism: Option<(&'static str, Option<Hash>)>,
    /// A ticket is what the server judges now.
    by_ticket: bool,
    /// Of the last AUTH.
    id: u32,
    /// What all frames of the login say of the session that is to be resumed; else 0.
    ack: u32,
}

/// What WELCOME says and a session goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub frame_bytes: u32,
    pub heartbeat_s: u16,
    pub window: u32,
    pub unacked_frames: u32,
    pub unacked_bytes: u32,
}

#[derive(Debug)]
enum Step {
    ToWelcome,
    Proving(Option<Scram>),
}

/// What a step of the login means.
pub enum Said<'a> {
    Nothing,
    /// A new session.
    Authed(Authed<'a>),
    /// The broken session goes on.
    Resumed(Authed<'a>),
}

/// What a broken session is resumed by.
#[derive(Debug, Default)]
pub struct Kept {
    pub token: Vec<u8>,
    /// Opens the account once; empty if there is none.
    pub ticket: Vec<u8>,
    /// The connection broke: try to resume.
    pub broken: bool,
}

impl Login {
    /// Says the first words. `ack`: of the session that is to be resumed, else 0.
    pub fn begin(
        common: &Common,
        (user, wants, encrypted): (u32, Wants, bool),
        kept: Option<&mut Kept>,
        ack: u32,
        out: &mut Vec<u8>,
    ) -> Self {
        let broken = kept.filter(|kept| kept.broken);
        out.extend_from_slice(&PREFACE);
        let account = format!("{}{}", common.name(user), common.of_user);
        let hello = Hello {
            account: &account,
            agent: Some(AGENT),
            resource: Some(&common.resource),
            resume: broken.as_ref().map(|kept| kept.token.as_slice()),
            ..Hello::default()
        };
        write_frame(out, Header::push(Verb::Hello, ack), |out| hello.write(out));
        let mut login = Self {
            step: Step::ToWelcome,
            wants,
            limits: Limits::default(),
            user,
            encrypted,
            mechanism: None,
            by_ticket: false,
            id: Request::Auth.id(0),
            ack,
        };
        let ticket = broken.map(|kept| std::mem::take(&mut kept.ticket));
        if let Some(ticket) = ticket.filter(|ticket| !ticket.is_empty() && common.may_use_tickets()) {
            login.by_ticket = true;
            login.say(Some(TICKET), &ticket, out);
        }
        login
    }

    /// The server's next frame.
    ///
    /// # Errors
    /// The server refuses, or does not speak as it should.
    pub fn frame<'a>(
        &mut self,
        verb: Verb,
        frame: &Frame<'a>,
        common: &Common,
        salted: &mut Option<Box<Salted>>,
        out: &mut Vec<u8>,
    ) -> Result<Said<'a>, Refusal> {
        let (body, flags) = (frame.body, frame.header.flags);
        let is_answer = flags.has(Flags::RESP) && frame.header.id == self.id;
        match (&mut self.step, verb) {
            (Step::ToWelcome, Verb::Welcome) => {
                self.welcome(&Welcome::read(body).map_err(broken_rule)?, common)?;
                match self.by_ticket {
                    true => self.step = Step::Proving(None),
                    false => self.prove(common, out)?,
                }
            }
            (Step::Proving(Some(scram)), Verb::Auth) if is_answer && flags.has(Flags::MORE) => {
                let challenge = Auth::read(body).map_err(broken_rule)?.data.unwrap_or_default();
                let last = scram.last(challenge, &common.password, salted).map_err(refused)?;
                self.id += Request::STEP;
                self.say(None, last.as_bytes(), out);
            }
            (Step::Proving(scram), Verb::Authed | Verb::Resumed) if is_answer => {
                let authed = Authed::read(body).map_err(broken_rule)?;
                if let Some(scram) = scram {
                    scram.verify(authed.data.unwrap_or_default()).map_err(refused)?;
                }
                if !common.is_session(authed.address.as_bytes(), self.user) {
                    return Err(Refusal::Stream(format!("it logged us in as {:?}", authed.address)));
                }
                return Ok(match verb {
                    Verb::Authed => Said::Authed(authed),
                    _ => Said::Resumed(authed),
                });
            }
            (_, Verb::Error) => self.error(frame, is_answer, common, out)?,
            (_, Verb::Redirect) => {
                let redirect = Redirect::read(body).map_err(broken_rule)?;
                let urls: Vec<&str> = redirect.urls().collect();
                return Err(Refusal::Stream(format!("it sends its clients to {}", urls.join(", "))));
            }
            _ => return Err(self.unexpected(verb)),
        }
        Ok(Said::Nothing)
    }

    /// Limits, and the mechanism that will be used.
    fn welcome(&mut self, welcome: &Welcome<'_>, common: &Common) -> Result<(), Refusal> {
        self.limits = Limits {
            frame_bytes: welcome.frame_max,
            heartbeat_s: welcome.heartbeat_s,
            window: welcome.window,
            unacked_frames: welcome.unacked_frames,
            unacked_bytes: welcome.unacked_bytes,
        };
        let has = |name: &str| welcome.mechanisms.split(' ').any(|offered| offered == name);
        let (name, hash) = scram::choose(common.mechanism, has);
        if !has(name) {
            let encryption = if self.encrypted { "" } else { " without encryption" };
            let offered = welcome.mechanisms;
            return Err(Refusal::NotOffered(format!("{name}{encryption}, but {offered}")));
        }
        self.mechanism = Some((name, hash));
        Ok(())
    }

    /// The first step by the password.
    fn prove(&mut self, common: &Common, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some((name, hash)) = self.mechanism else {
            return Err(Refusal::Stream("it answered before it said WELCOME".into()));
        };
        let user = common.name(self.user);
        let scram = hash.map(|hash| Ok(Scram::new(hash, &user, scram::nonce()?)));
        let scram = scram.transpose().map_err(refused)?;
        let first = match &scram {
            Some(scram) => scram.first(),
            None => scram::plain(&user, &common.password),
        };
        self.step = Step::Proving(scram);
        self.say(Some(name), first.as_bytes(), out);
        Ok(())
    }

    fn say(&self, mechanism: Option<&str>, data: &[u8], out: &mut Vec<u8>) {
        let auth = Auth {
            mechanism,
            data: Some(data),
        };
        let header = exchange(Verb::Auth, Flags::REQ, self.id, self.ack);
        write_frame(out, header, |out| auth.write(out));
    }

    /// A ticket that opens nothing is followed by the password; anything else ends the login.
    fn error(&mut self, frame: &Frame<'_>, is_answer: bool, common: &Common, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let error = codec::Refusal::read(frame.body).map_err(broken_rule)?;
        if is_answer && self.by_ticket && error.known() == Some(Code::TicketInvalid) {
            self.by_ticket = false;
            self.id += Request::STEP;
            return self.prove(common, out);
        }
        Err(match is_answer {
            true => Refusal::Login(told(&error)),
            false => Refusal::Stream(told(&error)),
        })
    }

    fn unexpected(&self, verb: Verb) -> Refusal {
        let step = match &self.step {
            Step::ToWelcome => "when WELCOME was to come",
            Step::Proving(_) => "during authentication",
        };
        Refusal::Stream(format!("not expected {step}: {verb:?}"))
    }
}

fn refused(error: anyhow::Error) -> Refusal {
    Refusal::Login(format!("{error:#}"))
}
