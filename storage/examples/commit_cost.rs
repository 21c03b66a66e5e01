//! What a group commit costs: commits a second, p50 and p99, at several batch sizes; then the same through the keeper, and
//! the book.
//!
//! ```sh
//! cargo run --release -p crosspoint-storage --example commit_cost -- FOLDER
//! ```
//! FOLDER should be on the disk in question; it is made, used and left behind.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crosspoint_storage::LogKeeper;
use crosspoint_storage::book::BookCore;
use crosspoint_storage::disk::{Disk, FileDisk};
use crosspoint_storage::keeper::KeeperOptions;
use crosspoint_storage::log::{Log, LogOptions};
use crosspoint_storage::seam::{BookRead, BookWrite, JournalReply, JournalRequest, Record, ReplySink, Table};

const PAYLOAD_BYTES: usize = 300;
const SECONDS: u64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: commit_cost FOLDER")?;
    let folder = Path::new(&folder);
    let disk = FileDisk::open(folder.join("direct"))?;
    println!("log, records of {PAYLOAD_BYTES} bytes, O_DIRECT: {}", disk.is_direct());
    commits(disk)?;
    println!("log, records of {PAYLOAD_BYTES} bytes, buffered and fdatasync");
    commits(FileDisk::open_buffered(folder.join("buffered"))?)?;
    keeper(&folder.join("keeper"))?;
    book(&folder.join("book.redb"))
}

/// Appends and settles so that segments are recycled, as in steady state.
fn commits<D: Disk>(disk: D) -> Result<(), Box<dyn Error>> {
    let mut log = Log::open(disk, LogOptions::default())?;
    for records in [1u64, 10, 100, 1000] {
        let mut times = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(SECONDS) {
            let first = log.highest_id() + 1;
            let group = (first..first + records).map(|id| (0, append(id))).collect();
            let commit = Instant::now();
            let replies = log.serve(group);
            times.push(commit.elapsed());
            assert!(
                matches!(replies[..], [(0, JournalReply::Committed { .. })]),
                "{replies:?}"
            );
            log.settle(0, &(first..first + records).collect::<Vec<_>>())?;
            log.upkeep()?;
        }
        report(&format!("{records} records a commit"), times, begin.elapsed(), records);
    }
    Ok(())
}

struct Mailbox(crossbeam_channel::Sender<Vec<JournalReply>>);

impl ReplySink<JournalReply> for Mailbox {
    fn send(&mut self, batch: Vec<JournalReply>) {
        let _ = self.0.send(batch);
    }
}

/// One shard, with so many records on their way: how long from submission to acknowledgement?
fn keeper(folder: &Path) -> Result<(), Box<dyn Error>> {
    println!("keeper, one shard, from submission to acknowledgement");
    let mut log = Log::open(FileDisk::open(folder)?, LogOptions::default())?;
    for in_flight in [1u64, 32, 128, 1024] {
        let (sender, inbox) = crossbeam_channel::unbounded();
        let mut next = log.highest_id() + 1;
        let sinks: Vec<Box<dyn ReplySink<_>>> = vec![Box::new(Mailbox(sender))];
        let (keeper, mut handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default())?;
        let (mut times, mut waiting, mut free) = (Vec::new(), std::collections::VecDeque::new(), in_flight);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(SECONDS) {
            let batch: Vec<_> = (next..next + free).map(append).collect();
            waiting.extend((next..next + free).map(|_| Instant::now()));
            next += free;
            free = 0;
            handles[0].submit(batch).map_err(|_| "the queue is full")?;
            for reply in inbox.recv()? {
                let JournalReply::Committed { tokens } = reply else {
                    return Err("failed".into());
                };
                free += tokens.len() as u64;
                times.extend(
                    waiting
                        .drain(..tokens.len())
                        .map(|submitted: Instant| submitted.elapsed()),
                );
                handles[0]
                    .submit(vec![JournalRequest::Settle { user: 0, ids: tokens }])
                    .map_err(|_| "full")?;
            }
        }
        report(&format!("{in_flight} in flight"), times, begin.elapsed(), 1);
        log = keeper.shutdown().ok_or("the keeper panicked")?;
    }
    Ok(())
}

fn book(path: &Path) -> Result<(), Box<dyn Error>> {
    println!("book");
    let mut book = BookCore::open(path)?;
    let mut next = 0u32;
    let mut batch = |rows: u32| -> Vec<BookWrite> {
        let rows = next..next + rows;
        next = rows.end;
        let put = |n: u32| BookWrite::Put {
            table: Table::Account,
            key: key(n),
            value: Bytes::from(vec![1; 150]),
        };
        rows.map(put).collect()
    };
    for rows in [1, 32, 1000] {
        let (mut times, begin) = (Vec::new(), Instant::now());
        while begin.elapsed() < Duration::from_secs(SECONDS) {
            let batch = batch(rows);
            let commit = Instant::now();
            book.write(&batch)?;
            times.push(commit.elapsed());
        }
        report(
            &format!("{rows} rows a commit"),
            times,
            begin.elapsed(),
            u64::from(rows),
        );
    }
    let (batch, begin) = (batch(50_000), Instant::now());
    book.write_all(batch.chunks(1))?;
    println!(
        "  import of 50000 rows in one transaction: {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    let (mut times, begin) = (Vec::new(), Instant::now());
    for n in 0..50_000 {
        let read = Instant::now();
        book.read(&[BookRead::Get {
            table: Table::Account,
            key: key(n * 7 % 50_000),
        }])?;
        times.push(read.elapsed());
    }
    report("one row a read", times, begin.elapsed(), 1);
    Ok(())
}

fn key(n: u32) -> Bytes {
    Bytes::from(format!("user{}@localhost", n.wrapping_mul(2_654_435_769)))
}

fn append(id: u64) -> JournalRequest {
    let payload = Bytes::from_static(&[7; PAYLOAD_BYTES]);
    JournalRequest::Append {
        token: id,
        record: Record {
            user: 0,
            id,
            version: 1,
            payload,
        },
    }
}

fn report(what: &str, mut times: Vec<Duration>, elapsed: Duration, records: u64) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_micros();
    let rate = times.len() as f64 / elapsed.as_secs_f64();
    println!(
        "  {what:>24}: {rate:>8.0} a second, {:>9.0} records a second, p50 {:>6} us, p99 {:>6} us",
        rate * records as f64,
        at(50),
        at(99)
    );
}
