//! Turns: what reads a user's rows, thinks, and writes them, does so one after the other.
//!
//! Invariants:
//! - Of one user, one turn is taken at a time; the others wait in the order in which they were asked for.
//! - A turn that was asked for is given or refused exactly once.

use std::collections::{HashMap, VecDeque};

use super::Shard;
use super::notices::Notice;
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::service::Then;

/// Turns of one user that wait.
pub const TURNS_WAITING_MAX: usize = 256;

/// Who waits, by user; a user without an entry has no turn taken.
#[derive(Default)]
pub(super) struct Turns(HashMap<Jid, VecDeque<Turn>>);

/// Called once, when the turn is given.
pub(super) type Turn = Box<dyn FnOnce(&mut Shard) + Send>;

impl Shard {
    /// For front-ends: a turn, within the bound.
    pub(super) fn begin_turn(&mut self, user: &Jid, then: Then) {
        match self.turns.0.get(user) {
            Some(waiting) if waiting.len() >= TURNS_WAITING_MAX => then(Err(Condition::ResourceConstraint), self),
            _ => self.queue_turn(user, Box::new(move |shard| then(Ok(()), shard))),
        }
    }

    /// For what must happen in any case: behind all that wait.
    pub(super) fn queue_turn(&mut self, user: &Jid, turn: Turn) {
        match self.turns.0.get_mut(user) {
            Some(waiting) => waiting.push_back(turn),
            None => {
                self.turns.0.insert(user.to_bare().detached(), VecDeque::new());
                self.notices.push_back(Notice::Turn(turn));
            }
        }
    }

    pub(super) fn finish_turn(&mut self, user: &Jid) {
        let Some(waiting) = self.turns.0.get_mut(user) else {
            return;
        };
        match waiting.pop_front() {
            Some(next) => self.notices.push_back(Notice::Turn(next)),
            None => drop(self.turns.0.remove(user)),
        }
    }
}
