//! Plays about keepers: shards, queues, threads.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::*;
use crate::book::BookCore;
use crate::disk::{Disk, DiskFile, FaultyDisk, MemDisk, MemFile, WriteFault};
use crate::limits::READS_WAITING_MAX;
use crate::log::{Log, LogOptions};
use crate::seam::{BookRead, BookReply, BookWrite, Disposition, JournalReply, Record, Table};
use crate::{BookKeeper, LogKeeper};

type Sink<R> = Box<dyn ReplySink<R>>;

/// Stands for the mailbox of a shard.
struct Mailbox<R>(Sender<Vec<R>>);

impl<R: Send> ReplySink<R> for Mailbox<R> {
    fn send(&mut self, batch: Vec<R>) {
        let _ = self.0.send(batch);
    }
}

fn mailboxes<R: Send + 'static>(shards: usize) -> (Vec<Sink<R>>, Vec<Receiver<Vec<R>>>) {
    let pair = |_| {
        let (sender, receiver) = unbounded();
        (Box::new(Mailbox(sender)) as Sink<R>, receiver)
    };
    (0..shards).map(pair).unzip()
}

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 1 << 20,
        batch_bytes_max: 64 << 10,
        record_bytes_max: 16 << 10,
        ..LogOptions::default()
    }
}

fn append(token: u64, user: u64, id: u64) -> JournalRequest {
    let payload = Bytes::from(vec![id as u8; 100]);
    JournalRequest::Append {
        token,
        record: Record {
            user,
            id,
            version: 1,
            payload,
        },
        disposition: Disposition::Pending,
    }
}

fn tokens(letter: Vec<JournalReply>) -> Vec<u64> {
    let tokens = |reply| match reply {
        JournalReply::Committed { tokens } => tokens,
        other => panic!("{other:?}"),
    };
    letter.into_iter().flat_map(tokens).collect()
}

#[test]
fn each_shard_gets_its_own_replies_in_the_order_it_asked() {
    let disk = MemDisk::new();
    let (sinks, inboxes) = mailboxes(3);
    let log = Log::open(disk.clone(), options()).ok().unwrap();
    let (keeper, handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default()).unwrap();
    let shards: Vec<_> = handles
        .into_iter()
        .zip(inboxes)
        .enumerate()
        .map(|(shard, (mut handle, inbox))| {
            thread::spawn(move || {
                let user = shard as u64 + 1;
                for round in 0..200u64 {
                    let batch = (0..5).map(|n| append(round * 5 + n, user, round * 5 + n + 1)).collect();
                    Journal::submit(&mut handle, batch).unwrap();
                }
                let mut seen = Vec::new();
                while seen.len() < 1000 {
                    seen.extend(tokens(inbox.recv().unwrap()));
                }
                assert_eq!(seen, (0..1000).collect::<Vec<_>>());
            })
        })
        .collect();
    for shard in shards {
        shard.join().unwrap();
    }
    let stats = keeper.stats();
    assert_eq!(
        (stats.requests.load(Relaxed), stats.queue_requests.load(Relaxed)),
        (3000, 0)
    );
    assert_eq!(stats.group_ns.counts().iter().sum::<u64>(), stats.groups.load(Relaxed));
    keeper.shutdown().unwrap();
    let log = Log::open(disk.crash(), options()).ok().unwrap();
    assert!((1..=3).all(|user| log.pending(user).records == 1000));
}

#[test]
fn a_full_queue_gives_the_batch_back_and_takes_it_later() {
    let (sender, inbox) = bounded(0);
    let sinks: Vec<Sink<_>> = vec![Box::new(Mailbox(sender))];
    let log = Log::open(MemDisk::new(), options()).ok().unwrap();
    let bounds = KeeperOptions {
        queue_batches_max: 2,
        group_requests_max: 1,
        ..KeeperOptions::default()
    };
    let (keeper, mut handles) = LogKeeper::start("log", log, sinks, bounds).unwrap();
    let mut id = 0;
    let given_back = loop {
        id += 1;
        if let Err(batch) = handles[0].submit(vec![append(id, 1, id)]) {
            break batch;
        }
        assert!(id < 10, "one waits for the mailbox, two in the queue");
    };
    let [JournalRequest::Append { token, .. }] = given_back[..] else {
        panic!()
    };
    assert_eq!(token, id);
    assert_eq!(keeper.stats().refusals.load(Relaxed), 1);
    let mut seen = Vec::new();
    while seen.len() < id as usize - 1 {
        seen.extend(tokens(inbox.recv().unwrap()));
    }
    handles[0].submit(given_back).unwrap();
    seen.extend(tokens(inbox.recv().unwrap()));
    assert_eq!(seen, (1..=id).collect::<Vec<_>>());
    keeper.shutdown().unwrap();
}

