//! The switch: shards, keepers and support thread, put together, started, controlled and drained.
//!
//! ```text
//!   shard 0 ◀═▶ shard 1 ◀═▶ ...      lanes of chunks, each to each
//!      ▲           ▲
//!      ├───────────┼── log keeper, book keeper, key derivation: one lane each to every shard
//!      └───────────┴── control: the administrator's requests
//! ```
//! Invariants:
//! - When [`start`] returns, every listener is bound and everything that the disk holds has been checked.
//! - After [`Switch::drain`] everything acknowledged is on the disk, whether the deadline was met or not.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crosspoint_storage::book::{BookCore, BookError};
use crosspoint_storage::disk::FileDisk;
use crosspoint_storage::keeper::KeeperOptions;
pub use crosspoint_storage::log::ArchiveOptions;
use crosspoint_storage::log::{Log, LogError, LogOptions};
use crosspoint_storage::seam::{BookRead, BookWrite, ReplySink, Table};
use crosspoint_storage::{BookKeeper, LogKeeper};

pub use crate::control::Control;
pub use crate::drive::Listen;

use crate::administration::{Administration, SERVICE_KEY, Service};
use crate::control::Figures;
use crate::drive::{self, Chunk, Post};
use crate::guard::{LoginRates, Rate};
use crate::jid::Jid;
use crate::keysmith;
use crate::limits::Limits;
use crate::mailbox::{Inbox, Senders, mesh};
use crate::metrics::Metrics;
use crate::rt::{self, Ringer};
use crate::scram::Remembered;
use crate::service::Frontend;
use crate::session::Random;
use crate::shard::{Item, Registration, Seat, Setup, Shard};
use crate::slots::SlotTable;

/// Chunks that a lane holds.
const LANE_CHUNKS: usize = 1024;
/// Connections that the kernel completes ahead of us, a listener and shard.
const BACKLOG: u32 = 4096;
/// How long a keeper waits when a shard's lane is full.
const LANE_FULL_PAUSE: Duration = Duration::from_millis(1);
/// Who sends, to the probes, when it is no shard.
const KEEPER: usize = u16::MAX as usize;
/// Producers beside the shards: log, book, keys, control.
const SUPPORT: usize = 4;

/// What a switch is to be.
#[derive(Debug)]
pub struct Plan {
    /// Served.
    pub domain: Jid,
    /// Number of shards; more than cores is allowed, for tests.
    pub shards: usize,
    /// Whether each shard's thread is pinned to a core.
    pub pin: bool,
    /// Where log and book are.
    pub data: PathBuf,
    /// Where to listen; every shard listens on every address.
    pub listeners: Vec<Listen>,
    /// The bounds.
    pub limits: Limits,
    /// In-band registration.
    pub registration: Registration,
    /// Accounts that one network may make in band.
    pub registrations: Rate,
    /// Wrong passwords that are tolerated.
    pub logins: LoginRates,
    /// PBKDF2 iterations of new passwords.
    pub scram_iterations: u32,
    /// How long messages are kept after they were delivered; `None`: not at all.
    pub archive: Option<ArchiveOptions>,
    /// Bare addresses of those who may give orders by their clients.
    pub administrators: Vec<Jid>,
    /// Where the shards count; made for as many shards.
    pub metrics: Arc<Metrics>,
}

/// Makes the front-ends of a shard.
pub type MakeFrontends = Arc<dyn Fn(usize) -> Vec<Box<dyn Frontend>> + Send + Sync>;

/// Why a switch did not start.
#[derive(Debug)]
pub enum StartError {
    /// No shards, or more than slots.
    Shards(usize),
    /// A relation between two bounds is broken.
    Limits(&'static str),
    /// io_uring is not available.
    Ring(rt::Unavailable),
    /// The data folder cannot be used.
    Folder(PathBuf, io::Error),
    /// The log cannot be opened.
    Log(LogError),
    /// The book cannot be opened.
    Book(BookError),
    /// A thread, a ring or a listener.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Shards(count) => write!(
                out,
                "{count} shards: there must be at least 1 and at most {}",
                crate::slots::SHARDS_MAX
            ),
            StartError::Limits(what) => write!(out, "limits: {what}"),
            StartError::Ring(error) => write!(out, "{error}"),
            StartError::Folder(path, error) => write!(out, "cannot use the data folder {}: {error}", path.display()),
            StartError::Log(error) => write!(out, "the log: {error}"),
            StartError::Book(error) => write!(out, "the book: {error}"),
            StartError::Io(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::Io(error)
    }
}

