//! A shard: the users of its slots, their sessions, and everything that happens to them. Plain synchronous code.
//!
//! Read in this order: `mod.rs` (the shape, and how a turn runs), `sessions.rs` (the clients), `actions.rs` (what they
//! ask for), `router.rs` (whose home is it), `messages.rs`, `presence.rs`, `subscriptions.rs`, `queries.rs` (what arrives
//! there), `queue.rs` (what waits), `loading.rs` (who is in memory).
//!
//! Invariants:
//! - One thread, no `await`, no lock, no I/O: whoever drives a shard (the ring in `drive/`, the simulator) calls an entry
//!   point, then carries away what has piled up in [`Shard::dirty`], [`Shard::orders`] and [`Shard::outgoing`].
//! - An entry point leaves no work behind: the backlog is empty when it returns. Work enqueues, it never recurses.
//! - Nothing here knows a wire format. Time and randomness come from outside.

mod accounts;
mod actions;
mod administration;
mod allows;
mod attached;
mod badges;
mod blocks;
mod calls;
mod completion;
mod feeding;
mod greetings;
mod history;
mod host;
mod inquiries;
mod ledger;
mod loading;
mod mail;
mod messages;
mod notices;
mod passengers;
mod presence;
mod queries;
mod queue;
mod relay;
mod rooms;
mod roster_ops;
mod router;
mod scribe;
mod sessions;
mod showing;
mod spent;
mod subscriptions;
mod survey;
mod table;
mod timers;
mod tokens;
mod translate;
mod turns;
mod user;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use sha2::Digest as _;

use crate::administration::{Administration, Service};
use crate::attached::Services;
use crate::envelope::Codec;
use crate::guard::{Budgets, LoginGuard, LoginRates, Rate};
use crate::jid::Jid;
use crate::limits::Limits;
use crate::metrics::ShardMetrics;
use crate::metrics::split::Split;
use crate::rooms::RoomSpeech;
use crate::rt::Shared;
use crate::scram::Remembered;
use crate::service::{Dresser, Frontend, RosterChange, Translator};
use crate::session::{Action, Now, Random};
use crate::slots::SlotTable;
use crate::stable::StableKey;
use crate::store::RecordId;
use crate::wheel::Wheel;

pub use accounts::KeyRequest;
pub use administration::{Errand, Told};
pub use badges::BADGE_BYTES_MAX;
pub use inquiries::{INQUIRIES_MAX, INQUIRY_MS, INQUIRY_PREFIX};
pub use mail::{Adopt, Item, KeyReply, Outgoing, Routed, Ticket, Transport};
pub use rooms::{Fan, Listing, RoomNews, RoomsSetup};
pub use sessions::{Order, Refused};
pub use table::SessionId;
pub use turns::TURNS_WAITING_MAX;
pub use waiting::{QUIET_MAX, QUIET_MS};

use inquiries::Inquiries;
use ledger::Ledger;
use notices::Notice;
use rooms::Rooms;
use showing::Showing;
use spent::Spent;
use table::Sessions;
use tokens::TokenDesk;
use translate::Translation;
use turns::Turns;
use user::Users;
use waiting::Wakes;

/// What all shards of a switch have in common.
#[derive(Debug)]
pub struct Setup {
    /// The domain served.
    pub domain: Jid,
    /// Who lives where.
    pub table: SlotTable,
    /// The bounds.
    pub limits: Limits,
    /// Who may make accounts in band...
    pub registration: Registration,
    /// ...and how often from one network.
    pub registrations: Rate,
    /// How many wrong passwords are tolerated.
    pub logins: LoginRates,
    /// PBKDF2 iterations of new passwords, and of the keys that unknown accounts seem to have.
    pub scram_iterations: u32,
    /// Makes up the keys of unknown accounts; the same for ever, never shown.
    pub secret: [u8; 32],
    /// Passwords that were right lately.
    pub remembered: Remembered,
    /// Whether messages are kept after they were delivered.
    pub archive: bool,
    /// Who may give orders, and what was ordered.
    pub administration: Administration,
    /// The domains that attached services answer for.
    pub services: Services,
    /// Conversations of many, if there are any.
    pub rooms: Option<RoomsSetup>,
}

