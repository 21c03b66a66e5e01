//! Who may enter: proofs of identity, new accounts, changed passwords. Protocol-neutral; the mechanisms themselves are in
//! `scram/`.
//!
//! Invariants:
//! - Whether an account exists shows in neither the answer nor the time: unknown accounts have keys too, made up from the
//!   installation's secret, and the same work is done with them.
//! - No key derivation runs here: passwords go to the support thread, unless they were right lately (`scram/remembered.rs`).
//! - Every attempt counts against the budgets of its address, its account and the whole switch, kept at the account's home.

use std::net::IpAddr;

use crosspoint_storage::seam::{BookRead, BookRequest, Table};

use super::ledger::Outcome;
use super::notices::Notice;
use super::sessions::Order;
use super::table::SessionId;
use super::{Registration, Shard};
use crate::accounts::{self, Account};
use crate::envelope::Condition;
use crate::guard::{Attempt, NetworkKey};
use crate::jid::Jid;
use crate::scram::AccountKeys;
use crate::scram::keys::{self, SALT_BYTES};
use crate::service::Then;
use crate::session::{Event, Farewell, RegisterFault};
use crate::slots::UserKey;
use crate::store;

/// Work for the support thread: it takes milliseconds.
pub enum KeyRequest {
    /// Does this password open an account with these keys?
    Check {
        /// Echoed.
        token: u64,
        /// Never logged.
        password: String,
        /// Real or made up.
        keys: Box<AccountKeys>,
    },
    /// Keys for a new password.
    Derive {
        /// Echoed.
        token: u64,
        /// Never logged.
        password: String,
        /// Fresh.
        salt: [u8; SALT_BYTES],
        /// PBKDF2 iterations.
        iterations: u32,
    },
}

impl Shard {
    /// SCRAM wants an account's keys.
    pub(super) fn fetch_keys(&mut self, id: SessionId, account: Jid) {
        self.begin_attempt(id, account, |shard, id, account| {
            shard.look_up_keys(account, move |shard, keys| match keys {
                Some(keys) => shard.event(id, Event::Keys(keys)),
                None => shard.event(id, Event::AuthUnavailable { throttled: false }),
            });
        });
    }

    /// PLAIN shows a password.
    pub(super) fn check_password(&mut self, id: SessionId, account: Jid, password: String) {
        self.begin_attempt(id, account, |shard, id, account| {
            shard.look_up_keys(account.clone(), move |shard, keys| {
                let Some(keys) = keys else {
                    return shard.event(id, Event::AuthUnavailable { throttled: false });
                };
                let mark = shard.setup.remembered.mark(&keys, &password);
                if shard.setup.remembered.knows(&mark) {
                    return shard.event(id, Event::PasswordChecked(true));
                }
                let token = shard.expect(move |shard, outcome| match outcome {
                    Outcome::Checked(true, Some(missing)) => {
                        // The password is right whether its keys could be completed or not.
                        shard.complete(account, missing, move |shard, _| {
                            shard.event(id, Event::PasswordChecked(true))
                        });
                    }
                    outcome => {
                        let good = matches!(outcome, Outcome::Checked(true, None));
                        if good {
                            shard.setup.remembered.remember(&mark);
                        }
                        shard.event(id, Event::PasswordChecked(good));
                    }
                });
                let keys = Box::new(keys);
                shard.outgoing.keys.push(KeyRequest::Check { token, password, keys });
            });
        });
    }

    /// Real keys, or made-up ones for whoever does not exist; `None` if the book cannot be read.
    fn look_up_keys(&mut self, account: Jid, then: impl FnOnce(&mut Shard, Option<AccountKeys>) + Send + 'static) {
        let key = store::user_key(&account);
        let token = self.expect(move |shard, outcome| {
            let Outcome::Rows(results) = outcome else {
                return then(shard, None);
            };
            let row = results.first().and_then(|rows| rows.first());
            let real = row
                .and_then(|row| Account::decode(&row.value).ok())
                .map(|account| account.keys);
            let made_up = || keys::fake(&shard.setup.secret, account.as_str(), shard.setup.scram_iterations);
            then(shard, Some(real.unwrap_or_else(made_up)));
        });
        self.outgoing.book.push(BookRequest::Read {
            token,
            reads: vec![BookRead::Get {
                table: Table::Account,
                key,
            }],
        });
    }

