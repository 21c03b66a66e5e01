//! A session: one connected client, as a state machine without I/O.
//!
//! A front-end implements [`Session`]; the shard drives it, whether the bytes come from a socket, from the simulator or
//! from a fuzzer. A session only ever reads its input, writes to its outbox and pushes [`Action`]s; the shard carries the
//! actions out after the call returned, in order, and answers by [`Event`]s.
//!
//! Invariants:
//! - No socket, no clock, no randomness, no blocking in here: what a session needs comes with the call.
//! - A call is never re-entered: routing starts when the session has returned.
//! - A panic inside a call closes this session and no other.

use std::any::Any;
use std::net::IpAddr;

use bytes::Bytes;

use crate::envelope::Envelope;
use crate::jid::Jid;
use crate::relay::Parcel;
use crate::roster::Item;
use crate::scram::{AccountKeys, SALTED_BYTES};
use crate::service::Admission;
use crate::store::RecordId;
use crate::tokens::{self, NewToken, Shown, Verdict};

/// One connected client. See the module for the rules.
pub trait Session: Any + Send {
    /// Bytes have arrived, decrypted where there is TLS. Returns how many were consumed; the rest stands at the beginning
    /// of the next call's input. What is left must be a partial frame (bounded by the session's own limits, beyond which
    /// it is a fault), or the session has pushed [`Action::Pause`], in which case it is called again with the same input
    /// after [`Action::Continue`].
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize;

    /// Something that the session waits for, or must know, has happened.
    fn on_event(&mut self, event: Event, cx: &mut Context<'_>);

    /// An envelope for this client: write it to the outbox (or keep it, when the client sleeps).
    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>);

    /// The time asked for by [`Action::WakeAt`] has come.
    fn on_tick(&mut self, cx: &mut Context<'_>);

    /// For [`Event::Resumed`]: the new session of the same front-end takes over what the old one holds.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What a session is given with every call.
pub struct Context<'a> {
    /// Time of this turn.
    pub now: Now,
    /// Unpredictable and, in the simulator, reproducible bytes: identifiers, nonces.
    pub random: &'a mut dyn Random,
    /// Plain bytes for this client; the shard encrypts and writes them at the end of the turn.
    pub outbox: &'a mut Vec<u8>,
    /// What the shard shall do, in order, after the call.
    pub actions: &'a mut Vec<Action>,
}

/// The time of a turn. All of a turn happens at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the shard started: for deadlines.
    pub ms: u64,
    /// Unix milliseconds: for stamps.
    pub unix_ms: u64,
}

/// A source of random bytes.
pub trait Random: Send {
    /// Fills the buffer.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// What the front knows about a connection when it is accepted.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it comes from: the key of the per-address budgets.
    pub address: IpAddr,
    /// What is known of the encryption in which bytes arrive from the first one on; `None` if there is none.
    pub tls: Option<TlsFacts>,
    /// Which listener of the front-end took it (an index into its configuration).
    pub listener: usize,
}

/// What is known about an encrypted connection after its handshake.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    /// `TLSv1.3`, for logs.
    pub version: &'static str,
    /// RFC 9266 channel binding, if the connection can give it.
    pub exporter: Option<[u8; 32]>,
    /// RFC 5929 `tls-server-end-point` channel binding.
    pub server_end_point: Vec<u8>,
    /// The name that the client asked for, if any.
    pub server_name: Option<String>,
}

/// An envelope on its way into a session.
pub struct Delivery<'a> {
    /// What to write.
    pub envelope: &'a Envelope,
    /// How to write it.
    pub form: Form,
    /// Set when the log holds it for this user until someone confirms: a session that sees its client's acknowledgement
    /// pushes [`Action::Settle`] with this number; a session whose client cannot acknowledge
    /// pushes [`Action::SettleWhenWritten`] at once.
    pub record: Option<RecordId>,
}

/// How a delivered envelope is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// A copy of what another session of this user received (XEP-0280).
    CopyReceived,
    /// A copy of what another session of this user sent (XEP-0280).
    CopySent,
}

