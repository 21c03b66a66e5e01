//! A client in its session: what it says, a frame at a time, and the state that stays while it is idle.
//!
//! Invariants:
//! - Whatever is written carries the newest acknowledgement; if nothing else does, ACCEPTED does: in the turn in which a message became
//!   durable, a moment later if the client is in the middle of a conversation, and a little later for what did not have to.
//! - While the client is away nothing is written to the outbox.

use bytes::Bytes;
use crosspoint_engine::guard::Pace;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context};

use crate::codec::sync::{Sync, Synced};
use crate::codec::{Code, Flags, Frame, Verb, write_frame};
use crate::config::IcppConfig;
use crate::ticket::Fingerprint;

use super::Flow;
use super::deferred::Deferred;
use super::inbound::{self, Run};
use super::lifecycle::Returning;
use super::unacked::{Inbound, Outbound};
use super::write::{Place, is_answer, is_request};
use super::{contacts, outbound, rooms};

/// How long an acknowledgement that nobody waits for may wait for another frame, in milliseconds.
const ACCEPTED_LATER_MS: u64 = 100;

/// A client that was given a message so lately, in milliseconds, will probably be given another one, which can say what is safe.
const CONVERSING_MS: u32 = 16;

/// How long a client that has acknowledged everything keeps the memory for what it might get, in milliseconds.
const REST_AFTER_MS: u64 = 3_000;

/// A client in its session. Small: there are many, and most are idle.
pub(super) struct Established {
    /// Full.
    pub(super) address: Jid,
    pub(super) epoch: u64,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    /// What we have acknowledged last, in whatever frame.
    pub(super) said_ack: u32,
    /// When the client was last given a message: the lower half of the time.
    pub(super) told_ms: u32,
    /// When the client last sent anything.
    pub(super) heard_ms: u64,
    pub(super) pace: Pace,
    pub(super) flags: SessionFlags,
    pub(super) due: Due,
    /// The request that SYNC was.
    pub(super) sync: u32,
    /// Presence that is kept back.
    pub(super) deferred: Option<Box<Deferred>>,
    /// What the client shows to come back.
    pub(super) token: Option<Bytes>,
    /// Of the keys by which it came in.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Present while it is about to be told that it is back.
    pub(super) returning: Option<Box<Returning>>,
}

/// Not at any time.
pub(super) const NEVER: u64 = u64::MAX;

/// When a session has something to do by itself ([`Now::ms`](crosspoint_engine::session::Now)); [`NEVER`] for nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// What is safe and has not been said is said.
    pub(super) accepted_ms: u64,
    /// Memory that only a busy client needs is given back.
    pub(super) rest_ms: u64,
    /// The pace allows more, and reading goes on.
    pub(super) ready_ms: u64,
    /// The client has its whole window again. [`NEVER`] as long as it has.
    pub(super) credit_ms: u64,
    /// The drain's second phase.
    pub(super) drained_ms: u64,
}

impl Default for Due {
    fn default() -> Due {
        Due {
            accepted_ms: NEVER,
            rest_ms: NEVER,
            ready_ms: NEVER,
            credit_ms: NEVER,
            drained_ms: NEVER,
        }
    }
}

/// What a session is in the middle of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SessionFlags {
    /// The shard gives it nothing that the log can keep.
    pub(super) held: bool,
    /// Nobody looks at the client's screen.
    pub(super) background: bool,
    /// The transport is gone; the client may come back.
    pub(super) away: bool,
    /// The client is back, but is told so only when all that it had sent before is safe.
    pub(super) returning: bool,
    /// The client has been told to go.
    pub(super) draining: bool,
    /// The moment for which an acknowledgement waits is not over.
    pub(super) lingering: bool,
}

impl Established {
    pub(super) fn new(address: Jid, epoch: u64, fingerprint: Option<Fingerprint>, now_ms: u64) -> Established {
        Established {
            address,
            epoch,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            said_ack: 0,
            told_ms: (now_ms as u32).wrapping_sub(CONVERSING_MS),
            heard_ms: now_ms,
            pace: Pace::default(),
            flags: SessionFlags::default(),
            due: Due::default(),
            sync: 0,
            deferred: None,
            token: None,
            fingerprint,
            returning: None,
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| token.len());
        self.outbound.heap_bytes() + token + self.address.as_str().len()
    }

    /// Whether reading waits.
    pub(super) fn holds(&self) -> bool {
        self.due.ready_ms != NEVER || self.flags.away || self.flags.returning
    }

    /// The acknowledgement for the header of a frame about to be written.
    pub(super) fn ack(&mut self) -> u32 {
        self.said_ack = self.inbound.ack();
        self.said_ack
    }

