//! A bound session: its state, and what it says to its client. What the client says is read in `routing`.
//!
//! Invariants:
//! - While the client is away nothing is written to the outbox.
//! - With stream management everything that is sent is also kept.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::guard::Pace;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, Delivery, Form, Now};
use crosspoint_engine::store::RecordId;

use crate::codec::{CLIENT, Frame, Scanner, Stanza};
use crate::config::XmppConfig;
use crate::neutral;
use crate::stanza::write;

use super::client_state::Held;
use super::errors::StreamError;
use super::inbound::Run;
use super::kept::Kept;
use super::stream_management::{self as sm, Sent, StreamManagement};
use super::{Flow, deliver};

/// How long a client that has closed its stream waits for the acknowledgement it asked for, in milliseconds.
const CLOSE_AFTER_MS: u64 = 5_000;

/// What a reference-counted text has beside its bytes.
const SHARED_BYTES: usize = 24;

/// A bound session. Small: there are many, and most are idle.
pub(super) struct Established {
    /// Full.
    pub(super) address: Jid,
    /// ` xml:lang="..."` of the client's stream, if it is not ours.
    pub(super) lang: Option<Box<Bytes>>,
    pace: Pace,
    /// When the client last sent anything ([`Now::ms`]).
    pub(super) heard_ms: u64,
    /// Pushes and pings so far, for their identifiers.
    pushes: u32,
    pub(super) flags: Flags,
    /// Present once the client has enabled it.
    pub(super) management: Option<Box<StreamManagement>>,
    /// Present while the client is inactive, or away.
    pub(super) held: Option<Box<Held>>,
}

/// What a bound session waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// Reading waits for the rate to allow more.
    pub(super) throttled: bool,
    /// Reading waits for stanzas to become safe.
    pub(super) stalled: bool,
    /// The client has been asked whether it is there.
    pub(super) probed: bool,
    /// The scanner's buffers have been freed.
    pub(super) rested: bool,
    /// The transport is gone; the client may come back.
    pub(super) away: bool,
    /// The client has closed its stream, but is owed an acknowledgement.
    pub(super) closing: bool,
    /// The client is back, but is told so only when all it had sent before is safe.
    pub(super) returning: bool,
}

impl Established {
    pub(super) fn new(address: Jid, lang: Option<Box<Bytes>>, now: Now) -> Established {
        Established {
            address,
            lang,
            pace: Pace::default(),
            heard_ms: now.ms,
            pushes: 0,
            flags: Flags::default(),
            management: None,
            held: None,
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let address = self.address.as_str().len() + SHARED_BYTES;
        let lang = self.lang.as_ref().map_or(0, |lang| size_of::<Bytes>() + lang.len());
        let management = self
            .management
            .as_ref()
            .map_or(0, |management| management.memory_bytes());
        address + lang + management + self.held.as_ref().map_or(0, |held| held.memory_bytes())
    }

    /// Pushes so far: a resumed stream goes on counting.
    pub(super) fn pushes(&self) -> u32 {
        self.pushes
    }

    /// Goes on counting where another session stopped.
    pub(super) fn take_pushes(&mut self, pushes: u32) {
        self.pushes = pushes;
    }

    /// Whether reading waits.
    pub(super) fn holds(&self) -> bool {
        self.flags.throttled || self.flags.stalled || self.flags.away || self.flags.closing
    }

    /// The client is there.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.flags.probed = false;
    }

    pub(super) fn on_frame(
        &mut self,
        frame: &Frame<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        run: &mut Run<'_>,
        consumed: usize,
        cx: &mut Context<'_>,
    ) -> Flow {
        let flow = match frame {
            Frame::Space => Flow::Next,
            Frame::Header(_) => Flow::Fail(StreamError::InternalServerError),
            Frame::End => self.on_end(cx),
            Frame::Stanza(stanza) => self.on_stanza(stanza, scanner, config, run, cx),
        };
        match self.pace.charge(consumed, 1, cx.now.ms, config.limits.pace()) {
            Some(ready_ms) if flow == Flow::Next => {
                self.flags.throttled = true;
                cx.actions.push(Action::Pause);
                cx.actions.push(Action::WakeAt(ready_ms));
                Flow::Hold
            }
            _ => flow,
        }
    }

    /// The client closes its stream. Who has asked for an acknowledgement gets it first.
    fn on_end(&mut self, cx: &mut Context<'_>) -> Flow {
        if !self.management.as_ref().is_some_and(|management| management.is_asked()) {
            return Flow::Finish;
        }
        self.flags.closing = true;
        cx.actions.push(Action::Pause);
        cx.actions.push(Action::WakeAt(cx.now.ms + CLOSE_AFTER_MS));
        Flow::Hold
    }