/// What a session asks of its shard.
pub enum Action {
    /// Discard what else has arrived, flush what was written before, and become the server of a TLS handshake. Answered
    /// by `Secured`.
    StartTls,
    /// Look up the SCRAM keys of an account. Answered by `Keys`, for unknown accounts too, at equal cost.
    FetchKeys {
        /// Bare.
        account: Jid,
    },
    /// Does this password open this account? The derivation runs off the shard. Answered by `PasswordChecked`.
    CheckPassword {
        /// Bare.
        account: Jid,
        /// Never logged.
        password: String,
    },
    /// Does this token open its owner's account? Decided at the account's home. Answered by `TokenChecked`, for unknown
    /// accounts too, at equal cost, or by `AuthUnavailable`.
    CheckToken(Box<Shown>),
    /// A token for this client, which is at home. Answered by `TokenIssued`.
    IssueToken {
        /// The installation of the client.
        client: u128,
        /// The only one by which it can be shown.
        mechanism: tokens::Mechanism,
        /// How long it is good, in milliseconds.
        lifetime_ms: u64,
    },
    /// What the partial keys of an account lack, from a client that has proved to be it. Answered by `KeysCompleted` when
    /// it is durable, or by `AuthUnavailable`.
    CompleteKeys {
        /// Bare.
        account: Jid,
        /// SaltedPassword of SHA-256 (RFC 5802 section 3). Never logged.
        salted: Box<[u8; SALTED_BYTES]>,
    },
    /// Someone failed to prove who he is; counts against the budgets of address and account.
    AuthFailed {
        /// Bare, if it came that far.
        account: Option<Jid>,
    },
    /// The client has proved that it is this account. The shard moves session and socket to the user's home and loads
    /// the user; answered there by `Homed`, or by `Farewell`. Push nothing after it in the same call, and leave further
    /// input unread (return its start) until the answer.
    Authenticated {
        /// Bare.
        account: Jid,
    },
    /// Take a resource. `None` lets the engine choose one. An existing session of that name is sent
    /// `Farewell(Replaced)`. Answered by `Bound` or `BindFailed`.
    Bind {
        /// What the client would like, unprepared.
        resource: Option<String>,
    },
    /// Send something. The engine stamps `from`, applies blocking, subscription rules, copies and routes it.
    Route {
        /// What. Its `from` is the session's full address.
        envelope: Envelope,
        /// When set, `Accepted` comes back with this number once the envelope can no longer be lost.
        seq: Option<u64>,
    },
    /// Undirected presence: the first one makes the session available, `Unavailable` ends that.
    Presence {
        /// Kind `Available` or `Unavailable`, addressed to the session's own bare address.
        envelope: Envelope,
        /// -128..=127 (RFC 6121 section 4.7.2.3).
        priority: i8,
    },
    /// The client has these: they are pending no more.
    Settle(Vec<RecordId>),
    /// The client cannot confirm: these are pending no more as soon as the socket has taken the bytes written so far.
    SettleWhenWritten(Vec<RecordId>),
    /// This session is ending and its client has not confirmed these: deliver them elsewhere or keep them. Those that the
    /// log holds already go by `record`, the others by value.
    Return {
        /// Held in the log.
        records: Vec<RecordId>,
        /// Not in the log yet.
        envelopes: Vec<Envelope>,
    },
    /// The transport is gone but the client may come back: stay bound, deliver on, and end after `seconds`.
    Detach {
        /// What the client will show to come back.
        token: Bytes,
        /// How long to wait.
        seconds: u32,
    },
    /// The client shows the token of an earlier session of its account. Answered by `Resumed` or `ResumeFailed`.
    Resume {
        /// As given in `Detach` (or in [`Action::Resumable`]).
        token: Bytes,
    },
    /// From now on this token finds the session, even while its transport still looks alive.
    Resumable {
        /// The token.
        token: Bytes,
    },
    /// The client has every stored message up to and including this one: those are pending no more. What waits above is
    /// delivered, in order, and then `Synced` follows.
    Sync {
        /// 0 for nothing.
        after: RecordId,
    },
    /// The client looks in the archive for what it has missed: what waits for its user by now and stands there is pending no more
    /// (XEP-0386 section 3). What waits and is in no archive comes as ever.
    ReadsArchive,
    /// While set, the session is given nothing that the log can keep for it, nor what a slow reader can do without.
    Hold(bool),
    /// What this session wants to be told of its user's other sessions' doings. Without it: nothing.
    Listen {
        /// Copies of what they send and receive (XEP-0280).
        copies: bool,
        /// Changes of the roster, the black list and the white list.
        changes: bool,
    },
    /// Something that is good once is used now, at the account's home. Answered by `Spent`.
    Spend {
        /// Whose key it is; the account that has authenticated.
        account: Jid,
        /// What: unpredictable.
        key: u128,
        /// After this time ([`Now::unix_ms`]) it would not be good anyway.
        until_unix_ms: u64,
    },
    /// Create an account (in-band registration). Answered by `Registered`.
    Register {
        /// Bare.
        account: Jid,
        /// Never logged.
        password: String,
    },
    /// Stop calling `on_input` until `Continue`.
    Pause,
    /// Undo `Pause`; pending input is offered again.
    Continue,
    /// Call `on_tick` at this time ([`Now::ms`]); replaces an earlier wish.
    WakeAt(u64),
    /// What is to be said can wait for a moment, since something else may be said meanwhile. `Lingered` follows, a few
    /// milliseconds later ([`crate::limits::LINGER_MS`]).
    Linger,
    /// Write out what is in the outbox, then let go of the transport, as if it was lost: `Lost` follows.
    HangUp,
    /// Write out what is in the outbox, then close the transport; the session is over. Nothing may follow.
    Close,
    /// Whether the client says that nobody looks at it (XEP-0352): what it is given meanwhile is worth a knock elsewhere.
    Doze(bool),
    /// The client is gone and has not confirmed this, the last of such messages. Pushed before `Detach` or `Return`.
    Unseen {
        /// What.
        envelope: Envelope,
    },
    /// The peer has proved to be the service that answers for this domain ([`crate::attached`]). The shard moves session and
    /// transport to the domain's home if it is another one; there `Placed` comes, whereupon this is to be asked again. Answered by
    /// `Attached`. From then on the session may `Route` what comes from any address of the domain. Leave further input unread
    /// until the answer, as with `Authenticated`.
    Attach {
        /// An address without node and resource.
        domain: Jid,
    },
    /// An attached service that is trusted to sends something in the name of the switch or of one of its users. Without that
    /// trust nothing happens.
    SpeakFor {
        /// Its `from` is the switch's domain or a bare address of it.
        envelope: Envelope,
    },
    /// Go to this shard, with the transport and without an account: what a carrier does that is to serve that shard.
    /// Answered there by `Placed`, or here by `Farewell`. Leave further input unread until then, as with `Authenticated`.
    Place {
        /// Its number.
        shard: u16,
    },
    /// Open a session that travels in this one (`shard/passengers.rs`): it has no transport of its own and writes into
    /// this session's outbox. A key that is taken already is ignored. Answered by `PassengerGone` if it is not let in.
    Embark {
        /// The carrier's name for it; not 0.
        key: u16,
        /// Where its client is. The listener is the carrier's.
        peer: Peer,
        /// What else the front-end must know to make its session.
        note: Bytes,
    },
    /// Bytes have arrived for a passenger. Whole frames: what it leaves unread is kept for it, within a bound.
    Feed {
        /// Which.
        key: u16,
        /// What.
        bytes: Bytes,
    },
    /// A passenger's client is gone: as if its transport was lost.
    Disembark {
        /// Which.
        key: u16,
    },
    /// Whether a passenger's client is behind in reading: presence and typing are shed, messages go through the log.
    HoldPassenger {
        /// Which.
        key: u16,
        /// Behind, or not any more.
        held: bool,
    },
    /// Something of the carrier's for a passenger's session. It gets `Relayed`.
    Tell {
        /// Which.
        key: u16,
        /// What.
        parcel: Parcel,
    },
    /// Something for this shard's front-end, which knows what to do with it
    /// ([`Frontend::on_relay`](crate::service::Frontend::on_relay)).
    Relay(Parcel),
}

