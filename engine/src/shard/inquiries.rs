//! Queries that the switch itself sends to anybody, sessions and attached services alike, and what comes of them.
//!
//! An answer is addressed to who asked: the switch's domain, whose answers come to the answerer's shard, or a user's bare address. So
//! the identifier names the shard that asked.
//!
//! Invariants:
//! - Every inquiry ends once: by an answer from exactly the address that was asked, or by nobody's after [`INQUIRY_MS`].
//! - An identifier cannot be guessed, and is no use to anybody but who was asked.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::Shard;
use super::mail::{Item, Routed};
use crate::envelope::{Condition, Envelope};
use crate::jid::Jid;
use crate::service::ThenAnswer;

/// Inquiries of one shard that are not over.
pub const INQUIRIES_MAX: usize = 16_384;
/// Those and the ones that ended in the last [`INQUIRY_MS`], which are forgotten when there are more than this.
const DEADLINES_MAX: usize = 4 * INQUIRIES_MAX;
/// How long an answer may take, in milliseconds.
pub const INQUIRY_MS: u64 = 60_000;
/// What their identifiers begin with. Answers to a bare address under another identifier are nobody's at home.
pub const INQUIRY_PREFIX: &str = "inq-";

struct Inquiry {
    whom: Jid,
    then: ThenAnswer,
}

#[derive(Default)]
pub(super) struct Inquiries {
    open: HashMap<u64, Inquiry>,
    /// On their way as soon as no front-end is at work: the one that asks may be the one that answers.
    unsent: VecDeque<Envelope>,
    /// Until when, the oldest first.
    deadlines: VecDeque<(u64, u64)>,
}

impl Inquiries {
    /// Whether some are still to be sent.
    pub(super) fn are_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Questions that are answered quickly leave their deadlines behind: these go in one sweep, so that who asks a lot keeps
    /// nobody from asking.
    fn add(&mut self, number: u64, inquiry: Inquiry, until_ms: u64) {
        if self.deadlines.len() >= DEADLINES_MAX {
            let open = &self.open;
            self.deadlines.retain(|(_, number)| open.contains_key(number));
        }
        self.open.insert(number, inquiry);
        self.deadlines.push_back((until_ms, number));
    }
}

impl Shard {
    /// Sends a query, and calls `then` once with what came of it.
    pub(super) fn begin_inquiry(&mut self, mut query: Envelope, then: ThenAnswer) {
        if self.inquiries.open.len() >= INQUIRIES_MAX {
            return then(Err(Condition::ResourceConstraint), self);
        }
        let mut number = [0; 8];
        self.random.fill(&mut number);
        let number = u64::from_le_bytes(number);
        query.id = Bytes::from(format!("{INQUIRY_PREFIX}{:x}-{number:x}", self.id));
        let whom = query.to.detached();
        self.inquiries
            .add(number, Inquiry { whom, then }, self.now.ms + INQUIRY_MS);
        self.inquiries.unsent.push_back(query);
    }

    /// Sends one; false if there is none.
    pub(super) fn send_inquiry(&mut self) -> bool {
        match self.inquiries.unsent.pop_front() {
            Some(query) => {
                self.dispatch_free(query);
                true
            }
            None => false,
        }
    }

    /// A result or an error has come to a bare address or to the domain. Nothing happens if nobody waits for it.
    pub(super) fn inquiry_answered(&mut self, answer: Envelope) {
        let Some((shard, number)) = read_id(&answer.id) else {
            return;
        };
        if shard != self.id {
            if let Some(lane) = self.outgoing.lanes.get_mut(usize::from(shard)) {
                lane.push(Item::Route(Routed {
                    envelope: answer,
                    ticket: None,
                }));
            }
            return;
        }
        let asked = self.inquiries.open.get(&number);
        if asked.is_some_and(|inquiry| inquiry.whom == answer.from)
            && let Some(inquiry) = self.inquiries.open.remove(&number)
        {
            (inquiry.then)(Ok(answer), self);
        }
    }

    pub(super) fn expire_inquiries(&mut self) {
        while let Some((until, number)) = self.inquiries.deadlines.front().copied() {
            if until > self.now.ms && self.inquiries.open.contains_key(&number) {
                return;
            }
            self.inquiries.deadlines.pop_front();
            if let Some(inquiry) = self.inquiries.open.remove(&number) {
                (inquiry.then)(Err(Condition::RemoteServerTimeout), self);
            }
        }
    }
}

fn read_id(id: &[u8]) -> Option<(u16, u64)> {
    let (shard, number) = str::from_utf8(id).ok()?.strip_prefix(INQUIRY_PREFIX)?.split_once('-')?;
    Some((
        u16::from_str_radix(shard, 16).ok()?,
        u64::from_str_radix(number, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is open for as long as those that came before it allow, and none of them keeps its deadline for longer than needed.
    #[test]
    fn inquiries_that_ended_early_leave_room_for_others() {
        let mut inquiries = Inquiries::default();
        let inquiry = || Inquiry {
            whom: Jid::parse("juliet@capulet.lit").expect("an address"),
            then: Box::new(|_, _| ()),
        };
        inquiries.add(0, inquiry(), INQUIRY_MS);
        for number in 1..=3 * DEADLINES_MAX as u64 {
            inquiries.add(number, inquiry(), INQUIRY_MS);
            inquiries.open.remove(&number);
            assert!(inquiries.deadlines.len() <= DEADLINES_MAX);
        }
        assert_eq!(
            inquiries.deadlines.front(),
            Some(&(INQUIRY_MS, 0)),
            "who still waits is not forgotten"
        );
    }

    #[test]
    fn an_identifier_names_shard_and_inquiry() {
        assert_eq!(read_id(b"inq-1f-ffffffffffffffff"), Some((0x1f, u64::MAX)));
        for id in [
            "",
            "inq-",
            "inq-1",
            "inq-10000-1",
            "ask-1-1",
            "inq-1-1-1",
            "inq-1-10000000000000000",
        ] {
            assert_eq!(read_id(id.as_bytes()), None, "{id}");
        }
    }
}
