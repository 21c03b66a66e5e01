//! How often each shard enters the kernel with its ring, counted by the kernel for as long as somebody looks (`--enters`).
//!
//! Invariant: whoever asked for it and may not have it is told why at once; a server that starts anew meanwhile is counted
//! anew.

use anyhow::{Context, Result};
use crosspoint_engine::metrics::layout::Scope;
use crosspoint_engine::rt::Enters;

use super::snapshot::Snapshot;

/// The counters of one run of a server.
#[derive(Default)]
pub struct Counters {
    /// The run's process, and when it began.
    run: Option<(u64, u64)>,
    shards: Vec<Enters>,
}

impl Counters {
    /// Writes into a look what has been counted until now; begins to count if this is the first look at this run.
    ///
    /// # Errors
    /// The kernel does not let us.
    pub fn note(&mut self, look: &mut Snapshot) -> Result<()> {
        let run = (look.head.process, look.head.started_unix_ms);
        if !look.alive {
            return Ok(());
        }
        if self.run != Some(run) {
            let threads = (0..look.head.shards).map(|shard| look.one(Scope::Shard, shard, "thread"));
            let counters: Result<_, _> = threads.map(Enters::of_thread).collect();
            self.shards = counters.context(
                "cannot count how often shards enter the kernel: that needs root, or CAP_PERFMON and a readable \
                 /sys/kernel/tracing; without --enters turns are shown instead",
            )?;
            self.run = Some(run);
        }
        look.enters = self.shards.iter().map(|enters| enters.count().ok()).collect();
        Ok(())
    }
}
