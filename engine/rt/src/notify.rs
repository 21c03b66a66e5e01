//! Waking one task of a shard from others of the same shard, any number of times for one turn.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A flag that one task waits for. Not `Send`: for other threads there is [`super::Doorbell`].
///
/// The waiter is queued behind every task that was ready before the first [`Notify::notify`].
#[derive(Debug, Default)]
pub struct Notify {
    set: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
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
        poll_fn(|context| {
            if self.set.take() {
                return Poll::Ready(());
            }
            let mut waiter = self.waiter.borrow_mut();
            match &mut *waiter {
                Some(known) => known.clone_from(context.waker()),
                None => *waiter = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }
}
