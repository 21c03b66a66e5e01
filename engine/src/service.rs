//! What a front-end offers a shard beside its sessions: how connections begin, and answers on behalf of users.
//!
//! A query (IQ) to a full address goes to that session. A query to a user's bare address is answered at that user's home
//! by the front-end whose codec it is written in; one to the domain itself is answered at the sender's home. The answer
//! may need the disk: then the handler leaves a continuation with its [`Host`] and returns.
//!
//! Invariants:
//! - Every `Get` or `Set` is answered exactly once, by [`Host::send`] or [`Host::refuse`]. A continuation is called
//!   exactly once.
//! - What a handler says has happened is durable: `then` is called after the commit.

use bytes::Bytes;
pub use crosspoint_storage::seam::{BookRead, BookWrite, Direction, Row, Span, Table};

use crate::administration::{Order, Service, ThenReport};
use crate::admitting::AllowList;
use crate::archiving::Preferences;
use crate::blocking::BlockList;
use crate::envelope::{Codec, Condition, Envelope};
use crate::jid::Jid;
use crate::relay::{Parcel, RelayHost};
use crate::rooms::RoomSpeech;
use crate::roster::{Item, Roster};
use crate::session::{Context, Now, Peer, Session, TlsFacts};
use crate::shard::SessionId;
use crate::stable::StableId;
use crate::store::RecordId;

/// The same envelope (a message or presence) with a neutral content and an identifier that is text; `None` if nothing of it can be
/// said in neutral words. A plain function: it is also needed while its front-end is at work.
pub type Translator = fn(&Envelope) -> Option<Envelope>;

/// Puts a user's badge ([`Host::set_badge`]) into a presence that one of its sessions shows; an empty one: takes it out. Leaves
/// the content as it is where it says otherwise on purpose. A plain function, as [`Translator`].
pub type Dresser = fn(&mut Envelope, &[u8]);

/// A protocol's front-end, as one shard holds it.
pub trait Frontend: Send {
    /// The codec that its sessions write.
    fn codec(&self) -> Codec;

    /// A connection has been accepted: makes its session. May already write to the outbox and push actions.
    fn open(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Box<dyn Session>;

    /// The server's end of a wrapped connection for this listener: asked for when a connection begins with a handshake, and
    /// on `Action::StartTls`.
    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>>;

    /// Whether connections of this listener begin with the handshake of their cipher (direct TLS, WebSocket, one within the
    /// other); a session is made when that is over.
    fn handshake_first(&self, listener: usize) -> bool;

    /// How what this codec wrote is said to sessions of other protocols.
    fn translator(&self) -> Translator {
        |_| None
    }

    /// How this codec shows a user's badge.
    fn dresser(&self) -> Dresser {
        |_, _| {}
    }

    /// How this codec speaks with rooms; `None` if its users have none.
    fn room_speech(&self) -> Option<RoomSpeech> {
        None
    }

    /// A query (`Get` or `Set`) to the domain or to a bare address whose home is this shard.
    fn on_query(&mut self, query: Envelope, host: &mut dyn Host);

    /// A session of this front-end, at home here, has shown presence (the first or another one), or is gone: `presence.from`
    /// is its full address, `presence.to` its user's bare one. Called after others were told.
    fn on_presence(&mut self, presence: &Envelope, host: &mut dyn Host) {
        let _ = (presence, host);
    }

    /// A user at home here, who has sessions of this front-end, may see this contact's presence from now on.
    fn on_subscribed(&mut self, user: &Jid, contact: &Jid, host: &mut dyn Host) {
        let _ = (user, contact, host);
    }

    /// A front-end of this codec has sent a presence probe with content to a user at home here, from a session of somebody
    /// who may see that user. Nobody else can send one. It is not answered; what it asks for is sent, or not.
    fn on_probe(&mut self, probe: Envelope, host: &mut dyn Host) {
        let _ = (probe, host);
    }

    /// Whether this available session is to get an event ([`Hints::EVENT`](crate::envelope::Hints::EVENT)) for its user.
    fn wants(&mut self, session: &Jid, event: &Envelope) -> bool {
        let _ = (session, event);
        false
    }

    /// An account of this shard is no more, and that is durable.
    fn on_account_removed(&mut self, user: &Jid) {
        let _ = user;
    }

    /// A message waits for a user of this shard whom nobody listens for, or for a session whose client sleeps. Told once in a
    /// while, not for each message.
    fn on_waiting(&mut self, waiting: &Waiting, host: &mut dyn Host) {
        let _ = (waiting, host);
    }

    /// A roster of this shard has changed. Told only while there are attached services.
    fn on_roster_change(&mut self, change: &RosterChange, host: &mut dyn Host) {
        let _ = (change, host);
    }

    /// A session of this front-end carries another: makes the passenger's session, by what its carrier has noted. `None`:
    /// it is not let in.
    fn open_passenger(
        &mut self,
        key: u16,
        peer: &Peer,
        note: &Bytes,
        cx: &mut Context<'_>,
    ) -> Option<Box<dyn Session>> {
        let _ = (key, peer, note, cx);
        None
    }

    /// How a connection asked for by [`RelayHost::connect`] is encrypted: our end of the cipher, which is given nothing at
    /// first and has something to send. `None`: not at all. Asked for when it is made.
    fn cipher_towards(&mut self, key: u32) -> Option<Box<dyn Cipher>> {
        let _ = key;
        None
    }

    /// A connection asked for by [`RelayHost::connect`] is there, and its handshake is over: makes its session. `None`: it is closed again.
    fn connected(&mut self, key: u32, id: SessionId, cx: &mut Context<'_>) -> Option<Box<dyn Session>> {
        let _ = (key, id, cx);
        None
    }

    /// It could not be made.
    fn connect_failed(&mut self, key: u32, host: &mut dyn RelayHost) {
        let _ = (key, host);
    }

    /// A session has pushed [`Action::Relay`](crate::session::Action::Relay).
    fn on_relay(&mut self, from: SessionId, parcel: Parcel, host: &mut dyn RelayHost) {
        let _ = (from, parcel, host);
    }

    /// Called some ten times a second.
    fn on_tick(&mut self, host: &mut dyn RelayHost) {
        let _ = host;
    }

    /// The switch is being drained. `Some`: this front-end sees its sessions off by itself, and those that are left after
    /// so many milliseconds are dismissed. `None`: all are, now.
    fn on_drain(&mut self, host: &mut dyn RelayHost) -> Option<u64> {
        let _ = host;
        None
    }
}

/// What lies between a socket and a session's plain bytes, sans-IO: encryption, framing, or both. Implemented by the
/// composition root.
pub trait Cipher: Send {
    /// Takes received bytes from `input` (what is left of a partial record stays in it), appends plain ones to `plain` and
    /// what must be sent (handshake, alerts) to `output`. An error closes the connection after `output` is written.
    fn open(
        &mut self,
        input: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<CipherState, CipherFault>;

    /// Wraps all of `plain`, as one record if it has such, onto `output`.
    fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>);