impl Setup {
    /// Names the log of this installation: record ids of another mean nothing.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        // The secret is as old as the data folder. It cannot be told from its hash.
        xxhash_rust::xxh3::xxh3_64_with_seed(&sha2::Sha256::digest(self.secret), 0)
    }
}

/// Who may make accounts in band (XEP-0077).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Anybody, within the budget of his address.
    Open,
}

/// What one shard is given when it is made.
pub struct Seat {
    /// Which shard.
    pub id: u16,
    /// Common to all.
    pub setup: Arc<Setup>,
    /// This shard's front-ends; listeners and codecs refer to them by index.
    pub frontends: Vec<Box<dyn Frontend>>,
    /// Unpredictable bytes.
    pub random: Box<dyn Random>,
    /// Where it counts.
    pub metrics: Shared<ShardMetrics>,
    /// Message identities continue above this: the highest that the log has seen.
    pub record_floor: RecordId,
}

/// How fine the timers are.
const TIMER_TICK_MS: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Emptied batches of actions kept for reuse...
const SPARE_BATCHES_MAX: usize = 16;
/// ...of at most so many actions each: what one read of small stanzas gives.
const SPARE_BATCH_ACTIONS_MAX: usize = 1024;
/// Networks that have registered accounts lately and are told apart.
const REGISTERING_NETWORKS_MAX: usize = 1024;

/// Attempts are counted at the home of the account that they are for, so each shard has its share of what a network or
/// everybody may do, and one alone has what an account may see.
fn share_rates(rates: LoginRates, shards: u16) -> LoginRates {
    let shards = NonZeroU32::new(u32::from(shards)).unwrap_or(NonZeroU32::MIN);
    LoginRates {
        network: rates.network.shared_by(shards),
        account: rates.account,
        global: rates.global.shared_by(shards),
    }
}

/// A core's users and sessions. See the module.
pub struct Shard {
    id: u16,
    setup: Arc<Setup>,
    now: Now,
    random: Box<dyn Random>,
    metrics: Shared<ShardMetrics>,
    split: Rc<Split>,
    frontends: Vec<Option<Box<dyn Frontend>>>,
    /// What each of them writes, and how that is said to others.
    codecs: Vec<(Codec, Translator)>,
    /// How those that know rooms speak with them.
    speeches: Vec<(Codec, RoomSpeech)>,
    /// How each of them shows a user's badge.
    dressers: Vec<Dresser>,
    sessions: Sessions,
    users: Users,
    /// Services that are at home here, and which session each is.
    attached: Vec<(Jid, SessionId)>,
    rooms: Rooms,
    /// What front-ends are to be told of rosters.
    roster_changes: VecDeque<RosterChange>,
    /// What the switch has asked others.
    inquiries: Inquiries,
    /// For whom something waits.
    wakes: Wakes,
    ledger: Ledger,
    logins: LoginGuard,
    /// What sessions show that has not been paid for.
    showing: Showing,
    /// What was good once, and is used up.
    spent: Spent,
    /// Whose tokens are being looked at.
    tokens: TokenDesk,
    /// What was last said in neutral words.
    translation: Option<Translation>,
    /// What front-ends are to be told when none of them is at work.
    notices: VecDeque<Notice>,
    /// Who may change what a user keeps.
    turns: Turns,
    registrations: Budgets,
    /// Connections that have not authenticated, by network.
    unauthenticated: HashMap<u128, u32>,
    wheel: Wheel,
    /// Who waits for a moment to be over: since the last time that one was, and since the time before.
    lingering: [Vec<SessionId>; 2],
    /// What sessions have asked for, a batch for each call: an action is moved out of its batch once, and never before.
    backlog: VecDeque<(SessionId, Vec<Action>)>,
    /// Who took the place of whom by resuming, and until when news for the old one may still come.
    heirs: HashMap<SessionId, (SessionId, u64)>,
    scratch: Vec<Action>,
    /// Batches that were emptied, kept for the next calls.
    spare_batches: Vec<Vec<Action>>,
    accepted: Vec<(SessionId, u64)>,
    /// Given back by sessions that are ending; routed once those are gone.
    returned: Vec<crate::envelope::Envelope>,
    dirty: Vec<SessionId>,
    orders: Vec<Order>,
    outgoing: Outgoing,
    record_last: RecordId,
    scribe: scribe::Scribe,
    /// How clients know records.
    stable: StableKey,
    /// Users who read their histories.
    readers: history::Readers,
    draining: bool,
    /// Until when front-ends see their sessions off by themselves.
    drain_until: Option<u64>,
    /// The log takes no more: nothing that needs it is accepted.
    log_failed: bool,
    /// What administrators have laid down.
    service: Arc<Service>,
    /// Looks at all users that are under way.
    surveys: VecDeque<survey::Survey>,
    /// When an administrator wants the end.
    ending: administration::Due,
}

