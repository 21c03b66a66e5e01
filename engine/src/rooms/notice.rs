//! What a room says: to its occupants, and in answer to queries.

use bytes::Bytes;

use super::{Affiliation, Role, RoomConfig};
use crate::envelope::Content;
use crate::jid::Jid;
use crate::stable::StableId;

/// Who gets a notice, as far as it makes a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// Sees real addresses: a moderator, or anybody in a room that is not anonymous.
    pub sees_real: bool,
    /// It is about this occupant itself (status 110).
    pub is_self: bool,
}

/// An occupant as others see it.
#[derive(Debug, Clone, Copy)]
pub struct OccupantView<'a> {
    /// Its nickname; also the resource of the notice's sender.
    pub nick: &'a str,
    /// The real full address, for those who may see it.
    pub real: &'a Jid,
    /// How it stands to the room.
    pub affiliation: Affiliation,
    /// What it may do; `None` when it is leaving.
    pub role: Role,
    /// XEP-0421: the same for all sessions of an account in this room, and unlinkable to others.
    pub occupant_id: &'a str,
    /// The presence that it last sent, in the codec that it wrote, or neutral for another.
    pub shows: &'a Content,
}

/// Status of a presence or a message (XEP-0045 section 15.6.2). The numbers are its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Status {
    /// Full addresses are shown to all.
    NonAnonymous = 100,
    /// The affiliation changed while not in the room.
    AffiliationChangedAway = 101,
    /// Unavailable members are shown.
    ShowsUnavailable = 102,
    /// They are not.
    HidesUnavailable = 103,
    /// Something else of the configuration has changed.
    ConfigChanged = 104,
    /// It is about yourself.
    SelfPresence = 110,
    /// Logging is on.
    LoggingOn = 170,
    /// Logging is off.
    LoggingOff = 171,
    /// The room is not anonymous any more.
    NowNonAnonymous = 172,
    /// It is half anonymous from now on.
    NowSemiAnonymous = 173,
    /// The room was made by this.
    Created = 201,
    /// The nickname was given or changed by the room.
    NickAssigned = 210,
    /// Banned.
    Banned = 301,
    /// A new nickname follows.
    NickChanged = 303,
    /// Kicked.
    Kicked = 307,
    /// Removed by a change of affiliation.
    AffiliationLost = 321,
    /// Removed since the room is for members only now.
    MembersOnlyNow = 322,
    /// The service ends.
    Shutdown = 332,
    /// Removed for a technical reason (its session is gone, its server does not answer).
    TechnicalProblem = 333,
}

/// What a room says to an occupant, or (an invitation) to somebody else. The envelope's `from` is the room, or `room/nick`
/// of whom it is about; kind and identifier are set by the room.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// An occupant is there, has changed, or leaves (`role` is `None` then).
    Presence {
        /// Who.
        about: OccupantView<'a>,
        /// Sorted. [`Status::SelfPresence`] is for the writer to add, by [`Viewer::is_self`].
        statuses: &'a [Status],
        /// Who did it: a nickname.
        actor: Option<&'a str>,
        /// Why; may be empty.
        reason: &'a str,
        /// With [`Status::NickChanged`].
        new_nick: Option<&'a str>,
        /// The room is no more: where to go, why, and the password there.
        destroyed: Option<(Option<&'a Jid>, &'a str, Option<&'a str>)>,
    },
    /// An occupant says something to all, or to one.
    Said {
        /// As it was written, or neutral.
        content: &'a Content,
        /// Whose.
        occupant_id: &'a str,
        /// Its identity in the room's archive; `None` if it is not kept.
        record: Option<StableId>,
        /// The room, who gives that identity.
        room: &'a Jid,
        /// To one only.
        private: bool,
        /// When it was said, if that was not now: Unix milliseconds.
        stamp_ms: Option<u64>,
    },
    /// What comes back with a presence that is refused; the envelope says why.
    Refused,
    /// The subject, when somebody enters or when it changes.
    Subject {
        /// May be empty.
        text: &'a str,
        /// Of whom has set it, if that is known.
        occupant_id: Option<&'a str>,
        /// Since when, if not now: Unix milliseconds.
        stamp_ms: Option<u64>,
    },
    /// The configuration has changed, or an affiliation of somebody who is not in.
    Statuses(&'a [Status]),
    /// Somebody who is not in has a new affiliation; for those who may know.
    AffiliationChanged {
        /// Whose.
        account: &'a Jid,
        /// Which.
        affiliation: Affiliation,
    },
    /// You are invited.
    Invited {
        /// By whom: a real address or `room/nick`.
        by: &'a Jid,
        /// Why; may be empty.
        reason: &'a str,
        /// For a room that has one.
        password: Option<&'a str>,
        /// A conversation goes on there.
        continues: Option<&'a str>,
    },
    /// Your invitation is declined.
    Declined {
        /// By whom.
        by: &'a Jid,
        /// Why; may be empty.
        reason: &'a str,
    },
    /// A visitor asks for a voice: for moderators.
    VoiceAsked {
        /// Who.
        nick: &'a str,
        /// Its real address.
        real: &'a Jid,
    },
    /// A message is hidden from now on (XEP-0425).
    Moderated {
        /// Which.
        record: StableId,
        /// The identity of this word itself in the room's archive; `None` if it is not kept.
        kept: Option<StableId>,
        /// The room.
        room: &'a Jid,
        /// The occupant who did it: its nickname and occupant id.
        by: (&'a str, &'a str),
        /// When it was hidden, if that was not now: Unix milliseconds.
        stamp_ms: Option<u64>,
        /// Why; may be empty.
        reason: &'a str,
    },
}

/// What a room is, for everybody who may know of it.
#[derive(Debug, Clone, Copy)]
pub struct RoomInfo<'a> {
    /// How it is run. The password is never written anywhere but into its owners' form.
    pub config: &'a RoomConfig,
    /// May be empty.
    pub subject: &'a str,
    /// How many are in.
    pub occupants: u32,
    /// There is a picture: its hash (XEP-0153), in hex.
    pub avatar_hash: Option<&'a str>,
}

/// One line of a list of affiliations or roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliate {
    /// The account, where the asker may see it.
    pub account: Option<Jid>,
    /// The nickname: of an occupant, or reserved.
    pub nick: Option<String>,
    /// Of the account.
    pub affiliation: Affiliation,
    /// Of the occupant.
    pub role: Role,
    /// Why an outcast is one; may be empty.
    pub reason: String,
}

/// The answer to a [`RoomQuery`](super::RoomQuery) that is not refused.
#[derive(Debug, Clone)]
pub enum RoomAnswer<'a> {
    /// It is done.
    Done,
    /// To `Info`.
    Info(RoomInfo<'a>),
    /// To `Occupants`.
    Occupants {
        /// The room's address.
        room: &'a Jid,
        /// Who is in.
        nicks: Vec<&'a str>,
    },
    /// To `ReservedNick` and `GetRegistration`.
    Nick(Option<&'a str>),
    /// To `Affiliates` and `Roles`.
    Affiliates(Vec<Affiliate>),
    /// To `GetConfig`.
    Config {
        /// All of it.
        info: RoomInfo<'a>,
        /// The lists that the form carries.
        owners: Vec<&'a Jid>,
        /// The same for admins.
        admins: Vec<&'a Jid>,
    },
    /// To `GetAvatar`; nothing if there is none.
    Avatar(&'a Bytes),
}
