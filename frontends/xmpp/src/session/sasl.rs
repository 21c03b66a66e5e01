//! SASL on the wire (RFC 6120 section 6): framing, base64, conditions, attempts. The mechanisms are the engine's.
//!
//! ```text
//!   <auth/> ──▶ SCRAM: FetchKeys ─▶ Keys ─▶ <challenge/> ─▶ <response/> ──▶ Authenticated ─▶ Homed ─▶ <success/>
//!          └──▶ PLAIN: CheckPassword ─▶ PasswordChecked ──────────────────▶
//! ```
//!
//! Invariants:
//! - Every failure counts, towards this stream's bound and, by `AuthFailed`, towards the engine's budgets.
//! - `<success/>` is written at the user's home: nothing that a client sends after it has to move.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::{self, AccountKeys, Challenged, Mechanism, NONCE_BYTES, Plain, SaslFault, Started};
use crosspoint_engine::session::{Action, Context};

use crate::codec::Stanza;
use crate::config::XmppConfig;

use super::Flow;
use super::errors::StreamError;
use super::negotiate::{Negotiation, Stage};

/// Where an exchange stands.
pub(super) enum Exchange {
    /// The client's first message must still come, as an answer to our empty challenge.
    Opened(Chosen),
    /// The account's keys must come.
    AwaitingKeys {
        /// Whose.
        account: Jid,
        /// What the client has said. `None` only while it is being taken out.
        started: Option<Started>,
    },
    /// The client's proof must come.
    Challenged {
        /// Whose.
        account: Jid,
        /// What it is checked against.
        challenged: Option<Challenged>,
    },
    /// The password is being checked.
    AwaitingPassword {
        /// Whose.
        account: Jid,
    },
}

/// The mechanism that the client has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// One of the SCRAM family.
    Scram(Mechanism),
    /// The password itself.
    Plain,
}

impl Exchange {
    /// Whether reading waits for an answer of the shard.
    pub(super) fn holds(&self) -> bool {
        matches!(self, Exchange::AwaitingKeys { .. } | Exchange::AwaitingPassword { .. })
    }
}

/// The failure conditions of RFC 6120 section 6.5 that we have a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Aborted,
    EncryptionRequired,
    IncorrectEncoding,
    InvalidAuthzid,
    InvalidMechanism,
    MalformedRequest,
    NotAuthorized,
    Temporary,
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Failure::Aborted => "aborted",
            Failure::EncryptionRequired => "encryption-required",
            Failure::IncorrectEncoding => "incorrect-encoding",
            Failure::InvalidAuthzid => "invalid-authzid",
            Failure::InvalidMechanism => "invalid-mechanism",
            Failure::MalformedRequest => "malformed-request",
            Failure::NotAuthorized => "not-authorized",
            Failure::Temporary => "temporary-auth-failure",
        }
    }
}

impl From<SaslFault> for Failure {
    fn from(fault: SaslFault) -> Failure {
        match fault {
            SaslFault::Malformed
            | SaslFault::TooLong
            | SaslFault::ExtensionUnsupported
            | SaslFault::BindingFlagMismatch => Failure::MalformedRequest,
            SaslFault::InvalidAuthzid => Failure::InvalidAuthzid,
            SaslFault::Downgrade
            | SaslFault::BindingTypeUnsupported
            | SaslFault::BindingMismatch
            | SaslFault::NonceMismatch
            | SaslFault::UsernameForbidden
            | SaslFault::WrongProof => Failure::NotAuthorized,
        }
    }
}

