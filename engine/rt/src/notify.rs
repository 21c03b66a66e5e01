//! Waking one task of a shard from others of the same shard, any number of times for one turn.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// A flag that one task waits for. Not `Send`: for other threads there is [`super::Doorbell`].
///
/// The waiter is queued behind every task that was ready before the first [`Notify::notify`].
#[derive(Default)]
pub struct Notify {
    set: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Notify {
    /// Not set, with nobody waiting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag; the first time also wakes the waiter. Costs a comparison after that.
    pub fn notify(&self) {
        if !self.set.replace(true)
            && let Some(waiter) = self.waiter.take()
        {
            waiter.wake();
        }
    }

    /// Waits for the flag and clears it. Ready at once if it is set already. One task waits at a time: the last one that
    /// was polled is the one that is woken.
    pub async fn notified(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// As [`Notify::notified`], for a future that waits for something else, too.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.set.take() {
            return Poll::Ready(());
        }
        let waiter = match self.waiter.take() {
            Some(known) if known.will_wake(context.waker()) => known,
            _ => context.waker().clone(),
        };
        self.waiter.set(Some(waiter));
        Poll::Pending
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify")
            .field("set", &self.set.get())
            .finish_non_exhaustive()
    }
}