/// Where the book is within a data folder.
#[must_use]
pub fn book_path(data: &Path) -> PathBuf {
    data.join("book.redb")
}

/// Where the log's segments are within a data folder.
#[must_use]
pub fn log_path(data: &Path) -> PathBuf {
    data.join("log")
}

/// A running switch.
pub struct Switch {
    addresses: Vec<SocketAddr>,
    control: Control,
    shards: Vec<JoinHandle<io::Result<()>>>,
    log: LogKeeper,
    book: BookKeeper,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Shards whose sessions were all gone before the deadline.
    pub shards_drained: usize,
    /// All shards.
    pub shards: usize,
    /// Whether everything submitted to log and book is on the disk.
    pub flushed: bool,
}

impl DrainReport {
    /// Everybody left in time, and everything is on the disk.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.shards_drained == self.shards && self.flushed
    }
}

/// Starts a switch.
///
/// # Errors
/// What could not be opened, bound or started; nothing is left running then but what ends by itself.
pub fn start(plan: Plan, frontends: MakeFrontends) -> Result<Switch, StartError> {
    let count = u16::try_from(plan.shards).ok().and_then(std::num::NonZeroU16::new);
    let count = count
        .filter(|count| count.get() <= crate::slots::SHARDS_MAX)
        .ok_or(StartError::Shards(plan.shards))?;
    plan.limits.check().map_err(StartError::Limits)?;
    rt::probe().map_err(StartError::Ring)?;
    std::fs::create_dir_all(&plan.data).map_err(|error| StartError::Folder(plan.data.clone(), error))?;
    let mut book = BookCore::open(book_path(&plan.data)).map_err(StartError::Book)?;
    let disk = FileDisk::open(log_path(&plan.data)).map_err(|error| StartError::Folder(log_path(&plan.data), error))?;
    let options = LogOptions {
        archive: plan.archive.clone(),
        ..LogOptions::default()
    };
    let log = Log::open(disk, options).map_err(StartError::Log)?;
    let setup = Arc::new(Setup {
        domain: plan.domain.clone(),
        table: SlotTable::even(count),
        limits: plan.limits.clone(),
        registration: plan.registration,
        registrations: plan.registrations,
        logins: plan.logins,
        scram_iterations: plan.scram_iterations,
        secret: installation_secret(&mut book).map_err(StartError::Book)?,
        remembered: Remembered::new(fresh_secret()),
        archive: plan.archive.is_some(),
        administration: Administration::new(
            plan.administrators.clone(),
            standing(&mut book).map_err(StartError::Book)?,
        ),
    });
    assemble(&plan, &frontends, setup, log, book)
}

