//! Building the ring, probing whether it may be built at all, and running a shard on it.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;

use io_uring::{IoUring, opcode};
use monoio::{IoUringDriver, RuntimeBuilder};

use super::process::pin;
use super::ring;

/// How a shard's thread and ring are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The core to pin the thread to, as the kernel numbers it (see [`super::cores`]); `None` leaves it unpinned.
    pub core: Option<usize>,
    /// Submission queue entries, rounded up to a power of two; at least 256. The completion queue has twice as many.
    pub ring_entries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            core: None,
            ring_entries: 4096,
        }
    }
}

/// io_uring cannot be used here. `Display` says why and what to do.
#[derive(Debug)]
pub struct Unavailable {
    what: String,
    advice: &'static str,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "io_uring is not available: {}. {}", self.what, self.advice)
    }
}

impl std::error::Error for Unavailable {}

impl From<Unavailable> for io::Error {
    fn from(unavailable: Unavailable) -> Self {
        io::Error::new(io::ErrorKind::Unsupported, unavailable)
    }
}

/// Tries io_uring out with a small ring, so that a refusal is explained at start and not met later.
///
/// # Errors
/// [`Unavailable`] when the kernel is too old, or a seccomp profile or a sysctl blocks it.
pub fn probe() -> Result<(), Unavailable> {
    ring::alone(try_out)
}

fn try_out() -> Result<(), Unavailable> {
    let ring = IoUring::new(8).map_err(|error| explain(&error))?;
    let mut supported = io_uring::Probe::new();
    ring.submitter()
        .register_probe(&mut supported)
        .map_err(|error| explain(&error))?;
    let needed = [
        ("POLL_ADD", opcode::PollAdd::CODE),
        ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
        ("READ", opcode::Read::CODE),
        ("CLOSE", opcode::Close::CODE),
    ];
    match needed.iter().find(|(_, code)| !supported.is_supported(*code)) {
        None => Ok(()),
        Some((name, _)) => Err(Unavailable {
            what: format!("the kernel's io_uring lacks the operation {name}"),
            advice: ADVICE_KERNEL,
        }),
    }
}

/// Runs `future`, and everything that it spawns, on this thread with a ring of its own, until `future` is done.
///
/// Tasks that are still waiting then are not dropped: they stay as they are, and so does the ring, until the process
/// ends. A shard drains first and ends in [`super::exit`].
///
/// # Errors
/// When the thread cannot be pinned, or no ring can be had (then the error explains itself, see [`Unavailable`]).
pub fn run<F: Future>(config: &Config, future: F) -> io::Result<F::Output> {
    if let Some(core) = config.core {
        pin(core)?;
    }
    let runtime = ring::make_own(|| {
        let builder = choose_setup(config.ring_entries)?;
        let runtime = RuntimeBuilder::<IoUringDriver>::new()
            .with_entries(config.ring_entries)
            .uring_builder(builder)
            .enable_timer()
            .build();
        Ok(runtime.map_err(|error| explain(&error))?)
    })?;
    // Dropping a monoio runtime with operations in flight is unsound, and unwinding would drop it too: it stays for good.
    let mut runtime = ManuallyDrop::new(runtime);
    Ok(runtime.block_on(future))
}

/// Starts a task on this shard, after all that are ready to run. It runs to its end; nobody waits for it. A task that waits
/// for something that cannot happen any more (its waker is gone) is dropped.
///
/// # Panics
/// Outside of [`run`].
pub fn spawn<F: Future<Output = ()> + 'static>(future: F) {
    drop(monoio::spawn(future));
}

/// The best ring setup this kernel accepts: completions only when we ask for them, by the one thread that submits;
/// else no interrupting of that thread; else as it comes.
fn choose_setup(entries: u32) -> Result<io_uring::Builder, Unavailable> {
    let mut deferred = IoUring::builder();
    deferred.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
    let mut cooperative = IoUring::builder();
    cooperative.setup_coop_taskrun();
    for setup in [deferred, cooperative] {
        match setup.build(entries) {
            Ok(_) => return Ok(setup),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(explain(&error)),
        }
    }
    Ok(IoUring::builder())
}

const ADVICE_KERNEL: &str = "Linux 5.11 or newer is needed, 6.1 or newer is better: run a newer kernel";
const ADVICE_SECCOMP: &str = "A container's default seccomp profile blocks it: allow io_uring_setup, io_uring_enter and \
    io_uring_register in the profile, or start the container with `--security-opt seccomp=unconfined`";
const ADVICE_SYSCTL: &str = "The administrator switched it off: `sysctl kernel.io_uring_disabled=0` switches it on";
const ADVICE_MEMORY: &str =
    "Raise the locked-memory limit: `ulimit -l unlimited`, or `LimitMEMLOCK=infinity` in a systemd unit";
const ADVICE_DESCRIPTORS: &str = "Raise the limit of open files: `ulimit -n`, or `LimitNOFILE=` in a systemd unit";
const ADVICE_UNKNOWN: &str = "See io_uring_setup(2) for what this error means";

fn explain(error: &io::Error) -> Unavailable {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    explain_with(error, disabled.trim())
}

/// `disabled` is the sysctl `kernel.io_uring_disabled`: 0 or nothing when it is allowed, 1 or 2 when it is not.
fn explain_with(error: &io::Error, disabled: &str) -> Unavailable {
    let advice = match error.raw_os_error() {
        Some(libc::ENOSYS) => ADVICE_KERNEL,
        Some(libc::EPERM | libc::EACCES) if matches!(disabled, "1" | "2") => ADVICE_SYSCTL,
        Some(libc::EPERM | libc::EACCES) => ADVICE_SECCOMP,
        Some(libc::ENOMEM) => ADVICE_MEMORY,
        Some(libc::EMFILE | libc::ENFILE) => ADVICE_DESCRIPTORS,
        _ => ADVICE_UNKNOWN,
    };
    Unavailable {
        what: error.to_string(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(code: i32, disabled: &str) -> &'static str {
        explain_with(&io::Error::from_raw_os_error(code), disabled).advice
    }

    #[test]
    fn each_refusal_is_explained_by_what_to_do() {
        assert_eq!(advice(libc::ENOSYS, ""), ADVICE_KERNEL);
        assert_eq!(advice(libc::EPERM, "0"), ADVICE_SECCOMP);
        assert_eq!(advice(libc::EPERM, "2"), ADVICE_SYSCTL);
        assert_eq!(advice(libc::ENOMEM, "0"), ADVICE_MEMORY);
        assert_eq!(advice(libc::EMFILE, "0"), ADVICE_DESCRIPTORS);
        assert_eq!(advice(libc::EIO, "0"), ADVICE_UNKNOWN);
    }

    #[test]
    fn a_refusal_reads_as_one_sentence_and_an_advice() {
        let refusal = explain_with(&io::Error::from_raw_os_error(libc::EPERM), "0").to_string();
        assert!(
            refusal.starts_with("io_uring is not available: Operation not permitted"),
            "{refusal}"
        );
        assert!(refusal.contains("seccomp"), "{refusal}");
    }
}
