//! The process that keeps the log is killed in the middle of its work, again and again, and what it had acknowledged is
//! counted afterwards: each record is there exactly once, in order. With an archive, each is in its user's history too, as far
//! back as that reaches.
//!
//! The child is this test's own executable, started again with [`FOLDER`] set; it writes on its standard output what it
//! does: `T user id` before a record is submitted, `A user id` when it is acknowledged, `S user id` before it is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use crosspoint_storage::LogKeeper;
use crosspoint_storage::disk::FileDisk;
use crosspoint_storage::keeper::{JournalHandle, KeeperOptions};
use crosspoint_storage::log::{ArchiveOptions, Log, LogOptions};
use crosspoint_storage::seam::{Direction, Disposition, JournalReply, JournalRequest, Record, ReplySink, Span};

const FOLDER: &str = "CROSSPOINT_CRASH_FOLDER";
const ARCHIVE: &str = "CROSSPOINT_CRASH_ARCHIVE";
const SHARDS: u64 = 2;
const USERS_PER_SHARD: u64 = 10;
const IN_FLIGHT: u64 = 64;

type Key = (u64, u64);

#[test]
fn what_was_acknowledged_survives_kill_9() {
    survives_kill_9("queue", false);
}

#[test]
fn what_was_acknowledged_is_history_after_kill_9() {
    survives_kill_9("archive", true);
}

