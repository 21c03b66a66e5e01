//! Commands that are being executed: one entry for each that waits for a form.
//!
//! Invariants:
//! - A session is its requester's alone, and of one command (XEP-0050 section 3.3).
//! - At most [`SESSIONS_MAX`] on a shard and [`SESSIONS_PER_USER_MAX`] of one user; each ends [`SESSION_MS_MAX`] after the last
//!   step. Who begins one more ends his oldest.

use std::collections::VecDeque;

use crosspoint_engine::jid::Jid;

use super::Command;
use super::form::Answers;

/// Sessions of one shard.
pub const SESSIONS_MAX: usize = 1_024;
/// Sessions of one user.
pub const SESSIONS_PER_USER_MAX: usize = 8;
/// How long a session waits for its next step, in milliseconds.
pub const SESSION_MS_MAX: u64 = 10 * 60 * 1_000;
/// Ended sessions that are remembered, to tell an expired one from one that never was.
const EXPIRED_MAX: usize = 256;

/// A command that waits for a form.
pub(super) struct Session {
    pub id: String,
    /// Full address.
    pub owner: Jid,
    pub command: &'static Command,
    /// Index of the stage whose form is being filled in.
    pub stage: usize,
    pub answers: Answers,
    until_ms: u64,
}

/// All of a shard, the oldest first.
#[derive(Default)]
pub(in super::super) struct Desk {
    open: VecDeque<Session>,
    expired: VecDeque<(String, Jid)>,
    begun: u64,
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// There was one, and its time is over.
    Expired,
    /// There is none of that name.
    Unknown,
}

impl Desk {
    /// A new name for a session, which says nothing.
    pub fn name(&mut self, unix_ms: u64) -> String {
        self.begun += 1;
        format!("{unix_ms:x}-{:x}", self.begun)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Begins one.
    pub(super) fn open(&mut self, id: String, owner: &Jid, command: &'static Command, now_ms: u64) {
        self.expire(now_ms);
        let own = self
            .open
            .iter()
            .filter(|session| session.owner.same_bare(owner))
            .count();
        if own >= SESSIONS_PER_USER_MAX
            && let Some(oldest) = self.open.iter().position(|session| session.owner.same_bare(owner))
            && let Some(oldest) = self.open.remove(oldest)
        {
            self.forget(oldest);
        } else if self.open.len() >= SESSIONS_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            self.forget(oldest);
        }
        self.open.push_back(Session {
            id,
            owner: owner.detached(),
            command,
            stage: 0,
            answers: Answers::default(),
            until_ms: now_ms + SESSION_MS_MAX,
        });
    }

    /// Takes one out; [`Desk::put_back`] if it goes on.
    pub(super) fn take(&mut self, id: &str, owner: &Jid, node: &str, now_ms: u64) -> Result<Session, Missing> {
        self.expire(now_ms);
        let fits = |session: &Session| session.id == id && session.owner == *owner && session.command.is_at(node);
        if let Some(session) = self
            .open
            .iter()
            .position(fits)
            .and_then(|place| self.open.remove(place))
        {
            return Ok(session);
        }
        let was = self.expired.iter().any(|(known, of)| known == id && of == owner);
        Err(if was { Missing::Expired } else { Missing::Unknown })
    }

    /// It waits for another form.
    pub(super) fn put_back(&mut self, mut session: Session, now_ms: u64) {
        session.until_ms = now_ms + SESSION_MS_MAX;
        self.open.push_back(session);
    }

    /// The oldest stand first: every step puts a session to the end.
    fn expire(&mut self, now_ms: u64) {
        while self.open.front().is_some_and(|session| session.until_ms <= now_ms) {
            if let Some(session) = self.open.pop_front() {
                self.forget(session);
            }
        }
    }

    fn forget(&mut self, session: Session) {
        if self.expired.len() >= EXPIRED_MAX {
            self.expired.pop_front();
        }
        self.expired.push_back((session.id, session.owner));
    }
}
