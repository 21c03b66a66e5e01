//! From a fresh connection to a session that is ready, without I/O.
//!
//! ```text
//! header ─▶ features ─▶ (STARTTLS ─▶ header ─▶ features) ─▶ SASL ─▶ header ─▶ features ─┬─▶ resume ─▶ resumed
//!                                                                                        └─▶ bind ─▶ settle ─▶ ready
//!   settle: (session) (enable) (roster) (carbons) (presence) (active) (archive) ping
//! ```
//!
//! Invariant: a session is ready only when the server has answered a ping that was sent after everything else, so the
//! server has worked off all of the login.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crosspoint_xmpp::codec::{Element, Scanner, Stanza};

use super::common::Common;
use super::{Event, Management, Refusal, SASL, SM, STREAMS, TLS, Wants, heard, write};
use crate::protocol::scram::{self, Salted, Scram};

const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";

/// One login.
#[derive(Debug)]
pub struct Login {
    stage: Stage,
    wants: Wants,
    encrypted: bool,
    resource: String,
    /// RFC 3921's request for a session is asked for, and not optional.
    session: bool,
}

#[derive(Debug)]
enum Stage {
    ToEncrypt,
    Proceeding,
    ToAuthenticate,
    Proving(Option<Scram>),
    ToBind,
    Resuming,
    Binding,
    Settling,
}

/// What a step of the login means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Nothing,
    /// TLS begins, then a new stream.
    Secure,
    /// A new stream begins (RFC 6120 section 4.3.3).
    Restart,
    Ready,
    /// What a session may hear before it is ready.
    Event(Event),
}

/// What outlives a login.
pub struct Kept<'a> {
    pub management: &'a mut Option<Box<Management>>,
    pub salted: &'a mut Option<Box<Salted>>,
}

impl Login {
    /// `encrypted`: the connection already is (direct TLS).
    pub fn new(common: &Common, wants: Wants, encrypted: bool) -> Self {
        let stage = match common.start_tls && !encrypted {
            true => Stage::ToEncrypt,
            false => Stage::ToAuthenticate,
        };
        Self {
            stage,
            wants,
            encrypted,
            resource: common.resource.clone(),
            session: false,
        }
    }

