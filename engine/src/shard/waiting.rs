//! Whoever should be woken: a message waits for a user whom nobody listens for, or for a session whose client sleeps or whose
//! person does not look. Front-ends are told ([`Frontend::on_waiting`](crate::service::Frontend::on_waiting)), and know how to
//! knock (XEP-0357).
//!
//! ```text
//!   message ──▶ told at once ──▶ quiet for a while ──┬─ something new came, and it still waits ──▶ told once more
//!                                                    └─ nothing, or somebody came ──▶ forgotten
//! ```
//! Invariants:
//! - About one user, and about one session, front-ends are told at most once in [`QUIET_MS`].
//! - They are told between calls, when none of them is at work.

use std::collections::{HashMap, VecDeque};

use super::Shard;
use super::table::SessionId;
use super::user::UserId;
use crate::envelope::{Content, Envelope, Hints};
use crate::jid::Jid;
use crate::service::Waiting;
use crate::stable::StableId;
use crate::store;

/// How long front-ends are told nothing more about somebody whom they were told about, in milliseconds.
pub const QUIET_MS: u64 = 10_000;
/// Users and sessions of one shard in that time; messages for more wake nobody.
pub const QUIET_MAX: usize = 65_536;
/// A message larger than this is remembered during that time without its content.
const REMEMBERED_BYTES_MAX: usize = 4 * 1024;

/// What has come in somebody's quiet time. The last message is kept as in the log, each in the memory of the one before: nearly
/// nobody is ever told of it.
#[derive(Default)]
struct Quiet {
    count: u64,
    last: Vec<u8>,
    stamp_ms: Option<u64>,
    stable: Option<StableId>,
}

impl Quiet {
    fn note(&mut self, envelope: &Envelope) {
        self.count += 1;
        (self.stamp_ms, self.stable) = (envelope.stamp_ms, envelope.stable);
        let buffer = std::mem::take(&mut self.last);
        self.last = match envelope.weight() > REMEMBERED_BYTES_MAX {
            true => store::encode_again(buffer, &without_content(envelope), 0),
            false => store::encode_again(buffer, envelope, 0),
        };
    }

    /// The last message, if any has come.
    fn last(&self) -> Option<Envelope> {
        let read = store::decode(store::ENVELOPE_VERSION, &self.last);
        let noted = read.ok().filter(|_| self.count > 0)?;
        Some(Envelope {
            stamp_ms: self.stamp_ms,
            stable: self.stable,
            ..noted
        })
    }
}

#[derive(Default)]
pub(super) struct Wakes {
    /// By bare address, or by the full one of a session.
    quiet: HashMap<Jid, Quiet>,
    /// When it ends for whom, the earliest first.
    ends: VecDeque<(u64, Jid)>,
    /// What front-ends are to be told.
    told: VecDeque<Waiting>,
}

impl Wakes {
    /// Whether front-ends are to be told something.
    pub(super) fn are_due(&self) -> bool {
        !self.told.is_empty()
    }
}

impl Shard {
    /// A message for this user waits, and nobody is there to take it.
    pub(super) fn waits_for_user(&mut self, uid: UserId, envelope: &Envelope) {
        let Some(user) = self.users.get(uid) else { return };
        if envelope.hints.has(Hints::WAKE) && !user.available().any(|(_, priority)| priority >= 0) {
            let address = user.address.clone();
            self.waits(address, envelope);
        }
    }

    /// A message was given to this session; its client sleeps, or nobody looks at it.
    pub(super) fn waits_for_session(&mut self, id: SessionId, envelope: &Envelope) {
        if !envelope.hints.has(Hints::WAKE) {
            return;
        }
        let sleeper = self.sessions.get(id).filter(|entry| entry.is_unwatched());
        if let Some(address) = sleeper.and_then(|entry| entry.address.clone()) {
            self.waits(address, envelope);
        }
    }

    /// A session has lost its client, which may not have seen this.
    pub(super) fn unseen(&mut self, id: SessionId, envelope: &Envelope) {
        let address = self.sessions.get(id).and_then(|entry| entry.address.clone());
        if let Some(address) = address.filter(|address| address.is_full()) {
            self.waits(address, envelope);
        }
    }

