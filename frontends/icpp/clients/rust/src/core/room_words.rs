//! What rooms say, and how they are run: the owned forms of SPEC.md section 14.
//!
//! Invariant: what is not said is `None`, empty or false; what a room says that has no form here can still be read by
//! [`Body`](crosspoint_icpp::codec::rooms::Body).

use crosspoint_icpp::codec::Verb;
use crosspoint_icpp::codec::presence::Show;
use crosspoint_icpp::codec::rooms::{self, Body, UNSAID, tag};

/// In OCCUPANT: it is about this session's own nickname (XEP-0045 section 15.6.2).
const CODE_SELF: u16 = 110;

/// What lasts between an account and a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Affiliation {
    /// Banned.
    Outcast,
    /// Nothing.
    #[default]
    None,
    /// May enter where only members do.
    Member,
    /// Runs the room for its owners.
    Admin,
    /// Decides on everything.
    Owner,
}

impl Affiliation {
    /// By its number on the wire.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Affiliation> {
        use Affiliation::*;
        [Outcast, None, Member, Admin, Owner].get(usize::from(number)).copied()
    }
}

/// What an occupant may do while it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Is not in.
    #[default]
    None,
    /// Listens.
    Visitor,
    /// Speaks.
    Participant,
    /// Keeps order.
    Moderator,
}

impl Role {
    /// By its number on the wire.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Role> {
        use Role::*;
        [None, Visitor, Participant, Moderator]
            .get(usize::from(number))
            .copied()
    }
}

/// An occupant is there, has changed, or (role none) leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occupant {
    /// The room's bare address.
    pub room: String,
    /// Nickname.
    pub nick: String,
    /// What it shows.
    pub show: Option<Show>,
    /// In words.
    pub status: String,
    /// What lasts.
    pub affiliation: Affiliation,
    /// What it may do.
    pub role: Role,
    /// Tells an account apart in this room.
    pub occupant_id: Option<String>,
    /// Full address, for those who may see it.
    pub real: Option<String>,
    /// Status codes of XEP-0045 section 15.6.2: 201 the room was made by this, 301 banned, 303 `new_nick` follows, 307 kicked...
    pub codes: Vec<u16>,
    /// Who did it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What it is called from now on.
    pub new_nick: Option<String>,
    /// The room is no more, and this is where to go instead, if anywhere.
    pub destroyed: bool,
    /// See `destroyed`.
    pub alternative: Option<String>,
}

impl Occupant {
    /// Whether it is about this session.
    #[must_use]
    pub fn is_self(&self) -> bool {
        self.codes.contains(&CODE_SELF)
    }
}

/// Something that a room says of itself. What is said in it are messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are those of SPEC.md section 14.2, by their names"
)]
pub enum RoomWord {
    /// See [`Occupant`].
    Occupant(Occupant),
    /// The subject; `nick` has set it, at `unix_ms`, if that is known.
    Subject {
        room: String,
        nick: Option<String>,
        subject: String,
        unix_ms: Option<u64>,
    },
    /// The configuration has changed, if there are `codes`; or an account that is not in has another affiliation.
    Changed {
        room: String,
        codes: Vec<u16>,
        account: Option<String>,
        affiliation: Option<Affiliation>,
    },
    /// A message of the archive is hidden from now on.
    Hidden {
        room: String,
        record: String,
        by: Option<String>,
        reason: Option<String>,
    },
    /// What was said with this verb is refused; `condition` is a number of SPEC.md section 10.
    Refused {
        room: String,
        verb: Option<Verb>,
        condition: u16,
    },
    /// Somebody invites this user.
    Invited {
        room: String,
        by: Option<String>,
        reason: Option<String>,
        password: Option<String>,
        continues: Option<String>,
    },
    /// An invitation of ours is declined.
    Declined {
        room: String,
        by: Option<String>,
        reason: Option<String>,
    },
    /// A visitor asks for a voice.
    VoiceAsked {
        room: String,
        nick: String,
        real: Option<String>,
    },
}

