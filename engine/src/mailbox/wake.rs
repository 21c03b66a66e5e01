//! Wake elision: ring for a consumer only when it sleeps or is about to.
//!
//! ```text
//!  producer                         consumer
//!  1  push (release)                a  idle := true
//!  2  fence                         b  fence
//!  3  if idle, and swap was true:   c  lanes empty?  yes: sleep     no: idle := false, go on
//!  4      ring
//! ```
//!
//! The two fences are totally ordered. If 2 comes before b, then c sees the push of 1, and the consumer does not sleep. If
//! b comes before 2, then 3 sees `idle`, and exactly one producer swaps it away and rings. Without the fences both could
//! miss each other: a store and a later load of another place may be reordered, on every processor we run on. Release and
//! acquire on the flag itself let the producer that rings see the bell that was hung before. The flag is only ever exchanged,
//! never just stored to, so that all of its changes stand in one chain in which each sees the one before.

use super::sync::{AtomicBool, Ordering, fence};

/// Whether a consumer sleeps or is about to. Shared by it and all of its producers.
#[derive(Debug)]
pub(crate) struct Idle(AtomicBool);

impl Idle {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The consumer: announces sleep, then looks once more. True: it may sleep until the bell. False: it must go on.
    pub(crate) fn prepare(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.0.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if is_empty() {
            return true;
        }
        self.awake();
        false
    }

    /// The consumer: is awake, whatever woke it. Spares the producers rings that nobody needs.
    pub(crate) fn awake(&self) {
        if self.0.load(Ordering::Relaxed) {
            self.0.swap(false, Ordering::AcqRel);
        }
    }

    /// A producer, after its push: whether it is the one who must ring.
    pub(crate) fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Acquire) && self.0.swap(false, Ordering::AcqRel)
    }
}