#[test]
fn the_queue_is_bounded_in_bytes_but_takes_one_batch_of_any_size() {
    let (sender, inbox) = bounded(0);
    let sinks: Vec<Sink<_>> = vec![Box::new(Mailbox(sender))];
    let log = Log::open(MemDisk::new(), options()).ok().unwrap();
    let bounds = KeeperOptions {
        queue_bytes_max: 300,
        group_requests_max: 1,
        ..KeeperOptions::default()
    };
    let (keeper, mut handles) = LogKeeper::start("log", log, sinks, bounds).unwrap();
    handles[0]
        .submit((1..=50).map(|id| append(id, 1, id)).collect())
        .unwrap();
    // While the first group waits for the mailbox it is served already, so one more batch of any size may follow.
    let mut next = 51;
    while next < 60
        && handles[0]
            .submit(vec![append(next, 1, next), append(next + 1, 1, next + 1)])
            .is_ok()
    {
        next += 2;
    }
    assert!(next < 60);
    let mut seen = 0;
    while seen < next - 1 {
        seen += tokens(inbox.recv().unwrap()).len() as u64;
    }
    assert_eq!(keeper.stats().queue_bytes.load(Relaxed), 0);
    keeper.shutdown().unwrap();
}

#[test]
fn a_shutdown_serves_what_was_submitted_before_it() {
    let disk = MemDisk::new();
    let (sinks, inboxes) = mailboxes(1);
    let log = Log::open(disk.clone(), options()).ok().unwrap();
    let (keeper, mut handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default()).unwrap();
    for id in 1..=100 {
        handles[0].submit(vec![append(id, 1, id)]).unwrap();
    }
    let log = keeper.shutdown().unwrap();
    assert_eq!(log.pending(1).records, 100);
    assert_eq!(inboxes[0].try_iter().flat_map(tokens).count(), 100);
    assert!(
        handles[0].submit(vec![append(101, 1, 101)]).is_err(),
        "nobody is there any more"
    );
    assert_eq!(Log::open(disk.crash(), options()).ok().unwrap().pending(1).records, 100);
}

#[test]
fn a_failed_write_is_answered_and_shows_in_the_numbers() {
    let (disk, faults) = FaultyDisk::new(MemDisk::new());
    let (sinks, inboxes) = mailboxes(1);
    let log = Log::open(disk, options()).ok().unwrap();
    let stats = log.stats();
    faults.on_write(1, WriteFault::NoSpace);
    let (keeper, mut handles) = Keeper::start("log", log, sinks, KeeperOptions::default()).unwrap();
    handles[0].submit(vec![append(1, 1, 1)]).unwrap();
    assert!(matches!(
        inboxes[0].recv().unwrap()[..],
        [JournalReply::Failed { token: 1, .. }]
    ));
    assert!(stats.poisoned.load(Relaxed));
    handles[0].submit(vec![append(2, 1, 2)]).unwrap();
    assert!(matches!(
        inboxes[0].recv().unwrap()[..],
        [JournalReply::Failed { token: 2, .. }]
    ));
    keeper.shutdown().unwrap();
}

#[test]
fn the_book_is_kept_in_the_same_way() {
    let (sinks, inboxes) = mailboxes(2);
    let book = BookCore::in_memory().unwrap();
    let (keeper, mut handles) = BookKeeper::start("book", book, sinks, KeeperOptions::default()).unwrap();
    let key = Bytes::from_static(b"juliet@capulet");
    let insert = BookWrite::Insert {
        table: Table::Account,
        key: key.clone(),
        value: Bytes::from_static(b"keys"),
    };
    let write = |token| BookRequest::Write {
        token,
        batch: vec![insert.clone()],
    };
    Book::submit(&mut handles[0], vec![write(1), write(2)]).unwrap();
    let letter = inboxes[0].recv().unwrap();
    assert!(
        matches!(
            letter[..],
            [BookReply::Written { token: 1 }, BookReply::Exists { token: 2 }]
        ),
        "{letter:?}"
    );
    let reads = vec![BookRead::Get {
        table: Table::Account,
        key,
    }];
    Book::submit(&mut handles[1], vec![BookRequest::Read { token: 3, reads }]).unwrap();
    let letter = inboxes[1].recv().unwrap();
    let [BookReply::Rows { token: 3, results }] = &letter[..] else {
        panic!("{letter:?}")
    };
    assert_eq!(results[0][0].value, "keys");
    keeper.shutdown().unwrap();
}

/// A core that panics.
struct Clumsy;

impl Core for Clumsy {
    type Request = u64;
    type Reply = u64;

    fn serve(&mut self, _: Vec<(usize, u64)>) -> Vec<(usize, u64)> {
        panic!("dropped everything");
    }

