//! Shards in one thread, driven as `engine/src/drive` drives them, with sinks instead of sockets.
//!
//! Invariants:
//! - The order of a turn is the driver's: requests for the keepers, outboxes, orders, then one chunk a lane.
//! - Chunks go through the real mailbox.
//! - Time stands still unless [`World::pass`] is called.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crosspoint_engine::guard::{LoginRates, Rate};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::limits::Limits;
use crosspoint_engine::mailbox::{Inbox, Senders, mesh};
use crosspoint_engine::metrics::Metrics;
use crosspoint_engine::scram::Remembered;
use crosspoint_engine::scram::keys::ITERATIONS_MIN;
use crosspoint_engine::session::{Now, Peer, Random};
use crosspoint_engine::shard::{Item, Order, Registration, RoomsSetup, Seat, SessionId, Setup, Shard};
use crosspoint_engine::slots::SlotTable;
use crosspoint_icpp::ticket::Tickets;
use crosspoint_icpp::{IcppConfig, IcppFront};
use crosspoint_xmpp::config::Listener;
use crosspoint_xmpp::{XmppConfig, XmppFront};

use crate::keepers::Keepers;

/// The domain of all scenes.
pub const DOMAIN: &str = "montague.example";
/// Where their rooms are.
pub const ROOMS: &str = "conference.montague.example";
/// The front-ends, by index.
pub const XMPP: usize = 0;
/// See [`XMPP`].
pub const ICPP: usize = 1;
/// Chunks that a lane holds; as many as the switch's.
const LANE_CHUNKS: usize = 64;
/// Where all clients come from.
const PEER: Peer = Peer {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    tls: None,
    listener: 0,
};

/// A client's end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    shard: usize,
    id: SessionId,
}

/// What a connection has taken.
#[derive(Debug, Default)]
struct Wire {
    /// Bytes that the session has not consumed yet.
    leftover: Vec<u8>,
    /// What it was sent, kept only while somebody listens.
    heard: Option<Vec<u8>>,
    bytes: u64,
    open: bool,
}

/// See the module.
pub struct World {
    /// Log and book of all shards.
    pub keepers: Keepers,
    /// Where the dice of all shards stand.
    dice: Arc<AtomicU64>,
    setup: Arc<Setup>,
    shards: Vec<Shard>,
    senders: Vec<Senders<Vec<Item>>>,
    inboxes: Vec<Inbox<Vec<Item>>>,
    /// By shard and place in its table.
    wires: Vec<Vec<Wire>>,
    now: Now,
    /// Taken from a mailbox, with their senders.
    chunks: Vec<(usize, Vec<Item>)>,
    dirty: Vec<SessionId>,
    orders: Vec<Order>,
    answers: Vec<Item>,
}