impl RoomWord {
    /// The owned form of an [`Incoming::Room`](super::Incoming::Room).
    #[must_use]
    pub fn read(verb: Verb, body: &[u8]) -> Option<RoomWord> {
        let body = Body::read(verb, body).ok()?;
        let text = |tag| body.text(tag).map(str::to_owned);
        let room = text(tag::ROOM)?;
        let (by, reason) = (text(tag::BY), text(tag::REASON));
        Some(match verb {
            Verb::Occupant => RoomWord::Occupant(occupant(&body, room)),
            Verb::Subject => RoomWord::Subject {
                room,
                nick: text(tag::NICK),
                subject: text(tag::SUBJECT).unwrap_or_default(),
                unix_ms: body.u64(tag::STAMP),
            },
            Verb::Notice => match text(tag::RECORD) {
                Some(record) => RoomWord::Hidden {
                    room,
                    record,
                    by,
                    reason,
                },
                None => RoomWord::Changed {
                    room,
                    codes: body.codes().collect(),
                    account: text(tag::ACCOUNT),
                    affiliation: body.u8(tag::AFFILIATION).and_then(Affiliation::from_number),
                },
            },
            Verb::Refused => RoomWord::Refused {
                room,
                verb: body.u8(tag::VERB).and_then(Verb::from_number),
                condition: body.u16(tag::CONDITION)?,
            },
            Verb::Invite => RoomWord::Invited {
                room,
                by,
                reason,
                password: text(tag::PASSWORD),
                continues: text(tag::CONTINUES),
            },
            Verb::Decline => RoomWord::Declined { room, by, reason },
            Verb::Voice => RoomWord::VoiceAsked {
                room,
                nick: text(tag::NICK)?,
                real: text(tag::REAL),
            },
            _ => return None,
        })
    }
}

fn occupant(body: &Body<'_>, room: String) -> Occupant {
    let text = |tag| body.text(tag).map(str::to_owned);
    Occupant {
        room,
        nick: text(tag::NICK).unwrap_or_default(),
        show: body.u8(tag::SHOW).and_then(Show::from_number),
        status: text(tag::STATUS).unwrap_or_default(),
        affiliation: body
            .u8(tag::AFFILIATION)
            .and_then(Affiliation::from_number)
            .unwrap_or_default(),
        role: body.u8(tag::ROLE).and_then(Role::from_number).unwrap_or_default(),
        occupant_id: text(tag::OCCUPANT_ID),
        real: text(tag::REAL),
        codes: body.codes().collect(),
        by: text(tag::BY),
        reason: text(tag::REASON),
        new_nick: text(tag::NEW_NICK),
        destroyed: body.value(tag::DESTROYED).is_some(),
        alternative: text(tag::ALTERNATIVE),
    }
}

/// Somebody who has an affiliation or a role, or is to have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomMember {
    /// To be changed only if it is named.
    pub affiliation: Option<Affiliation>,
    /// To be changed only if it is named.
    pub role: Option<Role>,
    /// An account's bare address; empty where an occupant is meant.
    pub address: String,
    /// Of the occupant; of an account, the nickname that is kept for it.
    pub nick: String,
    /// Why.
    pub reason: String,
}

impl RoomMember {
    /// All of an answer.
    #[must_use]
    pub fn all(answer: &[u8]) -> Vec<RoomMember> {
        let members = Body::answer(answer).ok().into_iter().flat_map(|body| body.members());
        let owned = |member: rooms::Member<'_>| RoomMember {
            affiliation: Affiliation::from_number(member.affiliation),
            role: Role::from_number(member.role),
            address: member.address.to_owned(),
            nick: member.nick.to_owned(),
            reason: member.reason.to_owned(),
        };
        members.map(owned).collect()
    }

    pub(super) fn borrowed(&self) -> rooms::Member<'_> {
        rooms::Member {
            affiliation: self.affiliation.map_or(UNSAID, |affiliation| affiliation as u8),
            role: self.role.map_or(UNSAID, |role| role as u8),
            address: &self.address,
            nick: &self.nick,
            reason: &self.reason,
        }
    }
}

/// A page of the list of public rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomList {
    /// Where rooms are.
    pub domain: String,
    /// How many are in the list.
    pub total: u32,
    /// How many of them stand before the first of these.
    pub index: u32,
    /// Address, name and number of occupants of each.
    pub rooms: Vec<(String, String, u32)>,
}

impl RoomList {
    /// Of an answer.
    #[must_use]
    pub fn read(answer: &[u8]) -> Option<RoomList> {
        let body = Body::answer(answer).ok()?;
        let listed = body
            .listed()
            .map(|one| (one.address.to_owned(), one.name.to_owned(), one.occupants));
        Some(RoomList {
            domain: body.text(tag::DOMAIN).unwrap_or_default().to_owned(),
            total: body.u32(tag::TOTAL).unwrap_or_default(),
            index: body.u32(tag::INDEX).unwrap_or_default(),
            rooms: listed.collect(),
        })
    }
}
