//! Whole runs of the built load generator, in its own processes, against a server whose every fault is known.
//!
//! What goes wrong on the way must be counted, what another run has left must not be, and several processes must come to
//! the sum that one would.

mod flood;
mod icpp;
mod icpp_peer;
mod leftovers;
mod offline;
mod outcome;
mod peer;
mod people;
mod processes;