    /// Pays for an attempt at the account's home, which alone knows how often it was tried and from where it was opened;
    /// goes on if it may be made. What it cost comes back if it succeeds.
    pub(super) fn begin_attempt(
        &mut self,
        id: SessionId,
        account: Jid,
        then: impl FnOnce(&mut Shard, SessionId, Jid) + Send + 'static,
    ) {
        let Some(peer) = self.peer_of(id) else { return };
        let (home, asked) = (self.home_of(UserKey::of(&account)), account.detached());
        let token = self.expect(move |shard, outcome| {
            let Outcome::Admitted(Some(attempt)) = outcome else {
                shard.metrics.auth_throttled.add(1);
                return shard.event(id, Event::AuthUnavailable { throttled: true });
            };
            if let Some(entry) = shard.sessions.get_mut(id) {
                entry.attempt = Some(Box::new(attempt));
            }
            then(shard, id, account);
        });
        if home == self.id {
            let attempt = self.judge_attempt(peer, &asked);
            return self.admitted(token, attempt);
        }
        let item = super::Item::Attempt {
            shard: self.id,
            token,
            account: asked,
            peer,
        };
        self.outgoing.lanes[home as usize].push(item);
    }

    /// May somebody try to open this account of ours?
    pub(super) fn judge_attempt(&mut self, peer: IpAddr, account: &Jid) -> Option<Attempt> {
        let outcome = self.logins.begin(peer, account.bare_str(), self.now.ms);
        if let Err(refusal) = &outcome {
            tracing::debug!(%peer, scope = ?refusal.scope, "too many failed logins");
        }
        outcome.ok()
    }

