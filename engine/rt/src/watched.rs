//! A descriptor that the ring can watch: the one place where a descriptor meets monoio.
//!
//! monoio offers its poll operation only through its socket types. Its Unix stream is the smallest of them (a counted
//! reference and nothing else, where its TCP stream carries 90 bytes of cached addresses), and the poll does not care what
//! kind of descriptor it is; so every watched descriptor, be it TCP or an eventfd, wears that type.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use monoio::net::UnixStream;

/// Owns a descriptor; waits for it on the ring of whichever shard polls the future.
pub(super) struct Watched {
    io: ManuallyDrop<UnixStream>,
    /// Waits that began and did not end. One that was dropped half-way counts for ever: its operation may still hold the
    /// descriptor, and there is no way to learn when it lets go.
    waits: Cell<u32>,
}

impl Watched {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let io = UnixStream::from_std(std::os::unix::net::UnixStream::from(fd))?;
        Ok(Self {
            io: ManuallyDrop::new(io),
            waits: Cell::new(0),
        })
    }

    pub(super) fn raw(&self) -> RawFd {
        self.io.as_raw_fd()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `io` owns the descriptor and keeps it open for as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.raw()) }
    }

    /// Ready when there is something to read, the peer closed, or the connection failed.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.waits.set(self.waits.get() + 1);
        crosspoint_probes::poll_armed(self.raw());
        let woken = self.io.readable(false).await;
        self.waits.set(self.waits.get() - 1);
        woken
    }

    /// Ready when the send buffer has room, or the connection failed.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.waits.set(self.waits.get() + 1);
        crosspoint_probes::poll_armed(self.raw());
        let woken = self.io.writable(false).await;
        self.waits.set(self.waits.get() - 1);
        woken
    }

    /// Gives the descriptor up, free of any ring. When an abandoned wait may still hold it, a duplicate is given instead.
    pub(super) fn into_fd(mut self) -> io::Result<OwnedFd> {
        if self.waits.get() > 0 {
            return self.fd().try_clone_to_owned();
        }
        let fd = self.take_raw();
        std::mem::forget(self);
        // SAFETY: `take_raw` handed the ownership over, and `forget` keeps `drop` from taking it once more.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Takes the descriptor out of `io`. Only without waits, and only once, as the last act on `self`.
    fn take_raw(&mut self) -> RawFd {
        debug_assert_eq!(self.waits.get(), 0);
        // SAFETY: `io` is not used again: both callers are done with `self`.
        unsafe { ManuallyDrop::take(&mut self.io) }.into_raw_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.waits.get() > 0 {
            // The abandoned operation holds a reference; monoio closes the descriptor when that ends.
            // SAFETY: dropped once, and `self` ends here.
            unsafe { ManuallyDrop::drop(&mut self.io) };
            return;
        }
        // Closing here and now is cheaper than monoio's way (a close and a cancel through the ring, and an allocation).
        let fd = self.take_raw();
        // SAFETY: `take_raw` handed the ownership over.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("fd", &self.raw())
            .field("waits", &self.waits.get())
            .finish()
    }
}
