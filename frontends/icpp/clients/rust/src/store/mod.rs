//! Where a client keeps what must outlive it: its outbox, what it has seen, how far it has read, its ticket.
//!
//! Invariant: a store gives back the changes that it was given, in their order, or fewer of the last ones; never others.

mod file;
mod record;

use std::io;

pub use file::FileStore;

use crate::core::{Change, Kept};

/// Keeps changes. It is called from the client's task, so it should be quick.
pub trait StateStore: Send {
    /// What is kept. Called once, before anything else.
    fn load(&mut self) -> io::Result<Kept>;

    /// Keeps one more change. The client goes on if it fails, and tells [`crate::core::Event::StoreFailed`].
    fn keep(&mut self, change: &Change) -> io::Result<()>;
}

/// Keeps everything as long as the program runs, and as long as somebody holds a clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    kept: std::sync::Arc<std::sync::Mutex<Kept>>,
}

impl MemoryStore {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl StateStore for MemoryStore {
    fn load(&mut self) -> io::Result<Kept> {
        Ok(self.kept().clone())
    }

    fn keep(&mut self, change: &Change) -> io::Result<()> {
        self.kept().apply(change);
        Ok(())
    }
}