    /// The attempt stays paid for.
    pub(super) fn auth_failed(&mut self, id: SessionId) {
        self.metrics.auth_failed.add(1);
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.attempt = None;
        }
    }

    /// The client is who it says: it goes home.
    pub(super) fn authenticated(&mut self, id: SessionId, account: Jid) {
        self.metrics.authenticated.add(1);
        self.mark_authenticated(id);
        let home = self.home_of(UserKey::of(&account));
        if home == self.id {
            let attempt = self.sessions.get_mut(id).and_then(|entry| entry.attempt.take());
            self.attempt_succeeded(attempt, &account);
            return self.come_home(id, account.detached());
        }
        if self.sessions.get(id).is_some_and(|entry| entry.is_carried()) {
            // Its carrier is on this shard for the accounts that live here.
            return self.dismiss(id, Farewell::Internal);
        }
        if let Some(adopt) = self.depart(id, Some(account.detached())) {
            self.orders.push(Order::Move {
                from: id,
                shard: home,
                adopt,
            });
        }
    }

    /// What the attempt cost comes back, and its network is trusted.
    pub(super) fn attempt_succeeded(&mut self, attempt: Option<Box<Attempt>>, account: &Jid) {
        if let Some(attempt) = attempt {
            self.logins.succeeded(*attempt, account.bare_str());
        }
    }

    /// In-band registration by a connection that has not authenticated.
    pub(super) fn register_in_band(&mut self, id: SessionId, account: Jid, password: String) {
        let Some(peer) = self.peer_of(id) else { return };
        if self.registrations.take(NetworkKey::from(peer), 1, self.now.ms).is_err() {
            return self.event(id, Event::Registered(Err(RegisterFault::NotAllowed)));
        }
        self.create(account, password, move |shard, result| {
            let result = result.map_err(|condition| match condition {
                Condition::Conflict => RegisterFault::Exists,
                Condition::NotAcceptable => RegisterFault::BadPassword,
                Condition::NotAllowed => RegisterFault::NotAllowed,
                _ => RegisterFault::Storage,
            });
            shard.event(id, Event::Registered(result));
        });
    }

    /// For handlers: registration by somebody who is logged in.
    pub(super) fn create_account(&mut self, account: &Jid, password: String, then: Then) {
        self.create(account.clone(), password, move |shard, result| then(result, shard));
    }

    fn create(
        &mut self,
        account: Jid,
        password: String,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        if self.setup.registration == Registration::Closed {
            return then(self, Err(Condition::NotAllowed));
        }
        self.make_account(account, password, then);
    }

    /// Makes an account, whether registration is open or not.
    pub(super) fn make_account(
        &mut self,
        account: Jid,
        password: String,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let ours = account.domain() == self.setup.domain.domain() && account.node().is_some() && account.is_bare();
        if !ours || account.has_unassigned() {
            return then(self, Err(Condition::NotAllowed));
        }
        let account = account.detached();
        self.derive(password, move |shard, keys| {
            let Some(keys) = keys else {
                return then(shard, Err(Condition::NotAcceptable));
            };
            let row = Account {
                keys,
                created_unix_ms: shard.now.unix_ms,
                disabled: false,
            };
            let batch = vec![accounts::creation(&account, &row)];
            shard.commit_here(batch, move |shard, result| {
                if result.is_ok() {
                    shard.announce_account(&account);
                }
                then(shard, result);
            });
        });
    }

    /// For handlers: the user sets a new password.
    pub(super) fn change_password(&mut self, user: &Jid, password: String, then: Then) {
        self.replace_password(user, password, |shard, result| then(result, shard));
    }

    pub(super) fn replace_password(
        &mut self,
        user: &Jid,
        password: String,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let user = user.clone();
        self.derive(password, move |shard, keys| {
            let Some(keys) = keys else {
                return then(shard, Err(Condition::NotAcceptable));
            };
            // Who is leaving, or is being disabled, is not brought back by a new password.
            let Some(present) = shard.present_at(&user).filter(|present| !present.leaving) else {
                return then(shard, Err(Condition::ItemNotFound));
            };
            let account = Account {
                keys,
                created_unix_ms: present.created_unix_ms,
                disabled: present.disabled,
            };
            shard.commit_here(accounts::replacement(&user, &account).into(), then);
        });
    }

    /// For handlers: the user leaves for good.
    pub(super) fn delete_account(&mut self, user: &Jid, then: Then) {
        self.delete(user, |shard, result| then(result, shard));
    }

    pub(super) fn delete(&mut self, user: &Jid, then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static) {
        let user = user.to_bare().detached();
        self.cancel_subscriptions(&user);
        if let Some(present) = self.user_at_mut(&user).and_then(|user| user.present_mut()) {
            present.leaving = true;
        }
        // Behind whatever is under way for this user, which would else bring back rows that were removed.
        self.queue_turn(&user.clone(), Box::new(move |shard| shard.erase_account(user, then)));
    }

    fn erase_account(&mut self, user: Jid, then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static) {
        let batch = accounts::removal(&user);
        self.commit_here(batch, move |shard, result| {
            let gone = result.is_ok();
            shard.finish_turn(&user);
            then(shard, result);
            if gone {
                shard.forget_messages(&user);
                shard.forget_history(&user);
                shard.account_changed(&user);
                shard.notices.push_back(Notice::Removed(user));
            }
        });
    }

    pub(super) fn remove_for_administrator(&mut self, account: &Jid, done: std::sync::mpsc::SyncSender<bool>) {
        let user = account.clone();
        self.with_user(
            account,
            Box::new(move |shard, _| {
                // Nobody listens any more if the administrator has given up waiting.
                shard.delete_account(
                    &user,
                    Box::new(move |result, _| {
                        let _ = done.try_send(result.is_ok());
                    }),
                );
            }),
        );
    }

    pub(super) fn commit_here(
        &mut self,
        batch: Vec<crosspoint_storage::seam::BookWrite>,
        then: impl FnOnce(&mut Shard, Result<(), Condition>) + Send + 'static,
    ) {
        let token = self.expect(move |shard, outcome| {
            let result = match outcome {
                Outcome::Written => Ok(()),
                Outcome::Exists => Err(Condition::Conflict),
                _ => Err(Condition::InternalServerError),
            };
            then(shard, result);
        });
        self.outgoing.book.push(BookRequest::Write { token, batch });
    }

    fn derive(&mut self, password: String, then: impl FnOnce(&mut Shard, Option<AccountKeys>) + Send + 'static) {
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt);
        let iterations = self.setup.scram_iterations;
        let token = self.expect(move |shard, outcome| match outcome {
            Outcome::Derived(keys) => then(shard, keys.map(|keys| *keys)),
            _ => then(shard, None),
        });
        self.outgoing.keys.push(KeyRequest::Derive {
            token,
            password,
            salt,
            iterations,
        });
    }

    /// The home of a new account may remember that there was none.
    fn announce_account(&mut self, account: &Jid) {
        let home = self.home_of(UserKey::of(account));
        if home == self.id {
            self.account_changed(account);
        } else {
            self.outgoing.lanes[home as usize].push(super::Item::AccountChanged(account.clone()));
        }
    }

    /// Counts a new connection against its address; false if that has too many.
    pub(super) fn unauthenticated_enter(&mut self, peer: IpAddr) -> bool {
        let limits = &self.setup.limits;
        if self.unauthenticated.len() >= limits.unauthenticated_per_shard {
            return false;
        }
        let count = self.unauthenticated.entry(network_of(peer)).or_insert(0);
        if *count as usize >= limits.unauthenticated_per_address {
            return false;
        }
        *count += 1;
        true
    }

    pub(super) fn unauthenticated_leave(&mut self, peer: IpAddr) {
        let network = network_of(peer);
        if let Some(count) = self.unauthenticated.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.unauthenticated.remove(&network);
            }
        }
    }
}

/// One IPv6 subscriber has a /64.
fn network_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & !u128::from(u64::MAX),
    }
}
