//! Coming, going, and another nickname (XEP-0045 sections 7.1 to 7.3, 7.6, 7.7, 7.14).
//!
//! Invariants:
//! - Who enters is told, in this order: who is in, that it is in itself, what was said, the subject (section 7.1).
//! - Sessions of one account may share a nickname; the others learn that it is gone with the last of them.

use bytes::Bytes;

use super::room::{Asker, How};
use super::{Affiliation, Audience, Head, Join, Notice, Occupant, Place, Role, Room, Stage, Status};
use crate::envelope::{Condition, Kind, MessageKind};
use crate::jid::Jid;

impl Room {
    pub(super) fn enter(&mut self, asker: Asker<'_>, join: &Join, stage: &mut dyn Stage) -> Result<(), Condition> {
        let nick = asker.envelope.to.resource().ok_or(Condition::JidMalformed)?;
        if join.founds && !self.locked {
            return Err(Condition::Conflict);
        }
        if let Some(place) = asker.place {
            self.sit(place, asker);
            if self
                .occupants
                .get(place)
                .is_some_and(|occupant| occupant.nick() == nick)
            {
                return self.again(place, asker, join, stage);
            }
            return self.rename(place, asker, stage);
        }
        self.may_enter(asker, nick, join, stage)?;
        let created = self.locked && self.occupants.is_empty();
        let shared = self.occupants.named(nick).first().copied();
        let role = match shared.and_then(|place| self.occupants.get(place)) {
            Some(sibling) => sibling.role,
            None => self.role_of(asker.affiliation),
        };
        let place = self.occupants.insert(Occupant {
            here: asker.envelope.to.detached(),
            real: asker.envelope.from.detached(),
            seat: asker.seat,
            affiliation: asker.affiliation,
            role,
            occupant_id: stage.occupant_id(&self.address, &asker.envelope.from.to_bare()).into(),
            shows: asker.envelope.content.clone(),
        });
        self.roll += 1;
        self.welcome(place, asker, join, created, stage);
        Ok(())
    }

    /// The table of section 7.2, in its order.
    fn may_enter(&self, asker: Asker<'_>, nick: &str, join: &Join, stage: &dyn Stage) -> Result<(), Condition> {
        let limits = stage.limits();
        if self.locked && asker.affiliation != Affiliation::Owner {
            return Err(Condition::ItemNotFound);
        }
        if asker.affiliation == Affiliation::Outcast {
            return Err(Condition::Forbidden);
        }
        if self.config.members_only && asker.affiliation < Affiliation::Member {
            return Err(Condition::RegistrationRequired);
        }
        let given = join.password.as_deref().unwrap_or_default();
        let good = subtle::ConstantTimeEq::ct_eq(given.as_bytes(), self.config.password.as_bytes());
        if !self.config.password.is_empty() && !bool::from(good) {
            return Err(Condition::NotAuthorized);
        }
        self.may_be_called(asker, nick, stage)?;
        let full = self.occupants.len() >= self.config.occupants_max as usize && asker.affiliation < Affiliation::Admin;
        if full || self.occupants.len() >= limits.occupants_per_room {
            return Err(Condition::ServiceUnavailable);
        }
        Ok(())
    }

    fn may_be_called(&self, asker: Asker<'_>, nick: &str, stage: &dyn Stage) -> Result<(), Condition> {
        if nick.len() > stage.limits().room_nick_bytes {
            return Err(Condition::NotAcceptable);
        }
        let who = &asker.envelope.from;
        let has = self.occupants.named(nick).first();
        let taken = has
            .and_then(|place| self.occupants.get(*place))
            .is_some_and(|other| !other.real.same_bare(who));
        let reserved = self
            .affiliations
            .holder(nick)
            .is_some_and(|holder| !holder.same_bare(who));
        match taken || reserved {
            true => Err(Condition::Conflict),
            false => Ok(()),
        }
    }

    /// Somebody is in from now on.
    fn welcome(&self, place: Place, asker: Asker<'_>, join: &Join, created: bool, stage: &mut dyn Stage) {
        let Some(occupant) = self.occupants.get(place) else {
            return;
        };
        self.show_others(place, occupant, stage);
        self.tell_presence(Audience::Except(&[place]), occupant, How::default(), stage);
        self.show_itself(place, occupant, asker, created, stage);
        stage.recall(self, place, &join.history);
        self.show_subject(place, stage);
    }

    /// A client that has lost what it knew asks again.
    fn again(&mut self, place: Place, asker: Asker<'_>, join: &Join, stage: &mut dyn Stage) -> Result<(), Condition> {
        if let Some(occupant) = self.occupants.get_mut(place) {
            occupant.shows = asker.envelope.content.clone();
        }
        self.welcome(place, asker, join, false, stage);
        Ok(())
    }

    fn show_others(&self, place: Place, occupant: &Occupant, stage: &mut dyn Stage) {
        for (_, other) in self.occupants.nicks() {
            if other.nick() != occupant.nick() {
                self.tell_presence(Audience::Those(&[place]), other, How::default(), stage);
            }
        }
    }

    fn show_itself(&self, place: Place, occupant: &Occupant, asker: Asker<'_>, created: bool, stage: &mut dyn Stage) {
        let mut statuses = Vec::with_capacity(3);
        if self.config.non_anonymous {
            statuses.push(Status::NonAnonymous);
        }
        if self.config.archived {
            statuses.push(Status::LoggingOn);
        }
        if created {
            statuses.push(Status::Created);
        }
        let how = How {
            statuses: &statuses,
            id: Some(&asker.envelope.id),
            ..How::default()
        };
        self.tell_presence(Audience::Those(&[place]), occupant, how, stage);
    }

