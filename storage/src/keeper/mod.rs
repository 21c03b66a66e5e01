//! A thread that keeps the log or the book for all shards.
//!
//! Shards submit batches of requests through their [`Handle`]; the keeper takes what is there, up to a limit, as one group,
//! has its [`Core`] serve it (one commit), and sends each shard its replies in one piece.
//!
//! Invariants:
//! - One queue for all shards, first in, first out. It is bounded in batches and in bytes; a full queue gives the batch
//!   back and never blocks a shard.
//! - The replies of a group are sent before the next group is begun, but for those that a core has set aside for a thread of
//!   its own: see [`Core::start`].
//! - [`Keeper::shutdown`] serves everything submitted before it.

pub(crate) mod reading;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::limits;
use crate::seam::{Book, BookRequest, Journal, JournalRequest, ReplySink};
use crate::stats::KeeperStats;

/// What a keeper's thread does with the requests.
pub trait Core: Send + 'static {
    /// What a shard asks.
    type Request: Send + 'static;
    /// What it is answered.
    type Reply: Send + 'static;

    /// Called once, before the thread starts: whoever wants to answer from another thread as well can do so through `sinks`.
    ///
    /// Errors: the system gives no thread.
    fn start(&mut self, sinks: &Sinks<Self::Reply>, stats: &Arc<KeeperStats>) -> io::Result<()> {
        let _ = (sinks, stats);
        Ok(())
    }

    /// Serves requests in order, each tagged with its shard; makes what they change durable before it returns.
    fn serve(&mut self, group: Vec<(usize, Self::Request)>) -> Vec<(usize, Self::Reply)>;

    /// Housekeeping, when the replies of a group have been sent.
    fn upkeep(&mut self) {}

    /// The last act of the thread.
    fn finish(&mut self) {}

    /// About how many bytes a request occupies while it waits.
    fn bytes(request: &Self::Request) -> usize;
}

/// The mailboxes of all shards. One thread at a time sends to each; nobody waits for another shard's.
pub struct Sinks<R>(Arc<[Sink<R>]>);

type Sink<R> = Mutex<Box<dyn ReplySink<R>>>;

impl<R> Sinks<R> {
    fn new(sinks: Vec<Box<dyn ReplySink<R>>>) -> Self {
        Self(sinks.into_iter().map(Mutex::new).collect())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Delivers a batch of replies to a shard, in order.
    pub fn send(&self, shard: usize, batch: Vec<R>) {
        if let Some(sink) = self.0.get(shard) {
            // A sink that panicked once is as good as before: it keeps nothing between two letters.
            sink.lock().unwrap_or_else(PoisonError::into_inner).send(batch);
        }
    }
}

impl<R> Clone for Sinks<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Bounds of a keeper. The default is what [`crate::limits`] says.
#[derive(Debug, Clone)]
pub struct KeeperOptions {
    /// Batches that may wait.
    pub queue_batches_max: usize,
    /// Bytes that may wait; one batch of any size may wait alone.
    pub queue_bytes_max: usize,
    /// Requests in one group.
    pub group_requests_max: usize,
    /// Bytes of requests in one group.
    pub group_bytes_max: usize,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            queue_batches_max: limits::QUEUE_BATCHES_MAX,
            queue_bytes_max: limits::QUEUE_BYTES_MAX,
            group_requests_max: limits::GROUP_REQUESTS_MAX,
            group_bytes_max: limits::GROUP_BYTES_MAX,
        }
    }
}

/// A shard's end of the keeper's queue.
pub type JournalHandle = Handle<JournalRequest>;

/// A shard's end of the keeper's queue.
pub type BookHandle = Handle<BookRequest>;

/// Submits the requests of one shard.
#[derive(Debug)]
pub struct Handle<R> {
    shard: usize,
    sender: Sender<Item<R>>,
    stats: Arc<KeeperStats>,
    queue_bytes_max: u64,
    bytes: fn(&R) -> usize,
}

#[derive(Debug)]
enum Item<R> {
    Batch { shard: usize, requests: Vec<R>, bytes: u64 },
    Stop,
}

impl<R> Handle<R> {
    /// Hands a batch over, in order. Gives it back when the queue is full, or when the keeper has ended (then
    /// [`KeeperStats::dead`] may tell why).
    pub fn submit(&mut self, requests: Vec<R>) -> Result<(), Vec<R>> {
        let bytes = requests.iter().map(|request| (self.bytes)(request) as u64).sum();
        let count = requests.len() as u64;
        let waiting = self.stats.queue_bytes.load(Relaxed);
        if waiting > 0 && waiting + bytes > self.queue_bytes_max {
            self.stats.refusals.fetch_add(1, Relaxed);
            return Err(requests);
        }
        self.stats.queue_bytes.fetch_add(bytes, Relaxed);
        self.stats.queue_requests.fetch_add(count, Relaxed);
        let Err(error) = self.sender.try_send(Item::Batch {
            shard: self.shard,
            requests,
            bytes,
        }) else {
            return Ok(());
        };
        self.stats.queue_bytes.fetch_sub(bytes, Relaxed);
        self.stats.queue_requests.fetch_sub(count, Relaxed);
        self.stats.refusals.fetch_add(1, Relaxed);
        match error {
            TrySendError::Full(Item::Batch { requests, .. })
            | TrySendError::Disconnected(Item::Batch { requests, .. }) => Err(requests),
            TrySendError::Full(Item::Stop) | TrySendError::Disconnected(Item::Stop) => Ok(()),
        }
    }
}

