//! What occupants say: to all, to one, the subject, invitations, a wish for a voice, queries of one to another.
//!
//! Invariant: whoever speaks through a room is in it; the only exception is who declines an invitation, and reaches nobody but those in
//! the room, and who has invited him.

use bytes::Bytes;

use super::room::{Asker, How, Subject, Unsaved};
use super::{
    Affiliated, Affiliation, Audience, Head, Invitation, Notice, Place, Role, Room, RoomAnswer, Stage, VoiceRequest,
};
use crate::envelope::{Condition, Hints, Kind, MessageKind, QueryKind};
use crate::stable::StableId;

impl Room {
    /// Section 7.4.
    pub(super) fn say(
        &mut self,
        asker: Asker<'_>,
        retracts: Option<StableId>,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        if asker.role < Role::Participant {
            return Err(Condition::Forbidden);
        }
        let envelope = asker.envelope;
        if let Some(record) = retracts {
            stage.hide(self, record, &occupant.real);
        }
        // What somebody is doing, and what is not to be kept, is for those who are in.
        let passes = envelope.hints.has(Hints::DEFER) || envelope.hints.has(Hints::TRANSIENT);
        let record = match passes {
            true => None,
            false => stage.keep(self, &occupant.here, &occupant.real),
        };
        let notice = Notice::Said {
            content: &envelope.content,
            occupant_id: &occupant.occupant_id,
            record,
            room: &self.address,
            private: false,
            stamp_ms: None,
        };
        let head = Head {
            from: &occupant.here,
            kind: Kind::Message(MessageKind::Groupchat),
            id: &envelope.id,
        };
        stage.tell(self, Audience::All, &[], head, &notice);
        Ok(())
    }

    /// Section 8.1.
    pub(super) fn set_subject(
        &mut self,
        asker: Asker<'_>,
        text: String,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        let needed = match self.config.subject_by_all {
            true => Role::Participant,
            false => Role::Moderator,
        };
        if asker.role < needed {
            return Err(Condition::Forbidden);
        }
        if text.len() > stage.limits().room_subject_bytes {
            return Err(Condition::NotAcceptable);
        }
        let notice = Notice::Subject {
            text: &text,
            occupant_id: Some(&occupant.occupant_id),
            stamp_ms: None,
        };
        let head = Head {
            from: &occupant.here,
            kind: Kind::Message(MessageKind::Groupchat),
            id: &asker.envelope.id,
        };
        stage.tell(self, Audience::All, &[], head, &notice);
        self.subject = Some(Box::new(Subject {
            nick: occupant.nick().to_owned(),
            by: occupant.real.to_bare(),
            unix_ms: stage.now().unix_ms,
            text,
        }));
        self.unsaved.insert(Unsaved::Config);
        Ok(())
    }

    /// Section 7.5; also an error that a client returns for what it was told in private.
    pub(super) fn whisper(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let envelope = asker.envelope;
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        if envelope.kind == Kind::Message(MessageKind::Groupchat) {
            return Err(Condition::BadRequest);
        }
        let targets = self.occupants.named(envelope.to.resource().unwrap_or_default());
        if targets.is_empty() {
            return Err(Condition::ItemNotFound);
        }
        let is_error = envelope.kind == Kind::Message(MessageKind::Error);
        if !is_error && self.config.private_messages.is_none_or(|least| asker.role < least) {
            return Err(Condition::Forbidden);
        }
        let notice = Notice::Said {
            content: &envelope.content,
            occupant_id: &occupant.occupant_id,
            record: None,
            room: &self.address,
            private: true,
            stamp_ms: None,
        };
        let head = Head {
            from: &occupant.here,
            kind: envelope.kind,
            id: &envelope.id,
        };
        stage.tell(self, Audience::Those(targets), &[], head, &notice);
        Ok(())
    }

    /// Section 7.8.2. An invitation into a room for members makes a member.
    pub(super) fn invite(
        &mut self,
        asker: Asker<'_>,
        invitations: &[Invitation],
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        if asker.place.is_none() {
            return Err(Condition::NotAcceptable);
        }
        let allowed = match self.config.members_only {
            true => {
                asker.affiliation >= Affiliation::Admin
                    || self.config.invites && asker.affiliation >= Affiliation::Member
            }
            false => self.config.invites || asker.role == Role::Moderator,
        };
        if !allowed || asker.role < Role::Participant {
            return Err(Condition::Forbidden);
        }
        let limits = stage.limits();
        if invitations.is_empty() {
            return Err(Condition::BadRequest);
        }
        if invitations.len() > limits.room_invitations
            || self.affiliations.len() + invitations.len() > limits.affiliations_per_room
        {
            return Err(Condition::ResourceConstraint);
        }
        for invitation in invitations {
            Room::fits(&invitation.reason, limits)?;
            if invitation.to.node().is_none() {
                return Err(Condition::ItemNotFound);
            }
        }
        let by = asker.envelope.from.to_bare();
        for invitation in invitations {
            if self.config.members_only && self.affiliations.of(&invitation.to) == Affiliation::None {
                let account = invitation.to.to_bare().detached();
                self.unsaved.insert(Unsaved::Affiliation(account.clone()));
                self.affiliations.set(Affiliated {
                    account,
                    affiliation: Affiliation::Member,
                    nick: None,
                    reason: None,
                });
            }
            let notice = Notice::Invited {
                by: &by,
                reason: &invitation.reason,
                password: Some(&*self.config.password).filter(|password| !password.is_empty()),
                continues: invitation.continues.as_deref(),
            };
            stage.write_to(self, &invitation.to.to_bare(), &notice);
            let max = stage.limits().room_invitations_open;
            self.invited.note(&invitation.to, &by, max);
        }
        Ok(())
    }

