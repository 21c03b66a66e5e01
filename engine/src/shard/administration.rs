//! An administrator's orders: where each is carried out, and how (see [`administration`](crate::administration)).
//!
//! Invariants:
//! - Whoever gives an order is told once what has come of it, on the shard where it was given.
//! - Orders for all shards go from one to the next: a shard that is behind makes the administrator wait, and nobody else.

use std::sync::Arc;

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, BookWrite, Table};

use super::ledger::Outcome;
use super::survey::Tally;
use super::user::UserId;
use super::{Item, Shard};
use crate::accounts::{self, Account};
use crate::administration::{Change, Crowd, Ending, Order, Report, SERVICE_KEY, Service, UserReport};
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::session::Farewell;
use crate::slots::UserKey;
use crate::store;

/// What has come of an order.
pub type Told = Result<Report, Condition>;

/// An order on its way to the shard that carries it out.
pub struct Errand {
    /// Who is told.
    pub shard: u16,
    /// Echoed.
    pub token: u64,
    /// What.
    pub order: Order,
}

pub(super) type Then = Box<dyn FnOnce(&mut Shard, Told) + Send>;

/// The shard that changes what holds for the service, and ends it.
const FIRST: u16 = 0;

impl Shard {
    /// For handlers.
    pub(super) fn give_order(&mut self, order: Order, then: Then) {
        match order {
            Order::Create { account, password } => self.make_account(account, password.0, |shard, result| {
                then(shard, result.map(|()| Report::Done));
            }),
            Order::Count(Crowd::Registered | Crowd::Disabled) | Order::List(Crowd::Registered | Crowd::Disabled, _) => {
                self.survey_book(order, Bytes::new(), Tally::default(), then);
            }
            Order::Count(_) | Order::List(..) | Order::Announce(_) => self.tour(0, order, Tally::default(), then),
            Order::Amend(_) | Order::End(..) | Order::Adopt(_) => self.send_order(FIRST, order, then),
            Order::Remove(ref account)
            | Order::Disable(ref account)
            | Order::Enable(ref account)
            | Order::EndSessions(ref account)
            | Order::SetPassword { ref account, .. }
            | Order::Inspect(ref account) => {
                let ours = account.domain() == self.setup.domain.domain() && account.node().is_some();
                if !ours {
                    return then(self, Err(Condition::ItemNotFound));
                }
                let home = self.home_of(UserKey::of(account));
                self.send_order(home, order, then);
            }
        }
    }

    /// To another shard, or done here.
    pub(super) fn send_order(&mut self, shard: u16, order: Order, then: Then) {
        if shard == self.id {
            return self.carry_out(order, then);
        }
        let token = self.expect(move |shard, outcome| {
            let told = match outcome {
                Outcome::Told(told) => *told,
                _ => Err(Condition::InternalServerError),
            };
            then(shard, told);
        });
        let errand = Errand {
            shard: self.id,
            token,
            order,
        };
        self.outgoing.lanes[shard as usize].push(Item::Order(Box::new(errand)));
    }

    /// An order has arrived.
    pub(super) fn errand(&mut self, errand: Errand) {
        let Errand { shard, token, order } = errand;
        let answer = move |here: &mut Shard, told: Told| {
            let told = Box::new(told);
            here.outgoing.lanes[shard as usize].push(Item::Told { token, told });
        };
        self.carry_out(order, Box::new(answer));
    }

    /// Through all shards, adding up.
    fn tour(&mut self, shard: u16, order: Order, mut tally: Tally, then: Then) {
        if shard >= self.setup.table.shards() {
            return then(self, Ok(tally.report(&order)));
        }
        let mut part = order.clone();
        if let Order::List(_, max) = &mut part {
            *max = max.saturating_sub(tally.addresses.len());
        }
        self.send_order(
            shard,
            part,
            Box::new(move |here, told| match told {
                Ok(report) => {
                    tally.add(report);
                    here.tour(shard + 1, order, tally, then);
                }
                Err(condition) => then(here, Err(condition)),
            }),
        );
    }

    fn carry_out(&mut self, order: Order, then: Then) {
        match order {
            Order::Remove(account) => self.at_home(account, then, |shard, account, _, then| {
                shard.delete(&account, |shard, result| then(shard, result.map(|()| Report::Done)));
            }),
            Order::Disable(account) => self.at_home(account, then, |shard, account, _, then| {
                shard.set_disabled(account, true, then);
            }),
            Order::Enable(account) => self.at_home(account, then, |shard, account, _, then| {
                shard.set_disabled(account, false, then);
            }),
            Order::EndSessions(account) => self.at_home(account, then, |shard, account, uid, then| {
                shard.end_sessions(&account, uid);
                then(shard, Ok(Report::Done));
            }),
            Order::SetPassword { account, password } => {
                self.at_home(account, then, move |shard, account, uid, then| {
                    let user = account.clone();
                    shard.replace_password(&account, password.0, move |shard, result| {
                        if result.is_ok() {
                            shard.end_sessions(&user, uid);
                        }
                        then(shard, result.map(|()| Report::Done));
                    });
                })
            }
            Order::Inspect(account) => self.at_home(account, then, |shard, account, uid, then| {
                shard.inspect(&account, uid, then);
            }),
            Order::Amend(change) => self.amend(change, then),
            Order::Adopt(service) => {
                self.service = service;
                then(self, Ok(Report::Done));
            }
            Order::End(ending, after_ms) => {
                self.ending = Some((self.now.ms.saturating_add(after_ms), ending));
                tracing::warn!(?ending, after_ms, "an administrator has ordered the end");
                then(self, Ok(Report::Done));
            }
            Order::Count(_) | Order::List(..) | Order::Announce(_) => self.survey(order, then),
            Order::Create { .. } => then(self, Err(Condition::BadRequest)),
        }
    }

