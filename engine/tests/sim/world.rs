//! The world of a play: shards, lanes, keepers and clients, and the dice that say who moves next.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crosspoint_engine::accounts::{self, Account};
use crosspoint_engine::guard::{LoginRates, Rate};
use crosspoint_engine::keysmith;
use crosspoint_engine::limits::Limits;
use crosspoint_engine::metrics::Metrics;
use crosspoint_engine::scram::{AccountKeys, Remembered, keys};
use crosspoint_engine::session::{Now, Peer, Random};
use crosspoint_engine::shard::{Item, KeyRequest, Order, Registration, RoomsSetup, Seat, SessionId, Setup, Shard};
use crosspoint_engine::slots::SlotTable;
use crosspoint_engine::store;
use crosspoint_storage::book::BookCore;
use crosspoint_storage::disk::MemDisk;
use crosspoint_storage::log::{ArchiveOptions, Log, LogOptions, Read, ReadDesk, Reader};
use crosspoint_storage::seam::{BookRead, BookRequest, JournalRequest, Table};

use super::client::{DOMAIN, LineFront, ROOMS, address};
use super::services::services;

/// Steps after which a play that has not come to rest is taken for one that never will.
const STEPS_MAX: u32 = 200_000;

/// Everybody who has an account.
pub const CAST: [&str; 4] = ["romeo", "juliet", "nurse", "mercutio"];

/// Small, so that plays reach them.
pub const LIMITS: Limits = Limits {
    queue_records: 50,
    queue_page_records: 4,
    queue_page_bytes: 1000,
    presence_tells_per_second: 100,
    presence_tells_burst: 300,
    outbox_soft_bytes: 300,
    outbox_hard_bytes: 3000,
    carrier_soft_bytes: 600,
    carrier_hard_bytes: 30_000,
    passenger_unread_bytes: 200,
    occupants_per_room: 10,
    room_deliveries_per_second: 1,
    room_deliveries_burst: 1_320,
    room_joins_per_minute: 1,
    room_joins_burst: 20,
    ..Limits::DEFAULT
};

/// A seeded generator (splitmix64).
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }
}

impl Random for Dice {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.roll() as u8);
    }
}

/// A client's end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line(usize);

struct Wire {
    /// Where the session is; `None` while it moves, and when it is over.
    at: Option<(usize, SessionId)>,
    alive: bool,
    /// The client does not read what it is sent.
    stalled: bool,
    /// Typed and not read yet.
    typed: VecDeque<String>,
    heard: Vec<String>,
}

pub struct World {
    pub dice: Dice,
    shards: Vec<Shard>,
    lanes: BTreeMap<(usize, usize), VecDeque<Vec<Item>>>,
    journal: VecDeque<(usize, JournalRequest)>,
    book: VecDeque<(usize, BookRequest)>,
    keys: VecDeque<(usize, KeyRequest)>,
    /// Passwords that had to be derived from.
    derived: usize,
    disk: MemDisk,
    log: Log<MemDisk>,
    reader: Reader<MemDisk>,
    reads: Reads,
    pages: BookCore,
    wires: Vec<Wire>,
    now_ms: u64,
    /// How long the front-ends see their sessions off by themselves.
    patience_ms: Option<u64>,
    setup: Arc<Setup>,
}

