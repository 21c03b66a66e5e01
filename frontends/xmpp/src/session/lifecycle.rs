//! What happens to a session from outside: the shard's answers, time, and the end.
//!
//! Invariant: whichever way a session ends, what its client has not confirmed is returned before `Close`.

use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Farewell, Session};

use crate::config::XmppConfig;
use crate::features;

use super::errors::StreamError;
use super::established::Established;
use super::negotiate::{Negotiation, Stage};
use super::{Flow, State, XmppSession, bind, fast, register, sasl, sasl_upgrade, starttls, stream_management};

/// Silence after which the scanner's buffers are freed, in milliseconds: a conversation keeps them, an idle client does not.
const REST_AFTER_MS: u64 = 3_000;

impl XmppSession {
    pub(super) fn event(&mut self, event: Event, cx: &mut Context<'_>) {
        let flow = match event {
            Event::Lost => return self.lost(cx),
            Event::Superseded => return self.superseded(cx),
            Event::Farewell(farewell) => {
                self.refuse_login(farewell, cx);
                Flow::Fail(self.parting(farewell))
            }
            Event::Resumed { old, address } => self.resumed(old, address, cx),
            event => match &mut self.state {
                State::Negotiating(_) => self.negotiation_event(event, cx),
                State::Established(established) => established_event(established, event, &self.shared.config, cx),
                State::Ended => Flow::Next,
            },
        };
        self.follow(flow, cx);
    }

    fn follow(&mut self, flow: Flow, cx: &mut Context<'_>) {
        match flow {
            Flow::Next | Flow::Hold | Flow::Discard => {}
            Flow::Fail(error) => self.fail(error, cx),
            Flow::Finish => self.finish(cx),
        }
    }

    fn negotiation_event(&mut self, event: Event, cx: &mut Context<'_>) -> Flow {
        let config = &*self.shared.config;
        let State::Negotiating(negotiation) = &mut self.state else {
            return Flow::Next;
        };
        match event {
            Event::Secured(facts) => {
                self.scanner.reset();
                starttls::on_secured(negotiation, facts);
            }
            Event::Keys(keys) => sasl::on_keys(negotiation, &keys, config, cx),
            Event::PasswordChecked(opens) => return sasl::on_password(negotiation, opens, config, cx),
            Event::AuthUnavailable { throttled } => return sasl::on_unavailable(negotiation, throttled, config, cx),
            Event::KeysCompleted => return sasl_upgrade::on_completed(negotiation, cx),
            Event::TokenChecked(verdict) => return fast::on_checked(negotiation, verdict, config, cx),
            Event::TokenIssued(new) => self.token_issued(new.as_deref(), cx),
            Event::Homed => self.homed(cx),
            Event::Registered(outcome) => {
                if let Some(id) = take_id(negotiation) {
                    register::write_outcome(&id, outcome, config, cx.outbox);
                    cx.actions.push(Action::Continue);
                }
            }
            Event::Bound { address, .. } => self.bound(address, cx),
            Event::BindFailed(fault) if negotiation.request.is_some() => self.inline_bind_failed(fault, cx),
            Event::ResumeFailed if negotiation.request.is_some() => self.inline_resume_failed(cx),
            Event::BindFailed(fault) => {
                if let Some(id) = take_id(negotiation) {
                    bind::write_failed(&id, fault, cx.outbox);
                    cx.actions.push(Action::Continue);
                }
            }
            Event::ResumeFailed => {
                negotiation.stage = Stage::Choice;
                stream_management::write_failed(cx.outbox, "item-not-found");
                cx.actions.push(Action::Continue);
            }
            _ => {}
        }
        Flow::Next
    }

    /// At home, and authenticated: says so, and expects a new stream; or goes on with this one (XEP-0388).
    fn homed(&mut self, cx: &mut Context<'_>) {
        let limits = &self.shared.config.limits;
        let State::Negotiating(negotiation) = &mut self.state else {
            return;
        };
        if !matches!(negotiation.stage, Stage::Homing) {
            return;
        }
        negotiation.deadline_ms = cx.now.ms + limits.negotiation_ms;
        cx.actions.push(Action::WakeAt(negotiation.deadline_ms));
        if negotiation.request.is_some() {
            self.scanner.set_limits(limits.scan_after_auth());
            return self.fulfil(cx);
        }
        cx.outbox.append(&mut negotiation.success);
        negotiation.restart();
        self.scanner.reset();
        self.scanner.set_limits(limits.scan_after_auth());
        cx.actions.push(Action::Continue);
    }

