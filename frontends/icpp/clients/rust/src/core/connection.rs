//! What the world does to the core: connections come and go, bytes arrive, time passes.
//!
//! While a redirect is followed within a session, the old connection is used until the new one is there; then it is let go, so that
//! what `ack` says at the resumption is final.

use crosspoint_icpp::codec::hello::Hello;
use crosspoint_icpp::codec::{Code, FRAME_BYTES_BEFORE_LOGIN, Flags, Header, PREFACE, Scan, Verb, scan, write_frame};

use super::fault::{Ending, Final, ServerFault, Told};
use super::limits::{LOGIN_MS_MAX, OUTPUT_BYTES_MAX, STABLE_MS};
use super::link::Link;
use super::scram::{EXPORTER_BYTES, NONCE_BYTES};
use super::url::Endpoint;
use super::{Change, Core, Event, Output};

/// Names a connection, from [`Dial`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId(u64);

/// Connect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Its name.
    pub link: LinkId,
    /// Where.
    pub endpoint: Endpoint,
}

/// Where a new connection stands.
#[derive(Debug, Default)]
pub(super) enum Dialing {
    /// Nothing is planned.
    #[default]
    Idle,
    /// To be tried at this time.
    Due(u64),
    /// Being made.
    Active(Dial),
}

impl Core {
    /// Where to connect now, if anywhere. `random` is uniform over all numbers; it spreads the attempts of many clients.
    pub fn poll_dial(&mut self, now: u64, random: u64) -> Option<Dial> {
        self.now = now;
        if self.ended.is_some() {
            return None;
        }
        if matches!(self.dialing, Dialing::Idle) {
            let due = match (&self.link, self.route.is_redirected()) {
                (Some(_), false) => return None,
                (Some(_), true) => self.route.redirect_due(),
                (None, _) => self.route.due(now, random),
            };
            self.dialing = Dialing::Due(due);
        }
        match self.dialing {
            Dialing::Due(due) if due <= now => {}
            _ => return None,
        }
        let endpoint = self.route.next()?;
        self.last_link += 1;
        let dial = Dial {
            link: LinkId(self.last_link),
            endpoint,
        };
        self.dialing = Dialing::Active(dial.clone());
        Some(dial)
    }

