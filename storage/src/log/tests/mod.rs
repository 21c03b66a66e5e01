//! Plays about the log.
