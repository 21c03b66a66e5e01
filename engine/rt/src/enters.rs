//! How often a thread enters the kernel with its ring. Neither monoio nor the ring's own counters tell; the kernel's
//! tracepoint does, for whoever may use it: root, or CAP_PERFMON and a readable tracefs.
//!
//! Counting belongs to whoever looks, not to the shard: the counter is his descriptor, of his process. But it is not free
//! while it is open: as long as a tracepoint of system calls is in use, every system call of the machine takes the slower
//! way in and out.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// Where the kernel shows the number of the tracepoint; the second, where tracefs is mounted in the old place only.
const NUMBERS: [&str; 2] = [
    "/sys/kernel/tracing/events/syscalls/sys_enter_io_uring_enter/id",
    "/sys/kernel/debug/tracing/events/syscalls/sys_enter_io_uring_enter/id",
];

/// PERF_TYPE_TRACEPOINT of perf_event_open(2).
const TYPE_TRACEPOINT: u32 = 2;
/// PERF_FLAG_FD_CLOEXEC.
const CLOSE_ON_EXEC: libc::c_ulong = 8;

/// The first 64 bytes of `struct perf_event_attr`, which is all that PERF_ATTR_SIZE_VER0 has. What is 0 is off.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const _: () = assert!(size_of::<Attributes>() == 64);

/// Counts the enters of one thread from its making on, as long as it is kept.
#[derive(Debug)]
pub struct Enters {
    counter: File,
}

impl Enters {
    /// Of any thread, by its number in the kernel.
    ///
    /// # Errors
    /// The kernel has no such tracepoint, does not let us count, or there is no such thread.
    pub fn of_thread(thread: u64) -> io::Result<Enters> {
        let attributes = Attributes {
            kind: TYPE_TRACEPOINT,
            size: size_of::<Attributes>() as u32,
            config: number()?,
            ..Attributes::default()
        };
        let thread = libc::pid_t::try_from(thread).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (any_core, no_group): (libc::c_int, libc::c_int) = (-1, -1);
        // SAFETY: the kernel reads 64 bytes of `attributes`, as their `size` says, and keeps nothing.
        let made = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                thread,
                any_core,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else's.
        let counter = unsafe { OwnedFd::from_raw_fd(made as RawFd) };
        Ok(Enters {
            counter: counter.into(),
        })
    }

    /// How many there have been.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn count(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        (&self.counter).read_exact(&mut count)?;
        Ok(u64::from_ne_bytes(count))
    }
}

fn number() -> io::Result<u64> {
    let shown = fs::read_to_string(NUMBERS[0]).or_else(|error| fs::read_to_string(NUMBERS[1]).map_err(|_| error))?;
    shown.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Alarm, Config, run, thread_number};

    #[test]
    fn each_wait_of_a_ring_is_one_enter() {
        const WAITS: u64 = 50;
        let counted = run(&Config::default(), async {
            let alarm = Alarm::new().unwrap();
            let enters = match Enters::of_thread(thread_number()) {
                Ok(enters) => enters,
                Err(error) => return Err(error),
            };
            let before = enters.count()?;
            for _ in 0..WAITS {
                alarm.set(Duration::from_micros(100))?;
                alarm.rung().await?;
            }
            Ok(enters.count()? - before)
        });
        match counted.unwrap() {
            Ok(counted) => assert!((WAITS..=WAITS + 2).contains(&counted), "{counted}"),
            // Not everybody may count; whoever may not is told why.
            Err(error) => assert!(
                matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound),
                "{error}"
            ),
        }
    }

    #[test]
    fn a_thread_that_is_not_there_is_an_error() {
        assert!(Enters::of_thread(u64::MAX).is_err());
        assert!(Enters::of_thread(u64::from(i32::MAX as u32)).is_err());
    }
}