    /// Says goodbye (close_notify, a close frame).
    fn close(&mut self, output: &mut Vec<u8>);

    /// What is known after the handshake; `None` if nothing is encrypted. A cipher that answers `Action::StartTls` encrypts.
    fn facts(&mut self) -> Option<TlsFacts>;
}

/// Where a cipher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherState {
    /// The handshake goes on.
    Handshaking,
    /// Bytes flow.
    Open,
    /// The peer has closed its direction.
    Closed,
}

/// The peer does not speak as it should; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherFault(pub String);

/// A change of a user's white list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// These are on it.
    Add(Vec<Jid>),
    /// These are not; nobody is, if none is named.
    Remove(Vec<Jid>),
    /// It is in force, or not.
    Enforce(bool),
}

/// Called once with the outcome of a change, when that is durable.
pub type Then = Box<dyn FnOnce(Result<(), Condition>, &mut dyn Host) + Send>;

/// Called once with the rows of a look-up.
pub type ThenRows = Box<dyn FnOnce(Result<Vec<Row>, Condition>, &mut dyn Host) + Send>;

/// Called once with the rows of several look-ups, one list for each.
pub type ThenLookedUp = Box<dyn FnOnce(Result<Vec<Vec<Row>>, Condition>, &mut dyn Host) + Send>;

/// Called once with the answer to an inquiry: a result or an error, as it came. An error of ours if it could not be asked, or if
/// nobody answered in time.
pub type ThenAnswer = Box<dyn FnOnce(Result<Envelope, Condition>, &mut dyn Host) + Send>;

/// A roster is not what it was.
#[derive(Debug, Clone)]
pub struct RosterChange {
    /// Whose; bare.
    pub user: Jid,
    /// As it is now; for a removal only its address counts.
    pub item: Item,
    /// Whether it was removed.
    pub removed: bool,
    /// The roster's version after the change.
    pub version: u64,
}

/// Something waits for somebody.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Whose home this is; bare.
    pub user: Jid,
    /// The session that was given it, if nobody looks at that one's client. `None`: nobody is there to take it.
    pub session: Option<Jid>,
    /// How many messages wait, as far as is known here.
    pub count: u64,
    /// The last of them. Without content if that was long ago, or large.
    pub last: Envelope,
}

