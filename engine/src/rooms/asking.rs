//! Queries that change nothing, and registration (XEP-0045 sections 6.4, 6.5, 7.10, 7.12 and the lists of 8 to 10).
//!
//! Invariant: nobody learns a real address from a room that he may not see in it.

use super::room::{Asker, How, Unsaved};
use super::{Affiliate, Affiliated, Affiliation, Role, Room, RoomAnswer, RoomQuery, Stage};
use crate::envelope::Condition;
use crate::neutral::Neutral;

impl Room {
    pub(super) fn query(&mut self, asker: Asker<'_>, query: RoomQuery, stage: &mut dyn Stage) -> Result<(), Condition> {
        match query {
            RoomQuery::Info => stage.answer(RoomAnswer::Info(self.info())),
            RoomQuery::Occupants => self.list_occupants(asker, stage),
            RoomQuery::ReservedNick | RoomQuery::GetRegistration => {
                if asker.affiliation == Affiliation::Outcast {
                    return Err(Condition::Forbidden);
                }
                let entry = self.affiliations.get(&asker.envelope.from);
                stage.answer(RoomAnswer::Nick(entry.and_then(|entry| entry.nick.as_deref())));
            }
            RoomQuery::Affiliates(affiliation) => return self.list_affiliated(asker, affiliation, stage),
            RoomQuery::Roles(role) => return self.list_roles(asker, role, stage),
            RoomQuery::Change(changes) => return self.change(asker, &changes, stage),
            RoomQuery::GetConfig => return self.get_config(asker, stage),
            RoomQuery::SetConfig(changes) => return self.set_config(asker, &changes, stage),
            RoomQuery::CancelConfig => return self.cancel_config(asker, stage),
            RoomQuery::Destroy {
                alternative,
                password,
                reason,
            } => return self.destroy(asker, alternative.as_ref(), password.as_deref(), &reason, stage),
            RoomQuery::Register(nick) => return self.register(asker, &nick, stage),
            RoomQuery::Unregister => return self.unregister(asker, stage),
            RoomQuery::Moderate { record, reason } => return self.moderate(asker, record, &reason, stage),
            RoomQuery::GetAvatar => match asker.affiliation {
                Affiliation::Outcast => return Err(Condition::Forbidden),
                _ => stage.answer_avatar(self),
            },
            RoomQuery::SetAvatar { card, hash } => return self.set_avatar(asker, card, &hash, stage),
            RoomQuery::History => return self.history(asker, stage),
        }
        Ok(())
    }

    /// Section 6.5: who is in, for those who are, and for everybody if anybody may enter.
    fn list_occupants(&self, asker: Asker<'_>, stage: &mut dyn Stage) {
        let open = self.config.public && !self.config.members_only && self.config.password.is_empty();
        let may = asker.place.is_some() || (open && asker.affiliation != Affiliation::Outcast);
        let nicks = self
            .occupants
            .nicks()
            .filter(|_| may)
            .map(|(_, occupant)| occupant.nick());
        stage.answer(RoomAnswer::Occupants {
            room: &self.address,
            nicks: nicks.collect(),
        });
    }

    /// The lists of bans and members are for admins, those of admins and owners for owners; more is open where real addresses are
    /// seen by all, or where the room says so.
    fn list_affiliated(&self, asker: Asker<'_>, which: Affiliation, stage: &mut dyn Stage) -> Result<(), Condition> {
        let least = match which {
            Affiliation::None => return Err(Condition::BadRequest),
            Affiliation::Outcast | Affiliation::Member => Affiliation::Admin,
            Affiliation::Admin | Affiliation::Owner => Affiliation::Owner,
        };
        let open = which != Affiliation::Outcast && (self.config.non_anonymous || self.config.list_by_all);
        let belongs = asker.place.is_some() || asker.affiliation >= Affiliation::Member;
        if asker.affiliation < least && !(open && belongs) {
            return Err(Condition::Forbidden);
        }
        let lines = self.affiliations.with(which).map(|entry| {
            let places = self.occupants.of(&entry.account);
            let occupant = places.first().and_then(|place| self.occupants.get(*place));
            Affiliate {
                account: Some(entry.account.clone()),
                nick: match occupant {
                    Some(occupant) => Some(occupant.nick().to_owned()),
                    None => entry.nick.as_deref().map(str::to_owned),
                },
                affiliation: which,
                role: occupant.map_or(Role::None, |occupant| occupant.role),
                reason: entry.reason.as_deref().unwrap_or_default().to_owned(),
            }
        });
        stage.answer(RoomAnswer::Affiliates(lines.collect()));
        Ok(())
    }

    fn list_roles(&self, asker: Asker<'_>, which: Role, stage: &mut dyn Stage) -> Result<(), Condition> {
        let may = match which {
            Role::None => return Err(Condition::BadRequest),
            Role::Visitor | Role::Participant => asker.role == Role::Moderator,
            Role::Moderator => asker.affiliation >= Affiliation::Admin || asker.role == Role::Moderator,
        };
        if !may {
            return Err(Condition::Forbidden);
        }
        let lines = self.occupants.nicks().filter(|(_, occupant)| occupant.role == which);
        let lines = lines.map(|(_, occupant)| Affiliate {
            account: Some(occupant.real.clone()),
            nick: Some(occupant.nick().to_owned()),
            affiliation: occupant.affiliation,
            role: which,
            reason: String::new(),
        });
        stage.answer(RoomAnswer::Affiliates(lines.collect()));
        Ok(())
    }

