//! Who has been silent, or slow, for too long.
//!
//! One task looks at all connections now and then, and shuts down those whose time is over; so a connection that waits costs
//! no timer. What a request does with its body is bounded by whoever reads it ([`Watch::allow`]).
//!
//! Invariant: at any time a connection has a deadline, or waits for us.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use crosspoint_engine::rt::{self, Clock, Socket};

/// From the first byte of a request's head to its last: who dribbles is let go. Also for a new connection's first byte, and
/// for its TLS handshake.
pub const HEAD_MS_MAX: u64 = 10_000;

/// Silence between two requests.
pub const IDLE_MS_MAX: u64 = 60_000;

/// For a reader who takes nothing of an answer.
pub const STALL_MS_MAX: u64 = 30_000;

/// How often all are looked at.
const GLANCE: Duration = Duration::from_millis(250);

/// No deadline.
const NONE: u64 = u64::MAX;

/// One connection's time.
pub struct Watch {
    socket: Rc<Socket>,
    clock: Clock,
    /// A request is being answered.
    busy: Cell<bool>,
    /// The first byte of the next head has come.
    begun: Cell<bool>,
    until_ms: Cell<u64>,
    /// Since when the socket takes nothing.
    stalled_ms: Cell<u64>,
}

impl Watch {
    /// A new connection.
    pub fn new(socket: Rc<Socket>, clock: Clock) -> Watch {
        Watch {
            socket,
            busy: Cell::new(false),
            // A handshake, or a head: either has to be over in time.
            begun: Cell::new(true),
            until_ms: Cell::new(clock.now_ms() + HEAD_MS_MAX),
            stalled_ms: Cell::new(NONE),
            clock,
        }
    }

    /// Bytes have come.
    pub fn heard(&self) {
        if !self.busy.get() && !self.begun.replace(true) {
            self.until_ms.set(self.clock.now_ms() + HEAD_MS_MAX);
        }
    }

    /// A request has come, and is answered from now on.
    pub fn request(&self) {
        self.busy.set(true);
        self.until_ms.set(NONE);
    }

    /// What is done now has to be over in so many milliseconds.
    pub fn allow(&self, ms: u64) {
        self.until_ms.set(self.clock.now_ms().saturating_add(ms));
    }

    /// What was allowed is done.
    pub fn done(&self) {
        self.until_ms.set(NONE);
    }

    /// The answer is on its way, and the next request may come.
    pub fn answered(&self) {
        self.busy.set(false);
        self.begun.set(false);
        self.until_ms.set(self.clock.now_ms() + IDLE_MS_MAX);
    }

    /// The socket takes nothing.
    pub fn stalls(&self) {
        if self.stalled_ms.get() == NONE {
            self.stalled_ms.set(self.clock.now_ms());
        }
    }

    /// It takes something.
    pub fn flows(&self) {
        self.stalled_ms.set(NONE);
    }

    fn is_over(&self, now_ms: u64) -> bool {
        let stalled_ms = self.stalled_ms.get();
        now_ms >= self.until_ms.get() || (stalled_ms != NONE && now_ms >= stalled_ms + STALL_MS_MAX)
    }
}

/// All connections.
#[derive(Default)]
pub struct Watches(RefCell<Vec<Weak<Watch>>>);

impl Watches {
    /// From now on this one is looked at.
    pub fn add(&self, watch: &Rc<Watch>) {
        self.0.borrow_mut().push(Rc::downgrade(watch));
    }

    /// Looks at all, for as long as the thread lives.
    pub async fn look(self: Rc<Self>, clock: Clock) {
        loop {
            rt::sleep(GLANCE).await;
            let now_ms = clock.now_ms();
            self.0.borrow_mut().retain(|known| {
                let Some(watch) = known.upgrade() else { return false };
                if watch.is_over(now_ms) {
                    watch.socket.shutdown();
                }
                true
            });
        }
    }
}