    /// The server's next stanza.
    ///
    /// # Errors
    /// The server refuses, or does not speak as it should.
    pub fn stanza(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        user: u32,
        common: &Common,
        kept: Kept<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Said, Refusal> {
        let Kept { management, salted } = kept;
        match &mut self.stage {
            Stage::ToEncrypt if stanza.is("features", STREAMS) => self.ask_tls(&tree(stanza, scanner)?, out)?,
            Stage::Proceeding if stanza.is("proceed", TLS) => {
                (self.encrypted, self.stage) = (true, Stage::ToAuthenticate);
                common.header(out);
                return Ok(Said::Secure);
            }
            Stage::ToAuthenticate if stanza.is("features", STREAMS) => {
                self.authenticate(&tree(stanza, scanner)?, user, common, out)?;
            }
            Stage::Proving(Some(scram)) if stanza.is("challenge", SASL) => {
                let challenge = decoded(stanza)?;
                let response = scram.last(&challenge, &common.password, salted).map_err(refused)?;
                let response = BASE64.encode(response);
                write::text(out, &["<response xmlns='", SASL, "'>", &response, "</response>"]);
            }
            Stage::Proving(scram) if stanza.is("success", SASL) => {
                if let Some(scram) = scram {
                    scram.verify(&decoded(stanza)?).map_err(refused)?;
                }
                self.stage = Stage::ToBind;
                common.header(out);
                return Ok(Said::Restart);
            }
            Stage::ToBind if stanza.is("features", STREAMS) => {
                self.resume_or_bind(&tree(stanza, scanner)?, management, out)?;
            }
            Stage::Binding if stanza.name == "iq" && stanza.kind.is_some_and(|kind| kind == "result") => {
                self.settle(common, management, out);
            }
            Stage::Settling => return Ok(settling(stanza, scanner, common, out)),
            _ => return Err(self.unexpected(stanza)),
        }
        Ok(Said::Nothing)
    }

    /// Asks for a resource: a new session.
    pub fn bind(&mut self, management: &mut Option<Box<Management>>, out: &mut Vec<u8>) {
        *management = None;
        self.stage = Stage::Binding;
        let bind = format!(
            "<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{}</resource></bind></iq>",
            self.resource
        );
        out.extend_from_slice(bind.as_bytes());
    }

    fn ask_tls(&mut self, features: &Element<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if features.child("starttls", TLS).is_none() {
            return Err(Refusal::NotOffered("STARTTLS".into()));
        }
        write::text(out, &["<starttls xmlns='", TLS, "'/>"]);
        self.stage = Stage::Proceeding;
        Ok(())
    }

    fn authenticate(
        &mut self,
        features: &Element<'_>,
        user: u32,
        common: &Common,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mechanisms = features.child("mechanisms", SASL);
        let mechanisms = mechanisms.ok_or_else(|| Refusal::NotOffered("any mechanism to log in by".into()))?;
        let offered: Vec<_> = mechanisms.children().map(|mechanism| mechanism.text()).collect();
        let has = |name: &str| offered.iter().any(|offered| offered == name);
        let (name, hash) = scram::choose(common.mechanism, has);
        if !has(name) {
            let encryption = if self.encrypted { "" } else { " without encryption" };
            return Err(Refusal::NotOffered(format!(
                "{name}{encryption}, but {}",
                offered.join(", ")
            )));
        }
        let user = common.name(user);
        let scram = hash.map(|hash| Ok(Scram::new(hash, &user, scram::nonce()?)));
        let scram = scram.transpose().map_err(refused)?;
        let first = match &scram {
            Some(scram) => scram.first(),
            None => scram::plain(&user, &common.password),
        };
        let first = BASE64.encode(first);
        write::text(
            out,
            &["<auth xmlns='", SASL, "' mechanism='", name, "'>", &first, "</auth>"],
        );
        self.stage = Stage::Proving(scram);
        Ok(())
    }

    fn resume_or_bind(
        &mut self,
        features: &Element<'_>,
        management: &mut Option<Box<Management>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if self.wants.acks && features.child("sm", SM).is_none() {
            return Err(Refusal::NotOffered("stream management (XEP-0198)".into()));
        }
        let session = features.child("session", SESSION);
        self.session = session.is_some_and(|session| session.child("optional", SESSION).is_none());
        match management {
            Some(broken) if broken.broken => {
                let resume = format!(
                    "<resume xmlns='{SM}' h='{}' previd='{}'/>",
                    broken.heard,
                    escape(&broken.resume_id)
                );
                out.extend_from_slice(resume.as_bytes());
                self.stage = Stage::Resuming;
            }
            _ => self.bind(management, out),
        }
        Ok(())
    }

    /// Everything that makes a session complete, and a ping behind it.
    fn settle(&mut self, common: &Common, management: &mut Option<Box<Management>>, out: &mut Vec<u8>) {
        self.stage = Stage::Settling;
        if self.session {
            write::text(
                out,
                &["<iq type='set' id='session'><session xmlns='", SESSION, "'/></iq>"],
            );
        }
        if self.wants.acks {
            let resume = if self.wants.resume { " resume='true'" } else { "" };
            write::text(out, &["<enable xmlns='", SM, "'", resume, "/>"]);
        }
        // Stanzas count from the request on (XEP-0198 section 4); the last one is the ping.
        let mut stanzas = 1;
        let mut say = |wanted: bool, stanza: &[&str]| {
            if wanted {
                write::text(out, stanza);
                stanzas += 1;
            }
        };
        say(
            self.wants.roster,
            &["<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"],
        );
        say(
            self.wants.carbons,
            &["<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>"],
        );
        say(self.wants.presence, &["<presence/>"]);
        if common.client_state {
            write::text(out, &["<active xmlns='urn:xmpp:csi:0'/>"]);
        }
        if self.wants.archive > 0 {
            write::archive(self.wants.archive, out);
            stanzas += 1;
        }
        write::ping(common, "settled", out);
        *management = self.wants.acks.then(|| {
            Box::new(Management {
                sent: stanzas,
                of_login: stanzas,
                ..Management::default()
            })
        });
    }

    fn unexpected(&self, stanza: &Stanza<'_>) -> Refusal {
        let said = stanza.raw.to_owned();
        if stanza.is("failure", SASL) {
            return Refusal::Login(said);
        }
        let stage = match &self.stage {
            Stage::ToEncrypt | Stage::Proceeding => "when TLS was to begin",
            Stage::ToAuthenticate | Stage::Proving(_) => "during authentication",
            Stage::ToBind | Stage::Binding => "when a resource was to be bound",
            Stage::Resuming => "when the session was to be resumed",
            Stage::Settling => "after the login",
        };
        Refusal::Stream(format!("not expected {stage}: {said}"))
    }
}

/// Presences, offline messages, a server's own questions, and at last the answer to the ping.
fn settling(stanza: &Stanza<'_>, scanner: &Scanner, common: &Common, out: &mut Vec<u8>) -> Said {
    if stanza.name == "iq" && stanza.id.is_some_and(|id| id == "settled") {
        return Said::Ready;
    }
    Said::Event(match heard::stanza(stanza, scanner, common, out).0 {
        // What is refused here (an archive, carbons) shows in the count of what is missing.
        Event::Refused => Event::Refused,
        event => event,
    })
}

fn tree<'a>(stanza: &Stanza<'a>, scanner: &Scanner) -> Result<Element<'a>, Refusal> {
    scanner.tree(stanza).map_err(super::broken_rule)
}

/// What a step of SASL holds (RFC 6120 section 6.4).
fn decoded(stanza: &Stanza<'_>) -> Result<Vec<u8>, Refusal> {
    let decoded = BASE64.decode(stanza.body().trim());
    decoded.map_err(|error| refused(error.into()))
}

fn refused(error: anyhow::Error) -> Refusal {
    Refusal::Login(format!("{error:#}"))
}

/// In an attribute between apostrophes.
fn escape(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}
