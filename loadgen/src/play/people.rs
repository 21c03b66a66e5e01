//! Who follows which behaviour, who is absent, and when the next thing is due to somebody: everything about the people of
//! a mixed load that needs no server.
//!
//! Invariant: what a user is follows from the seed and his number, so that every worker knows it of every user.

use super::ring::Ring;
use crate::plan::{Arrivals, Behaviour, Mixed, Plan};
use crate::worker::Chance;

/// Apart from other uses of the seed.
const SALT: u64 = 0x006d_6978_6564;
/// Lots drawn to find somebody who is absent.
const ABSENT_TRIES: u32 = 64;

/// All users.
pub struct People {
    kinds: Vec<Kind>,
    /// Weights, each with those before it, as shares of all.
    up_to: Vec<f64>,
    seed: u64,
    first: u32,
    count: u32,
    /// The widest ring of all kinds: whoever writes to somebody is in it.
    pub ring: Ring,
    absent: bool,
}

/// A behaviour in the time of the run.
pub struct Kind {
    pub behaviour: Behaviour,
    /// Whom these users write to.
    pub ring: Ring,
    speed: f64,
}

/// What happens to a user again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Message,
    OfflineMessage,
    Presence,
    Resume,
    Logout,
    Sleep,
}

impl Action {
    pub const ALL: [Self; 6] = [
        Self::Message,
        Self::OfflineMessage,
        Self::Presence,
        Self::Resume,
        Self::Logout,
        Self::Sleep,
    ];
}

impl People {
    pub fn new(mixed: &Mixed, plan: &Plan) -> Self {
        let half = |behaviour: &Behaviour| match (behaviour.neighbours, plan.users.roster.size) {
            (0, 0) => 1,
            (0, size) => size / 2,
            (neighbours, _) => neighbours.div_ceil(2),
        };
        let kind = |behaviour: &Behaviour| Kind {
            ring: Ring::new(&plan.users, half(behaviour)),
            behaviour: behaviour.clone(),
            speed: mixed.speed,
        };
        let all: f64 = mixed.behaviours.iter().map(|behaviour| behaviour.weight).sum();
        let mut sum = 0.0;
        let mut up_to = |behaviour: &Behaviour| {
            sum += behaviour.weight / all;
            sum
        };
        let widest = mixed.behaviours.iter().map(half).max().unwrap_or(1);
        Self {
            kinds: mixed.behaviours.iter().map(kind).collect(),
            up_to: mixed.behaviours.iter().map(&mut up_to).collect(),
            seed: plan.load.seed,
            first: plan.users.first,
            count: plan.users.count,
            ring: Ring::new(&plan.users, widest),
            absent: mixed.behaviours.iter().any(|behaviour| behaviour.absent > 0.0),
        }
    }

    /// The kind of a user.
    pub fn kind(&self, user: u32) -> &Kind {
        let lot = self.lots(user).share();
        let place = self.up_to.iter().position(|up_to| lot < *up_to);
        &self.kinds[place.unwrap_or(self.kinds.len() - 1)]
    }

    /// Whether a user never comes.
    pub fn is_absent(&self, user: u32) -> bool {
        if !self.absent {
            return false;
        }
        let mut lots = self.lots(user);
        lots.draw();
        lots.share() < self.kind(user).behaviour.absent
    }

    /// Somebody who is absent, if a few lots find one.
    pub fn somebody_absent(&self, chance: &mut Chance) -> Option<u32> {
        let mut lots = (0..ABSENT_TRIES).map(|_| self.first + chance.below(self.count));
        lots.find(|user| self.is_absent(*user))
    }

    /// A neighbour who comes, from the slot on; and his slot.
    pub fn neighbour(&self, user: u32, from_slot: u32) -> Option<(u32, u32)> {
        let ring = self.kind(user).ring;
        let degree = ring.degree();
        let slots = (0..degree).map(|step| (from_slot + step) % degree);
        let mut present = slots.map(|slot| (slot, ring.neighbour(user, slot)));
        present.find(|(_, neighbour)| !self.is_absent(*neighbour))
    }

    fn lots(&self, user: u32) -> Chance {
        Chance::new((self.seed ^ SALT).wrapping_add(u64::from(user) << 20))
    }
}

impl Kind {
    /// Nanoseconds of the run for seconds of the behaviour.
    pub fn ns(&self, seconds: f64) -> u64 {
        (seconds * 1e9 / self.speed) as u64
    }