    fn bytes(_: &u64) -> usize {
        8
    }
}

#[test]
fn a_keeper_that_panics_is_seen_in_the_numbers() {
    let (sinks, inboxes) = mailboxes::<u64>(1);
    let (keeper, mut handles) = Keeper::start("clumsy", Clumsy, sinks, KeeperOptions::default()).unwrap();
    let stats = keeper.stats();
    handles[0].submit(vec![1]).unwrap();
    assert!(keeper.shutdown().is_none());
    assert!(stats.dead.load(Relaxed) && inboxes[0].recv().is_err());
}

/// A disk whose reads wait for a permission each: a very cold one.
struct ColdDisk {
    disk: MemDisk,
    permissions: Receiver<()>,
}

struct ColdFile {
    file: MemFile,
    permissions: Option<Receiver<()>>,
}

impl Disk for ColdDisk {
    type File = ColdFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<ColdFile> {
        let file = self.disk.create(name)?;
        let permissions = None;
        Ok(ColdFile { file, permissions })
    }

    fn open(&self, name: &str) -> io::Result<ColdFile> {
        let file = self.disk.open(name)?;
        let permissions = None;
        Ok(ColdFile { file, permissions })
    }

    fn open_to_read(&self, name: &str) -> io::Result<ColdFile> {
        let file = self.disk.open(name)?;
        let permissions = Some(self.permissions.clone());
        Ok(ColdFile { file, permissions })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

impl DiskFile for ColdFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if let Some(permissions) = &self.permissions {
            // Who gives permissions is gone: everything is permitted.
            let _ = permissions.recv();
        }
        self.file.read_at(offset, into)
    }
}

fn fetch(token: u64) -> JournalRequest {
    JournalRequest::Fetch {
        token,
        user: 1,
        after: 0,
        records_max: 10,
        bytes_max: 10_000,
    }
}

#[test]
fn while_a_cold_disk_is_read_commits_go_on_and_what_was_to_be_read_comes_in_the_end() {
    let (give, permissions) = bounded(0);
    let disk = MemDisk::new();
    let cold = ColdDisk {
        disk: disk.clone(),
        permissions,
    };
    let (sinks, inboxes) = mailboxes(2);
    let log = Log::open(cold, options()).ok().unwrap();
    let stats = log.stats();
    let (keeper, mut handles) = Keeper::start("log", log, sinks, KeeperOptions::default()).unwrap();
    handles[0].submit(vec![append(1, 1, 1), fetch(2)]).unwrap();
    assert_eq!(tokens(inboxes[0].recv().unwrap()), [1]);
    for id in 2..=50 {
        handles[0].submit(vec![append(id, 1, id)]).unwrap();
        assert_eq!(tokens(inboxes[0].recv().unwrap()), [id], "nobody has read anything yet");
    }
    give.send(()).unwrap();
    give.send(()).unwrap();
    let letter = inboxes[0].recv().unwrap();
    let [JournalReply::Fetched { token: 2, records, .. }] = &letter[..] else {
        panic!("{letter:?}")
    };
    assert_eq!(records.len(), 1, "it saw what stood before it");
    drop(give);
    // A shutdown answers everything; the thread for reading takes so many and no more, the rest is read at once.
    let more = READS_WAITING_MAX + 500;
    handles[1].submit((0..more as u64).map(fetch).collect()).unwrap();
    keeper.shutdown().unwrap();
    assert_eq!(inboxes[1].try_iter().flatten().count(), more);
    assert_eq!(stats.damaged.load(Relaxed), 0);
}

#[test]
fn when_too_much_waits_to_be_read_the_log_reads_itself() {
    let (give, permissions) = bounded(0);
    let cold = ColdDisk {
        disk: MemDisk::new(),
        permissions,
    };
    let (sinks, inboxes) = mailboxes(1);
    let log = Log::open(cold, options()).ok().unwrap();
    let stats = log.stats();
    let (keeper, mut handles) = Keeper::start("log", log, sinks, KeeperOptions::default()).unwrap();
    handles[0].submit(vec![append(1, 1, 1)]).unwrap();
    assert_eq!(tokens(inboxes[0].recv().unwrap()), [1]);
    // One is being read, so many wait, one is too much.
    handles[0]
        .submit((0..READS_WAITING_MAX as u64 + 2).map(fetch).collect())
        .unwrap();
    while stats.reads_in_place.load(Relaxed) == 0 {
        thread::yield_now();
    }
    drop(give);
    let mut answered = 0;
    while answered < READS_WAITING_MAX + 2 {
        answered += inboxes[0].recv().unwrap().len();
    }
    assert!((1..=2).contains(&stats.reads_in_place.load(Relaxed)));
    keeper.shutdown().unwrap();
}