/// Lanes, keepers, threads.
fn assemble(
    plan: &Plan,
    frontends: &MakeFrontends,
    setup: Arc<Setup>,
    log: Log<FileDisk>,
    book: BookCore,
) -> Result<Switch, StartError> {
    let shards = plan.shards;
    let (record_floor, log_stats, book_stats) = (log.highest_id(), log.stats(), book.stats());
    let (mut senders, inboxes) = mesh::<Chunk>(shards + SUPPORT, shards, LANE_CHUNKS);
    let mut support = senders.split_off(shards).into_iter();
    let (Some(to_log), Some(to_book), Some(to_keys), Some(to_control)) =
        (support.next(), support.next(), support.next(), support.next())
    else {
        return Err(StartError::Shards(shards));
    };
    let (answers, control_answers) = mpsc::channel();
    let (log, journals) = LogKeeper::start(
        "log",
        log,
        sinks(to_log, shards, Item::Journal, None),
        KeeperOptions::default(),
    )?;
    let book_sinks = sinks(to_book, shards, Item::Book, Some(answers));
    let (book, mut books) = BookKeeper::start("book", book, book_sinks, KeeperOptions::default())?;
    let Some(control_book) = books.pop() else {
        return Err(StartError::Shards(shards));
    };
    let keys = keysmith::start(to_keys)?;
    let ready = mpsc::channel();
    let mut threads = Vec::with_capacity(shards);
    for (index, (((lanes, inbox), journal), book)) in
        senders.into_iter().zip(inboxes).zip(journals).zip(books).enumerate()
    {
        let post = post(
            plan,
            index,
            lanes,
            inbox,
            Box::new(journal),
            Box::new(book),
            keys.clone(),
        )?;
        let seat = SeatPlan {
            index,
            setup: setup.clone(),
            frontends: frontends.clone(),
            metrics: plan.metrics.clone(),
            record_floor,
        };
        threads.push(spawn_shard(plan.pin, seat, post, ready.0.clone())?);
    }
    drop(ready.0);
    let mut addresses = Vec::new();
    for _ in 0..shards {
        addresses = ready
            .1
            .recv()
            .map_err(|_| io::Error::other("a shard ended before it listened"))??;
    }
    let figures = Figures {
        log: log_stats,
        log_keeper: log.stats(),
        book: book_stats,
        book_keeper: book.stats(),
    };
    let control = Control::new(setup, to_control, control_book, control_answers, figures);
    Ok(Switch {
        addresses,
        control,
        shards: threads,
        log,
        book,
    })
}

fn post(
    plan: &Plan,
    shard: usize,
    lanes: Senders<Chunk>,
    inbox: Inbox<Chunk>,
    journal: Box<dyn crosspoint_storage::seam::Journal>,
    book: Box<dyn crosspoint_storage::seam::Book>,
    keys: mpsc::SyncSender<(u16, crate::shard::KeyRequest)>,
) -> io::Result<Post> {
    Ok(Post {
        lanes,
        inbox,
        ringer: Ringer::new()?,
        journal,
        book,
        keys,
        listeners: plan.listeners.clone(),
        backlog: BACKLOG,
        pairs: plan.metrics.pairs(shard),
    })
}

struct SeatPlan {
    index: usize,
    setup: Arc<Setup>,
    frontends: MakeFrontends,
    metrics: Arc<Metrics>,
    record_floor: u64,
}

/// A shard's thread: made here, because front-ends and shard never leave it.
fn spawn_shard(
    pin: bool,
    seat: SeatPlan,
    post: Post,
    ready: mpsc::Sender<io::Result<Vec<SocketAddr>>>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let cores = rt::cores();
    let core = (pin && !cores.is_empty()).then(|| cores[seat.index % cores.len()]);
    thread::Builder::new()
        .name(format!("shard-{}", seat.index))
        .spawn(move || {
            let config = rt::Config {
                core,
                ..rt::Config::default()
            };
            let report = ready.clone();
            let outcome = rt::run(&config, async move {
                let shard = Shard::new(Seat {
                    id: seat.index as u16,
                    setup: seat.setup,
                    frontends: (seat.frontends)(seat.index),
                    random: Box::new(OsRandom::default()),
                    metrics: seat.metrics.shard(seat.index),
                    record_floor: seat.record_floor,
                });
                drive::run(shard, post, move |bound| {
                    // Nobody listens only if the start has failed already.
                    let _ = report.send(bound);
                })
                .await;
            });
            if let Err(error) = &outcome {
                let _ = ready.send(Err(io::Error::new(error.kind(), error.to_string())));
            }
            outcome
        })
}

impl Switch {
    /// Where it listens: the addresses of the plan, with the ports that the kernel chose where it was asked to.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// For the administrator.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Says goodbye to every client, waits until all are gone or the deadline is over, and flushes log and book.
    pub fn drain(self, deadline: Duration) -> DrainReport {
        self.control.begin_drain();
        let until = Instant::now() + deadline;
        let shards = self.shards.len();
        while self.shards.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let shards_drained = self.shards.iter().filter(|thread| thread.is_finished()).count();
        let log = self.log.shutdown();
        let book = self.book.shutdown();
        DrainReport {
            shards_drained,
            shards,
            flushed: log.is_some_and(|log| log.poisoned().is_none()) && book.is_some(),
        }
    }

