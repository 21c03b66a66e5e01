//! One look at a server's statistics file, and where such looks come from.
//!
//! Invariant: looking takes nothing from the server but the page cache: the file is read, not mapped, so that a server
//! that replaces it meanwhile cannot hurt whoever looks.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use crosspoint_engine::metrics::layout::{FILE_BYTES_MAX, Head, Scope};
use crosspoint_engine::rt;

use super::ring::Ring;

/// The bytes of a statistics file at a moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What the bytes mean.
    pub head: Head,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// When it was read, by the wall clock...
    pub taken_unix_ms: u64,
    /// ...and by the monotonic clock of the server's machine.
    pub taken_ns: u64,
    /// Whether the server's process was there.
    pub alive: bool,
    /// The state of each shard's thread, as the kernel names it; empty where that is not known.
    pub threads: Vec<char>,
    /// The counters of each shard's ring; empty, or `None` for a shard, where they are not known.
    pub rings: Vec<Option<Ring>>,
    /// How often each shard had entered the kernel with its ring since somebody began to count; empty where nobody does.
    pub enters: Vec<Option<u64>>,
}

impl Snapshot {
    /// Makes sense of bytes.
    ///
    /// # Errors
    /// They are no statistics file that is known here.
    pub fn new(bytes: Vec<u8>, taken_unix_ms: u64, taken_ns: u64, alive: bool) -> Result<Snapshot> {
        Ok(Snapshot {
            head: Head::decode(&bytes)?,
            bytes,
            taken_unix_ms,
            taken_ns,
            alive,
            threads: Vec::new(),
            rings: Vec::new(),
            enters: Vec::new(),
        })
    }

    /// Reads the file of a data folder.
    ///
    /// # Errors
    /// There is none, or it is not known here; what to do.
    pub fn read(path: &Path) -> Result<Snapshot> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "no server has left statistics at {}; start one, name its data folder with --data or --config, or set \
                 stats.file = true",
                path.display()
            ),
            opened => opened.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let mut bytes = Vec::new();
        let mut limited = (&file).take(FILE_BYTES_MAX as u64);
        limited
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {}", path.display()))?;
        // The server holds the lock for as long as its process lives.
        let alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let mut snapshot = Snapshot::new(bytes, unix_ms(), rt::monotonic_ns(), alive)
            .with_context(|| format!("{} cannot be read as statistics", path.display()))?;
        if alive {
            snapshot.threads = (0..snapshot.head.shards).map(|shard| snapshot.thread(shard)).collect();
            snapshot.rings = (0..snapshot.head.shards).map(|shard| snapshot.ring(shard)).collect();
        }
        Ok(snapshot)
    }

    /// The cells of a name; none if the server does not know it. `shard` counts only in the scope of shards.
    pub fn cells(&self, scope: Scope, shard: usize, name: &str) -> Vec<u64> {
        let Some(column) = self.head.column(scope, name) else {
            return Vec::new();
        };
        let block = match scope {
            Scope::Process => self.head.blocks.process,
            Scope::Shard => self.head.blocks.shards + shard * self.head.blocks.stride,
        };
        let begin = block + column.offset;
        let cells = self.bytes.get(begin..begin + column.count * 8).unwrap_or_default();
        cells
            .as_chunks::<8>()
            .0
            .iter()
            .map(|cell| u64::from_ne_bytes(*cell))
            .collect()
    }

    /// The one cell of a name, or 0.
    pub fn one(&self, scope: Scope, shard: usize, name: &str) -> u64 {
        self.cells(scope, shard, name).first().copied().unwrap_or(0)
    }

    /// Whether both are looks at the same run of a server.
    pub fn same_run(&self, other: &Snapshot) -> bool {
        self.head.process == other.head.process && self.head.started_unix_ms == other.head.started_unix_ms
    }

    fn ring(&self, shard: usize) -> Option<Ring> {
        let descriptor = self.one(Scope::Shard, shard, "ring");
        Ring::read(self.head.process, descriptor).filter(|_| descriptor > 0)
    }

    fn thread(&self, shard: usize) -> char {
        let thread = self.one(Scope::Shard, shard, "thread");
        let stat = std::fs::read_to_string(format!("/proc/{}/task/{thread}/stat", self.head.process));
        // The state follows the name, which stands in parentheses and may contain anything.
        let state = stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
        state.unwrap_or('?')
    }
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
