//! AUTH (SPEC.md section 4.1): from HELLO to AUTHED or RESUMED. The mechanisms are the engine's.
//!
//! ```text
//!   SCRAM:   FetchKeys ─▶ Keys ─▶ challenge ─▶ proof ────────┐
//!   PLAIN:   CheckPassword ─▶ PasswordChecked ───────────────┼─▶ Authenticated ─▶ Homed ─┬─▶ Resume ─▶ Resumed
//!   TICKET:  FetchKeys ─▶ Keys ─▶ right? ─────────────(Spend ◀── Homed)                  └─▶ Bind ─▶ Bound
//! ```
//! Invariants:
//! - Every failure counts, towards this connection's bound and, by `AuthFailed`, towards the engine's budgets.
//! - Nobody is let into another account than the one that HELLO named.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::{
    self, AccountKeys, Challenged, ChannelBindings, Mechanism, NONCE_BYTES, Plain, Started,
};
use crosspoint_engine::session::{Action, Context, TlsFacts};

use crate::codec::hello::{Auth, Hello};
use crate::codec::{Code, Flags, Frame, Refusal, Verb, write_frame};
use crate::config::IcppConfig;
use crate::ticket::{Fingerprint, Refused, Right};

use super::Flow;
use super::write::{Place, is_answer, is_request};

/// A client that is to prove who it is.
pub(super) struct Login {
    pub(super) account: Jid,
    resource: Option<String>,
    /// The session that it would like to resume, and how many reliable frames of it the client has.
    pub(super) resume: Option<Bytes>,
    pub(super) resume_ack: u32,
    bindings: ChannelBindings,
    private: bool,
    pub(super) deadline_ms: u64,
    failures: u8,
    /// Frames since HELLO.
    frames: u16,
    /// Of the AUTH that is being answered.
    pub(super) request: u32,
    step: Step,
    /// The mechanism's last word.
    pub(super) last_word: Option<String>,
    /// Of the keys by which it came in, where they were seen.
    pub(super) fingerprint: Option<Fingerprint>,
}

/// Where a login stands.
enum Step {
    /// A mechanism is to be chosen.
    Choice,
    /// The account's keys must come, for SCRAM.
    Keys(Option<Started>),
    /// The account's keys must come, for a ticket.
    TicketKeys(Vec<u8>),
    /// The client's proof must come.
    Challenged(Challenged),
    /// The password is being checked.
    Password,
    /// It must come home; a ticket is to be used up there.
    Homing(Option<Right>),
    /// The ticket is being used up.
    Spending,
    /// An earlier session is looked for.
    Resuming,
    /// It must get an address.
    Binding,
}

/// The channel bindings of a connection.
pub(super) fn bindings(tls: Option<&TlsFacts>) -> ChannelBindings {
    let Some(tls) = tls else {
        return ChannelBindings::default();
    };
    let end_point = Some(&tls.server_end_point).filter(|data| !data.is_empty());
    ChannelBindings {
        tls_exporter: tls.exporter.map(|data| Bytes::copy_from_slice(&data)),
        tls_server_end_point: end_point.map(|data| Bytes::copy_from_slice(data)),
    }
}

impl Login {
    pub(super) fn new(
        hello: &Hello<'_>,
        account: Jid,
        bindings: ChannelBindings,
        private: bool,
        deadline_ms: u64,
        ack: u32,
    ) -> Login {
        Login {
            account: account.detached(),
            resource: hello.resource.map(str::to_owned),
            resume: hello.resume.map(Bytes::copy_from_slice),
            resume_ack: ack,
            bindings,
            private,
            deadline_ms,
            failures: 0,
            frames: 0,
            request: 0,
            step: Step::Choice,
            last_word: None,
            fingerprint: None,
        }
    }

