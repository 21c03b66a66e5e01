//! What travels between shards, keepers and the support thread.

use std::any::Any;
use std::net::IpAddr;

use crosspoint_storage::seam::{BookReply, BookRequest, JournalReply, JournalRequest};

use super::accounts::KeyRequest;
use super::rooms::{Fan, Listing, RoomNews};
use super::table::SessionId;
use crate::envelope::Envelope;
use crate::guard::Attempt;
use crate::jid::Jid;
use crate::metrics::Doing;
use crate::rooms::Seat;
use crate::scram::{AccountKeys, SALTED_BYTES};
use crate::session::Session;
use crate::tokens::{Shown, Verdict};

/// One thing in a chunk.
pub enum Item {
    /// An envelope whose addressee lives here.
    Route(Routed),
    /// An envelope whose room lives here, and where its sender's session is.
    Room(Box<(Routed, Seat)>),
    /// What a room says to sessions that live here.
    Fan(Box<Fan>),
    /// Where an occupant of a room that lives here is by now.
    RoomNews(Box<RoomNews>),
    /// A line of the list of rooms.
    RoomListed(Box<Listing>),
    /// An envelope of this shard's session is safe.
    Accepted {
        /// Whose.
        session: SessionId,
        /// Its number.
        seq: u64,
    },
    /// A client that has authenticated elsewhere and lives here.
    Adopt(Box<Adopt>),
    /// A connection that was accepted elsewhere. The driver takes it in, and no shard ever sees it.
    Arrive(Transport),
    /// Somebody wants to prove that he is an account that lives here.
    Attempt {
        /// Who asks.
        shard: u16,
        /// Echoed.
        token: u64,
        /// Bare.
        account: Jid,
        /// Where he comes from.
        peer: IpAddr,
    },
    /// The answer to `Attempt`.
    Admitted {
        /// Echoed.
        token: u64,
        /// What was paid; nothing if it may not be tried now.
        attempt: Option<Attempt>,
    },
    /// Somebody shows a token of an account that lives here.
    Token {
        /// Who asks.
        shard: u16,
        /// Echoed.
        token: u64,
        /// What he shows.
        shown: Box<Shown>,
    },
    /// The answer to `Token`.
    Judged {
        /// Echoed.
        token: u64,
        /// Nothing if it could not be looked at.
        verdict: Option<Verdict>,
    },
    /// From the log.
    Journal(JournalReply),
    /// From the book.
    Book(BookReply),
    /// From the support thread.
    Keys(KeyReply),
    /// Someone changed or removed this account from outside: forget what is cached, end its sessions.
    AccountChanged(Jid),
    /// The administrator removes an account.
    RemoveAccount {
        /// Whose home this is.
        account: Jid,
        /// Told once how it went.
        done: std::sync::mpsc::SyncSender<bool>,
    },
    /// An administrator's order that is carried out here.
    Order(Box<super::Errand>),
    /// What has come of one that was given here.
    Told {
        /// Echoed.
        token: u64,
        /// The report.
        told: Box<super::Told>,
    },
    /// A service that sees presence is attached now: it is to be told who is there.
    ServiceCame(Jid),
    /// Farewell to everybody.
    Drain,
}

// Every envelope that crosses shards is moved as one, some times: larger ones are copied the long way.
const _: () = assert!(size_of::<Item>() <= size_of::<Routed>());

impl Item {
    /// What a shard is at when it takes this in.
    pub fn doing(&self) -> Doing {
        match self {
            Item::Route(_)
            | Item::Accepted { .. }
            | Item::Room(..)
            | Item::Fan(_)
            | Item::RoomNews(_)
            | Item::RoomListed(_) => Doing::Mail,
            Item::Adopt(_) => Doing::Adopt,
            Item::Attempt { .. } | Item::Admitted { .. } | Item::Token { .. } | Item::Judged { .. } | Item::Keys(_) => {
                Doing::Login
            }
            Item::Arrive(_) => Doing::Accept,
            Item::Journal(_) => Doing::Log,
            Item::Book(_) => Doing::Load,
            Item::AccountChanged(_)
            | Item::RemoveAccount { .. }
            | Item::Order(_)
            | Item::Told { .. }
            | Item::ServiceCame(_)
            | Item::Drain => Doing::Orders,
        }
    }
}

