//! How a session begins (SPEC.md section 4): WELCOME, a ticket or a password, AUTHED or RESUMED.
//!
//! ```text
//! Greeting ──WELCOME──▶ Ticket ──ticket-invalid──▶ Challenge ──challenge──▶ Proof ──AUTHED, RESUMED──▶ Session
//!          (no ticket: at once to Challenge or Plain)         (PLAIN: Plain ─────────────────────────▶)
//! ```
//! Invariants: a login is bound to its connection where both sides can; a password leaves in the clear only on an encrypted connection that offers nothing better; after SCRAM no session
//! begins without the server's signature; a ticket is used once.

use crosspoint_icpp::codec::hello::{Auth, Authed, Welcome};
use crosspoint_icpp::codec::{Code, FRAME_BYTES, FRAME_BYTES_BEFORE_LOGIN, Fault, Flags, Frame, Verb};

use super::fault::{Final, ServerFault, Told};
use super::limits::{FRAME_BYTES_MAX, HEARTBEAT_S, HELLO_TEXT_BYTES_MAX, TOKEN_BYTES_MAX};
use super::link::Terms;
use super::scram::{self, Binding, Scram};
use super::{Change, Core, Event, Resumable, Ticket};

/// How far the login is. The numbers are ids of requests that wait.
#[derive(Debug)]
pub(super) enum Stage {
    /// HELLO is under way, and perhaps a ticket with it.
    Greeting { ticket: Option<u32> },
    /// A ticket is under way.
    Ticket(u32),
    /// The first message of SCRAM is under way.
    Challenge(u32, Scram),
    /// The second one is.
    Proof(u32, Scram),
    /// PLAIN is under way.
    Plain(u32),
    /// Logged in.
    Session,
}

impl Stage {
    /// The request that waits.
    fn request(&self) -> Option<u32> {
        match self {
            Stage::Greeting { ticket } => *ticket,
            Stage::Ticket(id) | Stage::Challenge(id, _) | Stage::Proof(id, _) | Stage::Plain(id) => Some(*id),
            Stage::Session => None,
        }
    }
}

const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";
const PLAIN: &str = "PLAIN";
const TICKET: &str = "TICKET";

impl Core {
    /// Sends the ticket with HELLO, without waiting, if there is one for this server.
    pub(super) fn offer_ticket(&mut self) {
        let Some(link) = &self.link else { return };
        let url = link.endpoint.to_string();
        let mut ticket = self.route.take_ticket();
        if ticket.is_none() && self.ticket.as_ref().is_some_and(|ticket| ticket.url == url) {
            ticket = self.ticket.take().map(|ticket| ticket.bytes);
            self.keep(Change::Ticket(None));
        }
        if let Some(ticket) = ticket {
            let id = self.auth(Some(TICKET), &ticket);
            self.set_stage(Stage::Greeting { ticket: Some(id) });
        }
    }

    fn auth(&mut self, mechanism: Option<&str>, data: &[u8]) -> u32 {
        let id = self.requests.fresh();
        let auth = Auth {
            mechanism,
            data: Some(data),
        };
        self.put(Verb::Auth, Flags::REQ, id, |out| auth.write(out));
        id
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(link) = &mut self.link {
            link.stage = stage;
        }
    }

    /// A frame before the session.
    pub(super) fn login_frame(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        match verb {
            Verb::Welcome => self.welcome(&Welcome::read(frame.body)?),
            Verb::Auth => self.challenged(frame),
            Verb::Authed | Verb::Resumed => self.logged_in(verb, frame),
            Verb::Error if frame.header.flags.has(Flags::ERR) => self.login_refused(frame),
            _ => self.common_frame(verb, frame),
        }
    }

