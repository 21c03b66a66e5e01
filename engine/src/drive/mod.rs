//! The driver: a shard on its ring. The only async code of the engine, and it decides nothing.
//!
//! ```text
//!   readers (one a connection) ─┐
//!   mailbox ────────────────────┼──▶ Shard (plain calls) ──▶ work.notify() ──▶ turn: log and book requests, orders,
//!   ticker ─────────────────────┘                                              one write a dirty session, one chunk a lane
//! ```
//! The turn's task is woken by the first of the others that leaves something behind; the run queue is first in, first out,
//! so it runs after every reader that was ready, and everything of one turn leaves together.
//!
//! Invariants:
//! - The shard is borrowed for a call and never across an `await`.
//! - A panic inside a call closes the session whose input was being handled.
//! - When the keepers or another shard are behind, nobody reads a socket until they have caught up.

mod connect;
mod gate;
mod link;
mod listen;
mod meter;
mod reader;
mod turn;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crosspoint_storage::seam::{Book, Journal};

use crate::limits::LINGER_MS;
use crate::mailbox::{Inbox, Senders};
use crate::metrics::{Doing, Pairs};
use crate::rt::{self, Doorbell, Listener, Notify, Ringer};
use crate::shard::{Adopt, Item, KeyRequest, SessionId, Shard};

pub use gate::{Arrival, Gate};

use link::Link;
use meter::Meter;

/// What one turn ships to another shard.
pub type Chunk = Vec<Item>;

/// Bytes taken from a socket at once.
const SCRATCH_BYTES: usize = 64 * 1024;
/// How often a shard looks at its clock when nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// How often a draining shard looks whether it is done.
const DRAIN_GLANCE: Duration = Duration::from_millis(5);
/// Chunks taken from the mailbox before others get their turn.
const CHUNKS_IN_A_ROW_MAX: usize = 64;
/// A chunk with room for more is freed when it is empty, and does not go back to its sender.
const SPENT_CHUNK_ITEMS_MAX: usize = 64;

/// Everything that a shard's thread needs beside the shard.
pub struct Post {
    /// Lanes to all shards.
    pub lanes: Senders<Chunk>,
    /// Lanes from all shards and support threads.
    pub inbox: Inbox<Chunk>,
    /// Rings when something was put into the inbox.
    pub ringer: Ringer,
    /// The log.
    pub journal: Box<dyn Journal>,
    /// The book.
    pub book: Box<dyn Book>,
    /// The thread that derives keys.
    pub keys: SyncSender<(u16, KeyRequest)>,
    /// Where to listen.
    pub listeners: Vec<Listen>,
    /// Connections that the kernel completes ahead of us.
    pub backlog: u32,
    /// This shard's figures about the others.
    pub pairs: Pairs,
}

/// A listening address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// Index of the front-end.
    pub frontend: usize,
    /// Index of the listener within the front-end's configuration.
    pub listener: usize,
}

/// A shard on its ring.
struct Station {
    shard: RefCell<Shard>,
    meter: Meter,
    links: RefCell<Vec<Option<Attached>>>,
    scratch: RefCell<Scratch>,
    /// Ciphertext on its way from a cipher to a socket; empty in between.
    sealed: RefCell<Vec<u8>>,
    post: RefCell<Outlets>,
    /// There is something to carry away.
    work: Notify,
    /// Sessions linger.
    lingering: Notify,
    /// Somebody is behind: nobody reads.
    congested: Cell<bool>,
    /// Links that found the shard congested.
    waiting: RefCell<Vec<Rc<Link>>>,
    draining: Cell<bool>,
    /// Links whose readers are about to let go of them.
    moves: RefCell<Vec<Departure>>,
}

/// A link and the generation of the session that it belongs to, at the session's place.
type Attached = (u32, Rc<Link>);

/// A link that its reader is about to let go of, where it goes, and with what.
type Departure = (Rc<Link>, u16, Box<Adopt>);

struct Scratch {
    received: Box<[u8]>,
    cipher: Vec<u8>,
    plain: Vec<u8>,
}

