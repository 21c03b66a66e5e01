//! What happens to a session from outside: the shard's answers, time, and the end.
//!
//! Invariants:
//! - Whichever way a session ends, what its client has not acknowledged is returned before `Close`.
//! - A client that comes back is told what is safe only when everything it had sent before is, so that it sends nothing twice that the
//!   log is still about to commit.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Farewell, Session};

use crate::codec::elsewhere::{Drain, Reason, Redirect};
use crate::codec::hello::Authed;
use crate::codec::{Code, Flags, Refusal, Verb, write_frame};
use crate::config::IcppConfig;
use crate::trunk;

use super::established::{Due, Established, NEVER};
use super::login::Login;
use super::write::Place;
use super::{Flow, IcppSession, State, outbound};

/// Random bytes of a resumption token: it is a bearer of the session, though only for the same account.
const TOKEN_BYTES: usize = 16;

/// How long a client that nobody sends elsewhere has between the two phases of a drain, in milliseconds: a round trip.
const DRAIN_GRACE_MS: u64 = 200;

impl IcppSession {
    pub(super) fn event(&mut self, event: Event, cx: &mut Context<'_>) {
        let place = self.place();
        let config = self.config.clone();
        let flow = match event {
            Event::Lost => return self.lost(cx),
            Event::Superseded => return self.superseded(cx),
            Event::Farewell(farewell) => self.parting(farewell, cx),
            Event::Bound { address, epoch } => self.bound(address, epoch, cx),
            Event::Resumed { old, address } => self.resumed(old, address, cx),
            event => match &mut self.state {
                State::Login(login) => login_event(login, event, &config, place, cx),
                State::Established(established) => established_event(established, event, &config, place, cx),
                State::Opening(_) | State::Ended => Flow::Next,
            },
        };
        self.follow(flow, cx);
        self.come_back(cx);
    }

    pub(super) fn follow(&mut self, flow: Flow, cx: &mut Context<'_>) {
        match flow {
            Flow::Next | Flow::Hold => {}
            Flow::Fail(code) => self.fail(code, cx),
            Flow::Finish => self.end(cx),
        }
    }

    /// A call of `on_input` is over.
    pub(super) fn after_read(&mut self, bytes: usize, frames: usize, cx: &mut Context<'_>) {
        let place = self.place();
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.heard_ms = cx.now.ms;
        established.accept_later(&self.config, place, cx);
        if let Some(ready_ms) = established
            .pace
            .charge(bytes, frames, cx.now.ms, self.config.limits.pace)
        {
            established.due.ready_ms = ready_ms;
            cx.actions.push(Action::Pause);
            established.slow_down(ready_ms, &self.config, place, cx);
            established.arm(&self.config, cx);
        }
    }

    /// A new session of the client's: AUTHED.
    fn bound(&mut self, address: Jid, epoch: u64, cx: &mut Context<'_>) -> Flow {
        let State::Login(login) = &mut self.state else {
            return Flow::Next;
        };
        let mut established = Box::new(Established::new(address, epoch, login.fingerprint, cx.now.ms));
        if self.config.limits.resume_seconds > 0 {
            let mut token = [0; TOKEN_BYTES];
            cx.random.fill(&mut token);
            let token = Bytes::copy_from_slice(&token);
            established.token = Some(token.clone());
            cx.actions.push(Action::Resumable { token });
        }
        cx.actions.push(Action::Listen {
            copies: true,
            changes: true,
        });
        let (request, last_word) = (login.request, login.last_word.take());
        let place = Place { slot: self.slot };
        authed(
            &mut established,
            &self.config,
            Verb::Authed,
            request,
            last_word,
            place,
            cx,
        );
        self.state = State::Established(established);
        self.wake(cx);
        cx.actions.push(Action::Continue);
        Flow::Next
    }

    /// The client is back: what its earlier session holds is this one's now.
    fn resumed(&mut self, old: Box<dyn Session>, address: Jid, cx: &mut Context<'_>) -> Flow {
        let State::Login(login) = &mut self.state else {
            return Flow::Next;
        };
        let old = old.into_any().downcast::<IcppSession>().map(|old| old.state);
        let Ok(State::Established(mut established)) = old else {
            // The token was another protocol's: a session of ours cannot go on from there.
            return Flow::Fail(Code::Internal);
        };
        established.address = address;
        established.flags.away = false;
        established.due = Due::default();
        established.flags.lingering = false;
        established.flags.returning = true;
        established.fingerprint = login.fingerprint.or(established.fingerprint);
        let (ack, request, last_word) = (login.resume_ack, login.request, login.last_word.take());
        if let Err(flow) = established.acknowledged(ack, &self.config, cx) {
            self.state = State::Established(established);
            return flow;
        }
        // The shard knows nothing of what the earlier session had asked of it.
        established.flags.held = established.outbound.is_full(&self.config.limits);
        if established.flags.held {
            cx.actions.push(Action::Hold(true));
        }
        established.heard_ms = cx.now.ms;
        established.sync = 0;
        let returning = Returning { request, last_word };
        established.returning = Some(Box::new(returning));
        self.state = State::Established(established);
        Flow::Next
    }

