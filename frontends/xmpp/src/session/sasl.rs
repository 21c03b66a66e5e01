//! SASL (RFC 6120 section 6): the exchange, its attempts and its end, in whichever profile it is carried (`sasl_words`). The
//! mechanisms are the engine's.
//!
//! ```text
//!   <auth/> ──▶ SCRAM: FetchKeys ─▶ Keys ─▶ <challenge/> ─▶ <response/> ──▶ Authenticated ─▶ Homed ─▶ <success/>
//!          └──▶ PLAIN: CheckPassword ─▶ PasswordChecked ──────────────────▶
//! ```
//!
//! Invariants:
//! - Every failure counts, towards this stream's bound and, by `AuthFailed`, towards the engine's budgets.
//! - `<success/>` is written at the user's home: nothing that a client sends after it has to move.

use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::{self, AccountKeys, Challenged, Mechanism, NONCE_BYTES, Plain, SaslFault, Started};
use crosspoint_engine::session::{Action, Context};
use crosspoint_engine::tokens;

use crate::codec::Stanza;
use crate::config::XmppConfig;

use super::errors::StreamError;
use super::negotiate::{Negotiation, Stage};
use super::sasl_words::{self as words, Failure, Profile};
use super::{Flow, fast, sasl_upgrade, stream_features};

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
    /// A token is being checked.
    AwaitingToken {
        /// Whose.
        account: Jid,
        /// How it is shown.
        mechanism: tokens::Mechanism,
    },
    /// The client has proved who it is, and must take up the task that it was set (XEP-0480).
    Tasked {
        /// Who.
        account: Jid,
        /// What the task is about.
        derivation: sasl_upgrade::Derivation,
    },
    /// The task's outcome must come.
    AwaitingHash {
        /// Whose.
        account: Jid,
    },
    /// The outcome is being written down.
    Completing {
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
        matches!(
            self,
            Exchange::AwaitingKeys { .. }
                | Exchange::AwaitingPassword { .. }
                | Exchange::AwaitingToken { .. }
                | Exchange::Completing { .. }
        )
    }
}

/// `<auth mechanism=".."/>`. A new one in the middle of an exchange gives the old one up.
pub(super) fn on_auth(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    negotiation.profile = Profile::Rfc6120;
    let name = stanza
        .attributes()
        .find(|attribute| attribute.name == "mechanism")
        .map(|found| found.value.unescape());
    let initial = Some(stanza.body()).filter(|body| !body.is_empty());
    choose(negotiation, name.as_deref(), initial, config, cx)
}

/// The client has chosen a mechanism, and may have said its first message.
pub(super) fn choose(
    negotiation: &mut Negotiation,
    name: Option<&str>,
    initial: Option<&str>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    if negotiation.demands_tls(config) {
        return fail(negotiation, None, Failure::EncryptionRequired, config, cx);
    }
    let token = name
        .filter(|_| negotiation.profile == Profile::Extensible)
        .and_then(tokens::Mechanism::from_name);
    if let Some(mechanism) = token {
        return fast::begin(negotiation, mechanism, initial, config, cx);
    }
    let chosen = match name {
        Some("PLAIN") if negotiation.takes_passwords(config) => Chosen::Plain,
        Some("PLAIN") => return fail(negotiation, None, Failure::EncryptionRequired, config, cx),
        Some(name) => match Mechanism::from_name(name) {
            Some(mechanism) if stream_features::offers(mechanism, negotiation, config) => Chosen::Scram(mechanism),
            _ => return fail(negotiation, None, Failure::InvalidMechanism, config, cx),
        },
        None => return fail(negotiation, None, Failure::InvalidMechanism, config, cx),
    };
    let Some(initial) = initial else {
        // No initial response: it is asked for by an empty challenge (RFC 6120 section 6.4.2).
        words::write_challenge(cx.outbox, negotiation.profile, b"");
        negotiation.stage = Stage::Sasl(Box::new(Exchange::Opened(chosen)));
        return Flow::Next;
    };
    begin(negotiation, chosen, initial, config, cx)
}