/// An envelope under way, and who wants to know when it is safe.
pub struct Routed {
    /// What.
    pub envelope: Envelope,
    /// Answered exactly once, when the envelope can no longer be lost (or has been refused).
    pub ticket: Option<Ticket>,
}

/// Names a numbered envelope of a session on some shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The session's shard.
    pub shard: u16,
    /// The session.
    pub session: SessionId,
    /// The number that the session gave it.
    pub seq: u64,
}

/// What belongs to a connection beside its session: the driver's own (socket, cipher, bytes not yet read).
pub type Transport = Box<dyn Any + Send>;

/// A session on its way home.
pub struct Adopt {
    /// The state machine.
    pub session: Box<dyn Session>,
    /// The driver's part.
    pub transport: Option<Transport>,
    /// Index of its front-end.
    pub frontend: usize,
    /// Index of its listener within the front-end.
    pub listener: usize,
    /// Where it comes from.
    pub address: IpAddr,
    /// Who it has proved to be; bare. `None`: nobody, it comes to carry others.
    pub account: Option<Jid>,
    /// What it paid for the proof, to be given back.
    pub attempt: Option<Box<Attempt>>,
}

/// The support thread's answer to a [`KeyRequest`].
pub enum KeyReply {
    /// Whether the password opens the account.
    Checked {
        /// Echoed.
        token: u64,
        /// The verdict.
        good: bool,
        /// What makes the account's keys whole, if it opens partial ones.
        missing: Option<[u8; SALTED_BYTES]>,
    },
    /// Keys made from a new password; `None` if it cannot be a password (RFC 4013).
    Derived {
        /// Echoed.
        token: u64,
        /// The keys.
        keys: Option<Box<AccountKeys>>,
    },
}

/// What has piled up for others during a turn. The driver ships it: the log's requests first, so that whoever learns of a
/// message by mail finds it in the log.
pub struct Outgoing {
    /// A chunk in the making for each shard.
    pub lanes: Vec<Vec<Item>>,
    /// For the log.
    pub journal: Vec<JournalRequest>,
    /// For the book.
    pub book: Vec<BookRequest>,
    /// For the support thread.
    pub keys: Vec<KeyRequest>,
}

impl Outgoing {
    pub(super) fn new(shards: usize) -> Outgoing {
        Outgoing {
            lanes: (0..shards).map(|_| Vec::new()).collect(),
            journal: Vec::new(),
            book: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Nothing to ship?
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty() && self.book.is_empty() && self.keys.is_empty() && self.lanes.iter().all(Vec::is_empty)
    }
}

impl super::Shard {
    pub(super) fn take_mail(&mut self, item: Item) {
        match item {
            Item::Route(routed) => self.arrive(routed),
            Item::Room(errand) => self.room_arrived(errand.0, errand.1),
            Item::Fan(fan) => self.fan_out(*fan),
            Item::RoomNews(news) => self.room_news(*news),
            Item::RoomListed(listing) => self.room_listed(*listing),
            Item::Accepted { session, seq } => self.accepted.push((session, seq)),
            Item::Adopt(adopt) => self.adopt(*adopt),
            Item::Arrive(_) => {}
            Item::Attempt {
                shard,
                token,
                account,
                peer,
            } => {
                let attempt = self.judge_attempt(peer, &account);
                self.outgoing.lanes[shard as usize].push(Item::Admitted { token, attempt });
            }
            Item::Admitted { token, attempt } => self.admitted(token, attempt),
            Item::Token { shard, token, shown } => self.judge_for(shard, token, shown),
            Item::Judged { token, verdict } => self.judged(token, verdict),
            Item::Journal(reply) => self.journal_replied(reply),
            Item::Book(reply) => self.book_replied(reply),
            Item::Keys(reply) => self.keys_replied(reply),
            Item::AccountChanged(account) => self.account_changed(&account),
            Item::RemoveAccount { account, done } => self.remove_for_administrator(&account, done),
            Item::Order(errand) => self.errand(*errand),
            Item::Told { token, told } => self.told(token, told),
            Item::ServiceCame(service) => self.show_everybody(&service),
            Item::Drain => self.drain(),
        }
    }
}
