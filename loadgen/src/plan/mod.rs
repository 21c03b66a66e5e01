//! What a run does: a typed scenario, read from TOML, from a preset, and from flags that override keys.
//!
//! ```text
//! text ─parse─▶ table ─overrides (flags, --set, --scale)─▶ Plan ─check─▶ Plan
//! ```
//!
//! Invariants: an unknown key is an error; every error names its key, and the line or the flag that set it; a plan that
//! was checked needs no further checks by those who carry it out. Times are seconds and may have fractions, rates are
//! per second, sizes are bytes; a share is between 0 and 1.

mod body;
mod check;
mod load;
pub mod presets;
mod scenario;
mod search;
mod source;
mod target;
mod users;

pub use body::{BODY_BYTES_MAX, BODY_BYTES_MIN, BodyBytes};
pub use load::{Limits, Load, Watch};
pub use scenario::{
    Arrivals, Behaviour, Chat, Crossing, Fanout, Flood, Floor, Mixed, Mode, Offline, Phase, Presence, ROOMS_MAX,
    Scenario, Slow, Storm, StormKind, To,
};
pub use search::Search;
pub use source::{Override, PlanError};
pub use target::{Mechanism, Protocol, Security, Target};
pub use users::{Make, RosterMake, Session, Users};

use serde::{Deserialize, Serialize};

/// A scenario and everything around it: the document that a scenario file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Short name, for reports.
    pub name: String,
    /// What is measured, in a sentence.
    #[serde(default)]
    pub about: String,
    /// The server.
    #[serde(default)]
    pub target: Target,
    /// The accounts.
    #[serde(default)]
    pub users: Users,
    /// What a session asks for when it logs in.
    #[serde(default)]
    pub session: Session,
    /// How fast, how long, on how many cores.
    #[serde(default)]
    pub load: Load,
    /// What the users do.
    pub scenario: Scenario,
    /// Repeat the scenario at different rates to find the highest that holds a latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// What to observe besides.
    #[serde(default)]
    pub watch: Watch,
    /// When the run is not ok.
    #[serde(default)]
    pub limits: Limits,
}

impl Plan {
    /// Reads a scenario file; `origin` is its name, for errors. Overrides win over the file, later ones over earlier ones.
    ///
    /// # Errors
    /// No TOML, an unknown key, a value of a wrong type or out of range; the message names key and line, or the flag.
    pub fn parse(origin: &str, text: &str, overrides: &[Override]) -> Result<Self, PlanError> {
        let mut plan = source::read(origin, text, overrides)?;
        plan.target.complete();
        check::check(&plan).map_err(|breach| source::locate(origin, text, overrides, &breach))?;
        Ok(plan)
    }

    /// The plan as TOML, complete: a file of it gives the same plan.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# not serialisable: {error}\n"))
    }

    /// The same at another scale: users, rooms, processes and the rates of all together are multiplied; what one user
    /// does, and the pace of the logins, stay as they are. Nothing falls below the least that the scenario can do with.
    ///
    /// # Errors
    /// The factor is not above 0, or the result is beyond a limit.
    pub fn scaled(mut self, factor: f64) -> Result<Self, PlanError> {
        let place = || format!("--scale {factor}");
        if !(factor.is_finite() && factor > 0.0) {
            return Err(PlanError::new(
                place(),
                "",
                "a scale is a number above 0, as in --scale 0.01",
            ));
        }
        self.users.count = scaled(self.users.count, factor, self.scenario.users_min());
        if self.scenario.in_pairs() {
            self.users.count = self.users.count.next_multiple_of(2);
        }
        self.users.roster.size = self.users.roster.size.min((self.users.count - 1) & !1);
        self.scenario.scale(factor, self.users.count);
        self.load.processes = scaled(self.load.processes, factor, 1);
        if let Some(search) = &mut self.search {
            search.from_per_s *= factor;
            search.most_per_s *= factor;
        }
        check::check(&self).map_err(|breach| PlanError::new(place(), &breach.key, &breach.message))?;
        Ok(self)
    }
}

/// A count times a factor, not below a least.
fn scaled(count: u32, factor: f64, least: u32) -> u32 {
    let scaled = (f64::from(count) * factor).round();
    // A cast from a float saturates, which is the bound that is wanted.
    (scaled as u32).max(least)
}

#[cfg(test)]
mod tests;
