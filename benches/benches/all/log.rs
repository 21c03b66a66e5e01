//! What it takes until messages are safe: the log, beside redb and a plain file with fdatasync, at several sizes of a batch.
//!
//! Every round appends a batch and settles the one before it, as in the steady state of a queue that moves; what is timed is
//! the commit. Nothing is opened for a bench that is not asked for. The folder is cargo's for temporary files unless `CROSSPOINT_BENCH_DIR` names one on the disk in question.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Throughput};
use crosspoint_storage::LogKeeper;
use crosspoint_storage::book::BookCore;
use crosspoint_storage::disk::{Disk, FileDisk, MemDisk};
use crosspoint_storage::keeper::{JournalHandle, KeeperOptions};
use crosspoint_storage::log::{ArchiveOptions, Log, LogOptions};
use crosspoint_storage::seam::{
    BookWrite, Direction, Disposition, JournalReply, JournalRequest, Record, ReplySink, Span, Table,
};
use redb::{Database, TableDefinition};

use crate::unit::{Named, counting, noun};

const PAYLOAD_BYTES: usize = 300;
/// The plain file is written round and round, as segments are recycled.
const FILE_BYTES: u64 = 16 << 20;
const BLOCK_BYTES: usize = 4096;
/// Owners of what is archived, each with a chain of its own.
const OWNERS: u64 = 1000;
/// Records of the one owner whose history is paged.
const HISTORY: u64 = 1_000_000;
const REDB_TABLE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("messages");

