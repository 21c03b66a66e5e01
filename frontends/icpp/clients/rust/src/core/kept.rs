//! What outlives the program, and the changes to it. A store plays the changes back in the order in which they were made.
//!
//! Invariant: [`Kept::apply`] is all that a store has to know; whatever is applied, it stays bounded.

use std::collections::VecDeque;

use crosspoint_icpp::codec::{MessageId, Verb};

use super::limits::{OUTBOX_FRAMES_MAX, SEEN_MAX};

/// A message that has been seen: the first half of the SHA-256 of its sender's bare address and its id.
pub type SeenKey = [u8; 16];

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Frames that the server has not accepted, oldest first.
    pub outbox: VecDeque<Queued>,
    /// What has been seen, oldest first.
    pub seen: VecDeque<SeenKey>,
    /// The log that the offset belongs to; 0 for none.
    pub epoch: u64,
    /// Everything up to here has been taken.
    pub offset: u64,
    /// For the next login.
    pub ticket: Option<Ticket>,
    /// What the server called the last session. A session of the same name takes the place of one that is still waited for, and what that
    /// was sent and has not acknowledged comes at once.
    pub resource: String,
}

/// A reliable frame on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// What it is.
    pub verb: Verb,
    /// Not for the absent (SPEC.md section 3).
    pub nostore: bool,
    /// Its message id, if it has one.
    pub id: Option<MessageId>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Opens the account once, at one server.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Opaque.
    pub bytes: Vec<u8>,
    /// The URL of the server that gave it.
    pub url: String,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ticket({} secret bytes for {})", self.bytes.len(), self.url)
    }
}

/// One change to what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A frame has come to the outbox.
    Queued(Queued),
    /// The server has accepted so many of the outbox, the oldest first.
    Accepted(u32),
    /// The frame at this place of the outbox has been dropped.
    Dropped(u32),
    /// The application has taken a message.
    Taken {
        /// By which it is known again.
        seen: Option<SeenKey>,
        /// Of the log, and how far it has been taken, if that has grown.
        position: Option<(u64, u64)>,
    },
    /// There is another ticket, or none any more.
    Ticket(Option<Ticket>),
    /// The session has another resource.
    Resource(String),
}

impl Kept {
    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Queued(frame) => {
                if self.outbox.len() < OUTBOX_FRAMES_MAX {
                    self.outbox.push_back(frame.clone());
                }
            }
            Change::Accepted(count) => {
                let count = self.outbox.len().min(*count as usize);
                self.outbox.drain(..count);
            }
            Change::Dropped(index) => drop(self.outbox.remove(*index as usize)),
            Change::Taken { seen, position } => {
                if let Some(key) = seen {
                    while self.seen.len() >= SEEN_MAX {
                        self.seen.pop_front();
                    }
                    self.seen.push_back(*key);
                }
                if let Some((epoch, offset)) = position {
                    (self.epoch, self.offset) = (*epoch, *offset);
                }
            }
            Change::Ticket(ticket) => self.ticket.clone_from(ticket),
            Change::Resource(resource) => self.resource.clone_from(resource),
        }
    }
}