    fn waits(&mut self, who: Jid, envelope: &Envelope) {
        if let Some(quiet) = self.wakes.quiet.get_mut(&who) {
            return quiet.note(envelope);
        }
        if self.wakes.quiet.len() >= QUIET_MAX {
            self.metrics.shed.add(1);
            return;
        }
        let who = who.detached();
        self.tell_of(who, 1, envelope.clone());
    }

    /// Front-ends will be told, and then there is quiet.
    fn tell_of(&mut self, who: Jid, count: u64, last: Envelope) {
        self.wakes.quiet.insert(who.clone(), Quiet::default());
        self.wakes.ends.push_back((self.now.ms + QUIET_MS, who.clone()));
        let queued = self.user_at(&who).map_or(0, |user| user.queue.waiting());
        self.wakes.told.push_back(Waiting {
            user: who.to_bare(),
            session: who.is_full().then_some(who),
            count: count.max(queued),
            last,
        });
    }

    /// Tells front-ends one thing; false if there is nothing to tell.
    pub(super) fn tell_waiting(&mut self) -> bool {
        let Some(waiting) = self.wakes.told.pop_front() else {
            return false;
        };
        for frontend in 0..self.frontends.len() {
            self.lend_frontend(frontend, |front, shard| front.on_waiting(&waiting, shard));
        }
        true
    }

    pub(super) fn end_quiet(&mut self) {
        while let Some((until, _)) = self.wakes.ends.front()
            && *until <= self.now.ms
        {
            let Some((_, who)) = self.wakes.ends.pop_front() else {
                return;
            };
            let Some(quiet) = self.wakes.quiet.remove(&who) else {
                continue;
            };
            if let Some(last) = quiet.last()
                && self.still_waits(&who)
            {
                self.tell_of(who, quiet.count, last);
            }
        }
    }

    fn still_waits(&self, who: &Jid) -> bool {
        let Some(user) = self.user_at(who) else {
            // Forgotten, so nobody has come.
            return who.is_bare();
        };
        match who.resource() {
            None => !user.available().any(|(_, priority)| priority >= 0),
            Some(name) => user
                .resource(name)
                .and_then(|resource| self.sessions.get(resource.session))
                .is_some_and(|entry| entry.is_unwatched()),
        }
    }

    /// Whether anybody's client is looked at.
    pub(super) fn doze(&mut self, id: SessionId, dozing: bool) {
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.dozing = dozing;
        }
    }
}

fn without_content(envelope: &Envelope) -> Envelope {
    Envelope {
        content: Content::default(),
        ..envelope.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Kind, MessageKind};

    fn said(body: &str) -> Envelope {
        let jid = |text: &str| Jid::parse(text).unwrap();
        let mut envelope = Envelope::neutral(jid("a@b/c"), jid("d@b"), Kind::Message(MessageKind::Chat));
        envelope.content.body = body.to_owned().into();
        envelope.hints = Hints::STORE.with(Hints::WAKE);
        envelope
    }

    #[test]
    fn the_last_message_of_a_quiet_time_is_what_it_was_and_takes_the_memory_of_the_one_before() {
        let mut quiet = Quiet::default();
        assert!(quiet.last().is_none());
        quiet.note(&said("the first, and the longer one"));
        let memory = quiet.last.as_ptr();
        let last = Envelope {
            stamp_ms: Some(7),
            stable: StableId::parse("0123456789abcdef"),
            ..said("the last")
        };
        quiet.note(&last);
        assert_eq!((quiet.count, quiet.last.as_ptr()), (2, memory));
        let back = quiet.last().unwrap();
        assert_eq!((&back.from, &back.to, back.kind), (&last.from, &last.to, last.kind));
        assert_eq!((&back.content, back.hints), (&last.content, last.hints));
        assert_eq!((back.stamp_ms, back.stable), (last.stamp_ms, last.stable));
    }

    #[test]
    fn a_large_message_is_remembered_without_its_content() {
        let mut quiet = Quiet::default();
        let last = said(&"x".repeat(REMEMBERED_BYTES_MAX + 1));
        quiet.note(&last);
        let back = quiet.last().unwrap();
        assert_eq!((back.from, back.content), (last.from, Content::default()));
        assert!(quiet.last.capacity() < REMEMBERED_BYTES_MAX);
    }
}
