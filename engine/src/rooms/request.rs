//! What can be asked of a room: envelopes to it, in neutral words.

use bytes::Bytes;

use super::{Affiliation, Role};
use crate::jid::Jid;
use crate::stable::StableId;

/// What an envelope to a room means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRequest {
    /// To `room/nick`: let me in (XEP-0045 section 7.2). From somebody who is in already: tell me everything anew.
    Join(Join),
    /// To `room/nick`, available: a new status, or a new nickname (sections 7.6, 7.7). Who is not in is told so (section 7.2.18).
    Show,
    /// Unavailable (section 7.14).
    Leave,
    /// Its client says that what comes from the room reaches nobody (sections 11.1 and 18.1.2): as if its session was gone.
    Undelivered,
    /// To all (section 7.4); the content passes as its writer's codec wrote it.
    Say {
        /// The message says which one it retracts (XEP-0424); it is archived, and only its writer may say so.
        retracts: Option<StableId>,
    },
    /// A new subject (section 8.1); empty to take it away.
    Subject(String),
    /// To one occupant (section 7.5), or an error that comes back from a client.
    Private,
    /// Invitations through the room (section 7.8.2).
    Invite(Vec<Invitation>),
    /// An invitation is declined.
    Decline(Invitation),
    /// Voice is asked for (section 7.13)...
    AskVoice,
    /// ...and granted or not, by a moderator's answer to the form (section 8.6).
    AnswerVoice(VoiceRequest),
    /// A query to an occupant: for its session, whose answer goes back the same way (section 17.4). To oneself, a ping is
    /// answered by the room (XEP-0410).
    Relay {
        /// It is XEP-0199's.
        ping: bool,
    },
    /// A query to the room.
    Query(RoomQuery),
}

/// How somebody wants to enter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    /// For a room that has one. Never logged.
    pub password: Option<String>,
    /// What it would like to be shown of what was said.
    pub history: HistoryWish,
    /// It wants to make this room: `Conflict` if there is one already.
    pub founds: bool,
}

/// XEP-0045 section 7.2.13. All that is set applies; the room's own bound applies always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryWish {
    /// Most characters of complete stanzas.
    pub chars_max: Option<u32>,
    /// Most messages.
    pub messages_max: Option<u32>,
    /// Not older than so many seconds.
    pub seconds: Option<u32>,
    /// Not older than this Unix time in milliseconds.
    pub since_unix_ms: Option<u64>,
}

/// One invitation or its refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whom: who is invited, or whose invitation is declined.
    pub to: Jid,
    /// Why; may be empty.
    pub reason: String,
    /// It continues a one-to-one conversation (section 7.9).
    pub continues: Option<String>,
}

/// The answer of a moderator to somebody's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceRequest {
    /// Whose.
    pub nick: String,
    /// Granted?
    pub allow: bool,
}

/// Queries to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomQuery {
    /// What are you (XEP-0030)?
    Info,
    /// Who is in, as far as the asker may know?
    Occupants,
    /// Which nickname is mine here (section 7.12)?
    ReservedNick,
    /// Who has this affiliation (sections 9.5 to 10.8)?
    Affiliates(Affiliation),
    /// Who has this role (sections 8.5, 9.8)?
    Roles(Role),
    /// Change these, all or none.
    Change(Vec<Change>),
    /// How are you run (section 10.2)?
    GetConfig,
    /// Be run like this; only what is named changes. An empty list accepts the defaults of a room just made (section 10.1.2).
    SetConfig(Vec<ConfigChange>),
    /// The configuration of a room just made is given up: it is destroyed (section 10.1.3).
    CancelConfig,
    /// End (section 10.9).
    Destroy {
        /// Where to go instead.
        alternative: Option<Jid>,
        /// Its password; never logged.
        password: Option<String>,
        /// Why; may be empty.
        reason: String,
    },
    /// Which nickname have I registered (section 7.10)?
    GetRegistration,
    /// Register this one.
    Register(String),
    /// Give up membership and nickname.
    Unregister,
    /// Hide a message from everybody (XEP-0425).
    Moderate {
        /// The archive's id for it.
        record: StableId,
        /// Why; may be empty.
        reason: String,
    },
    /// The room's picture as a vCard of this codec (XEP-0486).
    GetAvatar,
    /// Set it; owners only.
    SetAvatar {
        /// The vCard; empty to remove it.
        card: Bytes,
        /// The picture's SHA-1 in hex (XEP-0153); empty if there is none.
        hash: String,
    },
    /// A page of what was said (XEP-0313): answered by the front-end through
    /// [`Host::room_history`](crate::service::Host::room_history) once the room has said that the asker may read.
    History,
}

/// One change of an affiliation or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub target: Target,
    /// A new affiliation...
    pub affiliation: Option<Affiliation>,
    /// ...or a new role.
    pub role: Option<Role>,
    /// A nickname to reserve for a member; empty for none.
    pub nick: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Who is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An account, by its real address; made bare.
    Account(Jid),
    /// An occupant, by its nickname.
    Nick(String),
}

/// One field of the configuration ([`RoomConfig`](super::RoomConfig) says what each means), or a list that a form carries with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConfigChange {
    Name(String),
    Description(String),
    Language(String),
    Persistent(bool),
    Public(bool),
    MembersOnly(bool),
    /// Empty for none.
    Password(String),
    Moderated(bool),
    NonAnonymous(bool),
    SubjectByAll(bool),
    Invites(bool),
    VoiceRequests(bool),
    PrivateMessages(Option<Role>),
    ListByAll(bool),
    OccupantsMax(u32),
    Archived(bool),
    HistoryMessages(u32),
    /// All owners, from now on.
    Owners(Vec<Jid>),
    /// All admins, from now on.
    Admins(Vec<Jid>),
}