    /// To who has invited: as long as he is in, or if this invitation is remembered. A room is nobody's way to strangers.
    pub(super) fn decline(
        &mut self,
        asker: Asker<'_>,
        refusal: &Invitation,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        Room::fits(&refusal.reason, stage.limits())?;
        if asker.affiliation == Affiliation::Outcast {
            return Err(Condition::Forbidden);
        }
        let inviters = self.occupants.of(&refusal.to);
        let was_invited = self.invited.take(&asker.envelope.from, &refusal.to);
        if inviters.is_empty() && !was_invited {
            return Err(Condition::ItemNotFound);
        }
        let by = asker.envelope.from.to_bare();
        let notice = Notice::Declined {
            by: &by,
            reason: &refusal.reason,
        };
        if inviters.is_empty() {
            stage.write_to(self, &refusal.to.to_bare(), &notice);
            return Ok(());
        }
        let head = Head {
            from: &self.address,
            kind: Kind::Message(MessageKind::Normal),
            id: &Bytes::new(),
        };
        stage.tell(self, Audience::Those(&inviters), &[], head, &notice);
        Ok(())
    }

    /// Section 7.13.
    pub(super) fn ask_voice(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        if !self.config.voice_requests {
            return Err(Condition::Forbidden);
        }
        if occupant.role != Role::Visitor {
            return Err(Condition::BadRequest);
        }
        let notice = Notice::VoiceAsked {
            nick: occupant.nick(),
            real: &occupant.real,
        };
        let head = Head {
            from: &self.address,
            kind: Kind::Message(MessageKind::Normal),
            id: &Bytes::new(),
        };
        stage.tell(self, Audience::Moderators, &[], head, &notice);
        Ok(())
    }

    /// Section 8.6. By the time of the answer the visitor may be gone, or speak already.
    pub(super) fn answer_voice(
        &mut self,
        asker: Asker<'_>,
        answer: &VoiceRequest,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        if asker.role != Role::Moderator {
            return Err(Condition::Forbidden);
        }
        let targets = self.occupants.named(&answer.nick).to_vec();
        let visitor = targets.first().and_then(|place| self.occupants.get(*place));
        if answer.allow && visitor.ok_or(Condition::ItemNotFound)?.role == Role::Visitor {
            self.set_role(&targets, Role::Participant, How::default(), stage);
        }
        Ok(())
    }

    /// Section 17.4, and XEP-0410.
    pub(super) fn relay(&mut self, asker: Asker<'_>, ping: bool, stage: &mut dyn Stage) -> Result<(), Condition> {
        let envelope = asker.envelope;
        let asks = matches!(envelope.kind, Kind::Query(QueryKind::Get | QueryKind::Set));
        let occupant = asker.place.and_then(|place| self.occupants.get(place));
        let occupant = occupant.ok_or(Condition::NotAcceptable)?;
        let nick = envelope.to.resource().ok_or(Condition::BadRequest)?;
        if ping && asks && nick == occupant.nick() {
            stage.answer(RoomAnswer::Done);
            return Ok(());
        }
        let targets = self.occupants.named(nick);
        let (target, id) = match asks {
            true => (targets.first().copied(), marked(asker.place, &envelope.id)),
            false => {
                let (place, id) = unmarked(&envelope.id);
                (place.filter(|place| targets.contains(place)), id)
            }
        };
        stage.pass(self, target.ok_or(Condition::ItemNotFound)?, &occupant.here, id);
        Ok(())
    }
}

/// Between the place of who asked and the identifier that he gave.
const MARK: u8 = b':';

/// The identifier under which a query is passed on: the answer names by it whose it is, among the sessions of a nickname.
fn marked(place: Option<Place>, id: &Bytes) -> Bytes {
    let mut text = place.unwrap_or_default().to_string().into_bytes();
    text.push(MARK);
    text.extend_from_slice(id);
    Bytes::from(text)
}

/// Who asked, and what he called it.
fn unmarked(id: &Bytes) -> (Option<Place>, Bytes) {
    let Some(at) = id.iter().position(|byte| *byte == MARK) else {
        return (None, id.clone());
    };
    let place = std::str::from_utf8(&id[..at]).ok().and_then(|place| place.parse().ok());
    (place, id.slice(at + 1..))
}
