//! A descriptor that the ring can watch: the one place where a descriptor meets monoio.
//!
//! monoio offers its poll operation only through its socket types. Its Unix stream is the smallest of them (a counted
//! reference and nothing else, where its TCP stream carries 90 bytes of cached addresses), and the poll does not care what
//! kind of descriptor it is; so every watched descriptor, be it TCP or an eventfd, wears that type.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use monoio::net::UnixStream;

use super::notify::Notify;

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

    /// True when there is something to read, the peer closed, or the connection failed; false when `told` was notified
    /// first. One future, and not several within each other: every idle connection holds one.
    pub(super) fn readable_or<'a>(&'a self, told: &'a Notify) -> impl Future<Output = bool> + use<'a> {
        ReadableOr {
            watched: self,
            told,
            begun: false,
            wait: self.io.readable(false),
        }
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

/// See [`Watched::readable_or`].
struct ReadableOr<'a, F> {
    watched: &'a Watched,
    told: &'a Notify,
    /// `wait` has been polled: its operation is in flight.
    begun: bool,
    wait: F,
}

impl<F: Future> Future for ReadableOr<'_, F> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        // SAFETY: `wait` is pinned structurally: it is never moved out, `ReadableOr` is `Unpin` only where `F` is (the
        // automatic implementation) and has no `Drop` of its own. The other fields are not pinned.
        let (this, wait) = unsafe {
            let this = self.get_unchecked_mut();
            let wait = Pin::new_unchecked(&mut this.wait);
            ((this.watched, this.told, &mut this.begun), wait)
        };
        let (watched, told, begun) = this;
        if told.poll(context).is_ready() {
            return Poll::Ready(false);
        }
        if !std::mem::replace(begun, true) {
            watched.waits.set(watched.waits.get() + 1);
        }
        if wait.poll(context).is_pending() {
            return Poll::Pending;
        }
        watched.waits.set(watched.waits.get() - 1);
        Poll::Ready(true)
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
