//! The core on tokio: sockets, TLS, timers, randomness, and a store.
//!
//! One task for each client owns the connection (`run`). The core is behind a lock, which nobody holds while waiting; whoever has
//! called it collects its outputs ([`Shared::with`]), wakes the task, and so nothing is queued twice: the bounds of the core are the
//! bounds of the streams.
//!
//! Files: `builder` (how a client begins), `client` and `room` (what applications call), `streams` (what they listen to), `run` (the task),
//! `socket` (TCP and TLS), `websocket`.

mod builder;
mod client;
mod room;
mod run;
mod socket;
mod streams;
#[cfg(feature = "websocket")]
mod websocket;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crosspoint_icpp::codec::{MessageId, ulid};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::core::{Answer, Core, Final, Output, Refused, RequestError, RequestId};
use crate::store::{MemoryStore, StateStore};

pub use builder::{Builder, ConnectError};
pub use client::{Client, Page, Sent};
pub use room::Room;
pub use socket::TrustError;
pub use streams::{Events, Messages, Presences};

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It was not taken into the outbox.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is longer than this server allows.
    #[error("longer than this server allows")]
    TooLarge,
    /// The client ended before the server had it. It is kept in the store, and will be sent by the next client.
    #[error("the client has ended: {0}")]
    Ended(Final),
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailed {
    /// It was not sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The server refused it, or the connection ended before the answer.
    #[error(transparent)]
    Failed(#[from] RequestError),
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// Who waits for what the server says of a message.
type Accepting = oneshot::Sender<Result<(), SendError>>;
/// Who waits for an answer.
type Answering = oneshot::Sender<Result<Answer, RequestError>>;

/// The core, and who waits for it.
struct State {
    core: Core,
    store: Box<dyn StateStore>,
    accepting: HashMap<MessageId, Accepting>,
    answering: HashMap<RequestId, Answering>,
}

/// What the task and the handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    started: Instant,
    /// There is something to write, or to decide.
    task: Notify,
    /// There is something for the application.
    news: Notify,
}

impl Shared {
    fn new(core: Core, store: Box<dyn StateStore>) -> Shared {
        Shared {
            state: Mutex::new(State {
                core,
                store,
                accepting: HashMap::new(),
                answering: HashMap::new(),
            }),
            started: Instant::now(),
            task: Notify::new(),
            news: Notify::new(),
        }
    }

    /// Milliseconds since the client was made.
    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Calls the core, does what it says, and wakes who has to know.
    fn with<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        let result = self.quietly(call);
        self.task.notify_one();
        self.news.notify_waiters();
        result
    }

    /// The same, by the task itself, or for a mere look.
    fn quietly<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere has not left the core half-changed: it does not call out.
        let mut state: MutexGuard<'_, State> = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = call(&mut state);
        state.collect();
        result
    }
}

impl State {
    fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Keep(change) => {
                    if let Err(error) = self.store.keep(&change) {
                        self.core.store_failed(error.to_string());
                    }
                }
                Output::Accepted(id) => self.accepted(id, Ok(())),
                Output::Dropped(id) => self.accepted(id, Err(SendError::TooLarge)),
                Output::Answer(id, answer) => {
                    if let Some(waiting) = self.answering.remove(&id) {
                        let _ = waiting.send(answer);
                    }
                }
            }
        }
        if let Some(last) = self.core.ended() {
            for (_, waiting) in self.accepting.drain() {
                let _ = waiting.send(Err(SendError::Ended(last.clone())));
            }
            self.answering.clear();
        }
    }

    /// Whoever has closed the client may open its store again, although handles are left. Nothing more is kept: what is still read of
    /// messages comes again in the next run.
    fn release_store(&mut self) {
        if self.core.ended() == Some(&Final::Closed) {
            self.store = Box::new(MemoryStore::new());
        }
    }

    fn accepted(&mut self, id: MessageId, result: Result<(), SendError>) {
        if let Some(waiting) = self.accepting.remove(&id) {
            let _ = waiting.send(result);
        }
    }
}

/// A new message id.
fn fresh_id() -> MessageId {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ulid::make(unix.as_millis() as u64, random())
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there are no nonces, and no way to go on.
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
