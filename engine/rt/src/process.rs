//! What concerns the whole process or thread: cores, descriptors, memory, processor time, the end.

use std::io;
use std::time::Duration;

/// Limits on open descriptors after [`raise_fd_limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// What the process may use now.
    pub soft: u64,
    /// What it could raise `soft` to.
    pub hard: u64,
}

/// Raises the soft limit of open descriptors to the hard one.
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2).
pub fn raise_fd_limit() -> io::Result<DescriptorLimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to write to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit to read from.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(DescriptorLimit {
        soft: limit.rlim_cur,
        hard: limit.rlim_max,
    })
}

/// The cores this process may run on, as the kernel numbers them, in ascending order; never empty.
#[must_use]
pub fn cores() -> Vec<usize> {
    // SAFETY: all zeroes is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is as large as we say, and ours to write to.
    let known = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    let allowed: Vec<usize> = (0..CORES_MAX)
        // SAFETY: every number below CORES_MAX lies within the set.
        .filter(|&core| known == 0 && unsafe { libc::CPU_ISSET(core, &set) })
        .collect();
    if allowed.is_empty() { vec![0] } else { allowed }
}

/// Pins the calling thread to a core.
///
/// # Errors
/// When there is no such core, or it is outside of what the process may use.
pub fn pin(core: usize) -> io::Result<()> {
    if core >= CORES_MAX {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: all zeroes is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `core` lies within the set, as has just been checked.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is as large as we say.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) })
}

/// Ends the process. Rings and tasks are left to the kernel, which is the only safe way to end them.
pub fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Processor time used by the calling thread.
#[must_use]
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time used by all threads of the process.
#[must_use]
pub fn process_cpu() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The calling thread's number in the kernel: a folder of /proc/self/task.
#[must_use]
pub fn thread_number() -> u64 {
    // SAFETY: no pointers are passed.
    let number = unsafe { libc::syscall(libc::SYS_gettid) };
    u64::try_from(number).unwrap_or(0)
}

/// Resident memory of the process, in bytes; 0 where /proc is not mounted.
#[must_use]
pub fn process_rss_bytes() -> u64 {
    // SAFETY: no pointers are passed.
    let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident_pages = statm
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    resident_pages.unwrap_or(0) * page_bytes
}

/// From now on, files that this process creates are for its own user only.
pub fn restrict_umask() {
    // SAFETY: no pointers are passed, and the call cannot fail.
    unsafe { libc::umask(0o077) };
}

const CORES_MAX: usize = libc::CPU_SETSIZE as usize;

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; on failure it stays 0.
    unsafe { libc::clock_gettime(id, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