/// A page of what was said to a user and by the user.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// Oldest first, each with its identity in the log; contents as their writers wrote them, `stable` set.
    pub messages: Vec<(RecordId, Envelope)>,
    /// Nothing of the span lies beyond.
    pub complete: bool,
    /// Where the next page begins, exclusively; 0 if nothing was there.
    pub edge: RecordId,
}

/// Called once with a page of history.
pub type ThenHistory = Box<dyn FnOnce(Result<HistoryPage, Condition>, &mut dyn Host) + Send>;

/// Which part of the list of public rooms is wanted. It is sorted by address.
#[derive(Debug, Clone)]
pub struct RoomsWanted {
    /// Not this room, but those behind it (or before it, if `backward`); `None`: from the list's beginning (or end).
    pub edge: Option<Jid>,
    /// Which of the two.
    pub backward: bool,
    /// At most so many.
    pub rooms_max: u32,
}

/// A public room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomListed {
    /// Its address.
    pub room: Jid,
    /// Its name; may be empty.
    pub name: String,
    /// How many are in.
    pub occupants: u32,
}

/// A part of the list of public rooms.
#[derive(Debug, Clone, Default)]
pub struct RoomsPage {
    /// By address.
    pub rooms: Vec<RoomListed>,
    /// How many stand before the first of them.
    pub index: u32,
    /// How many there are in all.
    pub total: u32,
}

/// Called once with a part of the list of rooms.
pub type ThenRooms = Box<dyn FnOnce(Result<RoomsPage, Condition>, &mut dyn Host) + Send>;

/// A message in a room's archive.
#[derive(Debug, Clone)]
pub struct RoomSaid {
    /// Its identity.
    pub record: RecordId,
    /// From `room/nick`, as its writer wrote it; `stamp_ms` is set.
    pub envelope: Envelope,
    /// XEP-0421, of who wrote it.
    pub occupant_id: String,
    /// The real address of who wrote it, where everybody may see it.
    pub real: Option<Jid>,
    /// It is hidden, and says nothing any more: what hid it.
    pub retracted: Option<Retracted>,
}

/// What is to be told of a message that was taken back (XEP-0424), or hidden by a moderator (XEP-0425).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retracted {
    /// The identifier of the message that did it.
    pub id: Bytes,
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
    /// The moderator: its nickname and occupant id. `None`: it was its writer.
    pub by: Option<(String, String)>,
    /// Why; may be empty.
    pub reason: String,
}

/// A page of a room's archive.
#[derive(Debug, Clone)]
pub struct RoomHistoryPage {
    /// Oldest first.
    pub messages: Vec<RoomSaid>,
    /// Nothing of the span lies beyond.
    pub complete: bool,
    /// Where the next page begins, exclusively; 0 if nothing was there.
    pub edge: RecordId,
}

/// Called once with a page of a room's archive.
pub type ThenRoomHistory = Box<dyn FnOnce(Result<RoomHistoryPage, Condition>, &mut dyn Host) + Send>;

/// What a handler may ask of the shard. `user` is always a bare address whose home is this shard: the addressee of a query
/// to a bare address, or the sender of a query to the domain. For others the look-ups answer `None`.
pub trait Host {
    /// The time of this turn.
    fn now(&self) -> Now;

    /// The domain that this switch serves.
    fn domain(&self) -> &Jid;

    /// Routes an envelope: an answer, or anything else the server has to say.
    fn send(&mut self, envelope: Envelope);

    /// Answers a query by an error.
    fn refuse(&mut self, query: Envelope, condition: Condition) {
        if let Some(answer) = query.bounce(condition) {
            self.send(answer);
        }
    }

    /// Whether the account exists.
    fn exists(&self, user: &Jid) -> bool;

    /// The user's contacts.
    fn roster(&self, user: &Jid) -> Option<&Roster>;

    /// From now on the session with this full address gets roster pushes (it has asked for the roster).
    fn roster_interest(&mut self, session: &Jid);

    /// Adds a contact or changes its name and groups (RFC 6121 section 2.3); the subscription state stays what it is.
    /// Pushes to the interested sessions, then calls `then`. Refusals: `NotAcceptable` beyond a limit.
    fn roster_set(&mut self, user: &Jid, contact: &Jid, name: &str, groups: Vec<String>, then: Then);

    /// Removes a contact with all that this implies for subscriptions (RFC 6121 section 2.5). `ItemNotFound` if absent.
    fn roster_remove(&mut self, user: &Jid, contact: &Jid, then: Then);

    /// The user's block list.
    fn blocks(&self, user: &Jid) -> Option<&BlockList>;

    /// From now on the session with this full address gets block list pushes.
    fn block_interest(&mut self, session: &Jid);

    /// Blocks addresses: presence to them ends as if the user had gone offline (XEP-0191 section 3.3).
    fn block(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then);

