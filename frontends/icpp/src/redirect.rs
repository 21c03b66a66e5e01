//! Who is sent elsewhere, and where to. Pure: time, figures and chance are arguments.
//!
//! ```text
//!   HELLO ─▶ came in a circle? ─▶ belongs to another front-end? ─▶ is this one to shed load? ─▶ it stays
//!   drain ─▶ so many of those who are here by now
//! ```
//! Invariants:
//! - Nobody is sent to where it came from, to a node that does not serve, or a step beyond [`HOPS_MAX`].
//! - Load is shed between two thresholds: it begins above the upper one and ends below the lower one, never sooner than
//!   the dwell time after the last change, and at most so many clients a second go.

use crate::codec::elsewhere::Reason;

/// Redirects that a client may have followed in a row (SPEC.md section 11.1).
pub const HOPS_MAX: u8 = 3;
/// Slots of accounts (SPEC.md section 11.3).
pub const ACCOUNT_SLOTS: u16 = 4096;

/// The accounts of these slots belong to a front-end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// First slot.
    pub first: u16,
    /// Last slot, inclusive.
    pub last: u16,
    /// The front-end's name.
    pub node: String,
    /// Where clients reach it, if nobody else tells.
    pub urls: Vec<String>,
}

impl Home {
    /// The home of a slot.
    #[must_use]
    pub fn of(homes: &[Home], slot: u16) -> Option<&Home> {
        homes.iter().find(|home| (home.first..=home.last).contains(&slot))
    }
}

/// How load is weighed and shed. All shares in permille.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPolicy {
    /// Whether load is shed at all.
    pub enabled: bool,
    /// Sessions that are a full load.
    pub sessions_full: u32,
    /// Bytes waiting for clients that are a full load.
    pub outbox_full: u32,
    /// How much sessions count, beside the two others.
    pub sessions_weight: u16,
    /// How much processor time counts.
    pub cpu_weight: u16,
    /// How much waiting bytes count.
    pub outbox_weight: u16,
    /// How much more loaded than the least loaded other this node must be for shedding to begin...
    pub enter_permille: u32,
    /// ...and how little for it to end.
    pub leave_permille: u32,
    /// A change lasts at least so long, in milliseconds.
    pub dwell_ms: u64,
    /// Clients sent away in a second, at most.
    pub per_second: u32,
}

impl LoadPolicy {
    /// The defaults, as documented in the shipped example configuration.
    pub const DEFAULT: LoadPolicy = LoadPolicy {
        enabled: false,
        sessions_full: 100_000,
        outbox_full: 256 * 1024 * 1024,
        sessions_weight: 2,
        cpu_weight: 2,
        outbox_weight: 1,
        enter_permille: 200,
        leave_permille: 50,
        dwell_ms: 10_000,
        per_second: 100,
    };

    /// Says which relation between two figures a configuration breaks.
    pub const fn check(&self) -> Result<(), &'static str> {
        if self.leave_permille >= self.enter_permille {
            return Err("leave_permille must be below enter_permille");
        }
        if self.sessions_full == 0 || self.outbox_full == 0 {
            return Err("sessions_full and outbox_full must be above 0");
        }
        if self.sessions_weight == 0 && self.cpu_weight == 0 && self.outbox_weight == 0 {
            return Err("one of the weights must be above 0");
        }
        Ok(())
    }
}

impl Default for LoadPolicy {
    fn default() -> LoadPolicy {
        LoadPolicy::DEFAULT
    }
}

const _: () = assert!(LoadPolicy::DEFAULT.check().is_ok());

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its name.
    pub node: String,
    /// Whether it takes clients.
    pub serving: bool,
    /// Clients connected.
    pub sessions: u32,
    /// Share of its cores that is busy.
    pub cpu_permille: u16,
    /// Bytes that wait for its clients.
    pub outbox_bytes: u32,
    /// How much it may have, beside others; 0: nothing.
    pub weight: u16,
}

impl Figures {
    /// Its load in permille of what it may have at weight 100.
    #[must_use]
    pub fn load(&self, policy: &LoadPolicy) -> u32 {
        let share = |value: u32, full: u32| (u64::from(value) * 1000 / u64::from(full.max(1))).min(10_000);
        let parts = [
            (share(self.sessions, policy.sessions_full), policy.sessions_weight),
            (u64::from(self.cpu_permille), policy.cpu_weight),
            (share(self.outbox_bytes, policy.outbox_full), policy.outbox_weight),
        ];
        let weights: u64 = parts.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let sum: u64 = parts.iter().map(|(share, weight)| share * u64::from(*weight)).sum();
        match self.weight {
            0 => u32::MAX,
            weight => u32::try_from(sum * 100 / weights.max(1) / u64::from(weight)).unwrap_or(u32::MAX),
        }
    }
}

/// Whether this node sheds load, and to whom.
#[derive(Debug, Clone, Default)]
pub struct Balance {
    target: Option<String>,
    changed_ms: Option<u64>,
    second: u64,
    sent: u32,
}

