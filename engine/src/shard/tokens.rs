//! Tokens that log in, at the account's home (`tokens/` says what they are).
//!
//! ```text
//!   where the client came in          home
//!   CheckToken ── attempt paid ──▶ read account and row ─▶ judge ─▶ write what changed ─▶ TokenChecked
//!   IssueToken (at home) ─────────▶ read account and rows ─▶ make ─▶ write ───────────────▶ TokenIssued
//! ```
//!
//! Invariants:
//! - Of one client one thing happens at a time, from the read to the durable write: no count is good twice, and no token is
//!   lost by two writes that do not know of each other.
//! - What waits for that is bounded; beyond the bound the client is told to come again.
//! - A verdict is given when what it changed is durable.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, BookWrite, Row, Table};

use super::ledger::Outcome;
use super::table::SessionId;
use super::{Item, Shard};
use crate::accounts::Account;
use crate::jid::Jid;
use crate::scram::keys;
use crate::session::Event;
use crate::slots::UserKey;
use crate::store;
use crate::tokens::{CHECKS_WAITING_MAX, CLIENTS_PER_USER_MAX, Maker, Mechanism, NONCE_BYTES, NewToken};
use crate::tokens::{Owner, Shown, Slots, Token, Verdict};

/// What is done with one client's tokens.
type Job = Box<dyn FnOnce(&mut Shard) + Send>;

/// Told how a check ended; `None` if it could not be made.
type Told = Box<dyn FnOnce(&mut Shard, Option<Verdict>) + Send>;

/// Names a client of a user that lives here. Two users of one key wait for each other, no more.
type Client = (UserKey, u128);

/// Clients whose tokens are being looked at, and what else is to be done with them.
#[derive(Default)]
pub(super) struct TokenDesk {
    busy: HashMap<Client, VecDeque<Job>>,
}

impl Shard {
    /// Somebody shows a token.
    pub(super) fn check_token(&mut self, id: SessionId, shown: Box<Shown>) {
        let account = shown.owner.account.clone();
        self.begin_attempt(id, account, move |shard, id, account| {
            let home = shard.home_of(UserKey::of(&account));
            let told: Told = Box::new(move |shard, verdict| match verdict {
                Some(verdict) => shard.event(id, Event::TokenChecked(verdict)),
                None => shard.event(id, Event::AuthUnavailable { throttled: false }),
            });
            if home == shard.id {
                return shard.judge_token(shown, told);
            }
            let token = shard.expect(move |shard, outcome| match outcome {
                Outcome::Judged(verdict) => told(shard, verdict),
                _ => told(shard, None),
            });
            let (from, owner) = (
                shard.id,
                Owner {
                    account: account.detached(),
                    ..shown.owner
                },
            );
            let shown = Box::new(Shown { owner, ..*shown });
            let item = Item::Token {
                shard: from,
                token,
                shown,
            };
            shard.outgoing.lanes[home as usize].push(item);
        });
    }

    /// Another shard asks about a token of an account that lives here.
    pub(super) fn judge_for(&mut self, asker: u16, token: u64, shown: Box<Shown>) {
        self.judge_token(
            shown,
            Box::new(move |shard, verdict| {
                shard.outgoing.lanes[asker as usize].push(Item::Judged { token, verdict });
            }),
        );
    }

    pub(super) fn judged(&mut self, token: u64, verdict: Option<Verdict>) {
        self.resolve(token, Outcome::Judged(verdict));
    }

    fn judge_token(&mut self, shown: Box<Shown>, told: Told) {
        let client = (UserKey::of(&shown.owner.account), shown.owner.client);
        if self.tokens.is_full(&client) {
            return told(self, None);
        }
        let job = move |shard: &mut Shard| {
            let reads = vec![
                account_read(&shown.owner.account),
                BookRead::Get {
                    table: Table::Token,
                    key: row_key(&shown.owner),
                },
            ];
            shard.read_book(reads, move |shard, rows| match rows.as_deref() {
                Some([account, row]) => shard.judge_rows(client, &shown, account, row, told),
                _ => shard.told_client(client, None, told),
            });
        };
        self.with_client(client, Box::new(job));
    }

    fn judge_rows(&mut self, client: Client, shown: &Shown, account: &[Row], row: &[Row], told: Told) {
        let mut slots = row
            .first()
            .and_then(|row| Slots::decode(&row.value))
            .unwrap_or_default();
        let maker = Maker {
            secret: &self.setup.secret,
            fingerprint: self.fingerprint(&shown.owner.account, account),
        };
        let (verdict, changed) = slots.judge(shown, &maker, self.now.unix_ms);
        if !changed {
            return self.told_client(client, Some(verdict), told);
        }
        let batch = vec![row_write(&shown.owner, &slots)];
        self.commit_here(batch, move |shard, result| {
            shard.told_client(client, result.ok().map(|()| verdict), told);
        });
    }

    /// Of the account's keys, or of those that an account that does not exist seems to have.
    fn fingerprint(&self, account: &Jid, rows: &[Row]) -> [u8; 16] {
        let real = rows.first().and_then(|row| Account::decode(&row.value).ok());
        match real {
            Some(account) => account.keys.fingerprint(),
            None => keys::fake(&self.setup.secret, account.as_str(), self.setup.scram_iterations).fingerprint(),
        }
    }

