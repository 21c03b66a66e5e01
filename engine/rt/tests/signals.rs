//! Signals as values. Alone in its process, because a signal that goes astray ends it.

use std::time::Duration;

use crosspoint_rt::signals::{self, Signal};

const AT_ONCE: Duration = Duration::ZERO;

/// The signals that the calling thread has blocked, as the kernel shows them: bit n - 1 for signal n.
fn blocked() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

fn raise(number: libc::c_int) {
    // SAFETY: no pointers are passed; the signal is blocked in this thread, so nothing is interrupted.
    assert_eq!(unsafe { libc::raise(number) }, 0);
}

#[test]
fn blocked_signals_wait_until_they_are_asked_for() {
    let signals = signals::block().unwrap();
    assert_eq!(signals.wait_for(AT_ONCE), None);
    let pairs = [
        (libc::SIGTERM, Signal::Terminate),
        (libc::SIGINT, Signal::Interrupt),
        (libc::SIGHUP, Signal::Hangup),
    ];
    for (number, signal) in pairs {
        raise(number);
        assert_eq!(signals.wait(), signal);
        assert_eq!(signals.wait_for(AT_ONCE), None);
        let inherited = std::thread::spawn(blocked).join().unwrap();
        assert_ne!(
            inherited & 1 << (number - 1),
            0,
            "a new thread has {signal:?} blocked too"
        );
    }
}
