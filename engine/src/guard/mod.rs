//! Budgets against guessing and flooding: how often somebody may do something, from where, and to whom.
//!
//! - [`bucket`]: one budget, in eight bytes.
//! - [`budgets`]: a budget for each of very many keys, in a table that never grows.
//! - [`pace`]: how fast one session may send.
//! - [`logins`]: three budgets for wrong passwords: of a network address, of an account, of the whole.
//!
//! Invariants: time is an argument in milliseconds, from any origin, and a clock that stands still or goes back is
//! harmless; nothing allocates after construction; the same calls give the same answers.
//!
//! A guard belongs to one shard. A limit for the whole process is kept either by asking the shard that is the key's
//! home, or by giving each shard its share, see [`Rate::shared_by`].
#![forbid(unsafe_code)]

pub mod bucket;
pub mod budgets;
pub mod logins;
pub mod pace;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Rate, Wait};
pub use budgets::{Budgets, NetworkKey};
pub use logins::{Attempt, LoginGuard, LoginRates, Refusal, Scope};
pub use pace::{Pace, PaceLimits};