    /// Section 7.2.15: always, and last.
    fn show_subject(&self, place: Place, stage: &mut dyn Stage) {
        let subject = self.subject.as_deref();
        let from = subject.and_then(|subject| self.address.with_resource(&subject.nick).ok());
        let occupant_id = subject.map(|subject| stage.occupant_id(&self.address, &subject.by));
        let notice = Notice::Subject {
            text: subject.map_or("", |subject| &subject.text),
            occupant_id: occupant_id.as_deref(),
            stamp_ms: subject.map(|subject| subject.unix_ms),
        };
        let head = Head {
            from: from.as_ref().unwrap_or(&self.address),
            kind: Kind::Message(MessageKind::Groupchat),
            id: &Bytes::new(),
        };
        stage.tell(self, Audience::Those(&[place]), &[], head, &notice);
    }

    /// Available presence of somebody who is in: a new status, or a new nickname.
    pub(super) fn show(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let place = asker.place.ok_or(Condition::UnexpectedRequest)?;
        let nick = asker.envelope.to.resource().ok_or(Condition::JidMalformed)?;
        self.sit(place, asker);
        let Some(occupant) = self.occupants.get_mut(place) else {
            return Ok(());
        };
        if occupant.nick() != nick {
            return self.rename(place, asker, stage);
        }
        occupant.shows = asker.envelope.content.clone();
        let Some(occupant) = self.occupants.get(place) else {
            return Ok(());
        };
        let how = How {
            id: Some(&asker.envelope.id),
            ..How::default()
        };
        self.tell_presence(Audience::All, occupant, how, stage);
        Ok(())
    }

    /// Its session speaks: that is where it is.
    fn sit(&mut self, place: Place, asker: Asker<'_>) {
        let Some(occupant) = self.occupants.get_mut(place) else {
            return;
        };
        if occupant.seat != asker.seat {
            occupant.seat = asker.seat;
            self.roll += 1;
        }
    }

    /// Section 7.6. Visitors keep their names in a moderated room, or they would speak by them.
    fn rename(&mut self, place: Place, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let nick = asker.envelope.to.resource().ok_or(Condition::JidMalformed)?;
        if self.config.moderated && asker.role < Role::Participant {
            return Err(Condition::NotAcceptable);
        }
        self.may_be_called(asker, nick, stage)?;
        let Some(occupant) = self.occupants.get(place) else {
            return Ok(());
        };
        let shared = self.occupants.named(occupant.nick()).len() > 1;
        let audience = if shared {
            Audience::Those(&[place])
        } else {
            Audience::All
        };
        let how = How {
            gone: true,
            statuses: &[Status::NickChanged],
            new_nick: Some(nick),
            ..How::default()
        };
        self.tell_presence(audience, occupant, how, stage);
        self.occupants.rename(place, asker.envelope.to.detached());
        self.roll += 1;
        if let Some(occupant) = self.occupants.get_mut(place) {
            occupant.shows = asker.envelope.content.clone();
        }
        let Some(occupant) = self.occupants.get(place) else {
            return Ok(());
        };
        let how = How {
            id: Some(&asker.envelope.id),
            ..How::default()
        };
        self.tell_presence(Audience::All, occupant, how, stage);
        Ok(())
    }

    pub(super) fn leave(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let Some(place) = asker.place else { return Ok(()) };
        if let Some(occupant) = self.occupants.get_mut(place) {
            // What it says when it goes is what the others are shown.
            occupant.shows = asker.envelope.content.clone();
        }
        let how = How {
            id: Some(&asker.envelope.id),
            ..How::default()
        };
        self.depart(place, how, stage);
        Ok(())
    }

    /// Somebody is in no more: all are told, itself included. Of a nickname that others of its account still have, they are shown
    /// what those show.
    pub(super) fn depart(&mut self, place: Place, how: How<'_>, stage: &mut dyn Stage) {
        let Some(occupant) = self.occupants.get(place) else {
            return;
        };
        let how = How { gone: true, ..how };
        let sibling = self
            .occupants
            .named(occupant.nick())
            .iter()
            .find(|other| **other != place);
        match sibling.and_then(|other| self.occupants.get(*other)) {
            None => self.tell_presence(Audience::All, occupant, how, stage),
            Some(sibling) => {
                self.tell_presence(Audience::Those(&[place]), occupant, how, stage);
                self.tell_presence(Audience::Except(&[place]), sibling, How::default(), stage);
            }
        }
        self.occupants.remove(place);
        self.roll += 1;
    }

    /// Its session is nowhere to be found.
    pub fn lost(&mut self, real: &Jid, stage: &mut dyn Stage) {
        let Some(place) = self.occupants.find(real) else { return };
        let how = How {
            statuses: &[Status::TechnicalProblem],
            ..How::default()
        };
        self.depart(place, how, stage);
    }

    /// The service ends (status 332).
    pub fn shut_down(&mut self, stage: &mut dyn Stage) {
        self.dismiss_all(Status::Shutdown, stage);
    }

    /// What it should remember could not be written: nobody is in any more, and it is read again when somebody asks.
    pub fn give_up(&mut self, stage: &mut dyn Stage) {
        self.dismiss_all(Status::TechnicalProblem, stage);
        self.ended = true;
    }

    fn dismiss_all(&mut self, status: Status, stage: &mut dyn Stage) {
        let everybody: Vec<Place> = self.occupants.iter().map(|(place, _)| place).collect();
        for place in everybody {
            let Some(occupant) = self.occupants.get(place) else {
                continue;
            };
            let how = How {
                gone: true,
                statuses: &[status],
                ..How::default()
            };
            self.tell_presence(Audience::Those(&[place]), occupant, how, stage);
            self.occupants.remove(place);
        }
        self.roll += 1;
    }
}