pub fn benches() {
    let folder =
        std::env::var_os("CROSSPOINT_BENCH_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let folder = folder.join("crosspoint-benches");
    // What an earlier run has left would be recovered first.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder can be written");
    commits(&folder);
    archive(&folder);
    pages(&folder);
    keeper(&folder);
    book(&folder);
    let _ = fs::remove_dir_all(&folder);
}

fn commits(folder: &Path) {
    let mut criterion = counting(noun!("records"));
    for records in [1, 10, 100, 1000] {
        let mut group = criterion.benchmark_group(format!("log/commit of {records}"));
        group.sample_size(10).throughput(Throughput::ElementsAndBytes {
            elements: records,
            bytes: records * PAYLOAD_BYTES as u64,
        });
        let (direct, buffered) = (
            folder.join(format!("direct-{records}")),
            folder.join(format!("buffered-{records}")),
        );
        ours(&mut group, "crosspoint", records, || {
            FileDisk::open(&direct).expect("a folder")
        });
        ours(&mut group, "crosspoint, buffered and fdatasync", records, || {
            FileDisk::open_buffered(&buffered).expect("a folder")
        });
        ours(&mut group, "crosspoint, in memory", records, MemDisk::new);
        by_redb(&mut group, &folder.join(format!("{records}.redb")), records);
        by_file(&mut group, &folder.join(format!("{records}.plain")), records);
    }
}

/// With O_DIRECT where the disk has it, unless the name says otherwise.
fn ours<D: Disk>(group: &mut BenchmarkGroup<'_, Named>, name: &str, records: u64, disk: impl Fn() -> D) {
    let mut log = None;
    group.bench_function(name, |bencher| {
        let log = log.get_or_insert_with(|| Log::open(disk(), LogOptions::default()).expect("an empty folder"));
        bencher.iter_custom(|commits| {
            let mut taken = Duration::ZERO;
            for _ in 0..commits {
                let ids = log.highest_id() + 1..=log.highest_id() + records;
                let group = ids.clone().map(|id| (0, append(id))).collect();
                let start = Instant::now();
                let replies = log.serve(group);
                taken += start.elapsed();
                assert!(
                    matches!(replies[..], [(0, JournalReply::Committed { .. })]),
                    "{replies:?}"
                );
                log.settle(0, &ids.collect::<Vec<_>>()).expect("they are pending");
                log.upkeep().expect("the disk works");
            }
            taken
        });
    });
}

fn by_redb(group: &mut BenchmarkGroup<'_, Named>, path: &Path, records: u64) {
    let (mut database, mut next) = (None, 1);
    group.bench_function("redb", |bencher| {
        let database = database.get_or_insert_with(|| Database::create(path).expect("a new file"));
        bencher.iter_custom(|commits| {
            let mut taken = Duration::ZERO;
            for _ in 0..commits {
                let start = Instant::now();
                redb_commit(database, next, records).expect("the disk works");
                taken += start.elapsed();
                next += records;
            }
            taken
        });
    });
}

fn redb_commit(database: &Database, next: u64, records: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(REDB_TABLE)?;
        for id in next..next + records {
            table.insert((0, id), &[7; PAYLOAD_BYTES][..])?;
            if id > records {
                table.remove((0, id - records))?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The least that anybody could do: blocks at the end of a file that has its length already, and fdatasync.
fn by_file(group: &mut BenchmarkGroup<'_, Named>, path: &Path, records: u64) {
    let batch = vec![7; (PAYLOAD_BYTES * records as usize).next_multiple_of(BLOCK_BYTES)];
    let (mut file, mut offset) = (None, 0);
    group.bench_function("plain file and fdatasync", |bencher| {
        let file = file.get_or_insert_with(|| full_length(path).expect("the disk has room"));
        bencher.iter(|| {
            if offset + batch.len() as u64 > FILE_BYTES {
                offset = 0;
            }
            file.write_all_at(&batch, offset).expect("the disk works");
            file.sync_data().expect("the disk works");
            offset += batch.len() as u64;
        });
    });
}

fn full_length(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    let zeroes = vec![0; 1 << 20];
    for megabyte in 0..FILE_BYTES >> 20 {
        file.write_all_at(&zeroes, megabyte << 20)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// The same appends, to be pending alone and to be archived too.
fn archive(folder: &Path) {
    let mut criterion = counting(noun!("records"));
    let wishes = [
        ("pending alone", Disposition::Pending),
        ("and archived", Disposition::PendingArchived),
    ];
    for records in [10, 1000] {
        let mut group = criterion.benchmark_group(format!("log/archive, commit of {records}"));
        group.sample_size(10).throughput(Throughput::Elements(records));
        for (name, disposition) in wishes {
            let direct = folder.join(format!("{name}-{records}"));
            archived(&mut group, name, records, disposition, || {
                FileDisk::open(&direct).expect("a folder")
            });
            let name = format!("{name}, in memory");
            archived(&mut group, &name, records, disposition, MemDisk::new);
        }
    }
}

fn archived<D: Disk>(
    group: &mut BenchmarkGroup<'_, Named>,
    name: &str,
    records: u64,
    disposition: Disposition,
    disk: impl Fn() -> D,
) {
    let mut log = None;
    group.bench_function(name, |bencher| {
        let log = log.get_or_insert_with(|| Log::open(disk(), archiving()).expect("an empty folder"));
        bencher.iter_custom(|commits| {
            let mut taken = Duration::ZERO;
            for _ in 0..commits {
                let ids = log.highest_id() + 1..=log.highest_id() + records;
                let group = ids
                    .clone()
                    .map(|id| (0, append_as(id % OWNERS, id, disposition)))
                    .collect();
                let start = Instant::now();
                let replies = log.serve(group);
                taken += start.elapsed();
                assert!(
                    matches!(replies[..], [(0, JournalReply::Committed { .. })]),
                    "{replies:?}"
                );
                for id in ids {
                    log.settle(id % OWNERS, &[id]).expect("it is pending");
                }
                let start = Instant::now();
                log.upkeep().expect("the disk works");
                taken += start.elapsed();
            }
            taken
        });
    });
}

/// Enough to write checkpoints and to retire, not enough to fill the disk.
fn archiving() -> LogOptions {
    let archive = Some(ArchiveOptions {
        bytes: 512 << 20,
        ..ArchiveOptions::default()
    });
    LogOptions {
        archive,
        ..LogOptions::default()
    }
}

/// Pages of 50, out of the history of one owner; everything is in the page cache.
fn pages(folder: &Path) {
    let mut criterion = counting(noun!("pages"));
    let mut group = criterion.benchmark_group(format!("log/pages of 50 of {HISTORY}"));
    group.sample_size(10).throughput(Throughput::Elements(1));
    let mut log = None;
    let mut bench = |name, span: fn(u64) -> Span, direction| {
        group.bench_function(name, |bencher| {
            let log = log.get_or_insert_with(|| full_history(&folder.join("history")));
            let mut at = 0;
            bencher.iter(|| {
                at = (at + 617_411) % HISTORY;
                let request = JournalRequest::History {
                    token: 0,
                    user: 0,
                    span: span(at),
                    direction,
                    records_max: 50,
                    bytes_max: u32::MAX,
                };
                let replies = log.serve(vec![(0, request)]);
                assert!(matches!(replies[..], [(0, JournalReply::Page { .. })]), "{replies:?}");
            });
        });
    };
    bench("the newest", |_| Span::ALL, Direction::Backward);
    bench("before any record", |id| Span::ALL.before(id), Direction::Backward);
    bench("after any record", |id| Span::ALL.after(id), Direction::Forward);
}

fn full_history(folder: &Path) -> Log<FileDisk> {
    let disk = FileDisk::open(folder).expect("a folder");
    let mut log = Log::open(disk, archiving()).expect("an empty folder");
    for id in 1..=HISTORY {
        let JournalRequest::Append { record, .. } = append(id) else {
            continue;
        };
        log.append_as(&record, Disposition::Archived).expect("the disk works");
    }
    log.commit().expect("the disk works");
    log
}

struct Mailbox(crossbeam_channel::Sender<Vec<JournalReply>>);

impl ReplySink<JournalReply> for Mailbox {
    fn send(&mut self, batch: Vec<JournalReply>) {
        // Nobody listens any more when a bench is over.
        let _ = self.0.send(batch);
    }
}

/// Through the keeper's thread: from the submission of so many to the acknowledgement of all.
fn keeper(folder: &Path) {
    let mut criterion = counting(noun!("records"));
    let mut group = criterion.benchmark_group("log/through the keeper");
    group.sample_size(10);
    for records in [1, 32, 1024] {
        let mut kept = None;
        group.throughput(Throughput::Elements(records));
        group.bench_function(format!("{records} at a time"), |bencher| {
            let kept = kept.get_or_insert_with(|| Kept::start(&folder.join(format!("keeper-{records}"))));
            bencher.iter(|| kept.round(records));
        });
        if let Some(kept) = kept {
            assert!(kept.keeper.shutdown().is_some(), "the keeper did not panic");
        }
    }
}

/// One shard's view of a keeper.
struct Kept {
    keeper: LogKeeper,
    journal: JournalHandle,
    inbox: crossbeam_channel::Receiver<Vec<JournalReply>>,
    next: u64,
}

impl Kept {
    fn start(folder: &Path) -> Kept {
        let disk = FileDisk::open(folder).expect("a folder");
        let log = Log::open(disk, LogOptions::default()).expect("an empty folder");
        let (sender, inbox) = crossbeam_channel::unbounded();
        let sinks: Vec<Box<dyn ReplySink<_>>> = vec![Box::new(Mailbox(sender))];
        let (keeper, mut handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default()).expect("a thread");
        let journal = handles.remove(0);
        Kept {
            keeper,
            journal,
            inbox,
            next: 1,
        }
    }

    fn round(&mut self, records: u64) {
        let ids = self.next..self.next + records;
        self.next = ids.end;
        let batch = ids.clone().map(append).collect();
        self.journal.submit(batch).expect("the queue has room");
        let mut acknowledged = 0;
        while acknowledged < records {
            for reply in self.inbox.recv().expect("the keeper lives") {
                let JournalReply::Committed { tokens } = reply else {
                    panic!("{reply:?}");
                };
                acknowledged += tokens.len() as u64;
            }
        }
        let ids = ids.collect();
        let settle = vec![JournalRequest::Settle { user: 0, ids }];
        self.journal.submit(settle).expect("the queue has room");
    }
}

fn book(folder: &Path) {
    let mut criterion = counting(noun!("rows"));
    let mut group = criterion.benchmark_group("book/commit");
    group.sample_size(10);
    let mut book = None;
    let mut next = 0_u32;
    for rows in [1, 32, 1000] {
        group.throughput(Throughput::Elements(u64::from(rows)));
        group.bench_function(format!("{rows} rows"), |bencher| {
            let book = book.get_or_insert_with(|| BookCore::open(folder.join("book.redb")).expect("a new file"));
            bencher.iter(|| {
                let batch: Vec<BookWrite> = (0..rows).map(|row| put(next.wrapping_add(row))).collect();
                next = next.wrapping_add(rows);
                book.write(&batch).expect("the disk works");
            });
        });
    }
}

/// Scattered keys, as addresses are.
fn put(number: u32) -> BookWrite {
    BookWrite::Put {
        table: Table::Account,
        key: Bytes::from(format!("user{}@localhost", number.wrapping_mul(2_654_435_769))),
        value: Bytes::from_static(&[1; 150]),
    }
}

fn append(id: u64) -> JournalRequest {
    append_as(0, id, Disposition::Pending)
}

fn append_as(user: u64, id: u64, disposition: Disposition) -> JournalRequest {
    JournalRequest::Append {
        token: id,
        record: Record {
            user,
            id,
            version: 1,
            payload: Bytes::from_static(&[7; PAYLOAD_BYTES]),
        },
        disposition,
    }
}
