//! A timer of the kernel's own precision: a timerfd, which the ring watches.
//!
//! [`sleep`](super::sleep) counts in milliseconds and fires when the shard has nothing left to run. Who paces messages
//! wants microseconds; one alarm serves a whole thread, set to whatever is due first.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use super::watched::Watched;

/// Rings once for each time that it was set.
#[derive(Debug)]
pub struct Alarm {
    watched: Watched,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just returned this descriptor, and nobody else knows it.
        let watched = Watched::new(unsafe { OwnedFd::from_raw_fd(fd) })?;
        Ok(Self { watched })
    }

    /// Rings after `delay` (at least a nanosecond), and not at an earlier time that was set before.
    ///
    /// # Errors
    /// Those of timerfd_settime(2); none is known.
    pub fn set(&self, delay: Duration) -> io::Result<()> {
        let delay = delay.max(Duration::from_nanos(1));
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let once = libc::itimerspec {
            it_interval: never,
            it_value: libc::timespec {
                tv_sec: libc::time_t::try_from(delay.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: delay.subsec_nanos().into(),
            },
        };
        // SAFETY: `once` is a valid itimerspec to read from; the old value is not asked for.
        let set = unsafe { libc::timerfd_settime(self.watched.raw(), 0, &once, std::ptr::null_mut()) };
        if set < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Waits until it rings.
    ///
    /// # Errors
    /// Those of the poll itself; none is known.
    pub async fn rung(&self) -> io::Result<()> {
        loop {
            self.watched.readable().await?;
            let mut times = [0_u8; 8];
            // SAFETY: eight bytes are offered, and they outlive the call.
            let read = unsafe { libc::read(self.watched.raw(), times.as_mut_ptr().cast(), times.len()) };
            if read == 8 {
                return Ok(());
            }
        }
    }
}
