//! A random life, compared with a model that a reader can check by eye.
//!
//! After a crash the log must be what the model was at some moment between the last acknowledged commit and the crash.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::disk::{Faults, FaultyDisk};

#[derive(Debug, Clone)]
enum Step {
    Append { user: usize, bytes: usize },
    Settle { user: usize, nth: Vec<usize> },
    Fetch { user: usize },
    Commit,
    Upkeep,
    Kill,
    PowerCut,
    DieAt { change: u64, torn: u64 },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    pending: BTreeMap<usize, BTreeSet<u64>>,
    last: BTreeMap<usize, u64>,
    highest: u64,
}

impl Model {
    fn append(&mut self, user: usize, id: u64) {
        self.pending.entry(user).or_default().insert(id);
        self.last.insert(user, id);
        self.highest = id;
    }

    fn settle(&mut self, user: usize, ids: &[u64]) {
        let Some(pending) = self.pending.get_mut(&user) else {
            return;
        };
        pending.retain(|id| !ids.contains(id));
        if pending.is_empty() {
            self.pending.remove(&user);
            self.last.remove(&user);
        }
    }

    fn of(log: &mut Log<FaultyDisk<MemDisk>>) -> Self {
        let mut model = Self {
            highest: log.highest_id(),
            ..Self::default()
        };
        for (user, key) in USERS.iter().enumerate() {
            let ids: BTreeSet<_> = waiting(log, *key).into_iter().collect();
            if !ids.is_empty() {
                model.last.insert(user, log.pending(*key).last);
                model.pending.insert(user, ids);
            }
        }
        model
    }
}

/// The log, its disk, and what it may be after a crash: `moments[0]` is what has been acknowledged.
struct World {
    disk: MemDisk,
    faults: Faults,
    log: Log<FaultyDisk<MemDisk>>,
    now: Model,
    moments: Vec<Model>,
    next: u64,
}

impl World {
    fn new() -> Self {
        let disk = MemDisk::new();
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        let now = Model::default();
        Self {
            disk,
            faults,
            log: open(faulty),
            moments: vec![now.clone()],
            now,
            next: 1,
        }
    }

    fn play(&mut self, step: &Step) {
        let sound = match step {
            Step::Append { user, bytes } => self.append(*user, *bytes),
            Step::Settle { user, nth } => self.settle(*user, nth),
            Step::Fetch { user } => self.fetch(*user),
            Step::Commit => self.commit(),
            Step::Upkeep => self.log.upkeep().is_ok(),
            Step::Kill => {
                self.start_again();
                true
            }
            Step::PowerCut => false,
            Step::DieAt { change, torn } => {
                self.faults.die_at(*change, *torn);
                true
            }
        };
        if !sound {
            self.power_cut();
        }
    }

    fn append(&mut self, user: usize, bytes: usize) -> bool {
        let id = self.next;
        self.next += 1;
        let before = self.now.clone();
        self.now.append(user, id);
        self.moments.push(self.now.clone());
        let sound = self.log.append(&record(USERS[user], id, bytes)).is_ok();
        if !sound && self.log.poisoned().is_none() {
            self.now = before;
        }
        sound
    }

    fn settle(&mut self, user: usize, nth: &[usize]) -> bool {
        let pending: Vec<u64> = self.now.pending.get(&user).into_iter().flatten().copied().collect();
        let ids: Vec<u64> = nth.iter().filter_map(|nth| pending.get(*nth).copied()).collect();
        self.now.settle(user, &ids);
        self.moments.push(self.now.clone());
        self.log.settle(USERS[user], &ids).is_ok()
    }

    fn fetch(&mut self, user: usize) -> bool {
        if !self.commit() {
            return false;
        }
        let expected: Vec<u64> = self.now.pending.get(&user).into_iter().flatten().copied().collect();
        assert_eq!(waiting(&mut self.log, USERS[user]), expected);
        true
    }

    fn commit(&mut self) -> bool {
        let sound = self.log.commit().is_ok();
        if sound {
            self.moments = vec![self.now.clone()];
        }
        sound
    }

    fn power_cut(&mut self) {
        self.disk = self.disk.crash();
        self.start_again();
    }

    fn start_again(&mut self) {
        let (faulty, faults) = FaultyDisk::new(self.disk.clone());
        self.log = open(faulty);
        self.faults = faults;
        let found = Model::of(&mut self.log);
        assert!(
            self.moments.contains(&found),
            "found {found:?}\nexpected one of {:?}",
            self.moments
        );
        self.next = self.next.max(found.highest + 1);
        self.now = found;
        self.moments = vec![self.now.clone()];
    }
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let bytes = prop_oneof![0..200usize, 0..200usize, 1000..8000usize];
    let nth = prop::collection::vec(0..8usize, 1..6);
    prop_oneof![
        8 => (user.clone(), bytes).prop_map(|(user, bytes)| Step::Append { user, bytes }),
        6 => (user.clone(), nth).prop_map(|(user, nth)| Step::Settle { user, nth }),
        1 => user.prop_map(|user| Step::Fetch { user }),
        6 => Just(Step::Commit),
        4 => Just(Step::Upkeep),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
        1 => (1..12u64, any::<u64>()).prop_map(|(change, torn)| Step::DieAt { change, torn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_of_the_log_agrees_with_the_model(steps in prop::collection::vec(step(), 1..400)) {
        let mut world = World::new();
        for step in &steps {
            world.play(step);
        }
        world.power_cut();
    }
}