    /// Says RESUMED, and sends again what the client has missed, once everything that it had sent is safe.
    fn come_back(&mut self, cx: &mut Context<'_>) {
        let place = self.place();
        let State::Established(established) = &mut self.state else {
            return;
        };
        if established.inbound.outstanding() > 0 {
            return;
        }
        let Some(returning) = established.returning.take() else {
            return;
        };
        established.flags.returning = false;
        let Returning { request, last_word } = *returning;
        authed(established, &self.config, Verb::Resumed, request, last_word, place, cx);
        let ack = established.ack();
        established.outbound.write_again(cx.outbox, place.slot, ack);
        established.heard_ms = cx.now.ms;
        if !established.flags.background {
            outbound::catch_up(established, place, cx);
        }
        self.wake(cx);
        cx.actions.push(Action::Continue);
    }

    /// The transport is gone. Who may resume is waited for.
    fn lost(&mut self, cx: &mut Context<'_>) {
        let seconds = self.config.limits.resume_seconds;
        if let State::Established(established) = &mut self.state
            && let Some(token) = established.token.clone()
            && !established.flags.draining
        {
            established.leave();
            cx.actions.push(Action::Detach { token, seconds });
            return;
        }
        self.end(cx);
    }

    /// Another connection of the client's goes on with this session: what it holds stays where it is.
    fn superseded(&mut self, cx: &mut Context<'_>) {
        let place = self.place();
        if let State::Established(established) = &mut self.state
            && !established.flags.away
        {
            let ack = established.ack();
            self.config.figures.faults.count(Code::Replaced);
            let refusal = Refusal::fatal(Code::Replaced);
            write_frame(cx.outbox, place.push(Verb::Bye, ack), |out| refusal.write(out));
        }
    }

    /// The shard ends this session. In a drain the client gets some time to go elsewhere.
    fn parting(&mut self, farewell: Farewell, cx: &mut Context<'_>) -> Flow {
        let place = self.place();
        let code = match farewell {
            Farewell::Shutdown => Code::Shutdown,
            Farewell::Replaced => Code::Replaced,
            Farewell::AccountChanged => Code::AccountChanged,
            Farewell::Policy => Code::SlowConsumer,
            Farewell::Timeout => Code::IdleTimeout,
            Farewell::Internal => Code::Internal,
        };
        match &mut self.state {
            State::Established(established) if farewell == Farewell::Shutdown && !established.flags.away => {
                established.begin_drain(&self.config, place, cx);
                Flow::Next
            }
            _ => Flow::Fail(code),
        }
    }

    /// Time has passed: deadlines, the pace, silence.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let place = self.place();
        let flow = match &mut self.state {
            State::Opening(opening) => overdue(opening.deadline_ms, cx),
            State::Login(login) => overdue(login.deadline_ms, cx),
            State::Established(established) => established.on_tick(&self.config, place, cx),
            State::Ended => Flow::Next,
        };
        self.follow(flow, cx);
    }

    fn wake(&self, cx: &mut Context<'_>) {
        if let State::Established(established) = &self.state {
            established.arm(&self.config, cx);
        }
    }

    /// Ends the connection, and says why.
    fn fail(&mut self, code: Code, cx: &mut Context<'_>) {
        let place = self.place();
        self.config.figures.faults.count(code);
        let temporary = matches!(
            code,
            Code::Throttled | Code::Shutdown | Code::Internal | Code::IdleTimeout
        );
        let refusal = Refusal {
            temporary,
            ..Refusal::fatal(code)
        };
        match &mut self.state {
            State::Established(established) if !established.flags.away => {
                let ack = established.ack();
                write_frame(cx.outbox, place.push(Verb::Bye, ack), |out| refusal.write(out));
            }
            State::Login(login) => place.refuse(cx.outbox, login.request, 0, &refusal),
            State::Opening(_) => place.refuse(cx.outbox, 0, 0, &refusal),
            State::Established(_) | State::Ended => {}
        }
        self.end(cx);
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Established(mut established) => {
                let left = established.outbound.leftovers();
                if !left.records.is_empty() || !left.envelopes.is_empty() {
                    cx.actions.push(Action::Return {
                        records: left.records,
                        envelopes: left.envelopes,
                    });
                }
            }
            State::Opening(_) | State::Login(_) => {}
            State::Ended => return,
        }
        cx.actions.push(Action::Close);
    }
}

