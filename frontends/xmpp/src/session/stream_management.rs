//! Stream management (XEP-0198): counting both ways, what is unacknowledged, and coming back.
//!
//! ```text
//!   inbound    1 2 3 4 5 6      received = 6, outstanding = {3, 5}: 3 and 5 are not safe yet, so h = 2
//!   outbound   acked .. sent    the queue holds exactly the stanzas between the two
//! ```
//!
//! Invariants:
//! - `h` never covers a stanza that could still be lost: acknowledged means durable.
//! - The queue is bounded; beyond its bound the session ends and what it holds is returned, not dropped.
//! - Counters are kept in 64 bits and compared modulo 2^32 (section 4).

use std::collections::VecDeque;

use bytes::Bytes;
use crosspoint_engine::envelope::{Envelope, Hints, Kind, QueryKind};
use crosspoint_engine::session::{Action, Context, Form};
use crosspoint_engine::store::RecordId;

use crate::codec::Stanza;
use crate::config::XmppConfig;
use crate::limits::Limits;
use crate::stanza::write;

use super::Flow;
use super::errors::StreamError;
use super::kept::Kept;
use super::negotiate::{Negotiation, Stage};
use super::sasl2::Welcome;

/// Namespace of stream management.
pub(super) const NS: &str = "urn:xmpp:sm:3";

/// The counters and the queue of one managed stream. Boxed: most idle sessions of older clients have none.
#[derive(Debug, Default)]
pub(super) struct StreamManagement {
    /// Stanzas received since it was enabled.
    received: u64,
    /// Those of them whose safety is open, oldest first.
    outstanding: VecDeque<Outstanding>,
    /// The first and last `<r/>` not answered yet, as counts of stanzas received before them.
    asked: Option<(u64, u64)>,
    /// Stanzas sent since it was enabled.
    sent: u64,
    /// Those of them that the client has.
    acked: u64,
    queue: VecDeque<Sent>,
    queue_bytes: usize,
    /// An `<r/>` of ours is not answered yet.
    asking: bool,
    /// Stanzas, and whether there are messages among them, sent since our last `<r/>`.
    unasked: usize,
    unasked_message: bool,
    /// What the client shows to come back, if it may.
    pub(super) token: Option<Bytes>,
    /// How long it may take to.
    pub(super) seconds: u32,
    /// What frames the news that it is back, until that is told.
    pub(super) welcome: Option<Box<Welcome>>,
}

/// An `<enable/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Enable {
    /// The client wants to be able to come back...
    pub(super) resume: bool,
    /// ...for this long, in seconds, if it says so.
    pub(super) max: Option<u32>,
}

impl Enable {
    /// From the attributes `resume` and `max`.
    pub(super) fn read(resume: Option<&str>, max: Option<&str>) -> Enable {
        Enable {
            resume: matches!(resume, Some("true" | "1")),
            max: max.and_then(|max| max.parse().ok()),
        }
    }
}

#[derive(Debug)]
struct Outstanding {
    ordinal: u64,
    safe: bool,
}

/// A stanza that the client has not acknowledged.
#[derive(Debug)]
pub(super) enum Sent {
    /// Somebody's.
    Envelope(Kept),
    /// This session's own words: answers, pushes.
    Own(Box<[u8]>),
}

/// What goes elsewhere when a session ends: as in [`Action::Return`].
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) records: Vec<RecordId>,
    pub(super) envelopes: Vec<Envelope>,
}

impl StreamManagement {
    /// A stanza has been received: its number.
    pub(super) fn receive(&mut self) -> u64 {
        self.received += 1;
        self.received
    }

    /// The stanza of this number, the latest, is not safe before `accept` names it.
    pub(super) fn await_safety(&mut self, ordinal: u64) {
        self.outstanding.push_back(Outstanding { ordinal, safe: false });
    }

    /// These are safe.
    pub(super) fn accept(&mut self, ordinals: &[u64]) {
        for ordinal in ordinals {
            if let Ok(index) = self.outstanding.binary_search_by_key(ordinal, |entry| entry.ordinal) {
                self.outstanding[index].safe = true;
            }
        }
        while self.outstanding.front().is_some_and(|entry| entry.safe) {
            self.outstanding.pop_front();
        }
    }

    /// Stanzas whose safety is open.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How many stanzas are safe without a gap.
    fn safe(&self) -> u64 {
        self.outstanding
            .front()
            .map_or(self.received, |entry| entry.ordinal - 1)
    }

    /// `h`, as we say it.
    pub(super) fn handled(&self) -> u32 {
        self.safe() as u32
    }

    /// The client asks how far we are.
    pub(super) fn ask(&mut self) {
        let first = self.asked.map_or(self.received, |(first, _)| first);
        self.asked = Some((first, self.received));
    }