impl World {
    /// Three shards and the cast's accounts.
    pub fn new(seed: u64) -> World {
        let dice = Dice(seed);
        let mut pages = BookCore::in_memory().expect("memory does not fail");
        static KEYS: OnceLock<AccountKeys> = OnceLock::new();
        let keys =
            KEYS.get_or_init(|| keys::derive("pencil", &[1; 16], keys::ITERATIONS_MIN).expect("a good password"));
        for name in CAST {
            let row = accounts::creation(
                &address(name),
                &Account {
                    keys: keys.clone(),
                    created_unix_ms: 1,
                    disabled: false,
                },
            );
            pages.write(&[row]).expect("memory does not fail");
        }
        let disk = MemDisk::new();
        let (log, reader, reads) = open_log(disk.clone());
        let n = |number| NonZeroU32::new(number).expect("not zero");
        let setup = Arc::new(Setup {
            domain: DOMAIN.parse().expect("a good name"),
            table: SlotTable::even(NonZeroU16::new(3).expect("not zero")),
            limits: LIMITS,
            registration: Registration::Open,
            registrations: Rate::per_minute(n(1), n(1)),
            logins: LoginRates::default(),
            scram_iterations: keys::ITERATIONS_MIN,
            secret: [0; 32],
            remembered: Remembered::new([1; 32]),
            archive: true,
            rooms: Some(RoomsSetup {
                domain: ROOMS.parse().expect("a good name"),
                system: vec![("lobby".to_owned(), Vec::new())],
            }),
            administration: Default::default(),
            services: services(),
        });
        let mut world = World {
            dice,
            shards: Vec::new(),
            lanes: BTreeMap::new(),
            journal: VecDeque::new(),
            book: VecDeque::new(),
            keys: VecDeque::new(),
            derived: 0,
            disk,
            log,
            reader,
            reads,
            pages,
            wires: Vec::new(),
            now_ms: 0,
            patience_ms: None,
            setup,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let count = usize::from(self.setup.table.shards());
        let metrics = Metrics::new(count);
        self.shards = (0..count)
            .map(|id| {
                Shard::new(Seat {
                    id: id as u16,
                    setup: self.setup.clone(),
                    frontends: vec![Box::new(LineFront {
                        patience_ms: self.patience_ms,
                        ..LineFront::default()
                    })],
                    random: Box::new(Dice(self.dice.roll())),
                    metrics: metrics.shard(id),
                    record_floor: self.log.highest_id(),
                })
            })
            .collect();
    }

    /// The power goes: all that is not on the disk is gone, and every line is cut.
    pub fn crash(&mut self) {
        self.lanes.clear();
        self.journal.clear();
        self.book.clear();
        self.keys.clear();
        self.disk = self.disk.crash();
        (self.log, self.reader, self.reads) = open_log(self.disk.clone());
        for wire in &mut self.wires {
            (wire.at, wire.alive) = (None, false);
        }
        self.now_ms += 1000;
        self.start();
    }

    /// A client connects to some shard, logs in and binds; the rest happens when its turn comes.
    pub fn enter(&mut self, name: &str, resource: &str, reliable: bool) -> Line {
        let line = self.connect();
        self.type_in(
            line,
            &format!("login {name}{}", if reliable { " reliable" } else { "" }),
        );
        self.until(line, "homed");
        self.type_in(line, &format!("bind {resource}"));
        self.until(line, "bound");
        line
    }

    /// A connection that has said nothing.
    pub fn connect(&mut self) -> Line {
        let shard = self.dice.below(self.shards.len());
        self.connect_to(shard, 0)
    }

    fn connect_to(&mut self, shard: usize, listener: usize) -> Line {
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: None,
            listener,
        };
        let now = self.now();
        self.shards[shard].begin(now);
        let id = self.shards[shard].open(0, listener, &peer).expect("there is room");
        let line = self.string(shard, id);
        self.carry(shard);
        line
    }

    fn string(&mut self, shard: usize, id: SessionId) -> Line {
        self.wires.push(Wire {
            at: Some((shard, id)),
            alive: true,
            stalled: false,
            typed: VecDeque::new(),
            heard: Vec::new(),
        });
        Line(self.wires.len() - 1)
    }

    /// Two lines to the same shard.
    pub fn neighbours(&mut self) -> (Line, Line) {
        let shard = self.dice.below(self.shards.len());
        (self.connect_to(shard, 0), self.connect_to(shard, 0))
    }