    /// Section 7.10. Who registers is a member, so where that means something the owners grant it.
    fn register(&mut self, asker: Asker<'_>, nick: &str, stage: &mut dyn Stage) -> Result<(), Condition> {
        let account = asker.envelope.from.to_bare().detached();
        if asker.affiliation == Affiliation::Outcast {
            return Err(Condition::Forbidden);
        }
        let granted = self.config.members_only || self.config.moderated || self.locked;
        if granted && asker.affiliation == Affiliation::None {
            return Err(Condition::NotAllowed);
        }
        // As an address would have it.
        let here = self.address.with_resource(nick).map_err(|_| Condition::BadRequest)?;
        let nick = here.resource().unwrap_or_default();
        let limits = stage.limits();
        if nick.len() > limits.room_nick_bytes {
            return Err(Condition::NotAcceptable);
        }
        let other = self.affiliations.holder(nick).is_some_and(|holder| *holder != account);
        let used = self
            .occupants
            .named(nick)
            .first()
            .and_then(|place| self.occupants.get(*place));
        if other || used.is_some_and(|occupant| !occupant.real.same_bare(&account)) {
            return Err(Condition::Conflict);
        }
        if asker.affiliation == Affiliation::None && self.affiliations.len() >= limits.affiliations_per_room {
            return Err(Condition::ResourceConstraint);
        }
        let entry = Affiliated {
            account,
            affiliation: asker.affiliation.max(Affiliation::Member),
            nick: Some(nick.into()),
            reason: None,
        };
        self.affiliate(entry, None, "", stage);
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    /// A member that is one by registration is none any more; admins and owners lose the name alone.
    fn unregister(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let account = asker.envelope.from.to_bare().detached();
        let affiliation = match asker.affiliation {
            Affiliation::Outcast => return Err(Condition::Forbidden),
            Affiliation::None => return Err(Condition::ItemNotFound),
            Affiliation::Member => Affiliation::None,
            more => more,
        };
        let entry = Affiliated {
            account,
            affiliation,
            nick: None,
            reason: None,
        };
        stage.answer(RoomAnswer::Done);
        self.affiliate(entry, None, "", stage);
        Ok(())
    }

    fn history(&self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        if !self.may_read(&asker.envelope.from) {
            return Err(Condition::Forbidden);
        }
        stage.serve();
        Ok(())
    }

    fn moderate(
        &self,
        asker: Asker<'_>,
        record: crate::stable::StableId,
        reason: &str,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        if asker.role != Role::Moderator {
            return Err(Condition::Forbidden);
        }
        Room::fits(reason, stage.limits())?;
        let word = Neutral {
            retracts: Some(record.to_string().into()),
            moderator: Some(occupant.nick().into()),
            text: Some(reason.into()).filter(|_| !reason.is_empty()),
            ..Neutral::default()
        };
        let kept = stage.moderate(self, record, &occupant.real, &word)?;
        let notice = super::Notice::Moderated {
            record,
            kept,
            room: &self.address,
            by: (occupant.nick(), &occupant.occupant_id),
            stamp_ms: None,
            reason,
        };
        let head = super::Head {
            from: &self.address,
            kind: crate::envelope::Kind::Message(crate::envelope::MessageKind::Groupchat),
            id: &kept
                .map(|kept| bytes::Bytes::copy_from_slice(&kept.text()))
                .unwrap_or_default(),
        };
        stage.tell(self, super::Audience::All, &[], head, &notice);
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    fn set_avatar(
        &mut self,
        asker: Asker<'_>,
        card: bytes::Bytes,
        hash: &str,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        if asker.affiliation != Affiliation::Owner {
            return Err(Condition::Forbidden);
        }
        if card.len() > stage.limits().room_avatar_bytes || hash.len() > 64 {
            return Err(Condition::NotAcceptable);
        }
        // It lives in the book alone.
        if self.is_temporary() {
            return Err(Condition::NotAllowed);
        }
        self.avatar_hash = Some(hash).filter(|_| !card.is_empty()).map(Box::from);
        self.unsaved.retain(|part| !matches!(part, Unsaved::Avatar(_)));
        self.unsaved
            .insert(Unsaved::Avatar(bytes::Bytes::copy_from_slice(&card)));
        self.unsaved.insert(Unsaved::Config);
        self.tell_statuses(&[super::Status::ConfigChanged], stage);
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    /// Who is in although the room is for members only now.
    pub(super) fn expel_strangers(&mut self, stage: &mut dyn Stage) {
        let strangers = self
            .occupants
            .iter()
            .filter(|(_, occupant)| occupant.affiliation < Affiliation::Member);
        let strangers: Vec<_> = strangers.map(|(place, _)| place).collect();
        let how = How {
            statuses: &[super::Status::MembersOnlyNow],
            ..How::default()
        };
        self.remove_all(&strangers, how, stage);
    }
}