    /// Whether a question of the client's is open.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The answer to the client's question, when it can be given: once everything received before it is safe.
    pub(super) fn answer(&mut self) -> Option<u32> {
        let (first, last) = self.asked?;
        let safe = self.safe();
        if safe < first {
            return None;
        }
        // Of several questions those that are still open stand somewhere after `safe`.
        self.asked = (last > safe).then_some((safe + 1, last));
        Some(safe as u32)
    }

    /// A stanza goes out: it is kept until the client has it.
    pub(super) fn keep(&mut self, sent: Sent) {
        self.unasked += 1;
        self.unasked_message |= matches!(&sent, Sent::Envelope(kept) if matches!(kept.kind(), Kind::Message(_)));
        self.sent += 1;
        self.queue_bytes += sent.weight();
        self.queue.push_back(sent);
    }

    /// Whether an `<r/>` is due: after messages, and after a number of anything. One at a time is on its way.
    pub(super) fn should_ask(&self, limits: &Limits) -> bool {
        !self.asking && (self.unasked_message || self.unasked >= limits.ask_after_stanzas)
    }

    /// Writes an `<r/>`.
    pub(super) fn write_ask(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<r xmlns='urn:xmpp:sm:3'/>");
        self.asking = true;
        self.unasked = 0;
        self.unasked_message = false;
    }

    /// The stream is gone, and with it the questions asked on it.
    pub(super) fn forget_questions(&mut self) {
        self.asked = None;
        self.asking = false;
        self.unasked_message = !self.queue.is_empty();
    }

    /// The client has everything up to `h`. Gives the log's numbers of what it has now.
    pub(super) fn acknowledge(&mut self, h: u32) -> Result<Vec<RecordId>, StreamError> {
        let newly = h.wrapping_sub(self.acked as u32) as usize;
        if newly > self.queue.len() {
            return Err(StreamError::HandledCountTooHigh {
                h,
                sent: self.sent as u32,
            });
        }
        self.acked += newly as u64;
        self.asking = false;
        let mut records = Vec::new();
        for sent in self.queue.drain(..newly) {
            self.queue_bytes -= sent.weight();
            if let Sent::Envelope(kept) = sent {
                records.extend(kept.record());
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(8);
        }
        Ok(records)
    }

    /// Whether the client, connected or away, leaves more unacknowledged than it may.
    pub(super) fn overflows(&self, away: bool, limits: &Limits) -> bool {
        let (stanzas, bytes) = match away {
            true => (limits.unacked_away_stanzas, limits.unacked_away_bytes),
            false => (limits.unacked_stanzas, limits.unacked_bytes),
        };
        self.queue.len() > stanzas || self.queue_bytes > bytes
    }

    /// Bytes that it occupies.
    pub(super) fn memory_bytes(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| token.len());
        let welcome = self.welcome.as_ref().map_or(0, |welcome| welcome.memory_bytes());
        let outstanding = self.outstanding.capacity() * size_of::<Outstanding>();
        let unused = (self.queue.capacity() - self.queue.len()) * size_of::<Sent>();
        size_of::<Self>() + token + welcome + outstanding + unused + self.queue_bytes
    }

    /// What the client has not acknowledged, oldest first.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &Sent> {
        self.queue.iter()
    }

    /// The last message that the client has not acknowledged and that is worth waking somebody for.
    pub(super) fn unseen(&self) -> Option<Envelope> {
        let worth = |sent: &Sent| match sent {
            Sent::Envelope(kept) if kept.hints().has(Hints::WAKE) && kept.form() != Form::CopySent => kept.unpack(),
            _ => None,
        };
        self.queue.iter().rev().find_map(worth)
    }

    /// The session ends: what must go elsewhere. Copies, presence, answers and our own words need not.
    pub(super) fn leftovers(&mut self) -> Leftovers {
        let mut leftovers = Leftovers::default();
        for sent in self.queue.drain(..) {
            let Sent::Envelope(kept) = sent else { continue };
            match (kept.record(), kept.kind(), kept.form()) {
                (Some(record), _, _) => leftovers.records.push(record),
                (None, Kind::Message(_) | Kind::Query(QueryKind::Get | QueryKind::Set), Form::Plain) => {
                    leftovers.envelopes.extend(kept.unpack());
                }
                _ => {}
            }
        }
        self.queue_bytes = 0;
        leftovers
    }
}

impl Sent {
    fn weight(&self) -> usize {
        match self {
            Sent::Envelope(kept) => kept.weight(),
            Sent::Own(bytes) => size_of::<Kept>() + bytes.len(),
        }
    }
}