    /// A line that carries others, wherever it arrives, goes to where somebody lives.
    pub fn carrier(&mut self, to_home_of: &str) -> Line {
        let shard = self.dice.below(self.shards.len());
        let line = self.connect_to(shard, 1);
        self.type_in(line, &format!("place {}", self.home(to_home_of)));
        self.until(line, "placed");
        line
    }

    /// A line of somebody who could be a service.
    pub fn connect_service(&mut self) -> Line {
        let shard = self.dice.below(self.shards.len());
        self.connect_to(shard, 2)
    }

    /// A service that has attached itself.
    pub fn service(&mut self, domain: &str) -> Line {
        let line = self.connect_service();
        self.type_in(line, &format!("attach {domain}"));
        self.until(line, "attached true");
        line
    }

    /// From now on the account has keys of SHA-1 alone, as from another server.
    pub fn keep_sha1_alone(&mut self, name: &str) {
        let mut account = self.account(name);
        account.keys = AccountKeys::of_hashed(&account.keys.hashed()[..1]).expect("good keys");
        let row = accounts::replacement(&address(name), &account);
        self.pages.write(&row).expect("memory does not fail");
    }

    /// What the book has of an account.
    pub fn account(&self, name: &str) -> Account {
        let read = BookRead::Get {
            table: Table::Account,
            key: store::user_key(&address(name)),
        };
        let rows = self.pages.read(&[read]).expect("memory does not fail");
        Account::decode(&rows[0][0].value).expect("an account")
    }

    /// Which shard somebody lives on.
    pub fn home(&self, name: &str) -> u16 {
        self.setup.table.home(&address(name))
    }

    /// Where a line has ended up.
    pub fn shard_of(&self, line: Line) -> Option<u16> {
        self.wires[line.0].at.map(|(shard, _)| shard as u16)
    }

    /// A passenger gets in, logs in and binds.
    pub fn board(&mut self, carrier: Line, key: u16, name: &str, reliable: bool) {
        let reliable = if reliable { " reliable" } else { "" };
        self.type_in(carrier, &format!("embark {key}"));
        self.type_in(carrier, &format!("{key}:login {name}{reliable}"));
        self.until(carrier, &format!("{key}:homed"));
        self.type_in(carrier, &format!("{key}:bind balcony"));
        self.until(carrier, &format!("{key}:bound"));
    }

    /// From the next start on, front-ends see their sessions off by themselves.
    pub fn be_patient(&mut self, ms: u64) {
        self.patience_ms = Some(ms);
        self.start();
    }

    /// The line that was strung last.
    pub fn last_line(&self) -> Line {
        Line(self.wires.len() - 1)
    }

