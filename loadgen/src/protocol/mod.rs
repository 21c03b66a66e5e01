//! What a client says and hears, whatever the protocol, without I/O and without a clock.
//!
//! A worker owns the sockets; a play decides what is said; a [`Client`] turns that into bytes, and bytes into [`Event`]s.
//! Nothing above this module may name a protocol.
//!
//! Invariants: a client writes to the buffer that it is given and keeps none; [`Client::next`] consumes whole frames
//! only, so that what it leaves can be offered again with more behind it; in the steady state neither allocates.

mod address;
mod guess;
pub mod icpp;
mod mark;
mod scram;
pub mod xmpp;

pub use mark::{Filler, MARK_BYTES, Mark};

use crate::plan::{Plan, Session};

/// What a session asks for at login; from `[session]` of the plan, unless the play wants it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Tell everybody that the user is there.
    pub presence: bool,
    /// Fetch the roster.
    pub roster: bool,
    /// Copies of what other resources send and receive.
    pub carbons: bool,
    /// Count and acknowledge what arrives, and have what is sent acknowledged.
    pub acks: bool,
    /// A session that can be resumed.
    pub resume: bool,
    /// Messages of the archive to ask for; 0: none.
    pub archive: u32,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A user, by number: all of his sessions that want it.
    User(u32),
    /// The session of a user.
    Session(u32),
    /// A room, by number.
    Room(u32),
}

/// What a user tells about being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There; to everybody.
    Available,
    /// There, with a status text that carries a mark.
    Status(Mark),
    /// Gone.
    Unavailable,
}

/// What a client heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more is complete: read more.
    Partial,
    /// Nothing that concerns a play.
    Nothing,
    /// TLS begins now; what has arrived behind this is dropped.
    Secure,
    /// The login is complete, and the server has worked off all of it.
    Ready,
    /// The broken session goes on where it was; so many of the stanzas sent before are confirmed by that.
    Resumed { acked: u32 },
    /// The server does not know the broken session any more; a whole login follows.
    NotResumed,
    /// A message of ours, to the last byte.
    Message(Mark),
    /// A message of ours from a room.
    Room(Mark),
    /// What looks like one of ours, and is not as it was sent.
    Damaged,
    /// The server could not deliver a message.
    Bounced,
    /// A message that is none of ours (an announcement, say).
    Foreign,
    /// A message that the archive gave back.
    Archived,
    /// The archive has no more for this query.
    ArchiveEnd,
    /// A user's presence; with a mark if its status has one.
    Presence {
        from: Option<u32>,
        mark: Option<Mark>,
        available: bool,
    },
    /// We are in a room now.
    Joined { room: u32 },
    /// A room refused us.
    NotJoined,
    /// Somebody types.
    Typing,
    /// So many more of what was sent are acknowledged; of messages only, unless [`Client::ACKS_ALL`].
    Acked(u32),
    /// The answer to a ping.
    Pong,
    /// A request was refused.
    Refused,
    /// The server ended the session.
    Ended,
}

/// Why a client cannot go on: the server's refusal or its mistake, as it should be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Password or mechanism.
    #[error("the login was refused: {0}")]
    Login(String),
    /// What the server says is not what may be said here.
    #[error("the server ended the stream or broke its rules: {0}")]
    Stream(String),
    /// The server has no such thing.
    #[error("the server does not offer {0}")]
    NotOffered(String),
}

/// One side of one session.
pub trait Client: Sized + 'static {
    /// [`Event::Acked`] counts all that was said, and not messages alone.
    const ACKS_ALL: bool;
    /// What is sent is acknowledged without being asked for.
    const ACKS_UNASKED: bool;

    /// What all clients of a worker share.
    type Common: 'static;

    /// # Errors
    /// What of the plan cannot be done in this protocol.
    fn common(plan: &Plan) -> anyhow::Result<Self::Common>;

    /// The client of a user, by number; not connected.
    fn new(user: u32, common: &Self::Common) -> Self;

    /// The connection stands (and is encrypted, if `encrypted`): the first words. True if the session is ready at once.
    fn open(&mut self, common: &Self::Common, wants: Wants, encrypted: bool, out: &mut Vec<u8>) -> bool;

    /// The next event in `input`, and how many bytes it took: none, if the same frame means another event. What has to be
    /// said because of it goes to `out`.
    ///
    /// # Errors
    /// The session cannot go on.
    fn next(&mut self, common: &Self::Common, input: &[u8], out: &mut Vec<u8>) -> Result<(Event, usize), Refusal>;

    /// Writes a message.
    fn message(&mut self, common: &Self::Common, to: To, mark: Mark, out: &mut Vec<u8>);

    /// Writes a presence to all who want it.
    fn presence(&mut self, common: &Self::Common, presence: Presence, out: &mut Vec<u8>);

    /// Asks the server to confirm what was sent ([`Event::Acked`]).
    fn ask_ack(&mut self, out: &mut Vec<u8>);

    /// Tells a user that one is typing.
    fn typing(&mut self, common: &Self::Common, to: To, out: &mut Vec<u8>);

    /// Enters a room.
    fn join(&mut self, common: &Self::Common, room: u32, out: &mut Vec<u8>);

    /// Somebody looks at the screen, or nobody does.
    fn active(&mut self, active: bool, out: &mut Vec<u8>);

    /// Asks the archive for the last messages.
    fn archive(&mut self, count: u32, out: &mut Vec<u8>);

    /// Asks the server whether it is there ([`Event::Pong`]).
    fn ping(&mut self, common: &Self::Common, out: &mut Vec<u8>);

    /// Says goodbye.
    fn close(&mut self, out: &mut Vec<u8>);

    /// The connection broke, or was closed: the next `open` begins anew. With `resume`, it tries to go on where it was.
    fn disconnected(&mut self, resume: bool);

    /// Frees what only a busy client needs.
    fn rest(&mut self);

    /// Whether the protocol allows another message now. If not, an [`Event::Acked`] will say that it does again.
    fn may_send(&self) -> bool {
        true
    }

    /// Whether something heard has to be acknowledged before long, if nothing is said meanwhile that does it.
    fn owes(&self) -> bool {
        false
    }

    /// So many more seconds have passed: whether the server has to hear something, lest it takes this client for dead.
    fn is_silent(&mut self, _seconds: u16) -> bool {
        false
    }

    /// Says what `owes` or `is_silent` have asked for.
    fn pay(&mut self, _out: &mut Vec<u8>) {}
}

impl Refusal {
    /// With the name of the user.
    fn of(self, user: &str) -> Self {
        match self {
            Self::Login(why) => Self::Login(format!("{user}: {why}")),
            Self::Stream(why) => Self::Stream(format!("{user}: {why}")),
            Self::NotOffered(what) => Self::NotOffered(what),
        }
    }
}

impl From<&Session> for Wants {
    fn from(session: &Session) -> Self {
        Self {
            presence: session.presence,
            roster: session.roster,
            carbons: session.carbons,
            acks: session.acks || session.resume,
            resume: session.resume,
            archive: session.archive,
        }
    }
}