/// The ways out, and what did not fit into them.
struct Outlets {
    lanes: Senders<Chunk>,
    stuck: Vec<Chunk>,
    journal: Box<dyn Journal>,
    book: Box<dyn Book>,
    keys: SyncSender<(u16, KeyRequest)>,
}

/// Runs a shard until it has drained. Called on the shard's thread, inside [`rt::run`].
///
/// # Errors
/// When a listener cannot be bound, or the doorbell cannot be watched; `bound` gets the outcome of binding first.
pub async fn run(shard: Shard, post: Post, bound: impl FnOnce(std::io::Result<Vec<SocketAddr>>)) {
    let Post {
        lanes,
        mut inbox,
        ringer,
        journal,
        book,
        keys,
        listeners,
        backlog,
        pairs,
    } = post;
    let shards = lanes.consumers();
    let opened = ringer
        .listen()
        .and_then(|doorbell| Ok((doorbell, bind(&listeners, backlog)?)));
    let (doorbell, sockets) = match opened {
        Ok(opened) => opened,
        Err(error) => return bound(Err(error)),
    };
    let station = Rc::new(Station {
        meter: Meter::new(shard.id(), shard.metrics().clone(), pairs, shard.split()),
        shard: RefCell::new(shard),
        links: RefCell::default(),
        scratch: RefCell::new(Scratch {
            received: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            cipher: Vec::new(),
            plain: Vec::new(),
        }),
        sealed: RefCell::default(),
        post: RefCell::new(Outlets {
            lanes,
            stuck: (0..shards).map(|_| Vec::new()).collect(),
            journal,
            book,
            keys,
        }),
        work: Notify::new(),
        lingering: Notify::new(),
        congested: Cell::new(false),
        waiting: RefCell::default(),
        draining: Cell::new(false),
        moves: RefCell::default(),
    });
    bound(sockets.iter().map(|(_, listener)| listener.local_addr()).collect());
    for (listen, listener) in sockets {
        rt::spawn(listen::accept(station.clone(), listen, listener));
    }
    rt::spawn(turn::turns(station.clone()));
    rt::spawn(tick(station.clone()));
    rt::spawn(linger(station.clone()));
    inbox.hang(ringer);
    station.mailbox(inbox, doorbell).await;
}

fn bind(listeners: &[Listen], backlog: u32) -> std::io::Result<Vec<(Listen, Listener)>> {
    let bind = |listen: &Listen| {
        let explain = |error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("cannot listen on {}: {error}", listen.address))
        };
        Ok((*listen, Listener::bind(listen.address, backlog).map_err(explain)?))
    };
    listeners.iter().map(bind).collect()
}

/// Advances the shard's timers; retries what was stuck.
async fn tick(station: Rc<Station>) {
    loop {
        rt::sleep(TICK).await;
        station.doing(Doing::Tick);
        station.enter(None, Shard::tick);
        station.meter.tick();
        station.look_into_lanes();
    }
}

/// Sleeps for a moment whenever sessions linger. One timer serves all of them.
async fn linger(station: Rc<Station>) {
    loop {
        station.lingering.notified().await;
        rt::sleep(Duration::from_millis(LINGER_MS)).await;
        station.doing(Doing::Tick);
        station.enter(None, Shard::linger_over);
    }
}

impl Station {
    /// From now on the shard's time goes into this.
    fn doing(&self, doing: Doing) {
        self.spend(doing as usize);
    }

    fn spend(&self, doing: usize) {
        if self.meter.switch(doing) {
            // What begins a turn wakes the task that ends it.
            self.work.notify();
        }
    }

    /// Notes how full the lanes to the others are, and begins to look for the fullest mailbox anew.
    fn look_into_lanes(&self) {
        self.meter.cells().mail_items.set(0);
        let post = self.post.borrow();
        for (target, depth) in self.meter.pairs().depth.iter().enumerate() {
            depth.set((post.lanes.waiting(target) + usize::from(!post.stuck[target].is_empty())) as u64);
        }
    }