    fn welcome(&mut self, welcome: &Welcome<'_>) -> Result<(), ServerFault> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let Stage::Greeting { ticket } = link.stage else {
            return Err(ServerFault::UnexpectedVerb(Verb::Welcome as u8));
        };
        link.node = welcome.node.to_owned();
        link.terms = terms(welcome);
        link.mechanisms = welcome.mechanisms.to_owned();
        match ticket {
            Some(id) => self.set_stage(Stage::Ticket(id)),
            None => self.password(),
        }
        Ok(())
    }

    /// Begins with the password.
    fn password(&mut self) {
        let Some(link) = &self.link else { return };
        let offered = |name: &str| link.mechanisms.split(' ').any(|offered| offered == name);
        let (name, binding) = match link.exporter {
            Some(exporter) if offered(SCRAM_SHA_256_PLUS) => (SCRAM_SHA_256_PLUS, Binding::Exporter(exporter)),
            Some(_) => (SCRAM_SHA_256, Binding::NotOffered),
            None => (SCRAM_SHA_256, Binding::No),
        };
        if offered(name) {
            let scram = Scram::new(self.settings.user(), &link.nonce, binding);
            let id = self.auth(Some(name), scram.first().as_bytes());
            self.set_stage(Stage::Challenge(id, scram));
        } else if offered(PLAIN) && link.endpoint.transport.is_secure() {
            let message = scram::plain(self.settings.user(), &self.settings.password);
            let id = self.auth(Some(PLAIN), &message);
            self.set_stage(Stage::Plain(id));
        } else {
            let last = Final::NoMechanism(link.mechanisms.clone());
            self.end_link(super::Ending::Closed, 0);
            self.finish(last);
        }
    }

    fn challenged(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        let unexpected = ServerFault::UnexpectedVerb(Verb::Auth as u8);
        let Some(link) = &mut self.link else { return Ok(()) };
        let wanted = Flags::RESP.with(Flags::MORE);
        if !frame.header.flags.has(wanted) || link.stage.request() != Some(frame.header.id) {
            return Err(unexpected);
        }
        let Stage::Challenge(_, mut scram) = std::mem::replace(&mut link.stage, Stage::Session) else {
            return Err(unexpected);
        };
        let auth = Auth::read(frame.body)?;
        let answer = scram.answer(auth.data.unwrap_or_default(), &self.settings.password)?;
        let id = self.auth(None, answer.as_bytes());
        self.set_stage(Stage::Proof(id, scram));
        Ok(())
    }

    fn login_refused(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        let (told, refusal) = super::session::told(frame.body)?;
        let waited = self.link.as_ref().and_then(|link| link.stage.request());
        if waited != Some(frame.header.id) {
            return Err(ServerFault::UnexpectedVerb(Verb::Error as u8));
        }
        let by_ticket = matches!(self.link.as_ref().map(|link| &link.stage), Some(Stage::Ticket(_)));
        if by_ticket && !refusal.fatal && refusal.known() != Some(Code::Throttled) {
            self.password();
            return Ok(());
        }
        if refusal.known() == Some(Code::Mechanism) {
            self.end_link(super::Ending::Told(told.clone()), 0);
            self.finish(Final::NoMechanism(told.text));
            return Ok(());
        }
        self.ended_by_server(told, refusal.retry_after_ms);
        Ok(())
    }

    fn logged_in(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        let unexpected = ServerFault::UnexpectedVerb(verb as u8);
        let Some(link) = &mut self.link else { return Ok(()) };
        let answers = frame.header.flags.has(Flags::RESP) && link.stage.request() == Some(frame.header.id);
        if !answers || (verb == Verb::Resumed && !link.resuming) {
            return Err(unexpected);
        }
        let authed = Authed::read(frame.body)?;
        match std::mem::replace(&mut link.stage, Stage::Session) {
            Stage::Proof(_, scram) => scram.verify(authed.data)?,
            Stage::Ticket(_) | Stage::Plain(_) => {}
            Stage::Greeting { .. } | Stage::Challenge(..) | Stage::Session => return Err(unexpected),
        }
        if authed.address.is_empty() {
            return Err(ServerFault::Frame(Fault::Malformed));
        }
        link.logged_in_at = Some(self.now);
        self.outbox.set_window(link.terms.window);
        let node = link.node.clone();
        self.address = authed.address.to_owned();
        self.keep_resource();
        self.keep_ticket(&authed);
        match verb {
            Verb::Resumed => self.resume(frame.header.ack, node),
            _ => self.begin(&authed, frame.header.ack, node),
        }
    }

    fn keep_resource(&mut self) {
        let resource = self.address.split_once('/').map_or("", |(_, resource)| resource);
        if resource != self.resource && resource.len() <= HELLO_TEXT_BYTES_MAX {
            self.resource = resource.to_owned();
            self.keep(Change::Resource(self.resource.clone()));
        }
    }

    fn keep_ticket(&mut self, authed: &Authed<'_>) {
        let bytes = authed.ticket.filter(|ticket| ticket.len() <= TOKEN_BYTES_MAX);
        let (Some(bytes), Some(link)) = (bytes, &self.link) else {
            return;
        };
        let ticket = Ticket {
            bytes: bytes.to_vec(),
            url: link.endpoint.to_string(),
        };
        self.ticket = Some(ticket.clone());
        self.keep(Change::Ticket(Some(ticket)));
    }

    /// The earlier session goes on.
    fn resume(&mut self, ack: u32, node: String) -> Result<(), ServerFault> {
        self.acknowledged(ack)?;
        self.outbox.rewind();
        self.inbox.resume(self.link.as_ref().map_or(0, |link| link.hello_ack));
        self.tell(Event::Resumed {
            address: self.address.clone(),
            node,
        });
        if self.background || std::mem::take(&mut self.state_untold) {
            self.tell_state();
        }
        if std::mem::take(&mut self.presence_untold) {
            self.tell_presence();
        }
        if self.sync_open {
            self.sync();
        }
        Ok(())
    }

    /// A new session.
    fn begin(&mut self, authed: &Authed<'_>, ack: u32, node: String) -> Result<(), ServerFault> {
        if ack != 0 {
            return Err(ServerFault::AckInvalid);
        }
        let token = authed.token.filter(|token| token.len() <= TOKEN_BYTES_MAX);
        self.resumable = token.map(|token| Resumable { token: token.to_vec() });
        self.outbox.begin();
        self.inbox.begin(self.epoch == authed.epoch);
        self.presences.clear();
        if self.epoch != authed.epoch {
            (self.epoch, self.offset) = (authed.epoch, 0);
        }
        self.arrived_offset = self.offset;
        self.tell(Event::Connected {
            address: self.address.clone(),
            node,
        });
        (self.state_untold, self.presence_untold) = (false, false);
        if self.background {
            self.tell_state();
        }
        self.fetch_roster();
        // Before presence: nothing newer comes to the bare address before what waited.
        self.sync();
        self.tell_presence();
        Ok(())
    }
}

/// What a server says, made safe.
fn terms(welcome: &Welcome<'_>) -> Terms {
    let or = |seconds: u16, otherwise: u16| if seconds == 0 { otherwise } else { seconds };
    let heartbeat_s = or(welcome.heartbeat_s, HEARTBEAT_S);
    Terms {
        frame_max: match welcome.frame_max {
            0 => FRAME_BYTES,
            bytes => bytes.clamp(FRAME_BYTES_BEFORE_LOGIN, FRAME_BYTES_MAX),
        },
        heartbeat_s,
        heartbeat_background_s: or(welcome.heartbeat_background_s, heartbeat_s),
        window: welcome.window,
        unacked_frames: welcome.unacked_frames,
        unacked_bytes: welcome.unacked_bytes,
    }
}

/// A refusal, for events.
impl From<&crosspoint_icpp::codec::Refusal<'_>> for Told {
    fn from(refusal: &crosspoint_icpp::codec::Refusal<'_>) -> Told {
        Told {
            code: refusal.code,
            temporary: refusal.temporary,
            text: refusal.text.to_owned(),
        }
    }
}
