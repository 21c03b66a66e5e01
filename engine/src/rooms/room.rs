//! A room: what it is, and where each request goes. The rules are beside it: `entering.rs`, `saying.rs`, `changing.rs`,
//! `running.rs`, `asking.rs`.
//!
//! Invariants:
//! - A request that is refused has changed nothing.
//! - Whatever must outlive the room's memory is named in `unsaved` before anybody is told of it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::affiliations::Affiliations;
use super::invited::Invited;
use super::occupants::{Occupants, Place};
use super::stage::{Audience, Head, Seat, Stage};
use super::{Affiliation, Notice, OccupantView, Role, RoomConfig, RoomInfo, RoomQuery, RoomRequest, Status};
use crate::envelope::{Condition, Envelope, Kind, MessageKind, PresenceKind};
use crate::jid::Jid;
use crate::limits::Limits;

/// What an invitation costs, in deliveries: it goes to somebody who has not asked for it, and may have to be kept for him.
const INVITATION_COST: usize = 1_000;

/// What a room is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// May be empty.
    pub text: String,
    /// Of who has set it: the nickname...
    pub nick: String,
    /// ...and the account.
    pub by: Jid,
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
}

/// Part of a room that is not in the book as it is in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsaved {
    /// Configuration, subject, hash of the picture.
    Config,
    /// An account's affiliation.
    Affiliation(Jid),
    /// The picture; nothing to remove it.
    Avatar(Bytes),
}

/// A conversation of many.
#[derive(Debug)]
pub struct Room {
    pub(super) address: Jid,
    pub(super) config: RoomConfig,
    pub(super) subject: Option<Box<Subject>>,
    pub(super) avatar_hash: Option<Box<str>>,
    pub(super) affiliations: Affiliations,
    pub(super) occupants: Occupants,
    pub(super) invited: Invited,
    /// Just made: waits for its owner to say how it is run (XEP-0045 section 10.1).
    pub(super) locked: bool,
    /// Made by the installation's configuration: nobody ends it.
    pub(super) system: bool,
    /// In the book.
    pub(super) stored: bool,
    pub(super) ended: bool,
    pub(super) unsaved: BTreeSet<Unsaved>,
    /// Grows whenever somebody comes, goes, moves, or sees more or less than before.
    pub(super) roll: u64,
}

/// Who asks, and what is known of him.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) seat: Seat,
    pub(super) place: Option<Place>,
    pub(super) affiliation: Affiliation,
    pub(super) role: Role,
}

impl Room {
    /// A room that has just been made, or read. `address` is bare and has memory of its own.
    #[must_use]
    pub fn new(address: Jid, config: RoomConfig) -> Room {
        Room {
            address,
            config,
            subject: None,
            avatar_hash: None,
            affiliations: Affiliations::default(),
            occupants: Occupants::default(),
            invited: Invited::default(),
            locked: false,
            system: false,
            stored: false,
            ended: false,
            unsaved: BTreeSet::new(),
            roll: 0,
        }
    }

    /// Somebody who enters a room that does not exist makes it: it is his, and locked until he has said how it is run.
    #[must_use]
    pub fn founded(address: Jid, founder: &Jid, config: RoomConfig) -> Room {
        let mut room = Room::new(address, config);
        room.affiliations.set(super::Affiliated {
            account: founder.to_bare().detached(),
            affiliation: Affiliation::Owner,
            nick: None,
            reason: None,
        });
        room.locked = true;
        room
    }

    /// The installation's configuration makes this room: nobody ends it, and this is how it is run, whatever its owners said.
    pub fn make_system(&mut self, changes: &[super::ConfigChange], limits: &Limits) {
        self.system = true;
        self.config.persistent = true;
        for change in changes {
            let (list, affiliation) = match change {
                super::ConfigChange::Owners(list) => (list, Affiliation::Owner),
                super::ConfigChange::Admins(list) => (list, Affiliation::Admin),
                other => {
                    // The configuration was checked when the server started.
                    let _ = self.config.change(other, limits);
                    continue;
                }
            };
            for account in list {
                self.affiliations.set(super::Affiliated {
                    account: account.to_bare().detached(),
                    affiliation,
                    nick: self.affiliations.get(account).and_then(|entry| entry.nick.clone()),
                    reason: None,
                });
            }
        }
    }