    /// Calls the shard at the time that it is now. A panic closes `on_behalf_of` and nothing else.
    fn enter<R>(&self, on_behalf_of: Option<SessionId>, call: impl FnOnce(&mut Shard) -> R) -> Option<R> {
        if !self.meter.is_open() {
            self.doing(Doing::Other);
        }
        let mut shard = self.shard.borrow_mut();
        shard.begin(self.meter.now());
        let stage = self.meter.split().enter();
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut shard)));
        if outcome.is_err() {
            tracing::error!(shard = shard.id(), session = ?on_behalf_of, "a panic in the shard was caught");
            shard.panicked(on_behalf_of);
        }
        self.meter.split().switch(stage);
        if shard.has_output() {
            self.work.notify();
        }
        outcome.ok()
    }

    /// Takes what others have sent, until the shard has drained.
    async fn mailbox(self: &Rc<Self>, mut inbox: Inbox<Chunk>, doorbell: Doorbell) {
        let here = usize::from(self.shard.borrow().id());
        let mut chunks = Vec::with_capacity(CHUNKS_IN_A_ROW_MAX);
        loop {
            let taken = inbox.drain(CHUNKS_IN_A_ROW_MAX, |from, chunk| {
                crosspoint_probes::chunk_taken(from, here, &chunk);
                chunks.push((from, chunk));
            });
            self.take_in(&mut chunks);
            for (from, chunk) in chunks.drain(..) {
                if chunk.capacity() <= SPENT_CHUNK_ITEMS_MAX {
                    inbox.give_back(from, chunk);
                }
            }
            if self.draining.get() && self.is_done() {
                return;
            }
            if taken == CHUNKS_IN_A_ROW_MAX {
                // More may be waiting; the others have their turn first.
                let _ = rt::breathe().await;
                continue;
            }
            if self.draining.get() {
                // The end is not announced by mail.
                rt::sleep(DRAIN_GLANCE).await;
            } else if inbox.park_prepare() {
                let _ = doorbell.rung().await;
            }
            inbox.awake();
        }
    }

    /// Empties the chunks, in order.
    fn take_in(self: &Rc<Self>, chunks: &mut [(usize, Chunk)]) {
        let items = chunks.iter().map(|(_, chunk)| chunk.len() as u64).sum();
        if items == 0 {
            return;
        }
        let cells = self.meter.cells();
        cells.items_in.add(items);
        cells.mail_items.raise(items);
        cells.mail_high.raise(items);
        let mut last = None;
        let mut waits = false;
        for item in chunks.iter_mut().flat_map(|(_, chunk)| chunk.drain(..)) {
            if matches!(item, Item::Drain) {
                self.draining.set(true);
            }
            let doing = item.doing();
            if last.replace(doing) != Some(doing) {
                self.doing(doing);
            }
            if let Item::Arrive(transport) = item {
                self.arrive(transport);
                continue;
            }
            waits = matches!(item, Item::Accepted { .. });
            self.enter(None, |shard| shard.mail(item));
        }
        if waits {
            self.enter(None, Shard::mailed);
        }
    }

    /// After a drain: nothing left to write, to ship or to wait for.
    fn is_done(&self) -> bool {
        self.shard.borrow().is_drained() && self.links.borrow().iter().all(Option::is_none)
    }

    fn link(&self, id: SessionId) -> Option<Rc<Link>> {
        let links = self.links.borrow();
        let (generation, link) = links.get(id.index as usize)?.as_ref()?;
        (*generation == id.generation).then(|| link.clone())
    }

    fn attach(&self, id: SessionId, link: &Rc<Link>) {
        let mut links = self.links.borrow_mut();
        let index = id.index as usize;
        if links.len() <= index {
            links.resize_with(index + 1, || None);
        }
        links[index] = Some((id.generation, link.clone()));
        link.session.set(Some(id));
    }

    /// The link of a session that is no more, or sleeps.
    fn detach(&self, id: SessionId) -> Option<Rc<Link>> {
        let link = self.link(id)?;
        self.links.borrow_mut()[id.index as usize] = None;
        Some(link)
    }
}