    fn bound(&mut self, address: Jid, cx: &mut Context<'_>) {
        let State::Negotiating(negotiation) = &mut self.state else {
            return;
        };
        let established = match take_id(negotiation) {
            Some(id) => {
                bind::write_bound(&id, &address, cx.outbox);
                Established::new(address, negotiation.lang.take(), cx.now)
            }
            None => match self.inline_bound(address, cx) {
                Some(established) => established,
                None => return,
            },
        };
        self.state = State::Established(established);
        cx.actions.push(Action::WakeAt(cx.now.ms + REST_AFTER_MS));
        cx.actions.push(Action::Continue);
    }

    /// The client is back: what its earlier session holds is this one's now.
    fn resumed(&mut self, old: Box<dyn Session>, address: Jid, cx: &mut Context<'_>) -> Flow {
        let State::Negotiating(negotiation) = &mut self.state else {
            return Flow::Next;
        };
        let Stage::Resuming(h) = negotiation.stage else {
            return Flow::Next;
        };
        let lang = negotiation.lang.take();
        let welcome = self.welcome(&address);
        let mut established = Established::new(address, lang, cx.now);
        if let Ok(old) = old.into_any().downcast::<XmppSession>()
            && let State::Established(old) = old.state
        {
            established.take_over(old);
        }
        if let Some(management) = &mut established.management {
            management.welcome = welcome;
        }
        cx.actions.push(Action::WakeAt(cx.now.ms + REST_AFTER_MS));
        let flow = established.resume(h, &self.shared.config, cx);
        self.state = State::Established(established);
        flow
    }

    /// The transport is gone. Who may resume is waited for.
    fn lost(&mut self, cx: &mut Context<'_>) {
        if let State::Established(established) = &mut self.state
            && let Some(management) = &established.management
            && let Some(token) = management.token.clone()
            && !established.flags.closing
            && !management.overflows(true, &self.shared.config.limits)
        {
            let seconds = management.seconds;
            established.own_up(cx);
            established.leave();
            self.scanner.reset();
            self.scanner.rest();
            cx.actions.push(Action::Detach { token, seconds });
            return;
        }
        self.end(cx);
    }

    /// The proof was right, and the account is disabled (or gone since): RFC 6120 section 6.5.1.
    fn refuse_login(&self, farewell: Farewell, cx: &mut Context<'_>) {
        let State::Negotiating(negotiation) = &self.state else {
            return;
        };
        if farewell == Farewell::AccountChanged && matches!(negotiation.stage, Stage::Homing) {
            let failure = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>";
            cx.outbox.extend_from_slice(failure);
        }
    }

    /// What the shard's farewell is in this protocol.
    fn parting(&self, farewell: Farewell) -> StreamError {
        StreamError::of(farewell, self.shared.config.see_other_host.is_some())
    }

    /// XEP-0198 section 5: the stream that a resumed one replaces ends with a conflict; what it holds stays where it is.
    fn superseded(&self, cx: &mut Context<'_>) {
        if self.is_heard() {
            StreamError::Conflict.write(cx.outbox, None);
        }
    }

    /// Time has passed: deadlines, the rate, silence.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let config = &*self.shared.config;
        let flow = match &mut self.state {
            State::Negotiating(negotiation) if cx.now.ms >= negotiation.deadline_ms => {
                Flow::Fail(StreamError::ConnectionTimeout)
            }
            State::Negotiating(negotiation) => {
                cx.actions.push(Action::WakeAt(negotiation.deadline_ms));
                Flow::Next
            }
            State::Established(established) => {
                let flow = established.on_tick(config, cx);
                if cx.now.ms >= established.heard_ms + REST_AFTER_MS {
                    self.scanner.rest();
                }
                flow
            }
            State::Ended => Flow::Next,
        };
        self.follow(flow, cx);
    }

    /// Ends the stream by an error.
    pub(super) fn fail(&mut self, error: StreamError, cx: &mut Context<'_>) {
        let shared = &*self.shared;
        if let State::Negotiating(negotiation) = &mut self.state {
            if negotiation.is_between_streams() {
                // Nothing can be said between two streams.
                return self.end(cx);
            }
            if !negotiation.header_sent {
                negotiation.write_header(&shared.config, None, cx);
            }
        }
        if self.is_heard() {
            let other = shared.config.see_other_host.as_ref().map(|other| other.target.as_str());
            error.write(cx.outbox, other);
        }
        self.end(cx);
    }

    /// Ends the stream as it should be.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        if self.is_heard() {
            cx.outbox.extend_from_slice(b"</stream:stream>");
        }
        self.end(cx);
    }

    /// Whether what is written can reach the client.
    fn is_heard(&self) -> bool {
        match &self.state {
            State::Negotiating(negotiation) => negotiation.header_sent,
            State::Established(established) => !established.flags.away || established.flags.returning,
            State::Ended => false,
        }
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Negotiating(_) => {}
            State::Established(mut established) => {
                if !established.flags.away {
                    established.own_up(cx);
                }
                let left = established.leftovers();
                if !left.records.is_empty() || !left.envelopes.is_empty() {
                    cx.actions.push(Action::Return {
                        records: left.records,
                        envelopes: left.envelopes,
                    });
                }
            }
            State::Ended => return,
        }
        self.scanner.reset();
        self.scanner.rest();
        cx.actions.push(Action::Close);
    }
}