    pub(super) fn on_frame(
        &mut self,
        frame: &Frame<'_>,
        config: &IcppConfig,
        place: Place,
        run: &mut Run<'_>,
        cx: &mut Context<'_>,
    ) -> Flow {
        if let Err(flow) = self.acknowledged(frame.header.ack, config, cx) {
            return flow;
        }
        let verb = match frame.verb() {
            Ok(Some(verb)) => verb,
            Ok(None) => {
                let ack = self.ack();
                return place.unknown(frame, ack, cx.outbox);
            }
            Err(fault) => return fault.into(),
        };
        if is_answer(frame) {
            return Flow::Fail(Code::UnexpectedVerb);
        }
        match verb {
            Verb::Send | Verb::Receipt | Verb::Note | Verb::Edit | Verb::Recall => {
                inbound::message(self, verb, frame, config, run, cx)
            }
            Verb::Accepted => empty(frame),
            Verb::Ping => {
                let ack = self.ack();
                place.pong(frame, ack, cx.outbox)
            }
            Verb::Presence => contacts::presence(self, frame, run, cx),
            Verb::Subscribe | Verb::Unsubscribe | Verb::Approve | Verb::Deny => {
                contacts::subscription(self, verb, frame, config, cx)
            }
            Verb::Roster | Verb::Block | Verb::Allow | Verb::History => contacts::query(self, verb, frame, run, cx),
            Verb::Create | Verb::Join | Verb::Leave | Verb::Show | Verb::Invite | Verb::Decline | Verb::Voice => {
                rooms::push(self, verb, frame, config, place, run, cx)
            }
            Verb::Members | Verb::Change | Verb::Configure | Verb::Destroy | Verb::Rooms => {
                rooms::query(self, verb, frame, run, cx)
            }
            Verb::Sync => self.sync(frame, place, cx),
            Verb::State => self.state(frame, place, cx),
            Verb::Bye if !frame.body.is_empty() => Flow::Fail(Code::Malformed),
            Verb::Bye => Flow::Finish,
            _ => Flow::Fail(Code::UnexpectedVerb),
        }
    }

    /// The client says how many reliable frames it has.
    pub(super) fn acknowledged(&mut self, ack: u32, config: &IcppConfig, cx: &mut Context<'_>) -> Result<(), Flow> {
        let mut records = Vec::new();
        if self.outbound.acknowledge(ack, &mut records).is_err() {
            return Err(Flow::Fail(Code::AckInvalid));
        }
        if !records.is_empty() {
            cx.actions.push(Action::Settle(records));
        }
        if self.due.rest_ms == NEVER && self.outbound.is_restless() {
            self.due.rest_ms = cx.now.ms + REST_AFTER_MS;
            self.arm(config, cx);
        }
        if self.flags.held && self.outbound.has_room(&config.limits) {
            self.flags.held = false;
            cx.actions.push(Action::Hold(false));
        }
        Ok(())
    }

    /// The client says what it has of what waited, and asks for the rest.
    fn sync(&mut self, frame: &Frame<'_>, place: Place, cx: &mut Context<'_>) -> Flow {
        let sync = match Sync::read(frame.body) {
            Ok(sync) if is_request(frame) => sync,
            Ok(_) => return Flow::Fail(Code::Malformed),
            Err(fault) => return fault.into(),
        };
        if self.sync != 0 {
            let ack = self.ack();
            place.refuse_by(cx.outbox, frame.header.id, ack, Code::Conflict);
            return Flow::Next;
        }
        self.sync = frame.header.id;
        let known = sync.epoch == self.epoch;
        cx.actions.push(Action::Sync {
            after: if known { sync.offset } else { 0 },
        });
        Flow::Next
    }

    /// Everything that waited has been sent.
    pub(super) fn synced(&mut self, offset: u64, place: Place, cx: &mut Context<'_>) {
        let id = std::mem::take(&mut self.sync);
        if id == 0 || self.flags.away {
            return;
        }
        let ack = self.ack();
        let synced = Synced {
            epoch: self.epoch,
            offset,
            more: false,
        };
        write_frame(cx.outbox, place.answer(Verb::Synced, Flags::NONE, id, ack), |out| {
            synced.write(out)
        });
    }

    fn state(&mut self, frame: &Frame<'_>, place: Place, cx: &mut Context<'_>) -> Flow {
        match frame.body {
            [0] => {
                self.flags.background = false;
                outbound::catch_up(self, place, cx);
            }
            [1] => {
                self.flags.background = true;
                self.deferred.get_or_insert_default();
            }
            _ => return Flow::Fail(Code::Malformed),
        }
        Flow::Next
    }

    /// Frames that nobody waits for are safe: that is said with the next frame, when much has gathered, or a little later.
    pub(super) fn accept_later(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        let unsaid = self.inbound.ack().wrapping_sub(self.said_ack);
        if unsaid >= config.limits.window.div_ceil(2) {
            return self.accept(place, cx);
        }
        if unsaid > 0 && self.due.accepted_ms == NEVER && !self.flags.away {
            self.due.accepted_ms = cx.now.ms + ACCEPTED_LATER_MS;
            self.arm(config, cx);
        }
    }

    /// Frames that the client may be waiting for are safe: that is said now, or, in the middle of a conversation, by the next message.
    /// A client that is only told what it has sent itself never waits.
    pub(super) fn accept_soon(&mut self, config: &IcppConfig, place: Place, cx: &mut Context<'_>) {
        let unsaid = self.inbound.ack().wrapping_sub(self.said_ack);
        let conversing = (cx.now.ms as u32).wrapping_sub(self.told_ms) < CONVERSING_MS;
        if !conversing || unsaid >= config.limits.window.div_ceil(2) {
            return self.accept(place, cx);
        }
        if unsaid > 0 && !self.flags.lingering {
            self.flags.lingering = true;
            cx.actions.push(Action::Linger);
        }
    }

    /// Says how many frames are safe, if nothing has said it yet.
    pub(super) fn accept(&mut self, place: Place, cx: &mut Context<'_>) {
        let ack = self.inbound.ack();
        if ack == self.said_ack || self.flags.away || self.flags.returning {
            return;
        }
        self.said_ack = ack;
        write_frame(cx.outbox, place.push(Verb::Accepted, ack), |_| {});
    }
}

fn empty(frame: &Frame<'_>) -> Flow {
    match frame.body.is_empty() {
        true => Flow::Next,
        false => Flow::Fail(Code::Malformed),
    }
}
