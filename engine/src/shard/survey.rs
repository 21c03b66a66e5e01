//! Looking at all accounts: who is there, how many, and telling them something. A step at a time.
//!
//! Invariant: a step looks at [`SURVEY_STEP_USERS`] places or a page of the book; between two steps the shard does other things.

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, Table};

use super::Shard;
use super::administration::Then;
use super::ledger::Outcome;
use super::user::{Resource, User, UserId};
use crate::accounts;
use crate::administration::{Crowd, LIST_MAX, Order, Report, SURVEY_PAGE_ROWS, SURVEY_STEP_USERS, SURVEYS_MAX};
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::neutral::{Neutral, Show};

/// A look at the users in memory, under way.
pub(super) struct Survey {
    order: Order,
    /// The place of the user to go on with.
    next: u32,
    tally: Tally,
    then: Then,
}

impl Shard {
    /// Begins one; a small one ends here.
    pub(super) fn survey(&mut self, order: Order, then: Then) {
        if self.surveys.len() >= SURVEYS_MAX {
            return then(self, Err(Condition::ResourceConstraint));
        }
        self.survey_step(Survey {
            order,
            next: 0,
            tally: Tally::default(),
            then,
        });
    }

    /// Once a tick.
    pub(super) fn continue_surveys(&mut self) {
        if let Some(survey) = self.surveys.pop_front() {
            self.survey_step(survey);
        }
    }

    fn survey_step(&mut self, mut survey: Survey) {
        let places = self.users.places();
        let end = places.min(survey.next.saturating_add(SURVEY_STEP_USERS as u32));
        for place in survey.next..end {
            self.look_at(UserId(place), &mut survey);
        }
        survey.next = end;
        if end < places && !survey.tally.more {
            return self.surveys.push_back(survey);
        }
        let report = survey.tally.report(&survey.order);
        (survey.then)(self, Ok(report));
    }

    fn look_at(&mut self, uid: UserId, survey: &mut Survey) {
        let Some(user) = self.users.get(uid).filter(|user| !user.resources.is_empty()) else {
            return;
        };
        let (Order::Count(crowd) | Order::List(crowd, _)) = survey.order else {
            survey.tally.count(&survey.order, || None);
            if let Order::Announce(text) = &survey.order {
                self.announce_to(uid, text);
            }
            return;
        };
        let belongs = match crowd {
            Crowd::Active => self.is_active(user),
            Crowd::Idle => !self.is_active(user),
            Crowd::Online | Crowd::Registered | Crowd::Disabled => true,
        };
        if belongs {
            survey.tally.count(&survey.order, || Some(user.address.to_bare()));
        }
    }

    /// Whether one of its sessions is available and says nothing of absence.
    fn is_active(&self, user: &User) -> bool {
        user.resources.iter().any(|resource| self.is_there(user, resource))
    }

    fn is_there(&self, user: &User, resource: &Resource) -> bool {
        let asleep = self
            .sessions
            .get(resource.session)
            .is_none_or(|entry| entry.sleeps_until.is_some());
        let Some(shown) = resource.shows(&user.address).filter(|_| !asleep) else {
            return false;
        };
        let neutral = self.in_neutral_words(&shown);
        let show = neutral.and_then(|neutral| Neutral::read(&neutral.content.body).show);
        !matches!(show, Some(Show::Away | Show::ExtendedAway))
    }

    /// Registered and disabled accounts: the book's rows, page after page.
    pub(super) fn survey_book(&mut self, order: Order, after: Bytes, mut tally: Tally, then: Then) {
        let read = BookRead::Prefix {
            table: Table::Account,
            prefix: Bytes::new(),
            after,
            rows_max: SURVEY_PAGE_ROWS,
        };
        let token = self.expect(move |shard, outcome| {
            let Outcome::Rows(results) = outcome else {
                return then(shard, Err(Condition::InternalServerError));
            };
            let rows = results.into_iter().next().unwrap_or_default();
            let last = rows.last().map(|row| row.key.clone());
            let full = rows.len() >= SURVEY_PAGE_ROWS as usize;
            for row in rows {
                let counts = match order {
                    Order::Count(Crowd::Disabled) | Order::List(Crowd::Disabled, _) => {
                        accounts::is_disabled(&row.value)
                    }
                    _ => true,
                };
                if counts {
                    tally.count(&order, || Jid::parse_bytes(row.key).ok());
                }
            }
            match last {
                Some(last) if full && !tally.more => shard.survey_book(order, last, tally, then),
                _ => then(shard, Ok(tally.report(&order))),
            }
        });
        self.outgoing.book.push(BookRequest::Read {
            token,
            reads: vec![read],
        });
    }
}

/// Adds up what shards and pages report.
#[derive(Default)]
pub(super) struct Tally {
    count: u64,
    pub(super) addresses: Vec<Jid>,
    more: bool,
}

impl Tally {
    /// One that belongs to the crowd.
    pub(super) fn count(&mut self, order: &Order, address: impl FnOnce() -> Option<Jid>) {
        self.count += 1;
        if let Order::List(_, max) = order {
            if self.addresses.len() >= (*max).min(LIST_MAX) {
                self.more = true;
            } else if let Some(address) = address() {
                self.addresses.push(address);
            }
        }
    }

    pub(super) fn add(&mut self, report: Report) {
        match report {
            Report::Count(count) => self.count += count,
            Report::List { addresses, more } => {
                self.addresses.extend(addresses);
                self.more |= more;
            }
            Report::Done | Report::User(_) => {}
        }
    }

    pub(super) fn report(self, order: &Order) -> Report {
        match order {
            Order::List(..) => Report::List {
                addresses: self.addresses,
                more: self.more,
            },
            _ => Report::Count(self.count),
        }
    }
}
