//! What the session knows about stanzas beyond their XML: names of kinds and conditions, hints, moments, writing.
//!
//! Everything in here is pure and knows neither sessions nor sockets.

pub(crate) mod children;
pub(crate) mod condition;
pub(crate) mod kind;
pub(crate) mod time;
pub(crate) mod write;
