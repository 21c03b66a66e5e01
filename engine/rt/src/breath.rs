//! A fair pause for a task that has more to do.

use std::cell::RefCell;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;

use super::watched::Watched;

thread_local! {
    /// An eventfd that is always readable, made when a shard first needs it.
    static ALWAYS_READY: RefCell<Option<Rc<Watched>>> = const { RefCell::new(None) };
}

/// Lets every other task that is ready run, and the ring reap its completions and timers, before the caller goes on.
///
/// The pause goes through the ring (a poll of something that is always ready), because a task that merely wakes itself
/// would run next, ahead of all others, and would keep the shard from ever looking at its sockets.
///
/// # Errors
/// When the process is out of descriptors at the shard's first pause.
pub async fn breathe() -> io::Result<()> {
    let ready = always_ready()?;
    ready.readable().await
}

fn always_ready() -> io::Result<Rc<Watched>> {
    ALWAYS_READY.with_borrow_mut(|slot| {
        if let Some(ready) = slot {
            return Ok(Rc::clone(ready));
        }
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::eventfd(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just returned this descriptor, and nobody else knows it.
        let ready = Rc::new(Watched::new(unsafe { OwnedFd::from_raw_fd(fd) })?);
        *slot = Some(Rc::clone(&ready));
        Ok(ready)
    })
}