impl World {
    /// So many empty shards.
    ///
    /// # Panics
    /// Without shards.
    #[must_use]
    pub fn new(shards: u16) -> World {
        let count = NonZeroU16::new(shards).expect("a world has shards");
        let setup = Arc::new(Setup {
            domain: domain(),
            table: SlotTable::even(count),
            limits: Limits {
                // Time stands still: nobody's budget fills again.
                room_deliveries_burst: u32::MAX,
                room_joins_burst: u32::MAX,
                ..Limits::DEFAULT
            },
            registration: Registration::Closed,
            registrations: Rate::per_minute(std::num::NonZeroU32::MIN, std::num::NonZeroU32::MIN),
            logins: LoginRates::default(),
            scram_iterations: ITERATIONS_MIN,
            secret: [7; 32],
            remembered: Remembered::new([1; 32]),
            services: Default::default(),
            archive: false,
            administration: Default::default(),
            rooms: Some(RoomsSetup {
                domain: ROOMS.parse().expect("a good domain"),
                system: Vec::new(),
            }),
        });
        let metrics = Metrics::new(usize::from(shards));
        let config = Arc::new(config());
        let icpp = Arc::new(icpp_config());
        let dice = Arc::new(AtomicU64::new(1));
        let seat = |id: u16| Seat {
            id,
            setup: setup.clone(),
            frontends: vec![
                Box::new(XmppFront::new(config.clone())),
                Box::new(IcppFront::new(icpp.clone())),
            ],
            random: Box::new(Dice(dice.clone())),
            metrics: metrics.shard(usize::from(id)),
            record_floor: 0,
        };
        let (senders, inboxes) = mesh(usize::from(shards), usize::from(shards), LANE_CHUNKS);
        World {
            keepers: Keepers::default(),
            shards: (0..shards).map(|id| Shard::new(seat(id))).collect(),
            wires: (0..shards).map(|_| Vec::new()).collect(),
            dice,
            setup,
            senders,
            inboxes,
            now: Now {
                ms: 1,
                unix_ms: 1_700_000_000_000,
            },
            chunks: Vec::new(),
            dirty: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// A name that no one has and that lives on this shard, made from a word.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn name_on(&self, shard: u16, word: &str) -> String {
        let lives_there = |name: &String| self.setup.table.home(&address(name)) == shard;
        let mut names = (0..10_000).map(|number| format!("{word}{number}"));
        names.find(lives_there).expect("there is such a shard")
    }

    /// A connection to the home of this user, so that nobody has to move.
    ///
    /// # Panics
    /// When the shard is full.
    pub fn connect(&mut self, name: &str) -> Line {
        self.connect_to(XMPP, name)
    }

    /// The same, by the front-end with this index.
    ///
    /// # Panics
    /// When the shard is full.
    pub fn connect_to(&mut self, frontend: usize, name: &str) -> Line {
        let shard = usize::from(self.setup.table.home(&address(name)));
        self.shards[shard].begin(self.now);
        let id = self.shards[shard].open(frontend, 0, &PEER).expect("there is room");
        let wires = &mut self.wires[shard];
        let place = id.index as usize;
        if wires.len() <= place {
            wires.resize_with(place + 1, Wire::default);
        }
        wires[place] = Wire {
            open: true,
            ..Wire::default()
        };
        Line { shard, id }
    }

    /// Bytes arrive on a line; what they cause is left for [`World::turn`].
    pub fn say(&mut self, line: Line, bytes: &[u8]) {
        let Line { shard, id } = line;
        self.shards[shard].begin(self.now);
        let leftover = &mut self.wires[shard][id.index as usize].leftover;
        if leftover.is_empty() {
            let consumed = self.shards[shard].input(id, bytes);
            if consumed < bytes.len() {
                leftover.extend_from_slice(&bytes[consumed..]);
            }
        } else {
            leftover.extend_from_slice(bytes);
            self.offer_leftover(shard, id);
        }
    }

    /// Turns until nothing moves any more.
    pub fn settle(&mut self) {
        loop {
            let mut moved = false;
            for shard in 0..self.shards.len() {
                moved |= self.receive(shard);
                moved |= self.turn(shard);
            }
            if !moved {
                return;
            }
        }
    }

    /// Bytes arrive, and everything that follows from them happens.
    pub fn tell(&mut self, line: Line, bytes: &[u8]) {
        self.say(line, bytes);
        self.settle();
    }

    /// Rooms in memory.
    #[must_use]
    pub fn rooms(&self) -> u64 {
        self.shards.iter().map(|shard| shard.metrics().rooms.get()).sum()
    }

    /// From now on what a line is sent is kept.
    pub fn listen(&mut self, line: Line) {
        self.wires[line.shard][line.id.index as usize].heard = Some(Vec::new());
    }

    /// What a line was sent since [`World::listen`] or the last call; empty if nobody listens.
    pub fn heard(&mut self, line: Line) -> String {
        String::from_utf8_lossy(&self.heard_bytes(line)).into_owned()
    }

    /// The same, of a protocol that is no text.
    pub fn heard_bytes(&mut self, line: Line) -> Vec<u8> {
        let heard = &mut self.wires[line.shard][line.id.index as usize].heard;
        heard.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What a line is sent is kept no more.
    pub fn ignore(&mut self, line: Line) {
        self.wires[line.shard][line.id.index as usize].heard = None;
    }

    /// Bytes that a line was sent.
    #[must_use]
    pub fn bytes(&self, line: Line) -> u64 {
        self.wires[line.shard][line.id.index as usize].bytes
    }

    /// Whether a line has not been closed.
    #[must_use]
    pub fn is_open(&self, line: Line) -> bool {
        self.wires[line.shard][line.id.index as usize].open
    }

    /// Time passes, and the timers run.
    pub fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_ms += ms;
        for shard in &mut self.shards {
            shard.begin(self.now);
            shard.tick();
        }
        self.settle();
    }

    /// Random bytes begin again, so that the same words get the same answers.
    pub fn rewind_dice(&mut self) {
        self.dice.store(1, Relaxed);
    }

    /// Takes what others have sent. False if there was nothing.
    fn receive(&mut self, shard: usize) -> bool {
        let (home, now) = (&mut self.shards[shard], self.now);
        let chunks = &mut self.chunks;
        self.inboxes[shard].drain(LANE_CHUNKS, |from, chunk| chunks.push((from, chunk)));
        let taken = !chunks.is_empty();
        for (from, mut chunk) in chunks.drain(..) {
            for item in chunk.drain(..) {
                home.begin(now);
                home.mail(item);
            }
            self.inboxes[shard].give_back(from, chunk);
        }
        home.mailed();
        taken
    }

    /// Carries away what a shard has left behind. False if there was nothing.
    fn turn(&mut self, shard: usize) -> bool {
        if !self.shards[shard].has_output() {
            return false;
        }
        self.submit(shard);
        let mut dirty = std::mem::take(&mut self.dirty);
        self.shards[shard].take_dirty(&mut dirty);
        for id in dirty.drain(..) {
            self.flush(shard, id);
        }
        self.dirty = dirty;
        let mut orders = std::mem::take(&mut self.orders);
        self.shards[shard].take_orders(&mut orders);
        for order in orders.drain(..) {
            self.carry_out(shard, order);
        }
        self.orders = orders;
        self.ship(shard);
        let mut answers = std::mem::take(&mut self.answers);
        for item in answers.drain(..) {
            self.shards[shard].begin(self.now);
            self.shards[shard].mail(item);
        }
        self.shards[shard].mailed();
        self.answers = answers;
        true
    }

    fn submit(&mut self, shard: usize) {
        let out = self.shards[shard].outgoing();
        if !out.journal.is_empty() {
            self.keepers
                .journal(std::mem::take(&mut out.journal), &mut self.answers);
        }
        if !out.book.is_empty() {
            self.keepers.book(std::mem::take(&mut out.book), &mut self.answers);
        }
        for request in std::mem::take(&mut out.keys) {
            self.answers
                .push(Item::Keys(crosspoint_engine::keysmith::answer(request)));
        }
    }

    /// The sink takes everything at once.
    fn flush(&mut self, shard: usize, id: SessionId) {
        let Some(outbox) = self.shards[shard].outbox(id) else {
            return;
        };
        let wire = &mut self.wires[shard][id.index as usize];
        let written = outbox.len();
        wire.bytes += written as u64;
        if let Some(heard) = &mut wire.heard {
            heard.extend_from_slice(outbox);
        }
        outbox.clear();
        self.shards[shard].begin(self.now);
        self.shards[shard].flushed(id, written);
    }

    fn carry_out(&mut self, shard: usize, order: Order) {
        match order {
            Order::Close(id) => {
                self.flush(shard, id);
                self.wires[shard][id.index as usize].open = false;
                self.shards[shard].closed(id);
            }
            Order::Continue(id) => self.offer_leftover(shard, id),
            Order::HangUp(_) => panic!("nobody is silent for so long"),
            // Said again by the session when it is offered input too early.
            Order::Pause(_) => {}
            Order::StartTls(_) => panic!("scenes do not encrypt"),
            Order::Move { .. } | Order::Attach(..) => panic!("clients connect where they live"),
            Order::Connect { .. } => panic!("scenes open no connections"),
        }
    }

    fn offer_leftover(&mut self, shard: usize, id: SessionId) {
        let mut leftover = std::mem::take(&mut self.wires[shard][id.index as usize].leftover);
        if !leftover.is_empty() {
            let consumed = self.shards[shard].input(id, &leftover);
            leftover.drain(..consumed);
            self.wires[shard][id.index as usize].leftover = leftover;
        }
    }

    fn ship(&mut self, shard: usize) {
        for target in 0..self.shards.len() {
            let filling = &mut self.shards[shard].outgoing().lanes[target];
            if filling.is_empty() {
                continue;
            }
            let spare = self.senders[shard].spare(target).unwrap_or_default();
            let chunk = std::mem::replace(filling, spare);
            if self.senders[shard].push(target, chunk).is_err() {
                panic!("a lane is full although everybody takes turns");
            }
        }
    }
}

/// The domain served.
#[must_use]
pub fn domain() -> Jid {
    DOMAIN.parse().expect("a good name")
}

/// The bare address of a name.
///
/// # Panics
/// When it is not a name.
#[must_use]
pub fn address(name: &str) -> Jid {
    format!("{name}@{DOMAIN}").parse().expect("scenes use good names")
}

/// The defaults, but nobody is slowed down, and one listener without TLS.
fn config() -> XmppConfig {
    let mut config = XmppConfig::new(domain(), Arc::new(|| None));
    config.listeners = vec![Listener::PLAIN];
    config.limits.inbound_bytes_per_s = 0;
    config.limits.inbound_stanzas_per_s = 0;
    config
}

/// The defaults, but nobody is slowed down, and one listener without TLS.
fn icpp_config() -> IcppConfig {
    let mut limits = crosspoint_icpp::limits::Limits::DEFAULT;
    (limits.pace.bytes_per_s, limits.pace.frames_per_s) = (0, 0);
    IcppConfig {
        domain: domain(),
        rooms: None,
        node: "bench".to_owned(),
        listeners: vec![crosspoint_icpp::config::Listener {
            cipher: None,
            private: true,
            trunk: false,
        }],
        limits,
        tickets: Tickets::new([7; 32], 0),
        drain_ms: 0,
        drain_to: None,
        homes: Vec::new(),
        figures: Arc::default(),
        trunk: None,
    }
}

/// Bytes that look random (splitmix64), the same in every run.
struct Dice(Arc<AtomicU64>);

impl Random for Dice {
    fn fill(&mut self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            let step = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
            let mut mixed = step;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            piece.copy_from_slice(&mixed.to_le_bytes()[..piece.len()]);
        }
    }
}
