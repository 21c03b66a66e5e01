//! What a run, or two of them, tell: text for terminals, a page for browsers.
//!
//! Invariants: everything shown stands in the document of the run ([`crate::result::Run`]), so a report can be made
//! again later and elsewhere; texts of servers and plans are shown as text, never as markup.

pub mod compare;
mod first;
pub mod html;
pub mod text;

pub use first::{Latency, print};