fn survives_kill_9(name: &str, archive: bool) {
    let folder = env::temp_dir().join(format!("crosspoint-crash-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut court = Court::new(&folder, archive);
    for round in 1..=10 {
        let diary = Worker::start(&folder, archive).until(acknowledgements(round)).kill();
        court.judge(&diary);
    }
    std::fs::remove_dir_all(&folder).expect("clean up");
}

/// Run by `tests/interop/powercut`, which brings a mounted file system and two commands: one that cuts it off as a power
/// cut would, one that brings it back.
#[test]
#[ignore = "needs root and a loop device; run tests/interop/powercut"]
fn what_was_acknowledged_survives_a_power_cut() {
    let variable = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/interop/powercut"));
    let folder = PathBuf::from(variable("CROSSPOINT_POWERCUT_FOLDER"));
    let (cut, restore) = (
        variable("CROSSPOINT_POWERCUT_CUT"),
        variable("CROSSPOINT_POWERCUT_RESTORE"),
    );
    for (name, archive) in [("queue", false), ("archive", true)] {
        let folder = folder.join(name);
        let mut court = Court::new(&folder, archive);
        for round in 1..=10 {
            let worker = Worker::start(&folder, archive).until(acknowledgements(round));
            run(&cut);
            let diary = worker.kill();
            run(&restore);
            court.judge(&diary);
        }
    }
}

/// The child is stopped as soon as so many acknowledgements have been read, wherever it is by then.
fn acknowledgements(round: usize) -> usize {
    400 * round + 137 * (round % 3)
}

/// Not a test on its own: the child.
#[test]
fn the_child() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let log = open(Path::new(&folder), env::var(ARCHIVE).is_ok());
    let first = log.highest_id() + 1;
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| crossbeam_channel::unbounded()).unzip();
    let sinks = senders
        .into_iter()
        .map(|sender| Box::new(Mailbox(sender)) as Box<dyn ReplySink<_>>)
        .collect();
    let (_keeper, handles) = LogKeeper::start("log", log, sinks, KeeperOptions::default()).expect("a thread");
    let shards = handles.into_iter().zip(inboxes).enumerate();
    let threads: Vec<_> = shards
        .map(|(shard, (handle, inbox))| {
            let shard = Shard {
                shard: shard as u64,
                handle,
                inbox,
                next: first,
            };
            std::thread::spawn(move || shard.run())
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
}

struct Mailbox(crossbeam_channel::Sender<Vec<JournalReply>>);

impl ReplySink<JournalReply> for Mailbox {
    fn send(&mut self, batch: Vec<JournalReply>) {
        let _ = self.0.send(batch);
    }
}

/// Appends for ever, keeps [`IN_FLIGHT`] records on their way, settles nine of ten of those acknowledged.
struct Shard {
    shard: u64,
    handle: JournalHandle,
    inbox: crossbeam_channel::Receiver<Vec<JournalReply>>,
    next: u64,
}

impl Shard {
    fn run(mut self) {
        let mut in_flight = 0;
        let mut settle = Vec::new();
        loop {
            let ids: Vec<u64> = (self.next..).take((IN_FLIGHT - in_flight) as usize).collect();
            self.next += ids.len() as u64;
            in_flight += ids.len() as u64;
            say("S", settle.iter().map(|id| (self.user(*id), *id)));
            say("T", ids.iter().map(|id| (self.user(*id), *id)));
            let settlements = settle.drain(..).map(|id| JournalRequest::Settle {
                user: self.user(id),
                ids: vec![id],
            });
            let appends = ids.iter().map(|id| JournalRequest::Append {
                token: *id,
                record: record(self.user(*id), *id),
                disposition: Disposition::PendingArchived,
            });
            let mut batch: Vec<_> = settlements.chain(appends).collect();
            while let Err(given_back) = self.handle.submit(batch) {
                batch = given_back;
                std::thread::yield_now();
            }
            for reply in self.inbox.recv().expect("replies") {
                // After a power cut every append fails; the parent will put an end to it.
                let JournalReply::Committed { tokens } = reply else {
                    continue;
                };
                in_flight -= tokens.len() as u64;
                say("A", tokens.iter().map(|id| (self.user(*id), *id)));
                settle.extend(tokens.into_iter().filter(|id| id % 10 != 0));
            }
        }
    }

    fn user(&self, id: u64) -> u64 {
        1 + self.shard * USERS_PER_SHARD + id % 7 % USERS_PER_SHARD
    }
}

fn say(verb: &str, keys: impl Iterator<Item = Key>) {
    let lines: String = keys.map(|(user, id)| format!("{verb} {user} {id}\n")).collect();
    let _ = std::io::stdout()
        .write_all(lines.as_bytes())
        .and_then(|()| std::io::stdout().flush());
}

fn record(user: u64, id: u64) -> Record {
    let bytes = 200 + (user * 31 + id * 17) as usize % 1500;
    Record {
        user,
        id,
        version: 1,
        payload: Bytes::from(vec![(user + id) as u8; bytes]),
    }
}

/// The archive reaches back some rounds: some segments are retired, some are not.
fn open(folder: &Path, archive: bool) -> Log<FileDisk> {
    let archive = archive.then_some(ArchiveOptions {
        age_ms: u64::MAX,
        bytes: 8 << 20,
    });
    let options = LogOptions {
        archive,
        segment_bytes: 512 << 10,
        batch_bytes_max: 64 << 10,
        record_bytes_max: 8 << 10,
        ..LogOptions::default()
    };
    let disk = FileDisk::open(folder.join("log")).expect("the folder");
    Log::open(disk, options).unwrap_or_else(|error| panic!("the log should open: {error}"))
}

/// What the child has said.
#[derive(Default)]
struct Diary {
    tried: BTreeSet<Key>,
    acknowledged: BTreeSet<Key>,
    /// For each shard, in order.
    settled: BTreeMap<u64, Vec<Key>>,
    /// How many settlements of its shard were submitted before a record.
    settled_before: BTreeMap<Key, usize>,
    /// How many settlements of each shard are durable, because a record submitted after them is.
    gone: BTreeMap<u64, usize>,
}

impl Diary {
    /// Takes in one line; one without its end was cut off by the kill, before what it announces was done.
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.strip_suffix('\n').unwrap_or("").split(' ').collect();
        let [verb, user, id] = words[..] else { return };
        let (Ok(user), Ok(id)) = (user.parse::<u64>(), id.parse::<u64>()) else {
            return;
        };
        let (key, shard) = ((user, id), (user - 1) / USERS_PER_SHARD);
        match verb {
            "S" => self.settled.entry(shard).or_default().push(key),
            "T" => {
                self.tried.insert(key);
                self.settled_before
                    .insert(key, self.settled.get(&shard).map_or(0, Vec::len));
            }
            "A" => {
                self.acknowledged.insert(key);
                let gone = self.gone.entry(shard).or_default();
                *gone = self.settled_before[&key].max(*gone);
            }
            _ => {}
        }
    }
}

/// A child at work.
struct Worker {
    child: Child,
    words: BufReader<ChildStdout>,
    diary: Diary,
}

impl Worker {
    fn start(folder: &Path, archive: bool) -> Self {
        let mut command = Command::new(env::current_exe().expect("this executable"));
        if archive {
            command.env(ARCHIVE, "1");
        }
        let mut child = command
            .args(["--exact", "the_child", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child");
        let words = BufReader::new(child.stdout.take().expect("its output"));
        Self {
            child,
            words,
            diary: Diary::default(),
        }
    }

    /// Reads along until so many records have been acknowledged.
    fn until(mut self, acknowledgements: usize) -> Self {
        while self.diary.acknowledged.len() < acknowledgements {
            assert!(self.hear(), "the child ended on its own");
        }
        self
    }

    /// Kills the child, and reads what it had said until then.
    fn kill(mut self) -> Diary {
        self.child.kill().expect("kill -9");
        while self.hear() {}
        self.child.wait().expect("its end");
        self.diary
    }

    fn hear(&mut self) -> bool {
        let mut line = String::new();
        let heard = self.words.read_line(&mut line).expect("its words") > 0;
        self.diary.note(&line);
        heard
    }
}

/// Knows what must be in a folder.
struct Court {
    folder: PathBuf,
    archive: bool,
    /// What was pending after the last round.
    pending: BTreeSet<Key>,
    /// What has ever been acknowledged.
    acknowledged: BTreeSet<Key>,
}

impl Court {
    fn new(folder: &Path, archive: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            archive,
            pending: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
        }
    }

    /// Opens the log and compares it with the diary.
    fn judge(&mut self, diary: &Diary) {
        let mut log = open(&self.folder, self.archive);
        let found = pending(&mut log);
        let settled: BTreeSet<Key> = diary.settled.values().flatten().copied().collect();
        let gone =
            |(shard, settled): (&u64, &Vec<Key>)| settled[..diary.gone.get(shard).copied().unwrap_or(0)].to_vec();
        let gone: BTreeSet<Key> = diary.settled.iter().flat_map(gone).collect();
        let known: BTreeSet<Key> = self.pending.union(&diary.acknowledged).copied().collect();
        let lost: Vec<_> = known
            .iter()
            .filter(|key| !settled.contains(key) && !found.contains(key))
            .collect();
        let invented: Vec<_> = found
            .iter()
            .filter(|key| !known.contains(key) && !diary.tried.contains(key))
            .collect();
        let risen: Vec<_> = found.intersection(&gone).collect();
        assert!(
            lost.is_empty() && invented.is_empty() && risen.is_empty(),
            "{lost:?} {invented:?} {risen:?}"
        );
        self.pending = found;
        let history = if self.archive {
            self.judge_history(&mut log, diary)
        } else {
            0
        };
        println!(
            "acknowledged {}, settled {}, pending {}, history {history}, segments {}",
            diary.acknowledged.len(),
            settled.len(),
            self.pending.len(),
            log.segments()
        );
    }

    /// From the first record that retention has left, a user's history has all that was acknowledged, settled or not, and
    /// nothing that was never tried. Returns how many records that are.
    fn judge_history(&mut self, log: &mut Log<FileDisk>, diary: &Diary) -> usize {
        self.acknowledged.extend(&diary.acknowledged);
        let mut all = 0;
        for user in 1..=SHARDS * USERS_PER_SHARD {
            let found: BTreeSet<Key> = history(log, user).into_iter().map(|id| (user, id)).collect();
            let first = found.first().copied().unwrap_or((user, u64::MAX));
            let due: BTreeSet<Key> = self.acknowledged.range(first..(user + 1, 0)).copied().collect();
            let lost: Vec<_> = due.difference(&found).collect();
            assert!(lost.is_empty(), "lost from history: {lost:?}");
            let new: Vec<_> = found
                .difference(&due)
                .filter(|key| !diary.tried.contains(key))
                .collect();
            assert!(new.is_empty(), "invented by history: {new:?}");
            // Written, and not acknowledged before the end: from now on it is there.
            self.acknowledged.extend(&found);
            all += found.len();
        }
        assert!(all > 0, "the archive reaches back a while");
        all
    }
}

fn pending(log: &mut Log<FileDisk>) -> BTreeSet<Key> {
    let mut found = BTreeSet::new();
    for user in 1..=SHARDS * USERS_PER_SHARD {
        let mut after = 0;
        let mut more = true;
        while more {
            let fetched = log.fetch(user, after, 100, u32::MAX).expect("fetch");
            more = fetched.1;
            for found_record in fetched.0 {
                let id = found_record.id;
                assert!(id > after, "record {id} of user {user} is out of order or there twice");
                assert_eq!(found_record, record(user, id));
                found.insert((user, id));
                after = id;
            }
        }
    }
    found
}

/// Ids of a user's history, newest page first.
fn history(log: &mut Log<FileDisk>, user: u64) -> Vec<u64> {
    let (mut ids, mut span) = (Vec::new(), Span::ALL);
    loop {
        let request = JournalRequest::History {
            token: 0,
            user,
            span,
            direction: Direction::Backward,
            records_max: 100,
            bytes_max: u32::MAX,
        };
        let replies = log.serve(vec![(0, request)]);
        let Some((
            _,
            JournalReply::Page {
                records,
                complete,
                edge,
                ..
            },
        )) = replies.into_iter().next()
        else {
            panic!("no page");
        };
        for found in records {
            assert_eq!(found, record(user, found.id));
            ids.push(found.id);
        }
        if complete {
            return ids;
        }
        span = span.before(edge);
    }
}

fn run(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{command}: {status}");
}