impl Journal for JournalHandle {
    fn submit(&mut self, batch: Vec<JournalRequest>) -> Result<(), Vec<JournalRequest>> {
        Handle::submit(self, batch)
    }
}

impl Book for BookHandle {
    fn submit(&mut self, batch: Vec<BookRequest>) -> Result<(), Vec<BookRequest>> {
        Handle::submit(self, batch)
    }
}

/// The running thread.
pub struct Keeper<C: Core> {
    sender: Sender<Item<C::Request>>,
    thread: JoinHandle<C>,
    stats: Arc<KeeperStats>,
}

impl<C: Core> Keeper<C> {
    /// Starts the thread. There is one handle for each sink, in the same order; the replies to the requests submitted
    /// through a handle go to its sink.
    ///
    /// Errors: the system gives no thread.
    pub fn start(
        name: &str,
        mut core: C,
        sinks: Vec<Box<dyn ReplySink<C::Reply>>>,
        options: KeeperOptions,
    ) -> io::Result<(Self, Vec<Handle<C::Request>>)> {
        let (sender, receiver) = bounded(options.queue_batches_max.max(1));
        let stats = Arc::new(KeeperStats::default());
        let handle = |shard| Handle {
            shard,
            sender: sender.clone(),
            stats: Arc::clone(&stats),
            queue_bytes_max: options.queue_bytes_max as u64,
            bytes: C::bytes,
        };
        let sinks = Sinks::new(sinks);
        let handles = (0..sinks.len()).map(handle).collect();
        core.start(&sinks, &stats)?;
        let desk = Desk {
            core,
            receiver,
            sinks,
            stats: Arc::clone(&stats),
            options,
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || desk.run())?;
        Ok((Self { sender, thread, stats }, handles))
    }

    /// Numbers for the metrics.
    pub fn stats(&self) -> Arc<KeeperStats> {
        Arc::clone(&self.stats)
    }

    /// Serves what has been submitted so far, ends the thread, and gives the core back; `None` if the thread had
    /// panicked. The sinks must still take replies. Without a shutdown the thread ends when the keeper and all handles
    /// are dropped.
    pub fn shutdown(self) -> Option<C> {
        // An error says that the thread has ended already.
        let _ = self.sender.send(Item::Stop);
        self.thread.join().ok()
    }
}

/// What belongs to the thread.
struct Desk<C: Core> {
    core: C,
    receiver: Receiver<Item<C::Request>>,
    sinks: Sinks<C::Reply>,
    stats: Arc<KeeperStats>,
    options: KeeperOptions,
}

impl<C: Core> Desk<C> {
    fn run(mut self) -> C {
        let _obituary = Obituary(Arc::clone(&self.stats));
        let mut open = true;
        while open {
            let Ok(first) = self.receiver.recv() else {
                break;
            };
            let (group, bytes, goes_on) = self.gather(first);
            open = goes_on;
            if !group.is_empty() {
                self.serve(group, bytes);
            }
        }
        self.core.finish();
        self.core
    }

    /// Takes what is waiting, up to the limits of a group; the flag is false when the thread is to stop after it.
    fn gather(&self, first: Item<C::Request>) -> (Vec<(usize, C::Request)>, u64, bool) {
        let mut group = Vec::new();
        let mut group_bytes = 0;
        let mut next = Some(first);
        while let Some(item) = next {
            let Item::Batch { shard, requests, bytes } = item else {
                return (group, group_bytes, false);
            };
            group.extend(requests.into_iter().map(|request| (shard, request)));
            group_bytes += bytes;
            let full =
                group.len() >= self.options.group_requests_max || group_bytes >= self.options.group_bytes_max as u64;
            next = if full { None } else { self.receiver.try_recv().ok() };
        }
        (group, group_bytes, true)
    }

    fn serve(&mut self, group: Vec<(usize, C::Request)>, bytes: u64) {
        let count = group.len() as u64;
        let begin = Instant::now();
        let replies = self.core.serve(group);
        self.stats.group_ns.record(begin.elapsed().as_nanos() as u64);
        self.stats.group_requests.record(count);
        self.stats.groups.fetch_add(1, Relaxed);
        self.stats.requests.fetch_add(count, Relaxed);
        settle_debt(&self.stats.queue_requests, count);
        settle_debt(&self.stats.queue_bytes, bytes);
        self.reply(replies);
        self.core.upkeep();
    }

    fn reply(&mut self, replies: Vec<(usize, C::Reply)>) {
        let mut letters: Vec<Vec<C::Reply>> = (0..self.sinks.len()).map(|_| Vec::new()).collect();
        for (shard, reply) in replies {
            letters[shard].push(reply);
        }
        for (shard, letter) in letters.into_iter().enumerate() {
            if !letter.is_empty() {
                self.sinks.send(shard, letter);
            }
        }
    }
}

fn settle_debt(counter: &AtomicU64, amount: u64) {
    counter.fetch_sub(amount, Relaxed);
}

/// Tells the metrics when the thread ends by a panic.
pub(crate) struct Obituary(pub(crate) Arc<KeeperStats>);

impl Drop for Obituary {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("a keeper's thread has ended by a panic: nothing is acknowledged any more");
            self.0.dead.store(true, Relaxed);
        }
    }
}
