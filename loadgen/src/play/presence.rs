//! Users change their status, and each of their contacts must hear of each change once.
//!
//! Contacts stand in a ring (`[users.roster]`), so every worker knows without asking who must hear whom.
//!
//! Invariant: a change counts as due to all contacts when it is written; who hears it is told by the mark in the status.

use super::due::Due;
use super::ring::Ring;
use super::{Play, due};
use crate::plan::{self, Plan};
use crate::protocol::{self, Client, Event, Mark};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

const KEY_PACE: u32 = 0;

/// See the module.
pub struct Presence {
    plan: plan::Presence,
    ring: Ring,
    users: Vec<User>,
    due: Due<Place>,
    next: Place,
    expected: u64,
    arrived: u64,
}

struct User {
    /// Changes of his own.
    changes: u32,
    /// What he hears, by the contact's place in the ring.
    heard: Box<[Track]>,
}

impl Presence {
    pub fn new(presence: &plan::Presence, plan: &Plan, part: Part) -> Self {
        let ring = Ring::new(&plan.users, plan.users.roster.size / 2);
        let user = |_| User {
            changes: 0,
            heard: (0..ring.degree()).map(|_| Track::default()).collect(),
        };
        Self {
            plan: presence.clone(),
            users: part.places().map(user).collect(),
            ring,
            due: due::Due::new(),
            next: 0,
            expected: 0,
            arrived: 0,
        }
    }

    fn run<C: Client>(&mut self, stage: &mut Stage<C>) {
        let Self {
            plan,
            ring,
            users,
            due,
            next,
            expected,
            ..
        } = self;
        let choose = |stage: &mut Stage<C>| {
            let all = stage.len().max(1);
            *next = (*next + 1) % all;
            Some(match plan.arrivals {
                plan::Arrivals::Even => *next,
                plan::Arrivals::Poisson => stage.chance().below(all),
            })
        };
        let change = |stage: &mut Stage<C>, place: Place, due_ns| {
            let user = &mut users[place as usize];
            let bytes = plan.status_bytes.of(user.changes);
            let mark = stage.mark(place, user.changes, due_ns, bytes);
            if !stage.presence(place, protocol::Presence::Status(mark)) {
                return false;
            }
            user.changes += 1;
            *expected += u64::from(ring.degree());
            true
        };
        due.run(stage, KEY_PACE, choose, change);
    }

    fn hear<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let own = stage.user(place);
        if mark.sender == own {
            // The server shows a user's own presence to his sessions, too (RFC 6121 section 4.4.2).
            return;
        }
        let track = self.ring.slot(own, mark.sender);
        let track = track.and_then(|slot| self.users[place as usize].heard.get_mut(slot));
        let Some(track) = track else {
            stage.count(Count::Damaged, 1);
            return stage.trouble(|| format!("user {own} heard of user {}, who is none of his contacts", mark.sender));
        };
        if track.seen(u64::from(mark.number)) {
            self.arrived += 1;
            stage.count(Count::PresenceReceived, 1);
            stage.latency(Latency::Presence, stage.now_ns().saturating_sub(mark.stamp_ns));
        }
    }
}

impl<C: Client> Play<C> for Presence {
    fn start(&mut self, stage: &mut Stage<C>, _: u32, at_ns: u64) {
        self.due.start(stage, self.plan.arrivals, self.plan.rate_per_s, at_ns);
        self.run(stage);
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Presence { mark: Some(mark), .. } if stage.is_ours(mark) => self.hear(stage, place, mark),
            Event::Damaged => stage.count(Count::Damaged, 1),
            _ => {}
        }
    }

    fn alarm(&mut self, stage: &mut Stage<C>, _: Place, _: u32) {
        self.run(stage);
    }

    fn rate(&mut self, stage: &mut Stage<C>, per_s: f64) {
        self.due.change(stage, per_s);
        self.run(stage);
    }

    fn stop(&mut self, _: &mut Stage<C>) {
        self.due.stop();
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for track in self.users.iter().flat_map(|user| user.heard.iter()) {
            stage.count(Count::Duplicated, track.wrong().duplicated);
            stage.count(Count::Reordered, track.wrong().reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        let overdue = self.due.overdue() * u64::from(self.ring.degree());
        (self.expected + overdue, self.arrived)
    }
}
