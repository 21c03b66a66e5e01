//! Probe points in the hot path, for bpftrace, perf and gdb: user-level statically defined tracing (USDT).
//!
//! A probe is one `nop` in the code and an entry in the ELF section `.note.stapsdt`, which names it and says in which
//! registers its arguments are. Nothing is called, counted or branched on; a tracer that attaches puts a breakpoint in
//! place of the nop. `examples/probe_cost.rs` measures the price when nobody looks. All are of the provider `crosspoint`
//! and all are in this file, one function each; arguments are integers, in the order of the parameters.
//!
//! ```text
//! bpftrace -l 'usdt:target/release/crosspoint:*'        what is there
//! readelf -n target/release/crosspoint                  with arguments
//! ```
//! Recipes that use them are in `perf/recipes`.
//!
//! Invariants: an argument is at hand where the probe stands (a length, an id, an address): none is computed for it, and
//! above all no clock is read, since tracers have their own. A probe's name and arguments are an interface: they change
//! only together with the recipes, and [`ALL`] lists them for the tests.

#![forbid(unsafe_code)]

use probe::probe;

/// Every probe: its name, and how many arguments it has.
pub const ALL: &[(&str, usize)] = &[
    ("turn_start", 1),
    ("turn_end", 2),
    ("message_routed", 3),
    ("chunk_pushed", 4),
    ("chunk_taken", 4),
    ("socket_read", 2),
    ("socket_write", 2),
    ("poll_armed", 1),
    ("log_append", 3),
    ("log_commit_begin", 3),
    ("log_commit_end", 3),
];

/// A shard begins to carry away what has piled up: requests, writes, chunks.
#[inline(always)]
pub fn turn_start(shard: usize) {
    probe!(crosspoint, turn_start, shard);
}

/// Everything has left, or waits for who is behind. `sessions`: how many had something to write.
#[inline(always)]
pub fn turn_end(shard: usize, sessions: usize) {
    probe!(crosspoint, turn_end, shard, sessions);
}

/// A message has arrived at its addressee's home and past the black list. `bytes`: of its payload; `waits`: 1 if the
/// sender waits for it to be durable.
#[inline(always)]
pub fn message_routed(shard: usize, bytes: usize, waits: bool) {
    probe!(crosspoint, message_routed, shard, bytes, waits);
}

/// A chunk is about to be pushed into the lane to a shard; seen again if the lane was full. The fourth argument is the
/// address of its items, which tells it from all others that are under way. Keepers send too: as 65535.
#[inline(always)]
pub fn chunk_pushed<T>(from: usize, to: usize, chunk: &[T]) {
    probe!(crosspoint, chunk_pushed, from, to, chunk.len(), chunk.as_ptr() as usize);
}

/// A shard takes a chunk out of the lane that it was pushed into.
#[inline(always)]
pub fn chunk_taken<T>(from: usize, to: usize, chunk: &[T]) {
    probe!(crosspoint, chunk_taken, from, to, chunk.len(), chunk.as_ptr() as usize);
}

/// A receive has returned. `bytes`: how many came, 0 at the peer's end, -1 when there was nothing or it failed.
#[inline(always)]
pub fn socket_read(descriptor: i32, bytes: isize) {
    probe!(crosspoint, socket_read, descriptor, bytes);
}

/// A send has returned. `bytes`: how many were taken, -1 when there was no room or it failed.
#[inline(always)]
pub fn socket_write(descriptor: i32, bytes: isize) {
    probe!(crosspoint, socket_write, descriptor, bytes);
}

/// A poll of a descriptor is about to be put on the ring: one submission entry, unless it is ready at once.
#[inline(always)]
pub fn poll_armed(descriptor: i32) {
    probe!(crosspoint, poll_armed, descriptor);
}

/// A message was added to the batch under construction. `bytes`: of its payload.
#[inline(always)]
pub fn log_append(user: u64, id: u64, bytes: usize) {
    probe!(crosspoint, log_append, user, id, bytes);
}

/// The one write of a group commit begins. `bytes` include header and padding.
#[inline(always)]
pub fn log_commit_begin(batch: u64, records: u32, bytes: usize) {
    probe!(crosspoint, log_commit_begin, batch, records, bytes);
}

/// It has ended; what the batch holds is durable, unless `bytes` is 0: then the write failed.
#[inline(always)]
pub fn log_commit_end(batch: u64, records: u32, bytes: usize) {
    probe!(crosspoint, log_commit_end, batch, records, bytes);
}