/// A delivery for a session that cannot take it.
pub(super) fn give_back(delivery: &Delivery<'_>, cx: &mut Context<'_>) {
    let (records, envelopes) = match delivery.record {
        Some(record) => (vec![record], vec![]),
        None => (vec![], vec![delivery.envelope.clone()]),
    };
    cx.actions.push(Action::Return { records, envelopes });
}

/// The identifier of the query whose answer has come.
fn take_id(negotiation: &mut Negotiation) -> Option<Vec<u8>> {
    match std::mem::replace(&mut negotiation.stage, Stage::Choice) {
        Stage::Binding(id) | Stage::Registering(id) => Some(id),
        other => {
            negotiation.stage = other;
            None
        }
    }
}

fn established_event(established: &mut Established, event: Event, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
    match event {
        Event::Accepted(ordinals) => return established.accepted(&ordinals, config, cx),
        Event::RosterPush { item, removed, version } => {
            established.ask("set", None, &features::roster_push_body(&item, removed, version), cx);
        }
        Event::BlockPush { addresses, blocked } => {
            established.ask("set", None, &features::block_push_body(&addresses, blocked), cx);
        }
        _ => return Flow::Next,
    }
    established.ask_if_due(config, cx);
    established.bounded(config)
}

impl Established {
    /// From the session that this one resumes: what is unacknowledged, what is held back.
    fn take_over(&mut self, old: Established) {
        self.take_pushes(old.pushes());
        self.management = old.management;
        self.held = old.held;
    }

    /// The client is gone: says what it may not have seen.
    fn own_up(&self, cx: &mut Context<'_>) {
        let unseen = self.management.as_ref().and_then(|management| management.unseen());
        if let Some(envelope) = unseen {
            cx.actions.push(Action::Unseen { envelope });
        }
    }

    /// The transport is gone: nothing is written, and presence is held back as from an inactive client.
    fn leave(&mut self) {
        self.flags = super::established::Flags {
            away: true,
            ..Default::default()
        };
        self.held.get_or_insert_default();
        if let Some(management) = &mut self.management {
            management.forget_questions();
        }
    }

    fn on_tick(&mut self, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        if self.flags.throttled {
            self.flags.throttled = false;
            if !self.holds() {
                cx.actions.push(Action::Continue);
            }
        }
        if self.flags.closing {
            return Flow::Finish;
        }
        if self.flags.returning {
            // Its earlier stanzas should have been safe long ago.
            return Flow::Fail(StreamError::ConnectionTimeout);
        }
        if self.flags.away {
            return Flow::Next;
        }
        let limits = &config.limits;
        let quiet_ms = cx.now.ms.saturating_sub(self.heard_ms);
        if limits.idle_ms > 0 && quiet_ms >= limits.idle_ms + limits.idle_grace_ms {
            return Flow::Fail(StreamError::ConnectionTimeout);
        }
        if limits.idle_ms > 0 && quiet_ms >= limits.idle_ms && !self.flags.probed {
            self.flags.probed = true;
            self.probe(config, cx);
        }
        let wake_ms = match (quiet_ms, limits.idle_ms) {
            (..REST_AFTER_MS, _) => self.heard_ms + REST_AFTER_MS,
            (_, 0) => return self.rest(),
            (quiet_ms, idle_ms) if quiet_ms < idle_ms => self.heard_ms + idle_ms,
            (_, idle_ms) => self.heard_ms + idle_ms + limits.idle_grace_ms,
        };
        if quiet_ms >= REST_AFTER_MS {
            self.flags.rested = true;
        }
        cx.actions.push(Action::WakeAt(wake_ms));
        Flow::Next
    }

    fn rest(&mut self) -> Flow {
        self.flags.rested = true;
        Flow::Next
    }

    /// Is anybody there? (RFC 6120 section 4.6.1)
    fn probe(&mut self, config: &XmppConfig, cx: &mut Context<'_>) {
        match &mut self.management {
            Some(management) => management.write_ask(cx.outbox),
            None => self.ask(
                "get",
                Some(config.domain.as_str()),
                b"<ping xmlns='urn:xmpp:ping'/>",
                cx,
            ),
        }
    }
}

/// When a session that was at rest hears from its client, it wants to be woken again.
pub(super) fn wake_after_rest(established: &mut Established, cx: &mut Context<'_>) {
    if std::mem::take(&mut established.flags.rested) {
        cx.actions.push(Action::WakeAt(cx.now.ms + REST_AFTER_MS));
    }
}