/// `<auth mechanism=".."/>`. A new one in the middle of an exchange gives the old one up.
pub(super) fn on_auth(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    if negotiation.demands_tls(config) {
        return fail(negotiation, None, Failure::EncryptionRequired, config, cx);
    }
    let name = stanza
        .attributes()
        .find(|attribute| attribute.name == "mechanism")
        .map(|found| found.value.unescape());
    let chosen = match name.as_deref() {
        Some("PLAIN") if negotiation.takes_passwords(config) => Chosen::Plain,
        Some("PLAIN") => return fail(negotiation, None, Failure::EncryptionRequired, config, cx),
        Some(name) => match Mechanism::from_name(name) {
            Some(mechanism) if !mechanism.plus || !negotiation.bindings().is_empty() => Chosen::Scram(mechanism),
            _ => return fail(negotiation, None, Failure::InvalidMechanism, config, cx),
        },
        None => return fail(negotiation, None, Failure::InvalidMechanism, config, cx),
    };
    if stanza.body().is_empty() {
        // No initial response: it is asked for by an empty challenge (RFC 6120 section 6.4.2).
        cx.outbox
            .extend_from_slice(b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        negotiation.stage = Stage::Sasl(Box::new(Exchange::Opened(chosen)));
        return Flow::Next;
    }
    begin(negotiation, chosen, stanza.body(), config, cx)
}

/// `<response/>`: the client's first message, or its proof.
pub(super) fn on_response(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    match std::mem::replace(&mut negotiation.stage, Stage::Choice) {
        Stage::Sasl(exchange) => match *exchange {
            Exchange::Opened(chosen) => begin(negotiation, chosen, stanza.body(), config, cx),
            Exchange::Challenged {
                account,
                challenged: Some(challenged),
            } => prove(negotiation, account, challenged, stanza.body(), config, cx),
            _ => fail(negotiation, None, Failure::MalformedRequest, config, cx),
        },
        _ => fail(negotiation, None, Failure::MalformedRequest, config, cx),
    }
}

/// `<abort/>`.
pub(super) fn on_abort(negotiation: &mut Negotiation, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    fail(negotiation, None, Failure::Aborted, config, cx)
}

/// The client's first message.
fn begin(negotiation: &mut Negotiation, chosen: Chosen, text: &str, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    let Some(message) = decode(text) else {
        return fail(negotiation, None, Failure::IncorrectEncoding, config, cx);
    };
    let asked = match chosen {
        Chosen::Plain => plain(&message, config),
        Chosen::Scram(mechanism) => Started::parse(mechanism, &message, &negotiation.bindings()).and_then(|started| {
            let account = scram::account(started.authcid(), started.authzid(), config.domain.domain())?;
            let fetch = Action::FetchKeys {
                account: account.clone(),
            };
            Ok((
                Exchange::AwaitingKeys {
                    account,
                    started: Some(started),
                },
                fetch,
            ))
        }),
    };
    match asked {
        Ok((exchange, action)) => {
            negotiation.stage = Stage::Sasl(Box::new(exchange));
            cx.actions.push(Action::Pause);
            cx.actions.push(action);
            Flow::Hold
        }
        Err(fault) => fail(negotiation, None, fault.into(), config, cx),
    }
}

fn plain(message: &[u8], config: &XmppConfig) -> Result<(Exchange, Action), SaslFault> {
    let plain = Plain::parse(message)?;
    let account = scram::account(plain.authcid, plain.authzid, config.domain.domain())?;
    let check = Action::CheckPassword {
        account: account.clone(),
        password: plain.password.to_owned(),
    };
    Ok((Exchange::AwaitingPassword { account }, check))
}

/// The account's keys have come: challenges the client.
pub(super) fn on_keys(negotiation: &mut Negotiation, keys: &AccountKeys, cx: &mut Context<'_>) {
    let Stage::Sasl(exchange) = &mut negotiation.stage else {
        return;
    };
    let Exchange::AwaitingKeys { account, started } = &mut **exchange else {
        return;
    };
    let Some(started) = started.take() else { return };
    let mut nonce = [0; NONCE_BYTES];
    cx.random.fill(&mut nonce);
    let credentials = keys.credentials(started.mechanism().hash);
    let (challenged, text) = started.challenge(credentials, nonce);
    write_data(cx.outbox, "challenge", text.as_bytes());
    **exchange = Exchange::Challenged {
        account: account.clone(),
        challenged: Some(challenged),
    };
    cx.actions.push(Action::Continue);
}

/// The client's proof.
fn prove(
    negotiation: &mut Negotiation,
    account: Jid,
    challenged: Challenged,
    text: &str,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let Some(message) = decode(text) else {
        return fail(negotiation, Some(account), Failure::IncorrectEncoding, config, cx);
    };
    match challenged.finish(&message) {
        Ok(success) => {
            cx.actions.push(Action::Pause);
            succeed(negotiation, account, success.server_final.as_bytes(), cx);
            Flow::Hold
        }
        Err(fault) => fail(negotiation, Some(account), fault.into(), config, cx),
    }
}

/// The password has been checked.
pub(super) fn on_password(
    negotiation: &mut Negotiation,
    opens: bool,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let account = match &negotiation.stage {
        Stage::Sasl(exchange) => match &**exchange {
            Exchange::AwaitingPassword { account } => account.clone(),
            _ => return Flow::Next,
        },
        _ => return Flow::Next,
    };
    if opens {
        succeed(negotiation, account, b"", cx);
        return Flow::Hold;
    }
    cx.actions.push(Action::Continue);
    fail(negotiation, Some(account), Failure::NotAuthorized, config, cx)
}

/// Neither keys nor a verdict can be had now.
pub(super) fn on_unavailable(
    negotiation: &mut Negotiation,
    throttled: bool,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    if !matches!(&negotiation.stage, Stage::Sasl(exchange) if exchange.holds()) {
        return Flow::Next;
    }
    write_failure(cx.outbox, Failure::Temporary);
    negotiation.stage = Stage::Choice;
    if throttled {
        // Who has used up a budget is not offered another try on the same stream.
        return Flow::Fail(StreamError::PolicyViolation);
    }
    negotiation.auth_failures += 1;
    cx.actions.push(Action::Continue);
    too_many(negotiation, config)
}

fn succeed(negotiation: &mut Negotiation, account: Jid, server_final: &[u8], cx: &mut Context<'_>) {
    let mut success = Vec::with_capacity(160);
    write_data(&mut success, "success", server_final);
    negotiation.stage = Stage::Homing(success);
    cx.actions.push(Action::Authenticated {
        account: account.clone(),
    });
    negotiation.account = Some(account);
}

fn fail(
    negotiation: &mut Negotiation,
    account: Option<Jid>,
    failure: Failure,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    write_failure(cx.outbox, failure);
    negotiation.stage = Stage::Choice;
    negotiation.auth_failures += 1;
    cx.actions.push(Action::AuthFailed { account });
    too_many(negotiation, config)
}

fn too_many(negotiation: &Negotiation, config: &XmppConfig) -> Flow {
    if negotiation.auth_failures >= config.limits.auth_attempts {
        return Flow::Fail(StreamError::PolicyViolation);
    }
    Flow::Next
}

/// Base64 as RFC 6120 section 6.4.2 has it: strict, and `=` for a message of no bytes.
fn decode(text: &str) -> Option<Vec<u8>> {
    match text {
        "=" => Some(Vec::new()),
        "" => Some(Vec::new()),
        text => STANDARD.decode(text).ok(),
    }
}

fn write_data(out: &mut Vec<u8>, name: &'static str, data: &[u8]) {
    let text = STANDARD.encode(data);
    crate::codec::Builder::new(out)
        .open(name)
        .attr("xmlns", super::negotiate::NS_SASL)
        .text(&text);
}

fn write_failure(out: &mut Vec<u8>, failure: Failure) {
    out.extend_from_slice(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><");
    out.extend_from_slice(failure.name().as_bytes());
    out.extend_from_slice(b"/></failure>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        assert_eq!(decode("="), Some(vec![]));
        assert_eq!(decode("biws"), Some(b"n,,".to_vec()));
        for wrong in [
            "biw",
            "biws\n",
            " biws",
            "biws=",
            "b iws",
            "bi-s",
            "===",
            "<![CDATA[biws]]>",
        ] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
