//! What a bound session does about stream management (XEP-0198): enabling, acknowledging, resuming.
//!
//! Invariant: a client that comes back is told `h` only when everything it had sent before is safe, so that it sends
//! nothing twice that the log is still about to commit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crosspoint_engine::session::{Action, Context};

use crate::codec::Stanza;
use crate::config::XmppConfig;

use super::errors::StreamError;
use super::established::Established;
use super::stream_management::{self as sm, Leftovers, Sent, StreamManagement};
use super::{Flow, deliver};

/// Random bytes of a resumption token: it is a bearer of the session, though only for the same account.
const TOKEN_BYTES: usize = 18;

impl Established {
    /// An element of stream management.
    pub(super) fn on_management(
        &mut self,
        name: &str,
        stanza: &Stanza<'_>,
        config: &XmppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        match (name, &mut self.management) {
            ("enable", None) => {
                let (resume, max) = (sm::attribute(stanza, "resume"), sm::attribute(stanza, "max"));
                self.enable(sm::Enable::read(resume.as_deref(), max.as_deref()), config, cx);
                Flow::Next
            }
            ("enable" | "resume", _) => sm::refuse(cx, "unexpected-request"),
            ("r", Some(management)) => {
                management.ask();
                self.answer(cx);
                Flow::Next
            }
            ("a", Some(_)) => match sm::count(stanza) {
                Some(h) => self.acknowledged(h, config, cx),
                None => Flow::Fail(StreamError::PolicyViolation),
            },
            ("r" | "a", None) => sm::refuse(cx, "unexpected-request"),
            _ => Flow::Fail(StreamError::UnsupportedStanzaType),
        }
    }

    /// Counts from here on, and says so.
    pub(super) fn enable(&mut self, wish: sm::Enable, config: &XmppConfig, cx: &mut Context<'_>) {
        let mut management = StreamManagement::default();
        if wish.resume && config.limits.resume_seconds > 0 {
            let mut token = [0; TOKEN_BYTES];
            cx.random.fill(&mut token);
            let token = Bytes::from(STANDARD.encode(token));
            let max = wish.max.unwrap_or(u32::MAX);
            management.seconds = config.limits.resume_seconds.min(max).max(1);
            management.token = Some(token.clone());
            cx.actions.push(Action::Resumable { token });
        }
        sm::write_enabled(cx.outbox, &management);
        self.management = Some(Box::new(management));
    }

    /// The client has everything up to `h`.
    fn acknowledged(&mut self, h: u32, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        let Some(management) = &mut self.management else {
            return Flow::Next;
        };
        match management.acknowledge(h) {
            Ok(records) => {
                settle(records, cx);
                self.ask_if_due(config, cx);
                Flow::Next
            }
            Err(error) => Flow::Fail(error),
        }
    }

    /// Says `<a/>` if that was asked for and can be said.
    fn answer(&mut self, cx: &mut Context<'_>) {
        if let Some(management) = &mut self.management
            && !self.flags.away
            && let Some(h) = management.answer()
        {
            sm::write_answer(cx.outbox, h);
        }
    }

    /// Stanzas of the client's are safe now.
    pub(super) fn accepted(&mut self, ordinals: &[u64], config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        let Some(management) = &mut self.management else {
            return Flow::Next;
        };
        management.accept(ordinals);
        let outstanding = management.outstanding();
        if self.flags.returning && outstanding == 0 {
            return self.come_back(config, cx);
        }
        self.answer(cx);
        if self.flags.closing && !self.management.as_ref().is_some_and(|management| management.is_asked()) {
            return Flow::Finish;
        }
        if self.flags.stalled && outstanding <= config.limits.outstanding_stanzas / 2 {
            self.flags.stalled = false;
            if !self.holds() {
                cx.actions.push(Action::Continue);
            }
        }
        Flow::Next
    }

    /// This session takes the place of an earlier one of the client, which has had everything up to `h` from it.
    pub(super) fn resume(&mut self, h: u32, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        let Some(management) = &mut self.management else {
            return Flow::Fail(StreamError::InternalServerError);
        };
        match management.acknowledge(h) {
            Ok(records) => settle(records, cx),
            Err(error) => return Flow::Fail(error),
        }
        let safe = management.outstanding() == 0;
        self.flags = super::established::Flags {
            away: true,
            returning: true,
            ..Default::default()
        };
        if safe { self.come_back(config, cx) } else { Flow::Next }
    }

    /// Tells the client that it is back, and sends again what it has missed.
    fn come_back(&mut self, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        self.flags.away = false;
        self.flags.returning = false;
        let Some(management) = &mut self.management else {
            return Flow::Next;
        };
        let welcome = management.welcome.take();
        if let Some(welcome) = &welcome {
            cx.outbox.extend_from_slice(&welcome.before);
        }
        sm::write_resumed(cx.outbox, management);
        if let Some(welcome) = &welcome {
            cx.outbox.extend_from_slice(&welcome.after);
        }
        for sent in management.unacknowledged() {
            match sent {
                Sent::Own(words) => cx.outbox.extend_from_slice(words),
                Sent::Envelope(kept) => {
                    if let Some(envelope) = kept.unpack() {
                        deliver::write(cx.outbox, &envelope, kept.form(), &self.address);
                    }
                }
            }
        }
        // XEP-0352 section 5.2: a resumed stream is active.
        self.wake_up(config, cx);
        self.answer(cx);
        cx.actions.push(Action::Continue);
        self.bounded(config)
    }

    /// What goes elsewhere now that the session ends.
    pub(super) fn leftovers(&mut self) -> Leftovers {
        self.management
            .as_mut()
            .map(|management| management.leftovers())
            .unwrap_or_default()
    }
}

fn settle(records: Vec<crosspoint_engine::store::RecordId>, cx: &mut Context<'_>) {
    if !records.is_empty() {
        cx.actions.push(Action::Settle(records));
    }
}