/// A client that is about to be told that it is back.
pub(super) struct Returning {
    request: u32,
    last_word: Option<String>,
}

fn overdue(deadline_ms: u64, cx: &mut Context<'_>) -> Flow {
    if cx.now.ms >= deadline_ms {
        return Flow::Fail(Code::IdleTimeout);
    }
    cx.actions.push(Action::WakeAt(deadline_ms));
    Flow::Next
}

/// A delivery for a session that cannot take it.
pub(super) fn give_back(delivery: &Delivery<'_>, cx: &mut Context<'_>) {
    let (records, envelopes) = match delivery.record {
        Some(record) => (vec![record], vec![]),
        None => (vec![], vec![delivery.envelope.clone()]),
    };
    cx.actions.push(Action::Return { records, envelopes });
}

fn login_event(login: &mut Login, event: Event, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
    match event {
        Event::Keys(keys) => login.on_keys(&keys, config, place, cx),
        Event::PasswordChecked(opens) => login.on_password(opens, config, place, cx),
        Event::AuthUnavailable { throttled } => login.on_unavailable(throttled, config, place, cx),
        Event::Homed => {
            login.on_homed(cx);
            Flow::Hold
        }
        Event::Spent(good) => login.on_spent(good, config, cx),
        Event::ResumeFailed => {
            login.bind(cx);
            Flow::Hold
        }
        Event::BindFailed(fault) => Flow::Fail(match fault {
            crosspoint_engine::session::BindFault::Malformed => Code::Malformed,
            crosspoint_engine::session::BindFault::TooMany => Code::TooMany,
        }),
        _ => Flow::Next,
    }
}

fn established_event(
    established: &mut Established,
    event: Event,
    config: &IcppConfig,
    place: Place,
    cx: &mut Context<'_>,
) -> Flow {
    match event {
        Event::Accepted(numbers) => {
            established.inbound.accept(&numbers);
            established.accept_soon(config, place, cx);
            Flow::Next
        }
        Event::Lingered => {
            established.flags.lingering = false;
            established.accept(place, cx);
            Flow::Next
        }
        Event::Synced { after } => {
            established.synced(after, place, cx);
            Flow::Next
        }
        Event::RosterPush { item, removed, version } => {
            established.push_contact(&item, removed, version, config, place, cx)
        }
        Event::Relayed(parcel) if parcel.label == trunk::REDIRECT => {
            established.send_elsewhere(&parcel.bytes, config, place, cx);
            Flow::Next
        }
        Event::AdmissionPush(change) => established.push_admission(&change, config, place, cx),
        Event::BlockPush { addresses, blocked } => established.push_blocks(&addresses, blocked, config, place, cx),
        _ => Flow::Next,
    }
}

/// Appends AUTHED or RESUMED.
fn authed(
    established: &mut Established,
    config: &IcppConfig,
    verb: Verb,
    request: u32,
    last_word: Option<String>,
    place: Place,
    cx: &mut Context<'_>,
) {
    let limits = &config.limits;
    let fingerprint = established.fingerprint.filter(|_| limits.ticket_seconds > 0);
    let ticket = fingerprint.map(|fingerprint| {
        let (account, seconds) = (&established.address, limits.ticket_seconds);
        config.figures.tickets_issued.fetch_add(1, Relaxed);
        config
            .tickets
            .make(account, &fingerprint, &config.node, seconds, cx.now, cx.random)
    });
    let ack = established.ack();
    let body = Authed {
        address: established.address.as_str(),
        data: last_word.as_deref().map(str::as_bytes),
        token: established.token.as_deref().filter(|_| verb == Verb::Authed),
        resume_s: limits.resume_seconds,
        epoch: established.epoch,
        ticket: ticket.as_deref(),
        ticket_s: limits.ticket_seconds,
    };
    write_frame(cx.outbox, place.answer(verb, Flags::NONE, request, ack), |out| {
        body.write(out)
    });
}

impl Established {
    /// The transport is gone: nothing is written, and presence is kept back.
    fn leave(&mut self) {
        self.flags = super::established::SessionFlags {
            away: true,
            held: self.flags.held,
            background: self.flags.background,
            ..Default::default()
        };
        self.due = Due::default();
        self.sync = 0;
        self.returning = None;
        self.deferred.get_or_insert_default();
    }