    /// Somebody logs in whose home is elsewhere, and before the driver has heard of the move somebody else connects:
    /// their places.
    pub fn places_of_a_move_and_an_arrival(&mut self) -> (u32, u32) {
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: None,
            listener: 0,
        };
        let home = usize::from(self.setup.table.home(&address("juliet")));
        let shard = &mut self.shards[(home + 1) % 3];
        let juliet = shard.open(0, 0, &peer).expect("there is room");
        shard.input(juliet, b"login juliet\n");
        let next = shard.open(0, 0, &peer).expect("there is room");
        (juliet.index, next.index)
    }

    /// How many connections of one address may stand before the door at a time, and whether one more may when one leaves.
    pub fn knock(&mut self) -> (usize, bool) {
        let (peer, shard) = (IpAddr::V4(Ipv4Addr::LOCALHOST), &mut self.shards[0]);
        let count = (0..).take_while(|_| shard.begin_handshake(peer)).count();
        shard.end_handshake(peer);
        (count, shard.begin_handshake(peer) && !shard.begin_handshake(peer))
    }

    /// Types a command; it is read when the dice say so.
    pub fn type_in(&mut self, line: Line, command: &str) {
        self.wires[line.0].typed.push_back(format!("{command}\n"));
    }

    /// Cuts a line without a word.
    pub fn cut(&mut self, line: Line) {
        let wire = &mut self.wires[line.0];
        wire.alive = false;
        if let Some((shard, id)) = wire.at.take() {
            let now = self.now();
            self.shards[shard].begin(now);
            self.shards[shard].lost(id);
            self.carry(shard);
        }
    }

    /// A client stops reading...
    pub fn stall(&mut self, line: Line) {
        self.wires[line.0].stalled = true;
    }

    /// ...and reads again.
    pub fn unstall(&mut self, line: Line) {
        self.wires[line.0].stalled = false;
        if let Some((shard, id)) = self.wires[line.0].at {
            let now = self.now();
            self.shards[shard].begin(now);
            self.flush(shard, id);
            self.carry(shard);
        }
    }

    /// Everybody is told to go.
    pub fn drain(&mut self) {
        for shard in 0..self.shards.len() {
            self.receive(shard, vec![Item::Drain]);
        }
        self.settle();
    }

    /// Whether nothing is left to say, to write or to wait for.
    pub fn is_drained(&self) -> bool {
        self.shards.iter().all(Shard::is_drained)
    }

    /// A figure, summed over the shards.
    pub fn count(&self, figure: impl Fn(&crosspoint_engine::metrics::ShardMetrics) -> u64) -> u64 {
        self.shards.iter().map(|shard| figure(shard.metrics())).sum()
    }

    /// How often keys were derived.
    pub fn derived(&self) -> usize {
        self.derived
    }

    /// Everything that a client has been told.
    pub fn heard(&self, line: Line) -> &[String] {
        &self.wires[line.0].heard
    }

    /// What a client has been told that begins with a word.
    pub fn heard_of(&self, line: Line, word: &str) -> Vec<String> {
        self.heard(line)
            .iter()
            .filter(|said| said.starts_with(word))
            .cloned()
            .collect()
    }

    /// Moves until a client has been told something.
    pub fn until(&mut self, line: Line, word: &str) {
        for _ in 0..STEPS_MAX {
            if self.heard(line).iter().any(|said| said.starts_with(word)) {
                return;
            }
            assert!(
                self.step(),
                "everything is at rest, but {line:?} never heard {word:?}: {:?}",
                self.heard(line)
            );
        }
        panic!("{line:?} never heard {word:?}");
    }

    /// Moves until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("the play does not come to rest");
    }

    /// Moves a few times, wherever that leads.
    pub fn stumble(&mut self, steps: usize) {
        for _ in 0..self.dice.below(steps) {
            self.step();
        }
    }

    /// Time passes, for everybody.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let now = self.now();
        for shard in 0..self.shards.len() {
            self.shards[shard].begin(now);
            self.shards[shard].tick();
            self.carry(shard);
        }
    }

    /// How many messages the log holds for a user.
    pub fn pending(&self, name: &str) -> u64 {
        self.log
            .pending(crosspoint_engine::slots::UserKey::of(&address(name)).0)
            .records
    }

    /// How many clients of a user have tokens in the book.
    pub fn tokens(&self, name: &str) -> usize {
        let read = BookRead::Prefix {
            table: Table::Token,
            prefix: store::user_prefix(&address(name)),
            after: Default::default(),
            rows_max: u32::MAX,
        };
        self.pages.read(&[read]).expect("memory does not fail")[0].len()
    }

    /// How many rows a table of the book has.
    pub fn rows(&self, table: crosspoint_engine::service::Table) -> usize {
        let all = crosspoint_engine::service::BookRead::Prefix {
            table,
            prefix: Default::default(),
            after: Default::default(),
            rows_max: u32::MAX,
        };
        self.pages.read(&[all]).expect("memory does not fail")[0].len()
    }

    fn now(&self) -> Now {
        Now {
            ms: self.now_ms,
            unix_ms: 1_700_000_000_000 + self.now_ms,
        }
    }

    /// One thing happens, chosen by the dice among all that could. False when nothing can.
    fn step(&mut self) -> bool {
        let mut moves: Vec<Move> = Vec::new();
        moves.extend(
            self.lanes
                .iter()
                .filter(|(_, lane)| !lane.is_empty())
                .map(|(ends, _)| Move::Lane(*ends)),
        );
        if !self.journal.is_empty() {
            moves.push(Move::Journal);
        }
        if !self.reads.is_empty() {
            moves.push(Move::Answer);
        }
        if !self.book.is_empty() {
            moves.push(Move::Book);
        }
        if !self.keys.is_empty() {
            moves.push(Move::Keys);
        }
        let typed = self.wires.iter().enumerate();
        moves.extend(
            typed
                .filter(|(_, wire)| wire.at.is_some() && !wire.typed.is_empty())
                .map(|(index, _)| Move::Read(index)),
        );
        if moves.is_empty() {
            return false;
        }
        let chosen = moves.swap_remove(self.dice.below(moves.len()));
        if self.dice.below(4) == 0 {
            self.now_ms += 1;
        }
        self.make(chosen);
        true
    }

    fn make(&mut self, chosen: Move) {
        match chosen {
            Move::Lane((from, to)) => {
                let chunk = self
                    .lanes
                    .get_mut(&(from, to))
                    .and_then(VecDeque::pop_front)
                    .unwrap_or_default();
                self.receive(to, chunk);
            }
            Move::Journal => {
                let count = 1 + self.dice.below(self.journal.len());
                let group = self.journal.drain(..count).collect();
                let replies = self.log.serve(group);
                for (shard, reply) in replies {
                    self.receive(shard, vec![Item::Journal(reply)]);
                }
            }
            Move::Answer => {
                if let Some((shard, read)) = self.reads.take() {
                    let reply = self.reader.answer(read);
                    self.receive(shard, vec![Item::Journal(reply)]);
                }
            }
            Move::Book => {
                let count = 1 + self.dice.below(self.book.len());
                let group = self.book.drain(..count).collect();
                let replies = self.pages.serve(group);
                for (shard, reply) in replies {
                    self.receive(shard, vec![Item::Book(reply)]);
                }
            }
            Move::Keys => {
                if let Some((shard, request)) = self.keys.pop_front() {
                    self.derived += 1;
                    self.receive(shard, vec![Item::Keys(keysmith::answer(request))]);
                }
            }
            Move::Read(index) => {
                let Some((shard, id)) = self.wires[index].at else {
                    return;
                };
                let line = self.wires[index].typed.pop_front().unwrap_or_default();
                let now = self.now();
                self.shards[shard].begin(now);
                let consumed = self.shards[shard].input(id, line.as_bytes());
                assert_eq!(consumed, line.len());
                self.carry(shard);
            }
        }
    }

    fn receive(&mut self, shard: usize, chunk: Vec<Item>) {
        let now = self.now();
        self.shards[shard].begin(now);
        for item in chunk {
            self.shards[shard].mail(item);
        }
        self.shards[shard].mailed();
        self.carry(shard);
    }

    /// What the driver's turn does: requests, writes, orders, chunks.
    fn carry(&mut self, shard: usize) {
        while self.shards[shard].has_output() {
            let out = self.shards[shard].outgoing();
            self.journal.extend(
                std::mem::take(&mut out.journal)
                    .into_iter()
                    .map(|request| (shard, request)),
            );
            self.book.extend(
                std::mem::take(&mut out.book)
                    .into_iter()
                    .map(|request| (shard, request)),
            );
            self.keys.extend(
                std::mem::take(&mut out.keys)
                    .into_iter()
                    .map(|request| (shard, request)),
            );
            let mut dirty = Vec::new();
            self.shards[shard].take_dirty(&mut dirty);
            for id in dirty {
                self.flush(shard, id);
            }
            let mut orders = Vec::new();
            self.shards[shard].take_orders(&mut orders);
            for order in orders {
                self.carry_out(shard, order);
            }
            for target in 0..self.shards.len() {
                let chunk = std::mem::take(&mut self.shards[shard].outgoing().lanes[target]);
                if !chunk.is_empty() {
                    self.lanes.entry((shard, target)).or_default().push_back(chunk);
                }
            }
        }
    }

    /// Bytes of a session whose line is still on its way wait for it.
    fn flush(&mut self, shard: usize, id: SessionId) {
        let Some(wire) = self.wires.iter_mut().find(|wire| wire.at == Some((shard, id))) else {
            return;
        };
        if wire.stalled {
            return;
        }
        let Some(bytes) = self.shards[shard].outbox(id).map(std::mem::take) else {
            return;
        };
        wire.heard.extend(
            String::from_utf8(bytes.clone())
                .expect("plays are text")
                .lines()
                .map(str::to_owned),
        );
        self.shards[shard].flushed(id, bytes.len());
    }

    fn carry_out(&mut self, shard: usize, order: Order) {
        match order {
            Order::HangUp(id) => {
                self.flush(shard, id);
                if let Some(line) = self.wires.iter().position(|wire| wire.at == Some((shard, id))) {
                    self.cut(Line(line));
                }
            }
            Order::Close(id) => {
                self.flush(shard, id);
                if let Some(wire) = self.wires.iter_mut().find(|wire| wire.at == Some((shard, id))) {
                    (wire.at, wire.alive) = (None, false);
                }
                self.shards[shard].closed(id);
            }
            Order::Move {
                from,
                shard: target,
                mut adopt,
            } => {
                let wire = self
                    .wires
                    .iter_mut()
                    .position(|wire| wire.at == Some((shard, from)))
                    .expect("who moves has a line");
                self.wires[wire].at = None;
                adopt.transport = Some(Box::new(wire));
                self.shards[shard].outgoing().lanes[target as usize].push(Item::Adopt(adopt));
            }
            Order::Attach(id, transport) => {
                let wire = *transport
                    .and_then(|wire| wire.downcast::<usize>().ok())
                    .expect("the line came along");
                if self.wires[wire].alive {
                    self.wires[wire].at = Some((shard, id));
                    self.flush(shard, id);
                } else {
                    self.shards[shard].lost(id);
                }
            }
            Order::Connect { frontend, key, .. } => {
                let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
                if let Some(id) = self.shards[shard].connected(frontend, key, peer) {
                    self.string(shard, id);
                    self.flush(shard, id);
                }
            }
            Order::StartTls(_) | Order::Pause(_) | Order::Continue(_) => {}
        }
    }
}