    /// The connection in use. Any other is to be let go.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        self.link.as_ref().map(|link| link.id)
    }

    /// What waits to be written to [`Core::link`]: take from its front what was written. After the end ([`Core::ended`]) it may
    /// hold a goodbye.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the driver should read on. If not, the application has to take something first, or the socket to accept something.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        // A login needs no room in the inbox, and would end by itself if nobody listened.
        let room = self.inbox.has_room() || !self.in_session();
        room && self.output.len() < OUTPUT_BYTES_MAX
    }

    /// A connection was not made.
    pub fn dial_failed(&mut self, link: LinkId, now: u64, why: String) {
        self.now = now;
        if !self.take_dial(link).is_some_and(|dial| dial.link == link) || self.ended.is_some() {
            return;
        }
        match self.link {
            Some(_) => self.route.target_failed(),
            None => self.route.failed(now, 0),
        }
        self.tell(Event::Disconnected(Ending::NotMade(why)));
    }

    fn take_dial(&mut self, link: LinkId) -> Option<Dial> {
        match std::mem::take(&mut self.dialing) {
            Dialing::Active(dial) if dial.link == link => Some(dial),
            other => {
                self.dialing = other;
                None
            }
        }
    }

    /// The channel binding `tls-exporter` (RFC 9266) of a connection that is about to be said to be [`Core::connected`], where TLS 1.3 has
    /// given one: the login is then bound to it, if the server offers that.
    pub fn channel_binding(&mut self, link: LinkId, exporter: [u8; EXPORTER_BYTES]) {
        self.exporter = Some((link, exporter));
    }

    /// A connection is there, encrypted if its URL says so. `random` is what the nonce of the login is made of.
    pub fn connected(&mut self, link: LinkId, now: u64, random: [u8; NONCE_BYTES]) {
        self.now = now;
        let Some(dial) = self.take_dial(link) else { return };
        if self.ended.is_some() {
            return;
        }
        // The old one, if a redirect led here.
        self.drop_link();
        self.route.arrived();
        let exporter = self.exporter.take().filter(|(of, _)| *of == link);
        let mut link = Link::new(dial, random, self.resumable.is_some(), now);
        link.exporter = exporter.map(|(_, exporter)| exporter);
        if link.resuming {
            link.hello_ack = self.inbox.taken();
        }
        self.link = Some(link);
        self.output.extend_from_slice(&PREFACE);
        self.hello();
        self.offer_ticket();
    }

    fn hello(&mut self) {
        let came_from = self.route.came_from().filter(|node| !node.is_empty());
        let wish = |text: &&str| !text.is_empty();
        let hello = Hello {
            account: &self.settings.account,
            agent: Some(self.settings.agent.as_str()).filter(wish),
            resource: [&self.settings.resource, &self.resource]
                .map(String::as_str)
                .into_iter()
                .find(wish),
            resume: self.resumable.as_ref().map(|session| &session.token[..]),
            hops: self.route.hops(),
            came_from,
            trunk: None,
            shard: None,
        };
        let header = Header::push(Verb::Hello, self.ack());
        write_frame(&mut self.output, header, |out| hello.write(out));
    }

    /// What `ack` says at the moment: of the session that is, or is to be resumed.
    fn ack(&self) -> u32 {
        match self.link.as_ref() {
            Some(link) if link.is_in_session() => self.inbox.taken(),
            Some(link) => link.hello_ack,
            None => 0,
        }
    }

    /// Appends a frame to the output.
    pub(super) fn put(&mut self, verb: Verb, flags: Flags, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let header = Header {
            flags,
            id,
            ..Header::push(verb, self.ack())
        };
        write_frame(&mut self.output, header, write);
        let now = self.now;
        if let Some(link) = &mut self.link {
            link.sent_at = now;
            if link.is_in_session() {
                link.ack_due = None;
                self.inbox.told();
            }
        }
    }

    /// Bytes have arrived.
    pub fn received(&mut self, id: LinkId, now: u64, bytes: &[u8]) {
        self.now = now;
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else {
            return;
        };
        link.heard_at = now;
        let mut input = std::mem::take(&mut link.input);
        input.extend_from_slice(bytes);
        let consumed = self.frames(id, &input);
        if let Some(link) = self.link.as_mut().filter(|link| link.id == id) {
            input.drain(..consumed);
            link.input = input;
        }
        self.pump();
    }

    /// Reads whole frames, as long as the connection is; gives the bytes of those.
    fn frames(&mut self, id: LinkId, input: &[u8]) -> usize {
        let mut consumed = 0;
        while let Some(link) = self.link.as_ref().filter(|link| link.id == id) {
            let most = match link.is_in_session() {
                true => link.terms.frame_max,
                false => FRAME_BYTES_BEFORE_LOGIN,
            };
            let heard = match scan(&input[consumed..], most) {
                Ok(Scan::Partial) => break,
                Ok(Scan::Frame(frame)) => {
                    consumed += frame.len();
                    self.frame(frame)
                }
                Err(fault) => Err(ServerFault::Frame(fault)),
            };
            if let Err(fault) = heard {
                self.end_link(Ending::Fault(fault), 0);
            }
        }
        consumed
    }

    /// A connection was cut, from either side.
    pub fn disconnected(&mut self, id: LinkId, now: u64) {
        self.now = now;
        if self.link() == Some(id) {
            let ending = match self.route.is_redirected() {
                true => Ending::Redirected,
                false => Ending::Lost,
            };
            self.end_link(ending, 0);
        }
    }

    /// When [`Core::timeout`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        if self.ended.is_some() {
            return None;
        }
        let dial = match self.dialing {
            Dialing::Due(due) => Some(due),
            _ => None,
        };
        let link = self.link.as_ref().map(|link| {
            if !link.is_in_session() {
                return link.opened_at + LOGIN_MS_MAX;
            }
            let beat = link.heartbeat_ms(self.background);
            let silence = link.heard_at + beat + beat / 2;
            let ping = link.ping_due(self.background);
            ping.min(silence).min(link.ack_due.unwrap_or(u64::MAX))
        });
        dial.into_iter().chain(link).min()
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: u64) {
        self.now = now;
        let room = self.inbox.has_room();
        let Some(link) = &mut self.link else { return };
        if !link.is_in_session() {
            if now >= link.opened_at + LOGIN_MS_MAX {
                self.end_link(Ending::LoginTimeout, 0);
            }
            return;
        }
        if !room {
            // It is we who do not listen.
            link.heard_at = now;
        }
        let beat = link.heartbeat_ms(self.background);
        if now >= link.heard_at + beat + beat / 2 {
            self.end_link(Ending::Silence, 0);
            return;
        }
        if link.ack_due.is_some_and(|due| now >= due) {
            self.put(Verb::Accepted, Flags::NONE, 0, |_| {});
        } else if now >= link.ping_due(self.background) {
            self.ping();
        }
    }

    /// The connection is let go, without a word; its session waits.
    fn drop_link(&mut self) {
        self.output.clear();
        let Some(link) = self.link.take() else { return };
        if link.logged_in_at.is_some_and(|at| self.now >= at + STABLE_MS) && !self.route.is_redirected() {
            self.route.stable();
        }
        for (id, error) in self.requests.abandon() {
            self.outputs.push_back(Output::Answer(id, Err(error)));
        }
    }

    /// The connection has ended. `advice_ms` is how long the server wants to be left alone.
    pub(super) fn end_link(&mut self, ending: Ending, advice_ms: u64) {
        if let Ending::Fault(_) = ending {
            // What the server and we know of the session does not agree any more.
            self.resumable = None;
        }
        self.drop_link();
        // Where a redirect is still to be followed, nothing has failed yet.
        if !self.route.is_redirected() {
            self.route.failed(self.now, advice_ms);
        }
        if !matches!(self.dialing, Dialing::Active(_)) {
            self.dialing = Dialing::Idle;
        }
        self.tell(Event::Disconnected(ending));
    }

    /// ERROR that is fatal, or BYE.
    pub(super) fn ended_by_server(&mut self, told: Told, advice_ms: u32) {
        let known = told.known();
        if matches!(known, Some(Code::CreditOverrun | Code::AckInvalid | Code::Replaced)) {
            self.resumable = None;
        }
        if known == Some(Code::SlowConsumer) {
            self.tell(Event::SlowConsumer);
        }
        let last = final_of(known, &told);
        self.end_link(Ending::Told(told), advice_ms.into());
        if let Some(last) = last {
            self.finish(last);
        }
    }

    /// Stops for good.
    pub(super) fn finish(&mut self, last: Final) {
        if self.ended.is_some() {
            return;
        }
        if matches!(last, Final::NotAuthorized(_)) && self.ticket.take().is_some() {
            self.keep(Change::Ticket(None));
        }
        self.dialing = Dialing::Idle;
        self.resumable = None;
        self.ended = Some(last.clone());
        self.tell(Event::Ended(last));
    }
}

/// Whether what a server said makes further attempts useless.
fn final_of(known: Option<Code>, told: &Told) -> Option<Final> {
    match known? {
        Code::NotAuthorized | Code::AccountChanged => Some(Final::NotAuthorized(told.clone())),
        Code::Replaced => Some(Final::Replaced),
        Code::Malformed
        | Code::UnexpectedVerb
        | Code::FrameTooLarge
        | Code::Reserved
        | Code::UnsupportedVersion
        | Code::UnsupportedVerb
        | Code::UnsupportedExtension => Some(Final::Refused(told.clone())),
        _ => None,
    }
}
