//! The runtime facade: the only place that names monoio, io_uring or libc.
//!
//! One shard is one thread, one ring, one FIFO run queue. What the rest of the engine sees is small enough that another
//! ring runtime could stand behind it: run, spawn, listen, wait for a socket, receive, send, ring another shard, sleep.
//!
//! Invariants:
//! - The only operations that are ever in flight are polls (and monoio's own wake-up read). No buffer of ours is lent to
//!   the kernel, so a dropped future loses no bytes, leaks no accepted connection and leaves nothing to be written to.
//!   Receiving, sending and accepting are plain non-blocking calls after a poll.
//! - A socket changes shards only as a [`Detached`], which owns its descriptor and is known to no ring.
//! - Other threads wake a shard through a [`Ringer`] and by no other means: monoio's cross-thread wakers are not used.
//!
//! What a caller must know:
//! - A task that wakes itself runs before all others, and a run queue that never empties never reaps a completion. A
//!   task with more work than one turn's worth awaits [`breathe`] in between.
//! - Timers fire only when the shard has nothing left to run.
//! - A panic in a task ends the shard. Session tasks go through [`guard`].
#![allow(unsafe_code)]

mod alarm;
mod breath;
mod clock;
mod doorbell;
mod enters;
mod guard;
mod launch;
mod listener;
mod notify;
mod process;
mod ring;
mod shared;
pub mod signals;
mod socket;
mod watched;

pub use alarm::Alarm;
pub use breath::breathe;
pub use clock::{Clock, monotonic_ns, sleep, ticks};
pub use doorbell::{Doorbell, Ringer};
pub use enters::Enters;
pub use guard::{Guard, Panicked, guard, spawn_guarded};
pub use launch::{Config, Unavailable, probe, run, spawn};
pub use listener::{Listener, is_out_of_descriptors};
pub use notify::Notify;
pub use process::{
    DescriptorLimit, cores, exit, pin, process_cpu, process_rss_bytes, raise_fd_limit, restrict_umask, thread_cpu,
    thread_number,
};
pub use ring::ring_descriptor;
pub use shared::{CELLS_ALIGN, Cell, Cells, Region, Shared};
pub use socket::{Detached, Socket};
