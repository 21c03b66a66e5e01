//! Rooms: conversations of many, in neutral words (the model of XEP-0045, which ICPP and Wireless Village share).
//!
//! A room has an address `name@<rooms domain>`, hashes to a slot like a user, and lives on that shard alone. What arrives for it
//! is read by the front-end that wrote it ([`RoomSpeech::read`]); what it says is written once for each codec that its occupants
//! speak ([`RoomSpeech::write`]), and one chunk for each shard carries it with the list of those who get it.
//!
//! ```text
//!  envelope to room[/nick] ─read─▶ RoomRequest ─▶ Room (state, no I/O) ─▶ Notices and RoomAnswers ─write─▶ contents ─▶ occupants
//! ```
//! Read in this order: `request.rs` (what can be asked of a room), `notice.rs` (what it says), then the room itself.
//!
//! Invariants:
//! - An occupant is one session, under one nickname. Whoever leaves, is removed, or whose session ends is an occupant no more, and
//!   all others are told.
//! - Nothing that a sender claims about itself (its occupant id, its affiliation, a delay, an archive's id) reaches others.
//! - What differs between those who get a notice is named by [`Viewer`], and nothing else does.

mod affiliations;
mod asking;
mod changing;
mod config;
mod entering;
mod invited;
mod notice;
mod occupants;
mod request;
mod room;
pub mod rows;
mod running;
mod saying;
mod stage;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

pub use affiliations::{Affiliated, Affiliations};
pub use notice::{Affiliate, Notice, OccupantView, RoomAnswer, RoomInfo, Status, Viewer};
pub use request::{Change, ConfigChange, HistoryWish, Invitation, Join, RoomQuery, RoomRequest, Target, VoiceRequest};

pub use occupants::{Occupant, Occupants, Place};
pub use room::{Room, Subject, Unsaved};
pub use stage::{Audience, Head, Seat, Stage};

use crate::envelope::{Condition, Content, Envelope};
use crate::guard::Rate;

/// What a front-end knows about rooms: plain functions, since they are also needed while the front-end is at work.
#[derive(Clone, Copy)]
pub struct RoomSpeech {
    /// What an envelope of this codec to a room, or to an occupant of it, means.
    pub read: fn(&Envelope) -> Result<RoomRequest, Condition>,
    /// The content of a notice, for those who see it like that. What a person has written is in this codec, or neutral.
    /// `None`: cannot be said in this codec.
    pub write: fn(&Notice<'_>, Viewer) -> Option<Content>,
    /// The content of the answer to a query.
    pub answer: fn(&RoomQuery, &RoomAnswer<'_>) -> Option<Content>,
}

/// So many a second, and so many at once.
pub(crate) fn rate(per_second: u32, burst: u32) -> Rate {
    let count = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Rate::per_second(count(per_second), count(burst))
}

/// How somebody stands to a room, for good (XEP-0045 section 5.2). The numbers are on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Affiliation {
    /// Kept out.
    Outcast = 0,
    /// Nothing.
    #[default]
    None = 1,
    /// May enter a members-only room, and has a voice.
    Member = 2,
    /// May ban, grant membership, and name moderators.
    Admin = 3,
    /// May everything.
    Owner = 4,
}

/// What an occupant may do, as long as it is one (XEP-0045 section 5.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Not in the room.
    #[default]
    None,
    /// Listens.
    Visitor,
    /// Speaks.
    Participant,
    /// Decides who speaks and who stays.
    Moderator,
}

/// How a room is run: the form of XEP-0045 section 10.2 in neutral words. All bounds are in `limits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomConfig {
    /// Shown to people.
    pub name: String,
    /// What it is about, for lists.
    pub description: String,
    /// RFC 5646; empty for none.
    pub language: String,
    /// Stays when the last occupant has left, and over restarts.
    pub persistent: bool,
    /// Is in the list of rooms.
    pub public: bool,
    /// Only members enter.
    pub members_only: bool,
    /// Entering needs this; empty for none. Never logged.
    pub password: String,
    /// New occupants without an affiliation have no voice.
    pub moderated: bool,
    /// Real addresses are shown to all, not to moderators alone.
    pub non_anonymous: bool,
    /// Participants may change the subject, not moderators alone.
    pub subject_by_all: bool,
    /// Every occupant may invite.
    pub invites: bool,
    /// Visitors may ask for a voice.
    pub voice_requests: bool,
    /// Who may write to one occupant: this role and above; `None` for nobody.
    pub private_messages: Option<Role>,
    /// Who may see the list of affiliations: any occupant, not admins alone.
    pub list_by_all: bool,
    /// Most occupants at once.
    pub occupants_max: u32,
    /// Messages are kept in the archive.
    pub archived: bool,
    /// Messages shown to who enters, at most and if it does not say otherwise.
    pub history_messages: u32,
}
