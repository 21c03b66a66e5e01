//! Which descriptor a thread's ring has. monoio does not tell, and whoever looks at a ring from outside has to know: the
//! kernel shows its counters in `/proc/PID/fdinfo/DESCRIPTOR`, and not whose it is.
//!
//! Invariant: rings are made one at a time in a process, so the one that is new after a ring was made is that one.

use std::cell::Cell;
use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Held while a ring is made.
static MAKING: Mutex<()> = Mutex::new(());

/// What the kernel calls a ring's descriptor.
const LINK: &str = "anon_inode:[io_uring]";

thread_local! {
    static OWN: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The descriptor of the ring that this thread runs on; `None` outside of [`run`](super::run), or where /proc is not
/// mounted.
#[must_use]
pub fn ring_descriptor() -> Option<u32> {
    OWN.get()
}

/// Lets `make` make this thread's ring, and remembers which one that is. Rings that it tries and drops do not matter.
pub(crate) fn make_own<T>(make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    alone(|| {
        let before = rings();
        let made = make()?;
        OWN.set(rings().into_iter().find(|ring| !before.contains(ring)));
        Ok(made)
    })
}

/// Lets `make` make a ring while nobody else does.
pub(crate) fn alone<T>(make: impl FnOnce() -> T) -> T {
    // Nothing is kept under the lock that a panic could have left half done.
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    make()
}

/// The descriptors of all rings of this process.
fn rings() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let is_ring = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == LINK);
    entries
        .flatten()
        .filter(is_ring)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::{Config, run, sleep};

    /// Entries that were put on a ring, as the kernel shows them.
    fn submitted(ring: u32) -> u32 {
        let shown = fs::read_to_string(format!("/proc/self/fdinfo/{ring}")).unwrap();
        let line = shown.lines().find_map(|line| line.strip_prefix("SqTail:"));
        line.unwrap().trim().parse().unwrap()
    }

    #[test]
    fn each_thread_knows_its_own_ring_though_all_are_made_at_once() {
        assert_eq!(ring_descriptor(), None, "this thread has none");
        const THREADS: u32 = 4;
        let start = Barrier::new(THREADS as usize);
        let known: HashSet<u32> = thread::scope(|scope| {
            let one = |_| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    run(&Config::default(), own_counter_moves()).unwrap()
                })
            };
            let all: Vec<_> = (0..THREADS).map(one).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(known.len(), THREADS as usize, "{known:?}");
    }

    /// What this thread puts on its ring shows there.
    async fn own_counter_moves() -> u32 {
        let ring = ring_descriptor().unwrap();
        let before = submitted(ring);
        let alarm = crate::Alarm::new().unwrap();
        alarm.set(std::time::Duration::from_millis(1)).unwrap();
        alarm.rung().await.unwrap();
        sleep(std::time::Duration::from_millis(1)).await;
        assert!(submitted(ring) > before, "a wait is an entry");
        ring
    }
}
