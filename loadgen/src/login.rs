//! From a fresh connection to a bound, available session, without I/O.
//!
//! ```text
//! header ─▶ features ─▶ (STARTTLS ─▶ header ─▶ features) ─▶ SASL ─▶ header ─▶ features ─▶ bind ─▶ presence, ping ─▶ ready
//! ```
//!
//! Invariant: a session is ready only when the server has answered a ping that was sent after the presence, so the
//! server has worked off all of the login.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use crosspoint_xmpp::codec::{Element, Frame, Scanner, Stanza};

use crate::link::After;
use crate::scram::{self, Hash, Scram};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const STREAMS: &str = "http://etherx.jabber.org/streams";

/// How to prove the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mechanism {
    /// PLAIN if it is offered in the clear (it costs the client nothing), else the best SCRAM.
    #[default]
    Auto,
    /// PLAIN.
    Plain,
    /// SCRAM-SHA-1.
    #[value(name = "scram-sha-1")]
    ScramSha1,
    /// SCRAM-SHA-256.
    #[value(name = "scram-sha-256")]
    ScramSha256,
}

/// What all sessions of a run have in common.
#[derive(Clone, Debug)]
pub struct Account {
    pub domain: String,
    pub password: String,
    pub resource: String,
    pub mechanism: Mechanism,
    /// Ask for STARTTLS.
    pub start_tls: bool,
    /// Send available presence.
    pub available: bool,
}

/// One login.
#[derive(Debug)]
pub struct Login {
    user: String,
    stage: Stage,
    encrypted: bool,
}

#[derive(Debug)]
enum Stage {
    ToEncrypt,
    Proceeding,
    ToAuthenticate,
    Proving(Option<Scram>),
    ToBind,
    Binding,
    Settling,
    Ready,
}

impl Login {
    /// `encrypted`: the connection already is (direct TLS).
    pub fn new(user: String, account: &Account, encrypted: bool) -> Self {
        let stage = if account.start_tls && !encrypted {
            Stage::ToEncrypt
        } else {
            Stage::ToAuthenticate
        };
        Self { user, stage, encrypted }
    }

    /// The first bytes to send.
    pub fn open(account: &Account, out: &mut Vec<u8>) {
        let header = format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>",
            account.domain
        );
        out.extend_from_slice(header.as_bytes());
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    /// Bound, perhaps available, and waiting for the ping's answer.
    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling)
    }

    /// The server's next frame.
    ///
    /// # Errors
    /// The server refuses, or does not speak as it should.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        scanner: &Scanner,
        account: &Account,
        out: &mut Vec<u8>,
    ) -> Result<After> {
        match frame {
            Frame::Header(_) | Frame::Space => Ok(After::Continue),
            Frame::End => bail!("the server ended the stream of {}", self.user),
            Frame::Stanza(stanza) => self
                .stanza(stanza, scanner, account, out)
                .with_context(|| format!("{} at {:?} got {}", self.user, self.stage, stanza.raw)),
        }
    }

    fn stanza(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        account: &Account,
        out: &mut Vec<u8>,
    ) -> Result<After> {
        ensure!(!stanza.is("error", STREAMS), "a stream error");
        match &mut self.stage {
            Stage::ToEncrypt if stanza.is("features", STREAMS) => {
                out.extend_from_slice(format!("<starttls xmlns='{TLS}'/>").as_bytes());
                self.stage = Stage::Proceeding;
            }
            Stage::Proceeding if stanza.is("proceed", TLS) => {
                self.encrypted = true;
                self.stage = Stage::ToAuthenticate;
                Self::open(account, out);
                return Ok(After::StartTls);
            }
            Stage::ToAuthenticate if stanza.is("features", STREAMS) => {
                self.authenticate(&scanner.tree(stanza)?, account, out)?;
            }
            Stage::Proving(Some(scram)) if stanza.is("challenge", SASL) => {
                let response = scram.last(stanza.body(), &account.password)?;
                out.extend_from_slice(format!("<response xmlns='{SASL}'>{response}</response>").as_bytes());
            }
            Stage::Proving(scram) if stanza.is("success", SASL) => {
                scram.as_ref().map_or(Ok(()), |scram| scram.verify(stanza.body()))?;
                self.stage = Stage::ToBind;
                Self::open(account, out);
                return Ok(After::Restart);
            }
            Stage::ToBind if stanza.is("features", STREAMS) => {
                self.stage = Stage::Binding;
                out.extend_from_slice(bind(&account.resource).as_bytes());
            }
            Stage::Binding if stanza.name == "iq" && stanza.kind.is_some_and(|kind| kind == "result") => {
                self.stage = Stage::Settling;
                out.extend_from_slice(settle(account).as_bytes());
            }
            Stage::Settling if stanza.id.is_some_and(|id| id == "settled") => self.stage = Stage::Ready,
            // Presences, offline messages, a server's own questions.
            Stage::Settling => {}
            _ => bail!("this was not expected"),
        }
        Ok(After::Continue)
    }

    fn authenticate(&mut self, features: &Element<'_>, account: &Account, out: &mut Vec<u8>) -> Result<()> {
        let mechanisms = features.child("mechanisms", SASL).context("no mechanisms offered")?;
        let offered: Vec<_> = mechanisms.children().map(|mechanism| mechanism.text()).collect();
        let has = |name: &str| offered.iter().any(|offered| offered == name);
        let (name, hash) = match account.mechanism {
            Mechanism::Auto if has("PLAIN") && !self.encrypted => ("PLAIN", None),
            Mechanism::Auto if has("SCRAM-SHA-256") => ("SCRAM-SHA-256", Some(Hash::Sha256)),
            Mechanism::Auto if has("SCRAM-SHA-1") => ("SCRAM-SHA-1", Some(Hash::Sha1)),
            Mechanism::Auto | Mechanism::Plain => ("PLAIN", None),
            Mechanism::ScramSha1 => ("SCRAM-SHA-1", Some(Hash::Sha1)),
            Mechanism::ScramSha256 => ("SCRAM-SHA-256", Some(Hash::Sha256)),
        };
        ensure!(has(name), "{name} is not offered");
        let scram = match hash {
            Some(hash) => Some(Scram::new(hash, &self.user, scram::nonce()?)),
            None => None,
        };
        let first = match &scram {
            Some(scram) => scram.first(),
            None => scram::plain(&self.user, &account.password),
        };
        out.extend_from_slice(format!("<auth xmlns='{SASL}' mechanism='{name}'>{first}</auth>").as_bytes());
        self.stage = Stage::Proving(scram);
        Ok(())
    }
}