enum Move {
    Lane((usize, usize)),
    Journal,
    /// The log's reader has read something.
    Answer,
    Book,
    Keys,
    Read(usize),
}

/// What the log wants to be read, for some later moment.
#[derive(Clone, Default)]
struct Reads(Arc<Mutex<VecDeque<(usize, Read)>>>);

impl Reads {
    fn with<R>(&self, act: impl FnOnce(&mut VecDeque<(usize, Read)>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        self.with(|reads| reads.is_empty())
    }

    fn take(&self) -> Option<(usize, Read)> {
        self.with(VecDeque::pop_front)
    }
}

impl ReadDesk for Reads {
    fn take(&mut self, shard: usize, read: Read) -> Result<(), Read> {
        self.with(|reads| reads.push_back((shard, read)));
        Ok(())
    }
}

fn open_log(disk: MemDisk) -> (Log<MemDisk>, Reader<MemDisk>, Reads) {
    let options = LogOptions {
        segment_bytes: 64 * 1024,
        batch_bytes_max: 8 * 1024,
        record_bytes_max: 4 * 1024,
        salt: Some(1),
        archive: Some(ArchiveOptions::default()),
        ..LogOptions::default()
    };
    let mut log = Log::open(disk, options).expect("what was durable can be opened");
    let (reader, reads) = (log.reader(), Reads::default());
    log.send_reads_to(Some(Box::new(reads.clone())));
    (log, reader, reads)
}