/// `<resume/>` of a stream that has not bound.
pub(super) fn on_resume(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    if config.limits.resume_seconds == 0 {
        return refuse(cx, "feature-not-implemented");
    }
    let (Some(token), Some(h)) = (attribute(stanza, "previd"), count(stanza)) else {
        return refuse(cx, "bad-request");
    };
    negotiation.stage = Stage::Resuming(h);
    cx.actions.push(Action::Pause);
    cx.actions.push(Action::Resume {
        token: Bytes::from(token.into_bytes()),
    });
    Flow::Hold
}

/// `<failed/>` with a stanza error's condition; the stream goes on.
pub(super) fn refuse(cx: &mut Context<'_>, condition: &str) -> Flow {
    write_failed(cx.outbox, condition);
    Flow::Next
}

/// Appends `<failed/>`.
pub(super) fn write_failed(out: &mut Vec<u8>, condition: &str) {
    out.extend_from_slice(b"<failed xmlns='urn:xmpp:sm:3'><");
    out.extend_from_slice(condition.as_bytes());
    out.extend_from_slice(b" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
}

/// Appends `<a/>`.
pub(super) fn write_answer(out: &mut Vec<u8>, h: u32) {
    out.extend_from_slice(b"<a xmlns='urn:xmpp:sm:3' h='");
    write::number(out, h.into());
    out.extend_from_slice(b"'/>");
}

/// Appends `<enabled/>`.
pub(super) fn write_enabled(out: &mut Vec<u8>, management: &StreamManagement) {
    out.extend_from_slice(b"<enabled xmlns='urn:xmpp:sm:3'");
    if let Some(token) = &management.token {
        write::attribute(out, "id", token);
        out.extend_from_slice(b" resume='true' max='");
        write::number(out, management.seconds.into());
        out.push(b'\'');
    }
    out.extend_from_slice(b"/>");
}

/// Appends `<resumed/>`.
pub(super) fn write_resumed(out: &mut Vec<u8>, management: &StreamManagement) {
    out.extend_from_slice(b"<resumed xmlns='urn:xmpp:sm:3'");
    write::attribute(out, "previd", management.token.as_deref().unwrap_or_default());
    out.extend_from_slice(b" h='");
    write::number(out, management.handled().into());
    out.extend_from_slice(b"'/>");
}

/// The `h` of an `<a/>` or a `<resume/>`.
pub(super) fn count(stanza: &Stanza<'_>) -> Option<u32> {
    attribute(stanza, "h")?.parse().ok()
}

/// An attribute's value, unescaped.
pub(super) fn attribute(stanza: &Stanza<'_>, name: &str) -> Option<String> {
    stanza
        .attributes()
        .find(|attribute| attribute.name == name)
        .map(|found| found.value.unescape().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(count: u64, open: &[u64]) -> StreamManagement {
        let mut management = StreamManagement::default();
        for _ in 0..count {
            let ordinal = management.receive();
            if open.contains(&ordinal) {
                management.await_safety(ordinal);
            }
        }
        management
    }

    #[test]
    fn h_stops_before_the_first_stanza_that_is_not_safe() {
        let mut management = received(6, &[3, 5]);
        assert_eq!(management.handled(), 2);
        management.accept(&[5]);
        assert_eq!(management.handled(), 2);
        management.accept(&[3]);
        assert_eq!(management.handled(), 6);
    }

    #[test]
    fn a_question_is_answered_when_what_came_before_it_is_safe() {
        let mut management = received(2, &[2]);
        management.ask();
        assert_eq!(management.answer(), None);
        let third = management.receive();
        management.await_safety(third);
        management.ask();
        management.accept(&[2]);
        assert_eq!(management.answer(), Some(2), "the first question");
        assert_eq!(management.answer(), None, "the second is open");
        management.accept(&[3]);
        assert_eq!(management.answer(), Some(3));
        assert_eq!(management.answer(), None);
    }

    #[test]
    fn counters_wrap() {
        let mut management = StreamManagement {
            sent: 1 << 32,
            acked: (1 << 32) - 1,
            ..Default::default()
        };
        management.queue.push_back(Sent::Own(Box::default()));
        management.queue_bytes = Sent::Own(Box::default()).weight();
        assert_eq!(management.acknowledge(0), Ok(vec![]));
        assert_eq!(management.acked, 1 << 32);
        let mut management = StreamManagement {
            received: (1 << 32) + 5,
            ..Default::default()
        };
        assert_eq!(management.handled(), 5);
        management.ask();
        assert_eq!(management.answer(), Some(5));
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent() {
        let mut management = StreamManagement::default();
        management.keep(Sent::Own(Box::default()));
        assert_eq!(
            management.acknowledge(2),
            Err(StreamError::HandledCountTooHigh { h: 2, sent: 1 })
        );
        assert_eq!(management.acknowledge(1), Ok(vec![]));
        assert!(management.acknowledge(0).is_err(), "nor takes it back");
    }
}