fn bind(resource: &str) -> String {
    format!(
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource>\
         </bind></iq>"
    )
}

fn settle(account: &Account) -> String {
    let presence = if account.available { "<presence/>" } else { "" };
    format!(
        "{presence}<iq type='get' id='settled' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>",
        account.domain
    )
}

#[cfg(test)]
mod tests {
    use crosspoint_xmpp::codec::{Scan, ScanLimits};

    use super::*;

    fn account(start_tls: bool) -> Account {
        Account {
            domain: "localhost".into(),
            password: "secret".into(),
            resource: "lg".into(),
            mechanism: Mechanism::Auto,
            start_tls,
            available: true,
        }
    }

    const HEADER: &str = "<stream:stream from='localhost' id='1' version='1.0' xmlns='jabber:client' \
                          xmlns:stream='http://etherx.jabber.org/streams'>";

    /// The server says this; what does the client say, and what becomes of the stream?
    fn hear(login: &mut Login, account: &Account, said: &str) -> (String, Result<After>) {
        let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
        let (all, mut out, mut after) = (format!("{HEADER}{said}"), Vec::new(), Ok(After::Continue));
        let mut rest = all.as_bytes();
        while let Ok(Scan::Frame { frame, consumed }) = scanner.scan(rest) {
            after = login.frame(&frame, &scanner, account, &mut out);
            rest = &rest[consumed..];
        }
        (String::from_utf8(out).unwrap(), after)
    }

    fn offer(mechanisms: &[&str]) -> String {
        let each: String = mechanisms
            .iter()
            .map(|m| format!("<mechanism>{m}</mechanism>"))
            .collect();
        format!("<stream:features><mechanisms xmlns='{SASL}'>{each}</mechanisms></stream:features>")
    }

    #[test]
    fn in_the_clear_plain_is_taken_and_the_session_is_ready_after_the_ping() {
        let account = account(false);
        let mut login = Login::new("u1".into(), &account, false);
        let (said, _) = hear(&mut login, &account, &offer(&["SCRAM-SHA-256", "PLAIN"]));
        assert!(said.contains("mechanism='PLAIN'>AHUxAHNlY3JldA==<"), "{said}");
        let (_, after) = hear(&mut login, &account, &format!("<success xmlns='{SASL}'/>"));
        assert_eq!(after.unwrap(), After::Restart);
        let (said, _) = hear(&mut login, &account, "<stream:features/>");
        assert!(said.contains("<resource>lg</resource>"), "{said}");
        let (said, _) = hear(&mut login, &account, "<iq type='result' id='bind'/>");
        assert!(said.starts_with("<presence/><iq type='get' id='settled'"), "{said}");
        hear(&mut login, &account, "<presence from='u1@localhost/lg'/>")
            .1
            .unwrap();
        assert!(!login.is_ready());
        hear(&mut login, &account, "<iq type='result' id='settled'/>")
            .1
            .unwrap();
        assert!(login.is_ready());
    }

    #[test]
    fn start_tls_comes_first_and_scram_after_it() {
        let account = account(true);
        let mut login = Login::new("u1".into(), &account, false);
        let (said, _) = hear(&mut login, &account, "<stream:features/>");
        assert_eq!(said, format!("<starttls xmlns='{TLS}'/>"));
        let (_, after) = hear(&mut login, &account, &format!("<proceed xmlns='{TLS}'/>"));
        assert_eq!(after.unwrap(), After::StartTls);
        let (said, _) = hear(&mut login, &account, &offer(&["PLAIN", "SCRAM-SHA-1"]));
        assert!(said.contains("mechanism='SCRAM-SHA-1'"), "{said}");
    }

    #[test]
    fn a_refusal_ends_the_login() {
        let account = account(false);
        let mut login = Login::new("u1".into(), &account, false);
        hear(&mut login, &account, &offer(&["PLAIN"])).1.unwrap();
        let refusal = format!("<failure xmlns='{SASL}'><not-authorized/></failure>");
        assert!(hear(&mut login, &account, &refusal).1.is_err());
    }
}