    /// Nobody has been heard for too long. A phone that has lost its network is silent, too: its session waits for it.
    fn give_up(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
        if self.token.is_none() || self.flags.draining {
            return Flow::Fail(Code::IdleTimeout);
        }
        config.figures.faults.count(Code::IdleTimeout);
        let ack = self.ack();
        let refusal = Refusal {
            temporary: true,
            ..Refusal::fatal(Code::IdleTimeout)
        };
        place.refuse(cx.outbox, 0, ack, &refusal);
        cx.actions.push(Action::HangUp);
        Flow::Next
    }

    /// Asks to be woken when the first thing is due.
    pub(super) fn arm(&self, config: &IcppConfig, cx: &mut Context<'_>) {
        let due = &self.due;
        let times = [
            due.accepted_ms,
            due.rest_ms,
            due.ready_ms,
            due.credit_ms,
            due.drained_ms,
        ];
        let first = times.into_iter().fold(self.silent_until(config), u64::min);
        cx.actions.push(Action::WakeAt(first));
    }

    /// When the client's silence becomes too long.
    fn silent_until(&self, config: &IcppConfig) -> u64 {
        let seconds = match self.flags.background {
            true => config.limits.heartbeat_background_s,
            false => config.limits.heartbeat_s,
        };
        self.heard_ms + u64::from(seconds) * 1500
    }

    fn on_tick(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
        if cx.now.ms >= self.due.drained_ms {
            let ack = self.ack();
            let drain = Drain {
                phase: 2,
                deadline_ms: 0,
            };
            write_frame(cx.outbox, place.push(Verb::Drain, ack), |out| drain.write(out));
            return Flow::Fail(Code::Shutdown);
        }
        if self.flags.away {
            return Flow::Next;
        }
        if cx.now.ms >= self.due.accepted_ms {
            self.due.accepted_ms = NEVER;
            self.accept(place, cx);
        }
        if cx.now.ms >= self.due.rest_ms {
            self.due.rest_ms = NEVER;
            self.outbound.rest();
        }
        if cx.now.ms >= self.due.ready_ms {
            self.due.ready_ms = NEVER;
            cx.actions.push(Action::Continue);
        }
        if cx.now.ms >= self.due.credit_ms {
            self.speed_up(config, place, cx);
        }
        if cx.now.ms >= self.silent_until(config) {
            return self.give_up(config, place, cx);
        }
        self.arm(config, cx);
        Flow::Next
    }

    /// What lets the client in at another node without its password.
    fn ticket_for(&self, node: &str, config: &IcppConfig, cx: &mut Context<'_>) -> Option<Vec<u8>> {
        let fingerprint = self.fingerprint.filter(|_| config.limits.ticket_seconds > 0)?;
        let (tickets, seconds) = (&config.tickets, config.limits.ticket_seconds);
        config.figures.tickets_issued.fetch_add(1, Relaxed);
        Some(tickets.make(&self.address, &fingerprint, node, seconds, cx.now, cx.random))
    }

    /// The front-end through which the client is here wants it to go to another one (SPEC.md section 11.3).
    fn send_elsewhere(&mut self, body: &[u8], config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        let Ok(wish) = Redirect::read(body) else { return };
        if self.flags.away || wish.node.is_empty() {
            return;
        }
        let (ack, ticket) = (self.ack(), self.ticket_for(wish.node, config, cx));
        write_frame(cx.outbox, place.push(Verb::Redirect, ack), |out| {
            let mut redirect = Redirect::to(wish.node, wish.reason, &config.node);
            redirect.ticket = ticket.as_deref();
            redirect.after_ms = wish.after_ms;
            redirect.write(out, wish.urls());
        });
    }

    /// SPEC.md section 11.2: open nothing new, and go at a time of your choice.
    fn begin_drain(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        self.flags.draining = true;
        let ack = self.ack();
        let time_ms = match config.drain_to {
            Some(_) => config.drain_ms,
            None => config.drain_ms.min(DRAIN_GRACE_MS),
        };
        let drain = Drain {
            phase: 1,
            deadline_ms: time_ms as u32,
        };
        write_frame(cx.outbox, place.push(Verb::Drain, ack), |out| drain.write(out));
        if let Some(target) = &config.drain_to {
            let ticket = self.ticket_for(&target.node, config, cx);
            config.figures.redirects.count(Reason::Drain);
            let urls = target.urls.iter().map(String::as_str);
            write_frame(cx.outbox, place.push(Verb::Redirect, ack), |out| {
                let mut redirect = Redirect::to(&target.node, Reason::Drain, &config.node);
                redirect.ticket = ticket.as_deref();
                redirect.write(out, urls);
            });
        }
        self.due.drained_ms = cx.now.ms + time_ms;
        self.arm(config, cx);
    }
}
