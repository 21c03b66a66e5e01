//! What the run costs: CPU time, memory and threads of the server's processes and of the load generator's own, and the
//! server's own figures, shard by shard.
//!
//! ```text
//! /proc/PID ──▶ Meter ─┐
//! /proc/self ─▶ Meter ─┴▶ Watch::read ─▶ Sample, once a second
//! GET /metrics ─▶ scraper thread ─▶ Watch::finish ─▶ Shards
//! ```
//!
//! Invariants: reading costs the server nothing but what the kernel does for /proc (no page walk within a measured
//! part); the scrape has a thread of its own, so a server that is slow to answer delays no sample; CPU time only grows,
//! also when a child of the server ends.

mod meter;
mod prometheus;
mod scrape;
mod url;

use std::time::Instant;

use anyhow::Result;

pub use meter::{Meter, Usage};
pub use scrape::{Form, Shards, ShardsMetric};

use scrape::Scraper;

/// Everything that is watched during a run.
#[derive(Debug)]
pub struct Watch {
    server: Option<Meter>,
    client: Meter,
    scraper: Option<Scraper>,
}

/// The meters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Nanoseconds of the run's clock.
    pub at_ns: u64,
    /// `None` if no process was named.
    pub server: Option<Usage>,
    pub client: Usage,
}

impl Watch {
    /// Watches processes of the server, each with its descendants, and the page at `metrics_url` once a second until
    /// [`Watch::finish`]. `started` is when the run's clock began.
    ///
    /// Fails if a process or the page cannot be read at all, so that a slip of the pen does not cost a whole run.
    pub fn start(pids: &[u32], metrics_url: Option<&str>, started: Instant) -> Result<Self> {
        Ok(Self {
            server: (!pids.is_empty()).then(|| Meter::of(pids)).transpose()?,
            client: Meter::of(&[std::process::id()])?,
            scraper: metrics_url.map(|url| Scraper::start(url, started)).transpose()?,
        })
    }

    /// Reads the meters.
    pub fn read(&mut self, now_ns: u64) -> Sample {
        self.sample(now_ns, Meter::read)
    }

    /// Reads the meters, and memory to the page; takes milliseconds for large servers, so only between phases.
    pub fn read_exactly(&mut self, now_ns: u64) -> Sample {
        self.sample(now_ns, Meter::read_exactly)
    }

    /// Processes of the server that have ended since they were first read.
    pub fn ended(&self) -> Vec<u32> {
        self.server.as_ref().map(Meter::ended).unwrap_or_default()
    }

    /// Stops watching; gives the server's own figures, if they were asked for and any came.
    pub fn finish(self) -> Option<Shards> {
        self.scraper?.finish()
    }

    fn sample(&mut self, at_ns: u64, read: fn(&mut Meter) -> Usage) -> Sample {
        Sample {
            at_ns,
            server: self.server.as_mut().map(read),
            client: read(&mut self.client),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = Watch::start(&[4_194_305], None, Instant::now()).unwrap_err();
        assert!(format!("{error:#}").contains("4194305"), "{error:#}");
    }

    #[test]
    fn we_can_watch_ourselves() {
        let mut watch = Watch::start(&[std::process::id()], None, Instant::now()).unwrap();
        let (first, second) = (watch.read(1), watch.read_exactly(2));
        let (before, after) = (first.server.unwrap(), second.server.unwrap());
        assert!(after.cpu_ns >= before.cpu_ns && after.resident_bytes > 100_000 && after.threads > 0);
        assert!(watch.ended().is_empty() && watch.finish().is_none());
    }
}