    /// Whether reading waits for an answer of the shard.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.step, Step::Choice | Step::Challenged(_))
    }

    pub(super) fn on_frame(
        &mut self,
        frame: &Frame<'_>,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        self.frames += 1;
        if self.frames > config.limits.login_frames {
            return Flow::Fail(Code::Throttled);
        }
        match frame.verb() {
            Err(fault) => return fault.into(),
            Ok(None) => return place.unknown(frame, 0, cx.outbox),
            Ok(Some(_)) if is_answer(frame) => return Flow::Fail(Code::UnexpectedVerb),
            Ok(Some(Verb::Auth)) if is_request(frame) => {}
            Ok(Some(Verb::Bye)) if frame.body.is_empty() => return Flow::Finish,
            Ok(Some(Verb::Ping)) => return place.pong(frame, 0, cx.outbox),
            Ok(Some(Verb::Auth | Verb::Bye)) => return Flow::Fail(Code::Malformed),
            Ok(Some(_)) => return Flow::Fail(Code::UnexpectedVerb),
        }
        self.request = frame.header.id;
        let auth = match Auth::read(frame.body) {
            Ok(auth) => auth,
            Err(fault) => return fault.into(),
        };
        let step = std::mem::replace(&mut self.step, Step::Choice);
        let outcome = match (step, auth.mechanism) {
            (Step::Challenged(challenged), None) => self.prove(challenged, auth.data.unwrap_or_default(), cx),
            (_, Some(mechanism)) => self.begin(mechanism, auth.data.unwrap_or_default(), config, cx),
            (_, None) => Err(Code::NotAuthorized),
        };
        match outcome {
            Ok(()) => Flow::Hold,
            Err(code) => self.fail(code, config, place, cx),
        }
    }

    /// The client's first message of a mechanism.
    fn begin(&mut self, name: &str, data: &[u8], config: &IcppConfig, cx: &mut Context<'_>) -> Result<(), Code> {
        let account = self.account.clone();
        let (step, action) = match name {
            "PLAIN" if self.private => {
                let plain = Plain::parse(data).map_err(|_| Code::NotAuthorized)?;
                self.is_named(plain.authcid, plain.authzid)?;
                let password = plain.password.to_owned();
                (Step::Password, Action::CheckPassword { account, password })
            }
            "TICKET" if config.limits.ticket_seconds > 0 => {
                (Step::TicketKeys(data.to_vec()), Action::FetchKeys { account })
            }
            name => {
                let offered = |mechanism: &Mechanism| !mechanism.plus || !self.bindings.is_empty();
                let mechanism = Mechanism::from_name(name).filter(offered).ok_or(Code::Mechanism)?;
                let started = Started::parse(mechanism, data, &self.bindings).map_err(|_| Code::NotAuthorized)?;
                self.is_named(started.authcid(), started.authzid())?;
                (Step::Keys(Some(started)), Action::FetchKeys { account })
            }
        };
        self.step = step;
        cx.actions.push(Action::Pause);
        cx.actions.push(action);
        Ok(())
    }

    /// Whether this is the account of HELLO.
    fn is_named(&self, authcid: &str, authzid: Option<&str>) -> Result<(), Code> {
        let account = scram::account(authcid, authzid, self.account.domain()).map_err(|_| Code::NotAuthorized)?;
        match account == self.account {
            true => Ok(()),
            false => Err(Code::NotAuthorized),
        }
    }

    fn prove(&mut self, challenged: Challenged, proof: &[u8], cx: &mut Context<'_>) -> Result<(), Code> {
        let success = challenged.finish(proof).map_err(|_| Code::NotAuthorized)?;
        self.last_word = Some(success.server_final);
        cx.actions.push(Action::Pause);
        self.succeed(None, cx);
        Ok(())
    }

    fn succeed(&mut self, right: Option<Right>, cx: &mut Context<'_>) {
        self.step = Step::Homing(right);
        let account = self.account.clone();
        cx.actions.push(Action::Authenticated { account });
    }

    fn fail(&mut self, code: Code, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
        self.step = Step::Choice;
        self.failures += 1;
        let account = Some(self.account.clone());
        cx.actions.push(Action::AuthFailed { account });
        if self.failures >= config.limits.auth_attempts {
            return Flow::Fail(code);
        }
        place.refuse_by(cx.outbox, self.request, 0, code);
        Flow::Next
    }

    /// The account's keys have come: challenges the client, or looks at its ticket.
    pub(super) fn on_keys(
        &mut self,
        keys: &AccountKeys,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        match std::mem::replace(&mut self.step, Step::Choice) {
            Step::Keys(Some(started)) => {
                self.fingerprint = Some(keys.fingerprint());
                let mut nonce = [0; NONCE_BYTES];
                cx.random.fill(&mut nonce);
                let credentials = keys.credentials(started.mechanism().hash);
                let (challenged, text) = started.challenge(credentials, nonce);
                let header = place.answer(Verb::Auth, Flags::MORE, self.request, 0);
                write_frame(cx.outbox, header, |out| {
                    Auth {
                        mechanism: None,
                        data: Some(text.as_bytes()),
                    }
                    .write(out);
                });
                self.step = Step::Challenged(challenged);
                cx.actions.push(Action::Continue);
                Flow::Next
            }
            Step::TicketKeys(ticket) => {
                let fingerprint = keys.fingerprint();
                let right = config
                    .tickets
                    .read(&ticket, &self.account, &fingerprint, &config.node, cx.now);
                match right {
                    Ok(right) => {
                        self.fingerprint = Some(fingerprint);
                        self.succeed(Some(right), cx);
                        Flow::Hold
                    }
                    Err(why) => {
                        config.figures.count_refused(why);
                        cx.actions.push(Action::Continue);
                        self.fail(Code::TicketInvalid, config, place, cx)
                    }
                }
            }
            other => {
                self.step = other;
                Flow::Next
            }
        }
    }

    /// The password has been checked.
    pub(super) fn on_password(&mut self, opens: bool, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
        if !matches!(self.step, Step::Password) {
            return Flow::Next;
        }
        if opens {
            self.succeed(None, cx);
            return Flow::Hold;
        }
        cx.actions.push(Action::Continue);
        self.fail(Code::NotAuthorized, config, place, cx)
    }

    /// Neither keys nor a verdict can be had now.
    pub(super) fn on_unavailable(
        &mut self,
        throttled: bool,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        if throttled {
            return Flow::Fail(Code::Throttled);
        }
        self.step = Step::Choice;
        self.failures += 1;
        if self.failures >= config.limits.auth_attempts {
            return Flow::Fail(Code::Internal);
        }
        let refusal = Refusal {
            temporary: true,
            ..Refusal::new(Code::Internal)
        };
        place.refuse(cx.outbox, self.request, 0, &refusal);
        cx.actions.push(Action::Continue);
        Flow::Next
    }

    /// At home: a ticket is used up, then a session is looked for.
    pub(super) fn on_homed(&mut self, cx: &mut Context<'_>) {
        match self.step {
            Step::Homing(Some(Right { key, expires_ms })) => {
                self.step = Step::Spending;
                cx.actions.push(Action::Spend {
                    account: self.account.clone(),
                    key,
                    until_unix_ms: expires_ms,
                });
            }
            _ => self.enter(cx),
        }
    }

    /// The ticket was good, or had been used.
    pub(super) fn on_spent(&mut self, good: bool, config: &IcppConfig, cx: &mut Context<'_>) -> Flow {
        if !good {
            config.figures.count_refused(Refused::Used);
            return Flow::Fail(Code::TicketInvalid);
        }
        config.figures.tickets_used.fetch_add(1, Relaxed);
        self.enter(cx);
        Flow::Hold
    }

    fn enter(&mut self, cx: &mut Context<'_>) {
        match self.resume.take() {
            Some(token) => {
                self.step = Step::Resuming;
                cx.actions.push(Action::Resume { token });
            }
            None => self.bind(cx),
        }
    }

    /// There is no earlier session: a new one begins.
    pub(super) fn bind(&mut self, cx: &mut Context<'_>) {
        self.step = Step::Binding;
        cx.actions.push(Action::Bind {
            resource: self.resource.take(),
        });
    }
}
