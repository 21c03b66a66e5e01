//! What the kernel shows of a shard's ring: how many entries were put on it, and how many completions came of them.
//!
//! The shard tells in the statistics which descriptor its ring has; the counters are read from
//! `/proc/PID/fdinfo/DESCRIPTOR`, so counting them costs the shard nothing. How often it entered the kernel to have its
//! entries taken is not shown there: `enters.rs` counts that.
//!
//! Invariant: a ring that cannot be read, for whatever reason, is unknown and never an error.

use std::fs;
use std::thread;

/// While the ring's own thread hands entries over, the kernel shows no counters: then again, so often.
const TRIES: u32 = 8;

/// The counters of a ring. Both wrap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ring {
    /// Submission queue entries that were put on it.
    pub entries: u32,
    /// Completion queue entries that came.
    pub completions: u32,
}

impl Ring {
    /// Of a process, by its descriptor.
    pub fn read(process: u64, descriptor: u64) -> Option<Ring> {
        for _ in 0..TRIES {
            let shown = fs::read_to_string(format!("/proc/{process}/fdinfo/{descriptor}")).ok()?;
            if let Some(ring) = Ring::parse(&shown) {
                return Some(ring);
            }
            thread::yield_now();
        }
        None
    }

    /// Lines of `Name: value`; what the kernel shows of something else has none of these names.
    fn parse(shown: &str) -> Option<Ring> {
        let number = |name: &str| {
            let line = shown
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line?.trim().parse().ok()
        };
        Some(Ring {
            entries: number("SqTail")?,
            completions: number("CqTail")?,
        })
    }

    /// What was added since an earlier look.
    pub fn since(self, before: Ring) -> Ring {
        Ring {
            entries: self.entries.wrapping_sub(before.entries),
            completions: self.completions.wrapping_sub(before.completions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let shown = "pos:\t0\nflags:\t02000002\nSqMask:\t0xfff\nSqHead:\t7\nSqTail:\t9\nCachedSqHead:\t7\nCqMask:\t0x1fff\n\
                     CqHead:\t3\nCqTail:\t4\nCachedCqTail:\t4\nSQEs:\t0\n";
        let ring = Ring {
            entries: 9,
            completions: 4,
        };
        assert_eq!(Ring::parse(shown), Some(ring));
    }

    #[test]
    fn what_is_no_ring_is_unknown() {
        for shown in [
            "",
            "pos:\t0\nflags:\t02\n",
            "SqTail:\tmany\nCqTail:\t1\n",
            "SqTail:\t1\n",
        ] {
            assert_eq!(Ring::parse(shown), None, "{shown:?}");
        }
        assert_eq!(Ring::read(std::process::id().into(), 1 << 40), None);
        assert_eq!(Ring::read(u64::MAX, 0), None);
    }

    #[test]
    fn counters_wrap() {
        let ring = |entries, completions| Ring { entries, completions };
        assert_eq!(ring(5, 2).since(ring(u32::MAX - 4, 1)), ring(10, 1));
    }
}