    /// Whether a shard's thread has ended although nobody asked for it: the process should end too.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.control.is_draining() && self.shards.iter().any(JoinHandle::is_finished)
    }
}

/// A sink a shard, all over one sender; and one for the control, which is numbered after the shards.
fn sinks<R: Send + 'static>(
    lanes: Senders<Chunk>,
    shards: usize,
    item: fn(R) -> Item,
    control: Option<mpsc::Sender<R>>,
) -> Vec<Box<dyn ReplySink<R>>> {
    let lanes = Arc::new(std::sync::Mutex::new(lanes));
    let to_shard = |shard| {
        Box::new(ToShard {
            lanes: lanes.clone(),
            shard,
            item,
        }) as Box<dyn ReplySink<R>>
    };
    let mut sinks: Vec<_> = (0..shards).map(to_shard).collect();
    if let Some(control) = control {
        sinks.push(Box::new(ToControl(control)));
    }
    sinks
}

/// A keeper's way to one shard. The lanes are the keeper thread's alone; the mutex is never contended.
struct ToShard<R> {
    lanes: Arc<std::sync::Mutex<Senders<Chunk>>>,
    shard: usize,
    item: fn(R) -> Item,
}

impl<R: Send> ReplySink<R> for ToShard<R> {
    fn send(&mut self, batch: Vec<R>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut chunk = lanes.spare(self.shard).unwrap_or_default();
        chunk.extend(batch.into_iter().map(self.item));
        crosspoint_probes::chunk_pushed(KEEPER, self.shard, &chunk);
        while let Err(back) = lanes.push(self.shard, chunk) {
            chunk = back;
            thread::sleep(LANE_FULL_PAUSE);
        }
    }
}

struct ToControl<R>(mpsc::Sender<R>);

impl<R: Send> ReplySink<R> for ToControl<R> {
    fn send(&mut self, batch: Vec<R>) {
        for reply in batch {
            // Nobody listens any more when the process is ending.
            let _ = self.0.send(reply);
        }
    }
}

/// What administrators have laid down. A row that this build does not know is left alone, and nothing of it holds.
fn standing(book: &mut BookCore) -> Result<Service, BookError> {
    let rows = book.read(&[BookRead::Get {
        table: Table::Meta,
        key: Bytes::from_static(SERVICE_KEY),
    }])?;
    let Some(row) = rows.into_iter().flatten().next() else {
        return Ok(Service::default());
    };
    Ok(Service::decode(&row.value).unwrap_or_else(|| {
        tracing::error!("the lists and texts of the service are unreadable; none of them holds");
        Service::default()
    }))
}

/// What unknown accounts' keys are made from. Made once for each data folder.
fn installation_secret(book: &mut BookCore) -> Result<[u8; 32], BookError> {
    let key = Bytes::from_static(b"installation-secret");
    let known = book.read(&[BookRead::Get {
        table: Table::Meta,
        key: key.clone(),
    }])?;
    let known = known
        .first()
        .and_then(|rows| rows.first())
        .and_then(|row| <[u8; 32]>::try_from(&*row.value).ok());
    if let Some(secret) = known {
        return Ok(secret);
    }
    let secret = fresh_secret();
    book.write(&[BookWrite::Put {
        table: Table::Meta,
        key,
        value: Bytes::copy_from_slice(&secret),
    }])?;
    Ok(secret)
}

fn fresh_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    OsRandom::default().fill(&mut secret);
    secret
}

/// The system's random bytes, fetched some at a time.
struct OsRandom {
    pool: [u8; 256],
    used: usize,
}

impl Default for OsRandom {
    fn default() -> Self {
        OsRandom {
            pool: [0; 256],
            used: 256,
        }
    }
}

impl Random for OsRandom {
    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            if self.used == self.pool.len() {
                getrandom::fill(&mut self.pool).expect("the system has random bytes");
                self.used = 0;
            }
            // Given out once, and not kept.
            *byte = std::mem::take(&mut self.pool[self.used]);
            self.used += 1;
        }
    }
}
