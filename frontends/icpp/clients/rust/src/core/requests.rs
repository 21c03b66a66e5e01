//! Requests that wait for their answers, which may come in several frames.
//!
//! Invariants: ids are never 0 and unique among the open ones; what an answer may hold is bounded, and so is their number.

use std::collections::HashMap;

use crosspoint_icpp::codec::Verb;

use super::contacts::Contact;
use super::fault::{Refused, RequestError, ServerFault};
use super::limits::{ANSWER_BYTES_MAX, REQUESTS_MAX};
use super::message::Received;

/// By which an answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub(super) u32);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done, durably.
    Done,
    /// A list of addresses, and whether a white list is in force.
    Addresses {
        /// What is on it.
        addresses: Vec<String>,
        /// Of a white list: whether only these may reach the user.
        in_force: Option<bool>,
    },
    /// What was said, oldest first.
    History {
        /// The messages.
        messages: Vec<Received>,
        /// The bound for the next page.
        bound: u64,
        /// Whether there is one.
        more: bool,
    },
    /// Of a room: extensions, to be read by [`Body::answer`](crosspoint_icpp::codec::rooms::Body::answer).
    Room(Vec<u8>),
}

/// What a request is, and what has come of its answer.
#[derive(Debug)]
pub enum Pending {
    /// PING.
    Ping,
    /// ROSTER get; the client's own.
    Roster(Vec<Contact>),
    /// SYNC; the client's own.
    Sync,
    /// ROSTER set or remove.
    RosterChange,
    /// BLOCK or ALLOW list.
    List {
        /// What has come.
        addresses: Vec<String>,
        /// Of ALLOW.
        in_force: Option<bool>,
    },
    /// BLOCK or ALLOW, anything else.
    ListChange,
    /// HISTORY.
    History(Vec<Received>),
    /// MEMBERS to ROOMS, and what has come.
    Room(Verb, Vec<u8>),
}

/// One that is open.
#[derive(Debug)]
struct Open {
    pending: Pending,
    bytes: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Requests {
    open: HashMap<u32, Open>,
    last: u32,
}

impl Requests {
    /// Opens one.
    pub fn open(&mut self, pending: Pending) -> Result<RequestId, Refused> {
        if self.open.len() >= REQUESTS_MAX {
            return Err(Refused::TooManyRequests);
        }
        let id = self.fresh();
        self.open.insert(id, Open { pending, bytes: 0 });
        Ok(RequestId(id))
    }

    /// An id for a request that is not kept here (AUTH).
    pub fn fresh(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.open.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// A frame of an answer has come, of so many bytes. `None` if nobody waits for it.
    pub fn part(&mut self, id: u32, bytes: usize) -> Result<Option<&mut Pending>, ServerFault> {
        let Some(open) = self.open.get_mut(&id) else {
            return Ok(None);
        };
        open.bytes += bytes;
        match open.bytes <= ANSWER_BYTES_MAX {
            true => Ok(Some(&mut open.pending)),
            false => Err(ServerFault::AnswerTooLong),
        }
    }

    /// The answer is whole.
    pub fn close(&mut self, id: u32) -> Option<Pending> {
        Some(self.open.remove(&id)?.pending)
    }

    /// The connection has ended: no answer will come. Gives those that somebody waits for.
    pub fn abandon(&mut self) -> impl Iterator<Item = (RequestId, RequestError)> + '_ {
        let waited = |pending: &Pending| !matches!(pending, Pending::Ping | Pending::Roster(_) | Pending::Sync);
        let open = self.open.drain().filter(move |(_, open)| waited(&open.pending));
        open.map(|(id, _)| (RequestId(id), RequestError::Disconnected))
    }
}
