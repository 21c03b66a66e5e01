//! A bounded ring with one producer and one consumer.
//!
//! ```text
//!  slots   [ . | . | C | D | E | . | . | . ]      capacity 8
//!                    ^head       ^tail            head = 2: next to pop; tail = 5: next to fill
//! ```
//!
//! `head` and `tail` count for ever (and wrap as integers do); a slot's index is the count modulo the capacity, which is a
//! power of two. Each end keeps a private copy of the other's counter and looks at the shared one only when the copy says
//! full or empty, so that in a busy lane the two cores seldom touch each other's cache lines.
//!
//! Invariants: `tail - head <= capacity`; the slots from `head` to `tail` are initialised and belong to the consumer, the
//! others are not and belong to the producer; only the producer writes `tail`, only the consumer writes `head`.

use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use super::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

struct Ring<T> {
    head: CachePadded<AtomicUsize>,
    tail: CachePadded<AtomicUsize>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is accessed by the producer or by the consumer, never by both at once: `head` and `tail` hand it over
// with release and acquire. The values cross threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Ring<T> {}

/// The producer's end.
pub(crate) struct Producer<T> {
    ring: Arc<Ring<T>>,
    tail: usize,
    head_seen: usize,
}

/// The consumer's end.
pub(crate) struct Consumer<T> {
    ring: Arc<Ring<T>>,
    head: usize,
    tail_seen: usize,
}

/// A lane of at least `capacity` items (rounded up to a power of two, at least 1).
pub(crate) fn lane<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let slots = (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(MaybeUninit::uninit()));
    let ring = Arc::new(Ring {
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
        slots: slots.collect(),
    });
    let producer = Producer {
        ring: Arc::clone(&ring),
        tail: 0,
        head_seen: 0,
    };
    (
        producer,
        Consumer {
            ring,
            head: 0,
            tail_seen: 0,
        },
    )
}

impl<T: Send> Producer<T> {
    /// Appends an item, or gives it back when the lane is full.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if self.room() == 0 {
            return Err(item);
        }
        self.ring.slot(self.tail).with_mut(|slot| {
            // SAFETY: the slot at `tail` is ours: there is room, and the consumer released it (acquired in `room`).
            unsafe { (*slot).write(item) };
        });
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// How many items wait to be popped.
    pub(crate) fn waiting(&self) -> usize {
        self.tail.wrapping_sub(self.ring.head.load(Ordering::Acquire))
    }

    /// How many items can be pushed for sure. Exact at the moment when it says 0.
    pub(crate) fn room(&mut self) -> usize {
        let capacity = self.ring.slots.len();
        if self.tail.wrapping_sub(self.head_seen) == capacity {
            self.head_seen = self.ring.head.load(Ordering::Acquire);
        }
        capacity - self.tail.wrapping_sub(self.head_seen)
    }
}

impl<T: Send> Consumer<T> {
    /// Takes the oldest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.head == self.tail_seen {
            self.tail_seen = self.ring.tail.load(Ordering::Acquire);
            if self.head == self.tail_seen {
                return None;
            }
        }
        // SAFETY: the slot at `head` is initialised and ours (its `tail` was acquired), and moving `head` on keeps it
        // from being read twice.
        let item = self
            .ring
            .slot(self.head)
            .with_mut(|slot| unsafe { (*slot).assume_init_read() });
        self.head = self.head.wrapping_add(1);
        self.ring.head.store(self.head, Ordering::Release);
        Some(item)
    }

    /// Whether there is nothing to pop at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail_seen && self.head == self.ring.tail.load(Ordering::Acquire)
    }
}

impl<T> Ring<T> {
    fn slot(&self, count: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[count & (self.slots.len() - 1)]
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let (mut head, tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Acquire));
        while head != tail {
            // SAFETY: both ends are gone, so the slots from head to tail are initialised and ours.
            self.slot(head).with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            head = head.wrapping_add(1);
        }
    }
}