impl Shard {
    /// An empty shard.
    pub fn new(seat: Seat) -> Shard {
        let shards = seat.setup.table.shards();
        let mut random = seat.random;
        let mut seed = [0; 8];
        random.fill(&mut seed);
        let seed = u64::from_le_bytes(seed);
        Shard {
            id: seat.id,
            now: Now { ms: 0, unix_ms: 0 },
            random,
            split: Rc::new(Split::new(seat.metrics.clone())),
            metrics: seat.metrics,
            codecs: seat
                .frontends
                .iter()
                .map(|front| (front.codec(), front.translator()))
                .collect(),
            speeches: seat
                .frontends
                .iter()
                .filter_map(|front| Some((front.codec(), front.room_speech()?)))
                .collect(),
            dressers: seat.frontends.iter().map(|front| front.dresser()).collect(),
            frontends: seat.frontends.into_iter().map(Some).collect(),
            sessions: Sessions::new(seat.setup.limits.connections_per_shard),
            users: Users::default(),
            attached: Vec::new(),
            rooms: Rooms::default(),
            roster_changes: VecDeque::new(),
            inquiries: Inquiries::default(),
            wakes: Wakes::default(),
            ledger: Ledger::new(seat.setup.limits.requests_per_shard),
            showing: Showing::new(&seat.setup.limits, seed),
            spent: Spent::default(),
            tokens: TokenDesk::default(),
            translation: None,
            notices: VecDeque::new(),
            turns: Turns::default(),
            logins: LoginGuard::new(share_rates(seat.setup.logins, shards), seed),
            registrations: Budgets::new(seat.setup.registrations, REGISTERING_NETWORKS_MAX, seed),
            unauthenticated: HashMap::new(),
            wheel: Wheel::new(TIMER_TICK_MS, 0),
            lingering: Default::default(),
            backlog: VecDeque::new(),
            heirs: HashMap::new(),
            scratch: Vec::new(),
            spare_batches: Vec::new(),
            accepted: Vec::new(),
            returned: Vec::new(),
            dirty: Vec::new(),
            orders: Vec::new(),
            outgoing: Outgoing::new(shards as usize),
            record_last: seat.record_floor,
            scribe: scribe::Scribe::default(),
            service: seat.setup.administration.service.clone(),
            surveys: VecDeque::new(),
            ending: None,
            stable: StableKey::new(&seat.setup.secret),
            readers: history::Readers::default(),
            setup: seat.setup,
            draining: false,
            drain_until: None,
            log_failed: false,
        }
    }

