//! Keys of SHA-256 for accounts that another server kept by those of SHA-1 alone (`scram/partial.rs`).
//!
//! Invariants:
//! - Only who has opened the account completes its keys, and only once: whole keys are not touched.
//! - The row is replaced only if it is still the one that was read: a password that is changed meanwhile stays changed.

use crosspoint_storage::seam::{BookRead, BookRequest, Table};

use super::Shard;
use super::ledger::Outcome;
use super::table::SessionId;
use crate::accounts::{self, Account};
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::scram::SALTED_BYTES;
use crate::session::Event;
use crate::store;

impl Shard {
    /// A client that has proved its password by SHA-1 gives what its account lacks.
    pub(super) fn complete_keys(&mut self, id: SessionId, account: Jid, salted: [u8; SALTED_BYTES]) {
        self.complete(account, salted, move |shard, result| {
            let event = match result {
                Ok(()) => Event::KeysCompleted,
                Err(_) => Event::AuthUnavailable { throttled: false },
            };
            shard.event(id, event);
        });
    }

    /// Goes on when the account's keys are whole, and durable.
    pub(super) fn complete(
        &mut self,
        account: Jid,
        salted: [u8; SALTED_BYTES],
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let key = store::user_key(&account);
        let token = self.expect(move |shard, outcome| {
            let read = match outcome {
                Outcome::Rows(results) => results.into_iter().flatten().next(),
                _ => return then(shard, Err(Condition::InternalServerError)),
            };
            let Some(read) = read.map(|row| row.value) else {
                return then(shard, Err(Condition::ItemNotFound));
            };
            let Ok(mut row) = Account::decode(&read) else {
                return then(shard, Err(Condition::InternalServerError));
            };
            if !row.keys.is_partial() {
                return then(shard, Ok(()));
            }
            row.keys = row.keys.completed(&salted);
            shard.commit_here(accounts::completion(&account, read, &row).into(), then);
        });
        self.outgoing.book.push(BookRequest::Read {
            token,
            reads: vec![BookRead::Get {
                table: Table::Account,
                key,
            }],
        });
    }
}
