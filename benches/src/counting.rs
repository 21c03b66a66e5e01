//! An allocator that counts what its thread asks for, and on request remembers where.
//!
//! ```text
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//! let (allocations, _) = counting::during(|| work());
//! ```
//!
//! Invariants: every call goes to the system's allocator unchanged; counting itself never allocates; remembering does, and
//! does not count what it allocates. Each thread counts for itself.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// See the module.
pub struct Counting;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// New blocks.
    pub allocations: u64,
    /// Blocks that were asked to grow or shrink.
    pub reallocations: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Count {
    /// How often the allocator was asked for memory.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.allocations + self.reallocations
    }
}

/// One place in the code, and how much it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The innermost functions of this project, the caller last.
    pub place: String,
    /// Bytes of one request.
    pub bytes: usize,
    /// Requests.
    pub requests: u64,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, reallocations: 0, bytes: 0 }) };
    static HELD: Cell<i64> = const { Cell::new(0) };
    static REMEMBERING: Cell<bool> = const { Cell::new(false) };
    static SITES: RefCell<BTreeMap<(String, usize), u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// What this thread asks for during a call.
pub fn during<R>(work: impl FnOnce() -> R) -> (Count, R) {
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    let count = Count {
        allocations: after.allocations - before.allocations,
        reallocations: after.reallocations - before.reallocations,
        bytes: after.bytes - before.bytes,
    };
    (count, result)
}

/// Where this thread asks for memory during a call, most frequent first. Slow: every request is traced.
pub fn sites(work: impl FnOnce()) -> Vec<Site> {
    SITES.with_borrow_mut(BTreeMap::clear);
    REMEMBERING.set(true);
    work();
    REMEMBERING.set(false);
    let found = SITES.take();
    let mut sites: Vec<Site> = found
        .into_iter()
        .map(|((place, bytes), requests)| Site { place, bytes, requests })
        .collect();
    sites.sort_by(|one, other| other.requests.cmp(&one.requests).then(one.place.cmp(&other.place)));
    sites
}

fn note(bytes: usize, new: bool) {
    // A thread that is ending has nothing to count.
    let _ = COUNT.try_with(|count| {
        let mut now = count.get();
        now.allocations += u64::from(new);
        now.reallocations += u64::from(!new);
        now.bytes += bytes as u64;
        count.set(now);
    });
    if REMEMBERING.try_with(|remembering| remembering.replace(false)) == Ok(true) {
        let before = COUNT.get();
        let place = place(&Backtrace::force_capture().to_string());
        SITES.with_borrow_mut(|sites| *sites.entry((place, bytes)).or_default() += 1);
        COUNT.set(before);
        REMEMBERING.set(true);
    }
}

/// Functions of a trace that are told.
const FUNCTIONS_MAX: usize = 3;

/// The innermost functions of this project in a printed trace.
fn place(trace: &str) -> String {
    let functions = trace.lines().filter_map(|line| {
        let (number, function) = line.trim_start().split_once(": ")?;
        number.parse::<u32>().ok()?;
        let ours = function.trim_start_matches('<').starts_with("crosspoint_");
        (ours && !function.contains("crosspoint_benches::")).then(|| function.to_owned())
    });
    let functions: Vec<String> = functions.take(FUNCTIONS_MAX).map(|function| short(&function)).collect();
    if functions.is_empty() {
        return "the bench itself".to_owned();
    }
    functions.join(" < ")
}

/// Bytes that this thread has asked for and not given back; below zero if it gives back what others asked for.
#[must_use]
pub fn held() -> i64 {
    HELD.get()
}

fn hold(bytes: i64) {
    HELD.set(HELD.get() + bytes);
}

/// Without what all of them have in common.
fn short(function: &str) -> String {
    function
        .replace("<impl crosspoint_engine::shard::Shard>::", "")
        .replace("crosspoint_", "")
        .replace("::{{closure}}", "")
}

// SAFETY: every method passes its arguments on to the system's allocator and returns what that returns; `note` and
// `hold` do not touch the block, and what it allocates itself comes through here again with remembering switched off.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), true);
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the promises of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), true);
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the promises of this very method.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, false);
        hold(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the promises of this very method.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: the caller keeps the promises of this very method.
        unsafe { System.dealloc(block, layout) }
    }
}
