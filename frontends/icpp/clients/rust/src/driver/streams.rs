//! What applications listen to. The queues are those of the core, and bounded there.

use std::sync::Arc;

use super::{Shared, State};
use crate::core::{Event, Incoming, Shown, Taking};

/// Waits until there is one, or the client has ended.
async fn next<T>(shared: &Shared, mut poll: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
    loop {
        let news = shared.news.notified();
        tokio::pin!(news);
        // From here on nothing is missed.
        news.as_mut().enable();
        let (found, ended) = shared.quietly(|state| (poll(state), state.core.ended().is_some()));
        if found.is_some() || ended {
            return found;
        }
        news.await;
    }
}

/// Messages, receipts, edits, typing and subscriptions, in the order in which they arrived.
///
/// Coming back for the next one says that the one before has been dealt with: only then is it acknowledged to the server, which keeps
/// it until then. So a program that dies in between is given it again, and a stream that is dropped gives the last one back: it is the
/// first of the next stream, or comes again in the next run. So keep one stream; several of one client share what arrives.
pub struct Messages {
    shared: Arc<Shared>,
    last: Option<Taking>,
}

impl Messages {
    pub(super) fn new(shared: Arc<Shared>) -> Messages {
        Messages { shared, last: None }
    }

    /// The next one; `None` once the client has ended. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.acknowledge();
        let (taking, incoming) = next(&self.shared, |state| state.core.poll_incoming()).await?;
        self.last = Some(taking);
        Some(incoming)
    }

    /// Says that the last one has been dealt with, without asking for another.
    pub fn acknowledge(&mut self) {
        if let Some(taking) = self.last.take() {
            self.shared.with(|state| state.core.taken(taking));
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Some(taking) = self.last.take() {
            self.shared.with(|state| state.core.give_back(taking));
        }
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Messages")
    }
}

/// What contacts show, as it changes. If it is not read, the oldest changes are forgotten.
pub struct Presences {
    pub(super) shared: Arc<Shared>,
}

impl Presences {
    /// The next change; `None` once the client has ended.
    pub async fn next(&mut self) -> Option<Shown> {
        next(&self.shared, |state| state.core.poll_presence()).await
    }
}

impl std::fmt::Debug for Presences {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Presences")
    }
}

/// What happens to the connection. If it is not read, the oldest events are forgotten.
pub struct Events {
    pub(super) shared: Arc<Shared>,
}

impl Events {
    /// The next event; `None` once the client has ended, and [`Event::Ended`] has been read.
    pub async fn next(&mut self) -> Option<Event> {
        next(&self.shared, |state| state.core.poll_event()).await
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Events")
    }
}
