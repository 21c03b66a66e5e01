//! Changes of roles and affiliations (XEP-0045 sections 8.2 to 8.5, 9 and 10.3 to 10.8): who may make which, and what follows.
//!
//! Invariants:
//! - A list of changes is made as a whole or not at all.
//! - There is always an owner.

use super::room::{Asker, How, Unsaved};
use super::{
    Affiliated, Affiliation, Audience, Change, Head, Notice, Place, Role, Room, RoomAnswer, Stage, Status, Target,
};
use crate::envelope::{Condition, Kind, MessageKind};
use crate::jid::Jid;
use crate::limits::Limits;

/// A change that may be made.
enum Checked<'a> {
    Affiliation(Affiliated, &'a Change),
    Role(Vec<Place>, Role, &'a Change),
}

impl Room {
    pub(super) fn change(
        &mut self,
        asker: Asker<'_>,
        changes: &[Change],
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        let limits = stage.limits();
        if changes.is_empty() {
            return Err(Condition::BadRequest);
        }
        if changes.len() > limits.room_changes {
            return Err(Condition::ResourceConstraint);
        }
        let checked: Result<Vec<_>, _> = changes.iter().map(|change| self.check(asker, change, limits)).collect();
        let checked = checked?;
        self.keeps_an_owner(&checked)?;
        let news = checked.iter().filter(|change| match change {
            Checked::Affiliation(entry, _) => {
                entry.affiliation != Affiliation::None && self.affiliations.get(&entry.account).is_none()
            }
            Checked::Role(..) => false,
        });
        if self.affiliations.len() + news.count() > limits.affiliations_per_room {
            return Err(Condition::ResourceConstraint);
        }
        let actor = asker
            .place
            .and_then(|place| self.occupants.get(place))
            .map(|occupant| occupant.nick().to_owned());
        for change in checked {
            match change {
                Checked::Affiliation(entry, change) => self.affiliate(entry, actor.as_deref(), &change.reason, stage),
                Checked::Role(places, role, change) => {
                    let how = How {
                        actor: actor.as_deref(),
                        reason: &change.reason,
                        ..How::default()
                    };
                    self.set_role(&places, role, how, stage);
                }
            }
        }
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    fn check<'a>(&self, asker: Asker<'_>, change: &'a Change, limits: &Limits) -> Result<Checked<'a>, Condition> {
        Room::fits(&change.reason, limits)?;
        match (change.affiliation, change.role) {
            (Some(affiliation), None) => {
                let entry = self.check_affiliation(asker, change, affiliation, limits)?;
                Ok(Checked::Affiliation(entry, change))
            }
            (None, Some(role)) => Ok(Checked::Role(
                self.check_role(asker, &change.target, role)?,
                role,
                change,
            )),
            _ => Err(Condition::BadRequest),
        }
    }

    fn check_affiliation(
        &self,
        asker: Asker<'_>,
        change: &Change,
        new: Affiliation,
        limits: &Limits,
    ) -> Result<Affiliated, Condition> {
        // Who may change nothing learns nothing of who is in.
        if asker.affiliation < Affiliation::Admin {
            return Err(Condition::Forbidden);
        }
        let account = match &change.target {
            Target::Account(account) => account.to_bare().detached(),
            Target::Nick(nick) => {
                let place = self.occupants.named(nick).first().ok_or(Condition::ItemNotFound)?;
                let occupant = self.occupants.get(*place).ok_or(Condition::ItemNotFound)?;
                occupant.real.to_bare().detached()
            }
        };
        let old = self.affiliations.of(&account);
        may_affiliate(asker, &account, old, new)?;
        if change.nick.len() > limits.room_nick_bytes {
            return Err(Condition::NotAcceptable);
        }
        let nick = Some(change.nick.as_str()).filter(|nick| !nick.is_empty() && new != Affiliation::Outcast);
        let reserved = nick.and_then(|nick| self.affiliations.holder(nick));
        let user = nick.and_then(|nick| self.occupants.named(nick).first());
        let used = user
            .and_then(|place| self.occupants.get(*place))
            .is_some_and(|occupant| !occupant.real.same_bare(&account));
        if used || reserved.is_some_and(|holder| *holder != account) {
            return Err(Condition::Conflict);
        }
        let kept = self.affiliations.get(&account).and_then(|entry| entry.nick.clone());
        let keeps = nick.is_none() && new > Affiliation::None;
        Ok(Affiliated {
            account,
            affiliation: new,
            nick: nick.map(Box::from).or(kept.filter(|_| keeps)),
            reason: Some(change.reason.as_str())
                .filter(|reason| !reason.is_empty())
                .map(Box::from),
        })
    }

    /// Sections 8.2 to 8.5 and 9.6 to 9.8.
    fn check_role(&self, asker: Asker<'_>, target: &Target, new: Role) -> Result<Vec<Place>, Condition> {
        if asker.role != Role::Moderator && asker.affiliation < Affiliation::Admin {
            return Err(Condition::Forbidden);
        }
        let places = match target {
            Target::Nick(nick) => self.occupants.named(nick).to_vec(),
            Target::Account(account) => self.occupants.of(account),
        };
        let first = places.first().and_then(|place| self.occupants.get(*place));
        let target = first.ok_or(Condition::ItemNotFound)?;
        let (old, theirs) = (target.role, target.affiliation);
        if new == Role::None {
            return match theirs > asker.affiliation {
                true => Err(Condition::NotAllowed),
                false => Ok(places),
            };
        }
        let touches_moderators = (old == Role::Moderator) != (new == Role::Moderator);
        if new < old && (theirs >= Affiliation::Admin || theirs > asker.affiliation) {
            return Err(Condition::NotAllowed);
        }
        if touches_moderators && asker.affiliation < Affiliation::Admin {
            return Err(Condition::Forbidden);
        }
        Ok(places)
    }

    /// Sections 10.2, 10.4 and 10.5: somebody must be there to answer for the room.
    fn keeps_an_owner(&self, changes: &[Checked<'_>]) -> Result<(), Condition> {
        let mut owners: Vec<&Jid> = self
            .affiliations
            .with(Affiliation::Owner)
            .map(|entry| &entry.account)
            .collect();
        let before = owners.len();
        for change in changes {
            let Checked::Affiliation(entry, _) = change else {
                continue;
            };
            owners.retain(|owner| **owner != entry.account);
            if entry.affiliation == Affiliation::Owner {
                owners.push(&entry.account);
            }
        }
        match owners.is_empty() && before > 0 {
            true => Err(Condition::Conflict),
            false => Ok(()),
        }
    }

    /// An affiliation is another from now on; the account's occupants have the role that goes with it, or are out.
    pub(super) fn affiliate(&mut self, entry: Affiliated, actor: Option<&str>, reason: &str, stage: &mut dyn Stage) {
        let (account, new) = (entry.account.clone(), entry.affiliation);
        let old = self.affiliations.of(&account);
        if self.affiliations.get(&account) == Some(&entry) {
            return;
        }
        self.affiliations.set(entry);
        self.unsaved.insert(Unsaved::Affiliation(account.clone()));
        let places = self.occupants.of(&account);
        if places.is_empty() {
            if old != new {
                self.tell_affiliation(&account, new, stage);
            }
            return;
        }
        let how = How {
            actor,
            reason,
            affiliation: Some(new),
            ..How::default()
        };
        let out: Option<&[Status]> = match new {
            Affiliation::Outcast => Some(&[Status::Banned]),
            Affiliation::None if self.config.members_only => Some(&[Status::AffiliationLost]),
            _ => None,
        };
        if let Some(statuses) = out {
            return self.remove_all(&places, How { statuses, ..how }, stage);
        }
        for place in &places {
            let role = self.role_of(new);
            if let Some(occupant) = self.occupants.get_mut(*place) {
                occupant.affiliation = new;
                // Who was given a voice keeps it.
                let keeps = new == Affiliation::None && old == Affiliation::None;
                if !keeps {
                    occupant.role = role;
                }
                self.roll += 1;
            }
        }
        self.tell_shared(
            &places,
            How {
                affiliation: None,
                ..how
            },
            stage,
        );
    }

    fn tell_affiliation(&self, account: &Jid, affiliation: Affiliation, stage: &mut dyn Stage) {
        let notice = Notice::AffiliationChanged { account, affiliation };
        let head = Head {
            from: &self.address,
            kind: Kind::Message(MessageKind::Normal),
            id: &bytes::Bytes::new(),
        };
        let audience = match self.config.non_anonymous {
            true => Audience::All,
            false => Audience::Moderators,
        };
        stage.tell(self, audience, &[], head, &notice);
    }

    /// The sessions of one nickname have another role, or none: out.
    pub(super) fn set_role(&mut self, places: &[Place], role: Role, how: How<'_>, stage: &mut dyn Stage) {
        if role == Role::None {
            let statuses = &[Status::Kicked];
            return self.remove_all(places, How { statuses, ..how }, stage);
        }
        for place in places {
            if let Some(occupant) = self.occupants.get_mut(*place) {
                occupant.role = role;
            }
        }
        self.roll += 1;
        self.tell_shared(places, how, stage);
    }

    /// One presence for each nickname among these.
    fn tell_shared(&self, places: &[Place], how: How<'_>, stage: &mut dyn Stage) {
        for place in places {
            let Some(occupant) = self.occupants.get(*place) else {
                continue;
            };
            let first = self
                .occupants
                .named(occupant.nick())
                .iter()
                .find(|other| places.contains(other));
            if first == Some(place) {
                self.tell_presence(Audience::All, occupant, how, stage);
            }
        }
    }

    /// These are out; each is told of its own end.
    pub(super) fn remove_all(&mut self, places: &[Place], how: How<'_>, stage: &mut dyn Stage) {
        let how = How { gone: true, ..how };
        for place in places {
            let Some(occupant) = self.occupants.get(*place) else {
                continue;
            };
            // The others hear of a nickname once, with the last of its sessions.
            let audience = match self.occupants.named(occupant.nick()).len() {
                1 => Audience::All,
                _ => Audience::Those(std::slice::from_ref(place)),
            };
            self.tell_presence(audience, occupant, how, stage);
            self.occupants.remove(*place);
            self.roll += 1;
        }
    }
}

/// The table of section 5.2.1.
fn may_affiliate(asker: Asker<'_>, account: &Jid, old: Affiliation, new: Affiliation) -> Result<(), Condition> {
    let is_self = asker.envelope.from.same_bare(account);
    if is_self && new == Affiliation::Outcast {
        return Err(Condition::Conflict);
    }
    if asker.affiliation == Affiliation::Owner {
        return Ok(());
    }
    // An admin: bans and grants membership among those below.
    if new == Affiliation::Outcast && old >= Affiliation::Admin {
        return Err(Condition::NotAllowed);
    }
    let beyond = new >= Affiliation::Admin || old >= Affiliation::Admin;
    match beyond && !(is_self && new < old) {
        true => Err(Condition::Forbidden),
        false => Ok(()),
    }
}