    /// Begins a turn: all that is done until the next call happens at this time.
    pub fn begin(&mut self, now: Now) {
        self.now = now;
    }

    /// Which shard this is.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// What this shard counts.
    pub fn metrics(&self) -> &Shared<ShardMetrics> {
        &self.metrics
    }

    /// The clock of a message's stages, for the driver.
    pub fn split(&self) -> Rc<Split> {
        self.split.clone()
    }

    /// Something that arrived in the mailbox. After the last of what came together, [`Shard::mailed`] is to be called.
    pub fn mail(&mut self, item: Item) {
        // Sessions are told once what of theirs is safe, whatever number of messages that is.
        let waits = matches!(item, Item::Accepted { .. });
        self.take_mail(item);
        if !waits {
            self.run();
        }
    }

    /// All that came together has been taken in.
    pub fn mailed(&mut self) {
        if !self.accepted.is_empty() {
            self.run();
        }
    }

    /// Time has passed: timers, idle users. Called some ten times a second.
    pub fn tick(&mut self) {
        self.expire_timers();
        self.tell_late();
        self.end_lingering();
        self.tick_frontends();
        self.expire_idle_users();
        self.continue_surveys();
        self.end_when_due();
        self.expire_idle_rooms();
        self.refresh_directory();
        self.expire_inquiries();
        self.end_quiet();
        let now = self.now.ms;
        self.heirs.retain(|_, (_, until)| *until > now);
        self.run();
        self.metrics.connections.set(self.sessions.connections() as u64);
        self.metrics.users.set(self.users.len() as u64);
    }

    /// Whether [`Shard::linger_over`] is to be called in a moment ([`crate::limits::LINGER_MS`]).
    pub fn lingers(&self) -> bool {
        self.lingering.iter().any(|list| !list.is_empty())
    }

    /// The moment is over that sessions wanted to wait for.
    pub fn linger_over(&mut self) {
        self.end_lingering();
        self.run();
    }

    /// Says goodbye to everybody and lets nobody in.
    pub fn drain(&mut self) {
        self.draining = true;
        self.drain_rooms();
        self.begin_drain();
        self.run();
    }

    /// Whether, after [`Shard::drain`], nothing is left to say, to write or to wait for.
    pub fn is_drained(&self) -> bool {
        self.sessions.is_empty() && self.ledger.is_empty() && self.outgoing.is_empty()
    }

    /// Connections open, and sessions bound (sleeping ones included).
    pub fn census(&self) -> (usize, usize) {
        (self.sessions.connections(), self.metrics.sessions.get() as usize)
    }

    /// What must leave this shard: chunks for others, requests for the keepers.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    /// Moves the list of sessions with bytes to write into `into`.
    pub fn take_dirty(&mut self, into: &mut Vec<SessionId>) {
        into.append(&mut self.dirty);
    }

    /// Moves what the driver must do with connections into `into`, in order.
    pub fn take_orders(&mut self, into: &mut Vec<Order>) {
        into.append(&mut self.orders);
        self.sessions.recycle();
    }

    /// Whether there is anything to carry away: the turn is not over.
    pub fn has_output(&self) -> bool {
        !self.dirty.is_empty() || !self.orders.is_empty() || !self.outgoing.is_empty()
    }

    /// Does everything that is waiting to be done.
    fn run(&mut self) {
        loop {
            while let Some((id, mut batch)) = self.backlog.pop_front() {
                for action in batch.drain(..) {
                    self.perform(id, action);
                }
                if self.spare_batches.len() < SPARE_BATCHES_MAX && batch.capacity() <= SPARE_BATCH_ACTIONS_MAX {
                    self.spare_batches.push(batch);
                }
            }
            if self.has_errand() && self.run_errand_of_frontends() {
                continue;
            }
            if self.accepted.is_empty() {
                self.translation = None;
                return;
            }
            self.tell_accepted();
        }
    }
}