impl Balance {
    /// Looks at the figures again.
    pub fn update(&mut self, now_ms: u64, own: &Figures, others: &[Figures], policy: &LoadPolicy) {
        if !policy.enabled
            || self
                .changed_ms
                .is_some_and(|changed| changed + policy.dwell_ms > now_ms)
        {
            return;
        }
        let least = least_loaded(others, policy, &own.node, &[]);
        let gap = least.map_or(0, |other| own.load(policy).saturating_sub(other.load(policy)));
        let sheds = gap
            > match self.target {
                Some(_) => policy.leave_permille,
                None => policy.enter_permille,
            };
        let target = least.filter(|_| sheds).map(|other| other.node.clone());
        if target.is_some() != self.target.is_some() {
            self.changed_ms = Some(now_ms);
        }
        self.target = target;
    }

    /// Where one more client is sent, if it is sent away. `of` shards share what may go in a second.
    pub fn shed(&mut self, now_ms: u64, policy: &LoadPolicy, of: u32) -> Option<&str> {
        let second = now_ms / 1000;
        if second != self.second {
            (self.second, self.sent) = (second, 0);
        }
        if self.sent >= (policy.per_second / of.max(1)).max(1) {
            return None;
        }
        let target = self.target.as_deref()?;
        self.sent += 1;
        Some(target)
    }
}

/// The serving node with the least load that is none of `except`, nor `own`.
#[must_use]
pub fn least_loaded<'a>(others: &'a [Figures], policy: &LoadPolicy, own: &str, except: &[&str]) -> Option<&'a Figures> {
    let fit = |other: &&Figures| {
        other.serving && other.weight > 0 && other.node != own && !except.contains(&other.node.as_str())
    };
    others.iter().filter(fit).min_by_key(|other| other.load(policy))
}

/// A client that arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Its account's slot.
    pub slot: u16,
    /// Redirects that it has followed.
    pub hops: u8,
    /// Who sent it.
    pub came_from: Option<&'a str>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Stay,
    /// It goes there.
    Go(String, Reason),
    /// It has gone round in a circle.
    Loop,
}

/// Decides. `others` are the nodes that are known, with their figures.
pub fn judge(
    arrival: Arrival<'_>,
    own: &str,
    homes: &[Home],
    others: &[Figures],
    shed: impl FnOnce() -> Option<String>,
) -> Verdict {
    if arrival.hops > HOPS_MAX {
        return Verdict::Loop;
    }
    let known = |node: &str| others.iter().find(|other| other.node == node);
    let serves = |node: &str| known(node).is_some_and(|other| other.serving);
    let may_go = |node: &str| node != own && arrival.came_from != Some(node);
    // Of whom nobody tells how it is, where it is must do.
    let at_home = |home: &Home| serves(&home.node) || known(&home.node).is_none() && !home.urls.is_empty();
    if arrival.hops >= HOPS_MAX {
        return Verdict::Stay;
    }
    match Home::of(homes, arrival.slot) {
        // Who has been sent home stays there, however much there is to do.
        Some(home) if home.node == own => return Verdict::Stay,
        Some(home) if may_go(&home.node) && at_home(home) => return Verdict::Go(home.node.clone(), Reason::Home),
        // Its home is not there: it may stay where it is.
        Some(_) | None => {}
    }
    let may_go = |node: &str| may_go(node) && serves(node);
    match shed().filter(|node| may_go(node)) {
        Some(node) => Verdict::Go(node, Reason::Load),
        None => Verdict::Stay,
    }
}

