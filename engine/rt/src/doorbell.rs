//! Waking a shard from another thread: an eventfd, which the shard's ring watches.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use super::watched::Watched;

/// The ringing end: one for all threads, cheap to clone.
#[derive(Debug, Clone)]
pub struct Ringer {
    event: Arc<OwnedFd>,
}

/// The listening end, on the shard that called [`Ringer::listen`].
#[derive(Debug)]
pub struct Doorbell {
    watched: Watched,
}

impl Ringer {
    /// A bell that nobody listens to yet; rings are kept for the one who will.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just returned this descriptor, and nobody else knows it.
        let event = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { event: Arc::new(event) })
    }

    /// Wakes the listener, or lets its next wait return at once. One write(2). Rings that come before the listener has
    /// woken are one.
    pub fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        // The only failure of this write is a counter that is full, and then the bell is ringing already.
        // SAFETY: eight bytes are passed, and they outlive the call.
        let _ = unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// The listening end, for the calling thread's shard. One shard listens to a bell.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn listen(&self) -> io::Result<Doorbell> {
        Ok(Doorbell {
            watched: Watched::new(self.event.try_clone()?)?,
        })
    }
}

impl Doorbell {
    /// Waits until the bell has been rung since the last time this returned.
    ///
    /// # Errors
    /// Those of the poll itself; none is known.
    pub async fn rung(&self) -> io::Result<()> {
        loop {
            self.watched.readable().await?;
            if self.answer() {
                return Ok(());
            }
        }
    }

    /// Stops the ringing, and says whether there was any.
    pub fn answer(&self) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: eight bytes are offered, and they outlive the call.
        let read = unsafe { libc::read(self.watched.raw(), count.as_mut_ptr().cast(), count.len()) };
        read == 8
    }
}