    /// Mean time between two of these; nothing if it never happens.
    fn period_ns(&self, action: Action) -> Option<f64> {
        let behaviour = &self.behaviour;
        let period_s = match action {
            Action::Message => behaviour.message_every_s,
            Action::OfflineMessage => behaviour.offline_message_every_s,
            Action::Presence => behaviour.presence_every_s,
            Action::Resume => behaviour.resume_every_s,
            Action::Logout => behaviour.logout_every_s,
            Action::Sleep => behaviour.sleep_every_s,
        };
        (period_s > 0.0).then_some(period_s * 1e9 / self.speed)
    }

    /// When it happens first, after the beginning: users do not act in step.
    pub fn first_ns(&self, action: Action, chance: &mut Chance) -> Option<u64> {
        let period_ns = self.period_ns(action)?;
        Some(match self.behaviour.arrivals {
            Arrivals::Poisson => chance.gap_ns(period_ns),
            Arrivals::Even => (chance.share() * period_ns) as u64,
        })
    }

    /// When it happens again, after it did.
    pub fn next_ns(&self, action: Action, chance: &mut Chance) -> Option<u64> {
        let period_ns = self.period_ns(action)?;
        Some(match self.behaviour.arrivals {
            Arrivals::Poisson => chance.gap_ns(period_ns),
            Arrivals::Even => period_ns as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Scenario, presets};

    fn people(preset: &str, changes: &[&str]) -> People {
        let preset = presets::find(preset).unwrap();
        let changes: Vec<_> = changes
            .iter()
            .map(|change| crate::plan::Override::parse(change).unwrap())
            .collect();
        let plan = Plan::parse(preset.name, preset.text, &changes).unwrap();
        let Scenario::Mixed(mixed) = &plan.scenario else {
            panic!()
        };
        People::new(mixed, &plan)
    }

    #[test]
    fn kinds_are_drawn_by_weight_and_the_same_for_everybody_who_asks() {
        let (here, there) = (
            people("mixed", &["users.count=20000"]),
            people("mixed", &["users.count=20000"]),
        );
        let telephones = (0..20_000)
            .filter(|user| here.kind(*user).behaviour.name == "telephone")
            .count();
        assert!((11_700..12_300).contains(&telephones), "{telephones}");
        assert!((0..20_000).all(|user| here.kind(user).behaviour.name == there.kind(user).behaviour.name));
    }

    #[test]
    fn the_absent_are_found_and_nobody_writes_to_them_by_mistake() {
        let people = people("tsung-jabber", &[]);
        let absent = (0..10_000).filter(|user| people.is_absent(*user)).count();
        assert!((900..1100).contains(&absent), "{absent}");
        let mut chance = Chance::new(5);
        assert!((0..100).all(|_| {
            people
                .somebody_absent(&mut chance)
                .is_some_and(|user| people.is_absent(user))
        }));
        for user in 0..1000 {
            let (slot, neighbour) = people.neighbour(user, user % 10).unwrap();
            assert!(!people.is_absent(neighbour));
            assert_eq!(people.kind(user).ring.neighbour(user, slot), neighbour);
        }
    }

    #[test]
    fn time_runs_faster_by_the_speed_of_the_scenario() {
        let (people, mut chance) = (people("mixed", &[]), Chance::new(1));
        let desk = (0..1000)
            .map(|user| people.kind(user))
            .find(|kind| kind.behaviour.name == "desk")
            .unwrap();
        let sum: u64 = (0..10_000)
            .filter_map(|_| desk.next_ns(Action::Message, &mut chance))
            .sum();
        assert!(
            (970_000_000..1_030_000_000).contains(&(sum / 10_000)),
            "a message a minute, sixty times as fast"
        );
        assert_eq!(desk.next_ns(Action::Logout, &mut chance), None);
        assert_eq!(desk.ns(30.0), 500_000_000);
    }

    #[test]
    fn those_who_act_evenly_do_not_act_in_step() {
        let (people, mut chance) = (people("amoc-pm", &[]), Chance::new(1));
        let kind = people.kind(3);
        let first: Vec<u64> = (0..100)
            .filter_map(|_| kind.first_ns(Action::Message, &mut chance))
            .collect();
        assert!(first.iter().all(|ns| *ns < 10_000_000_000) && first[0] != first[1]);
        assert_eq!(kind.next_ns(Action::Message, &mut chance), Some(10_000_000_000));
        assert_eq!(kind.ring.degree(), 10);
    }
}