    fn on_stanza(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        run: &mut Run<'_>,
        cx: &mut Context<'_>,
    ) -> Flow {
        match (&*stanza.namespace, stanza.name) {
            (CLIENT, "message" | "presence" | "iq") if stanza.verbatim => self.route(stanza, scanner, config, run, cx),
            (CLIENT, "message" | "presence" | "iq") => self.route_rewritten(stanza, scanner, config, cx),
            (sm::NS, name) => self.on_management(name, stanza, config, cx),
            ("urn:xmpp:csi:0", "active") => {
                cx.actions.push(Action::Doze(false));
                self.wake_up(config, cx);
                self.bounded(config)
            }
            ("urn:xmpp:csi:0", "inactive") => {
                self.held.get_or_insert_default();
                cx.actions.push(Action::Doze(true));
                Flow::Next
            }
            (_, "message" | "presence" | "iq") => Flow::Fail(StreamError::InvalidNamespace),
            _ => Flow::Fail(StreamError::UnsupportedStanzaType),
        }
    }

    /// A stanza of the server's own to this client.
    pub(super) fn say(&mut self, cx: &mut Context<'_>, words: impl FnOnce(&mut Vec<u8>)) {
        if self.flags.away {
            let mut out = Vec::new();
            words(&mut out);
            self.keep_own(&out);
            return;
        }
        let start = cx.outbox.len();
        words(cx.outbox);
        self.keep_own(&cx.outbox[start..]);
    }

    fn keep_own(&mut self, words: &[u8]) {
        if let Some(management) = &mut self.management {
            management.keep(Sent::Own(words.into()));
        }
    }

    /// A query to the client that the server itself makes: a push or a ping.
    pub(super) fn ask(&mut self, kind: &'static str, from: Option<&str>, payload: &[u8], cx: &mut Context<'_>) {
        self.pushes = self.pushes.wrapping_add(1);
        let mut id = *b"push-\0\0\0\0\0\0\0\0\0\0";
        let mut digits = Vec::with_capacity(10);
        write::number(&mut digits, self.pushes.into());
        id[5..5 + digits.len()].copy_from_slice(&digits);
        let address = self.address.clone();
        self.say(cx, |out| {
            write::iq(
                out,
                kind,
                &id[..5 + digits.len()],
                from,
                Some(address.as_str()),
                payload,
            )
        });
    }

    /// An envelope for this client. Gives the reason to end if that is one too many.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery<'_>,
        config: &XmppConfig,
        cx: &mut Context<'_>,
    ) -> Option<StreamError> {
        let (envelope, form, record) = (delivery.envelope, delivery.form, delivery.record);
        let said;
        let envelope = match envelope.content.codec {
            Codec::Neutral if !envelope.content.body.is_empty() => {
                said = neutral::to_stanza(envelope);
                &said
            }
            _ => envelope,
        };
        match &mut self.held {
            Some(held) if record.is_none() && deliver::is_deferrable(envelope) => {
                if held.push(Kept::pack(envelope, form, None), &config.limits) {
                    self.flush(cx);
                }
            }
            _ => {
                if self.held.is_some() {
                    self.flush(cx);
                }
                self.send(envelope, form, record, cx);
            }
        }
        self.ask_if_due(config, cx);
        match self.bounded(config) {
            Flow::Fail(error) => Some(error),
            _ => None,
        }
    }

    fn send(&mut self, envelope: &Envelope, form: Form, record: Option<RecordId>, cx: &mut Context<'_>) {
        if !self.flags.away {
            deliver::write(cx.outbox, envelope, form, &self.address);
        }
        match (&mut self.management, record) {
            (Some(management), _) => management.keep(Sent::Envelope(Kept::pack(envelope, form, record))),
            (None, Some(record)) => cx.actions.push(Action::SettleWhenWritten(vec![record])),
            (None, None) => {}
        }
    }

    /// Delivers what was held back.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        let held = self.held.as_mut().map(|held| held.take()).unwrap_or_default();
        for kept in held {
            if let Some(envelope) = kept.unpack() {
                self.send(&envelope, kept.form(), kept.record(), cx);
            }
        }
    }

    /// The client is active again (XEP-0352).
    pub(super) fn wake_up(&mut self, config: &XmppConfig, cx: &mut Context<'_>) {
        self.flush(cx);
        self.held = None;
        self.ask_if_due(config, cx);
    }

    pub(super) fn ask_if_due(&mut self, config: &XmppConfig, cx: &mut Context<'_>) {
        if let Some(management) = &mut self.management
            && !self.flags.away
            && management.should_ask(&config.limits)
        {
            management.write_ask(cx.outbox);
        }
    }

    /// Whether the client leaves too much unacknowledged.
    pub(super) fn bounded(&self, config: &XmppConfig) -> Flow {
        match &self.management {
            Some(management) if management.overflows(self.flags.away, &config.limits) => {
                Flow::Fail(StreamError::ResourceConstraint)
            }
            _ => Flow::Next,
        }
    }
}