/// How many of `all` should have been sent away when `elapsed_ms` of a drain of `deadline_ms` are over: all of them by half
/// of it, so that there is time for those who are slow.
#[must_use]
pub fn due(all: usize, elapsed_ms: u64, deadline_ms: u64) -> usize {
    let spread_ms = (deadline_ms / 2).max(1);
    let share = all as u64 * elapsed_ms.min(spread_ms) / spread_ms;
    // Rounded up: a single client goes at once.
    usize::try_from(share).unwrap_or(all).saturating_add(1).min(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LoadPolicy = LoadPolicy {
        enabled: true,
        sessions_full: 1000,
        sessions_weight: 1,
        cpu_weight: 0,
        outbox_weight: 0,
        ..LoadPolicy::DEFAULT
    };

    fn node(name: &str, sessions: u32) -> Figures {
        Figures {
            node: name.to_owned(),
            serving: true,
            sessions,
            weight: 100,
            ..Figures::default()
        }
    }

    /// A hundred slots.
    fn home(first: u16, node: &str, urls: &str) -> Home {
        Home {
            first,
            last: first + 99,
            node: node.to_owned(),
            urls: urls.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn arrives(slot: u16, hops: u8, came_from: Option<&str>) -> Arrival<'_> {
        Arrival { slot, hops, came_from }
    }

    #[test]
    fn load_is_the_weighted_mean_of_its_parts_over_what_a_node_may_have() {
        let policy = LoadPolicy {
            sessions_weight: 2,
            cpu_weight: 1,
            outbox_weight: 1,
            outbox_full: 1000,
            ..POLICY
        };
        let mut figures = node("a", 500);
        (figures.cpu_permille, figures.outbox_bytes) = (900, 100);
        for (weight, load) in [(100, 500), (200, 250), (50, 1000), (0, u32::MAX)] {
            figures.weight = weight;
            assert_eq!(figures.load(&policy), load, "weight {weight}");
        }
    }

    #[test]
    fn shedding_begins_and_ends_at_different_loads_and_not_at_once() {
        let mut balance = Balance::default();
        // Time, own sessions, the other's, whether a client is sent away then.
        let table = [
            (0, 300, 100, false, "200 more are not above the upper threshold"),
            (1_000, 301, 100, true, "above"),
            (2_000, 100, 100, true, "the dwell time is not over"),
            (11_000, 200, 100, true, "still above the lower threshold"),
            (12_000, 150, 100, false, "at the lower threshold"),
            (13_000, 900, 100, false, "the dwell time is not over"),
            (22_000, 900, 100, true, "above again"),
        ];
        for (now_ms, own, other, sheds, why) in table {
            balance.update(
                now_ms,
                &node("own", own),
                &[node("own", own), node("other", other)],
                &POLICY,
            );
            assert_eq!(balance.shed(now_ms, &POLICY, 1).is_some(), sheds, "{now_ms}: {why}");
        }
    }

    #[test]
    fn so_many_go_in_a_second_and_no_more() {
        let mut balance = Balance::default();
        let policy = LoadPolicy {
            per_second: 4,
            ..POLICY
        };
        balance.update(0, &node("own", 900), &[node("other", 0)], &policy);
        let gone =
            |balance: &mut Balance, now_ms| (0..10).filter(|_| balance.shed(now_ms, &policy, 2).is_some()).count();
        assert_eq!(
            [
                gone(&mut balance, 100),
                gone(&mut balance, 999),
                gone(&mut balance, 1_000)
            ],
            [2, 0, 2]
        );
    }

    #[test]
    fn nobody_sheds_to_who_does_not_serve() {
        let mut balance = Balance::default();
        let draining = Figures {
            serving: false,
            ..node("other", 0)
        };
        balance.update(0, &node("own", 900), &[draining, node("own", 900)], &POLICY);
        assert_eq!(balance.shed(0, &POLICY, 1), None);
    }

    #[test]
    fn who_arrives_is_judged() {
        let homes = [
            home(0, "own", ""),
            home(100, "other", ""),
            home(200, "dead", ""),
            home(300, "apart", "icpps://apart"),
            home(500, "down", "icpps://down"),
        ];
        let down = Figures {
            serving: false,
            ..node("down", 0)
        };
        let others = [node("other", 0), node("third", 0), down];
        let apart = || Verdict::Go("apart".to_owned(), Reason::Home);
        let other = || Verdict::Go("other".to_owned(), Reason::Home);
        let load = || Verdict::Go("third".to_owned(), Reason::Load);
        let table = [
            (arrives(5, 0, None), None, Verdict::Stay),
            (arrives(5, 0, None), Some("third"), Verdict::Stay),
            (arrives(150, 0, None), None, other()),
            (arrives(150, 2, Some("third")), None, other()),
            (arrives(150, 3, Some("third")), None, Verdict::Stay),
            (arrives(350, 0, None), None, apart()),
            (arrives(350, 1, Some("apart")), None, Verdict::Stay),
            (arrives(550, 0, None), None, Verdict::Stay),
            (arrives(150, 1, Some("other")), None, Verdict::Stay),
            (arrives(250, 0, None), None, Verdict::Stay),
            (arrives(400, 0, None), Some("third"), load()),
            (arrives(400, 1, Some("third")), Some("third"), Verdict::Stay),
            (arrives(400, 3, None), Some("third"), Verdict::Stay),
            (arrives(5, 4, None), None, Verdict::Loop),
            (arrives(150, 4, Some("other")), None, Verdict::Loop),
        ];
        for (arrival, shed, verdict) in table {
            let judged = judge(arrival, "own", &homes, &others, || shed.map(str::to_owned));
            assert_eq!(judged, verdict, "{arrival:?}, shed {shed:?}");
        }
    }

    #[test]
    fn a_drain_is_spread_over_half_of_its_time() {
        let at = |elapsed_ms| due(100, elapsed_ms, 10_000);
        assert_eq!(
            [at(0), at(1_000), at(2_500), at(5_000), at(9_000)],
            [1, 21, 51, 100, 100]
        );
        assert_eq!((due(1, 0, 10_000), due(0, 0, 10_000), due(7, 1, 0)), (1, 0, 7));
    }
}