    /// Its address; bare.
    #[must_use]
    pub fn address(&self) -> &Jid {
        &self.address
    }

    /// How it is run.
    #[must_use]
    pub fn config(&self) -> &RoomConfig {
        &self.config
    }

    /// Who is in.
    #[must_use]
    pub fn occupants(&self) -> &Occupants {
        &self.occupants
    }

    /// Who stands how to it.
    #[must_use]
    pub fn affiliations(&self) -> &Affiliations {
        &self.affiliations
    }

    /// Changes with who is in, where, and what he sees.
    #[must_use]
    pub fn roll(&self) -> u64 {
        self.roll
    }

    /// It has been destroyed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// It is given up when nobody is in.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        !self.config.persistent && !self.system
    }

    /// Whether an occupant sees real addresses.
    #[must_use]
    pub fn sees_real(&self, occupant: &super::Occupant) -> bool {
        self.config.non_anonymous || occupant.role == Role::Moderator
    }

    /// Whether it belongs into the list of rooms.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.config.public && !self.locked && !self.ended
    }

    /// Whether an account may read what was said.
    #[must_use]
    pub fn may_read(&self, who: &Jid) -> bool {
        let affiliation = self.affiliations.of(who);
        affiliation >= Affiliation::Member
            || (affiliation != Affiliation::Outcast
                && self.occupants.iter().any(|(_, occupant)| occupant.real.same_bare(who)))
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> RoomInfo<'_> {
        RoomInfo {
            config: &self.config,
            subject: self.subject.as_ref().map_or("", |subject| &subject.text),
            occupants: self.occupants.nicks().count() as u32,
            avatar_hash: self.avatar_hash.as_deref(),
        }
    }

    /// An occupant's session is somewhere else by now (it was resumed).
    pub fn moved(&mut self, real: &Jid, seat: Seat) {
        let Some(place) = self.occupants.find(real) else { return };
        if let Some(occupant) = self.occupants.get_mut(place) {
            occupant.seat = seat;
            self.roll += 1;
        }
    }

    /// Does what an envelope asks for.
    ///
    /// # Errors
    /// Why not; nothing has changed then, and nothing was answered.
    pub fn request(
        &mut self,
        request: RoomRequest,
        envelope: &Envelope,
        seat: Seat,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        let place = self.occupants.find(&envelope.from);
        let asker = Asker {
            envelope,
            seat,
            place,
            affiliation: self.affiliations.of(&envelope.from),
            role: place
                .and_then(|place| self.occupants.get(place))
                .map_or(Role::None, |occupant| occupant.role),
        };
        stage.charge(&envelope.from, self.cost(&request))?;
        match request {
            RoomRequest::Join(join) => self.enter(asker, &join, stage),
            RoomRequest::Show => self.show(asker, stage),
            RoomRequest::Leave => self.leave(asker, stage),
            RoomRequest::Undelivered => {
                self.lost(&envelope.from, stage);
                Ok(())
            }
            RoomRequest::Say { retracts } => self.say(asker, retracts, stage),
            RoomRequest::Subject(text) => self.set_subject(asker, text, stage),
            RoomRequest::Private => self.whisper(asker, stage),
            RoomRequest::Invite(invitations) => self.invite(asker, &invitations, stage),
            RoomRequest::Decline(refusal) => self.decline(asker, &refusal, stage),
            RoomRequest::AskVoice => self.ask_voice(asker, stage),
            RoomRequest::AnswerVoice(answer) => self.answer_voice(asker, &answer, stage),
            RoomRequest::Relay { ping } => self.relay(asker, ping, stage),
            RoomRequest::Query(query) => self.query(asker, query, stage),
        }
    }

    /// What a request makes for others to do, in deliveries, about. One account's work must not starve the rest of the shard; what ends
    /// something is free.
    fn cost(&self, request: &RoomRequest) -> u32 {
        let occupants = self.occupants.len();
        let cost = match request {
            RoomRequest::Leave | RoomRequest::Undelivered => 0,
            RoomRequest::Private | RoomRequest::Decline(_) | RoomRequest::Relay { .. } | RoomRequest::AskVoice => 1,
            RoomRequest::Invite(invitations) => invitations.len().saturating_mul(INVITATION_COST),
            // Who enters again is told of everybody; who enters pays by how often he does.
            RoomRequest::Join(_)
            | RoomRequest::Say { .. }
            | RoomRequest::Show
            | RoomRequest::Subject(_)
            | RoomRequest::AnswerVoice(_) => occupants,
            RoomRequest::Query(query) => match query {
                RoomQuery::Affiliates(_) | RoomQuery::GetConfig => self.affiliations.len(),
                RoomQuery::Change(changes) => changes.len().saturating_mul(occupants),
                RoomQuery::Info | RoomQuery::ReservedNick | RoomQuery::GetRegistration => 1,
                _ => occupants,
            },
        };
        u32::try_from(cost).unwrap_or(u32::MAX)
    }

    /// Tells occupants of the presence of one of them.
    pub(super) fn tell_presence(&self, to: Audience<'_>, about: &super::Occupant, how: How<'_>, stage: &mut dyn Stage) {
        let gone = how.gone;
        let notice = Notice::Presence {
            about: OccupantView {
                role: if gone { Role::None } else { about.role },
                affiliation: how.affiliation.unwrap_or(about.affiliation),
                ..about.view()
            },
            statuses: how.statuses,
            actor: how.actor,
            reason: how.reason,
            new_nick: how.new_nick,
            destroyed: how.destroyed,
        };
        let kind = match gone {
            true => PresenceKind::Unavailable,
            false => PresenceKind::Available,
        };
        let none = Bytes::new();
        let head = Head {
            from: &about.here,
            kind: Kind::Presence(kind),
            id: how.id.unwrap_or(&none),
        };
        stage.tell(self, to, self.occupants.named(about.nick()), head, &notice);
    }

    /// Tells everybody that something about the room has changed.
    pub(super) fn tell_statuses(&self, statuses: &[Status], stage: &mut dyn Stage) {
        let head = Head {
            from: &self.address,
            kind: Kind::Message(MessageKind::Groupchat),
            id: &Bytes::new(),
        };
        stage.tell(self, Audience::All, &[], head, &Notice::Statuses(statuses));
    }

    /// The role that somebody has who enters (XEP-0045 section 5.1.2).
    pub(super) fn role_of(&self, affiliation: Affiliation) -> Role {
        match affiliation {
            Affiliation::Owner | Affiliation::Admin => Role::Moderator,
            Affiliation::Member => Role::Participant,
            Affiliation::None if !self.config.moderated => Role::Participant,
            Affiliation::None => Role::Visitor,
            Affiliation::Outcast => Role::None,
        }
    }

    pub(super) fn fits(text: &str, limits: &Limits) -> Result<(), Condition> {
        match text.len() <= limits.room_text_bytes {
            true => Ok(()),
            false => Err(Condition::NotAcceptable),
        }
    }
}

/// What there is to say about a presence beside whose it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How<'a> {
    pub(super) gone: bool,
    pub(super) statuses: &'a [Status],
    pub(super) actor: Option<&'a str>,
    pub(super) reason: &'a str,
    pub(super) new_nick: Option<&'a str>,
    pub(super) destroyed: Option<(Option<&'a Jid>, &'a str, Option<&'a str>)>,
    pub(super) affiliation: Option<Affiliation>,
    pub(super) id: Option<&'a Bytes>,
}
