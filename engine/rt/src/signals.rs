//! Signals arrive on one thread, as values, when it asks for them.

use std::io;
use std::time::Duration;

/// A signal that the process acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGTERM: end gracefully.
    Terminate,
    /// SIGINT, Ctrl-C: end gracefully.
    Interrupt,
    /// SIGHUP: read the configuration and certificates again.
    Hangup,
}

const HANDLED: [(libc::c_int, Signal); 3] = [
    (libc::SIGTERM, Signal::Terminate),
    (libc::SIGINT, Signal::Interrupt),
    (libc::SIGHUP, Signal::Hangup),
];

/// The right to wait for signals: proof that they are blocked.
#[derive(Debug)]
pub struct Signals {
    set: libc::sigset_t,
}

/// Blocks the handled signals in the calling thread and in all threads that it starts from now on. Call it first in
/// `main`; a thread that is older than the call would be interrupted instead.
///
/// # Errors
/// None is known; what pthread_sigmask(3) says.
pub fn block() -> io::Result<Signals> {
    // SAFETY: sigemptyset(3) initialises the set before anything reads it, and all zeroes is a valid one on Linux.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid signal set to write to.
    unsafe { libc::sigemptyset(&mut set) };
    for (number, _) in HANDLED {
        // SAFETY: `set` is initialised, and the numbers are signals.
        unsafe { libc::sigaddset(&mut set, number) };
    }
    // SAFETY: `set` is initialised; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) } {
        0 => Ok(Signals { set }),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

impl Signals {
    /// Blocks the thread until a handled signal arrives.
    pub fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = self.wait_for(Duration::from_secs(3600)) {
                return signal;
            }
        }
    }

    /// As [`Signals::wait`], but gives up after `timeout`.
    pub fn wait_for(&self, timeout: Duration) -> Option<Signal> {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: the set is initialised, no details are asked for, and the timeout outlives the call.
        let number = unsafe { libc::sigtimedwait(&self.set, std::ptr::null_mut(), &timeout) };
        HANDLED
            .iter()
            .find(|(handled, _)| *handled == number)
            .map(|(_, signal)| *signal)
    }
}