    /// A client that is at home, and has authenticated, gets a token.
    pub(super) fn issue_token(&mut self, id: SessionId, client: u128, mechanism: Mechanism, lifetime_ms: u64) {
        let user = self.sessions.get(id).and_then(|entry| entry.user);
        let Some(user) = user.and_then(|uid| self.users.get(uid)) else {
            return self.event(id, Event::TokenIssued(None));
        };
        let (name, owner) = (
            (user.key, client),
            Owner {
                account: user.address.clone(),
                client,
            },
        );
        if self.tokens.is_full(&name) {
            return self.event(id, Event::TokenIssued(None));
        }
        let job = move |shard: &mut Shard| {
            let reads = vec![
                account_read(&owner.account),
                BookRead::Prefix {
                    table: Table::Token,
                    prefix: store::user_prefix(&owner.account),
                    after: Bytes::new(),
                    rows_max: 2 * CLIENTS_PER_USER_MAX as u32,
                },
            ];
            shard.read_book(reads, move |shard, rows| {
                let made = match rows.as_deref() {
                    Some([account, rows]) if !account.is_empty() => {
                        Some(shard.make_token(&owner, mechanism, lifetime_ms, account, rows))
                    }
                    _ => None,
                };
                let Some((new, batch)) = made else {
                    return shard.gave_client(name, id, None);
                };
                shard.commit_here(batch, move |shard, result| {
                    shard.gave_client(name, id, result.ok().map(|()| new));
                });
            });
        };
        self.with_client(name, Box::new(job));
    }

    /// The token, and what the book must have before the client has it. Makes room where there is none.
    fn make_token(
        &mut self,
        owner: &Owner,
        mechanism: Mechanism,
        lifetime_ms: u64,
        account: &[Row],
        rows: &[Row],
    ) -> (NewToken, Vec<BookWrite>) {
        let (own, now) = (row_key(owner), self.now.unix_ms);
        let mut slots = Slots::default();
        let mut others = Vec::with_capacity(rows.len());
        for row in rows {
            let mut found = Slots::decode(&row.value).unwrap_or_default();
            found.expire(now);
            match row.key == own {
                true => slots = found,
                false => others.push((found.made_unix_ms(), row.key.clone())),
            }
        }
        // Those of which nothing is left come first.
        others.sort_unstable();
        let spare = others.len().saturating_sub(CLIENTS_PER_USER_MAX - 1);
        let dropped = others
            .iter()
            .enumerate()
            .filter(|(at, (made, _))| *at < spare || *made == 0);
        let mut batch: Vec<BookWrite> = dropped
            .map(|(_, (_, key))| BookWrite::Delete {
                table: Table::Token,
                key: key.clone(),
            })
            .collect();
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce);
        let token = Token {
            nonce,
            mechanism,
            made_unix_ms: now,
            expires_unix_ms: now.saturating_add(lifetime_ms),
            count: 0,
        };
        let maker = Maker {
            secret: &self.setup.secret,
            fingerprint: self.fingerprint(&owner.account, account),
        };
        let new = slots.issue(owner, token, &maker);
        batch.push(row_write(owner, &slots));
        (new, batch)
    }

    fn told_client(&mut self, client: Client, verdict: Option<Verdict>, told: Told) {
        told(self, verdict);
        self.next_of_client(client);
    }

    fn gave_client(&mut self, client: Client, id: SessionId, new: Option<NewToken>) {
        self.event(id, Event::TokenIssued(new.map(Box::new)));
        self.next_of_client(client);
    }

    /// Does it now, or when what is under way for this client is done.
    fn with_client(&mut self, client: Client, job: Job) {
        match self.tokens.busy.get_mut(&client) {
            Some(waiting) => waiting.push_back(job),
            None => {
                self.tokens.busy.insert(client, VecDeque::new());
                job(self);
            }
        }
    }

    fn next_of_client(&mut self, client: Client) {
        let Some(waiting) = self.tokens.busy.get_mut(&client) else {
            return;
        };
        match waiting.pop_front() {
            Some(job) => job(self),
            None => drop(self.tokens.busy.remove(&client)),
        }
    }

    /// Looks things up; `None` if the book cannot be read.
    fn read_book(
        &mut self,
        reads: Vec<BookRead>,
        then: impl FnOnce(&mut Shard, Option<Vec<Vec<Row>>>) + Send + 'static,
    ) {
        let token = self.expect(move |shard, outcome| match outcome {
            Outcome::Rows(rows) => then(shard, Some(rows)),
            _ => then(shard, None),
        });
        self.outgoing.book.push(BookRequest::Read { token, reads });
    }
}

impl TokenDesk {
    fn is_full(&self, client: &Client) -> bool {
        self.busy
            .get(client)
            .is_some_and(|waiting| waiting.len() >= CHECKS_WAITING_MAX)
    }
}

fn account_read(account: &Jid) -> BookRead {
    BookRead::Get {
        table: Table::Account,
        key: store::user_key(account),
    }
}

fn row_key(owner: &Owner) -> Bytes {
    store::part_key(&owner.account, &owner.part())
}

fn row_write(owner: &Owner, slots: &Slots) -> BookWrite {
    let (table, key) = (Table::Token, row_key(owner));
    match slots.is_empty() {
        true => BookWrite::Delete { table, key },
        false => BookWrite::Put {
            table,
            key,
            value: slots.encode(),
        },
    }
}
