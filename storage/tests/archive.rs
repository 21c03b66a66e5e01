//! A real folder, a keeper and its reader at full work: while some write, others page through what was written a moment ago,
//! and find exactly that.

use std::env;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crosspoint_storage::LogKeeper;
use crosspoint_storage::disk::FileDisk;
use crosspoint_storage::keeper::{JournalHandle, KeeperOptions};
use crosspoint_storage::log::{ArchiveOptions, Log, LogOptions};
use crosspoint_storage::seam::{
    Direction, Disposition, JournalReply, JournalRequest, Record, RecordId, ReplySink, Span, UserKey,
};

const SHARDS: u64 = 3;
const ROUNDS: u64 = 150;
/// Records that a shard appends in one round, to two users in turn.
const BATCH: u64 = 20;

type Inbox = crossbeam_channel::Receiver<Vec<JournalReply>>;

struct Mailbox(crossbeam_channel::Sender<Vec<JournalReply>>);

impl ReplySink<JournalReply> for Mailbox {
    fn send(&mut self, batch: Vec<JournalReply>) {
        let _ = self.0.send(batch);
    }
}

fn record(user: UserKey, id: RecordId) -> Record {
    let bytes = 100 + (user * 31 + id * 17) as usize % 900;
    Record {
        user,
        id,
        version: 1,
        payload: Bytes::from(vec![(user + id) as u8; bytes]),
    }
}

#[test]
fn what_is_read_while_others_write_is_what_was_written() {
    let folder = env::temp_dir().join(format!("crosspoint-archive-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let options = || LogOptions {
        segment_bytes: 1 << 20,
        batch_bytes_max: 64 << 10,
        record_bytes_max: 8 << 10,
        archive: Some(ArchiveOptions::default()),
        ..LogOptions::default()
    };
    let log = Log::open(FileDisk::open(&folder).expect("the folder"), options()).expect("an empty log");
    let stats = log.stats();
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| crossbeam_channel::unbounded()).unzip();
    let boxed = |sender| Box::new(Mailbox(sender)) as Box<dyn ReplySink<_>>;
    let sinks = senders.into_iter().map(boxed).collect();
    let (keeper, handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default()).expect("a thread");
    let shards = handles.into_iter().zip(inboxes).zip(0..SHARDS);
    let threads: Vec<_> = shards
        .map(|((handle, inbox), shard)| std::thread::spawn(move || live(shard, handle, &inbox)))
        .collect();
    for thread in threads {
        thread.join().expect("every shard is content");
    }
    assert!(keeper.shutdown().is_some());
    assert_eq!(
        (stats.damaged.load(Relaxed), stats.archived.load(Relaxed)),
        (0, SHARDS * ROUNDS * BATCH)
    );
    assert!(
        stats.checkpoints.load(Relaxed) > 0,
        "so much was written that there is a checkpoint"
    );
    let mut log = Log::open(FileDisk::open(&folder).expect("the folder"), options()).expect("what was written");
    for user in 0..2 * SHARDS {
        let replies = log.serve(vec![(0, JournalRequest::Extent { token: 0, user })]);
        assert!(matches!(replies[0].1, JournalReply::Extent { records, .. } if records == ROUNDS * BATCH / 2));
    }
    std::fs::remove_dir_all(&folder).expect("clean up");
}

/// Appends a batch, and in the same breath asks for the newest page and for a queue, which must have it.
fn live(shard: u64, mut handle: JournalHandle, inbox: &Inbox) {
    let users = [2 * shard, 2 * shard + 1];
    for round in 0..ROUNDS {
        let ids: Vec<u64> = (round * BATCH + 1..=round * BATCH + BATCH).collect();
        let user_of = |id: u64| users[id as usize % 2];
        let append = |id: &u64| JournalRequest::Append {
            token: *id,
            record: record(user_of(*id), *id),
            disposition: Disposition::PendingArchived,
        };
        let mut batch: Vec<_> = ids.iter().map(append).collect();
        batch.extend(users.map(|user| JournalRequest::History {
            token: user,
            user,
            span: Span::ALL,
            direction: Direction::Backward,
            records_max: 25,
            bytes_max: u32::MAX,
        }));
        batch.extend(users.map(|user| JournalRequest::Fetch {
            token: user,
            user,
            after: 0,
            records_max: 100,
            bytes_max: u32::MAX,
        }));
        let settle = |user| JournalRequest::Settle {
            user,
            ids: ids.iter().copied().filter(|id| user_of(*id) == user).collect(),
        };
        batch.extend(users.map(settle));
        handle.submit(batch).expect("the queue has room");
        hear(inbox, &users, &ids, round);
    }
}

/// Four answers that had to be read, and an acknowledgement of everything, in any order.
fn hear(inbox: &Inbox, users: &[u64; 2], ids: &[u64], round: u64) {
    let (mut acknowledged, mut read) = (0, 0);
    while acknowledged < BATCH || read < 4 {
        for reply in inbox.recv().expect("the keeper lives") {
            match reply {
                JournalReply::Committed { tokens } => acknowledged += tokens.len() as u64,
                JournalReply::Page { token, records, .. } => {
                    let all = (round + 1) * BATCH / 2;
                    expect(&records, token, ids, users);
                    assert_eq!(records.len() as u64, all.min(25));
                    read += 1;
                }
                JournalReply::Fetched { token, records, .. } => {
                    expect(&records, token, ids, users);
                    assert_eq!(records.len() as u64, BATCH / 2, "what was settled waits no more");
                    read += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The right records, the newest of the user last.
fn expect(records: &[Record], user: UserKey, ids: &[u64], users: &[u64; 2]) {
    for found in records {
        assert_eq!(*found, record(user, found.id));
    }
    let newest = ids.iter().rev().find(|id| users[**id as usize % 2] == user);
    assert_eq!(records.last().map(|record| record.id).as_ref(), newest);
}