    /// Does something with an account that is there, in memory.
    fn at_home(&mut self, account: Jid, then: Then, act: impl FnOnce(&mut Shard, Jid, UserId, Then) + Send + 'static) {
        let account = account.detached();
        let named = account.to_bare();
        self.with_user(
            &named,
            Box::new(move |shard, uid| {
                let there = shard.users.get(uid).is_some_and(|user| user.present().is_some());
                match there {
                    true => act(shard, account, uid, then),
                    false => then(shard, Err(Condition::ItemNotFound)),
                }
            }),
        );
    }

    /// The row's flag changes, nothing else of the account. Its sessions end; whoever may not log in is told when he tries.
    fn set_disabled(&mut self, account: Jid, disabled: bool, then: Then) {
        if let Some(present) = self.user_at_mut(&account).and_then(|user| user.present_mut()) {
            // No change of the password passes between the reading and the writing.
            present.leaving = disabled;
        }
        let key = store::user_key(&account);
        let token = self.expect(move |shard, outcome| {
            let row = match outcome {
                Outcome::Rows(results) => results.into_iter().flatten().next(),
                _ => return then(shard, Err(Condition::InternalServerError)),
            };
            let Some(mut row) = row.and_then(|row| Account::decode(&row.value).ok()) else {
                return then(shard, Err(Condition::ItemNotFound));
            };
            row.disabled = disabled;
            shard.commit_here(vec![accounts::replacement(&account, &row)], move |shard, result| {
                shard.account_changed(&account);
                then(shard, result.map(|()| Report::Done));
            });
        });
        self.outgoing.book.push(BookRequest::Read {
            token,
            reads: vec![BookRead::Get {
                table: Table::Account,
                key,
            }],
        });
    }

    /// Those of a bare address, or the one of a full one. They may come again.
    fn end_sessions(&mut self, address: &Jid, uid: UserId) {
        let Some(user) = self.users.get(uid) else { return };
        let ending: Vec<_> = user
            .resources
            .iter()
            .filter(|resource| address.is_bare() || resource.address == *address)
            .map(|resource| resource.session)
            .collect();
        for session in ending {
            self.dismiss(session, Farewell::AccountChanged);
        }
    }

    fn inspect(&mut self, account: &Jid, uid: UserId, then: Then) {
        let Some((user, present)) = self.users.get(uid).and_then(|user| Some((user, user.present()?))) else {
            return then(self, Err(Condition::ItemNotFound));
        };
        let sessions = user.resources.iter().filter_map(|resource| {
            let entry = self.sessions.get(resource.session)?;
            Some((resource.address.clone(), entry.peer))
        });
        let mut report = UserReport {
            created_unix_ms: present.created_unix_ms,
            last_login_unix_ms: user.last_login_unix_ms.map(u64::from),
            disabled: present.disabled,
            roster: present.roster.items().cloned().collect(),
            sessions: sessions.collect(),
            waiting: user.queue.waiting(),
        };
        if report.last_login_unix_ms.is_some() {
            return then(self, Ok(Report::User(Box::new(report))));
        }
        self.read_times(account, move |shard, times| {
            report.last_login_unix_ms = times.map(|(login, _)| login);
            then(shard, Ok(Report::User(Box::new(report))));
        });
    }

    /// On the first shard: writes down what holds, then tells all others.
    fn amend(&mut self, change: Change, then: Then) {
        let configured = &self.setup.administration.administrators;
        let announced = match &change {
            Change::Motd(Some(text)) => Some(Order::Announce(text.as_str().into())),
            _ => None,
        };
        let next = match self.service.amended(change, configured, self.now.unix_ms) {
            Ok(next) => Arc::new(next),
            Err(condition) => return then(self, Err(condition)),
        };
        let write = BookWrite::Put {
            table: Table::Meta,
            key: Bytes::from_static(SERVICE_KEY),
            value: next.encode(),
        };
        // What is changed next builds on this one, be it on the disk yet or not.
        let before = std::mem::replace(&mut self.service, next.clone());
        self.commit_here(vec![write], move |shard, result| {
            if let Err(condition) = result {
                if Arc::ptr_eq(&shard.service, &next) {
                    shard.service = before;
                }
                return then(shard, Err(condition));
            }
            shard.spread(FIRST + 1, next, announced, then);
        });
    }

    fn spread(&mut self, shard: u16, service: Arc<Service>, last: Option<Order>, then: Then) {
        if shard < self.setup.table.shards() {
            let order = Order::Adopt(service.clone());
            return self.send_order(
                shard,
                order,
                Box::new(move |here, _| here.spread(shard + 1, service, last, then)),
            );
        }
        match last {
            Some(order) => self.give_order(order, Box::new(|here, told| then(here, told.map(|_| Report::Done)))),
            None => then(self, Ok(Report::Done)),
        }
    }

    /// What an administrator has ordered for this time.
    pub(super) fn end_when_due(&mut self) {
        if let Some((at, ending)) = self.ending
            && at <= self.now.ms
        {
            self.ending = None;
            self.setup.administration.end(ending);
        }
    }
}

/// When the switch ends, and how.
pub(super) type Due = Option<(u64, Ending)>;
