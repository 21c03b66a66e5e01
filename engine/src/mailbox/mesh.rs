//! The mesh: who can write to whom.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::Bell;
use super::lane::{Consumer, Producer, lane};
use super::wake::Idle;

/// Emptied items that wait for their producer in each lane; what comes back beyond them is dropped.
const SPENT_MAX: usize = 2;

/// What a consumer shares with its producers.
struct Door {
    idle: CachePadded<Idle>,
    bell: OnceLock<Box<dyn Bell>>,
}

/// A producer's end of a lane, and what comes back along it.
struct Out<T> {
    lane: Producer<T>,
    spent: Consumer<T>,
    door: Arc<Door>,
}

/// A consumer's end of a lane, and the way back along it.
struct In<T> {
    lane: Consumer<T>,
    spent: Producer<T>,
}

/// All lanes out of one producer. Belongs to one thread at a time.
pub struct Senders<T> {
    outs: Vec<Out<T>>,
    rings: u64,
}

/// All lanes into one consumer. Belongs to one thread at a time.
pub struct Inbox<T> {
    ins: Vec<In<T>>,
    door: Arc<Door>,
    /// The lane to begin the next drain with, so that none is always last.
    next: usize,
}

/// Connects each of `producers` with each of `consumers` by a lane of `lane_capacity` items (rounded up to a power of two).
///
/// A thread that does both takes one of each list; support threads may be producers only.
#[must_use]
pub fn mesh<T: Send>(producers: usize, consumers: usize, lane_capacity: usize) -> (Vec<Senders<T>>, Vec<Inbox<T>>) {
    let mut senders: Vec<_> = (0..producers)
        .map(|_| Senders {
            outs: Vec::with_capacity(consumers),
            rings: 0,
        })
        .collect();
    let inboxes = (0..consumers).map(|_| {
        let door = Arc::new(Door {
            idle: CachePadded::new(Idle::new()),
            bell: OnceLock::new(),
        });
        let ins = senders.iter_mut().map(|sender| {
            let (there, taken) = lane(lane_capacity);
            let (back, spent) = lane(SPENT_MAX);
            sender.outs.push(Out {
                lane: there,
                spent,
                door: Arc::clone(&door),
            });
            In {
                lane: taken,
                spent: back,
            }
        });
        Inbox {
            ins: ins.collect(),
            door,
            next: 0,
        }
    });
    let inboxes = inboxes.collect();
    (senders, inboxes)
}

impl<T: Send> Senders<T> {
    /// How many consumers there are.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.outs.len()
    }

    /// Sends `item` to a consumer (0-based), and wakes it if it sleeps.
    ///
    /// # Errors
    /// Gives the item back when the lane is full. No bell tells when there is room again: the producer keeps the item and
    /// tries at its next turn.
    ///
    /// # Panics
    /// When there is no such consumer.
    pub fn push(&mut self, consumer: usize, item: T) -> Result<(), T> {
        let Out { lane, door, .. } = &mut self.outs[consumer];
        lane.push(item)?;
        if door.idle.must_ring()
            && let Some(bell) = door.bell.get()
        {
            self.rings += 1;
            bell.ring();
        }
        Ok(())
    }

    /// An item that this consumer has emptied and given back, to be filled again; `None` if there is none.
    ///
    /// # Panics
    /// When there is no such consumer.
    pub fn spare(&mut self, consumer: usize) -> Option<T> {
        self.outs[consumer].spent.pop()
    }

    /// How many items the lane to a consumer takes for sure.
    ///
    /// # Panics
    /// When there is no such consumer.
    pub fn room(&mut self, consumer: usize) -> usize {
        self.outs[consumer].lane.room()
    }

    /// How many items wait in the lane to a consumer. It looks at a cache line of the consumer's: not for every push.
    ///
    /// # Panics
    /// When there is no such consumer.
    #[must_use]
    pub fn waiting(&self, consumer: usize) -> usize {
        self.outs[consumer].lane.waiting()
    }

    /// How often this producer had to ring, since the beginning.
    #[must_use]
    pub fn rings(&self) -> u64 {
        self.rings
    }
}

impl<T: Send> Inbox<T> {
    /// How many producers there are.
    #[must_use]
    pub fn producers(&self) -> usize {
        self.ins.len()
    }

    /// Says how to wake this consumer; the first call counts. Without a bell (a simulator) nothing is rung.
    pub fn hang(&mut self, bell: impl Bell + 'static) {
        // A second bell is refused: producers may be holding the first one.
        let _ = self.door.bell.set(Box::new(bell));
    }

    /// Takes up to `budget` items, one from each lane in turn, and hands each to `sink` with its producer's number.
    /// Returns how many; fewer than `budget` means that all lanes were seen empty.
    pub fn drain(&mut self, budget: usize, mut sink: impl FnMut(usize, T)) -> usize {
        let lanes = self.ins.len();
        let (mut taken, mut empty_in_a_row) = (0, 0);
        while taken < budget && empty_in_a_row < lanes {
            let producer = self.next;
            self.next = if producer + 1 == lanes { 0 } else { producer + 1 };
            match self.ins[producer].lane.pop() {
                Some(item) => {
                    sink(producer, item);
                    (taken, empty_in_a_row) = (taken + 1, 0);
                }
                None => empty_in_a_row += 1,
            }
        }
        taken
    }

    /// Gives an emptied item back to its producer, who may want its memory; it is dropped if enough have come back. Nobody
    /// is woken.
    ///
    /// # Panics
    /// When there is no such producer.
    pub fn give_back(&mut self, producer: usize, item: T) {
        drop(self.ins[producer].spent.push(item));
    }

    /// Whether nothing is waiting at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ins.iter().all(|from| from.lane.is_empty())
    }

    /// Announces that the consumer goes to sleep. True: it may, and the next push rings the bell. False: something came in
    /// meanwhile, drain it.
    #[must_use]
    pub fn park_prepare(&mut self) -> bool {
        let ins = &self.ins;
        self.door.idle.prepare(|| ins.iter().all(|from| from.lane.is_empty()))
    }

    /// Says that the consumer is awake again, whatever woke it.
    pub fn awake(&mut self) {
        self.door.idle.awake();
    }

    /// For a plain thread: sleeps until something is there or `timeout` is over. The inbox's bell must be this thread's
    /// (`inbox.hang(std::thread::current())`). Returns whether something is there.
    pub fn park(&mut self, timeout: Duration) -> bool {
        if self.park_prepare() {
            std::thread::park_timeout(timeout);
        }
        self.awake();
        !self.is_empty()
    }
}

impl<T> std::fmt::Debug for Senders<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Senders")
            .field("consumers", &self.outs.len())
            .field("rings", &self.rings)
            .finish()
    }
}

impl<T> std::fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("producers", &self.ins.len()).finish()
    }
}