/// `<response/>`: the client's first message, or its proof.
pub(super) fn on_response(
    negotiation: &mut Negotiation,
    profile: Profile,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    if negotiation.profile != profile {
        // The other profile's exchange is given up.
        negotiation.stage = Stage::Choice;
        negotiation.profile = profile;
    }
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
pub(super) fn on_abort(
    negotiation: &mut Negotiation,
    profile: Profile,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    negotiation.profile = profile;
    fail(negotiation, None, Failure::Aborted, config, cx)
}

/// The client's first message.
fn begin(negotiation: &mut Negotiation, chosen: Chosen, text: &str, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    let Some(message) = words::decode(text) else {
        return fail(negotiation, None, Failure::IncorrectEncoding, config, cx);
    };
    let asked = match chosen {
        Chosen::Plain => plain(negotiation, &message, config),
        Chosen::Scram(mechanism) => Started::parse(mechanism, &message, &negotiation.bindings()).and_then(|started| {
            let account = account(negotiation, started.authcid(), started.authzid(), config)?;
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

/// Whom the client wants to be. In the new profile its header, if it names somebody, must name the same one
/// (XEP-0388 section 4.4).
pub(super) fn account(
    negotiation: &Negotiation,
    authcid: &str,
    authzid: Option<&str>,
    config: &XmppConfig,
) -> Result<Jid, SaslFault> {
    let account = scram::account(authcid, authzid, config.domain.domain())?;
    let claimed = negotiation
        .claimed
        .as_ref()
        .filter(|_| negotiation.profile == Profile::Extensible);
    match claimed {
        Some(claimed) if authzid.is_some() && *claimed != account => Err(SaslFault::InvalidAuthzid),
        _ => Ok(account),
    }
}

fn plain(negotiation: &Negotiation, message: &[u8], config: &XmppConfig) -> Result<(Exchange, Action), SaslFault> {
    let plain = Plain::parse(message)?;
    let account = account(negotiation, plain.authcid, plain.authzid, config)?;
    let check = Action::CheckPassword {
        account: account.clone(),
        password: plain.password.to_owned(),
    };
    Ok((Exchange::AwaitingPassword { account }, check))
}

/// The account's keys have come: challenges the client.
pub(super) fn on_keys(negotiation: &mut Negotiation, keys: &AccountKeys, config: &XmppConfig, cx: &mut Context<'_>) {
    let (offer, profile) = (stream_features::offer(negotiation, config), negotiation.profile);
    let Stage::Sasl(exchange) = &mut negotiation.stage else {
        return;
    };
    let Exchange::AwaitingKeys { account, started } = &mut **exchange else {
        return;
    };
    let Some(started) = started.take() else { return };
    let mut nonce = [0; NONCE_BYTES];
    cx.random.fill(&mut nonce);
    if let Some(request) = &mut negotiation.request {
        request.upgrade.look_at(keys);
    }
    let credentials = keys.credentials(started.mechanism().hash);
    let (challenged, text) = match config.seal_offer {
        true => started.challenge_sealed(credentials, nonce, &offer),
        false => started.challenge(credentials, nonce),
    };
    words::write_challenge(cx.outbox, profile, text.as_bytes());
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
    let Some(message) = words::decode(text) else {
        return fail(negotiation, Some(account), Failure::IncorrectEncoding, config, cx);
    };
    match challenged.finish(&message) {
        Ok(success) => {
            let request = negotiation.request.as_mut();
            if let Some(derivation) = request.and_then(|request| request.upgrade.take()) {
                return sasl_upgrade::set(negotiation, account, derivation, success.server_final.as_bytes(), cx);
            }
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
    words::write_failure(cx.outbox, negotiation.profile, Failure::Temporary, None);
    negotiation.give_up_exchange();
    if throttled {
        // Who has used up a budget is not offered another try on the same stream.
        return Flow::Fail(StreamError::PolicyViolation);
    }
    negotiation.auth_failures += 1;
    cx.actions.push(Action::Continue);
    too_many(negotiation, config)
}

pub(super) fn succeed(negotiation: &mut Negotiation, account: Jid, server_final: &[u8], cx: &mut Context<'_>) {
    match &mut negotiation.request {
        Some(request) => request.additional = server_final.to_vec(),
        None => {
            let mut success = Vec::with_capacity(160);
            words::write_success(&mut success, server_final);
            negotiation.success = success;
        }
    }
    negotiation.stage = Stage::Homing;
    cx.actions.push(Action::Authenticated {
        account: account.clone(),
    });
    negotiation.account = Some(account);
}

pub(super) fn fail(
    negotiation: &mut Negotiation,
    account: Option<Jid>,
    failure: Failure,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    words::write_failure(cx.outbox, negotiation.profile, failure, None);
    negotiation.give_up_exchange();
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