/// What a shard tells a session.
pub enum Event {
    /// The TLS handshake asked for is complete.
    Secured(TlsFacts),
    /// Answer to `FetchKeys`. For an unknown account these are keys that nothing opens.
    Keys(AccountKeys),
    /// `FetchKeys`, `CheckPassword`, `CheckToken` or `CompleteKeys` could not be served: a storage error, or a budget is used up.
    AuthUnavailable {
        /// `true`: too many attempts; `false`: our fault.
        throttled: bool,
    },
    /// Answer to `CheckPassword`.
    PasswordChecked(bool),
    /// Answer to `CheckToken`.
    TokenChecked(Verdict),
    /// Answer to `IssueToken`; nothing if none could be made.
    TokenIssued(Option<Box<NewToken>>),
    /// Answer to `CompleteKeys`: the account's keys are whole, and durable.
    KeysCompleted,
    /// The session is at home, its user is loaded; it may bind.
    Homed,
    /// Answer to `Bind`.
    Bound {
        /// The full address.
        address: Jid,
        /// Names the log of this installation: record ids of another mean nothing.
        epoch: u64,
    },
    /// Answer to `Bind`.
    BindFailed(BindFault),
    /// Answer to `Resume`: this session has taken the other's place. `old` is what it was; `address` is its full address.
    Resumed {
        /// The old session, for the front-end to take apart.
        old: Box<dyn Session>,
        /// Full address, now this session's.
        address: Jid,
    },
    /// Answer to `Resume`: there is no such session.
    ResumeFailed,
    /// Answer to `Sync`: everything that waited has been delivered.
    Synced {
        /// Identity of the last message delivered, or what the client said that it has.
        after: RecordId,
    },
    /// Answer to `Spend`: whether it was good.
    Spent(bool),
    /// These numbered envelopes are safe.
    Accepted(Vec<u64>),
    /// Answer to `Linger`: the moment is over.
    Lingered,
    /// Answer to `Register`.
    Registered(Result<(), RegisterFault>),
    /// A roster item changed; `None` for items means that it was removed (see `item.removed`).
    RosterPush {
        /// The item as it is now; for a removal only its address counts.
        item: Item,
        /// Whether it was removed.
        removed: bool,
        /// The roster's version after the change.
        version: u64,
    },
    /// The block list changed.
    BlockPush {
        /// Added, or taken away. Empty with `blocked == false`: all were taken away.
        addresses: Vec<Jid>,
        /// Which of the two.
        blocked: bool,
    },
    /// The white list changed.
    AdmissionPush(Admission),
    /// Another connection of the same client resumes this session: say goodbye on this transport, if it is still there,
    /// and keep everything; the next thing that happens is that the other one takes this one apart.
    Superseded,
    /// The outbox, once above its soft limit, has drained below half of it.
    Drained,
    /// The transport is gone. The session pushes `Detach`, or `Return` (if it holds something) and `Close`.
    Lost,
    /// The shard ends this session: write the protocol's goodbye, `Return` what is unconfirmed, push `Close`.
    Farewell(Farewell),
    /// Answer to `Place`: this is the shard.
    Placed,
    /// Answer to `Attach`: whether the session is the domain's service now. Another one is, if not.
    Attached(bool),
    /// A passenger of this session is over, or was not let in; its key is free.
    PassengerGone {
        /// Which.
        key: u16,
        /// It was not let in.
        refused: bool,
    },
    /// A passenger reads more slowly than its client writes: let the client wait, or no more.
    PassengerBehind {
        /// Which.
        key: u16,
        /// Behind, or not any more.
        behind: bool,
    },
    /// From the carrier of this session, or from the front-end.
    Relayed(Parcel),
}

/// Why a bind was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindFault {
    /// Not a resource by RFC 6120 section 7.
    Malformed,
    /// The account has as many sessions as it may have.
    TooMany,
}

/// Why a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterFault {
    /// The name is taken.
    Exists,
    /// Registration is closed, or this address has made too many.
    NotAllowed,
    /// The password is no password (RFC 4013).
    BadPassword,
    /// The book could not be written.
    Storage,
}

/// Why the shard ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The switch is being drained or shut down.
    Shutdown,
    /// Another session took its resource.
    Replaced,
    /// The account is gone or its password changed.
    AccountChanged,
    /// It does not read what it is sent, or broke another bound.
    Policy,
    /// The time to come back is over, or it did not authenticate in time.
    Timeout,
    /// The shard could not move or load what the session needs.
    Internal,
}