    /// Unblocks addresses; an empty list unblocks all.
    fn unblock(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then);

    /// The user's white list, if it has ever been touched.
    fn admission(&self, user: &Jid) -> Option<&AllowList>;

    /// Changes the white list. `ResourceConstraint` beyond its bound.
    fn admit(&mut self, user: &Jid, change: Admission, then: Then);

    /// Whether `other` (bare or full) may see the user's presence: subscribed, by directed presence, or the user itself.
    fn may_see(&self, user: &Jid, other: &Jid) -> bool;

    /// The full addresses of the user's available sessions with their priorities.
    fn available(&self, user: &Jid) -> Vec<(Jid, i8)>;

    /// When the user was last online, in Unix milliseconds; `None` if never or unknown.
    fn last_seen(&self, user: &Jid) -> Option<u64>;

    /// Copies of what the user's other sessions send and receive go to this session, or no more (XEP-0280).
    fn set_copies(&mut self, session: &Jid, enabled: bool);

    /// Whether a session of a user at home here has more waiting for it than it reads.
    fn is_behind(&self, session: &Jid) -> bool;

    /// A page of the user's history, of at most so many messages. `FeatureNotImplemented` without an archive.
    fn history(&mut self, user: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenHistory);

    /// What the user wants to be archived, if the user has ever said.
    fn archiving(&self, user: &Jid) -> Option<&Preferences>;

    /// Changes that, from now on.
    fn set_archiving(&mut self, user: &Jid, wishes: Preferences, then: Then);

    /// How clients know a record of an archive (XEP-0359).
    fn stable_id(&self, record: RecordId) -> StableId;

    /// The record that clients know by this. It may never have been.
    fn record_of(&self, id: StableId) -> RecordId;

    /// The domain whose bare addresses are rooms; `None` if there are none.
    fn rooms_domain(&self) -> Option<&Jid>;

    /// A part of the list of public rooms, of all shards.
    fn rooms(&mut self, wanted: RoomsWanted, then: ThenRooms);

    /// A page of what was said in a room whose home is this shard, of at most so many messages. The room has said that the asker may
    /// read it: a query of [`RoomQuery::History`](crate::rooms::RoomQuery) comes to [`Frontend::on_query`] only then.
    fn room_history(&mut self, room: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenRoomHistory);

    /// The same message in neutral words, by the front-end that wrote it; `None` if nothing of it can be said.
    fn neutral(&self, envelope: &Envelope) -> Option<Envelope>;

    /// Looks up one row (none or one is given to `then`).
    fn read(&mut self, table: Table, key: Bytes, then: ThenRows);

    /// What the front-end has given the user to show in presence, in its own words.
    fn badge(&self, user: &Jid) -> Option<Bytes>;

    /// Gives the user a badge, or none: kept with the account, shown in all presence from then on, and at once in what the
    /// user's sessions show. `NotAcceptable` if it is too long.
    fn set_badge(&mut self, user: &Jid, badge: Option<Bytes>, then: Then);

    /// Several look-ups from one snapshot of the book.
    fn look_up(&mut self, reads: Vec<BookRead>, then: ThenLookedUp);

    /// Calls `then` when no other turn of this user is taken, in the order of the requests; [`Host::end_turn`] ends it. For
    /// changes that read before they write. `ResourceConstraint`, and no turn to end, when too many wait.
    fn take_turn(&mut self, user: &Jid, then: Then);

    /// The turn of this user that was last given is over.
    fn end_turn(&mut self, user: &Jid);

    /// Sends a query to anybody, in the name of the domain or of a bare address at home here. It gets an identifier of its own.
    fn inquire(&mut self, query: Envelope, then: ThenAnswer);

    /// Changes the book, all of the batch or nothing: `Conflict` when an `Insert` found its key taken.
    fn write(&mut self, batch: Vec<BookWrite>, then: Then);

    /// Sets a new password: `NotAcceptable` if it cannot be one. The derivation runs off the shard.
    fn set_password(&mut self, user: &Jid, password: String, then: Then);

    /// Removes the account and everything that belongs to it; subscriptions are cancelled and its sessions get
    /// `Farewell(AccountChanged)` after `then` was called.
    fn remove_account(&mut self, user: &Jid, then: Then);

    /// Creates an account, within the budgets of registration. `Conflict` if it exists, `NotAllowed` when closed.
    fn register(&mut self, account: &Jid, password: String, then: Then);

    /// Whether this address (bare or full) may give orders.
    fn is_administrator(&self, who: &Jid) -> bool;

    /// What administrators have laid down for the whole service.
    fn standing(&self) -> &Service;

    /// Carries out an order. The caller has seen to it that it comes from an administrator.
    fn administer(&mut self, order: Order, then: ThenReport);
}
